/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>

#include "bus.h"
#include "link.h"
#include "reply.h"
#include "session.h"
#include "table.h"

#define QMID_WDS_INTERFACE "org.qmid1.Wds"

typedef struct Counters {
        uint64_t rx_packets, rx_bytes, rx_lost, tx_packets, tx_bytes, tx_lost;
} Counters;

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

static int add_row(Table *t, const char *name, const char *mux, const char *mtu, const Counters *c) {
        const char **cells = table_add(t);
        size_t n = 0;

        if (!cells)
                return -ENOMEM;
        cells[n++] = name;
        cells[n++] = mux;
        cells[n++] = mtu;
        cells[n++] = count_text(c->rx_packets, t->arena);
        cells[n++] = bytes_text(c->rx_bytes, t->arena);
        cells[n++] = count_text(c->rx_lost, t->arena);
        cells[n++] = count_text(c->tx_packets, t->arena);
        cells[n++] = bytes_text(c->tx_bytes, t->arena);
        cells[n++] = count_text(c->tx_lost, t->arena);
        for (size_t i = 0; i < n; i++)
                if (!cells[i])
                        return -ENOMEM;
        return 0;
}

/* ---- this machine's, which is the one where qmid runs */

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

static int add_interface(Table *t, const char *interface, const char *mux) {
        Counters c = {
                .rx_packets = read_number(interface, "statistics/rx_packets"),
                .rx_bytes = read_number(interface, "statistics/rx_bytes"),
                .rx_lost = read_number(interface, "statistics/rx_errors") +
                           read_number(interface, "statistics/rx_dropped"),
                .tx_packets = read_number(interface, "statistics/tx_packets"),
                .tx_bytes = read_number(interface, "statistics/tx_bytes"),
                .tx_lost = read_number(interface, "statistics/tx_errors") +
                           read_number(interface, "statistics/tx_dropped"),
        };
        const char *mtu = count_text(read_number(interface, "mtu"), t->arena);

        return mtu ? add_row(t, interface, mux, mtu, &c) : -ENOMEM;
}

/* ---- the modem's */

/* Sends it, and leaves out what is refused: it is somebody else's session, or the modem does not count. */
static bool ask(sd_bus *bus, sd_bus_message *m, Arena *a, Value *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

        return sd_bus_call(bus, m, BUS_TIMEOUT_USEC, NULL, &reply) >= 0 && reply_read(reply, a, ret) >= 0 &&
               ret->type == VALUE_DICT;
}

static int add_counters(sd_bus *bus, const char *client, Arena *a, Counters *c, bool *known) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Value v;
        int r;

        r = bus_new_call(bus, client, QMID_WDS_INTERFACE, "GetPacketStatistics", &m);
        if (r != EXIT_OK)
                return r;
        r = sd_bus_message_append(m, "a{sv}", 1, "counters", "as", 8, "tx_packets_ok", "rx_packets_ok",
                                  "tx_packets_error", "rx_packets_error", "tx_bytes_ok", "rx_bytes_ok",
                                  "tx_packets_dropped", "rx_packets_dropped");
        if (r < 0)
                return cli_oom();
        if (!ask(bus, m, a, &v))
                return EXIT_OK;
        *known = true;
        c->rx_packets += reply_number(&v, "rx_packets_ok");
        c->rx_bytes += reply_number(&v, "rx_bytes_ok");
        c->rx_lost += reply_number(&v, "rx_packets_error") + reply_number(&v, "rx_packets_dropped");
        c->tx_packets += reply_number(&v, "tx_packets_ok");
        c->tx_bytes += reply_number(&v, "tx_bytes_ok");
        c->tx_lost += reply_number(&v, "tx_packets_error") + reply_number(&v, "tx_packets_dropped");
        return EXIT_OK;
}

/* Of a session, its families together. */
static int add_session(sd_bus *bus, const char *session, Table *t) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Counters c = {};
        bool known = false;
        Value clients;
        int r;

        r = bus_new_call(bus, session, QMID_SESSION_INTERFACE, "GetClients", &m);
        if (r != EXIT_OK)
                return r;
        if (sd_bus_message_append(m, "a{sv}", 0) < 0)
                return cli_oom();
        if (!ask(bus, m, t->arena, &clients))
                return EXIT_OK;
        for (uint32_t i = 0; i < clients.n; i++) {
                r = add_counters(bus, reply_text(&clients, clients.entries[i].key), t->arena, &c, &known);
                if (r != EXIT_OK)
                        return r;
        }
        return known && add_row(t, "  modem", "", "", &c) < 0 ? cli_oom() : EXIT_OK;
}

/* ---- both */

static int add_link(sd_bus *bus, const Value *sessions, const char *interface, const char *mux, Table *t) {
        int r = EXIT_OK;

        if (add_interface(t, interface, mux) < 0)
                return cli_oom();
        for (uint32_t i = 0; i < sessions->n && r == EXIT_OK; i++) {
                const Value *s = &sessions->elements[i];

                if (streq(reply_text(s, "interface"), interface) &&
                    streq(reply_text(s, "state"), "connected"))
                        r = add_session(bus, reply_text(s, "path"), t);
        }
        return r;
}

int link_print_counters(const Options *o, sd_bus *bus, Arena *a, const Value *host) {
        static const char *const headers[] = { "INTERFACE", "MUX", "MTU",   "RX",  "BYTES",
                                               "LOST",      "TX",  "BYTES", "LOST" };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Table t = { .arena = a, .headers = headers, .n_columns = ELEMENTSOF(headers) };
        const Value *muxes = value_dict_get(host, "muxes");
        Value sessions;
        int r;

        if (!*reply_text(host, "interface"))
                return EXIT_OK;
        r = session_list(o, bus, &reply, a, &sessions);
        if (r == EXIT_OK)
                r = add_link(bus, &sessions, reply_text(host, "interface"), "", &t);
        for (uint32_t i = 0; r == EXIT_OK && muxes && muxes->type == VALUE_DICT && i < muxes->n; i++)
                r = add_link(bus, &sessions, reply_text(muxes, muxes->entries[i].key), muxes->entries[i].key,
                             &t);
        if (r != EXIT_OK)
                return r;
        putchar('\n');
        table_print(&t, stdout, o->legend);
        return EXIT_OK;
}
