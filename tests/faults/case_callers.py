# SPDX-License-Identifier: LGPL-2.1-or-later
"""Callers that are killed, that want what is another's, that do not read."""

import os
import resource

from bed import BOUND, CLIENT, DEVICE, HEAP_SLACK, Bed, Victim, eventually
from case import case
from socket_client import Socket

GET_SIGNAL_INFO = 0x004F

# ---- killed at each step of allocate, request, release


def open_client(bus, device, service="wds"):
    return bus.call(device, DEVICE, "OpenClient", "sa{sv}", service, {})


def killed(scale, act, when, prepare=(), begun=None, ended=None):
    """`act(bus, device, tell)` is what the victim does; `when(bed, victim, n)` returns when it is to be killed the
    n-th time. For each message `begun` the modem must see one `ended`. Others go on asking, and notice nothing."""
    with Bed(scale.directory) as bed, bed.callers(n=10, rate=500, mix="same,echo,own") as callers:
        device = bed.sim.device
        for line in prepare:
            bed.sim.command(line)
        callers.start()
        callers.wait(lambda r: r["registered"] == callers.n)
        bed.n = 0

        def kill(n):
            for _ in range(n):
                bed.n += 1
                bed.n_allocated = bed.sim.count("ctl.allocate-client-id")
                victim = Victim(bed, lambda bus, tell: act(bus, device, tell))
                when(bed, victim, bed.n)
                victim.kill()
                bed.row.injected += 1

        kill(3)
        callers.stop()
        bed.baseline()
        callers.start()
        kill(scale.of(20, 200))
        callers.wait(lambda r: r["requests"] >= 1000)
        report = callers.stop()
        bed.compare()
        if begun:
            left = bed.sim.count(begun) - bed.sim.count(ended)
            bed.row.leaked += abs(left)
            bed.check(left == 0, f"{bed.sim.count(begun)} times {begun}, {bed.sim.count(ended)} times {ended}")
        bed.count(report)
        bed.broadcast(callers, report)
        return bed.row


@case("kill -9 of a caller: id being allocated")
def killed_allocating(scale):
    return killed(scale, lambda bus, device, tell: open_client(bus, device),
                  lambda bed, victim, n: bed.sim.wait_count("ctl.allocate-client-id", bed.n_allocated + 1),
                  ["delay 50 ctl.allocate-client-id"])


@case("kill -9 of a caller: id held")
def killed_holding(scale):
    def act(bus, device, tell):
        open_client(bus, device)
        tell("has it")

    return killed(scale, act, lambda bed, victim, n: victim.hear())


@case("kill -9 of a caller: request in flight")
def killed_asking(scale):
    def act(bus, device, tell):
        client = open_client(bus, device, "nas")
        bus.begin(client, "org.qmid1.Nas", "NetworkScan", "a{sv}", {})

    return killed(scale, act, lambda bed, victim, n: bed.sim.wait_count("nas.network-scan", n),
                  begun="nas.network-scan", ended="nas.abort")


def start_network(bus, device, tell):
    bus.begin(open_client(bus, device), "org.qmid1.Wds", "StartNetwork", "a{sv}", {})


@case("kill -9 of a caller: data call being started")
def killed_starting(scale):
    return killed(scale, start_network, lambda bed, victim, n: bed.sim.wait_count("wds.start-network", n),
                  ["delay 2000 wds.start-network"], "wds.start-network", "wds.abort")


@case("kill -9 of a caller: data call started behind its back")
def killed_too_late(scale):
    """It cannot be aborted any more; its success comes when nobody is there."""
    return killed(scale, start_network, lambda bed, victim, n: bed.sim.wait_count("wds.start-network", n),
                  ["delay 50 wds.start-network", 'set wds.abort.!error = "invalid-transaction-id"'],
                  "wds.start-network", "wds.stop-network")


@case("kill -9 of a caller: data call up")
def killed_started(scale):
    def act(bus, device, tell):
        bus.qmi(open_client(bus, device), "Wds", "StartNetwork")
        tell("is up")

    return killed(scale, act, lambda bed, victim, n: victim.hear(), (), "wds.start-network", "wds.stop-network")


@case("kill -9 of a caller: logical channel open")
def killed_channel(scale):
    def act(bus, device, tell):
        bus.qmi(open_client(bus, device, "uim"), "Uim", "OpenLogicalChannel", {"slot": 1})
        tell("is open")

    return killed(scale, act, lambda bed, victim, n: victim.hear(), (), "uim.open-logical-channel",
                  "uim.logical-channel")


@case("kill -9 of a caller: id being released")
def killed_releasing(scale):
    def act(bus, device, tell):
        client = open_client(bus, device)
        bus.begin(client, CLIENT, "Release", "a{sv}", {})

    return killed(scale, act, lambda bed, victim, n: bed.sim.wait_count("ctl.release-client-id", n),
                  ["delay 50 ctl.release-client-id"])


@case("kill -9 of 50 callers at once, asking")
def killed_all(scale):
    with Bed(scale.directory) as bed:

        def kill(n):
            for _ in range(n):
                with bed.callers(mix="same,echo,own,open") as callers:
                    callers.start()
                    callers.wait(lambda r: r["registered"] == callers.n)
                    report = callers.report()
                    bed.check(not report["errors"], f"{report['errors']}")
                    bed.row.overheard += report["foreign"]
                    callers.kill()
                    # What was under way has nobody to be answered to.
                    bed.row.requests += report["answered"]
                    bed.row.answered += report["answered"]
                    bed.row.injected += callers.n
                    bed.settle()

        kill(2)
        bed.baseline()
        kill(scale.of(4, 20))
        bed.compare()
        return bed.row


# ---- what is another's


@case("a caller wants what is another's")
def foreign(scale):
    """It uses, hears, releases, claims another's client, opens its socket, synchronises the modem."""
    with Bed(scale.directory) as bed:
        device, owner, other = bed.sim.device, bed.bus, bed.world.connect()
        other.add_match("type='signal',interface='org.qmid1.Nas'")
        other.add_match("type='signal',interface='org.qmid1.Client'")
        client = open_client(owner, device, "nas")
        ident = owner.get(client, CLIENT, "ClientId")
        owner.qmi(client, "Nas", "RegisterIndications", {"signal_info": True})
        syncs = bed.sim.count("ctl.sync")

        def attack(n):
            for _ in range(n):
                bed.refused(lambda: other.qmi(client, "Nas", "GetSignalInfo"), "NotOwner")
                bed.refused(lambda: other.qmi(client, "Nas", "RegisterIndications", {"signal_info": False}), "NotOwner")
                bed.refused(lambda: other.call(client, CLIENT, "Release", "a{sv}", {}), "NotOwner")
                bed.refused(lambda: other.call(client, CLIENT, "Claim", "a{sv}", {}), "NotOwner")
                bed.refused(lambda: other.call(client, CLIENT, "OpenSocket", "a{sv}", {}), "NotOwner")
                for service in ("ctl", "0x00"):
                    bed.refused(lambda: other.call(device, DEVICE, "Call", "sqa(yay)a{sv}", service, 0x0027, [], {}),
                                "NoSuchService", "InvalidArgument")
                    bed.refused(lambda: open_client(other, device, service), "NoSuchService", "InvalidArgument")
                bed.sim.send("nas", "signal-info", ident)
                owner.wait_signal("SignalInfo", path=client)
                heard = other.take_signals()
                bed.row.overheard += len([s for s in heard if s.path == client])
                bed.row.injected += 10
                bed.ask(lambda: owner.qmi(client, "Nas", "GetSignalInfo"))
            bed.check(bed.sim.count("ctl.sync") == syncs, "the modem was synchronised")
            bed.check(owner.get(client, CLIENT, "ClientId") == ident, "the client is another one")

        attack(3)
        bed.baseline()
        attack(scale.of(20, 500))
        bed.compare()
        return bed.row


@case("two callers with equal transactions")
def equal_transactions(scale):
    """The same serial numbers on the bus, at the same time, on clients of the same service; the answers differ."""
    with Bed(scale.directory) as bed:
        one, two = bed.world.connect(), bed.world.connect()
        clients = [open_client(bus, bed.sim.device, "uim") for bus in (one, two)]
        n = 0

        def ask(times):
            nonlocal n
            for _ in range(times):
                n += 1
                apdus = [b"one" + n.to_bytes(4, "big"), b"two" + n.to_bytes(4, "big")]
                serials = [bus.begin(client, "org.qmid1.Uim", "SendApdu", "a{sv}",
                                     {"slot": ("y", 1), "apdu": apdu})
                           for bus, client, apdu in zip((one, two), clients, apdus)]
                bed.check(serials[0] == serials[1], "the transactions are not equal")
                bed.row.injected += 1
                for bus, serial, apdu in zip((one, two), serials, apdus):
                    answer = bed.ask(lambda: bus.end(serial))
                    bed.row.overheard += answer is not None and answer.get("apdu") != apdu

        ask(20)
        bed.baseline()
        ask(scale.of(300, 5000))
        bed.compare()
        return bed.row


@case("two sockets with equal transactions")
def equal_socket_transactions(scale):
    """Two programs that bring their own codec count alike."""
    with Bed(scale.directory) as bed:
        callers = [bed.world.connect(), bed.world.connect()]
        sockets = [Socket(bus, open_client(bus, bed.sim.device, "uim")) for bus in callers]

        def ask(transactions):
            for n in transactions:
                apdus = [b"one" + n.to_bytes(4, "big"), b"two" + n.to_bytes(4, "big")]
                for s, apdu in zip(sockets, apdus):
                    s.send_apdu(n, apdu)
                bed.row.injected += 1
                for s, apdu in zip(sockets, apdus):
                    bed.row.overheard += bed.ask(lambda: s.receive_apdu(n)) != apdu

        ask(range(1, 21))
        bed.baseline()
        ask(range(21, 21 + scale.of(300, 5000)))
        bed.compare()
        return bed.row


# ---- limits


@case("50 callers at a modem with ten ids")
def ten_ids(scale):
    """Each wants one of its own. Who gets none is told; what all may do they can do meanwhile."""
    with Bed(scale.directory, pool=10) as bed, \
            bed.callers(n=50, rate=1000, window=1, mix="same:1,echo:1,open:1") as callers:
        bed.sim.command("delay 100 uim.read-transparent")

        def ask(n):
            before = callers.report()["requests"]
            callers.start()
            callers.wait(lambda r: r["requests"] >= before + n, bound=BOUND + n / 50)
            report = callers.stop()
            bed.row.injected = sum(report["errors"].values())
            return report

        ask(300)
        bed.baseline()
        report = ask(scale.of(3000, 30000))
        bed.compare()
        bed.count(report, "LimitsExceeded", "Qmi.ClientIdsExhausted")
        bed.check(bed.row.failed > 0, "the ids were never used up")
        return bed.row


@case("callers that never read")
def never_reads(scale):
    """One does not read its signals, another not its answers, a third not its trace, a fourth not its socket."""
    with Bed(scale.directory) as bed, bed.callers(n=10, rate=1000) as callers:
        device = bed.sim.device
        deaf, asking, tracing, raw = (bed.world.connect() for _ in range(4))
        deaf.qmi(device, "Nas", "RegisterIndications", {"signal_info": True})
        trace = tracing.call(device, DEVICE, "OpenTrace", "a{sv}", {})
        client = open_client(raw, device, "nas")
        raw.qmi(client, "Nas", "RegisterIndications", {"signal_info": True})
        mute = Socket(raw, client)
        for n in range(100):
            mute.send(n, GET_SIGNAL_INFO, [])
        callers.start()
        callers.wait(lambda r: r["registered"] == callers.n)

        def flood(n):
            for i in range(n):
                bed.sim.send("nas", "signal-info")
                if i % 20 == 0:
                    asking.begin(device, "org.qmid1.Nas", "GetSignalInfo", "a{sv}", {})
            bed.row.injected += n

        flood(scale.of(20000, 200000))
        callers.stop()
        bed.baseline()
        callers.start()
        flood(scale.of(20000, 200000))
        callers.wait(lambda r: r["requests"] >= 1000)
        bed.count(callers.stop())
        bed.compare(slack=scale.of(2, 16) * HEAP_SLACK)  # the queue to the bus keeps the size that it once had
        lost = raw.get(client, CLIENT, "LostIndications")
        bed.check(lost > 0, "the socket that nobody reads lost no indication")
        # It was not forgotten: what it asked is answered, in order, as soon as it reads.
        for n in range(100):
            bed.check(mute.receive()[0] == n, "a response on a socket is lost")
        del trace
        return bed.row


@case("no descriptor left")
def descriptors(scale):
    """The process has no more of them; then a caller has no more of its share."""
    with Bed(scale.directory) as bed, bed.callers(n=5, rate=500) as callers:
        device = bed.sim.device
        callers.start()

        def use_up(n):
            for _ in range(n):
                limits = resource.prlimit(bed.pid, resource.RLIMIT_NOFILE)
                resource.prlimit(bed.pid, resource.RLIMIT_NOFILE,
                                 (len(os.listdir(f"/proc/{bed.pid}/fd")), limits[1]))
                bus = bed.world.connect()
                bed.refused(lambda: bus.call(device, DEVICE, "OpenTrace", "a{sv}", {}), *NO_DESCRIPTOR)
                bed.row.injected += 1
                resource.prlimit(bed.pid, resource.RLIMIT_NOFILE, limits)
                # The share of a caller.
                traces = []
                while len(traces) < 100:
                    trace = bed.ask(lambda: bus.call(device, DEVICE, "OpenTrace", "a{sv}", {}), "LimitsExceeded")
                    if trace is None:
                        break
                    traces.append(trace)
                bed.check(0 < len(traces) < 100, f"a caller got {len(traces)} traces")
                bed.row.injected += 1
                del traces
                bus.close()
                eventually(lambda: len(os.listdir(f"/proc/{bed.pid}/fd")) <= bed.n_fds)

        bed.n_fds = len(os.listdir(f"/proc/{bed.pid}/fd"))
        use_up(2)
        callers.stop()
        bed.baseline()
        callers.start()
        use_up(scale.of(20, 200))
        callers.wait(lambda r: r["requests"] >= 1000)
        bed.count(callers.stop())
        bed.compare()
        return bed.row


NO_DESCRIPTOR = ("LimitsExceeded", "org.freedesktop.DBus.Error.LimitsExceeded",
                 "System.Error.EMFILE", "org.freedesktop.DBus.Error.NoMemory")
