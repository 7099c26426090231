/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "profile.h"
#include "qmi/frame.h"

/* One QMI interface of the modem: CDC's encapsulated commands and responses carry the frames to and from the
 * brain, a process that speaks QMUX on a unix stream socket. */

typedef struct Modem Modem;
typedef struct Buffer Buffer;
typedef STAILQ_HEAD(BufferList, Buffer) BufferList;

typedef struct Function {
        Modem *modem;
        const UsbInterface *interface;
        const char *brain_path;

        int brain; /* -1: not connected */
        sd_event_source *source;
        size_t n_received;
        uint8_t received[QMUX_MAX]; /* from the brain, no whole frame yet */

        BufferList held;          /* requests whose transfer has not ended */
        BufferList answers;       /* for the host to fetch */
        unsigned n_notifications; /* not sent yet */
        BufferList packets;       /* for the host */
        unsigned n_packets;
        bool raw_ip;
        unsigned n_calls; /* data calls that are up */
} Function;

void function_init(Function *f, Modem *m, const UsbInterface *interface, const char *brain_path);

int function_connect(Function *f);
/* Forgets everything, too. */
void function_disconnect(Function *f);

/* SEND_ENCAPSULATED_COMMAND and GET_ENCAPSULATED_RESPONSE. */
void function_send(Function *f, uint32_t transfer, const uint8_t *bytes, size_t n_bytes);
void function_fetch(Function *f, uint32_t transfer, size_t n_max);
void function_release_held(Function *f);

/* The host sent a packet. */
void function_packet(Function *f, const uint8_t *bytes, size_t n_bytes);
/* The host waits at one of the endpoints: gives it what there is. */
void function_pump(Function *f);
