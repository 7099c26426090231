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
static int decode_row(SchemaTlvs rows, uint16_t vendor, const Tlv *tlv, Arena *a, Withheld *withheld,
                      const SchemaTlv **ret, Value *ret_value, Aside *ret_aside) {
        size_t end = rows.first + rows.n;
        bool found = false, exact = false;
        int r;

        for (size_t i = find_tlv(rows, tlv->id); i < end && schema_tlvs[i].id == tlv->id && !exact; i++) {
                const SchemaTlv *row = schema_tlvs + i;
                Withheld mine = { .granted = withheld ? withheld->granted : ACCESS_ALL };
                Cursor c = { .next = tlv->bytes, .left = tlv->n_bytes, .arena = a, .withheld = &mine };
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
                if (withheld)
                        *withheld = mine;
        }
        return found ? exact : -EBADMSG;
}

static int withheld_merge(Withheld *to, Arena *a, const Withheld *from) {
        int r;

        for (uint32_t i = 0; i < from->keys.n; i++) {
                r = withheld_add(to, a, from->keys.elements[i].string);
                if (r < 0)
                        return r;
        }
        to->classes |= from->classes;
        return 0;
}

/* Adds a TLV to `dict`. 1 if nothing of it is left to be told, 0 if it is unknown or has bytes left over,
 * -ENOMEM. */
static int decode_tlv(SchemaTlvs rows, uint16_t vendor, const Tlv *tlv, Arena *a, Withheld *withheld,
                      Value *dict) {
        Withheld mine = { .granted = withheld->granted };
        Cursor c = { .arena = a, .withheld = withheld };
        const SchemaTlv *row;
        Aside aside;
        Value v;
        int exact, r;

        exact = decode_row(rows, vendor, tlv, a, &mine, &row, &v, &aside);
        if (exact == -EBADMSG)
                return 0;
        if (exact < 0 || aside.absent)
                return exact;
        r = withheld_merge(withheld, a, &mine);
        if (r >= 0)
                r = decode_withholds(&c, &row->field);
        if (r == 0)
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

/* What is left when all the rest was decoded. */
static int add_rest(Value *dict, Arena *a, const Value *unknown, Withheld *withheld) {
        static const char key[] = "unknown_tlvs";
        Value *place;
        int r;

        if (unknown->n > 0 && !(withheld->granted & ACCESS_SET(ACCESS_RAW))) {
                r = withheld_add(withheld, a, key);
                if (r < 0)
                        return r;
                withheld->classes |= ACCESS_SET(ACCESS_RAW);
        } else if (unknown->n > 0) {
                place = value_dict_add(dict, a, key);
                if (!place)
                        return -ENOMEM;
                *place = *unknown;
        }
        if (withheld->keys.n > 0) {
                place = value_dict_add(dict, a, "withheld");
                if (!place)
                        return -ENOMEM;
                *place = withheld->keys;
                place->type = VALUE_ARRAY;
                place->signature = "s";
        }
        return 0;
}

int message_decode_for(const SchemaMessage *m, QmiMessageType type, uint16_t vendor, const uint8_t *tlvs,
                       size_t n_tlvs, AccessSet granted, Arena *a, Value *ret, AccessSet *ret_withheld) {
        SchemaTlvs rows = m ? message_tlvs(m, type) : (SchemaTlvs){};
        Value dict = { .type = VALUE_DICT }, unknown = { .type = VALUE_TLVS };
        Withheld withheld = { .granted = granted };
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
                        r = decode_tlv(rows, vendor, &tlv, a, &withheld, &dict);
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

        r = add_rest(&dict, a, &unknown, &withheld);
        if (r < 0)
                return r;
        *ret = dict;
        *ret_withheld = withheld.classes;
        return 0;
}

int message_decode(const SchemaMessage *m, QmiMessageType type, uint16_t vendor, const uint8_t *tlvs,
                   size_t n_tlvs, Arena *a, Value *ret) {
        AccessSet withheld;

        return message_decode_for(m, type, vendor, tlvs, n_tlvs, ACCESS_ALL, a, ret, &withheld);
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
        bool all = ACCESS_SET(m->access) & ACCESS_PRIVATE;
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
                if (decode_row(rows, vendor, &tlv, &arena, NULL, &row, &v, &aside) > 0) {
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
