/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generate.h"

#include <inttypes.h>

#include "qmi/address.h"
#include "qmi/text.h"
#include "qmi/word.h"
#include "unit.h"

#define ELEMENTS_MAX 4U

static uint8_t source_byte(Source *s) {
        if (s->left == 0)
                return 0;
        s->left--;
        return *s->next++;
}

static size_t source_below(Source *s, size_t n) {
        return n > 0 ? source_byte(s) % n : 0;
}

static uint64_t source_word(Source *s) {
        uint64_t v = 0;

        for (size_t i = 0; i < 8; i++)
                v = v << 8 | source_byte(s);
        return v;
}

static void *alloc(Arena *a, size_t n) {
        void *p = arena_alloc(a, n);

        if (!p)
                abort();
        return p;
}

static Value text_value(const char *s) {
        return (Value){ .type = VALUE_STRING, .string = s };
}

/* ---- anything ---- */

static Value wild_value(Source *s, Arena *a, unsigned depth) {
        static const ValueType types[] = { VALUE_BOOL,  VALUE_U8,    VALUE_I16, VALUE_U16,    VALUE_I32,
                                           VALUE_U32,   VALUE_I64,   VALUE_U64, VALUE_DOUBLE, VALUE_STRING,
                                           VALUE_BYTES, VALUE_ARRAY, VALUE_DICT };
        static const char *const texts[] = { "",    "x",   "-1",   "18446744073709551616", "bit9",
                                             "bit", "é€📶", "\xFF", "2001:db8::1" };
        Value v = { .type = types[source_below(s, ELEMENTSOF(types))], .u64 = source_word(s) };

        switch (v.type) {
        case VALUE_BOOL:
                v.boolean = v.u64 & 1;
                break;
        case VALUE_STRING:
                v.string = texts[v.u64 % ELEMENTSOF(texts)];
                break;
        case VALUE_BYTES:
                v.n = (uint32_t) source_below(s, 20);
                v.bytes = alloc(a, v.n);
                break;
        case VALUE_ARRAY:
                v.n = (uint32_t) (depth > 0 ? source_below(s, ELEMENTS_MAX) : 0);
                v.signature = "v";
                v.elements = alloc(a, v.n * sizeof(Value));
                for (uint32_t i = 0; i < v.n; i++)
                        v.elements[i] = wild_value(s, a, depth - 1);
                break;
        case VALUE_DICT:
                v.entries = NULL;
                v.n = 0;
                if (depth > 0 && v.n_allocated == 0)
                        *value_dict_add(&v, a, "x") = wild_value(s, a, depth - 1);
                break;
        case VALUE_U8:
        case VALUE_I16:
        case VALUE_U16:
        case VALUE_I32:
        case VALUE_U32:
        case VALUE_I64:
        case VALUE_U64:
        case VALUE_DOUBLE:
        case VALUE_TLVS:
                break;
        }
        return v;
}

/* A key that does not belong there: an unknown one, one for the bytes of a text, one that is there already.
 */
static void wild_key(Value *dict, Source *s, Arena *a) {
        const char *key = dict->n > 0 ? dict->entries[source_below(s, dict->n)].key : "x";

        switch (source_below(s, 4)) {
        case 0:
                key = "x";
                break;
        case 1:
                key = arena_printf(a, "%s_bytes", key);
                break;
        case 2: /* in place of the text */
                if (dict->n > 0) {
                        key = arena_printf(a, "%s_bytes", key);
                        dict->n--;
                }
                break;
        }
        *value_dict_add(dict, a, key) = wild_value(s, a, 2);
}

/* ---- numbers ---- */

/* Zero, the largest, the smallest, or any. */
static uint64_t generate_word(Source *s, unsigned bits) {
        switch (source_below(s, 5)) {
        case 0:
                return 0;
        case 1:
                return word_mask(bits);
        case 2:
                return UINT64_C(1) << (bits - 1);
        case 3:
                return word_mask(bits) >> 1;
        }
        return source_word(s) & word_mask(bits);
}

static bool is_sentinel(const SchemaType *t, uint64_t word, unsigned bits) {
        const SchemaNumber *n = schema_numbers + t->number;

        return n->has_sentinel && word == ((uint64_t) n->sentinel & word_mask(bits));
}

static Value enum_value(const SchemaType *t, uint64_t word, unsigned bits, Arena *a) {
        bool is_signed = t->flags & SCHEMA_SIGNED;
        int64_t i = word_signed(word, bits);
        const char *symbol = NULL;

        if (is_signed ? i >= INT32_MIN && i <= INT32_MAX : word <= UINT32_MAX)
                symbol = schema_enum_symbol(t->item, (uint32_t) (is_signed ? (uint64_t) i : word));
        if (symbol)
                return text_value(symbol);
        return text_value(is_signed ? arena_printf(a, "%" PRId64, i) : arena_printf(a, "%" PRIu64, word));
}

static Value generate_flags(const SchemaType *t, unsigned bits, Source *s, Arena *a) {
        Value v = { .type = VALUE_ARRAY, .signature = "s" };
        uint8_t every = source_byte(s);

        v.elements = alloc(a, bits * sizeof(Value));
        for (unsigned bit = 0; bit < bits; bit++) {
                const char *symbol = schema_enum_symbol(t->item, bit);

                if (every == 0 || (every < 128 && source_byte(s) < 128))
                        continue;
                v.elements[v.n++] = text_value(symbol ? symbol : arena_printf(a, "bit%u", bit));
        }
        return v;
}

static Value number_value(const SchemaType *t, uint64_t word, unsigned bits) {
        const SchemaNumber *n = schema_numbers + t->number;
        bool is_signed = t->kind == SCHEMA_INT;

        if (n->has_scale)
                return (Value){ .type = VALUE_DOUBLE, .number = word_scale(n, word, is_signed, bits) };
        if (is_signed)
                return (Value){ .type = t->width <= 2   ? VALUE_I16
                                        : t->width <= 4 ? VALUE_I32
                                                        : VALUE_I64,
                                .i64 = word_signed(word, bits) };
        return (Value){ .type = t->width == 1   ? VALUE_U8
                                : t->width == 2 ? VALUE_U16
                                : t->width <= 4 ? VALUE_U32
                                                : VALUE_U64,
                        .u64 = word };
}

/* Of `bits` bits. */
static Value generate_scalar(const SchemaType *t, unsigned bits, Source *s, Arena *a) {
        uint64_t word;

        if (t->kind == SCHEMA_FLAGS)
                return generate_flags(t, bits, s, a);
        word = generate_word(s, bits);
        if (t->kind == SCHEMA_BOOL)
                return (Value){ .type = VALUE_BOOL, .boolean = word & 1 };
        if (t->kind == SCHEMA_ENUM) {
                const SchemaEnum *e = schema_enums + t->item;

                if (e->n > 0 && source_below(s, 4) > 0)
                        word = schema_enum_values[e->first + source_below(s, e->n)].value & word_mask(bits);
                return enum_value(t, word, bits, a);
        }
        /* Doubles hold 53 bits; the sentinel is no value. */
        if (schema_numbers[t->number].has_scale && bits > 50)
                word &= word_mask(50);
        if (is_sentinel(t, word, bits))
                word = word > 0 ? word - 1 : 1;
        return number_value(t, word, bits);
}

/* Of 24 bits, which a float holds too. */
static Value generate_float(Source *s) {
        return (Value){ .type = VALUE_DOUBLE,
                        .number = (double) word_signed(source_word(s) & word_mask(24), 24) / 4096 };
}

/* ---- text and bytes ---- */

static size_t generate_length(const SchemaType *t, size_t count, Source *s) {
        if (t->length == LENGTH_FIXED)
                return t->count;
        if (t->length == LENGTH_FIELD)
                return count;
        return source_below(s, ELEMENTS_MAX + 1) * MAX(t->unit, (uint8_t) 1);
}

/* Text that is encoded in `n` bytes, up to six of them, by letters that every coding has. */
static Value generate_text(const SchemaType *t, TextCoding coding, size_t n, Source *s, Arena *a) {
        bool wide = coding == TEXT_UCS2LE || coding == TEXT_UCS2BE;
        size_t n_chars = wide ? n / 2 : coding == TEXT_BCD ? 2 * n : n;
        char *text;

        if (t->length == LENGTH_FIXED) /* shorter will do */
                n_chars = MIN(n_chars, source_below(s, 7));
        text = alloc(a, n_chars + 1);
        for (size_t i = 0; i < n_chars; i++)
                text[i] = coding == TEXT_BCD ? (char) ('0' + source_below(s, 10))
                                             : (char) ('a' + source_below(s, 26));
        return text_value(text);
}

static Value generate_bytes(size_t n, Source *s, Arena *a) {
        uint8_t *bytes = alloc(a, n);

        for (size_t i = 0; i < n; i++)
                bytes[i] = source_byte(s);
        return (Value){ .type = VALUE_BYTES, .n = (uint32_t) n, .bytes = bytes };
}

static Value generate_address(const SchemaType *t, Source *s, Arena *a) {
        static const char *const plmns[] = { "26201", "310410", "00101", "999999", "310010", "" };
        char text[ADDRESS_TEXT_MAX];
        uint8_t bytes[16];
        bool lossy;

        if (t->kind != SCHEMA_IPV4 && t->kind != SCHEMA_IPV6) /* PLMN_BINARY has none that is empty */
                return text_value(
                        plmns[source_below(s, ELEMENTSOF(plmns) - (t->kind == SCHEMA_PLMN_BINARY))]);
        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = source_byte(s);
        address_decode(t, bytes, text, &lossy);
        return text_value(arena_strndup(a, text, strlen(text)));
}

/* ---- structs ---- */

/* What is decided before the fields are made: by index of the field that others refer to. */
typedef struct Plan {
        size_t counts[UINT8_MAX + 1];
        const SchemaCoding *codings[UINT8_MAX + 1];
        uint64_t masks[UINT8_MAX + 1]; /* one bit can be for several fields */
} Plan;

static Value generate_type(const SchemaType *t, const Plan *plan, Source *s, Arena *a);

static Value generate_array(const SchemaType *t, const Plan *plan, Source *s, Arena *a) {
        const SchemaType *element = schema_types + t->item;
        Value v = { .type = VALUE_ARRAY, .signature = schema_string(element->signature) };

        v.n = (uint32_t) generate_length(t, t->length == LENGTH_FIELD ? plan->counts[t->count] : 0, s);
        v.elements = alloc(a, v.n * sizeof(Value));
        for (uint32_t i = 0; i < v.n; i++)
                v.elements[i] = generate_type(element, plan, s, a);
        return v;
}

static bool may_be_absent(const SchemaField *f, const SchemaType *t) {
        return f->flags & (SCHEMA_VALID_BYTE | SCHEMA_VALID_BIT) || schema_numbers[t->number].has_sentinel;
}

static bool is_absent(const SchemaField *f, const SchemaType *t, const Plan *plan, Source *s) {
        /* What shares a count is there, so that the others may be. */
        if (t->length == LENGTH_FIELD || !may_be_absent(f, t))
                return false;
        if (f->flags & SCHEMA_VALID_BIT)
                return !(plan->masks[f->mask_field] >> f->mask_bit & 1);
        return source_below(s, 3) == 0;
}

static void generate_field(Value *dict, const SchemaField *f, const Plan *plan, Source *s, Arena *a) {
        const SchemaType *t = schema_types + f->type;

        if (is_absent(f, t, plan, s))
                return;
        if (s->wild && source_byte(s) == 1)
                return;
        *value_dict_add(dict, a, schema_string(f->name)) = generate_type(t, plan, s, a);
}

static Value generate_struct(const SchemaType *t, Source *s, Arena *a) {
        Value dict = { .type = VALUE_DICT };
        Plan plan = {};

        for (size_t i = 0; i < t->count; i++) {
                const SchemaType *ft = schema_types + schema_fields[t->item + i].type;
                size_t n = 0;

                plan.counts[i] = 2 * source_below(s, 3);
                if (schema_fields[t->item + i].flags & SCHEMA_HIDDEN)
                        plan.masks[i] = source_word(s);
                if (!(ft->flags & SCHEMA_CODING_BY_FIELD))
                        continue;
                while (!schema_codings[ft->coding + n].is_last)
                        n++;
                plan.codings[ft->coding_field] = &schema_codings[ft->coding + source_below(s, n + 1)];
        }
        for (size_t i = 0; i < t->count; i++) {
                const SchemaField *f = schema_fields + t->item + i;
                const SchemaType *ft = schema_types + f->type;

                if (f->flags & SCHEMA_HIDDEN)
                        continue;
                if (plan.codings[i])
                        *value_dict_add(&dict, a, schema_string(f->name)) =
                                ft->kind == SCHEMA_ENUM
                                        ? enum_value(ft, plan.codings[i]->value, ft->width * 8U, a)
                                        : number_value(ft, plan.codings[i]->value, ft->width * 8U);
                else
                        generate_field(&dict, f, &plan, s, a);
        }
        if (s->wild && source_byte(s) == 1)
                wild_key(&dict, s, a);
        return dict;
}

static Value generate_bits(const SchemaType *t, Source *s, Arena *a) {
        Value dict = { .type = VALUE_DICT };

        for (size_t i = 0; i < t->count; i++) {
                const SchemaField *f = schema_fields + t->item + i;

                if (!(f->flags & SCHEMA_PADDING))
                        *value_dict_add(&dict, a, schema_string(f->name)) =
                                generate_scalar(schema_types + f->type, f->bits, s, a);
        }
        return dict;
}

static Value generate_type(const SchemaType *t, const Plan *plan, Source *s, Arena *a) {
        TextCoding coding = t->coding;

        if (s->wild && source_byte(s) == 1)
                return wild_value(s, a, 3);

        switch ((SchemaKind) t->kind) {
        case SCHEMA_UINT:
        case SCHEMA_INT:
        case SCHEMA_BOOL:
        case SCHEMA_ENUM:
        case SCHEMA_FLAGS:
                return generate_scalar(t, t->width * 8U, s, a);
        case SCHEMA_FLOAT:
                return generate_float(s);
        case SCHEMA_STRING:
                if (t->flags & SCHEMA_CODING_BY_FIELD)
                        coding = plan->codings[t->coding_field]->coding;
                return generate_text(
                        t, coding,
                        generate_length(t, t->length == LENGTH_FIELD ? plan->counts[t->count] : 0, s), s, a);
        case SCHEMA_BYTES:
                return generate_bytes(
                        generate_length(t, t->length == LENGTH_FIELD ? plan->counts[t->count] : 0, s), s, a);
        case SCHEMA_ARRAY:
                return generate_array(t, plan, s, a);
        case SCHEMA_STRUCT:
                return generate_struct(t, s, a);
        case SCHEMA_BITS:
                return generate_bits(t, s, a);
        case SCHEMA_IPV4:
        case SCHEMA_IPV6:
        case SCHEMA_PLMN_BCD:
        case SCHEMA_PLMN_ASCII:
        case SCHEMA_PLMN_BINARY:
                return generate_address(t, s, a);
        case SCHEMA_EMPTY:
                return (Value){ .type = VALUE_BOOL, .boolean = true };
        case _SCHEMA_KIND_MAX:
                break;
        }
        abort();
}

Value generate_message(const SchemaMessage *m, QmiMessageType type, uint16_t vendor, bool all, Source *s,
                       Arena *a) {
        SchemaTlvs rows = message_tlvs(m, type);
        Value dict = { .type = VALUE_DICT };
        int id = -1;

        for (size_t i = rows.first; i < (size_t) rows.first + rows.n; i++) {
                const SchemaTlv *row = schema_tlvs + i;

                if (row->id == id || !schema_tlv_is_for(row, vendor))
                        continue;
                id = row->id;
                if (!all && !(row->field.flags & SCHEMA_MANDATORY) && source_below(s, 3) > 0)
                        continue;
                *value_dict_add(&dict, a, schema_string(row->field.name)) =
                        generate_type(schema_types + row->field.type, NULL, s, a);
        }
        if (s->wild && source_byte(s) == 1)
                wild_key(&dict, s, a);
        return dict;
}
