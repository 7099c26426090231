/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <unistd.h>

#include "bus/internal.h"
#include "bus/value.h"

static Device *device_of(void *userdata) {
        return ((BusObject *) userdata)->device->device;
}

/* ---- properties ---- */

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Mux *m = device_get_mux(device_of(userdata));

        return sd_bus_message_append(reply, "s", mux_state_to_string(mux_get_state(m)));
}

static int get_state_reason(sd_bus *bus, const char *path, const char *interface, const char *property,
                            sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", mux_get_state_reason(device_get_mux(device_of(userdata))));
}

static int get_port(sd_bus *bus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", device_get_port_name(device_of(userdata)));
}

static int get_transport(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s",
                                     port_get_transport(mux_get_port(device_get_mux(device_of(userdata)))));
}

static int get_manufacturer(sd_bus *bus, const char *path, const char *interface, const char *property,
                            sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", device_get_manufacturer(device_of(userdata)));
}

static int get_model(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", device_get_model(device_of(userdata)));
}

static int get_revision(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", device_get_revision(device_of(userdata)));
}

static int get_services(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Device *d = device_of(userdata);
        const MuxService *services;
        size_t n;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{s(qq)}");
        if (r < 0)
                return r;
        n = device_get_services(d, &services);
        for (size_t i = 0; i < n; i++) {
                const SchemaService *s =
                        schema_service_by_id(services[i].id, mux_get_vendor(device_get_mux(d)));
                char number[16];

                snprintf(number, sizeof(number), "0x%02x", services[i].id);
                r = sd_bus_message_append(reply, "{s(qq)}", s ? schema_string(s->name) : number,
                                          services[i].major, services[i].minor);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(reply);
}

static const DevicePlace *place_of(void *userdata) {
        return device_get_place(device_of(userdata));
}

static int get_interfaces(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append_strv(reply, place_of(userdata)->interfaces);
}

static int get_driver(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", place_of(userdata)->driver);
}

static int get_id_path(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", place_of(userdata)->id_path);
}

static int get_physical_device(sd_bus *bus, const char *path, const char *interface, const char *property,
                               sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", place_of(userdata)->physical_device);
}

static int get_usb_id(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "(qq)", place_of(userdata)->vendor, place_of(userdata)->product);
}

static int get_primary(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "b", device_is_primary(device_of(userdata)));
}

/* ---- methods ---- */

/* A service by name ("nas", "Nas") or number ("0xe1"). `ret_schema` is NULL for one that only has a number.
 */
static int find_service(BusDevice *d, const char *name, const SchemaService **ret_schema, uint16_t *ret,
                        sd_bus_error *error) {
        const SchemaService *s = schema_service_by_name(name);
        unsigned long id;
        char *end;

        if (strlen(name) > NAME_SHOWN_MAX)
                return sd_bus_error_set(error, QMID_ERROR_NO_SUCH_SERVICE,
                                        "service: so long a name is not known");
        int r;

        if (s) {
                r = service_check_vendor(d, s->vendor, name, error);
                if (r < 0)
                        return r;
                id = s->id;
        } else {
                id = strncmp(name, "0x", 2) == 0 ? strtoul(name, &end, 16) : 0;
                if (strncmp(name, "0x", 2) != 0 || !name[2] || *end || id > UINT16_MAX)
                        return sd_bus_error_setf(error, QMID_ERROR_NO_SUCH_SERVICE,
                                                 "service: '%s' is not known", name);
                s = schema_service_by_id((uint16_t) id, mux_get_vendor(device_get_mux(d->device)));
        }
        if (id == QMI_SERVICE_CTL)
                return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT, "service: ctl is qmid's own");
        if (!mux_is_live(device_get_mux(d->device)))
                return bus_error_set_not_ready(error, device_get_mux(d->device));
        if (!device_has_service(d->device, (uint16_t) id))
                return sd_bus_error_setf(error, QMID_ERROR_NO_SUCH_SERVICE, "service: this modem has no %s",
                                         name);
        *ret_schema = s;
        *ret = (uint16_t) id;
        return 0;
}

static int find_message(BusDevice *d, const char *service, const char *message, const SchemaMessage **ret,
                        sd_bus_error *error) {
        const SchemaService *s;
        uint16_t id;
        int r;

        r = find_service(d, service, &s, &id, error);
        if (r < 0)
                return r;
        *ret = s ? schema_message_by_name(s, message) : NULL;
        if (!*ret && strlen(message) > NAME_SHOWN_MAX)
                return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT,
                                         "message: %s has none of so long a name", service);
        if (!*ret)
                return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT, "message: %s has no '%s'",
                                         service, message);
        return service_check_vendor(d, (*ret)->vendor, message, error);
}

static int method_request(sd_bus_message *m, void *userdata, sd_bus_error *error);

static int request(sd_bus_message *m, BusDevice *d, Caller *caller, Arena *a, TlvWriter *w,
                   sd_bus_error *error) {
        const char *service, *message;
        CallSpec spec = { .style = CALL_REQUEST, .caller = caller, .device = d, .tlvs = w };
        Value dict, options;
        int r;

        r = sd_bus_message_read(m, "ss", &service, &message);
        if (r < 0)
                return r;
        r = bus_read_dict(m, a, &dict, error);
        if (r < 0)
                return r;
        r = bus_read_options(m, (const char *const[]){ "timeout", "force", NULL }, a, &options, error);
        if (r < 0)
                return r;
        r = bus_option_timeout(&options, &spec.timeout_usec, error);
        if (r < 0)
                return r;
        r = bus_option_flag(&options, "force", &spec.force, error);
        if (r < 0)
                return r;
        r = find_message(d, service, message, &spec.schema, error);
        if (r < 0)
                return r;
        spec.service = schema_services[spec.schema->service].id;
        spec.message = spec.schema->id;
        r = service_encode(spec.schema, d, &dict, w, error);
        if (r >= 0)
                r = bus_call_authorize(m, method_request, &spec, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        return bus_call_start(m, &spec, error);
}

static int method_request(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusDevice *d = ((BusObject *) userdata)->device;
        TlvWriter w = {};
        Caller *caller;
        Arena arena;
        int r;

        r = caller_require(d->bus, m, method_request, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        arena_init(&arena);
        r = request(m, d, caller, &arena, &w, error);
        bus_erase_handled(caller, m);
        arena_erase(&arena);
        tlv_writer_erase(&w);
        return r;
}

static int method_call(sd_bus_message *m, void *userdata, sd_bus_error *error);

static int call(sd_bus_message *m, BusDevice *d, Caller *caller, Arena *a, TlvWriter *w,
                sd_bus_error *error) {
        CallSpec spec = { .style = CALL_RAW, .caller = caller, .device = d, .tlvs = w };
        const SchemaService *s;
        Value tlvs, options;
        const char *service;
        int r;

        r = sd_bus_message_read(m, "sq", &service, &spec.message);
        if (r < 0)
                return r;
        r = bus_read_tlvs(m, a, &tlvs);
        if (r < 0)
                return r;
        r = bus_read_options(m, (const char *const[]){ "timeout", "force", NULL }, a, &options, error);
        if (r < 0)
                return r;
        r = bus_option_timeout(&options, &spec.timeout_usec, error);
        if (r < 0)
                return r;
        r = bus_option_flag(&options, "force", &spec.force, error);
        if (r < 0)
                return r;
        r = find_service(d, service, &s, &spec.service, error);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < tlvs.n; i++) {
                r = tlv_put(w, tlvs.tlvs[i].id, tlvs.tlvs[i].bytes, tlvs.tlvs[i].n_bytes);
                if (r < 0)
                        return r;
        }
        r = bus_call_authorize(m, method_call, &spec, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        return bus_call_start(m, &spec, error);
}

static int method_call(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusDevice *d = ((BusObject *) userdata)->device;
        TlvWriter w = {};
        Caller *caller;
        Arena arena;
        int r;

        r = caller_require(d->bus, m, method_call, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        arena_init(&arena);
        r = call(m, d, caller, &arena, &w, error);
        bus_erase_handled(caller, m);
        arena_erase(&arena);
        tlv_writer_erase(&w);
        return r == -EMSGSIZE ? sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT,
                                                  "tlvs: they do not fit into a QMI message")
                              : r;
}

static int method_cancel(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusDevice *d = ((BusObject *) userdata)->device;
        const char *service, *message;
        const SchemaMessage *schema;
        Caller *caller;
        int r;

        r = caller_require(d->bus, m, method_cancel, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "ss", &service, &message);
        if (r < 0)
                return r;
        r = bus_read_no_options(m, error);
        if (r < 0)
                return r;
        r = find_message(d, service, message, &schema, error);
        if (r < 0)
                return r;
        if (!bus_calls_cancel(d, caller, schema))
                return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT,
                                         "message: you have no %s under way", message);
        return sd_bus_reply_method_return(m, NULL);
}

static int method_open_client(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusDevice *d = ((BusObject *) userdata)->device;
        _cleanup_(arena_done) Arena arena;
        const SchemaService *s;
        const char *service;
        Caller *caller;
        Value options;
        bool persist;
        uint16_t id;
        int r;

        arena_init(&arena);
        r = caller_require(d->bus, m, method_open_client, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "s", &service);
        if (r < 0)
                return r;
        r = bus_read_options(m, (const char *const[]){ "persist", NULL }, &arena, &options, error);
        if (r < 0)
                return r;
        r = bus_option_flag(&options, "persist", &persist, error);
        if (r < 0)
                return r;
        r = find_service(d, service, &s, &id, error);
        if (r < 0)
                return r;
        r = bus_client_open(d, caller, m, id, service, persist, error);
        return r < 0 ? r : 1;
}

/* Anybody may, but not all see all; it shows what the same caller has asked for before. */
static int method_list_clients(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        BusDevice *d = ((BusObject *) userdata)->device;
        const AccessTarget target = { .device = d, .type = ACCESS_TO_DOOR, .message = DOOR_LIST_CLIENTS };
        Caller *caller;
        int r, all;

        r = caller_require(d->bus, m, method_list_clients, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = bus_read_no_options(m, error);
        if (r < 0)
                return r;
        all = bus_ask_access(m, method_list_clients, caller, &target, ACCESS_CLIENTS, error);
        if (all == 0 || (all < 0 && all != -EACCES) || sd_bus_error_is_set(error))
                return all == 0 ? 1 : all;
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = bus_append_clients(d, reply, caller->user, all > 0);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* The message has a descriptor of its own; if it does not, what is behind it ends with this one. */
static int reply_descriptor(sd_bus_message *m, int fd) {
        int r;

        r = sd_bus_reply_method_return(m, "h", fd);
        close(fd);
        return r;
}

static int method_open_trace(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusDevice *d = ((BusObject *) userdata)->device;
        const AccessTarget target = { .device = d, .type = ACCESS_TO_DOOR, .message = DOOR_OPEN_TRACE };
        _cleanup_(arena_done) Arena arena;
        Caller *caller;
        bool unmasked;
        Value options;
        int r, fd;

        arena_init(&arena);
        r = caller_require(d->bus, m, method_open_trace, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = bus_read_options(m, (const char *const[]){ "unmasked", NULL }, &arena, &options, error);
        if (r < 0)
                return r;
        r = bus_option_flag(&options, "unmasked", &unmasked, error);
        if (r < 0)
                return r;
        r = bus_require_access(m, method_open_trace, caller, &target, ACCESS_RAW, error);
        if (r > 0 && unmasked) /* it has what others send: their codes, too */
                r = bus_require_access(m, method_open_trace, caller, &target, ACCESS_CLIENTS, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = bus_trace_open(d, caller, unmasked, &fd, error);
        return r < 0 ? r : reply_descriptor(m, fd);
}

static int method_inhibit(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusDevice *d = ((BusObject *) userdata)->device;
        const AccessTarget target = { .device = d, .type = ACCESS_TO_DOOR, .message = DOOR_INHIBIT };
        const char *reason;
        Caller *caller;
        int r, fd;

        r = caller_require(d->bus, m, method_inhibit, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "s", &reason);
        if (r < 0)
                return r;
        r = bus_read_no_options(m, error);
        if (r < 0)
                return r;
        if (!*reason || strlen(reason) > INHIBIT_REASON_MAX)
                return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT,
                                         "reason: must have 1 to %u bytes", INHIBIT_REASON_MAX);
        for (const char *p = reason; *p; p++) /* it goes to the log, and to terminals */
                if ((uint8_t) *p < ' ' || *p == 0x7F)
                        return sd_bus_error_set(error, QMID_ERROR_INVALID_ARGUMENT,
                                                "reason: must be one line of text");
        r = bus_require_access(m, method_inhibit, caller, &target, ACCESS_CONFIGURATION, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = bus_inhibitor_open(d, caller, reason, &fd, error);
        return r < 0 ? r : reply_descriptor(m, fd);
}

const sd_bus_vtable device_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("State", "s", get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StateReason", "s", get_state_reason, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Port", "s", get_port, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Transport", "s", get_transport, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Interfaces", "as", get_interfaces, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Driver", "s", get_driver, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("UsbId", "(qq)", get_usb_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("IdPath", "s", get_id_path, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("PhysicalDevice", "s", get_physical_device, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Primary", "b", get_primary, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Manufacturer", "s", get_manufacturer, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Model", "s", get_model, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Revision", "s", get_revision, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Services", "a{s(qq)}", get_services, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("LinkLayer", "a{sv}", bus_get_link_layer, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_METHOD_WITH_ARGS("Request",
                                SD_BUS_ARGS("s", service, "s", message, "a{sv}", request, "a{sv}", options),
                                SD_BUS_RESULT("s", result, "a{sv}", response), method_request,
                                SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_SENSITIVE),
        SD_BUS_METHOD_WITH_ARGS("Call",
                                SD_BUS_ARGS("s", service, "q", message, "a(yay)", tlvs, "a{sv}", options),
                                SD_BUS_RESULT("a(yay)", response), method_call,
                                SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_SENSITIVE),
        SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_ARGS("s", service, "s", message, "a{sv}", options),
                                SD_BUS_NO_RESULT, method_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenClient", SD_BUS_ARGS("s", service, "a{sv}", options),
                                SD_BUS_RESULT("o", client), method_open_client, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListClients", SD_BUS_ARGS("a{sv}", options),
                                SD_BUS_RESULT("aa{sv}", clients), method_list_clients,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenTrace", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("h", trace),
                                method_open_trace, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Inhibit", SD_BUS_ARGS("s", reason, "a{sv}", options),
                                SD_BUS_RESULT("h", inhibitor), method_inhibit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetLinkLayer", SD_BUS_ARGS("s", mode, "a{sv}", options), SD_BUS_NO_RESULT,
                                bus_method_set_link_layer, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("RawIndication", SD_BUS_ARGS("s", service, "q", message, "a(yay)", tlvs), 0),
        SD_BUS_VTABLE_END,
};
