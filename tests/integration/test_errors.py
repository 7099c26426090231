# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each error of the contract, with what a person needs in its one sentence. Bad input never reaches the modem."""

import pytest
from dbusclient import NAME, DBusError
from jeepney import HeaderFields

DEVICE = f"{NAME}.Device"
SESSION = {"session": {"type": "primary_gw_provisioning", "aid": b""}}


def refusal(call):
    """(name without its prefix, sentence)"""
    with pytest.raises(DBusError) as e:
        call()
    name, text = e.value.name, e.value.text
    assert text and text == text.strip() and "\n" not in text and "(null)" not in text
    return name.removeprefix(f"{NAME}.Error."), text


def open_client(bus, device, service, options=None):
    return bus.call(device, DEVICE, "OpenClient", "sa{sv}", service, options or {})


def request(bus, device, service, message, values=None, options=None):
    return bus.call(device, DEVICE, "Request", "ssa{sv}a{sv}", service, message, values or {}, options or {})


class Untouched:
    """That the modem has seen nothing between begin and end, and has given no client id."""

    def __init__(self, sim):
        self.sim = sim

    def __enter__(self):
        self.before = self.sim.count("frames"), self.sim.clients()

    def __exit__(self, kind, *_):
        if kind is None:
            assert (self.sim.count("frames"), self.sim.clients()) == self.before


@pytest.fixture
def quiet(sim, device, bus):
    """The daemon has asked the modem all that it asks by itself."""
    sim.wait_count("dms.get-ids", 1)
    return device


# ---- the caller's mistakes

MISTAKES = [
    # what is wrong, service, member, request, what the sentence has
    ("unknown key", "Nas", "GetSignalInfo", {"quickly": True}, ["quickly", "unknown key"]),
    ("key of the answer", "Nas", "GetDrx", {"unknown_tlvs": []}, ["unknown_tlvs"]),
    ("dashes", "Nas", "SetSystemSelectionPreference", {"voice-domain": "cs-only"}, ["voice-domain", "voice_domain"]),
    ("unknown key below", "Uim", "VerifyPin", SESSION | {"pin": {"id": "pin1", "value": "1", "x": 1}}, ["pin.x"]),
    ("text for a number", "Nas", "InitiateNetworkRegister",
     {"action": "automatic", "network": {"mcc": "240", "mnc": 99, "radio_interface": "lte"}}, ["network.mcc", "text"]),
    ("number for text", "Dms", "UimVerifyPin", {"pin": {"id": "pin1", "value": 1234}}, ["pin.value", "text"]),
    ("number for a struct", "Dms", "UimVerifyPin", {"pin": 1}, ["pin:"]),
    ("struct for a number", "Nas", "RegisterIndications", {"signal_info": {}}, ["signal_info"]),
    ("number for a boolean", "Nas", "RegisterIndications", {"signal_info": 2}, ["signal_info"]),
    ("number for an array", "Nas", "ConfigSignalInfo", {"rssi_thresholds": -90}, ["rssi_thresholds", "array"]),
    ("wrong element", "Nas", "ConfigSignalInfo", {"rssi_thresholds": ("as", ["-90"])}, ["rssi_thresholds.0"]),
    ("missing field", "Dms", "SetOperatingMode", {}, ["mode", "missing"]),
    ("missing field below", "Dms", "UimVerifyPin", {"pin": {"id": "pin1"}}, ["pin.value"]),
    ("too large", "Uim", "PowerOnSim", {"slot": 256}, ["slot", "256"]),
    ("negative", "Uim", "PowerOnSim", {"slot": -1}, ["slot", "-1"]),
    ("far too large", "Uim", "PowerOnSim", {"slot": ("t", 2**64 - 1)}, ["slot", "18446744073709551615"]),
    ("element out of range", "Nas", "ConfigSignalInfo", {"rssi_thresholds": [-90, -129]},
     ["rssi_thresholds.1", "-129"]),
    ("off the scale's steps", "Nas", "ConfigSignalInfoV2", {"lte_snr_delta": 0.25}, ["lte_snr_delta", "0.25"]),
    ("text too long for its count", "Dms", "UimVerifyPin", {"pin": {"id": "pin1", "value": "1" * 256}}, ["pin.value"]),
    ("text too long for its field", "Dms", "RestoreFactoryDefaults", {"spc": "1234567"}, ["spc", "7 bytes", "6"]),
    ("text too long for its limit", "Dms", "ActivateManual", {
        "activation": {"spc": "0", "system_id": 1, "mobile_directory_number": "", "mobile_id_number": ""},
        "mn_ha_key": "k" * 17}, ["mn_ha_key", "17"]),
    ("unknown symbol", "Dms", "SetOperatingMode", {"mode": "fly"},
     ["mode: 'fly' is none of online, low_power, factory_test, offline, reset, shutting_down, persistent_low_power, "
      "mode_only_low_power, unknown"]),
    ("nearly a symbol", "Nas", "SetSystemSelectionPreference", {"modes": ["umts", "lt"]},
     ["modes.1: 'lt' is none of ", "; did you mean lte"]),
    ("symbol as number, too large", "Dms", "SetOperatingMode", {"mode": "256"}, ["mode", "256"]),
    ("unknown flag", "Nas", "SetSystemSelectionPreference", {"modes": ["lte", "6g"]}, ["modes.1", "6g"]),
    ("flag that has no bit", "Nas", "SetSystemSelectionPreference", {"modes": ["bit16"]}, ["modes.0", "16"]),
    ("no address", "Wds", "CreateProfile", {"profile_type": "3gpp", "ipv4_primary_dns": "10.0.0.256"},
     ["ipv4_primary_dns"]),
    ("type that QMI has not", "Nas", "RegisterIndications", {"signal_info": ("o", "/x")}, ["signal_info", "'o'"]),
    ("dictionary of another kind", "Dms", "UimVerifyPin", {"pin": ("a{ss}", {"id": "pin1"})}, ["pin", "a{ss}"]),
    ("300 keys", "Nas", "GetDrx", {f"k{i}": i for i in range(300)}, ["256"]),
    ("300 keys below", "Dms", "UimVerifyPin", {"pin": {f"k{i}": i for i in range(300)}}, ["pin", "256"]),
    ("key twice", "Nas", "RegisterIndications", [("signal_info", True), ("signal_info", False)],
     ["signal_info", "twice"]),
    ("key twice below", "Dms", "UimVerifyPin",
     {"pin": ("a{sv}", [("id", "pin1"), ("value", "1"), ("value", "2")])}, ["pin", "value", "twice"]),
    ("a million elements", "Nas", "ConfigSignalInfo", {"rssi_thresholds": ("an", [1] * 1000000)}, ["rssi_thresholds"]),
    ("more bytes than a count says", "Nas", "ConfigSignalInfo", {"rssi_thresholds": ("an", [1] * 256)},
     ["rssi_thresholds"]),
    ("more bytes than a frame", "Dms", "WriteUserData", {"user_data": bytes(65535)}, ["65"]),
    ("more bytes than a number says", "Dms", "WriteUserData", {"user_data": bytes(70000)}, ["user_data"]),
]


@pytest.mark.parametrize("service, member, values, parts", [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_invalid_argument(sim, quiet, bus, service, member, values, parts):
    with Untouched(sim):
        name, text = refusal(lambda: bus.qmi(quiet, service, member, values))
    assert name == "InvalidArgument"
    for part in parts:
        assert part in text
    assert len(text) < 400


def nested(depth):
    value = ("i", 1)
    for _ in range(depth):
        value = ("v", value)
    return value


def test_deep_nesting(sim, quiet, bus):
    """As deep as D-Bus has it, in variants, arrays and dictionaries."""
    deep = 1
    for _ in range(18):
        deep = {"a": deep}
    for value in (nested(20), nested(50), deep, ("a" * 30 + "i", [])):
        with Untouched(sim):
            name, text = refusal(lambda: bus.qmi(quiet, "Nas", "RegisterIndications", {"signal_info": value}))
        assert name == "InvalidArgument" and "signal_info" in text


def test_wrong_signature(sim, quiet, bus):
    with Untouched(sim):
        for signature, arguments in (("", ()), ("s", ("x",)), ("a{sv}s", ({}, "x")), ("a{ss}", ({},))):
            with pytest.raises(DBusError) as e:
                bus.call(quiet, f"{NAME}.Nas", "GetSignalInfo", signature, *arguments)
            assert e.value.name == "org.freedesktop.DBus.Error.InvalidArgs"


def test_nothing_is_leaked_by_mistakes(sim, quiet, bus):
    """A request with a mistake allocates no client id: neither a method nor the generic doors."""
    with Untouched(sim):
        for call in (lambda: bus.qmi(quiet, "Nas", "SetEventReport", {"x": 1}),
                     lambda: request(bus, quiet, "nas", "set-event-report", {"x": 1}),
                     lambda: bus.call(quiet, DEVICE, "Call", "sqa(yay)a{sv}", "nas", 1, [], {"x": 1})):
            assert refusal(call)[0] == "InvalidArgument"
        assert [c for c in bus.call(quiet, DEVICE, "ListClients", "a{sv}", {}) if c["owner"] != "qmid"] == []


def test_unknown_options(sim, quiet, bus):
    with Untouched(sim):
        for call in (lambda: request(bus, quiet, "nas", "get-drx", {}, {"timeout": 1, "fast": True}),
                     lambda: bus.call(quiet, DEVICE, "Call", "sqa(yay)a{sv}", "nas", 1, [], {"fast": True}),
                     lambda: bus.call(quiet, DEVICE, "Cancel", "ssa{sv}", "nas", "network-scan", {"fast": True}),
                     lambda: open_client(bus, quiet, "nas", {"fast": True}),
                     lambda: bus.call(quiet, DEVICE, "ListClients", "a{sv}", {"fast": True})):
            name, text = refusal(call)
            assert name == "InvalidArgument" and "fast" in text
        name, text = refusal(lambda: request(bus, quiet, "nas", "get-drx", {}, [("timeout", 1), ("timeout", 2)]))
        assert name == "InvalidArgument" and "timeout" in text and "twice" in text


@pytest.mark.parametrize("timeout", [0, -1, 0.0001, 1e9, float("nan"), float("inf"), "1", True, [1], {}])
def test_wrong_timeout(sim, quiet, bus, timeout):
    with Untouched(sim):
        name, text = refusal(lambda: request(bus, quiet, "nas", "get-drx", {}, {"timeout": timeout}))
        assert name == "InvalidArgument" and "timeout" in text


def test_unknown_service_and_message(sim, quiet, bus):
    with Untouched(sim):
        for service in ("nos", "", "0x", "0xzz", "0x10000", "3", "nas "):
            for call in (lambda: request(bus, quiet, service, "get-drx"), lambda: open_client(bus, quiet, service),
                         lambda: bus.call(quiet, DEVICE, "Call", "sqa(yay)a{sv}", service, 1, [], {})):
                name, text = refusal(call)
                assert name == "NoSuchService" and f"'{service}'" in text
        # It exists, but not on this modem.
        for service in ("0xe1", "0x42"):
            name, text = refusal(lambda: open_client(bus, quiet, service))
            assert name == "NoSuchService" and service in text
        # That one is the daemon's own.
        name, text = refusal(lambda: open_client(bus, quiet, "ctl"))
        assert name == "InvalidArgument" and "ctl" in text
        for message in ("get-nothing", "", "signal-info"):
            name, text = refusal(lambda: request(bus, quiet, "nas", message))
            assert name == "InvalidArgument" and f"'{message}'" in text


def test_service_that_this_modem_lacks(world, bus):
    sim = world.sim(scenario="minimal")
    world.start_daemon()
    for call in (lambda: bus.qmi(sim.device, "Nas", "GetSignalInfo"),
                 lambda: request(bus, sim.device, "nas", "get-drx"),
                 lambda: open_client(bus, sim.device, "nas")):
        name, text = refusal(call)
        assert name == "NoSuchService" and "nas" in text
    assert sim.clients() == [("dms", 1)]


# ---- the modem does not serve


def test_no_modem_yet(world, bus):
    port = world.directory / "absent"
    world.start_daemon([f"unix:{port}"])
    device = "/org/qmid1/device/unix_absent"
    for call in (lambda: bus.qmi(device, "Nas", "GetSignalInfo"), lambda: request(bus, device, "nas", "get-drx"),
                 lambda: open_client(bus, device, "nas"),
                 lambda: bus.call(device, DEVICE, "Call", "sqa(yay)a{sv}", "nas", 1, [], {})):
        name, text = refusal(call)
        assert name == "NotReady" and f"cannot connect to {port}" in text
    assert bus.call(device, DEVICE, "ListClients", "a{sv}", {}) == []


def test_silent_modem(world, bus):
    sim = world.sim(scenario="silent")
    world.start_daemon(ready=False)
    sim.wait_count("ctl.get-version-info", 1)
    name, text = refusal(lambda: bus.qmi(sim.device, "Nas", "GetSignalInfo"))
    assert name == "NotReady" and "not answered" in text


def test_timeout(sim, quiet, bus):
    bus.qmi(quiet, "Nas", "GetDrx")
    sim.command("drop 2 nas.get-drx")
    for timeout in (0.05, 0.001):
        name, text = refusal(lambda: request(bus, quiet, "nas", "get-drx", {}, {"timeout": timeout}))
        assert name == "Timeout" and "nas get-drx" in text
    assert request(bus, quiet, "nas", "get-drx", {}, {"timeout": 60}) == ("success", {"drx": "t128"})

    bus.call(quiet, DEVICE, "Call", "sqa(yay)a{sv}", "dms", 0x22, [], {})
    sim.command("drop 1")
    name, text = refusal(lambda: bus.call(quiet, DEVICE, "Call", "sqa(yay)a{sv}", "dms", 0x22, [], {"timeout": 0.05}))
    assert name == "Timeout" and "0x0022" in text


def test_device_gone(each_world):
    """With a hundred calls under way: on the shared id, on one's own, on opened clients, and while allocating."""
    sim = each_world.sim()
    each_world.start_daemon()
    bus = each_world.connect()
    client = open_client(bus, sim.device, "uim")
    for path, service, member in ((sim.device, "Nas", "GetDrx"), (sim.device, "Dms", "SetEventReport")):
        bus.qmi(path, service, member)
    sim.command("silent on")
    calls = [(sim.device, "Nas", "GetDrx"), (sim.device, "Dms", "SetEventReport"), (client, "Uim", "GetSlotStatus"),
             (sim.device, "Wds", "SetEventReport")]
    asked = [bus.begin(path, f"{NAME}.{service}", member, "a{sv}", {})
             for _ in range(25) for path, service, member in calls]
    asked.append(bus.begin(sim.device, DEVICE, "OpenClient", "sa{sv}", "wda", {}))
    bus.wait_property(sim.device, DEVICE, "State", "ready")  # the daemon has read all of it
    sim.command("hangup")
    for serial in asked:
        name, text = refusal(lambda: bus.end(serial))
        assert name == "DeviceGone"
    sim.command("silent off")
    sim.command("listen")
    bus.wait_property(sim.device, DEVICE, "State", "ready")
    assert bus.qmi(sim.device, "Nas", "GetDrx") == {"drx": "t128"}


# ---- more than one's share


def test_too_many_calls(world, sim, quiet, bus):
    """Those count too whose answer the caller does not want, of which the bus keeps no account."""
    other = world.connect()
    bus.qmi(quiet, "Nas", "GetDrx")
    sim.command("silent on")
    for _ in range(256):
        bus.begin(quiet, f"{NAME}.Nas", "GetDrx", "a{sv}", {}, no_reply=True)
    name, text = refusal(lambda: bus.qmi(quiet, "Nas", "GetDrx"))
    assert name == "LimitsExceeded" and "256" in text
    # Others have a share of their own.
    theirs = other.begin(quiet, f"{NAME}.Nas", "GetDrx", "a{sv}", {})
    other.settle(quiet)
    sim.command("hangup")
    assert refusal(lambda: other.end(theirs))[0] == "DeviceGone"
    sim.command("silent off")
    sim.command("listen")
    bus.wait_property(quiet, DEVICE, "State", "ready")
    assert bus.qmi(quiet, "Nas", "GetDrx") == {"drx": "t128"}


def test_too_many_clients(world, bus):
    sim = world.sim(overrides={"ctl.pool": 100})
    world.start_daemon()
    other = world.connect()
    clients = [open_client(bus, sim.device, "nas") for _ in range(64)]
    for call in (lambda: open_client(bus, sim.device, "nas"), lambda: bus.qmi(sim.device, "Dms", "SetEventReport")):
        name, text = refusal(call)
        assert name == "LimitsExceeded" and "client ids" in text
    assert sim.count("clients.nas") == 65  # and the daemon's own
    open_client(other, sim.device, "nas")
    bus.call(clients[0], f"{NAME}.Client", "Release", "a{sv}", {})
    open_client(bus, sim.device, "nas")


# ---- what the modem says


def test_qmi_errors(sim, quiet, bus):
    for error, expected, words in (("no-effect", "Qmi.NoEffect", "no effect"),
                                   ("device_not_ready", "Qmi.DeviceNotReady", "device not ready"),
                                   ("call-failed", "Qmi.CallFailed", "call failed"),
                                   ("0xabcd", "Qmi.Code43981", "unknown QMI error 43981"),
                                   ("invalid-handle", "Qmi.InvalidHandle", "invalid handle")):
        sim.command(f"set nas.get-drx.!error = {error}")
        name, text = refusal(lambda: bus.qmi(quiet, "Nas", "GetDrx"))
        assert (name, text) == (expected, f"nas get-drx: the modem answered: {words}")
    sim.command("unset nas.get-drx.!error")
    assert bus.qmi(quiet, "Nas", "GetDrx") == {"drx": "t128"}


def test_client_id_is_denied(sim, quiet, bus):
    """Ids are the daemon's own business: it asks whether that is so, and goes on."""
    sim.command("set nas.get-drx.!error = invalid-client-id")
    name, _ = refusal(lambda: bus.qmi(quiet, "Nas", "GetDrx"))
    assert name == "DeviceGone"
    sim.command("unset nas.get-drx.!error")
    sim.wait_count("nas.get-supported-messages", 1)
    assert bus.qmi(quiet, "Nas", "GetDrx") == {"drx": "t128"}


@pytest.mark.parametrize("service, member, extra", [("Dms", "UimVerifyPin", {}), ("Uim", "VerifyPin", SESSION)])
def test_wrong_pin(world, bus, service, member, extra):
    """The sentence says how many tries are left."""
    sim = world.sim(scenario="locked")
    world.start_daemon()
    wrong = [{"pin": {"id": "pin1", "value": value}} | extra for value in ("0000", "0001", "0002")]
    for left, pin in zip((2, 1), wrong):
        name, text = refusal(lambda: bus.qmi(sim.device, service, member, pin))
        assert name == "Qmi.IncorrectPin"
        assert f"verify_retries {left}" in text and "unblock_retries 10" in text and "000" not in text
    # The last one is used by those only who say so.
    name, text = refusal(lambda: bus.qmi(sim.device, service, member, wrong[2]))
    assert name == "Guarded" and "1 try left" in text and "0002" not in text
    sim.command("set dms.uim-get-pin-status.pin1.verify-retries = 2")
    sim.command("set uim.get-card-status.card-status.cards.0.applications.0.pin1-retries = 2")
    sim.command(f"set {service.lower()}.{'uim-' * (service == 'Dms')}verify-pin.!error = pin-blocked")
    sim.command(f"set {service.lower()}.{'uim-' * (service == 'Dms')}verify-pin.!failed.retries.verify-retries = 0")
    name, text = refusal(lambda: bus.qmi(sim.device, service, member, wrong[2]))
    assert name == "Qmi.PinBlocked" and "verify_retries 0" in text


def test_end_reason(sim, quiet, bus):
    client = open_client(bus, quiet, "wds")
    bus.qmi(quiet, "Dms", "SetOperatingMode", {"mode": "low_power"})
    name, text = refusal(lambda: bus.qmi(client, "Wds", "StartNetwork", {"apn": "internet"}))
    assert name == "Qmi.CallFailed"
    assert "call_end_reason no_service" in text and "call_manager" in text


def test_the_body_is_one_string(each_world):
    """Other bodies lose their text in GLib and dbus-python."""
    sim = each_world.sim()
    each_world.start_daemon()
    bus = each_world.connect()
    sim.command("set nas.get-drx.!error = no-effect")
    for path, interface, member, signature, arguments in (
            (sim.device, f"{NAME}.Nas", "GetDrx", "a{sv}", ({},)),
            (sim.device, f"{NAME}.Nas", "GetDrx", "a{sv}", ({"x": 1},)),
            (sim.device, f"{NAME}.Nas", "GetDrx", "s", ("x",)),
            (sim.device, f"{NAME}.Nas", "GetNothing", "a{sv}", ({},)),
            (sim.device, f"{NAME}.Wds", "StartNetwork", "a{sv}", ({},)),
            (f"{sim.device}/client/9", f"{NAME}.Nas", "GetDrx", "a{sv}", ({},)),
            (sim.device, DEVICE, "Call", "sqa(yay)a{sv}", ("nas", 0x7777, [], {})),
            (sim.device, DEVICE, "OpenClient", "sa{sv}", ("nos", {})),
            ("/org/qmid1", f"{NAME}.Manager", "FindDevice", "sa{sv}", ("nobody", {}))):
        message = bus.end_message(bus.begin(path, interface, member, signature, *arguments))
        assert message.header.fields[HeaderFields.signature] == "s"
        assert HeaderFields.error_name in message.header.fields
