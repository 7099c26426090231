/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fuzz.h"
#include "qmi/codec.h"

/* What the fuzzers of decoder and encoder begin with: which message. */
#define CHOICE_SIZE 5U
typedef struct Choice {
        const SchemaMessage *message; /* NULL: one that the schema does not have */
        QmiMessageType type;
        uint16_t vendor;
} Choice;

/* service u8 | message u16 | type u8 (3: not in the schema) | vendor u8 (even: unknown). An id that the
 * schema does not have stands for some row of it. */
Choice choose(const uint8_t *bytes);

/* Decodes, encodes what came out, decodes that: the values are the same, as far as they hold all there was.
 */
void check_decode(const Choice *c, const uint8_t *tlvs, size_t n_tlvs);
