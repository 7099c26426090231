# SPDX-License-Identifier: LGPL-2.1-or-later
"""Simulated modems on virtual USB ports: qmisim says what they answer, usbmodem is their plug."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from udev import PATIENCE, Monitor

BUILD = Path(os.environ["QMID_BUILD"])
SIM = Path(__file__).resolve().parents[2] / "sim"
QMISIM = BUILD / "tests/sim/qmisim"
USBMODEM = BUILD / "tests/vm/usbmodem/usbmodem"

# A modem that tells of itself; tests that want more give lines of their own (tests/sim/scenario.h).
SCENARIO = """
ctl.services.dms = 1.14
ctl.services.nas = 1.25
ctl.services.wds = 1.67
dms.get-model.model = "EM7455"
dms.get-manufacturer.manufacturer = "Sierra Wireless, Incorporated"
"""


def scenario(name, *lines):
    """A scenario of tests/sim/scenarios, and further lines."""
    flat = subprocess.run([sys.executable, "-B", SIM / "flatten.py", SIM / f"scenarios/{name}.toml", *lines],
                          capture_output=True, text=True, check=True)
    return flat.stdout


class Commands:
    """The control socket of either program: a line there, "ok …" or "error …" back."""

    def __init__(self, path):
        self.path = str(path)
        self._connect()

    def _connect(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(self.path)
        self.replies = self.socket.makefile()

    def __call__(self, *words):
        line = " ".join(map(str, words))
        self.socket.sendall(line.encode() + b"\n")
        try:
            reply = self.replies.readline().rstrip("\n")
        except TimeoutError:
            self.close()        # the answer may still come, and would be taken for that of the next
            self._connect()
            raise AssertionError(f"{line}: no answer") from None
        status, _, text = reply.partition(" ")
        if status != "ok":
            raise RuntimeError(f"{line}: {reply or 'no answer'}")
        return text

    def close(self):
        self.replies.close()
        self.socket.close()


class Program:
    """One that prints "ready"."""

    def __init__(self, log, *command):
        with open(log, "ab") as stderr:
            self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=stderr)
        if self.process.stdout.readline() != b"ready\n":
            self.process.wait()
            raise RuntimeError(f"{command[0]} did not start: {Path(log).read_text()[-2000:]}")

    def stop(self):
        self.process.terminate()
        status = self.process.wait(PATIENCE)
        self.process.stdout.close()
        return status


@dataclass(frozen=True)
class Port:
    """A control port, and the network interface that belongs to it."""
    name: str           # cdc-wdm0
    interface: int      # of USB
    network: str        # wwan0
    path: Path          # of the USB interface in sysfs

    @property
    def node(self):
        return f"/dev/{self.name}"


class Modem:
    """Plugged in with plug(). `usb` takes the commands of usbmodem, `sims[n]` those of the n-th function's
    qmisim."""

    def __init__(self, folder, name="modem", profile="ec25", functions=None, serial=None, port=None,
                 scenario=SCENARIO, options=()):
        self.folder = Path(folder)
        self.name = name
        self.serial = serial or name.upper()
        self.device = None      # in sysfs, while it is plugged in
        self.ports = []
        self.programs, self.sims = [], []
        self.n_functions = functions or {"ec25": 1, "em7455": 2}[profile]
        log, scenario_file = self.folder / f"{name}.log", self.folder / f"{name}.scenario"
        scenario_file.write_text(scenario)
        brains = []
        for i in range(self.n_functions):
            brain, control = self.folder / f"{name}.{i}", self.folder / f"{name}.{i}.control"
            self.programs.append(Program(log, QMISIM, f"--listen={brain}", f"--control={control}", scenario_file))
            self.sims.append(Commands(control))
            brains += [f"--brain={brain}", f"--gates={control}"]
        control = self.folder / f"{name}.control"
        if port is not None:
            options = (*options, f"--port={port}")
        self.programs.append(Program(log, USBMODEM, *brains, f"--control={control}", "--unplugged", "--qmi-only",
                                     f"--profile={profile}", f"--functions={self.n_functions}",
                                     f"--serial={self.serial}", *options))
        self.usb = Commands(control)

    def close(self):
        if self.device:
            self.unplug()
        self.usb.close()
        for sim in self.sims:
            sim.close()
        statuses = [program.stop() for program in reversed(self.programs)]
        assert not any(statuses), (self.folder / f"{self.name}.log").read_text()[-4000:]

    def _wait_for_device(self, monitor):
        event = monitor.wait(lambda e: e.get("DEVTYPE") == "usb_device" and e.action == "add" and
                             e.get("ID_SERIAL_SHORT") == self.serial, f"modem {self.serial}")
        self.device = Path("/sys" + event.path)

    def _wait_for_ports(self, monitor):
        """udev's `bind` of an interface comes when port and network interface are both there."""
        self.ports = []
        while len(self.ports) < self.n_functions:
            event = monitor.wait(lambda e: e.action == "bind" and e.get("DRIVER") == "qmi_wwan" and
                                 Path("/sys" + e.path).parent == self.device, f"a port of {self.serial}")
            path = Path("/sys" + event.path)
            self.ports.append(Port(name=next((path / "usbmisc").iterdir()).name,
                                   interface=int((path / "bInterfaceNumber").read_text(), 16),
                                   network=next((path / "net").iterdir()).name, path=path))
        self.ports.sort(key=lambda p: p.interface)
        return self.ports

    def plug(self, plug=None):
        """Its ports, by interface, when udev has done with them. `plug`: what makes it come."""
        with Monitor() as monitor:
            plug() if plug else self.usb("plug")
            self._wait_for_device(monitor)
            return self._wait_for_ports(monitor)

    def unplug(self, unplug=None):
        with Monitor() as monitor:
            unplug() if unplug else self.usb("unplug")
            path = str(self.device).removeprefix("/sys")
            monitor.wait(lambda e: e.action == "remove" and e.path == path, f"the end of {self.serial}")
            self.device, self.ports = None, []

    def replug(self):
        """Gone and back at once; the ports are new ones."""
        return self.plug(lambda: self.usb("replug"))

    def count(self, counter):
        return int(self.usb("count", counter))

    def gate(self, mux=0, function=0):
        """What went through: {"in": 3, "in-bytes": 252, "out": …}, and {"ipv4": address, "open" or "closed"}."""
        words = dict(word.split("=") for word in self.usb("gate", function, mux).split())
        return {name: int(value) if value.isdigit() else value for name, value in words.items()}

    @contextmanager
    def counted(self, counter, n=1):
        """Waits, at its end, until the counter of usbmodem has grown by n."""
        before = self.count(counter)
        yield
        self.usb("wait", counter, before + n)
