/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "port/port-internal.h"
#include "util/log.h"

#define READ_SIZE 4096U

static const PortKind *const port_kinds[] = {
        &port_kind_cdc_wdm,
        &port_kind_unix,
};

static void port_frame_free(PortFrame *f) {
        explicit_bzero(f->bytes, f->n_bytes); /* may carry a PIN */
        free(f);
}

static void port_close(Port *p) {
        PortFrame *f;

        p->io = sd_event_source_disable_unref(p->io);
        p->more = sd_event_source_disable_unref(p->more);
        if (p->fd >= 0) {
                if (!p->keep)
                        p->kind->let_go(p);
                close(TAKE_FD(p->fd));
        }
        framer_reset(&p->framer);
        if (p->n_calls == 0) /* else somebody may be reading a frame in it */
                framer_erase(&p->framer);
        while ((f = STAILQ_FIRST(&p->queue))) {
                STAILQ_REMOVE_HEAD(&p->queue, entry);
                port_frame_free(f);
        }
        p->n_queued = 0;
        p->frames_left = false;
        p->write_error = 0;
}

static void port_destroy(Port *p) {
        framer_done(&p->framer);
        sd_event_unref(p->event);
        free(p->reason);
        free(p->uri);
        free(p);
}

void port_stop(Port *p) {
        p->kind->stop(p);
        port_close(p);
        p->state = PORT_CLOSED;
        free(TAKE_PTR(p->reason));
}

Port *port_free(Port *p) {
        if (!p)
                return NULL;

        port_stop(p);
        if (p->kind->done)
                p->kind->done(p);
        p->freed = true;
        if (p->n_calls == 0)
                port_destroy(p);
        return NULL;
}

/* Callbacks are bracketed by these two. The second says whether the port is still there. */
static void port_enter(Port *p) {
        p->n_calls++;
}

static bool port_leave(Port *p) {
        p->n_calls--;
        if (!p->freed)
                return true;
        if (p->n_calls == 0)
                port_destroy(p);
        return false;
}

/* The one writer of the state, and of the reason, which is told again when it changes. */
static void port_set_state(Port *p, PortState state, const char *reason) {
        if (p->state == state && streq(p->reason ?: "", reason ?: ""))
                return;
        p->state = state;
        free(p->reason);
        p->reason = reason ? strdup(reason) : NULL;
        port_enter(p);
        p->ops->on_state(p, state, reason, p->userdata);
        (void) port_leave(p);
}

static void port_lost(Port *p, const char *reason) {
        port_close(p);
        p->kind->reopen(p);
        port_set_state(p, PORT_CLOSED, reason);
}

static void port_lost_errno(Port *p, int error) {
        char reason[128];

        (void) snprintf(reason, sizeof(reason), "the connection broke: %s", strerror(-error));
        port_lost(p, reason);
}

static void port_tell_garbage(Port *p) {
        bool first = p->n_garbage_told == 0;

        if (p->framer.n_garbage == p->n_garbage_told)
                return;
        log_full(first ? LOG_WARNING : LOG_DEBUG, 0, "%s: skipped %llu bytes that belong to no frame",
                 p->uri, (unsigned long long) (p->framer.n_garbage - p->n_garbage_told));
        p->n_garbage_told = p->framer.n_garbage;
}

/* Hands up what is whole in the framer, as much as one turn may. */
static void port_hand_up(Port *p) {
        const uint8_t *frame;
        size_t n_frame;

        p->frames_left = false;
        for (unsigned n = 0; framer_next(&p->framer, &frame, &n_frame) > 0; n++) {
                p->statistics.n_frames_received++;
                port_enter(p);
                p->ops->on_frame(p, frame, n_frame, p->userdata);
                if (!port_leave(p))
                        return;
                framer_erase(&p->framer);
                if (n + 1 == PORT_FRAMES_PER_TURN) {
                        /* Nothing more is read meanwhile, which bounds the framer. */
                        p->frames_left = true;
                        (void) sd_event_source_set_enabled(p->more, SD_EVENT_ONESHOT);
                        break;
                }
        }
        port_tell_garbage(p);
}

static void port_read(Port *p) {
        uint8_t buffer[READ_SIZE];
        ssize_t n;
        int r;

        n = p->kind->read(p, buffer, sizeof(buffer));
        if (n == -EAGAIN || n == -EINTR)
                return;
        if (n < 0) {
                port_lost_errno(p, (int) n);
                return;
        }
        if (n == 0) {
                port_lost(p, "the other end closed the connection");
                return;
        }
        r = framer_push(&p->framer, buffer, (size_t) n);
        explicit_bzero(buffer, (size_t) n);
        if (r < 0) {
                port_lost_errno(p, r);
                return;
        }
        port_hand_up(p);
}

static int port_set_events(Port *p) {
        return sd_event_source_set_io_events(p->io, EPOLLIN | (STAILQ_EMPTY(&p->queue) ? 0U : EPOLLOUT));
}

/* Writes what is queued, as far as it goes. */
static int port_flush(Port *p) {
        PortFrame *f;
        ssize_t n;

        while ((f = STAILQ_FIRST(&p->queue))) {
                n = p->kind->write(p, f->bytes + f->n_written, f->n_bytes - f->n_written);
                if (n == -EAGAIN || n == -EINTR)
                        return 0;
                if (n < 0)
                        return (int) n;
                f->n_written += (size_t) n;
                p->n_queued -= (size_t) n;
                if (f->n_written < f->n_bytes)
                        continue;
                STAILQ_REMOVE_HEAD(&p->queue, entry);
                port_frame_free(f);
                p->statistics.n_frames_sent++;
        }
        return port_set_events(p);
}

static int port_on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Port *p = userdata;
        int r;

        if ((revents & EPOLLERR) && !(revents & EPOLLHUP) && p->kind->clear_error) {
                r = p->kind->clear_error(p);
                if (r < 0) {
                        port_lost_errno(p, r);
                        return 0;
                }
        }
        if (revents & EPOLLOUT) {
                r = port_flush(p);
                if (r < 0) {
                        port_lost_errno(p, r);
                        return 0;
                }
        }
        if ((revents & ~(uint32_t) EPOLLOUT) && !p->frames_left)
                port_read(p);
        return 0;
}

static int port_on_more(sd_event_source *s, void *userdata) {
        Port *p = userdata;

        if (p->write_error < 0)
                port_lost_errno(p, p->write_error);
        else
                port_hand_up(p);
        return 0;
}

/* Has the event loop look at the descriptor. */
static int port_listen(Port *p) {
        int r;

        r = sd_event_add_io(p->event, &p->io, p->fd, EPOLLIN, port_on_io, p);
        if (r >= 0)
                r = sd_event_add_defer(p->event, &p->more, port_on_more, p);
        return r < 0 ? r : sd_event_source_set_enabled(p->more, SD_EVENT_OFF);
}

void port_opened(Port *p, int fd, size_t frame_max) {
        int r;

        assert(p->state != PORT_OPEN && p->fd < 0);

        p->fd = fd;
        p->n_opened++;
        p->frame_max = frame_max;
        r = port_listen(p);
        if (r < 0)
                port_lost_errno(p, r);
        else
                port_set_state(p, PORT_OPEN, NULL);
}

void port_open_failed(Port *p, PortState state, const char *reason) {
        port_set_state(p, state, reason);
}

/* The kind of port that an address is for, and what follows its scheme. */
static const PortKind *port_kind_of(const char *uri, const char **ret_address) {
        for (size_t i = 0; i < ELEMENTSOF(port_kinds); i++) {
                size_t n = strlen(port_kinds[i]->transport);

                if (strncmp(uri, port_kinds[i]->transport, n) == 0 && uri[n] == ':') {
                        *ret_address = uri + n + 1;
                        return port_kinds[i];
                }
        }
        return NULL;
}

int port_new_from_uri(Port **ret, sd_event *event, const char *uri, const PortOps *ops, void *userdata) {
        _cleanup_(port_freep) Port *p = NULL;
        const PortKind *kind;
        const char *address;
        int r;

        kind = port_kind_of(uri, &address);
        if (!kind)
                return -EINVAL;

        p = calloc(1, kind->size);
        if (!p)
                return -ENOMEM;
        p->kind = kind;
        p->event = sd_event_ref(event);
        p->ops = ops;
        p->userdata = userdata;
        p->fd = -1;
        STAILQ_INIT(&p->queue);
        p->uri = strdup(uri);
        if (!p->uri)
                return -ENOMEM;

        r = kind->init(p, address);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(p);
        return 0;
}

int port_move(Port *p, const char *uri) {
        const char *address;
        char *copy;

        assert(p->state != PORT_OPEN && p->fd < 0);

        if (port_kind_of(uri, &address) != p->kind)
                return -EINVAL;
        copy = strdup(uri);
        if (!copy)
                return -ENOMEM;
        if (p->kind->done)
                p->kind->done(p);
        free(p->uri);
        p->uri = copy;
        return p->kind->init(p, copy + (address - uri));
}

/* Goes on with what port_adopt() and port_restore() have brought. */
static int port_resume(Port *p) {
        int r;

        r = port_listen(p);
        if (r >= 0)
                r = port_set_events(p);
        if (r >= 0 && p->framer.n_buffer > 0) {
                p->frames_left = true;
                r = sd_event_source_set_enabled(p->more, SD_EVENT_ONESHOT);
        }
        if (r < 0) {
                port_stop(p);
                return r;
        }
        p->state = PORT_OPEN;
        return 0;
}

int port_start(Port *p) {
        int r;

        if (p->fd >= 0) {
                r = port_resume(p);
                if (r < 0)
                        return r;
        }
        r = p->kind->start(p);
        if (r < 0)
                port_stop(p);
        return r;
}

int port_adopt(Port *p, int fd) {
        int r;

        assert(p->state != PORT_OPEN && p->fd < 0);

        r = p->kind->adopt(p, fd, &p->frame_max);
        if (r < 0) {
                log_debug_errno(r, "%s: the descriptor from before does not serve any more", p->uri);
                return -ESTALE;
        }
        p->fd = fd;
        p->n_opened++;
        return 0;
}

int port_get_fd(Port *p) {
        return p->fd;
}

unsigned port_get_n_opened(Port *p) {
        return p->n_opened;
}

void port_keep(Port *p) {
        p->keep = true;
}

void port_save(Port *p, Packer *packer) {
        const PortFrame *f = STAILQ_FIRST(&p->queue);
        bool begun = f && f->n_written > 0;

        pack_bytes(packer, p->framer.buffer ? p->framer.buffer + p->framer.position : NULL,
                   p->framer.n_buffer - p->framer.position);
        pack_bytes(packer, begun ? f->bytes + f->n_written : NULL, begun ? f->n_bytes - f->n_written : 0);
}

/* A frame, or what is left of it, to the end of the queue. */
static PortFrame *port_queue(Port *p, const uint8_t *bytes, size_t n_bytes, size_t n_written) {
        PortFrame *f;

        f = malloc(sizeof(*f) + n_bytes);
        if (!f)
                return NULL;
        f->n_bytes = n_bytes;
        f->n_written = n_written;
        memcpy(f->bytes, bytes, n_bytes);
        STAILQ_INSERT_TAIL(&p->queue, f, entry);
        p->n_queued += n_bytes - n_written;
        return f;
}

int port_restore(Port *p, Unpacker *u) {
        const uint8_t *received, *begun;
        size_t n_received, n_begun;

        received = unpack_bytes(u, &n_received);
        begun = unpack_bytes(u, &n_begun);
        if (u->error || n_begun > PORT_QUEUE_MAX)
                return -EBADMSG;
        if (p->fd < 0)
                return 0;
        if (n_received > 0 && framer_push(&p->framer, received, n_received) < 0)
                return -ENOMEM;
        if (n_begun > 0 && !port_queue(p, begun, n_begun, 0))
                return -ENOMEM;
        return 0;
}

PortState port_get_state(Port *p) {
        return p->state;
}

const char *port_get_uri(Port *p) {
        return p->uri;
}

const char *port_get_transport(Port *p) {
        return p->kind->transport;
}

bool port_can_lag(Port *p) {
        return p->kind->can_lag;
}

size_t port_get_frame_max(Port *p) {
        return p->frame_max;
}

void port_get_statistics(Port *p, PortStatistics *ret) {
        *ret = p->statistics;
        ret->n_garbage = p->framer.n_garbage;
}

/* A write that failed is dealt with from the event loop. */
static void port_write_failed(Port *p, int error) {
        p->write_error = error;
        (void) sd_event_source_set_enabled(p->more, SD_EVENT_ONESHOT);
}

int port_send(Port *p, const uint8_t *frame, size_t n_frame) {
        ssize_t n = 0;
        int r;

        if (p->state != PORT_OPEN || p->write_error < 0)
                return -ENOTCONN;
        if (n_frame > p->frame_max)
                return -EMSGSIZE;
        if (n_frame > PORT_QUEUE_MAX - p->n_queued)
                return -ENOBUFS;

        if (STAILQ_EMPTY(&p->queue)) {
                n = p->kind->write(p, frame, n_frame);
                if (n == -EAGAIN || n == -EINTR)
                        n = 0;
                if (n < 0) {
                        port_write_failed(p, (int) n);
                        return -ENOTCONN;
                }
                if ((size_t) n == n_frame) {
                        p->statistics.n_frames_sent++;
                        return 0;
                }
        }

        if (!port_queue(p, frame, n_frame, (size_t) n)) {
                if (n > 0) /* half a frame is out: only a new connection helps */
                        port_write_failed(p, -ENOMEM);
                return -ENOMEM;
        }

        r = port_set_events(p);
        if (r < 0)
                port_write_failed(p, r);
        return 0;
}
