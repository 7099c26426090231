#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Boots Debian's kernel in qemu over this machine's own root file system (read only), with systemd, udev and
the system bus, the project installed from a build folder, and runs a command there: the tests in
tests/vm/guest unless another one is given. With --package nothing is installed: that is what the tests of the Debian
package do.

The exit status is 0 when everything passed, 77 where the machine cannot be had (it says why), else 1. The last
line counts the tests. Standard output, journal and console of each boot stay in the folder of the results."""

import argparse
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from pathlib import Path

sys.dont_write_bytecode = True
from image import DEFAULT_KERNEL, Image, Unavailable, merge_usr, state_folder  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
QEMU = "qemu-system-x86_64"
SKIPPED = 77

# The time is that of the emulated HPET: how fast the TSC goes is measured at boot, and wrongly on a busy host, where the
# guest then ran several times too fast. No self-checks of the emulated hardware, no security modules of the host, names
# of interfaces as the kernel gives them; whatever fails ends the machine.
KERNEL_ARGUMENTS = """
    console=ttyS0 quiet loglevel=5 panic=-1 mitigations=off tsc=unstable clocksource=hpet no_timer_check random.trust_cpu=on
    usbcore.old_scheme_first=1 nowatchdog apparmor=0 selinux=0 net.ifnames=0 systemd.unit=vm.target systemd.show_status=0 systemd.log_target=kmsg
    systemd.machine_id=0123456789abcdef0123456789abcdef
""".split()


def check_host():
    if platform.machine() != "x86_64":
        raise Unavailable(f"it is made for x86_64, not {platform.machine()}")
    if not shutil.which(QEMU):
        raise Unavailable(f"there is no {QEMU}")
    devices = subprocess.run([QEMU, "-device", "help"], capture_output=True, text=True, check=False).stdout
    if '"virtio-9p-pci"' not in devices:
        raise Unavailable("qemu has no virtio-9p")
    for file in ("/sbin/init", "/lib/systemd/systemd-udevd"):
        if not os.path.exists(file):
            raise Unavailable(f"there is no {file}")


def accelerator():
    """KVM where it works: in some containers it is there and does not."""
    if chosen := os.environ.get("QMID_VM_ACCEL"):
        return chosen
    probe = [QEMU, "-accel", "kvm", "-cpu", "max", "-nodefaults", "-display", "none", "-S", "-monitor", "stdio"]
    try:
        if os.access("/dev/kvm", os.W_OK) and subprocess.run(
                probe, input=b"quit\n", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=10,
                check=False).returncode == 0:
            return "kvm"
    except subprocess.TimeoutExpired:
        pass
    return "tcg,thread=multi"


def install(build, folder):
    """What `meson install` gives, as the top layer of the guest's root."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if not build:
        return
    result = subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet"], text=True, check=False,
                            env={**os.environ, "DESTDIR": str(folder)}, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    if result.returncode:
        sys.exit(f"cannot install {build}:\n{result.stdout[-4000:]}")
    if (folder / "usr/local").exists():
        sys.exit(f"{build}: configure it with --prefix=/usr, as the bus finds no policy in /usr/local")
    merge_usr(folder)
    if (folder / "usr/lib/udev/hwdb.d").exists():
        compile_hwdb(folder)


def compile_hwdb(folder):
    """udev reads one database, of the installed entries and the host's."""
    with tempfile.TemporaryDirectory() as root:
        root = Path(root)
        (root / "usr/lib").mkdir(parents=True)
        (root / "lib").symlink_to("usr/lib")
        for source in (Path("/"), folder):
            for entries in ("usr/lib/udev/hwdb.d", "etc/udev/hwdb.d"):
                if (source / entries).is_dir():
                    shutil.copytree(source / entries, root / entries, dirs_exist_ok=True)
        subprocess.run(["systemd-hwdb", f"--root={root}", "update"], check=True)
        (folder / "etc/udev").mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "etc/udev/hwdb.bin", folder / "etc/udev")


def share(tag, path, writable=False):
    mode = "" if writable else ",readonly=on"
    return ["-fsdev", f"local,id={tag},path={path},security_model=none,multidevs=remap{mode}",
            "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]


class Machine:
    def __init__(self, image, installed, folders, out, options):
        self.image = image
        self.installed = installed
        self.folders = folders
        self.out = out
        self.options = options
        self.accelerator = accelerator()

    def boot(self, command, variables):
        """Runs the command in a new machine: whether it succeeded, and why not."""
        out = self.out
        (out / "shares").write_text("".join(f"share{i} {path}\n" for i, path in enumerate(self.folders)))
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
        # It ends in time for the journal to be saved; interrupted, pytest tells where it was.
        limit = f"$(({self.options.timeout} * 9 / 10 - $(cut -d. -f1 /proc/uptime)))"
        (out / "command.sh").write_text(f"{exports}cd {shlex.quote(str(ROOT))}\n"
                                        f"exec timeout -s INT -k 10 {limit} {shlex.join(command)}\n")
        qemu = [QEMU, "-accel", self.accelerator, "-cpu", "max", "-smp", "2", "-m", "1024", "-nodefaults",
                "-no-reboot", "-display", "none", "-serial", f"file:{out}/console.txt",
                "-device", "virtio-rng-pci",
                "-kernel", self.image.kernel, "-initrd", self.image.initrd,
                "-append", " ".join(KERNEL_ARGUMENTS + self.options.append),
                *share("host", "/"), *share("base", self.image.base), *share("installed", self.installed),
                *share("out", out, writable=True)]
        for i, path in enumerate(self.folders):
            qemu += share(f"share{i}", path)
        for name in ("result", "stdout.txt", "journal.txt"):
            (out / name).unlink(missing_ok=True)

        with open(out / "qemu.txt", "wb") as log:
            try:
                status = subprocess.run([str(a) for a in qemu], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        timeout=self.options.timeout, check=False).returncode
            except subprocess.TimeoutExpired:
                return False, f"it did not end within {self.options.timeout} s"
        if status:
            return False, f"qemu failed: {(out / 'qemu.txt').read_text(errors='replace')[-2000:]}"
        if not (out / "result").exists():
            return False, "the guest ended before its time"
        result, exit_status = (out / "result").read_text().split()
        if exit_status == "124":
            return False, f"the command did not end in time ({self.options.timeout} s)"
        return result == "success", f"{result} {exit_status}"


def counts_of(file):
    """Passed, failed, skipped, as pytest wrote them down; nothing if it did not come so far."""
    if not file.exists():
        return 0, 0, 0
    suite = xml.parse(file).getroot().find("testsuite")
    failed, skipped = int(suite.get("failures")) + int(suite.get("errors")), int(suite.get("skipped"))
    return int(suite.get("tests")) - failed - skipped, failed, skipped


def last_lines(file, n):
    return "\n".join(file.read_text(errors="replace").splitlines()[-n:]) if file.exists() else ""


def run_tests(machine, variables, tests):
    """The tests of the first boot, and of further ones as long as a test is for them."""
    totals, boot, boots = [0, 0, 0], 0, 1
    while boot < boots:
        boot += 1
        junit = machine.out / f"junit-{boot}.xml"
        command = ["/usr/bin/python3", "-B", "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider",
                   f"--junitxml=/run/out/{junit.name}", *tests]
        begin = time.monotonic()
        good, why = machine.boot(command, {**variables, "QMID_VM_BOOT": str(boot)})
        print(last_lines(machine.out / "stdout.txt", 1000))
        counts = list(counts_of(junit))
        if not good and not counts[1]:
            print(f"boot {boot}: {why}\n{last_lines(machine.out / 'console.txt', 30)}")
            counts[1] = 1
        print(f"boot {boot}: {time.monotonic() - begin:.1f} s")
        totals = [a + b for a, b in zip(totals, counts)]
        for name in ("stdout.txt", "journal.txt", "console.txt"):
            if (machine.out / name).exists():
                (machine.out / name).rename(machine.out / f"boot-{boot}-{name}")
        if good:
            boots = int((machine.out / "boots").read_text())
    return totals


def run_command(machine, variables, command):
    good, why = machine.boot(command, variables)
    print(last_lines(machine.out / "stdout.txt", 100000))
    if not good:
        print(f"{why}\n{last_lines(machine.out / 'console.txt', 30)}")
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, help="installed in the guest, and there at the same path")
    parser.add_argument("--package", type=Path, metavar="DEB",
                        help="there at the same path; the build is not installed, and the tests are the package's")
    parser.add_argument("--out", type=Path, help="a folder for the results (default: below QMID_VM_STATE)")
    parser.add_argument("--timeout", type=int, default=180, help="of a boot, in seconds")
    parser.add_argument("--kernel", default=os.environ.get("QMID_VM_KERNEL", DEFAULT_KERNEL), metavar="PACKAGE")
    parser.add_argument("--append", action="append", default=[], metavar="ARGUMENT", help="for the kernel")
    parser.add_argument("--tests", action="append", metavar="ARGUMENT", help="for pytest, instead of all tests")
    parser.add_argument("command", nargs="*", help="instead of the tests")
    options = parser.parse_args()
    try:
        check_host()
        image = Image(options.kernel)
        image.make()
    except Unavailable as e:
        print(f"skipped: {e}\n0 passed, 0 failed, 1 skipped")
        return SKIPPED

    build = options.build and options.build.resolve()
    variables = {"QMID_SOURCE": str(ROOT), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    variables |= {name: value for name, value in os.environ.items()
                  if re.fullmatch("(ASAN|UBSAN|LSAN)_OPTIONS", name)}
    if build:
        variables["QMID_BUILD"] = str(build)
    folders = [ROOT] + ([build] if build else [])
    tests = ["tests/vm/guest"]
    if options.package:
        package = options.package.resolve(strict=True)
        variables["QMID_PACKAGE"] = str(package)
        folders.append(package.parent)
        tests = ["tests/vm/guest/test_package.py"]
    with tempfile.TemporaryDirectory(prefix="installed-", dir=state_folder()) as folder:
        installed = Path(folder, "root")
        install(None if options.package else build, installed)
        out = options.out or Path(tempfile.mkdtemp(prefix="out-", dir=state_folder()))
        out.mkdir(parents=True, exist_ok=True)
        machine = Machine(image, installed, folders, out.resolve(), options)
        if options.command:
            totals = None
            good = run_command(machine, variables, options.command)
        else:
            totals = run_tests(machine, variables, options.tests or tests)
            good = totals[0] > 0 and totals[1] == 0
    if not good:
        print(f"What was recorded is in {out}.")
    elif not options.out:
        shutil.rmtree(out)
    if totals:
        print("{} passed, {} failed, {} skipped".format(*totals))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
