/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/internal.h"
#include "bus/trace.h"
#include "bus/value.h"
#include "fuzz.h"
#include "mux/mux-internal.h"
#include "net/net.h"
#include "util/log.h"

/* Frames from the modem, all the way up. Each is decoded for somebody who may see all and for somebody who
 * may see some of it, and made a message of the bus, which is read again. Then it goes through the mux: to
 * clients of callers who may see all, some, or what polkit says, as signals, and to a trace, masked.
 *
 * What somebody may see comes from the frame's transaction number, which means nothing in an indication. */

#define N_CALLERS 3U

typedef struct Fuzz {
        sd_event *event;
        Net *net;
        Bus *bus;
        int peer, trace;
        Device *device;
        BusDevice *bus_device;
        Caller *callers[N_CALLERS]; /* trusted; asked about before; nothing is known of it */
        bool has_clients[0x100];    /* of each service: one of each caller */
        unsigned n_frames;
} Fuzz;

static AccessSet choose_access(const QmiMessage *m) {
        return ((AccessSet) m->transaction * 0x9E3779B1 >> 8) & ACCESS_ALL;
}

/* ---- a message by itself ---- */

static bool is_key_of(const Value *dict, const char *key) {
        return streq(key, "withheld") || value_dict_get(dict, key);
}

/* 0; -ENOMEM: it has an array of so many small structs. */
static int decode(const SchemaMessage *schema, const QmiMessage *m, uint16_t vendor, AccessSet granted,
                  Arena *a, Value *ret, AccessSet *ret_withheld) {
        int r;

        r = message_decode_for(schema, m->type, vendor, m->tlvs, m->n_tlvs, granted, a, ret, ret_withheld);
        must(r == 0 || r == -ENOMEM);
        must(r < 0 || (ret->type == VALUE_DICT && !(*ret_withheld & granted)));
        return r;
}

static void to_message(const Value *dict) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *signal = NULL;
        _cleanup_(arena_erase) Arena again;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        static sd_bus *bus;
        Value read;
        int r;

        if (!bus) { /* messages belong to one; nothing is ever sent on this one */
                static int pair[2];

                must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
                must(sd_bus_new(&bus) >= 0 && sd_bus_set_fd(bus, pair[0], pair[0]) >= 0);
                must(sd_bus_start(bus) >= 0);
        }
        arena_init(&again);
        must(sd_bus_message_new_signal(bus, &signal, "/x", "x.y", "Z") >= 0);
        must(sd_bus_message_sensitive(signal) >= 0);
        must(bus_append_dict(signal, dict) >= 0);
        must(sd_bus_message_seal(signal, 1, 0) >= 0);
        must(bus_message_size(signal, 1 << 20) <= 1 << 20);
        /* What is not for requests, such as raw TLVs, is refused; nothing is read wrong. */
        r = bus_read_dict(signal, &again, &read, &error);
        must(r >= 0 || sd_bus_error_is_set(&error) || r == -ENOMEM);
        sd_bus_error_free(&error);
        bus_erase_body(signal);
}

static void check_message(const SchemaMessage *schema, const QmiMessage *m, uint16_t vendor) {
        _cleanup_(arena_erase) Arena a, b;
        AccessSet withheld, none;
        Value all, some;

        arena_init(&a);
        arena_init(&b);
        if (decode(schema, m, vendor, ACCESS_ALL, &a, &all, &none) < 0 ||
            decode(schema, m, vendor, choose_access(m), &b, &some, &withheld) < 0)
                return;
        must(none == 0);
        must((withheld == 0) == !value_dict_get(&some, "withheld"));
        must(withheld != 0 || value_equal(&all, &some));
        for (uint32_t i = 0; i < some.n; i++)
                must(is_key_of(&all, some.entries[i].key));
        to_message(&all);
        to_message(&some);
}

/* ---- through the mux ---- */

/* One that never gets as far as to say hello: what is sent waits. */
static void start_bus(Fuzz *f) {
        static const BusOps ops;
        Bus *b = calloc(1, sizeof(*b));
        int pair[2];

        must(b);
        f->bus = b;
        b->ops = &ops;
        b->sleep_delay = -1;
        b->nobody.name = "";
        LIST_INIT(&b->devices);
        LIST_INIT(&b->callers);
        must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
        f->peer = pair[1];
        must(sd_bus_new(&b->bus) >= 0 && sd_bus_set_fd(b->bus, pair[0], pair[0]) >= 0);
        must(sd_bus_set_bus_client(b->bus, true) >= 0 && sd_bus_start(b->bus) >= 0);
        must(sd_bus_attach_event(b->bus, f->event, SD_EVENT_PRIORITY_NORMAL) >= 0);
        must(sd_bus_add_object_manager(b->bus, NULL, QMID_ROOT_PATH) >= 0);
        must(bus_indications_start(b) >= 0);
}

static void start(Fuzz *f) {
        static const char *const names[N_CALLERS] = { ":1.1", ":1.2", ":1.3" };
        static const DevicePlace place = { .name = (char *) "x", .uri = (char *) "unix:/nowhere/modem" };
        static const NetOps net_ops;
        static const DeviceOps device_ops;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        must(sd_event_new(&f->event) >= 0);
        must(net_new(&f->net, f->event, &net_ops, NULL) >= 0);
        start_bus(f);
        must(device_new(&f->device, f->event, &place, f->net, &device_ops, NULL) >= 0);
        must(bus_add_device(f->bus, f->device) >= 0);
        f->bus_device = LIST_FIRST(&f->bus->devices);
        for (size_t i = 0; i < N_CALLERS; i++) {
                must(caller_restore(f->bus, names[i], &f->callers[i]) >= 0);
                must(user_get(f->bus, 1000, &f->callers[i]->user) >= 0);
        }
        f->callers[0]->trusted = true;
        must(bus_trace_open(f->bus_device, f->callers[0], false, &f->trace, &error) >= 0);
}

static void stop(Fuzz *f) {
        bus_remove_device(f->bus, f->device);
        must(f->bus->n_held == 0);
        device_free(f->device);
        net_free(f->net);
        close(f->trace);
        close(f->peer);
        bus_free(f->bus);
        sd_event_unref(f->event);
}

static void add_clients(Fuzz *f, uint8_t service) {
        for (size_t i = 0; i < N_CALLERS && !f->has_clients[service]; i++) {
                Caller *caller = f->callers[i];
                Charge charge = bus_charge(f->bus, caller, caller->user, f->bus_device);
                BusClient *c;
                Client *client;

                must(bus_client_new(f->bus_device, caller, caller->user, f->bus->n_clients + 1, &c) >= 0);
                share_add(&charge, SHARE_CLIENTS, 1);
                must(client_new_internal(&client, device_get_mux(f->device), service, &caller->owner,
                                         &bus_client_ops, c) >= 0);
                client_start(client, (uint8_t) (i + 1));
                bus_client_set(c, client);
                c->implicit = i == 0;
        }
        f->has_clients[service] = true;
}

/* What polkit has said before of this message. */
static void add_grants(Fuzz *f, const QmiMessage *m) {
        AccessSet granted = choose_access(m);
        Caller *c = f->callers[1];

        for (AccessClass i = ACCESS_STATUS; i < _ACCESS_CLASS_MAX; i++)
                must(grants_keep(&c->grants,
                                 &(AccessKey){ .device = f->bus_device,
                                               .service = m->service,
                                               .message = m->id,
                                               .type = ACCESS_TO_INDICATION,
                                               .access = (uint8_t) i },
                                 granted & ACCESS_SET(i), UINT64_MAX) >= 0);
}

/* It must be there, as long as it was, with the headers that it had. */
static void check_trace(Fuzz *f, const uint8_t *frame, size_t n_frame) {
        static uint8_t packet[TRACE_HEADER_SIZE + QMUX_MAX];
        QmiMessage m, masked;
        ssize_t n;

        n = recv(f->trace, packet, sizeof(packet), MSG_DONTWAIT);
        if (n < 0) /* larger than the socket takes */
                return;
        must((size_t) n == TRACE_HEADER_SIZE + n_frame);
        if (frame_parse(frame, n_frame, &m) < 0)
                return;
        must(frame_parse(packet + TRACE_HEADER_SIZE, n_frame, &masked) == 0);
        must(masked.n_tlvs == m.n_tlvs && masked.id == m.id && masked.service == m.service);
}

static void to_clients(Fuzz *f, const uint8_t *frame, size_t n_frame, const QmiMessage *m) {
        uint8_t *copy = malloc(n_frame);

        must(copy);
        memcpy(copy, frame, n_frame);
        if (m && m->type == QMI_INDICATION && m->service != QMI_SERVICE_CTL) {
                copy[5] = QMI_CLIENT_ALL;
                add_clients(f, (uint8_t) m->service);
                add_grants(f, m);
        }
        route_frame(mux_get_port(device_get_mux(f->device)), copy, n_frame, device_get_mux(f->device));
        if (n_frame % 8 > 0) /* else more of them wait */
                bus_indications_flush(f->bus, NULL);
        check_trace(f, copy, n_frame);
        free(copy);
}

static void on_frame(Fuzz *f, const uint8_t *frame, size_t n_frame) {
        QmiMessage m;

        if (frame_parse(frame, n_frame, &m) < 0) {
                to_clients(f, frame, n_frame, NULL);
                return;
        }
        for (uint16_t vendor = 0; vendor <= 0x1199; vendor += 0x1199) {
                const SchemaService *s = schema_service_by_id(m.service, vendor);

                check_message(s ? schema_message_by_id(s, m.type == QMI_INDICATION, m.id, vendor) : NULL, &m,
                              vendor);
        }
        if (f->n_frames++ < 64) /* more only fill the queue to the bus */
                to_clients(f, frame, n_frame, &m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_data) {
        Framer framer = {};
        const uint8_t *frame;
        size_t n_frame;
        Fuzz f = {};

        log_set_max_level(LOG_EMERG);
        start(&f);
        must(framer_push(&framer, data, n_data) == 0);
        while (framer_next(&framer, &frame, &n_frame) > 0) {
                on_frame(&f, frame, n_frame);
                framer_erase(&framer);
        }
        framer_done(&framer);
        stop(&f);
        return 0;
}
