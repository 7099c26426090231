/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "qmi/frame.h"

/* The wire: a listening unix stream socket, one host at a time, frames in and frames out. */

typedef struct Link Link;

typedef struct LinkOps {
        void (*on_connected)(void *userdata);
        void (*on_frame)(const uint8_t *frame, size_t n_frame, void *userdata);
} LinkOps;

int link_new(Link **ret, sd_event *event, const char *path, const LinkOps *ops, void *userdata);
Link *link_free(Link *l);
DEFINE_CLEANUP(Link *, link_free)

int link_listen(Link *l);
/* Closes the connection and the socket, until link_listen(), or (not 0) for so long. */
int link_hangup(Link *l, uint64_t usec);
/* Bytes to the host, after a delay if it is not 0. What cannot be sent any more, because the host is gone,
 * is forgotten. */
int link_send(Link *l, const uint8_t *bytes, size_t n_bytes, uint64_t delay_usec);
/* Takes back a response that still waits for its time: true if there was one; *ret_message is its message.
 */
bool link_take_delayed(Link *l, uint16_t service, uint8_t client, uint16_t transaction,
                       uint16_t *ret_message);
void link_forget_delayed(Link *l);
int link_send_delayed(Link *l);           /* what waits for its time is sent now */
void link_set_split(Link *l, bool split); /* one byte a write */
bool link_is_connected(Link *l);
uint64_t link_get_n_garbage(Link *l);
