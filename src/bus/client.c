/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "bus/internal.h"
#include "bus/value.h"
#include "util/log.h"

static void client_publish(BusClient *c) {
        int r;

        c->published = true;
        r = sd_bus_emit_object_added(c->device->bus->bus, c->path);
        if (r < 0)
                log_warning_errno(r, "%s: cannot announce it", c->path);
}

static void on_allocated(Client *client, int error, void *userdata) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        BusClient *c = userdata;
        int r;

        if (error == 0) {
                client_publish(c);
                if (c->open) {
                        r = sd_bus_reply_method_return(c->open, "o", c->path);
                        if (r < 0)
                                log_warning_errno(r, "%s: cannot tell its owner", c->path);
                        c->open = sd_bus_message_unref(c->open);
                }
                return;
        }

        if (error > 0)
                bus_error_set_qmi(&e, "allocating a client id", (uint16_t) error, NULL, NULL);
        else if (error == -ETIMEDOUT)
                sd_bus_error_set(&e, QMID_ERROR_TIMEOUT, "the modem did not give a client id in time");
        else
                sd_bus_error_set(&e, QMID_ERROR_DEVICE_GONE,
                                 "the modem went away before it gave a client id");
        bus_client_remove(c, &e, NULL);
}

static void on_indication(Client *client, const QmiMessage *m, bool broadcast, void *userdata) {
        service_emit_indication(userdata, m);
}

static void on_ended(Client *client, const char *reason, void *userdata) {
        static const sd_bus_error gone =
                SD_BUS_ERROR_MAKE_CONST(QMID_ERROR_DEVICE_GONE, "the client id is gone");

        bus_client_remove(userdata, &gone, reason);
}

static int client_add(BusDevice *d, const char *sender, uint16_t service, bool implicit, BusClient **ret) {
        static const ClientOps ops = {
                .on_allocated = on_allocated,
                .on_indication = on_indication,
                .on_ended = on_ended,
        };
        Mux *mux = device_get_mux(d->device);
        Caller *caller;
        unsigned n = 0;
        BusClient *c;
        int r;

        r = caller_get(d->bus, sender, &caller);
        if (r < 0)
                return r;
        LIST_FOREACH(c, &caller->clients, of_caller)
                n++;
        if (n >= CALLER_CLIENTS_MAX)
                return -EDQUOT;
        c = calloc(1, sizeof(*c));
        if (!c) {
                caller_drop_if_unused(caller);
                return -ENOMEM;
        }
        if (asprintf(&c->path, "%s/client/%" PRIu64, d->path, d->bus->n_clients + 1) < 0) {
                c->path = NULL;
                r = -ENOMEM;
        } else
                r = client_new(&c->client, mux, service, &caller->owner, &ops, c);
        if (r < 0) {
                caller_drop_if_unused(caller);
                free(c->path);
                free(c);
                return r;
        }

        d->bus->n_clients++;
        c->object = (BusObject){ .device = d, .client = c };
        c->device = d;
        c->caller = caller;
        c->service = schema_service_by_id(service, mux_get_vendor(mux));
        c->implicit = implicit;
        LIST_INSERT_HEAD(&d->clients, c, of_device);
        LIST_INSERT_HEAD(&caller->clients, c, of_caller);
        *ret = c;
        return 0;
}

int bus_client_get_implicit(BusDevice *d, const char *sender, uint16_t service, BusClient **ret) {
        BusClient *c;

        LIST_FOREACH(c, &d->clients, of_device)
                if (c->implicit && client_get_service(c->client) == service &&
                    streq(client_get_owner(c->client)->name, sender)) {
                        *ret = c;
                        return 0;
                }
        return client_add(d, sender, service, true, ret);
}

int bus_client_open(BusDevice *d, sd_bus_message *open, uint16_t service) {
        BusClient *c;
        int r;

        r = client_add(d, sd_bus_message_get_sender(open), service, false, &c);
        if (r < 0)
                return r;
        c->open = sd_bus_message_ref(open);
        return 0;
}

void bus_client_remove(BusClient *c, const sd_bus_error *error, const char *reason) {
        sd_bus *bus = c->device->bus->bus;
        Caller *caller = c->caller;
        int r = 0;

        bus_calls_fail(c->device, c, error);
        if (c->open) {
                r = sd_bus_reply_method_error(c->open, error);
                sd_bus_message_unref(c->open);
        }
        if (r >= 0 && c->published && reason) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

                r = sd_bus_message_new_signal(bus, &m, c->path, QMID_BUS_NAME ".Client", "Ended");
                if (r >= 0)
                        r = sd_bus_message_append(m, "s", reason);
                if (r >= 0)
                        r = sd_bus_message_set_destination(m, caller->name);
                if (r >= 0)
                        r = sd_bus_send(bus, m, NULL);
        }
        if (r >= 0 && c->published)
                r = sd_bus_emit_object_removed(bus, c->path);
        if (r < 0)
                log_warning_errno(r, "%s: cannot tell that it is gone", c->path);

        LIST_REMOVE(c, of_device);
        LIST_REMOVE(c, of_caller);
        (void) client_release(c->client, &caller->owner);
        free(c->path);
        free(c);
        caller_drop_if_unused(caller);
}

const char *bus_client_signal_path(BusClient *c) {
        return c->implicit ? c->device->path : c->path;
}

/* ---- ListClients ---- */

typedef struct Listing {
        BusDevice *device;
        sd_bus_message *reply;
        int result;
} Listing;

static int append_client(BusDevice *d, sd_bus_message *reply, Client *client) {
        uint16_t id = client_get_service(client);
        const SchemaService *s = schema_service_by_id(id, mux_get_vendor(device_get_mux(d->device)));
        BusClient *c, *of_bus = NULL;
        char number[16];
        int r;

        LIST_FOREACH(c, &d->clients, of_device)
                if (c->client == client)
                        of_bus = c;
        snprintf(number, sizeof(number), "0x%02x", id);

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;
        r = sd_bus_message_append(
                reply, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "service", "s",
                s ? schema_string(s->name) : number, "client_id", "y", client_get_id(client), "owner", "s",
                of_bus ? of_bus->caller->name : client_get_owner(client)->name, "program", "s",
                of_bus && of_bus->caller->program ? of_bus->caller->program : "", "requests", "t",
                client_get_n_requests(client), "since", "t", client_get_since_usec(client), "implicit", "b",
                of_bus ? of_bus->implicit : false, "lingering", "b", client_is_lingering(client));
        if (r < 0)
                return r;
        if (of_bus && of_bus->published) {
                r = sd_bus_message_append(reply, "{sv}", "path", "o", of_bus->path);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(reply);
}

static bool on_client(Client *client, void *userdata) {
        Listing *l = userdata;

        l->result = append_client(l->device, l->reply, client);
        return l->result >= 0;
}

int bus_append_clients(BusDevice *d, sd_bus_message *reply) {
        Listing l = { .device = d, .reply = reply };
        int r;

        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        if (r < 0)
                return r;
        mux_foreach_client(device_get_mux(d->device), on_client, &l);
        if (l.result < 0)
                return l.result;
        return sd_bus_message_close_container(reply);
}

/* ---- org.qmid1.Client ---- */

static int get_service(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const BusClient *c = ((BusObject *) userdata)->client;
        char number[16];

        snprintf(number, sizeof(number), "0x%02x", client_get_service(c->client));
        return sd_bus_message_append(reply, "s", c->service ? schema_string(c->service->name) : number);
}

static int get_client_id(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "y", client_get_id(((BusObject *) userdata)->client->client));
}

static int get_owner(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", ((BusObject *) userdata)->client->caller->name);
}

static int get_implicit(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "b", ((BusObject *) userdata)->client->implicit);
}

static int method_release(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        static const sd_bus_error released =
                SD_BUS_ERROR_MAKE_CONST(QMID_ERROR_DEVICE_GONE, "its owner released the client");
        BusClient *c = ((BusObject *) userdata)->client;
        int r;

        r = bus_read_no_options(m, error);
        if (r < 0)
                return r;
        if (!streq(sd_bus_message_get_sender(m), c->caller->name))
                return sd_bus_error_setf(error, QMID_ERROR_NOT_OWNER, "%s belongs to %s", c->path,
                                         c->caller->name);
        bus_client_remove(c, &released, "its owner released it");
        return sd_bus_reply_method_return(m, NULL);
}

const sd_bus_vtable client_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Service", "s", get_service, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ClientId", "y", get_client_id, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Owner", "s", get_owner, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Implicit", "b", get_implicit, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_METHOD_WITH_ARGS("Release", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_release,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Ended", SD_BUS_ARGS("s", reason), 0),
        SD_BUS_SIGNAL_WITH_ARGS("RawIndication", SD_BUS_ARGS("s", service, "q", message, "a(yay)", tlvs), 0),
        SD_BUS_VTABLE_END,
};
