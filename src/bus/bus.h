/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "modem/device.h"
#include "net/net.h"

/* The face on D-Bus. Objects are declared once, for all devices; devices come and go below them. */

typedef struct Bus Bus;

#define QMID_BUS_NAME    "org.qmid1"
#define QMID_GROUP       "qmid" /* its members pass every access class */
#define QMID_ROOT_PATH   "/org/qmid1"
#define QMID_DEVICE_PATH "/org/qmid1/device"

typedef struct BusOps {
        /* The connection is gone, or the name went to somebody else: nothing can be served any more. */
        void (*on_lost)(Bus *b, const char *reason, void *userdata);
        /* ModemManager came or went: bus_modem_manager_runs(). */
        void (*on_modem_manager)(Bus *b, void *userdata);
        /* Those from here on may be NULL. */
        /* What bus_save() writes has changed; bus_save() is all that may be called in it. `now`: somebody is
         * about to be told of it; else there is time until the end of the turn. */
        void (*on_save)(Bus *b, bool now, void *userdata);
        /* A descriptor that must outlive the daemon goes by that name; it stays the bus's. -1: no more. */
        void (*on_keep)(Bus *b, const char *name, int fd, void *userdata);
        /* The one that was kept, which is the bus's from then on; -ENOENT. */
        int (*take_kept)(Bus *b, const char *name, void *userdata);
        /* The machine is about to sleep, and waits for the return of this, or it has slept. */
        void (*on_sleep)(Bus *b, bool begins, void *userdata);
} BusOps;

/* Connects to the system bus and declares all objects; the name is not taken yet. */
int bus_new(Bus **ret, sd_event *event, const BusOps *ops, void *userdata);
Bus *bus_free(Bus *b);
DEFINE_CLEANUP(Bus *, bus_free)

/* Name servers of network interfaces go to systemd-resolved from here on. `net` must outlive the bus. */
int bus_set_net(Bus *b, Net *net);

/* After the first devices exist, so that whoever sees the name sees the objects. */
int bus_take_name(Bus *b);

bool bus_modem_manager_runs(Bus *b);

/* Whether somebody holds something, and when the last call came (CLOCK_MONOTONIC; 0: none yet). */
bool bus_is_in_use(Bus *b);
uint64_t bus_get_last_call_usec(Bus *b);
/* The same for a device: clients, sessions, traces, inhibitors. */
bool bus_device_is_held(Bus *b, Device *d);

/* ---- the end ---- */

/* Gives the name back and takes in what was sent to it until then; what needs the modem is under way
 * afterwards. */
void bus_leave(Bus *b);
/* Whether the service manager is not going to start us again, as far as it says. Takes its time, up to a
 * second. */
bool bus_is_to_stop(Bus *b);
/* Whether callers wait for an answer. */
bool bus_has_calls(Bus *b);
/* Answers all of them with an error, and calls off what was asked of the modem for them. */
void bus_fail_calls(Bus *b, const char *reason);
/* What callers hold is kept for the next daemon: bus_remove_device() and bus_free() only free memory from
 * then on; nothing is told, shut down or given back. After bus_save(). */
void bus_detach(Bus *b);

/* ---- what outlives the daemon ----
 *
 * In this order: mux_restore(), bus_add_device(), bus_restore() for each device; bus_check_owners();
 * mux_release_orphans(). Those of other files are theirs. */

/* Changes with every start of the bus; unique names begin anew then. */
const char *bus_get_id(Bus *b);
/* The part that belongs to no device: the numbers of the last client and session. */
int bus_save_common(Bus *b, Packer *p);
int bus_restore_common(Bus *b, Unpacker *u);
/* The clients of a device, its sessions and inhibitors, with their owners. 0, -ENOMEM. */
int bus_save(Bus *b, Device *d, Packer *p);
/* `same_bus`: names of connections mean what they meant. Otherwise persistent clients and sessions become
 * nobody's, other sessions end, and the rest is left to mux_release_orphans(). `crashed`: as of
 * mux_restore(). 0, -EBADMSG, -ENOMEM. */
int bus_restore(Bus *b, Device *d, Unpacker *u, bool same_bus, bool crashed);
/* Waits until the bus has said which of the owners are still there, `timeout_usec` at most; cleans up after
 * the others. */
void bus_check_owners(Bus *b, uint64_t timeout_usec);

/* The modem has no client id of that service left: gives back the oldest client that is abandoned or idle.
 * Tells whether there was one. */
bool bus_reclaim(Bus *b, Device *d, uint16_t service);

/* The device must be removed before it is freed. */
int bus_add_device(Bus *b, Device *d);
void bus_remove_device(Bus *b, Device *d);
/* Tells the bus of changes (DeviceChange). */
void bus_device_changed(Bus *b, Device *d, unsigned changes);
