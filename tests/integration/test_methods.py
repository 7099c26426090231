# SPDX-License-Identifier: LGPL-2.1-or-later
"""QMI messages as methods: what goes in, what comes out, and the generic doors."""

import math

import pytest
from dbusclient import NAME, DBusError

DEVICE = f"{NAME}.Device"


def request(bus, device, service, message, values=None, options=None):
    return bus.call(device, DEVICE, "Request", "ssa{sv}a{sv}", service, message, values or {}, options or {})


def call(bus, device, service, message, tlvs=(), options=None):
    return bus.call(device, DEVICE, "Call", "sqa(yay)a{sv}", service, message, list(tlvs), options or {})


def typed(bus, device, service, member):
    """The response with the signatures of its variants."""
    serial = bus.begin(device, f"{NAME}.{service}", member, "a{sv}", {})
    return bus.end_message(serial).body[0]


# ---- out


def test_values_with_units(each_world):
    sim = each_world.sim()
    each_world.start_daemon()
    bus = each_world.connect()
    assert bus.qmi(sim.device, "Nas", "GetSignalInfo") == {
        "lte": {"rssi": -63, "rsrq": -11, "rsrp": -95, "snr": 12.4},
        "nr5g": {"rsrp": -101, "snr": 8.0},
        "nr5g_rsrq": -11,
    }


def test_types(device, bus):
    seen = typed(bus, device, "Nas", "GetSignalInfo")
    assert seen["nr5g_rsrq"] == ("n", -11)
    assert seen["lte"] == ("a{sv}", {"rssi": ("n", -63), "rsrq": ("n", -11), "rsrp": ("n", -95), "snr": ("d", 12.4)})

    seen = typed(bus, device, "Nas", "GetServingSystem")
    assert seen["roaming"] == ("s", "off")
    assert seen["data_capabilities"] == ("as", ["lte"])
    assert seen["time_zone"] == ("d", 120.0)
    assert seen["tac"] == ("q", 4242)
    assert seen["cell_id"] == ("u", 27447297)
    assert seen["operator"] == ("a{sv}", {"mcc": ("q", 240), "mnc": ("q", 99), "name": ("s", "Ärlig Mobil")})

    seen = typed(bus, device, "Dms", "GetUserLockState")
    assert seen == {"enabled": ("b", False)}
    seen = typed(bus, device, "Uim", "GetSlotStatus")
    assert seen["information"][0] == "aa{sv}"
    assert seen["information"][1][0]["atr"] == ("ay", bytes.fromhex("3b9f96801fc78031e073fe211b63000102030405"))
    assert seen["eids"] == ("aay", [b"", b""])
    seen = typed(bus, device, "Dms", "GetBandCapabilities")
    assert seen["lte_bands"] == ("as", ["band_1", "band_3", "band_7", "band_8", "band_20"])
    assert seen["nr5g_bands"] == ("aq", [1, 3, 28, 78])
    seen = typed(bus, device, "Dms", "GetTime")
    assert seen["system_time"] == ("t", 1464269216000)
    assert seen["device_time"][1]["time"] == ("d", 1464269216000.0)
    seen = typed(bus, device, "Nas", "GetSystemInfo")
    assert seen["lte"][1]["plmn"] == ("s", "24099")


def test_absent_tlvs(device, sim, bus):
    sim.command("unset nas.get-signal-info.nr5g-rsrq")
    sim.command("unset nas.get-signal-info.nr5g")
    assert bus.qmi(device, "Nas", "GetSignalInfo") == {"lte": {"rssi": -63, "rsrq": -11, "rsrp": -95, "snr": 12.4}}
    # Nothing at all is an answer too.
    assert bus.qmi(device, "Nas", "SetSystemSelectionPreference", {"usage": "voice_centric"}) == {}


def test_no_value(device, sim, bus):
    """What says that it is none is left out."""
    sim.command("unset nas.get-signal-info.nr5g-rsrq")
    sim.set("raw.nas.get-signal-info.0x18", "hex:0080")  # -32768
    seen = bus.qmi(device, "Nas", "GetSignalInfo")
    assert "nr5g_rsrq" not in seen and "unknown_tlvs" not in seen


def test_unknown_symbols(device, sim, bus):
    """Of an enumeration the number, of flags the bit."""
    sim.set("nas.get-serving-system.roaming", "251")
    sim.set("dms.get-band-capabilities.lte-bands.0", "bit63")
    assert bus.qmi(device, "Nas", "GetServingSystem")["roaming"] == "251"
    assert "bit63" in bus.qmi(device, "Dms", "GetBandCapabilities")["lte_bands"]


def test_text_that_is_none(device, sim, bus):
    sim.command("unset nas.get-serving-system.operator")
    sim.set("raw.nas.get-serving-system.0x12", "hex:f0006300" + "04" + "4dff5fe9")
    seen = bus.qmi(device, "Nas", "GetServingSystem")
    assert seen["operator"] == {"mcc": 240, "mnc": 99, "name": "M\ufffd_\ufffd",
                                "name_bytes": bytes.fromhex("4dff5fe9")}


def test_unknown_tlvs(device, sim, bus):
    sim.set("raw.nas.get-drx.0xEE", "hex:c0ffee")       # no such TLV
    sim.set("raw.nas.get-signal-info.0x14", "hex:01020304")  # a second lte
    sim.set("raw.nas.get-signal-info.0x10", "hex:05")   # too short for cdma
    seen = bus.qmi(device, "Nas", "GetDrx")
    assert seen == {"drx": "t128", "unknown_tlvs": [(0xEE, bytes.fromhex("c0ffee"))]}
    seen = bus.qmi(device, "Nas", "GetSignalInfo")
    assert seen["lte"]["rsrp"] == -95 and "cdma" not in seen
    assert sorted(seen["unknown_tlvs"]) == [(0x10, b"\x05"), (0x14, b"\x01\x02\x03\x04")]


# ---- in


def sent(sim, name):
    tlvs = sim.last_request(name)["tlvs"]
    seen = {}
    while tlvs:
        n = int.from_bytes(tlvs[1:3], "little")
        seen[tlvs[0]] = tlvs[3 : 3 + n]
        tlvs = tlvs[3 + n :]
    return seen


@pytest.mark.parametrize("signature", "ynqiuxt")
def test_every_integer_type(device, sim, bus, signature):
    """Callers in dynamic languages cannot choose: what fits is taken, in a scaled number too."""
    bus.qmi(device, "Nas", "ConfigSignalInfoV2", {"nr5g_rsrp_delta": (signature, 2)})
    assert sent(sim, "nas.config-signal-info-v2") == {0x36: b"\x14\x00"}
    limits = {"lower": (signature, 5), "upper": (signature, 95)}
    bus.qmi(device, "Dms", "SetEventReport", {"battery_level_limits": limits})
    assert sent(sim, "dms.set-event-report") == {0x11: b"\x05\x5f"}
    bus.qmi(device, "Nas", "ConfigSignalInfo", {"rsrp_thresholds": (f"a{signature}", [100, 110])})
    assert sent(sim, "nas.config-signal-info") == {0x16: b"\x02\x64\x00\x6e\x00"}
    # Enumerations and flags by number, and by number as text.
    bus.qmi(device, "Nas", "SetSystemSelectionPreference", {"usage": (signature, 1), "modes": (signature, 16)})
    assert sent(sim, "nas.set-system-selection-preference") == {0x11: b"\x10\x00", 0x21: b"\x01\x00\x00\x00"}


def test_numbers_in(device, sim, bus):
    bus.qmi(device, "Nas", "ConfigSignalInfo", {
        "rssi_thresholds": [-90, -70], "lte_snr_thresholds": [-3.2, 0.1, 12], "ecio_thresholds": [-0.5, -16.0]})
    assert sent(sim, "nas.config-signal-info") == {
        0x10: b"\x02\xa6\xba",
        0x11: b"\x02\x01\x00\x20\x00",
        0x13: b"\x03\xe0\xff\x01\x00\x78\x00",
    }
    with pytest.raises(DBusError) as e:
        bus.qmi(device, "Nas", "ConfigSignalInfo", {"lte_snr_thresholds": [1.0, 0.15]})
    assert e.value.name == f"{NAME}.Error.InvalidArgument"
    assert "lte_snr_thresholds.1: 0.15" in e.value.text
    with pytest.raises(DBusError) as e:
        bus.qmi(device, "Nas", "ConfigSignalInfo", {"lte_snr_thresholds": [math.nan]})
    assert "lte_snr_thresholds.0" in e.value.text


def test_symbols_in(device, sim, bus):
    for roaming in ("any", "255"):
        for modes in (["umts", "lte"], ["bit3", "bit4"], ["umts", "4"], [3, 4], 24):
            bus.qmi(device, "Nas", "SetSystemSelectionPreference", {"roaming": roaming, "modes": modes})
            assert sent(sim, "nas.set-system-selection-preference") == {0x11: b"\x18\x00", 0x14: b"\xff\x00"}
    # An empty array has a type that somebody had to choose; flags wider than a word.
    for empty in (("as", []), ("ai", []), ("av", []), ("ay", b"")):
        bus.qmi(device, "Nas", "SetSystemSelectionPreference", {"modes": empty, "nr5g_sa_bands": ["n78"]})
        assert sent(sim, "nas.set-system-selection-preference") == {
            0x11: b"\x00\x00", 0x2F: (1 << 77).to_bytes(64, "little")}


def test_symbols_are_spelled_with_underscores(device, sim, bus):
    """As keys are. A caller may write dashes."""
    for mode in ("low_power", "low-power"):
        bus.qmi(device, "Dms", "SetOperatingMode", {"mode": mode})
        assert sent(sim, "dms.set-operating-mode") == {0x01: b"\x01"}
        assert bus.qmi(device, "Dms", "GetOperatingMode")["mode"] == "low_power"
    for bands in (["band_1", "band-20"], ["band-1", "band_20"]):
        bus.qmi(device, "Nas", "SetSystemSelectionPreference", {"lte_bands": bands})
        assert sent(sim, "nas.set-system-selection-preference") == {0x15: (1 | 1 << 19).to_bytes(8, "little")}


def test_variants_in_variants(device, sim, bus):
    """As callers send them who put each element into a variant."""
    bus.qmi(device, "Nas", "ConfigSignalInfo", {"rssi_thresholds": ("av", [-90, ("v", ("v", ("n", -70)))])})
    assert sent(sim, "nas.config-signal-info") == {0x10: b"\x02\xa6\xba"}


def test_text_address_and_bytes_in(device, sim, bus):
    client = bus.call(device, DEVICE, "OpenClient", "sa{sv}", "wds", {})
    seen = bus.qmi(client, "Wds", "StartNetwork", {
        "apn": "internet", "ipv4_primary_dns": "10.1.2.3", "password": "hunter2", "ip_family": "ipv4"})
    assert seen == {"packet_data_handle": 2175651201}
    assert sent(sim, "wds.start-network") == {
        0x10: b"\x03\x02\x01\x0a", 0x14: b"internet", 0x18: b"hunter2", 0x19: b"\x04"}
    bus.qmi(device, "Uim", "ReadTransparent", {
        "session": {"type": "card_slot_1", "aid": b""}, "file": {"id": 0x2FE2, "path": ("ai", [0, 0x3F])},
        "read": {"offset": 0, "length": 0}})
    assert sent(sim, "uim.read-transparent") == {
        0x01: b"\x06\x00", 0x02: b"\xe2\x2f\x02\x00\x3f", 0x03: b"\x00\x00\x00\x00"}


def test_secrets_stay_out_of_errors_and_logs(world, sim, bus):
    daemon = world.start_daemon(options=["--log-level=debug"])
    session = {"type": "primary_gw_provisioning", "aid": b""}
    for values in ({"pin": {"id": "pin1", "value": "94275"}, "session": session},          # wrong PIN
                   {"pin": {"id": "pin1", "value": "94275" * 99}, "session": session},     # too long
                   {"pin": {"id": "pin1", "value": 94275}, "session": session},            # no text
                   {"pin": {"id": "pin1", "value": ["94275"]}, "session": session}):
        with pytest.raises(DBusError) as e:
            bus.qmi(sim.device, "Uim", "VerifyPin", values)
        assert "94275" not in e.value.text
    assert "94275" not in daemon.output()


def test_no_interface_named(device, bus):
    """D-Bus lets callers leave it out; the bus library does not, and they learn why."""
    for path in (device, "/org/qmid1/device/none"):
        with pytest.raises(DBusError) as e:
            bus.call(path, None, "GetSignalInfo", "a{sv}", {})
        assert e.value.name == "org.freedesktop.DBus.Error.UnknownMethod"
        assert "GetSignalInfo" in e.value.text and "interface" in e.value.text and "null" not in e.value.text


# ---- results that come as indications


def test_result_as_indication(device, sim, bus):
    sim.command("set wds.set-lte-attach-pdn-list = {}")
    asked = bus.begin(device, f"{NAME}.Wds", "SetLteAttachPdnList", "a{sv}", {"profiles": [1, 2]})
    sim.wait_count("wds.set-lte-attach-pdn-list", 1)
    # It has been acknowledged when this is answered, and still nobody was told.
    bus.qmi(device, "Wds", "GetMaxLteAttachPdnNumber")
    assert asked not in bus.replies
    client = sim.last_request("wds.set-lte-attach-pdn-list")["client"]
    sim.send("wds", "lte-attach-pdn-list-result", client, successful=True)
    assert bus.end(asked) == {"successful": True}

    # One that is refused has no result to wait for.
    sim.set("wds.set-lte-attach-pdn-list.!error", "no-effect")
    with pytest.raises(DBusError) as e:
        bus.qmi(device, "Wds", "SetLteAttachPdnList", {"profiles": [1]})
    assert e.value.name == f"{NAME}.Error.Qmi.NoEffect"


# ---- Request


def test_request(device, sim, bus):
    assert request(bus, device, "nas", "get-drx") == ("success", {"drx": "t128"})
    assert request(bus, device, "Nas", "GetDrx") == ("success", {"drx": "t128"})


def test_request_with_a_failure_as_data(device, sim, bus):
    seen = request(bus, device, "dms", "uim-verify-pin", {"pin": {"id": "pin1", "value": "0000"}})
    assert seen == ("incorrect_pin", {"retries": {"verify_retries": 2, "unblock_retries": 10}})
    sim.set("nas.get-drx.!error", "no-effect")
    assert request(bus, device, "nas", "get-drx") == ("no_effect", {})
    sim.set("nas.get-drx.!error", 0xABCD)
    assert request(bus, device, "nas", "get-drx") == (str(0xABCD), {})


def test_request_runs_where_the_method_does(device, sim, bus):
    request(bus, device, "nas", "get-drx")
    request(bus, device, "nas", "set-event-report")
    assert sim.last_request("nas.get-drx")["client"] != sim.last_request("nas.set-event-report")["client"]
    with pytest.raises(DBusError) as e:
        request(bus, device, "wds", "get-packet-service-status")
    assert e.value.name == f"{NAME}.Error.InvalidArgument"
    assert "OpenClient" in e.value.text


# ---- Call


def test_call(device, sim, bus):
    ok = (0x02, b"\0\0\0\0")
    assert call(bus, device, "nas", 0x0089) == [ok, (0x10, b"\x08\0\0\0")]
    # Services by number, also such as the schema does not know, and messages likewise.
    assert call(bus, device, "0x03", 0x0089) == [ok, (0x10, b"\x08\0\0\0")]
    sim.set("raw.0x60.0x1234.0x42", "hex:aabb")
    assert call(bus, device, "0x60", 0x1234, [(0x01, b"hello"), (0xFF, b"")]) == [ok, (0x42, b"\xaa\xbb")]
    assert sim.last_request("0x60.0x1234")["tlvs"] == b"\x01\x05\x00hello\xff\x00\x00"
    # Always on the caller's own client: besides the daemon's there is one of service 3.
    assert sim.last_request("nas.get-drx")["client"] == 2 and sim.count("clients.nas") == 2 and sim.count("clients.0x60") == 1

    with pytest.raises(DBusError) as e:
        call(bus, device, "nas", 0x7777)
    assert e.value.name == f"{NAME}.Error.Qmi.InvalidQmiCommand"
    with pytest.raises(DBusError) as e:
        call(bus, device, "nas", 0x0089, [(1, bytes(65535))])
    assert e.value.name == f"{NAME}.Error.InvalidArgument" and "tlvs" in e.value.text
    with pytest.raises(DBusError) as e:
        call(bus, device, "nas", 0x0089, [(1, bytes(65536))])
    assert e.value.name == f"{NAME}.Error.InvalidArgument" and "tlvs" in e.value.text
    with pytest.raises(DBusError) as e:
        call(bus, device, "nas", 0x0089, [(1, b"")] * 100000)
    assert e.value.name == f"{NAME}.Error.InvalidArgument" and "tlvs" in e.value.text


# ---- Cancel


def cancel(bus, device, service, message):
    bus.call(device, DEVICE, "Cancel", "ssa{sv}", service, message, {})


def test_cancel(device, sim, bus):
    sim.command("delay 1000000 nas.network-scan")
    scan = bus.begin(device, f"{NAME}.Nas", "NetworkScan", "a{sv}", {})
    sim.wait_count("nas.network-scan", 1)
    cancel(bus, device, "nas", "network-scan")
    with pytest.raises(DBusError) as e:
        bus.end(scan)
    assert e.value.name == f"{NAME}.Error.Qmi.Aborted"

    sim.wait_count("nas.abort", 1)
    started, aborted = sim.last_request("nas.network-scan"), sim.last_request("nas.abort")
    assert aborted["client"] == started["client"]
    assert aborted["tlvs"] == b"\x01\x02\x00" + started["transaction"].to_bytes(2, "little")
    # The client goes on.
    sim.command("delay 0 nas.network-scan")
    assert bus.qmi(device, "Nas", "NetworkScan")["scan_result"] == "success"

    with pytest.raises(DBusError) as e:
        cancel(bus, device, "nas", "network-scan")
    assert e.value.name == f"{NAME}.Error.InvalidArgument" and "network-scan" in e.value.text


def test_cancel_takes_the_one_that_is_under_way(device, sim, bus):
    sim.command("delay 1000000 nas.network-scan")
    scans = [bus.begin(device, f"{NAME}.Nas", "NetworkScan", "a{sv}", {}) for _ in range(2)]
    sim.wait_count("nas.network-scan", 1)
    sim.command("delay 0 nas.network-scan")
    cancel(bus, device, "Nas", "NetworkScan")
    with pytest.raises(DBusError) as e:
        bus.end(scans[0])
    assert e.value.name == f"{NAME}.Error.Qmi.Aborted"
    assert bus.end(scans[1])["scan_result"] == "success"
    assert sim.count("nas.abort") == 1


def test_cancel_is_for_ones_own(world, device, sim, bus):
    other = world.connect()
    sim.command("delay 1000000 nas.network-scan")
    scan = bus.begin(device, f"{NAME}.Nas", "NetworkScan", "a{sv}", {})
    sim.wait_count("nas.network-scan", 1)
    with pytest.raises(DBusError) as e:
        cancel(other, device, "nas", "network-scan")
    assert e.value.name == f"{NAME}.Error.InvalidArgument"
    bus.bus_call("GetId")
    assert scan not in bus.replies and sim.count("nas.abort") == 0


# ---- several at once


def test_two_callers(each_world):
    sim = each_world.sim()
    each_world.start_daemon()
    one, two = each_world.connect(), each_world.connect()
    sim.command("delay 20 nas.get-drx")
    asked = [(bus, bus.begin(sim.device, f"{NAME}.{service}", member, "a{sv}", {}), key)
             for service, member, key in (("Nas", "GetDrx", "drx"), ("Dms", "GetModel", "model"),
                                          ("Nas", "GetDrx", "drx"))
             for bus in (one, two)]
    for bus, serial, key in asked:
        assert set(bus.end(serial)) == {key}
    assert 1 <= sim.count("nas.get-drx") <= 4  # equal ones are asked once


def test_a_hundred_in_flight(device, sim, bus):
    """Each gets its own answer, whatever the order."""
    members = [("Nas", "GetDrx", {"drx": "t128"}), ("Dms", "GetModel", {"model": "SIM-5G"}),
               ("Uim", "GetConfiguration", {"automatic_selection": True, "halt_subscription": False}),
               ("Wds", "GetMaxLteAttachPdnNumber", {"maximum": 8})]
    asked = [(bus.begin(device, f"{NAME}.{service}", member, "a{sv}", {}), expected)
             for _ in range(25) for service, member, expected in members]
    for serial, expected in asked:
        assert bus.end(serial) == expected
    assert 1 <= sim.count("nas.get-drx") <= 25
