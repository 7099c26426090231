/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "bus/internal.h"
#include "bus/value.h"
#include "util/log.h"

/* How many of a client wait for polkit at most; those that come then are lost. */
#define HELD_MAX 64U

#define QUEUED_MAX 512U /* messages that wait for the bus daemon, beyond which indications are lost */

/* A copy, while it is found out what of it its owner may see. */
struct HeldIndication {
        uint16_t service, id;
        uint16_t n_tlvs;
        AccessSet granted, known;
        STAILQ_ENTRY(HeldIndication) entry;
        uint8_t tlvs[];
};

static const SchemaMessage *find_schema(const BusClient *c, uint16_t id) {
        uint16_t vendor = mux_get_vendor(device_get_mux(c->device->device));

        return c->service ? schema_message_by_id(c->service, true, id, vendor) : NULL;
}

static int send_known(BusClient *c, const SchemaMessage *schema, const Value *dict) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        sd_bus *bus = c->device->bus->bus;
        int r;

        r = sd_bus_message_new_signal(bus, &signal, bus_client_signal_path(c),
                                      schema_string(c->service->interface), schema_string(schema->member));
        if (r >= 0)
                r = bus_append_dict(signal, dict);
        if (r >= 0 && schema->flags & SCHEMA_HAS_PRIVATE)
                r = sd_bus_message_sensitive(signal);
        if (r >= 0)
                r = sd_bus_message_set_destination(signal, bus_client_get_listener(c)->name);
        return r < 0 ? r : sd_bus_send(bus, signal, NULL);
}

/* One that the schema does not know. */
static int send_raw(BusClient *c, const QmiMessage *m, const Value *dict) {
        const Value *tlvs = value_dict_get(dict, "unknown_tlvs");
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        sd_bus *bus = c->device->bus->bus;
        char number[16];
        int r;

        snprintf(number, sizeof(number), "0x%02x", m->service);
        r = sd_bus_message_new_signal(bus, &signal, bus_client_signal_path(c),
                                      c->implicit ? QMID_BUS_NAME ".Device" : QMID_BUS_NAME ".Client",
                                      "RawIndication");
        if (r >= 0)
                r = sd_bus_message_append(signal, "sq",
                                          c->service ? schema_string(c->service->name) : number, m->id);
        if (r >= 0)
                r = bus_append_tlvs(signal, tlvs ? tlvs->tlvs : NULL, tlvs ? tlvs->n : 0);
        if (r >= 0) /* nobody can say what it is */
                r = sd_bus_message_sensitive(signal);
        if (r >= 0)
                r = sd_bus_message_set_destination(signal, bus_client_get_listener(c)->name);
        return r < 0 ? r : sd_bus_send(bus, signal, NULL);
}

/* Sends what the owner was granted to see. `ret_unknown`: nothing is sent, as it is not known whether he has
 * these classes. */
static int emit(BusClient *c, const QmiMessage *m, AccessSet granted, AccessSet known,
                AccessSet *ret_unknown) {
        uint16_t vendor = mux_get_vendor(device_get_mux(c->device->device));
        const SchemaMessage *schema = find_schema(c, m->id);
        AccessClass access = schema ? (AccessClass) schema->access : ACCESS_RAW;
        _cleanup_(arena_erase) Arena arena;
        AccessSet withheld;
        Value dict;
        int r;

        arena_init(&arena);
        *ret_unknown = 0;
        if (!(granted & ACCESS_SET(access))) {
                if (!(known & ACCESS_SET(access)))
                        *ret_unknown = ACCESS_SET(access);
                else
                        log_debug("%s: indication 0x%04x is withheld from %s", c->path, m->id,
                                  bus_client_get_listener(c)->name);
                return 0;
        }
        r = message_decode_for(schema, QMI_INDICATION, vendor, m->tlvs, m->n_tlvs, granted, &arena, &dict,
                               &withheld);
        if (r < 0)
                return r;
        *ret_unknown = withheld & ~known;
        if (*ret_unknown)
                return 0;
        r = schema ? send_known(c, schema, &dict) : send_raw(c, m, &dict);
        if (r >= 0)
                bus_client_count_passed(c);
        return r;
}

static void fail(BusClient *c, int r) {
        log_warning_errno(r, "%s: cannot pass an indication on to %s", c->path,
                          bus_client_get_listener(c)->name);
        bus_client_count_lost(c);
}

static int hold(BusClient *c, const QmiMessage *m, AccessSet granted, AccessSet known) {
        HeldIndication *h;

        if (c->n_held_indications >= HELD_MAX)
                return -ENOBUFS;
        h = malloc(sizeof(*h) + m->n_tlvs);
        if (!h)
                return -ENOMEM;
        *h = (HeldIndication){ .service = m->service,
                               .id = m->id,
                               .n_tlvs = (uint16_t) m->n_tlvs,
                               .granted = granted,
                               .known = known };
        memcpy(h->tlvs, m->tlvs, m->n_tlvs);
        STAILQ_INSERT_TAIL(&c->held, h, entry);
        c->n_held_indications++;
        return 0;
}

static void drop_first(BusClient *c) {
        HeldIndication *h = STAILQ_FIRST(&c->held);

        STAILQ_REMOVE_HEAD(&c->held, entry);
        c->n_held_indications--;
        explicit_bzero(h->tlvs, h->n_tlvs);
        free(h);
}

static void on_known(AccessSet granted, void *userdata);

/* Whether these classes are known; if not, they will be. */
static int inquire(BusClient *c, uint16_t id, AccessSet classes, AccessSet *ret_granted) {
        AccessTarget target = {
                .device = c->device,
                .type = ACCESS_TO_INDICATION,
                .service = client_get_service(c->client),
                .message = id,
                .schema = find_schema(c, id),
        };

        return bus_inquire(bus_client_get_listener(c), &target, classes, on_known, c, ret_granted,
                           &c->inquiry);
}

/* Finds out, and sends. 1; 0: the answer is not there yet. */
static int try_emit(BusClient *c, const QmiMessage *m, AccessSet *granted, AccessSet *known) {
        AccessSet unknown, more;
        int r;

        for (;;) {
                r = emit(c, m, *granted, *known, &unknown);
                if (r < 0 || unknown == 0)
                        return r < 0 ? r : 1;
                *known |= unknown; /* once it goes on */
                r = inquire(c, m->id, unknown, &more);
                if (r <= 0)
                        return r;
                *granted |= more;
        }
}

static void go_on(BusClient *c) {
        HeldIndication *h;
        int r;

        while ((h = STAILQ_FIRST(&c->held))) {
                QmiMessage m = { .type = QMI_INDICATION,
                                 .service = h->service,
                                 .id = h->id,
                                 .tlvs = h->tlvs,
                                 .n_tlvs = h->n_tlvs };

                r = try_emit(c, &m, &h->granted, &h->known);
                if (r == 0)
                        return;
                if (r < 0)
                        fail(c, r);
                drop_first(c);
        }
}

static void on_known(AccessSet granted, void *userdata) {
        BusClient *c = userdata;

        c->inquiry = NULL;
        STAILQ_FIRST(&c->held)->granted |= granted;
        go_on(c);
}

/* What the bus daemon does not take waits in memory, and the bus library lets hundreds of megabytes wait. */
static bool bus_is_stuck(sd_bus *bus) {
        uint64_t n;

        return sd_bus_get_n_queued_write(bus, &n) >= 0 && n >= QUEUED_MAX;
}

void bus_indication_emit(BusClient *c, const QmiMessage *m) {
        AccessSet granted = bus_client_get_listener(c)->trusted ? ACCESS_ALL : ACCESS_SET(ACCESS_STATUS);
        AccessSet known = granted;
        int r = 0;

        if (bus_is_stuck(c->device->bus->bus)) {
                bus_client_count_lost(c);
                return;
        }
        if (!c->inquiry) /* else it waits its turn */
                r = try_emit(c, m, &granted, &known);
        if (r == 0)
                r = hold(c, m, granted, known);
        if (r < 0) {
                fail(c, r);
                if (STAILQ_EMPTY(&c->held))
                        c->inquiry = bus_inquiry_cancel(c->inquiry);
        }
}

void bus_indications_drop(BusClient *c) {
        c->inquiry = bus_inquiry_cancel(c->inquiry);
        while (!STAILQ_EMPTY(&c->held))
                drop_first(c);
}
