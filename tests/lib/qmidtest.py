# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test of the whole daemon needs: a private bus, simulated modems, the daemon, clients of the bus.

    with World(directory) as world:
        sim = world.sim()
        world.start_daemon()
        bus = world.connect()
        bus.qmi(sim.device, "Nas", "GetSignalInfo")

Nothing here sleeps: programs say that they are ready, and the rest is waited for by signals of the bus or at
the control socket of the simulator. QMID_BUILD names the build folder, QMID_WRAPPER a program that the daemon
runs under ("valgrind --error-exitcode=99").
"""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading

from dbusclient import NAME, TIMEOUT, Bus, DBusError  # noqa: F401: for those who import us

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "sim"))

import flatten  # noqa: E402
from fdstore import FdStore  # noqa: E402

SCENARIOS = ROOT / "tests" / "sim" / "scenarios"
BUS_KINDS = ("dbus-daemon", "dbus-broker")
SANITIZER = re.compile(r"ERROR: (Address|Leak|Undefined)\w*Sanitizer|runtime error:|LeakSanitizer:")


class Missing(Exception):
    """This machine lacks something: the test is to be skipped with this reason."""


def build_folder():
    try:
        return pathlib.Path(os.environ["QMID_BUILD"])
    except KeyError:
        raise RuntimeError("QMID_BUILD must name the build folder") from None


def program(name):
    """A program of the build: "src/qmid", "cli/qmictl", "tests/sim/qmisim"."""
    path = build_folder() / name
    if not path.exists():
        raise RuntimeError(f"{path} is not built")
    return str(path)


class Process:
    """A program with its output in files, which shows them when it ends badly."""

    def __init__(self, directory, name, command, env=None, pass_fds=(), stdin=subprocess.DEVNULL):
        self.name = name
        self.log = pathlib.Path(directory) / f"{name}.log"
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(command, env={**os.environ, **(env or {})}, pass_fds=pass_fds, stdin=stdin,
                                          stdout=log, stderr=log)

    @property
    def pid(self):
        return self.popen.pid

    def output(self):
        return self.log.read_text(errors="replace")

    def wait(self, timeout=TIMEOUT):
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"{self.name} did not end\n{self.output()}") from None

    def kill(self):
        """Without a chance to clean up."""
        self.popen.kill()
        self.popen.wait()

    def stop(self, status=0):
        """Asks it to end, and checks how it did."""
        if self.popen.poll() is None:
            self.popen.terminate()
        seen = self.wait()
        assert seen == status, f"{self.name} ended with status {seen}\n{self.output()}"
        self.check_output()

    def check_output(self):
        assert not SANITIZER.search(self.output()), f"{self.name}:\n{self.output()}"


def wait_ready(process, fd):
    """Until the program has written a line to the pipe; AssertionError if it ends instead."""
    with os.fdopen(fd, "rb") as f:
        line = f.readline()
    if not line:
        process.wait()
        raise AssertionError(f"{process.name} did not start\n{process.output()}")
    return line.decode().strip()


# ---- buses

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  {policy}
  {activation}
</busconfig>
"""

# All callers of a test are one user; in the field, too, a connection may wait for more than 128 answers.
LIMITS = "".join(f'<limit name="{name}">4096</limit>'
                 for name in ("max_connections_per_user", "max_completed_connections", "max_replies_per_connection"))

# A program that only waits stands in for a service manager that starts the daemon again: calls to the name wait, too.
ACTIVATION = """<servicedir>{directory}</servicedir><limit name="service_start_timeout">{timeout}</limit>"""
SERVICE = """[D-BUS Service]
Name={name}
User=root
Exec=/bin/cat {wait}
"""

# The files of the project decide in the field; without one, what they are about is open.
OPEN_POLICY = """<policy context="default"><allow own="*"/><allow send_type="method_call"/></policy>"""


class PrivateBus:
    """A message bus of one's own, configured as a system bus is. `policy`: the file of a bus policy. `activation`:
    calls to the daemon's name wait until there is a daemon; `limits`: "" are those of a system bus. Both dbus-daemon
    only."""

    def __init__(self, directory, kind="dbus-daemon", policy=None, activation=False, limits=LIMITS):
        self.directory = pathlib.Path(directory)
        self.kind = kind
        self.limits = limits
        self.policy = f"<include>{policy}</include>" if policy else OPEN_POLICY
        self.path = self.directory / "bus"
        self.address = f"unix:path={self.path}"
        self.processes = []
        self.activation, self.fifo = "", None
        if activation:
            self._prepare_activation()
        if kind == "dbus-daemon":
            self._start_daemon("bus", self.policy)
        elif kind == "dbus-broker":
            self._start_broker()
        else:
            raise ValueError(f"no such bus: {kind}")

    def _config(self, name, policy):
        config = self.directory / f"{name}.conf"
        config.write_text(CONFIG.format(path=self.directory / name, policy=policy, activation=self.activation))
        return config

    def _prepare_activation(self):
        services = self.directory / "services"
        services.mkdir(exist_ok=True)
        fifo = services / "wait"
        if not fifo.exists():
            os.mkfifo(fifo)
        (services / f"{NAME}.service").write_text(SERVICE.format(name=NAME, wait=fifo))
        self.activation = ACTIVATION.format(directory=services, timeout=TIMEOUT * 1000)
        self.fifo = os.open(fifo, os.O_RDWR | os.O_CLOEXEC)     # whoever waits reads until we close it

    def _start_daemon(self, name, policy):
        if not shutil.which("dbus-daemon"):
            raise Missing("dbus-daemon is not installed")
        ready, write = os.pipe()
        process = Process(self.directory, name, ["dbus-daemon", "--nofork", "--nopidfile", "--nosyslog",
                                                 f"--config-file={self._config(name, policy + self.limits)}",
                                                 f"--print-address={write}"], pass_fds=[write])
        os.close(write)
        self.processes.append(process)
        wait_ready(process, ready)

    def _start_broker(self):
        """The broker's launcher wants a listening socket, a system bus and the journal's socket: it gets an
        outer bus, and in a mount namespace of its own a socket where nobody listens."""
        if not shutil.which("dbus-broker-launch"):
            raise Missing("dbus-broker is not installed")
        if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
            raise Missing("dbus-broker needs a mount namespace, which this user may not make")
        self._start_daemon("outer", OPEN_POLICY)

        journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        journal.bind(str(self.directory / "journal"))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen(128)
        self.path.chmod(0o666)
        script = ("mount -t tmpfs none /run && mkdir -p /run/systemd/journal && "
                  "touch /run/systemd/journal/socket && mount --bind \"$1\" /run/systemd/journal/socket && "
                  "exec 3<&$2 && LISTEN_FDS=1 LISTEN_PID=$$ exec dbus-broker-launch --scope system --config-file \"$3\"")
        self.processes.append(
            Process(self.directory, "broker",
                    ["unshare", "--mount", "bash", "-c", script, "bash", str(self.directory / "journal"),
                     str(listener.fileno()), str(self._config("bus", self.policy))],
                    env={"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.directory / 'outer'}"},
                    pass_fds=[listener.fileno()]))
        listener.close()
        self.journal = journal  # kept open: the launcher logs to it
        with Bus(self.address):
            pass

    def stop(self):
        for process in reversed(self.processes):
            if process.popen.poll() is None:
                process.popen.send_signal(signal.SIGTERM)
            process.wait()
        if self.fifo is not None:
            os.close(self.fifo)
            self.fifo = None


# ---- the simulated modem


class SimError(Exception):
    """The simulator did not like a command."""


class Sim:
    """qmisim with a scenario: the name of one in tests/sim/scenarios, or a path. `overrides`: further lines, or
    a dictionary of keys and values. `replay`: a recording in JSON lines."""

    def __init__(self, directory, name="modem0", scenario="still", overrides=(), replay=None):
        self.name = name
        self.directory = pathlib.Path(directory)
        self.path = self.directory / name
        self.port = f"unix:{self.path}"
        self.device = "/org/qmid1/device/unix_" + re.sub("[^A-Za-z0-9]", "_", name)

        scenario = pathlib.Path(scenario) if str(scenario).endswith(".toml") else SCENARIOS / f"{scenario}.toml"
        if isinstance(overrides, dict):
            overrides = [f"{k} = {flatten.scalar(v)}" for k, v in overrides.items()]
        lines = self.directory / f"{name}.lines"
        lines.write_text("\n".join([*flatten.flatten(scenario), *overrides, ""]))

        command = [program("tests/sim/qmisim"), f"--listen={self.path}", f"--control={self.path}.control"]
        if replay:
            frames = self.directory / f"{name}.replay"
            frames.write_text("\n".join([*flatten.flatten(replay), ""]))
            command.append(f"--replay={frames}")
        ready, write = os.pipe()
        self.process = Process(directory, name, [*command, f"--ready-fd={write}", str(lines)], pass_fds=[write])
        os.close(write)
        wait_ready(self.process, ready)
        self.control = self._open_control()
        self.lock = threading.Lock()

    def _open_control(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(TIMEOUT)
        s.connect(f"{self.path}.control")
        return s.makefile("rw", encoding="utf-8", newline="\n")

    def command(self, line):
        """Runs a command (command.c of qmisim); what it says beside ok. Raises SimError."""
        with self.lock:
            self.control.write(line + "\n")
            self.control.flush()
            reply = self.control.readline()
        status, _, text = reply.rstrip("\n").partition(" ")
        if status != "ok":
            raise SimError(f"{line}: {text or 'the simulator is gone'}")
        return text

    def set(self, key, value):
        self.command(f"set {key} = {flatten.scalar(value)}")

    def send(self, service, indication, target="registered", **values):
        """An indication; `values` over those of the scenario: send("nas", "signal-info", lte__rsrp=-90)."""
        words = [f"{k.replace('__', '.')}={flatten.scalar(v)}" for k, v in values.items()]
        self.command(" ".join(["send", service, indication, str(target), *words]))

    def count(self, name):
        """How often a request was seen ("nas.get-signal-info"), or "clients", "clients.nas", "frames", …"""
        return int(self.command(f"count {name}"))

    def wait_count(self, name, n):
        """Until the counter is at n or above; "=n": until it is exactly n."""
        self.command(f"wait-count {name} {n}")

    def last_request(self, name):
        """The last request of a message: {"client", "transaction", "tlvs" (bytes)}."""
        words = dict(word.split("=") for word in self.command(f"last {name}").split())
        return {"client": int(words["client"]), "transaction": int(words["transaction"]),
                "tlvs": bytes.fromhex(words["tlvs"])}

    def clients(self):
        """The client ids that are allocated: [("nas", 1), …]"""
        return sorted((s, int(n)) for s, n in (c.split(":") for c in self.command("clients").split()))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.process.kill()
        else:
            self.stop()

    def stop(self):
        self.control.close()
        self.process.stop()


# ---- the daemon


class Daemon(Process):
    """qmid on a private bus. It has its name when the constructor returns, unless `wait` is false. `store`: an FdStore,
    which gives it what the last daemon left."""

    def __init__(self, directory, bus, ports, name="qmid", options=(), wait=True, env=None, store=None):
        wrapper = shlex.split(os.environ.get("QMID_WRAPPER", ""))
        command = [*wrapper, program("src/qmid"), *(f"--port={p}" for p in ports), *options]
        env = {"DBUS_SYSTEM_BUS_ADDRESS": bus.address, **(env or {})}
        if store:
            with store.passed(command) as (command, more, fds):
                super().__init__(directory, name, command, env=env | more, pass_fds=fds)
        else:
            super().__init__(directory, name, command, env=env)
        self.bus = bus
        if wait:
            self.wait_name()

    def wait_name(self):
        with Bus(self.bus.address) as connection:
            waiter = threading.Thread(target=self._wake, args=(connection,), daemon=True)
            waiter.start()
            try:
                connection.wait_name()
            except (OSError, EOFError):
                self.wait()
                raise AssertionError(f"qmid did not start\n{self.output()}") from None

    def _wake(self, connection):
        """Ends the wait for the name when the daemon ends instead."""
        self.popen.wait()
        try:
            connection.connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class World:
    """Everything that one test runs, taken down in the reverse order."""

    def __init__(self, directory, bus_kind="dbus-daemon", policy=None, activation=False, limits=LIMITS):
        self.directory = pathlib.Path(directory)
        self.sims = []
        self.connections = []
        self.daemon = self.daemon_options = self.store = None
        self.n_restarts = 0
        self.bus_options = {"kind": bus_kind, "policy": policy, "activation": activation, "limits": limits}
        self.bus = PrivateBus(self.directory, **self.bus_options)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.stop(failed=kind is not None)

    def sim(self, name=None, **options):
        """A further simulated modem: options as Sim's."""
        sim = Sim(self.directory, name or f"modem{len(self.sims)}", **options)
        self.sims.append(sim)
        return sim

    def start_daemon(self, ports=None, ready=True, store=False, **options):
        """qmid with the ports of all simulators (or others); `ready`: until their devices are. `store`: what it leaves
        is kept for restart_daemon()."""
        ports = [s.port for s in self.sims] if ports is None else ports
        if store:
            self.store = FdStore(self.directory)
        self.daemon_options = {"ports": ports, **options}
        self.daemon = Daemon(self.directory, self.bus, store=self.store, **self.daemon_options)
        if ready:
            with Bus(self.bus.address) as connection:
                for sim in self.sims:
                    if sim.port in ports:
                        connection.wait_property(sim.device, f"{NAME}.Device", "State", "ready")
        return self.daemon

    def end_daemon(self, how=signal.SIGTERM):
        """Ends it by a signal, and checks that this is how it ends."""
        self.daemon.popen.send_signal(how)
        status = self.daemon.wait()
        expected = 0 if how in (signal.SIGTERM, signal.SIGINT) else -how
        assert status == expected, f"qmid ended with status {status}\n{self.daemon.output()}"
        self.daemon.check_output()
        with Bus(self.bus.address) as connection:
            connection.wait_no_name()  # of one that was killed the bus learns a little later

    def again(self, **changes):
        """The next qmid, with what the last one left; it has its name."""
        self.n_restarts += 1
        self.daemon_options = {**self.daemon_options, **changes}
        self.daemon = Daemon(self.directory, self.bus, store=self.store,
                             **{"name": f"qmid-{self.n_restarts}", **self.daemon_options})
        return self.daemon

    def restart_daemon(self, how=signal.SIGTERM, **changes):
        self.end_daemon(how)
        return self.again(**changes)

    def restart_bus(self):
        """Everybody is thrown off it."""
        self.bus.stop()
        self.bus = PrivateBus(self.directory, **self.bus_options)

    def connect(self):
        """A connection to the bus: one caller."""
        connection = Bus(self.bus.address)
        self.connections.append(connection)
        return connection

    def run(self, *command, **options):
        """Runs a program to its end with the private bus as system bus: (status, stdout, stderr)."""
        env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.bus.address, **options.pop("env", {})}
        done = subprocess.run([str(c) for c in command], env=env, capture_output=True, text=True, timeout=TIMEOUT,
                              **options)
        return done.returncode, done.stdout, done.stderr

    def qmictl(self, *arguments, **options):
        return self.run(program("cli/qmictl"), *arguments, **options)

    def logs(self):
        texts = []
        for log in sorted(self.directory.glob("*.log")):
            text = log.read_text(errors="replace").strip()
            if text:
                texts.append(f"---- {log.name}\n{text}")
        return "\n".join(texts)

    def stop(self, failed=False):
        """Ends everything; unless the test failed already, each must end well."""
        problems = []

        def attempt(what):
            try:
                what()
            except Exception as e:  # the rest must be taken down too
                problems.append(e)

        for connection in self.connections:
            attempt(connection.close)
        if self.daemon:
            attempt(self.daemon.stop)
        for sim in self.sims:
            attempt(sim.stop)
        attempt(self.bus.stop)
        if self.store:
            attempt(self.store.close)
        if failed:
            print(self.logs())
        elif problems:
            raise problems[0]


def json_lines(text):
    return [json.loads(line) for line in text.splitlines() if line.strip()]
