/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>

#include "bus.h"
#include "connection.h"
#include "input.h"
#include "reply.h"
#include "session.h"

static void connection_done(Connection *c) {
        connection_end_agent(c);
        c->call = sd_bus_slot_unref(c->call);
        sd_event_source_disable_unref(c->retry);
        sd_event_source_disable_unref(c->limit);
        if (c->bus)
                sd_bus_detach_event(c->bus);
        sd_bus_flush_close_unref(c->bus);
        sd_event_unref(c->event);
        free(c->device);
        free(c->session);
        free(c->end_kind);
        free(c->end_text);
        free(c->shown);
        free(c->remark);
        free(c->why);
        free(c->qmid);
}

/* ---- what the bus tells ---- */

/* The bus library does not compare the sender with a match for a well-known name. Signals for all come as
 * the bus daemon has them; those for us alone, indications, from anybody. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *sender = sd_bus_message_get_sender(m);
        Connection *c = userdata;

        return sd_bus_message_is_signal(m, NULL, NULL) > 0 && sd_bus_message_get_destination(m) && sender &&
               !streq(sender, "org.freedesktop.DBus") && !(c->qmid && streq(sender, c->qmid));
}

static int on_serving_system(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;

        if (c->device && streq(sd_bus_message_get_path(m), c->device) && c->watches_registration)
                connection_take_registration(c, m);
        return 0;
}

/* A device that was waited for may be there; a session that is being made is. */
static int on_added(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Value *session;
        Connection *c = userdata;
        const char *path, *unique;
        _cleanup_(arena_done) Arena a;
        Value interfaces;

        arena_init(&a);
        if (sd_bus_message_read(m, "o", &path) < 0 || reply_read(m, &a, &interfaces) < 0)
                return 0;
        session = value_dict_get(&interfaces, QMID_SESSION_INTERFACE);
        if (c->state == CONNECTION_CONNECTING && !c->session && session &&
            sd_bus_get_unique_name(c->bus, &unique) >= 0 && streq(reply_text(session, "Owner"), unique))
                return set_text(&c->session, path) < 0 ? connection_oom(c) : 0;
        if (c->state == CONNECTION_WAITING && value_dict_get(&interfaces, QMID_DEVICE_INTERFACE))
                return connection_attempt(c);
        return 0;
}

static int on_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        const char *path;

        if (sd_bus_message_read(m, "o", &path) < 0)
                return 0;
        if (c->device && streq(path, c->device))
                c->watches_registration = false;
        if (c->state == CONNECTION_UP && c->session && streq(path, c->session))
                return connection_session_ended(c);
        return 0;
}

static int on_properties(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *path = sd_bus_message_get_path(m), *interface;
        Connection *c = userdata;
        _cleanup_(arena_done) Arena a;
        const char *state;
        Value changed;

        arena_init(&a);
        if (sd_bus_message_read(m, "s", &interface) < 0 || reply_read(m, &a, &changed) < 0)
                return 0;
        state = reply_text(&changed, "State");
        if (c->session && streq(path, c->session) && streq(interface, QMID_SESSION_INTERFACE)) {
                if (connection_take_end(c, &changed) < 0)
                        return connection_oom(c);
                if (c->state != CONNECTION_UP)
                        return 0;
                if (streq(state, "disconnected"))
                        return connection_session_ended(c);
                return connection_read_session(c);
        }
        if (c->state == CONNECTION_WAITING && (!c->device || streq(path, c->device)) &&
            streq(interface, QMID_DEVICE_INTERFACE) && streq(state, "ready"))
                return connection_attempt(c);
        return 0;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name, *old_owner, *new_owner;
        Connection *c = userdata;

        if (sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner) < 0)
                return 0;
        if (!*new_owner) {
                if (c->state == CONNECTION_UP && c->connect->foreground)
                        connection_remark(c, "qmid has stopped; the session is left as it is");
                return 0;
        }
        if (c->state == CONNECTION_WAITING)
                return connection_attempt(c);
        /* It may have ended while there was nobody to tell. */
        return c->state == CONNECTION_UP ? connection_read_session(c) : 0;
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return connection_end(userdata, cli_error(EXIT_MISSING, "the connection to the bus is lost"));
}

static int connection_match(Connection *c) {
        int r;

        r = sd_bus_add_filter(c->bus, NULL, on_message, c);
        if (r >= 0)
                r = sd_bus_match_signal(c->bus, NULL, "org.freedesktop.DBus.Local",
                                        "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                        "Disconnected", on_disconnected, c);
        if (r >= 0)
                r = sd_bus_add_match(
                        c->bus, NULL,
                        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" QMID_NAME "'",
                        on_owner_changed, c);
        if (r >= 0)
                r = sd_bus_match_signal(c->bus, NULL, QMID_NAME, QMID_PATH,
                                        "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", on_added,
                                        c);
        if (r >= 0)
                r = sd_bus_match_signal(c->bus, NULL, QMID_NAME, QMID_PATH,
                                        "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved",
                                        on_removed, c);
        if (r >= 0)
                r = sd_bus_add_match(
                        c->bus, NULL,
                        "type='signal',sender='" QMID_NAME "',path_namespace='" QMID_PATH "/device',"
                        "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged'",
                        on_properties, c);
        if (r >= 0)
                r = sd_bus_match_signal(c->bus, NULL, QMID_NAME, NULL, "org.qmid1.Nas", "ServingSystem",
                                        on_serving_system, c);
        return r;
}

/* ---- the end ---- */

static int on_ended(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);
        Connection *c = userdata;

        c->call = sd_bus_slot_unref(c->call);
        /* What is not there any more has ended; and what may not be ended so ends when we have left the bus.
         */
        if (!e || connection_is_gone(e) || sd_bus_error_has_name(e, SD_BUS_ERROR_ACCESS_DENIED) ||
            sd_bus_error_has_name(e, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
                return connection_end(c, EXIT_OK);
        return connection_end(c, bus_fail("disconnect", e));
}

static int on_limit(sd_event_source *s, uint64_t usec, void *userdata) {
        Connection *c = userdata;

        return connection_end(c, cli_error(EXIT_TIMEOUT, "connect: not connected in time%s%s",
                                           c->why ? ": " : "", c->why ?: ""));
}

/* SIGINT or SIGTERM. The second one does not wait for the modem. */
static int on_stop(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Connection *c = userdata;
        int r;

        if (c->state == CONNECTION_ENDING || !c->session)
                return connection_end(c, EXIT_OK); /* nobody stays behind: it is ours */
        c->retry = sd_event_source_disable_unref(c->retry);
        connection_status(c, "STOPPING=1\n", "Disconnecting");
        r = bus_new_call(c->bus, c->session, QMID_SESSION_INTERFACE, "Disconnect", &m);
        if (r != EXIT_OK)
                return connection_end(c, r);
        r = sd_bus_message_append(m, "a{sv}", 0);
        if (r < 0)
                return connection_end(c, bus_fail_errno("disconnect", r));
        return connection_call(c, CONNECTION_ENDING, m, c->options->timeout_usec ?: BUS_TIMEOUT_USEC,
                               on_ended);
}

static int connection_start(Connection *c) {
        int r;

        r = sd_event_new(&c->event);
        if (r >= 0 && c->connect->foreground) {
                connection_hold_signals(c, true);
                r = sd_event_add_signal(c->event, NULL, SIGINT, on_stop, c);
                if (r >= 0)
                        r = sd_event_add_signal(c->event, NULL, SIGTERM, on_stop, c);
        }
        if (r >= 0 && c->connect->wait_usec > 0)
                r = sd_event_add_time_relative(c->event, &c->limit, CONNECT_CLOCK, c->connect->wait_usec, 0,
                                               on_limit, c);
        if (r >= 0)
                r = sd_bus_attach_event(c->bus, c->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = connection_match(c);
        if (r < 0)
                return bus_fail_errno("connect", r);
        return connection_attempt(c);
}

int verb_connect(const Options *o, char **args, size_t n_args) {
        _cleanup_(connection_done)
                Connection c = { .options = o, .connect = &o->connect, .delay_sec = RETRY_MIN_SEC };
        _cleanup_(input_freep) char *password = NULL;
        int r;

        r = connect_options_check(&o->connect);
        if (r != EXIT_OK)
                return r;
        r = connect_options_read_password(&o->connect, &password);
        if (r != EXIT_OK)
                return r;
        c.password = password;
        r = bus_connect(o, &c.bus);
        if (r != EXIT_OK)
                return r;
        r = connection_start(&c);
        if (r != EXIT_OK)
                return r;
        r = sd_event_loop(c.event);
        return r < 0 ? cli_error(EXIT_REFUSED, "connect: %s", strerror(-r)) : r;
}
