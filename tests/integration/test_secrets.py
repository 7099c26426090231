# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is secret, and who the subscriber is, stays nowhere: a run with values of its own in requests and answers, and
then a look at everything that it has left behind, the daemon's memory included."""

import contextlib
import os
import signal
import sys

import pytest
from dbusclient import connect_as
from polkit import NO, SILENT, Polkit

from qmidtest import NAME, ROOT, DBusError
from test_socket import Raw
from test_trace import Trace

sys.path.insert(0, str(ROOT / "interfaces"))

import schema  # noqa: E402

DEVICE = f"{NAME}.Device"
NOBODY = 65534
MODEL = "VISIBLE-MODEL-4711"     # that a look finds what is there


class Values:
    """A value of its own for each secret: as long as it has to be, and such as stands nowhere else."""

    def __init__(self):
        self.used = {}
        self.n = 0

    def text(self, what, size):
        self.n += 1
        size = size or 12
        value = (f"{self.n * 7919 + 1000:04d}"[-4:] if size < 6 else f"Qz{self.n * 7919:06d}xy"[:size].ljust(size, "w"))
        if size >= 6:       # four characters stand in any memory
            self.used[value.encode()] = what
        return value

    def digits(self, what, size=15):
        self.n += 1
        value = str(9 * 10**(size - 1) + 7 * 10**(size - 3) + self.n * 104729)
        self.used[value.encode()] = what
        self.used[bytes.fromhex("".join(a + b for b, a in zip(*[iter(value + "F" * (size % 2))] * 2)))] = f"{what}, BCD"
        return value


def value_of(t, what, values, secret=False):
    """Something that fits a type; a secret where it is one."""
    match t.kind:
        case "struct" | "bits":
            return {f.name.replace("-", "_"): value_of(f.type, f"{what}.{f.name}", values, secret or f.secret)
                    for f in t.fields if not f.hidden and not f.padding}
        case "array":
            n = t.length.count if t.length.kind == "fixed" else 1
            return [value_of(t.element, what, values, secret) for _ in range(n)]
        case "string":
            size = t.length.count if t.length.kind == "fixed" else 0
            return values.text(what, size) if secret else "a" * size
        case "bytes":
            size = t.length.count if t.length.kind == "fixed" else 0
            return values.text(what, size).encode() if secret else b"a" * size
        case "bool" | "empty":
            return True
        case "enum":
            return t.enum.values[0][1]
        case "flags":
            return []
        case "ipv4":
            return "192.0.2.1"
        case "ipv6":
            return "2001:db8::1"
        case "float":
            return 0.0
    return "26201" if t.kind.startswith("plmn") else 0


def requests(values):
    """Each message with a secret in its request: (service, message, kind, its values)."""
    folder = ROOT / "interfaces"
    loaded, errors = schema.load(sorted(p for p in folder.glob("*.toml")), folder / "common.toml")
    assert not errors
    for s in loaded.services:
        for m in s.messages.values():
            private = [t for t in m.request if t.field.secret or t.field.type.has_secret()]
            if not private or s.vendor or m.vendor:
                continue
            yield s.name, m, {
                t.key().replace("-", "_"): value_of(t.field.type, f"{s.name} {m.name} {t.key()}", values, t.field.secret)
                for t in m.request if (t.mandatory or t in private) and not t.alternative and not t.vendor}


def identities(sim, values):
    """Who the subscriber is, in the modem's answers."""
    for key, size in (("dms.get-ids.imei", 15), ("dms.get-ids.esn", 11), ("dms.uim-get-imsi.imsi", 15),
                      ("dms.get-msisdn.msisdn", 13), ("dms.get-msisdn.imsi", 15)):
        sim.set(key, values.digits(key, size))
    iccid = values.digits("iccid", 19)
    sim.set("dms.uim-get-iccid.iccid", iccid)
    sim.set("uim.get-slot-status.slots.0.iccid", iccid + "7")
    sim.set("wds.get-profile-settings.password", values.text("password of a profile", 0))


def ask_all(world, sim, bus, texts, values):
    device, name_of = sim.device, schema.camel
    opened = {}
    for service, m, request in requests(values):
        client = device
        if m.kind == "session":
            client = opened.setdefault(service, bus.call(device, DEVICE, "OpenClient", "sa{sv}", service, {}))
        for path in (client, None):
            try:
                if path:
                    bus.qmi(path, name_of(service), name_of(m.name), request)
                else:
                    bus.call(device, DEVICE, "Request", "ssa{sv}a{sv}", service, m.name, request, {"force": True})
            except DBusError as e:
                texts.append(f"{e.name} {e.text}")
        # With mistakes in it the request is refused, and the sentence shows none of it.
        for wrong in ({**request, "no_such_field": 1}, {k: [v] for k, v in request.items()}):
            with pytest.raises(DBusError) as e:
                bus.qmi(client, name_of(service), name_of(m.name), wrong)
            texts.append(e.value.text)


def ask_identities(bus, device, values):
    for service, message in (("Dms", "GetIds"), ("Dms", "UimGetIccid"), ("Dms", "UimGetImsi"), ("Dms", "GetMsisdn"),
                             ("Uim", "GetSlotStatus")):
        seen = str(bus.qmi(device, service, message))
        assert any(value.decode() in seen for value in values.used if value.isdigit()), (service, message)
    bus.call(device, DEVICE, "Call", "sqa(yay)a{sv}", "dms", 0x0025, [], {})
    bus.qmi(device, "Wds", "GetProfileSettings", {"profile": {"type": "3gpp", "index": 1}})


def connect(bus, device, texts, values):
    """Sessions, with passwords that are good and such as are refused before anything is sent."""
    good, bad = values.text("password of a session", 14), values.text("password in a mistake", 14)
    session = bus.call(device, f"{NAME}.Data", "Connect", "a{sv}",
                       {"apn": "internet", "user": "somebody", "password": good, "families": "ipv4"})
    texts.append(str(bus.get_all(session, f"{NAME}.Session")))
    for wrong in ({"password": bad}, {"user": "somebody", "password": f"{bad}\n"}, {"password": [bad]},
                  {"user": "somebody", "password": bad, "no_such_option": 1}):
        with pytest.raises(DBusError) as e:
            bus.call(device, f"{NAME}.Data", "Connect", "a{sv}", wrong)
        texts.append(e.value.text)


def ask_raw(bus, device, values):
    """Through the doors without a schema."""
    client = bus.call(device, DEVICE, "OpenClient", "sa{sv}", "dms", {})
    raw = Raw(bus, client)
    for _ in range(2):
        pin = values.digits("raw pin", 8).encode()
        raw.call(1, 0x0028, [(0x01, b"\1\x08" + pin)])
        with pytest.raises(DBusError):
            bus.call(device, DEVICE, "Call", "sqa(yay)a{sv}", "dms", 0x0028, [(0x01, b"\1\x08" + pin)], {})
    raw.close()


@contextlib.contextmanager
def held(pid):
    """What is sent meanwhile, the daemon finds all at once."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def ask_as_nobody(world, device, texts, values):
    """Somebody who may not: refused by polkit; leaving while it is asked; gone before it is known who he is."""
    world.directory.chmod(0o755)
    with Polkit(world.bus.address, lambda q: NO) as polkit:
        with connect_as(NOBODY, world.bus.address) as bus:
            for service, m, request in requests(values):
                with contextlib.suppress(DBusError):
                    texts.append(str(bus.qmi(device, schema.camel(service), schema.camel(m.name), request)))
                try:
                    bus.call(device, DEVICE, "Request", "ssa{sv}a{sv}", service, m.name, request, {})
                except DBusError as e:
                    texts.append(f"{e.name} {e.text}")
            assert any("polkit denies it" in text for text in texts)
            polkit.decide = lambda q: SILENT
            n = len(polkit.take())
            assert n > 20
            pin = {"pin": {"id": "pin1", "value": values.digits("a pin that polkit was asked about", 8)}}
            bus.begin(device, f"{NAME}.Dms", "UimVerifyPin", "a{sv}", pin)
            polkit.wait(lambda p: p.questions)
        polkit.wait(lambda p: p.cancelled)
        texts.append(str(polkit.questions))
    with held(world.daemon.pid):
        for n in (1, 300):      # one that waits for nothing, and many that wait for their turn
            pin = {"pin": {"id": "pin1", "value": values.digits(f"a pin of one who left ({n})", 8)}}
            with connect_as(NOBODY, world.bus.address) as bus:
                for _ in range(n):
                    bus.begin(device, f"{NAME}.Dms", "UimVerifyPin", "a{sv}", pin)
                bus.bus_call("GetId")


def memory(pid):
    """What the process has written to, by its addresses."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            addresses, access, *_, = line.split()
            begin, end = (int(a, 16) for a in addresses.split("-"))
            if access.startswith("rw") and "[v" not in line and end - begin < 1 << 28:
                mem.seek(begin)
                try:
                    yield f"memory at {addresses} {line.split()[-1]}", mem.read(end - begin)
                except OSError:
                    pass


def find(values, where, data, found):
    for value, what in values.used.items():
        at = data.find(value)
        if at >= 0:
            found.append(f"{what} ({value!r}) in {where}: {data[max(at - 24, 0):at + 40]!r}")


def test_nothing_is_left_behind(world):
    values, texts, found = Values(), [], []
    sim = world.sim(scenario="default", overrides=["@0s timeline off", f'dms.get-model.model = "{MODEL}"'])
    identities(sim, values)
    daemon = world.start_daemon(store=True, options=["--log-level=debug"])
    bus = world.connect()
    device = sim.device
    trace = Trace(bus, device)
    bus.settle(device)

    os.set_blocking(trace.fd, False)
    traced = b""

    def read_trace():
        nonlocal traced
        with contextlib.suppress(BlockingIOError):
            while True:
                traced += os.read(trace.fd, 65552)

    ask_all(world, sim, bus, texts, values)
    read_trace()
    connect(bus, device, texts, values)
    read_trace()
    ask_raw(bus, device, values)
    read_trace()
    if os.getuid() == 0:
        ask_as_nobody(world, device, texts, values)
        bus.settle(device)
        read_trace()
    imei = next(v.decode() for v, what in values.used.items() if what == "dms.get-ids.imei")
    assert bus.call(f"/{NAME.replace('.', '/')}", f"{NAME}.Manager", "FindDevice", "sa{sv}", imei, {}) == device
    clients = str(bus.call(device, DEVICE, "ListClients", "a{sv}", {}))
    # The library keeps the last message of a connection, and the stack what was last on it: others take their places.
    for _ in range(20):
        bus.qmi(device, "Nas", "GetSignalInfo")
    bus.settle(device)

    assert len(values.used) > 40
    seen = False
    for where, data in memory(daemon.pid):
        find(values, where, data, found)
        seen = seen or MODEL.encode() in data
    assert seen, "the memory could not be read"
    # The replies that these are in grow in the library, which leaves pieces of them in its wake.
    ask_identities(bus, device, values)
    read_trace()
    find(values, "ListClients", clients.encode(), found)
    find(values, "errors", "\n".join(texts).encode(), found)
    find(values, "a trace", traced, found)
    find(values, "the log", daemon.output().encode(), found)
    with world.store.state() as state:
        find(values, "the saved state", state[:], found)
        assert MODEL.encode() in state[:]
    assert not found, "\n".join(found)
