/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "util/util.h"

/* Who is asking. */

#define SUBJECT_UID_UNKNOWN ((uid_t) -1)
#define SUBJECT_NO_GROUP    ((gid_t) -1)

/* The members of that group are trusted; SUBJECT_NO_GROUP if there is none of that name. Looks into the
 * system's databases, so it takes its time. */
gid_t subject_find_group(const char *name);

/* Whether one passes every class at every door: uid 0, the daemon's own user, which holds the ports anyway,
 * and the members of `group`. */
bool subject_is_trusted(uid_t uid, const gid_t *groups, size_t n_groups, gid_t group);
