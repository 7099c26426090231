/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pcapng.h"
#include "unit.h"

/* Files of frames: what is written comes back, and what others write is read. */

typedef struct File {
        uint8_t bytes[4096];
        size_t n;
        bool big_endian;
} File;

static void put(File *f, uint64_t v, size_t n_bytes) {
        check(f->n + n_bytes <= sizeof(f->bytes));
        for (size_t i = 0; i < n_bytes; i++)
                f->bytes[f->n++] = (uint8_t) (v >> 8 * (f->big_endian ? n_bytes - 1 - i : i));
}

static void put_bytes(File *f, const void *bytes, size_t n) {
        check(f->n + n + 3 <= sizeof(f->bytes));
        memcpy(f->bytes + f->n, bytes, n);
        memset(f->bytes + f->n + n, 0, 3);
        f->n += n + -n % 4;
}

static void put_section(File *f) {
        put(f, 0x0A0D0D0A, 4);
        put(f, 28, 4);
        put(f, 0x1A2B3C4D, 4);
        put(f, 1, 2);
        put(f, 0, 2);
        put(f, UINT64_MAX, 8);
        put(f, 28, 4);
}

/* Without options. */
static void put_interface(File *f, unsigned link_type) {
        put(f, 1, 4);
        put(f, 20, 4);
        put(f, link_type, 2);
        put(f, 0, 2);
        put(f, 0, 4);
        put(f, 20, 4);
}

/* One whose times are counted so, from so many seconds after 1970. */
static void put_interface_with(File *f, uint8_t resolution, int64_t offset_sec) {
        put(f, 1, 4);
        put(f, 44, 4);
        put(f, PCAPNG_LINK_TYPE, 2);
        put(f, 0, 2);
        put(f, 0, 4);
        put(f, 9, 2); /* if_tsresol */
        put(f, 1, 2);
        put_bytes(f, &resolution, 1);
        put(f, 14, 2); /* if_tsoffset */
        put(f, 8, 2);
        put(f, (uint64_t) offset_sec, 8);
        put(f, 0, 4);
        put(f, 44, 4);
}

/* Without options. */
static void put_packet(File *f, unsigned interface, uint64_t ticks, const char *text) {
        uint32_t n = (uint32_t) strlen(text), n_block = 32 + n + -n % 4;

        put(f, 6, 4);
        put(f, n_block, 4);
        put(f, interface, 4);
        put(f, ticks >> 32, 4);
        put(f, ticks & UINT32_MAX, 4);
        put(f, n, 4);
        put(f, n, 4);
        put_bytes(f, text, n);
        put(f, n_block, 4);
}

static void put_unknown(File *f, const char *text) {
        uint32_t n = (uint32_t) strlen(text), n_block = 12 + n + -n % 4;

        put(f, 0x0BAD, 4);
        put(f, n_block, 4);
        put_bytes(f, text, n);
        put(f, n_block, 4);
}

static PcapngReader reader_of(File *f) {
        PcapngReader r = { .file = fmemopen(f->bytes, f->n, "r") };

        check(r.file);
        return r;
}

static void reader_close(PcapngReader *r) {
        fclose(r->file);
        pcapng_reader_done(r);
}

static void expect_frame(PcapngReader *r, uint64_t usec, const char *text) {
        PcapngFrame frame;

        check_int(pcapng_read(r, &frame), 1);
        check_int(frame.usec, usec);
        check_bytes(frame.bytes, frame.n_bytes, text, strlen(text));
}

static void expect_end(PcapngReader *r) {
        PcapngFrame frame;

        check_int(pcapng_read(r, &frame), 0);
        reader_close(r);
}

static void expect_error(File *f, const char *error) {
        PcapngReader r = reader_of(f);
        PcapngFrame frame;
        int k;

        while ((k = pcapng_read(&r, &frame)) > 0)
                ;
        check_int(k, -EBADMSG);
        check_str(r.error, error);
        reader_close(&r);
}

/* ---- */

static void test_there_and_back(void) {
        static const uint8_t one[] = { 0x01, 0x0C, 0x00, 0x00, 0x03 }, two[] = { 0x01, 0x02, 0x03, 0x80 };
        static uint8_t largest[1 + 0xFFFF];
        const PcapngFrame frames[] = {
                { .usec = UINT64_C(1795199008438491), .n_bytes = sizeof(one), .bytes = one },
                { .usec = 0, .from_modem = true, .n_lost = 7, .n_bytes = sizeof(two), .bytes = two },
                { .usec = UINT64_MAX, .n_lost = UINT32_MAX, .n_bytes = sizeof(two), .bytes = two },
                { .usec = 1, .from_modem = true, .n_bytes = sizeof(largest), .bytes = largest },
                { .usec = 2, .from_modem = true },
        };
        _cleanup_free_ char *text = NULL;
        PcapngReader r = {};
        PcapngFrame frame;
        size_t n;
        FILE *f;

        memset(largest, 0xA5, sizeof(largest));
        f = open_memstream(&text, &n);
        check(f);
        pcapng_write_header(f, "/dev/cdc-wdm0", 0x1199, 0x9071);
        for (size_t i = 0; i < ELEMENTSOF(frames); i++)
                pcapng_write_frame(f, &frames[i]);
        check_int(fclose(f), 0);
        check_int(n % 4, 0);

        r.file = fmemopen(text, n, "r");
        check(r.file);
        for (size_t i = 0; i < ELEMENTSOF(frames); i++) {
                check_int(pcapng_read(&r, &frame), 1);
                check(frame.usec == frames[i].usec);
                check_int(frame.from_modem, frames[i].from_modem);
                check_int(frame.n_lost, frames[i].n_lost);
                check_int(frame.vendor, 0x1199);
                check_int(frame.product, 0x9071);
                check_bytes(frame.bytes, frame.n_bytes, frames[i].bytes, frames[i].n_bytes);
        }
        expect_end(&r);
}

/* What is written, byte for byte: other programs read it. */
static void test_packet_bytes(void) {
        static const uint8_t expected[] = {
                0x06, 0x00, 0x00, 0x00, 0x3C, 0x00, 0x00, 0x00, /* enhanced packet, 60 bytes */
                0x00, 0x00, 0x00, 0x00,                         /* interface 0 */
                0x02, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, /* time: high half, low half */
                0x03, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, /* three bytes of three */
                0xAA, 0xBB, 0xCC, 0x00,                         /* the frame, padded */
                0x02, 0x00, 0x04, 0x00, 0x01, 0x00, 0x00, 0x00, /* epb_flags: inbound */
                0x04, 0x00, 0x08, 0x00,                         /* epb_dropcount: */
                0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* five */
                0x00, 0x00, 0x00, 0x00,                         /* end of options */
                0x3C, 0x00, 0x00, 0x00,
        };
        static const uint8_t bytes[] = { 0xAA, 0xBB, 0xCC };
        _cleanup_free_ char *text = NULL;
        size_t n;
        FILE *f;

        f = open_memstream(&text, &n);
        check(f);
        pcapng_write_frame(f, &(PcapngFrame){ .usec = UINT64_C(0x200000001),
                                              .from_modem = true,
                                              .n_lost = 5,
                                              .bytes = bytes,
                                              .n_bytes = sizeof(bytes) });
        check_int(fclose(f), 0);
        check_bytes(text, n, expected, sizeof(expected));
}

static void test_files_of_others(bool big_endian) {
        File f = { .big_endian = big_endian };
        PcapngReader r;
        PcapngFrame frame;

        put_section(&f);
        put_unknown(&f, "");
        put_unknown(&f, "something else");
        put_interface(&f, 1); /* Ethernet */
        put_interface(&f, PCAPNG_LINK_TYPE);
        put_packet(&f, 0, 1, "not ours");
        put_packet(&f, 1, UINT64_C(0x500000002), "ours");
        put_interface_with(&f, 9, 100);   /* nanoseconds */
        put_interface_with(&f, 0x80, -1); /* whole seconds */
        put_interface_with(&f, 0x8A, 0);  /* 1/1024 seconds */
        put_interface_with(&f, 0, INT64_MAX);
        put_packet(&f, 2, 5999, "nano");
        put_packet(&f, 3, 3, "second");
        put_packet(&f, 3, 0, "before 1970");
        put_packet(&f, 4, 512, "half");
        put_packet(&f, 5, UINT64_MAX, "too late");
        /* A further section, in the other byte order, with interfaces of its own. */
        f.big_endian = !big_endian;
        put_section(&f);
        put_interface(&f, PCAPNG_LINK_TYPE);
        put_packet(&f, 0, 9, "\x01\x03\x04\x80");
        put_packet(&f, 0, 10, "\x01\x03\x04\x01");

        r = reader_of(&f);
        expect_frame(&r, UINT64_C(0x500000002), "ours");
        expect_frame(&r, 100 * USEC_PER_SEC + 5, "nano");
        expect_frame(&r, 2 * USEC_PER_SEC, "second");
        expect_frame(&r, 0, "before 1970");
        expect_frame(&r, USEC_PER_SEC / 2, "half");
        check_int(pcapng_read(&r, &frame), 1);
        check(frame.usec == UINT64_MAX);
        /* Which way it went, the frame says where nothing else does. */
        check_int(pcapng_read(&r, &frame), 1);
        check(frame.usec == 9 && frame.from_modem && frame.n_lost == 0 && frame.vendor == 0);
        check_int(pcapng_read(&r, &frame), 1);
        check(frame.usec == 10 && !frame.from_modem);
        expect_end(&r);
}

static File begin(void) {
        File f = {};

        put_section(&f);
        put_interface(&f, PCAPNG_LINK_TYPE);
        return f;
}

static void test_garbage(void) {
        File f;

        f = (File){ .bytes = "#!/bin/sh\nexit\n", .n = 15 };
        expect_error(&f, "at offset 0: this is no pcapng file");
        f = (File){ .bytes = { 0xD4, 0xC3, 0xB2, 0xA1 }, .n = 4 }; /* of the older format, and cut */
        expect_error(&f, "at offset 0: the file ends within a block");

        f = (File){};
        put_section(&f);
        f.bytes[8] = 0;
        expect_error(&f, "at offset 0: a section of neither byte order");
        f = (File){};
        put_section(&f);
        f.bytes[12] = 2;
        expect_error(&f, "at offset 0: version 2 of pcapng is not known");
        f = (File){};
        put_section(&f);
        f.bytes[4] = f.bytes[24] = 20; /* shorter than its header */
        f.n = 16;
        put(&f, 20, 4);
        expect_error(&f, "at offset 0: a section header of 8 bytes");

        f = begin();
        f.bytes[28 + 4] = 21;
        expect_error(&f, "at offset 28: a block cannot have 21 bytes");
        f = begin();
        f.bytes[28 + 4] = 8;
        expect_error(&f, "at offset 28: a block cannot have 8 bytes");
        f = begin();
        f.bytes[28 + 16] = 24;
        expect_error(&f, "at offset 28: a block begins with 20 as its length and ends with another");
        f = begin();
        put(&f, 6, 4);
        put(&f, 0x7FFFFFFC, 4);
        expect_error(&f, "at offset 48: a block of 2147483644 bytes is too large");
        f = begin();
        put(&f, 0x0BAD, 4);
        put(&f, 0x7FFFFFFC, 4);
        expect_error(&f, "at offset 48: the file ends within a block");

        f = begin();
        put_packet(&f, 1, 0, "x");
        expect_error(&f, "at offset 48: a packet of interface 1, which the file does not describe");
        f = begin();
        put_packet(&f, 0, 0, "abcd");
        f.bytes[48 + 20] = 5;
        expect_error(&f, "at offset 48: a packet is longer than its block");
        f = begin();
        put(&f, 6, 4);
        put(&f, 12, 4);
        put(&f, 12, 4);
        expect_error(&f, "at offset 48: a packet block of 0 bytes");
        f = begin();
        for (unsigned i = 0; i < PCAPNG_INTERFACES_MAX; i++)
                put_interface(&f, 1);
        expect_error(&f, "at offset 1308: more than 64 interfaces");

        f = begin();
        put_interface_with(&f, 20, 0);
        expect_error(&f, "at offset 48: times cannot be counted as finely as 0x14 says");
        f = begin();
        put_interface_with(&f, 0x80 | 64, 0);
        expect_error(&f, "at offset 48: times cannot be counted as finely as 0xc0 says");
        f = begin();
        put_interface_with(&f, 6, 0);
        f.bytes[48 + 18] = 21; /* of the 20 bytes behind it */
        expect_error(&f, "at offset 48: option 9 is longer than its block");
}

/* Each beginning of a file is read up to where it ends. */
static void test_cut(void) {
        File whole = begin();
        size_t ends[3] = { 28, whole.n };

        put_packet(&whole, 0, 1, "frame");
        ends[2] = whole.n;
        for (size_t n = 1; n <= whole.n; n++) {
                File f = { .n = n };
                PcapngFrame frame;
                PcapngReader r;
                bool at_end = false;
                int k;

                memcpy(f.bytes, whole.bytes, n);
                for (size_t i = 0; i < ELEMENTSOF(ends); i++)
                        at_end = at_end || n == ends[i];
                r = reader_of(&f);
                while ((k = pcapng_read(&r, &frame)) > 0)
                        check_int(n, whole.n);
                check_int(k, at_end ? 0 : -EBADMSG);
                reader_close(&r);
        }
}

int main(void) {
        test_there_and_back();
        test_packet_bytes();
        test_files_of_others(false);
        test_files_of_others(true);
        test_garbage();
        test_cut();
        return 0;
}
