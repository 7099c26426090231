/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/internal.h"
#include "util/log.h"
#include "util/pack.h"

/* What callers hold, for the next daemon. The client ids themselves are the mux's to save: here they are
 * keys. Those of a session are saved with it. */

/* A client is worth to be kept once its object is known, or will be without anybody's asking for it. */
static bool is_kept(const BusClient *c) {
        return c->client && !c->session && (c->published || c->implicit) &&
               client_get_state(c->client) != CLIENT_ENDED;
}

static void save_client(const BusClient *c, Packer *p) {
        pack_u32(p, client_get_key(c->client));
        pack_u64(p, c->number);
        pack_string(p, c->caller ? c->caller->name : "");
        pack_u32(p, c->user->uid);
        pack_bool(p, c->implicit);
        pack_bool(p, c->persist);
        pack_bool(p, c->socket);
        pack_u64(p, c->n_lost);
}

static void save_session(const BusSession *s, Packer *p) {
        size_t part = pack_part_begin(p);

        pack_u64(p, s->number);
        pack_string(p, s->caller ? s->caller->name : "");
        pack_u32(p, s->user->uid);
        pack_bool(p, s->persist);
        for (SessionFamily f = 0; f < _SESSION_FAMILY_MAX; f++)
                pack_u64(p, s->clients[f] ? s->clients[f]->number : 0);
        session_save(s->session, p);
        pack_part_end(p, part);
}

static void save_inhibitor(const BusInhibitor *i, Packer *p) {
        pack_u64(p, i->number);
        pack_string(p, i->caller->name);
        pack_u32(p, i->user->uid);
        pack_string(p, i->reason);
}

int bus_save(Bus *b, Device *device, Packer *p) {
        const BusDevice *d = bus_find_device(b, device);
        const BusInhibitor *i;
        const BusSession *s;
        const BusClient *c;
        uint32_t n = 0;

        if (d)
                LIST_FOREACH(c, &d->clients, of_device)
                        n += is_kept(c);
        pack_u32(p, n);
        if (d)
                LIST_FOREACH(c, &d->clients, of_device)
                        if (is_kept(c))
                                save_client(c, p);
        n = 0;
        if (d)
                LIST_FOREACH(s, &d->sessions, of_device)
                        n++;
        pack_u32(p, n);
        if (d)
                LIST_FOREACH(s, &d->sessions, of_device)
                        save_session(s, p);
        n = 0;
        if (d)
                LIST_FOREACH(i, &d->inhibitors, of_device)
                        n++;
        pack_u32(p, n);
        if (d)
                LIST_FOREACH(i, &d->inhibitors, of_device)
                        save_inhibitor(i, p);
        return p->error;
}

int bus_save_common(Bus *b, Packer *p) {
        pack_u64(p, b->n_clients);
        pack_u64(p, b->n_sessions);
        pack_u64(p, b->n_inhibitors);
        return p->error;
}

int bus_restore_common(Bus *b, Unpacker *u) {
        uint64_t n_clients = unpack_u64(u), n_sessions = unpack_u64(u), n_inhibitors = unpack_u64(u);

        if (u->error < 0)
                return u->error;
        b->n_clients = MAX(b->n_clients, n_clients);
        b->n_sessions = MAX(b->n_sessions, n_sessions);
        b->n_inhibitors = MAX(b->n_inhibitors, n_inhibitors);
        return 0;
}

/* ---- */

typedef struct SavedClient {
        uint32_t key;
        uint64_t number, n_lost;
        const char *owner;
        uid_t uid;
        bool implicit, persist, socket;
} SavedClient;

static void read_client(Unpacker *u, SavedClient *ret) {
        ret->key = unpack_u32(u);
        ret->number = unpack_u64(u);
        ret->owner = unpack_string(u);
        ret->uid = unpack_u32(u);
        ret->implicit = unpack_bool(u);
        ret->persist = unpack_bool(u);
        ret->socket = unpack_bool(u);
        ret->n_lost = unpack_u64(u);
        if (ret->number == 0 || (!*ret->owner && !ret->persist))
                unpack_fail(u);
}

/* The socket goes on with the client, or ends: nobody else is at the other end. */
static void restore_socket(Bus *b, const SavedClient *s, BusClient *c) {
        char name[SOCKET_NAME_MAX];
        int fd, r;

        if (!s->socket)
                return;
        fd = bus_take_kept(b, bus_socket_name(&(BusClient){ .number = s->number }, name));
        if (fd < 0) {
                log_warning_errno(fd, "%s was not kept", name);
                return;
        }
        r = c ? bus_socket_adopt(c, fd) : -ESTALE;
        if (r < 0) {
                (void) shutdown(fd, SHUT_RDWR);
                close(fd);
                bus_keep(b, name, -1);
        }
        if (c && r < 0)
                log_warning_errno(r, "%s: cannot go on with its socket", c->path);
}

static int restore_client(BusDevice *d, const SavedClient *s, bool same_bus, BusClient **ret) {
        const char *owner = same_bus ? s->owner : "";
        _cleanup_(user_unrefp) User *user = NULL;
        Caller *caller = NULL;
        Client *client;
        BusClient *c;
        Charge charge;
        int r;

        if (!*owner && !s->persist)
                return -ESTALE;
        if (bus_client_find(d->bus, s->number))
                return -EBADMSG;
        r = user_get(d->bus, s->uid, &user);
        if (r >= 0 && *owner)
                r = caller_restore(d->bus, owner, &caller);
        if (r >= 0)
                r = bus_client_new(d, caller, user, s->number, &c);
        if (r < 0)
                return r;
        charge = bus_charge(d->bus, caller, user, d);
        share_add(&charge, SHARE_CLIENTS, 1);
        client = mux_adopt_client(device_get_mux(d->device), s->key,
                                  caller ? &caller->owner : &d->bus->nobody, &bus_client_ops, c);
        if (!client) {
                bus_client_free(c);
                return -ESTALE;
        }
        bus_client_set(c, client);
        c->implicit = s->implicit;
        c->persist = s->persist;
        c->n_lost = s->n_lost;
        c->published = true;
        *ret = c;
        return 0;
}

static int restore_session(BusDevice *d, Unpacker *u, bool same_bus, bool crashed) {
        _cleanup_(user_unrefp) User *user = NULL;
        Caller *caller = NULL;
        SavedSession s;
        const char *owner;
        uid_t uid;
        int r;

        s.number = unpack_u64(u);
        owner = unpack_string(u);
        uid = unpack_u32(u);
        s.persist = unpack_bool(u);
        for (SessionFamily f = 0; f < _SESSION_FAMILY_MAX; f++)
                s.clients[f] = unpack_u64(u);
        if (u->error < 0 || s.number == 0 || (!*owner && !s.persist) || bus_session_find(d, s.number))
                return -EBADMSG;
        r = user_get(d->bus, uid, &user);
        if (r >= 0 && same_bus && *owner)
                r = caller_restore(d->bus, owner, &caller);
        if (r < 0)
                return r;
        r = bus_session_restore(d, caller, user, &s, crashed, u);
        if (r == -EBADMSG || r == -ENOMEM)
                return r;
        if (r < 0) { /* its clients are nobody's, and go */
                log_warning_errno(r, "%s: session %" PRIu64 " cannot go on", d->path, s.number);
                return 0;
        }
        if (!caller && !s.persist) /* what it has set on this machine goes with it */
                bus_session_end(bus_session_find(d, s.number), &bus_session_abandoned);
        return unpack_end(u);
}

static int restore_sessions(BusDevice *d, Unpacker *u, bool same_bus, bool crashed) {
        uint32_t n = unpack_u32(u);
        int r;

        for (uint32_t i = 0; i < n && u->error >= 0; i++) {
                Unpacker part = unpack_part(u);

                r = restore_session(d, &part, same_bus, crashed);
                if (r < 0)
                        return r;
        }
        return u->error;
}

static int restore_inhibitor(BusDevice *d, Unpacker *u, bool same_bus) {
        uint64_t number = unpack_u64(u);
        const char *owner = unpack_string(u);
        uid_t uid = unpack_u32(u);
        const char *reason = unpack_string(u);
        _cleanup_(user_unrefp) User *user = NULL;
        Caller *caller;
        int fd, r;

        if (u->error < 0)
                return u->error;
        fd = bus_inhibitor_take_kept(d->bus, number);
        if (fd < 0)
                return 0; /* it was closed meanwhile */
        if (!same_bus || !*owner || strlen(reason) > INHIBIT_REASON_MAX) {
                close(fd);
                return 0;
        }
        r = user_get(d->bus, uid, &user);
        if (r >= 0)
                r = caller_restore(d->bus, owner, &caller);
        if (r >= 0)
                r = bus_inhibitor_adopt(d, caller, user, number, reason, fd);
        if (r < 0)
                close(fd);
        return r;
}

static int restore(BusDevice *d, Unpacker *u, bool same_bus, bool crashed) {
        BusClient *c;
        uint32_t n;
        int r;

        n = unpack_u32(u);
        for (uint32_t i = 0; i < n && u->error >= 0; i++) {
                SavedClient s;

                read_client(u, &s);
                if (u->error < 0)
                        break;
                c = NULL;
                r = restore_client(d, &s, same_bus, &c);
                if (r < 0 && r != -ESTALE)
                        return r;
                restore_socket(d->bus, &s, c);
        }
        r = restore_sessions(d, u, same_bus, crashed);
        if (r < 0)
                return r;
        n = unpack_u32(u);
        for (uint32_t i = 0; i < n && u->error >= 0; i++) {
                r = restore_inhibitor(d, u, same_bus);
                if (r < 0)
                        return r;
        }
        return u->error;
}

int bus_restore(Bus *b, Device *device, Unpacker *u, bool same_bus, bool crashed) {
        static const SessionEnd lost = { .kind = SESSION_END_RESTART, .text = "nobody knows whose it was" };
        BusDevice *d = bus_find_device(b, device);
        int r;

        assert(d);
        r = restore(d, u, same_bus, crashed);
        if (r < 0) { /* rather nobody's than a wrong owner's */
                while (!LIST_EMPTY(&d->sessions))
                        bus_session_end(LIST_FIRST(&d->sessions), &lost);
                while (!LIST_EMPTY(&d->clients))
                        bus_client_remove(LIST_FIRST(&d->clients), NULL, NULL);
                while (!LIST_EMPTY(&d->inhibitors))
                        bus_inhibitor_close(LIST_FIRST(&d->inhibitors));
        }
        return r;
}
