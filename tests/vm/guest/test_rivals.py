# SPDX-License-Identifier: LGPL-2.1-or-later
"""qmid beside other programs that use QMI ports: qmi-proxy, qmicli and ModemManager as Debian has them."""

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from qmid import DEVICE, NAME, UNIT, main_pid, path_of, qmictl, wait_ready
from dbusclient import DBusError
from udev import PATIENCE

MISSING = Path("/neighbours-missing")
pytestmark = pytest.mark.skipif(MISSING.exists(), reason=MISSING.exists() and MISSING.read_text())

MODEM_MANAGER = "ModemManager.service"
# Debian's unit takes the right to open other users' nodes away from ModemManager, and they are user qmid's.
DROP_IN = Path("/run/systemd/system") / f"{MODEM_MANAGER}.d/test.conf"
DROP_IN_TEXT = "[Service]\nCapabilityBoundingSet=CAP_DAC_OVERRIDE\n"
RULES = Path("/run/udev/rules.d/50-test.rules")


class QmiProxy:
    """libqmi's, which opens a port when a client of it asks for one."""

    def __init__(self):
        self.process = subprocess.Popen(["stdbuf", "--output=L", "/usr/libexec/qmi-proxy", "--no-exit", "--verbose"],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            if "will remain running" in line:   # it listens
                return
        raise RuntimeError("qmi-proxy did not start")

    def stop(self):
        self.process.terminate()
        self.process.communicate(timeout=PATIENCE)


@pytest.fixture
def qmi_proxy():
    """Starts one."""
    started = []

    def start():
        started.append(QmiProxy())
        return started[-1]

    yield start
    for proxy in started:
        proxy.stop()


@pytest.fixture
def modem_manager(services):
    """Its unit; a test starts and stops it."""
    DROP_IN.parent.mkdir(parents=True)
    DROP_IN.write_text(DROP_IN_TEXT)
    services.reload()
    yield MODEM_MANAGER
    services.stop(MODEM_MANAGER)
    services.stop("polkit.service")     # came with it
    DROP_IN.unlink()
    DROP_IN.parent.rmdir()
    services.reload()


@pytest.fixture
def udev_rules():
    """Sets rules, which hold until the end of the test."""
    def reload():
        subprocess.run(["udevadm", "control", "--reload"], check=True)

    def use(text):
        RULES.parent.mkdir(parents=True, exist_ok=True)
        RULES.write_text(text)
        reload()

    yield use
    RULES.unlink(missing_ok=True)
    reload()


def ask_through_proxy(port):
    """qmicli, which asks for the model."""
    return subprocess.Popen(["qmicli", "--device-open-proxy", f"--device={port.node}", "--dms-get-model"],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_busy(bus, path, reason):
    bus.wait_property(path, DEVICE, "StateReason", reason, timeout=PATIENCE)
    assert bus.get(path, DEVICE, "State") == "busy"
    with pytest.raises(DBusError) as e:
        bus.qmi(path, "Dms", "GetModel")
    assert e.value.name == f"{NAME}.Error.NotReady"
    assert reason in e.value.text


def answers(bus, path):
    return bus.qmi(path, "Dms", "GetModel", timeout=PATIENCE) == {"model": "EM7455"}


def open_ports(services):
    """Which ports qmid has open."""
    names = []
    for descriptor in Path(f"/proc/{main_pid(services)}/fd").iterdir():
        try:
            names.append(os.readlink(descriptor))
        except FileNotFoundError:   # closed meanwhile
            pass
    return [name for name in names if name.startswith("/dev/cdc-wdm")]


def test_qmi_proxy_and_a_lock_come_first(bus, services, make_modem, qmi_proxy):
    proxy = qmi_proxy()
    modem = make_modem()
    port, = modem.plug()
    path = path_of(port)
    reason = "qmi-proxy runs and would use the port too"
    wait_busy(bus, path, reason)
    status, _, error = qmictl("call", "dms", "get-model")
    assert status != 0 and reason in error
    # The proxy is idle: nothing at all has been sent.
    assert modem.usb("count sends") == "0"
    assert open_ports(services) == []

    text, _ = ask_through_proxy(port).communicate(timeout=PATIENCE)
    assert "EM7455" in text
    assert open_ports(services) == []
    sends = modem.usb("count sends")

    # The next one takes the port before the proxy lets go of it.
    lock = os.open(port.node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    proxy.stop()
    wait_busy(bus, path, f"another program has locked {port.node}")
    assert modem.usb("count sends") == sends
    os.close(lock)
    assert wait_ready(bus, port) == path
    assert answers(bus, path)
    assert open_ports(services) == [port.node]


def warnings(journal):
    return [m for m in journal.messages(UNIT) if "has opened" in m]


def test_modem_manager_comes_first(bus, services, make_modem, journal, modem_manager, udev_rules):
    """A modem that it takes, and one that it is told to leave to qmid."""
    udev_rules('ACTION!="remove", ATTRS{serial}=="TAKEN", ENV{ID_MM_DEVICE_IGNORE}="1", ENV{QMID_TAKE}="1"\n')
    services.start(modem_manager)
    left, taken = make_modem("left"), make_modem("taken")
    port, = left.plug()
    taken_port, = taken.plug()
    wait_busy(bus, path_of(port), "ModemManager runs and would use the port too")
    taken_path = wait_ready(bus, taken_port)
    assert answers(bus, taken_path)

    left.usb("wait sends 1")        # ModemManager's
    assert open_ports(services) == [taken_port.node]
    services.stop(modem_manager)
    assert answers(bus, wait_ready(bus, port))
    assert answers(bus, taken_path)
    assert warnings(journal) == []      # ModemManager has left it alone


def test_rivals_come_later(bus, services, modem, port, journal, qmi_proxy, modem_manager):
    path = wait_ready(bus, port)
    # What udev does with the node is no reason to warn.
    subprocess.run(["udevadm", "trigger", "--settle", "--action=change", f"--name-match={port.name}"], check=True)
    proxy = qmi_proxy()
    qmicli = ask_through_proxy(port)
    device = path.rpartition("/")[2]
    assert journal.wait("has opened", UNIT).startswith(f"{device}: qmi-proxy has opened {port.node} too")
    qmicli.kill()
    qmicli.communicate()
    proxy.stop()
    os.close(os.open(port.node, os.O_RDWR | os.O_NONBLOCK))     # once more; it is told once
    assert answers(bus, path)
    assert bus.get(path, DEVICE, "State") == "ready"
    assert len(warnings(journal)) == 1

    port, = modem.replug()
    assert wait_ready(bus, port) == path
    services.start(modem_manager)
    journal.wait("ModemManager has opened", UNIT)
    services.stop(modem_manager)
    assert bus.get(path, DEVICE, "State") == "ready"
    assert answers(bus, path)
    assert len(warnings(journal)) == 2
