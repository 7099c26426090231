/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/trace.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/internal.h"
#include "util/clock.h"
#include "util/log.h"

/* Of the frame and its message. */
#define HEADERS_SIZE (QMUX_HEADER_SIZE + 7U)

/* A copy without what is secret or tells who the subscriber is. Of a frame that does not parse, and behind
 * the message of one that does, nobody can say what is in it: only the headers stay. */
static uint8_t *mask_frame(Mux *mux, const uint8_t *frame, size_t n_frame) {
        size_t n_headers = MIN(n_frame, (size_t) HEADERS_SIZE), begin, end;
        const SchemaService *s;
        const SchemaMessage *schema;
        QmiMessage m;
        uint8_t *copy;

        copy = malloc(n_frame);
        if (!copy)
                return NULL;
        memcpy(copy, frame, n_frame);
        if (frame_parse(frame, n_frame, &m) < 0) {
                memset(copy + n_headers, 0, n_frame - n_headers);
                return copy;
        }

        begin = (size_t) (m.tlvs - frame);
        end = begin + m.n_tlvs;
        memset(copy + end, 0, n_frame - end);
        s = schema_service_by_id(m.service, mux_get_vendor(mux));
        schema = s ? schema_message_by_id(s, m.type == QMI_INDICATION, m.id, mux_get_vendor(mux)) : NULL;
        if (schema)
                message_mask(schema, m.type, mux_get_vendor(mux), copy + begin, m.n_tlvs);
        return copy;
}

static void trace_send(BusTrace *t, const TraceHeader *header, const uint8_t *frame, size_t n_frame) {
        uint8_t head[TRACE_HEADER_SIZE];
        struct iovec parts[] = {
                { .iov_base = head, .iov_len = sizeof(head) },
                { .iov_base = (uint8_t *) (uintptr_t) frame, .iov_len = n_frame },
        };
        struct msghdr message = { .msg_iov = parts, .msg_iovlen = ELEMENTSOF(parts) };

        if (frame) {
                TraceHeader mine = *header;

                mine.n_lost = t->n_lost;
                trace_header_write(&mine, head);
                if (sendmsg(t->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
                        t->n_lost = 0;
                        return;
                }
                /* The mux, which calls us, may be in the middle of anything: the end comes from the loop. */
                if (errno == EPIPE || errno == ECONNRESET)
                        (void) shutdown(t->fd, SHUT_RDWR);
        }
        if (t->n_lost < UINT32_MAX)
                t->n_lost++;
}

static void on_frame(Mux *mux, bool to_modem, const uint8_t *frame, size_t n_frame, void *userdata) {
        _cleanup_free_ uint8_t *masked = NULL;
        TraceHeader header = { .from_modem = !to_modem };
        BusDevice *d = userdata;
        bool is_masked = false;
        BusTrace *t;

        header.usec = now_usec(CLOCK_REALTIME);
        LIST_FOREACH(t, &d->traces, of_device) {
                if (!t->unmasked && !is_masked) {
                        masked = mask_frame(mux, frame, n_frame);
                        is_masked = true;
                }
                trace_send(t, &header, t->unmasked ? frame : masked, n_frame);
        }
}

static int on_hang_up(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        bus_trace_close(userdata);
        return 0;
}

/* A trace is a descriptor, and more than that. */
static int take_shares(const Charge *charge, sd_bus_error *error) {
        int r;

        r = share_take(charge, SHARE_TRACES, 1, error);
        if (r < 0)
                return r;
        r = share_take(charge, SHARE_DESCRIPTORS, 1, error);
        if (r < 0)
                share_give(charge, SHARE_TRACES, 1);
        return r;
}

static void give_shares(const Charge *charge) {
        share_give(charge, SHARE_TRACES, 1);
        share_give(charge, SHARE_DESCRIPTORS, 1);
}

/* The reader's end is for reading only, so that ours never holds anything. */
static int open_pair(int *ret_ours, int *ret_readers) {
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        if (shutdown(pair[0], SHUT_RD) < 0) {
                r = -errno;
                close(pair[0]);
                close(pair[1]);
                return r;
        }
        *ret_ours = pair[0];
        *ret_readers = pair[1];
        return 0;
}

int bus_trace_open(BusDevice *d, Caller *caller, bool unmasked, int *ret_fd, sd_bus_error *error) {
        Charge charge = bus_charge(d->bus, caller, caller->user, d);
        int readers = -1, r;
        BusTrace *t;

        r = take_shares(&charge, error);
        if (r < 0)
                return r;
        t = calloc(1, sizeof(*t));
        if (!t) {
                r = -ENOMEM;
                goto give;
        }
        t->device = d;
        t->caller = caller;
        t->unmasked = unmasked;
        r = open_pair(&t->fd, &readers);
        if (r < 0) {
                free(t);
                goto give;
        }
        LIST_INSERT_HEAD(&d->traces, t, of_device);
        LIST_INSERT_HEAD(&caller->traces, t, of_caller);
        d->bus->n_held++;
        /* Before calls are looked at, so that what was closed does not count any more. */
        r = sd_event_add_io(sd_bus_get_event(d->bus->bus), &t->hang_up, t->fd, EPOLLHUP | EPOLLERR,
                            on_hang_up, t);
        if (r >= 0)
                r = sd_event_source_set_priority(t->hang_up, SD_EVENT_PRIORITY_NORMAL - 1);
        if (r < 0) {
                close(readers);
                bus_trace_close(t);
                return r;
        }

        mux_set_tap(device_get_mux(d->device), on_frame, d);
        log_debug("%s traces %s%s", caller->name, d->path, unmasked ? ", unmasked" : "");
        *ret_fd = readers;
        return 0;

give:
        give_shares(&charge);
        return r;
}

void bus_trace_close(BusTrace *t) {
        Charge charge = bus_charge(t->device->bus, t->caller, t->caller->user, t->device);
        BusDevice *d = t->device;

        log_debug("%s has traced %s", t->caller->name, d->path);
        LIST_REMOVE(t, of_device);
        LIST_REMOVE(t, of_caller);
        d->bus->n_held--;
        if (LIST_EMPTY(&d->traces))
                mux_set_tap(device_get_mux(d->device), NULL, NULL);
        sd_event_source_disable_unref(t->hang_up);
        close(t->fd);
        free(t);
        give_shares(&charge);
}
