/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vhci.h"

#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/log.h"

#define VHCI_FOLDER "/sys/devices/platform/vhci_hcd.0"

/* A header, big endian: command, sequence number, device, direction, endpoint; then, of a submitted
 * transfer, flags, length, three fields of isochronous ones and the setup bytes; of its return, status and
 * length. */
#define HEADER_SIZE  48U
#define TRANSFER_MAX (1U << 20)

#define OFFSET_SEQUENCE  4
#define OFFSET_DIRECTION 12
#define OFFSET_ENDPOINT  16
#define OFFSET_UNLINKED  20
#define OFFSET_STATUS    20
#define OFFSET_LENGTH    24
#define OFFSET_SETUP     40

enum {
        USBIP_CMD_SUBMIT = 1,
        USBIP_CMD_UNLINK = 2,
        USBIP_RET_SUBMIT = 3,
        USBIP_RET_UNLINK = 4,
};

/* Any number will do: bus 1, device 2. */
#define DEVICE_ID 0x00010002
#define USB_SPEED 3 /* high */

/* What vhci-hcd's status says of a port that nothing is plugged into (VDEV_ST_NULL). */
#define PORT_STATUS_FREE 4

/* A transfer that the host waits for. */
typedef struct Transfer Transfer;
struct Transfer {
        TAILQ_ENTRY(Transfer) entry;
        uint32_t sequence, length;
        uint8_t endpoint; /* 0: control */
        bool in;
};

struct Vhci {
        const VhciOps *ops;
        void *userdata;
        int port, fd;
        sd_event_source *source;
        TAILQ_HEAD(TransferList, Transfer) transfers; /* in the order of their coming */
        size_t n_buffer;
        uint8_t buffer[HEADER_SIZE + TRANSFER_MAX];
};

static uint32_t read_be32(const uint8_t *p) {
        uint32_t v;

        memcpy(&v, p, sizeof(v));
        return be32toh(v);
}

static void write_be32(uint8_t *p, uint32_t v) {
        v = htobe32(v);
        memcpy(p, &v, sizeof(v));
}

/* A connection that is broken shows at its next read. */
static void vhci_write(Vhci *v, const uint8_t *bytes, size_t n_bytes) {
        while (n_bytes > 0) {
                ssize_t n = send(v->fd, bytes, n_bytes, MSG_NOSIGNAL);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return;
                bytes += n;
                n_bytes -= (size_t) n;
        }
}

static void vhci_forget(Vhci *v, Transfer *t) {
        TAILQ_REMOVE(&v->transfers, t, entry);
        free(t);
}

static Transfer *vhci_find(Vhci *v, uint32_t sequence) {
        Transfer *t;

        TAILQ_FOREACH(t, &v->transfers, entry)
                if (t->sequence == sequence)
                        return t;
        return NULL;
}

static void vhci_return(Vhci *v, Transfer *t, int status, const void *bytes, size_t n_bytes) {
        uint8_t header[HEADER_SIZE] = {};
        uint32_t length = status < 0 ? 0 : t->in ? MIN((uint32_t) n_bytes, t->length) : t->length;

        write_be32(header, USBIP_RET_SUBMIT);
        write_be32(header + OFFSET_SEQUENCE, t->sequence);
        write_be32(header + OFFSET_STATUS, (uint32_t) status);
        write_be32(header + OFFSET_LENGTH, length);
        vhci_write(v, header, sizeof(header));
        if (t->in && length > 0)
                vhci_write(v, bytes, length);
        vhci_forget(v, t);
}

bool vhci_finish(Vhci *v, uint32_t transfer, int status, const void *bytes, size_t n_bytes) {
        Transfer *t = vhci_find(v, transfer);

        if (!t)
                return false;
        vhci_return(v, t, status, bytes, n_bytes);
        return true;
}

static Transfer *vhci_find_waiting(Vhci *v, uint8_t endpoint) {
        Transfer *t;

        TAILQ_FOREACH(t, &v->transfers, entry)
                if (t->endpoint == endpoint)
                        return t;
        return NULL;
}

size_t vhci_get_room(Vhci *v, uint8_t endpoint) {
        const Transfer *t = vhci_find_waiting(v, endpoint);

        return t ? t->length : 0;
}

bool vhci_send(Vhci *v, uint8_t endpoint, const void *bytes, size_t n_bytes) {
        Transfer *t = vhci_find_waiting(v, endpoint);

        if (!t)
                return false;
        vhci_return(v, t, n_bytes > t->length ? -EOVERFLOW : 0, bytes, n_bytes);
        return true;
}

static void vhci_unlink(Vhci *v, const uint8_t *header) {
        Transfer *t = vhci_find(v, read_be32(header + OFFSET_UNLINKED));
        uint8_t answer[HEADER_SIZE] = {};

        write_be32(answer, USBIP_RET_UNLINK);
        write_be32(answer + OFFSET_SEQUENCE, read_be32(header + OFFSET_SEQUENCE));
        write_be32(answer + OFFSET_STATUS, t ? (uint32_t) -ECONNRESET : 0);
        if (t)
                vhci_forget(v, t);
        vhci_write(v, answer, sizeof(answer));
}

static int vhci_submit(Vhci *v, const uint8_t *header, const uint8_t *bytes) {
        const uint8_t *p = header + OFFSET_SETUP;
        const UsbSetup setup = { .type = p[0],
                                 .request = p[1],
                                 .value = read_le16(p + 2),
                                 .index = read_le16(p + 4),
                                 .length = read_le16(p + 6) };
        uint8_t endpoint = (uint8_t) read_be32(header + OFFSET_ENDPOINT);
        Transfer *t;

        t = malloc(sizeof(*t));
        if (!t)
                return -ENOMEM;
        *t = (Transfer){ .sequence = read_be32(header + OFFSET_SEQUENCE),
                         .length = read_be32(header + OFFSET_LENGTH),
                         .in = read_be32(header + OFFSET_DIRECTION) != 0 };
        t->endpoint = endpoint == 0 || !t->in ? endpoint : endpoint | 0x80;
        TAILQ_INSERT_TAIL(&v->transfers, t, entry);

        if (endpoint == 0)
                v->ops->on_control(t->sequence, &setup, bytes, t->in ? 0 : t->length, v->userdata);
        else if (t->in)
                v->ops->on_in(t->endpoint, v->userdata);
        else {
                size_t n_bytes = t->length;

                vhci_return(v, t, 0, NULL, 0);
                v->ops->on_out(endpoint, bytes, n_bytes, v->userdata);
        }
        return 0;
}

/* Handles the first whole command of the buffer: its size, 0 if it is not whole yet. */
static ssize_t vhci_command(Vhci *v, const uint8_t *header, size_t n) {
        uint32_t length;
        int r;

        if (n < HEADER_SIZE)
                return 0;
        switch (read_be32(header)) {
        case USBIP_CMD_UNLINK:
                vhci_unlink(v, header);
                return HEADER_SIZE;
        case USBIP_CMD_SUBMIT:
                length = read_be32(header + OFFSET_LENGTH);
                if (length > TRANSFER_MAX)
                        return -EMSGSIZE;
                if (read_be32(header + OFFSET_DIRECTION) != 0)
                        length = 0;
                if (n < HEADER_SIZE + length)
                        return 0;
                r = vhci_submit(v, header, header + HEADER_SIZE);
                return r < 0 ? r : (ssize_t) (HEADER_SIZE + length);
        default:
                return -EPROTO;
        }
}

static int on_io(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        Vhci *v = userdata;
        size_t done = 0;
        ssize_t n;

        n = recv(fd, v->buffer + v->n_buffer, sizeof(v->buffer) - v->n_buffer, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0) {
                v->ops->on_detached(v->userdata);
                return 0;
        }
        v->n_buffer += (size_t) n;

        while ((n = vhci_command(v, v->buffer + done, v->n_buffer - done)) > 0)
                done += (size_t) n;
        if (n < 0)
                return log_error_errno((int) n, "What the kernel says is no USB/IP");
        memmove(v->buffer, v->buffer + done, v->n_buffer - done);
        v->n_buffer -= done;
        return 0;
}

static int vhci_attach(int port, int fd) {
        char line[64];
        int attach, n, r = 0;

        attach = open(VHCI_FOLDER "/attach", O_WRONLY | O_CLOEXEC);
        if (attach < 0)
                return -errno;
        n = snprintf(line, sizeof(line), "%d %d %d %d", port, fd, DEVICE_ID, USB_SPEED);
        if (write(attach, line, (size_t) n) < 0)
                r = -errno;
        close(attach);
        return r;
}

/* Two programs may find the same port free: the one that comes second tries the next. */
static int vhci_find_port(int wanted, int fd) {
        int port, status, r = -EBUSY;
        char hub[8], line[256];
        FILE *f;

        f = fopen(VHCI_FOLDER "/status", "re");
        if (!f)
                return -errno;
        while (r == -EBUSY && fgets(line, sizeof(line), f))
                if (sscanf(line, "%7s %d %d", hub, &port, &status) == 3 && streq(hub, "hs") &&
                    status == PORT_STATUS_FREE && (wanted == VHCI_PORT_ANY || wanted == port)) {
                        r = vhci_attach(port, fd);
                        if (r == 0)
                                r = port;
                }
        fclose(f);
        return r;
}

int vhci_new(Vhci **ret, sd_event *event, int port, const VhciOps *ops, void *userdata) {
        int fds[2], r;
        Vhci *v;

        v = malloc(sizeof(*v));
        if (!v)
                return -ENOMEM;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
                r = -errno;
                free(v);
                return r;
        }
        v->ops = ops;
        v->userdata = userdata;
        v->fd = fds[0];
        v->source = NULL;
        v->n_buffer = 0;
        TAILQ_INIT(&v->transfers);

        v->port = r = vhci_find_port(port, fds[1]);
        close(fds[1]);
        if (r >= 0)
                r = sd_event_add_io(event, &v->source, v->fd, EPOLLIN, on_io, v);
        if (r < 0) {
                vhci_free(v);
                return r;
        }
        (void) sd_event_source_set_exit_on_failure(v->source, true);
        *ret = v;
        return 0;
}

Vhci *vhci_free(Vhci *v) {
        if (!v)
                return NULL;
        while (!TAILQ_EMPTY(&v->transfers))
                vhci_forget(v, TAILQ_FIRST(&v->transfers));
        sd_event_source_disable_unref(v->source);
        (void) shutdown(v->fd, SHUT_RDWR);
        close(v->fd);
        free(v);
        return NULL;
}

int vhci_get_port(Vhci *v) {
        return v->port;
}
