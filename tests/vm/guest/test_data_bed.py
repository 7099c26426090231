# SPDX-License-Identifier: LGPL-2.1-or-later
"""The data channel of the simulated modem, over the kernel's qmi_wwan: link layers, gates, and what goes wrong.
What qmid makes of it is for other tests."""

import socket
from contextlib import ExitStack

import pytest

from data import (ETHERNET, QMAP, RAW_IP, Pinger, Qmi, add_mux, address, far_address, ip, ping, set_host_format, set_up,
                  statistic)
from modem import scenario
from udev import PATIENCE

pytestmark = pytest.mark.usefixtures("without_qmid")


@pytest.fixture(scope="module")
def data_scenario():
    return scenario("data")


@pytest.fixture
def make(make_modem, data_scenario):
    """Makes and plugs modems: (modem, a Qmi for each port)."""
    with ExitStack() as stack:
        def make(**options):
            modem = make_modem(scenario=data_scenario, **options)
            qmis = [Qmi(port) for port in modem.plug()]
            for qmi in qmis:
                stack.callback(qmi.close)
            return modem, *qmis

        yield make


def test_raw_ip(make):
    modem, qmi = make()
    network = qmi.port.network
    assert modem.gate()["ipv4"] == modem.gate()["ipv6"] == "closed"
    set_host_format(qmi.port, RAW_IP)
    set_up(network, families=[4])

    session = qmi.start(4)
    assert modem.gate() == {"in": 0, "in-bytes": 0, "out": 0, "out-bytes": 0, "ipv4": address(4), "ipv6": "closed"}
    ping(network, 4, n=3, size=1400)
    n = 3 * (28 + 1400)
    assert modem.gate() == {"in": 3, "in-bytes": n, "out": 3, "out-bytes": n, "ipv4": address(4), "ipv6": "closed"}
    with Pinger(network, 4, far="198.51.100.7") as pinger:      # whoever it is
        pinger.ping()

    ip("addr", "add", f"{address(6)}/64", "dev", network, "nodad")
    with Pinger(network, 6) as pinger:
        with modem.counted("closed-gate", 2):
            pinger.send(2)
        six = qmi.start(6)
        pinger.ping(3)
        assert pinger.receive_what_is_there() == []     # none of the two
    six.stop()
    assert modem.gate()["ipv6"] == "closed"
    session.stop()
    with Pinger(network, 4) as pinger, modem.counted("closed-gate"):
        pinger.send()
    assert modem.gate()["in"] >= 7      # the kernel has something to say itself
    assert modem.count("wrong-framing") == modem.count("wrong-source") == modem.count("overflows") == 0


def test_ethernet(make):
    modem, qmi = make()
    network = qmi.port.network
    assert qmi.set_format(ETHERNET)[0] == 0
    set_host_format(qmi.port, ETHERNET)
    sessions = [qmi.start(family) for family in (4, 6)]
    # The modem is a router: the host finds its network by itself.
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as changes:
        changes.bind((0, 0x100))        # RTMGRP_IPV6_IFADDR
        set_up(network, families=[4])
        ping(network, 4, size=1400)
        changes.settimeout(PATIENCE)
        prefix = socket.inet_pton(socket.AF_INET6, "2001:db8:42::")[:8]
        while prefix not in changes.recv(1 << 16):
            pass
    ip("addr", "add", f"{address(6)}/64", "dev", network, "nodad")
    ping(network, 6, size=1400)
    assert modem.count("wrong-framing") == 0
    for session in sessions:
        session.stop()
    with Pinger(network, 4) as pinger, modem.counted("closed-gate"):
        pinger.send()


def test_two_muxes(make):
    modem, qmi = make()
    assert qmi.set_format(RAW_IP, QMAP)[0] == 0
    set_host_format(qmi.port, RAW_IP)
    # What the kernel says there by itself would be no QMAP.
    ip("link", "set", qmi.port.network, "addrgenmode", "none")
    networks = {mux: add_mux(qmi.port, mux) for mux in (1, 2)}
    ip("link", "set", qmi.port.network, "up")
    sessions = {}
    for mux, network in networks.items():
        set_up(network, mux)
        sessions.update({(mux, family): qmi.start(family, mux) for family in (4, 6)})

    with ExitStack() as stack:
        pingers = {(mux, family): stack.enter_context(Pinger(networks[mux], family, mux)) for mux, family in sessions}
        for _ in range(20):
            for pinger in pingers.values():
                pinger.send()
        for pinger in pingers.values():
            assert pinger.receive(20) == list(range(1, 21))
        for mux in networks:
            gate = modem.gate(mux)
            assert (gate["ipv4"], gate["ipv6"]) == (address(4, mux), address(6, mux))
            assert gate["in"] >= gate["out"] >= 40
        assert modem.gate(0)["in"] == modem.gate(3)["in"] == 0

        # One goes, three go on.
        sessions.pop((1, 4)).stop()
        with modem.counted("closed-gate"):
            pingers.pop((1, 4)).send()
        for pinger in pingers.values():
            pinger.ping()
    # An address of the other mux is not this one's.
    ip("addr", "add", f"{address(4, 1)}/32", "dev", networks[2])
    with Pinger(networks[2], 4, 1, far="198.51.100.7") as pinger, modem.counted("wrong-source"):
        pinger.send()
    assert modem.count("wrong-framing") == modem.count("overflows") == 0


def test_aggregation(make):
    modem, qmi = make()
    assert qmi.set_format(RAW_IP, QMAP, datagrams=4)[0] == 0
    set_host_format(qmi.port, RAW_IP)
    network = add_mux(qmi.port, 1)
    ip("link", "set", qmi.port.network, "up")
    session = qmi.start(4, 1)
    set_up(network, 1, [4])
    with Pinger(network, 4, 1) as pinger:
        modem.usb("hold-packets", "on")
        with modem.counted("echoes", 10):
            pinger.send(10, size=51)        # padded
        assert pinger.receive_what_is_there() == []
        with modem.counted("transfers", 3):
            modem.usb("hold-packets", "off")
        assert pinger.receive(10) == list(range(1, 11))
        assert modem.count("transfers") == 3        # 4, 4, 2

        # More than the host has room for: the driver loses all of it.
        session.stop()
        assert qmi.set_format(RAW_IP, QMAP)[0] == 0
        session = qmi.start(4, 1)
        errors = statistic(qmi.port.network, "rx_errors")
        modem.usb("hold-packets", "on")
        with modem.counted("echoes", 10):
            pinger.send(10, size=400)
        with modem.counted("overflows"):
            modem.usb("hold-packets", "off")
        pinger.ping()
        assert statistic(qmi.port.network, "rx_errors") > errors
        # As much as the driver has room for. Not all kernels let its MTU, which is that, grow beyond 1500.
        session.stop()
        assert qmi.set_format(RAW_IP, QMAP, size=1500)[0] == 0
        qmi.start(4, 1)
        modem.usb("hold-packets", "on")
        with modem.counted("echoes", 10):
            pinger.send(10, size=400)
        with modem.counted("transfers", 4):     # 3, 3, 3, 1
            modem.usb("hold-packets", "off")
        assert pinger.receive(10) == list(range(22, 32))
        # A packet alone is too large if its header is one too many: what the driver has on its MTU of 1500.
        assert modem.count("overflows") == 1
        with modem.counted("overflows"):
            pinger.send(size=1500 - 28)
        pinger.ping(size=1500 - 28 - 4)


@pytest.mark.parametrize("of_modem, of_host", [
    (RAW_IP, ETHERNET), (ETHERNET, RAW_IP), (QMAP, RAW_IP), (RAW_IP, QMAP)])
def test_a_wrong_framing_loses_everything(make, of_modem, of_host):
    modem, qmi = make()
    network = qmi.port.network
    assert qmi.set_format(ETHERNET if of_modem == ETHERNET else RAW_IP, QMAP if of_modem == QMAP else 0)[0] == 0
    mux = 1 if QMAP in (of_modem, of_host) else None
    for family in (4, 6):
        qmi.start(family, mux)
    set_host_format(qmi.port, ETHERNET if of_host == ETHERNET else RAW_IP)
    if of_host == QMAP:
        network = add_mux(qmi.port, 1)
        ip("link", "set", qmi.port.network, "up")
    set_up(network, mux or 0)
    if of_host == ETHERNET:     # else nothing but the search for the neighbour would be sent
        for family in (4, 6):
            ip("neigh", "replace", far_address(family), "lladdr", "02:50:f4:00:00:01", "dev", network)
    for family in (4, 6):
        with Pinger(network, family, mux or 0) as pinger:
            with modem.counted("wrong-framing", 5):
                pinger.send(5)
            assert pinger.receive_what_is_there() == []
    assert modem.count("packets") == modem.count("echoes") == 0


def test_loss_on_demand(make):
    modem, qmi = make()
    qmi.start(4)
    set_host_format(qmi.port, RAW_IP)
    set_up(qmi.port.network, families=[4])
    with Pinger(qmi.port.network, 4) as pinger:
        pinger.ping(2)
        modem.usb("lose-packets", 3)
        pinger.send(10)
        assert pinger.receive(7) == list(range(6, 13))
    assert (modem.count("lose-packets"), modem.count("packets"), modem.gate()["in"]) == (3, 9, 9)


def test_a_thousand_pings(make):
    modem, qmi = make()
    sessions = [qmi.start(family) for family in (4, 6)]
    set_host_format(qmi.port, RAW_IP)
    set_up(qmi.port.network)
    for session in sessions:
        with Pinger(qmi.port.network, 4 if session is sessions[0] else 6) as pinger:
            for _ in range(50):
                pinger.ping(10)


def test_two_ports_with_different_link_layers(make):
    modem, one, two = make(profile="em7455")
    assert two.set_format(ETHERNET)[0] == 0
    for qmi, link in ((one, RAW_IP), (two, ETHERNET)):
        qmi.start(4)
        set_host_format(qmi.port, link)
        set_up(qmi.port.network, families=[4])
    for qmi in (one, two, one, two):
        ping(qmi.port.network, 4)
    assert [modem.gate(0, function)["in"] for function in (0, 1)] == [6, 6]
    assert modem.count("wrong-framing") == 0


def test_the_network_ends_a_call(make):
    modem, qmi = make()
    qmi.start(4)
    set_host_format(qmi.port, RAW_IP)
    set_up(qmi.port.network, families=[4])
    ping(qmi.port.network, 4)
    modem.sims[0]("end-call", 0, "ipv4", "call-end-reason=no-service")
    with Pinger(qmi.port.network, 4) as pinger, modem.counted("closed-gate"):
        pinger.send()


def test_a_modem_that_comes_back_is_as_new(make):
    modem, qmi = make()
    assert qmi.set_format(ETHERNET)[0] == 0
    qmi.start(4)
    assert modem.gate()["ipv4"] == address(4)
    port, = modem.replug()
    assert modem.gate()["ipv4"] == "closed"
    again = Qmi(port)
    again.start(4)
    set_host_format(port, RAW_IP)
    set_up(port.network, families=[4])
    ping(port.network, 4)
    again.close()
