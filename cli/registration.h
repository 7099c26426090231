/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/schema.h"
#include "qmi/value.h"

/* How to ask a modem for the indications of a service, found in the schema: the messages that set what a
 * client hears are those of kind `client` that are sent again after a reset. */

/* The request that turns on everything that can be turned on without knowing more: booleans become true,
 * flags all that have a name, a few thresholds sensible values. 1; 0 if the message is no registration, or
 * needs what nobody can guess (a file, a session); -ENOMEM. */
int registration_request(const SchemaMessage *m, Arena *a, Value *ret);

/* Whether a service has any. */
bool service_has_registration(const SchemaService *s);
