/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/pack.h"

void packer_done(Packer *p) {
        free(p->data);
        *p = PACKER_INIT;
}

/* Room for `size` bytes at the end; NULL after an error. */
static uint8_t *packer_extend(Packer *p, size_t size) {
        uint8_t *end;

        if (p->error)
                return NULL;
        if (size > PACK_MAX - p->size) {
                p->error = -EFBIG;
                return NULL;
        }
        if (p->size + size > p->n_allocated) {
                size_t least = MAX(p->size + size, (size_t) 256);
                size_t n = MAX(2 * p->n_allocated, least);
                uint8_t *data = realloc(p->data, n);

                if (!data) {
                        p->error = -ENOMEM;
                        return NULL;
                }
                p->data = data;
                p->n_allocated = n;
        }
        end = p->data + p->size;
        p->size += size;
        return end;
}

static void write_le(uint8_t *bytes, uint64_t v, size_t size) {
        for (size_t i = 0; i < size; i++)
                bytes[i] = (uint8_t) (v >> 8 * i);
}

static void pack_le(Packer *p, uint64_t v, size_t size) {
        uint8_t *bytes = packer_extend(p, size);

        if (bytes)
                write_le(bytes, v, size);
}

void pack_bool(Packer *p, bool v) {
        pack_le(p, v, 1);
}

void pack_u8(Packer *p, uint8_t v) {
        pack_le(p, v, 1);
}

void pack_u16(Packer *p, uint16_t v) {
        pack_le(p, v, 2);
}

void pack_u32(Packer *p, uint32_t v) {
        pack_le(p, v, 4);
}

void pack_u64(Packer *p, uint64_t v) {
        pack_le(p, v, 8);
}

void pack_bytes(Packer *p, const void *data, size_t size) {
        uint8_t *bytes;

        if (size > PACK_MAX) {
                p->error = p->error ?: -EFBIG;
                return;
        }
        pack_u32(p, (uint32_t) size);
        bytes = packer_extend(p, size);
        if (bytes && size > 0)
                memcpy(bytes, data, size);
}

void pack_string(Packer *p, const char *s) {
        pack_bytes(p, s, strlen(s) + 1); /* with its end, so that it can be used where it lies */
}

size_t pack_part_begin(Packer *p) {
        pack_u32(p, 0);
        return p->size;
}

void pack_part_end(Packer *p, size_t begin) {
        if (!p->error)
                write_le(p->data + begin - 4, p->size - begin, 4);
}

void unpacker_init(Unpacker *u, const void *data, size_t size) {
        *u = (Unpacker){ .data = data, .size = size };
}

void unpack_fail(Unpacker *u) {
        u->error = -EBADMSG;
        u->size = 0;
}

/* The next `size` bytes; NULL after an error. */
static const uint8_t *unpack_take(Unpacker *u, size_t size) {
        const uint8_t *bytes = u->data;

        if (u->error)
                return NULL;
        if (size > u->size) {
                unpack_fail(u);
                return NULL;
        }
        if (size > 0)
                u->data += size;
        u->size -= size;
        return bytes;
}

static uint64_t unpack_le(Unpacker *u, size_t size) {
        const uint8_t *bytes = unpack_take(u, size);
        uint64_t v = 0;

        for (size_t i = 0; bytes && i < size; i++)
                v |= (uint64_t) bytes[i] << 8 * i;
        return v;
}

bool unpack_bool(Unpacker *u) {
        uint8_t v = unpack_u8(u);

        if (v > 1)
                unpack_fail(u);
        return v == 1;
}

uint8_t unpack_u8(Unpacker *u) {
        return (uint8_t) unpack_le(u, 1);
}

uint16_t unpack_u16(Unpacker *u) {
        return (uint16_t) unpack_le(u, 2);
}

uint32_t unpack_u32(Unpacker *u) {
        return (uint32_t) unpack_le(u, 4);
}

uint64_t unpack_u64(Unpacker *u) {
        return unpack_le(u, 8);
}

const uint8_t *unpack_bytes(Unpacker *u, size_t *ret_size) {
        size_t size = unpack_u32(u);
        const uint8_t *bytes = unpack_take(u, size);

        *ret_size = bytes ? size : 0;
        return bytes;
}

const char *unpack_string(Unpacker *u) {
        size_t size;
        const uint8_t *bytes = unpack_bytes(u, &size);

        if (!bytes)
                return "";
        if (size == 0 || memchr(bytes, '\0', size) != bytes + size - 1) {
                unpack_fail(u);
                return "";
        }
        return (const char *) bytes;
}

Unpacker unpack_part(Unpacker *u) {
        size_t size;
        const uint8_t *bytes = unpack_bytes(u, &size);

        return (Unpacker){ .data = bytes, .size = size, .error = u->error };
}

int unpack_end(const Unpacker *u) {
        return u->error || u->size > 0 ? -EBADMSG : 0;
}
