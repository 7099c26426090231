# SPDX-License-Identifier: LGPL-2.1-or-later
"""Client.OpenSocket: a client's messages over a socket, for programs that bring their own codec."""

import collections
import os
import select
import socket
import struct

import pytest
import qmux
from dbusclient import NAME, TIMEOUT, DBusError

DEVICE = f"{NAME}.Device"
CLIENT = f"{NAME}.Client"
ABORT, SIGNAL_INFO_INDICATION = 0x0001, 0x0051
SCAN, REGISTER, GET_DRX, GET_SIGNAL_INFO = 0x0021, 0x0003, 0x0089, 0x004F
WINDOW = 16
OK = (0x02, bytes(4))

Packet = collections.namedtuple("Packet", "kind transaction id tlvs")


def result(error):
    return (0x02, struct.pack("<HH", 1, error))


class Raw:
    """The program's end of a client's socket."""

    def __init__(self, bus, client):
        fd = bus.call(client, CLIENT, "OpenSocket", "a{sv}", {}).to_raw_fd()
        self.socket = socket.socket(fileno=fd)
        assert self.socket.type & socket.SOCK_SEQPACKET == socket.SOCK_SEQPACKET
        self.socket.settimeout(TIMEOUT)

    def send(self, transaction, ident, tlvs=()):
        data = qmux.pack_tlvs(tlvs)
        self.socket.send(struct.pack("<BHHH", 0, transaction, ident, len(data)) + data)

    def read(self):
        """The next packet; None at the end."""
        packet = self.socket.recv(65536)
        if not packet:
            return None
        kind, transaction, ident, n_tlvs = struct.unpack_from("<BHHH", packet)
        assert n_tlvs == len(packet) - 7
        kind = {2: "response", 4: "indication"}[kind]
        return Packet(kind, transaction, ident, qmux.unpack_tlvs(packet[7:]))

    def call(self, transaction, ident, tlvs=()):
        self.send(transaction, ident, tlvs)
        packet = self.read()
        assert (packet.kind, packet.transaction, packet.id) == ("response", transaction, ident)
        return packet.tlvs

    def ends(self):
        while self.read():
            pass

    def close(self):
        self.socket.close()


def open_client(bus, device, service="nas", **options):
    return bus.call(device, DEVICE, "OpenClient", "sa{sv}", service, options)


def release(bus, client):
    bus.call(client, CLIENT, "Release", "a{sv}", {})


def refused(name, call, *texts):
    with pytest.raises(DBusError) as e:
        call()
    assert e.value.name == f"{NAME}.Error.{name}"
    for text in texts:
        assert text in e.value.text


@pytest.fixture
def client(device, bus):
    return open_client(bus, device)


@pytest.fixture
def raw(client, bus):
    return Raw(bus, client)


# ---- messages


def test_request_and_response(each_world):
    sim = each_world.sim()
    each_world.start_daemon()
    bus = each_world.connect()
    client = open_client(bus, sim.device)
    raw = Raw(bus, client)
    # The transaction is the program's own, and comes back as it was.
    for transaction in (0, 1, 0x1234, 0xFFFF):
        assert raw.call(transaction, GET_DRX) == [OK, (0x10, b"\x08\0\0\0")]
    seen = sim.last_request("nas.get-drx")
    assert seen["client"] == bus.get(client, CLIENT, "ClientId")
    # What the modem refuses it refuses.
    assert raw.call(7, 0x7777)[0][0] == 0x02
    # Calls on the object go on beside it.
    assert bus.qmi(client, "Nas", "GetDrx") == {"drx": "t128"}


def test_tlvs_go_as_they_are(sim, client, raw):
    raw.call(1, REGISTER, [(0x13, b"\1"), (0x10, b"\0")])
    assert sim.last_request("nas.register-indications")["tlvs"] == qmux.pack_tlvs([(0x13, b"\1"), (0x10, b"\0")])


def test_many_requests_are_all_answered(sim, raw):
    for transaction in range(200):
        raw.send(transaction, GET_DRX)
    assert [raw.read().transaction for _ in range(200)] == list(range(200))


def test_indications(world, sim, device, bus, client, raw):
    """To the socket, as long as it is open, and not over the bus."""
    raw.call(1, REGISTER, [(0x19, b"\1")])
    bus.take_signals()
    sim.send("nas", "signal-info")
    packet = raw.read()
    assert (packet.kind, packet.id) == ("indication", SIGNAL_INFO_INDICATION)
    assert packet.tlvs
    raw.call(2, GET_DRX)
    assert bus.take_signals("SignalInfo") == []

    raw.close()
    bus.settle(device)
    sim.send("nas", "signal-info")
    assert bus.wait_signal("SignalInfo").path == client


@pytest.mark.parametrize("packet", [
    struct.pack("<BHHH", 0, 9, GET_DRX, 1),  # fewer bytes than it says
    struct.pack("<BHHH", 0, 9, GET_DRX, 0) + b"x",  # more
    struct.pack("<BHHH", 2, 9, GET_DRX, 0),  # no request
    struct.pack("<BHHH", 4, 9, GET_DRX, 0),
    struct.pack("<BHHH", 0x77, 9, GET_DRX, 0),
    struct.pack("<BHHH", 0, 9, GET_DRX, 4) + b"\x10\xff\x00\x00",  # a TLV that is longer than the message
    struct.pack("<BHHH", 0, 9, GET_DRX, 2) + b"\x10\x00",  # no whole TLV
    struct.pack("<BHHH", 0, 9, GET_DRX, 0)[:6],
    struct.pack("<BHH", 0, 9, GET_DRX),
    struct.pack("<BHHH", 0, 9, GET_DRX, 0xFFFF) + bytes(0xFFFF),  # larger than any frame
], ids=range(10))
def test_no_message(sim, raw, packet):
    raw.call(1, GET_DRX)
    raw.socket.send(packet)
    answer = raw.read()
    assert answer == ("response", 9, GET_DRX, [result(1)])  # malformed message
    assert raw.call(2, GET_DRX)[0] == OK
    assert sim.count("nas.get-drx") == 2


def test_not_even_a_transaction(world, sim, raw):
    """Nothing can be answered."""
    for packet in (b"\0", b"\0\1", b"", b"\0\1\2"):
        raw.socket.send(packet)
    answer = raw.read()
    assert answer == ("response", 0x0201, 0, [result(1)])
    assert raw.call(2, GET_DRX)[0] == OK
    raw.close()
    world.daemon.stop()
    assert "3 packets" in world.daemon.output()
    world.daemon = None


def test_as_large_as_a_frame(sim, raw):
    assert raw.call(3, GET_DRX, [(0x10, bytes(65520))])[0] == OK
    assert len(sim.last_request("nas.get-drx")["tlvs"]) == 65523


def test_no_answer(world, sim, raw):
    """Of the modem's; the program gets one all the same."""
    raw.call(1, GET_DRX)
    sim.command("silent on")
    raw.send(2, GET_DRX)
    sim.wait_count("nas.get-drx", 2)
    sim.command("hangup")
    assert raw.read() == ("response", 2, GET_DRX, [result(52)])  # device not ready


# ---- abort


def test_abort(sim, raw):
    """What it names is a transaction of the program's own."""
    sim.command("delay 1000000 nas.network-scan")
    raw.send(100, SCAN)
    raw.send(200, SCAN)
    sim.wait_count("nas.network-scan", 1)
    assert raw.call(5, ABORT, [(0x01, struct.pack("<H", 300))]) == [result(22)]  # invalid transaction id
    assert raw.call(6, ABORT) == [result(17)]  # missing argument
    raw.send(7, ABORT, [(0x01, struct.pack("<H", 100))])
    assert raw.read() == ("response", 100, SCAN, [result(4)])  # aborted
    assert raw.read() == ("response", 7, ABORT, [OK])
    sim.wait_count("nas.abort", 1)
    sim.wait_count("nas.network-scan", 2)
    scan, abort = sim.last_request("nas.network-scan"), sim.last_request("nas.abort")
    assert abort["client"] == scan["client"]
    assert abort["tlvs"] != qmux.pack_tlvs([(0x01, struct.pack("<H", 100))])


def test_closed_with_requests_under_way(sim, device, bus, client):
    raw = Raw(bus, client)
    sim.command("delay 1000000 nas.network-scan")
    for transaction in range(3):
        raw.send(transaction, SCAN)
    sim.wait_count("nas.network-scan", 1)
    raw.close()
    sim.wait_count("nas.abort", 1)
    assert bus.qmi(client, "Nas", "GetDrx") == {"drx": "t128"}
    assert sim.count("nas.network-scan") == 1
    # There can be another one.
    assert Raw(bus, client).call(1, GET_DRX)[0] == OK


# ---- a program that does not read, or sends too much


def test_requests_without_end(world, sim, device, bus, client, raw):
    """qmid takes a few, and leaves the rest in the socket until the program cannot send any more."""
    raw.call(1, GET_DRX)
    sim.command("silent on")
    raw.socket.setblocking(False)
    n = 0
    with pytest.raises(BlockingIOError):
        while n < 100000:
            raw.send(n & 0xFFFF, GET_DRX, [(0x10, bytes(200))])
            n += 1
    assert WINDOW < n < 100000
    [entry] = [c for c in bus.call(device, DEVICE, "ListClients", "a{sv}", {}) if c.get("path") == client]
    assert entry["socket"]
    # Others do not notice.
    other = world.connect()
    assert other.get(device, DEVICE, "State") == "ready"


def test_answers_that_are_not_read(sim, device, bus, client, raw):
    """They wait; and while they do, no more than a window of requests is taken."""
    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    total = 3000
    sent, got = 0, []
    before = sim.count("nas.get-drx")
    raw.socket.setblocking(False)
    while len(got) < total:
        try:
            while sent < total:
                raw.send(sent, GET_DRX)
                sent += 1
        except BlockingIOError:
            pass
        # Nothing is read before nothing more can be sent.
        assert select.select([raw.socket], [], [], TIMEOUT)[0]
        try:
            while True:
                got.append(raw.read().transaction)
        except BlockingIOError:
            pass
    assert got == list(range(total))
    assert sim.count("nas.get-drx") == before + total


def test_indications_that_are_not_read(world, sim, device, bus, client, raw):
    """They are lost, and counted; who reads again hears the next ones."""
    other = world.connect()
    raw.call(1, REGISTER, [(0x19, b"\1")])
    bus.add_match(f"type='signal',sender='{NAME}',member='PropertiesChanged',path='{client}'")
    bus.take_signals()
    sent = 0
    while bus.get(client, CLIENT, "LostIndications") == 0:
        for _ in range(50):
            sim.send("nas", "signal-info")
        sent += 50
        other.qmi(device, "Nas", "GetDrx")  # behind them
        assert sent < 100000
    # Nobody else waits for it, and it is told once, not for each.
    changed = bus.take_signals("PropertiesChanged")
    assert len(changed) == 1 and changed[0].args[1]["LostIndications"] >= 1
    sim.send("nas", "signal-info")
    other.qmi(device, "Nas", "GetDrx")
    sent += 1
    lost = bus.get(client, CLIENT, "LostIndications")
    assert bus.take_signals("PropertiesChanged") == []

    for _ in range(sent - lost):
        assert raw.read().kind == "indication"
    assert not select.select([raw.socket], [], [], 0)[0]
    sim.send("nas", "signal-info")
    assert raw.read().kind == "indication"
    assert bus.wait_signal("PropertiesChanged").args[1] == {"LostIndications": lost}


# ---- whose it is, and its end


def test_one_for_each_client(world, sim, device, bus, client, raw):
    refused("LimitsExceeded", lambda: Raw(bus, client), "open already")
    refused("NotOwner", lambda: Raw(world.connect(), client), bus.unique_name)
    refused("InvalidArgument", lambda: bus.call(client, CLIENT, "OpenSocket", "a{sv}", {"raw": True}), "raw")
    second = Raw(bus, open_client(bus, device))
    assert second.call(1, GET_DRX)[0] == raw.call(1, GET_DRX)[0] == OK


def test_it_ends_with_its_client(sim, device, bus, client, raw):
    release(bus, client)
    raw.ends()


def test_it_ends_with_its_owner(world, sim, device):
    bus = world.connect()
    raw = Raw(bus, open_client(bus, device))
    held = sim.count("clients.nas")
    bus.close()
    raw.ends()
    sim.wait_count("clients.nas", f"={held - 1}")


def test_the_modem_takes_the_id_back(sim, device, bus, client, raw):
    """The socket goes on with another one; but not where something is gone that nobody can bring back."""
    raw.call(1, GET_DRX)
    sim.command(f"revoke nas {bus.get(client, CLIENT, 'ClientId')}")
    bus.wait_signal("Replaced", path=client)
    assert raw.call(2, GET_DRX)[0] == OK
    assert sim.last_request("nas.get-drx")["client"] == bus.get(client, CLIENT, "ClientId")

    call = open_client(bus, device, "wds")
    second = Raw(bus, call)
    bus.qmi(call, "Wds", "StartNetwork")
    sim.command(f"revoke wds {bus.get(call, CLIENT, 'ClientId')}")
    second.ends()
    assert bus.wait_signal("Ended").path == call


def test_that_of_a_persistent_client(world, sim, device):
    """It is used without the bus, until somebody claims the client."""
    maker, bus = world.connect(), world.connect()
    client = open_client(maker, device, persist=True)
    raw = Raw(maker, client)
    maker.close()
    bus.wait_property(client, CLIENT, "Owner", "")
    assert raw.call(1, GET_DRX)[0] == OK
    assert bus.qmi(client, "Nas", "GetDrx") == {"drx": "t128"}
    assert raw.call(2, GET_DRX)[0] == OK
    bus.call(client, CLIENT, "Claim", "a{sv}", {})
    raw.ends()
    assert Raw(bus, client).call(3, GET_DRX)[0] == OK


def test_no_descriptor_is_left(world, sim, device, bus):
    def count():
        return len(os.listdir(f"/proc/{world.daemon.pid}/fd"))

    client = open_client(bus, device)
    Raw(bus, client).close()
    bus.settle(device)
    before = count()
    for _ in range(20):
        raw = Raw(bus, client)
        raw.send(1, GET_DRX)
        raw.close()
    bus.settle(device)
    assert count() == before
