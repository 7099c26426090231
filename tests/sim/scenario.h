/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "modem.h"

/* Reads a scenario: lines as flatten.py makes them from TOML.
 *
 *   # a comment
 *   nas.get-signal-info.lte.rsrp = -95     keys: answers.h and modem_set()
 *   on MESSAGE / if CONDITION / do COMMAND  rules.h
 *   @2.5s COMMAND                           timeline.h; KEY = VALUE is short for "set"
 *   @repeat 4s
 *
 * A mistake is printed as file:line: what is wrong. */
int scenario_load(Modem *m, const char *path);
/* Runs what is due at the beginning and checks all values against the schema. */
int scenario_start(Modem *m, const char *path);
