/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/value.h"

/* A device as `list` and `status` show it: "name" and "path", then its properties, spelled with underscores
 * as all keys are; ids of USB as "1199:9071", services as name → "1.25". `path` is not copied. 0 or -ENOMEM.
 */
int device_describe(const char *path, const Value *properties, Arena *a, Value *ret);
