# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine itself: modems come and go as real ones do, packets go through, the project is installed. What
qmid makes of it is for other tests."""

import os
import select
import signal
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from udev import PATIENCE
from wdm import DMS, Wdm, fails_with, services_of, take_apart, version_request

pytestmark = pytest.mark.usefixtures("without_qmid")

IN, ERR, HUP = select.POLLIN, select.POLLERR, select.POLLHUP


# ---- plugging ----

def test_a_modem_has_a_port_and_a_network_interface(modem, port):
    assert (port.name, port.network, port.interface) == ("cdc-wdm0", "wwan0", 4)
    for path in (f"/sys/class/usbmisc/{port.name}/device", f"/sys/class/net/{port.network}/device"):
        assert os.path.realpath(path) == str(port.path)
        assert os.path.basename(os.readlink(f"{path}/driver")) == "qmi_wwan"
    texts = {name: (modem.device / name).read_text().strip() for name in ("idVendor", "idProduct", "serial")}
    assert texts == {"idVendor": "2c7c", "idProduct": "0125", "serial": modem.serial}
    node = os.stat(port.node)
    assert stat.S_ISCHR(node.st_mode)


def test_an_interface_is_bound_when_both_are_there(make_modem, udev_events, kernel_events):
    modem = make_modem()
    port, = modem.plug()

    def bound(event):
        return event.action == "bind" and "/sys" + event.path == str(port.path)

    for monitor in (kernel_events, udev_events):
        monitor.wait(bound, "bind")
        steps = [(e.action, e.subsystem) for e in monitor.events if e.name in (port.name, port.network) and
                 e.subsystem in ("usbmisc", "net") or bound(e)]
        assert steps == [("add", "usbmisc"), ("add", "net"), ("bind", "usb")]


def test_a_port_speaks_with_the_simulated_modem(port):
    with Wdm(port) as wdm:
        wdm.send(7)
        transaction, tlvs = take_apart(wdm.receive())
        assert transaction == 7
        assert tlvs[0x02] == bytes(4)
        assert services_of(tlvs)[DMS] == (1, 14)
        assert fails_with(wdm.read) == "EAGAIN"


def test_usb_ids_can_be_chosen(make_modem):
    modem = make_modem(options=["--id=1199:68c0", "--profile=em7455", "--functions=1"])
    port, = modem.plug()
    assert (modem.device / "idProduct").read_text() == "68c0\n"
    assert (port.interface, port.name) == (8, "cdc-wdm0")


def test_a_modem_may_have_two_ports(make_modem):
    modem = make_modem(profile="em7455")
    ports = modem.plug()
    assert [p.interface for p in ports] == [8, 10]
    assert sorted(p.name for p in ports) == ["cdc-wdm0", "cdc-wdm1"]
    # Each has the network interface with the number of its own, and a modem's voice of its own.
    assert [p.name[-1] for p in ports] == [p.network[-1] for p in ports]
    modem.sims[1]("set", "ctl.services.dms = 9.99")
    versions = []
    for port in ports:
        with Wdm(port) as wdm:
            wdm.send(1)
            versions.append(services_of(take_apart(wdm.receive())[1])[DMS])
    assert versions == [(1, 14), (9, 99)]


def test_two_modems(make_modem):
    first, second = make_modem("first"), make_modem("second", profile="em7455")
    first.plug()
    second.plug()
    ports = first.ports + second.ports
    assert sorted(p.name for p in ports) == ["cdc-wdm0", "cdc-wdm1", "cdc-wdm2"]
    assert first.device != second.device
    first.unplug()
    assert sorted(os.listdir("/sys/class/usbmisc")) == sorted(p.name for p in second.ports)
    with Wdm(second.ports[0]) as wdm:
        wdm.send(1)
        assert wdm.receive_transaction() == 1


def test_a_modem_comes_and_goes_with_its_brain(modem):
    modem.unplug(lambda: modem.sims[0]("hangup"))
    assert not os.path.exists("/dev/cdc-wdm0")
    assert modem.plug(lambda: modem.sims[0]("listen"))[0].name == "cdc-wdm0"


# ---- unplugging ----

def test_unplugging_while_open(modem, port):
    with Wdm(port) as wdm:
        wdm.send(1)
        assert wdm.poll(PATIENCE, IN) == IN
        modem.unplug()
        # An answer that came before can still be read.
        assert wdm.poll(PATIENCE, IN) == ERR | HUP
        assert take_apart(wdm.read())[0] == 1
        assert fails_with(wdm.read) == "ENODEV"
        assert fails_with(wdm.write, version_request(2)) == "ENODEV"
        assert wdm.poll(0, IN) == ERR | HUP
    assert not os.path.exists(port.node)
    assert not os.path.exists("/sys/class/usbmisc")


def test_unplugging_wakes_who_waits(modem, port):
    found = []
    with Wdm(port) as wdm:
        waiting = threading.Thread(target=lambda: found.append(wdm.poll(PATIENCE, IN)))
        waiting.start()
        modem.unplug()
        waiting.join()
    assert found == [ERR | HUP]


def test_the_name_is_used_again_while_the_old_port_is_open(modem, port):
    with Wdm(port) as old:
        again, = modem.replug()
        assert again.name == port.name
        with Wdm(again) as new:
            new.send(5)
            assert new.receive_transaction() == 5
            assert fails_with(old.read) == "ENODEV"
            assert fails_with(old.write, version_request(6)) == "ENODEV"


@pytest.mark.parametrize("how", ["unbind", "authorized"])
def test_other_ways_to_lose_a_port_look_the_same(modem, port, udev_events, how):
    driver = Path("/sys/bus/usb/drivers/qmi_wwan")
    with Wdm(port) as wdm:
        if how == "unbind":
            (driver / "unbind").write_text(port.path.name)
        else:
            (modem.device / "authorized").write_text("0")
        assert wdm.poll(PATIENCE, IN) == ERR | HUP
        assert fails_with(wdm.read) == "ENODEV"
    if how == "unbind":
        (driver / "bind").write_text(port.path.name)
    else:
        (modem.device / "authorized").write_text("1")
    udev_events.wait(lambda e: e.action == "add" and e.name == port.name, "the port")
    udev_events.wait(lambda e: e.action == "bind" and "/sys" + e.path == str(port.path), "the interface")


def test_a_wrong_command_is_told(make_modem):
    modem = make_modem()
    for line, why in [
            ("stall-answers", "how often?"), ("stall-answers -1", "how often?"), ("halt maybe", "on or off?"),
            ("gate 1 0", "gate FUNCTION MUX?"), ("gate 0 256", "gate FUNCTION MUX?"),
            ("count apples", "no such counter"), ("wait sends", "wait COUNTER N?"), ("plug in", "too many words"),
            ("sends 3 4", "too many words"), ("explode", "no such command"), ("", "no command")]:
        with pytest.raises(RuntimeError) as e:
            modem.usb(line)
        assert str(e.value) == f"{line}: error {why}"


# ---- services ----

def test_units_and_journal(services, journal):
    unit = "bed-sleeper.service"
    Path("/run/systemd/system", unit).write_text(
        "[Service]\nType=exec\nExecStart=sh -c 'echo good night; exec sleep infinity'\n")
    services.reload()
    services.start(unit)
    first = services.properties(unit)["MainPID"]
    assert journal.wait("^good", unit) == "good night"
    services.restart(unit)
    assert services.properties(unit)["MainPID"] != first
    # The job has ended when the shell is executed, not when it has spoken.
    journal.wait("^good", unit, times=2)
    services.kill(unit, signal.SIGKILL)
    assert services.wait(unit, ActiveState="failed")["ExecMainStatus"] == signal.SIGKILL
    assert journal.messages(unit).count("good night") == 2
    services.call("ResetFailedUnit", "s", unit)


def test_the_project_is_installed(services):
    """The user, the bus policy (nobody else may own the name) and the program are there from the beginning."""
    assert os.access("/usr/libexec/qmid", os.X_OK)
    assert subprocess.run(["getent", "passwd", "qmid"], stdout=subprocess.DEVNULL).returncode == 0
    own = ["busctl", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
           "RequestName", "su", "org.qmid1", "0"]
    assert subprocess.run(own, capture_output=True).returncode == 0
    refused = subprocess.run(["setpriv", "--reuid=nobody", "--clear-groups", *own], capture_output=True, text=True)
    assert refused.returncode != 0 and "denied" in refused.stderr.lower()


# ---- a second boot ----

def path_of(port):
    return port.path.relative_to("/sys/devices").parts[-1]


def plug_two(make_modem, order):
    """The USB interfaces of two modems at given ports, plugged in that order."""
    modems = {"left": make_modem("left", port=2), "right": make_modem("right", port=5, profile="em7455")}
    ports = {}
    for name in order:
        ports[name] = modems[name].plug()
    return ({name: [path_of(p) for p in ports[name]] for name in sorted(ports)},
            {name: [p.name for p in ports[name]] for name in sorted(ports)})


def test_before_a_reboot(make_modem, kept):
    kept["paths"], kept["names"] = plug_two(make_modem, ["left", "right"])


@pytest.mark.boot(2)
def test_after_a_reboot_in_another_order(make_modem, kept):
    """The kernel's names depend on the order, the places do not."""
    paths, names = plug_two(make_modem, ["right", "left"])
    assert paths == kept["paths"]
    assert names != kept["names"]
