/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <search.h>

#include "bus/internal.h"

static int compare(const void *a, const void *b) {
        uid_t left = ((const User *) a)->uid, right = ((const User *) b)->uid;

        return left < right ? -1 : left > right;
}

int user_get(Bus *b, uid_t uid, User **ret) {
        User **found = tfind(&(User){ .uid = uid }, &b->user_tree, compare), *u;

        if (found) {
                *ret = user_ref(*found);
                return 0;
        }
        u = malloc(sizeof(*u));
        if (!u)
                return -ENOMEM;
        *u = (User){ .uid = uid, .bus = b, .n_refs = 1 };
        for (size_t i = 0; i < ELEMENTSOF(u->asked); i++)
                TAILQ_INIT(&u->asked[i].waiting);
        if (!tsearch(u, &b->user_tree, compare)) {
                free(u);
                return -ENOMEM;
        }
        *ret = u;
        return 0;
}

User *user_ref(User *u) {
        if (u)
                u->n_refs++;
        return u;
}

User *user_unref(User *u) {
        if (!u || --u->n_refs > 0)
                return NULL;
        tdelete(u, &u->bus->user_tree, compare);
        free(u);
        return NULL;
}

bool user_is_allowed(const User *u, const User *of) {
        return u->uid == 0 || (u->uid != SUBJECT_UID_UNKNOWN && u->uid == of->uid);
}
