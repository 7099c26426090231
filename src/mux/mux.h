/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "port/port.h"
#include "qmi/frame.h"
#include "qmi/schema.h"

/* The multiplexer of one port: client ids, transactions, routing, CTL. Every front end speaks to the modem
 * through it and none has a back door: a Client belongs to one Owner, and only that owner may use it.
 *
 * No function here calls back before it has returned: completions, also of what failed at once, come from
 * the event loop. Callbacks may free whatever they like, the Mux excepted. */

typedef struct Mux Mux;
typedef struct Client Client;
typedef struct Request Request;
typedef struct PinMemory PinMemory; /* mux/pin-memory.h */
typedef struct Packer Packer;       /* util/pack.h */
typedef struct Unpacker Unpacker;   /* likewise */

/* Somebody who can hold clients: a bus connection, the daemon itself. Embedded in what it stands for. The
 * mux compares addresses and shows the fields, no more. */
typedef struct Owner {
        const char *name; /* ":1.42", "qmid" */
} Owner;

typedef enum MuxState {
        MUX_STARTING, /* the port is not open yet, or the modem has not said its services yet */
        MUX_READY,
        MUX_CHECKING,  /* was ready, and may have lost client ids: each is being asked for */
        MUX_RESETTING, /* was ready; the port closed or the modem started anew, and has not answered yet */
        MUX_BUSY,      /* another program has the port */
        MUX_SILENT,    /* the port is open, the modem does not answer CTL; asked again from time to time */
        MUX_INHIBITED, /* mux_inhibit() */
        _MUX_STATE_MAX,
        _MUX_STATE_INVALID = -EINVAL,
} MuxState;

typedef struct MuxOps {
        /* The one place where a change of state, or of its reason, is told, after it is made. `reason`: a
         * sentence, or NULL. On leaving MUX_READY every request has failed. The clients stay: which of them
         * the modem still knows is found out in MUX_CHECKING. */
        void (*on_state)(Mux *m, MuxState state, const char *reason, void *userdata);
        /* Those from here on may be NULL. */
        /* The modem has no client id of the service left for somebody who needs one. True: the front end has
         * released a client of that service; once that is done, the allocation is tried again. Not asked
         * while enough are on their way back already. */
        bool (*on_exhausted)(Mux *m, uint16_t service, void *userdata);
        /* What mux_save() writes has changed, and must be kept before more is sent that depends on it. May
         * come from within any function of the mux; mux_save() is all that may be called in it. */
        void (*on_save)(Mux *m, void *userdata);
        /* Whether CTL Sync may be sent, which takes everybody's ids and calls: nobody else can have the
         * port, and no data call is up. NULL: no. */
        bool (*may_sync)(Mux *m, void *userdata);
        /* It has been silent for SILENT_LONG_USEC, and again for each such time: nothing that the mux can
         * send helps. */
        void (*on_silent_long)(Mux *m, void *userdata);
} MuxOps;

typedef struct MuxService {
        uint16_t id, major, minor;
} MuxService;

typedef struct MuxStatistics {
        uint64_t n_requests, n_responses, n_indications;
        uint64_t n_timeouts;
        uint64_t n_malformed;   /* frames that did not parse */
        uint64_t n_unsolicited; /* responses nobody waits for (late, duplicate, never asked) */
        uint64_t n_unrouted;    /* indications for no client of ours */
        uint64_t n_joined;      /* queries that were answered with the answer to an equal one */
        uint64_t n_undone;      /* what was undone for somebody who has gone */
} MuxStatistics;

#define MUX_WINDOW_DEFAULT        8U /* requests in flight per device; CTL has a window of its own */
#define MUX_WINDOW_MAX            64U
#define CLIENT_WINDOW             1U    /* per client; on a shared one, per requester */
#define CLIENT_QUEUE_MAX          1024U /* requests that may wait there; more: -ENOBUFS */
#define REQUEST_TIMEOUT_DEFAULT_S 10U

/* Makes the port from its address. Errors as port_new_from_uri(). `vendor`: USB vendor id, 0 if not known;
 * `window`: requests in flight, 0 for MUX_WINDOW_DEFAULT. Nothing is opened until mux_open(). */
int mux_new(Mux **ret, sd_event *event, const char *port_uri, uint16_t vendor, unsigned window,
            const MuxOps *ops, void *userdata);
/* Opens the port, in the background, and speaks on it from then on. Once. */
int mux_open(Mux *m);
/* Before mux_open(): says why it does not come. */
void mux_set_busy(Mux *m, const char *reason);
/* Instead of mux_open() for a modem that may hold ids of ours that nobody knows any more: the same, but once
 * the modem answers they are wiped with CTL Sync, if MuxOps.may_sync allows that. */
int mux_open_lost(Mux *m);

/* Whether the modem still knows the client ids is checked anew, as after a resume. */
void mux_check(Mux *m);
/* Lets go of the port until mux_uninhibit(); what it held is checked then. `reason` is shown in the state.
 */
void mux_inhibit(Mux *m, const char *reason);
void mux_uninhibit(Mux *m);
/* While the machine goes to sleep, the mux sends nothing of its own. Requests go on. */
void mux_quiesce(Mux *m, bool quiesce);
/* Whether the modem owes an answer to something. */
bool mux_is_busy(Mux *m);
/* As mux_new() has it. */
void mux_set_window(Mux *m, unsigned window);

MuxState mux_get_state(Mux *m);
/* Ready or checking: ids can be had and given back, and requests be made; they wait until it is ready. */
bool mux_is_live(Mux *m);
const char *mux_get_state_reason(Mux *m); /* "" if there is none */
const char *mux_state_to_string(MuxState s);
Port *mux_get_port(Mux *m);
/* USB vendor id of the modem; 0: not known. Chooses among vendors' services and messages. */
uint16_t mux_get_vendor(Mux *m);
void mux_get_statistics(Mux *m, MuxStatistics *ret);
/* What the modem said to have, sorted by id; CTL is among them. Valid until the state changes. */
size_t mux_get_services(Mux *m, const MuxService **ret);
bool mux_has_service(Mux *m, uint16_t service);

/* Sees every frame as it passes the port, those that do not parse among them. The frame is valid during the
 * call, which may come from within any function of the mux: it may only look. */
typedef void (*MuxTap)(Mux *m, bool to_modem, const uint8_t *frame, size_t n_frame, void *userdata);
/* The one tap; NULL: none. */
void mux_set_tap(Mux *m, MuxTap tap, void *userdata);

/* What is known of codes that SIMs rejected, which all devices share. Before mux_open(); without it messages
 * that carry such a code are refused. */
void mux_set_pin_memory(Mux *m, PinMemory *p);

/* ---- clients ---- */

typedef enum ClientState {
        CLIENT_ALLOCATING, /* requests may be made already, they wait */
        CLIENT_READY,
        CLIENT_ENDED, /* the modem took the id back or is gone; nothing can be done with it but to free it */
        _CLIENT_STATE_MAX,
        _CLIENT_STATE_INVALID = -EINVAL,
} ClientState;

typedef struct ClientOps {
        /* Each may be NULL. Allocation is over: error 0, above 0 a QMI protocol error, below 0 an errno
         * (-ETIMEDOUT, -ENODEV). After a failure the client is CLIENT_ENDED. */
        void (*on_allocated)(Client *c, int error, void *userdata);
        /* `broadcast`: it came for every client of the service (0xFF), not for this one. */
        void (*on_indication)(Client *c, const QmiMessage *m, bool broadcast, void *userdata);
        /* `reason` for people: "the modem took the client id back", "the port is gone". */
        void (*on_ended)(Client *c, const char *reason, void *userdata);
        /* The modem had lost the client. It has a new id, and what it was registered for is registered
         * again.
         */
        void (*on_replaced)(Client *c, void *userdata);
} ClientOps;

/* Allocates a client id. 0, -ENODEV (not ready), -EOPNOTSUPP (no such service on this modem; CTL, which is
 * the mux's own), -ENOBUFS (too many allocations under way), -ENOMEM. */
int client_new(Client **ret, Mux *m, uint16_t service, const Owner *owner, const ClientOps *ops,
               void *userdata);
/* Gives the client up: its callbacks, and those of its requests, are not called any more. What is under way
 * is aborted where that is possible, what it started is undone, and then the modem gets its id back; the
 * wait for each of these steps is bounded. 0, -EPERM (`owner` is not the client's). Takes NULL. */
int client_release(Client *c, const Owner *owner);
/* From now on the client is `to`'s, with all it started. 0, -EPERM (`owner` is not the client's). */
int client_set_owner(Client *c, const Owner *owner, const Owner *to);

ClientState client_get_state(Client *c);
Mux *client_get_mux(Client *c);
uint32_t client_get_key(Client *c); /* the same after a restart; never 0, never used twice */
uint16_t client_get_service(Client *c);
uint8_t client_get_id(Client *c);         /* 0 while allocating */
const Owner *client_get_owner(Client *c); /* of a lingering one: mux_get_owner() */
bool client_is_lingering(Client *c);      /* released by its owner, not yet at the modem */
/* It has no request, has started nothing and is registered for nothing: its owner loses nothing with it. */
bool client_is_plain(Client *c);
uint64_t client_get_n_requests(Client *c);
/* What waits for the modem: requests, also of the mux itself, and 1 while it has no id or has to register
 * again. */
size_t client_get_n_pending(Client *c);
uint64_t client_get_since_usec(Client *c); /* CLOCK_REALTIME */

/* Every client of the mux that is not ended, for listing; `f` returns false to stop, and releases none. The
 * daemon's own are among them (mux_get_owner()), ids that still wait for their release too. */
void mux_foreach_client(Mux *m, bool (*f)(Client *c, void *userdata), void *userdata);
const Owner *mux_get_owner(Mux *m);

/* The daemon's own client of a service, allocated at first use and kept: what queries and commands of all
 * callers run on. Valid until the mux leaves MUX_READY; one that ended meanwhile (the modem took its id
 * back, or had none left) is allocated anew by asking for it again. Errors as client_new(). */
int mux_get_shared_client(Mux *m, uint16_t service, Client **ret);

/* ---- what outlives the daemon ----
 *
 * mux_save() writes down what the modem holds for us. mux_restore() takes it over into a new mux, before
 * mux_open() and after port_adopt(). Its clients belong to the daemon then until mux_adopt_client() gives
 * each to an owner, and mux_release_orphans() cleans up after those that nobody adopted. */

/* 0, -ENOMEM. */
int mux_save(Mux *m, Packer *p);
/* `crashed`: the one who saved did not mean to end there, and what it had sent may be answered only now. 0,
 * -EBADMSG (nothing that was written by mux_save(); the mux is as it was), -ENOMEM. */
int mux_restore(Mux *m, Unpacker *u, bool crashed);
/* The client with that key, now `owner`'s; NULL: there is none that nobody has adopted. It may have lost its
 * id; that is told as ever. */
Client *mux_adopt_client(Mux *m, uint32_t key, const Owner *owner, const ClientOps *ops, void *userdata);
void mux_release_orphans(Mux *m);
/* Before mux_free(): nothing more is sent, and nothing is given back. The next mux carries on. */
void mux_detach(Mux *m);
/* Whatever clients and requests are left go with it, without their callbacks; ids are given back as far as
 * the port takes that at once. */
Mux *mux_free(Mux *m);
DEFINE_CLEANUP(Mux *, mux_free)

/* Before the end: gives the daemon's own ids back to the modem, and calls `done`, from the event loop, when
 * the modem has confirmed these and what owners have released. It may never be called: whoever waits sets a
 * limit. Nothing else may be asked of the mux afterwards but mux_free(). */
void mux_release_all(Mux *m, void (*done)(Mux *m, void *userdata), void *userdata);

/* ---- requests ---- */

typedef enum RequestState {
        REQUEST_ANSWERED, /* `response` is there; its result TLV may say failure */
        REQUEST_TIMEOUT,
        REQUEST_GONE, /* the port closed, the modem started anew, the client id was taken back or denied */
        REQUEST_REFUSED,   /* by the guard: it carries a code that may cost a try; `refusal` says why */
        REQUEST_NO_CLIENT, /* no client id could be had; `error` is the QMI protocol error of CTL, or 0 */
        _REQUEST_STATE_MAX,
        _REQUEST_STATE_INVALID = -EINVAL,
} RequestState;

typedef struct RequestOutcome {
        RequestState state;
        uint16_t error;               /* REQUEST_NO_CLIENT only */
        const QmiMessage *response;   /* REQUEST_ANSWERED: the response, */
        const QmiMessage *indication; /* and the indication that carried the result, where there is one */
        const char *refusal;          /* REQUEST_REFUSED only: "not sent: …" */
        int tries; /* REQUEST_ANSWERED: that were left before a code was sent; 0: none was, or not known */
} RequestOutcome;

/* Called exactly once, unless request_cancel() or client_release() comes before it. The request frees itself
 * after it. The messages are valid during the call. */
typedef void (*RequestDone)(const RequestOutcome *outcome, void *userdata);

typedef struct RequestSpec {
        uint16_t message;
        const SchemaMessage *schema; /* says the time limit, and whether an indication brings the result;
                                        NULL for a raw request */
        const Owner *requester;      /* in whose turn it goes out, on a shared client; NULL: the owner's */
        const uint8_t *tlvs;         /* copied, and erased after use */
        size_t n_tlvs;
        bool force; /* past the guard, which keeps codes that are known to be wrong from the SIM */
        uint64_t timeout_usec; /* 0: the schema's, or REQUEST_TIMEOUT_DEFAULT_S; counted from when it is sent
                                */
        RequestDone done;
        void *userdata;
} RequestSpec;

/* Queues a request on a client. A query on a shared client that equals another, which nothing came after
 * that may change the answer, is not sent: both get one answer. 0, -EPERM (`owner` is not the client's),
 * -ENODEV (it ended), -ENOBUFS (queue full), -EMSGSIZE, -ENOMEM. `ret` may be NULL. */
int request_new(Request **ret, Client *c, const Owner *owner, const RequestSpec *spec);
/* Nobody waits any more: `done` will not be called. What is queued is dropped; what is in flight is aborted
 * if the schema says how, and if it succeeds nevertheless, that is undone. An equal one that others wait for
 * goes on. Takes NULL, returns NULL. */
Request *request_cancel(Request *r);
DEFINE_CLEANUP(Request *, request_cancel)

/* CTL Set Data Format, of modems without WDA: `protocol` 1 is 802.3, 2 raw IP; TLV 0x10 of the response is
 * what it is then. CTL is the mux's own, hence this. 0, -ENODEV (not ready), and as request_new(). */
int mux_set_data_format(Mux *m, uint16_t protocol, Request **ret, RequestDone done, void *userdata);
