/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/schema.h"
#include "qmi/value.h"

/* Bytes to values, field by field: what message.c decodes TLVs with. */

typedef struct Withheld Withheld;
typedef struct Path Path;

typedef struct Cursor {
        const uint8_t *next;
        size_t left;
        Arena *arena;
        Withheld *withheld; /* what the reader may not see is noted there and left out; NULL: he sees all */
        const Path *path;   /* the fields around what is decoded */
        bool masks;         /* private values are overwritten in the input, which then can be written to */
        unsigned n_private; /* enclosing fields that are private */
} Cursor;

/* The field that encloses another; NULL above the TLV. */
struct Path {
        const Path *outer;
        const SchemaField *field;
};

/* Of a message, or of one layout of a TLV. */
struct Withheld {
        AccessSet granted;
        AccessSet classes; /* of what was left out */
        Value keys;        /* VALUE_ARRAY of text: "lte.cell_id" */
};

/* What is to be known of a value beside it. */
typedef struct Aside {
        bool absent;          /* it is there and stands for no value */
        bool lossy;           /* a text that does not show its bytes, which are: */
        const uint8_t *bytes; /* (in the input) */
        size_t n_bytes;
} Aside;

/* A field, or a TLV, which is a field on its own. `words`: what the earlier fields of the struct hold, that
 * this one may refer to. 0, -EBADMSG, -ENOMEM. */
int decode_field(Cursor *c, const SchemaField *f, const uint64_t *words, uint64_t *ret_word, Value *ret,
                 Aside *aside);
/* Puts a field under its key, and beside it the bytes of a text that does not show them. */
int decode_add_field(Value *dict, Arena *a, const SchemaField *f, const Value *v, const Aside *aside);
/* Whether the reader may not see a field; notes its key then. -ENOMEM. */
int decode_withholds(Cursor *c, const SchemaField *f);
/* Notes a key, once. */
int withheld_add(Withheld *w, Arena *a, const char *key);
/* A secret, or of a class of ACCESS_PRIVATE. */
bool decode_field_is_private(const SchemaField *f);
