/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/util.h"

/* The compiled schema: const rows that interfaces/compile.py writes from interfaces/ (the grammar:
 * docs/schema.md) and that the decoder and the encoder walk. Rows name each other by index and strings by
 * their offset in one pool, so that nothing is relocated and every page of it is shared.
 *
 * The tables are link-time symbols: a test that brings its own object with all of them, compiled from other
 * TOML files, replaces the shipped ones. */

/* What a message may give away or change: one polkit action each. The order is that of dbus-api. */
typedef enum AccessClass {
        ACCESS_NONE, /* in a TLV or field: that of the message */
        ACCESS_STATUS,
        ACCESS_IDENTITY,
        ACCESS_LOCATION,
        ACCESS_DATA,
        ACCESS_SIM_UNLOCK,
        ACCESS_SIM,
        ACCESS_MESSAGING,
        ACCESS_VOICE,
        ACCESS_CONTROL,
        ACCESS_CLIENTS,
        ACCESS_CONFIGURATION,
        ACCESS_RAW,
        _ACCESS_CLASS_MAX,
        _ACCESS_CLASS_INVALID = -EINVAL,
} AccessClass;

/* Several of them, a bit each. */
typedef uint32_t AccessSet;

#define ACCESS_SET(c) ((AccessSet) 1 << (c))
#define ACCESS_ALL    (ACCESS_SET(_ACCESS_CLASS_MAX) - 1)

/* What tells of a person: who, where, with whom, and what is on the SIM. */
#define ACCESS_PRIVATE                                                                        \
        (ACCESS_SET(ACCESS_IDENTITY) | ACCESS_SET(ACCESS_LOCATION) | ACCESS_SET(ACCESS_SIM) | \
         ACCESS_SET(ACCESS_MESSAGING) | ACCESS_SET(ACCESS_VOICE))

/* Which client id a message runs on. */
typedef enum MessageKind {
        KIND_NONE, /* indications, and CTL, which is the multiplexer's own */
        KIND_QUERY,
        KIND_COMMAND,
        KIND_CLIENT,
        KIND_SESSION,
        _MESSAGE_KIND_MAX,
        _MESSAGE_KIND_INVALID = -EINVAL,
} MessageKind;

/* A code of which only a few wrong ones are taken, and then none: of what kind. */
typedef enum GuardKind {
        GUARD_NONE,
        GUARD_PIN,
        GUARD_PUK,
        GUARD_CONTROL_KEY, /* of a personalization lock, */
        GUARD_UNBLOCK_KEY, /* and what takes it when that is blocked */
        _GUARD_KIND_MAX,
} GuardKind;

typedef enum SchemaKind {
        SCHEMA_UINT, /* width bytes; `numbers` row for scale, unit, sentinel */
        SCHEMA_INT,
        SCHEMA_FLOAT,    /* width 4 or 8 */
        SCHEMA_BOOL,     /* width bytes, 0 is false */
        SCHEMA_ENUM,     /* width bytes, `item` an enum row; signed if SCHEMA_SIGNED */
        SCHEMA_FLAGS,    /* width up to 64 bytes, `item` an enum row whose values are bit numbers */
        SCHEMA_STRING,   /* `length`, `coding` */
        SCHEMA_BYTES,    /* `length` */
        SCHEMA_ARRAY,    /* `length`, `item` a type row */
        SCHEMA_STRUCT,   /* `count` fields from field row `item` */
        SCHEMA_BITS,     /* width bytes split into `count` fields from field row `item`, lowest bits first */
        SCHEMA_IPV4,     /* 4 bytes; SCHEMA_BIG_ENDIAN: in the order they are written */
        SCHEMA_IPV6,     /* 16 bytes, in network order */
        SCHEMA_PLMN_BCD, /* 3 bytes as 3GPP TS 24.008 packs them */
        SCHEMA_PLMN_ASCII,  /* MCC char[3], MNC char[3], a two-digit MNC filled with 0xFF */
        SCHEMA_PLMN_BINARY, /* MCC u16, MNC u16, u8: 1 when the MNC has three digits */
        SCHEMA_EMPTY,       /* no bytes: being there is the value (true) */
        _SCHEMA_KIND_MAX,
} SchemaKind;

/* How many bytes (strings, bytes) or elements (arrays). */
typedef enum SchemaLength {
        LENGTH_NONE,
        LENGTH_END,    /* to the end of the TLV */
        LENGTH_PREFIX, /* a prefix of `width` bytes before it; it counts units of `unit` bytes */
        LENGTH_FIXED,  /* `count` */
        LENGTH_FIELD,  /* as the earlier field number `count` of the enclosing struct says */
} SchemaLength;

typedef enum TextCoding {
        TEXT_UTF8,
        TEXT_UTF8_OR_GSM7, /* UTF-8; what holds control characters is tried as packed GSM 7-bit */
        TEXT_GSM7,         /* GSM 7-bit default alphabet, packed */
        TEXT_GSM8,         /* the same, one character a byte */
        TEXT_UCS2LE,       /* UTF-16 with surrogates is accepted */
        TEXT_UCS2BE,
        TEXT_LATIN1,
        TEXT_BCD, /* digits, low nibble first, 0xF fills */
        _TEXT_CODING_MAX,
        _TEXT_CODING_INVALID = -EINVAL,
} TextCoding;

enum {
        /* types */
        SCHEMA_BIG_ENDIAN = 1 << 0,
        SCHEMA_SIGNED = 1 << 1,
        SCHEMA_CODING_BY_FIELD =
                1 << 2, /* `coding` is a codings row, chosen by the value of field `coding_field` */
        /* fields and TLVs */
        SCHEMA_HIDDEN = 1 << 3,     /* a count or mask that others refer to: no key; derived when encoding */
        SCHEMA_VALID_BYTE = 1 << 4, /* a u8 before it says whether it counts */
        SCHEMA_VALID_BIT = 1 << 5,  /* bit `mask_bit` of the earlier field `mask_field` says so */
        SCHEMA_SECRET = 1 << 6,
        SCHEMA_PADDING = 1 << 7, /* of a bit-packed word */
        /* TLVs */
        SCHEMA_MANDATORY = 1 << 8,
        /* messages */
        SCHEMA_REPLAY = 1 << 9,
        SCHEMA_HAS_SECRET = 1 << 10,  /* some TLV or field of the request or response is secret */
        SCHEMA_HAS_PRIVATE = 1 << 12, /* likewise a secret or an identity; or it is of class identity */
        /* fields and TLVs */
        SCHEMA_GUARDED = 1 << 11, /* the code that a message with `guard` carries; of a TLV that is none:
                                     the answer would come where nobody guards */
};

typedef struct SchemaType {
        uint8_t kind;
        uint8_t width;
        uint8_t length;
        uint8_t unit;
        uint8_t coding;
        uint8_t coding_field;
        uint16_t flags;
        uint16_t item;
        uint16_t count;
        uint16_t number;    /* schema_numbers[]; 0: none */
        uint16_t min_size;  /* the least bytes that a value takes on the wire */
        uint32_t signature; /* of the value on the bus: "u", "s", "aq", "a{sv}" */
} SchemaType;

/* value = raw × multiplier / divisor. */
typedef struct SchemaNumber {
        int32_t multiplier, divisor;
        int64_t sentinel; /* the raw value that means "no value" */
        uint32_t unit;    /* "dBm", or 0 */
        uint8_t has_sentinel;
        uint8_t has_scale;
} SchemaNumber;

typedef struct SchemaField {
        uint32_t name;       /* with underscores */
        uint32_t bytes_name; /* "<name>_bytes" where text in it may not decode; else 0 */
        uint16_t type;
        uint16_t flags;
        uint8_t access;
        uint8_t bits; /* width in a SCHEMA_BITS word */
        uint8_t mask_field;
        uint8_t mask_bit;
} SchemaField;

typedef struct SchemaTlv {
        SchemaField field; /* its key and value */
        uint8_t id;
        uint8_t alternative; /* above 0: a further layout of the TLV in the row before it, tried in order */
        uint16_t vendor;     /* only on modems of this USB vendor; 0: on all */
        uint16_t max;        /* most bytes that may be sent; 0: no limit of its own */
} SchemaTlv;

typedef struct SchemaTlvs {
        uint16_t first, n; /* sorted by id, then alternative */
} SchemaTlvs;

#define SCHEMA_NO_MESSAGE 0xFFFF

typedef struct SchemaMessage {
        uint32_t name;   /* "get-signal-info" */
        uint32_t member; /* "GetSignalInfo" */
        uint16_t id;
        uint16_t vendor; /* USB vendor id; 0: any */
        uint16_t flags;
        uint16_t timeout_sec;
        uint8_t service; /* row in schema_services[] */
        uint8_t is_indication;
        uint8_t kind;
        uint8_t access;
        uint8_t guard;
        uint16_t abort;  /* rows in schema_messages[]: what aborts it while it is under way, */
        uint16_t undo;   /* what undoes its success (its TLVs filled from equal names in result, response and
                            request), */
        uint16_t result; /* the indication that carries its result; SCHEMA_NO_MESSAGE: none */
        uint8_t request_token,
                result_token; /* ids of the TLVs that pair request and result; 0: by id alone */
        SchemaTlvs request;
        SchemaTlvs response; /* of an indication: its TLVs */
} SchemaMessage;

typedef struct SchemaService {
        uint32_t name;      /* "nas" */
        uint32_t interface; /* "org.qmid1.Nas"; "" for CTL, which is not on the bus */
        uint16_t id;
        uint16_t vendor;
        uint16_t first_message, n_messages;       /* requests sorted by id, vendor */
        uint16_t first_indication, n_indications; /* sorted likewise */
} SchemaService;

typedef struct SchemaEnum {
        uint16_t first, n; /* in schema_enum_values[], sorted by value; of equal values the first is shown */
        uint32_t name;
} SchemaEnum;

typedef struct SchemaEnumValue {
        uint32_t value;  /* truncated to 32 bits; signed ones in two's complement */
        uint32_t symbol; /* with underscores */
} SchemaEnumValue;

/* [coding.x]: which text coding a number stands for. */
typedef struct SchemaCoding {
        uint8_t value, coding, is_last;
} SchemaCoding;

extern const char schema_strings[];
extern const SchemaType schema_types[];
extern const SchemaNumber schema_numbers[];
extern const SchemaField schema_fields[];
extern const SchemaTlv schema_tlvs[];
extern const SchemaMessage schema_messages[];
extern const SchemaService schema_services[];
extern const SchemaEnum schema_enums[];
extern const SchemaEnumValue schema_enum_values[];
extern const SchemaCoding schema_codings[];
extern const uint16_t schema_n_services, schema_n_messages, schema_n_tlvs, schema_n_types, schema_n_fields,
        schema_n_enums;
extern const uint16_t schema_error_enum; /* [enum.qmi-error] of common.toml */

static inline const char *schema_string(uint32_t offset) {
        return schema_strings + offset;
}

/* Names and symbols as people give them: dashes and underscores are the same. */
static inline char schema_name_fold(char c) {
        return c == '-' ? '_' : c;
}
bool schema_name_equal(const char *a, const char *b);

/* By the name in files and shell ("nas"), or as the interface spells it ("Nas"); NULL if unknown. */
const SchemaService *schema_service_by_name(const char *name);
/* By QMI service id. Vendors use ids from 0xE0 up for different things: `vendor` (0: unknown) decides. */
const SchemaService *schema_service_by_id(uint16_t id, uint16_t vendor);
/* A request by "get-signal-info", "GetSignalInfo" or "get_signal_info". NULL if unknown. */
const SchemaMessage *schema_message_by_name(const SchemaService *s, const char *name);
const SchemaMessage *schema_indication_by_name(const SchemaService *s, const char *name);
/* A request or an indication by id; a row of that vendor before one of any vendor. With vendor 0 (unknown)
 * any row serves. */
const SchemaMessage *schema_message_by_id(const SchemaService *s, bool indication, uint16_t id,
                                          uint16_t vendor);

/* The symbol of a value, "low_power"; NULL if it has none. */
const char *schema_enum_symbol(uint16_t enum_row, uint32_t value);
/* 0 and the value of "low_power" or "low-power"; -ENOENT. */
int schema_enum_value(uint16_t enum_row, const char *symbol, uint32_t *ret);

/* "no_effect" of a QMI protocol error; NULL if unknown. */
const char *schema_error_symbol(uint16_t error);

const char *access_class_to_string(AccessClass c); /* "sim_unlock" */
const char *message_kind_to_string(MessageKind k); /* "query" */
