/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-mux-modem.h"

/* What a client began is undone when it is given up, or when nobody wants it any more. */

static const uint8_t start_tlvs[] = {
        0x01, 0x01, 0x00, 0x05,      /* slot 5 */
        0x10, 0x02, 0x00, 'h',  'i', /* name */
};
static const uint8_t started[] = {
        0x01, 0x04, 0x00, 0x44, 0x33, 0x22, 0x11, /* handle */
        0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, /* result: success */
};

static void answer(Bench *b, const QmiMessage *request, const uint8_t *tlvs, size_t n_tlvs) {
        QmiMessage m = *request;

        m.type = QMI_RESPONSE;
        m.tlvs = tlvs;
        m.n_tlvs = n_tlvs;
        bench_tell_message(b, &m);
}

/* Without what the mux asks CTL to learn whether the modem is there. */
static QmiMessage next(Bench *b) {
        QmiMessage m;

        do
                m = *bench_next(b);
        while (m.service == QMI_SERVICE_CTL && m.id == 0x0021);
        return m;
}

static Request *start(Bench *b, Client *c, QmiMessage *ret, Outcome *o) {
        Request *r;

        r = bench_request_tlvs(b, c, 0x0040, row("nas", "start"), start_tlvs, sizeof(start_tlvs), 0, o);
        *ret = *bench_next(b);
        assert(ret->id == 0x0040);
        return r;
}

static void start_well(Bench *b, Client *c) {
        Outcome o = {};
        QmiMessage m;

        (void) start(b, c, &m, &o);
        answer(b, &m, started, sizeof(started));
        RUN_UNTIL(b, o.n_done == 1);
}

static QmiMessage expect_stop(Bench *b) {
        static const uint8_t tlvs[] = {
                0x01, 0x04, 0x00, 0x44, 0x33, 0x22, 0x11, /* the handle of the response */
                0x02, 0x01, 0x00, 0x05,                   /* the slot of the request */
        };
        QmiMessage m = next(b);

        assert(m.service == 0x03 && m.client == 7 && m.id == 0x0041);
        assert(m.n_tlvs == sizeof(tlvs) && memcmp(m.tlvs, tlvs, sizeof(tlvs)) == 0);
        return m;
}

static void expect_release(Bench *b) {
        QmiMessage m = *bench_next(b);

        assert(m.service == QMI_SERVICE_CTL && m.id == 0x0023 && m.tlvs[4] == 7);
        bench_answer(b, &m, 0);
        bench_expect_silence(b);
}

/* The deadline of whatever is under way has come. */
static void let_time_pass(Bench *b, Client *c) {
        Transaction *t;

        TAILQ_FOREACH(t, &c->transactions, entry)
                if (t->state != TRANSACTION_EXPIRED)
                        t->deadline_usec = 1;
        b->mux->timer_usec = UINT64_MAX;
        mux_arm_timer(b->mux, 1);
}

static uint64_t n_undone(Bench *b) {
        MuxStatistics s;

        mux_get_statistics(b->mux, &s);
        return s.n_undone;
}

static void test_release(void) {
        TestClient c = {};
        QmiMessage stop;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        assert(client_is_plain(c.client));
        start_well(&b, c.client);
        start_well(&b, c.client); /* the same thing again */
        assert(!client_is_plain(c.client));
        test_client_release(&c);
        stop = expect_stop(&b);
        bench_expect_silence(&b);
        bench_answer(&b, &stop, 0);
        expect_release(&b);
        assert(n_undone(&b) == 1 && b.mux->n_started == 0);
        bench_done(&b);
}

static void test_release_is_bounded(void) {
        TestClient c = {};
        Outcome o = {};
        Client *client;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        start_well(&b, c.client);
        (void) bench_request_tlvs(&b, c.client, 0x0555, NULL, NULL, 0, 3600 * USEC_PER_SEC, &o);
        (void) bench_next(&b);

        /* What is under way has an hour, but now it has some seconds; */
        client = c.client;
        test_client_release(&c);
        assert(TAILQ_FIRST(&client->transactions)->deadline_usec <= mux_now(b.mux) + RELEASE_WAIT_USEC);
        assert(b.mux->timer_usec <= mux_now(b.mux) + RELEASE_WAIT_USEC);
        bench_expect_silence(&b);
        let_time_pass(&b, client);
        (void) expect_stop(&b);
        bench_expect_silence(&b);
        /* so has what undoes. */
        assert(TAILQ_LAST(&client->transactions, TransactionQueue)->deadline_usec <=
               mux_now(b.mux) + RELEASE_WAIT_USEC);
        let_time_pass(&b, client);
        assert(next(&b).id == 0x0023);
        assert(o.n_done == 0);
        bench_done(&b);
}

static void test_undone_by_its_owner(void) {
        static const uint8_t other[] = { 0x01, 0x04, 0x00, 0x45, 0x33, 0x22, 0x11, 0x02, 0x01, 0x00, 0x05 };
        static const uint8_t slot[] = { 0x01, 0x04, 0x00, 0x44, 0x33, 0x22, 0x11, 0x02, 0x01, 0x00, 0x06 };
        static const uint8_t right[] = { 0x01, 0x04, 0x00, 0x44, 0x33, 0x22, 0x11, 0x02,
                                         0x01, 0x00, 0x05, 0x10, 0x01, 0x00, 0x01 };
        TestClient c = {};
        Outcome o = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        start_well(&b, c.client);
        (void) bench_request_tlvs(&b, c.client, 0x0041, NULL, other, sizeof(other), 0, &o);
        bench_answer(&b, bench_next(&b), 0);
        (void) bench_request_tlvs(&b, c.client, 0x0041, NULL, slot, sizeof(slot), 0, &o);
        bench_answer(&b, bench_next(&b), 0);
        (void) bench_request_tlvs(&b, c.client, 0x0041, NULL, right, sizeof(right), 0, &o);
        bench_answer(&b, bench_next(&b), 3);
        RUN_UNTIL(&b, o.n_done == 3);
        assert(b.mux->n_started == 1);
        (void) bench_request_tlvs(&b, c.client, 0x0041, NULL, right, sizeof(right), 0, &o);
        bench_answer(&b, bench_next(&b), 0);
        RUN_UNTIL(&b, o.n_done == 4);
        assert(b.mux->n_started == 0 && client_is_plain(c.client));
        test_client_release(&c);
        expect_release(&b);
        assert(n_undone(&b) == 0);
        bench_done(&b);
}

/* What one began on a client of its own it may end on the one that all share; others may not. */
static void test_undone_on_shared_client(void) {
        static const uint8_t call[] = { 0x01, 0x01, 0x00, 0x09 };
        const Owner stranger = { .name = "stranger" };
        const SchemaMessage *stop = row("dms", "stop-tone");
        TestClient c = {};
        Client *shared;
        Outcome o = {};
        Bench b;

        bench_init_ready(&b);
        assert(mux_get_shared_client(b.mux, 0x02, &shared) == 0);
        bench_answer_allocation(&b, 0x02, 1);
        test_client_new_ready(&b, &c, "c", 0x02, 7);
        (void) bench_request_tlvs(&b, c.client, 0x0025, NULL, call, sizeof(call), 0, &o);
        bench_answer(&b, bench_next(&b), 0);
        RUN_UNTIL(&b, o.n_done == 1);
        for (unsigned i = 0; i < 2; i++) {
                assert(b.mux->n_started == 1);
                assert(request_new(NULL, shared, mux_get_owner(b.mux),
                                   &(RequestSpec){
                                           .message = stop->id,
                                           .schema = stop,
                                           .requester = i == 0 ? &stranger : &c.owner,
                                           .tlvs = call,
                                           .n_tlvs = sizeof(call),
                                   }) == 0);
                assert(bench_next(&b)->client == 1);
                bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
                bench_settle(&b);
        }
        assert(b.mux->n_started == 0);
        test_client_release(&c);
        expect_release(&b);
        bench_done(&b);
}

static void test_nobody_wants_it(void) {
        QmiMessage m, aborted;
        TestClient c = {};
        Outcome o = {};
        Request *r;
        Bench b;

        /* Called off: it is aborted, and if it has succeeded all the same, undone. */
        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        r = start(&b, c.client, &m, &o);
        r = request_cancel(r);
        aborted = *bench_next(&b);
        assert(aborted.id == 0x0001 && aborted.tlvs[3] == m.transaction);
        bench_answer(&b, &aborted, 3);
        answer(&b, &m, started, sizeof(started));
        bench_answer(&b, (m = expect_stop(&b), &m), 0);
        bench_expect_silence(&b);
        assert(o.n_done == 0 && b.mux->n_started == 0 && n_undone(&b) == 1);

        /* If not, not. */
        r = start(&b, c.client, &m, &o);
        r = request_cancel(r);
        bench_answer(&b, bench_next(&b), 0);
        bench_answer(&b, &m, 4);
        bench_expect_silence(&b);

        /* Timed out. */
        (void) start(&b, c.client, &m, &o);
        let_time_pass(&b, c.client);
        aborted = next(&b);
        assert(aborted.id == 0x0001);
        RUN_UNTIL(&b, o.n_done == 1);
        assert(o.state == REQUEST_TIMEOUT);
        bench_answer(&b, &aborted, 0);
        b.n_taken = b.n_received;
        answer(&b, &m, started, sizeof(started));
        bench_answer(&b, (m = expect_stop(&b), &m), 0);
        bench_expect_silence(&b);
        assert(b.mux->n_started == 0 && n_undone(&b) == 2);

        /* Its id has rested long enough, and other messages push it out just then. */
        (void) start(&b, c.client, &m, &o);
        let_time_pass(&b, c.client);
        RUN_UNTIL(&b, o.n_done == 2);
        let_time_pass(&b, c.client); /* the abort, too */
        bench_settle(&b);
        TAILQ_FIRST(&c.client->transactions)->deadline_usec = 1;
        b.n_taken = b.n_received;
        answer(&b, &m, started, sizeof(started));
        (void) expect_stop(&b);
        test_client_release(&c);
        bench_done(&b);
}

static void test_release_under_way(void) {
        QmiMessage m, aborted;
        TestClient c = {};
        Outcome o = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        (void) start(&b, c.client, &m, &o);
        test_client_release(&c);
        aborted = *bench_next(&b);
        assert(aborted.id == 0x0001);
        answer(&b, &m, started, sizeof(started)); /* before the abort came */
        m = expect_stop(&b);
        bench_answer(&b, &aborted, 3);
        bench_expect_silence(&b);
        bench_answer(&b, &m, 0);
        expect_release(&b);
        assert(o.n_done == 0);
        bench_done(&b);
}

static const uint8_t track_result[] = {
        0x01, 0x10, 0x00, 0x80, 0x03, 0x07,       /* NAS, client 7 */
        0x04, 0x01, 0x00, 0x42, 0x00, 0x04, 0x00, /* indication */
        0x01, 0x01, 0x00, 0x00,                   /* status */
};

static Request *track(Bench *b, Client *c, const SchemaMessage *schema, Outcome *o) {
        Request *r = bench_request(b, c, 0x0042, schema, o);

        bench_answer(b, bench_next(b), 0);
        bench_settle(b);
        return r;
}

static void test_result(void) {
        const SchemaMessage *schema = row("nas", "track");
        Outcome o = {}, raw = {};
        TestClient c = {};
        Request *r;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);

        /* Only the result says that it began. */
        (void) track(&b, c.client, schema, &o);
        assert(b.mux->n_started == 0);
        bench_tell(&b, track_result, sizeof(track_result));
        RUN_UNTIL(&b, o.n_done == 1);
        assert(o.has_indication && b.mux->n_started == 1);
        (void) bench_request(&b, c.client, 0x0044, NULL, &o);
        bench_answer(&b, bench_next(&b), 0);
        RUN_UNTIL(&b, o.n_done == 2);
        assert(b.mux->n_started == 0);

        /* Called off before that. */
        r = track(&b, c.client, schema, &o);
        r = request_cancel(r);
        bench_expect_silence(&b);
        bench_tell(&b, track_result, sizeof(track_result));
        assert(bench_next(&b)->id == 0x0044);
        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
        bench_settle(&b);
        assert(streq(b.events, "") && b.mux->n_started == 0);

        /* It does not come. */
        (void) track(&b, c.client, schema, &o);
        let_time_pass(&b, c.client);
        RUN_UNTIL(&b, o.n_done == 3);
        assert(o.state == REQUEST_TIMEOUT);
        bench_settle(&b);
        b.n_taken = b.n_received;
        assert(b.received[b.n_received - 1].message.id == 0x0044);
        bench_answer(&b, &b.received[b.n_received - 1].message, 0);
        bench_settle(&b);

        /* A raw request does not wait for it, but the mux does. */
        (void) track(&b, c.client, NULL, &raw);
        assert(raw.n_done == 1 && !raw.has_indication);
        bench_tell(&b, track_result, sizeof(track_result));
        bench_settle(&b);
        assert(b.mux->n_started == 1);

        /* Neither does a client that is given up lose what comes then. */
        (void) track(&b, c.client, schema, &o);
        test_client_release(&c);
        bench_expect_silence(&b);
        bench_tell(&b, track_result, sizeof(track_result));
        assert(bench_next(&b)->id == 0x0044);
        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
        expect_release(&b);
        bench_done(&b);
}

static void test_new_owner(void) {
        Owner heir = { .name = "heir" };
        TestClient c = {};
        QmiMessage m;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        start_well(&b, c.client);
        assert(client_set_owner(c.client, &heir, &heir) == -EPERM);
        assert(client_release(c.client, &heir) == -EPERM);
        assert(client_set_owner(c.client, &c.owner, &heir) == 0);
        assert(client_set_owner(c.client, &c.owner, &c.owner) == -EPERM);
        assert(client_release(c.client, &c.owner) == -EPERM);
        assert(request_new(NULL, c.client, &c.owner, &(RequestSpec){ .message = 0x4F }) == -EPERM);
        assert(client_get_owner(c.client) == &heir);
        bench_expect_silence(&b);
        assert(client_release(c.client, &heir) == 0);
        m = expect_stop(&b);
        bench_answer(&b, &m, 0);
        expect_release(&b);
        bench_done(&b);
}

/* What cannot be brought back ends the client. */
static void test_lost(void) {
        TestClient c = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        start_well(&b, c.client);
        TELL(&b, 0x01, 0x10, 0x00, 0x80, 0x00, 0x00, 0x02, 0x00, 0x24, 0x00, 0x05, 0x00, /* CTL, revoke */
             0x01, 0x02, 0x00, 0x03, 0x07);                                              /* NAS, client 7 */
        bench_settle(&b);
        assert(streq(b.events, "c:ended "));
        assert(strstr(c.client->end_reason, "what start began") && b.mux->n_started == 0);
        test_client_release(&c);
        bench_expect_silence(&b);
        bench_done(&b);
}

int main(void) {
        test_release();
        test_release_is_bounded();
        test_undone_by_its_owner();
        test_undone_on_shared_client();
        test_nobody_wants_it();
        test_release_under_way();
        test_result();
        test_new_owner();
        test_lost();
        return 0;
}
