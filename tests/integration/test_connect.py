# SPDX-License-Identifier: LGPL-2.1-or-later
"""qmictl connect, disconnect, sessions, with a simulated modem that has no network interface."""

import json
import os
import signal
import socket
import subprocess
import threading

import pytest
import qmidtest

OK, REFUSED, USAGE, MISSING, TIMEOUT = range(5)
V4, V6 = "192.0.2.42/30", "2001:db8:42::2a/64"
REGISTRATION = "nas.get-serving-system.serving-system.registration"


@pytest.fixture
def sim(world):
    return world.sim(scenario="data")


def good(world, *arguments, **options):
    status, out, err = world.qmictl(*arguments, **options)
    assert (status, err) == (OK, ""), (status, out, err)
    return out


def bad(world, status, *arguments, **options):
    seen, out, err = world.qmictl(*arguments, **options)
    assert (seen, out) == (status, ""), (seen, out, err)
    assert err.startswith("qmictl: ") and err.count("\n") == 1, err
    return err


def sessions(world):
    return json.loads(good(world, "-j", "sessions"))


def n_calls(sim):
    return sim.count("wds.start-network") - sim.count("wds.stop-network")


class Running:
    """A qmictl that stays, killed if it hangs."""

    def __init__(self, world, *arguments, env=None):
        self.popen = subprocess.Popen(
            [qmidtest.program("cli/qmictl"), *arguments], text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": world.bus.address, **(env or {})})
        self.timer = threading.Timer(qmidtest.TIMEOUT, self.popen.kill)
        self.timer.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.communicate()
        self.timer.cancel()

    def remark(self, *words):
        """The next line on standard error with all of these words in it."""
        while line := self.popen.stderr.readline():
            if all(word in line for word in words):
                return line.rstrip("\n")
        raise AssertionError(f"{words} not said, status {self.popen.wait()}")

    def line(self):
        line = self.popen.stdout.readline().rstrip("\n")
        assert line, f"status {self.popen.wait()}: {self.popen.stderr.read()}"
        return line

    def wait_end(self, n):
        """Of a session; one of its families may have ended before."""
        while (line := self.line()).startswith(f"Session {n} is connected: "):
            pass
        assert line.startswith(f"Session {n} has ended: ")
        return line

    def end(self, number=signal.SIGTERM):
        self.popen.send_signal(number)
        return self.wait()

    def wait(self):
        status = self.popen.wait()
        assert not qmidtest.SANITIZER.search(self.popen.stderr.read())
        return status


# ---- one session


def test_a_session_stays(world, sim, device):
    assert good(world, "connect", "--apn=internet") == f"Session 1 is connected: {V4}, {V6}\n"
    assert good(world, "sessions").splitlines()[0].split() == ["SESSION", "STATE", "INTERFACE", "APN", "TIME", "ADDRESS"]
    first, second = (row.split() for row in good(world, "--no-legend", "sessions").splitlines())
    assert (first[:3], first[4:], second) == (["1", "connected", "internet"], [V4], [V6])
    assert len(first[3].split(":")) == 3
    session, = sessions(world)
    assert (session["name"], session["state"], session["apn"], session["persist"], session["owner"]) == (
        "1", "connected", "internet", True, "")
    assert session["device"] == "unix_modem0" and session["path"] == f"{device}/session/1"
    assert session["ip4"]["address"] == "192.0.2.42" and session["ip6"]["prefix"] == 64
    assert "address  192.0.2.42\n" in good(world, "sessions", "1")
    assert json.loads(good(world, "-j", "sessions", session["path"]))["name"] == "1"

    assert good(world, "disconnect") == ""
    assert sessions(world) == [] and n_calls(sim) == 0
    assert "there is no session" in bad(world, MISSING, "disconnect")
    assert good(world, "disconnect", "--all") == ""


def test_json(world, sim, device):
    session = json.loads(good(world, "-j", "connect", "--apn=internet", "--ipv6"))
    assert session["name"] == "1" and session["ip4"] == {} and session["ip6"]["address"] == "2001:db8:42::2a"
    assert session["families"]["ipv6"] == [True, ""]


def test_one_family_of_two(world, sim, device):
    line = good(world, "connect", "--apn=ipv4.example")
    assert line.startswith(f"Session 1 is connected: {V4}; no ipv6: ")
    assert "only IPv4" in line


def test_which_one(world, device, sim):
    good(world, "connect", "--apn=one", "--ipv4")
    good(world, "connect", "--apn=two", "--ipv4", "--mux=2")
    assert "there are 2 sessions" in bad(world, USAGE, "disconnect")
    assert "there is no session 7" in bad(world, MISSING, "disconnect", "7")
    assert "there is no session 1/" in bad(world, MISSING, "sessions", "1/")
    good(world, "disconnect", f"{device}/session/1")
    assert [s["apn"] for s in sessions(world)] == ["two"]
    good(world, "disconnect", "2")
    assert sessions(world) == []


def test_those_of_a_device(world, sim):
    other = world.sim("other", scenario="data")
    world.start_daemon()
    for name in ("unix_modem0", "unix_other"):
        good(world, "-d", name, "connect", f"--apn={name}", "--ipv4")
    assert [s["device"] for s in sessions(world)] == ["unix_modem0", "unix_other"]
    assert [s["apn"] for s in json.loads(good(world, "-j", "-d", "unix_other", "sessions"))] == ["unix_other"]
    good(world, "-d", "unix_other", "disconnect")
    assert n_calls(other) == 0 and n_calls(sim) == 1
    good(world, "disconnect", "--all")
    assert n_calls(sim) == 0


# ---- what goes there


def test_options_of_the_session(world, sim, device):
    good(world, "connect", "--apn=internet", "--ipv4", "--user=me", "--password-file=-", "--authentication=chap",
         input="secret\n")
    tlvs = sim.last_request("wds.start-network")["tlvs"]
    for part in (b"\x14\x08\x00internet", b"\x16\x01\x00\x02", b"\x17\x02\x00me", b"\x18\x06\x00secret"):
        assert part in tlvs


@pytest.mark.parametrize("how", ["file", "standard input", "credential"])
def test_a_password(world, sim, device, how):
    folder = world.directory / "credentials"
    folder.mkdir()
    (folder / "password").write_text("guest\n")
    arguments = {"file": [f"--password-file={folder}/password"], "standard input": ["--password-file=-"]}.get(how, [])
    env = {"CREDENTIALS_DIRECTORY": str(folder)} if how == "credential" else {}
    out = good(world, "connect", "--apn=login.example", "--user=guest", *arguments, input="guest", env=env)
    assert out.startswith("Session 1 is connected")


def test_nobody_to_ask_for_a_password(world, sim, device):
    status, _, err = world.run("setsid", "--wait", qmidtest.program("cli/qmictl"), "connect", "--apn=login.example",
                               "--user=guest")
    assert status == USAGE and "no terminal" in err and "--password-file" in err
    assert "cannot read /nonexistent" in bad(world, USAGE, "connect", "--apn=a", "--user=u", "--password-file=/nonexistent")


@pytest.mark.parametrize("arguments, text", [
    ([], "--apn is missing"),
    (["--apn=a", "--profile=0"], "--profile: '0' is no number between 1 and 255"),
    (["--apn=a", "--profile=256"], "--profile: '256'"),
    (["--apn=a", "--mux=255"], "--mux: '255' is no number between 1 and 254"),
    (["--apn=a", "--mux=+1"], "--mux: '+1'"),
    (["--apn=a", "--authentication=pop"], "--authentication: must be"),
    (["--apn=a", "--authentication=pap,"], "--authentication: must be"),
    (["--apn=a", "--wait=0"], "--wait: '0' is no number of seconds"),
    (["--apn=a", "--password-file=x"], "--password-file without --user"),
    (["--apn=a", "more"], "too many arguments"),
])
def test_mistakes(world, arguments, text):
    assert text in bad(world, USAGE, "connect", *arguments)


def test_options_of_other_commands(world):
    assert "--all is an option of disconnect" in bad(world, USAGE, "sessions", "--all")
    assert "an option of connect" in bad(world, USAGE, "disconnect", "--foreground")
    assert "--all, and a session" in bad(world, USAGE, "disconnect", "--all", "1")


def test_mistakes_that_qmid_finds(world, sim, device):
    assert "link_layer" in bad(world, USAGE, "connect", "--apn=a", "--link-layer=token-ring")
    assert "apn" in bad(world, USAGE, "connect", f"--apn={'a' * 101}")


# ---- refusals, and what is waited for


def test_refused_for_good(world, sim, device):
    """Waiting would not help."""
    assert "APN" in bad(world, REFUSED, "connect", "--apn=unknown.example", "--wait")
    err = bad(world, REFUSED, "connect", "--apn=login.example", "--user=guest", "--password-file=-", "--wait",
              "--foreground", input="wrong")
    assert "authentication" in err and "wrong" not in err
    assert sessions(world) == [] and n_calls(sim) == sim.count("wds.start-network")


def test_a_locked_sim(world, sim, device):
    sim.set("uim.get-card-status.card-status.cards.0.applications.0.state", "pin1-or-upin-required")
    assert "PIN" in bad(world, REFUSED, "connect", "--apn=internet", "--wait", "--foreground")


def test_not_registered(world, sim, device):
    sim.set(REGISTRATION, "searching")
    assert "not registered" in bad(world, REFUSED, "connect", "--apn=internet")
    assert "not registered" in bad(world, REFUSED, "connect", "--apn=internet", "--foreground")


def test_wait_for_the_network(world, sim, device):
    sim.set(REGISTRATION, "searching")
    with Running(world, "connect", "--apn=internet", "--wait") as qmictl:
        assert "not registered" in qmictl.remark("Trying again in 1 s")
        sim.wait_count("nas.register-indications", 1)
        sim.set(REGISTRATION, "registered")
        sim.send("nas", "serving-system", serving_system__registration="registered")
        assert qmictl.line().endswith(f" is connected: {V4}, {V6}")
        assert qmictl.wait() == OK


def test_it_does_not_wait_for_ever(world, sim, device):
    sim.set(REGISTRATION, "searching")
    status, out, err = world.qmictl("--no-legend", "connect", "--apn=internet", "--wait=1.5")
    assert (status, out) == (TIMEOUT, "")
    assert err.startswith("qmictl: connect: not connected in time: ") and "not registered" in err


def test_wait_for_the_device(world):
    """It is there as soon as it answers."""
    port = world.directory / "late"
    world.start_daemon(ports=[f"unix:{port}"], ready=False)
    bad(world, REFUSED, "connect", "--apn=internet")
    with Running(world, "connect", "--apn=internet", "--wait") as qmictl:
        qmictl.remark("Waiting: the device is ")
        world.sim("late", scenario="data")
        assert "is connected" in qmictl.line()
        assert qmictl.wait() == OK


def test_wait_for_any_device(world, sim):
    world.start_daemon(ports=[], ready=False)
    assert bad(world, MISSING, "connect", "--apn=internet")
    with Running(world, "connect", "--apn=internet", "--wait") as qmictl:
        qmictl.remark("Waiting: ")
        world.end_daemon()
        world.again(ports=[sim.port])
        assert "is connected" in qmictl.line()
        assert qmictl.wait() == OK


# ---- in the foreground


def connected(line, n):
    return line == f"Session {n} is connected: {V4}, {V6}"


def end_calls(sim):
    for family in ("ipv4", "ipv6"):
        sim.command(f"end-call 0 {family} call-end-reason=gsm-wcdma-regular-deactivation")


def test_foreground(world, sim, device):
    with Running(world, "connect", "--apn=internet", "--foreground") as qmictl:
        assert connected(qmictl.line(), 1)
        session, = sessions(world)
        assert session["persist"] is False and session["owner"].startswith(":")
        end_calls(sim)
        qmictl.wait_end(1)
        qmictl.remark("Trying again in 1 s: ")
        assert connected(qmictl.line(), 2)
        assert qmictl.end() == OK
    assert sessions(world) == [] and n_calls(sim) <= 2  # the network ended two


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_session(world, sim, device, number):
    with Running(world, "connect", "--apn=internet", "--foreground") as qmictl:
        assert connected(qmictl.line(), 1)
        assert qmictl.end(number) == OK
        assert sessions(world) == [] and n_calls(sim) == 0  # before it ended


def test_a_signal_ends_the_waiting(world, sim, device):
    sim.set(REGISTRATION, "searching")
    with Running(world, "connect", "--apn=internet", "--wait", "--foreground") as qmictl:
        qmictl.remark("Trying again in 2 s")
        assert qmictl.end() == OK


def test_killed(world, sim, device):
    """What it owned goes with it."""
    bus = world.connect()
    bus.add_match("type='signal',sender='org.qmid1',member='InterfacesRemoved'")
    with Running(world, "connect", "--apn=internet", "--foreground") as qmictl:
        assert connected(qmictl.line(), 1)
        qmictl.end(signal.SIGKILL)
    while bus.wait_signal("InterfacesRemoved").args[0] != f"{device}/session/1":
        pass
    sim.wait_count("wds.stop-network", 2)


def test_somebody_disconnects_it(world, sim, device):
    with Running(world, "connect", "--apn=internet", "--foreground") as qmictl:
        assert connected(qmictl.line(), 1)
        good(world, "disconnect", "1")
        qmictl.wait_end(1)
        assert qmictl.wait() == OK


def test_foreground_json(world, sim, device):
    with Running(world, "-j", "connect", "--apn=internet", "--foreground") as qmictl:
        event = json.loads(qmictl.line())
        assert event["event"] == "connected" and event["time_usec"] > 0
        assert event["session"]["name"] == "1" and event["session"]["ip4"]["address"] == "192.0.2.42"
        sim.command("end-call 0 ipv6 call-end-reason=gsm-wcdma-regular-deactivation")
        event = json.loads(qmictl.line())
        assert (event["event"], event["session"]["ip6"]) == ("changed", {})
        sim.command("end-call 0 ipv4 call-end-reason=gsm-wcdma-regular-deactivation")
        event = json.loads(qmictl.line())
        while event["event"] == "changed":
            event = json.loads(qmictl.line())
        assert (event["event"], event["session"]["name"], event["session"]["kind"]) == ("ended", "1", "network")
        assert event["session"]["text"]
        assert json.loads(qmictl.line())["event"] == "connected"
        assert qmictl.end() == OK


def test_refused_later(world, sim, device):
    """Once it was up, what passes is waited for; this does not."""
    (world.directory / "password").write_text("guest")
    with Running(world, "connect", "--apn=login.example", "--user=guest", "--foreground",
                 env={"CREDENTIALS_DIRECTORY": str(world.directory)}) as qmictl:
        assert connected(qmictl.line(), 1)
        sim.set("uim.get-card-status.card-status.cards.0.applications.0.state", "pin1-or-upin-required")
        end_calls(sim)
        qmictl.wait_end(1)
        assert "PIN" in qmictl.remark("qmictl: connect: ")
        assert qmictl.wait() == REFUSED


def test_the_session_outlives_the_daemon(world, sim):
    world.start_daemon(store=True)
    with Running(world, "connect", "--apn=internet", "--foreground") as qmictl:
        assert connected(qmictl.line(), 1)
        for how in (signal.SIGTERM, signal.SIGKILL):
            world.restart_daemon(how)
            assert qmictl.remark("qmid has stopped")
            session, = sessions(world)
            assert (session["name"], session["state"]) == ("1", "connected")
        assert sim.count("wds.start-network") == 2
        assert qmictl.end() == OK
    assert sessions(world) == [] and n_calls(sim) == 0


def test_a_daemon_that_kept_nothing(world, sim):
    world.start_daemon()
    with Running(world, "connect", "--apn=internet", "--foreground") as qmictl:
        assert connected(qmictl.line(), 1)
        world.restart_daemon(signal.SIGKILL)
        assert "does not have it any more" in qmictl.wait_end(1)
        assert "is connected" in qmictl.line()
        assert qmictl.end() == OK


class ServiceManager:
    """Reads what is told to it."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(qmidtest.TIMEOUT)
        self.socket.bind(str(path))
        self.env = {"NOTIFY_SOCKET": str(path)}

    def told(self):
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())


def test_the_service_manager_is_told(world, sim, device):
    manager = ServiceManager(world.directory / "manager")
    sim.set(REGISTRATION, "searching")
    with Running(world, "connect", "--apn=internet", "--wait", "--foreground", env=manager.env) as qmictl:
        told = manager.told()
        assert list(told) == ["STATUS"] and "not registered" in told["STATUS"]
        sim.set(REGISTRATION, "registered")
        while "READY" not in told:
            told = manager.told()
        assert told["READY"] == "1" and "is connected" in told["STATUS"]
        assert "is connected" in qmictl.line()
        assert qmictl.end() == OK
        while "STOPPING" not in told:
            told = manager.told()
    manager.socket.close()
