/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "description.h"

#include "qmi/schema-text.h"

/* Additions to a dictionary; the first that fails makes the others do nothing, so that one look at `r`
 * tells. */
typedef struct Builder {
        Arena *arena;
        int r;
} Builder;

static Value *add(Builder *b, Value *dict, const char *key, ValueType type) {
        static Value nowhere;
        Value *v = b->r < 0 ? NULL : value_dict_add(dict, b->arena, key);

        if (!v) {
                b->r = -ENOMEM;
                v = &nowhere;
        }
        *v = (Value){ .type = type };
        return v;
}

static void add_text(Builder *b, Value *dict, const char *key, const char *text) {
        if (!text)
                b->r = -ENOMEM;
        add(b, dict, key, VALUE_STRING)->string = text;
}

static void add_number(Builder *b, Value *dict, const char *key, uint64_t number) {
        add(b, dict, key, VALUE_U64)->u64 = number;
}

static void add_true(Builder *b, Value *dict, const char *key) {
        add(b, dict, key, VALUE_BOOL)->boolean = true;
}

/* A list of dictionaries with room for `n`. */
static Value *add_list(Builder *b, Value *dict, const char *key, uint32_t n) {
        Value *v = add(b, dict, key, VALUE_ARRAY);

        v->signature = "a{sv}";
        v->elements = arena_alloc(b->arena, n * sizeof(Value));
        if (!v->elements)
                b->r = -ENOMEM;
        return v;
}

static Value *list_add(Builder *b, Value *list) {
        static Value nowhere;
        Value *v = b->r < 0 ? &nowhere : &list->elements[list->n++];

        *v = (Value){ .type = VALUE_DICT };
        return v;
}

static const char *type_words(Builder *b, const SchemaType *t, unsigned bits) {
        unsigned width = bits > 0 ? bits : t->width * 8U;
        const char *element;

        switch ((SchemaKind) t->kind) {
        case SCHEMA_UINT:
        case SCHEMA_INT:
                if (schema_numbers[t->number].has_scale)
                        return "number";
                return arena_printf(b->arena, "%snumber of %u bits", t->kind == SCHEMA_INT ? "signed " : "",
                                    width);
        case SCHEMA_FLOAT:
                return "number";
        case SCHEMA_BOOL:
                return "yes or no";
        case SCHEMA_ENUM:
                return "one of";
        case SCHEMA_FLAGS:
                return "any of";
        case SCHEMA_STRING:
                return t->length == LENGTH_FIXED
                               ? arena_printf(b->arena, "text of at most %u bytes", t->count)
                               : "text";
        case SCHEMA_BYTES:
                return t->length == LENGTH_FIXED ? arena_printf(b->arena, "%u bytes", t->count) : "bytes";
        case SCHEMA_ARRAY:
                element = type_words(b, &schema_types[t->item], 0);
                if (!element)
                        return NULL;
                return t->length == LENGTH_FIXED
                               ? arena_printf(b->arena, "list of %u, each %s", t->count, element)
                               : arena_printf(b->arena, "list, each %s", element);
        case SCHEMA_STRUCT:
        case SCHEMA_BITS:
                return "group";
        case SCHEMA_IPV4:
                return "IPv4 address";
        case SCHEMA_IPV6:
                return "IPv6 address";
        case SCHEMA_PLMN_BCD:
        case SCHEMA_PLMN_ASCII:
        case SCHEMA_PLMN_BINARY:
                return "network code, as 26201";
        case SCHEMA_EMPTY:
                return "yes, or absent";
        case _SCHEMA_KIND_MAX:
                break;
        }
        assert(false);
        return NULL;
}

static void describe_fields(Builder *b, const SchemaType *t, Value *ret);

static void describe_type(Builder *b, const SchemaType *t, unsigned bits, Value *ret) {
        const SchemaNumber *number;
        const SchemaEnum *e;

        add_text(b, ret, "type", type_words(b, t, bits));
        add_text(b, ret, "signature", schema_string(t->signature));

        while (t->kind == SCHEMA_ARRAY) /* as deep as the schema nests */
                t = &schema_types[t->item];
        number = &schema_numbers[t->number];
        if (number->unit)
                add_text(b, ret, "unit", schema_string(number->unit));
        if (number->has_scale)
                add(b, ret, "step", VALUE_DOUBLE)->number = (double) number->multiplier / number->divisor;
        if (t->kind == SCHEMA_ENUM || t->kind == SCHEMA_FLAGS) {
                Value *symbols = add(b, ret, "symbols", VALUE_ARRAY);

                e = &schema_enums[t->item];
                symbols->signature = "s";
                symbols->elements = arena_alloc(b->arena, e->n * sizeof(Value));
                if (!symbols->elements)
                        b->r = -ENOMEM;
                for (uint16_t i = 0; i < e->n && b->r >= 0; i++)
                        symbols->elements[symbols->n++] =
                                (Value){ .type = VALUE_STRING,
                                         .string = schema_string(schema_enum_values[e->first + i].symbol) };
        }
        if (t->kind == SCHEMA_STRUCT || t->kind == SCHEMA_BITS)
                describe_fields(b, t, ret);
}

static void describe_field(Builder *b, const SchemaField *f, Value *ret) {
        add_text(b, ret, "key", schema_string(f->name));
        describe_type(b, &schema_types[f->type], f->bits, ret);
        if (f->flags & SCHEMA_MANDATORY)
                add_true(b, ret, "mandatory");
        if (f->flags & SCHEMA_SECRET)
                add_true(b, ret, "secret");
        if (f->access != ACCESS_NONE)
                add_text(b, ret, "access", access_class_to_string(f->access));
}

static void describe_fields(Builder *b, const SchemaType *t, Value *ret) {
        Value *fields = add_list(b, ret, "fields", t->count);

        for (uint16_t i = 0; i < t->count; i++) {
                const SchemaField *f = &schema_fields[t->item + i];
                Value *field;

                if (f->flags & (SCHEMA_HIDDEN | SCHEMA_PADDING))
                        continue;
                field = list_add(b, fields);
                describe_field(b, f, field);
                if (f->flags & (SCHEMA_VALID_BYTE | SCHEMA_VALID_BIT) ||
                    schema_numbers[schema_types[f->type].number].has_sentinel)
                        add_true(b, field, "optional");
        }
}

static void describe_tlvs(Builder *b, SchemaTlvs tlvs, const char *key, Value *ret) {
        Value *list = add_list(b, ret, key, tlvs.n);

        for (uint16_t i = 0; i < tlvs.n; i++) {
                const SchemaTlv *t = &schema_tlvs[tlvs.first + i];
                Value *tlv = list_add(b, list);

                add_number(b, tlv, "id", t->id);
                describe_field(b, &t->field, tlv);
                if (t->vendor)
                        add_number(b, tlv, "vendor", t->vendor);
                if (t->max)
                        add_number(b, tlv, "max", t->max);
                if (t->alternative)
                        add_true(b, tlv, "alternative");
        }
}

/* All but the TLVs. */
static void describe_head(Builder *b, const SchemaMessage *m, Value *ret) {
        add_text(b, ret, m->is_indication ? "indication" : "message", schema_string(m->name));
        add_number(b, ret, "id", m->id);
        if (m->kind != KIND_NONE)
                add_text(b, ret, "kind", message_kind_to_string(m->kind));
        if (m->access != ACCESS_NONE)
                add_text(b, ret, "access", access_class_to_string(m->access));
        add_text(b, ret, "about", schema_message_abouts[m - schema_messages]);
        if (m->timeout_sec)
                add_number(b, ret, "timeout", m->timeout_sec);
        if (m->vendor)
                add_number(b, ret, "vendor", m->vendor);
        if (m->result != SCHEMA_NO_MESSAGE)
                add_text(b, ret, "result", schema_string(schema_messages[m->result].name));
        if (m->abort != SCHEMA_NO_MESSAGE)
                add_text(b, ret, "abort", schema_string(schema_messages[m->abort].name));
        if (m->undo != SCHEMA_NO_MESSAGE)
                add_text(b, ret, "undo", schema_string(schema_messages[m->undo].name));
        if (m->flags & SCHEMA_REPLAY)
                add_true(b, ret, "replay");
}

int describe_service(const SchemaService *s, Arena *a, Value *ret) {
        Value dict = { .type = VALUE_DICT }, *list;
        Builder b = { .arena = a };

        add_text(&b, &dict, "service", schema_string(s->name));
        add_text(&b, &dict, "title", schema_service_titles[s - schema_services]);
        add_number(&b, &dict, "id", s->id);
        if (s->vendor)
                add_number(&b, &dict, "vendor", s->vendor);
        list = add_list(&b, &dict, "messages", s->n_messages);
        for (uint16_t i = 0; i < s->n_messages; i++)
                describe_head(&b, &schema_messages[s->first_message + i], list_add(&b, list));
        list = add_list(&b, &dict, "indications", s->n_indications);
        for (uint16_t i = 0; i < s->n_indications; i++)
                describe_head(&b, &schema_messages[s->first_indication + i], list_add(&b, list));
        list = add_list(&b, &dict, "id_only", schema_n_id_only);
        for (uint16_t i = 0; i < schema_n_id_only; i++) {
                const SchemaIdOnly *m = &schema_id_only[i];
                Value *known;

                if (&schema_services[m->service] != s)
                        continue;
                known = list_add(&b, list);
                add_text(&b, known, "message", m->name);
                add_number(&b, known, "id", m->id);
                if (m->vendor != 0)
                        add_number(&b, known, "vendor", m->vendor);
        }
        if (b.r < 0)
                return b.r;
        *ret = dict;
        return 0;
}

int describe_message(const SchemaMessage *m, Arena *a, Value *ret) {
        Value dict = { .type = VALUE_DICT };
        Builder b = { .arena = a };

        add_text(&b, &dict, "service", schema_string(schema_services[m->service].name));
        describe_head(&b, m, &dict);
        if (m->is_indication)
                describe_tlvs(&b, m->response, "fields", &dict);
        else {
                describe_tlvs(&b, m->request, "request", &dict);
                describe_tlvs(&b, m->response, "response", &dict);
                if (m->result != SCHEMA_NO_MESSAGE)
                        describe_tlvs(&b, schema_messages[m->result].response, "result_fields", &dict);
        }
        if (b.r < 0)
                return b.r;
        *ret = dict;
        return 0;
}
