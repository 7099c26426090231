# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may not, and is asked for a password: qmictl on a terminal, with a program in pkttyagent's place."""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import tempfile

import pytest
import qmidtest
from polkit import CHALLENGE, DISMISSED, NO, SILENT, YES, Polkit
from terminal import Terminal

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")

DENIED = 5
NOBODY = 65534
NUMBER = ["call", "dms", "get-msisdn"]
REMEDY = "be root, join group qmid, or be allowed by polkit action"
NO_AGENT = ("qmictl: dms get-msisdn: access denied: needs access class identity (who the subscriber is); polkit wants a "
            f"password for it, and there is no agent to ask for one; {REMEDY} org.qmid1.identity\n")

# What it does is in its environment; what it has seen, it writes to a file.
AGENT = """#!/usr/bin/python3 -I
import os, signal, sys, termios

act, folder = os.environ["AGENT_DOES"], os.environ["AGENT_FOLDER"]
log = open(f"{folder}/agent.log", "a", buffering=1)
print(f"started {os.getpid()} {os.getppid()}", file=log)
print(*sys.argv[1:], file=log)

def on_terminate(*_):
    print("terminated", file=log)
    if act == "asks":
        print("Ended.", file=sys.stderr, flush=True)
    if act != "ignores":
        os._exit(0)

signal.signal(signal.SIGTERM, on_terminate)
signal.signal(signal.SIGINT, signal.SIG_IGN)
if act == "fails":
    sys.exit("I cannot")
if act == "hangs":
    print("Hanging.", file=sys.stderr, flush=True)
else:
    open(f"{folder}/registered", "w").close()
    os.close(int(sys.argv[sys.argv.index("--notify-fd") + 1]))
if act == "stops":
    os.kill(os.getpid(), signal.SIGSTOP)
if act == "asks":
    tty = open("/dev/tty", "r+b", buffering=0)
    modes = termios.tcgetattr(tty)
    modes[3] &= ~termios.ECHO
    termios.tcsetattr(tty, termios.TCSAFLUSH, modes)
    tty.write(b"Password: ")
    print("password", tty.readline().decode().strip(), file=log)
    tty.write(b"Thanks.\\n")
while True:
    signal.pause()
"""


@pytest.fixture
def short_path():
    """A folder that others may enter, which they may not where pytest keeps its own."""
    with tempfile.TemporaryDirectory(prefix="q") as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


class Somebody:
    """An ordinary user, with qmictl and an agent in a folder of his own."""

    def __init__(self, world):
        self.world = world
        self.folder = world.directory
        self.qmictl = shutil.copy(qmidtest.program("cli/qmictl"), self.folder / "qmictl")
        self.agent = self.folder / "bin/pkttyagent"
        self.agent.parent.mkdir()
        self.agent.write_text(AGENT)
        self.agent.chmod(0o755)
        self.log = self.folder / "agent.log"
        self.log.touch()
        os.chown(self.log, NOBODY, NOBODY)
        self.home = self.folder / "home"
        self.home.mkdir()
        os.chown(self.home, NOBODY, NOBODY)
        (self.home / "agent.log").symlink_to(self.log)

    def env(self, does):
        return {"PATH": str(self.agent.parent), "AGENT_DOES": does, "AGENT_FOLDER": str(self.home)}

    def types(self, *arguments, does="asks", user=NOBODY):
        """On a terminal."""
        return Terminal(self.world, self.qmictl, *arguments, user=user, env=self.env(does))

    def types_in_a_shell(self, script, *arguments, does="asks"):
        """There "$@" is qmictl."""
        return Terminal(self.world, "/bin/bash", "--norc", "-c", script, "sh", self.qmictl, *arguments, user=NOBODY,
                        env=self.env(does))

    def runs(self, *arguments):
        """Without a terminal: status, output, errors."""
        return self.world.run(self.qmictl, *arguments, env=self.env("asks"), user=NOBODY, group=NOBODY, extra_groups=[],
                              stdin=subprocess.DEVNULL, start_new_session=True)

    def is_registered(self):
        return (self.home / "registered").exists()

    def seen(self):
        """What the agent wrote, beside its number."""
        return [line for line in self.log.read_text().splitlines() if not line.startswith("started ")]

    def agents(self):
        """Process ids: of each, and of the qmictl that started it."""
        return [[int(n) for n in line.split()[1:]] for line in self.log.read_text().splitlines()
                if line.startswith("started ")]

    def check_agents(self, *expected):
        """Those that were started, by what they saw; none is left."""
        arguments, *rest = self.seen()
        assert re.fullmatch(r"--notify-fd \d+", arguments)
        assert rest == [*expected]
        for pid, _ in self.agents():
            assert not os.path.exists(f"/proc/{pid}")


@pytest.fixture
def somebody(world):
    world.sim()
    world.start_daemon()
    return Somebody(world)


@pytest.fixture
def polkit(world, somebody):
    """Wants a password, where there is somebody to ask; it takes its time then."""
    def decide(question):
        return SILENT if question.interactive and somebody.is_registered() else CHALLENGE

    with Polkit(world.bus.address, decide) as p:
        yield p


def answer(polkit, terminal, given, password="geheim"):
    """Types a password; `given`: what polkit makes of it."""
    terminal.read_until("Password: ")
    assert not terminal.echoes()
    terminal.write(f"{password}\n")
    terminal.read_until("Thanks.")
    polkit.wait(lambda p: p.held)
    polkit.release(given)


# ---- a password


def test_asked_and_given(world, somebody, polkit):
    terminal = somebody.types_in_a_shell('"$@"; echo "status $?"; PATH=/bin stty -a', *NUMBER)
    answer(polkit, terminal, YES)
    terminal.wait()
    assert "46700000042" in terminal.text and "status 0" in terminal.text
    assert "geheim" not in terminal.text
    assert " echo " in terminal.text
    # Once without anybody; then polkit looked for an agent, had none, and was asked anew when it had.
    assert [q.interactive for q in polkit.take()] == [False, True, False, True]
    somebody.check_agents("password geheim", "terminated")
    assert world.sims[0].count("dms.get-msisdn") == 1


@pytest.mark.parametrize("given, text", [(NO, "polkit denies it to you"), (DISMISSED, "nobody gave one")])
def test_asked_in_vain(world, somebody, polkit, given, text):
    terminal = somebody.types(*NUMBER)
    answer(polkit, terminal, given)
    assert terminal.wait() == DENIED
    assert text in terminal.text and f"{REMEDY} org.qmid1.identity" in terminal.text
    somebody.check_agents("password geheim", "terminated")
    assert world.sims[0].count("dms.get-msisdn") == 0


def test_a_secret_is_asked_for_once(world, somebody, polkit):
    """The call with the PIN is made again as it was."""
    terminal = somebody.types("call", "dms", "uim-verify-pin", "pin.id=pin1")
    terminal.read_until("pin.value: ")
    terminal.write("1234\n")
    answer(polkit, terminal, YES)
    assert terminal.wait() == 0, terminal.text
    assert terminal.text.count("pin.value: ") == 1
    assert world.sims[0].count("dms.uim-verify-pin") == 1
    assert world.sims[0].last_request("dms.uim-verify-pin")["tlvs"] == bytes.fromhex("01 0600 01 04 31323334")


def test_connect(world, somebody, polkit):
    terminal = somebody.types_in_a_shell('"$@"; echo "status $?"', "connect", "--apn=internet")
    answer(polkit, terminal, YES)
    terminal.wait()
    assert "Session 1 is connected" in terminal.text and "status 0" in terminal.text
    somebody.check_agents("password geheim", "terminated")


def test_connect_in_vain(world, somebody, polkit):
    terminal = somebody.types_in_a_shell('"$@"; echo "status $?"', "connect", "--apn=internet", "--wait", "--foreground")
    answer(polkit, terminal, NO)
    terminal.wait()
    assert "access class data" in " ".join(terminal.text.split()) and f"status {DENIED}" in terminal.text
    assert world.sims[0].count("wds.start-network") == 0


def test_connect_in_the_foreground(world, somebody, polkit):
    """To end it another password would be needed; it ends with us all the same."""
    terminal = somebody.types_in_a_shell('trap : INT; "$@"; echo "status $?"', "connect", "--apn=internet", "--foreground")
    answer(polkit, terminal, YES)
    terminal.read_until("is connected")
    somebody.check_agents("password geheim", "terminated")
    terminal.write("\x03")
    terminal.wait()
    assert "status 0" in terminal.text
    world.sims[0].wait_count("wds.stop-network", 1)


@pytest.mark.parametrize("foreground", [[], ["--foreground"]], ids=["once", "foreground"])
def test_connect_interrupted_while_it_asks(world, somebody, polkit, foreground):
    terminal = somebody.types_in_a_shell('trap : INT; "$@"; echo "status $?"', "connect", "--apn=internet", *foreground)
    terminal.read_until("Password: ")
    terminal.write("\x03")
    terminal.wait()
    assert "status 130" in terminal.text
    assert not terminal.text.count("is connected")
    somebody.check_agents("terminated")


def test_output_goes_where_it_should(somebody, polkit):
    """The answer to a file, the question to the terminal."""
    terminal = somebody.types_in_a_shell('"$@" > "$AGENT_FOLDER/out"', "-j", *NUMBER)
    answer(polkit, terminal, YES)
    assert terminal.wait() == 0, terminal.text
    assert json.loads((somebody.home / "out").read_text())["msisdn"] == "46700000042"


def test_raw(world, somebody, polkit):
    terminal = somebody.types("raw", "nas", "0x004f")
    answer(polkit, terminal, YES)
    assert terminal.wait() == 0, terminal.text
    assert "0x14  c1 f5 a1 ff 7c 00" in terminal.text
    assert world.sims[0].count("nas.get-signal-info") == 1


def test_trace(world, somebody, polkit):
    """The agent has gone before the first frame is shown."""
    terminal = somebody.types("trace")
    answer(polkit, terminal, YES)
    terminal.read_until("Tracing unix_modem0")
    somebody.check_agents("password geheim", "terminated")
    with world.connect() as bus:
        bus.qmi(world.sims[0].device, "Nas", "GetSignalInfo")
    terminal.read_until("nas get-signal-info response")
    terminal.write("\x03")
    assert terminal.wait() == 0


# ---- monitor


def test_monitor_asks_for_what_was_named(world, somebody, polkit):
    terminal = somebody.types("monitor", "wms")
    answer(polkit, terminal, YES)
    terminal.read_until("Monitoring wms of unix_modem0")
    somebody.check_agents("password geheim", "terminated")
    terminal.write("\x03")
    assert terminal.wait() == -signal.SIGINT


def test_monitor_asks_for_nothing_else(somebody, polkit):
    terminal = somebody.types("monitor")
    terminal.read_until("Monitoring wds, dms, nas, wms, uim of unix_modem0")
    assert "wms set-event-report: access denied: needs access class messaging" in " ".join(terminal.text.split())
    assert somebody.seen() == []
    assert not any(q.interactive for q in polkit.take())
    terminal.write("\x03")
    assert terminal.wait() == -signal.SIGINT


def test_monitor_takes_no_for_an_answer(short_path):
    """Who gives no password for one service is not asked for the next one's."""
    with qmidtest.World(short_path) as world:
        world.sim(overrides={"ctl.services.pbm": "1.0"})
        world.start_daemon()
        somebody = Somebody(world)
        with Polkit(world.bus.address, lambda q: SILENT if somebody.is_registered() and q.interactive else CHALLENGE) as p:
            terminal = somebody.types("monitor", "wms", "pbm")
            answer(p, terminal, DISMISSED)
            terminal.read_until("Monitoring wms, pbm")  # there is more to wms
            terminal.write("\x03")
            assert terminal.wait() == -signal.SIGINT
            assert [(q.service, q.interactive) for q in p.take()] == [
                ("wms", False), ("wms", True), ("wms", False), ("wms", True), ("pbm", False)]
        somebody.check_agents("password geheim", "terminated")


# ---- nobody is asked


def test_what_takes_no_password(somebody, polkit):
    terminal = somebody.types("call", "nas", "get-signal-info")
    assert terminal.wait() == 0
    terminal = somebody.types("status")
    assert terminal.wait() == 0
    assert somebody.seen() == []


def test_another_agent_asks(somebody, polkit):
    """That of a desktop."""
    polkit.decide = lambda q: YES if q.interactive else CHALLENGE
    terminal = somebody.types(*NUMBER)
    assert terminal.wait() == 0
    assert "46700000042" in terminal.text and somebody.seen() == []
    assert [q.interactive for q in polkit.take()] == [False, True]
    # No terminal is needed for that.
    status, out, err = somebody.runs(*NUMBER)
    assert (status, err) == (0, "") and "46700000042" in out


def test_root(somebody, polkit):
    terminal = somebody.types(*NUMBER, user=0)
    assert terminal.wait() == 0
    assert somebody.seen() == [] and polkit.take() == []


def test_no_ask_password(world, somebody, polkit):
    terminal = somebody.types("--no-ask-password", *NUMBER)
    assert terminal.wait() == DENIED
    assert "the call does not allow asking for one" in " ".join(terminal.text.split())
    assert somebody.seen() == []
    assert [q.interactive for q in polkit.take()] == [False]
    assert world.sims[0].count("dms.get-msisdn") == 0


def test_no_terminal(world, somebody, polkit):
    assert somebody.runs(*NUMBER) == (DENIED, "", NO_AGENT)
    assert somebody.seen() == []


@pytest.mark.parametrize("where", ["</dev/null", "2>/dev/null"])
def test_half_a_terminal(somebody, polkit, where):
    terminal = somebody.types_in_a_shell(f'"$@" {where}', *NUMBER)
    assert terminal.wait() == DENIED
    assert somebody.seen() == []


def test_in_the_background(somebody, polkit):
    terminal = somebody.types_in_a_shell('set -m; "$@" & wait $!; echo "status $?"', *NUMBER)
    terminal.wait()
    assert f"status {DENIED}" in terminal.text
    assert somebody.seen() == []


def test_on_another_machine(somebody, polkit):
    """Polkit there has no use for an agent here."""
    bridge = shutil.which("systemd-stdio-bridge")
    if not bridge:
        pytest.skip("there is no systemd-stdio-bridge")
    ssh = somebody.agent.with_name("ssh")
    ssh.write_text(f'#!/bin/sh\necho "$@" >> "$AGENT_FOLDER/ssh"\n'
                   f'exec {shlex.quote(bridge)} --bus-path="$DBUS_SYSTEM_BUS_ADDRESS"\n')
    ssh.chmod(0o755)
    terminal = somebody.types("-H", "elsewhere", *NUMBER)
    assert terminal.wait() == DENIED, terminal.text
    assert "elsewhere" in (somebody.home / "ssh").read_text()
    assert somebody.seen() == []


# ---- agents that are none


def test_no_agent(somebody, polkit):
    somebody.agent.unlink()
    terminal = somebody.types(*NUMBER)
    assert terminal.wait() == DENIED
    assert terminal.text.replace("\r\n", "\n") == NO_AGENT


def test_an_agent_that_fails(somebody, polkit):
    terminal = somebody.types(*NUMBER, does="fails")
    assert terminal.wait() == DENIED
    assert terminal.text.replace("\r\n", "\n") == f"I cannot\n{NO_AGENT}"
    somebody.check_agents()


def test_an_agent_that_does_not_get_ready(somebody, polkit):
    terminal = somebody.types(*NUMBER, does="hangs")
    assert terminal.wait() == DENIED
    assert terminal.text.replace("\r\n", "\n") == f"Hanging.\n{NO_AGENT}"
    somebody.check_agents("terminated")


@pytest.mark.parametrize("does", ["stops", "ignores"])
def test_an_agent_that_does_not_end(somebody, polkit, does):
    terminal = somebody.types(*NUMBER, does=does)
    polkit.wait(lambda p: p.held)
    polkit.release(YES)
    assert terminal.wait() == 0
    assert "46700000042" in terminal.text
    somebody.check_agents("terminated")


# ---- interrupted


@pytest.mark.parametrize("how", [None, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_interrupted_while_it_asks(world, somebody, polkit, how):
    """The agent is gone, the terminal as it was, and what was typed of the password nowhere."""
    script = ('trap : INT; "$@"; echo "status $?"; PATH=/bin stty -a; echo "Next: "; read -r line; echo "line $line"')
    terminal = somebody.types_in_a_shell(script, *NUMBER)
    terminal.read_until("Password: ")
    terminal.write("gehei")
    polkit.wait(lambda p: p.held)
    [(_, qmictl)] = somebody.agents()
    if how is None:
        terminal.write("\x03")
    else:
        os.kill(qmictl, how)
    terminal.read_until("Next: ")
    terminal.write("next\n")
    assert terminal.wait() == 0
    assert f"status {128 + (how or signal.SIGINT)}" in terminal.text
    assert " echo " in terminal.text and "line next" in terminal.text
    somebody.check_agents("terminated")
    polkit.wait(lambda p: p.cancelled)
    assert world.sims[0].count("dms.get-msisdn") == 0


def test_interrupted_before_it_is_ready(somebody, polkit):
    terminal = somebody.types(*NUMBER, does="hangs")
    terminal.read_until("Hanging.")
    terminal.write("\x03")
    assert terminal.wait() == -signal.SIGINT
    somebody.check_agents("terminated")


def test_killed_while_it_asks(somebody, polkit):
    """Nobody could end the agent then but the kernel."""
    terminal = somebody.types_in_a_shell('"$@"; echo "status $?"; read -r line', *NUMBER)
    terminal.read_until("Password: ")
    polkit.wait(lambda p: p.held)
    [(_, qmictl)] = somebody.agents()
    os.kill(qmictl, signal.SIGKILL)
    terminal.read_until("Ended.")
    terminal.write("\n")
    terminal.wait()
    assert f"status {128 + signal.SIGKILL}" in terminal.text
    assert somebody.seen()[1:] == ["terminated"]
    polkit.wait(lambda p: p.cancelled)


# ---- what is withheld


def test_withheld_fields(world, somebody, polkit):
    """Nobody is asked for a password for them: it is said what else helps."""
    sim = world.sims[0]
    sim.set("raw.0x03.0x0024.0xfe", b"\1\2")
    terminal = somebody.types("call", "nas", "get-serving-system")
    assert terminal.wait() == 0
    lines = terminal.text.splitlines()
    assert all(len(line) <= 80 for line in lines)
    [at] = [i for i, line in enumerate(lines) if line.startswith("withheld ")]
    assert " ".join(" ".join(lines[at:]).split()).endswith(
        f"tac, unknown_tlvs; to see this {REMEDY} org.qmid1.location, org.qmid1.raw")
    assert somebody.seen() == []
    withheld = json.loads(somebody.runs("-j", "call", "nas", "get-serving-system")[1])["withheld"]
    assert {"cell_id", "unknown_tlvs"} <= set(withheld)
    # Who sees all is told nothing.
    assert "withheld" not in world.qmictl("call", "nas", "get-serving-system")[1]


def test_withheld_in_groups(world, somebody, polkit):
    """The class of a field in a list of groups is found."""
    status, out, err = somebody.runs("call", "uim", "get-slot-status")
    assert (status, err) == (0, "")
    assert f"{REMEDY} org.qmid1.identity" in " ".join(out.split())


def test_withheld_from_indications(world, somebody, polkit):
    terminal = somebody.types("monitor", "nas")
    terminal.read_until("Monitoring nas")
    world.sims[0].send("nas", "serving-system")
    terminal.read_until("org.qmid1.location")
    assert "  withheld  " in terminal.text and "  Monitoring" not in terminal.text
    terminal.write("\x03")
    terminal.wait()
    assert all(len(line) <= 80 for line in terminal.text.splitlines())


def test_withheld_clients(world, somebody, polkit):
    with world.connect() as bus:
        bus.call(world.sims[0].device, "org.qmid1.Device", "OpenClient", "sa{sv}", "nas", {})
        status, out, err = somebody.runs("clients")
        assert (status, err) == (0, "")
        table, _, remark = out.partition("\n\n")
        rows = [line.split() for line in table.splitlines()[1:]]
        assert rows and all(row[2] == "withheld" for row in rows)
        assert bus.unique_name not in out
        assert " ".join(remark.split()).endswith(f"to see it {REMEDY} org.qmid1.clients")
        assert [line.split() for line in somebody.runs("clients", "--no-legend")[1].splitlines()] == rows
        assert all("owner" in c["withheld"] for c in json.loads(somebody.runs("-j", "clients")[1]))
        assert "withheld" not in world.qmictl("clients")[1]


# ---- how a refusal is told


def test_refusals(somebody, polkit):
    polkit.decide = lambda q: NO
    for words, action in ((NUMBER, "identity"), (["raw", "nas", "0x004f"], "raw"), (["trace"], "raw"),
                          (["call", "dms", "set-operating-mode", "mode=online"], "control")):
        status, out, err = somebody.runs(*words)
        assert (status, out) == (DENIED, "")
        assert err.count("\n") == 1 and err.count("access denied") == 1
        assert f"needs access class {action} (" in err and "; polkit denies it to you; " in err
        assert err.endswith(f"; {REMEDY} org.qmid1.{action}\n")
    assert err.startswith("qmictl: dms set-operating-mode: access denied: needs access class control")
    assert somebody.seen() == []
