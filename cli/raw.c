/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"
#include "bus/value.h"
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

/* "01:0a0b": one TLV. "0102000a0b": whole TLVs, as they are on the wire. The bytes of all of them. */
static int parse_tlvs(char **words, size_t n_words, Arena *a, TlvWriter *w) {
        for (size_t i = 0; i < n_words; i++) {
                const char *colon = strchr(words[i], ':'), *id_word;
                const uint8_t *bytes, *id = NULL;
                size_t n_bytes, n_id = 0;
                TlvReader reader;
                Tlv tlv;
                int r;

                if (colon) {
                        id_word = arena_strndup(a, words[i], (size_t) (colon - words[i]));
                        if (!id_word)
                                return cli_oom();
                        r = hex_parse(id_word, a, &id, &n_id);
                        if (r >= 0 && n_id != 1)
                                r = -EINVAL;
                        if (r >= 0)
                                r = hex_parse(colon + 1, a, &bytes, &n_bytes);
                } else
                        r = hex_parse(words[i], a, &bytes, &n_bytes);
                if (r == -EINVAL)
                        return cli_error(EXIT_USAGE,
                                         "raw: '%s' is neither ID:BYTES nor the bytes of whole TLVs, in "
                                         "hexadecimal",
                                         words[i]);
                if (r < 0)
                        return cli_oom();

                if (colon)
                        r = tlv_put(w, id[0], bytes, n_bytes);
                else {
                        reader = tlv_reader(bytes, n_bytes);
                        while ((r = tlv_next(&reader, &tlv)) > 0) {
                                r = tlv_put(w, tlv.id, tlv.bytes, tlv.n_bytes);
                                if (r < 0)
                                        break;
                        }
                }
                if (r == -EBADMSG)
                        return cli_error(EXIT_USAGE, "raw: '%s' does not end where its last TLV ends",
                                         words[i]);
                if (r == -EMSGSIZE)
                        return cli_error(EXIT_USAGE, "raw: more bytes than a QMI message can carry");
                if (r < 0)
                        return cli_oom();
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

/* The result, where it is a failure, as an exit code. */
static int check_result(const char *title, const Value *response) {
        for (uint32_t i = 0; i < response->n; i++) {
                const Tlv *t = &response->tlvs[i];
                _cleanup_(tlv_writer_done) TlvWriter w = {};
                const char *symbol;
                int r;

                if (t->id != TLV_RESULT)
                        continue;
                r = tlv_put(&w, t->id, t->bytes, t->n_bytes);
                if (r < 0)
                        return cli_oom();
                r = tlv_result(w.bytes, w.n_bytes);
                if (r == 0)
                        return EXIT_OK;
                if (r < 0)
                        return cli_error(EXIT_REFUSED, "%s: the answer's result cannot be read", title);
                symbol = schema_error_symbol((uint16_t) r);
                return cli_error(EXIT_REFUSED, "%s: the modem answered: error %d%s%s", title, r,
                                 symbol ? ", " : "", symbol ?: "");
        }
        return EXIT_OK;
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
        uint16_t id;
        int r, q;

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
        r = sd_bus_message_append(call, "a{sv}", 0);
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
        r = print_tlvs(o, &response);
        q = check_result(title, &response);
        return r != EXIT_OK ? r : q;
}
