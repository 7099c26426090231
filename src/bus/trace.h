/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/util.h"

/* What lies before the frame in each packet of a trace; org.qmid1(5) tells the layout. */

#define TRACE_HEADER_SIZE 16U

#define TRACE_TO_MODEM   0
#define TRACE_FROM_MODEM 1

typedef struct TraceHeader {
        uint64_t usec; /* CLOCK_REALTIME */
        bool from_modem;
        uint32_t n_lost; /* frames before this one that the reader was too slow for */
} TraceHeader;

static inline void trace_header_write(const TraceHeader *h, uint8_t p[static TRACE_HEADER_SIZE]) {
        memset(p, 0, TRACE_HEADER_SIZE);
        for (size_t i = 0; i < 8; i++)
                p[i] = (uint8_t) (h->usec >> 8 * i);
        p[8] = h->from_modem ? TRACE_FROM_MODEM : TRACE_TO_MODEM;
        write_le16(p + 12, (uint16_t) h->n_lost);
        write_le16(p + 14, (uint16_t) (h->n_lost >> 16));
}

static inline TraceHeader trace_header_read(const uint8_t p[static TRACE_HEADER_SIZE]) {
        TraceHeader h = {
                .from_modem = p[8] == TRACE_FROM_MODEM,
                .n_lost = read_le16(p + 12) | (uint32_t) read_le16(p + 14) << 16,
        };

        for (size_t i = 0; i < 8; i++)
                h.usec |= (uint64_t) p[i] << 8 * i;
        return h;
}
