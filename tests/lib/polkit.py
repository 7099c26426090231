# SPDX-License-Identifier: LGPL-2.1-or-later
"""A polkit that answers as a test wants, and tells what it was asked."""

import collections
import contextlib
import socket
import threading

from jeepney import (DBusAddress, HeaderFields, MessageFlag, MessageType, new_error, new_method_call, new_method_return,
                     new_signal)
from jeepney.io.blocking import open_dbus_connection

from dbusclient import TIMEOUT, DBusError

NAME = "org.freedesktop.PolicyKit1"
PATH = "/org/freedesktop/PolicyKit1/Authority"
INTERFACE = f"{NAME}.Authority"
BUS = DBusAddress("/org/freedesktop/DBus", bus_name="org.freedesktop.DBus", interface="org.freedesktop.DBus")

# Answers: authorized, challenge, details.
YES = (True, False, {})
NO = (False, False, {})
CHALLENGE = (False, True, {"polkit.retains_authorization_after_challenge": "1"})
TEMPORARY = (True, False, {"polkit.temporary_authorization_id": "tmpauthz1"})  # somebody gave a password before
DISMISSED = (False, True, {"polkit.dismissed": "true"})
SILENT = None

Question = collections.namedtuple("Question", "subject action device service message interactive cancellation")


class Polkit:
    """`decide`: the answer to a Question; SILENT: none, an Exception: an error."""

    def __init__(self, address, decide=lambda q: NO):
        self.decide = decide
        self.questions = []
        self.cancelled = []
        self.held = []      # calls that were not answered
        self.n_replies = 0  # to what we asked the bus
        self.news = threading.Condition()
        self.lock = threading.Lock()
        self.connection = open_dbus_connection(address, auth_timeout=TIMEOUT)
        self._send(new_method_call(BUS, "RequestName", "su", (NAME, 4)))
        while self._receive().header.message_type != MessageType.method_return:
            pass
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(TIMEOUT)
        self.connection.close()

    def changed(self):
        """Rules or sessions are others now."""
        with self.news:
            expected = self.n_replies + 1
        self._send(new_signal(DBusAddress(PATH, interface=INTERFACE), "Changed"))
        # Behind the answer, the bus has passed the signal on.
        self._send(new_method_call(BUS, "GetId"))
        self.wait(lambda p: p.n_replies == expected)

    def release(self, answer):
        """Gives those their answer that have none."""
        with self.news:
            held, self.held = self.held, []
        for message in held:
            self._send(new_method_return(message, "(bba{ss})", (answer,)))

    def take(self):
        """What was asked since the last time."""
        with self.news:
            taken, self.questions = self.questions, []
        return taken

    def wait(self, condition):
        """Until that is true of us."""
        with self.news:
            assert self.news.wait_for(lambda: condition(self), TIMEOUT), (self.questions, self.cancelled)

    def _send(self, message):
        with self.lock:
            self.connection.send(message)

    def _receive(self):
        return self.connection.receive(timeout=None)

    def _serve(self):
        with contextlib.suppress(OSError, EOFError):
            while True:
                message = self._receive()
                if message.header.message_type == MessageType.method_call:
                    self._answer(message)
                elif message.header.message_type == MessageType.method_return:
                    with self.news:
                        self.n_replies += 1
                        self.news.notify_all()

    def _answer(self, message):
        member = message.header.fields[HeaderFields.member]
        if member == "CancelCheckAuthorization":
            with self.news:
                self.cancelled.append(message.body[0])
                self.news.notify_all()
            if not message.header.flags & MessageFlag.no_reply_expected:
                self._send(new_method_return(message))
            return
        assert member == "CheckAuthorization", member
        (kind, subject), action, details, flags, cancellation = message.body
        assert kind == "system-bus-name" and set(details) == {"device", "service", "message"} and flags in (0, 1)
        question = Question(subject["name"][1], action, **details, interactive=bool(flags), cancellation=cancellation)
        answer = self.decide(question)
        with self.news:
            self.questions.append(question)
            if answer is SILENT:
                self.held.append(message)
            self.news.notify_all()
        if isinstance(answer, Exception):
            name = answer.name if isinstance(answer, DBusError) else f"{NAME}.Error.Failed"
            self._send(new_error(message, name, "s", (str(answer),)))
        elif isinstance(answer, str):       # an answer that makes no sense
            self._send(new_method_return(message, "s", (answer,)))
        elif answer is not SILENT:
            self._send(new_method_return(message, "(bba{ss})", (answer,)))
