/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "modem/call-end.h"
#include "modem/session-internal.h"
#include "qmi/codec.h"
#include "util/log.h"

/* One call, on a client of its own: what binds the client, starts the call, follows it and takes it down. */

static const char *const family_symbols[] = { [SESSION_IPV4] = "ipv4", [SESSION_IPV6] = "ipv6" };

static bool error_is(int error, const char *symbol) {
        const char *s = error > 0 ? schema_error_symbol((uint16_t) error) : NULL;

        return s && streq(s, symbol);
}

/* The modem does not know the message, as it is older than that. */
static bool error_is_unknown_message(int error) {
        return error_is(error, "invalid_qmi_command") || error_is(error, "not_supported") ||
               error_is(error, "device_unsupported");
}

static const char *error_text(int error) {
        if (error > 0)
                return schema_error_symbol((uint16_t) error) ?: "unknown error";
        return error == -ETIMEDOUT ? "no answer" : strerror(-error);
}

static void call_tell(Call *c, unsigned changes) {
        session_tell_later(c->session, changes);
}

static void call_set_reason(Call *c, const char *reason) {
        if (streq(c->grant.reason, reason))
                return;
        (void) snprintf(c->grant.reason, sizeof(c->grant.reason), "%s", reason);
        call_tell(c, SESSION_CHANGE_FAMILIES);
}

static void call_set_granted(Call *c, bool granted) {
        if (c->grant.granted == granted)
                return;
        c->grant.granted = granted;
        call_tell(c, SESSION_CHANGE_FAMILIES);
}

static void call_set_ip(Call *c, const SessionIp *ip) {
        SessionIp *old = &c->session->ip[c->family];

        if (session_ip_equal(old, ip))
                return;
        *old = *ip;
        call_tell(c, SESSION_CHANGE_IP);
}

/* ---- its end ---- */

void call_cancel(Call *c) {
        ask_cancel(&c->ask);
        ask_cancel(&c->settings);
        ask_cancel(&c->status);
        c->settings_again = false;
}

void call_release(Call *c) {
        Session *s = c->session;

        if (!c->client)
                return;
        if (client_get_id(c->client) != 0 && s->ops->on_client)
                s->ops->on_client(s, c->family, NULL, s->userdata);
        (void) client_release(TAKE_PTR(c->client), &s->owner);
}

static void call_forget(Call *c, const SessionEnd *end) {
        c->state = CALL_DOWN;
        c->suspended = false;
        c->end = *end;
        call_set_ip(c, &(SessionIp){});
        call_set_granted(c, false);
        call_set_reason(c, end->text);
}

static void call_pass_turn(Call *c) {
        c->connecting = false;
        session_on_call(c);
}

void call_down(Call *c, const SessionEnd *end) {
        Session *s = c->session;
        Call *other = session_get_other_call(c);

        log_info("%s: %s: %s: %s", device_get_name(s->device), s->owner_name,
                 session_family_to_string(c->family), end->text);
        call_forget(c, end);
        call_cancel(c);
        call_release(c);
        if (other->state == CALL_CARRIED)
                call_forget(other, end);

        switch (s->state) {
        case SESSION_CONNECTING:
                if (c->connecting && other->state == CALL_UP && call_end_is_single_call(&c->end))
                        call_read_settings(other); /* this one may be there; its turn is over then */
                else if (c->connecting)
                        call_pass_turn(c);
                else if (other->connecting && other->state == CALL_DOWN)
                        call_pass_turn(other); /* it was looked for here */
                break;
        case SESSION_CONNECTED:
                if (other->state != CALL_UP)
                        session_end_later(s, &c->end);
                break;
        case SESSION_DISCONNECTING:
        case SESSION_ENDED:
        case _SESSION_STATE_MAX:
        case _SESSION_STATE_INVALID:
                break;
        }
}

/* It could not begin. */
static void call_refuse(Call *c, SessionEndKind kind, int error, const char *what) {
        SessionEnd end = { .kind = kind, .error = error };

        session_end_text(&end, error > 0 ? "%s: %s (%d)" : "%s: %s", what, error_text(error), error);
        call_down(c, &end);
}

/* Nobody can be asked any more. One that is up may be so still: that is found out when somebody can. */
static bool call_is_lost(Call *c, const Answer *answer) {
        if (answer->error != -ENODEV)
                return false;
        if (c->session->state == SESSION_CONNECTED)
                c->session->unverified = true;
        else
                session_end_lost(c->session, "the client id is gone");
        return true;
}

/* ---- addresses ---- */

static void call_read_other(Call *c, const Value *settings) {
        Call *other = session_get_other_call(c);
        char reason[SESSION_TEXT_MAX];
        SessionIp ip;

        if (other->state != CALL_CARRIED &&
            (other->state != CALL_DOWN || !call_end_is_single_call(&other->end)))
                return;
        session_ip_read(settings, other->family, &ip);
        call_set_ip(other, &ip);
        if (ip.is_set) {
                (void) snprintf(reason, sizeof(reason),
                                "in the call for %s, as one of its own was refused: %.160s",
                                session_family_to_string(c->family), other->end.text);
                other->state = CALL_CARRIED;
                call_set_reason(other, reason);
        } else {
                other->state = CALL_DOWN;
                call_set_reason(other, other->end.text);
        }
        call_set_granted(other, ip.is_set);
}

static void call_on_settings(const Answer *answer, void *userdata) {
        Call *c = userdata, *other = session_get_other_call(c);
        char reason[SESSION_TEXT_MAX] = "";
        SessionIp ip = {};

        if (call_is_lost(c, answer))
                return;
        if (answer->error == 0) {
                session_ip_read(answer->dict, c->family, &ip);
                if (!ip.is_set)
                        (void) snprintf(reason, sizeof(reason), "the modem has named no address");
                call_read_other(c, answer->dict);
        } else if (error_is(answer->error, "out_of_call"))
                (void) snprintf(reason, sizeof(reason),
                                "the modem says that it is up, and gives no addresses: out_of_call (%d)",
                                answer->error);
        else
                (void) snprintf(reason, sizeof(reason), "its addresses could not be read: %s (%d)",
                                error_text(answer->error), answer->error);
        call_set_ip(c, &ip);
        call_set_granted(c, true);
        call_set_reason(c, c->suspended ? "suspended by the network" : reason);
        if (c->settings_again) {
                c->settings_again = false;
                call_read_settings(c);
                return;
        }
        if (c->connecting)
                call_pass_turn(c);
        else if (other->connecting && other->state != CALL_STARTING)
                call_pass_turn(other); /* it was looked for here */
}

void call_read_settings(Call *c) {
        _cleanup_form_ Form f;
        int r;

        form_init(&f);
        if (ask_is_open(&c->settings)) {
                c->settings_again = true;
                return;
        }
        session_ip_request(&f);
        r = ask(&c->settings, c->client, &c->session->owner, "get-current-settings", &f, SESSION_STEP_USEC,
                call_on_settings, c);
        if (r < 0)
                call_on_settings(&(Answer){ .error = r }, c);
}

void call_stop_waiting(Call *c) {
        ask_cancel(&c->settings);
        ask_cancel(&session_get_other_call(c)->settings);
        if (c->state == CALL_UP) {
                call_set_granted(c, true);
                call_set_reason(c, "its addresses were not there in time");
        }
        call_pass_turn(c);
}

/* ---- the way up, backwards: each step begins the one above it ---- */

static void call_on_started(const Answer *answer, void *userdata) {
        Call *c = userdata;
        Session *s = c->session;
        SessionEnd end = { .error = answer->error };
        char why[SESSION_TEXT_MAX];
        uint64_t handle = SESSION_HANDLE_ADOPTED;

        if (call_is_lost(c, answer))
                return;
        if (answer->error == 0 || error_is(answer->error, "no_effect")) {
                c->adopted = answer->error != 0;
                if (!c->adopted)
                        (void) answer_number(answer->dict, "packet_data_handle", &handle);
                else
                        call_tell(c, SESSION_CHANGE_OTHER);
                c->handle = (uint32_t) handle;
                c->state = CALL_UP;
                log_info("%s: %s: %s is up%s", device_get_name(s->device), s->owner_name,
                         session_family_to_string(c->family), c->adopted ? " already" : "");
                call_read_settings(c);
                return;
        }
        if (answer->error < 0) {
                call_refuse(c, answer->error == -ETIMEDOUT ? SESSION_END_TIMEOUT : SESSION_END_INTERNAL,
                            answer->error, "starting the call");
                return;
        }
        call_end_read(&end, answer->dict);
        switch (call_end_kind(&end)) {
        case SESSION_END_APN:
        case SESSION_END_AUTHENTICATION:
        case SESSION_END_IP_FAMILY:
        case SESSION_END_PIN_REQUIRED:
        case SESSION_END_NO_SIM:
        case SESSION_END_NOT_REGISTERED:
        case SESSION_END_ROAMING:
                end.kind = call_end_kind(&end);
                break;
        case SESSION_END_REGISTRATION_LOST:
                end.kind = SESSION_END_NOT_REGISTERED;
                break;
        case SESSION_END_NONE:
        case SESSION_END_REQUESTED:
        case SESSION_END_NETWORK:
        case SESSION_END_MODEM_RESET:
        case SESSION_END_DEVICE_GONE:
        case SESSION_END_TIMEOUT:
        case SESSION_END_RESTART:
        case SESSION_END_REFUSED:
        case SESSION_END_LINK_LAYER:
        case SESSION_END_INTERNAL:
        case _SESSION_END_KIND_MAX:
        case _SESSION_END_KIND_INVALID:
                end.kind = SESSION_END_REFUSED;
                break;
        }
        call_end_describe(&end, why);
        session_end_text(&end, "refused: %s", why);
        call_down(c, &end);
}

static void put_login(const Session *s, Form *f) {
        static const char *const all[] = { "pap", "chap" };
        const SessionOptions *o = &s->options;
        uint8_t authentication = o->has_authentication ? o->authentication : SESSION_PAP | SESSION_CHAP;
        const char *symbols[ELEMENTSOF(all)];
        size_t n = 0;

        if (!s->user && !o->has_authentication)
                return;
        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                if (authentication & (1U << i))
                        symbols[n++] = all[i];
        form_symbols(f, &f->dict, "authentication", symbols, n);
        if (s->user)
                form_text(f, &f->dict, "username", s->user);
        if (s->password)
                form_text(f, &f->dict, "password", s->password);
}

void session_put_settings(const Session *s, Form *f, bool apn) {
        if (apn && s->apn)
                form_text(f, &f->dict, "apn", s->apn);
        put_login(s, f);
}

static void call_send_start(Call *c) {
        Session *s = c->session;
        _cleanup_form_ Form f;
        int r;

        form_init(&f);
        if (c->profile > 0)
                form_number(&f, &f.dict, "profile_index_3gpp", c->profile);
        /* What has been written into the profile need not be said again. */
        if (!s->options.modify)
                session_put_settings(s, &f, c->profile == 0 || s->options.profile > 0);
        if (c->family_in_start)
                form_text(&f, &f.dict, "ip_family", family_symbols[c->family]);
        /* The time limit of it all comes first, and aborts it. */
        r = ask(&c->ask, c->client, &s->owner, "start-network", &f,
                SESSION_TIMEOUT_MAX_USEC + SESSION_STEP_USEC, call_on_started, c);
        if (r < 0)
                call_on_started(&(Answer){ .error = r }, c);
}

static void call_on_registered(const Answer *answer, void *userdata) {
        Call *c = userdata;

        /* Without it the modem does not tell of new addresses, but by "reconfiguration required". */
        if (!call_is_lost(c, answer))
                call_send_start(c);
}

static void call_register(Call *c) {
        _cleanup_form_ Form f;

        form_init(&f);
        form_bool(&f, &f.dict, "extended_ip_config", true);
        if (ask(&c->ask, c->client, &c->session->owner, "indication-register", &f, SESSION_STEP_USEC,
                call_on_registered, c) < 0)
                call_send_start(c);
}

static void call_on_family(const Answer *answer, void *userdata) {
        Call *c = userdata;

        if (call_is_lost(c, answer))
                return;
        c->family_in_start = error_is_unknown_message(answer->error);
        if (answer->error == 0 || c->family_in_start || error_is(answer->error, "no_effect"))
                call_register(c);
        else
                call_refuse(c, answer->error == -ETIMEDOUT ? SESSION_END_TIMEOUT : SESSION_END_REFUSED,
                            answer->error, "setting the IP family");
}

static void call_set_family(Call *c) {
        _cleanup_form_ Form f;
        int r;

        form_init(&f);
        form_text(&f, &f.dict, "ip_family", family_symbols[c->family]);
        r = ask(&c->ask, c->client, &c->session->owner, "set-ip-family", &f, SESSION_STEP_USEC,
                call_on_family, c);
        if (r < 0)
                call_on_family(&(Answer){ .error = r }, c);
}

static void call_on_bound(const Answer *answer, void *userdata) {
        Call *c = userdata;

        if (call_is_lost(c, answer))
                return;
        if (answer->error == 0 || error_is(answer->error, "no_effect"))
                call_set_family(c);
        else
                call_refuse(c, SESSION_END_LINK_LAYER, answer->error, "binding the call to its mux");
}

static void call_bind(Call *c) {
        Session *s = c->session;
        _cleanup_form_ Form f;
        Value *endpoint;
        int r;

        form_init(&f);
        if (s->mux_id == 0) {
                call_set_family(c);
                return;
        }
        if (s->endpoint.type != 0) {
                endpoint = form_dict(&f, &f.dict, "endpoint");
                form_number(&f, endpoint, "type", s->endpoint.type);
                form_number(&f, endpoint, "interface", s->endpoint.interface);
        }
        form_number(&f, &f.dict, "mux_id", s->mux_id);
        form_text(&f, &f.dict, "client_type", "tethered");
        r = ask(&c->ask, c->client, &s->owner, "bind-mux-data-port", &f, SESSION_STEP_USEC, call_on_bound,
                c);
        if (r < 0)
                call_on_bound(&(Answer){ .error = r }, c);
}

static void call_on_allocated(Client *client, int error, void *userdata) {
        Call *c = userdata;
        Session *s = c->session;

        if (error == -ENODEV)
                session_end_lost(s, "the modem is not ready any more");
        else if (error != 0)
                call_refuse(c, error == -ETIMEDOUT ? SESSION_END_TIMEOUT : SESSION_END_REFUSED, error,
                            "allocating a client id");
        else {
                if (s->ops->on_client)
                        s->ops->on_client(s, c->family, client, s->userdata);
                call_bind(c);
        }
}

void call_start(Call *c) {
        Session *s = c->session;
        int r;

        c->state = CALL_STARTING;
        c->connecting = true;
        r = client_new(&c->client, s->mux, QMI_SERVICE_WDS, &s->owner, &call_client_ops, c);
        if (r == -ENODEV)
                session_end_lost(s, "the modem is not ready any more");
        else if (r < 0)
                call_refuse(c, SESSION_END_REFUSED, r, "allocating a client id");
}

/* ---- while it is up ---- */

static void call_set_suspended(Call *c, bool suspended) {
        if (c->suspended == suspended)
                return;
        c->suspended = suspended;
        if (suspended)
                call_set_reason(c, "suspended by the network");
        else
                call_read_settings(c); /* which says what is to be said instead */
}

static void call_on_status(const Answer *answer, void *userdata) {
        Call *c = userdata;
        SessionEnd end = { .error = MAX(answer->error, 0) };

        if (call_is_lost(c, answer))
                return;
        if (answer_is(answer->dict, "status", "disconnected") || error_is(answer->error, "out_of_call")) {
                session_end_text(&end, "it was over when the modem was asked, which gave no reason");
                call_down(c, &end);
        } else if (answer_is(answer->dict, "status", "suspended"))
                call_set_suspended(c, true);
        else if (answer_is(answer->dict, "status", "connected")) {
                c->suspended = false;
                call_read_settings(c);
        } else
                log_warning("%s: %s: %s: the modem does not say whether it is up: %s",
                            device_get_name(c->session->device), c->session->owner_name,
                            session_family_to_string(c->family), error_text(answer->error));
}

void call_verify(Call *c) {
        int r;

        if (c->state != CALL_UP || ask_is_open(&c->status))
                return;
        r = ask(&c->status, c->client, &c->session->owner, "get-packet-service-status", NULL,
                SESSION_STEP_USEC, call_on_status, c);
        if (r < 0)
                call_on_status(&(Answer){ .error = r }, c);
}

static void call_on_disconnected(Call *c, const Value *status) {
        SessionEnd end = {};
        char why[SESSION_TEXT_MAX];

        call_end_read(&end, status);
        call_end_describe(&end, why);
        session_end_text(&end, "ended: %s", why);
        call_down(c, &end);
}

/* Of the other family, which this call has, too. */
static void call_on_carried_disconnected(Call *c, const Value *status) {
        SessionEnd end = {};
        char why[SESSION_TEXT_MAX];

        call_end_read(&end, status);
        call_end_describe(&end, why);
        session_end_text(&end, "ended: %s", why);
        call_forget(c, &end);
}

static void call_on_packet_service_status(Call *c, const Value *status, bool broadcast) {
        const Value *connection = answer_get(status, "connection");
        const char *family = answer_text(status, "ip_family");
        Call *other = session_get_other_call(c);
        bool again = false;

        /* The other family's: other clients hear of it, too. */
        if (family && streq(family, family_symbols[other->family])) {
                if (other->state == CALL_CARRIED && !broadcast &&
                    answer_is(connection, "status", "disconnected"))
                        call_on_carried_disconnected(other, status);
                return;
        }
        if (broadcast) { /* it may be about any call */
                call_verify(c);
                return;
        }
        if (answer_is(connection, "status", "disconnected"))
                call_on_disconnected(c, status);
        else if (answer_is(connection, "status", "suspended"))
                call_set_suspended(c, true);
        else if (answer_is(connection, "status", "connected")) {
                (void) answer_bool(connection, "reconfiguration_required", &again);
                if (again)
                        call_read_settings(c);
                call_set_suspended(c, false);
        }
}

static bool is_indication(const QmiMessage *m, const SchemaMessage *row) {
        return row && m->id == row->id;
}

static void call_on_indication(Client *client, const QmiMessage *m, bool broadcast, void *userdata) {
        Call *c = userdata;
        Session *s = c->session;
        uint16_t vendor = mux_get_vendor(s->mux);
        const SchemaService *wds = schema_service_by_id(QMI_SERVICE_WDS, vendor);
        const SchemaMessage *status = wds ? schema_indication_by_name(wds, "packet-service-status") : NULL;
        const SchemaMessage *ip = wds ? schema_indication_by_name(wds, "extended-ip-config") : NULL;
        _cleanup_(arena_erase) Arena arena;
        Value dict;

        arena_init(&arena);
        if (s->ops->on_indication)
                s->ops->on_indication(s, c->family, client, m, broadcast, s->userdata);
        /* What is heard before it is up is about what was there before. */
        if (c->state != CALL_UP || s->finished || s->state == SESSION_DISCONNECTING)
                return;
        if (is_indication(m, ip))
                call_read_settings(c);
        else if (is_indication(m, status) &&
                 message_decode(status, QMI_INDICATION, vendor, m->tlvs, m->n_tlvs, &arena, &dict) >= 0)
                call_on_packet_service_status(c, &dict, broadcast);
}

static void call_on_ended(Client *client, const char *reason, void *userdata) {
        Call *c = userdata;

        session_end_lost(c->session, reason);
}

static void call_on_replaced(Client *client, void *userdata) {
        Call *c = userdata;

        session_end_lost(c->session, "the modem had forgotten the client id");
}

const ClientOps call_client_ops = {
        .on_allocated = call_on_allocated,
        .on_indication = call_on_indication,
        .on_ended = call_on_ended,
        .on_replaced = call_on_replaced,
};

/* ---- the way down ---- */

static void call_on_stopped(const Answer *answer, void *userdata) {
        Call *c = userdata;
        Session *s = c->session;

        if (call_is_lost(c, answer))
                return;
        if (answer->error != 0 && !error_is(answer->error, "no_effect") &&
            !error_is(answer->error, "out_of_call") && !error_is(answer->error, "invalid_handle")) {
                s->ending.error = answer->error;
                session_end_text(&s->ending,
                                 "it was to end, and the modem did not take the call for %s down: %s (%d)",
                                 session_family_to_string(c->family), error_text(answer->error),
                                 answer->error);
                log_warning("%s: %s: %s", device_get_name(s->device), s->owner_name, s->ending.text);
        }
        c->state = CALL_DOWN;
        session_on_stopped(s);
}

bool call_stop(Call *c) {
        _cleanup_form_ Form f;

        form_init(&f);
        if (c->state != CALL_UP)
                return false;
        form_number(&f, &f.dict, "packet_data_handle", c->handle);
        return ask(&c->ask, c->client, &c->session->owner, "stop-network", &f, SESSION_STOP_USEC,
                   call_on_stopped, c) >= 0;
}
