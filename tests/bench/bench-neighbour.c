/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench-neighbour DEVICE-PATH OTHER-NAME ROUNDS SECONDS
 * bench-neighbour --serve OTHER-NAME
 *
 * What somebody who does nothing wrong has to wait: in turns one GetSignalInfo at qmid, and one Peer.Ping at
 * another service, which does nothing else than answer them, until there were so many rounds or so much time
 * has passed. Prints how many, then the median and the 99th percentile of both in microseconds. */

#include <stdio.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "util/util.h"

static void check(int r, const char *what) {
        if (r >= 0)
                return;
        fprintf(stderr, "%s: %s\n", what, strerror(-r));
        exit(EXIT_FAILURE);
}

static double now_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
        const double *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static void print(const char *what, double *samples, size_t n) {
        qsort(samples, n, sizeof(*samples), compare);
        printf("%s %.1f\n%s-99 %.1f\n", what, samples[n / 2], what, samples[n * 99 / 100]);
}

static void call(sd_bus *bus, const char *name, const char *path, const char *interface, const char *member,
                 const char *types) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_call_method(bus, name, path, interface, member, &error, &reply, types, 0);
        if (r < 0) {
                fprintf(stderr, "%s: %s\n", member, error.message);
                exit(EXIT_FAILURE);
        }
}

/* The bus library answers pings by itself. */
static void serve(sd_bus *bus, const char *name) {
        int r;

        check(sd_bus_request_name(bus, name, 0), name);
        puts("ready");
        fflush(stdout);
        for (;;) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
                if (r < 0 && r != -EINTR)
                        return; /* the bus has gone */
        }
}

int main(int argc, char **argv) {
        double *method, *ping, end;
        size_t rounds, n = 0;
        sd_bus *bus;

        check(sd_bus_open_system(&bus), "connecting to the bus");
        if (argc == 3 && streq(argv[1], "--serve")) {
                serve(bus, argv[2]);
                return 0;
        }
        if (argc != 5)
                check(-EINVAL, "bench-neighbour DEVICE-PATH OTHER-NAME ROUNDS SECONDS");
        rounds = strtoul(argv[3], NULL, 10);
        end = now_usec() + strtod(argv[4], NULL) * 1e6;
        method = calloc(rounds + 1, sizeof(double));
        ping = calloc(rounds + 1, sizeof(double));
        if (!method || !ping)
                check(-ENOMEM, "calloc");
        while (n == 0 || (n < rounds && now_usec() < end)) {
                double t = now_usec();

                call(bus, "org.qmid1", argv[1], "org.qmid1.Nas", "GetSignalInfo", "a{sv}");
                method[n] = now_usec() - t;
                t = now_usec();
                call(bus, argv[2], "/", "org.freedesktop.DBus.Peer", "Ping", NULL);
                ping[n++] = now_usec() - t;
        }
        printf("rounds %zu\n", n);
        print("method", method, n);
        print("ping", ping, n);
        sd_bus_flush_close_unref(bus);
        free(method);
        free(ping);
        return 0;
}
