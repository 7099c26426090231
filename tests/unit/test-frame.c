/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmi/frame.h"
#include "unit.h"

/* NAS Get Signal Info: a response with its result and one TLV. */
static const uint8_t response[] = {
        0x01, 0x17, 0x00,                         /* marker, length 23 */
        0x80, 0x03, 0x02,                         /* from the modem, NAS, client 2 */
        0x02, 0x05, 0x00, 0x4F, 0x00, 0x0B, 0x00, /* response, transaction 5, message 0x004F, 11 bytes */
        0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, /* result: success */
        0x10, 0x01, 0x00, 0x2A,                   /* TLV 0x10 */
};

/* CTL Sync from the modem, without TLVs (iPhone, start-up): an indication with a one-byte transaction. */
static const uint8_t sync[] = {
        0x01, 0x0B, 0x00,                   /* marker, length 11 */
        0x80, 0x00, 0x00,                   /* from the modem, CTL, client 0 */
        0x02, 0x00, 0x27, 0x00, 0x00, 0x00, /* indication, transaction 0, message 0x0027 */
};

/* Every parse gets memory of just the size. */
static int parse(const uint8_t *bytes, size_t n, QmiMessage *ret) {
        _cleanup_free_ uint8_t *copy = malloc(MAX(n, (size_t) 1));
        int r;

        check(copy);
        memcpy(copy, bytes, n);
        r = frame_parse(copy, n, ret);
        if (r >= 0)
                ret->tlvs = bytes + (ret->tlvs - copy);
        return r;
}

static void test_parse(void) {
        QmiMessage m;

        check_int(parse(response, sizeof(response), &m), 0);
        check_int(m.service, 3);
        check_int(m.client, 2);
        check_int(m.type, QMI_RESPONSE);
        check_int(m.transaction, 5);
        check_int(m.id, 0x4F);
        check_bytes(m.tlvs, m.n_tlvs, response + 13, 11);

        check_int(parse(sync, sizeof(sync), &m), 0);
        check_int(m.service, QMI_SERVICE_CTL);
        check_int(m.type, QMI_INDICATION);
        check_int(m.transaction, 0);
        check_int(m.id, 0x27);
        check_int(m.n_tlvs, 0);
}

static void test_parse_rejects(void) {
        uint8_t bad[sizeof(response)];
        QmiMessage m = { .id = 99 };

        for (size_t n = 0; n < sizeof(response); n++)
                check_int(parse(response, n, &m), -EBADMSG);
        /* Likewise where the outer length fits. */
        for (size_t n = 6; n < sizeof(response); n++) {
                memcpy(bad, response, n);
                write_le16(bad + 1, (uint16_t) (n - 1));
                check_int(parse(bad, n, &m), -EBADMSG);
        }
        memcpy(bad, response, sizeof(bad));
        bad[6] = 0x06; /* response and indication at once */
        check_int(parse(bad, sizeof(bad), &m), -EBADMSG);
        check_int(m.id, 99);
}

static void test_bytes_after_tlvs(void) {
        uint8_t longer[sizeof(response) + 1] = {};
        QmiMessage m;

        memcpy(longer, response, sizeof(response));
        write_le16(longer + 1, sizeof(longer) - 1);
        check_int(parse(longer, sizeof(longer), &m), 0);
        check_int(m.n_tlvs, 11);
}

static void test_build(void) {
        static uint8_t tlvs[QMUX_MAX], large[QMUX_MAX + 64];
        QmiMessage m = {
                .service = 3,
                .client = 2,
                .type = QMI_RESPONSE,
                .transaction = 5,
                .id = 0x4F,
                .n_tlvs = 11,
        };
        uint8_t frame[64];

        m.tlvs = response + 13;
        check_int(frame_build(&m, 0x80, frame, sizeof(frame)), sizeof(response));
        check_bytes(frame, sizeof(response), response, sizeof(response));
        check_int(frame_build(&m, 0x80, frame, sizeof(response)), sizeof(response));
        check_int(frame_build(&m, 0x80, frame, sizeof(response) - 1), -ENOBUFS);

        m = (QmiMessage){ .type = QMI_INDICATION, .id = 0x27 };
        check_int(frame_build(&m, 0x80, frame, sizeof(frame)), sizeof(sync));
        check_bytes(frame, sizeof(sync), sync, sizeof(sync));

        m.transaction = 256;
        check_int(frame_build(&m, 0x80, frame, sizeof(frame)), -ERANGE);
        m = (QmiMessage){ .service = 0x190 }; /* exists over QRTR only */
        check_int(frame_build(&m, 0x00, frame, sizeof(frame)), -ERANGE);

        m = (QmiMessage){ .service = 3, .tlvs = tlvs, .n_tlvs = QMUX_MAX - 13 };
        check_int(frame_build(&m, 0x00, large, sizeof(large)), QMUX_MAX);
        m.n_tlvs++;
        check_int(frame_build(&m, 0x00, large, sizeof(large)), -EMSGSIZE);
        m.n_tlvs = SIZE_MAX;
        check_int(frame_build(&m, 0x00, large, sizeof(large)), -EMSGSIZE);
}

/* A stream put together from pieces. */
typedef struct Stream {
        uint8_t bytes[8192];
        size_t n;
} Stream;

static void stream_add(Stream *s, const void *bytes, size_t n) {
        check(n <= sizeof(s->bytes) - s->n);
        memcpy(s->bytes + s->n, bytes, n);
        s->n += n;
}

/* Feeds it in chunks of any size; there must be so much garbage, and these frames: 'r' the response above,
 * 's' the Sync, '?' another. */
static void check_stream(const Stream *s, const char *frames, uint64_t n_garbage) {
        for (size_t chunk = 1; chunk <= s->n; chunk++) {
                Framer f = {};
                char got[64];
                size_t n_got = 0, n;
                const uint8_t *p;

                for (size_t i = 0; i < s->n; i += chunk) {
                        check_int(framer_push(&f, s->bytes + i, MIN(chunk, s->n - i)), 0);
                        while (framer_next(&f, &p, &n) > 0) {
                                check(n_got + 1 < sizeof(got));
                                got[n_got++] = n == sizeof(response) && memcmp(p, response, n) == 0 ? 'r'
                                               : n == sizeof(sync) && memcmp(p, sync, n) == 0       ? 's'
                                                                                                    : '?';
                        }
                }
                got[n_got] = 0;
                check_str(got, frames);
                check_int(f.n_garbage, n_garbage);
                framer_done(&f);
        }
}

static void test_framer(void) {
        Stream s = {};

        stream_add(&s, sync, sizeof(sync));
        stream_add(&s, response, sizeof(response));
        stream_add(&s, sync, sizeof(sync));
        check_stream(&s, "srs", 0);
}

static void test_framer_skips_garbage(void) {
        Stream s = {};

        stream_add(&s, "AT\r\r\nOK\r\n", 9);
        stream_add(&s, response, sizeof(response));
        stream_add(&s, "\x01\x04\x00", 3);             /* a marker with too small a length */
        stream_add(&s, "\x01\xFF\xFF\x7F", 4);         /* one with flags that nobody sends */
        stream_add(&s, "\x01\x0B\x00\x80\x03\x01", 6); /* too short for a service's message */
        stream_add(&s, "\x01\x01\x01", 3);
        stream_add(&s, sync, sizeof(sync));
        stream_add(&s, response, sizeof(response));
        check_stream(&s, "rsr", 9 + 3 + 4 + 6 + 3);
}

/* What is handed out need not be sound: the stray byte after the last TLV is the caller's to tolerate. */
static void test_framer_stray_byte(void) {
        uint8_t longer[sizeof(response) + 1] = {};
        Stream s = {};

        memcpy(longer, response, sizeof(response));
        write_le16(longer + 1, sizeof(longer) - 1);
        stream_add(&s, longer, sizeof(longer));
        stream_add(&s, sync, sizeof(sync));
        check_stream(&s, "?s", 0);
}

static void test_framer_malformed(void) {
        uint8_t lying[sizeof(response)];
        Stream s = {};

        memcpy(lying, response, sizeof(response));
        lying[11] = 0xFF; /* more TLVs than the frame holds */
        stream_add(&s, lying, sizeof(lying));
        stream_add(&s, sync, sizeof(sync));
        check_stream(&s, "?s", 0);
}

static void test_framer_length_too_large(void) {
        uint8_t lying[sizeof(response)];
        Stream s = {};

        memcpy(lying, response, sizeof(response));
        write_le16(lying + 1, 0xFFFF);
        stream_add(&s, lying, sizeof(lying));
        stream_add(&s, response, sizeof(response));
        stream_add(&s, sync, sizeof(sync));
        check_stream(&s, "rs", sizeof(lying));
}

/* What looks like the beginning of a long frame, within one that is not sound, holds nothing up. */
static void test_framer_length_too_large_within(void) {
        static const uint8_t within[] = { 0x01, 0x00, 0x1E, 0x00, 0x07, 0x00, 0x01, 0xF0, 0xFF, 0x80 };
        uint8_t lying[sizeof(response) + sizeof(within)];
        Stream s = {};

        memcpy(lying, response, sizeof(response));
        memcpy(lying + sizeof(response), within, sizeof(within));
        write_le16(lying + 1, 0xFFFF);
        stream_add(&s, lying, sizeof(lying));
        stream_add(&s, response, sizeof(response));
        stream_add(&s, sync, sizeof(sync));
        check_stream(&s, "rs", sizeof(lying));
}

/* However many bytes of a frame are lost, the next ones are not. */
static void test_framer_cut_short(void) {
        for (size_t n = 0; n < sizeof(response); n++) {
                static uint8_t chunk[2 * sizeof(response) + sizeof(sync)];
                Framer f = {};
                const uint8_t *p;
                size_t n_frame;

                memcpy(chunk, response, n);
                memcpy(chunk + n, response, sizeof(response));
                memcpy(chunk + n + sizeof(response), sync, sizeof(sync));
                check_int(framer_push(&f, chunk, n + sizeof(response) + sizeof(sync)), 0);

                check_int(framer_next(&f, &p, &n_frame), 1);
                check_bytes(p, n_frame, response, sizeof(response));
                check_int(framer_next(&f, &p, &n_frame), 1);
                check_bytes(p, n_frame, sync, sizeof(sync));
                check_int(framer_next(&f, &p, &n_frame), 0);
                check_int(f.n_garbage, n);
                framer_done(&f);
        }
}

static void test_framer_largest(void) {
        static uint8_t frame[QMUX_MAX], tlvs[QMUX_MAX - 13];
        QmiMessage m = { .service = 3, .type = QMI_RESPONSE, .tlvs = tlvs, .n_tlvs = sizeof(tlvs) };
        Framer f = {};
        const uint8_t *p;
        size_t n;

        /* A frame within a frame: where the outer one is sound it is nobody's business. */
        write_le16(tlvs + 1, sizeof(tlvs) - 3);
        memcpy(tlvs + 100, sync, 6);
        check_int(frame_build(&m, 0x80, frame, sizeof(frame)), QMUX_MAX);
        for (size_t i = 0; i < sizeof(frame); i += 4096) {
                check_int(framer_next(&f, &p, &n), 0);
                check_int(framer_push(&f, frame + i, MIN((size_t) 4096, sizeof(frame) - i)), 0);
        }
        check_int(framer_next(&f, &p, &n), 1);
        check_bytes(p, n, frame, sizeof(frame));
        check_int(framer_next(&f, &p, &n), 0);
        framer_done(&f);
}

static void test_framer_reset(void) {
        Framer f = {};
        const uint8_t *p;
        size_t n;

        check_int(framer_push(&f, response, 10), 0);
        check_int(framer_next(&f, &p, &n), 0);
        framer_reset(&f);
        check_int(framer_push(&f, sync, sizeof(sync)), 0);
        check_int(framer_next(&f, &p, &n), 1);
        check_bytes(p, n, sync, sizeof(sync));
        framer_done(&f);
}

int main(void) {
        test_parse();
        test_parse_rejects();
        test_bytes_after_tlvs();
        test_build();
        test_framer();
        test_framer_skips_garbage();
        test_framer_stray_byte();
        test_framer_malformed();
        test_framer_length_too_large();
        test_framer_length_too_large_within();
        test_framer_cut_short();
        test_framer_largest();
        test_framer_reset();
        return 0;
}
