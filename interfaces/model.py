# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a schema is made of, once it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from lines import Where


class SchemaError(Exception):
    """What is wrong with one line; whoever knows the line catches it."""


def camel(name: str) -> str:
    """get-signal-info as the bus spells it: GetSignalInfo."""
    return ''.join(part[:1].upper() + part[1:] for part in name.split('-'))


def snake(name: str) -> str:
    """cell-id as a dictionary key: cell_id."""
    return name.replace('-', '_')


@dataclass
class Enum:
    name: str
    flags: bool
    values: list[tuple[int, str]]
    lines: dict[str, Where]
    uses: set[tuple[int, bool]] = field(default_factory=set)  # bits, signed

    def fits(self, value: int, bits: int, signed: bool) -> bool:
        if self.flags:
            return value < bits
        return -(1 << bits - 1) <= value < 1 << bits - 1 if signed else 0 <= value < 1 << bits


@dataclass
class Length:
    kind: str  # end prefix fixed field
    width: int = 0  # of the prefix
    unit: int = 1  # bytes that one step of the prefix stands for
    count: int = 0  # fixed
    field: str = ''


@dataclass(frozen=True)
class Item:
    """A piece of a layout: what is seen on the wire, without names and meanings."""

    kind: str  # word; bytes (an address, text or a wide word); of elements: prefix, end, field
    size: int = 0  # of a word, bytes or prefix
    big_endian: bool = False
    element: tuple[Item, ...] = ()
    type: Type | None = field(default=None, compare=False, repr=False)


@dataclass
class Type:
    kind: str  # as SchemaKind, in lower case
    width: int = 0
    signed: bool = False
    big_endian: bool = False
    length: Length | None = None
    coding: str = 'utf8'
    coding_by: tuple[dict[int, str], str] | None = None  # [coding.x], field
    enum: Enum | None = None
    element: Type | None = None
    fields: list[Field] = field(default_factory=list)
    scale: Fraction | None = None
    unit: str = ''
    sentinel: int | None = None
    broken: bool = False  # an error in it has been told already

    def min_size(self) -> int:
        match self.kind:
            case 'string' | 'bytes':
                return {'fixed': self.length.count, 'prefix': self.length.width}.get(
                    self.length.kind, 0
                )
            case 'array':
                if self.length.kind == 'fixed':
                    return self.length.count * self.element.min_size()
                return self.length.width if self.length.kind == 'prefix' else 0
            case 'struct':
                return sum(f.type.min_size() + f.valid_byte for f in self.fields)
            case 'empty':
                return 0
        return self.width

    def is_open(self) -> bool:
        """It takes all bytes to the end of the TLV, so that nothing can follow it."""
        if self.length and self.length.kind == 'end':
            return True
        return self.kind == 'struct' and bool(self.fields) and self.fields[-1].type.is_open()

    def is_plain(self) -> bool:
        """A number and nothing else."""
        return (
            self.kind == 'uint' and self.scale is None and self.sentinel is None and not self.unit
        )

    def is_broken(self) -> bool:
        return (
            self.broken
            or bool(self.element and self.element.is_broken())
            or any(f.type.is_broken() for f in self.fields)
        )

    def has_text(self) -> bool:
        return (
            self.kind == 'string'
            or self.kind.startswith('plmn-')
            or (self.kind == 'array' and self.element.has_text())
        )

    def has_secret(self) -> bool:
        return any(f.secret or f.type.has_secret() for f in self.fields) or bool(
            self.element and self.element.has_secret()
        )

    def signature(self) -> str:
        match self.kind:
            case 'uint' | 'int':
                if self.scale is not None:
                    return 'd'
                rank = (
                    0 if self.width == 1 else 1 if self.width == 2 else 2 if self.width <= 4 else 3
                )
                return ('nnix' if self.kind == 'int' else 'yqut')[rank]
            case 'float':
                return 'd'
            case 'bool' | 'empty':
                return 'b'
            case 'flags':
                return 'as'
            case 'bytes':
                return 'ay'
            case 'array':
                return 'a' + self.element.signature()
            case 'struct' | 'bits':
                return 'a{sv}'
        return 's'  # enum, string, addresses

    def layout(self) -> tuple[Item, ...]:
        match self.kind:
            case 'empty':
                return ()
            case 'struct':
                items: list[Item] = []
                for i, f in enumerate(self.fields):
                    if f.valid_byte:
                        items.append(Item('word', 1))
                    own = f.type.layout()
                    if (
                        i
                        and f.type.length
                        and f.type.length.field == self.fields[i - 1].name
                        and not f.valid_byte
                    ):
                        own = (
                            Item(
                                'prefix',
                                items.pop().size,
                                element=own[0].element,
                                type=own[0].type,
                            ),
                        )
                    items += own
                return tuple(items)
            case 'string' | 'bytes' | 'array':
                if self.length.kind == 'fixed':
                    if self.kind == 'array':
                        return self.element.layout() * self.length.count
                    return (Item('bytes', self.length.count, type=self),)
                element = (
                    self.element.layout()
                    if self.kind == 'array'
                    else (Item('word', self.length.unit),)
                )
                return (Item(self.length.kind, self.length.width, element=element, type=self),)
            case 'ipv4' | 'ipv6' | 'plmn-bcd' | 'plmn-ascii':
                return (Item('bytes', self.width, type=self),)
            case 'plmn-binary':
                return Item('word', 2), Item('word', 2), Item('word', 1)
        return (
            Item('word' if self.width <= 8 else 'bytes', self.width, self.big_endian, type=self),
        )


@dataclass
class Field:
    name: str
    type: Type
    hidden: bool = False
    valid_byte: bool = False
    mask: tuple[str, int] | None = None
    secret: bool = False
    guard: str = ''  # what kind of code it is, or 'token'
    access: str = ''
    bits: int = 0
    padding: bool = False

    def is_private(self) -> bool:
        """A secret or an identity, or something in it is."""
        inner = [*self.type.fields]
        t = self.type
        while t.element:
            t = t.element
            inner += t.fields
        return self.secret or self.access == 'identity' or any(f.is_private() for f in inner)


@dataclass
class Tlv:
    id: int
    field: Field
    where: Where
    mandatory: bool = False
    vendor: int = 0
    max: int = 0
    alternative: int = 0

    def key(self) -> str:
        return self.field.name


@dataclass
class Message:
    name: str
    where: Where
    indication: bool
    path: tuple[str, ...]  # of its keys in the file
    id: int = -1
    kind: str = ''
    access: str = ''
    about: str = ''
    request: list[Tlv] = field(default_factory=list)
    response: list[Tlv] = field(default_factory=list)  # of an indication: its TLVs
    timeout: int = 0
    abort: str = ''
    undo: str = ''
    replay: bool = False
    result: str = ''
    token: str = ''
    vendor: int = 0
    since: str = ''
    like: str = ''
    broken: bool = False  # some TLV of it could not be read

    def guarded(self) -> list[tuple[Tlv, Field]]:
        """The fields that the schema marks `guard`, each with the TLV that it is in."""
        return [
            (t, f)
            for t in self.request
            for f in [t.field, *t.field.type.fields]
            if f.guard
        ]

    def guard(self) -> str:
        """What kind of code it gives to the card; '': none."""
        return next((f.guard for _, f in self.guarded() if f.guard != 'token'), '')

    def has_secret(self) -> bool:
        return any(
            t.field.secret or t.field.type.has_secret() for t in self.request + self.response
        )


    def has_private(self) -> bool:
        """A secret or who the subscriber is."""
        return self.access == 'identity' or any(
            t.field.is_private() for t in self.request + self.response
        )


@dataclass
class IdOnly:
    """A message of which no open source has more than id and name."""

    name: str
    id: int
    vendor: int


@dataclass
class Service:
    name: str
    where: Where
    id: int
    title: str
    vendor: int
    messages: dict[str, Message] = field(default_factory=dict)
    indications: dict[str, Message] = field(default_factory=dict)
    id_only: list[IdOnly] = field(default_factory=list)


def interface(s: Service) -> str:
    """CTL has none: it belongs to the multiplexer."""
    return '' if s.name == 'ctl' else f'org.qmid1.{camel(s.name)}'


@dataclass
class Scope:
    """The names that types of one file may use: its own and those of common.toml."""

    enums: dict[str, Enum] = field(default_factory=dict)
    flags: dict[str, Enum] = field(default_factory=dict)
    codings: dict[str, dict[int, str]] = field(default_factory=dict)
    types: dict[str, Type] = field(default_factory=dict)
    unreadable: set[tuple[str, str]] = field(
        default_factory=set
    )  # (section, name): errors told already


@dataclass
class Schema:
    services: list[Service]
    common: Scope
