/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/frame.h"

/* What goes wrong, by order of whoever tests. */

typedef enum FaultKind {
        FAULT_DROP,              /* a request is swallowed */
        FAULT_DUPLICATE,         /* a response comes twice */
        FAULT_GARBLE,            /* its bytes behind the QMUX header are others */
        FAULT_TRUNCATE,          /* its frame ends in the middle of the message */
        FAULT_WRONG_CLIENT,      /* it names another client id */
        FAULT_WRONG_TRANSACTION, /* it names another transaction */
        _FAULT_KIND_MAX,
        _FAULT_KIND_INVALID = -EINVAL,
} FaultKind;

typedef struct Fault {
        unsigned long left; /* happens so many times more */
        bool filter;        /* only to this message */
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
