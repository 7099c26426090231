/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "faults.h"

static const char *const fault_names[_FAULT_KIND_MAX] = {
        [FAULT_DROP] = "drop",
        [FAULT_LOSE] = "lose",
        [FAULT_LATE] = "late",
        [FAULT_DUPLICATE] = "duplicate",
        [FAULT_GARBLE] = "garble",
        [FAULT_TRUNCATE] = "truncate",
        [FAULT_WRONG_CLIENT] = "wrong-client",
        [FAULT_WRONG_TRANSACTION] = "wrong-transaction",
        [FAULT_BAD_LENGTH] = "bad-length",
        [FAULT_NOISE] = "noise",
};

void faults_done(Faults *f) {
        free(f->garbage);
        *f = (Faults){};
}

FaultKind fault_kind_from_string(const char *s) {
        for (FaultKind k = 0; k < _FAULT_KIND_MAX; k++)
                if (streq(fault_names[k], s))
                        return k;
        return _FAULT_KIND_INVALID;
}

bool fault_strikes(Faults *f, FaultKind k, uint16_t service, uint16_t message) {
        Fault *fault = &f->faults[k];

        if (fault->left == 0 || (fault->filter && (fault->service != service || fault->message != message)))
                return false;
        if (fault->every > 0 && ++fault->n_passed % fault->every != 0)
                return false;
        fault->left--;
        fault->n_struck++;
        return true;
}

void frame_garble(uint8_t *frame, size_t n_frame) {
        for (size_t i = QMUX_HEADER_SIZE; i < n_frame; i++)
                frame[i] ^= 0x5A;
}

size_t frame_truncate(uint8_t *frame, size_t n_frame) {
        size_t n = QMUX_HEADER_SIZE + (n_frame - QMUX_HEADER_SIZE) / 2;

        write_le16(frame + 1, (uint16_t) (n - 1));
        return n;
}

void frame_set_bad_length(uint8_t *frame, size_t n_frame, uint64_t turn) {
        const size_t lengths[] = { n_frame + 6, n_frame - 4, UINT16_MAX };

        write_le16(frame + 1, (uint16_t) lengths[turn % ELEMENTSOF(lengths)]);
}

size_t noise_make(uint64_t turn, uint8_t noise[NOISE_MAX]) {
        uint64_t x = (turn + 1) * 0x9E3779B97F4A7C15U;
        size_t n = 1 + x % NOISE_MAX;

        for (size_t i = 0; i < n; i++) {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                noise[i] = x % 4 == 0 ? QMUX_MARKER : (uint8_t) (x >> 32);
        }
        return n;
}
