/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/value.h"

/* QMUX framing and the QMI message inside. One frame is
 *
 *   0x01 | length u16 (all after the marker) | flags u8 | service u8 | client id u8 | message
 *
 * and a message is
 *
 *   CTL:      flags u8 (1 response, 2 indication) | transaction u8  | id u16 | TLV length u16 | TLVs
 *   services: flags u8 (2 response, 4 indication) | transaction u16 | id u16 | TLV length u16 | TLVs
 *
 * All little-endian. Facts: services.csv and qmi-proxy notes; the recordings in tests/data. */

#define QMUX_MARKER      0x01
#define QMUX_HEADER_SIZE 6U
#define QMUX_MAX         (1U + 0xFFFF)

#define QMI_SERVICE_CTL 0x00
#define QMI_CLIENT_ALL  0xFF

typedef enum QmiMessageType {
        QMI_REQUEST,
        QMI_RESPONSE,
        QMI_INDICATION,
        _QMI_MESSAGE_TYPE_INVALID = -EINVAL,
} QmiMessageType;

/* A message taken apart. `tlvs` points into the frame; TLVs are not checked yet. */
typedef struct QmiMessage {
        uint16_t service;
        uint8_t client; /* 0xFF: every client of the service */
        QmiMessageType type;
        uint16_t transaction;
        uint16_t id;
        const uint8_t *tlvs;
        size_t n_tlvs; /* bytes */
} QmiMessage;

/* Takes the frame at `frame` apart. It must be one whole frame (as the framer hands out).
 * 0, or -EBADMSG if the message does not hold what its lengths say (a TLV length field larger than the
 * rest; bytes after the TLVs are tolerated and ignored). */
int frame_parse(const uint8_t *frame, size_t n_frame, QmiMessage *ret);

/* Builds a frame from the host into `buffer` (flags byte 0x00; the simulator sends 0x80).
 * The number of bytes, or -ENOBUFS / -EMSGSIZE. CTL takes transactions up to 255: -ERANGE. */
ssize_t frame_build(const QmiMessage *m, uint8_t qmux_flags, uint8_t *buffer, size_t n_buffer);

/* Finds frames in a stream that comes in chunks of any size. Bytes before a marker, and a marker whose
 * length or flags (0x00 from the host, 0x80 from the modem) cannot be a frame's, are skipped one by one and
 * counted. A frame that was cut short, or whose length is too large, would swallow the next ones: where more
 * bytes are needed, its TLVs do not add up or no marker follows, a sound frame from the modem within it ends
 * it. */
typedef struct Framer {
        uint8_t *buffer; /* owned; QMUX_MAX and one chunk, when the frames are taken out after each */
        size_t n_buffer, n_allocated;
        size_t erased;   /* how much has been overwritten of what was taken out */
        size_t n_stale;  /* how much there was before framer_reset(), and is not erased yet */
        size_t position; /* of the next frame in the buffer */
        size_t searched; /* how far the frame at `position` has been searched for a sound one, from there */
        uint64_t n_garbage; /* bytes skipped so far */
} Framer;

void framer_done(Framer *f);
/* Forgets what is buffered: for a port that was opened anew. A frame that was taken out stays as it is until
 * framer_erase(). */
void framer_reset(Framer *f);
/* Overwrites what has been taken out: nobody looks at it any more. */
void framer_erase(Framer *f);
/* Copies a chunk in. 0 or -ENOMEM. */
int framer_push(Framer *f, const uint8_t *bytes, size_t n_bytes);
/* 1 and the next whole frame (valid until the next framer_push), or 0 when more bytes are needed. */
int framer_next(Framer *f, const uint8_t **ret_frame, size_t *ret_n_frame);
