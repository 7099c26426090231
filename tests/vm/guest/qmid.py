# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon in the virtual machine, as systemd runs it, seen from the system bus."""

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lib"))

from dbusclient import NAME, Bus  # noqa: E402
from udev import PATIENCE  # noqa: E402

UNIT = "qmid.service"
SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"
DEVICE = f"{NAME}.Device"
CLIENT = f"{NAME}.Client"


def path_of(port):
    """The object path of a port: where udev says it is plugged in, and its interface number."""
    shown = subprocess.run(["udevadm", "info", "--query=property", "--property=ID_PATH", "--value", port.node],
                           capture_output=True, text=True, check=True).stdout.strip()
    return "/org/qmid1/device/" + re.sub("[^A-Za-z0-9]", "_", f"{shown}_{port.interface:02x}")


def qmictl(*arguments):
    """(status, stdout, stderr)"""
    done = subprocess.run(["qmictl", *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def connect():
    return Bus(SYSTEM_BUS)


def devices(bus):
    objects = bus.call("/org/qmid1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    return sorted(path for path, interfaces in objects.items() if DEVICE in interfaces)


def wait_ready(bus, port):
    path = path_of(port)
    bus.wait_property(path, DEVICE, "State", "ready", timeout=PATIENCE)
    return path


def wait_gone(bus, path):
    bus.wait_property(path, DEVICE, "State", f"{NAME}.Error.NoSuchDevice", timeout=PATIENCE)


def main_pid(services):
    return services.properties(UNIT)["MainPID"]


def descriptors(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def memory_kb(pid):
    return int(Path(f"/proc/{pid}/smaps_rollup").read_text().split("Private_Dirty:")[1].split()[0])


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100
