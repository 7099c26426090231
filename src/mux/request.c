/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mux/mux-internal.h"

void request_free(Request *r) {
        guard_drop(r);
        explicit_bzero(r->tlvs, r->n_tlvs);
        free(r);
}

static void request_unlink(Request *r) {
        if (!r->queue)
                return;
        TAILQ_REMOVE(r->queue, r, entry);
        if (r->lane && r->queue == &r->lane->requests)
                r->lane->n_waiting--;
        r->queue = NULL;
}

void request_leave_lane(Request *r) {
        Lane *l = r->lane;

        request_unlink(r);
        if (!l)
                return;
        r->lane = NULL;
        l->n_requests--;
        l->n_changes -= r->changes;
        lane_update(l);
}

static void request_queue(Request *r, RequestQueue *queue) {
        r->queue = queue;
        TAILQ_INSERT_TAIL(queue, r, entry);
}

static uint64_t request_timeout(const RequestSpec *spec) {
        if (spec->timeout_usec > 0)
                return spec->timeout_usec;
        if (spec->schema && spec->schema->timeout_sec > 0)
                return spec->schema->timeout_sec * USEC_PER_SEC;
        return REQUEST_TIMEOUT_DEFAULT_S * USEC_PER_SEC;
}

/* In no queue yet. */
static int request_make(Request **ret, Client *c, const RequestSpec *spec) {
        const SchemaMessage *row = mux_find_row(c->mux, c->service, spec->message);
        Request *r;

        if (spec->n_tlvs > port_get_frame_max(c->mux->port) - FRAME_OVERHEAD)
                return -EMSGSIZE;

        r = malloc(sizeof(*r) + spec->n_tlvs);
        if (!r)
                return -ENOMEM;
        *r = (Request){
                .client = c,
                .requester = spec->requester,
                .schema = spec->schema,
                .row = row,
                .guarded = row && row->guard != GUARD_NONE,
                .force = spec->force,
                .changes = !row || row->kind != KIND_QUERY,
                .message = spec->message,
                .timeout_usec = request_timeout(spec),
                .done = spec->done,
                .userdata = spec->userdata,
                .n_tlvs = spec->n_tlvs,
        };
        if (spec->n_tlvs > 0)
                memcpy(r->tlvs, spec->tlvs, spec->n_tlvs);
        *ret = r;
        return 0;
}

/* Between two attempts to get it another id a client can do nothing. */
static bool client_is_stranded(Client *c) {
        return c->state == CLIENT_ENDED || (c->lost && !c->ctl_request);
}

/* In its lane, or behind an equal one that is in flight. */
static int request_line_up(Request *r) {
        Client *c = r->client;
        Lane *l;
        int k;

        if (join_new(r))
                return 0;
        k = lane_get(c, r->requester, &l);
        if (k < 0)
                return k;
        if (l->n_waiting >= CLIENT_QUEUE_MAX)
                return -ENOBUFS;
        r->lane = l;
        request_queue(r, &l->requests);
        l->n_requests++;
        l->n_waiting++;
        l->n_changes += r->changes;
        lane_update(l);
        return 0;
}

int request_new(Request **ret, Client *c, const Owner *owner, const RequestSpec *spec) {
        Request *r;
        int k;

        if (owner != c->owner)
                return -EPERM;
        if (client_is_stranded(c) || (c != c->mux->ctl && !mux_is_live(c->mux)))
                return -ENODEV;
        k = request_make(&r, c, spec);
        if (k < 0)
                return k;
        k = request_line_up(r);
        if (k < 0) {
                join_leave(r);
                request_free(r);
                return k;
        }
        if (r->changes)
                join_on_change(c->mux, c->service);
        mux_schedule(c->mux);

        if (ret)
                *ret = r;
        return 0;
}

int request_send_now(Request **ret, Client *c, const RequestSpec *spec) {
        Request *r;
        int k;

        k = request_make(&r, c, spec);
        if (k < 0)
                return k;
        *ret = r; /* a failure is told later, so that it is there then */
        request_send(r);
        return 0;
}

void request_send(Request *r) {
        request_unlink(r);
        join_on_sent(r);
        if (transaction_new(r->client, r, r->message, r->tlvs, r->n_tlvs, r->timeout_usec) < 0) {
                request_fail(r, REQUEST_GONE, 0);
                mux_flush_later(r->client->mux);
        }
}

/* It is over for it, and for those that wait for its answer: all are in that queue. */
static void request_gather(Request *r, RequestQueue *queue) {
        Query *q = r->query && r->query->sent == r ? r->query : NULL;
        Request *next = NULL;

        /* It is the last to leave its query, which goes with it. */
        for (; r; r = next) {
                next = q ? join_heir(r) : NULL;
                join_leave(r);
                guard_drop(r);
                request_leave_lane(r);
                request_queue(r, queue);
        }
}

void request_fail(Request *r, RequestState state, uint16_t error) {
        Mux *m = r->client->mux;
        Request *last = TAILQ_LAST(&m->failed, RequestQueue);

        if (r->transaction)
                TAKE_PTR(r->transaction)->request = NULL;
        request_gather(r, &m->failed);
        for (r = last ? TAILQ_NEXT(last, entry) : TAILQ_FIRST(&m->failed); r; r = TAILQ_NEXT(r, entry))
                r->outcome = (RequestOutcome){ .state = state, .error = error, .refusal = r->refusal };
}

void request_complete(Request *r, const RequestOutcome *outcome) {
        Mux *m = r->client->mux;

        /* Callbacks may call off others of them. */
        request_gather(r, &m->told);
        while ((r = TAILQ_FIRST(&m->told))) {
                request_unlink(r);
                r->completing = true;
                if (r->done)
                        r->done(outcome, r->userdata);
                request_free(r);
        }
}

Request *request_cancel(Request *r) {
        Transaction *t;
        Request *heir;
        Mux *m;

        if (!r || r->completing)
                return NULL;

        m = r->client->mux;
        t = TAKE_PTR(r->transaction);
        heir = join_heir(r);
        if (t)
                t->request = heir;
        if (heir)
                heir->transaction = t;
        join_leave(r);
        request_leave_lane(r);
        if (t && !heir)
                transaction_abandon(t);
        request_free(r);

        mux_schedule(m);
        return NULL;
}
