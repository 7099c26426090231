/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mux/mux-internal.h"

/* How many are on their way back, less those who wait for one. */
static long count_free_ids(Mux *m, uint16_t service) {
        long n = 0;
        Client *c;

        TAILQ_FOREACH(c, &m->clients, entry)
                n += c->service == service && c->lingering;
        TAILQ_FOREACH(c, &m->starved, starved_entry)
                n -= c->service == service;
        return n;
}

static unsigned count_held_ids(Mux *m, uint16_t service) {
        unsigned n = 0;
        Client *c;

        TAILQ_FOREACH(c, &m->clients, entry)
                n += c->service == service && c->state == CLIENT_READY;
        return n;
}

void exhaustion_on_id_given(Mux *m, uint8_t service) {
        unsigned n = MIN(count_held_ids(m, service), 0xFFU);

        m->most_ids[service] = MAX(m->most_ids[service], (uint8_t) n);
}

/* We had more before, or have none: it is ids that nobody knows of any more that the modem has not got back.
 */
static void sync_if_leaked(Mux *m, uint16_t service) {
        unsigned n = count_held_ids(m, service);

        if (n == 0 || n < m->most_ids[service])
                (void) silence_sync(m, "the modem has no client id left, and not all are held");
}

bool exhaustion_wait(Client *c) {
        Mux *m = c->mux;
        bool waits;

        if (c->retried) {
                sync_if_leaked(m, c->service);
                return false;
        }
        c->retried = true;
        waits = count_free_ids(m, c->service) > 0;
        client_set_starved(c, true);
        if (waits)
                return true;

        m->exhausted = c;
        waits = m->ops->on_exhausted && m->ops->on_exhausted(m, c->service, m->userdata);
        if (m->exhausted != c)
                return true; /* it went itself */
        m->exhausted = NULL;
        if (!c->starved)
                return true;
        if (!waits) {
                client_set_starved(c, false);
                sync_if_leaked(m, c->service);
        }
        if (waits && count_free_ids(m, c->service) < 0)
                exhaustion_on_id_free(m, c->service); /* it was back at once */
        return waits;
}

void exhaustion_on_id_free(Mux *m, uint16_t service) {
        Client *c;
        int r;

        TAILQ_FOREACH(c, &m->starved, starved_entry)
                if (c->service == service)
                        break;
        if (!c)
                return;
        client_set_starved(c, false);
        r = mux_is_live(m) ? ctl_allocate(c) : -ENODEV;
        if (r < 0) {
                client_end(c, REQUEST_NO_CLIENT, r, NULL);
                mux_flush_later(m);
        }
}
