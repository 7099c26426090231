/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/schema.h"

/* What one caller was granted and what not, so that nobody is asked again. Bounded: one who has too much of
 * it starts anew. */

#define GRANTS_MAX 256U

typedef enum AccessType {
        ACCESS_TO_REQUEST,
        ACCESS_TO_INDICATION,
        ACCESS_TO_DOOR, /* a method that is no QMI message: `message` is 0 */
} AccessType;

typedef struct AccessKey {
        const void *device; /* compared, not looked into */
        uint16_t service, message;
        uint8_t type; /* AccessType */
        uint8_t access;
} AccessKey;

typedef enum Grant {
        GRANT_UNKNOWN,
        GRANT_YES,
        GRANT_NO,
} Grant;

typedef struct Grants {
        void *tree; /* of tsearch(3) */
        unsigned n;
} Grants;

/* `now_usec`: of the clock that grants_keep() is given. */
Grant grants_get(const Grants *g, const AccessKey *key, uint64_t now_usec);
/* Known until `until_usec`; UINT64_MAX: until it is forgotten. */
int grants_keep(Grants *g, const AccessKey *key, bool granted, uint64_t until_usec);
void grants_forget(Grants *g);
