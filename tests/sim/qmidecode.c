/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Takes frames apart with the library: hex on standard input, a frame a line (a USB vendor id may stand
 * before it: "0x1199 01…"); a JSON object a line comes out:
 *
 *   service, message (their names, or ids in hex), type, client, transaction; result of a response;
 *   values: as on the bus; keys: which TLV each key of it came from */

#include <stdio.h>

#include "json.h"
#include "qmi/codec.h"
#include "scalar.h"

static Value text_value(const char *s) {
        return (Value){ .type = VALUE_STRING, .n = (uint32_t) strlen(s), .string = s };
}

static int dict_put(Value *dict, Arena *a, const char *key, Value value) {
        Value *v = value_dict_add(dict, a, key);

        if (!v)
                return -ENOMEM;
        *v = value;
        return 0;
}

static int put_names(Value *out, Arena *a, const QmiMessage *m, const SchemaService *s,
                     const SchemaMessage *schema) {
        static const char *const types[] = { "request", "response", "indication" };
        const char *service = s ? schema_string(s->name) : arena_printf(a, "0x%02x", m->service);
        const char *message = schema ? schema_string(schema->name) : arena_printf(a, "0x%04x", m->id);
        int r;

        if (!service || !message)
                return -ENOMEM;
        r = dict_put(out, a, "service", text_value(service));
        if (r >= 0)
                r = dict_put(out, a, "message", text_value(message));
        if (r >= 0)
                r = dict_put(out, a, "type", text_value(types[m->type]));
        if (r >= 0)
                r = dict_put(out, a, "client", (Value){ .type = VALUE_U8, .u64 = m->client });
        if (r >= 0)
                r = dict_put(out, a, "transaction", (Value){ .type = VALUE_U16, .u64 = m->transaction });
        return r;
}

static int put_result(Value *out, Arena *a, const QmiMessage *m) {
        const char *symbol;
        int error;

        if (m->type != QMI_RESPONSE)
                return 0;
        error = tlv_result(m->tlvs, m->n_tlvs);
        if (error < 0)
                return 0;
        symbol = schema_error_symbol((uint16_t) error) ?: arena_printf(a, "%d", error);
        return symbol ? dict_put(out, a, "result", text_value(symbol)) : -ENOMEM;
}

/* The ids behind the keys: what tells that nothing was lost. */
static int put_keys(Value *out, Arena *a, const QmiMessage *m, const SchemaMessage *schema,
                    const Value *values) {
        Value keys = { .type = VALUE_DICT };
        SchemaTlvs rows;
        int r = 0;

        if (schema) {
                rows = message_tlvs(schema, m->type);
                for (uint16_t i = 0; r >= 0 && i < rows.n; i++) {
                        const SchemaTlv *row = &schema_tlvs[rows.first + i];
                        const char *name = schema_string(row->field.name);

                        if (value_dict_get(values, name) && !value_dict_get(&keys, name))
                                r = dict_put(&keys, a, name, (Value){ .type = VALUE_U8, .u64 = row->id });
                }
        }
        return r < 0 ? r : dict_put(out, a, "keys", keys);
}

static int decode(const uint8_t *frame, size_t n_frame, uint16_t vendor) {
        Value out = { .type = VALUE_DICT }, values;
        const SchemaMessage *schema;
        const SchemaService *s;
        QmiMessage m;
        Arena a;
        int r;

        r = frame_parse(frame, n_frame, &m);
        if (r < 0)
                return r;
        s = schema_service_by_id(m.service, vendor);
        schema = s ? schema_message_by_id(s, m.type == QMI_INDICATION, m.id, vendor) : NULL;

        arena_init(&a);
        r = message_decode(schema, m.type, vendor, m.tlvs, m.n_tlvs, &a, &values);
        if (r >= 0)
                r = put_names(&out, &a, &m, s, schema);
        if (r >= 0)
                r = put_result(&out, &a, &m);
        if (r >= 0)
                r = dict_put(&out, &a, "values", values);
        if (r >= 0)
                r = put_keys(&out, &a, &m, schema, &values);
        if (r >= 0)
                r = json_print(stdout, &out, JSON_SHORT);
        arena_done(&a);
        return r;
}

int main(void) {
        _cleanup_free_ char *line = NULL;
        size_t n_allocated = 0;

        while (getline(&line, &n_allocated, stdin) > 0) {
                _cleanup_free_ uint8_t *frame = NULL;
                unsigned long vendor = 0;
                char *hex = line;
                size_t n_frame;
                int r;

                if (strncmp(line, "0x", 2) == 0)
                        vendor = strtoul(line, &hex, 16);
                r = vendor > UINT16_MAX ? -ERANGE : hex_parse(hex, &frame, &n_frame);
                if (r >= 0)
                        r = decode(frame, n_frame, (uint16_t) vendor);
                if (r < 0) {
                        fprintf(stderr, "qmidecode: %s: %s", strerror(-r), line);
                        return 1;
                }
        }
        return 0;
}
