/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "bus/internal.h"
#include "util/log.h"

/* Devices come and go on the bus. What their objects do is in device.c. */

BusDevice *bus_find_device(Bus *b, Device *d) {
        BusDevice *i;

        LIST_FOREACH(i, &b->devices, entries)
                if (i->device == d)
                        return i;
        return NULL;
}

static BusDevice *bus_device_free(BusDevice *d) {
        if (!d)
                return NULL;
        free(d->published);
        free(d->path);
        free(d);
        return NULL;
}
DEFINE_CLEANUP(BusDevice *, bus_device_free)

/* Announces and withdraws service interfaces as the modem gains and loses services. */
static void bus_device_publish_services(BusDevice *d) {
        _cleanup_free_ char **added = NULL, **removed = NULL;
        size_t n_added = 0, n_removed = 0;
        int r = 0;

        added = calloc(schema_n_services + 2U, sizeof(char *));
        removed = calloc(schema_n_services + 2U, sizeof(char *));
        if (!added || !removed) {
                log_oom();
                return;
        }
        for (uint16_t i = 0; i < schema_n_services; i++) {
                const SchemaService *s = &schema_services[i];
                bool has = service_is_served(d, s);

                if (has == d->published[i])
                        continue;
                /* The array is not written to; sd-bus wants char ** all the same. */
                if (has)
                        added[n_added++] = (char *) (uintptr_t) schema_string(s->interface);
                else
                        removed[n_removed++] = (char *) (uintptr_t) schema_string(s->interface);
                d->published[i] = has;
        }
        if (data_is_served(d) != d->data_published) {
                d->data_published = !d->data_published;
                if (d->data_published)
                        added[n_added++] = (char *) (uintptr_t) DATA_INTERFACE;
                else
                        removed[n_removed++] = (char *) (uintptr_t) DATA_INTERFACE;
                d->max_sessions = data_get_max_sessions(d);
        }
        if (n_added > 0)
                r = sd_bus_emit_interfaces_added_strv(d->bus->bus, d->path, added);
        if (r >= 0 && n_removed > 0)
                r = sd_bus_emit_interfaces_removed_strv(d->bus->bus, d->path, removed);
        if (r < 0)
                log_warning_errno(r, "%s: cannot announce its services", device_get_name(d->device));
}

/* The link layer has changed, of which they depend. */
static void bus_device_publish_max_sessions(BusDevice *d) {
        uint32_t n = data_get_max_sessions(d);
        int r;

        if (!d->data_published || n == d->max_sessions)
                return;
        d->max_sessions = n;
        r = sd_bus_emit_properties_changed(d->bus->bus, d->path, DATA_INTERFACE, "MaxSessions", NULL);
        if (r < 0)
                log_warning_errno(r, "%s: cannot announce a change", device_get_name(d->device));
}

int bus_add_device(Bus *b, Device *device) {
        _cleanup_(bus_device_freep) BusDevice *d = NULL;
        int r;

        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        d->bus = b;
        d->device = device;
        d->object.device = d;
        LIST_INIT(&d->clients);
        LIST_INIT(&d->sessions);
        TAILQ_INIT(&d->calls);
        TAILQ_INIT(&d->session_calls);
        LIST_INIT(&d->traces);
        LIST_INIT(&d->inhibitors);
        d->published = calloc(schema_n_services, sizeof(bool));
        if (!d->published)
                return -ENOMEM;
        if (asprintf(&d->path, QMID_DEVICE_PATH "/%s", device_get_name(device)) < 0) {
                d->path = NULL;
                return -ENOMEM;
        }

        r = objects_link_device(d);
        if (r < 0)
                return r;
        r = sd_bus_emit_object_added(b->bus, d->path);
        if (r < 0) {
                objects_unlink_device(d);
                return r;
        }
        bus_device_publish_services(d);
        TAKE_PTR(d);
        return 0;
}

void bus_remove_device(Bus *b, Device *device) {
        static const sd_bus_error gone =
                SD_BUS_ERROR_MAKE_CONST(QMID_ERROR_DEVICE_GONE, "the device is gone");
        BusDevice *d = bus_find_device(b, device);
        Caller *caller;
        int r;

        if (!d)
                return;
        LIST_FOREACH(caller, &b->callers, entries)
                bus_checks_fail(caller, d, &gone);
        bus_forget_grants(b); /* another one may lie where it lay */
        bus_calls_fail(d, NULL, b->detached ? NULL : &gone);
        bus_link_fail(d, b->detached ? NULL : &gone);
        session_calls_fail(d, b->detached ? NULL : &gone);
        while (!LIST_EMPTY(&d->sessions))
                bus_session_lose_device(LIST_FIRST(&d->sessions));
        while (!LIST_EMPTY(&d->clients))
                bus_client_remove(LIST_FIRST(&d->clients), &gone, gone.message);
        while (!LIST_EMPTY(&d->traces))
                bus_trace_close(LIST_FIRST(&d->traces));
        while (!LIST_EMPTY(&d->inhibitors))
                bus_inhibitor_close(LIST_FIRST(&d->inhibitors));
        r = b->detached ? 0 : sd_bus_emit_object_removed(b->bus, d->path);
        if (r < 0)
                log_warning_errno(r, "%s: cannot announce that it is gone", device_get_name(device));
        objects_unlink_device(d);
        bus_device_free(d);
}

void bus_device_changed(Bus *b, Device *device, unsigned changes) {
        const char *properties[12];
        BusDevice *d = bus_find_device(b, device);
        size_t n = 0;
        int r;

        if (!d)
                return;
        if (changes & DEVICE_CHANGE_STATE) {
                properties[n++] = "State";
                properties[n++] = "StateReason";
        }
        if (changes & DEVICE_CHANGE_LINK)
                bus_device_publish_max_sessions(d);
        if (changes & DEVICE_CHANGE_MODEL) {
                properties[n++] = "Manufacturer";
                properties[n++] = "Model";
                properties[n++] = "Revision";
        }
        if (changes & DEVICE_CHANGE_SERVICES) {
                bus_device_publish_services(d);
                properties[n++] = "Services";
        }
        if (changes & DEVICE_CHANGE_INTERFACES)
                properties[n++] = "Interfaces";
        if (changes & DEVICE_CHANGE_PORT)
                properties[n++] = "Port";
        if (changes & DEVICE_CHANGE_PRIMARY)
                properties[n++] = "Primary";
        if (changes & DEVICE_CHANGE_LINK)
                properties[n++] = "LinkLayer";
        properties[n] = NULL;
        r = sd_bus_emit_properties_changed_strv(b->bus, d->path, QMID_BUS_NAME ".Device",
                                                (char **) (uintptr_t) properties);
        if (r < 0)
                log_warning_errno(r, "%s: cannot announce a change", device_get_name(device));
}
