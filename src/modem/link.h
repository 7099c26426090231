/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "modem/link-format.h"
#include "util/pack.h"

/* The link between a modem's port and its network interface: reads what both sides use, chooses, sets both,
 * reads both back. It is set when the first session begins, or as soon as the modem is ready if that was
 * asked for by name (QMID_LINK_LAYER, link_set_mode()), and never at plug otherwise.
 *
 * No function here calls back before it has returned. */

typedef struct Device Device;
typedef struct Link Link; /* one per Device that has a network interface: device_get_link() */
typedef struct LinkUse LinkUse;
typedef struct Net Net;

/* What is done, in this order; the sentence of a failure begins with the one that failed. */
typedef enum LinkStep {
        LINK_STEP_READ_MODEM,
        LINK_STEP_READ_HOST,
        LINK_STEP_CHOOSE,
        LINK_STEP_DOWN,
        LINK_STEP_SET_MODEM,
        LINK_STEP_SET_HOST,
        LINK_STEP_READ_BACK,
        LINK_STEP_ADD_MUX,
        LINK_STEP_UP,
        _LINK_STEP_MAX,
} LinkStep;

const char *link_step_to_string(LinkStep s); /* "setting the modem's format" */

#define LINK_TEXT_MAX 320U

typedef struct LinkResult {
        /* 0. -EBUSY: somebody else uses the interface or the mux, or sessions are up with another format;
         * -ENOBUFS: there is no mux, or the one session without muxes is up; -EOPNOTSUPP: modem, driver or
         * kernel cannot; -ETIMEDOUT; -ENODEV: modem or interface are not there; -EACCES; -EIO: a side says
         * another thing than was set; … */
        int error;
        LinkStep step;
        char text[LINK_TEXT_MAX]; /* of an error: one sentence, the step and what each side says */
        const char *interface;    /* where the packets go: "wwan0", "qmimux0" */
        uint8_t mux;              /* 0: none */
        uint32_t mtu;             /* the largest that its packets may have */
        LinkEndpoint endpoint;    /* for Bind Mux Data Port */
} LinkResult;

/* Exactly once, unless link_use_free() comes before it. The result is valid during the call. */
typedef void (*LinkDone)(Link *l, const LinkResult *result, void *userdata);

/* A session's hold on the link: its mux, and its part in "a call may be up". Sets the link up if it is not
 * as wanted, and adds a mux if the format has them. `mode`: LINK_AUTO: what link_set_mode() or the place
 * says. LINK_OFF: nothing is set, the packets go where they go. `mux`: 1 to 254, which asks for QMAP; 0: the
 * next free one, where there are any. Several wait for each other. The use exists from now on, failed or
 * not, until link_use_free(). 0, -EINVAL, -ENOMEM. */
int link_use(Link *l, LinkMode mode, uint8_t mux, LinkDone done, void *userdata, LinkUse **ret);
/* The same, but for now only: holds nothing, adds no mux, and leaves the interface up or down as it was. */
int link_set_up(Link *l, LinkMode mode, LinkDone done, void *userdata, LinkUse **ret);
/* Its call is over, at the modem too: takes its mux away, and down what was taken up for it. Or calls off
 * what is under way. Takes NULL. */
LinkUse *link_use_free(LinkUse *u);
/* The same, and everything stays as it is: the next daemon goes on. */
LinkUse *link_use_detach(LinkUse *u);
DEFINE_CLEANUP(LinkUse *, link_use_free)

/* Of one that has got its result. Restoring speaks with nobody: what was there is taken to be there still.
 * 0, -EBADMSG, -ENOMEM. */
void link_use_save(const LinkUse *u, Packer *p);
int link_use_restore(Link *l, Unpacker *u, LinkUse **ret);
const char *link_use_get_interface(const LinkUse *u); /* "" until it has got its result */
uint8_t link_use_get_mux(const LinkUse *u);           /* 0: none */

typedef struct LinkMux {
        uint8_t id;
        char interface[16]; /* IF_NAMESIZE */
        uint32_t mtu;
        bool ours; /* a use has it */
} LinkMux;

#define LINK_MUX_MAX 254U

typedef struct LinkStatus {
        LinkMode mode;          /* wanted */
        LinkFormat modem, host; /* LINK_OFF: not known */
        LinkMode agreed; /* what qmid has set, or found set, when it last looked for a use; LINK_OFF: none
                            yet */
        const char *interface; /* "wwan0"; "" while there is none */
        uint32_t mtu;          /* of it */
        bool up;               /* it */
        const LinkMux *muxes;  /* at the host */
        size_t n_muxes;
        const char *manager; /* "qmid": it has set this; "nobody": as it was found; "other": somebody else
                                has muxes or addresses there */
        const char *problem; /* one sentence, "" if there is none */
} LinkStatus;

/* What is known; what it points to is valid until the next turn of the event loop. */
void link_get_status(Link *l, LinkStatus *ret);
/* How many sessions there can be at once as things are: 1 without QMAP. */
unsigned link_get_max_sessions(Link *l);
/* From now on this is what is wanted, and uses that are held are left alone; _LINK_MODE_INVALID: what the
 * place says. Returns what was there before. */
LinkMode link_set_mode(Link *l, LinkMode mode);
LinkMode link_get_mode(Link *l);

/* ---- for Device and the manager ---- */

typedef struct LinkOps {
        void (*on_changed)(Link *l, void *userdata); /* link_get_status() says something else */
        void (*on_save)(Link *l, void *userdata);    /* link_save() does */
} LinkOps;

/* `net` must outlive it. */
int link_new(Link **ret, Device *d, Net *net, const LinkOps *ops, void *userdata);
/* Uses that are left are freed by whoever has them, before. */
Link *link_free(Link *l);
DEFINE_CLEANUP(Link *, link_free)
/* The place has changed: another name of the interface, another wish. */
void link_on_place(Link *l);
/* The modem is ready, or not any more. */
void link_on_modem(Link *l);
/* A network interface has changed; `name` NULL: who knows which. */
void link_on_interface(Link *l, const char *name);
/* Nothing more is asked of the modem; uses that wait get no result. */
void link_rest(Link *l);
void link_save(const Link *l, Packer *p);
int link_restore(Link *l, Unpacker *u);
