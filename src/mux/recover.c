/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mux/mux-internal.h"

/* CTL gives ids again some time before the services do, and a modem that cannot stay up must not be asked
 * without end. */
static void back_off(Client *c) {
        Mux *m = c->mux;

        c->retry_interval_usec = c->retry_interval_usec == 0
                                         ? m->recover_min_usec
                                         : MIN(2 * c->retry_interval_usec, RECOVER_MAX_USEC);
        c->retry_usec = mux_now(m) + c->retry_interval_usec;
        mux_recover_at(m, c->retry_usec);
}

void recover_on_lost(Client *c) {
        Mux *m = c->mux;

        /* One that is taken away by itself, and again as soon as it is back, is not worth more. */
        if (m->state == MUX_READY && c->replaced_usec != 0 &&
            mux_now(m) - c->replaced_usec < RECOVER_MAX_USEC) {
                back_off(c);
                return;
        }
        c->retry_interval_usec = 0;
        c->retry_usec = 0;
        mux_recover_at(m, 0);
}

void recover_on_allocated(Client *c) {
        c->lost = false;
        c->replaced_usec = mux_now(c->mux);
        c->retry_usec = UINT64_MAX;
        replay_start(c);
}

void recover_on_refused(Client *c, int error) {
        client_fail_requests(c, REQUEST_NO_CLIENT, error, false);
        back_off(c);
}

void recover_on_unreleased(Client *c) {
        back_off(c); /* it may still be there */
}

void recover_on_replayed(Client *c) {
        client_set_stale(c, false);
        client_tell_replaced(c);
        mux_schedule(c->mux);
}

void recover_on_mute(Client *c) {
        if (!c->mute)
                c->retry_interval_usec = 0;
        client_set_mute(c, true);
        back_off(c);
}

static void recover_client(Client *c, uint64_t now) {
        Mux *m = c->mux;
        bool due = c->retry_usec <= now;

        if (c->state == CLIENT_ENDED)
                return;
        if (c->lingering) {
                if (due || c->retry_usec == UINT64_MAX)
                        client_go_on(c);
                else
                        mux_recover_at(m, c->retry_usec);
        } else if (c->lost) {
                if (c->ctl_request)
                        return;
                if (!due) {
                        mux_recover_at(m, c->retry_usec);
                        return;
                }
                if (!mux_has_service(m, c->service))
                        ctl_probe_now(m); /* it was not there yet when the modem was asked */
                if (ctl_allocate(c) < 0)
                        back_off(c);
        } else if (c->stale) {
                if (!c->own_request)
                        replay_start(c);
        } else if (c->mute) {
                if (due)
                        check_client(c); /* which comes back here if there is still no answer */
                else
                        mux_recover_at(m, c->retry_usec);
        }
}

void recover_run(Mux *m) {
        uint64_t now = mux_now(m);
        Client *c, *next;

        m->recover_usec = UINT64_MAX;
        for (c = TAILQ_FIRST(&m->clients); c; c = next) {
                next = TAILQ_NEXT(c, entry);
                if (c != m->ctl)
                        recover_client(c, now);
        }
}

void recover_suspend(Mux *m) {
        Client *c, *next;

        for (c = TAILQ_FIRST(&m->clients); c; c = next) {
                next = TAILQ_NEXT(c, entry);
                if (c == m->ctl || c->state == CLIENT_ENDED)
                        continue;
                check_stop(c);
                client_set_mute(c, false);
                (void) request_cancel(TAKE_PTR(c->ctl_request));
                if (c->state == CLIENT_ALLOCATING && !c->lost)
                        client_end(c, REQUEST_GONE, -ENODEV, NULL);
                else
                        client_fail_requests(c, REQUEST_GONE, 0, true);
                if (c->lost) {
                        c->retry_interval_usec = 0;
                        c->retry_usec = 0;
                }
        }
}
