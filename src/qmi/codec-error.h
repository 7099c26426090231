/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/codec.h"

/* Where in a dictionary something is wrong: a chain from the value up to the outermost key. */
typedef struct CodecPath {
        const struct CodecPath *parent;
        const char *name; /* NULL: an element of an array, by its index */
        uint32_t index;
        bool is_secret; /* the value is not shown */
} CodecPath;

/* Fills in "path: why" and returns -EINVAL. The text is valid UTF-8 whatever was put in. */
int codec_fail(CodecError *error, const CodecPath *path, const char *format, ...) _printf_(3, 4);

/* "path: an integer is expected, not text" */
int codec_fail_type(CodecError *error, const CodecPath *path, const Value *v, const char *expected);

/* The few of many names that are the most like a wrong one. */
#define SUGGESTIONS_MAX 3
typedef struct Suggestions {
        const char *wrong;
        const char *names[SUGGESTIONS_MAX];
        size_t distances[SUGGESTIONS_MAX];
        size_t n;
} Suggestions;

void suggestions_add(Suggestions *s, const char *name);
/* "; did you mean a, b?" or nothing, in `text`. */
const char *suggestions_text(const Suggestions *s, char *text, size_t n_text);

/* "'fly' is none of online, low_power" with what may have been meant; of many symbols the first few and "…",
 * in `text`. `wrong` NULL: a secret, which is neither shown nor guessed at. */
#define NO_SYMBOL_TEXT_MAX 512U
const char *no_symbol_text(uint16_t enum_row, const char *wrong, char *text, size_t n_text);
