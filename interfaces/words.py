# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the manuals say of a schema, in words and without markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from model import Enum, Field, Message, Service, Tlv, Type, camel, interface, snake

DEFAULT_TIMEOUT = 10  # seconds

KINDS = {
    'query': 'Reads. Runs on the client id that all callers share.',
    'command': 'Changes something of the modem. Runs on the client id that all callers share.',
    'client': 'Runs on a client id of the caller, which is allocated at the first such call and'
    ' released when the caller leaves the bus.',
    'session': 'Belongs to a data call. Runs only on a client made by OpenClient.',
}

CLASSES = {
    'status': 'signal, registration, capabilities, versions',
    'identity': 'the identities of device and subscriber: IMEI, IMSI, ICCID, own number',
    'location': 'cell ids, area codes, neighbours, positions',
    'data': 'data calls and data profiles',
    'sim_unlock': 'the PIN of a SIM card, verified',
    'sim': 'PINs of a SIM card, changed; its files, APDUs, slots',
    'messaging': 'messages',
    'voice': 'calls',
    'control': 'operating mode, selection of radio and network, reset',
    'clients': 'clients and sessions of others',
    'configuration': 'carrier configuration, firmware, link layer, settings of vendors',
    'raw': 'anything, as bytes',
}

UNITS = {
    '%': '%',
    'B': 'bytes',
    'bit': 'bits',
    'bit/s': 'bit/s',
    'C': 'degrees Celsius',
    'd': 'days',
    'dB': 'dB',
    'dBm': 'dBm',
    'deg': 'degrees',
    'deg/s': 'degrees per second',
    'h': 'hours',
    'Hz': 'Hz',
    'Hz/s': 'Hz/s',
    'kbit/s': 'kbit/s',
    'kHz': 'kHz',
    'km': 'km',
    'm': 'metres',
    'm/s': 'm/s',
    'mA': 'mA',
    'MHz': 'MHz',
    'min': 'minutes',
    'ms': 'ms',
    'mV': 'mV',
    'ns': 'ns',
    'packet': 'packets',
    'rad': 'radians',
    'rad/s': 'rad/s',
    's': 'seconds',
    'us': 'microseconds',
}

ERRORS = {
    'org.qmid1.Error.InvalidArgument': 'A field is unknown, missing, of another type or out of'
    ' range. The text names it; nothing was sent to the modem.',
    'org.qmid1.Error.Qmi.*': 'The modem refused, with a QMI protocol error.',
    'org.qmid1.Error.NoSuchService': 'The modem does not have the service.',
    'org.qmid1.Error.NotReady': 'The modem does not answer yet; the text says why.',
    'org.qmid1.Error.Timeout': 'No answer within the time limit of the message.',
    'org.qmid1.Error.DeviceGone': 'The port, or the client id, went away before the answer.',
    'org.qmid1.Error.NotOwner': 'The client belongs to somebody else.',
    'org.qmid1.Error.LimitsExceeded': 'The caller has more calls under way, or holds more client'
    ' ids, than its share.',
    'org.freedesktop.DBus.Error.AccessDenied': 'The caller may not do this.',
}


def published(services: list[Service]) -> list[Service]:
    """Those on the bus, by name."""
    return sorted((s for s in services if interface(s)), key=lambda s: s.name)


def by_id(messages: dict[str, Message]) -> list[Message]:
    return sorted(messages.values(), key=lambda m: (m.id, m.vendor))


def error_name(symbol: str) -> str:
    return 'org.qmid1.Error.Qmi.' + camel(symbol.replace('_', '-'))


def sentences(text: str) -> list[str]:
    return re.split(r'(?<=[.!?]) +(?=[A-Z])', text)


def innermost(t: Type) -> Type:
    """What an array is of."""
    while t.kind == 'array':
        t = t.element
    return t


def decimal(value) -> str:
    return f'{float(value):.6g}'


def number_words(t: Type, bits: int) -> str:
    if t.kind == 'float':
        text = 'number'
    elif t.scale is not None and abs(t.scale) == 1:
        text = 'number'
    elif t.scale is not None:
        unit = f' {UNITS[t.unit]}' if t.unit else ''
        return f'number in steps of {decimal(abs(t.scale))}{unit}'
    else:
        signed = 'signed ' if t.signed else ''
        text = f'{signed}number of {bits or t.width * 8} bits'
    return f'{text}, in {UNITS[t.unit]}' if t.unit else text


def type_words(t: Type, bits: int = 0) -> list[str | Enum]:
    """A type as a caller meets it. Enumerations stand for themselves, to become links."""
    count = t.length.count if t.length and t.length.kind == 'fixed' else 0
    match t.kind:
        case 'uint' | 'int' | 'float':
            return [number_words(t, bits)]
        case 'bool':
            return ['true or false']
        case 'enum':
            return ['one of ', t.enum]
        case 'flags':
            return ['any of ', t.enum]
        case 'string':
            return [f'text of at most {count} bytes' if count else 'text']
        case 'bytes':
            return [f'{count} bytes' if count else 'bytes']
        case 'array' if t.element.fields:
            return [f'list of {count} groups' if count else 'list of groups']
        case 'array':
            return [f'list of {count}, each ' if count else 'list, each ', *type_words(t.element)]
        case 'struct' | 'bits':
            return ['group']
        case 'ipv4':
            return ['IPv4 address']
        case 'ipv6':
            return ['IPv6 address']
        case 'empty':
            return ['true, or absent']
    return ['network code, as 26201']


@dataclass
class Row:
    """A key of a dictionary, in the order of the wire; those of a group follow it, one deeper."""

    depth: int
    key: str
    signature: str
    words: list[str | Enum]
    remarks: list[str]
    tlv: int = 0  # 0: of a group
    alternative: bool = False  # another layout of the TLV before it


def field_rows(f: Field, depth: int, remarks: tuple[str, ...] = ()) -> Iterator[Row]:
    said = list(remarks)
    if depth and (f.valid_byte or f.mask or f.type.sentinel is not None):
        said.append('may be absent')
    if f.secret:
        said.append('secret')
    if f.guard == 'token':
        said.append('only with force')
    elif f.guard:
        said.append('guarded')
    if f.access:
        said.append(f'class {f.access}')
    yield Row(depth, snake(f.name), f.type.signature(), type_words(f.type, f.bits), said)
    for inner in innermost(f.type).fields:
        if not inner.hidden and not inner.padding:
            yield from field_rows(inner, depth + 1)


def tlv_rows(tlvs: list[Tlv]) -> Iterator[Row]:
    for t in tlvs:
        remarks = ['mandatory'] if t.mandatory else []
        if t.max:
            remarks.append(f'at most {t.max} bytes')
        if t.vendor:
            remarks.append(f'only modems of USB vendor 0x{t.vendor:04x}')
        rows = list(field_rows(t.field, 0, tuple(remarks)))
        rows[0].tlv = t.id
        rows[0].alternative = t.alternative > 0
        yield from rows


def properties(m: Message) -> list[str]:
    """What is short: "0x0021", "client", …"""
    words = [f'0x{m.id:04x}']
    if m.kind:
        words.append(m.kind)
    words.append(f'class {m.access}')
    if m.timeout and m.timeout != DEFAULT_TIMEOUT:
        words.append(f'up to {m.timeout} s')
    if m.vendor:
        words.append(f'only modems of USB vendor 0x{m.vendor:04x}')
    if m.since:
        words.append(f'since {m.since}')
    return words


def notes(m: Message) -> list[str]:
    """What belongs to it and is no field; each a sentence."""
    found = []
    if m.result:
        found.append(f'The result comes as the signal {camel(m.result)}; the method returns both.')
    if m.abort:
        found.append(f'{camel(m.abort)} aborts it while it is under way.')
    if m.undo:
        found.append(f'When its caller leaves the bus, {camel(m.undo)} undoes it.')
    if m.replay:
        found.append('Its last request is sent again after a reset of the modem.')
    return found


ID_ONLY = (
    'Open sources have no more than the ids of these; they are called, and come as indications,'
    ' as bytes. The method Call of a device, and qmictl raw, do so.'
)


def id_only(s: Service) -> list[tuple[str, str]]:
    """The ids, with a vendor, and the names."""
    return [
        (
            f'0x{m.id:04x}' + (f', vendor 0x{m.vendor:04x} only' if m.vendor else ''),
            m.name,
        )
        for m in sorted(s.id_only, key=lambda m: (m.id, m.vendor))
    ]


def enums_of(s: Service) -> list[Enum]:
    """Those that some field of the service uses, by name."""
    found: dict[int, Enum] = {}

    def walk(t: Type):
        if t.enum:
            found[id(t.enum)] = t.enum
        if t.element:
            walk(t.element)
        for f in t.fields:
            walk(f.type)

    for m in (*s.messages.values(), *s.indications.values()):
        for t in m.request + m.response:
            walk(t.field.type)
    return sorted(found.values(), key=lambda e: (e.name, e.flags))
