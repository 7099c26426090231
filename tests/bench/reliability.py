# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints what docs/reliability.md says about time: the pause of a restart, and many callers, each beside its aim. Judges
nothing: machines are shared and noisy. QMID_BUILD names the build folder, which should be one without sanitizers.

    QMID_BUILD=build-plain python3 tests/bench/reliability.py [--short]
"""

import argparse
import os
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "faults"))

from bed import Bed  # noqa: E402


def cpu_ms(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def pauses(bed, callers, end, n):
    """The longest time without an answer, each time that the daemon ends: (median, longest) in ms."""
    seen = []
    for _ in range(n):
        answered = callers.report()["answered"]
        callers.gap()
        end(bed)
        callers.wait(lambda r: r["answered"] > answered + 200)
        seen.append(callers.gap() * 1000)
    return sorted(seen)[n // 2], max(seen)


def restarts(directory, n):
    print(f"pause, as 50 callers with 1,000 requests a second see it; {n} times each, median and longest")
    with Bed(directory) as bed, bed.callers() as callers:
        callers.start()
        callers.wait(lambda r: r["registered"] == callers.n)
        for what, end, aim in (("clean restart", Bed.restart, 300), ("kill -9", Bed.crash, 1000)):
            middle, longest = pauses(bed, callers, end, n)
            print(f"  {what:35} {middle:8.0f} ms   {longest:8.0f} ms   (aim: below {aim})")
        callers.stop()


def many_callers(directory, seconds):
    """The modem takes 20 ms for each answer, as modems do; only then can queries meet at all."""
    with Bed(directory) as bed, bed.callers(n=1000, rate=1000, mix="same", window=1) as callers:
        bed.sim.command("delay 20")
        callers.start()
        callers.wait(lambda r: r["answered"] > 1000)
        asked, cpu, begin = bed.sim.count("nas.get-signal-info"), cpu_ms(bed.pid), time.monotonic()
        time.sleep(seconds)
        passed = time.monotonic() - begin
        cpu = (cpu_ms(bed.pid) - cpu) / passed / 10
        asked = (bed.sim.count("nas.get-signal-info") - asked) / passed
        report = callers.stop()
        most = bed.sim.count("most.nas.get-signal-info")
    print("1,000 callers with one query a second each")
    print(f"  in flight at the modem, of the query {most:7d}      (aim: at most 1)")
    print(f"  queries that the modem sees          {asked:7.1f} a second")
    print(f"  CPU of qmid, of one core             {cpu:7.1f} %    (aim: below 15)")
    print(f"  answered {report['answered']:,} of {report['requests']:,}, median {report['p50_usec'] / 1000:.1f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="fewer rounds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="q-") as name:
        directory = pathlib.Path(name)
        for part in ("restart", "callers"):
            (directory / part).mkdir()
        restarts(directory / "restart", 5 if options.short else 20)
        many_callers(directory / "callers", 3 if options.short else 20)


if __name__ == "__main__":
    main()
