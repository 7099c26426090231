/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/schema.h"
#include "qmi/value.h"

/* What the schema says, as dictionaries: for JSON as they are, for people as describe.c prints them. 0 or
 * -ENOMEM. */

/* "service", "title", "id", "vendor", and per message "messages": as describe_message() without the TLVs;
 * "indications" likewise; "id_only": "message", "id", "vendor". */
int describe_service(const SchemaService *s, Arena *a, Value *ret);

/* "service", "message" or "indication", "id", "kind", "access", "about", "timeout" (seconds), "vendor",
 * "result", "abort", "undo", "replay", and "request", "response", "result_fields" (of the indication that
 * brings the result; of an indication only "fields"): lists of "id" (of the TLV),
 * "key", "type" (in words), "signature" (D-Bus), "unit", "step" (of a scaled number), "symbols" (of
 * enumerations and flags), "mandatory", "optional" (a field that may be absent), "secret", "access",
 * "vendor", "max" (bytes), "alternative" (a further layout of the one before), "fields" (of structs). */
int describe_message(const SchemaMessage *m, Arena *a, Value *ret);
