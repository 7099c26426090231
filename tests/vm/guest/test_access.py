# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what, with the system's own polkit, logind and systemd; and the cage that the service is in."""

import fcntl
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from denials import settle
from modem import Modem, scenario
from qmid import DEVICE, SYSTEM_BUS, UNIT, connect, main_pid, wait_ready
from dbusclient import DBusError
from policy_defaults import DEFAULTS
from somebody import Somebody
from udev import PATIENCE

MISSING = Path("/authorities-missing")
pytestmark = pytest.mark.skipif(MISSING.exists(), reason=MISSING.exists() and MISSING.read_text())

DENIED = "org.freedesktop.DBus.Error.AccessDenied"
PASSWORD = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
POLKIT, LOGIND, USER_MANAGER = "polkit.service", "systemd-logind.service", "user@.service"
RULES = Path("/etc/polkit-1/rules.d")
DROP_IN = Path(f"/run/systemd/system/{UNIT}.d/test.conf")
LOGIND_CONF = Path("/run/systemd/logind.conf.d/test.conf")
VT_ACTIVATE, VT_WAITACTIVE = 0x5606, 0x5607
SMS = {"message": {"format": "gsm-wcdma-point-to-point", "data": b"\x00\x01\x00\x04\x81\x21\x43\x00\x00\x01A"}}


def run(*command):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


# ---- the machine ----


def show_terminal(number):
    """Its session is the active one then."""
    with open("/dev/tty0", "rb") as console:
        fcntl.ioctl(console, VT_ACTIVATE, number)
        fcntl.ioctl(console, VT_WAITACTIVE, number)


@pytest.fixture(scope="module")
def users():
    """carol is a member of group qmid, the others are anybody."""
    for name, options in (("alice", []), ("bob", []), ("carol", ["--groups=qmid"]), ("dave", [])):
        run("useradd", "--no-create-home", "--shell=/bin/sh", *options, name)
    yield
    for name in ("alice", "bob", "carol", "dave"):
        run("userdel", name)


@pytest.fixture(scope="module")
def authorities(users):
    """logind, which does not run here else, and polkit, with no rules of an administrator's."""
    LOGIND_CONF.parent.mkdir(parents=True)
    LOGIND_CONF.write_text("[Login]\nNAutoVTs=0\nReserveVT=0\n")
    RULES.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "mode=755", "rules", RULES)
    # Without this folder, which systemd-tmpfiles makes elsewhere, polkit hears nothing of sessions.
    Path("/run/systemd/machines").mkdir(exist_ok=True)
    run("systemctl", "unmask", "--quiet", LOGIND)
    run("systemctl", "mask", "--quiet", "--runtime", USER_MANAGER)     # seconds for each user, and no use
    run("systemctl", "start", LOGIND)
    run("systemctl", "restart", POLKIT)
    yield
    run("systemctl", "stop", POLKIT, LOGIND)
    run("systemctl", "unmask", "--quiet", "--runtime", USER_MANAGER)
    run("systemctl", "mask", "--quiet", LOGIND)
    run("umount", RULES)
    shutil.rmtree(LOGIND_CONF.parent)


class World:
    """Modems of which everything can be had, and callers; a session takes seconds, so each is made once."""

    def __init__(self, folder):
        self.folder = folder
        self.bus = connect()
        self.callers = {}
        self.modems = {}

    def plugged(self, name="modem"):
        """The modem of that name and its path."""
        if name not in self.modems:
            modem = Modem(self.folder, name, scenario=scenario("still", "wms.raw-send.message-id = 7"))
            port, = modem.plug()
            self.modems[name] = modem, wait_ready(self.bus, port)
        return self.modems[name]

    @property
    def path(self):
        return self.plugged()[1]

    def count(self, message, name="modem"):
        """How often the modem was asked."""
        return int(self.plugged(name)[0].sims[0]("count", message))

    def somebody(self, user, terminal=None):
        if (user, terminal) not in self.callers:
            self.callers[user, terminal] = Somebody(user, terminal)
        return self.callers[user, terminal]

    def close(self):
        for caller in self.callers.values():
            caller.close()
        for modem, _ in self.modems.values():
            modem.close()
        self.bus.close()


@pytest.fixture(scope="module")
def world(authorities, virtual_usb, tmp_path_factory):
    world = World(tmp_path_factory.mktemp("access"))
    yield world
    world.close()


def error_of(bus, path, service, member, request=None):
    """The name of the error; None if there is none."""
    try:
        bus.qmi(path, service, member, request, timeout=PATIENCE)
    except DBusError as e:
        return e.name
    return None


# ---- polkit's own view ----


def test_polkit_takes_the_actions(authorities):
    shown = run("pkaction", "--verbose")
    found = re.findall(r"^org\.qmid1\.(\w+):\n((?:  .*\n)+)", shown, re.M)
    actions = {name: dict(re.findall(r"^  (.*?): +(.*?) *$", text, re.M)) for name, text in found}
    assert {name: (a["implicit any"], a["implicit inactive"], a["implicit active"])
            for name, a in actions.items()} == DEFAULTS
    for action in actions.values():
        assert action["vendor"] == "qmid" and action["description"]
        assert re.match("Authentication is required (to|for) ", action["message"])
        assert action["annotation"] == "org.freedesktop.policykit.owner -> unix-user:qmid"


# ---- people ----


def test_an_ordinary_user(world):
    alice = world.somebody("alice")
    alice.wait_property(world.path, DEVICE, "Model", "SIM-5G", timeout=PATIENCE)
    assert alice.qmi(world.path, "Nas", "GetSignalInfo", timeout=PATIENCE)["lte"]["rsrp"] == -95
    seen = alice.qmi(world.path, "Nas", "GetServingSystem", timeout=PATIENCE)
    assert seen["serving_system"]["registration"] == "registered"
    assert "cell_id" not in seen and "cell_id" in seen["withheld"]
    assert world.bus.qmi(world.path, "Nas", "GetServingSystem", timeout=PATIENCE)["cell_id"] == 27447297

    assert error_of(alice, world.path, "Wms", "RawSend", SMS) == DENIED
    assert error_of(alice, world.path, "Nas", "GetCellLocationInfo") == DENIED
    assert error_of(alice, world.path, "Dms", "GetIds") == PASSWORD
    assert error_of(alice, world.path, "Dms", "SetOperatingMode", {"mode": "offline"}) == PASSWORD
    assert world.count("wms.raw-send") == world.count("dms.set-operating-mode") == 0


def test_a_member_of_the_group(world):
    carol = world.somebody("carol")
    sent = world.count("wms.raw-send")
    seen = carol.qmi(world.path, "Nas", "GetServingSystem", timeout=PATIENCE)
    assert seen["cell_id"] == 27447297 and "withheld" not in seen
    assert carol.qmi(world.path, "Wms", "RawSend", SMS, timeout=PATIENCE) == {"message_id": 7}
    assert carol.qmi(world.path, "Dms", "GetIds", timeout=PATIENCE)["imei"]
    carol.call(world.path, DEVICE, "Call", "sqa(yay)a{sv}", "dms", 0x0022, [], {}, timeout=PATIENCE)
    carol.call(world.path, DEVICE, "OpenTrace", "a{sv}", {"unmasked": True}, timeout=PATIENCE)
    assert world.count("wms.raw-send") == sent + 1


# ---- an administrator ----


def wait_until(changes, condition):
    """Until it is so. It can only have changed when polkit said so, which the daemon hears when we do."""
    while not condition():
        changes.wait_signal("Changed", timeout=PATIENCE, path="/org/freedesktop/PolicyKit1/Authority")


@pytest.fixture
def changes(world):
    """Hears polkit, and is asked nothing."""
    with connect() as bus:
        bus.add_match("type='signal',sender='org.freedesktop.PolicyKit1',member='Changed'")
        yield bus


def test_a_rule(world, changes, services):
    """One message of one service on one device for one user, at once and as long as the rule is there."""
    _, other_path = world.plugged("other")
    sent = world.count("wms.raw-send")
    alice, bob = world.somebody("alice"), world.somebody("bob")
    pid = main_pid(services)
    assert error_of(alice, world.path, "Wms", "RawSend", SMS) == DENIED

    rule = RULES / "50-test.rules"
    new = RULES / "new"
    new.write_text(f"""
        polkit.addRule(function(action, subject) {{
            if (action.id == "org.qmid1.messaging" &&
                action.lookup("device") == "{world.path.rpartition('/')[2]}" &&
                action.lookup("service") == "wms" &&
                action.lookup("message") == "raw-send" &&
                subject.user == "alice")
                return polkit.Result.YES;
        }});
    """)
    new.rename(rule)
    wait_until(changes, lambda: error_of(alice, world.path, "Wms", "RawSend", SMS) is None)
    assert world.count("wms.raw-send") == sent + 1
    assert alice.qmi(world.path, "Wms", "RawSend", SMS, timeout=PATIENCE) == {"message_id": 7}
    result, _ = alice.call(world.path, DEVICE, "Request", "ssa{sv}a{sv}", "wms", "raw-send", SMS, {}, timeout=PATIENCE)
    assert result == "success"
    for bus, path, service, member, request in ((alice, other_path, "Wms", "RawSend", SMS),
                                                (bob, world.path, "Wms", "RawSend", SMS),
                                                (alice, world.path, "Wms", "RawWrite", {"message": {
                                                    "storage": "nv", "format": "gsm-wcdma-point-to-point",
                                                    "data": b"\0"}}),
                                                (alice, world.path, "Nas", "GetCellLocationInfo", {})):
        assert error_of(bus, path, service, member, request) == DENIED, (path, member)
    with pytest.raises(DBusError) as e:     # the same bytes by another door
        alice.call(world.path, DEVICE, "Call", "sqa(yay)a{sv}", "wms", 0x0020, [], {}, timeout=PATIENCE)
    assert e.value.name == PASSWORD and "access class raw" in e.value.text
    assert (world.count("wms.raw-send"), world.count("wms.raw-send", "other")) == (sent + 3, 0)

    rule.unlink()
    wait_until(changes, lambda: error_of(alice, world.path, "Wms", "RawSend", SMS) == DENIED)
    sent = world.count("wms.raw-send")
    assert error_of(alice, world.path, "Wms", "RawSend", SMS) == DENIED
    assert world.count("wms.raw-send") == sent
    assert main_pid(services) == pid


# ---- sessions ----


YES, NOT_WITHOUT = (None, None), (PASSWORD, PASSWORD)


def may_know(bus, path):
    """Classes identity and data, which are of one kind: why not, or None."""
    data = error_of(bus, path, "Wds", "GetProfileList", {"profile_type": "3gpp"})
    return error_of(bus, path, "Dms", "GetIds"), data if data in (DENIED, PASSWORD) else None


def test_sessions(world, changes):
    """Who sits at the machine is trusted with more than who does not, and only while he sits there."""
    sent = world.count("wms.raw-send")
    show_terminal(1)
    sitting, waiting = world.somebody("alice", 1), world.somebody("bob", 2)
    far = world.somebody("dave", 0)     # polkit takes a session as active if another one of its user is
    assert len({sitting.session, waiting.session, far.session}) == 3
    wait_until(changes, lambda: may_know(sitting, world.path) == YES)
    assert may_know(waiting, world.path) == NOT_WITHOUT
    assert may_know(far, world.path) == NOT_WITHOUT
    # Nobody gives a password here, and none helps who does not sit there.
    assert error_of(sitting, world.path, "Wms", "RawSend", SMS) == PASSWORD
    assert error_of(sitting, world.path, "Nas", "GetCellLocationInfo") == PASSWORD
    assert error_of(waiting, world.path, "Wms", "RawSend", SMS) == DENIED
    assert error_of(far, world.path, "Wms", "RawSend", SMS) == DENIED

    show_terminal(2)
    wait_until(changes, lambda: may_know(sitting, world.path) == NOT_WITHOUT)
    wait_until(changes, lambda: may_know(waiting, world.path) == YES)
    show_terminal(1)
    wait_until(changes, lambda: may_know(waiting, world.path) == NOT_WITHOUT)
    wait_until(changes, lambda: may_know(sitting, world.path) == YES)
    assert world.count("wms.raw-send") == sent


# ---- no polkit ----


def check_only_the_trusted(world, alice, carol, text):
    """Everybody else gets a no, and it does not take for ever."""
    with pytest.raises(DBusError) as e:
        alice.qmi(world.path, "Dms", "GetIds", timeout=PATIENCE)
    assert e.value.name == DENIED and text in e.value.text
    seen = alice.qmi(world.path, "Nas", "GetServingSystem", timeout=PATIENCE)
    assert "cell_id" in seen["withheld"] and seen["serving_system"]
    assert carol.qmi(world.path, "Dms", "GetIds", timeout=PATIENCE)["imei"]


def test_polkit_stopped(world, changes):
    show_terminal(1)
    alice, carol = world.somebody("alice", 1), world.somebody("carol")
    wait_until(changes, lambda: may_know(alice, world.path) == YES)
    run("systemctl", "mask", "--quiet", "--runtime", "--now", POLKIT)
    try:
        world.bus.wait_no_name("org.freedesktop.PolicyKit1", timeout=PATIENCE)
        check_only_the_trusted(world, alice, carol, "does not run")
    finally:
        run("systemctl", "unmask", "--quiet", "--runtime", POLKIT)
    run("systemctl", "start", POLKIT)
    assert may_know(alice, world.path) == YES


def test_polkit_silent(world, services):
    alice, carol = world.somebody("alice"), world.somebody("carol")
    services.kill(POLKIT, signal.SIGSTOP)
    try:
        check_only_the_trusted(world, alice, carol, "does not answer")
    finally:
        services.kill(POLKIT, signal.SIGCONT)
    assert error_of(alice, world.path, "Dms", "GetIds") == PASSWORD


# ---- the cage ----


@pytest.fixture
def changed_unit(services):
    """Lines for the unit's section [Service]; it does not run then, and would not be started anew."""
    def change(*lines):
        services.stop(UNIT)
        DROP_IN.parent.mkdir(parents=True, exist_ok=True)
        DROP_IN.write_text("\n".join(["[Service]", "Restart=no", *lines, ""]))
        services.reload()

    yield change
    subprocess.run(["systemctl", "stop", "--quiet", UNIT], check=True)
    shutil.rmtree(DROP_IN.parent)
    services.reload()
    subprocess.run(["systemctl", "reset-failed", UNIT], check=False)


def start():
    """Whether the service could be started."""
    return subprocess.run(["systemctl", "start", "--quiet", UNIT], stderr=subprocess.DEVNULL).returncode == 0


def test_exposure():
    shown = run("systemd-analyze", "security", "--no-pager", "--threshold=18", UNIT)
    assert float(re.search(r"Overall exposure level for qmid\.service: ([\d.]+)", shown)[1]) <= 1.8


# What data sessions need, done by a program in the place of the daemon: an interface that is set up by rtnetlink, the
# files of its link layer, the system's groups, the bus.
NEEDS = f"""
import grp, socket, struct, sys
network = sys.argv[1]
print("file of the link layer", flush=True)
with open(f"/sys/class/net/{{network}}/qmi/raw_ip", "w") as f:
    f.write("Y")
print("group", flush=True)
assert grp.getgrnam("qmid")
print("bus", flush=True)
with socket.socket(socket.AF_UNIX) as bus:
    bus.connect("{SYSTEM_BUS.removeprefix('unix:path=')}")
print("rtnetlink", flush=True)
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as link:
    index, mtu = socket.if_nametoindex(network), struct.pack("=HHI", 8, 4, 1400)
    link.send(struct.pack("=IHHIIBBHiII", 40, 16, 5, 1, 0, 0, 0, 0, index, 0, 0) + mtu)
    error = struct.unpack_from("=16xi", link.recv(4096))[0]
    if error:
        raise OSError(-error, "Operation not permitted" if error == -1 else str(error))
"""


@pytest.fixture
def needs():
    file = Path("/run/needs.py")
    file.write_text(NEEDS)
    yield lambda network: f"ExecStartPre=/usr/bin/python3 -B {file} {network}"
    file.unlink()


def test_what_the_cage_leaves_open(changed_unit, needs, modem, port):
    changed_unit(needs(port.network))
    assert start()
    network = Path(f"/sys/class/net/{port.network}")
    assert (network / "qmi/raw_ip").read_text() == "Y\n"
    assert (network / "mtu").read_text() == "1400\n"


@pytest.mark.parametrize("with_needs, lines, expected", [
    pytest.param(False, ["SystemCallFilter=~epoll_create1"],
                 [r"status=31/SYS", r"(type=1326|SECCOMP).*comm=\"qmid\""], id="system call"),
    pytest.param(True, ["AmbientCapabilities=", "CapabilityBoundingSet="], [r"Errno 1. Operation not permitted"],
                 id="capability"),
    pytest.param(False, ["DeviceAllow="], [r"/dev/cdc-wdm\d.*Operation not permitted"], id="device"),
    pytest.param(True, ["ReadWritePaths="], [r"Read-only file system: '/sys/class/net/wwan\d"], id="file"),
    pytest.param(False, ["BindPaths=/nowhere"], [r"status=226/NAMESPACE"], id="mount namespace")])
def test_a_denial_is_seen(changed_unit, services, modem, port, needs, journal, denials, with_needs, lines, expected):
    """What every test is checked for at its end."""
    changed_unit(*([needs(port.network)] if with_needs else []), *lines)
    start()
    for pattern in expected:
        journal.wait(pattern)
    services.stop(UNIT)
    settle()
    seen = denials.take()
    for pattern in expected:
        assert any(re.search(pattern, message) for message in seen), seen
