/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/util.h"

/* QMAP, version 1: several packets in one transfer, each behind a header of four bytes:
 *
 *   bit 7: a command, bit 6: reserved, bits 5–0: bytes of padding | mux id u8 | length u16, big endian
 *
 * The length counts payload and padding. Fact: struct qmimux_hdr of the kernel's qmi_wwan.c, which is the
 * other end; Documentation/networking/device_drivers/cellular/qualcomm/rmnet.rst. */

#define QMAP_HEADER_SIZE 4U

typedef struct QmapDatagram {
        uint8_t mux;
        bool is_command;
        const uint8_t *payload; /* in the transfer, without the padding */
        size_t n_payload;
} QmapDatagram;

/* 1 and the datagram at *position, which is moved behind it; 0 at the end; -EBADMSG: what is there is no
 * QMAP. */
int qmap_next(const uint8_t *transfer, size_t n_transfer, size_t *position, QmapDatagram *ret);

/* How many datagrams a transfer has; -EBADMSG if not all of it is QMAP. */
ssize_t qmap_count(const uint8_t *transfer, size_t n_transfer);

/* What a packet takes: header, and padding to a multiple of four. */
size_t qmap_size(size_t n_packet);
/* Writes a packet: the bytes written, qmap_size(n_packet), or -EMSGSIZE if it is larger than the length can
 * say or than n_to. */
ssize_t qmap_put(uint8_t mux, const uint8_t *packet, size_t n_packet, uint8_t *to, size_t n_to);
