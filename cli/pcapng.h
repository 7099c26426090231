/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "util/util.h"

/* Frames in files that other programs read too: pcapng (draft-ietf-opsawg-pcapng), link type USER0, of which
 * nobody but the user says what it is. Here it is QMUX. */

#define PCAPNG_LINK_TYPE 147U

typedef struct PcapngFrame {
        uint64_t usec; /* since 1970 */
        bool from_modem;
        uint64_t n_lost;          /* frames before this one */
        uint16_t vendor, product; /* when reading: USB ids of the modem, 0 if the file does not say them */
        const uint8_t *bytes;
        size_t n_bytes; /* QMUX_MAX at most */
} PcapngFrame;

/* What comes before the first frame. `port` is the name of the interface; `vendor` and `product` say what
 * the hardware is, 0 if not known. Neither function flushes; f knows whether they failed. */
void pcapng_write_header(FILE *f, const char *port, uint16_t vendor, uint16_t product);
void pcapng_write_frame(FILE *f, const PcapngFrame *frame);

#define PCAPNG_INTERFACES_MAX 64U

typedef struct PcapngInterface {
        uint16_t link_type, vendor, product;
        uint64_t ticks_per_sec;
        int64_t offset_sec; /* of its times */
} PcapngInterface;

/* Reads files of any byte order; what is of no use here is skipped: other blocks, other link types. */
typedef struct PcapngReader {
        FILE *file;
        uint64_t offset, block_offset; /* of what is read next, and of the block that is looked at */
        bool in_section, big_endian;
        uint8_t *block; /* owned; the body of that block */
        size_t n_allocated;
        PcapngInterface interfaces[PCAPNG_INTERFACES_MAX];
        size_t n_interfaces;
        char error[128];
} PcapngReader;

void pcapng_reader_done(PcapngReader *r);
/* 1 and the next frame, valid until the next call; 0 at the end of the file; -EBADMSG and in `error` what is
 * wrong with it and where; -ENOMEM; what reading it gave. */
int pcapng_read(PcapngReader *r, PcapngFrame *ret);
