/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/schema.h"
#include "qmi/value.h"

/* One word of the command line as a value of a type of the schema, in the D-Bus type that the schema gives
 * it. */

/* Whether a type is written as one word: all but structs, bit-packed words and arrays. */
bool scalar_is(const SchemaType *t);

/* `bits`: the width of a field in a bit-packed word, else 0. Flags are words with commas between them, bytes
 * are hexadecimal digits with or without colons. Text is copied. 0; -EINVAL and in `ret_why` what is wrong,
 * to be read after the name of the field ("is no number"), which does not show the word where it is
 * `secret`; -ENOMEM. */
int scalar_parse(const SchemaType *t, unsigned bits, bool secret, const char *word, Arena *a, Value *ret,
                 const char **ret_why);

/* Hexadecimal digits, two a byte, with colons or blanks between bytes. 0, -EINVAL, -ENOMEM. */
int hex_parse(const char *word, Arena *a, const uint8_t **ret_bytes, size_t *ret_n_bytes);

/* yes, no, true, false, on, off, 1, 0; else -EINVAL. */
int boolean_parse(const char *word);
