# SPDX-License-Identifier: LGPL-2.1-or-later
"""Data sessions without a hand: the unit that connects at boot, and the example of a connection manager."""

import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from data import Pinger, ping
from qmid import UNIT, qmictl
from udev import PATIENCE

ROOT = Path(__file__).resolve().parents[3]
MISSING = Path("/neighbours-missing")
CONF, CREDENTIALS = Path("/etc/qmid/connect"), Path("/etc/credstore")
DENIALS = re.compile(r"SECCOMP|seccomp|Operation not permitted|Permission denied|apparmor=.DENIED", re.I)


@pytest.fixture
def modem(make_modem, data_scenario):
    """One that is not plugged in yet."""
    return make_modem(scenario=data_scenario)


@pytest.fixture
def enable(services, journal):
    """Enables the unit of a name, with options and perhaps a password: its name. qmid does not run."""
    units = []

    def enable(name, options, password=None):
        services.stop(UNIT)
        CONF.mkdir(parents=True, exist_ok=True)
        (CONF / f"{name}.conf").write_text(f'OPTIONS="{options}"\n')
        if password is not None:
            CREDENTIALS.mkdir(exist_ok=True)
            (CREDENTIALS / f"qmid-connect.{name}").write_text(f"{password}\n")
            (CREDENTIALS / f"qmid-connect.{name}").chmod(0o600)
        units.append(f"qmid-connect@{name}.service")
        subprocess.run(["systemctl", "enable", "--quiet", "--runtime", units[-1]], check=True)
        return units[-1]

    yield enable
    for unit in units:
        services.stop(unit)
        subprocess.run(["systemctl", "disable", "--quiet", "--runtime", unit], check=True)
        subprocess.run(["systemctl", "reset-failed", unit], check=False, capture_output=True)
        assert not [m for m in journal.messages(unit) if DENIALS.search(m)]


def addresses(network):
    shown = subprocess.run(["ip", "-brief", "address", "show", "dev", network], capture_output=True, text=True, check=True)
    return [word for word in shown.stdout.split()[2:] if not word.startswith("fe80:")]


def test_a_plug_connects(services, journal, enable, modem):
    unit = enable("internet", "--apn=internet --configure")
    port, = modem.plug()
    assert "is connected" in services.wait(unit, ActiveState="active")["StatusText"]
    for family in (4, 6):
        ping(port.network, family)

    pid = services.properties(unit)["MainPID"]
    services.restart(UNIT)
    ping(port.network, 4)

    modem.unplug()
    journal.wait("^Session 1 has ended: ", unit)
    port, = modem.plug()
    journal.wait("^Session . is connected: ", unit, times=2)
    for family in (4, 6):
        ping(port.network, family)
    assert services.properties(unit)["MainPID"] == pid

    services.stop(unit)
    assert addresses(port.network) == []
    assert modem.gate()["ipv4"] == modem.gate()["ipv6"] == "closed"
    assert qmictl("-j", "sessions") == (0, "[]\n", "")


def test_a_password_from_the_service_manager(services, enable, modem):
    unit = enable("login", "--apn=login.example --user=guest --configure", password="guest")
    port, = modem.plug()
    services.wait(unit, ActiveState="active")
    ping(port.network, 4)


def test_a_wrong_password_is_not_tried_again(services, enable, modem):
    unit = enable("wrong", "--apn=login.example --user=guest", password="wrong")
    modem.plug()
    found = services.wait(unit, ActiveState="failed")
    assert (found["ExecMainStatus"], found["NRestarts"]) == (1, 0)
    assert modem.sims[0]("count wds.start-network") == "1"


def test_connection_manager(services, modem):
    """The example, which sets the interface up itself."""
    port, = modem.plug()
    services.wait(UNIT, ActiveState="active")
    assert qmictl("connect", "--apn=internet", "--wait")[0] == 0    # now it is ready
    assert qmictl("disconnect")[0] == 0
    with subprocess.Popen([ROOT / "docs/examples/connection-manager.py", "internet"], stdout=subprocess.PIPE,
                          text=True) as manager:
        timer = threading.Timer(PATIENCE, manager.kill)
        timer.start()
        line = manager.stdout.readline()
        assert f": {port.network} " in line
        ping(port.network, 4)
        with Pinger(port.network, 6, far="2001:db8:ffff::1") as pinger:    # by the default route
            pinger.ping(3)
        manager.send_signal(signal.SIGINT)
        assert manager.wait(PATIENCE) == 0
        timer.cancel()
    assert addresses(port.network) == []


@pytest.fixture
def networkd(services):
    unit = "systemd-networkd.service"
    services.start(unit)
    yield
    # Else a socket starts it again.
    subprocess.run(["systemctl", "stop", unit.replace(".service", ".socket"), unit], check=True)


def test_networkd(services, modem, networkd):
    """The other example: systemd-networkd sets the interface up, and forgets it when the session ends."""
    port, = modem.plug()
    services.wait(UNIT, ActiveState="active")
    with subprocess.Popen(["qmictl", "--json=short", "connect", "--apn=internet", "--wait", "--foreground"],
                          stdout=subprocess.PIPE) as session, \
            subprocess.Popen([ROOT / "docs/examples/to-networkd.py"], stdin=session.stdout) as manager:
        session.stdout.close()
        try:
            subprocess.run(["/lib/systemd/systemd-networkd-wait-online", f"--interface={port.network}:routable",
                            f"--timeout={PATIENCE}"], check=True)
            for family, far in ((4, "198.51.100.7"), (6, "2001:db8:ffff::1")):      # by default routes
                with Pinger(port.network, family, far=far) as pinger:
                    pinger.ping(3)
        finally:
            session.terminate()
        assert manager.wait(PATIENCE) == 0
    assert addresses(port.network) == []


def block(beginning):
    """Of docs/data.md, that with this first line."""
    text = (ROOT / "docs/data.md").read_text()
    return text[text.index(f"\n{beginning}\n") + 1:].split("```")[0]


@pytest.fixture
def network_manager(services):
    """With what docs/data.md gives it."""
    unit, dispatcher = "NetworkManager.service", "NetworkManager-dispatcher.service"
    script, conf = Path("/etc/NetworkManager/dispatcher.d/50-qmid"), Path("/etc/NetworkManager/conf.d/qmid.conf")
    for file, text in ((script, block("#!/bin/sh")), (conf, block("[keyfile]"))):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    script.chmod(0o755)
    subprocess.run(["systemctl", "enable", "--quiet", "--runtime", dispatcher], check=True)
    services.start(unit)
    yield
    subprocess.run(["nmcli", "connection", "delete", "cable"], check=False)
    services.stop(unit)
    services.stop(dispatcher)
    subprocess.run(["systemctl", "disable", "--quiet", "--runtime", dispatcher], check=True)
    script.unlink()
    conf.unlink()


@pytest.mark.skipif(MISSING.exists(), reason=MISSING.exists() and MISSING.read_text())
def test_network_manager(services, enable, modem, network_manager):
    """It leaves the interface alone, and its dispatcher connects by modem only while there is nothing else."""
    unit = enable("internet", "--apn=internet --configure")
    port, = modem.plug()
    services.wait(unit, ActiveState="active")
    shown = subprocess.run(["nmcli", "-t", "-f", "DEVICE,STATE", "device"], capture_output=True, text=True, check=True)
    assert f"{port.network}:unmanaged" in shown.stdout or port.network not in shown.stdout
    subprocess.run(["nmcli", "connection", "add", "type", "dummy", "ifname", "cable", "con-name", "cable",
                    "ipv4.method", "manual", "ipv4.addresses", "198.51.100.2/24", "ipv4.gateway", "198.51.100.1"],
                   check=True)        # which connects it
    services.wait(unit, ActiveState="inactive")
    assert addresses(port.network) == []
    subprocess.run(["nmcli", "connection", "down", "cable"], check=True)
    services.wait(unit, ActiveState="active")
    ping(port.network, 4)
