/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notation.h"

#include <ctype.h>
#include <inttypes.h>

#include "unit.h"

static void show(FILE *f, const Value *v);

static void show_bytes(FILE *f, const uint8_t *bytes, size_t n) {
        fputc('<', f);
        for (size_t i = 0; i < n; i++)
                fprintf(f, "%02x", bytes[i]);
        fputc('>', f);
}

static void show(FILE *f, const Value *v) {
        const char *separator = "";

        switch (v->type) {
        case VALUE_BOOL:
                fputs(v->boolean ? "true" : "false", f);
                break;
        case VALUE_U8:
        case VALUE_U16:
        case VALUE_U32:
        case VALUE_U64:
                fprintf(f, "%c%" PRIu64, v->type, v->u64);
                break;
        case VALUE_I16:
        case VALUE_I32:
        case VALUE_I64:
                fprintf(f, "%c%" PRId64, v->type, v->i64);
                break;
        case VALUE_DOUBLE:
                fprintf(f, "d%.15g", v->number);
                break;
        case VALUE_STRING:
                fprintf(f, "'%s'", v->string);
                break;
        case VALUE_BYTES:
                show_bytes(f, v->bytes, v->n);
                break;
        case VALUE_ARRAY:
                fprintf(f, "[%s:", v->signature);
                for (uint32_t i = 0; i < v->n; i++, separator = ",") {
                        fprintf(f, "%s ", separator);
                        show(f, &v->elements[i]);
                }
                fputc(']', f);
                break;
        case VALUE_DICT:
                fputc('{', f);
                for (uint32_t i = 0; i < v->n; i++, separator = ", ") {
                        fprintf(f, "%s%s: ", separator, v->entries[i].key);
                        show(f, &v->entries[i].value);
                }
                fputc('}', f);
                break;
        case VALUE_TLVS:
                fputc('[', f);
                for (uint32_t i = 0; i < v->n; i++, separator = ", ") {
                        fprintf(f, "%s%02x: ", separator, v->tlvs[i].id);
                        show_bytes(f, v->tlvs[i].bytes, v->tlvs[i].n_bytes);
                }
                fputc(']', f);
                break;
        }
}

const char *value_to_text(const Value *v, Arena *a) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        FILE *f;

        f = open_memstream(&text, &n);
        check(f);
        show(f, v);
        fclose(f);
        return arena_strndup(a, text, n);
}

static void expect(const char **p, const char *what) {
        if (strncmp(*p, what, strlen(what)) != 0) {
                fprintf(stderr, "test: '%s' expected before '%s'\n", what, *p);
                abort();
        }
        *p += strlen(what);
}

static bool skip(const char **p, const char *what) {
        if (strncmp(*p, what, strlen(what)) != 0)
                return false;
        *p += strlen(what);
        return true;
}

static char *take_until(const char **p, const char *end, Arena *a) {
        size_t n = strcspn(*p, end);
        char *s = arena_strndup(a, *p, n);

        check(s);
        *p += n;
        return s;
}

static Value parse(const char **p, Arena *a);

static Value parse_dict(const char **p, Arena *a) {
        Value v = { .type = VALUE_DICT };

        while (!skip(p, "}")) {
                char *key = take_until(p, ":", a);
                Value element;

                expect(p, ": ");
                element = parse(p, a);
                *value_dict_add(&v, a, key) = element;
                (void) skip(p, ", ");
        }
        return v;
}

static Value parse_array(const char **p, Arena *a) {
        Value v = { .type = VALUE_ARRAY, .signature = take_until(p, ":", a) };

        expect(p, ":");
        v.elements = arena_alloc(a, strlen(*p) * sizeof(Value));
        check(v.elements);
        while (!skip(p, "]")) {
                expect(p, " ");
                v.elements[v.n++] = parse(p, a);
                (void) skip(p, ",");
        }
        return v;
}

static Value parse(const char **p, Arena *a) {
        Value v = {};
        char *end;

        if (skip(p, "{"))
                return parse_dict(p, a);
        if (skip(p, "["))
                return parse_array(p, a);
        if (skip(p, "true"))
                return (Value){ .type = VALUE_BOOL, .boolean = true };
        if (skip(p, "false"))
                return (Value){ .type = VALUE_BOOL };
        if (skip(p, "'")) {
                v = (Value){ .type = VALUE_STRING, .string = take_until(p, "'", a) };
                expect(p, "'");
                return v;
        }
        if (skip(p, "<")) {
                _cleanup_bytes_ Bytes b = bytes_from_hex(take_until(p, ">", a));

                expect(p, ">");
                v = (Value){ .type = VALUE_BYTES, .n = (uint32_t) b.n };
                v.bytes = (const uint8_t *) arena_strndup(a, (const char *) b.bytes, b.n);
                return v;
        }

        v.type = (ValueType) * *p;
        check(strchr("ynqiuxtd", **p) && **p);
        ++*p;
        if (v.type == VALUE_DOUBLE)
                v.number = strtod(*p, &end);
        else if (v.type == VALUE_I16 || v.type == VALUE_I32 || v.type == VALUE_I64)
                v.i64 = strtoll(*p, &end, 10);
        else
                v.u64 = strtoull(*p, &end, 10);
        check(end > *p);
        *p = end;
        return v;
}

Value value_from_text(const char *text, Arena *a) {
        Value v = parse(&text, a);

        expect(&text, "");
        check_int(*text, 0);
        return v;
}

Bytes bytes_from_hex(const char *hex) {
        Bytes b = { .bytes = malloc(strlen(hex) / 2 + 1) };
        unsigned byte;

        check(b.bytes);
        for (; *hex; hex += 2) {
                while (isspace((unsigned char) *hex))
                        hex++;
                if (!*hex)
                        break;
                check_int(sscanf(hex, "%2x", &byte), 1);
                b.bytes[b.n++] = (uint8_t) byte;
        }

        /* Of just that size, so that reading past the end shows. */
        b.bytes = realloc(b.bytes, MAX(b.n, (size_t) 1));
        check(b.bytes);
        return b;
}
