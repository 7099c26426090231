# SPDX-License-Identifier: LGPL-2.1-or-later
"""One whole life of the daemon, and how it begins and ends. Runs under valgrind too."""

import os
import shlex
import signal
import subprocess

import pytest
import qmidtest
from dbusclient import NAME, PROPERTIES, ROOT, DBusError

DEVICE = f"{NAME}.Device"
CLIENT = f"{NAME}.Client"


def refused(call):
    with pytest.raises(DBusError) as e:
        call()
    return e.value.name.removeprefix(f"{NAME}.Error.")


def run_qmid(*arguments, address="unix:path=/nonexistent"):
    """(status, stdout, stderr)"""
    done = subprocess.run([*shlex.split(os.environ.get("QMID_WRAPPER", "")), qmidtest.program("src/qmid"), *arguments],
                          env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": address}, capture_output=True, text=True,
                          timeout=qmidtest.TIMEOUT)
    assert not qmidtest.SANITIZER.search(done.stderr), done.stderr
    return done.returncode, done.stdout, done.stderr


# ---- one whole life


def calls(bus, other, sim):
    device = sim.device
    bus.call(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    bus.introspect(device)
    bus.get_all(device, DEVICE)
    log = "org.freedesktop.LogControl1"
    bus.call("/org/freedesktop/LogControl1", PROPERTIES, "Set", "ssv", log, "LogLevel", "info")
    for name in ("modem0", "nothing"):
        try:
            bus.call(ROOT, f"{NAME}.Manager", "FindDevice", "sa{sv}", name, {})
        except DBusError:
            assert name == "nothing"

    for caller in (bus, other):
        for service, member in (("Nas", "GetSignalInfo"), ("Nas", "GetSystemInfo"), ("Dms", "GetCapabilities"),
                                ("Uim", "GetCardStatus"), ("Wda", "GetDataFormat"), ("Nas", "SetEventReport")):
            caller.qmi(device, service, member)
        caller.qmi(device, "Nas", "SetSystemSelectionPreference", {"usage": "data_centric"})
    wrong = {"pin": {"id": "pin1", "value": "0"}}
    bus.call(device, DEVICE, "Request", "ssa{sv}a{sv}", "dms", "uim-verify-pin", wrong, {})
    bus.call(device, DEVICE, "Call", "sqa(yay)a{sv}", "0x60", 0x1234, [(1, b"x")], {})
    asked = [bus.begin(device, f"{NAME}.Nas", "GetSignalInfo", "a{sv}", {}) for _ in range(50)]
    for serial in asked:
        bus.end(serial)


def mistakes(bus, sim):
    device = sim.device
    too_much = {"rssi_thresholds": ("an", [1] * 300000)}
    pin = {"session": {"type": "primary_gw_provisioning", "aid": b""}, "pin": {"id": "pin1", "value": "0"}}
    for expected, call in (
            ("InvalidArgument", lambda: bus.qmi(device, "Nas", "GetSignalInfo", {"x": {"y": [1]}})),
            ("InvalidArgument", lambda: bus.qmi(device, "Nas", "ConfigSignalInfo", too_much)),
            ("InvalidArgument", lambda: bus.qmi(device, "Wds", "StartNetwork")),
            (("Qmi.IncorrectPin", "Guarded"), lambda: bus.qmi(device, "Uim", "VerifyPin", pin)),
            ("NoSuchService", lambda: bus.call(device, DEVICE, "OpenClient", "sa{sv}", "nos", {})),
            ("NoSuchDevice", lambda: bus.qmi(f"{device}/client/99", "Nas", "GetSignalInfo")),
            ("Qmi.InvalidQmiCommand",
             lambda: bus.call(device, DEVICE, "Call", "sqa(yay)a{sv}", "nas", 0x7777, [(1, b"x")], {}))):
        assert refused(call) in ((expected,) if isinstance(expected, str) else expected)


def clients(world, bus, sim):
    device = sim.device
    leaver = world.connect()
    opened = bus.call(device, DEVICE, "OpenClient", "sa{sv}", "wds", {})
    handle = bus.qmi(opened, "Wds", "StartNetwork", {"apn": "internet", "password": "hunter2"})["packet_data_handle"]
    bus.qmi(opened, "Wds", "StopNetwork", {"packet_data_handle": handle})
    assert bus.wait_signal("PacketServiceStatus").path == opened
    bus.call(device, DEVICE, "ListClients", "a{sv}", {})
    assert refused(lambda: leaver.qmi(opened, "Wds", "GetPacketServiceStatus")) == "NotOwner"

    leaver.call(device, DEVICE, "OpenClient", "sa{sv}", "uim", {})
    sim.command("delay 1000000 nas.network-scan")
    leaver.begin(device, f"{NAME}.Nas", "NetworkScan", "a{sv}", {})
    sim.wait_count("nas.network-scan", 1)
    scan = bus.begin(device, f"{NAME}.Nas", "NetworkScan", "a{sv}", {})
    sim.wait_count("nas.network-scan", 2)
    bus.call(device, DEVICE, "Cancel", "ssa{sv}", "nas", "network-scan", {})
    assert refused(lambda: bus.end(scan)) == "Qmi.Aborted"
    n = sim.count("clients")
    leaver.close()
    sim.wait_count("clients", f"={n - 2}")

    bus.call(opened, CLIENT, "Release", "a{sv}", {})
    revoked = bus.call(device, DEVICE, "OpenClient", "sa{sv}", "uim", {})
    sim.command(f"revoke uim {bus.get(revoked, CLIENT, 'ClientId')}")
    bus.wait_signal("Replaced", path=revoked)


def indications(bus, other, sim):
    for caller in (bus, other):
        caller.qmi(sim.device, "Nas", "RegisterIndications", {"signal_info": True})
    for target in ("registered", "all"):
        sim.send("nas", "signal-info", target)
        for caller in (bus, other):
            assert "lte" in caller.wait_signal("SignalInfo").args[0]
    sim.set("raw-indication.nas.0x7777.0x01", "hex:ff")
    sim.send("nas", "0x7777", "all")
    bus.wait_signal("RawIndication")
    sim.command("set wds.set-lte-attach-pdn-list = {}")
    asked = bus.begin(sim.device, f"{NAME}.Wds", "SetLteAttachPdnList", "a{sv}", {"profiles": [1]})
    sim.wait_count("wds.set-lte-attach-pdn-list", 1)
    client = sim.last_request("wds.set-lte-attach-pdn-list")["client"]
    sim.send("wds", "lte-attach-pdn-list-result", client, successful=True)
    assert bus.end(asked) == {"successful": True}


def faults(bus, sim):
    device = sim.device
    for fault in ("drop", "garble", "truncate", "wrong-client", "wrong-transaction"):
        sim.command(f"{fault} 1 nas.get-drx")
        assert refused(lambda: bus.call(device, DEVICE, "Request", "ssa{sv}a{sv}", "nas", "get-drx", {},
                                        {"timeout": 0.01})) == "Timeout"
    sim.command("duplicate 1")
    sim.command("garbage 000102030405")
    sim.command("split on")
    bus.qmi(device, "Nas", "GetSystemInfo")
    sim.command("split off")
    for how in ("reset", "hangup"):
        bus.qmi(device, "Nas", "GetDrx")        # so that there are ids of nas
        bus.qmi(device, "Nas", "SetEventReport")
        messages = ("nas.get-drx", "nas.set-event-report", "ctl.allocate-client-id")
        before = [sim.count(m) for m in messages]
        for m in messages:
            sim.command(f"delay 1000000 {m}")
        asked = [bus.begin(device, f"{NAME}.{s}", m, "a{sv}", {})
                 for s, m in (("Nas", "GetDrx"), ("Nas", "SetEventReport"), ("Dms", "SetEventReport"))]
        for m, n in zip(messages, before):
            sim.wait_count(m, n + 1)
            sim.command(f"delay 0 {m}")
        sim.command(how)
        for serial in asked:
            assert refused(lambda: bus.end(serial)) == "DeviceGone"
        if how == "hangup":
            bus.wait_property(device, DEVICE, "State", "resetting")
            assert refused(lambda: bus.qmi(device, "Nas", "GetDrx")) == "NotReady"
            sim.command("listen")
        bus.wait_property(device, DEVICE, "State", "ready")


def test_life(world):
    sim, second = world.sim(), world.sim(scenario="minimal")
    daemon = world.start_daemon([sim.port, second.port, f"unix:{world.directory}/never"])
    bus, other = world.connect(), world.connect()
    for caller in (bus, other):
        caller.add_match(f"type='signal',sender='{NAME}'")
    sim.command("set 0x60.0x1234 = {}")
    calls(bus, other, sim)
    mistakes(bus, sim)
    clients(world, bus, sim)
    indications(bus, other, sim)
    faults(bus, sim)

    # In the middle of everything.
    bus.call(sim.device, DEVICE, "OpenClient", "sa{sv}", "wds", {})
    bus.qmi(sim.device, "Nas", "SetEventReport")
    sim.command("delay 1000000 nas.network-scan")
    bus.begin(sim.device, f"{NAME}.Nas", "NetworkScan", "a{sv}", {})
    other.begin(sim.device, f"{NAME}.Nas", "GetDrx", "a{sv}", {})
    other.begin(sim.device, DEVICE, "OpenClient", "sa{sv}", "uim", {})
    sim.wait_count("nas.network-scan", 3)
    daemon.stop()
    assert not bus.bus_call("NameHasOwner", "s", NAME)


# ---- how it begins and ends


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT])
def test_signals(world, signo):
    """With nothing done yet, and no modem either."""
    daemon = world.start_daemon([f"unix:{world.directory}/never"])
    daemon.popen.send_signal(signo)
    assert daemon.wait() == 0
    daemon.check_output()


def test_requests_under_way(world, sim, device, bus):
    """Their callers are not left waiting."""
    bus.qmi(device, "Nas", "GetDrx")
    sim.command("silent on")
    asked = [bus.begin(device, f"{NAME}.Nas", "GetDrx", "a{sv}", {}) for _ in range(50)]
    asked.append(bus.begin(device, f"{NAME}.Nas", "SetEventReport", "a{sv}", {}))
    bus.wait_property(device, DEVICE, "State", "ready")
    world.daemon.stop()
    for serial in asked:
        assert refused(lambda: bus.end(serial)) in ("DeviceGone", "org.freedesktop.DBus.Error.NoReply")


def test_the_bus_goes_away(each_world):
    sim = each_world.sim()
    daemon = each_world.start_daemon()
    bus = each_world.connect()
    bus.qmi(sim.device, "Nas", "SetEventReport")
    bus.close()
    each_world.bus.stop()
    assert daemon.wait() == 1
    daemon.check_output()
    assert "bus" in daemon.output()
    each_world.daemon = None


def test_no_bus():
    status, out, err = run_qmid("--port=unix:/tmp/x")
    assert (status, out) == (1, "") and "Cannot connect to the system bus" in err


def test_a_second_one(world, device):
    """The name is taken: the first goes on."""
    status, out, err = run_qmid(address=world.bus.address)
    assert (status, out) == (1, "") and f"Cannot take the name {NAME}" in err
    assert world.connect().qmi(device, "Nas", "GetDrx") == {"drx": "t128"}


def test_help_and_version():
    status, out, err = run_qmid("--help")
    assert (status, err) == (0, "") and "--port" in out
    assert run_qmid("-h") == (0, out, "")
    status, out, err = run_qmid("--version")
    assert (status, err) == (0, "") and out.startswith("qmid ")


@pytest.mark.parametrize("arguments, text", [
    (["--nothing"], "--nothing"),
    (["-x"], "x"),
    (["--port"], "port"),
    (["--log-level=loud"], "'loud'"),
    (["modem"], "'modem'"),
])
def test_mistakes_on_the_command_line(arguments, text):
    status, out, err = run_qmid(*arguments)
    assert (status, out) == (2, "") and text in err and err.count("\n") == 1


@pytest.mark.parametrize("uri", ["", "/nothing", "unix:", "unix:relative", "unix:/tmp/", "telnet:/x",
                                 "unix:/" + "x" * 200])
def test_ports_that_are_none(world, uri):
    status, out, err = run_qmid(f"--port={uri}", address=world.bus.address)
    assert (status, out) == (2, "") and f"'{uri}'" in err and err.count("\n") == 1
