# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the stages of the tests and counts what passed; called by ./test, which installs what they need."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build-test"          # gcc, with sanitizers: what nearly everything runs on
BUILD_CLANG = ROOT / "build-clang"   # clang, with the fuzzers
BUILD_PLAIN = ROOT / "build-plain"   # as shipped: valgrind, the benchmarks, the virtual machine
CORES = str(os.cpu_count() or 1)


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, passed=0, failed=0, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def say(text):
    print(text, flush=True)


def run(*command, **options):
    return subprocess.run([str(c) for c in command], cwd=ROOT, check=False, **options).returncode


def build(folder, *arguments, cc="gcc"):
    """Configures and builds once; a stage that needs it again finds it up to date."""
    if not (folder / "build.ninja").exists():
        shutil.rmtree(folder, ignore_errors=True)
        command = ["meson", "setup", str(folder), str(ROOT), "-Dwerror=true", *arguments]
        if subprocess.run(command, env={**os.environ, "CC": cc}, stdout=subprocess.DEVNULL).returncode:
            raise SystemExit(f"cannot configure {folder.name}")
    result = subprocess.run(["ninja", "-C", str(folder)], capture_output=True, text=True)
    if result.returncode:
        say(result.stdout[-8000:])
        raise SystemExit(f"cannot build {folder.name}")


def build_test():
    build(BUILD, "-Db_sanitize=address,undefined")


def build_clang():
    build(BUILD_CLANG, "-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false", cc="clang")


def build_plain():
    build(BUILD_PLAIN, "--prefix=/usr")


def environment(folder):
    # Leaks are found at exit; a report goes to standard error and the exit status.
    return {**os.environ, "QMID_BUILD": str(folder), "PYTHONDONTWRITEBYTECODE": "1",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1", "ASAN_OPTIONS": "detect_leaks=1"}


def pytest(counts, folder, *paths, **variables):
    command = ["/usr/bin/python3", "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *paths]
    process = subprocess.run(command, cwd=ROOT, env={**environment(folder), **variables}, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    say(process.stdout.rstrip())
    tail = process.stdout.splitlines()[-1] if process.stdout else ""
    found = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped|errors?)", tail)}
    failed = found.get("failed", 0) + found.get("error", 0) + found.get("errors", 0)
    if process.returncode and not failed:
        failed = 1
    counts.add(found.get("passed", 0), failed, found.get("skipped", 0))


def meson_test(counts, folder, suite):
    status = run("meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs", "--suite", suite,
                 env=environment(folder))
    log = folder / "meson-logs" / "testlog.json"
    results = [json.loads(line)["result"] for line in log.read_text().splitlines()]
    passed, skipped = results.count("OK"), results.count("SKIP")
    failed = len(results) - passed - skipped
    counts.add(passed, failed or (1 if status else 0), skipped)


# ---- the stages ----

def stage_style(counts, options):
    """formatting, layers, the schema's lint, man pages, no word that does not belong"""
    pytest(counts, BUILD, "tests/style")


def stage_unit(counts, options):
    """pure code: C unit tests, the schema compiler, the corpora of the fuzzers"""
    build_test()
    meson_test(counts, BUILD, "unit")
    pytest(counts, BUILD, "tests/unit")


def stage_integration(counts, options):
    """the real binaries on a private bus, with a simulated modem"""
    build_test()
    pytest(counts, BUILD, "tests/integration")


def stage_clang(counts, options):
    """the unit tests as clang builds them"""
    build_clang()
    meson_test(counts, BUILD_CLANG, "unit")


def stage_fuzz(counts, options):
    """each fuzzer for 3 s (--long: 20 s), from its corpus"""
    build_clang()
    seconds = 20 if options.long else 3
    fuzzers = sorted(p for p in (BUILD_CLANG / "tests/fuzz").glob("fuzz-*") if p.is_file())
    if not fuzzers:
        counts.add(failed=1)
        say("no fuzzer was built")
    for fuzzer in fuzzers:
        found = BUILD_CLANG / "fuzz" / fuzzer.name
        found.mkdir(parents=True, exist_ok=True)
        seeds = [d for d in (ROOT / "tests/fuzz/corpus" / fuzzer.name, BUILD_CLANG / "tests/fuzz/corpus" / fuzzer.name)
                 if d.is_dir()]
        log = BUILD_CLANG / f"{fuzzer.name}.log"
        with log.open("w") as out:
            status = run(fuzzer, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=1024",
                         f"-artifact_prefix={BUILD_CLANG}/", found, *seeds, stdout=out, stderr=subprocess.STDOUT)
        counts.add(passed=not status, failed=bool(status))
        runs = re.findall(r"Done (\d+) runs", log.read_text())
        say(f"{fuzzer.name}: {'ok' if not status else 'FAILED'}, {runs[-1] if runs else '?'} runs in {seconds} s")
        if status:
            say(log.read_text()[-4000:])


def stage_valgrind(counts, options):
    """a full life of the daemon under valgrind"""
    build_plain()
    if not shutil.which("valgrind"):
        counts.add(skipped=1)
        say("skipped: there is no valgrind")
        return
    pytest(counts, BUILD_PLAIN, "tests/integration/test_life.py",
           QMID_WRAPPER="valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect")


def stage_bench(counts, options):
    """what calls, devices and rest cost: printed, not judged"""
    build_plain()
    for program in ("bench.py", "reliability.py", "hostile.py"):
        status = run("/usr/bin/python3", "-B", f"tests/bench/{program}", *([] if options.long else ["--short"]),
                     env=environment(BUILD_PLAIN))
        counts.add(passed=not status, failed=bool(status))


def stage_demo(counts, options):
    """the tour that README.md promises, to its end"""
    done = subprocess.run(["./demo"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    good = done.returncode == 0 and "That was the tour." in done.stdout
    if not good:
        say(done.stdout)
    counts.add(passed=good, failed=not good)


def count_line(counts, line, status):
    """Of a program that counts for itself: its last line and exit status."""
    found = re.fullmatch(r"(\d+) passed, (\d+) failed, (\d+) skipped", line)
    if found:
        counts.add(*map(int, found.groups()))
    elif status:
        counts.add(failed=1)


def counted(counts, *command, **options):
    """Runs a program that counts for itself, and says so in its last line."""
    process = subprocess.Popen([str(c) for c in command], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, **options)
    tail = ""
    for line in process.stdout:
        tail = line.rstrip()
        say(tail)
    count_line(counts, tail, process.wait())


def stage_faults(counts, options):
    """what becomes of requests when all around breaks (--long: much more of it, then an hour of faults by chance)"""
    build_plain()
    faults = ["/usr/bin/python3", "-B", "tests/faults/faults.py"]
    env = environment(BUILD_PLAIN)
    counted(counts, *faults, *(["--long"] if options.long else []), env=env)
    if options.long:
        counted(counts, *faults, "--soak=3600", env=env)


def vm(counts, *arguments):
    counted(counts, "/usr/bin/python3", "-B", "tests/vm/vm.py", f"--build={BUILD_PLAIN}", "--timeout=1800", *arguments)


def stage_package(counts, options):
    """the Debian package: built from a clone, looked at, installed in the virtual machine"""
    build_plain()
    with tempfile.TemporaryDirectory(prefix="qmid-package-") as folder:
        pytest(counts, BUILD_PLAIN, "tests/package", QMID_PACKAGE_FOLDER=folder)
        for package in Path(folder).glob("qmid_*.deb"):
            vm(counts, f"--package={package}")


def stage_vm(counts, options):
    """the kernel's own drivers, systemd and udev in a virtual machine"""
    build_plain()
    vm(counts)


# Mostly waits, so it runs beside those before it, if there are any; not beside the one that measures.
BESIDE = ("vm",)

STAGES = {
    "style": stage_style,
    "unit": stage_unit,
    "integration": stage_integration,
    "clang": stage_clang,
    "fuzz": stage_fuzz,
    "valgrind": stage_valgrind,
    "faults": stage_faults,
    "demo": stage_demo,
    "vm": stage_vm,
    "bench": stage_bench,
    "package": stage_package,
}


class Beside:
    """A stage in a process of its own."""

    def __init__(self, name, options):
        build_plain()  # two at once in one folder would be in each other's way
        self.begin = time.monotonic()
        self.output = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([sys.executable, "-B", __file__, *(["--long"] if options.long else []), name],
                                        stdout=self.output, stderr=subprocess.STDOUT)

    def finish(self, counts):
        status = self.process.wait()
        self.output.seek(0)
        lines = self.output.read().splitlines() or [""]
        say("\n".join(lines[1:]))  # but the heading
        count_line(counts, lines[-1], status)


def main():
    text = "\n".join(f"  {name:12} {stage.__doc__}" for name, stage in STAGES.items())
    parser = argparse.ArgumentParser(prog="./test", description="Builds qmid and tests it.",
                                     epilog=f"stages:\n{text}",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="the long form of everything")
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="all of them, unless named")
    options = parser.parse_args()
    for name in options.stages:
        if name not in STAGES:
            parser.error(f"there is no stage '{name}'")

    total, times = Counts(), []
    names = options.stages or list(STAGES)
    beside = {name: Beside(name, options) for name in BESIDE if name in names[1:]}
    for name in names:
        say(f"==== {name}: {STAGES[name].__doc__}")
        counts, begin = Counts(), time.monotonic()
        try:
            if name in beside:
                beside[name].finish(counts)
                begin = beside[name].begin
            else:
                STAGES[name](counts, options)
        except SystemExit as e:
            say(str(e))
            counts.add(failed=1)
        times.append(f"{name:12} {time.monotonic() - begin:6.1f} s   {counts}")
        total.add(counts.passed, counts.failed, counts.skipped)
    say("====")
    for line in times:
        say(line)
    say(str(total))
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
