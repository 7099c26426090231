/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fields.h"

static Value text_value(const char *text) {
        return (Value){ .type = VALUE_STRING, .n = (uint32_t) strlen(text), .string = text };
}

int entries_set_text(Entries *e, const char *key, const char *text) {
        Value v = text_value(text);

        return entries_set(e, key, &v, 0);
}

int entries_set_number(Entries *e, const char *key, int64_t n) {
        return entries_set(e, key, &(Value){ .type = VALUE_I64, .i64 = n }, 0);
}

int answers_set_text(Answers *a, const char *key, const char *text, char **ret_error) {
        Value v = text_value(text);

        return answers_set_value(a, key, &v, 0, ret_error);
}

bool answers_has_text(Answers *a, const char *key, const char *text) {
        const Value *v = answers_get(a, key);
        Value wanted = text_value(text);

        return v && scalar_equal(v, &wanted);
}

uint64_t answers_get_number(Answers *a, const char *key) {
        const Value *v = answers_get(a, key);
        uint64_t n;

        return v && value_get_u64(v, &n) >= 0 ? n : 0;
}

bool request_get_u32(const QmiMessage *request, uint8_t id, uint32_t *ret) {
        Tlv t;

        if (tlv_find(request->tlvs, request->n_tlvs, id, &t) == 0 || t.n_bytes < 4)
                return false;
        *ret = (uint32_t) read_le16(t.bytes) | (uint32_t) read_le16(t.bytes + 2) << 16;
        return true;
}

bool request_get_u8(const QmiMessage *request, uint8_t id, uint8_t *ret) {
        Tlv t;

        if (tlv_find(request->tlvs, request->n_tlvs, id, &t) == 0 || t.n_bytes < 1)
                return false;
        *ret = t.bytes[0];
        return true;
}
