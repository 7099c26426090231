#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Begins a data session, sets up its network interface with what the network gave, and begins another one whenever
it ends, until it is interrupted: connection-manager.py APN [DEVICE], as root.

Debian: python3-jeepney, iproute2. With the option "configure" qmid sets up the interface itself; this is for programs
that have their own mind about that. `qmictl connect --foreground` does the same in C.
"""

import shutil
import subprocess
import sys
import time
from collections import deque

from jeepney import DBusAddress, HeaderFields, MatchRule, MessageType, message_bus, new_method_call
from jeepney.io.blocking import open_dbus_connection

PROPERTIES = "org.freedesktop.DBus.Properties"
METRIC = "4096"                       # of routes: cable and wireless LAN go first
RETRY_MIN, RETRY_MAX, UP_LONG = 1, 60, 60  # seconds
FOR_GOOD = ("AccessDenied", "AmbiguousDevice", "InvalidArgument", "LimitsExceeded", "NoSuchService")


class Refused(Exception):
    """An error that came as an answer: its name and a sentence."""


def plain(value):
    """A variant without its signature."""
    return {k: plain(v) for k, v in value[1].items()} if value[0] == "a{sv}" else value[1]


def call(path, interface, member, signature, *body, timeout=60):
    message = new_method_call(DBusAddress(path, "org.qmid1", interface), member, signature, body)
    reply = bus.send_and_get_reply(message, timeout=timeout)
    if reply.header.message_type == MessageType.error:
        raise Refused(reply.header.fields[HeaderFields.error_name], *reply.body)
    return reply.body[0]


def connect(apn, device):
    """The path of a session that is up. It is ours: if we leave the bus, it ends."""
    path = call("/org/qmid1", "org.qmid1.Manager", "FindDevice", "sa{sv}", device, {})
    return call(path, "org.qmid1.Data", "Connect", "a{sv}", {"apn": ("s", apn)}, timeout=240)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def configure(interface, addresses):
    """`addresses`: what the properties Ip4 and Ip6 say: address, prefix, gateway, dns, mtu."""
    mtu = min((a["mtu"] for a in addresses if a.get("mtu")), default=None)
    ip("link", "set", "dev", interface, *(["mtu", str(mtu)] if mtu else []), "up")
    ip("address", "flush", "dev", interface, "scope", "global")  # the routes of the last session go with it
    for a in addresses:
        ip("address", "add", f"{a['address']}/{a['prefix']}", "dev", interface)
        # In 802.3 a packet needs the address of the gateway; in raw IP there is only one way.
        via = ["via", a["gateway"], "onlink"] if a.get("gateway") else []
        ip("-6" if ":" in a["address"] else "-4", "route", "add", "default", *via, "dev", interface, "metric", METRIC)
    servers = [server for a in addresses for server in a.get("dns", [])]
    if shutil.which("resolvectl"):
        subprocess.run(["resolvectl", "dns", interface, *servers])


def deconfigure(interface):
    subprocess.run(["ip", "address", "flush", "dev", interface, "scope", "global"])  # may be unplugged by now
    subprocess.run(["ip", "link", "set", "dev", interface, "down"])


def end_text(signal, session):
    """Why the session ended, if the signal says so."""
    if signal.header.fields[HeaderFields.path] == session and "EndReason" in signal.body[1]:
        return plain(signal.body[1]["EndReason"]).get("text")


def keep(session, wakeups):
    """Sets up the interface, again when something changes, until the session is no more. Says why it ended.

    Signals only wake us up: what holds, the properties say."""
    interface, shown, why = "", None, "it is gone"
    try:
        while True:
            p = plain(("a{sv}", call(session, PROPERTIES, "GetAll", "s", "org.qmid1.Session")))
            addresses = [p[family] for family in ("Ip4", "Ip6") if p[family]]
            if p["State"] == "connected" and (p["Interface"], addresses) != shown:
                interface, shown = p["Interface"], (p["Interface"], addresses)
                if interface:  # a port given by hand has none
                    configure(interface, addresses)
                print(f"{session}: {interface} {' '.join(a['address'] for a in addresses)}", flush=True)
            why = end_text(bus.recv_until_filtered(wakeups), session) or why
    except Refused:  # the object is no more, and what it said last is here
        for signal in wakeups:
            why = end_text(signal, session) or why
        return why
    finally:
        if interface:
            deconfigure(interface)


def main(apn, device=""):
    wakeups = deque()
    for member, path in ("PropertiesChanged", "/org/qmid1/device"), ("InterfacesRemoved", "/org/qmid1"):
        rule = MatchRule(type="signal", sender="org.qmid1", member=member, path_namespace=path)
        bus.send_and_get_reply(message_bus.AddMatch(rule))
        bus.filter(MatchRule(type="signal", member=member, path_namespace=path), queue=wakeups)
    # Sessions outlive a restart of qmid; of one that did not, nobody tells.
    rule = MatchRule(type="signal", sender="org.freedesktop.DBus", member="NameOwnerChanged")
    rule.add_arg_condition(0, "org.qmid1")
    bus.send_and_get_reply(message_bus.AddMatch(rule))
    bus.filter(rule, queue=wakeups)
    delay = RETRY_MIN
    while True:
        began = time.monotonic()
        try:
            why = keep(connect(apn, device), wakeups)
        except Refused as e:
            name, why = e.args
            if name.endswith(FOR_GOOD):
                sys.exit(why)
        if time.monotonic() - began >= UP_LONG:
            delay = RETRY_MIN
        print(f"Again in {delay} s: {why}", flush=True)
        time.sleep(delay)
        delay = min(2 * delay, RETRY_MAX)


bus = open_dbus_connection("SYSTEM")
try:
    main(*sys.argv[1:])
except KeyboardInterrupt:
    pass
