/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "modem/session-internal.h"
#include "util/log.h"

static void set_problem(Session *s, const char *problem) {
        if (streq(s->problem, problem))
                return;
        (void) snprintf(s->problem, sizeof(s->problem), "%s", problem);
        session_tell_later(s, SESSION_CHANGE_OTHER);
}

void session_note_problem(Session *s) {
        if (s->configure)
                set_problem(s, configure_get_problem(s->configure));
}

static void configure_begin(Session *s) {
        Net *net = device_get_net(s->device);
        char problem[SESSION_TEXT_MAX];
        int r;

        r = net && *s->interface ? configure_new(&s->configure, net, s->interface, s->mtu, s->ip) : -ENODEV;
        if (r >= 0) {
                session_tell_later(s, SESSION_CHANGE_OTHER);
                return;
        }
        (void) snprintf(problem, sizeof(problem), "%s: nothing could be set: %s",
                        *s->interface ? s->interface : "there is no network interface", strerror(-r));
        log_warning("%s: %s: %s", device_get_name(s->device), s->owner_name, problem);
        set_problem(s, problem);
}

void session_configure(Session *s) {
        if (!s->options.configure)
                return;
        if (s->configure)
                configure_update(s->configure, s->ip);
        else
                configure_begin(s);
        session_note_problem(s);
}

void session_unconfigure(Session *s) {
        s->configure = configure_free(s->configure);
}
