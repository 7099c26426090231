# SPDX-License-Identifier: LGPL-2.1-or-later
"""org.freedesktop.LogControl1, as systemctl service-log-level speaks to it."""

import pytest
from dbusclient import PROPERTIES, DBusError

PATH = "/org/freedesktop/LogControl1"
INTERFACE = "org.freedesktop.LogControl1"


def set_property(bus, name, value):
    bus.call(PATH, PROPERTIES, "Set", "ssv", INTERFACE, name, value)


def test_get(device, bus):
    assert bus.get_all(PATH, INTERFACE) == {"LogLevel": "info", "LogTarget": "console", "SyslogIdentifier": "qmid"}


def test_level(world, sim, bus):
    daemon = world.start_daemon(options=["--log-level=err"])
    assert bus.get(PATH, INTERFACE, "LogLevel") == "err"
    assert daemon.output() == ""
    for level in ("emerg", "alert", "crit", "warning", "notice", "info", "debug"):
        set_property(bus, "LogLevel", level)
        assert bus.get(PATH, INTERFACE, "LogLevel") == level
    # Now it speaks of what it was silent about.
    bus.qmi(sim.device, "Nas", "SetEventReport")
    bus.close()
    sim.wait_count("clients.nas", "=1")
    assert "has left the bus" in daemon.output()


def test_level_from_the_environment(world, sim, bus):
    world.start_daemon(env={"QMID_LOG_LEVEL": "debug"})
    assert bus.get(PATH, INTERFACE, "LogLevel") == "debug"


def test_wrong_values(device, bus):
    for name, value in (("LogLevel", "loud"), ("LogLevel", ""), ("LogLevel", "8"), ("LogTarget", "printer")):
        with pytest.raises(DBusError) as e:
            set_property(bus, name, value)
        assert e.value.name == "org.freedesktop.DBus.Error.InvalidArgs"
        assert f"'{value}'" in e.value.text
    for name, value in (("LogLevel", 7), ("SyslogIdentifier", "x")):
        with pytest.raises(DBusError):
            set_property(bus, name, value)
    assert bus.get_all(PATH, INTERFACE) == {"LogLevel": "info", "LogTarget": "console", "SyslogIdentifier": "qmid"}


def test_target(device, bus):
    set_property(bus, "LogTarget", "auto")
    set_property(bus, "LogTarget", "console")
    assert bus.get(PATH, INTERFACE, "LogTarget") == "console"
