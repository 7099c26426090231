# SPDX-License-Identifier: LGPL-2.1-or-later
"""Device objects: their properties, and how they follow what happens to the modem."""

import xml.etree.ElementTree as ET

import pytest
from dbusclient import NAME, PROPERTIES, ROOT, DBusError

DEVICE = f"{NAME}.Device"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"

# dbus-api.md of the contract; the second column: how its changes are told.
TYPES = {
    "State": ("s", "true"), "StateReason": ("s", "true"), "Port": ("s", "true"), "Transport": ("s", "const"),
    "Interfaces": ("as", "true"), "Driver": ("s", "const"), "UsbId": ("(qq)", "const"), "IdPath": ("s", "const"),
    "PhysicalDevice": ("s", "const"), "Primary": ("b", "true"), "Manufacturer": ("s", "true"),
    "Model": ("s", "true"), "Revision": ("s", "true"), "Services": ("a{s(qq)}", "true"),
    "LinkLayer": ("a{sv}", "true"),
}


def listen(bus):
    bus.add_match(f"type='signal',sender='{NAME}'")


def wait_changed(bus, device, **properties):
    """Until signals have told these values; what the last one of each property said, together."""
    seen = {}
    while any(seen.get(k) != v for k, v in properties.items()):
        signal = bus.wait_signal("PropertiesChanged", path=device)
        interface, changed, invalidated = signal.args
        assert (signal.interface, interface, invalidated) == (PROPERTIES, DEVICE, [])
        seen |= changed
    return seen


def test_types(device, bus):
    interface = ET.fromstring(bus.introspect(device)).find(f"interface[@name='{DEVICE}']")
    seen = {}
    for p in interface.findall("property"):
        told = {a.get("name"): a.get("value") for a in p.findall("annotation")}
        seen[p.get("name")] = (p.get("type"), told.get("org.freedesktop.DBus.Property.EmitsChangedSignal", "true"))
        assert p.get("access") == "read"
    assert seen == TYPES


def test_properties(world, sim, bus):
    world.start_daemon()
    bus.wait_property(sim.device, DEVICE, "Revision", "SIM5G_01.07.02.00 r1 2026/03/14 09:26:53")
    assert bus.get_all(sim.device, DEVICE) == {
        "State": "ready", "StateReason": "", "Port": sim.port, "Transport": "unix", "Interfaces": [], "Driver": "",
        "UsbId": (0, 0), "IdPath": "", "PhysicalDevice": "", "Primary": True,
        "Manufacturer": "QUALCOMM INCORPORATED", "Model": "SIM-5G",
        "Revision": "SIM5G_01.07.02.00 r1 2026/03/14 09:26:53",
        "Services": {"ctl": (1, 5), "wds": (1, 67), "dms": (1, 14), "nas": (1, 25), "wms": (1, 10), "0x60": (1, 10), "uim": (1, 46),
                     "wda": (1, 16)},
        "LinkLayer": {},
    }
    for name in TYPES:
        with pytest.raises(DBusError) as e:
            bus.call(sim.device, PROPERTIES, "Set", "ssv", DEVICE, name, "x")
        assert e.value.name == "org.freedesktop.DBus.Error.PropertyReadOnly"


def test_before_its_modem(each_world):
    """The object is there before the modem is, and follows it."""
    port = f"unix:{each_world.directory}/late"
    device = f"{ROOT}/device/unix_late"
    each_world.start_daemon([port])
    bus = each_world.connect()
    listen(bus)

    properties = bus.get_all(device, DEVICE)
    assert properties["State"] == "starting"
    assert "cannot connect" in properties["StateReason"] and "/late" in properties["StateReason"]
    assert properties["Services"] == {} and properties["Model"] == ""

    sim = each_world.sim("late")
    added = bus.wait_signal("InterfacesAdded")
    assert (added.path, added.interface) == (ROOT, OBJECT_MANAGER)
    assert added.args[0] == device
    assert set(added.args[1]) == {f"{NAME}.{s}" for s in ("Data", "Dms", "Nas", "Uim", "Wda", "Wds", "Wms")}

    changed = wait_changed(bus, device, State="ready", StateReason="", Manufacturer="QUALCOMM INCORPORATED",
                           Model="SIM-5G", Revision="SIM5G_01.07.02.00 r1 2026/03/14 09:26:53")
    assert changed["Services"]["nas"] == (1, 25)
    assert bus.qmi(sim.device, "Nas", "GetDrx") == {"drx": "t128"}


def test_goes_and_comes_back(each_world):
    sim = each_world.sim()
    each_world.start_daemon()
    bus = each_world.connect()
    listen(bus)
    before = bus.get_all(sim.device, DEVICE)["Services"]

    sim.command("hangup")
    changed = wait_changed(bus, sim.device, State="resetting")
    assert changed["StateReason"]
    # The object stays, and so does what is known.
    assert bus.get(sim.device, DEVICE, "Services") == before
    with pytest.raises(DBusError) as e:
        bus.qmi(sim.device, "Nas", "GetSignalInfo")
    assert e.value.name == f"{NAME}.Error.NotReady"
    assert changed["StateReason"] in e.value.text

    sim.command("listen")
    wait_changed(bus, sim.device, State="ready", StateReason="")
    assert bus.qmi(sim.device, "Nas", "GetSignalInfo")["lte"]["rsrp"] == -95


def test_reset_with_other_services(world, sim, bus):
    """A modem that starts anew with other firmware."""
    world.start_daemon()
    listen(bus)
    bus.wait_property(sim.device, DEVICE, "Revision", "SIM5G_01.07.02.00 r1 2026/03/14 09:26:53")
    bus.take_signals()

    sim.set("ctl.services.uim", "none")
    sim.set("ctl.services.wda", "1.17")
    sim.set("dms.get-revision.revision", "SIM5G_02")
    sim.command("reset")
    removed = bus.wait_signal("InterfacesRemoved")
    assert (removed.path, removed.args) == (ROOT, (sim.device, [f"{NAME}.Uim"]))
    changed = wait_changed(bus, sim.device, State="ready", Revision="SIM5G_02")
    assert "uim" not in changed["Services"] and changed["Services"]["wda"] == (1, 17)
    assert f"{NAME}.Uim" not in bus.introspect(sim.device)
    with pytest.raises(DBusError) as e:
        bus.qmi(sim.device, "Uim", "GetCardStatus")
    assert e.value.name == f"{NAME}.Error.NoSuchService"
    assert "uim" in e.value.text

    sim.set("ctl.services.uim", "1.46")
    sim.command("reset")
    added = bus.wait_signal("InterfacesAdded")
    assert added.args == (sim.device, {f"{NAME}.Uim": {}})
    assert "card_status" in bus.qmi(sim.device, "Uim", "GetCardStatus")


def test_several_ports(world, bus):
    """Each is served for itself: what happens to one is nothing to the others."""
    names = ("one", "two", "three")
    sims = [world.sim(name, overrides={"dms.get-model.model": name}) for name in names]
    world.start_daemon()
    for sim in sims:
        bus.wait_property(sim.device, DEVICE, "Model", sim.name)
        assert bus.qmi(sim.device, "Dms", "GetModel") == {"model": sim.name}

    bus.qmi(sims[1].device, "Nas", "SetEventReport")
    assert ("nas", 1) in sims[1].clients()
    assert ("nas", 1) not in sims[0].clients() + sims[2].clients()

    bus.qmi(sims[0].device, "Nas", "GetSignalInfo")
    sims[0].command("silent on")
    sims[1].command("hangup")
    bus.wait_property(sims[1].device, DEVICE, "State", "resetting")
    asked = bus.begin(sims[0].device, f"{NAME}.Nas", "GetSignalInfo", "a{sv}", {})
    sims[0].wait_count("nas.get-signal-info", 2)
    assert bus.qmi(sims[2].device, "Nas", "GetSignalInfo")["lte"]["rsrp"] == -95
    assert bus.get(sims[2].device, DEVICE, "State") == "ready"
    assert asked not in bus.replies


def test_unknown_path_and_interface(device, bus):
    for path in (f"{ROOT}/device/unix_modem1", f"{device}/client/1", f"{device}/x", f"{device}x"):
        for call in (lambda: bus.qmi(path, "Nas", "GetSignalInfo"), lambda: bus.get_all(path, DEVICE),
                     lambda: bus.introspect(path)):
            with pytest.raises(DBusError) as e:
                call()
            assert e.value.name == f"{NAME}.Error.NoSuchDevice"
            assert path in e.value.text

    for service in ("Nass", "nas", "Ctl"):
        with pytest.raises(DBusError) as e:
            bus.qmi(device, service, "GetSignalInfo")
        assert e.value.name.startswith("org.freedesktop.DBus.Error.Unknown"), service
    with pytest.raises(DBusError) as e:
        bus.qmi(device, "Nas", "GetModel")
    assert e.value.name == "org.freedesktop.DBus.Error.UnknownMethod"
    assert "GetModel" in e.value.text
