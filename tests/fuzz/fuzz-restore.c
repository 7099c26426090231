/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/internal.h"
#include "fuzz.h"
#include "mux/mux-internal.h"
#include "net/net.h"
#include "util/log.h"

/* What the last daemon has left, through device, mux and bus. It has a checksum, but whoever wrote it may
 * have been of another mind about what it means.
 *
 * The first byte of the input: bit 0 the last daemon crashed, bit 1 the bus is the same. Then the parts of a
 * device, each with its size: the device's, the bus's. */

static const BusOps bus_ops;
static const DeviceOps device_ops;

/* One that never gets as far as to say hello: what is sent waits. */
static Bus *make_bus(sd_event *event, int *ret_peer) {
        int pair[2], r;
        Bus *b;

        b = calloc(1, sizeof(*b));
        must(b);
        b->ops = &bus_ops;
        b->sleep_delay = -1;
        b->nobody.name = "";
        LIST_INIT(&b->devices);
        LIST_INIT(&b->callers);
        r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
        must(r >= 0);
        r = sd_bus_new(&b->bus);
        if (r >= 0)
                r = sd_bus_set_fd(b->bus, pair[0], pair[0]);
        if (r >= 0)
                r = sd_bus_set_bus_client(b->bus, true);
        if (r >= 0)
                r = sd_bus_start(b->bus);
        if (r >= 0)
                r = sd_bus_attach_event(b->bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_add_object_manager(b->bus, NULL, QMID_ROOT_PATH);
        must(r >= 0);
        *ret_peer = pair[1];
        return b;
}

static void check_clients(const BusDevice *d) {
        const BusClient *c, *other;

        LIST_FOREACH(c, &d->clients, of_device) {
                must(c->client && (c->caller || c->persist || c->session));
                must(c->user && c->number > 0 && c->number <= d->bus->n_clients);
                must(client_get_owner(c->client) == bus_client_get_owner(c));
                LIST_FOREACH(other, &d->clients, of_device)
                        must(other == c || other->client != c->client);
        }
}

/* What was restored can be saved and restored once more, and is the same then. */
static void save(Bus *b, Device *d, Packer *p) {
        size_t part = pack_part_begin(p);

        device_save(d, p);
        pack_part_end(p, part);
        part = pack_part_begin(p);
        must(bus_save(b, d, p) == 0);
        pack_part_end(p, part);
        must(p->error == 0);
}

static void run(const uint8_t *data, size_t n_data, bool crashed, bool same_bus, Packer *ret) {
        sd_event *event;
        static const NetOps net_ops = {};
        Device *d = NULL;
        Net *net;
        Unpacker u, device_part, bus_part;
        int peer, r;
        Bus *b;

        r = sd_event_new(&event);
        must(r >= 0);
        r = net_new(&net, event, &net_ops, NULL);
        must(r >= 0);
        b = make_bus(event, &peer);
        unpacker_init(&u, data, n_data);
        device_part = unpack_part(&u);
        bus_part = unpack_part(&u);
        /* At the end of the device's part everything has been read: an empty part stands for the port's. */
        r = device_restore(&d, event, &device_part,
                           crashed ? NULL : &(Unpacker){ .data = (const uint8_t[8]){}, .size = 8 }, -1, net,
                           &device_ops, NULL);
        if (r >= 0) {
                Mux *m = device_get_mux(d);
                Client *c;

                r = bus_add_device(b, d);
                must(r >= 0);
                r = bus_restore(b, d, &bus_part, same_bus, crashed);
                if (r < 0)
                        must(LIST_EMPTY(&LIST_FIRST(&b->devices)->clients));
                check_clients(LIST_FIRST(&b->devices));
                mux_release_orphans(m);
                TAILQ_FOREACH(c, &m->clients, entry)
                        must(!c->orphan);
                save(b, d, ret);
                bus_remove_device(b, d);
                must(b->n_held == 0);
        }
        device_free(d);
        net_free(net);
        close(peer);
        bus_free(b);
        sd_event_unref(event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_data) {
        Packer first = PACKER_INIT, second = PACKER_INIT;

        if (n_data == 0)
                return 0;
        log_set_max_level(LOG_EMERG);
        run(data + 1, n_data - 1, data[0] & 1, data[0] & 2, &first);
        if (first.size > 0)
                run(first.data, first.size, data[0] & 1, data[0] & 2, &second);
        must(first.size == 0 || second.size == first.size);
        packer_done(&first);
        packer_done(&second);
        return 0;
}
