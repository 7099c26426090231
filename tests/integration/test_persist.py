# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that outlive their owner: who may use, claim and release them, and who may not."""

import os

import pytest
from dbusclient import NAME, DBusError, connect_as

DEVICE = f"{NAME}.Device"
CLIENT = f"{NAME}.Client"
NOBODY = 65534


def open_client(bus, device, service, persist=True):
    return bus.call(device, DEVICE, "OpenClient", "sa{sv}", service, {"persist": persist})


def claim(bus, client):
    bus.call(client, CLIENT, "Claim", "a{sv}", {})


def release(bus, client):
    bus.call(client, CLIENT, "Release", "a{sv}", {})


def refused(name, call, *texts):
    with pytest.raises(DBusError) as e:
        call()
    assert e.value.name == f"{NAME}.Error.{name}"
    for text in texts:
        assert text in e.value.text


def entry(bus, client):
    device = client.rsplit("/client/", 1)[0]
    [found] = [c for c in bus.call(device, DEVICE, "ListClients", "a{sv}", {}) if c.get("path") == client]
    return found


def leave(world, bus, client):
    """The owner goes; until everybody sees it."""
    with world.connect() as watcher:
        bus.close()
        watcher.wait_property(client, CLIENT, "Owner", "")


@pytest.fixture
def running(each_world):
    each_world.sim()
    each_world.start_daemon()
    return each_world


def test_it_outlives_its_owner(running):
    [sim] = running.sims
    maker, bus = running.connect(), running.connect()
    bus.add_match(f"type='signal',sender='{NAME}',member='PropertiesChanged'")
    client = open_client(maker, sim.device, "nas")
    other = open_client(maker, sim.device, "nas", persist=False)
    assert bus.get(client, CLIENT, "Persist") and not bus.get(other, CLIENT, "Persist")
    ident = bus.get(client, CLIENT, "ClientId")
    held = sim.count("clients.nas")

    maker.close()
    changed = bus.wait_signal("PropertiesChanged", path=client)
    assert changed.args == (CLIENT, {"Owner": ""}, [])
    sim.wait_count("clients.nas", f"={held - 1}")
    seen = entry(bus, client)
    assert (seen["owner"], seen["persist"], seen["client_id"], seen["program"]) == ("", True, ident, "")
    bus.qmi(client, "Nas", "SetEventReport")
    assert sim.last_request("nas.set-event-report")["client"] == ident
    release(bus, client)
    sim.wait_count("clients.nas", f"={held - 2}")


def test_one_call_after_another(running):
    """What each call of busctl does: a connection of its own."""
    [sim] = running.sims
    bus = running.connect()
    client = open_client(bus, sim.device, "wds")
    leave(running, bus, client)

    def call(member, request=None):
        with running.connect() as once:
            return once.qmi(client, "Wds", member, request)

    call("SetIpFamily", {"ip_family": "ipv4"})
    handle = call("StartNetwork")["packet_data_handle"]
    assert call("GetPacketServiceStatus") == {"status": "connected"}
    assert call("StopNetwork", {"packet_data_handle": handle}) == {}
    status, out, err = running.run("busctl", "--system", "call", NAME, client, f"{NAME}.Wds", "GetPacketServiceStatus",
                                   "a{sv}", "0")
    assert status == 0 and "disconnected" in out, err


def test_a_call_holds_it(running):
    """It is somebody's as long as his call is under way: indications, too, are his."""
    [sim] = running.sims
    maker, one, two = running.connect(), running.connect(), running.connect()
    client = open_client(maker, sim.device, "nas")
    maker.qmi(client, "Nas", "RegisterIndications", {"signal_info": True})
    leave(running, maker, client)
    for bus in (one, two):
        bus.settle(sim.device)

    sim.command("delay 1000000 nas.network-scan")
    scan = one.begin(client, f"{NAME}.Nas", "NetworkScan", "a{sv}", {})
    sim.wait_count("nas.network-scan", 1)
    seen = entry(two, client)
    assert seen["owner"] == one.unique_name
    for call in (lambda: two.qmi(client, "Nas", "GetDrx"), lambda: claim(two, client), lambda: release(two, client),
                 lambda: two.call(client, CLIENT, "OpenSocket", "a{sv}", {})):
        refused("NotOwner", call, one.unique_name, client)
    sim.send("nas", "signal-info")
    assert one.wait_signal("SignalInfo").path == client

    # More than one call of his, and the last one counts.
    more = one.begin(client, f"{NAME}.Nas", "GetDrx", "a{sv}", {})
    one.call(sim.device, DEVICE, "Cancel", "ssa{sv}", "nas", "network-scan", {})
    with pytest.raises(DBusError, match="Aborted"):
        one.end(scan)
    assert one.end(more) == {"drx": "t128"}
    assert entry(two, client)["owner"] == ""
    assert two.qmi(client, "Nas", "GetDrx") == {"drx": "t128"}
    assert two.take_signals("SignalInfo") == []


def test_a_holder_leaves(running):
    """His call is called off, and it is nobody's again."""
    [sim] = running.sims
    maker, one, two = running.connect(), running.connect(), running.connect()
    client = open_client(maker, sim.device, "nas")
    leave(running, maker, client)
    sim.command("delay 1000000 nas.network-scan")
    one.begin(client, f"{NAME}.Nas", "NetworkScan", "a{sv}", {})
    sim.wait_count("nas.network-scan", 1)
    one.close()
    sim.wait_count("nas.abort", 1)
    assert two.qmi(client, "Nas", "GetDrx") == {"drx": "t128"}


def test_its_owner_leaves_with_a_call_under_way(running):
    [sim] = running.sims
    maker, bus = running.connect(), running.connect()
    client = open_client(maker, sim.device, "nas")
    sim.command("delay 1000000 nas.network-scan")
    maker.begin(client, f"{NAME}.Nas", "NetworkScan", "a{sv}", {})
    sim.wait_count("nas.network-scan", 1)
    leave(running, maker, client)
    sim.wait_count("nas.abort", 1)
    assert sim.last_request("nas.abort")["client"] == sim.last_request("nas.network-scan")["client"]
    assert bus.qmi(client, "Nas", "GetDrx") == {"drx": "t128"}


def test_claim(running):
    [sim] = running.sims
    maker, one, two = running.connect(), running.connect(), running.connect()
    client = open_client(maker, sim.device, "nas")
    maker.qmi(client, "Nas", "RegisterIndications", {"signal_info": True})
    claim(maker, client)  # it is his already
    refused("NotOwner", lambda: claim(one, client), maker.unique_name)
    leave(running, maker, client)

    # Nobody is there for an indication: it is counted.
    assert one.get(client, CLIENT, "LostIndications") == 0
    one.add_match(f"type='signal',sender='{NAME}',member='PropertiesChanged',path='{client}'")
    sim.send("nas", "signal-info")
    assert one.wait_signal("PropertiesChanged").args == (CLIENT, {"LostIndications": 1}, [])

    refused("InvalidArgument", lambda: one.call(client, CLIENT, "Claim", "a{sv}", {"now": True}), "now")
    claim(one, client)
    assert one.wait_signal("PropertiesChanged").args == (CLIENT, {"Owner": one.unique_name}, [])
    assert one.get(client, CLIENT, "Owner") == entry(two, client)["owner"] == one.unique_name
    for call in (lambda: two.qmi(client, "Nas", "GetDrx"), lambda: claim(two, client), lambda: release(two, client)):
        refused("NotOwner", call, one.unique_name)
    sim.send("nas", "signal-info")
    assert one.wait_signal("SignalInfo").path == client
    # It goes on to persist.
    leave(running, one, client)
    claim(two, client)
    release(two, client)
    assert two.wait_signal("Ended").path == client
    refused("NoSuchDevice", lambda: claim(two, client))


def test_claim_during_a_call_of_ones_own(running):
    [sim] = running.sims
    maker, one, two = running.connect(), running.connect(), running.connect()
    client = open_client(maker, sim.device, "nas")
    leave(running, maker, client)
    sim.command("delay 1000000 nas.network-scan")
    scan = one.begin(client, f"{NAME}.Nas", "NetworkScan", "a{sv}", {})
    sim.wait_count("nas.network-scan", 1)
    claim(one, client)
    one.call(sim.device, DEVICE, "Cancel", "ssa{sv}", "nas", "network-scan", {})
    with pytest.raises(DBusError, match="Aborted"):
        one.end(scan)
    refused("NotOwner", lambda: two.qmi(client, "Nas", "GetDrx"), one.unique_name)
    assert one.qmi(client, "Nas", "GetDrx") == {"drx": "t128"}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_for_its_user_only(running):
    """And for root."""
    [sim] = running.sims
    running.directory.chmod(0o755)
    root = running.connect()
    for maker, other in ((lambda: running.connect(), NOBODY), (lambda: connect_as(NOBODY, running.bus.address), 1)):
        bus = maker()
        client = open_client(bus, sim.device, "nas")
        leave(running, bus, client)
        with connect_as(other, running.bus.address) as stranger:
            asked = sim.count("nas.get-drx")
            for call in (lambda: stranger.qmi(client, "Nas", "GetDrx"), lambda: claim(stranger, client),
                         lambda: release(stranger, client),
                         lambda: stranger.call(client, CLIENT, "OpenSocket", "a{sv}", {})):
                with pytest.raises(DBusError, match="access class clients") as e:
                    call()
                assert e.value.name == "org.freedesktop.DBus.Error.AccessDenied"
            assert sim.count("nas.get-drx") == asked
        assert root.qmi(client, "Nas", "GetDrx") == {"drx": "t128"}
        release(root, client)
    with connect_as(NOBODY, running.bus.address) as bus:
        client = open_client(bus, sim.device, "nas")
        # Root is somebody else, too, while it has an owner.
        refused("NotOwner", lambda: release(root, client), bus.unique_name)
    with connect_as(NOBODY, running.bus.address) as bus:
        root.wait_property(client, CLIENT, "Owner", "")
        claim(bus, client)
        release(bus, client)


def test_options(sim, device, bus):
    refused("InvalidArgument", lambda: bus.call(device, DEVICE, "OpenClient", "sa{sv}", "nas", {"persist": 1}), "persist")
    refused("InvalidArgument", lambda: bus.call(device, DEVICE, "OpenClient", "sa{sv}", "nas", {"stay": True}), "stay")
    assert sim.count("clients.nas") == 0


def test_implicit_ones_do_not_persist(world, sim, device, bus):
    bus.qmi(device, "Nas", "SetEventReport")
    [c] = [c for c in bus.call(device, DEVICE, "ListClients", "a{sv}", {}) if c["implicit"]]
    assert not c["persist"] and not bus.get(c["path"], CLIENT, "Persist")
    held = sim.count("clients.nas")
    bus.close()
    sim.wait_count("clients.nas", f"={held - 1}")


def test_owner_leaves_before_it_is_there(world, sim, device):
    """Nobody was told of it, so nobody could ever release it."""
    bus = world.connect()
    bus.settle(device)
    before, allocated = sim.clients(), sim.count("ctl.allocate-client-id")
    sim.command("delay 30 ctl.allocate-client-id")
    bus.begin(device, DEVICE, "OpenClient", "sa{sv}", "uim", {"persist": True})
    sim.wait_count("ctl.allocate-client-id", allocated + 1)
    bus.close()
    sim.wait_count("ctl.release-client-id", 1)
    other = world.connect()
    assert [c for c in other.call(device, DEVICE, "ListClients", "a{sv}", {}) if c.get("persist")] == []
    assert [c for c in sim.clients() if c not in before and c != ("uim", 1)] == []
