/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/internal.h"
#include "util/log.h"

/* Whether ModemManager runs: it would use every port that it finds, beside us. */

#define MODEM_MANAGER "org.freedesktop.ModemManager1"

static void set_runs(Bus *b, bool runs) {
        if (b->modem_manager_runs == runs)
                return;
        b->modem_manager_runs = runs;
        log_info("ModemManager %s", runs ? "runs" : "is gone");
        b->ops->on_modem_manager(b, b->userdata);
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *new_owner;

        if (sd_bus_message_read(m, "sss", NULL, NULL, &new_owner) >= 0)
                set_runs(userdata, *new_owner);
        return 0;
}

/* Once, before anything is served: whether to open a port depends on the answer. */
int peer_modem_manager_watch(Bus *b) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int runs, r;

        r = sd_bus_add_match(b->bus, NULL,
                             "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                             "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                             "arg0='" MODEM_MANAGER "'",
                             on_owner_changed, b);
        if (r < 0)
                return r;
        r = sd_bus_call_method(b->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                               "org.freedesktop.DBus", "NameHasOwner", NULL, &reply, "s", MODEM_MANAGER);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "b", &runs);
        if (r < 0)
                return r;
        b->modem_manager_runs = runs;
        return 0;
}

bool bus_modem_manager_runs(Bus *b) {
        return b->modem_manager_runs;
}
