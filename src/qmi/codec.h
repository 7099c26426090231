/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/frame.h"
#include "qmi/schema.h"
#include "qmi/tlv.h"
#include "qmi/value.h"

/* Bytes to values and back, by the rows of the schema. Recursion goes as deep as the schema nests,
 * never as deep as the input says. */

/* Decodes the TLVs of a message. The result TLV of a response is left out (tlv_result() reads it).
 * A TLV that is unknown, comes a second time, does not decode, or has bytes left over after one that does,
 * is also in "unknown_tlvs" (VALUE_TLVS), as are bytes that are no TLV at all: id 0 and those bytes.
 * `ret` becomes a VALUE_DICT. `m` NULL: everything is unknown. `vendor`: USB vendor id, 0 if not known.
 * Input never makes it fail: 0 or -ENOMEM (arena used up). Text and bytes may point into `tlvs`. */
int message_decode(const SchemaMessage *m, QmiMessageType type, uint16_t vendor, const uint8_t *tlvs,
                   size_t n_tlvs, Arena *a, Value *ret);

/* The same for somebody who was granted only these classes: fields of others are left out, and their keys
 * ("lte.cell_id"; the elements of an array share one) are in "withheld" (an array of text). Unknown TLVs
 * are of class raw, as anything may be in them. The class of the message itself is not looked at.
 * `ret_withheld`: the classes of what was left out. */
int message_decode_for(const SchemaMessage *m, QmiMessageType type, uint16_t vendor, const uint8_t *tlvs,
                       size_t n_tlvs, AccessSet granted, Arena *a, Value *ret, AccessSet *ret_withheld);

/* Overwrites in place, before a message is shown to somebody else, what gives away a secret or tells of a
 * person: the fields that the schema marks `secret` or puts into a class of ACCESS_PRIVATE. Text becomes
 * asterisks, numbers and bytes become 0, all lengths stay. A TLV with such fields that does not decode is
 * overwritten whole. */
void message_mask(const SchemaMessage *m, QmiMessageType type, uint16_t vendor, uint8_t *tlvs,
                  size_t n_tlvs);

/* Whether a field of a TLV is such; of those TLVs that the schema does not know, none is. */
bool message_tlv_is_private(const SchemaMessage *m, QmiMessageType type, uint8_t id);

/* What was wrong with a value on its way in: the field, spelled as the caller spelled it
 * ("lte.rsrp", "profiles.2.name"), and why. Never shows the value of a secret field. */
typedef struct CodecError {
        char text[640];
} CodecError;

/* Encodes a dictionary (VALUE_DICT) as the TLVs of a message. Values are taken as dbus-api says: any
 * integer type where it fits, enums as symbols or numbers, flags as an array of symbols, "bit17" or bit
 * numbers or as one number of all bits, booleans also as 0 and 1, bytes also as an array of numbers. A
 * scaled number must hit a step. In place of a text its "<key>_bytes" may be given. What decoding leaves out
 * may be missing. Mandatory TLVs are demanded of requests only. Of several layouts the first is sent. 0;
 * -EINVAL and `error` filled in (unknown key, wrong type, missing field, out of range); -EMSGSIZE (likewise
 * filled in) when the TLVs do not fit into a frame; -ENOMEM. On errors `w` holds what was written so far.
 * The result TLV of a response is not written: the simulator puts it itself. */
int message_encode(const SchemaMessage *m, QmiMessageType type, uint16_t vendor, const Value *dict,
                   TlvWriter *w, CodecError *error);

/* Whether a layout is one for modems of this vendor; with 0 (unknown) any is. */
static inline bool schema_tlv_is_for(const SchemaTlv *row, uint16_t vendor) {
        return row->vendor == 0 || vendor == 0 || row->vendor == vendor;
}

/* The rows of TLVs for a direction. */
static inline SchemaTlvs message_tlvs(const SchemaMessage *m, QmiMessageType type) {
        return type == QMI_REQUEST ? m->request : m->response;
}
