/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mux/pin-memory.h"

#include <sys/random.h>

#include "util/siphash.h"

#define UNDER_WAY_MAX 64U

typedef struct PinEntry {
        PinHash hash;
        PinVerdict verdict;
} PinEntry;

struct PinMemory {
        uint8_t key[SIPHASH_KEY_SIZE];
        size_t n;
        PinEntry entries[PIN_MEMORY_MAX]; /* the oldest first */
        size_t n_under_way;
        uint64_t under_way[UNDER_WAY_MAX]; /* SIMs, each as often as a code is on its way to it */
};

int pin_memory_new(PinMemory **ret) {
        PinMemory *p;

        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        if (getrandom(p->key, sizeof(p->key), 0) != (ssize_t) sizeof(p->key)) {
                int r = -errno;

                free(p);
                return r;
        }
        *ret = p;
        return 0;
}

PinMemory *pin_memory_free(PinMemory *p) {
        if (!p)
                return NULL;
        explicit_bzero(p, sizeof(*p));
        free(p);
        return NULL;
}

uint64_t pin_memory_hash(const PinMemory *p, const void *data, size_t size) {
        return siphash24(p->key, data, size);
}

static size_t find(const PinMemory *p, const PinHash *h) {
        size_t i;

        for (i = 0; i < p->n; i++)
                if (p->entries[i].hash.sim == h->sim && p->entries[i].hash.code == h->code)
                        break;
        return i;
}

PinVerdict pin_memory_get(const PinMemory *p, const PinHash *h) {
        size_t i = find(p, h);

        return i < p->n ? p->entries[i].verdict : PIN_UNKNOWN;
}

static void drop(PinMemory *p, size_t i) {
        p->n--;
        memmove(&p->entries[i], &p->entries[i + 1], (p->n - i) * sizeof(p->entries[0]));
}

void pin_memory_set(PinMemory *p, const PinHash *h, PinVerdict verdict) {
        size_t i = find(p, h);

        if (i < p->n)
                drop(p, i);
        if (verdict == PIN_UNKNOWN)
                return;
        if (p->n == PIN_MEMORY_MAX)
                drop(p, 0);
        p->entries[p->n++] = (PinEntry){ .hash = *h, .verdict = verdict };
}

void pin_memory_begin(PinMemory *p, uint64_t sim) {
        if (p->n_under_way < UNDER_WAY_MAX)
                p->under_way[p->n_under_way++] = sim;
}

void pin_memory_end(PinMemory *p, uint64_t sim) {
        for (size_t i = 0; i < p->n_under_way; i++)
                if (p->under_way[i] == sim) {
                        p->under_way[i] = p->under_way[--p->n_under_way];
                        return;
                }
}

unsigned pin_memory_count(const PinMemory *p, uint64_t sim) {
        unsigned n = 0;

        for (size_t i = 0; i < p->n_under_way; i++)
                n += p->under_way[i] == sim;
        return p->n_under_way == UNDER_WAY_MAX ? UNDER_WAY_MAX : n;
}

void pin_memory_save(const PinMemory *p, Packer *packer) {
        size_t part = pack_part_begin(packer);

        pack_bytes(packer, p->key, sizeof(p->key));
        for (size_t i = 0; i < p->n; i++) {
                pack_u64(packer, p->entries[i].hash.sim);
                pack_u64(packer, p->entries[i].hash.code);
                pack_u8(packer, (uint8_t) p->entries[i].verdict);
        }
        pack_part_end(packer, part);
}

int pin_memory_restore(PinMemory *p, Unpacker *u) {
        Unpacker part = unpack_part(u);
        PinMemory restored = {};
        const uint8_t *key;
        size_t n_key;

        key = unpack_bytes(&part, &n_key);
        if (part.error || n_key != sizeof(restored.key))
                return -EBADMSG;
        memcpy(restored.key, key, n_key);
        while (part.size > 0) {
                PinHash h;
                uint8_t verdict;

                h.sim = unpack_u64(&part);
                h.code = unpack_u64(&part);
                verdict = unpack_u8(&part);
                if (part.error || verdict == PIN_UNKNOWN || verdict >= _PIN_VERDICT_MAX)
                        return -EBADMSG;
                pin_memory_set(&restored, &h, (PinVerdict) verdict);
        }
        *p = restored;
        explicit_bzero(&restored, sizeof(restored));
        return 0;
}
