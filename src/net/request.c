/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/net-internal.h"

void net_request_init(NetRequest *q, uint16_t type, uint16_t flags, size_t n_extra) {
        *q = (NetRequest){}; /* what lies between attributes goes to the kernel, too */
        q->header = mnl_nlmsg_put_header(q->data);
        q->header->nlmsg_type = type;
        q->header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        q->extra = mnl_nlmsg_put_extra_header(q->header, n_extra);
}

/* What is left of an answer that was not read to its end. */
static void drain(Net *n) {
        while (mnl_socket_recvfrom(n->requests, n->answer, sizeof(n->answer)) >= 0 || errno == EINTR ||
               errno == ENOSPC || errno == ENOBUFS)
                ;
}

static int receive(Net *n, mnl_cb_t f, void *userdata) {
        unsigned port = mnl_socket_get_portid(n->requests);
        ssize_t size;
        int r;

        do {
                size = mnl_socket_recvfrom(n->requests, n->answer, sizeof(n->answer));
                if (size < 0 && errno == EINTR) {
                        r = MNL_CB_OK;
                        continue;
                }
                if (size < 0)
                        return errno == EAGAIN ? -EIO : -errno; /* the answer was there, it has no end */
                r = mnl_cb_run(n->answer, (size_t) size, n->sequence, port, f, userdata);
        } while (r > MNL_CB_STOP);
        return r < 0 ? -errno : 0;
}

int net_request_send(Net *n, NetRequest *q, mnl_cb_t f, void *userdata) {
        int r;

        q->header->nlmsg_seq = ++n->sequence;
        if (mnl_socket_sendto(n->requests, q->header, q->header->nlmsg_len) < 0)
                return -errno;
        r = receive(n, f, userdata);
        if (r < 0)
                drain(n);
        return r;
}

int net_list_append(NetList *l, const void *item) {
        uint8_t *items;
        size_t n;

        if (l->n == l->n_allocated) {
                n = MAX(l->n_allocated * 2, 8U);
                items = reallocarray(l->items, n, l->item_size);
                if (!items)
                        return -ENOMEM;
                l->items = items;
                l->n_allocated = n;
        }
        memcpy(l->items + l->n++ * l->item_size, item, l->item_size);
        return 0;
}

void net_list_done(NetList *l) {
        free(l->items);
        *l = (NetList){};
}

#define DUMPS_MAX 32U

int net_request_dump(Net *n, NetRequest *q, mnl_cb_t f, NetList *l) {
        size_t begin = l->n;
        int r = -EINTR;

        for (unsigned i = 0; i < DUMPS_MAX && r == -EINTR; i++) {
                l->n = begin;
                r = net_request_send(n, q, f, l);
        }
        return r == -EINTR ? -EAGAIN : r;
}
