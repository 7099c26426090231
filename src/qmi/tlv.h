/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/value.h"

/* The TLVs of one message: id u8, length u16, bytes. */

#define TLV_HEADER_SIZE 3U
#define TLV_RESULT      0x02 /* of a response: status u16 (0 success, 1 failure), error u16 */

/* What a QMUX frame can carry: its length field also counts five bytes of its own and seven of the message.
 */
#define TLVS_MAX (0xFFFFU - 5 - 7)

typedef struct TlvReader {
        const uint8_t *next;
        size_t left;
} TlvReader;

static inline TlvReader tlv_reader(const uint8_t *tlvs, size_t n_tlvs) {
        return (TlvReader){ .next = tlvs, .left = n_tlvs };
}

/* 1 and the next TLV; 0 at the end; -EBADMSG where the rest is no whole TLV (its length lies, or a stray
 * byte): the rest is then in `left` and can be told to the caller. */
int tlv_next(TlvReader *r, Tlv *ret);

/* The first TLV with that id: 1, 0 if there is none. */
int tlv_find(const uint8_t *tlvs, size_t n_tlvs, uint8_t id, Tlv *ret);

/* The result TLV of a response: 0 success, above 0 the QMI protocol error (never 0 on a failure: a status
 * of failure with error 0 gives 1, "malformed message"), -ENODATA without one, -EBADMSG if it is short. */
int tlv_result(const uint8_t *tlvs, size_t n_tlvs);

/* Bytes that grow, for TLVs that are written; TLVS_MAX at most. */
typedef struct TlvWriter {
        uint8_t *bytes; /* owned */
        size_t n_bytes, n_allocated;
} TlvWriter;

void tlv_writer_done(TlvWriter *w);
void tlv_writer_erase(TlvWriter *w);                                      /* overwrites, then done */
int tlv_put(TlvWriter *w, uint8_t id, const void *bytes, size_t n_bytes); /* 0, -EMSGSIZE, -ENOMEM */
int tlv_open(TlvWriter *w, uint8_t id);                                   /* the length is filled in by */
int tlv_close(TlvWriter *w, size_t start);                       /* tlv_close(w, what open returned) */
int tlv_append(TlvWriter *w, const void *bytes, size_t n_bytes); /* into the open TLV */
