# SPDX-License-Identifier: LGPL-2.1-or-later
"""What must hold between the messages of a schema."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable

from lines import Lines, Where
from model import Enum, Message, SchemaError, Service, Tlv, Type, camel

# Which client id a message runs on does not depend on taste: the first rule whose service and name
# fit must hold. What sets per-client state in the modem is `client`, what belongs to a data
# call is `session`.
KIND_RULES = (
    ('*', 'reset', 'client'),
    ('*', 'set-event-report', 'client'),
    ('*', 'register-*', 'client'),
    ('*', 'deregister-*', 'client'),
    ('*', 'indication-register', 'client'),
    ('*', 'refresh-register*', 'client'),
    ('*', 'refresh-complete', 'client'),
    ('*', 'config-signal-info*', 'client'),
    ('*', 'bind-*', 'client'),
    ('*', 'get-bind-*', 'client'),
    ('nas', 'network-scan', 'client'),
    ('nas', 'incremental-network-scan', 'client'),
    ('nas', 'abort', 'client'),
    ('uim', '*logical-channel*', 'client'),
    ('uim', '*apdu*', 'client'),
    ('uim', 'change-provisioning-session', 'command'),
    ('uim', 'switch-slot', 'command'),
    ('dms', 'set-operating-mode', 'command'),
    ('wds', 'configure-profile-event-list', 'client'),
    ('wds', 'start-network', 'session'),
    ('wds', 'stop-network', 'session'),
    ('wds', 'abort', 'session'),
    ('wds', 'set-ip-family', 'session'),
    ('wds', 'get-packet-service-status', 'session'),
    ('wds', 'get-current-settings', 'session'),
    ('wds', 'get-packet-statistics', 'session'),
    ('wds', 'get-channel-rates', 'session'),
    ('wds', 'get-data-bearer-technology', 'session'),
    ('wds', 'get-current-data-bearer-technology', 'session'),
    ('wds', 'get-dormancy-status', 'session'),
    ('wds', 'go-dormant', 'session'),
    ('wds', 'go-active', 'session'),
    ('wds', 'get-autoconnect*', 'query'),
    ('wds', 'set-autoconnect*', 'command'),
    ('wds', 'create-profile', 'command'),
    ('wds', 'modify-profile', 'command'),
    ('wds', 'delete-profile', 'command'),
    ('wds', 'get-profile-*', 'query'),
    ('*', 'bind', 'client'),
    ('*', 'get-bind', 'client'),
    ('wms', 'set-routes', 'command'),
    ('wms', 'get-routes', 'query'),
    ('wms', 'send-ack', 'client'),
    ('voice', 'originate-ussd-no-wait', 'client'),
    ('voice', '*-continuous-dtmf', 'client'),
    ('cat', 'get-service-state', 'client'),
    ('cat', 'send-terminal-response', 'client'),
    ('auth', '*', 'client'),
    ('dfs', '*', 'client'),
    ('loc', '*', 'client'),
    ('pdc', '*', 'client'),
    ('qos', '*', 'client'),
    ('*', 'get-supported-messages', 'query'),
)


# What registers or binds a client is said again after the modem has forgotten it.
REPLAY_RULES = (
    'register',
    'register-*',
    'indication-register',
    'refresh-register*',
    'set-event-report',
    'config-signal-info*',
    'bind',
    'bind-*',
)

# What a response calls the number of wrong codes that may still follow.
TRIES_KEYS = ('retries', 'verify-retries', 'unblock-retries')

# Kinds that run on a client id of their caller.
OWNED = ('client', 'session')


def check_kind(service: str, message: str, kind: str):
    for pattern, name, right in KIND_RULES:
        if fnmatch.fnmatchcase(service, pattern) and fnmatch.fnmatchcase(message, name):
            if kind != right:
                raise SchemaError(
                    f'"{message}" of {service} must be of kind "{right}" (rule {pattern}'
                    f' {name}), not "{kind}"'
                )
            return


def check_enums(enums: list[Enum], error: Callable[[Where, str], None]):
    """A value that fits nowhere its enum is used can never be seen or sent."""
    for e in enums:
        for value, symbol in e.values:
            if e.uses and not any(e.fits(value, bits, signed) for bits, signed in e.uses):
                bits, signed = max(e.uses)
                what = f'bit {value}' if e.flags else str(value)
                error(
                    e.lines[symbol],
                    f'{what} ("{symbol}") does not fit {"i" if signed else "u"}{bits}, the'
                    ' widest with'
                    f' which [{"flags" if e.flags else "enum"}.{e.name}] is used',
                )


class ServiceLint:
    """Looks at the messages of one service, all of which have been read, and fills in what `like`
    takes over. `error` is told where something is wrong, and what."""

    def __init__(self, service: Service, lines: Lines, error: Callable[[Where, str], None]):
        self.messages = service.messages
        self.indications = service.indications
        self.lines = lines
        self.error = error

    def check(self):
        every = [*self.messages.values(), *self.indications.values()]
        self.check_ids(self.messages)
        self.check_ids(self.indications)
        self.check_members(every)
        for m in every:
            self.inherit(m, [])
        for m in self.messages.values():
            self.check_abort(m)
            self.check_undo(m)
            self.check_replay(m)
            self.check_result(m)
            self.check_guard(m)
        for m in every:
            self.check_guard_place(m)
            self.check_kept(m)

    def key_of(self, m: Message, key: str) -> Where:
        return self.lines.find(*m.path, key)

    def check_ids(self, messages: dict[str, Message]):
        by_id: dict[tuple[int, int], Message] = {}
        for m in messages.values():
            other = by_id.setdefault((m.id, m.vendor), m)
            if m.id >= 0 and other is not m:
                self.error(
                    self.key_of(m, 'is'),
                    f'id 0x{m.id:04X} is that of "{other.name}" (line {other.where.line}); only'
                    ' two vendors'
                    ' can share one',
                )

    def check_members(self, messages: list[Message]):
        members: dict[str, Message] = {}
        for m in messages:
            other = members.setdefault(camel(m.name), m)
            if other is not m:
                both = m.indication == other.indication
                self.error(
                    m.where,
                    f'{"both are" if both else "a method and a signal cannot both be"}'
                    f' {camel(m.name)} on the'
                    f' bus: "{m.name}" and "{other.name}" (line {other.where.line})',
                )

    def inherit(self, m: Message, under_way: list[Message]):
        if not m.like:
            return
        where = self.key_of(m, 'like')
        name, m.like = m.like, ''
        other = self.messages.get(name) or self.indications.get(name)
        if not other:
            self.error(where, f'like: there is no message or indication "{name}" in this file')
            return
        if other is m or other in under_way:
            self.error(where, f'like: "{name}" is in turn like "{m.name}"')
            return
        self.inherit(other, under_way + [m])
        m.broken |= other.broken
        m.response = self.merge(m, m.response, other.response, name, where)
        if not m.indication and not other.indication:
            m.request = self.merge(m, m.request, other.request, name, where)

    def merge(
        self, m: Message, own: list[Tlv], others: list[Tlv], name: str, where: Where
    ) -> list[Tlv]:
        """The TLVs of `others` that are not written in `m`, and those that are. `like` says that
        two messages are the same on the wire: where they share a TLV that differs, somebody may
        have meant another.
        """
        mine = by_ident(own)
        theirs = by_ident(others)
        keys = {tlvs[0].key(): ident for ident, tlvs in mine.items()}
        for ident, tlvs in theirs.items():
            key = tlvs[0].key()
            if ident not in mine:
                if key in keys:
                    self.error(
                        mine[keys[key]][0].where,
                        f'the key "{key}" is that of TLV 0x{ident:02X}, which comes from "{name}"',
                    )
            elif any(t.field.type.is_broken() for t in tlvs + mine[ident]):
                continue
            elif [t.field.type.layout() for t in mine[ident]] != [
                t.field.type.layout() for t in tlvs
            ]:
                self.error(
                    mine[ident][0].where,
                    f'TLV 0x{ident:02X} differs on the wire from that of "{name}", which line'
                    f' {where.line}'
                    f' says this is like: write "{m.name}" out without "like"',
                )
        merged = theirs | mine
        return [t for ident in sorted(merged) for t in merged[ident]]

    def refer(self, m: Message, key: str, known: dict[str, Message]) -> Message | None:
        """The message that a key of `m` names, unless there is none or it could not be read."""
        name = getattr(m, key)
        if not name:
            return None
        if name not in known:
            what = 'indication' if known is self.indications else 'message'
            self.error(self.key_of(m, key), f'{key}: there is no {what} "{name}" in this file')
            return None
        return None if m.broken or known[name].broken else known[name]

    def check_abort(self, m: Message):
        abort = self.refer(m, 'abort', self.messages)
        if abort and not takes_transaction(abort):
            self.error(
                self.key_of(m, 'abort'),
                f'abort: "{abort.name}" has no TLV that begins with the 16 bits of a transaction'
                ' id',
            )

    def check_undo(self, m: Message):
        undo = self.refer(m, 'undo', self.messages)
        if not undo:
            return
        where = self.key_of(m, 'undo')
        if m.kind and m.kind not in OWNED:
            self.error(
                where,
                f'undo: "{m.name}" is of kind "{m.kind}" and runs on the client id of all, so that'
                ' nobody owns what it begins; "client" and "session" can have an undo',
            )
        result = self.indications.get(m.result)
        if result and result.broken:
            return
        sources = (result.response if result else []) + m.response + m.request
        for t in undo.request:
            if not t.mandatory or t.alternative:
                continue
            same_key = [s for s in sources if s.key() == t.key()]
            if not same_key:
                self.error(
                    where,
                    f'undo: "{undo.name}" needs "{t.key()}", which neither the response nor the'
                    f' request of "{m.name}" has',
                )
            elif any(shape(s) != shape(t) for s in same_key):
                self.error(
                    where,
                    f'undo: "{t.key()}" of "{undo.name}" is of another type than that of'
                    f' "{m.name}"',
                )

    def check_replay(self, m: Message):
        if m.replay and m.kind and m.kind not in OWNED:
            self.error(
                self.key_of(m, 'replay'),
                f'replay: "{m.name}" is of kind "{m.kind}", so that no client has it to send again',
            )
        elif (
            not m.replay
            and m.kind in OWNED
            and any(fnmatch.fnmatchcase(m.name, pattern) for pattern in REPLAY_RULES)
        ):
            self.error(
                m.where,
                f'"{m.name}" needs replay = true: a client that registers or binds must do so'
                ' again after a modem reset',
            )

    def check_kept(self, m: Message):
        """What undoing needs is written down over a restart, in which nothing is written that is private."""
        if m.undo and m.result and any(t.field.is_private() for t in m.response):
            self.error(m.where, f'undo: "{m.name}" would have what it is answered written down')
        undo = self.messages.get(m.undo)
        needed = {t.key() for t in undo.request if t.mandatory} if undo else ()
        if any(t.key() in needed and t.field.is_private() for t in m.request):
            self.error(m.where, f'undo: "{m.undo}" needs a secret or an identity of "{m.name}"')

    def check_guard_place(self, m: Message):
        """The guard looks for codes where it finds them: in a request, in a struct that is a TLV."""
        found = sum(bool(t.field.guard) + guards_in(t.field.type) for t in m.request + m.response)
        if found != len(m.guarded()):
            self.error(m.where, f'"{m.name}": guard= is for fields of a struct that is a request TLV')

    def check_guard(self, m: Message):
        """What is taken for the SIM's answer to a code must be one, and say how many tries are left."""
        codes = [(t, f) for t, f in m.guarded() if f.guard != 'token']
        if len(codes) > 1:
            self.error(codes[1][0].where, f'guard: "{m.name}" has two codes that cost a try')
        for t, f in m.guarded():
            if f.guard == 'token':
                if f is not t.field or f.secret or t.mandatory:
                    self.error(t.where, 'guard=token is for an optional TLV that is no secret')
                elif not codes:
                    self.error(t.where, f'guard=token: "{m.name}" has no code to guard')
        for t, f in codes:
            first = t.field.type.fields[0] if t.field.type.fields else None
            if not f.secret or f.type.kind != 'string':
                self.error(t.where, f'guard: "{f.name}" must be a text that is secret')
            elif not first or not first.type.enum or first is f:
                self.error(t.where, f'guard: an enum before "{f.name}" must say which code it is')
            elif not t.mandatory or len([s for s in m.request if s.id == t.id]) > 1:
                self.error(t.where, f'guard: "{t.key()}" must be mandatory, with one layout')
            if m.kind != 'command':
                self.error(m.where, f'guard: "{m.name}" must be of kind "command"')
            if m.undo or m.replay or m.result or m.abort:
                self.error(m.where, f'guard: "{m.name}" can have no undo, replay, abort or result')
        tries = any(t.key() in TRIES_KEYS for t in m.response)
        if tries and not codes and any(
            f.secret for t in m.request for f in [t.field, *t.field.type.fields]
        ):
            self.error(
                m.where, f'"{m.name}" tells how many tries are left: the code needs guard='
            )

    def check_result(self, m: Message):
        result = self.refer(m, 'result', self.indications)
        if result and could_be_derived(m, result):
            self.error(
                self.key_of(m, 'result'),
                f'result: "{result.name}" has id and class of "{m.name}", and its name: write its'
                ' TLVs here, as result.0xNN',
            )
        if not m.token:
            return
        where = self.key_of(m, 'token')
        if not m.result:
            self.error(
                where,
                'token pairs a request with its result, but there is neither result.0xNN nor'
                ' result = "INDICATION"',
            )
        if not result:
            return
        ours, theirs = (
            next((t for t in tlvs if t.key() == m.token), None)
            for tlvs in (m.request, result.response)
        )
        if not ours:
            self.error(where, f'token: the request has no TLV with the key "{m.token}"')
        elif not theirs:
            self.error(
                where, f'token: the indication "{result.name}" has no TLV with the key "{m.token}"'
            )
        elif ours.field.type.layout() != theirs.field.type.layout():
            self.error(
                where, f'token: "{m.token}" is not the same on the wire in request and indication'
            )


def guards_in(t: Type) -> int:
    """How many fields below a type are marked `guard`."""
    inner = sum(bool(f.guard) + guards_in(f.type) for f in t.fields)
    return inner + (guards_in(t.element) if t.element else 0)


def shape(t: Tlv) -> tuple:
    """As it is in the dictionary and on the wire: where both are equal, a value can be handed on."""
    f = t.field
    return f.type.signature(), f.valid_byte, f.type.layout()


def by_ident(tlvs: list[Tlv]) -> dict[int, list[Tlv]]:
    """The layouts of each TLV."""
    result: dict[int, list[Tlv]] = {}
    for t in tlvs:
        result.setdefault(t.id, []).append(t)
    return result


def could_be_derived(m: Message, result: Message) -> bool:
    """There is one way to write a result: its own table is for what differs from the request."""
    return result.path[0] == 'indication' and (result.name, result.id, result.access) == (
        f'{m.name}-result',
        m.id,
        m.access,
    )


def takes_transaction(m: Message) -> bool:
    """It has a TLV that begins with 16 bits, for the transaction id of what it aborts."""
    for t in m.request:
        first = t.field.type
        if first.kind == 'struct' and first.fields and not t.field.valid_byte:
            first = first.fields[0].type
        if first.kind == 'uint' and first.width == 2:
            return True
    return False
