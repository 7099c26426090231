/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mux/mux-internal.h"
#include "qmi/tlv.h"

void request_free(Request *r) {
        explicit_bzero(r->tlvs, r->n_tlvs);
        free(r);
}

static void request_unlink(Request *r) {
        if (!r->queue)
                return;
        TAILQ_REMOVE(r->queue, r, entry);
        if (r->queue == &r->client->requests)
                r->client->n_waiting--;
        r->queue = NULL;
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
        Request *r;

        if (spec->n_tlvs > port_get_frame_max(c->mux->port) - FRAME_OVERHEAD)
                return -EMSGSIZE;

        r = malloc(sizeof(*r) + spec->n_tlvs);
        if (!r)
                return -ENOMEM;
        *r = (Request){
                .client = c,
                .schema = spec->schema,
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

int request_new(Request **ret, Client *c, const Owner *owner, const RequestSpec *spec) {
        Request *r;
        int k;

        if (owner != c->owner)
                return -EPERM;
        if (client_is_stranded(c) || (c != c->mux->ctl && !mux_is_live(c->mux)))
                return -ENODEV;
        if (c->n_waiting >= CLIENT_QUEUE_MAX)
                return -ENOBUFS;
        k = request_make(&r, c, spec);
        if (k < 0)
                return k;
        r->queue = &c->requests;
        TAILQ_INSERT_TAIL(&c->requests, r, entry);
        c->n_waiting++;

        client_update(c);
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
        if (transaction_new(r->client, r, r->message, r->tlvs, r->n_tlvs, r->timeout_usec) < 0) {
                request_fail(r, REQUEST_GONE, 0);
                mux_flush_later(r->client->mux);
        }
}

void request_fail(Request *r, RequestState state, uint16_t error) {
        request_unlink(r);
        if (r->transaction)
                TAKE_PTR(r->transaction)->request = NULL;
        r->outcome = (RequestOutcome){ .state = state, .error = error };
        r->queue = &r->client->mux->failed;
        TAILQ_INSERT_TAIL(r->queue, r, entry);
}

void request_complete(Request *r, const RequestOutcome *outcome) {
        request_unlink(r);
        r->completing = true;
        if (r->done)
                r->done(outcome, r->userdata);
        request_free(r);
}

/* The first TLV of every abort message is the id of the transaction to abort, 16 bits wide (WDS 0x0002, NAS
 * 0x0001). It goes out past the windows: what it is for may be what fills them. */
static void request_abort(Request *r, const Transaction *t) {
        uint8_t tlv[] = { 0x01, 0x02, 0x00, 0x00, 0x00 };

        if (!r->schema || r->schema->abort == SCHEMA_NO_MESSAGE)
                return;
        write_le16(tlv + TLV_HEADER_SIZE, t->id);
        (void) transaction_new(r->client, NULL, schema_messages[r->schema->abort].id, tlv, sizeof(tlv),
                               REQUEST_TIMEOUT_DEFAULT_S * USEC_PER_SEC);
}

Request *request_cancel(Request *r) {
        Transaction *t;
        Client *c;

        if (!r || r->completing)
                return NULL;

        c = r->client;
        t = r->transaction;
        request_unlink(r);
        if (t) {
                t->request = NULL;
                if (t->state == TRANSACTION_IN_FLIGHT)
                        request_abort(r, t);
                else
                        transaction_free(t); /* it has been answered already */
        }
        request_free(r);

        client_update(c);
        mux_schedule(c->mux);
        return NULL;
}
