/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmap.h"

#define IS_COMMAND   0x80
#define RESERVED     0x40
#define PADDING_MASK 0x3F

int qmap_next(const uint8_t *transfer, size_t n_transfer, size_t *position, QmapDatagram *ret) {
        const uint8_t *header = transfer + *position;
        size_t left = n_transfer - *position, n_padding, n;

        if (left == 0)
                return 0;
        if (left < QMAP_HEADER_SIZE)
                return -EBADMSG;
        n = (size_t) (header[2] << 8 | header[3]);
        n_padding = header[0] & PADDING_MASK;
        if (header[0] & RESERVED || n <= n_padding || n > left - QMAP_HEADER_SIZE)
                return -EBADMSG;
        *ret = (QmapDatagram){ .mux = header[1],
                               .is_command = header[0] & IS_COMMAND,
                               .payload = header + QMAP_HEADER_SIZE,
                               .n_payload = n - n_padding };
        *position += QMAP_HEADER_SIZE + n;
        return 1;
}

ssize_t qmap_count(const uint8_t *transfer, size_t n_transfer) {
        size_t position = 0;
        QmapDatagram d;
        ssize_t n = 0;
        int r;

        while ((r = qmap_next(transfer, n_transfer, &position, &d)) > 0)
                n++;
        return r < 0 ? r : n;
}

size_t qmap_size(size_t n_packet) {
        return QMAP_HEADER_SIZE + (n_packet + 3) / 4 * 4;
}

ssize_t qmap_put(uint8_t mux, const uint8_t *packet, size_t n_packet, uint8_t *to, size_t n_to) {
        size_t n = qmap_size(n_packet), n_padding = n - QMAP_HEADER_SIZE - n_packet;

        if (n_packet == 0 || n - QMAP_HEADER_SIZE > UINT16_MAX || n > n_to)
                return -EMSGSIZE;
        to[0] = (uint8_t) n_padding;
        to[1] = mux;
        to[2] = (uint8_t) ((n - QMAP_HEADER_SIZE) >> 8);
        to[3] = (uint8_t) (n - QMAP_HEADER_SIZE);
        memcpy(to + QMAP_HEADER_SIZE, packet, n_packet);
        memset(to + QMAP_HEADER_SIZE + n_packet, 0, n_padding);
        return (ssize_t) n;
}
