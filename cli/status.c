/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"
#include "bus/value.h"
#include "device.h"
#include "json.h"
#include "output.h"
#include "reply.h"
#include "services.h"

/* What is asked of the modem, where it has the service. */
static const struct {
        const char *service, *message;
        const char *key, *heading;
} queries[] = {
        { "dms", "get-operating-mode", "operating_mode", "Operating mode" },
        { "nas", "get-serving-system", "network", "Network" },
        { "nas", "get-signal-info", "signal", "Signal" },
};

static bool is_public(const SchemaField *f) {
        return f->access == ACCESS_NONE || f->access == ACCESS_STATUS;
}

static void prune(Value *v, const SchemaType *t);

/* Everything that needs more than class `status` goes: a status may be shown to anybody. So do keys that the
 * schema does not have ("unknown_tlvs"): nobody knows what they give away. */
static void prune_dict(Value *dict, const SchemaTlvs *tlvs, const SchemaType *t) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < dict->n; i++) {
                const SchemaField *found = NULL;

                for (uint16_t k = 0; k < (tlvs ? tlvs->n : t->count); k++) {
                        const SchemaField *f =
                                tlvs ? &schema_tlvs[tlvs->first + k].field : &schema_fields[t->item + k];

                        if (streq(schema_string(f->name), dict->entries[i].key)) {
                                found = f;
                                break;
                        }
                }
                if (!found || !is_public(found))
                        continue;
                dict->entries[n] = dict->entries[i];
                prune(&dict->entries[n++].value, &schema_types[found->type]);
        }
        dict->n = n;
}

static void prune(Value *v, const SchemaType *t) {
        if (v->type == VALUE_DICT)
                prune_dict(v, NULL, t);
        else if (v->type == VALUE_ARRAY && t->kind == SCHEMA_ARRAY)
                for (uint32_t i = 0; i < v->n; i++)
                        prune(&v->elements[i], &schema_types[t->item]);
}

static int query(const Options *o, sd_bus *bus, const char *path, const SchemaMessage *m, Arena *a,
                 sd_bus_message **ret_reply, Value *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        const char *title = message_title(m, a);
        int r;

        if (!title)
                return cli_oom();
        r = bus_new_call(bus, path, schema_string(schema_services[m->service].interface),
                         schema_string(m->member), &call);
        if (r != EXIT_OK)
                return r;
        r = sd_bus_message_append(call, "a{sv}", 0);
        if (r < 0)
                return bus_fail_errno(title, r);
        r = bus_call(o, bus, call, title, BUS_TIMEOUT_USEC, &reply);
        if (r != EXIT_OK)
                return r;
        r = reply_read(reply, a, ret);
        if (r >= 0 && ret->type != VALUE_DICT)
                r = -EBADMSG;
        if (r < 0)
                return bus_fail_errno(title, r);
        prune_dict(ret, &m->response, NULL);
        *ret_reply = TAKE_PTR(reply);
        return EXIT_OK;
}

/* Properties that say something, services on one line. */
static void print_device(const Value *device, Arena *a) {
        Value shown = { .type = VALUE_DICT }, services;

        for (uint32_t i = 0; i < device->n; i++) {
                const ValueEntry *e = &device->entries[i];
                const Value *v = &e->value;
                Value *place;

                if ((v->type == VALUE_STRING && !*v->string) || (v->type == VALUE_ARRAY && v->n == 0) ||
                    (v->type == VALUE_DICT && v->n == 0))
                        continue;
                if (streq(e->key, "services") && v->type == VALUE_DICT) {
                        services = (Value){ .type = VALUE_ARRAY, .signature = "s", .n = v->n };
                        services.elements = arena_alloc(a, v->n * sizeof(Value));
                        if (!services.elements)
                                return;
                        for (uint32_t k = 0; k < v->n; k++) {
                                const char *version = reply_text(v, v->entries[k].key),
                                           *text = arena_printf(a, "%s %s", v->entries[k].key, version);

                                if (!text)
                                        return;
                                services.elements[k] = (Value){ .type = VALUE_STRING, .string = text };
                        }
                        v = &services;
                }
                place = value_dict_add(&shown, a, e->key);
                if (!place)
                        return;
                *place = *v;
        }
        output_dict(stdout, NULL, QMI_RESPONSE, &shown, 0);
}

int verb_status(const Options *o, char **args, size_t n_args) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *properties_reply = NULL;
        sd_bus_message *replies[ELEMENTSOF(queries)] = {};
        const SchemaMessage *messages[ELEMENTSOF(queries)] = {};
        Value answers[ELEMENTSOF(queries)], properties, device;
        _cleanup_free_ char *path = NULL;
        const Value *services;
        _cleanup_(arena_done) Arena a;
        int r;

        arena_init(&a);
        r = bus_connect(o, &bus);
        if (r != EXIT_OK)
                return r;
        r = bus_find_device(o, bus, &path);
        if (r != EXIT_OK)
                return r;
        r = bus_get_properties(o, bus, path, QMID_DEVICE_INTERFACE, &properties_reply, &a, &properties);
        if (r != EXIT_OK)
                return r;
        if (device_describe(path, &properties, &a, &device) < 0)
                return cli_oom();

        /* What does not answer is said on standard error and left out. */
        services = value_dict_get(&device, "services");
        for (size_t i = 0; i < ELEMENTSOF(queries); i++) {
                const SchemaService *s = schema_service_by_name(queries[i].service);
                const SchemaMessage *m = s ? schema_message_by_name(s, queries[i].message) : NULL;

                if (!m || !services || !value_dict_get(services, queries[i].service) ||
                    !streq(reply_text(&device, "state"), "ready"))
                        continue;
                if (query(o, bus, path, m, &a, &replies[i], &answers[i]) == EXIT_OK)
                        messages[i] = m;
        }

        if (o->json == JSON_OFF)
                print_device(&device, &a);
        for (size_t i = 0; i < ELEMENTSOF(queries); i++) {
                Value *place;

                if (!messages[i])
                        continue;
                if (o->json == JSON_OFF) {
                        printf("\n%s:\n", queries[i].heading);
                        output_dict(stdout, messages[i], QMI_RESPONSE, &answers[i], 2);
                        continue;
                }
                place = value_dict_add(&device, &a, queries[i].key);
                if (!place) {
                        r = cli_oom();
                        break;
                }
                *place = answers[i];
        }
        if (o->json != JSON_OFF && r == EXIT_OK)
                r = json_print(stdout, &device, o->json);
        for (size_t i = 0; i < ELEMENTSOF(queries); i++)
                sd_bus_message_unref(replies[i]);
        return r;
}
