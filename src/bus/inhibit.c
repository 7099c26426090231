/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bus/internal.h"
#include "util/log.h"

/* The descriptor is the writing end of a pipe: ours sees the end when the last copy of it is closed, whoever
 * has them. */

#define INHIBITOR_NAME_MAX 40U

static const char *inhibitor_name(const BusInhibitor *i, char buffer[static INHIBITOR_NAME_MAX]) {
        snprintf(buffer, INHIBITOR_NAME_MAX, "inhibitor.%" PRIu64, i->number);
        return buffer;
}

/* The first of them says why. */
static void device_update(BusDevice *d) {
        BusInhibitor *i = LIST_FIRST(&d->inhibitors);
        Mux *mux = device_get_mux(d->device);
        char text[INHIBIT_REASON_MAX + 256];
        const char *program;

        if (!i) {
                mux_uninhibit(mux);
                return;
        }
        program = caller_get_program(i->caller);
        snprintf(text, sizeof(text), "%s%s%s%s asked for it: %s", i->caller->name, *program ? " (" : "",
                 program, *program ? ")" : "", i->reason);
        mux_inhibit(mux, text);
}

void bus_inhibitors_rename(const Caller *c) {
        const BusInhibitor *i;

        LIST_FOREACH(i, &c->inhibitors, of_caller)
                device_update(i->device);
}

static int on_hang_up(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        bus_inhibitor_close(userdata);
        return 0;
}

static Charge inhibitor_charge(const BusInhibitor *i) {
        return bus_charge(i->device->bus, i->caller, i->user, i->device);
}

static int inhibitor_new(BusDevice *d, Caller *caller, User *user, uint64_t number, const char *reason,
                         int fd) {
        char name[INHIBITOR_NAME_MAX];
        BusInhibitor *i;
        int r;

        i = calloc(1, sizeof(*i));
        if (!i)
                return -ENOMEM;
        i->reason = strdup(reason);
        r = i->reason ? sd_event_add_io(sd_bus_get_event(d->bus->bus), &i->hang_up, fd, 0, on_hang_up, i)
                      : -ENOMEM;
        /* Before calls are looked at: who closed it finds the device back. */
        if (r >= 0)
                r = sd_event_source_set_priority(i->hang_up, SD_EVENT_PRIORITY_NORMAL - 1);
        if (r < 0) {
                sd_event_source_unref(i->hang_up);
                free(i->reason);
                free(i);
                return r;
        }
        i->device = d;
        i->caller = caller;
        i->user = user_ref(user);
        i->number = number;
        i->fd = fd;
        LIST_INSERT_HEAD(&d->inhibitors, i, of_device);
        LIST_INSERT_HEAD(&caller->inhibitors, i, of_caller);
        d->bus->n_inhibitors = MAX(d->bus->n_inhibitors, number);
        d->bus->n_held++;
        bus_keep(d->bus, inhibitor_name(i, name), fd);
        bus_changed(d->bus, true);
        device_update(d);
        return 0;
}

int bus_inhibitor_open(BusDevice *d, Caller *caller, const char *reason, int *ret_fd, sd_bus_error *error) {
        Charge charge = bus_charge(d->bus, caller, caller->user, d);
        int ends[2], r;

        r = share_take(&charge, SHARE_DESCRIPTORS, 1, error);
        if (r < 0)
                return r;
        if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
                r = -errno;
                goto give;
        }
        r = inhibitor_new(d, caller, caller->user, d->bus->n_inhibitors + 1, reason, ends[0]);
        if (r < 0) {
                close(ends[0]);
                close(ends[1]);
                goto give;
        }
        log_info("%s: %s (%s) keeps qmid from the port: %s", device_get_name(d->device), caller->name,
                 caller_get_program(caller), reason);
        *ret_fd = ends[1];
        return 0;
give:
        share_give(&charge, SHARE_DESCRIPTORS, 1);
        return r;
}

int bus_inhibitor_adopt(BusDevice *d, Caller *caller, User *user, uint64_t number, const char *reason,
                        int fd) {
        Charge charge = bus_charge(d->bus, caller, user, d);
        int r;

        r = inhibitor_new(d, caller, user, number, reason, fd);
        if (r >= 0)
                share_add(&charge, SHARE_DESCRIPTORS, 1);
        return r;
}

int bus_inhibitor_take_kept(Bus *b, uint64_t number) {
        char name[INHIBITOR_NAME_MAX];

        return bus_take_kept(b, inhibitor_name(&(BusInhibitor){ .number = number }, name));
}

void bus_inhibitor_close(BusInhibitor *i) {
        Charge charge = inhibitor_charge(i);
        char name[INHIBITOR_NAME_MAX];
        BusDevice *d = i->device;

        LIST_REMOVE(i, of_device);
        LIST_REMOVE(i, of_caller);
        share_give(&charge, SHARE_DESCRIPTORS, 1);
        d->bus->n_held--;
        bus_keep(d->bus, inhibitor_name(i, name), -1);
        sd_event_source_disable_unref(i->hang_up);
        close(i->fd);
        user_unref(i->user);
        free(i->reason);
        free(i);
        if (d->bus->detached)
                return;
        bus_changed(d->bus, false);
        device_update(d);
        if (LIST_EMPTY(&d->inhibitors))
                log_info("%s: nobody keeps qmid from the port any more", device_get_name(d->device));
}
