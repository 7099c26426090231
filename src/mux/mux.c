/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mux/mux.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>

#include "mux/mux-internal.h"
#include "util/log.h"

#define TIMER_ACCURACY_USEC USEC_PER_MSEC

const char *mux_state_to_string(MuxState s) {
        static const char *const names[] = {
                [MUX_STARTING] = "starting",   [MUX_READY] = "ready", [MUX_CHECKING] = "checking",
                [MUX_RESETTING] = "resetting", [MUX_BUSY] = "busy",   [MUX_SILENT] = "silent",
                [MUX_INHIBITED] = "inhibited",
        };

        return s >= 0 && s < _MUX_STATE_MAX ? names[s] : NULL;
}

void mux_log_oddity(Mux *m, MuxOddity oddity, const char *format, ...) {
        int level = m->oddities[oddity] ? LOG_DEBUG : LOG_WARNING;
        char text[256];
        va_list ap;

        m->oddities[oddity] = true;
        if (level > log_get_max_level())
                return;
        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        log_full(level, 0, "%s: %s", port_get_uri(m->port), text);
}

/* ---- the timer ---- */

uint64_t mux_now(Mux *m) {
        uint64_t now = 0;

        (void) sd_event_now(m->event, CLOCK_MONOTONIC, &now);
        return now;
}

void mux_arm_timer(Mux *m, uint64_t usec) {
        if (usec >= m->timer_usec)
                return;
        m->timer_usec = usec;
        (void) sd_event_source_set_time(m->timer, usec);
        (void) sd_event_source_set_enabled(m->timer, SD_EVENT_ONESHOT);
}

/* When the mux itself has something to do. */
static uint64_t own_usec(Mux *m) {
        if (m->quiet)
                return UINT64_MAX;
        return m->state == MUX_READY ? MIN(m->probe_usec, m->recover_usec) : m->probe_usec;
}

void mux_disarm_timer_if_idle(Mux *m) {
        if (!TAILQ_EMPTY(&m->active) || own_usec(m) != UINT64_MAX || m->timer_usec == UINT64_MAX)
                return;
        m->timer_usec = UINT64_MAX;
        (void) sd_event_source_set_enabled(m->timer, SD_EVENT_OFF);
}

static Transaction *find_overdue(Mux *m, uint64_t now) {
        Transaction *t;

        TAILQ_FOREACH(t, &m->active, active)
                if (t->deadline_usec <= now)
                        return t;
        return NULL;
}

static int mux_on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Mux *m = userdata;
        uint64_t now = mux_now(m);
        Transaction *t;

        m->timer_usec = UINT64_MAX;
        /* Callbacks may change the list: it is looked through anew after each. */
        while ((t = find_overdue(m, now)))
                transaction_on_deadline(t);
        if (!m->quiet) {
                ctl_on_timer(m, now);
                if (m->state == MUX_READY && m->recover_usec <= now)
                        recover_run(m);
        }
        mux_flush(m);

        TAILQ_FOREACH(t, &m->active, active)
                mux_arm_timer(m, t->deadline_usec);
        mux_arm_timer(m, own_usec(m));
        return 0;
}

/* ---- what is still to be told ---- */

void mux_flush(Mux *m) {
        Client *c;
        Request *r;

        while ((r = TAILQ_FIRST(&m->failed))) {
                RequestOutcome outcome = r->outcome;

                request_complete(r, &outcome);
        }
        while ((c = TAILQ_FIRST(&m->ending)))
                client_tell_end(c);
        if (m->mute_changed)
                silence_show(m);
}

void mux_flush_later(Mux *m) {
        (void) sd_event_source_set_enabled(m->flush, SD_EVENT_ONESHOT);
}

static int mux_on_flush(sd_event_source *s, void *userdata) {
        Mux *m = userdata;

        mux_flush(m);
        if (m->untold) {
                m->untold = false;
                m->ops->on_state(m, m->state, m->reason, m->userdata);
        }
        check_continue(m);
        if (m->state == MUX_READY && !m->quiet && m->recover_usec <= mux_now(m))
                recover_run(m);
        if (m->unsaved)
                mux_save_now(m);
        if (m->on_released && TAILQ_FIRST(&m->clients) == m->ctl && !TAILQ_NEXT(m->ctl, entry))
                TAKE_PTR(m->on_released)(m, m->released_userdata); /* once */
        return 0;
}

void mux_release_all(Mux *m, void (*done)(Mux *m, void *userdata), void *userdata) {
        Client *c, *next;

        m->on_released = done;
        m->released_userdata = userdata;
        for (c = TAILQ_FIRST(&m->clients); c; c = next) {
                next = TAILQ_NEXT(c, entry);
                if (!c->shared)
                        continue;
                client_linger(c);
        }
        mux_flush_later(m);
}

/* ---- state ---- */

bool mux_is_live(Mux *m) {
        return m->state == MUX_READY || m->state == MUX_CHECKING;
}

MuxState mux_get_waiting_state(Mux *m) {
        return m->was_ready ? MUX_RESETTING : MUX_STARTING;
}

/* Whether there was anything to change. */
static bool mux_change_state(Mux *m, MuxState state, const char *reason) {
        bool was_live = mux_is_live(m);

        if (m->state == state && streq(m->reason ?: "", reason ?: ""))
                return false;
        log_debug("%s: %s%s%s", port_get_uri(m->port), mux_state_to_string(state), reason ? ", " : "",
                  reason ?: "");

        if ((state == MUX_READY) != (m->state == MUX_READY))
                mux_save_later(m);
        m->state = state;
        free(m->reason);
        m->reason = reason ? strdup(reason) : NULL;
        if (was_live && !mux_is_live(m))
                recover_suspend(m);
        if (state == MUX_READY)
                mux_recover_at(m, 0);
        return true;
}

void mux_set_state(Mux *m, MuxState state, const char *reason) {
        if (!mux_change_state(m, state, reason))
                return;
        mux_flush(m);
        m->untold = false;
        m->ops->on_state(m, m->state, m->reason, m->userdata);
}

void mux_set_state_quietly(Mux *m, MuxState state, const char *reason) {
        if (!mux_change_state(m, state, reason))
                return;
        mux_tell_state(m);
}

void mux_tell_state(Mux *m) {
        m->untold = true;
        mux_flush_later(m);
}

void mux_set_ready(Mux *m) {
        m->was_ready = true;
        mux_set_state(m, MUX_READY, NULL);
        mux_schedule(m);
}

void mux_recover_at(Mux *m, uint64_t usec) {
        m->recover_usec = MIN(m->recover_usec, usec);
        if (m->recover_usec <= mux_now(m))
                mux_flush_later(m);
        else
                mux_arm_timer(m, own_usec(m));
}

void mux_save_now(Mux *m) {
        m->unsaved = false;
        if (m->ops->on_save && !m->detached)
                m->ops->on_save(m, m->userdata);
}

void mux_save_later(Mux *m) {
        m->unsaved = true;
        mux_flush_later(m);
}

/* Whether an answer is awaited, that to a push apart. */
bool mux_waits(Mux *m) {
        Transaction *t;

        TAILQ_FOREACH(t, &m->active, active)
                if (t->state == TRANSACTION_IN_FLIGHT && !ctl_is_push(t->client, t->message))
                        return true;
        return false;
}

bool mux_is_busy(Mux *m) {
        return mux_waits(m);
}

/* ---- sending ---- */

void mux_schedule(Mux *m) {
        Lane *l;

        while (lane_can_send(&m->ctl->lane))
                lane_send(&m->ctl->lane);

        /* Each in turn: one that has more to send goes to the end. */
        while (m->state == MUX_READY && m->n_in_flight < m->window && (l = TAILQ_FIRST(&m->runnable)))
                lane_send(l);
}

/* ---- the port ---- */

static void mux_on_port_state(Port *p, PortState state, const char *reason, void *userdata) {
        Mux *m = userdata;
        MuxState waiting = mux_get_waiting_state(m);

        if (m->inhibited)
                return;
        if (state == PORT_OPEN) {
                mux_set_state(m, waiting, "the modem has not answered yet");
                ctl_start(m);
        } else {
                mux_set_state(m, state == PORT_BUSY ? MUX_BUSY : waiting, reason);
                ctl_stop(m);
        }
}

static const PortOps port_ops = {
        .on_state = mux_on_port_state,
        .on_frame = route_frame,
};

/* ---- the object ---- */

/* Answers to whoever had the port before us may still be in it. */
void mux_start_anywhere(Mux *m) {
        uint8_t start[3] = {};

        if (getrandom(start, sizeof(start), GRND_NONBLOCK) < 0)
                log_debug_errno(-errno, "%s: no random transaction id", port_get_uri(m->port));
        m->next_transaction = read_le16(start);
        m->next_ctl_transaction = start[2];
}

void mux_set_window(Mux *m, unsigned window) {
        m->window = window > 0 ? window : MUX_WINDOW_DEFAULT;
}

int mux_new(Mux **ret, sd_event *event, const char *port_uri, uint16_t vendor, unsigned window,
            const MuxOps *ops, void *userdata) {
        _cleanup_(mux_freep) Mux *m = NULL;
        int r;

        m = malloc(sizeof(*m));
        if (!m)
                return -ENOMEM;
        *m = (Mux){
                .event = sd_event_ref(event),
                .vendor = vendor,
                .ops = ops,
                .userdata = userdata,
                .owner.name = "qmid",
                .next_transaction = 1,
                .next_ctl_transaction = 1,
                .timer_usec = UINT64_MAX,
                .probe_usec = UINT64_MAX,
                .recover_usec = UINT64_MAX,
                .recover_min_usec = RECOVER_MIN_USEC,
                .next_key = 1,
                .ctl_timeout_usec = CTL_TIMEOUT_USEC,
                .ctl_probe_min_usec = CTL_PROBE_MIN_USEC,
        };
        mux_set_window(m, window);
        TAILQ_INIT(&m->clients);
        TAILQ_INIT(&m->shared);
        TAILQ_INIT(&m->starved);
        TAILQ_INIT(&m->told);
        TAILQ_INIT(&m->runnable);
        TAILQ_INIT(&m->active);
        TAILQ_INIT(&m->failed);
        TAILQ_INIT(&m->ending);

        r = sd_event_add_time(event, &m->timer, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_USEC, mux_on_timer, m);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(m->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = sd_event_add_defer(event, &m->flush, mux_on_flush, m);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(m->flush, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = ctl_new(m);
        if (r < 0)
                return r;
        r = port_new_from_uri(&m->port, event, port_uri, &port_ops, m);
        if (r < 0)
                return r;
        m->can_lag = port_can_lag(m->port);
        if (m->can_lag)
                mux_start_anywhere(m);

        *ret = TAKE_PTR(m);
        return 0;
}

int mux_open(Mux *m) {
        bool goes_on;
        int r;

        if (m->state == MUX_BUSY)
                mux_set_state(m, MUX_STARTING, NULL);
        m->opened = true;
        if (m->inhibited)
                return 0;
        r = port_start(m->port);
        if (r < 0)
                return r;
        goes_on = port_get_state(m->port) == PORT_OPEN; /* with an adopted descriptor */
        if (goes_on && m->restored) {
                if (m->doubtful)
                        check_start_later(m);
                else
                        mux_set_state_quietly(m, MUX_READY, NULL);
        }
        if (m->was_ready)
                mux_save_now(m); /* other transaction ids than before */
        if (goes_on && !m->restored)
                ctl_start(m);
        return 0;
}

int mux_open_lost(Mux *m) {
        m->ids_lost = true;
        return mux_open(m);
}

void mux_set_busy(Mux *m, const char *reason) {
        mux_set_state(m, MUX_BUSY, reason);
}

/* Gives the ids back as far as the port takes that at once. */
static void free_clients(Mux *m) {
        Client *c, *next;

        for (c = TAILQ_FIRST(&m->clients); c; c = next) {
                bool held = c->state == CLIENT_READY && !(c->ctl_request && c->ctl_request->transaction);
                uint16_t service = c->service;
                uint8_t id = c->id;

                next = TAILQ_NEXT(c, entry);
                if (c == m->ctl)
                        continue;
                (void) client_free(c);
                if (held && !m->detached)
                        ctl_send_release(m, service, id);
        }
}

Mux *mux_free(Mux *m) {
        if (!m)
                return NULL;

        m->state = MUX_STARTING; /* nothing is sent any more but aborts and releases */
        free_clients(m);
        (void) client_free(m->ctl);
        (void) port_free(m->port);
        sd_event_source_disable_unref(m->timer);
        sd_event_source_disable_unref(m->flush);
        sd_event_unref(m->event);
        free(m->services);
        free(m->reason);
        free(m);
        return NULL;
}

MuxState mux_get_state(Mux *m) {
        return m->state;
}

const char *mux_get_state_reason(Mux *m) {
        return m->reason ?: "";
}

Port *mux_get_port(Mux *m) {
        return m->port;
}

uint16_t mux_get_vendor(Mux *m) {
        return m->vendor;
}

void mux_get_statistics(Mux *m, MuxStatistics *ret) {
        *ret = m->statistics;
}

size_t mux_get_services(Mux *m, const MuxService **ret) {
        *ret = m->services;
        return m->n_services;
}

bool mux_has_service(Mux *m, uint16_t service) {
        for (size_t i = 0; i < m->n_services; i++)
                if (m->services[i].id == service)
                        return true;
        return false;
}

void mux_set_tap(Mux *m, MuxTap tap, void *userdata) {
        m->tap = tap;
        m->tap_userdata = userdata;
}

void mux_foreach_client(Mux *m, bool (*f)(Client *c, void *userdata), void *userdata) {
        Client *c;

        TAILQ_FOREACH(c, &m->clients, entry)
                if (c != m->ctl && c->state != CLIENT_ENDED && !f(c, userdata))
                        return;
}

const Owner *mux_get_owner(Mux *m) {
        return &m->owner;
}
