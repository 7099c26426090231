/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "util/util.h"

/* What each may have of what there is only so much of. It is counted as it is taken and given back, so that
 * to ask costs the same whoever has much. One's share is a level's; whoever takes something is charged at
 * every level that applies. */

typedef enum ShareLevel {
        SHARE_OF_CALLER, /* a bus connection */
        SHARE_OF_USER,   /* a uid, all its connections and what they left behind */
        SHARE_OF_DEVICE, /* all callers together, on one device */
        SHARE_OF_ALL,
        _SHARE_LEVEL_MAX,
} ShareLevel;

typedef enum ShareResource {
        SHARE_CALLS,   /* under way */
        SHARE_BYTES,   /* of the requests of these */
        SHARE_CLIENTS, /* client ids */
        SHARE_SESSIONS,
        SHARE_IMPLICIT,    /* those allocated at a request, of one service of one device */
        SHARE_TRACES,      /* each of which costs a copy of every frame */
        SHARE_DESCRIPTORS, /* traces, sockets, inhibitors */
        _SHARE_RESOURCE_MAX,
} ShareResource;

#define SHARE_UNLIMITED UINT32_MAX

/* org.qmid1(5) lists them. All descriptors together, and three for each device, must fit into what
 * qmid.service grants. */
extern const uint32_t share_limits[_SHARE_RESOURCE_MAX][_SHARE_LEVEL_MAX];

typedef struct Share {
        uint32_t used[_SHARE_RESOURCE_MAX];
} Share;

/* Who is charged, by level; NULL: nobody is. */
typedef struct Charge {
        Share *of[_SHARE_LEVEL_MAX];
} Charge;

/* 0; or `error` says at which level how many are in use, and nothing is taken. */
int share_take(const Charge *c, ShareResource resource, uint32_t n, sd_bus_error *error);
/* The same for what was taken before there was anybody to ask. */
void share_add(const Charge *c, ShareResource resource, uint32_t n);
void share_give(const Charge *c, ShareResource resource, uint32_t n);
/* The same question about what is not counted here: whether `n_used` leaves room for one more. */
int share_check(ShareLevel level, ShareResource resource, uint32_t n_used, sd_bus_error *error);
