/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "access/subject.h"

#include <grp.h>
#include <unistd.h>

gid_t subject_find_group(const char *name) {
        const struct group *g = getgrnam(name);

        return g ? g->gr_gid : SUBJECT_NO_GROUP;
}

bool subject_is_trusted(uid_t uid, const gid_t *groups, size_t n_groups, gid_t group) {
        if (uid == 0)
                return true;
        if (uid == SUBJECT_UID_UNKNOWN)
                return false;
        if (uid == geteuid())
                return true;
        if (group == SUBJECT_NO_GROUP)
                return false;
        for (size_t i = 0; i < n_groups; i++)
                if (groups[i] == group)
                        return true;
        return false;
}
