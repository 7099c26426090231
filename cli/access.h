/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "output.h"

/* What to do about what somebody may not do or see. */

/* Followed by "org.qmid1.CLASS". */
#define ACCESS_REMEDY "be root, join group qmid, or be allowed by polkit action"

/* The class that an error of qmid's says is needed: its first letter in `text`, and how many. NULL: none. */
const char *access_class_in_error(const char *text, size_t *ret_n);

/* The classes of the keys that an answer or an indication names as withheld. */
AccessSet access_of_withheld(const SchemaMessage *m, QmiMessageType type, const Value *withheld);

/* ACCESS_REMEDY and the actions of the classes. */
void access_print_remedy(OutputLine *l, AccessSet classes);
