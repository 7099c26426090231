/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/pack.h"

/* Which codes SIMs have rejected, so that none is sent there twice: two keyed hashes for each, of the SIM
 * (its ICCID) and of the code. The key is made at random, once, and kept beside them over a restart: they
 * keep what they stand for from logs and chance looks, not from somebody who reads the memory and has the
 * ICCID. One for all devices, as a SIM moves between them, and a modem may have two ports. */

typedef struct PinMemory PinMemory;

typedef enum PinVerdict {
        PIN_UNKNOWN,
        PIN_SENT, /* and nobody knows what came of it, or it is still under way */
        PIN_REJECTED,
        _PIN_VERDICT_MAX,
        _PIN_VERDICT_INVALID = -EINVAL,
} PinVerdict;

typedef struct PinHash {
        uint64_t sim, code;
} PinHash;

int pin_memory_new(PinMemory **ret);
PinMemory *pin_memory_free(PinMemory *p);
DEFINE_CLEANUP(PinMemory *, pin_memory_free)

uint64_t pin_memory_hash(const PinMemory *p, const void *data, size_t size);
PinVerdict pin_memory_get(const PinMemory *p, const PinHash *h);
/* PIN_UNKNOWN forgets it. Of more than PIN_MEMORY_MAX the oldest is forgotten. */
#define PIN_MEMORY_MAX 256U
void pin_memory_set(PinMemory *p, const PinHash *h, PinVerdict verdict);
/* How many were sent to a SIM and are under way: each may cost a try that no answer counts yet. */
void pin_memory_begin(PinMemory *p, uint64_t sim);
void pin_memory_end(PinMemory *p, uint64_t sim);
unsigned pin_memory_count(const PinMemory *p, uint64_t sim);

void pin_memory_save(const PinMemory *p, Packer *packer);
/* 0, -EBADMSG: it is as it was. */
int pin_memory_restore(PinMemory *p, Unpacker *u);
