/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <inttypes.h>
#include <math.h>

#include "output.h"

typedef struct Json {
        FILE *file;
        bool pretty;
        unsigned depth;
} Json;

static void put_string(Json *j, const char *s) {
        putc('"', j->file);
        for (; *s; s++) {
                unsigned char c = (unsigned char) *s;

                if (c == '"' || c == '\\')
                        fprintf(j->file, "\\%c", c);
                else if (c == '\n')
                        fputs("\\n", j->file);
                else if (c == '\t')
                        fputs("\\t", j->file);
                else if (c < 0x20 || c == 0x7F)
                        fprintf(j->file, "\\u%04x", c);
                else
                        putc(c, j->file);
        }
        putc('"', j->file);
}

static void put_bytes(Json *j, const uint8_t *bytes, size_t n) {
        putc('"', j->file);
        for (size_t i = 0; i < n; i++)
                fprintf(j->file, "%02x", bytes[i]);
        putc('"', j->file);
}

static void put_break(Json *j) {
        if (!j->pretty)
                return;
        putc('\n', j->file);
        for (unsigned i = 0; i < j->depth; i++)
                putc('\t', j->file);
}

static void put_open(Json *j, char bracket) {
        putc(bracket, j->file);
        j->depth++;
}

static void put_close(Json *j, char bracket, bool empty) {
        j->depth--;
        if (!empty)
                put_break(j);
        putc(bracket, j->file);
}

static void put_next(Json *j, bool first) {
        if (!first)
                putc(',', j->file);
        put_break(j);
}

static void put_key(Json *j, const char *key) {
        put_string(j, key);
        fputs(j->pretty ? ": " : ":", j->file);
}

static void put_value(Json *j, const Value *v) {
        char number[OUTPUT_NUMBER_MAX];

        switch (v->type) {
        case VALUE_BOOL:
                fputs(v->boolean ? "true" : "false", j->file);
                return;
        case VALUE_U8:
        case VALUE_U16:
        case VALUE_U32:
        case VALUE_U64:
                fprintf(j->file, "%" PRIu64, v->u64);
                return;
        case VALUE_I16:
        case VALUE_I32:
        case VALUE_I64:
                fprintf(j->file, "%" PRIi64, v->i64);
                return;
        case VALUE_DOUBLE:
                fputs(isfinite(v->number) ? output_number(v->number, number) : "null", j->file);
                return;
        case VALUE_STRING:
                put_string(j, v->string);
                return;
        case VALUE_BYTES:
                put_bytes(j, v->bytes, v->n);
                return;
        case VALUE_ARRAY:
                put_open(j, '[');
                for (uint32_t i = 0; i < v->n; i++) {
                        put_next(j, i == 0);
                        put_value(j, &v->elements[i]);
                }
                put_close(j, ']', v->n == 0);
                return;
        case VALUE_DICT:
                put_open(j, '{');
                for (uint32_t i = 0; i < v->n; i++) {
                        put_next(j, i == 0);
                        put_key(j, v->entries[i].key);
                        put_value(j, &v->entries[i].value);
                }
                put_close(j, '}', v->n == 0);
                return;
        case VALUE_TLVS:
                put_open(j, '[');
                for (uint32_t i = 0; i < v->n; i++) {
                        put_next(j, i == 0);
                        put_open(j, '{');
                        put_next(j, true);
                        put_key(j, "id");
                        fprintf(j->file, "%u", v->tlvs[i].id);
                        put_next(j, false);
                        put_key(j, "bytes");
                        put_bytes(j, v->tlvs[i].bytes, v->tlvs[i].n_bytes);
                        put_close(j, '}', false);
                }
                put_close(j, ']', v->n == 0);
                return;
        }
        assert(false);
}

int json_print(FILE *f, const Value *v, JsonMode mode) {
        Json j = { .file = f, .pretty = mode == JSON_PRETTY };

        put_value(&j, v);
        putc('\n', f);
        if (fflush(f) < 0 || ferror(f))
                return cli_error(EXIT_REFUSED, "cannot write the output");
        return EXIT_OK;
}
