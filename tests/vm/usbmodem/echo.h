/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/util.h"

/* Somebody at the far end of the data channel who answers pings: turns a packet (an Ethernet frame unless
 * `raw_ip`) into its answer, in place. False if there is none. */
bool echo_packet(uint8_t *packet, size_t n_packet, bool raw_ip);
