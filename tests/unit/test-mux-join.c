/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-mux-modem.h"

/* Equal queries of several callers, on the client that all share. */

static const Owner callers[16] = {};

static const uint8_t one[] = { 0x10, 0x01, 0x00, 0x01 }, two[] = { 0x10, 0x01, 0x00, 0x02 };

static Client *init(Bench *b) {
        Client *c;

        bench_init_ready(b);
        assert(mux_get_shared_client(b->mux, 0x02, &c) == 0);
        bench_answer_allocation(b, 0x02, 1);
        RUN_UNTIL(b, client_get_state(c) == CLIENT_READY);
        return c;
}

static uint64_t n_joined(Bench *b) {
        MuxStatistics s;

        mux_get_statistics(b->mux, &s);
        return s.n_joined;
}

static Request *ask(Bench *b, Client *c, unsigned caller, const char *message, const uint8_t *tlvs,
                    size_t n_tlvs, uint64_t timeout_usec, Outcome *o) {
        const SchemaMessage *schema = row("dms", message);
        Request *r;
        int k;

        o->bench = b;
        k = request_new(&r, c, mux_get_owner(b->mux),
                        &(RequestSpec){
                                .message = schema->id,
                                .schema = schema,
                                .requester = &callers[caller],
                                .tlvs = tlvs,
                                .n_tlvs = n_tlvs,
                                .timeout_usec = timeout_usec,
                                .done = outcome_done,
                                .userdata = o,
                        });
        assert(k == 0);
        return r;
}

static Request *get(Bench *b, Client *c, unsigned caller, Outcome *o) {
        return ask(b, c, caller, "get", one, sizeof(one), 0, o);
}

static void test_one_answer_for_all(void) {
        Outcome o[6] = {};
        Client *c;
        Bench b;

        c = init(&b);
        for (unsigned i = 0; i < 3; i++)
                (void) get(&b, c, i, &o[i]);
        (void) get(&b, c, 0, &o[3]); /* once more by the first */
        assert(n_joined(&b) == 3);
        EXPECT(&b, 0x01, 0x10, 0x00, 0x00, 0x02, 0x01,   /* DMS, client 1 */
               0x00, 0x01, 0x00, 0x20, 0x00, 0x04, 0x00, /* request, transaction 1 */
               0x10, 0x01, 0x00, 0x01);
        bench_expect_silence(&b);

        /* What differs is asked by itself. */
        (void) ask(&b, c, 1, "get", two, sizeof(two), 0, &o[4]);
        (void) ask(&b, c, 2, "get", one, sizeof(one), 3 * USEC_PER_SEC, &o[5]);
        assert(bench_next(&b)->n_tlvs == 4 && bench_next(&b)->n_tlvs == 4);
        assert(n_joined(&b) == 3);

        TELL(&b, 0x01, 0x17, 0x00, 0x80, 0x02, 0x01,   /* DMS, client 1 */
             0x02, 0x01, 0x00, 0x20, 0x00, 0x0B, 0x00, /* response to transaction 1 */
             0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, /* result: success */
             0x10, 0x01, 0x00, 0x2A);
        bench_settle(&b);
        for (unsigned i = 0; i < 4; i++)
                assert(o[i].n_done == 1 && o[i].response.n_tlvs == 11 && o[i].bytes[10] == 0x2A);
        assert(o[4].n_done == 0 && o[5].n_done == 0);

        /* The next one is asked anew. */
        (void) get(&b, c, 0, &o[0]);
        assert(bench_next(&b)->transaction == 4);
        assert(n_joined(&b) == 3);
        bench_done(&b);
}

/* Whether a query joins one that was sent before. */
static void expect_alone(Bench *b, Client *c, unsigned caller, Outcome *o) {
        uint64_t n = n_joined(b);

        (void) get(b, c, caller, o);
        assert(bench_next(b)->id == 0x20);
        assert(n_joined(b) == n);
        (void) get(b, c, caller + 1, o); /* that one is as new as can be */
        bench_expect_silence(b);
        assert(n_joined(b) == n + 1);
}

static void test_changes(void) {
        TestClient own = {}, other = {};
        QmiMessage set;
        Outcome o = {};
        Client *c;
        Bench b;

        c = init(&b);
        b.mux->window = MUX_WINDOW_MAX;
        test_client_new_ready(&b, &own, "own", 0x02, 2);
        test_client_new_ready(&b, &other, "other", 0x10, 3);
        (void) get(&b, c, 0, &o);
        (void) bench_next(&b);

        /* A command that was asked for, */
        (void) ask(&b, c, 1, "set", one, sizeof(one), 0, &o);
        set = *bench_next(&b);
        expect_alone(&b, c, 2, &o);
        /* and that was answered: the query in flight may have been before it. */
        bench_answer(&b, &set, 0);
        bench_settle(&b);
        expect_alone(&b, c, 4, &o);

        /* Something that the schema does not know, on a client of somebody's own. */
        (void) bench_request(&b, own.client, 0x0555, NULL, &o);
        set = *bench_next(&b);
        expect_alone(&b, c, 6, &o);
        bench_answer(&b, &set, 0);
        bench_settle(&b);

        /* The service says that something has changed. */
        (void) get(&b, c, 12, &o);
        (void) bench_next(&b);
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x02, 0xFF, 0x04, 0x01, 0x00, 0x51, 0x00, 0x00, 0x00);
        bench_settle(&b);
        expect_alone(&b, c, 8, &o);

        /* Another service has nothing to do with it; nor has another query. */
        (void) bench_request(&b, other.client, 0x0555, NULL, &o);
        (void) ask(&b, c, 13, "get-best", NULL, 0, 0, &o);
        (void) bench_next(&b);
        (void) bench_next(&b);
        (void) get(&b, c, 14, &o);
        bench_expect_silence(&b);
        test_client_release(&own);
        test_client_release(&other);
        bench_done(&b);
}

static void test_never(void) {
        Outcome o = {};
        TestClient own = {};
        Client *c;
        Bench b;

        c = init(&b);
        b.mux->window = MUX_WINDOW_MAX;
        test_client_new_ready(&b, &own, "own", 0x02, 2);
        for (unsigned i = 0; i < 2; i++) {
                (void) ask(&b, c, i, "set", one, sizeof(one), 0, &o);
                assert(bench_next(&b)->id == 0x24);
        }
        for (unsigned i = 2; i < 4; i++) {
                (void) ask(&b, c, i, "get-pin", NULL, 0, 0, &o);
                assert(bench_next(&b)->id == 0x21);
        }
        /* On clients of one's own everything is asked. */
        for (unsigned i = 0; i < 2; i++)
                (void) bench_request_tlvs(&b, own.client, 0x20, row("dms", "get"), one, sizeof(one), 0, &o);
        bench_answer(&b, bench_next(&b), 0);
        assert(bench_next(&b)->id == 0x20);
        assert(n_joined(&b) == 0);
        test_client_release(&own);
        bench_done(&b);
}

/* Whoever asks for a change and then for a value wants the value after the change. */
static void test_after_own_change(void) {
        Outcome set = { .name = "set" }, mine = { .name = "mine" }, others = { .name = "others" };
        QmiMessage changed, asked;
        Client *c;
        Bench b;

        c = init(&b);
        (void) ask(&b, c, 0, "set", one, sizeof(one), 0, &set);
        changed = *bench_next(&b);
        (void) get(&b, c, 1, &others);
        asked = *bench_next(&b);
        (void) get(&b, c, 0, &mine);
        assert(n_joined(&b) == 0);
        bench_answer(&b, &asked, 0);
        bench_expect_silence(&b);
        bench_answer(&b, &changed, 0);
        bench_answer(&b, bench_next(&b), 0);
        bench_settle(&b);
        assert(streq(b.events, "others:answered set:answered mine:answered "));
        bench_done(&b);
}

/* Those that wait have not to wait longer because they are equal. */
static void test_first_turn_asks_for_all(void) {
        Outcome before = {}, o[3] = {};
        Client *c;
        Bench b;

        c = init(&b);
        b.mux->window = 1;
        for (unsigned i = 0; i < 5; i++)
                (void) ask(&b, c, 0, "get-pin", NULL, 0, 0, &before);
        (void) get(&b, c, 0, &o[0]); /* behind all these */
        (void) get(&b, c, 1, &o[1]);
        (void) get(&b, c, 2, &o[2]);
        assert(n_joined(&b) == 0);
        assert(bench_next(&b)->id == 0x21);
        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
        assert(bench_next(&b)->id == 0x20);
        assert(n_joined(&b) == 2);
        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
        assert(bench_next(&b)->id == 0x21);
        bench_settle(&b);
        assert(before.n_done == 1);
        for (unsigned i = 0; i < 3; i++)
                assert(o[i].n_done == 1);
        assert(lane_find(c, &callers[0])->n_waiting == 3);
        assert(!lane_find(c, &callers[1]) && !lane_find(c, &callers[2]) && !c->queries);
        bench_done(&b);
}

/* The same caller asks twice before its turn has come. */
static void test_twice_in_a_lane(void) {
        Outcome o[3] = {};
        Client *c;
        Bench b;

        bench_init_ready(&b);
        assert(mux_get_shared_client(b.mux, 0x02, &c) == 0);
        (void) get(&b, c, 0, &o[0]);
        (void) get(&b, c, 0, &o[1]);
        (void) get(&b, c, 1, &o[2]);
        bench_answer_allocation(&b, 0x02, 1);
        bench_answer(&b, bench_next(&b), 0);
        bench_expect_silence(&b);
        for (unsigned i = 0; i < 3; i++)
                assert(o[i].n_done == 1);
        assert(!c->lanes_by_requester);
        bench_done(&b);
}

static void test_cancel(void) {
        Outcome o[3] = {};
        Request *r[3];
        QmiMessage search;
        Client *c;
        Bench b;

        /* The one that was sent goes, then one that follows it: nobody notices. */
        c = init(&b);
        for (unsigned i = 0; i < 3; i++)
                r[i] = ask(&b, c, i, "search", NULL, 0, 0, &o[i]);
        search = *bench_next(&b);
        r[0] = request_cancel(r[0]);
        r[2] = request_cancel(r[2]);
        bench_expect_silence(&b);
        r[0] = ask(&b, c, 0, "search", NULL, 0, 0, &o[0]); /* joins again */
        bench_expect_silence(&b);
        bench_answer(&b, &search, 0);
        bench_settle(&b);
        assert(o[0].n_done == 1 && o[1].n_done == 1 && o[2].n_done == 0);

        /* With the last of them it is called off. */
        for (unsigned i = 0; i < 2; i++)
                r[i] = ask(&b, c, i, "search", NULL, 0, 0, &o[i]);
        search = *bench_next(&b);
        r[0] = request_cancel(r[0]);
        bench_expect_silence(&b);
        r[1] = request_cancel(r[1]);
        assert(bench_next(&b)->id == 0x0001);
        assert(b.received[b.n_taken - 1].message.tlvs[3] == search.transaction);
        /* What is being called off is nothing to join. */
        r[2] = ask(&b, c, 2, "search", NULL, 0, 0, &o[2]);
        assert(bench_next(&b)->id == 0x0023);
        r[2] = request_cancel(r[2]);
        assert(!c->queries);

        /* Of those that wait one may go as well. */
        b.mux->window = 3; /* is full */
        for (unsigned i = 0; i < 3; i++)
                r[i] = get(&b, c, i, &o[i]);
        r[0] = request_cancel(r[0]);
        bench_settle(&b);
        b.n_taken = b.n_received;
        b.mux->window = MUX_WINDOW_DEFAULT;
        mux_schedule(b.mux);
        bench_answer(&b, bench_next(&b), 0);
        bench_expect_silence(&b);
        assert(o[0].n_done == 1 && o[1].n_done == 2 && o[2].n_done == 1);
        bench_done(&b);
}

static void test_failures(void) {
        Outcome o[3] = {};
        Client *c;
        Bench b;

        c = init(&b);
        for (unsigned i = 0; i < 3; i++)
                (void) ask(&b, c, i, "get", one, sizeof(one), 1, &o[i]);
        (void) bench_next(&b);
        RUN_UNTIL(&b, o[2].n_done == 1);
        for (unsigned i = 0; i < 3; i++)
                assert(o[i].n_done == 1 && o[i].state == REQUEST_TIMEOUT);

        for (unsigned i = 0; i < 3; i++)
                (void) get(&b, c, i, &o[i]);
        bench_settle(&b);
        bench_hang_up(&b);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_RESETTING);
        for (unsigned i = 0; i < 3; i++)
                assert(o[i].n_done == 2 && o[i].state == REQUEST_GONE);
        assert(!c->queries);
        bench_done(&b);
}

static void test_result(void) {
        Outcome o[2] = {};
        Client *c;
        Bench b;

        c = init(&b);
        (void) ask(&b, c, 0, "get-best", NULL, 0, 0, &o[0]);
        bench_answer(&b, bench_next(&b), 0);
        bench_settle(&b);
        (void) ask(&b, c, 1, "get-best", NULL, 0, 0, &o[1]); /* answered, but its result is to come */
        bench_expect_silence(&b);
        TELL(&b, 0x01, 0x10, 0x00, 0x80, 0x02, 0x01, 0x04, 0x01, 0x00, 0x22, 0x00, 0x04,
             0x00, /* its result */
             0x10, 0x01, 0x00, 0x05);
        bench_settle(&b);
        for (unsigned i = 0; i < 2; i++)
                assert(o[i].n_done == 1 && o[i].has_response && o[i].has_indication);
        bench_done(&b);
}

/* A completion that calls off those that would be told next, and asks the same again. */
typedef struct Chain {
        Client *client;
        Request *others[2];
        Outcome again;
        Bench *bench;
} Chain;

static void chain_done(const RequestOutcome *outcome, void *userdata) {
        Chain *chain = userdata;

        chain->others[0] = request_cancel(chain->others[0]);
        (void) get(chain->bench, chain->client, 3, &chain->again);
}

static void test_change_in_completion(void) {
        Outcome never = {}, last = {};
        Chain chain = { .bench = NULL };
        Request *r;
        Client *c;
        Bench b;

        c = init(&b);
        chain.client = c;
        chain.bench = &b;
        assert(request_new(&r, c, mux_get_owner(b.mux),
                           &(RequestSpec){
                                   .message = 0x20,
                                   .schema = row("dms", "get"),
                                   .requester = &callers[0],
                                   .tlvs = one,
                                   .n_tlvs = sizeof(one),
                                   .done = chain_done,
                                   .userdata = &chain,
                           }) == 0);
        chain.others[0] = get(&b, c, 1, &never);
        (void) get(&b, c, 2, &last);
        bench_answer(&b, bench_next(&b), 0);
        RUN_UNTIL(&b, last.n_done == 1);
        assert(never.n_done == 0 && chain.again.n_done == 0);
        bench_answer(&b, bench_next(&b), 0);
        RUN_UNTIL(&b, chain.again.n_done == 1);
        bench_done(&b);
}

int main(void) {
        test_one_answer_for_all();
        test_changes();
        test_never();
        test_after_own_change();
        test_first_turn_asks_for_all();
        test_twice_in_a_lane();
        test_cancel();
        test_failures();
        test_result();
        test_change_in_completion();
        return 0;
}
