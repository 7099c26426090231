/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "args.h"
#include "bus.h"
#include "bus/value.h"
#include "input.h"
#include "json.h"
#include "output.h"
#include "reply.h"
#include "services.h"

#define MESSAGE_TIMEOUT_DEFAULT_S 10U

/* Takes the words, and has the encoder of the daemon look at them: what would be refused there is refused
 * here, before anything is sent or started. */
static int parse_request(const SchemaMessage *m, const char *title, char **words, size_t n_words, Arena *a,
                         Value *ret) {
        static const ArgsInput input = { .read = input_read, .ask = input_ask };
        _cleanup_(tlv_writer_erase) TlvWriter w = {};
        CodecError error = {};
        int r;

        r = args_parse(m, words, n_words, &input, a, ret, &error);
        if (r >= 0)
                r = message_encode(m, QMI_REQUEST, m->vendor, ret, &w, &error);
        if (r >= 0)
                return EXIT_OK;
        if (*error.text)
                return cli_error(EXIT_USAGE, "%s: %s", title, error.text);
        return r == -ENOMEM ? cli_oom() : EXIT_USAGE; /* the input has said why */
}

static int print_response(const Options *o, const SchemaMessage *m, const Value *response) {
        if (o->json != JSON_OFF)
                return json_print(stdout, response, o->json);
        output_dict(stdout, m, QMI_RESPONSE, response, 0);
        return EXIT_OK;
}

/* The method of the message, or Device.Request, which has options. */
static int new_call(const Options *o, sd_bus *bus, const char *device, const SchemaService *service,
                    const SchemaMessage *m, sd_bus_message **ret) {
        int r;

        if (!o->force)
                return bus_new_call(bus, device, schema_string(service->interface), schema_string(m->member),
                                    ret);
        r = bus_new_call(bus, device, QMID_DEVICE_INTERFACE, "Request", ret);
        if (r != EXIT_OK)
                return r;
        r = sd_bus_message_append(*ret, "ss", schema_string(service->name), schema_string(m->name));
        return r < 0 ? cli_oom() : EXIT_OK;
}

/* Device.Request gives a failure that the modem reports as data. */
static int read_result(sd_bus_message *reply, const char *title) {
        const char *result;
        int r;

        r = sd_bus_message_read(reply, "s", &result);
        if (r < 0)
                return bus_fail_errno(title, r);
        if (streq(result, "success"))
                return EXIT_OK;
        return cli_error(EXIT_REFUSED, "%s: the modem answered: %s", title, result);
}

int verb_call(const Options *o, char **args, size_t n_args) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *device = NULL;
        _cleanup_(arena_erase) Arena a;
        const SchemaService *service;
        const SchemaMessage *m;
        Value request, response;
        const char *title;
        uint64_t timeout_sec;
        int r, result;

        arena_init(&a);
        r = service_find(args[0], &service);
        if (r != EXIT_OK)
                return r;
        if (service->id == QMI_SERVICE_CTL)
                return cli_error(EXIT_USAGE, "ctl is qmid's own, nobody else speaks on it");
        r = message_find(service, args[1], &m);
        if (r != EXIT_OK)
                return r;
        title = message_title(m, &a);
        if (!title)
                return cli_oom();
        r = parse_request(m, title, args + 2, n_args - 2, &a, &request);
        if (r != EXIT_OK)
                return r;

        r = bus_connect(o, &bus);
        if (r != EXIT_OK)
                return r;
        r = bus_find_device(o, bus, &device);
        if (r != EXIT_OK)
                return r;
        r = new_call(o, bus, device, service, m, &call);
        if (r != EXIT_OK)
                return r;
        if (m->flags & SCHEMA_HAS_SECRET) {
                r = sd_bus_message_sensitive(call);
                if (r < 0)
                        return bus_fail_errno(title, r);
        }
        r = bus_append_dict(call, &request);
        if (r < 0)
                return bus_fail_errno(title, r);
        if (o->force) {
                r = sd_bus_message_append(call, "a{sv}", 1, "force", "b", 1);
                if (r < 0)
                        return bus_fail_errno(title, r);
        }
        timeout_sec = m->timeout_sec ?: MESSAGE_TIMEOUT_DEFAULT_S;
        r = bus_call(o, bus, call, title, timeout_sec * USEC_PER_SEC + BUS_TIMEOUT_USEC, &reply);
        if (r != EXIT_OK)
                return r;
        if (m->flags & SCHEMA_HAS_SECRET) {
                r = sd_bus_message_sensitive(reply);
                if (r < 0)
                        return bus_fail_errno(title, r);
        }

        result = o->force ? read_result(reply, title) : EXIT_OK;
        r = reply_read(reply, &a, &response);
        if (r >= 0 && response.type != VALUE_DICT)
                r = -EBADMSG;
        if (r < 0)
                return bus_fail_errno(title, r);
        r = print_response(o, m, &response); /* of a failure, too: how many tries are left */
        return result != EXIT_OK ? result : r;
}
