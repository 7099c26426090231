# SPDX-License-Identifier: LGPL-2.1-or-later
"""Device.Inhibit: qmid lets go of a port as long as a descriptor is open."""

import os
import pathlib

import pytest
import qmux
from dbusclient import NAME, DBusError

DEVICE = f"{NAME}.Device"
CLIENT = f"{NAME}.Client"


def inhibit(bus, device, reason="new firmware"):
    return bus.call(device, DEVICE, "Inhibit", "sa{sv}", reason, {}).to_raw_fd()


def own_name():
    return pathlib.Path("/proc/self/comm").read_text().strip()


def refused(name, call, *texts):
    with pytest.raises(DBusError) as e:
        call()
    assert e.value.name == f"{NAME}.Error.{name}"
    for text in texts:
        assert text in e.value.text


def test_inhibit(each_world):
    sim = each_world.sim()
    each_world.start_daemon()
    bus, other = each_world.connect(), each_world.connect()
    client = bus.call(sim.device, DEVICE, "OpenClient", "sa{sv}", "nas", {})
    bus.qmi(client, "Nas", "RegisterIndications", {"signal_info": True})
    fd = inhibit(bus, sim.device)
    other.wait_property(sim.device, DEVICE, "State", "inhibited")
    reason = other.get(sim.device, DEVICE, "StateReason")
    assert bus.unique_name in reason and "new firmware" in reason
    # Nobody has the port: whoever inhibits can have it.
    with qmux.Host(sim.path) as host:
        assert host.request(0, 0, 0x0021)[0] == 0
    refused("NotReady", lambda: other.qmi(sim.device, "Nas", "GetDrx"), "inhibited", "new firmware")
    refused("NotReady", lambda: other.call(sim.device, DEVICE, "OpenClient", "sa{sv}", "nas", {}), "inhibited")
    os.close(fd)
    other.wait_property(sim.device, DEVICE, "State", "ready")
    # What was held is held.
    assert bus.qmi(client, "Nas", "GetDrx") == {"drx": "t128"}
    sim.send("nas", "signal-info")
    assert bus.wait_signal("SignalInfo").path == client


def test_calls_under_way_fail(sim, device, bus):
    sim.command("delay 1000000 nas.network-scan")
    scan = bus.begin(device, f"{NAME}.Nas", "NetworkScan", "a{sv}", {})
    sim.wait_count("nas.network-scan", 1)
    fd = inhibit(bus, device)
    refused("DeviceGone", lambda: bus.end(scan))
    os.close(fd)
    bus.wait_property(device, DEVICE, "State", "ready")


def test_the_last_copy(world, sim, device, bus):
    """Whoever has it; and not before the last of several inhibitors."""
    other = world.connect()
    one, two = inhibit(bus, device, "one"), inhibit(other, device, "two")
    copy = os.dup(one)
    os.close(one)
    bus.settle(device)
    assert bus.get(device, DEVICE, "State") == "inhibited"
    os.close(copy)
    bus.settle(device)
    assert bus.get(device, DEVICE, "State") == "inhibited"
    assert "two" in bus.get(device, DEVICE, "StateReason")
    os.close(two)
    bus.wait_property(device, DEVICE, "State", "ready")


def test_its_opener_leaves(world, sim, device, bus):
    opener = world.connect()
    fd = inhibit(opener, device)
    bus.wait_property(device, DEVICE, "State", "inhibited")
    opener.close()
    bus.wait_property(device, DEVICE, "State", "ready")
    os.close(fd)


def test_reason(device, bus):
    for reason in ("", "x" * 257, "two\nlines", "red \x1b[31m", "\x7f"):
        refused("InvalidArgument", lambda: inhibit(bus, device, reason), "reason")
    refused("InvalidArgument", lambda: bus.call(device, DEVICE, "Inhibit", "sa{sv}", "x", {"now": True}), "now")
    assert bus.get(device, DEVICE, "State") == "ready"


def test_restart(world, sim):
    """It lasts, and still says who is behind it."""
    world.start_daemon(store=True)
    bus = world.connect()
    fd = inhibit(bus, sim.device)
    bus.wait_property(sim.device, DEVICE, "State", "inhibited")
    reason = bus.get(sim.device, DEVICE, "StateReason")
    assert f"({own_name()})" in reason
    world.restart_daemon()
    bus.wait_property(sim.device, DEVICE, "StateReason", reason)
    os.close(fd)
    bus.wait_property(sim.device, DEVICE, "State", "ready")


def test_odd_names(world, device):
    """The kernel cuts the names of programs at 15 bytes, and programs may call themselves anything."""
    own = pathlib.Path("/proc/self/comm")
    before = own.read_bytes()
    other = world.connect()
    for name, shown in ((b"\xd0\xbf\xd1\x80\xd0\xbe\xd0\xb3\xd1\x80\xd0\xb0\xd0\xbc\xd0\xbc", "???????????????"),
                        (b"two\nlines\x1b", "two?lines?"), ("Grüße".encode(), "Grüße")):
        own.write_bytes(name[:15])
        try:
            bus = world.connect()
            client = bus.call(device, DEVICE, "OpenClient", "sa{sv}", "nas", {})
        finally:
            own.write_bytes(before)
        rows = other.call(device, DEVICE, "ListClients", "a{sv}", {})
        assert [r["program"] for r in rows if r.get("path") == client] == [shown]
        fd = inhibit(bus, device)
        other.wait_property(device, DEVICE, "State", "inhibited")
        assert shown in other.get(device, DEVICE, "StateReason")
        os.close(fd)
        other.wait_property(device, DEVICE, "State", "ready")
