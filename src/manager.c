/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <signal.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <systemd/sd-daemon.h>

#include "bus/bus.h"
#include "discovery.h"
#include "modem/device.h"
#include "rivals.h"
#include "util/log.h"

/* How often it is looked whether a foreign proxy is gone: nothing tells. */
#define RIVAL_USEC (2 * USEC_PER_SEC)
/* How long a modem may take to confirm that it has its client ids back. */
#define STOP_USEC (2 * USEC_PER_SEC)

typedef struct Managed {
        Manager *manager;
        Device *device;
        char *syspath; /* of the USB interface; NULL: given by hand */
        bool take;     /* although somebody else may use it */
        bool opened;
        sd_event_source *watch; /* whether somebody else opens it too: */
        bool shared_told;
        LIST_ENTRY(Managed) entries;
} Managed;

struct Manager {
        sd_event *event;
        Bus *bus;
        Discovery *discovery;
        sd_event_source *rivals, *idle, *stop;
        unsigned n_releasing; /* devices, when stopping */
        uint64_t idle_usec;
        LIST_HEAD(, Managed) devices;
};

static void managed_free(Managed *d) {
        if (d->device) {
                bus_remove_device(d->manager->bus, d->device);
                device_free(d->device);
                LIST_REMOVE(d, entries);
        }
        sd_event_source_disable_unref(d->watch);
        free(d->syspath);
        free(d);
}

/* ---- idle exit ---- */

static void manager_arm_idle(Manager *m, uint64_t usec) {
        (void) sd_event_source_set_time(m->idle, usec);
        (void) sd_event_source_set_enabled(m->idle, SD_EVENT_ONESHOT);
}

static void manager_begin_idle(Manager *m) {
        uint64_t now;

        if (m->idle_usec > 0 && LIST_EMPTY(&m->devices) &&
            sd_event_now(m->event, CLOCK_MONOTONIC, &now) >= 0)
                manager_arm_idle(m, now + m->idle_usec);
}

static int on_idle(sd_event_source *s, uint64_t usec, void *userdata) {
        Manager *m = userdata;
        uint64_t now, since;
        int r;

        if (!LIST_EMPTY(&m->devices)) /* the last one's end begins it anew */
                return 0;
        r = sd_event_now(m->event, CLOCK_MONOTONIC, &now);
        if (r < 0)
                return r;
        since = bus_is_in_use(m->bus) ? now : bus_get_last_call_usec(m->bus);
        if (now < since + m->idle_usec) {
                manager_arm_idle(m, since + m->idle_usec);
                return 0;
        }
        log_info("Exiting: there is no modem, and nobody asks");
        (void) sd_notify(false, "STOPPING=1");
        bus_leave(m->bus);
        return sd_event_exit(m->event, 0);
}

static void manager_remove(Manager *m, Managed *d) {
        managed_free(d);
        manager_begin_idle(m);
}

static void manager_remove_all(Manager *m) {
        while (!LIST_EMPTY(&m->devices))
                managed_free(LIST_FIRST(&m->devices));
}

/* ---- ports that somebody else uses ---- */

/* A program that runs, and uses each port that it finds; NULL: there is none. */
static const char *manager_rival(Manager *m) {
        if (bus_modem_manager_runs(m->bus))
                return "ModemManager";
        if (rival_proxy_listens())
                return "qmi-proxy";
        return NULL;
}

static void manager_open(Manager *m, Managed *d, const char *rival) {
        int r;

        if (d->opened)
                return;
        if (rival && !d->take) {
                char reason[128];

                (void) snprintf(reason, sizeof(reason), "%s runs and would use the port too", rival);
                device_set_busy(d->device, reason);
                /* Of ModemManager's end the bus tells. */
                if (!bus_modem_manager_runs(m->bus)) {
                        (void) sd_event_source_set_time_relative(m->rivals, RIVAL_USEC);
                        (void) sd_event_source_set_enabled(m->rivals, SD_EVENT_ONESHOT);
                }
                return;
        }
        d->opened = true;
        r = device_open(d->device);
        if (r < 0)
                log_error_errno(r, "%s: cannot open its port", device_get_name(d->device));
}

static void manager_open_all(Manager *m) {
        const char *rival = manager_rival(m);
        Managed *d;

        LIST_FOREACH(d, &m->devices, entries)
                manager_open(m, d, rival);
}

static int on_rivals(sd_event_source *s, uint64_t usec, void *userdata) {
        manager_open_all(userdata);
        return 0;
}

static void on_modem_manager(Bus *b, void *userdata) {
        manager_open_all(userdata);
}

static int on_opened_elsewhere(sd_event_source *s, const struct inotify_event *event, void *userdata) {
        Managed *d = userdata;

        /* To be told once is enough. The source stays on, as sd-event of systemd 252 does not get past an
         * event for one that is off. When the node is gone, that comes here, too. */
        if (d->shared_told || !(event->mask & IN_OPEN))
                return 0;
        d->shared_told = true;
        log_warning("%s: %s has opened %s too, and each of us may get the answers to the other: "
                    "have one of them ignore the port, see qmid(8)",
                    device_get_name(d->device), manager_rival(d->manager) ?: "another program",
                    device_get_port_name(d->device));
        return 0;
}

/* From the time that the port is open: our own opening of it is nothing to tell. */
static void managed_watch(Managed *d) {
        int r;

        if (d->watch || !d->syspath || port_get_state(mux_get_port(device_get_mux(d->device))) != PORT_OPEN)
                return;
        r = sd_event_add_inotify(d->manager->event, &d->watch, device_get_port_name(d->device), IN_OPEN,
                                 on_opened_elsewhere, d);
        if (r < 0)
                log_warning_errno(r, "%s: cannot watch who else opens its port", device_get_name(d->device));
}

/* ---- devices ---- */

static void on_device_changed(Device *d, unsigned changes, void *userdata) {
        Managed *managed = userdata;

        managed_watch(managed);
        bus_device_changed(managed->manager->bus, d, changes);
}

/* Of the ports of one modem the one with the lowest number is the primary one. */
static void manager_choose_primaries(Manager *m) {
        Managed *d, *other;

        LIST_FOREACH(d, &m->devices, entries) {
                const DevicePlace *place = device_get_place(d->device);
                bool primary = true;

                LIST_FOREACH(other, &m->devices, entries) {
                        const DevicePlace *p = device_get_place(other->device);

                        if (*place->physical_device && streq(p->physical_device, place->physical_device) &&
                            p->interface_number < place->interface_number)
                                primary = false;
                }
                device_set_primary(d->device, primary);
        }
}

/* Takes `d` over, also on failure. */
static int manager_add(Manager *m, Managed *d, const DevicePlace *place, const char *rival) {
        static const DeviceOps ops = { .on_changed = on_device_changed };
        Managed *i;
        int r;

        d->manager = m;
        LIST_FOREACH(i, &m->devices, entries)
                if (streq(device_get_name(i->device), place->name)) {
                        managed_free(d);
                        return log_error_errno(-EEXIST, "Port '%s' would be called %s, as '%s' is",
                                               place->uri, place->name, device_get_place(i->device)->uri);
                }
        r = device_new(&d->device, m->event, place, &ops, d);
        if (r < 0) {
                managed_free(d);
                return log_error_errno(r, "Cannot use port '%s'", place->uri);
        }
        LIST_INSERT_HEAD(&m->devices, d, entries);
        manager_choose_primaries(m);
        manager_open(m, d, rival);
        r = bus_add_device(m->bus, d->device);
        if (r < 0) {
                managed_free(d);
                return log_error_errno(r, "Cannot announce port '%s'", place->uri);
        }
        return 0;
}

int manager_add_port(Manager *m, const char *uri) {
        _cleanup_free_ char *name = NULL, *address = NULL;
        Managed *d;
        int r;

        r = device_name_from_uri(uri, &name);
        if (r < 0)
                return log_error_errno(r, "Port '%s' is no address of a port", uri);
        address = strdup(uri);
        d = calloc(1, sizeof(*d));
        if (!d || !address) {
                free(d);
                return log_oom();
        }
        return manager_add(m, d, &(DevicePlace){ .name = name, .uri = address }, NULL);
}

/* ---- ports that udev finds ---- */

static Managed *manager_find(Manager *m, const char *syspath) {
        Managed *d;

        LIST_FOREACH(d, &m->devices, entries)
                if (d->syspath && streq(d->syspath, syspath))
                        return d;
        return NULL;
}

static int manager_add_found(Manager *m, const PortFacts *f) {
        _cleanup_free_ char *name = NULL, *uri = NULL;
        Managed *d;

        /* Where udev does not say where the port is plugged in, the kernel's path of it must do. */
        if (asprintf(&name, "%s_%02x", *f->id_path ? f->id_path : strrchr(f->syspath, '/') + 1,
                     f->interface_number) < 0)
                return log_oom();
        device_name_escape(name);
        if (asprintf(&uri, "cdc-wdm:%s", f->node) < 0)
                return log_oom();
        d = calloc(1, sizeof(*d));
        if (!d)
                return log_oom();
        d->take = f->take;
        d->syspath = strdup(f->syspath);
        if (!d->syspath) {
                managed_free(d);
                return log_oom();
        }
        log_info("%s: %s, %s %04x:%04x", name, f->node, f->driver, f->vendor, f->product);
        return manager_add(m, d,
                           &(DevicePlace){
                                   .name = name,
                                   .uri = uri,
                                   .driver = (char *) (uintptr_t) f->driver,
                                   .id_path = (char *) (uintptr_t) f->id_path,
                                   .physical_device = (char *) (uintptr_t) f->physical_device,
                                   .interfaces = (char **) (uintptr_t) f->interfaces,
                                   .vendor = f->vendor,
                                   .product = f->product,
                                   .interface_number = f->interface_number,
                                   .window = f->window,
                           },
                           manager_rival(m));
}

static void on_port(Discovery *discovery, const PortFacts *f, void *userdata) {
        Manager *m = userdata;
        Managed *d = manager_find(m, f->syspath);

        /* Another node at the same place: the removal of the first is still to be told, or was lost. */
        if (d && (f->ignore || !streq(device_get_port_name(d->device), f->node))) {
                manager_remove(m, d);
                d = NULL;
        }
        if (f->ignore)
                return;
        if (!d)
                (void) manager_add_found(m, f);
        else if (device_set_interfaces(d->device, f->interfaces) < 0)
                log_oom();
}

static void on_gone(Discovery *discovery, const char *syspath, void *userdata) {
        Manager *m = userdata;
        Managed *d = manager_find(m, syspath);

        if (!d)
                return;
        log_info("%s: unplugged", device_get_name(d->device));
        manager_remove(m, d);
        manager_choose_primaries(m);
}

int manager_discover(Manager *m) {
        static const DiscoveryOps ops = { .on_port = on_port, .on_gone = on_gone };
        int r;

        r = discovery_new(&m->discovery, m->event, &ops, m);
        if (r < 0)
                return log_error_errno(r, "Cannot look for ports");
        return 0;
}

/* ---- the whole ---- */

static void on_bus_lost(Bus *b, const char *reason, void *userdata) {
        Manager *m = userdata;

        /* Whoever starts us again gives us a new bus; there is nobody left to serve on this one. */
        log_error("Exiting: %s", reason);
        (void) sd_event_exit(m->event, -ECONNRESET);
}

static int on_stop_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        Manager *m = userdata;

        log_warning("Stopping, although a modem has not confirmed that it took its client ids back");
        return sd_event_exit(m->event, 0);
}

static void on_released(Mux *mux, void *userdata) {
        Manager *m = userdata;

        if (--m->n_releasing == 0)
                (void) sd_event_exit(m->event, 0);
}

/* All calls are answered, all client ids given back, in bounded time. */
static int manager_stop(Manager *m) {
        Managed *d;
        int r;

        (void) sd_notify(false, "STOPPING=1");
        m->discovery = discovery_free(m->discovery);
        /* What was sent to the name until now is taken in first, so that it is answered too. */
        bus_leave(m->bus);
        LIST_FOREACH(d, &m->devices, entries) {
                bus_remove_device(m->bus, d->device);
                device_release(d->device, on_released, m);
                m->n_releasing++;
        }
        if (m->n_releasing == 0)
                return sd_event_exit(m->event, 0);
        r = sd_event_source_set_time_relative(m->stop, STOP_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(m->stop, SD_EVENT_ONESHOT);
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        Manager *m = userdata;

        log_info("Stopping at signal %u", si->ssi_signo);
        if (m->n_releasing > 0) /* a second one: at once */
                return sd_event_exit(m->event, 0);
        return manager_stop(m);
}

static int manager_handle_signal(Manager *m, int signo) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, signo);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        return sd_event_add_signal(m->event, NULL, signo, on_signal, m);
}

static int manager_add_timer(Manager *m, sd_event_source **ret, sd_event_time_handler_t handler) {
        int r;

        r = sd_event_add_time(m->event, ret, CLOCK_MONOTONIC, 0, 0, handler, m);
        return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

int manager_new(Manager **ret) {
        static const BusOps ops = { .on_lost = on_bus_lost, .on_modem_manager = on_modem_manager };
        _cleanup_(manager_freep) Manager *m = NULL;
        int r;

        m = calloc(1, sizeof(*m));
        if (!m)
                return log_oom();
        LIST_INIT(&m->devices);
        r = sd_event_new(&m->event);
        if (r < 0)
                return log_error_errno(r, "Cannot make an event loop");
        r = manager_handle_signal(m, SIGTERM);
        if (r >= 0)
                r = manager_handle_signal(m, SIGINT);
        if (r < 0)
                return log_error_errno(r, "Cannot handle signals");
        r = manager_add_timer(m, &m->rivals, on_rivals);
        if (r >= 0)
                r = manager_add_timer(m, &m->idle, on_idle);
        if (r >= 0)
                r = manager_add_timer(m, &m->stop, on_stop_timeout);
        if (r < 0)
                return log_error_errno(r, "Cannot make timers");
        r = bus_new(&m->bus, m->event, &ops, m);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(m);
        return 0;
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;
        discovery_free(m->discovery);
        manager_remove_all(m);
        bus_free(m->bus);
        sd_event_source_disable_unref(m->rivals);
        sd_event_source_disable_unref(m->idle);
        sd_event_source_disable_unref(m->stop);
        sd_event_unref(m->event);
        free(m);
        return NULL;
}

int manager_run(Manager *m, uint64_t idle_usec) {
        int r;

        r = bus_take_name(m->bus);
        if (r < 0)
                return r;
        m->idle_usec = idle_usec;
        manager_begin_idle(m);
        /* Where the service manager has a watchdog, the loop feeds it. */
        r = sd_event_set_watchdog(m->event, true);
        if (r < 0)
                return log_error_errno(r, "Cannot feed the watchdog");
        (void) sd_notify(false, "READY=1");
        return sd_event_loop(m->event);
}
