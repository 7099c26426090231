/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/schema.h"
#include "util/arena.h"

/* What people type as the names of services and messages. Both print what is wrong and return an exit code.
 */
int service_find(const char *name, const SchemaService **ret);
/* A request. */
int message_find(const SchemaService *s, const char *name, const SchemaMessage **ret);

/* "nas get-signal-info" */
char *message_title(const SchemaMessage *m, Arena *a);
