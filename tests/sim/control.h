/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "modem.h"

/* The control socket: a line is a command (command.h), and gets a line back, "ok …" or "error …". Besides
 * those there is
 *
 *   wait-count COUNTER N     answered when the counter has come to N (or more); "=N": to exactly N
 *   attach INTERFACE         from who carries the packets: the modem was plugged in, at this USB interface.
 * The reply is what sessions_describe() says; each time that this is something else there comes another
 * line, before what was asked for is answered. */

typedef struct Control Control;

int control_new(Control **ret, Modem *m, const char *path); /* "-": standard input and output */
Control *control_free(Control *c);
DEFINE_CLEANUP(Control *, control_free)
/* Tells who is attached what has changed. */
void control_tell_state(Control *c);
/* Answers who waits for what has come true. */
void control_check(Control *c);
