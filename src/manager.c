/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <systemd/sd-daemon.h>

#include "discovery.h"
#include "manager-internal.h"
#include "util/log.h"

static void on_bus_lost(Bus *b, const char *reason, void *userdata) {
        manager_on_bus_lost(userdata, reason);
}

static void on_modem_manager(Bus *b, void *userdata) {
        manager_open_all(userdata);
}

static void on_bus_save(Bus *b, bool now, void *userdata) {
        if (now)
                manager_save_bus(userdata);
        else
                manager_save_later(userdata);
}

static void on_bus_keep(Bus *b, const char *name, int fd, void *userdata) {
        Manager *m = userdata;

        if (fd >= 0)
                state_keep(m->state, name, fd);
        else
                state_drop(m->state, name);
}

static int take_kept(Bus *b, const char *name, void *userdata) {
        return state_take(((Manager *) userdata)->state, name);
}

static void on_sleep(Bus *b, bool begins, void *userdata) {
        Manager *m = userdata;
        Managed *d;

        log_debug("The machine %s", begins ? "goes to sleep" : "has slept");
        if (m->stopping) /* they rest already */
                return;
        LIST_FOREACH(d, &m->devices, entries) {
                mux_quiesce(device_get_mux(d->device), begins);
                if (!begins)
                        mux_check(device_get_mux(d->device));
        }
}

static void on_interface_changed(Net *n, int index, const char *name, void *userdata) {
        Manager *m = userdata;
        Managed *d;

        LIST_FOREACH(d, &m->devices, entries)
                device_on_interface(d->device, name);
}

static void on_interfaces_lost(Net *n, void *userdata) {
        on_interface_changed(n, 0, "", userdata);
}

static int manager_add_timer(Manager *m, sd_event_source **ret, sd_event_time_handler_t handler) {
        int r;

        r = sd_event_add_time(m->event, ret, CLOCK_MONOTONIC, 0, 0, handler, m);
        return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

static int manager_add_sources(Manager *m) {
        int r;

        r = manager_add_timer(m, &m->rivals, on_rivals);
        if (r >= 0)
                r = manager_add_timer(m, &m->idle, on_idle);
        if (r >= 0)
                r = manager_add_timer(m, &m->stop, on_stop_timeout);
        if (r >= 0)
                r = sd_event_add_defer(m->event, &m->save, on_save, m);
        /* What has changed is saved before more is done. */
        if (r >= 0)
                r = sd_event_source_set_priority(m->save, SD_EVENT_PRIORITY_IMPORTANT);
        return r < 0 ? r : sd_event_source_set_enabled(m->save, SD_EVENT_OFF);
}

int manager_new(Manager **ret) {
        static const BusOps ops = {
                .on_lost = on_bus_lost,
                .on_modem_manager = on_modem_manager,
                .on_save = on_bus_save,
                .on_keep = on_bus_keep,
                .take_kept = take_kept,
                .on_sleep = on_sleep,
        };
        static const NetOps net_ops = { .on_changed = on_interface_changed,
                                        .on_overrun = on_interfaces_lost };
        _cleanup_(manager_freep) Manager *m = NULL;
        int r;

        m = calloc(1, sizeof(*m));
        if (!m)
                return log_oom();
        LIST_INIT(&m->devices);
        r = state_new(&m->state);
        if (r < 0)
                return r;
        r = sd_event_new(&m->event);
        if (r < 0)
                return log_error_errno(r, "Cannot make an event loop");
        r = manager_handle_signals(m);
        if (r < 0)
                return log_error_errno(r, "Cannot handle signals");
        r = manager_add_sources(m);
        if (r < 0)
                return log_error_errno(r, "Cannot make event sources");
        r = pin_memory_new(&m->pins);
        if (r < 0)
                return log_error_errno(r, "Cannot make random numbers");
        r = net_new(&m->net, m->event, &net_ops, m);
        if (r < 0)
                log_warning_errno(r, "Cannot look at network interfaces: they are left alone");
        r = bus_new(&m->bus, m->event, &ops, m);
        if (r >= 0 && m->net)
                r = bus_set_net(m->bus, m->net);
        if (r < 0)
                return r;
        r = manager_restore(m);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(m);
        return 0;
}

/* Nothing is given back, and nothing that is kept is dropped. */
static void manager_detach(Manager *m) {
        Managed *d;

        m->saves = false;
        m->detached = true;
        if (m->bus)
                bus_detach(m->bus);
        LIST_FOREACH(d, &m->devices, entries)
                device_detach(d->device);
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;
        discovery_free(m->discovery);
        /* Also where a start fails: the next one may do better. */
        if (m->state && state_has_store(m->state) && !m->gives_back)
                manager_detach(m);
        while (!LIST_EMPTY(&m->devices))
                managed_free(LIST_FIRST(&m->devices));
        /* That there is nothing any more. */
        if (m->gives_back)
                manager_save_last(m, true);
        bus_free(m->bus);
        net_free(m->net);
        sd_event_source_disable_unref(m->rivals);
        sd_event_source_disable_unref(m->idle);
        sd_event_source_disable_unref(m->stop);
        sd_event_source_disable_unref(m->save);
        sd_event_unref(m->event);
        state_free(m->state);
        pin_memory_free(m->pins);
        packer_done(&m->common_part);
        packer_done(&m->packed);
        free(m);
        return NULL;
}

int manager_run(Manager *m, uint64_t idle_usec) {
        int r;

        manager_settle(m);
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
