/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <sys/queue.h>

#include "net/net.h"

/* What the files of src/net/ share. */

/* The kernel makes messages of a dump no larger than what it is read with, up to this. */
#define NET_BUFFER_SIZE (32U * 1024)

typedef struct NetDns NetDns;
typedef struct NetClaim NetClaim;

struct Net {
        struct mnl_socket *requests, *events;
        sd_event_source *source;
        uint32_t sequence;
        const NetOps *ops;
        void *userdata;
        const NetDnsOps *dns_ops;
        void *dns_userdata;
        LIST_HEAD(, NetDns) dns;
        LIST_HEAD(, NetClaim) claims;
        /* A request can be made while an event is being handled. */
        alignas(struct nlmsghdr) uint8_t answer[NET_BUFFER_SIZE];
        alignas(struct nlmsghdr) uint8_t event[NET_BUFFER_SIZE];
};

/* ---- request.c */

/* Large enough for every request that is made here. */
typedef struct NetRequest {
        alignas(struct nlmsghdr) uint8_t data[256];
        struct nlmsghdr *header;
        void *extra; /* what comes before the attributes */
} NetRequest;

/* `flags`: NLM_F_*, beside NLM_F_REQUEST and NLM_F_ACK. */
void net_request_init(NetRequest *q, uint16_t type, uint16_t flags, size_t n_extra);
/* Sends it and reads the answer; `f` gets each message of it, and returns MNL_CB_OK, or MNL_CB_ERROR with
 * errno set. */
int net_request_send(Net *n, NetRequest *q, mnl_cb_t f, void *userdata);

/* What a dump is collected in. */
typedef struct NetList {
        uint8_t *items;
        size_t n, n_allocated, item_size;
} NetList;

int net_list_append(NetList *l, const void *item);
void net_list_done(NetList *l);
#define _cleanup_list_ _cleanup_(net_list_done)
/* The same for a dump, whose userdata is the list: as often as something changes in between, and appended to
 * what the list has. */
int net_request_dump(Net *n, NetRequest *q, mnl_cb_t f, NetList *l);

/* 4 or 16 */
static inline size_t net_family_size(int family) {
        return family == AF_INET ? 4 : 16;
}

/* ---- dns.c */

void net_dns_forget(Net *n, int index);
void net_dns_free(Net *n);

/* ---- claim.c */

void net_claims_free(Net *n);
