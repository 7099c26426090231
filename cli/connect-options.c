/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connect-options.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "cli.h"
#include "input.h"

int parse_seconds(const char *option, const char *text, uint64_t *ret_usec) {
        char *end;
        double seconds;

        seconds = strtod(text, &end);
        if (end == text || *end || !isfinite(seconds) || seconds <= 0 || seconds > 1e9)
                return cli_error(EXIT_USAGE, "--%s: '%s' is no number of seconds above 0", option, text);
        *ret_usec = MAX((uint64_t) (seconds * 1e6), UINT64_C(1));
        return EXIT_OK;
}

static int parse_number(const char *option, const char *text, unsigned max, uint8_t *ret) {
        unsigned long number;
        char *end;

        number = strtoul(text, &end, 10);
        if (*text < '0' || *text > '9' || *end || number < 1 || number > max)
                return cli_error(EXIT_USAGE, "--%s: '%s' is no number between 1 and %u", option, text, max);
        *ret = (uint8_t) number;
        return EXIT_OK;
}

/* Words with commas between them; "none" is no word. */
static int check_authentication(const char *text) {
        while (!streq(text, "none")) {
                size_t n = strcspn(text, ",");

                if (!(n == 3 && strncmp(text, "pap", n) == 0) && !(n == 4 && strncmp(text, "chap", n) == 0))
                        return cli_error(EXIT_USAGE,
                                         "--authentication: must be pap, chap, pap,chap or none");
                if (!text[n])
                        break;
                text += n + 1;
        }
        return EXIT_OK;
}

int connect_options_parse(ConnectOptions *o, int option, const char *text) {
        o->given = true;
        switch (option) {
        case CONNECT_OPTION_APN:
                o->apn = text;
                break;
        case CONNECT_OPTION_IPV4:
                o->ipv4 = true;
                break;
        case CONNECT_OPTION_IPV6:
                o->ipv6 = true;
                break;
        case CONNECT_OPTION_USER:
                o->user = text;
                break;
        case CONNECT_OPTION_PASSWORD_FILE:
                o->password_file = text;
                break;
        case CONNECT_OPTION_AUTHENTICATION:
                o->authentication = text;
                return check_authentication(text);
        case CONNECT_OPTION_PROFILE:
                return parse_number("profile", text, UINT8_MAX, &o->profile);
        case CONNECT_OPTION_MODIFY:
                o->modify = true;
                break;
        case CONNECT_OPTION_MUX:
                return parse_number("mux", text, UINT8_MAX - 1, &o->mux);
        case CONNECT_OPTION_LINK_LAYER:
                o->link_layer = text;
                break;
        case CONNECT_OPTION_CONFIGURE:
                o->configure = true;
                break;
        case CONNECT_OPTION_WAIT:
                o->wait = true;
                return text ? parse_seconds("wait", text, &o->wait_usec) : EXIT_OK;
        case CONNECT_OPTION_FOREGROUND:
                o->foreground = true;
                break;
        default:
                assert(false);
        }
        return EXIT_OK;
}

int connect_options_check(const ConnectOptions *o) {
        if (!o->apn && o->profile == 0)
                return cli_error(EXIT_USAGE, "connect: --apn is missing; with --apn= the network chooses");
        if (o->password_file && !o->user)
                return cli_error(EXIT_USAGE, "connect: --password-file without --user");
        return EXIT_OK;
}

int connect_options_read_password(const ConnectOptions *o, char **ret) {
        const char *credentials = getenv("CREDENTIALS_DIRECTORY");
        _cleanup_free_ char *path = NULL;
        int r;

        if (!o->user) {
                *ret = NULL;
                return EXIT_OK;
        }
        if (o->password_file)
                return input_read_file(o->password_file, ret) < 0 ? EXIT_USAGE : EXIT_OK;
        if (credentials) {
                if (asprintf(&path, "%s/password", credentials) < 0) {
                        path = NULL;
                        return cli_oom();
                }
                if (access(path, F_OK) == 0)
                        return input_read_file(path, ret) < 0 ? EXIT_USAGE : EXIT_OK;
        }
        r = input_ask("password", ret, NULL);
        if (r == -ENOTTY)
                return cli_error(EXIT_USAGE,
                                 "connect: there is no terminal to ask for the password; "
                                 "--password-file takes it from a file, with - from standard input");
        return r < 0 ? EXIT_USAGE : EXIT_OK;
}

/* What is empty is not there. */
static int append_text(sd_bus_message *m, const char *key, const char *text) {
        return text && *text ? sd_bus_message_append(m, "{sv}", key, "s", text) : 0;
}

static int append_flag(sd_bus_message *m, const char *key, bool flag) {
        return flag ? sd_bus_message_append(m, "{sv}", key, "b", 1) : 0;
}

static int append_number(sd_bus_message *m, const char *key, uint8_t number) {
        return number > 0 ? sd_bus_message_append(m, "{sv}", key, "y", number) : 0;
}

static int append_authentication(sd_bus_message *m, const char *text) {
        bool pap, chap;

        if (!text)
                return 0;
        chap = strstr(text, "chap");
        pap = strncmp(text, "pap", 3) == 0 || strstr(text, ",pap");
        if (pap && chap)
                return sd_bus_message_append(m, "{sv}", "authentication", "as", 2, "pap", "chap");
        if (pap || chap)
                return sd_bus_message_append(m, "{sv}", "authentication", "as", 1, pap ? "pap" : "chap");
        return sd_bus_message_append(m, "{sv}", "authentication", "as", 0);
}

int connect_options_append(const ConnectOptions *o, const char *password, uint64_t timeout_usec,
                           sd_bus_message *m) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = append_text(m, "apn", o->apn);
        if (r >= 0 && o->ipv4 != o->ipv6)
                r = append_text(m, "families", o->ipv4 ? "ipv4" : "ipv6");
        if (r >= 0)
                r = append_text(m, "user", o->user);
        if (r >= 0)
                r = append_text(m, "password", password);
        if (r >= 0)
                r = append_authentication(m, o->authentication);
        if (r >= 0)
                r = append_number(m, "profile", o->profile);
        if (r >= 0)
                r = append_flag(m, "modify", o->modify);
        if (r >= 0)
                r = append_number(m, "mux", o->mux);
        if (r >= 0)
                r = append_text(m, "link_layer", o->link_layer);
        if (r >= 0)
                r = append_flag(m, "configure", o->configure);
        if (r >= 0)
                r = append_flag(m, "persist", !o->foreground);
        if (r >= 0 && timeout_usec > 0)
                r = sd_bus_message_append(m, "{sv}", "timeout", "d",
                                          (double) timeout_usec / (double) USEC_PER_SEC);
        return r < 0 ? r : sd_bus_message_close_container(m);
}
