/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>

#include "modem/link-internal.h"
#include "net/qmi-sysfs.h"
#include "util/log.h"

/* The steps from what is there to what is wanted. What waits for the modem comes back to the step behind it;
 * the kernel answers at once. */

const char *link_step_to_string(LinkStep s) {
        static const char *const names[_LINK_STEP_MAX] = {
                [LINK_STEP_READ_MODEM] = "reading the modem's format",
                [LINK_STEP_READ_HOST] = "reading the interface's format",
                [LINK_STEP_CHOOSE] = "choosing a format",
                [LINK_STEP_DOWN] = "taking the interface down",
                [LINK_STEP_SET_MODEM] = "setting the modem's format",
                [LINK_STEP_SET_HOST] = "setting the interface's format",
                [LINK_STEP_READ_BACK] = "reading back what was set",
                [LINK_STEP_ADD_MUX] = "adding a mux",
                [LINK_STEP_UP] = "taking the interface up",
        };

        return names[s];
}

void link_raise_again(Link *l) {
        int r;

        if (!l->lowered)
                return;
        r = net_set_up(l->net, l->host.interface.index, true);
        if (r < 0 && r != -ENODEV)
                log_warning_errno(r, "%s: cannot take %s up again", device_get_name(l->device),
                                  l->host.interface.name);
        l->lowered = false;
}

void link_finish(Link *l, LinkResult *result) {
        LinkUse *u = l->current;

        l->current = NULL;
        u->waits = false;
        if (result->error < 0) {
                link_raise_again(l);
                l->look = true; /* it may have taken something all the same */
                /* What one asks for in vain while all is well for others is no problem of the link. */
                if ((u->holds || u == l->own) && result->step != LINK_STEP_CHOOSE && !link_is_held(l, u))
                        (void) snprintf(l->failure, sizeof(l->failure), "%s", result->text);
        } else
                *l->failure = '\0';
        u->holds = u->holds && result->error == 0;
        (void) link_host_read(&l->host, l->net, link_name(l));
        link_tell(l);
        link_schedule(l);
        u->done(l, result, u->userdata);
}

static void link_fail(Link *l, LinkStep step, int error, const char *format, ...) _printf_(4, 5);
static void link_fail(Link *l, LinkStep step, int error, const char *format, ...) {
        LinkResult result = { .error = error, .step = step };
        char why[LINK_TEXT_MAX - 40U]; /* behind the step */
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(why, sizeof(why), format, ap);
        va_end(ap);
        (void) snprintf(result.text, sizeof(result.text), "%s: %s", link_step_to_string(step), why);
        link_finish(l, &result);
}

/* `error`: as LinkModemDone has it. */
static void link_fail_modem(Link *l, LinkStep step, int error) {
        const char *symbol = error > 0 ? schema_error_symbol((uint16_t) error) : NULL;

        if (error > 0)
                link_fail(l, step, -EOPNOTSUPP, "the modem refuses: %s (QMI error %d)", symbol ?: "unknown",
                          error);
        else if (error == -ETIMEDOUT)
                link_fail(l, step, error, "the modem did not answer in time");
        else if (error == -ENODEV)
                link_fail(l, step, error, "the modem cannot be asked now");
        else if (error == -EOPNOTSUPP)
                link_fail(l, step, error, "this modem has no WDA, and without it there is no such format");
        else
                link_fail(l, step, error, "%s", strerror(-error));
}

static void link_fail_host(Link *l, LinkStep step, int error) {
        const char *name = l->host.interface.index > 0 ? l->host.interface.name : link_name(l);

        if (error == -ENODEV)
                link_fail(l, step, error, "there is no interface %s any more", name);
        else
                link_fail(l, step, error, "%s: %s", name, strerror(-error));
}

/* ---- the end ---- */

static void link_succeed(Link *l) {
        LinkUse *u = l->current;
        LinkResult result = { .mux = u->mux, .endpoint = l->port.endpoint };

        result.mtu = u->mode == LINK_OFF ? l->host.interface.mtu : link_mtu(&l->target);
        if (u->mux == 0)
                (void) snprintf(u->interface, sizeof(u->interface), "%s", l->host.interface.name);
        result.interface = u->interface;
        link_finish(l, &result);
}

static void link_take_up(Link *l) {
        bool for_mux = l->current->mux > 0;
        int r;

        if (!l->lowered && (!for_mux || l->host.interface.up)) {
                link_succeed(l);
                return;
        }
        r = net_set_up(l->net, l->host.interface.index, true);
        if (r < 0) {
                link_give_back(l, l->current);
                link_fail_host(l, LINK_STEP_UP, r);
                return;
        }
        l->raised = l->raised || !l->lowered;
        l->lowered = false;
        link_succeed(l);
}

static uint8_t link_find_free_mux(const Link *l) {
        for (uint8_t id = 1; id <= LINK_MUX_MAX; id++)
                if (!link_host_find_mux(&l->host, id) && !link_has_mux(l, id))
                        return id;
        return 0;
}

static void link_add_mux(Link *l) {
        LinkUse *u = l->current;
        const LinkMux *mux;
        uint8_t id;
        int r;

        if (l->agreed.mode == LINK_OFF || !link_format_equal(&l->agreed, &l->target))
                log_info("%s: %s and the modem speak %s", device_get_name(l->device), l->host.interface.name,
                         link_format_to_string(l->target.mode));
        l->agreed = l->target;
        if (!u->holds || l->target.mode != LINK_QMAP) {
                link_take_up(l);
                return;
        }
        id = u->asked ?: link_find_free_mux(l);
        if (id == 0) {
                link_fail(l, LINK_STEP_ADD_MUX, -EBUSY, "all %u muxes of %s are in use", LINK_MUX_MAX,
                          l->host.interface.name);
                return;
        }
        r = link_host_add_mux(&l->host, l->net, id, link_mtu(&l->target), &mux);
        if (r < 0) {
                link_fail_host(l, LINK_STEP_ADD_MUX, r);
                return;
        }
        u->mux = id;
        memcpy(u->interface, mux->interface, sizeof(u->interface));
        link_take_up(l);
}

/* ---- the host's side ---- */

static void link_set_host(Link *l) {
        const char *name = link_name(l);
        int r;

        if (link_host_fits(&l->host, &l->target)) {
                link_add_mux(l);
                return;
        }
        r = link_host_set(&l->host, l->net, &l->target);
        if (r == -EIO)
                link_fail(l, LINK_STEP_READ_BACK, r,
                          "%s was set to %s with an MTU of %u, and says %s with an MTU of %u", name,
                          link_format_to_string(l->target.mode), link_parent_mtu(&l->target),
                          link_format_to_string(link_host_format(&l->host).mode), l->host.interface.mtu);
        else if (r < 0)
                link_fail_host(l, LINK_STEP_SET_HOST, r);
        else
                link_add_mux(l);
}

/* ---- the modem's side ---- */

/* Of what was asked for the modem has set what it can. */
static void link_compare(Link *l) {
        LinkUse *u = l->current;
        uint32_t room = link_qmap_size(l->host.interface.max_mtu);

        if (l->modem.mode == LINK_QMAP && l->modem.downlink_max_size == 0)
                l->modem.downlink_max_size = l->target.downlink_max_size; /* it does not say */
        if (l->modem.mode != l->target.mode) {
                bool plain =
                        l->modem.mode == LINK_802_3 || (l->modem.mode == LINK_RAW_IP && l->host.can_raw_ip);

                if (l->wanted != LINK_AUTO || u->asked > 0 || !plain || link_is_held(l, u)) {
                        link_fail(l, LINK_STEP_READ_BACK, -EOPNOTSUPP,
                                  "the modem was told %s, and says %s; %s can %s",
                                  link_format_to_string(l->target.mode),
                                  link_format_to_string(l->modem.mode), l->host.interface.name,
                                  l->host.can_raw_ip ? "do both 802.3 and raw IP" : "only do 802.3");
                        return;
                }
        } else if (l->modem.mode == LINK_QMAP &&
                   (l->modem.downlink_max_size > room || l->modem.downlink_max_size < QMAP_SIZE_MIN)) {
                link_fail(l, LINK_STEP_READ_BACK, -EOPNOTSUPP,
                          "the modem was told to send up to %u bytes at once, and says %u; %s has room for "
                          "%u to %u",
                          l->target.downlink_max_size, l->modem.downlink_max_size, l->host.interface.name,
                          QMAP_SIZE_MIN, room);
                return;
        }
        l->target = l->modem;
        link_set_host(l);
}

static void on_read_back(LinkModem *m, int error, const LinkFormat *format, void *userdata) {
        Link *l = userdata;

        if (error != 0) {
                link_fail_modem(l, LINK_STEP_READ_BACK, error);
                return;
        }
        l->modem = *format;
        link_compare(l);
}

static void on_set(LinkModem *m, int error, const LinkFormat *format, void *userdata) {
        Link *l = userdata;
        int r;

        if (error > 0 && !link_modem_is_readable(m) &&
            (l->wanted == LINK_AUTO || l->target.mode == LINK_802_3)) {
                /* Those that know neither WDA nor that message of CTL have nothing but 802.3. */
                l->modem = (LinkFormat){ .mode = LINK_802_3 };
                link_compare(l);
                return;
        }
        if (error != 0) {
                link_fail_modem(l, LINK_STEP_SET_MODEM, error);
                return;
        }
        if (!link_modem_is_readable(m)) {
                l->modem = *format;
                link_compare(l);
                return;
        }
        r = link_modem_read(m, on_read_back, l);
        if (r < 0)
                link_fail_modem(l, LINK_STEP_READ_BACK, r);
}

static void link_set_modem(Link *l) {
        int r;

        r = link_modem_set(&l->port, &l->target, on_set, l);
        if (r < 0) {
                link_fail_modem(l, LINK_STEP_SET_MODEM, r);
                return;
        }
        l->modem = (LinkFormat){ .mode = LINK_OFF }; /* who knows, if the daemon ends here */
        l->ops->on_save(l, l->userdata);
}

/* ---- what is to be done ---- */

static bool modem_fits(const Link *l, LinkMode mode) {
        return l->modem.mode == mode &&
               (mode != LINK_QMAP ||
                (l->modem.downlink_max_size >= QMAP_SIZE_MIN &&
                 l->modem.downlink_max_size <= link_qmap_size(l->host.interface.max_mtu)));
}

static const LinkMux *find_strange_mux(const Link *l) {
        for (size_t i = 0; i < l->host.n_muxes; i++)
                if (!link_has_mux(l, l->host.muxes[i].id))
                        return &l->host.muxes[i];
        return NULL;
}

/* Before something is changed that somebody else may rely on. */
static bool link_is_somebodys(Link *l) {
        const LinkMux *mux = find_strange_mux(l);

        if (mux)
                link_fail(l, LINK_STEP_CHOOSE, -EBUSY,
                          "somebody else has mux %u (%s) on %s, which speaks %s, the modem %s, and not %s; "
                          "echo "
                          "%u > /sys/class/net/%s/qmi/del_mux removes it",
                          mux->id, mux->interface, l->host.interface.name,
                          link_format_to_string(link_host_format(&l->host).mode),
                          link_format_to_string(l->modem.mode), link_format_to_string(l->target.mode),
                          mux->id, l->host.interface.name);
        else if (l->host.interface.up && *l->host.stranger)
                link_fail(l, LINK_STEP_DOWN, -EBUSY,
                          "%s is up and has the address %s, which somebody else has set; it speaks %s, the "
                          "modem %s, and both are to speak %s",
                          l->host.interface.name, l->host.stranger,
                          link_format_to_string(link_host_format(&l->host).mode),
                          link_format_to_string(l->modem.mode), link_format_to_string(l->target.mode));
        else
                return false;
        return true;
}

/* 0; else it has failed. */
static int link_lower(Link *l) {
        int r;

        if (!l->host.interface.up)
                return 0;
        r = net_set_up(l->net, l->host.interface.index, false);
        if (r < 0) {
                link_fail_host(l, LINK_STEP_DOWN, r);
                return r;
        }
        /* What was up for muxes of ours was up for nobody else. */
        l->lowered = !l->raised;
        l->raised = false;
        l->ops->on_save(l, l->userdata);
        return 0;
}

static void link_change(Link *l, bool held) {
        bool modem = modem_fits(l, l->target.mode), host;

        if (modem)
                l->target = l->modem;
        host = link_host_fits(&l->host, &l->target);
        if (modem && host) {
                link_add_mux(l);
                return;
        }
        if (held && !host) {
                link_fail(l, LINK_STEP_CHOOSE, -EBUSY,
                          "sessions are up with %s, and somebody has changed %s",
                          link_format_to_string(l->agreed.mode), l->host.interface.name);
                return;
        }
        /* Of a modem that has forgotten its format nothing comes: the host may stay as it is. */
        if (!held && (link_is_somebodys(l) || link_lower(l) < 0))
                return;
        if (modem)
                link_set_host(l);
        else
                link_set_modem(l);
}

static void link_choose_target(Link *l) {
        LinkUse *u = l->current;
        bool held = link_is_held(l, u);
        LinkMode mode = LINK_OFF;
        int r;

        r = link_choose(l->wanted, u->asked > 0, l->host.can_raw_ip, held ? l->agreed.mode : LINK_OFF,
                        &mode);
        if (r == -EINVAL)
                link_fail(l, LINK_STEP_CHOOSE, r, "mux %u was asked for, and %s has none", u->asked,
                          link_mode_to_string(l->wanted));
        else if (r == -EBUSY)
                link_fail(l, LINK_STEP_CHOOSE, r, "sessions are up with %s, and %s was asked for",
                          link_format_to_string(l->agreed.mode),
                          u->asked > 0 ? "a mux" : link_mode_to_string(l->wanted));
        else if (r < 0)
                link_fail(l, LINK_STEP_CHOOSE, r, "the driver of %s has only 802.3", l->host.interface.name);
        if (r < 0)
                return;
        if (held && u->holds && mode != LINK_QMAP) {
                link_fail(l, LINK_STEP_CHOOSE, -ENOBUFS,
                          "the one session that there can be in %s is up, as nobody could tell the packets "
                          "of two apart; if the first one connects with link_layer qmap, there can be %u",
                          link_mode_to_string(mode), LINK_MUX_MAX);
                return;
        }
        if (u->asked > 0 && (link_has_mux(l, u->asked) || link_host_find_mux(&l->host, u->asked))) {
                link_fail(l, LINK_STEP_CHOOSE, -EBUSY, "mux %u is in use already, by %s", u->asked,
                          link_has_mux(l, u->asked) ? "a session" : "somebody else");
                return;
        }
        l->target = (LinkFormat){ .mode = mode };
        if (mode == LINK_QMAP) {
                l->target.downlink_max_size = link_qmap_size(l->host.interface.max_mtu);
                l->target.downlink_max_datagrams = QMAP_DATAGRAMS_WANTED;
        }
        link_change(l, held);
}

/* Nothing is set: the packets go where somebody else has made them go. */
static void link_leave(Link *l) {
        LinkUse *u = l->current;
        const LinkMux *mux = u->asked > 0 ? link_host_find_mux(&l->host, u->asked) : NULL;

        u->mode = LINK_OFF;
        if (u->asked > 0 && !mux) {
                link_fail(l, LINK_STEP_CHOOSE, -ENODEV,
                          "%s has no mux %u, and the mode is off: none is added", l->host.interface.name,
                          u->asked);
                return;
        }
        if (mux) {
                u->mux = mux->id;
                memcpy(u->interface, mux->interface, sizeof(u->interface));
        }
        link_succeed(l);
}

static void link_read_host(Link *l) {
        int r;

        r = link_host_read(&l->host, l->net, link_name(l));
        if (r < 0)
                link_fail_host(l, LINK_STEP_READ_HOST, r);
        else if (l->wanted == LINK_OFF)
                link_leave(l);
        else
                link_choose_target(l);
}

static void on_read(LinkModem *m, int error, const LinkFormat *format, void *userdata) {
        Link *l = userdata;

        if (error < 0) {
                link_fail_modem(l, LINK_STEP_READ_MODEM, error);
                return;
        }
        /* One that does not say it may take it all the same. */
        l->modem = *format;
        link_read_host(l);
}

void link_begin(Link *l, LinkUse *u) {
        int r;

        l->wanted = u->mode == LINK_AUTO ? link_get_mode(l) : u->mode;
        if (!mux_is_live(device_get_mux(l->device))) {
                link_fail_modem(l, LINK_STEP_READ_MODEM, -ENODEV);
                return;
        }
        if (l->wanted == LINK_OFF || !link_modem_is_readable(&l->port)) {
                link_read_host(l);
                return;
        }
        r = link_modem_read(&l->port, on_read, l);
        if (r < 0)
                link_fail_modem(l, LINK_STEP_READ_MODEM, r);
}

void link_abandon(Link *l) {
        link_modem_cancel(&l->port);
        l->current = NULL;
        link_raise_again(l);
}

void link_give_back(Link *l, LinkUse *u) {
        const char *name = link_name(l);
        const LinkMux *mux;
        int r = 0;

        u->holds = false;
        if (u->mode == LINK_OFF || u->mux == 0 || link_host_read(&l->host, l->net, name) < 0)
                return;
        mux = link_host_find_mux(&l->host, u->mux);
        if (mux && streq(mux->interface, u->interface))
                r = qmi_sysfs_del_mux(name, u->mux);
        if (r >= 0 && l->raised && !link_is_held(l, u)) {
                r = net_set_up(l->net, l->host.interface.index, false);
                l->raised = false;
        }
        if (r < 0 && r != -ENODEV)
                log_warning_errno(r, "%s: cannot take mux %u away", name, u->mux);
        u->mux = 0;
}
