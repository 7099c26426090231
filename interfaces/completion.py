# SPDX-License-Identifier: LGPL-2.1-or-later
"""Completion of qmictl, for bash, zsh and fish: scripts in templates/, and the words of the schema
in the syntax of each.

A field of a request is one word for them all, [!]PATH=KIND: ! where it is mandatory; in a path, #
stands for the number of an element. The kinds, where N is a list of symbols:

  eN one symbol, fN symbols with commas between, b yes or no, y yes, p a secret, x bytes, t text,
  n a number (behind it its unit); X, T, N a list of those with commas between"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from model import Enum, Field, Message, Schema, Service, Type, interface, snake
from words import by_id

TEMPLATES = Path(__file__).with_name('templates')
MARK = '# @WORDS@\n'
LETTERS = {'bool': 'b', 'empty': 'y', 'bytes': 'x', 'uint': 'n', 'int': 'n', 'float': 'n'}


class Words:
    """What there is to complete."""

    def __init__(self, schema: Schema):
        self.services = sorted(schema.services, key=lambda s: s.name)
        self.callable = [s for s in self.services if interface(s)]
        self.lists: dict[tuple[str, ...], int] = {}  # of symbols, each once
        self.fields: dict[tuple[str, str], list[str]] = {}  # service, message
        for s in self.callable:
            for m in by_id(s.messages):
                if found := list(self.request(m)):
                    self.fields[s.name, m.name] = found

    def symbols(self, e: Enum) -> int:
        # Several symbols can have one value; all are taken.
        return self.lists.setdefault(tuple(snake(s) for _, s in e.values), len(self.lists))

    def request(self, m: Message) -> Iterator[str]:
        for t in m.request:
            if not t.alternative:  # the first layout is what is sent
                f = t.field
                yield from self.field(snake(f.name), f.type, t.mandatory, f.secret)

    def field(self, path: str, t: Type, mandatory: bool, secret: bool) -> Iterator[str]:
        if t.kind == 'array' and (t.element.fields or t.element.kind in ('array', 'flags')):
            yield from self.field(f'{path}.#', t.element, False, secret)
        elif t.fields:
            for f in t.fields:
                if not f.hidden and not f.padding:
                    yield from self.field(
                        f'{path}.{snake(f.name)}',
                        f.type,
                        mandatory and not self.may_be_absent(f),
                        secret or f.secret,
                    )
        else:
            yield f'{"!" if mandatory else ""}{path}={"p" if secret else self.kind(t)}'

    @staticmethod
    def may_be_absent(f: Field) -> bool:
        return bool(f.valid_byte or f.mask or f.type.sentinel is not None)

    def kind(self, t: Type) -> str:
        if t.kind == 'array':
            kind = self.kind(t.element)
            return ('f' if kind[0] == 'e' else kind[0].upper()) + kind[1:]
        if t.enum:
            return f'{"f" if t.enum.flags else "e"}{self.symbols(t.enum)}'
        return LETTERS.get(t.kind, 't') + (t.unit if t.kind in ('uint', 'int', 'float') else '')


def quoted(text: str) -> str:
    """For bash and zsh."""
    return "'" + text.replace("'", "'\\''") + "'"


def fish_quoted(text: str) -> str:
    return "'" + text.replace('\\', '\\\\').replace("'", "\\'") + "'"


def shell_function(name: str, cases: dict[str, str]) -> str:
    """In bash and zsh: what stands behind the word "$1"."""
    rows = ''.join(f'    {quoted(key)}) {value} ;;\n' for key, value in cases.items())
    return f'{name}() {{\n    case $1 in\n{rows}    *) false ;;\n    esac\n}}\n'


def fish_function(name: str, cases: dict[str, str]) -> str:
    rows = ''.join(
        f'        case {fish_quoted(key)}\n            {value}\n' for key, value in cases.items()
    )
    return f'function {name}\n    switch $argv[1]\n{rows}    end\nend\n'


def tables(
    words: Words, prefix: str, function: Callable, reply: Callable, listed: Callable
) -> str:
    """`listed` writes messages or services, which have a sentence each, `reply` plain words."""

    def messages(known: Callable[[Service], dict[str, Message]]) -> dict[str, str]:
        return {
            s.name: listed([(m.name, m.about) for m in by_id(known(s))])
            for s in words.services
            if known(s)
        }

    services = {
        'call': listed([(s.name, s.title) for s in words.callable]),
        'describe': listed([(s.name, s.title) for s in words.services]),
    }
    fields = {f'{s} {m}': reply(found) for (s, m), found in words.fields.items()}
    symbols = {str(n): reply(found) for found, n in words.lists.items()}
    return '\n'.join(
        (
            function(f'{prefix}_services', services),
            function(f'{prefix}_messages', messages(lambda s: s.messages)),
            function(f'{prefix}_indications', messages(lambda s: s.indications)),
            function(f'{prefix}_fields', fields),
            function(f'{prefix}_symbols', symbols),
        )
    )


def script(template: str, text: str) -> str:
    return (TEMPLATES / template).read_text(encoding='utf-8').replace(MARK, text)


def bash(schema: Schema) -> str:
    def reply(found) -> str:
        return f'REPLY={quoted(" ".join(found))}'

    text = tables(
        Words(schema), '_qmictl', shell_function, reply, lambda pairs: reply(n for n, _ in pairs)
    )
    return script('qmictl.bash', text)


def zsh(schema: Schema) -> str:
    def listed(pairs) -> str:
        return f'reply=({" ".join(quoted(f"{name}:{about}") for name, about in pairs)})'

    text = tables(
        Words(schema),
        '_qmictl',
        shell_function,
        lambda found: f'reply=({" ".join(map(quoted, found))})',
        listed,
    )
    return script('qmictl.zsh', text)


def fish(schema: Schema) -> str:
    def listed(pairs) -> str:
        return "printf '%s\\t%s\\n' " + ' '.join(
            f'{name} {fish_quoted(about)}' for name, about in pairs
        )

    text = tables(
        Words(schema),
        '__qmictl',
        fish_function,
        lambda found: "printf '%s\\n' " + ' '.join(map(fish_quoted, found)),
        listed,
    )
    return script('qmictl.fish', text)


SHELLS = {'bash': bash, 'zsh': zsh, 'fish': fish}
