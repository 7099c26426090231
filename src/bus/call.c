/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "bus/internal.h"
#include "bus/value.h"
#include "util/log.h"

struct BusCall {
        sd_bus_message *message;
        CallStyle style;
        Caller *caller;
        BusDevice *device;
        BusClient *client; /* NULL: on the client that the daemon keeps for all */
        uint32_t n_bytes;  /* charged */
        const SchemaMessage *schema;
        uint16_t service, id;
        Request *request;
        TAILQ_ENTRY(BusCall) of_device, of_caller;
};

static int call_new(sd_bus_message *m, const CallSpec *spec, BusCall **ret, sd_bus_error *error) {
        Charge charge = bus_charge(spec->device->bus, spec->caller, spec->caller->user, spec->device);
        uint32_t n_bytes = (uint32_t) spec->tlvs->n_bytes;
        BusCall *c;
        int r;

        r = share_take(&charge, SHARE_CALLS, 1, error);
        if (r < 0)
                return r;
        r = share_take(&charge, SHARE_BYTES, n_bytes, error);
        if (r < 0)
                goto give_call;
        c = malloc(sizeof(*c));
        if (!c) {
                r = -ENOMEM;
                goto give_bytes;
        }
        *c = (BusCall){
                .message = sd_bus_message_ref(m),
                .style = spec->style,
                .caller = spec->caller,
                .device = spec->device,
                .n_bytes = n_bytes,
                .schema = spec->schema,
                .service = spec->service,
                .id = spec->message,
        };
        TAILQ_INSERT_TAIL(&c->device->calls, c, of_device);
        TAILQ_INSERT_TAIL(&c->caller->calls, c, of_caller);
        bus_begin_call(c->device->bus);
        *ret = c;
        return 0;

give_bytes:
        share_give(&charge, SHARE_BYTES, n_bytes);
give_call:
        share_give(&charge, SHARE_CALLS, 1);
        return r;
}

static BusCall *call_free(BusCall *c) {
        Charge charge;
        Bus *b;

        if (!c)
                return NULL;
        b = c->device->bus;
        charge = bus_charge(b, c->caller, c->caller->user, c->device);
        request_cancel(c->request);
        if (c->client) {
                c->client->n_calls--;
                bus_client_unhold(c->client, c->caller);
        }
        TAILQ_REMOVE(&c->device->calls, c, of_device);
        TAILQ_REMOVE(&c->caller->calls, c, of_caller);
        share_give(&charge, SHARE_BYTES, c->n_bytes);
        share_give(&charge, SHARE_CALLS, 1);
        sd_bus_message_unref(c->message);
        free(c);
        bus_end_call(b);
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
        bool private = c->schema->flags & SCHEMA_HAS_PRIVATE;
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
                if (o->tries > 0 && dict.n == 0)
                        r = bus_error_append_tries(error, o->tries);
                goto finish;
        }
        r = sd_bus_message_new_method_return(c->message, &reply);
        if (r < 0)
                goto finish;
        if (private) {
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
        if (private)
                arena_erase(&arena);
        else
                arena_done(&arena);
        return r;
}

static int call_reply_raw(BusCall *c, const RequestOutcome *o, const char *title, sd_bus_message **ret,
                          sd_bus_error *error) {
        int code = tlv_result(o->response->tlvs, o->response->n_tlvs), r;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(arena_erase) Arena arena;
        const Value *tlvs;
        Value dict;

        arena_init(&arena);
        if (code > 0) {
                r = bus_error_set_qmi(error, title, (uint16_t) code, NULL, NULL);
                return o->tries > 0 ? bus_error_append_tries(error, o->tries) : r;
        }

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
        if (o->state != REQUEST_ANSWERED) {
                r = bus_error_set_outcome(&error, title, o);
                if (o->state == REQUEST_NO_CLIENT && o->error == QMI_ERROR_CLIENT_IDS_EXHAUSTED)
                        bus_error_append_holders(&error, c->device, c->service);
        } else if (c->style == CALL_RAW)
                r = call_reply_raw(c, o, title, &reply, &error);
        else
                r = call_reply_dict(c, o, title, &reply, &error);
        call_finish(c, r, reply, &error);
}

/* Which client the request runs on: that of the object, else as the kind of the message says. */
static int call_choose_client(const CallSpec *spec, const char *title, BusClient **ret_bus, Client **ret,
                              sd_bus_error *error) {
        Mux *mux = device_get_mux(spec->device->device);
        MessageKind kind = spec->schema ? (MessageKind) spec->schema->kind : KIND_CLIENT;
        BusClient *c = spec->client;
        int r;

        if (c) {
                r = bus_client_check(c, spec->caller, error);
                if (r < 0)
                        return r;
        }
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
                r = bus_client_get_implicit(spec->device, spec->caller, spec->service, title, &c, error);
                if (r < 0)
                        return r;
        }
        *ret_bus = c;
        *ret = c->client;
        return 0;
}

static int call_send(BusCall *c, Client *client, const CallSpec *spec, const char *title,
                     sd_bus_error *error) {
        Mux *mux = device_get_mux(c->device->device);
        int r;

        r = request_new(&c->request, client, c->client ? &c->caller->owner : mux_get_owner(mux),
                        &(RequestSpec){
                                .message = spec->message,
                                .schema = spec->schema,
                                .requester = &c->caller->owner,
                                .tlvs = spec->tlvs->bytes,
                                .n_tlvs = spec->tlvs->n_bytes,
                                .force = spec->force,
                                .timeout_usec = spec->timeout_usec,
                                .done = call_on_done,
                                .userdata = c,
                        });
        return r < 0 ? bus_error_set_mux(error, mux, title, r) : 0;
}

int bus_call_start(sd_bus_message *m, const CallSpec *spec, sd_bus_error *error) {
        _cleanup_(call_freep) BusCall *c = NULL;
        char buffer[MESSAGE_TITLE_MAX];
        BusClient *of_bus = NULL;
        const char *title;
        Client *client;
        int r;

        title = service_message_title(spec->schema, spec->service, spec->message, buffer, sizeof(buffer));
        r = call_new(m, spec, &c, error);
        if (r < 0)
                return r;
        r = call_choose_client(spec, title, &of_bus, &client, error);
        if (r < 0)
                return r;
        if (of_bus) {
                r = bus_client_hold(of_bus, spec->caller);
                if (r < 0)
                        return r;
                of_bus->n_calls++;
                c->client = of_bus;
        }
        r = call_send(c, client, spec, title, error);
        if (r < 0)
                return r;
        TAKE_PTR(c);
        return 1;
}

/* Calls it off, with an answer if somebody waits for one. */
static void call_end(BusCall *c, const sd_bus_error *error) {
        if (error)
                call_finish(c, 0, NULL, error);
        else
                call_free(c);
}

void bus_calls_fail(BusDevice *d, BusClient *client, const sd_bus_error *error) {
        BusCall *c, *next;

        if (client && client->n_calls == 0)
                return;
        for (c = TAILQ_FIRST(&d->calls); c; c = next) {
                next = TAILQ_NEXT(c, of_device);
                if (!client || c->client == client)
                        call_end(c, error);
        }
}

void bus_calls_drop(Caller *c) {
        BusCall *call;

        while ((call = TAILQ_LAST(&c->calls, BusCallQueue))) /* the last one first, so that none moves up */
                call_end(call, NULL);
}

bool bus_calls_cancel(BusDevice *d, Caller *caller, const SchemaMessage *schema) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        BusCall *c;

        TAILQ_FOREACH(c, &caller->calls, of_caller)
                if (c->device == d && c->schema == schema) {
                        sd_bus_error_setf(&error, QMID_ERROR_QMI_PREFIX "Aborted",
                                          "%s: cancelled by its caller", schema_string(schema->name));
                        call_end(c, &error);
                        return true;
                }
        return false;
}
