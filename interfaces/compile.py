#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compiles the schema (docs/schema.md) into what the programs, the bus and people need of it: the
rows of src/qmi/schema.h, the sentences of src/qmi/schema-text.h, introspection data, the manual of
the API, completion in shells, a dissector for Wireshark."""

import argparse
import sys
from pathlib import Path
from xml.sax.saxutils import escape

import completion
from dissector import dissector
from manpage import man_pages
from model import (
    Enum,
    Field,
    Message,
    Schema,
    SchemaError,
    Service,
    Tlv,
    Type,
    camel,
    interface,
    snake,
)
from policy import policy
from schema import load
from webpage import web_pages

SPDX = 'SPDX-License-Identifier: LGPL-2.1-or-later'


def fit(value: int, bits: int, what: str) -> int:
    if not 0 <= value < 1 << bits:
        raise SchemaError(
            f'{what}: {value} does not fit the {bits} bits of its column in src/qmi/schema.h'
        )
    return value


def macro(prefix: str, name: str) -> str:
    return prefix + name.upper().replace('-', '_')


def c_string(text: str) -> str:
    """As a literal; bytes above ASCII in octal, which unlike hex ends after three digits."""
    escaped = ''.join(
        chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f'\\{b:03o}' for b in text.encode()
    )
    return f'"{escaped}"'


class Pool:
    """All strings, each once; a row names one by its offset."""

    def __init__(self):
        self.offsets = {'': 0}
        self.size = 1

    def add(self, text: str) -> int:
        if text not in self.offsets:
            self.offsets[text] = self.size
            self.size += len(text.encode()) + 1
        return self.offsets[text]


class Rows:
    """One table. Runs of rows that are equal are kept once."""

    def __init__(self, name: str, c_type: str, index_bits: int = 16):
        self.name = name
        self.c_type = c_type
        self.index_bits = index_bits
        self.rows: list[str] = []
        self.runs: dict[tuple[str, ...], int] = {}

    def add(self, run: list[str]) -> int:
        """The index of the first of these rows."""
        if not run:
            return 0
        key = tuple(run)
        if key not in self.runs:
            self.runs[key] = fit(len(self.rows), self.index_bits, f'{self.name}: too many rows')
            self.rows += run
        return self.runs[key]

    def write(self) -> str:
        rows = self.rows or ['{ 0 }']
        return (
            f'const {self.c_type} {self.name}[] = {{\n'
            + ''.join(f'        {r},\n' for r in rows)
            + '};\n'
        )


def row(**columns) -> str:
    """A row with designated columns; those that are zero are left to C."""
    text = ', '.join(
        f'.{name} = {value}' for name, value in columns.items() if value not in (0, '')
    )
    return f'{{ {text or 0} }}'


class Tables:
    def __init__(self, schema: Schema):
        self.strings = Pool()
        self.types = Rows('schema_types', 'SchemaType')
        self.numbers = Rows('schema_numbers', 'SchemaNumber')
        self.fields = Rows('schema_fields', 'SchemaField')
        self.tlvs = Rows('schema_tlvs', 'SchemaTlv')
        self.enums = Rows('schema_enums', 'SchemaEnum')
        self.enum_values = Rows('schema_enum_values', 'SchemaEnumValue')
        self.codings = Rows('schema_codings', 'SchemaCoding', 8)
        self.messages = Rows('schema_messages', 'SchemaMessage')
        self.services = Rows('schema_services', 'SchemaService')
        self.numbers.add(['{ .multiplier = 1, .divisor = 1 }'])  # row 0: none
        order = [m for s in schema.services for m in messages_of(s)]
        self.index = {id(m): i for i, m in enumerate(order)}
        fit(len(order), 16, 'messages')  # so that none has the index SCHEMA_NO_MESSAGE
        self.error_enum = self.enum(schema.common.enums['qmi-error'])
        for number, service in enumerate(schema.services):
            self.service(fit(number, 8, 'services'), service)

    # -- rows from the bottom up

    def enum(self, e: Enum) -> int:
        # Of equal values the first that is written is shown; sorting keeps their order.
        values = sorted(((v & 0xFFFFFFFF, symbol) for v, symbol in e.values), key=lambda v: v[0])
        first = self.enum_values.add(
            [
                row(value=f'{v}U' if v else 0, symbol=self.strings.add(snake(symbol)))
                for v, symbol in values
            ]
        )
        return self.enums.add(
            [row(first=first, n=fit(len(values), 16, e.name), name=self.strings.add(e.name))]
        )

    def number(self, t: Type) -> int:
        if t.scale is None and t.sentinel is None and not t.unit:
            return 0
        multiplier, divisor = (
            (t.scale.numerator, t.scale.denominator) if t.scale is not None else (1, 1)
        )
        sentinel = t.sentinel or 0
        if sentinel >= 1 << 63:
            sentinel -= 1 << 64  # the same 64 bits
        text = f'INT64_C({sentinel})' if sentinel > -(1 << 63) else 'INT64_MIN'
        return self.numbers.add(
            [
                row(
                    multiplier=multiplier,
                    divisor=divisor,
                    sentinel=text if sentinel else 0,
                    unit=self.strings.add(t.unit) if t.unit else 0,
                    has_sentinel=int(t.sentinel is not None),
                    has_scale=int(t.scale is not None),
                )
            ]
        )

    def coding(self, values: dict[int, str]) -> int:
        return self.codings.add(
            [
                row(value=v, coding=macro('TEXT_', coding), is_last=int(i == len(values) - 1))
                for i, (v, coding) in enumerate(values.items())
            ]
        )

    def type(self, t: Type, siblings: list[Field]) -> int:
        flags = ['SCHEMA_BIG_ENDIAN'] * t.big_endian + ['SCHEMA_SIGNED'] * t.signed
        columns = dict(kind=macro('SCHEMA_', t.kind), width=t.width)
        if t.length:
            columns['length'] = macro('LENGTH_', t.length.kind)
            if t.length.kind == 'prefix':
                columns |= dict(
                    width=t.length.width, unit=t.length.unit if t.kind != 'array' else 0
                )
            elif t.length.kind == 'fixed':
                columns['count'] = t.length.count
            elif t.length.kind == 'field':
                columns['count'] = position(siblings, t.length.field)
        if t.kind == 'string':
            columns['coding'] = macro('TEXT_', t.coding)
            if t.coding_by:
                flags.append('SCHEMA_CODING_BY_FIELD')
                columns |= dict(
                    coding=self.coding(t.coding_by[0]),
                    coding_field=position(siblings, t.coding_by[1]),
                )
        if t.enum:
            columns['item'] = self.enum(t.enum)
        elif t.element:
            columns['item'] = self.type(t.element, [])
        elif t.fields:
            columns |= dict(
                item=self.fields.add([self.field(f, t.fields) for f in t.fields]),
                count=len(t.fields),
            )
        columns['number'] = self.number(t)
        columns['min_size'] = fit(t.min_size(), 16, 'least size of a type')
        columns['flags'] = ' | '.join(flags)
        columns['signature'] = self.strings.add(t.signature())
        return self.types.add([row(**columns)])

    def field(self, f: Field, siblings: list[Field], more_flags: tuple[str, ...] = ()) -> str:
        flags = [*more_flags]
        for name in ('hidden', 'valid_byte', 'secret', 'padding'):
            if getattr(f, name):
                flags.append(macro('SCHEMA_', name))
        if f.guard:
            flags.append('SCHEMA_GUARDED')
        columns = {}
        if not f.padding:
            columns['name'] = self.strings.add(snake(f.name))
        if f.type.has_text():
            columns['bytes_name'] = self.strings.add(snake(f.name) + '_bytes')
        columns['type'] = self.type(f.type, siblings)
        if f.mask:
            flags.append('SCHEMA_VALID_BIT')
            columns |= dict(mask_field=position(siblings, f.mask[0]), mask_bit=f.mask[1])
        return row(
            **columns,
            flags=' | '.join(flags),
            access=macro('ACCESS_', f.access) if f.access else 0,
            bits=f.bits,
        )

    def tlv_run(self, tlvs: list[Tlv]) -> str:
        rows = [
            row(
                field=self.field(t.field, [], ('SCHEMA_MANDATORY',) if t.mandatory else ()),
                id=f'0x{t.id:02X}',
                alternative=fit(t.alternative, 8, 'layouts of a TLV'),
                vendor=t.vendor,
                max=t.max,
            )
            for t in tlvs
        ]
        return row(first=self.tlvs.add(rows), n=len(rows)) if rows else ''

    def message(self, number: int, s: Service, m: Message):
        def refer(name: str, known: dict[str, Message]) -> str:
            return str(self.index[id(known[name])]) if name else 'SCHEMA_NO_MESSAGE'

        def token(tlvs: list[Tlv]) -> int:
            return next(t.id for t in tlvs if t.key() == m.token)

        flags = ['SCHEMA_REPLAY'] * m.replay + ['SCHEMA_HAS_SECRET'] * m.has_secret()
        flags += ['SCHEMA_HAS_PRIVATE'] * m.has_private()
        tokens = {}
        if m.token:
            tokens = dict(
                request_token=token(m.request),
                result_token=token(s.indications[m.result].response),
            )
        self.messages.rows.append(
            row(
                name=self.strings.add(m.name),
                member=self.strings.add(camel(m.name)),
                id=f'0x{m.id:04X}',
                vendor=m.vendor,
                flags=' | '.join(flags),
                timeout_sec=m.timeout,
                service=number,
                is_indication=int(m.indication),
                kind=macro('KIND_', m.kind) if m.kind else 0,
                access=macro('ACCESS_', m.access),
                guard=macro('GUARD_', m.guard()) if m.guard() else 0,
                abort=refer(m.abort, s.messages),
                undo=refer(m.undo, s.messages),
                result=refer(m.result, s.indications),
                **tokens,
                request=self.tlv_run(m.request),
                response=self.tlv_run(m.response),
            )
        )

    def service(self, number: int, s: Service):
        first = len(self.messages.rows)
        for m in messages_of(s):
            self.message(number, s, m)
        self.services.rows.append(
            row(
                name=self.strings.add(s.name),
                interface=self.strings.add(interface(s)),
                id=f'0x{s.id:02X}',
                vendor=s.vendor,
                first_message=first,
                n_messages=len(s.messages),
                first_indication=first + len(s.messages),
                n_indications=len(s.indications),
            )
        )

    def write(self) -> str:
        parts = [
            f'/* {SPDX} */\n/* Made by interfaces/compile.py. */\n#include "qmi/schema.h"\n',
            'const char schema_strings[] =\n'
            + '\n'.join(f'        {c_string(text)} "\\0"' for text in self.strings.offsets)
            + ';\n',
        ]
        for table in (
            self.types,
            self.numbers,
            self.fields,
            self.tlvs,
            self.messages,
            self.services,
            self.enums,
            self.enum_values,
            self.codings,
        ):
            parts.append(table.write())
        for name, table in (
            ('services', self.services),
            ('messages', self.messages),
            ('tlvs', self.tlvs),
            ('types', self.types),
            ('fields', self.fields),
            ('enums', self.enums),
        ):
            parts.append(f'const uint16_t schema_n_{name} = {fit(len(table.rows), 16, name)};')
        parts.append(f'const uint16_t schema_error_enum = {self.error_enum};\n')
        return '\n'.join(parts)


def position(siblings: list[Field], name: str) -> int:
    return next(i for i, f in enumerate(siblings) if f.name == name)


def messages_of(s: Service) -> list[Message]:
    """In the order of the tables."""
    return [
        m
        for known in (s.messages, s.indications)
        for m in sorted(known.values(), key=lambda m: (m.id, m.vendor))
    ]


def text_source(schema: Schema) -> str:
    def table(name: str, texts: list[str]) -> str:
        return (
            f'const char *const {name}[] = {{\n'
            + ''.join(f'        {c_string(t)},\n' for t in texts)
            + '};\n'
        )

    id_only = [
        row(id=f'0x{m.id:04X}', vendor=m.vendor, service=n, name=c_string(m.name))
        for n, s in enumerate(schema.services)
        for m in sorted(s.id_only, key=lambda m: (m.id, m.vendor))
    ]
    return (
        f'/* {SPDX} */\n/* Made by interfaces/compile.py. */\n#include "qmi/schema-text.h"\n\n'
        + table('schema_service_titles', [s.title for s in schema.services])
        + '\n'
        + table(
            'schema_message_abouts', [m.about for s in schema.services for m in messages_of(s)]
        )
        + '\nconst SchemaIdOnly schema_id_only[] = {\n'
        + ''.join(f'        {r},\n' for r in id_only or ['{ 0 }'])
        + f'}};\n\nconst uint16_t schema_n_id_only = {len(id_only)};\n'
    )


def introspection(s: Service) -> str:
    lines = [
        f'<!-- {SPDX} -->',
        '<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"',
        ' "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">',
        '<node>',
        f' <interface name="{interface(s)}">',
    ]
    for m in messages_of(s):
        element = 'signal' if m.indication else 'method'
        lines += [
            f'  <!-- {escape(m.about).replace("--", "- -")} -->',
            f'  <{element} name="{camel(m.name)}">',
        ]
        if m.indication:
            lines.append('   <arg name="indication" type="a{sv}"/>')
        else:
            lines += [
                '   <arg name="request" type="a{sv}" direction="in"/>',
                '   <arg name="response" type="a{sv}" direction="out"/>',
            ]
        lines.append(f'  </{element}>')
    return '\n'.join(lines + [' </interface>', '</node>', ''])


def main() -> int:
    parser = argparse.ArgumentParser(
        description='Compiles interfaces/*.toml; common.toml is always read too.'
    )
    parser.add_argument('--check', action='store_true', help='only look for errors')
    parser.add_argument(
        '--tables', type=Path, metavar='OUT.c', help='the rows of src/qmi/schema.h'
    )
    parser.add_argument(
        '--text', type=Path, metavar='OUT.c', help='the sentences of src/qmi/schema-text.h'
    )
    parser.add_argument(
        '--xml', type=Path, metavar='DIR', help='D-Bus introspection, one file a service'
    )
    parser.add_argument('--man', type=Path, metavar='DIR', help='man pages of the API')
    parser.add_argument('--html', type=Path, metavar='DIR', help='the same as HTML')
    for shell in completion.SHELLS:
        parser.add_argument(
            f'--{shell}', type=Path, metavar='OUT', help=f'completion of qmictl in {shell}'
        )
    parser.add_argument('--lua', type=Path, metavar='OUT', help='dissector for Wireshark')
    parser.add_argument('--policy', type=Path, metavar='OUT', help='actions of polkit')
    parser.add_argument(
        '--common',
        type=Path,
        default=Path(__file__).with_name('common.toml'),
        metavar='FILE',
        help='another common.toml',
    )
    parser.add_argument('files', nargs='+', type=Path, metavar='FILE.toml')
    args = parser.parse_args()
    schema, errors = load(args.files, args.common)
    outputs: dict[Path, str] = {}
    if not errors:
        try:
            tables = Tables(schema)  # also for --check: that everything fits is part of it
            if args.tables:
                outputs[args.tables] = tables.write()
        except SchemaError as e:
            errors = [f'{args.files[0]}: {e}']
    for error in errors:
        print(error, file=sys.stderr)
    if errors:
        return 1
    if args.text:
        outputs[args.text] = text_source(schema)
    if args.xml:
        args.xml.mkdir(parents=True, exist_ok=True)
        outputs |= {
            args.xml / f'{interface(s)}.xml': introspection(s)
            for s in schema.services
            if interface(s)
        }
    if args.policy:
        outputs[args.policy] = policy()
    for folder, emit in ((args.man, man_pages), (args.html, web_pages)):
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            outputs |= {folder / name: content for name, content in emit(schema).items()}
    for option, emit in (*completion.SHELLS.items(), ('lua', dissector)):
        if path := getattr(args, option):
            outputs[path] = emit(schema)
    for path, content in outputs.items():
        path.write_text(content, encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
