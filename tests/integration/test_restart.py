# SPDX-License-Identifier: LGPL-2.1-or-later
"""What callers keep when the daemon is started again, whether it meant to end or not. The service manager is a
stand-in: its descriptor store, and a bus that starts us."""

import os
import select
import signal
import socket
import struct
import threading

import pytest
import qmidtest
from dbusclient import NAME, TIMEOUT, DBusError
from test_clients import CLIENT, DEVICE, list_clients, open_client, refused

NO_REPLY = "org.freedesktop.DBus.Error.NoReply"
NO_SUCH_DEVICE = f"{NAME}.Error.NoSuchDevice"
ENDS = {"restart": signal.SIGTERM, "kill": signal.SIGKILL, "watchdog": signal.SIGABRT}
crashes = pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGABRT], ids=["kill", "watchdog"])
ends = pytest.mark.parametrize("how", ENDS.values(), ids=ENDS.keys())

WDS_GET_PACKET_SERVICE_STATUS = 0x0022
WDS_EVENT_REPORT = 0x0001


@pytest.fixture
def world(request, short_path):
    """Calls to the daemon wait until there is one."""
    w = qmidtest.World(short_path, activation=True)
    yield w
    report = getattr(request.node, "report_call", None)
    w.stop(failed=report is None or report.failed)


@pytest.fixture
def device(world, sim):
    world.start_daemon(store=True)
    return sim.device


class Raw:
    """The other end of a client's raw socket."""

    def __init__(self, bus, client):
        self.socket = bus.call(client, CLIENT, "OpenSocket", "a{sv}", {}).to_socket()
        self.socket.settimeout(TIMEOUT)

    def ask(self, transaction, message):
        self.socket.send(struct.pack("<BHHH", 0, transaction, message, 0))

    def hear(self):
        """(flags, transaction, message), or None at the end."""
        packet = self.socket.recv(65536)
        return struct.unpack_from("<BHH", packet) if packet else None


class Holder:
    """A caller that holds one of each: registrations on its implicit client, a client of its own, a persistent one, a
    raw socket."""

    def __init__(self, world, sim):
        self.world, self.sim, self.device = world, sim, sim.device
        self.bus = world.connect()
        self.bus.qmi(self.device, "Nas", "RegisterIndications", {"signal_info": True})
        self.own = open_client(self.bus, self.device, "wds")
        self.persistent = self.bus.call(self.device, DEVICE, "OpenClient", "sa{sv}", "dms", {"persist": True})
        self.raw_client = open_client(self.bus, self.device, "wds")
        self.raw = Raw(self.bus, self.raw_client)
        self.bus.qmi(self.device, "Dms", "GetModel")    # the daemon's own id of that service is there
        self.before = self.look()
        self.at_modem = sim.clients()

    def look(self):
        """Everything that must not change."""
        listed = [{k: c.get(k) for k in ("service", "client_id", "owner", "path", "implicit", "lingering")}
                  for c in list_clients(self.bus, self.device)]
        objects = {path: self.bus.get_all(path, CLIENT) for path in (self.own, self.persistent, self.raw_client)}
        return sorted(listed, key=lambda c: (c["service"], c["client_id"])), objects

    def check(self):
        self.bus.wait_property(self.device, DEVICE, "State", "ready")   # at once, or after a check
        assert self.look() == self.before
        assert self.sim.clients() == self.at_modem
        self.check_hears()
        self.check_raw()
        assert self.bus.qmi(self.own, "Wds", "GetPacketServiceStatus")
        assert self.bus.qmi(self.persistent, "Dms", "GetModel")

    def check_hears(self):
        self.bus.take_signals()
        self.sim.send("nas", "signal-info")
        signals = [self.bus.wait_signal("SignalInfo"), *self.bus.take_signals("SignalInfo")]
        assert [s.path for s in signals] == [self.device]

    def check_raw(self):
        self.raw.ask(0x1234, WDS_GET_PACKET_SERVICE_STATUS)
        assert self.raw.hear() == (2, 0x1234, WDS_GET_PACKET_SERVICE_STATUS)


@pytest.fixture
def holder(world, sim, device):
    return Holder(world, sim)


def store_names(holder):
    number = holder.raw_client.rpartition("/")[2]
    return ["port.unix_modem0", f"socket.{number}", "state"]


# ---- nothing is lost ----

@ends
def test_all_is_kept(world, holder, how):
    for _ in range(3):
        world.restart_daemon(how)
        holder.check()
        assert world.store.names() == store_names(holder)
    assert holder.sim.count("ctl.sync") == 0
    assert holder.sim.count("connections") == 1


class Caller(threading.Thread):
    """Calls one after another until it is told to stop."""

    def __init__(self, world, device):
        super().__init__()
        self.world, self.device = world, device
        self.end = threading.Event()
        self.answered = threading.Semaphore(0)
        self.failures = []

    def run(self):
        with qmidtest.Bus(self.world.bus.address) as bus:
            while not self.end.is_set():
                try:
                    bus.qmi(self.device, "Dms", "GetModel")
                    self.answered.release()
                except DBusError as e:
                    self.failures.append(e.name)

    def wait_answers(self, n):
        for _ in range(n):
            assert self.answered.acquire(timeout=TIMEOUT), "calls are not answered any more"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.join()


def test_calls_across_a_restart_are_all_answered(world, sim, device):
    with Caller(world, device) as one, Caller(world, device) as two:
        for _ in range(5):
            one.wait_answers(10)
            two.wait_answers(10)
            world.restart_daemon()
    assert one.failures == two.failures == []


@crashes
def test_calls_across_a_crash(world, sim, device, how):
    with Caller(world, device) as one, Caller(world, device) as two:
        for _ in range(5):
            one.wait_answers(10)
            two.wait_answers(10)
            world.restart_daemon(how)
        one.wait_answers(10)
    # What was in flight gets the bus's error, once each.
    for caller in (one, two):
        assert set(caller.failures) <= {NO_REPLY} and len(caller.failures) <= 5


def begin_slow(holder, milliseconds, member="GetModel", message="dms.get-model"):
    """A call that the modem takes its time for, and has taken."""
    n = holder.sim.count(message)
    holder.sim.command(f"delay {milliseconds} {message}")
    call = holder.bus.begin(holder.persistent, f"{NAME}.Dms", member, "a{sv}", {})
    holder.sim.wait_count(message, n + 1)
    return call


def test_what_is_in_flight_is_finished(world, sim, device, holder):
    call = begin_slow(holder, 300)
    world.end_daemon()
    assert holder.bus.end(call)
    sim.command("delay 0 dms.get-model")
    world.again()
    holder.check()


def test_what_takes_too_long_is_not(world, sim, device, holder):
    call = begin_slow(holder, 60000)
    world.end_daemon()
    with pytest.raises(DBusError) as error:
        holder.bus.end(call)
    assert error.value.name == f"{NAME}.Error.DeviceGone"
    assert "restarted" in error.value.text
    sim.command("delay 0 dms.get-model")
    world.again()
    holder.check()


def test_answers_to_what_was_asked_before_a_crash_are_nobodys(world, sim, device, holder):
    call = begin_slow(holder, 60000)
    asked = sim.last_request("dms.get-model")
    world.end_daemon(signal.SIGKILL)
    with pytest.raises(DBusError) as error:
        holder.bus.end(call)
    assert error.value.name == NO_REPLY
    world.again()

    # The late answer, while the next request for the same is under way on the same client.
    call = begin_slow(holder, 300, "GetRevision", "dms.get-revision")
    assert sim.last_request("dms.get-revision")["client"] == asked["client"]
    late = bytes.fromhex("02040000000000") + bytes.fromhex("010500") + b"wrong"
    message = struct.pack("<BHHH", 2, asked["transaction"], 0x0022, len(late)) + late
    frame = b"\x01" + struct.pack("<HBBB", len(message) + 5, 0x80, 0x02, asked["client"]) + message
    sim.command(f"raw-send {frame.hex()}")
    assert holder.bus.end(call)["revision"] != "wrong"
    assert "nobody" not in world.daemon.output() # no warning
    sim.command("delay 0 dms.get-model")
    sim.command("delay 0 dms.get-revision")
    holder.check()


# ---- who left meanwhile ----

def wait_gone(bus, name):
    bus.add_match(f"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{name}'")
    while bus.bus_call("NameHasOwner", "s", name):
        bus.wait_signal("NameOwnerChanged")


@ends
def test_what_the_dead_held_is_given_back(world, sim, device, holder, how):
    other = world.connect()
    clients = [open_client(other, device, "wds"), open_client(other, device, "nas")]
    kept = other.call(device, DEVICE, "OpenClient", "sa{sv}", "nas", {"persist": True})
    world.end_daemon(how)
    name = other.unique_name
    other.close()
    wait_gone(holder.bus, name)
    world.again()
    for path in clients:
        refused("NoSuchDevice", lambda p=path: holder.bus.get(p, CLIENT, "ClientId"))
    # The persistent one is nobody's, and is for who made it: the same user.
    assert holder.bus.get(kept, CLIENT, "Owner") == ""
    holder.bus.call(kept, CLIENT, "Release", "a{sv}", {})
    sim.wait_count("clients", f"={len(holder.at_modem)}")
    holder.check()


@ends
def test_another_bus(world, sim, device, holder, how):
    world.end_daemon(how)
    for connection in world.connections:
        connection.close()
    world.restart_bus()
    world.again()
    # The first name there means somebody else now.
    bus = world.connect()
    assert [c["owner"] for c in list_clients(bus, device) if c["owner"] not in ("qmid", "")] == []
    refused("NoSuchDevice", lambda: bus.get(holder.own, CLIENT, "ClientId"))
    sim.send("nas", "signal-info", target="all")
    assert bus.take_signals("SignalInfo") == []
    assert holder.raw.hear() is None
    # But for what is there to outlive its owner.
    assert bus.get(holder.persistent, CLIENT, "Owner") == ""
    assert bus.qmi(holder.persistent, "Dms", "GetModel")
    assert sorted(c["client_id"] for c in list_clients(bus, device) if c["service"] == "wds"
                  and not c["lingering"]) == [n for s, n in sim.clients() if s == "wds"]


def test_the_bus_goes(world, sim, device, holder):
    """The daemon cannot go on without it, and ends. The next one, on the next bus, carries on at the modem."""
    n_connections = sim.count("connections")
    for connection in world.connections:
        connection.close()
    world.restart_bus()
    assert world.daemon.wait() == 1
    world.daemon.check_output()
    world.again()
    bus = world.connect()
    assert bus.qmi(holder.persistent, "Dms", "GetModel")
    assert sim.count("connections") == n_connections


# ---- a state that makes no sense ----

def corrupt(state):
    state[0:4096] = bytes(b ^ 0xFF for b in state[0:4096])


def of_another_version(state):
    """The format is behind the magic number."""
    for header in (0, 32):
        state[header + 8] += 1


def emptied(state):
    state[0:4096] = bytes(4096)


@pytest.mark.parametrize("change,text", [(corrupt, "damaged"), (of_another_version, "another version"),
                                         (emptied, None)], ids=["corrupt", "version", "empty"])
@ends
def test_it_is_discarded(world, sim, device, holder, how, change, text):
    world.end_daemon(how)
    with world.store.state() as state:
        change(state)
    world.again()
    bus = world.connect()
    bus.wait_property(device, DEVICE, "State", "ready")
    if text:
        assert text in world.daemon.output()
    # The modem was told to forget what nobody can know, and nobody has what was somebody else's.
    assert sim.count("ctl.sync") == 1
    assert {s for s, _ in sim.clients()} <= {"dms"}
    assert {c["owner"] for c in list_clients(bus, device)} <= {"qmid"}
    for path in (holder.own, holder.persistent, holder.raw_client):
        refused("NoSuchDevice", lambda p=path: holder.bus.get(p, CLIENT, "ClientId"))
    assert holder.raw.hear() is None
    sim.send("nas", "signal-info", target="all")
    assert holder.bus.take_signals("SignalInfo") == []
    assert world.store.names() == ["port.unix_modem0", "state"]
    # From here on all is as ever.
    after = Holder(world, sim)
    world.restart_daemon(how)
    after.check()


@pytest.mark.parametrize("old,new,which", [
    (b"QUALCOMM", b"QUALC\xffMM", 0), (b"unix_modem0", b"unix_modem1", 0), (b"unix_modem0", b"unix_m/dem0", 1),
    (b"\0unix:/", b"\0unax:/", 0)], ids=["model", "other-name", "name", "address"])
@ends
def test_text_that_makes_no_sense(world, sim, device, holder, how, old, new, which):
    """The bytes are whole, and what they say cannot be."""
    def change(state):
        at = -1
        for _ in range(which + 1):
            at = state.index(old, at + 1)
        state[at:at + len(old)] = new

    world.end_daemon(how)
    world.store.rewrite(change)
    world.again()
    bus = world.connect()
    bus.wait_property(device, DEVICE, "State", "ready")
    assert "Nobody knows what the last daemon held" in world.daemon.output()
    sim.wait_count("ctl.sync", 1)
    assert bus.qmi(device, "Nas", "GetDrx")
    refused("NoSuchDevice", lambda: holder.bus.get(holder.persistent, CLIENT, "ClientId"))
    assert world.store.names() == ["port.unix_modem0", "state"]


@ends
def test_a_store_that_forgot_all(world, sim, device, holder, how):
    """Nothing says that there was a daemon before; it is a first start."""
    world.end_daemon(how)
    world.store.empty()
    world.again()
    world.connect().wait_property(device, DEVICE, "State", "ready")
    refused("NoSuchDevice", lambda: holder.bus.get(holder.own, CLIENT, "ClientId"))


# ---- ports ----

@ends
def test_a_dead_port_descriptor(world, sim, device, holder, how):
    """The modem is still the same one, and has not forgotten anything."""
    world.end_daemon(how)
    with socket.socket(fileno=os.dup(world.store.fd("port.unix_modem0"))) as s:
        s.shutdown(socket.SHUT_RDWR)
    world.again()
    holder.bus.wait_property(device, DEVICE, "State", "ready")
    assert sim.count("connections") == 2
    holder.check()
    assert world.store.names() == store_names(holder)


@ends
def test_the_modem_starts_anew_meanwhile(world, sim, device, holder, how):
    """Its ids are gone. Objects, owners and registrations are not."""
    world.end_daemon(how)
    with socket.socket(fileno=os.dup(world.store.fd("port.unix_modem0"))) as s:
        s.shutdown(socket.SHUT_RDWR)
    sim.command("reset")
    world.again()
    for path in (holder.own, holder.persistent, holder.raw_client):
        holder.bus.wait_signal("Replaced", path=path)
    holder.bus.wait_property(device, DEVICE, "State", "ready")
    assert {holder.bus.get(path, CLIENT, "Owner") for path in (holder.own, holder.persistent)} == \
        {holder.bus.unique_name}
    assert holder.bus.qmi(holder.own, "Wds", "GetPacketServiceStatus")
    holder.check_raw()
    assert holder.bus.qmi(device, "Nas", "GetSignalInfo") # behind the registration
    holder.check_hears()


@ends
def test_a_port_that_is_no_longer_given(world, sim, device, holder, how):
    """It is another daemon's business, or nobody's, from then on."""
    other = world.sim()
    world.restart_daemon(how, ports=[other.port])
    bus = world.connect()
    bus.wait_property(other.device, DEVICE, "State", "ready")
    bus.wait_property(device, DEVICE, "State", NO_SUCH_DEVICE)
    sim.wait_count("clients", "=0")
    assert world.store.names() == ["port.unix_modem1", "state"]


@ends
def test_a_port_comes_along(world, sim, device, holder, how):
    other = world.sim()
    world.restart_daemon(how, ports=[sim.port, other.port])
    holder.bus.wait_property(other.device, DEVICE, "State", "ready")
    holder.check()


def test_the_number_of_an_object_is_never_used_again(world, sim, device, bus):
    seen = set()
    for how in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        path = open_client(bus, device, "wds")
        assert path not in seen
        seen.add(path)
        bus.call(path, CLIENT, "Release", "a{sv}", {})
        world.restart_daemon(how)


def test_killed_again_while_it_asks_what_is_left(world, sim, device, holder):
    """A call in the meantime waits, as it does after the first time."""
    sim.command("silent on")
    world.restart_daemon(signal.SIGKILL)
    assert holder.bus.get(device, DEVICE, "State") == "checking"
    world.end_daemon(signal.SIGKILL)
    call = holder.bus.begin(device, f"{NAME}.Dms", "GetModel", "a{sv}", {})
    sim.command("silent off")
    world.again()
    assert holder.bus.end(call)["model"]
    holder.check()


# ---- the raw socket ----

@ends
def test_packets_wait_in_the_socket(world, sim, device, holder, how):
    world.end_daemon(how)
    for transaction in range(1, 5):
        holder.raw.ask(transaction, WDS_GET_PACKET_SERVICE_STATUS)
    assert not select.select([holder.raw.socket], [], [], 0)[0]
    world.again()
    assert [holder.raw.hear()[1] for _ in range(4)] == [1, 2, 3, 4]


@ends
def test_the_end_of_a_client_ends_the_socket(world, sim, device, holder, how):
    """Although somebody keeps a duplicate of it."""
    world.restart_daemon(how)
    holder.bus.call(holder.raw_client, CLIENT, "Release", "a{sv}", {})
    assert holder.raw.hear() is None
    assert world.store.names() == ["port.unix_modem0", "state"]


# ---- inhibited ----

@ends
def test_inhibited(world, sim, device, holder, how):
    fd = holder.bus.call(device, DEVICE, "Inhibit", "sa{sv}", "firmware", {}).to_raw_fd()
    holder.bus.wait_property(device, DEVICE, "State", "inhibited")
    assert "port.unix_modem0" not in world.store.names()
    world.restart_daemon(how)
    assert holder.bus.get(device, DEVICE, "State") == "inhibited"
    os.close(fd)
    holder.bus.wait_property(device, DEVICE, "State", "ready")
    holder.check()


# ---- a restart, or the end ----

class Systemd:
    """systemd's face on the bus, as far as we ask it."""

    MANAGER, UNIT, JOB = "/org/freedesktop/systemd1", "/org/freedesktop/systemd1/unit/qmid", "/org/freedesktop/systemd1/job/7"
    NAME = "org.freedesktop.systemd1"

    def __init__(self, world, job, n_stored=2):
        self.world = world
        self.process = qmidtest.Process(
            world.directory, "systemd", ["/usr/bin/python3", "-m", "dbusmock", "--system", self.NAME, self.MANAGER,
                                         f"{self.NAME}.Manager"], env={"DBUS_SYSTEM_BUS_ADDRESS": world.bus.address})
        self.bus = world.connect()
        self.bus.wait_name(self.NAME)
        self._mock(self.MANAGER, "AddMethod", "sssss", f"{self.NAME}.Manager", "GetUnitByPID", "u", "o",
                   f"ret = dbus.ObjectPath('{self.UNIT}')")
        self._add_object(self.UNIT, "Unit", {"Job": ("(uo)", (7 if job else 0, self.JOB if job else "/"))})
        self._mock(self.UNIT, "AddProperties", "sa{sv}", f"{self.NAME}.Service",
                   {"NFileDescriptorStore": ("u", n_stored)})
        if job:
            self._add_object(self.JOB, "Job", {"JobType": ("s", job)})

    def _mock(self, path, member, signature, *args):
        self.bus.call(path, "org.freedesktop.DBus.Mock", member, signature, *args, destination=self.NAME)

    def _add_object(self, path, interface, properties):
        self._mock(self.MANAGER, "AddObject", "ssa{sv}a(ssss)", path, f"{self.NAME}.{interface}", properties, [])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()


@pytest.mark.parametrize("job", ["restart", "try-restart", None])
def test_systemd_will_start_us_again(world, holder, job):
    with Systemd(world, job):
        world.restart_daemon()
    holder.check()


@pytest.mark.parametrize("job,n_stored", [("stop", 2), (None, 0)], ids=["stop", "no store"])
def test_nobody_goes_on(world, sim, device, holder, job, n_stored):
    with Systemd(world, job, n_stored):
        world.end_daemon()
    assert sim.clients() == []
    # Should the store survive that, there is nothing to go on with.
    world.again()
    holder.bus.wait_property(device, DEVICE, "State", "ready")
    refused("NoSuchDevice", lambda: holder.bus.get(holder.own, CLIENT, "ClientId"))
    assert sim.count("ctl.sync") == 0
    assert world.store.names() == ["port.unix_modem0", "state"]


def test_a_second_signal_ends_it_at_once(world, sim, device, holder):
    begin_slow(holder, 60000)
    world.daemon.popen.terminate()
    world.store.wait_told("STOPPING=1")
    world.end_daemon()
    sim.command("delay 0 dms.get-model")
    world.again()
    holder.check()
