# SPDX-License-Identifier: LGPL-2.1-or-later
"""Data sessions on the bus: org.qmid1.Data and org.qmid1.Session, with a modem whose network makes of a call what the
APN says (tests/sim/scenarios/data.toml). There is no network interface here: packets are for the virtual machine."""

import os
import signal

import pytest
import qmidtest
from dbusclient import NAME, ROOT, DBusError, connect_as
from polkit import CHALLENGE, NO, SILENT, YES
from test_clients import list_clients, refused

DEVICE, CLIENT, DATA, SESSION = (f"{NAME}.{i}" for i in ("Device", "Client", "Data", "Session"))
GONE = f"{NAME}.Error.NoSuchDevice"
NOBODY = 65534
ENDS = {"restart": signal.SIGTERM, "kill": signal.SIGKILL}
ends = pytest.mark.parametrize("how", ENDS.values(), ids=ENDS.keys())

IP4 = {"address": "192.0.2.42", "prefix": 30, "gateway": "192.0.2.41", "dns": ["198.51.100.53", "203.0.113.53"],
       "mtu": 1500}
IP6 = {"address": "2001:db8:42::2a", "prefix": 64, "gateway": "2001:db8:42::1", "dns": ["2001:db8:53::1"], "mtu": 1500}


@pytest.fixture
def sim(world):
    return world.sim(scenario="data")


@pytest.fixture
def stored(request, short_path):
    """Calls to the daemon wait until there is one, and what one leaves the next one gets."""
    w = qmidtest.World(short_path, activation=True)
    w.sim(scenario="data")
    w.start_daemon(store=True)
    yield w
    report = getattr(request.node, "report_call", None)
    w.stop(failed=report is None or report.failed)


def begin(bus, device, **options):
    return bus.begin(device, DATA, "Connect", "a{sv}", options)


def connect(bus, device, **options):
    return bus.end(begin(bus, device, **options))


def disconnect(bus, session):
    bus.call(session, SESSION, "Disconnect", "a{sv}", {})


def get_clients(bus, session):
    return bus.call(session, SESSION, "GetClients", "a{sv}", {})


def sessions(bus):
    return sorted(path for path, interfaces in bus.call(ROOT, "org.freedesktop.DBus.ObjectManager",
                                                        "GetManagedObjects").items() if SESSION in interfaces)


def watch(bus):
    bus.add_match(f"type='signal',sender='{NAME}'")


def changes(signals, path):
    """What was told of an object: "added", each change of its properties, "removed"."""
    told = []
    for s in signals:
        if s.member == "InterfacesAdded" and s.args[0] == path:
            told.append("added")
        elif s.member == "InterfacesRemoved" and s.args[0] == path:
            told.append("removed")
        elif s.member == "PropertiesChanged" and s.path == path:
            told.append(s.args[1])
    return told


def wait_end(bus, session):
    """Until it is gone: its last properties, as they were told. The signals are those of watch()."""
    last = {}
    while True:
        s = bus.wait_signal("PropertiesChanged", path=session)
        last.update(s.args[1])
        if last.get("State") == "disconnected":
            break
    bus.wait_property(session, SESSION, "State", GONE)
    return last


def nobody(world):
    world.directory.chmod(0o755)
    bus = connect_as(NOBODY, world.bus.address)
    world.connections.append(bus)
    return bus


root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")


# ---- up and down

@pytest.mark.parametrize("options, granted", [
    ({}, {"ipv4", "ipv6"}), ({"families": "both"}, {"ipv4", "ipv6"}), ({"families": "ipv4"}, {"ipv4"}),
    ({"families": "ipv6"}, {"ipv6"})], ids=["default", "both", "ipv4", "ipv6"])
def test_connect(sim, device, bus, options, granted):
    """The modem has a profile of the APN, for both families."""
    watch(bus)
    session = connect(bus, device, apn="internet", **options)
    assert session == f"{device}/session/1"
    seen = bus.get_all(session, SESSION)
    assert set(seen.pop("Statistics")) == {"duration"}
    assert seen == {
        "State": "connected", "Interface": "", "MuxId": 0, "Ip4": IP4 if "ipv4" in granted else {},
        "Ip6": IP6 if "ipv6" in granted else {}, "Families": {f: (True, "") for f in granted}, "EndReason": {},
        "Adopted": False, "Configured": False, "Problem": "", "Persist": False, "Owner": bus.unique_name,
        "Apn": "internet", "Profile": 1 if len(granted) == 2 else 0}
    told = changes(bus.take_signals(), session)
    assert told[0] == "added" and told[-1]["State"] == "connected"

    disconnect(bus, session)
    told = changes(bus.take_signals(), session)
    assert told[-1] == "removed"
    assert told[-2]["State"] == "disconnected"
    assert told[-2]["EndReason"]["kind"] == "requested" and told[-2]["EndReason"]["text"]
    assert (told[-2]["Ip4"], told[-2]["Ip6"]) == ({}, {})
    refused("NoSuchDevice", lambda: bus.get(session, SESSION, "State"))
    assert sim.count("wds.stop-network") == len(granted)
    sim.wait_count("clients.wds", "=1")     # the daemon's own
    # Its number is not used again.
    assert connect(bus, device) == f"{device}/session/2"


def test_it_is_there_before_it_is_connected(sim, device, bus):
    watch(bus)
    sim.command("delay 1000000 wds.start-network")
    call = begin(bus, device, apn="internet", families="ipv4")
    added = bus.wait_signal("InterfacesAdded")
    session = added.args[0]
    assert added.args[1][SESSION]["State"] == "connecting"
    assert added.args[1][SESSION]["Owner"] == bus.unique_name
    sim.wait_count("wds.start-network", 1)
    assert bus.get(session, SESSION, "State") == "connecting"
    # It can be ended before it is up, by which the call that waits for it is answered, too.
    disconnect(bus, session)
    refused("Qmi.Aborted", lambda: bus.end(call))
    assert sessions(bus) == []
    sim.wait_count("wds.abort", 1)


def test_two_at_once(sim, device, bus):
    """What each has started is its own."""
    assert bus.get(device, DATA, "MaxSessions") == 254
    one = connect(bus, device, apn="internet", families="ipv4")
    two = connect(bus, device, apn="internet", families="ipv6")
    assert sessions(bus) == [one, two]
    disconnect(bus, one)
    assert bus.get(two, SESSION, "State") == "connected"
    assert sessions(bus) == [two]


def test_disconnect_all(world, sim, device, bus):
    other = world.connect()
    mine = [connect(bus, device, families="ipv4"), connect(bus, device, families="ipv6", persist=True)]
    theirs = connect(other, device, families="ipv4")
    assert sessions(bus) == sorted([*mine, theirs])
    bus.call(device, DATA, "DisconnectAll", "a{sv}", {})
    assert sessions(bus) == [theirs]
    bus.call(device, DATA, "DisconnectAll", "a{sv}", {})
    disconnect(other, theirs)


def test_disconnected_twice(sim, device, bus):
    session = connect(bus, device, families="ipv4")
    sim.command("delay 1000000 wds.stop-network")
    calls = [bus.begin(session, SESSION, "Disconnect", "a{sv}", {}) for _ in range(2)]
    bus.settle(device)
    sim.command("hurry")
    for call in calls:
        assert bus.end(call) is None
    assert sim.count("wds.stop-network") == 1


# ---- refused

NOT_REGISTERED = ["set nas.get-serving-system.serving-system.registration = \"not-registered\""]
PIN = ["set uim.get-card-status.card-status.cards.0.applications.0.state = pin1-or-upin-required",
       "set uim.get-card-status.card-status.cards.0.applications.0.pin1-state = enabled-not-verified"]


@pytest.mark.parametrize("options, commands, kind, words", [
    ({"apn": "unknown.example"}, [], "apn", ["27"]),
    ({"apn": "login.example"}, [], "authentication", ["29"]),
    ({"apn": "login.example", "user": "guest", "password": "wrong-password"}, [], "authentication", ["29"]),
    ({"apn": "ipv4.example", "families": "ipv6"}, [], "ip-family", ["50"]),
    ({"apn": "ipv6.example", "families": "ipv4"}, [], "ip-family", ["51"]),
    ({}, NOT_REGISTERED, "not-registered", ["registered"]),
    ({}, PIN, "pin-required", ["PIN"]),
], ids=["apn", "login", "password", "ipv4-only", "ipv6-only", "not-registered", "pin"])
def test_refused(sim, device, bus, options, commands, kind, words):
    watch(bus)
    for command in commands:
        sim.command(command)
    before = sim.clients()
    with pytest.raises(DBusError) as e:
        connect(bus, device, **options)
    assert e.value.name == f"{NAME}.Error.Qmi.CallFailed", e.value.text
    for word in words:
        assert word in e.value.text
    assert "wrong-password" not in e.value.text
    told = changes(bus.take_signals(), f"{device}/session/1")
    assert told[0] == "added" and told[-1] == "removed"
    assert told[-2]["State"] == "disconnected"
    end = told[-2]["EndReason"]
    assert end["kind"] == kind and end["text"] == e.value.text
    if kind in ("apn", "authentication", "ip-family"):
        assert (end["verbose_type"], end["verbose_reason"]) == ("3gpp", int(words[0]))
        assert end["call_end_reason"]
    assert sessions(bus) == []
    sim.wait_count("clients.wds", f"={len([c for c in before if c[0] == 'wds']) + 1}")  # the daemon's own


def test_user_and_password(sim, device, bus):
    session = connect(bus, device, apn="login.example", user="guest", password="guest", authentication=["pap", "chap"])
    assert bus.get(session, SESSION, "State") == "connected"
    request = sim.last_request("wds.start-network")["tlvs"]
    assert b"guest" in request


@pytest.mark.parametrize("apn, granted, denied", [("ipv4.example", "ipv4", "ipv6"), ("ipv6.example", "ipv6", "ipv4")])
def test_one_of_two(sim, device, bus, apn, granted, denied):
    session = connect(bus, device, apn=apn)
    families = bus.get(session, SESSION, "Families")
    assert families[granted] == (True, "")
    assert not families[denied][0] and families[denied][1]
    addresses = {"ipv4": bus.get(session, SESSION, "Ip4"), "ipv6": bus.get(session, SESSION, "Ip6")}
    assert addresses[granted] and not addresses[denied]
    assert set(get_clients(bus, session)) == {granted}


def test_one_call_for_both(sim, device, bus):
    session = connect(bus, device, apn="single.example")
    assert {f: granted for f, (granted, _) in bus.get(session, SESSION, "Families").items()} == \
        {"ipv4": True, "ipv6": True}
    assert (bus.get(session, SESSION, "Ip4"), bus.get(session, SESSION, "Ip6")) == (IP4, IP6)
    disconnect(bus, session)
    assert sessions(bus) == []


def test_timeout(sim, device, bus):
    sim.command("delay 1000000 wds.start-network")
    refused("Timeout", lambda: connect(bus, device, families="ipv4", timeout=0.5))
    assert sessions(bus) == []


# ---- what is up already, and what ends

def test_adopted(world, sim, device, bus):
    sim.command("start-call 0 ipv4")
    other = world.connect()
    session = connect(other, device, families="ipv4")
    assert other.get(session, SESSION, "Adopted")
    assert other.get(session, SESSION, "Ip4") == IP4
    # Nobody has begun it, and nobody's leaving ends it.
    other.close()
    bus.wait_property(session, SESSION, "State", GONE)
    assert sim.count("wds.stop-network") == 0
    session = connect(bus, device, families="ipv4")
    assert bus.get(session, SESSION, "Adopted")
    disconnect(bus, session)
    assert sim.count("wds.stop-network") == 1
    session = connect(bus, device, families="ipv4")
    assert not bus.get(session, SESSION, "Adopted")


@pytest.mark.parametrize("reason, verbose, kind", [
    ("release-normal", ("3gpp", 38), "network"), ("no-service", ("call-manager", 2001), "registration-lost"),
    ("unspecified", ("internal", 255), "roaming")])
def test_the_network_ends_it(sim, device, bus, reason, verbose, kind):
    watch(bus)
    session = connect(bus, device, families="ipv4")
    sim.command(f"end-call 0 ipv4 call-end-reason={reason} verbose-call-end-reason.type={verbose[0]} "
                f"verbose-call-end-reason.reason={verbose[1]}")
    end = wait_end(bus, session)["EndReason"]
    assert (end["kind"], end["call_end_reason"]) == (kind, reason.replace("-", "_"))
    assert (end["verbose_type"], end["verbose_reason"]) == (verbose[0].replace("-", "_"), verbose[1])
    assert str(verbose[1]) in end["text"]
    assert sessions(bus) == []


def test_the_network_ends_one_family(sim, device, bus):
    watch(bus)
    session = connect(bus, device)
    bus.take_signals()
    sim.command("end-call 0 ipv6 call-end-reason=release-normal")
    while bus.get(session, SESSION, "Families")["ipv6"][0]:
        bus.wait_signal("PropertiesChanged", path=session)
    assert bus.get(session, SESSION, "State") == "connected"
    assert (bus.get(session, SESSION, "Ip4"), bus.get(session, SESSION, "Ip6")) == (IP4, {})
    sim.command("end-call 0 ipv4 call-end-reason=release-normal")
    assert wait_end(bus, session)["EndReason"]["kind"] == "network"


def test_the_modem_starts_anew(sim, device, bus):
    watch(bus)
    session = connect(bus, device)
    sim.command("reset")
    assert wait_end(bus, session)["EndReason"]["kind"] == "modem-reset"
    bus.wait_property(device, DEVICE, "State", "ready")
    assert connect(bus, device) == f"{device}/session/2"


@pytest.mark.parametrize("state", ["connecting", "connected", "disconnecting"])
def test_the_port_goes(world, sim, device, bus, state):
    watch(bus)
    call = None
    if state == "connecting":
        sim.command("delay 1000000 wds.start-network")
        call = begin(bus, device, families="ipv4")
        sim.wait_count("wds.start-network", 1)
        session = f"{device}/session/1"
    else:
        session = connect(bus, device, families="ipv4")
    if state == "disconnecting":
        sim.command("delay 1000000 wds.stop-network")
        call = bus.begin(session, SESSION, "Disconnect", "a{sv}", {})
        sim.wait_count("wds.stop-network", 1)
    sim.command("hangup")
    if state == "connecting":
        refused("DeviceGone", lambda: bus.end(call))
    elif state == "disconnecting":
        assert bus.end(call) is None
    end = wait_end(bus, session)["EndReason"]
    assert end["kind"] == "device-gone"
    sim.command("delay 0 wds.start-network")
    sim.command("delay 0 wds.stop-network")
    sim.command("listen")
    bus.wait_property(device, DEVICE, "State", "ready")
    assert sessions(bus) == []
    disconnect(bus, connect(bus, device, families="ipv4"))
    sim.wait_count("clients.wds", "=1")


# ---- whose it is

def test_its_owner_leaves(world, sim, device, bus):
    watch(bus)
    owner = world.connect()
    session = connect(owner, device)
    owner.close()
    end = wait_end(bus, session)["EndReason"]
    assert end["kind"] == "requested" and "owner" in end["text"]
    sim.wait_count("wds.stop-network", 2)
    sim.wait_count("clients.wds", "=1")


@pytest.mark.parametrize("late", [False, True], ids=["aborted", "late"])
@pytest.mark.parametrize("persist", [False, True], ids=["plain", "persist"])
def test_its_owner_leaves_while_it_connects(world, sim, device, bus, late, persist):
    """What succeeds afterwards is stopped at the modem."""
    watch(bus)
    if late:
        sim.set("wds.abort.!error", "invalid-operation")
    sim.command(f"delay {300 if late else 1000000} wds.start-network")
    owner = world.connect()
    begin(owner, device, families="ipv4", persist=persist)
    session = bus.wait_signal("InterfacesAdded").args[0]
    sim.wait_count("wds.start-network", 1)
    owner.close()
    bus.wait_property(session, SESSION, "State", GONE)
    sim.wait_count("wds.stop-network" if late else "wds.abort", 1)
    sim.wait_count("clients.wds", "=1")     # the daemon's own
    client = bus.call(device, DEVICE, "OpenClient", "sa{sv}", "wds", {})
    assert bus.qmi(client, "Wds", "GetPacketServiceStatus")["status"] == "disconnected"


def test_persist_and_claim(world, sim, device, bus):
    watch(bus)
    owner, other = world.connect(), world.connect()
    session = connect(owner, device, persist=True)
    assert owner.get(session, SESSION, "Persist")
    refused("NotOwner", lambda: bus.call(session, SESSION, "Claim", "a{sv}", {}), owner.unique_name)
    client = get_clients(owner, session)["ipv4"]
    owner.close()
    bus.wait_property(session, SESSION, "Owner", "")
    assert bus.get(session, SESSION, "State") == "connected"
    assert sim.count("wds.stop-network") == 0
    bus.take_signals()
    bus.call(session, SESSION, "Claim", "a{sv}", {})
    assert changes(bus.take_signals(), session) == [{"Owner": bus.unique_name}]
    assert bus.get(client, CLIENT, "Owner") == bus.unique_name
    refused("NotOwner", lambda: other.call(session, SESSION, "Claim", "a{sv}", {}), bus.unique_name)
    # A persistent one may be ended by others.
    disconnect(other, session)
    assert sessions(bus) == []
    assert sim.count("wds.stop-network") == 2


@root_only
def test_who_may_end_it(world, sim, device, bus, polkit):
    """The owner; whoever has class `data`, where it persists; else who has `clients` beside."""
    polkit.decide = lambda q: YES if q.action == f"{NAME}.data" else NO
    stranger, owner = nobody(world), nobody(world)
    session = connect(owner, device, families="ipv4")
    refused("NotOwner", lambda: disconnect(stranger, session), owner.unique_name, "clients")
    assert bus.get(session, SESSION, "State") == "connected"
    assert sim.count("wds.stop-network") == 0
    polkit.changed()
    polkit.take()
    polkit.decide = lambda q: YES
    disconnect(stranger, session)
    assert [(q.action, q.service, q.message) for q in polkit.take()] == \
        [(f"{NAME}.data", "", "Disconnect"), (f"{NAME}.clients", "", "Disconnect")]
    # Root needs nothing, and a persistent one nothing else.
    session = connect(owner, device, families="ipv4")
    disconnect(bus, session)
    polkit.changed()
    polkit.decide = lambda q: YES if q.action == f"{NAME}.data" else NO
    session = connect(owner, device, families="ipv4", persist=True)
    disconnect(stranger, session)


@root_only
def test_a_password_for_anothers(world, sim, device, polkit):
    """Where the call allows to ask for one."""
    polkit.decide = lambda q: YES if q.action == f"{NAME}.data" or q.interactive else CHALLENGE
    stranger, owner = nobody(world), nobody(world)
    session = connect(owner, device, families="ipv4")
    refused("NotOwner", lambda: disconnect(stranger, session))
    stranger.end(stranger.begin(session, SESSION, "Disconnect", "a{sv}", {}, interactive=True))


@root_only
def test_claimed_by_another_user(world, sim, device, bus, polkit):
    polkit.decide = lambda q: YES
    owner, same, stranger = nobody(world), nobody(world), connect_as(1, world.bus.address)
    world.connections.append(stranger)
    session = connect(owner, device, families="ipv4", persist=True)
    client = get_clients(owner, session)["ipv4"]
    owner.close()
    bus.wait_property(session, SESSION, "Owner", "")
    polkit.decide = lambda q: YES if q.action != f"{NAME}.clients" else NO
    polkit.changed()
    error = pytest.raises(DBusError, stranger.call, session, SESSION, "Claim", "a{sv}", {}).value
    assert error.name == "org.freedesktop.DBus.Error.AccessDenied" and "class clients" in error.text
    error = pytest.raises(DBusError, stranger.qmi, client, "Wds", "GetPacketServiceStatus").value
    assert "class clients" in error.text
    assert same.qmi(client, "Wds", "GetPacketServiceStatus")["status"] == "connected"
    same.call(session, SESSION, "Claim", "a{sv}", {})
    assert bus.get(session, SESSION, "Owner") == same.unique_name


@root_only
def test_denied(world, sim, device, bus, polkit):
    """Nothing is begun before the answer; link_layer takes a class of its own."""
    watch(bus)
    asked = sim.clients()
    stranger = nobody(world)
    calls = [(device, DATA, "Connect", {"password": "x", "user": "y"}), (device, DATA, "DisconnectAll", {})]
    session = connect(bus, device, families="ipv4", persist=True)
    calls += [(session, SESSION, member, {}) for member in ("Disconnect",)]
    bus.take_signals()
    for path, interface, member, options in calls:
        error = pytest.raises(DBusError, stranger.call, path, interface, member, "a{sv}", options).value
        assert error.name == "org.freedesktop.DBus.Error.AccessDenied", member
        assert error.text.startswith(f"{member}: needs access class data"), error.text
        [question] = polkit.take()
        assert (question.action, question.service, question.message) == (f"{NAME}.data", "", member)
    assert bus.take_signals() == []
    assert sessions(bus) == [session]
    disconnect(bus, session)
    sim.wait_count("clients", f"={len(asked) + 1}")     # the daemon's own of WDS
    polkit.decide = lambda q: SILENT
    call = begin(stranger, device)
    polkit.wait(lambda p: p.questions)
    assert sessions(bus) == []
    polkit.release(YES)
    assert stranger.end(call).startswith(device)


# ---- its clients

def test_clients(world, sim, device, bus):
    other = world.connect()
    watch(bus)
    session = connect(bus, device, apn="internet")
    clients = get_clients(bus, session)
    assert set(clients) == {"ipv4", "ipv6"}
    told = bus.take_signals()
    for family, path in clients.items():
        assert changes(told, path)[0] == "added"
        properties = bus.get_all(path, CLIENT)
        ident = properties.pop("ClientId")
        assert ("wds", ident) in sim.clients()
        assert properties == {"Service": "wds", "Owner": bus.unique_name, "Persist": False, "Implicit": False,
                              "LostIndications": 0}
        address = bus.qmi(path, "Wds", "GetCurrentSettings", {"settings": ["ip_address"]})
        assert address[f"{family}_address"] in (IP4["address"], {"address": IP6["address"], "prefix_length": 64})
        assert sim.last_request("wds.get-current-settings")["client"] == ident
        refused("NotOwner", lambda: other.qmi(path, "Wds", "GetPacketServiceStatus"), bus.unique_name)
        for member in ("Release", "Claim", "OpenSocket"):
            refused("NotOwner", lambda: bus.call(path, CLIENT, member, "a{sv}", {}), session)
        [listed] = [c for c in list_clients(bus, device) if c.get("path") == path]
        assert (listed["service"], listed["owner"], listed["client_id"]) == ("wds", "session 1", ident)
    # Indications come to the owner alone, from the path of the client they are for.
    watch(other)
    other.take_signals()
    sim.send("wds", "packet-service-status", "all")
    heard = {bus.wait_signal("PacketServiceStatus").path for _ in clients}
    assert heard == set(clients.values())
    assert [s for s in other.take_signals() if s.member == "PacketServiceStatus"] == []

    disconnect(bus, session)
    told = bus.take_signals()
    for path in clients.values():
        assert changes(told, path)[-1] == "removed"
        assert [s.args for s in told if s.path == path and s.member == "Ended"] != []
        refused("NoSuchDevice", lambda: bus.get(path, CLIENT, "Owner"))


def test_a_call_on_a_client_when_the_session_ends(sim, device, bus):
    session = connect(bus, device, families="ipv4")
    client = get_clients(bus, session)["ipv4"]
    sim.command("delay 1000000 wds.get-packet-service-status")
    call = bus.begin(client, f"{NAME}.Wds", "GetPacketServiceStatus", "a{sv}", {})
    sim.wait_count("wds.get-packet-service-status", 1)
    sim.command("end-call 0 ipv4 call-end-reason=release-normal")
    refused("DeviceGone", lambda: bus.end(call))


# ---- options

WRONG = [
    ({"colour": "red"}, "colour"), ({"apn": 1}, "apn"), ({"apn": "with space"}, "apn"), ({"apn": "x" * 101}, "apn"),
    ({"families": "ipv5"}, "families"), ({"families": ["ipv4"]}, "families"), ({"user": 7}, "user"),
    ({"user": "x" * 256}, "user"), ({"user": "u", "password": 7}, "password"), ({"password": "secret-1"}, "password"),
    ({"user": "u", "password": "secret-1\n"}, "password"), ({"authentication": "pap"}, "authentication"),
    ({"authentication": ["md5"]}, "authentication"), ({"authentication": [1]}, "authentication"),
    ({"profile": 0}, "profile"), ({"profile": 256}, "profile"), ({"profile": "1"}, "profile"), ({"profile": -1}, "profile"),
    ({"mux": 0}, "mux"), ({"mux": 255}, "mux"), ({"mux": 1.5}, "mux"), ({"link_layer": "token-ring"}, "link_layer"),
    ({"link_layer": 3}, "link_layer"), ({"persist": 1}, "persist"), ({"configure": "yes"}, "configure"),
    ({"modify": 0}, "modify"), ({"timeout": "soon"}, "timeout"), ({"timeout": 0}, "timeout"),
    ({"timeout": 3601}, "timeout"), ({"link_layer": "qmap"}, "link_layer"), ({"configure": True}, "configure"),
]


def test_wrong_options(sim, device, bus):
    watch(bus)
    before = sim.clients()
    for options, name in WRONG:
        error = pytest.raises(DBusError, connect, bus, device, **options).value
        assert error.name == f"{NAME}.Error.InvalidArgument" and error.text.startswith(f"{name}: "), error
        assert "secret" not in error.text
    session = connect(bus, device, families="ipv4")
    for path, interface, member in ((device, DATA, "DisconnectAll"), (session, SESSION, "Disconnect"),
                                    (session, SESSION, "Claim"), (session, SESSION, "GetClients")):
        refused("InvalidArgument", lambda: bus.call(path, interface, member, "a{sv}", {"colour": 1}), "colour: ")
    assert session == f"{device}/session/1"
    disconnect(bus, session)
    assert len(sim.clients()) <= len(before) + 4


def test_not_ready(world, sim, bus):
    """A device that has not answered yet has no such interface, and says why."""
    sim.command("silent on")
    world.start_daemon(ready=False)
    refused("NotReady", lambda: connect(bus, sim.device))
    sim.command("silent off")
    bus.wait_property(sim.device, DEVICE, "State", "ready")
    assert bus.get(sim.device, DATA, "MaxSessions") == 254


def test_without_wds(world, bus):
    sim = world.sim(scenario="data", overrides=["@0s set ctl.services.wds = none"])
    world.start_daemon()
    refused("NoSuchService", lambda: connect(bus, sim.device), "wds")
    assert DATA not in bus.introspect(sim.device)


def test_too_many(world, sim, device):
    bus = world.connect()
    made = [connect(bus, device, families="ipv4") for _ in range(16)]
    refused("LimitsExceeded", lambda: connect(bus, device, families="ipv4"), "16 data sessions")
    disconnect(bus, made[0])
    connect(bus, device, families="ipv4")


# ---- a restart

@ends
def test_kept(stored, how):
    [sim] = stored.sims
    bus, leaver = stored.connect(), stored.connect()
    one = connect(bus, sim.device, apn="internet")
    two = connect(leaver, sim.device, families="ipv4", persist=True)
    leaver.close()
    bus.wait_property(two, SESSION, "Owner", "")
    clients = get_clients(bus, one)

    def look():
        seen = {path: bus.get_all(path, SESSION) for path in (one, two)}
        for properties in seen.values():
            properties.pop("Statistics")
        return seen, {path: bus.get_all(path, CLIENT) for path in clients.values()}, get_clients(bus, one)

    before, at_modem, started = look(), sim.clients(), sim.count("wds.start-network")
    for _ in range(3):
        stored.restart_daemon(how)
        bus.wait_property(sim.device, DEVICE, "State", "ready")
        assert look() == before
        assert sim.clients() == at_modem
        assert bus.qmi(clients["ipv4"], "Wds", "GetPacketServiceStatus")["status"] == "connected"
    assert (sim.count("wds.start-network"), sim.count("wds.stop-network")) == (started, 0)
    assert sim.count("ctl.sync") == 0
    watch(bus)
    sim.command("end-call 0 ipv6 call-end-reason=no-service")
    while bus.get(one, SESSION, "Families")["ipv6"][0]:
        bus.wait_signal("PropertiesChanged", path=one)
    disconnect(bus, one)
    disconnect(bus, two)
    assert connect(bus, sim.device, families="ipv4") == f"{sim.device}/session/3"


@ends
def test_its_owner_left_meanwhile(stored, how):
    [sim] = stored.sims
    bus, leaver, keeper = stored.connect(), stored.connect(), stored.connect()
    one = connect(leaver, sim.device, families="ipv4")
    two = connect(keeper, sim.device, families="ipv6", persist=True)
    stored.end_daemon(how)
    for connection in (leaver, keeper):
        name = connection.unique_name
        connection.close()
        bus.wait_no_name(name)
    stored.again()
    refused("NoSuchDevice", lambda: bus.get(one, SESSION, "State"))
    assert (bus.get(two, SESSION, "Owner"), bus.get(two, SESSION, "State")) == ("", "connected")
    bus.call(two, SESSION, "Claim", "a{sv}", {})
    sim.wait_count("wds.stop-network", 1)
    disconnect(bus, two)


@ends
def test_another_bus(stored, how):
    [sim] = stored.sims
    bus = stored.connect()
    one, two = connect(bus, sim.device, families="ipv4"), connect(bus, sim.device, families="ipv6", persist=True)
    stored.end_daemon(how)
    for connection in stored.connections:
        connection.close()
    stored.connections.clear()
    stored.restart_bus()
    stored.again()
    bus = stored.connect()
    bus.wait_property(sim.device, DEVICE, "State", "ready")
    assert sessions(bus) == [two]
    assert (bus.get(two, SESSION, "Owner"), bus.get(two, SESSION, "State")) == ("", "connected")
    sim.wait_count("wds.stop-network", 1)
    refused("NoSuchDevice", lambda: bus.get(one, SESSION, "State"))
    disconnect(bus, two)


@ends
def test_while_it_connects(stored, how):
    """What nobody was told of is undone."""
    [sim] = stored.sims
    bus = stored.connect()
    sim.command("delay 1000000 wds.start-network")
    call = begin(bus, sim.device, families="ipv4", persist=True)
    sim.wait_count("wds.start-network", 1)
    stored.end_daemon(how)
    with pytest.raises(DBusError) as e:
        bus.end(call)
    assert e.value.name in (f"{NAME}.Error.DeviceGone", "org.freedesktop.DBus.Error.NoReply")
    sim.command("delay 0 wds.start-network")
    stored.again()
    bus.wait_property(f"{sim.device}/session/1", SESSION, "State", GONE)
    bus.wait_property(sim.device, DEVICE, "State", "ready")
    client = bus.call(sim.device, DEVICE, "OpenClient", "sa{sv}", "wds", {})
    sim.wait_count("clients.wds", "=2")     # the daemon's own, and this one
    assert bus.qmi(client, "Wds", "GetPacketServiceStatus")["status"] == "disconnected"
    assert connect(bus, sim.device, families="ipv4") == f"{sim.device}/session/2"
