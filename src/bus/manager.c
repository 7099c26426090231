/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/internal.h"
#include "bus/value.h"

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", PROJECT_VERSION);
}

static int find_device(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusDevice *d, *found = NULL;
        Bus *b = userdata;
        const char *name;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        r = bus_read_no_options(m, error);
        if (r < 0)
                return r;

        LIST_FOREACH(d, &b->devices, entries) {
                if (*name && !device_has_name(d->device, name) && !streq(name, d->path))
                        continue;
                if (found)
                        return sd_bus_error_setf(error, QMID_ERROR_AMBIGUOUS_DEVICE,
                                                 *name ? "'%s' is more than one device"
                                                       : "there is more than one device%s: say which",
                                                 name);
                found = d;
        }
        if (!found && strlen(name) > NAME_SHOWN_MAX)
                return sd_bus_error_set(error, QMID_ERROR_NO_SUCH_DEVICE,
                                        "there is no device of so long a name");
        if (!found)
                return sd_bus_error_setf(error, QMID_ERROR_NO_SUCH_DEVICE,
                                         *name ? "there is no device '%s'" : "there is no device%s", name);
        return sd_bus_reply_method_return(m, "o", found->path);
}

static int method_find_device(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int r;

        r = find_device(m, userdata, error);
        bus_erase_body(m); /* it may be an IMEI */
        return r;
}

const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_METHOD_WITH_ARGS("FindDevice", SD_BUS_ARGS("s", name, "a{sv}", options),
                                SD_BUS_RESULT("o", device), method_find_device, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
