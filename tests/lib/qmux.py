# SPDX-License-Identifier: LGPL-2.1-or-later
"""QMUX frames by hand, for tests that speak to the simulator themselves."""

import collections
import socket
import struct

Message = collections.namedtuple("Message", "service client kind transaction id tlvs")

CTL_KINDS = {"request": 0, "response": 1, "indication": 2}
SERVICE_KINDS = {"request": 0, "response": 2, "indication": 4}


def pack_tlvs(tlvs):
    """[(id, bytes), …]"""
    return b"".join(struct.pack("<BH", i, len(b)) + b for i, b in tlvs)


def unpack_tlvs(data):
    tlvs = []
    while data:
        i, n = struct.unpack_from("<BH", data)
        assert len(data) >= 3 + n, "a TLV is longer than its message"
        tlvs.append((i, data[3 : 3 + n]))
        data = data[3 + n :]
    return tlvs


def pack(message, flags=0x00):
    tlvs = pack_tlvs(message.tlvs)
    if message.service == 0:
        header = struct.pack("<BBHH", CTL_KINDS[message.kind], message.transaction, message.id, len(tlvs))
    else:
        header = struct.pack("<BHHH", SERVICE_KINDS[message.kind], message.transaction, message.id, len(tlvs))
    n = 5 + len(header) + len(tlvs)
    return struct.pack("<BHBBB", 1, n, flags, message.service, message.client) + header + tlvs


def unpack(frame):
    marker, n, _flags, service, client = struct.unpack_from("<BHBBB", frame)
    assert marker == 1 and n == len(frame) - 1
    if service == 0:
        kind, transaction, ident, n_tlvs = struct.unpack_from("<BBHH", frame, 6)
        data = frame[12:]
        kinds = CTL_KINDS
    else:
        kind, transaction, ident, n_tlvs = struct.unpack_from("<BHHH", frame, 6)
        data = frame[13:]
        kinds = SERVICE_KINDS
    assert n_tlvs == len(data), "the TLV length is not that of the frame"
    kind = {v: k for k, v in kinds.items()}[kind]
    return Message(service, client, kind, transaction, ident, unpack_tlvs(data))


class Host:
    """A host at the simulator's socket."""

    def __init__(self, path, timeout=60):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.buffer = b""
        self.transaction = 0
        self.indications = collections.deque()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, service, client, ident, tlvs=(), transaction=None):
        if transaction is None:
            self.transaction = transaction = self.transaction % 0xFF + 1
        self.send_bytes(pack(Message(service, client, "request", transaction, ident, list(tlvs))))
        return transaction

    def send_bytes(self, data):
        self.socket.sendall(data)

    def receive_bytes(self, n):
        while len(self.buffer) < n:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise EOFError("the simulator hung up")
            self.buffer += chunk
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def receive_frame(self):
        head = self.receive_bytes(3)
        return head + self.receive_bytes(struct.unpack("<xH", head)[0] - 2)

    def receive(self):
        return unpack(self.receive_frame())

    def receive_response(self):
        """The next response; indications before it are kept for receive_indication()."""
        while True:
            message = self.receive()
            if message.kind == "response":
                return message
            self.indications.append(message)

    def receive_indication(self):
        if self.indications:
            return self.indications.popleft()
        message = self.receive()
        assert message.kind == "indication", message
        return message

    def request(self, service, client, ident, tlvs=()):
        """Sends a request and takes its response: (QMI error, TLVs without the result as a dictionary)."""
        transaction = self.send(service, client, ident, tlvs)
        response = self.receive_response()
        assert (response.service, response.client, response.id) == (service, client, ident), response
        assert response.transaction == transaction, response
        return result(response)

    def allocate(self, service):
        error, tlvs = self.request(0, 0, 0x0022, [(0x01, bytes([service]))])
        if error:
            return -error
        assert tlvs[0x01][0] == service
        return tlvs[0x01][1]

    def release(self, service, client):
        return self.request(0, 0, 0x0023, [(0x01, bytes([service, client]))])[0]


def result(response):
    tlvs = dict(response.tlvs)
    assert len(tlvs) == len(response.tlvs), "a TLV came twice"
    status, error = struct.unpack("<HH", tlvs.pop(0x02))
    assert status == (error != 0)
    return error, tlvs
