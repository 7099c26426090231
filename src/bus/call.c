/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "bus/internal.h"
#include "bus/value.h"
#include "util/log.h"

struct BusCall {
        sd_bus_message *message;
        CallStyle style;
        BusDevice *device;
        BusClient *client; /* NULL: on the client that the daemon keeps for all */
        const SchemaMessage *schema;
        uint16_t service, id;
        Request *request;
        TAILQ_ENTRY(BusCall) entries;
};

static BusCall *call_free(BusCall *c) {
        if (!c)
                return NULL;
        request_cancel(c->request);
        if (c->device)
                TAILQ_REMOVE(&c->device->calls, c, entries);
        sd_bus_message_unref(c->message);
        free(c);
        return NULL;
}
DEFINE_CLEANUP(BusCall *, call_free)

/* The one place where a call gets its reply: an error if one is set, else `reply`. Consumes the call. */
static void call_finish(BusCall *c, int r, sd_bus_message *reply, const sd_bus_error *error) {
        if (r >= 0 && !sd_bus_error_is_set(error))
                r = sd_bus_send(NULL, reply, NULL);
        else if (sd_bus_error_is_set(error))
                r = sd_bus_reply_method_error(c->message, error);
        else
                r = sd_bus_reply_method_errno(c->message, r, NULL);
        if (r < 0)
                log_warning_errno(r, "Cannot reply to %s", sd_bus_message_get_sender(c->message));
        call_free(c);
}

/* Decodes the response and, where the result came as an indication, what that has, into one dictionary. */
static int call_decode(BusCall *c, const RequestOutcome *o, Arena *a, Value *ret) {
        uint16_t vendor = mux_get_vendor(device_get_mux(c->device->device));
        Value result;
        int r;

        r = message_decode(c->schema, QMI_RESPONSE, vendor, o->response->tlvs, o->response->n_tlvs, a, ret);
        if (r < 0 || !o->indication)
                return r;

        r = message_decode(&schema_messages[c->schema->result], QMI_INDICATION, vendor, o->indication->tlvs,
                           o->indication->n_tlvs, a, &result);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < result.n; i++) {
                const ValueEntry *e = &result.entries[i];
                Value *v = (Value *) (uintptr_t) value_dict_get(ret, e->key);

                if (!v)
                        v = value_dict_add(ret, a, e->key);
                if (!v)
                        return -ENOMEM;
                *v = e->value;
        }
        return 0;
}

static int call_reply_dict(BusCall *c, const RequestOutcome *o, const char *title, sd_bus_message **ret,
                           sd_bus_error *error) {
        int code = tlv_result(o->response->tlvs, o->response->n_tlvs), r;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        bool secret = c->schema->flags & SCHEMA_HAS_SECRET;
        const char *symbol;
        char number[16];
        Arena arena;
        Value dict;

        arena_init(&arena);
        r = call_decode(c, o, &arena, &dict);
        if (r < 0)
                goto finish;

        if (code > 0 && c->style == CALL_METHOD) {
                r = bus_error_set_qmi(error, title, (uint16_t) code, c->schema, &dict);
                goto finish;
        }
        r = sd_bus_message_new_method_return(c->message, &reply);
        if (r < 0)
                goto finish;
        if (secret) {
                r = sd_bus_message_sensitive(reply);
                if (r < 0)
                        goto finish;
        }
        if (c->style == CALL_REQUEST) {
                /* A response without a result TLV is taken as a success: early firmware leaves it out. */
                symbol = code <= 0 ? "success" : schema_error_symbol((uint16_t) code);
                if (!symbol) {
                        snprintf(number, sizeof(number), "%d", code);
                        symbol = number;
                }
                r = sd_bus_message_append(reply, "s", symbol);
                if (r < 0)
                        goto finish;
        }
        r = bus_append_dict(reply, &dict);
        if (r >= 0)
                *ret = TAKE_PTR(reply);
finish:
        if (secret)
                arena_erase(&arena);
        else
                arena_done(&arena);
        return r;
}

static int call_reply_raw(BusCall *c, const RequestOutcome *o, const char *title, sd_bus_message **ret,
                          sd_bus_error *error) {
        int code = tlv_result(o->response->tlvs, o->response->n_tlvs), r;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(arena_done) Arena arena;
        const Value *tlvs;
        Value dict;

        arena_init(&arena);
        if (code > 0)
                return bus_error_set_qmi(error, title, (uint16_t) code, NULL, NULL);

        /* Without a row of the schema every TLV is unknown; of a response the result would be left out. */
        r = message_decode(NULL, QMI_INDICATION, 0, o->response->tlvs, o->response->n_tlvs, &arena, &dict);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(c->message, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_sensitive(reply);
        if (r < 0)
                return r;
        tlvs = value_dict_get(&dict, "unknown_tlvs");
        r = bus_append_tlvs(reply, tlvs ? tlvs->tlvs : NULL, tlvs ? tlvs->n : 0);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(reply);
        return 0;
}

static void call_on_done(const RequestOutcome *o, void *userdata) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char buffer[MESSAGE_TITLE_MAX];
        BusCall *c = userdata;
        const char *title;
        int r;

        c->request = NULL;
        title = service_message_title(c->schema, c->service, c->id, buffer, sizeof(buffer));
        if (o->state != REQUEST_ANSWERED)
                r = bus_error_set_outcome(&error, title, o);
        else if (c->style == CALL_RAW)
                r = call_reply_raw(c, o, title, &reply, &error);
        else
                r = call_reply_dict(c, o, title, &reply, &error);
        call_finish(c, r, reply, &error);
}

/* Which client the request runs on: that of the object, else as the kind of the message says. */
static int call_choose_client(sd_bus_message *m, const CallSpec *spec, BusClient **ret_bus, Client **ret,
                              sd_bus_error *error) {
        const char *sender = sd_bus_message_get_sender(m);
        Mux *mux = device_get_mux(spec->device->device);
        MessageKind kind = spec->schema ? (MessageKind) spec->schema->kind : KIND_CLIENT;
        char buffer[MESSAGE_TITLE_MAX];
        const char *title;
        BusClient *c = spec->client;
        int r;

        title = service_message_title(spec->schema, spec->service, spec->message, buffer, sizeof(buffer));
        if (c && !streq(c->caller->name, sender))
                return sd_bus_error_setf(error, QMID_ERROR_NOT_OWNER, "%s belongs to %s", c->path,
                                         c->caller->name);
        if (kind == KIND_SESSION && (!c || c->implicit))
                return sd_bus_error_setf(
                        error, QMID_ERROR_INVALID_ARGUMENT,
                        "%s: belongs to a data call and needs a client of its own: call it on the "
                        "object that Device.OpenClient gives",
                        title);
        if (!c && (kind == KIND_QUERY || kind == KIND_COMMAND)) {
                r = mux_get_shared_client(mux, spec->service, ret);
                return r < 0 ? bus_error_set_mux(error, mux, title, r) : 0;
        }
        if (!c) {
                r = bus_client_get_implicit(spec->device, sender, spec->service, &c);
                if (r < 0)
                        return bus_error_set_mux(error, mux, title, r);
        }
        *ret_bus = c;
        *ret = c->client;
        return 0;
}

static int check_share(sd_bus_message *m, BusDevice *d, sd_bus_error *error) {
        const char *sender = sd_bus_message_get_sender(m);
        const BusCall *c;
        unsigned n = 0;

        TAILQ_FOREACH(c, &d->calls, entries)
                n += streq(sd_bus_message_get_sender(c->message), sender);
        if (n >= CALLER_CALLS_MAX)
                return sd_bus_error_setf(error, QMID_ERROR_LIMITS_EXCEEDED,
                                         "you have %u calls under way already", n);
        return 0;
}

int bus_call_start(sd_bus_message *m, const CallSpec *spec, sd_bus_error *error) {
        Mux *mux = device_get_mux(spec->device->device);
        _cleanup_(call_freep) BusCall *c = NULL;
        char buffer[MESSAGE_TITLE_MAX];
        BusClient *of_bus = NULL;
        const Owner *owner;
        Client *client;
        int r;

        r = check_share(m, spec->device, error);
        if (r < 0)
                return r;
        r = call_choose_client(m, spec, &of_bus, &client, error);
        if (r < 0)
                return r;
        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (BusCall){
                .message = sd_bus_message_ref(m),
                .style = spec->style,
                .client = of_bus,
                .schema = spec->schema,
                .service = spec->service,
                .id = spec->message,
        };

        owner = of_bus ? &of_bus->caller->owner : mux_get_owner(mux);
        r = request_new(&c->request, client, owner,
                        &(RequestSpec){
                                .message = spec->message,
                                .schema = spec->schema,
                                .tlvs = spec->tlvs->bytes,
                                .n_tlvs = spec->tlvs->n_bytes,
                                .timeout_usec = spec->timeout_usec,
                                .done = call_on_done,
                                .userdata = c,
                        });
        if (r < 0)
                return bus_error_set_mux(error, mux,
                                         service_message_title(spec->schema, spec->service, spec->message,
                                                               buffer, sizeof(buffer)),
                                         r);
        c->device = spec->device;
        TAILQ_INSERT_TAIL(&spec->device->calls, c, entries);
        TAKE_PTR(c);
        return 1;
}

void bus_calls_fail(BusDevice *d, BusClient *client, const sd_bus_error *error) {
        BusCall *c, *next;

        for (c = TAILQ_FIRST(&d->calls); c; c = next) {
                next = TAILQ_NEXT(c, entries);
                if (!client || c->client == client)
                        call_finish(c, 0, NULL, error);
        }
}

bool bus_calls_cancel(BusDevice *d, const char *sender, const SchemaMessage *schema) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        BusCall *c;

        TAILQ_FOREACH(c, &d->calls, entries)
                if (c->schema == schema && streq(sd_bus_message_get_sender(c->message), sender)) {
                        sd_bus_error_setf(&error, QMID_ERROR_QMI_PREFIX "Aborted",
                                          "%s: cancelled by its caller", schema_string(schema->name));
                        call_finish(c, 0, NULL, &error);
                        return true;
                }
        return false;
}
