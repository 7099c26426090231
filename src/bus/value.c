/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/value.h"

#include "bus/error.h"
#include "qmi/tlv.h"

#define DEPTH_MAX 16U

static int append_value(sd_bus_message *m, const Value *v);

static int append_array(sd_bus_message *m, const Value *v) {
        int r;

        r = sd_bus_message_open_container(m, 'a', v->signature);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < v->n; i++) {
                r = append_value(m, &v->elements[i]);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

static int append_value(sd_bus_message *m, const Value *v) {
        switch (v->type) {
        case VALUE_BOOL:
                return sd_bus_message_append(m, "b", (int) v->boolean);
        case VALUE_U8: {
                uint8_t u = (uint8_t) v->u64;
                return sd_bus_message_append_basic(m, 'y', &u);
        }
        case VALUE_I16: {
                int16_t i = (int16_t) v->i64;
                return sd_bus_message_append_basic(m, 'n', &i);
        }
        case VALUE_U16: {
                uint16_t u = (uint16_t) v->u64;
                return sd_bus_message_append_basic(m, 'q', &u);
        }
        case VALUE_I32: {
                int32_t i = (int32_t) v->i64;
                return sd_bus_message_append_basic(m, 'i', &i);
        }
        case VALUE_U32: {
                uint32_t u = (uint32_t) v->u64;
                return sd_bus_message_append_basic(m, 'u', &u);
        }
        case VALUE_I64:
                return sd_bus_message_append_basic(m, 'x', &v->i64);
        case VALUE_U64:
                return sd_bus_message_append_basic(m, 't', &v->u64);
        case VALUE_DOUBLE:
                return sd_bus_message_append_basic(m, 'd', &v->number);
        case VALUE_STRING:
                return sd_bus_message_append_basic(m, 's', v->string);
        case VALUE_BYTES:
                return sd_bus_message_append_array(m, 'y', v->bytes, v->n);
        case VALUE_ARRAY:
                return append_array(m, v);
        case VALUE_DICT:
                return bus_append_dict(m, v);
        case VALUE_TLVS:
                return bus_append_tlvs(m, v->tlvs, v->n);
        }
        return -EINVAL;
}

static int append_variant(sd_bus_message *m, const Value *v) {
        char signature[32] = { (char) v->type };
        int r;

        switch (v->type) {
        case VALUE_BYTES:
                strcpy(signature, "ay");
                break;
        case VALUE_ARRAY:
                if (strlen(v->signature) + 2 > sizeof(signature))
                        return -EINVAL;
                signature[0] = 'a';
                strcpy(signature + 1, v->signature);
                break;
        case VALUE_DICT:
                strcpy(signature, "a{sv}");
                break;
        case VALUE_TLVS:
                strcpy(signature, "a(yay)");
                break;
        case VALUE_BOOL:
        case VALUE_U8:
        case VALUE_I16:
        case VALUE_U16:
        case VALUE_I32:
        case VALUE_U32:
        case VALUE_I64:
        case VALUE_U64:
        case VALUE_DOUBLE:
        case VALUE_STRING:
                break;
        }

        r = sd_bus_message_open_container(m, 'v', signature);
        if (r < 0)
                return r;
        r = append_value(m, v);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(m);
}

int bus_append_dict(sd_bus_message *m, const Value *dict) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < dict->n; i++) {
                r = sd_bus_message_open_container(m, 'e', "sv");
                if (r < 0)
                        return r;
                r = sd_bus_message_append_basic(m, 's', dict->entries[i].key);
                if (r < 0)
                        return r;
                r = append_variant(m, &dict->entries[i].value);
                if (r < 0)
                        return r;
                r = sd_bus_message_close_container(m);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

/* Elements that an array has one behind the other, as C would have them. */
static bool bus_type_is_trivial(char type) {
        return memchr("ynqiuxtd", type, 8);
}

static void erase_all(sd_bus_message *m, unsigned depth) {
        const char *contents;
        char type;

        while (depth <= 2 * DEPTH_MAX && sd_bus_message_peek_type(m, &type, &contents) > 0) {
                const void *p;
                size_t n;

                if (type == 's') {
                        if (sd_bus_message_read_basic(m, 's', &p) < 0)
                                return;
                        explicit_bzero((void *) (uintptr_t) p, strlen(p));
                } else if (type == 'a' && contents[0] != '{' && bus_type_is_trivial(contents[0])) {
                        if (sd_bus_message_read_array(m, contents[0], &p, &n) < 0)
                                return;
                        if (n > 0)
                                explicit_bzero((void *) (uintptr_t) p, n);
                } else if (contents) {
                        if (sd_bus_message_enter_container(m, type, contents) < 0)
                                return;
                        erase_all(m, depth + 1);
                        if (sd_bus_message_exit_container(m) < 0)
                                return;
                } else if (sd_bus_message_skip(m, NULL) < 0)
                        return;
        }
}

void bus_erase_body(sd_bus_message *m) {
        if (sd_bus_message_rewind(m, true) >= 0)
                erase_all(m, 0);
}

static void count_bytes(sd_bus_message *m, unsigned depth, size_t max, size_t *n) {
        const char *contents;
        char type;

        while (*n < max && sd_bus_message_peek_type(m, &type, &contents) > 0) {
                const void *p;
                size_t size;

                *n += sizeof(uint64_t);
                if (depth > 2 * DEPTH_MAX)
                        *n = max;
                else if (strchr("sog", type)) {
                        if (sd_bus_message_read_basic(m, type, &p) < 0)
                                return;
                        *n += strlen(p);
                } else if (type == 'a' && contents[0] != '{' && bus_type_is_trivial(contents[0])) {
                        if (sd_bus_message_read_array(m, contents[0], &p, &size) < 0)
                                return;
                        *n += size;
                } else if (contents) {
                        if (sd_bus_message_enter_container(m, type, contents) < 0)
                                return;
                        count_bytes(m, depth + 1, max, n);
                        if (*n >= max || sd_bus_message_exit_container(m) < 0)
                                return;
                } else if (sd_bus_message_skip(m, NULL) < 0)
                        return;
        }
}

size_t bus_message_size(sd_bus_message *m, size_t max) {
        const char *path = sd_bus_message_get_path(m);
        size_t n = path ? strlen(path) : 0;

        if (sd_bus_message_rewind(m, true) >= 0)
                count_bytes(m, 0, max, &n);
        (void) sd_bus_message_rewind(m, true);
        return MIN(n, max);
}

int bus_append_tlvs(sd_bus_message *m, const Tlv *tlvs, size_t n_tlvs) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "(yay)");
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_tlvs; i++) {
                r = sd_bus_message_open_container(m, 'r', "yay");
                if (r < 0)
                        return r;
                r = sd_bus_message_append_basic(m, 'y', &tlvs[i].id);
                if (r < 0)
                        return r;
                r = sd_bus_message_append_array(m, 'y', tlvs[i].bytes, tlvs[i].n_bytes);
                if (r < 0)
                        return r;
                r = sd_bus_message_close_container(m);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(m);
}

int bus_read_basic(sd_bus_message *m, char type, Value *ret) {
        union {
                int b;
                uint8_t y;
                int16_t n;
                uint16_t q;
                int32_t i;
                uint32_t u;
                int64_t x;
                uint64_t t;
                double d;
                const char *s;
        } raw = {};
        Value v = { .type = (ValueType) type };
        int r;

        r = sd_bus_message_read_basic(m, type, &raw);
        if (r < 0)
                return r;
        switch (type) {
        case 'b':
                v.boolean = raw.b;
                break;
        case 'y':
                v.u64 = raw.y;
                break;
        case 'n':
                v.i64 = raw.n;
                break;
        case 'q':
                v.u64 = raw.q;
                break;
        case 'i':
                v.i64 = raw.i;
                break;
        case 'u':
                v.u64 = raw.u;
                break;
        case 'x':
                v.i64 = raw.x;
                break;
        case 't':
                v.u64 = raw.t;
                break;
        case 'd':
                v.number = raw.d;
                break;
        case 's':
        case 'o':
        case 'g':
                v.type = VALUE_STRING;
                v.string = raw.s;
                break;
        default: /* 'h' */
                return -EBADMSG;
        }
        *ret = v;
        return 0;
}

static int read_dict(sd_bus_message *m, Arena *a, unsigned depth, Value *ret, sd_bus_error *error);
static int read_value(sd_bus_message *m, Arena *a, unsigned depth, Value *ret, sd_bus_error *error);

/* An array whose elements nobody counted yet: it doubles as it grows. */
static int read_array(sd_bus_message *m, const char *element, Arena *a, unsigned depth, Value *ret,
                      sd_bus_error *error) {
        uint32_t n_allocated = 0, n = 0;
        Value *elements = NULL;
        int r;

        r = sd_bus_message_enter_container(m, 'a', element);
        if (r < 0)
                return r;
        while ((r = sd_bus_message_at_end(m, false)) == 0) {
                elements = arena_grow(a, elements, n, &n_allocated, sizeof(Value));
                if (!elements)
                        return -ENOMEM;
                r = read_value(m, a, depth, &elements[n++], error);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        *ret = (Value){ .type = VALUE_ARRAY, .n = n, .elements = elements };
        return 0;
}

static int read_value(sd_bus_message *m, Arena *a, unsigned depth, Value *ret, sd_bus_error *error) {
        const char *contents;
        char type;
        int r;

        if (depth > DEPTH_MAX)
                return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT,
                                         "the request is nested too deeply");
        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r < 0)
                return r;

        switch (type) {
        case 'b':
        case 'y':
        case 'n':
        case 'q':
        case 'i':
        case 'u':
        case 'x':
        case 't':
        case 'd':
        case 's':
                return bus_read_basic(m, type, ret);
        case 'v':
                r = sd_bus_message_enter_container(m, 'v', contents);
                if (r < 0)
                        return r;
                r = read_value(m, a, depth + 1, ret, error);
                if (r < 0)
                        return r;
                return MIN(sd_bus_message_exit_container(m), 0);
        case 'a':
                if (streq(contents, "y")) {
                        const void *bytes;
                        size_t n;

                        r = sd_bus_message_read_array(m, 'y', &bytes, &n);
                        if (r < 0)
                                return r;
                        *ret = (Value){ .type = VALUE_BYTES, .n = (uint32_t) n, .bytes = bytes };
                        return 0;
                }
                if (streq(contents, "{sv}"))
                        return read_dict(m, a, depth + 1, ret, error);
                if (contents[0] != '{')
                        return read_array(m, contents, a, depth + 1, ret, error);
                break;
        default:
                break;
        }
        return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT, "no field takes D-Bus type '%c%s'",
                                 type, contents ? contents : "");
}

static int read_dict(sd_bus_message *m, Arena *a, unsigned depth, Value *ret, sd_bus_error *error) {
        Value dict = { .type = VALUE_DICT };
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *key;
                Value *v;

                r = sd_bus_message_read_basic(m, 's', &key);
                if (r < 0)
                        return r;
                if (dict.n >= BUS_DICT_MAX)
                        return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT,
                                                 "a dictionary has more than %u entries", BUS_DICT_MAX);
                if (value_dict_get(&dict, key))
                        return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT, "%s: given twice", key);
                v = value_dict_add(&dict, a, key);
                if (!v)
                        return -ENOMEM;
                r = read_value(m, a, depth, v, error);
                if (r == -ENOMEM && depth == 0)
                        return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT,
                                                 "%s: more than any QMI message has", key);
                if (r < 0)
                        return depth == 0 && sd_bus_error_is_set(error) ? bus_error_prefix(error, key) : r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        *ret = dict;
        return 0;
}

int bus_read_dict(sd_bus_message *m, Arena *a, Value *ret, sd_bus_error *error) {
        return read_dict(m, a, 0, ret, error);
}

int bus_read_tlvs(sd_bus_message *m, Arena *a, Value *ret) {
        uint32_t n_allocated = 0, n = 0;
        Tlv *tlvs = NULL;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(yay)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'r', "yay")) > 0) {
                const void *bytes;
                size_t n_bytes;
                uint8_t id;

                r = sd_bus_message_read_basic(m, 'y', &id);
                if (r < 0)
                        return r;
                r = sd_bus_message_read_array(m, 'y', &bytes, &n_bytes);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
                if (n_bytes > TLVS_MAX || n >= TLVS_MAX / TLV_HEADER_SIZE)
                        return -EMSGSIZE;
                tlvs = arena_grow(a, tlvs, n, &n_allocated, sizeof(Tlv));
                if (!tlvs)
                        return -ENOMEM;
                tlvs[n++] = (Tlv){ .id = id, .n_bytes = (uint16_t) n_bytes, .bytes = bytes };
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        *ret = (Value){ .type = VALUE_TLVS, .n = n, .tlvs = tlvs };
        return 0;
}
