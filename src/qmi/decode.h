/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/schema.h"
#include "qmi/value.h"

/* Bytes to values, field by field: what message.c decodes TLVs with. */

typedef struct Cursor {
        const uint8_t *next;
        size_t left;
        Arena *arena;
        bool masks;         /* private values are overwritten in the input, which then can be written to */
        unsigned n_private; /* enclosing fields that are private */
} Cursor;

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
/* A secret, or of class identity. */
bool decode_field_is_private(const SchemaField *f);
