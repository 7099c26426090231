/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "cli.h"
#include "qmi/value.h"

/* What `connect` makes, and keeps with --foreground: attempts until a session is up, and then that session.
 * What returns int here returns 0, unless it says otherwise: what fails ends the event loop, with the exit
 * code. */

#define RETRY_MIN_SEC 1U
#define RETRY_MAX_SEC 60U
#define UP_LONG_SEC   60U /* a session that was up so long ended for another reason than the one before */

/* The daemon's own limit on connecting (docs/org.qmid1.5). */
#define CONNECT_TIMEOUT_USEC (180 * USEC_PER_SEC)

/* Times are as long as they are here while the machine sleeps, too. */
#define CONNECT_CLOCK CLOCK_BOOTTIME

typedef enum ConnectionState {
        CONNECTION_WAITING,  /* for a signal, or for `retry` */
        CONNECTION_FINDING,  /* the device */
        CONNECTION_CHECKING, /* whether it is ready */
        CONNECTION_CONNECTING,
        CONNECTION_UP,
        CONNECTION_ENDING, /* as we were asked to */
} ConnectionState;

typedef struct Connection {
        const Options *options;
        const ConnectOptions *connect;
        const char *password;
        sd_event *event;
        sd_bus *bus;
        char *qmid; /* its unique name when it last answered: nobody else's signals are believed */
        ConnectionState state;
        sd_bus_slot *call;              /* what `state` waits for */
        sd_event_source *retry, *limit; /* when to try again, when --wait is over */
        unsigned delay_sec;             /* of the next retry */
        bool asked_before;              /* from then on, a call does not start qmid */
        bool was_up;
        bool agent; /* somebody is asked for a password, if need be */
        uint64_t up_since_usec;

        char *device;              /* path; NULL: not known */
        char *session;             /* path, as soon as it is known; NULL: none */
        char *end_kind, *end_text; /* of the session, where it says so */
        bool end_wanted;           /* by somebody here */
        char *shown;               /* of the session, last */
        char *remark;              /* the last one */
        char *why;                 /* it is not connected */

        /* Indications of the network access service come, and whether they said "registered" last. */
        bool watches_registration, is_registered;
} Connection;

int connection_end(Connection *c, int code);
int connection_oom(Connection *c);
/* Copies; NULL is none. 0 or -ENOMEM. */
int set_text(char **text, const char *value);
/* SIGINT and SIGTERM come as events, with --foreground; or end us. */
void connection_hold_signals(const Connection *c, bool hold);

/* Tells the service manager, with --foreground. `state`: "READY=1\n", or nothing. */
void connection_status(Connection *c, const char *state, const char *text);
/* What is going on, beside what is asked for: on standard error. Not twice the same. */
void connection_remark(Connection *c, const char *format, ...) _printf_(2, 3);

/* Sends a call, in place of what was waited for before. */
int connection_call(Connection *c, ConnectionState state, sd_bus_message *m, uint64_t timeout_usec,
                    sd_bus_message_handler_t callback);
int connection_get_all(Connection *c, ConnectionState state, const char *path, const char *interface,
                       sd_bus_message_handler_t callback);

/* One attempt: find the device, see that it is ready, connect. */
int connection_attempt(Connection *c);
/* Tries again when a signal says that it may work, and, if `timer`, some time later. `text`: why it did not.
 */
int connection_wait(Connection *c, bool timer, const char *text);
/* An attempt has failed: a later one, or the end. */
int connection_failed(Connection *c, const char *what, const sd_bus_error *error);
/* Whether it says that what the call was for is not there: a device, a session, qmid. */
bool connection_is_gone(const sd_bus_error *error);

/* Nobody is asked for a password any more. */
void connection_end_agent(Connection *c);

/* Tries again as soon as the modem is registered; so that nobody waits longer than it takes to find its
 * network. */
void connection_watch_registration(Connection *c, bool watch);
void connection_take_registration(Connection *c, sd_bus_message *m);

/* The session: it is read when it is there and whenever it changes, and shown. */
int connection_read_session(Connection *c);
int connection_session_ended(Connection *c);
/* Notes down why the session has ended, where its properties say so. 0 or -ENOMEM. */
int connection_take_end(Connection *c, const Value *properties);
void connection_forget_session(Connection *c);
