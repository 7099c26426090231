/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-mux-modem.h"

#define CTL 0x00
#define DMS 0x02
#define NAS 0x03
#define LOC 0x10

#define ALLOCATE 0x0022
#define RELEASE  0x0023
#define CHECK    0x001E
#define START    0x0040 /* of mux-nas.toml */
#define STOP     0x0041
#define REGISTER 0x0050 /* of mux-loc.toml */

static const uint8_t slot[] = { 0x01, 0x01, 0x00, 0x05 };
/* A success, and a handle that is to be stopped. */
static const uint8_t started[] = { 0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00,
                                   0x01, 0x04, 0x00, 0x44, 0x33, 0x22, 0x11 };

static const QmiMessage *next_is(Bench *b, uint16_t service, uint8_t client, uint16_t id) {
        const QmiMessage *m = bench_next(b);

        assert(m->service == service && m->client == client && m->id == id);
        return m;
}

static void answer_tlvs(Bench *b, const QmiMessage *request, const uint8_t *tlvs, size_t n_tlvs) {
        QmiMessage m = *request;

        m.type = QMI_RESPONSE;
        m.tlvs = tlvs;
        m.n_tlvs = n_tlvs;
        bench_tell_message(b, &m);
}

/* After a crash the modem is asked what it still knows. */
static void open_after_crash(Bench *b) {
        assert(mux_open(b->mux) == 0);
        while (mux_get_state(b->mux) == MUX_CHECKING) {
                const QmiMessage *m = bench_next(b);

                assert(m->id == CHECK);
                bench_answer(b, m, 0);
                bench_settle(b);
        }
        assert(mux_get_state(b->mux) == MUX_READY);
}

static void start(Bench *b, Client *c) {
        Outcome o = {};

        (void) bench_request_tlvs(b, c, START, NULL, slot, sizeof(slot), 0, &o);
        answer_tlvs(b, bench_next(b), started, sizeof(started));
        RUN_UNTIL(b, o.n_done > 0);
}

static void stop_is_next(Bench *b, uint8_t client) {
        static const uint8_t tlvs[] = { 0x01, 0x04, 0x00, 0x44, 0x33, 0x22, 0x11, /* the handle */
                                        0x02, 0x01, 0x00, 0x05 };                 /* the slot */
        const QmiMessage *m = next_is(b, NAS, client, STOP);

        assert(m->n_tlvs == sizeof(tlvs) && memcmp(m->tlvs, tlvs, sizeof(tlvs)) == 0);
}

/* The same ids, owners and counts; nothing is asked again. */
static void test_restart(void) {
        TestClient a = {}, c = {};
        Outcome o = { .name = "o" };
        const MuxService *services;
        MuxStatistics before, after;
        uint64_t n_requests, since;
        uint32_t key, key_c;
        uint16_t transaction;
        Client *shared;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &a, "a", NAS, 7);
        test_client_new_ready(&b, &c, "c", LOC, 9);
        assert(mux_get_shared_client(b.mux, DMS, &shared) == 0);
        bench_answer_allocation(&b, DMS, 3);
        (void) bench_request(&b, a.client, 0x004F, NULL, &o);
        bench_answer(&b, bench_next(&b), 0);
        RUN_UNTIL(&b, o.n_done == 1);
        transaction = b.received[b.n_taken - 1].message.transaction;
        key = client_get_key(a.client);
        key_c = client_get_key(c.client);
        n_requests = client_get_n_requests(a.client);
        since = client_get_since_usec(a.client);
        mux_get_statistics(b.mux, &before);
        assert(key != 0 && key != key_c);

        bench_restart(&b, false);
        assert(mux_get_services(b.mux, &services) == 4 && services[2].id == NAS);
        mux_get_statistics(b.mux, &after);
        assert(memcmp(&before, &after, sizeof(before)) == 0);
        assert(!mux_adopt_client(b.mux, key + 1000, &a.owner, NULL, NULL));
        test_client_adopt(&b, &a, key);
        assert(!mux_adopt_client(b.mux, key, &c.owner, NULL, NULL)); /* it is somebody's already */
        test_client_adopt(&b, &c, key_c);
        mux_release_orphans(b.mux);
        assert(mux_open(b.mux) == 0);
        assert(mux_get_state(b.mux) == MUX_READY); /* at once */
        bench_expect_silence(&b);
        assert(streq(b.events, "ready "));

        assert(client_get_id(a.client) == 7 && client_get_service(a.client) == NAS);
        assert(client_get_n_requests(a.client) == n_requests && client_get_since_usec(a.client) == since);
        assert(request_new(NULL, a.client, &c.owner, &(RequestSpec){}) == -EPERM);
        (void) bench_request(&b, a.client, 0x004F, NULL, &o);
        (void) next_is(&b, NAS, 7, 0x004F);
        assert(b.received[b.n_taken - 1].message.transaction == transaction + 1);
        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
        RUN_UNTIL(&b, o.n_done == 2);
        TELL(&b, 0x01, 0x0C, 0x00, 0x80, LOC, 0x09, 0x04, 0x01, 0x00, 0x51, 0x00, 0x00, 0x00);
        bench_settle(&b);
        assert(strstr(b.events, "c:indication:0051"));

        /* The id that all share is there, too. */
        assert(mux_get_shared_client(b.mux, DMS, &shared) == 0);
        assert(client_get_id(shared) == 3 && client_get_owner(shared) == mux_get_owner(b.mux));
        bench_expect_silence(&b);

        /* Keys are not given twice. */
        test_client_release(&a);
        bench_answer(&b, next_is(&b, CTL, 0, RELEASE), 0);
        test_client_new_ready(&b, &a, "a", NAS, 7);
        assert(client_get_key(a.client) > key_c && client_get_key(a.client) != key);
        test_client_release(&a);
        test_client_release(&c);
        bench_done(&b);
}

/* Nobody adopts it: it is cleaned up after, as after its owner. So is one that was about to go. */
static void test_orphans(void) {
        TestClient a = {}, c = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &a, "a", NAS, 7);
        start(&b, a.client);
        test_client_new_ready(&b, &c, "c", NAS, 8);
        test_client_release(&c);
        (void) next_is(&b, CTL, 0, RELEASE); /* and the daemon goes before the answer */

        bench_restart(&b, false);
        mux_release_orphans(b.mux);
        bench_expect_silence(&b); /* the port is not open */
        assert(mux_open(b.mux) == 0);
        for (unsigned i = 0; i < 2; i++) {
                const QmiMessage *m = bench_next(&b);

                if (m->service == CTL) {
                        assert(m->id == RELEASE && m->tlvs[4] == 8);
                        bench_answer(&b, m, 7 /* invalid client id */);
                } else {
                        b.n_taken--;
                        stop_is_next(&b, 7);
                        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
                }
        }
        bench_answer(&b, next_is(&b, CTL, 0, RELEASE), 0);
        bench_settle(&b);
        assert(TAILQ_FIRST(&b.mux->clients) == b.mux->ctl && !TAILQ_NEXT(b.mux->ctl, entry));
        bench_expect_silence(&b);
        bench_done(&b);
}

/* What a client registered for is known after the restart. */
static void test_registrations(void) {
        static const uint8_t tlvs[] = { 0x10, 0x01, 0x00, 0x01 };
        TestClient c = {};
        Outcome o = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", LOC, 7);
        (void) bench_request_tlvs(&b, c.client, REGISTER, NULL, tlvs, sizeof(tlvs), 0, &o);
        bench_answer(&b, bench_next(&b), 0);
        RUN_UNTIL(&b, o.n_done > 0);
        bench_settle(&b);

        bench_restart(&b, true); /* it was saved by itself */
        test_client_adopt(&b, &c, client_get_key(TAILQ_NEXT(b.mux->ctl, entry)));
        open_after_crash(&b);
        bench_tell_sync(&b);
        bench_answer_version_info(&b);
        bench_answer(&b, next_is(&b, LOC, 7, CHECK), 7 /* invalid client id */);
        bench_answer_allocation(&b, LOC, 8);
        assert(next_is(&b, LOC, 8, REGISTER)->n_tlvs == sizeof(tlvs));
        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
        RUN_UNTIL(&b, strstr(b.events, "c:replaced"));
        test_client_release(&c);
        bench_done(&b);
}

/* An id is saved before it is used. */
static void test_saved_before_use(void) {
        TestClient c = {};
        Outcome o = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new(&b, &c, "c", NAS);
        (void) bench_request(&b, c.client, 0x004F, NULL, &o);
        bench_answer_allocation(&b, NAS, 7);
        (void) next_is(&b, NAS, 7, 0x004F);
        bench_restart(&b, true);
        mux_release_orphans(b.mux);
        open_after_crash(&b);
        bench_answer(&b, next_is(&b, CTL, 0, RELEASE), 0);
        bench_expect_silence(&b);
        bench_done(&b);
}

/* A call is set up while the daemon is killed: nobody knows of it, so it ends. */
static void test_late_success(void) {
        TestClient c = {};
        QmiMessage m;
        Outcome o = {};
        Bench b;

        for (unsigned crashed = 0; crashed < 2; crashed++) {
                bench_init_ready(&b);
                test_client_new_ready(&b, &c, "c", NAS, 7);
                (void) bench_request_tlvs(&b, c.client, START, NULL, slot, sizeof(slot), 0, &o);
                m = *next_is(&b, NAS, 7, START);
                bench_restart(&b, crashed);
                test_client_adopt(&b, &c, client_get_key(TAILQ_NEXT(b.mux->ctl, entry)));
                open_after_crash(&b);
                answer_tlvs(&b, &m, started, sizeof(started));
                stop_is_next(&b, 7);
                bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
                bench_expect_silence(&b);
                assert(b.mux->n_started == 0 && client_get_state(c.client) == CLIENT_READY);
                test_client_release(&c);
                bench_done(&b);
        }
        assert(o.n_done == 0);
}

/* The same where the result is an indication, and the daemon is killed between the two. */
static void test_late_result(void) {
        static const uint8_t status[] = { 0x01, 0x01, 0x00, 0x00 };
        const SchemaMessage *track = row("nas", "track");
        TestClient c = {};
        Outcome o = {};
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", NAS, 7);
        (void) bench_request(&b, c.client, track->id, track, &o);
        bench_answer(&b, bench_next(&b), 0);
        RUN_UNTIL(&b, c.client->n_results > 0);
        bench_restart(&b, false);
        test_client_adopt(&b, &c, client_get_key(TAILQ_NEXT(b.mux->ctl, entry)));
        assert(mux_open(b.mux) == 0);
        bench_tell_message(&b, &(QmiMessage){ .service = NAS,
                                              .client = 7,
                                              .type = QMI_INDICATION,
                                              .id = track->id,
                                              .tlvs = status,
                                              .n_tlvs = sizeof(status) });
        (void) next_is(&b, NAS, 7, schema_messages[track->undo].id);
        assert(o.n_done == 0 && !strstr(b.events, "indication"));
        test_client_release(&c);
        bench_done(&b);
}

/* Transaction ids of the other half; answers to the first half are nobody's, and no sign of anybody else. */
static void test_crash(void) {
        QmiMessage asked[UNASKED_MAX + 2];
        TestClient c = {};
        Outcome o = {}, never = {};
        uint32_t key;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &c, "c", NAS, 7);
        key = client_get_key(c.client);
        for (size_t i = 0; i < ELEMENTSOF(asked); i++) {
                Request *r = bench_request(&b, c.client, 0x004F, NULL, &never);

                asked[i] = *bench_next(&b);
                assert(asked[i].transaction < 0x8000);
                r = request_cancel(r);
                /* Its wire is free for the next one. */
                transaction_free(TAILQ_FIRST(&c.client->transactions));
                mux_schedule(b.mux);
        }
        bench_settle(&b);

        bench_restart(&b, true);
        test_client_adopt(&b, &c, key);
        open_after_crash(&b);
        bench_settle(&b);
        (void) bench_request(&b, c.client, 0x004F, NULL, &o);
        assert(next_is(&b, NAS, 7, 0x004F)->transaction >= 0x8000);
        for (size_t i = 0; i < ELEMENTSOF(asked); i++)
                bench_answer(&b, &asked[i], 0);
        bench_settle(&b);
        assert(o.n_done == 0);
        assert(!b.mux->oddities[MUX_ODDITY_SHARED] && !b.mux->oddities[MUX_ODDITY_NO_TRANSACTION]);
        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
        RUN_UNTIL(&b, o.n_done > 0);

        /* An id that was asked for before the crash. */
        answer_tlvs(&b, &(QmiMessage){ .id = ALLOCATE, .transaction = 0x44 },
                    (const uint8_t[]){ 0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, NAS, 8 },
                    12);
        assert(next_is(&b, CTL, 0, RELEASE)->tlvs[4] == 8);
        assert(b.received[b.n_taken - 1].message.transaction >= 0x80);
        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
        /* One that was asked for, given and saved. */
        answer_tlvs(&b, &(QmiMessage){ .id = ALLOCATE, .transaction = 0x45 },
                    (const uint8_t[]){ 0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, NAS, 7 },
                    12);
        bench_expect_silence(&b);

        /* In time they are as odd as any. */
        b.mux->crashed_usec = 1;
        bench_answer(&b, &asked[0], 0);
        bench_settle(&b);
        assert(b.mux->oddities[MUX_ODDITY_NO_TRANSACTION]);

        /* The next crash changes the halves again. */
        bench_restart(&b, true);
        test_client_adopt(&b, &c, key);
        open_after_crash(&b);
        (void) bench_request(&b, c.client, 0x004F, NULL, &o);
        assert(next_is(&b, NAS, 7, 0x004F)->transaction < 0x8000);
        assert(never.n_done == 0);
        test_client_release(&c);
        bench_done(&b);
}

/* The modem goes before anybody has adopted: what has happened is told then. */
static void test_lost_before_adoption(void) {
        TestClient a = {}, c = {};
        uint32_t key_a, key_c;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &a, "a", NAS, 7);
        test_client_new_ready(&b, &c, "c", NAS, 8);
        start(&b, a.client);
        key_a = client_get_key(a.client);
        key_c = client_get_key(c.client);
        bench_restart(&b, false);
        assert(mux_open(b.mux) == 0);
        bench_tell_sync(&b);
        bench_answer_version_info(&b);
        bench_answer(&b, next_is(&b, NAS, 7, CHECK), 7 /* invalid client id */);
        bench_answer(&b, next_is(&b, NAS, 8, CHECK), 7 /* invalid client id */);
        bench_answer_allocation(&b, NAS, 1);
        bench_settle(&b);
        b.events[0] = 0;
        test_client_adopt(&b, &a, key_a);
        test_client_adopt(&b, &c, key_c);
        assert(streq(b.events, ""));
        bench_settle(&b);
        assert(streq(b.events, "a:ended c:replaced "));
        test_client_release(&a);
        test_client_release(&c);
        bench_done(&b);
}

/* Ids are lost, and nobody knows which: Sync, where it may be sent. */
static void test_open_lost(void) {
        Bench b;

        for (unsigned may = 0; may < 2; may++) {
                bench_init(&b);
                b.mux = mux_free(b.mux);
                b.events[0] = 0;
                bench_new_mux(&b);
                b.may_sync = may;
                assert(mux_open_lost(b.mux) == 0);
                bench_listen(&b);
                bench_answer_version_info(&b);
                if (may) {
                        (void) next_is(&b, CTL, 0, 0x0027);
                        bench_tell_sync(&b);
                        bench_answer(&b, &b.received[b.n_taken - 1].message, 0);
                        bench_answer_version_info(&b);
                }
                RUN_UNTIL(&b, mux_get_state(b.mux) == MUX_READY);
                bench_expect_silence(&b);
                bench_done(&b);
        }
}

/* What was not written by the mux is refused, and leaves nothing behind. */
static void test_nonsense(void) {
        TestClient a = {}, c = {};
        _cleanup_free_ uint8_t *copy = NULL;
        Packer saved;
        Outcome o = {};
        Unpacker u;
        Bench b;

        bench_init_ready(&b);
        test_client_new_ready(&b, &a, "a", NAS, 7);
        start(&b, a.client);
        (void) bench_request_tlvs(&b, a.client, START, NULL, slot, sizeof(slot), 0, &o);
        (void) next_is(&b, NAS, 7, START);
        test_client_new_ready(&b, &c, "c", LOC, 9);
        (void) bench_request(&b, c.client, REGISTER, NULL, &o);
        bench_answer(&b, bench_next(&b), 0);
        RUN_UNTIL(&b, o.n_done > 0);
        bench_settle(&b);
        saved = b.saved;
        b.saved = PACKER_INIT;
        test_client_release(&a);
        test_client_release(&c);
        b.mux = mux_free(b.mux);

        copy = malloc(saved.size);
        assert(copy);
        for (size_t n = 0; n < saved.size; n++) {
                bench_new_mux(&b);
                memcpy(copy, saved.data, n);
                unpacker_init(&u, copy, n);
                assert(mux_restore(b.mux, &u, n % 2) == -EBADMSG);
                assert(TAILQ_FIRST(&b.mux->clients) == b.mux->ctl && !TAILQ_NEXT(b.mux->ctl, entry));
                assert(mux_get_services(b.mux, &(const MuxService *){ NULL }) == 0);
                assert(b.mux->n_started == 0);
                b.mux = mux_free(b.mux);
        }
        for (size_t i = 0; i < 8 * saved.size; i++) {
                bench_new_mux(&b);
                memcpy(copy, saved.data, saved.size);
                copy[i / 8] ^= (uint8_t) (1U << i % 8);
                unpacker_init(&u, copy, saved.size);
                if (mux_restore(b.mux, &u, false) < 0)
                        assert(TAILQ_FIRST(&b.mux->clients) == b.mux->ctl && !TAILQ_NEXT(b.mux->ctl, entry));
                else
                        mux_release_orphans(b.mux);
                b.mux = mux_free(b.mux);
        }
        packer_done(&saved);
        bench_done(&b);
}

int main(void) {
        test_restart();
        test_orphans();
        test_registrations();
        test_saved_before_use();
        test_late_success();
        test_late_result();
        test_crash();
        test_lost_before_adoption();
        test_open_lost();
        test_nonsense();
}
