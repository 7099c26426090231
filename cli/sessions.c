/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>

#include "bus.h"
#include "json.h"
#include "reply.h"
#include "session.h"
#include "table.h"

/* "1:02:03" since it was connected. */
static const char *duration_of(const Value *session, Arena *a) {
        const Value *statistics = value_dict_get(session, "statistics"),
                    *v = statistics ? value_dict_get(statistics, "duration") : NULL;
        uint64_t seconds;

        if (!v || value_get_u64(v, &seconds) < 0 || !streq(reply_text(session, "state"), "connected"))
                return "";
        return arena_printf(a, "%" PRIu64 ":%02u:%02u", seconds / 3600, (unsigned) (seconds / 60 % 60),
                            (unsigned) (seconds % 60));
}

/* A second address has a row of its own: of IPv6 ones no two fit on a line. */
static int print_table(const Options *o, Arena *a, const Value *sessions) {
        static const char *const headers[] = { "SESSION", "STATE", "INTERFACE", "APN", "TIME", "ADDRESS" };
        Table t = { .arena = a, .headers = headers, .n_columns = ELEMENTSOF(headers) };

        for (uint32_t i = 0; i < sessions->n; i++) {
                const Value *session = &sessions->elements[i];
                const char *first = session_address(session, "ip4", a),
                           *second = session_address(session, "ip6", a), *duration = duration_of(session, a),
                           **cells = table_add(&t);

                if (!first || !second || !duration || !cells)
                        return cli_oom();
                cells[0] = reply_text(session, "name");
                cells[1] = reply_text(session, "state");
                cells[2] = reply_text(session, "interface");
                cells[3] = reply_text(session, "apn");
                cells[4] = duration;
                cells[5] = *first ? first : second;
                if (!*first || !*second)
                        continue;
                cells = table_add(&t);
                if (!cells)
                        return cli_oom();
                cells[5] = second;
        }
        table_print(&t, stdout, o->legend);
        return EXIT_OK;
}

int verb_sessions(const Options *o, char **args, size_t n_args) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(arena_done) Arena a;
        const Value *session;
        Value sessions;
        int r;

        arena_init(&a);
        r = bus_connect(o, &bus);
        if (r != EXIT_OK)
                return r;
        r = session_list(o, bus, &reply, &a, &sessions);
        if (r != EXIT_OK)
                return r;
        if (n_args > 0) {
                r = session_find(&sessions, args[0], &session);
                return r != EXIT_OK ? r : session_print(o, session, &a);
        }
        return o->json != JSON_OFF ? json_print(stdout, &sessions, o->json) : print_table(o, &a, &sessions);
}
