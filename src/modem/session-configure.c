/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "modem/session-internal.h"
#include "util/log.h"

void session_configure(Session *s) {
        Net *net = device_get_net(s->device);
        int r;

        if (!s->options.configure)
                return;
        *s->problem = 0;
        session_tell_later(s, SESSION_CHANGE_OTHER);
        if (s->configure) {
                configure_update(s->configure, s->ip);
                return;
        }
        r = net && *s->interface ? configure_new(&s->configure, net, s->interface, s->mtu, s->ip) : -ENODEV;
        if (r >= 0)
                return;
        (void) snprintf(s->problem, sizeof(s->problem), "%s: nothing could be set: %s",
                        *s->interface ? s->interface : "there is no network interface", strerror(-r));
        log_warning("%s: %s: %s", device_get_name(s->device), s->owner_name, s->problem);
}

void session_unconfigure(Session *s) {
        s->configure = configure_free(s->configure);
}
