/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "modem/session-internal.h"
#include "util/log.h"

/* What outlives the daemon. The login is not in it. */

static void save_ip(const SessionIp *ip, Packer *p) {
        pack_bool(p, ip->is_set);
        pack_string(p, ip->address);
        pack_u8(p, ip->prefix);
        pack_string(p, ip->gateway);
        pack_u8(p, (uint8_t) ip->n_dns);
        for (unsigned i = 0; i < ip->n_dns; i++)
                pack_string(p, ip->dns[i]);
        pack_u32(p, ip->mtu);
}

static void save_end(const SessionEnd *e, Packer *p) {
        pack_u8(p, (uint8_t) e->kind);
        pack_u32(p, (uint32_t) e->error);
        pack_bool(p, e->has_call_end);
        pack_bool(p, e->has_verbose);
        pack_u16(p, e->call_end_reason);
        pack_u16(p, e->verbose_type);
        pack_u16(p, (uint16_t) e->verbose_reason);
        pack_string(p, e->text);
}

static void save_call(const Call *c, const SessionIp *ip, Packer *p) {
        pack_bool(p, c->grant.asked);
        pack_bool(p, c->grant.granted);
        pack_string(p, c->grant.reason);
        pack_u8(p, (uint8_t) c->state);
        pack_bool(p, c->suspended);
        pack_bool(p, c->adopted);
        pack_u32(p, c->handle);
        pack_u8(p, c->profile);
        pack_u32(p, c->client ? client_get_key(c->client) : 0);
        save_end(&c->end, p);
        save_ip(ip, p);
}

void session_save(Session *s, Packer *p) {
        size_t part;

        pack_u64(p, s->number);
        pack_u8(p, (uint8_t) s->state);
        save_end(s->state == SESSION_ENDED ? &s->end : &s->ending, p);
        pack_bool(p, s->finished);
        pack_string(p, s->apn ?: "");
        pack_bool(p, s->options.configure);
        pack_u64(p, s->since_usec);
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++)
                save_call(&s->calls[i], &s->ip[i], p);
        pack_string(p, s->interface);
        pack_u8(p, s->mux_id);
        pack_u32(p, s->mtu);
        part = pack_part_begin(p);
        if (s->link && s->has_link)
                link_use_save(s->link, p);
        pack_part_end(p, part);
        part = pack_part_begin(p);
        if (s->configure)
                configure_save(s->configure, p);
        pack_part_end(p, part);
}

/* ---- reading ---- */

/* What was written was shorter than there is room for. */
static void restore_text(Unpacker *u, char *ret, size_t size) {
        const char *text = unpack_string(u);

        if (strlen(text) >= size)
                unpack_fail(u);
        else
                memcpy(ret, text, strlen(text) + 1);
}

static void restore_ip(Unpacker *u, SessionIp *ip) {
        ip->is_set = unpack_bool(u);
        restore_text(u, ip->address, sizeof(ip->address));
        ip->prefix = unpack_u8(u);
        restore_text(u, ip->gateway, sizeof(ip->gateway));
        ip->n_dns = unpack_u8(u);
        if (ip->n_dns > SESSION_DNS_MAX) {
                ip->n_dns = 0;
                unpack_fail(u);
        }
        for (unsigned i = 0; i < ip->n_dns; i++)
                restore_text(u, ip->dns[i], sizeof(ip->dns[i]));
        ip->mtu = unpack_u32(u);
}

static void restore_end(Unpacker *u, SessionEnd *e) {
        e->kind = unpack_u8(u);
        e->error = (int) unpack_u32(u);
        e->has_call_end = unpack_bool(u);
        e->has_verbose = unpack_bool(u);
        e->call_end_reason = unpack_u16(u);
        e->verbose_type = unpack_u16(u);
        e->verbose_reason = (int16_t) unpack_u16(u);
        restore_text(u, e->text, sizeof(e->text));
        if (e->kind >= _SESSION_END_KIND_MAX)
                unpack_fail(u);
}

/* `ret_key`: of its client; 0: none. */
static void restore_call(Unpacker *u, Call *c, SessionIp *ip, uint32_t *ret_key) {
        c->grant.asked = unpack_bool(u);
        c->grant.granted = unpack_bool(u);
        restore_text(u, c->grant.reason, sizeof(c->grant.reason));
        c->state = unpack_u8(u);
        c->suspended = unpack_bool(u);
        c->adopted = unpack_bool(u);
        c->handle = unpack_u32(u);
        c->profile = unpack_u8(u);
        *ret_key = unpack_u32(u);
        restore_end(u, &c->end);
        restore_ip(u, ip);
        if (c->state >= _CALL_STATE_MAX)
                unpack_fail(u);
}

static int restore_link(Session *s, Unpacker *u) {
        Link *l = device_get_link(s->device);
        Unpacker part = unpack_part(u);
        int r;

        if (part.size == 0 || part.error)
                return part.error;
        s->has_link = true;
        if (!l) /* the interface is not there any more, or is another's */
                return -ENODEV;
        r = link_use_restore(l, &part, &s->link);
        return r < 0 ? r : unpack_end(&part);
}

static int restore_configure(Session *s, Unpacker *u) {
        Net *net = device_get_net(s->device);
        Unpacker part = unpack_part(u);
        int r;

        if (part.size == 0 || part.error)
                return part.error;
        if (!net)
                return -ENODEV;
        r = configure_restore(&s->configure, net, &part);
        return r < 0 ? r : unpack_end(&part);
}

/* Its calls are where they were, or it has none. */
static bool adopt_calls(Session *s, const uint32_t keys[static _SESSION_FAMILY_MAX]) {
        bool any = false;

        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++) {
                Call *c = &s->calls[i];

                if (c->state != CALL_UP)
                        continue;
                c->client = mux_adopt_client(s->mux, keys[i], &s->owner, &call_client_ops, c);
                if (!c->client)
                        return false;
                any = true;
        }
        return any;
}

static void end_restored(Session *s, SessionEndKind kind, const char *text) {
        SessionEnd end = { .kind = kind };

        session_end_text(&end, "%s", text);
        session_end_now(s, &end);
}

static void go_on(Session *s, bool finished, bool has_calls, bool crashed) {
        switch (s->state) {
        case SESSION_CONNECTING:
                /* Whoever waited for it got an error, or has gone with the daemon. */
                end_restored(s, SESSION_END_RESTART, "qmid was restarted before it was connected");
                break;
        case SESSION_CONNECTED:
                if (finished)
                        session_end_now(s, &s->ending);
                else if (!has_calls)
                        end_restored(s, SESSION_END_MODEM_RESET, "the modem has lost it");
                else {
                        s->unverified = crashed;
                        s->configure_again = s->configure;
                        session_tell_later(s, 0);
                }
                break;
        case SESSION_DISCONNECTING:
                s->stop_when_ready = has_calls && !finished;
                if (s->stop_when_ready)
                        session_set_timer(s, SESSION_STOP_USEC);
                else
                        session_end_now(s, &s->ending);
                break;
        case SESSION_ENDED:
                session_tell_later(s, SESSION_CHANGE_STATE);
                break;
        case _SESSION_STATE_MAX:
        case _SESSION_STATE_INVALID:
                break;
        }
}

int session_restore(Session **ret, Device *d, Unpacker *u, bool crashed, const SessionOps *ops,
                    void *userdata) {
        _cleanup_(session_freep) Session *s = NULL;
        uint32_t keys[_SESSION_FAMILY_MAX];
        const char *apn;
        bool finished;
        int r, k;

        r = session_new_empty(&s, d, 0, ops, userdata);
        if (r < 0)
                return r;
        session_set_number(s, unpack_u64(u));
        s->state = unpack_u8(u);
        restore_end(u, s->state == SESSION_ENDED ? &s->end : &s->ending);
        finished = unpack_bool(u);
        apn = unpack_string(u);
        s->options.configure = unpack_bool(u);
        s->since_usec = unpack_u64(u);
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++) {
                restore_call(u, &s->calls[i], &s->ip[i], &keys[i]);
                s->options.families[i] = s->calls[i].grant.asked;
        }
        restore_text(u, s->interface, sizeof(s->interface));
        s->mux_id = unpack_u8(u);
        s->mtu = unpack_u32(u);
        if (s->state >= _SESSION_STATE_MAX)
                unpack_fail(u);
        if (u->error)
                return u->error;
        if (*apn && !(s->apn = strdup(apn)))
                return -ENOMEM;

        r = restore_link(s, u);
        k = restore_configure(s, u);
        if (u->error || r == -EBADMSG || k == -EBADMSG)
                return -EBADMSG;
        if (r == -ENOMEM || k == -ENOMEM)
                return -ENOMEM;
        if (r < 0 && s->state != SESSION_ENDED) {
                end_restored(s, SESSION_END_LINK_LAYER, "its network interface is not there any more");
                s->ending.error = r;
        } else
                go_on(s, finished, s->state != SESSION_CONNECTING && adopt_calls(s, keys), crashed);
        *ret = TAKE_PTR(s);
        return 0;
}
