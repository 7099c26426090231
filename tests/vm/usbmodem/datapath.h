/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>
#include <sys/queue.h>

#include "echo.h"

/* The data channel of one function: takes transfers apart as the link layer says, lets through what has an
 * open gate, and has the answers ready for the host. No I/O.
 *
 * Gates are numbered by mux id; 0 is the one of packets without a mux. Each has an IPv4 and an IPv6 side. */

#define DATAPATH_GATES        256U
#define DATAPATH_TRANSFER_MAX 65536U

/* What became of what the host sent. */
typedef enum DatapathEvent {
        DATAPATH_PACKET, /* let through */
        DATAPATH_ANSWER, /* one for the host, too */
        DATAPATH_WRONG_FRAMING,
        DATAPATH_TOO_LARGE, /* a transfer with more datagrams or bytes than agreed upon: all of it is lost */
        DATAPATH_CLOSED_GATE,  /* a packet, where there is no call of its family */
        DATAPATH_WRONG_SOURCE, /* a packet from an address that the host was not given */
        _DATAPATH_EVENT_MAX,
} DatapathEvent;

typedef struct DatapathOps {
        void (*counts)(DatapathEvent event, void *userdata);
        /* Whether this packet is to be lost. */
        bool (*loses)(void *userdata);
} DatapathOps;

typedef struct Aggregation {
        bool qmap;
        uint32_t max_datagrams, max_size;
} Aggregation;

typedef struct Gate {
        bool ip4_open, ip6_open;
        EchoHost host;
        uint64_t packets_in, bytes_in; /* from the host; of IP */
        uint64_t packets_out, bytes_out;
} Gate;

typedef struct Packet Packet;

typedef struct Datapath {
        const DatapathOps *ops;
        void *userdata;
        bool ethernet;
        Aggregation uplink, downlink;
        Gate gates[DATAPATH_GATES];
        STAILQ_HEAD(, Packet) packets; /* for the host */
        unsigned n_packets;
} Datapath;

void datapath_init(Datapath *d, const DatapathOps *ops, void *userdata);
/* Forgets packets, gates and counts. */
void datapath_clear(Datapath *d);

/* Takes one line of qmisim, without its end (sessions_describe() of tests/sim/sessions.h): which link layer
 * it is and which gates are open. 0; -EINVAL, and all is as it was. */
int datapath_set(Datapath *d, const char *line);

/* A transfer from the host. */
void datapath_receive(Datapath *d, const uint8_t *transfer, size_t n_transfer);
/* The next transfer for the host, with as many packets as may be in one: its size, 0 if there is none. */
size_t datapath_take(Datapath *d, uint8_t ret_transfer[DATAPATH_TRANSFER_MAX]);

/* "in=3 in-bytes=252 out=3 out-bytes=252 ipv4=192.0.2.42 ipv6=closed"; an open side without an address is
 * "open". */
void datapath_describe_gate(const Datapath *d, uint8_t mux, FILE *f);
