# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everything at once, in an order that the seed decides."""

import signal
import time

from bed import CLIENT, DEVICE, HEAP_SLACK, NO_REPLY, Bed, Victim
from case import case

ALLOWED = ("Timeout", "DeviceGone", "NotReady", "LimitsExceeded", "Qmi.ClientIdsExhausted", NO_REPLY)
# Not those of CTL: an id whose number was lost for good is leaked for good.
MESSAGES = ("uim.send-apdu", "uim.read-transparent", "nas.get-signal-info", "uim.refresh-register-all")
ANSWERS = ("lose", "late", "duplicate", "truncate", "garble", "wrong-client", "wrong-transaction", "bad-length", "noise")


def strike_answers(bed, random):
    kind, message = random.choice(ANSWERS), random.choice(MESSAGES)
    bed.sim.command(f"{kind} {random.randint(1, 30)} {message} every {random.randint(2, 40)} "
                    f"by {random.choice((5, 50, 500, 2000))}")


def swallow_requests(bed, random):
    bed.sim.command(f"drop {random.randint(1, 10)} every {random.randint(2, 40)}")


def slow(bed, random):
    bed.sim.command(f"delay {random.choice((0, 1, 20, 100))}")


def reset(bed, random):
    for _ in range(random.choice((1, 1, 1, 5))):
        bed.sim.command("reset")


def unplug(bed, random):
    bed.sim.command("hangup")
    if random.random() < 0.5:
        bed.sim.command("reset")  # it was without power
    bed.sim.command("listen")


def silence(bed, random):
    bed.sim.command("silent on")
    time.sleep(random.uniform(0.1, 2))
    bed.sim.command("silent off")


def kill_caller(bed, random):
    """At whichever point it is by then."""
    device = bed.sim.device

    def act(bus, tell):
        tell("begins")
        client = bus.call(device, DEVICE, "OpenClient", "sa{sv}", "wds", {"persist": False})
        bus.qmi(client, "Wds", "SetIpFamily", {"ip_family": "ipv4"})
        bus.qmi(client, "Wds", "StartNetwork")
        bus.qmi(device, "Nas", "NetworkScan")
        bus.call(client, CLIENT, "Release", "a{sv}", {})

    victim = Victim(bed, act)
    victim.hear_anything()
    time.sleep(random.uniform(0, 0.05))
    victim.kill()


def flood(bed, random):
    for _ in range(random.randint(1, 500)):
        bed.sim.send("uim", "refresh", "all", event__session__aid=b"\xfe" + b"\xff" * 11)


def crash(bed, random):
    bed.crash(random.choice((signal.SIGKILL, signal.SIGABRT)))


def restart(bed, random):
    bed.restart()


ACTS = (strike_answers, strike_answers, strike_answers, swallow_requests, slow, reset, unplug, silence, kill_caller,
        kill_caller, flood, crash, restart)


@case("all of it, by chance")
def chance(scale):
    random, seconds = scale.random, 60 if scale.soak else scale.of(12, 120)
    with Bed(scale.directory, keep=True) as bed, \
            bed.callers(n=20, rate=300, timeout=1, mix="same:2,echo:4,own:4,open:1") as callers:
        # The answer that has the number of a client id must not get lost, in an unplugging between.
        bed.sim.command("delay 0 ctl.allocate-client-id")

        def all_of_it(seconds):
            deadline = time.monotonic() + seconds
            callers.start()
            while time.monotonic() < deadline:
                act = random.choice(ACTS)
                bed.note(act.__name__)
                act(bed, random)
                bed.row.injected += 1
                time.sleep(random.uniform(0, 0.3))
            # Peace: all that is left must find its way back.
            bed.sim.command("delay 0")
            for kind in (*ANSWERS, "drop"):
                bed.sim.command(f"{kind} 0")
            answered = callers.report()["answered"]
            callers.wait(lambda r: r["answered"] > answered + 500 and r["registered"] == callers.n)
            report = callers.stop()
            bed.wait_ready()
            return report

        all_of_it(3)
        bed.baseline()
        report = all_of_it(seconds)
        bed.compare(slack=4 * HEAP_SLACK)
        bed.count(report, *ALLOWED)
        bed.broadcast(callers, report)
        started, stopped = bed.sim.count("wds.start-network"), bed.sim.count("wds.stop-network")
        bed.seen.update(started=started, stopped=stopped)
        return bed.row
