/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>

#include "bus/internal.h"
#include "bus/value.h"
#include "util/log.h"

static int compare(const void *a, const void *b) {
        uint64_t left = ((const BusClient *) a)->number, right = ((const BusClient *) b)->number;

        return left < right ? -1 : left > right;
}

BusClient *bus_client_find(Bus *b, uint64_t number) {
        BusClient **found = tfind(&(BusClient){ .number = number }, &b->client_tree, compare);

        return found ? *found : NULL;
}

int bus_client_new(BusDevice *d, Caller *caller, User *user, uint64_t number, BusClient **ret) {
        Bus *b = d->bus;
        BusClient *c;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->number = number;
        if (asprintf(&c->path, "%s/client/%" PRIu64, d->path, number) < 0) {
                free(c);
                return -ENOMEM;
        }
        if (!tsearch(c, &b->client_tree, compare)) {
                free(c->path);
                free(c);
                return -ENOMEM;
        }
        c->object = (BusObject){ .device = d, .client = c };
        c->device = d;
        c->caller = caller;
        c->user = user_ref(user);
        STAILQ_INIT(&c->held);
        LIST_INSERT_HEAD(&d->clients, c, of_device);
        if (caller)
                LIST_INSERT_HEAD(&caller->clients, c, of_caller);
        b->n_clients = MAX(b->n_clients, number);
        b->n_held++;
        *ret = c;
        return 0;
}

void bus_client_free(BusClient *c) {
        Charge charge = bus_charge(c->device->bus, c->caller, c->user, c->device);

        bus_indications_drop(c);
        share_give(&charge, SHARE_CLIENTS, 1);
        tdelete(c, &c->device->bus->client_tree, compare);
        LIST_REMOVE(c, of_device);
        if (c->caller)
                LIST_REMOVE(c, of_caller);
        c->device->bus->n_held--;
        user_unref(c->user);
        free(c->path);
        free(c);
}

void bus_client_set(BusClient *c, Client *client) {
        c->client = client;
        c->service =
                schema_service_by_id(client_get_service(client), mux_get_vendor(client_get_mux(client)));
}

const Owner *bus_client_get_owner(const BusClient *c) {
        const Caller *owner = bus_client_get_listener(c);

        if (c->session)
                return session_get_owner(c->session->session);
        return owner ? &owner->owner : &c->device->bus->nobody;
}

Caller *bus_client_get_caller(const BusClient *c) {
        return c->session ? c->session->caller : c->caller;
}

Caller *bus_client_get_listener(const BusClient *c) {
        return bus_client_get_caller(c) ?: c->holder;
}

const char *bus_client_signal_path(BusClient *c) {
        return c->implicit ? c->device->path : c->path;
}

void bus_client_emit_changed(BusClient *c, const char *property) {
        int r;

        if (!c->published)
                return;
        r = sd_bus_emit_properties_changed(c->device->bus->bus, c->path, QMID_BUS_NAME ".Client", property,
                                           NULL);
        if (r < 0)
                log_warning_errno(r, "%s: cannot announce a change", c->path);
}

/* To its owner, and to nobody else. `types` and what follows: as of sd_bus_message_append(). */
static int client_tell(BusClient *c, const char *member, const char *types, ...) {
        const Caller *owner = bus_client_get_caller(c);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        sd_bus *bus = c->device->bus->bus;
        va_list ap;
        int r;

        if (!owner || !c->published)
                return 0;
        bus_indications_flush(c->device->bus, owner->name);
        r = sd_bus_message_new_signal(bus, &m, c->path, QMID_BUS_NAME ".Client", member);
        if (r < 0)
                return r;
        va_start(ap, types);
        r = sd_bus_message_appendv(m, types, ap);
        va_end(ap);
        if (r >= 0)
                r = sd_bus_message_set_destination(m, owner->name);
        return r < 0 ? r : sd_bus_send(bus, m, NULL);
}

/* ---- lost indications ---- */

/* Told when it begins and when it is over: one signal for each would be one more that nobody reads. */
static void client_set_losing(BusClient *c, bool losing) {
        if (c->losing == losing)
                return;
        c->losing = losing;
        bus_client_emit_changed(c, "LostIndications");
}

void bus_client_count_lost(BusClient *c) {
        c->n_lost++;
        client_set_losing(c, true);
}

void bus_client_count_passed(BusClient *c) {
        client_set_losing(c, false);
}

/* ---- what the mux says ---- */

static void client_publish(BusClient *c) {
        int r;

        c->published = true;
        bus_changed(c->device->bus, c->open);
        r = sd_bus_emit_object_added(c->device->bus->bus, c->path);
        if (r < 0)
                log_warning_errno(r, "%s: cannot announce it", c->path);
}

/* The OpenClient that waits has its answer. */
static void client_end_open(BusClient *c) {
        if (!c->open)
                return;
        c->open = sd_bus_message_unref(c->open);
        bus_end_call(c->device->bus);
}

static void on_allocated(Client *client, int error, void *userdata) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        BusClient *c = userdata;
        int r;

        if (error == 0) {
                /* Kept before it is told: who was told of it finds it after a restart. */
                client_publish(c);
                if (c->open) {
                        r = sd_bus_reply_method_return(c->open, "o", c->path);
                        if (r < 0)
                                log_warning_errno(r, "%s: cannot tell its owner", c->path);
                        client_end_open(c);
                }
                return;
        }

        if (error > 0) {
                bus_error_set_qmi(&e, "allocating a client id", (uint16_t) error, NULL, NULL);
                if (error == QMI_ERROR_CLIENT_IDS_EXHAUSTED)
                        bus_error_append_holders(&e, c->device, client_get_service(client), c->caller);
        } else if (error == -ETIMEDOUT)
                sd_bus_error_set(&e, QMID_ERROR_TIMEOUT, "the modem did not give a client id in time");
        else
                sd_bus_error_set(&e, QMID_ERROR_DEVICE_GONE,
                                 "the modem went away before it gave a client id");
        bus_client_remove(c, &e, NULL);
}

void bus_client_hear(BusClient *c, const QmiMessage *m) {
        if (c->socket)
                bus_socket_emit_indication(c->socket, m);
        else if (bus_client_get_listener(c))
                bus_indication_emit(c, m);
        else
                bus_client_count_lost(c);
}

static void on_indication(Client *client, const QmiMessage *m, bool broadcast, void *userdata) {
        bus_client_hear(userdata, m);
}

static void on_ended(Client *client, const char *reason, void *userdata) {
        static const sd_bus_error gone =
                SD_BUS_ERROR_MAKE_CONST(QMID_ERROR_DEVICE_GONE, "the client id is gone");

        bus_client_remove(userdata, &gone, reason);
}

static void on_replaced(Client *client, void *userdata) {
        BusClient *c = userdata;
        int r;

        bus_client_emit_changed(c, "ClientId");
        r = client_tell(c, "Replaced", "");
        if (r < 0)
                log_warning_errno(r, "%s: cannot tell that it was replaced", c->path);
}

const ClientOps bus_client_ops = {
        .on_allocated = on_allocated,
        .on_indication = on_indication,
        .on_ended = on_ended,
        .on_replaced = on_replaced,
};

/* ---- they come and go ---- */

/* Implicit ones come without being asked for: no user, and not all together, may use a service up. */
static int check_implicit(BusDevice *d, const User *user, uint16_t service, sd_bus_error *error) {
        uint32_t n = 0, n_of_user = 0;
        const BusClient *c;
        int r;

        LIST_FOREACH(c, &d->clients, of_device)
                if (c->implicit && client_get_service(c->client) == service) {
                        n++;
                        n_of_user += c->user == user;
                }
        r = share_check(SHARE_OF_USER, SHARE_IMPLICIT, n_of_user, error);
        return r < 0 ? r : share_check(SHARE_OF_DEVICE, SHARE_IMPLICIT, n, error);
}

static int client_add(BusDevice *d, Caller *caller, uint16_t service, const char *what, bool implicit,
                      BusClient **ret, sd_bus_error *error) {
        Charge charge = bus_charge(d->bus, caller, caller->user, d);
        Mux *mux = device_get_mux(d->device);
        Client *client;
        BusClient *c;
        int r;

        if (implicit) {
                r = check_implicit(d, caller->user, service, error);
                if (r < 0)
                        return r;
        }
        r = share_take(&charge, SHARE_CLIENTS, 1, error);
        if (r < 0)
                return r;
        r = bus_client_new(d, caller, caller->user, d->bus->n_clients + 1, &c);
        if (r < 0) {
                share_give(&charge, SHARE_CLIENTS, 1);
                return r;
        }
        r = client_new(&client, mux, service, &caller->owner, &bus_client_ops, c);
        if (r < 0) {
                bus_client_free(c);
                return bus_error_set_mux(error, mux, what, r);
        }
        bus_client_set(c, client);
        c->implicit = implicit;
        *ret = c;
        return 0;
}

int bus_client_get_implicit(BusDevice *d, Caller *caller, uint16_t service, const char *what,
                            BusClient **ret, sd_bus_error *error) {
        BusClient *c;

        LIST_FOREACH(c, &caller->clients, of_caller)
                if (c->implicit && c->device == d && client_get_service(c->client) == service) {
                        *ret = c;
                        return 0;
                }
        return client_add(d, caller, service, what, true, ret, error);
}

int bus_client_open(BusDevice *d, Caller *caller, sd_bus_message *open, uint16_t service, const char *what,
                    bool persist, sd_bus_error *error) {
        BusClient *c;
        int r;

        r = client_add(d, caller, service, what, false, &c, error);
        if (r < 0)
                return r;
        c->persist = persist;
        c->open = sd_bus_message_ref(open);
        bus_begin_call(d->bus);
        return 0;
}

/* The next daemon goes on with the client. */
static void client_forget(BusClient *c) {
        bus_calls_fail(c->device, c, NULL);
        client_end_open(c);
        bus_socket_close(c->socket);
        bus_client_free(c);
}

void bus_client_remove(BusClient *c, const sd_bus_error *error, const char *reason) {
        Bus *b = c->device->bus;
        int r = 0;

        if (b->detached) {
                client_forget(c);
                return;
        }
        bus_calls_fail(c->device, c, error);
        if (c->open && error)
                r = sd_bus_reply_method_error(c->open, error);
        client_end_open(c);
        bus_socket_close(c->socket);
        if (r >= 0 && reason)
                r = client_tell(c, "Ended", "s", reason);
        if (r >= 0 && c->published)
                r = sd_bus_emit_object_removed(b->bus, c->path);
        if (r < 0)
                log_warning_errno(r, "%s: cannot tell that it is gone", c->path);

        if (!c->session)
                (void) client_release(c->client, bus_client_get_owner(c));
        bus_client_free(c);
        bus_changed(b, false);
}

/* ---- whose it is ---- */

int bus_client_check(BusClient *c, Caller *caller, sd_bus_error *error) {
        if (c->session)
                return bus_session_check(c->session, caller, error);
        if (c->caller == caller)
                return 0;
        if (c->caller)
                return sd_bus_error_setf(error, QMID_ERROR_NOT_OWNER, "%s belongs to %s", c->path,
                                         c->caller->name);
        if (c->holder && c->holder != caller)
                return sd_bus_error_setf(error, QMID_ERROR_NOT_OWNER,
                                         "%s belongs to %s until its call is answered", c->path,
                                         c->holder->name);
        return !user_is_allowed(caller->user, c->user);
}

int bus_client_hold(BusClient *c, Caller *caller) {
        int r;

        if (c->caller || c->session)
                return 0;
        if (!c->holder) {
                r = client_set_owner(c->client, &c->device->bus->nobody, &caller->owner);
                if (r < 0)
                        return r;
                c->holder = caller;
        }
        c->n_held++;
        return 0;
}

void bus_client_unhold(BusClient *c, Caller *caller) {
        if (!c->holder || --c->n_held > 0)
                return;
        bus_indications_drop(c);
        (void) client_set_owner(c->client, &caller->owner, &c->device->bus->nobody);
        c->holder = NULL;
}

int bus_client_claim(BusClient *c, Caller *caller, sd_bus_error *error) {
        Charge charge = bus_charge(NULL, caller, NULL, NULL);
        int r;

        if (c->caller == caller)
                return 0;
        r = share_take(&charge, SHARE_CLIENTS, 1, error);
        if (r < 0)
                return r;
        r = client_set_owner(c->client, bus_client_get_owner(c), &caller->owner);
        if (r < 0) {
                share_give(&charge, SHARE_CLIENTS, 1);
                return r;
        }
        bus_socket_close(c->socket);
        bus_indications_drop(c);
        c->holder = NULL;
        c->n_held = 0;
        c->caller = caller;
        LIST_INSERT_HEAD(&caller->clients, c, of_caller);
        bus_changed(c->device->bus, true);
        bus_client_emit_changed(c, "Owner");
        return 0;
}

void bus_client_disown(BusClient *c) {
        Charge charge = bus_charge(NULL, c->caller, NULL, NULL);

        (void) client_set_owner(c->client, &c->caller->owner, &c->device->bus->nobody);
        share_give(&charge, SHARE_CLIENTS, 1);
        bus_indications_drop(c);
        if (c->socket)
                bus_socket_disown(c->socket, c->caller);
        LIST_REMOVE(c, of_caller);
        c->caller = NULL;
        bus_changed(c->device->bus, false);
        bus_client_emit_changed(c, "Owner");
}
