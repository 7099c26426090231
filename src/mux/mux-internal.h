/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/queue.h>

#include "mux/mux.h"
#include "mux/pin-memory.h"
#include "qmi/tlv.h"

/* What the files of the mux know of each other.
 *
 * A Request is what somebody wants, a Transaction is what is on the wire. A request waits in a Lane, that of
 * its requester on its client, until the windows let it out and then has a transaction; either may outlive
 * the other: a request that nobody waits for any more leaves its transaction behind, one that timed out
 * leaves its transaction's id taken. Equal requests that are asked once make a Query. What succeeded, and is
 * to be undone when its owner goes, leaves a Started behind. */

typedef struct Transaction Transaction;
typedef struct Lane Lane;
typedef struct Query Query;
typedef struct Started Started;
typedef struct Registration Registration;
typedef struct GuardCheck GuardCheck;
typedef TAILQ_HEAD(RequestQueue, Request) RequestQueue;
typedef TAILQ_HEAD(ClientQueue, Client) ClientQueue;
typedef TAILQ_HEAD(TransactionQueue, Transaction) TransactionQueue;
typedef TAILQ_HEAD(LaneQueue, Lane) LaneQueue;
typedef TAILQ_HEAD(StartedQueue, Started) StartedQueue;

#define FRAME_OVERHEAD     (QMUX_HEADER_SIZE + 7U) /* of a frame, with the longer message header */
#define CTL_WINDOW         4U
#define CTL_TIMEOUT_USEC   (5 * USEC_PER_SEC)
#define CTL_TRIES          3U                 /* of Get Version Info, until the modem is called silent; */
#define CTL_PROBE_MIN_USEC (5 * USEC_PER_SEC) /* then it is asked again at intervals that double */
#define CTL_PROBE_MAX_USEC (60 * USEC_PER_SEC)

/* A client that the modem has lost asks for another id at intervals that double. CTL answers before the
 * services do. */
#define RECOVER_MIN_USEC (USEC_PER_SEC / 2)
#define RECOVER_MAX_USEC (60 * USEC_PER_SEC)

#define SYNC_USEC        (600 * USEC_PER_SEC) /* no more than one Sync in so long */
#define SILENT_LONG_USEC (60 * USEC_PER_SEC)

#define QMI_ERROR_INVALID_CLIENT_ID 0x0007 /* errors.csv */

/* The modem may answer long after the deadline, and that must not be taken for the answer to something
 * newer. So an id rests until its late answer comes, or so long; and so many ids per client. */
#define EXPIRED_USEC (300 * USEC_PER_SEC)
#define EXPIRED_MAX  32U

/* Answers to what was never asked. One is a modem's whim; so many within such a time are, as a rule, those
 * of another program that has the port open. */
#define UNASKED_MAX  3U
#define UNASKED_USEC (10 * USEC_PER_SEC)

/* How long each step of giving up a client may take: its requests, what undoes what it started. */
#define RELEASE_WAIT_USEC (5 * USEC_PER_SEC)

/* What the guard has to know of a code that is on its way. */
typedef struct GuardMark {
        PinHash hash;      /* hash.code 0: the message carries none */
        uint64_t new_code; /* that is right after a success; 0: none */
        PinVerdict before;
        int tries;      /* that were left; -1: not known */
        bool under_way; /* counted as such */
        bool untold;    /* the response is not the SIM's word */
} GuardMark;

/* ---- request.c ---- */

struct Request {
        TAILQ_ENTRY(Request) entry;
        TAILQ_ENTRY(Request) query_entry;
        RequestQueue *queue; /* the lane's, or one of the mux's of those that are to be told; NULL while it
                                has a transaction, or waits for another's */
        Client *client;
        const Owner *requester;
        Lane *lane;   /* NULL: it takes no turn, or had it */
        Query *query; /* NULL: it is asked for itself alone */
        Transaction *transaction;
        const SchemaMessage *schema; /* as RequestSpec */
        const SchemaMessage *row;    /* NULL: the schema does not know it */
        bool changes;                /* is no query, as far as is known */
        uint16_t message;
        uint64_t timeout_usec;
        RequestDone done;
        void *userdata;
        bool guarded;           /* it carries a code, and has not passed the guard */
        bool force;             /* as RequestSpec */
        GuardCheck *check;      /* under way */
        GuardMark mark;         /* when it has passed */
        char refusal[160];      /* or not */
        RequestOutcome outcome; /* in the queue of failed ones */
        bool completing;        /* in its callback */
        size_t n_tlvs;
        uint8_t tlvs[];
};

/* Puts it on the wire, if it is at all possible; else it fails, later. */
void request_send(Request *r);
/* A request of the mux itself, past queue and windows. 0, -EMSGSIZE, -ENOMEM. */
int request_send_now(Request **ret, Client *c, const RequestSpec *spec);
/* Takes it out of its queue or from its transaction and has it fail when the mux flushes. */
void request_fail(Request *r, RequestState state, uint16_t error);
/* It takes no turn any more: it was answered, or another is sent for it. */
void request_leave_lane(Request *r);
/* The one that calls back: this one, and whoever waits for its answer. They are gone afterwards. */
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
        Lane *lane;                 /* that takes its turns; NULL: none */
        Request *request;           /* NULL: nobody waits */
        const SchemaMessage *row;   /* NULL: the schema does not know it */
        const SchemaMessage *await; /* the row whose result is waited for after a success; NULL: none */
        bool abandoned;             /* whoever asked has gone or given up: a success is undone */
        TransactionState state;
        uint16_t id, message;
        uint64_t deadline_usec; /* CLOCK_MONOTONIC; of an expired one: when its id is free again */
        QmiMessage response;    /* in state TRANSACTION_RESULT */
        uint8_t *response_tlvs;
        GuardMark mark;
        uint8_t *request_tlvs; /* kept where they matter for what is to be undone */
        size_t n_request_tlvs;
};

/* Sends a message on a client, whatever the windows say. `request` may be NULL. 0, -ENOMEM, -EAGAIN (no
 * transaction id is free). */
int transaction_new(Client *c, Request *request, uint16_t message, const uint8_t *tlvs, size_t n_tlvs,
                    uint64_t timeout_usec);
void transaction_free(Transaction *t);
/* Whether its success begins something that can be undone. */
bool transaction_can_be_undone(const Transaction *t);
/* One of these from an earlier run, for which nobody waits any more. `response`: NULL, or the one that came
 * already, so that only the result is missing. 0, -ENOMEM. */
int transaction_restore(Client *c, uint16_t id, const SchemaMessage *row, const uint8_t *tlvs, size_t n_tlvs,
                        const QmiMessage *response);
/* Nothing more can be sent about it: its id rests, and a late success counts. It may be gone afterwards. */
void transaction_give_up(Transaction *t);
/* How many transaction ids there are in one half of them. */
static inline uint16_t transaction_half(uint16_t service) {
        return service == QMI_SERVICE_CTL ? 0x80 : 0x8000;
}
/* The one that ends a transaction: with its answer, or without one at its deadline. */
void transaction_complete(Transaction *t, RequestState state, const QmiMessage *response,
                          const QmiMessage *indication);
/* A response that is its. */
void transaction_on_response(Transaction *t, const QmiMessage *m);
/* The same for one that has expired, which is gone then. */
void transaction_on_late_response(Transaction *t, const QmiMessage *m);
/* Whoever waited does so no more: aborts what can be aborted. It may be gone afterwards. */
void transaction_abandon(Transaction *t);
/* The one of a client that a response answers, expired or not; NULL. */
Transaction *transaction_find(Client *c, const QmiMessage *m);
/* The one of a client that an indication brings the result of; NULL. */
Transaction *transaction_find_result(Client *c, const QmiMessage *m);
void transaction_on_result(Transaction *t, const QmiMessage *m);
/* Whether the request's result could not be told from that of one that is under way: there is no token. */
bool transaction_stands_in_the_way(Client *c, const Request *r);
void transaction_on_deadline(Transaction *t);
/* It has until then at most. */
void transaction_hurry(Transaction *t, uint64_t deadline_usec);

/* ---- lane.c ---- */

struct Lane {
        TAILQ_ENTRY(Lane) entry; /* in its client */
        TAILQ_ENTRY(Lane) runnable_entry;
        Client *client;
        const Owner *requester; /* NULL: the owner; never looked into */
        RequestQueue requests;
        unsigned n_in_flight;
        size_t n_requests; /* that have not left it */
        size_t n_waiting;  /* in the queue, or for their result */
        size_t n_changes;  /* requests, waiting or sent, that are no queries */
        bool runnable;     /* in the mux's queue of those that may send */
};

void client_init_lanes(Client *c);
/* NULL: that requester has nothing under way. */
Lane *lane_find(Client *c, const Owner *requester);
int lane_get(Client *c, const Owner *requester, Lane **ret);
/* Whether it may send the first of its requests, as far as the client is concerned. */
bool lane_can_send(Lane *l);
/* After each change to what lane_can_send() looks at. It is gone afterwards if it is empty. */
void lane_update(Lane *l);
/* Sends the first; may be gone afterwards. */
void lane_send(Lane *l);

/* ---- join.c ---- */

struct Query {
        Client *client;
        uint16_t message, result; /* these five are equal in all its requests */
        uint64_t timeout_usec;
        uint8_t *tlvs;
        size_t n_tlvs;
        TAILQ_HEAD(, Request) requests;
        Request *sent;      /* the one that is in flight for all; NULL: none is */
        uint64_t n_changes; /* of the client, when it was made */
        uint64_t n_effects; /* of the client, when it was sent */
        bool open;          /* others may join: the client knows it */
};

/* Has a new request join its equals. True: one of them is in flight, and it is not to be sent itself. */
bool join_new(Request *r);
/* It asks for all its equals, which wait no longer for their turns. */
void join_on_sent(Request *r);
/* The next one that waits for the answer to this one, which is in flight; NULL. */
Request *join_heir(const Request *r);
void join_leave(Request *r);
/* A request was made that is no query; it was answered, or the service indicated something. Afterwards it
 * may say other things than before. */
void join_on_change(Mux *m, uint16_t service);
void join_on_effect(Mux *m, uint16_t service);

/* ---- undo.c ---- */

/* Something that a client began and that the modem would go on with when the client is gone. */
struct Started {
        TAILQ_ENTRY(Started) entry;
        const SchemaMessage *row, *undo; /* what began it, what undoes it */
        size_t n_tlvs;
        uint8_t tlvs[]; /* of the message that undoes it */
};

int started_new(Client *c, const SchemaMessage *row, const uint8_t *tlvs, size_t n_tlvs);
/* Whether a modem that has lost it can be told to begin anew. */
bool started_can_be_replayed(const Started *s);
Started *started_free(Client *c, Started *s);
/* Something that can be undone succeeded: it is remembered, or undone at once if nobody wants it. */
void undo_on_success(const Transaction *t, const QmiMessage *response, const QmiMessage *indication);
/* A request succeeded; if it undid something itself, then that is forgotten. */
void undo_on_undone(const Transaction *t);
/* Undoes all that the client began. Whether there was anything. */
bool undo_all(Client *c);

/* ---- guard.c: codes that a SIM takes only a few wrong ones of ---- */

/* Whether a request that has its turn is not to be sent yet, or not at all: its lane goes on when the guard
 * knows. It may be gone afterwards. */
bool guard_holds(Request *r);
/* It is not to be sent any more. */
void guard_drop(Request *r);
/* Before it is on the wire; when it was answered, also late; when nothing is awaited any more. */
void guard_on_send(Transaction *t, const Request *r);
void guard_on_response(Transaction *t, const QmiMessage *m);
void guard_on_end(Transaction *t);

/* ---- client.c ---- */

struct Client {
        TAILQ_ENTRY(Client) entry;
        TAILQ_ENTRY(Client) shared_entry;
        TAILQ_ENTRY(Client) ending_entry;
        TAILQ_ENTRY(Client) starved_entry;
        Mux *mux;
        uint16_t service;
        uint8_t id;
        ClientState state;
        const Owner *owner;
        const ClientOps *ops; /* NULL: nobody listens */
        void *userdata;

        bool shared;
        bool lingering; /* released by its owner, not yet at the modem */
        bool starved;   /* in the mux's queue of those that wait for an id to come back */
        bool retried;   /* it has waited so already */
        bool ending;    /* in the mux's queue of those whose end is to be told */
        uint64_t broadcast_serial;

        unsigned window; /* of each lane */
        Lane lane;       /* the owner's; the only one, if it is not shared */
        LaneQueue lanes; /* all */
        void *lanes_by_requester;
        TransactionQueue transactions;
        unsigned n_in_flight, n_results, n_expired;

        void *queries; /* those that are open; shared clients only */
        uint64_t n_changes, n_effects;
        StartedQueue started;
        Request *ctl_request; /* the allocation or the release under way */

        int allocation_error; /* why it ended, when it never began: as ClientOps.on_allocated; else 0 */
        char *end_reason;     /* NULL: out of memory */

        uint32_t key;
        bool orphan;          /* restored, and nobody has adopted it yet */
        bool lost;            /* the modem has forgotten its id: CLIENT_ALLOCATING, until it has another */
        bool stale;           /* has a new id, and registrations that are to be made again; sends nothing */
        bool untold;          /* on_replaced is still to be called */
        bool unchecked;       /* in MUX_CHECKING: its turn is to come; */
        bool checking;        /* it has come */
        bool suspect;         /* a request got no answer in time */
        bool mute;            /* nor did a check, although CTL answers */
        Request *own_request; /* the mux's own on it: the check or the registration under way */
        uint64_t retry_usec;  /* of one that is lost, mute or lingering: when to try again, */
        uint64_t retry_interval_usec;             /* and how long to wait after that */
        uint64_t replaced_usec;                   /* when it last got another id; 0: never */
        TAILQ_HEAD(, Registration) registrations; /* in the order in which they are to be made again */
        Registration *replaying;

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
 * Allocation: `error` as ClientOps.on_allocated has it; else 0 and a reason. A lingering one is freed. */
void client_end(Client *c, RequestState state, int error, const char *reason);
void client_tell_end(Client *c);
/* The next step of giving it up, if it is given up and waits for nothing. It may be gone afterwards. */
void client_go_on(Client *c);
/* Whatever was asked on it fails when the mux flushes. With `late` answers may still come: what is in flight
 * keeps its id. */
void client_fail_requests(Client *c, RequestState state, int error, bool late);
/* The modem has forgotten it: all that was asked fails, and it gets another id when the mux is ready. It
 * ends where that would not bring it back. A lingering one is freed. */
void client_lose(Client *c, const char *reason);
void client_set_mute(Client *c, bool mute);
/* Changes what lane_can_send() looks at. */
void client_set_stale(Client *c, bool stale);
/* Its owner is told, when the mux flushes, that it was replaced. */
void client_tell_replaced(Client *c);
/* Tells a new owner what has happened before. */
void client_tell_missed(Client *c);
/* After each change to what lane_can_send() looks at. */
void client_update(Client *c);
void client_set_shared(Client *c, bool shared);
void client_set_starved(Client *c, bool starved);
Client *mux_find_shared_client(Mux *m, uint16_t service);
void client_on_indication(Client *c, const QmiMessage *m, bool broadcast);

/* ---- ctl.c ---- */

/* A lost notification leaves an answer stuck in the port until another frame comes, and then each is one
 * behind; so does whoever had the port before us and left answers in it. A request without effect pushes:
 * when one timed out, and, as long as answers lag, behind every request. */
void ctl_push(Mux *m);
/* An answer to something older came in place of the one that is waited for: another push for each that is
 * stuck. */
void ctl_push_on(Mux *m);
/* The same of one that shows that answers lag. */
void ctl_on_stuck(Mux *m);
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
/* A response to what was asked in an earlier life. */
void ctl_on_stray_response(Mux *m, const QmiMessage *message);
/* Gives the client's id back and frees the client, at once or when that is answered. */
void ctl_release(Client *c);
/* Gives an id back, past the window, and does not wait for an answer. */
void ctl_send_release(Mux *m, uint16_t service, uint8_t id);
/* Asks for a sign of life, unless that is under way. */
void ctl_probe_now(Mux *m);
/* Sends Sync. Its echo is no reset, and afterwards the modem is asked for its services. */
int ctl_sync(Mux *m);
void ctl_on_indication(Mux *m, const QmiMessage *message);
/* A response to a request that nobody waits for any more. */
void ctl_on_late_response(Mux *m, const QmiMessage *message);

/* ---- exhaustion.c: what is done when the modem has no client id left ---- */

/* Whether the client waits for one that comes back. */
bool exhaustion_wait(Client *c);
/* An id of the service came back: somebody may wait for one. */
void exhaustion_on_id_free(Mux *m, uint16_t service);
void exhaustion_on_id_given(Mux *m, uint8_t service);

/* ---- check.c: which client ids the modem still knows ---- */

/* From MUX_CHECKING to MUX_READY, once the modem has been asked for each id. */
void check_start(Mux *m);
/* The same from anywhere; it begins in the event loop. */
void check_start_later(Mux *m);
void check_continue(Mux *m);
/* Asks for one, to learn whether its service answers. */
void check_client(Client *c);
/* Calls off what the mux asks on it: a check, a registration. */
void check_stop(Client *c);

/* ---- recover.c: what is done about clients that the modem has lost ---- */

/* The mux is ready, or a time has come: does all that is due. */
void recover_run(Mux *m);
void recover_on_lost(Client *c);
void recover_on_allocated(Client *c);
void recover_on_refused(Client *c, int error);
void recover_on_replayed(Client *c);
/* The modem has not answered that it took the id back. */
void recover_on_unreleased(Client *c);
void recover_on_mute(Client *c);
/* The mux can speak no more: everything fails, and the clients wait until it can. */
void recover_suspend(Mux *m);

/* ---- replay.c: what clients registered for ---- */

struct Registration {
        TAILQ_ENTRY(Registration) entry;
        const SchemaMessage *row;
        TlvWriter tlvs; /* the last value of each that was sent */
};

/* A request was answered with success. */
void replay_note(Client *c, const SchemaMessage *row, const uint8_t *tlvs, size_t n_tlvs);
/* 0, -EMSGSIZE, -ENOMEM. */
int replay_add(Client *c, const SchemaMessage *row, const uint8_t *tlvs, size_t n_tlvs);
void replay_clear(Client *c);
/* Makes all registrations again, then recover_on_replayed(). */
void replay_start(Client *c);

/* ---- silence.c: what is done about a modem that does not answer ---- */

void silence_on_timeout(Client *c);
/* The machine has slept: asks why there were timeouts before that. */
void silence_on_woken(Mux *m);
/* CTL does answer. */
void silence_on_ctl(Mux *m);
/* So does a service. */
void silence_on_service(Mux *m, uint16_t service);
/* Shows in the state which service does not. From the event loop only. */
void silence_show(Mux *m);
void silence_begin(Mux *m);
/* Before it is asked again: the next remedy, if its time has come. */
void silence_climb(Mux *m);
/* 0, or why Sync is not sent: -EPERM, -EBUSY (too soon after the last one), -ENOMEM. */
int silence_sync(Mux *m, const char *why);

/* ---- route.c: whose it is what comes from the modem ---- */

Client *mux_find_client(Mux *m, uint16_t service, uint8_t id);
void route_frame(Port *p, const uint8_t *frame, size_t n_frame, void *userdata);

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
        Owner guard_owner; /* in whose turn the guard asks; nothing else is asked in it */
        PinMemory *pins;   /* NULL: no code can be sent */

        MuxState state;
        char *reason;
        bool was_ready; /* ever */
        bool untold;    /* the state changed outside the event loop */
        bool restored;  /* what the modem holds is known from an earlier run, */
        bool doubtful;  /* or has been; a reset may have been read, and not been noted down any more */
        bool ids_lost;  /* and what else it may hold is not: mux_open_lost() */
        bool check_wanted;
        bool opened, inhibited, quiet, detached;
        bool unsaved;
        MuxService *services;
        size_t n_services;
        MuxStatistics statistics;
        bool oddities[_MUX_ODDITY_MAX];
        unsigned n_unasked; /* answers, since: */
        uint64_t unasked_usec;

        ClientQueue clients; /* CTL's among them */
        ClientQueue shared;
        ClientQueue starved;
        LaneQueue runnable;
        unsigned n_in_flight; /* without CTL's */
        size_t n_started;
        uint64_t broadcast_serial;
        uint16_t next_transaction; /* one sequence for all, so that an id that changes hands does not start
                                      anew */
        bool second_half;          /* of the transaction ids is ours; changes with each crash */
        uint64_t crashed_usec;     /* until then answers may come to what was asked before; 0: none */

        TransactionQueue active;
        sd_event_source *timer;
        uint64_t timer_usec; /* UINT64_MAX: off */

        /* What has happened and is still to be told, from the event loop. */
        RequestQueue failed;
        RequestQueue told; /* all get the same outcome, just now */
        ClientQueue ending;
        sd_event_source *flush;

        Client *exhausted;       /* for which on_exhausted() is asked just now */
        uint8_t most_ids[0x100]; /* of each service, that we ever had at once */
        Client *ctl;
        uint8_t next_ctl_transaction;
        Request *probe; /* Get Version Info */
        unsigned n_probes;
        uint64_t probe_usec; /* when to ask again; UINT64_MAX: not */
        uint64_t probe_interval_usec;
        uint64_t recover_usec;     /* when recover_run() has something to do; UINT64_MAX: never */
        uint64_t recover_min_usec; /* variable for tests only */
        unsigned n_checking, n_mute;
        bool mute_changed;
        Request *sync;
        uint64_t synced_usec, silent_long_usec;
        uint32_t next_key;

        void (*on_released)(Mux *m, void *userdata); /* of mux_release_all() */
        void *released_userdata;

        Request *push;        /* Get Version Info that pushes out what is stuck */
        bool can_lag;         /* the port's; a variable for tests only */
        bool lags;            /* an answer came so late that others may be stuck */
        uint64_t n_sent;      /* but for the push, */
        uint64_t pushed_at;   /* and when the push was sent */
        unsigned n_pushed_on; /* beside it since the last request, or in a while */
        uint64_t pushed_on_usec;
        uint64_t ctl_timeout_usec; /* these two are variables for tests only */
        uint64_t ctl_probe_min_usec;
};

/* The one writer of the state. When it ceases to be live, everything fails; then it tells. From the event
 * loop only. */
void mux_set_state(Mux *m, MuxState state, const char *reason);
/* The same from anywhere else: tells from the event loop. */
void mux_set_state_quietly(Mux *m, MuxState state, const char *reason);
/* Once more, from the event loop: other services than before. */
void mux_tell_state(Mux *m);
/* The state of one that waits for its port, or for its modem. */
MuxState mux_get_waiting_state(Mux *m);
void mux_start_anywhere(Mux *m);
/* The schema's row of a request; NULL. */
const SchemaMessage *mux_find_row(Mux *m, uint16_t service, uint16_t message);
/* recover_run() is called at `usec`, or, if the mux is not ready then, as soon as it is. */
void mux_recover_at(Mux *m, uint64_t usec);
/* What mux_save() writes has changed: before anything is sent that depends on it; or when there is time. */
void mux_save_now(Mux *m);
void mux_save_later(Mux *m);
/* Every id that we hold is known to be there. */
void mux_set_ready(Mux *m);
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
void mux_log_oddity(Mux *m, MuxOddity oddity, const char *format, ...) _printf_(3, 4);
