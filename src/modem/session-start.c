/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem/call-end.h"
#include "modem/session-internal.h"
#include "util/log.h"

/* The way up of one call. It is to be read backwards: each step begins the one above it. */

/* The modem does not know the message, as it is older than that. */
static bool error_is_unknown_message(int error) {
        return answer_error_is(error, "invalid_qmi_command") || answer_error_is(error, "not_supported") ||
               answer_error_is(error, "device_unsupported");
}

static void call_on_started(const Answer *answer, void *userdata) {
        Call *c = userdata;
        Session *s = c->session;
        SessionEnd end = { .error = answer->error };
        char why[SESSION_TEXT_MAX];
        uint64_t handle = SESSION_HANDLE_ADOPTED;

        if (call_is_lost(c, answer))
                return;
        if (answer->error == 0 || answer_error_is(answer->error, "no_effect")) {
                c->adopted = answer->error != 0;
                if (!c->adopted)
                        (void) answer_number(answer->dict, "packet_data_handle", &handle);
                else
                        session_tell_later(s, SESSION_CHANGE_OTHER);
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
                form_text(&f, &f.dict, "ip_family", session_family_to_string(c->family));
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
        if (answer->error == 0 || c->family_in_start || answer_error_is(answer->error, "no_effect"))
                call_register(c);
        else
                call_refuse(c, answer->error == -ETIMEDOUT ? SESSION_END_TIMEOUT : SESSION_END_REFUSED,
                            answer->error, "setting the IP family");
}

static void call_set_family(Call *c) {
        _cleanup_form_ Form f;
        int r;

        form_init(&f);
        form_text(&f, &f.dict, "ip_family", session_family_to_string(c->family));
        r = ask(&c->ask, c->client, &c->session->owner, "set-ip-family", &f, SESSION_STEP_USEC,
                call_on_family, c);
        if (r < 0)
                call_on_family(&(Answer){ .error = r }, c);
}

static void call_on_bound(const Answer *answer, void *userdata) {
        Call *c = userdata;

        if (call_is_lost(c, answer))
                return;
        if (answer->error == 0 || answer_error_is(answer->error, "no_effect"))
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
