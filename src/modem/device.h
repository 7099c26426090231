/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mux/mux.h"

/* A modem's port as everybody sees it: the multiplexer, where it is plugged in, and what the modem says of
 * itself. The object stays while the modem resets. */

typedef struct Device Device;

/* Where the port is; what is not known or does not apply is empty or 0. */
typedef struct DevicePlace {
        const char *name; /* the last part of the object path */
        const char *uri;  /* what port_new_from_uri() takes */
} DevicePlace;

typedef enum DeviceChange {
        DEVICE_CHANGE_STATE = 1 << 0,
        DEVICE_CHANGE_SERVICES = 1 << 1,
        DEVICE_CHANGE_MODEL = 1 << 2, /* manufacturer, model, revision */
} DeviceChange;

typedef struct DeviceOps {
        /* After the change, never from within another call. `changes`: DeviceChange bits. */
        void (*on_changed)(Device *d, unsigned changes, void *userdata);
} DeviceOps;

/* 0, or the errors of mux_new(). */
int device_new(Device **ret, sd_event *event, const DevicePlace *place, const DeviceOps *ops,
               void *userdata);
Device *device_free(Device *d);
DEFINE_CLEANUP(Device *, device_free)

const char *device_get_name(Device *d);
Mux *device_get_mux(Device *d);

/* "" until the modem has said it, valid UTF-8. */
const char *device_get_manufacturer(Device *d);
const char *device_get_model(Device *d);
const char *device_get_revision(Device *d);

/* The services that the modem had when it was last ready, so that they stay known while it resets. */
size_t device_get_services(Device *d, const MuxService **ret);
bool device_has_service(Device *d, uint16_t service);

/* Is this one of the names that a person knows the device by: its port or the node's name in it, the
 * name in the object path, the IMEI? */
bool device_has_name(Device *d, const char *name);

/* "unix_<basename>" for a port given by hand, every character but letters and digits as '_'. Free it. */
int device_name_from_uri(const char *uri, char **ret);
