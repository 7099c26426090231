/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <stdio.h>

#include "manager.h"
#include "util/log.h"
#include "util/util.h"

/* Exit status: the command line has a mistake. */
#define EXIT_USAGE 2

DEFINE_CLEANUP(Manager *, manager_free)

static void help(void) {
        puts("qmid [OPTION…]\n\n"
             "Makes the QMI ports of cellular modems usable by everybody, over D-Bus.\n\n"
             "  -h --help              This text\n"
             "     --version           The version\n"
             "     --port=URI          Serve a port that udev does not know (unix:/path); may be repeated\n"
             "     --log-level=LEVEL   debug, info, notice, warning, err, crit, alert, emerg\n\n"
             "See qmid(8) and org.qmid1(5).");
}

/* 0: done already; 1: go on. `ret_ports` gets pointers into argv, at most argc of them. */
static int parse(int argc, char **argv, const char **ret_ports, size_t *ret_n_ports) {
        enum {
                OPTION_VERSION = 0x100,
                OPTION_PORT,
                OPTION_LOG_LEVEL,
        };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, OPTION_VERSION },
                { "port", required_argument, NULL, OPTION_PORT },
                { "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
                {},
        };
        size_t n_ports = 0;
        int c, r;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        help();
                        return 0;
                case OPTION_VERSION:
                        puts("qmid " PROJECT_VERSION);
                        return 0;
                case OPTION_PORT:
                        ret_ports[n_ports++] = optarg;
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
        if (optind < argc)
                return log_error_errno(-EINVAL, "'%s': qmid takes only options", argv[optind]);
        *ret_n_ports = n_ports;
        return 1;
}

int main(int argc, char **argv) {
        _cleanup_(manager_freep) Manager *m = NULL;
        _cleanup_free_ const char **ports = NULL;
        size_t n_ports;
        int r;

        log_setup();
        ports = calloc((size_t) argc, sizeof(*ports));
        if (!ports)
                return EXIT_FAILURE;
        r = parse(argc, argv, ports, &n_ports);
        if (r <= 0)
                return r < 0 ? EXIT_USAGE : EXIT_SUCCESS;

        if (manager_new(&m) < 0)
                return EXIT_FAILURE;
        for (size_t i = 0; i < n_ports; i++) {
                r = manager_add_port(m, ports[i]);
                if (r == -EINVAL || r == -EEXIST) /* what is wrong is the address */
                        return EXIT_USAGE;
                if (r < 0)
                        return EXIT_FAILURE;
        }
        return manager_run(m) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
