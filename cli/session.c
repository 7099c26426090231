/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"

#include <inttypes.h>

#include "bus.h"
#include "device.h"
#include "json.h"
#include "output.h"
#include "reply.h"

static const struct {
        const char *name, *key;
} families[] = {
        { "ipv4", "ip4" },
        { "ipv6", "ip6" },
};

int session_describe(const char *path, const Value *properties, Arena *a, Value *ret) {
        const char *end = strstr(path, "/session/");
        char *device;
        Value *v;
        int r;

        r = device_describe(path, properties, a, ret);
        if (r < 0)
                return r;
        device = arena_strndup(a, path, end ? (size_t) (end - path) : strlen(path));
        v = device ? value_dict_add(ret, a, "device") : NULL;
        if (!v)
                return -ENOMEM;
        *v = (Value){ .type = VALUE_STRING, .string = bus_device_name(device) };
        return 0;
}

static int compare_sessions(const void *a, const void *b) {
        const char *x = reply_text(a, "name"), *y = reply_text(b, "name");
        size_t n = strlen(x), m = strlen(y);

        return n != m ? (n < m ? -1 : 1) : strcmp(x, y); /* numbers without zeros in front */
}

int session_list(const Options *o, sd_bus *bus, sd_bus_message **ret_reply, Arena *a, Value *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        Value objects, sessions = { .type = VALUE_ARRAY, .signature = "a{sv}" };
        _cleanup_free_ char *device = NULL;
        size_t n;
        int r;

        if (*o->device) {
                r = bus_find_device(o, bus, &device);
                if (r != EXIT_OK)
                        return r;
        }
        r = bus_new_call(bus, QMID_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", &m);
        if (r != EXIT_OK)
                return r;
        r = bus_call(o, bus, m, "listing the sessions", BUS_TIMEOUT_USEC, &reply);
        if (r != EXIT_OK)
                return r;
        r = reply_read(reply, a, &objects);
        if (r >= 0 && objects.type != VALUE_DICT)
                r = -EBADMSG;
        if (r < 0)
                return bus_fail_errno("listing the sessions", r);

        sessions.elements = arena_alloc(a, objects.n * sizeof(Value));
        if (!sessions.elements)
                return cli_oom();
        n = device ? strlen(device) : 0;
        for (uint32_t i = 0; i < objects.n; i++) {
                const ValueEntry *e = &objects.entries[i];
                const Value *properties = value_dict_get(&e->value, QMID_SESSION_INTERFACE);

                if (!properties || (device && (strncmp(e->key, device, n) != 0 || e->key[n] != '/')))
                        continue;
                if (session_describe(e->key, properties, a, &sessions.elements[sessions.n++]) < 0)
                        return cli_oom();
        }
        qsort(sessions.elements, sessions.n, sizeof(Value), compare_sessions);
        *ret = sessions;
        *ret_reply = TAKE_PTR(reply);
        return EXIT_OK;
}

int session_find(const Value *sessions, const char *name, const Value **ret) {
        for (uint32_t i = 0; name && i < sessions->n; i++)
                if (streq(reply_text(&sessions->elements[i], "name"), name) ||
                    streq(reply_text(&sessions->elements[i], "path"), name)) {
                        *ret = &sessions->elements[i];
                        return EXIT_OK;
                }
        if (name)
                return cli_error(EXIT_MISSING,
                                 "there is no session %s; 'qmictl sessions' lists those there are", name);
        if (sessions->n == 0)
                return cli_error(EXIT_MISSING, "there is no session");
        if (sessions->n > 1)
                return cli_error(EXIT_USAGE,
                                 "there are %" PRIu32
                                 " sessions; name one of those that 'qmictl sessions' lists",
                                 sessions->n);
        *ret = &sessions->elements[0];
        return EXIT_OK;
}

const char *session_address(const Value *session, const char *family, Arena *a) {
        const Value *ip = value_dict_get(session, family),
                    *prefix = ip ? value_dict_get(ip, "prefix") : NULL;
        const char *address = ip ? reply_text(ip, "address") : "";
        uint64_t n;

        if (!*address || !prefix || value_get_u64(prefix, &n) < 0)
                return address;
        return arena_printf(a, "%s/%" PRIu64, address, n);
}

/* What of the grant of a family, (bs), a person must know; "" if it has an address or was not asked for. */
static const char *family_trouble(const Value *session, const char *name, Arena *a) {
        const Value *all = value_dict_get(session, "families"),
                    *grant = all ? value_dict_get(all, name) : NULL;
        const char *reason;

        if (!grant || grant->type != VALUE_ARRAY || grant->n != 2 || grant->elements[0].type != VALUE_BOOL ||
            grant->elements[1].type != VALUE_STRING)
                return "";
        reason = grant->elements[1].string;
        if (grant->elements[0].boolean)
                return *reason ? arena_printf(a, "; %s: %s", name, reason) : "";
        return *reason ? arena_printf(a, "; no %s: %s", name, reason) : arena_printf(a, "; no %s", name);
}

const char *session_summary(const Value *session, Arena *a) {
        const char *text = reply_text(session, "interface"), *problem = reply_text(session, "problem"),
                   *trouble = "";

        for (size_t i = 0; i < ELEMENTSOF(families) && text && trouble; i++) {
                const char *address = session_address(session, families[i].key, a), *more;

                if (!address)
                        return NULL;
                if (*address)
                        text = arena_printf(a, "%s%s%s", text, *text ? ", " : "", address);
                more = family_trouble(session, families[i].name, a);
                trouble = more ? arena_printf(a, "%s%s", trouble, more) : NULL;
        }
        if (!text || !trouble)
                return NULL;
        return arena_printf(a, "%s%s%s%s", *text ? text : "no address", trouble, *problem ? "; " : "",
                            problem);
}

int session_print(const Options *o, const Value *session, Arena *a) {
        Value shown = { .type = VALUE_DICT };

        if (o->json != JSON_OFF)
                return json_print(stdout, session, o->json);
        for (uint32_t i = 0; i < session->n; i++) {
                const Value *v = &session->entries[i].value;
                Value *place;

                if ((v->type == VALUE_STRING && !*v->string) ||
                    ((v->type == VALUE_ARRAY || v->type == VALUE_DICT) && v->n == 0))
                        continue;
                place = value_dict_add(&shown, a, session->entries[i].key);
                if (!place)
                        return cli_oom();
                *place = *v;
                if (streq(session->entries[i].key, "families") && v->type == VALUE_DICT) {
                        *place = (Value){ .type = VALUE_DICT };
                        for (uint32_t k = 0; k < v->n; k++) {
                                Value *grant = value_dict_add(place, a, v->entries[k].key);
                                const char *trouble = family_trouble(session, v->entries[k].key, a);

                                if (!grant || !trouble)
                                        return cli_oom();
                                *grant = (Value){ .type = VALUE_STRING,
                                                  .string = *trouble ? trouble + strlen("; ") : "granted" };
                        }
                }
        }
        output_dict(stdout, NULL, QMI_RESPONSE, &shown, 0);
        return EXIT_OK;
}
