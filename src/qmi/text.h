/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/schema.h"
#include "util/arena.h"

/* Text codings. */

/* Decodes into NUL-terminated UTF-8, valid whatever the input: trailing NULs (and, packed, fill bits) are
 * dropped, an embedded NUL and what cannot be decoded becomes U+FFFD. *ret_lossy says that the bytes cannot
 * be had back from the text (a replacement, or text after a NUL), so that they must be shown beside it; for
 * TEXT_UTF8_OR_GSM7 also when it was taken for GSM. 0 or -ENOMEM. `ret` may point into `bytes`
 * only when bytes[n] is known to be NUL, which it never is: it is always the arena's. */
int text_decode(TextCoding coding, const uint8_t *bytes, size_t n_bytes, Arena *a, const char **ret,
                bool *ret_lossy);

/* Encodes UTF-8 text. -EINVAL when the coding has no such character; -ENOBUFS if it does not fit. Returns
 * the number of bytes. `buffer` NULL: counts only. */
ssize_t text_encode(TextCoding coding, const char *text, uint8_t *buffer, size_t n_buffer);

/* The coding of a SCHEMA_STRING. `words`: what the earlier fields of its struct hold, one of which may
 * decide. _TEXT_CODING_INVALID when that one has a value that stands for no coding. */
TextCoding text_coding(const SchemaType *t, const uint64_t *words);

bool utf8_is_valid(const char *s, size_t n);
