# SPDX-License-Identifier: LGPL-2.1-or-later
"""The simulated modem by itself, spoken to with frames made by hand."""

import struct

import pytest
import qmidtest
import qmux

CTL, WDS, DMS, NAS, WMS, UIM, UNKNOWN = 0x00, 0x01, 0x02, 0x03, 0x05, 0x0B, 0x60

MALFORMED_MESSAGE = 0x01
ABORTED = 0x04
CLIENT_IDS_EXHAUSTED = 0x05
INVALID_CLIENT_ID = 0x07
INCORRECT_PIN = 0x0C
CALL_FAILED = 0x0E
MISSING_ARGUMENT = 0x11
INVALID_TRANSACTION_ID = 0x16
NO_EFFECT = 0x1A
INVALID_SERVICE_TYPE = 0x1F
PIN_BLOCKED = 0x23
INVALID_QMI_COMMAND = 0x47

GET_MODEL = 0x0022
GET_OPERATING_MODE, SET_OPERATING_MODE = 0x002D, 0x002E
REGISTER_INDICATIONS, GET_SIGNAL_INFO, SIGNAL_INFO = 0x0003, 0x004F, 0x0051
REGISTER_SIGNAL_INFO = [(0x19, b"\x01")]


@pytest.fixture
def make(short_path):
    """Makes simulators; each must end well."""
    sims = []

    def make_sim(**options):
        sims.append(qmidtest.Sim(short_path, name=f"modem{len(sims)}", **options))
        return sims[-1]

    yield make_sim
    for sim in sims:
        sim.stop()


@pytest.fixture
def sim(make):
    return make()


@pytest.fixture
def host(sim):
    with qmux.Host(sim.path) as h:
        yield h


def lte(tlvs):
    return struct.unpack("<bbhh", dict(tlvs)[0x14])


# ---- CTL and client ids


def test_version_info(host):
    error, tlvs = host.request(CTL, 0, 0x0021)
    assert error == 0
    services = list(struct.iter_unpack("<BHH", tlvs[0x01][1:]))
    assert tlvs[0x01][0] == len(services)
    assert (NAS, 1, 25) in services and (WMS, 1, 10) in services and (CTL, 1, 5) in services


def test_pool_is_used_up_and_filled_again(make):
    sim = make(scenario="tiny-pool")
    with qmux.Host(sim.path) as host:
        assert [host.allocate(NAS) for _ in range(3)] == [1, 2, -CLIENT_IDS_EXHAUSTED]
        assert host.allocate(DMS) == 1, "each service has a pool of its own"
        assert host.release(NAS, 1) == 0
        assert host.allocate(NAS) == 1
        assert sim.clients() == [("dms", 1), ("nas", 1), ("nas", 2)]


def test_pool_is_ten(host):
    assert [host.allocate(NAS) for _ in range(11)] == [*range(1, 11), -CLIENT_IDS_EXHAUSTED]


def test_pool_of_one_service(make):
    with qmux.Host(make(overrides={"ctl.pool.nas": 1}).path) as host:
        assert [host.allocate(NAS), host.allocate(NAS)] == [1, -CLIENT_IDS_EXHAUSTED]
        assert [host.allocate(DMS), host.allocate(DMS)] == [1, 2]


def test_errors_of_ctl(host):
    assert host.allocate(0x77) == -INVALID_SERVICE_TYPE
    assert host.allocate(CTL) == -INVALID_SERVICE_TYPE
    assert host.request(CTL, 0, 0x0022)[0] == MISSING_ARGUMENT
    assert host.release(NAS, 1) == INVALID_CLIENT_ID
    assert host.request(CTL, 0, 0x0023, [(0x01, b"\x03")])[0] == MISSING_ARGUMENT
    assert host.request(CTL, 0, 0x7777)[0] == INVALID_QMI_COMMAND


def test_id_that_was_never_given_out(sim, host):
    assert host.request(NAS, 1, GET_SIGNAL_INFO) == (INVALID_CLIENT_ID, {})
    client = host.allocate(NAS)
    assert host.request(NAS, client, GET_SIGNAL_INFO)[0] == 0
    assert host.request(DMS, client, GET_MODEL)[0] == INVALID_CLIENT_ID, "ids are per service"
    host.release(NAS, client)
    assert host.request(NAS, client, GET_SIGNAL_INFO)[0] == INVALID_CLIENT_ID


def test_sync_is_answered_twice(sim, host):
    client = host.allocate(NAS)
    transaction = host.send(CTL, 0, 0x0027)
    indication, response = host.receive(), host.receive()
    assert indication == qmux.Message(CTL, 0, "indication", 0, 0x0027, [])
    assert (response.kind, response.id, response.transaction) == ("response", 0x0027, transaction)
    assert qmux.result(response) == (0, {})
    assert sim.count("clients") == 0
    assert host.request(NAS, client, GET_SIGNAL_INFO)[0] == INVALID_CLIENT_ID


def test_ids_survive_the_host(sim):
    with qmux.Host(sim.path) as host:
        client = host.allocate(NAS)
    with qmux.Host(sim.path) as host:
        assert host.request(NAS, client, GET_SIGNAL_INFO)[0] == 0
        assert host.allocate(NAS) == client + 1
        assert sim.count("connections") == 2


def test_reset(sim, host):
    client = host.allocate(NAS)
    sim.command("reset")
    assert host.receive_indication() == qmux.Message(CTL, 0, "indication", 0, 0x0027, [])
    assert host.request(NAS, client, GET_SIGNAL_INFO)[0] == INVALID_CLIENT_ID


@pytest.mark.parametrize("command, ident", [("revoke", 0x0024), ("invalid", 0x0025)])
def test_id_is_taken_back(sim, host, command, ident):
    client = host.allocate(NAS)
    sim.command(f"{command} nas {client}")
    taken = host.receive_indication()
    assert (taken.id, taken.tlvs) == (ident, [(0x01, bytes([NAS, client]))])
    assert host.request(NAS, client, GET_SIGNAL_INFO)[0] == INVALID_CLIENT_ID
    assert sim.clients() == []


# ---- answers


def test_answer_by_the_schema(host):
    error, tlvs = host.request(DMS, host.allocate(DMS), GET_MODEL)
    assert (error, tlvs) == (0, {0x01: b"SIM-5G"})


def test_set_and_unset(sim, host):
    client = host.allocate(NAS)
    sim.set("nas.get-signal-info.lte.rsrp", -120)
    assert lte(host.request(NAS, client, GET_SIGNAL_INFO)[1]) == (-63, -11, -120, 124)
    sim.command("unset nas.get-signal-info.lte")
    assert set(host.request(NAS, client, GET_SIGNAL_INFO)[1]) == {0x17, 0x18}
    sim.command("unset nas.get-signal-info")
    assert host.request(NAS, client, GET_SIGNAL_INFO)[0] == INVALID_QMI_COMMAND


def test_unknown_message(host):
    client = host.allocate(NAS)
    assert host.request(NAS, client, 0x7777) == (INVALID_QMI_COMMAND, {})


def test_error_of_a_message(sim, host):
    client = host.allocate(NAS)
    sim.command("set nas.get-signal-info.!error = no-effect")
    assert host.request(NAS, client, GET_SIGNAL_INFO) == (NO_EFFECT, {})
    sim.command("unset nas.get-signal-info.!error")
    assert host.request(NAS, client, GET_SIGNAL_INFO)[0] == 0


def test_error_with_tlvs(sim, host):
    client = host.allocate(WDS)
    sim.command("set wds.start-network.!error = call-failed")
    error, tlvs = host.request(WDS, client, 0x0020)
    assert error == CALL_FAILED
    assert tlvs == {0x10: b"\x03\x00", 0x11: struct.pack("<Hh", 3, 2001)}


def test_raw_answers(make):
    sim = make(overrides=["raw.0x60.0x0031.0x10 = 0aff", "raw.0x03.0x004f.0x99 = 01", "raw.0x60.0x0040.!error = 26"])
    with qmux.Host(sim.path) as host:
        assert host.request(UNKNOWN, host.allocate(UNKNOWN), 0x0031) == (0, {0x10: b"\x0a\xff"})
        assert host.request(UNKNOWN, 1, 0x0040) == (NO_EFFECT, {})
        tlvs = host.request(NAS, host.allocate(NAS), GET_SIGNAL_INFO)[1]
        assert tlvs[0x99] == b"\x01" and 0x14 in tlvs


def test_bad_requests(sim, host):
    client = host.allocate(DMS)
    assert host.request(DMS, client, SET_OPERATING_MODE)[0] == MISSING_ARGUMENT
    # A TLV whose length goes beyond the message.
    host.send_bytes(bytes.fromhex("01100000" "02") + bytes([client]) + bytes.fromhex("00" "0900" "2e00" "0400" "01050000"))
    assert qmux.result(host.receive_response()) == (MALFORMED_MESSAGE, {})


def test_requests_are_counted(sim, host):
    client = host.allocate(NAS)
    for _ in range(3):
        transaction = host.send(NAS, client, REGISTER_INDICATIONS, REGISTER_SIGNAL_INFO)
        host.receive_response()
    assert sim.count("nas.register-indications") == 3
    assert sim.last_request("nas.register-indications") == {
        "client": client, "transaction": transaction, "tlvs": b"\x19\x01\x00\x01"}
    assert sim.count("nas.get-signal-info") == 0
    assert sim.count("0x03.0x0003") == 3
    assert sim.count("frames") == 4
    # No frame: garbage. A frame, but a response: malformed.
    host.send_bytes(b"\xff\xfe" + qmux.pack(qmux.Message(NAS, client, "response", 1, GET_SIGNAL_INFO, [])))
    sim.wait_count("malformed", 1)
    assert sim.count("garbage") == 2


def test_wait_count(sim, host):
    client = host.allocate(NAS)
    other = sim._open_control()
    other.write("wait-count nas.get-signal-info 2\nwait-count clients.nas =0\ncount frames\n")
    other.flush()
    host.request(NAS, client, GET_SIGNAL_INFO)
    host.request(NAS, client, GET_SIGNAL_INFO)
    assert other.readline() == "ok \n"
    host.release(NAS, client)
    assert [other.readline(), other.readline()] == ["ok \n", "ok 4\n"]
    other.close()


def test_command_errors(sim):
    for line in ("", "nonsense", "set nas.get-signal-info.lte", "set nas.nothing.x = 1", "count nas", "send nas get-model",
                 "send nas signal-info lte.rsrp=x", "fail no-effect", "drop x", "silent maybe", "wait-count clients",
                 "raw-send xy", "last nas.get-signal-info", "add 1 nas.get-signal-info.lte.none"):
        with pytest.raises(qmidtest.SimError):
            sim.command(line)
    assert sim.count("clients") == 0


# ---- indications


def test_registration_is_per_client(sim, host):
    first, second, third = (host.allocate(NAS) for _ in range(3))
    host.request(NAS, first, REGISTER_INDICATIONS, REGISTER_SIGNAL_INFO)
    host.request(NAS, third, REGISTER_INDICATIONS, REGISTER_SIGNAL_INFO)
    sim.send("nas", "signal-info", lte__rsrp=-77)
    got = [host.receive_indication(), host.receive_indication()]
    assert [m.client for m in got] == [first, third]
    assert all(m.id == SIGNAL_INFO and lte(m.tlvs) == (-63, -11, -77, 124) for m in got)
    assert got[0].transaction == got[1].transaction

    host.request(NAS, first, REGISTER_INDICATIONS, [(0x19, b"\x00")])
    host.request(NAS, third, REGISTER_INDICATIONS, [(0x13, b"\x00")])
    sim.send("nas", "signal-info")
    assert host.receive_indication().client == third
    host.release(NAS, third)
    sim.send("nas", "signal-info")
    host.request(NAS, second, GET_SIGNAL_INFO)
    assert not host.indications


def test_indication_to_one_and_to_all(sim, host):
    host.allocate(NAS)
    sim.send("nas", "signal-info", target=7)
    assert host.receive_indication().client == 7
    sim.send("nas", "signal-info", target="all")
    assert host.receive_indication().client == 0xFF
    sim.command("set raw-indication.0x03.0x5555.0x01 = 0102")
    sim.command("send 0x03 0x5555 all")
    assert host.receive_indication()[4:] == (0x5555, [(0x01, b"\x01\x02")])


def test_raw_send(sim, host):
    frame = qmux.pack(qmux.Message(NAS, 0xFF, "indication", 9, 0x1234, [(1, b"x")]), flags=0x80)
    sim.command(f"raw-send {frame.hex()}")
    assert host.receive_frame() == frame


# ---- rules


def test_request_changes_an_answer(sim, host):
    client = host.allocate(DMS)
    host.request(DMS, client, 0x0001, [(0x14, b"\x01")])
    assert host.request(DMS, client, GET_OPERATING_MODE)[1][0x01] == b"\x00"
    assert host.request(DMS, client, SET_OPERATING_MODE, [(0x01, b"\x01")]) == (0, {})
    report = host.receive_indication()
    assert (report.client, report.id, report.tlvs) == (client, 0x0001, [(0x14, b"\x01")])
    assert host.request(DMS, client, GET_OPERATING_MODE)[1][0x01] == b"\x01"
    assert host.request(WDS, host.allocate(WDS), 0x0020)[0] == CALL_FAILED, "no call without radio"


@pytest.mark.parametrize("mode, band, error", [("low-power", "band-20", "no-effect"),
                                               ("low_power", "band_20", "no_effect")])
def test_symbols_are_spelled_either_way(make, mode, band, error):
    sim = make(overrides=["on dms.set-operating-mode", f"if request.mode == {mode}", f"do fail {error}",
                          "on nas.set-system-selection-preference", f"if request.lte-bands has {band}",
                          f"do fail {error}"])
    sim.command(f"set dms.get-operating-mode.mode = {mode}")
    with qmux.Host(sim.path) as host:
        dms, nas = host.allocate(DMS), host.allocate(NAS)
        assert host.request(DMS, dms, GET_OPERATING_MODE)[1][0x01] == b"\x01"
        assert host.request(DMS, dms, SET_OPERATING_MODE, [(0x01, b"\x01")]) == (NO_EFFECT, {})
        for bit, expected in ((18, 0), (19, NO_EFFECT)):
            bands = [(0x15, (1 << bit).to_bytes(8, "little"))]
            assert host.request(NAS, nas, 0x0033, bands) == (expected, {})


def test_data_session(sim, host):
    client = host.allocate(WDS)
    error, tlvs = host.request(WDS, client, 0x0020, [(0x14, b"internet")])
    assert error == 0 and set(tlvs) == {0x01}
    status = host.receive_indication()
    assert (status.client, status.id, dict(status.tlvs)[0x01]) == (client, 0x0022, b"\x02\x00")
    assert host.request(WDS, client, 0x0022) == (0, {0x01: b"\x02"})
    assert host.request(WDS, client, 0x0021, [(0x01, tlvs[0x01])]) == (0, {})
    assert dict(host.receive_indication().tlvs) == {0x01: b"\x01\x00", 0x10: b"\x02\x00", 0x12: b"\x04"}
    assert host.request(WDS, client, 0x0021, [(0x01, tlvs[0x01])]) == (NO_EFFECT, {})


def test_pin_tries_are_counted(make):
    with qmux.Host(make(scenario="locked").path) as host:
        client = host.allocate(UIM)
        assert host.request(UIM, client, 0x002E, [(0x01, b"\x01\0\0\0")]) == (0, {0x10: b"\x01\0\0\0"})
        session = (0x01, b"\x00\x00")
        for left in (2, 1):
            error, tlvs = host.request(UIM, client, 0x0026, [session, (0x02, b"\x01\x049999")])
            assert (error, tlvs[0x10]) == (INCORRECT_PIN, bytes([left, 10]))
        assert host.request(UIM, client, 0x0026, [session, (0x02, b"\x01\x041234")]) == (0, {})
        assert host.receive_indication()[1:5:3] == (client, 0x0032)
        for error in (INCORRECT_PIN, INCORRECT_PIN, PIN_BLOCKED):
            assert host.request(UIM, client, 0x0026, [session, (0x02, b"\x01\x040000")])[0] == error
        assert host.request(UIM, client, 0x0026, [session, (0x02, b"\x01\x041234")])[0] == PIN_BLOCKED


def test_abort(sim, host):
    client = host.allocate(NAS)
    sim.command("delay 600000 nas.network-scan")
    scan = host.send(NAS, client, 0x0021)
    abort = host.send(NAS, client, 0x0001, [(0x01, struct.pack("<H", scan))])
    got = {m.transaction: qmux.result(m) for m in (host.receive(), host.receive())}
    assert got == {scan: (ABORTED, {}), abort: (0, {})}
    assert host.request(NAS, client, 0x0001, [(0x01, b"\x99\x00")])[0] == INVALID_TRANSACTION_ID


def test_hurry(sim, host):
    client = host.allocate(NAS)
    sim.command("delay 600000 nas.network-scan")
    scan = host.send(NAS, client, 0x0021)
    sim.wait_count("nas.network-scan", 1)
    sim.command("hurry")
    answer = host.receive()
    assert answer.transaction == scan and qmux.result(answer)[0] == 0


# ---- time


def test_latency(sim, host):
    """What takes its time is overtaken by what does not."""
    client = host.allocate(NAS)
    sim.command("delay 50 nas.get-signal-info")
    slow = host.send(NAS, client, GET_SIGNAL_INFO)
    fast = host.send(NAS, client, 0x0025)
    assert [host.receive().transaction, host.receive().transaction] == [fast, slow]
    sim.command("delay 20")
    transactions = [host.send(NAS, client, 0x0025) for _ in range(5)]
    assert [host.receive().transaction for _ in transactions] == transactions


def test_time_line(make):
    sim = make(scenario="minimal", overrides=[
        "nas.signal-info.lte.rssi = -60", "nas.signal-info.lte.rsrq = -10", "nas.signal-info.lte.rsrp = -90",
        "nas.signal-info.lte.snr = 3.5", "@0s nas.signal-info.lte.rssi = -61", "@0.02s nas.signal-info.lte.rsrp = -91",
        "@0.02s send nas signal-info all", "@0.03s nas.signal-info.lte.rsrp = -92", "@40ms send nas signal-info all",
        "@repeat 50ms"])
    with qmux.Host(sim.path) as host:
        seen = [lte(host.receive_indication().tlvs)[2] for _ in range(6)]
    assert seen in ([-91, -92] * 3, [-92, -91] * 3)


def test_default_scenario_moves(make):
    """The demo's signal: registered clients hear it change."""
    with qmux.Host(make(scenario="default").path) as host:
        host.request(NAS, host.allocate(NAS), REGISTER_INDICATIONS, REGISTER_SIGNAL_INFO)
        first, second = host.receive_indication(), host.receive_indication()
        assert lte(first.tlvs) != lte(second.tlvs)


# ---- what goes wrong


def test_silent(sim, host):
    client = host.allocate(NAS)
    sim.command("silent on")
    host.send(NAS, client, GET_SIGNAL_INFO)
    sim.wait_count("nas.get-signal-info", 1)
    sim.send("nas", "signal-info", target="all")
    sim.command("silent off")
    transaction = host.send(NAS, client, GET_SIGNAL_INFO)
    assert host.receive().transaction == transaction


def test_silent_from_the_start(make):
    sim = make(scenario="silent")
    with qmux.Host(sim.path) as host:
        host.send(CTL, 0, 0x0021)
        sim.wait_count("ctl.get-version-info", 1)
        sim.command("silent off")
        assert host.request(CTL, 0, 0x0021)[0] == 0


def test_drop(sim, host):
    client = host.allocate(NAS)
    sim.command("drop 2 nas.get-signal-info")
    transactions = [host.send(NAS, client, i) for i in (GET_SIGNAL_INFO, 0x0025, GET_SIGNAL_INFO, GET_SIGNAL_INFO)]
    assert [host.receive().transaction for _ in range(2)] == [transactions[1], transactions[3]]
    assert sim.count("nas.get-signal-info") == 3, "what is dropped was seen"


def test_duplicate(sim, host):
    client = host.allocate(NAS)
    sim.command("duplicate 1")
    host.send(NAS, client, GET_SIGNAL_INFO)
    assert host.receive() == host.receive()
    assert host.request(NAS, client, GET_SIGNAL_INFO)[0] == 0


def test_garble_and_truncate(sim, host):
    client = host.allocate(NAS)
    host.send(NAS, client, GET_SIGNAL_INFO, transaction=1)
    good = host.receive_frame()
    sim.command("garble 1")
    host.send(NAS, client, GET_SIGNAL_INFO, transaction=1)
    garbled = host.receive_frame()
    assert len(garbled) == len(good) and garbled[:6] == good[:6]
    assert all(a != b for a, b in zip(garbled[6:], good[6:]))
    sim.command("truncate 1")
    host.send(NAS, client, GET_SIGNAL_INFO, transaction=1)
    cut = host.receive_frame()
    assert len(cut) < len(good) and cut[3:] == good[3 : len(cut)]
    assert host.request(NAS, client, GET_SIGNAL_INFO)[0] == 0


def test_wrong_ids(sim, host):
    client = host.allocate(NAS)
    sim.command("wrong-client 1")
    transaction = host.send(NAS, client, GET_SIGNAL_INFO)
    wrong = host.receive()
    assert (wrong.client != client, wrong.transaction) == (True, transaction)
    sim.command("wrong-transaction 1 nas.get-signal-info")
    transaction = host.send(NAS, client, GET_SIGNAL_INFO)
    wrong = host.receive()
    assert (wrong.client, wrong.transaction != transaction) == (client, True)


def test_lose(sim, host):
    """What the request did is done; the control service loses nothing."""
    sim.command("lose 1")
    client = host.allocate(NAS)
    host.send(NAS, client, GET_SIGNAL_INFO)
    assert host.request(NAS, client, GET_SIGNAL_INFO)[0] == 0
    assert (sim.count("nas.get-signal-info"), sim.count("lose")) == (2, 1)


def test_late(sim, host):
    client = host.allocate(NAS)
    sim.command("late 1 by 50")
    first, second = [host.send(NAS, client, GET_SIGNAL_INFO) for _ in range(2)]
    assert [host.receive().transaction for _ in range(2)] == [second, first]


def test_most_at_once(sim, host):
    client = host.allocate(NAS)
    sim.command("delay 50 nas.get-signal-info")
    for n in (1, 3, 2):
        for _ in range(n):
            host.send(NAS, client, GET_SIGNAL_INFO)
        for _ in range(n):
            host.receive()
    assert (sim.count("most.nas.get-signal-info"), sim.count("nas.get-signal-info")) == (3, 6)


def test_every(sim, host):
    client = host.allocate(NAS)
    sim.command("drop 2 nas.get-signal-info every 3")
    sent = [host.send(NAS, client, GET_SIGNAL_INFO) for _ in range(9)]
    assert [host.receive().transaction for _ in range(7)] == [t for i, t in enumerate(sent) if i not in (2, 5)]
    assert sim.count("drop") == 2


def test_noise_and_bad_lengths(sim, host):
    client = host.allocate(NAS)
    host.send(NAS, client, GET_SIGNAL_INFO, transaction=1)
    good = host.receive_frame()
    sim.command("noise 1")
    host.send(NAS, client, GET_SIGNAL_INFO, transaction=1)
    seen = b""
    while not seen.endswith(good):
        seen += host.receive_bytes(1)
    assert 1 <= len(seen) - len(good) <= 32
    sim.command("bad-length 3")
    lengths = []
    for _ in range(3):
        host.send(NAS, client, GET_SIGNAL_INFO, transaction=1)
        bad = host.receive_bytes(len(good))
        assert bad[:1] + bad[3:] == good[:1] + good[3:]
        lengths.append(int.from_bytes(bad[1:3], "little") + 1)
    assert len(good) not in lengths and len(set(lengths)) == 3


def test_garbage_and_split(sim, host):
    client = host.allocate(NAS)
    sim.command("garbage 00ff11")
    sim.command("split on")
    host.send(NAS, client, GET_SIGNAL_INFO)
    assert host.receive_bytes(3) == b"\x00\xff\x11"
    assert qmux.result(host.receive())[0] == 0
    sim.command("split off")
    assert host.request(NAS, client, GET_SIGNAL_INFO)[0] == 0


def test_hangup(sim):
    with qmux.Host(sim.path) as host:
        client = host.allocate(NAS)
        sim.command("hangup")
        with pytest.raises(EOFError):
            host.receive()
    with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
        qmux.Host(sim.path)
    sim.command("listen")
    with qmux.Host(sim.path) as host:
        assert host.request(NAS, client, GET_SIGNAL_INFO)[0] == 0


def test_frames_in_pieces(sim, host):
    """The host's frames may come in any pieces, too."""
    client = host.allocate(NAS)
    frames = b"".join(qmux.pack(qmux.Message(NAS, client, "request", i, GET_SIGNAL_INFO, [])) for i in (1, 2))
    for byte in frames:
        host.send_bytes(bytes([byte]))
    assert [host.receive().transaction, host.receive().transaction] == [1, 2]


# ---- replay


def write_recording(path, rows):
    frames = []
    for direction, message in rows:
        flags = 0x80 if direction == "in" else 0
        frames.append(f'{{"direction": "{direction}", "raw": "{qmux.pack(message, flags).hex()}"}}\n')
    path.write_text("".join(frames))
    return path


def test_replay(make, short_path):
    result = (0x02, bytes(4))
    recording = write_recording(short_path / "session.jsonl", [
        ("out", qmux.Message(NAS, 5, "request", 1, 0x7001, [(1, b"a")])),
        ("out", qmux.Message(NAS, 5, "request", 2, 0x7001, [(1, b"b")])),
        ("in", qmux.Message(NAS, 5, "response", 2, 0x7001, [result, (0x10, b"to b")])),
        ("in", qmux.Message(NAS, 5, "response", 1, 0x7001, [result, (0x10, b"to a")])),
        ("in", qmux.Message(NAS, 5, "indication", 3, 0x7002, [(1, b"after a")])),
        ("in", qmux.Message(NAS, 0xFF, "indication", 4, 0x7002, [(1, b"to all")])),
        ("in", qmux.Message(NAS, 9, "response", 8, 0x7003, [result, (0x10, b"not asked")])),
        ("out", qmux.Message(NAS, 5, "request", 6, 0x7001, [(1, b"a")])),
        ("in", qmux.Message(NAS, 5, "response", 6, 0x7001, [result, (0x10, b"again")])),
    ])
    sim = make(scenario="still", replay=recording)
    with qmux.Host(sim.path) as host:
        client = host.allocate(NAS)
        assert client != 5
        assert host.request(NAS, client, 0x7001, [(1, b"b")]) == (0, {0x10: b"to b"})
        assert host.request(NAS, client, 0x7001, [(1, b"a")]) == (0, {0x10: b"to a"})
        assert host.receive_indication() == qmux.Message(NAS, client, "indication", 3, 0x7002, [(1, b"after a")])
        assert host.receive_indication() == qmux.Message(NAS, 0xFF, "indication", 4, 0x7002, [(1, b"to all")])
        for text in (b"again", b"again"):
            assert host.request(NAS, client, 0x7001, [(1, b"a")]) == (0, {0x10: text})
        assert host.request(NAS, client, 0x7003, [(9, b"anything")]) == (0, {0x10: b"not asked"})
        assert host.request(NAS, client, 0x7001, [(1, b"c")]) == (INVALID_QMI_COMMAND, {})
        assert host.request(NAS, client, GET_SIGNAL_INFO)[0] == 0, "the scenario answers the rest"
        assert host.request(NAS, 9, 0x7001, [(1, b"a")])[0] == INVALID_CLIENT_ID


# ---- scenarios


@pytest.mark.parametrize("path", sorted(qmidtest.SCENARIOS.glob("*.toml")), ids=lambda p: p.stem)
def test_every_scenario_starts(make, path):
    assert make(scenario=path).command("count").startswith("frames=0 ")


@pytest.mark.parametrize("line, complaint", [
    ("nas.get-signal-info.lte.rsrp = \"x\"", "nas.get-signal-info.lte.rsrp: "),
    ("nas.get-signal-info.lte.rsrp = 99999", "nas.get-signal-info.lte.rsrp: "),
    ("nas.get-signal-info.lte.snr = 1.23", "nas.get-signal-info.lte.snr: "),
    ("nas.get-signal-info.nonsense = 1", "nas.get-signal-info.nonsense: "),
    ("uim.verify-pin.!failed.retries.verify-retries = 300", "uim.verify-pin.!failed.retries.verify_retries: "),
    ("nas.nonsense.x = 1", "no message \"nonsense\""),
    ("nonsense.x.y = 1", "no service \"nonsense\""),
    ("nas.get-signal-info.!error = nonsense", "no QMI error"),
    ("nas.get-signal-info.!latency = soon", "no duration"),
    ("ctl.pool = 300", "up to 254"),
    ("ctl.services.nas = new", "no version"),
    ("raw.0x03.0x004f.0x99 = 0", "not hex"),
    ("on nas.signal-info", "no request"),
    ("do nonsense", "no command"),
    ("@soon reset", "no time"),
    ("@1s nonsense", "no command"),
    ("nonsense", "no line of a scenario"),
])
def test_mistakes_in_scenarios(short_path, line, complaint):
    """A scenario that is wrong is refused with file, line and reason."""
    with pytest.raises(AssertionError) as e:
        qmidtest.Sim(short_path, overrides=["# one line before it", line])
    lines = (short_path / "modem0.lines").read_text().splitlines()
    assert f"modem0.lines:{lines.index(line) + 1}: " in str(e.value)
    assert complaint in str(e.value)
    assert "Sanitizer" not in str(e.value)
