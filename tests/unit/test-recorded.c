/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "notation.h"
#include "qmi/codec.h"
#include "unit.h"

/* What real modems send, from frame to values by the shipped tables. The frames are those of
 * tests/data/recordings, by their ids; all of them are decoded in tests/integration. */

static void decode(const char *service, const char *message, QmiMessageType type, uint16_t vendor,
                   const char *hex, const char *expected) {
        _cleanup_bytes_ Bytes b = bytes_from_hex(hex);
        const SchemaMessage *schema;
        const SchemaService *s;
        const char *text;
        QmiMessage m;
        Arena a;
        Value v;

        check_int(frame_parse(b.bytes, b.n, &m), 0);
        check_int(m.type, type);
        s = schema_service_by_id(m.service, vendor);
        check(s);
        check_str(schema_string(s->name), service);
        schema = schema_message_by_id(s, type == QMI_INDICATION, m.id, vendor);
        check(schema);
        check_str(schema_string(schema->name), message);

        arena_init(&a);
        check_int(message_decode(schema, m.type, vendor, m.tlvs, m.n_tlvs, &a, &v), 0);
        text = value_to_text(&v, &a);
        check_str(text, expected);
        arena_done(&a);
}

/* v-085: an operator's name packed where others send ASCII, and a TLV that nobody knows. */
static void test_serving_system(void) {
        decode("nas", "get-serving-system", QMI_RESPONSE, 0,
               "01 6e00 80 03 01  02 0100 2400 6200" /* NAS, client 1; response 1, message 0x0024, 98 bytes
                                                      */
               "02 0400 0000 0000"                   /* success */
               "01 0600 01 01 01 02 01 05"           /* registered, attached twice, 3GPP, one radio: UMTS */
               "10 0100 01"                          /* not roaming */
               "11 0400 03 03 04 05"                 /* three data capabilities */
               "12 0a00 de00 3200 05 49763a4c06"     /* 222, 50, five bytes */
               "15 0300 01 05 01"                    /* one radio: UMTS, not roaming */
               "1b 0100 00"                          /* daylight saving */
               "1c 0200 b45f"                        /* area code 24500 */
               "1d 0400 cf5a1301"                    /* cell id 18045647 */
               "21 0500 02 03 00 00 00"              /* available, both domains */
               "25 0800 03000000 03000000"           /* calls barred */
               "26 0200 2201"                        /* scrambling code 290 */
               "27 0500 de00 3200 00"                /* 222, 50 of two digits */
               "28 0100 00",                         /* in no source */
               "{serving_system: {registration: 'registered', cs_attach: 'attached', ps_attach: 'attached', "
               "selected_network: '3gpp', radio_interfaces: [s: 'umts']}, roaming: 'off', "
               "data_capabilities: [s: 'hsdpa', 'hsupa', 'wcdma'], "
               "operator: {mcc: q222, mnc: q50, name: 'Iliad', name_bytes: <49763a4c06>}, "
               "roaming_list: [a{sv}: {radio_interface: 'umts', roaming: 'off'}], daylight_saving: 'none', "
               "lac: q24500, cell_id: u18045647, detailed_service: {status: 'available', capability: "
               "'cs_ps', "
               "hdr_status: 'none', hdr_hybrid: false, forbidden: false}, "
               "call_barring: {cs: 'all_calls', ps: 'all_calls'}, psc: q290, plmn: '22250', "
               "unknown_tlvs: [28: <00>]}");
}

/* v-094: TLVs from the last to the first, texts that end with NUL, a message id that two vendors use. */
static const char swi_firmware[] =
        "01 8200 80 02 03  02 0200 5655 7600" /* DMS, client 3; response 2, message 0x5556, 118 bytes */
        "02 0400 0000 0000"
        "18 0c00 3030322e3037325f30303000"
        "17 0800 47454e4552494300"
        "16 0800 3030302e30303500"
        "15 0200 3100"
        "13 0800 3131303234373600"
        "12 1500 53574939583330435f30322e33332e30332e303000"
        "11 1500 53574939583330435f30322e33332e30332e303000"
        "10 0700 4d433734353500";

static void test_vendor_message(void) {
        decode("dms", "swi-get-current-firmware", QMI_RESPONSE, 0x1199, swi_firmware,
               "{config_version: '002.072_000', carrier: 'GENERIC', pri_version: '000.005', carrier_id: "
               "'1', "
               "sku_id: '1102476', amss_version: 'SWI9X30C_02.33.03.00', boot_version: "
               "'SWI9X30C_02.33.03.00', "
               "model: 'MC7455'}");
}

/* v-097: a network id of NUL bytes, whose valid byte says that it does not count. */
static void test_values_that_do_not_count(void) {
        decode("nas", "get-system-info", QMI_RESPONSE, 0,
               "01 2c00 80 03 02  02 0301 4d00 2000" /* NAS, client 2; response 0x0103, message 0x004D, 32
                                                        bytes */
               "19 1d00"                             /* LTE, each behind a valid byte: */
               "01 04  01 02  01 00  01 00"          /* domain, capability, roaming, forbidden */
               "00 0000"                             /* no area code */
               "01 0cf6e702"                         /* cell id 48756236 */
               "01 02 0f"                            /* rejected: packet domain, cause 15 */
               "00 000000 000000"                    /* no network id */
               "01 4dbe",                            /* tracking area 48717 */
               "{lte: {domain: 'camped', capability: 'ps', roaming: 'off', forbidden: false, cell_id: "
               "u48756236, "
               "reject: {domain: 'ps', cause: 'no_suitable_cells_in_location_area'}, tac: q48717}}");
}

int main(void) {
        test_serving_system();
        test_vendor_message();
        test_values_that_do_not_count();
        return 0;
}
