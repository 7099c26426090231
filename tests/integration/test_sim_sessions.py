# SPDX-License-Identifier: LGPL-2.1-or-later
"""The simulated modem's data calls and link layer, spoken to with frames made by hand; and what it tells who carries
the packets."""

import ipaddress
import socket
import struct

import pytest
import qmidtest
import qmux

CTL, WDS, WDA = 0x00, 0x01, 0x1A
RESET, START, STOP, STATUS, SETTINGS, SET_FAMILY, ABORT, BIND_MUX = (
    0x0000, 0x0020, 0x0021, 0x0022, 0x002D, 0x004D, 0x0002, 0x00A2)
SET_FORMAT, GET_FORMAT, CTL_SET_FORMAT = 0x0020, 0x0021, 0x0026
ABORTED, INVALID_HANDLE, CALL_FAILED, OUT_OF_CALL = 0x04, 0x09, 0x0E, 0x0F
MISSING_ARGUMENT, NO_EFFECT, INTERFACE_NOT_FOUND = 0x11, 0x1A, 0x2B
INVALID_ARGUMENT, INVALID_FAMILY, INVALID_OPERATION = 0x30, 0x40, 0x46
ETHERNET, RAW_IP, DISABLED, QMAP, QMAPV5 = 1, 2, 0, 5, 9
V4, V6 = b"\x04", b"\x06"
CONNECTED, DISCONNECTED = 2, 1
ANY = 0xFFFFFFFF
PLAIN = "raw-ip disabled 0 0 disabled 0 0"


@pytest.fixture
def sim(short_path):
    with qmidtest.Sim(short_path, scenario="data") as s:
        yield s


@pytest.fixture
def host(sim):
    with qmux.Host(sim.path) as h:
        yield h


class Carrier:
    """Who carries the packets."""

    def __init__(self, sim, interface=4):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(f"{sim.path}.control")
        self.socket.sendall(f"attach {interface}\n".encode())
        self.buffer = b""
        ok, _, self.state = self.next().partition(" ")
        assert ok == "ok"

    def next(self, flags=0):
        """What is different now."""
        while b"\n" not in self.buffer:
            chunk = self.socket.recv(65536, flags)
            assert chunk, "the simulator hung up"
            self.buffer += chunk
        line, _, self.buffer = self.buffer.partition(b"\n")
        self.state = line.decode()
        return self.state

    def next_at_once(self):
        """It must be there."""
        return self.next(socket.MSG_DONTWAIT)

    def gates(self):
        return self.state.split(" ", 7)[7] if self.state.count(" ") > 6 else ""

    def close(self):
        self.socket.close()


@pytest.fixture
def carrier(sim):
    c = Carrier(sim)
    yield c
    c.close()


class Client:
    """A client of WDS, which may have to do with a mux and a family."""

    def __init__(self, host, mux=None, family=None):
        self.host = host
        self.id = host.allocate(WDS)
        if mux is not None:
            assert self.ask(BIND_MUX, [(0x10, struct.pack("<II", 2, 4)), (0x11, bytes([mux]))])[0] == 0
        if family is not None:
            assert self.ask(SET_FAMILY, [(0x01, family)])[0] == 0

    def ask(self, message, tlvs=()):
        return self.host.request(WDS, self.id, message, tlvs)

    def start(self, apn=b"internet", *tlvs):
        """(error, handle or TLVs)"""
        error, found = self.ask(START, [(0x14, apn), *tlvs])
        return error, found if error else struct.unpack("<I", found[0x01])[0]

    def stop(self, handle):
        return self.ask(STOP, [(0x01, struct.pack("<I", handle))])[0]

    def status(self):
        return self.ask(STATUS)[1][0x01][0]

    def settings(self):
        """(error, the addresses)"""
        error, tlvs = self.ask(SETTINGS, [(0x10, struct.pack("<I", 0xFFFFFFFF))])
        found = []
        if 0x1E in tlvs:
            found.append(str(ipaddress.ip_address(tlvs[0x1E][::-1])))
        if 0x25 in tlvs:
            found.append(str(ipaddress.ip_address(tlvs[0x25][:16])))
        assert (0x20 in tlvs) == (0x1E in tlvs) and (0x26 in tlvs) == (0x25 in tlvs)
        return error, found


def indication(host):
    """(client, status, family, TLVs) of the next one."""
    seen = host.receive_indication()
    assert (seen.service, seen.id) == (WDS, STATUS)
    tlvs = dict(seen.tlvs)
    return seen.client, tlvs[0x01][0], tlvs[0x12][0], tlvs


# ---- calls

def test_a_call(sim, host, carrier):
    assert carrier.state == PLAIN
    client = Client(host)
    assert (client.status(), client.settings()) == (DISCONNECTED, (OUT_OF_CALL, []))
    assert client.stop(1) == NO_EFFECT
    error, handle = client.start()
    assert error == 0
    assert indication(host)[:3] == (client.id, CONNECTED, 4)
    assert carrier.next() == PLAIN + " 0 192.0.2.42"
    assert (client.status(), client.settings()) == (CONNECTED, (0, ["192.0.2.42"]))
    assert client.start() == (NO_EFFECT, {})
    assert client.stop(handle + 1) == INVALID_HANDLE
    assert client.ask(STOP)[0] == MISSING_ARGUMENT
    assert client.stop(handle) == 0
    client_id, status, family, tlvs = indication(host)
    assert (client_id, status, family, tlvs[0x10]) == (client.id, DISCONNECTED, 4, b"\x02\0")
    assert carrier.next() == PLAIN
    assert client.stop(handle) == NO_EFFECT


def test_gates_are_open_before_the_answer_is_there(sim, host, carrier):
    client = Client(host)
    for _ in range(50):
        _, handle = client.start()
        assert carrier.next_at_once() == PLAIN + " 0 192.0.2.42"
        client.stop(handle)
        assert carrier.next_at_once() == PLAIN


def test_families_and_muxes(sim, host, carrier):
    gates = {(0, V4): "192.0.2.42", (0, V6): "2001:db8:42::2a", (1, V4): "192.0.2.46", (1, V6): "2001:db8:43::2a",
             (254, V6): "2001:db8:140::2a"}
    clients = {}
    for (mux, family), address in gates.items():
        client = clients[mux, family] = Client(host, mux, family)
        assert client.start()[0] == 0
        assert indication(host)[:3] == (client.id, CONNECTED, family[0])
        carrier.next()
        assert client.settings() == (0, [address])
    assert carrier.gates() == ("0 192.0.2.42 0 2001:db8:42::2a 1 192.0.2.46 1 2001:db8:43::2a 254 2001:db8:140::2a")
    # The family may be in the request, which has the last word.
    last = Client(host, 2, V4)
    assert last.start(b"internet", (0x19, V6))[0] == 0
    assert indication(host)[:3] == (last.id, CONNECTED, 6)
    assert last.settings() == (0, ["2001:db8:44::2a"])
    assert carrier.next().endswith(" 2 2001:db8:44::2a 254 2001:db8:140::2a")
    assert clients[1, V6].ask(BIND_MUX, [(0x11, b"\x09")])[0] == INVALID_OPERATION
    host.release(WDS, clients[1, V6].id)
    assert carrier.next().startswith(PLAIN + " 0 192.0.2.42 0 2001:db8:42::2a 1 192.0.2.46 2 ")
    assert clients[0, V4].ask(RESET)[0] == 0
    assert carrier.next().startswith(PLAIN + " 0 2001:db8:42::2a 1 192.0.2.46 2 ")


def test_bad_families(sim, host):
    client = Client(host)
    assert client.start(b"internet", (0x19, b"\x05"))[0] == INVALID_FAMILY
    assert client.ask(SET_FAMILY, [(0x01, b"\x05")])[0] == INVALID_FAMILY
    # "Unspecified": no answer ever comes.
    host.send(WDS, client.id, START, [(0x19, b"\x08")])
    assert client.status() == DISCONNECTED
    assert client.ask(SET_FAMILY, [(0x01, b"\x08")])[0] == 0
    host.send(WDS, client.id, START)
    assert client.status() == DISCONNECTED


def test_a_gate_that_two_share(sim, host, carrier):
    one, two = Client(host), Client(host)
    first, second = one.start()[1], two.start()[1]
    assert first != second
    assert [indication(host)[:2] for _ in range(2)] == [(one.id, CONNECTED), (two.id, CONNECTED)]
    assert carrier.next() == PLAIN + " 0 192.0.2.42"
    assert one.stop(second) == INVALID_HANDLE
    assert one.stop(first) == 0
    assert indication(host)[:2] == (one.id, DISCONNECTED)
    assert (one.status(), two.status()) == (CONNECTED, CONNECTED)
    assert two.stop(second) == 0
    assert sorted(indication(host)[:2] for _ in range(2)) == [(one.id, DISCONNECTED), (two.id, DISCONNECTED)]
    assert carrier.next() == PLAIN


def test_a_call_of_the_modem_itself(sim, host, carrier):
    sim.command("start-call 0 ipv4")
    assert carrier.next() == PLAIN + " 0 192.0.2.42"
    client = Client(host)
    assert client.start() == (NO_EFFECT, {})
    assert (client.status(), client.settings()) == (CONNECTED, (0, ["192.0.2.42"]))
    assert client.stop(1) == NO_EFFECT
    host.release(WDS, client.id)
    client = Client(host)
    assert client.stop(ANY) == 0
    assert client.status() == DISCONNECTED
    assert carrier.next() == PLAIN


def test_the_network_ends_it(sim, host, carrier):
    four, six, other = Client(host, 1, V4), Client(host, 1, V6), Client(host, 2, V4)
    for client in (four, six, other):
        assert client.start()[0] == 0
        assert indication(host)[0] == client.id
        carrier.next()
    sim.command("end-call 1 ipv6 call-end-reason=no-service verbose-call-end-reason.type=3gpp "
                "verbose-call-end-reason.reason=38")
    client, status, family, tlvs = indication(host)
    assert (client, status, family) == (six.id, DISCONNECTED, 6)
    assert (tlvs[0x10], tlvs[0x11]) == (b"\x03\0", struct.pack("<Hh", 6, 38))
    assert carrier.next() == PLAIN + " 1 192.0.2.46 2 192.0.2.50"
    assert [c.status() for c in (four, six, other)] == [CONNECTED, DISCONNECTED, CONNECTED]
    for line, why in (("end-call 1 ipv6", "there is no call"), ("end-call 1", "ipv4 or ipv6 is missing"),
                      ("end-call 1 ipv5", "neither"), ("end-call 256 ipv4", "no number up to 255"),
                      ("end-call 1 ipv4 reason", "no KEY=VALUE"), ("start-call 1 ipv4", "a call already"),
                      ("set data.families = \"none\"", "not one of"), ("set data.colour = 1", "no key"),
                      ("attach x", "attach INTERFACE?")):
        with pytest.raises(Exception, match=why.replace("?", r"\?")):
            sim.command(line)


def test_what_the_network_grants(sim, host):
    def reason(found):
        return struct.unpack("<Hh", found[0x11])

    for apn, granted, refused, cause in ((b"ipv4.example", V4, V6, 50), (b"ipv6.example", V6, V4, 51)):
        error, found = Client(host, 1, refused).start(apn)
        assert (error, reason(found)) == (CALL_FAILED, (6, cause))
        assert Client(host, 1, granted).start(apn)[0] == 0
    one, two = Client(host, 2, V4), Client(host, 2, V6)
    assert one.start(b"single.example")[0] == 0
    error, found = two.start(b"single.example")
    assert (error, reason(found)) == (CALL_FAILED, (6, 52))
    assert one.settings() == (0, ["192.0.2.50", "2001:db8:44::2a"])
    assert Client(host, 3, V6).start(b"single.example")[0] == 0
    for apn, tlvs, end, verbose in (
            (b"unknown.example", [], 1, (6, 27)), (b"login.example", [], 10, (6, 29)),
            (b"login.example", [(0x17, b"guest"), (0x18, b"x")], 10, (6, 29))):
        error, found = Client(host, 4).start(apn, *tlvs)
        assert (error, found[0x10][0], reason(found)) == (CALL_FAILED, end, verbose)
    sim.command('set data.families = "both"')
    assert Client(host, 4).start(b"login.example", (0x17, b"guest"), (0x18, b"guest"))[0] == 0
    sim.command('set nas.get-serving-system.serving-system.registration = "not-registered"')
    error, found = Client(host, 5).start()
    assert (error, found[0x10][0], reason(found)) == (CALL_FAILED, 3, (3, 2001))


def test_what_ends_calls_beside_stop(sim, host, carrier):
    def up():
        client = Client(host)
        client.start()
        assert carrier.next() == PLAIN + " 0 192.0.2.42"
        return client

    client = up()
    host.release(WDS, client.id)
    assert carrier.next() == PLAIN
    client = up()
    sim.command(f"revoke wds {client.id}")
    assert carrier.next() == PLAIN
    up()
    host.request(CTL, 0, 0x0027)
    assert carrier.next() == PLAIN
    up()
    sim.command("reset")
    assert carrier.next() == PLAIN
    # Aborted, and as if it had never been.
    client = Client(host)
    sim.command("delay 1000000 wds.start-network")
    transaction = host.send(WDS, client.id, START)
    assert carrier.next() == PLAIN + " 0 192.0.2.42"
    host.send(WDS, client.id, ABORT, [(0x01, struct.pack("<H", transaction))])
    assert qmux.result(host.receive_response())[0] == ABORTED
    assert qmux.result(host.receive_response())[0] == 0
    assert carrier.next() == PLAIN


# ---- the link layer

def wda(host, message, **values):
    """(error, [link layer, uplink, its limits, downlink, its limits])"""
    ids = {"link": 0x11, "up": 0x12, "down": 0x13, "down_datagrams": 0x15, "down_size": 0x16, "up_datagrams": 0x1B,
           "up_size": 0x1C}
    tlvs = [(ids[k], struct.pack("<I", v)) for k, v in values.items() if k in ids]
    if "endpoint" in values:
        tlvs.append((0x17 if message == SET_FORMAT else 0x10, struct.pack("<II", *values["endpoint"])))
    error, found = host.request(WDA, host.wda, message, tlvs)
    return error, [struct.unpack("<I", found[i])[0] for i in (0x11, 0x12, 0x17, 0x18, 0x13, 0x15, 0x16) if i in found]


@pytest.fixture
def link(host, carrier):
    host.wda = host.allocate(WDA)
    return lambda message, **values: wda(host, message, **values)


def test_what_was_set_is_read_back(sim, link, carrier):
    plain = [RAW_IP, DISABLED, 0, 0, DISABLED, 0, 0]
    assert link(GET_FORMAT) == (0, plain)
    qmap = [RAW_IP, QMAP, 11, 8192, QMAP, 32, 32768]
    assert link(SET_FORMAT, link=RAW_IP, up=QMAP, down=QMAP, down_size=65536) == (0, qmap)
    assert carrier.next() == "raw-ip qmap 11 8192 qmap 32 32768"
    assert link(GET_FORMAT) == (0, qmap)
    less = [RAW_IP, DISABLED, 0, 0, QMAP, 8, 4096]
    assert link(SET_FORMAT, up=DISABLED, down_datagrams=8, down_size=4096, up_size=100) == (0, less)
    assert carrier.next() == "raw-ip disabled 0 0 qmap 8 4096"
    assert link(GET_FORMAT) == (0, less)
    # No aggregation of Ethernet frames, nor of the kinds that this modem does not know.
    assert link(SET_FORMAT, link=ETHERNET) == (0, [ETHERNET, *plain[1:]])
    assert carrier.next() == "802-3 disabled 0 0 disabled 0 0"
    assert link(SET_FORMAT, link=RAW_IP, up=QMAPV5, down=QMAPV5) == (0, plain)
    assert carrier.next() == PLAIN


def test_what_a_modem_cannot(sim, link):
    sim.command("set data.qmap = false")
    assert link(SET_FORMAT, up=QMAP, down=QMAP) == (0, [RAW_IP, DISABLED, 0, 0, DISABLED, 0, 0])
    sim.command("set data.qmap = true")
    sim.command("set data.uplink-max-datagrams = 3")
    assert link(SET_FORMAT, up=QMAP, down=QMAP)[1][1:4] == [QMAP, 3, 8192]
    sim.command('set data.link-layer = "802-3"')
    assert link(SET_FORMAT, link=RAW_IP, up=QMAP)[1][:2] == [ETHERNET, DISABLED]
    sim.command('set data.link-layer = "raw-ip"')
    assert link(SET_FORMAT, link=ETHERNET)[1][:1] == [RAW_IP]


def test_what_a_modem_refuses(sim, host, link, carrier):
    before = link(GET_FORMAT)
    assert link(SET_FORMAT, link=4)[0] == link(SET_FORMAT, down=10)[0] == INVALID_ARGUMENT
    for endpoint in ((2, 5), (3, 4)):
        assert link(SET_FORMAT, link=ETHERNET, endpoint=endpoint)[0] == INTERFACE_NOT_FOUND
        assert link(GET_FORMAT, endpoint=endpoint)[0] == INTERFACE_NOT_FOUND
        assert Client(host).ask(BIND_MUX, [(0x10, struct.pack("<II", *endpoint)), (0x11, b"\1")])[0] == INTERFACE_NOT_FOUND
    assert link(GET_FORMAT, endpoint=(2, 4)) == before
    client = Client(host)
    _, handle = client.start()
    assert link(SET_FORMAT, link=ETHERNET)[0] == INVALID_OPERATION
    assert link(SET_FORMAT, link=RAW_IP) == before
    client.stop(handle)
    assert link(SET_FORMAT, link=ETHERNET, endpoint=(2, 4))[1][0] == ETHERNET


def ctl_set(host, protocol):
    error, tlvs = host.request(CTL, 0, CTL_SET_FORMAT, [(0x01, b"\0"), (0x10, struct.pack("<H", protocol))])
    return error, tlvs and struct.unpack("<H", tlvs[0x10])[0]


def test_the_old_way(sim, host, link, carrier):
    assert ctl_set(host, ETHERNET) == (0, ETHERNET)
    assert carrier.next() == "802-3 disabled 0 0 disabled 0 0"
    assert link(GET_FORMAT)[1][0] == ETHERNET
    assert ctl_set(host, 3)[0] == INVALID_ARGUMENT
    assert ctl_set(host, RAW_IP) == (0, RAW_IP)
    assert carrier.next() == PLAIN
    # It knows nothing of aggregation, which Ethernet frames are without.
    assert link(SET_FORMAT, up=QMAP)[0] == 0
    assert carrier.next() == "raw-ip qmap 11 8192 disabled 0 0"
    assert ctl_set(host, RAW_IP) == (0, RAW_IP)
    assert ctl_set(host, ETHERNET) == (0, ETHERNET)
    assert carrier.next() == "802-3 disabled 0 0 disabled 0 0"
    assert ctl_set(host, RAW_IP) == (0, RAW_IP)
    assert carrier.next() == PLAIN
    # A modem without WDA.
    sim.command("unset wda.get-data-format")
    sim.command("set ctl.services.wda = none")
    assert carrier.state == PLAIN
    assert ctl_set(host, ETHERNET) == (0, ETHERNET)
    assert carrier.next() == "802-3 disabled 0 0 disabled 0 0"


def test_plugged_in_again_it_is_as_new(sim, host, link, carrier):
    assert link(SET_FORMAT, link=ETHERNET)[0] == 0
    Client(host).start()
    assert [carrier.next(), carrier.next()] == ["802-3 disabled 0 0 disabled 0 0",
                                                "802-3 disabled 0 0 disabled 0 0 0 192.0.2.42"]
    again = Carrier(sim, 8)
    assert again.state == carrier.next() == PLAIN
    assert sim.count("clients") == 0
    host.wda = host.allocate(WDA)
    assert link(GET_FORMAT, endpoint=(2, 8))[0] == 0
    again.close()
