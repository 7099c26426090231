/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "modem/device.h"

/* The face on D-Bus. Objects are declared once, for all devices; devices come and go below them. */

typedef struct Bus Bus;

#define QMID_BUS_NAME    "org.qmid1"
#define QMID_ROOT_PATH   "/org/qmid1"
#define QMID_DEVICE_PATH "/org/qmid1/device"

typedef struct BusOps {
        /* The connection is gone, or the name went to somebody else: nothing can be served any more. */
        void (*on_lost)(Bus *b, const char *reason, void *userdata);
        /* ModemManager came or went: bus_modem_manager_runs(). */
        void (*on_modem_manager)(Bus *b, void *userdata);
} BusOps;

/* Connects to the system bus and declares all objects; the name is not taken yet. */
int bus_new(Bus **ret, sd_event *event, const BusOps *ops, void *userdata);
Bus *bus_free(Bus *b);
DEFINE_CLEANUP(Bus *, bus_free)

/* After the first devices exist, so that whoever sees the name sees the objects. */
int bus_take_name(Bus *b);

bool bus_modem_manager_runs(Bus *b);

/* Whether some caller holds something, and when the last call came (CLOCK_MONOTONIC; 0: none yet). */
bool bus_is_in_use(Bus *b);
uint64_t bus_get_last_call_usec(Bus *b);
/* Gives the name back and answers what was sent to it until then. */
void bus_leave(Bus *b);

/* The device must be removed before it is freed. */
int bus_add_device(Bus *b, Device *d);
void bus_remove_device(Bus *b, Device *d);
/* Tells the bus of changes (DeviceChange). */
void bus_device_changed(Bus *b, Device *d, unsigned changes);
