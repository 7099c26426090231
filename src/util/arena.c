/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/arena.h"

#include <stdarg.h>
#include <stdio.h>

struct ArenaChunk {
        ArenaChunk *next;
        size_t size;
        _Alignas(16) uint8_t bytes[];
};

void arena_init(Arena *a) {
        a->chunks = NULL;
        a->next = a->first;
        a->left = sizeof(a->first);
        a->total = sizeof(a->first);
}

void arena_done(Arena *a) {
        while (a->chunks) {
                ArenaChunk *c = a->chunks;

                a->chunks = c->next;
                free(c);
        }
        arena_init(a);
}

void arena_erase(Arena *a) {
        explicit_bzero(a->first, a->chunks ? sizeof(a->first) : sizeof(a->first) - a->left);
        for (ArenaChunk *c = a->chunks; c; c = c->next)
                explicit_bzero(c->bytes, c->size);
        arena_done(a);
}

void *arena_alloc(Arena *a, size_t size) {
        ArenaChunk *c;
        size_t n;
        void *p;

        if (size > ARENA_MAX)
                return NULL;
        size = MAX((size + 7) & ~(size_t) 7, (size_t) 8);

        if (size > a->left) {
                n = MIN(2 * a->total, ARENA_MAX - a->total); /* the last chunk is all that may be had */
                if (size > ARENA_MAX - a->total)
                        return NULL;
                n = MAX(n, size);
                c = malloc(sizeof(*c) + n);
                if (!c)
                        return NULL;
                *c = (ArenaChunk){ .next = a->chunks, .size = n };
                a->chunks = c;
                a->next = c->bytes;
                a->left = n;
                a->total += n;
        }

        p = a->next;
        a->next += size;
        a->left -= size;
        return memset(p, 0, size);
}

void *arena_grow(Arena *a, void *array, uint32_t n, uint32_t *n_allocated, size_t size) {
        uint32_t n_grown = MAX(2 * *n_allocated, 8U);
        void *grown;

        if (n < *n_allocated)
                return array;
        grown = arena_alloc(a, n_grown * size);
        if (!grown)
                return NULL;
        if (n > 0)
                memcpy(grown, array, n * size);
        *n_allocated = n_grown;
        return grown;
}

char *arena_strndup(Arena *a, const char *s, size_t n) {
        char *p;

        p = arena_alloc(a, n + 1);
        if (p)
                memcpy(p, s, n);
        return p;
}

char *arena_printf(Arena *a, const char *format, ...) {
        va_list ap;
        char *p;
        int n;

        va_start(ap, format);
        n = vsnprintf(NULL, 0, format, ap);
        va_end(ap);
        if (n < 0)
                return NULL;

        p = arena_alloc(a, (size_t) n + 1);
        if (!p)
                return NULL;
        va_start(ap, format);
        (void) vsnprintf(p, (size_t) n + 1, format, ap);
        va_end(ap);
        return p;
}
