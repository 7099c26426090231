# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the virtual machine boots from: Debian's kernel, an initrd, and the lowest layers of its root.

All is kept in a folder outside the checkout and made once; nothing is installed on this machine."""

import fcntl
import lzma
import os
import shutil
import subprocess
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEFAULT_KERNEL = "linux-image-amd64"

# Before the root file system is there.
BOOT_MODULES = ["virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_rng"]
# What modems, and the programs around them, may want. Few modules make a quick start.
MODULES = ["vhci-hcd", "qmi_wwan", "cdc_mbim", "huawei_cdc_ncm", "option", "qcserial", "usbmon", "wwan", "qrtr",
           "tun", "dummy", "veth", "fuse", "loop", "ipv6", "unix", "af_packet", "autofs4", "button"]

# Programs that use the same ports, for the tests of how qmid gets on with them, and those that have to do with its
# connections.
# Nothing starts them but a test.
NEIGHBOURS = ["libqmi-proxy", "libqmi-utils", "modemmanager", "network-manager", "systemd-resolved"]
# Who decides who may do what, and who knows of sessions, where this machine has not got them.
AUTHORITIES = ["polkitd", "libpam-systemd"]

# Services of the host that only cost time here, or cannot work: there is no clock, disk or seat.
MASKED = """
    apt-daily-upgrade.timer apt-daily.timer dev-hugepages.mount
    dev-mqueue.mount dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
    kmod-static-nodes.service ldconfig.service man-db.timer modprobe@.service
    proc-sys-fs-binfmt_misc.automount sys-fs-fuse-connections.mount sys-kernel-config.mount
    sys-kernel-debug.mount sys-kernel-tracing.mount systemd-ask-password-console.path
    systemd-ask-password-wall.path systemd-binfmt.service systemd-firstboot.service
    systemd-hwdb-update.service systemd-journal-flush.service systemd-logind.service
    systemd-machine-id-commit.service systemd-modules-load.service systemd-pstore.service
    systemd-random-seed.service systemd-remount-fs.service systemd-sysctl.service
    systemd-timesyncd.service systemd-tmpfiles-clean.timer systemd-tmpfiles-setup.service
    systemd-update-done.service systemd-update-utmp.service
""".split()


class Unavailable(Exception):
    """What cannot be had here: a reason to skip."""


def state_folder():
    return Path(os.environ.get("QMID_VM_STATE") or f"/tmp/qmid-vm.{os.getuid()}").absolute()


def run(*command, **options):
    return subprocess.run([str(c) for c in command], check=True, text=True, capture_output=True, **options).stdout


def reason_of(error):
    """The last line that a program wrote."""
    return (error.stderr.strip() or str(error)).splitlines()[-1]


def unpack(archives, folder):
    """Debian packages, as dpkg would, but runs nothing of theirs."""
    for archive in archives.iterdir():
        run("dpkg-deb", "-x", archive, folder)


def merge_usr(folder):
    """A folder named like one of the links in / would hide it."""
    for name in ("bin", "sbin", "lib", "lib64"):
        if (folder / name).is_dir() and Path("/", name).is_symlink():
            shutil.copytree(folder / name, folder / "usr" / name, dirs_exist_ok=True, symlinks=True)
            shutil.rmtree(folder / name)


class Image:
    def __init__(self, kernel_package):
        self.state = state_folder() / kernel_package
        self.packages = self.state / "packages"
        self.kernel = self.state / "vmlinux"
        self.initrd = self.state / "initrd"
        self.base = self.state / "base"
        self.neighbours = self.state / self._name("neighbours", NEIGHBOURS)
        self.authorities = self.state / self._name("authorities", AUTHORITIES)
        self.kernel_package = kernel_package

    def make(self):
        """Makes what is missing. From here until the end of this program others who want the same wait: a machine
        loses its root when the layers below it are made anew."""
        self.state.mkdir(parents=True, exist_ok=True)
        self._lock = open(self.state / "lock", "w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._once("packages", self._fetch)
        self._once("vmlinux", self._unpack_kernel)
        self._once("modules", self._select_modules)
        missing = {"neighbours": self._fetch_more(self.neighbours.name, NEIGHBOURS, NEIGHBOURS),
                   "authorities": self._fetch_more(self.authorities.name, AUTHORITIES)}
        # These change with the checkout, and are quick.
        self._make_initrd()
        self._make_base()
        # Where there is no network the tests of them are skipped; this tells them why.
        for name, reason in missing.items():
            if reason:
                (self.base / f"{name}-missing").write_text(reason)

    @staticmethod
    def _name(name, packages):
        """Another one for other packages."""
        return f"{name}-{zlib.crc32(' '.join(packages).encode()):08x}"

    def _once(self, name, make):
        """A folder or file appears under its name when it is whole."""
        if (self.state / name).exists():
            return
        new = self.state / f"{name}.new"
        if new.is_dir():
            shutil.rmtree(new)
        make(new)
        new.rename(self.state / name)

    # ---- what comes from Debian ----

    def _fetch(self, folder):
        package = self.kernel_package
        if not shutil.which("apt-get"):
            raise Unavailable("there is no apt-get to fetch a kernel with")
        try:
            depends = run("apt-cache", "depends", package)
        except subprocess.CalledProcessError:
            raise Unavailable(f"there is no package {package}") from None
        for line in depends.splitlines():       # a meta package names the real one
            if line.strip().startswith("Depends: linux-image-"):
                package = line.split()[1]
                break
        archives = folder / "archives"
        archives.mkdir(parents=True)
        try:
            run("apt-get", "download", package, "busybox-static", "kmod", cwd=archives)
        except subprocess.CalledProcessError as e:
            raise Unavailable(f"cannot fetch {package}: {reason_of(e)}") from None
        unpack(archives, folder)
        shutil.rmtree(archives)

    def _fetch_more(self, name, packages, always=()):
        """Why these packages cannot be had; None if they can. `always`: those that this machine's own do not do for."""
        try:
            self._once(name, lambda folder: self._unpack_more(folder, packages, always))
        except subprocess.CalledProcessError as e:
            return f"cannot fetch {' '.join(packages)}: {reason_of(e)}"
        return None

    def _unpack_more(self, folder, packages, always):
        """With all that this machine lacks to run them."""
        archives = folder.with_suffix(".archives")
        shutil.rmtree(archives, ignore_errors=True)
        archives.mkdir()
        plan = run("apt-get", "install", "--simulate", "--no-install-recommends", *packages)
        lacking = {*always, *(line.split()[1] for line in plan.splitlines() if line.startswith("Inst "))}
        if lacking:
            run("apt-get", "download", *lacking, cwd=archives)
        folder.mkdir()
        unpack(archives, folder)
        merge_usr(folder)
        shutil.rmtree(archives)

    def _kernel_version(self):
        return next(self.packages.glob("boot/vmlinuz-*")).name.removeprefix("vmlinuz-")

    def _tree(self):
        """The folder whose lib/modules the kernel's modules are in."""
        return self.packages if (self.packages / "lib/modules").is_dir() else self.packages / "usr"

    def _program(self, name):
        return next(p for p in (self.packages / "bin" / name, self.packages / "usr/bin" / name) if p.exists())

    def _kmod(self):
        return self._program("kmod")

    def _busybox(self):
        return self._program("busybox")

    def _call_kmod(self, name, *arguments):
        """kmod is all of its tools, told apart by the name that it is called by."""
        return run(name, *arguments, executable=str(self._kmod()))

    def _unpack_kernel(self, file):
        """The ELF file in the kernel image boots directly (PVH); to unpack itself would take an emulated
        machine seconds."""
        image = (self.packages / f"boot/vmlinuz-{self._kernel_version()}").read_bytes()
        if (start := image.find(b"\xfd7zXZ\0")) >= 0:
            elf = lzma.LZMADecompressor().decompress(image[start:])
        elif (start := image.find(b"\x28\xb5\x2f\xfd")) >= 0 and shutil.which("zstd"):
            # What follows the frame makes zstd fail, after it has written all of it.
            elf = subprocess.run(["zstd", "-dcq"], input=image[start:], capture_output=True, check=False).stdout
        else:
            raise Unavailable("the kernel is packed in a way that cannot be unpacked here")
        if not elf.startswith(b"\x7fELF"):
            raise Unavailable("there is no ELF file in the kernel image")
        file.write_bytes(elf)
        if shutil.which("strip"):
            run("strip", "--strip-debug", file)

    # ---- modules ----

    def _needed(self, modules, tree):
        """The files that make these modules work, dependencies first; what the kernel has not or has built in is
        left out."""
        files = []
        for module in modules:
            try:
                text = self._call_kmod("modprobe", "-d", tree, "-S", self._kernel_version(), "--show-depends",
                                       module)
            except subprocess.CalledProcessError:
                continue
            files += [line.split()[1] for line in text.splitlines() if line.startswith("insmod ")]
        return [Path(f) for f in dict.fromkeys(files)]

    def _select_modules(self, folder):
        version = self._kernel_version()
        self._call_kmod("depmod", "-b", self._tree(), version)
        whole, selected = self._tree() / "lib/modules" / version, folder / "lib/modules" / version
        for file in self._needed(BOOT_MODULES + MODULES, self._tree()):
            to = selected / file.relative_to(whole)
            to.parent.mkdir(parents=True, exist_ok=True)
            if file.suffix == ".xz":
                to.with_suffix("").write_bytes(lzma.decompress(file.read_bytes()))
            else:
                shutil.copy(file, to)
        for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
            shutil.copy(whole / name, selected)
        self._call_kmod("depmod", "-b", folder, version)

    # ---- what the guest boots from ----

    def _make_initrd(self):
        root = self.state / "initrd.root"
        shutil.rmtree(root, ignore_errors=True)
        for name in ("bin", "modules", "proc", "sys", "dev", "layers", "written", "root"):
            (root / name).mkdir(parents=True)
        shutil.copy(self._busybox(), root / "bin")
        shutil.copy(HERE / "init.sh", root / "init")
        (root / "init").chmod(0o755)
        files = self._needed(BOOT_MODULES, self.state / "modules")
        for file in files:
            shutil.copy(file, root / "modules")
        (root / "modules/list").write_text("".join(f"{f.name}\n" for f in files))
        names = "".join(f"{p.relative_to(root)}\n" for p in sorted(root.rglob("*")))
        with open(self.initrd, "wb") as archive:
            subprocess.run([self._busybox(), "cpio", "-o", "-H", "newc"], cwd=root, input=names.encode(),
                           stdout=archive, stderr=subprocess.DEVNULL, check=True)

    def _make_base(self):
        shutil.rmtree(self.base, ignore_errors=True)
        shutil.copytree(self.state / "modules/lib/modules", self.base / "usr/lib/modules")
        for more in (self.neighbours, self.authorities):
            if more.exists():
                shutil.copytree(more, self.base, symlinks=True, dirs_exist_ok=True)
        for name in ("bin", "sbin"):
            (self.base / "usr" / name).mkdir(exist_ok=True)
        shutil.copy(self._kmod(), self.base / "usr/bin/kmod")
        shutil.copy(self._busybox(), self.base / "usr/bin/busybox")
        for tool in ("depmod", "insmod", "lsmod", "modinfo", "modprobe", "rmmod"):
            (self.base / "usr/sbin" / tool).symlink_to("../bin/kmod")

        units = self.base / "etc/systemd/system"
        units.mkdir(parents=True, exist_ok=True)
        for name in ("vm.target", "vm-test.service"):
            shutil.copy(HERE / "units" / name, units)
        for service, name in (("systemd-sysusers", "sysusers.conf"), ("qmid", "refusals.conf")):
            (units / f"{service}.service.d").mkdir()
            shutil.copy(HERE / "units" / name, units / f"{service}.service.d")
        # The kernel tells of system calls that are refused; nobody wants to know of each service that starts.
        (self.base / "etc/systemd/journald.conf.d").mkdir()
        (self.base / "etc/systemd/journald.conf.d/vm.conf").write_text("[Journal]\nAudit=no\n")
        for name in MASKED:
            (units / name).symlink_to("/dev/null")
        # The host's disks, consoles and seats are not the guest's.
        generators = self.base / "etc/systemd/system-generators"
        generators.mkdir()
        for folder in ("/usr/lib/systemd/system-generators", "/etc/systemd/system-generators"):
            for generator in Path(folder).glob("*"):
                if not (generators / generator.name).is_symlink():
                    (generators / generator.name).symlink_to("/dev/null")
        (self.base / "etc/fstab").write_text("")
        # Those of the host may be unreadable to whoever runs the machine; users are added to these.
        for name in ("shadow", "gshadow"):
            (self.base / "etc" / name).write_text("")
        (self.base / "etc/hostname").write_text("qmid-vm\n")
