# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is left behind when the daemon is told to stop: nothing."""

import pytest
from qmidtest import NAME, DBusError


def test_client_ids_are_given_back(world, sim, device, bus):
    bus.qmi(device, "Nas", "RegisterIndications", {"signal_info": True})
    bus.call(device, f"{NAME}.Device", "OpenClient", "sa{sv}", "wds", {})
    assert {service for service, _ in sim.clients()} == {"dms", "nas", "wds"}
    world.daemon.stop()
    sim.wait_count("clients", "=0")
    assert sim.clients() == []


def test_calls_under_way_are_answered(world, sim, device, bus):
    sim.wait_count("dms.get-model", 1)  # the daemon's own
    sim.command("delay 60000 dms.get-model")
    serials = [bus.begin(device, f"{NAME}.Dms", "GetModel", "a{sv}", {}) for _ in range(20)]
    sim.wait_count("dms.get-model", 2)
    bus.get(device, f"{NAME}.Device", "State")  # the daemon has read all of them
    world.daemon.stop()
    for serial in serials:
        with pytest.raises(DBusError) as error:
            bus.end(serial)
        assert error.value.name == f"{NAME}.Error.DeviceGone"
