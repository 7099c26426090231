/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <search.h>

#include "mux/mux-internal.h"

/* The requests of one requester on one client. A client has a lane of its own in it, for its owner; the
 * lanes of others, on a shared client, are made when they are needed and go when they are empty. */

static int compare_lanes(const void *a, const void *b) {
        const Lane *x = a, *y = b;

        return ((uintptr_t) x->requester > (uintptr_t) y->requester) -
               ((uintptr_t) x->requester < (uintptr_t) y->requester);
}

static void lane_init(Lane *l, Client *c, const Owner *requester) {
        *l = (Lane){ .client = c, .requester = requester };
        TAILQ_INIT(&l->requests);
        TAILQ_INSERT_TAIL(&c->lanes, l, entry);
}

void client_init_lanes(Client *c) {
        TAILQ_INIT(&c->lanes);
        lane_init(&c->lane, c, NULL);
}

Lane *lane_find(Client *c, const Owner *requester) {
        Lane key = { .requester = requester };
        Lane **found;

        if (!c->shared || !requester || requester == c->owner)
                return &c->lane;
        found = tfind(&key, &c->lanes_by_requester, compare_lanes);
        return found ? *found : NULL;
}

int lane_get(Client *c, const Owner *requester, Lane **ret) {
        Lane *l;

        l = lane_find(c, requester);
        if (!l) {
                l = malloc(sizeof(*l));
                if (!l)
                        return -ENOMEM;
                *l = (Lane){ .requester = requester };
                if (!tsearch(l, &c->lanes_by_requester, compare_lanes)) {
                        free(l);
                        return -ENOMEM;
                }
                lane_init(l, c, requester);
        }
        *ret = l;
        return 0;
}

static void lane_set_runnable(Lane *l, bool runnable) {
        Mux *m = l->client->mux;

        if (l->runnable == runnable)
                return;
        l->runnable = runnable;
        if (runnable)
                TAILQ_INSERT_TAIL(&m->runnable, l, runnable_entry);
        else
                TAILQ_REMOVE(&m->runnable, l, runnable_entry);
}

static void lane_free(Lane *l) {
        Client *c = l->client;

        TAILQ_REMOVE(&c->lanes, l, entry);
        (void) tdelete(l, &c->lanes_by_requester, compare_lanes);
        free(l);
}

bool lane_can_send(Lane *l) {
        Request *r = TAILQ_FIRST(&l->requests);
        Client *c = l->client;

        return r && !r->check && c->state == CLIENT_READY && !c->stale && l->n_in_flight < c->window &&
               !transaction_stands_in_the_way(c, r);
}

void lane_update(Lane *l) {
        Client *c = l->client;

        if (c != c->mux->ctl) /* which has no turn to wait for */
                lane_set_runnable(l, lane_can_send(l));
        if (l != &c->lane && l->n_requests == 0 && l->n_waiting == 0 && l->n_in_flight == 0)
                lane_free(l);
}

void client_update(Client *c) {
        Lane *l, *next;

        for (l = TAILQ_FIRST(&c->lanes); l; l = next) {
                next = TAILQ_NEXT(l, entry);
                lane_update(l);
        }
}

void lane_send(Lane *l) {
        Request *r = TAILQ_FIRST(&l->requests);

        lane_set_runnable(l, false); /* what it has left goes to the end */
        if (!guard_holds(r))
                request_send(r);
}
