# SPDX-License-Identifier: LGPL-2.1-or-later
"""The API manual as HTML: one page for each service, an index, and one of the QMI protocol errors.
Each stands alone, without scripts and with the style sheet in it."""

from html import escape
from pathlib import Path

from model import Enum, Message, Schema, Service, Tlv, camel, interface, snake
from words import (
    CLASSES,
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
    tlv_rows,
)

STYLE = Path(__file__).with_name('templates') / 'manual.css'


def page(title: str, navigation: list[str], body: list[str]) -> str:
    style = STYLE.read_text(encoding='utf-8').partition('\n')[2]  # without the licence
    lines = [
        '<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->',
        '<!DOCTYPE html>',
        '<html lang="en">',
        '<head>',
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f'<title>{escape(title)}</title>',
        f'<style>\n{style}</style>',
        '</head>',
        '<body>',
        '<nav>',
        *navigation,
        '</nav>',
        '<main>',
        *body,
        '</main>',
        '</body>',
        '</html>',
        '',
    ]
    return '\n'.join(lines)


def link(anchor: str, text: str) -> str:
    return f'<a href="#{anchor}">{escape(text)}</a>'


def anchor_of(e: Enum) -> str:
    """With a dot, which no message has."""
    return f'{"flags" if e.flags else "enum"}.{e.name}'


def table(headings: list[str], rows: list[str]) -> list[str]:
    return [
        '<table>',
        '<thead><tr>' + ''.join(f'<th>{h}</th>' for h in headings) + '</tr></thead>',
        '<tbody>',
        *rows,
        '</tbody>',
        '</table>',
    ]


def table_row(r: Row) -> str:
    words = ''.join(
        escape(w) if isinstance(w, str) else f'<code>{link(anchor_of(w), w.name)}</code>'
        for w in r.words
    )
    if r.alternative:
        words = f'or {words}'
    remarks = ''.join(f' <em>{escape(remark)}</em>' for remark in r.remarks)
    tlv = f'0x{r.tlv:02x}' if r.tlv else ''
    depth = f' class="d{r.depth}"' if r.depth else ''
    return (
        f'<tr><td{depth}><code>{r.key}</code></td><td><code>{r.signature}</code></td>'
        f'<td>{words}{remarks}</td><td>{tlv}</td></tr>'
    )


def fields(title: str, tlvs: list[Tlv]) -> list[str]:
    rows = [table_row(r) for r in tlv_rows(tlvs)]
    return [f'<h4>{title}</h4>', *table(['Key', 'Type', 'Value', 'TLV'], rows)] if rows else []


def message(m: Message) -> list[str]:
    facts = ''.join(f'<li>{escape(p)}</li>' for p in properties(m))
    lines = [
        f'<article id="{m.name}">',
        f'<h3><a href="#{m.name}">{camel(m.name)}</a></h3>',
        f'<ul class="facts">{facts}</ul>',
        f'<p>{escape(m.about)}</p>',
    ]
    if said := notes(m):
        lines.append(f'<p>{escape(" ".join(said))}</p>')
    if m.indication:
        lines += fields('Fields', m.response)
    else:
        lines += fields('Request', m.request) + fields('Response', m.response)
    return [*lines, '</article>']


def symbols(e: Enum) -> list[str]:
    values = ''.join(
        f'<li><code>{snake(symbol)}</code> {value}</li>' for value, symbol in e.values
    )
    kind = ' <small>bits</small>' if e.flags else ''
    return [
        f'<article id="{anchor_of(e)}">',
        f'<h3><a href="#{anchor_of(e)}">{e.name}</a>{kind}</h3>',
        f'<ul class="symbols">{values}</ul>',
        '</article>',
    ]


def definitions(terms: dict[str, str]) -> list[str]:
    rows = [
        f'<dt><code>{escape(term)}</code></dt><dd>{escape(text)}</dd>'
        for term, text in terms.items()
    ]
    return ['<dl>', *rows, '</dl>'] if rows else []


def contents(title: str, anchor: str, entries: list[tuple[str, str]]) -> list[str]:
    if not entries:
        return []
    items = [f'<li>{link(to, text)}</li>' for to, text in entries]
    return [f'<h2>{link(anchor, title)}</h2>', '<ul>', *items, '</ul>']


def section(title: str, anchor: str, body: list[str]) -> list[str]:
    return [f'<section id="{anchor}">', f'<h2>{title}</h2>', *body, '</section>'] if body else []


def service_page(s: Service) -> str:
    name = interface(s)
    methods, signals, enums = by_id(s.messages), by_id(s.indications), enums_of(s)
    navigation = ['<p><a href="index.html">All services</a></p>']
    for title, found in (('Methods', methods), ('Signals', signals)):
        entries = [(m.name, camel(m.name)) for m in found]
        navigation += contents(title, f'.{title.lower()}', entries)
    listed = id_only(s)
    if listed:
        navigation.append(f'<h2>{link(".ids", "Known by id only")}</h2>')
    navigation += contents('Symbols', '.symbols', [(anchor_of(e), e.name) for e in enums])
    navigation.append(f'<h2>{link(".errors", "Errors")}</h2>')

    only = f' Only modems of USB vendor 0x{s.vendor:04x} have it.' if s.vendor else ''
    used = {m.kind for m in s.messages.values()}
    body = [
        '<header>',
        f'<h1>{name}</h1>',
        f'<p>{escape(s.title)}, QMI service <code>{s.name}</code>, id 0x{s.id:02x}.{only}</p>',
        '</header>',
        '<p>A method takes one dictionary, <code>a{sv}</code>, and returns one; a signal has one.'
        ' What is not marked as mandatory may be left out of a request, and missing in a response.'
        ' Behind the id of a message are its kind, the'
        ' <a href="index.html#.classes">access class</a> that a caller needs, and the time that it'
        f' may take, where it is not {DEFAULT_TIMEOUT} seconds.</p>',
        *definitions({kind: text for kind, text in KINDS.items() if kind in used}),
        *section('Methods', '.methods', [line for m in methods for line in message(m)]),
        *section('Signals', '.signals', [line for m in signals for line in message(m)]),
    ]
    if listed:
        rows = [f'<tr><td>{name}</td><td>{ident}</td></tr>' for ident, name in listed]
        ids = [f'<p>{escape(ID_ONLY)}</p>', *table(['Name', 'Id'], rows)]
        body += section('Known by id only', '.ids', ids)
    described = [line for e in enums for line in symbols(e)]
    if described:
        about = 'With their numbers, which are taken in place of them; those of flags are bits.'
        described.insert(0, f'<p>{about}</p>')
    body += section('Symbols', '.symbols', described)
    more = ['<p><a href="errors.html">The QMI protocol errors</a></p>']
    body += section('Errors', '.errors', definitions(ERRORS) + more)
    return page(f'{name}: {s.title}', navigation, body)


def error_page(e: Enum) -> str:
    rows = [
        f'<tr id="{snake(symbol)}"><td><code>{error_name(symbol)}</code></td><td>{value}</td>'
        f'<td><code>{snake(symbol)}</code></td></tr>'
        for value, symbol in e.values
        if value
    ]
    body = [
        '<header><h1>QMI protocol errors</h1></header>',
        '<p>What a modem refuses is a D-Bus error with one of these names, or'
        ' <code>org.qmid1.Error.Qmi.Code</code><var>N</var> for a number that is not among them.'
        ' The method <code>Request</code> of a device returns the symbol in place of an error.'
        '</p>',
        *table(['Error', 'Number', 'Symbol'], rows),
    ]
    return page('QMI protocol errors', ['<p><a href="index.html">All services</a></p>'], body)


def index_page(services: list[Service]) -> str:
    rows = [
        f'<tr><td><a href="{s.name}.html">{interface(s)}</a></td><td>{escape(s.title)}</td>'
        f'<td>0x{s.id:02x}</td><td>{len(s.messages)}</td><td>{len(s.indications)}</td></tr>'
        for s in services
    ]
    navigation = [
        '<h2>Services</h2>',
        '<ul>',
        *(f'<li><a href="{s.name}.html">{interface(s)}</a></li>' for s in services),
        '</ul>',
        '<h2><a href="#.classes">Access classes</a></h2>',
        '<h2><a href="errors.html">QMI protocol errors</a></h2>',
    ]
    classes = ['<p>What the messages and fields of each class show or change:</p>']
    body = [
        '<header>',
        '<h1>QMI on D-Bus</h1>',
        '<p>The interfaces of qmid, one for each QMI service.</p>',
        '</header>',
        '<p>Every request of a QMI service is a method with one dictionary in and one out, every'
        ' indication a signal with one. They are on the object of each device that has the'
        ' service, and of each of its clients. org.qmid1(5) tells how values look on the bus, and'
        ' what else is there. In the shell, <code>qmictl call nas get-signal-info</code> is'
        ' <code>org.qmid1.Nas.GetSignalInfo</code>.</p>',
        *table(['Interface', 'Service', 'Id', 'Methods', 'Signals'], rows),
        *section('Access classes', '.classes', [*classes, *definitions(CLASSES)]),
        '<p><a href="errors.html">QMI protocol errors</a></p>',
    ]
    return page('QMI on D-Bus', navigation, body)


def web_pages(schema: Schema) -> dict[str, str]:
    """By file name."""
    services = published(schema.services)
    pages = {f'{s.name}.html': service_page(s) for s in services}
    return pages | {
        'index.html': index_page(services),
        'errors.html': error_page(schema.common.enums['qmi-error']),
    }
