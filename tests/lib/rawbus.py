# SPDX-License-Identifier: LGPL-2.1-or-later
"""A connection to a bus that sends any bytes, as fast as they are taken, and reads only when it is told to."""

import collections
import os
import socket
import struct

from dbusclient import NAME, TIMEOUT

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY, NO_AUTO_START, INTERACTIVE = 1, 2, 4
HEADER = struct.Struct("<cBBBIII")      # order, type, flags, version; lengths of body, serial, length of fields
PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE, UNIX_FDS = range(1, 10)

Message = collections.namedtuple("Message", "type fields body")


def align(data, to):
    return data + bytes(-len(data) % to)


def text(value):
    value = value.encode()
    return struct.pack("<I", len(value)) + value + b"\0"


def call(path, interface, member, signature="", body=b"", destination=NAME, flags=0, serial=1, n_fds=0, n_body=None,
         kind=CALL):
    """A call whose body need not be what the signature, or the length `n_body`, says."""
    fields = b""
    for code, what, value in ((PATH, b"o", text(path)), (INTERFACE, b"s", text(interface)), (MEMBER, b"s", text(member)),
                              (DESTINATION, b"s", text(destination)),
                              (SIGNATURE, b"g", bytes([len(signature)]) + signature.encode() + b"\0"),
                              (UNIX_FDS, b"u", struct.pack("<I", n_fds))):
        if (code == SIGNATURE and not signature) or (code == UNIX_FDS and not n_fds):
            continue
        fields = align(fields, 8) + bytes([code, 1]) + what + b"\0" + value     # which ends up aligned to 4
    head = HEADER.pack(b"l", kind, flags, 1, len(body) if n_body is None else n_body, serial, len(fields))
    return align(head + fields, 8) + body


def with_serial(message, serial):
    return message[:8] + struct.pack("<I", serial) + message[12:]


def numbered(message, n):
    """That message n times, each with a number of its own."""
    return b"".join(with_serial(message, i + 1) for i in range(n))


def greeting():
    """All that a connection begins with, in one piece: nothing of it needs an answer."""
    user = str(os.geteuid()).encode().hex().encode()
    hello = call("/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", destination="org.freedesktop.DBus",
                 serial=0xFFFFFFFF)
    return b"\0AUTH EXTERNAL " + user + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n" + hello


def parse(data):
    """(Message or None, what is behind it)"""
    if len(data) < HEADER.size:
        return None, data
    order, kind, _, _, n_body, _, n_fields = HEADER.unpack_from(data)
    assert order == b"l"
    body = HEADER.size + n_fields + -n_fields % 8
    if len(data) < body + n_body:
        return None, data
    fields, at = {}, HEADER.size
    while at < HEADER.size + n_fields:
        at += -at % 8
        code, what = data[at], chr(data[at + 2])
        at += 4
        if what == "g":
            fields[code] = data[at + 1:at + 1 + data[at]].decode()
            at += data[at] + 2
        elif what == "u":
            fields[code] = struct.unpack_from("<I", data, at)[0]
            at += 4
        else:
            size = struct.unpack_from("<I", data, at)[0]
            fields[code] = data[at + 4:at + 4 + size].decode()
            at += size + 5
    return Message(kind, fields, data[body:body + n_body]), data[body + n_body:]


class RawBus:
    """`more`: messages that go with the greeting."""

    def __init__(self, address, more=b""):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(address.removeprefix("unix:path="))     # with a time limit, it would not wait for its turn
        self.socket.settimeout(TIMEOUT)
        self.socket.sendall(greeting() + more)
        self.n_lines = 2        # that come before messages
        self.data = b""
        # dbus-daemon waits half a minute for one that leaves before that, and takes 64 such at most.
        assert self.receive(), "the bus wants nothing of us"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data, fds=()):
        """False: the bus wants nothing more of us."""
        try:
            if fds:
                data = data[socket.send_fds(self.socket, [data], fds):]
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def receive(self):
        """The next message; None: the end."""
        while True:
            while self.n_lines > 0 and b"\r\n" in self.data:
                self.data = self.data.split(b"\r\n", 1)[1]
                self.n_lines -= 1
            if self.n_lines == 0:
                message, self.data = parse(self.data)
                if message:
                    return message
            try:
                data, fds, _, _ = socket.recv_fds(self.socket, 1 << 16, 64)
            except ConnectionResetError:
                return None
            for fd in fds:
                os.close(fd)
            if not data:
                return None
            self.data += data

    def wait_reply(self, serial):
        """The answer to that call; None: we were thrown off the bus."""
        while (message := self.receive()) is not None:
            if message.fields.get(REPLY_SERIAL) == serial:
                return message
        return None
