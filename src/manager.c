/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <signal.h>
#include <sys/queue.h>
#include <systemd/sd-daemon.h>

#include "bus/bus.h"
#include "modem/device.h"
#include "util/log.h"
#include "util/util.h"

typedef struct Managed {
        Manager *manager;
        Device *device;
        LIST_ENTRY(Managed) entries;
} Managed;

struct Manager {
        sd_event *event;
        Bus *bus;
        LIST_HEAD(, Managed) devices;
};

DEFINE_CLEANUP(Manager *, manager_free)

static void on_bus_lost(Bus *b, const char *reason, void *userdata) {
        Manager *m = userdata;

        /* Whoever starts us again gives us a new bus; there is nobody left to serve on this one. */
        log_error("Exiting: %s", reason);
        (void) sd_event_exit(m->event, -ECONNRESET);
}

static void managed_free(Managed *d) {
        bus_remove_device(d->manager->bus, d->device);
        device_free(d->device);
        LIST_REMOVE(d, entries);
        free(d);
}

static void manager_remove_devices(Manager *m) {
        while (!LIST_EMPTY(&m->devices))
                managed_free(LIST_FIRST(&m->devices));
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        Manager *m = userdata;

        log_info("Stopping at signal %u", si->ssi_signo);
        (void) sd_notify(false, "STOPPING=1");
        /* Here rather than after the loop, which closes the bus when it ends. */
        manager_remove_devices(m);
        return sd_event_exit(m->event, 0);
}

static int manager_handle_signal(Manager *m, int signo) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, signo);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        return sd_event_add_signal(m->event, NULL, signo, on_signal, m);
}

int manager_new(Manager **ret) {
        static const BusOps ops = { .on_lost = on_bus_lost };
        _cleanup_(manager_freep) Manager *m = NULL;
        int r;

        m = calloc(1, sizeof(*m));
        if (!m)
                return log_oom();
        LIST_INIT(&m->devices);
        r = sd_event_new(&m->event);
        if (r < 0)
                return log_error_errno(r, "Cannot make an event loop");
        r = sd_event_set_watchdog(m->event, true);
        if (r < 0)
                return log_error_errno(r, "Cannot feed the watchdog");
        r = manager_handle_signal(m, SIGTERM);
        if (r >= 0)
                r = manager_handle_signal(m, SIGINT);
        if (r < 0)
                return log_error_errno(r, "Cannot handle signals");
        r = bus_new(&m->bus, m->event, &ops, m);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(m);
        return 0;
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;
        manager_remove_devices(m);
        bus_free(m->bus);
        sd_event_unref(m->event);
        free(m);
        return NULL;
}

static void on_device_changed(Device *d, unsigned changes, void *userdata) {
        Managed *managed = userdata;

        bus_device_changed(managed->manager->bus, d, changes);
}

int manager_add_port(Manager *m, const char *uri) {
        static const DeviceOps ops = { .on_changed = on_device_changed };
        _cleanup_free_ char *name = NULL;
        Managed *d, *i;
        int r;

        r = device_name_from_uri(uri, &name);
        if (r < 0)
                return log_error_errno(r, "Port '%s' is no address of a port", uri);
        LIST_FOREACH(i, &m->devices, entries)
        if (streq(device_get_name(i->device), name))
                return log_error_errno(-EEXIST, "Port '%s' would be called %s, as one before it", uri, name);

        d = calloc(1, sizeof(*d));
        if (!d)
                return log_oom();
        d->manager = m;
        r = device_new(&d->device, m->event, &(DevicePlace){ .name = name, .uri = uri }, &ops, d);
        if (r < 0) {
                free(d);
                return log_error_errno(r, "Cannot use port '%s'", uri);
        }
        LIST_INSERT_HEAD(&m->devices, d, entries);
        r = bus_add_device(m->bus, d->device);
        if (r < 0) {
                managed_free(d);
                return log_error_errno(r, "Cannot announce port '%s'", uri);
        }
        return 0;
}

int manager_run(Manager *m) {
        int r;

        r = bus_take_name(m->bus);
        if (r < 0)
                return r;
        (void) sd_notify(false, "READY=1");
        return sd_event_loop(m->event);
}
