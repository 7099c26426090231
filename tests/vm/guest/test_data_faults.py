# SPDX-License-Identifier: LGPL-2.1-or-later
"""Data sessions that are refused, cut off or given up: the reason is told, and nothing is left behind."""

import signal

import pytest

from data import FAMILIES
from dbusclient import DBusError
from qmid import NAME, UNIT, connect, main_pid, qmictl
from sessions import addresses, is_unreachable, ping, sessions
from udev import PATIENCE

DEVICE_GONE = f"{NAME}.Error.DeviceGone"


def refused(bus, call):
    with pytest.raises(DBusError) as e:
        bus.end(call, timeout=PATIENCE)
    return e.value


# ---- refused ----

REGISTRATION = "nas.get-serving-system.serving-system.registration"
SIM_STATE = "uim.get-card-status.card-status.cards.0.applications.0.state"
REFUSALS = [
    ({"apn": "unknown.example"}, ["unknown or missing APN", "27"]),
    ({"apn": "login.example"}, ["user authentication failed", "29"]),
    ({"apn": "login.example", "user": "guest", "password": "secret"}, ["user authentication failed", "29"]),
    ({"apn": "ipv4.example", "families": "ipv6"}, ["only IPv4 allowed", "50"]),
    ({"apn": "ipv6.example", "families": "ipv4"}, ["only IPv6 allowed", "51"]),
]


def test_refusals_name_the_reason(bus, line):
    for options, words in REFUSALS:
        error = refused(bus, line.begin(configure=True, **options))
        assert error.name.startswith(f"{NAME}.Error.Qmi."), error
        assert all(word in error.text for word in words) and "secret" not in error.text, error
        line.check_clean()
    line.sim('set data.families = "both"')
    for key, bad, good, words in ((REGISTRATION, "not-registered", "registered", "not registered"),
                                  (SIM_STATE, "pin1-or-upin-required", "ready", "the SIM wants its PIN")):
        line.sim(f'set {key} = "{bad}"')
        error = refused(bus, line.begin(configure=True))
        assert error.name.startswith(f"{NAME}.Error.Qmi.") and words in error.text, error
        status, _, text = qmictl("connect", "--apn=internet", "--configure")
        assert status == 1 and words in text
        line.sim(f'set {key} = "{good}"')
        line.check_clean()
    session = line.connect(apn="login.example", user="guest", password="guest", configure=True)
    ping()
    line.disconnect(session)
    line.check_clean()


# ---- unplugged ----

def test_unplugged_while_it_connects(bus, line):
    line.held("wds.start-network")
    call = line.begin(configure=True)
    line.sim("wait-count wds.start-network 1")
    assert len(sessions(bus)) == 1
    line.modem.unplug()
    assert refused(bus, call).name == DEVICE_GONE
    line.wait_device_gone()
    line.answered("wds.start-network")
    line.plug()
    line.check_clean()
    line.check_repeats()


@pytest.mark.parametrize("layer", ["raw-ip", "qmap"])
def test_unplugged_with_data(bus, line, layer):
    session = line.connect(configure=True, link_layer=layer)
    mux = line.get(session, "MuxId")
    ping(mux=mux)
    line.modem.unplug()
    assert line.wait_end_reason(session)["kind"] == "device-gone"
    line.wait_device_gone()
    assert all(is_unreachable(family, mux) for family in FAMILIES)
    line.plug()
    line.check_clean()
    line.check_repeats()
    # Gone and back at once, and the modem has forgotten everything.
    session = line.connect(configure=True, link_layer=layer)
    line.modem.replug()
    line.wait_end_reason(session)
    line.wait_ended(session)
    line.take_port()
    line.check_clean()
    line.check_repeats()


def test_unplugged_while_it_disconnects(bus, line):
    session = line.connect(configure=True)
    line.held("wds.stop-network")
    call = line.begin_disconnect(session)
    line.sim("wait-count wds.stop-network 1")
    assert addresses(line.network) == []
    line.modem.unplug()
    # It has ended, which was to be done.
    bus.end(call, timeout=PATIENCE)
    line.wait_device_gone()
    line.answered("wds.stop-network")
    line.plug()
    line.check_clean()
    line.check_repeats()


# ---- ended by others ----

def test_the_network_ends_it(bus, line):
    session = line.connect(configure=True)
    ping()
    line.sim("end-call 0 ipv4 call-end-reason=no-service")
    while line.get(session, "Families")["ipv4"][0]:
        bus.wait_signal("PropertiesChanged", timeout=PATIENCE, path=session)
    ping(families=[6])
    assert is_unreachable(4)
    line.sim("end-call 0 ipv6 call-end-reason=no-service")
    reason = line.wait_end_reason(session)
    assert reason["kind"] == "registration-lost" and "no service" in reason["text"]
    line.wait_ended(session)
    line.check_clean()


def test_ended_while_nobody_listened(bus, services, line):
    """The daemon that comes after a crash finds that there is no call any more."""
    session = line.connect(configure=True)
    pid = main_pid(services)
    services.kill(UNIT, signal.SIGSTOP)
    for family in FAMILIES:
        line.sim(f"end-call 0 ipv{family}")
    services.kill(UNIT, signal.SIGKILL)
    services.wait(UNIT, ActiveState="active", MainPID=lambda now: now not in (0, pid))
    line.wait_ended(session)
    line.check_clean()
    line.check_repeats()


# ---- given up ----

@pytest.mark.parametrize("late", [False, True], ids=["aborted", "late"])
def test_the_caller_is_killed_in_the_middle(bus, line, late):
    """What has succeeded then is stopped at the modem."""
    if late:    # to abort it
        line.sim('set wds.abort.!error = "invalid-transaction-id"')
    line.held("wds.start-network")
    with connect() as other:
        line.begin(bus=other, configure=True)
        line.sim("wait-count wds.start-network 1")
        session, = sessions(bus)
        line.wait_gate(4)
    line.sim("wait-count wds.abort 1")
    if late:
        line.sim("hurry")
    line.wait_ended(session)
    line.check_clean()
    line.answered("wds.start-network")
    line.check_repeats()
