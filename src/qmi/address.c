/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmi/address.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "qmi/text.h"
#include "util/util.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

size_t address_size(const SchemaType *t) {
        switch (t->kind) {
        case SCHEMA_IPV4:
                return 4;
        case SCHEMA_IPV6:
                return 16;
        case SCHEMA_PLMN_BCD:
                return 3;
        case SCHEMA_PLMN_ASCII:
                return 6;
        case SCHEMA_PLMN_BINARY:
                return 5;
        default: /* not one of these kinds */
                return 0;
        }
}

static void ipv4_reverse(const SchemaType *t, const uint8_t *from, uint8_t *to) {
        for (size_t i = 0; i < 4; i++)
                to[i] = from[t->flags & SCHEMA_BIG_ENDIAN ? i : 3 - i];
}

static char *put_digit(char *p, uint8_t digit) {
        if (digit > 9)
                return stpcpy(p, REPLACEMENT);
        *p++ = (char) ('0' + digit);
        *p = 0;
        return p;
}

/* MCC 2 | MCC 1, MNC 3 | MCC 3, MNC 2 | MNC 1 (3GPP TS 24.008, 10.5.1.3); MNC 3 is 0xF where there is none.
 */
static void plmn_bcd_decode(const uint8_t *b, char *text) {
        const uint8_t digits[] = { b[0] & 0xF, b[0] >> 4, b[1] & 0xF, b[2] & 0xF, b[2] >> 4, b[1] >> 4 };

        *text = 0;
        if (b[0] == 0xFF && b[1] == 0xFF && b[2] == 0xFF)
                return;
        for (size_t i = 0; i < (digits[5] == 0xF ? 5 : 6); i++)
                text = put_digit(text, digits[i]);
}

/* Some put 0xFF or NUL where a digit is missing; what else is there is shown as it is. */
static void plmn_ascii_decode(const uint8_t *b, char *text) {
        *text = 0;
        for (size_t i = 0; i < 6; i++) {
                if (b[i] == 0xFF || b[i] == 0)
                        continue;
                if (b[i] < 0x20 || b[i] > 0x7E)
                        text = stpcpy(text, REPLACEMENT);
                else {
                        *text++ = (char) b[i];
                        *text = 0;
                }
        }
}

static void plmn_binary_decode(const uint8_t *b, char *text) {
        (void) snprintf(text, ADDRESS_TEXT_MAX, b[4] ? "%03u%03u" : "%03u%02u", read_le16(b),
                        read_le16(b + 2));
}

void address_decode(const SchemaType *t, const uint8_t *bytes, char text[static ADDRESS_TEXT_MAX],
                    bool *ret_lossy) {
        uint8_t again[16] = {};

        switch (t->kind) {
        case SCHEMA_IPV4:
                ipv4_reverse(t, bytes, again);
                (void) inet_ntop(AF_INET, again, text, ADDRESS_TEXT_MAX);
                *ret_lossy = false;
                return;
        case SCHEMA_IPV6:
                (void) inet_ntop(AF_INET6, bytes, text, ADDRESS_TEXT_MAX);
                *ret_lossy = false;
                return;
        case SCHEMA_PLMN_BCD:
                plmn_bcd_decode(bytes, text);
                break;
        case SCHEMA_PLMN_ASCII:
                plmn_ascii_decode(bytes, text);
                break;
        case SCHEMA_PLMN_BINARY:
                plmn_binary_decode(bytes, text);
                break;
        }
        *ret_lossy = address_encode(t, text, again) < 0 || memcmp(again, bytes, address_size(t)) != 0;
}

static int plmn_encode(const SchemaType *t, const char *text, uint8_t *bytes) {
        size_t n = strlen(text);
        uint8_t d[6] = { 0, 0, 0, 0, 0, 0xF };

        if (n == 0 && t->kind == SCHEMA_PLMN_ASCII) {
                memset(bytes, 0, 6);
                return 0;
        }
        if (n == 0 && t->kind == SCHEMA_PLMN_BCD) {
                memset(bytes, 0xFF, 3);
                return 0;
        }

        if ((n != 5 && n != 6) || strspn(text, "0123456789") != n)
                return -EINVAL;
        for (size_t i = 0; i < n; i++)
                d[i] = (uint8_t) (text[i] - '0');

        switch (t->kind) {
        case SCHEMA_PLMN_BCD:
                bytes[0] = (uint8_t) (d[1] << 4 | d[0]);
                bytes[1] = (uint8_t) (d[5] << 4 | d[2]);
                bytes[2] = (uint8_t) (d[4] << 4 | d[3]);
                return 0;
        case SCHEMA_PLMN_ASCII:
                bytes[5] = 0xFF;
                memcpy(bytes, text, n);
                return 0;
        case SCHEMA_PLMN_BINARY:
                write_le16(bytes, (uint16_t) (d[0] * 100 + d[1] * 10 + d[2]));
                write_le16(bytes + 2,
                           (uint16_t) (n == 6 ? d[3] * 100 + d[4] * 10 + d[5] : d[3] * 10 + d[4]));
                bytes[4] = n == 6;
                return 0;
        }
        return -EINVAL;
}

int address_encode(const SchemaType *t, const char *text, uint8_t *bytes) {
        uint8_t ipv4[4];

        switch (t->kind) {
        case SCHEMA_IPV4:
                if (inet_pton(AF_INET, text, ipv4) != 1)
                        return -EINVAL;
                ipv4_reverse(t, ipv4, bytes);
                return 0;
        case SCHEMA_IPV6:
                return inet_pton(AF_INET6, text, bytes) == 1 ? 0 : -EINVAL;
        }
        return plmn_encode(t, text, bytes);
}
