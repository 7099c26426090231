# SPDX-License-Identifier: LGPL-2.1-or-later
"""qmid over the kernel's drivers, as a service of the system."""

import os
import pwd
import re
import shutil
import stat
import time
from pathlib import Path

import pytest

from qmid import (DEVICE, NAME, UNIT, connect, cpu_seconds, descriptors, devices, main_pid, memory_kb,
                  qmictl, wait_gone,
                  wait_ready)
from dbusclient import DBusError
from udev import PATIENCE
from wdm import Wdm


@pytest.fixture
def ready(bus, modem, port):
    """The object path of the plugged modem."""
    return wait_ready(bus, port)


def failure(bus, serial):
    with pytest.raises(DBusError) as e:
        bus.end(serial, timeout=PATIENCE)
    return e.value.name.removeprefix(f"{NAME}.Error.")


# ---- plugging ----

def test_a_plug_starts_the_service(services, make_modem, capsys):
    services.stop(UNIT)
    modem = make_modem()
    port, = modem.plug()
    bound = time.monotonic()
    services.wait(UNIT, ActiveState="active")
    with connect() as bus:
        path = wait_ready(bus, port)
        with capsys.disabled():
            print(f"\nbind to ready, the service started meanwhile: {time.monotonic() - bound:.2f} s")
        assert devices(bus) == [path]
        properties = bus.get_all(path, DEVICE)
        assert properties["Port"] == port.node
        assert properties["Interfaces"] == [port.network]
        assert properties["Driver"] == "qmi_wwan"
        assert properties["UsbId"] == (0x2c7c, 0x0125)
        assert properties["PhysicalDevice"] == os.path.realpath(modem.device)
        assert properties["Primary"] is True
        assert path.endswith("_04")
    status, out, _ = qmictl("list")
    assert status == 0 and port.node in out and "EM7455" in out
    assert qmictl("call", "dms", "get-model") == (0, "model  EM7455\n", "")
    for name in (port.node, port.name, port.network, properties["IdPath"]):
        assert qmictl("-d", name, "call", "dms", "get-model")[0] == 0


def test_a_running_service_hears_of_a_plug(bus, services, ready, make_modem, capsys):
    other = make_modem("other")
    port, = other.plug()
    bound = time.monotonic()
    wait_ready(bus, port)
    with capsys.disabled():
        print(f"\nbind to ready, the service running: {(time.monotonic() - bound) * 1000:.0f} ms")


def test_a_call_starts_the_service(services):
    services.stop(UNIT)
    with connect() as bus:
        assert bus.get("/org/qmid1", f"{NAME}.Manager", "Version")
        assert devices(bus) == []
    assert services.properties(UNIT)["ActiveState"] == "active"


def test_the_node_belongs_to_qmid(ready, port):
    node = os.stat(port.node)
    assert stat.S_IMODE(node.st_mode) == 0o600
    assert pwd.getpwuid(node.st_uid).pw_name == "qmid"


# ---- unplugging ----

def test_unplug_with_requests_in_flight(bus, services, make_modem):
    modem = make_modem()
    port, = modem.plug()
    path = wait_ready(bus, port)
    pid = main_pid(services)
    before = descriptors(pid)
    modem.sims[0]("delay 600000 dms.get-model")
    serials = [bus.begin(path, f"{NAME}.Dms", "GetModel", "a{sv}", {}) for _ in range(100)]
    modem.sims[0]("wait-count dms.get-model 2")
    modem.unplug()
    assert {failure(bus, serial) for serial in serials} == {"DeviceGone"}
    wait_gone(bus, path)
    assert main_pid(services) == pid
    assert descriptors(pid) < before

    modem.sims[0]("delay 0 dms.get-model")
    port, = modem.plug()
    assert wait_ready(bus, port) == path
    assert bus.qmi(path, "Dms", "GetModel", timeout=PATIENCE) == {"model": "EM7455"}
    assert descriptors(pid) == before


def test_replug_under_another_name(bus, services, make_modem):
    """The node's name is taken while the modem is away; its object keeps its own."""
    one, two = make_modem("one"), make_modem("two")
    port, = one.plug()
    path = wait_ready(bus, port)
    place = one.device
    assert port.name == "cdc-wdm0"
    one.unplug()
    wait_gone(bus, path)
    other, = two.plug()
    assert other.name == "cdc-wdm0"
    wait_ready(bus, other)
    port, = one.plug()
    assert port.name == "cdc-wdm1"
    again = wait_ready(bus, port)
    assert (again == path) == (one.device == place)
    assert bus.get(again, DEVICE, "Port") == "/dev/cdc-wdm1"


def test_gone_and_back_at_once(bus, modem, port, ready):
    """The new node has the old one's name, and is there before anybody has heard of the removal."""
    port, = modem.replug()
    path = wait_ready(bus, port)
    assert path == ready
    assert bus.qmi(path, "Dms", "GetModel", timeout=PATIENCE) == {"model": "EM7455"}


def test_many_cycles_leak_nothing(bus, services, make_modem):
    modem = make_modem()
    seen = []
    for i in range(50):
        port, = modem.plug()
        path = wait_ready(bus, port)
        assert bus.qmi(path, "Dms", "GetModel", timeout=PATIENCE) == {"model": "EM7455"}
        modem.unplug()
        modem.sims[0]("reset")  # without power it forgets its client ids
        wait_gone(bus, path)
        seen.append((descriptors(main_pid(services)), memory_kb(main_pid(services))))
    assert len({pid_fds for pid_fds, _ in seen}) == 1, seen
    # The first cycles warm it up.
    assert seen[-1][1] <= seen[10][1] + 64, seen


# ---- the port ----

def answers(bus, path, timeout=PATIENCE):
    return bus.qmi(path, "Dms", "GetModel", timeout=timeout) == {"model": "EM7455"}


def ask(bus, path, seconds):
    """A request with a time limit of its own: its serial."""
    return bus.begin(path, DEVICE, "Request", "ssa{sv}a{sv}", "dms", "get-model", {}, {"timeout": ("d", seconds)})


def test_many_requests_at_once(bus, modem, ready):
    """The driver takes one frame at a time, and says so with EAGAIN."""
    serials = [bus.begin(ready, f"{NAME}.Dms", "GetModel", "a{sv}", {}) for _ in range(100)]
    for serial in serials:
        assert bus.end(serial, timeout=PATIENCE) == {"model": "EM7455"}


def test_a_request_that_the_port_would_cut(bus, modem, ready):
    before = int(modem.usb("count", "sends"))
    with pytest.raises(DBusError) as e:
        bus.call(ready, DEVICE, "Call", "sqa(yay)a{sv}", "dms", 0x0022, [(0x10, bytes(5000))], {}, timeout=PATIENCE)
    assert e.value.name == f"{NAME}.Error.InvalidArgument"
    assert answers(bus, ready)
    assert int(modem.usb("count", "sends")) <= before + 3   # an id for the caller, perhaps, and what was answered


@pytest.mark.parametrize("fault", ["stall-answers", "refuse-sends", "cut-answers"])
def test_one_request_fails_and_the_next_works(bus, modem, ready, fault):
    assert answers(bus, ready)
    modem.usb(fault, 1)
    assert failure(bus, ask(bus, ready, 2)) == "Timeout"
    assert answers(bus, ready)
    assert answers(bus, ready)


def test_a_lost_notification(bus, modem, ready):
    assert answers(bus, ready)
    modem.usb("lose-notifications", 1)
    assert failure(bus, ask(bus, ready, 2)) == "Timeout"
    # From here on the port is one answer behind.
    for _ in range(5):
        assert answers(bus, ready)


def test_answers_that_were_left_in_the_port(bus, services, modem, port, ready):
    """By whoever had it before us, and several: nothing of ours has to wait until it is asked again."""
    services.stop(UNIT)
    modem.usb("lose-notifications", 3)
    with Wdm(port) as wdm:
        for transaction in (201, 202, 203):
            with modem.counted("lose-notifications"):
                wdm.send(transaction)
    services.start(UNIT)
    assert wait_ready(bus, port) == ready
    for _ in range(5):
        assert answers(bus, ready)


def test_an_answer_in_two_parts(bus, modem, ready):
    modem.usb("split-answers", 1)
    assert answers(bus, ready)


def test_a_modem_that_hangs(bus, services, modem, ready):
    modem.usb("halt", "on")
    serials = [ask(bus, ready, 2) for _ in range(10)]
    assert {failure(bus, serial) for serial in serials} == {"Timeout"}
    modem.usb("halt", "off")
    assert answers(bus, ready)


def test_errors_of_the_port_cost_no_cpu(bus, services, modem, ready):
    pid = main_pid(services)
    modem.usb("refuse-sends", 1)
    before = cpu_seconds(pid)
    assert failure(bus, ask(bus, ready, 3)) == "Timeout"
    spent = cpu_seconds(pid) - before
    assert spent < 1.5, f"{spent} s of CPU in 3 s of waiting"


# ---- several modems ----

def test_two_modems_with_two_ports(bus, make_modem):
    one, two = make_modem("one", profile="em7455"), make_modem("two", profile="em7455")
    ports = one.plug() + two.plug()
    paths = [wait_ready(bus, port) for port in ports]
    assert len(set(paths)) == 4 and sorted(paths) == devices(bus)
    for port, path in zip(ports, paths):
        properties = bus.get_all(path, DEVICE)
        assert properties["Port"] == port.node
        assert properties["Interfaces"] == [port.network]
        assert properties["PhysicalDevice"] == os.path.realpath(port.path.parent)
        assert properties["Primary"] is (port.interface == 8)
    with pytest.raises(DBusError) as e:
        bus.call("/org/qmid1", f"{NAME}.Manager", "FindDevice", "sa{sv}", "", {})
    assert e.value.name == f"{NAME}.Error.AmbiguousDevice"


def plug_by_place(make_modem, order):
    """Two modems on certain sockets, plugged in this order: {socket: object path}."""
    modems = {place: make_modem(f"place{place}", port=place) for place in order}
    with connect() as bus:
        return {str(place): wait_ready(bus, modems[place].plug()[0]) for place in order}


def test_names_before_a_reboot(make_modem, kept):
    kept["names"] = plug_by_place(make_modem, [2, 5])


@pytest.mark.boot(2)
def test_names_after_a_reboot_in_another_order(make_modem, kept):
    assert plug_by_place(make_modem, [5, 2]) == kept["names"]


# ---- as a service ----

def test_restart(bus, services, modem, ready):
    """More often than the modem has client ids: each life gives back what it had."""
    for _ in range(6):
        services.restart(UNIT)
        bus.wait_property(ready, DEVICE, "State", "ready", timeout=PATIENCE)
        assert answers(bus, ready)
    assert modem.sims[0]("clients").split() == ["dms:1"]


def test_kill(bus, services, ready):
    pid = main_pid(services)
    services.kill(UNIT, 9)
    services.wait(UNIT, ActiveState="active", SubState="running")
    bus.wait_property(ready, DEVICE, "State", "ready", timeout=PATIENCE)
    assert main_pid(services) not in (0, pid)
    assert answers(bus, ready)


@pytest.fixture
def impatient(services):
    """The service leaves after 3 s in place of 30."""
    folder = Path(f"/run/systemd/system/{UNIT}.d")
    command = re.search("^ExecStart=(.*)$", Path(services.properties(UNIT)["FragmentPath"]).read_text(), re.M)[1]
    services.stop(UNIT)
    folder.mkdir(parents=True)
    (folder / "idle.conf").write_text(f"[Service]\nExecStart=\nExecStart={command} --idle=3\n")
    services.reload()
    yield
    shutil.rmtree(folder)
    services.reload()


def test_idle_exit(services, impatient):
    with connect() as bus:
        assert bus.get("/org/qmid1", f"{NAME}.Manager", "Version")
        services.wait(UNIT, ActiveState="inactive")
        assert services.properties(UNIT)["Result"] == "success"
        assert bus.get("/org/qmid1", f"{NAME}.Manager", "Version")


def test_messages_of_another_vendor(bus, modem, ready):
    """It is a Quectel: HP's message must not reach it, by whichever door, as its id may mean anything there."""
    for serial in (bus.begin(ready, f"{NAME}.Dms", "HpChangeDeviceMode", "a{sv}", {"mode": "fastboot"}),
                   bus.begin(ready, DEVICE, "Request", "ssa{sv}a{sv}", "dms", "hp-change-device-mode",
                             {"mode": "fastboot"}, {}),
                   bus.begin(ready, f"{NAME}.Gas", "GetUsbComposition", "a{sv}", {}),
                   bus.begin(ready, DEVICE, "Call", "sqa(yay)a{sv}", "gas", 0x0204, [], {}),
                   bus.begin(ready, DEVICE, "OpenClient", "sa{sv}", "gas", {})):
        with pytest.raises(DBusError) as e:
            bus.end(serial, timeout=PATIENCE)
        assert e.value.name == f"{NAME}.Error.InvalidArgument"
        assert re.search("only modems of vendor 0x(03f0|1bc7) have it", e.value.text)
    assert modem.sims[0]("count dms.hp-change-device-mode") == "0"
