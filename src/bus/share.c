/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/share.h"

#include "bus/error.h"

#define KIB UINT32_C(1024)
#define MIB (1024 * KIB)

const uint32_t share_limits[_SHARE_RESOURCE_MAX][_SHARE_LEVEL_MAX] = {
        /*                      caller,  user,    device,  all */
        [SHARE_CALLS] = { 256, 4096, 8192, 16384 },
        [SHARE_BYTES] = { 1 * MIB, 8 * MIB, 16 * MIB, 32 * MIB },
        [SHARE_CLIENTS] = { 64, 256, 1024, 4096 },
        [SHARE_SESSIONS] = { 16, 64, 254, 1024 }, /* mux ids: 1 to 254 */
        [SHARE_IMPLICIT] = { SHARE_UNLIMITED, 128, 192, SHARE_UNLIMITED },
        [SHARE_TRACES] = { 4, 8, 8, 64 },
        [SHARE_DESCRIPTORS] = { 32, 128, 256, 512 },
};

static const char *const resources[_SHARE_RESOURCE_MAX] = {
        [SHARE_CALLS] = "calls under way",
        [SHARE_BYTES] = "bytes of requests under way",
        [SHARE_CLIENTS] = "client ids",
        [SHARE_SESSIONS] = "data sessions",
        [SHARE_IMPLICIT] = "client ids of this service that were allocated at a request",
        [SHARE_TRACES] = "traces",
        [SHARE_DESCRIPTORS] = "descriptors (sockets, traces, inhibitors)",
};

static const struct {
        const char *who, *each;
} levels[_SHARE_LEVEL_MAX] = {
        [SHARE_OF_CALLER] = { "this connection has", "one connection" },
        [SHARE_OF_USER] = { "this user has", "one user" },
        [SHARE_OF_DEVICE] = { "all callers of this device have", "one device" },
        [SHARE_OF_ALL] = { "all callers have", "qmid" },
};

static int check(ShareLevel level, ShareResource resource, uint32_t n_used, uint32_t n,
                 sd_bus_error *error) {
        uint32_t limit = share_limits[resource][level];

        if (n <= limit && n_used <= limit - n)
                return 0;
        return sd_bus_error_setf(error, QMID_ERROR_LIMITS_EXCEEDED, "%s %u %s already; %s may have %u",
                                 levels[level].who, n_used, resources[resource], levels[level].each, limit);
}

int share_check(ShareLevel level, ShareResource resource, uint32_t n_used, sd_bus_error *error) {
        return check(level, resource, n_used, 1, error);
}

int share_take(const Charge *c, ShareResource resource, uint32_t n, sd_bus_error *error) {
        int r;

        for (ShareLevel i = 0; i < _SHARE_LEVEL_MAX; i++) {
                if (!c->of[i])
                        continue;
                r = check(i, resource, c->of[i]->used[resource], n, error);
                if (r < 0)
                        return r;
        }
        share_add(c, resource, n);
        return 0;
}

void share_add(const Charge *c, ShareResource resource, uint32_t n) {
        for (ShareLevel i = 0; i < _SHARE_LEVEL_MAX; i++)
                if (c->of[i])
                        c->of[i]->used[resource] += n;
}

void share_give(const Charge *c, ShareResource resource, uint32_t n) {
        for (ShareLevel i = 0; i < _SHARE_LEVEL_MAX; i++)
                if (c->of[i]) {
                        assert(c->of[i]->used[resource] >= n);
                        c->of[i]->used[resource] -= n;
                }
}
