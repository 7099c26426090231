/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "bus.h"
#include "connection.h"
#include "json.h"
#include "output.h"
#include "reply.h"
#include "session.h"
#include "util/clock.h"

static int show_event(Connection *c, const char *event, const Value *session, const char *line, Arena *a) {
        Value object = { .type = VALUE_DICT }, *v;

        if (c->options->json == JSON_OFF) {
                output_text(stdout, line);
                fputc('\n', stdout);
                return fflush(stdout) < 0 || ferror(stdout)
                               ? cli_error(EXIT_REFUSED, "cannot write the output")
                               : EXIT_OK;
        }
        v = value_dict_add(&object, a, "time_usec");
        if (!v)
                return cli_oom();
        *v = (Value){ .type = VALUE_U64, .u64 = now_usec(CLOCK_REALTIME) };
        v = value_dict_add(&object, a, "event");
        if (!v)
                return cli_oom();
        *v = (Value){ .type = VALUE_STRING, .string = event };
        v = value_dict_add(&object, a, "session");
        if (!v)
                return cli_oom();
        *v = *session;
        return json_print(stdout, &object, c->options->json);
}

int connection_take_end(Connection *c, const Value *properties) {
        const Value *end = value_dict_get(properties, "EndReason");

        if (!end || !*reply_text(end, "kind"))
                return 0;
        if (set_text(&c->end_kind, reply_text(end, "kind")) < 0 ||
            set_text(&c->end_text, reply_text(end, "text")) < 0)
                return -ENOMEM;
        /* The modem's own clients are no people. */
        c->end_wanted = streq(c->end_kind, "requested") && !value_dict_get(end, "call_end_reason") &&
                        !value_dict_get(end, "verbose_reason");
        return 0;
}

void connection_forget_session(Connection *c) {
        (void) set_text(&c->session, NULL);
        (void) set_text(&c->end_kind, NULL);
        (void) set_text(&c->end_text, NULL);
        (void) set_text(&c->shown, NULL);
        c->end_wanted = false;
}

/* It was up, and is no more. */
int connection_session_ended(Connection *c) {
        const char *text = c->end_text && *c->end_text ? c->end_text : "qmid does not have it any more";
        Value session, properties = { .type = VALUE_DICT }, *v;
        _cleanup_(arena_done) Arena a;
        char *line;
        int r;

        arena_init(&a);
        if (!c->connect->foreground)
                return connection_end(c,
                                      cli_error(EXIT_REFUSED, "connect: the session has ended: %s", text));
        if (session_describe(c->session, &properties, &a, &session) < 0)
                return connection_oom(c);
        for (size_t i = 0; i < 2; i++) {
                const char *value = i == 0 ? c->end_kind : text;

                if (!value)
                        continue;
                v = value_dict_add(&session, &a, i == 0 ? "kind" : "text");
                if (!v)
                        return connection_oom(c);
                *v = (Value){ .type = VALUE_STRING, .string = value };
        }
        line = arena_printf(&a, "Session %s has ended: %s", bus_device_name(c->session), text);
        if (!line)
                return connection_oom(c);
        r = show_event(c, "ended", &session, line, &a);
        if (r != EXIT_OK || c->end_wanted)
                return connection_end(c, r);

        if (now_usec(CONNECT_CLOCK) - c->up_since_usec >= UP_LONG_SEC * USEC_PER_SEC)
                c->delay_sec = RETRY_MIN_SEC;
        r = connection_wait(c, true, text);
        connection_forget_session(c);
        return r;
}

static int session_up(Connection *c, const Value *session, Arena *a) {
        const char *name = reply_text(session, "name"), *summary = session_summary(session, a), *line;
        bool first = !c->shown;
        int r;

        line = summary ? arena_printf(a, "Session %s is connected: %s", name, summary) : NULL;
        if (!line)
                return connection_oom(c);
        c->state = CONNECTION_UP;
        if (!c->connect->foreground) {
                r = c->options->json != JSON_OFF ? json_print(stdout, session, c->options->json)
                                                 : show_event(c, "", session, line, a);
                return connection_end(c, r);
        }

        if (first) {
                c->was_up = true;
                c->up_since_usec = now_usec(CONNECT_CLOCK);
                c->limit = sd_event_source_disable_unref(c->limit);
                connection_watch_registration(c, false);
        } else if (streq(c->shown, line)) {
                if (c->remark)
                        connection_status(c, "", line);
                (void) set_text(&c->remark, NULL);
                return 0;
        }
        (void) set_text(&c->remark, NULL);
        if (set_text(&c->shown, line) < 0)
                return connection_oom(c);
        r = show_event(c, first ? "connected" : "changed", session, line, a);
        if (r != EXIT_OK)
                return connection_end(c, r);
        connection_status(c, "READY=1\n", line);
        return 0;
}

static int on_session(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        Connection *c = userdata;
        _cleanup_(arena_done) Arena a;
        Value properties, session;
        int r;

        arena_init(&a);
        c->call = sd_bus_slot_unref(c->call);
        if (e && !c->connect->foreground)
                return connection_failed(c, "connect", e);
        if (sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
            sd_bus_error_has_name(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
            sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY))
                return 0; /* on_owner_changed() asks the next one */
        if (e && connection_is_gone(e))
                return connection_session_ended(c);
        if (e)
                return connection_end(c, bus_fail("connect", e));
        r = reply_read(m, &a, &properties);
        if (r >= 0)
                r = session_describe(c->session, &properties, &a, &session);
        if (r < 0)
                return connection_end(c, bus_fail_errno("connect", r));
        if (streq(reply_text(&session, "state"), "disconnecting"))
                return 0; /* it will say when that is over */
        if (!streq(reply_text(&session, "state"), "disconnected"))
                return session_up(c, &session, &a);
        return connection_take_end(c, &properties) < 0 ? connection_oom(c) : connection_session_ended(c);
}

int connection_read_session(Connection *c) {
        return connection_get_all(c, CONNECTION_UP, c->session, QMID_SESSION_INTERFACE, on_session);
}
