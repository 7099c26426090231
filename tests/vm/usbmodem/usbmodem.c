/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The USB side of a modem, for the kernel's vhci-hcd: with it, the real drivers make a real /dev/cdc-wdmN
 * and wwanN out of a process that speaks QMUX on a unix socket. docs/development.md tells how to use it. */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#include "commands.h"
#include "modem.h"
#include "util/log.h"

static void usage(FILE *f) {
        fputs("usbmodem --brain=SOCKET [OPTION …]\n"
              "A QMI modem on a virtual USB port.\n\n"
              "  --brain=SOCKET    where the modem's answers come from; for a modem with several QMI\n"
              "                    functions once for all, or once for each\n"
              "  --gates=SOCKET    the control socket of the qmisim that is the brain, which says what the\n"
              "                    data channel does; once for each QMI function\n"
              "  --control=SOCKET  for commands: plug, unplug, faults (commands.h)\n"
              "  --profile=NAME    ec25 (default) or em7455\n"
              "  --functions=N     with so many QMI functions\n"
              "  --id=VVVV:PPPP    USB ids\n"
              "  --serial=TEXT\n"
              "  --qmi-only        without serial ports\n"
              "  --port=N          of the first virtual controller; the first one free if not given\n"
              "  --unplugged       until a command says otherwise\n"
              "  --ethernet        without --gates, 802.3 frames on the data channel\n"
              "  --verbose         tells of every frame\n"
              "  --help\n",
              f);
}

/* A whole number in a range, with nothing behind it. */
static bool parse_number(const char *text, int base, unsigned long min, unsigned long max, char end,
                         unsigned long *ret, const char **ret_end) {
        char *rest;

        errno = 0;
        *ret = strtoul(text, &rest, base);
        if (errno != 0 || rest == text || *rest != end || *ret < min || *ret > max)
                return false;
        *ret_end = rest;
        return true;
}

static bool parse_id(const char *text, Profile *p) {
        unsigned long vendor, product;
        const char *end;

        if (!parse_number(text, 16, 0, UINT16_MAX, ':', &vendor, &end) ||
            !parse_number(end + 1, 16, 0, UINT16_MAX, '\0', &product, &end))
                return false;
        p->vendor = (uint16_t) vendor;
        p->product = (uint16_t) product;
        return true;
}

/* 1: go on; 0: that was all; -EINVAL. */
static int parse_options(int argc, char **argv, ModemOptions *o, const char *gates[FUNCTIONS_MAX],
                         const char **ret_control) {
        enum {
                OPTION_BRAIN = 1,
                OPTION_GATES,
                OPTION_CONTROL,
                OPTION_PROFILE,
                OPTION_FUNCTIONS,
                OPTION_ID,
                OPTION_SERIAL,
                OPTION_QMI_ONLY,
                OPTION_PORT,
                OPTION_UNPLUGGED,
                OPTION_ETHERNET,
                OPTION_VERBOSE,
                OPTION_HELP,
        };
        static const struct option options[] = {
                { "brain", required_argument, NULL, OPTION_BRAIN },
                { "gates", required_argument, NULL, OPTION_GATES },
                { "control", required_argument, NULL, OPTION_CONTROL },
                { "profile", required_argument, NULL, OPTION_PROFILE },
                { "functions", required_argument, NULL, OPTION_FUNCTIONS },
                { "id", required_argument, NULL, OPTION_ID },
                { "serial", required_argument, NULL, OPTION_SERIAL },
                { "qmi-only", no_argument, NULL, OPTION_QMI_ONLY },
                { "port", required_argument, NULL, OPTION_PORT },
                { "unplugged", no_argument, NULL, OPTION_UNPLUGGED },
                { "ethernet", no_argument, NULL, OPTION_ETHERNET },
                { "verbose", no_argument, NULL, OPTION_VERBOSE },
                { "help", no_argument, NULL, OPTION_HELP },
                {},
        };
        const char *profile = "ec25", *functions = NULL, *id = NULL, *serial = NULL, *end;
        bool qmi_only = false;
        size_t n_gates = 0;
        unsigned long n;
        int c;

        *ret_control = NULL;
        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case OPTION_BRAIN:
                        if (o->n_brains == FUNCTIONS_MAX) {
                                fputs("--brain: too many\n", stderr);
                                return -EINVAL;
                        }
                        o->brains[o->n_brains++] = optarg;
                        break;
                case OPTION_GATES:
                        if (n_gates == FUNCTIONS_MAX) {
                                fputs("--gates: too many\n", stderr);
                                return -EINVAL;
                        }
                        gates[n_gates++] = optarg;
                        break;
                case OPTION_CONTROL:
                        *ret_control = optarg;
                        break;
                case OPTION_PROFILE:
                        profile = optarg;
                        break;
                case OPTION_FUNCTIONS:
                        functions = optarg;
                        break;
                case OPTION_ID:
                        id = optarg;
                        break;
                case OPTION_SERIAL:
                        serial = optarg;
                        break;
                case OPTION_QMI_ONLY:
                        qmi_only = true;
                        break;
                case OPTION_PORT:
                        if (!parse_number(optarg, 10, 0, 127, '\0', &n, &end)) {
                                fprintf(stderr, "--port: \"%s\" is no number of a port\n", optarg);
                                return -EINVAL;
                        }
                        o->port = (int) n;
                        break;
                case OPTION_UNPLUGGED:
                        o->unplugged = true;
                        break;
                case OPTION_ETHERNET:
                        o->ethernet = true;
                        break;
                case OPTION_VERBOSE:
                        log_set_max_level(LOG_DEBUG);
                        break;
                case OPTION_HELP:
                        usage(stdout);
                        return 0;
                default:
                        return -EINVAL;
                }

        if (!profile_find(profile, &o->profile)) {
                fprintf(stderr, "--profile: there is no \"%s\"\n", profile);
                return -EINVAL;
        }
        o->profile.qmi_only = qmi_only;
        if (serial)
                o->profile.serial = serial;
        if (id && !parse_id(id, &o->profile)) {
                fprintf(stderr, "--id: \"%s\" is not like 1199:9071\n", id);
                return -EINVAL;
        }
        if (functions) {
                unsigned max = profile_get_functions_max(&o->profile);

                if (!parse_number(functions, 10, 1, max, '\0', &n, &end)) {
                        fprintf(stderr, "--functions: this modem has 1 to %u\n", max);
                        return -EINVAL;
                }
                o->profile.n_functions = (unsigned) n;
        }
        if (optind < argc) {
                fprintf(stderr, "\"%s\" is too much\n", argv[optind]);
                return -EINVAL;
        }
        if (o->n_brains == 0) {
                fputs("--brain is missing\n", stderr);
                return -EINVAL;
        }
        if (o->n_brains > 1 && o->n_brains != o->profile.n_functions) {
                fprintf(stderr, "--brain: one for all, or %u\n", o->profile.n_functions);
                return -EINVAL;
        }
        if (n_gates > 0 && n_gates != o->profile.n_functions) {
                fprintf(stderr, "--gates: none, or %u\n", o->profile.n_functions);
                return -EINVAL;
        }
        o->gates = n_gates > 0 ? gates : NULL;
        return 1;
}

static int run(sd_event *event, const ModemOptions *options, const char *control) {
        _cleanup_(commands_freep) Commands *commands = NULL;
        sigset_t signals;
        Modem m;
        int r;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return -errno;
        r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
        if (r < 0)
                return r;

        r = modem_init(&m, event, options);
        if (r >= 0 && control) {
                r = commands_new(&commands, &m, control);
                if (r < 0)
                        (void) log_error_errno(r, "Cannot listen on %s", control);
        }
        if (r >= 0) {
                puts("ready");
                (void) fflush(stdout);
                r = sd_event_loop(event);
        }
        commands = commands_free(commands);
        modem_done(&m);
        return r;
}

int main(int argc, char **argv) {
        const char *brains[FUNCTIONS_MAX], *gates[FUNCTIONS_MAX], *control;
        ModemOptions options = { .port = VHCI_PORT_ANY, .brains = brains };
        sd_event *event;
        int r;

        log_setup();
        r = parse_options(argc, argv, &options, gates, &control);
        if (r <= 0)
                return r < 0 ? 2 : 0;
        r = sd_event_default(&event);
        if (r >= 0) {
                r = run(event, &options, control);
                sd_event_unref(event);
        }
        return r < 0 ? 1 : 0;
}
