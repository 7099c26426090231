/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/net-internal.h"

struct NetClaim {
        int index;
        LIST_ENTRY(NetClaim) entries;
};

static NetClaim *find(Net *n, int index) {
        NetClaim *c;

        LIST_FOREACH(c, &n->claims, entries)
                if (c->index == index)
                        return c;
        return NULL;
}

int net_claim(Net *n, int index) {
        NetClaim *c;

        if (net_is_claimed(n, index))
                return -EBUSY;
        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->index = index;
        LIST_INSERT_HEAD(&n->claims, c, entries);
        return 0;
}

void net_unclaim(Net *n, int index) {
        NetClaim *c = find(n, index);

        if (!c)
                return;
        LIST_REMOVE(c, entries);
        free(c);
}

bool net_is_claimed(Net *n, int index) {
        return find(n, index);
}

void net_claims_free(Net *n) {
        while (!LIST_EMPTY(&n->claims))
                net_unclaim(n, LIST_FIRST(&n->claims)->index);
}
