/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "modem.h"

/* What the modem does when it is told to, by a test at the control socket, by the time line or by a rule.
 * One line is one command; the list is in command.c.
 *
 * `x`: the request whose rule it is, else NULL. `reply`: where results go, or NULL. 0; -EINVAL with
 * *ret_error. */
int command_run(Modem *m, Exchange *x, const char *line, FILE *reply, char **ret_error);
/* Whether there is a command of that name: scenarios are checked when they are loaded. */
bool command_exists(const char *line);

/* "nas.get-signal-info" (requests seen), "most.nas.get-signal-info" (under way at once), "frames",
 * "malformed", "garbage" (bytes), "connections", "clients" and "clients.nas" (ids allocated now), "drop" and
 * the other faults (how often it happened). */
int counter_get(Modem *m, const char *name, uint64_t *ret, char **ret_error);

/* Cuts the next word off *p: blanks part words, but not within quotes. NULL at the end. */
char *word_next(char **p);
