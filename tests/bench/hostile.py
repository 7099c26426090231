# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prints what a caller who does nothing wrong has to wait while others do harm: the median and the 99th percentile of
GetSignalInfo, with them and without, and beside that Peer.Ping at another service of the same bus, which nobody attacks:
what that suffers is the bus and the machine. Judges nothing: machines are shared and noisy. QMID_BUILD names the
build folder, which should be one without sanitizers.

    QMID_BUILD=build-plain python3 tests/bench/hostile.py [--short] [--only ATTACK]
"""

import argparse
import multiprocessing
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import qmux  # noqa: E402
import rawbus  # noqa: E402
from polkit import SILENT, Polkit  # noqa: E402
from qmidtest import NAME, World, program  # noqa: E402

DEVICE, NAS = f"{NAME}.Device", f"{NAME}.Nas"
OTHER = "net.example.Other"
LIMIT = 2.0     # of the waiting, with the attack to without
EMPTY = struct.pack("<II", 0, 0)     # a{sv}, with the padding before its first entry
NOBODY = 65534
RATE = multiprocessing.Value("d")   # of the attack, a second


def signal_info(device, **options):
    return rawbus.call(device, NAS, "GetSignalInfo", "a{sv}", EMPTY, **options)


def dictionary(n):
    """So many entries, key0 to keyN: numbers of 4 bytes."""
    body = b""
    for i in range(n):
        body = rawbus.align(body, 8) + rawbus.text(f"key{i}") + b"\1u\0"
        body = rawbus.align(body, 4) + bytes(4)
    return struct.pack("<II", len(body), 0) + body


def variants(depth):
    """One entry: a variant in a variant in …"""
    body = rawbus.text("key") + b"\1v\0" * depth + b"\1y\0\7"
    return struct.pack("<II", len(body), 0) + body


def repeat(address, block):
    """Sends it on and on; from another connection when the bus wants no more of the first."""
    while True:
        with rawbus.RawBus(address) as bus:
            while bus.send(block):
                pass


def repeat_many(address, block):
    buses = [rawbus.RawBus(address) for _ in range(100)]
    while all(bus.send(block) for bus in buses):
        pass


def at_rate(rate, act):
    """As often a second, or as often as it goes."""
    begin, i = time.monotonic(), 0
    while True:
        act(i)
        i += 1
        RATE.value = i / (time.monotonic() - begin)
        wait = begin + i / rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)


# ---- attacks: each runs in a process of its own until it is ended


def flood(bed):
    """calls from one connection that reads no answers"""
    repeat(bed.address, rawbus.numbered(signal_info(bed.device), 1000))


def flood_without_answers(bed):
    """calls from one connection that want none, so that the bus does not count them"""
    repeat(bed.address, rawbus.numbered(signal_info(bed.device, flags=rawbus.NO_REPLY), 1000))


def flood_of_properties(bed):
    """the same with what needs no modem, and has large answers"""
    repeat(bed.address, rawbus.numbered(rawbus.call(bed.device, "org.freedesktop.DBus.Properties", "GetAll", "s",
                                                    rawbus.text(DEVICE)), 1000))


def flood_of_nonsense(bed):
    """dictionaries of twenty thousand keys, variants in variants"""
    calls = [rawbus.call(bed.device, NAS, "GetSignalInfo", "a{sv}", body) for body in (dictionary(20000), variants(50))]
    repeat(bed.address, b"".join(rawbus.with_serial(m, i + 1) for i, m in enumerate(calls * 10)))


def flood_of_many(bed):
    """calls from a hundred connections that want no answers"""
    repeat_many(bed.address, rawbus.numbered(signal_info(bed.device, flags=rawbus.NO_REPLY), 20))


def connections_only(bed):
    """a thousand connections a second that come and go and do nothing else"""
    at_rate(1000, lambda i: rawbus.RawBus(bed.address).close())


def come_and_go(bed):
    """a thousand connections a second, gone before they have what they asked for: ids, objects, lists, answers"""
    calls = [rawbus.call(bed.device, NAS, "SetEventReport", "a{sv}", EMPTY),
             rawbus.call(bed.device, DEVICE, "OpenClient", "sa{sv}", rawbus.align(rawbus.text("nas"), 8) + EMPTY),
             signal_info(bed.device), rawbus.call(bed.device, DEVICE, "ListClients", "a{sv}", EMPTY)]
    at_rate(1000, lambda i: rawbus.RawBus(bed.address, calls[i % len(calls)]).close())


def come_and_go_asking(bed):
    """a thousand connections a second of another user, gone before polkit answers"""
    message = rawbus.call(bed.device, f"{NAME}.Dms", "GetIds", "a{sv}", EMPTY)
    folder = os.open(bed.world.directory, os.O_PATH)
    os.setgroups([])
    os.setresuid(NOBODY, NOBODY, NOBODY)
    at_rate(1000, lambda i: rawbus.RawBus(f"unix:path=/proc/self/fd/{folder}/bus", message).close())


def indication(client):
    return qmux.pack(qmux.Message(3, client, "indication", 0, 0x0051, [(0x14, b"\xc1\xf5\xa1\xff\x7c\x00")]), 0x80)


def send_indications(bed, client):
    """As fast as the simulator sends them; it ends in the middle of a command, which is nobody else's business."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f"{bed.sim.path}.control")
        while True:
            s.sendall(f"raw-send {(indication(client) * 100).hex()}\n".encode())
            reply = s.recv(4096)
            assert reply.startswith(b"ok"), reply


def modem_floods(bed):
    """indications for nobody, as fast as the simulator sends them"""
    send_indications(bed, 77)


def modem_floods_owner(bed):
    """indications for a caller who reads none of its signals"""
    with bed.world.connect() as bus:
        bus.qmi(bed.device, "Nas", "RegisterIndications", {"signal_info": True})
        send_indications(bed, bed.sim.last_request("nas.register-indications")["client"])


# ---- what is measured


def figures(*command, **options):
    text = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True, **options).stdout
    return {line.split()[0]: float(line.split()[1]) for line in text.splitlines()}


def resident_kb(pid):
    return int(pathlib.Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0])


class Bed:
    def __init__(self, directory, rounds, seconds):
        self.world = World(directory, limits="")    # those of a system bus
        directory.chmod(0o755)
        self.rounds, self.seconds = rounds, seconds
        self.sim = self.world.sim()
        self.world.start_daemon()
        self.address, self.device = self.world.bus.address, self.sim.device
        self.env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.world.bus.address}
        self.other = subprocess.Popen([program("tests/bench/bench-neighbour"), "--serve", OTHER], env=self.env,
                                      stdout=subprocess.PIPE, text=True)
        assert self.other.stdout.readline() == "ready\n"
        self.polkit = Polkit(self.world.bus.address, lambda q: SILENT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.polkit.close()
        self.other.terminate()
        self.other.wait()
        self.world.stop()

    def measure(self):
        return figures(program("tests/bench/bench-neighbour"), self.device, OTHER, self.rounds, self.seconds,
                       env=self.env)

    def settle(self):
        """Until nothing of the attack is left at the modem."""
        with self.world.connect() as bus:
            deadline = time.monotonic() + 60
            while [c for c in bus.call(self.device, DEVICE, "ListClients", "a{sv}", {}) if c["owner"] != "qmid"]:
                assert time.monotonic() < deadline, "clients of those that have left are still there"
                time.sleep(0.05)

    def attack(self, f):
        RATE.value = 0
        before = resident_kb(self.world.daemon.pid)
        process = multiprocessing.Process(target=f, args=(self,), daemon=True)
        process.start()
        time.sleep(1)
        assert process.is_alive(), f.__name__
        seen = self.measure()
        most = resident_kb(self.world.daemon.pid)
        process.terminate()
        process.join()
        self.settle()
        return seen, (before, most, resident_kb(self.world.daemon.pid))


ATTACKS = [flood, flood_without_answers, flood_of_properties, flood_of_nonsense, flood_of_many, connections_only,
           come_and_go, come_and_go_asking, modem_floods, modem_floods_owner]


def show(f, alone, seen, resident):
    print(f"{f.__doc__}" + (f"; {RATE.value:.0f} a second it was" if RATE.value else ""))
    for key, what in (("", "median"), ("-99", "99 %")):
        ours, other = (seen[w + key] / alone[w + key] for w in ("method", "ping"))
        print(f"  {what:7} GetSignalInfo {alone['method' + key]:8.0f} us {seen['method' + key]:9.0f} us {ours:8.2f}"
              f"   another service {alone['ping' + key]:8.0f} us {seen['ping' + key]:9.0f} us {other:8.2f}"
              f"   {ours / other:6.2f} (limit {LIMIT})")
    print(f"  resident {resident[0]} kB, {resident[1]} kB meanwhile, {resident[2]} kB afterwards", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="fewer rounds")
    parser.add_argument("--only", help="one attack")
    options = parser.parse_args()
    print("what somebody else waits, without an attack and with it, and how many times as long that is; the last column is what\n"
          "is due to qmid: the one factor by the other")
    with tempfile.TemporaryDirectory(prefix="q-") as name, \
            Bed(pathlib.Path(name), 2000 if options.short else 20000, 2 if options.short else 20) as bed:
        for f in ATTACKS:
            if options.only and f.__name__ != options.only:
                continue
            if f is come_and_go_asking and os.getuid() != 0:
                print("only root can be another user")
                continue
            show(f, bed.measure(), *bed.attack(f))


if __name__ == "__main__":
    main()
