# SPDX-License-Identifier: LGPL-2.1-or-later
"""Indications are signals to the owner of the client id that they came for, and to nobody else."""

import pytest
from dbusclient import NAME

DEVICE = f"{NAME}.Device"
CLIENT = f"{NAME}.Client"
SIGNAL = {"lte": {"rssi": -63, "rsrq": -11, "rsrp": -95, "snr": 12.4}, "nr5g": {"rsrp": -101, "snr": 8.0},
          "nr5g_rsrq": -11}


def open_client(bus, device, service):
    return bus.call(device, DEVICE, "OpenClient", "sa{sv}", service, {})


def eavesdrop(world):
    """A caller that wants to hear everything."""
    bus = world.connect()
    bus.add_match("type='signal'")
    bus.add_match(f"type='signal',sender='{NAME}'")
    if world.bus.kind == "dbus-daemon":  # dbus-broker knows no eavesdropping
        bus.add_match("type='signal',eavesdrop='true'")
    return bus


def heard(bus):
    """What service interfaces have sent, without what the bus and the object tree say."""
    return [s for s in bus.take_signals() if s.interface.startswith(NAME)]


def barrier(bus, device):
    """Behind the answer to this, every indication that was sent before has been passed on."""
    bus.qmi(device, "Nas", "GetDrx")


@pytest.fixture
def running(each_world):
    each_world.sim()
    each_world.start_daemon()
    return each_world


def test_to_the_owner_from_the_right_path(running):
    """Of an implicit client from the device's path, of an opened one from its own."""
    [sim] = running.sims
    one, two, other = running.connect(), running.connect(), eavesdrop(running)
    for bus in (one, two, other):
        bus.add_match(f"type='signal',sender='{NAME}'")
    client = open_client(two, sim.device, "nas")
    one.qmi(sim.device, "Nas", "RegisterIndications", {"signal_info": True})
    two.qmi(client, "Nas", "RegisterIndications", {"signal_info": True})
    two.qmi(sim.device, "Nas", "RegisterIndications", {"signal_info": False})
    for bus in (one, two, other):
        bus.take_signals()

    sim.send("nas", "signal-info")
    barrier(one, sim.device)
    barrier(two, sim.device)
    [signal] = heard(one)
    assert signal.path == sim.device and signal.interface == f"{NAME}.Nas" and signal.member == "SignalInfo"
    assert signal.args == (SIGNAL,) and signal.destination == one.unique_name
    [signal] = heard(two)
    assert signal.path == client and signal.args == (SIGNAL,) and signal.destination == two.unique_name
    assert heard(other) == []


def test_without_a_match_rule(running):
    """Unicast signals need none."""
    [sim] = running.sims
    bus = running.connect()
    bus.qmi(sim.device, "Nas", "RegisterIndications", {"signal_info": True})
    sim.send("nas", "signal-info")
    assert bus.wait_signal("SignalInfo").args == (SIGNAL,)


def test_broadcast(running):
    """0xFF: to each owner of a client of that service, once for each path on which it has one."""
    [sim] = running.sims
    one, two, other, third = running.connect(), running.connect(), running.connect(), eavesdrop(running)
    for bus in (one, two, other):
        bus.add_match(f"type='signal',sender='{NAME}'")
    clients = [open_client(one, sim.device, "nas") for _ in range(2)]
    for bus in (one, two):
        bus.qmi(sim.device, "Nas", "SetEventReport")
    other.qmi(sim.device, "Dms", "SetEventReport")  # owns a client, of another service
    for bus in (one, two, other, third):
        bus.take_signals()

    sim.send("nas", "signal-info", "all")
    for bus in (one, two, other):
        barrier(bus, sim.device)
    assert sorted(s.path for s in heard(one)) == sorted([sim.device, *clients])
    [signal] = heard(two)
    assert signal.path == sim.device and signal.args == (SIGNAL,)
    assert heard(other) == [] and heard(third) == []


def test_for_nobody(sim, device, bus):
    """For an id of the daemon's own, for one that is nobody's, of a service that nobody uses."""
    bus.add_match(f"type='signal',sender='{NAME}'")
    bus.qmi(device, "Nas", "SetEventReport")
    bus.qmi(device, "Nas", "GetDrx")
    mine, shared = sim.last_request("nas.set-event-report")["client"], sim.last_request("nas.get-drx")["client"]
    bus.take_signals()
    for target in (shared, 99):
        sim.send("nas", "signal-info", target)
    sim.send("uim", "card-status", "all")
    barrier(bus, device)
    assert heard(bus) == []
    sim.send("nas", "signal-info", mine)
    assert bus.wait_signal("SignalInfo").path == device


def test_after_release(sim, device, bus):
    """What comes for an id that was given back is for nobody, also when another has it now."""
    client = open_client(bus, device, "nas")
    ident = bus.get(client, CLIENT, "ClientId")
    bus.call(client, CLIENT, "Release", "a{sv}", {})
    bus.take_signals()
    sim.send("nas", "signal-info", ident)
    barrier(bus, device)
    assert heard(bus) == []


def test_types(sim, device, bus):
    """As in responses: units, symbols, unknown TLVs."""
    bus.qmi(device, "Nas", "SetEventReport")
    sim.set("raw-indication.nas.event-report.0x77", "hex:01")
    sim.command("send nas event-report registered lte-snr=-3.2 registration-reject.domain=ps "
                "registration-reject.cause=4242")
    signal = bus.wait_signal("EventReport")
    assert signal.args == ({"lte_snr": -3.2, "registration_reject": {"domain": "ps", "cause": "4242"},
                            "unknown_tlvs": [(0x77, b"\x01")]},)


def test_raw_indication(running):
    """One that the schema does not know; of a service that it does not know."""
    [sim] = running.sims
    bus, other = running.connect(), eavesdrop(running)
    client = open_client(bus, sim.device, "0x60")
    opened = open_client(bus, sim.device, "nas")
    bus.qmi(sim.device, "Nas", "SetEventReport")
    bus.take_signals()
    other.take_signals()
    sim.set("raw-indication.0x60.0x0001.0x10", "hex:0102")
    sim.set("raw-indication.nas.0x7777.0x01", "hex:ff")

    sim.send("0x60", "0x0001", "all")
    signal = bus.wait_signal("RawIndication")
    assert (signal.path, signal.interface) == (client, CLIENT)
    assert signal.args == ("0x60", 1, [(0x10, b"\x01\x02")])

    sim.send("nas", "0x7777", "all")
    signals = {s.path: s for s in (bus.wait_signal("RawIndication"), bus.wait_signal("RawIndication"))}
    assert set(signals) == {sim.device, opened}
    assert signals[sim.device].interface == DEVICE and signals[opened].interface == CLIENT
    for signal in signals.values():
        assert signal.args == ("nas", 0x7777, [(0x01, b"\xff")])
        assert signal.destination == bus.unique_name
    assert heard(other) == []


def test_in_order(sim, device, bus):
    """As they came, a hundred of them, with answers between."""
    bus.qmi(device, "Nas", "RegisterIndications", {"signal_info": True})
    asked = []
    for i in range(100):
        sim.command(f"send nas signal-info registered lte.rsrp={-i - 44}")
        if i % 10 == 0:
            asked.append(bus.begin(device, f"{NAME}.Nas", "GetDrx", "a{sv}", {}))
    seen = [bus.wait_signal("SignalInfo").args[0]["lte"]["rsrp"] for _ in range(100)]
    assert seen == [-i - 44 for i in range(100)]
    for serial in asked:
        assert bus.end(serial) == {"drx": "t128"}


def test_before_the_answer(sim, device, bus):
    """An indication that the modem sends before its answer comes first on the bus too."""
    client = open_client(bus, device, "nas")
    ident = bus.get(client, CLIENT, "ClientId")
    sim.command("delay 1000000 nas.network-scan")
    scan = bus.begin(client, f"{NAME}.Nas", "NetworkScan", "a{sv}", {})
    sim.wait_count("nas.network-scan", 1)
    sim.send("nas", "signal-info", ident)
    assert bus.wait_signal("SignalInfo").path == client
    assert scan not in bus.replies
