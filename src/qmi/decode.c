/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "qmi/address.h"
#include "qmi/codec.h"
#include "qmi/decode.h"
#include "qmi/text.h"
#include "qmi/word.h"

#define STRUCT_FIELDS_MAX 255U /* the compiler of the schema sees to it */

static const uint8_t *take(Cursor *c, size_t n) {
        const uint8_t *p = c->next;

        if (n > c->left)
                return NULL;
        c->next += n;
        c->left -= n;
        return p;
}

static ValueType integer_type(bool is_signed, unsigned width) {
        if (width == 1)
                return is_signed ? VALUE_I16 : VALUE_U8;
        if (width == 2)
                return is_signed ? VALUE_I16 : VALUE_U16;
        if (width <= 4)
                return is_signed ? VALUE_I32 : VALUE_U32;
        return is_signed ? VALUE_I64 : VALUE_U64;
}

static void decode_number(const SchemaType *t, uint64_t word, unsigned bits, Value *ret, Aside *aside) {
        const SchemaNumber *n = schema_numbers + t->number;
        bool is_signed = t->kind == SCHEMA_INT;

        if (n->has_scale)
                *ret = (Value){ .type = VALUE_DOUBLE, .number = word_scale(n, word, is_signed, bits) };
        else if (is_signed)
                *ret = (Value){ .type = integer_type(true, t->width), .i64 = word_signed(word, bits) };
        else
                *ret = (Value){ .type = integer_type(false, t->width), .u64 = word };
        aside->absent = n->has_sentinel && word == ((uint64_t) n->sentinel & word_mask(bits));
}

static int decode_enum(const SchemaType *t, uint64_t word, unsigned bits, Arena *a, Value *ret) {
        bool is_signed = t->flags & SCHEMA_SIGNED;
        int64_t i = word_signed(word, bits);
        const char *s = NULL;

        /* Symbols are of 32 bits: a number that is wider has none. */
        if (is_signed ? word_fits_signed(i, 32) : word_fits_unsigned(word, 32))
                s = schema_enum_symbol(t->item, (uint32_t) (is_signed ? (uint64_t) i : word));
        if (!s)
                s = is_signed ? arena_printf(a, "%" PRId64, i) : arena_printf(a, "%" PRIu64, word);
        if (!s)
                return -ENOMEM;
        *ret = (Value){ .type = VALUE_STRING, .string = s };
        return 0;
}

/* `bytes`: lowest first. */
static int decode_flags(const SchemaType *t, const uint8_t *bytes, size_t n_bytes, Arena *a, Value *ret) {
        Value array = { .type = VALUE_ARRAY, .signature = "s" };
        uint32_t n = 0;

        for (size_t i = 0; i < n_bytes; i++)
                n += (uint32_t) __builtin_popcount(bytes[i]);
        array.elements = arena_alloc(a, n * sizeof(Value));
        if (!array.elements)
                return -ENOMEM;

        for (unsigned bit = 0; bit < n_bytes * 8; bit++) {
                const char *s;

                if (!(bytes[bit / 8] >> (bit % 8) & 1))
                        continue;
                s = schema_enum_symbol(t->item, bit);
                if (!s)
                        s = arena_printf(a, "bit%u", bit);
                if (!s)
                        return -ENOMEM;
                array.elements[array.n++] = (Value){ .type = VALUE_STRING, .string = s };
        }
        *ret = array;
        return 0;
}

/* A number, boolean, enum or flags from a word of `bits` bits. */
static int decode_word(const SchemaType *t, uint64_t word, unsigned bits, Arena *a, Value *ret,
                       Aside *aside) {
        uint8_t bytes[8];

        switch (t->kind) {
        case SCHEMA_BOOL:
                *ret = (Value){ .type = VALUE_BOOL, .boolean = word != 0 };
                return 0;
        case SCHEMA_ENUM:
                return decode_enum(t, word, bits, a, ret);
        case SCHEMA_FLAGS:
                word_write(bytes, sizeof(bytes), false, word);
                return decode_flags(t, bytes, sizeof(bytes), a, ret);
        default:
                decode_number(t, word, bits, ret, aside);
                return 0;
        }
}

static int decode_wide_flags(Cursor *c, const SchemaType *t, Value *ret) {
        const uint8_t *p = take(c, t->width);
        uint8_t bytes[64];

        if (!p)
                return -EBADMSG;
        for (size_t i = 0; i < t->width; i++)
                bytes[i] = p[t->flags & SCHEMA_BIG_ENDIAN ? t->width - 1 - i : i];
        return decode_flags(t, bytes, t->width, c->arena, ret);
}

static int decode_float(Cursor *c, const SchemaType *t, Value *ret) {
        const uint8_t *p = take(c, t->width);
        uint64_t word;
        float f32;
        double f64;

        if (!p)
                return -EBADMSG;
        word = word_read(p, t->width, t->flags & SCHEMA_BIG_ENDIAN);
        if (t->width == 4) {
                uint32_t half = (uint32_t) word;

                memcpy(&f32, &half, sizeof(f32));
                f64 = (double) f32;
        } else
                memcpy(&f64, &word, sizeof(f64));
        *ret = (Value){ .type = VALUE_DOUBLE, .number = f64 };
        return 0;
}

/* How many bytes or elements follow. `words`: what the earlier fields of the struct hold. */
static int decode_length(Cursor *c, const SchemaType *t, const uint64_t *words, uint64_t *ret) {
        const uint8_t *p;

        switch ((SchemaLength) t->length) {
        case LENGTH_NONE:
                *ret = 0;
                return 0;
        case LENGTH_END:
                *ret = c->left;
                return 0;
        case LENGTH_PREFIX:
                p = take(c, t->width);
                if (!p)
                        return -EBADMSG;
                *ret = word_read(p, t->width, false) * (t->unit > 1 ? t->unit : 1U);
                return 0;
        case LENGTH_FIXED:
                *ret = t->count;
                return 0;
        case LENGTH_FIELD:
                *ret = words[t->count];
                return 0;
        }
        return -EBADMSG;
}

static int decode_text(Cursor *c, const SchemaType *t, const uint64_t *words, Value *ret, Aside *aside) {
        TextCoding coding = text_coding(t, words);
        const uint8_t *p;
        const char *s;
        uint64_t n;
        int r;

        r = decode_length(c, t, words, &n);
        if (r < 0)
                return r;
        p = n <= c->left ? take(c, n) : NULL;
        if (!p)
                return -EBADMSG;

        r = text_decode(coding >= 0 ? coding : TEXT_UTF8, p, n, c->arena, &s, &aside->lossy);
        if (r < 0)
                return r;
        if (coding < 0 && n > 0)
                aside->lossy = true;
        aside->bytes = p;
        aside->n_bytes = n;
        *ret = (Value){ .type = VALUE_STRING, .string = s };
        return 0;
}

static int decode_bytes(Cursor *c, const SchemaType *t, const uint64_t *words, Value *ret) {
        const uint8_t *p;
        uint64_t n;
        int r;

        r = decode_length(c, t, words, &n);
        if (r < 0)
                return r;
        p = n <= c->left ? take(c, n) : NULL;
        if (!p)
                return -EBADMSG;
        *ret = (Value){ .type = VALUE_BYTES, .n = (uint32_t) n, .bytes = p };
        return 0;
}

static int decode_address(Cursor *c, const SchemaType *t, Value *ret, Aside *aside) {
        size_t n = address_size(t);
        const uint8_t *p = take(c, n);
        char text[ADDRESS_TEXT_MAX];
        const char *s;

        if (!p)
                return -EBADMSG;
        address_decode(t, p, text, &aside->lossy);
        s = arena_strndup(c->arena, text, strlen(text));
        if (!s)
                return -ENOMEM;
        aside->bytes = p;
        aside->n_bytes = n;
        *ret = (Value){ .type = VALUE_STRING, .string = s };
        return 0;
}

static int decode_type(Cursor *c, const SchemaType *t, const uint64_t *words, uint64_t *ret_word, Value *ret,
                       Aside *aside);

static int decode_array(Cursor *c, const SchemaType *t, const uint64_t *words, Value *ret) {
        const SchemaType *element = schema_types + t->item;
        Value array = { .type = VALUE_ARRAY, .signature = schema_string(element->signature) };
        bool to_end = t->length == LENGTH_END;
        size_t most = c->left / MAX(element->min_size, UINT16_C(1));
        uint64_t n, word;
        int r;

        /* No count is believed: there are never more elements than the bytes can hold. */
        r = decode_length(c, t, words, &n);
        if (r < 0)
                return r;
        if (to_end)
                n = most;
        else if (n > c->left / MAX(element->min_size, UINT16_C(1)))
                return -EBADMSG;
        array.elements = arena_alloc(c->arena, n * sizeof(Value));
        if (!array.elements)
                return -ENOMEM;

        while (array.n < n && (!to_end || c->left > 0)) {
                Cursor before = *c;
                Aside aside = {};

                r = decode_type(c, element, words, &word, &array.elements[array.n], &aside);
                if (r == -EBADMSG && to_end) {
                        *c = before; /* what is no whole element is left over */
                        break;
                }
                if (r < 0)
                        return r;
                array.n++;
        }
        *ret = array;
        return 0;
}

int decode_add_field(Value *dict, Arena *a, const SchemaField *f, const Value *v, const Aside *aside) {
        Value *place;

        place = value_dict_add(dict, a, schema_string(f->name));
        if (!place)
                return -ENOMEM;
        *place = *v;
        if (!aside->lossy || f->bytes_name == 0)
                return 0;

        place = value_dict_add(dict, a, schema_string(f->bytes_name));
        if (!place)
                return -ENOMEM;
        *place = (Value){ .type = VALUE_BYTES, .n = (uint32_t) aside->n_bytes, .bytes = aside->bytes };
        return 0;
}

bool decode_field_is_private(const SchemaField *f) {
        return f->flags & SCHEMA_SECRET || ACCESS_SET(f->access) & ACCESS_PRIVATE;
}

int withheld_add(Withheld *w, Arena *a, const char *key) {
        Value *keys;

        for (uint32_t i = 0; i < w->keys.n; i++)
                if (streq(w->keys.elements[i].string, key))
                        return 0;
        keys = arena_grow(a, w->keys.elements, w->keys.n, &w->keys.n_allocated, sizeof(Value));
        if (!keys)
                return -ENOMEM;
        w->keys.elements = keys;
        keys[w->keys.n] = (Value){ .type = VALUE_STRING, .string = arena_strndup(a, key, strlen(key)) };
        return keys[w->keys.n++].string ? 0 : -ENOMEM;
}

static bool is_withheld(const Cursor *c, const SchemaField *f) {
        return c->withheld && f->access != ACCESS_NONE && !(c->withheld->granted & ACCESS_SET(f->access));
}

/* "lte.cell_id"; the elements of an array share a key. */
static size_t write_key(const Path *path, const SchemaField *f, char *key, size_t size) {
        size_t n = path ? write_key(path->outer, path->field, key, size) : 0;

        if (n >= size)
                return n;
        return n + (size_t) snprintf(key + n, size - n, "%s%s", path ? "." : "", schema_string(f->name));
}

int decode_withholds(Cursor *c, const SchemaField *f) {
        char key[512];
        int r;

        if (!is_withheld(c, f))
                return 0;
        (void) write_key(c->path, f, key, sizeof(key));
        r = withheld_add(c->withheld, c->arena, key);
        if (r < 0)
                return r;
        c->withheld->classes |= ACCESS_SET(f->access);
        return 1;
}

int decode_field(Cursor *c, const SchemaField *f, const uint64_t *words, uint64_t *ret_word, Value *ret,
                 Aside *aside) {
        Path path = { .outer = c->path, .field = f };
        Withheld *withheld = c->withheld;
        unsigned n_private = c->n_private;
        const uint8_t *valid = NULL;
        int r;

        if (f->flags & SCHEMA_VALID_BYTE) {
                valid = take(c, 1);
                if (!valid)
                        return -EBADMSG;
        }
        /* Counts and masks say where things are, not what they are. */
        c->n_private = f->flags & SCHEMA_HIDDEN ? 0 : n_private + decode_field_is_private(f);
        /* Of what is withheld whole the parts are not told. */
        if (is_withheld(c, f))
                c->withheld = NULL;
        c->path = &path;
        r = decode_type(c, schema_types + f->type, words, ret_word, ret, aside);
        c->path = path.outer;
        c->withheld = withheld;
        c->n_private = n_private;
        if (r < 0)
                return r;
        if (valid && *valid == 0)
                aside->absent = true;
        if (f->flags & SCHEMA_VALID_BIT && !(words[f->mask_field] >> f->mask_bit & 1))
                aside->absent = true;
        return 0;
}

static int new_struct(const SchemaType *t, Arena *a, Value *ret) {
        *ret = (Value){ .type = VALUE_DICT, .n_allocated = t->count };
        ret->entries = arena_alloc(a, t->count * sizeof(ValueEntry));
        return ret->entries ? 0 : -ENOMEM;
}

static int decode_struct(Cursor *c, const SchemaType *t, Value *ret) {
        uint64_t words[STRUCT_FIELDS_MAX]; /* written before it is read: references go to earlier fields */
        Value dict, v;
        int r;

        r = new_struct(t, c->arena, &dict);
        if (r < 0)
                return r;
        for (size_t i = 0; i < MIN(t->count, STRUCT_FIELDS_MAX); i++) {
                const SchemaField *f = schema_fields + t->item + i;
                Aside aside = {};

                words[i] = 0;
                r = decode_field(c, f, words, &words[i], &v, &aside);
                if (r < 0)
                        return r;
                if (f->flags & SCHEMA_HIDDEN || aside.absent)
                        continue;
                r = decode_withholds(c, f);
                if (r == 0)
                        r = decode_add_field(&dict, c->arena, f, &v, &aside);
                if (r < 0)
                        return r;
        }
        *ret = dict;
        return 0;
}

static int decode_bits(Cursor *c, const SchemaType *t, Value *ret) {
        const uint8_t *p = take(c, t->width);
        unsigned shift = 0;
        uint64_t word;
        Value dict, v;
        int r;

        if (!p)
                return -EBADMSG;
        word = word_read(p, t->width, t->flags & SCHEMA_BIG_ENDIAN);

        r = new_struct(t, c->arena, &dict);
        if (r < 0)
                return r;
        for (size_t i = 0; i < t->count; shift += schema_fields[t->item + i++].bits) {
                const SchemaField *f = schema_fields + t->item + i;
                Aside aside = {};

                if (f->flags & SCHEMA_PADDING)
                        continue;
                r = decode_word(schema_types + f->type, word >> shift & word_mask(f->bits), f->bits,
                                c->arena, &v, &aside);
                if (r < 0)
                        return r;
                if (aside.absent)
                        continue;
                r = decode_withholds(c, f);
                if (r == 0)
                        r = decode_add_field(&dict, c->arena, f, &v, &aside);
                if (r < 0)
                        return r;
        }
        *ret = dict;
        return 0;
}

/* What a value took in the input, behind the prefix that says how long it is. */
static void mask_value(const SchemaType *t, const uint8_t *begin, const uint8_t *end) {
        size_t n_prefix = t->length == LENGTH_PREFIX ? t->width : 0;
        uint8_t *p = (uint8_t *) (uintptr_t) begin + n_prefix;
        int fill = 0;

        if (t->kind == SCHEMA_ARRAY || t->kind == SCHEMA_STRUCT)
                return; /* their parts are masked already */
        if (t->kind == SCHEMA_STRING)
                fill = t->coding == TEXT_BCD ? 0xFF : '*';
        memset(p, fill, (size_t) (end - p));
}

static int decode_kind(Cursor *c, const SchemaType *t, const uint64_t *words, uint64_t *ret_word, Value *ret,
                       Aside *aside);

/* `ret_word` is written for what other fields can refer to: numbers and enums. */
static int decode_type(Cursor *c, const SchemaType *t, const uint64_t *words, uint64_t *ret_word, Value *ret,
                       Aside *aside) {
        const uint8_t *begin = c->next;
        int r;

        r = decode_kind(c, t, words, ret_word, ret, aside);
        if (r >= 0 && c->masks && c->n_private > 0)
                mask_value(t, begin, c->next);
        return r;
}

static int decode_kind(Cursor *c, const SchemaType *t, const uint64_t *words, uint64_t *ret_word, Value *ret,
                       Aside *aside) {
        const uint8_t *p;

        switch ((SchemaKind) t->kind) {
        case SCHEMA_FLAGS:
                return decode_wide_flags(c, t, ret);
        case SCHEMA_UINT:
        case SCHEMA_INT:
        case SCHEMA_BOOL:
        case SCHEMA_ENUM:
                p = take(c, t->width);
                if (!p)
                        return -EBADMSG;
                *ret_word = word_read(p, t->width, t->flags & SCHEMA_BIG_ENDIAN);
                return decode_word(t, *ret_word, t->width * 8U, c->arena, ret, aside);
        case SCHEMA_FLOAT:
                return decode_float(c, t, ret);
        case SCHEMA_STRING:
                return decode_text(c, t, words, ret, aside);
        case SCHEMA_BYTES:
                return decode_bytes(c, t, words, ret);
        case SCHEMA_ARRAY:
                return decode_array(c, t, words, ret);
        case SCHEMA_STRUCT:
                return decode_struct(c, t, ret);
        case SCHEMA_BITS:
                return decode_bits(c, t, ret);
        case SCHEMA_IPV4:
        case SCHEMA_IPV6:
        case SCHEMA_PLMN_BCD:
        case SCHEMA_PLMN_ASCII:
        case SCHEMA_PLMN_BINARY:
                return decode_address(c, t, ret, aside);
        case SCHEMA_EMPTY:
                *ret = (Value){ .type = VALUE_BOOL, .boolean = true };
                return 0;
        case _SCHEMA_KIND_MAX:
                break;
        }
        return -EBADMSG;
}
