/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"
#include "output.h"
#include "table.h"
#include "unit.h"

/* What a function writes, as text. */
typedef struct Sink {
        char *text;
        size_t n;
        FILE *file;
} Sink;

static FILE *sink_open(Sink *s) {
        free(s->text);
        s->file = open_memstream(&s->text, &s->n);
        check(s->file);
        return s->file;
}

static const char *sink_close(Sink *s) {
        check_int(fclose(s->file), 0);
        return s->text;
}

static void sink_done(Sink *s) {
        free(s->text);
}

static Value *add(Value *dict, Arena *a, const char *key, Value v) {
        Value *place = value_dict_add(dict, a, key);

        check(place);
        *place = v;
        return place;
}

static void test_numbers(void) {
        char buffer[OUTPUT_NUMBER_MAX];

        check_str(output_number(0, buffer), "0");
        check_str(output_number(-9.5, buffer), "-9.5");
        check_str(output_number(0.1, buffer), "0.1");
        check_str(output_number(30, buffer), "30");
        check_str(output_number(-120, buffer), "-120");
        check_str(output_number(1.0 / 3, buffer), "0.3333333333333333");
        check_str(output_number(1e300, buffer), "1e+300");
        check_str(output_number(123456789.25, buffer), "123456789.25");
}

static const char *shown(Sink *s, const char *text) {
        output_text(sink_open(s), text);
        return sink_close(s);
}

static void test_text(void) {
        _cleanup_(sink_done) Sink s = {};

        check_str(shown(&s, "Telekom.de \xc3\xa9"), "Telekom.de \xc3\xa9");
        check_str(shown(&s, "a\nb\x1b[2J\x7f"), "a\\nb\\x1b[2J\\x7f");
        check_str(shown(&s, "\xc2\x9b"
                            "5n"),
                  "\\xc2\\x9b5n");                                   /* CSI in one character */
        check_str(shown(&s, "x\xe2\x80\xaey"), "x\\xe2\\x80\\xaey"); /* right to left from here on */
        check_int(output_text_width("\xc3\xa9t\xc3\xa9"), 3);
        check_int(output_text_width("a\nb\x1b"), 1 + 2 + 1 + 4);
        check_int(output_text_width("\xc2\x9b"), 8);
}

static void test_json(void) {
        static const uint8_t bytes[] = { 0x00, 0xAB };
        Value numbers[] = { { .type = VALUE_DOUBLE, .number = -0.5 },
                            { .type = VALUE_DOUBLE, .number = __builtin_nan("") },
                            { .type = VALUE_DOUBLE, .number = __builtin_inf() } };
        Tlv tlv = { .id = 0x2A, .n_bytes = 2, .bytes = bytes };
        Value dict = { .type = VALUE_DICT }, inner = { .type = VALUE_DICT };
        _cleanup_(sink_done) Sink s = {};
        Arena a;

        arena_init(&a);
        add(&inner, &a, "yes", (Value){ .type = VALUE_BOOL, .boolean = true });
        add(&dict, &a, "a", (Value){ .type = VALUE_I64, .i64 = INT64_MIN });
        add(&dict, &a, "b", (Value){ .type = VALUE_U64, .u64 = UINT64_MAX });
        add(&dict, &a, "c", (Value){ .type = VALUE_STRING, .string = "\"\\\n\t\x01\x7f\xc3\xa9" });
        add(&dict, &a, "d", (Value){ .type = VALUE_BYTES, .n = 2, .bytes = bytes });
        add(&dict, &a, "e", (Value){ .type = VALUE_ARRAY, .signature = "d", .n = 3, .elements = numbers });
        add(&dict, &a, "f", inner);
        add(&dict, &a, "g", (Value){ .type = VALUE_TLVS, .n = 1, .tlvs = &tlv });
        add(&dict, &a, "h", (Value){ .type = VALUE_ARRAY, .signature = "s" });

        check_int(json_print(sink_open(&s), &dict, JSON_SHORT), EXIT_OK);
        check_str(sink_close(&s),
                  "{\"a\":-9223372036854775808,\"b\":18446744073709551615,"
                  "\"c\":\"\\\"\\\\\\n\\t\\u0001\\u007f\xc3\xa9\",\"d\":\"00ab\",\"e\":[-0.5,null,null],"
                  "\"f\":{\"yes\":true},\"g\":[{\"id\":42,\"bytes\":\"00ab\"}],\"h\":[]}\n");

        check_int(json_print(sink_open(&s), &inner, JSON_PRETTY), EXIT_OK);
        check_str(sink_close(&s), "{\n\t\"yes\": true\n}\n");
        arena_done(&a);
}

/* The response of [message.measure] in cli.toml, with what a schema does not know. */
static void test_dict(void) {
        const SchemaMessage *m = schema_message_by_name(schema_service_by_name("lab"), "measure");
        static const uint8_t bytes[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09,
                                         0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x10, 0x11, 0x12,
                                         0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A };
        Value parts[] = { { .type = VALUE_STRING, .string = "first" },
                          { .type = VALUE_STRING, .string = "bit7" } };
        Value levels[] = { { .type = VALUE_I16, .i64 = -90 }, { .type = VALUE_I16, .i64 = -80 } };
        Value dict = { .type = VALUE_DICT }, place = { .type = VALUE_DICT }, answer = { .type = VALUE_DICT };
        Tlv tlv = { .id = 0x2A, .n_bytes = 3, .bytes = bytes };
        _cleanup_(sink_done) Sink s = {};
        Arena a;

        arena_init(&a);
        add(&place, &a, "x", (Value){ .type = VALUE_I16, .i64 = -95 });
        add(&place, &a, "scale", (Value){ .type = VALUE_DOUBLE, .number = 2.5 });
        add(&answer, &a, "a", (Value){ .type = VALUE_U8, .u64 = 9 });

        add(&dict, &a, "place", place);
        add(&dict, &a, "parts", (Value){ .type = VALUE_ARRAY, .signature = "s", .n = 2, .elements = parts });
        add(&dict, &a, "places",
            (Value){ .type = VALUE_ARRAY, .signature = "a{sv}", .n = 1, .elements = &place });
        add(&dict, &a, "answer", answer); /* fits both layouts: the first has the say */
        add(&dict, &a, "data", (Value){ .type = VALUE_BYTES, .n = sizeof(bytes), .bytes = bytes });
        add(&dict, &a, "levels",
            (Value){ .type = VALUE_ARRAY, .signature = "n", .n = 2, .elements = levels });
        add(&dict, &a, "name", (Value){ .type = VALUE_STRING, .string = "\x1b[31mred" });
        add(&dict, &a, "unknown_tlvs", (Value){ .type = VALUE_TLVS, .n = 1, .tlvs = &tlv });
        add(&dict, &a, "withheld", (Value){ .type = VALUE_ARRAY, .signature = "s" });

        output_dict(sink_open(&s), m, QMI_RESPONSE, &dict, 2);
        check_str(sink_close(&s),
                  "  place:\n"
                  "    x      -95 dBm\n"
                  "    scale  2.5 dB\n"
                  "  parts     first, bit7\n"
                  "  places:\n"
                  "    0:\n"
                  "      x      -95 dBm\n"
                  "      scale  2.5 dB\n"
                  "  answer:\n"
                  "    a  9 dB\n"
                  "  data      01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17\n"
                  "            18 19 1a\n"
                  "  levels    -90 dBm, -80 dBm\n"
                  "  name      \\x1b[31mred\n"
                  "  unknown_tlvs:\n"
                  "    0x2a  01 02 03\n"
                  "  withheld  none\n");
        arena_done(&a);
}

static void test_table(void) {
        static const char *const headers[] = { "NAME", "STATE", "PORT" };
        _cleanup_(sink_done) Sink s = {};
        const char **cells;
        Arena a;

        arena_init(&a);
        Table t = { .arena = &a, .headers = headers, .n_columns = ELEMENTSOF(headers) };
        for (size_t i = 0; i < 20; i++) {
                cells = table_add(&t);
                cells[0] = i == 0 ? "\xc3\xa9" : "much-longer";
                cells[1] = i == 0 ? "a\x1b" : NULL;
        }
        t.n_rows = 2;

        table_print(&t, sink_open(&s), true);
        check_str(sink_close(&s), "NAME         STATE  PORT\n"
                                  "\xc3\xa9            a\\x1b\n"
                                  "much-longer\n");
        table_print(&t, sink_open(&s), false);
        check_str(sink_close(&s), "\xc3\xa9            a\\x1b\n"
                                  "much-longer\n");
        arena_done(&a);
}

int main(void) {
        /* Lines are as long as the terminal of standard output allows; without one they have 80 columns. */
        check(freopen("/dev/null", "w", stdout));

        test_numbers();
        test_text();
        test_json();
        test_dict();
        test_table();
        return 0;
}
