/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>

#include "cli.h"
#include "qmi/value.h"

/* Values as JSON, and a newline behind it; flushed, so that a reader of a pipe has each as it comes. Bytes
 * are a string of hexadecimal digits, as on the command line; TLVs objects with "id" and "bytes"; numbers
 * that are not finite null. */
int json_print(FILE *f, const Value *v, JsonMode mode);
