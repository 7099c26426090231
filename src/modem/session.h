/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <netinet/in.h>

#include "modem/device.h"
#include "modem/link.h"

/* A data session: a call for each IP family, each on a WDS client of its own, all on one mux. What is asked
 * of the modem, and in which order, is in docs/data.md.
 *
 * No function here calls back before it has returned. */

typedef struct Session Session;

typedef enum SessionFamily {
        SESSION_IPV4,
        SESSION_IPV6,
        _SESSION_FAMILY_MAX,
        _SESSION_FAMILY_INVALID = -EINVAL,
} SessionFamily;

typedef enum SessionState {
        SESSION_CONNECTING,
        SESSION_CONNECTED,
        SESSION_DISCONNECTING,
        SESSION_ENDED, /* and may be freed */
        _SESSION_STATE_MAX,
        _SESSION_STATE_INVALID = -EINVAL,
} SessionState;

#define SESSION_APN_MAX   100U /* 3GPP TS 23.003, 9.1 */
#define SESSION_LOGIN_MAX 255U /* PAP has its lengths in one byte: RFC 1334, 2.2.1 */

#define SESSION_TIMEOUT_DEFAULT_USEC (180 * USEC_PER_SEC)
#define SESSION_TIMEOUT_MAX_USEC     (3600 * USEC_PER_SEC)

/* Text may be NULL: not given. All is copied. The password is in no state that is saved and in no log, and
 * is erased as soon as nothing more is to be begun with it. */
typedef struct SessionOptions {
        const char *apn, *user, *password;
        bool has_authentication; /* else whatever both sides can, if there is a user; */
        uint8_t authentication;  /* SESSION_PAP, SESSION_CHAP, both or none */
        bool families[_SESSION_FAMILY_MAX];
        uint8_t profile; /* of 3GPP, used as it is, but for what stands beside it here; 0: none is named */
        uint8_t mux;     /* 1 to 254; 0: chosen */
        LinkMode link;
        bool modify; /* write it all into the profile, or into a new one */
        bool configure;
        uint64_t timeout_usec; /* until it is connected; 0: SESSION_TIMEOUT_DEFAULT_USEC */
} SessionOptions;

#define SESSION_PAP  (1U << 0)
#define SESSION_CHAP (1U << 1)

/* 0; -EINVAL and "apn: why not": the field's name in SessionOptions comes first. */
#define SESSION_PROBLEM_MAX 256U
int session_options_check(const SessionOptions *o, char ret_problem[static SESSION_PROBLEM_MAX]);

/* What the network gave. Text is "" where it said nothing; it invents nothing. */
#define SESSION_DNS_MAX 4U
typedef struct SessionIp {
        bool is_set;
        char address[INET6_ADDRSTRLEN];
        uint8_t prefix;
        char gateway[INET6_ADDRSTRLEN];
        char dns[SESSION_DNS_MAX][INET6_ADDRSTRLEN];
        unsigned n_dns;
        uint32_t mtu; /* 0: not said */
} SessionIp;

#define SESSION_TEXT_MAX 256U
typedef struct SessionGrant {
        bool asked, granted;
        char reason[SESSION_TEXT_MAX]; /* why not, or not any more, or what is odd about it; "" */
} SessionGrant;

/* Why it ended, or could not begin. */
typedef enum SessionEndKind {
        SESSION_END_NONE, /* it has not ended */
        SESSION_END_REQUESTED,
        SESSION_END_NETWORK,
        SESSION_END_ROAMING,           /* ended by the network, or by the modem, where it is a guest */
        SESSION_END_REGISTRATION_LOST, /* no network any more */
        SESSION_END_MODEM_RESET,
        SESSION_END_DEVICE_GONE,
        SESSION_END_TIMEOUT,
        SESSION_END_RESTART, /* of the daemon, while it was not connected */
        /* could not begin: */
        SESSION_END_REFUSED, /* by modem or network, for another reason than those below */
        SESSION_END_APN,
        SESSION_END_AUTHENTICATION,
        SESSION_END_IP_FAMILY,
        SESSION_END_PIN_REQUIRED,
        SESSION_END_NO_SIM,
        SESSION_END_NOT_REGISTERED,
        SESSION_END_LINK_LAYER,
        SESSION_END_INTERNAL, /* no memory, a message that cannot be built */
        _SESSION_END_KIND_MAX,
        _SESSION_END_KIND_INVALID = -EINVAL,
} SessionEndKind;

typedef struct SessionEnd {
        SessionEndKind kind;
        int error; /* 0; below 0 an errno: -ETIMEDOUT, -ENODEV, -ENOMEM, of the link as LinkResult.error;
                      above 0 the QMI protocol error of the request that was refused */
        bool has_call_end, has_verbose;
        uint16_t call_end_reason; /* WDS enum call-end-reason */
        uint16_t verbose_type;    /* WDS enum call-end-type, which says what list the reason is from */
        int16_t verbose_reason;
        char text[SESSION_TEXT_MAX]; /* one sentence, with the numbers */
} SessionEnd;

const char *session_family_to_string(SessionFamily f); /* "ipv4" */
const char *session_state_to_string(SessionState s);   /* "connecting" */
const char *
session_end_kind_to_string(SessionEndKind k); /* "registration-lost"; "" while it has not ended */
/* The symbols of the schema; NULL: no name for it. */
const char *session_call_end_reason_to_string(uint16_t reason);
const char *session_verbose_type_to_string(uint16_t type);

typedef enum SessionChange {
        SESSION_CHANGE_STATE = 1 << 0,
        SESSION_CHANGE_IP = 1 << 1,
        SESSION_CHANGE_FAMILIES = 1 << 2,
        SESSION_CHANGE_INTERFACE = 1 << 3, /* and the mux */
        SESSION_CHANGE_OTHER = 1 << 4,     /* adopted, configured, profile */
} SessionChange;

typedef struct SessionOps {
        /* After the change. `changes`: SessionChange bits. With SESSION_ENDED it is the last call, and the
         * session may be freed in it. */
        void (*on_changed)(Session *s, unsigned changes, void *userdata);
        /* What session_save() writes has changed. NULL: nobody saves. */
        void (*on_save)(Session *s, void *userdata);
        /* Of its clients, for who uses them beside it; as ClientOps, and does not free the session. NULL:
         * nobody does. */
        void (*on_indication)(Session *s, SessionFamily f, Client *c, const QmiMessage *m, bool broadcast,
                              void *userdata);
        /* A family has a client with an id now; NULL: it is about to be given back, and with it whatever
         * others have asked on it, without a word. Not told by session_free(), session_lose_device() and
         * session_restore(). Does not free the session. May be NULL. */
        void (*on_client)(Session *s, SessionFamily f, Client *c, void *userdata);
} SessionOps;

/* Begins to connect, in the background. `number`: is not used twice. 0, -EINVAL (session_options_check()),
 * -ENODEV (the modem is not ready), -EOPNOTSUPP (it has no WDS), -ENOBUFS, -ENOMEM. */
int session_new(Session **ret, Device *d, uint64_t number, const SessionOptions *o, const SessionOps *ops,
                void *userdata);
/* Ends it, also while it connects: SESSION_ENDED comes soon, whatever the modem does. */
void session_disconnect(Session *s);
/* Nobody waits any more: what it began at the modem is undone, what it set on this machine taken back. A
 * call that was adopted goes on. Takes NULL. */
Session *session_free(Session *s);
DEFINE_CLEANUP(Session *, session_free)
/* Before session_free() of one whose device goes for good: it has ended then, for that reason if it has not
 * for another, and nobody is told. */
void session_lose_device(Session *s);
/* Before the daemon's end, in place of session_free(): all is left to the next daemon as it is. */
Session *session_detach(Session *s);

/* session_restore() comes after device_restore(), before mux_release_orphans(). A session that was connected
 * goes on, without a word to the modem, unless `crashed`: then the modem is asked whether it is still up.
 * One that was still connecting, or disconnecting, ends. 0, -EBADMSG, -ENOMEM, or why its link cannot be
 * had. */
void session_save(Session *s, Packer *p);
int session_restore(Session **ret, Device *d, Unpacker *u, bool crashed, const SessionOps *ops,
                    void *userdata);

Device *session_get_device(Session *s);
uint64_t session_get_number(Session *s);
SessionState session_get_state(Session *s);
const char *session_get_interface(Session *s); /* "": none */
uint8_t session_get_mux(Session *s);           /* 0: none */
const SessionIp *session_get_ip(Session *s, SessionFamily f);
const SessionGrant *session_get_grant(Session *s, SessionFamily f);
const SessionEnd *session_get_end(Session *s);
bool session_is_adopted(Session *s); /* a call was up already when it began, and is used now */
/* Whether addresses, routes and name servers are set by qmid; and what of that is not as it should be, in a
 * sentence, or "". */
bool session_is_configured(Session *s);
const char *session_get_problem(Session *s);
uint64_t session_get_since_usec(Session *s); /* CLOCK_BOOTTIME, when it was connected; 0: not yet */
const char *session_get_apn(Session *s);     /* as asked for; "": not */
uint8_t session_get_profile(Session *s);     /* in use; 0: none */
/* NULL: no client. Valid until on_client(); for requests its owner is session_get_owner(). */
Client *session_get_client(Session *s, SessionFamily f);
const Owner *session_get_owner(Session *s); /* "session 7" */
