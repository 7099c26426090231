/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/siphash.h"

static uint64_t read_le64(const uint8_t *p, size_t n) {
        uint64_t v = 0;

        for (size_t i = 0; i < n; i++)
                v |= (uint64_t) p[i] << (8 * i);
        return v;
}

static uint64_t rotate(uint64_t v, unsigned n) {
        return v << n | v >> (64 - n);
}

static void mix(uint64_t v[static 4], unsigned n_rounds) {
        for (unsigned i = 0; i < n_rounds; i++) {
                v[0] += v[1];
                v[2] += v[3];
                v[1] = rotate(v[1], 13) ^ v[0];
                v[3] = rotate(v[3], 16) ^ v[2];
                v[0] = rotate(v[0], 32);
                v[2] += v[1];
                v[0] += v[3];
                v[1] = rotate(v[1], 17) ^ v[2];
                v[3] = rotate(v[3], 21) ^ v[0];
                v[2] = rotate(v[2], 32);
        }
}

uint64_t siphash24(const uint8_t key[static SIPHASH_KEY_SIZE], const void *data, size_t size) {
        uint64_t k0 = read_le64(key, 8), k1 = read_le64(key + 8, 8), word;
        uint64_t v[] = { k0 ^ 0x736f6d6570736575U, k1 ^ 0x646f72616e646f6dU, k0 ^ 0x6c7967656e657261U,
                         k1 ^ 0x7465646279746573U };
        const uint8_t *p = data;
        size_t left = size;

        for (; left >= 8; p += 8, left -= 8) {
                word = read_le64(p, 8);
                v[3] ^= word;
                mix(v, 2);
                v[0] ^= word;
        }
        word = read_le64(p, left) | (uint64_t) size << 56;
        v[3] ^= word;
        mix(v, 2);
        v[0] ^= word;
        v[2] ^= 0xff;
        mix(v, 4);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}
