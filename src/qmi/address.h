/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/schema.h"

/* IP addresses and PLMNs as text. */

#define ADDRESS_TEXT_MAX 46 /* the longest IPv6 address, with its NUL */

/* The bytes on the wire of a type of these kinds: SCHEMA_IPV4, IPV6, PLMN_BCD, PLMN_ASCII, PLMN_BINARY. */
size_t address_size(const SchemaType *t);

/* Decodes address_size() bytes. What is no PLMN is shown as far as it goes, and *ret_lossy set. A PLMN that
 * is not there (all NUL in PLMN_ASCII, all ones in PLMN_BCD) is empty. */
void address_decode(const SchemaType *t, const uint8_t *bytes, char text[static ADDRESS_TEXT_MAX],
                    bool *ret_lossy);

/* Encodes into address_size() bytes. 0 or -EINVAL. */
int address_encode(const SchemaType *t, const char *text, uint8_t *bytes);
