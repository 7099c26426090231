/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "util/arena.h"

/* Rows and columns for people. All memory is the arena's; cells are not copied. */
typedef struct Table {
        Arena *arena;
        const char *const *headers;
        size_t n_columns;
        const char **cells;
        size_t n_rows, n_allocated;
} Table;

/* Adds a row; the place for its cells, NULL without memory. A cell that is left NULL is empty. */
const char **table_add(Table *t);

/* Where a row does not fit on the terminal, the middle of its widest cells is left out; into pipes and files
 * everything is written. */
void table_print(const Table *t, FILE *f, bool legend);
