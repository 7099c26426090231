/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/util.h"

/* The default alphabet of 3GPP TS 23.038 (6.2.1) with its extension table (6.2.1.1). */

#define GSM7_ESCAPE 0x1B

/* The Unicode character of a septet, or of one behind an escape; 0 if there is none. */
uint32_t gsm7_to_unicode(uint8_t septet, bool extended);
/* The septet, with GSM7_ESCAPE in the high byte where one comes before it; -EINVAL. */
int gsm7_from_unicode(uint32_t c);

/* Packed: septets one after the other, the first in the lowest bits. */
size_t gsm7_count_septets(size_t n_bytes);
uint8_t gsm7_get_septet(const uint8_t *bytes, size_t i);
