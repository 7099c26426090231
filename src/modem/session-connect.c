/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "modem/session-internal.h"
#include "util/clock.h"
#include "util/log.h"

/* The way up: link, profile, one call after the other; and what is said when none of them came up. */

static bool time_is_up(const Session *s) {
        return now_usec(CLOCK_MONOTONIC) >= s->deadline_usec;
}

/* ---- the calls ---- */

static void connected(Session *s) {
        session_set_timer(s, 0);
        session_forget_login(s);
        s->state = SESSION_CONNECTED;
        s->since_usec = now_usec(CLOCK_BOOTTIME);
        log_info("%s: %s: connected", device_get_name(s->device), s->owner_name);
        session_configure(s);
        session_tell_later(s, SESSION_CHANGE_STATE);
}

static bool is_known(SessionEndKind kind) {
        switch (kind) {
        case SESSION_END_APN:
        case SESSION_END_AUTHENTICATION:
        case SESSION_END_IP_FAMILY:
        case SESSION_END_ROAMING:
        case SESSION_END_LINK_LAYER:
        case SESSION_END_TIMEOUT:
        case SESSION_END_INTERNAL:
                return true;
        case SESSION_END_NONE:
        case SESSION_END_REQUESTED:
        case SESSION_END_NETWORK:
        case SESSION_END_REGISTRATION_LOST:
        case SESSION_END_MODEM_RESET:
        case SESSION_END_DEVICE_GONE:
        case SESSION_END_RESTART:
        case SESSION_END_REFUSED:
        case SESSION_END_PIN_REQUIRED:
        case SESSION_END_NO_SIM:
        case SESSION_END_NOT_REGISTERED:
        case _SESSION_END_KIND_MAX:
        case _SESSION_END_KIND_INVALID:
                break;
        }
        return false;
}

/* Where one says no more than that its family is not to be had, the other says more. */
static const Call *pick_refusal(const Session *s) {
        const Call *picked = NULL;

        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++) {
                const Call *c = &s->calls[i];

                if (c->grant.asked && (!picked || picked->end.kind == SESSION_END_IP_FAMILY))
                        picked = c;
        }
        return picked;
}

static void not_connected(Session *s) {
        const Call *c = pick_refusal(s);

        s->ending = c->end;
        session_end_text(&s->ending, "%s: %s", session_family_to_string(c->family), c->end.text);
        if (is_known(s->ending.kind))
                session_end_now(s, &s->ending);
        else {
                session_set_timer(s, SESSION_DIAGNOSIS_USEC);
                diagnose(s, true);
        }
}

void session_on_failure_known(Session *s) {
        const Diagnosis *d = &s->diagnosis;
        SessionEnd end = s->ending;

        if (d->sim != SESSION_END_NONE)
                end.kind = d->sim;
        else if (d->knows_network && (!d->registered || !d->attached))
                end.kind = SESSION_END_NOT_REGISTERED;
        if (*d->text)
                session_end_text(&end, "%.150s; %.100s", d->text, s->ending.text);
        session_end_now(s, &end);
}

/* Neither depends on the family. */
static bool is_pointless(const SessionEnd *end) {
        return end->kind == SESSION_END_APN || end->kind == SESSION_END_AUTHENTICATION;
}

static void connect_next(Session *s) {
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++) {
                Call *c = &s->calls[i], *other = session_get_other_call(c);

                if (!c->grant.asked || c->state != CALL_IDLE)
                        continue;
                if (!is_pointless(&other->end) && !time_is_up(s)) {
                        call_start(c);
                        return;
                }
                c->state = CALL_DOWN;
                c->end = other->end;
                if (!is_pointless(&other->end)) {
                        c->end = (SessionEnd){ .kind = SESSION_END_TIMEOUT, .error = -ETIMEDOUT };
                        session_end_text(&c->end, "there was no time left to try it");
                }
                (void) snprintf(c->grant.reason, sizeof(c->grant.reason), "%s", c->end.text);
                session_tell_later(s, SESSION_CHANGE_FAMILIES);
        }
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++)
                if (s->calls[i].state == CALL_UP) {
                        connected(s);
                        return;
                }
        not_connected(s);
}

void session_on_call(Call *c) {
        Session *s = c->session;

        if (!s->finished && s->state == SESSION_CONNECTING)
                connect_next(s);
}

/* ---- what comes before ---- */

void session_on_profile(Session *s) {
        connect_next(s);
}

static void on_link(Link *l, const LinkResult *result, void *userdata) {
        SessionEnd end = { .kind = SESSION_END_LINK_LAYER, .error = result->error };
        Session *s = userdata;

        if (s->finished || s->state != SESSION_CONNECTING)
                return;
        if (result->error < 0) {
                session_end_text(&end, "%s", result->text);
                session_end_now(s, &end);
                return;
        }
        s->has_link = true;
        s->mux_id = result->mux;
        s->mtu = result->mtu;
        s->endpoint = result->endpoint;
        (void) snprintf(s->interface, sizeof(s->interface), "%s", result->interface ?: "");
        session_tell_later(s, SESSION_CHANGE_INTERFACE);
        profile_search(s);
}

void session_connect(Session *s) {
        Link *l = device_get_link(s->device);
        int r;

        s->deadline_usec = now_usec(CLOCK_MONOTONIC) + s->options.timeout_usec;
        session_set_timer(s, s->options.timeout_usec);
        if (!l) { /* a port without a network interface */
                s->mux_id = s->options.mux;
                profile_search(s);
                return;
        }
        r = link_use(l, s->options.link, s->options.mux, on_link, s, &s->link);
        if (r < 0) {
                SessionEnd end = { .kind = SESSION_END_LINK_LAYER, .error = r };

                session_end_text(&end, "the link cannot be used: %s", strerror(-r));
                session_end_now(s, &end);
        }
}

void session_on_connect_timeout(Session *s) {
        SessionEnd end = { .kind = SESSION_END_TIMEOUT, .error = -ETIMEDOUT };

        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++) {
                Call *c = &s->calls[i];

                if (!c->connecting)
                        continue;
                if (c->state == CALL_STARTING) {
                        session_end_text(&end, "it was not up in time");
                        call_down(c, &end);
                } else
                        call_stop_waiting(c);
                return;
        }
        session_end_text(&end, "%s",
                         s->link && !s->has_link ? "the link was not set up in time"
                                                 : "the profiles were not read in time");
        session_end_now(s, &end);
}
