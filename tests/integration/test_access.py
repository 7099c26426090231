# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what. The matrix is made from the schema: every message, every field with a class of its own."""

import os
import shlex

import pytest
import schema_values
from dbusclient import NAME, ROOT, DBusError, connect_as
from jeepney import DBusAddress, HeaderFields, new_signal
from polkit import CHALLENGE, DISMISSED, NO, SILENT, TEMPORARY, YES, Polkit
from qmux import Message, pack
from schema_values import camel, snake

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")

DEVICE = f"{NAME}.Device"
CLIENT = f"{NAME}.Client"
DENIED = "org.freedesktop.DBus.Error.AccessDenied"
INTERACTIVE = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
NOBODY = 65534
GROUP = 64042  # of "qmid", in the daemon's eyes
# Ids above 255 do not fit into QMUX; what has them is told from others by its data, not by its code.
SERVICES = [s for s in schema_values.services() if s.id <= 0xff]
MESSAGES = [(s, m) for s in SERVICES for m in s.messages.values()]
BATCH = 250


def restricted(tlvs_of):
    """Every field with a class of its own: service, message, TLV, key, class."""
    for s in SERVICES:
        for m in (*s.messages.values(), *s.indications.values()):
            for key, tlv, access in schema_values.fields(tlvs_of(m), m.access):
                yield s, m, tlv, key, access


@pytest.fixture
def bed(world):
    """A modem that has every service and answers all it is asked with an error, unless a test gives it TLVs."""
    world.directory.chmod(0o755)
    scenario = world.directory / "all.toml"
    services = "\n".join(f'0x{i:02x} = "1.0"' for i in sorted({s.id for s in SERVICES}))
    scenario.write_text(f'start = ["timeline off"]\n[ctl]\npool = 200\n[ctl.services]\nctl = "1.5"\n{services}\n')
    world.sim(scenario=scenario)
    return world


def start_still(world, **options):
    world.directory.chmod(0o755)
    sim = world.sim()
    world.start_daemon(**options)
    sim.wait_count("dms.get-ids", 1)
    return sim


@pytest.fixture
def still(world):
    """The usual modem, of which the daemon has asked all that it asks by itself."""
    start_still(world)
    return world


def nobody(world, groups=()):
    bus = connect_as(NOBODY, world.bus.address, groups)
    world.connections.append(bus)
    return bus


def failure(f, *args, **options):
    with pytest.raises(DBusError) as e:
        f(*args, **options)
    return e.value


def name_of(bus, serial):
    try:
        bus.end(serial)
    except DBusError as e:
        return e.name
    return None


def clients_of(bus, device):
    """Objects on which messages of kind `session` can be called."""
    needed = {s.name for s, m in MESSAGES if m.kind == "session"}
    return {name: bus.call(device, DEVICE, "OpenClient", "sa{sv}", name, {}) for name in needed}


def ask_all(bus, device, messages):
    """Calls them all: what each came to, by service and message. As many at once as one caller may have under way."""
    results = {}
    paths = clients_of(bus, device)
    plain = [x for x in messages if not x[1].guard()]
    batches = [plain[i:i + BATCH] for i in range(0, len(plain), BATCH)]
    # The daemon looks at the SIM before it sends a code: one after the other.
    for batch in [*batches, *([x] for x in messages if x[1].guard())]:
        serials = [bus.begin(paths[s.name] if m.kind == "session" else device, f"{NAME}.{camel(s.name)}", camel(m.name),
                             "a{sv}", schema_values.request(m)) for s, m in batch]
        for (s, m), serial in zip(batch, serials):
            results[s.name, m.name] = name_of(bus, serial)
    return results


def counts(sim):
    return {(s.name, m.name): sim.count(f"{s.name}.{m.name}") for s, m in MESSAGES}


def check_matrix(sim, bus, device, denied):
    """`denied`: the error of each message that is not of class status; None: all are allowed."""
    before = counts(sim)
    closed = [(s, m) for s, m in MESSAGES if denied and m.access != "status"]
    opened = [(s, m) for s, m in MESSAGES if not denied or m.access == "status"]
    assert len(closed) + len(opened) == len(MESSAGES) > 500
    clients_of(bus, device)
    ids = sim.clients()
    if closed:
        seen = ask_all(bus, device, closed)
        assert {k: v for k, v in seen.items() if v != denied} == {}
        assert counts(sim) == before
        # Each call of ask_all() opens the clients that sessions need, and denied messages none.
        more = sim.clients()
        assert len(more) - len(ids) == len({s.name for s, m in MESSAGES if m.kind == "session"})
    seen = ask_all(bus, device, opened)
    wrong = {k: v for k, v in seen.items() if v in (DENIED, INTERACTIVE)}
    assert wrong == {}
    after = counts(sim)
    guarded = {(s.name, m.name) for s, m in MESSAGES if m.guard()}
    for s, m in opened:
        if (s.name, m.name) not in guarded:
            assert after[s.name, m.name] > before[s.name, m.name], (s.name, m.name, seen[s.name, m.name])


def test_root(bed, polkit):
    bed.start_daemon()
    check_matrix(bed.sims[0], bed.connect(), bed.sims[0].device, None)
    assert polkit.take() == []


def test_group(bed, polkit, monkeypatch):
    """Without a question, too."""
    groups = bed.directory / "group"
    groups.write_text(f"root:x:0:\nqmid:x:{GROUP}:\n")
    command = f'mount --bind {shlex.quote(str(groups))} /etc/group && exec "$@"'
    if bed.run("unshare", "--mount", "sh", "-c", command, "sh", "true")[0] != 0:
        pytest.skip("there is no mount namespace to be had")
    wrapper = os.environ.get("QMID_WRAPPER", "")
    monkeypatch.setenv("QMID_WRAPPER", f"unshare --mount sh -c {shlex.quote(command)} sh {wrapper}")
    bed.start_daemon()
    [sim] = bed.sims
    check_matrix(sim, nobody(bed, [GROUP]), sim.device, None)
    assert polkit.take() == []
    # At other doors as well.
    bus = nobody(bed, [5, GROUP])
    assert bus.call(sim.device, DEVICE, "OpenTrace", "a{sv}", {"unmasked": True}) is not None
    assert polkit.take() == []
    # Another group is another matter.
    error = failure(nobody(bed, [GROUP + 1]).qmi, sim.device, "Dms", "GetIds")
    assert error.name == DENIED


def test_allowed(bed, polkit):
    polkit.decide = lambda q: YES
    bed.start_daemon()
    [sim] = bed.sims
    check_matrix(sim, nobody(bed), sim.device, None)
    asked = polkit.take()
    classes = {(s.name, m.name): m.access for s, m in MESSAGES}
    plain = {(q.service, q.message): q.action for q in asked if q.message[:1].islower()}
    assert plain == {k: f"org.qmid1.{c}" for k, c in classes.items() if c != "status"}
    assert {q.device for q in asked} == {sim.device.rpartition("/")[2]}
    assert not any(q.interactive for q in asked)


@pytest.mark.parametrize("answer, error", [
    (NO, DENIED), (CHALLENGE, INTERACTIVE), (DISMISSED, DENIED), (SILENT, DENIED), (ValueError("no"), DENIED),
    ("what?", DENIED)], ids=["denied", "challenge", "dismissed", "silent", "broken", "nonsense"])
def test_denied(bed, polkit, answer, error):
    polkit.decide = lambda q: answer
    bed.start_daemon()
    [sim] = bed.sims
    check_matrix(sim, nobody(bed), sim.device, error)


def test_absent(bed):
    bed.start_daemon()
    [sim] = bed.sims
    check_matrix(sim, nobody(bed), sim.device, DENIED)


# ---- what polkit says


def test_it_is_kept(still, polkit):
    """For caller, class, device, service and message; until polkit says that something changed."""
    [sim] = still.sims
    one, two = nobody(still), nobody(still)
    polkit.decide = lambda q: YES
    for bus in (one, two):
        for _ in range(3):
            assert bus.qmi(sim.device, "Dms", "GetIds")["imei"]
        [question] = polkit.take()
        assert (question.subject, question.action) == (bus.unique_name, "org.qmid1.identity")
        assert (question.service, question.message) == ("dms", "get-ids")
    one.qmi(sim.device, "Dms", "GetMsisdn")
    [question] = polkit.take()
    assert question.message == "get-msisdn"

    polkit.changed()
    polkit.decide = lambda q: NO
    error = failure(one.qmi, sim.device, "Dms", "GetIds")
    assert error.name == DENIED
    assert error.text == ("dms get-ids: needs access class identity (who the subscriber is); polkit denies it to you")
    assert len(polkit.take()) == 1
    # A no is asked for again.
    polkit.decide = lambda q: YES
    assert one.qmi(sim.device, "Dms", "GetIds")["imei"]


def test_polkit_that_ends_takes_it_along(still):
    [sim] = still.sims
    bus = nobody(still)
    with Polkit(still.bus.address, lambda q: YES):
        assert bus.qmi(sim.device, "Dms", "GetIds")["imei"]
    with still.connect() as watcher:
        watcher.wait_no_name("org.freedesktop.PolicyKit1")
    error = failure(bus.qmi, sim.device, "Dms", "GetIds")
    assert error.name == DENIED and "does not run" in error.text


@pytest.mark.parametrize("name, text", [
    ("org.freedesktop.DBus.Error.Spawn.ChildExited", "does not run"),
    ("org.freedesktop.systemd1.UnitMasked", "does not run"),
    ("org.freedesktop.DBus.Error.NameHasNoOwner", "does not run"),
    ("org.freedesktop.DBus.Error.NoReply", "does not answer"),
    ("org.freedesktop.PolicyKit1.Error.Failed", "does not make sense")])
def test_why_polkit_has_no_answer(still, polkit, name, text):
    """As the bus says it for a service that it cannot start, that has ended, or that takes too long."""
    polkit.decide = lambda q: DBusError(name, "")
    error = failure(nobody(still).qmi, still.sims[0].device, "Dms", "GetIds")
    assert error.name == DENIED and text in error.text


def test_a_password_is_nobody_elses(still, polkit):
    """What somebody's password is behind is not kept: polkit does, as long as it likes."""
    [sim] = still.sims
    bus = nobody(still)
    polkit.decide = lambda q: TEMPORARY
    for _ in range(2):
        assert bus.qmi(sim.device, "Dms", "GetIds")["imei"]
        assert len(polkit.take()) == 1
    polkit.decide = lambda q: YES if q.interactive else CHALLENGE
    for _ in range(2):
        serial = bus.begin(sim.device, f"{NAME}.Dms", "GetIds", "a{sv}", {}, interactive=True)
        assert bus.end(serial)["imei"]
        assert [q.interactive for q in polkit.take()] == [False, True]
    assert failure(bus.qmi, sim.device, "Dms", "GetIds").name == INTERACTIVE
    assert [q.interactive for q in polkit.take()] == [False]


@pytest.mark.parametrize("answer, error, text", [
    (NO, DENIED, "denies"), (CHALLENGE, INTERACTIVE, "no agent"), (DISMISSED, DENIED, "nobody gave")])
def test_nobody_gives_a_password(still, polkit, answer, error, text):
    [sim] = still.sims
    bus = nobody(still)
    polkit.decide = lambda q: answer if q.interactive else CHALLENGE
    asked = sim.count("dms.get-ids")
    serial = bus.begin(sim.device, f"{NAME}.Dms", "GetIds", "a{sv}", {}, interactive=True)
    e = failure(bus.end, serial)
    assert e.name == error and text in e.text
    assert sim.count("dms.get-ids") == asked


def test_a_caller_that_leaves_is_not_asked_about(still, polkit):
    [sim] = still.sims
    polkit.decide = lambda q: SILENT
    bus = nobody(still)
    bus.begin(sim.device, f"{NAME}.Dms", "GetIds", "a{sv}", {})
    polkit.wait(lambda p: p.questions)
    bus.close()
    polkit.wait(lambda p: p.cancelled == [p.questions[0].cancellation])


def test_cancelled_before_polkit_answers(still, polkit):
    [sim] = still.sims
    polkit.decide = lambda q: SILENT
    bus = nobody(still)
    asked = sim.count("dms.get-ids")
    serial = bus.begin(sim.device, f"{NAME}.Dms", "GetIds", "a{sv}", {})
    polkit.wait(lambda p: p.questions)
    bus.call(sim.device, DEVICE, "Cancel", "ssa{sv}", "dms", "get-ids", {})
    assert failure(bus.end, serial).name == f"{NAME}.Error.Qmi.Aborted"
    polkit.wait(lambda p: p.cancelled)
    assert sim.count("dms.get-ids") == asked


def test_nobody_cancels_for_another(still, polkit):
    [sim] = still.sims
    polkit.decide = lambda q: SILENT
    bus, other = nobody(still), still.connect()
    serial = bus.begin(sim.device, f"{NAME}.Dms", "GetIds", "a{sv}", {})
    polkit.wait(lambda p: p.questions)
    error = failure(other.call, sim.device, DEVICE, "Cancel", "ssa{sv}", "dms", "get-ids", {})
    assert error.name == f"{NAME}.Error.InvalidArgument" and "you have no" in error.text
    polkit.release(YES)
    assert bus.end(serial)["imei"]


def test_unplugged_before_polkit_answers(still, polkit):
    [sim] = still.sims
    polkit.decide = lambda q: SILENT
    bus = nobody(still)
    serial = bus.begin(sim.device, f"{NAME}.Dms", "GetIds", "a{sv}", {})
    polkit.wait(lambda p: p.questions)
    still.daemon.popen.terminate()
    error = failure(bus.end, serial)
    assert error.name == f"{NAME}.Error.DeviceGone" and error.text == "the device is gone"
    assert still.daemon.wait() == 0


def test_restarted_before_polkit_answers(world, polkit):
    """The call gets an answer, the question is called off, and the next daemon asks its own."""
    sim = start_still(world, store=True)
    polkit.decide = lambda q: SILENT
    bus = nobody(world)
    asked = sim.count("dms.get-ids")
    serial = bus.begin(sim.device, f"{NAME}.Dms", "GetIds", "a{sv}", {})
    polkit.wait(lambda p: p.questions)
    world.end_daemon()
    error = failure(bus.end, serial)
    assert error.name == f"{NAME}.Error.DeviceGone" and error.text == "the service is being restarted"
    polkit.wait(lambda p: p.cancelled == [p.questions[0].cancellation])
    polkit.release(YES)     # too late
    assert sim.count("dms.get-ids") == asked
    polkit.decide = lambda q: YES
    polkit.take()
    world.again()
    world.connect().wait_property(sim.device, DEVICE, "State", "ready")
    assert bus.qmi(sim.device, "Dms", "GetIds")["imei"]
    assert len(polkit.take()) == 1


def test_polkit_answers_while_the_daemon_restarts(world, polkit):
    """It waits a little for what is under way."""
    sim = start_still(world, store=True)
    polkit.decide = lambda q: SILENT
    bus = nobody(world)
    serial = bus.begin(sim.device, f"{NAME}.Dms", "GetIds", "a{sv}", {})
    polkit.wait(lambda p: p.questions)
    world.daemon.popen.terminate()
    polkit.release(YES)
    try:
        assert bus.end(serial)["imei"]
    except DBusError as e:      # a machine that is busy may be too slow for that
        assert (e.name, e.text) == (f"{NAME}.Error.DeviceGone", "the service is being restarted")
    assert world.daemon.wait() == 0


def test_status_asks_nobody(still, polkit):
    [sim] = still.sims
    bus = nobody(still)
    assert bus.qmi(sim.device, "Nas", "GetSignalInfo")["lte"]["rsrp"] == -95
    result, _ = bus.call(sim.device, DEVICE, "Request", "ssa{sv}a{sv}", "nas", "get-signal-info", {}, {})
    assert result == "success"
    assert polkit.take() == []


def test_mistakes_come_first(still, polkit):
    """Nobody types a password for a call that cannot be."""
    [sim] = still.sims
    bus = nobody(still)
    for f in (lambda: bus.qmi(sim.device, "Dms", "SetOperatingMode", {"mode": "sideways"}),
              lambda: bus.qmi(sim.device, "Wds", "StartNetwork"),
              lambda: bus.call(sim.device, DEVICE, "OpenTrace", "a{sv}", {"x": 1}),
              lambda: bus.call(sim.device, DEVICE, "Inhibit", "sa{sv}", "", {})):
        assert failure(f).name == f"{NAME}.Error.InvalidArgument"
    assert polkit.take() == []


def test_too_many_questions(still, polkit):
    """One caller may have so many calls under way, those that wait for polkit among them."""
    [sim] = still.sims
    polkit.decide = lambda q: SILENT
    bus = nobody(still)
    serials = [bus.begin(sim.device, f"{NAME}.Dms", "GetIds", "a{sv}", {}) for _ in range(257)]
    assert failure(bus.end, serials[-1]).name == f"{NAME}.Error.LimitsExceeded"


def test_one_user_does_not_use_polkit_up(still, polkit):
    """The bus lets a connection wait for so many answers, and the daemon has one for all callers. Somebody has an agent
    that asks for passwords and never gets one."""
    [sim] = still.sims
    polkit.decide = lambda q: SILENT if q.interactive else CHALLENGE
    hogs = [nobody(still), nobody(still)]
    serials = []
    for bus in hogs:
        serials.append([bus.begin(sim.device, f"{NAME}.Dms", "GetIds", "a{sv}", {}, interactive=True) for _ in range(100)])
        polkit.wait(lambda p: sum(not q.interactive for q in p.questions) == 100 * len(serials))
        # Behind this, the last answer has been dealt with.
        assert failure(bus.call, sim.device, DEVICE, "Cancel", "ssa{sv}", "dms", "get-model", {}).text
    polkit.wait(lambda p: len(p.held) == 16)
    other = connect_as(1, still.bus.address)
    still.connections.append(other)
    polkit.decide = lambda q: YES
    assert other.qmi(sim.device, "Dms", "GetIds")["imei"]
    assert len(polkit.held) == 16
    # Who leaves makes way for those that wait.
    hogs[0].close()
    for serial in serials[1]:
        assert hogs[1].end(serial)["imei"]
    assert len(polkit.held) == len(polkit.cancelled) == 16


# ---- other doors


def open_client(bus, device, **options):
    return bus.call(device, DEVICE, "OpenClient", "sa{sv}", "nas", options)


def doors(bus, sim, client):
    device = sim.device
    return [
        ("org.qmid1.raw", "nas", "0x004f", lambda: bus.call(device, DEVICE, "Call", "sqa(yay)a{sv}", "nas", 0x4f, [], {})),
        ("org.qmid1.raw", "", "OpenTrace", lambda: bus.call(device, DEVICE, "OpenTrace", "a{sv}", {})),
        ("org.qmid1.raw", "nas", "OpenSocket", lambda: bus.call(client, CLIENT, "OpenSocket", "a{sv}", {})),
        ("org.qmid1.identity", "dms", "get-ids",
         lambda: bus.call(device, DEVICE, "Request", "ssa{sv}a{sv}", "dms", "GetIds", {}, {})),
        ("org.qmid1.configuration", "", "Inhibit", lambda: bus.call(device, DEVICE, "Inhibit", "sa{sv}", "test", {}))]


def test_doors(still, polkit):
    [sim] = still.sims
    bus = nobody(still)
    client = open_client(bus, sim.device)
    asked = sim.count("nas.get-signal-info"), sim.count("dms.get-ids")
    for action, service, message, f in doors(bus, sim, client):
        polkit.decide = lambda q: NO
        error = failure(f)
        assert error.name == DENIED and f"access class {action.rpartition('.')[2]} " in error.text
        [question] = polkit.take()
        assert (question.action, question.service, question.message) == (action, service, message)
    assert (sim.count("nas.get-signal-info"), sim.count("dms.get-ids")) == asked
    assert bus.get(sim.device, DEVICE, "State") == "ready"
    polkit.decide = lambda q: YES
    bus.qmi(client, "Nas", "GetDrx")
    bus.call(client, CLIENT, "Release", "a{sv}", {})
    assert polkit.take() == []
    client = open_client(bus, sim.device)
    for *_, f in doors(bus, sim, client):
        f()


def test_the_link_layer_is_configuration(still, polkit):
    [sim] = still.sims
    bus = nobody(still)
    for decision, name in ((NO, DENIED), (YES, "org.qmid1.Error.LinkLayer")):     # a port without an interface
        polkit.decide = lambda q, decision=decision: decision
        assert failure(bus.call, sim.device, DEVICE, "SetLinkLayer", "sa{sv}", "qmap", {}).name == name
        [question] = polkit.take()
        assert (question.action, question.message) == ("org.qmid1.configuration", "SetLinkLayer")
    error = failure(bus.call, sim.device, DEVICE, "SetLinkLayer", "sa{sv}", "slip", {})
    assert error.name == "org.qmid1.Error.InvalidArgument" and error.text.startswith("mode: ")


def test_finding_by_imei(world, polkit):
    """Who may not know it cannot find out by trying, either."""
    world.directory.chmod(0o755)
    sims = [world.sim(), world.sim(overrides={"dms.get-ids.imei": "355000000000017"})]
    world.start_daemon()
    root, bus = world.connect(), nobody(world)
    for sim in sims:    # the IMEI is the last thing that the daemon asks of a modem
        sim.wait_count("dms.get-ids", 1)
        root.qmi(sim.device, "Dms", "GetModel")

    def find(b, name):
        return b.call(ROOT, f"{NAME}.Manager", "FindDevice", "sa{sv}", name, {})

    imeis = ("004999010640000", "355000000000017", "004999010640001")
    errors = {failure(find, bus, imei).text for imei in imeis}
    assert errors == {"FindDevice: needs access class identity (who the subscriber is); polkit denies it to you"}
    assert {(q.action, q.service, q.message) for q in polkit.take()} == {("org.qmid1.identity", "", "FindDevice")}
    assert find(bus, sims[0].device) == sims[0].device
    assert polkit.take() == []
    polkit.decide = lambda q: YES
    for b in (bus, root):
        assert [find(b, imei) for imei in imeis[:2]] == [sim.device for sim in sims]
        error = failure(find, b, imeis[2])
        assert error.name == f"{NAME}.Error.NoSuchDevice" and imeis[2] not in error.text
    assert {q.device for q in polkit.take()} == {sim.device.rpartition("/")[2] for sim in sims}


def test_an_unmasked_trace_shows_what_others_send(still, polkit):
    [sim] = still.sims
    bus = nobody(still)
    polkit.decide = lambda q: YES if q.action == "org.qmid1.raw" else NO
    bus.call(sim.device, DEVICE, "OpenTrace", "a{sv}", {})
    error = failure(bus.call, sim.device, DEVICE, "OpenTrace", "a{sv}", {"unmasked": True})
    assert error.name == DENIED and "access class clients " in error.text
    polkit.decide = lambda q: YES
    bus.call(sim.device, DEVICE, "OpenTrace", "a{sv}", {"unmasked": True})


def test_logging_is_for_root(still, polkit):
    polkit.decide = lambda q: YES
    error = failure(nobody(still).call, "/org/freedesktop/LogControl1", "org.freedesktop.DBus.Properties", "Set", "ssv",
                    "org.freedesktop.LogControl1", "LogLevel", "debug")
    assert error.name == DENIED


def test_clients_of_others(still, polkit):
    """One that is nobody's is for who made it, for uid 0, and for those who pass class clients."""
    [sim] = still.sims
    with still.connect() as maker:
        client = open_client(maker, sim.device, persist=True)
    still.connect().wait_property(client, CLIENT, "Owner", "")
    bus = nobody(still)
    calls = {"get-drx": lambda: bus.qmi(client, "Nas", "GetDrx"),
             "Claim": lambda: bus.call(client, CLIENT, "Claim", "a{sv}", {}),
             "Release": lambda: bus.call(client, CLIENT, "Release", "a{sv}", {})}
    for message, f in calls.items():
        error = failure(f)
        assert error.name == DENIED and "access class clients (" in error.text
        [question] = polkit.take()
        assert (question.action, question.service, question.message) == ("org.qmid1.clients", "nas", message)
    polkit.decide = lambda q: YES
    for f in calls.values():
        f()


def test_the_list_of_clients(still, polkit):
    """What others hold is there, and not whose it is; it is no error, and nobody is asked for a password."""
    [sim] = still.sims
    mine, other = nobody(still), still.connect()
    open_client(other, sim.device)
    path = open_client(mine, sim.device)
    polkit.decide = lambda q: CHALLENGE
    serial = mine.begin(sim.device, DEVICE, "ListClients", "a{sv}", {}, interactive=True)
    listed = mine.end(serial)
    [own] = [c for c in listed if c.get("path") == path]
    assert own["owner"] == mine.unique_name and own["program"] and "withheld" not in own
    others = [c for c in listed if c.get("path") != path]
    assert others
    for c in others:
        assert {"owner", "program", "requests", "since", "pending"} <= set(c["withheld"])
        assert not set(c) & set(c["withheld"]) and "client_id" in c
    assert [q.interactive for q in polkit.take()] == [False]
    polkit.changed()
    polkit.decide = lambda q: YES
    listed = mine.call(sim.device, DEVICE, "ListClients", "a{sv}", {})
    assert {c["owner"] for c in listed} >= {mine.unique_name, other.unique_name}
    assert not any("withheld" in c for c in listed)


# ---- signals of who is not who he says


def forge(bus, destination, path, interface, member, signature, body):
    """A signal that the bus passes on to one connection, whoever sends it."""
    message = new_signal(DBusAddress(path, interface=interface), member, signature, body)
    message.header.fields[HeaderFields.destination] = destination
    bus.connection.send(message)


def test_forged_signals(each_world):
    """Everybody may send a signal to a connection, and the bus library does not look who it is from."""
    each_world.directory.chmod(0o755)
    sim = each_world.sim()
    each_world.start_daemon(options=["--log-level=debug"])
    root, bus = each_world.connect(), nobody(each_world)
    client = open_client(root, sim.device)
    with Polkit(each_world.bus.address, lambda q: YES) as polkit:
        bus.qmi(sim.device, "Dms", "GetIds")
        [_] = polkit.take()
        owner_changed = ("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged", "sss")
        for signal in ((*owner_changed, (root.unique_name, root.unique_name, "")),
                       (*owner_changed, ("org.freedesktop.PolicyKit1", ":1.1", "")),
                       (*owner_changed, ("org.freedesktop.ModemManager1", "", bus.unique_name)),
                       ("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameLost", "s", (NAME,)),
                       ("/org/freedesktop/login1", "org.freedesktop.login1.Manager", "PrepareForSleep", "b", (True,)),
                       ("/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority", "Changed", None,
                        ())):
            for destination in (NAME, bus.bus_call("GetNameOwner", "s", NAME)):
                forge(bus, destination, *signal)
        bus.qmi(sim.device, "Dms", "GetIds")
        assert polkit.take() == []
    assert root.get(client, CLIENT, "Owner") == root.unique_name
    assert root.get(sim.device, DEVICE, "State") == "ready"
    assert not any(line in each_world.daemon.output() for line in ("ModemManager runs", "The machine goes to sleep"))


# ---- what is withheld


FIELDS = list(restricted(lambda m: m.response))


def value_at(result, key):
    """Whether there is something under "a.b", in any element of an array."""
    first, _, rest = key.partition(".")
    if isinstance(result, list):
        return any(value_at(r, key) for r in result)
    if not isinstance(result, dict) or first not in result:
        return False
    return value_at(result[first], rest) if rest else True


def give(sim, s, m, tlv, given):
    """The modem answers with that TLV; `given`: those that it has been told of."""
    key = f"raw.0x{s.id:02x}.0x{m.id:04x}.0x{tlv.id:02x}"
    if key not in given:
        given.add(key)
        sim.set(key, schema_values.tlv_bytes(tlv))


def check_seen(result, key, granted):
    assert value_at(result, key) == granted, (key, result)
    assert (key in result.get("withheld", [])) != granted, (key, result)
    assert "unknown_tlvs" not in result, result


@pytest.mark.parametrize("granted", [True, False])
def test_fields(bed, polkit, granted):
    """Directly, at both doors; also to one who joined another's query, and in an indication."""
    bed.start_daemon()
    [sim] = bed.sims
    device = sim.device
    fields = [f for f in FIELDS if not f[1].indication]
    assert len(fields) > 20
    bus = nobody(bed)
    paths = clients_of(bus, device)
    given = set()
    polkit.decide = lambda q: YES
    sim.set("wds.start-network.packet-data-handle", 1)
    bus.qmi(paths["wds"], "Wds", "StartNetwork")  # without it, the modem has nothing to tell of it
    for s, m, tlv, key, access in fields:
        polkit.changed()
        polkit.decide = lambda q: YES if granted or q.action == f"org.qmid1.{m.access}" else NO
        give(sim, s, m, tlv, given)
        path = paths[s.name] if m.kind == "session" else device
        request = schema_values.request(m)
        check_seen(bus.qmi(path, camel(s.name), camel(m.name), request), key, granted)
        assert f"org.qmid1.{access}" in {q.action for q in polkit.take()}
        if path == device:
            result, dict_ = bus.call(device, DEVICE, "Request", "ssa{sv}a{sv}", s.name, m.name, request, {})
            assert result == "success"
            check_seen(dict_, key, granted)
            # What is known is not asked for again, yes or no.
            assert polkit.take() == []


def test_fields_when_joined(bed, polkit):
    """What one may see has nothing to do with whose question it was."""
    bed.start_daemon()
    [sim] = bed.sims
    queries = [f for f in FIELDS if not f[1].indication and f[1].kind == "query"]
    assert queries
    root, bus, given = bed.connect(), nobody(bed), set()
    for s, m, tlv, key, access in queries:
        polkit.decide = lambda q: YES if q.action == f"org.qmid1.{m.access}" else NO
        give(sim, s, m, tlv, given)
        call = (sim.device, DEVICE, "Request", "ssa{sv}a{sv}", s.name, m.name, schema_values.request(m), {"timeout": 600})
        # Polkit was asked about the message, so that the next call does not wait for it.
        assert bus.call(*call)[0] == "success"
        name = f"{s.name}.{m.name}"
        asked = sim.count(name)
        # It is answered by hand, and only once.
        sim.command(f"delay 1000000 {name}")
        serials = root.begin(*call), bus.begin(*call)
        root.settle(sim.device)
        bus.settle(sim.device)
        sim.wait_count(name, asked + 1)
        last = sim.last_request(name)
        frame = pack(Message(s.id, last["client"], "response", last["transaction"], m.id,
                             [(0x02, bytes(4)), (tlv.id, schema_values.tlv_bytes(tlv))]), flags=0x80)
        sim.command(f"raw-send {frame.hex()}")
        for b, serial, granted in ((root, serials[0], True), (bus, serials[1], False)):
            result, seen = b.end(serial)
            assert result == "success"
            check_seen(seen, key, granted)
        assert sim.count(name) == asked + 1
        sim.command(f"delay 0 {name}")


def send_indication(sim, s, m, tlvs):
    frame = pack(Message(s.id, 0xff, "indication", 0, m.id, tlvs), flags=0x80)
    sim.command(f"raw-send {frame.hex()}")


INDICATIONS = [(s, m) for s in SERVICES for m in s.indications.values()]


@pytest.mark.parametrize("granted", [True, False])
def test_indications(bed, polkit, granted):
    """Every one: of a class that its owner does not have it does not come, and without the fields of such a class."""
    bed.start_daemon()
    [sim] = bed.sims
    bus = nobody(bed)
    bus.add_match(f"type='signal',sender='{NAME}'")
    clients = {s.name: bus.call(sim.device, DEVICE, "OpenClient", "sa{sv}", s.name, {}) for s in SERVICES}
    polkit.decide = lambda q: YES if granted else NO
    nas = next(s for s in SERVICES if s.name == "nas")
    mark = next(i for i in nas.indications.values()
                if i.access == "status" and not list(schema_values.fields(i.response, i.access)))
    for s, m in INDICATIONS:
        if s.vendor or m.vendor:
            continue
        found = [(key, tlv) for key, tlv, _ in schema_values.fields(m.response, m.access)]
        by_id = {tlv.id: tlv for _, tlv in found}
        send_indication(sim, s, m, [(i, schema_values.tlv_bytes(t)) for i, t in by_id.items()])
        if granted or m.access == "status":
            signal = bus.wait_signal(camel(m.name), path=clients[s.name], interface=f"{NAME}.{camel(s.name)}")
            [content] = signal.args
            for key, _ in found:
                check_seen(content, key, granted)
        else:
            polkit.wait(lambda p: any((q.service, q.message) == (s.name, m.name) for q in p.questions))
            # Behind it comes one that everybody sees; of another service, it may even overtake.
            send_indication(sim, nas, mark, [])
            bus.wait_signal(camel(mark.name), path=clients["nas"])
            assert not [x for x in bus.take_signals() if x.path == clients[s.name] and x.member == camel(m.name)]
    others = {q.action for q in polkit.take()}
    assert "org.qmid1.location" in others and "org.qmid1.status" not in others


def test_indications_keep_their_order(still, polkit):
    """One that waits for polkit holds those behind it back."""
    [sim] = still.sims
    bus = nobody(still)
    bus.add_match(f"type='signal',sender='{NAME}'")
    polkit.decide = lambda q: SILENT
    bus.qmi(sim.device, "Nas", "RegisterIndications", {"signal_info": True, "serving_system": True})
    sim.send("nas", "serving-system")
    polkit.wait(lambda p: p.questions)
    sim.send("nas", "signal-info")
    sim.send("nas", "signal-info", lte__rsrp=-90)
    polkit.decide = lambda q: NO
    polkit.release(NO)
    seen = [bus.wait_signal("ServingSystem"), bus.wait_signal("SignalInfo"), bus.wait_signal("SignalInfo")]
    assert "cell_id" in seen[0].args[0]["withheld"]
    assert [s.args[0]["lte"]["rsrp"] for s in seen[1:]] == [-95, -90]


def test_too_many_indications(still, polkit):
    """Those for which there is no room while polkit thinks are counted."""
    [sim] = still.sims
    bus = nobody(still)
    bus.add_match(f"type='signal',sender='{NAME}'")
    polkit.decide = lambda q: SILENT
    bus.qmi(sim.device, "Nas", "RegisterIndications", {"serving_system": True})
    room = 512
    for _ in range(room + 6):
        sim.send("nas", "serving-system")
    still.connect().qmi(sim.device, "Nas", "GetDrx")   # behind the answer, all have come
    polkit.decide = lambda q: NO
    polkit.release(NO)
    for _ in range(room):
        bus.wait_signal("ServingSystem")
    [client] = [c for c in bus.call(sim.device, DEVICE, "ListClients", "a{sv}", {}) if c.get("lost_indications")]
    assert client["lost_indications"] == 6


@pytest.mark.parametrize("granted", [True, False])
def test_what_the_schema_does_not_know(still, polkit, granted):
    """May be anything, and is of class raw."""
    [sim] = still.sims
    bus = nobody(still)
    bus.add_match(f"type='signal',sender='{NAME}'")
    polkit.decide = lambda q: YES if granted else NO
    sim.set("raw.0x03.0x004f.0xfe", b"\1\2")
    seen = bus.qmi(sim.device, "Nas", "GetSignalInfo")
    assert seen["lte"]["rsrp"] == -95
    assert ("unknown_tlvs" in seen) == granted and ("unknown_tlvs" in seen.get("withheld", [])) != granted
    [question] = polkit.take()
    assert (question.action, question.message) == ("org.qmid1.raw", "get-signal-info")

    bus.qmi(sim.device, "Nas", "RegisterIndications", {"signal_info": True})
    sim.command("raw-send " + pack(Message(3, 0xff, "indication", 0, 0x7fff, [(1, b"x")]), flags=0x80).hex())
    sim.send("nas", "signal-info")
    if granted:
        assert bus.wait_signal("RawIndication").args == ("nas", 0x7fff, [(1, b"x")])
    bus.wait_signal("SignalInfo")
    assert not [s for s in bus.take_signals() if s.member == "RawIndication"]
    assert ("org.qmid1.raw", "nas", "0x7fff") in {(q.action, q.service, q.message) for q in polkit.take()}


def test_results_that_come_by_indication(bed, polkit):
    """The answer is merged from both, and so is what is withheld."""
    bed.start_daemon()
    [sim] = bed.sims
    results = [(s, m, s.indications[m.result]) for s, m in MESSAGES if m.result]
    found = [(s, m, r, key, tlv) for s, m, r in results for key, tlv, _ in schema_values.fields(r.response, r.access)]
    assert found
    bus = nobody(bed)
    for s, m, r, key, tlv in found:
        for granted in (True, False):
            polkit.changed()
            polkit.decide = lambda q: YES if granted or q.action == f"org.qmid1.{m.access}" else NO
            sim.set(f"raw.0x{s.id:02x}.0x{m.id:04x}.0xfd", b"")
            before = sim.count(f"{s.name}.{m.name}")
            serial = bus.begin(sim.device, f"{NAME}.{camel(s.name)}", camel(m.name), "a{sv}", schema_values.request(m))
            sim.wait_count(f"{s.name}.{m.name}", before + 1)
            send_indication(sim, s, r, [(tlv.id, schema_values.tlv_bytes(tlv)), (0x01, bytes(4))])
            seen = bus.end(serial)
            assert value_at(seen, key) == granted, seen
            assert (key in seen.get("withheld", [])) != granted
            assert ("unknown_tlvs" in seen) == granted


def test_fields_of_requests(bed, polkit):
    """Who gives the modem what is of a stricter class must have that class."""
    bed.start_daemon()
    [sim] = bed.sims
    found = list((s, m, key, tlv, access) for s, m, tlv, key, access in restricted(lambda m: m.request))
    assert found
    bus = nobody(bed)
    for s, m, key, tlv, access in found:
        request = schema_values.request(m) | {snake(tlv.key()): schema_values.value(tlv.field.type)}
        asked = sim.count(f"{s.name}.{m.name}")
        polkit.changed()
        polkit.decide = lambda q: YES if q.action == f"org.qmid1.{m.access}" else NO
        error = failure(bus.qmi, sim.device, camel(s.name), camel(m.name), request)
        assert error.name == DENIED and f"access class {access} " in error.text
        assert sim.count(f"{s.name}.{m.name}") == asked
        polkit.decide = lambda q: YES
        assert failure(bus.qmi, sim.device, camel(s.name), camel(m.name), request).name not in (DENIED, INTERACTIVE)
        assert sim.count(f"{s.name}.{m.name}") == asked + 1


def test_errors_tell_nothing(still, polkit):
    """A failed answer shows numbers, but none of a class of its own, whoever asks."""
    [sim] = still.sims
    sim.set("nas.get-serving-system.!error", "internal")
    sim.set("raw.0x03.0x0024.0x1e", (0xbeef).to_bytes(4, "little"))
    for bus in (nobody(still), still.connect()):
        error = failure(bus.qmi, sim.device, "Nas", "GetServingSystem")
        assert error.name == f"{NAME}.Error.Qmi.Internal" and str(0xbeef) not in error.text


def test_the_holders_of_ids(world, polkit):
    """Who cannot have an id is told who has them, but not who others are."""
    world.directory.chmod(0o755)
    sim = world.sim(scenario="tiny-pool")
    world.start_daemon()
    root, bus = world.connect(), nobody(world)
    held = []
    with pytest.raises(DBusError) as first:
        while True:
            held.append(open_client(root, sim.device))
    assert held and root.unique_name in first.value.text
    error = failure(open_client, bus, sim.device)
    assert root.unique_name not in error.text and "others" in error.text
