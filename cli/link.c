/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "bus.h"
#include "json.h"
#include "link.h"
#include "output.h"
#include "reply.h"
#include "table.h"

/* How packets are framed between modem and network interface, and what is wrong with it. */

/* Of a mode that is to be set: the modem has a few steps to answer. */
#define SET_TIMEOUT_USEC (120 * USEC_PER_SEC)

/* "32": what is not known, or does not count, is empty. */
static const char *limit_of(const Value *side, const char *key, Arena *a) {
        uint64_t n = reply_number(side, key);

        return n > 0 ? arena_printf(a, "%" PRIu64, n) : "";
}

static int print_sides(const Options *o, Arena *a, const Value *modem, const Value *host) {
        static const char *const headers[] = { "", "MODEM", "HOST" };
        static const struct {
                const char *label, *key;
        } limits[] = {
                { "packets to the host at once", "downlink_max_datagrams" },
                { "bytes to the host at once", "downlink_max_size" },
                { "packets to the modem at once", "uplink_max_datagrams" },
                { "bytes to the modem at once", "uplink_max_size" },
        };
        Table t = { .arena = a, .headers = headers, .n_columns = ELEMENTSOF(headers) };
        const char **cells;

        cells = table_add(&t);
        if (!cells)
                return cli_oom();
        cells[0] = "link layer";
        cells[1] = reply_text(modem, "link_layer");
        cells[2] = reply_text(host, "link_layer");
        for (size_t i = 0; i < ELEMENTSOF(limits); i++) {
                const char *of_modem = limit_of(modem, limits[i].key, a),
                           *of_host = limit_of(host, limits[i].key, a);

                if (!of_modem || !of_host)
                        return cli_oom();
                if (!*of_modem && !*of_host)
                        continue;
                cells = table_add(&t);
                if (!cells)
                        return cli_oom();
                cells[0] = limits[i].label;
                cells[1] = of_modem;
                cells[2] = of_host;
        }
        table_print(&t, stdout, o->legend);
        return EXIT_OK;
}

/* ---- in words */

static void print_words(const char *text) {
        OutputLine l = output_line(stdout, 0);

        putchar('\n');
        output_words(&l, text);
        putchar('\n');
}

static void print_heading(const Value *link, const Value *host) {
        const char *agreed = reply_text(link, "agreed"), *interface = reply_text(host, "interface");

        output_text(stdout, *interface ? interface : "no network interface");
        if (*interface)
                fputs(reply_flag(host, "up") ? " is up" : " is down", stdout);
        fputs("; mode ", stdout);
        output_text(stdout, reply_text(link, "mode"));
        if (*agreed) {
                fputs(", set to ", stdout);
                output_text(stdout, agreed);
        }
        fputs("; managed by ", stdout);
        output_text(stdout, streq(reply_text(link, "manager"), "other") ? "somebody else"
                                                                        : reply_text(link, "manager"));
        fputs("\n\n", stdout);
}

static int print_link(const Options *o, sd_bus *bus, Arena *a, const Value *link) {
        static const Value nothing = { .type = VALUE_DICT };
        const Value *modem = value_dict_get(link, "modem") ?: &nothing;
        const Value *host = value_dict_get(link, "host") ?: &nothing;
        int r;

        print_heading(link, host);
        r = print_sides(o, a, modem, host);
        if (r == EXIT_OK && !o->host && !o->machine)
                r = link_print_counters(o, bus, a, host);
        if (r != EXIT_OK)
                return r;
        if (*reply_text(link, "problem"))
                print_words(reply_text(link, "problem"));
        else if (!*reply_text(link, "agreed") && !streq(reply_text(link, "mode"), "off") &&
                 !streq(reply_text(modem, "link_layer"), reply_text(host, "link_layer")))
                print_words("Nothing is set until the first session begins; then both are.");
        return EXIT_OK;
}

static int set_mode(const Options *o, sd_bus *bus, const char *path, const char *mode) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = bus_new_call(bus, path, QMID_DEVICE_INTERFACE, "SetLinkLayer", &m);
        if (r != EXIT_OK)
                return r;
        r = sd_bus_message_append(m, "sa{sv}", mode, 0);
        if (r < 0)
                return bus_fail_errno("setting the link", r);
        return bus_call(o, bus, m, "setting the link", SET_TIMEOUT_USEC, &reply);
}

int verb_link(const Options *o, char **args, size_t n_args) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = NULL;
        _cleanup_(arena_done) Arena a;
        const Value *link;
        Value properties;
        int r;

        arena_init(&a);
        r = bus_connect(o, &bus);
        if (r != EXIT_OK)
                return r;
        r = bus_find_device(o, bus, &path);
        if (r != EXIT_OK)
                return r;
        if (n_args > 0) {
                r = set_mode(o, bus, path, args[0]);
                if (r != EXIT_OK)
                        return r;
        }
        r = bus_get_properties(o, bus, path, QMID_DEVICE_INTERFACE, &reply, &a, &properties);
        if (r != EXIT_OK)
                return r;
        link = value_dict_get(&properties, "LinkLayer");
        if (!link || link->type != VALUE_DICT)
                return bus_fail_errno("reading the link", -EBADMSG);
        if (o->json != JSON_OFF)
                return json_print(stdout, link, o->json);
        if (link->n == 0)
                return cli_error(EXIT_MISSING, "%s has no network interface", bus_device_name(path));
        return print_link(o, bus, &a, link);
}
