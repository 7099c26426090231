/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <poll.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "port/port-internal.h"

/* unix:/path — a stream socket that carries QMUX frames. While it is not open, its directory is watched, so
 * that it opens as soon as the socket appears. That alone is not enough: a listener that stopped leaves its
 * socket behind, and one that starts has a name before it listens. So there is also a timer. */

#define RETRY_MIN_USEC (50 * USEC_PER_MSEC)
#define RETRY_MAX_USEC (5 * USEC_PER_SEC)

typedef struct UnixPort {
        Port port;
        struct sockaddr_un address;
        char *directory;
        const char *name; /* of the socket in it; points into `address` */
        sd_event_source *watch, *timer;
        uint64_t retry_usec;
} UnixPort;

static UnixPort *unix_port(Port *p) {
        return container_of(p, UnixPort, port);
}

static void unix_attempt(UnixPort *u);

static int unix_on_watch(sd_event_source *s, const struct inotify_event *event, void *userdata) {
        UnixPort *u = userdata;

        if (event->mask & IN_IGNORED) {
                /* The directory went; the timer looks whether there is one again. */
                u->watch = sd_event_source_disable_unref(u->watch);
                return 0;
        }
        if (!(event->mask & IN_Q_OVERFLOW) && !(event->len > 0 && streq(event->name, u->name)))
                return 0;
        u->retry_usec = RETRY_MIN_USEC;
        unix_attempt(u);
        return 0;
}

static int unix_on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        unix_attempt(userdata);
        return 0;
}

static void unix_wait(UnixPort *u) {
        uint64_t delay_usec = u->retry_usec;

        u->retry_usec = MIN(2 * u->retry_usec, RETRY_MAX_USEC);
        (void) sd_event_source_set_time_relative(u->timer, delay_usec);
        (void) sd_event_source_set_enabled(u->timer, SD_EVENT_ONESHOT);
}

static int unix_connect(UnixPort *u) {
        int fd;

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        /* On unix sockets this never goes on in the background: it fails with EAGAIN where it would. */
        if (connect(fd, (const struct sockaddr *) &u->address, sizeof(u->address)) < 0) {
                int r = -errno;

                close(fd);
                return r;
        }
        return fd;
}

/* The port may be gone when it returns. */
static void unix_attempt(UnixPort *u) {
        char reason[256];
        int fd;

        fd = unix_connect(u);
        /* Once it is watched it is looked at again: what appears in between is seen. Without a watch (no
         * such directory, no more watches to be had) there still is the timer. */
        if (fd < 0 && !u->watch &&
            sd_event_add_inotify(u->port.event, &u->watch, u->directory,
                                 IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR, unix_on_watch, u) >= 0)
                fd = unix_connect(u);
        if (fd < 0) {
                unix_wait(u);
                (void) snprintf(reason, sizeof(reason), "cannot connect to %s: %s", u->address.sun_path,
                                strerror(-fd));
                port_open_failed(&u->port, PORT_CLOSED, reason);
                return;
        }
        /* At rest nothing wakes us up. */
        (void) sd_event_source_set_enabled(u->timer, SD_EVENT_OFF);
        u->watch = sd_event_source_disable_unref(u->watch);
        port_opened(&u->port, fd, QMUX_MAX);
}

static int unix_init(Port *p, const char *address) {
        UnixPort *u = unix_port(p);
        const char *slash = strrchr(address, '/');
        size_t n = strlen(address);

        if (address[0] != '/' || !slash[1] || n >= sizeof(u->address.sun_path))
                return -EINVAL;

        u->address.sun_family = AF_UNIX;
        memcpy(u->address.sun_path, address, n + 1);
        u->name = u->address.sun_path + (slash + 1 - address);
        u->directory = strndup(address, MAX((size_t) (slash - address), (size_t) 1));
        if (!u->directory)
                return -ENOMEM;
        u->retry_usec = RETRY_MIN_USEC;
        return 0;
}

static int unix_start(Port *p) {
        UnixPort *u = unix_port(p);
        int r;

        r = sd_event_add_time_relative(p->event, &u->timer, CLOCK_MONOTONIC, 0, 1, unix_on_timer, u);
        return r < 0 || p->state != PORT_OPEN ? r : sd_event_source_set_enabled(u->timer, SD_EVENT_OFF);
}

static void unix_stop(Port *p) {
        UnixPort *u = unix_port(p);

        u->watch = sd_event_source_disable_unref(u->watch);
        u->timer = sd_event_source_disable_unref(u->timer);
        u->retry_usec = RETRY_MIN_USEC;
}

static void unix_done(Port *p) {
        free(TAKE_PTR(unix_port(p)->directory));
}

static int unix_adopt(Port *p, int fd, size_t *ret_frame_max) {
        const UnixPort *u = unix_port(p);
        struct sockaddr_un peer = {};
        socklen_t n = sizeof(peer);
        struct pollfd pollfd = { .fd = fd };

        if (getpeername(fd, (struct sockaddr *) &peer, &n) < 0)
                return -errno;
        if (peer.sun_family != AF_UNIX ||
            strncmp(peer.sun_path, u->address.sun_path, sizeof(peer.sun_path)) != 0)
                return -EADDRNOTAVAIL;
        if (poll(&pollfd, 1, 0) < 0)
                return -errno;
        if (pollfd.revents != 0) /* POLLHUP: the other end is gone */
                return -ECONNRESET;
        *ret_frame_max = QMUX_MAX;
        return 0;
}

/* The other end is to see the end. */
static void unix_let_go(Port *p) {
        (void) shutdown(p->fd, SHUT_RDWR);
}

static void unix_reopen(Port *p) {
        unix_wait(unix_port(p));
}

static ssize_t unix_read(Port *p, void *buffer, size_t n_buffer) {
        ssize_t n;

        n = recv(p->fd, buffer, n_buffer, 0);
        if (n < 0)
                return -errno;
        if (n >
            0) /* not when it merely opened: one that accepts and hangs up shall be asked less and less */
                unix_port(p)->retry_usec = RETRY_MIN_USEC;
        return n;
}

static ssize_t unix_write(Port *p, const uint8_t *bytes, size_t n_bytes) {
        ssize_t n;

        n = send(p->fd, bytes, n_bytes, MSG_NOSIGNAL);
        return n < 0 ? -errno : n;
}

const PortKind port_kind_unix = {
        .transport = "unix",
        .size = sizeof(UnixPort),
        .init = unix_init,
        .start = unix_start,
        .stop = unix_stop,
        .done = unix_done,
        .adopt = unix_adopt,
        .let_go = unix_let_go,
        .reopen = unix_reopen,
        .read = unix_read,
        .write = unix_write,
};
