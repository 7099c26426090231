# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the running daemon says of its interfaces, and that it is what the installed files say."""

import xml.etree.ElementTree as ET

import pytest
import qmidtest
from dbusclient import NAME, ROOT

SERVICES = ("Dms", "Nas", "Uim", "Wda", "Wds", "Wms")
DEVICE = f"{NAME}.Device"


def members(interface):
    """{name: (kind, [(direction, type, argument name)])}"""
    seen = {}
    for kind in ("method", "signal"):
        for member in interface.findall(kind):
            assert member.get("name") not in seen, "a method and a signal share a name"
            seen[member.get("name")] = (kind, [(a.get("direction", "out"), a.get("type"), a.get("name"))
                                               for a in member.findall("arg")])
    return seen


def interfaces(xml):
    return {i.get("name"): i for i in ET.fromstring(xml).findall("interface")}


def tree(bus, path="/"):
    """Every path that is found by going down from one."""
    yield path
    for node in ET.fromstring(bus.introspect(path)).findall("node"):
        yield from tree(bus, f"{path.rstrip('/')}/{node.get('name')}")


def test_tree(device, bus):
    client = bus.call(device, DEVICE, "OpenClient", "sa{sv}", "nas", {})
    assert {ROOT, f"{ROOT}/device", device, client, "/org/freedesktop/LogControl1"} <= set(tree(bus))


def privileged(interface):
    return [m.get("name") for m in interface
            if any(a.get("name") == "org.freedesktop.systemd1.Privileged" for a in m.findall("annotation"))]


def test_root(device, bus):
    seen = interfaces(bus.introspect(ROOT))
    assert members(seen[f"{NAME}.Manager"]) == {
        "FindDevice": ("method", [("in", "s", "name"), ("in", "a{sv}", "options"), ("out", "o", "device")])}
    assert "org.freedesktop.DBus.ObjectManager" in seen


def test_device(device, bus):
    tlvs = "a(yay)"
    seen = interfaces(bus.introspect(device))
    assert {i for i in seen if i.startswith(NAME)} == {DEVICE, f"{NAME}.Data", *(f"{NAME}.{s}" for s in SERVICES)}
    assert members(seen[DEVICE]) == {
        "Request": ("method", [("in", "s", "service"), ("in", "s", "message"), ("in", "a{sv}", "request"),
                               ("in", "a{sv}", "options"), ("out", "s", "result"), ("out", "a{sv}", "response")]),
        "Call": ("method", [("in", "s", "service"), ("in", "q", "message"), ("in", tlvs, "tlvs"),
                            ("in", "a{sv}", "options"), ("out", tlvs, "response")]),
        "Cancel": ("method", [("in", "s", "service"), ("in", "s", "message"), ("in", "a{sv}", "options")]),
        "OpenClient": ("method", [("in", "s", "service"), ("in", "a{sv}", "options"), ("out", "o", "client")]),
        "OpenTrace": ("method", [("in", "a{sv}", "options"), ("out", "h", "trace")]),
        "Inhibit": ("method", [("in", "s", "reason"), ("in", "a{sv}", "options"), ("out", "h", "inhibitor")]),
        "SetLinkLayer": ("method", [("in", "s", "mode"), ("in", "a{sv}", "options")]),
        "ListClients": ("method", [("in", "a{sv}", "options"), ("out", "aa{sv}", "clients")]),
        "RawIndication": ("signal", [("out", "s", "service"), ("out", "q", "message"), ("out", tlvs, "tlvs")]),
    }


def test_client(device, bus):
    client = bus.call(device, DEVICE, "OpenClient", "sa{sv}", "wds", {})
    seen = interfaces(bus.introspect(client))
    assert {i for i in seen if i.startswith(NAME)} == {f"{NAME}.Client", f"{NAME}.Wds"}
    assert members(seen[f"{NAME}.Client"]) == {
        "Release": ("method", [("in", "a{sv}", "options")]),
        "Claim": ("method", [("in", "a{sv}", "options")]),
        "OpenSocket": ("method", [("in", "a{sv}", "options"), ("out", "h", "socket")]),
        "Replaced": ("signal", []),
        "Ended": ("signal", [("out", "s", "reason")]),
        "RawIndication": ("signal", [("out", "s", "service"), ("out", "q", "message"), ("out", "a(yay)", "tlvs")]),
    }
    properties = {p.get("name"): p.get("type") for p in seen[f"{NAME}.Client"].findall("property")}
    assert properties == {"Service": "s", "ClientId": "y", "Owner": "s", "Persist": "b", "Implicit": "b",
                          "LostIndications": "t"}


def test_data(device, bus):
    seen = interfaces(bus.introspect(device))[f"{NAME}.Data"]
    assert members(seen) == {
        "Connect": ("method", [("in", "a{sv}", "options"), ("out", "o", "session")]),
        "DisconnectAll": ("method", [("in", "a{sv}", "options")]),
    }
    assert {p.get("name"): p.get("type") for p in seen.findall("property")} == {"MaxSessions": "u"}


def test_session(world, bus):
    sim = world.sim(scenario="data")
    world.start_daemon()
    session = bus.call(sim.device, f"{NAME}.Data", "Connect", "a{sv}", {"families": "ipv4"})
    seen = interfaces(bus.introspect(session))
    assert {i for i in seen if i.startswith(NAME)} == {f"{NAME}.Session"}
    assert members(seen[f"{NAME}.Session"]) == {
        "Disconnect": ("method", [("in", "a{sv}", "options")]),
        "Claim": ("method", [("in", "a{sv}", "options")]),
        "GetClients": ("method", [("in", "a{sv}", "options"), ("out", "a{so}", "clients")]),
    }
    assert {p.get("name"): p.get("type") for p in seen[f"{NAME}.Session"].findall("property")} == {
        "State": "s", "Interface": "s", "MuxId": "y", "Ip4": "a{sv}", "Ip6": "a{sv}", "Families": "a{s(bs)}",
        "Statistics": "a{sv}", "EndReason": "a{sv}", "Adopted": "b", "Configured": "b", "Problem": "s", "Persist": "b", "Owner": "s",
        "Apn": "s", "Profile": "y"}
    assert privileged(seen[f"{NAME}.Session"]) == []
    assert session in tree(bus)


@pytest.mark.parametrize("service", SERVICES)
def test_service(device, bus, service):
    seen = interfaces(bus.introspect(device))
    installed = ET.parse(qmidtest.program(f"interfaces/{NAME}.{service}.xml")).find("interface")
    running = members(seen[f"{NAME}.{service}"])
    assert running == members(installed)
    shapes = {"method": [("in", "a{sv}", "request"), ("out", "a{sv}", "response")],
              "signal": [("out", "a{sv}", "indication")]}
    assert running
    for kind, arguments in running.values():
        assert arguments == shapes[kind]


def test_no_method_is_for_root_only(device, bus):
    """sd-bus refuses others what is not marked as being for everybody, and says so here."""
    client = bus.call(device, DEVICE, "OpenClient", "sa{sv}", "nas", {})
    for path in (ROOT, device, client):
        for name, interface in interfaces(bus.introspect(path)).items():
            assert not name.startswith(NAME) or privileged(interface) == []
    # Nobody but root changes the log.
    seen = interfaces(bus.introspect("/org/freedesktop/LogControl1"))["org.freedesktop.LogControl1"]
    assert privileged(seen) == ["LogLevel", "LogTarget"]
