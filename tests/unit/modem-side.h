/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "qmi/frame.h"

/* The modem's end of a port: a socket in a directory of its own, in the process and event loop of the test,
 * and the one connection to it. */

typedef struct ModemSide {
        char directory[32], path[64], uri[80];
        sd_event *event;
        int listener, connection; /* -1: none */
        sd_event_source *listener_io, *connection_io;
        Framer framer;
        /* A frame that is one; it is gone afterwards. May hang up. */
        void (*on_frame)(const uint8_t *frame, size_t n_frame, const QmiMessage *m, void *userdata);
        void *userdata;
} ModemSide;

/* Nobody listens yet. */
void modem_side_init(ModemSide *s, sd_event *event,
                     void (*on_frame)(const uint8_t *frame, size_t n_frame, const QmiMessage *m,
                                      void *userdata),
                     void *userdata);
void modem_side_done(ModemSide *s);

void modem_side_listen(ModemSide *s);
/* The connection breaks. */
void modem_side_hang_up(ModemSide *s);
/* Nobody listens any more. */
void modem_side_close(ModemSide *s);

void modem_side_send(ModemSide *s, const uint8_t *bytes, size_t n_bytes);
void modem_side_tell(ModemSide *s, const QmiMessage *m);
