/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mux/mux-internal.h"
#include "qmi/codec.h"
#include "qmi/tlv.h"
#include "util/pack.h"

/* An answer to what was asked before a crash may come so long. */
#define CRASHED_USEC EXPIRED_USEC

const SchemaMessage *mux_find_row(Mux *m, uint16_t service, uint16_t message) {
        const SchemaService *s = schema_service_by_id(service, m->vendor);

        return s ? schema_message_by_id(s, false, message, m->vendor) : NULL;
}

/* ---- writing ---- */

static void save_statistics(Packer *p, const MuxStatistics *s) {
        pack_u64(p, s->n_requests);
        pack_u64(p, s->n_responses);
        pack_u64(p, s->n_indications);
        pack_u64(p, s->n_timeouts);
        pack_u64(p, s->n_malformed);
        pack_u64(p, s->n_unsolicited);
        pack_u64(p, s->n_unrouted);
        pack_u64(p, s->n_joined);
        pack_u64(p, s->n_undone);
}

/* Nothing that is private is written down. Undoing needs none of it: lint.py. */
static void save_tlvs(Packer *p, const SchemaMessage *row, QmiMessageType type, const uint8_t *tlvs,
                      size_t n_tlvs) {
        TlvReader reader = tlv_reader(tlvs, n_tlvs);
        TlvWriter w = {};
        Tlv t;
        int r = 0;

        while (r >= 0 && tlv_next(&reader, &t) > 0)
                if (!message_tlv_is_private(row, type, t.id))
                        r = tlv_put(&w, t.id, t.bytes, t.n_bytes);
        if (r < 0)
                p->error = p->error ?: r;
        pack_bytes(p, w.bytes, w.n_bytes);
        tlv_writer_done(&w);
}

/* One that carries a secret is not said again after a restart and a reset. */
static bool has_private(const Registration *r) {
        TlvReader reader = tlv_reader(r->tlvs.bytes, r->tlvs.n_bytes);
        Tlv t;

        while (tlv_next(&reader, &t) > 0)
                if (message_tlv_is_private(r->row, QMI_REQUEST, t.id))
                        return true;
        return false;
}

static void save_registrations(Packer *p, Client *c) {
        size_t part = pack_part_begin(p);
        Registration *r;

        TAILQ_FOREACH(r, &c->registrations, entry) {
                if (has_private(r))
                        continue;
                pack_u16(p, r->row->id);
                pack_bytes(p, r->tlvs.bytes, r->tlvs.n_bytes);
        }
        pack_part_end(p, part);
}

static void save_started(Packer *p, Client *c) {
        size_t part = pack_part_begin(p);
        Started *s;

        TAILQ_FOREACH(s, &c->started, entry) {
                pack_u16(p, s->row->id);
                pack_bytes(p, s->tlvs, s->n_tlvs);
        }
        pack_part_end(p, part);
}

/* What may begin without anybody who waits for it. */
static void save_transactions(Packer *p, Client *c) {
        size_t part = pack_part_begin(p);
        Transaction *t;

        TAILQ_FOREACH(t, &c->transactions, entry) {
                if (!transaction_can_be_undone(t))
                        continue;
                pack_u16(p, t->id);
                pack_u16(p, t->message);
                save_tlvs(p, t->row, QMI_REQUEST, t->request_tlvs, t->n_request_tlvs);
                pack_bool(p, t->state == TRANSACTION_RESULT);
                if (t->state == TRANSACTION_RESULT)
                        save_tlvs(p, t->row, QMI_RESPONSE, t->response.tlvs, t->response.n_tlvs);
        }
        pack_part_end(p, part);
}

static void save_client(Packer *p, Client *c) {
        size_t part = pack_part_begin(p);

        pack_u32(p, c->key);
        pack_u16(p, c->service);
        pack_u8(p, c->id); /* 0: the modem has lost it */
        pack_bool(p, c->lingering);
        pack_bool(p, c->shared);
        pack_bool(p, c->stale || c->untold);
        pack_u64(p, c->n_requests);
        pack_u64(p, c->since_usec);
        save_registrations(p, c);
        save_started(p, c);
        save_transactions(p, c);
        pack_part_end(p, part);
}

/* One that has no id yet has nothing to lose. */
static bool is_worth_saving(Client *c) {
        return c != c->mux->ctl && (c->state == CLIENT_READY || c->lost);
}

int mux_save(Mux *m, Packer *p) {
        size_t part;
        Client *c;

        pack_bool(p, mux_is_live(m));
        pack_bool(p, m->state == MUX_READY);
        pack_bool(p, m->second_half);
        pack_u16(p, m->next_transaction);
        pack_u8(p, m->next_ctl_transaction);
        pack_u32(p, m->next_key);
        save_statistics(p, &m->statistics);

        part = pack_part_begin(p);
        for (size_t i = 0; i < m->n_services; i++) {
                pack_u16(p, m->services[i].id);
                pack_u16(p, m->services[i].major);
                pack_u16(p, m->services[i].minor);
        }
        pack_part_end(p, part);

        part = pack_part_begin(p);
        TAILQ_FOREACH(c, &m->clients, entry)
                if (is_worth_saving(c))
                        save_client(p, c);
        pack_part_end(p, part);
        return p->error;
}

/* ---- reading ---- */

static void restore_statistics(Unpacker *u, MuxStatistics *ret) {
        ret->n_requests = unpack_u64(u);
        ret->n_responses = unpack_u64(u);
        ret->n_indications = unpack_u64(u);
        ret->n_timeouts = unpack_u64(u);
        ret->n_malformed = unpack_u64(u);
        ret->n_unsolicited = unpack_u64(u);
        ret->n_unrouted = unpack_u64(u);
        ret->n_joined = unpack_u64(u);
        ret->n_undone = unpack_u64(u);
}

static int restore_services(Unpacker *u, MuxService **ret, size_t *ret_n) {
        Unpacker part = unpack_part(u);
        size_t n = part.size / 6;
        MuxService *services;

        services = calloc(MAX(n, (size_t) 1), sizeof(*services));
        if (!services)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) { /* the order within an initialiser would be the compiler's */
                services[i].id = unpack_u16(&part);
                services[i].major = unpack_u16(&part);
                services[i].minor = unpack_u16(&part);
        }
        if (unpack_end(&part) < 0) {
                free(services);
                return -EBADMSG;
        }
        *ret = services;
        *ret_n = n;
        return 0;
}

static int restore_row(Client *c, Unpacker *u, const SchemaMessage **ret) {
        uint16_t message = unpack_u16(u);

        *ret = mux_find_row(c->mux, c->service, message);
        return u->error || !*ret ? -EBADMSG : 0;
}

static int restore_registration(Client *c, Unpacker *u) {
        const SchemaMessage *row;
        const uint8_t *tlvs;
        size_t n_tlvs;
        int r;

        r = restore_row(c, u, &row);
        if (r < 0)
                return r;
        tlvs = unpack_bytes(u, &n_tlvs);
        if (u->error || !(row->flags & SCHEMA_REPLAY))
                return -EBADMSG;
        return replay_add(c, row, tlvs, n_tlvs);
}

static int restore_started(Client *c, Unpacker *u) {
        const SchemaMessage *row;
        const uint8_t *tlvs;
        size_t n_tlvs;
        int r;

        r = restore_row(c, u, &row);
        if (r < 0)
                return r;
        tlvs = unpack_bytes(u, &n_tlvs);
        if (u->error || row->undo == SCHEMA_NO_MESSAGE)
                return -EBADMSG;
        return started_new(c, row, tlvs, n_tlvs);
}

static int restore_transaction(Client *c, Unpacker *u) {
        QmiMessage response = { .service = c->service, .client = c->id, .type = QMI_RESPONSE };
        uint16_t id = unpack_u16(u);
        const SchemaMessage *row;
        const uint8_t *tlvs;
        bool answered;
        size_t n_tlvs;
        int r;

        r = restore_row(c, u, &row);
        if (r < 0)
                return r;
        tlvs = unpack_bytes(u, &n_tlvs);
        answered = unpack_bool(u);
        if (answered)
                response.tlvs = unpack_bytes(u, &response.n_tlvs);
        response.transaction = id;
        response.id = row->id;
        if (u->error || row->undo == SCHEMA_NO_MESSAGE || (answered && row->result == SCHEMA_NO_MESSAGE))
                return -EBADMSG;
        return transaction_restore(c, id, row, tlvs, n_tlvs, answered ? &response : NULL);
}

static int restore_each(Client *c, Unpacker *u, int (*restore)(Client *c, Unpacker *u)) {
        Unpacker part = unpack_part(u);
        int r;

        while (part.size > 0) {
                r = restore(c, &part);
                if (r < 0)
                        return r;
        }
        return part.error;
}

static bool has_twin(Client *c) {
        Client *other;

        TAILQ_FOREACH(other, &c->mux->clients, entry)
                if (other != c && (other->key == c->key ||
                                   (c->id != 0 && other->id == c->id && other->service == c->service) ||
                                   (c->shared && other->shared && other->service == c->service)))
                        return true;
        return false;
}

static int restore_client(Mux *m, Unpacker *u) {
        Client *c;
        int r;

        r = client_new_internal(&c, m, QMI_SERVICE_CTL, &m->owner, NULL, NULL);
        if (r < 0)
                return r;
        c->key = unpack_u32(u);
        c->service = unpack_u16(u);
        c->id = unpack_u8(u);
        c->lingering = unpack_bool(u);
        client_set_shared(c, unpack_bool(u));
        c->stale = unpack_bool(u);
        c->n_requests = unpack_u64(u);
        c->since_usec = unpack_u64(u);
        c->orphan = !c->lingering && !c->shared;
        if (c->id > 0)
                c->state = CLIENT_READY;
        else {
                c->lost = true;
                c->retry_usec = 0;
        }
        if (u->error || c->key == 0 || c->service == QMI_SERVICE_CTL || c->service > 0xFF ||
            c->id == QMI_CLIENT_ALL || (c->lost && !c->orphan) || has_twin(c))
                return -EBADMSG;
        r = restore_each(c, u, restore_registration);
        if (r >= 0)
                r = restore_each(c, u, restore_started);
        if (r >= 0)
                r = restore_each(c, u, restore_transaction);
        return r;
}

static int restore_clients(Mux *m, Unpacker *u) {
        Unpacker part = unpack_part(u);
        int r;

        while (part.size > 0) {
                Unpacker client = unpack_part(&part);

                r = restore_client(m, &client);
                if (r >= 0)
                        r = unpack_end(&client);
                if (r < 0)
                        return r;
        }
        return part.error;
}

static void free_restored(Mux *m) {
        Client *c, *next;

        for (c = TAILQ_FIRST(&m->clients); c; c = next) {
                next = TAILQ_NEXT(c, entry);
                if (c != m->ctl)
                        (void) client_free(c);
        }
}

int mux_restore(Mux *m, Unpacker *u, bool crashed) {
        bool was_live = unpack_bool(u), was_ready = unpack_bool(u);
        bool second_half = unpack_bool(u);
        uint16_t next_transaction = unpack_u16(u);
        uint8_t next_ctl_transaction = unpack_u8(u);
        uint32_t next_key = unpack_u32(u);
        MuxStatistics statistics;
        MuxService *services;
        size_t n_services;
        Client *c;
        int r;

        assert(TAILQ_FIRST(&m->clients) == m->ctl && !TAILQ_NEXT(m->ctl, entry));

        restore_statistics(u, &statistics);
        if (u->error || next_key == 0)
                return -EBADMSG;
        r = restore_services(u, &services, &n_services);
        if (r < 0)
                return r;
        r = restore_clients(m, u);
        if (r < 0) {
                free_restored(m);
                free(services);
                return r;
        }

        m->next_key = next_key;
        TAILQ_FOREACH(c, &m->clients, entry)
                m->next_key = MAX(m->next_key, c->key + 1);
        free(m->services);
        m->services = services;
        m->n_services = n_services;
        m->was_ready = n_services > 0;
        m->restored = was_live && m->was_ready; /* else the modem is asked what services it has */
        m->doubtful = crashed || !was_ready;
        m->statistics = statistics;
        m->second_half = second_half != crashed;
        if (crashed) {
                m->crashed_usec = mux_now(m) + CRASHED_USEC;
                mux_start_anywhere(m);
        } else {
                m->next_transaction = next_transaction;
                m->next_ctl_transaction = next_ctl_transaction;
        }
        return 0;
}

/* ---- whose they are ---- */

Client *mux_adopt_client(Mux *m, uint32_t key, const Owner *owner, const ClientOps *ops, void *userdata) {
        Client *c;

        TAILQ_FOREACH(c, &m->clients, entry)
                if (c->orphan && c->key == key)
                        break;
        if (!c)
                return NULL;
        c->orphan = false;
        c->owner = owner;
        c->ops = ops;
        c->userdata = userdata;
        client_tell_missed(c);
        return c;
}

void mux_release_orphans(Mux *m) {
        Client *c, *next;

        for (c = TAILQ_FIRST(&m->clients); c; c = next) {
                next = TAILQ_NEXT(c, entry);
                if (!c->orphan)
                        continue;
                c->orphan = false;
                client_linger(c);
        }
}

void mux_detach(Mux *m) {
        m->detached = true;
}
