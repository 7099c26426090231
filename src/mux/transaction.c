/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mux/mux-internal.h"
#include "qmi/tlv.h"

static bool is_active(TransactionState s) {
        return s == TRANSACTION_IN_FLIGHT || s == TRANSACTION_RESULT;
}

/* The one writer of the state; keeps the counts and the mux's list of what has a deadline. */
static void transaction_set_state(Transaction *t, TransactionState state) {
        Client *c = t->client;
        Mux *m = c->mux;
        int in_flight = (state == TRANSACTION_IN_FLIGHT) - (t->state == TRANSACTION_IN_FLIGHT);
        bool was_active = is_active(t->state);

        c->n_in_flight += (unsigned) in_flight;
        if (c != m->ctl)
                m->n_in_flight += (unsigned) in_flight;
        c->n_waiting += (size_t) ((state == TRANSACTION_RESULT) - (t->state == TRANSACTION_RESULT));
        c->n_expired += (unsigned) ((state == TRANSACTION_EXPIRED) - (t->state == TRANSACTION_EXPIRED));
        t->state = state;

        if (is_active(state) && !was_active) {
                TAILQ_INSERT_TAIL(&m->active, t, active);
                mux_arm_timer(m, t->deadline_usec);
        } else if (!is_active(state) && was_active) {
                TAILQ_REMOVE(&m->active, t, active);
                mux_disarm_timer_if_idle(m);
        }
}

void transaction_free(Transaction *t) {
        if (t->request)
                TAKE_PTR(t->request)->transaction = NULL;
        transaction_set_state(t, TRANSACTION_NEW);
        TAILQ_REMOVE(&t->client->transactions, t, entry);
        free(t->response_tlvs);
        free(t);
}

/* Expired ones lie in the order in which they expired: each is moved to the end then. */
static void forget_expired(Client *c) {
        uint64_t now = mux_now(c->mux);
        Transaction *t, *next;

        for (t = TAILQ_FIRST(&c->transactions); t && c->n_expired > 0; t = next) {
                next = TAILQ_NEXT(t, entry);
                if (t->state != TRANSACTION_EXPIRED)
                        continue;
                if (t->deadline_usec > now && c->n_expired <= EXPIRED_MAX)
                        break;
                transaction_free(t);
        }
}

void transaction_expire(Transaction *t) {
        Client *c = t->client;

        t->deadline_usec = mux_now(c->mux) + EXPIRED_USEC;
        transaction_set_state(t, TRANSACTION_EXPIRED);
        TAILQ_REMOVE(&c->transactions, t, entry);
        TAILQ_INSERT_TAIL(&c->transactions, t, entry);
        forget_expired(c);
}

static bool id_is_taken(Client *c, uint16_t id) {
        Transaction *t;

        TAILQ_FOREACH(t, &c->transactions, entry)
                if (t->id == id)
                        return true;
        return false;
}

/* Only half of the numbers is used. After a crash it is the other half, so that what was asked before and is
 * answered now is not taken for an answer to anything newer. The windows, the aborts they entail and
 * EXPIRED_MAX together are less than half of what 8 bits count; only many releases at once can fill it. 0:
 * there is none. */
static uint16_t pick_id(Client *c) {
        Mux *m = c->mux;
        uint16_t half = transaction_half(c->service), id;

        for (unsigned i = 0; i < half; i++) {
                id = (c == m->ctl ? m->next_ctl_transaction++ : m->next_transaction++) & (half - 1U);
                if (m->second_half)
                        id |= half;
                if (id != 0 && !id_is_taken(c, id))
                        return id;
        }
        return 0;
}

/* What the port does not take is lost as it would be on the wire, and times out. */
static int send_message(Client *c, const QmiMessage *m) {
        Mux *mux = c->mux;
        size_t n_frame = FRAME_OVERHEAD + m->n_tlvs;
        uint8_t *frame;
        ssize_t n;

        if (mux->detached)
                return 0;
        frame = malloc(n_frame);
        if (!frame)
                return -ENOMEM;
        n = frame_build(m, 0x00, frame, n_frame);
        assert(n > 0);
        if (port_send(mux->port, frame, (size_t) n) >= 0 && mux->tap)
                mux->tap(mux, true, frame, (size_t) n, mux->tap_userdata);
        explicit_bzero(frame, n_frame);
        free(frame);
        return 0;
}

int transaction_new(Client *c, Request *request, uint16_t message, const uint8_t *tlvs, size_t n_tlvs,
                    uint64_t timeout_usec) {
        uint64_t now = mux_now(c->mux);
        Transaction *t;
        uint16_t id;
        int r;

        forget_expired(c);
        id = pick_id(c);
        if (id == 0)
                return -EAGAIN;

        t = malloc(sizeof(*t));
        if (!t)
                return -ENOMEM;
        *t = (Transaction){
                .client = c,
                .id = id,
                .message = message,
                .deadline_usec = timeout_usec < UINT64_MAX - now ? now + timeout_usec : UINT64_MAX - 1,
        };
        r = send_message(c, &(QmiMessage){
                                    .service = c->service,
                                    .client = c->id,
                                    .type = QMI_REQUEST,
                                    .transaction = t->id,
                                    .id = message,
                                    .tlvs = tlvs,
                                    .n_tlvs = n_tlvs,
                            });
        if (r < 0) {
                free(t);
                return r;
        }

        TAILQ_INSERT_TAIL(&c->transactions, t, entry);
        transaction_set_state(t, TRANSACTION_IN_FLIGHT);
        if (request) {
                t->request = request;
                request->transaction = t;
        }
        c->n_requests++;
        c->mux->statistics.n_requests++;
        if (!ctl_is_push(c, message)) {
                c->mux->n_sent++;
                if (c->mux->lags)
                        ctl_push(c->mux);
        }
        return 0;
}

void transaction_complete(Transaction *t, RequestState state, const QmiMessage *response,
                          const QmiMessage *indication) {
        RequestOutcome outcome = { .state = state, .response = response, .indication = indication };
        Request *r = TAKE_PTR(t->request);
        Client *c = t->client;
        Mux *m = c->mux;

        if (r)
                r->transaction = NULL;
        if (state == REQUEST_TIMEOUT && t->state == TRANSACTION_IN_FLIGHT)
                transaction_expire(t);
        else
                transaction_free(t);

        if (c->lingering && c->n_in_flight == 0 && !c->ctl_request && m->state == MUX_READY)
                ctl_release(c);
        else
                client_update(c);
        mux_schedule(m);

        if (r)
                request_complete(r, &outcome);
}

Transaction *transaction_find(Client *c, const QmiMessage *m) {
        Transaction *t;

        TAILQ_FOREACH(t, &c->transactions, entry)
                if (t->id == m->transaction && t->message == m->id && t->state != TRANSACTION_RESULT)
                        return t;
        return NULL;
}

/* Only a success announces that a result will follow. */
static bool awaits_result(const Transaction *t, const QmiMessage *m) {
        return t->request && t->request->schema && t->request->schema->result != SCHEMA_NO_MESSAGE &&
               tlv_result(m->tlvs, m->n_tlvs) == 0;
}

void transaction_on_response(Transaction *t, const QmiMessage *m) {
        if (awaits_result(t, m))
                t->response_tlvs = malloc(m->n_tlvs);
        if (!t->response_tlvs) {
                transaction_complete(t, REQUEST_ANSWERED, m, NULL);
                return;
        }

        memcpy(t->response_tlvs, m->tlvs, m->n_tlvs);
        t->response = *m;
        t->response.tlvs = t->response_tlvs;
        transaction_set_state(t, TRANSACTION_RESULT);
        /* The wire is free for the next one. */
        client_update(t->client);
        mux_schedule(t->client->mux);
}

static bool find_token(const Request *r, Tlv *ret) {
        return r->schema->request_token != 0 &&
               tlv_find(r->tlvs, r->n_tlvs, r->schema->request_token, ret) > 0;
}

/* Where the request carries a token, it decides; else the id of the indication is all there is. */
static bool is_result_of(const QmiMessage *m, const Request *r) {
        Tlv a, b;

        if (schema_messages[r->schema->result].id != m->id)
                return false;
        if (!find_token(r, &a))
                return true;
        return tlv_find(m->tlvs, m->n_tlvs, r->schema->result_token, &b) > 0 && a.n_bytes == b.n_bytes &&
               memcmp(a.bytes, b.bytes, a.n_bytes) == 0;
}

Transaction *transaction_find_result(Client *c, const QmiMessage *m) {
        Transaction *t;

        TAILQ_FOREACH(t, &c->transactions, entry)
                if (t->state == TRANSACTION_RESULT && is_result_of(m, t->request))
                        return t;
        return NULL;
}

void transaction_on_result(Transaction *t, const QmiMessage *m) {
        _cleanup_free_ uint8_t *tlvs = TAKE_PTR(t->response_tlvs);
        QmiMessage response = t->response;

        response.tlvs = tlvs;
        transaction_complete(t, REQUEST_ANSWERED, &response, m);
}

static bool has_unnamed_result(const Request *r) {
        Tlv token;

        return r->schema && r->schema->result != SCHEMA_NO_MESSAGE && !find_token(r, &token);
}

bool transaction_stands_in_the_way(Client *c, const Request *r) {
        Transaction *t;

        if (!has_unnamed_result(r))
                return false;
        TAILQ_FOREACH(t, &c->transactions, entry)
                if (t->request && has_unnamed_result(t->request) &&
                    t->request->schema->result == r->schema->result)
                        return true;
        return false;
}

void transaction_on_deadline(Transaction *t) {
        Mux *m = t->client->mux;

        m->statistics.n_timeouts++;
        if (t->state == TRANSACTION_IN_FLIGHT && !ctl_is_push(t->client, t->message) &&
            (!t->request || t->request != t->client->own_request))
                silence_on_timeout(t->client);
        transaction_complete(t, REQUEST_TIMEOUT, NULL, NULL);
}
