/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A host that never reads is cut off at this many bytes. */
#define OUTPUT_MAX (16U * 1024 * 1024)

typedef struct Delayed {
        uint64_t due_usec;
        size_t n_bytes;
        uint8_t *bytes;
} Delayed;

struct Link {
        sd_event *event;
        char *path;
        const LinkOps *ops;
        void *userdata;

        int listen_fd, fd;
        sd_event_source *listen_source, *source, *delay_source, *listen_again_source;

        Framer framer;
        uint8_t *output;
        size_t n_output, n_allocated, written;
        Delayed *delayed; /* in order of time, then of queueing */
        size_t n_delayed;
        bool split;
};

static void link_close(Link *l);

static void link_stop_listening(Link *l) {
        l->listen_source = sd_event_source_disable_unref(l->listen_source);
        if (l->listen_fd >= 0) {
                close(l->listen_fd);
                (void) unlink(l->path);
                l->listen_fd = -1;
        }
}

static uint64_t link_now(Link *l) {
        uint64_t usec;

        return sd_event_now(l->event, CLOCK_MONOTONIC, &usec) < 0 ? 0 : usec;
}

static void link_write(Link *l) {
        while (l->written < l->n_output) {
                size_t n = l->split ? 1 : l->n_output - l->written;
                ssize_t k = send(l->fd, l->output + l->written, n, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        if (errno != EAGAIN) /* the end comes behind what is still to be read */
                                l->written = l->n_output;
                        break;
                }
                l->written += (size_t) k;
                if (l->split)
                        break; /* the rest when the loop comes round again */
        }
        if (l->written == l->n_output)
                l->n_output = l->written = 0;
        (void) sd_event_source_set_io_events(l->source, EPOLLIN | (l->n_output > 0 ? EPOLLOUT : 0U));
}

static int link_queue(Link *l, const uint8_t *bytes, size_t n_bytes) {
        if (l->fd < 0)
                return 0;
        if (l->n_output + n_bytes > OUTPUT_MAX) {
                link_close(l);
                return -ENOBUFS;
        }
        if (l->n_output + n_bytes > l->n_allocated) {
                size_t n = MAX(2 * l->n_allocated, l->n_output + n_bytes);
                uint8_t *grown = realloc(l->output, n);

                if (!grown)
                        return -ENOMEM;
                l->output = grown;
                l->n_allocated = n;
        }
        if (n_bytes > 0)
                memcpy(l->output + l->n_output, bytes, n_bytes);
        l->n_output += n_bytes;
        link_write(l);
        return 0;
}

static int link_arm_delay(Link *l);

static int on_delay(sd_event_source *s, uint64_t usec, void *userdata) {
        Link *l = userdata;

        while (l->n_delayed > 0 && l->delayed[0].due_usec <= link_now(l)) {
                _cleanup_free_ uint8_t *bytes = l->delayed[0].bytes;
                size_t n = l->delayed[0].n_bytes;

                memmove(l->delayed, l->delayed + 1, --l->n_delayed * sizeof(*l->delayed));
                (void) link_queue(l, bytes, n);
        }
        return link_arm_delay(l);
}

static int link_arm_delay(Link *l) {
        int r;

        if (l->n_delayed == 0)
                return l->delay_source ? sd_event_source_set_enabled(l->delay_source, SD_EVENT_OFF) : 0;
        if (!l->delay_source)
                return sd_event_add_time(l->event, &l->delay_source, CLOCK_MONOTONIC, l->delayed[0].due_usec,
                                         1, on_delay, l);
        r = sd_event_source_set_time(l->delay_source, l->delayed[0].due_usec);
        return r < 0 ? r : sd_event_source_set_enabled(l->delay_source, SD_EVENT_ONESHOT);
}

int link_send(Link *l, const uint8_t *bytes, size_t n_bytes, uint64_t delay_usec) {
        Delayed *grown, d;
        size_t i;

        if (delay_usec == 0)
                return link_queue(l, bytes, n_bytes);
        if (l->fd < 0)
                return 0;

        grown = reallocarray(l->delayed, l->n_delayed + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        l->delayed = grown;
        d = (Delayed){ .due_usec = link_now(l) + delay_usec,
                       .n_bytes = n_bytes,
                       .bytes = malloc(n_bytes + 1) };
        if (!d.bytes)
                return -ENOMEM;
        if (n_bytes > 0)
                memcpy(d.bytes, bytes, n_bytes);
        for (i = l->n_delayed; i > 0 && l->delayed[i - 1].due_usec > d.due_usec; i--)
                l->delayed[i] = l->delayed[i - 1];
        l->delayed[i] = d;
        l->n_delayed++;
        return link_arm_delay(l);
}

bool link_take_delayed(Link *l, uint16_t service, uint8_t client, uint16_t transaction,
                       uint16_t *ret_message) {
        for (size_t i = 0; i < l->n_delayed; i++) {
                QmiMessage m;

                if (frame_parse(l->delayed[i].bytes, l->delayed[i].n_bytes, &m) < 0 ||
                    m.type != QMI_RESPONSE || m.service != service || m.client != client ||
                    m.transaction != transaction)
                        continue;
                *ret_message = m.id;
                free(l->delayed[i].bytes);
                memmove(l->delayed + i, l->delayed + i + 1, (--l->n_delayed - i) * sizeof(*l->delayed));
                return true;
        }
        return false;
}

void link_forget_delayed(Link *l) {
        for (size_t i = 0; i < l->n_delayed; i++)
                free(l->delayed[i].bytes);
        l->n_delayed = 0;
}

int link_send_delayed(Link *l) {
        for (size_t i = 0; i < l->n_delayed; i++)
                l->delayed[i].due_usec = 0;
        return link_arm_delay(l);
}

static void link_close(Link *l) {
        l->source = sd_event_source_disable_unref(l->source);
        if (l->fd >= 0)
                close(l->fd);
        l->fd = -1;
        l->n_output = l->written = 0;
        link_forget_delayed(l);
        framer_reset(&l->framer);
        if (l->listen_source)
                (void) sd_event_source_set_enabled(l->listen_source, SD_EVENT_ON);
}

static int on_io(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        Link *l = userdata;
        uint8_t buffer[16384];
        const uint8_t *frame;
        size_t n_frame;
        ssize_t n;
        int r;

        if (events & EPOLLOUT) {
                link_write(l);
                if (l->fd < 0)
                        return 0;
        }
        if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                return 0;

        n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0) {
                link_close(l);
                return 0;
        }
        r = framer_push(&l->framer, buffer, (size_t) n);
        if (r < 0)
                return r;
        while (l->fd == fd && framer_next(&l->framer, &frame, &n_frame) > 0)
                l->ops->on_frame(frame, n_frame, l->userdata);
        return 0;
}

static int on_accept(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        Link *l = userdata;
        int r;

        l->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (l->fd < 0)
                return errno == EAGAIN || errno == ECONNABORTED ? 0 : -errno;
        r = sd_event_add_io(l->event, &l->source, l->fd, EPOLLIN, on_io, l);
        if (r < 0)
                return r;
        /* A modem has one host at a time; the next one waits in the queue of the socket. */
        r = sd_event_source_set_enabled(s, SD_EVENT_OFF);
        if (r < 0)
                return r;
        l->ops->on_connected(l->userdata);
        return 0;
}

int link_listen(Link *l) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int r;

        l->listen_again_source = sd_event_source_disable_unref(l->listen_again_source);
        if (l->listen_fd >= 0)
                return 0;
        if (strlen(l->path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, l->path, strlen(l->path));

        l->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (l->listen_fd < 0)
                return -errno;
        (void) unlink(l->path);
        if (bind(l->listen_fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            listen(l->listen_fd, 16) < 0)
                return -errno;
        r = sd_event_add_io(l->event, &l->listen_source, l->listen_fd, EPOLLIN, on_accept, l);
        if (r >= 0 && l->fd >= 0)
                r = sd_event_source_set_enabled(l->listen_source, SD_EVENT_OFF);
        return r;
}

static int on_listen_again(sd_event_source *s, uint64_t usec, void *userdata) {
        return link_listen(userdata);
}

int link_hangup(Link *l, uint64_t usec) {
        link_stop_listening(l);
        link_close(l);
        l->listen_again_source = sd_event_source_disable_unref(l->listen_again_source);
        if (usec == 0)
                return 0;
        return sd_event_add_time(l->event, &l->listen_again_source, CLOCK_MONOTONIC, link_now(l) + usec, 1,
                                 on_listen_again, l);
}

void link_set_split(Link *l, bool split) {
        l->split = split;
}

bool link_is_connected(Link *l) {
        return l->fd >= 0;
}

uint64_t link_get_n_garbage(Link *l) {
        return l->framer.n_garbage;
}

int link_new(Link **ret, sd_event *event, const char *path, const LinkOps *ops, void *userdata) {
        _cleanup_(link_freep) Link *l = NULL;

        l = malloc(sizeof(*l));
        if (!l)
                return -ENOMEM;
        *l = (Link){
                .event = sd_event_ref(event), .ops = ops, .userdata = userdata, .listen_fd = -1, .fd = -1
        };
        l->path = strdup(path);
        if (!l->path)
                return -ENOMEM;
        *ret = TAKE_PTR(l);
        return 0;
}

Link *link_free(Link *l) {
        if (!l)
                return NULL;
        link_stop_listening(l);
        link_close(l);
        sd_event_source_disable_unref(l->listen_again_source);
        sd_event_source_disable_unref(l->delay_source);
        framer_done(&l->framer);
        sd_event_unref(l->event);
        free(l->delayed);
        free(l->output);
        free(l->path);
        free(l);
        return NULL;
}
