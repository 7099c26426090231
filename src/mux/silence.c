/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "mux/mux-internal.h"
#include "util/log.h"

/* A request that gets no answer in time may be slow, its service may be stuck, or the modem may be. CTL is
 * asked first, which also pushes out what is stuck in the port; if it answers, the client is asked for
 * something that every service has at hand. */

void silence_on_timeout(Client *c) {
        Mux *m = c->mux;

        if (m->state != MUX_READY)
                return; /* it is being found out */
        if (c != m->ctl)
                c->suspect = true;
        if (m->can_lag)
                ctl_push(m);
        else if (!m->quiet)
                ctl_probe_now(m);
}

void silence_on_woken(Mux *m) {
        Client *c;

        if (m->state != MUX_READY)
                return;
        TAILQ_FOREACH(c, &m->clients, entry)
                if (c->suspect) {
                        ctl_probe_now(m);
                        return;
                }
}

void silence_on_ctl(Mux *m) {
        Client *c;

        if (m->state != MUX_READY)
                return;
        if (m->check_wanted) {
                check_start(m);
                return;
        }
        TAILQ_FOREACH(c, &m->clients, entry) {
                if (!c->suspect)
                        continue;
                c->suspect = false;
                if (!c->mute)
                        check_client(c);
        }
}

void silence_on_service(Mux *m, uint16_t service) {
        Client *c;

        TAILQ_FOREACH(c, &m->clients, entry)
                if (c->service == service)
                        client_set_mute(c, false);
}

void silence_show(Mux *m) {
        const SchemaService *s;
        char reason[64];
        Client *c;

        m->mute_changed = false;
        if (m->state != MUX_READY)
                return;
        TAILQ_FOREACH(c, &m->clients, entry)
                if (c->mute)
                        break;
        if (!c) {
                mux_set_state(m, MUX_READY, NULL);
                return;
        }
        s = schema_service_by_id(c->service, m->vendor);
        if (s)
                (void) snprintf(reason, sizeof(reason), "service %s does not answer",
                                schema_string(s->name));
        else
                (void) snprintf(reason, sizeof(reason), "service 0x%02x does not answer", c->service);
        mux_set_state(m, MUX_READY, reason);
}

/* ---- remedies ---- */

int silence_sync(Mux *m, const char *why) {
        uint64_t now = mux_now(m);
        int r;

        if (m->n_started > 0 || !m->ops->may_sync || !m->ops->may_sync(m, m->userdata))
                return -EPERM;
        if (m->synced_usec != 0 && now - m->synced_usec < SYNC_USEC)
                return -EBUSY;
        r = ctl_sync(m);
        if (r < 0)
                return r;
        m->synced_usec = now;
        log_notice("%s: %s: sending Sync, which takes every client id back", port_get_uri(m->port), why);
        return 0;
}

void silence_begin(Mux *m) {
        m->silent_long_usec = mux_now(m) + SILENT_LONG_USEC;
}

void silence_climb(Mux *m) {
        uint64_t now = mux_now(m);

        if (m->state != MUX_SILENT)
                return;
        (void) silence_sync(m, "the modem does not answer");
        if (now < m->silent_long_usec)
                return;
        m->silent_long_usec = now + SILENT_LONG_USEC;
        log_notice("%s: has not answered for long", port_get_uri(m->port));
        if (m->ops->on_silent_long)
                m->ops->on_silent_long(m, m->userdata);
}
