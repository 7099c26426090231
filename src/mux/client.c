/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "mux/mux-internal.h"
#include "util/clock.h"
#include "util/log.h"

static void client_set_ending(Client *c, bool ending) {
        if (c->ending == ending)
                return;
        c->ending = ending;
        if (ending)
                TAILQ_INSERT_TAIL(&c->mux->ending, c, ending_entry);
        else
                TAILQ_REMOVE(&c->mux->ending, c, ending_entry);
}

void client_set_starved(Client *c, bool starved) {
        if (c->starved == starved)
                return;
        c->starved = starved;
        if (starved)
                TAILQ_INSERT_TAIL(&c->mux->starved, c, starved_entry);
        else
                TAILQ_REMOVE(&c->mux->starved, c, starved_entry);
}

void client_set_shared(Client *c, bool shared) {
        if (c->shared == shared)
                return;
        c->shared = shared;
        if (shared)
                TAILQ_INSERT_TAIL(&c->mux->shared, c, shared_entry);
        else
                TAILQ_REMOVE(&c->mux->shared, c, shared_entry);
}

Client *mux_find_shared_client(Mux *m, uint16_t service) {
        Client *c;

        TAILQ_FOREACH(c, &m->shared, shared_entry)
                if (c->service == service)
                        break;
        return c;
}

/* The one writer of the state. */
static void client_set_state(Client *c, ClientState state) {
        c->state = state;
        client_update(c);
}

int client_new_internal(Client **ret, Mux *m, uint16_t service, const Owner *owner, const ClientOps *ops,
                        void *userdata) {
        Client *c;

        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (Client){
                .mux = m,
                .service = service,
                .state = CLIENT_ALLOCATING,
                .owner = owner,
                .ops = ops,
                .userdata = userdata,
                .window = CLIENT_WINDOW,
                .since_usec = now_usec(CLOCK_REALTIME),
                .key = m->next_key++,
                .retry_usec = UINT64_MAX,
        };
        client_init_lanes(c);
        TAILQ_INIT(&c->transactions);
        TAILQ_INIT(&c->started);
        TAILQ_INIT(&c->registrations);
        TAILQ_INSERT_TAIL(&m->clients, c, entry);
        *ret = c;
        return 0;
}

/* Whether there is anything that all can share a client for. */
static bool service_is_shared(Mux *m, uint16_t service) {
        const SchemaService *s = schema_service_by_id(service, m->vendor);

        for (uint16_t i = 0; s && i < s->n_messages; i++) {
                uint8_t kind = schema_messages[s->first_message + i].kind;

                if (kind == KIND_QUERY || kind == KIND_COMMAND)
                        return true;
        }
        return false;
}

int client_new(Client **ret, Mux *m, uint16_t service, const Owner *owner, const ClientOps *ops,
               void *userdata) {
        _cleanup_(client_freep) Client *c = NULL;
        Client *shared;
        int r;

        if (!mux_is_live(m))
                return -ENODEV;
        if (service == QMI_SERVICE_CTL || !mux_has_service(m, service))
                return -EOPNOTSUPP;
        if (owner != &m->owner && service_is_shared(m, service)) {
                /* Before the modem's ids go to others, there is one for what all may ask. */
                r = mux_get_shared_client(m, service, &shared);
                if (r < 0)
                        return r;
        }
        r = client_new_internal(&c, m, service, owner, ops, userdata);
        if (r < 0)
                return r;
        r = ctl_allocate(c);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

int mux_get_shared_client(Mux *m, uint16_t service, Client **ret) {
        Client *c;
        int r;

        c = mux_find_shared_client(m, service);
        if (!c) {
                r = client_new(&c, m, service, &m->owner, NULL, NULL);
                if (r < 0)
                        return r;
                client_set_shared(c, true);
        } else if (c->state == CLIENT_ENDED) {
                /* The modem took its id back, or had none for it: it gets a new one. */
                if (!mux_is_live(m))
                        return -ENODEV;
                r = ctl_allocate(c);
                if (r < 0)
                        return r;
                c->id = 0;
                c->retried = false;
                client_set_state(c, CLIENT_ALLOCATING);
        }
        *ret = c;
        return 0;
}

static void drop_from_queue(RequestQueue *queue, Client *c) {
        Request *r, *next;

        for (r = TAILQ_FIRST(queue); r; r = next) {
                next = TAILQ_NEXT(r, entry);
                if (r->client == c)
                        (void) request_cancel(r);
        }
}

static Lane *first_lane_with_requests(Client *c) {
        Lane *l;

        TAILQ_FOREACH(l, &c->lanes, entry)
                if (!TAILQ_EMPTY(&l->requests))
                        break;
        return l;
}

static Transaction *first_transaction_with_request(Client *c) {
        Transaction *t;

        TAILQ_FOREACH(t, &c->transactions, entry)
                if (t->request)
                        break;
        return t;
}

/* Drops its requests without a word to whoever made them, and calls off what is under way. */
static void client_drop_requests(Client *c) {
        Transaction *t;
        Lane *l;

        check_stop(c);
        drop_from_queue(&c->mux->told, c);
        drop_from_queue(&c->mux->failed, c);
        while ((l = first_lane_with_requests(c)))
                /* The last one first, so that none moves up. */
                (void) request_cancel(TAILQ_LAST(&l->requests, RequestQueue));
        while ((t = first_transaction_with_request(c)))
                (void) request_cancel(t->request);
}

/* It may be anything, also half made. */
Client *client_free(Client *c) {
        Transaction *t;
        uint16_t service;
        bool had_id;
        Mux *m;

        if (!c)
                return NULL;

        m = c->mux;
        service = c->service;
        had_id = c->lingering;
        client_drop_requests(c);
        while ((t = TAILQ_FIRST(&c->transactions)))
                transaction_free(t);
        while (!TAILQ_EMPTY(&c->started))
                (void) started_free(c, TAILQ_FIRST(&c->started));
        (void) request_cancel(TAKE_PTR(c->ctl_request));
        client_set_starved(c, false);
        client_set_shared(c, false);
        client_set_mute(c, false);
        client_set_ending(c, false);
        if (m->exhausted == c)
                m->exhausted = NULL;
        TAILQ_REMOVE(&m->clients, c, entry);
        replay_clear(c);
        mux_save_later(m);
        free(c->end_reason);
        free(c);
        if (had_id)
                exhaustion_on_id_free(m, service);
        if (m->on_released)
                mux_flush_later(m);
        return NULL;
}

void client_linger(Client *c) {
        Transaction *t;

        if (c->state != CLIENT_READY) {
                /* There is no id to give back. One that is on its way is given back by whoever sees it come.
                 */
                (void) client_free(c);
                return;
        }

        c->lingering = true;
        c->ops = NULL;
        c->owner = &c->mux->owner;
        mux_save_later(c->mux);
        client_drop_requests(c);
        client_set_shared(c, false);
        /* However long that may take otherwise. */
        TAILQ_FOREACH(t, &c->transactions, entry)
                transaction_hurry(t, mux_now(c->mux) + RELEASE_WAIT_USEC);
        client_go_on(c);
}

void client_go_on(Client *c) {
        if (!c->lingering || c->n_in_flight > 0 || c->n_results > 0 || c->ctl_request ||
            c->mux->state != MUX_READY)
                return;
        if (!undo_all(c) || c->n_in_flight == 0)
                ctl_release(c);
}

int client_release(Client *c, const Owner *owner) {
        if (!c)
                return 0;
        if (owner != c->owner || c->lingering || c->shared)
                return -EPERM;
        client_linger(c);
        return 0;
}

int client_set_owner(Client *c, const Owner *owner, const Owner *to) {
        if (owner != c->owner || c->lingering || c->shared)
                return -EPERM;
        c->owner = to;
        return 0;
}

void client_start(Client *c, uint8_t id) {
        c->id = id;
        c->retried = false;
        c->since_usec = now_usec(CLOCK_REALTIME);
        client_set_state(c, CLIENT_READY);
}

void client_end(Client *c, RequestState state, int error, const char *reason) {
        if (c->lingering) {
                (void) client_free(c);
                return;
        }
        if (c->state == CLIENT_ENDED)
                return;

        (void) request_cancel(TAKE_PTR(c->ctl_request));
        check_stop(c);
        client_set_mute(c, false);
        client_set_starved(c, false);
        c->allocation_error = error;
        free(c->end_reason);
        c->end_reason = reason ? strdup(reason) : NULL;
        client_set_state(c, CLIENT_ENDED);
        client_fail_requests(c, state, error, false);
        while (!TAILQ_EMPTY(&c->started))
                (void) started_free(c, TAILQ_FIRST(&c->started));
        if (c->ops)
                client_set_ending(c, true);
}

static Transaction *first_transaction(Client *c, bool but_expired) {
        Transaction *t;

        TAILQ_FOREACH(t, &c->transactions, entry)
                if (!but_expired || t->state != TRANSACTION_EXPIRED)
                        break;
        return t;
}

void client_fail_requests(Client *c, RequestState state, int error, bool late) {
        Transaction *t;
        Lane *l;

        /* In the order in which they were made: first what is on the wire. */
        while ((t = first_transaction(c, late))) {
                if (t->request)
                        request_fail(t->request, state, (uint16_t) MAX(error, 0));
                if (late)
                        transaction_give_up(t);
                else
                        transaction_free(t);
        }
        while ((l = first_lane_with_requests(c)))
                request_fail(TAILQ_FIRST(&l->requests), state, (uint16_t) MAX(error, 0));
        client_update(c);
        mux_flush_later(c->mux);
}

static const Started *first_lost_for_good(Client *c) {
        const Started *s;

        TAILQ_FOREACH(s, &c->started, entry)
                if (!started_can_be_replayed(s))
                        break;
        return s;
}

void client_lose(Client *c, const char *reason) {
        Mux *m = c->mux;
        const Started *s;
        char text[160];

        if (c->lingering) {
                (void) client_free(c);
                return;
        }
        if (c->shared) {
                /* It is allocated anew when it is needed. */
                client_end(c, REQUEST_GONE, 0, reason);
                return;
        }
        s = first_lost_for_good(c);
        if (s) {
                (void) snprintf(text, sizeof(text), "%s, and what %s began is lost", reason,
                                schema_string(s->row->name));
                client_end(c, REQUEST_GONE, 0, text);
                return;
        }
        while (!TAILQ_EMPTY(&c->started))
                (void) started_free(c, TAILQ_FIRST(&c->started));

        log_debug("%s: client id %u of service 0x%02x is lost: %s", port_get_uri(m->port), c->id, c->service,
                  reason);
        (void) request_cancel(TAKE_PTR(c->ctl_request));
        check_stop(c);
        client_set_mute(c, false);
        client_set_stale(c, true);
        c->id = 0;
        c->lost = true;
        client_set_ending(c, false);
        client_set_state(c, CLIENT_ALLOCATING);
        client_fail_requests(c, REQUEST_GONE, 0, false);
        recover_on_lost(c);
        mux_save_later(m);
}

void client_set_stale(Client *c, bool stale) {
        c->stale = stale;
        client_update(c);
}

void client_set_mute(Client *c, bool mute) {
        if (c->mute == mute)
                return;
        c->mute = mute;
        c->mux->n_mute += mute ? 1U : -1U;
        c->mux->mute_changed = true;
        mux_flush_later(c->mux);
}

void client_tell_replaced(Client *c) {
        c->untold = true;
        client_set_ending(c, c->ops);
        mux_flush_later(c->mux);
}

void client_tell_missed(Client *c) {
        if (c->state == CLIENT_ENDED || c->untold) {
                client_set_ending(c, c->ops);
                mux_flush_later(c->mux);
        }
}

/* Its end, or that it was replaced. */
void client_tell_end(Client *c) {
        client_set_ending(c, false);
        if (c->state != CLIENT_ENDED) {
                c->untold = false;
                if (c->ops->on_replaced)
                        c->ops->on_replaced(c, c->userdata);
        } else if (c->allocation_error != 0) {
                if (c->ops->on_allocated)
                        c->ops->on_allocated(c, c->allocation_error, c->userdata);
        } else if (c->ops->on_ended)
                c->ops->on_ended(c, c->end_reason ?: "out of memory", c->userdata);
}

void client_on_indication(Client *c, const QmiMessage *m, bool broadcast) {
        Transaction *t = transaction_find_result(c, m);

        if (t)
                transaction_on_result(t, m);
        else if (c->ops && c->ops->on_indication)
                c->ops->on_indication(c, m, broadcast, c->userdata);
}

ClientState client_get_state(Client *c) {
        return c->state;
}

uint32_t client_get_key(Client *c) {
        return c->key;
}

Mux *client_get_mux(Client *c) {
        return c->mux;
}

uint16_t client_get_service(Client *c) {
        return c->service;
}

uint8_t client_get_id(Client *c) {
        return c->id;
}

const Owner *client_get_owner(Client *c) {
        return c->owner;
}

bool client_is_lingering(Client *c) {
        return c->lingering;
}

bool client_is_plain(Client *c) {
        return c->lane.n_waiting == 0 && c->n_in_flight == 0 && c->n_results == 0 &&
               TAILQ_EMPTY(&c->started) && TAILQ_EMPTY(&c->registrations);
}

uint64_t client_get_n_requests(Client *c) {
        return c->n_requests;
}

size_t client_get_n_pending(Client *c) {
        size_t n = c->state == CLIENT_ALLOCATING || c->stale;
        const Transaction *t;
        const Request *r;
        const Lane *l;

        TAILQ_FOREACH(l, &c->lanes, entry)
                TAILQ_FOREACH(r, &l->requests, entry)
                        n++;
        TAILQ_FOREACH(t, &c->transactions, entry)
                n += t->state != TRANSACTION_EXPIRED;
        return n;
}

uint64_t client_get_since_usec(Client *c) {
        return c->since_usec;
}
