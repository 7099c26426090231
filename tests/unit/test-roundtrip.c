/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generate.h"
#include "unit.h"

/* Every TLV of the tables that are linked in, values to bytes and back, and cut short everywhere. */

/* A message that has this TLV only. */
static SchemaMessage message_of(size_t tlv) {
        return (SchemaMessage){ .response = { .first = (uint16_t) tlv, .n = 1 } };
}

static void check_truncated(const SchemaMessage *m, const uint8_t *tlv, size_t n_tlv) {
        for (size_t n = TLV_HEADER_SIZE; n < n_tlv; n++) {
                _cleanup_free_ uint8_t *copy = malloc(n); /* so that reading past the end shows */
                Arena a;
                Value v;

                check(copy);
                memcpy(copy, tlv, n);
                write_le16(copy + 1, (uint16_t) (n - TLV_HEADER_SIZE));
                arena_init(&a);
                check_int(message_decode(m, QMI_INDICATION, 0, copy, n, &a, &v), 0);
                arena_done(&a);
        }
}

/* `size`: of what it was encoded in at most. */
static void check_tlv(size_t tlv, Source source, bool truncate) {
        const SchemaField *f = &schema_tlvs[tlv].field;
        SchemaMessage m = message_of(tlv);
        CodecError error = {};
        TlvWriter w = {}, again = {};
        Value v, decoded;
        Arena a;

        arena_init(&a);
        v = generate_message(&m, QMI_INDICATION, 0, true, &source, &a);
        if (message_encode(&m, QMI_INDICATION, 0, &v, &w, &error) < 0) {
                fprintf(stderr, "TLV 0x%02x: %s\n", schema_tlvs[tlv].id, error.text);
                exit(1);
        }
        check_int(message_decode(&m, QMI_INDICATION, 0, w.bytes, w.n_bytes, &a, &decoded), 0);
        if (!value_equal(&v, &decoded)) {
                fprintf(stderr, "TLV 0x%02x, %s: differs after decoding\n", schema_tlvs[tlv].id,
                        schema_string(f->name));
                exit(1);
        }
        check_int(message_encode(&m, QMI_INDICATION, 0, &decoded, &again, &error), 0);
        check_bytes(again.bytes, again.n_bytes, w.bytes, w.n_bytes);
        if (truncate)
                check_truncated(&m, w.bytes, w.n_bytes);
        tlv_writer_done(&w);
        tlv_writer_done(&again);
        arena_done(&a);
}

int main(void) {
        static uint8_t bytes[4096];
        uint32_t state = 1;

        check(schema_n_tlvs > 0);
        for (size_t i = 0; i < schema_n_tlvs; i++) {
                static const uint8_t extremes[] = { 0, 1, 2, 3, 0xFF };

                for (size_t k = 0; k < ELEMENTSOF(extremes); k++) {
                        memset(bytes, extremes[k], sizeof(bytes));
                        check_tlv(i, (Source){ .next = bytes, .left = sizeof(bytes) }, k == 0 || k == 2);
                }
                for (size_t k = 0; k < 6; k++) {
                        for (size_t n = 0; n < sizeof(bytes); n++) {
                                state = state * 1664525 + 1013904223;
                                bytes[n] = (uint8_t) (state >> 24);
                        }
                        check_tlv(i, (Source){ .next = bytes, .left = sizeof(bytes) }, k == 0);
                }
        }
        return 0;
}
