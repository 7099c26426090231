/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <systemd/sd-daemon.h>

#include "discovery.h"
#include "manager-internal.h"
#include "util/log.h"

/* How long a modem may take to answer what callers wait for, or to confirm that it has its client ids back.
 */
#define STOP_USEC (2 * USEC_PER_SEC)
/* How long the service manager may take to get its descriptors. */
#define FLUSH_USEC (1 * USEC_PER_SEC)

/* ---- somebody goes on: everything is left as it is ---- */

static bool manager_waits(Manager *m) {
        Managed *d;

        if (bus_has_calls(m->bus))
                return true;
        LIST_FOREACH(d, &m->devices, entries)
                if (mux_is_busy(device_get_mux(d->device)))
                        return true;
        return false;
}

static int manager_hand_over(Manager *m, bool clean) {
        manager_save_last(m, clean);
        state_flush(m->state, FLUSH_USEC);
        return sd_event_exit(m->event, 0);
}

static void manager_hand_over_unclean(Manager *m) {
        if (bus_has_calls(m->bus))
                log_warning("Restarting, although a modem has not answered everything");
        bus_fail_calls(m->bus, "the service is being restarted");
        (void) manager_hand_over(m, false);
}

/* After each turn of the loop, while there is something to wait for. */
static int on_turn(sd_event_source *s, void *userdata) {
        Manager *m = userdata;

        return manager_waits(m) ? 0 : manager_hand_over(m, true);
}

static int manager_begin_hand_over(Manager *m) {
        Managed *d;

        LIST_FOREACH(d, &m->devices, entries)
                mux_quiesce(device_get_mux(d->device), true);
        if (!manager_waits(m))
                return manager_hand_over(m, true);
        return sd_event_add_post(m->event, NULL, on_turn, m);
}

/* ---- nobody does: everything is given back ---- */

static void on_released(Mux *mux, void *userdata) {
        Manager *m = userdata;

        if (--m->n_releasing == 0)
                (void) sd_event_exit(m->event, 0);
}

static int manager_release(Manager *m) {
        Managed *d;

        LIST_FOREACH(d, &m->devices, entries) {
                bus_remove_device(m->bus, d->device);
                device_release(d->device, on_released, m);
                m->n_releasing++;
        }
        return m->n_releasing == 0 ? sd_event_exit(m->event, 0) : 0;
}

/* ---- the end ---- */

int on_stop_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        Manager *m = userdata;

        if (!m->gives_back) {
                manager_hand_over_unclean(m);
                return 0;
        }
        log_warning("Stopping, although a modem has not confirmed that it took its client ids back");
        return sd_event_exit(m->event, 0);
}

/* In bounded time all calls are answered, and all that the modems hold is given back, or left to the next
 * daemon. */
static int manager_stop(Manager *m) {
        int r;

        m->stopping = true;
        m->gives_back = !state_has_store(m->state) || bus_is_to_stop(m->bus);
        (void) sd_notify(false, "STOPPING=1");
        m->discovery = discovery_free(m->discovery);
        /* What was sent to the name until now is taken in first, so that it is answered too. */
        bus_leave(m->bus);
        r = sd_event_source_set_time_relative(m->stop, STOP_USEC);
        if (r >= 0)
                r = sd_event_source_set_enabled(m->stop, SD_EVENT_ONESHOT);
        if (r < 0)
                return r;
        return m->gives_back ? manager_release(m) : manager_begin_hand_over(m);
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        Manager *m = userdata;

        log_info("Stopping at signal %u", si->ssi_signo);
        if (!m->stopping)
                return manager_stop(m);
        /* A second one: at once. */
        if (!m->gives_back)
                manager_hand_over_unclean(m);
        return sd_event_exit(m->event, 0);
}

static int manager_handle_signal(Manager *m, int signo) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, signo);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        return sd_event_add_signal(m->event, NULL, signo, on_signal, m);
}

int manager_handle_signals(Manager *m) {
        int r;

        r = manager_handle_signal(m, SIGTERM);
        return r < 0 ? r : manager_handle_signal(m, SIGINT);
}

void manager_on_bus_lost(Manager *m, const char *reason) {
        /* Whoever starts us again gives us a new bus; there is nobody left to serve on this one. */
        log_error("Exiting: %s", reason);
        manager_save_last(m, false);
        (void) sd_event_exit(m->event, -ECONNRESET);
}
