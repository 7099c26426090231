# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of the tests that run the real binaries."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import qmidtest  # noqa: E402
from polkit import Polkit  # noqa: E402


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    setattr(item, f"report_{call.when}", outcome.get_result())


def has_failed(request):
    report = getattr(request.node, "report_call", None)
    return report is None or report.failed


def make_world(request, directory, bus_kind):
    try:
        return qmidtest.World(directory, bus_kind)
    except qmidtest.Missing as e:
        pytest.skip(str(e))


@pytest.fixture
def short_path(tmp_path_factory):
    """A folder whose path is short enough for sockets in it."""
    return tmp_path_factory.mktemp("q")


@pytest.fixture
def world(request, short_path):
    """A private bus (dbus-daemon), where a test starts what it needs."""
    w = make_world(request, short_path, "dbus-daemon")
    yield w
    w.stop(failed=has_failed(request))


@pytest.fixture(params=qmidtest.BUS_KINDS)
def each_world(request, short_path):
    """The same on each kind of bus."""
    w = make_world(request, short_path, request.param)
    yield w
    w.stop(failed=has_failed(request))


@pytest.fixture
def sim(world):
    """A simulated modem, of which nothing changes by itself."""
    return world.sim()


@pytest.fixture
def device(world, sim):
    """The object path of that modem, with the daemon running and the device ready."""
    world.start_daemon()
    return sim.device


@pytest.fixture
def bus(world):
    """A caller on the bus."""
    return world.connect()


@pytest.fixture
def polkit(world):
    with Polkit(world.bus.address) as p:
        yield p
