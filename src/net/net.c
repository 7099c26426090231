/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <unistd.h>

#include "net/net-internal.h"
#include "util/log.h"

/* So that a flood of them does not keep everything else waiting. */
#define EVENTS_AT_ONCE 32U

/* "": it has none. */
static const char *name_of_link(const struct nlmsghdr *h) {
        const char *name = "";
        struct nlattr *a;

        mnl_attr_for_each(a, h, sizeof(struct ifinfomsg)) {
                if (mnl_attr_get_type(a) == IFLA_IFNAME && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
                        name = mnl_attr_get_str(a);
        }
        return name;
}

static void on_link(Net *n, const struct nlmsghdr *h) {
        const struct ifinfomsg *link = mnl_nlmsg_get_payload(h);

        if (link->ifi_family != AF_UNSPEC)
                return; /* of a bridge's port */
        if (h->nlmsg_type == RTM_DELLINK)
                net_dns_forget(n, link->ifi_index);
        if (n->ops->on_changed)
                n->ops->on_changed(n, link->ifi_index, name_of_link(h), n->userdata);
}

static void on_address(Net *n, const struct nlmsghdr *h) {
        const struct ifaddrmsg *address = mnl_nlmsg_get_payload(h);
        char name[IF_NAMESIZE];

        if (n->ops->on_changed)
                n->ops->on_changed(n, (int) address->ifa_index,
                                   if_indextoname(address->ifa_index, name) ?: "", n->userdata);
}

static int on_message(const struct nlmsghdr *h, void *userdata) {
        size_t size = mnl_nlmsg_get_payload_len(h);

        if ((h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK) &&
            size >= sizeof(struct ifinfomsg))
                on_link(userdata, h);
        else if ((h->nlmsg_type == RTM_NEWADDR || h->nlmsg_type == RTM_DELADDR) &&
                 size >= sizeof(struct ifaddrmsg))
                on_address(userdata, h);
        return MNL_CB_OK;
}

static int on_events(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Net *n = userdata;

        for (unsigned i = 0; i < EVENTS_AT_ONCE; i++) {
                ssize_t size = mnl_socket_recvfrom(n->events, n->event, sizeof(n->event));

                if (size < 0 && errno == EAGAIN)
                        return 0;
                if (size < 0 && errno == EINTR)
                        continue;
                if (size < 0) { /* ENOBUFS: more than the socket holds; ENOSPC: than our buffer */
                        log_debug_errno(errno, "Lost events of network interfaces");
                        if (n->ops->on_overrun)
                                n->ops->on_overrun(n, n->userdata);
                } else
                        (void) mnl_cb_run(n->event, (size_t) size, 0, 0, on_message, n);
        }
        return 0;
}

static int open_socket(uint32_t groups, struct mnl_socket **ret) {
        struct mnl_socket *s;
        int r;

        s = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (!s)
                return -errno;
        if (mnl_socket_bind(s, groups, MNL_SOCKET_AUTOPID) < 0) {
                r = -errno;
                (void) mnl_socket_close(s);
                return r;
        }
        *ret = s;
        return 0;
}

int net_new(Net **ret, sd_event *event, const NetOps *ops, void *userdata) {
        _cleanup_(net_freep) Net *n = NULL;
        int r, yes = 1;

        n = calloc(1, sizeof(*n));
        if (!n)
                return -ENOMEM;
        n->ops = ops;
        n->userdata = userdata;
        r = open_socket(0, &n->requests);
        if (r >= 0)
                r = open_socket(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR, &n->events);
        if (r < 0)
                return r;
        /* The kernel leaves out of a dump what was not asked for; an older one does not, so that it is left
         * out here, too. */
        (void) mnl_socket_setsockopt(n->requests, NETLINK_GET_STRICT_CHK, &yes, sizeof(yes));
        r = sd_event_add_io(event, &n->source, mnl_socket_get_fd(n->events), EPOLLIN, on_events, n);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(n);
        return 0;
}

Net *net_free(Net *n) {
        if (!n)
                return NULL;
        sd_event_source_disable_unref(n->source);
        if (n->events)
                (void) mnl_socket_close(n->events);
        if (n->requests)
                (void) mnl_socket_close(n->requests);
        net_claims_free(n);
        net_dns_free(n);
        free(n);
        return NULL;
}
