/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/internal.h"
#include "util/log.h"

/* Whether systemd is about to start us again: only then it is of use to leave things as they are. A unit has
 * a job while something is done to it on somebody's behalf, and none while it starts anew by itself. */

#define SYSTEMD "org.freedesktop.systemd1"

/* Of all questions together. */
#define ANSWER_USEC (1 * USEC_PER_SEC)

typedef struct Inquiry {
        Bus *bus;
        uint64_t deadline_usec;
} Inquiry;

/* Asks one question; `reply` to be unreferenced. */
static int ask(const Inquiry *q, sd_bus_message *m, sd_bus_message **reply) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        uint64_t now;
        int r;

        r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                r = sd_event_now(sd_bus_get_event(q->bus->bus), CLOCK_MONOTONIC, &now);
        if (r < 0)
                return r;
        if (now >= q->deadline_usec)
                return -ETIMEDOUT;
        r = sd_bus_call(q->bus->bus, m, q->deadline_usec - now, &error, reply);
        if (r < 0)
                log_debug_errno(r, "systemd does not say what it is about to do: %s",
                                error.message ?: "no answer");
        return r;
}

static int get_unit(const Inquiry *q, char **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        const char *path;
        int r;

        r = sd_bus_message_new_method_call(q->bus->bus, &m, SYSTEMD, "/org/freedesktop/systemd1",
                                           SYSTEMD ".Manager", "GetUnitByPID");
        if (r >= 0)
                r = sd_bus_message_append(m, "u", 0U); /* of who asks */
        if (r >= 0)
                r = ask(q, m, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return r;
        *ret = strdup(path);
        return *ret ? 0 : -ENOMEM;
}

/* The reply has been opened: what follows is the value. */
static int get_property(const Inquiry *q, const char *path, const char *interface, const char *name,
                        const char *type, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = sd_bus_message_new_method_call(q->bus->bus, &m, SYSTEMD, path, "org.freedesktop.DBus.Properties",
                                           "Get");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", interface, name);
        if (r >= 0)
                r = ask(q, m, &reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'v', type);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(reply);
        return 0;
}

static int has_stop_job(const Inquiry *q, const char *unit) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *job = NULL, *type = NULL;
        const char *path, *name;
        uint32_t id;
        int r;

        r = get_property(q, unit, SYSTEMD ".Unit", "Job", "(uo)", &job);
        if (r >= 0)
                r = sd_bus_message_read(job, "(uo)", &id, &path);
        if (r < 0 || id == 0)
                return MIN(r, 0);
        r = get_property(q, path, SYSTEMD ".Job", "JobType", "s", &type);
        if (r >= 0)
                r = sd_bus_message_read(type, "s", &name);
        return r < 0 ? r : streq(name, "stop");
}

/* What was sent to it was not taken, as the unit has no FileDescriptorStoreMax=. */
static int has_empty_store(const Inquiry *q, const char *unit) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint32_t n;
        int r;

        r = get_property(q, unit, SYSTEMD ".Service", "NFileDescriptorStore", "u", &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "u", &n);
        return r < 0 ? r : n == 0;
}

bool bus_is_to_stop(Bus *b) {
        _cleanup_free_ char *unit = NULL;
        Inquiry q = { .bus = b };
        uint64_t now;

        if (sd_event_now(sd_bus_get_event(b->bus), CLOCK_MONOTONIC, &now) < 0)
                return false;
        q.deadline_usec = now + ANSWER_USEC;
        /* Without an answer somebody else started us, who has the same store. */
        if (get_unit(&q, &unit) < 0)
                return false;
        return has_stop_job(&q, unit) > 0 || has_empty_store(&q, unit) > 0;
}
