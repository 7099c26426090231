/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <poll.h>
#include <stdio.h>

#include "bus/internal.h"
#include "bus/value.h"
#include "util/log.h"

/* An indication waits with its client while it is found out what of it its owner may see, and until the bus
 * takes it: behind those that one modem sends to one caller, answers to all others would wait. What is for
 * one caller keeps its order, or he would take what is old for new; the clients that have some have their
 * turns. */

/* How many of a client wait at most, and of how many bytes those of all; what comes then is lost. */
#define HELD_MAX       512U
#define HELD_BYTES_MAX (16U * 1024 * 1024)

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
        if (r >= 0 && c->n_held_indications <= 1) /* nothing waits behind it */
                bus_client_count_passed(c);
        return r;
}

static void fail(BusClient *c, int r) {
        if (r != -ENOBUFS) /* as much waits as may: it is counted, and told */
                log_warning_errno(r, "%s: cannot pass an indication on to %s", c->path,
                                  bus_client_get_listener(c)->name);
        bus_client_count_lost(c);
}

static int hold(BusClient *c, const QmiMessage *m, AccessSet granted, AccessSet known) {
        size_t n_bytes = sizeof(HeldIndication) + m->n_tlvs;
        Bus *b = c->device->bus;
        HeldIndication *h;

        if (c->n_held_indications >= HELD_MAX || b->n_held_bytes + n_bytes > HELD_BYTES_MAX)
                return -ENOBUFS;
        h = malloc(n_bytes);
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
        b->n_held_bytes += n_bytes;
        return 0;
}

static void drop_first(BusClient *c) {
        HeldIndication *h = STAILQ_FIRST(&c->held);

        STAILQ_REMOVE_HEAD(&c->held, entry);
        c->n_held_indications--;
        c->device->bus->n_held_bytes -= sizeof(*h) + h->n_tlvs;
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

/* Sends the first one that is held; it stays if its owner's classes must be asked for. */
static void send_first(BusClient *c) {
        HeldIndication *h = STAILQ_FIRST(&c->held);
        QmiMessage m = { .type = QMI_INDICATION,
                         .service = h->service,
                         .id = h->id,
                         .tlvs = h->tlvs,
                         .n_tlvs = h->n_tlvs };
        int r;

        r = try_emit(c, &m, &h->granted, &h->known);
        if (r == 0)
                return;
        if (r < 0)
                fail(c, r);
        drop_first(c);
}

/* ---- until the bus takes it ---- */

static bool has_room(const Bus *b) {
        struct pollfd p = { .fd = sd_bus_get_fd(b->bus), .events = POLLOUT };
        uint64_t n;

        return sd_bus_get_n_queued_write(b->bus, &n) >= 0 && n == 0 && poll(&p, 1, 0) > 0;
}

/* Unless it has nothing to wait with, or waits for polkit. */
static void wait_for_room(BusClient *c) {
        Bus *b = c->device->bus;
        int r;

        if (c->waits_for_room || STAILQ_EMPTY(&c->held) || c->inquiry)
                return;
        c->waits_for_room = true;
        TAILQ_INSERT_TAIL(&b->waiting_for_room, c, of_room);
        r = sd_event_source_set_enabled(b->room, SD_EVENT_ON);
        if (r < 0)
                log_warning_errno(r, "Cannot wait for the bus");
}

static void wait_no_more(BusClient *c) {
        if (!c->waits_for_room)
                return;
        c->waits_for_room = false;
        TAILQ_REMOVE(&c->device->bus->waiting_for_room, c, of_room);
}

static int on_room(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Bus *b = userdata;
        BusClient *c;

        while ((c = TAILQ_FIRST(&b->waiting_for_room)) && has_room(b)) {
                wait_no_more(c);
                send_first(c);
                wait_for_room(c);
        }
        return c ? 0 : sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

int bus_indications_start(Bus *b) {
        TAILQ_INIT(&b->waiting_for_room);
        return bus_add_room_source(b->bus, &b->room, on_room, b);
}

void bus_indications_flush(Bus *b, const char *listener) {
        BusClient *c, *next;

        for (c = TAILQ_FIRST(&b->waiting_for_room); c; c = next) {
                next = TAILQ_NEXT(c, of_room);
                if (listener && !streq(bus_client_get_listener(c)->name, listener))
                        continue;
                wait_no_more(c);
                while (!STAILQ_EMPTY(&c->held) && !c->inquiry)
                        send_first(c);
        }
}

/* ---- they come ---- */

static void on_known(AccessSet granted, void *userdata) {
        BusClient *c = userdata;

        c->inquiry = NULL;
        STAILQ_FIRST(&c->held)->granted |= granted;
        wait_for_room(c);
}

void bus_indication_emit(BusClient *c, const QmiMessage *m) {
        AccessSet granted = bus_client_get_listener(c)->trusted ? ACCESS_ALL : ACCESS_SET(ACCESS_STATUS);
        AccessSet known = granted;
        int r = 0;

        if (STAILQ_EMPTY(&c->held) && has_room(c->device->bus))
                r = try_emit(c, m, &granted, &known);
        if (r == 0)
                r = hold(c, m, granted, known);
        if (r < 0) {
                fail(c, r);
                if (STAILQ_EMPTY(&c->held))
                        c->inquiry = bus_inquiry_cancel(c->inquiry);
        }
        wait_for_room(c);
}

void bus_indications_drop(BusClient *c) {
        c->inquiry = bus_inquiry_cancel(c->inquiry);
        wait_no_more(c);
        while (!STAILQ_EMPTY(&c->held))
                drop_first(c);
}
