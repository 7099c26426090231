/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "bus/internal.h"
#include "util/log.h"

/* Data sessions: whose they are, and what is told of them. What is asked of the modem is in
 * src/modem/session.c, what callers wait for in session-call.c. */

static void session_emit_changed(BusSession *s, const char *const *properties) {
        int r;

        r = sd_bus_emit_properties_changed_strv(s->device->bus->bus, s->path, SESSION_INTERFACE,
                                                (char **) (uintptr_t) properties);
        if (r < 0)
                log_warning_errno(r, "%s: cannot announce a change", s->path);
}

SessionState bus_session_get_state(const BusSession *s) {
        return s->end ? SESSION_ENDED : session_get_state(s->session);
}

const SessionEnd *bus_session_get_end(const BusSession *s) {
        return s->end ? s->end : session_get_end(s->session);
}

BusSession *bus_session_find(const BusDevice *d, uint64_t number) {
        BusSession *s;

        LIST_FOREACH(s, &d->sessions, of_device)
                if (s->number == number)
                        return s;
        return NULL;
}

/* ---- the clients that it has at the modem, as objects */

static void session_add_client(BusSession *s, SessionFamily f, Client *client, uint64_t number) {
        BusDevice *d = s->device;
        Charge charge = bus_charge(d->bus, NULL, s->user, d);
        BusClient *c;
        int r;

        r = bus_client_new(d, NULL, s->user, number, &c);
        if (r < 0) {
                log_oom();
                return;
        }
        share_add(&charge, SHARE_CLIENTS, 1);
        c->session = s;
        bus_client_set(c, client);
        c->published = true;
        s->clients[f] = c;
}

static void session_drop_client(BusSession *s, SessionFamily f) {
        static const sd_bus_error gone =
                SD_BUS_ERROR_MAKE_CONST(QMID_ERROR_DEVICE_GONE, "the session has given the client up");

        if (!s->clients[f])
                return;
        bus_client_remove(s->clients[f], &gone, "its session has given it up");
        s->clients[f] = NULL;
}

static void session_drop_clients(BusSession *s) {
        for (SessionFamily f = 0; f < _SESSION_FAMILY_MAX; f++)
                session_drop_client(s, f);
}

/* ---- what the session tells */

static void on_changed(Session *session, unsigned changes, void *userdata) {
        BusSession *s = userdata;
        const char *properties[16];
        size_t n = 0;

        if (session_get_state(session) == SESSION_ENDED) {
                bus_session_end(s, NULL);
                return;
        }
        if (changes & SESSION_CHANGE_STATE)
                properties[n++] = "State";
        if (changes & SESSION_CHANGE_IP) {
                properties[n++] = "Ip4";
                properties[n++] = "Ip6";
        }
        if (changes & SESSION_CHANGE_FAMILIES)
                properties[n++] = "Families";
        if (changes & SESSION_CHANGE_INTERFACE) {
                properties[n++] = "Interface";
                properties[n++] = "MuxId";
        }
        if (changes & SESSION_CHANGE_OTHER) {
                properties[n++] = "Adopted";
                properties[n++] = "Configured";
                properties[n++] = "Problem";
                properties[n++] = "Profile";
        }
        properties[n] = NULL;
        session_emit_changed(s, properties);
        if (session_get_state(session) == SESSION_CONNECTED)
                session_calls_on_connected(s);
}

/* Before it is told: who was told that it is connected finds it so after a restart. */
static void on_save(Session *session, void *userdata) {
        BusSession *s = userdata;

        bus_changed(s->device->bus, true);
}

static void on_indication(Session *session, SessionFamily f, Client *client, const QmiMessage *m,
                          bool broadcast, void *userdata) {
        BusSession *s = userdata;

        if (s->clients[f])
                bus_client_hear(s->clients[f], m);
}

static void on_client(Session *session, SessionFamily f, Client *client, void *userdata) {
        BusSession *s = userdata;
        Bus *b = s->device->bus;
        int r;

        session_drop_client(s, f);
        if (!client)
                return;
        session_add_client(s, f, client, b->n_clients + 1);
        if (!s->clients[f])
                return;
        bus_changed(b, true);
        r = sd_bus_emit_object_added(b->bus, s->clients[f]->path);
        if (r < 0)
                log_warning_errno(r, "%s: cannot announce it", s->clients[f]->path);
}

static const SessionOps session_ops = {
        .on_changed = on_changed,
        .on_save = on_save,
        .on_indication = on_indication,
        .on_client = on_client,
};

/* ---- they come and go */

static int session_new_object(BusDevice *d, Caller *caller, User *user, uint64_t number, BusSession **ret) {
        Bus *b = d->bus;
        BusSession *s;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->number = number;
        if (asprintf(&s->path, "%s/session/%" PRIu64, d->path, number) < 0) {
                free(s);
                return -ENOMEM;
        }
        s->object = (BusObject){ .device = d, .session = s };
        s->device = d;
        s->caller = caller;
        s->user = user_ref(user);
        LIST_INSERT_HEAD(&d->sessions, s, of_device);
        if (caller)
                LIST_INSERT_HEAD(&caller->sessions, s, of_caller);
        b->n_sessions = MAX(b->n_sessions, number);
        b->n_held++;
        *ret = s;
        return 0;
}

/* From here on nobody finds it. */
static void session_unlink(BusSession *s) {
        LIST_REMOVE(s, of_device);
        if (s->caller)
                LIST_REMOVE(s, of_caller);
}

static void session_free_object(BusSession *s) {
        Charge charge = bus_charge(s->device->bus, s->caller, s->user, s->device);

        share_give(&charge, SHARE_SESSIONS, 1);
        s->device->bus->n_held--;
        user_unref(s->user);
        free(s->path);
        free(s);
}

static int set_connect_failure(sd_bus_error *error, BusDevice *d, int r) {
        return bus_error_set_mux(error, device_get_mux(d->device), "data session", r);
}

int bus_session_connect(BusDevice *d, Caller *caller, sd_bus_message *connect, const SessionOptions *options,
                        bool persist, sd_bus_error *error) {
        Charge charge = bus_charge(d->bus, caller, caller->user, d);
        Bus *b = d->bus;
        BusSession *s;
        int r;

        r = share_take(&charge, SHARE_SESSIONS, 1, error);
        if (r < 0)
                return r;
        r = session_new_object(d, caller, caller->user, b->n_sessions + 1, &s);
        if (r < 0) {
                share_give(&charge, SHARE_SESSIONS, 1);
                return r;
        }
        s->persist = persist;
        r = session_new(&s->session, d->device, s->number, options, &session_ops, s);
        if (r < 0)
                r = set_connect_failure(error, d, r);
        else
                r = session_call_new(SESSION_CALL_CONNECT, connect, caller, d, s->number, error);
        if (r < 0) { /* it has begun nothing yet */
                session_free(s->session);
                session_unlink(s);
                session_free_object(s);
                return r;
        }
        bus_changed(b, true); /* its number with it */
        r = sd_bus_emit_object_added(b->bus, s->path);
        if (r < 0)
                log_warning_errno(r, "%s: cannot announce it", s->path);
        return 0;
}

int bus_session_restore(BusDevice *d, Caller *caller, User *user, const SavedSession *saved, bool crashed,
                        Unpacker *u) {
        Charge charge = bus_charge(d->bus, caller, user, d);
        BusSession *s;
        int r;

        r = session_new_object(d, caller, user, saved->number, &s);
        if (r < 0)
                return r;
        share_add(&charge, SHARE_SESSIONS, 1);
        s->persist = saved->persist;
        r = session_restore(&s->session, d->device, u, crashed, &session_ops, s);
        if (r >= 0 && session_get_number(s->session) != saved->number)
                r = -EBADMSG;
        for (SessionFamily f = 0; f < _SESSION_FAMILY_MAX && r >= 0; f++) {
                Client *client = session_get_client(s->session, f);

                if (saved->clients[f] != 0 && bus_client_find(d->bus, saved->clients[f]))
                        r = -EBADMSG;
                else if (client)
                        session_add_client(s, f, client,
                                           saved->clients[f] ? saved->clients[f] : d->bus->n_clients + 1);
        }
        if (r >= 0)
                return 0;
        session_drop_clients(s);
        session_free(s->session);
        session_unlink(s);
        session_free_object(s);
        return r;
}

/* The next daemon goes on with it. */
static void session_forget(BusSession *s) {
        session_drop_clients(s);
        session_detach(s->session);
        session_unlink(s);
        session_free_object(s);
}

void bus_session_end(BusSession *s, const SessionEnd *end) {
        static const char *const properties[] = { "State", "EndReason", "Ip4", "Ip6", "Families", NULL };
        Bus *b = s->device->bus;
        int r;

        if (b->detached) {
                session_forget(s);
                return;
        }
        if (bus_session_get_state(s) != SESSION_ENDED)
                s->end = end;
        session_drop_clients(s);
        session_emit_changed(s, properties);
        r = sd_bus_emit_object_removed(b->bus, s->path);
        if (r < 0)
                log_warning_errno(r, "%s: cannot tell that it is gone", s->path);
        session_unlink(s);
        session_calls_on_ended(s);
        session_free(s->session);
        session_free_object(s);
        bus_changed(b, false);
}

void bus_session_lose_device(BusSession *s) {
        if (!s->device->bus->detached) {
                session_drop_clients(s);
                session_lose_device(s->session);
        }
        bus_session_end(s, NULL);
}

/* ---- whose it is */

int bus_session_check(const BusSession *s, const Caller *caller, sd_bus_error *error) {
        if (s->caller == caller)
                return 0;
        if (s->caller)
                return sd_bus_error_setf(error, QMID_ERROR_NOT_OWNER, "%s belongs to %s", s->path,
                                         s->caller->name);
        return !user_is_allowed(caller->user, s->user);
}

/* Its indications were the former owner's. */
static void session_drop_indications(BusSession *s) {
        for (SessionFamily f = 0; f < _SESSION_FAMILY_MAX; f++)
                if (s->clients[f])
                        bus_indications_drop(s->clients[f]);
}

static void session_tell_owner(BusSession *s) {
        session_emit_changed(s, (const char *const[]){ "Owner", NULL });
        for (SessionFamily f = 0; f < _SESSION_FAMILY_MAX; f++)
                if (s->clients[f])
                        bus_client_emit_changed(s->clients[f], "Owner");
}

int bus_session_claim(BusSession *s, Caller *caller, sd_bus_error *error) {
        Charge charge = bus_charge(NULL, caller, NULL, NULL);
        int r;

        if (s->caller == caller)
                return 0;
        r = share_take(&charge, SHARE_SESSIONS, 1, error);
        if (r < 0)
                return r;
        s->caller = caller;
        LIST_INSERT_HEAD(&caller->sessions, s, of_caller);
        bus_changed(s->device->bus, true);
        session_tell_owner(s);
        return 0;
}

static void session_disown(BusSession *s) {
        Charge charge = bus_charge(NULL, s->caller, NULL, NULL);

        share_give(&charge, SHARE_SESSIONS, 1);
        session_drop_indications(s);
        LIST_REMOVE(s, of_caller);
        s->caller = NULL;
        bus_changed(s->device->bus, false);
        session_tell_owner(s);
}

const SessionEnd bus_session_abandoned = {
        .kind = SESSION_END_REQUESTED,
        .text = "its owner has left the bus",
};

void bus_sessions_disown(Caller *caller) {
        BusSession *s, *next;

        for (s = LIST_FIRST(&caller->sessions); s; s = next) {
                next = LIST_NEXT(s, of_caller);
                /* Of one that was not connected yet nobody was told that it persists. */
                if (s->persist && bus_session_get_state(s) != SESSION_CONNECTING)
                        session_disown(s);
                else
                        bus_session_end(s, &bus_session_abandoned);
        }
}
