# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds the schema against the protocol facts of tests/data/reference.

    python3 tests/unit/test_schema.py [SERVICE …]

prints what a service file misses, where it differs, and how much of the reference it covers."""

import csv
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / 'tests/data/reference'
sys.path.insert(0, str(ROOT / 'interfaces'))

from compile import Tables  # noqa: E402
from model import Item, Message, Schema, Tlv, Type  # noqa: E402
from schema import load  # noqa: E402

INTERFACES = ROOT / 'interfaces'
COMMON = INTERFACES / 'common.toml'

# Whose facts the schema must have, and whose are hints: nothing comes from these alone.
SOURCES = ('libqmi-git', 'libqmi-1.32', 'gobiapi', 'gps-hal', 'linux', 'msm-kernel')
HINTS = ('sierra-sdk', 'ios-fw')


def listed_services() -> tuple[str, ...]:
    """Those that the build compiles."""
    text = (INTERFACES / 'meson.build').read_text(encoding='utf-8')
    names = re.search(r'^interface_names = \[(.*?)\]', text, re.DOTALL | re.MULTILINE)[1]
    return tuple(re.findall(r"'([a-z0-9-]+)'", names))


SERVICES = listed_services()


@cache
def reference(name: str) -> list[dict[str, str]]:
    with open(REFERENCE / f'{name}.csv', newline='', encoding='utf-8') as f:
        return list(csv.DictReader(f))


def accepted_sources(row: dict[str, str]) -> list[str]:
    have = row['sources'].split(';')
    return [s for s in SOURCES if s in have]


def accepted(row: dict[str, str]) -> bool:
    return bool(accepted_sources(row))


def hint(row: dict[str, str]) -> bool:
    return set(row['sources'].split(';')) <= set(HINTS)


def key_of_service(row: dict[str, str]) -> str:
    return row['service'].lower().replace('_', '-')


# ---- the notation of the reference ----


@dataclass
class Ref:
    """A layout of the reference."""

    kind: str  # int float str chars array struct bits empty raw
    size: str = ''  # what stands in brackets
    width: int = 0
    big_endian: bool = False
    signed: bool = False
    annotation: str = ''
    sequence: bool = False
    element: 'Ref | None' = None
    fields: list[tuple[str, 'Ref']] = field(default_factory=list)
    bits: list[tuple[str, int]] = field(default_factory=list)

    def layout(self) -> tuple[Item, ...]:
        """As Type.layout(), but that every word stands alone; `type` is the Ref."""
        match self.kind:
            case 'empty':
                return ()
            case 'raw':
                return (Item('end', element=(Item('word', 1),)),)
            case 'chars':
                return (Item('word', 1),) * int(self.size)
            case 'struct':
                items: list[Item] = []
                for i, (_, f) in enumerate(self.fields):
                    own = f.layout()
                    if i and f.size == '@' + self.fields[i - 1][0]:
                        own = (Item('prefix', items.pop().size, element=own[0].element),)
                    items += own
                return tuple(items)
            case 'array' | 'str':
                element = self.element.layout() if self.element else (Item('word', 1),)
                if self.size.isdigit():
                    return element * int(self.size)
                if self.size.startswith('@'):
                    return (Item('field', element=element),)
                if self.size in ('', '*'):
                    return (Item('end', element=element),)
                count = int(self.size[1:]) // 8
                if self.sequence:
                    return Item('word', count), Item('word', 1), Item('field', element=element)
                return (Item('prefix', count, element=element),)
        return (Item('word', self.width, self.big_endian, type=self),)


class RefReader:
    """Reads one layout from left to right."""

    def __init__(self, text: str):
        self.text = text
        self.at = 0

    def take(self, pattern: str) -> re.Match | None:
        if m := re.compile(pattern).match(self.text, self.at):
            self.at = m.end()
        return m

    def need(self, pattern: str) -> re.Match:
        m = self.take(pattern)
        assert m, f'{self.text[self.at:]} is no {pattern}'
        return m

    def members(self, read) -> list[tuple]:
        self.need('{')
        result = []
        while True:
            name = self.need(r'(\w+):')[1]
            result.append((name, read()))
            if self.need('[,}]')[0] == '}':
                return result

    def read(self) -> Ref:
        if self.take('struct'):
            return Ref('struct', fields=self.members(self.read))
        if m := self.take(r'bits(\d+)'):
            return Ref(
                'bits', width=int(m[1]) // 8, bits=self.members(lambda: int(self.need(r'\d+')[0]))
            )
        if m := self.take(r'array\[([^]]+)\](?:\(max=\d+\))?(\(seq=u8\))?'):
            self.need('{')
            r = Ref('array', size=m[1], sequence=bool(m[2]), element=self.read())
            self.need('}')
            return r
        if m := self.take(r'(str|chars)(?:\[([^]]+)\])?(?:\(max=\d+\))?'):
            return Ref(m[1], size=m[2] or '')
        if m := self.take(r'([uif])(\d+)(be)?(?:=(bool|(?:enum|flags):\w+))?'):
            return Ref(
                'float' if m[1] == 'f' else 'int',
                width=int(m[2]) // 8,
                big_endian=bool(m[3]),
                signed=m[1] == 'i',
                annotation=m[4] or '',
            )
        word = self.need(r'empty|raw|\?')[0]
        return Ref('raw' if word == '?' else word)


def parse_layout(text: str) -> Ref:
    reader = RefReader(text)
    result = reader.read()
    assert reader.at == len(text), text
    return result


# ---- comparing layouts ----


def may_be_several(item: Item) -> bool:
    """A word of odd width, or flags: bytes that a source may list one by one, or with padding."""
    return (
        item.kind == 'word'
        and bool(item.type)
        and (item.size in (3, 5, 6, 7) or item.type.kind == 'flags')
    )


def match(ours: tuple[Item, ...], theirs: tuple[Item, ...], pairs: list | None = None) -> bool:
    """Whether both are the same bytes. What we take as one (an address, text, flags over several
    words) may be several words of the reference; every other word must be one there too. `pairs`
    collects our types with the words of the reference: (Type, [(offset in bytes, Ref)])."""
    rest = list(reversed(theirs))
    for item in ours:
        if not rest:
            return False
        if item.kind == 'bytes' or may_be_several(item) and rest[-1].size != item.size:
            words, size = [], 0
            while size < item.size:
                if not rest or rest[-1].kind != 'word':
                    return False
                words.append((size, rest[-1].type))
                size += rest.pop().size
            if size != item.size:
                return False
            if pairs is not None:
                pairs.append((item.type, words))
            continue
        other = rest.pop()
        if (item.kind, item.size, item.big_endian) != (other.kind, other.size, other.big_endian):
            return False
        if not match(item.element, other.element, pairs):
            return False
        if pairs is not None and item.type and item.kind == 'word':
            pairs.append((item.type, [(0, other.type)]))
    return not rest


# ---- the grammar expresses all of the reference ----


def key(name: str) -> str:
    name = re.sub('-+', '-', name.replace('_', '-').lower()).strip('-')
    return name if name[0].isalpha() else 'f' + name


def convert(r: Ref) -> str:
    """A layout of the reference in our grammar."""
    match r.kind:
        case 'int':
            text = f'{"i" if r.signed else "u"}{r.width * 8}{"be" if r.big_endian else ""}'
            if r.annotation == 'bool':
                return text + ' bool'
            if r.annotation:
                kind, _, name = r.annotation.partition(':')
                return f'{text.replace("i", "u") if kind == "flags" else text} {kind} {key(name)}'
            return text
        case 'float':
            return f'f{r.width * 8}'
        case 'str':
            return f'string[{convert_size(r.size)}]' if r.size else 'string'
        case 'chars':
            return f'string[{r.size}]'
        case 'raw':
            return 'bytes'
        case 'empty':
            return 'empty'
        case 'bits':
            parts = [f'{"_" if name.startswith("_pad") else key(name)}: {n}' for name, n in r.bits]
            return f'u{r.width * 8} bits {{{", ".join(parts)}}}'
        case 'struct':
            return (
                '{'
                + ', '.join(part for name, f in r.fields for part in convert_field(name, f))
                + '}'
            )
    if is_byte(r.element):
        return 'bytes' if r.size == '*' else f'bytes[{convert_size(r.size)}]'
    return f'[{convert_size(r.size)}] {convert(r.element)}'


def convert_size(size: str) -> str:
    return '@' + key(size[1:]) if size.startswith('@') else size


def is_byte(r: Ref) -> bool:
    return r.kind == 'int' and r.width == 1 and not r.signed and not r.annotation


def convert_field(name: str, r: Ref) -> list[str]:
    if r.sequence:
        assert is_byte(r.element)
        return [
            f'{key(name)}-size: {r.size}',
            f'{key(name)}-sequence: u8',
            f'{key(name)}: bytes[@{key(name)}-size]',
        ]
    return [f'{key(name)}: {convert(r)}']


def all_layouts() -> list[str]:
    return list(dict.fromkeys(r['layout'] for r in reference('tlvs')))


def references(r: Ref):
    if ':' in r.annotation:
        yield (*r.annotation.split(':'), r.width * 8, r.signed)
    for f in [f for _, f in r.fields] + ([r.element] if r.element else []):
        yield from references(f)


def enum_values(name: str, accepted_only: bool) -> list[int]:
    return list(
        dict.fromkeys(
            int(r['value'])
            for r in reference('enums')
            if r['name'] == name and (accepted(r) or not accepted_only)
        )
    )


def bit_numbers(values: list[int]) -> list[int]:
    """Of masks; "none" and "all" are no bits."""
    return [v.bit_length() - 1 for v in values if v > 0 and not v & (v - 1)]


def write_reference_schema(path: Path, layouts: list[str]):
    """One service with a TLV for every layout."""
    lines = ['service = "everything"', 'id = 0x7F', 'title = "Every layout of the reference"']
    uses: dict[tuple[str, str], list[tuple[int, bool]]] = {}
    for text in layouts:
        for kind, name, bits, signed in references(parse_layout(text)):
            uses.setdefault((kind, name), []).append((bits, signed))
    for (kind, name), widths in uses.items():
        lines.append(f'[{kind}.{key(name)}]')
        values = enum_values(name, False)
        if kind == 'flags':
            numbers = [v for v in bit_numbers(values) if v < max(bits for bits, _ in widths)]
        else:
            numbers = [
                v
                for v in values
                if any(
                    -(1 << bits - 1) <= v < 1 << bits - 1 if signed else 0 <= v < 1 << bits
                    for bits, signed in widths
                )
            ]
        assert numbers, name
        lines += [f'v{i} = {v}' for i, v in enumerate(numbers)]
    for number, text in enumerate(layouts):
        if number % 200 == 0:
            lines += [
                f'[indication.layouts-{number // 200}]',
                f'is = "0x{number // 200:04X} raw"',
                f'about = "Part {number // 200}."',
            ]
        lines.append(f'tlv.0x{number % 200:02X} = "t{number}: {convert(parse_layout(text))}"')
    path.write_text('\n'.join(lines) + '\n')


def test_grammar_expresses_all_of_the_reference(tmp_path):
    layouts = all_layouts()
    assert len(layouts) > 1000
    path = tmp_path / 'everything.toml'
    write_reference_schema(path, layouts)
    schema, errors = load([path], COMMON)
    assert errors == []
    tlvs = {t.key(): t for m in schema.services[0].indications.values() for t in m.response}
    for number, text in enumerate(layouts):
        ours = tlvs[f't{number}'].field.type
        assert match(ours.layout(), parse_layout(text).layout()), f'{text} became {ours.layout()}'
    Tables(schema).write()


# Rows that need more than a mechanical conversion, as a person would write them.
HARD = (
    ('WMS 0x0031 response 0x01', '[u32] {memory-index: u32, tag: u8}'),
    ('LOC 0x0039 request 0x26', '[u32] u16'),
    (
        'DMS 0x0033 request 0x13',
        '{total-length: u16, size: u16, sequence: u8, segment: bytes[@size]}',
    ),
    (
        'PDS 0x003E request 0x01',
        '{name: string[u8], operation: u8, size: u32, part: u8, parts: u8, data: bytes[@size]}',
    ),
    (
        'PDS 0x0044 response 0x10',
        '{engine-enabled: u8 bool, validity: u24, latitude: f64 deg if validity.0,'
        ' longitude: f64 deg if validity.0, uncertainty: f32 m if validity.0, altitude: f32 m if'
        ' validity.1,'
        ' vertical-uncertainty: f32 m if validity.1, time: u32 ms if validity.2, week: u16 if'
        ' validity.3,'
        ' time-uncertainty: u32 if validity.4, iono: u8 bool if validity.5, gps: {ephemeris:'
        ' u32, almanac: u32,'
        ' health: u32, visible: u32}, glonass: [4] u32, sbas: [4] u32 if validity.14, xtra:'
        ' {week: u16, minutes: u16 min,'
        ' hours: u16 h} if validity.18}',
    ),
    (
        'NAS 0x002F response 0x15',
        '{custom: u8 bool, physical: u32 bits {subtype-2: 1, mac: 1, rest: 6, _: 24},'
        ' broadcast: u32 bits {generic: 1, _: 31}, application: u32 bits {multiflow: 1,'
        ' enhanced: 1, _: 30}}',
    ),
    (
        'NAS 0x004D response 0x15',
        '{domain: valid u8, capability: valid u8, roaming: valid u8, forbidden: valid u8 bool,'
        ' prl-match: valid u8 bool, revision: valid u8, base-station-revision: valid u8,'
        ' concurrent: valid u8 bool,'
        ' system: valid {sid: u16, nid: u16}, base-station: valid {id: u16, latitude: i32,'
        ' longitude: i32},'
        ' packet-zone: valid u16, network: valid plmn-ascii}',
    ),
    ('NAS 0x004D response 0x50', 'u24be none=0xFFFFFF'),
    (
        'NAS 0x0039 response 0x12',
        '[u8] {name-encoding: u8, country-initials: u8, long-spare: u8, short-spare: u8,'
        ' long: string[u8] coding c @name-encoding, short: string[u8] coding c @name-encoding}',
    ),
    (
        'NAS 0x0044 response 0x10',
        '{provider-encoding: u8, provider: string[u8] coding c @provider-encoding,'
        ' short-encoding: u8, short-initials: u8, short-spare: u8, short: string[u8] coding c'
        ' @short-encoding,'
        ' long-encoding: u8, long-initials: u8, long-spare: u8, long: string[u8] coding c'
        ' @long-encoding}',
    ),
    (
        'NAS 0x0044 response 0x13',
        '[u8] {long: string[u8*2] ucs2le, short: string[u8*2] ucs2le, language: u32}',
    ),
    ('VOICE 0x003A response 0x16', 'string[u8*2] ucs2le'),
    ('VOICE 0x003A request 0x01', '{coding-scheme: u8, data: string[u8] coding c @coding-scheme}'),
    (
        'NAS 0x0043 response 0x2F',
        '{plmn: plmn-bcd, area: u24be, cell: u64, physical-cell: u16, rsrq: i16 x0.1 dB,'
        ' rsrp: i16 x0.1 dBm, snr: i16 x0.1 dB}',
    ),
    ('WDS 0x0020 request 0x10', 'ipv4le'),
    ('WDS 0x0027 request 0x28', '{address: ipv6}'),
    ('NAS 0x0034 response 0x23', 'u256 flags f'),
    ('DMS 0x002D response 0x10', 'u16 flags f'),
    ('DMS 0x002F response 0x01', '{count: u48 x5/4 ms, source: u16}'),
    ('PDS 0x0001 indication 0x16', '{type: u8, interval: u16}'),
)


def layout_of(where: str) -> str:
    service, message, direction, tlv = where.split()
    rows = [
        r
        for r in reference('tlvs')
        if (r['service'], r['message_id'], r['direction'], r['tlv_id'])
        == (service, message, direction, tlv)
    ]
    assert len(rows) == 1, where
    return rows[0]['layout']


def test_hard_rows(tmp_path):
    lines = [
        'service = "hard"',
        'id = 0x7F',
        'title = "Hard rows"',
        '[flags.f]',
        'a = 0',
        '[coding.c]',
        '0 = "gsm7"',
        '[message.hard]',
        'is = "0x0001 query raw"',
        'about = "Every hard row."',
    ]
    lines += [
        f'response.0x{number + 16:02X} = "t{number}: {text}"'
        for number, (_, text) in enumerate(HARD)
    ]
    path = tmp_path / 'hard.toml'
    path.write_text('\n'.join(lines) + '\n')
    schema, errors = load([path], COMMON)
    assert errors == []
    tlvs = schema.services[0].messages['hard'].response
    assert len(tlvs) == len(HARD)
    for (where, text), tlv in zip(HARD, tlvs):
        layout = layout_of(where)
        assert match(
            tlv.field.type.layout(), parse_layout(layout).layout()
        ), f'{where}: {text} is not {layout}'


# ---- the schema against the reference ----


@dataclass
class Difference:
    row: str  # "nas 0x004D response 0x15"
    what: str

    def __str__(self):
        return f'{self.row}: {self.what}'


@dataclass
class Count:
    """Of the reference's rows of one kind."""

    covered: int = 0
    excepted: int = 0  # schema-exceptions.toml has a reason why not
    required: int = 0
    by_source: dict[str, list[int]] = field(
        default_factory=lambda: {s: [0, 0] for s in SOURCES}
    )  # covered or excepted, required

    def add(self, row: dict[str, str], where: tuple[str, ...], differs: bool):
        """`where` the row is, and the message that has it: either may be excepted."""
        reason = any(w in exceptions() for w in where)
        self.required += 1
        self.covered += not differs
        self.excepted += differs and reason
        for s in accepted_sources(row):
            self.by_source[s][0] += not differs or reason
            self.by_source[s][1] += 1

    def __str__(self):
        return f'{self.covered}/{self.required}' + (
            f' (+{self.excepted} excepted)' if self.excepted else ''
        )


@dataclass
class Comparison:
    messages: Count
    tlvs: Count
    differences: list[Difference]


def known_bits(t: Type) -> set[int]:
    """Of flags, or of a word that is split up."""
    if t.kind == 'flags':
        return {v for v, _ in t.enum.values}
    have, at = set(), 0
    for f in t.fields:
        have |= set() if f.padding else set(range(at, at + f.bits))
        at += f.bits
    return have


def mask_bits(t: Type) -> dict[int, set[int]]:
    """The bits that fields are said to count by, for each word of them (by id of its type)."""
    found: dict[int, set[int]] = {}
    for f in t.fields:
        found |= mask_bits(f.type)
        if f.mask:
            word = next(other.type for other in t.fields if other.name == f.mask[0])
            found.setdefault(id(word), set()).add(f.mask[1])
    return found | (mask_bits(t.element) if t.element else {})


def compare_enum(ours: Type, words: list[tuple[int, Ref | None]], masks: dict[int, set[int]]):
    """What one of our values lacks of what the reference says of its words."""
    for offset, word in words:
        if not word or word.kind != 'bits' and ':' not in word.annotation:
            continue
        bits = word.width * 8
        kind, _, name = word.annotation.rpartition(':')
        if word.kind == 'bits' or kind == 'flags':
            if ours.kind not in ('flags', 'bits') and id(ours) not in masks:
                yield f'{name or "this"} are flags, here is {ours.kind}'
                continue
            if word.kind == 'bits':
                name, wanted, at = 'the word', set(), offset * 8
                for part, n in word.bits:
                    wanted |= set() if part.startswith('_pad') else set(range(at, at + n))
                    at += n
            else:
                wanted = {offset * 8 + b for b in bit_numbers(enum_values(name, True)) if b < bits}
            have = masks.get(id(ours)) or known_bits(ours)
            what = 'bits'
        else:
            values = enum_values(name, True)
            # Below zero stands for "not known" inside a program where the word has no sign.
            wanted = {
                v % (1 << bits)
                for v in values
                if (-(1 << bits - 1) if word.signed else 0) <= v < 1 << bits
            }
            if ours.kind == 'enum':
                have = {v % (1 << bits) for v, _ in ours.enum.values}
            elif ours.kind == 'bool':
                have = {0, 1}
            else:
                yield f'{name} is an enumeration, here is {ours.kind}'
                continue
            what = 'values'
        if lacking := sorted(wanted - have):
            yield f'{what} {lacking} of {name} are missing'


def compare_tlv(row: dict[str, str], tlvs: list[Tlv]):
    theirs = parse_layout(row['layout'])
    if row['layout'] == '?':
        return
    matching = None
    masks: dict[int, set[int]] = {}
    for t in tlvs:
        pairs: list = []
        layout = ((Item('word', 1),) if t.field.valid_byte else ()) + t.field.type.layout()
        if match(layout, theirs.layout(), pairs):
            matching = pairs
            masks = mask_bits(t.field.type)
            break
    if matching is None:
        yield f'{row["name"]}: the layout is not {row["layout"]}'
        return
    if accepted(row):
        for ours, words in matching:
            for text in compare_enum(ours, words, masks) if ours else ():
                yield f'{row["name"]}: {text}'
        if row['direction'] == 'request' and tlvs[0].mandatory != (row['presence'] == 'mandatory'):
            yield f'{row["name"]}: it is {row["presence"]}'


def compare(name: str, schema: Schema) -> Comparison:
    service = next(s for s in schema.services if s.name == name)
    result = Comparison(Count(), Count(), [])
    differences = result.differences

    def ident(m: dict[str, str]) -> tuple[bool, int, int]:
        indication = m['kind'] == 'indication' if 'kind' in m else m['direction'] == 'indication'
        return indication, int(m['message_id'], 16), int(m['vendor'] or '0', 16)

    ours: dict[tuple[bool, int, int], Message] = {
        (m.indication, m.id, m.vendor): m
        for known in (service.messages, service.indications)
        for m in known.values()
    }
    known_messages = {}
    for row in reference('messages'):
        if key_of_service(row) != name:
            continue
        vendor = f' vendor {row["vendor"]}' if row['vendor'] else ''
        where = f'{name} {row["message_id"]} {row["kind"]}{vendor}'
        missing = ident(row) not in ours
        known_messages[ident(row)] = where
        if accepted(row):
            result.messages.add(row, (where,), missing)
            if missing:
                differences.append(Difference(where, 'missing: ' + row['name']))
        elif not missing and hint(row):
            differences.append(Difference(where, f'only a hint: {row["sources"]} alone has it'))
    for k, m in ours.items():
        if k not in known_messages:
            differences.append(
                Difference(f'{name} 0x{m.id:04X} {m.name}', 'no source has such a message')
            )
    known_tlvs = set()
    for row in reference('tlvs'):
        tlv = int(row['tlv_id'], 16)
        if key_of_service(row) != name or row['direction'] == 'response' and tlv == 2:
            continue
        where = f'{name} {row["message_id"]} {row["direction"]} {row["tlv_id"]}'
        found: list[Tlv] = []
        if m := ours.get(ident(row)):
            known_tlvs.add((ident(row), row['direction'], tlv))
            tlvs = m.request if row['direction'] == 'request' else m.response
            found = [t for t in tlvs if t.id == tlv]
        texts = list(compare_tlv(row, found)) if found else []
        if accepted(row):
            if m and not found:
                texts = [f'missing: {row["name"]}: {row["layout"]}']
            result.tlvs.add(row, (where, known_messages[ident(row)]), not m or bool(texts))
        elif found and hint(row):
            texts.append(f'only a hint: {row["sources"]} alone has it')
        differences += [Difference(where, text) for text in texts]
    for k, m in ours.items():
        for direction, tlvs in (
            ('request', m.request),
            ('indication' if m.indication else 'response', m.response),
        ):
            for t in tlvs:
                if (
                    k in known_messages
                    and not t.alternative
                    and (k, direction, t.id) not in known_tlvs
                ):
                    differences.append(
                        Difference(
                            f'{name} 0x{m.id:04X} {direction} 0x{t.id:02X}',
                            f'{t.key()}: no source has such a TLV',
                        )
                    )
    return result


@cache
def exceptions() -> dict[str, str]:
    """Rows where the schema is right and the reference is not, with the reason."""
    with open(ROOT / 'tests/data/schema-exceptions.toml', 'rb') as f:
        return {e['row']: e['reason'] for e in tomllib.load(f).get('exception', [])}


def unexpected(c: Comparison) -> list[Difference]:
    return [d for d in c.differences if d.row not in exceptions()]


@cache
def the_schema() -> tuple[Schema, list[str]]:
    return load([INTERFACES / f'{name}.toml' for name in SERVICES], COMMON)


def test_lint():
    assert the_schema()[1] == []


# Whose names of messages are listed where there is no layout; ids of vendors, without a vendor, are no facts.
FIRST_OF_VENDORS = 0x5500


def test_every_other_id_is_listed():
    """Messages whose layouts no source has."""
    for name in SERVICES:
        service = next(s for s in the_schema()[0].services if s.name == name)
        have = {
            (m.id, m.vendor)
            for m in (
                *service.messages.values(),
                *service.indications.values(),
                *service.id_only,
            )
        }
        known = set()
        for row in reference('messages'):
            ident, vendor = int(row['message_id'], 16), int(row['vendor'] or '0', 16)
            if key_of_service(row) == name and row['sources'] != 'ofono':
                known.add((ident, vendor))
                if vendor or ident < FIRST_OF_VENDORS:
                    one = {(ident, vendor), (ident, 0)}
                    assert one & have, f'{name} {row["message_id"]} {row["name"]}'
        assert {(m.id, m.vendor) for m in service.id_only} <= known


# What takes long, in seconds: figures of other connection managers.
TIMEOUTS = (
    ('wds', 'start-network', 180),
    ('wds', 'stop-network', 120),
    ('nas', 'initiate-network-register', 120),
    ('nas', 'attach-detach', 120),
    ('nas', 'set-system-selection-preference', 120),
    ('nas', '*network-scan', 300),
    ('wms', '*send*', 300),
    ('voice', '*-ussd*', 100),
    ('voice', 'dial-call', 90),
    ('dms', 'set-operating-mode', 20),
    ('uim', 'depersonalization', 30),
    ('uim', '*apdu*', 60),
    ('uim', 'switch-slot', 60),
    ('uim', 'change-provisioning-session', 60),
)


def test_timeouts():
    for name, pattern, seconds in TIMEOUTS:
        service = next(s for s in the_schema()[0].services if s.name == name)
        found = [m for m in service.messages.values() if fnmatch(m.name, pattern)]
        assert found and all(m.timeout == seconds for m in found), (name, pattern)


def test_results():
    """Whatever is request and indication at once brings its result as that indication."""
    counts = {}
    for name in ('loc', 'pdc'):
        service = next(s for s in the_schema()[0].services if s.name == name)
        ids: dict[int, set[str]] = {}
        for row in reference('messages'):
            if key_of_service(row) == name and accepted(row):
                ids.setdefault(int(row['message_id'], 16), set()).add(row['kind'])
        both = {ident for ident, kinds in ids.items() if len(kinds) == 2}
        counts[name] = len(both)
        for m in service.messages.values():
            assert bool(m.result) == (m.id in both), m.name
            assert not m.result or service.indications[m.result].id == m.id
    assert counts == {'loc': 137, 'pdc': 8}


# The limit of the tables and of what interprets them, in bytes of code and constants.
SIZE_MAX = 400_000
INTERPRETER = ('codec-error', 'decode', 'encode', 'encode-word', 'gsm7', 'message', 'schema', 'text', 'value', 'word')


def test_size(tmp_path):
    tables = tmp_path / 'tables.c'
    tables.write_text(Tables(the_schema()[0]).write(), encoding='utf-8')
    sources = [tables, *(ROOT / f'src/qmi/{name}.c' for name in INTERPRETER)]
    flags = ['-std=gnu11', '-O2', '-D_GNU_SOURCE', f'-I{ROOT / "src"}']
    subprocess.run(['cc', *flags, '-c', *sources], cwd=tmp_path, check=True)
    objects = sorted(tmp_path.glob('*.o'))
    assert len(objects) == len(sources)
    out = subprocess.run(['size', *objects], capture_output=True, text=True, check=True).stdout
    total = sum(int(text) + int(data) for text, data, *_ in map(str.split, out.splitlines()[1:]))
    assert 100_000 < total < SIZE_MAX, total


def test_the_files_stay_small():
    """Comments and blank lines too: people read them."""
    texts = [p.read_text(encoding='utf-8') for p in INTERFACES.glob('*.toml')]
    assert sum(text.count('\n') for text in texts) <= 13000


def pytest_generate_tests(metafunc):
    # A hook and not a decorator: without pytest the file is still a program.
    if 'name' in metafunc.fixturenames:
        metafunc.parametrize('name', SERVICES)


def test_service_covers_the_reference(name):
    comparison = compare(name, the_schema()[0])
    assert [str(d) for d in unexpected(comparison)] == []
    for count in comparison.messages, comparison.tlvs:
        assert count.covered + count.excepted == count.required
        for source, (covered, required) in count.by_source.items():
            assert covered == required, source


# What is done to a file, and the row in which the comparison must see it.
DOCTORED = (
    ('request.0x1C  = "uplink-max-size: u32 B"', '', 'wda 0x0020 request 0x1C', 'missing'),
    (
        'request.0x1C  = "uplink-max-size: u32 B"',
        'request.0x1C  = "uplink-max-size: u16 B"',
        'wda 0x0020 request 0x1C',
        'the layout is not u32',
    ),
    (
        'request.0x1C  = "uplink-max-size: u32 B"',
        'request.0x1C  = "uplink-max-size: u32be B"',
        'wda 0x0020 request 0x1C',
        'the layout is not u32',
    ),
    (
        'request.0x1C  = "uplink-max-size: u32 B"',
        'request.0x1C  = "uplink-max-size: u32 B mandatory"',
        'wda 0x0020 request 0x1C',
        'it is optional',
    ),
    (
        'request.0x1C  = "uplink-max-size: u32 B"',
        'request.0x6C  = "uplink-max-size: u32 B"',
        'wda 0x0020 request 0x6C',
        'no source has such a TLV',
    ),
    (
        'interface = "u32"',
        'interface = "u16"',
        'wda 0x0021 request 0x10',
        'the layout is not struct{',
    ),
    (
        '"messages: bytes[u16]"',
        '"messages: bytes[u8]"',
        'wda 0x001E response 0x10',
        'the layout is not array[u16]{u8}',
    ),
    (
        '"messages: bytes[u16]"',
        '"messages: bytes"',
        'wda 0x001E response 0x10',
        'the layout is not array[u16]{u8}',
    ),
    (
        'raw-ip = 2',
        'raw-ip = 4',
        'wda 0x0021 response 0x11',
        'values [2] of QmiWdaLinkLayerProtocol are missing',
    ),
    ('is    = "0x0021', 'is    = "0x0721', 'wda 0x0021 request/response', 'missing'),
    (
        'is    = "0x0021',
        'is    = "0x0721',
        'wda 0x0721 get-data-format',
        'no source has such a message',
    ),
    (
        'enhanced-idle = 6\n',
        '',
        'nas 0x002F response 0x15',
        'bits [6] of the word are missing',
    ),
    (
        'delay               = "u8 if mask.13"',
        'delay               = "u8"',
        'pds 0x0001 indication 0x19',
        'bits [13] of the word are missing',
    ),
    (
        'is    = "0x003B',
        'is    = "0x0052',
        'nas 0x0052 request/response',
        'only a hint: sierra-sdk',
    ),
)


def test_comparison_sees_what_is_wrong(tmp_path):
    for old, new, row, what in DOCTORED:
        service = row.split()[0]
        good = (INTERFACES / f'{service}.toml').read_text(encoding='utf-8')
        assert good.count(old) == 1, old
        path = tmp_path / f'{service}.toml'
        # Ids in the list cannot be those of messages as well.
        doctored = re.sub('id-only = """.*?"""', '', good.replace(old, new), flags=re.DOTALL)
        path.write_text(doctored, encoding='utf-8')
        schema, errors = load([path], COMMON)
        assert errors == []
        differences = compare(service, schema).differences
        assert any(d.row == row and what in d.what for d in differences), (new, row)


def test_every_exception_is_needed():
    needed = {d.row for name in SERVICES for d in compare(name, the_schema()[0]).differences}
    of_files = {row for row in exceptions() if (INTERFACES / f'{row.split()[0]}.toml').is_file()}
    assert sorted(set(exceptions()) - of_files) == []
    listed = {row for row in of_files if row.split()[0] in SERVICES}
    assert sorted(listed - needed) == []
    assert all(exceptions().values())


def test_protocol_errors():
    ours = {value for value, _ in the_schema()[0].common.enums['qmi-error'].values}
    libqmi = {'libqmi-git', 'libqmi-1.32'}
    assert {
        int(r['value']) for r in reference('errors') if libqmi & set(r['sources'].split(';'))
    } - ours == set()


def coverage(name: str, c: Comparison) -> str:
    """How many messages and TLVs of the reference a service has, and of which sources they are."""
    sources = []
    for s in SOURCES:
        (messages, all_messages), (tlvs, all_tlvs) = c.messages.by_source[s], c.tlvs.by_source[s]
        if all_messages:
            sources.append(f'{s} {messages}/{all_messages} and {tlvs}/{all_tlvs}')
    return f'{name}: {c.messages} messages, {c.tlvs} TLVs; {", ".join(sources) or "no source"}'


README = ROOT / 'README.md'
README_LINE = re.compile(r'(?<=<!-- coverage -->\n).*(?=\n<!-- /coverage -->)')


def readme_line() -> str:
    counts = [compare(name, the_schema()[0]) for name in SERVICES]
    messages = sum(c.messages.covered + c.messages.excepted for c in counts)
    tlvs = sum(c.tlvs.covered + c.tlvs.excepted for c in counts)
    return f'{len(SERVICES)} services, {messages} messages and indications, {tlvs} TLVs'


def test_the_readme_counts_what_there_is():
    """`python3 tests/unit/test_schema.py --readme` writes the line."""
    found = README_LINE.search(README.read_text())
    assert found and found[0] == readme_line()


def main(names: list[str]) -> int:
    if names == ['--readme']:
        README.write_text(README_LINE.sub(readme_line(), README.read_text()))
        return 0
    failed = 0
    totals = [0, 0, 0, 0]
    for name in names:
        schema, errors = load([INTERFACES / f'{name}.toml'], COMMON)
        for error in errors:
            print(error)
        if not schema.services:
            failed += 1
            continue
        comparison = compare(name, schema)
        for d in comparison.differences:
            print(f'{d}  (excepted: {exceptions()[d.row]})' if d.row in exceptions() else d)
        left = len(unexpected(comparison)) + len(errors)
        print(coverage(name, comparison) + f'; {left} missing, different or wrong')
        failed += left
        for i, count in enumerate((comparison.messages, comparison.tlvs)):
            totals[2 * i] += count.covered + count.excepted
            totals[2 * i + 1] += count.required
    parts = [
        f'{have}/{required} {what} ({100 * have / max(required, 1):.4g} %)'
        for have, required, what in ((*totals[:2], 'messages'), (*totals[2:], 'TLVs'))
    ]
    print(f'{len(names)} services: {", ".join(parts)}, with what is excepted for a reason')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:] or list(SERVICES)))
