/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <net/if.h>

#include "modem/ask.h"
#include "modem/configure.h"
#include "modem/session.h"

/* What the files of a session know of each other.
 *
 * A Session has a Call for each family that was asked for. It goes through its steps in this order: the
 * link, the profile, then one call after the other. What happens is noted at once, and told from an event
 * source of its own (session_tell_later()), so that no step need care for what is freed meanwhile. */

#define QMI_SERVICE_WDS 0x01
#define QMI_SERVICE_DMS 0x02
#define QMI_SERVICE_NAS 0x03
#define QMI_SERVICE_UIM 0x0B

#define SESSION_STEP_USEC      (10 * USEC_PER_SEC) /* of one question that needs no network */
#define SESSION_STOP_USEC      (30 * USEC_PER_SEC) /* the network is told; the modem may wait for its answer */
#define SESSION_DIAGNOSIS_USEC (10 * USEC_PER_SEC) /* all questions together */
#define SESSION_PROFILES_MAX   32U
#define SESSION_HANDLE_ADOPTED UINT32_MAX /* Stop Network: whatever is up on the client's gate */

typedef enum CallState {
        CALL_IDLE, /* not begun, or not asked for */
        CALL_STARTING,
        CALL_UP,      /* at the modem: its client has it */
        CALL_CARRIED, /* the other family's call has this family, too */
        CALL_DOWN,    /* refused, or over: `end` says why */
        _CALL_STATE_MAX,
} CallState;

typedef struct Call {
        Session *session;
        SessionFamily family;
        CallState state;
        Client *client;
        Ask ask;              /* the step under way: to start, or to stop it */
        Ask settings;         /* addresses are asked for */
        Ask status;           /* whether it is up still */
        bool settings_again;  /* once they have come */
        bool connecting;      /* it is this call's turn in session_connect_next() */
        bool family_in_start; /* the modem has no Set IP Family */
        bool suspended, adopted;
        uint32_t handle;
        uint8_t profile;
        SessionGrant grant;
        SessionEnd end;
} Call;

/* What the modem says of SIM and network. */
typedef struct Diagnosis {
        Ask ask;
        bool of_sim, of_network; /* what to ask for, still */
        SessionEndKind
                sim; /* SESSION_END_PIN_REQUIRED, SESSION_END_NO_SIM, SESSION_END_NONE: nothing wrong */
        bool knows_network, registered, attached, roaming;
        char text[SESSION_TEXT_MAX]; /* what is wrong; "" */
} Diagnosis;

/* Looks for a profile, and writes one. */
typedef struct ProfileSearch {
        Ask ask;
        uint8_t indices[SESSION_PROFILES_MAX];
        size_t n_indices, next;
        uint8_t dual; /* that of type IPv4v6; 0: none */
} ProfileSearch;

struct Session {
        Device *device;
        Mux *mux;
        uint64_t number;
        char owner_name[32];
        Owner owner;
        const SessionOps *ops;
        void *userdata;
        SessionOptions options; /* without its texts, which are: */
        char *apn, *user, *password;

        SessionState state;
        SessionEnd end, ending; /* the latter: as far as it is known before */
        bool finished; /* nothing is left to be done but to let go, in the event loop, and to tell */
        unsigned changes;
        sd_event_source *teller, *timer;
        uint64_t deadline_usec; /* CLOCK_MONOTONIC, of connecting */
        DeviceWatch watch;
        bool live;            /* the mux, when it was last heard of */
        bool unverified;      /* it was deaf for a while: calls may be over without our having heard */
        bool stop_when_ready; /* restored while it was disconnecting */

        LinkUse *link;
        bool has_link; /* its result came */
        LinkEndpoint endpoint;
        char interface[IF_NAMESIZE];
        uint8_t mux_id;
        uint32_t mtu;

        Configure *configure; /* NULL: nothing is set */
        bool configure_again; /* restored: something may be missing */
        char problem[SESSION_TEXT_MAX];

        ProfileSearch search;
        Call calls[_SESSION_FAMILY_MAX];
        SessionIp ip[_SESSION_FAMILY_MAX];
        Diagnosis diagnosis;
        uint64_t since_usec;
};

/* ---- session.c ---- */

int session_new_empty(Session **ret, Device *d, uint64_t number, const SessionOps *ops, void *userdata);
void session_set_number(Session *s, uint64_t number);
void session_tell_later(Session *s, unsigned changes);
/* session_on_timer() comes then; 0: not. */
void session_set_timer(Session *s, uint64_t usec);
Call *session_get_other_call(Call *c);

/* ---- session-connect.c: the way up ---- */

void session_connect(Session *s);
void session_on_profile(Session *s);
/* The call that has the turn is up, or down, or in the other one. */
void session_on_call(Call *c);
void session_on_connect_timeout(Session *s);
/* None came up, and the diagnosis is there. */
void session_on_failure_known(Session *s);

/* ---- session-end.c: the way down ---- */

void session_end_text(SessionEnd *e, const char *format, ...) _printf_(2, 3);
/* All calls are over: it ends as soon as more is known of why. */
void session_end_later(Session *s, const SessionEnd *end);
/* It ends, in the event loop. */
void session_end_now(Session *s, const SessionEnd *end);
/* Port, modem or client ids are gone. */
void session_end_lost(Session *s, const char *reason);
/* All that it has is given back, what it began is undone. */
void session_let_go(Session *s);
/* What is known of SIM and network is in s->diagnosis. */
void session_on_diagnosis(Session *s);
void session_stop_calls(Session *s);
void session_on_stopped(Session *s);
void session_on_timer(Session *s);

/* ---- session-call.c: one call, on one client ---- */

void call_set_reason(Call *c, const char *reason);
void call_set_granted(Call *c, bool granted);
void call_set_ip(Call *c, const SessionIp *ip);
/* Its turn is over: session_on_call(). */
void call_pass_turn(Call *c);
/* It ended, or was refused. */
void call_down(Call *c, const SessionEnd *end);
/* It could not begin; `error` as Answer.error. */
void call_refuse(Call *c, SessionEndKind kind, int error, const char *what);
/* It has none of this family any more, and that is all. */
void call_forget(Call *c, const SessionEnd *end);
/* Nobody can be asked any more. What that means is seen to. */
bool call_is_lost(Call *c, const Answer *answer);
/* Takes it down; false: there is nothing to be waited for. session_on_stopped() comes otherwise. */
bool call_stop(Call *c);
/* Calls off its questions; those that started something are undone. */
void call_cancel(Call *c);
/* Gives its client back, after telling. */
void call_release(Call *c);

/* ---- session-start.c: its way up ---- */

extern const ClientOps call_client_ops;

/* Its turn: session_on_call() comes when it is over. */
void call_start(Call *c);
/* For Start Network and profiles: APN, if it is wanted, and login. */
void session_put_settings(const Session *s, Form *f, bool apn);

/* ---- session-follow.c: while it is up ---- */

/* Asks for its addresses, and the other family's, where that has none of its own. */
void call_read_settings(Call *c);
/* It is up, or looked for in the other call, and there is no time any more to wait for addresses. */
void call_stop_waiting(Call *c);
/* Asks whether it is up. */
void call_verify(Call *c);
void call_on_indication(Client *client, const QmiMessage *m, bool broadcast, void *userdata);

/* ---- session-profile.c ---- */

/* session_on_profile() comes, now or later, unless it ends. */
void profile_search(Session *s);

/* ---- session-diagnosis.c ---- */

/* session_on_diagnosis() comes, now or later. */
void diagnose(Session *s, bool of_sim);

/* ---- session-configure.c: what is set on this machine, if that was asked for ---- */

/* Sets what is not set, or otherwise. */
void session_configure(Session *s);
void session_unconfigure(Session *s);
/* Something may be known now that was not. */
void session_note_problem(Session *s);

/* ---- session-ip.c ---- */

void session_ip_request(Form *f);
void session_ip_read(const Value *settings, SessionFamily f, SessionIp *ret);
bool session_ip_equal(const SessionIp *a, const SessionIp *b);

/* ---- session-options.c ---- */

/* 0, -ENOMEM. */
int session_keep_options(Session *s, const SessionOptions *o);
/* Overwrites and frees user and password. */
void session_forget_login(Session *s);
