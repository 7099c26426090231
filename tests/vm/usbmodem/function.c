/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "function.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "modem.h"
#include "util/log.h"

/* CDC notification RESPONSE_AVAILABLE (CDC 1.1, 6.3.2), from an interface. */
#define NOTIFICATION_TYPE  0xa1
#define RESPONSE_AVAILABLE 0x01

struct Buffer {
        STAILQ_ENTRY(Buffer) entry;
        uint32_t transfer; /* of one that is held */
        size_t n_bytes, n_given;
        size_t first; /* an answer is given in two parts, this is the length of the first; 0: in one */
        uint8_t bytes[];
};

static Buffer *list_append(BufferList *list, const uint8_t *bytes, size_t n_bytes) {
        Buffer *b;

        b = malloc(sizeof(*b) + n_bytes);
        if (!b)
                return NULL;
        *b = (Buffer){ .n_bytes = n_bytes };
        if (n_bytes > 0)
                memcpy(b->bytes, bytes, n_bytes);
        STAILQ_INSERT_TAIL(list, b, entry);
        return b;
}

static void list_remove_first(BufferList *list) {
        Buffer *b = STAILQ_FIRST(list);

        STAILQ_REMOVE_HEAD(list, entry);
        free(b);
}

static void list_clear(BufferList *list) {
        while (!STAILQ_EMPTY(list))
                list_remove_first(list);
}

static void log_frame(const Function *f, const char *what, const uint8_t *bytes, size_t n_bytes) {
        char hex[3 * 64 + 1] = "";

        if (log_get_max_level() < LOG_DEBUG)
                return;
        for (size_t i = 0; i < n_bytes && i < 64; i++)
                (void) snprintf(hex + 3 * i, 4, " %02x", bytes[i]);
        log_debug("Interface %u: %s, %zu bytes:%s", f->interface->number, what, n_bytes, hex);
}

/* ---- to the host ---- */

void function_pump(Function *f) {
        const UsbEndpoint *e = f->interface->endpoints;
        const uint8_t notification[] = {
                NOTIFICATION_TYPE, RESPONSE_AVAILABLE, 0, 0, f->interface->number, 0, 0, 0
        };
        static uint8_t transfer[DATAPATH_TRANSFER_MAX];
        Vhci *v = f->modem->vhci;
        size_t n;

        if (!v)
                return;
        while (f->n_notifications > 0 &&
               vhci_send(v, e[ENDPOINT_NOTIFY].address, notification, sizeof(notification))) {
                f->n_notifications--;
                modem_count(f->modem, COUNTER_NOTIFICATIONS);
        }
        while (!f->modem->holds_packets && vhci_get_room(v, e[ENDPOINT_DATA_IN].address) > 0 &&
               (n = datapath_take(&f->datapath, transfer)) > 0) {
                if (n > vhci_get_room(v, e[ENDPOINT_DATA_IN].address))
                        modem_count(f->modem, COUNTER_OVERFLOWS);
                (void) vhci_send(v, e[ENDPOINT_DATA_IN].address, transfer, n);
                modem_count(f->modem, COUNTER_TRANSFERS);
        }
}

static int function_answer(Function *f, const uint8_t *frame, size_t n_frame) {
        Modem *m = f->modem;
        Buffer *b;

        log_frame(f, "to the host", frame, n_frame);
        if (m->halted)
                return 0;
        if (modem_fault_strikes(m, FAULT_CUT_ANSWERS))
                n_frame /= 2;

        b = list_append(&f->answers, frame, n_frame);
        if (!b)
                return -ENOMEM;
        if (modem_fault_strikes(m, FAULT_SPLIT_ANSWERS))
                b->first = n_frame / 2;
        if (modem_fault_strikes(m, FAULT_LOSE_NOTIFICATIONS))
                return 0;
        f->n_notifications++;
        function_pump(f);
        return 0;
}

void function_fetch(Function *f, uint32_t transfer, size_t n_max) {
        Modem *m = f->modem;
        Buffer *b = STAILQ_FIRST(&f->answers);
        size_t n;

        if (modem_fault_strikes(m, FAULT_STALL_ANSWERS)) {
                (void) vhci_finish(m->vhci, transfer, -EPIPE, NULL, 0);
                return;
        }
        if (!b) {
                (void) vhci_finish(m->vhci, transfer, 0, NULL, 0);
                return;
        }
        n = MIN(b->n_bytes - b->n_given, n_max);
        if (b->n_given == 0 && b->first > 0)
                n = MIN(n, b->first);
        (void) vhci_finish(m->vhci, transfer, 0, b->bytes + b->n_given, n);
        modem_count(m, COUNTER_ANSWERS);
        b->n_given += n;
        if (b->n_given == b->n_bytes)
                list_remove_first(&f->answers);
        else {
                f->n_notifications++;
                function_pump(f);
        }
}

/* ---- to the brain ---- */

static void function_pass_on(Function *f, const uint8_t *bytes, size_t n_bytes) {
        log_frame(f, "from the host", bytes, n_bytes);
        if (f->modem->halted)
                return;
        /* A connection that broke shows at its next read. */
        while (n_bytes > 0) {
                ssize_t n = send(f->brain, bytes, n_bytes, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return;
                bytes += n;
                n_bytes -= (size_t) n;
        }
}

void function_send(Function *f, uint32_t transfer, const uint8_t *bytes, size_t n_bytes) {
        Modem *m = f->modem;

        modem_count(m, COUNTER_SENDS);
        if (modem_fault_strikes(m, FAULT_REFUSE_SENDS)) {
                (void) vhci_finish(m->vhci, transfer, -EPIPE, NULL, 0);
                return;
        }
        if (m->holds_sends) {
                Buffer *b = list_append(&f->held, bytes, n_bytes);

                if (b)
                        b->transfer = transfer;
                return;
        }
        (void) vhci_finish(m->vhci, transfer, 0, NULL, 0);
        function_pass_on(f, bytes, n_bytes);
}

void function_release_held(Function *f) {
        Buffer *b;

        while ((b = STAILQ_FIRST(&f->held))) {
                if (vhci_finish(f->modem->vhci, b->transfer, 0, NULL, 0))
                        function_pass_on(f, b->bytes, b->n_bytes);
                list_remove_first(&f->held);
        }
}

/* ---- what the brain makes of the data channel ---- */

/* False when the connection is broken. */
static bool function_read_gates(Function *f) {
        while (f->gates >= 0) {
                ssize_t k = recv(f->gates, f->gates_line + f->n_gates_line,
                                 sizeof(f->gates_line) - f->n_gates_line, MSG_DONTWAIT);
                char *end;

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0 && errno == EAGAIN)
                        return true;
                if (k <= 0)
                        return false;
                f->n_gates_line += (size_t) k;
                while ((end = memchr(f->gates_line, '\n', f->n_gates_line))) {
                        *end = '\0';
                        log_debug("Interface %u: %s", f->interface->number, f->gates_line);
                        if (datapath_set(&f->datapath, f->gates_line) < 0)
                                log_error("This is no state of the data channel: %s", f->gates_line);
                        f->n_gates_line -= (size_t) (end + 1 - f->gates_line);
                        memmove(f->gates_line, end + 1, f->n_gates_line);
                }
        }
        return true;
}

static int on_gates(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        Function *f = userdata;

        if (!function_read_gates(f))
                modem_brain_gone(f->modem);
        return 0;
}

/* The length of the first frame of what was received; 0 if it is not whole yet. What is no frame at all goes
 * to the host as one answer, so that garbage can be tried. */
static size_t function_frame_size(const Function *f) {
        size_t n;

        if (f->n_received > 0 && f->received[0] != QMUX_MARKER)
                return f->n_received;
        if (f->n_received < 3)
                return 0;
        n = 1U + read_le16(f->received + 1);
        return n <= f->n_received ? n : 0;
}

static int on_brain(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        Function *f = userdata;
        ssize_t k;
        size_t n;
        int r = 0;

        k = recv(fd, f->received + f->n_received, sizeof(f->received) - f->n_received, MSG_DONTWAIT);
        if (k < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (k <= 0) {
                modem_brain_gone(f->modem);
                return 0;
        }
        f->n_received += (size_t) k;
        /* What the brain said there before, it did before. */
        function_read_gates(f);
        while (r >= 0 && (n = function_frame_size(f)) > 0) {
                r = function_answer(f, f->received, n);
                f->n_received -= n;
                memmove(f->received, f->received + n, f->n_received);
        }
        return r;
}

/* ---- packets ---- */

static void on_event(DatapathEvent event, void *userdata) {
        static const Counter counters[_DATAPATH_EVENT_MAX] = {
                [DATAPATH_PACKET] = COUNTER_PACKETS,
                [DATAPATH_ANSWER] = COUNTER_ECHOES,
                [DATAPATH_WRONG_FRAMING] = COUNTER_WRONG_FRAMING,
                [DATAPATH_TOO_LARGE] = COUNTER_TOO_LARGE,
                [DATAPATH_CLOSED_GATE] = COUNTER_CLOSED_GATE,
                [DATAPATH_WRONG_SOURCE] = COUNTER_WRONG_SOURCE,
        };
        Function *f = userdata;

        modem_count(f->modem, counters[event]);
}

static bool on_packet(void *userdata) {
        Function *f = userdata;

        return modem_fault_strikes(f->modem, FAULT_LOSE_PACKETS);
}

void function_packet(Function *f, const uint8_t *bytes, size_t n_bytes) {
        (void) function_read_gates(f);
        datapath_receive(&f->datapath, bytes, n_bytes);
        function_pump(f);
}

/* ---- life ---- */

void function_init(Function *f, Modem *m, const UsbInterface *interface, const char *brain_path,
                   const char *gates_path) {
        static const DatapathOps datapath_ops = { .counts = on_event, .loses = on_packet };

        f->modem = m;
        f->interface = interface;
        f->brain_path = brain_path;
        f->gates_path = gates_path;
        f->brain = f->gates = -1;
        datapath_init(&f->datapath, &datapath_ops, f);
        STAILQ_INIT(&f->held);
        STAILQ_INIT(&f->answers);
}

static int connect_to(const char *path, int *ret) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd, r;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path));
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
                r = -errno;
                close(fd);
                return r;
        }
        *ret = fd;
        return 0;
}

/* Waits for the reply: before that, the modem that is plugged in may still know what it knew when it was
 * unplugged. */
static int function_attach(Function *f) {
        char line[32];
        int n, r;

        r = connect_to(f->gates_path, &f->gates);
        if (r < 0)
                return r;
        n = snprintf(line, sizeof(line), "attach %u\n", f->interface->number);
        if (send(f->gates, line, (size_t) n, MSG_NOSIGNAL) != n)
                return -ECONNREFUSED;
        for (f->n_gates_line = 0;; f->n_gates_line++) {
                ssize_t k;

                if (f->n_gates_line == sizeof(f->gates_line))
                        return -EPROTO;
                do
                        k = recv(f->gates, f->gates_line + f->n_gates_line, 1, 0);
                while (k < 0 && errno == EINTR);
                if (k <= 0)
                        return -ECONNREFUSED;
                if (f->gates_line[f->n_gates_line] == '\n')
                        break;
        }
        f->gates_line[f->n_gates_line] = '\0';
        f->n_gates_line = 0;
        if (strncmp(f->gates_line, "ok ", 3) != 0 || datapath_set(&f->datapath, f->gates_line + 3) < 0)
                return log_error_errno(-EPROTO, "What has the gates is no qmisim: %s", f->gates_line);
        r = sd_event_add_io(f->modem->event, &f->gates_source, f->gates, EPOLLIN, on_gates, f);
        return r < 0 ? r : sd_event_source_set_exit_on_failure(f->gates_source, true);
}

int function_connect(Function *f) {
        int r;

        if (f->brain >= 0)
                return 0;
        r = connect_to(f->brain_path, &f->brain);
        if (r >= 0 && f->gates_path)
                r = function_attach(f);
        else if (r >= 0)
                r = datapath_set(&f->datapath, f->modem->options.ethernet
                                                       ? "802-3 disabled 0 0 disabled 0 0 0 ipv4 0 ipv6"
                                                       : "raw-ip disabled 0 0 disabled 0 0 0 ipv4 0 ipv6");
        if (r >= 0)
                r = sd_event_add_io(f->modem->event, &f->source, f->brain, EPOLLIN, on_brain, f);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(f->source, true);
        if (r < 0)
                function_disconnect(f);
        return r;
}

void function_disconnect(Function *f) {
        f->source = sd_event_source_disable_unref(f->source);
        if (f->brain >= 0)
                close(f->brain);
        f->brain = -1;
        f->gates_source = sd_event_source_disable_unref(f->gates_source);
        if (f->gates >= 0)
                close(f->gates);
        f->gates = -1;
        f->n_gates_line = 0;
        f->n_received = 0;
        f->n_notifications = 0;
        datapath_clear(&f->datapath);
        list_clear(&f->held);
        list_clear(&f->answers);
}
