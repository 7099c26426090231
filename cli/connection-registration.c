/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"
#include "connection.h"
#include "reply.h"

void connection_take_registration(Connection *c, sd_bus_message *m) {
        const char *registration;
        const Value *serving;
        bool before = c->is_registered;
        _cleanup_(arena_done) Arena a;
        Value fields;

        arena_init(&a);
        if (reply_read(m, &a, &fields) < 0)
                return;
        serving = value_dict_get(&fields, "serving_system");
        registration = serving ? reply_text(serving, "registration") : "";
        if (!*registration)
                return;
        c->is_registered = streq(registration, "registered");
        if (!before && c->is_registered && c->state == CONNECTION_WAITING)
                (void) connection_attempt(c);
}

static int on_registration(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        if (!sd_bus_message_is_method_error(m, NULL))
                connection_take_registration(userdata, m);
        return 0;
}

/* A modem that cannot tell is asked to connect again and again, as one that could not for another reason. */
void connection_watch_registration(Connection *c, bool watch) {
        int r;

        if (c->watches_registration == watch || !c->device)
                return;
        c->watches_registration = watch;
        r = sd_bus_call_method_async(c->bus, NULL, QMID_NAME, c->device, "org.qmid1.Nas",
                                     "RegisterIndications", NULL, NULL, "a{sv}", 1, "serving_system", "b",
                                     watch);
        if (r >= 0 && watch)
                /* Registered meanwhile? Answers come in the order of the questions. */
                r = sd_bus_call_method_async(c->bus, NULL, QMID_NAME, c->device, "org.qmid1.Nas",
                                             "GetServingSystem", on_registration, c, "a{sv}", 0);
        if (r < 0)
                (void) bus_fail_errno("nas", r);
}
