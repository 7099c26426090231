/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "util/util.h"

/* Memory for one message: bump allocation, all given back at once. The first ARENA_INLINE bytes lie in
 * the object itself, so that a usual message costs no malloc() at all. Bounded by ARENA_MAX, so that no
 * input makes it grow without end. */
#define ARENA_INLINE 4096
#define ARENA_MAX    (4U * 1024 * 1024)

typedef struct ArenaChunk ArenaChunk;

typedef struct Arena {
        ArenaChunk *chunks;
        uint8_t *next;
        size_t left;
        size_t total;
        _Alignas(16) uint8_t first[ARENA_INLINE];
} Arena;

void arena_init(Arena *a);
void arena_done(Arena *a);

/* Zeroed, aligned to 8 bytes; NULL when memory or ARENA_MAX is used up. arena_alloc(a, 0) is not NULL. */
void *arena_alloc(Arena *a, size_t size);
/* Room for one more in an array of `n` elements of `size` bytes that has room for *n_allocated: the array,
 * moved to one of twice the room where it is full; NULL as arena_alloc(), and then nothing has changed. */
void *arena_grow(Arena *a, void *array, uint32_t n, uint32_t *n_allocated, size_t size);
char *arena_strndup(Arena *a, const char *s, size_t n);
char *arena_printf(Arena *a, const char *format, ...) _printf_(2, 3);

/* Overwrites all that was handed out, then as arena_done(): for messages that carried a secret. */
void arena_erase(Arena *a);
