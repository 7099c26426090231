/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/schema.h"

/* Numbers of 1 to 8 bytes as they are on the wire, and what the schema's scale makes of them. A word holds
 * its bits in a u64, whatever its sign. */

static inline uint64_t word_read(const uint8_t *p, size_t width, bool big_endian) {
        uint64_t v = 0;

        for (size_t i = 0; i < width; i++)
                v |= (uint64_t) p[big_endian ? width - 1 - i : i] << (8 * i);
        return v;
}

static inline void word_write(uint8_t *p, size_t width, bool big_endian, uint64_t v) {
        for (size_t i = 0; i < width; i++)
                p[big_endian ? width - 1 - i : i] = (uint8_t) (v >> (8 * i));
}

/* The lowest `bits`, 1 to 64. */
static inline uint64_t word_mask(unsigned bits) {
        return UINT64_MAX >> (64 - bits);
}

static inline int64_t word_signed(uint64_t v, unsigned bits) {
        uint64_t sign = UINT64_C(1) << (bits - 1);

        return (int64_t) ((v ^ sign) - sign);
}

static inline bool word_fits_signed(int64_t v, unsigned bits) {
        return word_signed((uint64_t) v & word_mask(bits), bits) == v;
}

static inline bool word_fits_unsigned(uint64_t v, unsigned bits) {
        return (v & ~word_mask(bits)) == 0;
}

/* A word in the unit of the schema. */
double word_scale(const SchemaNumber *n, uint64_t word, bool is_signed, unsigned bits);
/* And back: 0, -EDOM when it hits no step, -ERANGE when it does not fit. */
int word_unscale(const SchemaNumber *n, double value, bool is_signed, unsigned bits, uint64_t *ret);
