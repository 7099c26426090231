/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>

#include "modem/call-end.h"
#include "modem/session-internal.h"
#include "util/log.h"

/* The way down: asked for by the owner, by the network, or as modem or port are gone. */

void session_end_text(SessionEnd *e, const char *format, ...) {
        char text[SESSION_TEXT_MAX];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap); /* its arguments may lie in e->text */
        va_end(ap);
        memcpy(e->text, text, sizeof(text));
}

static void cancel(Session *s) {
        session_set_timer(s, 0);
        ask_cancel(&s->search.ask);
        ask_cancel(&s->diagnosis.ask);
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++)
                call_cancel(&s->calls[i]);
}

void session_end_now(Session *s, const SessionEnd *end) {
        if (s->finished)
                return;
        s->ending = *end;
        s->finished = true;
        cancel(s);
        session_tell_later(s, SESSION_CHANGE_STATE);
}

/* From the event loop: nobody is surprised by what is not there any more. */
void session_let_go(Session *s) {
        cancel(s);
        session_unconfigure(s);
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++) {
                call_release(&s->calls[i]);
                s->calls[i].state = CALL_DOWN;
                if (s->calls[i].grant.granted)
                        (void) snprintf(s->calls[i].grant.reason, SESSION_TEXT_MAX, "%s", s->ending.text);
                s->calls[i].grant.granted = false;
                s->ip[i] = (SessionIp){};
        }
        s->link = link_use_free(s->link);
        session_forget_login(s);
        s->end = s->ending;
        s->state = SESSION_ENDED;
        log_info("%s: %s: ended (%s): %s", device_get_name(s->device), s->owner_name,
                 session_end_kind_to_string(s->end.kind), s->end.text);
}

void session_end_lost(Session *s, const char *reason) {
        SessionEnd end = { .kind = SESSION_END_MODEM_RESET, .error = -ENODEV };
        const char *state_reason = mux_get_state_reason(s->mux);

        switch (mux_get_state(s->mux)) {
        case MUX_SILENT:
                end = (SessionEnd){ .kind = SESSION_END_TIMEOUT, .error = -ETIMEDOUT };
                session_end_text(&end, "the modem does not answer any more");
                break;
        case MUX_INHIBITED:
        case MUX_BUSY:
                end.kind = SESSION_END_DEVICE_GONE;
                session_end_text(&end, "the port was given up: %s", state_reason);
                break;
        case MUX_STARTING:
        case MUX_READY:
        case MUX_CHECKING:
        case MUX_RESETTING:
        case _MUX_STATE_MAX:
        case _MUX_STATE_INVALID:
                if (port_get_fd(mux_get_port(s->mux)) >= 0)
                        session_end_text(&end,
                                         "the modem has started anew, or has forgotten the session: %s",
                                         reason);
                else {
                        end.kind = SESSION_END_DEVICE_GONE;
                        session_end_text(&end, "the modem is gone: %s",
                                         *state_reason ? state_reason : reason);
                }
                break;
        }
        session_end_now(s, &end);
}

/* ---- by the network ---- */

void session_end_later(Session *s, const SessionEnd *end) {
        if (s->finished)
                return;
        s->ending = *end;
        s->state = SESSION_DISCONNECTING;
        session_tell_later(s, SESSION_CHANGE_STATE);
        session_set_timer(s, SESSION_DIAGNOSIS_USEC);
        diagnose(s, false);
}

/* What the reasons say for certain, they do; "no service" is over sooner than one can ask. Else it is as it
 * looks now. */
static void session_on_end_known(Session *s) {
        SessionEndKind kind = call_end_kind(&s->ending);
        const Diagnosis *d = &s->diagnosis;
        SessionEnd end = s->ending;

        end.kind = SESSION_END_NETWORK;
        if (kind == SESSION_END_REQUESTED || kind == SESSION_END_REGISTRATION_LOST ||
            kind == SESSION_END_ROAMING || kind == SESSION_END_MODEM_RESET)
                end.kind = kind;
        else if (d->knows_network && !d->registered)
                end.kind = SESSION_END_REGISTRATION_LOST;
        else if (d->roaming)
                end.kind = SESSION_END_ROAMING;
        if (*d->text)
                session_end_text(&end, "%.150s; %.100s", s->ending.text, d->text);
        else if (end.kind == SESSION_END_ROAMING && d->roaming)
                session_end_text(&end, "%.150s; the modem is roaming", s->ending.text);
        session_end_now(s, &end);
}

void session_on_diagnosis(Session *s) {
        if (s->state == SESSION_CONNECTING)
                session_on_failure_known(s);
        else
                session_on_end_known(s);
}

/* ---- by the owner ---- */

static bool is_stopping(const Session *s) {
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++)
                if (ask_is_open(&s->calls[i].ask))
                        return true;
        return false;
}

void session_on_stopped(Session *s) {
        if (!is_stopping(s))
                session_end_now(s, &s->ending);
}

void session_stop_calls(Session *s) {
        session_set_timer(s, SESSION_STOP_USEC);
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++)
                (void) call_stop(&s->calls[i]);
        session_on_stopped(s);
}

void session_disconnect(Session *s) {
        if (s->finished || s->state == SESSION_ENDED || s->state == SESSION_DISCONNECTING)
                return;
        cancel(s);
        s->ending = (SessionEnd){ .kind = SESSION_END_REQUESTED };
        session_end_text(&s->ending, "it was asked for");
        s->state = SESSION_DISCONNECTING;
        session_unconfigure(s);
        session_tell_later(s, SESSION_CHANGE_STATE);
        session_stop_calls(s);
}

void session_on_timer(Session *s) {
        switch (s->state) {
        case SESSION_CONNECTING:
                if (ask_is_open(&s->diagnosis.ask)) {
                        ask_cancel(&s->diagnosis.ask);
                        session_on_diagnosis(s);
                } else
                        session_on_connect_timeout(s);
                return;
        case SESSION_DISCONNECTING:
                if (ask_is_open(&s->diagnosis.ask)) {
                        ask_cancel(&s->diagnosis.ask);
                        session_on_diagnosis(s);
                        return;
                }
                /* The mux goes on to take down what has begun, with what is left of the client. */
                session_end_text(&s->ending,
                                 "it was asked for; the modem has not answered that it took it down");
                session_end_now(s, &s->ending);
                return;
        case SESSION_CONNECTED:
        case SESSION_ENDED:
        case _SESSION_STATE_MAX:
        case _SESSION_STATE_INVALID:
                break;
        }
}
