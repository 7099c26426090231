/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "net/net.h"

/* Name servers of network interfaces, given to systemd-resolved if it is there; it is not started for them.
 * Nothing else is told: an interface that has name servers is asked for all names, beside the others, and
 * first for none. */

typedef struct Resolved Resolved;

/* From here on it is the one who knows what to do with what net_set_dns() is given. `bus` and `net` must
 * outlive it. */
int resolved_new(Resolved **ret, sd_bus *bus, Net *net);
/* Waits for answers, a second at most: polkit, whom systemd-resolved asks, has no answer for who has left
 * the bus. Nothing is taken back that was not told to be. Takes NULL. */
Resolved *resolved_free(Resolved *r);
DEFINE_CLEANUP(Resolved *, resolved_free)
