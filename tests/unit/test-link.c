/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <net/if.h>
#include <stdio.h>

#include "modem/link-internal.h"
#include "unit.h"

static void test_words(void) {
        for (LinkMode m = 0; m < _LINK_MODE_MAX; m++)
                check(link_mode_from_string(link_mode_to_string(m)) == m);
        check(link_mode_from_string("802.3") == LINK_802_3);
        check(link_mode_from_string("raw_ip") < 0);
        check(link_mode_from_string("") < 0);
        check(streq(link_format_to_string(LINK_OFF), "unknown"));
        for (LinkStep s = 0; s < _LINK_STEP_MAX; s++)
                check(*link_step_to_string(s));
}

static void test_choose(void) {
        static const struct {
                LinkMode wanted;
                bool needs_mux, host_can_raw_ip;
                LinkMode in_use;
                int r;
                LinkMode chosen;
        } cases[] = {
                /* raw IP first */
                { LINK_AUTO, false, true, LINK_OFF, 0, LINK_RAW_IP },
                { LINK_AUTO, false, false, LINK_OFF, 0, LINK_802_3 },
                /* a mux takes QMAP, which takes raw IP */
                { LINK_AUTO, true, true, LINK_OFF, 0, LINK_QMAP },
                { LINK_QMAP, true, true, LINK_OFF, 0, LINK_QMAP },
                { LINK_AUTO, true, false, LINK_OFF, -EOPNOTSUPP, 0 },
                { LINK_RAW_IP, true, true, LINK_OFF, -EINVAL, 0 },
                { LINK_802_3, true, true, LINK_OFF, -EINVAL, 0 },
                /* what is asked for by name */
                { LINK_802_3, false, true, LINK_OFF, 0, LINK_802_3 },
                { LINK_802_3, false, false, LINK_OFF, 0, LINK_802_3 },
                { LINK_RAW_IP, false, false, LINK_OFF, -EOPNOTSUPP, 0 },
                { LINK_QMAP, false, false, LINK_OFF, -EOPNOTSUPP, 0 },
                /* while sessions are up */
                { LINK_AUTO, false, true, LINK_QMAP, 0, LINK_QMAP },
                { LINK_AUTO, true, true, LINK_QMAP, 0, LINK_QMAP },
                { LINK_AUTO, false, true, LINK_802_3, 0, LINK_802_3 },
                { LINK_RAW_IP, false, true, LINK_RAW_IP, 0, LINK_RAW_IP },
                { LINK_AUTO, true, true, LINK_RAW_IP, -EBUSY, 0 },
                { LINK_RAW_IP, false, true, LINK_QMAP, -EBUSY, 0 },
                { LINK_QMAP, false, true, LINK_802_3, -EBUSY, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                LinkMode chosen = _LINK_MODE_INVALID;

                check(link_choose(cases[i].wanted, cases[i].needs_mux, cases[i].host_can_raw_ip,
                                  cases[i].in_use, &chosen) == cases[i].r);
                check(chosen == (cases[i].r == 0 ? cases[i].chosen : _LINK_MODE_INVALID));
        }
}

static void test_sizes(void) {
        LinkFormat qmap = { .mode = LINK_QMAP, .downlink_max_size = 1500 };

        check(link_qmap_size(1500) == 1500);
        check(link_qmap_size(0) == QMAP_SIZE_WANTED);
        check(link_qmap_size(65535) == QMAP_SIZE_WANTED);
        check(link_mtu(&qmap) == 1496);
        check(link_parent_mtu(&qmap) == 1500);
        qmap.downlink_max_size = 16384;
        check(link_mtu(&qmap) == 1500);
        check(link_parent_mtu(&qmap) == 16384);
        check(link_mtu(&(LinkFormat){ .mode = LINK_RAW_IP }) == 1500);
        check(link_parent_mtu(&(LinkFormat){ .mode = LINK_802_3 }) == 1500);
}

static void test_endpoint(void) {
        LinkEndpoint e = link_endpoint("qmi_wwan", 8);

        check(e.type == 2 && e.interface == 8);
        e = link_endpoint("qmi_wwan_q", 4);
        check(e.type == 2 && e.interface == 4);
        e = link_endpoint("mhi_net", 0);
        check(e.type == 3 && e.interface == 4);
        e = link_endpoint("ipa", 0);
        check(e.type == 4 && e.interface == 1);
}

static void test_mac(void) {
        check(link_mac_is_unlucky(0x42));
        check(link_mac_is_unlucky(0x66));
        check(!link_mac_is_unlucky(0x02));
        check(!link_mac_is_unlucky(0x52));
        check(!link_mac_is_unlucky(0xC2));
}

/* What is wrong with an interface that is up; `ret` is what is said. */
static const char *report(LinkMode modem, uint32_t size, const LinkHost *host, bool agreed,
                          char ret[static LINK_TEXT_MAX]) {
        LinkFormat format = { .mode = modem, .downlink_max_size = size };

        link_report(&(LinkFacts){ .modem = &format, .host = host, .agreed = agreed }, ret);
        return ret;
}

static void test_report(void) {
        LinkMux mux = { .id = 3, .interface = "qmimux0", .mtu = 1496 };
        LinkHost h = { .interface = { .index = 1, .name = "wwan0", .up = true, .mtu = 1500, .mac = { 2 } },
                       .can_raw_ip = true };
        char text[LINK_TEXT_MAX];

        /* 802.3 */
        check(!*report(LINK_802_3, 0, &h, false, text));
        check(!*report(LINK_OFF, 0, &h, false, text));
        check(streq(report(LINK_RAW_IP, 0, &h, false, text),
                    "The modem speaks raw IP, and wwan0 802.3: every packet is lost."));
        h.interface.up = false;
        check(!*report(LINK_RAW_IP, 0, &h, false, text));
        h.interface.up = true;
        h.interface.mac[0] = 0x4A;
        check(strstr(report(LINK_802_3, 0, &h, false, text), "MAC address of wwan0 begins with 4a"));

        /* raw IP: the MAC does not matter */
        h.raw_ip = true;
        check(!*report(LINK_RAW_IP, 0, &h, true, text));
        check(strstr(report(LINK_QMAP, 1500, &h, false, text), "The modem speaks QMAP"));
        check(!*report(LINK_QMAP, 1500, &h, true, text)); /* there is no session */
        h.interface.mtu = 16384;
        check(strstr(report(LINK_RAW_IP, 0, &h, true, text), "The MTU of wwan0 is 16384"));
        h.interface.mtu = 1500;

        /* a mux */
        h.muxes = &mux;
        h.n_muxes = 1;
        check(strstr(report(LINK_RAW_IP, 0, &h, true, text), "mux 3 (qmimux0) on wwan0"));
        check(strstr(text, "echo 3 > /sys/class/net/wwan0/qmi/del_mux"));
        check(!*report(LINK_QMAP, 1500, &h, true, text)); /* whoever's it is, it fits */
        mux.ours = true;
        check(streq(report(LINK_RAW_IP, 0, &h, true, text),
                    "The modem speaks raw IP, and wwan0 QMAP: every packet is lost."));
        check(strstr(report(LINK_QMAP, 2048, &h, true, text), "has room for 1500, its MTU"));
        mux.mtu = 1500;
        check(strstr(report(LINK_QMAP, 1500, &h, true, text), "The MTU of qmimux0 is 1500"));

        /* nothing is there */
        h = (LinkHost){};
        check(!*report(LINK_RAW_IP, 0, &h, true, text));
}

static void test_host(void) {
        LinkFormat qmap = { .mode = LINK_QMAP, .downlink_max_size = 1500 }, raw_ip = { .mode = LINK_RAW_IP },
                   ethernet = { .mode = LINK_802_3 };
        LinkMux mux = { .id = 3 };
        LinkHost h = { .interface = { .index = 1, .mtu = 1500, .mac = { 2 } } };

        check(link_host_format(&h).mode == LINK_802_3);
        check(link_host_fits(&h, &ethernet) && !link_host_fits(&h, &raw_ip) && !link_host_fits(&h, &qmap));
        h.interface.mac[0] = 0x42;
        check(!link_host_fits(&h, &ethernet));
        h.raw_ip = true;
        check(link_host_format(&h).mode == LINK_RAW_IP);
        check(!link_host_fits(&h, &ethernet) && link_host_fits(&h, &raw_ip) && link_host_fits(&h, &qmap));
        h.interface.has_ipv6 = true; /* and says something by itself */
        check(link_host_fits(&h, &raw_ip) && !link_host_fits(&h, &qmap));
        h.interface.gen_mode = NET_GEN_MODE_NONE;
        check(link_host_fits(&h, &qmap));
        h.interface.mtu = 1400;
        check(!link_host_fits(&h, &qmap));
        h.interface.mtu = 1500;
        h.muxes = &mux;
        h.n_muxes = 1;
        check(link_host_format(&h).mode == LINK_QMAP);
        check(link_host_fits(&h, &qmap) && !link_host_fits(&h, &raw_ip));
        check(link_host_find_mux(&h, 3) == &mux && !link_host_find_mux(&h, 4));
        h.pass_through = true;
        check(link_host_format(&h).mode == LINK_OFF && !link_host_fits(&h, &qmap));
        h.interface.index = 0;
        check(link_host_format(&h).mode == LINK_OFF);
}

int main(void) {
        test_words();
        test_choose();
        test_sizes();
        test_endpoint();
        test_mac();
        test_report();
        test_host();
        return 0;
}
