/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "access/grants.h"

#include <search.h>

typedef struct Entry {
        AccessKey key;
        bool granted;
        uint64_t until_usec;
} Entry;

static int order(uint64_t a, uint64_t b) {
        return a < b ? -1 : a > b;
}

static int compare(const void *a, const void *b) {
        const AccessKey *left = &((const Entry *) a)->key, *right = &((const Entry *) b)->key;
        int r;

        r = order((uintptr_t) left->device, (uintptr_t) right->device);
        if (r == 0)
                r = order(left->service, right->service);
        if (r == 0)
                r = order(left->message, right->message);
        if (r == 0)
                r = order(left->type, right->type);
        return r != 0 ? r : order(left->access, right->access);
}

static Entry *find(const Grants *g, const AccessKey *key) {
        Entry **found = tfind(&(Entry){ .key = *key }, &g->tree, compare);

        return found ? *found : NULL;
}

Grant grants_get(const Grants *g, const AccessKey *key, uint64_t now_usec) {
        const Entry *e = find(g, key);

        if (!e || now_usec >= e->until_usec)
                return GRANT_UNKNOWN;
        return e->granted ? GRANT_YES : GRANT_NO;
}

int grants_keep(Grants *g, const AccessKey *key, bool granted, uint64_t until_usec) {
        Entry *e = find(g, key);

        if (!e) {
                if (g->n >= GRANTS_MAX)
                        grants_forget(g);
                e = malloc(sizeof(*e));
                if (!e)
                        return -ENOMEM;
                e->key = *key;
                if (!tsearch(e, &g->tree, compare)) {
                        free(e);
                        return -ENOMEM;
                }
                g->n++;
        }
        e->granted = granted;
        e->until_usec = until_usec;
        return 0;
}

void grants_forget(Grants *g) {
        tdestroy(g->tree, free);
        *g = (Grants){};
}
