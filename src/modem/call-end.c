/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem/call-end.h"

#include <stdio.h>

#include "modem/ask.h"

#define QMI_SERVICE_WDS 0x01

/* WDS enum call-end-type. */
enum {
        TYPE_INTERNAL = 2,
        TYPE_CALL_MANAGER = 3,
        TYPE_3GPP = 6,
        TYPE_PPP = 7,
        TYPE_EHRPD = 8,
        TYPE_IPV6 = 9,
};

/* ---- words ---- */

typedef struct VerboseReason {
        uint16_t type;
        int16_t reason;
        SessionEndKind kind;
        const char *text;
} VerboseReason;

/* Of 3gpp: the causes of session management, 3GPP TS 24.008, 10.5.6.6 and TS 24.301, 9.9.4.4. The others are
 * the modem's own; of those what tells one kind of end from another. */
static const VerboseReason verbose_reasons[] = {
        { TYPE_3GPP, 8, 0, "barred by the operator" },
        { TYPE_3GPP, 25, 0, "failure of LLC or SNDCP" },
        { TYPE_3GPP, 26, 0, "insufficient resources" },
        { TYPE_3GPP, 27, SESSION_END_APN, "unknown or missing APN" },
        { TYPE_3GPP, 28, SESSION_END_IP_FAMILY, "unknown PDP type" },
        { TYPE_3GPP, 29, SESSION_END_AUTHENTICATION, "user authentication failed" },
        { TYPE_3GPP, 30, 0, "rejected by the gateway" },
        { TYPE_3GPP, 31, 0, "rejected" },
        { TYPE_3GPP, 32, 0, "service option not supported" },
        { TYPE_3GPP, 33, 0, "service option not subscribed" },
        { TYPE_3GPP, 34, 0, "service option temporarily out of order" },
        { TYPE_3GPP, 35, 0, "NSAPI already used" },
        { TYPE_3GPP, 36, 0, "regular deactivation" },
        { TYPE_3GPP, 37, 0, "quality of service not accepted" },
        { TYPE_3GPP, 38, 0, "network failure" },
        { TYPE_3GPP, 39, 0, "reactivation requested" },
        { TYPE_3GPP, 40, 0, "feature not supported" },
        { TYPE_3GPP, 50, SESSION_END_IP_FAMILY, "only IPv4 allowed" },
        { TYPE_3GPP, 51, SESSION_END_IP_FAMILY, "only IPv6 allowed" },
        { TYPE_3GPP, 52, SESSION_END_IP_FAMILY, "only one IP family for each bearer allowed" },
        { TYPE_3GPP, 53, 0, "ESM information not received" },
        { TYPE_3GPP, 54, 0, "no such PDN connection" },
        { TYPE_3GPP, 55, 0, "several connections to one APN not allowed" },
        { TYPE_3GPP, 111, 0, "protocol error" },
        { TYPE_3GPP, 112, 0, "conflict of APN types" },
        { TYPE_INTERNAL, 202, 0, "call ended" },
        { TYPE_INTERNAL, 206, SESSION_END_NETWORK, "ended by the network" },
        { TYPE_INTERNAL, 208, SESSION_END_IP_FAMILY, "IPv4 calls not allowed" },
        { TYPE_INTERNAL, 210, SESSION_END_IP_FAMILY, "IPv6 calls not allowed" },
        { TYPE_INTERNAL, 212, SESSION_END_MODEM_RESET, "the modem restarts" },
        { TYPE_INTERNAL, 219, SESSION_END_REGISTRATION_LOST, "low power mode" },
        { TYPE_INTERNAL, 220, 0, "APN disabled" },
        { TYPE_INTERNAL, 230, SESSION_END_APN, "APN mismatch" },
        { TYPE_INTERNAL, 231, SESSION_END_IP_FAMILY, "IP version mismatch" },
        { TYPE_INTERNAL, 233, 0, "invalid profile" },
        { TYPE_INTERNAL, 235, 0, "invalid profile id" },
        { TYPE_INTERNAL, 237, 0, "interface in use" },
        { TYPE_INTERNAL, 238, SESSION_END_IP_FAMILY, "IP version and PDP type mismatch" },
        { TYPE_INTERNAL, 239, SESSION_END_ROAMING, "APN not allowed while roaming" },
        { TYPE_INTERNAL, 242, SESSION_END_APN, "empty APN not allowed" },
        { TYPE_INTERNAL, 245, 0, "data disabled in the modem's settings" },
        { TYPE_INTERNAL, 246, SESSION_END_ROAMING, "data while roaming disabled in the modem's settings" },
        { TYPE_INTERNAL, 247, SESSION_END_APN, "APN with an invalid format" },
        { TYPE_INTERNAL, 252, SESSION_END_APN, "no APN matches" },
        { TYPE_INTERNAL, 253, SESSION_END_APN, "invalid APN" },
        { TYPE_INTERNAL, 255, SESSION_END_ROAMING, "calls not allowed while roaming" },
        { TYPE_INTERNAL, 263, SESSION_END_APN, "invalid APN" },
        { TYPE_CALL_MANAGER, 518, SESSION_END_NO_SIM, "no SIM" },
        { TYPE_CALL_MANAGER, 1009, SESSION_END_REGISTRATION_LOST, "detached" },
        { TYPE_CALL_MANAGER, 1022, SESSION_END_ROAMING, "roaming not allowed in this tracking area" },
        { TYPE_CALL_MANAGER, 1028, SESSION_END_REGISTRATION_LOST, "detached" },
        { TYPE_CALL_MANAGER, 1067, SESSION_END_REGISTRATION_LOST,
          "detached by the network, to attach again" },
        { TYPE_CALL_MANAGER, 1068, SESSION_END_REGISTRATION_LOST, "detached by the network" },
        { TYPE_CALL_MANAGER, 1083, SESSION_END_REGISTRATION_LOST, "detached" },
        { TYPE_CALL_MANAGER, 1084, SESSION_END_REGISTRATION_LOST, "no radio" },
        { TYPE_CALL_MANAGER, 1112, 0, "several PDN connections not allowed" },
        { TYPE_CALL_MANAGER, 2000, SESSION_END_REQUESTED, "ended by a client of the modem" },
        { TYPE_CALL_MANAGER, 2001, SESSION_END_REGISTRATION_LOST, "no service" },
        { TYPE_CALL_MANAGER, 2002, SESSION_END_REGISTRATION_LOST, "the signal faded" },
        { TYPE_CALL_MANAGER, 2003, SESSION_END_NETWORK, "regular release" },
        { TYPE_CALL_MANAGER, 2500, SESSION_END_REGISTRATION_LOST, "the modem is offline" },
        { TYPE_PPP, 2, SESSION_END_AUTHENTICATION, "authentication failed" },
        { TYPE_PPP, 31, SESSION_END_AUTHENTICATION, "PAP failed" },
        { TYPE_PPP, 32, SESSION_END_AUTHENTICATION, "CHAP failed" },
        { TYPE_EHRPD, 1, SESSION_END_IP_FAMILY, "the subscription has IPv4 only" },
        { TYPE_EHRPD, 2, SESSION_END_IP_FAMILY, "the subscription has IPv6 only" },
        { TYPE_EHRPD, 7, SESSION_END_AUTHENTICATION, "not authenticated for this APN" },
        { TYPE_IPV6, 1, SESSION_END_IP_FAMILY, "no IPv6 prefix to be had" },
        { TYPE_IPV6, 2, SESSION_END_IP_FAMILY, "IPv6 disabled" },
        { TYPE_IPV6, 3, SESSION_END_IP_FAMILY, "IPv6 disabled" },
};

/* The older number, which is always there, and vague. */
static const struct {
        const char *reason; /* WDS enum call-end-reason */
        SessionEndKind kind;
        const char *text;
} plain_reasons[] = {
        { "client_end", SESSION_END_REQUESTED, "ended by a client of the modem" },
        { "no_service", SESSION_END_REGISTRATION_LOST, "no service" },
        { "fade", SESSION_END_REGISTRATION_LOST, "the signal faded" },
        { "release_normal", SESSION_END_NETWORK, "regular release" },
        { "authentication_failed", SESSION_END_AUTHENTICATION, "authentication failed" },
        { "gsm_wcdma_no_service", SESSION_END_REGISTRATION_LOST, "no service" },
        { "gsm_wcdma_network_end", SESSION_END_NETWORK, "ended by the network" },
        { "gsm_wcdma_regular_deactivation", SESSION_END_NETWORK, "regular deactivation" },
        { "gsm_wcdma_reattach_required", SESSION_END_NETWORK, "reactivation requested" },
        { "gsm_wcdma_unknown_apn", SESSION_END_APN, "unknown or missing APN" },
        { "gsm_wcdma_unknown_pdp", SESSION_END_IP_FAMILY, "unknown PDP type" },
        { "evdo_connection_deny_billing_or_authentication_failure", SESSION_END_AUTHENTICATION,
          "billing or authentication failed" },
};

/* Protocol errors that say what is wrong without any reason of a call. */
static const struct {
        const char *symbol; /* enum qmi-error */
        SessionEndKind kind;
        const char *text;
} errors[] = {
        { "authentication_failed", SESSION_END_AUTHENTICATION, "authentication failed" },
        { "invalid_ip_family_preference", SESSION_END_IP_FAMILY, "no such IP family" },
        { "pin_blocked", SESSION_END_PIN_REQUIRED, "the PIN is blocked" },
        { "pin_always_blocked", SESSION_END_PIN_REQUIRED, "the PIN is blocked for ever" },
        { "pin_restriction", SESSION_END_PIN_REQUIRED, "the SIM wants its PIN" },
        { "puk_restriction", SESSION_END_PIN_REQUIRED, "the SIM wants its PUK" },
        { "no_sim", SESSION_END_NO_SIM, "no SIM" },
        { "no_network_found", SESSION_END_NOT_REGISTERED, "no network" },
        { "network_not_ready", SESSION_END_NOT_REGISTERED, "the network is not ready" },
        { "no_radio", SESSION_END_NOT_REGISTERED, "no radio" },
};

/* ---- the enums of the schema ---- */

/* That of a field in the answer to Start Network: there is one of that name in another service, too. */
static const SchemaType *response_type(const char *key) {
        const SchemaService *wds = schema_service_by_id(QMI_SERVICE_WDS, 0);
        const SchemaMessage *m = wds ? schema_message_by_name(wds, "start-network") : NULL;

        for (uint16_t i = 0; m && i < m->response.n; i++) {
                const SchemaField *f = &schema_tlvs[m->response.first + i].field;

                if (streq(schema_string(f->name), key))
                        return &schema_types[f->type];
        }
        return NULL;
}

static const SchemaType *reason_type(void) {
        return response_type("call_end_reason");
}

static const SchemaType *verbose_type(void) {
        const SchemaType *t = response_type("verbose_call_end_reason");

        for (uint16_t i = 0; t && t->kind == SCHEMA_STRUCT && i < t->count; i++) {
                const SchemaField *f = &schema_fields[t->item + i];

                if (streq(schema_string(f->name), "type"))
                        return &schema_types[f->type];
        }
        return NULL;
}

static const char *symbol_of(const SchemaType *t, uint16_t value) {
        return t && t->kind == SCHEMA_ENUM ? schema_enum_symbol(t->item, value) : NULL;
}

const char *session_call_end_reason_to_string(uint16_t reason) {
        return symbol_of(reason_type(), reason);
}

const char *session_verbose_type_to_string(uint16_t type) {
        return symbol_of(verbose_type(), type);
}

/* ---- reading ---- */

/* Decoding shows a symbol where there is one, and the number as text where there is none. */
static bool read_enum(const SchemaType *t, const Value *dict, const char *key, uint16_t *ret) {
        const char *text = answer_text(dict, key);
        unsigned long number;
        uint32_t value;
        char *end;

        if (!text)
                return false;
        if (t && t->kind == SCHEMA_ENUM && schema_enum_value(t->item, text, &value) >= 0)
                number = value;
        else {
                number = strtoul(text, &end, 10);
                if (end == text || *end)
                        return false;
        }
        *ret = (uint16_t) number;
        return number <= UINT16_MAX;
}

void call_end_read(SessionEnd *e, const Value *dict) {
        const Value *verbose = answer_get(dict, "verbose_call_end_reason");
        const Value *reason = answer_get(verbose, "reason");
        int64_t number;

        e->has_call_end = read_enum(reason_type(), dict, "call_end_reason", &e->call_end_reason);
        e->has_verbose = reason && value_get_i64(reason, &number) >= 0 &&
                         read_enum(verbose_type(), verbose, "type", &e->verbose_type);
        if (e->has_verbose)
                e->verbose_reason = (int16_t) number;
}

/* ---- what they say ---- */

static const VerboseReason *find_verbose(const SessionEnd *e) {
        for (size_t i = 0; e->has_verbose && i < ELEMENTSOF(verbose_reasons); i++)
                if (verbose_reasons[i].type == e->verbose_type &&
                    verbose_reasons[i].reason == e->verbose_reason)
                        return &verbose_reasons[i];
        return NULL;
}

/* ELEMENTSOF(plain_reasons): none. */
static size_t find_plain(const SessionEnd *e) {
        const char *symbol = e->has_call_end ? session_call_end_reason_to_string(e->call_end_reason) : NULL;
        size_t i = 0;

        while (i < ELEMENTSOF(plain_reasons) && (!symbol || !streq(plain_reasons[i].reason, symbol)))
                i++;
        return i;
}

static size_t find_error(const SessionEnd *e) {
        const char *symbol = e->error > 0 ? schema_error_symbol((uint16_t) e->error) : NULL;
        size_t i = 0;

        while (i < ELEMENTSOF(errors) && (!symbol || !streq(errors[i].symbol, symbol)))
                i++;
        return i;
}

SessionEndKind call_end_kind(const SessionEnd *e) {
        const VerboseReason *verbose = find_verbose(e);
        size_t plain = find_plain(e), error = find_error(e);

        /* From the exact to the vague. */
        if (verbose && verbose->kind != SESSION_END_NONE)
                return verbose->kind;
        if (plain < ELEMENTSOF(plain_reasons))
                return plain_reasons[plain].kind;
        if (error < ELEMENTSOF(errors))
                return errors[error].kind;
        return SESSION_END_NONE;
}

bool call_end_is_single_call(const SessionEnd *e) {
        if (!e->has_verbose)
                return false;
        if (e->verbose_type == TYPE_INTERNAL)
                return e->verbose_reason == 231;
        return e->verbose_type == TYPE_3GPP &&
               ((e->verbose_reason >= 50 && e->verbose_reason <= 52) || e->verbose_reason == 55);
}

static const char *words_of(const SessionEnd *e) {
        const VerboseReason *verbose = find_verbose(e);
        size_t plain = find_plain(e), error = find_error(e);

        if (verbose)
                return verbose->text;
        if (plain < ELEMENTSOF(plain_reasons))
                return plain_reasons[plain].text;
        return error < ELEMENTSOF(errors) ? errors[error].text : NULL;
}

static void add(char text[static SESSION_TEXT_MAX], const char *separator, const char *name,
                const char *more, int number) {
        size_t n = strlen(text);

        (void) snprintf(text + n, SESSION_TEXT_MAX - n, "%s%s%s%d%s", n > 0 ? separator : "", name, more,
                        number, streq(more, " (") ? ")" : "");
}

void call_end_describe(const SessionEnd *e, char ret_text[static SESSION_TEXT_MAX]) {
        const char *words = words_of(e);
        const char *separator = words ? ": " : "";

        (void) snprintf(ret_text, SESSION_TEXT_MAX, "%s", words ?: "");
        if (e->has_verbose) {
                add(ret_text, separator, session_verbose_type_to_string(e->verbose_type) ?: "unknown list",
                    " ", e->verbose_reason);
                separator = ", ";
        }
        if (e->has_call_end) {
                add(ret_text, separator,
                    session_call_end_reason_to_string(e->call_end_reason) ?: "call end reason", " (",
                    e->call_end_reason);
                separator = ", ";
        }
        if (e->error > 0)
                add(ret_text, separator, schema_error_symbol((uint16_t) e->error) ?: "error", " (",
                    e->error);
        if (!*ret_text)
                (void) snprintf(ret_text, SESSION_TEXT_MAX, "no reason was given");
}
