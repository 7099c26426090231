/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <stdio.h>

#include "manager.h"
#include "util/log.h"
#include "util/util.h"

/* Exit status: the command line has a mistake. */
#define EXIT_USAGE 2

#define IDLE_DEFAULT_SEC 30U
#define IDLE_MAX_SEC     (24U * 60 * 60)

typedef struct Options {
        const char **ports; /* owned, their texts are not; as many as there are arguments at most */
        size_t n_ports;
        uint64_t idle_usec;
        bool udev, udev_given;
} Options;

static void options_done(Options *o) {
        free(o->ports);
}

static void help(void) {
        puts("qmid [OPTION…]\n\n"
             "Makes the QMI ports of cellular modems usable by everybody, over D-Bus.\n\n"
             "  -h --help              This text\n"
             "     --version           The version\n"
             "     --port=URI          Serve a port by hand (unix:/path); may be repeated\n"
             "     --udev=BOOL         Serve the ports that udev finds; by default if there is no --port\n"
             "     --idle=SECONDS      Exit when there was no modem and no call for so long; 0: never\n"
             "     --log-level=LEVEL   debug, info, notice, warning, err, crit, alert, emerg\n\n"
             "See qmid(8) and org.qmid1(5).");
}

static int parse_idle(const char *s, uint64_t *ret) {
        unsigned long seconds;
        char *end;

        errno = 0;
        seconds = strtoul(s, &end, 10);
        if (s[0] < '0' || s[0] > '9' || *end || errno != 0 || seconds > IDLE_MAX_SEC)
                return log_error_errno(-EINVAL, "--idle: '%s' is no number of seconds up to %u", s,
                                       IDLE_MAX_SEC);
        *ret = seconds * USEC_PER_SEC;
        return 0;
}

static int parse_bool(const char *s, bool *ret) {
        *ret = streq(s, "yes");
        if (!*ret && !streq(s, "no"))
                return log_error_errno(-EINVAL, "--udev: '%s' is neither yes nor no", s);
        return 0;
}

/* 0: done already; 1: go on. */
static int parse(int argc, char **argv, Options *o) {
        enum {
                OPTION_VERSION = 0x100,
                OPTION_PORT,
                OPTION_UDEV,
                OPTION_IDLE,
                OPTION_LOG_LEVEL,
        };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, OPTION_VERSION },
                { "port", required_argument, NULL, OPTION_PORT },
                { "udev", required_argument, NULL, OPTION_UDEV },
                { "idle", required_argument, NULL, OPTION_IDLE },
                { "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
                {},
        };
        int c, r = 0;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
                switch (c) {
                case 'h':
                        help();
                        return 0;
                case OPTION_VERSION:
                        puts("qmid " PROJECT_VERSION);
                        return 0;
                case OPTION_PORT:
                        o->ports[o->n_ports++] = optarg;
                        break;
                case OPTION_UDEV:
                        o->udev_given = true;
                        r = parse_bool(optarg, &o->udev);
                        break;
                case OPTION_IDLE:
                        r = parse_idle(optarg, &o->idle_usec);
                        break;
                case OPTION_LOG_LEVEL:
                        r = log_level_from_string(optarg);
                        if (r < 0)
                                return log_error_errno(r, "--log-level: '%s' is no log level", optarg);
                        log_set_max_level(r);
                        break;
                default:
                        return -EINVAL;
                }
                if (r < 0)
                        return r;
        }
        if (optind < argc)
                return log_error_errno(-EINVAL, "'%s': qmid takes only options", argv[optind]);
        if (!o->udev_given)
                o->udev = o->n_ports == 0;
        return 1;
}

int main(int argc, char **argv) {
        _cleanup_(options_done) Options options = { .idle_usec = IDLE_DEFAULT_SEC * USEC_PER_SEC };
        _cleanup_(manager_freep) Manager *m = NULL;
        int r;

        log_setup();
        options.ports = calloc((size_t) argc, sizeof(*options.ports));
        if (!options.ports)
                return EXIT_FAILURE;
        r = parse(argc, argv, &options);
        if (r <= 0)
                return r < 0 ? EXIT_USAGE : EXIT_SUCCESS;

        if (manager_new(&m) < 0)
                return EXIT_FAILURE;
        for (size_t i = 0; i < options.n_ports; i++) {
                r = manager_add_port(m, options.ports[i]);
                if (r == -EINVAL || r == -EEXIST) /* what is wrong is the address */
                        return EXIT_USAGE;
                if (r < 0)
                        return EXIT_FAILURE;
        }
        if (options.udev && manager_discover(m) < 0)
                return EXIT_FAILURE;
        return manager_run(m, options.idle_usec) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
