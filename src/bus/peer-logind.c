/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <unistd.h>

#include "bus/internal.h"
#include "util/log.h"

/* When the machine goes to sleep, and when it is back. logind waits for those that hold a descriptor from
 * it, some seconds at most. */

#define LOGIND           "org.freedesktop.login1"
#define LOGIND_PATH      "/org/freedesktop/login1"
#define LOGIND_INTERFACE "org.freedesktop.login1.Manager"

static void let_sleep(Bus *b) {
        b->sleep_call = sd_bus_slot_unref(b->sleep_call);
        if (b->sleep_delay >= 0)
                close(TAKE_FD(b->sleep_delay));
}

static int on_delay(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;
        int fd;

        b->sleep_call = sd_bus_slot_unref(b->sleep_call);
        if (sd_bus_message_is_method_error(m, NULL)) {
                log_debug("logind does not let us know before the machine sleeps: %s",
                          sd_bus_message_get_error(m)->message);
                return 0;
        }
        if (sd_bus_message_read(m, "h", &fd) < 0)
                return 0;
        /* The message's goes with it. */
        b->sleep_delay = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return 0;
}

static int delay_sleep(Bus *b) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        let_sleep(b);
        r = sd_bus_message_new_method_call(b->bus, &m, LOGIND, LOGIND_PATH, LOGIND_INTERFACE, "Inhibit");
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                r = sd_bus_message_append(m, "ssss", "sleep", "qmid",
                                          "Modems are left in a known state, and looked at afterwards",
                                          "delay");
        if (r >= 0)
                r = sd_bus_call_async(b->bus, &b->sleep_call, m, on_delay, b, 0);
        return r;
}

static int on_prepare(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;
        int begins;

        if (sd_bus_message_read(m, "b", &begins) < 0)
                return 0;
        if (b->ops->on_sleep)
                b->ops->on_sleep(b, begins, b->userdata);
        if (begins)
                let_sleep(b);
        else if (delay_sleep(b) < 0)
                log_warning("Cannot ask logind to wait for us before the machine sleeps");
        return 0;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *new_owner;

        if (sd_bus_message_read(m, "sss", NULL, NULL, &new_owner) >= 0 && *new_owner)
                (void) delay_sleep(userdata);
        return 0;
}

int peer_logind_watch(Bus *b) {
        int r;

        r = sd_bus_match_signal(b->bus, NULL, LOGIND, LOGIND_PATH, LOGIND_INTERFACE, "PrepareForSleep",
                                on_prepare, b);
        if (r < 0)
                return r;
        r = sd_bus_add_match(b->bus, NULL,
                             "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                             "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                             "arg0='" LOGIND "'",
                             on_owner_changed, b);
        return r < 0 ? r : delay_sleep(b);
}

void peer_logind_done(Bus *b) {
        let_sleep(b);
}
