/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <netinet/in.h>

#include "net/net-internal.h"

static int on_route(const struct nlmsghdr *h, void *userdata) {
        const struct rtmsg *m = mnl_nlmsg_get_payload(h);
        struct nlattr *a;
        NetList *l = userdata;
        uint32_t table;
        NetRoute route;
        size_t size;
        int r;

        if (h->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(h) < sizeof(*m) ||
            (m->rtm_family != AF_INET && m->rtm_family != AF_INET6) || m->rtm_protocol != NET_PROTOCOL ||
            m->rtm_flags & RTM_F_CLONED)
                return MNL_CB_OK;
        route = (NetRoute){ .family = m->rtm_family, .prefix = m->rtm_dst_len, .ours = true };
        size = net_family_size(route.family);
        table = m->rtm_table;
        mnl_attr_for_each(a, h, sizeof(*m)) {
                switch (mnl_attr_get_type(a)) {
                case RTA_DST:
                        if (mnl_attr_get_payload_len(a) == size)
                                memcpy(route.destination, mnl_attr_get_payload(a), size);
                        break;
                case RTA_GATEWAY:
                        if (mnl_attr_get_payload_len(a) == size) {
                                route.has_gateway = true;
                                memcpy(route.gateway, mnl_attr_get_payload(a), size);
                        }
                        break;
                case RTA_OIF:
                        if (mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
                                route.index = (int) mnl_attr_get_u32(a);
                        break;
                case RTA_PRIORITY:
                        if (mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
                                route.metric = mnl_attr_get_u32(a);
                        break;
                case RTA_TABLE:
                        if (mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
                                table = mnl_attr_get_u32(a);
                        break;
                default:
                        break;
                }
        }
        if (table != RT_TABLE_MAIN)
                return MNL_CB_OK;
        r = net_list_append(l, &route);
        if (r < 0) {
                errno = -r;
                return MNL_CB_ERROR;
        }
        return MNL_CB_OK;
}

static int dump(Net *n, int family, NetList *l) {
        struct rtmsg *m;
        NetRequest q;
        int r;

        net_request_init(&q, RTM_GETROUTE, NLM_F_DUMP, sizeof(*m));
        m = q.extra;
        m->rtm_family = (uint8_t) family;
        m->rtm_table = RT_TABLE_MAIN;
        m->rtm_protocol = NET_PROTOCOL;
        r = net_request_dump(n, &q, on_route, l);
        return r == -ENOENT ? 0 : r; /* a table that nothing was ever in */
}

int net_list_routes(Net *n, int index, NetRoute **ret, size_t *ret_n) {
        _cleanup_list_ NetList l = { .item_size = sizeof(NetRoute) };
        NetRoute *route;
        int r;

        r = dump(n, AF_INET, &l);
        if (r >= 0)
                r = dump(n, AF_INET6, &l);
        if (r < 0)
                return r;
        route = (NetRoute *) l.items;
        *ret_n = 0;
        for (size_t i = 0; i < l.n; i++)
                if (index == 0 || route[i].index == index)
                        route[(*ret_n)++] = route[i];
        *ret = route;
        l.items = NULL;
        return 0;
}

static int begin(NetRequest *q, uint16_t type, uint16_t flags, const NetRoute *route, struct rtmsg **ret) {
        size_t size = net_family_size(route->family);

        if (route->index <= 0)
                return -ENODEV;
        net_request_init(q, type, flags, sizeof(**ret));
        *ret = q->extra;
        (*ret)->rtm_family = (uint8_t) route->family;
        (*ret)->rtm_dst_len = route->prefix;
        (*ret)->rtm_table = RT_TABLE_MAIN;
        (*ret)->rtm_protocol = NET_PROTOCOL;
        if (route->prefix > 0)
                mnl_attr_put(q->header, RTA_DST, size, route->destination);
        if (route->has_gateway)
                mnl_attr_put(q->header, RTA_GATEWAY, size, route->gateway);
        mnl_attr_put_u32(q->header, RTA_OIF, (uint32_t) route->index);
        mnl_attr_put_u32(q->header, RTA_PRIORITY, route->metric);
        return 0;
}

int net_add_route(Net *n, const NetRoute *route) {
        struct rtmsg *m;
        NetRequest q;
        int r;

        /* Appended: another's route of the same metric is not replaced, and goes first. */
        r = begin(&q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, route, &m);
        if (r < 0)
                return r;
        m->rtm_type = RTN_UNICAST;
        m->rtm_scope = route->has_gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
        m->rtm_flags = route->has_gateway ? RTNH_F_ONLINK : 0;
        r = net_request_send(n, &q, NULL, NULL);
        return r == -EEXIST ? 0 : r;
}

int net_remove_route(Net *n, const NetRoute *route) {
        struct rtmsg *m;
        NetRequest q;
        int r;

        r = begin(&q, RTM_DELROUTE, 0, route, &m);
        if (r < 0)
                return r;
        m->rtm_scope = RT_SCOPE_NOWHERE; /* of any */
        r = net_request_send(n, &q, NULL, NULL);
        return r == -ESRCH ? 0 : r;
}
