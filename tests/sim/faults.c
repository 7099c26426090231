/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "faults.h"

static const char *const fault_names[_FAULT_KIND_MAX] = {
        [FAULT_DROP] = "drop",
        [FAULT_DUPLICATE] = "duplicate",
        [FAULT_GARBLE] = "garble",
        [FAULT_TRUNCATE] = "truncate",
        [FAULT_WRONG_CLIENT] = "wrong-client",
        [FAULT_WRONG_TRANSACTION] = "wrong-transaction",
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
        fault->left--;
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
