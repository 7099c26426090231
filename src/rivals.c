/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <sys/inotify.h>

#include "manager-internal.h"
#include "util/log.h"

/* How often it is looked whether a foreign proxy is gone: nothing tells. */
#define RIVAL_USEC (2 * USEC_PER_SEC)

/* Whether some process listens as libqmi's qmi-proxy, which then has, or will have, modems' ports open. */
static bool proxy_listens(void) {
        char line[512];
        bool found = false;
        FILE *f;

        /* The kernel lists the sockets of our network namespace, which is where that name is one. Connecting
         * to it would start a conversation, binding it would be in the way of one that starts. */
        f = fopen("/proc/self/net/unix", "re");
        if (!f)
                return false;
        while (!found && fgets(line, sizeof(line), f)) {
                char *name = strrchr(line, ' ');

                found = name && streq(name, " @qmi-proxy\n");
        }
        fclose(f);
        return found;
}

const char *manager_get_rival(Manager *m) {
        if (bus_modem_manager_runs(m->bus))
                return "ModemManager";
        if (proxy_listens())
                return "qmi-proxy";
        return NULL;
}

void manager_open(Manager *m, Managed *d, const char *rival) {
        Mux *mux = device_get_mux(d->device);
        int r;

        if (d->opened || !d->present || m->stopping)
                return;
        /* One that was ours already, is; who inhibited it knows what else uses the port. */
        if (rival && !d->take && port_get_fd(mux_get_port(mux)) < 0 && mux_get_state(mux) != MUX_INHIBITED) {
                char reason[128];

                (void) snprintf(reason, sizeof(reason), "%s runs and would use the port too", rival);
                device_set_busy(d->device, reason);
                /* Of ModemManager's end the bus tells. */
                if (!bus_modem_manager_runs(m->bus)) {
                        (void) sd_event_source_set_time_relative(m->rivals, RIVAL_USEC);
                        (void) sd_event_source_set_enabled(m->rivals, SD_EVENT_ONESHOT);
                }
                return;
        }
        d->opened = true;
        if (d->reopen)
                r = device_reopen(d->device);
        else
                r = d->lost ? device_open_lost(d->device) : device_open(d->device);
        if (r < 0)
                log_error_errno(r, "%s: cannot open its port", device_get_name(d->device));
}

void manager_open_all(Manager *m) {
        const char *rival = manager_get_rival(m);
        Managed *d;

        LIST_FOREACH(d, &m->devices, entries)
                manager_open(m, d, rival);
}

int on_rivals(sd_event_source *s, uint64_t usec, void *userdata) {
        manager_open_all(userdata);
        return 0;
}

static int on_opened_elsewhere(sd_event_source *s, const struct inotify_event *event, void *userdata) {
        Managed *d = userdata;

        /* To be told once is enough. The source stays on, as sd-event of systemd 252 does not get past an
         * event for one that is off. When the node is gone, that comes here, too. */
        if (d->shared_told || !(event->mask & IN_OPEN))
                return 0;
        d->shared_told = true;
        log_warning("%s: %s has opened %s too, and each of us may get the answers to the other: "
                    "have one of them ignore the port, see qmid(8)",
                    device_get_name(d->device), manager_get_rival(d->manager) ?: "another program",
                    device_get_port_name(d->device));
        return 0;
}

void managed_watch(Managed *d) {
        int r;

        if (d->watch || !d->syspath || port_get_state(mux_get_port(device_get_mux(d->device))) != PORT_OPEN)
                return;
        r = sd_event_add_inotify(d->manager->event, &d->watch, device_get_port_name(d->device), IN_OPEN,
                                 on_opened_elsewhere, d);
        if (r < 0)
                log_warning_errno(r, "%s: cannot watch who else opens its port", device_get_name(d->device));
}
