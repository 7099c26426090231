/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "modem/session-internal.h"
#include "util/log.h"

const char *session_family_to_string(SessionFamily f) {
        static const char *const names[_SESSION_FAMILY_MAX] = {
                [SESSION_IPV4] = "ipv4", [SESSION_IPV6] = "ipv6"
        };

        return f >= 0 && f < _SESSION_FAMILY_MAX ? names[f] : NULL;
}

const char *session_state_to_string(SessionState s) {
        static const char *const names[_SESSION_STATE_MAX] = {
                [SESSION_CONNECTING] = "connecting",
                [SESSION_CONNECTED] = "connected",
                [SESSION_DISCONNECTING] = "disconnecting",
                [SESSION_ENDED] = "disconnected",
        };

        return s >= 0 && s < _SESSION_STATE_MAX ? names[s] : NULL;
}

const char *session_end_kind_to_string(SessionEndKind k) {
        static const char *const names[_SESSION_END_KIND_MAX] = {
                [SESSION_END_NONE] = "",
                [SESSION_END_REQUESTED] = "requested",
                [SESSION_END_NETWORK] = "network",
                [SESSION_END_ROAMING] = "roaming",
                [SESSION_END_REGISTRATION_LOST] = "registration-lost",
                [SESSION_END_MODEM_RESET] = "modem-reset",
                [SESSION_END_DEVICE_GONE] = "device-gone",
                [SESSION_END_TIMEOUT] = "timeout",
                [SESSION_END_RESTART] = "restart",
                [SESSION_END_REFUSED] = "refused",
                [SESSION_END_APN] = "apn",
                [SESSION_END_AUTHENTICATION] = "authentication",
                [SESSION_END_IP_FAMILY] = "ip-family",
                [SESSION_END_PIN_REQUIRED] = "pin-required",
                [SESSION_END_NO_SIM] = "no-sim",
                [SESSION_END_NOT_REGISTERED] = "not-registered",
                [SESSION_END_LINK_LAYER] = "link-layer",
                [SESSION_END_INTERNAL] = "internal",
        };

        return k >= 0 && k < _SESSION_END_KIND_MAX ? names[k] : NULL;
}

/* ---- telling, and time ---- */

void session_tell_later(Session *s, unsigned changes) {
        s->changes |= changes;
        (void) sd_event_source_set_enabled(s->teller, SD_EVENT_ONESHOT);
}

static int on_teller(sd_event_source *source, void *userdata) {
        Session *s = userdata;
        unsigned changes;

        if (s->finished && s->state != SESSION_ENDED)
                session_let_go(s);
        else if (s->state == SESSION_CONNECTED && ((s->changes & SESSION_CHANGE_IP) || s->configure_again))
                session_configure(s);
        s->configure_again = false;
        changes = s->changes;
        s->changes = 0;
        (void) sd_event_source_set_enabled(s->teller, SD_EVENT_OFF);
        if (s->ops->on_save)
                s->ops->on_save(s, s->userdata);
        if (changes != 0)
                s->ops->on_changed(s, changes, s->userdata);
        return 0;
}

void session_set_timer(Session *s, uint64_t usec) {
        (void) sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
        if (usec > 0 && sd_event_source_set_time_relative(s->timer, usec) >= 0)
                (void) sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        session_on_timer(userdata);
        return 0;
}

/* ---- the port ---- */

static void verify(Session *s) {
        s->unverified = false;
        if (s->state == SESSION_CONNECTED)
                for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX && !s->finished; i++)
                        call_verify(&s->calls[i]);
}

static void on_mux_state(DeviceWatch *w, MuxState state) {
        Session *s = container_of(w, Session, watch);

        bool was_live = s->live;

        s->live = state == MUX_READY || state == MUX_CHECKING;
        if (s->finished || s->state == SESSION_ENDED)
                return;
        switch (state) {
        case MUX_RESETTING:
                if (was_live) /* no call outlives that */
                        session_end_lost(s, mux_get_state_reason(s->mux));
                s->unverified = true;
                break;
        case MUX_READY:
                if (s->stop_when_ready) {
                        s->stop_when_ready = false;
                        session_stop_calls(s);
                } else if (s->unverified)
                        verify(s);
                break;
        case MUX_STARTING:
        case MUX_CHECKING:
        case MUX_BUSY:
        case MUX_SILENT:
        case MUX_INHIBITED:
                s->unverified = true;
                break;
        case _MUX_STATE_MAX:
        case _MUX_STATE_INVALID:
                break;
        }
}

static void on_interface(DeviceWatch *w) {
        Session *s = container_of(w, Session, watch);
        const char *interface;

        if (s->finished || !s->has_link || !s->link)
                return;
        interface = link_use_get_interface(s->link);
        if (*interface && !streq(interface, s->interface)) { /* it got another name */
                (void) snprintf(s->interface, sizeof(s->interface), "%s", interface);
                session_tell_later(s, SESSION_CHANGE_INTERFACE);
        }
        session_note_problem(s);
}

/* ---- its life ---- */

void session_set_number(Session *s, uint64_t number) {
        s->number = number;
        (void) snprintf(s->owner_name, sizeof(s->owner_name), "session %" PRIu64, number);
}

int session_new_empty(Session **ret, Device *d, uint64_t number, const SessionOps *ops, void *userdata) {
        _cleanup_(session_freep) Session *s = NULL;
        sd_event *event = device_get_event(d);
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->device = d;
        s->mux = device_get_mux(d);
        session_set_number(s, number);
        s->owner.name = s->owner_name;
        s->ops = ops;
        s->userdata = userdata;
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++) {
                s->calls[i].session = s;
                s->calls[i].family = i;
        }
        s->live = mux_is_live(s->mux);
        s->watch = (DeviceWatch){ .on_state = on_mux_state, .on_interface = on_interface };
        device_watch(d, &s->watch);
        r = sd_event_add_defer(event, &s->teller, on_teller, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->teller, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &s->timer, CLOCK_MONOTONIC, UINT64_MAX / 2, 0,
                                               on_timer, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

int session_new(Session **ret, Device *d, uint64_t number, const SessionOptions *o, const SessionOps *ops,
                void *userdata) {
        _cleanup_(session_freep) Session *s = NULL;
        char problem[SESSION_PROBLEM_MAX];
        int r;

        r = session_options_check(o, problem);
        if (r < 0)
                return r;
        if (!mux_is_live(device_get_mux(d)))
                return -ENODEV;
        if (!mux_has_service(device_get_mux(d), QMI_SERVICE_WDS))
                return -EOPNOTSUPP;
        r = session_new_empty(&s, d, number, ops, userdata);
        if (r >= 0)
                r = session_keep_options(s, o);
        if (r < 0)
                return r;
        if (s->options.timeout_usec == 0)
                s->options.timeout_usec = SESSION_TIMEOUT_DEFAULT_USEC;
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++)
                s->calls[i].grant.asked = o->families[i];
        session_connect(s);
        *ret = TAKE_PTR(s);
        return 0;
}

static Session *session_free_memory(Session *s) {
        device_unwatch(s->device, &s->watch);
        sd_event_source_disable_unref(s->teller);
        sd_event_source_disable_unref(s->timer);
        session_forget_login(s);
        free(s->apn);
        free(s);
        return NULL;
}

static void cancel_questions(Session *s) {
        ask_cancel(&s->search.ask);
        ask_cancel(&s->diagnosis.ask);
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++)
                call_cancel(&s->calls[i]);
}

/* Without a word. */
static void release_clients(Session *s) {
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++)
                (void) client_release(TAKE_PTR(s->calls[i].client), &s->owner);
}

Session *session_free(Session *s) {
        if (!s)
                return NULL;
        session_unconfigure(s);
        cancel_questions(s);
        release_clients(s);
        link_use_free(s->link);
        return session_free_memory(s);
}

Session *session_detach(Session *s) {
        if (!s)
                return NULL;
        cancel_questions(s);
        configure_detach(s->configure);
        link_use_detach(s->link);
        return session_free_memory(s);
}

void session_lose_device(Session *s) {
        if (s->state == SESSION_ENDED)
                return;
        if (!s->finished) {
                s->ending = (SessionEnd){ .kind = SESSION_END_DEVICE_GONE, .error = -ENODEV };
                session_end_text(&s->ending, "the modem is gone");
                s->finished = true;
        }
        release_clients(s);
        session_let_go(s);
        (void) sd_event_source_set_enabled(s->teller, SD_EVENT_OFF);
}

/* ---- what is to be seen ---- */

Call *session_get_other_call(Call *c) {
        return &c->session->calls[c->family == SESSION_IPV4 ? SESSION_IPV6 : SESSION_IPV4];
}

Device *session_get_device(Session *s) {
        return s->device;
}

uint64_t session_get_number(Session *s) {
        return s->number;
}

SessionState session_get_state(Session *s) {
        return s->state;
}

const char *session_get_interface(Session *s) {
        return s->interface;
}

uint8_t session_get_mux(Session *s) {
        return s->mux_id;
}

const SessionIp *session_get_ip(Session *s, SessionFamily f) {
        return &s->ip[f];
}

const SessionGrant *session_get_grant(Session *s, SessionFamily f) {
        return &s->calls[f].grant;
}

const SessionEnd *session_get_end(Session *s) {
        return &s->end;
}

bool session_is_configured(Session *s) {
        return s->configure;
}

const char *session_get_problem(Session *s) {
        return s->problem;
}

bool session_is_adopted(Session *s) {
        return s->calls[SESSION_IPV4].adopted || s->calls[SESSION_IPV6].adopted;
}

uint64_t session_get_since_usec(Session *s) {
        return s->since_usec;
}

const char *session_get_apn(Session *s) {
        return s->apn ?: "";
}

uint8_t session_get_profile(Session *s) {
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++)
                if (s->options.families[i] && s->calls[i].profile > 0)
                        return s->calls[i].profile;
        return 0;
}

Client *session_get_client(Session *s, SessionFamily f) {
        Client *c = s->calls[f].client;

        return c && client_get_id(c) != 0 ? c : NULL;
}

const Owner *session_get_owner(Session *s) {
        return &s->owner;
}
