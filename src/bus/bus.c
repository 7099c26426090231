/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bus/internal.h"
#include "util/clock.h"
#include "util/log.h"

/* How long the end waits for the bus daemon to say who the last callers are. */
#define LEAVE_USEC USEC_PER_SEC

/* Off; the socket is in the event loop already, so it is another descriptor of it. */
int bus_add_room_source(sd_bus *bus, sd_event_source **ret, sd_event_io_handler_t handler, void *userdata) {
        int fd, r;

        fd = fcntl(sd_bus_get_fd(bus), F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return -errno;
        r = sd_event_add_io(sd_bus_get_event(bus), ret, fd, EPOLLOUT, handler, userdata);
        if (r < 0) {
                close(fd);
                return r;
        }
        r = sd_event_source_set_io_fd_own(*ret, true);
        return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

/* A signal that is for us alone, and from no bus daemon. What we subscribe to goes to all, and the bus
 * daemon knows who may hear it as whose; but it passes on to a connection what anybody addresses to it, and
 * the bus library takes the sender's well-known name on trust. */
static bool is_forged(sd_bus_message *m) {
        const char *sender = sd_bus_message_get_sender(m);

        return sd_bus_message_is_signal(m, NULL, NULL) > 0 && sd_bus_message_get_destination(m) &&
               !(sender && streq(sender, "org.freedesktop.DBus"));
}

/* Sees every message before anything else does. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;

        if (is_forged(m)) {
                log_debug("Ignoring signal %s of %s", sd_bus_message_get_member(m),
                          sd_bus_message_get_sender(m) ?: "nobody");
                return 1;
        }
        if (sd_bus_message_is_method_call(m, NULL, NULL) > 0) {
                (void) sd_event_now(sd_bus_get_event(b->bus), CLOCK_MONOTONIC, &b->last_call_usec);
                bus_indications_flush(b, sd_bus_message_get_sender(m));
        }
        return 0;
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;

        b->ops->on_lost(b, "the connection to the bus is gone", b->userdata);
        return 0;
}

static int on_name_lost(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;
        const char *name;

        if (!b->leaving && sd_bus_message_read(m, "s", &name) >= 0 && streq(name, QMID_BUS_NAME))
                b->ops->on_lost(b, "the bus name was given to somebody else", b->userdata);
        return 0;
}

static int bus_declare(Bus *b) {
        int r;

        r = sd_bus_add_filter(b->bus, NULL, on_message, b);
        if (r < 0)
                return r;
        r = turns_new(b, &b->turns);
        if (r < 0)
                return r;
        r = bus_indications_start(b);
        if (r < 0)
                return r;
        r = sd_bus_match_signal(b->bus, NULL, "org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local",
                                "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, b);
        if (r < 0)
                return r;
        r = sd_bus_match_signal(b->bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                "org.freedesktop.DBus", "NameLost", on_name_lost, b);
        if (r < 0)
                return r;
        r = caller_watch(b);
        if (r < 0)
                return r;
        r = sd_bus_add_object_vtable(b->bus, NULL, QMID_ROOT_PATH, QMID_BUS_NAME ".Manager", manager_vtable,
                                     b);
        if (r < 0)
                return r;
        r = sd_bus_add_object_manager(b->bus, NULL, QMID_ROOT_PATH);
        if (r < 0)
                return r;
        r = log_control_add(b->bus);
        if (r < 0)
                return r;

        r = objects_declare(b);
        if (r < 0)
                return r;
        return service_faces_add(b);
}

int bus_new(Bus **ret, sd_event *event, const BusOps *ops, void *userdata) {
        _cleanup_(bus_freep) Bus *b = NULL;
        sd_id128_t id;
        int r;

        b = calloc(1, sizeof(*b));
        if (!b)
                return -ENOMEM;
        b->ops = ops;
        b->userdata = userdata;
        b->sleep_delay = -1;
        LIST_INIT(&b->devices);
        LIST_INIT(&b->callers);
        b->nobody.name = "";
        b->group = subject_find_group(QMID_GROUP);

        r = sd_bus_open_system(&b->bus);
        if (r < 0)
                return log_error_errno(r, "Cannot connect to the system bus");
        r = sd_bus_attach_event(b->bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;
        r = peer_modem_manager_watch(b);
        if (r < 0)
                return log_error_errno(r, "Cannot ask the bus for ModemManager");
        r = peer_logind_watch(b);
        if (r < 0)
                return log_error_errno(r, "Cannot ask the bus for logind");
        r = peer_polkit_watch(b);
        if (r < 0)
                return log_error_errno(r, "Cannot ask the bus for polkit");
        r = sd_bus_get_bus_id(b->bus, &id);
        if (r < 0)
                return log_error_errno(r, "Cannot ask for the id of the bus");
        (void) sd_id128_to_string(id, b->id);
        r = bus_declare(b);
        if (r < 0)
                return log_error_errno(r, "Cannot declare the objects on the bus");

        *ret = TAKE_PTR(b);
        return 0;
}

int bus_set_net(Bus *b, Net *net) {
        int r;

        r = resolved_new(&b->resolved, b->bus, net);
        return r < 0 ? log_error_errno(r, "Cannot ask the bus for systemd-resolved") : 0;
}

Bus *bus_free(Bus *b) {
        if (!b)
                return NULL;
        while (!LIST_EMPTY(&b->devices))
                bus_remove_device(b, LIST_FIRST(&b->devices)->device);
        while (!LIST_EMPTY(&b->callers))
                caller_free(LIST_FIRST(&b->callers));
        peer_logind_done(b);
        resolved_free(b->resolved);
        turns_free(b->turns);
        sd_event_source_disable_unref(b->room);
        sd_bus_flush_close_unref(b->bus);
        service_faces_free(b->faces);
        free(b);
        return NULL;
}

int bus_take_name(Bus *b) {
        int r;

        r = sd_bus_request_name(b->bus, QMID_BUS_NAME, 0);
        if (r < 0)
                return log_error_errno(r, "Cannot take the name " QMID_BUS_NAME " on the bus");
        return 0;
}

bool bus_is_in_use(Bus *b) {
        return b->n_held > 0;
}

uint64_t bus_get_last_call_usec(Bus *b) {
        return b->last_call_usec;
}

bool bus_device_is_held(Bus *b, Device *device) {
        const BusDevice *d = bus_find_device(b, device);

        return d && (!LIST_EMPTY(&d->clients) || !LIST_EMPTY(&d->sessions) || !LIST_EMPTY(&d->traces) ||
                     !LIST_EMPTY(&d->inhibitors));
}

void bus_changed(Bus *b, bool now) {
        if (b->ops->on_save && !b->detached)
                b->ops->on_save(b, now, b->userdata);
}

void bus_keep(Bus *b, const char *name, int fd) {
        if (b->ops->on_keep && !b->detached)
                b->ops->on_keep(b, name, fd, b->userdata);
}

int bus_take_kept(Bus *b, const char *name) {
        return b->ops->take_kept ? b->ops->take_kept(b, name, b->userdata) : -ENOENT;
}

Charge bus_charge(Bus *b, Caller *caller, User *user, BusDevice *d) {
        return (Charge){ .of = {
                                 [SHARE_OF_CALLER] = caller ? &caller->share : NULL,
                                 [SHARE_OF_USER] = user ? &user->share : NULL,
                                 [SHARE_OF_DEVICE] = d ? &d->share : NULL,
                                 [SHARE_OF_ALL] = b ? &b->share : NULL,
                         } };
}

/* ---- the end ---- */

void bus_begin_call(Bus *b) {
        b->n_calls++;
}

void bus_end_call(Bus *b) {
        b->n_calls--;
}

bool bus_has_calls(Bus *b) {
        return b->n_calls > 0;
}

/* Until none of the callers waits for what the bus daemon says of it, or for so long. */
static int bus_wait_for_credentials(Bus *b, uint64_t timeout_usec) {
        uint64_t end = now_usec(CLOCK_MONOTONIC) + timeout_usec, now;
        const Caller *c;
        int r;

        for (;;) {
                LIST_FOREACH(c, &b->callers, entries)
                        if (c->credentials)
                                break;
                if (!c)
                        return 0;
                r = sd_bus_process(b->bus, NULL);
                if (r < 0)
                        return r;
                now = now_usec(CLOCK_MONOTONIC);
                if (now >= end)
                        return -ETIMEDOUT;
                if (r == 0) {
                        r = sd_bus_wait(b->bus, end - now);
                        if (r < 0 && r != -EINTR)
                                return r;
                }
        }
}

static void bus_rest_sockets(Bus *b, bool answer) {
        BusDevice *d;
        BusClient *c;

        LIST_FOREACH(d, &b->devices, entries)
                LIST_FOREACH(c, &d->clients, of_device)
                        if (c->socket)
                                bus_socket_rest(c->socket, answer);
}

void bus_leave(Bus *b) {
        int r;

        b->leaving = true;
        turns_finish(b->turns);
        bus_rest_sockets(b, false);
        /* From the answer on, the bus daemon keeps calls to the name for the next instance; those before it
         * are in our queue by then. */
        r = sd_bus_release_name(b->bus, QMID_BUS_NAME);
        if (r < 0)
                log_warning_errno(r, "Cannot give the bus name back");
        while ((r = sd_bus_process(b->bus, NULL)) > 0)
                ;
        if (r >= 0)
                r = bus_wait_for_credentials(b, LEAVE_USEC);
        if (r >= 0)
                r = sd_bus_flush(b->bus);
        if (r < 0)
                log_warning_errno(r, "Cannot answer what was sent before the name was given back");
}

void bus_check_owners(Bus *b, uint64_t timeout_usec) {
        int r;

        r = bus_wait_for_credentials(b, timeout_usec);
        if (r < 0)
                log_warning_errno(r, "Cannot find out which owners of clients are still there");
}

void bus_fail_calls(Bus *b, const char *reason) {
        static const SessionEnd end = {
                .kind = SESSION_END_RESTART,
                .text = "the service was restarted before it was connected",
        };
        sd_bus_error error = SD_BUS_ERROR_MAKE_CONST(QMID_ERROR_DEVICE_GONE, reason);
        BusSession *s, *next_session;
        BusClient *c, *next;
        Caller *caller;
        BusDevice *d;

        LIST_FOREACH(caller, &b->callers, entries) {
                caller_fail_waiting(caller, &error);
                bus_checks_fail(caller, NULL, &error);
        }
        LIST_FOREACH(d, &b->devices, entries) {
                for (c = LIST_FIRST(&d->clients); c; c = next) {
                        next = LIST_NEXT(c, of_device);
                        if (c->open)
                                bus_client_remove(c, &error, NULL);
                }
                bus_calls_fail(d, NULL, &error);
                bus_link_fail(d, &error);
                session_calls_fail(d, &error);
                for (s = LIST_FIRST(&d->sessions); s; s = next_session) {
                        next_session = LIST_NEXT(s, of_device);
                        if (bus_session_get_state(s) == SESSION_CONNECTING) /* its caller was told no */
                                bus_session_end(s, &end);
                }
        }
        bus_rest_sockets(b, true);
}

void bus_detach(Bus *b) {
        if (sd_bus_is_open(b->bus) > 0)
                bus_indications_flush(b, NULL);
        b->detached = true;
}

const char *bus_get_id(Bus *b) {
        return b->id;
}
