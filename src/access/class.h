/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/schema.h"

/* Access classes as polkit and people know them. */

#define ACCESS_ACTION_PREFIX "org.qmid1."

/* What a class is about, for the sentence of an error: "where the modem is"; NULL for what is no class. */
const char *access_class_purpose(AccessClass c);
