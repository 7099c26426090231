# SPDX-License-Identifier: LGPL-2.1-or-later
"""A SIM takes only a few wrong PINs: none that it has rejected gets there again, and the last try is nobody's by
accident, whoever asks, through whichever door."""

import signal

import pytest

from qmidtest import NAME, DBusError
from test_socket import Raw, result

DEVICE, CLIENT = f"{NAME}.Device", f"{NAME}.Client"
SESSION = {"session": {"type": "primary_gw_provisioning", "aid": b""}}
ICCID = "dms.uim-get-iccid.iccid"
NEVER = "delay 1000000 dms.uim-verify-pin"
TRIES = ["dms.uim-get-pin-status.pin1.verify-retries",
         "uim.get-card-status.card-status.cards.0.applications.0.pin1-retries"]


@pytest.fixture
def sim(world):
    return world.sim(scenario="locked")


@pytest.fixture
def device(world, sim):
    world.start_daemon()
    return sim.device


@pytest.fixture
def bus(world, device):
    return world.connect()


def dms(bus, device, value, id="pin1"):
    return bus.qmi(device, "Dms", "UimVerifyPin", {"pin": {"id": id, "value": value}})


def uim(bus, device, value, id="pin1"):
    return bus.qmi(device, "Uim", "VerifyPin", {"pin": {"id": id, "value": value}} | SESSION)


def request(bus, device, value, service="dms", message="uim-verify-pin", **options):
    value = {"pin": {"id": "pin1", "value": value}} | (SESSION if service == "uim" else {})
    result, _ = bus.call(device, DEVICE, "Request", "ssa{sv}a{sv}", service, message, value, options)
    return result


def pin_tlv(value, id=1):
    return bytes([id, len(value)]) + value.encode()


def call(bus, device, value, *more, **options):
    bus.call(device, DEVICE, "Call", "sqa(yay)a{sv}", "dms", 0x0028, [(0x01, pin_tlv(value)), *more], options)
    return "success"


def refused(f):
    """Name and text of the error."""
    with pytest.raises(DBusError) as e:
        f()
    return e.value.name.removeprefix(f"{NAME}.Error."), e.value.text


def set_tries(sim, n):
    for key in TRIES:
        sim.set(key, n)


def sent(sim):
    return sum(sim.count(m) for m in ("dms.uim-verify-pin", "uim.verify-pin"))


DOORS = {
    "dms": dms, "uim": uim, "call": call,
    "request": lambda bus, device, value: request(bus, device, value),
    "request-uim": lambda bus, device, value: request(bus, device, value, "uim", "verify-pin"),
}


@pytest.mark.parametrize("second", DOORS)
@pytest.mark.parametrize("first", ["dms", "uim", "call"])
def test_rejected_once(world, sim, device, bus, first, second):
    """Whoever asks next, through another door."""
    assert refused(lambda: DOORS[first](bus, device, "0000"))[0] == "Qmi.IncorrectPin"
    assert sent(sim) == 1
    name, text = refused(lambda: DOORS[second](world.connect(), device, "0000"))
    assert name == "Guarded" and "rejected" in text and "2 tries left" in text and "force" in text and "0000" not in text
    assert sent(sim) == 1
    # Others may be right.
    DOORS[second](bus, device, "1234")
    assert sent(sim) == 2


def test_socket(world, sim, device, bus):
    """Who speaks QMI himself is told in QMI."""
    assert refused(lambda: dms(bus, device, "0000"))[0] == "Qmi.IncorrectPin"
    path = bus.call(device, DEVICE, "OpenClient", "sa{sv}", "dms", {})
    raw = Raw(bus, path)
    assert raw.call(7, 0x0028, [(0x01, pin_tlv("0000"))]) == [result(82)]
    assert raw.call(8, 0x0028, [(0x01, pin_tlv("1234"))])[0] == (0x02, bytes(4))
    raw.close()
    assert sent(sim) == 2


def test_forced(sim, device, bus):
    assert refused(lambda: dms(bus, device, "0000"))[0] == "Qmi.IncorrectPin"
    assert request(bus, device, "0000", force=True) == "incorrect_pin"
    assert sent(sim) == 2
    # Now one try is left, and not even a good code goes there unasked.
    for f in (dms, uim, call):
        name, text = refused(lambda: f(bus, device, "1234"))
        assert name == "Guarded" and "1 try left" in text
    assert sent(sim) == 2
    assert call(bus, device, "1234", force=True) == "success"
    # The tries are three again, and the SIM has not changed its mind about the other one.
    assert refused(lambda: dms(bus, device, "0000"))[0] == "Guarded"


@pytest.mark.parametrize("force", [1, "yes", {"a": 1}])
def test_force_is_a_boolean(device, bus, force):
    name, text = refused(lambda: request(bus, device, "0000", force=force))
    assert name == "InvalidArgument" and "force" in text


def test_what_cannot_be_read(sim, device, bus):
    """Bytes that the modem may take for another code than we do."""
    once = (0x01, pin_tlv("1234"))
    for tlvs in ([], [once, once], [(0x01, pin_tlv("1234") + b"\0")], [(0x01, b"\x01")], [(0x01, b"\x01\x09" + b"1234")]):
        name, text = refused(lambda: bus.call(device, DEVICE, "Call", "sqa(yay)a{sv}", "dms", 0x0028, tlvs, {}))
        assert name == "Guarded" and "which code" in text
    assert sent(sim) == 0
    # What fills a PIN is not part of it.
    assert refused(lambda: call(bus, device, "0000"))[0] == "Qmi.IncorrectPin"
    tlv = (0x01, b"\x01\x080000\xff\xff\xff\xff")
    name, _ = refused(lambda: bus.call(device, DEVICE, "Call", "sqa(yay)a{sv}", "dms", 0x0028, [tlv], {}))
    assert name == "Guarded" and sent(sim) == 1


def test_answer_elsewhere(sim, device, bus):
    value = {"pin": {"id": "pin1", "value": "1234"}, "response_in_indication_token": 1} | SESSION
    name, text = refused(lambda: bus.qmi(device, "Uim", "VerifyPin", value))
    assert name == "Guarded" and "answer" in text and sent(sim) == 0


def test_another_sim(sim, device, bus):
    """What one SIM has rejected, another may take; and the first remembers."""
    assert refused(lambda: dms(bus, device, "0000"))[0] == "Qmi.IncorrectPin"
    sim.set(ICCID, "8949000000000000001")
    set_tries(sim, 3)
    assert refused(lambda: dms(bus, device, "0000"))[0] == "Qmi.IncorrectPin"
    sim.set(ICCID, "8946990000000000042")
    assert refused(lambda: dms(bus, device, "0000"))[0] == "Guarded"
    assert sent(sim) == 2


def test_two_modems(world, sim):
    """A SIM is the same in another modem, whichever message tells of it."""
    other = world.sim("modem1", scenario="locked")
    world.start_daemon()
    bus = world.connect()
    assert refused(lambda: dms(bus, sim.device, "0000"))[0] == "Qmi.IncorrectPin"
    other.command("set dms.uim-get-iccid.!error = not-supported")
    assert refused(lambda: uim(bus, other.device, "0000"))[0] == "Guarded"
    assert sent(other) == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_restart(world, sim, how):
    """The next daemon remembers, also what was on its way when the last one was killed."""
    world.start_daemon(store=True)
    bus = world.connect()
    assert refused(lambda: dms(bus, sim.device, "0000"))[0] == "Qmi.IncorrectPin"
    if how == signal.SIGKILL:
        set_tries(sim, 3)
        sim.command(NEVER)
        bus.begin(sim.device, f"{NAME}.Dms", "UimVerifyPin", "a{sv}", {"pin": {"id": "pin1", "value": "1111"}})
        sim.wait_count("dms.uim-verify-pin", 2)
    world.restart_daemon(how)
    bus = world.connect()
    bus.wait_property(sim.device, DEVICE, "State", "ready")
    name, text = refused(lambda: uim(bus, sim.device, "0000"))
    assert name == "Guarded" and "rejected" in text
    if how == signal.SIGKILL:
        name, text = refused(lambda: uim(bus, sim.device, "1111"))
        assert name == "Guarded" and "not known" in text
    uim(bus, sim.device, "1234")


def test_no_iccid(sim, device, bus):
    """Then it is for this modem."""
    for message in ("dms.uim-get-iccid", "uim.get-slot-status"):
        sim.command(f"set {message}.!error = not-supported")
    assert refused(lambda: dms(bus, device, "0000"))[0] == "Qmi.IncorrectPin"
    assert refused(lambda: uim(bus, device, "0000"))[0] == "Guarded"


@pytest.mark.parametrize("silent", ["dms", "uim", "both"])
def test_tries_by_the_other_service(sim, device, bus, silent):
    for service, message in (("dms", "uim-get-pin-status"), ("uim", "get-card-status")):
        if silent in (service, "both"):
            sim.command(f"set {service}.{message}.!error = not-supported")
    set_tries(sim, 1)
    name, text = refused(lambda: uim(bus, device, "1234"))
    assert name == "Guarded" and ("not known" if silent == "both" else "1 try left") in text
    set_tries(sim, 3)
    if silent != "both":
        uim(bus, device, "1234")


def test_tries_in_an_answer_that_lacks_them(sim, device, bus):
    sim.command("set dms.uim-verify-pin.!error = incorrect-pin")
    sim.command("unset dms.uim-verify-pin.!failed.retries")
    name, text = refused(lambda: dms(bus, device, "1234"))
    assert name == "Qmi.IncorrectPin" and "3 tries were left" in text


def test_both_at_once(world, sim, device, bus):
    """Two callers with two tries left: only one of them gets to use one."""
    set_tries(sim, 2)
    other = world.connect()
    sim.command(NEVER)
    pin = [{"pin": {"id": "pin1", "value": v}} for v in ("0000", "1111")]
    first = bus.begin(device, f"{NAME}.Dms", "UimVerifyPin", "a{sv}", pin[0])
    sim.wait_count("dms.uim-verify-pin", 1)
    name, text = refused(lambda: other.qmi(device, "Dms", "UimVerifyPin", pin[1]))
    assert name == "Guarded" and "under way" in text
    # Nor the same by somebody else.
    name, text = refused(lambda: other.qmi(device, "Uim", "VerifyPin", pin[0] | SESSION))
    assert name == "Guarded" and "not known" in text
    assert sent(sim) == 1
    bus.call(device, DEVICE, "Cancel", "ssa{sv}", "dms", "uim-verify-pin", {})
    assert refused(lambda: bus.end(first))[0] == "Qmi.Aborted"


def test_not_tried(sim, device, bus):
    """A modem that did not look at the PIN has not rejected it."""
    sim.command("set dms.uim-verify-pin.!error = no-effect")
    assert refused(lambda: dms(bus, device, "1234"))[0] == "Qmi.NoEffect"
    sim.command("unset dms.uim-verify-pin.!error")
    dms(bus, device, "1234")


def test_caller_leaves(world, sim, device, bus):
    """Who does not wait for the answer has used a try all the same."""
    leaver = world.connect()
    sim.command(NEVER)
    leaver.begin(device, f"{NAME}.Dms", "UimVerifyPin", "a{sv}", {"pin": {"id": "pin1", "value": "0000"}})
    sim.wait_count("dms.uim-verify-pin", 1)
    leaver.close()
    assert refused(lambda: dms(bus, device, "0000"))[0] == "Guarded"
    assert sent(sim) == 1


def test_the_new_pin_is_right(sim, device, bus):
    """A PIN that was rejected and is then made the PIN."""
    assert refused(lambda: dms(bus, device, "0000"))[0] == "Qmi.IncorrectPin"
    sim.command("set dms.uim-change-pin = {}")
    bus.qmi(device, "Dms", "UimChangePin", {"pin": {"id": "pin1", "old_pin": "1234", "new_pin": "0000"}})
    assert refused(lambda: dms(bus, device, "0000"))[0] == "Qmi.IncorrectPin"     # the simulated SIM knows 1234 only
    assert sent(sim) == 2


@pytest.mark.parametrize("service, message, value, left", [
    ("dms", "uim-unblock-pin", {"pin": {"id": "pin1", "puk": "12345678", "new_pin": "1234"}}, "10 tries"),
    ("dms", "uim-set-pin-protection", {"pin": {"id": "pin1", "enabled": False, "value": "0000"}}, "3 tries"),
    ("dms", "uim-change-pin", {"pin": {"id": "pin1", "old_pin": "0000", "new_pin": "1234"}}, "3 tries"),
    ("dms", "uim-set-ck-protection", {"lock": {"facility": "pn", "state": "deactivated", "ck": "12345678"}}, "7 tries"),
    ("dms", "uim-unblock-ck", {"lock": {"facility": "pn", "ck": "12345678"}}, "8 tries"),
    ("uim", "unblock-pin", {"pin": {"id": "pin1", "puk": "12345678", "new_pin": "1234"}} | SESSION, "10 tries"),
    ("uim", "set-pin-protection", {"pin": {"id": "pin1", "enabled": False, "value": "0000"}} | SESSION, "3 tries"),
    ("uim", "change-pin", {"pin": {"id": "pin2", "old_pin": "0000", "new_pin": "1234"}} | SESSION, "3 tries"),
    ("uim", "depersonalization", {"depersonalization": {"feature": "gw_network", "operation": "deactivate",
                                                        "control_key": "12345678"}}, "5 tries")])
def test_every_code(sim, device, bus, service, message, value, left):
    sim.command("set dms.uim-get-ck-status.ck.state = activated")
    sim.command("set dms.uim-get-ck-status.ck.verify-retries = 7")
    sim.command("set dms.uim-get-ck-status.ck.unblock-retries = 8")
    sim.set("uim.get-card-status.card-status.cards.0.applications.0.personalization-retries", 5)
    sim.command(f"set {service}.{message}.!error = incorrect-pin")

    def ask(**options):
        return bus.call(device, DEVICE, "Request", "ssa{sv}a{sv}", service, message, value, options)

    assert ask()[0] == "incorrect_pin"
    name, text = refused(ask)
    assert name == "Guarded" and left in text
    assert ask(force=True)[0] == "incorrect_pin"
    assert sim.count(f"{service}.{message}") == 2


def test_qmictl(world, sim, device):
    def call(value, *options):
        return world.qmictl(*options, "call", "dms", "uim-verify-pin", "pin.id=pin1", "pin.value=-", input=value + "\n")

    assert call("0000")[0] == 1
    status, _, said = call("0000")
    assert status == 1 and "rejected" in said and "2 tries left" in said and sent(sim) == 1
    status, shown, said = call("0000", "--force")
    assert status == 1 and "incorrect_pin" in said and "verify-retries" in shown.replace("_", "-") and sent(sim) == 2
    raw = ["raw", "dms", "0x0028", "01:010431323334"]
    assert world.qmictl(*raw)[0] == 1 and sent(sim) == 2
    assert world.qmictl("--force", *raw)[0] == 0 and sent(sim) == 3
    assert call("1234", "--force")[0] == 0
    assert world.qmictl("--force", "list")[0] == 2
