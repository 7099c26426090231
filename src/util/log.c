/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "util/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>

static int max_level = LOG_INFO;
static bool to_journal;

static const char *const level_names[] = {
        [LOG_EMERG] = "emerg",     [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit", [LOG_ERR] = "err",
        [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

/* systemd says in JOURNAL_STREAM which device and inode the journal's end of standard error has. */
static bool stderr_is_journal(void) {
        const char *e = getenv("JOURNAL_STREAM");
        unsigned long long dev, ino;
        struct stat st;

        return e && sscanf(e, "%llu:%llu", &dev, &ino) == 2 && fstat(2, &st) >= 0 && st.st_dev == dev &&
               st.st_ino == ino;
}

void log_setup(void) {
        const char *e = getenv("QMID_LOG_LEVEL");
        int level;

        to_journal = stderr_is_journal();
        if (!e)
                return;
        level = log_level_from_string(e);
        if (level < 0)
                log_warning("QMID_LOG_LEVEL=%s is no log level", e);
        else
                max_level = level;
}

void log_set_max_level(int level) {
        max_level = level;
}

int log_get_max_level(void) {
        return max_level;
}

int log_level_from_string(const char *s) {
        if (s[0] >= '0' && s[0] <= '7' && !s[1])
                return s[0] - '0';
        for (size_t i = 0; i < ELEMENTSOF(level_names); i++)
                if (streq(s, level_names[i]))
                        return (int) i;
        return -EINVAL;
}

const char *log_level_to_string(int level) {
        return level_names[level];
}

const char *log_get_target(void) {
        return to_journal ? "journal" : "console";
}

int log_set_target(const char *target) {
        if (streq(target, "console"))
                to_journal = false;
        else if (streq(target, "journal"))
                to_journal = true;
        else if (streq(target, "auto"))
                to_journal = stderr_is_journal();
        else
                return -EINVAL;
        return 0;
}

void log_internal(int level, int error, const char *format, ...) {
        char text[1024];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);

        if (to_journal)
                (void) sd_journal_print(level, "%s%s%s", text, error ? ": " : "",
                                        error ? strerror(abs(error)) : "");
        else
                fprintf(stderr, "qmid: %s%s%s\n", text, error ? ": " : "",
                        error ? strerror(abs(error)) : "");
}
