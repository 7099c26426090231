/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "net/net.h"
#include "unit.h"

/* A network namespace of the test's own, in which interfaces cost nothing and hurt nobody. */

#define NET_BED_SKIPPED 77

typedef struct NetBed {
        sd_event *event;
        Net *net;
        int changed;   /* of on_changed(): the last index, */
        char name[32]; /* and name */
        unsigned n_events;
} NetBed;

/* Leaves this machine's network and its mounts: once. Ends the program with NET_BED_SKIPPED where that
 * cannot be had. */
void net_bed_enter(void);

void net_bed_begin(NetBed *b);
void net_bed_end(NetBed *b);
/* Runs the loop until an event for that interface comes. */
void net_bed_wait(NetBed *b, int index);
/* Runs the loop until there is nothing more to do: all events that came of what was done so far are handled.
 */
void net_bed_settle(NetBed *b);

/* A network interface as that of a modem: in raw IP it is point-to-point and has no MAC. It is there until
 * its descriptor is closed, which packets come from, and go to. */
int net_bed_add_interface(const char *name, bool ethernet);

/* Everything about it that can be set: one text to compare. */
#define NET_BED_STATE_MAX 8192U
void net_bed_get_state(NetBed *b, const char *name, char ret[static NET_BED_STATE_MAX]);
