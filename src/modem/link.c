/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem/link.h"

#include <stdio.h>

#include "modem/link-internal.h"
#include "util/log.h"

/* A driver's own name for the interface of a mux, which udev may change later. */
#define MUX_PREFIX "qmimux"

const char *link_name(const Link *l) {
        const DevicePlace *p = device_get_place(l->device);

        return *p->interfaces ?: "";
}

bool link_is_held(const Link *l, const LinkUse *except) {
        const LinkUse *u;

        TAILQ_FOREACH(u, &l->uses, entry)
                if (u != except && u->holds && !u->waits && u->mode != LINK_OFF)
                        return true;
        return false;
}

bool link_has_mux(const Link *l, uint8_t id) {
        const LinkUse *u;

        TAILQ_FOREACH(u, &l->uses, entry)
                if (u->mux == id && u->mode != LINK_OFF)
                        return true;
        return false;
}

/* ---- what is there ---- */

static void link_judge(Link *l) {
        for (size_t i = 0; i < l->host.n_muxes; i++)
                l->host.muxes[i].ours = link_has_mux(l, l->host.muxes[i].id);
        link_report(
                &(LinkFacts){ .modem = &l->modem, .host = &l->host, .agreed = l->agreed.mode != LINK_OFF },
                l->problem);
        if (!*l->problem && *l->failure)
                (void) snprintf(l->problem, sizeof(l->problem), "%s", l->failure);
}

/* What of the host can be seen, as a text: whether something has changed. */
typedef struct Shown {
        LinkFormat host;
        bool up;
        uint32_t mtu;
        size_t n_muxes;
        char stranger[LINK_ADDRESS_MAX], problem[LINK_TEXT_MAX];
} Shown;

static void link_show(const Link *l, Shown *ret) {
        *ret = (Shown){ .host = link_host_format(&l->host),
                        .up = l->host.interface.up,
                        .mtu = l->host.interface.mtu,
                        .n_muxes = l->host.n_muxes };
        (void) snprintf(ret->stranger, sizeof(ret->stranger), "%s", l->host.stranger);
        (void) snprintf(ret->problem, sizeof(ret->problem), "%s", l->problem);
}

static bool shown_equal(const Shown *a, const Shown *b) {
        return link_format_equal(&a->host, &b->host) && a->up == b->up && a->mtu == b->mtu &&
               a->n_muxes == b->n_muxes && streq(a->stranger, b->stranger) && streq(a->problem, b->problem);
}

int link_refresh(Link *l) {
        Shown before, after;
        int r;

        link_show(l, &before);
        r = link_host_read(&l->host, l->net, link_name(l));
        if (r < 0 && r != -ENODEV)
                log_debug_errno(r, "%s: cannot look at %s", device_get_name(l->device), link_name(l));
        link_judge(l);
        link_show(l, &after);
        if (shown_equal(&before, &after))
                return 0;
        l->ops->on_changed(l, l->userdata);
        return 1;
}

void link_tell(Link *l) {
        link_judge(l);
        l->ops->on_save(l, l->userdata);
        l->ops->on_changed(l, l->userdata);
}

/* ---- one after the other ---- */

static void on_look(LinkModem *m, int error, const LinkFormat *format, void *userdata) {
        Link *l = userdata;

        l->looking = false;
        if (error == 0 && !link_format_equal(&l->modem, format)) {
                l->modem = *format;
                /* It has forgotten, or somebody else has set it. */
                if (l->modem.mode != l->agreed.mode && !link_is_held(l, NULL))
                        l->agreed = (LinkFormat){ .mode = LINK_OFF };
                link_tell(l);
        } else if (error != 0)
                log_debug("%s: the modem does not say its data format", device_get_name(l->device));
        link_schedule(l);
}

/* What it uses, for whoever wants to know; a modem whose interface is not here is left alone. */
static void link_look(Link *l) {
        l->look = false;
        if (l->host.interface.index == 0 || !mux_is_live(device_get_mux(l->device)) ||
            !link_modem_is_readable(&l->port))
                return;
        l->looking = link_modem_read(&l->port, on_look, l) >= 0;
}

static int on_next(sd_event_source *s, void *userdata) {
        Link *l = userdata;
        LinkUse *u;

        if (l->current || l->looking)
                return 0;
        TAILQ_FOREACH(u, &l->uses, entry)
                if (u->waits) {
                        l->current = u;
                        link_begin(l, u);
                        return 0;
                }
        if (l->look)
                link_look(l);
        return 0;
}

void link_schedule(Link *l) {
        (void) sd_event_source_set_enabled(l->next, SD_EVENT_ONESHOT);
}

/* ---- uses ---- */

static int link_add_use(Link *l, LinkUse use, LinkUse **ret) {
        LinkUse *u;

        u = malloc(sizeof(*u));
        if (!u)
                return -ENOMEM;
        *u = use;
        u->link = l;
        TAILQ_INSERT_TAIL(&l->uses, u, entry);
        link_schedule(l);
        *ret = u;
        return 0;
}

int link_use(Link *l, LinkMode mode, uint8_t mux, LinkDone done, void *userdata, LinkUse **ret) {
        if (mode < 0 || mode >= _LINK_MODE_MAX || mux > LINK_MUX_MAX)
                return -EINVAL;
        return link_add_use(l,
                            (LinkUse){ .mode = mode,
                                       .asked = mux,
                                       .holds = true,
                                       .waits = true,
                                       .done = done,
                                       .userdata = userdata },
                            ret);
}

int link_set_up(Link *l, LinkMode mode, LinkDone done, void *userdata, LinkUse **ret) {
        if (mode < 0 || mode >= _LINK_MODE_MAX)
                return -EINVAL;
        return link_add_use(l, (LinkUse){ .mode = mode, .waits = true, .done = done, .userdata = userdata },
                            ret);
}

LinkUse *link_use_detach(LinkUse *u) {
        if (!u)
                return NULL;
        if (u->link->current == u) {
                link_modem_cancel(&u->link->port);
                u->link->current = NULL;
        }
        TAILQ_REMOVE(&u->link->uses, u, entry);
        free(u);
        return NULL;
}

LinkUse *link_use_free(LinkUse *u) {
        bool held;
        Link *l;

        if (!u)
                return NULL;
        l = u->link;
        held = u->holds && !u->waits;
        if (l->current == u)
                link_abandon(l);
        else if (held)
                link_give_back(l, u);
        else
                return link_use_detach(u);
        link_use_detach(u);
        (void) link_host_read(&l->host, l->net, link_name(l));
        link_tell(l);
        link_schedule(l);
        return NULL;
}

const char *link_use_get_interface(const LinkUse *u) {
        return u->interface;
}

uint8_t link_use_get_mux(const LinkUse *u) {
        return u->mux;
}

void link_use_save(const LinkUse *u, Packer *p) {
        pack_u8(p, (uint8_t) u->mode);
        pack_u8(p, u->mux);
        pack_string(p, u->interface);
}

/* It becomes the name of a file. */
static bool interface_name_is_valid(const char *s) {
        return *s && strlen(s) < IF_NAMESIZE && !strchr(s, '/') && *s != '.';
}

int link_use_restore(Link *l, Unpacker *u, LinkUse **ret) {
        LinkUse use = { .holds = true };
        const char *interface;

        use.mode = (LinkMode) unpack_u8(u);
        use.mux = unpack_u8(u);
        interface = unpack_string(u);
        if (u->error || use.mode >= _LINK_MODE_MAX || use.mux > LINK_MUX_MAX ||
            !interface_name_is_valid(interface) ||
            (use.mux > 0 && use.mode != LINK_OFF && link_has_mux(l, use.mux)))
                return -EBADMSG;
        memcpy(use.interface, interface, strlen(interface) + 1);
        return link_add_use(l, use, ret);
}

/* ---- what is wanted ---- */

LinkMode link_get_mode(Link *l) {
        return l->mode != _LINK_MODE_INVALID ? l->mode : device_get_place(l->device)->link_mode;
}

static bool link_is_asked_for(const Link *l) {
        return l->mode != _LINK_MODE_INVALID || device_get_place(l->device)->has_link_mode;
}

static void on_own(Link *l, const LinkResult *result, void *userdata) {
        l->own_failed = result->error < 0;
        if (result->error < 0)
                log_warning("%s: %s", device_get_name(l->device), result->text);
        l->own = link_use_free(l->own);
}

/* It was asked for by name, or sessions are up, and the modem may have forgotten. */
static void link_set_up_own(Link *l) {
        bool held = link_is_held(l, NULL);
        int r;

        if (l->own || (!held && (!link_is_asked_for(l) || link_get_mode(l) == LINK_OFF)))
                return;
        r = link_set_up(l, held ? l->agreed.mode : LINK_AUTO, on_own, NULL, &l->own);
        if (r < 0)
                log_warning_errno(r, "%s: cannot set up the link", device_get_name(l->device));
}

LinkMode link_set_mode(Link *l, LinkMode mode) {
        LinkMode before = l->mode;

        if (before != mode) {
                l->mode = mode;
                link_tell(l);
        }
        return before;
}

/* ---- what happens ---- */

static bool link_take_place(Link *l) {
        const DevicePlace *p = device_get_place(l->device);
        bool new_wish = l->place_asks != p->has_link_mode || l->place_mode != p->link_mode;

        l->port.endpoint = link_endpoint(p->driver, p->interface_number);
        l->place_asks = p->has_link_mode;
        l->place_mode = p->link_mode;
        return new_wish;
}

void link_on_place(Link *l) {
        bool new_wish = link_take_place(l);
        int index = l->host.interface.index;
        bool changed = link_refresh(l) > 0;

        if (l->host.interface.index != index) /* another one: nobody has done anything to it */
                l->raised = l->lowered = false;
        /* udev hands the files over when it is nearly done with a new device, and tells of that again. */
        if ((new_wish || l->own_failed) && mux_get_state(device_get_mux(l->device)) == MUX_READY)
                link_set_up_own(l);
        if (changed || new_wish) {
                l->look = true;
                link_schedule(l);
        }
}

void link_on_modem(Link *l) {
        bool fresh = l->fresh;

        if (!mux_is_live(device_get_mux(l->device))) {
                l->fresh = false;
                if (l->modem.mode != LINK_OFF) {
                        l->modem = (LinkFormat){ .mode = LINK_OFF };
                        link_tell(l);
                }
                return;
        }
        if (mux_get_state(device_get_mux(l->device)) != MUX_READY)
                return;
        l->fresh = false;
        if (!l->current)
                link_raise_again(l); /* the last daemon had no time to */
        if (fresh)
                return;
        l->look = true;
        link_set_up_own(l);
        link_schedule(l);
}

void link_on_interface(Link *l, const char *name) {
        bool concerns = !name || !*name || streq(name, link_name(l)) ||
                        strncmp(name, MUX_PREFIX, strlen(MUX_PREFIX)) == 0;

        for (size_t i = 0; !concerns && i < l->host.n_muxes; i++)
                concerns = streq(name, l->host.muxes[i].interface);
        if (!concerns || l->current || link_refresh(l) == 0)
                return;
        if (*l->failure) { /* things are different now */
                *l->failure = '\0';
                link_tell(l);
        }
        /* Whoever changes something there may have changed something at the modem, too. */
        l->look = true;
        link_schedule(l);
}

void link_rest(Link *l) {
        if (l->current)
                link_abandon(l);
        link_modem_cancel(&l->port);
        (void) sd_event_source_set_enabled(l->next, SD_EVENT_OFF);
        l->looking = true; /* for ever */
}

/* ---- what is known ---- */

static const char *link_get_manager(const Link *l) {
        for (size_t i = 0; i < l->host.n_muxes; i++)
                if (!l->host.muxes[i].ours)
                        return "other";
        if (l->agreed.mode != LINK_OFF)
                return "qmid";
        return *l->host.stranger ? "other" : "nobody";
}

void link_get_status(Link *l, LinkStatus *ret) {
        *ret = (LinkStatus){
                .mode = link_get_mode(l),
                .modem = l->modem,
                .host = link_host_format(&l->host),
                .agreed = l->agreed.mode,
                .interface = l->host.interface.name,
                .mtu = l->host.interface.mtu,
                .up = l->host.interface.up,
                .muxes = l->host.muxes,
                .n_muxes = l->host.n_muxes,
                .manager = link_get_manager(l),
                .problem = l->problem,
        };
}

unsigned link_get_max_sessions(Link *l) {
        LinkMode mode = link_get_mode(l);

        if (link_is_held(l, NULL))
                mode = l->agreed.mode;
        return mode == LINK_QMAP ? LINK_MUX_MAX : 1;
}

/* ---- over a restart ---- */

static void pack_format(Packer *p, const LinkFormat *f) {
        pack_u8(p, (uint8_t) f->mode);
        pack_u32(p, f->downlink_max_datagrams);
        pack_u32(p, f->downlink_max_size);
        pack_u32(p, f->uplink_max_datagrams);
        pack_u32(p, f->uplink_max_size);
}

static LinkFormat unpack_format(Unpacker *u) {
        LinkFormat f = { .mode = (LinkMode) unpack_u8(u) };

        f.downlink_max_datagrams = unpack_u32(u);
        f.downlink_max_size = unpack_u32(u);
        f.uplink_max_datagrams = unpack_u32(u);
        f.uplink_max_size = unpack_u32(u);
        if (f.mode == LINK_AUTO || f.mode >= _LINK_MODE_MAX)
                unpack_fail(u);
        return f;
}

void link_save(const Link *l, Packer *p) {
        pack_bool(p, l->mode != _LINK_MODE_INVALID);
        pack_u8(p, (uint8_t) (l->mode != _LINK_MODE_INVALID ? l->mode : LINK_AUTO));
        pack_format(p, &l->modem);
        pack_format(p, &l->agreed);
        pack_bool(p, l->raised);
        pack_bool(p, l->lowered);
}

int link_restore(Link *l, Unpacker *u) {
        bool has_mode = unpack_bool(u);
        LinkMode mode = (LinkMode) unpack_u8(u);
        LinkFormat modem = unpack_format(u), agreed = unpack_format(u);
        bool raised = unpack_bool(u), lowered = unpack_bool(u);

        if (u->error || mode >= _LINK_MODE_MAX)
                return -EBADMSG;
        l->mode = has_mode ? mode : _LINK_MODE_INVALID;
        l->modem = modem;
        l->agreed = agreed;
        l->raised = raised;
        l->lowered = lowered;
        l->fresh = modem.mode != LINK_OFF && port_get_fd(mux_get_port(device_get_mux(l->device))) >= 0;
        return 0;
}

int link_new(Link **ret, Device *d, Net *net, const LinkOps *ops, void *userdata) {
        _cleanup_(link_freep) Link *l = NULL;
        int r;

        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        TAILQ_INIT(&l->uses);
        l->device = d;
        l->net = net;
        l->ops = ops;
        l->userdata = userdata;
        l->mode = _LINK_MODE_INVALID;
        l->modem.mode = l->agreed.mode = LINK_OFF;
        l->port.mux = device_get_mux(d);
        (void) link_take_place(l);
        r = sd_event_add_defer(device_get_event(d), &l->next, on_next, l);
        if (r >= 0)
                r = sd_event_source_set_enabled(l->next, SD_EVENT_OFF);
        if (r < 0)
                return r;
        (void) link_host_read(&l->host, net, link_name(l));
        link_judge(l);
        *ret = TAKE_PTR(l);
        return 0;
}

Link *link_free(Link *l) {
        LinkUse *u;

        if (!l)
                return NULL;
        while ((u = TAILQ_FIRST(&l->uses)))
                link_use_detach(u);
        link_modem_cancel(&l->port);
        link_host_done(&l->host);
        sd_event_source_disable_unref(l->next);
        free(l);
        return NULL;
}
