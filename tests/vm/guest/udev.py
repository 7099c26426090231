# SPDX-License-Identifier: LGPL-2.1-or-later
"""Events of the kernel and of udev, as they come: what the tests wait for."""

import selectors
import socket
import struct
import time

NETLINK_KOBJECT_UEVENT = 15
GROUP_KERNEL, GROUP_UDEV = 1, 2
# udev puts this before the properties: "libudev", a number, the header's size, where the properties begin, …
UDEV_HEADER = struct.Struct("=8sIIII")
# A machine that is emulated, on a host that is busy, is slow; nothing waits so long that works.
PATIENCE = 60


class Event(dict):
    """The properties of one event."""

    @property
    def action(self):
        return self["ACTION"]

    @property
    def path(self):
        return self["DEVPATH"]

    @property
    def subsystem(self):
        return self.get("SUBSYSTEM")

    @property
    def name(self):
        return self.path.rpartition("/")[2]

    def __repr__(self):
        return f"{self.action} {self.subsystem} {self.path}"


class Monitor:
    """Collects events from its making on."""

    def __init__(self, group=GROUP_UDEV):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_KOBJECT_UEVENT)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind((0, group))
        self.events = []
        self.seen = 0       # up to where wait() has looked

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def _receive(self, seconds):
        self.socket.settimeout(max(seconds, 0.001))
        data = self.socket.recv(1 << 16)
        if data.startswith(b"libudev\0"):
            data = data[UDEV_HEADER.unpack_from(data)[3]:]
        else:                               # "add@/devices/…", then the same as properties
            data = data[data.index(b"\0") + 1:]
        self.events.append(Event(line.split("=", 1) for line in data.decode().split("\0") if "=" in line))

    def wait(self, wanted, what):
        """The next event that is wanted; those before it are passed over, but stay in `events`."""
        deadline = time.monotonic() + PATIENCE
        while True:
            while self.seen < len(self.events):
                event = self.events[self.seen]
                self.seen += 1
                if wanted(event):
                    return event
            try:
                self._receive(deadline - time.monotonic())
            except TimeoutError:
                raise AssertionError(f"{what} did not come; what came: {self.events}") from None

    def drain(self):
        """All events so far."""
        self.socket.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            while selector.select(0):
                self._receive(1)
        return self.events
