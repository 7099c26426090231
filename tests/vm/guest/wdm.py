# SPDX-License-Identifier: LGPL-2.1-or-later
"""/dev/cdc-wdmN, used as plainly as it can be."""

import errno
import os
import select
import struct

import pytest

from udev import PATIENCE

CTL, DMS = 0x00, 0x02
GET_VERSION_INFO = 0x0021


def version_request(transaction):
    """CTL Get Version Info, which every modem answers."""
    message = struct.pack("<BBHH", 0, transaction, GET_VERSION_INFO, 0)
    return struct.pack("<BHBBB", 1, 5 + len(message), 0, CTL, 0) + message


def take_apart(frame):
    """Transaction and TLVs of an answer to it."""
    assert struct.unpack_from("<BHBBB", frame) == (1, len(frame) - 1, 0x80, CTL, 0)
    kind, transaction, message, n_tlvs = struct.unpack_from("<BBHH", frame, 6)
    assert (kind, message, n_tlvs) == (1, GET_VERSION_INFO, len(frame) - 12)
    tlvs, at = {}, 12
    while at < len(frame):
        tlv, n = struct.unpack_from("<BH", frame, at)
        tlvs[tlv] = frame[at + 3:at + 3 + n]
        at += 3 + n
    return transaction, tlvs


def services_of(tlvs):
    """Service id -> (major, minor)."""
    count, rest = tlvs[0x01][0], tlvs[0x01][1:]
    found = {service: (major, minor) for service, major, minor in struct.iter_unpack("<BHH", rest)}
    assert len(found) == count
    return found


def fails_with(function, *arguments):
    """The name of the error that it raises."""
    with pytest.raises(OSError) as e:
        function(*arguments)
    return errno.errorcode[e.value.errno]


class Wdm:
    """A port that is open, and never blocks."""

    def __init__(self, port):
        self.fd = os.open(port.node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def close(self):
        try:
            os.close(self.fd)
        except OSError as e:    # of a port that is gone; it is closed all the same
            if e.errno != errno.ENODEV:
                raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def poll(self, seconds=0, events=select.POLLIN | select.POLLOUT):
        """The events that are there, or come in so many seconds; 0 if none."""
        poll = select.poll()
        poll.register(self.fd, events)
        return dict(poll.poll(seconds * 1000)).get(self.fd, 0)

    def write(self, data):
        return os.write(self.fd, data)

    def send(self, transaction):
        """Sends a request, when the one before is through."""
        frame = version_request(transaction)
        assert self.poll(PATIENCE, select.POLLOUT) == select.POLLOUT
        assert self.write(frame) == len(frame)

    def read(self, n=4096):
        return os.read(self.fd, n)

    def receive(self):
        """What one read gives, when something is there."""
        assert self.poll(PATIENCE, select.POLLIN) & select.POLLIN
        return self.read()

    def receive_transaction(self):
        return take_apart(self.receive())[0]
