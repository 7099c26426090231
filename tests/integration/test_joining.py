# SPDX-License-Identifier: LGPL-2.1-or-later
"""Queries that ask the same are asked once; everybody has the answer."""

import pytest
from dbusclient import NAME, DBusError

DEVICE = f"{NAME}.Device"
NAS = f"{NAME}.Nas"


@pytest.fixture
def slow(sim, device, bus):
    """The modem keeps an answer until it is told to go on, so that what comes meanwhile has to wait."""
    bus.qmi(device, "Nas", "GetDrx")
    sim.command("delay 300 nas.get-drx")
    return sim


def begin(caller, device, member="GetDrx", request=None):
    serial = caller.begin(device, NAS, member, "a{sv}", request or {})
    caller.settle(device)
    return serial


def test_equal_queries(world, slow, device, bus):
    callers = [world.connect() for _ in range(10)]
    before = slow.count("nas.get-drx")
    serials = [(c, begin(c, device)) for c in callers for _ in range(3)]
    for caller, serial in serials:
        assert caller.end(serial) == {"drx": "t128"}
    assert slow.count("nas.get-drx") == before + 1
    # What comes after the answer is another question.
    assert bus.qmi(device, "Nas", "GetDrx") == {"drx": "t128"}
    assert slow.count("nas.get-drx") == before + 2


def test_a_command_in_between(world, slow, device, bus):
    """Who asks after it wants to know what it has changed."""
    other = world.connect()
    before = slow.count("nas.get-drx")
    first = begin(bus, device)
    command = begin(other, device, "SetSystemSelectionPreference", {"usage": "data_centric"})
    second = begin(other, device)
    third = begin(bus, device)
    for caller, serial in ((bus, first), (other, command), (other, second), (bus, third)):
        caller.end(serial)
    assert slow.count("nas.get-drx") == before + 2


def test_other_queries_are_their_own(world, slow, device, bus):
    before = slow.count("nas.get-drx")
    serials = [begin(bus, device), bus.begin(device, DEVICE, "Request", "ssa{sv}a{sv}", "nas", "get-drx", {}, {}),
               bus.begin(device, DEVICE, "Request", "ssa{sv}a{sv}", "nas", "get-drx", {}, {"timeout": 30})]
    for serial in serials:
        bus.end(serial)
    # The second has the same time limit as the first, the third has not.
    assert slow.count("nas.get-drx") == before + 2


def test_one_of_them_is_cancelled(world, slow, device, bus):
    """Whoever it is: the others have their answer."""
    other = world.connect()
    before = slow.count("nas.get-drx")
    first, second = begin(bus, device), begin(other, device)
    bus.call(device, DEVICE, "Cancel", "ssa{sv}", "nas", "get-drx", {})
    with pytest.raises(DBusError, match="Aborted"):
        bus.end(first)
    third = begin(bus, device)
    bus.settle(device)
    other.close()
    assert bus.end(third) == {"drx": "t128"}
    assert slow.count("nas.get-drx") == before + 1
    assert second


def test_all_hear_of_a_failure(world, slow, device, bus):
    other = world.connect()
    serials = [(c, begin(c, device)) for c in (bus, other)]
    slow.command("hangup")
    for caller, serial in serials:
        with pytest.raises(DBusError) as e:
            caller.end(serial)
        assert e.value.name == f"{NAME}.Error.DeviceGone"
    slow.command("listen")
    bus.wait_property(device, DEVICE, "State", "ready")
