/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/net-internal.h"

/* What is known of the name servers of an interface that has some, or whose were not taken. */
struct NetDns {
        int index;
        char *problem;
        LIST_ENTRY(NetDns) entries;
};

static NetDns *find(Net *n, int index) {
        NetDns *d;

        LIST_FOREACH(d, &n->dns, entries)
                if (d->index == index)
                        return d;
        return NULL;
}

static void dns_free(NetDns *d) {
        if (!d)
                return;
        LIST_REMOVE(d, entries);
        free(d->problem);
        free(d);
}

void net_dns_forget(Net *n, int index) {
        dns_free(find(n, index));
}

void net_dns_free(Net *n) {
        while (!LIST_EMPTY(&n->dns))
                dns_free(LIST_FIRST(&n->dns));
}

void net_set_dns_ops(Net *n, const NetDnsOps *ops, void *userdata) {
        n->dns_ops = ops;
        n->dns_userdata = userdata;
}

int net_set_dns(Net *n, int index, const NetDnsServer *servers, size_t n_servers) {
        if (!n->dns_ops)
                return -EUNATCH;
        n->dns_ops->set(n, index, servers, n_servers, n->dns_userdata);
        return 0;
}

static int remember(Net *n, int index, const char *problem) {
        _cleanup_free_ char *copy = strdup(problem);
        NetDns *d = find(n, index);

        if (!copy)
                return -ENOMEM;
        if (!d) {
                d = calloc(1, sizeof(*d));
                if (!d)
                        return -ENOMEM;
                d->index = index;
                LIST_INSERT_HEAD(&n->dns, d, entries);
        }
        free(d->problem);
        d->problem = TAKE_PTR(copy);
        return 0;
}

void net_dns_done(Net *n, int index, const char *problem) {
        char name[IF_NAMESIZE];

        if (streq(problem, net_get_dns_problem(n, index)))
                return;
        if (!*problem)
                net_dns_forget(n, index);
        else if (!if_indextoname((unsigned) index, name) || remember(n, index, problem) < 0)
                return; /* nobody asks for one that is gone */
        if (n->ops->on_changed)
                n->ops->on_changed(n, index, if_indextoname((unsigned) index, name) ?: "", n->userdata);
}

const char *net_get_dns_problem(Net *n, int index) {
        NetDns *d = find(n, index);

        return d ? d->problem : "";
}
