/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench-latency SIMULATOR-SOCKET DEVICE-PATH ROUNDS
 *
 * Measures, in turns so that the machine's mood is the same for each: one request straight to the simulator,
 * one Peer.Ping to qmid, one GetSignalInfo over the bus. Prints the medians in microseconds, a line each. */

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include "qmi/frame.h"
#include "qmi/tlv.h"
#include "util/util.h"

#define NAS                 0x03
#define CTL_ALLOCATE        0x0022
#define NAS_GET_SIGNAL_INFO 0x004F

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

/* Sends a request and waits for the frame that answers it. */
static void exchange(int fd, const QmiMessage *request, uint8_t *frame, QmiMessage *ret) {
        ssize_t n = frame_build(request, 0x00, frame, QMUX_MAX);
        size_t have = 0;

        check((int) n, "frame_build");
        if (write(fd, frame, (size_t) n) != n)
                check(-EIO, "write");
        do {
                n = read(fd, frame + have, QMUX_MAX - have);
                if (n <= 0)
                        check(-EIO, "read");
                have += (size_t) n;
        } while (have < 3 || have < 1U + read_le16(frame + 1));
        check(frame_parse(frame, have, ret), "frame_parse");
}

static int connect_modem(const char *path, uint8_t *frame, uint8_t *ret_client) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        QmiMessage answer;
        Tlv tlv;
        int fd;

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
                check(-EINVAL, path);
        strcpy(address.sun_path, path);
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                check(-errno, path);
        exchange(fd,
                 &(QmiMessage){ .service = QMI_SERVICE_CTL,
                                .type = QMI_REQUEST,
                                .transaction = 1,
                                .id = CTL_ALLOCATE,
                                .tlvs = (const uint8_t[]){ 0x01, 0x01, 0x00, NAS },
                                .n_tlvs = 4 },
                 frame, &answer);
        if (tlv_find(answer.tlvs, answer.n_tlvs, 0x01, &tlv) <= 0 || tlv.n_bytes < 2)
                check(-EBADMSG, "allocate");
        *ret_client = tlv.bytes[1];
        return fd;
}

static int compare(const void *a, const void *b) {
        const double *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static double median(double *samples, size_t n) {
        qsort(samples, n, sizeof(*samples), compare);
        return samples[n / 2];
}

static void call(sd_bus *bus, const char *path, const char *interface, const char *member,
                 const char *types) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_call_method(bus, "org.qmid1", path, interface, member, &error, &reply, types, 0);
        if (r < 0) {
                fprintf(stderr, "%s: %s\n", member, error.message);
                exit(EXIT_FAILURE);
        }
}

int main(int argc, char **argv) {
        static uint8_t frame[QMUX_MAX];
        double *direct, *ping, *method;
        QmiMessage answer;
        uint8_t client;
        size_t rounds;
        sd_bus *bus;
        int fd;

        if (argc != 4)
                check(-EINVAL, "bench-latency SIMULATOR-SOCKET DEVICE-PATH ROUNDS");
        rounds = strtoul(argv[3], NULL, 10);
        direct = calloc(rounds + 1, sizeof(double));
        ping = calloc(rounds + 1, sizeof(double));
        method = calloc(rounds + 1, sizeof(double));
        if (!direct || !ping || !method)
                check(-ENOMEM, "calloc");
        check(sd_bus_open_system(&bus), "connecting to the bus");
        fd = connect_modem(argv[1], frame, &client);

        /* The first calls allocate client ids and warm the caches. */
        for (size_t i = 0; i < 50; i++) {
                call(bus, argv[2], "org.freedesktop.DBus.Peer", "Ping", NULL);
                call(bus, argv[2], "org.qmid1.Nas", "GetSignalInfo", "a{sv}");
        }
        for (size_t i = 0; i < rounds; i++) {
                double t = now_usec();

                exchange(fd,
                         &(QmiMessage){ .service = NAS,
                                        .client = client,
                                        .type = QMI_REQUEST,
                                        .transaction = (uint16_t) (i % 0xFFFF + 1),
                                        .id = NAS_GET_SIGNAL_INFO },
                         frame, &answer);
                direct[i] = now_usec() - t;

                t = now_usec();
                call(bus, argv[2], "org.freedesktop.DBus.Peer", "Ping", NULL);
                ping[i] = now_usec() - t;

                t = now_usec();
                call(bus, argv[2], "org.qmid1.Nas", "GetSignalInfo", "a{sv}");
                method[i] = now_usec() - t;
        }
        printf("direct %.1f\nping %.1f\nmethod %.1f\n", median(direct, rounds), median(ping, rounds),
               median(method, rounds));
        close(fd);
        sd_bus_flush_close_unref(bus);
        free(direct);
        free(ping);
        free(method);
        return 0;
}
