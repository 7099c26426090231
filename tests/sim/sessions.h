/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "answers.h"

/* The modem's data calls, as requests of WDS steer them. A gate is what lets packets of one IP family
 * through on one mux id (0: without a mux); it is open while a call is up there. A key beside those of the
 * messages:
 *
 *   data.families = "both"      what the network grants on a mux: also "ipv4", "ipv6", or "single": one call
 *                               brings both families, and a second one is refused
 *
 * The addresses are those of wds.get-current-settings, for mux 0; each further mux has the next: 4 is added
 * to an IPv4 address, 1 to the third group of an IPv6 address. */

typedef struct Modem Modem;
typedef struct Exchange Exchange;

typedef enum SessionsFamilies {
        FAMILIES_BOTH,
        FAMILIES_IPV4,
        FAMILIES_IPV6,
        FAMILIES_SINGLE,
        _FAMILIES_MAX,
} SessionsFamilies;

typedef struct Call {
        uint8_t client; /* 0: the modem's own */
        uint8_t mux, family;
        bool both; /* brings the other family, too */
        uint32_t handle;
} Call;

typedef struct Sessions {
        Call *calls;
        size_t n_calls;
        SessionsFamilies families;
} Sessions;

void sessions_done(Sessions *s);
/* Keys that begin with "data.", also those of data-format.h. */
int sessions_set(Modem *m, const char *key, const char *text, char **ret_error);

/* What a request does, also one about the data format, once the rules have run: may fill in the exchange's
 * error and values. */
int sessions_handle(Modem *m, Exchange *x, char **ret_error);
/* A response was taken back: what it would have told is not so. */
void sessions_take_back(Modem *m, uint8_t client, uint16_t message);
/* Ends the calls of clients that are no more. */
void sessions_prune(Modem *m);
/* The modem was switched off and on. */
int sessions_restart(Modem *m);

/* A call that nobody asked for; and the end of all calls of a gate, from the modem's side, with further
 * values of the indication. `family`: 4 or 6. */
int sessions_start(Modem *m, uint8_t mux, uint8_t family, char **ret_error);
int sessions_end(Modem *m, uint8_t mux, uint8_t family, const Entries *extra, char **ret_error);

/* One line without its end, for whoever carries the packets:
 *
 *   raw-ip qmap 11 8192 qmap 32 32768 1 192.0.2.46 1 2001:db8:43::2a 2 ipv4
 *
 * The link layer (raw-ip, 802-3); aggregation of the uplink (disabled, qmap), how many datagrams and bytes a
 * transfer may have; the same of the downlink; of each open gate the mux id and its address, or the family
 * if no address is known. */
void sessions_describe(Modem *m, FILE *f);
