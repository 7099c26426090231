/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "state.h"

#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "slots.h"
#include "util/log.h"

/* To be changed with whatever changes the meaning of the bytes: those of another version are discarded, and
 * with them what callers hold. */
#define STATE_FORMAT 5U
#define STATE_NAME   "state"

typedef struct Passed {
        char *name;
        int fd; /* -1: taken */
} Passed;

struct State {
        bool has_store;
        bool trouble_told;
        Slots slots;
        uint8_t *data; /* of the predecessor */
        size_t size;
        int result; /* of state_read() */
        Passed *passed;
        size_t n_passed;
};

static void state_tell_trouble(State *s, int error) {
        log_full(s->trouble_told ? LOG_DEBUG : LOG_WARNING, error,
                 "Cannot save what is held: after a restart it will be lost");
        s->trouble_told = true;
}

static void state_send(State *s, const char *message, const int *fd) {
        int r;

        if (!s->has_store)
                return;
        r = sd_pid_notify_with_fds(0, false, message, fd, fd ? 1 : 0);
        if (r < 0)
                state_tell_trouble(s, r);
}

void state_drop(State *s, const char *name) {
        char message[512];

        (void) snprintf(message, sizeof(message), "FDSTOREREMOVE=1\nFDNAME=%s", name);
        state_send(s, message, NULL);
}

void state_keep(State *s, const char *name, int fd) {
        char message[512];

        state_drop(s, name);
        /* With polling, a port in which a request was refused would be thrown away: it looks broken until it
         * is written to again. */
        (void) snprintf(message, sizeof(message), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
        state_send(s, message, &fd);
}

int state_take(State *s, const char *name) {
        for (size_t i = 0; i < s->n_passed; i++)
                if (s->passed[i].fd >= 0 && streq(s->passed[i].name, name))
                        return TAKE_FD(s->passed[i].fd);
        return -ENOENT;
}

void state_drop_rest(State *s) {
        for (size_t i = 0; i < s->n_passed; i++)
                if (s->passed[i].fd >= 0) {
                        close(TAKE_FD(s->passed[i].fd));
                        state_drop(s, s->passed[i].name);
                }
}

bool state_has_store(const State *s) {
        return s->has_store;
}

int state_read(State *s, Unpacker *ret) {
        if (s->result > 0)
                unpacker_init(ret, s->data, s->size);
        return s->result;
}

void state_write(State *s, const Packer *p) {
        int r = p->error;

        if (!s->has_store)
                return;
        if (r == 0)
                r = slots_write(&s->slots, STATE_FORMAT, p->data, p->size);
        if (r < 0)
                state_tell_trouble(s, r);
        free(TAKE_PTR(s->data));
        s->result = 0;
}

void state_flush(State *s, uint64_t timeout_usec) {
        int r;

        if (!s->has_store)
                return;
        r = sd_notify_barrier(false, timeout_usec);
        if (r < 0)
                log_warning_errno(r, "The service manager has not confirmed what was given to it");
}

/* Of several with one name the last is the newest. */
static void state_add_passed(State *s, char *name, int fd) {
        for (size_t i = 0; i < s->n_passed; i++)
                if (streq(s->passed[i].name, name)) {
                        close(s->passed[i].fd);
                        s->passed[i].fd = fd;
                        free(name);
                        return;
                }
        s->passed[s->n_passed++] = (Passed){ .name = name, .fd = fd };
}

static int state_receive(State *s) {
        _cleanup_free_ char **names = NULL;
        int n;

        n = sd_listen_fds_with_names(true, &names);
        if (n <= 0)
                return n;
        s->passed = calloc((size_t) n, sizeof(*s->passed));
        if (!s->passed) {
                for (int i = 0; i < n; i++)
                        free(names[i]);
                return -ENOMEM;
        }
        for (int i = 0; i < n; i++)
                state_add_passed(s, names[i], SD_LISTEN_FDS_START + i);
        return 0;
}

/* Of the predecessor, or a new one. */
static int state_open_slots(State *s) {
        int fd = state_take(s, STATE_NAME);
        int r;

        if (fd >= 0) {
                s->result = slots_open(&s->slots, fd, STATE_FORMAT, &s->data, &s->size);
                if (s->result < 0) {
                        log_warning("The saved state is %s: it is discarded",
                                    s->result == -EPROTONOSUPPORT ? "that of another version" : "damaged");
                        s->result = -EBADMSG;
                }
                if (s->slots.fd >= 0)
                        return 0;
        }
        r = slots_create(&s->slots);
        if (r < 0)
                return log_error_errno(r, "Cannot make a file in memory");
        state_keep(s, STATE_NAME, s->slots.fd);
        return 0;
}

int state_new(State **ret) {
        _cleanup_(state_freep) State *s = NULL;
        int r;

        s = calloc(1, sizeof(*s));
        if (!s)
                return log_oom();
        s->slots = SLOTS_INIT;
        s->has_store = getenv("NOTIFY_SOCKET");
        r = state_receive(s);
        if (r < 0)
                return log_error_errno(r, "Cannot take over what was kept");
        if (s->has_store) {
                r = state_open_slots(s);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(s);
        return 0;
}

State *state_free(State *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n_passed; i++) {
                if (s->passed[i].fd >= 0)
                        close(s->passed[i].fd);
                free(s->passed[i].name);
        }
        free(s->passed);
        slots_done(&s->slots);
        free(s->data);
        free(s);
        return NULL;
}
