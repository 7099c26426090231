/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmi/word.h"

#include <math.h>

double word_scale(const SchemaNumber *n, uint64_t word, bool is_signed, unsigned bits) {
        double v = is_signed ? (double) word_signed(word, bits) : (double) word;

        /* One division, at the end: 3 tenths are then the double that is written 0.3. */
        return v * n->multiplier / n->divisor;
}

int word_unscale(const SchemaNumber *n, double value, bool is_signed, unsigned bits, uint64_t *ret) {
        double v = value * n->divisor / n->multiplier, step = round(v), end = ldexp(1, (int) bits);

        if (is_signed ? !(step >= -end / 2 && step < end / 2) : !(step >= 0 && step < end))
                return -ERANGE;
        /* 0.1 + 0.2 is three steps of 0.1, too. */
        if (fabs(v - step) > 1e-6 + fabs(step) * 1e-15)
                return -EDOM;

        *ret = is_signed ? (uint64_t) (int64_t) step & word_mask(bits) : (uint64_t) step;
        return 0;
}
