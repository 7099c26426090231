/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-mux-modem.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "qmi/tlv.h"

/* A test that hangs this long has failed. */
#define PATIENCE_USEC (20 * USEC_PER_SEC)

const SchemaMessage *row(const char *service, const char *message) {
        const SchemaMessage *m = schema_message_by_name(schema_service_by_name(service), message);

        assert(m);
        return m;
}

/* ---- the loop ---- */

void bench_turn(Bench *b) {
        int r = sd_event_run(b->event, PATIENCE_USEC);

        assert(r > 0);
}

void bench_settle(Bench *b) {
        int r;

        while ((r = sd_event_run(b->event, 0)) > 0)
                ;
        assert(r == 0);
}

/* ---- the modem's side ---- */

static void on_frame(const uint8_t *frame, size_t n_frame, const QmiMessage *m, void *userdata) {
        Bench *b = userdata;
        Received *x = &b->received[b->n_received++];
        int r;

        assert(b->n_received < RECEIVED_MAX);
        x->frame = malloc(n_frame);
        assert(x->frame);
        memcpy(x->frame, frame, n_frame);
        r = frame_parse(x->frame, n_frame, &x->message);
        assert(r == 0);
}

void bench_listen(Bench *b) {
        modem_side_listen(&b->modem);
}

void bench_hang_up(Bench *b) {
        modem_side_hang_up(&b->modem);
}

const QmiMessage *bench_next(Bench *b) {
        RUN_UNTIL(b, b->n_taken < b->n_received);
        return &b->received[b->n_taken++].message;
}

void bench_expect(Bench *b, const uint8_t *frame, size_t n_frame) {
        const uint8_t *f;

        (void) bench_next(b);
        f = b->received[b->n_taken - 1].frame;
        for (size_t i = 0; i < n_frame; i++)
                if (f[i] != frame[i]) {
                        fprintf(stderr, "byte %zu is 0x%02x, not 0x%02x\n", i, f[i], frame[i]);
                        abort();
                }
        assert(read_le16(f + 1) + 1U == n_frame);
}

void bench_expect_silence(Bench *b) {
        bench_settle(b);
        assert(b->n_taken == b->n_received);
}

void bench_tell(Bench *b, const uint8_t *bytes, size_t n_bytes) {
        modem_side_send(&b->modem, bytes, n_bytes);
}

void bench_tell_message(Bench *b, const QmiMessage *message) {
        modem_side_tell(&b->modem, message);
}

void bench_answer(Bench *b, const QmiMessage *request, uint16_t error) {
        uint8_t result[] = {
                TLV_RESULT, 0x04, 0x00, error > 0, 0x00, (uint8_t) error, (uint8_t) (error >> 8)
        };
        QmiMessage m = *request;

        m.type = QMI_RESPONSE;
        m.tlvs = result;
        m.n_tlvs = sizeof(result);
        bench_tell_message(b, &m);
}

void bench_answer_version_info(Bench *b) {
        const uint8_t tlvs[] = {
                0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, /* result: success */
                0x01, 0x15, 0x00, 0x04,                   /* four services: */
                0x10, 0x02, 0x00, 0x00, 0x00,             /* LOC 2.0 */
                0x00, 0x01, 0x00, 0x05, 0x00,             /* CTL 1.5 */
                0x03, 0x01, 0x00, 0x19, 0x00,             /* NAS 1.25 */
                0x02, 0x01, 0x00, 0x0E, 0x00,             /* DMS 1.14 */
        };
        QmiMessage m = *bench_next(b);

        assert(m.service == QMI_SERVICE_CTL && m.id == 0x0021 && m.n_tlvs == 0);
        m.type = QMI_RESPONSE;
        m.tlvs = tlvs;
        m.n_tlvs = sizeof(tlvs);
        bench_tell_message(b, &m);
}

void bench_answer_allocation(Bench *b, uint16_t service, uint8_t id) {
        const uint8_t tlvs[] = {
                0x02, 0x04, 0x00, 0x00,
                0x00, 0x00, 0x00, /* result: success */
                0x01, 0x02, 0x00, (uint8_t) service,
                id, /* service, client id */
        };
        QmiMessage m = *bench_next(b);

        assert(m.service == QMI_SERVICE_CTL && m.id == 0x0022);
        assert(m.n_tlvs == 4 && m.tlvs[3] == service);
        m.type = QMI_RESPONSE;
        m.tlvs = tlvs;
        m.n_tlvs = sizeof(tlvs);
        bench_tell_message(b, &m);
}

void bench_tell_sync(Bench *b) {
        TELL(b, 0x01, 0x0B, 0x00, 0x80, 0x00, 0x00, /* CTL, client 0 */
             0x02, 0x00, 0x27, 0x00, 0x00, 0x00);   /* indication Sync */
}

/* ---- the host's side ---- */

void bench_note(Bench *b, const char *format, ...) {
        size_t n = strlen(b->events);
        va_list ap;
        int r;

        va_start(ap, format);
        r = vsnprintf(b->events + n, sizeof(b->events) - n, format, ap);
        va_end(ap);
        assert(r >= 0 && (size_t) r < sizeof(b->events) - n);
}

static void on_state(Mux *m, MuxState state, const char *reason, void *userdata) {
        Bench *b = userdata;
        StateRecord *s = &b->states[b->n_states++];

        assert(b->n_states < ELEMENTSOF(b->states));
        assert(mux_get_state(m) == state);
        assert(streq(mux_get_state_reason(m), reason ?: ""));
        s->state = state;
        (void) snprintf(s->reason, sizeof(s->reason), "%s", reason ?: "");
        bench_note(b, "%s ", mux_state_to_string(state));
}

static bool on_exhausted(Mux *m, uint16_t service, void *userdata) {
        Bench *b = userdata;

        bench_note(b, "exhausted:%02x ", service);
        return b->on_exhausted && b->on_exhausted(b, service);
}

static void on_save(Mux *m, void *userdata) {
        Bench *b = userdata;
        int r;

        packer_done(&b->saved);
        r = mux_save(m, &b->saved);
        assert(r == 0);
        b->n_saves++;
}

static bool may_sync(Mux *m, void *userdata) {
        return ((Bench *) userdata)->may_sync;
}

static void on_silent_long(Mux *m, void *userdata) {
        ((Bench *) userdata)->n_silent_long++;
}

static const MuxOps mux_ops = {
        .on_state = on_state,
        .on_save = on_save,
        .may_sync = may_sync,
        .on_silent_long = on_silent_long,
        .on_exhausted = on_exhausted,
};

void bench_new_mux(Bench *b) {
        int r;

        r = mux_new(&b->mux, b->event, b->modem.uri, 0, 0, &mux_ops, b);
        assert(r >= 0);
}

void bench_init(Bench *b) {
        int r;

        *b = (Bench){};
        r = sd_event_new(&b->event);
        assert(r >= 0);
        modem_side_init(&b->modem, b->event, on_frame, b);
        bench_new_mux(b);
        r = mux_open(b->mux);
        assert(r >= 0);
        assert(mux_get_state(b->mux) == MUX_STARTING);
}

void bench_init_ready(Bench *b) {
        bench_init(b);
        bench_listen(b);
        bench_answer_version_info(b);
        RUN_UNTIL(b, mux_get_state(b->mux) == MUX_READY);
        b->events[0] = 0;
}

void bench_restart(Bench *b, bool crashed) {
        int fd = dup(port_get_fd(mux_get_port(b->mux)));
        Unpacker u;
        int r;

        assert(fd >= 0);
        if (!crashed) {
                packer_done(&b->saved);
                r = mux_save(b->mux, &b->saved);
                assert(r == 0);
        }
        port_keep(mux_get_port(b->mux));
        mux_detach(b->mux);
        b->mux = mux_free(b->mux);

        bench_new_mux(b);
        r = port_adopt(mux_get_port(b->mux), fd);
        assert(r == 0);
        unpacker_init(&u, b->saved.data, b->saved.size);
        r = mux_restore(b->mux, &u, crashed);
        assert(r == 0 && unpack_end(&u) == 0);
        b->events[0] = 0;
}

void bench_done(Bench *b) {
        b->mux = mux_free(b->mux);
        packer_done(&b->saved);
        modem_side_done(&b->modem);
        for (size_t i = 0; i < b->n_received; i++)
                free(b->received[i].frame);
        sd_event_unref(b->event);
}

void outcome_done(const RequestOutcome *outcome, void *userdata) {
        static const char *const names[] = {
                [REQUEST_ANSWERED] = "answered",
                [REQUEST_TIMEOUT] = "timeout",
                [REQUEST_GONE] = "gone",
                [REQUEST_NO_CLIENT] = "no-client",
        };
        Outcome *o = userdata;

        o->n_done++;
        o->state = outcome->state;
        o->error = outcome->error;
        o->has_response = outcome->response;
        o->has_indication = outcome->indication;
        assert(o->has_response == (o->state == REQUEST_ANSWERED));
        if (outcome->response) {
                o->response = *outcome->response;
                memcpy(o->bytes, o->response.tlvs, MIN(o->response.n_tlvs, sizeof(o->bytes)));
                o->response.tlvs = NULL;
        }
        if (outcome->indication) {
                o->indication = *outcome->indication;
                o->indication.tlvs = NULL;
        }
        if (o->name)
                bench_note(o->bench, "%s:%s ", o->name, names[o->state]);
}

Request *bench_request_tlvs(Bench *b, Client *c, uint16_t message, const SchemaMessage *schema,
                            const uint8_t *tlvs, size_t n_tlvs, uint64_t timeout_usec, Outcome *o) {
        unsigned n_done = o->n_done;
        Request *r = NULL;
        int k;

        o->bench = b;
        k = request_new(&r, c, client_get_owner(c),
                        &(RequestSpec){
                                .message = message,
                                .schema = schema,
                                .tlvs = tlvs,
                                .n_tlvs = n_tlvs,
                                .timeout_usec = timeout_usec,
                                .done = outcome_done,
                                .userdata = o,
                        });
        assert(k == 0 && r);
        assert(o->n_done == n_done); /* no call back before it has returned */
        return r;
}

Request *bench_request(Bench *b, Client *c, uint16_t message, const SchemaMessage *schema, Outcome *o) {
        return bench_request_tlvs(b, c, message, schema, NULL, 0, 0, o);
}

Request *bench_request_of(Bench *b, Client *c, const Owner *requester, uint16_t message, Outcome *o) {
        Request *r = NULL;
        int k;

        o->bench = b;
        k = request_new(&r, c, client_get_owner(c),
                        &(RequestSpec){
                                .message = message,
                                .requester = requester,
                                .done = outcome_done,
                                .userdata = o,
                        });
        assert(k == 0 && r);
        return r;
}

static void test_client_callback(TestClient *t, bool release) {
        if (t->victim)
                test_client_release(t->victim);
        if (release)
                test_client_release(t);
}

static void on_allocated(Client *c, int error, void *userdata) {
        TestClient *t = userdata;

        assert(c == t->client);
        assert(client_get_state(c) == (error == 0 ? CLIENT_READY : CLIENT_ENDED));
        bench_note(t->bench, "%s:allocated:%d ", t->name, error);
        test_client_callback(t, error != 0 && t->release_on_end);
}

static void on_indication(Client *c, const QmiMessage *m, bool broadcast, void *userdata) {
        TestClient *t = userdata;

        assert(c == t->client);
        bench_note(t->bench, "%s:%s:%04x ", t->name, broadcast ? "broadcast" : "indication", m->id);
        test_client_callback(t, t->release_on_indication);
}

static void on_ended(Client *c, const char *reason, void *userdata) {
        TestClient *t = userdata;

        assert(c == t->client);
        assert(client_get_state(c) == CLIENT_ENDED);
        assert(reason && reason[0]);
        bench_note(t->bench, "%s:ended ", t->name);
        test_client_callback(t, t->release_on_end);
}

static void on_replaced(Client *c, void *userdata) {
        TestClient *t = userdata;

        assert(c == t->client);
        assert(client_get_state(c) == CLIENT_READY && client_get_id(c) != 0);
        bench_note(t->bench, "%s:replaced ", t->name);
}

static const ClientOps client_ops = {
        .on_allocated = on_allocated,
        .on_indication = on_indication,
        .on_ended = on_ended,
        .on_replaced = on_replaced,
};

void test_client_new(Bench *b, TestClient *t, const char *name, uint16_t service) {
        int r;

        t->bench = b;
        t->name = name;
        t->owner.name = name;
        r = client_new(&t->client, b->mux, service, &t->owner, &client_ops, t);
        assert(r == 0);
        assert(client_get_state(t->client) == CLIENT_ALLOCATING);
}

void test_client_new_ready(Bench *b, TestClient *t, const char *name, uint16_t service, uint8_t id) {
        test_client_new(b, t, name, service);
        bench_answer_allocation(b, service, id);
        RUN_UNTIL(b, client_get_state(t->client) == CLIENT_READY);
        bench_settle(b);
        b->events[0] = 0;
}

void test_client_release(TestClient *t) {
        int r = client_release(t->client, &t->owner);

        assert(r == 0);
        t->client = NULL;
}

void test_client_adopt(Bench *b, TestClient *t, uint32_t key) {
        t->client = mux_adopt_client(b->mux, key, &t->owner, &client_ops, t);
        assert(t->client);
        assert(client_get_key(t->client) == key && client_get_owner(t->client) == &t->owner);
}
