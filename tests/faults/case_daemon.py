# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon itself ends, well or not, and so does the bus."""

import signal

from bed import CLIENT, DEVICE, NO_REPLY, Bed
from case import case
from socket_client import Socket


class Keeper:
    """A caller that holds a client with a registration, a persistent one, and a socket; none of them may change."""

    def __init__(self, bed):
        self.bed, self.bus = bed, bed.world.connect()
        self.own, self.persistent, self.raw = (self._open(s, o) for s, o in
                                               (("nas", {}), ("dms", {"persist": True}), ("uim", {})))
        self.bus.qmi(self.own, "Nas", "RegisterIndications", {"signal_info": True})
        self.socket = Socket(self.bus, self.raw)
        self.before = self._ids()
        self.n = 0

    def _open(self, service, options):
        return self.bus.call(self.bed.sim.device, DEVICE, "OpenClient", "sa{sv}", service, options)

    def _ids(self):
        return [(self.bus.get(c, CLIENT, "ClientId"), self.bus.get(c, CLIENT, "Owner"))
                for c in (self.own, self.persistent, self.raw)]

    def check(self):
        bed = self.bed
        bed.check(bed.ask(self._ids) == self.before, "a client has another id or owner than before")
        bed.ask(lambda: self.bus.qmi(self.own, "Nas", "GetSignalInfo"))
        bed.ask(lambda: self.bus.qmi(self.persistent, "Dms", "GetModel"))
        self.n += 1
        apdu = self.n.to_bytes(8, "big")
        bed.check(bed.ask(lambda: self.socket.ask_apdu(self.n, apdu)) == apdu, "the socket gave another's answer")
        bed.sim.send("nas", "signal-info", self.before[0][0])
        bed.ask(lambda: self.bus.wait_signal("SignalInfo", path=self.own))


def again(scale, end, allowed):
    """The daemon ends, 20 times, under 1,000 requests a second of 50 callers."""
    with Bed(scale.directory, keep=True) as bed, bed.callers(n=50, rate=1000) as callers:
        keeper = Keeper(bed)
        callers.start()
        callers.wait(lambda r: r["registered"] == callers.n)

        def ends(n):
            for _ in range(n):
                before = callers.report()["answered"]
                end(bed, bed.row.injected)
                callers.wait(lambda r: r["answered"] > before + scale.random.randint(100, 500))
                keeper.check()
                bed.row.injected += 1

        ends(2)
        callers.stop()
        bed.baseline()
        callers.start()
        ends(scale.of(20, 100))
        report = callers.stop()
        bed.compare()
        bed.count(report, *allowed)
        bed.check(report["ended"] == 0 and report["replaced"] == 0, "clients have ended, or were replaced")
        bed.broadcast(callers, report)
        return bed.row


@case("qmid restarted, under 1,000 requests a second")
def restarted(scale):
    return again(scale, lambda bed, n: bed.restart(), ())


@case("qmid killed, under 1,000 requests a second")
def killed(scale):
    """By kill -9, or as a watchdog does it."""
    return again(scale, lambda bed, n: bed.crash(signal.SIGABRT if n % 2 else signal.SIGKILL), (NO_REPLY,))


@case("the bus restarted")
def bus_restarted(scale):
    """Nothing that belonged to a connection is anybody's afterwards; what is to outlive its owner has none."""
    with Bed(scale.directory, keep=True) as bed, bed.callers(n=10, rate=300) as callers:
        bed.n_same = 0
        callers.start()

        def restart(n):
            for _ in range(n):
                callers.wait(lambda r: r["registered"] == callers.n)
                n_connections = callers.stop()["connections"]
                keeper = Keeper(bed)
                names = {bus.unique_name for bus in bed.world.connections}
                persistent = keeper.persistent
                bed.restart_bus()
                # Until then they count as registered with the bus that is gone.
                callers.wait(lambda r: r["connections"] == n_connections + callers.n)
                # The same names are given again, to others.
                newcomers = [bed.world.connect() for _ in range(20)]
                bed.n_same += len(names & {bus.unique_name for bus in newcomers})
                bed.settle()
                owners = {c["owner"] for c in bed.bus.call(bed.sim.device, DEVICE, "ListClients", "a{sv}", {})}
                bed.row.overheard += len(owners - {"qmid", ""})
                bed.check(owners <= {"qmid", ""}, f"something belongs to {owners}")
                bed.sim.send("nas", "signal-info", "all")
                bed.row.overheard += sum(len([s for s in bus.take_signals() if s.path.startswith("/org/qmid1/device")])
                                         for bus in newcomers)
                bed.check(bed.ask(lambda: bed.bus.get(persistent, CLIENT, "Owner")) == "", "it still has an owner")
                bed.ask(lambda: bed.bus.qmi(persistent, "Dms", "GetModel"))
                bed.ask(lambda: bed.bus.call(persistent, CLIENT, "Release", "a{sv}", {}))
                for bus in newcomers:
                    bus.close()
                callers.start()
                bed.row.injected += 1

        restart(2)
        callers.wait(lambda r: r["registered"] == callers.n)
        callers.stop()
        bed.baseline()
        callers.start()
        restart(scale.of(5, 50))
        callers.wait(lambda r: r["registered"] == callers.n)
        report = callers.stop()
        bed.compare()
        bed.count(report, NO_REPLY)
        bed.broadcast(callers, report)
        bed.check(bed.n_same > 0, "no name came again")
        return bed.row


@case("saved state damaged")
def damaged(scale):
    """What cannot be read gives nobody anything, and costs no client id."""
    with Bed(scale.directory, keep=True) as bed:

        def restart(n):
            for _ in range(n):
                keeper = Keeper(bed)
                bed.world.end_daemon()
                with bed.world.store.state() as state:
                    damage(scale.random, state)
                bed.world.again()
                bed.settle()
                owners = {c["owner"] for c in bed.bus.call(bed.sim.device, DEVICE, "ListClients", "a{sv}", {})}
                bed.check(owners <= {"qmid"}, f"something belongs to {owners}")
                bed.refused(lambda: keeper.bus.qmi(keeper.own, "Nas", "GetSignalInfo"), "NoSuchDevice",
                            "org.freedesktop.DBus.Error.UnknownObject")
                bed.ask(lambda: bed.bus.qmi(bed.sim.device, "Nas", "GetSignalInfo"))
                keeper.bus.close()
                bed.row.injected += 1

        restart(2)
        bed.baseline()
        restart(scale.of(20, 200))
        bed.compare()
        return bed.row


def damage(random, state):
    """All of it, or its beginning, or its end: less might strike what is not used any more, and rightly go unnoticed."""
    begin, end = random.choice(((0, len(state)), (0, 64), (32, len(state))))
    state[begin:end] = random.randbytes(end - begin)
