# SPDX-License-Identifier: LGPL-2.1-or-later
"""The schema as data for tests: every message, a request for each that qmid takes, bytes for each answer."""

import pathlib
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "interfaces"))

from model import camel, snake  # noqa: E402, F401: for those who import us
from schema import load  # noqa: E402


def services():
    """Those that are on the bus."""
    files = sorted(p for p in (ROOT / "interfaces").glob("*.toml") if p.name != "common.toml")
    schema, errors = load(files, ROOT / "interfaces/common.toml")
    assert not errors, errors
    return [s for s in schema.services if s.name != "ctl"]


def value(t):
    """The least that a request may have for a type, with its signature."""
    match t.kind:
        case "uint" | "int" | "float":
            if t.scale is not None or t.kind == "float":
                return "d", 0.0
            number = 0 if t.sentinel != 0 else 1
            return t.signature(), number
        case "bool" | "empty":
            return "b", True
        case "enum":
            return "s", snake(t.enum.values[0][1])
        case "flags":
            return "as", []
        case "string":
            return "s", "1" * (t.length.count if t.length.kind == "fixed" and t.coding != "bcd" else 1)
        case "bytes":
            return "ay", bytes(t.length.count if t.length.kind == "fixed" else 1)
        case "array":
            n = t.length.count if t.length.kind == "fixed" else 1
            element = value(t.element)[1]
            return t.signature(), [element] * n
        case "struct" | "bits":
            values = {snake(f.name): value(f.type) for f in t.fields if not f.hidden and not f.padding}
            for f in t.fields:
                if f.type.kind == "string" and f.type.coding_by:  # of those that there are, the first
                    codings, by = f.type.coding_by
                    values[snake(by)] = "s", str(next(iter(codings)))
            return "a{sv}", values
        case "ipv4":
            return "s", "192.0.2.1"
        case "ipv6":
            return "s", "2001:db8::1"
        case "plmn-bcd" | "plmn-ascii" | "plmn-binary":
            return "s", "24099"
    raise AssertionError(t.kind)


def request(message):
    """With its mandatory TLVs only."""
    return {snake(t.key()): value(t.field.type) for t in message.request if t.mandatory and not t.alternative}


def fields(tlvs, access):
    """The keys with an access class of their own, "lte.cell_id", each with its TLV and that class; those within
    one are part of it."""
    def below(prefix, f):
        key = f"{prefix}.{snake(f.name)}" if prefix else snake(f.name)
        if f.access:
            yield key, f.access
            return
        t = f.type
        while t.kind == "array":
            t = t.element
        for inner in t.fields:
            yield from below(key, inner)

    for tlv in tlvs:
        if not tlv.alternative:
            for key, name in below("", tlv.field):
                assert name != access
                yield key, tlv, name


def encode(t, words=None):
    """Bytes in which every part of a type is there and valid."""
    match t.kind:
        case "struct":
            # What is counted by another field comes once; a mask has all its bits.
            counts = {g.type.length.field for g in t.fields if g.type.length and g.type.length.kind == "field"}
            masks = {g.mask[0] for g in t.fields if g.mask}
            out = b""
            for f in t.fields:
                if f.valid_byte:
                    out += b"\1"
                if f.name in masks:
                    out += b"\xff" * f.type.width
                elif f.name in counts:
                    out += (1).to_bytes(f.type.width, "big" if f.type.big_endian else "little")
                else:
                    out += encode(f.type)
            return out
        case "string" | "bytes":
            if t.length.kind == "fixed":
                return b"1" * t.length.count
            unit = t.length.unit or 1
            body = b"1" * unit
            return (1).to_bytes(t.length.width, "little") + body if t.length.kind == "prefix" else body
        case "array":
            if t.length.kind == "fixed":
                return encode(t.element) * t.length.count
            one = encode(t.element)
            return (1).to_bytes(t.length.width, "little") + one if t.length.kind == "prefix" else one
        case "float":
            return struct.pack("<f" if t.width == 4 else "<d", 1.0)
        case "empty":
            return b""
        case "plmn-ascii":
            return b"24099\xff"
        case "plmn-bcd":
            return bytes.fromhex("42f099")
        case "plmn-binary":
            return struct.pack("<HHB", 240, 99, 0)
    number = 1 if t.sentinel != 1 else 2
    return number.to_bytes(t.width, "big" if t.big_endian else "little")


def tlv_bytes(tlv):
    return (b"\1" if tlv.field.valid_byte else b"") + encode(tlv.field.type)
