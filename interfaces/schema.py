# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads the schema (docs/schema.md has the grammar) and refuses what is wrong in it.

load() takes the TOML files and gives a Schema, or the complete list of errors, each with file and line. A
line that is wrong is reported once: whatever depends on it is then not looked at."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

ACCESS = ('status', 'identity', 'location', 'data', 'sim_unlock', 'sim', 'messaging', 'voice', 'control',
          'clients', 'configuration', 'raw')
KINDS = ('query', 'command', 'client', 'session')
CODINGS = ('utf8', 'utf8-or-gsm7', 'gsm7', 'gsm8', 'ucs2le', 'ucs2be', 'latin1', 'bcd')
UNITS = ('%', 'B', 'bit', 'bit/s', 'C', 'd', 'dB', 'dBm', 'deg', 'deg/s', 'h', 'Hz', 'Hz/s', 'kbit/s', 'kHz', 'km',
         'm', 'm/s', 'mA', 'MHz', 'min', 'ms', 'mV', 'ns', 'packet', 'rad', 'rad/s', 's', 'us')

# Which client id a message runs on does not depend on taste: the first rule whose service and name fit must
# hold. What sets per-client state in the modem is `client`, what belongs to a data call is `session`.
KIND_RULES = (
    ('*', 'reset', 'client'),
    ('*', 'set-event-report', 'client'),
    ('*', 'register-*', 'client'),
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
    ('*', 'get-supported-messages', 'query'),
)

NAME = re.compile(r'[a-z][a-z0-9]*(-[a-z0-9]+)*')
SYMBOL = re.compile(r'[a-z0-9]+(-[a-z0-9]+)*')
RESERVED_KEYS = ('unknown-tlvs', 'withheld')
RESULT_TLV = 0x02
ATTRIBUTES = ('if', 'secret', 'mandatory', 'optional')


class SchemaError(Exception):
    """What is wrong with one line; whoever knows the line catches it."""


def camel(name: str) -> str:
    """get-signal-info as the bus spells it: GetSignalInfo."""
    return ''.join(part[:1].upper() + part[1:] for part in name.split('-'))


def snake(name: str) -> str:
    """cell-id as a dictionary key: cell_id."""
    return name.replace('-', '_')


# ---- the model ----

@dataclass(frozen=True)
class Where:
    file: str
    line: int


@dataclass
class Enum:
    name: str
    flags: bool
    values: list[tuple[int, str]]
    lines: dict[str, Where]
    uses: set[tuple[int, bool]] = field(default_factory=set)  # bits, signed


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
    kind: str  # word; bytes (an address, text or a wide word); prefix, end, field (any number of elements)
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
                return {'fixed': self.length.count, 'prefix': self.length.width}.get(self.length.kind, 0)
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
        return (self.kind == 'uint' and self.scale is None and self.sentinel is None and not self.unit)

    def is_broken(self) -> bool:
        return (self.broken or bool(self.element and self.element.is_broken())
                or any(f.type.is_broken() for f in self.fields))

    def has_text(self) -> bool:
        return (self.kind == 'string' or self.kind.startswith('plmn-')
                or (self.kind == 'array' and self.element.has_text()))

    def has_secret(self) -> bool:
        return (any(f.secret or f.type.has_secret() for f in self.fields)
                or bool(self.element and self.element.has_secret()))

    def signature(self) -> str:
        match self.kind:
            case 'uint' | 'int':
                if self.scale is not None:
                    return 'd'
                rank = 0 if self.width == 1 else 1 if self.width == 2 else 2 if self.width <= 4 else 3
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
                    if i and f.type.length and f.type.length.field == self.fields[i - 1].name and not f.valid_byte:
                        own = (Item('prefix', items.pop().size, element=own[0].element, type=own[0].type),)
                    items += own
                return tuple(items)
            case 'string' | 'bytes' | 'array':
                if self.length.kind == 'fixed':
                    if self.kind == 'array':
                        return self.element.layout() * self.length.count
                    return (Item('bytes', self.length.count, type=self),)
                element = self.element.layout() if self.kind == 'array' else (Item('word', self.length.unit),)
                return (Item(self.length.kind, self.length.width, element=element, type=self),)
            case 'ipv4' | 'ipv6' | 'plmn-bcd' | 'plmn-ascii':
                return (Item('bytes', self.width, type=self),)
            case 'plmn-binary':
                return Item('word', 2), Item('word', 2), Item('word', 1)
        return (Item('word' if self.width <= 8 else 'bytes', self.width, self.big_endian, type=self),)


@dataclass
class Field:
    name: str
    type: Type
    hidden: bool = False
    valid_byte: bool = False
    mask: tuple[str, int] | None = None
    secret: bool = False
    access: str = ''
    bits: int = 0
    padding: bool = False


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
    id: int = 0
    kind: str = ''
    access: str = 'status'
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

    def has_secret(self) -> bool:
        return any(t.field.secret or t.field.type.has_secret() for t in self.request + self.response)


@dataclass
class Service:
    name: str
    where: Where
    id: int
    title: str
    vendor: int
    messages: dict[str, Message] = field(default_factory=dict)
    indications: dict[str, Message] = field(default_factory=dict)


@dataclass
class Scope:
    """The names that types of one file may use: its own and those of common.toml."""
    enums: dict[str, Enum] = field(default_factory=dict)
    flags: dict[str, Enum] = field(default_factory=dict)
    codings: dict[str, dict[int, str]] = field(default_factory=dict)
    types: dict[str, Type] = field(default_factory=dict)
    unreadable: set[tuple[str, str]] = field(default_factory=set)  # (section, name): errors told already


@dataclass
class Schema:
    services: list[Service]
    common: Scope


# ---- lines ----

_KEY = r'(?:[A-Za-z0-9_-]+|"[^"]*"|\'[^\']*\')'
_HEADER = re.compile(rf'\s*\[\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*\]')
_ASSIGN = re.compile(rf'\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=')


def _split_key(text: str) -> tuple[str, ...]:
    return tuple(part.strip('"\'') for part in re.findall(_KEY, text))


class Lines:
    """Where in the text of a TOML file a key stands. tomllib does not say, so that a key has its own line."""

    def __init__(self, file: str, text: str):
        self.file = file
        self.lines: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        for number, line in enumerate(text.splitlines(), 1):
            if m := _HEADER.match(line):
                table = _split_key(m[1])
                self.lines.setdefault(table, number)
            elif m := _ASSIGN.match(line):
                path = table + _split_key(m[1])
                for n in range(len(table) + 1, len(path) + 1):
                    self.lines.setdefault(path[:n], number)

    def find(self, *path: str) -> Where:
        for n in range(len(path), 0, -1):
            if line := self.lines.get(path[:n]):
                return Where(self.file, line)
        return Where(self.file, 1)


# ---- types ----

_TOKEN = re.compile(r'\s*([{}\[\],:]|[^\s{}\[\],:]+)')
_INT = re.compile(r'([ui])(\d+)(be)?')
_SCALE = re.compile(r'x(-?\d+(?:\.\d+)?)(?:/(\d+))?')
_ADDRESSES = {'ipv4le': ('ipv4', 4), 'ipv4be': ('ipv4', 4), 'ipv6': ('ipv6', 16), 'plmn-bcd': ('plmn-bcd', 3),
              'plmn-ascii': ('plmn-ascii', 6), 'plmn-binary': ('plmn-binary', 5)}
_BUILT_IN = re.compile(r'[ui]\d+(be)?|f32|f64|string|bytes|empty|valid|bool|enum|flags|bits|if|coding|secret'
                       r'|mandatory|optional|' + '|'.join(_ADDRESSES) + '|' + '|'.join(CODINGS))


def number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise SchemaError(f'"{text}" is no number') from None


def misplaced(word: str) -> SchemaError:
    return SchemaError(f'"{word}" is no unit, scale or attribute that fits here; units are {" ".join(UNITS)}')


class TypeParser:
    """One line: a type with what stands behind it. `where` in texts is what the caller says about the line."""

    def __init__(self, text: str, scope: Scope, resolve, siblings: list[Field] | None = None):
        self.text = text
        self.scope = scope
        self.resolve = resolve  # name of a type -> Type
        self.siblings = siblings  # earlier fields of the struct, None where there is none
        self.tokens = []
        at = 0
        while at < len(text.rstrip()):
            m = _TOKEN.match(text, at)
            self.tokens.append(m[1])
            at = m.end()
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ''

    def next(self, what: str) -> str:
        if self.at >= len(self.tokens):
            raise SchemaError(f'{what} is missing at the end of "{self.text}"')
        self.at += 1
        return self.tokens[self.at - 1]

    def skip(self, token: str) -> bool:
        if self.peek() == token:
            self.at += 1
            return True
        return False

    def expect(self, token: str, after: str):
        found = self.next(f'"{token}" after {after}')
        if found != token:
            raise SchemaError(f'"{token}" is expected after {after}, not "{found}"')

    def end(self):
        if self.peek():
            raise misplaced(self.peek())

    # -- fields

    def named_field(self, siblings: list[Field] | None) -> Field:
        """`key: TYPE`, in a struct or as a TLV."""
        name = self.next('a key')
        check_key(name)
        self.expect(':', f'the key "{name}"')
        return self.field(name, siblings)

    def field(self, name: str, siblings: list[Field] | None) -> Field:
        """A type and what may stand behind the type of any field."""
        outer, self.siblings = self.siblings, siblings
        f = Field(name, Type('empty'))
        f.valid_byte = self.skip('valid')
        f.type = self.type()
        while True:
            word = self.peek()
            if word == 'if':
                self.at += 1
                f.mask = self.mask_bit(self.next('FIELD.BIT behind "if"'))
            elif word == 'secret':
                self.at += 1
                f.secret = True
            elif word.startswith('access='):
                self.at += 1
                f.access = check_access(word[7:])
            else:
                break
        if f.valid_byte and f.mask:
            raise SchemaError(f'"{name}" has both "valid" and "if": only one can say whether it counts')
        self.siblings = outer
        return f

    def refer(self, name: str, what: str) -> Field:
        if self.siblings is None:
            raise SchemaError(f'{what} refers to the field "{name}", but here is no struct with earlier fields')
        for f in self.siblings:
            if f.name == name:
                return f
        raise SchemaError(f'{what} refers to "{name}", which is no earlier field of the same struct')

    def count_field(self, name: str, what: str) -> str:
        f = self.refer(name, what)
        if f.type.broken:
            return name
        if not f.type.is_plain() or f.valid_byte or f.mask or f.secret or f.access:
            raise SchemaError(f'{what} needs a plain unsigned number, which "{name}" is not')
        f.hidden = True
        return name

    def mask_bit(self, text: str) -> tuple[str, int]:
        name, dot, bit = text.partition('.')
        if not dot or not bit.isdigit():
            raise SchemaError(f'"if {text}" does not name a bit: "if FIELD.BIT" does, bit 0 being the lowest')
        f = self.refer(name, f'"if {text}"')
        self.count_field(name, f'"if {text}"')
        if not f.type.broken and int(bit) >= f.type.width * 8:
            raise SchemaError(f'"if {text}": "{name}" has only bits 0 to {f.type.width * 8 - 1}')
        return name, int(bit)

    # -- types

    def type(self) -> Type:
        word = self.next('a type')
        if word == '{':
            return self.struct()
        if word == '[':
            return self.array()
        if word == 'valid':
            raise SchemaError('"valid" stands before the type of a field; in an array write {KEY: valid TYPE}')
        if word in ('string', 'bytes'):
            return self.text_type(word)
        if word == 'empty':
            return Type('empty')
        if word in _ADDRESSES:
            kind, width = _ADDRESSES[word]
            return Type(kind, width=width, big_endian=word.endswith('be'))
        if word in ('f32', 'f64'):
            t = Type('float', width=int(word[1:]) // 8)
            self.interpretation(t)
            return t
        if m := _INT.fullmatch(word):
            return self.word_type(m)
        if word in ']},:':
            raise SchemaError(f'a type is expected, not "{word}"')
        return self.resolve(word)

    def struct(self) -> Type:
        fields: list[Field] = []
        while True:
            f = self.named_field(fields)
            add_field(fields, f)
            token = self.next('"," or "}"')
            if token == '}':
                break
            if token != ',':
                raise misplaced(token)
        t = Type('struct', fields=fields)
        check_struct(t)
        return t

    def array(self) -> Type:
        length = self.length('[')
        t = Type('array', length=length)
        outer, self.siblings = self.siblings, None
        t.element = e = self.type()
        self.siblings = outer
        if e.is_broken():
            return t
        if e.sentinel is not None:
            raise SchemaError(f'none={e.sentinel} inside an array: leaving an element out would move the others;'
                              ' drop it, or make the element a struct')
        if e.is_open():
            raise SchemaError('an array element that goes to the end of the TLV: it would take what is for the'
                              ' others; it needs a length')
        if e.is_plain() and e.width == 1:
            written = {'end': '', 'fixed': f'[{length.count}]', 'prefix': f'[u{length.width * 8}]',
                       'field': f'[@{length.field}]'}[length.kind]
            raise SchemaError(f'an array of u8 is written "bytes{written}"')
        if e.min_size() < 1:
            raise SchemaError('an array element that may take no byte at all: a count could then ask for any'
                              ' number of them')
        return t

    def length(self, what: str) -> Length:
        """Behind the "[" of a string, bytes or array."""
        text = self.next('a length')
        self.expect(']', f'the length "{text}"')
        name = {'string': 'a string', 'bytes': 'bytes'}.get(what, 'an array')
        if text == '*':
            if what != '[':
                raise SchemaError(f'{what}[*]: without brackets it goes to the end of the TLV')
            return Length('end')
        if text.startswith('@'):
            return Length('field', field=self.count_field(text[1:], f'[{text}]'))
        if m := re.fullmatch(r'u(8|16|32)(?:\*(\d+))?', text):
            unit = int(m[2] or 1)
            if m[2] and (what == '[' or unit not in (2, 4)):
                raise SchemaError(f'[{text}]: only the length of strings and bytes can count units, of 2 or 4 bytes')
            return Length('prefix', width=int(m[1]) // 8, unit=unit)
        if re.fullmatch(r'\d+|0x[0-9a-fA-F]+', text):
            n = int(text, 0)
            if not 0 < n <= 0xFFFF:
                raise SchemaError(f'[{text}]: the length must be 1 to 65535')
            return Length('fixed', count=n)
        raise SchemaError(f'[{text}] is no length of {name}: a prefix (u8, u16, u32), a number or @FIELD is')

    def text_type(self, word: str) -> Type:
        length = self.length(word) if self.skip('[') else Length('end')
        t = Type(word, length=length)
        if word == 'bytes':
            return t
        if self.peek() in CODINGS:
            t.coding = self.next('coding')
        elif self.skip('coding'):
            name = self.next('the name of a [coding.…]')
            if name not in self.scope.codings:
                if ('coding', name) in self.scope.unreadable:
                    t.broken = True
                else:
                    raise SchemaError(f'there is no [coding.{name}] here or in common.toml')
            ref = self.next(f'@FIELD behind "coding {name}"')
            if not ref.startswith('@'):
                raise SchemaError(f'"coding {name}" needs the field that chooses, as @FIELD, not "{ref}"')
            f = self.refer(ref[1:], f'"coding {name} {ref}"')
            if not f.type.broken and (f.type.kind not in ('uint', 'enum') or f.type.scale is not None
                                      or f.type.signed):
                raise SchemaError(f'"coding {name} {ref}": "{f.name}" is no unsigned number or enum')
            if f.hidden:
                raise SchemaError(f'"coding {name} {ref}": "{f.name}" is a count or mask already')
            t.coding_by = (self.scope.codings.get(name, {}), f.name)
        elif self.peek() and re.fullmatch(r'[a-z][a-z0-9-]*', self.peek()) and self.peek() not in ATTRIBUTES:
            raise SchemaError(f'"{self.peek()}" is no text coding: {", ".join(CODINGS)} are')
        return t

    def word_type(self, m: re.Match) -> Type:
        bits = int(m[2])
        signed = m[1] == 'i'
        width = bits // 8
        following = self.peek()
        limit = 512 if following == 'flags' and not signed else 64
        if bits % 8 or not 0 < bits <= limit:
            raise SchemaError(f'{m[0]}: widths are whole bytes up to 64 bits, of flags up to u512')
        big_endian = bool(m[3])
        if big_endian and bits == 8:
            raise SchemaError(f'{m[0]}: one byte has no byte order')
        t = Type('int' if signed else 'uint', width=width, signed=signed, big_endian=big_endian)
        if self.skip('bool'):
            t.kind = 'bool'
        elif following in ('enum', 'flags'):
            self.at += 1
            self.use_enum(t, following)
        elif self.skip('bits'):
            if signed:
                raise SchemaError(f'{m[0]} bits: a word that is split up is unsigned')
            self.bits(t)
        else:
            self.interpretation(t)
        return t

    def use_enum(self, t: Type, section: str, bits: int = 0):
        name = self.next(f'the name of an {section}')
        t.kind = section
        bits = bits or t.width * 8
        known = self.scope.enums if section == 'enum' else self.scope.flags
        if name not in known:
            t.broken = True
            if (section, name) in self.scope.unreadable:
                return
            raise SchemaError(f'there is no [{section}.{name}] here or in common.toml')
        t.enum = known[name]
        if section == 'flags' and t.signed:
            raise SchemaError('flags are unsigned')
        t.enum.uses.add((bits, t.signed))

    def bits(self, t: Type):
        t.kind = 'bits'
        self.expect('{', 'bits')
        total = 0
        while True:
            name = self.next('a key')
            padding = name == '_'
            if not padding:
                check_key(name)
            self.expect(':', f'the key "{name}"')
            n = number(self.next('a width in bits'))
            if not 0 < n <= 64:
                raise SchemaError(f'"{name}": a width of {n} bits; 1 to 64 are possible')
            total += n
            width = next(w for w in (1, 2, 4, 8) if n <= w * 8)
            part = Type('bool' if n == 1 else 'uint', width=width)
            if not padding and self.peek() in ('enum', 'flags'):
                self.use_enum(part, self.next(''), n)
            elif not padding and n > 1:
                if self.skip('bool'):
                    part.kind = 'bool'
                else:
                    self.interpretation(part)
                    if part.sentinel is not None and part.sentinel >= 1 << n:
                        raise SchemaError(f'none={part.sentinel} does not fit {n} bits')
            add_field(t.fields, Field(name, part, bits=n, padding=padding))
            token = self.next('"," or "}"')
            if token == '}':
                break
            if token != ',':
                raise misplaced(token)
        if total != t.width * 8:
            raise SchemaError(f'the bits add up to {total}, not {t.width * 8}; write the rest as _: {t.width * 8 - total}'
                              if total < t.width * 8 else f'the bits add up to {total}, more than {t.width * 8}')

    def interpretation(self, t: Type):
        """Scale, unit and sentinel of a number."""
        while word := self.peek():
            if m := _SCALE.fullmatch(word):
                if t.kind == 'float':
                    raise SchemaError(f'{word}: floating point numbers have no scale')
                if t.scale is not None:
                    raise SchemaError(f'{word}: a second scale')
                if m[2] and not int(m[2]):
                    raise SchemaError(f'{word}: division by zero')
                t.scale = Fraction(m[1]) / int(m[2] or 1)
                if not t.scale:
                    raise SchemaError(f'{word}: a scale of zero makes every value zero')
                if abs(t.scale.numerator) >= 1 << 31 or t.scale.denominator >= 1 << 31:
                    raise SchemaError(f'{word}: numerator and denominator must fit 32 bits')
            elif word.startswith('none='):
                if t.kind == 'float':
                    raise SchemaError(f'{word}: floating point numbers have NaN for that')
                if t.sentinel is not None:
                    raise SchemaError(f'{word}: a second "no value"')
                value = number(word[5:])
                low, high = (-(1 << t.width * 8 - 1), (1 << t.width * 8 - 1) - 1) if t.signed else \
                    (0, (1 << t.width * 8) - 1)
                if not low <= value <= high:
                    raise SchemaError(f'{word} does not fit: {low} to {high} do')
                t.sentinel = value
            elif word in UNITS:
                if t.unit:
                    raise SchemaError(f'"{word}": a second unit after "{t.unit}"')
                t.unit = word
            else:
                return
            self.at += 1


def check_key(name: str):
    if not NAME.fullmatch(name):
        raise SchemaError(f'the key "{name}" must be lower-case words joined by dashes, like "cell-id"')
    if name in RESERVED_KEYS:
        raise SchemaError(f'the key "{name}" has a meaning of its own on the bus')


def check_access(name: str) -> str:
    if name not in ACCESS:
        raise SchemaError(f'"{name}" is no access class: {" ".join(ACCESS)} are')
    return name


def add_field(fields: list[Field], f: Field):
    if not f.padding and any(other.name == f.name for other in fields):
        raise SchemaError(f'the key "{f.name}" is there twice')
    fields.append(f)
    if len(fields) > 255:
        raise SchemaError('a struct has at most 255 fields')


def check_struct(t: Type):
    for f in t.fields[:-1]:
        if not f.type.is_broken() and f.type.is_open():
            raise SchemaError(f'"{f.name}" goes to the end of the TLV, so that nothing can follow it')
    check_bytes_names(t.fields)


def check_bytes_names(fields: list[Field]):
    names = {f.name for f in fields}
    for f in fields:
        if f.type.has_text() and f.name + '-bytes' in names:
            raise SchemaError(f'the key "{f.name}-bytes" is where the text "{f.name}" shows its bytes when they'
                              ' cannot be decoded')


# ---- files ----

class Loader:
    def __init__(self):
        self.errors: list[tuple[Where, str]] = []
        self.common = Scope()
        self.services: list[Service] = []
        self.abouts: dict[str, Where] = {}
        self.enums: list[Enum] = []

    def error(self, where: Where, text: str):
        self.errors.append((where, text))

    # -- shared names

    def read(self, path: Path) -> tuple[dict, Lines] | None:
        file = str(path)
        try:
            text = path.read_text(encoding='utf-8')
        except (OSError, UnicodeDecodeError) as e:
            self.error(Where(file, 1), f'cannot be read: {getattr(e, "strerror", None) or e}')
            return None
        try:
            return tomllib.loads(text), Lines(file, text)
        except tomllib.TOMLDecodeError as e:
            m = re.search(r'\(at line (\d+), column \d+\)', str(e))
            line = int(m[1]) if m else len(text.splitlines())
            self.error(Where(file, line), f'no TOML: {re.sub(r" [(]at .*[)]$", "", str(e))}')
            return None

    def scope(self, data: dict, lines: Lines, outer: Scope | None) -> Scope:
        s = Scope()
        if outer:
            s = Scope(dict(outer.enums), dict(outer.flags), dict(outer.codings), dict(outer.types),
                      set(outer.unreadable))
        for section in ('enum', 'flags'):
            known = s.enums if section == 'enum' else s.flags
            for name, table in self.section(data, lines, section, s, outer):
                known[name] = self.enum(section, name, table, lines)
        for name, table in self.section(data, lines, 'coding', s, outer):
            s.codings[name] = self.coding(name, table, lines)
        self.types(data, lines, s, outer)
        return s

    def section(self, data: dict, lines: Lines, section: str, s: Scope, outer: Scope | None):
        tables = data.get(section, {})
        if not isinstance(tables, dict):
            self.error(lines.find(section), f'[{section}.NAME] is a table')
            return
        for name, table in tables.items():
            where = lines.find(section, name)
            outer_names = {'enum': 'enums', 'flags': 'flags', 'coding': 'codings', 'type': 'types'}[section]
            if not isinstance(table, dict):
                self.error(where, f'[{section}.{name}] is a table')
            elif not NAME.fullmatch(name):
                self.error(where, f'the name "{name}" must be lower-case words joined by dashes')
            elif outer and name in getattr(outer, outer_names):
                self.error(where, f'[{section}.{name}] is in common.toml already')
                continue
            elif not table:
                self.error(where, f'[{section}.{name}] is empty')
            else:
                yield name, table
                continue
            s.unreadable.add((section, name))

    def enum(self, section: str, name: str, table: dict, lines: Lines) -> Enum:
        e = Enum(name, section == 'flags', [], {})
        for symbol, value in table.items():
            where = lines.find(section, name, symbol)
            if not SYMBOL.fullmatch(symbol) or symbol.isdigit():
                self.error(where, f'the symbol "{symbol}" must be lower-case words joined by dashes, not only digits')
            elif type(value) is not int:
                self.error(where, f'"{symbol}" needs a number')
            elif e.flags and not 0 <= value <= 511:
                self.error(where, f'"{symbol}": flags have bit numbers, 0 to 511, not {value}')
            elif e.flags and re.fullmatch(r'bit\d+', symbol):
                self.error(where, f'the symbol "{symbol}" is what an unknown bit is called')
            elif not -(1 << 31) <= value < 1 << 32:
                self.error(where, f'"{symbol}": {value} does not fit 32 bits')
            else:
                e.values.append((value, symbol))
                e.lines[symbol] = where
        self.enums.append(e)
        return e

    def coding(self, name: str, table: dict, lines: Lines) -> dict[int, str]:
        values = {}
        for key, coding in table.items():
            where = lines.find('coding', name, key)
            try:
                value = number(key)
                if not 0 <= value <= 255:
                    raise SchemaError(f'{key}: values are 0 to 255')
                if value in values:
                    raise SchemaError(f'{key} is there twice')
                if coding not in CODINGS:
                    raise SchemaError(f'"{coding}" is no text coding: {", ".join(CODINGS)} are')
                values[value] = coding
            except SchemaError as e:
                self.error(where, str(e))
        return values

    def types(self, data: dict, lines: Lines, s: Scope, outer: Scope | None):
        tables = dict(self.section(data, lines, 'type', s, outer))
        under_way: list[str] = []

        def resolve(name: str) -> Type:
            if name in s.types:
                return s.types[name]
            if ('type', name) in s.unreadable:
                return Type('struct', broken=True)
            if name in under_way:
                raise SchemaError(f'the type "{name}" contains itself')
            if name not in tables:
                raise SchemaError(f'"{name}" is no type: neither one of docs/schema.md nor [type.{name}] here or'
                                  ' in common.toml')
            under_way.append(name)
            t = Type('struct')
            for key, text in tables[name].items():
                where = lines.find('type', name, key)
                try:
                    check_key(key)
                    if not isinstance(text, str):
                        raise SchemaError(f'"{key}" needs a type as text')
                    p = TypeParser(text, s, resolve)
                    f = p.field(key, t.fields)
                    p.end()
                    add_field(t.fields, f)
                    check_struct(t)
                except SchemaError as e:
                    self.error(where, str(e))
                    t.broken = True
                    if all(f.name != key for f in t.fields):
                        t.fields.append(Field(key, Type('uint', width=1, broken=True)))
            under_way.pop()
            s.types[name] = t
            return t

        for name in tables:
            if _BUILT_IN.fullmatch(name):
                self.error(lines.find('type', name), f'"{name}" has a meaning of its own and cannot name a type')
                s.unreadable.add(('type', name))
            else:
                resolve(name)

    def unknown_keys(self, table: dict, known: tuple[str, ...], lines: Lines, *path: str):
        for key in table:
            if key not in known:
                self.error(lines.find(*path, key), f'"{key}" is no key here: {", ".join(known)} are')

    # -- services

    def load_common(self, path: Path):
        if not (r := self.read(path)):
            return
        data, lines = r
        self.unknown_keys(data, ('enum', 'flags', 'coding', 'type'), lines)
        self.common = self.scope(data, lines, None)
        if 'qmi-error' not in self.common.enums:
            self.error(Where(str(path), 1), '[enum.qmi-error], the protocol errors, is missing')

    def load_service(self, path: Path):
        if not (r := self.read(path)):
            return
        data, lines = r
        self.unknown_keys(data, ('service', 'id', 'title', 'vendor', 'enum', 'flags', 'coding', 'type', 'message',
                                 'indication'), lines)
        name = data.get('service')
        where = lines.find('service')
        if not isinstance(name, str) or not NAME.fullmatch(name):
            self.error(where, 'service = "NAME" is missing, in lower case')
            return
        ident = data.get('id')
        if type(ident) is not int or not 0 <= ident <= 0xFFFF:
            self.error(lines.find('id'), 'id = 0xNN, the QMI service id, is missing')
            ident = -1
        title = data.get('title')
        if not isinstance(title, str) or not title:
            self.error(lines.find('title'), 'title = "…" is missing')
            title = ''
        vendor = self.vendor(data, lines)
        service = Service(name, where, ident, title, vendor)
        for other in self.services:
            if other.name == name:
                self.error(where, f'the service "{name}" is in {other.where.file} already')
                return
            if other.id == ident and ident >= 0 and (other.vendor == vendor or not (other.vendor and vendor)):
                self.error(lines.find('id'), f'service id 0x{ident:02X} is that of {other.where.file}; only two'
                           ' vendors can share one')
        self.services.append(service)
        scope = self.scope(data, lines, self.common)
        for section, known in (('message', service.messages), ('indication', service.indications)):
            tables = data.get(section, {})
            if not isinstance(tables, dict):
                self.error(lines.find(section), f'[{section}.NAME] is a table')
                continue
            for key, table in tables.items():
                where = lines.find(section, key)
                if not isinstance(table, dict):
                    self.error(where, f'[{section}.{key}] is a table')
                elif not NAME.fullmatch(key):
                    self.error(where, f'the name "{key}" must be lower-case words joined by dashes, like'
                               ' "get-signal-info"')
                else:
                    known[key] = self.message(service, section, key, table, lines, scope)
        self.check_service(service, data, lines)

    def vendor(self, table: dict, lines: Lines, *path: str) -> int:
        value = table.get('vendor', 0)
        if type(value) is not int or not 0 <= value <= 0xFFFF or 'vendor' in table and not value:
            self.error(lines.find(*path, 'vendor'), 'vendor is a USB vendor id, 0x0001 to 0xFFFF')
            return 0
        return value

    def message(self, service: Service, section: str, name: str, table: dict, lines: Lines, scope: Scope) -> Message:
        indication = section == 'indication'
        path = (section, name)
        m = Message(name, lines.find(*path), indication)
        common_keys = ('id', 'access', 'about', 'vendor', 'since', 'like')
        self.unknown_keys(table, common_keys + (('tlv',) if indication else
                          ('kind', 'request', 'response', 'timeout', 'abort', 'undo', 'replay', 'result', 'token')),
                          lines, *path)

        def text(key: str) -> str:
            value = table.get(key, '')
            if not isinstance(value, str) or key in table and not value:
                self.error(lines.find(*path, key), f'"{key}" needs text')
                return ''
            return value

        ident = table.get('id')
        if type(ident) is not int or not 0 <= ident <= 0xFFFF:
            self.error(lines.find(*path, 'id'), f'{section} "{name}" needs an id, 0x0000 to 0xFFFF')
            ident = -1
        m.id = ident
        if service.name == 'ctl':
            if 'kind' in table:
                self.error(lines.find(*path, 'kind'), 'CTL runs on no client id: it has no kind')
        elif not indication:
            m.kind = table.get('kind', '')
            if 'kind' not in table:
                self.error(m.where, f'message "{name}" has no kind: {", ".join(KINDS)}')
            elif m.kind not in KINDS:
                self.error(lines.find(*path, 'kind'), f'"{m.kind}" is no kind: {", ".join(KINDS)} are')
            else:
                self.check_kind(service, m, lines.find(*path, 'kind'))
        try:
            if 'access' not in table:
                self.error(m.where, f'{section} "{name}" has no access class: {" ".join(ACCESS)}')
            else:
                m.access = check_access(text('access'))
        except SchemaError as e:
            self.error(lines.find(*path, 'access'), str(e))
        self.check_about(m, section, table, text('about'), lines.find(*path, 'about'))
        m.vendor = self.vendor(table, lines, *path)
        m.since = text('since')
        m.timeout = table.get('timeout', 0)
        if type(m.timeout) is not int or 'timeout' in table and not 0 < m.timeout <= 0xFFFF:
            self.error(lines.find(*path, 'timeout'), 'timeout is in seconds, 1 to 65535')
            m.timeout = 0
        m.replay = table.get('replay', False)
        if type(m.replay) is not bool:
            self.error(lines.find(*path, 'replay'), 'replay is true or false')
            m.replay = False
        m.abort, m.undo, m.result, m.token, m.like = map(text, ('abort', 'undo', 'result', 'token', 'like'))
        for direction in ('tlv',) if indication else ('request', 'response'):
            tlvs = self.tlvs(m, direction, table.get(direction, {}), lines, path + (direction,), scope)
            if direction == 'request':
                m.request = tlvs
            else:
                m.response = tlvs
        return m

    def check_about(self, m: Message, section: str, table: dict, about: str, where: Where):
        m.about = about
        if 'about' not in table:
            self.error(m.where, f'{section} "{m.name}" has no about: one sentence on what it does')
        elif about:
            if not about.endswith('.') or about.endswith('..') or '\n' in about:
                self.error(where, 'about is one line and ends with a full stop')
            elif about in self.abouts:
                other = self.abouts[about]
                self.error(where, f'about says the same as {other.file}:{other.line}')
            else:
                self.abouts[about] = where

    def check_kind(self, service: Service, m: Message, where: Where):
        for pattern, name, kind in KIND_RULES:
            if fnmatch.fnmatchcase(service.name, pattern) and fnmatch.fnmatchcase(m.name, name):
                if m.kind != kind:
                    self.error(where, f'"{m.name}" of {service.name} must be of kind "{kind}" (rule {pattern}'
                               f' {name}), not "{m.kind}"')
                return

    def tlvs(self, m: Message, direction: str, table, lines: Lines, path: tuple[str, ...], scope: Scope) -> list[Tlv]:
        if not isinstance(table, dict):
            self.error(lines.find(*path), f'TLVs are written {direction}.0xNN = "key: TYPE"')
            m.broken = True
            return []
        result: list[Tlv] = []
        keys: dict[str, int] = {}
        idents: dict[int, str] = {}
        for key, texts in table.items():
            where = lines.find(*path, key)
            try:
                if not re.fullmatch(r'0x[0-9A-F]{2}', key):
                    raise SchemaError(f'"{key}" is no TLV id: 0x00 to 0xFF, two upper-case digits, is')
                ident = int(key, 16)
                if direction == 'response' and ident == RESULT_TLV:
                    raise SchemaError('the result TLV 0x02 of a response is never written')
                if ident in idents:
                    raise SchemaError(f'TLV {key} is there twice')
                idents[ident] = key
                found = self.layouts(direction, ident, texts, where, scope)
                name = found[0].key()
                if name in keys:
                    raise SchemaError(f'the key "{name}" is that of TLV 0x{keys[name]:02X} too')
                keys[name] = ident
                for t in found:
                    if t.field.access and t.field.access == m.access:
                        raise SchemaError(f'access={m.access} is that of the message already')
                result += found
                check_bytes_names([t.field for t in result if not t.alternative])
            except SchemaError as e:
                self.error(where, str(e))
                m.broken = True
        return sorted(result, key=lambda t: (t.id, t.alternative))

    def layouts(self, direction: str, ident: int, texts, where: Where, scope: Scope) -> list[Tlv]:
        if isinstance(texts, str):
            texts = [texts]
        if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
            raise SchemaError('a TLV is "key: TYPE", or a list of such texts')
        found: list[Tlv] = []
        for n, text in enumerate(texts):
            t = self.tlv(direction, ident, text, where, scope)
            t.alternative = n
            if found and t.key() != found[0].key():
                raise SchemaError(f'two layouts of one TLV have one key, not "{found[0].key()}" and "{t.key()}"')
            if found and any(t.field.type.layout() == f.field.type.layout() and t.vendor == f.vendor for f in found) \
                    and not t.field.type.is_broken():
                raise SchemaError('two layouts of one TLV that are the same on the wire: the second is never taken')
            found.append(t)
        return found

    def tlv(self, direction: str, ident: int, text: str, where: Where, scope: Scope) -> Tlv:
        def resolve(name: str) -> Type:
            if name in scope.types:
                return scope.types[name]
            if ('type', name) in scope.unreadable:
                return Type('struct', broken=True)
            raise SchemaError(f'"{name}" is no type: neither one of docs/schema.md nor [type.{name}] here or'
                              ' in common.toml')

        p = TypeParser(text, scope, resolve)
        f = p.named_field(None)
        t = Tlv(ident, f, where, mandatory=direction == 'request' and ident < 0x10)
        marked = False
        while word := p.peek():
            if word in ('mandatory', 'optional'):
                if direction != 'request':
                    raise SchemaError(f'"{word}" is for TLVs of requests')
                if marked:
                    raise SchemaError(f'"{word}" behind "mandatory" or "optional"')
                marked = True
                t.mandatory = word == 'mandatory'
            elif word.startswith('max='):
                if direction != 'request':
                    raise SchemaError('max= is for TLVs of requests')
                t.max = number(word[4:])
                if not 0 < t.max <= 0xFFFF:
                    raise SchemaError(f'{word}: 1 to 65535 bytes are possible')
                if not f.type.is_broken() and t.max < f.type.min_size() + f.valid_byte:
                    raise SchemaError(f'{word}: it takes at least {f.type.min_size() + f.valid_byte} bytes')
            elif word.startswith('vendor='):
                t.vendor = number(word[7:])
                if not 0 < t.vendor <= 0xFFFF:
                    raise SchemaError(f'{word}: a USB vendor id is 0x0001 to 0xFFFF')
            elif word == 'secret':
                f.secret = True
            elif word.startswith('access='):
                f.access = check_access(word[7:])
            else:
                p.end()
            p.at += 1
        if not f.type.is_broken() and f.type.min_size() > 0xFFFF:
            raise SchemaError(f'it takes at least {f.type.min_size()} bytes, more than a TLV can hold')
        return t

    # -- what holds between messages

    def check_service(self, service: Service, data: dict, lines: Lines):
        every = list(service.messages.values()) + list(service.indications.values())
        for known in (service.messages, service.indications):
            by_id: dict[tuple[int, int], Message] = {}
            for m in known.values():
                if m.id < 0:
                    continue
                section = 'indication' if m.indication else 'message'
                if other := by_id.get((m.id, m.vendor)):
                    self.error(lines.find(section, m.name, 'id'), f'id 0x{m.id:04X} is that of "{other.name}"'
                               f' (line {other.where.line}); only two vendors can share one')
                else:
                    by_id[m.id, m.vendor] = m
        members: dict[str, Message] = {}
        for m in every:
            member = camel(m.name)
            if other := members.get(member):
                what = 'a method and a signal cannot both be' if m.indication != other.indication else 'both are'
                self.error(m.where, f'{what} {member} on the bus: "{m.name}" and "{other.name}"'
                           f' (line {other.where.line})')
            else:
                members[member] = m
        for m in every:
            self.inherit(service, m, [], lines)
        for m in service.messages.values():
            self.check_references(service, m, lines)

    def inherit(self, service: Service, m: Message, under_way: list[Message], lines: Lines):
        if not m.like:
            return
        where = lines.find('indication' if m.indication else 'message', m.name, 'like')
        name, m.like = m.like, ''
        other = service.messages.get(name) or service.indications.get(name)
        if not other:
            self.error(where, f'like: there is no message or indication "{name}" in this file')
            return
        if other is m or other in under_way:
            self.error(where, f'like: "{name}" is in turn like "{m.name}"')
            return
        self.inherit(service, other, under_way + [m], lines)
        m.broken |= other.broken
        m.response = self.merge(m, m.response, other.response, name, where)
        if not m.indication and not other.indication:
            m.request = self.merge(m, m.request, other.request, name, where)

    def merge(self, m: Message, own: list[Tlv], others: list[Tlv], name: str, where: Where) -> list[Tlv]:
        """The TLVs of `others` that are not written in `m`, and those that are. `like` says that two messages are
        the same on the wire: where they share a TLV that differs, somebody may have meant another one."""
        mine: dict[int, list[Tlv]] = {}
        theirs: dict[int, list[Tlv]] = {}
        for tlvs, by_id in ((own, mine), (others, theirs)):
            for t in tlvs:
                by_id.setdefault(t.id, []).append(t)
        for ident in mine.keys() & theirs.keys():
            if [t.field.type.layout() for t in mine[ident]] != [t.field.type.layout() for t in theirs[ident]] \
                    and not any(t.field.type.is_broken() for t in mine[ident] + theirs[ident]):
                self.error(mine[ident][0].where, f'TLV 0x{ident:02X} differs on the wire from that of "{name}", which'
                           f' line {where.line} says this is like: write "{m.name}" out without "like"')
        keys = {tlvs[0].key(): ident for ident, tlvs in mine.items()}
        for ident, tlvs in theirs.items():
            if ident not in mine and tlvs[0].key() in keys:
                self.error(mine[keys[tlvs[0].key()]][0].where, f'the key "{tlvs[0].key()}" is that of TLV 0x{ident:02X},'
                           f' which comes from "{name}"')
        merged = theirs | mine
        return [t for ident in sorted(merged) for t in merged[ident]]

    def check_references(self, service: Service, m: Message, lines: Lines):
        path = ('message', m.name)

        def refer(key: str, known: dict[str, Message], what: str) -> Message | None:
            name = getattr(m, key)
            if not name:
                return None
            if name not in known:
                self.error(lines.find(*path, key), f'{key}: there is no {what} "{name}" in this file')
                setattr(m, key, '')
                return None
            return known[name]

        abort = refer('abort', service.messages, 'message')
        if abort and not abort.broken and not abort_tlv(abort):
            self.error(lines.find(*path, 'abort'), f'abort: "{abort.name}" has no TLV that begins with the 16 bits of a'
                       ' transaction id')
        undo = refer('undo', service.messages, 'message')
        if undo and not undo.broken and not m.broken:
            for t in undo.request:
                if not t.mandatory or t.alternative:
                    continue
                source = next((s for s in m.response + m.request if s.key() == t.key()), None)
                if not source:
                    self.error(lines.find(*path, 'undo'), f'undo: "{undo.name}" needs "{t.key()}", which neither the'
                               f' response nor the request of "{m.name}" has')
                elif source.field.type.signature() != t.field.type.signature():
                    self.error(lines.find(*path, 'undo'), f'undo: "{t.key()}" of "{undo.name}" is of another type than'
                               f' that of "{m.name}"')
        named = m.result
        result = refer('result', service.indications, 'indication')
        if not m.token:
            return
        where = lines.find(*path, 'token')
        if not named:
            self.error(where, 'token pairs a request with its result, but there is no result = "INDICATION"')
        elif result and not m.broken and not result.broken:
            ends = [next((t for t in tlvs if t.key() == m.token), None) for tlvs in (m.request, result.response)]
            if not ends[0]:
                self.error(where, f'token: the request has no TLV with the key "{m.token}"')
            elif not ends[1]:
                self.error(where, f'token: the indication "{result.name}" has no TLV with the key "{m.token}"')
            elif ends[0].field.type.layout() != ends[1].field.type.layout():
                self.error(where, f'token: "{m.token}" is not the same on the wire in request and indication')

    def check_enums(self):
        """A value that fits nowhere its enum is used can never be seen or sent."""
        for e in self.enums:
            for value, symbol in e.values:
                if e.uses and not any(fits(e, value, bits, signed) for bits, signed in e.uses):
                    bits, signed = max(e.uses)
                    what = f'bit {value}' if e.flags else str(value)
                    self.error(e.lines[symbol], f'{what} ("{symbol}") does not fit {"i" if signed else "u"}{bits}, the'
                               f' widest with which [{"flags" if e.flags else "enum"}.{e.name}] is used')


def fits(e: Enum, value: int, bits: int, signed: bool) -> bool:
    if e.flags:
        return value < bits
    return -(1 << bits - 1) <= value < 1 << bits - 1 if signed else 0 <= value < 1 << bits


def abort_tlv(m: Message) -> Tlv | None:
    """The TLV of an abort message that takes the transaction id."""
    for t in m.request:
        first = t.field.type
        if first.kind == 'struct' and first.fields and not t.field.valid_byte:
            first = first.fields[0].type
        if first.kind == 'uint' and first.width == 2:
            return t
    return None


def load(paths: list[Path], common: Path) -> tuple[Schema, list[str]]:
    """The schema of `paths` with the shared names of `common`, and what is wrong, one text an error, in order."""
    loader = Loader()
    loader.load_common(common)
    for path in paths:
        if path.resolve() != common.resolve():
            loader.load_service(path)
    loader.check_enums()
    errors = sorted(set(loader.errors), key=lambda e: (e[0].file, e[0].line))
    services = sorted(loader.services, key=lambda s: (s.id, s.vendor))
    return Schema(services, loader.common), [f'{w.file}:{w.line}: {text}' for w, text in errors]
