/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

/* Ties the bus and the devices together. */

typedef struct Manager Manager;

int manager_new(Manager **ret);
Manager *manager_free(Manager *m);

/* A port given by hand ("unix:/path"). 0; -EEXIST where another one has the same name, else those of
 * device_new(); logged. */
int manager_add_port(Manager *m, const char *uri);

/* Takes the bus name and serves until a signal ends it (0) or the bus is lost (below 0). */
int manager_run(Manager *m);
