/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "registration.h"

/* Where booleans do not make a modem speak: how much a value must change. */
static const struct {
        const char *service, *message, *key;
        double value;
} deltas[] = {
        { "nas", "config-signal-info-v2", "gsm_rssi_delta", 2 },
        { "nas", "config-signal-info-v2", "wcdma_rssi_delta", 2 },
        { "nas", "config-signal-info-v2", "lte_rssi_delta", 2 },
        { "nas", "config-signal-info-v2", "lte_snr_delta", 2 },
        { "nas", "config-signal-info-v2", "lte_rsrq_delta", 2 },
        { "nas", "config-signal-info-v2", "lte_rsrp_delta", 2 },
        { "nas", "config-signal-info-v2", "nr5g_snr_delta", 2 },
        { "nas", "config-signal-info-v2", "nr5g_rsrp_delta", 2 },
        { "nas", "config-signal-info-v2", "nr5g_rsrq_delta", 2 },
};

static int all_flags(const SchemaType *t, Arena *a, Value *ret) {
        const SchemaEnum *e = &schema_enums[t->item];
        Value v = { .type = VALUE_ARRAY, .signature = "s" };

        v.elements = arena_alloc(a, e->n * sizeof(Value));
        if (!v.elements)
                return -ENOMEM;
        for (uint16_t i = 0; i < e->n; i++)
                v.elements[v.n++] =
                        (Value){ .type = VALUE_STRING,
                                 .string = schema_string(schema_enum_values[e->first + i].symbol) };
        *ret = v;
        return 1;
}

/* 1 and a value that turns it on, 0: there is none. */
static int turned_on(const SchemaMessage *m, const SchemaField *f, Arena *a, Value *ret) {
        const char *service = schema_string(schema_services[m->service].name);
        const SchemaType *t = &schema_types[f->type];

        if (t->kind == SCHEMA_BOOL) {
                *ret = (Value){ .type = VALUE_BOOL, .boolean = true };
                return 1;
        }
        if (t->kind == SCHEMA_FLAGS)
                return all_flags(t, a, ret);
        for (size_t i = 0; i < ELEMENTSOF(deltas); i++)
                if (streq(deltas[i].service, service) && streq(deltas[i].message, schema_string(m->name)) &&
                    streq(deltas[i].key, schema_string(f->name))) {
                        *ret = (Value){ .type = VALUE_DOUBLE, .number = deltas[i].value };
                        return 1;
                }
        return 0;
}

int registration_request(const SchemaMessage *m, Arena *a, Value *ret) {
        Value dict = { .type = VALUE_DICT };

        if (m->kind != KIND_CLIENT || !(m->flags & SCHEMA_REPLAY) || m->vendor != 0)
                return 0;
        for (uint16_t i = 0; i < m->request.n; i++) {
                const SchemaTlv *t = &schema_tlvs[m->request.first + i];
                Value value, *place;
                int r;

                if (t->alternative > 0 || t->vendor != 0)
                        continue;
                r = turned_on(m, &t->field, a, &value);
                if (r < 0)
                        return r;
                if (r == 0 && t->field.flags & SCHEMA_MANDATORY)
                        return 0;
                if (r == 0)
                        continue;
                place = value_dict_add(&dict, a, schema_string(t->field.name));
                if (!place)
                        return -ENOMEM;
                *place = value;
        }
        if (dict.n == 0)
                return 0;
        *ret = dict;
        return 1;
}

bool service_has_registration(const SchemaService *s) {
        _cleanup_(arena_done) Arena a;
        Value request;

        arena_init(&a);
        for (uint16_t i = 0; i < s->n_messages; i++)
                if (registration_request(&schema_messages[s->first_message + i], &a, &request) > 0)
                        return true;
        return false;
}
