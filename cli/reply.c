/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reply.h"

#include "bus/value.h"

static int read_elements(sd_bus_message *m, char container, const char *contents, Arena *a, Value *ret) {
        Value v = { .type = VALUE_ARRAY };
        uint32_t n_allocated = 0;
        int r;

        v.signature = arena_strndup(a, contents, strlen(contents));
        if (!v.signature)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, container, contents);
        if (r < 0)
                return r;
        while ((r = sd_bus_message_at_end(m, false)) == 0) {
                v.elements = arena_grow(a, v.elements, v.n, &n_allocated, sizeof(Value));
                if (!v.elements)
                        return -ENOMEM;
                r = reply_read(m, a, &v.elements[v.n]);
                if (r < 0)
                        return r;
                v.n++;
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        *ret = v;
        return 0;
}

/* Numbers as text: keys are. */
static int read_key(sd_bus_message *m, char type, Arena *a, const char **ret) {
        uint8_t number;
        int r;

        if (type != 'y')
                return sd_bus_message_read_basic(m, type, ret);
        r = sd_bus_message_read_basic(m, type, &number);
        if (r < 0)
                return r;
        *ret = arena_printf(a, "%u", number);
        return *ret ? 0 : -ENOMEM;
}

/* a{s…}, a{o…} and a{y…} */
static int read_entries(sd_bus_message *m, const char *contents, Arena *a, Value *ret) {
        Value dict = { .type = VALUE_DICT };
        char entry[64];
        size_t n = strlen(contents) - 2;
        int r;

        if (n >= sizeof(entry))
                return -EBADMSG;
        memcpy(entry, contents + 1, n);
        entry[n] = '\0';

        r = sd_bus_message_enter_container(m, 'a', contents);
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', entry)) > 0) {
                const char *key;
                Value *v;

                r = read_key(m, entry[0], a, &key);
                if (r < 0)
                        return r;
                v = value_dict_add(&dict, a, key);
                if (!v)
                        return -ENOMEM;
                r = reply_read(m, a, v);
                if (r < 0)
                        return r;
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

int reply_read(sd_bus_message *m, Arena *a, Value *ret) {
        const char *contents;
        const void *bytes;
        size_t n_bytes;
        char type;
        int r;

        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r < 0)
                return r;
        if (r == 0)
                return -EBADMSG;
        switch (type) {
        case 'v':
                r = sd_bus_message_enter_container(m, 'v', contents);
                if (r < 0)
                        return r;
                r = reply_read(m, a, ret);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                return r < 0 ? r : 0;
        case 'r':
                return read_elements(m, type, contents, a, ret);
        case 'a':
                if (streq(contents, "(yay)"))
                        return bus_read_tlvs(m, a, ret);
                if (streq(contents, "y")) {
                        r = sd_bus_message_read_array(m, 'y', &bytes, &n_bytes);
                        if (r < 0)
                                return r;
                        *ret = (Value){ .type = VALUE_BYTES, .n = (uint32_t) n_bytes, .bytes = bytes };
                        return 0;
                }
                if (contents[0] == '{')
                        return strchr("soy", contents[1]) ? read_entries(m, contents, a, ret) : -EBADMSG;
                return read_elements(m, type, contents, a, ret);
        default:
                return bus_read_basic(m, type, ret);
        }
}

const char *reply_text(const Value *dict, const char *key) {
        const Value *v = value_dict_get(dict, key);

        return v && v->type == VALUE_STRING ? v->string : "";
}

uint64_t reply_number(const Value *dict, const char *key) {
        const Value *v = value_dict_get(dict, key);
        uint64_t n;

        return v && value_get_u64(v, &n) >= 0 ? n : 0;
}

bool reply_flag(const Value *dict, const char *key) {
        const Value *v = value_dict_get(dict, key);

        return v && v->type == VALUE_BOOL && v->boolean;
}
