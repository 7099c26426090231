/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/queue.h>

#include "bus/bus.h"
#include "manager.h"
#include "modem/device.h"
#include "mux/pin-memory.h"
#include "net/net.h"
#include "state.h"

/* What the files of the manager know of each other. */

typedef struct Discovery Discovery;

/* How long a port that somebody holds something on may be away: a modem that starts anew takes its time. */
#define AWAY_USEC (15 * USEC_PER_SEC)

/* A device, and what the manager knows of it. */
typedef struct Managed {
        Manager *manager;
        Device *device;
        char *syspath;         /* of the USB interface; NULL: given by hand */
        bool take;             /* although somebody else may use it */
        bool present;          /* given by hand, or plugged in */
        char *serial;          /* of the modem; NULL: not known, as after a restart: it may be an identity */
        bool opened;           /* its port at its present node, present or not */
        bool reopen;           /* it was open at another node before */
        bool lost;             /* the modem may hold what nobody knows any more */
        sd_event_source *away; /* until when it is waited for */
        sd_event_source *watch; /* whether somebody else opens it too: */
        bool shared_told;
        bool swept;                   /* its network interfaces */
        Packer device_part, bus_part; /* as they were last saved */
        unsigned n_kept;              /* port_get_n_opened() of the descriptor that is kept; 0: none */
        LIST_ENTRY(Managed) entries;
} Managed;

struct Manager {
        sd_event *event;
        Bus *bus;
        Discovery *discovery;
        Net *net; /* NULL: nothing is known of network interfaces */
        State *state;
        PinMemory *pins;
        sd_event_source *rivals, *idle, *stop;
        sd_event_source *save; /* at the end of the turn */
        Packer common_part, packed;
        bool saves;    /* all is there that is to be saved */
        bool has_lost; /* a state that could not be used */
        bool settled;  /* all is restored */
        bool stopping;
        bool gives_back;      /* nobody goes on: what is held goes back to the modems */
        bool detached;        /* what is held is the next daemon's */
        unsigned n_releasing; /* devices, when stopping */
        uint64_t idle_usec;
        LIST_HEAD(, Managed) devices;
};

/* ---- devices.c: devices that come and go ---- */

extern const DeviceOps manager_device_ops;

Managed *managed_new(Manager *m, const char *syspath);
void managed_free(Managed *d);
void manager_remove(Manager *m, Managed *d);
/* What was restored is there to be attached to, or is given up. */
void managed_wait(Managed *d);

/* ---- rivals.c: ports that somebody else uses ---- */

/* A program that runs, and uses each port that it finds; NULL: there is none. */
const char *manager_get_rival(Manager *m);
/* Opens the port of a device that is present, unless a rival is in the way. */
void manager_open(Manager *m, Managed *d, const char *rival);
void manager_open_all(Manager *m);
/* From the time that the port is open: our own opening of it is nothing to tell. */
void managed_watch(Managed *d);
int on_rivals(sd_event_source *s, uint64_t usec, void *userdata);

/* ---- idle.c ---- */

void manager_begin_idle(Manager *m);
int on_idle(sd_event_source *s, uint64_t usec, void *userdata);

/* ---- keep.c: what outlives the daemon ---- */

/* Makes the devices that the last daemon had; none of them is present yet. */
int manager_restore(Manager *m);
/* All are there that come at once: whose owner is gone, goes. */
void manager_settle(Manager *m);
/* Of the network interfaces: what belongs to no session, once. */
void managed_sweep(Managed *d);
/* The descriptor of a port that is made anew, which a last daemon without a state may have left. */
void managed_adopt(Managed *d);
/* The port was opened or closed. */
void managed_keep_port(Managed *d);
/* The same before it is freed. */
void managed_drop_port(Managed *d);
/* What is saved of the device has changed, and must be saved now. */
void managed_save(Managed *d);
/* What callers hold has changed, and they are about to be told. */
void manager_save_bus(Manager *m);
/* A device has gone. */
void manager_save_later(Manager *m);
int on_save(sd_event_source *s, void *userdata);
/* For the last time; `clean`: nothing is in flight. */
void manager_save_last(Manager *m, bool clean);

/* ---- stop.c ---- */

int manager_handle_signals(Manager *m);
int on_stop_timeout(sd_event_source *s, uint64_t usec, void *userdata);

void manager_on_bus_lost(Manager *m, const char *reason);
