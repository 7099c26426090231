/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "echo.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>

static const uint8_t far_address[ETH_ALEN] = { 0x02, 0x50, 0xf4, 0x00, 0x00, 0x01 };

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

static bool echo_ip4(uint8_t *p, size_t n) {
        size_t n_header = (size_t) (p[0] & 0x0f) * 4,
               n_total = read_be16(p + offsetof(struct iphdr, tot_len));
        uint8_t *icmp = p + n_header;

        if (n_header < sizeof(struct iphdr) || n_total > n || n_total < n_header + sizeof(struct icmphdr) ||
            p[offsetof(struct iphdr, protocol)] != IPPROTO_ICMP || icmp[0] != ICMP_ECHO)
                return false;

        swap(p + offsetof(struct iphdr, saddr), p + offsetof(struct iphdr, daddr), 4);
        p[offsetof(struct iphdr, ttl)] = 64;
        write_be16(p + offsetof(struct iphdr, check), 0);
        write_be16(p + offsetof(struct iphdr, check), (uint16_t) ~sum(p, n_header, 0));

        icmp[0] = ICMP_ECHOREPLY;
        write_be16(icmp + offsetof(struct icmphdr, checksum), 0);
        write_be16(icmp + offsetof(struct icmphdr, checksum), (uint16_t) ~sum(icmp, n_total - n_header, 0));
        return true;
}

static bool echo_ip6(uint8_t *p, size_t n) {
        size_t n_payload = read_be16(p + offsetof(struct ip6_hdr, ip6_plen));
        uint8_t *icmp = p + sizeof(struct ip6_hdr);
        uint32_t pseudo_header;

        if (n < sizeof(struct ip6_hdr) + sizeof(struct icmp6_hdr) || n_payload < sizeof(struct icmp6_hdr) ||
            n_payload + sizeof(struct ip6_hdr) > n ||
            p[offsetof(struct ip6_hdr, ip6_nxt)] != IPPROTO_ICMPV6 || icmp[0] != ICMP6_ECHO_REQUEST)
                return false;

        swap(p + offsetof(struct ip6_hdr, ip6_src), p + offsetof(struct ip6_hdr, ip6_dst), 16);
        icmp[0] = ICMP6_ECHO_REPLY;
        write_be16(icmp + offsetof(struct icmp6_hdr, icmp6_cksum), 0);
        pseudo_header = (uint32_t) sum(p + offsetof(struct ip6_hdr, ip6_src), 32, 0) + (uint32_t) n_payload +
                        IPPROTO_ICMPV6;
        write_be16(icmp + offsetof(struct icmp6_hdr, icmp6_cksum),
                   (uint16_t) ~sum(icmp, n_payload, pseudo_header));
        return true;
}

static bool echo_ip(uint8_t *p, size_t n) {
        if (n >= sizeof(struct iphdr) && p[0] >> 4 == 4)
                return echo_ip4(p, n);
        return n >= sizeof(struct ip6_hdr) && p[0] >> 4 == 6 && echo_ip6(p, n);
}

/* Whoever is asked for, it is us. */
static bool echo_arp(uint8_t *p, size_t n) {
        if (n < sizeof(struct ether_arp) || read_be16(p + offsetof(struct arphdr, ar_op)) != ARPOP_REQUEST)
                return false;
        write_be16(p + offsetof(struct arphdr, ar_op), ARPOP_REPLY);
        memcpy(p + offsetof(struct ether_arp, arp_tha), p + offsetof(struct ether_arp, arp_sha), ETH_ALEN);
        memcpy(p + offsetof(struct ether_arp, arp_sha), far_address, ETH_ALEN);
        swap(p + offsetof(struct ether_arp, arp_spa), p + offsetof(struct ether_arp, arp_tpa), 4);
        return true;
}

bool echo_packet(uint8_t *packet, size_t n_packet, bool raw_ip) {
        uint8_t *payload = packet + ETH_HLEN;
        bool answered;

        if (raw_ip)
                return echo_ip(packet, n_packet);
        if (n_packet < ETH_HLEN)
                return false;
        answered = read_be16(packet + 2 * ETH_ALEN) == ETHERTYPE_ARP ? echo_arp(payload, n_packet - ETH_HLEN)
                                                                     : echo_ip(payload, n_packet - ETH_HLEN);
        if (answered) {
                memcpy(packet, packet + ETH_ALEN, ETH_ALEN);
                memcpy(packet + ETH_ALEN, far_address, ETH_ALEN);
        }
        return answered;
}
