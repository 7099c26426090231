/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "function.h"
#include "profile.h"
#include "vhci.h"

/* A modem on a USB port, with one or more QMI functions. */

/* What can be counted, and waited for. Those up to _FAULT_MAX are faults: they strike as often as was asked
 * for, and are counted when they do. */
typedef enum Counter {
        FAULT_STALL_ANSWERS,      /* GET_ENCAPSULATED_RESPONSE stalls; the answer stays where it is */
        FAULT_REFUSE_SENDS,       /* SEND_ENCAPSULATED_COMMAND stalls; the request is lost */
        FAULT_LOSE_NOTIFICATIONS, /* an answer is there, and the host is not told */
        FAULT_SPLIT_ANSWERS,      /* an answer comes in two halves, each with its notification */
        FAULT_CUT_ANSWERS,        /* an answer ends in the middle */
        FAULT_LOSE_PACKETS,       /* that came through a gate */
        _FAULT_MAX,
        COUNTER_PLUGS = _FAULT_MAX,
        COUNTER_UNPLUGS,
        COUNTER_SENDS,         /* requests that the host sent, whatever became of them */
        COUNTER_ANSWERS,       /* answers (or parts of them) that the host fetched */
        COUNTER_NOTIFICATIONS, /* that the host got */
        COUNTER_PACKETS,       /* that the host sent through a gate, as far as they were not lost */
        COUNTER_ECHOES,        /* the answers to them */
        COUNTER_TRANSFERS,     /* with answers, to the host */
        COUNTER_WRONG_FRAMING, /* transfers, or packets in one, that are not what the link layer says */
        COUNTER_TOO_LARGE,     /* transfers with more than the limits of the aggregation */
        COUNTER_CLOSED_GATE,   /* packets */
        COUNTER_WRONG_SOURCE,  /* packets from an address that the host was not given */
        COUNTER_OVERFLOWS,     /* transfers that the host had less room for: it gets an error */
        _COUNTER_MAX,
        _COUNTER_INVALID = -EINVAL,
} Counter;

typedef struct ModemOptions {
        Profile profile;
        int port;            /* VHCI_PORT_ANY */
        const char **brains; /* socket paths: of each function its own, or one for all */
        size_t n_brains;
        const char **gates; /* of each function, or NULL: the plain gate is always open */
        bool unplugged;     /* at first */
        bool ethernet;      /* without `gates`: the data channel speaks 802.3 */
} ModemOptions;

typedef struct Modem {
        sd_event *event;
        ModemOptions options;
        Vhci *vhci; /* NULL: unplugged */
        bool wanted;
        int port; /* where it is plugged in next */
        sd_event_source *retry;
        uint8_t configuration; /* that the host chose */
        Function functions[FUNCTIONS_MAX];

        uint64_t faults[_FAULT_MAX]; /* how often each has still to strike */
        uint64_t counters[_COUNTER_MAX];
        bool halted, holds_sends, holds_packets;

        void (*on_count)(void *userdata);
        void *userdata;
} Modem;

/* The options must live as long. */
int modem_init(Modem *m, sd_event *event, const ModemOptions *options);
void modem_done(Modem *m);

/* It is plugged in as soon as its brains listen and the port is free, also again when they come back. Counts
 * tell when that happened. -ENOENT: there is no vhci-hcd. */
int modem_plug(Modem *m);
void modem_unplug(Modem *m);
/* Gone, and back at the same port: what a modem that starts anew looks like. */
int modem_replug(Modem *m);

/* The firmware hangs: USB goes on, requests are taken, nothing is answered. */
void modem_set_halted(Modem *m, bool halted);
/* While it is on, no SEND_ENCAPSULATED_COMMAND ends. */
void modem_set_holds_sends(Modem *m, bool holds);
/* While it is on, the host gets no packets; then as many at once as a transfer takes. */
void modem_set_holds_packets(Modem *m, bool holds);

Counter counter_from_string(const char *s);
void modem_count(Modem *m, Counter c);
/* Whether it strikes this time. */
bool modem_fault_strikes(Modem *m, Counter fault);
/* The connection to a brain broke: unplugs, until it listens again. */
void modem_brain_gone(Modem *m);
