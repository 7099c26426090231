/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <time.h>

#include "access.h"
#include "bus.h"
#include "json.h"
#include "reply.h"
#include "table.h"

static const char *local_time(uint64_t usec, Arena *a) {
        time_t seconds = (time_t) (usec / USEC_PER_SEC);
        char text[32];
        struct tm tm;

        if (usec == 0 || !localtime_r(&seconds, &tm) ||
            strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0)
                return "";
        return arena_strndup(a, text, strlen(text));
}

/* Where it comes from, for people: the caller's own one, an object, one that waits for its end. */
static const char *kind_of(const Value *entry, Arena *a) {
        const char *path = reply_text(entry, "path"), *kind = "shared";
        uint64_t n_lost = reply_number(entry, "lost_indications");

        if (reply_flag(entry, "lingering"))
                kind = "lingering";
        else if (reply_flag(entry, "implicit"))
                kind = "implicit";
        else if (*path)
                kind = arena_printf(a, "%s%s%s", reply_flag(entry, "persist") ? "persistent " : "",
                                    bus_device_name(path), reply_flag(entry, "socket") ? ", socket" : "");
        return kind && n_lost > 0 ? arena_printf(a, "%s, %" PRIu64 " lost", kind, n_lost) : kind;
}

static bool is_withheld(const Value *entry) {
        return value_dict_get(entry, "withheld");
}

/* One that persists can be nobody's. */
static const char *owner_of(const Value *entry) {
        const char *owner = reply_text(entry, "owner");

        if (is_withheld(entry))
                return "withheld";
        return *owner ? owner : "nobody";
}

static int print_table(const Options *o, Arena *a, const Value *clients) {
        static const char *const headers[] = { "SERVICE",  "CID",   "OWNER", "PROGRAM",
                                               "REQUESTS", "SINCE", "CLIENT" };
        Table t = { .arena = a, .headers = headers, .n_columns = ELEMENTSOF(headers) };
        bool some_withheld = false;
        OutputLine l;

        for (uint32_t i = 0; i < clients->n; i++) {
                const Value *entry = &clients->elements[i];
                const char **cells = table_add(&t);

                if (!cells)
                        return cli_oom();
                cells[0] = reply_text(entry, "service");
                cells[1] = arena_printf(a, "%" PRIu64, reply_number(entry, "client_id"));
                cells[2] = owner_of(entry);
                cells[3] = reply_text(entry, "program");
                cells[4] = is_withheld(entry) ? ""
                                              : arena_printf(a, "%" PRIu64, reply_number(entry, "requests"));
                some_withheld |= is_withheld(entry);
                cells[5] = local_time(reply_number(entry, "since"), a);
                cells[6] = kind_of(entry, a);
                for (size_t k = 0; k < ELEMENTSOF(headers); k++)
                        if (!cells[k])
                                return cli_oom();
        }
        table_print(&t, stdout, o->legend);
        if (some_withheld && o->legend) {
                putchar('\n');
                l = output_line(stdout, 0);
                output_words(&l, "What is withheld belongs to others; to see it");
                access_print_remedy(&l, ACCESS_SET(ACCESS_CLIENTS));
                putchar('\n');
        }
        return EXIT_OK;
}

int verb_clients(const Options *o, char **args, size_t n_args) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *device = NULL;
        _cleanup_(arena_done) Arena a;
        Value clients;
        int r;

        arena_init(&a);
        r = bus_connect(o, &bus);
        if (r != EXIT_OK)
                return r;
        r = bus_find_device(o, bus, &device);
        if (r != EXIT_OK)
                return r;
        r = bus_new_call(bus, device, QMID_DEVICE_INTERFACE, "ListClients", &m);
        if (r != EXIT_OK)
                return r;
        r = sd_bus_message_append(m, "a{sv}", 0);
        if (r < 0)
                return bus_fail_errno("clients", r);
        r = bus_call(o, bus, m, "clients", BUS_TIMEOUT_USEC, &reply);
        if (r != EXIT_OK)
                return r;
        r = reply_read(reply, &a, &clients);
        if (r >= 0 && clients.type != VALUE_ARRAY)
                r = -EBADMSG;
        if (r < 0)
                return bus_fail_errno("clients", r);

        return o->json != JSON_OFF ? json_print(stdout, &clients, o->json) : print_table(o, &a, &clients);
}
