/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sessions.h"

#include <arpa/inet.h>

#include "fields.h"
#include "modem.h"

/* services.csv, messages.csv, tlvs.csv */
#define SERVICE_WDS        0x01
#define WDS_RESET          0x0000
#define WDS_START          0x0020
#define WDS_STOP           0x0021
#define WDS_GET_STATUS     0x0022
#define WDS_GET_SETTINGS   0x002D
#define WDS_SET_IP_FAMILY  0x004D
#define WDS_BIND_MUX       0x00A2
#define HANDLE_ANY         UINT32_C(0xFFFFFFFF)
#define FAMILY_UNSPECIFIED 8

/* errors.csv */
#define QMI_ERROR_INVALID_HANDLE    0x0009
#define QMI_ERROR_CALL_FAILED       0x000E
#define QMI_ERROR_OUT_OF_CALL       0x000F
#define QMI_ERROR_MISSING_ARGUMENT  0x0011
#define QMI_ERROR_NO_EFFECT         0x001A
#define QMI_ERROR_INVALID_FAMILY    0x0040
#define QMI_ERROR_INVALID_OPERATION 0x0046

/* 3GPP TS 24.301, table 9.9.4.4: ESM causes. */
#define CAUSE_IPV4_ONLY           50
#define CAUSE_IPV6_ONLY           51
#define CAUSE_SINGLE_BEARERS_ONLY 52

static const char *const families_names[_FAMILIES_MAX] = {
        [FAMILIES_BOTH] = "both",
        [FAMILIES_IPV4] = "ipv4",
        [FAMILIES_IPV6] = "ipv6",
        [FAMILIES_SINGLE] = "single",
};

static const char *family_name(uint8_t family) {
        return family == 6 ? "ipv6" : "ipv4";
}

/* ---- calls ---- */

static bool call_has_gate(const Call *c, uint8_t mux, uint8_t family) {
        return c->mux == mux && (c->both || c->family == family);
}

static Call *sessions_find_client(Sessions *s, uint8_t client) {
        for (size_t i = 0; client != 0 && i < s->n_calls; i++)
                if (s->calls[i].client == client)
                        return &s->calls[i];
        return NULL;
}

static Call *sessions_find_gate(Sessions *s, uint8_t mux, uint8_t family) {
        for (size_t i = 0; i < s->n_calls; i++)
                if (call_has_gate(&s->calls[i], mux, family))
                        return &s->calls[i];
        return NULL;
}

static bool sessions_has_mux(const Sessions *s, uint8_t mux) {
        for (size_t i = 0; i < s->n_calls; i++)
                if (s->calls[i].mux == mux)
                        return true;
        return false;
}

static void sessions_remove(Sessions *s, Call *c) {
        *c = s->calls[--s->n_calls];
}

void sessions_prune(Modem *m) {
        Sessions *s = &m->sessions;

        for (size_t i = s->n_calls; i-- > 0;)
                if (s->calls[i].client != 0 && !client_ids_find(&m->ids, SERVICE_WDS, s->calls[i].client))
                        sessions_remove(s, &s->calls[i]);
}

void sessions_take_back(Modem *m, uint8_t client, uint16_t message) {
        Call *c = sessions_find_client(&m->sessions, client);

        if (c && message == WDS_START)
                sessions_remove(&m->sessions, c);
}

static uint8_t client_family(const SimClient *client) {
        return client->family == 0 ? 4 : client->family;
}

/* Tells the clients that have to do with the gate; or one, if others keep it open. */
static int sessions_indicate(Modem *m, Exchange *x, uint8_t mux, uint8_t family, bool connected, int only,
                             const Entries *extra, char **ret_error) {
        Entries values = {};
        MessageRef ref;
        int r;

        r = message_ref_parse("wds.packet-service-status", m->answers.vendor, &ref, ret_error);
        if (r >= 0)
                r = entries_set_text(&values, "connection.status", connected ? "connected" : "disconnected");
        if (r >= 0)
                r = entries_set(&values, "connection.reconfiguration-required",
                                &(Value){ .type = VALUE_BOOL, .boolean = false }, 0);
        if (r >= 0)
                r = entries_set_text(&values, "ip-family", family_name(family));
        if (r >= 0 && extra)
                r = entries_copy(extra, &values);
        for (size_t i = 0; r >= 0 && i < m->ids.n; i++) {
                const SimClient *c = &m->ids.clients[i];

                if (c->service == SERVICE_WDS && c->in_sessions && c->mux == mux &&
                    client_family(c) == family && (only < 0 || c->id == only))
                        r = modem_send_indication(m, x, &ref, TARGET_CLIENT, c->id, &values, ret_error);
        }
        entries_done(&values);
        return r;
}

static int sessions_add(Modem *m, const Call *call) {
        Sessions *s = &m->sessions;
        Call *grown;

        grown = reallocarray(s->calls, s->n_calls + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        s->calls = grown;
        s->calls[s->n_calls++] = *call;
        return 0;
}

int sessions_start(Modem *m, uint8_t mux, uint8_t family, char **ret_error) {
        Call call = { .mux = mux, .family = family, .both = m->sessions.families == FAMILIES_SINGLE };
        int r;

        if (sessions_find_gate(&m->sessions, mux, family))
                return mistake(ret_error, "there is a call already");
        r = sessions_add(m, &call);
        return r < 0 ? r : sessions_indicate(m, NULL, mux, family, true, -1, NULL, ret_error);
}

int sessions_end(Modem *m, uint8_t mux, uint8_t family, const Entries *extra, char **ret_error) {
        Sessions *s = &m->sessions;
        Call *call = sessions_find_gate(s, mux, family);
        uint8_t of_call;

        if (!call)
                return mistake(ret_error, "there is no call");
        of_call = call->family;
        do
                sessions_remove(s, call);
        while ((call = sessions_find_gate(s, mux, family)));
        return sessions_indicate(m, NULL, mux, of_call, false, -1, extra, ret_error);
}

/* ---- WDS ---- */

/* What the network has against it: an ESM cause, or 0. */
static int sessions_find_obstacle(const Sessions *s, uint8_t mux, uint8_t family) {
        switch (s->families) {
        case FAMILIES_IPV4:
                return family == 6 ? CAUSE_IPV4_ONLY : 0;
        case FAMILIES_IPV6:
                return family == 4 ? CAUSE_IPV6_ONLY : 0;
        case FAMILIES_SINGLE:
                return sessions_has_mux(s, mux) ? CAUSE_SINGLE_BEARERS_ONLY : 0;
        case FAMILIES_BOTH:
        case _FAMILIES_MAX:
                break;
        }
        return 0;
}

static int wds_start(Modem *m, Exchange *x, SimClient *client, char **ret_error) {
        static const char handle_key[] = "wds.start-network.packet-data-handle";
        Sessions *s = &m->sessions;
        uint8_t family = client_family(client);
        Call call, *there;
        int cause, r;

        (void) request_get_u8(x->request, 0x19, &family);
        client->in_sessions = true;
        if (family == FAMILY_UNSPECIFIED) {
                x->is_unanswered = true; /* seen on real modems: they hang */
                return 0;
        }
        if (family != 4 && family != 6)
                return QMI_ERROR_INVALID_FAMILY;
        client->family = family;
        there = sessions_find_gate(s, client->mux, family);
        if (sessions_find_client(s, client->id) || (there && there->client == 0))
                return QMI_ERROR_NO_EFFECT;

        cause = sessions_find_obstacle(s, client->mux, family);
        if (cause != 0) {
                x->has_values = true;
                r = entries_set_text(&x->values, "call-end-reason", "unspecified");
                if (r >= 0)
                        r = entries_set_text(&x->values, "verbose-call-end-reason.type", "3gpp");
                if (r >= 0)
                        r = entries_set_number(&x->values, "verbose-call-end-reason.reason", cause);
                return r < 0 ? r : QMI_ERROR_CALL_FAILED;
        }

        call = (Call){ .client = client->id,
                       .mux = client->mux,
                       .family = family,
                       .both = s->families == FAMILIES_SINGLE,
                       .handle = (uint32_t) answers_get_number(&m->answers, handle_key) + 1 };
        r = answers_set_value(&m->answers, handle_key, &(Value){ .type = VALUE_I64, .i64 = call.handle }, 0,
                              ret_error);
        if (r >= 0)
                r = sessions_add(m, &call);
        return r < 0 ? r
                     : sessions_indicate(m, x, client->mux, family, true, there ? client->id : -1, NULL,
                                         ret_error);
}

static int wds_stop(Modem *m, Exchange *x, const SimClient *client, char **ret_error) {
        Sessions *s = &m->sessions;
        Call *call = sessions_find_client(s, client->id);
        uint8_t family = call ? call->family : client_family(client), mux = client->mux;
        Entries extra = {};
        uint32_t handle;
        int r;

        if (!request_get_u32(x->request, 0x01, &handle))
                return QMI_ERROR_MISSING_ARGUMENT;
        if (handle == HANDLE_ANY && !sessions_find_gate(s, mux, family))
                return QMI_ERROR_NO_EFFECT;
        if (handle != HANDLE_ANY && !call)
                return QMI_ERROR_NO_EFFECT;
        if (handle != HANDLE_ANY && call->handle != handle)
                return QMI_ERROR_INVALID_HANDLE;

        if (handle != HANDLE_ANY)
                sessions_remove(s, call);
        else
                while ((call = sessions_find_gate(s, mux, family)))
                        sessions_remove(s, call);
        r = entries_set_text(&extra, "call-end-reason", "client-end");
        if (r >= 0)
                r = sessions_indicate(m, x, mux, family, false,
                                      sessions_find_gate(s, mux, family) ? client->id : -1, &extra,
                                      ret_error);
        entries_done(&extra);
        return r;
}

/* Mux 0 has the addresses of the scenario, each further one others. */
static void address_move(uint8_t *bytes, uint8_t family, uint8_t mux) {
        uint32_t v;

        if (family == 4) {
                memcpy(&v, bytes, 4);
                v = htonl(ntohl(v) + 4U * mux);
                memcpy(bytes, &v, 4);
        } else {
                v = (uint32_t) (bytes[4] << 8 | bytes[5]) + mux;
                bytes[4] = (uint8_t) (v >> 8);
                bytes[5] = (uint8_t) v;
        }
}

/* False if the scenario has none. */
static bool address_of_mux(const Value *v, uint8_t family, uint8_t mux, char text[static INET6_ADDRSTRLEN]) {
        int af = family == 6 ? AF_INET6 : AF_INET;
        uint8_t bytes[16];

        if (!v || v->type != VALUE_STRING || inet_pton(af, v->string, bytes) <= 0)
                return false;
        address_move(bytes, family, mux);
        return inet_ntop(af, bytes, text, INET6_ADDRSTRLEN);
}

static int wds_get_settings(Modem *m, Exchange *x, const SimClient *client) {
        static const struct {
                uint8_t family;
                const char *key;
                bool differs; /* from mux to mux */
        } of_family[] = {
                { 4, "ipv4_address", true }, { 4, "ipv4_gateway", true }, { 4, "ipv4_netmask" },
                { 4, "ipv4_primary_dns" },   { 4, "ipv4_secondary_dns" }, { 6, "ipv6_address", true },
                { 6, "ipv6_gateway", true }, { 6, "ipv6_primary_dns" },   { 6, "ipv6_secondary_dns" },
        };
        const Call *call = sessions_find_client(&m->sessions, client->id)
                                   ?: sessions_find_gate(&m->sessions, client->mux, client_family(client));
        int r;

        if (!call)
                return QMI_ERROR_OUT_OF_CALL;
        x->has_values = true;
        r = entries_copy(&x->answer->values, &x->values);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(of_family); i++) {
                _cleanup_free_ char *key = NULL;
                char text[INET6_ADDRSTRLEN];
                uint8_t family = of_family[i].family;

                if (!call->both && call->family != family) {
                        entries_unset(&x->values, of_family[i].key);
                        continue;
                }
                if (!of_family[i].differs)
                        continue;
                if (asprintf(&key, "%s%s", of_family[i].key, family == 6 ? ".address" : "") < 0)
                        return -ENOMEM;
                if (address_of_mux(entries_get(&x->values, key), family, call->mux, text))
                        r = entries_set_text(&x->values, key, text);
        }
        return r < 0 ? r : entries_set_text(&x->values, "ip_family", family_name(call->family));
}

static int wds_get_status(Modem *m, Exchange *x, const SimClient *client) {
        bool up = sessions_find_client(&m->sessions, client->id) ||
                  sessions_find_gate(&m->sessions, client->mux, client_family(client));

        x->has_values = true;
        return entries_set_text(&x->values, "status", up ? "connected" : "disconnected");
}

static int wds_set_ip_family(Exchange *x, SimClient *client) {
        uint8_t family;

        if (!request_get_u8(x->request, 0x01, &family))
                return QMI_ERROR_MISSING_ARGUMENT;
        if (family != 4 && family != 6 && family != FAMILY_UNSPECIFIED)
                return QMI_ERROR_INVALID_FAMILY;
        client->family = family;
        client->in_sessions = true;
        return 0;
}

static int wds_bind_mux(Modem *m, Exchange *x, SimClient *client) {
        uint16_t error = data_format_check_endpoint(m, x->request, 0x10);

        if (error != 0)
                return error;
        if (sessions_find_client(&m->sessions, client->id))
                return QMI_ERROR_INVALID_OPERATION;
        (void) request_get_u8(x->request, 0x11, &client->mux);
        client->in_sessions = true;
        return 0;
}

static int wds_handle(Modem *m, Exchange *x, SimClient *client, char **ret_error) {
        switch (x->request->id) {
        case WDS_START:
                return wds_start(m, x, client, ret_error);
        case WDS_STOP:
                return wds_stop(m, x, client, ret_error);
        case WDS_GET_STATUS:
                return wds_get_status(m, x, client);
        case WDS_GET_SETTINGS:
                return wds_get_settings(m, x, client);
        case WDS_SET_IP_FAMILY:
                return wds_set_ip_family(x, client);
        case WDS_BIND_MUX:
                return wds_bind_mux(m, x, client);
        case WDS_RESET: {
                Call *call = sessions_find_client(&m->sessions, client->id);

                if (call)
                        sessions_remove(&m->sessions, call);
                client->mux = client->family = 0;
                client->in_sessions = false;
                return 0;
        }
        default:
                return 0;
        }
}

int sessions_handle(Modem *m, Exchange *x, char **ret_error) {
        SimClient *client = client_ids_find(&m->ids, SERVICE_WDS, x->request->client);
        int r;

        if (x->request->service == SERVICE_WDS && client)
                r = wds_handle(m, x, client, ret_error);
        else
                r = data_format_handle(m, x, m->sessions.n_calls > 0, ret_error);
        if (r <= 0)
                return r;
        x->error = (uint16_t) r;
        x->has_values = true; /* if only none: those of !failed are for failures of the scenario */
        return 0;
}

/* ---- the whole ---- */

int sessions_restart(Modem *m) {
        m->sessions.n_calls = 0;
        return data_format_restart(m);
}

int sessions_set(Modem *m, const char *key, const char *text, char **ret_error) {
        Sessions *s = &m->sessions;

        if (streq(key, "data.families")) {
                for (int i = 0; i < _FAMILIES_MAX; i++)
                        if (streq(text, families_names[i])) {
                                s->families = (SessionsFamilies) i;
                                return 0;
                        }
                return mistake(ret_error, "\"%s\" is not one of both, ipv4, ipv6, single", text);
        }
        return data_format_configure(&m->format, key, text, ret_error);
}

void sessions_describe(Modem *m, FILE *f) {
        static const struct {
                uint8_t family;
                const char *key;
        } families[] = { { 4, "wds.get-current-settings.ipv4-address" },
                         { 6, "wds.get-current-settings.ipv6-address.address" } };
        char text[INET6_ADDRSTRLEN];

        data_format_describe(m, f);
        for (unsigned mux = 0; mux <= UINT8_MAX; mux++)
                for (size_t i = 0; i < ELEMENTSOF(families); i++) {
                        if (!sessions_find_gate(&m->sessions, (uint8_t) mux, families[i].family))
                                continue;
                        if (!address_of_mux(answers_get(&m->answers, families[i].key), families[i].family,
                                            (uint8_t) mux, text))
                                (void) snprintf(text, sizeof(text), "%s", family_name(families[i].family));
                        fprintf(f, " %u %s", mux, text);
                }
}

void sessions_done(Sessions *s) {
        free(s->calls);
        *s = (Sessions){};
}
