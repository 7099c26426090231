/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "device.h"

#include <ctype.h>
#include <inttypes.h>

#include "bus.h"

/* "physical_device" for "PhysicalDevice" */
static const char *key_of(const char *property, Arena *a) {
        char *key = arena_alloc(a, 2 * strlen(property) + 1), *p = key;

        if (!key)
                return NULL;
        for (const char *q = property; *q; q++) {
                if (isupper((unsigned char) *q) && q > property)
                        *p++ = '_';
                *p++ = (char) tolower((unsigned char) *q);
        }
        return key;
}

/* Two numbers as one word, empty if they are no USB id; anything else as it is. */
static int pair_to_text(const Value *v, bool version, Arena *a, Value *ret) {
        uint64_t first, second;
        const char *text;

        if (v->type != VALUE_ARRAY || v->n != 2 || value_get_u64(&v->elements[0], &first) < 0 ||
            value_get_u64(&v->elements[1], &second) < 0) {
                *ret = *v;
                return 0;
        }
        text = version                     ? arena_printf(a, "%" PRIu64 ".%" PRIu64, first, second)
               : first == 0 && second == 0 ? ""
                                           : arena_printf(a, "%04" PRIx64 ":%04" PRIx64, first, second);
        if (!text)
                return -ENOMEM;
        *ret = (Value){ .type = VALUE_STRING, .string = text };
        return 0;
}

int device_describe(const char *path, const Value *properties, Arena *a, Value *ret) {
        Value device = { .type = VALUE_DICT }, *v;
        int r;

        v = value_dict_add(&device, a, "name");
        if (!v)
                return -ENOMEM;
        *v = (Value){ .type = VALUE_STRING, .string = bus_device_name(path) };
        v = value_dict_add(&device, a, "path");
        if (!v)
                return -ENOMEM;
        *v = (Value){ .type = VALUE_STRING, .string = path };

        for (uint32_t i = 0; i < properties->n; i++) {
                const ValueEntry *e = &properties->entries[i];
                const char *key = key_of(e->key, a);

                v = key ? value_dict_add(&device, a, key) : NULL;
                if (!v)
                        return -ENOMEM;
                *v = e->value;
                if (streq(key, "usb_id"))
                        r = pair_to_text(&e->value, false, a, v);
                else if (streq(key, "services") && e->value.type == VALUE_DICT) {
                        *v = (Value){ .type = VALUE_DICT };
                        r = 0;
                        for (uint32_t k = 0; k < e->value.n && r >= 0; k++) {
                                Value *version = value_dict_add(v, a, e->value.entries[k].key);

                                r = version ? pair_to_text(&e->value.entries[k].value, true, a, version)
                                            : -ENOMEM;
                        }
                } else
                        r = 0;
                if (r < 0)
                        return r;
        }
        *ret = device;
        return 0;
}
