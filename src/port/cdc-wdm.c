/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <linux/usb/cdc-wdm.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port/port-internal.h"
#include "util/log.h"

/* cdc-wdm:/dev/cdc-wdm0 — the control channel of a USB modem, as the kernel's cdc-wdm driver shows it: one
 * frame for each write, as a rule one for each read. What it does was tried on Debian's kernels 6.1
 * and 6.12.
 *
 * It is never opened again after it was lost: the name may belong to another modem by then. Who is told of
 * devices makes a new port. */

/* udev may still be busy with the node's owner when we are told of it. */
#define RETRY_MIN_USEC (50 * USEC_PER_MSEC)
#define RETRY_MAX_USEC (5 * USEC_PER_SEC)
/* How often it is looked whether another program has let go: flock() tells nobody. */
#define BUSY_USEC (2 * USEC_PER_SEC)

typedef struct WdmPort {
        Port port;
        const char *node; /* in the URI */
        sd_event_source *timer;
        uint64_t retry_usec;
        bool refused_told;
} WdmPort;

static WdmPort *wdm_port(Port *p) {
        return container_of(p, WdmPort, port);
}

/* 0, or -EWOULDBLOCK where another program has locked the port. */
static int wdm_take(int fd, size_t *ret_frame_max) {
        uint16_t max;

        /* Opening is not exclusive, and two readers steal each other's answers. Who asks first, has it. */
        if (flock(fd, LOCK_EX | LOCK_NB) < 0 || ioctl(fd, IOCTL_WDM_MAX_COMMAND, &max) < 0)
                return -errno;
        /* A larger frame would be cut. */
        *ret_frame_max = max;
        return 0;
}

/* A descriptor, or the errors of wdm_take(). */
static int wdm_open(const WdmPort *w, size_t *ret_frame_max) {
        int fd, r;

        fd = open(w->node, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        r = wdm_take(fd, ret_frame_max);
        if (r < 0) {
                close(fd);
                return r;
        }
        return fd;
}

/* The node may be another modem's by now, and the modem of the descriptor gone. */
static int wdm_adopt(Port *p, int fd, size_t *ret_frame_max) {
        struct pollfd pollfd = { .fd = fd };
        struct stat kept, node;

        if (fstat(fd, &kept) < 0 || lstat(wdm_port(p)->node, &node) < 0 || poll(&pollfd, 1, 0) < 0)
                return -errno;
        if (!S_ISCHR(kept.st_mode) || !S_ISCHR(node.st_mode) || kept.st_rdev != node.st_rdev ||
            (pollfd.revents & POLLHUP))
                return -ENODEV;
        return wdm_take(fd, ret_frame_max);
}

/* The lock is that of the open file, not of our descriptor. */
static void wdm_let_go(Port *p) {
        (void) flock(p->fd, LOCK_UN);
}

static int wdm_wait(WdmPort *w, uint64_t usec) {
        int r;

        r = sd_event_source_set_time_relative(w->timer, usec);
        return r < 0 ? r : sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
}

static int wdm_on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        WdmPort *w = userdata;
        size_t frame_max = 0;
        char reason[256];
        int fd, r;

        fd = wdm_open(w, &frame_max);
        if (fd >= 0) {
                port_opened(&w->port, fd, frame_max);
                return 0;
        }
        if (fd == -EWOULDBLOCK)
                r = wdm_wait(w, BUSY_USEC);
        else {
                r = wdm_wait(w, w->retry_usec);
                w->retry_usec = MIN(2 * w->retry_usec, RETRY_MAX_USEC);
        }
        if (r < 0)
                return r;
        if (fd == -EWOULDBLOCK)
                (void) snprintf(reason, sizeof(reason), "another program has locked %s", w->node);
        else
                (void) snprintf(reason, sizeof(reason), "cannot open %s: %s", w->node, strerror(-fd));
        port_open_failed(&w->port, fd == -EWOULDBLOCK ? PORT_BUSY : PORT_CLOSED, reason);
        return 0;
}

static int wdm_init(Port *p, const char *address) {
        WdmPort *w = wdm_port(p);

        if (address[0] != '/' || !address[1])
                return -EINVAL;
        w->node = p->uri + (strlen(p->uri) - strlen(address));
        w->retry_usec = RETRY_MIN_USEC;
        return 0;
}

static int wdm_start(Port *p) {
        WdmPort *w = wdm_port(p);
        int r;

        r = sd_event_add_time_relative(p->event, &w->timer, CLOCK_MONOTONIC, 0, 1, wdm_on_timer, w);
        return r < 0 || p->state != PORT_OPEN ? r : sd_event_source_set_enabled(w->timer, SD_EVENT_OFF);
}

static void wdm_stop(Port *p) {
        WdmPort *w = wdm_port(p);

        w->timer = sd_event_source_disable_unref(w->timer);
        w->retry_usec = RETRY_MIN_USEC;
}

static void wdm_reopen(Port *p) {
        (void) sd_event_source_set_enabled(wdm_port(p)->timer, SD_EVENT_OFF);
}

/* A transfer that failed shows as an error once, and the device goes on; ENODEV is the end. */
static bool is_passing(int error) {
        return error == EIO || error == EPIPE || error == EPROTO || error == EILSEQ || error == ETIME;
}

static void tell_refused(WdmPort *w, const char *what, int error) {
        log_full(w->refused_told ? LOG_DEBUG : LOG_WARNING, -error, "%s: %s", w->port.uri, what);
        w->refused_told = true;
}

static ssize_t wdm_read(Port *p, void *buffer, size_t n_buffer) {
        ssize_t n;

        n = read(p->fd, buffer, n_buffer);
        if (n >= 0)
                return n > 0 ? n : -EAGAIN;
        if (!is_passing(errno))
                return -errno;
        tell_refused(wdm_port(p), "an answer could not be read", errno);
        return -EAGAIN;
}

static ssize_t wdm_write(Port *p, const uint8_t *bytes, size_t n_bytes) {
        ssize_t n;

        n = write(p->fd, bytes, n_bytes);
        if (n < 0 && is_passing(errno)) {
                /* That was the fate of the frame before; to say so is all that it did. */
                tell_refused(wdm_port(p), "the modem refused a request", errno);
                n = write(p->fd, bytes, n_bytes);
        }
        return n < 0 ? -errno : n;
}

/* A request that the modem refuses leaves POLLERR behind, without POLLHUP, until something asks what it was.
 * Whoever waits for the answer is told by the deadline. */
static int wdm_clear_error(Port *p) {
        if (fsync(p->fd) >= 0)
                return 0;
        if (!is_passing(errno))
                return -errno;
        tell_refused(wdm_port(p), "the modem refused a request", errno);
        return 0;
}

const PortKind port_kind_cdc_wdm = {
        .transport = "cdc-wdm",
        .size = sizeof(WdmPort),
        .can_lag =
                true, /* the driver fetches one answer for each notification, and notifications get lost */
        .init = wdm_init,
        .start = wdm_start,
        .stop = wdm_stop,
        .adopt = wdm_adopt,
        .let_go = wdm_let_go,
        .reopen = wdm_reopen,
        .clear_error = wdm_clear_error,
        .read = wdm_read,
        .write = wdm_write,
};
