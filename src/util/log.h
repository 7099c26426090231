/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <syslog.h>

#include "util/util.h"

/* Logging to standard error, or to the journal when standard error is connected to it. */

void log_setup(void);
void log_set_max_level(int level); /* LOG_DEBUG … LOG_EMERG */
int log_get_max_level(void);
/* "debug" … "emerg" as LogControl1 spells them, also "7" … "0"; -EINVAL. */
int log_level_from_string(const char *s);
const char *log_level_to_string(int level);
const char *log_get_target(void);       /* "console" or "journal" */
int log_set_target(const char *target); /* "console", "journal", "auto"; -EINVAL */

void log_internal(int level, int error, const char *format, ...) _printf_(3, 4);

#define log_full(level, error, ...)                        \
        ({                                                 \
                int _e = (error), _l = (level);            \
                if (_l <= log_get_max_level())             \
                        log_internal(_l, _e, __VA_ARGS__); \
                _e < 0 ? _e : -_e;                         \
        })

#define log_debug(...)   log_full(LOG_DEBUG, 0, __VA_ARGS__)
#define log_info(...)    log_full(LOG_INFO, 0, __VA_ARGS__)
#define log_notice(...)  log_full(LOG_NOTICE, 0, __VA_ARGS__)
#define log_warning(...) log_full(LOG_WARNING, 0, __VA_ARGS__)
#define log_error(...)   log_full(LOG_ERR, 0, __VA_ARGS__)
/* The same with ": <text of the error>" behind it; they return the negative errno. */
#define log_debug_errno(error, ...)   log_full(LOG_DEBUG, error, __VA_ARGS__)
#define log_warning_errno(error, ...) log_full(LOG_WARNING, error, __VA_ARGS__)
#define log_error_errno(error, ...)   log_full(LOG_ERR, error, __VA_ARGS__)
#define log_oom()                     log_full(LOG_ERR, -ENOMEM, "Out of memory")
