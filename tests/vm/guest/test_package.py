# SPDX-License-Identifier: LGPL-2.1-or-later
"""The life of the Debian package, on a machine that does not know it. dpkg takes seconds here: each test asks for
the state that it wants, and is quick when it comes behind the one above it."""

import os
import pwd
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from modem import Modem
from qmid import CLIENT, DEVICE, UNIT, connect, devices, main_pid, path_of, qmictl, wait_ready
from udev import PATIENCE

PACKAGE = Path(os.environ["QMID_PACKAGE"])
INSTALLED, REMOVED = "installed", "config-files"
ACCOUNTS = ("passwd", "group", "shadow", "gshadow")


# ---- dpkg ----

def run(*command):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


def dpkg(*arguments):
    text = run("dpkg", *arguments)
    assert not re.search("^dpkg: (warning|error)", text, re.M), text


def shown(field):
    """What dpkg knows of the package; nothing if it knows none."""
    return subprocess.run(["dpkg-query", "--show", f"--showformat=${{{field}}}", "qmid"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def state():
    return shown("db:Status-Status")


def want_installed():
    if state() != INSTALLED:
        dpkg("--install", PACKAGE)


def want_removed():
    if state() != REMOVED:
        want_installed()
        dpkg("--remove", "qmid")


def want_nothing():
    if state():
        dpkg("--purge", "qmid")


def files():
    """The package's files and links."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", PACKAGE], stdout=subprocess.PIPE) as process, \
            tarfile.open(fileobj=process.stdout, mode="r|") as archive:
        return [Path("/", member.name) for member in archive if not member.isdir()]


def named_like_it():
    """Files and folders that the package could have left anywhere, by their names."""
    found = set()
    for top in ("/etc", "/run", "/var"):
        for folder, folders, names in os.walk(top):
            folders[:] = [name for name in folders if not os.path.ismount(f"{folder}/{name}")]
            found |= {f"{folder}/{name}" for name in folders + names if re.search("qmid|qmictl", name)}
    return found


def accounts():
    return {name: Path("/etc", name).read_text() for name in ACCOUNTS}


def newer(folder):
    """The package with a higher version, else the same."""
    tree = folder / "tree"
    run("dpkg-deb", "--raw-extract", PACKAGE, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub("^(Version: .*)$", r"\1+newer", control.read_text(), flags=re.M))
    run("dpkg-deb", "-Znone", "--build", tree, folder / "newer.deb")
    return folder / "newer.deb"


# ---- the machine ----

@pytest.fixture(scope="module", autouse=True)
def before():
    """Makes a plain machine of the guest: what was there then."""
    # In containers it forbids to start services; there is a service manager here.
    Path("/usr/sbin/policy-rc.d").unlink(missing_ok=True)
    # The index of all manual pages takes minutes in an emulated machine.
    Path("/var/lib/man-db/auto-update").unlink(missing_ok=True)
    want_nothing()
    assert not [file for file in files() if os.path.lexists(file)]
    return accounts(), named_like_it()


@pytest.fixture(scope="module")
def modem(tmp_path_factory):
    """Not plugged in."""
    modem = Modem(tmp_path_factory.mktemp("modem"))
    yield modem
    modem.close()


def plugged(modem):
    """The port of the plugged modem."""
    return modem.ports[0] if modem.device else modem.plug()[0]


def check_it_works(services, port):
    # First of all, as a call on the bus would start it.
    services.wait(UNIT, ActiveState="active", SubState="running")
    with connect() as bus:
        path = wait_ready(bus, port)
        assert devices(bus) == [path]
        assert bus.get(path, DEVICE, "Port") == port.node
    assert pwd.getpwuid(os.stat(port.node).st_uid).pw_name == "qmid"
    status, out, _ = qmictl("list")
    assert status == 0 and port.node in out and "EM7455" in out
    assert qmictl("call", "dms", "get-model") == (0, "model  EM7455\n", "")


# ---- the life of a package ----

def test_install_and_plug(modem, services):
    if modem.device:
        modem.unplug()
    want_nothing()
    dpkg("--install", PACKAGE)
    check_it_works(services, plugged(modem))


def test_an_upgrade_restarts_the_daemon_and_takes_nothing(modem, services, tmp_path):
    want_installed()
    port = plugged(modem)
    check_it_works(services, port)
    pid = main_pid(services)

    with connect() as bus:
        client = bus.call(path_of(port), DEVICE, "OpenClient", "sa{sv}", "dms", {}, timeout=PATIENCE)
        held = bus.get_all(client, CLIENT)
        at_modem = sorted(modem.sims[0]("clients").split())
        dpkg("--install", newer(tmp_path))
        assert shown("Version").endswith("+newer")
        check_it_works(services, port)
        assert bus.get_all(client, CLIENT) == held and held["Owner"] == bus.unique_name
        assert bus.qmi(client, "Dms", "GetModel", timeout=PATIENCE) == {"model": "EM7455"}
        assert sorted(modem.sims[0]("clients").split()) == at_modem
    assert main_pid(services) not in (0, pid)
    assert os.readlink(f"/proc/{main_pid(services)}/exe") == "/usr/libexec/qmid"


def test_remove_gives_the_ports_back(modem, services):
    want_installed()
    port = plugged(modem)
    check_it_works(services, port)
    pid = main_pid(services)

    dpkg("--remove", "qmid")
    assert state() == REMOVED
    assert not os.path.exists(f"/proc/{pid}")
    assert services.properties(UNIT)["LoadState"] == "not-found"
    for file in (port.node, f"/sys/class/net/{port.network}/qmi/raw_ip"):
        assert (os.stat(file).st_uid, os.stat(file).st_gid) == (0, 0)
    run("udevadm", "settle")
    assert "qmid" not in run("udevadm", "info", "--query=property", port.node)
    assert not [file for file in files() if os.path.lexists(file)]


def test_purge_leaves_nothing(before):
    want_removed()
    dpkg("--purge", "qmid")
    assert state() == ""
    assert (accounts(), named_like_it()) == before


def test_install_again_while_the_modem_stays(modem, services):
    """No event of the kernel tells of the port: the package asks udev for one."""
    if not modem.device:
        want_installed()
    port = plugged(modem)
    want_nothing()
    dpkg("--install", PACKAGE)
    check_it_works(services, port)
