/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "modem/link.h"
#include "net/net.h"

/* The host's side of a link: the network interface of the port, and its muxes. */

#define LINK_ADDRESS_MAX 64U

typedef struct LinkHost {
        NetInterface interface;                /* index 0: it is not there */
        bool can_raw_ip, raw_ip, pass_through; /* of the driver */
        LinkMux *muxes;
        size_t n_muxes;
        char stranger[LINK_ADDRESS_MAX]; /* an address that neither qmid nor the kernel has set; "" */
} LinkHost;

void link_host_done(LinkHost *h);
/* What is there now; `ours` of the muxes is not filled in. 0; -ENODEV (which is taken over, too); -ENOMEM
 * and others. */
int link_host_read(LinkHost *h, Net *net, const char *name);
/* What it says of itself: LINK_QMAP as soon as there is a mux. */
LinkFormat link_host_format(const LinkHost *h);
/* Whether it fits that format, muxes apart. */
bool link_host_fits(const LinkHost *h, const LinkFormat *f);
const LinkMux *link_host_find_mux(const LinkHost *h, uint8_t id);

/* The interface is down. Reads back; -EIO: it is not what was set. */
int link_host_set(LinkHost *h, Net *net, const LinkFormat *f);
/* Reads anew. -EINVAL: there is one of that id. */
int link_host_add_mux(LinkHost *h, Net *net, uint8_t id, uint32_t mtu, const LinkMux **ret);
