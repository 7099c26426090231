/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <getopt.h>
#include <systemd/sd-bus.h>

#include "util/util.h"

/* The options of `connect` as they stand on the command line, and what becomes of them. */

enum {
        CONNECT_OPTION_FIRST = 512, /* main.c has those of all commands below */
        CONNECT_OPTION_APN = CONNECT_OPTION_FIRST,
        CONNECT_OPTION_IPV4,
        CONNECT_OPTION_IPV6,
        CONNECT_OPTION_USER,
        CONNECT_OPTION_PASSWORD_FILE,
        CONNECT_OPTION_AUTHENTICATION,
        CONNECT_OPTION_PROFILE,
        CONNECT_OPTION_MODIFY,
        CONNECT_OPTION_MUX,
        CONNECT_OPTION_LINK_LAYER,
        CONNECT_OPTION_CONFIGURE,
        CONNECT_OPTION_WAIT,
        CONNECT_OPTION_FOREGROUND,
        CONNECT_OPTION_LAST = CONNECT_OPTION_FOREGROUND,
};

/* Rows for getopt_long(). */
#define CONNECT_LONG_OPTIONS                                                                  \
        { "apn", required_argument, NULL, CONNECT_OPTION_APN },                               \
                { "ipv4", no_argument, NULL, CONNECT_OPTION_IPV4 },                           \
                { "ipv6", no_argument, NULL, CONNECT_OPTION_IPV6 },                           \
                { "user", required_argument, NULL, CONNECT_OPTION_USER },                     \
                { "password-file", required_argument, NULL, CONNECT_OPTION_PASSWORD_FILE },   \
                { "authentication", required_argument, NULL, CONNECT_OPTION_AUTHENTICATION }, \
                { "profile", required_argument, NULL, CONNECT_OPTION_PROFILE },               \
                { "modify", no_argument, NULL, CONNECT_OPTION_MODIFY },                       \
                { "mux", required_argument, NULL, CONNECT_OPTION_MUX },                       \
                { "link-layer", required_argument, NULL, CONNECT_OPTION_LINK_LAYER },         \
                { "configure", no_argument, NULL, CONNECT_OPTION_CONFIGURE },                 \
                { "wait", optional_argument, NULL, CONNECT_OPTION_WAIT }, {                   \
                "foreground", no_argument, NULL, CONNECT_OPTION_FOREGROUND                    \
        }

typedef struct ConnectOptions {
        bool given; /* any of them */
        const char *apn, *user, *password_file, *authentication, *link_layer;
        bool ipv4, ipv6;      /* neither: both */
        uint8_t profile, mux; /* 0: not given */
        bool modify, configure, wait, foreground;
        uint64_t wait_usec; /* 0: for ever */
} ConnectOptions;

/* One of them; the exit code. */
int connect_options_parse(ConnectOptions *o, int option, const char *text);
/* All of them together; the exit code. */
int connect_options_check(const ConnectOptions *o);

/* The password: from its file, the service manager's credential "password", or a person; NULL: there is no
 * user, hence none. From malloc(); input_freep() erases it. The exit code. */
int connect_options_read_password(const ConnectOptions *o, char **ret);

/* Appends the a{sv} of Data.Connect. */
int connect_options_append(const ConnectOptions *o, const char *password, uint64_t timeout_usec,
                           sd_bus_message *m);

/* Seconds above 0. The exit code. */
int parse_seconds(const char *option, const char *text, uint64_t *ret_usec);
