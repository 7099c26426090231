/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmi/encode-word.h"

#include <inttypes.h>
#include <stdio.h>

#include "qmi/word.h"

/* "300 does not fit in i16" */
static int does_not_fit(CodecError *error, const CodecPath *at, const char *value, bool is_signed,
                        unsigned bits) {
        if (at->is_secret)
                value = "the value";
        if (bits % 8 != 0)
                return codec_fail(error, at, "%.60s does not fit in %u bits", value, bits);
        return codec_fail(error, at, "%.60s does not fit in %s%u", value, is_signed ? "i" : "u", bits);
}

int value_to_integer(CodecError *error, const CodecPath *at, const Value *v, bool is_signed, unsigned bits,
                     const char *expected, uint64_t *ret) {
        uint64_t u = 0;
        int64_t i = 0;
        char text[24];
        bool fits;
        int r;

        r = value_get_i64(v, &i);
        if (r == -EINVAL)
                return codec_fail_type(error, at, v, expected);
        if (r < 0) { /* above INT64_MAX */
                (void) value_get_u64(v, &u);
                (void) snprintf(text, sizeof(text), "%" PRIu64, u);
                fits = !is_signed && word_fits_unsigned(u, bits);
        } else {
                u = (uint64_t) i;
                (void) snprintf(text, sizeof(text), "%" PRId64, i);
                fits = is_signed ? word_fits_signed(i, bits) : i >= 0 && word_fits_unsigned(u, bits);
        }
        if (!fits)
                return does_not_fit(error, at, text, is_signed, bits);
        *ret = u & word_mask(bits);
        return 0;
}

int value_to_double(CodecError *error, const CodecPath *at, const Value *v, double *ret) {
        uint64_t u;
        int64_t i;

        if (v->type == VALUE_DOUBLE)
                *ret = v->number;
        else if (value_get_i64(v, &i) >= 0)
                *ret = (double) i;
        else if (value_get_u64(v, &u) >= 0)
                *ret = (double) u;
        else
                return codec_fail_type(error, at, v, "a number");
        return 0;
}

static int number_to_word(CodecError *error, const CodecPath *at, const SchemaType *t, const Value *v,
                          unsigned bits, uint64_t *ret) {
        const SchemaNumber *n = schema_numbers + t->number;
        double d, step = (double) n->multiplier / n->divisor;
        bool is_signed = t->kind == SCHEMA_INT;
        char text[32] = "the value";
        int r;

        if (!n->has_scale)
                return value_to_integer(error, at, v, is_signed, bits, "an integer", ret);
        r = value_to_double(error, at, v, &d);
        if (r < 0)
                return r;

        if (!at->is_secret)
                (void) snprintf(text, sizeof(text), "%.10g", d);
        r = word_unscale(n, d, is_signed, bits, ret);
        if (r == -EDOM)
                return codec_fail(error, at, "%s is no multiple of %.10g", text, step);
        if (r < 0)
                return codec_fail(error, at, "%s does not fit in %s%u in steps of %.10g", text,
                                  is_signed ? "i" : "u", bits, step);
        return 0;
}

/* "-5": an integer that fits 64 bits, and nothing else. */
static bool parse_decimal(const char *s, Value *ret) {
        const char *digits = *s == '-' ? s + 1 : s;

        if (*digits == 0 || strspn(digits, "0123456789") != strlen(digits))
                return false;
        errno = 0;
        if (*s == '-')
                *ret = (Value){ .type = VALUE_I64, .i64 = strtoll(s, NULL, 10) };
        else
                *ret = (Value){ .type = VALUE_U64, .u64 = strtoull(s, NULL, 10) };
        return errno == 0;
}

static int no_symbol(CodecError *error, const CodecPath *at, uint16_t enum_row, const char *wrong) {
        char text[NO_SYMBOL_TEXT_MAX];

        return codec_fail(error, at, "%s",
                          no_symbol_text(enum_row, at->is_secret ? NULL : wrong, text, sizeof(text)));
}

static int enum_to_word(CodecError *error, const CodecPath *at, const SchemaType *t, const Value *v,
                        unsigned bits, uint64_t *ret) {
        bool is_signed = t->flags & SCHEMA_SIGNED;
        Value number;
        uint32_t u;

        if (v->type == VALUE_STRING) {
                if (schema_enum_value(t->item, v->string, &u) >= 0)
                        number = is_signed ? (Value){ .type = VALUE_I64, .i64 = (int32_t) u }
                                           : (Value){ .type = VALUE_U64, .u64 = u };
                else if (!parse_decimal(v->string, &number))
                        return no_symbol(error, at, t->item, v->string);
                v = &number;
        }
        return value_to_integer(error, at, v, is_signed, bits, "a symbol or an integer", ret);
}

/* One flag of an array: a symbol, "bit17" or the number of a bit. */
static int flag_to_bit(CodecError *error, const CodecPath *at, const SchemaType *t, const Value *v,
                       unsigned bits, unsigned *ret) {
        uint64_t bit;
        Value number;
        uint32_t u;
        int r;

        if (v->type == VALUE_STRING) {
                const char *s = v->string;

                if (schema_enum_value(t->item, s, &u) >= 0)
                        number = (Value){ .type = VALUE_U64, .u64 = u };
                else if (!parse_decimal(strncmp(s, "bit", 3) == 0 ? s + 3 : s, &number))
                        return no_symbol(error, at, t->item, s);
                v = &number;
        }
        r = value_get_u64(v, &bit);
        if (r == -EINVAL)
                return codec_fail_type(error, at, v, "a symbol or the number of a bit");
        if (r < 0 || bit >= bits) {
                if (at->is_secret || r < 0)
                        return codec_fail(error, at, "there is no such bit in u%u", bits);
                return codec_fail(error, at, "bit %" PRIu64 " does not fit in u%u", bit, bits);
        }
        *ret = (unsigned) bit;
        return 0;
}

int value_to_flags(CodecError *error, const CodecPath *at, const SchemaType *t, const Value *v,
                   unsigned bits, uint8_t *bytes) {
        uint64_t word;
        unsigned bit = 0;
        int r;

        if (v->type == VALUE_BYTES && v->n == 0)
                return 0; /* an empty array is of any type */
        if (v->type != VALUE_ARRAY) {
                r = value_to_integer(error, at, v, false, MIN(bits, 64U), "an array of symbols", &word);
                if (r < 0)
                        return r;
                word_write(bytes, MIN((bits + 7) / 8, 8U), false, word);
                return 0;
        }
        for (uint32_t i = 0; i < v->n; i++) {
                CodecPath element = { .parent = at, .index = i, .is_secret = at->is_secret };

                r = flag_to_bit(error, &element, t, &v->elements[i], bits, &bit);
                if (r < 0)
                        return r;
                bytes[bit / 8] |= (uint8_t) (1 << bit % 8);
        }
        return 0;
}

int value_to_word(CodecError *error, const CodecPath *at, const SchemaType *t, const Value *v, unsigned bits,
                  uint64_t *ret) {
        uint8_t bytes[8] = {};
        int r;

        switch (t->kind) {
        case SCHEMA_BOOL:
                if (v->type == VALUE_BOOL) {
                        *ret = v->boolean;
                        return 0;
                }
                r = value_to_integer(error, at, v, false, 64, "a boolean", ret);
                if (r < 0)
                        return r;
                return *ret <= 1 ? 0 : codec_fail(error, at, "a boolean is 0 or 1");
        case SCHEMA_ENUM:
                return enum_to_word(error, at, t, v, bits, ret);
        case SCHEMA_FLAGS:
                r = value_to_flags(error, at, t, v, bits, bytes);
                if (r < 0)
                        return r;
                *ret = word_read(bytes, sizeof(bytes), false);
                return 0;
        default:
                return number_to_word(error, at, t, v, bits, ret);
        }
}
