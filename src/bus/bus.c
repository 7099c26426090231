/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <search.h>
#include <stdio.h>
#include <time.h>

#include "bus/internal.h"
#include "bus/value.h"
#include "util/log.h"

/* How long the end waits for the bus daemon to say who the last callers are. */
#define LEAVE_USEC USEC_PER_SEC

static uint64_t now_usec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * USEC_PER_SEC + (uint64_t) t.tv_nsec / 1000;
}

static int compare(const void *a, const void *b) {
        const BusDevice *left = a, *right = b;

        if (left->n_path != right->n_path)
                return left->n_path < right->n_path ? -1 : 1;
        return memcmp(left->path, right->path, left->n_path);
}

/* The number of ".../client/17": decimal, as we write it; 0 for anything else. */
static uint64_t client_number(const char *rest) {
        static const char prefix[] = "/client/";
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
        c = bus_client_find(b, client_number(path + key.n_path));
        if (!c || !c->published || c->device != *found)
                return 0;
        *ret = &c->object;
        return 1;
}

static int find_device(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                       sd_bus_error *error) {
        BusObject *o;

        if (!bus_find_object(userdata, path, &o) || o->client)
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

static int enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret, sd_bus_error *error) {
        Bus *b = userdata;
        size_t n = 0, i = 0;
        BusDevice *d;
        BusClient *c;
        char **paths;

        LIST_FOREACH(d, &b->devices, entries) {
                n++;
                LIST_FOREACH(c, &d->clients, of_device)
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
        if (!bus_find_object(b, path, &o))
                return sd_bus_error_setf(error, QMID_ERROR_NO_SUCH_DEVICE, "%s: no such device or client",
                                         path);
        if (!ours || o->client)
                return 0;
        s = schema_service_by_name(interface + strlen(QMID_BUS_NAME "."));
        if (!s || s->id == QMI_SERVICE_CTL || service_is_served(o->device, s))
                return 0;
        return service_refuse(o->device, s, error);
}

/* Sees every message before anything else does. */
static int note_call(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;

        if (sd_bus_message_is_method_call(m, NULL, NULL) > 0)
                (void) sd_event_now(sd_bus_get_event(b->bus), CLOCK_MONOTONIC, &b->last_call_usec);
        return 0;
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;

        b->ops->on_lost(b, "the connection to the bus is gone", b->userdata);
        return 0;
}

static int on_name_lost(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;
        const char *name;

        if (!b->leaving && sd_bus_message_read(m, "s", &name) >= 0 && streq(name, QMID_BUS_NAME))
                b->ops->on_lost(b, "the bus name was given to somebody else", b->userdata);
        return 0;
}

static int bus_declare(Bus *b) {
        int r;

        r = sd_bus_add_filter(b->bus, NULL, note_call, b);
        if (r < 0)
                return r;
        r = sd_bus_match_signal(b->bus, NULL, "org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local",
                                "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, b);
        if (r < 0)
                return r;
        r = sd_bus_match_signal(b->bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                "org.freedesktop.DBus", "NameLost", on_name_lost, b);
        if (r < 0)
                return r;
        r = caller_watch(b);
        if (r < 0)
                return r;
        r = sd_bus_add_object_vtable(b->bus, NULL, QMID_ROOT_PATH, QMID_BUS_NAME ".Manager", manager_vtable,
                                     b);
        if (r < 0)
                return r;
        r = sd_bus_add_object_manager(b->bus, NULL, QMID_ROOT_PATH);
        if (r < 0)
                return r;
        r = log_control_add(b->bus);
        if (r < 0)
                return r;

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
        return service_faces_add(b);
}

int bus_new(Bus **ret, sd_event *event, const BusOps *ops, void *userdata) {
        _cleanup_(bus_freep) Bus *b = NULL;
        sd_id128_t id;
        int r;

        b = calloc(1, sizeof(*b));
        if (!b)
                return -ENOMEM;
        b->ops = ops;
        b->userdata = userdata;
        b->sleep_delay = -1;
        LIST_INIT(&b->devices);
        LIST_INIT(&b->callers);
        b->nobody.name = "";

        r = sd_bus_open_system(&b->bus);
        if (r < 0)
                return log_error_errno(r, "Cannot connect to the system bus");
        r = sd_bus_attach_event(b->bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;
        r = peer_modem_manager_watch(b);
        if (r < 0)
                return log_error_errno(r, "Cannot ask the bus for ModemManager");
        r = peer_logind_watch(b);
        if (r < 0)
                return log_error_errno(r, "Cannot ask the bus for logind");
        r = sd_bus_get_bus_id(b->bus, &id);
        if (r < 0)
                return log_error_errno(r, "Cannot ask for the id of the bus");
        (void) sd_id128_to_string(id, b->id);
        r = bus_declare(b);
        if (r < 0)
                return log_error_errno(r, "Cannot declare the objects on the bus");

        *ret = TAKE_PTR(b);
        return 0;
}

Bus *bus_free(Bus *b) {
        if (!b)
                return NULL;
        while (!LIST_EMPTY(&b->devices))
                bus_remove_device(b, LIST_FIRST(&b->devices)->device);
        while (!LIST_EMPTY(&b->callers))
                caller_free(LIST_FIRST(&b->callers));
        peer_logind_done(b);
        sd_bus_flush_close_unref(b->bus);
        service_faces_free(b->faces);
        free(b);
        return NULL;
}

int bus_take_name(Bus *b) {
        int r;

        r = sd_bus_request_name(b->bus, QMID_BUS_NAME, 0);
        if (r < 0)
                return log_error_errno(r, "Cannot take the name " QMID_BUS_NAME " on the bus");
        return 0;
}

bool bus_is_in_use(Bus *b) {
        return b->n_held > 0;
}

uint64_t bus_get_last_call_usec(Bus *b) {
        return b->last_call_usec;
}

bool bus_device_is_held(Bus *b, Device *device) {
        const BusDevice *d = bus_find_device(b, device);

        return d && (!LIST_EMPTY(&d->clients) || !LIST_EMPTY(&d->traces) || !LIST_EMPTY(&d->inhibitors));
}

void bus_changed(Bus *b, bool now) {
        if (b->ops->on_save && !b->detached)
                b->ops->on_save(b, now, b->userdata);
}

void bus_keep(Bus *b, const char *name, int fd) {
        if (b->ops->on_keep && !b->detached)
                b->ops->on_keep(b, name, fd, b->userdata);
}

int bus_take_kept(Bus *b, const char *name) {
        return b->ops->take_kept ? b->ops->take_kept(b, name, b->userdata) : -ENOENT;
}

Charge bus_charge(Bus *b, Caller *caller, User *user, BusDevice *d) {
        return (Charge){ .of = {
                                 [SHARE_OF_CALLER] = caller ? &caller->share : NULL,
                                 [SHARE_OF_USER] = user ? &user->share : NULL,
                                 [SHARE_OF_DEVICE] = d ? &d->share : NULL,
                                 [SHARE_OF_ALL] = b ? &b->share : NULL,
                         } };
}

/* ---- the end ---- */

void bus_begin_call(Bus *b) {
        b->n_calls++;
}

void bus_end_call(Bus *b) {
        b->n_calls--;
}

bool bus_has_calls(Bus *b) {
        return b->n_calls > 0;
}

/* Until none of the callers waits for what the bus daemon says of it, or for so long. */
static int bus_wait_for_credentials(Bus *b, uint64_t timeout_usec) {
        uint64_t end = now_usec() + timeout_usec, now;
        const Caller *c;
        int r;

        for (;;) {
                LIST_FOREACH(c, &b->callers, entries)
                        if (c->credentials)
                                break;
                if (!c)
                        return 0;
                r = sd_bus_process(b->bus, NULL);
                if (r < 0)
                        return r;
                now = now_usec();
                if (now >= end)
                        return -ETIMEDOUT;
                if (r == 0) {
                        r = sd_bus_wait(b->bus, end - now);
                        if (r < 0 && r != -EINTR)
                                return r;
                }
        }
}

static void bus_rest_sockets(Bus *b, bool answer) {
        BusDevice *d;
        BusClient *c;

        LIST_FOREACH(d, &b->devices, entries)
                LIST_FOREACH(c, &d->clients, of_device)
                        if (c->socket)
                                bus_socket_rest(c->socket, answer);
}

void bus_leave(Bus *b) {
        int r;

        b->leaving = true;
        bus_rest_sockets(b, false);
        /* From the answer on, the bus daemon keeps calls to the name for the next instance; those before it
         * are in our queue by then. */
        r = sd_bus_release_name(b->bus, QMID_BUS_NAME);
        if (r < 0)
                log_warning_errno(r, "Cannot give the bus name back");
        while ((r = sd_bus_process(b->bus, NULL)) > 0)
                ;
        if (r >= 0)
                r = bus_wait_for_credentials(b, LEAVE_USEC);
        if (r >= 0)
                r = sd_bus_flush(b->bus);
        if (r < 0)
                log_warning_errno(r, "Cannot answer what was sent before the name was given back");
}

void bus_check_owners(Bus *b, uint64_t timeout_usec) {
        int r;

        r = bus_wait_for_credentials(b, timeout_usec);
        if (r < 0)
                log_warning_errno(r, "Cannot find out which owners of clients are still there");
}

void bus_fail_calls(Bus *b, const char *reason) {
        sd_bus_error error = SD_BUS_ERROR_MAKE_CONST(QMID_ERROR_DEVICE_GONE, reason);
        BusClient *c, *next;
        Caller *caller;
        BusDevice *d;

        LIST_FOREACH(caller, &b->callers, entries)
                caller_fail_waiting(caller, &error);
        LIST_FOREACH(d, &b->devices, entries) {
                for (c = LIST_FIRST(&d->clients); c; c = next) {
                        next = LIST_NEXT(c, of_device);
                        if (c->open)
                                bus_client_remove(c, &error, NULL);
                }
                bus_calls_fail(d, NULL, &error);
        }
        bus_rest_sockets(b, true);
}

void bus_detach(Bus *b) {
        b->detached = true;
}

const char *bus_get_id(Bus *b) {
        return b->id;
}

int bus_read_options(sd_bus_message *m, const char *const *keys, Arena *a, Value *ret, sd_bus_error *error) {
        Value options;
        int r;

        r = bus_read_dict(m, a, &options, error);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < options.n; i++) {
                const char *const *k = keys;

                while (*k && !streq(*k, options.entries[i].key))
                        k++;
                if (!*k)
                        return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT, "%s: unknown option",
                                                 options.entries[i].key);
        }
        *ret = options;
        return 0;
}

int bus_read_no_options(sd_bus_message *m, sd_bus_error *error) {
        _cleanup_(arena_done) Arena arena;
        Value options;

        arena_init(&arena);
        return bus_read_options(m, (const char *const[]){ NULL }, &arena, &options, error);
}

/* ---- devices ---- */

BusDevice *bus_find_device(Bus *b, Device *d) {
        BusDevice *i;

        LIST_FOREACH(i, &b->devices, entries)
                if (i->device == d)
                        return i;
        return NULL;
}

static BusDevice *bus_device_free(BusDevice *d) {
        if (!d)
                return NULL;
        free(d->published);
        free(d->path);
        free(d);
        return NULL;
}
DEFINE_CLEANUP(BusDevice *, bus_device_free)

static void bus_device_unlink(BusDevice *d) {
        LIST_REMOVE(d, entries);
        tdelete(d, &d->bus->device_tree, compare);
}

/* Announces and withdraws service interfaces as the modem gains and loses services. */
static void bus_device_publish_services(BusDevice *d) {
        _cleanup_free_ char **added = NULL, **removed = NULL;
        size_t n_added = 0, n_removed = 0;
        int r = 0;

        added = calloc(schema_n_services + 1U, sizeof(char *));
        removed = calloc(schema_n_services + 1U, sizeof(char *));
        if (!added || !removed) {
                log_oom();
                return;
        }
        for (uint16_t i = 0; i < schema_n_services; i++) {
                const SchemaService *s = &schema_services[i];
                bool has = service_is_served(d, s);

                if (has == d->published[i])
                        continue;
                /* The array is not written to; sd-bus wants char ** all the same. */
                if (has)
                        added[n_added++] = (char *) (uintptr_t) schema_string(s->interface);
                else
                        removed[n_removed++] = (char *) (uintptr_t) schema_string(s->interface);
                d->published[i] = has;
        }
        if (n_added > 0)
                r = sd_bus_emit_interfaces_added_strv(d->bus->bus, d->path, added);
        if (r >= 0 && n_removed > 0)
                r = sd_bus_emit_interfaces_removed_strv(d->bus->bus, d->path, removed);
        if (r < 0)
                log_warning_errno(r, "%s: cannot announce its services", device_get_name(d->device));
}

int bus_add_device(Bus *b, Device *device) {
        _cleanup_(bus_device_freep) BusDevice *d = NULL;
        int r;

        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        d->bus = b;
        d->device = device;
        d->object.device = d;
        LIST_INIT(&d->clients);
        TAILQ_INIT(&d->calls);
        LIST_INIT(&d->traces);
        LIST_INIT(&d->inhibitors);
        d->published = calloc(schema_n_services, sizeof(bool));
        if (!d->published)
                return -ENOMEM;
        if (asprintf(&d->path, QMID_DEVICE_PATH "/%s", device_get_name(device)) < 0) {
                d->path = NULL;
                return -ENOMEM;
        }

        d->n_path = strlen(d->path);
        if (!tsearch(d, &b->device_tree, compare))
                return -ENOMEM;
        LIST_INSERT_HEAD(&b->devices, d, entries);
        r = sd_bus_emit_object_added(b->bus, d->path);
        if (r < 0) {
                bus_device_unlink(d);
                return r;
        }
        bus_device_publish_services(d);
        TAKE_PTR(d);
        return 0;
}

void bus_remove_device(Bus *b, Device *device) {
        static const sd_bus_error gone =
                SD_BUS_ERROR_MAKE_CONST(QMID_ERROR_DEVICE_GONE, "the device is gone");
        BusDevice *d = bus_find_device(b, device);
        int r;

        if (!d)
                return;
        bus_calls_fail(d, NULL, b->detached ? NULL : &gone);
        while (!LIST_EMPTY(&d->clients))
                bus_client_remove(LIST_FIRST(&d->clients), &gone, gone.message);
        while (!LIST_EMPTY(&d->traces))
                bus_trace_close(LIST_FIRST(&d->traces));
        while (!LIST_EMPTY(&d->inhibitors))
                bus_inhibitor_close(LIST_FIRST(&d->inhibitors));
        r = b->detached ? 0 : sd_bus_emit_object_removed(b->bus, d->path);
        if (r < 0)
                log_warning_errno(r, "%s: cannot announce that it is gone", device_get_name(device));
        bus_device_unlink(d);
        bus_device_free(d);
}

void bus_device_changed(Bus *b, Device *device, unsigned changes) {
        const char *properties[10];
        BusDevice *d = bus_find_device(b, device);
        size_t n = 0;
        int r;

        if (!d)
                return;
        if (changes & DEVICE_CHANGE_STATE) {
                properties[n++] = "State";
                properties[n++] = "StateReason";
        }
        if (changes & DEVICE_CHANGE_MODEL) {
                properties[n++] = "Manufacturer";
                properties[n++] = "Model";
                properties[n++] = "Revision";
        }
        if (changes & DEVICE_CHANGE_SERVICES) {
                bus_device_publish_services(d);
                properties[n++] = "Services";
        }
        if (changes & DEVICE_CHANGE_INTERFACES)
                properties[n++] = "Interfaces";
        if (changes & DEVICE_CHANGE_PORT)
                properties[n++] = "Port";
        if (changes & DEVICE_CHANGE_PRIMARY)
                properties[n++] = "Primary";
        properties[n] = NULL;
        r = sd_bus_emit_properties_changed_strv(b->bus, d->path, QMID_BUS_NAME ".Device",
                                                (char **) (uintptr_t) properties);
        if (r < 0)
                log_warning_errno(r, "%s: cannot announce a change", device_get_name(device));
}
