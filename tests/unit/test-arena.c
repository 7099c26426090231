/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"
#include "util/arena.h"

static void test_aligned_and_zeroed(void) {
        Arena a;

        arena_init(&a);
        for (size_t size = 0; size < 40; size++) {
                uint8_t *p = arena_alloc(&a, size);

                check(p);
                check_int((uintptr_t) p % 8, 0);
                for (size_t i = 0; i < size; i++)
                        check_int(p[i], 0);
                memset(p, 0xAA, size);
        }
        arena_done(&a);

        /* Memory that was used before is zeroed again. */
        for (const uint8_t *p = arena_alloc(&a, 100), *end = p + 100; p < end; p++)
                check_int(*p, 0);
        arena_done(&a);
}

static void test_small_needs_no_malloc(void) {
        Arena a;

        arena_init(&a);
        for (size_t i = 0; i < ARENA_INLINE / 8; i++)
                check(arena_alloc(&a, 8));
        check(!a.chunks);
        check(arena_alloc(&a, 1));
        check(a.chunks);
        arena_done(&a);
        check(!a.chunks);
}

static void test_bounded(void) {
        Arena a;
        size_t n = 0;

        arena_init(&a);
        check(!arena_alloc(&a, SIZE_MAX));
        check(!arena_alloc(&a, ARENA_MAX + 1));
        while (arena_alloc(&a, 1000))
                n += 1000;
        check(n <= ARENA_MAX);
        check(n >= ARENA_MAX / 2);
        check(a.total <= ARENA_MAX);
        arena_done(&a);
}

static void test_text(void) {
        Arena a;

        arena_init(&a);
        check_str(arena_strndup(&a, "abcdef", 3), "abc");
        check_str(arena_printf(&a, "%s-%d", "x", 42), "x-42");
        arena_done(&a);
}

static void test_erase(void) {
        static const char secret[] = "1234";
        Arena a;

        arena_init(&a);
        check(arena_strndup(&a, secret, 4));
        arena_erase(&a);
        check(!memmem(a.first, sizeof(a.first), secret, 4));
        arena_done(&a);
}

/* What is in the array moves along; where memory is used up, it stays as it is. */
static void test_grow(void) {
        uint32_t n_allocated = 0, n_before;
        uint16_t *array = NULL, *grown;
        Arena a;

        arena_init(&a);
        for (uint32_t i = 0; i < 1000; i++) {
                array = arena_grow(&a, array, i, &n_allocated, sizeof(*array));
                check(array);
                array[i] = (uint16_t) i;
        }
        for (uint32_t i = 0; i < 1000; i++)
                check_int(array[i], i);
        check_int(n_allocated, 1024);
        check(arena_grow(&a, array, 1000, &n_allocated, sizeof(*array)) == array);

        n_before = n_allocated = ARENA_MAX / sizeof(*array);
        grown = arena_grow(&a, array, n_allocated, &n_allocated, sizeof(*array));
        check(!grown);
        check_int(n_allocated, n_before);
        arena_done(&a);
}

int main(void) {
        test_aligned_and_zeroed();
        test_small_needs_no_malloc();
        test_bounded();
        test_text();
        test_erase();
        test_grow();
        return 0;
}
