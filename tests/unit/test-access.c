/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <unistd.h>

#include "access/class.h"
#include "access/grants.h"
#include "access/subject.h"
#include "unit.h"

static AccessKey key(unsigned n) {
        return (AccessKey){ .device = &key,
                            .service = 3,
                            .message = (uint16_t) n,
                            .type = ACCESS_TO_REQUEST,
                            .access = ACCESS_LOCATION };
}

static void test_subjects(void) {
        const gid_t groups[] = { 5, 42 };
        uid_t other = geteuid() + 1000;

        check(subject_is_trusted(0, NULL, 0, SUBJECT_NO_GROUP));
        check(subject_is_trusted(geteuid(), NULL, 0, SUBJECT_NO_GROUP));
        check(subject_is_trusted(other, groups, 2, 42));
        check(!subject_is_trusted(other, groups, 1, 42));
        check(!subject_is_trusted(other, groups, 2, 7));
        /* The bus does not say who it is; there is no such group. */
        check(!subject_is_trusted(SUBJECT_UID_UNKNOWN, groups, 2, 42));
        check(!subject_is_trusted(other, &(gid_t){ SUBJECT_NO_GROUP }, 1, SUBJECT_NO_GROUP));
        check(subject_find_group("there is no such group") == SUBJECT_NO_GROUP);
}

/* Each part of the key counts. */
static void test_keys(void) {
        AccessKey k = key(1), others[5] = { k, k, k, k, k };
        Grants g = {};

        others[0].device = &g;
        others[1].service++;
        others[2].message++;
        others[3].type = ACCESS_TO_INDICATION;
        others[4].access = ACCESS_IDENTITY;
        check_int(grants_get(&g, &k, 0), GRANT_UNKNOWN);
        check_int(grants_keep(&g, &k, true, UINT64_MAX), 0);
        check_int(grants_get(&g, &k, UINT64_MAX - 1), GRANT_YES);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                check_int(grants_get(&g, &others[i], 0), GRANT_UNKNOWN);
        grants_forget(&g);
        check_int(grants_get(&g, &k, 0), GRANT_UNKNOWN);
}

static void test_time(void) {
        AccessKey k = key(1);
        Grants g = {};

        check_int(grants_keep(&g, &k, false, 100), 0);
        check_int(grants_get(&g, &k, 99), GRANT_NO);
        check_int(grants_get(&g, &k, 100), GRANT_UNKNOWN);
        check_int(grants_keep(&g, &k, true, 200), 0);
        check_int(grants_get(&g, &k, 100), GRANT_YES);
        check_int(g.n, 1);
        grants_forget(&g);
}

static void test_bounds(void) {
        AccessKey k;
        Grants g = {};

        for (unsigned i = 0; i < 3 * GRANTS_MAX; i++) {
                k = key(i);
                check_int(grants_keep(&g, &k, true, UINT64_MAX), 0);
                check(g.n <= GRANTS_MAX);
                check_int(grants_get(&g, &k, 0), GRANT_YES);
        }
        k = key(0);
        check_int(grants_get(&g, &k, 0), GRANT_UNKNOWN);
        grants_forget(&g);
}

int main(void) {
        test_subjects();
        test_keys();
        test_time();
        test_bounds();
        for (AccessClass c = ACCESS_STATUS; c < _ACCESS_CLASS_MAX; c++)
                check(access_class_purpose(c) && *access_class_purpose(c));
        check(!access_class_purpose(ACCESS_NONE) && !access_class_purpose(_ACCESS_CLASS_MAX));
        return 0;
}
