# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a case of the proof stands on: the daemon between a modem that can be broken and callers that count."""

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import qmux  # noqa: E402, F401: for the cases
from dbusclient import NAME, Bus, DBusError  # noqa: E402
from qmidtest import ROOT, World, build_folder, program  # noqa: E402

DEVICE = f"{NAME}.Device"
CLIENT = f"{NAME}.Client"
ERROR = f"{NAME}.Error."
NO_REPLY = "org.freedesktop.DBus.Error.NoReply"

BOUND = 30           # s: what takes longer has stalled; each timeout here is far below it
HEAP_SLACK = 16384   # bytes: buffers of sd-bus and of stdio, which come to rest at some size of their own
SCENARIO = ROOT / "tests" / "sim" / "scenarios" / "faults.toml"

# Thousands of callers come from one user; a system bus takes 256.
MANY = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <policy context="default"><allow own="*"/><allow send_type="method_call"/></policy>
  <limit name="max_connections_per_user">4096</limit>
  <limit name="max_completed_connections">4096</limit>
</busconfig>
"""


@dataclasses.dataclass
class Row:
    """One line of the table."""

    fault: str = ""
    injected: int = 0
    requests: int = 0
    answered: int = 0
    failed: int = 0     # with an error that says what happened
    wrong: int = 0      # with another one
    lost: int = 0       # neither answered nor failed
    leaked: int = 0     # ids at the modem that nobody holds, ids held that the modem does not know; what was not undone
    overheard: int = 0  # answers and indications of somebody else's
    stalled: int = 0    # answered later than can be
    lingering: int = 0  # ids that were to be given back and are not yet
    problems: list = dataclasses.field(default_factory=list)

    def is_good(self):
        return not (self.wrong or self.lost or self.leaked or self.overheard or self.stalled or self.lingering or
                    self.problems)


class Callers:
    """callers.c: connections to the bus that ask, and account for every answer."""

    def __init__(self, bed, n=50, rate=1000, mix="same,echo,own", timeout=10, window=4):
        self.n = n
        self.log = (bed.directory / "callers.log").open("a")
        self.popen = subprocess.Popen(
            [program("tests/faults/callers"), f"--device={bed.sim.device}", f"--callers={n}", f"--rate={rate}",
             f"--mix={mix}", f"--timeout={timeout}", f"--window={window}", f"--bound={BOUND}"],
            env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bed.world.bus.address},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self._expect("ready")

    def _expect(self, word):
        line = self.popen.stdout.readline().strip()
        assert line == word, f"callers said '{line}', not '{word}'"

    def _order(self, word):
        self.popen.stdin.write(word + "\n")
        self.popen.stdin.flush()

    def start(self):
        self._order("start")
        self._expect("started")

    def stop(self):
        """No more requests, until all are answered: what has happened since the beginning."""
        self._order("stop")
        return json.loads(self.popen.stdout.readline())

    def report(self):
        self._order("report")
        return json.loads(self.popen.stdout.readline())

    def gap(self):
        """The longest time without an answer since the last gap(), in s."""
        self._order("gap")
        return int(self.popen.stdout.readline()) / 1e6

    def wait(self, holds, bound=BOUND):
        """Until a report is as it should be."""
        return eventually(lambda: (lambda r: r if holds(r) else None)(self.report()), "what callers report", bound)

    def close(self):
        """They leave the bus, all at once."""
        if self.popen.poll() is None:
            self.popen.stdin.close()
            self.popen.wait()
        self.popen.stdout.close()
        self.log.close()

    def kill(self):
        self.popen.kill()
        self.popen.wait()


class Victim:
    """A caller in a process of its own, which will be killed. `act(bus, tell)` is what it does; it tells strings."""

    def __init__(self, bed, act):
        sys.stdout.flush()
        read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(read)
                act(Bus(bed.world.bus.address), lambda text: os.write(write, f"{text}\n".encode()))
            except BaseException as e:  # whatever it is, it must not go on as a second test
                os.write(write, f"error {e}\n".encode())
            finally:
                while True:
                    signal.pause()
        os.close(write)
        self.pipe = os.fdopen(read)

    def hear_anything(self):
        """It may have failed already, and says so too."""
        return self.pipe.readline().strip()

    def hear(self):
        line = self.hear_anything()
        assert not line.startswith("error "), line
        return line

    def kill(self, how=signal.SIGKILL):
        os.kill(self.pid, how)
        os.waitpid(self.pid, 0)
        self.pipe.close()


def eventually(check, what="that", bound=BOUND):
    """Asks until the answer is true, and returns it."""
    deadline = time.monotonic() + bound
    while not (value := check()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true")
        time.sleep(0.01)
    return value


class Bed:
    """`keep`: the daemon has a descriptor store, and the bus waits for it when it is being started again."""

    def __init__(self, directory, pool=None, daemon=True, keep=False):
        self.directory = pathlib.Path(directory)
        self.row = Row()
        policy = self.directory / "many.conf"
        policy.write_text(MANY)
        self.keep = keep
        self.world = World(self.directory, policy=policy, activation=keep)
        self.sim = self.world.sim(scenario=SCENARIO, overrides=[f"ctl.pool = {pool}"] if pool else ())
        self.seen = {}
        self.base = None
        if daemon:
            self.start()
        self.bus = self.world.connect()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.world.stop(failed=kind is not None)

    # ---- the daemon

    def environment(self):
        """So that its heap can be asked for; a build with sanitizers has a heap of its own kind."""
        if self.is_sanitized():
            return {}
        return {"LD_PRELOAD": program("tests/faults/heap.so"), "FAULTS_HEAP": str(self.directory / "heap"),
                "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}

    @staticmethod
    def is_sanitized():
        options = json.loads((build_folder() / "meson-info" / "intro-buildoptions.json").read_text())
        return any(o["name"] == "b_sanitize" and o["value"] != "none" for o in options)

    def start(self):
        self.world.start_daemon(env=self.environment(), store=self.keep)

    def restart(self):
        """As systemd does it: a new one when the old one has ended."""
        self.world.restart_daemon()

    def crash(self, how=signal.SIGKILL):
        self.world.restart_daemon(how)

    def restart_bus(self):
        """The daemon ends with it, and not well. Every connection to it is gone."""
        self.world.restart_bus()
        self.check(self.world.daemon.wait() > 0, "the daemon ended as if it was to end")
        for connection in self.world.connections:
            connection.close()
        self.world.connections.clear()
        self.world.again()
        self.bus = self.world.connect()

    @property
    def pid(self):
        return self.world.daemon.pid

    def wait_ready(self):
        self.bus.wait_property(self.sim.device, DEVICE, "State", "ready")

    def callers(self, **options):
        return contextlib.closing(Callers(self, **options))

    # ---- accounting

    def held(self):
        """What the daemon says to hold: (ids in use, those that linger, requests that are not answered yet)."""
        held, lingering, pending = [], [], 0
        for client in self.bus.call(self.sim.device, DEVICE, "ListClients", "a{sv}", {}):
            ident = (client["service"], client["client_id"])
            (lingering if client["lingering"] else held).append(ident)
            pending += client["pending"]
        return sorted(held), sorted(lingering), pending

    def has_own(self, service):
        """Whether the daemon keeps an id of that service for itself."""
        return any(c["service"] == service and c["owner"] == "qmid"
                   for c in self.bus.call(self.sim.device, DEVICE, "ListClients", "a{sv}", {}))

    def settle(self):
        """Until what is under way is done; nobody may be asking. What does not add up then is in the row."""

        def is_settled():
            nonlocal at_modem, held, lingering, pending
            held, lingering, pending = self.held()
            at_modem = set(self.sim.clients())
            return at_modem == set(held) and not lingering and not pending

        at_modem = held = lingering = pending = None
        with contextlib.suppress(TimeoutError):
            eventually(is_settled)
        for what, ids in (("at the modem, but held by nobody", at_modem.difference(held, lingering)),
                          ("held, but not at the modem", {*held, *lingering} - at_modem)):
            self.row.leaked += len(ids)
            if ids:
                self.row.problems.append(f"{what}: {', '.join(f'{s} {n}' for s, n in sorted(ids))}")
        self.row.lingering += len(lingering)
        if lingering:
            self.row.problems.append(f"given up, but not given back: {lingering}")
        if pending:
            self.row.problems.append(f"{pending} requests are still pending")

    def measure(self):
        """(descriptors, bytes of heap in use)"""
        heap = 0
        if not self.is_sanitized():
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(str(self.directory / "heap"))
                heap = int(s.makefile().read())  # to the end: its descriptor is gone then
        return len(os.listdir(f"/proc/{self.pid}/fd")), heap

    def baseline(self):
        """Behind a round to warm up: from here on nothing may grow."""
        self.settle()
        self.base = self.measure()

    def compare(self, slack=HEAP_SLACK):
        self.settle()
        fds, heap = self.measure()
        self.seen.update(fds=fds - self.base[0], heap=heap - self.base[1])
        if fds > self.base[0]:
            self.row.problems.append(f"{fds - self.base[0]} descriptors more than before")
        if heap > self.base[1] + slack:
            self.row.problems.append(f"{heap - self.base[1]} bytes of heap more than before")

    # ---- counting

    def count(self, report, *allowed):
        """Adds what callers report. `allowed`: the errors that say what happened."""
        self.row.requests += report["requests"]
        self.row.answered += report["answered"]
        self.row.lost += report["pending"]
        self.row.problems += [f"no answer: {stuck}" for stuck in report["stuck"]]
        self.row.stalled += report["late"]
        self.row.overheard += report["foreign"]
        self.row.wrong += report["corrupt"]
        if report["corrupt"]:
            self.row.problems.append(f"{report['corrupt']} answers were nobody's")
        for name, n in report["errors"].items():
            self.count_error(name, allowed, n)
        accounted = (report["answered"] + report["pending"] + report["corrupt"] + sum(report["errors"].values()))
        if not accounted <= report["requests"] <= accounted + report["foreign"]:
            self.row.problems.append(f"{report['requests']} requests, but {accounted} accounted for")

    def count_error(self, name, allowed, n=1):
        if name.removeprefix(ERROR) in allowed or name in allowed:
            self.row.failed += n
        else:
            self.row.wrong += n
            self.row.problems.append(f"{n} times {name}")

    def ask(self, call, *allowed):
        """One request by hand, with its place in the row: its value, or None if it failed."""
        self.row.requests += 1
        begin = time.monotonic()
        try:
            value = call()
        except DBusError as e:
            self.count_error(e.name, allowed)
            return None
        except TimeoutError:
            self.row.lost += 1
            return None
        finally:
            self.row.stalled += time.monotonic() - begin > BOUND
        self.row.answered += 1
        return value

    def refused(self, call, *errors):
        """A request that must fail with one of these errors."""
        before = self.row.failed
        self.ask(call, *errors)
        if self.row.failed == before:
            self.row.wrong += 1
            self.row.problems.append(f"not refused with {' or '.join(errors)}")

    def note(self, text):
        """For whoever looks for what went wrong."""
        with (self.directory / "acts.log").open("a") as log:
            log.write(f"{time.strftime('%T')} {text}\n")

    def check(self, holds, text):
        if not holds:
            self.row.problems.append(text)

    # ---- indications for everybody

    def broadcast(self, callers, report):
        """Each caller that registered hears one indication for all who did, and hears it once."""
        before = report["broadcasts"]
        n = report["registered"]
        self.sim.send("uim", "refresh", event__session__aid=b"\xff" * 12)
        try:
            after = callers.wait(lambda r: r["broadcasts"][1] > before[1])
            after = callers.wait(lambda r: n < callers.n or r["broadcasts"][0] > before[0])
        except TimeoutError:
            self.check(False, "a registration is lost")
            return
        self.check(after["broadcasts"][1] == before[1] + 1, "an indication came twice")

    def wait_next_second(self):
        """What is meant to happen once a second needs a clock."""
        time.sleep(1 - time.monotonic() % 1)
