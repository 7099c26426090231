/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "function.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "echo.h"
#include "modem.h"
#include "qmi/tlv.h"
#include "util/log.h"

/* CDC notification RESPONSE_AVAILABLE (CDC 1.1, 6.3.2), from an interface. */
#define NOTIFICATION_TYPE  0xa1
#define RESPONSE_AVAILABLE 0x01

/* More packets than these are dropped until the host fetches some. */
#define PACKETS_MAX 64U

/* services.csv and messages.csv: what tells of data calls and of the link layer. */
#define SERVICE_WDS       0x01
#define WDS_START_NETWORK 0x0020
#define WDS_STOP_NETWORK  0x0021
#define SERVICE_WDA       0x1a
#define WDA_SET_FORMAT    0x0020
#define TLV_LINK_LAYER    0x11
#define LINK_LAYER_RAW_IP 2

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
        Vhci *v = f->modem->vhci;
        Buffer *b;

        if (!v)
                return;
        while (f->n_notifications > 0 &&
               vhci_send(v, e[ENDPOINT_NOTIFY].address, notification, sizeof(notification))) {
                f->n_notifications--;
                modem_count(f->modem, COUNTER_NOTIFICATIONS);
        }
        while ((b = STAILQ_FIRST(&f->packets)) &&
               vhci_send(v, e[ENDPOINT_DATA_IN].address, b->bytes, b->n_bytes)) {
                list_remove_first(&f->packets);
                f->n_packets--;
        }
}

/* What the modem says about the data channel holds for it. */
static void function_snoop(Function *f, const uint8_t *frame, size_t n_frame) {
        QmiMessage m;
        Tlv tlv;

        if (frame_parse(frame, n_frame, &m) < 0 || m.type != QMI_RESPONSE ||
            tlv_result(m.tlvs, m.n_tlvs) != 0)
                return;
        if (m.service == SERVICE_WDS && m.id == WDS_START_NETWORK)
                f->n_calls++;
        if (m.service == SERVICE_WDS && m.id == WDS_STOP_NETWORK && f->n_calls > 0)
                f->n_calls--;
        if (m.service == SERVICE_WDA && m.id == WDA_SET_FORMAT &&
            tlv_find(m.tlvs, m.n_tlvs, TLV_LINK_LAYER, &tlv) > 0 && tlv.n_bytes > 0)
                f->raw_ip = tlv.bytes[0] == LINK_LAYER_RAW_IP;
}

static int function_answer(Function *f, const uint8_t *frame, size_t n_frame) {
        Modem *m = f->modem;
        Buffer *b;

        log_frame(f, "to the host", frame, n_frame);
        function_snoop(f, frame, n_frame);
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
        while (r >= 0 && (n = function_frame_size(f)) > 0) {
                r = function_answer(f, f->received, n);
                f->n_received -= n;
                memmove(f->received, f->received + n, f->n_received);
        }
        return r;
}

/* ---- packets ---- */

void function_packet(Function *f, const uint8_t *bytes, size_t n_bytes) {
        const ModemOptions *o = &f->modem->options;
        Buffer *b;

        if (!o->echo || (o->gated && f->n_calls == 0) || n_bytes == 0 || f->n_packets >= PACKETS_MAX)
                return;
        b = list_append(&f->packets, bytes, n_bytes);
        if (!b)
                return;
        if (!echo_packet(b->bytes, b->n_bytes, f->raw_ip)) {
                STAILQ_REMOVE(&f->packets, b, Buffer, entry);
                free(b);
                return;
        }
        f->n_packets++;
        function_pump(f);
}

/* ---- life ---- */

void function_init(Function *f, Modem *m, const UsbInterface *interface, const char *brain_path) {
        f->modem = m;
        f->interface = interface;
        f->brain_path = brain_path;
        f->brain = -1;
        STAILQ_INIT(&f->held);
        STAILQ_INIT(&f->answers);
        STAILQ_INIT(&f->packets);
}

int function_connect(Function *f) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int r;

        if (f->brain >= 0)
                return 0;
        if (strlen(f->brain_path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, f->brain_path, strlen(f->brain_path));

        f->brain = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (f->brain < 0)
                return -errno;
        r = connect(f->brain, (struct sockaddr *) &address, sizeof(address)) < 0 ? -errno : 0;
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
        f->n_received = 0;
        f->n_notifications = f->n_packets = f->n_calls = 0;
        f->raw_ip = !f->modem->options.ethernet;
        list_clear(&f->held);
        list_clear(&f->answers);
        list_clear(&f->packets);
}
