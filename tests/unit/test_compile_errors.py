# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each rule of the schema's lint: one wrong line gives one error that says where and what."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

COMPILE = Path(__file__).resolve().parents[2] / 'interfaces/compile.py'
sys.path.insert(0, str(COMPILE.parent))

from schema import load  # noqa: E402

COMMON = '''\
[enum.qmi-error]
success = 0
[enum.shared]
one = 1
[flags.shared]
first = 0
'''

GOOD = '''\
service = "test"
id = 0x7F
title = "Test service"
id-only = """
0x0010 walk vendor=0x03F0, 0x0011 walk-extended,
0x0010 jump vendor=0x1199"""

[enum.mode]
off = 0
on = 1

[flags.band]
low = 0
high = 15

[coding.text]
0 = "gsm7"
1 = "ucs2le"

[type.signal]
rssi = "i8 dBm"
snr = "i16 x0.1 dB"

[message.abort]
is = "0x0001 command status"
about = "Abort a transaction."
request.0x01 = "transaction: u16"

[message.scan]
is = "0x0002 client control"
about = "Look around."
abort = "abort"
result = "scan-done"
token = "token"
undo = "stop"
request.0x10 = "token: u32"
request.0x12 = "bands: u16 flags band"
request.0x11 = "name: {length: u8, kind: u8, text: string[@length]}"
response.0x01 = "handle: u32"
response.0x10 = "signals: [u8] signal"
response.0x11 = "masked: {mask: u16, a: u8 if mask.3, b: valid u16 enum mode}"

[message.count]
is = "0x0005 client location"
about = "Count what is seen."
token = "token"
request.0x01 = "token: u32"
result.0x01 = "token: u32"
result.0x10 = "seen: u16"

[message.stop]
is = "0x0003 command control"
about = "Stop looking around."
request.0x01 = "handle: u32"

[indication.scan-done]
is = "0x0002 control"
about = "What was seen."
tlv.0x01 = "token: u32"

[indication.scan-progress]
is = "0x0004 control"
about = "What was seen so far."
like = "scan-done"
'''


def compile_files(
    tmp_path: Path, service: str, common: str = COMMON, others: tuple[str, ...] = ()
):
    """The errors as (file name, line, text)."""
    (tmp_path / 'common.toml').write_text(common)
    files = []
    for number, text in enumerate((service, *others)):
        files.append(tmp_path / f'file{number}.toml')
        files[-1].write_text(text)
    errors = []
    for line in load(files, tmp_path / 'common.toml')[1]:
        m = re.fullmatch(r'(.*?):(\d+): (.*)', line)
        assert m, line
        errors.append((Path(m[1]).name, int(m[2]), m[3]))
    return errors


def test_good(tmp_path):
    assert compile_files(tmp_path, GOOD) == []


# What is replaced ("+": the end), by what, a part of the error, and the line that it is at: where
# the mark "#!" is in the new text, else its first, unless a fourth text says which.
TLV = 'request.0x01 = "transaction: u16"'
ID_ONLY = 'id-only = """\n0x0010 walk vendor=0x03F0, 0x0011 walk-extended,\n0x0010 jump vendor=0x1199"""'
STOP = 'is = "0x0003 command control"'
CASES = {
    # values and names
    'no-toml': ('title = "Test service"', 'title = Test service', 'no TOML'),
    'duplicate-table': ('[message.stop]', '[message.abort]#!', 'no TOML'),
    'no-service': ('service = "test"', 'service = "Test"', 'service = "NAME" is missing'),
    'no-service-id': ('id = 0x7F', 'id = "x"', 'the QMI service id'),
    'no-title': ('title = "Test service"', 'title = ""', 'title'),
    'unknown-top-level-key': (
        'title = "Test service"',
        'titel = 1\ntitle = "Test service"',
        '"titel" is no key here',
    ),
    'unknown-message-key': ('abort = "abort"', 'aborts = "abort"', '"aborts" is no key here'),
    'indication-with-request': (
        'tlv.0x01 = "token: u32"',
        'tlv.0x01 = "token: u32"\nrequest.0x01 = "t: u8"#!',
        '"request" is no key here',
    ),
    'id-only-text': (ID_ONLY, 'id-only = 16', 'id-only is text', 'id-only'),
    'id-only-item': ('0x0011 walk-extended', '0x11 walk-extended', 'is not 0xNNNN NAME'),
    'id-only-name': ('0x0011 walk-extended', '0x0011 Walk', 'is not 0xNNNN NAME'),
    'id-only-vendor': ('jump vendor=0x1199', 'jump 0x1199', 'nor 0xNNNN NAME vendor=0xNNNN'),
    'id-only-twice': ('0x0011 walk-extended', '0x0010 amble', '"walk" has that id or name'),
    'id-only-known-id': ('0x0011 walk-extended', '0x0003 halt', '"stop" has that id or name'),
    'id-only-known-name': ('0x0011 walk-extended', '0x0011 stop', '"stop" has that id or name'),
    'enum-symbol': ('off = 0', 'Off = 0', 'the symbol "Off" must be lower-case'),
    'enum-symbol-digits': ('off = 0', '12 = 0', 'not only digits'),
    'enum-value': ('off = 0', 'off = "0"', '"off" needs a number'),
    'enum-value-32-bits': ('off = 0', 'off = 0x100000000', 'does not fit 32 bits'),
    'enum-value-width': ('off = 0', 'off = 0x10000', '65536 ("off") does not fit u16'),
    'flags-bit': ('low = 0', 'low = 512', 'bit numbers, 0 to 511'),
    'flags-width': ('high = 15', 'high = 16', 'bit 16 ("high") does not fit u16'),
    'flags-symbol': ('low = 0', 'bit3 = 0', 'what an unknown bit is called'),
    'enum-in-common': (
        '[enum.mode]',
        '[enum.shared]#!\na = 1\n[enum.mode]',
        'in common.toml already',
    ),
    'enum-empty': ('[enum.mode]', '[enum.nothing]#!\n[enum.mode]', 'is empty'),
    'enum-name': ('[enum.mode]', '[enum.Mode]#!\na = 1\n[enum.mode]', 'must be lower-case'),
    'coding-value': ('0 = "gsm7"', '300 = "gsm7"', 'values are 0 to 255'),
    'coding-name': ('0 = "gsm7"', '0 = "ebcdic"', '"ebcdic" is no text coding'),
    'coding-twice': ('1 = "ucs2le"', '0x0 = "ucs2le"', '0x0 is there twice'),
    'type-key': ('rssi = "i8 dBm"', 'RSSI = "i8 dBm"', 'must be lower-case'),
    'type-line': ('rssi = "i8 dBm"', 'rssi = "i8 dBn"', '"dBn" is no unit, scale or attribute'),
    'type-not-text': ('rssi = "i8 dBm"', 'rssi = 8', 'needs a type as text'),
    'type-recursion': ('rssi = "i8 dBm"', 'rssi = "signal"', 'contains itself'),
    'type-name-built-in': (
        '[type.signal]',
        '[type.string]#!\na = "u8"\n[type.signal]',
        'cannot name a type',
    ),
    'message-name': (
        '[message.stop]',
        '[message.Stop]#!\nis = "0x0001 query raw"\n[message.stop]',
        'must be lower-case',
    ),
    'tlv-key': (TLV, 'request.0x01 = "Transaction: u16"', 'must be lower-case'),
    'tlv-key-reserved': (TLV, 'request.0x01 = "unknown-tlvs: u16"', 'a meaning of its own'),
    'tlv-id': (TLV, 'request.0x1 = "transaction: u16"', '"0x1" is no TLV id'),
    'tlv-result': (
        'response.0x01 = "handle: u32"',
        'response.0x01 = "handle: u32"\nresponse.0x02 = "r: u32"#!',
        'never written',
    ),
    'tlv-no-text': (TLV, TLV + '\nrequest.0x10 = 16#!', 'a TLV is "key: TYPE"'),
    'tlv-key-twice': (
        'request.0x10 = "token: u32"',
        'request.0x10 = "token: u32"\nrequest.0x13 = "token: u32"#!',
        'the key "token" is that of TLV 0x10 too',
    ),
    'tlv-layouts-keys': (TLV, TLV + '\nrequest.0x10 = ["a: u8", "b: u16"]#!', 'have one key'),
    'tlv-layouts-same': (
        TLV,
        TLV + '\nrequest.0x10 = ["a: u8", "a: i8"]#!',
        'the second is never taken',
    ),
    # messages
    'no-is': (STOP, '', 'needs is = "0xNNNN KIND CLASS"', '[message.stop]'),
    'is-number': (STOP, 'is = 0x0003', 'needs is = "0xNNNN KIND CLASS"'),
    'is-empty': (STOP, 'is = ""', 'needs is = "0xNNNN KIND CLASS"'),
    'no-id': (STOP, 'is = "command control"', 'needs is = "0xNNNN KIND CLASS"'),
    'no-kind': (STOP, 'is = "0x0003 control"', 'needs is = "0xNNNN KIND CLASS"'),
    'no-access': (STOP, 'is = "0x0003 command"', 'needs is = "0xNNNN KIND CLASS"'),
    'is-too-much': (STOP, 'is = "0x0003 command control raw"', 'needs is = "0xNNNN KIND CLASS"'),
    'is-order': (STOP, 'is = "command 0x0003 control"', '"command" is no message id'),
    'id-range': (STOP, 'is = "0x10003 command control"', '"0x10003" is no message id'),
    'id-short': (STOP, 'is = "0x3 command control"', 'four upper-case digits'),
    'id-digits': (STOP, 'is = "0x000g command control"', '"0x000g" is no message id'),
    'bad-kind': (
        STOP,
        'is = "0x0003 commando control"',
        '"commando" is no kind: query, command, client, session are',
    ),
    'bad-access': (
        STOP,
        'is = "0x0003 command controls"',
        '"controls" is no access class: status identity',
    ),
    'indication-without-access': (
        'is = "0x0004 control"',
        'is = "0x0004"',
        'indication "scan-progress" needs is = "0xNNNN CLASS"',
    ),
    'indication-with-kind': (
        'is = "0x0004 control"',
        'is = "0x0004 query control"',
        'indication "scan-progress" needs is = "0xNNNN CLASS"',
    ),
    'indication-access': (
        'is = "0x0004 control"',
        'is = "0x0004 query"',
        '"query" is no access class',
    ),
    'old-id': ('about = "Stop looking', 'id = 3#!\nabout = "Stop looking', '"id" is no key here'),
    'no-about': ('about = "Stop looking around."', '', 'has no about', '[message.stop]'),
    'about-full-stop': (
        'about = "Stop looking around."',
        'about = "Stop looking around"',
        'ends with a full stop',
    ),
    'about-twice': (
        'about = "Stop looking around."',
        'about = "Look around."#!',
        'says the same as',
    ),
    'timeout': (
        'about = "Stop looking around."',
        'timeout = 0#!\nabout = "Stop looking around."',
        'timeout is in seconds',
    ),
    'replay': (
        'about = "Stop looking around."',
        'replay = 1#!\nabout = "Stop looking around."',
        'true or false',
    ),
    'vendor': (
        'about = "Stop looking around."',
        'vendor = 0#!\nabout = "Stop looking around."',
        'USB vendor id',
    ),
    'duplicate-id': (STOP, 'is = "0x0002 command control"', 'id 0x0002 is that of "scan"'),
    'camel-case': (
        '+',
        '[message.get-a1]\nis = "0x0008 query raw"\nabout = "A."\n'
        '[message.get-a-1]#!\nis = "0x0009 query raw"\nabout = "B."',
        'both are GetA1 on the bus',
    ),
    'method-and-signal': (
        '+',
        '[indication.stop]#!\nis = "0x0009 raw"\nabout = "A."',
        'a method and a signal cannot both be Stop',
    ),
    'abort': ('abort = "abort"', 'abort = "abrot"', 'abort: there is no message "abrot"'),
    'abort-without-id': (
        'abort = "abort"',
        'abort = "stop"',
        'begins with the 16 bits of a transaction id',
    ),
    'result': (
        'result = "scan-done"',
        'result = "scan-over"',
        'result: there is no indication "scan-over"',
    ),
    'result-type': (
        'result = "scan-done"',
        'result = 1',
        'result.0xNN = "key: TYPE", or result = "INDICATION"',
    ),
    'result-empty': ('result = "scan-done"', 'result = ""', 'a result is result.0xNN'),
    'result-tlv': (
        'result.0x10 = "seen: u16"',
        'result.0x10 = "seen: u61"',
        'whole bytes up to 64 bits',
    ),
    'result-tlv-id': ('result.0x10 = "seen: u16"', 'result.10 = "seen: u16"', 'is no TLV id'),
    'result-access': (
        'result.0x10 = "seen: u16"',
        'result.0x10 = "seen: u16 access=location"',
        'that of the message already',
    ),
    'result-mandatory': (
        'result.0x10 = "seen: u16"',
        'result.0x10 = "seen: u16 mandatory"',
        'for TLVs of requests',
    ),
    'result-and-indication': (
        '+',
        '[indication.count-result]#!\nis = "0x0005 location"\nabout = "A."',
        '"count-result" is made of result.0xNN',
    ),
    'result-id': (
        'is = "0x0004 control"',
        'is = "0x0005 control"',
        'id 0x0005 is that of "count-result"',
    ),
    'result-method': (
        '+',
        '[message.count-result]\nis = "0x0009 query raw"\nabout = "A."',
        'a method and a signal cannot both be CountResult',
        'result.0x01 = "token: u32"',
    ),
    'result-apart': (
        '+',
        '[message.weigh]\nis = "0x0009 query raw"\nabout = "A."\nresult = "weigh-result"#!\n'
        '[indication.weigh-result]\nis = "0x0009 raw"\nabout = "B."\ntlv.0x01 = "mass: u8"',
        'write its TLVs here, as result.0xNN',
    ),
    'guard-kind': (
        '+',
        '[message.give]\nis = "0x0009 command raw"\nabout = "A."\nrequest.0x01 = "pin: {id: u8 enum mode, value: string[u8] secret guard=pan}"#!',
        '"pan" is no kind of code',
    ),
    'undo': ('undo = "stop"', 'undo = "halt"', 'undo: there is no message "halt"'),
    'undo-field': ('undo = "stop"', 'undo = "abort"', '"abort" needs "transaction"'),
    'undo-type': (
        'response.0x01 = "handle: u32"',
        'response.0x01 = "handle: u16"',
        'is of another type',
        'undo = "stop"',
    ),
    'undo-layout': (
        'response.0x01 = "handle: u32"',
        'response.0x01 = "handle: u24"',
        'is of another type',
        'undo = "stop"',
    ),
    'undo-any-source': (
        'request.0x10 = "token: u32"',
        'request.0x10 = "token: u32"\nrequest.0x13 = "handle: u16"',
        'is of another type',
        'undo = "stop"',
    ),
    'undo-in-result': (
        'tlv.0x01 = "token: u32"',
        'tlv.0x01 = "token: u32"\ntlv.0x02 = "handle: u16"',
        'is of another type',
        'undo = "stop"',
    ),
    'undo-kind': (
        'is = "0x0002 client control"',
        'is = "0x0002 command control"',
        '"scan" is of kind "command"',
        'undo = "stop"',
    ),
    'replay-kind': (
        'about = "Stop looking around."',
        'replay = true#!\nabout = "Stop looking around."',
        '"stop" is of kind "command"',
    ),
    'replay-missing': (
        '[message.stop]',
        '[message.register-scans]\nis = "0x0009 client raw"\nabout = "A."\n[message.stop]',
        'needs replay = true',
    ),
    'token': (
        'token = "token"\nundo',
        'token = "tokens"\nundo',
        'no TLV with the key "tokens"',
    ),
    'token-in-result': (
        'result.0x01 = "token: u32"',
        'result.0x01 = "coin: u32"',
        '"count-result" has no TLV with the key "token"',
        'token = "token"\nrequest',
    ),
    'token-in-indication': (
        'tlv.0x01 = "token: u32"',
        'tlv.0x01 = "coin: u32"',
        'no TLV with the key "token"',
        'token = "token"',
    ),
    'token-width': (
        'tlv.0x01 = "token: u32"',
        'tlv.0x01 = "token: u16"',
        'not the same on the wire',
        'token = "token"',
    ),
    'token-without-result': ('result = "scan-done"', '', 'neither result', 'token = "token"'),
    'like': (
        'like = "scan-done"',
        'like = "done"',
        'like: there is no message or indication "done"',
    ),
    'like-itself': ('like = "scan-done"', 'like = "scan-progress"', 'in turn like'),
    'like-differs': (
        'like = "scan-done"',
        'like = "scan-done"\ntlv.0x01 = "token: u16"#!',
        'differs on the wire',
    ),
    'like-key': (
        'like = "scan-done"',
        'like = "scan-done"\ntlv.0x11 = "token: u32"#!',
        'which comes from "scan-done"',
    ),
    'kind-event-report': (
        '[message.stop]',
        '[message.set-event-report]\nis = "0x0009 command raw"#!\nabout = "A."\n[message.stop]',
        'must be of kind "client"',
    ),
    'kind-bind': (
        '[message.stop]',
        '[message.bind-port]\nis = "0x0009 command raw"#!\nabout = "A."\n[message.stop]',
        'must be of kind "client"',
    ),
    'kind-reset': (
        '[message.stop]',
        '[message.reset]\nis = "0x0009 command raw"#!\nabout = "A."\n[message.stop]',
        'must be of kind "client"',
    ),
    # types
    'no-type': (TLV, 'request.0x01 = "transaction:"', 'a type is missing'),
    'no-colon': (TLV, 'request.0x01 = "transaction u16"', '":" is expected after the key'),
    'unknown-type': (TLV, 'request.0x01 = "transaction: u61"', 'whole bytes up to 64 bits'),
    'unknown-type-name': (TLV, 'request.0x01 = "transaction: signals"', '"signals" is no type'),
    'too-wide': (TLV, 'request.0x01 = "transaction: u72"', 'whole bytes up to 64 bits'),
    'one-byte-order': (TLV, TLV + '\nrequest.0x10 = "a: u8be"#!', 'no byte order'),
    'unknown-enum': (TLV, TLV + '\nrequest.0x10 = "a: u8 enum moed"#!', 'there is no [enum.moed]'),
    'unknown-flags': (
        TLV,
        TLV + '\nrequest.0x10 = "a: u8 flags mode"#!',
        'there is no [flags.mode]',
    ),
    'signed-flags': (TLV, TLV + '\nrequest.0x10 = "a: i16 flags band"#!', 'flags are unsigned'),
    'unknown-unit': (TLV, TLV + '\nrequest.0x10 = "a: u8 furlong"#!', '"furlong" is no unit'),
    'two-units': (TLV, TLV + '\nrequest.0x10 = "a: u8 ms s"#!', 'a second unit after "ms"'),
    'scale-zero': (TLV, TLV + '\nrequest.0x10 = "a: u8 x0 dB"#!', 'a scale of zero'),
    'scale-division': (TLV, TLV + '\nrequest.0x10 = "a: u8 x1/0 dB"#!', 'division by zero'),
    'two-scales': (TLV, TLV + '\nrequest.0x10 = "a: u8 x2 x3"#!', 'a second scale'),
    'scale-size': (TLV, TLV + '\nrequest.0x10 = "a: u8 x0.00000000001"#!', 'must fit 32 bits'),
    'float-scale': (
        TLV,
        TLV + '\nrequest.0x10 = "a: f32 x2"#!',
        'floating point numbers have no scale',
    ),
    'float-sentinel': (TLV, TLV + '\nrequest.0x10 = "a: f32 none=1"#!', 'NaN'),
    'sentinel-range': (TLV, TLV + '\nrequest.0x10 = "a: i8 none=128"#!', '-128 to 127'),
    'sentinel-number': (TLV, TLV + '\nrequest.0x10 = "a: u8 none=x"#!', '"x" is no number'),
    'sentinel-in-array': (
        TLV,
        TLV + '\nrequest.0x10 = "a: [u8] i16 none=-1"#!',
        'inside an array',
    ),
    'unknown-coding': (
        TLV,
        TLV + '\nrequest.0x10 = "a: string[u8] ebcdic"#!',
        '"ebcdic" is no text coding',
    ),
    'unknown-coding-table': (
        TLV,
        TLV + '\nrequest.0x10 = "a: {e: u8, t: string coding txt @e}"#!',
        'there is no [coding.txt]',
    ),
    'coding-field': (
        TLV,
        TLV + '\nrequest.0x10 = "a: {e: u8, t: string coding text @f}"#!',
        'no earlier field',
    ),
    'coding-field-kind': (
        TLV,
        TLV + '\nrequest.0x10 = "a: {e: bytes[2], t: string coding text @e}"#!',
        'no unsigned number or enum',
    ),
    'count-field': (
        TLV,
        TLV + '\nrequest.0x10 = "a: {n: u8, l: [@m] u16}"#!',
        '"m", which is no earlier field',
    ),
    'count-field-later': (
        TLV,
        TLV + '\nrequest.0x10 = "a: {l: [@n] u16, n: u8}"#!',
        '"n", which is no earlier field',
    ),
    'count-field-kind': (
        TLV,
        TLV + '\nrequest.0x10 = "a: {n: u8 enum mode, l: [@n] u16}"#!',
        'plain unsigned number',
    ),
    'count-field-outside': (
        TLV,
        TLV + '\nrequest.0x10 = "a: [@n] u16"#!',
        'no struct with earlier fields',
    ),
    'mask-field': (
        TLV,
        TLV + '\nrequest.0x10 = "a: {m: u8, b: u8 if n.0}"#!',
        '"n", which is no earlier field',
    ),
    'mask-bit': (
        TLV,
        TLV + '\nrequest.0x10 = "a: {m: u8, b: u8 if m.8}"#!',
        'has only bits 0 to 7',
    ),
    'mask-syntax': (
        TLV,
        TLV + '\nrequest.0x10 = "a: {m: u8, b: u8 if m}"#!',
        'does not name a bit',
    ),
    'mask-and-valid': (
        TLV,
        TLV + '\nrequest.0x10 = "a: {m: u8, b: valid u8 if m.0}"#!',
        'both "valid" and "if"',
    ),
    'valid-in-array': (
        TLV,
        TLV + '\nrequest.0x10 = "a: [2] valid u16"#!',
        'write {KEY: valid TYPE}',
    ),
    'length': (TLV, TLV + '\nrequest.0x10 = "a: [u64] u16"#!', '[u64] is no length of an array'),
    'length-zero': (TLV, TLV + '\nrequest.0x10 = "a: [0] u16"#!', '1 to 65535'),
    'length-unit': (TLV, TLV + '\nrequest.0x10 = "a: [u8*2] u16"#!', 'strings and bytes'),
    'length-star': (TLV, TLV + '\nrequest.0x10 = "a: string[*]"#!', 'without brackets'),
    'array-of-bytes': (TLV, TLV + '\nrequest.0x10 = "a: [u8] u8"#!', 'is written "bytes[u8]"'),
    'array-of-nothing': (TLV, TLV + '\nrequest.0x10 = "a: [u8] empty"#!', 'no byte at all'),
    'array-of-open': (
        TLV,
        TLV + '\nrequest.0x10 = "a: [u8] {n: u8, t: string}"#!',
        'goes to the end of the TLV',
    ),
    'open-not-last': (
        TLV,
        TLV + '\nrequest.0x10 = "a: {t: string, n: u8}"#!',
        'nothing can follow',
    ),
    'too-large': (TLV, TLV + '\nrequest.0x10 = "a: [60000] u16"#!', 'more than a TLV can hold'),
    'field-twice': (
        TLV,
        TLV + '\nrequest.0x10 = "a: {b: u8, b: u8}"#!',
        'the key "b" is there twice',
    ),
    'field-bytes': (
        TLV,
        TLV + '\nrequest.0x10 = "a: {b: string[u8], b-bytes: u8}"#!',
        'when they cannot be decoded',
    ),
    'tlv-bytes': (
        TLV,
        TLV + '\nrequest.0x10 = "a: string"\nrequest.0x11 = "a-bytes: bytes"#!',
        'cannot be decoded',
    ),
    'struct-comma': (
        TLV,
        TLV + '\nrequest.0x10 = "a: {b: u8 c: u8}"#!',
        'no unit, scale or attribute',
    ),
    'struct-end': (TLV, TLV + '\nrequest.0x10 = "a: {b: u8"#!', 'is missing at the end'),
    'bits-sum': (
        TLV,
        TLV + '\nrequest.0x10 = "a: u8 bits {b: 1, c: 3}"#!',
        'write the rest as _: 4',
    ),
    'bits-too-many': (TLV, TLV + '\nrequest.0x10 = "a: u8 bits {b: 1, c: 8}"#!', 'more than 8'),
    'bits-signed': (TLV, TLV + '\nrequest.0x10 = "a: i8 bits {b: 8}"#!', 'unsigned'),
    # attributes
    'mandatory-response': (
        'response.0x01 = "handle: u32"',
        'response.0x01 = "handle: u32 mandatory"',
        'for TLVs of requests',
    ),
    'max-response': (
        'response.0x01 = "handle: u32"',
        'response.0x01 = "handle: u32 max=4"',
        'for TLVs of requests',
    ),
    'max-too-small': (TLV, 'request.0x01 = "transaction: u16 max=1"', 'at least 2 bytes'),
    'mandatory-optional': (
        TLV,
        'request.0x01 = "transaction: u16 mandatory optional"',
        'behind "mandatory"',
    ),
    'tlv-access': (
        TLV,
        'request.0x01 = "transaction: u16 access=top"',
        '"top" is no access class',
    ),
    'tlv-access-same': (
        TLV,
        'request.0x01 = "transaction: u16 access=status"',
        'that of the message already',
    ),
    'tlv-vendor': (TLV, 'request.0x01 = "transaction: u16 vendor=0x10000"', 'a USB vendor id is'),
    'attribute': (
        TLV,
        'request.0x01 = "transaction: u16 secert"',
        '"secert" is no unit, scale or attribute',
    ),
}


@pytest.mark.parametrize('case', CASES)
def test_wrong_line(tmp_path, case):
    old, new, text, *at = CASES[case]
    if old == '+':
        wrong = GOOD + new + '\n'
    else:
        assert GOOD.count(old) == 1, old
        wrong = GOOD.replace(old, new)
    if at:
        line = wrong[: wrong.index(at[0])].count('\n') + 1
    elif '#!' in new:
        line = wrong[: wrong.index('#!')].count('\n') + 1
    else:
        line = wrong[: wrong.index(new)].count('\n') + 1
    errors = compile_files(tmp_path, wrong)
    assert [(file, at_line) for file, at_line, _ in errors] == [('file0.toml', line)], errors
    assert text in errors[0][2]


def test_undo_takes_from_the_result(tmp_path):
    good = GOOD.replace('about = "Count', 'undo = "forget"\nabout = "Count') + '''
[message.forget]
is = "0x0006 client location"
about = "Forget what was counted."
request.0x01 = "seen: u16"
'''
    assert compile_files(tmp_path, good) == []


def test_a_result_is_an_indication(tmp_path):
    (tmp_path / 'common.toml').write_text(COMMON)
    (tmp_path / 'good.toml').write_text(GOOD.replace('token = "token"\nreq', 'vendor = 1\nreq'))
    schema, errors = load([tmp_path / 'good.toml'], tmp_path / 'common.toml')
    assert errors == []
    m = schema.services[0].messages['count']
    r = schema.services[0].indications[m.result]
    assert (r.name, r.id, r.access, r.vendor) == ('count-result', 5, 'location', 1)
    assert r.indication and r.about == 'The result of Count.'
    assert [(t.id, t.key(), t.mandatory) for t in r.response] == [
        (0x01, 'token', False),
        (0x10, 'seen', False),
    ]
    assert m.response == []


def test_all_errors_are_told(tmp_path):
    wrong = (
        GOOD.replace('off = 0', 'Off = 0')
        .replace(TLV, 'request.0x01 = "transaction: u61"')
        .replace('undo = "stop"', 'undo = "halt"')
    )
    lines = wrong.splitlines()
    assert [lines[line - 1] for _, line, _ in compile_files(tmp_path, wrong)] == [
        'Off = 0',
        'request.0x01 = "transaction: u61"',
        'undo = "halt"',
    ]


def test_a_wrong_type_is_told_once_however_often_it_is_used(tmp_path):
    wrong = GOOD.replace('rssi = "i8 dBm"', 'rssi = "u8 enum nothing"').replace(
        TLV, TLV + '\nrequest.0x10 = "a: signal"\nrequest.0x11 = "b: [u8] signal"'
    )
    assert len(compile_files(tmp_path, wrong)) == 1


def test_errors_in_common(tmp_path):
    errors = compile_files(tmp_path, GOOD, COMMON.replace('one = 1', 'One = 1'))
    assert [e[:2] for e in errors] == [('common.toml', 4)]
    errors = compile_files(tmp_path, GOOD, COMMON.replace('qmi-error', 'qmi-errors'))
    assert errors == [('common.toml', 1, '[enum.qmi-error], the protocol errors, is missing')]


OTHER = '''\
service = "other"
id = 0x80
title = "Other"
[message.a]
is = "0x0001 query raw"
about = "A."
'''


def test_several_files(tmp_path):
    assert compile_files(tmp_path, GOOD, others=(OTHER,)) == []
    errors = compile_files(tmp_path, GOOD, others=(OTHER.replace('"other"', '"test"'),))
    assert [e[:2] for e in errors] == [('file1.toml', 1)] and 'is in' in errors[0][2]
    errors = compile_files(tmp_path, GOOD, others=(OTHER.replace('0x80', '0x7F'),))
    assert [e[:2] for e in errors] == [
        ('file1.toml', 2)
    ] and 'only two vendors can share one' in errors[0][2]
    two_vendors = OTHER.replace('0x80', '0x7F\nvendor = 0x1199')
    errors = compile_files(
        tmp_path, GOOD.replace('id = 0x7F', 'id = 0x7F\nvendor = 0x03F0'), others=(two_vendors,)
    )
    assert errors == []
    errors = compile_files(tmp_path, GOOD, others=(OTHER.replace('"A."', '"Look around."'),))
    assert [e[:2] for e in errors] == [('file1.toml', 6)] and 'says the same as' in errors[0][2]


def test_ctl_has_no_kind(tmp_path):
    ctl = OTHER.replace('"other"', '"ctl"')
    errors = compile_files(tmp_path, ctl)
    assert [e[:2] for e in errors] == [('file0.toml', 5)]
    assert 'of CTL needs is = "0xNNNN CLASS"' in errors[0][2]
    assert compile_files(tmp_path, ctl.replace('query ', '')) == []


def test_command_line(tmp_path):
    (tmp_path / 'common.toml').write_text(COMMON)
    (tmp_path / 'good.toml').write_text(GOOD)
    command = [
        sys.executable,
        COMPILE,
        '--common',
        tmp_path / 'common.toml',
        '--tables',
        tmp_path / 'tables.c',
    ]
    run = subprocess.run([*command, tmp_path / 'no.toml'], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (
        1,
        f'{tmp_path}/no.toml:1: cannot be read: No such file or directory\n',
    )
    assert not (tmp_path / 'tables.c').exists()
    run = subprocess.run(
        [*command, '--xml', tmp_path / 'xml', tmp_path / 'good.toml'],
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr) == (0, '')
    assert 'schema_messages[] = {' in (tmp_path / 'tables.c').read_text()
    members = re.findall(
        r'<(method|signal) name="(\w+)">', (tmp_path / 'xml/org.qmid1.Test.xml').read_text()
    )
    assert members == [
        ('method', 'Abort'),
        ('method', 'Scan'),
        ('method', 'Stop'),
        ('method', 'Count'),
        ('signal', 'ScanDone'),
        ('signal', 'ScanProgress'),
        ('signal', 'CountResult'),
    ]


CODE = """
[message.give]
is = "0x0009 command raw"
about = "Give a code."
request.0x01 = "pin: {id: u8 enum mode, value: string[u8] secret guard=pin}"
request.0x10 = "token: u32 guard=token"
response.0x10 = "retries: u8"
"""


def test_a_code(tmp_path):
    assert not compile_files(tmp_path, GOOD + CODE)


@pytest.mark.parametrize(
    'old, new, text',
    [
        ('secret guard=pin', 'guard=pin', 'must be a text that is secret'),
        ('value: string[u8]', 'value: u32', 'must be a text that is secret'),
        ('id: u8 enum mode, ', '', 'must say which code it is'),
        ('id: u8 enum mode, ', 'id: u8, ', 'must say which code it is'),
        ('request.0x01', 'request.0x11', 'must be mandatory'),
        ('command raw', 'query raw', 'must be of kind "command"'),
        ('guard=token', 'guard=token mandatory', 'guard=token is for an optional TLV'),
        ('secret guard=pin', 'secret', 'the code needs guard='),
        ('retries: u8', 'retries: u8 guard=pin', 'a struct that is a request TLV'),
        ('token: u32 guard=token', 'new: {a: u8 enum mode, b: string[u8] secret guard=puk}', 'two codes'),
    ],
)
def test_wrong_code(tmp_path, old, new, text):
    assert CODE.count(old) == 1
    errors = compile_files(tmp_path, GOOD + CODE.replace(old, new))
    assert any(text in said for _, _, said in errors), errors


def test_what_undoing_needs_is_written_down(tmp_path):
    wrong = GOOD.replace('request.0x10 = "token: u32"', 'request.0x10 = "token: u32"\nrequest.0x13 = "handle: u32 secret"', 1)
    wrong = wrong.replace('response.0x01 = "handle: u32"\n', '', 1)
    errors = compile_files(tmp_path, wrong)
    assert any('needs a secret or an identity' in said for _, _, said in errors), errors
