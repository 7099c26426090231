/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <stdio.h>

#include "modem/session-internal.h"

/* What the answer to Get Current Settings says of one IP family. */

void session_ip_request(Form *f) {
        static const char *const wanted[] = { "dns_address", "ip_address", "gateway", "mtu", "ip_family" };

        form_symbols(f, &f->dict, "settings", wanted, ELEMENTSOF(wanted));
}

/* Also false for 0.0.0.0 and ::, which modems give where they have none. */
static bool read_address(int af, const char *text, char ret[static INET6_ADDRSTRLEN]) {
        static const struct in6_addr none;
        struct in6_addr a = {};

        if (!text || inet_pton(af, text, &a) != 1 ||
            memcmp(&a, &none, af == AF_INET ? sizeof(struct in_addr) : sizeof(a)) == 0)
                return false;
        return inet_ntop(af, &a, ret, INET6_ADDRSTRLEN);
}

/* As many as there are ones from the left. A mask that is missing, or has a gap, leaves the address alone.
 */
static uint8_t prefix_of_netmask(const char *text) {
        struct in_addr mask;
        uint32_t bits;

        if (!text || inet_pton(AF_INET, text, &mask) != 1)
                return 32;
        bits = ~ntohl(mask.s_addr);
        return bits == UINT32_MAX || (bits & (bits + 1)) != 0 ? 32
                                                              : (uint8_t) (32 - __builtin_popcount(bits));
}

static void add_dns(SessionIp *ip, int af, const char *text) {
        char address[INET6_ADDRSTRLEN];

        if (ip->n_dns == SESSION_DNS_MAX || !read_address(af, text, address))
                return;
        for (unsigned i = 0; i < ip->n_dns; i++)
                if (streq(ip->dns[i], address))
                        return;
        memcpy(ip->dns[ip->n_dns++], address, sizeof(address));
}

static void read_ipv4(const Value *settings, SessionIp *ip) {
        ip->is_set = read_address(AF_INET, answer_text(settings, "ipv4_address"), ip->address);
        if (!ip->is_set)
                return;
        ip->prefix = prefix_of_netmask(answer_text(settings, "ipv4_netmask"));
        (void) read_address(AF_INET, answer_text(settings, "ipv4_gateway"), ip->gateway);
        add_dns(ip, AF_INET, answer_text(settings, "ipv4_primary_dns"));
        add_dns(ip, AF_INET, answer_text(settings, "ipv4_secondary_dns"));
}

static void read_ipv6(const Value *settings, SessionIp *ip) {
        const Value *address = answer_get(settings, "ipv6_address");
        const Value *gateway = answer_get(settings, "ipv6_gateway");
        uint64_t prefix = 128;

        ip->is_set = read_address(AF_INET6, answer_text(address, "address"), ip->address);
        if (!ip->is_set)
                return;
        (void) answer_number(address, "prefix_length", &prefix);
        ip->prefix = prefix == 0 || prefix > 128 ? 128 : (uint8_t) prefix;
        (void) read_address(AF_INET6, answer_text(gateway, "address"), ip->gateway);
        add_dns(ip, AF_INET6, answer_text(settings, "ipv6_primary_dns"));
        add_dns(ip, AF_INET6, answer_text(settings, "ipv6_secondary_dns"));
}

void session_ip_read(const Value *settings, SessionFamily f, SessionIp *ret) {
        uint64_t mtu = 0;

        *ret = (SessionIp){};
        switch (f) {
        case SESSION_IPV4:
                read_ipv4(settings, ret);
                break;
        case SESSION_IPV6:
                read_ipv6(settings, ret);
                break;
        case _SESSION_FAMILY_MAX:
        case _SESSION_FAMILY_INVALID:
                break;
        }
        if (ret->is_set && answer_number(settings, "mtu", &mtu) && mtu <= UINT16_MAX)
                ret->mtu = (uint32_t) mtu;
}

bool session_ip_equal(const SessionIp *a, const SessionIp *b) {
        if (a->is_set != b->is_set || a->prefix != b->prefix || a->mtu != b->mtu || a->n_dns != b->n_dns ||
            !streq(a->address, b->address) || !streq(a->gateway, b->gateway))
                return false;
        for (unsigned i = 0; i < a->n_dns; i++)
                if (!streq(a->dns[i], b->dns[i]))
                        return false;
        return true;
}
