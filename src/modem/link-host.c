/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem/link-host.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "net/qmi-sysfs.h"

/* IN6_ADDR_GEN_MODE_EUI64 of linux/if_link.h: what interfaces begin with. */
#define GEN_MODE_EUI64 0U

void link_host_done(LinkHost *h) {
        free(h->muxes);
        *h = (LinkHost){};
}

static int read_framing(LinkHost *h, const char *name) {
        int r;

        r = qmi_sysfs_get_raw_ip(name, &h->raw_ip);
        h->can_raw_ip = r >= 0;
        if (r >= 0)
                r = qmi_sysfs_get_pass_through(name, &h->pass_through);
        return r == -EOPNOTSUPP ? 0 : r;
}

static int read_muxes(LinkHost *h, Net *net, const char *name) {
        _cleanup_free_ QmiSysfsMux *found = NULL;
        size_t n = 0;
        int r;

        r = qmi_sysfs_list_muxes(name, &found, &n);
        if (r < 0 || n == 0)
                return r == -EOPNOTSUPP ? 0 : r;
        h->muxes = calloc(n, sizeof(*h->muxes));
        if (!h->muxes)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                LinkMux *m = &h->muxes[h->n_muxes];
                NetInterface interface;

                if (net_get_interface(net, found[i].interface, &interface) < 0)
                        continue; /* it has just gone */
                m->id = found[i].id;
                m->mtu = interface.mtu;
                memcpy(m->interface, found[i].interface, sizeof(m->interface));
                h->n_muxes++;
        }
        return 0;
}

static int read_addresses(LinkHost *h, Net *net) {
        _cleanup_free_ NetAddress *addresses = NULL;
        char text[INET6_ADDRSTRLEN];
        size_t n;
        int r;

        r = net_list_addresses(net, h->interface.index, &addresses, &n);
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (!addresses[i].ours && !addresses[i].kernel) {
                        (void) snprintf(
                                h->stranger, sizeof(h->stranger), "%s/%u",
                                inet_ntop(addresses[i].family, addresses[i].address, text, sizeof(text)),
                                addresses[i].prefix);
                        break;
                }
        return r;
}

int link_host_read(LinkHost *h, Net *net, const char *name) {
        int r;

        link_host_done(h);
        r = *name ? net_get_interface(net, name, &h->interface) : -ENODEV;
        if (r >= 0)
                r = read_framing(h, name);
        if (r >= 0)
                r = read_muxes(h, net, name);
        if (r >= 0)
                r = read_addresses(h, net);
        if (r < 0)
                link_host_done(h);
        return r;
}

LinkFormat link_host_format(const LinkHost *h) {
        LinkFormat f = { .mode = LINK_802_3 };

        if (h->interface.index == 0 || h->pass_through)
                f.mode = LINK_OFF;
        else if (h->raw_ip && h->n_muxes > 0)
                f = (LinkFormat){ .mode = LINK_QMAP, .downlink_max_size = h->interface.mtu };
        else if (h->raw_ip)
                f.mode = LINK_RAW_IP;
        return f;
}

bool link_host_fits(const LinkHost *h, const LinkFormat *f) {
        if (h->pass_through || h->raw_ip != (f->mode != LINK_802_3))
                return false;
        if (f->mode == LINK_QMAP)
                return h->interface.mtu == link_parent_mtu(f) &&
                       (!h->interface.has_ipv6 || h->interface.gen_mode == NET_GEN_MODE_NONE);
        return h->n_muxes == 0 && h->interface.mtu <= LINK_MTU &&
               (f->mode != LINK_802_3 || !link_mac_is_unlucky(h->interface.mac[0]));
}

const LinkMux *link_host_find_mux(const LinkHost *h, uint8_t id) {
        for (size_t i = 0; i < h->n_muxes; i++)
                if (h->muxes[i].id == id)
                        return &h->muxes[i];
        return NULL;
}

/* As the driver makes one that it does not like. */
static int set_lucky_mac(LinkHost *h, Net *net) {
        uint8_t mac[6];

        memcpy(mac, h->interface.mac, sizeof(mac));
        mac[0] = (uint8_t) ((mac[0] | 0x02) & 0xBF);
        return net_set_mac(net, h->interface.index, mac);
}

int link_host_set(LinkHost *h, Net *net, const LinkFormat *f) {
        const char *name = h->interface.name;
        int index = h->interface.index, r = 0;
        char copy[IF_NAMESIZE];

        memcpy(copy, name, sizeof(copy));
        if (h->pass_through)
                r = qmi_sysfs_set_pass_through(copy, false);
        /* The room for a transfer follows the MTU, and in raw IP an MTU that is a multiple of a USB packet
         * is refused. */
        if (r >= 0 && h->raw_ip)
                r = qmi_sysfs_set_raw_ip(copy, false);
        if (r >= 0 && h->interface.mtu != link_parent_mtu(f))
                r = net_set_mtu(net, index, link_parent_mtu(f));
        if (r >= 0 && f->mode != LINK_802_3)
                r = qmi_sysfs_set_raw_ip(copy, true);
        /* What the kernel says there by itself would be no QMAP. */
        if (r >= 0 && h->interface.has_ipv6 && f->mode == LINK_QMAP)
                r = net_set_gen_mode(net, index, NET_GEN_MODE_NONE);
        else if (r >= 0 && h->interface.has_ipv6 && h->interface.gen_mode == NET_GEN_MODE_NONE)
                r = net_set_gen_mode(net, index, GEN_MODE_EUI64);
        if (r >= 0)
                r = link_host_read(h, net, copy);
        if (r >= 0 && f->mode == LINK_802_3 && link_mac_is_unlucky(h->interface.mac[0])) {
                r = set_lucky_mac(h, net);
                if (r >= 0)
                        r = link_host_read(h, net, copy);
        }
        return r < 0 ? r : link_host_fits(h, f) ? 0 : -EIO;
}

int link_host_add_mux(LinkHost *h, Net *net, uint8_t id, uint32_t mtu, const LinkMux **ret) {
        NetInterface interface;
        char name[IF_NAMESIZE];
        const LinkMux *mux;
        int r;

        memcpy(name, h->interface.name, sizeof(name));
        r = qmi_sysfs_add_mux(name, id);
        if (r >= 0)
                r = link_host_read(h, net, name);
        if (r < 0)
                return r;
        mux = link_host_find_mux(h, id);
        if (!mux)
                return -EIO;
        r = net_get_interface(net, mux->interface, &interface);
        if (r >= 0 && interface.mtu != mtu)
                r = net_set_mtu(net, interface.index, mtu);
        if (r < 0) {
                (void) qmi_sysfs_del_mux(name, id);
                return r;
        }
        *ret = mux;
        return 0;
}
