/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "bus/peer-resolved.h"
#include "net-bed.h"

/* A systemd-resolved at the other end of a socket pair, where there is no bus in between. */

#define PATIENCE_USEC (20 * USEC_PER_SEC)

typedef struct Bed {
        NetBed net;
        int fd, index; /* of the interface */
        sd_bus *client, *server;
        Resolved *resolved;
        char calls[1024]; /* a line for each that came */
        unsigned n_calls;
        const char *error; /* the answer; NULL: yes */
        const char *message;
        bool silent;
} Bed;

static int answer(Bed *b, sd_bus_message *m) {
        check(!sd_bus_message_get_auto_start(m));
        b->n_calls++;
        if (b->silent)
                return 1;
        if (!b->error)
                return sd_bus_reply_method_return(m, "");
        return sd_bus_reply_method_errorf(m, b->error, "%s", b->message);
}

static void note(Bed *b, const char *text) {
        size_t n = strlen(b->calls);

        check((size_t) snprintf(b->calls + n, sizeof(b->calls) - n, "%s", text) < sizeof(b->calls) - n);
}

static void note_link(Bed *b, const char *method, int index) {
        char text[64];

        check_int(index, b->index);
        snprintf(text, sizeof(text), "%s", method);
        note(b, text);
}

static int on_set_link_dns(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        char text[INET6_ADDRSTRLEN];
        Bed *b = userdata;
        int index, family;
        const void *data;
        size_t size;

        check(sd_bus_message_read(m, "i", &index) > 0);
        note_link(b, "SetLinkDNS", index);
        check(sd_bus_message_enter_container(m, 'a', "(iay)") > 0);
        while (sd_bus_message_enter_container(m, 'r', "iay") > 0) {
                check(sd_bus_message_read(m, "i", &family) > 0);
                check(sd_bus_message_read_array(m, 'y', &data, &size) > 0);
                check_int(size, family == AF_INET ? 4 : 16);
                note(b, " ");
                note(b, inet_ntop(family, data, text, sizeof(text)));
                check(sd_bus_message_exit_container(m) > 0);
        }
        note(b, "\n");
        return answer(b, m);
}

static int on_revert_link(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bed *b = userdata;
        int index;

        check(sd_bus_message_read(m, "i", &index) > 0);
        note_link(b, "RevertLink", index);
        note(b, "\n");
        return answer(b, m);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("SetLinkDNS", "ia(iay)", "", on_set_link_dns, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("RevertLink", "i", "", on_revert_link, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static sd_bus *bus_at(int fd, bool server) {
        sd_id128_t id;
        sd_bus *bus;

        check(sd_bus_new(&bus) >= 0);
        check(sd_bus_set_fd(bus, fd, fd) >= 0);
        if (server) {
                check(sd_id128_randomize(&id) >= 0);
                check(sd_bus_set_server(bus, true, id) >= 0);
        }
        check(sd_bus_set_anonymous(bus, true) >= 0);
        check(sd_bus_start(bus) >= 0);
        return bus;
}

static void bed_begin(Bed *b) {
        NetInterface i;
        int pair[2];

        *b = (Bed){};
        net_bed_begin(&b->net);
        b->fd = net_bed_add_interface("wwan0", false);
        check_int(net_get_interface(b->net.net, "wwan0", &i), 0);
        b->index = i.index;
        check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) >= 0);
        b->server = bus_at(pair[0], true);
        b->client = bus_at(pair[1], false);
        check(sd_bus_add_object_vtable(b->server, NULL, "/org/freedesktop/resolve1",
                                       "org.freedesktop.resolve1.Manager", vtable, b) >= 0);
        check(sd_bus_attach_event(b->server, b->net.event, 0) >= 0);
        check(sd_bus_attach_event(b->client, b->net.event, 0) >= 0);
        check_int(resolved_new(&b->resolved, b->client, b->net.net), 0);
}

static void bed_end(Bed *b) {
        net_bed_settle(&b->net);
        b->resolved = resolved_free(b->resolved);
        sd_bus_flush_close_unref(b->client);
        sd_bus_flush_close_unref(b->server);
        close(b->fd);
        net_bed_end(&b->net);
}

static void wait_for_calls(Bed *b, unsigned n) {
        while (b->n_calls < n)
                check(sd_event_run(b->net.event, PATIENCE_USEC) > 0);
}

static void wait_for_problem(Bed *b, const char *problem) {
        while (!streq(net_get_dns_problem(b->net.net, b->index), problem))
                check(sd_event_run(b->net.event, PATIENCE_USEC) > 0);
}

static const NetDnsServer servers[] = {
        { .family = AF_INET, .address = { 192, 0, 2, 53 } },
        { .family = AF_INET6, .address = { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x53 } },
};

static void give(Bed *b) {
        check_int(net_set_dns(b->net.net, b->index, servers, ELEMENTSOF(servers)), 0);
}

static void take(Bed *b) {
        check_int(net_set_dns(b->net.net, b->index, NULL, 0), 0);
}

static void test_given_and_taken_back(void) {
        Bed b;

        bed_begin(&b);
        give(&b);
        wait_for_calls(&b, 1);
        take(&b);
        wait_for_calls(&b, 2);
        check_str(b.calls, "SetLinkDNS 192.0.2.53 2001:db8::53\nRevertLink\n");
        check_str(net_get_dns_problem(b.net.net, b.index), "");
        bed_end(&b);
        check_int(b.n_calls, 2);
}

/* The last word is the one that counts, though the first is still being thought about. */
static void test_at_once(void) {
        Bed b;

        bed_begin(&b);
        give(&b);
        take(&b);
        give(&b);
        wait_for_calls(&b, 3);
        check_str(b.calls,
                  "SetLinkDNS 192.0.2.53 2001:db8::53\nRevertLink\nSetLinkDNS 192.0.2.53 2001:db8::53\n");
        net_bed_settle(&b.net);
        check_str(net_get_dns_problem(b.net.net, b.index), "");
        bed_end(&b);
}

static void test_refused(void) {
        Bed b;

        bed_begin(&b);
        b.error = "org.freedesktop.resolve1.LinkBusy";
        b.message = "Link wwan0 is managed.";
        give(&b);
        wait_for_problem(&b,
                         "wwan0: systemd-resolved did not take the name servers: Link wwan0 is managed.");
        b.error = SD_BUS_ERROR_ACCESS_DENIED;
        b.message = "";
        give(&b);
        wait_for_problem(&b, "wwan0: systemd-resolved did not take the name servers: "
                             "org.freedesktop.DBus.Error.AccessDenied.");
        b.error = NULL;
        give(&b);
        wait_for_problem(&b, "");
        b.error = SD_BUS_ERROR_ACCESS_DENIED;
        b.message = "Permission denied";
        take(&b);
        wait_for_problem(&b, "wwan0: systemd-resolved kept the name servers: Permission denied.");
        bed_end(&b);
}

/* Nobody there, or no such interface any more, is no problem. */
static void check_no_problem(const char *error) {
        Bed b;

        bed_begin(&b);
        b.error = SD_BUS_ERROR_ACCESS_DENIED;
        b.message = "Permission denied";
        give(&b);
        wait_for_problem(&b, "wwan0: systemd-resolved did not take the name servers: Permission denied.");
        b.error = error;
        give(&b);
        wait_for_problem(&b, "");
        take(&b);
        wait_for_calls(&b, 3);
        net_bed_settle(&b.net);
        check_str(net_get_dns_problem(b.net.net, b.index), "");
        bed_end(&b);
}

static void tell_of_owner(Bed *b, const char *old_owner, const char *new_owner) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        check(sd_bus_message_new_signal(b->server, &m, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                        "NameOwnerChanged") >= 0);
        check(sd_bus_message_set_sender(m, "org.freedesktop.DBus") >= 0);
        check(sd_bus_message_append(m, "sss", "org.freedesktop.resolve1", old_owner, new_owner) >= 0);
        check(sd_bus_send(b->server, m, NULL) >= 0);
}

static void test_started_later(void) {
        Bed b;

        bed_begin(&b);
        tell_of_owner(&b, "", ":1.5");
        net_bed_settle(&b.net); /* there is nothing to tell */
        b.error = SD_BUS_ERROR_SERVICE_UNKNOWN;
        b.message = "The name is not activatable";
        give(&b);
        wait_for_calls(&b, 1);
        b.error = NULL;
        tell_of_owner(&b, ":1.5", "");
        tell_of_owner(&b, "", ":1.6");
        wait_for_calls(&b, 2);
        take(&b);
        wait_for_calls(&b, 3);
        net_bed_settle(&b.net);
        tell_of_owner(&b, "", ":1.7");
        net_bed_settle(&b.net);
        check_str(b.calls, "SetLinkDNS 192.0.2.53 2001:db8::53\nSetLinkDNS 192.0.2.53 2001:db8::53\n"
                           "RevertLink\n");
        bed_end(&b);
}

static void *serve(void *userdata) {
        Bed *b = userdata;

        while (b->n_calls < 2) {
                int r = sd_bus_process(b->server, NULL);

                check(r >= 0);
                if (r == 0)
                        check(sd_bus_wait(b->server, PATIENCE_USEC) > 0);
        }
        check(sd_bus_flush(b->server) >= 0);
        return NULL;
}

/* Who has left has no rights any more: it says it once more and waits. */
static void test_end(void) {
        pthread_t thread;
        Bed b;

        bed_begin(&b);
        give(&b);
        wait_for_calls(&b, 1);
        net_bed_settle(&b.net);
        *b.calls = 0;
        b.n_calls = 0;
        check(sd_bus_detach_event(b.server) >= 0);
        take(&b);
        check_int(pthread_create(&thread, NULL, serve, &b), 0);
        b.resolved = resolved_free(b.resolved);
        check_int(pthread_join(thread, NULL), 0);
        check_str(b.calls, "RevertLink\nRevertLink\n");
        check_int(net_set_dns(b.net.net, b.index, servers, 1), -EUNATCH);
        bed_end(&b);
}

/* But not for ever. */
static void test_silent_end(void) {
        Bed b;

        bed_begin(&b);
        b.silent = true;
        give(&b);
        wait_for_calls(&b, 1);
        bed_end(&b);
}

int main(void) {
        net_bed_enter();
        test_given_and_taken_back();
        test_at_once();
        test_refused();
        check_no_problem(SD_BUS_ERROR_SERVICE_UNKNOWN);
        check_no_problem(SD_BUS_ERROR_NAME_HAS_NO_OWNER);
        check_no_problem("org.freedesktop.resolve1.NoSuchLink");
        test_started_later();
        test_end();
        test_silent_end();
        return 0;
}
