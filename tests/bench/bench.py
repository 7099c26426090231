# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints what calls, devices and rest cost, each beside what it is to be held against. Judges nothing:
machines are shared and noisy. QMID_BUILD names the build folder, which should be one without sanitizers.

    QMID_BUILD=build-plain python3 tests/bench/bench.py [--short]
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lib"))

from qmidtest import NAME, World, program  # noqa: E402


def figures(*command, **options):
    text = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True, **options).stdout
    return {line.split()[0]: float(line.split()[1]) for line in text.splitlines()}


def private_dirty_kb(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(text.split("Private_Dirty:")[1].split()[0])


def switches(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(text.split("\nvoluntary_ctxt_switches:")[1].split()[0])


def cpu_ms(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def round_trips(directory, rounds, n_devices):
    """Everything on one CPU, as `taskset` would do it."""
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})
    try:
        with World(directory) as world:
            sim = world.sim()
            for _ in range(1, n_devices):
                world.sim()
            alone = world.sim("alone")
            world.start_daemon(ports=[s.port for s in world.sims[:-1]])
            for other in world.sims[:-1]:
                other.wait_count("dms.get-ids", 1)
            return figures(program("tests/bench/bench-latency"), alone.path, sim.device, rounds,
                           env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": world.bus.address})
    finally:
        os.sched_setaffinity(0, cpus)


def latency(directory, rounds, n_devices):
    for name in ("one", "many"):
        (directory / name).mkdir()
    f = round_trips(directory / "one", rounds, 1)
    many = round_trips(directory / "many", rounds, n_devices)
    floor = f["ping"] + f["direct"]
    print(f"round trip, median of {rounds}, all on one CPU")
    print(f"  request straight to the simulator   {f['direct']:8.1f} us")
    print(f"  Peer.Ping to qmid                   {f['ping']:8.1f} us")
    print(f"  Nas.GetSignalInfo                   {f['method']:8.1f} us   "
          f"{f['method'] / floor:.2f} of the two together (limit 1.50)")
    print(f"  the same, with {n_devices:3d} devices           {many['method']:8.1f} us   "
          f"{many['method'] / (many['ping'] + many['direct']):.2f}")


def cold_start(directory):
    """From the simulator's answer to the device being ready on the bus: the daemon is there and waits."""
    with World(directory) as world:
        world.start_daemon(ports=[f"unix:{directory / 'modem0'}"], ready=False)
        with world.connect() as bus:
            begin = time.monotonic()
            sim = world.sim()
            started = time.monotonic()
            bus.wait_property(sim.device, f"{NAME}.Device", "State", "ready")
            ready = time.monotonic()
    print("cold start")
    print(f"  simulator listens, then ready       {(ready - started) * 1e3:8.1f} ms   "
          f"(limit 100; the simulator itself took {(started - begin) * 1e3:.1f})")


def rest(directory, n_devices, seconds):
    """Memory and wake-ups with one modem, and with many."""
    os.sync()  # pages of a program that was just built count as dirty until they are on the disk
    dirty, cpu = {}, {}
    for n in (1, n_devices + 1):
        place = directory / str(n)
        place.mkdir()
        with World(place) as world:
            for _ in range(n):
                world.sim()
            world.start_daemon()
            for sim in world.sims:
                sim.wait_count("dms.get-ids", 1)
            dirty[n], cpu[n] = private_dirty_kb(world.daemon.pid), cpu_ms(world.daemon.pid)
            if n == 1:
                before = switches(world.daemon.pid)
                time.sleep(seconds)
                wakes = switches(world.daemon.pid) - before
    each = (dirty[n_devices + 1] - dirty[1]) / n_devices
    print("at rest")
    print(f"  private dirty memory, one modem     {dirty[1]:8d} kB   (limit 700)")
    print(f"  each of {n_devices} further modems          {each:8.1f} kB   (limit 40)")
    print(f"  wake-ups in {seconds} s                   {wakes:8d}      (limit 0)")
    print(f"  CPU from start to ready             {cpu[1]:8.0f} ms   with {n_devices + 1} modems {cpu[n_devices + 1]:.0f} ms")


def register():
    f = figures(program("tests/bench/bench-register"))
    print("declaring the interfaces, once")
    print(f"  {f['interfaces']:.0f} interfaces, {f['members']:.0f} members          {f['cpu'] / 1000:8.2f} ms   "
          f"of CPU (limit 5), {f['heap'] / 1024:.0f} kB of heap")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="fewer rounds and devices")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        for part in ("latency", "start", "rest"):
            (directory / part).mkdir()
        latency(directory / "latency", 2000 if options.short else 20000, 20 if options.short else 200)
        cold_start(directory / "start")
        register()
        rest(directory / "rest", 20 if options.short else 200, 2 if options.short else 10)


if __name__ == "__main__":
    main()
