/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "counters.h"

void counters_done(Counters *c) {
        for (size_t i = 0; i < c->n; i++) {
                free(c->counters[i].tlvs);
                free(c->counters[i].due_usec);
        }
        free(c->counters);
        *c = (Counters){};
}

const Counter *counters_find(const Counters *c, uint16_t service, uint16_t message) {
        for (size_t i = 0; i < c->n; i++)
                if (c->counters[i].service == service && c->counters[i].message == message)
                        return &c->counters[i];
        return NULL;
}

int counters_note(Counters *c, const QmiMessage *m) {
        Counter *found = (Counter *) (uintptr_t) counters_find(c, m->service, m->id);
        uint8_t *tlvs;

        if (!found) {
                Counter *grown = reallocarray(c->counters, c->n + 1, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                c->counters = grown;
                found = &c->counters[c->n++];
                *found = (Counter){ .service = m->service, .message = m->id };
        }

        tlvs = realloc(found->tlvs, m->n_tlvs + 1);
        if (!tlvs)
                return -ENOMEM;
        if (m->n_tlvs > 0)
                memcpy(tlvs, m->tlvs, m->n_tlvs);
        found->tlvs = tlvs;
        found->n_tlvs = m->n_tlvs;
        found->client = m->client;
        found->transaction = m->transaction;
        found->n++;
        return 0;
}

int counters_note_answer(Counters *c, const QmiMessage *m, uint64_t now_usec, uint64_t due_usec) {
        Counter *found = (Counter *) (uintptr_t) counters_find(c, m->service, m->id);
        uint64_t *grown;
        size_t n = 0;

        if (!found)
                return 0;
        for (size_t i = 0; i < found->n_under_way; i++)
                if (found->due_usec[i] > now_usec)
                        found->due_usec[n++] = found->due_usec[i];
        grown = reallocarray(found->due_usec, n + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        found->due_usec = grown;
        found->due_usec[n++] = due_usec;
        found->n_under_way = n;
        found->n_most = MAX(found->n_most, n);
        return 0;
}
