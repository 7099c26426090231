# SPDX-License-Identifier: LGPL-2.1-or-later
"""Client ids: which message runs on which, whose they are, and that they are given back."""

import subprocess
import sys
import time

import pytest
import qmidtest
from dbusclient import NAME, ROOT, DBusError

DEVICE = f"{NAME}.Device"
CLIENT = f"{NAME}.Client"
GONE = f"{NAME}.Error.DeviceGone"


def open_client(bus, device, service):
    return bus.call(device, DEVICE, "OpenClient", "sa{sv}", service, {})


def release(bus, client):
    bus.call(client, CLIENT, "Release", "a{sv}", {})


def list_clients(bus, device):
    return bus.call(device, DEVICE, "ListClients", "a{sv}", {})


def refused(name, call, *texts):
    with pytest.raises(DBusError) as e:
        call()
    assert e.value.name == f"{NAME}.Error.{name}"
    for text in texts:
        assert text in e.value.text


# ---- on which id


def test_queries_and_commands_share_one(world, sim, device, bus):
    """No caller costs an allocation of its own."""
    other = world.connect()
    for caller in (bus, other):
        caller.qmi(device, "Nas", "GetSignalInfo")
        caller.qmi(device, "Nas", "SetSystemSelectionPreference", {"usage": "data_centric"})
    assert sim.count("clients.nas") == 1
    assert sim.count("nas.get-signal-info") == 2
    assert sim.last_request("nas.get-signal-info")["client"] == 1
    assert sim.last_request("nas.set-system-selection-preference")["client"] == 1
    assert [c for c in list_clients(bus, device) if c["owner"] != "qmid"] == []


def test_the_daemon_takes_the_first(sim, device, bus):
    """Whoever comes afterwards cannot take the last id that there is for what all share."""
    open_client(bus, device, "nas")
    assert sorted(c for c in sim.clients() if c[0] == "nas") == [("nas", 1), ("nas", 2)]
    bus.qmi(device, "Nas", "GetDrx")
    assert sim.last_request("nas.get-drx")["client"] == 1 and sim.count("clients.nas") == 2


def test_client_messages_run_on_ones_own(world, sim, device, bus):
    warm_up(bus, sim)
    other = world.connect()
    ids = []
    for caller in (bus, other):
        allocated = sim.count("ctl.allocate-client-id")
        for _ in range(3):
            caller.qmi(device, "Nas", "RegisterIndications", {"serving_system": True})
            caller.qmi(device, "Nas", "SetEventReport")
        # At first use, and only then.
        assert sim.count("ctl.allocate-client-id") == allocated + 1
        ids.append(sim.last_request("nas.set-event-report")["client"])
        assert sim.last_request("nas.register-indications")["client"] == ids[-1]
    assert len(set(ids)) == 2 and sim.count("clients.nas") == 3

    # Requests that come while it is being allocated wait for it.
    asked = [bus.begin(device, f"{NAME}.Dms", "SetEventReport", "a{sv}", {}) for _ in range(5)]
    for serial in asked:
        assert bus.end(serial) == {}
    assert sim.count("clients.dms") == 2


def test_session_messages_want_a_client_of_their_own(sim, device, bus):
    bus.qmi(device, "Wds", "IndicationRegister", {"extended_ip_config": True})
    [implicit] = [c["path"] for c in list_clients(bus, device) if c["implicit"]]
    for path in (device, implicit):
        refused("InvalidArgument", lambda: bus.qmi(path, "Wds", "StartNetwork"), "OpenClient", "start-network")
    assert sim.count("wds.start-network") == 0

    one, two = open_client(bus, device, "wds"), open_client(bus, device, "Wds")
    assert one != two
    bus.qmi(one, "Wds", "SetIpFamily", {"ip_family": "ipv4"})
    first = sim.last_request("wds.set-ip-family")["client"]
    bus.qmi(two, "Wds", "SetIpFamily", {"ip_family": "ipv6"})
    assert sim.last_request("wds.set-ip-family")["client"] != first
    handle = bus.qmi(one, "Wds", "StartNetwork")["packet_data_handle"]
    assert sim.last_request("wds.start-network")["client"] == first
    assert bus.qmi(one, "Wds", "GetPacketServiceStatus") == {"status": "connected"}
    assert bus.qmi(one, "Wds", "StopNetwork", {"packet_data_handle": handle}) == {}


def test_everything_on_an_opened_client_runs_on_it(sim, device, bus):
    client = open_client(bus, device, "nas")
    ident = bus.get(client, CLIENT, "ClientId")
    for member, message in (("GetSignalInfo", "get-signal-info"), ("SetEventReport", "set-event-report"),
                            ("ForceNetworkSearch", "force-network-search")):
        bus.qmi(client, "Nas", member)
        assert sim.last_request(f"nas.{message}")["client"] == ident
    assert sim.count("clients.nas") == 2


# ---- objects


def test_objects(each_world):
    sim = each_world.sim()
    each_world.start_daemon()
    bus, watcher = each_world.connect(), each_world.connect()
    watcher.add_match(f"type='signal',sender='{NAME}',path='{ROOT}'")

    client = open_client(bus, sim.device, "nas")
    added = watcher.wait_signal("InterfacesAdded")
    path, interfaces = added.args
    assert path == client == f"{sim.device}/client/1"
    assert interfaces[f"{NAME}.Nas"] == {}
    assert interfaces[CLIENT] == {"Service": "nas", "ClientId": interfaces[CLIENT]["ClientId"],
                                  "Owner": bus.unique_name, "Persist": False, "Implicit": False, "LostIndications": 0}
    assert bus.get_all(client, CLIENT) == interfaces[CLIENT]

    bus.qmi(sim.device, "Uim", "RegisterEvents", {"events": []})
    path, interfaces = watcher.wait_signal("InterfacesAdded").args
    assert path == f"{sim.device}/client/2"
    assert interfaces[CLIENT] == {"Service": "uim", "ClientId": interfaces[CLIENT]["ClientId"],
                                  "Owner": bus.unique_name, "Persist": False, "Implicit": True, "LostIndications": 0}
    # An implicit one is used by its path too.
    assert bus.qmi(path, "Uim", "RegisterEvents", {"events": []}) == {"events": []}

    release(bus, client)
    assert watcher.wait_signal("InterfacesRemoved").args[0] == client
    refused("NoSuchDevice", lambda: bus.qmi(client, "Nas", "GetSignalInfo"))
    # The number is never used again.
    assert open_client(bus, sim.device, "nas") == f"{sim.device}/client/3"

    bus.close()
    removed = {watcher.wait_signal("InterfacesRemoved").args[0] for _ in range(2)}
    assert removed == {f"{sim.device}/client/2", f"{sim.device}/client/3"}


def test_client_of_an_unknown_service(sim, device, bus):
    """There is no interface for its messages."""
    client = open_client(bus, device, "0x60")
    assert bus.get(client, CLIENT, "Service") == "0x60"
    assert sim.count("clients.0x60") == 1
    with pytest.raises(DBusError) as e:
        bus.qmi(client, "Nas", "GetSignalInfo")
    assert e.value.name.startswith("org.freedesktop.DBus.Error.Unknown")
    release(bus, client)


def test_not_owner(world, sim, device, bus):
    other = world.connect()
    client = open_client(bus, device, "nas")
    frames = sim.count("frames")
    refused("NotOwner", lambda: other.qmi(client, "Nas", "GetSignalInfo"), client, bus.unique_name)
    refused("NotOwner", lambda: other.qmi(client, "Nas", "SetEventReport"), client)
    refused("NotOwner", lambda: release(other, client), client)
    assert sim.count("frames") == frames
    bus.qmi(client, "Nas", "GetSignalInfo")
    assert sim.count("clients.nas") == 2


# ---- they are given back


def test_release(sim, device, bus):
    client = open_client(bus, device, "nas")
    bus.add_match(f"type='signal',sender='{NAME}'")
    refused("InvalidArgument", lambda: bus.call(client, CLIENT, "Release", "a{sv}", {"now": True}), "now")
    release(bus, client)
    ended = bus.wait_signal("Ended")
    assert (ended.path, ended.interface, ended.destination) == (client, CLIENT, bus.unique_name)
    sim.wait_count("clients.nas", "=1")
    refused("NoSuchDevice", lambda: release(bus, client))

    # An implicit one too; the next request has a new one.
    bus.qmi(device, "Nas", "SetEventReport")
    [c] = [c for c in list_clients(bus, device) if c["implicit"]]
    release(bus, c["path"])
    sim.wait_count("clients.nas", "=1")
    bus.qmi(device, "Nas", "SetEventReport")
    assert sim.count("clients.nas") == 2


def test_release_with_calls_under_way(sim, device, bus):
    client = open_client(bus, device, "nas")
    sim.command("delay 1000000 nas.network-scan")
    scans = [bus.begin(client, f"{NAME}.Nas", "NetworkScan", "a{sv}", {}) for _ in range(3)]
    sim.wait_count("nas.network-scan", 1)
    release(bus, client)
    for serial in scans:
        with pytest.raises(DBusError) as e:
            bus.end(serial)
        assert e.value.name == GONE
    # What the modem was at has been called off before.
    sim.wait_count("clients.nas", "=1")
    assert sim.count("nas.abort") == 1 and sim.count("nas.network-scan") == 1


def warm_up(bus, sim):
    """The daemon's own client ids, of services where others are to have some."""
    bus.qmi(sim.device, "Nas", "GetDrx")
    bus.qmi(sim.device, "Wds", "GetMaxLteAttachPdnNumber")
    bus.qmi(sim.device, "Uim", "GetConfiguration")


def hold(bus, sim):
    """Client ids of three services, in all the ways there are."""
    bus.qmi(sim.device, "Nas", "SetEventReport")
    open_client(bus, sim.device, "nas")
    open_client(bus, sim.device, "wds")
    bus.call(sim.device, DEVICE, "Call", "sqa(yay)a{sv}", "dms", 0x0025, [], {})


def test_owner_closes_its_connection(each_world):
    sim = each_world.sim()
    each_world.start_daemon()
    bus = each_world.connect()
    warm_up(bus, sim)
    before = sim.count("clients")
    hold(bus, sim)
    assert sim.count("clients") == before + 4
    bus.close()
    sim.wait_count("clients", f"={before}")


HOLDER = """
import signal, sys
sys.path.insert(0, sys.argv[1])
import dbusclient
bus = dbusclient.Bus(sys.argv[2])
for service in ("nas", "wds", "uim"):
    bus.call(sys.argv[3], "org.qmid1.Device", "OpenClient", "sa{sv}", service, {})
print(bus.unique_name, flush=True)
signal.pause()
"""


def test_owner_is_killed(each_world):
    sim = each_world.sim()
    each_world.start_daemon()
    bus = each_world.connect()
    warm_up(bus, sim)
    before = sim.count("clients")
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, qmidtest.ROOT / "tests" / "lib", each_world.bus.address,
                               sim.device], stdout=subprocess.PIPE, text=True)
    name = holder.stdout.readline().strip()
    held = [c for c in list_clients(bus, sim.device) if c["owner"] == name]
    assert {c["program"] for c in held} == {"python3"} and len(held) == 3
    assert sim.count("clients") == before + 3

    holder.kill()
    holder.communicate()
    sim.wait_count("clients", f"={before}")
    assert [c for c in list_clients(bus, sim.device) if c["owner"] != "qmid"] == []


def test_owner_leaves_during_the_allocation(each_world):
    """The id comes when nobody wants it any more."""
    sim = each_world.sim()
    each_world.start_daemon()
    leaver, bus = each_world.connect(), each_world.connect()
    warm_up(bus, sim)
    allocated = sim.count("ctl.allocate-client-id")
    sim.command("delay 30 ctl.allocate-client-id")
    leaver.begin(sim.device, DEVICE, "OpenClient", "sa{sv}", "nas", {})
    leaver.begin(sim.device, f"{NAME}.Wds", "SetEventReport", "a{sv}", {})
    sim.wait_count("ctl.allocate-client-id", allocated + 2)
    leaver.close()
    sim.wait_count("ctl.release-client-id", 2)
    assert sim.count("clients.nas") == 1 and sim.count("clients.wds") == 1
    assert sim.count("wds.set-event-report") == 0
    bus.qmi(sim.device, "Wds", "SetEventReport")


def test_owner_leaves_at_once(each_world):
    """It may be gone before the daemon has read what it asked."""
    sim = each_world.sim()
    each_world.start_daemon()
    bus = each_world.connect()
    bus.qmi(sim.device, "Nas", "SetEventReport")
    for _ in range(20):
        leaver = qmidtest.Bus(each_world.bus.address)
        leaver.begin(sim.device, DEVICE, "OpenClient", "sa{sv}", "nas", {})
        leaver.close()
    # What the bus had passed on before has been asked of the modem when this is answered.
    client = open_client(bus, sim.device, "nas")
    release(bus, client)
    sim.wait_count("clients.nas", "=2")
    held = [c for c in list_clients(bus, sim.device) if c["service"] == "nas" and not c["lingering"]]
    assert sorted(c["owner"] for c in held) == sorted([bus.unique_name, "qmid"])


def test_owner_leaves_with_a_scan_under_way(sim, device, world):
    bus = world.connect()
    sim.command("delay 1000000 nas.network-scan")
    bus.begin(device, f"{NAME}.Nas", "NetworkScan", "a{sv}", {})
    sim.wait_count("nas.network-scan", 1)
    bus.close()
    sim.wait_count("nas.abort", 1)
    assert sim.last_request("nas.abort")["client"] == sim.last_request("nas.network-scan")["client"]
    sim.wait_count("clients.nas", "=1")


# ---- the modem takes them away


LOSSES = pytest.mark.parametrize("how", ["revoke", "invalid", "reset"])


def lose(sim, how, service, ident):
    sim.command(f"{how} {service} {ident}" if how != "reset" else how)


@LOSSES
def test_replaced(each_world, how):
    """The object stays, with another id."""
    sim = each_world.sim()
    each_world.start_daemon()
    bus, other = each_world.connect(), each_world.connect()
    other.add_match(f"type='signal',sender='{NAME}',path='{ROOT}'")
    other.add_match(f"type='signal',sender='{NAME}',interface='{CLIENT}'")
    client = open_client(bus, sim.device, "nas")
    assert other.wait_signal("InterfacesAdded").args[0] == client
    sim.command("delay 1000000 nas.network-scan")
    scans = [bus.begin(client, f"{NAME}.Nas", "NetworkScan", "a{sv}", {}) for _ in range(2)]
    sim.wait_count("nas.network-scan", 1)
    bus.wait_property(sim.device, DEVICE, "State", "ready")  # the daemon has read both

    lose(sim, how, "nas", bus.get(client, CLIENT, "ClientId"))
    replaced = bus.wait_signal("Replaced")
    assert (replaced.path, replaced.interface, replaced.destination) == (client, CLIENT, bus.unique_name)
    for serial in scans:
        with pytest.raises(DBusError) as e:
            bus.end(serial)
        assert e.value.name == GONE
    assert bus.qmi(client, "Nas", "GetDrx") == {"drx": "t128"}
    ident = bus.get(client, CLIENT, "ClientId")
    assert sim.last_request("nas.get-drx")["client"] == ident and ("nas", ident) in sim.clients()
    assert other.take_signals("Replaced") == other.take_signals("InterfacesRemoved") == []


def test_the_port_comes_back(each_world):
    """With it what the modem still knows."""
    sim = each_world.sim()
    each_world.start_daemon()
    bus = each_world.connect()
    client = open_client(bus, sim.device, "nas")
    ident = bus.get(client, CLIENT, "ClientId")
    sim.command("hangup")
    bus.wait_property(sim.device, DEVICE, "State", "resetting")
    refused("NotReady", lambda: bus.qmi(client, "Nas", "GetDrx"))
    sim.command("listen")
    bus.wait_property(sim.device, DEVICE, "State", "ready")
    assert bus.qmi(client, "Nas", "GetDrx") == {"drx": "t128"}
    assert bus.get(client, CLIENT, "ClientId") == ident == sim.last_request("nas.get-drx")["client"]


@LOSSES
def test_ended(each_world, how):
    """Nobody can bring its data call back."""
    sim = each_world.sim()
    each_world.start_daemon()
    bus, other = each_world.connect(), each_world.connect()
    other.add_match(f"type='signal',sender='{NAME}',path='{ROOT}'")
    other.add_match(f"type='signal',sender='{NAME}',interface='{CLIENT}'")
    client = open_client(bus, sim.device, "wds")
    bus.qmi(client, "Wds", "StartNetwork")
    lose(sim, how, "wds", bus.get(client, CLIENT, "ClientId"))
    ended = bus.wait_signal("Ended")
    assert (ended.path, ended.interface, ended.destination) == (client, CLIENT, bus.unique_name)
    assert "start-network" in ended.args[0]
    assert other.wait_signal("InterfacesRemoved").args[0] == client
    assert other.take_signals("Ended") == []
    refused("NoSuchDevice", lambda: bus.qmi(client, "Wds", "StartNetwork"))

    # And it goes on.
    bus.wait_property(sim.device, DEVICE, "State", "ready")
    client = open_client(bus, sim.device, "wds")
    assert "packet_data_handle" in bus.qmi(client, "Wds", "StartNetwork")


def test_the_shared_one_ends(sim, device, bus):
    """Nobody holds it, and nobody notices."""
    bus.qmi(device, "Nas", "GetDrx")
    sim.command("revoke nas 1")
    assert bus.qmi(device, "Nas", "GetDrx") == {"drx": "t128"}


def test_pool_is_exhausted(world, bus):
    """Two ids of each service: one is the daemon's, one is left."""
    sim = world.sim(scenario="tiny-pool")
    world.start_daemon()
    client = open_client(bus, sim.device, "nas")
    for ask in (lambda: open_client(bus, sim.device, "nas"), lambda: bus.qmi(sim.device, "Nas", "SetEventReport")):
        refused("Qmi.ClientIdsExhausted", ask, "client id")
    assert len([c for c in list_clients(bus, sim.device) if c["service"] == "nas"]) == 2
    # Shared work goes on, and with an id given back the rest does.
    bus.qmi(sim.device, "Nas", "GetDrx")
    release(bus, client)
    sim.wait_count("clients.nas", "=1")
    bus.qmi(sim.device, "Nas", "SetEventReport")


# ---- ListClients


def test_list_clients(world, sim, device, bus):
    bus.qmi(device, "Nas", "GetDrx")
    bus.qmi(device, "Nas", "GetDrx")
    bus.qmi(device, "Uim", "RegisterEvents", {"events": []})
    client = open_client(bus, device, "nas")
    bus.qmi(device, "Dms", "GetModel")

    seen = {(c["service"], c["client_id"]): c for c in list_clients(world.connect(), device)}
    assert set(seen) == set(sim.clients())
    now = time.time() * 1e6
    for c in seen.values():
        assert now - 3600e6 < c["since"] <= now
        assert not c["lingering"] and c["pending"] == 0
    shared, implicit, opened = seen["nas", 1], seen["uim", 2], seen["nas", 2]
    assert (shared["owner"], shared["requests"], shared["implicit"]) == ("qmid", 2, False)
    assert "path" not in shared
    assert (implicit["owner"], implicit["requests"], implicit["implicit"]) == (bus.unique_name, 1, True)
    assert (opened["owner"], opened["requests"], opened["implicit"]) == (bus.unique_name, 0, False)
    assert opened["path"] == client and implicit["path"] == f"{device}/client/1"
    assert opened["program"] == implicit["program"] != ""


def test_lingering(sim, device, bus):
    """Given back, and the modem has not said so yet."""
    client = open_client(bus, device, "nas")
    sim.command("drop 1 ctl.release-client-id")
    release(bus, client)
    sim.wait_count("ctl.release-client-id", 1)
    [c] = [c for c in list_clients(bus, device) if c["service"] == "nas" and c["lingering"]]
    assert c["owner"] == "qmid" and "path" not in c
