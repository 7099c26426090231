/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "bus/internal.h"
#include "util/log.h"

typedef struct Listing {
        BusDevice *device;
        sd_bus_message *reply;
        const User *user;
        bool all;
        int result;
} Listing;

static BusClient *find(BusDevice *d, const Client *client) {
        BusClient *c;

        LIST_FOREACH(c, &d->clients, of_device)
                if (c->client == client)
                        return c;
        return NULL;
}

/* What the objects on the bus do not tell everybody. */
static int append_others(sd_bus_message *reply, Client *client, const BusClient *c) {
        int r;

        r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}", "owner", "s",
                                  client_get_owner(client)->name, "program", "s",
                                  caller_get_program(c ? bus_client_get_listener(c) : NULL), "requests", "t",
                                  client_get_n_requests(client), "since", "t", client_get_since_usec(client),
                                  "pending", "u", (uint32_t) client_get_n_pending(client));
        if (r >= 0 && c)
                r = sd_bus_message_append(reply, "{sv}{sv}", "socket", "b", c->socket != NULL,
                                          "lost_indications", "t", c->n_lost);
        return r;
}

static int append_withheld(sd_bus_message *reply, const BusClient *c) {
        return sd_bus_message_append(reply, "{sv}", "withheld", "as", c ? 7 : 5, "owner", "program",
                                     "requests", "since", "pending", "socket", "lost_indications");
}

static int append_client(const Listing *l, Client *client) {
        uint16_t id = client_get_service(client);
        const SchemaService *s = schema_service_by_id(id, mux_get_vendor(device_get_mux(l->device->device)));
        const BusClient *c = find(l->device, client);
        sd_bus_message *reply = l->reply;
        char number[16];
        int r;

        snprintf(number, sizeof(number), "0x%02x", id);
        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r < 0)
                return r;
        r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}", "service", "s",
                                  s ? schema_string(s->name) : number, "client_id", "y",
                                  client_get_id(client), "implicit", "b", c && c->implicit, "lingering", "b",
                                  client_is_lingering(client));
        if (r >= 0 && c)
                r = sd_bus_message_append(reply, "{sv}", "persist", "b", c->persist);
        if (r >= 0 && c && c->published)
                r = sd_bus_message_append(reply, "{sv}", "path", "o", c->path);
        if (r >= 0)
                r = l->all || (c && user_is_allowed(l->user, c->user)) ? append_others(reply, client, c)
                                                                       : append_withheld(reply, c);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static bool on_client(Client *client, void *userdata) {
        Listing *l = userdata;

        l->result = append_client(l, client);
        return l->result >= 0;
}

int bus_append_clients(BusDevice *d, sd_bus_message *reply, const User *user, bool all) {
        Listing l = { .device = d, .reply = reply, .user = user, .all = all };
        int r;

        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        if (r < 0)
                return r;
        mux_foreach_client(device_get_mux(d->device), on_client, &l);
        if (l.result < 0)
                return l.result;
        return sd_bus_message_close_container(reply);
}

/* ---- who holds how many ---- */

#define HOLDERS_MAX 8U /* that are told by name */

typedef struct Holder {
        const Owner *owner;
        bool lingering;
        const char *program;
        unsigned n;
} Holder;

typedef struct Census {
        BusDevice *device;
        uint16_t service;
        const Caller *caller; /* to be told */
        Holder holders[HOLDERS_MAX];
        size_t n_holders;
        unsigned n_others;
} Census;

static bool may_be_told(const Caller *caller, const BusClient *c) {
        return caller && (caller->trusted || (c && user_is_allowed(caller->user, c->user)));
}

static bool count_client(Client *client, void *userdata) {
        Census *census = userdata;
        const Owner *owner = client_get_owner(client);
        bool lingering = client_is_lingering(client);
        const BusClient *c;
        Holder *h;

        if (client_get_service(client) != census->service || client_get_id(client) == 0)
                return true;
        c = find(census->device, client);
        if (!may_be_told(census->caller, c)) {
                census->n_others++;
                return true;
        }
        for (h = census->holders; h < census->holders + census->n_holders; h++)
                if (h->owner == owner && h->lingering == lingering)
                        break;
        if (h == census->holders + HOLDERS_MAX) {
                census->n_others++;
                return true;
        }
        if (h == census->holders + census->n_holders) {
                census->n_holders++;
                *h = (Holder){
                        .owner = owner,
                        .lingering = lingering,
                        .program = caller_get_program(c ? bus_client_get_listener(c) : NULL),
                };
        }
        h->n++;
        return true;
}

void bus_error_append_holders(sd_bus_error *error, BusDevice *d, uint16_t service, const Caller *caller) {
        Census census = { .device = d, .service = service, .caller = caller };
        char text[1024] = "";
        sd_bus_error e = SD_BUS_ERROR_NULL;
        size_t n = 0;

        mux_foreach_client(device_get_mux(d->device), count_client, &census);
        for (size_t i = 0; i < census.n_holders && n < sizeof(text); i++) {
                const Holder *h = &census.holders[i];

                n += (size_t) snprintf(text + n, sizeof(text) - n, "%s%s%s%s%s %u", i > 0 ? ", " : "",
                                       h->lingering      ? "being released"
                                       : *h->owner->name ? h->owner->name
                                                         : "nobody",
                                       *h->program ? " (" : "", h->program, *h->program ? ")" : "", h->n);
        }
        if (census.n_others > 0 && n < sizeof(text))
                (void) snprintf(text + n, sizeof(text) - n, "%sothers %u", n > 0 ? ", " : "",
                                census.n_others);
        if (!*text)
                return;
        sd_bus_error_setf(&e, error->name, "%s (held by: %s)", error->message, text);
        sd_bus_error_free(error);
        sd_bus_error_move(error, &e);
}

/* ---- who must give ---- */

static bool is_idle(const BusClient *c) {
        if (!c->client || client_get_state(c->client) != CLIENT_READY || c->n_calls > 0 || c->open ||
            c->socket || c->session)
                return false;
        return c->caller ? c->implicit && client_is_plain(c->client) : c->persist;
}

bool bus_reclaim(Bus *b, Device *device, uint16_t service) {
        static const char reason[] = "taken back: the modem has no client id of this service left";
        BusDevice *d = bus_find_device(b, device);
        BusClient *c, *found = NULL;

        if (!d)
                return false;
        /* The newest are first. What is nobody's goes before what is somebody's. */
        LIST_FOREACH(c, &d->clients, of_device)
                if (is_idle(c) && client_get_service(c->client) == service &&
                    (!found || !c->caller || found->caller))
                        found = c;
        if (!found)
                return false;
        log_warning("%s: %s, %s", found->path, found->caller ? found->caller->name : "nobody's", reason);
        bus_client_remove(found, NULL, reason);
        return true;
}
