/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Somebody whom polkit can have ask for a password: pkttyagent(1), on the terminal. */

/* Starts it; true when polkit knows of it. False: nobody can be asked here, or it is not installed, does not
 * get ready. While it runs, a signal that ends us ends it first, and leaves the terminal as it was. */
bool agent_start(void);
/* For one that was started. */
void agent_end(void);
