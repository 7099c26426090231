/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"
#include "util/pack.h"

static void test_there_and_back(void) {
        _cleanup_packer_ Packer p = PACKER_INIT;
        Unpacker u;
        const uint8_t *bytes;
        size_t n;

        pack_bool(&p, true);
        pack_bool(&p, false);
        pack_u8(&p, 0xFE);
        pack_u16(&p, 0xFEDC);
        pack_u32(&p, 0xFEDCBA98);
        pack_u64(&p, UINT64_C(0xFEDCBA9876543210));
        pack_string(&p, "port");
        pack_string(&p, "");
        pack_bytes(&p, "\0\1\2", 3);
        pack_bytes(&p, NULL, 0);
        check_int(p.error, 0);

        unpacker_init(&u, p.data, p.size);
        check(unpack_bool(&u));
        check(!unpack_bool(&u));
        check_int(unpack_u8(&u), 0xFE);
        check_int(unpack_u16(&u), 0xFEDC);
        check_int(unpack_u32(&u), 0xFEDCBA98);
        check(unpack_u64(&u) == UINT64_C(0xFEDCBA9876543210));
        check_str(unpack_string(&u), "port");
        check_str(unpack_string(&u), "");
        check_int(unpack_end(&u), -EBADMSG); /* not all was read */
        bytes = unpack_bytes(&u, &n);
        check_bytes(bytes, n, "\0\1\2", 3);
        unpack_bytes(&u, &n);
        check_int(n, 0);
        check_int(unpack_end(&u), 0);
}

static void test_parts(void) {
        _cleanup_packer_ Packer p = PACKER_INIT;
        Unpacker u, outer, inner;
        size_t a, b;

        a = pack_part_begin(&p);
        pack_u8(&p, 1);
        b = pack_part_begin(&p);
        pack_u8(&p, 2);
        pack_part_end(&p, b);
        pack_part_end(&p, a);
        pack_part_end(&p, pack_part_begin(&p));
        pack_u8(&p, 3);

        unpacker_init(&u, p.data, p.size);
        outer = unpack_part(&u);
        check_int(unpack_u8(&outer), 1);
        inner = unpack_part(&outer);
        check_int(unpack_u8(&inner), 2);
        check_int(unpack_end(&inner), 0);
        check_int(unpack_u8(&inner), 0); /* not the 3 that lies behind it */
        check_int(unpack_end(&inner), -EBADMSG);
        check_int(unpack_end(&outer), 0);
        outer = unpack_part(&u);
        check_int(unpack_end(&outer), 0);
        check_int(unpack_u8(&u), 3);
        check_int(unpack_end(&u), 0);
}

/* Cut off anywhere, nothing is read beyond the end and it is told. */
static void test_truncated(void) {
        _cleanup_packer_ Packer p = PACKER_INIT;

        pack_u64(&p, 1);
        pack_string(&p, "name");
        pack_part_end(&p, pack_part_begin(&p));
        pack_bytes(&p, "xyz", 3);
        for (size_t size = 0; size < p.size; size++) {
                uint8_t *copy = malloc(size + 1); /* for the sanitizer to see the end */
                Unpacker u, part;
                size_t n;

                check(copy);
                memcpy(copy, p.data, size);
                unpacker_init(&u, copy, size);
                unpack_u64(&u);
                check(unpack_string(&u));
                part = unpack_part(&u);
                check_int(part.error, u.error);
                unpack_bytes(&u, &n);
                check_int(n, 0);
                check_int(unpack_end(&u), -EBADMSG);
                free(copy);
        }
}

static void test_senseless(void) {
        static const struct {
                const char *bytes;
                size_t size;
        } strings[] = {
                { "\0\0\0\0", 4 },             /* without an end */
                { "\3\0\0\0abc", 7 },          /* the same */
                { "\4\0\0\0a\0b\0", 8 },       /* an end in the middle */
                { "\377\377\377\377abcd", 8 }, /* longer than all there is */
        };
        Unpacker u;

        for (size_t i = 0; i < ELEMENTSOF(strings); i++) {
                unpacker_init(&u, strings[i].bytes, strings[i].size);
                check_str(unpack_string(&u), "");
                check_int(u.error, -EBADMSG);
        }

        unpacker_init(&u, "\2\1", 2);
        check(!unpack_bool(&u)); /* neither true nor false */
        check_int(unpack_u8(&u), 0);
        check_int(unpack_end(&u), -EBADMSG);

        unpacker_init(&u, "\1", 1);
        unpack_fail(&u);
        check_int(unpack_u8(&u), 0);
}

static void test_bounded(void) {
        _cleanup_packer_ Packer p = PACKER_INIT;
        _cleanup_free_ char *half = calloc(1, PACK_MAX / 2);

        check(half);
        pack_bytes(&p, half, PACK_MAX / 2);
        check_int(p.error, 0);
        pack_bytes(&p, half, PACK_MAX / 2);
        check_int(p.error, -EFBIG);
        pack_u8(&p, 1);
        check_int(p.error, -EFBIG);
        check(p.size <= PACK_MAX);

        packer_done(&p);
        pack_u8(&p, 1);
        check_int(p.error, 0);
        check_int(p.size, 1);
}

int main(void) {
        test_there_and_back();
        test_parts();
        test_truncated();
        test_senseless();
        test_bounded();
        return 0;
}
