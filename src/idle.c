/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <systemd/sd-daemon.h>

#include "manager-internal.h"
#include "util/log.h"

/* Without a modem, a holder or a call for some time the daemon leaves; udev or a call starts it again. */

static void manager_arm_idle(Manager *m, uint64_t usec) {
        (void) sd_event_source_set_time(m->idle, usec);
        (void) sd_event_source_set_enabled(m->idle, SD_EVENT_ONESHOT);
}

void manager_begin_idle(Manager *m) {
        uint64_t now;

        if (m->idle_usec > 0 && LIST_EMPTY(&m->devices) &&
            sd_event_now(m->event, CLOCK_MONOTONIC, &now) >= 0)
                manager_arm_idle(m, now + m->idle_usec);
}

int on_idle(sd_event_source *s, uint64_t usec, void *userdata) {
        Manager *m = userdata;
        uint64_t now, since;
        int r;

        if (m->stopping || !LIST_EMPTY(&m->devices)) /* the last one's end begins it anew */
                return 0;
        r = sd_event_now(m->event, CLOCK_MONOTONIC, &now);
        if (r < 0)
                return r;
        since = bus_is_in_use(m->bus) ? now : bus_get_last_call_usec(m->bus);
        if (now < since + m->idle_usec) {
                manager_arm_idle(m, since + m->idle_usec);
                return 0;
        }
        log_info("Exiting: there is no modem, and nobody asks");
        (void) sd_notify(false, "STOPPING=1");
        bus_leave(m->bus);
        return sd_event_exit(m->event, 0);
}
