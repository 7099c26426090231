# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads the schema (docs/schema.md has the grammar) and refuses what is wrong in it.

load() takes the TOML files and gives a Schema, and the complete list of errors, each with file and
line. A line that is wrong is reported once: whatever depends on it is then not looked at."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from lines import Lines, Where
from lint import ServiceLint, check_enums, check_kind
from model import (
    Enum,
    Field,
    IdOnly,
    Message,
    Schema,
    SchemaError,
    Scope,
    Service,
    Tlv,
    Type,
    camel,
)
from typeparser import (
    CODINGS,
    NAME,
    BUILT_IN,
    TypeParser,
    add_field,
    check_access,
    check_bytes_names,
    check_key,
    check_struct,
    number,
)

KINDS = ('query', 'command', 'client', 'session')
SYMBOL = re.compile(r'[a-z0-9]+(-[a-z0-9]+)*')
RESULT_TLV = 0x02


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
            s = Scope(
                dict(outer.enums),
                dict(outer.flags),
                dict(outer.codings),
                dict(outer.types),
                set(outer.unreadable),
            )
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
            outer_names = {
                'enum': 'enums',
                'flags': 'flags',
                'coding': 'codings',
                'type': 'types',
            }[section]
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
                self.error(
                    where,
                    f'the symbol "{symbol}" must be lower-case words joined by dashes, not only'
                    ' digits',
                )
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
                raise SchemaError(
                    f'"{name}" is no type: neither one of docs/schema.md nor [type.{name}] here or'
                    ' in common.toml'
                )
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
            if BUILT_IN.fullmatch(name):
                self.error(
                    lines.find('type', name),
                    f'"{name}" has a meaning of its own and cannot name a type',
                )
                s.unreadable.add(('type', name))
            else:
                resolve(name)

    def unknown_keys(self, table: dict, known: tuple[str, ...], lines: Lines, *path: str):
        for key in table:
            if key not in known:
                self.error(
                    lines.find(*path, key), f'"{key}" is no key here: {", ".join(known)} are'
                )

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
        self.unknown_keys(
            data,
            (
                'service',
                'id',
                'title',
                'vendor',
                'id-only',
                'enum',
                'flags',
                'coding',
                'type',
                'message',
                'indication',
            ),
            lines,
        )
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
            if (
                other.id == ident
                and ident >= 0
                and (other.vendor == vendor or not (other.vendor and vendor))
            ):
                self.error(
                    lines.find('id'),
                    f'service id 0x{ident:02X} is that of {other.where.file}; only two'
                    ' vendors can share one',
                )
        self.services.append(service)
        scope = self.scope(data, lines, self.common)
        for section in ('message', 'indication'):
            tables = data.get(section, {})
            if not isinstance(tables, dict):
                self.error(lines.find(section), f'[{section}.NAME] is a table')
                continue
            for key, table in tables.items():
                where = lines.find(section, key)
                if not isinstance(table, dict):
                    self.error(where, f'[{section}.{key}] is a table')
                elif not NAME.fullmatch(key):
                    self.error(
                        where,
                        f'the name "{key}" must be lower-case words joined by dashes, like'
                        ' "get-signal-info"',
                    )
                else:
                    self.message(service, section, key, table, lines, scope)
        self.id_only(service, data.get('id-only', ''), lines)
        ServiceLint(service, lines, self.error).check()

    def id_only(self, service: Service, text, lines: Lines):
        if not isinstance(text, str):
            self.error(lines.find('id-only'), 'id-only is text: 0xNNNN NAME, 0xNNNN NAME, …')
            return
        known = [*service.messages.values(), *service.indications.values()]
        for item in filter(None, map(str.strip, text.replace('\n', ',').split(','))):
            m = re.fullmatch(r'0x([0-9A-F]{4}) (\S+)(?: vendor=0x([0-9A-F]{4}))?', item)
            where = lines.find_text(item, 'id-only')
            if not m or not NAME.fullmatch(m[2]):
                self.error(where, f'"{item}" is not 0xNNNN NAME, nor 0xNNNN NAME vendor=0xNNNN')
                continue
            new = IdOnly(m[2], int(m[1], 16), int(m[3] or '0', 16))
            for other in known + service.id_only:
                one_vendor = other.vendor == new.vendor or not (other.vendor and new.vendor)
                if other.name == new.name or other.id == new.id and one_vendor:
                    self.error(where, f'"{item}": "{other.name}" has that id or name already')
                    break
            else:
                service.id_only.append(new)

    def vendor(self, table: dict, lines: Lines, *path: str) -> int:
        value = table.get('vendor', 0)
        if type(value) is not int or not 0 <= value <= 0xFFFF or 'vendor' in table and not value:
            self.error(lines.find(*path, 'vendor'), 'vendor is a USB vendor id, 0x0001 to 0xFFFF')
            return 0
        return value

    def message(
        self, service: Service, section: str, name: str, table: dict, lines: Lines, scope: Scope
    ):
        indication = section == 'indication'
        path = (section, name)
        m = Message(name, lines.find(*path), indication, path)
        if indication and (other := service.indications.get(name)):
            self.error(
                m.where,
                f'the indication "{name}" is made of result.0xNN in line {other.where.line} already',
            )
            return
        (service.indications if indication else service.messages)[name] = m
        common_keys = ('is', 'about', 'vendor', 'since', 'like')
        self.unknown_keys(
            table,
            common_keys
            + (
                ('tlv',)
                if indication
                else (
                    'request',
                    'response',
                    'timeout',
                    'abort',
                    'undo',
                    'replay',
                    'result',
                    'token',
                )
            ),
            lines,
            *path,
        )

        def text(key: str) -> str:
            value = table.get(key, '')
            if not isinstance(value, str) or key in table and not value:
                self.error(lines.find(*path, key), f'"{key}" needs text')
                return ''
            return value

        try:
            self.identify(m, service.name, table.get('is', ''))
        except SchemaError as e:
            self.error(lines.find(*path, 'is'), str(e))
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
        m.abort, m.undo, m.token, m.like = map(text, ('abort', 'undo', 'token', 'like'))
        for direction in ('tlv',) if indication else ('request', 'response'):
            tlvs = self.tlvs(
                m, direction, table.get(direction, {}), lines, path + (direction,), scope
            )
            if direction == 'request':
                m.request = tlvs
            else:
                m.response = tlvs
        result = table.get('result')
        if isinstance(result, dict):
            self.result(service, m, result, lines, scope)
        elif isinstance(result, str) and result:
            m.result = result
        elif 'result' in table:
            self.error(
                lines.find(*path, 'result'),
                'a result is result.0xNN = "key: TYPE", or result = "INDICATION"',
            )
            m.token = ''  # without a result it would be wrong, too

    def identify(self, m: Message, service: str, text):
        """Takes apart what it says that a message is."""
        words = text.split() if isinstance(text, str) else []
        parts = ['0xNNNN', 'CLASS']
        if not m.indication and service != 'ctl':  # CTL runs on no client id
            parts.insert(1, 'KIND')
        if len(words) != len(parts):
            what = 'indication' if m.indication else 'message'
            of = ' of CTL' if service == 'ctl' else ''
            raise SchemaError(f'{what} "{m.name}"{of} needs is = "{" ".join(parts)}", in that order')
        if not re.fullmatch(r'0x[0-9A-F]{4}', words[0]):
            raise SchemaError(
                f'"{words[0]}" is no message id: 0x0000 to 0xFFFF, four upper-case digits, is'
            )
        if 'KIND' in parts:
            if words[1] not in KINDS:
                raise SchemaError(f'"{words[1]}" is no kind: {", ".join(KINDS)} are')
            check_kind(service, m.name, words[1])
            m.kind = words[1]
        m.access = check_access(words[-1])
        m.id = int(words[0], 16)

    def result(self, service: Service, m: Message, table: dict, lines: Lines, scope: Scope):
        """The indication that brings the result of a message: its id and class are those of the
        message, and its sentence follows from the name."""
        path = (*m.path, 'result')
        m.result = f'{m.name}-result'
        r = Message(m.result, lines.find(*path), True, path, m.id, access=m.access)
        r.about = f'The result of {camel(m.name)}.'
        r.vendor, r.since = m.vendor, m.since
        r.response = self.tlvs(r, 'result', table, lines, path, scope)
        service.indications[r.name] = r

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

    def tlvs(
        self, m: Message, direction: str, table, lines: Lines, path: tuple[str, ...], scope: Scope
    ) -> list[Tlv]:
        if not isinstance(table, dict):
            self.error(lines.find(*path), f'TLVs are written {direction}.0xNN = "key: TYPE"')
            m.broken = True
            return []
        result: list[Tlv] = []
        keys: dict[str, int] = {}
        for key, texts in table.items():
            where = lines.find(*path, key)
            try:
                if not re.fullmatch(r'0x[0-9A-F]{2}', key):
                    raise SchemaError(
                        f'"{key}" is no TLV id: 0x00 to 0xFF, two upper-case digits, is'
                    )
                ident = int(key, 16)
                if direction == 'response' and ident == RESULT_TLV:
                    raise SchemaError('the result TLV 0x02 of a response is never written')
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
                raise SchemaError(
                    f'two layouts of one TLV have one key, not "{found[0].key()}" and "{t.key()}"'
                )
            if (
                found
                and any(
                    t.field.type.layout() == f.field.type.layout() and t.vendor == f.vendor
                    for f in found
                )
                and not t.field.type.is_broken()
            ):
                raise SchemaError(
                    'two layouts of one TLV that are the same on the wire: the second is never'
                    ' taken'
                )
            found.append(t)
        return found

    def tlv(self, direction: str, ident: int, text: str, where: Where, scope: Scope) -> Tlv:
        def resolve(name: str) -> Type:
            if name in scope.types:
                return scope.types[name]
            if ('type', name) in scope.unreadable:
                return Type('struct', broken=True)
            raise SchemaError(
                f'"{name}" is no type: neither one of docs/schema.md nor [type.{name}] here or'
                ' in common.toml'
            )

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
                    raise SchemaError(
                        f'{word}: it takes at least {f.type.min_size() + f.valid_byte} bytes'
                    )
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
            raise SchemaError(
                f'it takes at least {f.type.min_size()} bytes, more than a TLV can hold'
            )
        return t


def load(paths: list[Path], common: Path) -> tuple[Schema, list[str]]:
    """The schema of `paths` with the shared names of `common`, and what is wrong with them."""
    loader = Loader()
    loader.load_common(common)
    for path in paths:
        if path.resolve() != common.resolve():
            loader.load_service(path)
    check_enums(loader.enums, loader.error)
    errors = sorted(dict.fromkeys(loader.errors), key=lambda e: (e[0].file, e[0].line))
    services = sorted(loader.services, key=lambda s: (s.id, s.vendor))
    return Schema(services, loader.common), [f'{w.file}:{w.line}: {text}' for w, text in errors]
