/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "util/util.h"

/* Commands that run at their time: "@0s silent on" before the modem listens, "@2.5s set …" so long after
 * that;
 * "@repeat 4s": those above 0 s begin anew every four seconds. */

typedef struct TimelineEntry {
        uint64_t at_usec;
        char *command;
        unsigned line;
} TimelineEntry;

typedef struct Timeline {
        TimelineEntry *entries; /* in order of time */
        size_t n, next;
        uint64_t repeat_usec, begin_usec;
        bool disabled, started;
        sd_event_source *source;
        void (*run)(const char *command, unsigned line, void *userdata);
        void *userdata;
} Timeline;

void timeline_done(Timeline *t);
int timeline_add(Timeline *t, uint64_t at_usec, const char *command, unsigned line);
/* Runs what is due at 0 s at once, and the rest from the event loop. */
int timeline_start(Timeline *t, sd_event *event);
void timeline_stop(Timeline *t);
