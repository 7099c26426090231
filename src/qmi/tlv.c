/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmi/tlv.h"

int tlv_next(TlvReader *r, Tlv *ret) {
        uint16_t n;

        if (r->left == 0)
                return 0;
        if (r->left < TLV_HEADER_SIZE)
                return -EBADMSG;
        n = read_le16(r->next + 1);
        if (n > r->left - TLV_HEADER_SIZE)
                return -EBADMSG;

        *ret = (Tlv){ .id = r->next[0], .n_bytes = n, .bytes = r->next + TLV_HEADER_SIZE };
        r->next += TLV_HEADER_SIZE + n;
        r->left -= TLV_HEADER_SIZE + n;
        return 1;
}

int tlv_find(const uint8_t *tlvs, size_t n_tlvs, uint8_t id, Tlv *ret) {
        TlvReader r = tlv_reader(tlvs, n_tlvs);
        Tlv t;

        while (tlv_next(&r, &t) > 0)
                if (t.id == id) {
                        *ret = t;
                        return 1;
                }
        return 0;
}

int tlv_result(const uint8_t *tlvs, size_t n_tlvs) {
        uint16_t error;
        Tlv t;

        if (tlv_find(tlvs, n_tlvs, TLV_RESULT, &t) == 0)
                return -ENODATA;
        if (t.n_bytes < 4)
                return -EBADMSG;
        if (read_le16(t.bytes) == 0)
                return 0;
        error = read_le16(t.bytes + 2);
        return error > 0 ? error : 1;
}

static int reserve(TlvWriter *w, size_t n) {
        size_t n_allocated;
        uint8_t *bytes;

        if (n > TLVS_MAX - w->n_bytes)
                return -EMSGSIZE;
        if (w->n_bytes + n <= w->n_allocated)
                return 0;

        /* Not realloc(): what is moved may be a secret. */
        n_allocated = MAX(w->n_bytes + n, w->n_allocated > 0 ? 2 * w->n_allocated : 256);
        bytes = malloc(n_allocated);
        if (!bytes)
                return -ENOMEM;
        if (w->n_bytes > 0)
                memcpy(bytes, w->bytes, w->n_bytes);
        if (w->bytes)
                explicit_bzero(w->bytes, w->n_bytes);
        free(w->bytes);
        w->bytes = bytes;
        w->n_allocated = n_allocated;
        return 0;
}

void tlv_writer_done(TlvWriter *w) {
        free(w->bytes);
        *w = (TlvWriter){};
}

void tlv_writer_erase(TlvWriter *w) {
        if (w->bytes)
                explicit_bzero(w->bytes, w->n_allocated);
        tlv_writer_done(w);
}

int tlv_append(TlvWriter *w, const void *bytes, size_t n_bytes) {
        int r;

        r = reserve(w, n_bytes);
        if (r < 0)
                return r;
        if (n_bytes > 0)
                memcpy(w->bytes + w->n_bytes, bytes, n_bytes);
        w->n_bytes += n_bytes;
        return 0;
}

int tlv_open(TlvWriter *w, uint8_t id) {
        const uint8_t header[TLV_HEADER_SIZE] = { id };
        int start = (int) w->n_bytes, r;

        r = tlv_append(w, header, sizeof(header));
        return r < 0 ? r : start;
}

int tlv_close(TlvWriter *w, size_t start) {
        assert(start + TLV_HEADER_SIZE <= w->n_bytes);

        write_le16(w->bytes + start + 1, (uint16_t) (w->n_bytes - start - TLV_HEADER_SIZE));
        return 0;
}

int tlv_put(TlvWriter *w, uint8_t id, const void *bytes, size_t n_bytes) {
        uint8_t header[TLV_HEADER_SIZE] = { id };
        int r;

        if (n_bytes > UINT16_MAX)
                return -EMSGSIZE;
        write_le16(header + 1, (uint16_t) n_bytes);
        r = reserve(w, sizeof(header) + n_bytes);
        if (r < 0)
                return r;
        (void) tlv_append(w, header, sizeof(header));
        return tlv_append(w, bytes, n_bytes);
}
