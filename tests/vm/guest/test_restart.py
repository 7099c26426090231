# SPDX-License-Identifier: LGPL-2.1-or-later
"""What callers keep when the daemon is started again, by systemd with its descriptor store, and when the machine has
slept."""

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from qmid import CLIENT, DEVICE, NAME, UNIT, connect, main_pid, wait_ready
from dbusclient import DBusError
from udev import PATIENCE

SCENARIO = """
ctl.services.dms = 1.14
ctl.services.nas = 1.25
ctl.services.uim = 1.40
ctl.services.wds = 1.67
dms.get-model.model = "EM7455"
nas.register-indications = {}
on nas.register-indications
do register signal-info request.signal-info
wds.get-packet-service-status.status = "disconnected"
"""
NO_REPLY = "org.freedesktop.DBus.Error.NoReply"
# systemd tells the bus that the unit has failed before it starts it again.
NO_ACTIVATION = "org.freedesktop.DBus.Error.NameHasNoOwner"


@pytest.fixture
def modem(make_modem):
    modem = make_modem(scenario=SCENARIO)
    modem.plug()
    return modem


class Holder:
    """A caller that holds what a restart must not take: registrations on its implicit client, a client of its own
    and a persistent one."""

    def __init__(self, bus, modem, port):
        self.bus, self.modem = bus, modem
        self.path = wait_ready(bus, port)
        bus.qmi(self.path, "Nas", "RegisterIndications", {"signal_info": True}, timeout=PATIENCE)
        self.own = self._open("wds", {})
        self.persistent = self._open("dms", {"persist": True})
        # The daemon's own, that the tests' questions need.
        bus.qmi(self.path, "Dms", "GetModel", timeout=PATIENCE)
        self.ids = self._ids()
        self.at_modem = self._at_modem()

    def _open(self, service, options):
        return self.bus.call(self.path, DEVICE, "OpenClient", "sa{sv}", service, options, timeout=PATIENCE)

    def _ids(self):
        return [self.bus.get(path, CLIENT, "ClientId") for path in (self.own, self.persistent)]

    def _at_modem(self):
        return sorted(self.modem.sims[0]("clients").split())

    def check(self):
        """Nothing is lost, and nothing is leaked at the modem."""
        self.bus.wait_property(self.path, DEVICE, "State", "ready", timeout=PATIENCE)
        assert self._ids() == self.ids
        assert {self.bus.get(path, CLIENT, "Owner") for path in (self.own, self.persistent)} == {self.bus.unique_name}
        assert self.bus.qmi(self.own, "Wds", "GetPacketServiceStatus", timeout=PATIENCE)
        assert self.bus.qmi(self.persistent, "Dms", "GetModel", timeout=PATIENCE) == {"model": "EM7455"}
        self.check_hears()
        assert self._at_modem() == self.at_modem

    def check_hears(self):
        self.bus.take_signals()
        self.modem.sims[0]("send nas signal-info")
        assert self.bus.wait_signal("SignalInfo", timeout=PATIENCE).path == self.path


@pytest.fixture
def holder(bus, modem, port):
    return Holder(bus, modem, port)


@contextmanager
def calls_under_way(path):
    """Calls one after another, from a second connection: the list that it fills with failures, and how many calls
    were answered."""
    failures, answered, end = [], [0], threading.Event()

    def call():
        with connect() as bus:
            while not end.is_set():
                try:
                    bus.qmi(path, "Dms", "GetModel", timeout=PATIENCE)
                    answered[0] += 1
                except DBusError as e:
                    failures.append(e)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield failures, answered
    finally:
        end.set()
        thread.join()


def restarted(services, before):
    """The new daemon's process, when it is there."""
    return services.wait(UNIT, ActiveState="active", MainPID=lambda pid: pid not in (0, before))["MainPID"]


@pytest.fixture
def measured(capsys):
    """Prints how long something took."""
    @contextmanager
    def measure(what):
        began = time.monotonic()
        yield
        with capsys.disabled():
            print(f"\n{what}: {(time.monotonic() - began) * 1000:.0f} ms")
    return measure


# ---- the daemon is started again ----

def test_systemctl_restart(services, holder, measured):
    pid = main_pid(services)
    with calls_under_way(holder.path) as (failures, answered):
        for _ in range(3):
            with measured("systemctl restart, until its job is done"):
                subprocess.run(["systemctl", "restart", UNIT], check=True)
            pid = restarted(services, pid)
            n = answered[0]
            while answered[0] == n:
                os.sched_yield()
    assert failures == []
    holder.check()


def test_kill(services, holder, measured):
    pid = main_pid(services)
    with calls_under_way(holder.path) as (failures, answered):
        for _ in range(3):
            n = answered[0]
            with measured("kill -9, until the next call is answered"):
                services.kill(UNIT, signal.SIGKILL)
                pid = restarted(services, pid)
                while answered[0] == n:
                    os.sched_yield()
    # What was in flight, and what came before the service manager had seen the end: the bus says so.
    names = [e.name for e in failures]
    assert set(names) <= {NO_REPLY, NO_ACTIVATION}, failures
    assert names.count(NO_REPLY) <= 3 and names.count(NO_ACTIVATION) <= 3, failures
    holder.check()


def test_what_is_lost_with_a_crash_is_not_held_by_the_dead(services, modem, port, holder):
    """An owner that leaves while there is no daemon is noticed by the next one."""
    with connect() as other:
        path = other.call(holder.path, DEVICE, "OpenClient", "sa{sv}", "uim", {}, timeout=PATIENCE)
        assert modem.sims[0]("clients").split().count("uim:2") == 1
        pid = main_pid(services)
        services.kill(UNIT, signal.SIGSTOP)
    services.kill(UNIT, signal.SIGKILL)
    restarted(services, pid)
    holder.at_modem = sorted([*holder.at_modem, "uim:1"])   # the daemon's own
    holder.check()
    with pytest.raises(DBusError) as e:
        holder.bus.get(path, CLIENT, "ClientId")
    assert e.value.name == f"{NAME}.Error.NoSuchDevice"


@pytest.fixture
def short_watchdog(services):
    folder = Path(f"/run/systemd/system/{UNIT}.d")
    folder.mkdir(parents=True)
    (folder / "watchdog.conf").write_text("[Service]\nWatchdogSec=2\n")
    services.reload()
    yield
    shutil.rmtree(folder)
    services.reload()
    services.restart(UNIT)


def test_the_watchdog(services, short_watchdog, holder, journal):
    services.restart(UNIT)      # with the watchdog as it is now
    pid = main_pid(services)
    services.kill(UNIT, signal.SIGSTOP)
    restarted(services, pid)
    journal.wait(f"{UNIT}: Watchdog timeout")
    holder.check()


def test_stop_gives_everything_back(services, bus, holder):
    """systemd empties the store of a unit that is stopped: nobody could go on."""
    services.stop(UNIT)
    assert holder._at_modem() == []
    services.start(UNIT)
    bus.wait_property(holder.path, DEVICE, "State", "ready", timeout=PATIENCE)
    with pytest.raises(DBusError):
        bus.get(holder.own, CLIENT, "ClientId")


def test_unplugged_while_it_restarts(services, bus, modem, holder):
    pid = main_pid(services)
    services.kill(UNIT, signal.SIGSTOP)
    modem.unplug()
    services.kill(UNIT, signal.SIGKILL)
    restarted(services, pid)
    bus.wait_property(holder.path, DEVICE, "State", f"{NAME}.Error.NoSuchDevice", timeout=PATIENCE)
    port, = modem.plug()
    wait_ready(bus, port)


# ---- the modem goes and comes back ----

def test_a_modem_that_starts_anew(bus, modem, holder):
    """Its ids are gone: the objects stay, with new ids and the registrations of before."""
    modem.replug()
    bus.wait_signal("Replaced", path=holder.own, timeout=PATIENCE)
    bus.wait_property(holder.path, DEVICE, "State", "ready", timeout=PATIENCE)
    assert bus.qmi(holder.own, "Wds", "GetPacketServiceStatus", timeout=PATIENCE)
    assert bus.qmi(holder.persistent, "Dms", "GetModel", timeout=PATIENCE) == {"model": "EM7455"}
    holder.check_hears()


def test_the_driver_goes_and_comes_back(bus, port, holder):
    """The modem stays on and keeps its ids: so do their owners."""
    driver = Path("/sys/bus/usb/drivers/qmi_wwan")
    (driver / "unbind").write_text(port.path.name)
    bus.wait_property(holder.path, DEVICE, "State", "resetting", timeout=PATIENCE)
    (driver / "bind").write_text(port.path.name)
    holder.check()


def test_another_modem_in_its_place(bus, make_modem, modem, port, holder):
    """What was held was held at the other one."""
    place = modem.device
    modem.unplug()
    other = make_modem("other", scenario=SCENARIO)
    wait_ready(bus, other.plug()[0])
    assert other.device == place
    for client in (holder.own, holder.persistent):
        assert bus.wait_signal("Ended", path=client, timeout=PATIENCE)
    assert other.sims[0]("clients").split() == ["dms:1"]    # the daemon's own


# ---- suspend ----

@pytest.fixture
def logind():
    """It is masked in this machine, for a quick start. The kernel only pretends: it freezes all processes for a
    while."""
    test = Path("/sys/power/pm_test")
    if not test.exists():
        pytest.skip("this kernel cannot pretend to sleep: CONFIG_PM_SLEEP_DEBUG")
    mask = Path("/etc/systemd/system/systemd-logind.service")
    mask.unlink()
    test.write_text("freezer")
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(["systemctl", "start", "systemd-logind.service"], check=True)
    yield
    subprocess.run(["systemctl", "stop", "systemd-logind.service"], check=True)
    test.write_text("none")
    mask.symlink_to("/dev/null")
    subprocess.run(["systemctl", "daemon-reload"], check=True)


def inhibitors():
    shown = subprocess.run(["busctl", "call", "org.freedesktop.login1", "/org/freedesktop/login1",
                            "org.freedesktop.login1.Manager", "ListInhibitors"], capture_output=True, text=True,
                           check=True).stdout
    return re.findall(r'"sleep" "(\w+)" "[^"]*" "delay"', shown)


def suspend(bus):
    rule = "type='signal',interface='org.freedesktop.login1.Manager',member='PrepareForSleep'"
    bus.add_match(rule)
    bus.call("/org/freedesktop/login1", "org.freedesktop.login1.Manager", "Suspend", "b", False,
             destination="org.freedesktop.login1", timeout=PATIENCE)
    for going in (True, False):
        assert bus.wait_signal("PrepareForSleep", timeout=PATIENCE).args == (going,)


def test_suspend(bus, services, logind, modem, holder, journal):
    services.restart(UNIT)      # logind may also come later; that is tried elsewhere
    bus.wait_property(holder.path, DEVICE, "State", "ready", timeout=PATIENCE)
    assert inhibitors() == ["qmid"]
    suspend(bus)
    holder.check()
    assert inhibitors() == ["qmid"]


def test_the_modem_loses_power_in_suspend(bus, services, logind, modem, holder):
    services.restart(UNIT)
    bus.wait_property(holder.path, DEVICE, "State", "ready", timeout=PATIENCE)
    modem.sims[0]("reset")
    suspend(bus)
    bus.wait_signal("Replaced", path=holder.own, timeout=PATIENCE)
    assert bus.qmi(holder.own, "Wds", "GetPacketServiceStatus", timeout=PATIENCE)
    holder.check_hears()
