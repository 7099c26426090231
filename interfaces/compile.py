#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compiles the schema (docs/schema.md) into what the programs and the bus need of it."""

import argparse
import sys
from pathlib import Path

from schema import load


def main() -> int:
    parser = argparse.ArgumentParser(description='Compiles interfaces/*.toml; common.toml is always read too.')
    parser.add_argument('--check', action='store_true', help='only look for errors')
    parser.add_argument('--common', type=Path, default=Path(__file__).with_name('common.toml'), metavar='FILE',
                        help='another common.toml')
    parser.add_argument('files', nargs='+', type=Path, metavar='FILE.toml')
    args = parser.parse_args()
    schema, errors = load(args.files, args.common)
    for error in errors:
        print(error, file=sys.stderr)
    if errors:
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
