/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/schema.h"

/* The sentences of the schema, in an object of its own that qmictl links and the daemon does not. */

extern const char *const schema_service_titles[]; /* by row of schema_services[] */
extern const char *const schema_message_abouts[]; /* by row of schema_messages[] */
