/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/queue.h>

#include "modem/link.h"
#include "modem/place.h"
#include "mux/mux.h"
#include "util/pack.h"

/* A modem's port as everybody sees it: the multiplexer, where it is plugged in, and what the modem says of
 * itself. The object stays while the modem resets. */

typedef struct Device Device;

typedef enum DeviceChange {
        DEVICE_CHANGE_STATE = 1 << 0,
        DEVICE_CHANGE_SERVICES = 1 << 1,
        DEVICE_CHANGE_MODEL = 1 << 2, /* manufacturer, model, revision */
        DEVICE_CHANGE_INTERFACES = 1 << 3,
        DEVICE_CHANGE_PRIMARY = 1 << 4,
        DEVICE_CHANGE_PORT = 1 << 5, /* its name: the node got another number */
        DEVICE_CHANGE_LINK = 1 << 6, /* link_get_status() */
} DeviceChange;

typedef struct DeviceOps {
        /* After the change. `changes`: DeviceChange bits. */
        void (*on_changed)(Device *d, unsigned changes, void *userdata);
        /* What device_save() writes has changed; as MuxOps.on_save. */
        void (*on_save)(Device *d, void *userdata);
        /* As MuxOps.on_exhausted. */
        bool (*on_exhausted)(Device *d, uint16_t service, void *userdata);
        /* Whether a program that uses every port is there, beside us. */
        bool (*has_rival)(Device *d, void *userdata);
} DeviceOps;

/* `place` is copied. The port is not opened yet. `net` (NULL: nothing is done with network interfaces) must
 * outlive it. 0, or the errors of mux_new(). */
int device_new(Device **ret, sd_event *event, const DevicePlace *place, Net *net, const DeviceOps *ops,
               void *userdata);
Device *device_free(Device *d);
DEFINE_CLEANUP(Device *, device_free)

/* Opens the port, in the background. Once. */
int device_open(Device *d);
/* The same as mux_open_lost(). */
int device_open_lost(Device *d);
/* Until then: why it is left alone. */
void device_set_busy(Device *d, const char *reason);
/* Before device_open(): the descriptor that the port had in the last daemon; as port_adopt(), but takes it
 * over in any case. */
int device_adopt(Device *d, int fd);

/* It was unplugged, or was never there in the life of this daemon, and is there again, or always was: takes
 * over what is new of its place, name, vendor and product apart. If its port is open at another address, it
 * is closed. Opened by device_open() for the first time, and by device_reopen() after it was open once. 0,
 * or the errors of port_move(). */
int device_set_place(Device *d, const DevicePlace *place);
int device_reopen(Device *d);
/* Whether its USB device is being reset, or just was: it comes back. */
bool device_is_resetting(Device *d);

/* As mux_release_all(). */
void device_release(Device *d, void (*done)(Mux *m, void *userdata), void *userdata);

/* What it is and what the modem holds for us, for the next daemon; and what was only on its way, which
 * matters where that daemon goes on at once. */
void device_save(Device *d, Packer *p);
void device_save_port(Device *d, Packer *p);
/* The device that was saved. `port`: of device_save_port(); NULL: the last daemon did not mean to end there.
 * `fd`: as device_adopt() has it; -1: none. 0, -EBADMSG, or the errors of device_new(). */
int device_restore(Device **ret, sd_event *event, Unpacker *u, Unpacker *port, int fd, Net *net,
                   const DeviceOps *ops, void *userdata);
/* Before device_free(): all is left to the next daemon as it is. */
void device_detach(Device *d);

const char *device_get_name(Device *d);
const DevicePlace *device_get_place(Device *d);
/* The port as a person names it: /dev/cdc-wdm0, unix:/path. */
const char *device_get_port_name(Device *d);
/* Whether it is the first port of its modem, as it is unless somebody says otherwise. Tells if that is new.
 */
bool device_is_primary(Device *d);
void device_set_primary(Device *d, bool primary);
Mux *device_get_mux(Device *d);
/* NULL: it has no network interface, as ports given by hand. */
Link *device_get_link(Device *d);
sd_event *device_get_event(Device *d);
Net *device_get_net(Device *d); /* NULL: nothing is done with network interfaces */

/* Whoever has to know of the state of its mux beside DeviceOps. Embedded in what it stands for. */
typedef struct DeviceWatch {
        TAILQ_ENTRY(DeviceWatch) entry;
        /* From the event loop, before DeviceOps.on_changed; adds and removes no watch. */
        void (*on_state)(struct DeviceWatch *w, MuxState state);
        /* As device_on_interface(), likewise. */
        void (*on_interface)(struct DeviceWatch *w);
} DeviceWatch;

void device_watch(Device *d, DeviceWatch *w);
void device_unwatch(Device *d, DeviceWatch *w);
/* A network interface has changed, or what is known of its name servers; NULL, "": who knows which. */
void device_on_interface(Device *d, const char *name);

/* "" until the modem has said it, valid UTF-8. */
const char *device_get_manufacturer(Device *d);
const char *device_get_model(Device *d);
const char *device_get_revision(Device *d);

/* The services that the modem had when it was last ready, so that they stay known while it resets. */
size_t device_get_services(Device *d, const MuxService **ret);
bool device_has_service(Device *d, uint16_t service);

/* Is this one of the names that a person knows the device by: its port or the node's name in it, a network
 * interface, ID_PATH, the name in the object path? */
bool device_has_name(Device *d, const char *name);
/* The IMEI is not for everybody to know. */
bool device_has_imei(Device *d, const char *imei);
