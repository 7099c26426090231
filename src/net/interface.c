/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <linux/if_link.h>

#include "net/net-internal.h"

static void read_statistics(NetInterface *i, const struct nlattr *a) {
        struct rtnl_link_stats64 s = {};

        memcpy(&s, mnl_attr_get_payload(a), MIN(sizeof(s), (size_t) mnl_attr_get_payload_len(a)));
        i->rx_packets = s.rx_packets;
        i->rx_bytes = s.rx_bytes;
        i->rx_errors = s.rx_errors;
        i->rx_dropped = s.rx_dropped;
        i->tx_packets = s.tx_packets;
        i->tx_bytes = s.tx_bytes;
        i->tx_errors = s.tx_errors;
        i->tx_dropped = s.tx_dropped;
}

static void read_families(NetInterface *i, const struct nlattr *families) {
        struct nlattr *family, *a;

        mnl_attr_for_each_nested(family, families) {
                if (mnl_attr_get_type(family) != AF_INET6)
                        continue;
                i->has_ipv6 = true;
                mnl_attr_for_each_nested(a, family) {
                        if (mnl_attr_get_type(a) == IFLA_INET6_ADDR_GEN_MODE &&
                            mnl_attr_validate(a, MNL_TYPE_U8) >= 0)
                                i->gen_mode = mnl_attr_get_u8(a);
                }
        }
}

static int on_link(const struct nlmsghdr *h, void *userdata) {
        const struct ifinfomsg *link = mnl_nlmsg_get_payload(h);
        NetInterface *i = userdata;
        struct nlattr *a;

        if (h->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(h) < sizeof(*link))
                return MNL_CB_OK;
        *i = (NetInterface){
                .index = link->ifi_index,
                .up = link->ifi_flags & IFF_UP,
                .point_to_point = link->ifi_flags & IFF_POINTOPOINT,
                .type = link->ifi_type,
        };
        mnl_attr_for_each(a, h, sizeof(*link)) {
                switch (mnl_attr_get_type(a)) {
                case IFLA_IFNAME:
                        if (mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0 &&
                            mnl_attr_get_payload_len(a) <= sizeof(i->name))
                                memcpy(i->name, mnl_attr_get_str(a), mnl_attr_get_payload_len(a));
                        break;
                case IFLA_ADDRESS:
                        if (mnl_attr_get_payload_len(a) == sizeof(i->mac))
                                memcpy(i->mac, mnl_attr_get_payload(a), sizeof(i->mac));
                        break;
                case IFLA_MTU:
                        if (mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
                                i->mtu = mnl_attr_get_u32(a);
                        break;
                case IFLA_MAX_MTU:
                        if (mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
                                i->max_mtu = mnl_attr_get_u32(a);
                        break;
                case IFLA_STATS64:
                        read_statistics(i, a);
                        break;
                case IFLA_AF_SPEC:
                        read_families(i, a);
                        break;
                default:
                        break;
                }
        }
        return MNL_CB_OK;
}

static int get_link(Net *n, int index, const char *name, NetInterface *ret) {
        struct ifinfomsg *link;
        NetInterface i = {};
        NetRequest q;
        int r;

        net_request_init(&q, RTM_GETLINK, 0, sizeof(*link));
        link = q.extra;
        link->ifi_index = index;
        if (name)
                mnl_attr_put_strz(q.header, IFLA_IFNAME, name);
        r = net_request_send(n, &q, on_link, &i);
        if (r < 0)
                return r;
        if (i.index == 0)
                return -ENODEV;
        *ret = i;
        return 0;
}

int net_get_interface(Net *n, const char *name, NetInterface *ret) {
        if (!*name || strlen(name) >= IF_NAMESIZE)
                return -ENODEV;
        return get_link(n, 0, name, ret);
}

int net_get_interface_by_index(Net *n, int index, NetInterface *ret) {
        return index <= 0 ? -ENODEV : get_link(n, index, NULL, ret);
}

static int begin(NetRequest *q, int index, struct ifinfomsg **ret) {
        if (index <= 0)
                return -ENODEV;
        net_request_init(q, RTM_SETLINK, 0, sizeof(**ret));
        *ret = q->extra;
        (*ret)->ifi_index = index;
        return 0;
}

int net_set_up(Net *n, int index, bool up) {
        struct ifinfomsg *link;
        NetRequest q;
        int r;

        r = begin(&q, index, &link);
        if (r < 0)
                return r;
        link->ifi_flags = up ? IFF_UP : 0;
        link->ifi_change = IFF_UP;
        return net_request_send(n, &q, NULL, NULL);
}

int net_set_mtu(Net *n, int index, uint32_t mtu) {
        struct ifinfomsg *link;
        NetRequest q;
        int r;

        r = begin(&q, index, &link);
        if (r < 0)
                return r;
        mnl_attr_put_u32(q.header, IFLA_MTU, mtu);
        return net_request_send(n, &q, NULL, NULL);
}

int net_set_mac(Net *n, int index, const uint8_t mac[static 6]) {
        struct ifinfomsg *link;
        NetRequest q;
        int r;

        r = begin(&q, index, &link);
        if (r < 0)
                return r;
        mnl_attr_put(q.header, IFLA_ADDRESS, 6, mac);
        return net_request_send(n, &q, NULL, NULL);
}

int net_set_gen_mode(Net *n, int index, uint8_t gen_mode) {
        struct nlattr *families, *family;
        struct ifinfomsg *link;
        NetRequest q;
        int r;

        r = begin(&q, index, &link);
        if (r < 0)
                return r;
        families = mnl_attr_nest_start(q.header, IFLA_AF_SPEC);
        family = mnl_attr_nest_start(q.header, AF_INET6);
        mnl_attr_put_u8(q.header, IFLA_INET6_ADDR_GEN_MODE, gen_mode);
        mnl_attr_nest_end(q.header, family);
        mnl_attr_nest_end(q.header, families);
        return net_request_send(n, &q, NULL, NULL);
}
