/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>

#include "test-session-modem.h"

/* In place of a link and of what sets addresses: these note what they are asked, and do as they are told.
 * Defining all that is used of link.c and configure.c keeps the linker from taking these. */

static int net;
Net *fake_net = (Net *) &net;
LinkResult fake_link_result;
bool fake_link_silent;
const char *fake_problem;
char fake_events[1024];
static sd_event *fake_event;

struct Link {
        char dummy;
};

struct LinkUse {
        Link *link;
        LinkDone done;
        void *userdata;
        sd_event_source *source;
        uint8_t mux;
};

struct Configure {
        char address[_SESSION_FAMILY_MAX][INET6_ADDRSTRLEN];
};

static void fake_note(const char *format, ...) _printf_(1, 2);

static void fake_note(const char *format, ...) {
        size_t n = strlen(fake_events);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(fake_events + n, sizeof(fake_events) - n, format, ap);
        va_end(ap);
}

void fake_reset(sd_event *event) {
        fake_event = event;
        fake_link_silent = false;
        fake_problem = "";
        *fake_events = 0;
        fake_link_result =
                (LinkResult){ .interface = "wwan0", .mtu = 1500, .endpoint = { .type = 2, .interface = 4 } };
}

int link_new(Link **ret, Device *d, Net *n, const LinkOps *ops, void *userdata) {
        *ret = calloc(1, sizeof(Link));
        return *ret ? 0 : -ENOMEM;
}

Link *link_free(Link *l) {
        free(l);
        return NULL;
}

static int on_defer(sd_event_source *s, void *userdata) {
        LinkUse *u = userdata;

        u->done(u->link, &fake_link_result, u->userdata);
        return 0;
}

int link_use(Link *l, LinkMode mode, uint8_t mux, LinkDone done, void *userdata, LinkUse **ret) {
        LinkUse *u = calloc(1, sizeof(*u));

        check(u);
        *u = (LinkUse){ .link = l, .done = done, .userdata = userdata, .mux = mux };
        fake_note("use:%s:%u ", link_mode_to_string(mode), mux);
        if (!fake_link_silent)
                check(sd_event_add_defer(fake_event, &u->source, on_defer, u) >= 0);
        *ret = u;
        return 0;
}

LinkUse *link_use_free(LinkUse *u) {
        if (!u)
                return NULL;
        fake_note("unuse ");
        return link_use_detach(u);
}

LinkUse *link_use_detach(LinkUse *u) {
        if (!u)
                return NULL;
        sd_event_source_disable_unref(u->source);
        free(u);
        return NULL;
}

void link_use_save(const LinkUse *u, Packer *p) {
        pack_u8(p, u->mux);
}

int link_use_restore(Link *l, Unpacker *u, LinkUse **ret) {
        LinkUse *use = calloc(1, sizeof(*use));

        check(use);
        *use = (LinkUse){ .link = l, .mux = unpack_u8(u) };
        fake_note("restore-use:%u ", use->mux);
        *ret = use;
        return u->error;
}

const char *link_use_get_interface(const LinkUse *u) {
        return fake_link_result.interface;
}

uint8_t link_use_get_mux(const LinkUse *u) {
        return u->mux;
}

void link_on_place(Link *l) {
}

void link_on_modem(Link *l) {
}

void link_on_interface(Link *l, const char *name) {
        fake_note("interface:%s ", name);
}

void link_rest(Link *l) {
}

void link_save(const Link *l, Packer *p) {
}

int link_restore(Link *l, Unpacker *u) {
        return 0;
}

/* ---- */

static void keep(Configure *c, const SessionIp ip[static _SESSION_FAMILY_MAX]) {
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++)
                memcpy(c->address[i], ip[i].address, sizeof(c->address[i]));
        fake_note("[%s,%s] ", c->address[SESSION_IPV4], c->address[SESSION_IPV6]);
}

int configure_new(Configure **ret, Net *n, const char *interface, uint32_t mtu,
                  const SessionIp ip[static _SESSION_FAMILY_MAX]) {
        check(n == fake_net);
        if (streq(interface, "busy0"))
                return -EBUSY;
        *ret = calloc(1, sizeof(Configure));
        check(*ret);
        fake_note("configure:%s:%u", interface, mtu);
        keep(*ret, ip);
        return 0;
}

void configure_update(Configure *c, const SessionIp ip[static _SESSION_FAMILY_MAX]) {
        fake_note("update");
        keep(c, ip);
}

Configure *configure_free(Configure *c) {
        if (!c)
                return NULL;
        fake_note("unconfigure ");
        return configure_detach(c);
}

Configure *configure_detach(Configure *c) {
        free(c);
        return NULL;
}

void configure_save(const Configure *c, Packer *p) {
        pack_string(p, c->address[SESSION_IPV4]);
}

int configure_restore(Configure **ret, Net *n, Unpacker *u) {
        *ret = calloc(1, sizeof(Configure));
        check(*ret);
        fake_note("restore-configure:%s ", unpack_string(u));
        return u->error;
}

const char *configure_get_problem(const Configure *c) {
        return fake_problem;
}
