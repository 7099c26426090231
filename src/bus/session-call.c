/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/internal.h"
#include "util/log.h"

struct SessionCall {
        SessionCallKind kind;
        sd_bus_message *message;
        Caller *caller;
        BusDevice *device;
        uint64_t number;
        TAILQ_ENTRY(SessionCall) of_device, of_caller;
};

int session_call_new(SessionCallKind kind, sd_bus_message *m, Caller *caller, BusDevice *d, uint64_t number,
                     sd_bus_error *error) {
        Charge charge = bus_charge(d->bus, caller, caller->user, d);
        SessionCall *c;
        int r;

        r = share_take(&charge, SHARE_CALLS, 1, error);
        if (r < 0)
                return r;
        c = malloc(sizeof(*c));
        if (!c) {
                share_give(&charge, SHARE_CALLS, 1);
                return -ENOMEM;
        }
        *c = (SessionCall){
                .kind = kind,
                .message = sd_bus_message_ref(m),
                .caller = caller,
                .device = d,
                .number = number,
        };
        TAILQ_INSERT_TAIL(&d->session_calls, c, of_device);
        TAILQ_INSERT_TAIL(&caller->session_calls, c, of_caller);
        bus_begin_call(d->bus);
        return 0;
}

static void call_free(SessionCall *c) {
        Bus *b = c->device->bus;
        Charge charge = bus_charge(b, c->caller, c->caller->user, c->device);

        TAILQ_REMOVE(&c->device->session_calls, c, of_device);
        TAILQ_REMOVE(&c->caller->session_calls, c, of_caller);
        share_give(&charge, SHARE_CALLS, 1);
        sd_bus_message_unref(c->message);
        free(c);
        bus_end_call(b);
}

/* The one place where it gets its reply: an error if one is set, else `path`, if it is not NULL. */
static void call_finish(SessionCall *c, const char *path, const sd_bus_error *error) {
        int r;

        if (sd_bus_error_is_set(error))
                r = sd_bus_reply_method_error(c->message, error);
        else
                r = sd_bus_reply_method_return(c->message, path ? "o" : "", path);
        if (r < 0)
                log_warning_errno(r, "Cannot reply to %s", c->caller->name);
        call_free(c);
}

void session_calls_on_connected(const BusSession *s) {
        SessionCall *c, *next;

        for (c = TAILQ_FIRST(&s->device->session_calls); c; c = next) {
                next = TAILQ_NEXT(c, of_device);
                if (c->kind == SESSION_CALL_CONNECT && c->number == s->number)
                        call_finish(c, s->path, NULL);
        }
}

static bool is_over(const SessionCall *c, const BusSession *ended) {
        const BusSession *s;

        if (c->kind != SESSION_CALL_DISCONNECT_ALL)
                return c->number == ended->number;
        LIST_FOREACH(s, &c->caller->sessions, of_caller)
                if (s->device == c->device && s->number <= c->number)
                        return false;
        return true;
}

void session_calls_on_ended(const BusSession *s) {
        SessionCall *c, *next;

        for (c = TAILQ_FIRST(&s->device->session_calls); c; c = next) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

                next = TAILQ_NEXT(c, of_device);
                if (!is_over(c, s))
                        continue;
                if (c->kind == SESSION_CALL_CONNECT)
                        bus_error_set_session(&error, bus_session_get_end(s));
                call_finish(c, NULL, &error);
        }
}

void session_calls_fail(BusDevice *d, const sd_bus_error *error) {
        while (!TAILQ_EMPTY(&d->session_calls))
                if (error)
                        call_finish(TAILQ_FIRST(&d->session_calls), NULL, error);
                else
                        call_free(TAILQ_FIRST(&d->session_calls));
}

void session_calls_drop(Caller *caller) {
        while (!TAILQ_EMPTY(&caller->session_calls))
                call_free(TAILQ_FIRST(&caller->session_calls));
}
