/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "cli.h"
#include "qmi/value.h"

/* Data sessions as `sessions`, `connect` and `disconnect` show them. What returns int here returns an exit
 * code, but where it says otherwise. */

#define QMID_DATA_INTERFACE    "org.qmid1.Data"
#define QMID_SESSION_INTERFACE "org.qmid1.Session"

/* A session as a dictionary: "name" (its number) and "path", then its properties, spelled with underscores,
 * then "device". `path` is not copied. 0 or -ENOMEM. */
int session_describe(const char *path, const Value *properties, Arena *a, Value *ret);

/* All there are, an array of such, by their numbers; those of one device if --device was given. */
int session_list(const Options *o, sd_bus *bus, sd_bus_message **ret_reply, Arena *a, Value *ret);
/* The one that goes by a number or path; NULL: the only one. */
int session_find(const Value *sessions, const char *name, const Value **ret);

/* "192.0.2.42/30"; "" without an address. `family`: "ip4", "ip6". NULL without memory. */
const char *session_address(const Value *session, const char *family, Arena *a);
/* "wwan0, 192.0.2.42/30; no ipv6: not allowed": what a person wants to know in a line. NULL without memory.
 */
const char *session_summary(const Value *session, Arena *a);

/* What there is to say of it, a line for each property. */
int session_print(const Options *o, const Value *session, Arena *a);
