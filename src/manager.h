/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "util/util.h"

/* Ties the bus, the ports that udev finds, and the devices together. */

typedef struct Manager Manager;

int manager_new(Manager **ret);
Manager *manager_free(Manager *m);
DEFINE_CLEANUP(Manager *, manager_free)

/* A port given by hand ("unix:/path"). 0; -EEXIST where another one has the same name, else those of
 * device_new(); logged. */
int manager_add_port(Manager *m, const char *uri);
/* Serves the ports that udev knows, now and later. */
int manager_discover(Manager *m);

/* Takes the bus name and serves until a signal ends it, or it has been idle for so long (0: never): 0. Below
 * 0 when the bus is lost. */
int manager_run(Manager *m, uint64_t idle_usec);
