# SPDX-License-Identifier: LGPL-2.1-or-later
"""The dissector for Wireshark: templates/qmi.lua describes the tables that are filled in here."""

from pathlib import Path

from model import Enum, Field, Schema, Tlv, Type, snake
from words import by_id

TEMPLATE = Path(__file__).with_name('templates') / 'qmi.lua'
MARK = '-- @SCHEMA@\n'


def quoted(text: str) -> str:
    return '"' + text.replace('\\', '\\\\').replace('"', '\\"') + '"'


def table(*items: str, **columns: object) -> str:
    """A table of Lua; columns that say nothing are left out."""
    named = [f'{name}={value}' for name, value in columns.items() if value not in (0, False, '')]
    return '{' + ','.join([*items, *named]).replace('=True', '=true') + '}'


class Rows:
    """A table of tables that others refer to, those that are equal once."""

    def __init__(self, name: str):
        self.name = name
        self.rows: dict[str, int] = {}

    def add(self, text: str) -> str:
        return f'{self.name}[{self.rows.setdefault(text, len(self.rows) + 1)}]'

    def write(self) -> str:
        return f'local {self.name} = {{}}\n' + ''.join(
            f'{self.name}[{number}]={text}\n' for text, number in self.rows.items()
        )


class Tables:
    def __init__(self, schema: Schema):
        self.enums, self.types, self.messages = Rows('e'), Rows('t'), Rows('m')
        self.services = [
            table(
                quoted(s.name),
                id=f'0x{s.id:02x}',
                vendor=s.vendor,
                requests=self.known(s.messages),
                indications=self.known(s.indications),
                others=table(
                    *(
                        table(quoted(m.name), id=f'0x{m.id:04x}', vendor=m.vendor)
                        for m in s.id_only
                    )
                ),
            )
            for s in schema.services
        ]
        self.errors = self.enum(schema.common.enums['qmi-error'])

    def enum(self, e: Enum) -> str:
        symbols: dict[int, str] = {}
        for value, symbol in e.values:
            symbols.setdefault(value & 0xFFFFFFFF, snake(symbol))  # the first is shown
        return self.enums.add(
            table(*(f'[{value}]={quoted(symbol)}' for value, symbol in symbols.items()))
        )

    @staticmethod
    def length(t: Type, siblings: list[Field]) -> dict[str, object]:
        if not t.length:
            return {}
        size = {
            'end': 0,
            'prefix': t.length.width,
            'fixed': t.length.count,
            'field': position(siblings, t.length.field) if t.length.kind == 'field' else 0,
        }[t.length.kind]
        return dict(
            length=quoted(t.length.kind), size=size, unit=t.length.unit if t.length.unit > 1 else 0
        )

    def type(self, t: Type, siblings: list[Field]) -> str:
        columns: dict[str, object] = dict(width=t.width, big=t.big_endian, signed=t.signed)
        columns |= self.length(t, siblings)
        if t.coding_by:
            choices, chooser = t.coding_by
            columns['codings'] = table(*(f'[{v}]={quoted(c)}' for v, c in choices.items()))
            columns['by'] = position(siblings, chooser)
        elif t.kind == 'string':
            columns['coding'] = quoted(t.coding)
        if t.enum:
            columns['symbols'] = self.enum(t.enum)
        if t.element:
            columns['element'] = self.type(t.element, [])
        if t.unit:
            columns['measure'] = quoted(t.unit)
        if t.scale is not None:
            columns |= dict(scale=t.scale.numerator, divisor=t.scale.denominator)
        if t.sentinel is not None:
            word = (t.sentinel % (1 << 8 * t.width)).to_bytes(t.width, 'little')
            columns['none'] = '"' + ''.join(f'\\{byte:03d}' for byte in word) + '"'
        fields = [self.field(f, t.fields) for f in t.fields]
        return self.types.add(table(quoted(t.kind), *fields, **columns))

    def field(self, f: Field, siblings: list[Field], **more: object) -> str:
        mask, bit = f.mask or ('', 0)
        return table(
            quoted(snake(f.name)),
            self.type(f.type, siblings),
            hidden=f.hidden or f.padding,
            bits=f.bits,
            valid=f.valid_byte,
            mask=position(siblings, mask) if mask else 0,
            bit=bit,
            **more,
        )

    def layouts(self, tlvs: list[Tlv]) -> str:
        """By id a list of layouts."""
        found: dict[int, list[str]] = {}
        for t in tlvs:
            found.setdefault(t.id, []).append(self.field(t.field, [], vendor=t.vendor))
        rows = [f'[0x{number:02x}]={table(*fields)}' for number, fields in found.items()]
        return self.messages.add(table(*rows)) if rows else ''

    def known(self, messages: dict) -> str:
        rows = [
            '\n '
            + table(
                quoted(m.name),
                id=f'0x{m.id:04x}',
                vendor=m.vendor,
                request=self.layouts(m.request),
                response=self.layouts(m.response),
            )
            for m in by_id(messages)
        ]
        return table(*rows)

    def write(self) -> str:
        return ''.join(
            (
                self.enums.write(),
                self.types.write(),
                self.messages.write(),
                'local services = {\n' + ',\n'.join(self.services) + '\n}\n',
                f'local errors = {self.errors}\n',
            )
        )


def position(siblings: list[Field], name: str) -> int:
    """In Lua the first is 1."""
    return next(i for i, f in enumerate(siblings, 1) if f.name == name)


def dissector(schema: Schema) -> str:
    return TEMPLATE.read_text(encoding='utf-8').replace(MARK, Tables(schema).write())
