/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Small helpers that every layer may use. Nothing here does I/O. */

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define _cleanup_(f)      __attribute__((cleanup(f)))
#define _printf_(a, b)    __attribute__((format(printf, a, b)))
#define _unused_          __attribute__((unused))
#define _nonnull_returns_ __attribute__((returns_nonnull))

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))
#define MIN(a, b)                     \
        ({                            \
                __auto_type _a = (a); \
                __auto_type _b = (b); \
                _a < _b ? _a : _b;    \
        })
#define MAX(a, b)                     \
        ({                            \
                __auto_type _a = (a); \
                __auto_type _b = (b); \
                _a > _b ? _a : _b;    \
        })

#define USEC_PER_SEC  UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)

/* Hands the value of a pointer on and forgets it here. */
#define TAKE_PTR(p)                    \
        ({                             \
                __auto_type _p = &(p); \
                __auto_type _v = *_p;  \
                *_p = NULL;            \
                _v;                    \
        })
#define TAKE_FD(fd)              \
        ({                       \
                int *_p = &(fd); \
                int _v = *_p;    \
                *_p = -1;        \
                _v;              \
        })

/* The object that has `member` as its field at `ptr`. */
#define container_of(ptr, type, member) ((type *) ((char *) (ptr) -offsetof(type, member)))

/* DEFINE_CLEANUP(Mux *, mux_free) makes mux_freep() for _cleanup_. */
#define DEFINE_CLEANUP(type, func)            \
        static inline void func##p(type *p) { \
                if (*p)                       \
                        func(*p);             \
        }

static inline void freep(void *p) {
        free(*(void **) p);
}
#define _cleanup_free_ _cleanup_(freep)

static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

static inline uint16_t read_le16(const uint8_t *p) {
        return (uint16_t) (p[0] | p[1] << 8);
}

static inline void write_le16(uint8_t *p, uint16_t v) {
        p[0] = (uint8_t) v;
        p[1] = (uint8_t) (v >> 8);
}
