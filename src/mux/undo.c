/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mux/mux-internal.h"
#include "qmi/tlv.h"
#include "util/log.h"

/* What goes on in the modem for a client that is gone, a data call, an open channel, a session, is undone
 * with the message that the schema names. It is put together while what it needs is there: when the thing
 * begins. */

int started_new(Client *c, const SchemaMessage *row, const uint8_t *tlvs, size_t n_tlvs) {
        Started *s;

        s = malloc(sizeof(*s) + n_tlvs);
        if (!s)
                return -ENOMEM;
        *s = (Started){ .row = row, .undo = schema_messages + row->undo, .n_tlvs = n_tlvs };
        if (n_tlvs > 0)
                memcpy(s->tlvs, tlvs, n_tlvs);
        TAILQ_INSERT_TAIL(&c->started, s, entry);
        c->mux->n_started++;
        mux_save_later(c->mux);
        return 0;
}

bool started_can_be_replayed(const Started *s) {
        return s->row->flags & SCHEMA_REPLAY;
}

Started *started_free(Client *c, Started *s) {
        if (!s)
                return NULL;
        TAILQ_REMOVE(&c->started, s, entry);
        c->mux->n_started--;
        mux_save_later(c->mux);
        free(s);
        return NULL;
}

/* Where a value may come from: the bytes of a message, and what the schema says of them. */
typedef struct Source {
        SchemaTlvs rows;
        const uint8_t *tlvs;
        size_t n_tlvs;
} Source;

static bool find_by_key(const Source *s, const char *key, uint16_t vendor, Tlv *ret) {
        for (uint16_t i = 0; i < s->rows.n; i++) {
                const SchemaTlv *t = schema_tlvs + s->rows.first + i;

                if ((t->vendor == 0 || t->vendor == vendor) && streq(schema_string(t->field.name), key) &&
                    tlv_find(s->tlvs, s->n_tlvs, t->id, ret) > 0)
                        return true;
        }
        return false;
}

/* 0, -ENODATA (something that it needs was in no message), -EMSGSIZE, -ENOMEM. */
static int undo_build(const Transaction *t, const QmiMessage *response, const QmiMessage *indication,
                      TlvWriter *w) {
        const SchemaMessage *undo = schema_messages + t->row->undo;
        uint16_t vendor = t->client->mux->vendor;
        Source sources[] = {
                { .rows = indication ? schema_messages[t->row->result].response : (SchemaTlvs){},
                  .tlvs = indication ? indication->tlvs : NULL,
                  .n_tlvs = indication ? indication->n_tlvs : 0 },
                { .rows = t->row->response, .tlvs = response->tlvs, .n_tlvs = response->n_tlvs },
                { .rows = t->row->request, .tlvs = t->request_tlvs, .n_tlvs = t->n_request_tlvs },
        };
        int r;

        for (uint16_t i = 0; i < undo->request.n; i++) {
                const SchemaTlv *row = schema_tlvs + undo->request.first + i;
                bool found = false;
                Tlv tlv;

                if (!(row->field.flags & SCHEMA_MANDATORY) || row->alternative > 0)
                        continue;
                for (size_t j = 0; j < ELEMENTSOF(sources) && !found; j++)
                        found = find_by_key(&sources[j], schema_string(row->field.name), vendor, &tlv);
                if (!found)
                        return -ENODATA;
                r = tlv_put(w, row->id, tlv.bytes, tlv.n_bytes);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Past the windows; nobody waits for the answer but the client's release. */
static void undo_send(Client *c, const SchemaMessage *undo, const uint8_t *tlvs, size_t n_tlvs) {
        int r;

        log_debug("%s: %s on client id %u, for somebody who has gone", port_get_uri(c->mux->port),
                  schema_string(undo->name), c->id);
        c->mux->statistics.n_undone++;
        join_on_change(c->mux, c->service);
        r = transaction_new(c, NULL, undo->id, tlvs, n_tlvs, RELEASE_WAIT_USEC);
        if (r < 0)
                log_warning_errno(r, "%s: cannot send %s", port_get_uri(c->mux->port),
                                  schema_string(undo->name));
}

/* A message may say more than what identifies the thing; that all must be in it. */
static bool is_undone_by(const Started *s, const uint8_t *tlvs, size_t n_tlvs) {
        TlvReader reader = tlv_reader(s->tlvs, s->n_tlvs);
        Tlv a, b;

        while (tlv_next(&reader, &a) > 0)
                if (tlv_find(tlvs, n_tlvs, a.id, &b) == 0 || a.n_bytes != b.n_bytes ||
                    memcmp(a.bytes, b.bytes, a.n_bytes) != 0)
                        return false;
        return true;
}

static void forget(Client *c, const SchemaMessage *undo, const uint8_t *tlvs, size_t n_tlvs) {
        Started *s, *next;

        for (s = TAILQ_FIRST(&c->started); s; s = next) {
                next = TAILQ_NEXT(s, entry);
                if (s->undo == undo && is_undone_by(s, tlvs, n_tlvs))
                        (void) started_free(c, s);
        }
}

void undo_on_success(const Transaction *t, const QmiMessage *response, const QmiMessage *indication) {
        const SchemaMessage *undo = schema_messages + t->row->undo;
        TlvWriter w = {};
        Client *c = t->client;
        int r;

        r = undo_build(t, response, indication, &w);
        if (r >= 0) {
                /* What began again is still one thing. */
                forget(c, undo, w.bytes, w.n_bytes);
                if (t->abandoned && mux_is_live(c->mux)) /* else with the end of the client */
                        undo_send(c, undo, w.bytes, w.n_bytes);
                else {
                        r = started_new(c, t->row, w.bytes, w.n_bytes);
                        mux_save_now(c->mux);
                }
        }
        if (r == -ENODATA)
                /* As a rule it is a result that says that nothing began. */
                log_debug("%s: nothing to undo after %s", port_get_uri(c->mux->port),
                          schema_string(t->row->name));
        else if (r < 0)
                log_warning_errno(r, "%s: %s cannot be undone", port_get_uri(c->mux->port),
                                  schema_string(t->row->name));
        tlv_writer_done(&w);
}

/* By its owner, on whichever client. */
void undo_on_undone(const Transaction *t) {
        const Owner *requester = t->request ? t->request->requester : NULL;
        const Owner *owner = t->client->shared ? requester : t->client->owner;
        Mux *m = t->client->mux;
        Client *c;

        if (!t->row || m->n_started == 0)
                return;
        TAILQ_FOREACH(c, &m->clients, entry)
                if (c->service == t->client->service && c->owner == owner)
                        forget(c, t->row, t->request_tlvs, t->n_request_tlvs);
}

bool undo_all(Client *c) {
        bool any = false;
        Started *s;

        /* The last first: it may rest on what was before. */
        while ((s = TAILQ_LAST(&c->started, StartedQueue))) {
                undo_send(c, s->undo, s->tlvs, s->n_tlvs);
                (void) started_free(c, s);
                any = true;
        }
        return any;
}
