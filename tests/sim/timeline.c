/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "timeline.h"

void timeline_done(Timeline *t) {
        timeline_stop(t);
        for (size_t i = 0; i < t->n; i++)
                free(t->entries[i].command);
        free(t->entries);
        t->entries = NULL;
        t->n = 0;
}

void timeline_stop(Timeline *t) {
        t->source = sd_event_source_disable_unref(t->source);
}

int timeline_add(Timeline *t, uint64_t at_usec, const char *command, unsigned line) {
        TimelineEntry *grown, e = { .at_usec = at_usec, .line = line };
        size_t i;

        grown = reallocarray(t->entries, t->n + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        t->entries = grown;
        e.command = strdup(command);
        if (!e.command)
                return -ENOMEM;
        for (i = t->n; i > 0 && grown[i - 1].at_usec > at_usec; i--)
                grown[i] = grown[i - 1];
        grown[i] = e;
        t->n++;
        return 0;
}

static void timeline_run_due(Timeline *t, uint64_t usec) {
        while (t->next < t->n && t->entries[t->next].at_usec <= usec) {
                TimelineEntry *e = &t->entries[t->next++];

                t->run(e->command, e->line, t->userdata);
        }
}

/* The first entry above 0 s. */
static size_t timeline_first(Timeline *t) {
        size_t i = 0;

        while (i < t->n && t->entries[i].at_usec == 0)
                i++;
        return i;
}

static int on_time(sd_event_source *s, uint64_t usec, void *userdata) {
        Timeline *t = userdata;
        uint64_t now;
        int r;

        r = sd_event_now(sd_event_source_get_event(s), CLOCK_MONOTONIC, &now);
        if (r < 0)
                return r;
        timeline_run_due(t, now - t->begin_usec);
        if (t->source != s)
                return 0; /* a command stopped it */

        if (t->next == t->n && t->repeat_usec > 0) {
                t->begin_usec += t->repeat_usec;
                t->next = timeline_first(t);
        }
        if (t->next == t->n) {
                timeline_stop(t);
                return 0;
        }
        r = sd_event_source_set_time(s, t->begin_usec + t->entries[t->next].at_usec);
        return r < 0 ? r : sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

int timeline_start(Timeline *t, sd_event *event) {
        int r;

        timeline_stop(t);
        t->next = 0;
        if (!t->started)
                timeline_run_due(t, 0);
        t->started = true;
        t->next = timeline_first(t);
        if (t->next == t->n || t->disabled)
                return 0;
        r = sd_event_now(event, CLOCK_MONOTONIC, &t->begin_usec);
        if (r < 0)
                return r;
        return sd_event_add_time(event, &t->source, CLOCK_MONOTONIC,
                                 t->begin_usec + t->entries[t->next].at_usec, 1, on_time, t);
}
