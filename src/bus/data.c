/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/internal.h"
#include "bus/value.h"

/* org.qmid1.Data: data sessions of a port that has WDS. */

#define QMI_SERVICE_WDS 0x01

bool data_is_served(const BusDevice *d) {
        return device_has_service(d->device, QMI_SERVICE_WDS);
}

int data_refuse(const BusDevice *d, sd_bus_error *error) {
        Mux *m = device_get_mux(d->device);

        if (!mux_is_live(m))
                return bus_error_set_not_ready(error, m);
        return sd_bus_error_set(error, QMID_ERROR_NO_SUCH_SERVICE, "data: this modem has no wds");
}

uint32_t data_get_max_sessions(const BusDevice *d) {
        Link *l = device_get_link(d->device);

        return l ? link_get_max_sessions(l) : share_limits[SHARE_SESSIONS][SHARE_OF_DEVICE];
}

static int get_max_sessions(sd_bus *bus, const char *path, const char *interface, const char *property,
                            sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "u", data_get_max_sessions(((BusObject *) userdata)->device));
}

/* ---- the options of Connect */

static int option_problem(sd_bus_error *error, const char *text) {
        return sd_bus_error_set(error, QMID_ERROR_INVALID_ARGUMENT, text);
}

static int read_families(const Value *options, SessionOptions *o, sd_bus_error *error) {
        const char *s;
        bool both;
        int r;

        r = bus_option_text(options, "families", &s, error);
        if (r < 0)
                return r;
        both = !s || streq(s, "both");
        for (SessionFamily f = 0; f < _SESSION_FAMILY_MAX; f++)
                o->families[f] = both || streq(s, session_family_to_string(f));
        if (!o->families[SESSION_IPV4] && !o->families[SESSION_IPV6])
                return option_problem(error, "families: must be ipv4, ipv6 or both");
        return 0;
}

static int read_authentication(const Value *options, SessionOptions *o, sd_bus_error *error) {
        const Value *v = value_dict_get(options, "authentication");

        if (!v)
                return 0;
        o->has_authentication = true;
        if (v->type != VALUE_ARRAY)
                return option_problem(error, "authentication: not an array of pap and chap");
        for (uint32_t i = 0; i < v->n; i++) {
                const Value *e = &v->elements[i];

                if (e->type == VALUE_STRING && streq(e->string, "pap"))
                        o->authentication |= SESSION_PAP;
                else if (e->type == VALUE_STRING && streq(e->string, "chap"))
                        o->authentication |= SESSION_CHAP;
                else
                        return option_problem(error, "authentication: not an array of pap and chap");
        }
        return 0;
}

/* `ret_forces`: the link layer was named. */
static int read_link_layer(const Value *options, SessionOptions *o, bool *ret_forces, sd_bus_error *error) {
        const char *s;
        LinkMode mode;
        int r;

        r = bus_option_text(options, "link_layer", &s, error);
        if (r < 0)
                return r;
        mode = s ? link_mode_from_string(s) : LINK_AUTO;
        if (mode < 0)
                return option_problem(error, "link_layer: must be auto, 802.3, raw-ip, qmap or off");
        o->link = mode;
        *ret_forces = mode != LINK_AUTO;
        return 0;
}

static int read_texts(const Value *options, SessionOptions *o, sd_bus_error *error) {
        int r;

        r = bus_option_text(options, "apn", &o->apn, error);
        if (r >= 0)
                r = bus_option_text(options, "user", &o->user, error);
        if (r >= 0)
                r = bus_option_text(options, "password", &o->password, error);
        return r;
}

static int read_numbers(const Value *options, SessionOptions *o, sd_bus_error *error) {
        uint32_t profile, mux;
        int r;

        r = bus_option_number(options, "profile", 1, UINT8_MAX, &profile, error);
        if (r >= 0)
                r = bus_option_number(options, "mux", 1, UINT8_MAX - 1, &mux, error);
        if (r >= 0)
                r = bus_option_timeout(options, &o->timeout_usec, error);
        if (r < 0)
                return r;
        o->profile = (uint8_t) profile;
        o->mux = (uint8_t) mux;
        return 0;
}

static int read_flags(const Value *options, SessionOptions *o, bool *ret_persist, sd_bus_error *error) {
        int r;

        r = bus_option_flag(options, "persist", ret_persist, error);
        if (r >= 0)
                r = bus_option_flag(options, "configure", &o->configure, error);
        if (r >= 0)
                r = bus_option_flag(options, "modify", &o->modify, error);
        return r;
}

/* A port without a network interface, as of a simulator: nobody could set anything. */
static int check_interface(const BusDevice *d, const SessionOptions *o, bool forces, sd_bus_error *error) {
        if (device_get_link(d->device))
                return 0;
        if (o->configure)
                return option_problem(error, "configure: this port has no network interface");
        if (forces)
                return option_problem(error, "link_layer: this port has no network interface");
        return 0;
}

static int read_options(sd_bus_message *m, const BusDevice *d, Arena *a, SessionOptions *o,
                        bool *ret_persist, bool *ret_forces, sd_bus_error *error) {
        static const char *const keys[] = {
                "apn",        "families", "user",      "password", "authentication", "profile", "mux",
                "link_layer", "persist",  "configure", "modify",   "timeout",        NULL
        };
        char problem[SESSION_PROBLEM_MAX];
        Value options;
        int r;

        r = bus_read_options(m, keys, a, &options, error);
        if (r >= 0)
                r = read_texts(&options, o, error);
        if (r >= 0)
                r = read_families(&options, o, error);
        if (r >= 0)
                r = read_authentication(&options, o, error);
        if (r >= 0)
                r = read_numbers(&options, o, error);
        if (r >= 0)
                r = read_link_layer(&options, o, ret_forces, error);
        if (r >= 0)
                r = read_flags(&options, o, ret_persist, error);
        if (r >= 0)
                r = check_interface(d, o, *ret_forces, error);
        if (r < 0)
                return r;
        return session_options_check(o, problem) < 0 ? option_problem(error, problem) : 0;
}

/* ---- methods */

static int method_connect(sd_bus_message *m, void *userdata, sd_bus_error *error);

static int connect_session(sd_bus_message *m, BusDevice *d, Caller *caller, Arena *a, sd_bus_error *error) {
        const AccessTarget target = { .device = d, .type = ACCESS_TO_DOOR, .message = DOOR_CONNECT };
        SessionOptions options = {};
        bool persist, forces;
        int r;

        if (!data_is_served(d)) /* any more */
                return data_refuse(d, error);
        r = read_options(m, d, a, &options, &persist, &forces, error);
        if (r < 0)
                return r;
        r = bus_require_access(m, method_connect, caller, &target, ACCESS_DATA, error);
        if (r > 0 && forces) /* it is as it is for all sessions of the port */
                r = bus_require_access(m, method_connect, caller, &target, ACCESS_CONFIGURATION, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = bus_session_connect(d, caller, m, &options, persist, error);
        return r < 0 ? r : 1;
}

static int method_connect(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusDevice *d = ((BusObject *) userdata)->device;
        Caller *caller;
        Arena arena;
        int r;

        r = caller_require(d->bus, m, method_connect, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        arena_init(&arena);
        r = connect_session(m, d, caller, &arena, error);
        bus_erase_handled(caller, m);
        arena_erase(&arena);
        return r;
}

static int method_disconnect_all(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusDevice *d = ((BusObject *) userdata)->device;
        const AccessTarget target = { .device = d, .type = ACCESS_TO_DOOR, .message = DOOR_DISCONNECT_ALL };
        uint64_t last = 0;
        Caller *caller;
        BusSession *s;
        int r;

        r = caller_require(d->bus, m, method_disconnect_all, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = bus_read_no_options(m, error);
        if (r < 0)
                return r;
        r = bus_require_access(m, method_disconnect_all, caller, &target, ACCESS_DATA, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        LIST_FOREACH(s, &caller->sessions, of_caller)
                if (s->device == d)
                        last = MAX(last, s->number);
        if (last == 0)
                return sd_bus_reply_method_return(m, NULL);
        r = session_call_new(SESSION_CALL_DISCONNECT_ALL, m, caller, d, last, error);
        if (r < 0)
                return r;
        LIST_FOREACH(s, &caller->sessions, of_caller)
                if (s->device == d)
                        session_disconnect(s->session);
        return 1;
}

const sd_bus_vtable data_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("MaxSessions", "u", get_max_sessions, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_METHOD_WITH_ARGS("Connect", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("o", session),
                                method_connect, SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_SENSITIVE),
        SD_BUS_METHOD_WITH_ARGS("DisconnectAll", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                method_disconnect_all, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
