/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem/link-format.h"

/* [enum.endpoint-type] of common.toml */
#define ENDPOINT_HSUSB    2
#define ENDPOINT_PCIE     3
#define ENDPOINT_EMBEDDED 4
#define ENDPOINT_BAM_DMUX 5

static const char *const modes[_LINK_MODE_MAX] = {
        [LINK_AUTO] = "auto", [LINK_802_3] = "802.3", [LINK_RAW_IP] = "raw-ip",
        [LINK_QMAP] = "qmap", [LINK_OFF] = "off",
};

LinkMode link_mode_from_string(const char *s) {
        for (LinkMode m = 0; m < _LINK_MODE_MAX; m++)
                if (streq(modes[m], s))
                        return m;
        return _LINK_MODE_INVALID;
}

const char *link_mode_to_string(LinkMode m) {
        return modes[m];
}

const char *link_format_to_string(LinkMode m) {
        return m == LINK_OFF ? "unknown" : modes[m];
}

bool link_format_equal(const LinkFormat *a, const LinkFormat *b) {
        return a->mode == b->mode && a->downlink_max_datagrams == b->downlink_max_datagrams &&
               a->downlink_max_size == b->downlink_max_size &&
               a->uplink_max_datagrams == b->uplink_max_datagrams &&
               a->uplink_max_size == b->uplink_max_size;
}

uint32_t link_qmap_size(uint32_t max_mtu) {
        return max_mtu > 0 ? MIN(max_mtu, QMAP_SIZE_WANTED) : QMAP_SIZE_WANTED;
}

uint32_t link_mtu(const LinkFormat *f) {
        if (f->mode != LINK_QMAP || f->downlink_max_size < QMAP_SIZE_MIN)
                return LINK_MTU;
        return MIN(LINK_MTU, f->downlink_max_size - QMAP_HEADER_SIZE);
}

uint32_t link_parent_mtu(const LinkFormat *f) {
        return f->mode == LINK_QMAP && f->downlink_max_size > 0 ? f->downlink_max_size : LINK_MTU;
}

int link_choose(LinkMode wanted, bool needs_mux, bool host_can_raw_ip, LinkMode in_use, LinkMode *ret) {
        LinkMode mode = wanted;

        if (needs_mux && wanted != LINK_AUTO && wanted != LINK_QMAP)
                return -EINVAL;
        if (wanted == LINK_AUTO && in_use != LINK_OFF)
                mode = in_use;
        else if (wanted == LINK_AUTO)
                mode = needs_mux ? LINK_QMAP : host_can_raw_ip ? LINK_RAW_IP : LINK_802_3;
        if (in_use != LINK_OFF && (mode != in_use || (needs_mux && mode != LINK_QMAP)))
                return -EBUSY;
        if (mode != LINK_802_3 && !host_can_raw_ip)
                return -EOPNOTSUPP;
        *ret = mode;
        return 0;
}

LinkEndpoint link_endpoint(const char *driver, uint8_t interface_number) {
        /* Of those that are not on USB the interface is always the same. */
        static const struct {
                const char *driver;
                LinkEndpoint endpoint;
        } others[] = {
                { "mhi_net", { ENDPOINT_PCIE, 4 } },
                { "mhi_wwan_ctrl", { ENDPOINT_PCIE, 4 } },
                { "ipa", { ENDPOINT_EMBEDDED, 1 } },
                { "bam-dmux", { ENDPOINT_BAM_DMUX, 0 } },
        };

        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (streq(driver, others[i].driver))
                        return others[i].endpoint;
        return (LinkEndpoint){ ENDPOINT_HSUSB, interface_number };
}
