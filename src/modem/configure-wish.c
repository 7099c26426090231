/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem/configure-wish.h"

#include <arpa/inet.h>

#include "modem/configure.h"

int wish_family(SessionFamily f) {
        return f == SESSION_IPV4 ? AF_INET : AF_INET6;
}

static bool wish_address(const NetInterface *i, SessionFamily f, const SessionIp *ip, NetAddress *ret) {
        uint8_t whole = f == SESSION_IPV4 ? 32 : 128;
        NetAddress a = {
                .index = i->index,
                .family = wish_family(f),
                .prefix = ip->prefix > 0 && ip->prefix <= whole ? ip->prefix : whole,
        };

        if (inet_pton(a.family, ip->address, a.address) != 1)
                return false;
        *ret = a;
        return true;
}

/* On Ethernet somebody has to be asked for by his address. Else there is only one who can be meant. */
static NetRoute wish_route(const NetInterface *i, SessionFamily f, const SessionIp *ip) {
        NetRoute r = {
                .index = i->index,
                .family = wish_family(f),
                .metric = CONFIGURE_METRIC + (uint32_t) i->index % CONFIGURE_METRIC,
        };

        r.has_gateway = !i->point_to_point && inet_pton(r.family, ip->gateway, r.gateway) == 1;
        return r;
}

static void wish_servers(Wish *w, SessionFamily f, const SessionIp *ip) {
        for (unsigned i = 0; i < MIN(ip->n_dns, SESSION_DNS_MAX); i++) {
                NetDnsServer s = { .family = wish_family(f) };

                if (inet_pton(s.family, ip->dns[i], s.address) == 1)
                        w->dns[w->n_dns++] = s;
        }
}

void wish_make(const NetInterface *i, const SessionIp ip[static _SESSION_FAMILY_MAX], Wish *ret) {
        Wish w = {};

        for (SessionFamily f = 0; f < _SESSION_FAMILY_MAX; f++) {
                if (!ip[f].is_set)
                        continue;
                w.has_address[f] = wish_address(i, f, &ip[f], &w.address[f]);
                w.route[f] = wish_route(i, f, &ip[f]);
                wish_servers(&w, f, &ip[f]);
                if (ip[f].mtu > 0 && (w.mtu == 0 || ip[f].mtu < w.mtu))
                        w.mtu = ip[f].mtu;
        }
        *ret = w;
}
