/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scalar.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "qmi/codec-error.h"
#include "qmi/text.h"

bool scalar_is(const SchemaType *t) {
        return t->kind != SCHEMA_STRUCT && t->kind != SCHEMA_BITS && t->kind != SCHEMA_ARRAY;
}

int boolean_parse(const char *word) {
        static const char *const yes[] = { "yes", "true", "on", "1" }, *const no[] = { "no", "false", "off",
                                                                                       "0" };

        for (size_t i = 0; i < ELEMENTSOF(yes); i++) {
                if (strcasecmp(word, yes[i]) == 0)
                        return 1;
                if (strcasecmp(word, no[i]) == 0)
                        return 0;
        }
        return -EINVAL;
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

int hex_parse(const char *word, Arena *a, const uint8_t **ret_bytes, size_t *ret_n_bytes) {
        size_t n = 0;
        uint8_t *bytes = arena_alloc(a, strlen(word) / 2);

        if (!bytes)
                return -ENOMEM;
        for (const char *p = word; *p;) {
                int high, low;

                if (n > 0 && (*p == ':' || *p == ' '))
                        p++;
                high = hex_digit(p[0]);
                if (high < 0)
                        return -EINVAL;
                low = hex_digit(p[1]);
                if (low < 0)
                        return -EINVAL;
                bytes[n++] = (uint8_t) (high << 4 | low);
                p += 2;
        }
        *ret_bytes = bytes;
        *ret_n_bytes = n;
        return 0;
}

/* A whole number as people write it: decimal or 0x, a sign for those below zero. Sets *ret_negative and the
 * magnitude. -EINVAL, -ERANGE. */
static int magnitude_parse(const char *word, bool *ret_negative, uint64_t *ret) {
        bool negative = *word == '-', hex;
        unsigned long long v;
        const char *digits = word;
        char *end;

        if (*digits == '-' || *digits == '+')
                digits++;
        /* strtoull() would take blanks, a second sign, and octal. */
        hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
        if (hex ? !isxdigit((unsigned char) digits[2]) : !isdigit((unsigned char) digits[0]))
                return -EINVAL;
        errno = 0;
        v = strtoull(hex ? digits + 2 : digits, &end, hex ? 16 : 10);
        if (*end)
                return -EINVAL;
        if (errno == ERANGE)
                return -ERANGE;
        *ret_negative = negative && v != 0;
        *ret = v;
        return 0;
}

static int unsigned_parse(unsigned bits, const char *word, Arena *a, uint64_t *ret, const char **ret_why) {
        uint64_t v, max = bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
        bool negative;
        int r;

        r = magnitude_parse(word, &negative, &v);
        if (r == -EINVAL) {
                *ret_why = "is no whole number";
                return -EINVAL;
        }
        if (r < 0 || negative || v > max) {
                *ret_why = arena_printf(a, "is out of range, 0 to %" PRIu64, max);
                return *ret_why ? -EINVAL : -ENOMEM;
        }
        *ret = v;
        return 0;
}

static int signed_parse(unsigned bits, const char *word, Arena *a, int64_t *ret, const char **ret_why) {
        int64_t max = bits >= 64 ? INT64_MAX : (INT64_C(1) << (bits - 1)) - 1;
        bool negative;
        uint64_t v;
        int r;

        r = magnitude_parse(word, &negative, &v);
        if (r == -EINVAL) {
                *ret_why = "is no whole number";
                return -EINVAL;
        }
        if (r < 0 || v > (uint64_t) max + negative) {
                *ret_why = arena_printf(a, "is out of range, %" PRId64 " to %" PRId64, -max - 1, max);
                return *ret_why ? -EINVAL : -ENOMEM;
        }
        *ret = negative ? -(int64_t) (v - 1) - 1 : (int64_t) v;
        return 0;
}

static int double_parse(const char *word, double *ret) {
        char *end;
        double v;

        if (isspace((unsigned char) *word))
                return -EINVAL;
        v = strtod(word, &end); /* the program never leaves the C locale */
        if (end == word || *end)
                return -EINVAL;
        *ret = v;
        return 0;
}

/* The symbol as the schema has it, or the number in decimal; both are what the bus takes. */
static int symbol_parse(const SchemaType *t, bool secret, const char *word, Arena *a, const char **ret,
                        const char **ret_why) {
        char text[NO_SYMBOL_TEXT_MAX];
        bool negative;
        uint32_t known;
        uint64_t v;
        char *s;

        if (schema_enum_value(t->item, word, &known) >= 0) {
                *ret = schema_enum_symbol(t->item, known);
                return 0;
        }

        if (t->kind == SCHEMA_ENUM && magnitude_parse(word, &negative, &v) >= 0) {
                if (t->flags & SCHEMA_SIGNED ? v > (UINT64_C(1) << (t->width * 8 - 1)) - !negative
                                             : negative || (t->width < 8 && v >> (t->width * 8))) {
                        *ret_why = "is out of range";
                        return -EINVAL;
                }
                s = arena_printf(a, "%s%" PRIu64, negative ? "-" : "", v);
        } else if (t->kind == SCHEMA_FLAGS && strncmp(word, "bit", 3) == 0 &&
                   isdigit((unsigned char) word[3])) {
                if (magnitude_parse(word + 3, &negative, &v) < 0 || v >= t->width * 8U) {
                        *ret_why =
                                arena_printf(a, "has a bit out of range, bit0 to bit%u", t->width * 8U - 1);
                        return *ret_why ? -EINVAL : -ENOMEM;
                }
                s = arena_printf(a, "bit%" PRIu64, v);
        } else {
                *ret_why = arena_printf(a, "%s",
                                        no_symbol_text(t->item, secret ? NULL : word, text, sizeof(text)));
                return *ret_why ? -EINVAL : -ENOMEM;
        }
        if (!s)
                return -ENOMEM;
        *ret = s;
        return 0;
}

static int flags_parse(const SchemaType *t, bool secret, const char *word, Arena *a, Value *ret,
                       const char **ret_why) {
        size_t n = *word ? 1 : 0;
        bool negative;
        uint64_t v;
        int r;

        *ret = (Value){ .type = VALUE_ARRAY, .signature = "s" };

        /* The bits as one number. */
        if (magnitude_parse(word, &negative, &v) >= 0) {
                if (negative || (t->width < 8 && v >> (t->width * 8))) {
                        *ret_why = "is out of range";
                        return -EINVAL;
                }
                ret->elements = arena_alloc(a, sizeof(Value) * 64);
                if (!ret->elements)
                        return -ENOMEM;
                for (unsigned bit = 0; bit < 64; bit++) {
                        const char *symbol;

                        if (!(v >> bit & 1))
                                continue;
                        symbol = schema_enum_symbol(t->item, bit) ?: arena_printf(a, "bit%u", bit);
                        if (!symbol)
                                return -ENOMEM;
                        ret->elements[ret->n++] = (Value){ .type = VALUE_STRING, .string = symbol };
                }
                return 0;
        }

        for (const char *p = word; *p; p++)
                n += *p == ',';
        ret->elements = arena_alloc(a, sizeof(Value) * n);
        if (!ret->elements)
                return -ENOMEM;
        for (const char *p = word; n > 0; n--) {
                size_t length = strcspn(p, ",");
                const char *one, *symbol;

                one = arena_strndup(a, p, length);
                if (!one)
                        return -ENOMEM;
                r = symbol_parse(t, secret, one, a, &symbol, ret_why);
                if (r < 0)
                        return r;
                ret->elements[ret->n++] = (Value){ .type = VALUE_STRING, .string = symbol };
                p += length + 1;
        }
        return 0;
}

int scalar_parse(const SchemaType *t, unsigned bits, bool secret, const char *word, Arena *a, Value *ret,
                 const char **ret_why) {
        unsigned width = bits > 0 ? bits : t->width * 8U;
        Value v = { .type = (ValueType) schema_string(t->signature)[0] };
        size_t n_bytes;
        int r;

        switch ((SchemaKind) t->kind) {
        case SCHEMA_UINT:
        case SCHEMA_INT:
        case SCHEMA_FLOAT:
                if (v.type == VALUE_DOUBLE) { /* it is a float, or it has a scale */
                        if (double_parse(word, &v.number) < 0) {
                                *ret_why = "is no number";
                                return -EINVAL;
                        }
                        r = 0;
                } else if (t->kind == SCHEMA_UINT)
                        r = unsigned_parse(width, word, a, &v.u64, ret_why);
                else
                        r = signed_parse(width, word, a, &v.i64, ret_why);
                if (r < 0)
                        return r;
                break;
        case SCHEMA_BOOL:
        case SCHEMA_EMPTY:
                r = boolean_parse(word);
                if (r < 0) {
                        *ret_why = "is neither yes nor no";
                        return -EINVAL;
                }
                v.boolean = r;
                break;
        case SCHEMA_ENUM:
                r = symbol_parse(t, secret, word, a, &v.string, ret_why);
                if (r < 0)
                        return r;
                break;
        case SCHEMA_FLAGS:
                r = flags_parse(t, secret, word, a, &v, ret_why);
                if (r < 0)
                        return r;
                break;
        case SCHEMA_BYTES:
                v.type = VALUE_BYTES;
                r = hex_parse(word, a, &v.bytes, &n_bytes);
                if (r == -EINVAL)
                        *ret_why = "is no sequence of bytes in hexadecimal";
                if (r < 0)
                        return r;
                v.n = (uint32_t) n_bytes;
                break;
        case SCHEMA_STRING:
        case SCHEMA_IPV4:
        case SCHEMA_IPV6:
        case SCHEMA_PLMN_BCD:
        case SCHEMA_PLMN_ASCII:
        case SCHEMA_PLMN_BINARY:
                if (!utf8_is_valid(word, strlen(word))) {
                        *ret_why = "is no UTF-8 text";
                        return -EINVAL;
                }
                v.string = arena_strndup(a, word, strlen(word));
                if (!v.string)
                        return -ENOMEM;
                break;
        case SCHEMA_ARRAY:
        case SCHEMA_STRUCT:
        case SCHEMA_BITS:
        case _SCHEMA_KIND_MAX:
                *ret_why = "is no single value";
                return -EINVAL;
        }
        *ret = v;
        return 0;
}
