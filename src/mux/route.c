/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mux/mux-internal.h"
#include "util/log.h"

/* What comes from the modem: whose it is. */

Client *mux_find_client(Mux *m, uint16_t service, uint8_t id) {
        Client *c;

        TAILQ_FOREACH(c, &m->clients, entry)
                if (c->service == service && c->id == id && c->state == CLIENT_READY)
                        return c;
        return NULL;
}

/* Until the modem is ready, what was asked by whoever had the port before us may still come. */
static void note_unasked(Mux *m) {
        uint64_t now = mux_now(m);

        if (m->state != MUX_READY)
                return;
        if (now - m->unasked_usec >= UNASKED_USEC) {
                m->unasked_usec = now;
                m->n_unasked = 0;
        }
        if (++m->n_unasked == UNASKED_MAX)
                mux_log_oddity(
                        m, MUX_ODDITY_SHARED,
                        "%u answers came that nobody here has asked for: another program seems to use "
                        "the port",
                        UNASKED_MAX);
}

/* Asked before a crash, answered after it. */
static bool is_from_before(Mux *m, const QmiMessage *message) {
        bool second_half = message->transaction & transaction_half(message->service);

        return second_half != m->second_half && mux_now(m) < m->crashed_usec;
}

static void on_response(Mux *m, const QmiMessage *message) {
        Client *c = mux_find_client(m, message->service, message->client);
        Transaction *t = c ? transaction_find(c, message) : NULL;
        bool unclaimed, late;

        if (!t && is_from_before(m, message)) {
                m->statistics.n_unsolicited++;
                if (message->service == QMI_SERVICE_CTL)
                        ctl_on_stray_response(m, message);
                ctl_on_stuck(m);
                return;
        }
        if (!t) {
                m->statistics.n_unsolicited++;
                mux_log_oddity(m, c ? MUX_ODDITY_NO_TRANSACTION : MUX_ODDITY_NO_CLIENT,
                               "response 0x%04x of service 0x%02x for client id %u, transaction %u, which "
                               "nobody waits for",
                               message->id, message->service, message->client, message->transaction);
                note_unasked(m);
                ctl_on_stuck(m); /* whoever had the port before us may have left it */
                return;
        }

        c->suspect = false;
        if (m->n_mute > 0)
                silence_on_service(m, message->service);
        unclaimed = !t->request;
        late = t->state == TRANSACTION_EXPIRED;
        if (late) {
                m->statistics.n_unsolicited++;
                mux_log_oddity(m, MUX_ODDITY_LATE, "late response 0x%04x of service 0x%02x", message->id,
                               message->service);
                transaction_on_late_response(t, message);
        } else {
                m->statistics.n_responses++;
                transaction_on_response(t, message);
        }
        if (unclaimed && message->service == QMI_SERVICE_CTL)
                ctl_on_late_response(m, message);
        if (late)
                ctl_on_stuck(m);
        else if (unclaimed && message->service == QMI_SERVICE_CTL && ctl_is_push(m->ctl, message->id))
                ctl_push_on(m);
}

/* To each once, although callbacks may free clients and make new ones (which have no id yet). */
static bool on_broadcast(Mux *m, const QmiMessage *message) {
        bool routed = false;
        Client *c;

        m->broadcast_serial++;
        for (;;) {
                TAILQ_FOREACH(c, &m->clients, entry)
                        if (c->service == message->service && c->state == CLIENT_READY &&
                            c->broadcast_serial != m->broadcast_serial)
                                break;
                if (!c)
                        return routed;
                c->broadcast_serial = m->broadcast_serial;
                client_on_indication(c, message, true);
                routed = true;
        }
}

static void on_indication(Mux *m, const QmiMessage *message) {
        bool routed;
        Client *c;

        m->statistics.n_indications++;
        if (message->service == QMI_SERVICE_CTL) {
                ctl_on_indication(m, message);
                return;
        }

        join_on_effect(m, message->service);
        if (message->client == QMI_CLIENT_ALL)
                routed = on_broadcast(m, message);
        else {
                c = mux_find_client(m, message->service, message->client);
                routed = c;
                if (c)
                        client_on_indication(c, message, false);
        }
        if (!routed) {
                m->statistics.n_unrouted++;
                log_debug("%s: indication 0x%04x of service 0x%02x for nobody here", port_get_uri(m->port),
                          message->id, message->service);
        }
}

void route_frame(Port *p, const uint8_t *frame, size_t n_frame, void *userdata) {
        Mux *m = userdata;
        QmiMessage message;

        if (m->tap)
                m->tap(m, false, frame, n_frame, m->tap_userdata);
        if (frame_parse(frame, n_frame, &message) < 0) {
                m->statistics.n_malformed++;
                mux_log_oddity(m, MUX_ODDITY_MALFORMED, "malformed frame of %zu bytes", n_frame);
                return;
        }

        switch (message.type) {
        case QMI_RESPONSE:
                on_response(m, &message);
                break;
        case QMI_INDICATION:
                on_indication(m, &message);
                break;
        case QMI_REQUEST:
        case _QMI_MESSAGE_TYPE_INVALID:
                m->statistics.n_unsolicited++;
                mux_log_oddity(m, MUX_ODDITY_REQUEST, "the modem sent a request, 0x%04x of service 0x%02x",
                               message.id, message.service);
                break;
        }
}
