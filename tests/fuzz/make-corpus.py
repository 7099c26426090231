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


SUCCESS = bytes.fromhex('02040000000000')
RESPONSE, INDICATION, CTL_INDICATION = 2, 4, 2


def modem_frame(service, client, flags, transaction, message, tlvs=b''):
    body = bytes([flags]) + transaction.to_bytes(1 if service == 0 else 2, 'little')
    body += message.to_bytes(2, 'little') + len(tlvs).to_bytes(2, 'little') + tlvs
    return b'\x01' + (5 + len(body)).to_bytes(2, 'little') + bytes([0x80, service, client]) + body


def mux_inputs():
    """What a modem may say to the clients and requests that fuzz-mux.c opens; the first byte is its options."""
    def nas(*arguments):
        return modem_frame(3, *arguments)

    def ctl_indication(message, tlvs=b''):
        return modem_frame(0, 0, CTL_INDICATION, 0, message, tlvs)

    def dms(*arguments):
        return modem_frame(2, *arguments)

    # On the wire: client 2 transaction 1 (expired) and 2, 3 and 3, 4 and 4, 6 and 5, 5 and 7 with its abort 8; of DMS
    # 7 and 6. Client 1 is the shared one of NAS.
    yield (b'\0' + nas(2, RESPONSE, 2, 0x4F, SUCCESS) + nas(3, RESPONSE, 3, 0x30, SUCCESS)
           + nas(4, RESPONSE, 4, 0x32, SUCCESS) + nas(5, RESPONSE, 7, 0x21, SUCCESS) + nas(5, RESPONSE, 8, 0x01, SUCCESS))
    yield b'\x05' + 2 * nas(2, RESPONSE, 1, 0x4F, SUCCESS)  # too late, and once more
    yield (b'\xA0' + nas(3, RESPONSE, 3, 0x30, SUCCESS) + nas(3, INDICATION, 1, 0x31, bytes.fromhex('01010041'))
           + nas(4, RESPONSE, 4, 0x32, SUCCESS) + nas(0xFF, INDICATION, 2, 0x33))
    yield b'\x80' + b''.join(nas(client, INDICATION, transaction, 0x51)
                             for client, transaction in ((2, 1), (0xFF, 6), (0xFF, 1), (3, 7)))
    yield b'\x20' + ctl_indication(0x27)  # Sync
    yield b'\x40' + ctl_indication(0x27)
    yield (b'\x03' + ctl_indication(0x24, bytes.fromhex('0102000303'))  # revoke client 3 of NAS
           + ctl_indication(0x25, bytes.fromhex('0102000306')))        # client 6 is invalid
    yield (b'\x07garbage' + nas(2, RESPONSE, 2, 0x4F, SUCCESS)[:-3] + nas(2, RESPONSE, 2, 0x4F, SUCCESS)
           + bytes.fromhex('01ffff8003'))
    yield (b'\x20' + nas(3, RESPONSE, 3, 0x30, bytes.fromhex('02040001000300'))  # failures
           + nas(4, RESPONSE, 4, 0x32) + nas(2, RESPONSE, 2, 0x50, SUCCESS))
    # What begins, is ended, goes on until its result comes; equal queries; released, and taken away, by then.
    started = nas(6, RESPONSE, 5, 0x40, bytes.fromhex('01040044332211') + SUCCESS)
    answers = b''.join(nas(6, RESPONSE, transaction, message, SUCCESS)
                       for transaction in range(9, 13) for message in (0x41, 0x42, 0x44))
    queries = dms(7, RESPONSE, 6, 0x20, SUCCESS) + b''.join(dms(7, RESPONSE, t, 0x24, SUCCESS) for t in range(9, 12))
    track = nas(6, INDICATION, 1, 0x42, bytes.fromhex('01010000'))
    for options in (b'\0', b'\x20', b'\x80'):
        yield options + started + queries + answers + track + answers
    yield b'\x80' + started + nas(6, INDICATION, 17, 0x51) + answers + track
    yield b'\x20' + started + ctl_indication(0x24, bytes.fromhex('0102000306'))
    yield b'\x80' + dms(7, INDICATION, 3, 0x51) + queries + ctl_indication(0x24, bytes.fromhex('0102000207'))


def restore_inputs():
    """What a daemon leaves of a device (src/modem/place.c, device.c, link.c and session-save.c,
    src/mux/save.c, src/bus/save.c)."""
    def number(value, n_bytes):
        return value.to_bytes(n_bytes, 'little')

    def part(*pieces):
        content = b''.join(pieces)
        return number(len(content), 4) + content

    def text(value):
        return part(value.encode() + b'\0')

    def message(ident, tlvs=b''):
        return number(ident, 2) + part(tlvs)

    def client(key, service, ident, lingering=0, shared=0, stale=0, registrations=b'', started=b'', transactions=b''):
        return part(number(10 + key, 4), number(service, 2), bytes([ident, lingering, shared, stale]), number(5, 8),
                    number(1 << 50, 8), part(registrations), part(started), part(transactions))

    qmap = b'\3' + number(32, 4) + number(1500, 4) + number(0, 8)
    link = part(b'\1\3', qmap, qmap, b'\1\0')

    def device(*clients, ready=1):
        place = b''.join(map(text, ('usb_1', 'unix:/nowhere/at-all', 'qmi_wwan', 'pci-0', '/sys/usb', 'wwan0', '')))
        place += number(0x1199, 2) + number(0x9071, 2) + b'\x08' + number(0, 4) + b'\0\0\1\3'
        facts = b''.join(map(text, ('Sierra', 'EM7455', '1.0', '')))
        services = part(*(number(i, 2) + number(1, 2) + number(9, 2) for i in (0, 1, 2, 3, 11, 16)))
        mux = part(bytes([ready, ready, 0]), number(300, 2), b'\x07', number(20, 4), number(0, 8) * 9, services, part(*clients))
        return part(place, facts, mux, link)

    def of_bus(key, serial, owner=':1.5', uid=0, implicit=0, persist=0, socket=0):
        return number(10 + key, 4) + number(serial, 8) + text(owner) + number(uid, 4) + bytes([implicit, persist, socket]) + bytes(8)

    def bus(*clients, sessions=(), inhibitors=()):
        return part(number(len(clients), 4), *clients, number(len(sessions), 4), *sessions, number(len(inhibitors), 4),
                    *inhibitors)

    def end(kind=0, reason=''):
        return bytes([kind]) + number(0, 4) + b'\1\1' + number(3, 2) + number(6, 2) + number(38, 2) + text(reason)

    def call(asked, state, key=0, address='', prefix=30, gateway='', dns=()):
        return (bytes([asked, state == 2]) + text('') + bytes([state, 0, 0]) + number(0x11223344, 4) + b'\1'
                + number(10 + key if key else 0, 4) + end() + bytes([bool(address)]) + text(address) + bytes([prefix])
                + text(gateway) + bytes([len(dns)]) + b''.join(map(text, dns)) + number(1500, 4))

    def session(serial, *calls, owner=':1.5', uid=0, persist=0, objects=(0, 0), state=1, link=b'', configure=b''):
        return part(number(serial, 8), text(owner), number(uid, 4), bytes([persist]), *(number(n, 8) for n in objects),
                    number(serial, 8), bytes([state]), end(), b'\0', text('internet'), bytes([bool(configure)]),
                    number(1 << 30, 8), *calls, text('wwan0' if link else ''), b'\0', number(1500, 4), part(link),
                    part(configure))

    register = message(0x0003, bytes.fromhex('10010001'))
    handle = bytes.fromhex('01040044332211')
    dialled = message(0x0020, handle)
    dialling = number(9, 2) + message(0x0020, bytes.fromhex('14030061706e')) + b'\0'
    clients = (client(1, 2, 1, shared=1), client(2, 3, 1, shared=1), client(3, 3, 2, registrations=register),
               client(4, 1, 1, started=dialled, transactions=dialling), client(5, 3, 3, lingering=1),
               client(6, 1, 0), client(7, 1, 2, stale=1, registrations=message(0x004D, bytes.fromhex('01010004'))))
    held = (of_bus(7, 4, persist=1), of_bus(6, 3, ':1.9', uid=1000), of_bus(4, 2, '', persist=1), of_bus(3, 1, implicit=1))
    four = call(1, 2, 4, '192.0.2.42', 30, '192.0.2.41', ('198.51.100.53', '203.0.113.53'))
    six = call(1, 2, 6, '2001:db8::2a', 64)
    none = call(0, 0)
    for options in range(4):
        yield bytes([options]) + device(*clients) + bus(*held)
        for of_one in ({}, {'persist': 1, 'owner': ''}, {'persist': 1, 'objects': (7, 9)}, {'objects': (4, 4)}, {'state': 0},
                       {'state': 2}, {'state': 3}, {'uid': 1000, 'owner': ':1.9'}, {'link': bytes(20)},
                       {'configure': bytes(20)}):
            yield bytes([options]) + device(*clients) + bus(held[0], sessions=(session(3, four, six, **of_one),))
        yield bytes([options]) + device(*clients) + bus(*held, sessions=(session(1, four, none), session(1, none, six)))
        yield bytes([options]) + device(*clients) + bus(sessions=(session(1, four, none), session(2, four, none, persist=1)))
        yield bytes([options]) + device(*clients, ready=0) + bus(*held, inhibitors=(number(1, 8) + text(':1.5') + number(0, 4)
                                                                                    + text('firmware'),))
        yield bytes([options]) + device(*clients) + bus(held[0], held[0])  # one client, twice
        yield bytes([options]) + device(clients[2], clients[2]) + bus()    # one id, twice
        yield bytes([options]) + device() + bus(of_bus(3, 1), of_bus(99, 2))
        yield bytes([options]) + device(*clients)[:-9] + bus(*held)


def pcapng_inputs(frames):
    """Files as qmictl writes them, and in the other byte order."""
    def block(order, kind, body):
        n = (12 + len(body)).to_bytes(4, order)
        return kind.to_bytes(4, order) + n + body + n

    for order in ('little', 'big'):
        def number(value, n_bytes):
            return value.to_bytes(n_bytes, order)

        content = block(order, 0x0A0D0D0A, number(0x1A2B3C4D, 4) + number(1, 2) + number(0, 2) + b'\xff' * 8)
        content += block(order, 1, number(147, 2) + bytes(6) + number(9, 2) + number(1, 2) + bytes([6, 0, 0, 0])
                         + number(15, 2) + number(9, 2) + b'1199:9071\0\0\0' + bytes(4))
        content += block(order, 5, b'of no use')
        for i, frame in enumerate(frames):
            n = number(len(frame), 4)
            content += block(order, 6, bytes(4) + number(i, 4) + number(i * 1000, 4) + n + n + frame + bytes(-len(frame) % 4)
                             + number(2, 2) + number(4, 2) + number(1 + i % 2, 4) + bytes(4))
        yield content


def datapath_inputs():
    """What a host may send to a modem: pings and what goes before them, as IP, in Ethernet frames, in QMAP."""
    def ip6(kind, message):
        source, far = bytes.fromhex('20010db800420000000000000000002a'), bytes.fromhex('20010db8004200000000000000000001')
        return bytes([0x60, 0, 0, 0, 0, 4 + len(message), 58, 64]) + source + far + bytes([kind, 0, 0, 0]) + message

    def ethernet(kind, payload):
        return bytes.fromhex('0250f4000001020000000009') + kind.to_bytes(2, 'big') + payload

    def qmap(mux, packet):
        padding = -len(packet) % 4
        return bytes([padding, mux]) + (len(packet) + padding).to_bytes(2, 'big') + packet + bytes(padding)

    ping = bytes.fromhex('4500001d0001000040010000c000022ac0000229' '08000000000900017f')
    ping6 = ip6(128, b'\0\x09\0\1x')
    neighbour, router = ip6(135, bytes(4) + ping6[24:40]), ip6(133, bytes(4))
    arp = bytes.fromhex('0001080006040001' '020000000009c000022a' '000000000000c0000229')
    yield from (ping, ping6, router, ethernet(0x0806, arp))
    yield from (ethernet(0x86DD, packet) for packet in (ping6, neighbour, router))
    yield ethernet(0x0800, ping)
    yield qmap(0, ping) + qmap(1, ping6) + qmap(2, ping)
    yield qmap(1, ping6) * 8 + b'\x80\0\0\4\0\0\0\0'
    yield qmap(1, ping)[:-1]


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
        put('fuzz-bus', frame)
        ctl = frame[4] == 0
        header = 6 if ctl else 7
        flags = frame[6] if ctl else frame[6] >> 1
        message, tlvs = frame[6 + header - 4:6 + header - 2], frame[6 + header:]
        for fuzzer in ('fuzz-decode', 'fuzz-encode'):
            put(fuzzer, frame[4:5] + message + bytes([flags, 0]) + tlvs)
    whole = b''.join(frame for frame, direction in frames if direction == 'in')
    # NAS Get PLMN Name: a name with U+FFFF, of which sd-bus makes no message.
    put('fuzz-bus', bytes.fromhex('0153008003010201004400470002040000000000143d001800000a0032f451b3004d00112a000022'
                                  '000332323232323232323232323232323232303232f5ffffff3232323232323232323232323232323232323232'))
    put('fuzz-framer', b'\x07' + whole[:4096])
    put('fuzz-framer', b'\x40garbage' + frames[0][0][:20] + whole[:1024])
    for i in range(0, 256, 8):  # of the made-up service, some rows each
        for fuzzer in ('fuzz-decode-grammar', 'fuzz-encode-grammar'):
            put(fuzzer, bytes([0xEF, i // 8, 0, 0, 0]) + bytes((i * 31 + k * 7) % 256 for k in range(200)))
    for content in mux_inputs():
        put('fuzz-mux', content)
    put('fuzz-mux', b'\x07' + whole[:4096])
    for content in restore_inputs():
        put('fuzz-restore', content)
    for content in pcapng_inputs([frame for frame, direction in frames[:4]]):
        put('fuzz-pcapng', content)
    for content in datapath_inputs():
        put('fuzz-datapath', content)
    for coding in range(TEXT_CODINGS):
        for text in TEXTS:
            put('fuzz-text', bytes([coding]) + text)
    stamp.touch()


main()
