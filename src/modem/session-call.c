/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "modem/call-end.h"
#include "modem/session-internal.h"
#include "util/log.h"

/* One call, on a client of its own: what all its steps need, and its end. */

static void call_tell(Call *c, unsigned changes) {
        session_tell_later(c->session, changes);
}

void call_set_reason(Call *c, const char *reason) {
        if (streq(c->grant.reason, reason))
                return;
        (void) snprintf(c->grant.reason, sizeof(c->grant.reason), "%s", reason);
        call_tell(c, SESSION_CHANGE_FAMILIES);
}

void call_set_granted(Call *c, bool granted) {
        if (c->grant.granted == granted)
                return;
        c->grant.granted = granted;
        call_tell(c, SESSION_CHANGE_FAMILIES);
}

void call_set_ip(Call *c, const SessionIp *ip) {
        SessionIp *old = &c->session->ip[c->family];

        if (session_ip_equal(old, ip))
                return;
        *old = *ip;
        call_tell(c, SESSION_CHANGE_IP);
}

void call_cancel(Call *c) {
        ask_cancel(&c->ask);
        ask_cancel(&c->settings);
        ask_cancel(&c->status);
        c->settings_again = false;
}

void call_release(Call *c) {
        Session *s = c->session;

        if (!c->client)
                return;
        if (client_get_id(c->client) != 0 && s->ops->on_client)
                s->ops->on_client(s, c->family, NULL, s->userdata);
        (void) client_release(TAKE_PTR(c->client), &s->owner);
}

void call_forget(Call *c, const SessionEnd *end) {
        c->state = CALL_DOWN;
        c->suspended = false;
        c->end = *end;
        call_set_ip(c, &(SessionIp){});
        call_set_granted(c, false);
        call_set_reason(c, end->text);
}

void call_pass_turn(Call *c) {
        c->connecting = false;
        session_on_call(c);
}

void call_down(Call *c, const SessionEnd *end) {
        Session *s = c->session;
        Call *other = session_get_other_call(c);

        log_info("%s: %s: %s: %s", device_get_name(s->device), s->owner_name,
                 session_family_to_string(c->family), end->text);
        call_forget(c, end);
        call_cancel(c);
        call_release(c);
        if (other->state == CALL_CARRIED)
                call_forget(other, end);

        switch (s->state) {
        case SESSION_CONNECTING:
                if (c->connecting && other->state == CALL_UP && call_end_is_single_call(&c->end))
                        call_read_settings(other); /* this one may be there; its turn is over then */
                else if (c->connecting)
                        call_pass_turn(c);
                else if (other->connecting && other->state == CALL_DOWN)
                        call_pass_turn(other); /* it was looked for here */
                break;
        case SESSION_CONNECTED:
                if (other->state != CALL_UP)
                        session_end_later(s, &c->end);
                break;
        case SESSION_DISCONNECTING:
        case SESSION_ENDED:
        case _SESSION_STATE_MAX:
        case _SESSION_STATE_INVALID:
                break;
        }
}

/* It could not begin. */
void call_refuse(Call *c, SessionEndKind kind, int error, const char *what) {
        SessionEnd end = { .kind = kind, .error = error };

        session_end_text(&end, error > 0 ? "%s: %s (%d)" : "%s: %s", what, answer_error_text(error), error);
        call_down(c, &end);
}

/* Nobody can be asked any more. One that is up may be so still: that is found out when somebody can. */
bool call_is_lost(Call *c, const Answer *answer) {
        if (answer->error != -ENODEV)
                return false;
        if (c->session->state == SESSION_CONNECTED)
                c->session->unverified = true;
        else
                session_end_lost(c->session, "the client id is gone");
        return true;
}

/* ---- the way down ---- */

static void call_on_stopped(const Answer *answer, void *userdata) {
        Call *c = userdata;
        Session *s = c->session;

        if (call_is_lost(c, answer))
                return;
        if (answer->error != 0 && !answer_error_is(answer->error, "no_effect") &&
            !answer_error_is(answer->error, "out_of_call") &&
            !answer_error_is(answer->error, "invalid_handle")) {
                s->ending.error = answer->error;
                session_end_text(&s->ending,
                                 "it was to end, and the modem did not take the call for %s down: %s (%d)",
                                 session_family_to_string(c->family), answer_error_text(answer->error),
                                 answer->error);
                log_warning("%s: %s: %s", device_get_name(s->device), s->owner_name, s->ending.text);
        }
        c->state = CALL_DOWN;
        session_on_stopped(s);
}

bool call_stop(Call *c) {
        Session *s = c->session;
        _cleanup_form_ Form f;
        int r;

        form_init(&f);
        if (c->state != CALL_UP)
                return false;
        form_number(&f, &f.dict, "packet_data_handle", c->handle);
        r = ask(&c->ask, c->client, &s->owner, "stop-network", &f, SESSION_STOP_USEC, call_on_stopped, c);
        if (r < 0) {
                s->ending.error = r;
                session_end_text(
                        &s->ending,
                        "it was asked for; the modem cannot be told to take the call for %s down: %s",
                        session_family_to_string(c->family), strerror(-r));
        }
        return r >= 0;
}
