/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/codec.h"

/* Values made up by the schema, from any bytes: of random ones, of extremes, or of a fuzzer. */

typedef struct Source {
        const uint8_t *next;
        size_t left; /* then come zeros */
        bool wild;   /* now and then a value of another type, a key that is unknown, or none */
} Source;

/* A dictionary of those TLVs. Unless the source is wild, it encodes, and decodes to an equal one. With
 * `all` no optional TLV is missing. NULL in arrays when the arena is used up is the end of the program. */
Value generate_message(const SchemaMessage *m, QmiMessageType type, uint16_t vendor, bool all, Source *s,
                       Arena *a);
