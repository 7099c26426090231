/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/queue.h>

#include "mux/mux.h"

/* What the files of the mux know of each other.
 *
 * A Request is what somebody wants, a Transaction is what is on the wire. A request waits in its client's
 * queue until the windows let it out and then has a transaction; either may outlive the other: a request
 * that nobody waits for any more leaves its transaction behind, one that timed out leaves its transaction's
 * id taken. */

typedef struct Transaction Transaction;
typedef TAILQ_HEAD(RequestQueue, Request) RequestQueue;
typedef TAILQ_HEAD(ClientQueue, Client) ClientQueue;
typedef TAILQ_HEAD(TransactionQueue, Transaction) TransactionQueue;

#define FRAME_OVERHEAD     (QMUX_HEADER_SIZE + 7U) /* of a frame, with the longer message header */
#define CTL_WINDOW         4U
#define CTL_TIMEOUT_USEC   (5 * USEC_PER_SEC)
#define CTL_TRIES          3U                 /* of Get Version Info, until the modem is called silent; */
#define CTL_PROBE_MIN_USEC (5 * USEC_PER_SEC) /* then it is asked again at intervals that double */
#define CTL_PROBE_MAX_USEC (60 * USEC_PER_SEC)

/* The modem may answer long after the deadline, and that must not be taken for the answer to something
 * newer. So an id rests until its late answer comes, or so long; and so many ids per client. */
#define EXPIRED_USEC (300 * USEC_PER_SEC)
#define EXPIRED_MAX  32U

/* Answers to what was never asked. One is a modem's whim; so many within such a time are, as a rule, those
 * of another program that has the port open. */
#define UNASKED_MAX  3U
#define UNASKED_USEC (10 * USEC_PER_SEC)

/* ---- request.c ---- */

struct Request {
        TAILQ_ENTRY(Request) entry;
        RequestQueue *queue; /* the client's, or the mux's of failed ones; NULL while it has a transaction */
        Client *client;
        Transaction *transaction;
        const SchemaMessage *schema;
        uint16_t message;
        uint64_t timeout_usec;
        RequestDone done;
        void *userdata;
        RequestOutcome outcome; /* in the queue of failed ones */
        bool completing;        /* in its callback */
        size_t n_tlvs;
        uint8_t tlvs[];
};

/* Puts it on the wire, if it is at all possible; else it fails, later. */
void request_send(Request *r);
/* Takes it out of its queue or from its transaction and has it fail when the mux flushes. */
void request_fail(Request *r, RequestState state, uint16_t error);
/* The one that calls back. The request is gone afterwards. */
void request_complete(Request *r, const RequestOutcome *outcome);
void request_free(Request *r);

/* ---- transaction.c ---- */

typedef enum TransactionState {
        TRANSACTION_NEW,
        TRANSACTION_IN_FLIGHT, /* sent */
        TRANSACTION_RESULT,    /* answered; the result is to come as an indication */
        TRANSACTION_EXPIRED,   /* given up; its id rests */
        _TRANSACTION_STATE_MAX,
} TransactionState;

struct Transaction {
        TAILQ_ENTRY(Transaction) entry;  /* in its client */
        TAILQ_ENTRY(Transaction) active; /* in the mux, while it has a deadline */
        Client *client;
        Request *request; /* NULL: nobody waits */
        TransactionState state;
        uint16_t id, message;
        uint64_t deadline_usec; /* CLOCK_MONOTONIC; of an expired one: when its id is free again */
        QmiMessage response;    /* in state TRANSACTION_RESULT */
        uint8_t *response_tlvs;
};

/* Sends a message on a client, whatever the windows say. `request` may be NULL. 0, -ENOMEM. */
int transaction_new(Client *c, Request *request, uint16_t message, const uint8_t *tlvs, size_t n_tlvs,
                    uint64_t timeout_usec);
void transaction_free(Transaction *t);
/* The one that ends a transaction: with its answer, or without one at its deadline. */
void transaction_complete(Transaction *t, RequestState state, const QmiMessage *response,
                          const QmiMessage *indication);
/* A response that is its. */
void transaction_on_response(Transaction *t, const QmiMessage *m);
/* The one of a client that a response answers, expired or not; NULL. */
Transaction *transaction_find(Client *c, const QmiMessage *m);
/* The one of a client that an indication brings the result of; NULL. */
Transaction *transaction_find_result(Client *c, const QmiMessage *m);
void transaction_on_result(Transaction *t, const QmiMessage *m);
/* Whether the request's result could not be told from that of one that is under way: there is no token. */
bool transaction_stands_in_the_way(Client *c, const Request *r);
void transaction_on_deadline(Transaction *t);

/* ---- client.c ---- */

struct Client {
        TAILQ_ENTRY(Client) entry;
        TAILQ_ENTRY(Client) runnable_entry;
        TAILQ_ENTRY(Client) ending_entry;
        Mux *mux;
        uint16_t service;
        uint8_t id;
        ClientState state;
        const Owner *owner;
        const ClientOps *ops; /* NULL: nobody listens */
        void *userdata;

        bool shared;
        bool lingering; /* released by its owner, not yet at the modem */
        bool runnable;  /* in the mux's queue of those that may send */
        bool ending;    /* in the mux's queue of those whose end is to be told */
        uint64_t broadcast_serial;

        unsigned window, n_in_flight;
        RequestQueue requests;
        size_t n_waiting; /* requests in the queue, and those that wait for their result */
        TransactionQueue transactions;
        unsigned n_expired;
        Request *ctl_request; /* the allocation or the release under way */

        int allocation_error; /* why it ended, when it never began: as ClientOps.on_allocated; else 0 */
        const char *end_reason;

        uint64_t n_requests, since_usec;
};

int client_new_internal(Client **ret, Mux *m, uint16_t service, const Owner *owner, const ClientOps *ops,
                        void *userdata);
Client *client_free(Client *c);
DEFINE_CLEANUP(Client *, client_free)
/* It is given up, by whomever. */
void client_linger(Client *c);
/* The modem gave it an id. */
void client_start(Client *c, uint8_t id);
/* Ends it: whatever is under way fails with `state`, when the mux flushes, and its owner is told.
 * Allocation: `error` as ClientOps.on_allocated has it; else 0 and a reason, which must be a constant. A
 * lingering one is freed. */
void client_end(Client *c, RequestState state, int error, const char *reason);
void client_tell_end(Client *c);
/* Whether it may send the first of its requests, as far as it is concerned. */
bool client_can_send(Client *c);
/* After each change to what client_can_send() looks at. */
void client_update(Client *c);
/* It had its turn. */
void client_requeue(Client *c);
void client_on_indication(Client *c, const QmiMessage *m, bool broadcast);

/* ---- ctl.c ---- */

/* A lost notification leaves an answer stuck in the port until another frame comes, and then each is one
 * behind. A request without effect pushes: when one timed out, and, as long as answers lag, behind every
 * request. */
void ctl_push(Mux *m);
bool ctl_is_push(Client *c, uint16_t message);
/* Whether an answer is awaited, that to a push apart. */
bool mux_waits(Mux *m);

/* Makes the client that CTL requests run on. */
int ctl_new(Mux *m);
/* The port opened, or the modem started anew: asks what services it has. */
void ctl_start(Mux *m);
/* Calls off whatever is under way. */
void ctl_stop(Mux *m);
void ctl_on_timer(Mux *m, uint64_t now_usec);
int ctl_allocate(Client *c);
/* Gives the client's id back and frees the client, at once or when that is answered. */
void ctl_release(Client *c);
/* Gives an id back, past the window, and does not wait for an answer. */
void ctl_send_release(Mux *m, uint16_t service, uint8_t id);
void ctl_on_indication(Mux *m, const QmiMessage *message);
/* A response to a request that nobody waits for any more. */
void ctl_on_late_response(Mux *m, const QmiMessage *message);

/* ---- mux.c ---- */

/* Each is logged as a warning once, then for debugging only. */
typedef enum MuxOddity {
        MUX_ODDITY_MALFORMED,
        MUX_ODDITY_REQUEST,
        MUX_ODDITY_NO_CLIENT,
        MUX_ODDITY_NO_TRANSACTION,
        MUX_ODDITY_SHARED,
        MUX_ODDITY_LATE,
        MUX_ODDITY_UNROUTED,
        MUX_ODDITY_CTL,
        _MUX_ODDITY_MAX,
} MuxOddity;

struct Mux {
        sd_event *event;
        Port *port;
        uint16_t vendor;
        unsigned window;
        const MuxOps *ops;
        void *userdata;
        MuxTap tap; /* NULL: nobody looks */
        void *tap_userdata;
        Owner owner;

        MuxState state;
        char *reason;
        bool was_ready; /* ever */
        MuxService *services;
        size_t n_services;
        MuxStatistics statistics;
        bool oddities[_MUX_ODDITY_MAX];
        unsigned n_unasked; /* answers, since: */
        uint64_t unasked_usec;

        ClientQueue clients; /* CTL's among them */
        ClientQueue runnable;
        unsigned n_in_flight; /* without CTL's */
        uint64_t broadcast_serial;
        uint16_t next_transaction; /* one sequence for all, so that an id that changes hands does not start
                                      anew */

        TransactionQueue active;
        sd_event_source *timer;
        uint64_t timer_usec; /* UINT64_MAX: off */

        /* What has happened and is still to be told, from the event loop. */
        RequestQueue failed;
        ClientQueue ending;
        sd_event_source *flush;

        Client *ctl;
        uint8_t next_ctl_transaction;
        Request *probe; /* Get Version Info */
        unsigned n_probes;
        uint64_t probe_usec; /* when to ask again; UINT64_MAX: not */
        uint64_t probe_interval_usec;
        void (*on_released)(Mux *m, void *userdata); /* of mux_release_all() */
        void *released_userdata;

        Request *push;             /* Get Version Info that pushes out what is stuck */
        bool can_lag;              /* the port's; a variable for tests only */
        bool lags;                 /* an answer came so late that others may be stuck */
        uint64_t n_sent;           /* on other services, */
        uint64_t pushed_at;        /* and when the push was sent */
        uint64_t ctl_timeout_usec; /* these two are variables for tests only */
        uint64_t ctl_probe_min_usec;
};

/* The one writer of the state. Ends the clients when it leaves MUX_READY, then tells. From the event loop
 * only. */
void mux_set_state(Mux *m, MuxState state, const char *reason);
/* Takes the services over. */
void mux_set_ready(Mux *m, MuxService *services, size_t n_services);
uint64_t mux_now(Mux *m);
/* Sends what the windows let out. Calls nobody back. */
void mux_schedule(Mux *m);
/* Sees to it that the timer goes off at `usec` or before. */
void mux_arm_timer(Mux *m, uint64_t usec);
void mux_disarm_timer_if_idle(Mux *m);
/* Tells what failed and ended. From the event loop only. */
void mux_flush(Mux *m);
/* Has the event loop do that. */
void mux_flush_later(Mux *m);
Client *mux_find_client(Mux *m, uint16_t service, uint8_t id);
void mux_log_oddity(Mux *m, MuxOddity oddity, const char *format, ...) _printf_(3, 4);
