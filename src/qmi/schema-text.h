/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/schema.h"

/* The sentences of the schema, in an object of its own that qmictl links and the daemon does not. */

extern const char *const schema_service_titles[]; /* by row of schema_services[] */
extern const char *const schema_message_abouts[]; /* by row of schema_messages[] */

/* A message of which no open source has more than the id. */
typedef struct SchemaIdOnly {
        const char *name;
        uint16_t id;
        uint16_t vendor; /* USB vendor id; 0: any */
        uint8_t service; /* row in schema_services[] */
} SchemaIdOnly;

extern const SchemaIdOnly schema_id_only[]; /* sorted by service, id, vendor */
extern const uint16_t schema_n_id_only;
