/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>

#include "bus/trace.h"
#include "bus/value.h"
#include "fuzz.h"
#include "qmi/codec.h"

/* A frame from the modem, all the way: to a message of the bus, built, sealed and read again, and to the
 * packet of a trace, masked, which must be as long as before. */

static sd_bus *bus;

/* Messages belong to a connection; nothing is ever sent on this one. */
static sd_bus *make_bus(void) {
        static int pair[2];
        sd_bus *b;

        must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        must(sd_bus_new(&b) >= 0 && sd_bus_set_fd(b, pair[0], pair[0]) >= 0 && sd_bus_start(b) >= 0);
        return b;
}

static void to_message(const SchemaMessage *schema, const QmiMessage *m, uint16_t vendor) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        _cleanup_(arena_erase) Arena arena, again;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Value dict, read;
        int r;

        arena_init(&arena);
        arena_init(&again);
        if (message_decode(schema, m->type, vendor, m->tlvs, m->n_tlvs, &arena, &dict) < 0)
                return;
        must(sd_bus_message_new_signal(bus, &signal, "/x", "x.y", "Z") >= 0);
        must(sd_bus_message_sensitive(signal) >= 0);
        must(bus_append_dict(signal, &dict) >= 0);
        must(sd_bus_message_seal(signal, 1, 0) >= 0);
        /* What is not for requests, such as raw TLVs, is refused; nothing is read wrong. */
        r = bus_read_dict(signal, &again, &read, &error);
        must(r >= 0 || sd_bus_error_is_set(&error) || r == -ENOMEM);
        sd_bus_error_free(&error);
        bus_erase_body(signal);
}

static void to_trace(const SchemaMessage *schema, const QmiMessage *m, const uint8_t *frame, size_t n_frame,
                     uint16_t vendor) {
        uint8_t head[TRACE_HEADER_SIZE];
        uint8_t *copy = malloc(n_frame);
        QmiMessage masked;

        must(copy);
        memcpy(copy, frame, n_frame);
        if (schema)
                message_mask(schema, m->type, vendor, copy + (m->tlvs - frame), m->n_tlvs);
        trace_header_write(&(TraceHeader){ .from_modem = true }, head);
        must(frame_parse(copy, n_frame, &masked) == 0 && masked.n_tlvs == m->n_tlvs && masked.id == m->id);
        free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_data) {
        Framer framer = {};
        const uint8_t *frame;
        size_t n_frame;

        if (!bus)
                bus = make_bus();
        must(framer_push(&framer, data, n_data) == 0);
        while (framer_next(&framer, &frame, &n_frame) > 0) {
                for (uint16_t vendor = 0; vendor <= 0x1199; vendor += 0x1199) {
                        const SchemaMessage *schema = NULL;
                        const SchemaService *s;
                        QmiMessage m;

                        if (frame_parse(frame, n_frame, &m) < 0)
                                break;
                        s = schema_service_by_id(m.service, vendor);
                        if (s)
                                schema = schema_message_by_id(s, m.type == QMI_INDICATION, m.id, vendor);
                        to_message(schema, &m, vendor);
                        to_trace(schema, &m, frame, n_frame, vendor);
                }
                framer_erase(&framer);
        }
        framer_done(&framer);
        return 0;
}
