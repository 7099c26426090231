/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "util/pack.h"
#include "util/util.h"

/* A transport that carries QMUX frames. It opens itself (and opens itself again after a loss, as long as
 * it lives), never blocks, finishes a partial write before the next frame, and skips garbage. One file per
 * kind of port implements the vtable. */

typedef struct Port Port;

typedef enum PortState {
        PORT_CLOSED, /* not yet, or no longer, open; tries to come back by itself */
        PORT_OPEN,
        PORT_BUSY, /* another program holds it; tries again from time to time */
        _PORT_STATE_MAX,
        _PORT_STATE_INVALID = -EINVAL,
} PortState;

/* Frames that wait to be written, in bytes; more is refused with -ENOBUFS. */
#define PORT_QUEUE_MAX (256U * 1024)

typedef struct PortOps {
        /* The state changed, or why it is PORT_CLOSED. `reason` is a sentence for people ("cannot connect to
         * …: Connection refused"), NULL when it opened. Not called from within port_new_from_uri() or
         * port_send(). The port may be freed in it. */
        void (*on_state)(Port *p, PortState state, const char *reason, void *userdata);
        /* One whole frame, valid during the call. The port may be freed in it. */
        void (*on_frame)(Port *p, const uint8_t *frame, size_t n_frame, void *userdata);
} PortOps;

typedef struct PortStatistics {
        uint64_t n_frames_sent, n_frames_received;
        uint64_t n_garbage; /* bytes that belonged to no frame */
} PortStatistics;

/* Makes a port from "unix:/path". 0, -EINVAL (no such kind, or a malformed address, also a path too long
 * for a socket), -ENOMEM. It is opened by port_start(), in the background; on_state tells. */
int port_new_from_uri(Port **ret, sd_event *event, const char *uri, const PortOps *ops, void *userdata);
int port_start(Port *p);
/* Closes it, at once and without a word, until the next port_start(). */
void port_stop(Port *p);
/* Of one that is not started: another address of the same kind. 0, -EINVAL, -ENOMEM; after a failure the
 * port is good for nothing but port_free(). */
int port_move(Port *p, const char *uri);
Port *port_free(Port *p);
DEFINE_CLEANUP(Port *, port_free)

PortState port_get_state(Port *p);
const char *port_get_uri(Port *p);       /* as it was given */
const char *port_get_transport(Port *p); /* "unix" */
void port_get_statistics(Port *p, PortStatistics *ret);

/* Whether a frame from the modem can get stuck until the next one comes, so that from then on each comes
 * when its successor should. */
bool port_can_lag(Port *p);
/* The largest frame that it can carry; known once it is open. */
size_t port_get_frame_max(Port *p);

/* Sends one frame, or queues what cannot be written at once. 0, -ENOTCONN, -ENOBUFS, -EMSGSIZE, -ENOMEM. */
int port_send(Port *p, const uint8_t *frame, size_t n_frame);

/* ---- descriptors that outlive the daemon, since another process has duplicates of them ---- */

/* The descriptor, also one that was adopted and waits for port_start(); -1. It stays the port's. */
int port_get_fd(Port *p);
/* How often it was opened, or has adopted one: what tells two descriptors of the same number apart. */
unsigned port_get_n_opened(Port *p);
/* Before port_start(): a descriptor that the port had in an earlier life. 0, and then it is the port's, is
 * open as soon as port_start() returns, and on_state does not tell that; -ESTALE: it leads somewhere else or
 * nowhere any more, is the caller's to close, and port_start() opens as ever. */
int port_adopt(Port *p, int fd);
/* What was read or written in part, and would be lost between two lives. port_restore(): after port_adopt(),
 * in place of which it does nothing; 0, -EBADMSG, -ENOMEM. */
void port_save(Port *p, Packer *packer);
int port_restore(Port *p, Unpacker *u);
/* Before port_free(), which then leaves the connection to who has a duplicate. */
void port_keep(Port *p);
