/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "bus/internal.h"
#include "bus/value.h"
#include "util/log.h"

/* An outcome that waits. */
typedef struct CallAnswer {
        RequestOutcome outcome;
        QmiMessage response, indication;
        size_t n_bytes;
        uint8_t bytes[];
} CallAnswer;

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
        AccessSet granted, known; /* what its caller may see, and of what that is known */
        Inquiry *inquiry;
        CallAnswer *answer; /* while it is found out */
        TAILQ_ENTRY(BusCall) of_device, of_caller;
};

static int call_new(sd_bus_message *m, const CallSpec *spec, BusCall **ret, sd_bus_error *error) {
        AccessClass access = spec->schema ? (AccessClass) spec->schema->access : ACCESS_RAW;
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
                .granted =
                        spec->caller->trusted ? ACCESS_ALL : ACCESS_SET(ACCESS_STATUS) | ACCESS_SET(access),
        };
        c->known = c->granted;
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

static CallAnswer *answer_free(CallAnswer *a) {
        if (a)
                explicit_bzero(a->bytes, a->n_bytes);
        free(a);
        return NULL;
}

static BusCall *call_free(BusCall *c) {
        Charge charge;
        Bus *b;

        if (!c)
                return NULL;
        b = c->device->bus;
        charge = bus_charge(b, c->caller, c->caller->user, c->device);
        request_cancel(c->request);
        bus_inquiry_cancel(c->inquiry);
        answer_free(c->answer);
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
        bus_indications_flush(c->device->bus, c->caller->name);
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

/* The keys in both. */
static int merge_withheld(Value *to, Arena *a, const Value *from) {
        Value *all;
        uint32_t n = to->n;

        all = arena_alloc(a, (n + from->n) * sizeof(Value));
        if (!all)
                return -ENOMEM;
        memcpy(all, to->elements, n * sizeof(Value));
        for (uint32_t i = 0; i < from->n; i++) {
                uint32_t k = 0;

                while (k < to->n && !streq(all[k].string, from->elements[i].string))
                        k++;
                if (k == to->n)
                        all[n++] = from->elements[i];
        }
        to->elements = all;
        to->n = n;
        return 0;
}

/* What the indication has, over what the response has. */
static int merge(Value *to, Arena *a, const Value *from) {
        int r;

        for (uint32_t i = 0; i < from->n; i++) {
                const ValueEntry *e = &from->entries[i];
                Value *v = (Value *) (uintptr_t) value_dict_get(to, e->key);

                if (v && streq(e->key, "withheld")) {
                        r = merge_withheld(v, a, &e->value);
                        if (r < 0)
                                return r;
                        continue;
                }
                if (!v)
                        v = value_dict_add(to, a, e->key);
                if (!v)
                        return -ENOMEM;
                *v = e->value;
        }
        return 0;
}

/* Decodes the response and, where the result came as an indication, what that has, into one dictionary.
 * `ret_withheld`: the classes of what is not in it. */
static int call_decode(BusCall *c, const RequestOutcome *o, Arena *a, Value *ret, AccessSet *ret_withheld) {
        uint16_t vendor = mux_get_vendor(device_get_mux(c->device->device));
        AccessSet more;
        Value result;
        int r;

        r = message_decode_for(c->schema, QMI_RESPONSE, vendor, o->response->tlvs, o->response->n_tlvs,
                               c->granted, a, ret, ret_withheld);
        if (r < 0 || !o->indication)
                return r;

        r = message_decode_for(&schema_messages[c->schema->result], QMI_INDICATION, vendor,
                               o->indication->tlvs, o->indication->n_tlvs, c->granted, a, &result, &more);
        if (r < 0)
                return r;
        *ret_withheld |= more;
        return merge(ret, a, &result);
}

/* `ret_unknown`: there is no reply, as it is not known whether the caller has these classes. */
static int call_reply_dict(BusCall *c, const RequestOutcome *o, const char *title, sd_bus_message **ret,
                           AccessSet *ret_unknown, sd_bus_error *error) {
        int code = tlv_result(o->response->tlvs, o->response->n_tlvs), r;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        bool private = c->schema->flags & SCHEMA_HAS_PRIVATE;
        AccessSet withheld;
        const char *symbol;
        char number[16];
        Arena arena;
        Value dict;

        *ret_unknown = 0;
        arena_init(&arena);
        r = call_decode(c, o, &arena, &dict, &withheld);
        if (r < 0)
                goto finish;

        if (code > 0 && c->style == CALL_METHOD) {
                r = bus_error_set_qmi(error, title, (uint16_t) code, c->schema, &dict);
                if (o->tries > 0 && dict.n == 0)
                        r = bus_error_append_tries(error, o->tries);
                goto finish;
        }
        *ret_unknown = withheld & ~c->known;
        if (*ret_unknown)
                goto finish;
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

/* Keeps the outcome. */
static int call_keep_answer(BusCall *c, const RequestOutcome *o) {
        size_t n_response = o->response->n_tlvs, n_indication = o->indication ? o->indication->n_tlvs : 0;
        CallAnswer *a;

        if (c->answer) /* this is it */
                return 0;
        a = malloc(sizeof(*a) + n_response + n_indication);
        if (!a)
                return -ENOMEM;
        *a = (CallAnswer){ .outcome = *o, .response = *o->response, .n_bytes = n_response + n_indication };
        memcpy(a->bytes, o->response->tlvs, n_response);
        a->response.tlvs = a->bytes;
        a->outcome.response = &a->response;
        if (o->indication) {
                a->indication = *o->indication;
                memcpy(a->bytes + n_response, o->indication->tlvs, n_indication);
                a->indication.tlvs = a->bytes + n_response;
                a->outcome.indication = &a->indication;
        }
        c->answer = a;
        return 0;
}

static void call_on_done(const RequestOutcome *o, void *userdata);

static void call_on_known(AccessSet granted, void *userdata) {
        BusCall *c = userdata;

        c->inquiry = NULL;
        c->granted |= granted;
        call_on_done(&c->answer->outcome, c);
}

/* Finds out whether the caller may see what the answer has. 1; 0: not yet, it waits. */
static int call_inquire(BusCall *c, const RequestOutcome *o, AccessSet classes) {
        AccessTarget target = {
                .device = c->device,
                .type = ACCESS_TO_REQUEST,
                .service = c->service,
                .message = c->id,
                .schema = c->schema,
        };
        AccessSet granted;
        int r;

        c->known |= classes;
        r = bus_inquire(c->caller, &target, classes, call_on_known, c, &granted, &c->inquiry);
        if (r > 0)
                c->granted |= granted;
        return r == 0 ? call_keep_answer(c, o) : r;
}

static int call_reply_seen(BusCall *c, const RequestOutcome *o, const char *title, sd_bus_message **ret,
                           sd_bus_error *error) {
        AccessSet unknown;
        int r;

        do {
                r = call_reply_dict(c, o, title, ret, &unknown, error);
                if (r >= 0 && unknown)
                        r = call_inquire(c, o, unknown);
        } while (r > 0 && unknown);
        return r;
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
                        bus_error_append_holders(&error, c->device, c->service, c->caller);
        } else if (c->style == CALL_RAW)
                r = call_reply_raw(c, o, title, &reply, &error);
        else
                r = call_reply_seen(c, o, title, &reply, &error);
        if (r >= 0 && c->inquiry)
                return;
        call_finish(c, r, reply, &error);
}

/* What no class makes good. As bus_client_check(). */
static int call_check(const CallSpec *spec, const char *title, sd_bus_error *error) {
        const BusClient *c = spec->client;

        if (spec->schema && spec->schema->kind == KIND_SESSION && (!c || c->implicit))
                return sd_bus_error_setf(
                        error, QMID_ERROR_INVALID_ARGUMENT,
                        "%s: belongs to a data call and needs a client of its own: call it on the "
                        "object that Device.OpenClient gives",
                        title);
        return c ? bus_client_check(spec->client, spec->caller, error) : 0;
}

/* Classes that fields of the request need beside that of the message: who sets them must be allowed to know
 * them. */
static int call_classes(const CallSpec *spec, AccessSet *ret) {
        uint16_t vendor = mux_get_vendor(device_get_mux(spec->device->device));
        Arena arena;
        Value dict;
        int r;

        *ret = 0;
        if (!spec->schema || spec->caller->trusted)
                return 0;
        arena_init(&arena);
        r = message_decode_for(spec->schema, QMI_REQUEST, vendor, spec->tlvs->bytes, spec->tlvs->n_bytes,
                               ACCESS_SET(ACCESS_STATUS) | ACCESS_SET(ACCESS_RAW), &arena, &dict, ret);
        arena_erase(&arena);
        return r;
}

int bus_call_authorize(sd_bus_message *m, sd_bus_message_handler_t handler, const CallSpec *spec,
                       sd_bus_error *error) {
        AccessTarget target = {
                .device = spec->device,
                .type = ACCESS_TO_REQUEST,
                .service = spec->service,
                .message = spec->message,
                .schema = spec->schema,
        };
        char buffer[MESSAGE_TITLE_MAX];
        AccessSet classes;
        const char *title;
        int r, others;

        title = service_message_title(spec->schema, spec->service, spec->message, buffer, sizeof(buffer));
        others = call_check(spec, title, error);
        if (others < 0)
                return others;
        r = bus_require_access(m, handler, spec->caller, &target,
                               spec->schema ? (AccessClass) spec->schema->access : ACCESS_RAW, error);
        if (r > 0 && others > 0)
                r = bus_require_access(m, handler, spec->caller, &target, ACCESS_CLIENTS, error);
        if (r <= 0)
                return r;
        r = call_classes(spec, &classes);
        if (r < 0)
                return r;
        for (AccessClass i = ACCESS_STATUS; i < _ACCESS_CLASS_MAX; i++) {
                if (!(classes & ACCESS_SET(i)))
                        continue;
                r = bus_require_access(m, handler, spec->caller, &target, i, error);
                if (r <= 0)
                        return r;
        }
        return 1;
}

/* Which client the request runs on: that of the object, else as the kind of the message says. */
static int call_choose_client(const CallSpec *spec, const char *title, BusClient **ret_bus, Client **ret,
                              sd_bus_error *error) {
        Mux *mux = device_get_mux(spec->device->device);
        MessageKind kind = spec->schema ? (MessageKind) spec->schema->kind : KIND_CLIENT;
        BusClient *c = spec->client;
        int r;

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

        r = request_new(&c->request, client,
                        c->client ? bus_client_get_owner(c->client) : mux_get_owner(mux),
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

        sd_bus_error_setf(&error, QMID_ERROR_QMI_PREFIX "Aborted", "%s: cancelled by its caller",
                          schema_string(schema->name));
        TAILQ_FOREACH(c, &caller->calls, of_caller)
                if (c->device == d && c->schema == schema) {
                        call_end(c, &error);
                        return true;
                }
        return bus_checks_cancel(d, caller, schema, &error);
}
