/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "discovery.h"

#include <libudev.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "mux/mux.h"
#include "util/log.h"

/* Several network interfaces on one USB interface are not known to exist; more than these are not shown. */
#define INTERFACES_MAX 4U

struct Discovery {
        struct udev *udev;
        struct udev_monitor *monitor;
        sd_event_source *source;
        const DiscoveryOps *ops;
        void *userdata;
};

static void unrefp(struct udev_device **d) {
        udev_device_unref(*d);
}

static void enumerate_unrefp(struct udev_enumerate **e) {
        udev_enumerate_unref(*e);
}

/* The drivers whose cdc-wdm port speaks QMUX. cdc_mbim and huawei_cdc_ncm have such nodes too, but speak
 * MBIM or AT on them. The vendors' variants are called qmi_wwan_q, qmi_wwan_f and the like. */
static bool driver_has_qmux(const char *driver) {
        return driver && (streq(driver, "qmi_wwan") || strncmp(driver, "qmi_wwan_", 9) == 0);
}

static const char *property(struct udev_device *d, const char *key) {
        const char *value = udev_device_get_property_value(d, key);

        return value ? value : "";
}

static uint16_t hex_attribute(struct udev_device *d, const char *key) {
        const char *value = udev_device_get_sysattr_value(d, key);

        return value ? (uint16_t) strtoul(value, NULL, 16) : 0;
}

/* Of what an administrator sets, what makes no sense is said and left out. */
static bool bool_property(struct udev_device *d, const char *key) {
        static const char *const words[] = { "1", "yes", "true", "", "0", "no", "false" };
        const char *value = property(d, key);

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (streq(value, words[i]))
                        return i < 3;
        log_warning("%s: %s=%s is neither 1 nor 0", udev_device_get_devnode(d), key, value);
        return false;
}

static unsigned window_property(struct udev_device *d) {
        const char *value = property(d, "QMID_WINDOW");
        unsigned long n;
        char *end;

        if (!*value)
                return 0;
        n = strtoul(value, &end, 10);
        if (*value >= '0' && *value <= '9' && !*end && n >= 1 && n <= MUX_WINDOW_MAX)
                return (unsigned) n;
        log_warning("%s: QMID_WINDOW=%s is no number from 1 to %u", udev_device_get_devnode(d), value,
                    MUX_WINDOW_MAX);
        return 0;
}

static SyncPolicy sync_property(struct udev_device *d) {
        const char *value = property(d, "QMID_SYNC");
        SyncPolicy policy;

        if (!*value)
                return SYNC_AUTO;
        policy = sync_policy_from_string(value);
        if (policy >= 0)
                return policy;
        log_warning("%s: QMID_SYNC=%s is neither auto nor never nor always", udev_device_get_devnode(d),
                    value);
        return SYNC_NEVER; /* who wants something of it wants less of it, as a rule */
}

static bool link_property(struct udev_device *d, LinkMode *ret) {
        const char *value = property(d, "QMID_LINK_LAYER");
        LinkMode mode = link_mode_from_string(value);

        if (*value && mode < 0)
                log_warning("%s: QMID_LINK_LAYER=%s is neither auto nor 802.3 nor raw-ip nor qmap nor off",
                            udev_device_get_devnode(d), value);
        *ret = mode < 0 ? LINK_AUTO : mode;
        return mode >= 0;
}

/* The devices of a subsystem right below a USB interface. */
static struct udev_list_entry *children(Discovery *d, struct udev_device *interface, const char *subsystem,
                                        struct udev_enumerate **ret) {
        struct udev_enumerate *e = udev_enumerate_new(d->udev);

        *ret = e;
        if (!e || udev_enumerate_add_match_subsystem(e, subsystem) < 0 ||
            udev_enumerate_add_match_parent(e, interface) < 0 || udev_enumerate_scan_devices(e) < 0)
                return NULL;
        return udev_enumerate_get_list_entry(e);
}

/* The network interfaces: how many, and whether udev is done with all of them. */
static size_t network_interfaces(Discovery *d, struct udev_device *interface, struct udev_device **ret,
                                 bool *ret_initialized) {
        _cleanup_(enumerate_unrefp) struct udev_enumerate *e = NULL;
        struct udev_list_entry *i;
        bool initialized = true;
        size_t n = 0;

        udev_list_entry_foreach(i, children(d, interface, "net", &e)) {
                if (n == INTERFACES_MAX)
                        break;
                ret[n] = udev_device_new_from_syspath(d->udev, udev_list_entry_get_name(i));
                if (!ret[n])
                        continue; /* it has just gone */
                initialized = initialized && udev_device_get_is_initialized(ret[n]) > 0;
                n++;
        }
        *ret_initialized = initialized;
        return n;
}

static void tell_port(Discovery *d, struct udev_device *interface, struct udev_device *port,
                      struct udev_device *const *networks, size_t n_networks) {
        struct udev_device *usb =
                udev_device_get_parent_with_subsystem_devtype(interface, "usb", "usb_device");
        const char *names[INTERFACES_MAX + 1] = {};
        LinkMode link_mode;
        bool has_link_mode = link_property(port, &link_mode);

        for (size_t i = 0; i < n_networks; i++)
                names[i] = udev_device_get_sysname(networks[i]);
        d->ops->on_port(d,
                        &(PortFacts){
                                .syspath = udev_device_get_syspath(interface),
                                .node = udev_device_get_devnode(port),
                                .driver = udev_device_get_driver(interface),
                                .id_path = property(port, "ID_PATH"),
                                .physical_device = usb ? udev_device_get_syspath(usb) : "",
                                .serial = usb ? udev_device_get_sysattr_value(usb, "serial") ?: "" : "",
                                .vendor = usb ? hex_attribute(usb, "idVendor") : 0,
                                .product = usb ? hex_attribute(usb, "idProduct") : 0,
                                .interface_number = (uint8_t) hex_attribute(interface, "bInterfaceNumber"),
                                .interfaces = names,
                                .ignore = bool_property(port, "QMID_IGNORE"),
                                .take = bool_property(port, "QMID_TAKE"),
                                .window = window_property(port),
                                .sync = sync_property(port),
                                .usb_reset = bool_property(port, "QMID_USB_RESET"),
                                .has_link_mode = has_link_mode,
                                .link_mode = link_mode,
                        },
                        d->userdata);
}

/* Tells the port of a USB interface, if it is whole. The kernel makes the node first, then the network
 * interface, then says `bind`; udev's events come in that order. `bound`: the last has come, or is long
 * past. */
static void consider(Discovery *d, struct udev_device *interface, bool bound) {
        _cleanup_(enumerate_unrefp) struct udev_enumerate *e = NULL;
        struct udev_device *networks[INTERFACES_MAX];
        struct udev_list_entry *i;
        bool initialized;
        size_t n;

        if (!driver_has_qmux(udev_device_get_driver(interface)))
                return;
        n = network_interfaces(d, interface, networks, &initialized);
        if (initialized && (n > 0 || bound))
                udev_list_entry_foreach(i, children(d, interface, "usbmisc", &e)) {
                        _cleanup_(unrefp) struct udev_device *port = NULL;

                        port = udev_device_new_from_syspath(d->udev, udev_list_entry_get_name(i));
                        if (port && udev_device_get_devnode(port) &&
                            udev_device_get_is_initialized(port) > 0)
                                tell_port(d, interface, port, networks, n);
                }
        while (n > 0)
                udev_device_unref(networks[--n]);
}

static struct udev_device *interface_of(struct udev_device *device) {
        return udev_device_get_parent_with_subsystem_devtype(device, "usb", "usb_interface");
}

static int discovery_enumerate(Discovery *d) {
        _cleanup_(enumerate_unrefp) struct udev_enumerate *e = NULL;
        struct udev_list_entry *i;
        int r;

        e = udev_enumerate_new(d->udev);
        if (!e)
                return -ENOMEM;
        r = udev_enumerate_add_match_subsystem(e, "usbmisc");
        if (r >= 0)
                r = udev_enumerate_add_match_is_initialized(e);
        if (r >= 0)
                r = udev_enumerate_scan_devices(e);
        if (r < 0)
                return r;
        udev_list_entry_foreach(i, udev_enumerate_get_list_entry(e)) {
                _cleanup_(unrefp) struct udev_device *port = NULL;
                struct udev_device *interface;

                port = udev_device_new_from_syspath(d->udev, udev_list_entry_get_name(i));
                interface = port ? interface_of(port) : NULL;
                if (interface)
                        consider(d, interface, false);
        }
        return 0;
}

static void on_device(Discovery *d, struct udev_device *device) {
        const char *subsystem = udev_device_get_subsystem(device), *action = udev_device_get_action(device);
        struct udev_device *interface;

        if (!subsystem || !action)
                return;
        if (streq(subsystem, "usb")) {
                if (streq(action, "bind"))
                        consider(d, device, true);
                else if (streq(action, "unbind") || streq(action, "remove"))
                        d->ops->on_gone(d, udev_device_get_syspath(device), d->userdata);
                return;
        }
        interface = interface_of(device);
        if (!interface)
                return;
        if (!streq(action, "remove"))
                consider(d, interface, false);
        else if (streq(subsystem, "usbmisc"))
                d->ops->on_gone(d, udev_device_get_syspath(interface), d->userdata);
}

static int on_monitor(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Discovery *d = userdata;
        struct udev_device *device;
        int r;

        for (;;) {
                errno = 0;
                device = udev_monitor_receive_device(d->monitor);
                if (device) {
                        on_device(d, device);
                        udev_device_unref(device);
                        continue;
                }
                if (errno != ENOBUFS)
                        return 0;
                log_warning("Some of udev's events were lost: looking again at what is there");
                r = discovery_enumerate(d);
                if (r < 0)
                        log_warning_errno(r, "Cannot enumerate ports");
        }
}

int discovery_new(Discovery **ret, sd_event *event, const DiscoveryOps *ops, void *userdata) {
        static const char *const subsystems[] = { "usbmisc", "net", "usb" };
        _cleanup_(discovery_freep) Discovery *d = NULL;
        int r;

        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        d->ops = ops;
        d->userdata = userdata;
        d->udev = udev_new();
        if (!d->udev)
                return -ENOMEM;
        d->monitor = udev_monitor_new_from_netlink(d->udev, "udev");
        if (!d->monitor)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(subsystems); i++) {
                r = udev_monitor_filter_add_match_subsystem_devtype(
                        d->monitor, subsystems[i], streq(subsystems[i], "usb") ? "usb_interface" : NULL);
                if (r < 0)
                        return r;
        }
        r = udev_monitor_enable_receiving(d->monitor);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &d->source, udev_monitor_get_fd(d->monitor), EPOLLIN, on_monitor, d);
        if (r < 0)
                return r;
        /* After the monitor, so that what comes in between is told twice rather than never. */
        r = discovery_enumerate(d);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(d);
        return 0;
}

Discovery *discovery_free(Discovery *d) {
        if (!d)
                return NULL;
        sd_event_source_disable_unref(d->source);
        udev_monitor_unref(d->monitor);
        udev_unref(d->udev);
        free(d);
        return NULL;
}
