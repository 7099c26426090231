/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <math.h>

#include "bus/internal.h"
#include "bus/value.h"

/* The longest time limit that a caller may ask for, in seconds. */
#define TIMEOUT_MAX_SEC 3600.0

int bus_read_options(sd_bus_message *m, const char *const *keys, Arena *a, Value *ret, sd_bus_error *error) {
        Value options;
        int r;

        r = bus_read_dict(m, a, &options, error);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < options.n; i++) {
                const char *const *k = keys;

                while (*k && !streq(*k, options.entries[i].key))
                        k++;
                if (!*k)
                        return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT, "%s: unknown option",
                                                 options.entries[i].key);
        }
        *ret = options;
        return 0;
}

int bus_read_no_options(sd_bus_message *m, sd_bus_error *error) {
        _cleanup_(arena_done) Arena arena;
        Value options;

        arena_init(&arena);
        return bus_read_options(m, (const char *const[]){ NULL }, &arena, &options, error);
}

int bus_option_flag(const Value *options, const char *key, bool *ret, sd_bus_error *error) {
        const Value *v = value_dict_get(options, key);

        if (v && v->type != VALUE_BOOL)
                return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT, "%s: not a boolean", key);
        *ret = v && v->boolean;
        return 0;
}

int bus_option_timeout(const Value *options, uint64_t *ret, sd_bus_error *error) {
        const Value *v = value_dict_get(options, "timeout");
        double seconds;
        int64_t i;

        if (!v) {
                *ret = 0;
                return 0;
        }
        if (v->type == VALUE_DOUBLE)
                seconds = v->number;
        else if (value_get_i64(v, &i) >= 0)
                seconds = (double) i;
        else
                return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT,
                                         "timeout: not a number of seconds");
        if (!(seconds >= 0.001 && seconds <= TIMEOUT_MAX_SEC))
                return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT,
                                         "timeout: must be between 0.001 and %g seconds", TIMEOUT_MAX_SEC);
        *ret = (uint64_t) llround(seconds * (double) USEC_PER_SEC);
        return 0;
}

int bus_option_number(const Value *options, const char *key, uint32_t min, uint32_t max, uint32_t *ret,
                      sd_bus_error *error) {
        const Value *v = value_dict_get(options, key);
        uint64_t u = 0;

        if (v && (value_get_u64(v, &u) < 0 || u < min || u > max))
                return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT,
                                         "%s: must be a whole number between %" PRIu32 " and %" PRIu32, key,
                                         min, max);
        *ret = (uint32_t) u;
        return 0;
}

int bus_option_text(const Value *options, const char *key, const char **ret, sd_bus_error *error) {
        const Value *v = value_dict_get(options, key);

        if (v && v->type != VALUE_STRING)
                return sd_bus_error_setf(error, QMID_ERROR_INVALID_ARGUMENT, "%s: not a text", key);
        *ret = v ? v->string : NULL;
        return 0;
}
