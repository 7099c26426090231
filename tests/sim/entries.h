/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "scalar.h"

/* A tree of values kept flat: "lte.rsrp" = -95, "profiles.0.name" = "x". Keys are spelled with underscores,
 * as dictionaries do; dashes are taken for them. */

typedef struct Entry {
        char *key;
        Value value; /* a scalar, or an empty array or dictionary */
        unsigned line;
} Entry;

typedef struct Entries {
        Entry *entries;
        size_t n, n_allocated;
} Entries;

void entries_done(Entries *e);
/* Replaces what stands at the key, below it, or as a scalar above it. `value` may be a whole tree. 0,
 * -ENOMEM. */
int entries_set(Entries *e, const char *key, const Value *value, unsigned line);
void entries_unset(Entries *e, const char *key);
const Value *entries_get(const Entries *e, const char *key);
int entries_copy(const Entries *from, Entries *to);
/* Builds the tree. Keys that are all numbers make an array. The result lives in the arena and points
 * into the entries. 0 or -ENOMEM. */
int entries_build(const Entries *e, Arena *a, Value *ret);
