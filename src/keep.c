/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "manager-internal.h"
#include "modem/configure.h"
#include "util/log.h"

/* What is kept for the next daemon:
 *
 *   state             which bus, whether the end was clean, and for each device: where it is, what the modem
 * holds, what callers hold of that port.NAME         the descriptor of a device's port and those that the
 * bus keeps
 *
 * The parts of the devices are packed when they change; the whole is put together of what is packed. */

#define OWNERS_USEC (1 * USEC_PER_SEC)

#define PORT_NAME_MAX 300U

static const char *port_name(const char *device, char buffer[static PORT_NAME_MAX]) {
        (void) snprintf(buffer, PORT_NAME_MAX, "port.%s", device);
        return buffer;
}

/* ---- saving ---- */

static void pack_device_part(Managed *d) {
        d->device_part.size = 0;
        d->device_part.error = 0;
        device_save(d->device, &d->device_part);
}

static void pack_bus_parts(Manager *m) {
        Managed *d;

        m->common_part.size = 0;
        m->common_part.error = 0;
        if (bus_save_common(m->bus, &m->common_part) < 0)
                m->common_part.error = -ENOMEM;
        LIST_FOREACH(d, &m->devices, entries) {
                d->bus_part.size = 0;
                d->bus_part.error = 0;
                if (bus_save(m->bus, d->device, &d->bus_part) < 0)
                        d->bus_part.error = -ENOMEM;
        }
}

static void pack_packed(Packer *p, const Packer *part) {
        pack_bytes(p, part->data, part->size);
        p->error = p->error ?: part->error;
}

static void manager_write(Manager *m, bool clean) {
        Packer *p = &m->packed;
        Managed *d;

        p->size = 0;
        p->error = 0;
        pack_string(p, bus_get_id(m->bus) ?: "");
        pack_bool(p, clean);
        pack_packed(p, &m->common_part);
        pin_memory_save(m->pins, p);
        LIST_FOREACH(d, &m->devices, entries) {
                size_t part = pack_part_begin(p);

                pack_string(p, device_get_name(d->device));
                pack_string(p, d->syspath ?: "");
                pack_bool(p, d->take);
                pack_packed(p, &d->device_part);
                pack_packed(p, &d->bus_part);
                if (clean)
                        device_save_port(d->device, p);
                pack_part_end(p, part);
        }
        state_write(m->state, p);
}

void managed_save(Managed *d) {
        Manager *m = d->manager;

        if (!m->saves)
                return;
        pack_device_part(d);
        manager_write(m, false);
}

void manager_save_later(Manager *m) {
        if (m->saves)
                (void) sd_event_source_set_enabled(m->save, SD_EVENT_ONESHOT);
}

void manager_save_bus(Manager *m) {
        if (!m->saves)
                return;
        pack_bus_parts(m);
        manager_write(m, false);
}

int on_save(sd_event_source *s, void *userdata) {
        manager_save_bus(userdata);
        return 0;
}

static void manager_save_all(Manager *m, bool clean) {
        Managed *d;

        LIST_FOREACH(d, &m->devices, entries)
                pack_device_part(d);
        pack_bus_parts(m);
        manager_write(m, clean);
}

void manager_save_last(Manager *m, bool clean) {
        if (m->saves)
                manager_save_all(m, clean);
        m->saves = false;
}

void managed_keep_port(Managed *d) {
        Port *p = mux_get_port(device_get_mux(d->device));
        unsigned n = port_get_fd(p) >= 0 ? port_get_n_opened(p) : 0;
        char name[PORT_NAME_MAX];

        if (n == d->n_kept)
                return;
        d->n_kept = n;
        if (n > 0)
                state_keep(d->manager->state, port_name(device_get_name(d->device), name), port_get_fd(p));
        else
                state_drop(d->manager->state, port_name(device_get_name(d->device), name));
}

void managed_drop_port(Managed *d) {
        char name[PORT_NAME_MAX];

        if (d->n_kept > 0 && !d->manager->detached)
                state_drop(d->manager->state, port_name(device_get_name(d->device), name));
}

/* ---- the next daemon ---- */

/* A port that goes on with its descriptor is not opened, and need not be kept once more. */
static void managed_note_adopted(Managed *d, bool adopted) {
        char name[PORT_NAME_MAX];

        if (adopted)
                d->n_kept = port_get_n_opened(mux_get_port(device_get_mux(d->device)));
        else
                state_drop(d->manager->state, port_name(device_get_name(d->device), name));
}

void managed_adopt(Managed *d) {
        char name[PORT_NAME_MAX];
        Unpacker u;
        int fd;

        d->lost = d->manager->has_lost;
        fd = state_take(d->manager->state, port_name(device_get_name(d->device), name));
        if (fd < 0)
                return;
        if (state_read(d->manager->state, &u) == 0)
                d->lost = true;
        managed_note_adopted(d, device_adopt(d->device, fd) >= 0);
}

static int restore_device(Manager *m, Unpacker *u, bool clean, bool same_bus) {
        const char *name = unpack_string(u), *syspath = unpack_string(u);
        bool take = unpack_bool(u);
        Unpacker device_part = unpack_part(u), bus_part = unpack_part(u);
        char buffer[PORT_NAME_MAX];
        Managed *d;
        int fd, r;

        if (u->error)
                return u->error;
        d = managed_new(m, *syspath ? syspath : NULL);
        if (!d)
                return -ENOMEM;
        d->take = take;
        fd = state_take(m->state, port_name(name, buffer));
        r = device_restore(&d->device, m->event, &device_part, clean ? u : NULL, fd, m->net,
                           &manager_device_ops, d);
        if (r < 0) {
                if (fd >= 0)
                        state_drop(m->state, port_name(name, buffer));
                managed_free(d);
                return r;
        }
        mux_set_pin_memory(device_get_mux(d->device), m->pins);
        LIST_INSERT_HEAD(&m->devices, d, entries);
        if (fd >= 0)
                managed_note_adopted(d, port_get_fd(mux_get_port(device_get_mux(d->device))) >= 0);
        managed_wait(d);
        r = streq(device_get_name(d->device), name) ? bus_add_device(m->bus, d->device) : -EBADMSG;
        if (r < 0) {
                managed_free(d);
                return r;
        }
        r = bus_restore(m->bus, d->device, &bus_part, same_bus, !clean);
        if (r >= 0)
                r = unpack_end(&bus_part);
        if (r < 0)
                log_warning_errno(
                        r, "%s: what callers held on it cannot be told any more, and is given back", name);
        return 0;
}

static int restore_all(Manager *m, Unpacker *u) {
        const char *id = bus_get_id(m->bus), *saved_id = unpack_string(u);
        bool clean = unpack_bool(u), same_bus = id && streq(id, saved_id);
        Unpacker common = unpack_part(u);
        size_t n = 0;
        int r;

        r = bus_restore_common(m->bus, &common);
        if (r >= 0)
                r = pin_memory_restore(m->pins, u);
        while (r >= 0 && u->size > 0) {
                Unpacker part = unpack_part(u);

                r = restore_device(m, &part, clean, same_bus);
                n += r >= 0;
        }
        if (r >= 0)
                r = unpack_end(u);
        if (r >= 0 && n > 0)
                log_info("Going on with %zu device%s of the last daemon, which %s%s", n, n == 1 ? "" : "s",
                         clean ? "was restarted" : "did not end cleanly",
                         same_bus ? "" : ", on another bus: who held something is gone");
        return r;
}

int manager_restore(Manager *m) {
        Unpacker u;
        int r;

        r = state_read(m->state, &u);
        if (r > 0)
                r = restore_all(m, &u);
        if (r == -ENOMEM)
                return log_oom();
        if (r < 0) {
                m->has_lost = true;
                log_warning("Nobody knows what the last daemon held: where that is safe, modems are told to "
                            "forget it");
        }
        return 0;
}

/* What a daemon has left that nobody knows anything of. Before the port is ours, it may be another's that
 * runs. */
void managed_sweep(Managed *d) {
        Manager *m = d->manager;

        if (!m->settled || d->swept || !m->net || port_get_fd(mux_get_port(device_get_mux(d->device))) < 0)
                return;
        d->swept = true;
        for (char **i = device_get_place(d->device)->interfaces; *i; i++)
                configure_sweep(m->net, *i);
}

void manager_settle(Manager *m) {
        Managed *d, *next;

        /* udev may tell later of the others. */
        for (d = LIST_FIRST(&m->devices); d; d = next) {
                next = LIST_NEXT(d, entries);
                if (!d->present && !d->syspath)
                        manager_remove(m, d);
        }
        bus_check_owners(m->bus, OWNERS_USEC);
        LIST_FOREACH(d, &m->devices, entries)
                mux_release_orphans(device_get_mux(d->device));
        /* Into both slots: half a frame that the last daemon left has been taken over, and is to be gone. */
        manager_save_all(m, false);
        manager_save_all(m, false);
        m->saves = state_has_store(m->state);
        state_drop_rest(m->state);
        m->settled = true;
        LIST_FOREACH(d, &m->devices, entries)
                managed_sweep(d);
}
