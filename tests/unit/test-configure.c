/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem/configure.h"

#include <arpa/inet.h>
#include <linux/capability.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net-bed.h"

/* On an interface that is made of a file descriptor: what the kernel sends there can be read. */

typedef struct Bed {
        NetBed net;
        int fd;
        char before[NET_BED_STATE_MAX]; /* anything was set */
        SessionIp ip[_SESSION_FAMILY_MAX];
        /* What name servers were set to: */
        unsigned n_dns_calls;
        int dns_index;
        size_t n_dns;
        NetDnsServer dns[8];
        const char *dns_answer;
} Bed;

static void on_dns(Net *n, int index, const NetDnsServer *servers, size_t n_servers, void *userdata) {
        Bed *b = userdata;

        check(n_servers <= ELEMENTSOF(b->dns));
        b->n_dns_calls++;
        b->dns_index = index;
        b->n_dns = n_servers;
        if (n_servers > 0)
                memcpy(b->dns, servers, n_servers * sizeof(*servers));
        net_dns_done(n, index, b->dns_answer);
}

static const SessionIp ipv4 = {
        .is_set = true,
        .address = "192.0.2.42",
        .prefix = 30,
        .gateway = "192.0.2.41",
        .dns = { "192.0.2.53", "192.0.2.54" },
        .n_dns = 2,
        .mtu = 1420,
};

static const SessionIp ipv6 = {
        .is_set = true,
        .address = "2001:db8:42::2a",
        .prefix = 64,
        .gateway = "2001:db8:42::1",
        .dns = { "2001:db8:42::53" },
        .n_dns = 1,
        .mtu = 1440,
};

static const SessionIp nothing = {};

static bool has_ipv6(void) {
        return access("/proc/net/if_inet6", F_OK) >= 0;
}

static void bed_begin(Bed *b, bool ethernet) {
        static const NetDnsOps ops = { .set = on_dns };

        *b = (Bed){ .dns_answer = "" };
        net_bed_begin(&b->net);
        net_set_dns_ops(b->net.net, &ops, b);
        b->fd = net_bed_add_interface("wwan0", ethernet);
        net_bed_get_state(&b->net, "wwan0", b->before);
        b->ip[SESSION_IPV4] = ipv4;
        b->ip[SESSION_IPV6] = has_ipv6() ? ipv6 : nothing;
}

static void bed_end(Bed *b) {
        if (b->fd >= 0)
                close(b->fd);
        net_bed_end(&b->net);
}

static Configure *configure(Bed *b) {
        Configure *c;

        check_int(configure_new(&c, b->net.net, "wwan0", 1500, b->ip), 0);
        check_str(configure_get_problem(c), "");
        return c;
}

static NetInterface get(Bed *b) {
        NetInterface i;

        check_int(net_get_interface(b->net.net, "wwan0", &i), 0);
        return i;
}

static void check_unchanged(Bed *b) {
        char state[NET_BED_STATE_MAX];

        net_bed_get_state(&b->net, "wwan0", state);
        check_str(state, b->before);
        check_int(b->n_dns, 0);
}

/* Sends one, anywhere beyond the default route, and finds it among those that left. */
static void check_packet_leaves(Bed *b, int family, const char *source, unsigned ethernet_size) {
        struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
        struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = htons(9) };
        uint8_t packet[2048], expected[16];
        bool found = false;
        int fd;

        check_int(inet_pton(AF_INET, "203.0.113.7", &to4.sin_addr), 1);
        check_int(inet_pton(AF_INET6, "2001:db8:ffff::7", &to6.sin6_addr), 1);
        check_int(inet_pton(family, source, expected), 1);
        fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        check(fd >= 0);
        check(sendto(fd, "x", 1, 0, family == AF_INET ? (struct sockaddr *) &to4 : (struct sockaddr *) &to6,
                     family == AF_INET ? sizeof(to4) : sizeof(to6)) == 1);
        close(fd);
        for (;;) {
                ssize_t n = read(b->fd, packet, sizeof(packet));
                const uint8_t *p = packet + ethernet_size;

                if (n < 0)
                        break;
                if (p[0] >> 4 == 4 && family == AF_INET && p[9] == IPPROTO_UDP)
                        found |= memcmp(p + 12, expected, 4) == 0;
                if (p[0] >> 4 == 6 && family == AF_INET6 && p[6] == IPPROTO_UDP)
                        found |= memcmp(p + 8, expected, 16) == 0;
        }
        check(found);
}

static void test_set_and_taken_back(void) {
        char state[NET_BED_STATE_MAX], metric[32];
        Configure *c;
        Bed b;

        bed_begin(&b, false);
        c = configure(&b);
        check(get(&b).up);
        check_int(get(&b).mtu, 1420);
        net_bed_get_state(&b.net, "wwan0", state);
        check(strstr(state, "192.0.2.42/30 ours=1"));
        check(!strstr(state, "fe80"));
        check_packet_leaves(&b, AF_INET, "192.0.2.42", 0);
        snprintf(metric, sizeof(metric), "%08x", (unsigned) CONFIGURE_METRIC + (unsigned) get(&b).index);
        if (has_ipv6()) {
                check(strstr(state, "2001:db8:42::2a/64 ours=1"));
                check(strstr(state, metric));
                check_packet_leaves(&b, AF_INET6, "2001:db8:42::2a", 0);
        }
        check_int(b.n_dns_calls, 1);
        check_int(b.dns_index, get(&b).index);
        check_int(b.n_dns, has_ipv6() ? 3 : 2);
        check_int(b.dns[0].family, AF_INET);
        check_bytes(b.dns[1].address, 4, ((uint8_t[]){ 192, 0, 2, 54 }), 4);
        check(net_is_claimed(b.net.net, get(&b).index));

        c = configure_free(c);
        check(!c);
        check(!net_is_claimed(b.net.net, get(&b).index));
        check_int(b.n_dns_calls, 2);
        check_unchanged(&b);
        bed_end(&b);
}

/* In 802.3 packets go to a neighbour, whose address is asked for. */
static void test_ethernet(void) {
        uint8_t packet[2048], gateway[] = { 192, 0, 2, 41 };
        NetRoute *routes;
        bool asked = false;
        Configure *c;
        size_t n;
        int fd;
        Bed b;
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };

        bed_begin(&b, true);
        c = configure(&b);
        check_int(net_list_routes(b.net.net, get(&b).index, &routes, &n), 0);
        check_int(n, has_ipv6() ? 2 : 1);
        check(routes[0].has_gateway);
        check_bytes(routes[0].gateway, 4, gateway, 4);
        check(n < 2 || routes[1].has_gateway);
        free(routes);

        check_int(inet_pton(AF_INET, "203.0.113.7", &to.sin_addr), 1);
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        check(fd >= 0 && sendto(fd, "x", 1, 0, (struct sockaddr *) &to, sizeof(to)) == 1);
        close(fd);
        while (read(b.fd, packet, sizeof(packet)) >= 0)
                asked |= packet[12] == 0x08 && packet[13] == 0x06 && memcmp(packet + 38, gateway, 4) == 0;
        check(asked);
        configure_free(c);
        check_unchanged(&b);
        bed_end(&b);
}

static void test_one_family(void) {
        char state[NET_BED_STATE_MAX];
        Configure *c;
        Bed b;

        bed_begin(&b, false);
        b.ip[SESSION_IPV6] = nothing;
        c = configure(&b);
        net_bed_get_state(&b.net, "wwan0", state);
        check(!strstr(state, "2001:db8"));
        configure_free(c);
        check_unchanged(&b);

        if (has_ipv6()) {
                b.ip[SESSION_IPV4] = nothing;
                b.ip[SESSION_IPV6] = ipv6;
                c = configure(&b);
                net_bed_get_state(&b.net, "wwan0", state);
                check(!strstr(state, "192.0.2"));
                check_packet_leaves(&b, AF_INET6, "2001:db8:42::2a", 0);
                configure_free(c);
                check_unchanged(&b);
        }
        bed_end(&b);
}

static uint32_t mtu_with(Bed *b, uint32_t limit, uint32_t of_ipv4, uint32_t of_ipv6) {
        Configure *c;
        uint32_t mtu;

        b->ip[SESSION_IPV4].mtu = of_ipv4;
        b->ip[SESSION_IPV6].mtu = of_ipv6;
        check_int(configure_new(&c, b->net.net, "wwan0", limit, b->ip), 0);
        check_str(configure_get_problem(c), "");
        mtu = get(b).mtu;
        configure_free(c);
        check_unchanged(b);
        return mtu;
}

static void test_mtu(void) {
        Bed b;

        bed_begin(&b, false);
        check_int(mtu_with(&b, 1500, 0, 0), 1500);    /* nobody says anything */
        check_int(mtu_with(&b, 0, 0, 0), 1500);       /* as it was */
        check_int(mtu_with(&b, 1496, 0, 0), 1496);    /* only the link does */
        check_int(mtu_with(&b, 1496, 1500, 0), 1496); /* the network's, at most the link's */
        check_int(mtu_with(&b, 1496, 1430, 0), 1430);
        check_int(mtu_with(&b, 0, 1600, 0), 1600);
        if (has_ipv6()) {
                check_int(mtu_with(&b, 1500, 1430, 1300), 1300);
                check_int(mtu_with(&b, 1500, 576, 0), 1280); /* there would be no IPv6 */
        }
        b.ip[SESSION_IPV6] = nothing;
        check_int(mtu_with(&b, 1500, 576, 0), 576);
        check_int(mtu_with(&b, 1500, 1300, 1), 1300); /* of a family that was not granted */
        bed_end(&b);
}

static void test_values_that_are_none(void) {
        char state[NET_BED_STATE_MAX];
        Configure *c;
        Bed b;

        bed_begin(&b, true);
        b.ip[SESSION_IPV4].prefix = 0; /* not said */
        strcpy(b.ip[SESSION_IPV4].gateway, "");
        strcpy(b.ip[SESSION_IPV4].dns[0], "");
        strcpy(b.ip[SESSION_IPV6].address, "");
        b.ip[SESSION_IPV6].n_dns = 0;
        c = configure(&b);
        net_bed_get_state(&b.net, "wwan0", state);
        check(strstr(state, "192.0.2.42/32 ours=1"));
        check(!strstr(state, "2001:db8"));
        check_int(b.n_dns, 1);
        configure_free(c);
        check_unchanged(&b);
        bed_end(&b);
}

/* Who may not set anything is refused if he tries. */
static void set_powers(uint32_t effective) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

        check(syscall(SYS_capget, &header, data) >= 0);
        data[0].effective = effective & data[0].permitted;
        check(syscall(SYS_capset, &header, data) >= 0);
}

/* Whatever is right is left alone, so that no packet is lost. */
static void check_silent(Bed *b, Configure *c) {
        unsigned n_dns_calls = b->n_dns_calls;
        char before[NET_BED_STATE_MAX], after[NET_BED_STATE_MAX];

        net_bed_get_state(&b->net, "wwan0", before);
        set_powers(0);
        check_int(net_set_up(b->net.net, get(b).index, true), -EPERM);
        configure_update(c, b->ip);
        set_powers(UINT32_MAX);
        check_int(b->n_dns_calls, n_dns_calls);
        net_bed_get_state(&b->net, "wwan0", after);
        check_str(after, before);
        check_str(configure_get_problem(c), "");
}

static void test_again(void) {
        Configure *c;
        Bed b;

        bed_begin(&b, false);
        c = configure(&b);
        check_silent(&b, c);
        configure_free(c);
        check_unchanged(&b);
        bed_end(&b);
}

static void test_update(void) {
        char state[NET_BED_STATE_MAX];
        Configure *c;
        Bed b;

        bed_begin(&b, false);
        c = configure(&b);
        strcpy(b.ip[SESSION_IPV4].address, "198.51.100.9");
        b.ip[SESSION_IPV4].mtu = 1410;
        b.ip[SESSION_IPV4].n_dns = 1;
        configure_update(c, b.ip);
        check_str(configure_get_problem(c), "");
        net_bed_get_state(&b.net, "wwan0", state);
        check(strstr(state, "198.51.100.9/30 ours=1"));
        check(!strstr(state, "192.0.2.42"));
        check_packet_leaves(&b, AF_INET, "198.51.100.9", 0);
        check_int(get(&b).mtu, 1410);
        check_int(b.n_dns, has_ipv6() ? 2 : 1);

        b.ip[SESSION_IPV6].prefix = 128;
        configure_update(c, b.ip);
        b.ip[SESSION_IPV4] = nothing; /* the network took it */
        configure_update(c, b.ip);
        check_str(configure_get_problem(c), "");
        net_bed_get_state(&b.net, "wwan0", state);
        check(!strstr(state, "198.51.100.9"));
        if (has_ipv6())
                check_packet_leaves(&b, AF_INET6, "2001:db8:42::2a", 0);
        configure_free(c);
        check_unchanged(&b);
        bed_end(&b);
}

/* Somebody took down what was set; with that the routes and addresses of IPv6 go. */
static void test_mended(void) {
        Configure *c;
        Bed b;

        bed_begin(&b, false);
        c = configure(&b);
        check_int(net_set_up(b.net.net, get(&b).index, false), 0);
        configure_update(c, b.ip);
        check_str(configure_get_problem(c), "");
        check_packet_leaves(&b, AF_INET, "192.0.2.42", 0);
        if (has_ipv6())
                check_packet_leaves(&b, AF_INET6, "2001:db8:42::2a", 0);
        configure_free(c);
        check_unchanged(&b);
        bed_end(&b);
}

/* What others have there stays: an interface that was up, their address, their MTU. */
static void test_of_others(void) {
        NetAddress a = { .family = AF_INET, .address = { 198, 51, 100, 1 }, .prefix = 32, .kernel = true };
        char state[NET_BED_STATE_MAX];
        Configure *c;
        Bed b;

        bed_begin(&b, true);
        a.index = get(&b).index;
        check_int(net_set_up(b.net.net, a.index, true), 0);
        check_int(net_add_address(b.net.net, &a), 0);
        net_bed_get_state(&b.net, "wwan0", b.before);
        check(!has_ipv6() || strstr(b.before, "fe80"));
        c = configure(&b);
        net_bed_get_state(&b.net, "wwan0", state);
        check(!strstr(state, "fe80"));
        check(strstr(state, "198.51.100.1/32 ours=0"));
        configure_free(c);
        check_unchanged(&b);

        /* The network gives an address that is there already. */
        strcpy(b.ip[SESSION_IPV4].address, "198.51.100.1");
        b.ip[SESSION_IPV4].prefix = 32;
        c = configure(&b);
        configure_free(c);
        check_unchanged(&b);

        c = configure(&b);
        check_int(net_set_mtu(b.net.net, a.index, 1333), 0);
        configure_free(c);
        check_int(get(&b).mtu, 1333);
        bed_end(&b);
}

static void test_busy(void) {
        Configure *c, *second;
        Bed b;

        bed_begin(&b, false);
        check_int(configure_new(&c, b.net.net, "wwan7", 0, b.ip), -ENODEV);
        c = configure(&b);
        check_int(configure_new(&second, b.net.net, "wwan0", 0, b.ip), -EBUSY);
        configure_free(c);
        check_unchanged(&b);
        bed_end(&b);
}

static void test_gone(void) {
        char problem[SESSION_TEXT_MAX];
        Configure *c;
        Bed b;

        bed_begin(&b, false);
        c = configure(&b);
        close(b.fd);
        configure_update(c, b.ip);
        snprintf(problem, sizeof(problem), "%s", configure_get_problem(c));
        check_str(problem, "wwan0: cannot be configured: No such device.");
        configure_free(c);

        /* Another one of that name is another one. */
        b.fd = net_bed_add_interface("wwan0", false);
        c = configure(&b);
        close(b.fd);
        b.fd = net_bed_add_interface("wwan0", false);
        net_bed_get_state(&b.net, "wwan0", b.before);
        configure_free(c);
        check_unchanged(&b);
        bed_end(&b);
}

static void test_problems(void) {
        Configure *c;
        Bed b;

        bed_begin(&b, false);
        b.dns_answer = "systemd-resolved refused the name servers.";
        c = configure_new(&c, b.net.net, "wwan0", 1500, b.ip) >= 0 ? c : NULL;
        check_str(configure_get_problem(c), "systemd-resolved refused the name servers.");
        check_packet_leaves(&b, AF_INET, "192.0.2.42", 0); /* the rest is set */

        strcpy(b.ip[SESSION_IPV4].address, "127.0.0.1"); /* no such route, nor sense */
        strcpy(b.ip[SESSION_IPV4].gateway, "224.0.0.1");
        strcpy(b.ip[SESSION_IPV6].address, "ff02::1"); /* the kernel takes no multicast address */
        configure_update(c, b.ip);
        if (has_ipv6())
                check_str(configure_get_problem(c),
                          "wwan0: cannot set the address ff02::1/64: Cannot assign requested address.");
        b.dns_answer = "";
        configure_free(c);
        check_unchanged(&b);
        bed_end(&b);
}

static void save(const Configure *c, Packer *p) {
        configure_save(c, p);
        check_int(p->error, 0);
}

static void test_restart(void) {
        _cleanup_packer_ Packer p = PACKER_INIT, again = PACKER_INIT;
        char state[NET_BED_STATE_MAX], after[NET_BED_STATE_MAX];
        Configure *c;
        Unpacker u;
        Bed b;

        bed_begin(&b, true);
        check_int(net_set_up(b.net.net, get(&b).index, true), 0); /* it has a link-local address to note */
        net_bed_get_state(&b.net, "wwan0", b.before);
        c = configure(&b);
        save(c, &p);
        net_bed_get_state(&b.net, "wwan0", state);
        configure_detach(c);
        check(!net_is_claimed(b.net.net, get(&b).index));
        net_bed_get_state(&b.net, "wwan0", after);
        check_str(after, state);

        unpacker_init(&u, p.data, p.size);
        check_int(configure_restore(&c, b.net.net, &u), 0);
        check_int(unpack_end(&u), 0);
        check(net_is_claimed(b.net.net, get(&b).index));
        net_bed_get_state(&b.net, "wwan0", after);
        check_str(after, state);
        check_silent(&b, c);
        configure_sweep(b.net.net, "wwan0"); /* there is nothing that nobody has */
        check_silent(&b, c);
        save(c, &again);
        check_bytes(again.data, again.size, p.data, p.size);
        configure_free(c);
        check_unchanged(&b);

        for (size_t size = 0; size < p.size; size++) {
                unpacker_init(&u, p.data, size);
                check_int(configure_restore(&c, b.net.net, &u), -EBADMSG);
        }
        check(!net_is_claimed(b.net.net, get(&b).index));
        bed_end(&b);
}

/* What it noted is lost: it takes over what bears our mark. */
static void test_crash(void) {
        char state[NET_BED_STATE_MAX];
        Configure *c;
        Bed b;

        bed_begin(&b, false);
        configure_detach(configure(&b));
        c = configure(&b);
        check_silent(&b, c);
        configure_detach(c);
        strcpy(b.ip[SESSION_IPV4].address, "198.51.100.9"); /* it is another session */
        strcpy(b.ip[SESSION_IPV6].address, "2001:db8:77::1");
        c = configure(&b);
        net_bed_get_state(&b.net, "wwan0", state);
        check(!strstr(state, "192.0.2.42") && !strstr(state, "2001:db8:42::2a"));
        configure_free(c);
        net_bed_get_state(&b.net, "wwan0", state);
        check(!strstr(state, "ours=1"));
        bed_end(&b);
}

static bool has_left_over(Bed *b, const char *name) {
        char state[NET_BED_STATE_MAX];
        NetInterface i;
        NetRoute *routes;
        size_t n;

        check_int(net_get_interface(b->net.net, name, &i), 0);
        check_int(net_list_routes(b->net.net, i.index, &routes, &n), 0);
        free(routes);
        net_bed_get_state(&b->net, name, state);
        return n > 0 || strstr(state, "ours=1");
}

/* There is no session any more. */
static void test_left_over(void) {
        NetAddress a = { .family = AF_INET, .address = { 198, 51, 100, 1 }, .prefix = 32, .kernel = true };
        char state[NET_BED_STATE_MAX];
        int fd2;
        Bed b;

        bed_begin(&b, false);
        a.index = get(&b).index;
        check_int(net_add_address(b.net.net, &a), 0);
        configure_detach(configure(&b));
        fd2 = net_bed_add_interface("wwan1", false);
        configure_sweep(b.net.net, "wwan1");
        configure_sweep(b.net.net, "wwan2");
        check(has_left_over(&b, "wwan0"));
        configure_sweep(b.net.net, "wwan0");
        check(!has_left_over(&b, "wwan0"));
        check_int(b.dns_index, a.index);
        check_int(b.n_dns, 0);
        check_int(b.n_dns_calls, 2);
        net_bed_get_state(&b.net, "wwan0", state);
        check(strstr(state, "198.51.100.1/32 ours=0"));
        configure_sweep(b.net.net, "wwan0");
        check_int(b.n_dns_calls, 2);
        close(fd2);
        bed_end(&b);
}

/* As qmi_wwan shows a mux. */
static void test_left_over_of_a_mux(void) {
        Configure *c;
        int fd2;
        Bed b;

        bed_begin(&b, false);
        check(mount("net", "/sys/class/net", "tmpfs", 0, NULL) >= 0);
        check(mkdir("/sys/class/net/wwan0", 0755) >= 0);
        check(symlink("../qmimux0", "/sys/class/net/wwan0/upper_qmimux0") >= 0);
        check(mkdir("/sys/class/net/qmimux0", 0755) >= 0);
        fd2 = net_bed_add_interface("qmimux0", false);
        check_int(configure_new(&c, b.net.net, "qmimux0", 1496, b.ip), 0);
        configure_sweep(b.net.net, "wwan0");
        check(has_left_over(&b, "qmimux0")); /* somebody has it */
        configure_detach(c);
        configure_sweep(b.net.net, "wwan0");
        check(!has_left_over(&b, "qmimux0"));
        check(umount("/sys/class/net") >= 0);
        close(fd2);
        bed_end(&b);
}

int main(void) {
        net_bed_enter();
        test_set_and_taken_back();
        test_ethernet();
        test_one_family();
        test_mtu();
        test_values_that_are_none();
        test_again();
        test_update();
        test_mended();
        test_of_others();
        test_busy();
        test_gone();
        test_problems();
        test_restart();
        test_crash();
        test_left_over();
        test_left_over_of_a_mux();
        return 0;
}
