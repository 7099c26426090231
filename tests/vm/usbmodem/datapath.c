/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "datapath.h"

#include <arpa/inet.h>
#include <inttypes.h>

#include "qmap.h"

/* More packets than these are dropped until the host fetches some. */
#define PACKETS_MAX 256U

struct Packet {
        STAILQ_ENTRY(Packet) entry;
        uint8_t mux;
        size_t n_bytes;
        uint8_t bytes[];
};

void datapath_init(Datapath *d, const DatapathOps *ops, void *userdata) {
        *d = (Datapath){ .ops = ops, .userdata = userdata };
        STAILQ_INIT(&d->packets);
}

static void datapath_drop_first(Datapath *d) {
        Packet *p = STAILQ_FIRST(&d->packets);

        STAILQ_REMOVE_HEAD(&d->packets, entry);
        d->n_packets--;
        free(p);
}

void datapath_clear(Datapath *d) {
        while (!STAILQ_EMPTY(&d->packets))
                datapath_drop_first(d);
        memset(d->gates, 0, sizeof(d->gates));
}

/* ---- what it is told ---- */

static bool number_parse(const char *word, unsigned long max, unsigned long *ret) {
        char *end;

        if (!word || word[0] < '0' || word[0] > '9')
                return false;
        errno = 0;
        *ret = strtoul(word, &end, 10);
        return errno == 0 && !*end && *ret <= max;
}

static bool aggregation_parse(char **rest, Aggregation *ret) {
        const char *name = strtok_r(NULL, " ", rest), *datagrams = strtok_r(NULL, " ", rest),
                   *size = strtok_r(NULL, " ", rest);
        unsigned long max_datagrams, max_size;

        if (!name || (!streq(name, "disabled") && !streq(name, "qmap")) ||
            !number_parse(datagrams, UINT16_MAX, &max_datagrams) ||
            !number_parse(size, UINT16_MAX, &max_size))
                return false;
        *ret = (Aggregation){ .qmap = streq(name, "qmap"),
                              .max_datagrams = (uint32_t) max_datagrams,
                              .max_size = (uint32_t) max_size };
        return true;
}

/* What a gate has beside its counts. */
typedef struct Opening {
        bool ip4_open, ip6_open;
        EchoHost host;
} Opening;

static bool opening_parse(Opening *o, const char *text) {
        if (!text)
                return false;
        if (streq(text, "ipv4") || inet_pton(AF_INET, text, o->host.ip4) > 0) {
                o->ip4_open = true;
                o->host.has_ip4 = !streq(text, "ipv4");
                return true;
        }
        if (streq(text, "ipv6") || inet_pton(AF_INET6, text, o->host.ip6) > 0) {
                o->ip6_open = true;
                o->host.has_ip6 = !streq(text, "ipv6");
                return true;
        }
        return false;
}

int datapath_set(Datapath *d, const char *line) {
        _cleanup_free_ Opening *openings = NULL;
        _cleanup_free_ char *copy = NULL;
        Aggregation uplink, downlink;
        const char *link, *word;
        unsigned long mux;
        char *rest = NULL;

        copy = strdup(line);
        openings = calloc(DATAPATH_GATES, sizeof(*openings));
        if (!copy || !openings)
                return -ENOMEM;

        link = strtok_r(copy, " ", &rest);
        if (!link || (!streq(link, "raw-ip") && !streq(link, "802-3")) ||
            !aggregation_parse(&rest, &uplink) || !aggregation_parse(&rest, &downlink))
                return -EINVAL;
        while ((word = strtok_r(NULL, " ", &rest)))
                if (!number_parse(word, DATAPATH_GATES - 1, &mux) ||
                    !opening_parse(&openings[mux], strtok_r(NULL, " ", &rest)))
                        return -EINVAL;

        d->ethernet = streq(link, "802-3");
        d->uplink = uplink;
        d->downlink = downlink;
        for (size_t i = 0; i < DATAPATH_GATES; i++) {
                d->gates[i].ip4_open = openings[i].ip4_open;
                d->gates[i].ip6_open = openings[i].ip6_open;
                d->gates[i].host = openings[i].host;
        }
        return 0;
}

void datapath_describe_gate(const Datapath *d, uint8_t mux, FILE *f) {
        const Gate *g = &d->gates[mux];
        char ip4[INET_ADDRSTRLEN] = "open", ip6[INET6_ADDRSTRLEN] = "open";

        if (g->host.has_ip4)
                (void) inet_ntop(AF_INET, g->host.ip4, ip4, sizeof(ip4));
        if (g->host.has_ip6)
                (void) inet_ntop(AF_INET6, g->host.ip6, ip6, sizeof(ip6));
        fprintf(f,
                "in=%" PRIu64 " in-bytes=%" PRIu64 " out=%" PRIu64 " out-bytes=%" PRIu64 " ipv4=%s ipv6=%s",
                g->packets_in, g->bytes_in, g->packets_out, g->bytes_out, g->ip4_open ? ip4 : "closed",
                g->ip6_open ? ip6 : "closed");
}

/* ---- packets ---- */

static void datapath_answer(Datapath *d, uint8_t mux, const uint8_t *packet, size_t n_packet,
                            bool ethernet) {
        Gate *g = &d->gates[mux];
        size_t n_header = ethernet ? ETHERNET_HEADER_SIZE : 0;
        Packet *p;

        if (d->n_packets >= PACKETS_MAX)
                return;
        p = malloc(sizeof(*p) + n_packet + ECHO_GROWTH);
        if (!p)
                return;
        *p = (Packet){ .mux = mux };
        p->n_bytes = echo_answer(&g->host, packet, n_packet, ethernet, p->bytes);
        if (p->n_bytes == 0) {
                free(p);
                return;
        }
        STAILQ_INSERT_TAIL(&d->packets, p, entry);
        d->n_packets++;
        if (packet_identify(p->bytes, p->n_bytes, ethernet) != PACKET_ARP) {
                g->packets_out++;
                g->bytes_out += p->n_bytes - n_header;
        }
        d->ops->counts(DATAPATH_ANSWER, d->userdata);
}

static void datapath_packet(Datapath *d, uint8_t mux, const uint8_t *packet, size_t n_packet,
                            bool ethernet) {
        PacketKind kind = packet_identify(packet, n_packet, ethernet);
        size_t n_header = ethernet ? ETHERNET_HEADER_SIZE : 0;
        Gate *g = &d->gates[mux];

        if (kind == _PACKET_KIND_INVALID) {
                d->ops->counts(DATAPATH_WRONG_FRAMING, d->userdata);
                return;
        }
        if (kind == PACKET_IP6 ? !g->ip6_open : !g->ip4_open) {
                d->ops->counts(DATAPATH_CLOSED_GATE, d->userdata);
                return;
        }
        if (!echo_is_from_host(&g->host, kind, packet + n_header, n_packet - n_header)) {
                d->ops->counts(DATAPATH_WRONG_SOURCE, d->userdata);
                return;
        }
        if (d->ops->loses(d->userdata))
                return;
        if (kind != PACKET_ARP) {
                g->packets_in++;
                g->bytes_in += n_packet - n_header;
        }
        datapath_answer(d, mux, packet, n_packet, ethernet);
        d->ops->counts(DATAPATH_PACKET, d->userdata);
}

void datapath_receive(Datapath *d, const uint8_t *transfer, size_t n_transfer) {
        size_t position = 0;
        QmapDatagram datagram;
        ssize_t n;

        if (n_transfer == 0) /* what ends a transfer that fills its last packet of USB */
                return;
        if (!d->uplink.qmap) {
                datapath_packet(d, 0, transfer, n_transfer, d->ethernet);
                return;
        }
        n = qmap_count(transfer, n_transfer);
        if (n < 0) {
                d->ops->counts(DATAPATH_WRONG_FRAMING, d->userdata);
                return;
        }
        if ((size_t) n > d->uplink.max_datagrams || n_transfer > d->uplink.max_size) {
                d->ops->counts(DATAPATH_TOO_LARGE, d->userdata);
                return;
        }
        while (qmap_next(transfer, n_transfer, &position, &datagram) > 0)
                if (!datagram.is_command)
                        datapath_packet(d, datagram.mux, datagram.payload, datagram.n_payload, false);
}

size_t datapath_take(Datapath *d, uint8_t ret_transfer[DATAPATH_TRANSFER_MAX]) {
        size_t n = 0;
        Packet *p;

        if (!d->downlink.qmap) {
                p = STAILQ_FIRST(&d->packets);
                if (p) {
                        n = p->n_bytes;
                        memcpy(ret_transfer, p->bytes, n);
                        datapath_drop_first(d);
                }
                return n;
        }
        for (uint32_t i = 0; (p = STAILQ_FIRST(&d->packets)); i++) {
                ssize_t k =
                        qmap_put(p->mux, p->bytes, p->n_bytes, ret_transfer + n, DATAPATH_TRANSFER_MAX - n);

                /* One goes whatever the limits are. */
                if (i > 0 &&
                    (k < 0 || i >= d->downlink.max_datagrams || n + (size_t) k > d->downlink.max_size))
                        break;
                if (k > 0)
                        n += (size_t) k;
                datapath_drop_first(d);
        }
        return n;
}
