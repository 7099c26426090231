/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem/ask.h"

#include "port/port.h"
#include "qmi/codec.h"
#include "util/log.h"

void form_init(Form *f) {
        arena_init(&f->arena);
        f->dict = (Value){ .type = VALUE_DICT };
        f->failed = false;
}

void form_done(Form *f) {
        arena_erase(&f->arena);
}

static void form_put(Form *f, Value *dict, const char *key, const Value *v) {
        Value *place = dict ? value_dict_add(dict, &f->arena, key) : NULL;

        if (place)
                *place = *v;
        else
                f->failed = true;
}

Value *form_dict(Form *f, Value *dict, const char *key) {
        Value *place = dict ? value_dict_add(dict, &f->arena, key) : NULL;

        if (!place) {
                f->failed = true;
                return NULL;
        }
        *place = (Value){ .type = VALUE_DICT };
        return place;
}

void form_number(Form *f, Value *dict, const char *key, uint64_t n) {
        form_put(f, dict, key, &(Value){ .type = VALUE_U64, .u64 = n });
}

void form_bool(Form *f, Value *dict, const char *key, bool b) {
        form_put(f, dict, key, &(Value){ .type = VALUE_BOOL, .boolean = b });
}

void form_text(Form *f, Value *dict, const char *key, const char *text) {
        form_put(f, dict, key, &(Value){ .type = VALUE_STRING, .string = text });
}

void form_symbols(Form *f, Value *dict, const char *key, const char *const *symbols, size_t n) {
        Value *elements = arena_alloc(&f->arena, n * sizeof(*elements));

        for (size_t i = 0; elements && i < n; i++)
                elements[i] = (Value){ .type = VALUE_STRING, .string = symbols[i] };
        if (elements)
                form_put(f, dict, key,
                         &(Value){ .type = VALUE_ARRAY,
                                   .n = (uint32_t) n,
                                   .signature = "s",
                                   .elements = elements });
        else
                f->failed = true;
}

/* ---- asking ---- */

static void tell(Ask *a, int error, const Value *dict) {
        static const Value nothing = { .type = VALUE_DICT };

        a->done(&(Answer){ .error = error, .dict = dict ? dict : &nothing }, a->userdata);
}

static void tell_response(Ask *a, const QmiMessage *response) {
        int error = tlv_result(response->tlvs, response->n_tlvs);
        _cleanup_(arena_erase) Arena arena;
        Value dict;
        int r;

        arena_init(&arena);
        r = message_decode(a->message, QMI_RESPONSE, a->vendor, response->tlvs, response->n_tlvs, &arena,
                           &dict);
        if (r < 0)
                tell(a, r, NULL);
        else
                /* Early firmware leaves the result out of a success. */
                tell(a, error == -ENODATA ? 0 : error, &dict);
}

static void ask_on_done(const RequestOutcome *outcome, void *userdata) {
        Ask *a = userdata;

        a->request = NULL;
        switch (outcome->state) {
        case REQUEST_ANSWERED:
                tell_response(a, outcome->response);
                return;
        case REQUEST_TIMEOUT:
                tell(a, -ETIMEDOUT, NULL);
                return;
        case REQUEST_NO_CLIENT:
                tell(a, outcome->error > 0 ? outcome->error : -ENOBUFS, NULL);
                return;
        case REQUEST_REFUSED: /* of messages that carry a code; nothing here does */
        case REQUEST_GONE:
        case _REQUEST_STATE_MAX:
        case _REQUEST_STATE_INVALID:
                break;
        }
        tell(a, -ENODEV, NULL);
}

static int ask_internal(Ask *a, Client *c, const Owner *owner, const Owner *requester, const char *message,
                        const Form *form, uint64_t timeout_usec, AskDone done, void *userdata) {
        Mux *m = client_get_mux(c);
        const SchemaService *service = schema_service_by_id(client_get_service(c), mux_get_vendor(m));
        TlvWriter w = {};
        CodecError error;
        int r = 0;

        assert(!a->request);
        a->message = service ? schema_message_by_name(service, message) : NULL;
        if (!a->message)
                return -EOPNOTSUPP;
        if (form && form->failed)
                return -ENOMEM;
        if (form)
                r = message_encode(a->message, QMI_REQUEST, mux_get_vendor(m), &form->dict, &w, &error);
        if (r == -EINVAL)
                log_warning("%s: %s: %s", port_get_uri(mux_get_port(m)), message, error.text);
        if (r >= 0) {
                a->vendor = mux_get_vendor(m);
                a->done = done;
                a->userdata = userdata;
                r = request_new(&a->request, c, owner,
                                &(RequestSpec){
                                        .message = a->message->id,
                                        .schema = a->message,
                                        .requester = requester,
                                        .tlvs = w.bytes,
                                        .n_tlvs = w.n_bytes,
                                        .timeout_usec = timeout_usec,
                                        .done = ask_on_done,
                                        .userdata = a,
                                });
        }
        tlv_writer_erase(&w);
        return r;
}

int ask(Ask *a, Client *c, const Owner *owner, const char *message, const Form *form, uint64_t timeout_usec,
        AskDone done, void *userdata) {
        return ask_internal(a, c, owner, NULL, message, form, timeout_usec, done, userdata);
}

int ask_shared(Ask *a, Mux *m, uint16_t service, const Owner *requester, const char *message,
               const Form *form, uint64_t timeout_usec, AskDone done, void *userdata) {
        Client *c;
        int r;

        r = mux_get_shared_client(m, service, &c);
        if (r < 0)
                return r;
        return ask_internal(a, c, mux_get_owner(m), requester, message, form, timeout_usec, done, userdata);
}

void ask_cancel(Ask *a) {
        a->request = request_cancel(a->request);
}

/* ---- answers ---- */

bool answer_error_is(int error, const char *symbol) {
        const char *s = error > 0 ? schema_error_symbol((uint16_t) error) : NULL;

        return s && streq(s, symbol);
}

const char *answer_error_text(int error) {
        if (error > 0)
                return schema_error_symbol((uint16_t) error) ?: "unknown error";
        return error == -ETIMEDOUT ? "no answer" : strerror(-error);
}

const Value *answer_get(const Value *dict, const char *key) {
        return dict ? value_dict_get(dict, key) : NULL;
}

bool answer_number(const Value *dict, const char *key, uint64_t *ret) {
        const Value *v = answer_get(dict, key);

        return v && value_get_u64(v, ret) >= 0;
}

bool answer_bool(const Value *dict, const char *key, bool *ret) {
        const Value *v = answer_get(dict, key);

        if (!v || v->type != VALUE_BOOL)
                return false;
        *ret = v->boolean;
        return true;
}

const char *answer_text(const Value *dict, const char *key) {
        const Value *v = answer_get(dict, key);

        return v && v->type == VALUE_STRING ? v->string : NULL;
}

bool answer_is(const Value *dict, const char *key, const char *symbol) {
        const char *text = answer_text(dict, key);

        return text && streq(text, symbol);
}
