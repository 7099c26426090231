/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <search.h>
#include <stdio.h>

#include "bus/internal.h"
#include "bus/value.h"

/* Which object stands behind a path below /org/qmid1/device. */

static int compare(const void *a, const void *b) {
        const BusDevice *left = a, *right = b;

        if (left->n_path != right->n_path)
                return left->n_path < right->n_path ? -1 : 1;
        return memcmp(left->path, right->path, left->n_path);
}

/* The number of ".../client/17", with that prefix: decimal, as we write it; 0 for anything else. */
static uint64_t number_of(const char *rest, const char *prefix) {
        uint64_t n = 0;

        if (strncmp(rest, prefix, strlen(prefix)) != 0 || rest[strlen(prefix)] == '0')
                return 0;
        for (const char *p = rest + strlen(prefix); *p; p++) {
                if (*p < '0' || *p > '9' || n > UINT64_MAX / 10 - 1)
                        return 0;
                n = n * 10 + (uint64_t) (*p - '0');
        }
        return n;
}

int bus_find_object(Bus *b, const char *path, BusObject **ret) {
        BusDevice key = { .path = (char *) (uintptr_t) path }, **found;
        size_t n_prefix = strlen(QMID_DEVICE_PATH "/");
        BusSession *s;
        BusClient *c;

        if (strncmp(path, QMID_DEVICE_PATH "/", n_prefix) != 0)
                return 0;
        key.n_path = n_prefix + strcspn(path + n_prefix, "/");
        found = tfind(&key, &b->device_tree, compare);
        if (!found)
                return 0;
        if (!path[key.n_path]) {
                *ret = &(*found)->object;
                return 1;
        }
        s = bus_session_find(*found, number_of(path + key.n_path, "/session/"));
        if (s) {
                *ret = &s->object;
                return 1;
        }
        c = bus_client_find(b, number_of(path + key.n_path, "/client/"));
        if (!c || !c->published || c->device != *found)
                return 0;
        *ret = &c->object;
        return 1;
}

static bool is_device(const BusObject *o) {
        return !o->client && !o->session;
}

static int find_device(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                       sd_bus_error *error) {
        BusObject *o;

        if (!bus_find_object(userdata, path, &o) || !is_device(o))
                return 0;
        *ret = o;
        return 1;
}

static int find_data(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                     sd_bus_error *error) {
        BusObject *o;

        if (!bus_find_object(userdata, path, &o) || !is_device(o) || !data_is_served(o->device))
                return 0;
        *ret = o;
        return 1;
}

static int find_client(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                       sd_bus_error *error) {
        BusObject *o;

        if (!bus_find_object(userdata, path, &o) || !o->client)
                return 0;
        *ret = o;
        return 1;
}

static int find_session(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                        sd_bus_error *error) {
        BusObject *o;

        if (!bus_find_object(userdata, path, &o) || !o->session)
                return 0;
        *ret = o;
        return 1;
}

static int enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error) {
        Bus *b = userdata;
        size_t n = 0, i = 0;
        BusSession *s;
        BusDevice *d;
        BusClient *c;
        char **paths;

        LIST_FOREACH(d, &b->devices, entries) {
                n++;
                LIST_FOREACH(c, &d->clients, of_device)
                        n++;
                LIST_FOREACH(s, &d->sessions, of_device)
                        n++;
        }
        paths = calloc(n + 1, sizeof(char *));
        if (!paths)
                return -ENOMEM;
        LIST_FOREACH(d, &b->devices, entries) {
                paths[i++] = strdup(d->path);
                LIST_FOREACH(c, &d->clients, of_device)
                        if (c->published)
                                paths[i++] = strdup(c->path);
                LIST_FOREACH(s, &d->sessions, of_device)
                        paths[i++] = strdup(s->path);
        }
        for (size_t k = 0; k < i; k++)
                if (!paths[k]) {
                        while (i > 0)
                                free(paths[--i]);
                        free(paths);
                        return -ENOMEM;
                }
        *ret = paths;
        return 0;
}

static bool is_served_by_all(const char *interface) {
        return streq(interface, "org.freedesktop.DBus.Properties") ||
               streq(interface, "org.freedesktop.DBus.Introspectable");
}

/* A path or an interface that is not there gets an error that says why, in place of the bus library's. Runs
 * before the tables are looked at; 0 lets them go on. */
static int on_unserved(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *path = sd_bus_message_get_path(m), *interface = sd_bus_message_get_interface(m);
        const SchemaService *s;
        BusObject *o;
        Bus *b = userdata;
        bool ours;

        if (!sd_bus_message_is_method_call(m, NULL, NULL) || streq(path, QMID_DEVICE_PATH))
                return 0;
        if (!interface) /* D-Bus lets callers leave it out; sd-bus finds no method then */
                return sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_METHOD,
                                         "%s: the call does not say of which interface",
                                         sd_bus_message_get_member(m));
        ours = strncmp(interface, QMID_BUS_NAME ".", strlen(QMID_BUS_NAME ".")) == 0;
        if (!ours && !is_served_by_all(interface))
                return 0;
        if (!bus_find_object(b, path, &o)) {
                bus_erase_body(m);
                return sd_bus_error_setf(error, QMID_ERROR_NO_SUCH_DEVICE,
                                         "%s: no such device, client or session", path);
        }
        if (!ours || !is_device(o))
                return 0;
        if (streq(interface, DATA_INTERFACE) && !data_is_served(o->device)) {
                bus_erase_body(m); /* there may be a password in it */
                return data_refuse(o->device, error);
        }
        s = schema_service_by_name(interface + strlen(QMID_BUS_NAME "."));
        if (!s || s->id == QMI_SERVICE_CTL || service_is_served(o->device, s))
                return 0;
        bus_erase_body(m); /* nobody looks at what may be a secret */
        return service_refuse(o->device, s, error);
}

int objects_declare(Bus *b) {
        int r;

        r = sd_bus_add_node_enumerator(b->bus, NULL, QMID_DEVICE_PATH, enumerate, b);
        if (r < 0)
                return r;
        r = sd_bus_add_fallback(b->bus, NULL, QMID_DEVICE_PATH, on_unserved, b);
        if (r < 0)
                return r;
        r = sd_bus_add_fallback_vtable(b->bus, NULL, QMID_DEVICE_PATH, QMID_BUS_NAME ".Device",
                                       device_vtable, find_device, b);
        if (r < 0)
                return r;
        r = sd_bus_add_fallback_vtable(b->bus, NULL, QMID_DEVICE_PATH, QMID_BUS_NAME ".Client",
                                       client_vtable, find_client, b);
        if (r < 0)
                return r;
        r = sd_bus_add_fallback_vtable(b->bus, NULL, QMID_DEVICE_PATH, DATA_INTERFACE, data_vtable,
                                       find_data, b);
        if (r < 0)
                return r;
        return sd_bus_add_fallback_vtable(b->bus, NULL, QMID_DEVICE_PATH, SESSION_INTERFACE, session_vtable,
                                          find_session, b);
}

int objects_link_device(BusDevice *d) {
        d->n_path = strlen(d->path);
        if (!tsearch(d, &d->bus->device_tree, compare))
                return -ENOMEM;
        LIST_INSERT_HEAD(&d->bus->devices, d, entries);
        return 0;
}

void objects_unlink_device(BusDevice *d) {
        LIST_REMOVE(d, entries);
        tdelete(d, &d->bus->device_tree, compare);
}
