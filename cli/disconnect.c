/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"
#include "reply.h"
#include "session.h"

static int disconnect(const Options *o, sd_bus *bus, const Value *session, Arena *a) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        const char *what = arena_printf(a, "session %s", reply_text(session, "name"));
        int r;

        if (!what)
                return cli_oom();
        r = bus_new_call(bus, reply_text(session, "path"), QMID_SESSION_INTERFACE, "Disconnect", &m);
        if (r != EXIT_OK)
                return r;
        r = sd_bus_message_append(m, "a{sv}", 0);
        if (r < 0)
                return bus_fail_errno(what, r);
        return bus_call(o, bus, m, what, BUS_TIMEOUT_USEC, &reply);
}

int verb_disconnect(const Options *o, char **args, size_t n_args) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r, result = EXIT_OK;
        const Value *session;
        _cleanup_(arena_done) Arena a;
        Value sessions;

        arena_init(&a);
        if (o->all && n_args > 0)
                return cli_error(EXIT_USAGE, "disconnect: --all, and a session that is named");
        r = bus_connect(o, &bus);
        if (r != EXIT_OK)
                return r;
        r = session_list(o, bus, &reply, &a, &sessions);
        if (r != EXIT_OK)
                return r;
        if (!o->all) {
                r = session_find(&sessions, n_args > 0 ? args[0] : NULL, &session);
                return r != EXIT_OK ? r : disconnect(o, bus, session, &a);
        }
        for (uint32_t i = 0; i < sessions.n; i++) {
                r = disconnect(o, bus, &sessions.elements[i], &a);
                if (result == EXIT_OK)
                        result = r;
        }
        return result;
}
