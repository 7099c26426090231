/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "qmi/value.h"

/* Reads the next complete type of a message, whatever it is: answers of qmid's methods, properties, objects.
 * Dictionaries with text keys become VALUE_DICT, a(yay) VALUE_TLVS, other arrays and structs VALUE_ARRAY,
 * paths text. Strings and bytes point into the message. 0, -EBADMSG (file descriptors, dictionaries with
 * other keys), -ENOMEM. */
int reply_read(sd_bus_message *m, Arena *a, Value *ret);

/* What a dictionary has there: "", 0 and false if it is not there, or is something else. */
const char *reply_text(const Value *dict, const char *key);
uint64_t reply_number(const Value *dict, const char *key);
bool reply_flag(const Value *dict, const char *key);
