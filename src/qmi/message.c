/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmi/codec.h"
#include "qmi/decode.h"

/* The first row of a TLV, or where it would be. */
static size_t find_tlv(SchemaTlvs rows, uint8_t id) {
        size_t low = rows.first, high = low + rows.n;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (schema_tlvs[middle].id < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

/* A TLV in the first layout that takes all of its bytes, or else the first that can be decoded: 1, and 0 if
 * bytes are left over; -EBADMSG if there is none, -ENOMEM. */
static int decode_row(SchemaTlvs rows, uint16_t vendor, const Tlv *tlv, Arena *a, const SchemaTlv **ret,
                      Value *ret_value, Aside *ret_aside) {
        size_t end = rows.first + rows.n;
        bool found = false, exact = false;
        int r;

        for (size_t i = find_tlv(rows, tlv->id); i < end && schema_tlvs[i].id == tlv->id && !exact; i++) {
                const SchemaTlv *row = schema_tlvs + i;
                Cursor c = { .next = tlv->bytes, .left = tlv->n_bytes, .arena = a };
                Aside aside = {};
                uint64_t word;
                Value v;

                if (!schema_tlv_is_for(row, vendor))
                        continue;
                r = decode_field(&c, &row->field, NULL, &word, &v, &aside);
                if (r == -EBADMSG)
                        continue;
                if (r < 0)
                        return r;
                exact = c.left == 0;
                if (found && !exact)
                        continue;
                found = true;
                *ret = row;
                *ret_value = v;
                *ret_aside = aside;
        }
        return found ? exact : -EBADMSG;
}

/* Adds a TLV to `dict`. 1 if nothing of it is left to be told, 0 if it is unknown or has bytes left over,
 * -ENOMEM. */
static int decode_tlv(SchemaTlvs rows, uint16_t vendor, const Tlv *tlv, Arena *a, Value *dict) {
        const SchemaTlv *row;
        Aside aside;
        Value v;
        int exact, r;

        exact = decode_row(rows, vendor, tlv, a, &row, &v, &aside);
        if (exact == -EBADMSG)
                return 0;
        if (exact < 0 || aside.absent)
                return exact;
        r = decode_add_field(dict, a, &row->field, &v, &aside);
        return r < 0 ? r : exact;
}

static int add_unknown(Value *unknown, Arena *a, const Tlv *tlv) {
        Tlv *tlvs = arena_grow(a, unknown->tlvs, unknown->n, &unknown->n_allocated, sizeof(Tlv));

        if (!tlvs)
                return -ENOMEM;
        unknown->tlvs = tlvs;
        unknown->tlvs[unknown->n++] = *tlv;
        return 0;
}

int message_decode(const SchemaMessage *m, QmiMessageType type, uint16_t vendor, const uint8_t *tlvs,
                   size_t n_tlvs, Arena *a, Value *ret) {
        SchemaTlvs rows = m ? message_tlvs(m, type) : (SchemaTlvs){};
        Value dict = { .type = VALUE_DICT }, unknown = { .type = VALUE_TLVS }, *place;
        TlvReader reader = tlv_reader(tlvs, n_tlvs);
        bool seen[UINT8_MAX + 1] = {};
        Tlv tlv;
        int r;

        while ((r = tlv_next(&reader, &tlv)) > 0) {
                if (seen[tlv.id])
                        r = 0;
                else if (type == QMI_RESPONSE && tlv.id == TLV_RESULT)
                        r = tlv.n_bytes == 4;
                else
                        r = decode_tlv(rows, vendor, &tlv, a, &dict);
                if (r == 0)
                        r = add_unknown(&unknown, a, &tlv);
                if (r < 0)
                        return r;
                seen[tlv.id] = true;
        }
        if (r < 0) {
                tlv = (Tlv){ .n_bytes = (uint16_t) MIN(reader.left, (size_t) UINT16_MAX),
                             .bytes = reader.next };
                r = add_unknown(&unknown, a, &tlv);
                if (r < 0)
                        return r;
        }

        if (unknown.n > 0) {
                place = value_dict_add(&dict, a, "unknown_tlvs");
                if (!place)
                        return -ENOMEM;
                *place = unknown;
        }
        *ret = dict;
        return 0;
}

/* Whether some field of a TLV, in one of its layouts, is private. */
static bool type_has_private(const SchemaType *t) {
        if (t->kind == SCHEMA_ARRAY)
                return type_has_private(schema_types + t->item);
        if (t->kind != SCHEMA_STRUCT && t->kind != SCHEMA_BITS)
                return false;
        for (size_t i = 0; i < t->count; i++) {
                const SchemaField *f = schema_fields + t->item + i;

                if (decode_field_is_private(f) || type_has_private(schema_types + f->type))
                        return true;
        }
        return false;
}

static bool tlv_has_private(SchemaTlvs rows, uint8_t id) {
        for (size_t i = find_tlv(rows, id); i < rows.first + rows.n && schema_tlvs[i].id == id; i++) {
                const SchemaField *f = &schema_tlvs[i].field;

                if (decode_field_is_private(f) || type_has_private(schema_types + f->type))
                        return true;
        }
        return false;
}

bool message_tlv_is_private(const SchemaMessage *m, QmiMessageType type, uint8_t id) {
        return tlv_has_private(message_tlvs(m, type), id);
}

void message_mask(const SchemaMessage *m, QmiMessageType type, uint16_t vendor, uint8_t *tlvs,
                  size_t n_tlvs) {
        SchemaTlvs rows = message_tlvs(m, type);
        TlvReader reader = tlv_reader(tlvs, n_tlvs);
        bool all = m->access == ACCESS_IDENTITY;
        Arena arena;
        Tlv tlv;
        int r;

        arena_init(&arena);
        while ((r = tlv_next(&reader, &tlv)) > 0) {
                const SchemaTlv *row;
                Aside aside;
                Value v;

                if ((type == QMI_RESPONSE && tlv.id == TLV_RESULT) ||
                    !(all || tlv_has_private(rows, tlv.id)))
                        continue;
                if (decode_row(rows, vendor, &tlv, &arena, &row, &v, &aside) > 0) {
                        Cursor c = { .next = tlv.bytes,
                                     .left = tlv.n_bytes,
                                     .arena = &arena,
                                     .masks = true,
                                     .n_private = all };
                        uint64_t word;

                        (void) decode_field(&c, &row->field, NULL, &word, &v, &aside);
                } else /* nobody can say where in it they are */
                        memset((uint8_t *) (uintptr_t) tlv.bytes, 0, tlv.n_bytes);
        }
        if (r < 0 && (all || m->flags & SCHEMA_HAS_SECRET))
                memset((uint8_t *) (uintptr_t) reader.next, 0, reader.left);
        arena_erase(&arena);
}
