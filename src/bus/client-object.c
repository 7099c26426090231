/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <unistd.h>

#include "bus/internal.h"

/* org.qmid1.Client */

static int get_service(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const BusClient *c = ((BusObject *) userdata)->client;
        char number[16];

        snprintf(number, sizeof(number), "0x%02x", client_get_service(c->client));
        return sd_bus_message_append(reply, "s", c->service ? schema_string(c->service->name) : number);
}

static int get_client_id(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "y", client_get_id(((BusObject *) userdata)->client->client));
}

static const char *owner_name(const BusClient *c) {
        const Caller *owner = bus_client_get_caller(c);

        return owner ? owner->name : "";
}

static int get_owner(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", owner_name(((BusObject *) userdata)->client));
}

static int get_implicit(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "b", ((BusObject *) userdata)->client->implicit);
}

static int get_persist(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "b", ((BusObject *) userdata)->client->persist);
}

static int get_lost(sd_bus *bus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "t", ((BusObject *) userdata)->client->n_lost);
}

/* What each method begins with: the caller, the options of which there are none, the right to it. As
 * caller_require(). */
static int begin(sd_bus_message *m, BusClient *c, sd_bus_message_handler_t handler, AccessDoor door,
                 AccessClass access, Caller **ret, sd_bus_error *error) {
        const AccessTarget target = {
                .device = c->device,
                .type = ACCESS_TO_DOOR,
                .service = client_get_service(c->client),
                .message = (uint16_t) door,
        };
        Caller *caller;
        int r;

        r = caller_require(c->device->bus, m, handler, &caller, error);
        if (r <= 0)
                return r;
        r = bus_read_no_options(m, error);
        if (r < 0)
                return r;
        if (c->session)
                return sd_bus_error_setf(error, QMID_ERROR_NOT_OWNER,
                                         "%s belongs to %s, and is looked after by its methods", c->path,
                                         c->session->path);
        r = bus_client_check(c, caller, error);
        if (r > 0)
                r = bus_require_access(m, handler, caller, &target, ACCESS_CLIENTS, error);
        else if (r == 0)
                r = 1;
        if (r > 0)
                r = bus_require_access(m, handler, caller, &target, access, error);
        if (r <= 0)
                return r;
        *ret = caller;
        return 1;
}

static int method_release(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        static const sd_bus_error released =
                SD_BUS_ERROR_MAKE_CONST(QMID_ERROR_DEVICE_GONE, "its owner released the client");
        BusClient *c = ((BusObject *) userdata)->client;
        Caller *caller;
        int r;

        r = begin(m, c, method_release, DOOR_RELEASE, ACCESS_STATUS, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        bus_client_remove(c, &released, "its owner released it");
        return sd_bus_reply_method_return(m, NULL);
}

static int method_claim(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusClient *c = ((BusObject *) userdata)->client;
        Caller *caller;
        int r;

        r = begin(m, c, method_claim, DOOR_CLAIM, ACCESS_STATUS, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = bus_client_claim(c, caller, error);
        if (r < 0)
                return r;
        return sd_bus_reply_method_return(m, NULL);
}

static int method_open_socket(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        BusClient *c = ((BusObject *) userdata)->client;
        Caller *caller;
        int r, fd;

        r = begin(m, c, method_open_socket, DOOR_OPEN_SOCKET, ACCESS_RAW, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = bus_socket_open(c, caller, &fd, error);
        if (r < 0)
                return r;
        r = sd_bus_reply_method_return(m, "h", fd);
        close(fd); /* the message has one of its own; if it does not, the socket ends with this one */
        return r;
}

const sd_bus_vtable client_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Service", "s", get_service, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ClientId", "y", get_client_id, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Owner", "s", get_owner, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Persist", "b", get_persist, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Implicit", "b", get_implicit, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("LostIndications", "t", get_lost, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_METHOD_WITH_ARGS("Release", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_release,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Claim", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_claim,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenSocket", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("h", socket),
                                method_open_socket, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL("Replaced", NULL, 0),
        SD_BUS_SIGNAL_WITH_ARGS("Ended", SD_BUS_ARGS("s", reason), 0),
        SD_BUS_SIGNAL_WITH_ARGS("RawIndication", SD_BUS_ARGS("s", service, "q", message, "a(yay)", tlvs), 0),
        SD_BUS_VTABLE_END,
};
