# SPDX-License-Identifier: LGPL-2.1-or-later
"""Callers that mean harm: each mistake is an answer, nothing of them stays, and others are served meanwhile."""

import array
import contextlib
import errno
import fcntl
import os
import signal
import socket
import struct
import threading

import pytest
import rawbus
from dbusclient import NAME, PROPERTIES, TIMEOUT, Bus, DBusError, connect_as
from jeepney import HeaderFields
from polkit import SILENT, Polkit
from test_socket import Raw
from test_trace import Trace

DEVICE, CLIENT, MANAGER, NAS = f"{NAME}.Device", f"{NAME}.Client", f"{NAME}.Manager", f"{NAME}.Nas"
ROOT = f"/{NAME.replace('.', '/')}"
NOBODY = 65534
BIG = "x" * 4096
DRX = {"drx": "t128"}
EMPTY = struct.pack("<II", 0, 0)    # a{sv}: its length, and the padding before entries that there are none of


# ---- what is to be as it was


def descriptors(pid):
    return sorted(os.readlink(f"/proc/{pid}/fd/{n}").split(":")[0] for n in os.listdir(f"/proc/{pid}/fd"))


def status(pid, key):
    """In kB."""
    with open(f"/proc/{pid}/status") as f:
        return int(f.read().split(f"{key}:")[1].split()[0])


def match_rules(bus):
    """How many the daemon has at the bus; None where the bus does not tell."""
    try:
        name = bus.bus_call("GetNameOwner", "s", NAME)
        return bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus.Debug.Stats", "GetConnectionStats", "s", name,
                        destination="org.freedesktop.DBus")["MatchRules"]
    except DBusError:
        return None


class Bed:
    """The daemon with a modem, a caller who does nothing wrong, and what there is as long as nobody else is there."""

    def __init__(self, world, **options):
        self.world, self.sim = world, world.sim(**options)
        world.start_daemon()
        self.device, self.bus, self.pid = self.sim.device, world.connect(), world.daemon.pid
        self.bus.qmi(self.device, "Nas", "GetDrx")
        self.bus.qmi(self.device, "Nas", "SetEventReport")
        # What is opened at first use and stays: an allocation and its release.
        with world.connect() as bus:
            bus.qmi(self.device, "Nas", "SetEventReport")
        self.sim.wait_count("clients.nas", "=2")
        self.before = self.look()

    def look(self):
        self.bus.settle(self.device)
        clients = self.bus.call(self.device, DEVICE, "ListClients", "a{sv}", {})
        return {"descriptors": descriptors(self.pid), "rules": match_rules(self.bus), "ids": self.sim.clients(),
                "clients": sorted((c["service"], c["owner"]) for c in clients)}

    def check(self):
        """Others are served, and nothing is left."""
        assert self.bus.qmi(self.device, "Nas", "GetDrx") == DRX
        self.sim.wait_count("clients", f"={len(self.before['ids'])}")
        assert self.look() == self.before

    def ask(self, member="GetSignalInfo", service=NAS, **options):
        return rawbus.call(self.device, service, member, "a{sv}", EMPTY, **options)


@pytest.fixture
def bed(world):
    return Bed(world)


@pytest.fixture
def each_bed(each_world):
    return Bed(each_world)


# ---- well-formed messages that make no sense


def nested(depth):
    value = ("s", "x")
    for _ in range(depth):
        value = ("v", value)
    return value


def dictionaries(depth):
    value = {}
    for _ in range(depth):
        value = {"a": value}
    return value


# Interface, member, signature and arguments; FD stands for a descriptor.
FD = object()
MALFORMED = {
    "no arguments": (DEVICE, "Request", "", ()),
    "another signature": (DEVICE, "Request", "ssss", ("nas", "get-drx", "x", "y")),
    "more arguments": (DEVICE, "OpenClient", "sa{sv}s", ("nas", {}, "x")),
    "another dictionary": (NAS, "GetDrx", "a{ss}", ({"a": "b"},)),
    "a number for text": (DEVICE, "OpenClient", "ua{sv}", (3, {})),
    "empty texts": (DEVICE, "Request", "ssa{sv}a{sv}", ("", "", {}, {})),
    "long texts": (DEVICE, "Request", "ssa{sv}a{sv}", (BIG * 100, BIG * 100, {}, {})),
    "a long name": (MANAGER, "FindDevice", "sa{sv}", (BIG * 100, {})),
    "control characters": (DEVICE, "Inhibit", "sa{sv}", ("a\x1b[2Jb\n", {})),
    "percent signs": (DEVICE, "Request", "ssa{sv}a{sv}", ("nas", "%s%n%s%n", {"%n": 1}, {})),
    "no such option": (DEVICE, "OpenClient", "sa{sv}", ("nas", {BIG: 1})),
    "an option of another type": (DEVICE, "OpenTrace", "a{sv}", ({"unmasked": [1, 2]},)),
    "a time that is no number": (DEVICE, "Request", "ssa{sv}a{sv}", ("nas", "get-drx", {}, {"timeout": float("nan")})),
    "a time without end": (DEVICE, "Request", "ssa{sv}a{sv}", ("nas", "get-drx", {}, {"timeout": float("inf")})),
    "a key twice": (NAS, "ConfigSignalInfo", "a{sv}", ([("rssi_thresholds", [1])] * 2,)),
    "many keys": (NAS, "GetDrx", "a{sv}", ({f"key{i}": i for i in range(20000)},)),
    "many elements": (NAS, "ConfigSignalInfo", "a{sv}", ({"rssi_thresholds": ("an", [1] * 500000)},)),
    "many TLVs": (DEVICE, "Call", "sqa(yay)a{sv}", ("nas", 0x20, [(1, b"")] * 50000, {})),
    "a long TLV": (DEVICE, "Call", "sqa(yay)a{sv}", ("nas", 0x20, [(1, bytes(1 << 20))], {})),
    "deep variants": (NAS, "GetDrx", "a{sv}", ({"a": nested(50)},)),
    "deep dictionaries": (NAS, "GetDrx", "a{sv}", (dictionaries(20),)),
    "deep arrays": (NAS, "GetDrx", "a{sv}", ({"a": ("a" * 30 + "i", [])},)),
    "a dictionary of numbers": (NAS, "GetDrx", "a{sv}", ({"a": ("a{ii}", {1: 2})},)),
    "a struct": (NAS, "GetDrx", "a{sv}", ({"a": ("(is)", (1, "x"))},)),
    "a path and a signature": (NAS, "GetDrx", "a{sv}", ({"a": ("o", "/"), "b": ("g", "as")},)),
    "a descriptor as value": (NAS, "GetDrx", "a{sv}", ({"a": ("h", FD)},)),
    "a descriptor as option": (DEVICE, "OpenTrace", "a{sv}", ({"unmasked": ("h", FD)},)),
    "a descriptor as name": (MANAGER, "FindDevice", "ha{sv}", (FD, {})),
    "as many descriptors as fit": (NAS, "GetDrx", "a{sv}", ({f"k{i}": ("h", FD) for i in range(16)},)),
    "no such property": (PROPERTIES, "Get", "ss", (DEVICE, BIG)),
    "a property to be read": (PROPERTIES, "Set", "ssv", (DEVICE, "State", "ready")),
}


def fill(value, fd):
    """With a descriptor where one is meant."""
    if value is FD:
        return fd
    if isinstance(value, dict):
        return {k: fill(v, fd) for k, v in value.items()}
    if isinstance(value, tuple):
        return tuple(fill(v, fd) for v in value)
    return value


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed(bed, kind):
    """An error with one sentence that can be shown; nothing for the modem, nothing left in the daemon."""
    interface, member, signature, arguments = MALFORMED[kind]
    path = ROOT if interface == MANAGER else bed.device
    frames = bed.sim.count("frames")
    with bed.world.connect() as bus, open(os.devnull) as f:
        for _ in range(3):
            with pytest.raises(DBusError) as e:
                bus.call(path, interface, member, signature, *fill(arguments, f.fileno()))
            assert e.value.text and len(e.value.text) < 32768 and "\x1b" not in e.value.text
    assert bed.sim.count("frames") == frames
    bed.check()


# ---- messages that are none


def variant(signature, value):
    """A dictionary with one entry, key "k"."""
    entry = rawbus.text("k") + bytes([len(signature)]) + signature.encode() + b"\0"
    entry = (rawbus.align(entry, 4) if signature[:1] in ("a", "b", "u") else entry) + value
    return struct.pack("<II", len(entry), 0) + entry


# Signature, body, and more of rawbus.call(): what no library would send.
BYTES = {
    "no body": ("a{sv}", b"", {}),
    "half a length": ("a{sv}", b"\0\0", {}),
    "an array longer than the body": ("a{sv}", struct.pack("<II", 1000, 0), {}),
    "an array longer than any": ("a{sv}", struct.pack("<II", 0xFFFFFFFF, 0), {}),
    "bytes behind the body": ("a{sv}", EMPTY + bytes(64), {}),
    "padding that is not zero": ("a{sv}", struct.pack("<II", 0, 0xFFFFFFFF), {}),
    "text longer than the body": ("sa{sv}", struct.pack("<I", 0x7FFFFFFF) + b"nas\0" + EMPTY, {}),
    "text without its end": ("sa{sv}", struct.pack("<I", 3) + b"nasx" + EMPTY, {}),
    "text with a zero in it": ("sa{sv}", struct.pack("<I", 3) + b"n\0s\0" + EMPTY, {}),
    "text that is no UTF-8": ("sa{sv}", struct.pack("<I", 3) + b"\xff\xfe\x80\0" + EMPTY, {}),
    "a boolean of 2": ("a{sv}", variant("b", struct.pack("<I", 2)), {}),
    "a variant without a type": ("a{sv}", variant("", bytes(8)), {}),
    "a variant of two types": ("a{sv}", variant("uu", bytes(8)), {}),
    "a type that is none": ("a{sv}", variant("!", bytes(8)), {}),
    "half a type": ("a{sv}", variant("a{s", bytes(8)), {}),
    "deeper than D-Bus allows": ("a{sv}", variant("v", b"\1v\0" * 200 + b"\1y\0\7"), {}),
    "a type deeper than D-Bus allows": ("a{sv}", variant("a" * 40 + "y", bytes(8)), {}),
    "a descriptor that is not there": ("h", struct.pack("<I", 7), {}),
    "descriptors that did not come": ("h", struct.pack("<I", 0), {"n_fds": 3}),
    "a signature that is none": ("a{", EMPTY, {}),
    "a message of no type": ("a{sv}", EMPTY, {"kind": 0}),
    "a message of a type to come": ("a{sv}", EMPTY, {"kind": 200}),
    "an answer to nothing": ("a{sv}", EMPTY, {"kind": rawbus.RETURN}),
    "a length that lies": ("a{sv}", EMPTY, {"n_body": 0x07FFFFFF}),
    "a length beyond all": ("a{sv}", EMPTY, {"n_body": 0xFFFFFFF0}),
}


@pytest.mark.parametrize("kind", BYTES)
def test_bytes(each_bed, kind):
    """Either bus takes another part of them for a message. Who sends them is thrown off, or gets an error."""
    bed = each_bed
    signature, body, more = BYTES[kind]
    frames = bed.sim.count("frames")
    for interface, member in ((NAS, "GetDrx"), (DEVICE, "OpenClient"), (DEVICE, "Call"), (PROPERTIES, "GetAll")):
        with rawbus.RawBus(bed.world.bus.address) as bus:
            bus.send(rawbus.call(bed.device, interface, member, signature, body, **more))
            bus.socket.shutdown(socket.SHUT_WR)
            reply = bus.wait_reply(1)
            assert reply is None or reply.type == rawbus.ERROR
    assert bed.sim.count("frames") == frames
    bed.check()


@pytest.mark.parametrize("data", [b"\0" * 4096, b"\0AUTH EXTERNAL\r\n" + bytes(range(256)) * 16,
                                  rawbus.greeting() + b"\xff" * 4096,
                                  rawbus.greeting() + rawbus.HEADER.pack(b"l", 1, 0, 1, 0xFFFFFFFF, 1, 0xFFFFFFFF)])
def test_no_conversation(each_bed, data):
    """What is no D-Bus at all ends at the bus."""
    for _ in range(3):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(each_bed.world.bus.path))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                s.sendall(data)
    each_bed.check()


# ---- descriptors


@pytest.mark.parametrize("what", ["a socket", "a pipe", "a file", "a closed end"])
def test_descriptors_that_are_something_else(bed, what):
    """No method takes any: those that come are closed."""
    ours = []
    if what == "a socket":
        ours = [s.detach() for s in socket.socketpair()]
    elif what == "a file":
        ours = [os.open("/proc/self/maps", os.O_RDONLY)]
    else:
        ours = list(os.pipe())
        if what == "a closed end":
            os.close(ours.pop(0))
    with bed.world.connect() as bus:
        for _ in range(20):
            with pytest.raises(DBusError):
                bus.call(bed.device, NAS, "GetDrx", "a{sv}", {"a": ("h", ours[0])})
    for fd in ours:
        os.close(fd)
    bed.check()


def test_descriptors_into_a_raw_socket(bed):
    """With a packet, and without a request in it: they go no further than the kernel."""
    with bed.world.connect() as bus:
        raw = Raw(bus, bus.call(bed.device, DEVICE, "OpenClient", "sa{sv}", "nas", {}))
        bus.settle(bed.device)      # and what came with an answer is closed at the other end
        before = descriptors(bed.pid)
        with open(os.devnull) as f, raw.socket.dup() as s:
            for packet in (b"\0", b"\0\1\0\x89\0\0\0"):
                s.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [f.fileno()] * 16))])
        assert raw.read().transaction == 1
        raw.call(2, 0x0089)
        assert descriptors(bed.pid) == before
        raw.close()
    bed.check()


def test_a_trace_is_written_to(bed):
    """It is for reading."""
    with bed.world.connect() as bus:
        trace = Trace(bus, bed.device)
        with pytest.raises(OSError) as e:
            os.write(trace.fd, b"x")
        assert e.value.errno == errno.EPIPE
        assert bus.qmi(bed.device, "Nas", "GetDrx") == DRX
        assert trace.read_message(3, 0x0089)
        trace.close()
    bed.check()


def test_a_trace_is_not_read(bed):
    """It loses frames, and says how many; the modem and its callers do not wait for it."""
    with bed.world.connect() as bus:
        trace = Trace(bus, bed.device)
        n = bed.sim.count("nas.get-drx")
        for _ in range(3000):
            assert bus.qmi(bed.device, "Nas", "GetDrx") == DRX
        assert bed.sim.count("nas.get-drx") == n + 3000
        packets = trace.read_all()
        assert 0 < len(packets) < 6000
        bus.qmi(bed.device, "Nas", "GetDrx")
        assert trace.read()[2] == 6000 - len(packets)
        trace.close()
    bed.check()


def test_an_inhibitor_is_held_by_others(bed):
    """Each copy holds it, whatever else is done to the descriptor; the device comes back with the last."""
    with bed.world.connect() as bus:
        fd = bus.call(bed.device, DEVICE, "Inhibit", "sa{sv}", "a test", {}).to_raw_fd()
        copies = [os.dup(fd) for _ in range(5)]
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(fd, bytes(65536))
        for copy in copies:
            assert bed.bus.get(bed.device, DEVICE, "State") == "inhibited"
            os.close(fd)
            fd = copy
        assert bed.bus.get(bed.device, DEVICE, "State") == "inhibited"
        os.close(fd)
        bed.bus.wait_property(bed.device, DEVICE, "State", "ready")
    bed.check()


def test_its_holder_leaves_and_the_copy_stays(bed):
    """Who has left holds nothing, whatever he has given away."""
    with bed.world.connect() as bus:
        fd = bus.call(bed.device, DEVICE, "Inhibit", "sa{sv}", "a test", {}).to_raw_fd()
    bed.bus.wait_property(bed.device, DEVICE, "State", "ready")
    os.close(fd)
    bed.check()


# ---- floods


def test_turns(bed):
    """Who sends a thousand calls at once waits for himself, not others for him. All of them are there before the daemon
    looks at any, and the bus has the answers in one order."""
    n = 1000
    with bed.world.connect() as monitor, rawbus.RawBus(bed.world.bus.address) as flood:
        assert flood.send(bed.ask("GetDrx", serial=7)) and flood.wait_reply(7)
        name = monitor.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner", "s", NAME,
                            destination="org.freedesktop.DBus")
        monitor.call("/org/freedesktop/DBus", "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu",
                     [f"sender='{name}',type='method_return'", f"sender='{name}',type='error'"], 0,
                     destination="org.freedesktop.DBus")
        os.kill(bed.pid, signal.SIGSTOP)
        try:
            flood.send(rawbus.numbered(rawbus.call(bed.device, PROPERTIES, "Get", "ss",
                                                   rawbus.align(rawbus.text(DEVICE), 4) + rawbus.text("State")), n))
            # The bus has taken them all: it answers one after the other, and this comes last.
            flood.send(rawbus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", serial=n + 1,
                                   destination="org.freedesktop.DBus"))
            assert flood.wait_reply(n + 1).type == rawbus.RETURN
            serials = [bed.bus.begin(bed.device, PROPERTIES, "Get", "ss", DEVICE, "State"),
                       bed.bus.begin(bed.device, NAS, "GetDrx", "a{sv}", {})]
            bed.bus.bus_call("GetId")
        finally:
            os.kill(bed.pid, signal.SIGCONT)
        assert [bed.bus.end(s) for s in serials] == ["ready", DRX]
        # The flood's last answer is the end of what the monitor sees.
        replies = []
        while sum(destination != bed.bus.unique_name for destination, _ in replies) < n:
            message = monitor.connection.receive(timeout=TIMEOUT)
            if message.header.message_type.name != "signal":    # that it is a monitor now
                replies.append((message.header.fields[HeaderFields.destination], message.header.message_type.name))
        ours = [i for i, (destination, _) in enumerate(replies) if destination == bed.bus.unique_name]
        assert len(ours) == 2 and {kind for _, kind in replies} == {"method_return"}, replies
        assert ours[0] < n // 2, ours
    bed.check()


class Attack:
    """Does something so many times, in a thread, or until it is ended; `ready` when it has been done at least once."""

    def __init__(self, act, n):
        self.act, self.n = act, n
        self.ended, self.ready, self.failure = threading.Event(), threading.Event(), None
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            for _ in range(self.n):
                if self.ended.is_set():
                    break
                self.act()
                self.ready.set()
        except Exception as e:
            self.failure = e
            self.ready.set()

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(TIMEOUT)
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        assert self.failure is None, self.failure


def serve_neighbour(bed, n=50):
    """Calls of a caller who does nothing wrong, of every kind."""
    for _ in range(n):
        assert bed.bus.qmi(bed.device, "Nas", "GetDrx") == DRX
        assert bed.bus.get(bed.device, DEVICE, "State") == "ready"
    client = bed.bus.call(bed.device, DEVICE, "OpenClient", "sa{sv}", "dms", {})
    assert bed.bus.qmi(client, "Dms", "GetModel") == {"model": "SIM-5G"}
    bed.bus.call(client, CLIENT, "Release", "a{sv}", {})


def flood_of_one(bed):
    """From one connection that reads no answers."""
    bus = rawbus.RawBus(bed.world.bus.address)
    block = rawbus.numbered(bed.ask(), 500)
    return lambda: bus.send(block), bus.close


def flood_without_answers(bed):
    """Nobody counts calls that want none."""
    bus = rawbus.RawBus(bed.world.bus.address)
    block = rawbus.numbered(bed.ask(flags=rawbus.NO_REPLY), 500)
    return lambda: bus.send(block), bus.close


def flood_of_many(bed):
    buses = [rawbus.RawBus(bed.world.bus.address) for _ in range(50)]
    block = rawbus.numbered(bed.ask(flags=rawbus.NO_REPLY), 20)
    return lambda: [b.send(block) for b in buses], lambda: [b.close() for b in buses]


def flood_of_nonsense(bed):
    """Huge dictionaries, deep ones, signatures that are others."""
    bus = rawbus.RawBus(bed.world.bus.address)
    calls = [rawbus.call(bed.device, NAS, "GetDrx", "a{sv}", variant("v", b"\1v\0" * 40 + b"\1y\0\7")),
             rawbus.call(bed.device, NAS, "GetDrx", "a{sv}", variant("ay", struct.pack("<I", 100000) + bytes(100000))),
             rawbus.call(bed.device, DEVICE, "Request", "s", rawbus.text("x" * 10000)),
             rawbus.call(bed.device, NAS, "NoSuchMember"), rawbus.call("/nowhere", NAS, "GetDrx", "a{sv}", EMPTY)]
    block = b"".join(rawbus.with_serial(c, i + 1) for i, c in enumerate(calls * 10))
    return lambda: bus.send(block), bus.close


def come_and_go(bed):
    """Each with a call, a client, an id or a trace that it does not wait for."""
    calls = [bed.ask(), bed.ask("SetEventReport"),
             rawbus.call(bed.device, DEVICE, "OpenClient", "sa{sv}", rawbus.align(rawbus.text("nas"), 8) + EMPTY),
             rawbus.call(bed.device, DEVICE, "OpenTrace", "a{sv}", EMPTY),
             rawbus.call(bed.device, DEVICE, "ListClients", "a{sv}", EMPTY), b""]

    def act():
        for call in calls:
            rawbus.RawBus(bed.world.bus.address, call).close()

    return act, lambda: None


@pytest.mark.parametrize("attack", [flood_of_one, flood_without_answers, flood_of_many, flood_of_nonsense, come_and_go],
                         ids=lambda a: a.__name__)
def test_others_are_served(bed, attack):
    act, close = attack(bed)
    with Attack(act, 20):
        serve_neighbour(bed)
    close()
    bed.check()


def test_a_flood_of_one_connection_is_refused(bed):
    """What is too much of a line is an error, and no more than that."""
    with rawbus.RawBus(bed.world.bus.address) as bus:
        os.kill(bed.pid, signal.SIGSTOP)
        try:
            bus.send(rawbus.numbered(bed.ask(), 3000))
            bus.send(rawbus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", serial=3001,
                                 destination="org.freedesktop.DBus"))
            assert bus.wait_reply(3001).type == rawbus.RETURN
        finally:
            os.kill(bed.pid, signal.SIGCONT)
        seen = {}
        for _ in range(3000):
            reply = bus.receive()
            key = reply.fields.get(rawbus.ERROR_NAME, "answered")
            seen[key] = seen.get(key, 0) + 1
    assert seen.keys() == {"answered", f"{NAME}.Error.LimitsExceeded"}, seen
    bed.check()


def test_the_bus_loses_who_has_left(bed):
    """It does, when no more fits into what it keeps for the daemon. What they held goes back to the modem all the same."""
    gone = bed.world.connect()
    gone.qmi(bed.device, "Nas", "SetEventReport")
    bed.bus.add_match(f"type='signal',member='NameOwnerChanged',arg0='{gone.unique_name}'")
    large = rawbus.call(bed.device, NAS, "GetDrx", "a{sv}", variant("ay", struct.pack("<I", 1 << 21) + bytes(1 << 21)),
                        flags=rawbus.NO_REPLY)
    with rawbus.RawBus(bed.world.bus.address) as one, rawbus.RawBus(bed.world.bus.address) as two:
        os.kill(bed.pid, signal.SIGSTOP)
        try:
            for _ in range(45):     # of one alone it takes 127 MiB, and then waits for the daemon
                assert one.send(large) and two.send(large)
            two.send(bed.ask(serial=2))
            assert two.wait_reply(2).fields[rawbus.ERROR_NAME].endswith(".LimitsExceeded")
            gone.close()
            bed.bus.wait_signal("NameOwnerChanged")
        finally:
            os.kill(bed.pid, signal.SIGCONT)
    bed.sim.wait_count("clients.nas", "=2")     # before that, the bus has no room for calls either
    bed.check()


# ---- connections that come and go


def test_a_thousand_come_and_go(bed):
    """Each is gone before its call is answered. Afterwards there is nothing of them, at the modem neither."""
    act, _ = come_and_go(bed)
    for _ in range(170):
        act()
    bed.check()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_gone_while_polkit_is_asked(world):
    """Questions nobody waits for are called off, each of them, and nobody is kept for them."""
    world.directory.chmod(0o755)
    bed = Bed(world)
    with Polkit(world.bus.address, lambda q: SILENT) as polkit:
        for i in range(100):
            with connect_as(NOBODY, world.bus.address) as bus:
                bus.begin(bed.device, f"{NAME}.Dms", "GetIds", "a{sv}", {})
                if i % 2:   # else it leaves before the daemon knows who it is, or after
                    polkit.wait(lambda p: len(p.questions) > i // 2)
        serve_neighbour(bed, 1)
        polkit.wait(lambda p: len(p.cancelled) == len(p.questions) >= 50)
        assert sorted(polkit.cancelled) == sorted(q.cancellation for q in polkit.questions)
        assert bed.sim.count("dms.get-ids") == 1    # the daemon's own
        bed.check()


def test_large_calls_before_it_is_known_who_calls(world):
    """They do not pile up: a hundred megabytes that wait for nothing are refused."""
    sim = world.sim()
    world.start_daemon(env={"ASAN_OPTIONS": "detect_leaks=1:quarantine_size_mb=1"})
    bus, pid = world.connect(), world.daemon.pid
    bus.settle(sim.device)
    before = status(pid, "VmHWM")
    large = rawbus.call(sim.device, NAS, "GetDrx", "a{sv}", variant("ay", struct.pack("<I", 1 << 20) + bytes(1 << 20)))
    with rawbus.RawBus(world.bus.address) as flood:
        os.kill(pid, signal.SIGSTOP)
        try:
            flood.send(rawbus.numbered(large, 100))
        finally:
            os.kill(pid, signal.SIGCONT)
        assert flood.wait_reply(100).type == rawbus.ERROR
    assert bus.qmi(sim.device, "Nas", "GetDrx") == DRX
    assert status(pid, "VmHWM") - before < 48 << 10


# ---- callers that do not read


def test_signals_that_are_not_read(bed):
    """Whoever reads gets them all, and knows it; who does not read is lost without harm."""
    bed.bus.qmi(bed.device, "Nas", "RegisterIndications", {"signal_info": True})
    with bed.world.connect() as bus:
        bus.qmi(bed.device, "Nas", "RegisterIndications", {"signal_info": True})
        for i in range(3000):
            bed.sim.send("nas", "signal-info", lte__rsrp=-90 - i % 10)
            if i % 100 == 0:
                assert bed.bus.qmi(bed.device, "Nas", "GetDrx") == DRX
        lost = {c["owner"]: c.get("lost_indications", 0)
                for c in bed.bus.call(bed.device, DEVICE, "ListClients", "a{sv}", {})}
        assert lost[bed.bus.unique_name] == 0
        for i in range(3000):
            assert bed.bus.wait_signal("SignalInfo").args[0]["lte"]["rsrp"] == -90 - i % 10
    bed.check()


def test_raw_answers_that_are_not_read(bed):
    """A client's socket that is written to, and never read, by as many as one connection may have."""
    with bed.world.connect() as bus:
        raws = [Raw(bus, bus.call(bed.device, DEVICE, "OpenClient", "sa{sv}", "nas", {})) for _ in range(8)]
        for raw in raws:
            raw.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                for i in range(10000):
                    raw.send(i + 1, 0x004F)
        serve_neighbour(bed)
        for raw in raws:
            raw.close()
    bed.check()
