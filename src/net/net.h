/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <net/if.h>
#include <systemd/sd-event.h>

#include "util/util.h"

/* Network interfaces of this machine, over rtnetlink. One Net serves all devices.
 *
 * Requests are synchronous: the kernel has answered by the time that sending returns. An interface that is
 * not there any more is -ENODEV; -EPERM, -EOPNOTSUPP and others are the kernel's. */

typedef struct Net Net;

/* What qmid has set bears this: routes as rtm_protocol, addresses as IFA_PROTO, which kernels have since
 * 5.18. Nobody else has this number in iproute2's rt_protos. */
#define NET_PROTOCOL 0x51U

/* IPv6 link-local addresses that the kernel makes: IN6_ADDR_GEN_MODE_* of linux/if_link.h. */
#define NET_GEN_MODE_NONE 1U

typedef struct NetInterface {
        int index;
        char name[IF_NAMESIZE];
        bool up;             /* IFF_UP */
        bool point_to_point; /* IFF_POINTOPOINT: no neighbours to look for */
        uint16_t type;       /* ARPHRD_ETHER in 802.3, ARPHRD_NONE in raw IP and of a mux */
        uint8_t mac[6];      /* of ARPHRD_ETHER; else 0 */
        uint32_t mtu;
        uint32_t max_mtu; /* that the driver takes; 0: it does not say */
        bool has_ipv6;
        uint8_t gen_mode; /* of IPv6 */
        uint64_t rx_packets, rx_bytes, rx_errors, rx_dropped;
        uint64_t tx_packets, tx_bytes, tx_errors, tx_dropped;
} NetInterface;

typedef struct NetAddress {
        int index;           /* of its interface */
        int family;          /* AF_INET, AF_INET6 */
        uint8_t address[16]; /* as on the wire; IPv4: the first four */
        uint8_t prefix;
        bool ours;   /* qmid has set it (an older kernel does not know) */
        bool kernel; /* the kernel has made it: link-local, or from a router's advertisement */
} NetAddress;

typedef struct NetRoute {
        int index;               /* of the interface that it leads to */
        int family;              /* AF_INET, AF_INET6 */
        uint8_t destination[16]; /* as on the wire; IPv4: the first four */
        uint8_t prefix;
        bool has_gateway;
        uint8_t gateway[16];
        uint32_t metric;
        bool ours; /* qmid has set it */
} NetRoute;

typedef struct NetOps {
        /* An interface, or an address of it, has changed, came or went, or something is known of its name
         * servers. `name` may be "": it went. May be NULL. */
        void (*on_changed)(Net *n, int index, const char *name, void *userdata);
        /* Events were lost: anything may have changed. May be NULL. */
        void (*on_overrun)(Net *n, void *userdata);
} NetOps;

int net_new(Net **ret, sd_event *event, const NetOps *ops, void *userdata);
Net *net_free(Net *n);
DEFINE_CLEANUP(Net *, net_free)

/* -ENODEV: there is none of that name, or index. */
int net_get_interface(Net *n, const char *name, NetInterface *ret);
int net_get_interface_by_index(Net *n, int index, NetInterface *ret);

int net_set_up(Net *n, int index, bool up);
/* -EINVAL: too large or too small for the driver; -EDOM: USB drivers want no multiple of a packet's size. */
int net_set_mtu(Net *n, int index, uint32_t mtu);
/* Of ARPHRD_ETHER, while it is down. */
int net_set_mac(Net *n, int index, const uint8_t mac[static 6]);
/* Whether, and how, the kernel makes a link-local address when the interface goes up. Without one it asks
 * no router for advertisements. What is there stays. */
int net_set_gen_mode(Net *n, int index, uint8_t gen_mode);

/* Adds it as ours, with no route to its neighbours; or as the kernel's, if it says so. 0 if it is there
 * already, whoever has set it. `index` and what identifies the address are read. */
int net_add_address(Net *n, const NetAddress *a);
/* 0 if it is not there. */
int net_remove_address(Net *n, const NetAddress *a);
/* Of an interface; `index` 0: of all. Free it. */
int net_list_addresses(Net *n, int index, NetAddress **ret, size_t *ret_n);

/* Of the main table. Adds it as ours; a gateway need not be in any known network. The interface has to be
 * up. 0 if that route of ours is there already. */
int net_add_route(Net *n, const NetRoute *r);
/* Only if it is ours; 0 if it is not there. */
int net_remove_route(Net *n, const NetRoute *r);
/* Those that are ours, of an interface; `index` 0: of all. Free it. */
int net_list_routes(Net *n, int index, NetRoute **ret, size_t *ret_n);

/* ---- name servers: the kernel has nothing to do with them */

typedef struct NetDnsServer {
        int family;
        uint8_t address[16];
} NetDnsServer;

typedef struct NetDnsOps {
        /* `n_servers` 0: what the interface was given is taken back. What becomes of it is told with
         * net_dns_done(), also from here. */
        void (*set)(Net *n, int index, const NetDnsServer *servers, size_t n_servers, void *userdata);
} NetDnsOps;

/* Who knows what to do with them; NULL: nobody any more. */
void net_set_dns_ops(Net *n, const NetDnsOps *ops, void *userdata);
/* 0, or -EUNATCH: nobody knows what to do with them. */
int net_set_dns(Net *n, int index, const NetDnsServer *servers, size_t n_servers);
/* `problem`: one sentence; "": none. */
void net_dns_done(Net *n, int index, const char *problem);
const char *net_get_dns_problem(Net *n, int index); /* "": none is known */

/* ---- whose they are: of an interface that somebody has claimed, what is ours has an owner */

/* 0, -EBUSY (it is claimed), -ENOMEM. */
int net_claim(Net *n, int index);
void net_unclaim(Net *n, int index);
bool net_is_claimed(Net *n, int index);
