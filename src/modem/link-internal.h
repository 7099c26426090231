/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "modem/device.h"
#include "modem/link-host.h"
#include "modem/link-modem.h"

/* What the files of a link know of each other. */

struct LinkUse {
        Link *link;
        LinkMode mode;
        uint8_t asked; /* for that mux; 0: for none */
        bool holds;    /* else it is for now only */
        bool waits;    /* for its turn, or for its result */
        uint8_t mux;
        char interface[IF_NAMESIZE];
        LinkDone done;
        void *userdata;
        TAILQ_ENTRY(LinkUse) entry;
};

struct Link {
        Device *device;
        Net *net;
        const LinkOps *ops;
        void *userdata;
        LinkMode mode;   /* of link_set_mode(); _LINK_MODE_INVALID: what the place says, */
        bool place_asks; /* which was this: */
        LinkMode place_mode;
        LinkHost host;
        LinkModem port;
        LinkFormat modem;  /* as it said last */
        LinkFormat agreed; /* with a use of ours; LINK_OFF: not yet, or not any more */
        bool raised;       /* the interface is up for the muxes of uses, */
        bool lowered;      /* or down while its format is changed, and else it is up */
        bool fresh;        /* as the last daemon left it: nothing need be asked */
        bool look;         /* the modem is to be asked what it uses */
        bool looking;
        bool own_failed;  /* what is wanted could not be set up */
        LinkUse *current; /* whose turn it is: */
        LinkMode wanted;
        LinkFormat target;
        LinkUse *own; /* of nobody else */
        char failure[LINK_TEXT_MAX], problem[LINK_TEXT_MAX];
        sd_event_source *next;
        TAILQ_HEAD(, LinkUse) uses;
};

/* ---- link.c */

const char *link_name(const Link *l); /* of the interface; "" */

/* Whether a use has this link's format, `except` apart. */
bool link_is_held(const Link *l, const LinkUse *except);
bool link_has_mux(const Link *l, uint8_t id);
/* Looks at the host anew, and tells if something has changed. 1 if so. */
int link_refresh(Link *l);
void link_tell(Link *l);
/* The next one has its turn, soon. */
void link_schedule(Link *l);

/* ---- link-set.c: the steps */

/* It is its turn: ends with link_finish(). */
void link_begin(Link *l, LinkUse *u);
/* It is not any more: things are as they were, as far as possible. */
void link_abandon(Link *l);
/* What was taken down is up again. */
void link_raise_again(Link *l);
/* What a use had is not needed any more. */
void link_give_back(Link *l, LinkUse *u);
/* The result, of link_begin(). */
void link_finish(Link *l, LinkResult *result);

/* ---- link-report.c */

typedef struct LinkFacts {
        const LinkFormat *modem;
        const LinkHost *host; /* `ours` of its muxes is true */
        bool agreed;          /* qmid has set it */
} LinkFacts;

/* What is wrong, in one sentence; "" if nothing is. */
void link_report(const LinkFacts *facts, char ret[static LINK_TEXT_MAX]);
