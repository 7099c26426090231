/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"
#include "util/siphash.h"

/* The key 00 01 … 0f and the messages 00 01 …: the vectors of the paper's reference code. */
int main(void) {
        uint8_t key[SIPHASH_KEY_SIZE], message[64];

        for (uint8_t i = 0; i < sizeof(message); i++)
                message[i] = i;
        memcpy(key, message, sizeof(key));
        check(siphash24(key, message, 0) == UINT64_C(0x726fdb47dd0e0e31));
        check(siphash24(key, message, 15) == UINT64_C(0xa129ca6149be45e5));
        return 0;
}
