# SPDX-License-Identifier: LGPL-2.1-or-later
"""A modem that answers badly, late, or not at all."""

from bed import DEVICE, HEAP_SLACK, Bed
from case import case

# A request that got no good answer says so in its own time; none is silently given another's.
NO_ANSWER = ("Timeout",)
TIMEOUT = 0.2
RESTING = 192  # bytes: the transaction id of a lost answer is not used again for minutes


def one_in(scale, command, n_th=20, allowed=NO_ANSWER, callers=50, options=""):
    """One answer in so many is struck, while callers ask. Where requests fail of it, a shorter time limit keeps the
    few that may be in flight from being all those that wait for nothing."""
    times, n_th = scale.of(60, 1000), scale.some(n_th, 5, 40)
    fault = command.split()[0]
    with Bed(scale.directory) as bed, \
            bed.callers(n=scale.some(callers, 1, 100), rate=400 if allowed else 1000, timeout=TIMEOUT if allowed else 10,
                        mix="same:2,echo:5,own:5") as callers:
        # Client ids and registrations are there before anything breaks.
        callers.start()
        callers.wait(lambda r: r["registered"] == callers.n)

        def strike(n):
            before = bed.sim.count(fault)
            bed.sim.command(f"{command} {n} every {n_th} {options}")
            bed.sim.wait_count(fault, before + n)
            bed.row.injected += n

        strike(times)
        callers.stop()
        bed.baseline()
        callers.start()
        strike(times)
        report = callers.stop()
        bed.compare(slack=HEAP_SLACK + (times * RESTING if allowed else 0))
        bed.count(report, *allowed)
        bed.broadcast(callers, report)
        callers.close()
        bed.settle()
        bed.check(not [c for c in bed.held()[0] if c[1] > 1], "ids are kept for callers that have left")
        return bed.row


@case("requests swallowed, 1 in 20")
def swallowed(scale):
    return one_in(scale, "drop")


@case("answers lost, 1 in 20")
def lost(scale):
    return one_in(scale, "lose")


@case("answers late, behind the deadline, 1 in 20")
def late(scale):
    return one_in(scale, "late", options=f"by {TIMEOUT * 1500:.0f}")


@case("answers reordered, 1 in 5")
def reordered(scale):
    """It comes behind those of several requests that were sent later."""
    return one_in(scale, "late", 5, (), options="by 30")


@case("answers twice, 1 in 20")
def duplicated(scale):
    return one_in(scale, "duplicate", allowed=())


@case("answers cut short, 1 in 20")
def truncated(scale):
    return one_in(scale, "truncate")


@case("answers with other bytes, 1 in 20")
def garbled(scale):
    return one_in(scale, "garble")


@case("answers for another client, 1 in 20")
def wrong_client(scale):
    """With 80 callers on one service, most of these clients are there and somebody else's."""
    return one_in(scale, "wrong-client", callers=80)


@case("answers for another transaction, 1 in 20")
def wrong_transaction(scale):
    return one_in(scale, "wrong-transaction")


@case("garbage between answers, 1 in 20")
def noise(scale):
    return one_in(scale, "noise")


@case("answers of a wrong length, 1 in 20")
def bad_length(scale):
    return one_in(scale, "bad-length")


@case("client ids given too late", slow=True)
def late_allocations(scale):
    """Who asked has been told so by then; the id goes back."""
    with Bed(scale.directory) as bed:

        def allocate(n):
            callers = [bed.world.connect() for _ in range(n)]
            before = bed.sim.count("ctl.allocate-client-id")
            bed.sim.command("late 100 ctl.allocate-client-id by 5500")  # what is asked of CTL has 5 s
            asked = [bus.begin(bed.sim.device, DEVICE, "OpenClient", "sa{sv}", "wms", {}) for bus in callers]
            for bus, serial in zip(callers, asked):
                bed.ask(lambda: bus.end(serial), "Timeout", "Qmi.ClientIdsExhausted")
                bed.row.injected += 1
            bed.sim.command("late 0")
            bed.check(bed.sim.count("ctl.allocate-client-id") > before, "nothing was allocated")
            bed.sim.wait_count("clients.wms", "=0" if not bed.has_own("wms") else "=1")

        allocate(4)
        bed.baseline()
        allocate(scale.of(4, 40))
        bed.compare()
        return bed.row


@case("the modem falls silent, and speaks again", slow=True)
def silent(scale):
    allowed = ("Timeout", "DeviceGone", "NotReady")
    with Bed(scale.directory) as bed, bed.callers(n=10, rate=200, timeout=0.5) as callers:
        callers.start()
        callers.wait(lambda r: r["registered"] == callers.n)

        def fall_silent(n):
            for _ in range(n):
                failed = sum(callers.report()["errors"].values())
                bed.sim.command("silent on")
                callers.wait(lambda r: sum(r["errors"].values()) > failed + scale.some(20, 1, 200))
                bed.sim.command("silent off")
                answered = callers.report()["answered"]
                callers.wait(lambda r: r["answered"] > answered + 100)
                bed.row.injected += 1
            bed.wait_ready()

        fall_silent(2)
        callers.stop()
        bed.baseline()
        callers.start()
        fall_silent(scale.of(3, 30))
        report = callers.stop()
        bed.compare(slack=HEAP_SLACK + 12 * 32 * RESTING)  # so many of each client's
        bed.count(report, *allowed)
        bed.broadcast(callers, report)
        return bed.row


@case("unplugged with 100 requests in flight")
def unplugged(scale):
    allowed = ("DeviceGone", "NotReady")
    with Bed(scale.directory) as bed, bed.callers(rate=2000, window=2, timeout=600, mix="echo,own") as callers:
        callers.start()
        callers.wait(lambda r: r["registered"] == callers.n)

        def unplug(n):
            for _ in range(n):
                bed.wait_ready()
                bed.sim.command("delay 600000")
                callers.wait(lambda r: r["pending"] >= 100)
                bed.sim.command("delay 0")
                bed.sim.command("hangup")
                callers.wait(lambda r: r["pending"] < 100)
                bed.sim.command("reset")  # it was without power
                bed.sim.command("listen")
                bed.row.injected += 1
            bed.wait_ready()

        unplug(2)
        callers.stop()
        bed.baseline()
        callers.start()
        unplug(scale.of(10, 100))
        bed.count(callers.stop(), *allowed)
        bed.compare()
        return bed.row


@case("reset every second, for a minute", slow=True)
def reset(scale):
    allowed = ("DeviceGone", "NotReady")
    with Bed(scale.directory) as bed, bed.callers(n=10, rate=200, timeout=2) as callers:
        callers.start()
        callers.wait(lambda r: r["registered"] == callers.n)

        def resets(n):
            for _ in range(n):
                bed.sim.command("reset")
                bed.row.injected += 1
                before = callers.report()["answered"]
                bed.wait_next_second()
                # How much of the second was left, the machine decides; but none is reset again without an answer.
                try:
                    callers.wait(lambda r: r["answered"] > before)
                except TimeoutError:
                    bed.check(False, "no answer between two resets")
            bed.wait_ready()

        resets(2)
        callers.stop()
        bed.baseline()
        callers.start()
        resets(scale.some(58, 5, 58))
        report = callers.stop()
        bed.compare()
        bed.count(report, *allowed)
        bed.broadcast(callers, report)
        return bed.row
