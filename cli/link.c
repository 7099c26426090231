/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>

#include "bus.h"
#include "json.h"
#include "output.h"
#include "reply.h"
#include "table.h"

/* How packets are framed between modem and network interface, and what is wrong with it. */

/* Of a mode that is to be set: the modem has a few steps to answer. */
#define SET_TIMEOUT_USEC (120 * USEC_PER_SEC)

static const char *text_of(const Value *dict, const char *key) {
        const Value *v = value_dict_get(dict, key);

        return v && v->type == VALUE_STRING ? v->string : "";
}

static uint64_t number_of(const Value *dict, const char *key) {
        const Value *v = value_dict_get(dict, key);
        uint64_t n;

        return v && value_get_u64(v, &n) >= 0 ? n : 0;
}

static bool flag_of(const Value *dict, const char *key) {
        const Value *v = value_dict_get(dict, key);

        return v && v->type == VALUE_BOOL && v->boolean;
}

/* "32": what is not known, or does not count, is empty. */
static const char *limit_of(const Value *side, const char *key, Arena *a) {
        uint64_t n = number_of(side, key);

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
        cells[1] = text_of(modem, "link_layer");
        cells[2] = text_of(host, "link_layer");
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

/* ---- the interfaces, which are on the machine where qmid runs */

static uint64_t read_number(const char *interface, const char *file) {
        char path[sizeof("/sys/class/net//statistics/rx_compressed") + IF_NAMESIZE];
        uint64_t n = 0;
        FILE *f;

        if (strlen(interface) >= IF_NAMESIZE || strchr(interface, '/'))
                return 0;
        (void) snprintf(path, sizeof(path), "/sys/class/net/%s/%s", interface, file);
        f = fopen(path, "re");
        if (!f)
                return 0;
        if (fscanf(f, "%" SCNu64, &n) != 1)
                n = 0;
        fclose(f);
        return n;
}

/* "1234", "12.3 kB": so that a row fits on 80 columns. */
static const char *bytes_text(uint64_t n, Arena *a) {
        static const char *const units[] = { "kB", "MB", "GB", "TB", "PB", "EB" };
        double size = (double) n / 1000;
        size_t i = 0;

        if (n < 10000)
                return arena_printf(a, "%" PRIu64, n);
        for (; size >= 999.95 && i < ELEMENTSOF(units) - 1; i++)
                size /= 1000;
        return arena_printf(a, "%.1f %s", size, units[i]);
}

static const char *count_text(uint64_t n, Arena *a) {
        return arena_printf(a, "%" PRIu64, n);
}

static int add_interface(Table *t, const char *interface, const char *mux) {
        const char **cells = table_add(t);
        size_t n = 0;

        if (!cells)
                return -ENOMEM;
        cells[n++] = interface;
        cells[n++] = mux;
        cells[n++] = count_text(read_number(interface, "mtu"), t->arena);
        cells[n++] = count_text(read_number(interface, "statistics/rx_packets"), t->arena);
        cells[n++] = bytes_text(read_number(interface, "statistics/rx_bytes"), t->arena);
        cells[n++] = count_text(read_number(interface, "statistics/rx_errors") +
                                        read_number(interface, "statistics/rx_dropped"),
                                t->arena);
        cells[n++] = count_text(read_number(interface, "statistics/tx_packets"), t->arena);
        cells[n++] = bytes_text(read_number(interface, "statistics/tx_bytes"), t->arena);
        cells[n++] = count_text(read_number(interface, "statistics/tx_errors") +
                                        read_number(interface, "statistics/tx_dropped"),
                                t->arena);
        for (size_t i = 0; i < n; i++)
                if (!cells[i])
                        return -ENOMEM;
        return 0;
}

static int print_interfaces(const Options *o, Arena *a, const Value *host) {
        static const char *const headers[] = { "INTERFACE", "MUX", "MTU",   "RX",  "BYTES",
                                               "LOST",      "TX",  "BYTES", "LOST" };
        Table t = { .arena = a, .headers = headers, .n_columns = ELEMENTSOF(headers) };
        const Value *muxes = value_dict_get(host, "muxes");
        int r;

        if (!*text_of(host, "interface"))
                return EXIT_OK;
        r = add_interface(&t, text_of(host, "interface"), "");
        for (uint32_t i = 0; r >= 0 && muxes && muxes->type == VALUE_DICT && i < muxes->n; i++)
                r = add_interface(&t, text_of(muxes, muxes->entries[i].key), muxes->entries[i].key);
        if (r < 0)
                return cli_oom();
        putchar('\n');
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
        const char *agreed = text_of(link, "agreed"), *interface = text_of(host, "interface");

        output_text(stdout, *interface ? interface : "no network interface");
        if (*interface)
                fputs(flag_of(host, "up") ? " is up" : " is down", stdout);
        fputs("; mode ", stdout);
        output_text(stdout, text_of(link, "mode"));
        if (*agreed) {
                fputs(", set to ", stdout);
                output_text(stdout, agreed);
        }
        fputs("; managed by ", stdout);
        output_text(stdout,
                    streq(text_of(link, "manager"), "other") ? "somebody else" : text_of(link, "manager"));
        fputs("\n\n", stdout);
}

static int print_link(const Options *o, Arena *a, const Value *link) {
        static const Value nothing = { .type = VALUE_DICT };
        const Value *modem = value_dict_get(link, "modem") ?: &nothing;
        const Value *host = value_dict_get(link, "host") ?: &nothing;
        int r;

        print_heading(link, host);
        r = print_sides(o, a, modem, host);
        if (r == EXIT_OK && !o->host && !o->machine)
                r = print_interfaces(o, a, host);
        if (r != EXIT_OK)
                return r;
        if (*text_of(link, "problem"))
                print_words(text_of(link, "problem"));
        else if (!*text_of(link, "agreed") && !streq(text_of(link, "mode"), "off") &&
                 !streq(text_of(modem, "link_layer"), text_of(host, "link_layer")))
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
        return print_link(o, &a, link);
}
