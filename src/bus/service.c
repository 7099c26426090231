/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "bus/internal.h"
#include "bus/value.h"

const char *service_message_title(const SchemaMessage *schema, uint16_t service, uint16_t message,
                                  char *buffer, size_t size) {
        if (schema)
                snprintf(buffer, size, "%s %s", schema_string(schema_services[schema->service].name),
                         schema_string(schema->name));
        else
                snprintf(buffer, size, "service 0x%02x message 0x%04x", service, message);
        return buffer;
}

int service_encode(const SchemaMessage *schema, BusDevice *d, const Value *dict, TlvWriter *w,
                   sd_bus_error *error) {
        uint16_t vendor = mux_get_vendor(device_get_mux(d->device));
        CodecError e = {};
        int r;

        r = message_encode(schema, QMI_REQUEST, vendor, dict, w, &e);
        if (r == -EINVAL || r == -EMSGSIZE)
                return sd_bus_error_set(error, QMID_ERROR_INVALID_ARGUMENT, e.text);
        return r;
}

/* On either side 0 stands for any. */
static bool vendor_fits(const BusDevice *d, uint16_t vendor) {
        uint16_t of_modem = mux_get_vendor(device_get_mux(d->device));

        return vendor == 0 || of_modem == 0 || vendor == of_modem;
}

int service_check_vendor(const BusDevice *d, uint16_t vendor, const char *what, sd_bus_error *error) {
        if (vendor_fits(d, vendor))
                return 0;
        return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT,
                                 "%s: only modems of vendor 0x%04x have it", what, vendor);
}

bool service_is_served(const BusDevice *d, const SchemaService *s) {
        return s->id != QMI_SERVICE_CTL && device_has_service(d->device, s->id) && vendor_fits(d, s->vendor);
}

int service_refuse(BusDevice *d, const SchemaService *s, sd_bus_error *error) {
        Mux *m = device_get_mux(d->device);
        int r;

        r = service_check_vendor(d, s->vendor, schema_string(s->name), error);
        if (r < 0)
                return r;
        if (!mux_is_live(m))
                return bus_error_set_not_ready(error, m);
        return sd_bus_error_setf(error, QMID_ERROR_NO_SUCH_SERVICE, "%s: this modem has no such service",
                                 schema_string(s->name));
}

/* The service that a call is for, which may have waited since its object was found. */
static int find_face(sd_bus_message *m, const BusObject *o, const SchemaService **ret, sd_bus_error *error) {
        const SchemaService *s;

        s = schema_service_by_name(sd_bus_message_get_interface(m) + strlen(QMID_BUS_NAME "."));
        if (!s)
                return -ENOENT;
        if (!o->client && !service_is_served(o->device, s))
                return service_refuse(o->device, s, error);
        *ret = s;
        return 0;
}

/* Whether it is a message with secrets, whatever else is wrong with the call. */
static bool may_be_private(sd_bus_message *m) {
        const SchemaService *s =
                schema_service_by_name(sd_bus_message_get_interface(m) + strlen(QMID_BUS_NAME "."));
        const SchemaMessage *schema = s ? schema_message_by_name(s, sd_bus_message_get_member(m)) : NULL;

        return !schema || schema->flags & SCHEMA_HAS_PRIVATE;
}

static int on_method(sd_bus_message *m, void *userdata, sd_bus_error *error);

static int serve(sd_bus_message *m, const BusObject *o, Caller *caller, sd_bus_error *error) {
        const SchemaService *service;
        const SchemaMessage *schema;
        TlvWriter w = {};
        CallSpec spec;
        Arena arena;
        Value dict;
        int r;

        r = find_face(m, o, &service, error);
        if (r < 0)
                return r;
        schema = schema_message_by_name(service, sd_bus_message_get_member(m));
        if (!schema)
                return -ENOENT;
        r = service_check_vendor(o->device, schema->vendor, schema_string(schema->name), error);
        if (r < 0)
                return r;

        arena_init(&arena);
        r = bus_read_dict(m, &arena, &dict, error);
        if (r >= 0)
                r = service_encode(schema, o->device, &dict, &w, error);
        spec = (CallSpec){
                .style = CALL_METHOD,
                .caller = caller,
                .device = o->device,
                .client = o->client,
                .service = service->id,
                .message = schema->id,
                .schema = schema,
                .tlvs = &w,
        };
        if (r >= 0)
                r = bus_call_authorize(m, on_method, &spec, error);
        if (r > 0)
                r = bus_call_start(m, &spec, error);
        else if (r == 0)
                r = 1; /* it waits */
        if (schema->flags & SCHEMA_HAS_PRIVATE) {
                arena_erase(&arena);
                tlv_writer_erase(&w);
        } else {
                arena_done(&arena);
                tlv_writer_done(&w);
        }
        return r;
}

/* Serves every request of every service. */
static int on_method(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const BusObject *o = userdata;
        Caller *caller;
        int r;

        r = caller_require(o->device->bus, m, on_method, &caller, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = serve(m, o, caller, error);
        if (may_be_private(m))
                bus_erase_handled(caller, m); /* which the library does not */
        return r;
}

static int find_service(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret,
                        sd_bus_error *error) {
        const ServiceFace *face = userdata;
        BusObject *o;

        if (!bus_find_object(face->bus, path, &o) || o->session)
                return 0;
        if (o->client ? o->client->service != face->service : !service_is_served(o->device, face->service))
                return 0;
        *ret = o;
        return 1;
}

static int face_add(Bus *b, ServiceFace *face) {
        const SchemaService *s = face->service;
        sd_bus_vtable *v;

        v = face->vtable = calloc((size_t) s->n_messages + s->n_indications + 2, sizeof(*v));
        if (!v)
                return -ENOMEM;

        *v++ = (sd_bus_vtable) SD_BUS_VTABLE_START(0);
        for (uint16_t i = 0; i < s->n_messages; i++) {
                const SchemaMessage *m = &schema_messages[s->first_message + i];
                uint64_t flags = SD_BUS_VTABLE_UNPRIVILEGED;

                if (m->flags & SCHEMA_HAS_PRIVATE)
                        flags |= SD_BUS_VTABLE_SENSITIVE;
                *v++ = (sd_bus_vtable) SD_BUS_METHOD_WITH_NAMES(schema_string(m->member), "a{sv}",
                                                                SD_BUS_PARAM(request), "a{sv}",
                                                                SD_BUS_PARAM(response), on_method, flags);
        }
        for (uint16_t i = 0; i < s->n_indications; i++) {
                const SchemaMessage *m = &schema_messages[s->first_indication + i];

                *v++ = (sd_bus_vtable) SD_BUS_SIGNAL_WITH_NAMES(schema_string(m->member), "a{sv}",
                                                                SD_BUS_PARAM(indication), 0);
        }
        *v = (sd_bus_vtable) SD_BUS_VTABLE_END;

        return sd_bus_add_fallback_vtable(b->bus, NULL, QMID_DEVICE_PATH, schema_string(s->interface),
                                          face->vtable, find_service, face);
}

int service_faces_add(Bus *b) {
        int r;

        b->faces = calloc(schema_n_services, sizeof(*b->faces));
        if (!b->faces)
                return -ENOMEM;
        for (uint16_t i = 0; i < schema_n_services; i++) {
                b->faces[i] = (ServiceFace){ .bus = b, .service = &schema_services[i] };
                if (schema_services[i].id == QMI_SERVICE_CTL)
                        continue;
                r = face_add(b, &b->faces[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

ServiceFace *service_faces_free(ServiceFace *faces) {
        for (uint16_t i = 0; faces && i < schema_n_services; i++)
                free(faces[i].vtable);
        free(faces);
        return NULL;
}
