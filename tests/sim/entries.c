/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "entries.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

static void entry_done(Entry *e) {
        free(e->key);
        scalar_done(&e->value);
}

void entries_done(Entries *e) {
        for (size_t i = 0; i < e->n; i++)
                entry_done(&e->entries[i]);
        free(e->entries);
        *e = (Entries){};
}

static char *key_normalize(const char *key) {
        char *k;

        k = strdup(key);
        if (k)
                for (char *p = k; *p; p++)
                        if (*p == '-')
                                *p = '_';
        return k;
}

/* `inner` is `outer`, or stands below it. */
static bool key_contains(const char *outer, const char *inner) {
        size_t n = strlen(outer);

        return strncmp(outer, inner, n) == 0 && (inner[n] == '\0' || inner[n] == '.');
}

static void entries_remove(Entries *e, const char *key, bool above) {
        size_t kept = 0;

        for (size_t i = 0; i < e->n; i++)
                if (key_contains(key, e->entries[i].key) || (above && key_contains(e->entries[i].key, key)))
                        entry_done(&e->entries[i]);
                else
                        e->entries[kept++] = e->entries[i];
        e->n = kept;
}

void entries_unset(Entries *e, const char *key) {
        _cleanup_free_ char *k = key_normalize(key);

        if (k)
                entries_remove(e, k, false);
}

static int entries_add(Entries *e, const char *key, const Value *value, unsigned line) {
        _cleanup_free_ char *k = NULL;
        int r;

        if (value->type == VALUE_DICT && value->n > 0) {
                for (uint32_t i = 0; i < value->n; i++) {
                        _cleanup_free_ char *below = NULL;

                        if (asprintf(&below, "%s.%s", key, value->entries[i].key) < 0)
                                return -ENOMEM;
                        r = entries_add(e, below, &value->entries[i].value, line);
                        if (r < 0)
                                return r;
                }
                return 0;
        }
        if (value->type == VALUE_ARRAY && value->n > 0) {
                for (uint32_t i = 0; i < value->n; i++) {
                        _cleanup_free_ char *below = NULL;

                        if (asprintf(&below, "%s.%" PRIu32, key, i) < 0)
                                return -ENOMEM;
                        r = entries_add(e, below, &value->elements[i], line);
                        if (r < 0)
                                return r;
                }
                return 0;
        }

        if (e->n == e->n_allocated) {
                size_t n = MAX(2 * e->n_allocated, (size_t) 8);
                Entry *grown = reallocarray(e->entries, n, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                e->entries = grown;
                e->n_allocated = n;
        }
        k = strdup(key);
        if (!k)
                return -ENOMEM;
        e->entries[e->n] = (Entry){ .line = line };
        r = scalar_copy(value, &e->entries[e->n].value);
        if (r < 0)
                return r;
        e->entries[e->n++].key = TAKE_PTR(k);
        return 0;
}

int entries_set(Entries *e, const char *key, const Value *value, unsigned line) {
        _cleanup_free_ char *k = key_normalize(key);

        if (!k)
                return -ENOMEM;
        entries_remove(e, k, true);
        return entries_add(e, k, value, line);
}

const Value *entries_get(const Entries *e, const char *key) {
        _cleanup_free_ char *k = key_normalize(key);

        for (size_t i = 0; k && i < e->n; i++)
                if (streq(e->entries[i].key, k))
                        return &e->entries[i].value;
        return NULL;
}

int entries_copy(const Entries *from, Entries *to) {
        int r;

        for (size_t i = 0; i < from->n; i++) {
                r = entries_set(to, from->entries[i].key, &from->entries[i].value, from->entries[i].line);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool is_index(const char *key) {
        for (const char *p = key; *p; p++)
                if (!isdigit((unsigned char) *p))
                        return false;
        return *key;
}

static int index_compare(const void *a, const void *b) {
        long i = strtol(((const ValueEntry *) a)->key, NULL, 10),
             j = strtol(((const ValueEntry *) b)->key, NULL, 10);

        return (i > j) - (i < j);
}

static const char *value_signature(const Value *v, Arena *a) {
        if (v->type == VALUE_BYTES)
                return "ay";
        if (v->type == VALUE_DICT)
                return "a{sv}";
        if (v->type == VALUE_ARRAY)
                return arena_printf(a, "a%s", v->signature);
        return arena_printf(a, "%c", v->type);
}

/* Turns dictionaries whose keys are all numbers into arrays, from the leaves up. */
static int arrays_make(Value *v, Arena *a) {
        bool indices = true;
        Value *elements;
        int r;

        if (v->type != VALUE_DICT || v->n == 0)
                return 0;
        for (uint32_t i = 0; i < v->n; i++) {
                r = arrays_make(&v->entries[i].value, a);
                if (r < 0)
                        return r;
                indices = indices && is_index(v->entries[i].key);
        }
        if (!indices)
                return 0;

        qsort(v->entries, v->n, sizeof(*v->entries), index_compare);
        elements = arena_alloc(a, v->n * sizeof(*elements));
        if (!elements)
                return -ENOMEM;
        for (uint32_t i = 0; i < v->n; i++)
                elements[i] = v->entries[i].value;
        *v = (Value){ .type = VALUE_ARRAY, .n = v->n, .elements = elements };
        v->signature = value_signature(&elements[0], a);
        return v->signature ? 0 : -ENOMEM;
}

int entries_build(const Entries *e, Arena *a, Value *ret) {
        Value root = { .type = VALUE_DICT };
        int r;

        for (size_t i = 0; i < e->n; i++) {
                const char *p = e->entries[i].key;
                Value *at = &root;

                for (;;) {
                        size_t n = strcspn(p, ".");
                        const char *name = arena_strndup(a, p, n);
                        Value *next;

                        if (!name)
                                return -ENOMEM;
                        /* The tree was made here: what is found in it may be written. */
                        next = (Value *) (uintptr_t) value_dict_get(at, name);
                        if (!next) {
                                next = value_dict_add(at, a, name);
                                if (!next)
                                        return -ENOMEM;
                                *next = (Value){ .type = VALUE_DICT };
                        }
                        at = next;
                        if (!p[n])
                                break;
                        p += n + 1;
                }
                *at = e->entries[i].value;
        }

        r = arrays_make(&root, a);
        if (r < 0)
                return r;
        *ret = root;
        return 0;
}
