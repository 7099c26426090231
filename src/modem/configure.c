/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem/configure.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "modem/configure-wish.h"
#include "net/qmi-sysfs.h"
#include "util/log.h"

#define IPV6_MTU_MIN 1280U /* RFC 8200, 5. With less the kernel takes IPv6 from the interface. */

struct Configure {
        Net *net;
        int index;
        char name[IF_NAMESIZE]; /* for people */
        uint32_t mtu_limit;
        /* What was set, and what was there before. */
        bool raised;
        uint32_t mtu, mtu_before;
        bool has_gen_mode;
        uint8_t gen_mode_before;
        bool has_link_local;
        NetAddress link_local_before;
        bool has_address[_SESSION_FAMILY_MAX];
        NetAddress address[_SESSION_FAMILY_MAX];
        NetDnsServer dns[WISH_DNS_MAX];
        size_t n_dns;
        char problem[SESSION_TEXT_MAX];
};

/* The first one is kept: what comes after it may come of it. */
_printf_(3, 4) static void configure_fail(Configure *c, int error, const char *format, ...) {
        char text[160];
        va_list list;

        va_start(list, format);
        (void) vsnprintf(text, sizeof(text), format, list);
        va_end(list);
        log_warning_errno(error, "%s: %s", c->name, text);
        if (!*c->problem)
                (void) snprintf(c->problem, sizeof(c->problem), "%s: %s: %s.", c->name, text,
                                strerror(-error));
}

/* To the kernel, one of IPv6 is the same whatever its prefix. */
static bool address_equal(const NetAddress *a, const NetAddress *b) {
        return a->family == b->family && (a->family == AF_INET6 || a->prefix == b->prefix) &&
               memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

static const char *address_to_string(const NetAddress *a, char buffer[static INET6_ADDRSTRLEN]) {
        return inet_ntop(a->family, a->address, buffer, INET6_ADDRSTRLEN);
}

/* ---- setting it ---- */

static void set_mtu(Configure *c, const Wish *w, const NetInterface *i) {
        uint32_t before = c->mtu > 0 ? c->mtu_before : i->mtu, mtu = w->mtu > 0 ? w->mtu : before;
        bool ipv6 = w->has_address[SESSION_IPV6];
        int r;

        if (ipv6)
                mtu = MAX(mtu, IPV6_MTU_MIN);
        if (c->mtu_limit > 0)
                mtu = MIN(mtu, c->mtu_limit);
        if (i->max_mtu > 0)
                mtu = MIN(mtu, i->max_mtu);
        if (mtu == i->mtu)
                return;
        r = net_set_mtu(c->net, c->index, mtu);
        if (r == -EDOM && (!ipv6 || mtu > IPV6_MTU_MIN)) /* a multiple of the size of USB packets */
                r = net_set_mtu(c->net, c->index, --mtu);
        if (r < 0) {
                configure_fail(c, r, "cannot set an MTU of %u", mtu);
                return;
        }
        c->mtu = mtu;
        c->mtu_before = before;
}

/* With a link-local address the kernel asks for a router, and makes an address and a default route of its
 * answer, beside those that the modem has told, or though nobody has asked for IPv6. */
static void set_no_link_local(Configure *c, const NetInterface *i, const NetAddress *list, size_t n) {
        int r;

        if (i->has_ipv6 && i->gen_mode != NET_GEN_MODE_NONE) {
                r = net_set_gen_mode(c->net, c->index, NET_GEN_MODE_NONE);
                if (r < 0) {
                        configure_fail(c, r, "cannot keep the kernel from configuring IPv6, too");
                        return;
                }
                c->has_gen_mode = true;
                c->gen_mode_before = i->gen_mode;
        }
        for (size_t k = 0; k < n; k++) {
                const struct in6_addr *a = (const struct in6_addr *) list[k].address;

                if (list[k].family != AF_INET6 || !list[k].kernel || !IN6_IS_ADDR_LINKLOCAL(a))
                        continue;
                r = net_remove_address(c->net, &list[k]);
                if (r < 0)
                        configure_fail(c, r, "cannot take the link-local address away");
                else {
                        c->has_link_local = true;
                        c->link_local_before = list[k];
                }
        }
}

static bool set_up(Configure *c, const NetInterface *i) {
        int r;

        if (i->up)
                return true;
        r = net_set_up(c->net, c->index, true);
        if (r < 0) {
                configure_fail(c, r, "cannot take it up");
                return false;
        }
        c->raised = true;
        return true;
}

static const NetAddress *find_address(const NetAddress *list, size_t n, const NetAddress *a) {
        for (size_t i = 0; i < n; i++)
                if (address_equal(&list[i], a))
                        return &list[i];
        return NULL;
}

static void add_address(Configure *c, SessionFamily f, const NetAddress *a, const NetAddress *list,
                        size_t n) {
        const NetAddress *there = find_address(list, n, a);
        char text[INET6_ADDRSTRLEN];
        int r;

        if (there && !there->ours)
                return; /* somebody else's, or noted on a kernel that does not know whose it is */
        if (!there) {
                r = net_add_address(c->net, a);
                if (r < 0) {
                        configure_fail(c, r, "cannot set the address %s/%u", address_to_string(a, text),
                                       a->prefix);
                        return;
                }
        }
        c->has_address[f] = true;
        c->address[f] = there ? *there : *a;
}

static void remove_address(Configure *c, const NetAddress *a) {
        char text[INET6_ADDRSTRLEN];
        int r = net_remove_address(c->net, a);

        if (r < 0 && r != -ENODEV)
                configure_fail(c, r, "cannot take the address %s away", address_to_string(a, text));
}

static bool wish_has_address(const Wish *w, const NetAddress *a) {
        for (SessionFamily f = 0; f < _SESSION_FAMILY_MAX; f++)
                if (w->has_address[f] && address_equal(&w->address[f], a))
                        return true;
        return false;
}

/* The new ones first: with the last address of IPv4 the routes go. */
static void set_addresses(Configure *c, const Wish *w, const NetAddress *list, size_t n) {
        NetAddress noted[_SESSION_FAMILY_MAX];
        bool has_noted[_SESSION_FAMILY_MAX];

        memcpy(noted, c->address, sizeof(noted));
        memcpy(has_noted, c->has_address, sizeof(has_noted));
        for (SessionFamily f = 0; f < _SESSION_FAMILY_MAX; f++) {
                if (has_noted[f] && !wish_has_address(w, &noted[f]))
                        c->has_address[f] = false;
                if (w->has_address[f])
                        add_address(c, f, &w->address[f], list, n);
        }
        for (SessionFamily f = 0; f < _SESSION_FAMILY_MAX; f++)
                if (has_noted[f] && !wish_has_address(w, &noted[f]))
                        remove_address(c, &noted[f]);
        for (size_t i = 0; i < n; i++)
                if (list[i].ours && !wish_has_address(w, &list[i]))
                        remove_address(c, &list[i]);
}

static bool route_equal(const NetRoute *a, const NetRoute *b) {
        return a->family == b->family && a->prefix == b->prefix && a->metric == b->metric &&
               a->has_gateway == b->has_gateway &&
               memcmp(a->destination, b->destination, sizeof(a->destination)) == 0 &&
               memcmp(a->gateway, b->gateway, sizeof(a->gateway)) == 0;
}

/* Only ours are listed. */
static void set_routes(Configure *c, const Wish *w) {
        _cleanup_free_ NetRoute *list = NULL;
        bool there[_SESSION_FAMILY_MAX] = {};
        size_t n = 0;
        int r;

        r = net_list_routes(c->net, c->index, &list, &n);
        if (r < 0)
                configure_fail(c, r, "cannot read the routes");
        for (size_t i = 0; i < n; i++) {
                bool right = false;

                for (SessionFamily f = 0; f < _SESSION_FAMILY_MAX; f++)
                        if (w->has_address[f] && route_equal(&list[i], &w->route[f]))
                                there[f] = right = true;
                r = right ? 0 : net_remove_route(c->net, &list[i]);
                if (r < 0 && r != -ENODEV)
                        configure_fail(c, r, "cannot take a route away");
        }
        for (SessionFamily f = 0; f < _SESSION_FAMILY_MAX; f++) {
                r = w->has_address[f] && !there[f] ? net_add_route(c->net, &w->route[f]) : 0;
                if (r < 0)
                        configure_fail(c, r, "cannot set the default route of %s",
                                       f == SESSION_IPV4 ? "IPv4" : "IPv6");
        }
}

static void set_dns(Configure *c, const Wish *w) {
        if (w->n_dns == c->n_dns && memcmp(w->dns, c->dns, sizeof(c->dns)) == 0)
                return;
        c->n_dns = 0;
        memset(c->dns, 0, sizeof(c->dns));
        if (net_set_dns(c->net, c->index, w->dns, w->n_dns) < 0)
                return; /* nobody there has a use for them */
        c->n_dns = w->n_dns;
        memcpy(c->dns, w->dns, sizeof(c->dns));
}

void configure_update(Configure *c, const SessionIp ip[static _SESSION_FAMILY_MAX]) {
        _cleanup_free_ NetAddress *list = NULL;
        NetInterface i;
        size_t n = 0;
        Wish wish;
        int r;

        *c->problem = '\0';
        r = net_get_interface_by_index(c->net, c->index, &i);
        if (r >= 0)
                r = net_list_addresses(c->net, c->index, &list, &n);
        if (r < 0) {
                configure_fail(c, r, "cannot be configured");
                return;
        }
        memcpy(c->name, i.name, sizeof(c->name));
        wish_make(&i, ip, &wish);
        set_no_link_local(c, &i, list, n);
        set_mtu(c, &wish, &i);
        if (set_up(c, &i)) {
                set_addresses(c, &wish, list, n);
                set_routes(c, &wish);
        }
        set_dns(c, &wish);
}

/* ---- taking it back ---- */

static void take_back(Configure *c) {
        _cleanup_free_ NetAddress *list = NULL;
        NetInterface i;
        size_t n = 0;
        int r = 0;

        set_dns(c, &(Wish){});
        if (net_get_interface_by_index(c->net, c->index, &i) < 0 ||
            net_list_addresses(c->net, c->index, &list, &n) < 0)
                return; /* it is gone, and all of it */
        set_routes(c, &(Wish){});
        set_addresses(c, &(Wish){}, list, n);
        if (c->raised && i.up)
                r = net_set_up(c->net, c->index, false);
        /* What somebody else has changed since is his. */
        if (r >= 0 && c->has_gen_mode && i.gen_mode == NET_GEN_MODE_NONE)
                r = net_set_gen_mode(c->net, c->index, c->gen_mode_before);
        if (r >= 0 && c->has_link_local && i.up && !c->raised)
                r = net_add_address(c->net, &c->link_local_before);
        if (r >= 0 && c->mtu > 0 && i.mtu == c->mtu)
                r = net_set_mtu(c->net, c->index, c->mtu_before);
        if (r < 0 && r != -ENODEV)
                log_warning_errno(r, "%s: cannot set back what it was before", c->name);
}

Configure *configure_detach(Configure *c) {
        if (!c)
                return NULL;
        net_unclaim(c->net, c->index);
        free(c);
        return NULL;
}

Configure *configure_free(Configure *c) {
        if (c)
                take_back(c);
        return configure_detach(c);
}

static int configure_make(Configure **ret, Configure seed) {
        Configure *c;
        int r;

        if (net_is_claimed(seed.net, seed.index))
                return -EBUSY;
        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = seed;
        r = net_claim(c->net, c->index);
        if (r < 0) {
                free(c);
                return r;
        }
        *ret = c;
        return 0;
}

int configure_new(Configure **ret, Net *net, const char *interface, uint32_t mtu,
                  const SessionIp ip[static _SESSION_FAMILY_MAX]) {
        NetInterface i;
        Configure *c;
        int r;

        r = net_get_interface(net, interface, &i);
        if (r >= 0)
                r = configure_make(&c, (Configure){ .net = net, .index = i.index, .mtu_limit = mtu });
        if (r < 0)
                return r;
        memcpy(c->name, i.name, sizeof(c->name));
        configure_update(c, ip);
        *ret = c;
        return 0;
}

const char *configure_get_problem(const Configure *c) {
        return *c->problem ? c->problem : net_get_dns_problem(c->net, c->index);
}

/* ---- over a restart ---- */

static void pack_address(Packer *p, bool there, const NetAddress *a) {
        pack_u8(p, there ? a->prefix : 0);
        if (!there)
                return;
        pack_bytes(p, a->address, sizeof(a->address));
}

static void unpack_octets(Unpacker *u, uint8_t ret[static 16]) {
        const uint8_t *data;
        size_t size;

        data = unpack_bytes(u, &size);
        if (size == 16)
                memcpy(ret, data, 16);
        else
                unpack_fail(u);
}

static bool unpack_address(Unpacker *u, int index, int family, NetAddress *ret) {
        NetAddress a = { .index = index, .family = family, .prefix = unpack_u8(u) };

        if (a.prefix == 0)
                return false;
        if (a.prefix > (family == AF_INET ? 32 : 128))
                unpack_fail(u);
        unpack_octets(u, a.address);
        *ret = a;
        return true;
}

void configure_save(const Configure *c, Packer *p) {
        pack_u32(p, (uint32_t) c->index);
        pack_string(p, c->name);
        pack_u32(p, c->mtu_limit);
        pack_bool(p, c->raised);
        pack_u32(p, c->mtu);
        pack_u32(p, c->mtu_before);
        pack_bool(p, c->has_gen_mode);
        pack_u8(p, c->gen_mode_before);
        pack_address(p, c->has_link_local, &c->link_local_before);
        for (SessionFamily f = 0; f < _SESSION_FAMILY_MAX; f++)
                pack_address(p, c->has_address[f], &c->address[f]);
        pack_u8(p, (uint8_t) c->n_dns);
        for (size_t i = 0; i < c->n_dns; i++) {
                pack_bool(p, c->dns[i].family == AF_INET6);
                pack_bytes(p, c->dns[i].address, sizeof(c->dns[i].address));
        }
}

int configure_restore(Configure **ret, Net *net, Unpacker *u) {
        Configure c = { .net = net };
        const char *name;

        c.index = (int) unpack_u32(u);
        name = unpack_string(u);
        if (u->error || c.index <= 0 || !*name || strlen(name) >= sizeof(c.name))
                return -EBADMSG;
        memcpy(c.name, name, strlen(name) + 1);
        c.mtu_limit = unpack_u32(u);
        c.raised = unpack_bool(u);
        c.mtu = unpack_u32(u);
        c.mtu_before = unpack_u32(u);
        c.has_gen_mode = unpack_bool(u);
        c.gen_mode_before = unpack_u8(u);
        c.has_link_local = unpack_address(u, c.index, AF_INET6, &c.link_local_before);
        c.link_local_before.kernel = true;
        for (SessionFamily f = 0; f < _SESSION_FAMILY_MAX; f++)
                c.has_address[f] = unpack_address(u, c.index, wish_family(f), &c.address[f]);
        c.n_dns = unpack_u8(u);
        if (c.n_dns > WISH_DNS_MAX)
                return -EBADMSG;
        for (size_t i = 0; i < c.n_dns; i++) {
                c.dns[i].family = unpack_bool(u) ? AF_INET6 : AF_INET;
                unpack_octets(u, c.dns[i].address);
        }
        return u->error ? -EBADMSG : configure_make(ret, c);
}

/* ---- what nobody has noted ---- */

static bool has_left_over(Net *net, int index) {
        _cleanup_free_ NetAddress *addresses = NULL;
        _cleanup_free_ NetRoute *routes = NULL;
        size_t n_addresses = 0, n_routes = 0;
        int r;

        r = net_list_addresses(net, index, &addresses, &n_addresses);
        if (r >= 0)
                r = net_list_routes(net, index, &routes, &n_routes);
        if (r < 0)
                log_warning_errno(r, "Cannot look for what sessions have left");
        for (size_t i = 0; i < n_addresses; i++)
                if (addresses[i].ours)
                        return true;
        return n_routes > 0;
}

static void sweep(Net *net, const char *name) {
        Configure c = { .net = net };
        NetInterface i;

        if (net_get_interface(net, name, &i) < 0 || net_is_claimed(net, i.index) ||
            !has_left_over(net, i.index))
                return;
        c.index = i.index;
        memcpy(c.name, i.name, sizeof(c.name));
        log_notice("%s: takes back what a session has left there", c.name);
        take_back(&c);
        (void) net_set_dns(net, i.index, NULL, 0);
}

void configure_sweep(Net *net, const char *interface) {
        _cleanup_free_ QmiSysfsMux *muxes = NULL;
        size_t n = 0;

        sweep(net, interface);
        if (qmi_sysfs_list_muxes(interface, &muxes, &n) >= 0)
                for (size_t i = 0; i < n; i++)
                        sweep(net, muxes[i].interface);
}
