/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "qmi/codec.h"
#include "qmi/schema.h"
#include "qmi/value.h"

/* Values for people. */

#define OUTPUT_NUMBER_MAX 32U

/* The shortest decimal digits that are this number. Returns `buffer`. */
const char *output_number(double number, char buffer[static OUTPUT_NUMBER_MAX]);

/* Text that may come from a modem: control characters, which could command the terminal, are shown as \x1b.
 */
void output_text(FILE *f, const char *text);
/* The columns that output_text() takes for it. */
size_t output_text_width(const char *text);

/* Columns of the terminal, 80 if standard output is none. */
size_t output_width(void);

/* A line that is continued below its own beginning when it is full. */
typedef struct OutputLine {
        FILE *file;
        size_t column, indent;
        bool empty;
} OutputLine;

/* The cursor is in column `column`, which is where further lines begin. */
OutputLine output_line(FILE *f, size_t column);
/* A word, after a blank or on a new line. */
void output_word(OutputLine *l, const char *word);
/* Words with blanks between them. */
void output_words(OutputLine *l, const char *words);
/* Bytes, each a word. */
void output_bytes(OutputLine *l, const uint8_t *bytes, size_t n_bytes);

void output_indent(FILE *f, size_t n_columns);

/* The fields of a message, one a line, structs indented, the elements of lists of structs numbered. Units
 * come from the rows of the message, and so does what would let somebody see what is withheld. `m` may be
 * NULL: without them. */
void output_dict(FILE *f, const SchemaMessage *m, QmiMessageType type, const Value *dict, size_t indent);

/* One value on the line, with its unit. `t` may be NULL. Not for dictionaries. */
void output_value(OutputLine *l, const SchemaType *t, const Value *v);
