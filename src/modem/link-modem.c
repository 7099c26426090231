/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem/link-modem.h"

#include "qmi/codec.h"

#define SERVICE_WDA 0x1A
/* Of WDA and of CTL alike, of which only 802.3 and raw IP are asked for by number. */
#define PROTOCOL_802_3  1
#define PROTOCOL_RAW_IP 2

#define ERROR_NO_EFFECT 0x001A /* errors.csv */

bool link_modem_is_readable(const LinkModem *m) {
        return mux_has_service(m->mux, SERVICE_WDA);
}

static const SchemaMessage *wda_message(LinkModem *m, bool sets) {
        const SchemaService *wda = schema_service_by_id(SERVICE_WDA, mux_get_vendor(m->mux));

        return wda ? schema_message_by_name(wda, sets ? "set-data-format" : "get-data-format") : NULL;
}

/* ---- what it says ---- */

static bool field_is(const Value *dict, const char *key, const char *symbol) {
        const Value *v = value_dict_get(dict, key);

        return v && v->type == VALUE_STRING && streq(v->string, symbol);
}

/* Aggregation that is not told is not there. */
static bool is_plain(const Value *dict, const char *key) {
        return !value_dict_get(dict, key) || field_is(dict, key, "disabled");
}

static uint32_t number_of(const Value *dict, const char *key) {
        const Value *v = value_dict_get(dict, key);
        uint64_t n;

        return v && value_get_u64(v, &n) >= 0 ? (uint32_t) n : 0;
}

static LinkFormat format_of(const Value *dict) {
        LinkFormat f = { .mode = LINK_OFF };
        bool plain = is_plain(dict, "uplink_aggregation") && is_plain(dict, "downlink_aggregation");

        if (field_is(dict, "link_layer_protocol", "802_3") && plain)
                f.mode = LINK_802_3;
        else if (field_is(dict, "link_layer_protocol", "raw_ip") && plain)
                f.mode = LINK_RAW_IP;
        else if (field_is(dict, "link_layer_protocol", "raw_ip") &&
                 field_is(dict, "uplink_aggregation", "qmap") &&
                 field_is(dict, "downlink_aggregation", "qmap"))
                f = (LinkFormat){
                        .mode = LINK_QMAP,
                        .downlink_max_datagrams = number_of(dict, "downlink_max_datagrams"),
                        .downlink_max_size = number_of(dict, "downlink_max_size"),
                        .uplink_max_datagrams = number_of(dict, "uplink_max_datagrams"),
                        .uplink_max_size = number_of(dict, "uplink_max_size"),
                };
        return f;
}

static LinkFormat wda_format(LinkModem *m, const SchemaMessage *message, const QmiMessage *response) {
        LinkFormat f = { .mode = LINK_OFF };
        _cleanup_(arena_done) Arena arena;
        Value dict;

        arena_init(&arena);
        if (message_decode(message, QMI_RESPONSE, mux_get_vendor(m->mux), response->tlvs, response->n_tlvs,
                           &arena, &dict) >= 0)
                f = format_of(&dict);
        return f;
}

/* The protocol, u16; a modem that does not repeat it has taken it. */
static LinkFormat ctl_format(LinkModem *m, const QmiMessage *response) {
        LinkFormat f = { .mode = LINK_OFF };
        Tlv t;

        if (tlv_find(response->tlvs, response->n_tlvs, 0x10, &t) == 0 || t.n_bytes < 2)
                f.mode = m->wanted.mode;
        else if (read_le16(t.bytes) == PROTOCOL_802_3)
                f.mode = LINK_802_3;
        else if (read_le16(t.bytes) == PROTOCOL_RAW_IP)
                f.mode = LINK_RAW_IP;
        return f;
}

static int error_of(const RequestOutcome *outcome) {
        switch (outcome->state) {
        case REQUEST_ANSWERED:
                return tlv_result(outcome->response->tlvs, outcome->response->n_tlvs);
        case REQUEST_TIMEOUT:
                return -ETIMEDOUT;
        case REQUEST_NO_CLIENT:
                return outcome->error > 0 ? outcome->error : -ETIMEDOUT;
        case REQUEST_GONE:
        case REQUEST_REFUSED:
        case _REQUEST_STATE_MAX:
        case _REQUEST_STATE_INVALID:
                break;
        }
        return -ENODEV;
}

/* ---- what it is asked ---- */

static int put_number(Value *dict, Arena *a, const char *key, uint32_t n) {
        Value *v = value_dict_add(dict, a, key);

        if (!v)
                return -ENOMEM;
        *v = (Value){ .type = VALUE_U32, .u64 = n };
        return 0;
}

static int put_symbol(Value *dict, Arena *a, const char *key, const char *symbol) {
        Value *v = value_dict_add(dict, a, key);

        if (!v)
                return -ENOMEM;
        *v = (Value){ .type = VALUE_STRING, .string = symbol };
        return 0;
}

static int put_endpoint(Value *dict, Arena *a, const LinkEndpoint *e) {
        Value endpoint = { .type = VALUE_DICT }, *v;
        int r;

        r = put_number(&endpoint, a, "type", e->type);
        if (r >= 0)
                r = put_number(&endpoint, a, "interface", e->interface);
        v = r < 0 ? NULL : value_dict_add(dict, a, "endpoint");
        if (!v)
                return -ENOMEM;
        *v = endpoint;
        return 0;
}

static int put_format(Value *dict, Arena *a, const LinkFormat *f) {
        const char *aggregation = f->mode == LINK_QMAP ? "qmap" : "disabled";
        int r;

        r = put_symbol(dict, a, "link_layer_protocol", f->mode == LINK_802_3 ? "802_3" : "raw_ip");
        if (r >= 0)
                r = put_symbol(dict, a, "uplink_aggregation", aggregation);
        if (r >= 0)
                r = put_symbol(dict, a, "downlink_aggregation", aggregation);
        if (r >= 0 && f->mode == LINK_QMAP)
                r = put_number(dict, a, "downlink_max_datagrams", f->downlink_max_datagrams);
        if (r >= 0 && f->mode == LINK_QMAP)
                r = put_number(dict, a, "downlink_max_size", f->downlink_max_size);
        return r;
}

static void on_answer(const RequestOutcome *outcome, void *userdata);

static int encode(LinkModem *m, const SchemaMessage *message, bool named, Arena *a, TlvWriter *w) {
        Value dict = { .type = VALUE_DICT };
        CodecError error;
        int r = 0;

        if (m->sets)
                r = put_format(&dict, a, &m->wanted);
        if (r >= 0 && named)
                r = put_endpoint(&dict, a, &m->endpoint);
        return r < 0 ? r : message_encode(message, QMI_REQUEST, mux_get_vendor(m->mux), &dict, w, &error);
}

static int ask_wda(LinkModem *m, bool named) {
        const SchemaMessage *message = wda_message(m, m->sets);
        _cleanup_(arena_done) Arena arena;
        _cleanup_(tlv_writer_done) TlvWriter w = {};
        Client *c;
        int r;

        if (!message)
                return -EOPNOTSUPP;
        arena_init(&arena);
        r = encode(m, message, named, &arena, &w);
        if (r >= 0)
                r = mux_get_shared_client(m->mux, SERVICE_WDA, &c);
        if (r < 0)
                return r;
        m->named = named;
        return request_new(&m->request, c, mux_get_owner(m->mux),
                           &(RequestSpec){
                                   .message = message->id,
                                   .schema = message,
                                   .tlvs = w.bytes,
                                   .n_tlvs = w.n_bytes,
                                   .done = on_answer,
                                   .userdata = m,
                           });
}

static int ask(LinkModem *m) {
        if (link_modem_is_readable(m))
                return ask_wda(m, !m->no_endpoint);
        if (!m->sets || m->wanted.mode == LINK_QMAP)
                return -EOPNOTSUPP;
        m->named = false;
        return mux_set_data_format(m->mux, m->wanted.mode == LINK_802_3 ? PROTOCOL_802_3 : PROTOCOL_RAW_IP,
                                   &m->request, on_answer, m);
}

static void on_answer(const RequestOutcome *outcome, void *userdata) {
        LinkModem *m = userdata;
        LinkFormat f = { .mode = LINK_OFF };
        int error = error_of(outcome);

        m->request = NULL;
        /* Older ones know no endpoints. */
        if (error > 0 && error != ERROR_NO_EFFECT && m->named && ask_wda(m, false) >= 0)
                return;
        if (m->sets && error == ERROR_NO_EFFECT)
                error = 0;
        if (error == 0 && link_modem_is_readable(m)) {
                m->no_endpoint = !m->named;
                f = wda_format(m, wda_message(m, m->sets), outcome->response);
        } else if (error == 0)
                f = ctl_format(m, outcome->response);
        m->done(m, error, &f, m->userdata);
}

int link_modem_read(LinkModem *m, LinkModemDone done, void *userdata) {
        assert(!m->request);
        m->sets = false;
        m->done = done;
        m->userdata = userdata;
        return ask(m);
}

int link_modem_set(LinkModem *m, const LinkFormat *f, LinkModemDone done, void *userdata) {
        assert(!m->request);
        m->sets = true;
        m->wanted = *f;
        m->done = done;
        m->userdata = userdata;
        return ask(m);
}

void link_modem_cancel(LinkModem *m) {
        m->request = request_cancel(m->request);
}
