/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/frame.h"

/* A recorded session: lines "> HEX" (host to modem) and "< HEX" (modem to host), in order of time. A request
 * of the host is answered as the recorded one with the same service, message and TLVs was; a recorded
 * response whose request was not recorded answers any request of its message. The indications that follow a
 * response in the recording follow it again. */

typedef struct ReplayFrame {
        uint8_t *frame;
        size_t n_frame;
        QmiMessage message; /* points into it */
        bool from_modem;
        size_t answer; /* of a request: index of its response; of a response: SIZE_MAX - 1 if a request owns
                          it */
        bool used;
} ReplayFrame;

typedef struct Replay {
        ReplayFrame *frames;
        size_t n;
} Replay;

void replay_done(Replay *r);
/* 0; -EINVAL with *ret_line. */
int replay_load(Replay *r, const char *path, unsigned *ret_line);
/* The recorded response to a request: its index, or -ENOENT. Of equal requests each is used once, the last
 * one again and again. */
ssize_t replay_find(Replay *r, const QmiMessage *request);
/* The next indication behind the frame at `index` and before the next request or response: its index, or
 * -ENOENT. */
ssize_t replay_next_indication(const Replay *r, size_t index);
