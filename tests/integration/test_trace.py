# SPDX-License-Identifier: LGPL-2.1-or-later
"""Device.OpenTrace, and qmictl trace."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest
import qmidtest
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
    bus.qmi(device, "Nas", "GetDrx")
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
    bus.qmi(device, "Dms", "GetIds")  # behind this, what the daemon asks for itself is over
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
    sim.wait_count("clients.nas", "=1")
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


# ---- qmictl trace


class Qmictl:
    """A `qmictl trace` that is under way."""

    def __init__(self, world, *arguments, **options):
        self.world = world
        self.popen = subprocess.Popen([qmidtest.program("cli/qmictl"), "trace", *map(str, arguments)],
                                      env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": world.bus.address},
                                      stdout=options.get("stdout", subprocess.PIPE), stderr=subprocess.PIPE, text=True)
        self.watchdog = threading.Timer(TIMEOUT, self.popen.kill)  # what waits for its lines then sees its end
        self.watchdog.start()
        self.begun = self.popen.stderr.readline()
        assert self.begun.startswith("Tracing unix_modem0"), self.begun + self.popen.communicate()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.watchdog.cancel()
        self.popen.kill()
        self.popen.communicate()

    def line(self):
        return self.popen.stdout.readline().rstrip("\n")

    def lines_until(self, text):
        lines = []
        while not lines or text not in lines[-1]:
            line = self.popen.stdout.readline()
            assert line, lines
            lines.append(line.rstrip("\n"))
        return lines

    def end(self, number=signal.SIGINT):
        """(status, what was not read yet, stderr)"""
        self.popen.send_signal(number)
        out, err = self.popen.communicate(timeout=TIMEOUT)
        return self.popen.returncode, out, err


STAMP = re.compile(r"^\d\d:\d\d:\d\d\.\d{6} (.*)$")


def without_time(line):
    return STAMP.match(line).group(1)


def test_lines(world, sim, device, bus):
    bus.qmi(device, "Nas", "GetSignalInfo")
    bus.qmi(device, "Dms", "GetModel")
    with Qmictl(world) as trace:
        bus.qmi(device, "Nas", "GetSignalInfo")
        lines = [without_time(line) for line in (trace.line(), trace.line())]
        last = sim.last_request("nas.get-signal-info")
        ids = f"cid {last['client']} tid {last['transaction']}"
        assert lines[0] == f"-> nas get-signal-info request {ids}"
        assert lines[1].startswith(f"<- nas get-signal-info response {ids} success lte={{rssi=-63 rsrq=-11 rsrp=-95 snr=12.4}} ")

        sim.set("dms.get-model.!error", "device-not-ready")
        with pytest.raises(DBusError):
            bus.qmi(device, "Dms", "GetModel")
        assert trace.lines_until("<- dms")[-1].endswith(" device_not_ready")

        # What the schema does not know, by its numbers.
        with pytest.raises(DBusError):
            bus.call(device, DEVICE, "Call", "sqa(yay)a{sv}", "0x60", 0x1234, [(0x2A, b"\x01\x02"), (0x2B, b"")], {})
        assert ' unknown_tlvs={0x2a=0102 0x2b=""}' in trace.lines_until("-> 0x60 0x1234 request")[-1]
        sim.command("raw-send 010c0080030704000051000900")
        line = without_time(trace.lines_until("malformed")[-1])
        assert line == "<- malformed 010c0080030704000051000900"
        sim.command("raw-send 010c008003ff04000051000000")
        assert without_time(trace.line()) == "<- nas signal-info indication cid all tid 0"
        assert trace.end() == (0, "", "")


def test_lines_fit_the_terminal(world, device, bus):
    bus.qmi(device, "Nas", "GetSignalInfo")
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    with Qmictl(world, stdout=child) as trace, os.fdopen(parent, encoding="utf-8") as terminal:
        os.close(child)
        bus.qmi(device, "Nas", "GetServingSystem")
        lines = [terminal.readline().rstrip("\r\n") for _ in range(2)]
        assert trace.end()[0] == 0
    assert "get-serving-system request" in lines[0] and len(lines[1]) == 60


def test_expand(world, device, bus):
    bus.qmi(device, "Nas", "GetSignalInfo")
    with Qmictl(world, "--expand") as trace:
        bus.qmi(device, "Nas", "GetSignalInfo")
        lines = trace.lines_until("nr5g_rsrq")
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} -> nas get-signal-info request cid", lines[0])
        status, out, _ = world.qmictl("call", "nas", "get-signal-info")
        assert status == 0 and lines[2:] == ["  " + line for line in out.splitlines()]
        with pytest.raises(DBusError):
            bus.call(device, DEVICE, "Call", "sqa(yay)a{sv}", "0x60", 0x1234, [(0x2A, b"\x01\x02")], {})
        lines = trace.lines_until("0x2a")
        assert lines[-2:] == ["  unknown_tlvs:", "    0x2a  01 02"]
        assert trace.end()[0] == 0


def test_json(world, sim, device, bus):
    bus.qmi(device, "Nas", "RegisterIndications", {"signal_info": True})
    before = time.time_ns() // 1000
    with Qmictl(world, "-j") as trace:
        bus.qmi(device, "Wds", "GetMaxLteAttachPdnNumber")
        answer = bus.qmi(device, "Nas", "GetSignalInfo")
        seen = [json.loads(trace.line()) for _ in range(4)]
        assert [f["service"] for f in seen] == ["ctl", "ctl", "wds", "wds"]
        assert [f["client_id"] for f in seen[:2]] == [0, 0]
        last = sim.last_request("nas.get-signal-info")
        request, response = json.loads(trace.line()), json.loads(trace.line())
        assert before <= request.pop("time_usec") <= response.pop("time_usec") <= time.time_ns() // 1000
        common = {"service": "nas", "message": "get-signal-info", "client_id": last["client"],
                  "transaction": last["transaction"]}
        assert request == {"direction": "to_modem", "type": "request", "fields": {}, **common}
        assert response == {"direction": "from_modem", "type": "response", "result": "success", "fields": answer, **common}
        sim.send("nas", "signal-info", lte__rsrp=-77)
        indication = json.loads(trace.line())
        assert indication["type"] == "indication" and indication["fields"]["lte"]["rsrp"] == -77
        assert "result" not in indication
        sim.command("raw-send 010c0080030704000051000900")
        assert json.loads(trace.line())["malformed"] == "010c0080030704000051000900"
        assert trace.end() == (0, "", "")


def test_qmictl_masks(world, sim, device, bus):
    with Qmictl(world, "dms") as shown, Qmictl(world, "dms", "--unmasked") as whole:
        ask_what_is_private(bus, device)
        # The last that was asked on this service: the ICCID was asked for before by the guard of PINs.
        bus.qmi(device, "Dms", "GetModel")
        shown = "\n".join(shown.lines_until("<- dms get-model"))
        whole = "\n".join(whole.lines_until("<- dms get-model"))
    for secret in (PIN, IMEI, IMSI, ICCID):
        assert secret.decode() in whole and secret.decode() not in shown
    assert "value=****" in shown


@pytest.mark.parametrize("arguments, expected", [
    (["nas"], {"get-signal-info", "get-drx", "signal-info", "register-indications"}),
    (["Nas", "get-signal-info"], {"get-signal-info"}),
    (["nas", "GetSignalInfo"], {"get-signal-info"}),
    (["0x03", "0x0051"], {"signal-info"}),
    (["nas", "signal-info"], {"signal-info"}),
    (["0x03"], {"get-signal-info", "get-drx", "signal-info", "register-indications"}),
])
def test_filters(world, sim, device, bus, arguments, expected, short_path):
    """Of what is shown, of what is written, and of what is read again."""
    part, whole = short_path / "part", short_path / "whole"
    with (Qmictl(world, "-j", *arguments) as shown, Qmictl(world, "-w", part, *arguments) as written,
          Qmictl(world, "-w", whole) as everything):
        bus.qmi(device, "Nas", "RegisterIndications", {"signal_info": True})
        bus.qmi(device, "Nas", "GetSignalInfo")
        bus.qmi(device, "Dms", "GetModel")
        bus.qmi(device, "Nas", "GetDrx")
        sim.send("nas", "signal-info")
        bus.qmi(device, "Dms", "GetModel")  # when it is answered, the indication is in every trace
        results = [t.end() for t in (shown, written, everything)]
        assert [r[0] for r in results] == [0, 0, 0]
    frames = [json.loads(line) for line in results[0][1].splitlines()]
    assert {f["message"] for f in frames} == expected
    assert results[1][2] == f"{len(frames)} frames written\n"
    assert read_frames(world, part) == frames
    assert read_frames(world, whole, *arguments) == frames
    assert {f["service"] for f in read_frames(world, whole)} == {"ctl", "nas", "dms"}


def test_a_name_without_layouts(world, sim, device, bus, short_path):
    """Of some messages only ids and names are known."""
    path = short_path / "trace"
    with Qmictl(world, "-w", path) as written:
        bus.call(device, DEVICE, "Call", "sqa(yay)a{sv}", "nas", 0x004F, [], {})
        with pytest.raises(DBusError):
            bus.call(device, DEVICE, "Call", "sqa(yay)a{sv}", "nas", 0x0052, [(0x10, b"\1")], {})
        assert written.end()[0] == 0
    frames = read_frames(world, path, "nas", "get-error-rate")
    assert [(f["message"], f["type"]) for f in frames] == [("get-error-rate", "request"), ("get-error-rate", "response")]


def read_frames(world, path, *arguments):
    """Without a bus."""
    status, out, err = world.qmictl("trace", "-j", "-r", path, *arguments,
                                    env={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"})
    assert (status, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def test_there_and_back(world, sim, device, bus, short_path):
    """What is read is what was shown; the filtered copy of a file too."""
    path, copy = short_path / "trace.pcapng", short_path / "copy.pcapng"
    with Qmictl(world, "-w", path) as written, Qmictl(world) as shown:
        assert written.begun == f"Tracing unix_modem0 to {path}\n"
        ask_what_is_private(bus, device)
        bus.qmi(device, "Nas", "GetSignalInfo")
        lines = shown.lines_until("<- nas get-signal-info")
        assert written.end() == (0, "", f"{len(lines)} frames written\n")
    assert path.stat().st_mode & 0o777 == 0o600
    for secret in (PIN, IMEI, IMSI, ICCID):
        assert secret not in path.read_bytes()
    assert world.qmictl("trace", "-r", path) == (0, "\n".join([*lines, ""]), "")
    assert world.qmictl("trace", "-r", path, "-w", copy, "--no-legend") == (0, "", "")
    assert world.qmictl("trace", "-r", copy) == (0, "\n".join([*lines, ""]), "")
    status, out, err = world.qmictl("trace", "-r", path, "-w", copy, "nas")
    assert (status, out) == (0, "") and err == f"{len([x for x in lines if ' nas ' in x])} frames written\n"

    # Through pipes, and into the file that is read.
    qmictl = qmidtest.program("cli/qmictl")
    status, out, _ = world.run("sh", "-c", f"{qmictl} trace -r - -w - <{path} | {qmictl} trace -r -")
    assert (status, out.splitlines()) == (0, lines)
    before = path.read_bytes()
    status, _, err = world.qmictl("trace", "-r", path, "-w", path)
    assert status == 2 and "at once" in err and path.read_bytes() == before


def test_tshark_reads_it(world, sim, device, bus, short_path):
    if not shutil.which("tshark"):
        pytest.skip("there is no tshark")
    path = short_path / "trace.pcapng"
    with Qmictl(world, "-w", path, "nas", "get-signal-info") as written:
        bus.qmi(device, "Nas", "GetSignalInfo")
        written.end()
    done = subprocess.run(["tshark", "-r", path, "-T", "fields", "-e", "frame.encap_type", "-e", "frame.time_epoch",
                           "-e", "frame.packet_flags_direction", "-e", "frame.len"], capture_output=True, text=True,
                          timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    seen = [line.split("\t") for line in done.stdout.splitlines()]
    frames = read_frames(world, path)
    assert [s[0] for s in seen] == ["45", "45"]  # WTAP_ENCAP_USER0
    assert [round(float(s[1]) * 1e6) for s in seen] == [f["time_usec"] for f in frames]
    assert [int(s[2], 0) for s in seen] == [2, 1]  # outbound, inbound
    assert int(seen[0][3]) == 13


def test_the_end_of_the_device(world, sim, device, bus, short_path):
    path = short_path / "trace.pcapng"
    with Qmictl(world, "-w", path, "nas") as written:
        bus.qmi(device, "Nas", "GetSignalInfo")
        world.daemon.stop()
        _, err = written.popen.communicate(timeout=TIMEOUT)
        assert written.popen.returncode == 3
        assert "the trace has ended" in err and "2 frames written" in err
    assert len(read_frames(world, path)) == 2


def test_a_slow_reader_is_told(world, device, bus):
    """Of qmictl's output nobody reads anything for a while."""
    bus.qmi(device, "Nas", "GetSignalInfo")
    with Qmictl(world, "-j", "nas", "get-signal-info") as trace:
        seen = lost = 0
        for _ in range(1500):  # more than the pipe, and then the socket, can hold
            bus.qmi(device, "Nas", "GetSignalInfo")
        bus_frames = 2 * 1500
        while seen + lost < bus_frames - 2:
            # A frame that comes after those that were lost says how many these were.
            if not select.select([trace.popen.stdout], [], [], 0)[0]:
                bus.qmi(device, "Nas", "GetSignalInfo")
                bus_frames += 2
            frame = json.loads(trace.line())
            lost += frame.get("lost", 0)
            seen += 1
        assert lost > 0
        assert trace.end()[0] == 0


@pytest.mark.parametrize("arguments, status, text", [
    (["nos"], 2, "unknown service 'nos'"),
    (["nas", "get-signal-inf"], 2, "get-signal-info"),
    (["0x1ffff"], 2, "unknown service '0x1ffff'"),
    (["0xfe", "get-it"], 2, "only ids"),
    (["nas", "get-drx", "more"], 2, "too many arguments"),
    (["--expand", "-j"], 2, "--expand and --json"),
    (["-w", "x", "-j"], 2, "--json"),
    (["-w", "x", "--expand"], 2, "--expand"),
    (["-r", "x", "-d", "modem"], 2, "--device"),
    (["-r", "x", "--unmasked"], 2, "--unmasked"),
    (["-H", "nowhere"], 2, "--host"),
    (["-r", "/nonexistent"], 1, "/nonexistent: No such file"),
    (["-r", "/"], 1, "/: Is a directory"),
    (["-r", "/proc/self/cmdline"], 1, "at offset 0: this is no pcapng file"),
])
def test_wrong_use(world, arguments, status, text):
    seen, out, err = world.qmictl("trace", *arguments, env={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"})
    assert (seen, out) == (status, "") and text in err, err
    assert err.startswith("qmictl: ") and err.count("\n") == 1


def test_options_of_trace_only(world):
    for option in (["-w", "x"], ["-r", "x"], ["--expand"], ["--unmasked"]):
        status, out, err = world.qmictl("list", *option)
        assert (status, out) == (2, "") and "options of trace" in err


def test_a_file_that_is_cut(world, sim, device, bus, short_path):
    """What is whole is shown, then what is wrong is said."""
    path = short_path / "trace.pcapng"
    with Qmictl(world, "-w", path, "nas", "get-signal-info") as written:
        bus.qmi(device, "Nas", "GetSignalInfo")
        written.end()
    path.write_bytes(path.read_bytes()[:-1])
    status, out, err = world.qmictl("trace", "-r", path)
    assert status == 1 and len(out.splitlines()) == 1
    assert "at offset" in err and "the file ends within a block" in err
