/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/schema-text.h"
#include "util/arena.h"

/* What people type as the names of services and messages. Both print what is wrong and return an exit code.
 */
int service_find(const char *name, const SchemaService **ret);
/* A request. */
int message_find(const SchemaService *s, const char *name, const SchemaMessage **ret);

/* One of which only the id is known, or NULL. `vendor` 0: any. */
const SchemaIdOnly *id_only_find(const SchemaService *s, const char *name);
const SchemaIdOnly *id_only_by_id(const SchemaService *s, uint16_t id, uint16_t vendor);

/* "nas get-signal-info" */
char *message_title(const SchemaMessage *m, Arena *a);
