/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "modem-side.h"
#include "mux/mux-internal.h"
#include "util/pack.h"

/* A mux and, in the same process and event loop, the modem that it talks to through a unix socket. The modem
 * answers nothing by itself: a test says what it expects to arrive and what is sent back, byte for byte
 * where bytes matter. */

#define RECEIVED_MAX 512

typedef struct Received {
        uint8_t *frame;
        QmiMessage message; /* its TLVs point into the frame */
} Received;

typedef struct StateRecord {
        MuxState state;
        char reason[128];
} StateRecord;

typedef struct Bench {
        sd_event *event;
        ModemSide modem;
        Received received[RECEIVED_MAX];
        size_t n_received, n_taken;

        Mux *mux;
        StateRecord states[64];
        size_t n_states;
        bool (*on_exhausted)(struct Bench *b, uint16_t service); /* NULL: nothing can be released */
        char events[4096]; /* what was called back, one word each, in order */
        Packer saved;      /* what the mux last asked to be saved */
        unsigned n_saves, n_silent_long;
        bool may_sync;
} Bench;

/* A directory and a mux for a socket in it that nobody listens on yet. */
void bench_init(Bench *b);
void bench_done(Bench *b);
/* After mux_free(): another one, which is not opened yet. */
void bench_new_mux(Bench *b);
void bench_listen(Bench *b);
/* Both, and the modem has said its services: CTL, DMS, NAS, LOC. The CTL transaction is 1. */
void bench_init_ready(Bench *b);
void bench_hang_up(Bench *b);
/* Another mux goes on with the connection, and with what was saved: by the mux at its own will, or, after a
 * crash, when it last asked for it. It is not opened yet. */
void bench_restart(Bench *b, bool crashed);
void bench_answer_version_info(Bench *b);
void bench_note(Bench *b, const char *format, ...) _printf_(2, 3);

/* Runs the loop until it holds; a test that would wait for ever fails. */
void bench_turn(Bench *b);
#define RUN_UNTIL(b, condition)        \
        do {                           \
                while (!(condition))   \
                        bench_turn(b); \
        } while (false)
/* Runs the loop until nothing is left to do but wait. */
void bench_settle(Bench *b);

/* The next frame that the modem gets. */
const QmiMessage *bench_next(Bench *b);
void bench_expect(Bench *b, const uint8_t *frame, size_t n_frame);
void bench_expect_silence(Bench *b);
void bench_tell(Bench *b, const uint8_t *bytes, size_t n_bytes);
#define EXPECT(b, ...) \
        bench_expect(b, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))
#define TELL(b, ...) \
        bench_tell(b, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* Where bytes do not matter: an answer (or, with another type or client, whatever it makes of it). */
void bench_tell_message(Bench *b, const QmiMessage *message);
void bench_answer(Bench *b, const QmiMessage *request, uint16_t error);
/* The next frame must be an allocation, and gets that id. */
void bench_answer_allocation(Bench *b, uint16_t service, uint8_t id);
/* The modem says that it has started anew. */
void bench_tell_sync(Bench *b);

/* What became of a request. */
typedef struct Outcome {
        Bench *bench;
        const char *name; /* in the record of events */
        unsigned n_done;
        RequestState state;
        uint16_t error;
        bool has_response, has_indication;
        QmiMessage response, indication;
        uint8_t bytes[64]; /* the response's TLVs, as far as they fit */
} Outcome;

void outcome_done(const RequestOutcome *outcome, void *userdata);
/* A request of client `c` in its owner's name; it must be taken. */
Request *bench_request(Bench *b, Client *c, uint16_t message, const SchemaMessage *schema, Outcome *o);
Request *bench_request_tlvs(Bench *b, Client *c, uint16_t message, const SchemaMessage *schema,
                            const uint8_t *tlvs, size_t n_tlvs, uint64_t timeout_usec, Outcome *o);

/* In the turn of `requester`, on a shared client. */
Request *bench_request_of(Bench *b, Client *c, const Owner *requester, uint16_t message, Outcome *o);

/* A client that says what happens to it in the record of events. */
typedef struct TestClient {
        Bench *bench;
        const char *name;
        Client *client;
        Owner owner;
        bool release_on_indication;
        bool release_on_end;
        struct TestClient *victim; /* released in the same callback */
} TestClient;

void test_client_new(Bench *b, TestClient *t, const char *name, uint16_t service);
/* And has an id. */
void test_client_new_ready(Bench *b, TestClient *t, const char *name, uint16_t service, uint8_t id);
void test_client_release(TestClient *t);
/* After bench_restart(). */
void test_client_adopt(Bench *b, TestClient *t, uint32_t key);

/* Of the schema that the tests bring, mux-nas.toml, mux-dms.toml and mux-loc.toml. */
const SchemaMessage *row(const char *service, const char *message);
