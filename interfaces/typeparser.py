# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads one line of the schema: a type and what stands behind it (docs/schema.md)."""

from __future__ import annotations

import re
from fractions import Fraction

from model import Field, Length, SchemaError, Scope, Type

ACCESS = (
    'status',
    'identity',
    'location',
    'data',
    'sim_unlock',
    'sim',
    'messaging',
    'voice',
    'control',
    'clients',
    'configuration',
    'raw',
)
CODINGS = ('utf8', 'utf8-or-gsm7', 'gsm7', 'gsm8', 'ucs2le', 'ucs2be', 'latin1', 'bcd')
UNITS = (
    '%',
    'B',
    'bit',
    'bit/s',
    'C',
    'd',
    'dB',
    'dBm',
    'deg',
    'deg/s',
    'h',
    'Hz',
    'Hz/s',
    'kbit/s',
    'kHz',
    'km',
    'm',
    'm/s',
    'mA',
    'MHz',
    'min',
    'ms',
    'mV',
    'ns',
    'packet',
    'rad',
    'rad/s',
    's',
    'us',
)
# Codes that a card or a modem takes only a few wrong ones of; `token`: asks for the answer elsewhere.
GUARDS = ('pin', 'puk', 'control-key', 'unblock-key', 'token')
ATTRIBUTES = ('if', 'secret', 'mandatory', 'optional')

NAME = re.compile(r'[a-z][a-z0-9]*(-[a-z0-9]+)*')
RESERVED_KEYS = ('unknown-tlvs', 'withheld')

_TOKEN = re.compile(r'\s*([{}\[\],:]|[^\s{}\[\],:]+)')
_INT = re.compile(r'([ui])(\d+)(be)?')
_SCALE = re.compile(r'x(-?\d+(?:\.\d+)?)(?:/(\d+))?')
_ADDRESSES = {
    'ipv4le': ('ipv4', 4),
    'ipv4be': ('ipv4', 4),
    'ipv6': ('ipv6', 16),
    'plmn-bcd': ('plmn-bcd', 3),
    'plmn-ascii': ('plmn-ascii', 6),
    'plmn-binary': ('plmn-binary', 5),
}
BUILT_IN = re.compile(
    r'[ui]\d+(be)?|f32|f64|string|bytes|empty|valid|bool|enum|flags|bits|if|coding|secret'
    r'|mandatory|optional|' + '|'.join(_ADDRESSES) + '|' + '|'.join(CODINGS)
)


def number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise SchemaError(f'"{text}" is no number') from None


def misplaced(word: str) -> SchemaError:
    return SchemaError(
        f'"{word}" is no unit, scale or attribute that fits here; units are {" ".join(UNITS)}'
    )


class TypeParser:
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
            elif word.startswith('guard='):
                self.at += 1
                f.guard = check_guard(word[6:])
            else:
                break
        if f.valid_byte and f.mask:
            raise SchemaError(
                f'"{name}" has both "valid" and "if": only one can say whether it counts'
            )
        self.siblings = outer
        return f

    def refer(self, name: str, what: str) -> Field:
        if self.siblings is None:
            raise SchemaError(
                f'{what} refers to the field "{name}", but here is no struct with earlier fields'
            )
        for f in self.siblings:
            if f.name == name:
                return f
        raise SchemaError(
            f'{what} refers to "{name}", which is no earlier field of the same struct'
        )

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
            raise SchemaError(
                f'"if {text}" does not name a bit: "if FIELD.BIT" does, bit 0 being the lowest'
            )
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
            raise SchemaError(
                '"valid" stands before the type of a field; in an array write {KEY: valid TYPE}'
            )
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
            raise SchemaError(
                f'none={e.sentinel} inside an array: leaving an element out would move the others;'
                ' drop it, or make the element a struct'
            )
        if e.is_open():
            raise SchemaError(
                'an array element that goes to the end of the TLV: it would take what is for the'
                ' others; it needs a length'
            )
        if e.is_plain() and e.width == 1:
            written = {
                'end': '',
                'fixed': f'[{length.count}]',
                'prefix': f'[u{length.width * 8}]',
                'field': f'[@{length.field}]',
            }[length.kind]
            raise SchemaError(f'an array of u8 is written "bytes{written}"')
        if e.min_size() < 1:
            raise SchemaError(
                'an array element that may take no byte at all: a count could then ask for any'
                ' number of them'
            )
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
                raise SchemaError(
                    f'[{text}]: only the length of strings and bytes can count units, of 2 or 4'
                    ' bytes'
                )
            return Length('prefix', width=int(m[1]) // 8, unit=unit)
        if re.fullmatch(r'\d+|0x[0-9a-fA-F]+', text):
            n = int(text, 0)
            if not 0 < n <= 0xFFFF:
                raise SchemaError(f'[{text}]: the length must be 1 to 65535')
            return Length('fixed', count=n)
        raise SchemaError(
            f'[{text}] is no length of {name}: a prefix (u8, u16, u32), a number or @FIELD is'
        )

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
                raise SchemaError(
                    f'"coding {name}" needs the field that chooses, as @FIELD, not "{ref}"'
                )
            f = self.refer(ref[1:], f'"coding {name} {ref}"')
            if not f.type.broken and (
                f.type.kind not in ('uint', 'enum') or f.type.scale is not None or f.type.signed
            ):
                raise SchemaError(
                    f'"coding {name} {ref}": "{f.name}" is no unsigned number or enum'
                )
            if f.hidden:
                raise SchemaError(f'"coding {name} {ref}": "{f.name}" is a count or mask already')
            t.coding_by = (self.scope.codings.get(name, {}), f.name)
        elif (
            self.peek()
            and re.fullmatch(r'[a-z][a-z0-9-]*', self.peek())
            and self.peek() not in ATTRIBUTES
        ):
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
            raise SchemaError(
                f'the bits add up to {total}, not {t.width * 8}; write the rest as _:'
                f' {t.width * 8 - total}'
                if total < t.width * 8
                else f'the bits add up to {total}, more than {t.width * 8}'
            )

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
                low, high = (
                    (-(1 << t.width * 8 - 1), (1 << t.width * 8 - 1) - 1)
                    if t.signed
                    else (0, (1 << t.width * 8) - 1)
                )
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
        raise SchemaError(
            f'the key "{name}" must be lower-case words joined by dashes, like "cell-id"'
        )
    if name in RESERVED_KEYS:
        raise SchemaError(f'the key "{name}" has a meaning of its own on the bus')


def check_access(name: str) -> str:
    if name not in ACCESS:
        raise SchemaError(f'"{name}" is no access class: {" ".join(ACCESS)} are')
    return name


def check_guard(name: str) -> str:
    if name not in GUARDS:
        raise SchemaError(f'"{name}" is no kind of code: {" ".join(GUARDS)} are')
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
            raise SchemaError(
                f'"{f.name}" goes to the end of the TLV, so that nothing can follow it'
            )
    check_bytes_names(t.fields)


def check_bytes_names(fields: list[Field]):
    names = {f.name for f in fields}
    for f in fields:
        if f.type.has_text() and f.name + '-bytes' in names:
            raise SchemaError(
                f'the key "{f.name}-bytes" is where the text "{f.name}" shows its bytes when they'
                ' cannot be decoded'
            )
