/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "modem/place.h"
#include "mux/mux.h"

/* A modem's port as everybody sees it: the multiplexer, where it is plugged in, and what the modem says of
 * itself. The object stays while the modem resets. */

typedef struct Device Device;

typedef enum DeviceChange {
        DEVICE_CHANGE_STATE = 1 << 0,
        DEVICE_CHANGE_SERVICES = 1 << 1,
        DEVICE_CHANGE_MODEL = 1 << 2, /* manufacturer, model, revision */
        DEVICE_CHANGE_INTERFACES = 1 << 3,
        DEVICE_CHANGE_PRIMARY = 1 << 4,
} DeviceChange;

typedef struct DeviceOps {
        /* After the change, never from within another call. `changes`: DeviceChange bits. */
        void (*on_changed)(Device *d, unsigned changes, void *userdata);
} DeviceOps;

/* `place` is copied. The port is not opened yet. 0, or the errors of mux_new(). */
int device_new(Device **ret, sd_event *event, const DevicePlace *place, const DeviceOps *ops,
               void *userdata);
Device *device_free(Device *d);
DEFINE_CLEANUP(Device *, device_free)

/* Opens the port, in the background. Once. */
int device_open(Device *d);
/* Until then: why it is left alone. */
void device_set_busy(Device *d, const char *reason);

/* As mux_release_all(). */
void device_release(Device *d, void (*done)(Mux *m, void *userdata), void *userdata);

const char *device_get_name(Device *d);
const DevicePlace *device_get_place(Device *d);
/* The port as a person names it: /dev/cdc-wdm0, unix:/path. */
const char *device_get_port_name(Device *d);
/* They can be renamed. Tells if they were. */
int device_set_interfaces(Device *d, const char *const *interfaces);
/* Whether it is the first port of its modem, as it is unless somebody says otherwise. Tells if that is new.
 */
bool device_is_primary(Device *d);
void device_set_primary(Device *d, bool primary);
Mux *device_get_mux(Device *d);

/* "" until the modem has said it, valid UTF-8. */
const char *device_get_manufacturer(Device *d);
const char *device_get_model(Device *d);
const char *device_get_revision(Device *d);

/* The services that the modem had when it was last ready, so that they stay known while it resets. */
size_t device_get_services(Device *d, const MuxService **ret);
bool device_has_service(Device *d, uint16_t service);

/* Is this one of the names that a person knows the device by: its port or the node's name in it, a network
 * interface, ID_PATH, the name in the object path, the IMEI? */
bool device_has_name(Device *d, const char *name);
