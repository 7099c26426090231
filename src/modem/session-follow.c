/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "modem/call-end.h"
#include "modem/session-internal.h"
#include "qmi/codec.h"
#include "util/log.h"

/* A call that is up: its addresses, and what the modem tells of it. */

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
        } else if (answer_error_is(answer->error, "out_of_call"))
                (void) snprintf(reason, sizeof(reason),
                                "the modem says that it is up, and gives no addresses: out_of_call (%d)",
                                answer->error);
        else
                (void) snprintf(reason, sizeof(reason), "its addresses could not be read: %s (%d)",
                                answer_error_text(answer->error), answer->error);
        if (answer->error == 0 ||
            answer_error_is(answer->error, "out_of_call")) /* else it has what it had */
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
        if (answer_is(answer->dict, "status", "disconnected") ||
            answer_error_is(answer->error, "out_of_call")) {
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
                            session_family_to_string(c->family), answer_error_text(answer->error));
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
        if (family && streq(family, session_family_to_string(other->family))) {
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

void call_on_indication(Client *client, const QmiMessage *m, bool broadcast, void *userdata) {
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
