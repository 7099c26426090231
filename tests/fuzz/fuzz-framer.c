/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "fuzz.h"
#include "qmi/frame.h"

/* A stream, which comes in chunks. The first byte says how large they are (0: all at once). */

static void check_frame(const uint8_t *frame, size_t n_frame) {
        static uint8_t again[QMUX_MAX];
        QmiMessage m;

        must(n_frame > QMUX_HEADER_SIZE && n_frame <= QMUX_MAX);
        if (frame_parse(frame, n_frame, &m) < 0)
                return;
        must(m.tlvs >= frame && m.tlvs + m.n_tlvs <= frame + n_frame);
        if (m.tlvs + m.n_tlvs < frame + n_frame ||
            (m.service != QMI_SERVICE_CTL && frame[QMUX_HEADER_SIZE] & 1))
                return; /* what it is built anew without */
        must(frame_build(&m, frame[3], again, sizeof(again)) == (ssize_t) n_frame);
        must(memcmp(again, frame, n_frame) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_data) {
        size_t chunk, n_frames = 0, n_frame;
        const uint8_t *frame;
        Framer f = {};

        if (n_data < 1)
                return 0;
        chunk = data[0] > 0 ? data[0] : n_data;
        data++;
        n_data--;
        for (size_t i = 0; i < n_data; i += chunk) {
                must(framer_push(&f, data + i, MIN(chunk, n_data - i)) == 0);
                while (framer_next(&f, &frame, &n_frame) > 0) {
                        check_frame(frame, n_frame);
                        n_frames += n_frame;
                }
        }
        /* No byte is lost. */
        must(n_frames + f.n_garbage + (f.n_buffer - f.position) == n_data);
        framer_done(&f);
        return 0;
}
