/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mux/mux-internal.h"
#include "util/log.h"

void mux_inhibit(Mux *m, const char *reason) {
        m->inhibited = true;
        port_stop(m->port);
        mux_set_state_quietly(m, MUX_INHIBITED, reason);
        ctl_stop(m);
}

void mux_uninhibit(Mux *m) {
        int r;

        if (!m->inhibited)
                return;
        m->inhibited = false;
        mux_set_state_quietly(m, mux_get_waiting_state(m), NULL);
        if (!m->opened)
                return;
        r = port_start(m->port);
        if (r < 0)
                log_warning_errno(r, "%s: cannot open it again", port_get_uri(m->port));
}

void mux_quiesce(Mux *m, bool quiesce) {
        if (m->quiet == quiesce)
                return;
        m->quiet = quiesce;
        if (quiesce)
                mux_disarm_timer_if_idle(m);
        else {
                silence_on_woken(m);
                mux_recover_at(m, m->recover_usec);
                mux_arm_timer(m, m->probe_usec);
        }
}
