# SPDX-License-Identifier: LGPL-2.1-or-later
"""Data sessions as qmid makes them: what is asked for on the bus, what arrives, and what may not be left behind."""

import json
import os
import subprocess
import threading
import time

from data import FAMILIES, Pinger
from qmid import DEVICE, NAME, wait_gone, wait_ready
from udev import PATIENCE

DATA, SESSION = f"{NAME}.Data", f"{NAME}.Session"
# Somebody who is in none of the modem's networks: there is no way to him but a default route.
BEYOND = {4: "198.51.100.7", 6: "2001:db8:ffff::7"}


def sessions(bus):
    objects = bus.call("/org/qmid1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    return sorted(path for path, interfaces in objects.items() if SESSION in interfaces)


def ip_json(*words):
    done = subprocess.run(["ip", "-json", *words], capture_output=True, text=True, check=True)
    return json.loads(done.stdout or "[]")


def addresses(network):
    """Those that the interface has: ["192.0.2.42/30", …]"""
    shown, = ip_json("address", "show", "dev", network)
    return sorted(f"{a['local']}/{a['prefixlen']}" for a in shown["addr_info"])


def routes(network):
    return [route for family in FAMILIES for route in ip_json(f"-{family}", "route", "show", "dev", network)]


def networks():
    return set(os.listdir("/sys/class/net"))


def beyond(network, family, mux=0):
    """Pings through the default route. `network` None: the kernel chooses the interface."""
    return Pinger(network, family, mux, far=BEYOND[family])


def ping(network=None, families=FAMILIES, mux=0):
    for family in families:
        with beyond(network, family, mux) as pinger:
            pinger.ping(3)


def is_unreachable(family, mux=0):
    """Nothing is sent: there is no such address, or no route."""
    try:
        with beyond(None, family, mux) as pinger:
            pinger.send()
    except OSError:
        return True
    return False


class Line:
    """A port of a modem, and its sessions. Options are those of Data.Connect."""

    def __init__(self, bus, modem, function=0):
        self.bus, self.modem, self.function = bus, modem, function
        self.sim = modem.sims[function]
        self.networks = networks() - {port.network for port in modem.ports}
        self.take_port()

    def take_port(self):
        """The one that came with the last plug."""
        self.port = self.modem.ports[self.function]
        self.network = self.port.network
        self.device = wait_ready(self.bus, self.port)

    def plug(self):
        """After an unplug."""
        self.modem.plug()
        self.take_port()

    def wait_device_gone(self):
        """With all that was on it."""
        wait_gone(self.bus, self.device)
        assert sessions(self.bus) == []
        assert networks() == self.networks

    def status(self):
        return self.bus.get(self.device, DEVICE, "LinkLayer")

    # ---- on the bus

    def begin(self, bus=None, **options):
        """Sends the call of Connect."""
        return (bus or self.bus).begin(self.device, DATA, "Connect", "a{sv}", {"apn": "internet", **options})

    def connect(self, **options):
        return self.bus.end(self.begin(**options), timeout=PATIENCE)

    def begin_disconnect(self, session):
        return self.bus.begin(session, SESSION, "Disconnect", "a{sv}", {})

    def disconnect(self, session):
        self.bus.end(self.begin_disconnect(session), timeout=PATIENCE)
        self.wait_ended(session)

    def get(self, session, name):
        return self.bus.get(session, SESSION, name)

    def wait_ended(self, session):
        while session in sessions(self.bus):
            self.bus.wait_signal("InterfacesRemoved", timeout=PATIENCE)

    def wait_end_reason(self, session):
        """Of a session that ends by itself, as it says so; add_match() has been called."""
        while True:
            signal = self.bus.wait_signal("PropertiesChanged", timeout=PATIENCE, path=session)
            interface, changed, _ = signal.args
            if interface == SESSION and changed.get("State") == "disconnected":
                return changed["EndReason"]

    # ---- at the modem

    def held(self, message):
        """No answer to such requests, but for `hurry`."""
        self.sim("delay", 1000000, message)

    def answered(self, message):
        self.sim("delay", 0, message)

    def gate_is_open(self, family, mux=0):
        return self.modem.gate(mux, self.function)[f"ipv{family}"] != "closed"

    def wait_gate(self, family, mux=0):
        """Until it is open, where no answer says so."""
        deadline = time.monotonic() + PATIENCE
        while not self.gate_is_open(family, mux):
            assert time.monotonic() < deadline

    # ---- nothing is left behind

    def check_clean(self):
        """Of sessions that have ended: no objects, no addresses, routes and interfaces here, no calls and no ids at the
        modem of which the daemon would not know."""
        assert sessions(self.bus) == []
        assert addresses(self.network) == routes(self.network) == []
        assert "UP" not in ip_json("link", "show", "dev", self.network)[0]["flags"]
        assert networks() - {port.network for port in self.modem.ports} == self.networks
        # The daemon gives ids back behind the end of a session, and takes those that it wants for itself whenever it
        # does. Nobody tells of either.
        deadline = time.monotonic() + PATIENCE
        while (left := (set(self.sim("clients").split()) ^ self._known_ids(), self._open_gates())) != (set(), []):
            assert time.monotonic() < deadline, left

    def _open_gates(self):
        return [(mux, family) for mux in range(5) for family in FAMILIES if self.gate_is_open(family, mux)]

    def _known_ids(self):
        """What the daemon has for itself, and keeps."""
        clients = self.bus.call(self.device, DEVICE, "ListClients", "a{sv}", {})
        return {f"{c['service']}:{c['client_id']}" for c in clients if c["client_id"] and not c["lingering"]}

    def check_repeats(self):
        """Whatever went wrong before, it all works now."""
        session = self.connect(configure=True)
        ping()
        self.disconnect(session)
        self.check_clean()


class Pings:
    """As `ping -i 0.01` does, in the background, with several at once: each is to be answered."""

    INTERVAL = 0.01

    def __init__(self, *pingers):
        self.pingers = pingers
        self.answers = [[] for _ in pingers]
        self.failure = None
        self.end = threading.Event()
        self.progress = threading.Condition()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.end.set()
        self.thread.join()
        try:
            if not kind:
                self._check()
        finally:
            for pinger in self.pingers:
                pinger.close()

    def _run(self):
        try:
            while not self.end.wait(self.INTERVAL):
                for pinger, answers in zip(self.pingers, self.answers):
                    pinger.socket.settimeout(PATIENCE)
                    pinger.send()
                    answers += pinger.receive_what_is_there()
                with self.progress:
                    self.progress.notify_all()
        except OSError as e:
            self.failure = e
            with self.progress:
                self.progress.notify_all()

    def wait(self, n):
        """Until n more of each were answered."""
        wanted = [len(answers) + n for answers in self.answers]
        with self.progress:
            assert self.progress.wait_for(
                lambda: self.failure or all(len(a) >= w for a, w in zip(self.answers, wanted)), PATIENCE), "no answers"
        assert not self.failure, self.failure

    def _check(self):
        assert not self.failure, self.failure
        for pinger, answers in zip(self.pingers, self.answers):
            try:
                answers += pinger.receive(pinger.sent - len(answers))
            except TimeoutError:
                pass
            missing = set(range(1, pinger.sent + 1)) - set(answers)
            assert not missing, f"IPv{pinger.family}: of {pinger.sent} these were lost: {sorted(missing)}"
