# SPDX-License-Identifier: LGPL-2.1-or-later
"""Breaks everything around the daemon, and prints what became of the requests: a table with a line for each fault.

    QMID_BUILD=build-plain python3 tests/faults/faults.py [--long] [--markdown] [CASE …]
    QMID_BUILD=build-plain python3 tests/faults/faults.py --soak=3600 [--seed=N]

The soak runs cases by chance until its time is over. The seed, which it prints, decides about all of it.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import case_callers  # noqa: E402, F401
import case_chance  # noqa: E402, F401
import case_daemon  # noqa: E402, F401
import case_modem  # noqa: E402, F401
from bed import Row  # noqa: E402
from case import CASES, SLOW, Scale  # noqa: E402

COLUMNS = ("injected", "requests", "answered", "failed", "wrong", "lost", "leaked", "overheard", "stalled", "lingering")
HEADS = ("injected", "requests", "answered", "right error", "wrong error", "lost", "leaked", "overheard", "stalled",
         "lingering")


def run_here(name, options):
    """Runs a case in this process; its row goes to standard output as JSON."""
    fault, function = CASES[name]
    with tempfile.TemporaryDirectory(prefix="q-") as directory:
        row = function(Scale(pathlib.Path(directory), options.long, bool(options.soak), random.Random(options.seed)))
        if not row.is_good():
            for log in sorted(pathlib.Path(directory).glob("*.log"), key=os.path.getmtime):
                print(f"---- {log.name}", *log.read_text(errors="replace").splitlines()[-20:], sep="\n")
    row.fault = fault
    print(json.dumps(dataclasses.asdict(row)))


def run_apart(name, options, seed):
    """Runs a case in a process of its own: (row, what it wrote)."""
    command = [sys.executable, "-B", __file__, "--here", f"--seed={seed}", name]
    if options.long:
        command.append("--long")
    if options.soak:
        command.append("--soak=1")
    done = subprocess.run(command, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if done.returncode == 0 and lines:
        return Row(**json.loads(lines[-1])), "\n".join(lines[:-1]) + done.stderr
    row = Row(fault=CASES[name][0], problems=["it did not come to its end"])
    return row, done.stdout + done.stderr


def cells(row):
    return [row.fault, *(f"{getattr(row, c):,}" for c in COLUMNS)]


def table(rows, markdown):
    lines = [["fault", *HEADS], *map(cells, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    if markdown:
        yield "| " + " | ".join(lines[0]) + " |"
        yield "| --- |" + " ---: |" * len(HEADS)
        yield from ("| " + " | ".join(line) + " |" for line in lines[1:])
    else:
        for line in lines:
            yield "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:]))])


def tell(row, text, seconds, seed):
    """Why a line is not good, on standard error."""
    if row.is_good():
        print(f"  ok      {row.fault} ({seconds:.1f} s)", file=sys.stderr)
        return
    print(f"  FAILED  {row.fault} ({seconds:.1f} s)", file=sys.stderr)
    for problem, n in collections.Counter(row.problems).items():
        print(f"          {problem}{f' ({n} times)' if n > 1 else ''}", file=sys.stderr)
    if text.strip():
        print(f"          --seed={seed}\n{text[-6000:]}", file=sys.stderr)


def run_all(names, options):
    def run(name):
        begin = time.monotonic()
        row, text = run_apart(name, options, options.seed)
        tell(row, text, time.monotonic() - begin, options.seed)
        return row

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        running = {name: pool.submit(run, name) for name in sorted(names, key=lambda name: name not in SLOW)}
        return [running[name].result() for name in names]


def soak(names, options):
    """Cases by chance, as many at once as there are jobs; their rows are summed up, a line for each."""
    chance = random.Random(options.seed)
    deadline = time.monotonic() + options.soak
    sums = {}

    def run():
        while time.monotonic() < deadline:
            name, seed = chance.choice(names), chance.randrange(2**32)
            begin = time.monotonic()
            row, text = run_apart(name, options, seed)
            if not row.is_good():
                tell(row, text, time.monotonic() - begin, seed)
            total = sums.setdefault(name, Row(fault=row.fault))
            for column in COLUMNS:
                setattr(total, column, getattr(total, column) + getattr(row, column))
            total.problems += row.problems

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for future in [pool.submit(run) for _ in range(options.jobs)]:
            future.result()
    return [sums[name] for name in names if name in sums]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0],
                                     epilog="cases: " + ", ".join(CASES))
    parser.add_argument("--long", action="store_true", help="many times more of each")
    parser.add_argument("--markdown", action="store_true", help="the table as docs/reliability.md has it")
    parser.add_argument("--jobs", type=int, default=min((os.cpu_count() or 1) + 1, 8), help="cases at once")
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="cases by chance, for so long")
    parser.add_argument("--seed", type=int, help="of what is up to chance")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="all of them, unless named")
    options = parser.parse_args()
    unknown = [c for c in options.cases if c not in CASES]
    if unknown:
        parser.error(f"there is no case '{unknown[0]}'")
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(2**32)
    names = options.cases or list(CASES)
    if options.here:
        return run_here(names[0], options)

    print(f"seed {options.seed}", file=sys.stderr)
    rows = soak(names, options) if options.soak else run_all(names, options)
    for line in table(rows, options.markdown):
        print(line)
    failed = sum(not row.is_good() for row in rows)
    print(f"{len(rows) - failed} passed, {failed} failed, 0 skipped", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
