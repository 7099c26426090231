/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-mux-modem.h"

/* Client ids: allocation, release, who owns them, what reaches them. */

static void test_allocate(void) {
        Outcome one = { .name = "one" }, two = { .name = "two" };
        TestClient c = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new(&b, &c, "c", 0x03);
        assert(client_get_id(c.client) == 0);
        assert(client_get_service(c.client) == 0x03);
        assert(client_get_mux(c.client) == b.mux);
        (void) bench_request(&b, c.client, 0x004F, NULL, &one);
        (void) bench_request(&b, c.client, 0x0043, NULL, &two);
        /* CTL, client 0; request, transaction 2, Allocate */
        EXPECT(&b, 0x01, 0x0F, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x22, 0x00, 0x04, 0x00, /* as said */
               0x01, 0x01, 0x00, 0x03);                                                    /* NAS */
        bench_expect_silence(&b);

        TELL(&b, 0x01, 0x17, 0x00, 0x80, 0x00, 0x00,   /* CTL, client 0 */
             0x01, 0x02, 0x22, 0x00, 0x0C, 0x00,       /* response to transaction 2, Allocate */
             0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, /* result: success */
             0x01, 0x02, 0x00, 0x03, 0x15);            /* NAS, client id 21 */
        /* NAS, client 21; request, transaction 1 */
        EXPECT(&b, 0x01, 0x0C, 0x00, 0x00, 0x03, 0x15, 0x00, 0x01, 0x00, 0x4F, 0x00, 0x00, 0x00);
        assert(streq(b.events, "c:allocated:0 "));
        assert(client_get_id(c.client) == 21);
        assert(client_get_since_usec(c.client) > 0);
        bench_expect_silence(&b); /* the second one waits for the first */

        TELL(&b, 0x01, 0x13, 0x00, 0x80, 0x03, 0x15,    /* NAS, client 21 */
             0x02, 0x01, 0x00, 0x4F, 0x00, 0x07, 0x00,  /* response to transaction 1 */
             0x02, 0x04, 0x00, 0x01, 0x00, 0x1A, 0x00); /* result: failure, no effect */
        EXPECT(&b, 0x01, 0x0C, 0x00, 0x00, 0x03, 0x15, 0x00, 0x02, 0x00, 0x43, 0x00, 0x00, 0x00);
        bench_settle(&b);
        assert(streq(b.events, "c:allocated:0 one:answered "));
        assert(one.response.n_tlvs == 7 && one.bytes[3] == 1 && one.bytes[5] == 0x1A);
        assert(client_get_n_requests(c.client) == 2);
        test_client_release(&c);
        bench_done(&b);
}

static void test_no_such_service(void) {
        const Owner owner = {};
        Client *c = NULL;
        Bench b;

        bench_init(&b);
        assert(client_new(&c, b.mux, 0x03, &owner, NULL, NULL) == -ENODEV);
        bench_listen(&b);
        bench_answer_version_info(&b);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_READY);
        assert(client_new(&c, b.mux, 0x77, &owner, NULL, NULL) == -EOPNOTSUPP);
        assert(client_new(&c, b.mux, QMI_SERVICE_CTL, &owner, NULL, NULL) == -EOPNOTSUPP);
        assert(mux_get_shared_client(b.mux, 0x77, &c) == -EOPNOTSUPP);
        assert(!c);
        bench_expect_silence(&b);
        bench_done(&b);
}

static void test_owner(void) {
        const Owner other = { .name = "c" }; /* the same name does not make the same owner */
        TestClient c = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        assert(request_new(NULL, c.client, &other, &(RequestSpec){ .message = 0x004F }) == -EPERM);
        assert(request_new(NULL, c.client, mux_get_owner(b.mux), &(RequestSpec){ .message = 0x004F }) ==
               -EPERM);
        assert(client_get_owner(c.client) == &c.owner);
        bench_expect_silence(&b);
        test_client_release(&c);
        bench_done(&b);
}

static void test_allocation_refused(void) {
        Outcome one = { .name = "one" }, two = { .name = "two" };
        TestClient c = { .release_on_end = true };
        Bench b;

        bench_init_ready(&b);
        test_client_new(&b, &c, "c", 0x03);
        (void) bench_request(&b, c.client, 0x004F, NULL, &one);
        (void) bench_request(&b, c.client, 0x004F, NULL, &two);
        bench_answer(&b, bench_next(&b), 5 /* client ids exhausted */);
        bench_expect_silence(&b);
        assert(streq(b.events, "exhausted:03 one:no-client two:no-client c:allocated:5 "));
        assert(one.error == 5 && two.error == 5);
        bench_done(&b);
}

static void test_allocation_nonsense(void) {
        static const uint8_t ids[][2] = {
                { 0x02, 0x07 }, /* DMS, which was not asked for */
                { 0x03, 0x00 }, /* client id 0 is CTL's */
                { 0x03, 0xFF }, /* client id 255 is everybody's */
        };
        Bench b;

        bench_init_ready(&b);
        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                Outcome o = { .name = "o" };
                TestClient c = {};
                uint8_t tlvs[] = { 0x02, 0x04, 0x00, 0x00, 0x00,      0x00,
                                   0x00, 0x01, 0x02, 0x00, ids[i][0], ids[i][1] };
                QmiMessage m;

                test_client_new(&b, &c, "c", 0x03);
                (void) bench_request(&b, c.client, 0x004F, NULL, &o);
                m = *bench_next(&b);
                m.type = QMI_RESPONSE;
                m.tlvs = tlvs;
                m.n_tlvs = sizeof(tlvs);
                bench_tell_message(&b, &m);
                RUN_UNTIL(&b, client_get_state(c.client) == CLIENT_ENDED);
                assert(o.state == REQUEST_NO_CLIENT && o.error == 0);
                test_client_release(&c);
        }
        bench_done(&b);
}

static void test_allocation_timeout(void) {
        Outcome o = { .name = "o" };
        TestClient c = {};
        Bench b;

        bench_init_ready(&b);
        b.mux->quiet = true; /* so that it does not look for the reason */
        b.mux->ctl_timeout_usec = 1;
        test_client_new(&b, &c, "c", 0x03);
        (void) bench_request(&b, c.client, 0x004F, NULL, &o);
        RUN_UNTIL(&b, client_get_state(c.client) == CLIENT_ENDED);
        assert(streq(b.events, "o:no-client c:allocated:-110 "));
        assert(o.error == 0);
        test_client_release(&c);
        (void) bench_next(&b);

        /* The id that comes too late is given back at once. */
        b.mux->ctl_timeout_usec = CTL_TIMEOUT_USEC;
        TELL(&b, 0x01, 0x17, 0x00, 0x80, 0x00, 0x00,   /* CTL, client 0 */
             0x01, 0x02, 0x22, 0x00, 0x0C, 0x00,       /* response to transaction 2, Allocate */
             0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, /* result: success */
             0x01, 0x02, 0x00, 0x03, 0x15);            /* NAS, client id 21 */
        EXPECT(&b, 0x01, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x23, 0x00, 0x05, 0x00, /* Release */
               0x01, 0x02, 0x00, 0x03, 0x15); /* NAS, client id 21 */

        /* Once more the same answer: nobody knows it any longer. */
        TELL(&b, 0x01, 0x17, 0x00, 0x80, 0x00, 0x00,   /* CTL, client 0 */
             0x01, 0x02, 0x22, 0x00, 0x0C, 0x00,       /* as before */
             0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, /* as before */
             0x01, 0x02, 0x00, 0x03, 0x15);            /* as before */
        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
        bench_expect_silence(&b);
        bench_done(&b);
}

static void test_release_while_allocating(void) {
        Outcome o = { .name = "o" };
        TestClient c = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new(&b, &c, "c", 0x03);
        (void) bench_request(&b, c.client, 0x004F, NULL, &o);
        (void) bench_next(&b);
        test_client_release(&c);
        bench_expect_silence(&b);
        TELL(&b, 0x01, 0x17, 0x00, 0x80, 0x00, 0x00,   /* CTL, client 0 */
             0x01, 0x02, 0x22, 0x00, 0x0C, 0x00,       /* response to transaction 2, Allocate */
             0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, /* result: success */
             0x01, 0x02, 0x00, 0x03, 0x15);            /* NAS, client id 21 */
        EXPECT(&b, 0x01, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x23, 0x00, 0x05, 0x00, /* Release */
               0x01, 0x02, 0x00, 0x03, 0x15); /* NAS, client id 21 */
        bench_expect_silence(&b);
        assert(streq(b.events, ""));
        assert(o.n_done == 0);
        bench_done(&b);
}

static void test_ctl_window(void) {
        TestClient c[CTL_WINDOW + 2] = {};
        Bench b;

        bench_init_ready(&b);
        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                test_client_new(&b, &c[i], "c", 0x03);
        for (size_t i = 0; i < CTL_WINDOW; i++)
                (void) bench_next(&b);
        bench_expect_silence(&b);
        /* One that was never sent leaves nothing behind. */
        test_client_release(&c[CTL_WINDOW + 1]);
        bench_answer(&b, &b.received[b.n_taken - 1].message, 5);
        (void) bench_next(&b);
        bench_answer(&b, &b.received[b.n_taken - 1].message, 5);
        bench_expect_silence(&b);
        for (size_t i = 0; i <= CTL_WINDOW; i++)
                test_client_release(&c[i]);
        bench_done(&b);
}

typedef struct Listing {
        unsigned n, n_lingering;
        bool stop;
} Listing;

static bool list_client(Client *c, void *userdata) {
        Listing *l = userdata;

        l->n++;
        l->n_lingering += client_is_lingering(c);
        assert(!client_is_lingering(c) || client_get_owner(c) == mux_get_owner(client_get_mux(c)));
        return !l->stop;
}

static Listing list_clients(Bench *b) {
        Listing l = {};

        mux_foreach_client(b->mux, list_client, &l);
        return l;
}

static void test_release(void) {
        TestClient c = {}, other = {};
        const QmiMessage *release;
        Listing l;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 21);
        test_client_new_ready(&b, &other, "other", 0x03, 22);
        l = list_clients(&b);
        assert(l.n == 2 && l.n_lingering == 0);
        l = (Listing){ .stop = true };
        mux_foreach_client(b.mux, list_client, &l);
        assert(l.n == 1);

        test_client_release(&c);
        l = list_clients(&b);
        assert(l.n == 2 && l.n_lingering == 1);
        EXPECT(&b, 0x01, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x23, 0x00, 0x05, 0x00, /* Release */
               0x01, 0x02, 0x00, 0x03, 0x15); /* NAS, client id 21 */
        /* An indication for it in the meantime reaches nobody, a broadcast the other one. */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x15, 0x04, 0x01, 0x00, 0x51, 0x00, 0x00, 0x00);
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0xFF, 0x04, 0x02, 0x00, 0x52, 0x00, 0x00, 0x00);
        /* A failure is not tried again. */
        bench_answer(&b, &b.received[b.n_taken - 1].message, 7 /* invalid client id */);
        bench_expect_silence(&b);
        assert(streq(b.events, "other:broadcast:0052 "));
        l = list_clients(&b);
        assert(l.n == 1 && l.n_lingering == 0);

        /* One that stays without an answer is: until then the id may be taken. */
        b.mux->recover_min_usec = 1;
        b.mux->ctl_timeout_usec = 1;
        test_client_release(&other);
        b.mux->ctl_timeout_usec = CTL_TIMEOUT_USEC;
        do
                release = bench_next(&b);
        while (release->id != 0x0023);
        do /* a sign of life is asked for in between */
                release = bench_next(&b);
        while (release->id != 0x0023);
        l = list_clients(&b);
        assert(l.n == 1 && l.n_lingering == 1);
        bench_answer(&b, release, 0);
        RUN_UNTIL(&b, list_clients(&b).n == 0);
        bench_done(&b);
}

static void test_release_waits(void) {
        Outcome one = {}, two = {}, three = {};
        TestClient c = {};
        QmiMessage scan, abort_scan;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 21);
        (void) bench_request(&b, c.client, 0x0021, row("nas", "scan"), &one);
        (void) bench_request(&b, c.client, 0x0021, row("nas", "scan"), &two);
        (void) bench_request(&b, c.client, 0x0043, NULL, &three);
        scan = *bench_next(&b);
        assert(scan.id == 0x0021 && scan.transaction == 1);

        /* What is under way is aborted, what waits is dropped, and then the answers are waited for. */
        test_client_release(&c);
        EXPECT(&b, 0x01, 0x11, 0x00, 0x00, 0x03, 0x15, 0x00, 0x02, 0x00, 0x01, 0x00, 0x05, 0x00, /* Abort */
               0x01, 0x02, 0x00, 0x01, 0x00); /* transaction 1 */
        abort_scan = b.received[b.n_taken - 1].message;
        bench_expect_silence(&b);
        bench_answer(&b, &abort_scan, 0);
        bench_expect_silence(&b);
        bench_answer(&b, &scan, 4 /* aborted */);
        EXPECT(&b, 0x01, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x23, 0x00, 0x05, 0x00, /* Release */
               0x01, 0x02, 0x00, 0x03, 0x15); /* NAS, client id 21 */
        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
        bench_expect_silence(&b);
        assert(one.n_done + two.n_done + three.n_done == 0);
        assert(list_clients(&b).n == 0);

        /* The wait has the deadline of what is under way. */
        b.mux->quiet = true;
        test_client_new_ready(&b, &c, "c", 0x03, 21);
        (void) bench_request_tlvs(&b, c.client, 0x0043, NULL, NULL, 0, 1, &one);
        test_client_release(&c);
        assert(list_clients(&b).n_lingering == 1);
        (void) bench_next(&b);
        assert(bench_next(&b)->id == 0x0023);
        assert(one.n_done == 0);
        bench_done(&b);
}

static void test_gone_while_lingering(void) {
        TestClient a = {}, c = {};
        Outcome o = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &a, "a", 0x03, 21);
        test_client_new_ready(&b, &c, "c", 0x03, 22);
        (void) bench_request(&b, a.client, 0x004F, NULL, &o);
        (void) bench_next(&b);
        test_client_release(&a); /* waits for its answer */
        test_client_release(&c); /* waits for the answer to its release */
        (void) bench_next(&b);
        assert(list_clients(&b).n_lingering == 2);

        /* Both taken back before that. */
        TELL(&b, 0x01, 0x10, 0x00, 0x80, 0x00, 0x00, 0x02, 0x00, 0x24, 0x00, 0x05, 0x00, /* CTL, revoke */
             0x01, 0x02, 0x00, 0x03, 0x15); /* NAS, client id 21 */
        TELL(&b, 0x01, 0x10, 0x00, 0x80, 0x00, 0x00, 0x02, 0x00, 0x24, 0x00, 0x05, 0x00, /* CTL, revoke */
             0x01, 0x02, 0x00, 0x03, 0x16); /* NAS, client id 22 */
        bench_expect_silence(&b);
        assert(list_clients(&b).n == 0);

        test_client_new_ready(&b, &a, "a", 0x03, 21);
        test_client_release(&a);
        (void) bench_next(&b);
        bench_hang_up(&b);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_RESETTING);
        assert(list_clients(&b).n_lingering == 1);
        bench_answer_version_info(&b);
        bench_answer(&b, bench_next(&b), 7 /* invalid client id */);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_READY);
        bench_expect_silence(&b);
        assert(list_clients(&b).n == 0);
        bench_done(&b);
}

static void test_id_twice(void) {
        Outcome o = { .name = "o" };
        TestClient a = {}, c = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &a, "a", 0x03, 21);
        (void) bench_request(&b, a.client, 0x004F, NULL, &o);
        (void) bench_next(&b);
        test_client_new(&b, &c, "c", 0x03);
        (void) bench_next(&b);
        TELL(&b, 0x01, 0x17, 0x00, 0x80, 0x00, 0x00,   /* CTL, client 0 */
             0x01, 0x03, 0x22, 0x00, 0x0C, 0x00,       /* response to transaction 3, Allocate */
             0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, /* result: success */
             0x01, 0x02, 0x00, 0x03, 0x15);            /* NAS, client id 21 again */
        RUN_UNTIL(&b, client_get_state(c.client) == CLIENT_READY);
        assert(streq(b.events, "c:allocated:0 o:gone "));
        assert(client_get_state(a.client) == CLIENT_ALLOCATING);
        assert(bench_next(&b)->id == 0x0022); /* for the one that has none any more */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x15, 0x04, 0x01, 0x00, 0x51, 0x00, 0x00,
             0x00); /* indication */
        /* The answer to the old one's request is not the new one's. */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x15, 0x02, 0x01, 0x00, 0x4F, 0x00, 0x00, 0x00);
        (void) bench_request(&b, c.client, 0x004F, NULL, &o);
        bench_settle(&b);
        assert(streq(b.events, "c:allocated:0 o:gone c:indication:0051 "));
        test_client_release(&a);
        assert(bench_next(&b)->id == 0x004F);
        bench_expect_silence(&b); /* the id is not given back: it is the new one's */
        test_client_release(&c);
        bench_done(&b);
}

static void test_indications(void) {
        TestClient a = {}, c = {}, d = {}, loc = {}, fresh = {};
        Client *shared;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &a, "a", 0x03, 1);
        test_client_new_ready(&b, &c, "c", 0x03, 2);
        test_client_new_ready(&b, &d, "d", 0x03, 3);
        test_client_new_ready(&b, &loc, "loc", 0x10, 1);
        assert(mux_get_shared_client(b.mux, 0x03, &shared) == 0);
        test_client_new(&b, &fresh, "fresh", 0x03);

        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x02, 0x04, 0x01, 0x00, 0x51, 0x00, 0x00,
             0x00); /* client 2 */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0xFF, 0x04, 0x01, 0x00, 0x52, 0x00, 0x00, 0x00); /* all */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x10, 0x01, 0x04, 0x01, 0x00, 0x53, 0x00, 0x00,
             0x00); /* LOC, client 1 */
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0x00, 0x04, 0x01, 0x00, 0x54, 0x00, 0x00,
             0x00); /* client 0 */
        bench_settle(&b);
        assert(streq(b.events, "c:indication:0051 a:broadcast:0052 c:broadcast:0052 d:broadcast:0052 "
                               "loc:indication:0053 "));

        /* Whoever goes during a broadcast, the others get it, each once. */
        b.events[0] = 0;
        a.release_on_indication = true;
        a.victim = &c;
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, 0x03, 0xFF, 0x04, 0x01, 0x00, 0x52, 0x00, 0x00, 0x00);
        bench_settle(&b);
        assert(!a.client && !c.client);
        assert(streq(b.events, "a:broadcast:0052 d:broadcast:0052 "));
        test_client_release(&d);
        test_client_release(&loc);
        test_client_release(&fresh);
        bench_done(&b);
}

static void test_release_in_callbacks(void) {
        TestClient a = {}, c = {}, d = { .release_on_end = true };
        Outcome one = { .name = "one" }, two = { .name = "two" };
        Bench b;

        /* One that never had an id ends, the others stay. */
        bench_init_ready(&b);
        test_client_new_ready(&b, &a, "a", 0x03, 1);
        test_client_new_ready(&b, &c, "c", 0x03, 2);
        test_client_new(&b, &d, "d", 0x03);
        (void) bench_request(&b, a.client, 0x004F, NULL, &one);
        (void) bench_request(&b, d.client, 0x004F, NULL, &two);
        bench_hang_up(&b);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_RESETTING);
        assert(streq(b.events, "one:gone two:gone d:allocated:-19 resetting "));
        assert(!d.client);
        test_client_release(&a);
        test_client_release(&c);
        bench_done(&b);
}

static void release_when_done(const RequestOutcome *outcome, void *userdata) {
        TestClient *t = userdata;

        bench_note(t->bench, "%s:done ", t->name);
        test_client_release(t);
}

static void test_release_in_completion(void) {
        TestClient c = {};
        Outcome o = { .name = "never" };
        Bench b;

        /* The other requests of the client have failed by then, but have not been told: nor are they. */
        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 1);
        assert(request_new(NULL, c.client, &c.owner,
                           &(RequestSpec){ .message = 0x004F, .done = release_when_done, .userdata = &c }) ==
               0);
        (void) bench_request(&b, c.client, 0x004F, NULL, &o);
        bench_hang_up(&b);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_RESETTING);
        assert(streq(b.events, "c:done resetting "));
        assert(o.n_done == 0);

        bench_answer_version_info(&b);
        bench_answer(&b, bench_next(&b), 0); /* its id is still there, */
        bench_answer(&b, bench_next(&b), 0); /* and given back */
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_READY);
        bench_settle(&b);
        test_client_new_ready(&b, &c, "c", 0x03, 1);
        assert(request_new(NULL, c.client, &c.owner,
                           &(RequestSpec){ .message = 0x004F, .done = release_when_done, .userdata = &c }) ==
               0);
        bench_settle(&b);
        b.n_taken = b.n_received - 1;
        bench_answer(&b, bench_next(&b), 0);
        assert(bench_next(&b)->id == 0x0023);
        assert(streq(b.events, "c:done "));
        bench_done(&b);
}

static void test_shared(void) {
        Outcome one = { .name = "one" }, two = { .name = "two" };
        Client *c, *again;
        QmiMessage m;
        Bench b;

        bench_init_ready(&b);
        assert(mux_get_shared_client(b.mux, 0x03, &c) == 0);
        assert(mux_get_shared_client(b.mux, 0x03, &again) == 0 && again == c);
        assert(client_get_owner(c) == mux_get_owner(b.mux));
        assert(list_clients(&b).n == 1);
        (void) bench_request(&b, c, 0x004F, NULL, &one);
        bench_answer(&b, bench_next(&b), 5 /* client ids exhausted */);
        bench_expect_silence(&b);
        assert(one.state == REQUEST_NO_CLIENT && one.error == 5);
        assert(request_new(NULL, c, mux_get_owner(b.mux), &(RequestSpec){}) == -ENODEV);

        /* The next use tries again, on the same object. */
        for (unsigned i = 0; i < 2; i++) {
                assert(mux_get_shared_client(b.mux, 0x03, &again) == 0 && again == c);
                assert(client_get_state(c) == CLIENT_ALLOCATING && client_get_id(c) == 0);
                (void) bench_request(&b, c, 0x004F, NULL, &two);
                m = *bench_next(&b);
                TELL(&b, 0x01, 0x17, 0x00, 0x80, 0x00, 0x00,                /* CTL, client 0 */
                     0x01, (uint8_t) m.transaction, 0x22, 0x00, 0x0C, 0x00, /* response, Allocate */
                     0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00,              /* result: success */
                     0x01, 0x02, 0x00, 0x03, 0x15);                         /* NAS, client id 21 */
                assert(bench_next(&b)->client == 0x15);

                /* The modem takes it back. */
                TELL(&b, 0x01, 0x10, 0x00, 0x80, 0x00, 0x00, 0x02, 0x00, 0x24, 0x00, 0x05,
                     0x00,                          /* CTL, revoke */
                     0x01, 0x02, 0x00, 0x03, 0x15); /* NAS, client id 21 */
                bench_settle(&b);
                assert(two.n_done == i + 1 && two.state == REQUEST_GONE);
                assert(client_get_state(c) == CLIENT_ENDED);
        }
        bench_hang_up(&b);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_RESETTING);
        bench_answer_version_info(&b);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_READY);
        assert(list_clients(&b).n == 0);
        bench_done(&b);
}

/* ---- no id is left ---- */

static TestClient *idle; /* what the front end can do without */

static bool release_idle(Bench *b, uint16_t service) {
        if (!idle || !idle->client)
                return false;
        test_client_release(idle);
        return true;
}

static QmiMessage expect_ctl(Bench *b, uint16_t message) {
        QmiMessage m = *bench_next(b);

        assert(m.service == QMI_SERVICE_CTL && m.id == message);
        return m;
}

static void refuse(Bench *b) {
        QmiMessage m = expect_ctl(b, 0x0022);

        bench_answer(b, &m, 5 /* client ids exhausted */);
        bench_settle(b);
}

static void test_exhausted(void) {
        TestClient a = {}, c = {}, d = {};
        Outcome o = { .name = "o" };
        QmiMessage m;
        Bench b;

        bench_init_ready(&b);
        b.on_exhausted = release_idle;
        test_client_new_ready(&b, &a, "a", 0x03, 1);
        idle = &a;

        /* One is released for it, and when that is confirmed, the modem is asked again. */
        test_client_new(&b, &c, "c", 0x03);
        (void) bench_request(&b, c.client, 0x004F, NULL, &o);
        refuse(&b);
        m = expect_ctl(&b, 0x0023);
        /* A second one has nothing to wait for: what comes back is the first one's. */
        test_client_new(&b, &d, "d", 0x03);
        refuse(&b);
        assert(streq(b.events, "exhausted:03 exhausted:03 d:allocated:5 "));
        bench_expect_silence(&b);
        bench_answer(&b, &m, 0);
        bench_answer_allocation(&b, 0x03, 1);
        bench_answer(&b, bench_next(&b), 0);
        RUN_UNTIL(&b, o.n_done == 1);
        assert(streq(b.events, "exhausted:03 exhausted:03 d:allocated:5 c:allocated:0 o:answered "));
        test_client_release(&d);

        /* What somebody has released anyhow will do, and nobody is asked. */
        b.events[0] = 0;
        test_client_release(&c);
        m = expect_ctl(&b, 0x0023);
        test_client_new(&b, &d, "d", 0x03);
        refuse(&b);
        bench_expect_silence(&b);
        bench_answer(&b, &m, 0);
        /* Once, no more. */
        refuse(&b);
        assert(streq(b.events, "d:allocated:5 "));
        test_client_release(&d);

        /* That of another service is of no use. */
        b.events[0] = 0;
        test_client_new_ready(&b, &a, "a", 0x10, 1);
        idle = NULL;
        test_client_release(&a);
        test_client_new(&b, &d, "d", 0x03);
        m = expect_ctl(&b, 0x0023);
        refuse(&b);
        assert(streq(b.events, "exhausted:03 d:allocated:5 "));
        test_client_release(&d);
        bench_done(&b);
}

static void test_exhausted_and_gone(void) {
        TestClient a = {}, c = {};
        QmiMessage m;
        Bench b;

        /* Whoever waits for an id may go before it comes. */
        bench_init_ready(&b);
        b.on_exhausted = release_idle;
        test_client_new_ready(&b, &a, "a", 0x03, 1);
        idle = &a;
        test_client_new(&b, &c, "c", 0x03);
        refuse(&b);
        m = expect_ctl(&b, 0x0023);
        test_client_release(&c);
        bench_answer(&b, &m, 0);
        bench_expect_silence(&b);

        /* Or the front end drops it when it is asked. */
        test_client_new(&b, &c, "c", 0x03);
        idle = &c;
        refuse(&b);
        bench_expect_silence(&b);
        assert(!c.client && list_clients(&b).n == 0);

        /* Or the modem goes. */
        test_client_new_ready(&b, &a, "a", 0x03, 1);
        idle = &a;
        test_client_new(&b, &c, "c", 0x03);
        refuse(&b);
        (void) expect_ctl(&b, 0x0023);
        b.events[0] = 0;
        bench_hang_up(&b);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_RESETTING);
        assert(streq(b.events, "c:allocated:-19 resetting "));
        test_client_release(&c);
        bench_done(&b);
}

/* The daemon has an id of its own before others have all. */
static void test_shared_first(void) {
        TestClient c = {}, d = {};
        Client *shared;
        Bench b;

        bench_init_ready(&b);
        test_client_new(&b, &c, "c", 0x02);
        test_client_new(&b, &d, "d", 0x02);
        for (uint8_t id = 1; id <= 3; id++)
                bench_answer_allocation(&b, 0x02, id);
        bench_expect_silence(&b);
        assert(mux_get_shared_client(b.mux, 0x02, &shared) == 0);
        assert(client_get_id(shared) == 1 && client_get_id(c.client) == 2 && client_get_id(d.client) == 3);
        test_client_release(&c);
        test_client_release(&d);
        bench_done(&b);
}

/* An id that was asked for before a crash comes after it. */
static void test_allocated_before_a_crash(void) {
        TestClient c = {};
        QmiMessage m = { .service = QMI_SERVICE_CTL, .type = QMI_RESPONSE, .transaction = 9, .id = 0x0022 };
        uint8_t tlvs[] = { 0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x03, 7 };
        Bench b;

        m.tlvs = tlvs;
        m.n_tlvs = sizeof(tlvs);
        bench_init_ready(&b);
        bench_tell_message(&b, &m);
        bench_expect_silence(&b); /* a modem that says so just like that */
        b.mux->second_half = true;
        b.mux->crashed_usec = UINT64_MAX;
        test_client_new_ready(&b, &c, "c", 0x03, 7);
        bench_tell_message(&b, &m);
        bench_expect_silence(&b); /* it is held */
        tlvs[11] = 8;
        bench_tell_message(&b, &m);
        m = expect_ctl(&b, 0x0023);
        assert(m.tlvs[3] == 0x03 && m.tlvs[4] == 8);
        test_client_release(&c);
        bench_done(&b);
}

int main(void) {
        test_allocate();
        test_no_such_service();
        test_owner();
        test_allocation_refused();
        test_allocation_nonsense();
        test_allocation_timeout();
        test_release_while_allocating();
        test_ctl_window();
        test_release();
        test_release_waits();
        test_gone_while_lingering();
        test_id_twice();
        test_indications();
        test_release_in_callbacks();
        test_release_in_completion();
        test_shared();
        test_exhausted();
        test_exhausted_and_gone();
        test_shared_first();
        test_allocated_before_a_crash();
        return 0;
}
