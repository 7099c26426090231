# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes what the fuzzers begin with from the recordings of real modems: make-corpus.py STAMP RECORDING.jsonl…
writes corpus/fuzz-NAME/ beside the stamp."""

import hashlib
import json
import sys
from pathlib import Path

TEXT_CODINGS = 8
TEXTS = (b'MC7455\0', b' T-Mobile', b'$GPGSV,1*6A\r\n', bytes.fromhex('49763a4c06'), bytes.fromhex('41aa890a'),
         bytes.fromhex('320456043404'), bytes.fromhex('3dd8f6dc'), bytes.fromhex('9b32'), 'é€📶'.encode(), b'\x21\xf3', b'')


def main():
    stamp = Path(sys.argv[1])
    recordings = [json.loads(line) for name in sys.argv[2:] for line in Path(name).read_text().splitlines() if line]
    frames = [(bytes.fromhex(r['raw']), r['direction']) for r in recordings]

    def put(fuzzer, content):
        folder = stamp.parent / 'corpus' / fuzzer
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha1(content).hexdigest()).write_bytes(content)

    for frame, direction in frames:
        put('fuzz-framer', b'\0' + frame)
        ctl = frame[4] == 0
        header = 6 if ctl else 7
        flags = frame[6] if ctl else frame[6] >> 1
        message, tlvs = frame[6 + header - 4:6 + header - 2], frame[6 + header:]
        for fuzzer in ('fuzz-decode', 'fuzz-encode'):
            put(fuzzer, frame[4:5] + message + bytes([flags, 0]) + tlvs)
    whole = b''.join(frame for frame, direction in frames if direction == 'in')
    put('fuzz-framer', b'\x07' + whole[:4096])
    put('fuzz-framer', b'\x40garbage' + frames[0][0][:20] + whole[:1024])
    for i in range(0, 256, 8):  # of the made-up service, some rows each
        for fuzzer in ('fuzz-decode-grammar', 'fuzz-encode-grammar'):
            put(fuzzer, bytes([0xEF, i // 8, 0, 0, 0]) + bytes((i * 31 + k * 7) % 256 for k in range(200)))
    for coding in range(TEXT_CODINGS):
        for text in TEXTS:
            put('fuzz-text', bytes([coding]) + text)
    stamp.touch()


main()
