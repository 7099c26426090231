/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "answers.h"
#include "qmi/frame.h"

/* How packets are framed and aggregated, as WDA and CTL 0x0026 set it. What holds is wda.get-data-format, of
 * a modem without that message ctl.set-data-format.protocol. What it can is for the scenario to say:
 *
 *   data.link-layer = "both"    also "802-3", "raw-ip"
 *   data.qmap = true
 *   data.downlink-max-datagrams = 32, data.downlink-max-size, data.uplink-max-datagrams,
 *   data.uplink-max-size        its limits
 *
 * What was asked for and cannot be is not refused: the answer says what holds. An endpoint that is not this
 * one is refused, and a change while a call is up. */

typedef struct Modem Modem;
typedef struct Exchange Exchange;

typedef enum DataLimit {
        LIMIT_DOWNLINK_DATAGRAMS,
        LIMIT_DOWNLINK_SIZE,
        LIMIT_UPLINK_DATAGRAMS,
        LIMIT_UPLINK_SIZE,
        _LIMIT_MAX,
} DataLimit;

typedef struct DataFormat {
        bool no_raw_ip, no_ethernet, no_qmap;
        uint32_t limits[_LIMIT_MAX];
        Entries wda, ctl; /* as they were in the beginning */
        bool has_interface;
        uint8_t interface; /* of USB: the endpoint */
} DataFormat;

void data_format_init(DataFormat *d);
void data_format_done(DataFormat *d);
/* Remembers the format of a modem that is switched on, and */
int data_format_begin(Modem *m);
/* goes back to it. */
int data_format_restart(Modem *m);
int data_format_configure(DataFormat *d, const char *key, const char *text, char **ret_error);

/* A QMI error if the TLV names another endpoint; 0 also if there is none. */
uint16_t data_format_check_endpoint(Modem *m, const QmiMessage *request, uint8_t id);
/* A QMI error, 0, or what went wrong with the simulation. */
int data_format_handle(Modem *m, Exchange *x, bool in_call, char **ret_error);
/* The beginning of sessions_describe(). */
void data_format_describe(Modem *m, FILE *f);
