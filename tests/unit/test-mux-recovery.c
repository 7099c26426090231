/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "test-mux-modem.h"

#define CTL 0x00
#define NAS 0x03
#define LOC 0x10

#define GET_VERSION_INFO 0x0021
#define ALLOCATE         0x0022
#define RELEASE          0x0023
#define SYNC             0x0027
#define CHECK            0x001E

#define REGISTER 0x0050
#define FAMILY   0x0051
#define BIND     0x0052
#define WATCH    0x0053
#define UNWATCH  0x0054

#define SUCCESS           0
#define INTERNAL          3
#define EXHAUSTED         5
#define INVALID_CLIENT_ID 7

static const QmiMessage *next_is(Bench *b, uint16_t service, uint8_t client, uint16_t id) {
        const QmiMessage *m = bench_next(b);

        if (m->service != service || m->client != client || m->id != id) {
                fprintf(stderr, "0x%04x of service 0x%02x for client id %u, not 0x%04x, 0x%02x, %u\n", m->id,
                        m->service, m->client, id, service, client);
                abort();
        }
        return m;
}

static void answer_next(Bench *b, uint16_t service, uint8_t client, uint16_t id, uint16_t error) {
        bench_answer(b, next_is(b, service, client, id), error);
}

static void tlvs_are(const QmiMessage *m, const uint8_t *tlvs, size_t n_tlvs) {
        assert(m->n_tlvs == n_tlvs && memcmp(m->tlvs, tlvs, n_tlvs) == 0);
}
#define TLVS_ARE(m, ...) \
        tlvs_are(m, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* A request that succeeds. */
static void succeed(Bench *b, Client *c, uint16_t id, const uint8_t *tlvs, size_t n_tlvs) {
        Outcome o = {};

        (void) bench_request_tlvs(b, c, id, NULL, tlvs, n_tlvs, 0, &o);
        answer_next(b, client_get_service(c), client_get_id(c), id, SUCCESS);
        RUN_UNTIL(b, o.n_done > 0);
        assert(o.state == REQUEST_ANSWERED);
}
#define SUCCEED(b, c, id, ...) \
        succeed(b, c, id, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void take_back(Bench *b, uint8_t service, uint8_t id) {
        TELL(b, 0x01, 0x10, 0x00, 0x80, 0x00, 0x00, /* CTL, client 0 */
             0x02, 0x00, 0x24, 0x00, 0x05, 0x00,    /* indication: revoke */
             0x01, 0x02, 0x00, service, id);
}

/* After a reset each id is asked for. Who is known goes on, who is not gets another. */
static void test_check(void) {
        TestClient a = {}, c = {};
        Outcome one = { .name = "one" }, two = { .name = "two" };
        QmiMessage check;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &a, "a", NAS, 7);
        test_client_new_ready(&b, &c, "c", NAS, 8);
        bench_tell_sync(&b);
        bench_answer_version_info(&b);
        check = *next_is(&b, NAS, 7, CHECK);
        assert(check.n_tlvs == 0);
        assert(mux_get_state(b.mux) == MUX_CHECKING);
        answer_next(&b, NAS, 8, CHECK, INVALID_CLIENT_ID);

        /* Meanwhile whoever wants something waits. */
        (void) bench_request(&b, a.client, 0x004F, NULL, &one);
        bench_expect_silence(&b);
        bench_answer(&b, &check, SUCCESS);
        answer_next(&b, NAS, 7, 0x004F, SUCCESS);
        assert(next_is(&b, CTL, 0, ALLOCATE)->tlvs[3] == NAS);
        b.n_taken--;
        RUN_UNTIL(&b, one.n_done > 0);
        assert(streq(b.events, "resetting checking ready one:answered "));

        assert(client_get_state(c.client) == CLIENT_ALLOCATING && client_get_id(c.client) == 0);
        (void) bench_request(&b, c.client, 0x004F, NULL, &two);
        bench_answer_allocation(&b, NAS, 9);
        answer_next(&b, NAS, 9, 0x004F, SUCCESS);
        RUN_UNTIL(&b, two.n_done > 0);
        assert(streq(b.events, "resetting checking ready one:answered c:replaced two:answered "));
        assert(client_get_id(a.client) == 7 && client_get_id(c.client) == 9);
        bench_expect_silence(&b);
        test_client_release(&a);
        test_client_release(&c);
        bench_done(&b);
}

/* Any answer but one says that the id is known. None at all does not, and then it is given back. */
static void test_check_answers(void) {
        TestClient a = {}, c = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &a, "a", NAS, 7);
        test_client_new_ready(&b, &c, "c", NAS, 8);
        bench_hang_up(&b);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_RESETTING);
        b.mux->ctl_timeout_usec = UINT64_MAX / 2;
        bench_answer_version_info(&b);
        answer_next(&b, NAS, 7, CHECK, INTERNAL);
        (void) next_is(&b, NAS, 8, CHECK);
        c.client->own_request->transaction->deadline_usec = 1;
        b.mux->timer_usec = UINT64_MAX;
        mux_arm_timer(b.mux, 1);
        TLVS_ARE(next_is(&b, CTL, 0, RELEASE), 0x01, 0x02, 0x00, NAS, 8);
        bench_answer_allocation(&b, NAS, 8);
        RUN_UNTIL(&b, strstr(b.events, "c:replaced"));
        assert(streq(b.events, "resetting resetting checking ready c:replaced "));
        assert(client_get_id(a.client) == 7 && client_get_id(c.client) == 8);
        bench_expect_silence(&b);
        test_client_release(&a);
        test_client_release(&c);
        bench_done(&b);
}

/* Only so many are asked for at once, and one that is released meanwhile is not waited for. */
static void test_check_window(void) {
        TestClient c[MUX_WINDOW_DEFAULT + 2] = {};
        Bench b;

        bench_init_ready(&b);
        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                test_client_new_ready(&b, &c[i], "c", NAS, (uint8_t) (i + 1));
        bench_tell_sync(&b);
        bench_answer_version_info(&b);
        for (size_t i = 0; i < MUX_WINDOW_DEFAULT; i++)
                (void) next_is(&b, NAS, (uint8_t) (i + 1), CHECK);
        bench_expect_silence(&b);
        test_client_release(&c[0]);
        (void) next_is(&b, NAS, MUX_WINDOW_DEFAULT + 1, CHECK);
        bench_expect_silence(&b);
        for (size_t i = 1; i < ELEMENTSOF(c) - 1; i++)
                bench_answer(&b, &b.received[b.n_taken - MUX_WINDOW_DEFAULT + i - 1].message, SUCCESS);
        answer_next(&b, NAS, MUX_WINDOW_DEFAULT + 2, CHECK, SUCCESS);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_READY);
        bench_expect_silence(&b);
        bench_answer(&b, &b.received[b.n_taken - MUX_WINDOW_DEFAULT - 2].message, SUCCESS);
        answer_next(&b, CTL, 0, RELEASE, SUCCESS); /* now that nothing is under way on it */
        bench_expect_silence(&b);
        for (size_t i = 1; i < ELEMENTSOF(c); i++)
                test_client_release(&c[i]);
        bench_done(&b);
}

/* What the daemon keeps for all is allocated anew when it is needed, and not before. */
static void test_shared(void) {
        Client *c, *again;
        Bench b;

        bench_init_ready(&b);
        assert(mux_get_shared_client(b.mux, NAS, &c) == 0);
        bench_answer_allocation(&b, NAS, 7);
        RUN_UNTIL(&b, client_get_state(c) == CLIENT_READY);
        bench_tell_sync(&b);
        bench_answer_version_info(&b);
        answer_next(&b, NAS, 7, CHECK, INVALID_CLIENT_ID);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_READY);
        bench_expect_silence(&b);
        assert(mux_get_shared_client(b.mux, NAS, &again) == 0);
        bench_answer_allocation(&b, NAS, 1);
        RUN_UNTIL(&b, client_get_state(again) == CLIENT_READY);
        bench_done(&b);
}

/* CTL answers before the services do. */
static void test_back_off(void) {
        Outcome o = { .name = "o" };
        TestClient c = {};
        RequestSpec spec = { .message = 0x004F };
        uint64_t before;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", NAS, 7);
        b.mux->recover_min_usec = 1000 * USEC_PER_SEC;
        take_back(&b, NAS, 7);
        (void) next_is(&b, CTL, 0, ALLOCATE); /* the first time without a wait */
        (void) bench_request(&b, c.client, 0x004F, NULL, &o);
        before = mux_now(b.mux);
        bench_answer(&b, &b.received[b.n_taken - 1].message, INTERNAL);
        RUN_UNTIL(&b, o.n_done > 0);
        assert(o.state == REQUEST_NO_CLIENT && o.error == INTERNAL);
        assert(c.client->retry_usec >= before + 1000 * USEC_PER_SEC);
        assert(b.mux->timer_usec == c.client->retry_usec);
        assert(request_new(NULL, c.client, &c.owner, &spec) == -ENODEV);
        bench_expect_silence(&b);

        /* The intervals double, up to a limit. */
        b.mux->recover_min_usec = 1;
        c.client->retry_interval_usec = 0;
        c.client->retry_usec = 1;
        mux_recover_at(b.mux, 1);
        for (unsigned i = 0; i < 4; i++) {
                answer_next(&b, CTL, 0, ALLOCATE, INTERNAL);
                RUN_UNTIL(&b, !c.client->ctl_request);
                assert(c.client->retry_interval_usec == UINT64_C(1) << i);
        }
        (void) next_is(&b, CTL, 0, ALLOCATE);
        c.client->retry_interval_usec = 50 * USEC_PER_SEC;
        bench_answer(&b, &b.received[b.n_taken - 1].message, INTERNAL);
        RUN_UNTIL(&b, !c.client->ctl_request);
        assert(c.client->retry_interval_usec == RECOVER_MAX_USEC);

        /* A reset is worth another attempt at once. */
        bench_tell_sync(&b);
        bench_answer_version_info(&b);
        bench_answer_allocation(&b, NAS, 3);
        RUN_UNTIL(&b, strstr(b.events, "c:replaced"));
        bench_expect_silence(&b);

        /* One that is taken away again waits. */
        b.mux->recover_min_usec = 1000 * USEC_PER_SEC;
        take_back(&b, NAS, 3);
        RUN_UNTIL(&b, client_get_state(c.client) == CLIENT_ALLOCATING);
        bench_expect_silence(&b);
        test_client_release(&c);
        bench_expect_silence(&b);
        bench_done(&b);
}

/* Binds first, then the IP family, then the rest; of each TLV the last value. */
static void test_replay(void) {
        Outcome o = { .name = "o" };
        TestClient c = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", LOC, 7);
        SUCCEED(&b, c.client, REGISTER, 0x10, 0x01, 0x00, 0x01, 0x12, 0x02, 0x00, 0xAA, 0xBB);
        SUCCEED(&b, c.client, FAMILY, 0x01, 0x01, 0x00, 0x04);
        SUCCEED(&b, c.client, BIND, 0x01, 0x01, 0x00, 0x02);
        SUCCEED(&b, c.client, REGISTER, 0x11, 0x01, 0x00, 0x01, 0x10, 0x01, 0x00, 0x00);
        SUCCEED(&b, c.client, FAMILY, 0x01, 0x01, 0x00, 0x06);
        /* Neither what fails counts, nor what the schema does not name. */
        (void) bench_request_tlvs(&b, c.client, BIND, NULL, (const uint8_t[]){ 0x01, 0x01, 0x00, 0x09 }, 4,
                                  0, &o);
        answer_next(&b, LOC, 7, BIND, INTERNAL);
        RUN_UNTIL(&b, o.n_done > 0);
        SUCCEED(&b, c.client, 0x0077, 0x01, 0x01, 0x00, 0x09);
        assert(!client_is_plain(c.client));

        b.events[0] = 0;
        take_back(&b, LOC, 7);
        bench_answer_allocation(&b, LOC, 9);
        TLVS_ARE(next_is(&b, LOC, 9, BIND), 0x01, 0x01, 0x00, 0x02);
        /* What is asked meanwhile waits until all is as it was. */
        (void) bench_request(&b, c.client, 0x004F, NULL, &o);
        bench_answer(&b, &b.received[b.n_taken - 1].message, SUCCESS);
        TLVS_ARE(next_is(&b, LOC, 9, FAMILY), 0x01, 0x01, 0x00, 0x06);
        bench_answer(&b, &b.received[b.n_taken - 1].message, INTERNAL); /* which is logged, no more */
        TLVS_ARE(next_is(&b, LOC, 9, REGISTER), 0x10, 0x01, 0x00, 0x00, 0x12, 0x02, 0x00, 0xAA, 0xBB, 0x11,
                 0x01, 0x00, 0x01);
        bench_expect_silence(&b);
        assert(streq(b.events, ""));
        bench_answer(&b, &b.received[b.n_taken - 1].message, SUCCESS);
        answer_next(&b, LOC, 9, 0x004F, SUCCESS);
        RUN_UNTIL(&b, o.n_done > 1);
        assert(streq(b.events, "c:replaced o:answered "));

        /* A reset of the service forgets all that. */
        SUCCEED(&b, c.client, 0x0000, 0x01, 0x00, 0x00);
        assert(client_is_plain(c.client));
        test_client_release(&c);
        bench_done(&b);
}

/* What can be begun again is, and what undid it is remembered. */
static void test_replay_of_what_began(void) {
        TestClient c = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", LOC, 7);
        SUCCEED(&b, c.client, WATCH, 0x01, 0x01, 0x00, 0x05);
        assert(b.mux->n_started == 1);
        take_back(&b, LOC, 7);
        bench_answer_allocation(&b, LOC, 9);
        TLVS_ARE(next_is(&b, LOC, 9, WATCH), 0x01, 0x01, 0x00, 0x05);
        assert(b.mux->n_started == 0);
        bench_answer(&b, &b.received[b.n_taken - 1].message, SUCCESS);
        RUN_UNTIL(&b, strstr(b.events, "c:replaced"));
        assert(b.mux->n_started == 1);
        SUCCEED(&b, c.client, UNWATCH, 0x01, 0x01, 0x00, 0x05);
        assert(b.mux->n_started == 0 && client_is_plain(c.client));
        test_client_release(&c);
        bench_done(&b);
}

/* A reset in the midst of that begins it anew, with the id that is there or with another. */
static void test_reset_while_replaying(void) {
        TestClient c = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", LOC, 7);
        SUCCEED(&b, c.client, BIND, 0x01, 0x01, 0x00, 0x02);
        SUCCEED(&b, c.client, FAMILY, 0x01, 0x01, 0x00, 0x04);
        take_back(&b, LOC, 7);
        bench_answer_allocation(&b, LOC, 8);
        answer_next(&b, LOC, 8, BIND, SUCCESS);
        (void) next_is(&b, LOC, 8, FAMILY);
        b.events[0] = 0;

        bench_tell_sync(&b);
        bench_answer_version_info(&b);
        answer_next(&b, LOC, 8, CHECK, SUCCESS);
        (void) next_is(&b, LOC, 8, BIND);

        bench_tell_sync(&b);
        bench_answer_version_info(&b);
        answer_next(&b, LOC, 8, CHECK, INVALID_CLIENT_ID);
        bench_answer_allocation(&b, LOC, 1);
        answer_next(&b, LOC, 1, BIND, SUCCESS);
        answer_next(&b, LOC, 1, FAMILY, SUCCESS);
        RUN_UNTIL(&b, strstr(b.events, "c:replaced"));
        assert(streq(b.events, "resetting checking ready resetting checking ready c:replaced "));
        bench_expect_silence(&b);
        test_client_release(&c);
        bench_done(&b);
}

/* Resets at every step: what is there at the end is as at the beginning. */
static void test_storm(void) {
        TestClient c = {};
        Outcome o = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", LOC, 7);
        SUCCEED(&b, c.client, BIND, 0x01, 0x01, 0x00, 0x02);
        for (unsigned step = 0; step < 6; step++) {
                uint8_t id = client_get_id(c.client);

                bench_tell_sync(&b);
                if (step == 0) {
                        (void) next_is(&b, CTL, 0, GET_VERSION_INFO);
                        continue;
                }
                bench_answer_version_info(&b);
                if (id > 0) {
                        if (step == 1) {
                                (void) next_is(&b, LOC, id, CHECK);
                                continue;
                        }
                        answer_next(&b, LOC, id, CHECK, INVALID_CLIENT_ID);
                }
                if (step == 2) {
                        (void) next_is(&b, CTL, 0, ALLOCATE);
                        continue;
                }
                bench_answer_allocation(&b, LOC, (uint8_t) (10 + step));
                if (step == 3) {
                        (void) next_is(&b, LOC, (uint8_t) (10 + step), BIND);
                        continue;
                }
                answer_next(&b, LOC, (uint8_t) (10 + step), BIND, SUCCESS);
                if (step == 4) {
                        RUN_UNTIL(&b, strstr(b.events, "c:replaced"));
                        (void) bench_request(&b, c.client, 0x004F, NULL, &o);
                        (void) next_is(&b, LOC, (uint8_t) (10 + step), 0x004F);
                        b.events[0] = 0;
                }
        }
        RUN_UNTIL(&b, strstr(b.events, "c:replaced"));
        assert(o.n_done == 1 && o.state == REQUEST_GONE);
        assert(mux_get_state(b.mux) == MUX_READY && client_get_id(c.client) == 15);
        bench_expect_silence(&b);
        test_client_release(&c);
        answer_next(&b, CTL, 0, RELEASE, SUCCESS);
        bench_settle(&b);
        assert(TAILQ_FIRST(&b.mux->clients) == b.mux->ctl && !TAILQ_NEXT(b.mux->ctl, entry));
        bench_done(&b);
}

/* After a resume nothing is thrown away that is still there. */
static void test_check_by_order(void) {
        Outcome one = { .name = "one" }, two = { .name = "two" };
        TestClient a = {}, c = {};
        QmiMessage first;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &a, "a", NAS, 7);
        test_client_new_ready(&b, &c, "c", NAS, 8);
        (void) bench_request(&b, a.client, 0x004F, NULL, &one);
        first = *bench_next(&b);
        (void) bench_request(&b, c.client, 0x004F, NULL, &two);
        (void) bench_next(&b);

        mux_check(b.mux);
        mux_check(b.mux);
        bench_settle(&b);
        assert(streq(b.events, "")); /* the modem has not answered yet */
        bench_answer_version_info(&b);
        answer_next(&b, NAS, 7, CHECK, SUCCESS);
        answer_next(&b, NAS, 8, CHECK, INVALID_CLIENT_ID);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_READY);
        bench_answer(&b, &first, SUCCESS);
        bench_answer_allocation(&b, NAS, 9);
        RUN_UNTIL(&b, strstr(b.events, "c:replaced"));
        assert(streq(b.events, "checking two:gone ready one:answered c:replaced ") ||
               streq(b.events, "checking ready two:gone one:answered c:replaced "));
        bench_expect_silence(&b);
        test_client_release(&a);
        test_client_release(&c);
        bench_done(&b);
}

/* CTL answers before all services are there, and says so. */
static void test_service_comes_late(void) {
        const uint8_t tlvs[] = {
                0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, /* result: success */
                0x01, 0x06, 0x00, 0x01,                   /* one service: */
                0x00, 0x01, 0x00, 0x05, 0x00,             /* CTL 1.5 */
        };
        const MuxService *services;
        TestClient c = {};
        QmiMessage m;
        Bench b;

        bench_init_ready(&b);
        b.mux->recover_min_usec = 1;
        test_client_new_ready(&b, &c, "c", LOC, 7);
        bench_tell_sync(&b);
        m = *next_is(&b, CTL, 0, GET_VERSION_INFO);
        m.type = QMI_RESPONSE;
        m.tlvs = tlvs;
        m.n_tlvs = sizeof(tlvs);
        bench_tell_message(&b, &m);
        answer_next(&b, LOC, 7, CHECK, INVALID_CLIENT_ID);
        RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_READY);
        assert(!mux_has_service(b.mux, LOC));
        bench_answer_version_info(&b); /* of which it was asked again */
        answer_next(&b, CTL, 0, ALLOCATE, INTERNAL);
        bench_answer_allocation(&b, LOC, 1);
        RUN_UNTIL(&b, strstr(b.events, "c:replaced"));
        assert(strstr(b.events, "resetting checking ready ready "));
        assert(mux_get_services(b.mux, &services) == 4 && mux_has_service(b.mux, LOC));
        bench_expect_silence(&b);
        test_client_release(&c);
        bench_done(&b);
}

/* The answer to an allocation that nobody waits for comes when the modem cannot be told anything. */
static void test_stray_id(void) {
        TestClient c = {};
        QmiMessage asked;
        Bench b;

        bench_init_ready(&b);
        test_client_new(&b, &c, "c", NAS);
        asked = *next_is(&b, CTL, 0, ALLOCATE);
        bench_tell_sync(&b);
        RUN_UNTIL(&b, client_get_state(c.client) == CLIENT_ENDED);
        test_client_release(&c);
        asked.type = QMI_RESPONSE;
        asked.tlvs = (const uint8_t[]){ 0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, NAS, 8 };
        asked.n_tlvs = 12;
        bench_tell_message(&b, &asked);
        bench_settle(&b);
        bench_answer_version_info(&b);
        answer_next(&b, NAS, 8, CHECK, SUCCESS);
        answer_next(&b, CTL, 0, RELEASE, SUCCESS);
        bench_expect_silence(&b);
        assert(TAILQ_FIRST(&b.mux->clients) == b.mux->ctl && !TAILQ_NEXT(b.mux->ctl, entry));
        bench_done(&b);
}

/* Ids that nobody knows of are taken back with Sync, where that is allowed; those that are held are not. */
static void test_sync_when_ids_have_leaked(void) {
        TestClient a = {}, c = { .release_on_end = true };
        Bench b;

        bench_init_ready(&b);
        b.may_sync = true;
        test_client_new_ready(&b, &a, "a", NAS, 7);
        test_client_new(&b, &c, "c", NAS);
        answer_next(&b, CTL, 0, ALLOCATE, EXHAUSTED);
        RUN_UNTIL(&b, !c.client);
        bench_expect_silence(&b);

        test_client_new_ready(&b, &c, "c", NAS, 8);
        test_client_release(&c);
        answer_next(&b, CTL, 0, RELEASE, SUCCESS);
        bench_settle(&b);
        b.events[0] = 0;
        test_client_new(&b, &c, "c", NAS);
        answer_next(&b, CTL, 0, ALLOCATE, EXHAUSTED); /* although it had two before */
        RUN_UNTIL(&b, !c.client);
        answer_next(&b, CTL, 0, SYNC, SUCCESS);
        bench_answer_version_info(&b);
        answer_next(&b, NAS, 7, CHECK, INVALID_CLIENT_ID);
        bench_answer_allocation(&b, NAS, 1);
        RUN_UNTIL(&b, strstr(b.events, "a:replaced"));
        assert(streq(b.events, "exhausted:03 c:allocated:5 resetting checking ready a:replaced "));
        bench_expect_silence(&b);
        test_client_release(&a);
        bench_done(&b);
}

int main(void) {
        test_check();
        test_check_answers();
        test_check_window();
        test_shared();
        test_back_off();
        test_replay();
        test_replay_of_what_began();
        test_reset_while_replaying();
        test_storm();
        test_check_by_order();
        test_service_comes_late();
        test_stray_id();
        test_sync_when_ids_have_leaked();
}
