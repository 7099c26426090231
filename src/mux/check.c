/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mux/mux-internal.h"

/* Every service has this message. Any answer will do. */
#define GET_SUPPORTED_MESSAGES 0x001E

void check_stop(Client *c) {
        c->unchecked = false;
        c->suspect = false;
        if (c->checking) {
                c->checking = false;
                c->mux->n_checking--;
                mux_flush_later(c->mux);
        }
        (void) request_cancel(TAKE_PTR(c->own_request));
}

static void on_checked(const RequestOutcome *outcome, void *userdata) {
        Client *c = userdata;
        Mux *m = c->mux;
        uint16_t service = c->service;
        bool checking = c->checking;
        uint8_t id = c->id;

        c->own_request = NULL;
        if (checking) {
                c->checking = false;
                m->n_checking--;
        }
        switch (outcome->state) {
        case REQUEST_ANSWERED:
                if (tlv_result(outcome->response->tlvs, outcome->response->n_tlvs) ==
                    QMI_ERROR_INVALID_CLIENT_ID)
                        client_lose(c, "the modem does not know the client id");
                break;
        case REQUEST_TIMEOUT:
                if (checking) {
                        /* Should it be known after all, it is given back. */
                        client_lose(c, "the modem does not answer for the client id");
                        ctl_send_release(m, service, id);
                } else
                        recover_on_mute(c);
                break;
        case REQUEST_GONE:
        case REQUEST_REFUSED:
        case REQUEST_NO_CLIENT:
                break;
        case _REQUEST_STATE_MAX:
        case _REQUEST_STATE_INVALID:
                assert(false);
        }
        check_continue(m);
}

/* Whether it was sent. */
static bool check_send(Client *c) {
        return request_send_now(&c->own_request, c,
                                &(RequestSpec){
                                        .message = GET_SUPPORTED_MESSAGES,
                                        .timeout_usec = c->mux->ctl_timeout_usec,
                                        .done = on_checked,
                                        .userdata = c,
                                }) >= 0;
}

void check_client(Client *c) {
        if (c->state == CLIENT_READY && !c->own_request)
                (void) check_send(c);
}

static Client *next_unchecked(Mux *m) {
        Client *c;

        TAILQ_FOREACH(c, &m->clients, entry)
                if (c->unchecked)
                        break;
        return c;
}

void check_continue(Mux *m) {
        Client *c;

        if (m->state != MUX_CHECKING)
                return;
        while (m->n_checking < m->window && (c = next_unchecked(m))) {
                c->unchecked = false;
                c->checking = check_send(c);
                m->n_checking += c->checking;
        }
        if (m->can_lag)
                ctl_push(m);
        if (m->n_checking == 0)
                mux_set_ready(m);
}

/* Whether there is any to ask for. */
static bool mark_unchecked(Mux *m) {
        bool any = false;
        Client *c;

        m->check_wanted = false;
        TAILQ_FOREACH(c, &m->clients, entry) {
                if (c == m->ctl || c->state != CLIENT_READY)
                        continue;
                check_stop(c);
                c->unchecked = true;
                any = true;
        }
        return any;
}

#define REASON "finding out which client ids the modem still knows"

void check_start(Mux *m) {
        if (!mark_unchecked(m)) {
                mux_set_ready(m);
                return;
        }
        mux_set_state(m, MUX_CHECKING, REASON);
        check_continue(m);
}

void check_start_later(Mux *m) {
        if (mark_unchecked(m))
                mux_set_state_quietly(m, MUX_CHECKING, REASON);
        else
                mux_set_state_quietly(m, MUX_READY, NULL);
}

void mux_check(Mux *m) {
        if (m->state != MUX_READY)
                return; /* it will be, before it is ready again */
        m->check_wanted = true;
        ctl_probe_now(m);
}
