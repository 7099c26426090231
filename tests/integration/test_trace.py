# SPDX-License-Identifier: LGPL-2.1-or-later
"""Device.OpenTrace, and qmictl trace."""

import contextlib
import os
import select
import socket
import struct
import time

import pytest
import qmux
from dbusclient import NAME, TIMEOUT, DBusError

DEVICE = f"{NAME}.Device"
NAS, DMS, UIM, CTL = 0x03, 0x02, 0x0B, 0x00
PIN, IMEI, IMSI, ICCID = b"8642", b"004999010640000", b"240990000000042", b"8946990000000000042"


class Trace:
    """The reader's end of a trace."""

    def __init__(self, bus, device, **options):
        self.fd = bus.call(device, DEVICE, "OpenTrace", "a{sv}", options).to_raw_fd()

    def read(self):
        """The next packet: (usec, direction, frames lost, frame), or None at the end."""
        assert select.select([self.fd], [], [], TIMEOUT)[0], "no packet came"
        packet = os.read(self.fd, 16 + 65536)
        if not packet:
            return None
        usec, direction, flags, zero, lost = struct.unpack_from("<QBBHI", packet)
        assert direction in (0, 1) and flags == 0 and zero == 0
        return usec, direction, lost, packet[16:]

    def read_message(self, service, ident):
        """The next frame of that message: (direction, message)."""
        while True:
            _, direction, lost, frame = self.read()
            assert lost == 0
            message = qmux.unpack(frame)
            if (message.service, message.id) == (service, ident):
                return direction, message

    def read_all(self):
        """Whatever is there at this moment."""
        packets = []
        while select.select([self.fd], [], [], 0)[0]:
            packet = self.read()
            if packet is None:
                break
            packets.append(packet)
        return packets

    def ends(self):
        while self.read():
            pass

    def close(self):
        os.close(self.fd)


def refusal(call):
    with pytest.raises(DBusError) as e:
        call()
    return e.value.name.removeprefix(f"{NAME}.Error."), e.value.text


# ---- the descriptor


def test_both_directions(sim, device, bus):
    before = time.time_ns() // 1000
    trace = Trace(bus, device)
    bus.qmi(device, "Nas", "RegisterIndications", {"signal_info": True})
    bus.qmi(device, "Nas", "GetSignalInfo")
    sim.send("nas", "signal-info", lte__rsrp=-77)

    # Of CTL too: the client id of this caller.
    direction, message = trace.read_message(CTL, 0x0022)
    assert (direction, message.kind, message.tlvs) == (0, "request", [(0x01, bytes([NAS]))])
    direction, message = trace.read_message(CTL, 0x0022)
    assert (direction, message.kind) == (1, "response")
    client = dict(message.tlvs)[0x01][1]

    direction, message = trace.read_message(NAS, 0x0003)
    assert (direction, message.kind, message.client) == (0, "request", client)
    direction, message = trace.read_message(NAS, 0x004F)
    assert (direction, message.kind, message.tlvs) == (0, "request", [])
    transaction = message.transaction
    direction, message = trace.read_message(NAS, 0x004F)
    assert (direction, message.kind, message.transaction) == (1, "response", transaction)
    assert message.tlvs[0] == (0x02, bytes(4))
    direction, message = trace.read_message(NAS, 0x0051)
    assert (direction, message.kind, message.client) == (1, "indication", client)
    # LTE: RSSI, RSRQ, then RSRP as i16
    assert struct.unpack_from("<h", dict(message.tlvs)[0x14], 2)[0] == -77

    bus.qmi(device, "Nas", "GetDrx")
    usec = trace.read()[0]
    assert before <= usec <= time.time_ns() // 1000
    trace.close()


def ask_what_is_private(bus, device):
    with pytest.raises(DBusError):
        bus.qmi(device, "Dms", "UimVerifyPin", {"pin": {"id": "pin1", "value": PIN.decode()}})
    with pytest.raises(DBusError):
        bus.qmi(device, "Uim", "VerifyPin", {"session": {"type": "card_slot_1", "aid": b""},
                                             "pin": {"id": "pin1", "value": PIN.decode()}})
    assert bus.qmi(device, "Dms", "GetIds")["imei"] == IMEI.decode()
    assert bus.qmi(device, "Dms", "GetMsisdn")["imsi"] == IMSI.decode()
    assert bus.qmi(device, "Dms", "UimGetImsi")["imsi"] == IMSI.decode()
    assert bus.qmi(device, "Dms", "UimGetIccid")["iccid"] == ICCID.decode()
    bus.qmi(device, "Uim", "GetSlotStatus")


def test_masking(sim, device, bus, world):
    """Both at once: one sees what the other does not."""
    privileged = world.connect()
    masked, unmasked = Trace(bus, device), Trace(privileged, device, unmasked=True)
    ask_what_is_private(bus, device)
    shown, whole = masked.read_all(), unmasked.read_all()
    for secret in (PIN, IMEI, IMSI, ICCID):
        assert any(secret in frame for *_, frame in whole), secret
        assert not any(secret in frame for *_, frame in shown), secret

    # Nothing else is different.
    assert [p[:3] for p in shown] == [p[:3] for p in whole]
    assert [len(p[3]) for p in shown] == [len(p[3]) for p in whole]
    for (*_, one), (*_, other) in zip(shown, whole):
        a, b = qmux.unpack(one), qmux.unpack(other)
        assert a[:5] == b[:5] and [i for i, _ in a.tlvs] == [i for i, _ in b.tlvs]
    pins = [qmux.unpack(frame) for _, direction, _, frame in shown if direction == 0]
    [dms] = [m for m in pins if (m.service, m.id) == (DMS, 0x0028)]
    assert dms.tlvs == [(0x01, b"\x01\x04****")]

    # What asked for the masked one explicitly is the same.
    other = Trace(privileged, device, unmasked=False)
    bus.qmi(device, "Dms", "GetIds")
    packets = other.read_all()
    assert packets and not any(IMEI in frame for *_, frame in packets)


def test_what_nobody_can_mask(sim, device, bus, world):
    """Bytes of a frame that does not parse, and those behind a message, are nobody's to show."""
    masked, unmasked = Trace(bus, device), Trace(world.connect(), device, unmasked=True)
    # DMS Get IDs, client 1: 18 bytes of TLVs, of which 255 are claimed
    cut = bytes.fromhex("011e0080020102010025 00ff00 110f00") + IMEI
    # the same, with three bytes of TLVs, and behind these what belongs to nobody
    behind = bytes.fromhex("011e0080020102010025 000300 110000") + IMEI
    for frame in (cut, behind):
        sim.command(f"raw-send {frame.hex()}")
        n_shown = 13 if frame is cut else 16
        assert masked.read()[3] == frame[:n_shown] + bytes(len(frame) - n_shown)
        assert unmasked.read()[3] == frame
    assert bus.qmi(device, "Dms", "GetModel")


def test_a_reader_that_does_not_read(sim, device, bus):
    """It loses frames and is told how many; nobody else notices, and qmid keeps none of them."""
    bus.qmi(device, "Nas", "GetSignalInfo")  # there is a client id
    slow = Trace(bus, device)
    other = Trace(bus, device)
    total = seen = 0
    for _ in range(1000):
        bus.qmi(device, "Nas", "GetSignalInfo")
        total += 2
        for *_, lost, _ in other.read_all():
            assert lost == 0
            seen += 1
    assert seen == total
    kept = slow.read_all()
    assert 0 < len(kept) < total
    assert [p[2] for p in kept] == [0] * len(kept)

    bus.qmi(device, "Nas", "GetDrx")
    first, second = slow.read(), slow.read()
    assert first[2] == total - len(kept) and qmux.unpack(first[3]).id == 0x0089
    assert second[2] == 0


def test_it_is_for_reading_only(device, bus):
    trace = Trace(bus, device)
    assert not os.get_blocking(trace.fd)
    with pytest.raises(BrokenPipeError):
        os.write(trace.fd, b"hello")
    bus.qmi(device, "Nas", "GetDrx")
    assert trace.read()


def test_wrong_options(device, bus):
    for options, text in (({"masked": True}, "masked"), ({"unmasked": "yes"}, "unmasked")):
        name, said = refusal(lambda: bus.call(device, DEVICE, "OpenTrace", "a{sv}", options))
        assert name == "InvalidArgument" and text in said


# ---- its end


def test_the_opener_leaves(world, sim, device, bus):
    opener = world.connect()
    opener.qmi(device, "Nas", "SetEventReport")  # it holds a client too
    traces = [Trace(opener, device) for _ in range(2)]
    alone = world.connect()
    lonely = Trace(alone, device)
    opener.close()
    for trace in traces:
        trace.ends()
    sim.wait_count("clients.nas", "=0")
    alone.close()
    lonely.ends()
    assert bus.qmi(device, "Nas", "GetSignalInfo")


def test_the_device_goes(world, sim, device, bus):
    trace = Trace(bus, device)
    world.daemon.stop()
    trace.ends()


def test_it_outlives_a_reset(sim, device, bus):
    """That is when one wants to look."""
    trace = Trace(bus, device)
    sim.command("hangup")
    sim.command("listen")
    direction, message = trace.read_message(CTL, 0x0021)
    assert (direction, message.kind) == (0, "request")


def open_until_refused(bus, device):
    traces = []
    while True:
        try:
            traces.append(Trace(bus, device))
        except DBusError as e:
            assert e.name == f"{NAME}.Error.LimitsExceeded"
            return traces, e.text


def fd_count(world):
    return len(os.listdir(f"/proc/{world.daemon.pid}/fd"))


def test_limits(world, device, bus):
    n_fds = fd_count(world)
    traces, text = open_until_refused(bus, device)
    assert len(traces) == 4 and "4" in text
    second, third = world.connect(), world.connect()
    theirs, _ = open_until_refused(second, device)
    assert len(theirs) == 4
    none, text = open_until_refused(third, device)
    assert none == [] and "8" in text
    assert bus.call(device, DEVICE, "ListClients", "a{sv}", {}) == second.call(device, DEVICE, "ListClients", "a{sv}", {})
    assert bus.unique_name not in str(bus.call(device, DEVICE, "ListClients", "a{sv}", {}))

    # Each that is closed makes room, although no frame comes.
    for trace in (*traces, *theirs):
        trace.close()
    traces, _ = open_until_refused(third, device)
    assert len(traces) == 4
    for trace in traces:
        bus.qmi(device, "Nas", "GetDrx")
        assert trace.read()
        trace.close()
    bus.qmi(device, "Nas", "GetDrx")
    assert fd_count(world) == n_fds


def test_a_reader_that_will_not_read(device, bus):
    """It keeps its descriptor and shuts it down: gone at the next frame."""
    traces, _ = open_until_refused(bus, device)
    with contextlib.closing(socket.socket(fileno=traces[0].fd)) as s:
        s.shutdown(socket.SHUT_RD)
        bus.qmi(device, "Nas", "GetDrx")
        traces, _ = open_until_refused(bus, device)
        assert len(traces) == 1
