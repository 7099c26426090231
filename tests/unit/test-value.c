/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmi/value.h"
#include "unit.h"

static void test_dict(void) {
        static const char *const keys[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j" };
        Value d = { .type = VALUE_DICT };
        Arena a;

        arena_init(&a);
        check(!value_dict_get(&d, "a"));
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                *value_dict_add(&d, &a, keys[i]) = (Value){ .type = VALUE_U32, .u64 = i };
        check_int(d.n, ELEMENTSOF(keys));
        for (size_t i = 0; i < ELEMENTSOF(keys); i++)
                check_int(value_dict_get(&d, keys[i])->u64, i);
        check(!value_dict_get(&d, "k"));
        check(!value_dict_get(&(Value){ .type = VALUE_U8 }, "a"));
        arena_done(&a);
}

static void test_integers(void) {
        Value u = { .type = VALUE_U64, .u64 = UINT64_MAX }, i = { .type = VALUE_I16, .i64 = -1 },
              s = { .type = VALUE_STRING, .string = "1" }, b = { .type = VALUE_BOOL, .boolean = true },
              n = { .type = VALUE_U8, .u64 = 7 };
        uint64_t u64 = 99;
        int64_t i64 = 99;

        check_int(value_get_i64(&u, &i64), -ERANGE);
        check_int(value_get_u64(&i, &u64), -ERANGE);
        check_int(value_get_u64(&s, &u64), -EINVAL);
        check_int(value_get_i64(&s, &i64), -EINVAL);
        check_int(value_get_u64(&b, &u64), -EINVAL);
        check_int(u64, 99);
        check_int(i64, 99);

        check_int(value_get_u64(&u, &u64), 0);
        check(u64 == UINT64_MAX);
        check_int(value_get_i64(&i, &i64), 0);
        check_int(i64, -1);
        check_int(value_get_u64(&n, &u64), 0);
        check_int(u64, 7);
        check_int(value_get_i64(&n, &i64), 0);
        check_int(i64, 7);
}

static void test_equal(void) {
        Value one = { .type = VALUE_U8, .u64 = 1 }, wide = { .type = VALUE_U16, .u64 = 1 },
              nan = { .type = VALUE_DOUBLE, .number = __builtin_nan("") },
              zero = { .type = VALUE_DOUBLE, .number = 0 };
        Value x = { .type = VALUE_DICT }, y = { .type = VALUE_DICT };
        Value p = { .type = VALUE_ARRAY, .signature = "y", .n = 1, .elements = &one },
              q = { .type = VALUE_ARRAY, .signature = "y", .n = 1, .elements = &one };
        Arena a;

        check(value_equal(&one, &one));
        check(!value_equal(&one, &wide));
        check(value_equal(&nan, &nan));
        check(!value_equal(&nan, &zero));
        check(value_equal(&p, &q));
        q.signature = "q";
        check(!value_equal(&p, &q));

        /* The order of keys does not matter. */
        arena_init(&a);
        *value_dict_add(&x, &a, "a") = one;
        *value_dict_add(&x, &a, "b") = wide;
        *value_dict_add(&y, &a, "b") = wide;
        check(!value_equal(&x, &y));
        *value_dict_add(&y, &a, "a") = one;
        check(value_equal(&x, &y));
        arena_done(&a);
}

int main(void) {
        test_dict();
        test_integers();
        test_equal();
        return 0;
}
