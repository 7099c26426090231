# SPDX-License-Identifier: LGPL-2.1-or-later
"""A broken modem: nothing that it sends harms anything but the request that it was about, and the log says it once."""

import signal
import socket
import struct
import threading
import time

import pytest
import qmidtest
import qmux
import rawbus
from dbusclient import NAME, DBusError
from test_trace import Trace

DEVICE = f"{NAME}.Device"
DRX = {"drx": "t128"}


@pytest.fixture
def daemon(world, device, bus):
    """Running, with the shared client ids of three services there."""
    for service, member in (("Nas", "GetDrx"), ("Dms", "GetModel"), ("Uim", "GetSlotStatus")):
        bus.qmi(device, service, member)
    return world.daemon


def ask(bus, device, service="nas", message="get-drx", timeout=60):
    """(result, response)"""
    return bus.call(device, DEVICE, "Request", "ssa{sv}a{sv}", service, message, {}, {"timeout": timeout})


def times_out(bus, device):
    with pytest.raises(DBusError) as e:
        ask(bus, device, timeout=0.05)
    assert e.value.name == f"{NAME}.Error.Timeout"


def wait_log(bus, daemon, text):
    """Until the log has it, driving the daemon meanwhile."""
    deadline = time.monotonic() + qmidtest.TIMEOUT
    while text not in daemon.output():
        assert time.monotonic() < deadline, daemon.output()
        bus.bus_call("GetId")


def frame(service=3, client=1, kind="response", transaction=0x7777, ident=0x0089, tlvs=((2, b"\0\0\0\0"),)):
    return qmux.pack(qmux.Message(service, client, kind, transaction, ident, list(tlvs)), 0x80)


def raw_send(sim, data):
    sim.command(f"raw-send {data.hex()}")


# ---- what the request suffers that it was about


@pytest.mark.parametrize("fault", ["drop", "garble", "truncate", "wrong-transaction", "wrong-client"])
def test_no_good_answer(sim, device, bus, daemon, fault):
    others = [("Dms", "GetModel", {"model": "SIM-5G"}), ("Nas", "GetSignalInfo", None), ("Uim", "GetSlotStatus", None)]
    for _ in range(3):
        sim.command(f"{fault} 1 nas.get-drx")
        asked = [bus.begin(device, f"{NAME}.{s}", m, "a{sv}", {}) for s, m, _ in others]
        times_out(bus, device)
        for serial, (_, _, expected) in zip(asked, others):
            assert bus.end(serial) == expected or expected is None
        assert bus.qmi(device, "Nas", "GetDrx") == DRX


@pytest.mark.parametrize("command", ["garbage 00ff01ffffff02", "duplicate 1 nas.get-drx", "split on"])
def test_good_all_the_same(sim, device, bus, daemon, command):
    for _ in range(5):
        sim.command(command)
        assert bus.qmi(device, "Nas", "GetDrx") == DRX
        assert bus.qmi(device, "Nas", "GetSignalInfo")["lte"]["rsrp"] == -95


def test_late_answers(sim, device, bus, daemon):
    """They are not taken for the answers to what was asked later."""
    late = []
    for _ in range(3):
        sim.command("drop 1 nas.get-drx")
        times_out(bus, device)
        late.append(frame(transaction=sim.last_request("nas.get-drx")["transaction"],
                          tlvs=[(2, b"\0\0\0\0"), (0x10, b"\7\0\0\0")]))
    for i in range(300):  # more than there are ids on the control service
        if i % 100 == 50:
            raw_send(sim, late.pop())
        assert ask(bus, device) == ("success", DRX)
    assert not late and daemon.output().count("late response") == 1


def test_answer_to_another_message(sim, device, bus, daemon):
    """With the right client and transaction, which alone do not make it the answer."""
    sim.command("drop 1 nas.get-drx")
    asked = bus.begin(device, DEVICE, "Request", "ssa{sv}a{sv}", "nas", "get-drx", {}, {"timeout": 60})
    sim.wait_count("nas.get-drx", 2)
    transaction = sim.last_request("nas.get-drx")["transaction"]
    raw_send(sim, frame(transaction=transaction, ident=0x004F))
    wait_log(bus, daemon, "which nobody waits for")
    raw_send(sim, frame(transaction=transaction, tlvs=[(2, b"\0\0\0\0"), (0x10, b"\7\0\0\0")]))
    assert bus.end(asked) == ("success", {"drx": "t64"})
    assert bus.qmi(device, "Nas", "GetDrx") == DRX


def test_answers_without_a_result(sim, device, bus, daemon):
    """Early firmware leaves it out; one that is too short says nothing either."""
    for tlvs, expected in (([], {}), ([(0x10, b"\7\0\0\0")], {"drx": "t64"}),
                           ([(2, b"\0")], {"unknown_tlvs": [(2, b"\0")]})):
        sim.command("drop 1 nas.get-drx")
        n = sim.count("nas.get-drx")
        asked = bus.begin(device, f"{NAME}.Nas", "GetDrx", "a{sv}", {})
        sim.wait_count("nas.get-drx", n + 1)
        raw_send(sim, frame(transaction=sim.last_request("nas.get-drx")["transaction"], tlvs=tlvs))
        assert bus.end(asked) == expected


# ---- what nobody asked for

STRAY = {
    "a response for a client that is not there": frame(client=77),
    "a response of a service that is not there": frame(service=0xE1, client=3),
    "a response that nobody waits for": frame(),
    "a response on the control service": frame(service=0, client=0, transaction=77, ident=0x0022),
    "an allocation that nobody asked for": frame(service=0, client=0, transaction=77, ident=0x0022,
                                                 tlvs=[(2, b"\0\0\0\0"), (1, b"\x03\x07")]),
    "a request": frame(kind="request"),
    "an indication for a client that is not there": frame(client=77, kind="indication", ident=0x0051, tlvs=[]),
    "an indication that is not known": frame(client=0xFF, kind="indication", ident=0x7777, tlvs=[]),
    "a control indication that is not known": frame(service=0, client=0, kind="indication", transaction=0, ident=0x7777,
                                                    tlvs=[]),
    "a revocation without a client id": frame(service=0, client=0, kind="indication", transaction=0, ident=0x0024,
                                              tlvs=[]),
    "a revocation of a stranger's": frame(service=0, client=0, kind="indication", transaction=0, ident=0x0024,
                                          tlvs=[(1, b"\x03\x63")]),
    "a revocation of the control service": frame(service=0, client=0, kind="indication", transaction=0, ident=0x0024,
                                                 tlvs=[(1, b"\x00\x00")]),
    "a message that says to be longer": b"\x01\x0c\x00\x80\x03\x01\x02\x01\x00\x89\x00\x09\x00",
    "a frame without a message": b"\x01\x05\x00\x80\x03\x01",
    "half a frame": frame()[:-5],
    "a frame that says to be the largest": b"\x01\xff\xff" + frame()[3:],
    "the largest frame": frame(tlvs=[(2, b"\0\0\0\0"), (0x55, bytes(65500))]),
    "an indication whose TLVs do not add up": frame(client=0xFF, kind="indication", ident=0x0051, tlvs=[])[:1]
    + b"\x0f\x00\x80\x03\xff\x04\x01\x00\x24\x00\x03\x00\x14\xff\x00",
    "no frame at all": bytes(range(2, 256)) * 20,
}


@pytest.mark.parametrize("data", STRAY.values(), ids=STRAY.keys())
def test_stray(sim, device, bus, daemon, data):
    bus.qmi(device, "Nas", "RegisterIndications", {"signal_info": True})
    for _ in range(3):
        raw_send(sim, data)
        assert bus.qmi(device, "Nas", "GetDrx") == DRX
        sim.send("nas", "signal-info")
        assert bus.wait_signal("SignalInfo").args[0]["lte"]["rsrp"] == -95
    assert bus.get(device, DEVICE, "State") == "ready"


def test_logged_once(sim, device, bus, daemon):
    """Of each kind; the rest is for debugging."""
    before = len(daemon.output().splitlines())
    kinds = ["a response for a client that is not there", "a response that nobody waits for", "a request",
             "a message that says to be longer", "no frame at all", "a revocation without a client id"]
    for _ in range(10):
        for kind in kinds:
            raw_send(sim, STRAY[kind])
        bus.qmi(device, "Nas", "GetDrx")
    lines = daemon.output().splitlines()[before:]
    assert len(lines) == len(kinds) + 1, lines
    for text in ("for client id 77", "client id 1, transaction 30583", "sent a request", "malformed frame of 13 bytes",
                 "skipped", "without a client id", "another program seems to use the port"):
        assert len([line for line in lines if text in line]) == 1, text


def test_flood_of_indications(sim, device, bus, daemon):
    """More than the daemon takes in one turn, with calls between."""
    bus.qmi(device, "Nas", "RegisterIndications", {"signal_info": True})
    one = frame(client=sim.last_request("nas.register-indications")["client"], kind="indication", ident=0x0051,
                tlvs=[(0x14, b"\xc1\xf5\xa1\xff\x7c\x00")])
    for _ in range(5):
        raw_send(sim, one * 100)
        assert bus.qmi(device, "Nas", "GetDrx") == DRX
    for _ in range(500):
        assert bus.wait_signal("SignalInfo").args == ({"lte": {"rssi": -63, "rsrq": -11, "rsrp": -95, "snr": 12.4}},)


def test_flood_without_end(world):
    """As fast as the socket takes them, for one who listens and for nobody. Callers of that modem are served, those of
    another do not notice, and of each indication it is known whether it was lost."""
    flooding, other = world.sim(), world.sim()
    world.start_daemon()
    listener, bus = world.connect(), world.connect()
    listener.qmi(flooding.device, "Nas", "RegisterIndications", {"signal_info": True})
    client = flooding.last_request("nas.register-indications")["client"]
    block = b"".join(frame(client=c, kind="indication", ident=0x0051, tlvs=[(0x14, b"\xc1\xf5\xa1\xff\x7c\x00")])
                     for c in (client, 77) * 50)
    ended, sent = threading.Event(), []

    def flood():
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(qmidtest.TIMEOUT)
            control.connect(f"{flooding.path}.control")
            while not ended.is_set() and len(sent) < 200:
                control.sendall(f"raw-send {block.hex()}\n".encode())
                sent.append(control.recv(4096))

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        for _ in range(50):
            assert bus.qmi(flooding.device, "Nas", "GetDrx") == DRX
            assert bus.qmi(other.device, "Nas", "GetDrx") == DRX
    finally:
        ended.set()
        thread.join()
    assert sent and all(reply.startswith(b"ok") for reply in sent)
    assert bus.qmi(flooding.device, "Nas", "GetDrx") == DRX     # comes behind the last of them
    listener.settle(flooding.device)
    lost = sum(c.get("lost_indications", 0) for c in bus.call(flooding.device, DEVICE, "ListClients", "a{sv}", {}))
    assert len(listener.take_signals("SignalInfo")) == 50 * len(sent) - lost
    assert bus.get(other.device, DEVICE, "State") == bus.get(flooding.device, DEVICE, "State") == "ready"


# ---- lengths that lie

LONG = {    # arrays of structs, text, arrays in arrays: by number, and as methods
    "nas.get-cell-location-info": (3, 0x0043, "Nas", "GetCellLocationInfo"),
    "nas.get-serving-system": (3, 0x0024, "Nas", "GetServingSystem"),
    "uim.get-card-status": (11, 0x002F, "Uim", "GetCardStatus"),
    "uim.get-slot-status": (11, 0x0047, "Uim", "GetSlotStatus"),
    "dms.get-revision": (2, 0x0023, "Dms", "GetRevision"),
}


def lies(data, begin):
    """Each byte, and each pair of them, as if it were a length: none, one more, as much as can be said."""
    for size in (1, 2):
        for at in range(begin, len(data) - size + 1):
            value = int.from_bytes(data[at:at + size], "little")
            for wrong in {0, value + 1, (1 << 8 * size) - 1} - {value}:
                if wrong < 1 << 8 * size:
                    yield data[:at] + wrong.to_bytes(size, "little") + data[at + size:]


@pytest.mark.parametrize("name", LONG)
def test_lengths_within_a_message(world, name):
    """Whatever a TLV, a count or a text says, the request is answered: with what can be read, and the rest as bytes."""
    sim = world.sim(scenario="default", overrides=["@0s timeline off"])
    world.start_daemon()
    bus = world.connect()
    service, ident, interface, member = LONG[name]
    trace = Trace(bus, sim.device, unmasked=True)
    expected = bus.qmi(sim.device, interface, member)
    direction = 0
    while direction != 1:
        direction, answer = trace.read_message(service, ident)
    trace.close()
    tlvs = qmux.pack_tlvs(answer.tlvs)
    n = sim.count(name)
    for wrong in list(lies(tlvs, 7))[::len(tlvs) // 100 + 1]:     # behind the result
        sim.command(f"drop 1 {name}")
        asked = bus.begin(sim.device, DEVICE, "Request", "ssa{sv}a{sv}", *name.split("."), {}, {"timeout": 60})
        n += 1
        sim.wait_count(name, n)
        head = qmux.pack(answer._replace(transaction=sim.last_request(name)["transaction"], tlvs=[]), 0x80)
        raw_send(sim, head[:1] + struct.pack("<H", len(head) - 1 + len(wrong)) + head[3:11]
                 + struct.pack("<H", len(wrong)) + wrong)
        result, response = bus.end(asked)
        assert result == "success" and isinstance(response, dict)
    assert bus.qmi(sim.device, interface, member) == expected


@pytest.mark.parametrize("kind", ["response", "indication"])
def test_lengths_of_frames(sim, device, bus, daemon, kind):
    """Of the frame, of the message in it, and of its TLVs; for a client that is there."""
    client = sim.last_request("nas.get-drx")["client"]
    whole = frame(client=client, kind=kind, ident=0x0051, tlvs=[(2, b"\0\0\0\0"), (0x14, b"\xc1\xf5\xa1\xff\x7c\x00")])
    for wrong in lies(whole, 1):
        raw_send(sim, wrong)
        assert bus.qmi(device, "Nas", "GetDrx") == DRX
    assert bus.get(device, DEVICE, "State") == "ready"


# ---- it goes and comes back


def test_reset_with_requests_under_way(each_world):
    sim = each_world.sim()
    each_world.start_daemon()
    bus = each_world.connect()
    bus.add_match(f"type='signal',sender='{NAME}',member='PropertiesChanged'")
    bus.qmi(sim.device, "Nas", "GetDrx")
    sim.command("delay 1000000 nas.get-drx")
    asked = [bus.begin(sim.device, f"{NAME}.Nas", "GetDrx", "a{sv}", {}) for _ in range(20)]
    bus.wait_property(sim.device, DEVICE, "State", "ready")
    bus.take_signals()
    sim.command("delay 0 nas.get-drx")
    sim.command("reset")
    for serial in asked:
        with pytest.raises(DBusError) as e:
            bus.end(serial)
        assert e.value.name == f"{NAME}.Error.DeviceGone"
    states = []
    while "ready" not in states:
        states.append(bus.wait_signal("PropertiesChanged").args[1].get("State"))
    assert states[0] == "resetting"
    assert bus.qmi(sim.device, "Nas", "GetDrx") == DRX


def test_comes_and_goes(world, sim, bus):
    """Ten times, and each time it serves; ids of before are not asked to be released."""
    world.start_daemon()
    for _ in range(10):
        bus.wait_property(sim.device, DEVICE, "State", "ready")
        bus.qmi(sim.device, "Nas", "SetEventReport")
        sim.command("hangup")
        bus.wait_property(sim.device, DEVICE, "State", "resetting")
        sim.command("reset")  # what forgets the ids at a modem that was off
        sim.command("listen")
    bus.wait_property(sim.device, DEVICE, "State", "ready")
    assert bus.qmi(sim.device, "Nas", "GetDrx") == DRX
    assert sim.count("connections") == 11 and sim.count("ctl.release-client-id") == 0


def test_another_modem_at_the_same_port(world, bus):
    """The simulator ends, and another begins in its place."""
    first = world.sim("port")
    world.start_daemon()
    bus.wait_property(first.device, DEVICE, "Model", "SIM-5G")
    world.sims.remove(first)
    first.stop()
    bus.wait_property(first.device, DEVICE, "State", "resetting")
    world.sim("port", scenario="minimal")
    bus.wait_property(first.device, DEVICE, "Model", "minimal")
    assert bus.get(first.device, DEVICE, "Services") == {"ctl": (1, 5), "dms": (1, 0)}
    with pytest.raises(DBusError) as e:
        bus.qmi(first.device, "Nas", "GetDrx")
    assert e.value.name == f"{NAME}.Error.NoSuchService"


def test_allocation_gets_garbage(sim, device, bus, daemon):
    """An answer that has no client id in it, one for another service, one with the id of everybody."""
    for tlvs in ([(2, b"\0\0\0\0")], [(2, b"\0\0\0\0"), (1, b"\x03")], [(2, b"\0\0\0\0"), (1, b"\x02\x05")],
                 [(2, b"\0\0\0\0"), (1, b"\x03\xff")], [(2, b"\0\0\0\0"), (1, b"\x03\x00")]):
        n = sim.count("ctl.allocate-client-id")
        sim.command("drop 1 ctl.allocate-client-id")
        asked = bus.begin(device, DEVICE, "OpenClient", "sa{sv}", "nas", {})
        sim.wait_count("ctl.allocate-client-id", n + 1)
        raw_send(sim, frame(service=0, client=0, ident=0x0022, tlvs=tlvs,
                            transaction=sim.last_request("ctl.allocate-client-id")["transaction"]))
        with pytest.raises(DBusError):
            bus.end(asked)
    assert bus.call(device, DEVICE, "OpenClient", "sa{sv}", "nas", {})


def test_an_id_is_given_twice(sim, device, bus, daemon):
    """The modem forgot that it gave it: who had it is told, who has it now may use it."""
    client = bus.call(device, DEVICE, "OpenClient", "sa{sv}", "nas", {})
    ident = bus.get(client, f"{NAME}.Client", "ClientId")
    n = sim.count("ctl.allocate-client-id")
    sim.command("drop 1 ctl.allocate-client-id")
    asked = bus.begin(device, DEVICE, "OpenClient", "sa{sv}", "nas", {})
    sim.wait_count("ctl.allocate-client-id", n + 1)
    raw_send(sim, frame(service=0, client=0, ident=0x0022, tlvs=[(2, b"\0\0\0\0"), (1, bytes([3, ident]))],
                        transaction=sim.last_request("ctl.allocate-client-id")["transaction"]))
    second = bus.end(asked)
    assert bus.wait_signal("Replaced").path == client
    assert bus.qmi(second, "Nas", "GetDrx") == DRX
    assert sim.last_request("nas.get-drx")["client"] == ident


def test_a_bus_that_does_not_read(world, sim, device, bus):
    """What it does not take does not wait without end: indications are lost, counted and told."""
    sent = 30000    # the socket to the bus takes some megabytes, too
    bus.qmi(device, "Nas", "RegisterIndications", {"signal_info": True})
    daemon = world.bus.processes[0].popen
    n = sim.count("ctl.get-version-info")
    daemon.send_signal(signal.SIGSTOP)
    try:
        for _ in range(sent):
            sim.send("nas", "signal-info")
        sim.command("sync")     # when it is acted on, all before it has been
        sim.wait_count("ctl.get-version-info", n + 1)
    finally:
        daemon.send_signal(signal.SIGCONT)
    bus.wait_property(device, DEVICE, "State", "ready")
    bus.settle(device)
    lost = sum(c.get("lost_indications", 0) for c in bus.call(device, DEVICE, "ListClients", "a{sv}", {}))
    assert 0 < lost < sent
    assert len(bus.take_signals("SignalInfo")) == sent - lost


def test_answers_do_not_wait_behind_indications(world, sim, device, bus, daemon):
    """While the bus takes nothing, what one caller hears waits; what is for another does not wait behind that, and an
    answer to the one comes where it came among them."""
    n, unread = 200, 100    # those that the socket to the bus takes are there before any answer
    listener = world.connect()
    listener.qmi(device, "Nas", "RegisterIndications", {"signal_info": True})
    indication = frame(client=sim.last_request("nas.register-indications")["client"], kind="indication", ident=0x0051,
                       tlvs=[(0x14, b"\xc1\xf5\xa1\xff\x7c\x00")])

    def begin(caller, member, message, ident):
        """(call, its answer)"""
        sim.command(f"drop 1 {message}")
        before = sim.count(message)
        asked = caller.begin(device, f"{NAME}.Nas", member, "a{sv}", {})
        sim.wait_count(message, before + 1)
        request = sim.last_request(message)
        return asked, frame(client=request["client"], transaction=request["transaction"], ident=ident)

    asked, answer = begin(bus, "GetDrx", "nas.get-drx", 0x0089)
    own, own_answer = begin(listener, "GetSystemSelectionPreference", "nas.get-system-selection-preference", 0x0034)
    with rawbus.RawBus(world.bus.address) as monitor:
        monitor.send(rawbus.call("/org/freedesktop/DBus", "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu",
                                 bytes(8), destination="org.freedesktop.DBus"))
        assert monitor.wait_reply(1).type == rawbus.RETURN
        dbus_daemon = world.bus.processes[0].popen
        checks = sim.count("ctl.get-version-info")
        dbus_daemon.send_signal(signal.SIGSTOP)
        try:
            raw_send(sim, indication * n + answer + own_answer + indication * n)
            sim.command("sync")     # when it is acted on, all before it has been
            sim.wait_count("ctl.get-version-info", checks + 1)
        finally:
            dbus_daemon.send_signal(signal.SIGCONT)
        assert bus.end(asked) == listener.end(own) == {}
        seen, answered = 0, []
        while len(answered) < 2 or seen < 2 * n:
            message = monitor.receive()
            if message.type == rawbus.SIGNAL:
                seen += message.fields[rawbus.MEMBER] == "SignalInfo"
            elif message.type == rawbus.RETURN and message.fields[rawbus.DESTINATION] == bus.unique_name:
                assert message.fields[rawbus.REPLY_SERIAL] == asked and seen < unread
                answered.append("other")
            elif message.type == rawbus.RETURN and message.fields[rawbus.DESTINATION] == listener.unique_name:
                assert message.fields[rawbus.REPLY_SERIAL] == own and seen == n
                answered.append("own")
    assert sorted(answered) == ["other", "own"]
