/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "modem/link-internal.h"

static const char *format_name(LinkMode m) {
        static const char *const names[_LINK_MODE_MAX] = {
                [LINK_AUTO] = "anything", [LINK_802_3] = "802.3",           [LINK_RAW_IP] = "raw IP",
                [LINK_QMAP] = "QMAP",     [LINK_OFF] = "something unknown",
        };

        return names[m];
}

/* A mux of somebody else's, on a link that has no muxes: plain packets do not get through any more. */
static bool report_mux(const LinkFacts *f, char ret[static LINK_TEXT_MAX]) {
        const LinkHost *h = f->host;

        for (size_t i = 0; f->modem->mode != LINK_QMAP && i < h->n_muxes; i++)
                if (!h->muxes[i].ours) {
                        (void) snprintf(
                                ret, LINK_TEXT_MAX,
                                "Somebody has left mux %u (%s) on %s, and no other packet gets through "
                                "while it is there: echo %u > /sys/class/net/%s/qmi/del_mux removes it.",
                                h->muxes[i].id, h->muxes[i].interface, h->interface.name, h->muxes[i].id,
                                h->interface.name);
                        return true;
                }
        return false;
}

/* Of an interface that is down nothing is lost, and before the first session the two may well differ. */
static bool report_framing(const LinkFacts *f, char ret[static LINK_TEXT_MAX]) {
        LinkMode modem = f->modem->mode, host = link_host_format(f->host).mode;

        if (modem == LINK_OFF || modem == host || !f->host->interface.up)
                return false;
        if (modem == LINK_QMAP && host == LINK_RAW_IP && f->agreed)
                return false; /* no session is up */
        (void) snprintf(ret, LINK_TEXT_MAX, "The modem speaks %s, and %s %s: every packet is lost.",
                        format_name(modem), f->host->interface.name, format_name(host));
        return true;
}

static bool report_mtu(const LinkFacts *f, char ret[static LINK_TEXT_MAX]) {
        const NetInterface *i = &f->host->interface;
        uint32_t size = f->modem->downlink_max_size, mtu = link_mtu(f->modem);

        if (link_host_format(f->host).mode == LINK_OFF || f->modem->mode == LINK_OFF)
                return false;
        if (f->modem->mode == LINK_QMAP && f->host->n_muxes > 0 && i->mtu < size) {
                (void) snprintf(
                        ret, LINK_TEXT_MAX,
                        "The modem sends up to %u bytes at once, and %s has room for %u, its MTU: larger "
                        "transfers are lost.",
                        size, i->name, i->mtu);
                return true;
        }
        for (size_t k = 0; f->modem->mode == LINK_QMAP && k < f->host->n_muxes; k++)
                if (f->host->muxes[k].mtu > mtu) {
                        (void) snprintf(
                                ret, LINK_TEXT_MAX,
                                "The MTU of %s is %u, and a packet of more than %u bytes does not fit into "
                                "a transfer: it is lost.",
                                f->host->muxes[k].interface, f->host->muxes[k].mtu, mtu);
                        return true;
                }
        if (f->modem->mode != LINK_QMAP && i->up && i->mtu > LINK_MTU) {
                (void) snprintf(
                        ret, LINK_TEXT_MAX,
                        "The MTU of %s is %u, as for QMAP, and packets of more than %u bytes are lost.",
                        i->name, i->mtu, LINK_MTU);
                return true;
        }
        return false;
}

static bool report_mac(const LinkFacts *f, char ret[static LINK_TEXT_MAX]) {
        const NetInterface *i = &f->host->interface;

        if (link_host_format(f->host).mode != LINK_802_3 || f->modem->mode != LINK_802_3 || !i->up ||
            !link_mac_is_unlucky(i->mac[0]))
                return false;
        (void) snprintf(ret, LINK_TEXT_MAX,
                        "The MAC address of %s begins with %02x, which the driver takes for an IP packet: "
                        "nothing is "
                        "received until it has another.",
                        i->name, i->mac[0]);
        return true;
}

void link_report(const LinkFacts *f, char ret[static LINK_TEXT_MAX]) {
        *ret = '\0';
        if (f->host->interface.index == 0)
                return;
        (void) (report_mux(f, ret) || report_framing(f, ret) || report_mtu(f, ret) || report_mac(f, ret));
}
