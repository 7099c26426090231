/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "modem-side.h"
#include "modem/session-internal.h"
#include "notation.h"
#include "unit.h"

/* A device with sessions and, in the same process and event loop, its modem, link and network interface. A
 * test says what the modem is asked, in order, and what it answers. CTL answers by itself; the daemon's own
 * clients, WDS's, NAS's and UIM's, are the first of their services: id 1, so that a session's have 2 and 3.
 */

#define RECEIVED_MAX 128

typedef struct Received {
        uint8_t *frame;
        QmiMessage message; /* its TLVs point into the frame */
} Received;

enum {
        WITH_UIM = 1 << 0,
        WITH_NAS = 1 << 1,
        WITH_DMS = 1 << 2,
        WITH_LINK = 1 << 3,
        WITHOUT_WDS = 1 << 4,
};

typedef struct Bench {
        sd_event *event;
        unsigned with;

        ModemSide modem;
        Received received[RECEIVED_MAX];
        size_t n_received, n_taken;
        uint8_t n_ids[0x100];
        bool deaf;            /* CTL: to what asks for services, or for an id */
        bool forgets;         /* the clients of sessions, when it is asked in a check */
        uint16_t no_id_error; /* of allocations for sessions; 0: they get one */

        Device *device;
        Session *session;
        bool free_on_end;
        char events[8192]; /* of the session, one line each */
        Packer device_state, session_state;
} Bench;

void bench_init(Bench *b, unsigned with);
void bench_done(Bench *b);

/* Runs the loop until it holds; a test that would wait for ever fails. */
void bench_turn(Bench *b);
#define RUN_UNTIL(b, condition)        \
        do {                           \
                while (!(condition))   \
                        bench_turn(b); \
        } while (false)
/* Runs the loop until nothing is left to do but wait. */
void bench_settle(Bench *b);

extern const SessionOps session_ops;
/* A session with these options; it must be taken. */
void bench_connect(Bench *b, const SessionOptions *o);
/* For the APN "internet", in both families or one. */
SessionOptions both(void);
SessionOptions only(SessionFamily f);

/* What the modem is asked next: "wds 2 set-ip-family {ip_family: 'ipv4'}". */
const QmiMessage *bench_expect(Bench *b, const char *request);
void bench_expect_silence(Bench *b);
/* Answers it. `dict`: "{packet_data_handle: u7}"; NULL: nothing but the result. */
void bench_answer(Bench *b, const QmiMessage *request, const char *error, const char *dict);
/* Both. `error`: the symbol of a QMI protocol error; NULL: success. */
void bench_say(Bench *b, const char *request, const char *error, const char *dict);
/* For client `id` of WDS, or all. */
void bench_indicate(Bench *b, uint8_t id, const char *indication, const char *dict);
void bench_tell_sync(Bench *b);
void bench_hang_up(Bench *b);

/* What has happened to the session since the last time, and must be just that. Turns the loop until there is
 * as much of it. */
void bench_events(Bench *b, const char *events);

/* That is among it. */
void bench_has(Bench *b, const char *event);

/* Of a family, without a mux or a profile, to the start; its client is `id`. */
void bench_to_start(Bench *b, SessionFamily f, uint8_t id);
/* It is up, with addresses. */
void bench_bring_up(Bench *b, SessionFamily f, uint8_t id);
#define SETTINGS_IPV4                                                                               \
        "{ipv4_primary_dns: '192.0.2.53', ipv4_address: '192.0.2.42', ipv4_gateway: '192.0.2.41', " \
        "ipv4_netmask: '255.255.255.252', mtu: u1420}"
#define SETTINGS_IPV6                                                                               \
        "{ipv6_address: {address: '2001:db8:42::2a', prefix_length: y64}, ipv6_gateway: {address: " \
        "'fe80::1', "                                                                               \
        "prefix_length: y64}, ipv6_primary_dns: '2001:db8::53', mtu: u1420}"
/* What the modem is asked by the client with that id. */
#define START(id) "wds " id " start-network {apn: 'internet', profile_index_3gpp: y1}"
#define SETTINGS(id)                                                                                     \
        "wds " id " get-current-settings {settings: [s: 'dns_address', 'ip_address', 'gateway', 'mtu', " \
        "'ip_family']}"
#define STATUS(id)    "wds " id " get-packet-service-status {}"
#define STOP_IPV4(id) "wds " id " stop-network {packet_data_handle: u4}"
#define STOP_IPV6(id) "wds " id " stop-network {packet_data_handle: u6}"
/* A session that is connected, in that family or both, and nothing more is to be told. */
void bench_connected(Bench *b, const SessionOptions *o);
/* A new bench with a session of IPv4 that was up before; its client is 2. */
void bench_adopted(Bench *b, unsigned with);

/* Another daemon goes on; after a crash with what was saved last. The session is restored, and the device
 * opened. */
void bench_restart(Bench *b, bool crashed);
/* What this one would leave behind. */
void bench_save(Bench *b);

/* ---- the fakes of test-session-link.c ---- */

extern Net *fake_net;
extern LinkResult fake_link_result; /* of the next uses, from the event loop */
extern const char *fake_problem;    /* of the configuration */
extern bool fake_link_silent;       /* it does not come */
extern char fake_events[1024];      /* what was asked of link and configuration, one word each */
void fake_reset(sd_event *event);
