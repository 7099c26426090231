/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <linux/if_addr.h>
#include <netinet/in.h>

#include "net/net-internal.h"

static bool is_link_local(const NetAddress *a) {
        return a->family == AF_INET6 && a->address[0] == 0xfe && (a->address[1] & 0xc0) == 0x80;
}

static int on_address(const struct nlmsghdr *h, void *userdata) {
        const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
        struct nlattr *attribute, *local = NULL;
        uint8_t protocol = IFAPROT_UNSPEC;
        NetList *l = userdata;
        NetAddress a;
        int r;

        if (h->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(h) < sizeof(*m) ||
            (m->ifa_family != AF_INET && m->ifa_family != AF_INET6))
                return MNL_CB_OK;
        a = (NetAddress){
                .index = (int) m->ifa_index,
                .family = m->ifa_family,
                .prefix = m->ifa_prefixlen,
        };
        mnl_attr_for_each(attribute, h, sizeof(*m)) {
                uint16_t type = mnl_attr_get_type(attribute);

                /* IFA_LOCAL is its own; IFA_ADDRESS is the other end's, or its own if that is not there. */
                if ((type == IFA_LOCAL || (type == IFA_ADDRESS && !local)) &&
                    mnl_attr_get_payload_len(attribute) == net_family_size(a.family))
                        local = attribute;
                else if (type == IFA_PROTO && mnl_attr_validate(attribute, MNL_TYPE_U8) >= 0)
                        protocol = mnl_attr_get_u8(attribute);
        }
        if (!local)
                return MNL_CB_OK;
        memcpy(a.address, mnl_attr_get_payload(local), net_family_size(a.family));
        a.ours = protocol == NET_PROTOCOL;
        a.kernel = protocol == IFAPROT_KERNEL_LO || protocol == IFAPROT_KERNEL_RA ||
                   protocol == IFAPROT_KERNEL_LL || (protocol == IFAPROT_UNSPEC && is_link_local(&a));
        r = net_list_append(l, &a);
        if (r < 0) {
                errno = -r;
                return MNL_CB_ERROR;
        }
        return MNL_CB_OK;
}

int net_list_addresses(Net *n, int index, NetAddress **ret, size_t *ret_n) {
        _cleanup_list_ NetList l = { .item_size = sizeof(NetAddress) };
        struct ifaddrmsg *m;
        NetAddress *a;
        NetRequest q;
        int r;

        net_request_init(&q, RTM_GETADDR, NLM_F_DUMP, sizeof(*m));
        m = q.extra;
        m->ifa_index = (unsigned) index;
        r = net_request_dump(n, &q, on_address, &l);
        if (r < 0)
                return r;
        a = (NetAddress *) l.items;
        *ret_n = 0;
        for (size_t i = 0; i < l.n; i++)
                if (index == 0 || a[i].index == index)
                        a[(*ret_n)++] = a[i];
        *ret = a;
        l.items = NULL;
        return 0;
}

static int begin(NetRequest *q, uint16_t type, uint16_t flags, const NetAddress *a) {
        struct ifaddrmsg *m;

        if (a->index <= 0)
                return -ENODEV;
        net_request_init(q, type, flags, sizeof(*m));
        m = q->extra;
        m->ifa_family = (uint8_t) a->family;
        m->ifa_prefixlen = a->prefix;
        m->ifa_index = (unsigned) a->index;
        m->ifa_scope = RT_SCOPE_UNIVERSE;
        mnl_attr_put(q->header, IFA_LOCAL, net_family_size(a->family), a->address);
        mnl_attr_put(q->header, IFA_ADDRESS, net_family_size(a->family), a->address);
        return 0;
}

int net_add_address(Net *n, const NetAddress *a) {
        NetRequest q;
        int r;

        r = begin(&q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, a);
        if (r < 0)
                return r;
        /* The network has given it to nobody else: there is no need to look for duplicates. */
        mnl_attr_put_u32(q.header, IFA_FLAGS, IFA_F_NODAD | (a->kernel ? 0 : IFA_F_NOPREFIXROUTE));
        mnl_attr_put_u8(q.header, IFA_PROTO, a->kernel ? IFAPROT_KERNEL_LL : NET_PROTOCOL);
        r = net_request_send(n, &q, NULL, NULL);
        return r == -EEXIST ? 0 : r;
}

int net_remove_address(Net *n, const NetAddress *a) {
        NetRequest q;
        int r;

        r = begin(&q, RTM_DELADDR, 0, a);
        if (r >= 0)
                r = net_request_send(n, &q, NULL, NULL);
        return r == -EADDRNOTAVAIL ? 0 : r;
}
