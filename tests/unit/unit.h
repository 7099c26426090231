/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "util/util.h"

/* What a unit test needs beside assert(), which says nothing of the values and may be compiled out. */

#define check(expr)                                                                                      \
        do {                                                                                             \
                if (!(expr)) {                                                                           \
                        fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, __func__, #expr); \
                        exit(1);                                                                         \
                }                                                                                        \
        } while (false)

#define check_int(a, b)                                                                                    \
        do {                                                                                               \
                long long _check_a = (long long) (a), _check_b = (long long) (b);                          \
                if (_check_a != _check_b) {                                                                \
                        fprintf(stderr, "%s:%d: %s: %s is %lld, not %lld\n", __FILE__, __LINE__, __func__, \
                                #a, _check_a, _check_b);                                                   \
                        exit(1);                                                                           \
                }                                                                                          \
        } while (false)

#define check_str(a, b)                                                                                    \
        do {                                                                                               \
                const char *_check_a = (a), *_check_b = (b);                                               \
                if (!_check_a || strcmp(_check_a, _check_b) != 0) {                                        \
                        fprintf(stderr, "%s:%d: %s: %s is '%s', not '%s'\n", __FILE__, __LINE__, __func__, \
                                #a, _check_a ? _check_a : "(null)", _check_b);                             \
                        exit(1);                                                                           \
                }                                                                                          \
        } while (false)

#define check_bytes(a, n_a, b, n_b)                                                                  \
        do {                                                                                         \
                size_t _check_n_a = (n_a), _check_n_b = (n_b);                                       \
                if (_check_n_a != _check_n_b || (_check_n_a > 0 && memcmp(a, b, _check_n_a) != 0)) { \
                        fprintf(stderr, "%s:%d: %s: %s:", __FILE__, __LINE__, __func__, #a);         \
                        for (size_t _check_i = 0; _check_i < _check_n_a; _check_i++)                 \
                                fprintf(stderr, " %02x", ((const uint8_t *) (a))[_check_i]);         \
                        fprintf(stderr, "\n  not:");                                                 \
                        for (size_t _check_i = 0; _check_i < _check_n_b; _check_i++)                 \
                                fprintf(stderr, " %02x", ((const uint8_t *) (b))[_check_i]);         \
                        fprintf(stderr, "\n");                                                       \
                        exit(1);                                                                     \
                }                                                                                    \
        } while (false)
