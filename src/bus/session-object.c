/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "bus/internal.h"
#include "bus/value.h"
#include "net/net.h"
#include "util/clock.h"

/* org.qmid1.Session */

static BusSession *session_of(void *userdata) {
        return ((BusObject *) userdata)->session;
}

/* ---- properties */

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s",
                                     session_state_to_string(bus_session_get_state(session_of(userdata))));
}

static int get_interface(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", session_get_interface(session_of(userdata)->session));
}

static int get_mux_id(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "y", session_get_mux(session_of(userdata)->session));
}

static int get_apn(sd_bus *bus, const char *path, const char *interface, const char *property,
                   sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", session_get_apn(session_of(userdata)->session));
}

static int get_profile(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "y", session_get_profile(session_of(userdata)->session));
}

static int get_adopted(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "b", session_is_adopted(session_of(userdata)->session));
}

static int get_configured(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "b", session_is_configured(session_of(userdata)->session));
}

static int get_problem(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", session_get_problem(session_of(userdata)->session));
}

static int get_persist(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "b", session_of(userdata)->persist);
}

static int get_owner(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const BusSession *s = session_of(userdata);

        return sd_bus_message_append(reply, "s", s->caller ? s->caller->name : "");
}

static int append_dns(sd_bus_message *reply, const SessionIp *ip) {
        const char *dns[SESSION_DNS_MAX + 1] = {};
        int r;

        for (unsigned i = 0; i < ip->n_dns; i++)
                dns[i] = ip->dns[i];
        r = sd_bus_message_open_container(reply, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", "dns");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(reply, (char **) (uintptr_t) dns);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* What the network did not say is left out. */
static int append_ip(sd_bus_message *reply, const SessionIp *ip) {
        int r;

        r = sd_bus_message_append(reply, "{sv}{sv}", "address", "s", ip->address, "prefix", "u",
                                  (uint32_t) ip->prefix);
        if (r >= 0 && *ip->gateway)
                r = sd_bus_message_append(reply, "{sv}", "gateway", "s", ip->gateway);
        if (r >= 0 && ip->n_dns > 0)
                r = append_dns(reply, ip);
        if (r >= 0 && ip->mtu > 0)
                r = sd_bus_message_append(reply, "{sv}", "mtu", "u", ip->mtu);
        return r;
}

static int get_ip(sd_bus_message *reply, const BusSession *s, SessionFamily f) {
        const SessionIp *ip = session_get_ip(s->session, f);
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0 && ip->is_set && bus_session_get_state(s) != SESSION_ENDED)
                r = append_ip(reply, ip);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_ip4(sd_bus *bus, const char *path, const char *interface, const char *property,
                   sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return get_ip(reply, session_of(userdata), SESSION_IPV4);
}

static int get_ip6(sd_bus *bus, const char *path, const char *interface, const char *property,
                   sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return get_ip(reply, session_of(userdata), SESSION_IPV6);
}

static int get_families(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const BusSession *s = session_of(userdata);
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{s(bs)}");
        for (SessionFamily f = 0; f < _SESSION_FAMILY_MAX && r >= 0; f++) {
                const SessionGrant *g = session_get_grant(s->session, f);

                if (g->asked)
                        r = sd_bus_message_append(reply, "{s(bs)}", session_family_to_string(f),
                                                  (int) g->granted, g->reason);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_counters(sd_bus_message *reply, const NetInterface *i) {
        return sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "rx_packets", "t",
                                     i->rx_packets, "rx_bytes", "t", i->rx_bytes, "rx_errors", "t",
                                     i->rx_errors, "rx_dropped", "t", i->rx_dropped, "tx_packets", "t",
                                     i->tx_packets, "tx_bytes", "t", i->tx_bytes, "tx_errors", "t",
                                     i->tx_errors, "tx_dropped", "t", i->tx_dropped);
}

/* Whole seconds; also those that the machine slept. */
static uint64_t session_duration(const BusSession *s) {
        uint64_t since = session_get_since_usec(s->session), now = now_usec(CLOCK_BOOTTIME);

        return since > 0 && now > since ? (now - since) / USEC_PER_SEC : 0;
}

static int get_statistics(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const BusSession *s = session_of(userdata);
        const char *name = session_get_interface(s->session);
        Net *net = device_get_net(s->device->device);
        NetInterface i;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}", "duration", "t", session_duration(s));
        if (r >= 0 && *name && net && net_get_interface(net, name, &i) >= 0)
                r = append_counters(reply, &i);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* The symbol, or the number of one that the schema does not know. */
static int append_symbol(sd_bus_message *reply, const char *key, const char *symbol, uint16_t number) {
        char text[16];

        snprintf(text, sizeof(text), "%u", number);
        return sd_bus_message_append(reply, "{sv}", key, "s", symbol ? symbol : text);
}

static int append_end(sd_bus_message *reply, const SessionEnd *e) {
        int r;

        r = sd_bus_message_append(reply, "{sv}{sv}", "kind", "s", session_end_kind_to_string(e->kind),
                                  "text", "s", e->text);
        if (r >= 0 && e->has_call_end)
                r = append_symbol(reply, "call_end_reason",
                                  session_call_end_reason_to_string(e->call_end_reason), e->call_end_reason);
        if (r >= 0 && e->has_verbose)
                r = append_symbol(reply, "verbose_type", session_verbose_type_to_string(e->verbose_type),
                                  e->verbose_type);
        if (r >= 0 && e->has_verbose)
                r = sd_bus_message_append(reply, "{sv}", "verbose_reason", "n", e->verbose_reason);
        return r;
}

static int get_end_reason(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const SessionEnd *e = bus_session_get_end(session_of(userdata));
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0 && e->kind != SESSION_END_NONE)
                r = append_end(reply, e);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* ---- methods */

static AccessTarget target_of(const BusSession *s, AccessDoor door) {
        return (AccessTarget){ .device = s->device, .type = ACCESS_TO_DOOR, .message = (uint16_t) door };
}

/* It is somebody else's, who is there. A password is asked for where the call allows that; else the answer
 * is whose it is. */
static int require_others(sd_bus_message *m, sd_bus_message_handler_t handler, Caller *caller,
                          const BusSession *s, const AccessTarget *target, sd_bus_error *error) {
        int r;

        if (sd_bus_message_get_allow_interactive_authorization(m) > 0)
                return bus_require_access(m, handler, caller, target, ACCESS_CLIENTS, error);
        r = bus_ask_access(m, handler, caller, target, ACCESS_CLIENTS, error);
        if (r == -EACCES && !sd_bus_error_is_set(error))
                return sd_bus_error_setf(error, QMID_ERROR_NOT_OWNER,
                                         "%s belongs to %s; to end it takes access class clients", s->path,
                                         s->caller->name);
        return r;
}

static int method_disconnect(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusSession *s = session_of(userdata);
        const AccessTarget target = target_of(s, DOOR_DISCONNECT);
        Caller *caller;
        int r;

        r = caller_require(s->device->bus, m, method_disconnect, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = bus_read_no_options(m, error);
        if (r < 0)
                return r;
        r = bus_require_access(m, method_disconnect, caller, &target, ACCESS_DATA, error);
        if (r > 0 && s->caller != caller && !s->persist)
                r = require_others(m, method_disconnect, caller, s, &target, error);
        if (r > 0)
                r = session_call_new(SESSION_CALL_DISCONNECT, m, caller, s->device, s->number, error);
        else if (r == 0)
                return 1;
        if (r < 0)
                return r;
        session_disconnect(s->session);
        return 1;
}

static int method_claim(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusSession *s = session_of(userdata);
        const AccessTarget target = target_of(s, DOOR_CLAIM);
        Caller *caller;
        int r, others;

        r = caller_require(s->device->bus, m, method_claim, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = bus_read_no_options(m, error);
        if (r < 0)
                return r;
        others = bus_session_check(s, caller, error);
        if (others < 0)
                return others;
        r = bus_require_access(m, method_claim, caller, &target, ACCESS_DATA, error);
        if (r > 0 && others > 0)
                r = bus_require_access(m, method_claim, caller, &target, ACCESS_CLIENTS, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = bus_session_claim(s, caller, error);
        return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}

/* Anybody may: it is what the object manager shows. What is called on a client is looked at each time. */
static int method_get_clients(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        BusSession *s = session_of(userdata);
        int r;

        r = bus_read_no_options(m, error);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{so}");
        for (SessionFamily f = 0; f < _SESSION_FAMILY_MAX && r >= 0; f++)
                if (s->clients[f])
                        r = sd_bus_message_append(reply, "{so}", session_family_to_string(f),
                                                  s->clients[f]->path);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

const sd_bus_vtable session_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("State", "s", get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Interface", "s", get_interface, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("MuxId", "y", get_mux_id, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Ip4", "a{sv}", get_ip4, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Ip6", "a{sv}", get_ip6, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Families", "a{s(bs)}", get_families, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Statistics", "a{sv}", get_statistics, 0, 0),
        SD_BUS_PROPERTY("EndReason", "a{sv}", get_end_reason, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Adopted", "b", get_adopted, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Configured", "b", get_configured, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Problem", "s", get_problem, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Persist", "b", get_persist, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Owner", "s", get_owner, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Apn", "s", get_apn, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Profile", "y", get_profile, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_METHOD_WITH_ARGS("Disconnect", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                method_disconnect, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Claim", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_claim,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetClients", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("a{so}", clients),
                                method_get_clients, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
