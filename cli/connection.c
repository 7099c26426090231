/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connection.h"

#include <signal.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "agent.h"
#include "bus.h"
#include "bus/error.h"
#include "output.h"
#include "reply.h"
#include "session.h"

int connection_end(Connection *c, int code) {
        (void) sd_event_exit(c->event, code);
        return 0;
}

int connection_oom(Connection *c) {
        return connection_end(c, cli_oom());
}

int set_text(char **text, const char *value) {
        char *copy = value ? strdup(value) : NULL;

        if (value && !copy)
                return -ENOMEM;
        free(*text);
        *text = copy;
        return 0;
}

void connection_status(Connection *c, const char *state, const char *text) {
        _cleanup_free_ char *line = NULL;
        char *p = NULL;

        if (!c->connect->foreground || asprintf(&p, "%sSTATUS=%s", state, text) < 0)
                return;
        line = p;
        for (p = strstr(line, "STATUS="); *p; p++)
                if (*p == '\n')
                        *p = ' ';
        (void) sd_notify(false, line);
}

void connection_remark(Connection *c, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0) {
                text = NULL;
                return;
        }
        if (c->remark && streq(c->remark, text))
                return;
        (void) set_text(&c->remark, text);
        connection_status(c, "", text);
        if (c->options->legend) {
                output_text(stderr, text);
                fputc('\n', stderr);
        }
}

int connection_call(Connection *c, ConnectionState state, sd_bus_message *m, uint64_t timeout_usec,
                    sd_bus_message_handler_t callback) {
        int r;

        if (c->asked_before) {
                r = sd_bus_message_set_auto_start(m, false);
                if (r < 0)
                        return connection_end(c, bus_fail_errno("connect", r));
        }
        c->asked_before = true;
        c->call = sd_bus_slot_unref(c->call);
        r = sd_bus_call_async(c->bus, &c->call, m, callback, c, timeout_usec);
        if (r < 0)
                return connection_end(c, bus_fail_errno("connect", r));
        c->state = state;
        return 0;
}

int connection_get_all(Connection *c, ConnectionState state, const char *path, const char *interface,
                       sd_bus_message_handler_t callback) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_new_call(c->bus, path, "org.freedesktop.DBus.Properties", "GetAll", &m);
        if (r != EXIT_OK)
                return connection_end(c, r);
        r = sd_bus_message_append(m, "s", interface);
        if (r < 0)
                return connection_end(c, bus_fail_errno(interface, r));
        return connection_call(c, state, m, c->options->timeout_usec ?: BUS_TIMEOUT_USEC, callback);
}

void connection_hold_signals(const Connection *c, bool hold) {
        sigset_t mask;

        if (!c->connect->foreground)
                return;
        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGINT);
        (void) sigaddset(&mask, SIGTERM);
        (void) sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &mask, NULL);
}

/* ---- what does not work now may work later ---- */

typedef enum Verdict {
        VERDICT_END,   /* it would be the same next time */
        VERDICT_WAIT,  /* what --wait waits for */
        VERDICT_RETRY, /* with --foreground only */
} Verdict;

static Verdict judge(const sd_bus_error *error, const char *end_kind) {
        static const struct {
                const char *text; /* the kind of the session's end, or the name of the error */
                Verdict verdict;
        } verdicts[] = {
                { "not-registered", VERDICT_WAIT },
                { "registration-lost", VERDICT_WAIT },
                { "modem-reset", VERDICT_WAIT },
                { "device-gone", VERDICT_WAIT },
                { "apn", VERDICT_END },
                { "authentication", VERDICT_END },
                { "ip-family", VERDICT_END },
                { "pin-required", VERDICT_END },

                { QMID_ERROR_NO_SUCH_DEVICE, VERDICT_WAIT },
                { QMID_ERROR_NOT_READY, VERDICT_WAIT },
                { QMID_ERROR_DEVICE_GONE, VERDICT_WAIT },
                { SD_BUS_ERROR_SERVICE_UNKNOWN, VERDICT_WAIT },
                { SD_BUS_ERROR_NAME_HAS_NO_OWNER, VERDICT_WAIT },
                { SD_BUS_ERROR_NO_REPLY, VERDICT_WAIT },
                { SD_BUS_ERROR_UNKNOWN_OBJECT, VERDICT_WAIT },
                { QMID_ERROR_INVALID_ARGUMENT, VERDICT_END },
                { QMID_ERROR_AMBIGUOUS_DEVICE, VERDICT_END },
                { QMID_ERROR_NO_SUCH_SERVICE, VERDICT_END },
                { QMID_ERROR_LIMITS_EXCEEDED, VERDICT_END },
                { SD_BUS_ERROR_UNKNOWN_INTERFACE, VERDICT_END },
                { SD_BUS_ERROR_UNKNOWN_METHOD, VERDICT_END },
                { SD_BUS_ERROR_ACCESS_DENIED, VERDICT_END },
                { SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, VERDICT_END },
        };

        for (size_t i = 0; i < ELEMENTSOF(verdicts); i++)
                if ((end_kind && streq(end_kind, verdicts[i].text)) ||
                    sd_bus_error_has_name(error, verdicts[i].text))
                        return verdicts[i].verdict;
        return VERDICT_RETRY;
}

bool connection_is_gone(const sd_bus_error *error) {
        return judge(error, NULL) == VERDICT_WAIT;
}

static bool may_retry(Connection *c, Verdict verdict) {
        switch (verdict) {
        case VERDICT_END:
                return false;
        case VERDICT_WAIT:
                return c->was_up || c->connect->wait;
        case VERDICT_RETRY:
                return c->connect->foreground && (c->was_up || c->connect->wait);
        }
        assert(false);
}

static int on_retry(sd_event_source *s, uint64_t usec, void *userdata) {
        return connection_attempt(userdata);
}

int connection_wait(Connection *c, bool timer, const char *text) {
        int r;

        c->call = sd_bus_slot_unref(c->call);
        c->retry = sd_event_source_disable_unref(c->retry);
        c->state = CONNECTION_WAITING;
        if (set_text(&c->why, text) < 0)
                return connection_oom(c);
        if (!timer) {
                connection_remark(c, "Waiting: %s", text);
                return 0;
        }
        r = sd_event_add_time_relative(c->event, &c->retry, CONNECT_CLOCK, c->delay_sec * USEC_PER_SEC, 0,
                                       on_retry, c);
        if (r < 0)
                return connection_end(c, bus_fail_errno("connect", r));
        connection_remark(c, "Trying again in %u s: %s", c->delay_sec, text);
        c->delay_sec = MIN(2 * c->delay_sec, RETRY_MAX_SEC);
        return 0;
}

/* ---- one attempt: find the device, see that it is ready, connect ---- */

int connection_failed(Connection *c, const char *what, const sd_bus_error *error) {
        bool missing = sd_bus_error_has_name(error, QMID_ERROR_NO_SUCH_DEVICE), unregistered;
        int r;

        if (!may_retry(c, judge(error, c->end_kind)))
                return connection_end(c, bus_fail(what, error));
        unregistered = c->end_kind &&
                       (streq(c->end_kind, "not-registered") || streq(c->end_kind, "registration-lost"));
        r = connection_wait(c, !missing, error->message);
        connection_forget_session(c);
        if (missing)
                (void) set_text(&c->device, NULL);
        if (unregistered) {
                c->is_registered = false;
                connection_watch_registration(c, true);
        }
        return r;
}

static int connection_connect(Connection *c);

/* polkit wants a password, and found nobody to ask for it. Nothing has happened yet, and nothing is up: who
 * ends us while a person is asked does so at once. */
static bool connection_start_agent(Connection *c) {
        const Options *o = c->options;

        if (c->agent || !o->ask_password || o->host || o->machine)
                return false;
        connection_hold_signals(c, false);
        c->agent = agent_start();
        if (!c->agent)
                connection_hold_signals(c, true);
        return c->agent;
}

void connection_end_agent(Connection *c) {
        if (!c->agent)
                return;
        agent_end();
        c->agent = false;
        connection_hold_signals(c, true);
}

static int on_connected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        Connection *c = userdata;
        const char *path;
        int r;

        c->call = sd_bus_slot_unref(c->call);
        if (sd_bus_error_has_name(e, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED) &&
            connection_start_agent(c))
                return connection_connect(c);
        connection_end_agent(c);
        if (e)
                return connection_failed(c, "connect", e);
        r = sd_bus_message_read(m, "o", &path);
        if (r >= 0)
                r = set_text(&c->session, path);
        if (r < 0)
                return connection_end(c, bus_fail_errno("connect", r));
        return connection_read_session(c);
}

static int connection_connect(Connection *c) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        connection_forget_session(c);
        r = bus_new_call(c->bus, c->device, QMID_DATA_INTERFACE, "Connect", &m);
        if (r != EXIT_OK)
                return connection_end(c, r);
        r = sd_bus_message_sensitive(m);
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(m, c->options->ask_password);
        if (r >= 0)
                r = connect_options_append(c->connect, c->password, c->options->timeout_usec, m);
        if (r < 0)
                return connection_end(c, bus_fail_errno("connect", r));
        return connection_call(c, CONNECTION_CONNECTING, m,
                               (c->options->timeout_usec ?: CONNECT_TIMEOUT_USEC) + BUS_TIMEOUT_USEC +
                                       (c->options->ask_password ? BUS_PASSWORD_USEC : 0),
                               on_connected);
}

static int on_device_state(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        const char *state, *reason, *text;
        Connection *c = userdata;
        _cleanup_(arena_done) Arena a;
        Value properties;
        int r;

        arena_init(&a);
        c->call = sd_bus_slot_unref(c->call);
        if (e)
                return connection_failed(c, "connect", e);
        r = reply_read(m, &a, &properties);
        if (r < 0)
                return connection_end(c, bus_fail_errno("connect", r));
        state = reply_text(&properties, "State");
        reason = reply_text(&properties, "StateReason");
        if (!*state || streq(state, "ready"))
                return connection_connect(c);
        text = arena_printf(&a, "the device is %s%s%s", state, *reason ? ": " : "", reason);
        return text ? connection_wait(c, false, text) : connection_oom(c);
}

static int on_device(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        Connection *c = userdata;
        const char *path;
        int r;

        c->call = sd_bus_slot_unref(c->call);
        if (e)
                return connection_failed(c, "finding the device", e);
        r = sd_bus_message_read(m, "o", &path);
        if (r < 0)
                return connection_end(c, bus_fail_errno("connect", r));
        if (!c->device || !streq(c->device, path))
                c->watches_registration = false;
        if (set_text(&c->device, path) < 0 || set_text(&c->qmid, sd_bus_message_get_sender(m)) < 0)
                return connection_oom(c);
        if (!c->connect->wait && !c->was_up)
                return connection_connect(c); /* qmid says what is wrong with it */
        return connection_get_all(c, CONNECTION_CHECKING, c->device, QMID_DEVICE_INTERFACE, on_device_state);
}

int connection_attempt(Connection *c) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        c->retry = sd_event_source_disable_unref(c->retry);
        r = bus_new_call(c->bus, QMID_PATH, QMID_MANAGER_INTERFACE, "FindDevice", &m);
        if (r != EXIT_OK)
                return connection_end(c, r);
        r = sd_bus_message_append(m, "sa{sv}", c->options->device, 0);
        if (r < 0)
                return connection_end(c, bus_fail_errno("connect", r));
        return connection_call(c, CONNECTION_FINDING, m, c->options->timeout_usec ?: BUS_TIMEOUT_USEC,
                               on_device);
}
