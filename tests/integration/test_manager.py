# SPDX-License-Identifier: LGPL-2.1-or-later
"""The root of the object tree: what is there, and finding a device by what a person calls it."""

import subprocess

import pytest
import qmidtest
from dbusclient import NAME, ROOT, DBusError

MANAGER = f"{NAME}.Manager"
IMEI = "004999010640000"  # of default.toml
SERVICES = {f"{NAME}.{s}" for s in ("Dms", "Nas", "Uim", "Wda", "Wds", "Wms")}


def find(bus, name, options=None):
    return bus.call(ROOT, MANAGER, "FindDevice", "sa{sv}", name, options or {})


def managed(bus):
    """The objects with those of their interfaces that are ours."""
    objects = bus.call(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    return {path: {i: v for i, v in interfaces.items() if i.startswith(NAME)} for path, interfaces in objects.items()}


def wait_imei(bus, sim):
    """The IMEI is the last thing that the daemon asks of a modem: what it is asked now comes behind that."""
    sim.wait_count("dms.get-ids", 1)
    bus.qmi(sim.device, "Dms", "GetModel")


def test_version(device, bus):
    text = subprocess.run([qmidtest.program("src/qmid"), "--version"], capture_output=True, text=True).stdout
    assert text == f"qmid {bus.get(ROOT, MANAGER, 'Version')}\n"


def test_managed_objects(each_world):
    first, second = each_world.sim(), each_world.sim("modem 1,b")
    assert second.device == "/org/qmid1/device/unix_modem_1_b"
    each_world.start_daemon()
    bus = each_world.connect()

    objects = managed(bus)
    assert set(objects) == {first.device, second.device}
    for sim in (first, second):
        assert set(objects[sim.device]) == SERVICES | {f"{NAME}.Device", f"{NAME}.Data"}
        assert objects[sim.device][f"{NAME}.Device"]["Port"] == sim.port
        assert objects[sim.device][f"{NAME}.Device"]["State"] == "ready"
        assert objects[sim.device][f"{NAME}.Nas"] == {}

    client = bus.call(second.device, f"{NAME}.Device", "OpenClient", "sa{sv}", "nas", {})
    objects = managed(bus)
    assert set(objects) == {first.device, second.device, client}
    assert set(objects[client]) == {f"{NAME}.Client", f"{NAME}.Nas"}
    assert objects[client][f"{NAME}.Client"]["Service"] == "nas"


def test_nothing_but_the_tree(device, bus):
    """Interfaces are where they belong, and nowhere else."""
    with pytest.raises(DBusError) as e:
        bus.call(device, MANAGER, "FindDevice", "sa{sv}", "", {})
    assert e.value.name.startswith("org.freedesktop.DBus.Error.Unknown")
    with pytest.raises(DBusError) as e:
        bus.qmi(ROOT, "Nas", "GetSignalInfo")
    assert e.value.name.startswith("org.freedesktop.DBus.Error.Unknown")


def test_find_device(world, sim, bus):
    world.start_daemon()
    wait_imei(bus, sim)
    for name in ("", str(sim.path), sim.port, "modem0", "unix_modem0", sim.device, IMEI):
        assert find(bus, name) == sim.device, name

    for name in ("modem", "modem00", "/dev/cdc-wdm0", IMEI[:-1], "unix:", "\U0001f4f6"):
        with pytest.raises(DBusError) as e:
            find(bus, name)
        assert e.value.name == f"{NAME}.Error.NoSuchDevice"
        assert (name in e.value.text) == (not name.isdigit())   # what may be an IMEI is in no error

    with pytest.raises(DBusError) as e:
        find(bus, "", {"quickly": True})
    assert e.value.name == f"{NAME}.Error.InvalidArgument"
    assert "quickly" in e.value.text


def test_find_device_among_none(world, bus):
    world.start_daemon()
    assert managed(bus) == {}
    for name in ("", "modem0"):
        with pytest.raises(DBusError) as e:
            find(bus, name)
        assert e.value.name == f"{NAME}.Error.NoSuchDevice"


def test_find_device_among_two(world, bus):
    sims = [world.sim("a"), world.sim("b"), world.sim("c", overrides={"dms.get-ids.imei": "355000000000017"})]
    world.start_daemon()
    for sim in sims:
        wait_imei(bus, sim)
        assert find(bus, sim.name) == sim.device
    assert find(bus, "355000000000017") == sims[2].device
    for name in ("", IMEI):
        with pytest.raises(DBusError) as e:
            find(bus, name)
        assert e.value.name == f"{NAME}.Error.AmbiguousDevice"
        assert "more than one device" in e.value.text and IMEI not in e.value.text


def test_two_ports_of_one_name(world):
    """They could not be told apart: neither "a b" and "a_b", nor equal names in two folders."""
    for one, other in (("/x/a b", "/x/a_b"), ("/x/modem", "/y/modem")):
        daemon = world.start_daemon([f"unix:{one}", f"unix:{other}"], wait=False, ready=False)
        assert daemon.wait() == 2
        assert other in daemon.output()
    world.daemon = None
