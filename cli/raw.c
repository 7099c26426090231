/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"
#include "bus/value.h"
#include "input.h"
#include "json.h"
#include "output.h"
#include "qmi/tlv.h"
#include "reply.h"
#include "scalar.h"

#define MESSAGE_TIMEOUT_SEC 10U

static int parse_id(const char *text, uint16_t *ret) {
        char *end;
        unsigned long v;

        errno = 0;
        v = strtoul(text, &end, 0);
        if (*text < '0' || *text > '9' || *end || errno != 0 || v > UINT16_MAX)
                return cli_error(EXIT_USAGE, "raw: '%s' is no message id, 0x0000 to 0xffff", text);
        *ret = (uint16_t) v;
        return EXIT_OK;
}

/* "01:0a0b": one TLV. "0102000a0b": whole TLVs, as they are on the wire. */
static int parse_bytes(const char *word, Arena *a, TlvWriter *w) {
        const char *colon = strchr(word, ':'), *id_word;
        const uint8_t *bytes, *id;
        size_t n_bytes, n_id;
        TlvReader reader;
        Tlv tlv;
        int r;

        if (colon) {
                id_word = arena_strndup(a, word, (size_t) (colon - word));
                if (!id_word)
                        return -ENOMEM;
                r = hex_parse(id_word, a, &id, &n_id);
                if (r < 0)
                        return r;
                if (n_id != 1)
                        return -EINVAL;
                r = hex_parse(colon + 1, a, &bytes, &n_bytes);
                if (r < 0)
                        return r;
                return tlv_put(w, id[0], bytes, n_bytes);
        }

        r = hex_parse(word, a, &bytes, &n_bytes);
        if (r < 0)
                return r;
        reader = tlv_reader(bytes, n_bytes);
        while ((r = tlv_next(&reader, &tlv)) > 0) {
                r = tlv_put(w, tlv.id, tlv.bytes, tlv.n_bytes);
                if (r < 0)
                        return r;
        }
        return r;
}

/* The words themselves are not shown when they are wrong: nobody knows what is in them. */
static int parse_tlv(const char *word, size_t number, Arena *a, TlvWriter *w) {
        int r;

        r = parse_bytes(word, a, w);
        switch (r) {
        case 0:
                return EXIT_OK;
        case -EINVAL:
                return cli_error(EXIT_USAGE,
                                 "raw: TLV argument %zu is neither ID:BYTES nor whole TLVs, in hexadecimal",
                                 number);
        case -EBADMSG:
                return cli_error(EXIT_USAGE, "raw: TLV argument %zu does not end where its last TLV ends",
                                 number);
        case -EMSGSIZE:
                return cli_error(EXIT_USAGE, "raw: more bytes than a QMI message can carry");
        default:
                return cli_oom();
        }
}

/* The bytes of all TLVs; "-" is a word that comes from standard input. */
static int parse_tlvs(char **words, size_t n_words, Arena *a, TlvWriter *w) {
        bool is_read = false;
        int r;

        for (size_t i = 0; i < n_words; i++) {
                _cleanup_(input_freep) char *input = NULL;

                if (streq(words[i], "-")) {
                        if (is_read)
                                return cli_error(EXIT_USAGE, "raw: standard input can only be read once");
                        is_read = true;
                        if (input_read(&input, NULL) < 0)
                                return EXIT_USAGE;
                }
                r = parse_tlv(input ?: words[i], i + 1, a, w);
                if (r != EXIT_OK)
                        return r;
        }
        return EXIT_OK;
}

static int append_tlvs(sd_bus_message *m, const TlvWriter *w, Arena *a) {
        TlvReader reader = tlv_reader(w->bytes, w->n_bytes);
        Tlv *tlvs = arena_alloc(a, w->n_bytes / TLV_HEADER_SIZE * sizeof(Tlv));
        size_t n = 0;

        if (!tlvs)
                return -ENOMEM;
        while (tlv_next(&reader, &tlvs[n]) > 0)
                n++;
        return bus_append_tlvs(m, tlvs, n);
}

static int print_tlvs(const Options *o, const Value *response) {
        if (o->json != JSON_OFF)
                return json_print(stdout, response, o->json);
        for (uint32_t i = 0; i < response->n; i++) {
                OutputLine l;

                printf("0x%02x  ", response->tlvs[i].id);
                l = output_line(stdout, 6);
                output_bytes(&l, response->tlvs[i].bytes, response->tlvs[i].n_bytes);
                putchar('\n');
        }
        return EXIT_OK;
}

int verb_raw(const Options *o, char **args, size_t n_args) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(tlv_writer_erase) TlvWriter w = {};
        _cleanup_free_ char *device = NULL;
        _cleanup_(arena_erase) Arena a;
        const SchemaService *service;
        const char *title;
        Value response;
        uint16_t id = 0;
        int r;

        arena_init(&a);
        r = parse_id(args[1], &id);
        if (r != EXIT_OK)
                return r;
        r = parse_tlvs(args + 2, n_args - 2, &a, &w);
        if (r != EXIT_OK)
                return r;
        service = schema_service_by_name(args[0]);
        title = service ? arena_printf(&a, "service 0x%02x message 0x%04x", service->id, id)
                        : arena_printf(&a, "service %s message 0x%04x", args[0], id);
        if (!title)
                return cli_oom();

        r = bus_connect(o, &bus);
        if (r != EXIT_OK)
                return r;
        r = bus_find_device(o, bus, &device);
        if (r != EXIT_OK)
                return r;
        r = bus_new_call(bus, device, QMID_DEVICE_INTERFACE, "Call", &call);
        if (r != EXIT_OK)
                return r;
        r = sd_bus_message_sensitive(call); /* nobody knows what the bytes are */
        if (r < 0)
                return bus_fail_errno(title, r);
        r = sd_bus_message_append(call, "sq", args[0], id);
        if (r < 0)
                return bus_fail_errno(title, r);
        r = append_tlvs(call, &w, &a);
        if (r < 0)
                return bus_fail_errno(title, r);
        r = o->force ? sd_bus_message_append(call, "a{sv}", 1, "force", "b", 1)
                     : sd_bus_message_append(call, "a{sv}", 0);
        if (r < 0)
                return bus_fail_errno(title, r);
        r = bus_call(o, bus, call, title, MESSAGE_TIMEOUT_SEC * USEC_PER_SEC + BUS_TIMEOUT_USEC, &reply);
        if (r != EXIT_OK)
                return r;
        r = sd_bus_message_sensitive(reply);
        if (r < 0)
                return bus_fail_errno(title, r);

        r = bus_read_tlvs(reply, &a, &response);
        if (r < 0)
                return bus_fail_errno(title, r);
        return print_tlvs(o, &response);
}
