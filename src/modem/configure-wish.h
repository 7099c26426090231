/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "modem/session.h"
#include "net/net.h"

/* What a session's interface is to have: what the network gave, as the kernel understands it. */

#define WISH_DNS_MAX (_SESSION_FAMILY_MAX * SESSION_DNS_MAX)

typedef struct Wish {
        bool has_address[_SESSION_FAMILY_MAX];
        NetAddress address[_SESSION_FAMILY_MAX];
        NetRoute route[_SESSION_FAMILY_MAX]; /* of each address */
        NetDnsServer dns[WISH_DNS_MAX];
        size_t n_dns;
        uint32_t mtu; /* the network's; 0: it did not say */
} Wish;

/* What makes no sense is left out. */
void wish_make(const NetInterface *i, const SessionIp ip[static _SESSION_FAMILY_MAX], Wish *ret);

/* AF_INET, AF_INET6 */
int wish_family(SessionFamily f);
