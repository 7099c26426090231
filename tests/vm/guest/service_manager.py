# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd and its journal, as tests want them."""

import json
import re
import selectors
import subprocess
import time

from jeepney import DBusAddress, MatchRule, Properties, message_bus, new_method_call
from jeepney.io.blocking import Proxy, open_dbus_connection

from udev import PATIENCE

NAME = "org.freedesktop.systemd1"
MANAGER = DBusAddress("/org/freedesktop/systemd1", NAME, f"{NAME}.Manager")


class ServiceManager:
    def __init__(self):
        self.bus = open_dbus_connection("SYSTEM", auth_timeout=PATIENCE)
        self.call("Subscribe")

    def close(self):
        self.bus.close()

    def call(self, method, signature=None, *arguments):
        message = new_method_call(MANAGER, method, signature, arguments)
        reply = self.bus.send_and_get_reply(message, timeout=PATIENCE)
        if reply.header.message_type.name == "error":
            raise RuntimeError(f"{method}: {reply.body}")
        return reply.body

    def _match(self, rule):
        Proxy(message_bus, self.bus, timeout=PATIENCE).AddMatch(rule)

    def reload(self):
        self.call("Reload")

    def _run_job(self, method, unit):
        """Waits for its end."""
        rule = MatchRule(type="signal", interface=f"{NAME}.Manager", member="JobRemoved")
        self._match(rule)
        deadline = time.monotonic() + PATIENCE
        with self.bus.filter(rule) as removed:
            job, = self.call(method, "ss", unit, "replace")
            while True:
                left = deadline - time.monotonic()
                _, path, _, result = self.bus.recv_until_filtered(removed, timeout=left).body
                if path == job:
                    assert result == "done", f"{method} {unit}: {result}"
                    return

    def start(self, unit):
        self._run_job("StartUnit", unit)

    def stop(self, unit):
        self._run_job("StopUnit", unit)

    def restart(self, unit):
        self._run_job("RestartUnit", unit)

    def kill(self, unit, signal):
        self.call("KillUnit", "ssi", unit, "main", signal)

    def properties(self, unit):
        """Of the unit and of what it is."""
        path, = self.call("LoadUnit", "s", unit)
        interface = f"{NAME}.{unit.rpartition('.')[2].capitalize()}"
        found = {}
        for name in (f"{NAME}.Unit", interface):
            message = Properties(DBusAddress(path, NAME, name)).get_all()
            reply = self.bus.send_and_get_reply(message, timeout=PATIENCE)
            found |= {key: value for key, (_, value) in reply.body[0].items()}
        return found

    def wait(self, unit, **wanted):
        """Until the unit's properties are as wanted: wait("qmid.service", ActiveState="active"). What is wanted can be
        a function."""
        def suits(value, want):
            return want(value) if callable(want) else value == want

        path, = self.call("LoadUnit", "s", unit)
        rule = MatchRule(type="signal", path=path, interface="org.freedesktop.DBus.Properties",
                         member="PropertiesChanged")
        self._match(rule)
        deadline = time.monotonic() + PATIENCE
        with self.bus.filter(rule) as changes:
            while True:
                properties = self.properties(unit)
                if all(suits(properties[name], want) for name, want in wanted.items()):
                    return properties
                try:
                    self.bus.recv_until_filtered(changes, timeout=deadline - time.monotonic())
                except TimeoutError:
                    found = {name: properties[name] for name in wanted}
                    raise AssertionError(f"{unit} is {found}, not {wanted}") from None


class Journal:
    """What is written from its making on. Units are chosen here, as journalctl loses entries when it has to choose
    them and to start behind a cursor."""

    def __init__(self):
        shown = subprocess.run(["journalctl", "--lines=1", "--show-cursor", "--quiet"],
                               capture_output=True, text=True, check=True).stdout
        cursor = shown.rpartition("-- cursor: ")[2].strip()
        self.command = ["journalctl", f"--after-cursor={cursor}", "--output=json", "--quiet"]

    @staticmethod
    def _is_of(entry, unit):
        """What the unit's processes write, and what systemd writes about it."""
        return unit is None or unit in (entry.get("_SYSTEMD_UNIT"), entry.get("UNIT"))

    def messages(self, unit=None):
        """All so far."""
        text = subprocess.run(self.command, capture_output=True, text=True, check=True).stdout
        entries = [json.loads(line) for line in text.splitlines()]
        return [str(entry["MESSAGE"]) for entry in entries if self._is_of(entry, unit)]

    def wait(self, pattern, unit=None, times=1):
        """The first message that the pattern is found in, or the second, …"""
        deadline = time.monotonic() + PATIENCE
        with subprocess.Popen([*self.command, "--follow", "--no-tail"], stdout=subprocess.PIPE) as process, \
                selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            rest, seen = b"", []
            try:
                while selector.select(max(0, deadline - time.monotonic())):
                    *lines, rest = (rest + process.stdout.read1()).split(b"\n")
                    for entry in map(json.loads, lines):
                        if not self._is_of(entry, unit):
                            continue
                        seen.append(str(entry["MESSAGE"]))
                        times -= bool(re.search(pattern, seen[-1]))
                        if times == 0:
                            return seen[-1]
            finally:
                process.terminate()
        raise AssertionError(f"nobody logged {pattern!r}; what was logged: {seen}")
