/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "echo.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>

#define PREFIX_SIZE 8U /* bytes of an IPv6 address that are the network's */
#define HOP_LIMIT   255
#define LINK_MTU    1500

static const uint8_t far_address[ETH_ALEN] = { 0x02, 0x50, 0xf4, 0x00, 0x00, 0x01 };
static const uint8_t router_address[16] = { 0xfe, 0x80, [15] = 1 };
static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };
static const uint8_t nobody[16];

/* The sum of RFC 1071, folded; the checksum is its complement. */
static uint16_t sum(const uint8_t *p, size_t n, uint32_t start) {
        uint32_t s = start;

        for (size_t i = 0; i + 1 < n; i += 2)
                s += (uint32_t) (p[i] << 8 | p[i + 1]);
        if (n % 2 != 0)
                s += (uint32_t) p[n - 1] << 8;
        while (s >> 16 != 0)
                s = (s & 0xffff) + (s >> 16);
        return (uint16_t) s;
}

static uint16_t read_be16(const uint8_t *p) {
        return (uint16_t) (p[0] << 8 | p[1]);
}

static void write_be16(uint8_t *p, uint16_t v) {
        p[0] = (uint8_t) (v >> 8);
        p[1] = (uint8_t) v;
}

static void swap(uint8_t *a, uint8_t *b, size_t n) {
        for (size_t i = 0; i < n; i++) {
                uint8_t old = a[i];

                a[i] = b[i];
                b[i] = old;
        }
}

PacketKind packet_identify(const uint8_t *packet, size_t n_packet, bool ethernet) {
        const uint8_t *p = packet;
        size_t n = n_packet;
        uint16_t type = 0;

        if (ethernet) {
                if (n < ETHERNET_HEADER_SIZE)
                        return _PACKET_KIND_INVALID;
                type = read_be16(p + 2 * ETH_ALEN);
                p += ETHERNET_HEADER_SIZE;
                n -= ETHERNET_HEADER_SIZE;
                if (type == ETHERTYPE_ARP)
                        return n >= sizeof(struct ether_arp) ? PACKET_ARP : _PACKET_KIND_INVALID;
        }
        if (n >= sizeof(struct iphdr) && p[0] >> 4 == 4 && (!ethernet || type == ETHERTYPE_IP) &&
            (size_t) (p[0] & 0x0f) * 4 >= sizeof(struct iphdr) &&
            (size_t) (p[0] & 0x0f) * 4 <= read_be16(p + offsetof(struct iphdr, tot_len)) &&
            read_be16(p + offsetof(struct iphdr, tot_len)) <= n)
                return PACKET_IP4;
        if (n >= sizeof(struct ip6_hdr) && p[0] >> 4 == 6 && (!ethernet || type == ETHERTYPE_IPV6) &&
            sizeof(struct ip6_hdr) + read_be16(p + offsetof(struct ip6_hdr, ip6_plen)) <= n)
                return PACKET_IP6;
        return _PACKET_KIND_INVALID;
}

bool echo_is_from_host(const EchoHost *h, PacketKind kind, const uint8_t *payload, size_t n_payload) {
        const uint8_t *source;

        switch (kind) {
        case PACKET_IP4:
                source = payload + offsetof(struct iphdr, saddr);
                return !h->has_ip4 || memcmp(source, h->ip4, sizeof(h->ip4)) == 0;
        case PACKET_IP6:
                source = payload + offsetof(struct ip6_hdr, ip6_src);
                return !h->has_ip6 || memcmp(source, h->ip6, PREFIX_SIZE) == 0 ||
                       memcmp(source, nobody, sizeof(nobody)) == 0 ||
                       (source[0] == 0xfe && (source[1] & 0xc0) == 0x80);
        case PACKET_ARP:
        case _PACKET_KIND_MAX:
        case _PACKET_KIND_INVALID:
                break;
        }
        return true;
}

/* ---- in place ---- */

static size_t answer_ip4(uint8_t *p) {
        size_t n_header = (size_t) (p[0] & 0x0f) * 4,
               n_total = read_be16(p + offsetof(struct iphdr, tot_len));
        uint8_t *icmp = p + n_header;

        if (n_total < n_header + sizeof(struct icmphdr) ||
            p[offsetof(struct iphdr, protocol)] != IPPROTO_ICMP || icmp[0] != ICMP_ECHO)
                return 0;

        swap(p + offsetof(struct iphdr, saddr), p + offsetof(struct iphdr, daddr), 4);
        p[offsetof(struct iphdr, ttl)] = 64;
        write_be16(p + offsetof(struct iphdr, check), 0);
        write_be16(p + offsetof(struct iphdr, check), (uint16_t) ~sum(p, n_header, 0));

        icmp[0] = ICMP_ECHOREPLY;
        write_be16(icmp + offsetof(struct icmphdr, checksum), 0);
        write_be16(icmp + offsetof(struct icmphdr, checksum), (uint16_t) ~sum(icmp, n_total - n_header, 0));
        return n_total;
}

/* Fills in length and checksum behind which nothing changes any more: the length of the packet. */
static size_t ip6_finish(uint8_t *p, size_t n_payload) {
        uint8_t *icmp = p + sizeof(struct ip6_hdr);
        uint32_t pseudo_header;

        p[offsetof(struct ip6_hdr, ip6_hlim)] = HOP_LIMIT;
        write_be16(p + offsetof(struct ip6_hdr, ip6_plen), (uint16_t) n_payload);
        write_be16(icmp + offsetof(struct icmp6_hdr, icmp6_cksum), 0);
        pseudo_header = (uint32_t) sum(p + offsetof(struct ip6_hdr, ip6_src), 32, 0) + (uint32_t) n_payload +
                        IPPROTO_ICMPV6;
        write_be16(icmp + offsetof(struct icmp6_hdr, icmp6_cksum),
                   (uint16_t) ~sum(icmp, n_payload, pseudo_header));
        return sizeof(struct ip6_hdr) + n_payload;
}

static size_t put_link_address(uint8_t *to, uint8_t option) {
        to[0] = option;
        to[1] = 1; /* in eights */
        memcpy(to + 2, far_address, ETH_ALEN);
        return 2 + ETH_ALEN;
}

/* RFC 4861, 4.2: from a router that has the host's network on this link. */
static size_t answer_router_solicitation(const EchoHost *h, uint8_t *p, bool ethernet) {
        uint8_t *source = p + offsetof(struct ip6_hdr, ip6_src),
                *destination = p + offsetof(struct ip6_hdr, ip6_dst),
                *advertisement = p + sizeof(struct ip6_hdr);
        struct nd_opt_prefix_info prefix = {
                .nd_opt_pi_type = ND_OPT_PREFIX_INFORMATION,
                .nd_opt_pi_len = sizeof(prefix) / 8,
                .nd_opt_pi_prefix_len = 8 * PREFIX_SIZE,
                .nd_opt_pi_flags_reserved = ND_OPT_PI_FLAG_AUTO,
                .nd_opt_pi_valid_time = htonl(7200),
                .nd_opt_pi_preferred_time = htonl(7200),
        };
        struct nd_opt_mtu mtu = { .nd_opt_mtu_type = ND_OPT_MTU,
                                  .nd_opt_mtu_len = sizeof(mtu) / 8,
                                  .nd_opt_mtu_mtu = htonl(LINK_MTU) };
        struct nd_router_advert header = { .nd_ra_type = ND_ROUTER_ADVERT };
        size_t n = sizeof(header);

        if (!h->has_ip6)
                return 0;
        memcpy(destination, memcmp(source, nobody, sizeof(nobody)) == 0 ? all_nodes : source, 16);
        memcpy(source, router_address, sizeof(router_address));
        header.nd_ra_curhoplimit = 64;
        header.nd_ra_router_lifetime = htons(1800);
        memcpy(advertisement, &header, sizeof(header));
        memcpy(&prefix.nd_opt_pi_prefix, h->ip6, PREFIX_SIZE);
        memcpy(advertisement + n, &prefix, sizeof(prefix));
        n += sizeof(prefix);
        memcpy(advertisement + n, &mtu, sizeof(mtu));
        n += sizeof(mtu);
        if (ethernet)
                n += put_link_address(advertisement + n, ND_OPT_SOURCE_LINKADDR);
        return ip6_finish(p, n);
}

/* Whoever is asked for, it is us; but not when the host asks whether its own address is free. */
static size_t answer_neighbor_solicitation(const EchoHost *h, uint8_t *p) {
        uint8_t *source = p + offsetof(struct ip6_hdr, ip6_src),
                *destination = p + offsetof(struct ip6_hdr, ip6_dst), *icmp = p + sizeof(struct ip6_hdr);
        struct nd_neighbor_advert header = { .nd_na_type = ND_NEIGHBOR_ADVERT };
        const uint8_t *target = icmp + sizeof(struct icmp6_hdr);

        if (memcmp(source, nobody, sizeof(nobody)) == 0 ||
            (h->has_ip6 && memcmp(target, h->ip6, sizeof(h->ip6)) == 0))
                return 0;
        header.nd_na_flags_reserved = ND_NA_FLAG_ROUTER | ND_NA_FLAG_SOLICITED | ND_NA_FLAG_OVERRIDE;
        memcpy(&header.nd_na_target, target, sizeof(header.nd_na_target));
        memcpy(destination, source, 16);
        memcpy(source, target, 16);
        memcpy(icmp, &header, sizeof(header));
        return ip6_finish(p,
                          sizeof(header) + put_link_address(icmp + sizeof(header), ND_OPT_TARGET_LINKADDR));
}

static size_t answer_ip6(const EchoHost *h, uint8_t *p, bool ethernet) {
        size_t n_payload = read_be16(p + offsetof(struct ip6_hdr, ip6_plen));
        uint8_t *icmp = p + sizeof(struct ip6_hdr);

        if (n_payload < sizeof(struct icmp6_hdr) || p[offsetof(struct ip6_hdr, ip6_nxt)] != IPPROTO_ICMPV6)
                return 0;
        if (icmp[0] == ND_ROUTER_SOLICIT)
                return answer_router_solicitation(h, p, ethernet);
        if (icmp[0] == ND_NEIGHBOR_SOLICIT && ethernet && n_payload >= sizeof(struct nd_neighbor_solicit))
                return answer_neighbor_solicitation(h, p);
        if (icmp[0] != ICMP6_ECHO_REQUEST || p[offsetof(struct ip6_hdr, ip6_dst)] == 0xff /* multicast */)
                return 0;
        swap(p + offsetof(struct ip6_hdr, ip6_src), p + offsetof(struct ip6_hdr, ip6_dst), 16);
        icmp[0] = ICMP6_ECHO_REPLY;
        return ip6_finish(p, n_payload);
}

static size_t answer_arp(const EchoHost *h, uint8_t *p) {
        const uint8_t *sender = p + offsetof(struct ether_arp, arp_spa),
                      *target = p + offsetof(struct ether_arp, arp_tpa);

        if (read_be16(p + offsetof(struct arphdr, ar_op)) != ARPOP_REQUEST ||
            memcmp(sender, target, 4) == 0 || (h->has_ip4 && memcmp(target, h->ip4, sizeof(h->ip4)) == 0))
                return 0;
        write_be16(p + offsetof(struct arphdr, ar_op), ARPOP_REPLY);
        memcpy(p + offsetof(struct ether_arp, arp_tha), p + offsetof(struct ether_arp, arp_sha), ETH_ALEN);
        memcpy(p + offsetof(struct ether_arp, arp_sha), far_address, ETH_ALEN);
        swap(p + offsetof(struct ether_arp, arp_spa), p + offsetof(struct ether_arp, arp_tpa), 4);
        return sizeof(struct ether_arp);
}

size_t echo_answer(const EchoHost *h, const uint8_t *packet, size_t n_packet, bool ethernet,
                   uint8_t *ret_answer) {
        size_t n_header = ethernet ? ETHERNET_HEADER_SIZE : 0, n = 0;
        uint8_t *payload = ret_answer + n_header;

        memcpy(ret_answer, packet, n_packet);
        switch (packet_identify(packet, n_packet, ethernet)) {
        case PACKET_IP4:
                n = answer_ip4(payload);
                break;
        case PACKET_IP6:
                n = answer_ip6(h, payload, ethernet);
                break;
        case PACKET_ARP:
                n = answer_arp(h, payload);
                break;
        case _PACKET_KIND_MAX:
        case _PACKET_KIND_INVALID:
                break;
        }
        if (n > 0 && ethernet) {
                memcpy(ret_answer, packet + ETH_ALEN, ETH_ALEN);
                memcpy(ret_answer + ETH_ALEN, far_address, ETH_ALEN);
        }
        return n > 0 ? n_header + n : 0;
}
