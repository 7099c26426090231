/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"

#include <unistd.h>

#include "output.h"

#define SHORTENED_MIN 12U /* columns that a shortened cell keeps */

const char **table_add(Table *t) {
        if (t->n_rows == t->n_allocated) {
                size_t n = MAX(2 * t->n_allocated, (size_t) 16);
                const char **cells = arena_alloc(t->arena, n * t->n_columns * sizeof(char *));

                if (!cells)
                        return NULL;
                if (t->n_rows > 0)
                        memcpy(cells, t->cells, t->n_rows * t->n_columns * sizeof(char *));
                t->cells = cells;
                t->n_allocated = n;
        }
        return t->cells + t->n_rows++ * t->n_columns;
}

/* The first `n` characters from `text`. */
static const char *skip_characters(const char *text, size_t n) {
        while (*text && n > 0) {
                text++;
                if (((unsigned char) *text & 0xC0) != 0x80)
                        n--;
        }
        return text;
}

/* Cut out of what would be shown, so that what is left cannot be more than that. */
static void put_shortened(FILE *f, const char *cell, size_t width) {
        size_t head = (width - 1) / 2, tail = width - 1 - head, n_shown;
        _cleanup_free_ char *shown = NULL;
        FILE *stream;

        stream = open_memstream(&shown, &n_shown);
        if (!stream)
                return;
        output_text(stream, cell);
        if (fclose(stream) < 0)
                return;
        fprintf(f, "%.*s…%s", (int) (skip_characters(shown, head) - shown), shown,
                skip_characters(shown, output_text_width(shown) - tail));
}

static void put_cell(FILE *f, const char *cell, size_t width, bool last) {
        size_t n = output_text_width(cell);

        if (n > width) {
                put_shortened(f, cell, width);
                n = width;
        } else
                output_text(f, cell);
        if (!last)
                output_indent(f, width - n + 2);
}

static const char *table_cell(const Table *t, size_t row, size_t column) {
        return t->cells[row * t->n_columns + column] ?: "";
}

static void put_row(const Table *t, FILE *f, size_t row, const size_t *widths, bool header) {
        size_t last = 0;

        for (size_t i = 0; i < t->n_columns; i++)
                if (header || *table_cell(t, row, i))
                        last = i;
        for (size_t i = 0; i <= last; i++)
                put_cell(f, header ? t->headers[i] : table_cell(t, row, i), widths[i], i == last);
        putc('\n', f);
}

void table_print(const Table *t, FILE *f, bool legend) {
        size_t *widths = arena_alloc(t->arena, t->n_columns * sizeof(size_t)), total = 0, widest = 0;

        if (!widths)
                return;
        for (size_t i = 0; i < t->n_columns; i++) {
                widths[i] = legend ? strlen(t->headers[i]) : 0;
                for (size_t row = 0; row < t->n_rows; row++)
                        widths[i] = MAX(widths[i], output_text_width(table_cell(t, row, i)));
                total += widths[i] + (i > 0 ? 2 : 0);
                if (widths[i] > widths[widest])
                        widest = i;
        }
        while (isatty(fileno(f)) && total > output_width() && widths[widest] > SHORTENED_MIN) {
                widths[widest]--;
                total--;
                for (size_t i = 0; i < t->n_columns; i++)
                        if (widths[i] > widths[widest])
                                widest = i;
        }

        if (legend)
                put_row(t, f, 0, widths, true);
        for (size_t row = 0; row < t->n_rows; row++)
                put_row(t, f, row, widths, false);
}
