/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmi/tlv.h"
#include "unit.h"

/* TLVs come in any order. */
static const uint8_t sample[] = {
        0x10, 0x02, 0x00, 0x34, 0x12,             /* 0x10: two bytes */
        0x02, 0x04, 0x00, 0x01, 0x00, 0x1A, 0x00, /* result: failure, 26 */
        0x01, 0x00, 0x00,                         /* 0x01: empty */
};

static void test_read(void) {
        TlvReader r = tlv_reader(sample, sizeof(sample));
        Tlv t;

        check_int(tlv_next(&r, &t), 1);
        check_int(t.id, 0x10);
        check_bytes(t.bytes, t.n_bytes, "\x34\x12", 2);
        check_int(tlv_next(&r, &t), 1);
        check_int(t.id, 0x02);
        check_int(tlv_next(&r, &t), 1);
        check_int(t.id, 0x01);
        check_int(t.n_bytes, 0);
        check_int(tlv_next(&r, &t), 0);
        check_int(tlv_next(&r, &t), 0);
}

static void test_truncated(void) {
        for (size_t n = 0; n <= sizeof(sample); n++) {
                _cleanup_free_ uint8_t *copy = malloc(MAX(n, (size_t) 1));
                bool whole = n == 0 || n == 5 || n == 12 || n == 15;
                TlvReader r = tlv_reader(copy, n);
                size_t left;
                Tlv t;
                int k;

                check(copy);
                memcpy(copy, sample, n);
                while ((k = tlv_next(&r, &t)) > 0)
                        ;
                check_int(k, whole ? 0 : -EBADMSG);
                left = n < 5 ? n : n < 12 ? n - 5 : n < 15 ? n - 12 : 0;
                check_int(r.left, whole ? 0 : left);
                check(r.next == copy + n - r.left);
        }
}

static void test_result(void) {
        static const uint8_t success[] = { 0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00 };
        static const uint8_t no_error[] = { 0x02, 0x04, 0x00, 0x01, 0x00, 0x00, 0x00 };
        static const uint8_t cut[] = { 0x02, 0x02, 0x00, 0x00, 0x00 };

        check_int(tlv_result(sample, sizeof(sample)), 26);
        check_int(tlv_result(success, sizeof(success)), 0);
        check_int(tlv_result(no_error, sizeof(no_error)), 1);
        check_int(tlv_result(cut, sizeof(cut)), -EBADMSG);
        check_int(tlv_result(sample, 5), -ENODATA);
        check_int(tlv_result(NULL, 0), -ENODATA);
}

static void test_write(void) {
        TlvWriter w = {};
        int start;

        check_int(tlv_put(&w, 0x10, "\x34\x12", 2), 0);
        start = tlv_open(&w, 0x02);
        check_int(start, 5);
        check_int(tlv_append(&w, "\x01\x00", 2), 0);
        check_int(tlv_append(&w, "\x1A\x00", 2), 0);
        check_int(tlv_close(&w, (size_t) start), 0);
        check_int(tlv_put(&w, 0x01, NULL, 0), 0);
        check_bytes(w.bytes, w.n_bytes, sample, sizeof(sample));
        tlv_writer_done(&w);
        check(!w.bytes);
}

static void test_bounded(void) {
        static const uint8_t zeros[UINT16_MAX] = {};
        TlvWriter w = {};

        check_int(tlv_put(&w, 0x01, zeros, TLVS_MAX), -EMSGSIZE);
        check_int(w.n_bytes, 0);
        check_int(tlv_put(&w, 0x01, zeros, SIZE_MAX), -EMSGSIZE);
        check_int(tlv_put(&w, 0x01, zeros, TLVS_MAX - TLV_HEADER_SIZE), 0);
        check_int(w.n_bytes, TLVS_MAX);
        check_int(tlv_append(&w, zeros, 1), -EMSGSIZE);
        check_int(tlv_open(&w, 0x02), -EMSGSIZE);
        tlv_writer_erase(&w);
}

int main(void) {
        test_read();
        test_truncated();
        test_result();
        test_write();
        test_bounded();
        return 0;
}
