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
        int result = (state == TRANSACTION_RESULT) - (t->state == TRANSACTION_RESULT);
        bool was_active = is_active(t->state);

        c->n_in_flight += (unsigned) in_flight;
        if (c != m->ctl)
                m->n_in_flight += (unsigned) in_flight;
        c->n_results += (unsigned) result;
        c->n_expired += (unsigned) ((state == TRANSACTION_EXPIRED) - (t->state == TRANSACTION_EXPIRED));
        t->state = state;
        if (t->lane) {
                Lane *l = is_active(state) ? t->lane : TAKE_PTR(t->lane);

                l->n_in_flight += (unsigned) in_flight;
                l->n_waiting += (size_t) result;
                lane_update(l);
        }

        if (is_active(state) && !was_active) {
                TAILQ_INSERT_TAIL(&m->active, t, active);
                mux_arm_timer(m, t->deadline_usec);
        } else if (!is_active(state) && was_active) {
                TAILQ_REMOVE(&m->active, t, active);
                mux_disarm_timer_if_idle(m);
                if (t->await)
                        client_update(c); /* others may have waited for that */
        }
}

void transaction_free(Transaction *t) {
        if (t->request)
                TAKE_PTR(t->request)->transaction = NULL;
        guard_on_end(t);
        transaction_set_state(t, TRANSACTION_NEW);
        TAILQ_REMOVE(&t->client->transactions, t, entry);
        if (t->response_tlvs)
                explicit_bzero(t->response_tlvs, t->response.n_tlvs);
        free(t->response_tlvs);
        if (t->request_tlvs)
                explicit_bzero(t->request_tlvs, t->n_request_tlvs);
        free(t->request_tlvs);
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

static void transaction_expire(Transaction *t) {
        Client *c = t->client;

        guard_on_end(t);
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

static bool has_undo(const SchemaMessage *row) {
        return row && row->undo != SCHEMA_NO_MESSAGE;
}

static bool has_result(const SchemaMessage *row) {
        return row && row->result != SCHEMA_NO_MESSAGE;
}

static bool is_owned(const SchemaMessage *row) {
        return row && (row->kind == KIND_CLIENT || row->kind == KIND_SESSION);
}

/* What is to be known of it when its answer comes, even if nobody waits for that any more. */
static int transaction_remember(Transaction *t, const Request *r) {
        t->row = r->row;
        if (has_result(r->schema))
                t->await = r->schema;
        else if (has_undo(r->row) && has_result(r->row))
                t->await = r->row; /* raw: what is to be undone, the result says */
        if (!is_owned(r->row) && (!r->changes || t->client->mux->n_started == 0))
                return 0;
        t->request_tlvs = malloc(MAX(r->n_tlvs, (size_t) 1));
        if (!t->request_tlvs)
                return -ENOMEM;
        if (r->n_tlvs > 0)
                memcpy(t->request_tlvs, r->tlvs, r->n_tlvs);
        t->n_request_tlvs = r->n_tlvs;
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
        r = request ? transaction_remember(t, request) : 0;
        if (r < 0) {
                free(t);
                return r;
        }

        t->lane = request ? request->lane : NULL;
        TAILQ_INSERT_TAIL(&c->transactions, t, entry);
        transaction_set_state(t, TRANSACTION_IN_FLIGHT);
        if (request)
                guard_on_send(t, request);
        if (transaction_can_be_undone(t))
                mux_save_now(c->mux); /* so that it is, even if we crash */
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
                transaction_free(t);
                return r;
        }
        if (request) {
                t->request = request;
                request->transaction = t;
        }
        c->n_requests++;
        c->mux->statistics.n_requests++;
        if (!ctl_is_push(c, message)) {
                c->mux->n_sent++;
                c->mux->n_pushed_on = 0;
                if (c->mux->lags)
                        ctl_push(c->mux);
        }
        return 0;
}

/* Waits for the indication; the wire is free for the next one. */
static int transaction_wait_for_result(Transaction *t, const QmiMessage *response) {
        t->response_tlvs = malloc(MAX(response->n_tlvs, (size_t) 1));
        if (!t->response_tlvs)
                return -ENOMEM;
        if (response->n_tlvs > 0)
                memcpy(t->response_tlvs, response->tlvs, response->n_tlvs);
        t->response = *response;
        t->response.tlvs = t->response_tlvs;
        transaction_set_state(t, TRANSACTION_RESULT);
        return 0;
}

bool transaction_can_be_undone(const Transaction *t) {
        return has_undo(t->row);
}

int transaction_restore(Client *c, uint16_t id, const SchemaMessage *row, const uint8_t *tlvs, size_t n_tlvs,
                        const QmiMessage *response) {
        Transaction *t;
        int r;

        t = malloc(sizeof(*t));
        if (!t)
                return -ENOMEM;
        *t = (Transaction){
                .client = c,
                .id = id,
                .message = row->id,
                .row = row,
                .await = has_result(row) ? row : NULL,
                .abandoned = true,
                .request_tlvs = malloc(MAX(n_tlvs, (size_t) 1)),
                .n_request_tlvs = n_tlvs,
                .deadline_usec = mux_now(c->mux) + REQUEST_TIMEOUT_DEFAULT_S * USEC_PER_SEC,
        };
        TAILQ_INSERT_TAIL(&c->transactions, t, entry);
        r = t->request_tlvs ? 0 : -ENOMEM;
        if (r >= 0 && n_tlvs > 0)
                memcpy(t->request_tlvs, tlvs, n_tlvs);
        if (r >= 0 && response)
                r = transaction_wait_for_result(t, response);
        else if (r >= 0)
                transaction_expire(t);
        if (r < 0)
                transaction_free(t);
        return r;
}

void transaction_hurry(Transaction *t, uint64_t deadline_usec) {
        if (!is_active(t->state) || t->deadline_usec <= deadline_usec)
                return;
        t->deadline_usec = deadline_usec;
        mux_arm_timer(t->client->mux, deadline_usec);
}

void transaction_complete(Transaction *t, RequestState state, const QmiMessage *response,
                          const QmiMessage *indication) {
        RequestOutcome outcome = { .state = state, .response = response, .indication = indication };
        Request *r = TAKE_PTR(t->request);
        Client *c = t->client;
        Mux *m = c->mux;

        outcome.tries = MAX(t->mark.tries, 0);
        if (r)
                r->transaction = NULL;
        if (!t->row || t->row->kind != KIND_QUERY)
                join_on_effect(m, c->service);
        if (r)
                request_leave_lane(r); /* which may go with the transaction */
        if (state == REQUEST_TIMEOUT && t->state == TRANSACTION_IN_FLIGHT)
                transaction_expire(t);
        else
                transaction_free(t);
        client_go_on(c);
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

/* Early firmware leaves the result out of a success. */
static bool is_success(const QmiMessage *m) {
        int r = tlv_result(m->tlvs, m->n_tlvs);

        return r == 0 || r == -ENODATA;
}

/* Whether its result matters: to somebody who waits for it, or for what is to be undone. Only a success
 * announces that one will follow. */
static bool awaits_result(const Transaction *t, const QmiMessage *m) {
        return t->await && (t->request || has_undo(t->row)) && tlv_result(m->tlvs, m->n_tlvs) == 0;
}

static void transaction_on_success(Transaction *t) {
        if (t->request_tlvs)
                undo_on_undone(t);
        if (is_owned(t->row) && t->request_tlvs && !(t->abandoned && has_undo(t->row)))
                replay_note(t->client, t->row, t->request_tlvs, t->n_request_tlvs);
}

/* The modem has forgotten the client id, without a word; or with one that got lost. */
static bool is_forgotten(const Transaction *t, const QmiMessage *m) {
        return tlv_result(m->tlvs, m->n_tlvs) == QMI_ERROR_INVALID_CLIENT_ID &&
               t->client != t->client->mux->ctl && t->request && t->request != t->client->own_request;
}

void transaction_on_response(Transaction *t, const QmiMessage *m) {
        Client *c = t->client;

        guard_on_response(t, m);
        if (is_success(m))
                transaction_on_success(t);
        if (awaits_result(t, m) && transaction_wait_for_result(t, m) >= 0) {
                Request *r = t->request;

                if (!t->row || t->row->kind != KIND_QUERY)
                        join_on_effect(c->mux, c->service);
                client_go_on(c);
                mux_schedule(c->mux);
                if (r && !has_result(r->schema)) {
                        /* The mux waits, whoever asked does not. */
                        t->request = NULL;
                        r->transaction = NULL;
                        request_complete(r, &(RequestOutcome){ .state = REQUEST_ANSWERED, .response = m });
                }
                return;
        }
        if (is_success(m) && has_undo(t->row))
                undo_on_success(t, m, NULL);
        if (is_forgotten(t, m)) {
                check_client(c);
                transaction_complete(t, REQUEST_GONE, NULL, NULL);
        } else
                transaction_complete(t, REQUEST_ANSWERED, m, NULL);
}

void transaction_on_late_response(Transaction *t, const QmiMessage *m) {
        Client *c = t->client;

        guard_on_response(t, m);
        t->abandoned = true;
        if (is_success(m))
                transaction_on_success(t);
        if (awaits_result(t, m) && mux_is_live(c->mux)) {
                t->deadline_usec = mux_now(c->mux) + REQUEST_TIMEOUT_DEFAULT_S * USEC_PER_SEC;
                if (transaction_wait_for_result(t, m) >= 0)
                        return;
        }
        transaction_set_state(t, TRANSACTION_NEW); /* what is sent now must not forget it */
        if (is_success(m) && has_undo(t->row))
                undo_on_success(t, m, NULL);
        transaction_free(t);
}

/* The first TLV of every abort message is the id of the transaction to abort, 16 bits wide (WDS 0x0002, NAS
 * 0x0001). It goes out past the windows: what it is for may be what fills them. */
static void transaction_abort(Transaction *t) {
        uint8_t tlv[] = { 0x01, 0x02, 0x00, 0x00, 0x00 };

        if (!t->row || t->row->abort == SCHEMA_NO_MESSAGE)
                return;
        write_le16(tlv + TLV_HEADER_SIZE, t->id);
        (void) transaction_new(t->client, NULL, schema_messages[t->row->abort].id, tlv, sizeof(tlv),
                               RELEASE_WAIT_USEC);
}

void transaction_give_up(Transaction *t) {
        if (t->state == TRANSACTION_IN_FLIGHT) {
                transaction_expire(t);
                return;
        }
        if (has_undo(t->row)) {
                t->abandoned = false; /* it is undone with the client's end */
                undo_on_success(t, &t->response, NULL);
        }
        transaction_free(t);
}

void transaction_abandon(Transaction *t) {
        t->abandoned = true;
        if (t->state == TRANSACTION_IN_FLIGHT)
                transaction_abort(t);
        else if (!has_undo(t->row))
                transaction_free(t); /* it has been answered already */
}

/* Its request, wherever that is kept. */
static bool find_token(const Transaction *t, Tlv *ret) {
        const uint8_t *tlvs = t->request ? t->request->tlvs : t->request_tlvs;
        size_t n_tlvs = t->request ? t->request->n_tlvs : t->n_request_tlvs;

        return t->await->request_token != 0 && tlv_find(tlvs, n_tlvs, t->await->request_token, ret) > 0;
}

/* Where the request carries a token, it decides; else the id of the indication is all there is. */
static bool is_result_of(const QmiMessage *m, const Transaction *t) {
        Tlv a, b;

        if (schema_messages[t->await->result].id != m->id)
                return false;
        if (!find_token(t, &a))
                return true;
        return tlv_find(m->tlvs, m->n_tlvs, t->await->result_token, &b) > 0 && a.n_bytes == b.n_bytes &&
               memcmp(a.bytes, b.bytes, a.n_bytes) == 0;
}

Transaction *transaction_find_result(Client *c, const QmiMessage *m) {
        Transaction *t;

        TAILQ_FOREACH(t, &c->transactions, entry)
                if (t->state == TRANSACTION_RESULT && is_result_of(m, t))
                        return t;
        return NULL;
}

void transaction_on_result(Transaction *t, const QmiMessage *m) {
        _cleanup_free_ uint8_t *tlvs = TAKE_PTR(t->response_tlvs);
        QmiMessage response = t->response;

        response.tlvs = tlvs;
        if (has_undo(t->row))
                undo_on_success(t, &response, m);
        transaction_complete(t, REQUEST_ANSWERED, &response, m);
}

bool transaction_stands_in_the_way(Client *c, const Request *r) {
        const SchemaMessage *await = has_result(r->schema) ? r->schema : NULL;
        Transaction *t;
        Tlv token;

        if (!await ||
            (await->request_token != 0 && tlv_find(r->tlvs, r->n_tlvs, await->request_token, &token) > 0))
                return false;
        TAILQ_FOREACH(t, &c->transactions, entry)
                if (is_active(t->state) && t->await && (t->request || t->state == TRANSACTION_RESULT) &&
                    t->await->result == await->result && !find_token(t, &token))
                        return true;
        return false;
}

void transaction_on_deadline(Transaction *t) {
        Mux *m = t->client->mux;

        if (t->state == TRANSACTION_RESULT && has_undo(t->row)) {
                /* The result will hardly come. What is known must do. */
                t->abandoned = t->abandoned || t->request;
                undo_on_success(t, &t->response, NULL);
        }
        if (t->request && t->state == TRANSACTION_IN_FLIGHT)
                transaction_abort(t);
        m->statistics.n_timeouts++;
        if (t->state == TRANSACTION_IN_FLIGHT && !ctl_is_push(t->client, t->message) &&
            (!t->request || t->request != t->client->own_request))
                silence_on_timeout(t->client);
        transaction_complete(t, REQUEST_TIMEOUT, NULL, NULL);
}
