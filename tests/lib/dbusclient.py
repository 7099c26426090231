# SPDX-License-Identifier: LGPL-2.1-or-later
"""A D-Bus client for tests: plain Python values in and out, signals in the order they came."""

import collections
import contextlib
import os
import pathlib
import time

from jeepney import DBusAddress, HeaderFields, MessageFlag, MessageType, new_method_call
from jeepney.io.blocking import open_dbus_connection

NAME = "org.qmid1"
ROOT = "/org/qmid1"
PROPERTIES = "org.freedesktop.DBus.Properties"
TIMEOUT = 60  # of what should take milliseconds: only a hang comes here


class DBusError(Exception):
    """An error that came as an answer."""

    def __init__(self, name, text):
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text


Signal = collections.namedtuple("Signal", "sender path interface member args destination")


def split_signature(signature):
    """'sa{sv}(ii)' as its complete types."""
    types = []
    i = 0
    while i < len(signature):
        start = i
        while signature[i] == "a":
            i += 1
        if signature[i] in "({":
            depth = 0
            while True:
                depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(signature[i], 0)
                i += 1
                if depth == 0:
                    break
        else:
            i += 1
        types.append(signature[start:i])
    return types


def unwrap(value, signature):
    """What jeepney read, with the variants taken off; structs are tuples, `ay` is bytes."""
    if signature == "v":
        return unwrap(value[1], value[0])
    if signature == "ay":
        return bytes(value)
    if signature.startswith("a{"):
        key, below = split_signature(signature[2:-1])
        return {unwrap(k, key): unwrap(v, below) for k, v in value.items()}
    if signature.startswith("a"):
        return [unwrap(v, signature[1:]) for v in value]
    if signature.startswith("("):
        return tuple(unwrap(v, t) for v, t in zip(value, split_signature(signature[1:-1])))
    return value


def variant(value):
    """A plain value with the signature that fits; a tuple (signature, value) has it already."""
    if isinstance(value, tuple):
        return value[0], wrap(value[1], value[0])
    if isinstance(value, bool):
        return "b", value
    if isinstance(value, int):
        if -(2**31) <= value < 2**31:
            return "i", value
        return ("x", value) if value < 2**63 else ("t", value)
    if isinstance(value, float):
        return "d", value
    if isinstance(value, str):
        return "s", value
    if isinstance(value, (bytes, bytearray)):
        return "ay", bytes(value)
    if isinstance(value, dict):
        return "a{sv}", wrap(value, "a{sv}")
    if isinstance(value, list):
        types = {variant(v)[0] for v in value}
        signature = "a" + (types.pop() if len(types) == 1 else "v" if types else "s")
        return signature, wrap(value, signature)
    raise TypeError(f"no D-Bus value: {value!r}")


def wrap(value, signature):
    """Plain values as jeepney wants them for a signature."""
    if signature == "v":
        return variant(value)
    if signature.startswith("a{"):
        key, below = split_signature(signature[2:-1])
        pairs = value.items() if isinstance(value, dict) else value  # a list may have a key twice
        return [(wrap(k, key), wrap(v, below)) for k, v in pairs]
    if signature.startswith("a") and signature != "ay":
        return [wrap(v, signature[1:]) for v in value]
    if signature.startswith("("):
        return tuple(wrap(v, t) for v, t in zip(value, split_signature(signature[1:-1])))
    return value


def connect_as(uid, address, groups=()):
    """A connection of another user; for root only. The folder of the socket must be open for that user, those above
    it need not be."""
    path = pathlib.Path(address.removeprefix("unix:path="))
    folder = os.open(path.parent, os.O_PATH)
    old_groups = os.getgroups()
    try:
        os.setgroups(groups)
        os.setresuid(uid, uid, 0)
        return Bus(f"unix:path=/proc/self/fd/{folder}/{path.name}")
    finally:
        os.setresuid(0, 0, 0)
        os.setgroups(old_groups)
        os.close(folder)


class Bus:
    """One connection to a bus; as many as there are callers."""

    def __init__(self, address, connection=None):
        self.connection = connection or open_dbus_connection(address, enable_fds=True, auth_timeout=TIMEOUT)
        self.signals = collections.deque()
        self.rules = set()
        self.replies = {}

    @property
    def unique_name(self):
        return self.connection.unique_name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """As a program that ends does, of itself or not: the bus sees the socket closed."""
        with contextlib.suppress(OSError):
            self.connection.close()

    # ---- calls

    def begin(self, path, interface, member, signature="", *args, destination=NAME, no_reply=False,
              interactive=False):
        """Sends a call; the answer is for end(). `interactive`: somebody may be asked for a password."""
        address = DBusAddress(path, bus_name=destination, interface=interface)
        body = tuple(wrap(a, t) for a, t in zip(args, split_signature(signature), strict=True))
        message = new_method_call(address, member, signature or None, body)
        if no_reply:
            message.header.flags |= MessageFlag.no_reply_expected
        if interactive:
            message.header.flags |= MessageFlag.allow_interactive_authorization
        serial = next(self.connection.outgoing_serial)
        self.connection.send(message, serial=serial)
        return serial

    def end_message(self, serial, timeout=TIMEOUT):
        """The answer as it came."""
        deadline = time.monotonic() + timeout
        while serial not in self.replies:
            self._receive(deadline)
        return self.replies.pop(serial)

    def end(self, serial, timeout=TIMEOUT):
        """The answer: None, the value, or a tuple of values. Raises DBusError."""
        message = self.end_message(serial, timeout)
        values = self._values(message)
        if message.header.message_type == MessageType.error:
            name = message.header.fields[HeaderFields.error_name]
            raise DBusError(name, values[0] if values else "")
        return None if not values else values[0] if len(values) == 1 else values

    def call(self, path, interface, member, signature="", *args, destination=NAME, timeout=TIMEOUT):
        serial = self.begin(path, interface, member, signature, *args, destination=destination)
        return self.end(serial, timeout)

    def bus_call(self, member, signature="", *args):
        """A method of the bus daemon itself."""
        return self.call("/org/freedesktop/DBus", "org.freedesktop.DBus", member, signature, *args,
                         destination="org.freedesktop.DBus")

    def qmi(self, path, service, member, request=None, timeout=TIMEOUT):
        """A QMI message: qmi(device, "Nas", "GetSignalInfo")."""
        return self.call(path, f"{NAME}.{service}", member, "a{sv}", request or {}, timeout=timeout)

    def get(self, path, interface, name):
        return self.call(path, PROPERTIES, "Get", "ss", interface, name)

    def get_all(self, path, interface):
        return self.call(path, PROPERTIES, "GetAll", "s", interface)

    def introspect(self, path, destination=NAME):
        return self.call(path, "org.freedesktop.DBus.Introspectable", "Introspect", destination=destination)

    def settle(self, device):
        """Until the daemon has dealt with all calls that were sent before, or has asked the modem for them: calls of
        our own wait until the daemon knows who we are, properties do not."""
        self.call(device, f"{NAME}.Device", "ListClients", "a{sv}", {})

    # ---- signals

    def add_match(self, rule):
        """Once for each rule: the bus allows a connection only so many."""
        if rule not in self.rules:
            self.rules.add(rule)
            self.bus_call("AddMatch", "s", rule)

    def wait_signal(self, member, timeout=TIMEOUT, **where):
        """The oldest signal of that name that was not yet taken; `where` names further fields of Signal."""
        deadline = time.monotonic() + timeout
        while True:
            for signal in self.signals:
                if signal.member == member and all(getattr(signal, k) == v for k, v in where.items()):
                    self.signals.remove(signal)
                    return signal
            self._receive(deadline)

    def take_signals(self, member=None):
        """Those that are certainly here: every signal that was sent to us before the answer to this ping."""
        self.bus_call("GetId")
        taken = [s for s in self.signals if member is None or s.member == member]
        self.signals = collections.deque(s for s in self.signals if s not in taken)
        return taken

    def wait_name(self, name=NAME, timeout=TIMEOUT):
        """Until somebody owns the name."""
        self.add_match(f"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{name}'")
        deadline = time.monotonic() + timeout
        while not self.bus_call("NameHasOwner", "s", name):
            self.wait_signal("NameOwnerChanged", deadline - time.monotonic())

    def wait_no_name(self, name=NAME, timeout=TIMEOUT):
        """Until nobody owns the name."""
        self.add_match(f"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{name}'")
        deadline = time.monotonic() + timeout
        while self.bus_call("NameHasOwner", "s", name):
            self.wait_signal("NameOwnerChanged", deadline - time.monotonic())

    def wait_property(self, path, interface, name, value, timeout=TIMEOUT):
        """Until a property has that value; the object may come and go meanwhile."""
        deadline = time.monotonic() + timeout
        for member in ("PropertiesChanged", "InterfacesAdded", "InterfacesRemoved"):
            self.add_match(f"type='signal',sender='{NAME}',member='{member}'")
        while True:
            try:
                seen = self.get(path, interface, name)
            except DBusError as e:
                if e.name not in ("org.freedesktop.DBus.Error.UnknownObject",
                                  "org.freedesktop.DBus.Error.UnknownMethod",
                                  "org.freedesktop.DBus.Error.UnknownInterface",
                                  f"{NAME}.Error.NoSuchDevice"):
                    raise
                seen = e.name
            if seen == value:
                return
            count = len(self.signals)
            while len(self.signals) == count:
                try:
                    self._receive(deadline)
                except TimeoutError:
                    raise TimeoutError(f"{path} {interface}.{name} is {seen!r}, not {value!r}") from None

    # ---- messages

    @staticmethod
    def _values(message):
        signature = message.header.fields.get(HeaderFields.signature, "")
        return tuple(unwrap(v, t) for v, t in zip(message.body, split_signature(signature)))

    def _receive(self, deadline):
        message = self.connection.receive(timeout=max(deadline - time.monotonic(), 0))
        fields = message.header.fields
        if message.header.message_type in (MessageType.method_return, MessageType.error):
            self.replies[fields[HeaderFields.reply_serial]] = message
        elif message.header.message_type == MessageType.signal:
            self.signals.append(Signal(fields.get(HeaderFields.sender), fields[HeaderFields.path],
                                       fields[HeaderFields.interface], fields[HeaderFields.member],
                                       self._values(message), fields.get(HeaderFields.destination)))
