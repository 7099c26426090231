/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem/usb-reset.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

struct UsbReset {
        sd_event_source *child;
        void (*done)(UsbReset *u, int error, void *userdata);
        void *userdata;
};

/* In the child, which has but its own thread: 0 or an errno. */
static int authorize(const char *path, char value) {
        int fd, r = 0;

        fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return errno;
        if (write(fd, &value, 1) != 1)
                r = errno;
        close(fd);
        return r;
}

static _Noreturn void reset(const char *path) {
        int r;

        r = authorize(path, '0');
        if (r == 0)
                r = authorize(path, '1');
        _exit(r);
}

static int on_child(sd_event_source *s, const siginfo_t *si, void *userdata) {
        UsbReset *u = userdata;

        u->done(u, si->si_code == CLD_EXITED ? -si->si_status : -EINTR, u->userdata);
        return 0;
}

int usb_reset_new(UsbReset **ret, sd_event *event, const char *physical_device,
                  void (*done)(UsbReset *u, int error, void *userdata), void *userdata) {
        char path[PATH_MAX];
        sigset_t set;
        UsbReset *u;
        pid_t pid;
        int r, n;

        n = snprintf(path, sizeof(path), "%s/authorized", physical_device);
        if (n < 0 || (size_t) n >= sizeof(path))
                return -ENAMETOOLONG;
        u = calloc(1, sizeof(*u));
        if (!u)
                return -ENOMEM;
        u->done = done;
        u->userdata = userdata;

        /* As sd_event_add_child() demands. */
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) {
                r = -errno;
                free(u);
                return r;
        }
        pid = fork();
        if (pid < 0) {
                r = -errno;
                free(u);
                return r;
        }
        if (pid == 0)
                reset(path);
        r = sd_event_add_child(event, &u->child, pid, WEXITED, on_child, u);
        if (r < 0) {
                free(u);
                return r;
        }
        *ret = u;
        return 0;
}

UsbReset *usb_reset_free(UsbReset *u) {
        if (!u)
                return NULL;
        sd_event_source_disable_unref(u->child);
        free(u);
        return NULL;
}
