/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <getopt.h>

#include "connect-options.h"
#include "util/util.h"

/* What main.c and the verbs share. A verb returns the exit code of the program; whoever returns one that is
 * not 0 has told the person why. */

typedef enum ExitCode {
        EXIT_OK = 0,
        EXIT_REFUSED = 1, /* the modem or qmid refused, or something here failed */
        EXIT_USAGE = 2,   /* an argument is wrong; nothing was sent to the modem */
        EXIT_MISSING =
                3, /* no such device, the modem lacks the service, qmid or the bus cannot be reached */
        EXIT_TIMEOUT = 4,
        EXIT_DENIED = 5, /* not allowed, or nobody gave a password */
} ExitCode;

typedef enum JsonMode {
        JSON_OFF,
        JSON_SHORT, /* one line */
        JSON_PRETTY,
        _JSON_MODE_INVALID = -EINVAL,
} JsonMode;

typedef struct Options {
        const char *device; /* whatever a person knows of it; "" is the only one */
        const char *host, *machine;
        uint64_t timeout_usec; /* 0: what the message needs */
        JsonMode json;
        bool legend;
        bool ask_password;
        bool force; /* of `call` and `raw` */

        /* of `trace` */
        const char *read, *write; /* files, or "-" */
        bool expand, unmasked;

        ConnectOptions connect;
        bool all; /* of `disconnect` */
} Options;

/* `args` are those after the verb. */
int verb_list(const Options *o, char **args, size_t n_args);
int verb_status(const Options *o, char **args, size_t n_args);
int verb_call(const Options *o, char **args, size_t n_args);
int verb_raw(const Options *o, char **args, size_t n_args);
int verb_monitor(const Options *o, char **args, size_t n_args);
int verb_trace(const Options *o, char **args, size_t n_args);
int verb_describe(const Options *o, char **args, size_t n_args);
int verb_link(const Options *o, char **args, size_t n_args);
int verb_clients(const Options *o, char **args, size_t n_args);
int verb_connect(const Options *o, char **args, size_t n_args);
int verb_disconnect(const Options *o, char **args, size_t n_args);
int verb_sessions(const Options *o, char **args, size_t n_args);

/* "qmictl: …" on standard error; what a modem may have put into it cannot control the terminal. Returns
 * `code`. */
int cli_error(ExitCode code, const char *format, ...) _printf_(2, 3);
int cli_oom(void);
