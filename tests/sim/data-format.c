/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "data-format.h"

#include <inttypes.h>

#include "fields.h"
#include "modem.h"

/* services.csv, messages.csv, tlvs.csv */
#define SERVICE_WDA         0x1A
#define WDA_SET_FORMAT      0x0020
#define WDA_GET_FORMAT      0x0021
#define CTL_SET_FORMAT      0x0026
#define ENDPOINT_HSUSB      2
#define AGGREGATION_QMAP    5
#define AGGREGATION_LAST    9
#define LINK_LAYER_ETHERNET 1
#define LINK_LAYER_RAW_IP   2

/* errors.csv */
#define QMI_ERROR_INTERFACE_NOT_FOUND 0x002B
#define QMI_ERROR_INVALID_ARGUMENT    0x0030
#define QMI_ERROR_INVALID_OPERATION   0x0046

static const char *const limit_keys[_LIMIT_MAX] = {
        [LIMIT_DOWNLINK_DATAGRAMS] = "data.downlink-max-datagrams",
        [LIMIT_DOWNLINK_SIZE] = "data.downlink-max-size",
        [LIMIT_UPLINK_DATAGRAMS] = "data.uplink-max-datagrams",
        [LIMIT_UPLINK_SIZE] = "data.uplink-max-size",
};

/* The same, of WDA: in its answers they are 0 while packets are not aggregated. */
static const char *const format_keys[_LIMIT_MAX] = {
        [LIMIT_DOWNLINK_DATAGRAMS] = "wda.get-data-format.downlink-max-datagrams",
        [LIMIT_DOWNLINK_SIZE] = "wda.get-data-format.downlink-max-size",
        [LIMIT_UPLINK_DATAGRAMS] = "wda.get-data-format.uplink-max-datagrams",
        [LIMIT_UPLINK_SIZE] = "wda.get-data-format.uplink-max-size",
};
static const uint8_t limit_tlvs[_LIMIT_MAX] = {
        [LIMIT_DOWNLINK_DATAGRAMS] = 0x15,
        [LIMIT_DOWNLINK_SIZE] = 0x16,
        [LIMIT_UPLINK_DATAGRAMS] = 0x1B,
        [LIMIT_UPLINK_SIZE] = 0x1C,
};

#define KEY_LINK_LAYER "wda.get-data-format.link-layer-protocol"
#define KEY_UPLINK     "wda.get-data-format.uplink-aggregation"
#define KEY_DOWNLINK   "wda.get-data-format.downlink-aggregation"
#define KEY_CTL        "ctl.set-data-format.protocol"

uint16_t data_format_check_endpoint(Modem *m, const QmiMessage *request, uint8_t id) {
        uint32_t interface;
        Tlv t;

        if (!m->format.has_interface || tlv_find(request->tlvs, request->n_tlvs, id, &t) == 0)
                return 0;
        if (t.n_bytes < 8)
                return QMI_ERROR_INVALID_ARGUMENT;
        interface = (uint32_t) read_le16(t.bytes + 4) | (uint32_t) read_le16(t.bytes + 6) << 16;
        return read_le16(t.bytes) == ENDPOINT_HSUSB && interface == m->format.interface ? 0
                                                                                        : QMI_ERROR_INTERFACE_NOT_FOUND;
}

static bool data_format_is_raw_ip(Modem *m) {
        if (answers_get(&m->answers, KEY_LINK_LAYER))
                return answers_has_text(&m->answers, KEY_LINK_LAYER, "raw-ip");
        return answers_has_text(&m->answers, KEY_CTL, "raw-ip");
}

/* What it will be: of what was asked for, all that the modem can. */
typedef struct Framing {
        bool raw_ip, uplink, downlink; /* both: QMAP */
        uint32_t limits[_LIMIT_MAX];
} Framing;

static Framing framing_get(Modem *m) {
        Framing f = { .raw_ip = data_format_is_raw_ip(m),
                      .uplink = answers_has_text(&m->answers, KEY_UPLINK, "qmap"),
                      .downlink = answers_has_text(&m->answers, KEY_DOWNLINK, "qmap") };

        for (int i = 0; i < _LIMIT_MAX; i++)
                f.limits[i] = (uint32_t) answers_get_number(&m->answers, format_keys[i]);
        return f;
}

static bool framing_equal(const Framing *a, const Framing *b) {
        return a->raw_ip == b->raw_ip && a->uplink == b->uplink && a->downlink == b->downlink &&
               memcmp(a->limits, b->limits, sizeof(a->limits)) == 0;
}

static int framing_set(Modem *m, const Framing *f, char **ret_error) {
        int r;

        r = answers_set_text(&m->answers, KEY_LINK_LAYER, f->raw_ip ? "raw-ip" : "802-3", ret_error);
        if (r >= 0)
                r = answers_set_text(&m->answers, KEY_UPLINK, f->uplink ? "qmap" : "disabled", ret_error);
        if (r >= 0)
                r = answers_set_text(&m->answers, KEY_DOWNLINK, f->downlink ? "qmap" : "disabled",
                                     ret_error);
        for (int i = 0; r >= 0 && i < _LIMIT_MAX; i++)
                r = answers_set_value(&m->answers, format_keys[i],
                                      &(Value){ .type = VALUE_I64, .i64 = f->limits[i] }, 0, ret_error);
        return r;
}

static int wda_set_format(Modem *m, Exchange *x, bool in_call, char **ret_error) {
        const DataFormat *d = &m->format;
        Framing old = framing_get(m), f = old;
        uint32_t n;
        int r;

        if (request_get_u32(x->request, 0x11, &n)) {
                if (n != LINK_LAYER_ETHERNET && n != LINK_LAYER_RAW_IP)
                        return QMI_ERROR_INVALID_ARGUMENT;
                f.raw_ip = d->no_ethernet || (n == LINK_LAYER_RAW_IP && !d->no_raw_ip);
        }
        for (uint8_t id = 0x12; id <= 0x13; id++)
                if (request_get_u32(x->request, id, &n)) {
                        if (n > AGGREGATION_LAST)
                                return QMI_ERROR_INVALID_ARGUMENT;
                        *(id == 0x12 ? &f.uplink : &f.downlink) = n == AGGREGATION_QMAP;
                }
        f.uplink = f.uplink && f.raw_ip && !d->no_qmap;
        f.downlink = f.downlink && f.raw_ip && !d->no_qmap;
        for (int i = 0; i < _LIMIT_MAX; i++) {
                n = d->limits[i];
                (void) request_get_u32(x->request, limit_tlvs[i], &n);
                f.limits[i] = (i == LIMIT_UPLINK_DATAGRAMS || i == LIMIT_UPLINK_SIZE ? f.uplink : f.downlink)
                                      ? MIN(n, d->limits[i])
                                      : 0;
        }

        if (!framing_equal(&old, &f) && in_call)
                return QMI_ERROR_INVALID_OPERATION;
        r = framing_set(m, &f, ret_error);
        if (r < 0)
                return r;
        x->has_values = true;
        return entries_copy(&answers_find(&m->answers, SERVICE_WDA, WDA_GET_FORMAT, false)->values,
                            &x->values);
}

static int ctl_set_format(Modem *m, Exchange *x, bool in_call, char **ret_error) {
        Framing f = framing_get(m);
        bool raw_ip = f.raw_ip;
        Tlv t;
        int r;

        if (tlv_find(x->request->tlvs, x->request->n_tlvs, 0x10, &t) > 0) {
                if (t.n_bytes < 2 ||
                    (read_le16(t.bytes) != LINK_LAYER_ETHERNET && read_le16(t.bytes) != LINK_LAYER_RAW_IP))
                        return QMI_ERROR_INVALID_ARGUMENT;
                raw_ip = m->format.no_ethernet ||
                         (read_le16(t.bytes) == LINK_LAYER_RAW_IP && !m->format.no_raw_ip);
        }
        if (raw_ip != f.raw_ip && in_call)
                return QMI_ERROR_INVALID_OPERATION;
        r = answers_set_text(&m->answers, KEY_CTL, raw_ip ? "raw-ip" : "802-3", ret_error);
        if (r < 0 || !answers_get(&m->answers, KEY_LINK_LAYER) || raw_ip == f.raw_ip)
                return r;
        f = (Framing){ .raw_ip = raw_ip };
        return framing_set(m, &f, ret_error);
}

int data_format_handle(Modem *m, Exchange *x, bool in_call, char **ret_error) {
        uint16_t service = x->request->service, message = x->request->id, error;

        if (service == QMI_SERVICE_CTL && message == CTL_SET_FORMAT)
                return ctl_set_format(m, x, in_call, ret_error);
        if (service != SERVICE_WDA || (message != WDA_SET_FORMAT && message != WDA_GET_FORMAT))
                return 0;
        error = data_format_check_endpoint(m, x->request, message == WDA_SET_FORMAT ? 0x17 : 0x10);
        if (error != 0)
                return error;
        return message == WDA_SET_FORMAT ? wda_set_format(m, x, in_call, ret_error) : 0;
}

int data_format_configure(DataFormat *d, const char *key, const char *text, char **ret_error) {
        unsigned long n;

        if (streq(key, "data.link-layer")) {
                if (!streq(text, "both") && !streq(text, "802-3") && !streq(text, "raw-ip"))
                        return mistake(ret_error, "\"%s\" is not one of both, 802-3, raw-ip", text);
                d->no_raw_ip = streq(text, "802-3");
                d->no_ethernet = streq(text, "raw-ip");
                return 0;
        }
        if (streq(key, "data.qmap")) {
                if (!streq(text, "true") && !streq(text, "false"))
                        return mistake(ret_error, "\"%s\" is neither true nor false", text);
                d->no_qmap = streq(text, "false");
                return 0;
        }
        for (int i = 0; i < _LIMIT_MAX; i++)
                if (streq(key, limit_keys[i])) {
                        if (number_parse(text, UINT16_MAX, &n) < 0)
                                return mistake(ret_error, "\"%s\" is no number up to %u", text, UINT16_MAX);
                        d->limits[i] = (uint32_t) n;
                        return 0;
                }
        return mistake(ret_error, "no key \"%s\"", key);
}

void data_format_describe(Modem *m, FILE *f) {
        Framing framing = framing_get(m);

        fprintf(f, "%s %s %" PRIu32 " %" PRIu32 " %s %" PRIu32 " %" PRIu32,
                framing.raw_ip ? "raw-ip" : "802-3", framing.uplink ? "qmap" : "disabled",
                framing.limits[LIMIT_UPLINK_DATAGRAMS], framing.limits[LIMIT_UPLINK_SIZE],
                framing.downlink ? "qmap" : "disabled", framing.limits[LIMIT_DOWNLINK_DATAGRAMS],
                framing.limits[LIMIT_DOWNLINK_SIZE]);
}

static int remember(Modem *m, uint16_t service, uint16_t message, Entries *ret) {
        const Answer *a = answers_find(&m->answers, service, message, false);

        return a ? entries_copy(&a->values, ret) : 0;
}

int data_format_begin(Modem *m) {
        int r = remember(m, SERVICE_WDA, WDA_GET_FORMAT, &m->format.wda);

        return r < 0 ? r : remember(m, QMI_SERVICE_CTL, CTL_SET_FORMAT, &m->format.ctl);
}

static int recall(Modem *m, uint16_t service, uint16_t message, const Entries *from) {
        Answer *a = answers_find(&m->answers, service, message, false);

        if (!a)
                return 0;
        m->answers.generation++;
        entries_done(&a->values);
        return entries_copy(from, &a->values);
}

int data_format_restart(Modem *m) {
        int r = recall(m, SERVICE_WDA, WDA_GET_FORMAT, &m->format.wda);

        return r < 0 ? r : recall(m, QMI_SERVICE_CTL, CTL_SET_FORMAT, &m->format.ctl);
}

void data_format_init(DataFormat *d) {
        *d = (DataFormat){ .limits = { 32, 32768, 11, 8192 } };
}

void data_format_done(DataFormat *d) {
        entries_done(&d->wda);
        entries_done(&d->ctl);
}
