/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notation.h"
#include "qmi/codec.h"
#include "unit.h"

/* What is overwritten of messages before others see them, by the shipped tables. */

static void mask(const char *service, const char *message, QmiMessageType type, const char *hex,
                 const char *expected) {
        _cleanup_bytes_ Bytes b = bytes_from_hex(hex), e = bytes_from_hex(expected);
        const SchemaMessage *m = schema_message_by_name(schema_service_by_name(service), message);

        check(m);
        message_mask(m, type, 0, b.bytes, b.n);
        check_int(b.n, e.n);
        check(memcmp(b.bytes, e.bytes, e.n) == 0);
}

int main(void) {
        /* A PIN: the text, not the number of the PIN, not the length. */
        mask("dms", "uim-verify-pin", QMI_REQUEST,
             "01 0600 01 04 31323334", /* PIN 1, four characters: 1234 */
             "01 0600 01 04 2a2a2a2a");
        /* Tries left are nobody's secret; nor is the result. */
        mask("dms", "uim-verify-pin", QMI_RESPONSE,
             "02 0400 0100 0c00 10 0200 02 0a", /* incorrect PIN; two tries, ten to unblock */
             "02 0400 0100 0c00 10 0200 02 0a");
        /* A message of class identity: all of it. */
        mask("dms", "get-ids", QMI_RESPONSE,
             "02 0400 0000 0000 11 0f00 303034393939303130363430303030", /* IMEI */
             "02 0400 0000 0000 11 0f00 2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a");
        /* Where a TLV with a secret does not decode, nobody can say where the secret is. */
        mask("dms", "uim-verify-pin", QMI_REQUEST,
             "01 0600 01 09 31323334", /* nine characters, of which four are there */
             "01 0600 00 00 00000000");
        /* What ends in the middle of a TLV is none, and still may have half a PIN in it. */
        mask("dms", "uim-verify-pin", QMI_REQUEST, "01 0600 01 04 3132", "00 0000 00 00 0000");
        /* Where the modem is, of a message that else tells of signal and network. */
        mask("nas", "get-serving-system", QMI_RESPONSE,
             "1c 0200 3412 1d 0400 78563412 10 0100 01", /* area code, cell; roaming */
             "1c 0200 0000 1d 0400 00000000 10 0100 01");
        /* Nothing private in it. */
        mask("nas", "get-signal-info", QMI_RESPONSE, "14 0600 c1 f5 a1ff 7c00", "14 0600 c1 f5 a1ff 7c00");
        return 0;
}
