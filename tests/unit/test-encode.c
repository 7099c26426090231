/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notation.h"
#include "qmi/codec-error.h"
#include "qmi/codec.h"
#include "qmi/text.h"
#include "unit.h"

/* All of it on tests/data/interfaces/test.toml. What the decoder gives is encoded in test-decode.c; here is
 * what else is taken, and what is refused. */

static const SchemaMessage *find(const char *name) {
        const SchemaService *s = schema_service_by_name("test");
        const SchemaMessage *m;

        check(s);
        m = schema_message_by_name(s, name);
        check(m);
        return m;
}

static void encode_as(const char *message, QmiMessageType type, uint16_t vendor, const char *text,
                      const char *hex) {
        _cleanup_bytes_ Bytes expected = bytes_from_hex(hex);
        CodecError error = {};
        TlvWriter w = {};
        Arena a;
        Value v;

        arena_init(&a);
        v = value_from_text(text, &a);
        if (message_encode(find(message), type, vendor, &v, &w, &error) < 0)
                check_str(error.text, "");
        check_bytes(w.bytes, w.n_bytes, expected.bytes, expected.n);
        tlv_writer_done(&w);
        arena_done(&a);
}

static void encode(const char *message, const char *text, const char *hex) {
        encode_as(message, QMI_REQUEST, 0, text, hex);
}

static void refuse_value(const char *message, QmiMessageType type, uint16_t vendor, const Value *v,
                         const char *why) {
        CodecError error = {};
        TlvWriter w = {};

        check_int(message_encode(find(message), type, vendor, v, &w, &error), -EINVAL);
        check_str(error.text, why);
        tlv_writer_done(&w);
}

static void refuse(const char *message, const char *text, const char *why) {
        Arena a;
        Value v;

        arena_init(&a);
        v = value_from_text(text, &a);
        refuse_value(message, QMI_REQUEST, 0, &v, why);
        arena_done(&a);
}

static void test_any_integer(void) {
        encode("numbers", "{u8: i5}", "10 0100 05");
        encode("numbers", "{u8: t255}", "10 0100 ff");
        encode("numbers", "{i8: y127}", "11 0100 7f");
        encode("numbers", "{i8: x-128}", "11 0100 80");
        encode("numbers", "{u64: y1}", "1e 0800 0100000000000000");
        encode("numbers", "{f64: i-1, f32: q2}", "24 0400 00000040  25 0800 000000000000f0bf");
        encode("numbers", "{f64: t18446744073709551615}", "25 0800 000000000000f043");
        encode("numbers", "{flag: y1, wide_flag: i0}", "26 0100 01  27 0400 00000000");

        refuse("numbers", "{u8: q256}", "u8: 256 does not fit in u8");
        refuse("numbers", "{u8: i-1}", "u8: -1 does not fit in u8");
        refuse("numbers", "{i8: y128}", "i8: 128 does not fit in i8");
        refuse("numbers", "{i64: t9223372036854775808}", "i64: 9223372036854775808 does not fit in i64");
        refuse("numbers", "{u24: u16777216}", "u24: 16777216 does not fit in u24");
        refuse("numbers", "{u8: 'one'}", "u8: an integer is expected, not text");
        refuse("numbers", "{u8: d1}", "u8: an integer is expected, not a floating point number");
        refuse("numbers", "{u8: [y: y1]}", "u8: an integer is expected, not an array");
        refuse("numbers", "{f64: true}", "f64: a number is expected, not a boolean");
        refuse("numbers", "{f32: d1e300}", "f32: the value does not fit in f32");
        refuse("numbers", "{flag: y2}", "flag: a boolean is 0 or 1");
        refuse("numbers", "{flag: 'true'}", "flag: a boolean is expected, not text");
}

static void test_scale(void) {
        encode("numbers", "{tenth: d0.3}", "28 0200 0300");
        encode("numbers", "{tenth: d0.30000000000000004}", "28 0200 0300"); /* 0.1 + 0.2 */
        encode("numbers", "{tenth: i-5}", "28 0200 ceff");
        encode("numbers", "{negative_half: d-9.5}", "29 0100 13");
        encode("numbers", "{third: d0.3333333333}", "2a 0400 01000000");

        refuse("numbers", "{tenth: d0.25}", "tenth: 0.25 is no multiple of 0.1");
        refuse("numbers", "{tenth: d4000}", "tenth: 4000 does not fit in i16 in steps of 0.1");
        refuse("numbers", "{negative_half: d0.5}", "negative_half: 0.5 does not fit in u8 in steps of -0.5");
        refuse("numbers", "{tenth: dnan}", "tenth: nan does not fit in i16 in steps of 0.1");
        refuse("numbers", "{tenth: dinf}", "tenth: inf does not fit in i16 in steps of 0.1");
        refuse("numbers", "{tenth: 'x'}", "tenth: a number is expected, not text");
}

#define NINES "999999999999999999999999999999999999"
#define FIRST_BANDS                                                                                       \
        "gsm_450, gsm_850, gsm_900, gsm_1800, wcdma_2100, wcdma_900, lte_1, lte_2, lte_3, lte_7, lte_8, " \
        "lte_20, …"

static void test_enum(void) {
        encode("symbols", "{mode: 'low_power'}", "01 0100 01");
        encode("symbols", "{mode: 'low-power'}", "01 0100 01");
        encode("symbols", "{mode: '77'}", "01 0100 4d");
        encode("symbols", "{mode: u77}", "01 0100 4d");
        encode("symbols", "{level: 'unknown', wide_level: '-2'}", "10 0100 ff  11 0800 feffffffffffffff");
        encode("symbols", "{modes: [i: i1, i2]}", "19 0300 02 01 02");

        refuse("symbols", "{mode: 'fly'}",
               "mode: 'fly' is none of online, low_power, factory_test, offline");
        refuse("symbols", "{mode: 'LOW-POWER'}",
               "mode: 'LOW-POWER' is none of online, low_power, factory_test, offline");
        refuse("symbols", "{mode: '256'}", "mode: 256 does not fit in u8");
        refuse("symbols", "{mode: '-1'}", "mode: -1 does not fit in u8");
        refuse("symbols", "{mode: '1x'}", "mode: '1x' is none of online, low_power, factory_test, offline");
        refuse("symbols", "{mode: ''}", "mode: '' is none of online, low_power, factory_test, offline");
        refuse("symbols", "{mode: '99999999999999999999'}",
               "mode: '99999999999999999999' is none of online, low_power, factory_test, offline");
        refuse("symbols", "{mode: true}", "mode: a symbol or an integer is expected, not a boolean");
        refuse("symbols", "{mode: 'onlin'}",
               "mode: 'onlin' is none of online, low_power, factory_test, offline; did you mean online?");
        refuse("symbols", "{mode: 'low-powr'}",
               "mode: 'low-powr' is none of online, low_power, factory_test, offline; did you mean "
               "low_power?");
        refuse("symbols", "{band: 'gsm-1900'}",
               "band: 'gsm-1900' is none of " FIRST_BANDS "; did you mean gsm_900, gsm_1800, gsm_450?");
        refuse("symbols", "{band: 'zzz'}", "band: 'zzz' is none of " FIRST_BANDS);
        refuse("symbols", "{band: '" NINES "99990'}", "band: '" NINES "9999' is none of " FIRST_BANDS);
        refuse("symbols", "{band: '" NINES "999é'}", "band: '" NINES "999' is none of " FIRST_BANDS);
        refuse("symbols", "{modes: [s: 'online', 'fly']}",
               "modes.1: 'fly' is none of online, low_power, factory_test, offline");
}

static void test_flags(void) {
        encode("symbols", "{radio: [s: 'lte', 'gsm']}", "14 0100 11");
        encode("symbols", "{radio: [s: 'bit7', '2']}", "14 0100 84");
        encode("symbols", "{lte_bands: [s: 'band_1', 'band-20']}", "15 0800 0100080000000000");
        encode("symbols", "{radio: [u: u2]}", "14 0100 04"); /* the number of a bit */
        encode("symbols", "{radio: y5}", "14 0100 05");      /* all bits */
        encode("symbols", "{radio: [x:]}", "14 0100 00");    /* an empty array is of any type */
        encode("symbols", "{radio: <>}", "14 0100 00");
        encode("symbols", "{extended_bands: t9223372036854775809}",
               "16 2000 0100000000000080 0000000000000000 0000000000000000 0000000000000000");

        refuse("symbols", "{radio: [s: 'nr']}", "radio.0: 'nr' is none of gsm, umts, lte");
        refuse("symbols", "{radio: [s: 'bit8']}", "radio.0: bit 8 does not fit in u8");
        refuse("symbols", "{radio: [s: 'bit-1']}", "radio.0: there is no such bit in u8");
        refuse("symbols", "{radio: 'gsm'}", "radio: an array of symbols is expected, not text");
        refuse("symbols", "{radio: q256}", "radio: 256 does not fit in u8");
        refuse("symbols", "{radio: [b: true]}",
               "radio.0: a symbol or the number of a bit is expected, not a boolean");
        refuse("symbols", "{radios: [as: [s: 'gsm']]}", "radios: 1 elements, must be 2");
}

static void test_words(void) {
        encode("words", "{wide: {radio: [s:], rest: d0}}", "11 0400 00000fff"); /* the sentinel of `a` */
        refuse("words", "{rates: {uplink: y8, downlink: y0, valid: true}}",
               "rates.uplink: 8 does not fit in 3 bits");
        refuse("words", "{rates: {uplink: y1, downlink: '8', valid: true}}",
               "rates.downlink: 8 does not fit in 3 bits");
        refuse("words", "{rates: {uplink: y1, downlink: y0}}", "rates.valid: missing");
        refuse("words", "{rates: {uplink: y1, downlink: y0, valid: true, _: y0}}",
               "rates._: unknown key of words");
        refuse("words", "{rates: y0}", "rates: a dictionary is expected, not an integer");
}

static void test_text(void) {
        encode("texts", "{fixed: ''}", "14 0c00 000000000000000000000000");
        encode("texts", "{fixed_digits: '123'}", "1a 0400 21f3ffff");
        encode("texts", "{plain_bytes: <41ff>}", "10 0200 41ff");
        encode("texts", "{short_bytes: <ff>}", "11 0200 01 ff");
        encode("texts", "{fixed_bytes: <ff>}", "14 0c00 ff0000000000000000000000");
        encode("texts", "{units_bytes: [y: y65, y0]}", "13 0300 01 4100");
        encode("texts", "{name: {encoding: 'other', text_bytes: <6162>}}", "1c 0400 03 02 6162");
        encode("texts", "{counted: {kind: y7, text_bytes: <>}}", "1d 0300 0000 07");

        refuse("texts", "{plain: y1}", "plain: text is expected, not an integer");
        refuse("texts", "{plain: <41>}", "plain: text is expected, not bytes");
        refuse("texts", "{plain: 'a', plain_bytes: <61>}",
               "plain: given both as text and as plain_bytes; one of them can be sent");
        refuse("texts", "{fixed: '1234567890123'}", "fixed: 13 bytes, at most 12");
        refuse("texts", "{packed: 'ж'}", "packed: a character that its coding does not have");
        refuse("texts", "{digits: '+49'}", "digits: a character that its coding does not have");
        refuse("texts", "{units_bytes: <414243>}", "units: its length, 3 bytes, is no multiple of 2");
        refuse("texts", "{name: {encoding: 'other', text: 'ab'}}",
               "name.text: encoding has a value for which no text coding is known; give the bytes");
        refuse("texts", "{names: [a{sv}: {encoding: 'packed', text: 'a'}, {encoding: 'packed'}]}",
               "names.1.text: missing");
        refuse("texts", "{list_bytes: <00>}", "list_bytes: unknown key of texts");
}

static void test_too_long_for_prefix(void) {
        char text[300] = "";
        uint8_t bytes[300] = {};
        ValueEntry e = { .key = "short", .value = { .type = VALUE_STRING, .string = text } };
        Value dict = { .type = VALUE_DICT, .n = 1, .entries = &e };

        memset(text, 'a', 256);
        refuse_value("texts", QMI_REQUEST, 0, &dict, "short: 256 are more than a count of 1 bytes can say");
        e = (ValueEntry){ .key = "short", .value = { .type = VALUE_BYTES, .n = 256, .bytes = bytes } };
        refuse_value("blobs", QMI_REQUEST, 0, &dict, "short: 256 are more than a count of 1 bytes can say");
        refuse_value("lists", QMI_REQUEST, 0, &dict, "short: 256 are more than a count of 1 bytes can say");
}

static void test_bytes(void) {
        encode("blobs", "{plain: [i: i0, i255]}", "10 0200 00ff");
        encode("blobs", "{plain: [s:]}", "10 0000");
        encode("blobs", "{present: true}", "17 0000");
        encode("blobs", "{present: false}", "");

        refuse("blobs", "{plain: [i: i0, i256]}", "plain.1: 256 does not fit in u8");
        refuse("blobs", "{plain: 'ab'}", "plain: an array of bytes is expected, not text");
        refuse("blobs", "{fixed: <0102>}", "fixed: 2 bytes, must be 3");
        refuse("blobs", "{units: <010203>}", "units: its length, 3 bytes, is no multiple of 4");
        refuse("blobs", "{present: y1}", "present: a boolean is expected, not an integer");
}

static void test_addresses(void) {
        encode("addresses", "{ascii_bytes: <ffffffffffff>}", "14 0600 ffffffffffff");

        refuse("addresses", "{reversed: '10.1.2'}", "reversed: '10.1.2' is no IPv4 address");
        refuse("addresses", "{reversed: '2001:db8::1'}", "reversed: '2001:db8::1' is no IPv4 address");
        refuse("addresses", "{long: '10.1.2.3'}", "long: '10.1.2.3' is no IPv6 address");
        refuse("addresses", "{bcd: '2620'}", "bcd: '2620' is no PLMN (MCC and MNC, five or six digits)");
        refuse("addresses", "{ascii: '262x1'}",
               "ascii: '262x1' is no PLMN (MCC and MNC, five or six digits)");
        refuse("addresses", "{binary: ''}", "binary: '' is no PLMN (MCC and MNC, five or six digits)");
        refuse("addresses", "{bcd: u26201}", "bcd: text is expected, not an integer");
        refuse("addresses", "{bcd_bytes: <01>}", "bcd: 1 bytes, must be 3");
}

static void test_arrays(void) {
        encode("lists", "{short: <0102>}", "10 0500 02 0100 0200"); /* `ay` is an array of integers, too */
        encode("lists", "{short: [s:], long: <>}", "10 0100 00  11 0200 0000");

        refuse("lists", "{short: y1}", "short: an array is expected, not an integer");
        refuse("lists", "{short: [q: q1, i-1]}", "short.1: -1 does not fit in u16");
        refuse("lists", "{fixed: [q: q1]}", "fixed: 1 elements, must be 4");
        refuse("lists", "{nested: [a{sv}: {kind: y1, items: [aq: [q: q1], [u: u65536]]}]}",
               "nested.0.items.1.0: 65536 does not fit in u16");
        refuse("lists", "{far_count: {kind: y7, first: [b: true], middle: u4, second: [q: q5, q6]}}",
               "far_count.second: its length, 2, must be that of the other fields which n counts");
        refuse("lists", "{structs: [a{sv}: {id: y1, signal: {rssi: n-600, snr: d0}}]}",
               "structs.0.signal.rssi: -600 does not fit in i8");
}

static void test_keys(void) {
        Value v = { .type = VALUE_U8 };

        refuse("get-signal", "{foo: y1}", "foo: unknown key of get-signal");
        refuse("numbers", "{unknown_tlvs: y1}", "unknown_tlvs: unknown key of numbers");
        refuse("numbers", "{wide_flg: true}", "wide_flg: unknown key of numbers; did you mean wide_flag?");
        refuse("numbers", "{with-unit: u1}", "with-unit: unknown key of numbers; did you mean with_unit?");
        refuse("lists", "{structs: [a{sv}: {id: y1, signal: {rssi: n0, snr: d0, x: y1}}]}",
               "structs.0.signal.x: unknown key of lists");
        /* A count has no key, nor has a mask. */
        refuse("blobs", "{counted: {n: y1, data: <01>}}", "counted.n: unknown key of blobs");
        refuse("validity", "{masked: {mask: q1, d: y1}}", "masked.mask: unknown key of validity");
        refuse("numbers", "{u8: y1, i8: n1, u8: y2}", "u8: given twice");

        refuse_value("numbers", QMI_REQUEST, 0, &v, "numbers: a dictionary is expected, not an integer");
}

static void test_missing(void) {
        refuse("set-secret", "{}", "info: missing");
        refuse("set-secret", "{info: {pin_value: '1'}, needed: y1}", "info.pin_id: missing");
        refuse("set-secret", "{info: {pin_id: 'online', pin_value: '1'}}", "needed: missing");
        encode("set-secret", "{info: {pin_id: 'online', pin_value: '1'}, needed: y1}",
               "01 0300 00 01 31  16 0100 01");
        /* A response may leave out what it likes. */
        encode_as("start", QMI_RESPONSE, 0, "{}", "");
        encode_as("start", QMI_RESPONSE, 0, "{handle: u7}", "01 0400 07000000");
        refuse("lists", "{with_sequence: {items: [q:]}}", "with_sequence.sequence: missing");
}

static void test_validity(void) {
        encode("validity", "{network: {id: q1, name: 'a', plmn: ''}}", "11 0b00 01 0100 01 61 000000000000");
        encode("validity", "{several: {list: [q:]}}", "12 0600 00 00 01 00 00 00");
        encode("validity", "{masked: {d: y7}}", "13 0700 0000 00 0000 00 07");
        refuse("validity", "{masked: {}}", "masked.d: missing");
        refuse("validity", "{network: {id: q1}}", "network.name: missing");
}

static void test_layouts(void) {
        encode("layouts", "{reason: 'offline'}", "10 0200 0300");
        refuse("layouts", "{detail: y5}", "detail: a dictionary is expected, not an integer");
        encode_as("layouts", QMI_REQUEST, 0x1199, "{quirk: u1, special: y1}",
                  "12 0400 01000000  13 0100 01");
        encode_as("layouts", QMI_REQUEST, 0x05C6, "{quirk: u1}", "12 0400 01000000");
        /* Unknown on another vendor's modem. */
        {
                ValueEntry e = { .key = "special", .value = { .type = VALUE_U8, .u64 = 1 } };
                Value v = { .type = VALUE_DICT, .n = 1, .entries = &e };

                refuse_value("layouts", QMI_REQUEST, 0x05C6, &v, "special: unknown key of layouts");
        }
}

/* Whatever is wrong with a secret, its value is not told. */
static void test_secret(void) {
        refuse("set-secret", "{info: {pin_id: y0, pin_value: y77}}",
               "info.pin_value: text is expected, not an integer");
        refuse("set-secret", "{info: {pin_id: y0, pin_value: '1'}, key: <7777777777>}",
               "key: 5 bytes, must be 4");
        refuse("set-secret", "{info: {pin_id: y0, pin_value: '1'}, key: [i: i777]}",
               "key: 1 bytes, must be 4");
        refuse("set-secret", "{info: {pin_id: y0, pin_value: '1'}, number: i777}",
               "number: the value does not fit in i8");
        refuse("set-secret", "{info: {pin_id: y0, pin_value: '1'}, mode: 'x777'}",
               "mode: the value is none of online, low_power, factory_test, offline");
        refuse("set-secret", "{info: {pin_id: y0, pin_value: '1'}, mode: i777}",
               "mode: the value does not fit in u8");
        refuse("set-secret", "{info: {pin_id: y0, pin_value: '1'}, radio: [s: 'x777']}",
               "radio.0: the value is none of gsm, umts, lte");
        refuse("set-secret", "{info: {pin_id: y0, pin_value: '1'}, radio: [i: i777]}",
               "radio.0: there is no such bit in u8");
        refuse("set-secret", "{info: {pin_id: y0, pin_value: '1'}, level: d777}",
               "level: the value does not fit in i8 in steps of 0.5");
        refuse("set-secret", "{info: {pin_id: y0, pin_value: '1'}, level: d7.77}",
               "level: the value is no multiple of 0.5");
        refuse("set-secret", "{info: {pin_id: y0, pin_value: '1'}, address: '777'}",
               "address: the value is no IPv4 address");
}

static void test_limits(void) {
        static char text[TLVS_MAX];
        ValueEntry entries[2] = { { .key = "plain", .value = { .type = VALUE_STRING, .string = text } },
                                  { .key = "long", .value = { .type = VALUE_STRING, .string = "" } } };
        Value v = { .type = VALUE_DICT, .n = 1, .entries = entries };
        CodecError error = {};
        TlvWriter w = {};

        refuse("set-secret", "{info: {pin_id: y0, pin_value: '1'}, limited: '12345'}",
               "limited: 5 bytes, at most 4");

        /* All that fits into a frame, and one byte more. */
        memset(text, 'a', TLVS_MAX - 3);
        check_int(message_encode(find("texts"), QMI_REQUEST, 0, &v, &w, &error), 0);
        check_int(w.n_bytes, TLVS_MAX);
        tlv_writer_done(&w);
        text[TLVS_MAX - 3] = 'a';
        check_int(message_encode(find("texts"), QMI_REQUEST, 0, &v, &w, &error), -EMSGSIZE);
        check_str(error.text, "texts: more than the 65523 bytes that a frame can carry");
        tlv_writer_done(&w);
        text[TLVS_MAX - 3] = 0;
        v.n = 2;
        check_int(message_encode(find("texts"), QMI_REQUEST, 0, &v, &w, &error), -EMSGSIZE);
        tlv_writer_done(&w);
}

/* However long what was given is, the error is valid text. */
static void test_error_is_text(void) {
        char key[400];
        ValueEntry e = { .key = key, .value = { .type = VALUE_U8 } };
        Value v = { .type = VALUE_DICT, .n = 1, .entries = &e };
        CodecError error = {};
        TlvWriter w = {};

        for (size_t n = 1; n < 150; n++) {
                key[0] = 0;
                for (size_t i = 0; i < n; i++)
                        strcat(key, i == 0 && n % 2 ? "x" : "é");
                check_int(message_encode(find("texts"), QMI_REQUEST, 0, &v, &w, &error), -EINVAL);
                check(utf8_is_valid(error.text, strlen(error.text)));
                check(strstr(error.text, "unknown key of texts"));
        }
        check_int(w.n_bytes, 0);
}

int main(void) {
        test_any_integer();
        test_scale();
        test_enum();
        test_flags();
        test_words();
        test_text();
        test_too_long_for_prefix();
        test_bytes();
        test_addresses();
        test_arrays();
        test_keys();
        test_missing();
        test_validity();
        test_layouts();
        test_secret();
        test_limits();
        test_error_is_text();
        return 0;
}
