/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test-mux-modem.h"
#include "util/log.h"

/* The mux as a whole: its states, what CTL says, what a broken modem sends. */

static void test_becomes_ready(void) {
        const MuxService *services;
        Bench b;

        bench_init(&b);
        bench_listen(&b);
        assert(b.n_states == 0); /* nothing is called back before the loop runs */

        /* marker, length 11, flags 0, CTL, client 0; flags 0: request, transaction 1, Get Version Info, no
         * TLVs */
        EXPECT(&b, 0x01, 0x0B, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x21, 0x00, 0x00, 0x00);
        assert(mux_get_state(b.mux) == MUX_STARTING);
        assert(mux_get_services(b.mux, &services) == 0);

        TELL(&b, 0x01, 0x27, 0x00, 0x80, 0x00, 0x00,   /* CTL, client 0 */
             0x01, 0x01, 0x21, 0x00, 0x1C, 0x00,       /* response to transaction 1 */
             0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, /* result: success */
             0x01, 0x12, 0x00, 0x03,                   /* three services: */
             0x03, 0x01, 0x00, 0x19, 0x00,             /* NAS 1.25 */
             0x00, 0x01, 0x00, 0x05, 0x00,             /* CTL 1.5 */
             0x03, 0x09, 0x00, 0x09, 0x00,             /* NAS once more */
             0x00, 0x00);                              /* the list may be longer than its count says */
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_READY);

        assert(mux_get_services(b.mux, &services) == 2);
        assert(services[0].id == 0x00 && services[0].major == 1 && services[0].minor == 5);
        assert(services[1].id == 0x03 && services[1].major == 1 && services[1].minor == 25);
        assert(mux_has_service(b.mux, 0x03) && !mux_has_service(b.mux, 0x02));
        assert(streq(mux_get_state_reason(b.mux), ""));
        bench_expect_silence(&b);
        assert(b.mux->timer_usec == UINT64_MAX); /* at rest nothing is armed */
        bench_done(&b);
}

/* A port that lost a notification hands out each answer only when the next one comes. */
static void test_pushes_out_what_is_stuck(void) {
        Outcome one = { .name = "one" }, two = { .name = "two" }, three = { .name = "three" };
        QmiMessage first, second, push;
        TestClient c = {};
        Bench b;

        bench_init_ready(&b);
        b.mux->can_lag = true;
        test_client_new_ready(&b, &c, "c", 0x03, 7);

        (void) bench_request_tlvs(&b, c.client, 0x004F, NULL, NULL, 0, 1, &one);
        RUN_UNTIL(&b, one.n_done > 0);
        assert(one.state == REQUEST_TIMEOUT);
        first = *bench_next(&b);
        push = *bench_next(&b);
        assert(push.service == 0x00 && push.id == 0x0021);
        bench_answer(&b, &first, 0); /* pushed out; that of the push is stuck now */
        bench_settle(&b);
        assert(b.mux->lags);

        /* Each request brings the answer of what was sent before it, and is followed by another push. */
        (void) bench_request(&b, c.client, 0x004F, NULL, &two);
        second = *bench_next(&b);
        bench_expect_silence(&b); /* the push before it is not answered yet */
        bench_answer(&b, &push, 0);
        push = *bench_next(&b);
        assert(push.service == 0x00 && push.id == 0x0021);
        bench_answer(&b, &second, 0);
        RUN_UNTIL(&b, two.n_done > 0);
        assert(two.state == REQUEST_ANSWERED);

        /* A push that is answered with nothing behind it: nothing is stuck any more. */
        bench_answer(&b, &push, 0);
        bench_settle(&b);
        assert(!b.mux->lags);
        (void) bench_request(&b, c.client, 0x004F, NULL, &three);
        second = *bench_next(&b);
        bench_expect_silence(&b);
        bench_answer(&b, &second, 0);
        RUN_UNTIL(&b, three.n_done > 0);
        test_client_release(&c);
        bench_done(&b);
}

/* A port as the driver has it when notifications were lost: for each answer of the modem it hands out the
 * oldest that it has. */
typedef struct Laggard {
        QmiMessage stuck[16]; /* the requests */
        size_t n_stuck, n_read;
} Laggard;

static void laggard_answer(Bench *b, const QmiMessage *request) {
        const uint8_t services[] = { 0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00,          /* result: success */
                                     0x01, 0x06, 0x00, 0x01, 0x03, 1,    0,    25, 0 }; /* NAS 1.25 */
        const uint8_t id[] = { 0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x03, 7 };
        QmiMessage m = *request;

        m.type = QMI_RESPONSE;
        m.tlvs = m.id == 0x0021 ? services : id; /* the result is all that matters of others */
        m.n_tlvs = m.id == 0x0021 ? sizeof(services) : m.id == 0x0022 ? sizeof(id) : 7;
        bench_tell_message(b, &m);
}

static void laggard_read(Bench *b, Laggard *l) {
        assert(l->n_stuck < ELEMENTSOF(l->stuck));
        l->stuck[l->n_stuck++] = *bench_next(b);
        l->n_read++;
        laggard_answer(b, &l->stuck[0]);
        memmove(l->stuck, l->stuck + 1, --l->n_stuck * sizeof(l->stuck[0]));
        bench_settle(b);
}

/* Whoever had the port before us has left answers in it. */
static void test_pushes_out_what_was_left(size_t n_left) {
        const QmiMessage left = { .service = 0x00, .id = 0x0022, .transaction = 200 };
        Outcome one = { .name = "one" };
        Laggard l = { .n_stuck = n_left };
        TestClient c = {};
        Bench b;

        for (size_t i = 0; i < n_left; i++)
                l.stuck[i] = left;
        bench_init(&b);
        b.mux->can_lag = true;
        b.mux->ctl_timeout_usec = 3600 * USEC_PER_SEC; /* no time-out may be what helps */
        bench_listen(&b);
        while (mux_get_state(b.mux) != MUX_READY)
                laggard_read(&b, &l);
        assert(l.n_read == 1 + n_left);

        test_client_new(&b, &c, "c", 0x03);
        while (client_get_id(c.client) == 0)
                laggard_read(&b, &l);
        (void) bench_request(&b, c.client, 0x004F, NULL, &one);
        while (one.n_done == 0)
                laggard_read(&b, &l);
        assert(one.state == REQUEST_ANSWERED);
        assert(l.n_read <= 3 * (1 + n_left));
        test_client_release(&c);
        bench_done(&b);
}

/* What is waited for is not there yet: pushing has an end. */
static void test_does_not_push_for_ever(void) {
        Outcome slow = { .name = "slow" };
        QmiMessage request;
        TestClient c = {};
        Laggard l = {};
        Bench b;

        bench_init_ready(&b);
        b.mux->can_lag = true;
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        (void) bench_request(&b, c.client, 0x0021, NULL, &slow);
        request = *bench_next(&b);
        for (size_t i = 0; i < 3; i++)
                l.stuck[l.n_stuck++] = (QmiMessage){ .service = 0x00, .id = 0x0022, .transaction = 200 };
        laggard_answer(&b, &l.stuck[0]);
        bench_settle(&b);
        while (b.n_taken < b.n_received)
                laggard_read(&b, &l);
        assert(l.n_read > 0 && l.n_read < 64);
        laggard_answer(&b, &request);
        RUN_UNTIL(&b, slow.n_done > 0);
        assert(slow.state == REQUEST_ANSWERED);
        test_client_release(&c);
        bench_done(&b);
}

typedef struct Tapped {
        bool to_modem[8];
        uint8_t frames[8][64];
        size_t n_bytes[8], n;
} Tapped;

static void on_tap(Mux *m, bool to_modem, const uint8_t *frame, size_t n_frame, void *userdata) {
        Tapped *t = userdata;

        assert(t->n < ELEMENTSOF(t->frames) && n_frame <= sizeof(t->frames[0]));
        t->to_modem[t->n] = to_modem;
        memcpy(t->frames[t->n], frame, n_frame);
        t->n_bytes[t->n++] = n_frame;
}

static void expect_tapped(const Tapped *t, size_t i, bool to_modem, const uint8_t *frame, size_t n_frame) {
        assert(i < t->n && t->to_modem[i] == to_modem);
        assert(t->n_bytes[i] == n_frame && memcmp(t->frames[i], frame, n_frame) == 0);
}
#define EXPECT_TAPPED(t, i, to_modem, ...)                              \
        expect_tapped(t, i, to_modem, (const uint8_t[]){ __VA_ARGS__ }, \
                      sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* The tap sees what passes while it is set, in both directions, also what is of no use to anybody. */
static void test_tap(void) {
        Outcome one = { .name = "one" }, two = { .name = "two" }, three = { .name = "three" };
        QmiMessage request;
        TestClient c = {};
        Tapped t = {};
        Bench b;

        bench_init_ready(&b);
        assert(!b.mux->tap);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        (void) bench_request(&b, c.client, 0x004F, NULL, &one);
        request = *bench_next(&b);
        bench_answer(&b, &request, 0);
        RUN_UNTIL(&b, one.n_done > 0);

        mux_set_tap(b.mux, on_tap, &t);
        (void) bench_request(&b, c.client, 0x004F, NULL, &two);
        request = *bench_next(&b);
        bench_answer(&b, &request, 0);
        RUN_UNTIL(&b, two.n_done > 0);
        assert(t.n == 2);
        /* marker, length 12, flags 0, NAS, client 7; request, transaction, Get Signal Info, no TLVs */
        EXPECT_TAPPED(&t, 0, true, 0x01, 0x0C, 0x00, 0x00, 0x03, 0x07, 0x00, (uint8_t) request.transaction,
                      0x00, 0x4F, 0x00, 0x00, 0x00);
        /* marker, length 19, flags 0x80, NAS, client 7; response, with its result */
        EXPECT_TAPPED(&t, 1, false, 0x01, 0x13, 0x00, 0x80, 0x03, 0x07, 0x02, (uint8_t) request.transaction,
                      0x00, 0x4F, 0x00, 0x07, 0x00,              /* seven bytes: */
                      0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00); /* success */

        /* Its message claims nine bytes of TLVs where there are none. */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x07, 0x04, 0x00, 0x00, 0x51, 0x00, 0x09, 0x00);
        RUN_UNTIL(&b, t.n == 3);
        EXPECT_TAPPED(&t, 2, false, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x07, 0x04, 0x00, 0x00, 0x51, 0x00, 0x09,
                      0x00);

        mux_set_tap(b.mux, NULL, NULL);
        (void) bench_request(&b, c.client, 0x004F, NULL, &three);
        request = *bench_next(&b);
        bench_answer(&b, &request, 0);
        RUN_UNTIL(&b, three.n_done > 0);
        assert(t.n == 3);
        test_client_release(&c);
        bench_done(&b);
}

static void on_all_released(Mux *m, void *userdata) {
        (*(unsigned *) userdata)++;
}

/* Whoever counts muxes that are done must be told by each once. */
static void test_released_is_told_once(void) {
        unsigned n_told = 0;
        Client *c;
        Bench b;

        bench_init_ready(&b);
        assert(mux_get_shared_client(b.mux, 0x03, &c) == 0);
        bench_settle(&b);
        mux_release_all(b.mux, on_all_released, &n_told);
        assert(n_told == 0); /* not from within the call */
        RUN_UNTIL(&b, n_told > 0);
        mux_flush_later(b.mux);
        bench_settle(&b);
        assert(n_told == 1);
        bench_done(&b);
}

static void test_waits_for_the_port(void) {
        Client *c;
        Bench b;

        bench_init(&b);
        RUN_UNTIL(&b, b.n_states > 0);
        assert(b.states[0].state == MUX_STARTING);
        assert(strstr(b.states[0].reason, "cannot connect"));
        assert(mux_get_shared_client(b.mux, 0x03, &c) == -ENODEV);

        bench_listen(&b);
        bench_answer_version_info(&b);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_READY);
        bench_done(&b);
}

static void test_silent_modem(void) {
        QmiMessage m;
        Bench b;

        bench_init(&b);
        b.mux->ctl_timeout_usec = b.mux->ctl_probe_min_usec = 1;
        bench_listen(&b);
        for (unsigned i = 1; i <= CTL_TRIES; i++) {
                m = *bench_next(&b);
                assert(m.id == 0x0021 && m.transaction == i);
        }
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_SILENT);
        assert(streq(mux_get_state_reason(b.mux), "the modem does not answer"));

        /* It is asked again and again, each time after a longer wait. */
        RUN_UNTIL(&b, b.mux->probe_interval_usec >= 16);
        b.mux->ctl_timeout_usec = CTL_TIMEOUT_USEC;
        RUN_UNTIL(&b, b.mux->probe && b.mux->probe->transaction &&
                              b.mux->probe->transaction->deadline_usec > mux_now(b.mux) + USEC_PER_SEC);
        bench_settle(&b);
        b.n_taken = b.n_received - 1;
        bench_answer_version_info(&b);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_READY);
        bench_expect_silence(&b);
        assert(b.mux->timer_usec == UINT64_MAX);
        bench_done(&b);
}

static void test_slow_modem(void) {
        Bench b;

        /* A modem that takes longer than we wait for it gets ready all the same. */
        bench_init(&b);
        b.mux->ctl_timeout_usec = 1;
        bench_listen(&b);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_SILENT);
        bench_answer_version_info(&b);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_READY);
        bench_done(&b);
}

static void test_sync_ends_silence(void) {
        Bench b;

        bench_init(&b);
        b.mux->ctl_timeout_usec = 1;
        bench_listen(&b);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_SILENT);
        b.mux->ctl_timeout_usec = CTL_TIMEOUT_USEC;
        b.n_taken = b.n_received;
        TELL(&b, 0x01, 0x0B, 0x00, 0x80, 0x00, 0x00, /* CTL, client 0 */
             0x02, 0x00, 0x27, 0x00, 0x00, 0x00);    /* indication Sync */
        bench_answer_version_info(&b);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_READY);
        bench_done(&b);
}

static void test_version_info_refused(void) {
        static const uint8_t lies[][8] = {
                { 0x01, 0x01, 0x00, 0x00 },       /* no service at all */
                { 0x01, 0x02, 0x00, 0x01, 0x03 }, /* one service, cut off */
                { 0x10, 0x01, 0x00, 0x01 },       /* no list */
        };
        Bench b;

        bench_init(&b);
        bench_listen(&b);
        for (unsigned i = 0; i < CTL_TRIES; i++) {
                QmiMessage m = *bench_next(&b);
                uint8_t tlvs[32] = { 0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00 }; /* success */

                memcpy(tlvs + 7, lies[i], sizeof(lies[i]));
                m.type = QMI_RESPONSE;
                m.tlvs = tlvs;
                m.n_tlvs = 7U + 3U + lies[i][1];
                bench_tell_message(&b, &m);
        }
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_SILENT);
        assert(streq(mux_get_state_reason(b.mux), "the modem's list of services cannot be read"));
        bench_done(&b);

        bench_init(&b);
        bench_listen(&b);
        for (unsigned i = 0; i < CTL_TRIES; i++)
                bench_answer(&b, bench_next(&b), 3 /* internal */);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_SILENT);
        assert(strstr(mux_get_state_reason(b.mux), "QMI error 3"));
        bench_done(&b);
}

static void test_sync(void) {
        TestClient waiting = {}, held = {};
        Outcome one = { .name = "one" }, two = { .name = "two" };
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &held, "held", 0x03, 7);
        (void) bench_request(&b, held.client, 0x004F, NULL, &one);
        (void) bench_next(&b);
        test_client_new(&b, &waiting, "waiting", 0x10);
        (void) bench_request(&b, waiting.client, 0x0025, NULL, &two);
        (void) bench_next(&b);

        TELL(&b, 0x01, 0x0B, 0x00, 0x80, 0x00, 0x00, /* CTL, client 0 */
             0x02, 0x00, 0x27, 0x00, 0x00, 0x00);    /* indication Sync */
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_RESETTING);
        assert(streq(b.events, "one:gone two:gone waiting:allocated:-19 resetting "));
        assert(client_get_state(waiting.client) == CLIENT_ENDED);
        assert(client_get_state(held.client) == CLIENT_READY);
        assert(request_new(NULL, held.client, &held.owner, &(RequestSpec){}) == -ENODEV);
        bench_answer_version_info(&b);
        test_client_release(&waiting);
        assert(bench_next(&b)->client == 7); /* whether the id of the other is still there */
        assert(mux_get_state(b.mux) == MUX_CHECKING);
        test_client_release(&held);
        bench_done(&b);
}

/* What the modem will not answer any more does not keep it from being asked. */
static void test_sync_with_ctl_busy(void) {
        TestClient c[CTL_WINDOW + 1] = {};
        QmiMessage lost;
        Bench b;

        bench_init_ready(&b);
        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                test_client_new(&b, &c[i], "c", 0x03);
        for (size_t i = 0; i < CTL_WINDOW; i++)
                lost = *bench_next(&b);
        assert(lost.id == 0x0022);
        TELL(&b, 0x01, 0x0B, 0x00, 0x80, 0x00, 0x00, /* CTL, client 0 */
             0x02, 0x00, 0x27, 0x00, 0x00, 0x00);    /* indication Sync */
        RUN_UNTIL(&b, client_get_state(c[0].client) == CLIENT_ENDED);
        bench_settle(&b);
        b.n_taken = b.n_received - 1;
        bench_answer_version_info(&b);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_READY);

        /* If the answer comes after all, the id in it is given back. */
        TELL(&b, 0x01, 0x17, 0x00, 0x80, 0x00, 0x00,                   /* CTL, client 0 */
             0x01, (uint8_t) lost.transaction, 0x22, 0x00, 0x0C, 0x00, /* response, Allocate */
             0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00,                 /* result: success */
             0x01, 0x02, 0x00, 0x03, 0x15);                            /* NAS, client id 21 */
        assert(bench_next(&b)->id == 0x0023);
        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                test_client_release(&c[i]);
        bench_done(&b);
}

static void test_revoke(void) {
        TestClient a = {}, c = {};
        Outcome one = { .name = "one" }, two = { .name = "two" }, three = { .name = "three" };
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &a, "a", 0x03, 7);
        test_client_new_ready(&b, &c, "c", 0x03, 8);
        (void) bench_request(&b, a.client, 0x004F, NULL, &one);
        (void) bench_request(&b, a.client, 0x004F, NULL, &two);
        (void) bench_request(&b, c.client, 0x004F, NULL, &three);

        TELL(&b, 0x01, 0x10, 0x00, 0x80, 0x00, 0x00, /* CTL, client 0 */
             0x02, 0x00, 0x24, 0x00, 0x05, 0x00,     /* indication: revoke */
             0x01, 0x02, 0x00, 0x03, 0x07);          /* NAS, client 7 */
        bench_settle(&b);
        assert(streq(b.events, "one:gone two:gone "));
        assert(client_get_id(a.client) == 0);

        /* Not ours, and no id in it at all. */
        TELL(&b, 0x01, 0x10, 0x00, 0x80, 0x00, 0x00, 0x02, 0x00, 0x24, 0x00, 0x05, 0x00, /* as above */
             0x01, 0x02, 0x00, 0x03, 0x07);                                              /* NAS, client 7 */
        TELL(&b, 0x01, 0x10, 0x00, 0x80, 0x00, 0x00, 0x02, 0x00, 0x24, 0x00, 0x05, 0x00, /* as above */
             0x01, 0x02, 0x00, 0x00, 0x00);                                              /* CTL, client 0 */
        TELL(&b, 0x01, 0x0F, 0x00, 0x80, 0x00, 0x00, 0x02, 0x00, 0x25, 0x00, 0x04, 0x00, 0x01, 0x01, 0x00,
             0x03);
        bench_settle(&b);
        assert(streq(b.events, "one:gone two:gone "));

        TELL(&b, 0x01, 0x10, 0x00, 0x80, 0x00, 0x00, /* CTL, client 0 */
             0x02, 0x00, 0x25, 0x00, 0x05, 0x00,     /* indication: invalid client id */
             0x01, 0x02, 0x00, 0x03, 0x08);          /* NAS, client 8 */
        bench_settle(&b);
        assert(streq(b.events, "one:gone two:gone three:gone "));
        assert(mux_get_state(b.mux) == MUX_READY);

        /* Either gets another id. */
        bench_settle(&b);
        assert(b.received[b.n_received - 2].message.id == 0x0022);
        assert(b.received[b.n_received - 1].message.id == 0x0022);
        test_client_release(&a);
        test_client_release(&c);
        bench_done(&b);
}

#define N_CLIENTS  10
#define N_REQUESTS 100

static void test_port_loss(void) {
        TestClient clients[N_CLIENTS] = {};
        Outcome outcomes[N_REQUESTS] = {};
        Bench b;

        bench_init_ready(&b);
        for (unsigned i = 0; i < N_CLIENTS; i++) {
                static const char names[] = "0\0001\0002\0003\0004\0005\0006\0007\0008\0009";

                test_client_new_ready(&b, &clients[i], names + 2 * i, 0x03, (uint8_t) (i + 1));
        }
        for (unsigned i = 0; i < N_REQUESTS; i++)
                (void) bench_request(&b, clients[i % N_CLIENTS].client, 0x004F, NULL, &outcomes[i]);
        for (unsigned i = 0; i < MUX_WINDOW_DEFAULT; i++)
                (void) bench_next(&b);

        bench_hang_up(&b);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_RESETTING);
        assert(streq(b.states[b.n_states - 1].reason, "the other end closed the connection"));
        assert(strncmp(b.events, "resetting ", 10) == 0);
        for (unsigned i = 0; i < N_REQUESTS; i++)
                assert(outcomes[i].n_done == 1 && outcomes[i].state == REQUEST_GONE);
        for (unsigned i = 0; i < N_CLIENTS; i++)
                test_client_release(&clients[i]);

        /* The other end is still there, and has forgotten every id. */
        bench_answer_version_info(&b);
        for (unsigned i = 0; i < N_CLIENTS; i++)
                bench_answer(&b, bench_next(&b), 7 /* invalid client id */);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_READY);
        bench_expect_silence(&b);
        test_client_new_ready(&b, &clients[0], "anew", 0x03, 1);
        test_client_release(&clients[0]);
        bench_answer(&b, bench_next(&b), 0);
        bench_settle(&b);
        bench_done(&b);
}

static void test_noise(void) {
        static const uint8_t split[] = { 0x01, 0x13, 0x00, 0x80, 0x03, 0x07, /* NAS, client 7 */
                                         0x02, 0x02, 0x00, 0x4F, 0x00, 0x07,
                                         0x00, /* response, transaction 2 */
                                         0x02, 0x04, 0x00, 0x00, 0x00, 0x00,
                                         0x00 }; /* success */
        Outcome one = { .name = "one" }, two = { .name = "two" };
        MuxStatistics s;
        PortStatistics p;
        TestClient c = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        (void) bench_request(&b, c.client, 0x004F, NULL, &one);
        (void) bench_request(&b, c.client, 0x004F, NULL, &two);
        EXPECT(&b, 0x01, 0x0C, 0x00, 0x00, 0x03, 0x07, /* NAS, client 7 */
               0x00, 0x01, 0x00, 0x4F, 0x00, 0x00, 0x00);

        TELL(&b, 0xDE, 0xAD, 0xBE, 0xEF);               /* belongs to nothing */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x07,    /* NAS, client 7 */
             0x02, 0x01, 0x00, 0x4F, 0x00, 0xFF, 0x00); /* TLVs longer than the rest */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x07, 0x06, 0x01, 0x00, 0x4F, 0x00, 0x00, 0x00); /* type 6 */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x07, 0x00, 0x01, 0x00, 0x4F, 0x00, 0x00,
             0x00); /* a request */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x09, 0x02, 0x01, 0x00, 0x4F, 0x00, 0x00,
             0x00); /* client 9 */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x02, 0x07, 0x02, 0x01, 0x00, 0x4F, 0x00, 0x00, 0x00); /* DMS */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x07, 0x02, 0x02, 0x00, 0x4F, 0x00, 0x00,
             0x00); /* transaction 2 */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x07, 0x02, 0x01, 0x00, 0x50, 0x00, 0x00,
             0x00); /* message 0x50 */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x09, 0x04, 0x01, 0x00, 0x51, 0x00, 0x00,
             0x00); /* indication */
        TELL(&b, 0x01, 0x0B, 0x00, 0x80, 0x00, 0x00, 0x02, 0x00, 0x99, 0x00, 0x00,
             0x00); /* CTL indication */
        bench_settle(&b);
        assert(one.n_done == 0 && two.n_done == 0);
        mux_get_statistics(b.mux, &s);
        assert(s.n_malformed == 2);
        assert(s.n_unsolicited == 5); /* the request, wrong client, service, transaction, message */
        assert(s.n_unrouted == 2);

        /* A response without anything in it is one. */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x07, 0x02, 0x01, 0x00, 0x4F, 0x00, 0x00, 0x00);
        (void) bench_next(&b);
        assert(one.n_done == 1 && one.state == REQUEST_ANSWERED && one.response.n_tlvs == 0);

        for (size_t i = 0; i < sizeof(split); i++) {
                assert(two.n_done == 0);
                bench_tell(&b, split + i, 1);
                bench_settle(&b);
        }
        assert(two.n_done == 1 && two.state == REQUEST_ANSWERED && two.response.n_tlvs == 7);
        mux_get_statistics(b.mux, &s);
        assert(s.n_requests == 4 && s.n_responses == 4 && s.n_indications == 2 && s.n_timeouts == 0);
        port_get_statistics(mux_get_port(b.mux), &p);
        assert(p.n_garbage == 4);
        assert(mux_get_state(b.mux) == MUX_READY);
        test_client_release(&c);
        bench_done(&b);
}

/* How many lines of the log hold a word. */
static unsigned count_lines(int fd, const char *word) {
        char text[65536] = {};
        unsigned n = 0;

        assert(pread(fd, text, sizeof(text) - 1, 0) >= 0);
        for (const char *p = text; (p = strstr(p, word)); p++)
                n++;
        return n;
}

static void test_logged_once(void) {
        int log, saved, level = log_get_max_level();
        TestClient c = {};
        Bench b;

        log = memfd_create("log", MFD_CLOEXEC);
        saved = fcntl(2, F_DUPFD_CLOEXEC, 3);
        assert(log >= 0 && saved >= 0);
        (void) fflush(stderr);
        (void) dup2(log, 2);
        log_set_max_level(LOG_WARNING);

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        for (unsigned i = 0; i < 50; i++) {
                TELL(&b, 0xDE, 0xAD);
                TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x07, 0x02, 0x01, 0x00, 0x4F, 0x00, 0xFF,
                     0x00); /* cut off */
                TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x07, 0x02, 0x01, 0x00, 0x4F, 0x00, 0x00,
                     0x00); /* unasked */
                bench_settle(&b);
        }
        test_client_release(&c);
        bench_done(&b);

        (void) fflush(stderr);
        (void) dup2(saved, 2);
        close(saved);
        assert(count_lines(log, "belong to no frame") == 1);
        assert(count_lines(log, "malformed") == 1);
        assert(count_lines(log, "nobody waits for") == 1);
        assert(count_lines(log, "another program seems to use the port") == 1);
        assert(count_lines(log, "\n") == 4);
        close(log);
        log_set_max_level(level);
}

static void tell_unasked(Bench *b, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                TELL(b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x09, /* NAS, client 9, which nobody has */
                     0x02, 0x01, 0x00, 0x4F, 0x00, 0x00, 0x00);
        bench_settle(b);
}

/* It takes several answers at a time to believe in another program. */
static void test_shared_port(void) {
        Bench b;

        /* These are older than we. */
        bench_init(&b);
        bench_listen(&b);
        (void) bench_next(&b);
        tell_unasked(&b, UNASKED_MAX);
        assert(!b.mux->oddities[MUX_ODDITY_SHARED]);
        bench_done(&b);

        bench_init_ready(&b);
        for (unsigned i = 0; i < 3; i++) {
                tell_unasked(&b, UNASKED_MAX - 1);
                b.mux->unasked_usec -= UNASKED_USEC;
        }
        assert(!b.mux->oddities[MUX_ODDITY_SHARED]);
        tell_unasked(&b, UNASKED_MAX);
        assert(b.mux->oddities[MUX_ODDITY_SHARED]);
        bench_done(&b);
}

static void test_free_gives_ids_back(void) {
        TestClient a = {}, c = {};
        Outcome o = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &a, "a", 0x03, 7);
        test_client_new_ready(&b, &c, "c", 0x10, 1);
        (void) bench_request(&b, a.client, 0x004F, NULL, &o);
        (void) bench_request(&b, a.client, 0x004F, NULL, &o);
        (void) bench_next(&b);

        b.mux = mux_free(b.mux);
        assert(o.n_done == 0);
        /* CTL, transaction 4 and 5, Release */
        EXPECT(&b, 0x01, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x23, 0x00, 0x05, 0x00, /* as said */
               0x01, 0x02, 0x00, 0x03, 0x07); /* NAS, client 7 */
        EXPECT(&b, 0x01, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x23, 0x00, 0x05, 0x00, /* as said */
               0x01, 0x02, 0x00, 0x10, 0x01); /* LOC, client 1 */
        bench_expect_silence(&b);
        bench_done(&b);
}

int main(void) {
        test_becomes_ready();
        test_pushes_out_what_is_stuck();
        for (size_t n_left = 0; n_left < 5; n_left++)
                test_pushes_out_what_was_left(n_left);
        test_does_not_push_for_ever();
        test_released_is_told_once();
        test_tap();
        test_waits_for_the_port();
        test_silent_modem();
        test_slow_modem();
        test_sync_ends_silence();
        test_version_info_refused();
        test_sync();
        test_sync_with_ctl_busy();
        test_revoke();
        test_port_loss();
        test_noise();
        test_logged_once();
        test_shared_port();
        test_free_gives_ids_back();
        return 0;
}
