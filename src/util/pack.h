/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "util/util.h"

/* Bytes for this program's own later self: what it keeps over a restart. Little endian, nothing aligned, no
 * names; reader and writer are the same version or the bytes are not read at all. An error sticks, so that
 * only the end of a long row of calls need be looked at. */

#define PACK_MAX (16U * 1024 * 1024)

typedef struct Packer {
        uint8_t *data;
        size_t size;
        size_t n_allocated;
        int error; /* 0, -ENOMEM, or -EFBIG: more than PACK_MAX */
} Packer;

void packer_done(Packer *p); /* empty, as PACKER_INIT, and the memory given back */
#define PACKER_INIT      ((Packer){ 0 })
#define _cleanup_packer_ _cleanup_(packer_done)

void pack_bool(Packer *p, bool v);
void pack_u8(Packer *p, uint8_t v);
void pack_u16(Packer *p, uint16_t v);
void pack_u32(Packer *p, uint32_t v);
void pack_u64(Packer *p, uint64_t v);
void pack_string(Packer *p, const char *s);                /* not NULL; any length */
void pack_bytes(Packer *p, const void *data, size_t size); /* with their number */

/* A part that its reader can skip, and cannot read beyond. What is between the two is the part's; parts
 * nest: size_t part = pack_part_begin(p); … pack_part_end(p, part); */
size_t pack_part_begin(Packer *p);
void pack_part_end(Packer *p, size_t begin);

typedef struct Unpacker {
        const uint8_t *data;
        size_t size; /* what is left */
        int error;   /* 0 or -EBADMSG */
} Unpacker;

void unpacker_init(Unpacker *u, const void *data, size_t size);

/* After an error: 0, "", an empty array, an empty part that has the error too. Strings and bytes lie in the
 * packed bytes: they live as long as these. A loop over a number that was read has to ask for the error. */
bool unpack_bool(Unpacker *u);
uint8_t unpack_u8(Unpacker *u);
uint16_t unpack_u16(Unpacker *u);
uint32_t unpack_u32(Unpacker *u);
uint64_t unpack_u64(Unpacker *u);
const char *unpack_string(Unpacker *u);
const uint8_t *unpack_bytes(Unpacker *u, size_t *ret_size);
Unpacker unpack_part(Unpacker *u);

/* For what was read and makes no sense: as if it could not be read. */
void unpack_fail(Unpacker *u);
/* 0 when all was read, and without an error; else -EBADMSG. */
int unpack_end(const Unpacker *u);
