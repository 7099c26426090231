/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/internal.h"
#include "bus/value.h"

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", PROJECT_VERSION);
}

/* Fifteen digits, or sixteen with the software's version, or fourteen without the check digit. */
#define IMEI_MIN 14U
#define IMEI_MAX 16U

static bool may_be_imei(const char *name) {
        size_t n = strspn(name, "0123456789");

        return !name[n] && n >= IMEI_MIN && n <= IMEI_MAX;
}

static int method_find_device(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* Who may not know an IMEI is not told whether there is a device that has it: he could try them all. So it
 * is the same to him, whether there is one or not. */
static int find_by_imei(sd_bus_message *m, Bus *b, const char *imei, sd_bus_error *error) {
        AccessTarget target = { .type = ACCESS_TO_DOOR, .message = DOOR_FIND_DEVICE };
        const BusDevice *found = NULL;
        unsigned n_found = 0;
        BusDevice *d;
        Caller *caller;
        int r;

        r = caller_require(b, m, method_find_device, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        target.device = LIST_FIRST(&b->devices);
        LIST_FOREACH(d, &b->devices, entries)
                if (device_has_imei(d->device, imei)) {
                        found = target.device = d;
                        n_found++;
                }
        r = target.device
                    ? bus_require_access(m, method_find_device, caller, &target, ACCESS_IDENTITY, error)
                    : 1;
        bus_erase_handled(caller, m);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (n_found == 0)
                return sd_bus_error_set(error, QMID_ERROR_NO_SUCH_DEVICE,
                                        "there is no device with this IMEI");
        if (n_found > 1)
                return sd_bus_error_set(error, QMID_ERROR_AMBIGUOUS_DEVICE,
                                        "more than one device has this IMEI");
        return sd_bus_reply_method_return(m, "o", found->path);
}

static int method_find_device(sd_bus_message *m, void *userdata, sd_bus_error *error) {
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
        if (found)
                return sd_bus_reply_method_return(m, "o", found->path);
        if (may_be_imei(name))
                return find_by_imei(m, b, name, error);
        if (strlen(name) > NAME_SHOWN_MAX)
                return sd_bus_error_set(error, QMID_ERROR_NO_SUCH_DEVICE,
                                        "there is no device of so long a name");
        return sd_bus_error_setf(error, QMID_ERROR_NO_SUCH_DEVICE,
                                 *name ? "there is no device '%s'" : "there is no device%s", name);
}

const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_METHOD_WITH_ARGS("FindDevice", SD_BUS_ARGS("s", name, "a{sv}", options),
                                SD_BUS_RESULT("o", device), method_find_device, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
