# SPDX-License-Identifier: LGPL-2.1-or-later
"""A modem that starts anew, forgets, or answers in part: what callers have stays theirs, or its end is told."""

import pytest
from dbusclient import NAME, DBusError

DEVICE = f"{NAME}.Device"
CLIENT = f"{NAME}.Client"


def refusal(call):
    with pytest.raises(DBusError) as e:
        call()
    return e.value.name.removeprefix(f"{NAME}.Error.")


def open_client(bus, device, service):
    return bus.call(device, DEVICE, "OpenClient", "sa{sv}", service, {})


def listen(bus, device):
    """What is told until now is not waited for; from here on nothing is missed."""
    bus.settle(device)
    bus.take_signals()


def test_registrations_come_back(sim, device, bus):
    """Binding first; of each TLV the last value; and then indications come again."""
    client = open_client(bus, device, "nas")
    bus.qmi(client, "Nas", "RegisterIndications", {"signal_info": False, "serving_system": True})
    bus.qmi(client, "Nas", "RegisterIndications", {"signal_info": True})
    other = open_client(bus, device, "wds")
    bus.qmi(other, "Wds", "SetIpFamily", {"ip_family": "ipv6"})
    listen(bus, device)

    sim.command("reset")
    assert {bus.wait_signal("Replaced").path for _ in range(2)} == {client, other}
    last = sim.last_request("nas.register-indications")
    assert last["client"] == bus.get(client, CLIENT, "ClientId")
    assert sim.count("nas.register-indications") == 3 and sim.count("wds.set-ip-family") == 2
    sim.send("nas", "signal-info")
    assert bus.wait_signal("SignalInfo").path == client


def test_sync_of_somebody_else(sim, device, bus):
    """Who says that all ids are gone may be wrong: what is there is kept."""
    client = open_client(bus, device, "nas")
    ident = bus.get(client, CLIENT, "ClientId")
    allocated = sim.count("ctl.allocate-client-id")
    listen(bus, device)
    sim.command("sync")
    sim.wait_count("nas.get-supported-messages", 1)
    bus.wait_property(device, DEVICE, "State", "ready")
    assert bus.get(client, CLIENT, "ClientId") == ident
    assert bus.qmi(client, "Nas", "GetDrx") == {"drx": "t128"}
    assert sim.count("ctl.allocate-client-id") == allocated
    assert bus.take_signals("Replaced") == bus.take_signals("Ended") == []


def test_forgotten_without_a_word(sim, device, bus):
    """The next request tells; the one after that works."""
    client = open_client(bus, device, "nas")
    ident = bus.get(client, CLIENT, "ClientId")
    listen(bus, device)
    sim.command(f"forget nas {ident}")
    assert refusal(lambda: bus.qmi(client, "Nas", "GetDrx")) == "DeviceGone"
    assert bus.wait_signal("Replaced").path == client
    assert bus.qmi(client, "Nas", "GetDrx") == {"drx": "t128"}


def test_services_come_later_than_ctl(sim, device, bus):
    """Meanwhile callers are not kept waiting, and the modem is not asked without end."""
    client = open_client(bus, device, "nas")
    listen(bus, device)
    sim.command("services off")
    n = sim.count("ctl.allocate-client-id")
    sim.command("reset")
    sim.wait_count("ctl.allocate-client-id", n + 3)
    for _ in range(50):     # a call that meets an attempt has what came of that
        with pytest.raises(DBusError) as e:
            bus.qmi(client, "Nas", "GetDrx")
        if e.value.name == f"{NAME}.Error.NotReady":
            break
        assert e.value.name.removeprefix(f"{NAME}.Error.") in ("Qmi.Internal", "DeviceGone")
    assert "has lost the client id" in e.value.text
    sim.command("services on")
    assert bus.wait_signal("Replaced").path == client
    assert bus.qmi(client, "Nas", "GetDrx") == {"drx": "t128"}
    assert bus.get(client, CLIENT, "ClientId") in [ident for service, ident in sim.clients() if service == "nas"]


def test_reset_upon_reset(sim, device, bus):
    """It converges, and at the end the modem has given away what is in use, and no more."""
    clients = [open_client(bus, device, service) for service in ("nas", "nas", "wds", "uim")]
    bus.qmi(clients[0], "Nas", "RegisterIndications", {"signal_info": True})
    for _ in range(40):
        n = sim.count("ctl.get-version-info")
        sim.command("reset")
        sim.wait_count("ctl.get-version-info", n + 1)
    bus.wait_property(device, DEVICE, "State", "ready")
    for client, service, member in zip(clients, ("Nas", "Nas", "Wds", "Uim"),
                                       ("GetDrx", "GetDrx", "GetPacketServiceStatus", "GetCardStatus")):
        while True:  # until it has its id; each attempt is answered
            try:
                bus.qmi(client, service, member)
                break
            except DBusError as e:
                assert e.name.removeprefix(f"{NAME}.Error.") in ("NotReady", "DeviceGone")
    bus.qmi(device, "Dms", "GetOperatingMode")  # for which the daemon takes an id of its own
    listed = bus.call(device, DEVICE, "ListClients", "a{sv}", {})
    assert sorted((c["service"], c["client_id"]) for c in listed) == sorted(sim.clients())
    sim.send("nas", "signal-info")
    bus.wait_signal("SignalInfo")
    for client in clients:
        bus.call(client, CLIENT, "Release", "a{sv}", {})
    sim.wait_count("clients", f"={sum(c['owner'] == 'qmid' for c in listed)}")


def test_mute_service(sim, device, bus):
    """CTL answers, the service does not: that is said, and taken back."""
    client = open_client(bus, device, "nas")
    listen(bus, device)
    sim.command("services off")
    assert refusal(lambda: bus.call(device, DEVICE, "Request", "ssa{sv}a{sv}", "nas", "get-drx", {},
                                    {"timeout": 1})) == "Timeout"
    bus.wait_property(device, DEVICE, "StateReason", "service nas does not answer")
    assert bus.get(device, DEVICE, "State") == "ready"
    sim.command("services on")
    bus.wait_property(device, DEVICE, "StateReason", "")
    assert bus.qmi(client, "Nas", "GetDrx") == {"drx": "t128"}


def test_calls_while_ids_are_checked(sim, device, bus):
    """They wait for the end of it, by whichever door they came."""
    open_client(bus, device, "wda")
    listen(bus, device)
    sim.command("drop 100 wda.get-supported-messages")
    sim.command("sync")
    bus.wait_property(device, DEVICE, "State", "checking")
    calls = [bus.begin(device, f"{NAME}.Nas", "GetDrx", "a{sv}", {}),
             bus.begin(device, DEVICE, "Request", "ssa{sv}a{sv}", "nas", "get-drx", {}, {}),
             bus.begin(device, DEVICE, "Call", "sqa(yay)a{sv}", "nas", 0x0089, [], {}),
             bus.begin(device, DEVICE, "OpenClient", "sa{sv}", "wds", {})]
    bus.settle(device)
    assert bus.get(device, DEVICE, "State") == "checking" and sim.count("nas.get-drx") == 0
    answers = [bus.end(call) for call in calls]
    assert answers[0] == {"drx": "t128"} and answers[1] == ("success", {"drx": "t128"})
    assert answers[2] and answers[3].startswith(device)
