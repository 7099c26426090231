# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where in the text of a file something stands."""

import re
from dataclasses import dataclass

_KEY = r'(?:[A-Za-z0-9_-]+|"[^"]*"|\'[^\']*\')'
_HEADER = re.compile(rf'\s*\[\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*\]')
_ASSIGN = re.compile(rf'\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=')


@dataclass(frozen=True)
class Where:
    file: str
    line: int


def _split_key(text: str) -> tuple[str, ...]:
    return tuple(part.strip('"\'') for part in re.findall(_KEY, text))


class Lines:
    """Where in the text of a TOML file its keys stand. tomllib does not say, so that a key must
    have a line of its own."""

    def __init__(self, file: str, text: str):
        self.file = file
        self.text = text.splitlines()
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

    def find_text(self, part: str, *path: str) -> Where:
        """The line of a text of several lines that has this."""
        where = self.find(*path)
        for number, line in enumerate(self.text[where.line - 1 :], where.line):
            if part in line:
                return Where(self.file, number)
        return where

    def find(self, *path: str) -> Where:
        for n in range(len(path), 0, -1):
            if line := self.lines.get(path[:n]):
                return Where(self.file, line)
        return Where(self.file, 1)
