/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmi/schema.h"

bool schema_name_equal(const char *a, const char *b) {
        for (; schema_name_fold(*a) == schema_name_fold(*b); a++, b++)
                if (!*a)
                        return true;
        return false;
}

/* Interfaces are spelled org.qmid1.Nas; CTL has none. */
static const char *service_member(const SchemaService *s) {
        const char *dot = strrchr(schema_string(s->interface), '.');

        return dot ? dot + 1 : "";
}

const SchemaService *schema_service_by_name(const char *name) {
        for (uint16_t i = 0; i < schema_n_services; i++) {
                const SchemaService *s = schema_services + i;

                if (schema_name_equal(schema_string(s->name), name) ||
                    (*name && streq(service_member(s), name)))
                        return s;
        }
        return NULL;
}

const SchemaService *schema_service_by_id(uint16_t id, uint16_t vendor) {
        const SchemaService *found = NULL;

        for (uint16_t i = 0; i < schema_n_services; i++) {
                const SchemaService *s = schema_services + i;

                if (s->id != id)
                        continue;
                if (s->vendor == vendor)
                        return s;
                if (!found && (s->vendor == 0 || vendor == 0))
                        found = s;
        }
        return found;
}

static const SchemaMessage *find_by_name(uint16_t first, uint16_t n, const char *name) {
        for (uint16_t i = 0; i < n; i++) {
                const SchemaMessage *m = schema_messages + first + i;

                if (schema_name_equal(schema_string(m->name), name) || streq(schema_string(m->member), name))
                        return m;
        }
        return NULL;
}

const SchemaMessage *schema_message_by_name(const SchemaService *s, const char *name) {
        return find_by_name(s->first_message, s->n_messages, name);
}

const SchemaMessage *schema_indication_by_name(const SchemaService *s, const char *name) {
        return find_by_name(s->first_indication, s->n_indications, name);
}

const SchemaMessage *schema_message_by_id(const SchemaService *s, bool indication, uint16_t id,
                                          uint16_t vendor) {
        const SchemaMessage *rows = schema_messages + (indication ? s->first_indication : s->first_message);
        size_t low = 0, n = indication ? s->n_indications : s->n_messages, high = n;

        /* The first row of that id: the one without a vendor, where there is one. */
        while (low < high) {
                size_t middle = (low + high) / 2;

                if (rows[middle].id < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        const SchemaMessage *found = NULL;
        for (size_t i = low; i < n && rows[i].id == id; i++) {
                if (rows[i].vendor == vendor)
                        return rows + i;
                if (!found && (rows[i].vendor == 0 || vendor == 0))
                        found = rows + i;
        }
        return found;
}

const char *schema_enum_symbol(uint16_t enum_row, uint32_t value) {
        const SchemaEnum *e = schema_enums + enum_row;
        const SchemaEnumValue *values = schema_enum_values + e->first;
        size_t low = 0, high = e->n;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (values[middle].value < value)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < e->n && values[low].value == value ? schema_string(values[low].symbol) : NULL;
}

int schema_enum_value(uint16_t enum_row, const char *symbol, uint32_t *ret) {
        const SchemaEnum *e = schema_enums + enum_row;

        for (uint16_t i = 0; i < e->n; i++) {
                const SchemaEnumValue *v = schema_enum_values + e->first + i;

                if (schema_name_equal(schema_string(v->symbol), symbol)) {
                        *ret = v->value;
                        return 0;
                }
        }
        return -ENOENT;
}

const char *schema_error_symbol(uint16_t error) {
        return schema_enum_symbol(schema_error_enum, error);
}

const char *access_class_to_string(AccessClass c) {
        static const char *const names[_ACCESS_CLASS_MAX] = {
                [ACCESS_NONE] = "none",         [ACCESS_STATUS] = "status",
                [ACCESS_IDENTITY] = "identity", [ACCESS_LOCATION] = "location",
                [ACCESS_DATA] = "data",         [ACCESS_SIM_UNLOCK] = "sim_unlock",
                [ACCESS_SIM] = "sim",           [ACCESS_MESSAGING] = "messaging",
                [ACCESS_VOICE] = "voice",       [ACCESS_CONTROL] = "control",
                [ACCESS_CLIENTS] = "clients",   [ACCESS_CONFIGURATION] = "configuration",
                [ACCESS_RAW] = "raw",
        };

        return c >= 0 && c < _ACCESS_CLASS_MAX ? names[c] : NULL;
}

const char *message_kind_to_string(MessageKind k) {
        static const char *const names[_MESSAGE_KIND_MAX] = {
                [KIND_NONE] = "none",     [KIND_QUERY] = "query",     [KIND_COMMAND] = "command",
                [KIND_CLIENT] = "client", [KIND_SESSION] = "session",
        };

        return k >= 0 && k < _MESSAGE_KIND_MAX ? names[k] : NULL;
}
