/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "modem/place.h"

/* Finds QMI ports through udev: the cdc-wdm node of a USB interface whose driver carries QMUX on it, paired
 * with the network interface of the same USB interface. */

typedef struct Discovery Discovery;

/* What udev and sysfs say of a port. Strings belong to whoever made it. */
typedef struct PortFacts {
        const char *syspath; /* of the USB interface: what tells one port from another while it is there */
        const char *node;    /* /dev/cdc-wdm0 */
        const char *driver;  /* qmi_wwan */
        const char *id_path; /* udev's ID_PATH of the port; "" if it has none */
        const char *physical_device; /* sysfs path of the USB device */
        const char *serial;          /* of the USB device; "" if it has none */
        uint16_t vendor, product;
        uint8_t interface_number;
        const char *const *interfaces; /* names of network interfaces, NULL-terminated */
        bool ignore;                   /* QMID_IGNORE */
        bool take;                     /* QMID_TAKE: although ModemManager runs */
        unsigned window;               /* QMID_WINDOW; 0: not given */
        SyncPolicy sync;               /* QMID_SYNC */
        bool usb_reset;                /* QMID_USB_RESET */
        bool has_link_mode;            /* QMID_LINK_LAYER */
        LinkMode link_mode;
} PortFacts;

typedef struct DiscoveryOps {
        /* A port is there, whole: udev is done with it. Also when the names of its network interfaces, or
         * its properties, have changed. */
        void (*on_port)(Discovery *d, const PortFacts *facts, void *userdata);
        void (*on_gone)(Discovery *d, const char *syspath, void *userdata);
} DiscoveryOps;

/* Tells the ports that are there from within the call, later ones from the event loop. */
int discovery_new(Discovery **ret, sd_event *event, const DiscoveryOps *ops, void *userdata);
Discovery *discovery_free(Discovery *d);
DEFINE_CLEANUP(Discovery *, discovery_free)
