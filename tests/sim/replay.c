/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replay.h"

#include <stdio.h>

#include "scalar.h"

#define NO_ANSWER SIZE_MAX
#define OWNED     (SIZE_MAX - 1)

void replay_done(Replay *r) {
        for (size_t i = 0; i < r->n; i++)
                free(r->frames[i].frame);
        free(r->frames);
        *r = (Replay){};
}

/* Pairs a response with the last request before it that has its ids and no answer yet. */
static void replay_pair(Replay *r, size_t response) {
        const QmiMessage *m = &r->frames[response].message;

        for (size_t i = response; i-- > 0;) {
                ReplayFrame *f = &r->frames[i];

                if (f->from_modem || f->message.type != QMI_REQUEST || f->answer != NO_ANSWER ||
                    f->message.service != m->service || f->message.client != m->client ||
                    f->message.transaction != m->transaction || f->message.id != m->id)
                        continue;
                f->answer = response;
                r->frames[response].answer = OWNED;
                return;
        }
}

static int replay_add(Replay *r, bool from_modem, const char *hex) {
        ReplayFrame f = { .from_modem = from_modem, .answer = NO_ANSWER }, *grown;
        int k;

        k = hex_parse(hex, &f.frame, &f.n_frame);
        if (k < 0)
                return k;
        k = frame_parse(f.frame, f.n_frame, &f.message);
        if (k < 0) {
                free(f.frame);
                return k;
        }
        grown = reallocarray(r->frames, r->n + 1, sizeof(*grown));
        if (!grown) {
                free(f.frame);
                return -ENOMEM;
        }
        r->frames = grown;
        r->frames[r->n++] = f;
        if (from_modem && f.message.type == QMI_RESPONSE)
                replay_pair(r, r->n - 1);
        return 0;
}

int replay_load(Replay *r, const char *path, unsigned *ret_line) {
        _cleanup_free_ char *line = NULL;
        size_t n_allocated = 0;
        unsigned number = 0;
        FILE *f;
        int k = 0;

        *ret_line = 0;
        f = fopen(path, "re");
        if (!f)
                return -errno;
        while (k >= 0 && getline(&line, &n_allocated, f) > 0) {
                number++;
                if (line[0] == '#' || line[0] == '\n')
                        continue;
                if ((line[0] != '<' && line[0] != '>') || line[1] != ' ')
                        k = -EINVAL;
                else
                        k = replay_add(r, line[0] == '<', line + 2);
        }
        fclose(f);
        if (k < 0)
                *ret_line = number;
        return k;
}

ssize_t replay_find(Replay *r, const QmiMessage *request) {
        ssize_t last = -ENOENT;

        for (size_t i = 0; i < r->n; i++) {
                ReplayFrame *f = &r->frames[i];
                bool matches;

                if (f->message.service != request->service || f->message.id != request->id)
                        continue;
                if (f->from_modem)
                        matches = f->message.type == QMI_RESPONSE && f->answer == NO_ANSWER;
                else
                        matches = f->message.type == QMI_REQUEST && f->answer != NO_ANSWER &&
                                  f->message.n_tlvs == request->n_tlvs &&
                                  memcmp(f->message.tlvs, request->tlvs, request->n_tlvs) == 0;
                if (!matches)
                        continue;
                last = (ssize_t) (f->from_modem ? i : f->answer);
                if (!f->used) {
                        f->used = true;
                        break;
                }
        }
        return last;
}

ssize_t replay_next_indication(const Replay *r, size_t index) {
        for (size_t i = index + 1; i < r->n; i++) {
                const ReplayFrame *f = &r->frames[i];

                if (!f->from_modem || f->message.type == QMI_RESPONSE)
                        return -ENOENT;
                if (f->message.type == QMI_INDICATION)
                        return (ssize_t) i;
        }
        return -ENOENT;
}
