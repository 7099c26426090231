/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmi/frame.h"

#include "qmi/tlv.h"

#define FLAGS_HOST  0x00
#define FLAGS_MODEM 0x80

/* Of a message. CTL numbers its types otherwise than the services do. */
#define CTL_HEADER_SIZE     6U
#define SERVICE_HEADER_SIZE 7U

static size_t message_header_size(uint16_t service) {
        return service == QMI_SERVICE_CTL ? CTL_HEADER_SIZE : SERVICE_HEADER_SIZE;
}

static QmiMessageType message_type(uint16_t service, uint8_t flags) {
        if (service != QMI_SERVICE_CTL)
                flags >>= 1; /* bit 0: one of several messages in a transaction, which nobody sends */
        switch (flags) {
        case 0:
                return QMI_REQUEST;
        case 1:
                return QMI_RESPONSE;
        case 2:
                return QMI_INDICATION;
        }
        return _QMI_MESSAGE_TYPE_INVALID;
}

int frame_parse(const uint8_t *frame, size_t n_frame, QmiMessage *ret) {
        const uint8_t *p = frame + QMUX_HEADER_SIZE;
        QmiMessage m = {};
        size_t n_header;

        if (n_frame < QMUX_HEADER_SIZE || frame[0] != QMUX_MARKER || read_le16(frame + 1) != n_frame - 1)
                return -EBADMSG;
        m.service = frame[4];
        m.client = frame[5];

        n_header = message_header_size(m.service);
        if (n_frame < QMUX_HEADER_SIZE + n_header)
                return -EBADMSG;
        m.type = message_type(m.service, p[0]);
        if (m.type < 0)
                return -EBADMSG;
        m.transaction = m.service == QMI_SERVICE_CTL ? p[1] : read_le16(p + 1);
        m.id = read_le16(p + n_header - 4);
        m.n_tlvs = read_le16(p + n_header - 2);
        if (m.n_tlvs > n_frame - QMUX_HEADER_SIZE - n_header)
                return -EBADMSG;
        m.tlvs = p + n_header;

        *ret = m;
        return 0;
}

ssize_t frame_build(const QmiMessage *m, uint8_t qmux_flags, uint8_t *buffer, size_t n_buffer) {
        bool ctl = m->service == QMI_SERVICE_CTL;
        size_t n_header = message_header_size(m->service), n;
        uint8_t *p = buffer + QMUX_HEADER_SIZE;

        if (m->service > UINT8_MAX || (ctl && m->transaction > UINT8_MAX))
                return -ERANGE;
        n = QMUX_HEADER_SIZE + n_header + m->n_tlvs;
        if (m->n_tlvs > QMUX_MAX || n > QMUX_MAX)
                return -EMSGSIZE;
        if (n > n_buffer)
                return -ENOBUFS;

        buffer[0] = QMUX_MARKER;
        write_le16(buffer + 1, (uint16_t) (n - 1));
        buffer[3] = qmux_flags;
        buffer[4] = (uint8_t) m->service;
        buffer[5] = m->client;

        if (ctl) {
                p[0] = (uint8_t) m->type;
                p[1] = (uint8_t) m->transaction;
        } else {
                p[0] = (uint8_t) (m->type << 1);
                write_le16(p + 1, m->transaction);
        }
        write_le16(p + n_header - 4, m->id);
        write_le16(p + n_header - 2, (uint16_t) m->n_tlvs);
        if (m->n_tlvs > 0)
                memcpy(p + n_header, m->tlvs, m->n_tlvs);
        return (ssize_t) n;
}

static void buffer_free(Framer *f) {
        if (f->buffer)
                explicit_bzero(f->buffer, MAX(f->n_buffer, f->n_stale));
        free(f->buffer);
}

void framer_done(Framer *f) {
        buffer_free(f);
        *f = (Framer){};
}

void framer_reset(Framer *f) {
        f->n_stale = MAX(f->n_stale, f->n_buffer);
        f->n_buffer = f->position = f->searched = f->erased = 0;
}

void framer_erase(Framer *f) {
        if (f->n_stale > f->n_buffer)
                explicit_bzero(f->buffer + f->n_buffer, f->n_stale - f->n_buffer);
        f->n_stale = 0;
        if (f->position > f->erased)
                explicit_bzero(f->buffer + f->erased, f->position - f->erased);
        f->erased = f->position;
}

int framer_push(Framer *f, const uint8_t *bytes, size_t n_bytes) {
        framer_erase(f);
        if (f->position > 0) {
                size_t n_left = f->n_buffer - f->position;

                memmove(f->buffer, f->buffer + f->position, n_left);
                explicit_bzero(f->buffer + n_left, f->n_buffer - n_left);
                f->n_buffer = n_left;
                f->position = f->erased = 0;
        }

        if (n_bytes > f->n_allocated - f->n_buffer) {
                size_t n = MAX(f->n_buffer + n_bytes, f->n_allocated > 0 ? 2 * f->n_allocated : 4096);
                uint8_t *p = malloc(n); /* not realloc(): what is moved may be a secret */

                if (!p)
                        return -ENOMEM;
                if (f->n_buffer > 0)
                        memcpy(p, f->buffer, f->n_buffer);
                buffer_free(f);
                f->buffer = p;
                f->n_allocated = n;
        }
        if (n_bytes > 0)
                memcpy(f->buffer + f->n_buffer, bytes, n_bytes);
        f->n_buffer += n_bytes;
        return 0;
}

/* Whether the bytes can be the beginning of a frame, as far as they are there. */
static bool may_be_frame(const uint8_t *p, size_t n) {
        if (n >= 1 && p[0] != QMUX_MARKER)
                return false;
        if (n >= 3 && read_le16(p + 1) + 1U < QMUX_HEADER_SIZE + CTL_HEADER_SIZE)
                return false;
        if (n >= 4 && p[3] != FLAGS_HOST && p[3] != FLAGS_MODEM)
                return false;
        if (n >= 5 && read_le16(p + 1) + 1U < QMUX_HEADER_SIZE + message_header_size(p[4]))
                return false;
        return true;
}

/* Whether a whole frame holds a message and nothing but whole TLVs. */
static bool frame_is_sound(const uint8_t *frame, size_t n_frame) {
        QmiMessage m;
        TlvReader reader;
        Tlv t;
        int r;

        if (frame_parse(frame, n_frame, &m) < 0 || m.tlvs + m.n_tlvs != frame + n_frame)
                return false;
        reader = tlv_reader(m.tlvs, m.n_tlvs);
        while ((r = tlv_next(&reader, &t)) > 0)
                ;
        return r == 0;
}

/* Looks for a sound frame from the modem that begins within the frame at `position`, and goes there. What
 * begins there and is not complete may be no frame either: it is not waited for, and looked at again when
 * there are more bytes. */
static bool skip_to_sound_frame(Framer *f, size_t n_frame) {
        const uint8_t *p = f->buffer + f->position;
        size_t n = f->n_buffer - f->position, n_searched = MIN(n, n_frame), n_inner;
        size_t incomplete = n_searched;

        for (size_t i = MAX(f->searched, (size_t) 1); i < n_searched; i++) {
                if (!may_be_frame(p + i, n - i))
                        continue;
                n_inner = n - i >= 3 ? read_le16(p + i + 1) + 1U : SIZE_MAX;
                if (n_inner > n - i) {
                        incomplete = MIN(incomplete, i);
                        continue;
                }
                if (p[i + 3] == FLAGS_MODEM && p[i + QMUX_HEADER_SIZE] != 0 /* no request */ &&
                    frame_is_sound(p + i, n_inner)) {
                        f->position += i;
                        f->n_garbage += i;
                        f->searched = 0;
                        return true;
                }
        }
        f->searched = incomplete;
        return false;
}

int framer_next(Framer *f, const uint8_t **ret_frame, size_t *ret_n_frame) {
        while (f->position < f->n_buffer) {
                const uint8_t *p = f->buffer + f->position;
                size_t n = f->n_buffer - f->position, n_frame;
                bool doubtful;

                if (!may_be_frame(p, n)) {
                        f->position++;
                        f->n_garbage++;
                        f->searched = 0;
                        continue;
                }
                if (n < QMUX_HEADER_SIZE)
                        return 0;

                n_frame = read_le16(p + 1) + 1U;
                doubtful = n < n_frame || (n > n_frame && p[n_frame] != QMUX_MARKER) ||
                           !frame_is_sound(p, n_frame);
                if (doubtful && skip_to_sound_frame(f, n_frame))
                        continue;
                if (n < n_frame)
                        return 0;

                f->position += n_frame;
                f->searched = 0;
                *ret_frame = p;
                *ret_n_frame = n_frame;
                return 1;
        }
        return 0;
}
