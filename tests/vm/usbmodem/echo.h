/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/util.h"

/* Somebody at the far end of the data channel: answers pings, of whatever address; as the router of the link
 * solicitations of a router; and in Ethernet frames the search for neighbours (ARP, neighbour discovery), of
 * all but the host's own address. */

/* The host's end. */
typedef struct EchoHost {
        bool has_ip4, has_ip6; /* whether the addresses are known */
        uint8_t ip4[4], ip6[16];
} EchoHost;

/* How much longer an answer may be than what it answers. */
#define ECHO_GROWTH 64U

/* What is there to a packet; of an Ethernet frame, without its header. */
typedef enum PacketKind {
        PACKET_IP4,
        PACKET_IP6,
        PACKET_ARP,
        _PACKET_KIND_MAX,
        _PACKET_KIND_INVALID = -EINVAL,
} PacketKind;

#define ETHERNET_HEADER_SIZE 14U

/* _PACKET_KIND_INVALID: it is nothing of that, or not framed so. */
PacketKind packet_identify(const uint8_t *packet, size_t n_packet, bool ethernet);
/* Whether the sender is who the host may be: has the address that it was given, or one of its network or of
 * the link. */
bool echo_is_from_host(const EchoHost *h, PacketKind kind, const uint8_t *payload, size_t n_payload);
/* The answer to a packet: its length, 0 if there is none. */
size_t echo_answer(const EchoHost *h, const uint8_t *packet, size_t n_packet, bool ethernet,
                   uint8_t *ret_answer /* n_packet + ECHO_GROWTH */);
