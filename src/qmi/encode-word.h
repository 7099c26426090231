/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/codec-error.h"

/* Numbers on their way in: a value as the lowest `bits` bits of a word. All give 0, or -EINVAL and say what
 * is wrong. */

/* Any integer that fits. `expected`: "an integer", for the error. */
int value_to_integer(CodecError *error, const CodecPath *at, const Value *v, bool is_signed, unsigned bits,
                     const char *expected, uint64_t *ret);
/* Any number. */
int value_to_double(CodecError *error, const CodecPath *at, const Value *v, double *ret);
/* What a type of kind SCHEMA_UINT, INT, BOOL, ENUM or FLAGS (of up to 64 bits) takes. */
int value_to_word(CodecError *error, const CodecPath *at, const SchemaType *t, const Value *v, unsigned bits,
                  uint64_t *ret);
/* Flags of any width into zeroed bytes, lowest first. */
int value_to_flags(CodecError *error, const CodecPath *at, const SchemaType *t, const Value *v,
                   unsigned bits, uint8_t *bytes);
