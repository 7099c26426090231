/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/queue.h>
#include <sys/types.h>

#include "port/port.h"
#include "qmi/frame.h"

/* What a kind of port and the generic part (queue, framer, statistics) know of each other. */

/* Frames handed up in one turn of the event loop, so that a port that talks without end leaves room for the
 * others. */
#define PORT_FRAMES_PER_TURN 32U

typedef struct PortKind {
        const char *transport; /* also the scheme of its addresses */
        size_t size;           /* of the kind's object, which begins with a Port */
        bool can_lag;

        /* Checks the address (the URI without "unix:"). Any of its errors is that of port_new_from_uri(). */
        int (*init)(Port *p, const char *address);
        /* Arranges for the first attempt to open, which must come from the event loop. */
        int (*start)(Port *p);
        void (*stop)(Port *p); /* the end of these attempts; also without start() */
        void (*done)(Port *p); /* after stop(), also after a failed init(); may be NULL */
        /* Whether a descriptor that somebody kept leads to this port and is alive: 0 or a negative errno. */
        int (*adopt)(Port *p, int fd, size_t *ret_frame_max);
        /* Before the descriptor is closed: duplicates of it shall not keep the port from anybody. */
        void (*let_go)(Port *p);

        /* The port was open and is no longer; arranges for attempts to open it again, where there is sense
         * in that. */
        void (*reopen)(Port *p);

        /* poll() reported an error that is not the end. 0 when that is dealt with, else the port is lost.
         * May be NULL: errors show when reading. */
        int (*clear_error)(Port *p);

        /* As read(2) and write(2), but with a negative errno; 0 from read is the end. */
        ssize_t (*read)(Port *p, void *buffer, size_t n_buffer);
        ssize_t (*write)(Port *p, const uint8_t *bytes, size_t n_bytes);
} PortKind;

extern const PortKind port_kind_cdc_wdm;
extern const PortKind port_kind_unix;

/* A frame that could not be written at once, or not all of it. */
typedef struct PortFrame PortFrame;
struct PortFrame {
        STAILQ_ENTRY(PortFrame) entry;
        size_t n_bytes, n_written;
        uint8_t bytes[];
};

struct Port {
        const PortKind *kind;
        sd_event *event;
        const PortOps *ops;
        void *userdata;
        char *uri;

        PortState state;
        char *reason; /* the one told last; NULL if none */

        int fd; /* from the time that it is open, or was adopted */
        unsigned n_opened;
        bool keep; /* the connection, when the descriptor is closed */
        sd_event_source *io;
        sd_event_source *more; /* goes on with frames that are left over, and deals with a failed write */
        bool frames_left;
        int write_error;

        size_t frame_max;
        Framer framer;
        STAILQ_HEAD(, PortFrame) queue;
        size_t n_queued; /* bytes */
        PortStatistics statistics;
        uint64_t n_garbage_told;

        unsigned n_calls; /* callbacks under way */
        bool freed;       /* in one of them: what is left goes when it returns */
};

/* For kinds; only from the event loop. The port may be gone when they return. port_opened() takes the
 * descriptor over, which must not block. `state`: PORT_CLOSED or PORT_BUSY. */
void port_opened(Port *p, int fd, size_t frame_max);
void port_open_failed(Port *p, PortState state, const char *reason);
