/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/frame.h"

/* What goes wrong, by order of whoever tests. */

typedef enum FaultKind {
        FAULT_DROP,              /* a request is swallowed */
        FAULT_LOSE,              /* a response is lost behind what the request did; never one of CTL */
        FAULT_LATE,              /* it comes late, others overtake it */
        FAULT_DUPLICATE,         /* a response comes twice */
        FAULT_GARBLE,            /* its bytes behind the QMUX header are others */
        FAULT_TRUNCATE,          /* its frame ends in the middle of the message */
        FAULT_WRONG_CLIENT,      /* it names another client id */
        FAULT_WRONG_TRANSACTION, /* it names another transaction */
        FAULT_BAD_LENGTH,        /* the length in its QMUX header is wrong */
        FAULT_NOISE,             /* bytes that are no frame go before it */
        _FAULT_KIND_MAX,
        _FAULT_KIND_INVALID = -EINVAL,
} FaultKind;

typedef struct Fault {
        unsigned long left;            /* happens so many times more */
        unsigned long every, n_passed; /* 0: to each; else to each so many-th */
        uint64_t late_usec;            /* of FAULT_LATE */
        uint64_t n_struck;             /* ever */
        bool filter;                   /* only to this message */
        uint16_t service, message;
} Fault;

typedef struct Faults {
        Fault faults[_FAULT_KIND_MAX];
        bool silent;
        uint8_t *garbage; /* goes out before the next frame */
        size_t n_garbage;
} Faults;

void faults_done(Faults *f);
FaultKind fault_kind_from_string(const char *s);
/* Whether it happens now; one time less is left then. */
bool fault_strikes(Faults *f, FaultKind k, uint16_t service, uint16_t message);
void frame_garble(uint8_t *frame, size_t n_frame);
size_t frame_truncate(uint8_t *frame, size_t n_frame); /* the new length */
/* `turn` counts up: too long by little, too short, as long as can be. */
void frame_set_bad_length(uint8_t *frame, size_t n_frame, uint64_t turn);
#define NOISE_MAX 32U
/* Bytes that look random and are the same for each `turn`; the marker of a frame is often among them. */
size_t noise_make(uint64_t turn, uint8_t noise[NOISE_MAX]);
