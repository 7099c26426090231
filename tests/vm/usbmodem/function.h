/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "datapath.h"
#include "profile.h"
#include "qmi/frame.h"

/* One QMI interface of the modem: CDC's encapsulated commands and responses carry the frames to and from the
 * brain, a process that speaks QMUX on a unix stream socket. What the brain makes of the data channel it
 * says at another socket, the control socket of qmisim. */

typedef struct Modem Modem;
typedef struct Buffer Buffer;
typedef STAILQ_HEAD(BufferList, Buffer) BufferList;

/* Two sides of all gates, with their addresses. */
#define GATES_LINE_MAX (32U * 1024)

typedef struct Function {
        Modem *modem;
        const UsbInterface *interface;
        const char *brain_path, *gates_path; /* gates_path may be NULL */

        int brain; /* -1: not connected */
        sd_event_source *source;
        size_t n_received;
        uint8_t received[QMUX_MAX]; /* from the brain, no whole frame yet */

        BufferList held;          /* requests whose transfer has not ended */
        BufferList answers;       /* for the host to fetch */
        unsigned n_notifications; /* not sent yet */

        int gates; /* -1: not connected */
        sd_event_source *gates_source;
        size_t n_gates_line;
        char gates_line[GATES_LINE_MAX]; /* no whole line yet */
        Datapath datapath;
} Function;

void function_init(Function *f, Modem *m, const UsbInterface *interface, const char *brain_path,
                   const char *gates_path);

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
