# SPDX-License-Identifier: LGPL-2.1-or-later
"""The dissector in the real tshark: it shows what the C library decodes, and no frame makes it fail."""

import json
import math
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

import qmidtest

ROOT = qmidtest.ROOT
RECORDINGS = sorted((ROOT / "tests/data/recordings").glob("*.jsonl"))
EXPECTED = json.loads((ROOT / "tests/data/expect/recordings.json").read_text())
DLT_USER0 = 147

sys.path.insert(0, str(ROOT / "interfaces"))

from schema import load  # noqa: E402

pytestmark = pytest.mark.skipif(not shutil.which("tshark"), reason="there is no tshark")


def block(kind, body):
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def pcapng(frames):
    """Section header, interface, one enhanced packet for each frame."""
    parts = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
             block(1, struct.pack("<HHI", DLT_USER0, 0, 0))]
    parts += [block(6, struct.pack("<IIIII", 0, 0, i, len(f), len(f)) + f) for i, f in enumerate(frames)]
    return b"".join(parts)


@pytest.fixture(scope="module")
def tshark(tmp_path_factory):
    """Runs it on frames; fails where it has anything to complain about."""
    folder = tmp_path_factory.mktemp("tshark")

    def run(frames, *options):
        """`frames`, or the bytes of a capture."""
        capture = folder / "capture.pcapng"
        capture.write_bytes(frames if isinstance(frames, bytes) else pcapng(frames))
        done = subprocess.run(["tshark", "-n", "-X", f"lua_script:{qmidtest.build_folder() / 'interfaces/qmi.lua'}",
                               "-r", str(capture), *options],
                              env={**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
                              capture_output=True, text=True)
        problems = [line for line in done.stderr.splitlines() if not line.startswith("Running as user")]
        assert (done.returncode, problems) == (0, [])
        assert "Lua Error" not in done.stdout, re.findall(".*Lua Error.*", done.stdout)[:3]
        return done.stdout

    return run


def recorded():
    """(frame, vendor) of every recording."""
    rows = [json.loads(line) for file in RECORDINGS for line in file.read_text().splitlines() if line]
    return [(bytes.fromhex(row["raw"]), EXPECTED.get(row.get("id"), {}).get("vendor", "")) for row in rows]


def qmidecode(frames, vendor=""):
    lines = [f"{vendor} {frame.hex()}".strip() for frame in frames]
    done = subprocess.run([qmidtest.program("tests/sim/qmidecode")], input="\n".join(lines) + "\n", text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


# ---- a message that everybody knows

SIGNAL_INFO = bytes.fromhex(
    "01 2800 80 03 07"          # QMUX: 40 bytes follow, from the modem, NAS, client 7
    "02 0500 4f00 1c00"         # response, transaction 5, message 0x004f, 28 bytes of TLVs
    "02 0400 0000 0000"         # result: success
    "14 0600 c1 f5 a1ff 7c00"   # lte: rssi -63, rsrq -11, rsrp -95, snr 12.4
    "17 0400 9bff 5000"         # nr5g: rsrp -101, snr 8
    "18 0200 f5ff")             # nr5g_rsrq: -11


def test_get_signal_info(tshark):
    text = tshark([SIGNAL_INFO], "-V")
    lines = [line.strip() for line in text.splitlines()]
    assert "QMI, NAS Get Signal Info response" in lines
    for line in ("From: modem (0x80)", "Service: 0x0003 (nas)", "Client: 7", "Transaction: 5", "Result: success",
                 "rssi: -63 dBm", "rsrq: -11 dB", "rsrp: -95 dBm", "snr: 12.4 dB", "rsrp: -101 dBm", "nr5g_rsrq: -11 dB"):
        assert line in lines, line


def test_of_which_only_the_id_is_known(tshark):
    frames = [bytes.fromhex("01 0f00 00 01 07" "00 0500 8600 0300" "10 0000"),  # WDS 0x0086
              bytes.fromhex("01 0f00 00 01 07" "00 0600 5955 0300" "10 0000")]  # 0x5559, of Sierra's
    rows = tshark(frames, "-o", "qmi.vendor:2c7c").splitlines()
    assert re.search("QMI 16 WDS Reset Packet Statistics request$", rows[0])
    assert re.search("QMI 16 WDS 0x5559 request$", rows[1])
    assert "WDS Swi Get 3gpp Config Item request" in tshark(frames, "-o", "qmi.vendor:1199")
    assert len(tshark(frames, "-Y", 'qmi.message == "reset-packet-statistics" && qmi.unknown').splitlines()) == 1


def test_in_one_line(tshark):
    refused = bytes.fromhex("01 1300 80 03 07" "02 0500 4f00 0700" "02 0400 0100 1a00")
    rows = tshark([SIGNAL_INFO, refused]).splitlines()
    assert re.search("modem → host +QMI 41 NAS Get Signal Info response$", rows[0])
    assert re.search("QMI 20 NAS Get Signal Info response: no_effect$", rows[1])


def test_filters(tshark):
    frames = [SIGNAL_INFO, *(frame for frame, _ in recorded())]
    for wanted in ("qmi.nas.lte.rsrp < -90", "qmi.nas.lte.snr == 12.4", 'qmi.message == "get-signal-info"'):
        rows = tshark(frames, "-Y", f"qmi.service_name == nas && {wanted}".replace("== nas", '== "nas"')).splitlines()
        assert rows[0].split()[0] == "1", wanted
        assert len(rows) < len(frames) / 2
    assert tshark(frames, "-Y", "qmi.nas.lte.rsrp > 0") == ""


def packets_in(capture):
    """How many whole packets it has."""
    n = at = 0
    while at + 8 <= len(capture):
        kind, size = struct.unpack_from("<II", capture, at)
        at += size
        n += kind == 6 and at <= len(capture)
    return n


def test_a_capture_of_qmid(world, tshark):
    sim = world.sim()
    world.start_daemon()
    bus = world.connect()
    with subprocess.Popen([qmidtest.program("cli/qmictl"), "trace", "-w", "-", "nas", "get-signal-info"],
                          env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": world.bus.address},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as trace:
        assert trace.stderr.readline().startswith(b"Tracing")
        rsrp = bus.qmi(sim.device, "Nas", "GetSignalInfo")["lte"]["rsrp"]
        capture = b""
        while packets_in(capture) < 2:
            block = os.read(trace.stdout.fileno(), 65536)
            assert block, trace.stderr.read()
            capture += block
        trace.kill()
    text = tshark(capture, "-V")
    assert "QMI, NAS Get Signal Info request" in text and "QMI, NAS Get Signal Info response" in text
    assert f"rsrp: {rsrp} dBm\n" in text
    assert len(tshark(capture, "-Y", f"qmi.nas.lte.rsrp == {rsrp}").splitlines()) == 1


# ---- as the library decodes


def flat(value, path):
    """What qmidecode has, as (path, value); without the bytes beside a text."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not (key.endswith("_bytes") and key.removesuffix("_bytes") in value) and key != "unknown_tlvs":
                yield from flat(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from flat(inner, path)
    else:
        yield path, value


NOT_XML = re.compile("[^\t\n\r -\ufffd\U00010000-\U0010ffff]")
SORT = re.compile("_(uint|int|double|bool|bytes|string)$")


def shown(packet, service):
    """What tshark shows of a message: (path, value, text); groups have none."""
    for field in packet.iter("field"):
        name, text = field.get("name"), field.get("showname", "")
        if name.startswith(f"qmi.{service}.") and ": " in text:
            yield name.removeprefix("qmi."), field.get("show"), text.split(": ", 1)[1]


def letters(text):
    """Text without what is shown in other ways."""
    return re.sub(r"\\x[0-9a-f]{2}|[\W_]", "", text)


def same(value, show, text):
    if isinstance(value, bool):
        return show in (("1", "True") if value else ("0", "False"))
    if isinstance(value, float) or isinstance(value, int) and re.match("[^ ]*[.e]", text):
        return math.isclose(float(text.split()[0]), value, rel_tol=1e-12)
    if isinstance(value, int):
        return show == str(value)
    if value is None:  # JSON has no word for it
        return not math.isfinite(float(text.split()[0]))
    if len(text.encode()) > 180:  # a label has an end, maybe within a character
        return letters(value).startswith(letters(re.sub(r"\\x?.?$", "", text[:-4])))
    return show == value or letters(text) == letters(value)


def is_replaced(value):
    return isinstance(value, str) and value.strip("\ufffd") == ""


def check(packet, decoded):
    """Everything that the library has is shown, in the same order, and nothing else. Returns how much it was."""
    # What is empty is shown in several ways.
    wanted = [(path, value) for path, value in flat(decoded["values"], decoded["service"]) if value != ""]
    n = len(wanted)
    for path, show, text in shown(packet, decoded["service"]):
        if show == "":
            continue
        paths = (path, SORT.sub("", path))
        # What is no character is replaced by the library, and left out by tshark where XML has no place for it.
        while wanted and is_replaced(wanted[0][1]) and not (wanted[0][0] in paths and same(wanted[0][1], show, text)):
            wanted = wanted[1:]
        count = 1
        if not (wanted and wanted[0][0] in paths and same(wanted[0][1], show, text)):
            # The flags of a field are one text here, a list there.
            flags = show.split(", ")
            count = len(flags)
            assert [(p in paths, v) for p, v in wanted[:count]] == [(True, flag) for flag in flags], \
                f"{path}: shown {show}, {text}; decoded {wanted[:3]}\n{decoded}"
        wanted = wanted[count:]
    wanted = [w for w in wanted if not is_replaced(w[1])]
    assert not wanted, f"not shown: {wanted[:3]}\n{decoded}"
    return n


def compare(tshark, frames, vendor=""):
    text = tshark(frames, "-T", "pdml", "-o", f"qmi.vendor:{vendor}")
    packets = ElementTree.fromstring(NOT_XML.sub("", text))
    return sum(check(packet, decoded) for packet, decoded in zip(packets, qmidecode(frames, vendor), strict=True))


@pytest.mark.parametrize("vendor", sorted({vendor for _, vendor in recorded()}))
def test_recordings(tshark, vendor):
    frames = [frame for frame, of in recorded() if of == vendor]
    assert compare(tshark, frames, vendor) > len(frames)


# ---- frames that are made up


class Maker:
    """Bytes for the types of the schema."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.schema, errors = load(sorted(p for p in (ROOT / "interfaces").glob("*.toml") if p.stem != "common"),
                                   ROOT / "interfaces/common.toml")
        assert not errors

    def bytes(self, n):
        return bytes(self.random.choice((0, 0, 1, 2, 65, 255, self.random.randrange(256))) for _ in range(n))

    def text(self, n):
        return self.random.choice((self.bytes(n), bytes(self.random.randrange(32, 127) for _ in range(n))))

    def word(self, n, width, big):
        return n.to_bytes(width, "big" if big else "little")

    def value(self, t, counts):
        """`counts`: what earlier fields of the struct say, by name."""
        if t.kind == "struct":
            return self.struct(t)
        if not t.length:
            symbols = [v for v, _ in t.enum.values] if t.enum else []
            if t.kind == "enum" and t.width <= 4 and self.random.random() < 0.7:
                return self.word(self.random.choice(symbols) % (1 << 8 * t.width), t.width, t.big_endian)
            return self.bytes(t.width)
        known = {"fixed": t.length.count, "field": counts.get(t.length.field, 0)}
        n = known.get(t.length.kind, self.random.randrange(4))
        prefix = b""
        if t.length.kind == "prefix":
            prefix = self.word(n, t.length.width, False)
        if t.kind == "array":
            return prefix + b"".join(self.value(t.element, counts) for _ in range(n))
        return prefix + self.text(n * t.length.unit)

    def struct(self, t):
        out, counts = b"", {}
        for f in t.fields:
            if f.valid_byte:
                out += self.random.choice((b"\0", b"\1"))
            if f.hidden and not any(f.name == g.mask[0] for g in t.fields if g.mask):
                counts[f.name] = self.random.randrange(4)
                out += self.word(counts[f.name], f.type.width, f.type.big_endian)
            else:
                out += self.value(f.type, counts)
        return out

    def tlvs(self, tlvs):
        out = b""
        for t in tlvs:
            value = (self.random.choice((b"\0", b"\1")) if t.field.valid_byte else b"") + self.value(t.field.type, {})
            out += bytes([t.id]) + len(value).to_bytes(2, "little") + value
        return out

    def frame(self, service, message, kind):
        tlvs = self.tlvs(message.request if kind == "request" else message.response)
        if kind == "response":
            tlvs = bytes.fromhex("02040000000000") + tlvs
        number = ("request", "response", "indication").index(kind)
        head = bytes([number, 1]) if service.id == 0 else bytes([number * 2, 1, 0])
        body = head + message.id.to_bytes(2, "little") + len(tlvs).to_bytes(2, "little") + tlvs
        return (b"\1" + (len(body) + 5).to_bytes(2, "little") + bytes([0 if kind == "request" else 0x80, service.id, 1])
                + body)

    def frames(self):
        """One of each kind for each message of the services that QMUX can name."""
        for service in self.schema.services:
            if service.id > 0xFF:
                continue
            for message in service.messages.values():
                yield self.frame(service, message, "request")
                yield self.frame(service, message, "response")
            for message in service.indications.values():
                yield self.frame(service, message, "indication")


@pytest.mark.parametrize("seed", range(3))
def test_every_message(tshark, seed):
    frames = list(Maker(seed).frames())
    assert compare(tshark, frames) > 3000


def test_other_bytes_in_the_tlvs(tshark):
    """What a modem may send instead: the layouts do not fit, or they do with odd values."""
    maker = Maker(7)
    frames = []
    for frame in maker.frames():
        head = 12 if frame[4] == 0 else 13
        frames.append(frame[:head] + bytes(maker.random.choice((b, b, b, b ^ 1, 255, 0)) for b in frame[head:]))
    compare(tshark, frames)


def test_cut_anywhere(tshark):
    """No end of a frame, and no length in it, makes a Lua error. tshark() looks for one."""
    maker = Maker(11)
    frames = []
    for frame in [SIGNAL_INFO, *(f for f, _ in recorded()), *list(maker.frames())[::7]]:
        ends = range(1, len(frame)) if len(frame) < 60 else [maker.random.randrange(1, 60)]
        frames += [frame[:n] for n in ends]
        changed = bytearray(frame)
        changed[maker.random.randrange(1, len(frame))] = maker.random.randrange(256)
        frames.append(bytes(changed))
    text = tshark(frames, "-V")
    assert "The frame is cut short" in text and "It does not decode" in text and "No whole TLV" in text


def test_what_is_no_frame_is_left_alone(tshark):
    """The link type is everybody's: others may have it too."""
    rows = tshark([b"GET / HTTP/1.1\r\n", SIGNAL_INFO]).splitlines()
    assert "QMI" not in rows[0] and "Get Signal Info" in rows[1]


def test_two_frames_at_once(tshark):
    text = tshark([2 * SIGNAL_INFO], "-V")
    assert text.count("QMI, NAS Get Signal Info response") == 2
