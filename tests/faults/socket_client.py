# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client's socket: messages without frames, transactions of one's own."""

import struct

from bed import BOUND, CLIENT, qmux

SEND_APDU = 0x003B


class Socket:
    def __init__(self, bus, client):
        self.socket = bus.call(client, CLIENT, "OpenSocket", "a{sv}", {}).to_socket()
        self.socket.settimeout(BOUND)

    def send(self, transaction, message, tlvs):
        data = qmux.pack_tlvs(tlvs)
        self.socket.send(struct.pack("<BHHH", 0, transaction, message, len(data)) + data)

    def receive(self):
        """The next response: (transaction, TLVs)."""
        while True:
            packet = self.socket.recv(65536)
            if not packet:
                raise EOFError("the socket was shut down")
            flags, transaction, _, _ = struct.unpack_from("<BHHH", packet)
            if flags == 2:
                return transaction, dict(qmux.unpack_tlvs(packet[7:]))

    def send_apdu(self, transaction, apdu):
        self.send(transaction, SEND_APDU, [(0x01, b"\1"), (0x02, struct.pack("<H", len(apdu)) + apdu)])

    def receive_apdu(self, transaction):
        """What came back for that transaction, or None if it is not the next that is answered, or failed."""
        seen, tlvs = self.receive()
        if seen != transaction or tlvs.get(0x02) != bytes(4) or 0x10 not in tlvs:
            return None
        return tlvs[0x10][2:]

    def ask_apdu(self, transaction, apdu):
        self.send_apdu(transaction, apdu)
        return self.receive_apdu(transaction)
