# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames of real modems decode without loss, and to what their publishers' own tools made of them."""

import json
import subprocess

import pytest
import qmidtest
import qmux

DATA = qmidtest.ROOT / "tests" / "data"
EXPECTED = json.loads((DATA / "expect" / "recordings.json").read_text())
SESSIONS = ("iphone-qualcomm-startup", "uqmi-wda-get-data-format")

RECORDED = {}
for file in sorted((DATA / "recordings").glob("*.jsonl")):
    for number, row in enumerate(qmidtest.json_lines(file.read_text()), 1):
        RECORDED[row.get("id", f"{file.stem}:{number}")] = row


@pytest.fixture(scope="module")
def decoded():
    """Every recorded frame as the library decodes it, by id."""
    lines = [f"{EXPECTED.get(name, {}).get('vendor', '')} {row['raw']}".strip() for name, row in RECORDED.items()]
    done = subprocess.run([qmidtest.program("tests/sim/qmidecode")], input="\n".join(lines) + "\n", text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr
    return dict(zip(RECORDED, qmidtest.json_lines(done.stdout), strict=True))


def raw_tlvs(frame):
    """The TLVs of a frame, and bytes behind the last one as id 0."""
    data = frame[12:] if frame[4] == 0 else frame[13:]
    n = int.from_bytes(frame[10:12] if frame[4] == 0 else frame[11:13], "little")
    data, tlvs = data[:n], []
    while data:
        length = int.from_bytes(data[1:3], "little")
        if len(data) < 3 or len(data) < 3 + length:
            return tlvs + [(0, data)]
        tlvs.append((data[0], data[3 : 3 + length]))
        data = data[3 + length :]
    return tlvs


@pytest.mark.parametrize("name", RECORDED)
def test_nothing_is_lost(decoded, name):
    frame = decoded[name]
    tlvs = raw_tlvs(bytes.fromhex(RECORDED[name]["raw"]))
    if frame["type"] == "response":
        tlvs = [(i, b) for i, b in tlvs if i != 0x02]

    unknown = frame["values"].get("unknown_tlvs", [])
    known = set(frame["keys"].values())
    assert {i for i, _ in tlvs} == known | {t["id"] for t in unknown}
    assert set(frame["values"]) - {"unknown_tlvs"} == set(frame["keys"])
    for tlv in unknown:
        whole = [b.hex() for i, b in tlvs if i == tlv["id"]]
        assert any(b.endswith(tlv["bytes"]) for b in whole), tlv


@pytest.mark.parametrize("name", EXPECTED)
def test_as_published(decoded, name):
    frame, expected = decoded[name], EXPECTED[name]
    for field in ("service", "message", "type", "result"):
        assert frame.get(field) == expected.get(field), field
    for key, value in expected["values"].items():
        assert frame["values"].get(key) == value, key


@pytest.mark.parametrize("session", SESSIONS)
def test_replayed_to_a_host(short_path, session):
    """A host that asks what the recorded one asked hears what the recorded one heard."""
    rows = qmidtest.json_lines((DATA / "recordings" / f"{session}.jsonl").read_text())
    answers = {}
    for row in rows:
        if row["direction"] == "in":
            message = qmux.unpack(bytes.fromhex(row["raw"]))
            answers[(message.service, message.client, message.transaction, message.id)] = message
    n = 0
    replay = DATA / "recordings" / f"{session}.jsonl"
    with qmidtest.Sim(short_path, scenario="minimal", replay=replay) as sim, qmux.Host(sim.path) as host:
        for row in rows:
            request = qmux.unpack(bytes.fromhex(row["raw"]))
            answer = answers.get((request.service, request.client, request.transaction, request.id))
            if row["direction"] != "out" or not answer:
                continue
            transaction = host.send(request.service, request.client, request.id, request.tlvs)
            seen = host.receive_response()
            assert seen.transaction == transaction
            if request.service != 0:
                assert seen.tlvs == answer.tlvs
            else:
                assert dict(seen.tlvs)[0x02] == dict(answer.tlvs)[0x02]
            n += 1
    assert n > 1


def test_replayed_through_the_daemon(world):
    """Recorded answers come out of D-Bus methods, recorded indications as signals."""
    sim = world.sim(replay=DATA / "recordings" / "frames.jsonl")
    world.start_daemon()
    bus = world.connect()
    assert bus.qmi(sim.device, "Nas", "GetServingSystem")["operator"]["name"] == "Iliad"
    assert bus.qmi(sim.device, "Dms", "GetBandCapabilities")["unknown_tlvs"] == [(0x11, bytes(8))]

    bus.qmi(sim.device, "Nas", "RegisterIndications", {"serving_system": True})
    sim.command("replay-indications")
    assert bus.wait_signal("ServingSystem").args[0]["plmn"] == "24491"
    assert bus.wait_signal("ServingSystem").args[0]["plmn"] == "310410"
