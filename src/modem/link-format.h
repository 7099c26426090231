/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/util.h"

/* How packets are framed between a modem's port and its network interface: pure functions. */

typedef enum LinkMode {
        LINK_AUTO, /* what both sides can, raw IP first; of a format: never */
        LINK_802_3,
        LINK_RAW_IP,
        LINK_QMAP, /* raw IP, multiplexed and aggregated (version 1) */
        LINK_OFF,  /* qmid leaves the link as it is; of a format: not known */
        _LINK_MODE_MAX,
        _LINK_MODE_INVALID = -EINVAL,
} LinkMode;

/* "auto", "802.3", "raw-ip", "qmap", "off" */
LinkMode link_mode_from_string(const char *s);
const char *link_mode_to_string(LinkMode m);
/* Of a format: "802.3", "raw-ip", "qmap", "unknown". */
const char *link_format_to_string(LinkMode m);

/* What one side uses. The limits count with QMAP only: 0 otherwise, and where they are not known. */
typedef struct LinkFormat {
        LinkMode mode;
        uint32_t downlink_max_datagrams, downlink_max_size; /* packets and bytes in one transfer */
        uint32_t uplink_max_datagrams, uplink_max_size;
} LinkFormat;

bool link_format_equal(const LinkFormat *a, const LinkFormat *b);

#define LINK_MTU              1500U
#define QMAP_HEADER_SIZE      4U
#define QMAP_SIZE_MIN         (QMAP_HEADER_SIZE + 1280U) /* an IPv6 packet must pass: RFC 8200, 5 */
#define QMAP_SIZE_WANTED      16384U
#define QMAP_DATAGRAMS_WANTED 32U

/* The largest transfer to ask the modem for: what an interface takes that takes MTUs up to `max_mtu` (0: not
 * known). */
uint32_t link_qmap_size(uint32_t max_mtu);
/* The largest MTU of the interface that sessions get. */
uint32_t link_mtu(const LinkFormat *f);
/* The MTU of the parent, which is what its driver has room for in one transfer. */
uint32_t link_parent_mtu(const LinkFormat *f);

/* What to try. `wanted` is not LINK_OFF. `needs_mux`: a mux was asked for by number. `in_use`: the mode that
 * sessions are up with; LINK_OFF: none is. 0; -EBUSY: they are up with another one; -EOPNOTSUPP: the host's
 * driver has 802.3 only; -EINVAL: a mux, and a mode that has none. */
int link_choose(LinkMode wanted, bool needs_mux, bool host_can_raw_ip, LinkMode in_use, LinkMode *ret);

/* Where the data of a modem go, as WDA and WDS name it. */
typedef struct LinkEndpoint {
        uint32_t type; /* [enum.endpoint-type] */
        uint32_t interface;
} LinkEndpoint;

/* `driver`: of the port; `interface_number`: of USB. */
LinkEndpoint link_endpoint(const char *driver, uint8_t interface_number);

/* The driver takes a frame that begins so for an IP packet, and there is no downlink in 802.3 any more
 * (possibly_iphdr() of drivers/net/usb/qmi_wwan.c). */
static inline bool link_mac_is_unlucky(uint8_t first) {
        return (first & 0xD0) == 0x40;
}
