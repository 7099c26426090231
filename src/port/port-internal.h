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

        /* Checks the address (the URI without "unix:") and arranges for the first attempt to open, which
         * must come from the event loop. Any of its errors is that of port_new_from_uri(). */
        int (*init)(Port *p, const char *address);
        void (*done)(Port *p); /* also after a failed init() */

        /* The port was open and is no longer; arranges for attempts to open it again. */
        void (*reopen)(Port *p);

        /* As read(2) and write(2), but with a negative errno; 0 from read is the end. */
        ssize_t (*read)(Port *p, void *buffer, size_t n_buffer);
        ssize_t (*write)(Port *p, const uint8_t *bytes, size_t n_bytes);
} PortKind;

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

        int fd;
        sd_event_source *io;
        sd_event_source *more; /* goes on with frames that are left over, and deals with a failed write */
        bool frames_left;
        int write_error;

        Framer framer;
        STAILQ_HEAD(, PortFrame) queue;
        size_t n_queued; /* bytes */
        PortStatistics statistics;
        uint64_t n_garbage_told;

        unsigned n_calls; /* callbacks under way */
        bool freed;       /* in one of them: what is left goes when it returns */
};

/* For kinds; only from the event loop. The port may be gone when they return. port_opened() takes the
 * descriptor over, which must not block. */
void port_opened(Port *p, int fd);
void port_open_failed(Port *p, const char *reason);
