/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/frame.h"

/* What the modem has seen: requests by message, and the last of each. */

typedef struct Counter {
        uint16_t service, message;
        uint64_t n;
        uint8_t client; /* of the last request: */
        uint16_t transaction;
        uint8_t *tlvs;
        size_t n_tlvs;

        uint64_t *due_usec; /* when those under way will be answered; dropped ones are not among them */
        size_t n_under_way, n_most; /* at once, ever */
} Counter;

typedef struct Counters {
        Counter *counters;
        size_t n;
        uint64_t n_frames, n_malformed, n_connections;
} Counters;

void counters_done(Counters *c);
int counters_note(Counters *c, const QmiMessage *m);
/* It will be answered then (CLOCK_MONOTONIC); `now_usec`: it came. */
int counters_note_answer(Counters *c, const QmiMessage *m, uint64_t now_usec, uint64_t due_usec);
const Counter *counters_find(const Counters *c, uint16_t service, uint16_t message);
