/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "modem.h"

/* The control socket: a line is a command, answered by a line, "ok [NUMBER]" or "error WHY".
 *
 *   plug | unplug | replug
 *   stall-answers N | refuse-sends N | lose-notifications N | split-answers N | cut-answers N
 *   lose-packets N
 *   halt on|off | hold-sends on|off | hold-packets on|off
 *   gate FUNCTION MUX                  what datapath_describe_gate() says
 *   count COUNTER | wait COUNTER N     answered when the counter has reached N
 *
 * What they mean stands in modem.h. */

typedef struct Commands Commands;

int commands_new(Commands **ret, Modem *m, const char *path);
Commands *commands_free(Commands *c);
DEFINE_CLEANUP(Commands *, commands_free)
