/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* SipHash-2-4 (Aumasson and Bernstein, 2012): a short keyed hash. Without the key nobody can say what was
 * hashed; who has the key can try everything that it may have been. */

#define SIPHASH_KEY_SIZE 16U

uint64_t siphash24(const uint8_t key[static SIPHASH_KEY_SIZE], const void *data, size_t size);
