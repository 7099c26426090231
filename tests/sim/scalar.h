/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/value.h"

/* One value as scenarios and commands spell it; it owns its memory:
 *
 *   -95  12.5  true  "text"  hex:0aff  []  {}
 *
 * Anything else is text that needs no quotes: a symbol. */

void scalar_done(Value *v);
int scalar_parse(const char *text, Value *ret); /* 0, -EINVAL, -ENOMEM */
int scalar_copy(const Value *v, Value *ret);
/* The same value, numbers compared as numbers whatever their type, and texts as symbols: dashes and
 * underscores are the same. */
bool scalar_equal(const Value *a, const Value *b);

/* Bytes in hex; blanks between them are allowed. The bytes are malloc()ed. */
int hex_parse(const char *text, uint8_t **ret, size_t *ret_n);
char *hex_format(const uint8_t *bytes, size_t n_bytes);
