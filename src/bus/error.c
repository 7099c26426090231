/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/error.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

int bus_error_prefix(sd_bus_error *error, const char *key) {
        sd_bus_error e = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_error_setf(&e, error->name, "%s: %s", key, error->message);
        sd_bus_error_free(error);
        sd_bus_error_move(error, &e);
        return r;
}

int bus_error_append_tries(sd_bus_error *error, int tries) {
        sd_bus_error e = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_error_setf(&e, error->name, "%s; %d tries were left before", error->message, tries);
        sd_bus_error_free(error);
        sd_bus_error_move(error, &e);
        return r;
}

static void append(char *text, size_t size, const char *format, ...) _printf_(3, 4);
static void append(char *text, size_t size, const char *format, ...) {
        size_t n = strlen(text);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text + n, size - n, format, ap);
        va_end(ap);
}

/* ", verify_left 2": what the fields of a failed answer say. Text is shown only where it is a symbol. */
static void append_fields(char *text, size_t size, const SchemaField *field, const Value *v) {
        const SchemaType *t = &schema_types[field->type];
        const char *name = schema_string(field->name);
        uint64_t u;
        int64_t i;

        if (!v || (field->flags & SCHEMA_SECRET) || field->access != ACCESS_NONE)
                return;
        if (v->type == VALUE_BOOL)
                append(text, size, ", %s %s", name, v->boolean ? "yes" : "no");
        else if (v->type == VALUE_DOUBLE)
                append(text, size, ", %s %g", name, v->number);
        else if (v->type == VALUE_STRING && t->kind == SCHEMA_ENUM)
                append(text, size, ", %s %s", name, v->string);
        else if (v->type == VALUE_DICT && t->kind == SCHEMA_STRUCT)
                for (uint16_t k = 0; k < t->count; k++) {
                        const SchemaField *f = &schema_fields[t->item + k];

                        append_fields(text, size, f, value_dict_get(v, schema_string(f->name)));
                }
        else if (value_get_i64(v, &i) >= 0)
                append(text, size, ", %s %" PRIi64, name, i);
        else if (value_get_u64(v, &u) >= 0)
                append(text, size, ", %s %" PRIu64, name, u);
}

#define QMI_ERROR_NAME_MAX 96U

/* "org.qmid1.Error.Qmi.NoEffect" */
static void make_qmi_name(uint16_t code, char name[static QMI_ERROR_NAME_MAX]) {
        const char *symbol = schema_error_symbol(code);
        bool upper = true;
        size_t n;

        if (!symbol) {
                snprintf(name, QMI_ERROR_NAME_MAX, QMID_ERROR_QMI_PREFIX "Code%u", code);
                return;
        }
        n = (size_t) snprintf(name, QMI_ERROR_NAME_MAX, QMID_ERROR_QMI_PREFIX);
        for (const char *p = symbol; *p && n < QMI_ERROR_NAME_MAX - 1; p++) {
                if (*p == '_') {
                        upper = true;
                        continue;
                }
                name[n++] = upper ? (char) toupper((unsigned char) *p) : *p;
                upper = false;
        }
        name[n] = '\0';
}

int bus_error_set_qmi(sd_bus_error *error, const char *what, uint16_t code, const SchemaMessage *schema,
                      const Value *dict) {
        const char *symbol = schema_error_symbol(code);
        char name[QMI_ERROR_NAME_MAX], words[64], text[512];

        make_qmi_name(code, name);
        if (symbol) {
                snprintf(words, sizeof(words), "%s", symbol);
                for (char *p = words; *p; p++)
                        if (*p == '_')
                                *p = ' ';
        } else
                snprintf(words, sizeof(words), "unknown QMI error %u", code);

        snprintf(text, sizeof(text), "%s: the modem answered: %s", what, words);
        if (schema && dict)
                for (uint16_t i = 0; i < schema->response.n; i++) {
                        const SchemaTlv *t = &schema_tlvs[schema->response.first + i];

                        if (t->alternative == 0)
                                append_fields(text, sizeof(text), &t->field,
                                              value_dict_get(dict, schema_string(t->field.name)));
                }
        return sd_bus_error_set(error, name, text);
}

int bus_error_set_outcome(sd_bus_error *error, const char *what, const RequestOutcome *outcome) {
        switch (outcome->state) {
        case REQUEST_TIMEOUT:
                return sd_bus_error_setf(error, QMID_ERROR_TIMEOUT, "%s: the modem did not answer in time",
                                         what);
        case REQUEST_GONE:
                return sd_bus_error_setf(error, QMID_ERROR_DEVICE_GONE,
                                         "%s: the modem or its client id went away before the answer", what);
        case REQUEST_NO_CLIENT:
                if (outcome->error > 0)
                        return bus_error_set_qmi(error, "allocating a client id", outcome->error, NULL,
                                                 NULL);
                return sd_bus_error_setf(error, QMID_ERROR_TIMEOUT,
                                         "%s: the modem did not give a client id in time", what);
        case REQUEST_REFUSED:
                return sd_bus_error_setf(error, QMID_ERROR_GUARDED,
                                         "%s: %s; Device.Request with option force sends it all the same",
                                         what, outcome->refusal);
        case REQUEST_ANSWERED:
        case _REQUEST_STATE_MAX:
        case _REQUEST_STATE_INVALID:
                break;
        }
        return sd_bus_error_set_errno(error, EINVAL);
}

/* Of what has no QMI error: by what became of it. */
static const char *session_error_name(const SessionEnd *end) {
        if (end->kind == SESSION_END_LINK_LAYER)
                return end->error == -ENOBUFS ? QMID_ERROR_LIMITS_EXCEEDED : QMID_ERROR_LINK_LAYER;
        if (end->kind == SESSION_END_REQUESTED)
                return QMID_ERROR_QMI_PREFIX "Aborted";
        if (end->error == -ENOMEM)
                return SD_BUS_ERROR_NO_MEMORY;
        if (end->error == -ENODEV)
                return QMID_ERROR_DEVICE_GONE;
        if (end->error == -ETIMEDOUT)
                return QMID_ERROR_TIMEOUT;
        return QMID_ERROR_QMI_PREFIX "CallFailed";
}

int bus_error_set_session(sd_bus_error *error, const SessionEnd *end) {
        char name[QMI_ERROR_NAME_MAX];

        if (end->error <= 0)
                return sd_bus_error_set(error, session_error_name(end), end->text);
        make_qmi_name((uint16_t) end->error, name);
        return sd_bus_error_set(error, name, end->text);
}

int bus_error_set_not_ready(sd_bus_error *error, Mux *m) {
        const char *reason = mux_get_state_reason(m);

        if (mux_get_state(m) == MUX_READY)
                return sd_bus_error_set(error, QMID_ERROR_NOT_READY,
                                        "the modem has lost the client id, and has given no other yet");
        return sd_bus_error_setf(error, QMID_ERROR_NOT_READY, "the modem cannot be asked now (state %s%s%s)",
                                 mux_state_to_string(mux_get_state(m)), *reason ? ": " : "", reason);
}

int bus_error_set_mux(sd_bus_error *error, Mux *m, const char *what, int r) {
        switch (r) {
        case -ENODEV:
                return bus_error_set_not_ready(error, m);
        case -EOPNOTSUPP:
                return sd_bus_error_setf(error, QMID_ERROR_NO_SUCH_SERVICE,
                                         "%s: this modem has no such service", what);
        case -EPERM:
                return sd_bus_error_setf(error, QMID_ERROR_NOT_OWNER,
                                         "%s: that client belongs to somebody else", what);
        case -ENOBUFS:
                return sd_bus_error_setf(error, QMID_ERROR_LIMITS_EXCEEDED,
                                         "%s: too many requests wait already", what);
        case -EMSGSIZE:
                return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT,
                                         "%s: the request does not fit into a QMI message", what);
        default:
                return sd_bus_error_set_errno(error, r);
        }
}
