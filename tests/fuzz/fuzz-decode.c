/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec.h"

/* Which message (codec.h), then its TLVs. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_data) {
        Choice c;

        if (n_data < CHOICE_SIZE || n_data > CHOICE_SIZE + TLVS_MAX)
                return 0;
        c = choose(data);
        check_decode(&c, data + CHOICE_SIZE, n_data - CHOICE_SIZE);
        return 0;
}
