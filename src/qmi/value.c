/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmi/value.h"

Value *value_dict_add(Value *dict, Arena *a, const char *key) {
        ValueEntry *entries = arena_grow(a, dict->entries, dict->n, &dict->n_allocated, sizeof(ValueEntry));

        if (!entries)
                return NULL;
        dict->type = VALUE_DICT;
        dict->entries = entries;
        dict->entries[dict->n] = (ValueEntry){ .key = key };
        return &dict->entries[dict->n++].value;
}

const Value *value_dict_get(const Value *dict, const char *key) {
        if (dict->type != VALUE_DICT)
                return NULL;
        for (uint32_t i = 0; i < dict->n; i++)
                if (streq(dict->entries[i].key, key))
                        return &dict->entries[i].value;
        return NULL;
}

int value_get_u64(const Value *v, uint64_t *ret) {
        switch (v->type) {
        case VALUE_U8:
        case VALUE_U16:
        case VALUE_U32:
        case VALUE_U64:
                *ret = v->u64;
                return 0;
        case VALUE_I16:
        case VALUE_I32:
        case VALUE_I64:
                if (v->i64 < 0)
                        return -ERANGE;
                *ret = (uint64_t) v->i64;
                return 0;
        case VALUE_BOOL:
        case VALUE_DOUBLE:
        case VALUE_STRING:
        case VALUE_BYTES:
        case VALUE_ARRAY:
        case VALUE_DICT:
        case VALUE_TLVS:
                break;
        }
        return -EINVAL;
}

int value_get_i64(const Value *v, int64_t *ret) {
        switch (v->type) {
        case VALUE_U8:
        case VALUE_U16:
        case VALUE_U32:
        case VALUE_U64:
                if (v->u64 > INT64_MAX)
                        return -ERANGE;
                *ret = (int64_t) v->u64;
                return 0;
        case VALUE_I16:
        case VALUE_I32:
        case VALUE_I64:
                *ret = v->i64;
                return 0;
        case VALUE_BOOL:
        case VALUE_DOUBLE:
        case VALUE_STRING:
        case VALUE_BYTES:
        case VALUE_ARRAY:
        case VALUE_DICT:
        case VALUE_TLVS:
                break;
        }
        return -EINVAL;
}

static bool dict_equal(const Value *a, const Value *b) {
        if (a->n != b->n)
                return false;
        for (uint32_t i = 0; i < a->n; i++) {
                const ValueEntry *e = &a->entries[i];
                const Value *v =
                        streq(e->key, b->entries[i].key) ? &b->entries[i].value : value_dict_get(b, e->key);

                if (!v || !value_equal(&e->value, v))
                        return false;
        }
        return true;
}

static bool bytes_equal(const uint8_t *a, size_t n_a, const uint8_t *b, size_t n_b) {
        return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a) == 0);
}

bool value_equal(const Value *a, const Value *b) {
        if (a->type != b->type)
                return false;

        switch (a->type) {
        case VALUE_BOOL:
                return a->boolean == b->boolean;
        case VALUE_U8:
        case VALUE_U16:
        case VALUE_U32:
        case VALUE_U64:
                return a->u64 == b->u64;
        case VALUE_I16:
        case VALUE_I32:
        case VALUE_I64:
                return a->i64 == b->i64;
        case VALUE_DOUBLE: /* NaN is "no value" in arrays, and equal to itself */
                return a->number == b->number || (a->number != a->number && b->number != b->number);
        case VALUE_STRING:
                return streq(a->string, b->string);
        case VALUE_BYTES:
                return bytes_equal(a->bytes, a->n, b->bytes, b->n);
        case VALUE_ARRAY:
                if (a->n != b->n || !streq(a->signature, b->signature))
                        return false;
                for (uint32_t i = 0; i < a->n; i++)
                        if (!value_equal(&a->elements[i], &b->elements[i]))
                                return false;
                return true;
        case VALUE_DICT:
                return dict_equal(a, b);
        case VALUE_TLVS:
                if (a->n != b->n)
                        return false;
                for (uint32_t i = 0; i < a->n; i++)
                        if (a->tlvs[i].id != b->tlvs[i].id ||
                            !bytes_equal(a->tlvs[i].bytes, a->tlvs[i].n_bytes, b->tlvs[i].bytes,
                                         b->tlvs[i].n_bytes))
                                return false;
                return true;
        }
        return false;
}
