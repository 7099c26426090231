# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests in the virtual machine share. The machine has one life for all of them: each leaves it as it was
found, with nothing plugged in.

A test marked with boot(2) runs in a second boot of the machine, after all others, and gets what they left in
`kept`."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from denials import Denials, settle
from modem import Modem, scenario
from qmid import connect
from sessions import Line
from service_manager import Journal, ServiceManager
from udev import GROUP_KERNEL, Monitor

OUT = Path("/run/out")
BOOT = int(os.environ["QMID_VM_BOOT"])
# It wants a machine in which the project is not installed: vm.py --package.
collect_ignore = [] if "QMID_PACKAGE" in os.environ else ["test_package.py"]


def pytest_configure(config):
    config.addinivalue_line("markers", "boot(n): in the n-th boot of the machine, not the first")


def boot_of(item):
    mark = item.get_closest_marker("boot")
    return mark.args[0] if mark else 1


@pytest.hookimpl(trylast=True)     # after -k and -m have chosen
def pytest_collection_modifyitems(config, items):
    (OUT / "boots").write_text(str(max([1, *map(boot_of, items)])))
    others = [item for item in items if boot_of(item) != BOOT]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if boot_of(item) == BOOT]


def pytest_sessionfinish(session, exitstatus):
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and (OUT / "boots").read_text() != str(BOOT):
        session.exitstatus = pytest.ExitCode.OK     # they are for another boot


@pytest.fixture(scope="session")
def kept():
    """A dictionary that outlives the machine."""
    file = OUT / "kept.json"
    things = json.loads(file.read_text()) if file.exists() else {}
    yield things
    file.write_text(json.dumps(things))


@pytest.fixture(scope="session", autouse=True)
def virtual_usb():
    subprocess.run(["modprobe", "vhci-hcd"], check=True)


@pytest.fixture(scope="session")
def denials():
    """What the cage has refused since the last look."""
    denials = Denials()
    yield denials
    settle()
    assert not denials.take()


@pytest.fixture(autouse=True)
def no_denials(denials):
    """After every test. What the journal has a little later is the next one's."""
    yield
    assert not denials.take()


@pytest.fixture(scope="module")
def without_qmid():
    """For files whose tests use the ports themselves."""
    subprocess.run(["systemctl", "mask", "--runtime", "--now", "--quiet", "qmid.service"], check=True)
    yield
    subprocess.run(["systemctl", "unmask", "--runtime", "--quiet", "qmid.service"], check=True)


@pytest.fixture
def make_modem(tmp_path):
    """Makes modems that are not plugged in yet: the arguments of Modem."""
    modems = []

    def make(name="modem", **options):
        modems.append(Modem(tmp_path, name, **options))
        return modems[-1]

    yield make
    for modem in reversed(modems):
        modem.close()


@pytest.fixture
def modem(make_modem):
    """A plugged modem with one port."""
    modem = make_modem()
    modem.plug()
    return modem


@pytest.fixture
def port(modem):
    return modem.ports[0]


@pytest.fixture
def udev_events():
    with Monitor() as monitor:
        yield monitor


@pytest.fixture
def kernel_events():
    with Monitor(GROUP_KERNEL) as monitor:
        yield monitor


@pytest.fixture
def services():
    manager = ServiceManager()
    yield manager
    manager.close()


@pytest.fixture
def journal():
    return Journal()


@pytest.fixture
def bus():
    with connect() as bus:
        yield bus


# ---- modems with a network ----

@pytest.fixture(scope="session")
def data_scenario():
    return scenario("data")


@pytest.fixture
def make_lines(make_modem, data_scenario, bus):
    """Makes and plugs a modem: a Line for each port."""
    def make(**options):
        modem = make_modem(scenario=data_scenario, **options)
        modem.plug()
        return [Line(bus, modem, i) for i in range(len(modem.ports))]

    return make


@pytest.fixture
def line(make_lines):
    return make_lines()[0]
