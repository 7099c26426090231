# SPDX-License-Identifier: LGPL-2.1-or-later
"""The API manual as man pages, in mdoc(7): one for each service, one of QMI protocol errors."""

import os
import re
import time
from itertools import groupby

from model import Enum, Message, Schema, Service, camel, interface, snake
from words import (
    DEFAULT_TIMEOUT,
    ERRORS,
    ID_ONLY,
    KINDS,
    Row,
    by_id,
    enums_of,
    error_name,
    id_only,
    notes,
    properties,
    published,
    sentences,
    tlv_rows,
)

KEY_WIDTH = 24  # a longer key has a line of its own


def date() -> str:
    """Of the build, or what a reproducible build says that it is."""
    t = time.gmtime(int(os.environ.get('SOURCE_DATE_EPOCH', time.time())))
    return f'{time.strftime("%B", t)} {t.tm_mday}, {t.tm_year}'


def plain(text: str) -> str:
    """Text on a line of its own, or as an argument."""
    text = text.replace('\\', '\\e')
    return '\\&' + text if text[:1] in ('.', "'") else text


def word(text: str) -> str:
    """An argument that is one word: one that is spelled like a macro is none."""
    return '\\&' + text if re.fullmatch(r'[A-Z%][a-z]{1,2}', text) else plain(text)


def name_of(e: Enum | str) -> str:
    return e if isinstance(e, str) else e.name


def head(name: str, about: str) -> list[str]:
    return [
        '.\\" SPDX-License-Identifier: LGPL-2.1-or-later',
        f'.Dd {date()}',
        f'.Dt {name.upper()} 3',
        '.Os',
        '.Sh NAME',
        f'.Nm {name}',
        f'.Nd {plain(about)}',
    ]


def row_lines(r: Row) -> list[str]:
    text = f'{r.signature}: ' + ''.join(name_of(w) for w in r.words)
    if r.tlv:
        text += f'; TLV 0x{r.tlv:02x}'
    lines = [f'.It Va {word(r.key)}', plain(('or ' if r.alternative else '') + text)]
    if r.remarks:
        lines.append(plain(f'({", ".join(r.remarks)})'))
    return lines


def fields(title: str, tlvs: list) -> list[str]:
    rows = list(tlv_rows(tlvs))
    if not rows:
        return []
    lines = ['.Pp', f'{title}:']
    for depth, run in groupby(rows, lambda r: r.depth):
        found = list(run)
        width = min(max(len(r.key) for r in found), KEY_WIDTH)
        lines.append(f'.Bl -tag -width {"x" * width} -offset {2 + 4 * depth}n -compact')
        lines += [line for r in found for line in row_lines(r)]
        lines.append('.El')
    return lines


def message(m: Message) -> list[str]:
    lines = [f'.Ss {word(camel(m.name))}', *map(plain, sentences(m.about)), '.Pp']
    lines.append(plain(', '.join(properties(m)) + '.'))
    lines += map(plain, notes(m))
    if m.indication:
        return lines + fields('Fields', m.response)
    return lines + fields('Request', m.request) + fields('Response', m.response)


def symbols(e: Enum) -> list[str]:
    title = e.name + (' (bits)' if e.flags else '')
    listed = [f'{snake(symbol)}\\~{value}' for value, symbol in e.values]
    return [f'.Ss {word(title)}', *(f'{s},' for s in listed[:-1]), f'{listed[-1]}.']


def service_page(s: Service) -> str:
    name = interface(s)
    lines = head(name, f'QMI {s.title}, on D-Bus') + [
        '.Sh DESCRIPTION',
        'The methods and signals of QMI service',
        f'.Ql {s.name} ,',
        f'id 0x{s.id:02x}, as',
        '.Xr qmid 8',
        'has them on the system bus:',
        'on the object of each device that has the service, and of each of its clients.',
    ]
    if s.vendor:
        lines.append(f'Only modems of USB vendor 0x{s.vendor:04x} have it.')
    lines += [
        'A method takes one dictionary, a{sv}, and returns one; a signal has one.',
        'The keys are those below; what is not marked as mandatory may be left out of a request,',
        'and missing in a response.',
        'Behind each key are its type, what it means, and the TLV that carries it.',
        '.Xr org.qmid1 5',
        'tells the rest.',
        '.Pp',
        'The line below what a message does has its id, its kind, the access class that a caller',
        f'needs, and the time that it may take, where it is not {DEFAULT_TIMEOUT} seconds.',
    ]
    used = {m.kind for m in s.messages.values()}
    if s.messages:
        lines += ['The kinds:', '.Bl -tag -width command']
        for kind in (k for k in KINDS if k in used):
            lines += [f'.It {kind}', *map(plain, sentences(KINDS[kind]))]
        lines.append('.El')
        lines += ['.Sh METHODS', *(line for m in by_id(s.messages) for line in message(m))]
    if s.indications:
        lines += ['.Sh SIGNALS', *(line for m in by_id(s.indications) for line in message(m))]
    if listed := id_only(s):
        width = max(len(name) for _, name in listed)
        lines += ['.Sh KNOWN BY ID ONLY', *map(plain, sentences(ID_ONLY))]
        lines += [f'.Bl -column {"x" * width}', '.It Sy name Ta Sy id']
        lines += [f'.It {name} Ta {ident}' for ident, name in listed]
        lines.append('.El')
    if enums := enums_of(s):
        lines += [
            '.Sh SYMBOLS',
            'With their numbers, which are taken in place of them; those of flags are bits.',
            *(line for e in enums for line in symbols(e)),
        ]
    lines += ['.Sh ERRORS', '.Bl -tag -width Ds']
    for error, about in ERRORS.items():
        lines += [f'.It Sy {error}', *map(plain, sentences(about))]
    lines += ['.El', '.Sh SEE ALSO', '.Xr qmictl 1 ,', '.Xr org.qmid1.Error 3 ,']
    return '\n'.join([*lines, '.Xr org.qmid1 5 ,', '.Xr qmid 8', ''])


def error_page(e: Enum) -> str:
    lines = head('org.qmid1.Error', 'QMI protocol errors, on D-Bus') + [
        '.Sh DESCRIPTION',
        'What a modem refuses is a D-Bus error, named',
        '.Sy org.qmid1.Error.Qmi.',
        'and one of the names below, or',
        '.Sy Code Ns Em N',
        'for a number that is not among them.',
        'The method',
        '.Fn Request',
        'of a device returns its symbol in place of an error, with underscores and no capitals:',
        '.Ql no_effect .',
        '.Bl -column number',
        '.It Sy number Ta Sy error',
    ]
    lines += [f'.It {v} Ta {word(error_name(s).split(".")[-1])}' for v, s in e.values if v]
    return '\n'.join([*lines, '.El', '.Sh SEE ALSO', '.Xr org.qmid1 5', ''])


def man_pages(schema: Schema) -> dict[str, str]:
    """By file name."""
    pages = {f'{interface(s)}.3': service_page(s) for s in published(schema.services)}
    return pages | {'org.qmid1.Error.3': error_page(schema.common.enums['qmi-error'])}
