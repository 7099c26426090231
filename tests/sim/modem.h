/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client-ids.h"
#include "counters.h"
#include "data-format.h"
#include "faults.h"
#include "link.h"
#include "replay.h"
#include "rules.h"
#include "sessions.h"
#include "timeline.h"

/* The simulated modem: takes requests, answers them by its scenario, sends indications. */

#define CTL_GET_VERSION_INFO 0x0021
#define CTL_ALLOCATE         0x0022
#define CTL_RELEASE          0x0023
#define CTL_REVOKE           0x0024
#define CTL_INVALID          0x0025
#define CTL_SYNC             0x0027

typedef struct ModemService {
        bool present;
        uint16_t major, minor;
} ModemService;

struct Modem {
        sd_event *event;
        Link *link;
        void (*on_change)(void *userdata); /* a counter or the table of clients changed */
        void (*on_state)(void *userdata);  /* perhaps the data path did; before this is answered */
        void *userdata;

        ModemService services[0x100];
        ClientIds ids;
        Answers answers;
        Rules rules;
        Timeline timeline;
        Replay replay;
        Faults faults;
        Counters counters;
        Sessions sessions;
        DataFormat format;
        uint64_t latency_usec;
        uint16_t indication_transaction;
        bool services_off;
        bool log;
};

/* A request while it is handled, for the rules. */
struct Exchange {
        const QmiMessage *request;
        Answer *answer;
        const Value *decoded;
        uint16_t error; /* set by `fail` */
        bool has_values, is_unanswered;
        Entries values; /* instead of the answer's own */
        struct {
                uint8_t *frame;
                size_t n_frame;
        } * after; /* indications: they go out behind the response */
        size_t n_after;
};

typedef enum ModemTarget {
        TARGET_REGISTERED, /* each client that registered for it */
        TARGET_ALL,        /* once, to client id 0xFF */
        TARGET_CLIENT,
} ModemTarget;

int modem_init(Modem *m, sd_event *event, const char *path);
void modem_done(Modem *m);

/* Takes the keys of answers.h, and those of the modem as a whole:
 *
 *   ctl.services.nas = 1.25     it has this service, in this version; "none" takes it away
 *   ctl.pool = 10               client ids per service; ctl.pool.nas = 2 for one service
 *   ctl.latency = 5ms           of every answer that has none of its own
 *   ctl.vendor = 0x1199         USB vendor: chooses among messages of the schema
 *   data.…                      sessions.h, data-format.h */
int modem_set(Modem *m, const char *key, const char *text, unsigned line, char **ret_error);

int modem_parse_service(Modem *m, const char *text, uint16_t *ret, char **ret_error);

int modem_send_indication(Modem *m, Exchange *x, const MessageRef *ref, ModemTarget target, uint8_t client,
                          const Entries *extra, char **ret_error);
/* Sync, revoke and invalid-client-id: the modem's own words about client ids. */
int modem_send_ctl(Modem *m, uint16_t id, const uint8_t *tlvs, size_t n_tlvs);
/* The modem starts anew: it knows no client id any more, answers nothing that it was asked, and says so. */
int modem_reset(Modem *m);
/* It was plugged in: all that it knew is gone. `interface`: the number of its USB interface. */
int modem_restart(Modem *m, uint8_t interface);
/* Lets those know who follow the data path. */
void modem_tell_state(Modem *m);
int modem_send_recorded_indications(Modem *m);
int modem_respond(Modem *m, const QmiMessage *request, uint16_t error, const TlvWriter *w,
                  uint64_t delay_usec);
uint64_t modem_get_latency(Modem *m, const Answer *answer);

/* ctl.c: what the table of client ids answers for. 1 if it was handled, 0 if it is like any other message.
 */
int ctl_handle(Modem *m, const QmiMessage *request);
