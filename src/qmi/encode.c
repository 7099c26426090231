/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <float.h>
#include <math.h>

#include "qmi/address.h"
#include "qmi/codec-error.h"
#include "qmi/encode-word.h"
#include "qmi/text.h"
#include "qmi/word.h"

#define STRUCT_FIELDS_MAX 255U /* the compiler of the schema sees to it */

typedef struct Encoder {
        TlvWriter *writer;
        CodecError *error;
        const char *message;
} Encoder;

/* The struct that is being written: what its fields hold, for those that refer to them. Counts and masks are
 * written as zeros, and anew when the fields behind them are known. */
typedef struct Scope {
        const SchemaField *fields;
        uint64_t words[STRUCT_FIELDS_MAX];
        size_t offsets[STRUCT_FIELDS_MAX]; /* of counts and masks in the writer */
        bool counted[STRUCT_FIELDS_MAX];
} Scope;

/* Says so when the writer is full; hands on its answer. */
static int written(Encoder *e, int r) {
        if (r == -EMSGSIZE)
                (void) codec_fail(e->error, NULL, "%s: more than the %u bytes that a frame can carry",
                                  e->message, TLVS_MAX);
        return r;
}

static int put(Encoder *e, const void *bytes, size_t n_bytes) {
        return written(e, tlv_append(e->writer, bytes, n_bytes));
}

static int put_zeros(Encoder *e, size_t n) {
        static const uint8_t zeros[256];
        int r;

        for (size_t k; n > 0; n -= k) {
                k = MIN(n, sizeof(zeros));
                r = put(e, zeros, k);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int put_word(Encoder *e, size_t width, bool big_endian, uint64_t word) {
        uint8_t bytes[8];

        word_write(bytes, width, big_endian, word);
        return put(e, bytes, width);
}

static void patch_word(Encoder *e, const Scope *scope, size_t i) {
        const SchemaType *t = schema_types + scope->fields[i].type;

        word_write(e->writer->bytes + scope->offsets[i], t->width, t->flags & SCHEMA_BIG_ENDIAN,
                   scope->words[i]);
}

static int encode_flags(Encoder *e, const CodecPath *at, const SchemaType *t, const Value *v) {
        uint8_t bytes[64] = {}, reversed[64];
        int r;

        r = value_to_flags(e->error, at, t, v, t->width * 8U, bytes);
        if (r < 0)
                return r;
        if (!(t->flags & SCHEMA_BIG_ENDIAN))
                return put(e, bytes, t->width);
        for (size_t i = 0; i < t->width; i++)
                reversed[i] = bytes[t->width - 1 - i];
        return put(e, reversed, t->width);
}

static int encode_float(Encoder *e, const CodecPath *at, const SchemaType *t, const Value *v) {
        uint64_t word;
        uint32_t half;
        double f64;
        float f32;
        int r;

        r = value_to_double(e->error, at, v, &f64);
        if (r < 0)
                return r;
        if (t->width == 4) {
                if (isfinite(f64) && fabs(f64) > (double) FLT_MAX)
                        return codec_fail(e->error, at, "the value does not fit in f32");
                f32 = (float) f64;
                memcpy(&half, &f32, sizeof(half));
                word = half;
        } else
                memcpy(&word, &f64, sizeof(word));
        return put_word(e, t->width, t->flags & SCHEMA_BIG_ENDIAN, word);
}

/* The count of a field that others count with must be the same for all of them. */
static int set_count(Encoder *e, const CodecPath *at, Scope *scope, size_t i, size_t n) {
        const SchemaField *f = scope->fields + i;
        unsigned width = schema_types[f->type].width;

        if (scope->counted[i] && scope->words[i] != n)
                return codec_fail(e->error, at,
                                  "its length, %zu, must be that of the other fields which %s counts", n,
                                  schema_string(f->name));
        if (!word_fits_unsigned(n, width * 8))
                return codec_fail(e->error, at, "%zu are more than a count of %u bytes can say", n, width);
        scope->counted[i] = true;
        scope->words[i] = n;
        patch_word(e, scope, i);
        return 0;
}

/* Writes, or sees to, the length of `n` bytes or elements that come next. */
static int encode_length(Encoder *e, const CodecPath *at, const SchemaType *t, Scope *scope, size_t n) {
        unsigned unit = t->unit > 1 ? t->unit : 1;

        switch ((SchemaLength) t->length) {
        case LENGTH_NONE:
        case LENGTH_END:
                return 0;
        case LENGTH_PREFIX:
                if (n % unit != 0)
                        return codec_fail(e->error, at, "its length, %zu bytes, is no multiple of %u", n,
                                          unit);
                if (!word_fits_unsigned(n / unit, t->width * 8U))
                        return codec_fail(e->error, at, "%zu are more than a count of %u bytes can say", n,
                                          t->width);
                return put_word(e, t->width, false, n / unit);
        case LENGTH_FIXED:
                /* Texts may be shorter: they are filled up. */
                if (t->kind == SCHEMA_STRING ? n > t->count : n != t->count)
                        return codec_fail(e->error, at, "%zu %s, %s %u", n,
                                          t->kind == SCHEMA_ARRAY ? "elements" : "bytes",
                                          t->kind == SCHEMA_STRING ? "at most" : "must be", t->count);
                return 0;
        case LENGTH_FIELD:
                return set_count(e, at, scope, t->count, n);
        }
        return -EINVAL;
}

static int fill_text(Encoder *e, const SchemaType *t, TextCoding coding, size_t n) {
        static const uint8_t ones[16] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                          0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };
        int r;

        if (t->length != LENGTH_FIXED)
                return 0;
        if (coding != TEXT_BCD)
                return put_zeros(e, t->count - n);
        for (; n < t->count; n += MIN(sizeof(ones), t->count - n)) { /* zeros would be digits */
                r = put(e, ones, MIN(sizeof(ones), t->count - n));
                if (r < 0)
                        return r;
        }
        return 0;
}

static int encode_text(Encoder *e, const CodecPath *at, const SchemaType *t, Scope *scope, const Value *v) {
        TextCoding coding = text_coding(t, scope ? scope->words : NULL);
        ssize_t n;
        int r;

        if (v->type != VALUE_STRING)
                return codec_fail_type(e->error, at, v, "text");
        if (coding < 0 && v->string[0])
                return codec_fail(e->error, at,
                                  "%s has a value for which no text coding is known; give the bytes",
                                  schema_string(scope->fields[t->coding_field].name));
        n = v->string[0] ? text_encode(coding, v->string, NULL, 0) : 0;
        if (n < 0)
                return codec_fail(e->error, at, "a character that its coding does not have");

        r = encode_length(e, at, t, scope, (size_t) n);
        if (r < 0)
                return r;
        r = put_zeros(e, (size_t) n);
        if (r < 0)
                return r;
        if (n > 0)
                (void) text_encode(coding, v->string, e->writer->bytes + e->writer->n_bytes - n, (size_t) n);
        return fill_text(e, t, coding, (size_t) n);
}

static int put_bytes(Encoder *e, const CodecPath *at, const Value *v) {
        uint64_t byte;
        int r;

        if (v->type == VALUE_BYTES)
                return put(e, v->bytes, v->n);
        for (uint32_t i = 0; i < v->n; i++) {
                CodecPath element = { .parent = at, .index = i, .is_secret = at->is_secret };

                r = value_to_integer(e->error, &element, &v->elements[i], false, 8, "an integer", &byte);
                if (r < 0)
                        return r;
                r = put_word(e, 1, false, byte);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Bytes, or the bytes of a text or address that are given in its place. */
static int encode_bytes(Encoder *e, const CodecPath *at, const SchemaType *t, Scope *scope, const Value *v) {
        int r;

        if (v->type != VALUE_BYTES && v->type != VALUE_ARRAY)
                return codec_fail_type(e->error, at, v, "an array of bytes");
        if (t->kind != SCHEMA_BYTES && t->kind != SCHEMA_STRING) {
                if (v->n != address_size(t))
                        return codec_fail(e->error, at, "%u bytes, must be %zu", v->n, address_size(t));
                return put_bytes(e, at, v);
        }
        r = encode_length(e, at, t, scope, v->n);
        if (r < 0)
                return r;
        r = put_bytes(e, at, v);
        if (r < 0)
                return r;
        return t->kind == SCHEMA_STRING ? fill_text(e, t, TEXT_UTF8, v->n) : 0;
}

static int encode_address(Encoder *e, const CodecPath *at, const SchemaType *t, const Value *v) {
        const char *what = t->kind == SCHEMA_IPV4   ? "IPv4 address"
                           : t->kind == SCHEMA_IPV6 ? "IPv6 address"
                                                    : "PLMN (MCC and MNC, five or six digits)";
        uint8_t bytes[16];

        if (v->type != VALUE_STRING)
                return codec_fail_type(e->error, at, v, "text");
        if (address_encode(t, v->string, bytes) < 0)
                return at->is_secret ? codec_fail(e->error, at, "the value is no %s", what)
                                     : codec_fail(e->error, at, "'%.60s' is no %s", v->string, what);
        return put(e, bytes, address_size(t));
}

static int encode_type(Encoder *e, const CodecPath *at, const SchemaType *t, Scope *scope, const Value *v,
                       uint64_t *ret_word);

static int encode_array(Encoder *e, const CodecPath *at, const SchemaType *t, Scope *scope, const Value *v) {
        uint64_t word;
        int r;

        if (v->type != VALUE_ARRAY && v->type != VALUE_BYTES)
                return codec_fail_type(e->error, at, v, "an array");
        r = encode_length(e, at, t, scope, v->n);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < v->n; i++) {
                CodecPath element = { .parent = at, .index = i, .is_secret = at->is_secret };
                Value byte = { .type = VALUE_U8 };
                const Value *ev = &byte;

                if (v->type == VALUE_BYTES)
                        byte.u64 = v->bytes[i];
                else
                        ev = &v->elements[i];
                r = encode_type(e, &element, schema_types + t->item, scope, ev, &word);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- dictionaries ---- */

/* A text or PLMN may be given as bytes under another key. */
static const char *bytes_name(const SchemaField *f) {
        return f->bytes_name == 0 || schema_types[f->type].kind == SCHEMA_ARRAY
                       ? NULL
                       : schema_string(f->bytes_name);
}

static bool is_name_of(const SchemaField *f, const char *key) {
        const char *bytes = bytes_name(f);

        if (f->flags & (SCHEMA_HIDDEN | SCHEMA_PADDING))
                return false;
        return streq(schema_string(f->name), key) || (bytes && streq(bytes, key));
}

/* The fields that a dictionary may have: those of a struct or word, or the TLVs of a message. */
typedef struct Fields {
        const SchemaType *type;
        SchemaTlvs tlvs;
        uint16_t vendor;
} Fields;

/* The next field from *i on, NULL at the end. */
static const SchemaField *fields_next(const Fields *fields, size_t *i) {
        if (fields->type)
                return *i < fields->type->count ? &schema_fields[fields->type->item + (*i)++] : NULL;
        while (*i < fields->tlvs.n) {
                const SchemaTlv *row = schema_tlvs + fields->tlvs.first + (*i)++;

                if (schema_tlv_is_for(row, fields->vendor))
                        return &row->field;
        }
        return NULL;
}

static int unknown_key(Encoder *e, const CodecPath *path, const Fields *fields) {
        Suggestions near = { .wrong = path->name };
        const SchemaField *f;
        char text[128];

        for (size_t i = 0; (f = fields_next(fields, &i));)
                if (!(f->flags & (SCHEMA_HIDDEN | SCHEMA_PADDING)))
                        suggestions_add(&near, schema_string(f->name));
        return codec_fail(e->error, path, "unknown key of %s%s", e->message,
                          suggestions_text(&near, text, sizeof(text)));
}

/* That there are no other keys than those, and none twice. */
static int check_keys(Encoder *e, const CodecPath *parent, const Value *dict, const Fields *fields) {
        for (uint32_t i = 0; i < dict->n; i++) {
                const char *key = dict->entries[i].key;
                CodecPath path = { .parent = parent, .name = key };
                const SchemaField *f;

                for (size_t k = 0; (f = fields_next(fields, &k));)
                        if (is_name_of(f, key))
                                break;
                if (!f)
                        return unknown_key(e, &path, fields);
                /* What is first of a key is there: of so many the keys are long known, so this is short. */
                if (value_dict_get(dict, key) != &dict->entries[i].value)
                        return codec_fail(e->error, &path, "given twice");
        }
        return 0;
}

/* A field's value, or its bytes: whether it is there. */
typedef struct Given {
        const Value *value, *bytes;
} Given;

static int find_given(Encoder *e, const CodecPath *path, const SchemaField *f, const Value *dict,
                      Given *ret) {
        const char *bytes = bytes_name(f);
        Given g = { .value = value_dict_get(dict, schema_string(f->name)) };

        if (bytes)
                g.bytes = value_dict_get(dict, bytes);
        if (g.value && g.bytes)
                return codec_fail(e->error, path, "given both as text and as %s; one of them can be sent",
                                  bytes);
        *ret = g;
        return 0;
}

/* Nothing is given for a field, and it is one that can say so on the wire. */
static bool may_be_absent(const SchemaField *f) {
        const SchemaType *t = schema_types + f->type;

        return f->flags & (SCHEMA_VALID_BYTE | SCHEMA_VALID_BIT) || schema_numbers[t->number].has_sentinel;
}

static int encode_absent(Encoder *e, const CodecPath *at, const SchemaField *f, Scope *scope,
                         uint64_t *ret_word) {
        const SchemaType *t = schema_types + f->type;
        const SchemaNumber *n = schema_numbers + t->number;
        int r;

        if (f->flags & (SCHEMA_VALID_BYTE | SCHEMA_VALID_BIT)) {
                if (t->length == LENGTH_FIELD) {
                        r = set_count(e, at, scope, t->count, 0);
                        if (r < 0)
                                return r;
                }
                return put_zeros(e, t->min_size); /* every length in it is 0 */
        }
        if (n->has_sentinel) {
                *ret_word = (uint64_t) n->sentinel & word_mask(t->width * 8U);
                return put_word(e, t->width, t->flags & SCHEMA_BIG_ENDIAN, *ret_word);
        }
        return codec_fail(e->error, at, "missing");
}

/* Also of a TLV, which is a field on its own and has no scope. */
static int encode_field(Encoder *e, const CodecPath *at, const SchemaField *f, Scope *scope,
                        const Given *given, uint64_t *ret_word) {
        const SchemaType *t = schema_types + f->type;
        bool present = given->value || given->bytes;
        int r;

        if (f->flags & SCHEMA_VALID_BYTE) {
                r = put_word(e, 1, false, present);
                if (r < 0)
                        return r;
        }
        if (f->flags & SCHEMA_VALID_BIT && present) {
                scope->words[f->mask_field] |= UINT64_C(1) << f->mask_bit;
                patch_word(e, scope, f->mask_field);
        }
        if (given->value)
                return encode_type(e, at, t, scope, given->value, ret_word);
        if (given->bytes)
                return encode_bytes(e, at, t, scope, given->bytes);
        return encode_absent(e, at, f, scope, ret_word);
}

static int encode_struct(Encoder *e, const CodecPath *at, const SchemaType *t, const Value *v) {
        Scope scope = { .fields = schema_fields + t->item };
        Given given;
        int r;

        if (v->type != VALUE_DICT)
                return codec_fail_type(e->error, at, v, "a dictionary");
        r = check_keys(e, at, v, &(Fields){ .type = t });
        if (r < 0)
                return r;

        for (size_t i = 0; i < MIN(t->count, STRUCT_FIELDS_MAX); i++) {
                const SchemaField *f = scope.fields + i;
                CodecPath place = { .parent = at,
                                    .name = schema_string(f->name),
                                    .is_secret = at->is_secret || f->flags & SCHEMA_SECRET };

                if (f->flags & SCHEMA_HIDDEN) {
                        scope.offsets[i] = e->writer->n_bytes;
                        r = put_zeros(e, schema_types[f->type].width);
                } else {
                        r = find_given(e, &place, f, v, &given);
                        if (r >= 0)
                                r = encode_field(e, &place, f, &scope, &given, &scope.words[i]);
                }
                if (r < 0)
                        return r;
        }
        return 0;
}

static int encode_bits(Encoder *e, const CodecPath *at, const SchemaType *t, const Value *v) {
        uint64_t word = 0, part;
        unsigned shift = 0;
        int r;

        if (v->type != VALUE_DICT)
                return codec_fail_type(e->error, at, v, "a dictionary");
        r = check_keys(e, at, v, &(Fields){ .type = t });
        if (r < 0)
                return r;

        for (size_t i = 0; i < t->count; shift += schema_fields[t->item + i++].bits) {
                const SchemaField *f = schema_fields + t->item + i;
                const SchemaType *ft = schema_types + f->type;
                const SchemaNumber *n = schema_numbers + ft->number;
                const Value *fv = value_dict_get(v, schema_string(f->name));
                CodecPath place = { .parent = at,
                                    .name = schema_string(f->name),
                                    .is_secret = at->is_secret || f->flags & SCHEMA_SECRET };

                if (f->flags & SCHEMA_PADDING)
                        continue;
                if (fv) {
                        r = value_to_word(e->error, &place, ft, fv, f->bits, &part);
                        if (r < 0)
                                return r;
                } else if (n->has_sentinel)
                        part = (uint64_t) n->sentinel & word_mask(f->bits);
                else
                        return codec_fail(e->error, &place, "missing");
                word |= part << shift;
        }
        return put_word(e, t->width, t->flags & SCHEMA_BIG_ENDIAN, word);
}

/* `ret_word` is written for what other fields can refer to: numbers and enums. */
static int encode_type(Encoder *e, const CodecPath *at, const SchemaType *t, Scope *scope, const Value *v,
                       uint64_t *ret_word) {
        int r;

        switch ((SchemaKind) t->kind) {
        case SCHEMA_FLAGS:
                return encode_flags(e, at, t, v);
        case SCHEMA_UINT:
        case SCHEMA_INT:
        case SCHEMA_BOOL:
        case SCHEMA_ENUM:
                r = value_to_word(e->error, at, t, v, t->width * 8U, ret_word);
                if (r < 0)
                        return r;
                return put_word(e, t->width, t->flags & SCHEMA_BIG_ENDIAN, *ret_word);
        case SCHEMA_FLOAT:
                return encode_float(e, at, t, v);
        case SCHEMA_STRING:
                return encode_text(e, at, t, scope, v);
        case SCHEMA_BYTES:
                return encode_bytes(e, at, t, scope, v);
        case SCHEMA_ARRAY:
                return encode_array(e, at, t, scope, v);
        case SCHEMA_STRUCT:
                return encode_struct(e, at, t, v);
        case SCHEMA_BITS:
                return encode_bits(e, at, t, v);
        case SCHEMA_IPV4:
        case SCHEMA_IPV6:
        case SCHEMA_PLMN_BCD:
        case SCHEMA_PLMN_ASCII:
        case SCHEMA_PLMN_BINARY:
                return encode_address(e, at, t, v);
        case SCHEMA_EMPTY:
                if (v->type != VALUE_BOOL)
                        return codec_fail_type(e->error, at, v, "a boolean");
                return 0;
        case _SCHEMA_KIND_MAX:
                break;
        }
        return -EINVAL;
}

/* ---- messages ---- */

static int encode_tlv(Encoder *e, const SchemaTlv *row, const Value *dict, bool is_request) {
        const SchemaField *f = &row->field;
        CodecPath place = { .name = schema_string(f->name), .is_secret = f->flags & SCHEMA_SECRET };
        bool is_empty = schema_types[f->type].kind == SCHEMA_EMPTY;
        Given given;
        uint64_t word;
        int start, r;
        size_t n;

        r = find_given(e, &place, f, dict, &given);
        if (r < 0)
                return r;
        if (is_empty && given.value && given.value->type == VALUE_BOOL && !given.value->boolean)
                given.value = NULL; /* not there */
        if (!given.value && !given.bytes) {
                if (!is_request || !(f->flags & SCHEMA_MANDATORY))
                        return 0;
                if (!may_be_absent(f))
                        return codec_fail(e->error, &place, "missing");
        }

        start = written(e, tlv_open(e->writer, row->id));
        if (start < 0)
                return start;
        r = encode_field(e, &place, f, NULL, &given, &word);
        if (r < 0)
                return r;
        n = e->writer->n_bytes - (size_t) start - TLV_HEADER_SIZE;
        if (row->max > 0 && n > row->max)
                return codec_fail(e->error, &place, "%zu bytes, at most %u", n, row->max);
        return tlv_close(e->writer, (size_t) start);
}

int message_encode(const SchemaMessage *m, QmiMessageType type, uint16_t vendor, const Value *dict,
                   TlvWriter *w, CodecError *error) {
        SchemaTlvs rows = message_tlvs(m, type);
        Encoder e = { .writer = w, .error = error, .message = schema_string(m->name) };
        int id = -1, r;

        if (dict->type != VALUE_DICT)
                return codec_fail_type(error, &(CodecPath){ .name = e.message }, dict, "a dictionary");
        r = check_keys(&e, NULL, dict, &(Fields){ .tlvs = rows, .vendor = vendor });
        if (r < 0)
                return r;

        for (size_t i = rows.first; i < (size_t) rows.first + rows.n; i++) {
                const SchemaTlv *row = schema_tlvs + i;

                if (!schema_tlv_is_for(row, vendor) || row->id == id)
                        continue;
                id = row->id; /* further layouts are for decoding */
                r = encode_tlv(&e, row, dict, type == QMI_REQUEST);
                if (r < 0)
                        return r;
        }
        return 0;
}
