/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "bus/internal.h"
#include "util/log.h"

static void caller_read_program(Caller *c, uint32_t pid) {
        char path[64], comm[64];
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%u/comm", pid);
        f = fopen(path, "re");
        if (!f)
                return;
        if (fgets(comm, sizeof(comm), f)) {
                comm[strcspn(comm, "\n")] = '\0';
                free(c->program);
                c->program = strdup(comm);
        }
        fclose(f);
}

/* Asked once, and after the match of NameOwnerChanged was sent: an error says that the caller had left the
 * bus before anybody could have told us. */
static int on_credentials(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Caller *c = userdata;
        const char *key, *contents;
        uint32_t pid;
        int r;

        c->credentials = sd_bus_slot_unref(c->credentials);
        if (sd_bus_message_is_method_error(m, NULL)) {
                log_debug("%s has left the bus already", c->name);
                caller_free(c);
                return 0;
        }

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return 0;
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                if (sd_bus_message_read(m, "s", &key) < 0 ||
                    sd_bus_message_peek_type(m, NULL, &contents) < 0)
                        return 0;
                if (!streq(key, "ProcessID"))
                        r = sd_bus_message_skip(m, "v");
                else {
                        r = sd_bus_message_read(m, "v", "u", &pid);
                        if (r >= 0)
                                caller_read_program(c, pid);
                }
                if (r < 0 || sd_bus_message_exit_container(m) < 0)
                        return 0;
        }
        return 0;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Caller *c = userdata;
        const char *new_owner;

        if (sd_bus_message_read(m, "sss", NULL, NULL, &new_owner) >= 0 && !*new_owner) {
                log_debug("%s has left the bus", c->name);
                caller_free(c);
        }
        return 0;
}

int caller_get(Bus *b, const char *name, Caller **ret) {
        char match[512];
        Caller *c;
        int r;

        LIST_FOREACH(c, &b->callers, entries)
                if (streq(c->name, name)) {
                        *ret = c;
                        return 0;
                }

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->bus = b;
        LIST_INIT(&c->clients);
        LIST_INIT(&c->traces);
        LIST_INSERT_HEAD(&b->callers, c, entries);
        c->name = strdup(name);
        if (!c->name) {
                r = -ENOMEM;
                goto fail;
        }
        c->owner.name = c->name;

        snprintf(match, sizeof(match),
                 "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                 "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'",
                 name);
        r = sd_bus_add_match_async(b->bus, &c->left, match, on_owner_changed, NULL, c);
        if (r < 0)
                goto fail;
        r = sd_bus_call_method_async(b->bus, &c->credentials, "org.freedesktop.DBus",
                                     "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                     "GetConnectionCredentials", on_credentials, c, "s", name);
        if (r < 0)
                goto fail;

        *ret = c;
        return 0;
fail:
        caller_free(c);
        return r;
}

static bool caller_holds_something(const Caller *c) {
        return !LIST_EMPTY(&c->clients) || !LIST_EMPTY(&c->traces);
}

Caller *caller_free(Caller *c) {
        static const sd_bus_error gone =
                SD_BUS_ERROR_MAKE_CONST(QMID_ERROR_NOT_OWNER, "the owner has left the bus");

        if (!c)
                return NULL;
        /* The last of what it holds takes the caller with it, if it holds anything. */
        if (caller_holds_something(c)) {
                BusClient *client = LIST_FIRST(&c->clients), *next_client;
                BusTrace *trace = LIST_FIRST(&c->traces), *next_trace;

                for (; trace; trace = next_trace) {
                        next_trace = LIST_NEXT(trace, of_caller);
                        bus_trace_close(trace);
                }
                for (; client; client = next_client) {
                        next_client = LIST_NEXT(client, of_caller);
                        bus_client_remove(client, &gone, NULL);
                }
                return NULL;
        }
        sd_bus_slot_unref(c->left);
        sd_bus_slot_unref(c->credentials);
        LIST_REMOVE(c, entries);
        free(c->program);
        free(c->name);
        free(c);
        return NULL;
}

void caller_drop_if_unused(Caller *c) {
        if (!caller_holds_something(c))
                caller_free(c);
}
