/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scalar.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

#include "qmi/schema.h"

void scalar_done(Value *v) {
        if (v->type == VALUE_STRING)
                free((void *) (uintptr_t) v->string);
        else if (v->type == VALUE_BYTES)
                free((void *) (uintptr_t) v->bytes);
        *v = (Value){ .type = VALUE_DICT };
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -EINVAL;
}

int hex_parse(const char *text, uint8_t **ret, size_t *ret_n) {
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t n = 0;

        bytes = malloc(strlen(text) / 2 + 1);
        if (!bytes)
                return -ENOMEM;

        for (const char *p = text; *p;) {
                int high, low;

                if (isspace((unsigned char) *p)) {
                        p++;
                        continue;
                }
                high = hex_digit(p[0]);
                low = high < 0 ? high : hex_digit(p[1]);
                if (low < 0)
                        return -EINVAL;
                bytes[n++] = (uint8_t) (high << 4 | low);
                p += 2;
        }

        *ret = TAKE_PTR(bytes);
        *ret_n = n;
        return 0;
}

char *hex_format(const uint8_t *bytes, size_t n_bytes) {
        char *text, *p;

        text = p = malloc(2 * n_bytes + 1);
        if (!text)
                return NULL;
        for (size_t i = 0; i < n_bytes; i++)
                p += sprintf(p, "%02x", bytes[i]);
        *p = '\0';
        return text;
}

/* What stands behind "\u": a character of the basic plane. */
static size_t utf8_put(char *p, unsigned c) {
        if (c < 0x80) {
                p[0] = (char) c;
                return 1;
        }
        if (c < 0x800) {
                p[0] = (char) (0xC0 | c >> 6);
                p[1] = (char) (0x80 | (c & 0x3F));
                return 2;
        }
        p[0] = (char) (0xE0 | c >> 12);
        p[1] = (char) (0x80 | (c >> 6 & 0x3F));
        p[2] = (char) (0x80 | (c & 0x3F));
        return 3;
}

static int quoted_parse(const char *text, Value *ret) {
        static const char escapes[][2] = { { '"', '"' },  { '\\', '\\' }, { '/', '/' },  { 'n', '\n' },
                                           { 'r', '\r' }, { 't', '\t' },  { 'b', '\b' }, { 'f', '\f' } };
        _cleanup_free_ char *s = NULL;
        const char *p;
        size_t n = 0;

        s = malloc(strlen(text) + 1);
        if (!s)
                return -ENOMEM;

        for (p = text + 1; *p && *p != '"';) {
                const char *escape = NULL;

                if (*p != '\\') {
                        s[n++] = *p++;
                        continue;
                }
                p++;
                if (*p == 'u') {
                        unsigned c = 0;

                        for (size_t i = 1; i <= 4; i++) {
                                int digit = hex_digit(p[i]);

                                if (digit < 0)
                                        return -EINVAL;
                                c = c << 4 | (unsigned) digit;
                        }
                        if (c == 0 || (c >= 0xD800 && c < 0xE000))
                                return -EINVAL;
                        n += utf8_put(s + n, c);
                        p += 5;
                        continue;
                }
                for (size_t i = 0; i < ELEMENTSOF(escapes); i++)
                        if (*p == escapes[i][0])
                                escape = &escapes[i][1];
                if (!escape)
                        return -EINVAL;
                s[n++] = *escape;
                p++;
        }
        if (*p != '"' || p[1])
                return -EINVAL;
        s[n] = '\0';

        *ret = (Value){ .type = VALUE_STRING, .n = (uint32_t) n };
        ret->string = TAKE_PTR(s);
        return 0;
}

static bool number_parse(const char *text, Value *ret) {
        char *end;
        double d;

        if (!isdigit((unsigned char) text[text[0] == '-' || text[0] == '+']))
                return false;

        errno = 0;
        if (text[0] == '-') {
                int64_t i = strtoll(text, &end, 0);

                if (!errno && !*end) {
                        *ret = (Value){ .type = VALUE_I64, .i64 = i };
                        return true;
                }
        } else {
                uint64_t u = strtoull(text, &end, 0);

                if (!errno && !*end) {
                        *ret = (Value){ .type = VALUE_U64, .u64 = u };
                        return true;
                }
        }

        errno = 0;
        d = strtod(text, &end);
        if (errno || *end || !isfinite(d))
                return false;
        *ret = (Value){ .type = VALUE_DOUBLE, .number = d };
        return true;
}

int scalar_parse(const char *text, Value *ret) {
        char *s;

        if (text[0] == '"')
                return quoted_parse(text, ret);
        if (streq(text, "[]")) {
                *ret = (Value){ .type = VALUE_ARRAY, .signature = "s" };
                return 0;
        }
        if (streq(text, "{}")) {
                *ret = (Value){ .type = VALUE_DICT };
                return 0;
        }
        if (streq(text, "true") || streq(text, "false")) {
                *ret = (Value){ .type = VALUE_BOOL, .boolean = text[0] == 't' };
                return 0;
        }
        if (strncmp(text, "hex:", 4) == 0) {
                uint8_t *bytes;
                size_t n;
                int r;

                r = hex_parse(text + 4, &bytes, &n);
                if (r < 0)
                        return r;
                *ret = (Value){ .type = VALUE_BYTES, .n = (uint32_t) n, .bytes = bytes };
                return 0;
        }
        if (number_parse(text, ret))
                return 0;
        if (!text[0] || strpbrk(text, "\"\\[]{}"))
                return -EINVAL;

        s = strdup(text);
        if (!s)
                return -ENOMEM;
        *ret = (Value){ .type = VALUE_STRING, .n = (uint32_t) strlen(s), .string = s };
        return 0;
}

int scalar_copy(const Value *v, Value *ret) {
        Value copy = *v;

        if (v->type == VALUE_STRING) {
                copy.string = strdup(v->string);
                if (!copy.string)
                        return -ENOMEM;
        } else if (v->type == VALUE_BYTES) {
                uint8_t *bytes = malloc(v->n + 1);

                if (!bytes)
                        return -ENOMEM;
                if (v->n > 0)
                        memcpy(bytes, v->bytes, v->n);
                copy.bytes = bytes;
        } else if ((v->type == VALUE_ARRAY || v->type == VALUE_DICT || v->type == VALUE_TLVS) && v->n > 0)
                return -EINVAL;

        *ret = copy;
        return 0;
}

bool scalar_equal(const Value *a, const Value *b) {
        int64_t i, j;
        uint64_t u, w;

        if (value_get_i64(a, &i) >= 0 && value_get_i64(b, &j) >= 0)
                return i == j;
        if (value_get_u64(a, &u) >= 0 && value_get_u64(b, &w) >= 0)
                return u == w;
        if (a->type == VALUE_STRING && b->type == VALUE_STRING)
                return schema_name_equal(a->string, b->string);
        return value_equal(a, b);
}
