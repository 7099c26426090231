/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-mux-modem.h"

#define NAS 0x03

#define GET_VERSION_INFO 0x0021
#define ALLOCATE         0x0022
#define SYNC             0x0027
#define CHECK            0x001E

/* A request that gets no answer in time. */
static void time_out(Bench *b, Client *c, QmiMessage *ret) {
        Outcome o = {};

        (void) bench_request_tlvs(b, c, 0x004F, NULL, NULL, 0, 1, &o);
        *ret = *bench_next(b);
        RUN_UNTIL(b, o.n_done > 0);
        assert(o.state == REQUEST_TIMEOUT);
}

/* The deadline of whatever is under way on a client passes. */
static void let_time_pass(Bench *b, Client *c) {
        Transaction *t;

        TAILQ_FOREACH(t, &c->transactions, entry)
                if (t->state == TRANSACTION_IN_FLIGHT)
                        t->deadline_usec = 1;
        b->mux->timer_usec = UINT64_MAX;
        mux_arm_timer(b->mux, 1);
}

static void next_is(Bench *b, uint16_t service, uint16_t id) {
        const QmiMessage *m = bench_next(b);

        assert(m->service == service && m->id == id);
}

static QmiMessage *last(Bench *b) {
        return &b->received[b->n_taken - 1].message;
}

/* CTL answers, and so does the service when it is asked for something simple: the request was slow. */
static void test_slow_request(void) {
        TestClient c = {};
        QmiMessage slow;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", NAS, 7);
        time_out(&b, c.client, &slow);
        bench_answer_version_info(&b);
        next_is(&b, NAS, CHECK);
        bench_answer(&b, last(&b), 0);
        bench_expect_silence(&b);
        assert(streq(b.events, ""));
        assert(b.mux->timer_usec == UINT64_MAX); /* at rest again */

        /* The answer comes before that of CTL: nothing is left to be found out. */
        time_out(&b, c.client, &slow);
        bench_answer(&b, &slow, 0);
        bench_answer_version_info(&b);
        bench_expect_silence(&b);
        test_client_release(&c);
        bench_done(&b);
}

/* The service had started anew, without a word. */
static void test_forgotten(void) {
        TestClient c = {};
        QmiMessage slow;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", NAS, 7);
        time_out(&b, c.client, &slow);
        bench_answer_version_info(&b);
        next_is(&b, NAS, CHECK);
        bench_answer(&b, last(&b), 7 /* invalid client id */);
        bench_answer_allocation(&b, NAS, 8);
        RUN_UNTIL(&b, b.events[0]);
        assert(streq(b.events, "c:replaced "));
        test_client_release(&c);
        bench_done(&b);
}

/* CTL answers, the service does not: that is said, until it does again. */
static void test_mute_service(void) {
        TestClient c = {}, other = {};
        QmiMessage slow;
        Outcome o = {};
        Bench b;

        bench_init_ready(&b);
        b.mux->recover_min_usec = 1000 * USEC_PER_SEC;
        test_client_new_ready(&b, &c, "c", NAS, 7);
        test_client_new_ready(&b, &other, "other", NAS, 8);
        time_out(&b, c.client, &slow);
        bench_answer_version_info(&b);
        next_is(&b, NAS, CHECK);
        let_time_pass(&b, c.client);
        RUN_UNTIL(&b, b.events[0]);
        assert(mux_get_state(b.mux) == MUX_READY);
        assert(streq(mux_get_state_reason(b.mux), "service nas does not answer"));
        assert(client_get_state(c.client) == CLIENT_READY && client_get_id(c.client) == 7);
        bench_expect_silence(&b);

        /* It is looked after from time to time. */
        c.client->retry_usec = 1;
        mux_recover_at(b.mux, 1);
        next_is(&b, NAS, CHECK);
        let_time_pass(&b, c.client);
        RUN_UNTIL(&b, !c.client->own_request);
        assert(c.client->retry_interval_usec == RECOVER_MAX_USEC);
        assert(c.client->retry_usec > mux_now(b.mux));
        bench_expect_silence(&b);

        (void) bench_request(&b, other.client, 0x004F, NULL, &o);
        bench_answer(&b, bench_next(&b), 0);
        RUN_UNTIL(&b, !*mux_get_state_reason(b.mux));
        assert(streq(b.events, "ready ready "));

        /* With the last who asked the reason goes, too. */
        b.events[0] = 0;
        time_out(&b, c.client, &slow);
        bench_answer_version_info(&b);
        next_is(&b, NAS, CHECK);
        let_time_pass(&b, c.client);
        RUN_UNTIL(&b, *mux_get_state_reason(b.mux));
        bench_tell_message(&b, &(QmiMessage){ .type = QMI_INDICATION,
                                              .id = 0x24 /* revoke */,
                                              .tlvs = (const uint8_t[]){ 0x01, 0x02, 0x00, NAS, 7 },
                                              .n_tlvs = 5 });
        RUN_UNTIL(&b, !*mux_get_state_reason(b.mux));
        test_client_release(&c);
        test_client_release(&other);
        bench_done(&b);
}

/* Neither does: after three attempts everything fails, but the ids are kept. */
static void test_silent(void) {
        Outcome one = { .name = "one" }, two = { .name = "two" }, three = { .name = "three" };
        TestClient c = {}, fresh = {};
        QmiMessage slow, lost;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", NAS, 7);
        b.mux->ctl_probe_min_usec = 1000 * USEC_PER_SEC;
        time_out(&b, c.client, &slow);
        (void) bench_request(&b, c.client, 0x0050, NULL, &one);
        (void) bench_request(&b, c.client, 0x0051, NULL, &two);
        for (unsigned i = 0; i < CTL_TRIES; i++) {
                if (i == 1)
                        next_is(&b, NAS, 0x0050);
                if (i == 1)
                        lost = *last(&b);
                next_is(&b, 0x00, GET_VERSION_INFO);
                if (i == 1)
                        test_client_new(&b, &fresh, "fresh", NAS);
                if (i == 1)
                        next_is(&b, 0x00, ALLOCATE);
                let_time_pass(&b, b.mux->ctl);
        }
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_SILENT);
        assert(streq(mux_get_state_reason(b.mux), "the modem does not answer"));
        assert(strstr(b.events, "one:gone two:gone ") && strstr(b.events, "silent "));
        assert(client_get_state(c.client) == CLIENT_READY && client_get_id(c.client) == 7);
        assert(request_new(NULL, c.client, &c.owner, &(RequestSpec){}) == -ENODEV);
        test_client_release(&fresh);
        bench_expect_silence(&b);

        /* It answers again, if late: what was asked before is of no use any more. */
        b.events[0] = 0;
        bench_answer(&b, &lost, 0);
        b.mux->probe_usec = 1;
        mux_arm_timer(b.mux, 1);
        bench_answer_version_info(&b);
        next_is(&b, NAS, CHECK);
        bench_answer(&b, last(&b), 0);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_READY);
        assert(streq(b.events, "checking ready "));
        (void) bench_request(&b, c.client, 0x0052, NULL, &three);
        bench_answer(&b, bench_next(&b), 0);
        RUN_UNTIL(&b, three.n_done > 0);
        assert(one.n_done == 1 && two.n_done == 1 && three.state == REQUEST_ANSWERED);
        bench_expect_silence(&b);
        test_client_release(&c);
        bench_done(&b);
}

static void fall_silent(Bench *b) {
        mux_check(b->mux);
        for (unsigned i = 0; i < CTL_TRIES; i++) {
                next_is(b, 0x00, GET_VERSION_INFO);
                let_time_pass(b, b->mux->ctl);
        }
        RUN_UNTIL(b, mux_get_state(b->mux) == MUX_SILENT);
}

static void try_again(Bench *b) {
        b->mux->probe_usec = 1;
        mux_arm_timer(b->mux, 1);
        bench_turn(b);
}

/* Sync is sent where it may be, once in a while; its echo is no reset; and then all ids are asked for. */
static void test_sync(void) {
        TestClient c = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", NAS, 7);
        b.mux->ctl_probe_min_usec = 1000 * USEC_PER_SEC;
        fall_silent(&b);
        try_again(&b);
        next_is(&b, 0x00, GET_VERSION_INFO); /* it may not */
        let_time_pass(&b, b.mux->ctl);
        RUN_UNTIL(&b, b.mux->probe_usec != UINT64_MAX);

        b.may_sync = true;
        b.events[0] = 0;
        try_again(&b);
        next_is(&b, 0x00, SYNC);
        next_is(&b, 0x00, GET_VERSION_INFO);
        bench_tell_sync(&b);
        bench_expect_silence(&b);
        assert(b.mux->sync && streq(b.events, ""));
        bench_answer(&b, &b.received[b.n_taken - 2].message, 0);
        next_is(&b, 0x00, GET_VERSION_INFO);
        b.n_taken--;
        bench_answer_version_info(&b);
        next_is(&b, NAS, CHECK);
        bench_answer(&b, last(&b), 7 /* invalid client id */);
        bench_answer_allocation(&b, NAS, 1);
        RUN_UNTIL(&b, strstr(b.events, "c:replaced"));
        assert(streq(b.events, "checking ready c:replaced "));

        /* Not so soon again. */
        fall_silent(&b);
        try_again(&b);
        next_is(&b, 0x00, GET_VERSION_INFO);
        let_time_pass(&b, b.mux->ctl);
        RUN_UNTIL(&b, b.mux->probe_usec != UINT64_MAX);
        b.mux->synced_usec = 1;
        try_again(&b);
        if (mux_now(b.mux) < SYNC_USEC)
                next_is(&b, 0x00, GET_VERSION_INFO); /* the machine has just started */
        else
                next_is(&b, 0x00, SYNC);
        test_client_release(&c);
        bench_done(&b);
}

/* What cannot be begun again keeps the mux from that. */
static void test_no_sync_with_a_call(void) {
        TestClient c = {};
        Outcome o = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", NAS, 7);
        b.mux->ctl_probe_min_usec = 1000 * USEC_PER_SEC;
        b.may_sync = true;
        (void) bench_request(&b, c.client, row("nas", "track")->id, NULL, &o);
        bench_answer(&b, bench_next(&b), 0);
        RUN_UNTIL(&b, o.n_done > 0);
        bench_tell_message(&b, &(QmiMessage){ .service = NAS,
                                              .client = 7,
                                              .type = QMI_INDICATION,
                                              .id = row("nas", "track")->id,
                                              .tlvs = (const uint8_t[]){ 0x01, 0x01, 0x00, 0x00 },
                                              .n_tlvs = 4 });
        RUN_UNTIL(&b, b.mux->n_started > 0);
        fall_silent(&b);
        try_again(&b);
        next_is(&b, 0x00, GET_VERSION_INFO);
        bench_expect_silence(&b);
        test_client_release(&c);
        bench_done(&b);
}

static void test_silent_long(void) {
        Bench b;

        bench_init_ready(&b);
        b.mux->ctl_probe_min_usec = 1000 * USEC_PER_SEC;
        fall_silent(&b);
        try_again(&b);
        next_is(&b, 0x00, GET_VERSION_INFO);
        assert(b.n_silent_long == 0);
        let_time_pass(&b, b.mux->ctl);
        RUN_UNTIL(&b, b.mux->probe_usec != UINT64_MAX);

        b.mux->silent_long_usec = 1;
        try_again(&b);
        next_is(&b, 0x00, GET_VERSION_INFO);
        assert(b.n_silent_long == 1);
        let_time_pass(&b, b.mux->ctl);
        RUN_UNTIL(&b, b.mux->probe_usec != UINT64_MAX);
        try_again(&b);
        next_is(&b, 0x00, GET_VERSION_INFO);
        assert(b.n_silent_long == 1);
        bench_done(&b);
}

/* After the sleep it is found out, not before. */
static void test_quiesce(void) {
        TestClient c = {};
        QmiMessage slow;
        Outcome o = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", NAS, 7);
        mux_quiesce(b.mux, true);
        time_out(&b, c.client, &slow);
        bench_expect_silence(&b);
        (void) bench_request(&b, c.client, 0x004F, NULL, &o); /* of callers, work goes on */
        bench_answer(&b, bench_next(&b), 0);
        RUN_UNTIL(&b, o.n_done > 0);
        time_out(&b, c.client, &slow);
        mux_quiesce(b.mux, false);
        next_is(&b, 0x00, GET_VERSION_INFO);

        /* Nor is a lost client cared for meanwhile. */
        mux_quiesce(b.mux, true);
        bench_answer(&b, last(&b), 0);
        bench_tell_message(&b, &(QmiMessage){ .type = QMI_INDICATION,
                                              .id = 0x24 /* revoke */,
                                              .tlvs = (const uint8_t[]){ 0x01, 0x02, 0x00, NAS, 7 },
                                              .n_tlvs = 5 });
        RUN_UNTIL(&b, client_get_state(c.client) == CLIENT_ALLOCATING);
        bench_settle(&b);
        b.n_taken = b.n_received;
        mux_quiesce(b.mux, false);
        bench_answer_allocation(&b, NAS, 8);
        RUN_UNTIL(&b, strstr(b.events, "c:replaced"));
        test_client_release(&c);
        bench_done(&b);
}

/* The port is let go of at once, and what is told about it comes from the loop. */
static void test_inhibit(void) {
        TestClient c = {};
        Outcome o = { .name = "o" };
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", NAS, 7);
        (void) bench_request(&b, c.client, 0x004F, NULL, &o);
        (void) bench_next(&b);
        mux_inhibit(b.mux, "somebody asked");
        assert(mux_get_state(b.mux) == MUX_INHIBITED && port_get_fd(mux_get_port(b.mux)) < 0);
        assert(streq(b.events, ""));
        RUN_UNTIL(&b, b.modem.connection < 0);
        bench_settle(&b);
        assert(streq(b.events, "o:gone inhibited "));
        assert(streq(mux_get_state_reason(b.mux), "somebody asked"));
        assert(request_new(NULL, c.client, &c.owner, &(RequestSpec){}) == -ENODEV);
        mux_inhibit(b.mux, "another");
        bench_settle(&b);
        assert(streq(mux_get_state_reason(b.mux), "another"));

        b.events[0] = 0;
        mux_uninhibit(b.mux);
        mux_uninhibit(b.mux);
        assert(mux_get_state(b.mux) == MUX_RESETTING);
        bench_answer_version_info(&b);
        next_is(&b, NAS, CHECK);
        bench_answer(&b, last(&b), 0);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_READY);
        assert(strstr(b.events, "resetting ") && strstr(b.events, "checking ready "));
        assert(client_get_id(c.client) == 7);
        bench_expect_silence(&b);
        test_client_release(&c);
        bench_done(&b);
}

int main(void) {
        test_slow_request();
        test_forgotten();
        test_mute_service();
        test_silent();
        test_sync();
        test_no_sync_with_a_call();
        test_silent_long();
        test_quiesce();
        test_inhibit();
}
