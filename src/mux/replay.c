/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mux/mux-internal.h"
#include "qmi/tlv.h"
#include "util/log.h"

#define NAME_RESET     "reset" /* of every service that has it: forgets what the client has set */
#define NAME_BIND      "bind"
#define NAME_IP_FAMILY "ip-family"

/* What a client is bound to decides what the rest is about. */
static unsigned rank_of(const SchemaMessage *row) {
        const char *name = schema_string(row->name);

        if (strncmp(name, NAME_BIND, strlen(NAME_BIND)) == 0)
                return 0;
        return strstr(name, NAME_IP_FAMILY) ? 1 : 2;
}

static void registration_free(Client *c, Registration *r) {
        TAILQ_REMOVE(&c->registrations, r, entry);
        tlv_writer_erase(&r->tlvs); /* LOC's registration has a key */
        free(r);
}

void replay_clear(Client *c) {
        Registration *r;

        while ((r = TAILQ_FIRST(&c->registrations)))
                registration_free(c, r);
}

/* The last value of each TLV, in the order in which they first came. */
static int merge_tlvs(const TlvWriter *old, const uint8_t *tlvs, size_t n_tlvs, TlvWriter *ret) {
        TlvReader reader = tlv_reader(old->bytes, old->n_bytes);
        TlvWriter w = {};
        Tlv t, newer;
        int r = 0;

        while (r >= 0 && tlv_next(&reader, &t) > 0) {
                if (tlv_find(tlvs, n_tlvs, t.id, &newer) > 0)
                        t = newer;
                r = tlv_put(&w, t.id, t.bytes, t.n_bytes);
        }
        reader = tlv_reader(tlvs, n_tlvs);
        while (r >= 0 && tlv_next(&reader, &t) > 0)
                if (tlv_find(w.bytes, w.n_bytes, t.id, &newer) == 0)
                        r = tlv_put(&w, t.id, t.bytes, t.n_bytes);
        if (r < 0) {
                tlv_writer_erase(&w);
                return r;
        }
        *ret = w;
        return 0;
}

static Registration *registration_find(Client *c, const SchemaMessage *row) {
        Registration *r;

        TAILQ_FOREACH(r, &c->registrations, entry)
                if (r->row == row)
                        break;
        return r;
}

static Registration *registration_new(Client *c, const SchemaMessage *row) {
        Registration *r, *before;

        r = malloc(sizeof(*r));
        if (!r)
                return NULL;
        *r = (Registration){ .row = row };
        TAILQ_FOREACH(before, &c->registrations, entry)
                if (rank_of(before->row) > rank_of(row))
                        break;
        if (before)
                TAILQ_INSERT_BEFORE(before, r, entry);
        else
                TAILQ_INSERT_TAIL(&c->registrations, r, entry);
        return r;
}

int replay_add(Client *c, const SchemaMessage *row, const uint8_t *tlvs, size_t n_tlvs) {
        Registration *r = registration_find(c, row) ?: registration_new(c, row);
        TlvWriter merged;
        int k;

        if (!r)
                return -ENOMEM;
        k = merge_tlvs(&r->tlvs, tlvs, n_tlvs, &merged);
        if (k < 0)
                return k;
        tlv_writer_erase(&r->tlvs);
        r->tlvs = merged;
        return 0;
}

void replay_note(Client *c, const SchemaMessage *row, const uint8_t *tlvs, size_t n_tlvs) {
        Registration *r, *next;
        int k;

        if (row->flags & SCHEMA_REPLAY) {
                k = replay_add(c, row, tlvs, n_tlvs);
                if (k < 0)
                        log_warning_errno(k, "%s: what a client registered for will not survive a reset",
                                          port_get_uri(c->mux->port));
        } else if (streq(schema_string(row->name), NAME_RESET))
                replay_clear(c);
        else
                for (r = TAILQ_FIRST(&c->registrations); r; r = next) {
                        next = TAILQ_NEXT(r, entry);
                        if (r->row->undo != SCHEMA_NO_MESSAGE && row == &schema_messages[r->row->undo])
                                registration_free(c, r);
                }
        mux_save_later(c->mux);
}

/* ---- once more ---- */

static void replay_next(Client *c);

static void on_replayed(const RequestOutcome *outcome, void *userdata) {
        Client *c = userdata;
        const char *name = schema_string(c->replaying->row->name);
        int r = -ETIMEDOUT;

        c->own_request = NULL;
        if (outcome->state == REQUEST_ANSWERED)
                r = tlv_result(outcome->response->tlvs, outcome->response->n_tlvs);
        if (r > 0)
                log_warning("%s: %s is not restored: QMI error %d", port_get_uri(c->mux->port), name, r);
        else if (r == -ETIMEDOUT)
                log_warning("%s: %s is not restored: no answer", port_get_uri(c->mux->port), name);
        c->replaying = TAILQ_NEXT(c->replaying, entry);
        replay_next(c);
}

static void replay_next(Client *c) {
        for (; c->replaying; c->replaying = TAILQ_NEXT(c->replaying, entry)) {
                int r = request_send_now(&c->own_request, c,
                                         &(RequestSpec){
                                                 .message = c->replaying->row->id,
                                                 .schema = c->replaying->row,
                                                 .tlvs = c->replaying->tlvs.bytes,
                                                 .n_tlvs = c->replaying->tlvs.n_bytes,
                                                 .done = on_replayed,
                                                 .userdata = c,
                                         });

                if (r >= 0)
                        return;
                log_warning_errno(r, "%s: %s is not restored", port_get_uri(c->mux->port),
                                  schema_string(c->replaying->row->name));
        }
        recover_on_replayed(c);
}

void replay_start(Client *c) {
        c->replaying = TAILQ_FIRST(&c->registrations);
        replay_next(c);
}
