# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine sleeps, and has slept: logind says so, a stand-in of python3-dbusmock's."""

import collections
import time

import pytest
import qmidtest
from dbusclient import NAME, TIMEOUT, DBusError
from test_clients import CLIENT, DEVICE, open_client

LOGIND, PATH = "org.freedesktop.login1", "/org/freedesktop/login1"
MANAGER = f"{LOGIND}.Manager"


class Logind:
    def __init__(self, world):
        self.bus = world.connect()
        self.process = qmidtest.Process(
            world.directory, "logind", ["/usr/bin/python3", "-m", "dbusmock", "--system", "--template", "logind"],
            env={"DBUS_SYSTEM_BUS_ADDRESS": world.bus.address})
        self.bus.wait_name(LOGIND)
        # The name is there before the object is.
        self._until(self._is_there)

    def _until(self, holds):
        deadline = time.monotonic() + TIMEOUT
        while not holds():
            assert time.monotonic() < deadline

    def _is_there(self):
        try:
            self.bus.call(PATH, MANAGER, "ListInhibitors", destination=LOGIND)
        except DBusError:
            return False
        return True

    def prepare(self, sleep):
        self.bus.call(PATH, "org.freedesktop.DBus.Mock", "EmitSignal", "sssav", MANAGER, "PrepareForSleep", "b",
                      [sleep], destination=LOGIND)

    def delays(self):
        return [(what, who, mode) for what, who, _, mode, _, _ in
                self.bus.call(PATH, MANAGER, "ListInhibitors", destination=LOGIND)]

    def wait_delayed(self, delayed):
        """Until qmid holds it up, or does not."""
        self._until(lambda: self.delays() == ([("sleep", "qmid", "delay")] if delayed else []))

    def stop(self):
        self.process.kill()


@pytest.fixture
def logind(world):
    logind = Logind(world)
    yield logind
    logind.stop()


@pytest.fixture
def asleep(world, sim, logind):
    """The machine is about to sleep: a caller that holds something."""
    world.start_daemon()
    bus = world.connect()
    bus.qmi(sim.device, "Nas", "RegisterIndications", {"signal_info": True})
    logind.wait_delayed(True)
    logind.prepare(True)
    logind.wait_delayed(False)
    return bus


def checks(sim):
    """How many more there will have been when each id is asked for once more."""
    ids = collections.Counter(service for service, _ in sim.clients())
    return {f"{service}.get-supported-messages": sim.count(f"{service}.get-supported-messages") + n
            for service, n in ids.items()}


def test_all_is_as_it_was(sim, logind, asleep):
    bus, before = asleep, sim.clients()
    # Callers' requests go on until the end.
    assert bus.qmi(sim.device, "Dms", "GetModel")
    expected = checks(sim)
    logind.prepare(False)
    logind.wait_delayed(True)
    for message, n in expected.items():
        sim.wait_count(message, n)
    bus.wait_property(sim.device, DEVICE, "State", "ready")
    assert sim.clients() == before
    sim.send("nas", "signal-info")
    assert bus.wait_signal("SignalInfo").path == sim.device
    # And the next time.
    logind.prepare(True)
    logind.wait_delayed(False)


def test_the_modem_has_forgotten(sim, logind, asleep):
    bus = asleep
    bus.add_match(f"type='signal',sender='{NAME}',member='Replaced'")
    own = open_client(bus, sim.device, "wds")
    sim.command("reset")
    logind.prepare(False)
    bus.wait_signal("Replaced", path=own)
    bus.wait_property(sim.device, DEVICE, "State", "ready")
    assert bus.qmi(own, "Wds", "GetPacketServiceStatus")
    assert bus.get(own, CLIENT, "Owner") == bus.unique_name


def test_logind_comes_later(world, sim, device):
    """Or was started anew."""
    for _ in range(2):
        logind = Logind(world)
        logind.wait_delayed(True)
        logind.stop()


def test_there_is_no_logind(world, sim, device, bus):
    assert bus.qmi(device, "Dms", "GetModel")
    assert "logind" not in world.daemon.output()
