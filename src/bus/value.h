/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "qmi/value.h"

/* Values to D-Bus and back. */

/* Entries that a dictionary from the bus may have; more are refused before they are compared with each
 * other. */
#define BUS_DICT_MAX 256U

/* Appends a{sv}. */
int bus_append_dict(sd_bus_message *m, const Value *dict);
/* Appends a(yay). */
int bus_append_tlvs(sd_bus_message *m, const Tlv *tlvs, size_t n_tlvs);

/* Reads one basic type but a descriptor; text points into the message. 0, -EBADMSG, or what sd-bus says. */
int bus_read_basic(sd_bus_message *m, char type, Value *ret);
/* Reads a{sv}; strings and bytes point into the message. 0; -EINVAL and `error` filled in: too deep, too
 * many entries, a key that comes twice, a type that QMI has no use for, more than the arena holds;
 * -ENOMEM. */
int bus_read_dict(sd_bus_message *m, Arena *a, Value *ret, sd_bus_error *error);
/* Overwrites all text and bytes in the body of a message that was read, and what was read points to: sd-bus
 * erases only what it has put together itself. */
void bus_erase_body(sd_bus_message *m);
/* About how many bytes the body of a message has that was received, at most `max`: counted no further. */
size_t bus_message_size(sd_bus_message *m, size_t max);
/* Reads a(yay); the bytes point into the message. 0, -EMSGSIZE, -ENOMEM. */
int bus_read_tlvs(sd_bus_message *m, Arena *a, Value *ret);
