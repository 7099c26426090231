/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/value.h"

/* Values as text, so that tests can be read. A number has its D-Bus type before it:
 *
 *   {mode: 'online', rssi: n-60, snr: d0.3, ok: true, data: <0a0b>, list: [q: q1, q2], none: [a{sv}:],
 *    unknown_tlvs: [10: <01>, 2a: <>]}
 */

/* Valid as long as the arena. */
const char *value_to_text(const Value *v, Arena *a);
/* Ends the test when the text is wrong. */
Value value_from_text(const char *text, Arena *a);

/* "01 0a 0b" */
typedef struct Bytes {
        uint8_t *bytes; /* malloc()ed, of just that size */
        size_t n;
} Bytes;

Bytes bytes_from_hex(const char *hex);
static inline void bytes_done(Bytes *b) {
        free(b->bytes);
}
#define _cleanup_bytes_ _cleanup_(bytes_done)
