/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec.h"

#include <math.h>
#include <stdio.h>

#include "qmi/text.h"

Choice choose(const uint8_t *bytes) {
        uint16_t id = read_le16(bytes + 1), vendor = bytes[4] % 2 ? 0x1199 : 0;
        const SchemaService *s = schema_service_by_id(bytes[0], vendor);
        QmiMessageType type =
                bytes[3] % 4 <= QMI_INDICATION ? (QmiMessageType) (bytes[3] % 4) : QMI_RESPONSE;
        const SchemaMessage *m = NULL;

        if (bytes[3] % 4 == 3)
                return (Choice){ .type = type, .vendor = vendor };
        if (s)
                m = schema_message_by_id(s, type == QMI_INDICATION, id, vendor);
        if (!m)
                m = schema_messages + id % schema_n_messages;
        if (m->is_indication)
                type = QMI_INDICATION;
        else if (type == QMI_INDICATION)
                type = QMI_RESPONSE;
        return (Choice){ .message = m, .type = type, .vendor = vendor };
}

/* Text where there is no place for its bytes. */
static bool has_lossy_element(const Value *v) {
        if (v->type == VALUE_DICT)
                for (uint32_t i = 0; i < v->n; i++)
                        if (has_lossy_element(&v->entries[i].value))
                                return true;
        if (v->type == VALUE_ARRAY)
                for (uint32_t i = 0; i < v->n; i++)
                        if (has_lossy_element(&v->elements[i]) ||
                            (v->elements[i].type == VALUE_STRING &&
                             strstr(v->elements[i].string, "\xEF\xBF\xBD")))
                                return true;
        return false;
}

/* Of a text and its bytes only the bytes can be sent. */
static void drop_texts_with_bytes(Value *v) {
        if (v->type == VALUE_ARRAY)
                for (uint32_t i = 0; i < v->n; i++)
                        drop_texts_with_bytes(&v->elements[i]);
        if (v->type != VALUE_DICT)
                return;
        for (uint32_t i = 0; i < v->n; i++) {
                char name[128];

                drop_texts_with_bytes(&v->entries[i].value);
                (void) snprintf(name, sizeof(name), "%s_bytes", v->entries[i].key);
                if (v->entries[i].value.type == VALUE_STRING && value_dict_get(v, name))
                        v->entries[i--] = v->entries[--v->n];
        }
}

/* Scaled numbers of more than 53 bits are rounded twice. */
static bool nearly_equal(const Value *a, const Value *b) {
        if (a->type == VALUE_DOUBLE && b->type == VALUE_DOUBLE &&
            fabs(a->number - b->number) <= 1e-9 * fabs(a->number))
                return true;
        if (a->type != b->type || a->n != b->n)
                return value_equal(a, b);
        if (a->type == VALUE_ARRAY) {
                for (uint32_t i = 0; i < a->n; i++)
                        if (!nearly_equal(&a->elements[i], &b->elements[i]))
                                return false;
                return streq(a->signature, b->signature);
        }
        if (a->type == VALUE_DICT) {
                for (uint32_t i = 0; i < a->n; i++) {
                        const Value *other = value_dict_get(b, a->entries[i].key);

                        if (!other || !nearly_equal(&a->entries[i].value, other))
                                return false;
                }
                return true;
        }
        return value_equal(a, b);
}

/* Why what was decoded may not be sent: the modem need not keep to what we may. */
static bool is_excused(const char *error) {
        static const char *const excuses[] = {
                ": missing",     /* a mandatory TLV */
                ", at most ",    /* max= */
                " in steps of ", /* rounded out of range */
                " is no PLMN ",  /* in an array, where there is no place for its bytes */
        };

        for (size_t i = 0; i < ELEMENTSOF(excuses); i++)
                if (strstr(error, excuses[i]))
                        return true;
        return false;
}

static bool has_layouts(const Choice *c) {
        SchemaTlvs rows = message_tlvs(c->message, c->type);

        for (size_t i = rows.first; i < (size_t) rows.first + rows.n; i++)
                if (schema_tlvs[i].alternative > 0)
                        return true;
        return false;
}

void check_decode(const Choice *c, const uint8_t *tlvs, size_t n_tlvs) {
        CodecError error = {};
        TlvWriter w = {};
        Arena a, b, d;
        Value first, sent, again;
        int r;

        arena_init(&a);
        arena_init(&b);
        arena_init(&d);
        r = message_decode(c->message, c->type, c->vendor, tlvs, n_tlvs, &a, &first);
        if (r == -ENOMEM) /* an array of so many small structs */
                goto finish;
        must(r == 0 && first.type == VALUE_DICT);
        if (!c->message || has_layouts(c) || value_dict_get(&first, "unknown_tlvs") ||
            has_lossy_element(&first))
                goto finish;

        must(message_decode(c->message, c->type, c->vendor, tlvs, n_tlvs, &b, &sent) == 0);
        drop_texts_with_bytes(&sent);
        r = message_encode(c->message, c->type, c->vendor, &sent, &w, &error);
        if (r == -EINVAL && is_excused(error.text))
                goto finish;
        if (r < 0)
                fprintf(stderr, "%s\n", error.text);
        must(r == 0);
        r = message_decode(c->message, c->type, c->vendor, w.bytes, w.n_bytes, &d, &again);
        must(r == 0);
        must(nearly_equal(&first, &again));

finish:
        tlv_writer_done(&w);
        arena_done(&a);
        arena_done(&b);
        arena_done(&d);
}
