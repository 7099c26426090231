/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <search.h>

#include "mux/mux-internal.h"

/* Queries of several callers for the same thing are asked of the modem once. Equal ones on a shared client
 * make a Query. They wait each in its own lane, so that nobody is later for it; the first that is sent asks
 * for all, and who comes while it is in flight gets its answer, too.
 *
 * Nobody gets an answer that is older than what he knows. So none joins a query that was made before
 * something that may change what the service says, nor one that was sent before such a thing was answered or
 * before the service said that something had changed. */

static int compare_queries(const void *a, const void *b) {
        const Query *x = a, *y = b;

        if (x->message != y->message)
                return x->message < y->message ? -1 : 1;
        if (x->result != y->result)
                return x->result < y->result ? -1 : 1;
        if (x->timeout_usec != y->timeout_usec)
                return x->timeout_usec < y->timeout_usec ? -1 : 1;
        if (x->n_tlvs != y->n_tlvs)
                return x->n_tlvs < y->n_tlvs ? -1 : 1;
        return x->n_tlvs > 0 ? memcmp(x->tlvs, y->tlvs, x->n_tlvs) : 0;
}

/* It stays with those that it has. */
static void query_close(Query *q) {
        if (!q->open)
                return;
        q->open = false;
        (void) tdelete(q, &q->client->queries, compare_queries);
}

static Query *query_free(Query *q) {
        query_close(q);
        free(q->tlvs);
        free(q);
        return NULL;
}

static bool query_is_current(const Query *q) {
        return q->n_changes == q->client->n_changes && (!q->sent || q->n_effects == q->client->n_effects);
}

/* The one that a request may join, made if there is none; NULL if there is no memory, and then it is asked
 * alone. */
static Query *query_get(const Request *r) {
        Client *c = r->client;
        Query key = {
                .message = r->message,
                .result = r->schema ? r->schema->result : SCHEMA_NO_MESSAGE,
                .timeout_usec = r->timeout_usec,
                .n_tlvs = r->n_tlvs,
                .tlvs = (uint8_t *) (uintptr_t) r->tlvs,
        };
        Query **found, *q;

        found = tfind(&key, &c->queries, compare_queries);
        if (found && query_is_current(*found))
                return *found;
        if (found)
                query_close(*found);

        q = malloc(sizeof(*q));
        if (!q)
                return NULL;
        *q = key;
        q->client = c;
        q->n_changes = c->n_changes;
        q->tlvs = malloc(MAX(q->n_tlvs, (size_t) 1));
        if (!q->tlvs)
                return query_free(q);
        if (q->n_tlvs > 0)
                memcpy(q->tlvs, r->tlvs, q->n_tlvs);
        TAILQ_INIT(&q->requests);
        if (!tsearch(q, &c->queries, compare_queries))
                return query_free(q);
        q->open = true;
        return q;
}

bool join_new(Request *r) {
        Client *c = r->client;
        Lane *l = lane_find(c, r->requester);
        Query *q;

        /* Behind a change that the same requester has asked for it must wait for that. */
        if (!c->shared || r->changes || (r->row->flags & SCHEMA_HAS_SECRET) || (l && l->n_changes > 0))
                return false;
        q = query_get(r);
        if (!q)
                return false;
        r->query = q;
        TAILQ_INSERT_TAIL(&q->requests, r, query_entry);
        if (!q->sent)
                return false;
        c->mux->statistics.n_joined++;
        return true;
}

void join_on_sent(Request *r) {
        Query *q = r->query;
        Request *other;

        if (!q)
                return;
        q->sent = r;
        q->n_effects = q->client->n_effects;
        TAILQ_FOREACH(other, &q->requests, query_entry)
                if (other != r) {
                        request_leave_lane(other);
                        q->client->mux->statistics.n_joined++;
                }
}

void join_leave(Request *r) {
        Query *q = TAKE_PTR(r->query);

        if (!q)
                return;
        TAILQ_REMOVE(&q->requests, r, query_entry);
        if (q->sent == r)
                q->sent = TAILQ_FIRST(&q->requests);
        if (TAILQ_EMPTY(&q->requests))
                (void) query_free(q);
}

Request *join_heir(const Request *r) {
        Request *other;

        if (r->query && r->query->sent == r)
                TAILQ_FOREACH(other, &r->query->requests, query_entry)
                        if (other != r)
                                return other;
        return NULL;
}

void join_on_change(Mux *m, uint16_t service) {
        Client *c = mux_find_shared_client(m, service);

        if (c)
                c->n_changes++;
}

void join_on_effect(Mux *m, uint16_t service) {
        Client *c = mux_find_shared_client(m, service);

        if (c)
                c->n_effects++;
}
