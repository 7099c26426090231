# SPDX-License-Identifier: LGPL-2.1-or-later
"""qmictl against the daemon and a simulated modem."""

import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest
import qmidtest
from jeepney import DBusAddress, HeaderFields, new_signal
from terminal import Terminal

REFUSED, USAGE, MISSING, TIMED_OUT, DENIED = 1, 2, 3, 4, 5


def good(world, *arguments, **options):
    """What it prints, when all goes well."""
    status, out, err = world.qmictl(*arguments, **options)
    assert (status, err) == (0, "")
    return out


def bad(world, status, *arguments, **options):
    """The one sentence about what is wrong."""
    seen, out, err = world.qmictl(*arguments, **options)
    assert (seen, out) == (status, ""), err
    assert err.startswith("qmictl: ") and err.count("\n") == 1 and err.endswith("\n"), err
    return err[len("qmictl: "):-1]


def fits(text):
    """Made for a terminal of 80 columns."""
    return all(len(line) <= 80 for line in text.splitlines())


# ---- list, status, clients


def test_list(world):
    world.sim("b")
    world.sim("a")
    world.start_daemon()
    lines = good(world, "list").splitlines()
    assert lines[0].split() == ["NAME", "MODEL", "STATE", "PORT"]
    assert [line.split() for line in lines[1:]] == [
        ["unix_a", "SIM-5G", "ready", world.sims[1].port], ["unix_b", "SIM-5G", "ready", world.sims[0].port]]
    assert good(world, "list", "--no-legend").splitlines() == [line for line in lines[1:]]

    devices = json.loads(good(world, "list", "--json=short"))
    assert [d["name"] for d in devices] == ["unix_a", "unix_b"]
    assert devices[0]["path"] == world.sims[1].device
    assert devices[0]["transport"] == "unix" and devices[0]["primary"] is True
    assert devices[0]["services"]["nas"] == "1.25"
    assert json.loads(good(world, "list", "--json=pretty")) == devices


def test_list_of_nothing(world):
    world.start_daemon(ports=[])
    assert good(world, "list").split() == ["NAME", "MODEL", "STATE", "PORT"]
    assert json.loads(good(world, "-j", "list")) == []


def test_status(world, device):
    out = good(world, "status")
    assert fits(out)
    for expected in ("state         ready", "nas 1.25", "mode                 online", "rsrp  -95 dBm",
                     "registration      registered"):
        assert expected in out
    status = json.loads(good(world, "-j", "status"))
    assert status["path"] == device
    assert status["operating_mode"]["mode"] == "online"
    assert status["network"]["serving_system"]["registration"] == "registered"
    assert status["signal"]["lte"] == {"rssi": -63, "rsrq": -11, "rsrp": -95, "snr": 12.4}


def test_status_gives_nobody_away(world, bus, sim, device):
    full = bus.qmi(device, "Nas", "GetServingSystem")
    assert "cell_id" in full and "tac" in full
    network = json.loads(good(world, "-j", "status"))["network"]
    assert not {"cell_id", "tac", "lac", "unknown_tlvs"} & network.keys()
    out = good(world, "status")
    ids = bus.qmi(device, "Dms", "GetIds")
    assert str(full["cell_id"]) not in out and ids["imei"] not in out


def test_status_tolerates_failures(world, sim, device):
    sim.set("nas.get-signal-info.!error", "device-not-ready")
    status, out, err = world.qmictl("status")
    assert status == 0
    assert "Network:" in out and "Signal:" not in out
    assert err == "qmictl: nas get-signal-info: the modem answered: device not ready\n"


def test_status_of_a_modem_with_less(world):
    world.sim(scenario="minimal")
    world.start_daemon()
    status, out, err = world.qmictl("status")
    assert status == 0
    assert "  minimal\n" in out and "Network:" not in out


def test_status_before_it_is_ready(world):
    sim = world.sim(scenario="silent")
    world.start_daemon(ready=False)
    with qmidtest.Bus(world.bus.address) as bus:
        bus.wait_property(sim.device, "org.qmid1.Device", "Transport", "unix")
    out = good(world, "status")
    assert "state_reason" in out and "Network:" not in out


def test_clients(world, sim, device, bus):
    bus.qmi(device, "Nas", "RegisterIndications", {"signal_info": True})
    path = bus.call(device, "org.qmid1.Device", "OpenClient", "sa{sv}", "wds", {})
    clients = json.loads(good(world, "-j", "clients"))
    assert {(c["service"], c["owner"]) for c in clients} >= {("nas", bus.unique_name), ("wds", bus.unique_name)}
    rows = [line.split() for line in good(world, "clients", "--no-legend").splitlines()]
    mine = {row[0]: row for row in rows if row[2] == bus.unique_name}
    assert mine["nas"][-1] == "implicit"
    assert mine["wds"][-1] == path.rpartition("/")[2]
    assert [row[-1] for row in rows if row[2] == "qmid" and row[0] == "dms"] == ["shared"]


def test_clients_that_persist(world, sim, device, bus):
    maker = world.connect()
    path = maker.call(device, "org.qmid1.Device", "OpenClient", "sa{sv}", "nas", {"persist": True})
    number = path.rpartition("/")[2]
    maker.qmi(path, "Nas", "RegisterIndications", {"signal_info": True})
    fd = maker.call(path, "org.qmid1.Client", "OpenSocket", "a{sv}", {}).to_raw_fd()
    assert f"persistent {number}, socket\n" in good(world, "clients", "--no-legend")
    os.close(fd)
    maker.close()
    bus.wait_property(path, "org.qmid1.Client", "Owner", "")
    bus.add_match(f"type='signal',sender='org.qmid1',member='PropertiesChanged',path='{path}'")
    sim.send("nas", "signal-info")
    bus.wait_signal("PropertiesChanged")
    [row] = [r for r in good(world, "clients", "--no-legend").splitlines() if " nobody " in r]
    assert row.endswith(f"persistent {number}, 1 lost")


def test_status_of_an_inhibited_one(world, sim, device, bus):
    fd = bus.call(device, "org.qmid1.Device", "Inhibit", "sa{sv}", "new firmware", {}).to_raw_fd()
    out = good(world, "status")
    assert "inhibited" in out and "new firmware" in out and bus.unique_name in out
    os.close(fd)


# ---- call


def test_call(world, sim, device):
    assert good(world, "call", "nas", "get-signal-info") == """\
lte:
  rssi  -63 dBm
  rsrq  -11 dB
  rsrp  -95 dBm
  snr   12.4 dB
nr5g:
  rsrp  -101 dBm
  snr   8 dB
nr5g_rsrq  -11 dB
"""
    out = good(world, "-j", "call", "Nas", "GetSignalInfo")
    assert out == ('{"lte":{"rssi":-63,"rsrq":-11,"rsrp":-95,"snr":12.4},"nr5g":{"rsrp":-101,"snr":8},'
                   '"nr5g_rsrq":-11}\n')
    assert json.loads(good(world, "--json=pretty", "call", "nas", "get_signal_info")) == json.loads(out)


def test_call_sends_what_was_given(world, sim, device):
    # A list of structs with numbers and a symbol in it, a boolean, a scaled number.
    good(world, "call", "nas", "set-event-report", "rf-band=yes", "ecio.report=1", "ecio.delta=2.5",
         "signal_strength.report=no", "signal_strength.thresholds=-90,-0x50")
    assert sim.last_request("nas.set-event-report")["tlvs"] == bytes.fromhex(
        "10 0400 00 02 a6 b0"  # no, two thresholds: -90, -80
        "11 0100 01"
        "14 0200 01 05")       # yes, 5 halves
    sim.command("set uim.refresh-register = {}")
    good(world, "call", "uim", "refresh-register", "session.type=card_slot_1", "session.aid=a0:00",
         "registration.register=yes", "registration.vote-for-init=no", "registration.files.0.id=0x6f07",
         "registration.files.0.path=003fff7f", "registration.files.1.id=1", "registration.files.1.path=")
    assert sim.last_request("uim.refresh-register")["tlvs"] == bytes.fromhex(
        "01 0400 06 02 a000"
        "02 0e00 01 00 0200 076f 04 003fff7f 0100 00")


def test_symbols_are_shown_with_underscores(world, sim, device):
    """As the bus has them; dashes are taken."""
    for mode in ("low-power", "low_power"):
        good(world, "call", "dms", "set-operating-mode", f"mode={mode}")
        assert sim.last_request("dms.set-operating-mode")["tlvs"] == bytes.fromhex("01 0100 01")
        assert good(world, "call", "dms", "get-operating-mode").splitlines()[0].split() == ["mode", "low_power"]
        assert json.loads(good(world, "-j", "call", "dms", "get-operating-mode"))["mode"] == "low_power"


def test_a_refusal(world, sim, device):
    sim.set("nas.get-signal-info.!error", "device-not-ready")
    assert bad(world, REFUSED, "call", "nas", "get-signal-info") == (
        "nas get-signal-info: the modem answered: device not ready")


BAD_CALLS = {
    ("call", "nas", "get-sginal-info"): "nas has no message 'get-sginal-info'; did you mean get-signal-info",
    ("call", "nas", "signal-info"): "nas signal-info is an indication; 'qmictl monitor nas' shows it",
    ("call", "nos", "get-signal-info"): "unknown service 'nos'",
    ("call", "ctl", "sync"): "ctl is qmid's own",
    ("call", "nas", "get-signal-info", "x=1"): "nas get-signal-info: x: no such field",
    ("call", "nas", "get-signal-info", "secret-word"): "argument 1 behind the message is not of the form KEY=VALUE",
    ("call", "dms", "set-operating-mode"): "dms set-operating-mode: mode: missing",
    ("call", "dms", "set-operating-mode", "mode=offlne"):
        "mode: 'offlne' is none of online, low_power, factory_test, offline, reset, shutting_down, "
        "persistent_low_power, mode_only_low_power, unknown; did you mean offline, online?",
    ("call", "nas", "set-event-report", "ecio.report=1"): "ecio.delta: missing",
    ("call", "nas", "set-event-report", "ecio.report=1", "ecio.delta=0.3"): "ecio.delta: 0.3 is no multiple of 0.5",
    ("call", "nas", "set-event-report", "ecio.report=1", "ecio.delta=999"): "ecio.delta: ",
    ("call", "nas", "set-event-report", "rssi.report=1", "rssi.delta=256"): "rssi.delta: is out of range, 0 to 255",
    ("call", "dms", "set-operating-mode", "mode=-", "mode=offline"): "mode: given",
    ("call", "wds"): "call: too few arguments",
    ("raw", "nas", "signal"): "raw: 'signal' is no message id",
    ("raw", "nas", "0x10000"): "raw: '0x10000' is no message id",
    ("raw", "nas", "0x20", "01:0"): "raw: TLV argument 1 is neither ID:BYTES nor whole TLVs",
    ("raw", "nas", "0x20", "01:00", "0102000a"): "raw: TLV argument 2 does not end where its last TLV ends",
    ("monitor", "nos"): "unknown service 'nos'",
    ("list", "all"): "list: too many arguments",
    ("--timeout=soon", "list"): "--timeout: 'soon' is no number of seconds",
    ("--json=long", "list"): "--json: 'long' is neither short nor pretty nor off",
    ("frobnicate",): "unknown command 'frobnicate'",
    (): "no command",
}


def test_mistakes_send_nothing(world, sim, device):
    for arguments, text in BAD_CALLS.items():
        assert text in bad(world, USAGE, *arguments, input="offline")
    for message in ("nas.get-signal-info", "nas.get-signal-strength", "nas.set-event-report", "dms.set-operating-mode"):
        assert sim.count(message) == 0
    assert sim.count("clients.nas") == 0


def test_mistakes_need_no_bus(world):
    for arguments, text in BAD_CALLS.items():
        assert text in bad(world, USAGE, *arguments, env={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"})


def test_which_device(world):
    world.sim("a")
    b = world.sim("b", overrides={"dms.get-model.model": "other"})
    world.start_daemon()
    assert "model" not in bad(world, USAGE, "call", "dms", "get-model")
    assert bad(world, MISSING, "-d", "c", "call", "dms", "get-model") == "there is no device 'c'"
    for name in ("unix_b", b.port, b.device):
        assert good(world, "-d", name, "call", "dms", "get-model") == "model  other\n"
    assert good(world, "call", "dms", "get-model", f"--device={b.port}") == "model  other\n"


def test_a_service_that_the_modem_lacks(world):
    world.sim(scenario="minimal")
    world.start_daemon()
    assert bad(world, MISSING, "call", "nas", "get-signal-info").startswith("nas")
    assert bad(world, MISSING, "monitor", "nas").startswith("nas")


def test_nobody_there(world):
    assert bad(world, MISSING, "list").startswith("qmid does not run")
    assert bad(world, MISSING, "list", env={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}).startswith(
        "cannot reach the system bus")


def test_time_limit(world, sim, device):
    sim.command("silent on")
    assert bad(world, TIMED_OUT, "--timeout=0.05", "call", "nas", "get-signal-info") == (
        "nas get-signal-info: no answer in time")


def test_access(short_path):
    policy = short_path / "policy.conf"
    policy.write_text('<busconfig><policy context="mandatory"><allow own="*"/><allow send_type="method_call"/>'
                      '<deny send_destination="org.qmid1"/></policy></busconfig>')
    with qmidtest.World(short_path, policy=policy) as world:
        world.start_daemon(ports=[])
        assert ": access denied: " in bad(world, DENIED, "list")


# ---- raw


def test_raw(world, sim, device):
    lines = good(world, "raw", "nas", "0x004f").splitlines()
    assert "0x14  c1 f5 a1 ff 7c 00" in lines
    tlvs = json.loads(good(world, "-j", "raw", "0x03", "79"))
    assert {"id": 0x14, "bytes": "c1f5a1ff7c00"} in tlvs


@pytest.mark.parametrize("words", [
    ["10:aBcd", "01:", "020300112233", "110000"],
    ["10:ab:cd", "010000020300112233110000"],
    ["10 02 00 ab cd 01 00 00 02 03 00 11 22 33 11 00 00"]])
def test_raw_bytes(world, sim, device, words):
    good(world, "raw", "nas", "0x0020", *words)
    assert sim.last_request("nas.get-signal-strength")["tlvs"] == bytes.fromhex(
        "10 0200 abcd  01 0000  02 0300 112233  11 0000")


def test_raw_from_standard_input(world, sim, device):
    good(world, "raw", "nas", "0x0020", "-", input="10:0102\n")
    assert sim.last_request("nas.get-signal-strength")["tlvs"] == bytes.fromhex("10 0200 0102")


def test_raw_refused(world, sim, device):
    assert bad(world, REFUSED, "raw", "nas", "0x0fff").endswith("the modem answered: invalid qmi command")
    assert "'nos' is not known" in bad(world, MISSING, "raw", "nos", "0x20")


# ---- secrets

VERIFY = ["call", "dms", "uim-verify-pin", "pin.id=pin1"]
PIN_TLV = bytes.fromhex("01 0600 01 04 31323334")  # pin 1, "1234"


def test_a_secret_is_asked_for(world, sim, device):
    terminal = Terminal(world, qmidtest.program("cli/qmictl"), *VERIFY)
    terminal.read_until("pin.value: ")
    assert not terminal.echoes()
    terminal.write("1234\n")
    assert terminal.wait() == 0, terminal.text
    assert "1234" not in terminal.text
    assert sim.last_request("dms.uim-verify-pin")["tlvs"] == PIN_TLV


def test_an_answer_that_does_not_come(world, sim, device):
    terminal = Terminal(world, qmidtest.program("cli/qmictl"), *VERIFY)
    terminal.read_until("pin.value: ")
    terminal.write("\x04")  # end of input
    assert terminal.wait() == USAGE
    assert sim.count("dms.uim-verify-pin") == 0


def test_interrupting_gives_the_terminal_back(world, sim, device):
    # A shell holds the terminal, and looks at it after the program is gone.
    script = 'trap : INT; "$@"; echo "status $?"; stty -a'
    terminal = Terminal(world, "/bin/sh", "-c", script, "sh", qmidtest.program("cli/qmictl"), *VERIFY)
    terminal.read_until("pin.value: ")
    terminal.write("12\x03")
    terminal.wait()
    assert f"status {128 + signal.SIGINT}" in terminal.text
    assert " echo " in terminal.text
    assert sim.count("dms.uim-verify-pin") == 0


def test_a_secret_from_standard_input(world, sim, device):
    good(world, *VERIFY, "pin.value=-", input="1234\n")
    assert sim.last_request("dms.uim-verify-pin")["tlvs"] == PIN_TLV


def test_a_secret_on_the_command_line(world, sim, device):
    text = bad(world, USAGE, *VERIFY, "pin.value=8642")
    assert "pin.value: secret" in text and "8642" not in text
    assert sim.count("dms.uim-verify-pin") == 0


def test_a_secret_without_a_terminal(world, sim, device):
    text = bad(world, USAGE, *VERIFY, start_new_session=True)
    assert "pin.value=-" in text


def test_a_wrong_secret(world, sim, device):
    sim.set("dms.uim-verify-pin.!error", "incorrect-pin")
    text = bad(world, REFUSED, *VERIFY, "pin.value=-", input="8642\n")
    assert "verify_retries 3" in text and "8642" not in text


# ---- monitor


class Monitor:
    """A running qmictl monitor, killed if it hangs."""

    def __init__(self, world, *arguments):
        env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": world.bus.address}
        self.popen = subprocess.Popen([qmidtest.program("cli/qmictl"), *arguments], env=env, text=True,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.timer = threading.Timer(qmidtest.TIMEOUT, self.popen.kill)
        self.timer.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.terminate()
        self.popen.communicate()
        self.timer.cancel()

    def remark(self):
        return self.popen.stderr.readline().rstrip("\n")

    def line(self):
        return self.popen.stdout.readline().rstrip("\n")

    def wait(self):
        return self.popen.wait()


def test_monitor(world, sim, device):
    with Monitor(world, "monitor", "nas") as monitor:
        assert monitor.remark() == "Monitoring nas of unix_modem0"
        assert [s for s, _ in sim.clients()].count("nas") >= 1
        sim.send("nas", "signal-info", lte__rsrp=-90)
        head = monitor.line()
        assert head.endswith("  nas signal-info")
        time.strptime(head.split(".")[0], "%H:%M:%S")
        assert monitor.line() == "  lte:"
        assert [monitor.line() for _ in range(4)] == [
            "    rssi  -63 dBm", "    rsrq  -11 dB", "    rsrp  -90 dBm", "    snr   12.4 dB"]
    sim.wait_count("clients.nas", "=1")


def test_monitor_json(world, sim, device):
    before = time.time()
    with Monitor(world, "-j", "monitor", "nas", "dms") as monitor:
        assert monitor.remark() == "Monitoring nas, dms of unix_modem0"
        sim.send("nas", "signal-info", lte__rsrp=-90)
        event = json.loads(monitor.line())
        assert before <= event.pop("time_usec") / 1e6 <= time.time()
        assert event["fields"]["lte"]["rsrp"] == -90
        assert (event["device"], event["service"], event["indication"]) == ("unix_modem0", "nas", "signal-info")
        sim.send("dms", "event-report", operating_mode="offline")
        assert json.loads(monitor.line())["fields"] == {"operating_mode": "offline"}


def test_monitor_registers_for_everything(world, sim, device):
    with Monitor(world, "-j", "monitor") as monitor:
        assert monitor.remark() == "Monitoring wds, dms, nas, wms, uim of unix_modem0"
        request = sim.last_request("nas.register-indications")["tlvs"]
        assert bytes.fromhex("19 0100 01") in request  # signal info
        assert bytes.fromhex("21") not in request[::4]  # a group of two: which of them is nobody's guess
        assert sim.last_request("uim.register-events")["tlvs"][:3] == bytes.fromhex("01 0400")
        assert sim.count("uim.refresh-register") == 0


def test_monitor_hears_what_is_for_everybody(world, sim, device):
    """A service without a registration, on a client of its own."""
    with Monitor(world, "-j", "monitor", "wda") as monitor:
        assert monitor.remark() == "Monitoring wda of unix_modem0"
        assert ("wda", 1) in sim.clients()
        sim.send("wda", "loopback-config", "all", state="enabled")
        event = json.loads(monitor.line())
        assert (event["service"], event["indication"]) == ("wda", "loopback-config")


def test_monitor_shows_what_the_schema_does_not_know(world, sim, device):
    with Monitor(world, "-j", "monitor", "nas") as monitor:
        monitor.remark()
        # Service 0x03, to all, indication 0x0fff with one TLV.
        sim.command("raw-send " + bytes.fromhex("01 1200 80 03 ff 04 0000 ff0f 0600 10 0300 0a0b0c").hex())
        event = json.loads(monitor.line())
        assert (event["service"], event["indication"]) == ("nas", "0x0fff")
        assert event["fields"] == {"unknown_tlvs": [{"id": 0x10, "bytes": "0a0b0c"}]}


def test_monitor_registers_again(world, sim, device):
    with Monitor(world, "-j", "monitor", "nas") as monitor:
        monitor.remark()
        sim.command("reset")
        remarks = []
        while not remarks or not remarks[-1].startswith("Monitoring"):
            remarks.append(monitor.remark())
            assert remarks[-1], remarks
        sim.send("nas", "signal-info", lte__rsrp=-80)
        assert json.loads(monitor.line())["fields"]["lte"]["rsrp"] == -80


def test_monitor_ends_with_the_daemon(world, sim, device):
    with Monitor(world, "monitor", "nas") as monitor:
        monitor.remark()
        world.daemon.stop()
        remarks = monitor.popen.stderr.read()
        assert monitor.wait() == MISSING
        assert remarks.splitlines()[-1].startswith("qmictl: ")


def test_monitor_refused(world, sim, device):
    for message in ("set-event-report", "register-indications", "config-signal-info-v2"):
        sim.set(f"nas.{message}.!error", "not-supported")
    status, out, err = world.qmictl("monitor", "nas")
    assert (status, out) == (REFUSED, "")
    assert "nas register-indications: the modem answered: not supported" in err


def test_monitor_believes_only_qmid(world, sim, device):
    stranger = world.connect()
    with Monitor(world, "-j", "monitor", "nas") as monitor:
        monitor.remark()
        name = next(c["owner"] for c in json.loads(good(world, "-j", "clients")) if c["program"] == "qmictl")
        forged = new_signal(DBusAddress(device, interface="org.qmid1.Nas"), "SignalInfo", "a{sv}",
                            ({"lte": ("a{sv}", {"rsrp": ("n", 1)})},))
        forged.header.fields[HeaderFields.destination] = name
        stranger.connection.send(forged)
        stranger.bus_call("GetId")  # it is on its way
        sim.send("nas", "signal-info", lte__rsrp=-90)
        assert json.loads(monitor.line())["fields"]["lte"]["rsrp"] == -90


# ---- describe, without anything


def offline(*arguments):
    done = subprocess.run([qmidtest.program("cli/qmictl"), *arguments], capture_output=True, text=True,
                          env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"})
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_describe_everything():
    """Each service and message, for people and for programs, says something and fits."""
    services = json.loads(offline("-j", "describe"))
    assert {"dms", "nas", "wds", "uim", "wda"} <= {s["service"] for s in services}
    listed = offline("describe")
    for s in services:
        assert s["title"] in listed
        text = offline("describe", s["service"])
        assert fits(text)
        assert json.loads(offline("-j", "describe", s["service"])) == s
        for kind, message in [("message", m) for m in s["messages"]] + [("indication", m) for m in s["indications"]]:
            assert message["about"].endswith(".")
            assert f"  {message[kind]} " in text
            if s["service"] not in ("wds", "pdc") and len(message[kind]) < 40:
                continue  # some are enough
            described = offline("describe", s["service"], message[kind])
            assert fits(described)
            assert ("and is returned, too." in " ".join(described.split())) == ("result" in message)
            assert ("\nResult:\n" in described) == ("result" in message)
            for key in ("abort", "undo"):
                assert key not in message or message[key] in described.split("\nRequest:")[0]
            assert ("sent again" in described) == message.get("replay", False)
        for message in s["id_only"]:
            assert re.search(rf"^  {message['message']} +0x{message['id']:04x}", text, re.M)


def test_describe_a_message():
    text = offline("describe", "nas", "get-signal-info")
    assert fits(text)
    assert text.startswith("nas get-signal-info  0x004f, query, class status\n")
    assert "Request:\n  nothing\n" in text
    assert "rsrp  signed number of 16 bits in dBm" in text
    assert "snr   number in steps of 0.1 dB" in text

    text = offline("describe", "dms", "uim-verify-pin")
    assert "(mandatory)" in text and "text (secret)" in text and "class sim_unlock" in text

    message = json.loads(offline("-j", "describe", "dms", "SetOperatingMode"))
    assert message["kind"] == "command" and message["access"] == "control"
    (mode,) = [t for t in message["request"] if t["key"] == "mode"]
    assert mode["id"] == 1 and mode["mandatory"] is True and mode["signature"] == "s"
    assert mode["symbols"][:3] == ["online", "low_power", "factory_test"]
    assert "low_power" in offline("describe", "dms", "set-operating-mode")

    indication = json.loads(offline("-j", "describe", "nas", "signal-info"))
    (lte,) = [t for t in indication["fields"] if t["key"] == "lte"]
    assert {"key": "rsrp", "type": "signed number of 16 bits", "signature": "n", "unit": "dBm"} in lte["fields"]


def test_of_which_only_the_id_is_known(world):
    service = json.loads(offline("-j", "describe", "wds"))
    assert {"message": "reset-packet-statistics", "id": 0x86} in service["id_only"]
    assert {"message": "swi-get-3gpp-config-item", "id": 0x5559, "vendor": 0x1199} in service["id_only"]
    assert "  swi-get-3gpp-config-item                    0x5559, vendor 0x1199 only\n" in offline("describe", "wds")
    status, out, err = world.qmictl("call", "wds", "reset-packet-statistics")
    assert (status, out) == (2, "") and "qmictl raw wds 0x0086" in err


def test_help_and_version():
    assert fits(offline("--help"))
    assert offline("--version").startswith("qmictl ")


def test_tables_on_a_terminal(world):
    """A row that does not fit loses the middle of its widest cell."""
    world.sim("a" * 60)
    world.start_daemon()
    terminal = Terminal(world, qmidtest.program("cli/qmictl"), "list")
    terminal.wait()
    head, row = terminal.text.splitlines()
    assert "…" in row and len(row) == 80
    assert "a" * 60 in good(world, "list")
