/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scenario.h"

#include <stdio.h>

#include "command.h"

static int timeline_line(Modem *m, char *text, unsigned line, char **ret_error) {
        _cleanup_free_ char *command = NULL;
        uint64_t usec;
        char *time;

        time = word_next(&text);
        text += strspn(text, " ");
        if (time && streq(time, "repeat"))
                return duration_parse(text, &m->timeline.repeat_usec) < 0 || m->timeline.repeat_usec == 0
                               ? mistake(ret_error, "\"%s\" is no duration", text)
                               : 0;
        if (!time || duration_parse(time, &usec) < 0)
                return mistake(ret_error, "\"@%s\" is no time (@2.5s, @20ms)", time ?: "");
        if (!command_exists(text) && strstr(text, " = ")) {
                if (asprintf(&command, "set %s", text) < 0)
                        return -ENOMEM;
                text = command;
        }
        if (!command_exists(text))
                return mistake(ret_error, "no command \"%s\"", text);
        return timeline_add(&m->timeline, usec, text, line);
}

static int scenario_line(Modem *m, char *text, unsigned line, char **ret_error) {
        char *equal, *key;

        if (text[0] == '@')
                return timeline_line(m, text + 1, line, ret_error);
        if (strncmp(text, "on ", 3) == 0)
                return rules_begin(&m->rules, text + 3, m->answers.vendor, line, ret_error);
        if (strncmp(text, "if ", 3) == 0)
                return rules_add_condition(&m->rules, text + 3, m->answers.vendor, ret_error);
        if (strncmp(text, "do ", 3) == 0) {
                if (!command_exists(text + 3))
                        return mistake(ret_error, "no command \"%s\"", text + 3);
                return rules_add_action(&m->rules, text + 3, ret_error);
        }

        equal = strstr(text, " = ");
        if (!equal)
                return mistake(ret_error, "\"%s\" is no line of a scenario", text);
        *equal = '\0';
        key = word_next(&text);
        if (!key || word_next(&text))
                return mistake(ret_error, "KEY = VALUE?");
        return modem_set(m, key, equal + 3, line, ret_error);
}

static void complain(const char *path, unsigned line, int error, const char *text) {
        fprintf(stderr, "%s:%u: %s\n", path, line, text ?: strerror(-error));
}

int scenario_load(Modem *m, const char *path) {
        _cleanup_free_ char *line = NULL;
        size_t n_allocated = 0;
        unsigned number = 0;
        ssize_t n;
        FILE *f;
        int r = 0;

        f = fopen(path, "re");
        if (!f) {
                r = -errno;
                fprintf(stderr, "%s: %s\n", path, strerror(-r));
                return r;
        }
        while (r >= 0 && (n = getline(&line, &n_allocated, f)) > 0) {
                _cleanup_free_ char *error = NULL;

                number++;
                if (line[n - 1] == '\n')
                        line[n - 1] = '\0';
                if (line[0] == '#' || line[0] == '\0')
                        continue;
                r = scenario_line(m, line, number, &error);
                if (r < 0)
                        complain(path, number, r, error);
        }
        fclose(f);
        return r;
}

int scenario_start(Modem *m, const char *path) {
        _cleanup_free_ char *error = NULL;
        unsigned line = 0;
        int r;

        r = timeline_start(&m->timeline, m->event);
        if (r < 0)
                return r;
        r = answers_check(&m->answers, &line, &error);
        if (r < 0) {
                complain(path, line, r, error);
                return r;
        }
        return data_format_begin(m);
}
