/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "discovery.h"
#include "manager-internal.h"
#include "util/log.h"

/* Devices come from the command line, from udev, and from the daemon before this one. Where one is plugged
 * in gives it its name, and a port that goes and comes back by the same name is the same device. */

Managed *managed_new(Manager *m, const char *syspath) {
        Managed *d;

        d = calloc(1, sizeof(*d));
        if (!d)
                return NULL;
        d->manager = m;
        if (syspath) {
                d->syspath = strdup(syspath);
                if (!d->syspath) {
                        free(d);
                        return NULL;
                }
        }
        return d;
}

void managed_free(Managed *d) {
        if (d->device) {
                managed_drop_port(d);
                bus_remove_device(d->manager->bus, d->device);
                device_free(d->device);
                LIST_REMOVE(d, entries);
                manager_save_later(d->manager);
        }
        sd_event_source_disable_unref(d->watch);
        sd_event_source_disable_unref(d->away);
        packer_done(&d->device_part);
        packer_done(&d->bus_part);
        free(d->serial);
        free(d->syspath);
        free(d);
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

void manager_remove(Manager *m, Managed *d) {
        /* It was taken over from the last daemon and never used: what the modem holds is given back. */
        if (!d->opened && port_get_fd(mux_get_port(device_get_mux(d->device))) >= 0)
                (void) device_open(d->device);
        managed_free(d);
        manager_choose_primaries(m);
        manager_begin_idle(m);
}

static int on_away(sd_event_source *s, uint64_t usec, void *userdata) {
        Managed *d = userdata;

        log_info("%s: it has not come back", device_get_name(d->device));
        manager_remove(d->manager, d);
        return 0;
}

void managed_wait(Managed *d) {
        int r;

        sd_event_source_disable_unref(d->away);
        r = sd_event_add_time_relative(d->manager->event, &d->away, CLOCK_MONOTONIC, AWAY_USEC, 0, on_away,
                                       d);
        if (r < 0)
                log_warning_errno(r, "%s: cannot wait for it", device_get_name(d->device));
}

/* ---- what devices tell ---- */

static void on_device_changed(Device *device, unsigned changes, void *userdata) {
        Managed *d = userdata;

        managed_watch(d);
        managed_keep_port(d);
        managed_sweep(d);
        bus_device_changed(d->manager->bus, device, changes);
}

static void on_device_save(Device *device, void *userdata) {
        managed_save(userdata);
}

static bool on_device_exhausted(Device *device, uint16_t service, void *userdata) {
        return bus_reclaim(((Managed *) userdata)->manager->bus, device, service);
}

static bool device_has_rival(Device *device, void *userdata) {
        return manager_get_rival(((Managed *) userdata)->manager);
}

const DeviceOps manager_device_ops = {
        .on_changed = on_device_changed,
        .on_save = on_device_save,
        .on_exhausted = on_device_exhausted,
        .has_rival = device_has_rival,
};

/* ---- devices that appear ---- */

static Managed *manager_find_by_name(Manager *m, const char *name) {
        Managed *d;

        LIST_FOREACH(d, &m->devices, entries)
                if (streq(device_get_name(d->device), name))
                        return d;
        return NULL;
}

/* The port of a device that is known is there, or there again, or is another node by now. */
static int manager_attach(Manager *m, Managed *d, const DevicePlace *place, const char *rival) {
        bool back = d->opened && (!d->present || !streq(device_get_place(d->device)->uri, place->uri));
        int r;

        d->present = true;
        d->away = sd_event_source_disable_unref(d->away);
        if (back) {
                /* Somebody else may have come meanwhile, or come later. */
                d->watch = sd_event_source_disable_unref(d->watch);
                d->shared_told = false;
                d->opened = false;
                d->reopen = true;
        }
        r = device_set_place(d->device, place);
        if (r < 0) {
                log_error_errno(r, "%s: cannot use port '%s'", device_get_name(d->device), place->uri);
                manager_remove(m, d);
                return r;
        }
        manager_choose_primaries(m);
        manager_open(m, d, rival);
        return 0;
}

static void managed_set_serial(Managed *d, const char *serial) {
        if (!d->serial && *serial)
                d->serial = strdup(serial);
}

/* `facts`: NULL for one given by hand. */
static int manager_add(Manager *m, const DevicePlace *place, const PortFacts *facts, const char *rival) {
        Managed *d;
        int r;

        d = managed_new(m, facts ? facts->syspath : NULL);
        if (!d)
                return log_oom();
        if (facts) {
                d->take = facts->take;
                managed_set_serial(d, facts->serial);
        }
        d->present = true;
        r = device_new(&d->device, m->event, place, m->net, &manager_device_ops, d);
        if (r < 0) {
                managed_free(d);
                return log_error_errno(r, "Cannot use port '%s'", place->uri);
        }
        mux_set_pin_memory(device_get_mux(d->device), m->pins);
        LIST_INSERT_HEAD(&m->devices, d, entries);
        managed_adopt(d);
        manager_choose_primaries(m);
        manager_open(m, d, rival);
        r = bus_add_device(m->bus, d->device);
        if (r < 0) {
                managed_free(d);
                return log_error_errno(r, "Cannot announce port '%s'", place->uri);
        }
        managed_save(d);
        return 0;
}

int manager_add_port(Manager *m, const char *uri) {
        _cleanup_free_ char *name = NULL, *address = NULL;
        DevicePlace place;
        Managed *d;
        int r;

        r = device_name_from_uri(uri, &name);
        if (r < 0)
                return log_error_errno(r, "Port '%s' is no address of a port", uri);
        address = strdup(uri);
        if (!address)
                return log_oom();
        place = (DevicePlace){ .name = name, .uri = address, .interfaces = (char *[]){ NULL } };
        d = manager_find_by_name(m, name);
        if (d && d->present)
                return log_error_errno(-EEXIST, "Port '%s' would be called %s, as '%s' is", uri, name,
                                       device_get_place(d->device)->uri);
        return d ? manager_attach(m, d, &place, NULL) : manager_add(m, &place, NULL, NULL);
}

/* ---- ports that udev finds ---- */

static Managed *manager_find_present(Manager *m, const char *syspath) {
        Managed *d;

        LIST_FOREACH(d, &m->devices, entries)
                if (d->present && d->syspath && streq(d->syspath, syspath))
                        return d;
        return NULL;
}

/* A device by the name is there: whether the port is its own. */
static bool managed_is(const Managed *d, const PortFacts *f) {
        const DevicePlace *place = device_get_place(d->device);

        return d->syspath && streq(d->syspath, f->syspath) && place->vendor == f->vendor &&
               place->product == f->product && (!d->serial || !*f->serial || streq(d->serial, f->serial));
}

static int manager_add_found(Manager *m, const PortFacts *f) {
        _cleanup_free_ char *name = NULL, *uri = NULL;
        DevicePlace place;
        Managed *d;

        /* Where udev does not say where the port is plugged in, the kernel's path of it must do. */
        if (asprintf(&name, "%s_%02x", *f->id_path ? f->id_path : strrchr(f->syspath, '/') + 1,
                     f->interface_number) < 0)
                return log_oom();
        device_name_escape(name);
        if (asprintf(&uri, "cdc-wdm:%s", f->node) < 0)
                return log_oom();
        place = (DevicePlace){
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
                .sync = f->sync,
                .usb_reset = f->usb_reset,
                .has_link_mode = f->has_link_mode,
                .link_mode = f->link_mode,
        };

        d = manager_find_by_name(m, name);
        if (d && !managed_is(d, f)) {
                if (d->present && (!d->syspath || !streq(d->syspath, f->syspath)))
                        return log_error_errno(-EEXIST, "Port '%s' would be called %s, as '%s' is", uri,
                                               name, device_get_place(d->device)->uri);
                /* Another modem in the place of one that went. */
                manager_remove(m, d);
                d = NULL;
        }
        if (!d || !d->present)
                log_info("%s: %s, %s %04x:%04x", name, f->node, f->driver, f->vendor, f->product);
        if (!d)
                return manager_add(m, &place, f, manager_get_rival(m));
        d->take = f->take;
        managed_set_serial(d, f->serial);
        return manager_attach(m, d, &place, manager_get_rival(m));
}

static void on_port(Discovery *discovery, const PortFacts *f, void *userdata) {
        Manager *m = userdata;
        Managed *d, *next;

        if (!f->ignore) {
                (void) manager_add_found(m, f);
                return;
        }
        for (d = LIST_FIRST(&m->devices); d; d = next) {
                next = LIST_NEXT(d, entries);
                if (d->syspath && streq(d->syspath, f->syspath))
                        manager_remove(m, d);
        }
}

static void on_gone(Discovery *discovery, const char *syspath, void *userdata) {
        Manager *m = userdata;
        Managed *d = manager_find_present(m, syspath);

        if (!d)
                return;
        d->present = false;
        d->watch = sd_event_source_disable_unref(d->watch);
        if ((d->opened || d->reopen) &&
            (bus_device_is_held(m->bus, d->device) || device_is_resetting(d->device))) {
                log_info("%s: unplugged, and waited for", device_get_name(d->device));
                managed_wait(d);
                return;
        }
        log_info("%s: unplugged", device_get_name(d->device));
        manager_remove(m, d);
}

int manager_discover(Manager *m) {
        static const DiscoveryOps ops = { .on_port = on_port, .on_gone = on_gone };
        int r;

        r = discovery_new(&m->discovery, m->event, &ops, m);
        if (r < 0)
                return log_error_errno(r, "Cannot look for ports");
        return 0;
}
