/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "util/util.h"

/* A file in memory that always holds something whole. It is written in place, as others have duplicates of
 * its descriptor, and the writer may be killed at any time: so there are two slots, of which the older one
 * is written, with a sequence number and a checksum. */

#define SLOTS_DATA_MAX (16U * 1024 * 1024)

typedef struct Slots {
        int fd;            /* owned; -1: none */
        uint64_t sequence; /* of what is the newest in it; 0: nothing */
} Slots;

#define SLOTS_INIT ((Slots){ .fd = -1 })

/* A new one, empty. 0 or a negative errno. */
int slots_create(Slots *s);
/* One that was written by somebody: takes the descriptor over. 1 and what is the newest in it (free() it);
 * 0: it is empty; -EPROTONOSUPPORT: `format` is another one; -EBADMSG: nothing whole is in it; other errnos:
 * it is no such file, and was closed. It can be written to after any but those. */
int slots_open(Slots *s, int fd, uint32_t format, uint8_t **ret_data, size_t *ret_size);
/* 0, -EFBIG, other errnos: then what was the newest still is. */
int slots_write(Slots *s, uint32_t format, const uint8_t *data, size_t size);
void slots_done(Slots *s);
