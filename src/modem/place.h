/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "modem/link-format.h"
#include "util/pack.h"
#include "util/util.h"

/* When CTL Sync may be sent, which takes the client ids and the calls of every program at the modem. */
typedef enum SyncPolicy {
        SYNC_AUTO, /* nobody else can have the port, and no data call is up */
        SYNC_NEVER,
        SYNC_ALWAYS,
        _SYNC_POLICY_MAX,
        _SYNC_POLICY_INVALID = -EINVAL,
} SyncPolicy;

/* "auto", "never", "always" */
SyncPolicy sync_policy_from_string(const char *s);

/* Where a device is plugged in and what is known of its port without asking the modem. What is not known, or
 * does not apply, is an empty string, NULL or 0. */
typedef struct DevicePlace {
        char *name;            /* the last part of the object path */
        char *uri;             /* what port_new_from_uri() takes */
        char *driver;          /* "qmi_wwan" */
        char *id_path;         /* udev's ID_PATH of the port */
        char *physical_device; /* sysfs path of the USB device: the same for all ports of a modem */
        char **interfaces;     /* names of the network interfaces of the port, NULL-terminated */
        uint16_t vendor, product;
        uint8_t interface_number;
        unsigned window; /* requests in flight; 0: the default */
        SyncPolicy sync;
        bool usb_reset;     /* the USB device may be reset when nothing else helps */
        bool has_link_mode; /* the link is set up so as soon as the modem is ready */
        LinkMode link_mode;
} DevicePlace;

/* Frees what it has, not itself. */
void device_place_done(DevicePlace *p);
/* `ret` gets copies of everything. 0 or -ENOMEM. */
int device_place_copy(const DevicePlace *p, DevicePlace *ret);
/* For a restart. 0, -EBADMSG, -ENOMEM. */
void device_place_save(const DevicePlace *p, Packer *packer);
int device_place_restore(DevicePlace *ret, Unpacker *u);
/* Whether a network interface of the port is up, as it is during a data call. */
bool device_place_has_interface_up(const DevicePlace *p);

char **strv_free(char **strv);
/* NULL when memory is used up. */
char **strv_copy(const char *const *strv);
bool strv_equal(char *const *a, const char *const *b);
bool strv_has(char *const *strv, const char *s);

/* A name for the object path: letters and digits of the text, everything else as '_'. In place. */
void device_name_escape(char *name);
/* "unix_<basename>" for a port given by hand. Free it. 0, -EINVAL, -ENOMEM. */
int device_name_from_uri(const char *uri, char **ret);
