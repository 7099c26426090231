/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/arena.h"
#include "util/util.h"

/* A decoded QMI value, or one that is to be encoded: the shapes of the D-Bus contract without D-Bus.
 * All memory belongs to an Arena; nothing is freed one by one. Strings and bytes may point into the
 * frame they were decoded from, which must then live as long as the value. */

typedef enum ValueType {
        VALUE_BOOL = 'b',
        VALUE_U8 = 'y',
        VALUE_I16 = 'n',
        VALUE_U16 = 'q',
        VALUE_I32 = 'i',
        VALUE_U32 = 'u',
        VALUE_I64 = 'x',
        VALUE_U64 = 't',
        VALUE_DOUBLE = 'd',
        VALUE_STRING = 's', /* valid UTF-8, NUL-terminated */
        VALUE_BYTES = 'A',  /* ay */
        VALUE_ARRAY = 'a',  /* of one type, which `signature` says */
        VALUE_DICT = '{',   /* a{sv} */
        VALUE_TLVS = 'T',   /* a(yay): TLVs as they came */
} ValueType;

typedef struct Value Value;
typedef struct ValueEntry ValueEntry;

/* One TLV, not decoded. `bytes` points into whatever it was read from. */
typedef struct Tlv {
        uint8_t id;
        uint16_t n_bytes;
        const uint8_t *bytes;
} Tlv;

struct Value {
        ValueType type;
        uint32_t n;            /* bytes, elements, entries or TLVs */
        uint32_t n_allocated;  /* dictionary: entries that there is room for */
        const char *signature; /* array: the D-Bus signature of one element ("q", "s", "a{sv}", "aq") */
        union {
                bool boolean;
                uint64_t u64; /* every unsigned type */
                int64_t i64;  /* every signed type */
                double number;
                const char *string;
                const uint8_t *bytes;
                Value *elements;
                ValueEntry *entries;
                Tlv *tlvs;
        };
};

struct ValueEntry {
        const char *key; /* with underscores, as in D-Bus dictionaries */
        Value value;
};

/* Adds a key to a dictionary (which may be a zeroed VALUE_DICT) and returns the place for its value;
 * NULL when the arena is used up. Keys are not checked for duplicates; `key` is not copied. */
Value *value_dict_add(Value *dict, Arena *a, const char *key);

/* NULL if it is not there, or `dict` is no dictionary. */
const Value *value_dict_get(const Value *dict, const char *key);

/* Any integer type as a number. 0, or -ERANGE (u64 above INT64_MAX into signed), -EINVAL (no integer). */
int value_get_u64(const Value *v, uint64_t *ret);
int value_get_i64(const Value *v, int64_t *ret);

bool value_equal(const Value *a, const Value *b);
