# SPDX-License-Identifier: LGPL-2.1-or-later
"""Data sessions by hand: requests of WDS and WDA at a port, the host's side of the link, and pings."""

import os
import select
import socket
import struct
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lib"))

import qmux  # noqa: E402
from udev import PATIENCE  # noqa: E402
from wdm import Wdm  # noqa: E402

CTL, WDS, WDA = 0x00, 0x01, 0x1A
ALLOCATE, SET_FORMAT, START, STOP, BIND_MUX = 0x0022, 0x0020, 0x0020, 0x0021, 0x00A2
HSUSB = 2
ETHERNET, RAW_IP = "802.3", "raw-ip"
LINK_LAYERS = {ETHERNET: 1, RAW_IP: 2}
DISABLED, QMAP = 0, 5
FAMILIES = (4, 6)


def address(family, mux=0):
    """What the modem gives to a gate (tests/sim/sessions.h)."""
    return f"192.0.2.{42 + 4 * mux}" if family == 4 else f"2001:db8:{0x42 + mux:x}::2a"


def far_address(family, mux=0):
    """Somebody there, in the same network."""
    return f"192.0.2.{41 + 4 * mux}" if family == 4 else f"2001:db8:{0x42 + mux:x}::1"


# ---- the modem's side ----

class Qmi:
    """A port, with requests and their answers; it is open as long as this is."""

    def __init__(self, port):
        self.port = port
        self.wdm = Wdm(port)
        self.transaction = 0
        self.wda = self.allocate(WDA)

    def close(self):
        self.wdm.close()

    def request(self, service, client, message, tlvs=()):
        """(QMI error, {TLV: bytes})"""
        self.transaction = self.transaction % 0xFF + 1
        frame = qmux.pack(qmux.Message(service, client, "request", self.transaction, message, list(tlvs)))
        assert self.wdm.poll(PATIENCE, select.POLLOUT) == select.POLLOUT
        assert self.wdm.write(frame) == len(frame)
        while True:
            answer = qmux.unpack(self.wdm.receive())
            if answer.kind == "response" and answer.transaction == self.transaction:
                return qmux.result(answer)

    def allocate(self, service):
        error, tlvs = self.request(CTL, 0, ALLOCATE, [(0x01, bytes([service]))])
        assert error == 0
        return tlvs[0x01][1]

    def set_format(self, link, aggregation=DISABLED, datagrams=32, size=32768):
        """(QMI error, what it is now: the TLVs)"""
        return self.request(WDA, self.wda, SET_FORMAT, [
            (0x11, struct.pack("<I", LINK_LAYERS[link])),
            (0x12, struct.pack("<I", aggregation)), (0x13, struct.pack("<I", aggregation)),
            (0x15, struct.pack("<I", datagrams)), (0x16, struct.pack("<I", size)),
            (0x17, struct.pack("<II", HSUSB, self.port.interface))])

    def start(self, family, mux=None):
        return Session(self, family, mux)


class Session:
    """A data call of one family."""

    def __init__(self, qmi, family, mux):
        self.qmi = qmi
        self.client = qmi.allocate(WDS)
        if mux is not None:
            endpoint = struct.pack("<II", HSUSB, qmi.port.interface)
            assert qmi.request(WDS, self.client, BIND_MUX, [(0x10, endpoint), (0x11, bytes([mux]))])[0] == 0
        error, tlvs = qmi.request(WDS, self.client, START, [(0x14, b"internet"), (0x19, bytes([family]))])
        assert error == 0
        self.handle = tlvs[0x01]

    def stop(self):
        assert self.qmi.request(WDS, self.client, STOP, [(0x01, self.handle)])[0] == 0


# ---- the host's side ----

def ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True)


def qmi_attribute(port, name):
    return Path(f"/sys/class/net/{port.network}/qmi/{name}")


def set_host_format(port, link):
    ip("link", "set", port.network, "down")
    qmi_attribute(port, "raw_ip").write_text("Y" if link == RAW_IP else "N")
    # A frame whose first four bits are 4 or 6 is taken for an IP packet by the driver. It sees to it that its own
    # address does not begin so, but newer kernels give it a random one only after that.
    if link == ETHERNET:
        ip("link", "set", port.network, "address", "02:50:f3:00:00:02")


def add_mux(port, mux):
    """The interface of its own that it gets."""
    folder = Path("/sys/class/net")
    before = set(os.listdir(folder))
    qmi_attribute(port, "add_mux").write_text(f"{mux:#x}")
    network, = set(os.listdir(folder)) - before
    return network


def set_up(network, mux=0, families=(4, 6)):
    ip("link", "set", network, "up")
    for family in families:
        if family == 4:
            ip("addr", "add", f"{address(4, mux)}/30", "dev", network)
        else:
            ip("addr", "add", f"{address(6, mux)}/64", "dev", network, "nodad")


def statistic(network, name):
    return int(Path(f"/sys/class/net/{network}/statistics/{name}").read_text())


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Pinger:
    """Pings through an interface, or (None) wherever the route leads; requests and answers are told apart."""

    ICMP6_FILTER, ECHO_REPLY_6 = 1, 129

    def __init__(self, network, family, mux=0, far=None):
        self.family = family
        self.far = far or far_address(family, mux)
        six = family == 6
        self.socket = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW,
                                    socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
        if network:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, network.encode())
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        if six:     # a bit for each type that is kept out
            passed = bytearray(b"\xff" * 32)
            passed[self.ECHO_REPLY_6 // 32 * 4 + self.ECHO_REPLY_6 % 32 // 8] &= ~(1 << self.ECHO_REPLY_6 % 8) & 0xFF
            self.socket.setsockopt(socket.IPPROTO_ICMPV6, self.ICMP6_FILTER, bytes(passed))
        self.socket.bind((address(family, mux), 0))
        self.ident = os.getpid() & 0xFFFF
        self.sent = 0

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def send(self, n=1, size=56):
        """`size`: bytes of payload."""
        for _ in range(n):
            self.sent += 1
            payload = bytes(i & 0xFF for i in range(size + size % 2))
            head = (128 if self.family == 6 else 8, 0)
            message = struct.pack("!BBHHH", *head, 0, self.ident, self.sent & 0xFFFF) + payload
            if self.family == 4:    # for IPv6 the kernel fills it in
                message = struct.pack("!BBHHH", *head, checksum(message), self.ident, self.sent & 0xFFFF) + payload
            self.socket.sendto(message, (self.far, 0))

    def receive(self, n=1):
        """The numbers of n answers, sorted: what one processor hands on may overtake what another does."""
        numbers = []
        self.socket.settimeout(PATIENCE)
        while len(numbers) < n:
            if (number := self._receive()) is not None:
                numbers.append(number)
        return sorted(numbers)

    def _receive(self):
        data = self.socket.recv(1 << 16)
        if self.family == 4:
            data = data[(data[0] & 0x0F) * 4:]
        kind, _, _, ident, number = struct.unpack_from("!BBHHH", data)
        return number if (kind, ident) == (129 if self.family == 6 else 0, self.ident) else None

    def receive_what_is_there(self):
        numbers = []
        self.socket.setblocking(False)
        try:
            while True:
                number = self._receive()
                numbers += [number] if number is not None else []
        except BlockingIOError:
            return numbers

    def ping(self, n=1, size=56):
        """All are answered."""
        first = self.sent + 1
        self.send(n, size)
        answers = self.receive(n)
        assert answers == list(range(first, first + n)), answers


def ping(network, family, mux=0, n=3, size=56):
    with Pinger(network, family, mux) as pinger:
        pinger.ping(n, size)
