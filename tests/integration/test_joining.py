# SPDX-License-Identifier: LGPL-2.1-or-later
"""Queries that ask the same are asked once; everybody has the answer."""

import pytest
import qmux
from dbusclient import NAME, DBusError

DEVICE = f"{NAME}.Device"
SERVICE, GET_DRX = 0x03, 0x0089


class Modem:
    """It keeps its answers to GetDrx until it is told to give them. What is asked more often than it answers
    is never answered, so that a test that counts wrongly does not pass."""

    def __init__(self, sim):
        self.sim = sim
        self.asked = sim.count("nas.get-drx")
        sim.command("delay 1000000 nas.get-drx")

    def take(self):
        """The next request."""
        self.asked += 1
        self.sim.wait_count("nas.get-drx", self.asked)
        return self.sim.last_request("nas.get-drx")

    def answer(self, *requests):
        for r in requests:
            frame = qmux.pack(qmux.Message(SERVICE, r["client"], "response", r["transaction"], GET_DRX,
                                           [(0x02, bytes(4)), (0x10, b"\x08\0\0\0")]), flags=0x80)
            self.sim.command(f"raw-send {frame.hex()}")

    def nothing_more(self):
        assert self.sim.count("nas.get-drx") == self.asked


@pytest.fixture
def modem(sim, device, bus):
    bus.qmi(device, "Nas", "GetDrx")
    return Modem(sim)


ANSWER = ("success", {"drx": "t128"})


def begin(caller, device, timeout=600):
    """The time limit is longer than any test takes."""
    serial = caller.begin(device, DEVICE, "Request", "ssa{sv}a{sv}", "nas", "get-drx", {}, {"timeout": timeout})
    caller.settle(device)
    return serial


def aborted(caller, serial):
    with pytest.raises(DBusError, match="Aborted"):
        caller.end(serial)


def test_equal_queries(world, modem, device, bus):
    callers = [world.connect() for _ in range(10)]
    serials = [(c, begin(c, device)) for c in callers for _ in range(3)]
    modem.answer(modem.take())
    for caller, serial in serials:
        assert caller.end(serial) == ANSWER
    modem.nothing_more()
    # What comes after the answer is another question.
    serial = begin(bus, device)
    modem.answer(modem.take())
    assert bus.end(serial) == ANSWER


def test_a_command_in_between(world, modem, device, bus):
    """Who asks after it wants to know what it has changed."""
    other = world.connect()
    first = begin(bus, device)
    one = modem.take()
    other.qmi(device, "Nas", "SetSystemSelectionPreference", {"usage": "data_centric"})
    second, third = begin(other, device), begin(bus, device)
    modem.answer(one, modem.take())
    for caller, serial in ((bus, first), (other, second), (bus, third)):
        assert caller.end(serial) == ANSWER
    modem.nothing_more()


def test_other_queries_are_their_own(modem, device, bus):
    # One with another time limit would have to be told earlier or later that there is no answer. It goes out when
    # the caller's turn comes again.
    serials = [begin(bus, device), begin(bus, device), begin(bus, device, timeout=601)]
    for _ in range(2):
        modem.answer(modem.take())
    for serial in serials:
        assert bus.end(serial) == ANSWER
    modem.nothing_more()


def test_the_first_is_cancelled(world, modem, device, bus):
    """Whoever it is: the others have their answer."""
    other, leaver = world.connect(), world.connect()
    first, second = begin(bus, device), begin(other, device)
    begin(leaver, device)
    one = modem.take()
    bus.call(device, DEVICE, "Cancel", "ssa{sv}", "nas", "get-drx", {})
    aborted(bus, first)
    third = begin(bus, device)
    leaver.close()
    modem.answer(one)
    assert other.end(second) == ANSWER
    assert bus.end(third) == ANSWER
    modem.nothing_more()


def test_all_hear_of_a_failure(world, modem, device, bus):
    other = world.connect()
    serials = [(c, begin(c, device)) for c in (bus, other)]
    modem.take()
    modem.sim.command("hangup")
    for caller, serial in serials:
        with pytest.raises(DBusError) as e:
            caller.end(serial)
        assert e.value.name == f"{NAME}.Error.DeviceGone"
    modem.nothing_more()
