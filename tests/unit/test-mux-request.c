/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-mux-modem.h"

/* Requests and transactions: ids, deadlines, windows, results that come as indications. */

static const uint8_t success[] = { 0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00 };

static MuxStatistics statistics(Bench *b) {
        MuxStatistics s;

        mux_get_statistics(b->mux, &s);
        return s;
}

static void test_bytes(void) {
        static const uint8_t tlvs[] = { 0x10, 0x02, 0x00, 0x34, 0x12 };
        Outcome o = {};
        TestClient c = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        (void) bench_request_tlvs(&b, c.client, 0x004F, NULL, tlvs, sizeof(tlvs), 0, &o);
        EXPECT(&b, 0x01, 0x11, 0x00, 0x00, 0x03, 0x07,   /* NAS, client 7 */
               0x00, 0x01, 0x00, 0x4F, 0x00, 0x05, 0x00, /* request, transaction 1 */
               0x10, 0x02, 0x00, 0x34, 0x12);
        TELL(&b, 0x01, 0x17, 0x00, 0x80, 0x03, 0x07,   /* NAS, client 7 */
             0x02, 0x01, 0x00, 0x4F, 0x00, 0x0B, 0x00, /* response to transaction 1 */
             0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, /* result: success */
             0x11, 0x01, 0x00, 0x2A);
        RUN_UNTIL(&b, o.n_done > 0);
        assert(o.state == REQUEST_ANSWERED && !o.has_indication);
        assert(o.response.type == QMI_RESPONSE && o.response.service == 3 && o.response.client == 7 &&
               o.response.id == 0x4F && o.response.n_tlvs == 11 && o.bytes[10] == 0x2A);
        assert(b.mux->timer_usec == UINT64_MAX); /* at rest nothing is armed */
        test_client_release(&c);
        bench_done(&b);
}

static void test_limits(void) {
        static uint8_t tlvs[QMUX_MAX];
        TestClient c = {};
        RequestSpec spec = { .message = 0x004F };
        Outcome o = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        spec.tlvs = tlvs;
        spec.n_tlvs = QMUX_MAX - 6 - 7 + 1; /* one more than fits behind the two headers */
        assert(request_new(NULL, c.client, &c.owner, &spec) == -EMSGSIZE);
        spec.n_tlvs--;
        write_le16(tlvs + 1, (uint16_t) (spec.n_tlvs - 3));
        assert(request_new(NULL, c.client, &c.owner, &spec) == 0);
        assert(bench_next(&b)->n_tlvs == spec.n_tlvs);
        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
        bench_settle(&b);

        /* One is in flight, CLIENT_QUEUE_MAX wait, and that is all. */
        spec = (RequestSpec){ .message = 0x004F };
        for (unsigned i = 0; i <= CLIENT_QUEUE_MAX; i++)
                (void) bench_request(&b, c.client, 0x004F, NULL, &o);
        assert(request_new(NULL, c.client, &c.owner, &spec) == -ENOBUFS);
        bench_answer(&b, bench_next(&b), 0);
        (void) bench_next(&b);
        assert(o.n_done == 1);
        assert(request_new(NULL, c.client, &c.owner, &spec) == 0);
        assert(request_new(NULL, c.client, &c.owner, &spec) == -ENOBUFS);
        test_client_release(&c);
        assert(o.n_done == 1);
        bench_done(&b);
}

static void test_timeout(void) {
        Outcome one = { .name = "one" }, two = { .name = "two" };
        TestClient c = {};
        QmiMessage late;
        Bench b;

        bench_init_ready(&b);
        b.mux->quiet = true; /* so that it does not look for the reason */
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        (void) bench_request_tlvs(&b, c.client, 0x004F, NULL, NULL, 0, 1, &one);
        (void) bench_request(&b, c.client, 0x004F, NULL, &two);
        RUN_UNTIL(&b, one.n_done > 0);
        assert(one.state == REQUEST_TIMEOUT && statistics(&b).n_timeouts == 1);
        late = *bench_next(&b);
        assert(late.transaction == 1);
        assert(bench_next(&b)->transaction == 2);

        /* The late answer is nobody's, above all not that of the request that followed. */
        bench_answer(&b, &late, 0);
        bench_settle(&b);
        assert(two.n_done == 0 && statistics(&b).n_unsolicited == 1);
        bench_answer(&b, &late, 0);
        bench_settle(&b);
        assert(two.n_done == 0 && statistics(&b).n_unsolicited == 2);
        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
        RUN_UNTIL(&b, two.n_done > 0);
        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
        bench_settle(&b);
        assert(one.n_done == 1 && two.n_done == 1 && statistics(&b).n_unsolicited == 3);
        test_client_release(&c);
        bench_done(&b);
}

/* The schema's own time limit, and what counts is when it was sent. */
static void test_deadlines(void) {
        const SchemaMessage slow = { .timeout_sec = 60,
                                     .abort = SCHEMA_NO_MESSAGE,
                                     .result = SCHEMA_NO_MESSAGE };
        Outcome o = {};
        TestClient c = {};
        Request *r, *second;
        uint64_t now;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        now = mux_now(b.mux);
        r = bench_request(&b, c.client, 0x0021, &slow, &o);
        second = bench_request(&b, c.client, 0x0021, NULL, &o);
        assert(r->transaction->deadline_usec >= now + 60 * USEC_PER_SEC);
        assert(r->transaction->deadline_usec < now + 120 * USEC_PER_SEC);
        assert(!second->transaction);
        now = mux_now(b.mux);
        bench_answer(&b, bench_next(&b), 0);
        (void) bench_next(&b);
        assert(second->transaction->deadline_usec >= now + REQUEST_TIMEOUT_DEFAULT_S * USEC_PER_SEC);
        assert(second->transaction->deadline_usec < now + 60 * USEC_PER_SEC);
        assert(b.mux->timer_usec <= second->transaction->deadline_usec);
        test_client_release(&c);
        bench_done(&b);
}

static void test_transaction_ids(void) {
        Outcome o = {};
        TestClient c = {};
        Bench b;

        bench_init_ready(&b);
        b.mux->quiet = true; /* so that it does not look for the reason of timeouts */
        test_client_new_ready(&b, &c, "c", 0x03, 7);

        /* Ids that were given up rest, and half of all is for the time after a crash. */
        for (unsigned i = 1; i <= 3; i++) {
                (void) bench_request_tlvs(&b, c.client, 0x004F, NULL, NULL, 0, 1, &o);
                RUN_UNTIL(&b, o.n_done == i);
                assert(bench_next(&b)->transaction == i);
        }
        b.mux->next_transaction = 0xFFFF;
        for (unsigned i = 0; i < 2; i++) {
                (void) bench_request(&b, c.client, 0x004F, NULL, &o);
                /* Neither 0 nor 1 to 3 */
                assert(bench_next(&b)->transaction == (i == 0 ? 0x7FFF : 4));
                bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
                bench_settle(&b);
        }

        /* The late answer to 2 sets it free. */
        bench_tell_message(&b, &(QmiMessage){ .service = 3,
                                              .client = 7,
                                              .type = QMI_RESPONSE,
                                              .transaction = 2,
                                              .id = 0x4F,
                                              .tlvs = success,
                                              .n_tlvs = sizeof(success) });
        bench_settle(&b);
        b.mux->next_transaction = 0;
        (void) bench_request(&b, c.client, 0x004F, NULL, &o);
        assert(bench_next(&b)->transaction == 2);
        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
        bench_settle(&b);

        /* So does time, for 1. */
        TAILQ_FIRST(&c.client->transactions)->deadline_usec = 1;
        b.mux->next_transaction = 0;
        (void) bench_request(&b, c.client, 0x004F, NULL, &o);
        assert(bench_next(&b)->transaction == 1);
        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
        bench_settle(&b);

        /* Only so many are remembered; 3 is the oldest. */
        o.n_done = 0;
        b.mux->next_transaction = 100;
        for (unsigned i = 0; i < EXPIRED_MAX; i++)
                (void) bench_request_tlvs(&b, c.client, 0x004F, NULL, NULL, 0, 1, &o);
        RUN_UNTIL(&b, o.n_done == EXPIRED_MAX);
        assert(c.client->n_expired == EXPIRED_MAX);
        b.mux->next_transaction = 2;
        (void) bench_request(&b, c.client, 0x004F, NULL, &o);
        (void) bench_request(&b, c.client, 0x004F, NULL, &o);
        bench_settle(&b);
        bench_answer(&b, &b.received[b.n_received - 1].message, 0);
        bench_settle(&b);
        assert(b.received[b.n_received - 2].message.transaction == 2);
        assert(b.received[b.n_received - 1].message.transaction == 3);
        test_client_release(&c);
        bench_done(&b);
}

static void test_ctl_transaction_ids(void) {
        TestClient c = {};
        Bench b;

        /* CTL counts with eight bits. */
        bench_init_ready(&b);
        b.mux->next_ctl_transaction = 0xFF;
        for (unsigned i = 0; i < 2; i++) {
                test_client_new(&b, &c, "c", 0x03);
                assert(bench_next(&b)->transaction == (i == 0 ? 0x7F : 1));
                bench_answer(&b, &b.received[b.n_taken - 1].message, 5);
                bench_settle(&b);
                test_client_release(&c);
        }
        bench_done(&b);
}

static void test_cancel(void) {
        Outcome one = {}, two = {}, three = {};
        Request *r1, *r2, *r3;
        TestClient c = {};
        QmiMessage scan;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        r1 = bench_request(&b, c.client, 0x0021, row("nas", "scan"), &one);
        r2 = bench_request(&b, c.client, 0x004F, NULL, &two);
        r3 = bench_request(&b, c.client, 0x0043, NULL, &three);
        scan = *bench_next(&b);

        r2 = request_cancel(r2); /* was queued */
        assert(!r2);
        r1 = request_cancel(r1); /* is under way */
        assert(!r1);
        EXPECT(&b, 0x01, 0x11, 0x00, 0x00, 0x03, 0x07, 0x00, 0x02, 0x00, 0x01, 0x00, 0x05, 0x00, /* Abort */
               0x01, 0x02, 0x00, 0x01, 0x00); /* transaction 1 */
        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
        bench_expect_silence(&b);
        bench_answer(&b, &scan, 4 /* aborted */);
        assert(bench_next(&b)->id == 0x0043);
        assert(statistics(&b).n_unsolicited == 0);

        r3 = request_cancel(r3); /* is under way, and cannot be aborted */
        assert(!r3);
        bench_expect_silence(&b);
        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
        bench_expect_silence(&b);
        assert(one.n_done + two.n_done + three.n_done == 0);
        assert(!request_cancel(NULL));
        test_client_release(&c);
        bench_done(&b);
}

static void test_window(void) {
        Outcome o = {};
        TestClient c[2] = {};
        Client *shared;
        Owner callers[MUX_WINDOW_DEFAULT] = {};
        unsigned n[4] = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c[0], "many", 0x03, 1);
        test_client_new_ready(&b, &c[1], "few", 0x03, 2);
        assert(mux_get_shared_client(b.mux, 0x03, &shared) == 0);
        (void) bench_next(&b);
        TELL(&b, 0x01, 0x17, 0x00, 0x80, 0x00, 0x00,   /* CTL, client 0 */
             0x01, 0x04, 0x22, 0x00, 0x0C, 0x00,       /* response to transaction 4, Allocate */
             0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, /* result: success */
             0x01, 0x02, 0x00, 0x03, 0x03);            /* NAS, client id 3 */
        RUN_UNTIL(&b, client_get_state(shared) == CLIENT_READY);

        /* A client of one's own has one in flight, and so has each that asks on a shared one, until the
         * device has no more room. */
        for (unsigned i = 0; i < 50; i++)
                (void) bench_request(&b, c[0].client, 0x004F, NULL, &o);
        bench_settle(&b);
        assert(b.n_received - b.n_taken == CLIENT_WINDOW);
        for (unsigned i = 0; i < 50; i++)
                (void) bench_request(&b, shared, 0x004F, NULL, &o);
        bench_settle(&b);
        assert(b.n_received - b.n_taken == 2 * CLIENT_WINDOW);
        for (unsigned i = 0; i < 50; i++)
                (void) bench_request_of(&b, shared, &callers[i % MUX_WINDOW_DEFAULT], 0x004F, &o);
        bench_settle(&b);
        assert(b.n_received - b.n_taken == MUX_WINDOW_DEFAULT);

        /* Somebody who asks for little does not wait until all that is done: he has his turn once in every
         * window's worth of answers, which is what one in flight can have. */
        for (unsigned i = 0; i < 10; i++)
                (void) bench_request(&b, c[1].client, 0x0043, NULL, &o);
        for (unsigned i = 0; i < 7 * (MUX_WINDOW_DEFAULT + 3); i++) {
                const QmiMessage *m = bench_next(&b);

                n[m->client]++;
                bench_answer(&b, m, 0);
                bench_settle(&b);
                assert(b.n_received - b.n_taken <= MUX_WINDOW_DEFAULT);
        }
        assert(n[1] >= 6 && n[2] >= 6);
        assert(n[3] >= 6 * (MUX_WINDOW_DEFAULT + 1));
        while (o.n_done < 160)
                bench_answer(&b, bench_next(&b), 0), bench_settle(&b);
        bench_expect_silence(&b);
        assert(b.mux->n_in_flight == 0);
        assert(!shared->lanes_by_requester);
        test_client_release(&c[0]);
        test_client_release(&c[1]);
        bench_done(&b);
}

/* One caller has a thousand requests on the client that all share; another's waits for one of them at most.
 */
static void test_turns(void) {
        Outcome many = {}, few = {}, own = {};
        Owner greedy = { .name = "greedy" }, modest = { .name = "modest" };
        TestClient c = {};
        Client *shared;
        Bench b;

        bench_init_ready(&b);
        b.mux->window = 1;
        test_client_new_ready(&b, &c, "c", 0x03, 1);
        assert(mux_get_shared_client(b.mux, 0x03, &shared) == 0);
        bench_answer_allocation(&b, 0x03, 3);
        RUN_UNTIL(&b, client_get_state(shared) == CLIENT_READY);
        for (unsigned i = 0; i < 1000; i++)
                (void) bench_request_of(&b, shared, &greedy, 0x004F, &many);
        for (unsigned i = 0; i < 3; i++) {
                (void) bench_request_of(&b, shared, &modest, 0x0043, &few);
                (void) bench_request(&b, c.client, 0x0050, NULL, &own);
        }
        for (unsigned i = 0; i < 3; i++) {
                assert(bench_next(&b)->id == 0x004F);
                bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
                assert(bench_next(&b)->id == 0x0043);
                bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
                assert(bench_next(&b)->id == 0x0050);
                bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
        }
        bench_settle(&b);
        assert(many.n_done == 3 && few.n_done == 3 && own.n_done == 3);
        /* What waits of one does not keep another from asking. */
        for (unsigned i = 0; i < CLIENT_QUEUE_MAX - 996; i++)
                (void) bench_request_of(&b, shared, &greedy, 0x004F, &many);
        assert(request_new(NULL, shared, mux_get_owner(b.mux),
                           &(RequestSpec){ .message = 0x004F, .requester = &greedy }) == -ENOBUFS);
        (void) bench_request_of(&b, shared, &modest, 0x0043, &few);
        test_client_release(&c);
        bench_done(&b);
}

static void test_fairness(void) {
        Outcome o = {};
        TestClient c[MUX_WINDOW_DEFAULT + 4] = {};
        Bench b;

        /* More clients than the window has room for, each with more than one request: none gets a second
         * turn before all had their first. */
        bench_init_ready(&b);
        for (unsigned i = 0; i < ELEMENTSOF(c); i++)
                test_client_new_ready(&b, &c[i], "c", 0x03, (uint8_t) (i + 1));
        for (unsigned i = 0; i < ELEMENTSOF(c); i++)
                for (unsigned j = 0; j < 3; j++)
                        (void) bench_request(&b, c[i].client, 0x004F, NULL, &o);
        for (unsigned round = 0; round < 3; round++) {
                bool had[ELEMENTSOF(c) + 1] = {};

                for (unsigned i = 0; i < ELEMENTSOF(c); i++) {
                        const QmiMessage *m = bench_next(&b);

                        assert(!had[m->client]);
                        had[m->client] = true;
                        bench_answer(&b, m, 0);
                }
        }
        bench_expect_silence(&b);
        assert(o.n_done == 3 * ELEMENTSOF(c));
        for (unsigned i = 0; i < ELEMENTSOF(c); i++)
                test_client_release(&c[i]);
        bench_done(&b);
}

static void test_result_with_token(void) {
        static const uint8_t token_a[] = { 0x10, 0x04, 0x00, 0x0A, 0x00, 0x00, 0x00 };
        static const uint8_t token_b[] = { 0x10, 0x04, 0x00, 0x0B, 0x00, 0x00, 0x00 };
        const SchemaMessage *load = row("nas", "load");
        Outcome a = { .name = "A" }, bb = { .name = "B" }, plain = { .name = "plain" };
        TestClient c = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        (void) bench_request_tlvs(&b, c.client, 0x0030, load, token_a, sizeof(token_a), 0, &a);
        (void) bench_request_tlvs(&b, c.client, 0x0030, load, token_b, sizeof(token_b), 0, &bb);
        (void) bench_request(&b, c.client, 0x004F, NULL, &plain);
        bench_answer(&b, bench_next(&b), 0);
        bench_answer(&b, bench_next(&b), 0); /* the second goes out although the first has no result yet */
        bench_answer(&b, bench_next(&b), 0); /* as does the third */
        bench_settle(&b);
        assert(streq(b.events, "plain:answered "));

        TELL(&b, 0x01, 0x13, 0x00, 0x80, 0x03, 0x07,    /* NAS, client 7 */
             0x04, 0x09, 0x00, 0x31, 0x00, 0x07, 0x00,  /* the indication */
             0x01, 0x04, 0x00, 0x0C, 0x00, 0x00, 0x00); /* token 12, which is nobody's */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x07, 0x04, 0x09, 0x00, 0x31, 0x00, 0x00,
             0x00);                                                                            /* no token */
        TELL(&b, 0x01, 0x13, 0x00, 0x80, 0x03, 0x07, 0x04, 0x09, 0x00, 0x31, 0x00, 0x07, 0x00, /* token 11 */
             0x01, 0x04, 0x00, 0x0B, 0x00, 0x00, 0x00);
        TELL(&b, 0x01, 0x13, 0x00, 0x80, 0x03, 0xFF, 0x04, 0x09, 0x00, 0x31, 0x00, 0x07,
             0x00, /* all, token 10 */
             0x01, 0x04, 0x00, 0x0A, 0x00, 0x00, 0x00);
        TELL(&b, 0x01, 0x13, 0x00, 0x80, 0x03, 0x07, 0x04, 0x09, 0x00, 0x31, 0x00, 0x07,
             0x00, /* token 10 again */
             0x01, 0x04, 0x00, 0x0A, 0x00, 0x00, 0x00);
        bench_settle(&b);
        assert(streq(b.events, "plain:answered c:indication:0031 c:indication:0031 B:answered A:answered "
                               "c:indication:0031 "));
        assert(a.has_indication && a.indication.id == 0x0031 && a.indication.client == 0xFF);
        assert(a.response.id == 0x0030 && a.response.n_tlvs == 7 && memcmp(a.bytes, success, 7) == 0);
        test_client_release(&c);
        bench_done(&b);
}

static void test_result_without_token(void) {
        const SchemaMessage *mode = row("nas", "mode");
        Outcome one = { .name = "one" }, two = { .name = "two" }, refused = { .name = "refused" };
        Outcome late = { .name = "late" }, next = {};
        TestClient c = {}, d = {};
        Request *r;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        test_client_new_ready(&b, &d, "d", 0x03, 8);
        (void) bench_request(&b, c.client, 0x0032, mode, &one);
        (void) bench_request(&b, c.client, 0x0032, mode, &two);
        bench_answer(&b, bench_next(&b), 0);
        bench_expect_silence(&b); /* the second waits: the two results could not be told apart */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x08, 0x04, 0x01, 0x00, 0x33, 0x00, 0x00,
             0x00); /* client 8 */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0xFF, 0x04, 0x01, 0x00, 0x33, 0x00, 0x00, 0x00); /* all */
        bench_settle(&b);
        assert(streq(b.events, "d:indication:0033 one:answered d:broadcast:0033 "));
        assert(one.has_indication && one.has_response);

        /* Before the answer it is not the result. */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x07, 0x04, 0x01, 0x00, 0x33, 0x00, 0x00,
             0x00); /* client 7 */
        bench_settle(&b);
        assert(two.n_done == 0);
        bench_answer(&b, bench_next(&b), 0);
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x07, 0x04, 0x01, 0x00, 0x33, 0x00, 0x00, 0x00);
        RUN_UNTIL(&b, two.n_done > 0);

        /* No result follows a failure. */
        (void) bench_request(&b, c.client, 0x0032, mode, &refused);
        bench_answer(&b, bench_next(&b), 3);
        RUN_UNTIL(&b, refused.n_done > 0);
        assert(refused.state == REQUEST_ANSWERED && !refused.has_indication && refused.bytes[5] == 3);

        /* The result has the same deadline. */
        r = bench_request(&b, c.client, 0x0032, mode, &late);
        bench_answer(&b, bench_next(&b), 0);
        RUN_UNTIL(&b, r->transaction->state == TRANSACTION_RESULT);
        r->transaction->deadline_usec = 1;
        b.mux->timer_usec = UINT64_MAX;
        mux_arm_timer(b.mux, 1);
        RUN_UNTIL(&b, late.n_done > 0);
        assert(late.state == REQUEST_TIMEOUT);
        assert(c.client->n_expired == 0); /* it was answered: its id is free */
        assert(c.client->lane.n_waiting == 0);

        /* Called off while its result is awaited. */
        r = bench_request(&b, c.client, 0x0032, mode, &late);
        bench_answer(&b, bench_next(&b), 0);
        RUN_UNTIL(&b, r->transaction->state == TRANSACTION_RESULT);
        (void) bench_request(&b, c.client, 0x0032, mode, &next);
        bench_expect_silence(&b);
        r = request_cancel(r);
        assert(!r);
        b.events[0] = 0;
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x07, 0x04, 0x01, 0x00, 0x33, 0x00, 0x00, 0x00);
        bench_settle(&b);
        assert(streq(b.events, "c:indication:0033 "));
        assert(late.n_done == 1);
        bench_answer(&b, bench_next(&b), 3); /* now the next one is on the wire */
        RUN_UNTIL(&b, next.n_done == 1);

        /* And gone with the port. */
        (void) bench_request(&b, c.client, 0x0032, mode, &late);
        bench_answer(&b, bench_next(&b), 0);
        bench_settle(&b);
        bench_hang_up(&b);
        RUN_UNTIL(&b, late.n_done == 2);
        assert(late.state == REQUEST_GONE && !late.has_response);
        test_client_release(&c);
        test_client_release(&d);
        bench_done(&b);
}

/* Completions that change what is around them. */
typedef struct Chain {
        TestClient *client;
        Request *own, *other;
        unsigned n;
} Chain;

static void chain_done(const RequestOutcome *outcome, void *userdata) {
        Chain *chain = userdata;

        chain->n++;
        chain->other = request_cancel(chain->other);
        chain->own = request_cancel(chain->own); /* itself: harmless */
        if (chain->n < 3) {
                int r = request_new(
                        &chain->own, chain->client->client, &chain->client->owner,
                        &(RequestSpec){ .message = 0x004F, .done = chain_done, .userdata = chain });

                assert(r == (outcome->state == REQUEST_GONE ? -ENODEV : 0));
        }
}

static void test_change_in_completion(void) {
        Outcome never = {};
        Chain chain = {};
        TestClient c = {};
        RequestSpec spec = { .message = 0x004F, .done = chain_done, .userdata = &chain };
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        chain.client = &c;
        assert(request_new(&chain.own, c.client, &c.owner, &spec) == 0);
        chain.other = bench_request(&b, c.client, 0x0043, NULL, &never);
        for (unsigned i = 0; i < 4; i++) /* `other` is on the wire by the time it is called off */
                bench_answer(&b, bench_next(&b), 0);
        RUN_UNTIL(&b, chain.n == 3);
        assert(never.n_done == 0);

        /* Of those that failed together one calls off another. */
        bench_settle(&b);
        b.n_taken = b.n_received;
        chain.n = 0;
        assert(request_new(&chain.own, c.client, &c.owner, &spec) == 0);
        chain.other = bench_request(&b, c.client, 0x0043, NULL, &never);
        bench_hang_up(&b);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_RESETTING);
        assert(chain.n == 1 && never.n_done == 0);
        test_client_release(&c);
        bench_done(&b);
}

static void test_timeouts_together(void) {
        Chain chain = {};
        Outcome never = {};
        TestClient c = {}, d = {};
        Bench b;

        /* Two deadlines pass at once; the completion of the first calls off the second, whose answer then
         * still counts as one. */
        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        test_client_new_ready(&b, &d, "d", 0x03, 8);
        chain.client = &c;
        chain.n = 3;
        assert(request_new(&chain.own, c.client, &c.owner,
                           &(RequestSpec){ .message = 0x4F,
                                           .timeout_usec = 1,
                                           .done = chain_done,
                                           .userdata = &chain }) == 0);
        chain.other = bench_request_tlvs(&b, d.client, 0x0043, NULL, NULL, 0, 1, &never);
        RUN_UNTIL(&b, statistics(&b).n_timeouts == 2);
        assert(chain.n == 4 && never.n_done == 0);
        test_client_release(&c);
        test_client_release(&d);
        bench_done(&b);
}

static void test_silent_reader(void) {
        static const uint8_t tlvs[60000] = { 0x10, 0x5D, 0xEA }; /* one TLV */
        Outcome o = {};
        Client *shared;
        Bench b;

        /* What does not fit into the port's queue is lost, and times out like everything that is lost. */
        bench_init_ready(&b);
        assert(mux_get_shared_client(b.mux, 0x03, &shared) == 0);
        (void) bench_next(&b);
        TELL(&b, 0x01, 0x17, 0x00, 0x80, 0x00, 0x00,   /* CTL, client 0 */
             0x01, 0x02, 0x22, 0x00, 0x0C, 0x00,       /* response to transaction 2, Allocate */
             0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, /* result: success */
             0x01, 0x02, 0x00, 0x03, 0x03);            /* NAS, client id 3 */
        RUN_UNTIL(&b, client_get_state(shared) == CLIENT_READY);
        b.modem.connection_io = sd_event_source_disable_unref(b.modem.connection_io);
        for (unsigned i = 0; i < 24; i++)
                (void) bench_request_tlvs(&b, shared, 0x004F, NULL, tlvs, sizeof(tlvs), 1, &o);
        RUN_UNTIL(&b, o.n_done == 24);
        assert(o.state == REQUEST_TIMEOUT);
        assert(mux_get_state(b.mux) == MUX_READY);
        bench_done(&b);
}

int main(void) {
        test_bytes();
        test_limits();
        test_timeout();
        test_deadlines();
        test_transaction_ids();
        test_ctl_transaction_ids();
        test_cancel();
        test_window();
        test_turns();
        test_fairness();
        test_result_with_token();
        test_result_without_token();
        test_change_in_completion();
        test_timeouts_together();
        test_silent_reader();
        return 0;
}
