/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <net/if_arp.h>
#include <unistd.h>

#include "net-bed.h"

static NetAddress address(int index, int family, const char *text, uint8_t prefix) {
        NetAddress a = { .index = index, .family = family, .prefix = prefix };

        check_int(inet_pton(family, text, a.address), 1);
        return a;
}

static NetInterface get(NetBed *b, const char *name) {
        NetInterface i;

        check_int(net_get_interface(b->net, name, &i), 0);
        return i;
}

/* A kernel may be without. */
static bool has_ipv6(void) {
        return access("/proc/net/if_inet6", F_OK) >= 0;
}

static void test_interface(void) {
        NetInterface i, same;
        NetBed b;
        int fd;

        net_bed_begin(&b);
        check_int(net_get_interface(b.net, "wwan0", &i), -ENODEV);
        check_int(net_get_interface(b.net, "", &i), -ENODEV);
        check_int(net_get_interface(b.net, "a-name-of-seventeen", &i), -ENODEV);
        check_int(net_get_interface_by_index(b.net, 0, &i), -ENODEV);
        check_int(net_get_interface_by_index(b.net, 4711, &i), -ENODEV);

        fd = net_bed_add_interface("wwan0", false);
        i = get(&b, "wwan0");
        check_str(i.name, "wwan0");
        check(i.index > 0);
        check(!i.up);
        check(i.point_to_point);
        check_int(i.type, ARPHRD_NONE);
        check_int(i.mtu, 1500);
        check(i.max_mtu > 1500);
        check_int(i.has_ipv6, has_ipv6());
        check_int(net_get_interface_by_index(b.net, i.index, &same), 0);
        check_str(same.name, "wwan0");

        net_bed_wait(&b, i.index);
        check_str(b.name, "wwan0");

        check_int(net_set_up(b.net, i.index, true), 0);
        check(get(&b, "wwan0").up);
        check_int(net_set_up(b.net, i.index, false), 0);
        check(!get(&b, "wwan0").up);
        check_int(net_set_mtu(b.net, i.index, 1400), 0);
        check_int(get(&b, "wwan0").mtu, 1400);
        check_int(net_set_mtu(b.net, i.index, 10), -EINVAL);
        check_int(net_set_mtu(b.net, i.index, i.max_mtu + 1), -EINVAL);
        check_int(get(&b, "wwan0").mtu, 1400);

        close(fd);
        check_int(net_get_interface(b.net, "wwan0", &i), -ENODEV);
        net_bed_settle(&b);
        check_str(b.name, "wwan0"); /* that it went */
        net_bed_end(&b);
}

static void test_ethernet(void) {
        const uint8_t mac[6] = { 0x02, 0x50, 0xF4, 0x00, 0x00, 0x01 };
        NetInterface i;
        NetBed b;
        int fd;

        net_bed_begin(&b);
        fd = net_bed_add_interface("wwan1", true);
        i = get(&b, "wwan1");
        check_int(i.type, ARPHRD_ETHER);
        check(!i.point_to_point);
        check_int(net_set_mac(b.net, i.index, mac), 0);
        i = get(&b, "wwan1");
        check_bytes(i.mac, 6, mac, 6);
        close(fd);
        net_bed_end(&b);
}

static void test_link_local(void) {
        _cleanup_free_ NetAddress *list = NULL;
        NetInterface i;
        NetBed b;
        size_t n;
        int fd;

        if (!has_ipv6())
                return;
        net_bed_begin(&b);
        fd = net_bed_add_interface("wwan0", true);
        i = get(&b, "wwan0");
        check(i.gen_mode != NET_GEN_MODE_NONE);
        check_int(net_set_gen_mode(b.net, i.index, NET_GEN_MODE_NONE), 0);
        check_int(get(&b, "wwan0").gen_mode, NET_GEN_MODE_NONE);
        check_int(net_set_up(b.net, i.index, true), 0);
        check_int(net_list_addresses(b.net, i.index, &list, &n), 0);
        check_int(n, 0);

        check_int(net_set_up(b.net, i.index, false), 0);
        check_int(net_set_gen_mode(b.net, i.index, i.gen_mode), 0);
        check_int(get(&b, "wwan0").gen_mode, i.gen_mode);
        check_int(net_set_up(b.net, i.index, true), 0);
        free(list);
        check_int(net_list_addresses(b.net, i.index, &list, &n), 0);
        check_int(n, 1);
        check(list[0].kernel);
        check(!list[0].ours);
        check_int(list[0].address[0], 0xfe);
        close(fd);
        net_bed_end(&b);
}

static void check_address(NetBed *b, NetAddress *a) {
        _cleanup_free_ NetAddress *list = NULL;
        char empty[NET_BED_STATE_MAX], with[NET_BED_STATE_MAX], without[NET_BED_STATE_MAX];
        size_t n;

        net_bed_get_state(b, "wwan0", empty);
        check_int(net_remove_address(b->net, a), 0); /* not there */
        check_int(net_add_address(b->net, a), 0);
        net_bed_wait(b, a->index);
        check_str(b->name, "wwan0");
        check_int(net_add_address(b->net, a), 0); /* there already */
        check_int(net_list_addresses(b->net, a->index, &list, &n), 0);
        check_int(n, 1);
        check_int(list[0].index, a->index);
        check_int(list[0].family, a->family);
        check_int(list[0].prefix, a->prefix);
        check_bytes(list[0].address, 16, a->address, 16);
        check(list[0].ours);
        check(!list[0].kernel);
        net_bed_get_state(b, "wwan0", with);
        check(strstr(with, "ours=1"));
        /* no routes to neighbours */
        check(!strstr(with, "280200C0") && !strstr(with, "20010db8004200000000000000000000 40"));

        check_int(net_remove_address(b->net, a), 0);
        check_int(net_remove_address(b->net, a), 0);
        net_bed_get_state(b, "wwan0", without);
        check_str(without, empty);
}

static void test_addresses(void) {
        _cleanup_free_ NetAddress *list = NULL;
        NetAddress a;
        NetInterface i;
        NetBed b;
        size_t n;
        int fd;

        net_bed_begin(&b);
        fd = net_bed_add_interface("wwan0", false);
        i = get(&b, "wwan0");
        if (has_ipv6())
                check_int(net_set_gen_mode(b.net, i.index, NET_GEN_MODE_NONE), 0);
        check_int(net_set_up(b.net, i.index, true), 0);
        a = address(i.index, AF_INET, "192.0.2.42", 30);
        check_address(&b, &a);
        if (has_ipv6()) {
                a = address(i.index, AF_INET6, "2001:db8:42::2a", 64);
                check_address(&b, &a);
        }
        a.index = 4711;
        check_int(net_add_address(b.net, &a), -ENODEV);
        check_int(net_list_addresses(b.net, 4711, &list, &n) >= 0 ? (int) n : 0, 0);
        close(fd);
        net_bed_end(&b);
}

/* More than a message of the kernel holds. */
static void test_many(void) {
        _cleanup_free_ NetAddress *list = NULL;
        NetInterface i, other;
        size_t n, n_all = 0;
        NetAddress a;
        int fd, fd2;
        NetBed b;

        net_bed_begin(&b);
        fd = net_bed_add_interface("wwan0", false);
        fd2 = net_bed_add_interface("wwan1", false);
        i = get(&b, "wwan0");
        other = get(&b, "wwan1");
        a = address(other.index, AF_INET, "198.51.100.1", 32);
        check_int(net_add_address(b.net, &a), 0);
        a = address(i.index, AF_INET, "10.0.0.0", 32);
        for (unsigned k = 0; k < 1000; k++) {
                a.address[2] = (uint8_t) (k >> 8);
                a.address[3] = (uint8_t) k;
                check_int(net_add_address(b.net, &a), 0);
        }
        check_int(net_list_addresses(b.net, i.index, &list, &n), 0);
        check_int(n, 1000);
        for (unsigned k = 0; k < 1000; k++)
                check_int(list[k].address[2] << 8 | list[k].address[3], k);
        free(list);
        check_int(net_list_addresses(b.net, 0, &list, &n), 0);
        for (size_t k = 0; k < n; k++)
                n_all += list[k].ours;
        check_int(n_all, 1001);
        close(fd);
        close(fd2);
        net_bed_end(&b);
}

static void check_route(NetBed *b, const NetRoute *wanted) {
        _cleanup_free_ NetRoute *list = NULL;
        NetRoute other = *wanted;
        size_t n;

        check_int(net_remove_route(b->net, wanted), 0); /* not there */
        check_int(net_add_route(b->net, wanted), 0);
        check_int(net_add_route(b->net, wanted), 0); /* there already */
        check_int(net_list_routes(b->net, wanted->index, &list, &n), 0);
        check_int(n, 1);
        check_int(list[0].index, wanted->index);
        check_int(list[0].family, wanted->family);
        check_int(list[0].prefix, wanted->prefix);
        check_int(list[0].metric, wanted->metric);
        check_int(list[0].has_gateway, wanted->has_gateway);
        check_bytes(list[0].destination, 16, wanted->destination, 16);
        check_bytes(list[0].gateway, 16, wanted->gateway, 16);
        check(list[0].ours);
        free(list);

        other.metric++;
        check_int(net_remove_route(b->net, &other), 0); /* another one */
        check_int(net_list_routes(b->net, 0, &list, &n), 0);
        check_int(n, 1);
        free(list);
        check_int(net_remove_route(b->net, wanted), 0);
        check_int(net_list_routes(b->net, 0, &list, &n), 0);
        check_int(n, 0);
}

static void check_routes(NetBed *b, const char *name, int family, const char *own, const char *gateway,
                         const char *network) {
        NetRoute r = { .index = get(b, name).index, .family = family, .metric = 4100 };
        NetAddress a = address(r.index, family, own, family == AF_INET ? 32 : 128);

        check_int(net_add_address(b->net, &a), 0);
        check_route(b, &r);
        r.has_gateway = true;
        check_int(inet_pton(family, gateway, r.gateway), 1);
        check_route(b, &r);
        r.prefix = family == AF_INET ? 24 : 48;
        check_int(inet_pton(family, network, r.destination), 1);
        check_route(b, &r);
        r.index = 4711;
        check_int(net_add_route(b->net, &r), -ENODEV);
        check_int(net_remove_address(b->net, &a), 0);
}

static void test_routes(void) {
        int fd, fd2;
        NetBed b;

        net_bed_begin(&b);
        fd = net_bed_add_interface("wwan0", false);
        fd2 = net_bed_add_interface("wwan1", true);
        check_int(net_set_up(b.net, get(&b, "wwan0").index, true), 0);
        check_int(net_set_up(b.net, get(&b, "wwan1").index, true), 0);
        check_routes(&b, "wwan0", AF_INET, "192.0.2.42", "192.0.2.41", "203.0.113.0");
        check_routes(&b, "wwan1", AF_INET, "192.0.2.42", "192.0.2.41", "203.0.113.0");
        if (has_ipv6()) {
                check_routes(&b, "wwan0", AF_INET6, "2001:db8:42::2a", "2001:db8:42::1", "2001:db8:77::");
                check_routes(&b, "wwan1", AF_INET6, "2001:db8:42::2a", "fe80::1", "2001:db8:77::");
        }
        close(fd);
        close(fd2);
        net_bed_end(&b);
}

/* What is not ours stays, though it looks the same. */
static void test_routes_of_others(void) {
        char before[NET_BED_STATE_MAX], after[NET_BED_STATE_MAX];
        NetRoute r = { .family = AF_INET, .metric = 4100 };
        NetAddress a;
        NetBed b;
        int fd;

        net_bed_begin(&b);
        fd = net_bed_add_interface("wwan0", false);
        a = address(get(&b, "wwan0").index, AF_INET, "192.0.2.42", 30);
        a.kernel = true; /* so that it has a route to its neighbours */
        check_int(net_set_up(b.net, a.index, true), 0);
        check_int(net_add_address(b.net, &a), 0);
        net_bed_get_state(&b, "wwan0", before);
        check(strstr(before, "280200C0")); /* 192.0.2.40 */
        r.index = a.index;
        r.metric = 0;
        r.prefix = 30;
        check_int(inet_pton(AF_INET, "192.0.2.40", r.destination), 1);
        check_int(net_remove_route(b.net, &r), 0);
        net_bed_get_state(&b, "wwan0", after);
        check_str(after, before);
        close(fd);
        net_bed_end(&b);
}

static void test_gone(void) {
        NetRoute r = { .family = AF_INET, .metric = 4100 };
        NetAddress a;
        NetBed b;
        int fd;

        net_bed_begin(&b);
        fd = net_bed_add_interface("wwan0", false);
        a = address(get(&b, "wwan0").index, AF_INET, "192.0.2.42", 30);
        r.index = a.index;
        close(fd);
        check_int(net_set_up(b.net, a.index, true), -ENODEV);
        check_int(net_set_mtu(b.net, a.index, 1400), -ENODEV);
        check_int(net_set_gen_mode(b.net, a.index, NET_GEN_MODE_NONE), -ENODEV);
        check_int(net_add_address(b.net, &a), -ENODEV);
        check_int(net_remove_address(b.net, &a), -ENODEV);
        check_int(net_add_route(b.net, &r), -ENODEV);
        net_bed_end(&b);
}

typedef struct Servers {
        unsigned n_calls;
        int index;
        size_t n;
        NetDnsServer servers[2];
        const char *answer;
} Servers;

static void on_servers(Net *n, int index, const NetDnsServer *servers, size_t n_servers, void *userdata) {
        Servers *s = userdata;

        s->n_calls++;
        s->index = index;
        s->n = n_servers;
        check(n_servers <= ELEMENTSOF(s->servers));
        if (n_servers > 0)
                memcpy(s->servers, servers, n_servers * sizeof(*servers));
        net_dns_done(n, index, s->answer);
}

static void test_dns(void) {
        static const NetDnsOps ops = { .set = on_servers };
        NetDnsServer server = { .family = AF_INET, .address = { 192, 0, 2, 53 } };
        Servers seen = { .answer = "Nobody listens." };
        int fd, index;
        NetBed b;

        net_bed_begin(&b);
        fd = net_bed_add_interface("wwan0", false);
        index = get(&b, "wwan0").index;
        net_bed_wait(&b, index);
        net_bed_settle(&b);
        check_int(net_set_dns(b.net, index, &server, 1), -EUNATCH);
        check_str(net_get_dns_problem(b.net, index), "");

        net_set_dns_ops(b.net, &ops, &seen);
        b.n_events = 0;
        check_int(net_set_dns(b.net, index, &server, 1), 0);
        check_int(seen.n_calls, 1);
        check_int(seen.index, index);
        check_int(seen.n, 1);
        check_bytes(seen.servers[0].address, 16, server.address, 16);
        check_str(net_get_dns_problem(b.net, index), "Nobody listens.");
        check_int(b.n_events, 1);
        check_str(b.name, "wwan0");

        check_int(net_set_dns(b.net, index, &server, 1), 0);
        check_int(b.n_events, 1); /* nothing new */
        seen.answer = "";
        check_int(net_set_dns(b.net, index, NULL, 0), 0);
        check_int(seen.n, 0);
        check_str(net_get_dns_problem(b.net, index), "");
        check_int(b.n_events, 2);

        /* It goes with its interface. */
        net_dns_done(b.net, index, "Nobody listens.");
        check_str(net_get_dns_problem(b.net, index), "Nobody listens.");
        close(fd);
        net_bed_settle(&b);
        check_str(net_get_dns_problem(b.net, index), "");
        net_dns_done(b.net, index, "Nobody listens.");
        check_str(net_get_dns_problem(b.net, index), "");
        net_bed_end(&b);
}

static void test_claims(void) {
        NetBed b;

        net_bed_begin(&b);
        check(!net_is_claimed(b.net, 3));
        check_int(net_claim(b.net, 3), 0);
        check_int(net_claim(b.net, 4), 0);
        check_int(net_claim(b.net, 3), -EBUSY);
        check(net_is_claimed(b.net, 3));
        net_unclaim(b.net, 3);
        net_unclaim(b.net, 3);
        check(!net_is_claimed(b.net, 3));
        check(net_is_claimed(b.net, 4)); /* net_free() frees it */
        net_bed_end(&b);
}

int main(void) {
        net_bed_enter();
        test_interface();
        test_ethernet();
        test_link_local();
        test_addresses();
        test_many();
        test_routes();
        test_routes_of_others();
        test_gone();
        test_dns();
        test_claims();
        return 0;
}
