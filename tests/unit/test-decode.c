/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notation.h"
#include "qmi/codec.h"
#include "unit.h"

/* All of it on tests/data/interfaces/test.toml. */

static const SchemaMessage *find(const char *name) {
        const SchemaService *s = schema_service_by_name("test");
        const SchemaMessage *m;

        check(s);
        m = schema_message_by_name(s, name);
        return m ? m : schema_indication_by_name(s, name);
}

static void decode_as(const char *message, QmiMessageType type, uint16_t vendor, const char *hex,
                      const char *expected) {
        _cleanup_bytes_ Bytes b = bytes_from_hex(hex);
        const SchemaMessage *m = NULL;
        Arena a;
        Value v;

        if (message) {
                m = find(message);
                check(m);
        }
        arena_init(&a);
        check_int(message_decode(m, type, vendor, b.bytes, b.n, &a, &v), 0);
        check_str(value_to_text(&v, &a), expected);
        arena_done(&a);
}

static void decode(const char *message, const char *hex, const char *expected) {
        decode_as(message, QMI_REQUEST, 0, hex, expected);
}

/* Decodes to that, and that encodes to the very bytes. */
static void both(const char *message, const char *hex, const char *expected) {
        _cleanup_bytes_ Bytes b = bytes_from_hex(hex);
        CodecError error = {};
        TlvWriter w = {};
        Arena a;
        Value v;

        decode(message, hex, expected);
        arena_init(&a);
        v = value_from_text(expected, &a);
        if (message_encode(find(message), QMI_REQUEST, 0, &v, &w, &error) < 0)
                check_str(error.text, "");
        check_bytes(w.bytes, w.n_bytes, b.bytes, b.n);
        tlv_writer_done(&w);
        arena_done(&a);
}

static void test_numbers(void) {
        both("numbers", "", "{}");
        both("numbers", "10 0100 ff  11 0100 ff", "{u8: y255, i8: n-1}");
        both("numbers", "12 0200 0102  13 0200 0080", "{u16: q513, i16: n-32768}");
        both("numbers", "14 0300 010203  15 0300 ffffff", "{u24: u197121, i24: i-1}");
        both("numbers", "16 0400 ffffffff  17 0400 00000080", "{u32: u4294967295, i32: i-2147483648}");
        both("numbers", "18 0500 0100000080  19 0500 0100000080",
             "{u40: t549755813889, i40: x-549755813887}");
        both("numbers", "1a 0600 ffffffffffff  1b 0600 feffffffffff", "{u48: t281474976710655, i48: x-2}");
        both("numbers", "1c 0700 ffffffffffffff  1d 0700 00000000000080",
             "{u56: t72057594037927935, i56: x-36028797018963968}");
        both("numbers", "1e 0800 ffffffffffffffff  1f 0800 0000000000000080",
             "{u64: t18446744073709551615, i64: x-9223372036854775808}");
        both("numbers", "20 0200 0102  21 0300 fffffe  22 0400 01020304",
             "{u16be: q258, i24be: i-2, u32be: u16909060}");
        both("numbers", "23 0800 7fffffffffffffff", "{i64be: x9223372036854775807}");
        both("numbers", "24 0400 0000c03f  25 0800 000000000000f8bf", "{f32: d1.5, f64: d-1.5}");
        both("numbers", "26 0100 01  27 0400 00000000", "{flag: true, wide_flag: false}");
        decode("numbers", "26 0100 80", "{flag: true}");
}

static void test_scale(void) {
        both("numbers", "28 0200 0300", "{tenth: d0.3}");
        both("numbers", "28 0200 ffff", "{tenth: d-0.1}");
        both("numbers", "29 0100 13", "{negative_half: d-9.5}");
        both("numbers", "2a 0400 06000000", "{third: d2}");
        both("numbers", "2b 0400 e8030000", "{with_unit: u1000}");
        both("numbers", "2f 0800 ffffffffffffffff", "{large_scale: d-1000000}");
}

static void test_sentinel(void) {
        decode("numbers", "2c 0200 0080  2d 0100 ff  2e 0800 ffffffffffffffff", "{}");
        both("numbers", "2c 0200 0180  2d 0100 fe  2e 0800 feffffffffffffff",
             "{sentinel: n-32767, scaled_sentinel: d127, large_sentinel: t18446744073709551614}");
}

static void test_enum(void) {
        both("symbols", "01 0100 01", "{mode: 'low_power'}");
        both("symbols", "01 0100 ff", "{mode: '255'}");
        both("symbols", "10 0100 ff  11 0800 ffffffffffffffff", "{level: 'unknown', wide_level: 'unknown'}");
        both("symbols", "10 0100 fe  11 0800 feffffffffffffff", "{level: '-2', wide_level: '-2'}");
        /* Symbols are of 32 bits: what is wider is not taken for one. */
        both("symbols", "11 0800 6400000001000000", "{wide_level: '4294967396'}");
        both("symbols", "13 0800 0100000001000000", "{wide_mode: '4294967297'}");
        both("symbols", "12 0200 7800  17 0200 0003", "{band: 'lte_1', mode_be: 'offline'}");
        both("symbols", "19 0400 03 00 09 03", "{modes: [s: 'online', '9', 'offline']}");
}

static void test_flags(void) {
        both("symbols", "14 0100 00", "{radio: [s:]}");
        both("symbols", "14 0100 13", "{radio: [s: 'gsm', 'umts', 'lte']}");
        both("symbols", "14 0100 84", "{radio: [s: 'bit2', 'bit7']}");
        both("symbols", "15 0800 0100080000000080", "{lte_bands: [s: 'band_1', 'band_20', 'band_64']}");
        both("symbols", "16 2000 0000000000000080 0100000000000000 0000000000000000 0000000000000080",
             "{extended_bands: [s: 'band_64', 'band_65', 'band_256']}");
        both("symbols", "18 0200 0011", "{radio_be: [s: 'gsm', 'lte']}");
        both("symbols", "1a 0200 0100", "{radios: [as: [s: 'gsm'], [s:]]}");
}

static void test_words(void) {
        both("words", "10 0100 8d", "{rates: {uplink: y5, downlink: 'low_power', valid: true}}");
        decode("words", "10 0100 7a",
               "{rates: {uplink: y2, downlink: '7', valid: false}}"); /* padding set */
        both("words", "11 0400 00310123", "{wide: {a: q291, radio: [s: 'lte'], rest: d0.3}}");
        decode("words", "11 0400 00300fff", "{wide: {radio: [s:], rest: d0.3}}");
        both("words", "12 0500 02 1200 ffff",
             "{words: [a{sv}: {low: y2, high: q1}, {low: y15, high: q4095}]}");
        both("words", "13 0800 ffffffffffffffff", "{all: {value: t18446744073709551615}}");
}

static void test_text(void) {
        both("texts", "10 0600 4d4337343535", "{plain: 'MC7455'}");
        decode("texts", "10 0700 4d433734353500", "{plain: 'MC7455'}"); /* Sierra: ends with NUL */
        both("texts", "10 0000", "{plain: ''}");
        both("texts", "10 0500 2a36410d0a", "{plain: '*6A\r\n'}");
        decode("texts", "10 0200 41ff", "{plain: 'A\uFFFD', plain_bytes: <41ff>}");
        both("texts", "11 0400 03 616263  12 0400 0200 c3a9", "{short: 'abc', long: 'é'}");
        both("texts", "13 0500 02 4100ac20", "{units: 'A€'}"); /* two 16-bit units */
        both("texts", "14 0c00 616263 000000000000000000", "{fixed: 'abc'}");
        both("texts", "15 0600 05 49763a4c06", "{packed: 'Iliad'}");
        both("texts", "16 0300 1b6541", "{unpacked: '€A'}");
        both("texts", "17 0200 20ac  18 0100 e9", "{big: '€', latin: 'é'}");
        both("texts", "19 0200 21f3  1a 0400 2143ffff", "{digits: '123', fixed_digits: '1234'}");
        both("texts", "20 0500 01000000 61", "{very_long: 'a'}");
        both("texts", "1e 0600 02 0161 026263", "{list: [s: 'a', 'bc']}");
        /* In an array there is no place for the bytes. */
        decode("texts", "1e 0300 01 01ff", "{list: [s: '\uFFFD']}");
}

static void test_text_packed_where_ascii_is_usual(void) {
        decode("texts", "1b 0500 49763a4c06", "{guessed: 'Iliad', guessed_bytes: <49763a4c06>}");
        both("texts", "1b 0900 20542d4d6f62696c65", "{guessed: ' T-Mobile'}");
}

static void test_coding_by_sibling(void) {
        both("texts", "1c 0700 00 05 49763a4c06", "{name: {encoding: 'packed', text: 'Iliad'}}");
        both("texts", "1c 0600 01 04 4100ac20", "{name: {encoding: 'unicode', text: 'A€'}}");
        both("texts", "1c 0400 02 02 20ac", "{name: {encoding: 'swapped', text: '€'}}");
        /* A value for which no coding is known. */
        decode("texts", "1c 0400 03 02 6162", "{name: {encoding: 'other', text: 'ab', text_bytes: <6162>}}");
        both("texts", "1f 0800 02 00 01 41 01 02 4100",
             "{names: [a{sv}: {encoding: 'packed', text: 'A'}, "
             "{encoding: 'unicode', text: 'A'}]}");
}

static void test_counts_with_fields_between(void) {
        both("texts", "1d 0600 0300 07 616263", "{counted: {kind: y7, text: 'abc'}}");
        both("blobs", "15 0400 03 010203", "{counted: {data: <010203>}}");
        both("lists", "15 0600 02 09 0100 0200", "{with_sequence: {sequence: y9, items: [q: q1, q2]}}");
        both("lists", "16 0d00 0200 07 0100 04000000 0500 0600",
             "{far_count: {kind: y7, first: [b: true, false], middle: u4, second: [q: q5, q6]}}");
}

static void test_bytes(void) {
        both("blobs", "10 0200 0aff  11 0300 02 0102", "{plain: <0aff>, short: <0102>}");
        both("blobs", "12 0300 0100 01  13 0300 010203", "{long: <01>, fixed: <010203>}");
        both("blobs", "14 0500 01 01020304", "{units: <01020304>}");
        both("blobs", "16 0400 02 00 01 09", "{list: [ay: <>, <09>]}");
        both("blobs", "17 0000", "{present: true}");
        both("blobs", "10 0000", "{plain: <>}");
}

static void test_addresses(void) {
        both("addresses", "10 0400 0302010a  11 0400 0a010203",
             "{reversed: '10.1.2.3', written: '10.1.2.3'}");
        both("addresses", "12 1000 20010db8000000000000000000000001", "{long: '2001:db8::1'}");
        both("addresses", "16 0900 02 0302010a 04020100", "{servers: [s: '10.1.2.3', '0.1.2.4']}");
        /* A TLV of another length than an address is none. */
        decode("addresses", "10 0300 010203", "{unknown_tlvs: [10: <010203>]}");
}

static void test_plmn(void) {
        both("addresses", "13 0300 62f210", "{bcd: '26201'}");
        both("addresses", "13 0300 130014", "{bcd: '310410'}");
        both("addresses", "13 0300 ffffff", "{bcd: ''}");
        decode("addresses", "13 0300 62faf0", "{bcd: '26\uFFFD0\uFFFD', bcd_bytes: <62faf0>}");
        both("addresses", "14 0600 3236323031ff", "{ascii: '26201'}");
        both("addresses", "14 0600 333130343130", "{ascii: '310410'}");
        both("addresses", "14 0600 000000000000", "{ascii: ''}");
        decode("addresses", "14 0600 ffffffffffff", "{ascii: '', ascii_bytes: <ffffffffffff>}");
        decode("addresses", "14 0600 323632303100", "{ascii: '26201', ascii_bytes: <323632303100>}");
        decode("addresses", "14 0600 3236327830ff", "{ascii: '262x0', ascii_bytes: <3236327830ff>}");
        both("addresses", "15 0500 0601 0100 00", "{binary: '26201'}");
        both("addresses", "15 0500 3601 9a01 01", "{binary: '310410'}");
        both("addresses", "15 0500 3601 0a00 01", "{binary: '310010'}");
        decode("addresses", "15 0500 3601 9a01 00", "{binary: '310410', binary_bytes: <36019a0100>}");
        decode("addresses", "15 0500 ffff ffff 00", "{binary: '6553565535', binary_bytes: <ffffffff00>}");
        both("addresses", "17 0500 01 62f210 10", "{networks: [a{sv}: {plmn: '26201', radio: [s: 'lte']}]}");
}

static void test_arrays(void) {
        both("lists", "10 0100 00", "{short: [q:]}");
        both("lists", "10 0500 02 0100 0200", "{short: [q: q1, q2]}");
        both("lists", "11 0300 0100 c4", "{long: [n: n-60]}");
        both("lists", "12 0800 01000000 ffffffff", "{very_long: [u: u4294967295]}");
        both("lists", "13 0800 0001000200030004", "{fixed: [q: q1, q2, q3, q4]}");
        both("lists", "14 0000", "{open: [u:]}");
        both("lists", "14 0600 010000 020000", "{open: [u: u1, u2]}");
        both("lists", "17 0900 01 05 02 00 02 0100 0200",
             "{nested: [a{sv}: {kind: y5, items: [aq: [q:], [q: q1, q2]]}]}");
        both("lists", "18 0800 01 c4 0300 02 00 0000",
             "{structs: [a{sv}: {id: y1, signal: {rssi: n-60, snr: d0.3}}, "
             "{id: y2, signal: {rssi: n0, snr: d0}}]}");
        both("lists", "19 0500 01 0200 0300", "{open_last: {kind: y1, rest: [q: q2, q3]}}");
        both("lists", "1b 0500 02 0300 ffff", "{tenths: [d: d0.3, d-0.1]}");
}

static void test_lying_counts(void) {
        decode("lists", "10 0300 ff 0100", "{unknown_tlvs: [10: <ff0100>]}");
        decode("lists", "12 0800 ffffffff 01000000", "{unknown_tlvs: [12: <ffffffff01000000>]}");
        decode("lists", "16 0900 ffff 07 01 04000000 05", "{unknown_tlvs: [16: <ffff07010400000005>]}");
        decode("texts", "12 0300 ffff 61", "{unknown_tlvs: [12: <ffff61>]}");
        decode("texts", "13 0300 02 4100", "{unknown_tlvs: [13: <024100>]}"); /* units are of two bytes */
        decode("texts", "20 0500 ffffffff 61", "{unknown_tlvs: [20: <ffffffff61>]}");
        decode("blobs", "11 0100 01", "{unknown_tlvs: [11: <01>]}");
}

static void test_open_array_leftover(void) {
        /* What is no whole element is left over, and is told so. */
        decode("lists", "14 0400 010000 02", "{open: [u: u1], unknown_tlvs: [14: <01000002>]}");
        decode("lists", "1a 0800 0161 0000 0562 0000",
               "{texts: [a{sv}: {name: 'a', data: <>}], unknown_tlvs: [1a: <0161000005620000>]}");
}

static void test_validity(void) {
        both("validity", "10 0300 01 0700", "{single: q7}");
        decode("validity", "10 0300 00 0700", "{}");
        both("validity", "11 0b00 01 0100 01 61 3236323031ff",
             "{network: {id: q1, name: 'a', plmn: '26201'}}");
        decode("validity", "11 0a00 00 0000 00 000000000000", "{}");
        both("validity", "12 0600 00 00 00 00 00 00", "{several: {}}");
        both("validity", "12 0a00 01 03 01 02 0100 0200 01 01",
             "{several: {domain: 'offline', list: [q: q1, q2], on: true}}");
        decode("validity", "12 0a00 00 03 00 02 0100 0200 01 01", "{several: {on: true}}");

        both("validity", "13 0800 0980 05 0300 01 61 07", "{masked: {a: y5, b: d0.3, c: 'a', d: y7}}");
        both("validity", "13 0700 0800 00 0300 00 07", "{masked: {b: d0.3, d: y7}}");
        decode("validity", "13 0800 f67f 05 0300 01 61 07", "{masked: {d: y7}}");

        both("validity", "14 0400 01 01 0700", "{optional_list: {list: [q: q7]}}");
        both("validity", "14 0200 00 00", "{optional_list: {}}");
        decode("validity", "14 0400 00 01 0700", "{optional_list: {}}");

        both("validity", "15 0400 00 0080 ff", "{sentinels: {}}");
        both("validity", "15 0400 01 0000 02", "{sentinels: {a: y1, b: n0, c: d1}}");
}

static void test_layouts(void) {
        both("layouts", "10 0200 0300", "{reason: 'offline'}");
        decode("layouts", "10 0100 03", "{reason: 'offline'}");
        decode("layouts", "10 0300 030000", "{reason: 'offline', unknown_tlvs: [10: <030000>]}");
        decode("layouts", "10 0000", "{unknown_tlvs: [10: <>]}");
        both("layouts", "11 0300 05 01 61", "{detail: {code: y5, text: 'a'}}");
        decode("layouts", "11 0100 05", "{detail: y5}");

        decode_as("layouts", QMI_REQUEST, 0x1199, "12 0300 010203  13 0100 01",
                  "{quirk: <010203>, special: y1}");
        decode_as("layouts", QMI_REQUEST, 0x05C6, "12 0300 010203  13 0100 01",
                  "{unknown_tlvs: [12: <010203>, 13: <01>]}");
}

static void test_nothing_is_dropped(void) {
        decode(NULL, "10 0100 2a", "{unknown_tlvs: [10: <2a>]}");
        decode("numbers", "ee 0200 0102", "{unknown_tlvs: [ee: <0102>]}");
        decode("numbers", "10 0100 01  10 0100 02", "{u8: y1, unknown_tlvs: [10: <02>]}"); /* repeated */
        decode("numbers", "10 0200 0102", "{u8: y1, unknown_tlvs: [10: <0102>]}");         /* too long */
        decode("numbers", "12 0100 01", "{unknown_tlvs: [12: <01>]}");                     /* too short */
        decode("numbers", "10 0000", "{unknown_tlvs: [10: <>]}");                          /* empty */
        decode("numbers", "10 0100 01  be", "{u8: y1, unknown_tlvs: [00: <be>]}");         /* a stray byte */
        decode("numbers", "10 0100 01  11 0500 01",
               "{u8: y1, unknown_tlvs: [00: <11050001>]}");                 /* cut short */
        decode("numbers", "12 0200 0100  10 0100 01", "{u16: q1, u8: y1}"); /* in any order */
}

static void test_result(void) {
        decode_as("get-signal", QMI_RESPONSE, 0, "02 0400 00000000  10 0100 01", "{radio: [s: 'gsm']}");
        /* Failed answers have TLVs too. */
        decode_as("set-secret", QMI_RESPONSE, 0, "10 0100 02  02 0400 01000c00", "{tries: y2}");
        /* One that is no result, and a second one. */
        decode_as("get-signal", QMI_RESPONSE, 0, "02 0300 000000", "{unknown_tlvs: [02: <000000>]}");
        decode_as("get-signal", QMI_RESPONSE, 0, "02 0400 00000000 02 0400 01000100",
                  "{unknown_tlvs: [02: <01000100>]}");
        decode_as(NULL, QMI_RESPONSE, 0, "02 0400 00000000", "{}");
        /* In an indication it is a TLV like any other. */
        decode_as("signal", QMI_INDICATION, 0, "02 0400 00000000  15 0300 c4 0300",
                  "{nr5g: {rssi: n-60, snr: d0.3}, unknown_tlvs: [02: <00000000>]}");
}

/* Many bytes of which each is the worst: time and memory stay bounded. */
static void test_largest(void) {
        static uint8_t bytes[TLVS_MAX];
        Arena a;
        Value v;

        /* 21841 empty TLVs, of one id */
        for (size_t i = 0; i + 3 <= sizeof(bytes); i += 3)
                bytes[i] = 0x10;
        arena_init(&a);
        check_int(message_decode(find("blobs"), QMI_REQUEST, 0, bytes, sizeof(bytes), &a, &v), 0);
        check_int(value_dict_get(&v, "unknown_tlvs")->n, TLVS_MAX / 3 - 1 + (TLVS_MAX % 3 > 0));
        arena_done(&a);

        /* One TLV with as many booleans as there is room for. */
        memset(bytes, 0, sizeof(bytes));
        bytes[0] = 0x16;
        write_le16(bytes + 1, TLVS_MAX - 3);
        write_le16(bytes + 3, (TLVS_MAX - 3 - 7) / 3);
        arena_init(&a);
        check_int(message_decode(find("lists"), QMI_REQUEST, 0, bytes, sizeof(bytes), &a, &v), 0);
        check_int(value_dict_get(value_dict_get(&v, "far_count"), "first")->n, (TLVS_MAX - 3 - 7) / 3);
        arena_done(&a);
}

/* Structs take many times their bytes: there the arena is what bounds them. */
static void test_more_than_the_arena_holds(void) {
        static uint8_t bytes[TLVS_MAX];
        Arena a;
        Value v;

        bytes[0] = 0x1C;
        write_le16(bytes + 1, TLVS_MAX - 3);
        arena_init(&a);
        check_int(message_decode(find("lists"), QMI_REQUEST, 0, bytes, sizeof(bytes), &a, &v), -ENOMEM);
        check(a.total <= ARENA_MAX);
        arena_done(&a);
}

/* The usual message costs no malloc(). */
static void test_no_malloc(void) {
        _cleanup_bytes_ Bytes b = bytes_from_hex("02 0400 00000000  10 0100 13  14 0300 c4 0300");
        Arena a;
        Value v;

        arena_init(&a);
        check_int(message_decode(find("get-signal"), QMI_RESPONSE, 0, b.bytes, b.n, &a, &v), 0);
        check_str(value_to_text(&v, &a), "{radio: [s: 'gsm', 'umts', 'lte'], lte: {rssi: n-60, snr: d0.3}}");
        check(!a.chunks);
        arena_done(&a);
}

int main(void) {
        test_numbers();
        test_scale();
        test_sentinel();
        test_enum();
        test_flags();
        test_words();
        test_text();
        test_text_packed_where_ascii_is_usual();
        test_coding_by_sibling();
        test_counts_with_fields_between();
        test_bytes();
        test_addresses();
        test_plmn();
        test_arrays();
        test_lying_counts();
        test_open_array_leftover();
        test_validity();
        test_layouts();
        test_nothing_is_dropped();
        test_result();
        test_largest();
        test_more_than_the_arena_holds();
        test_no_malloc();
        return 0;
}
