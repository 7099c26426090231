/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/util.h"

/* Every fuzzer is built twice: with libFuzzer as fuzz-<name> (clang, -Dfuzz=true), and with main() of
 * corpus.c as corpus-<name>, which runs the files it is given. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_data);

/* What must hold whatever the input is. */
#define must(expr)                                                                         \
        do {                                                                               \
                if (!(expr)) {                                                             \
                        fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #expr); \
                        abort();                                                           \
                }                                                                          \
        } while (false)
