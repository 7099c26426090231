/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <stdio.h>

#include "json.h"

typedef struct Verb {
        const char *name;
        size_t min_args, max_args;
        int (*run)(const Options *o, char **args, size_t n_args);
} Verb;

static const Verb verbs[] = {
        { "list", 0, 0, verb_list },
        { "status", 0, 0, verb_status },
        { "call", 2, SIZE_MAX, verb_call },
        { "raw", 2, SIZE_MAX, verb_raw },
        { "monitor", 0, SIZE_MAX, verb_monitor },
        { "trace", 0, 2, verb_trace },
        { "describe", 0, 2, verb_describe },
        { "clients", 0, 0, verb_clients },
        { "link", 0, 1, verb_link },
        { "connect", 0, 0, verb_connect },
        { "disconnect", 0, 1, verb_disconnect },
        { "sessions", 0, 1, verb_sessions },
};

static const char help[] =
        "qmictl [OPTION...] COMMAND\n"
        "\n"
        "Talk to cellular modems through qmid.\n"
        "\n"
        "Commands:\n"
        "  list                                 The devices\n"
        "  status                               One device: services, network, signal\n"
        "  call SERVICE MESSAGE [KEY=VALUE...]  Send a message and show the answer\n"
        "  raw SERVICE 0xID [TLV...]            Send bytes and show the answer's bytes\n"
        "  monitor [SERVICE...]                 Show indications as they come\n"
        "  trace [SERVICE [MESSAGE]]            Show all frames, decoded, as they pass\n"
        "  describe [SERVICE [MESSAGE]]         What there is to call, without a modem\n"
        "  clients                              Who holds which client id\n"
        "  link [MODE]                          How packets are framed, and what is wrong\n"
        "  connect --apn=APN [OPTION...]        Begin a data session\n"
        "  disconnect [SESSION]                 End one\n"
        "  sessions [SESSION]                   The data sessions, or one of them\n"
        "\n"
        "Options:\n"
        "  -d --device=DEVICE    A name, /dev/cdc-wdm0, wwan0, an ID_PATH or an IMEI\n"
        "  -H --host=[USER@]HOST Through ssh, on another machine\n"
        "  -M --machine=NAME     In a container\n"
        "     --timeout=SECONDS  Wait so long at most for each answer\n"
        "     --json=MODE        JSON: short (a line each) or pretty\n"
        "  -j                    The same as --json=short\n"
        "     --no-legend        No headings above tables\n"
        "     --no-ask-password  Never ask for a password\n"
        "     --force            call, raw: also a PIN that was rejected, or the last try\n"
        "  -w FILE               trace: write the frames, as pcapng\n"
        "  -r FILE               trace: read frames from such a file\n"
        "     --expand           trace: each field on a line\n"
        "     --unmasked         trace: with secrets and identities\n"
        "     --all              disconnect: all of them\n"
        "  -h --help             Show this\n"
        "     --version          Show the version\n"
        "\n"
        "Options of connect:\n"
        "     --apn=APN          Where to; empty: what the network chooses\n"
        "     --ipv4 --ipv6      This family only; both: as without\n"
        "     --user=USER        The password is asked for\n"
        "     --password-file=FILE  It comes from there; -: from standard input\n"
        "     --authentication=HOW  pap, chap, pap,chap or none\n"
        "     --profile=N        Use this profile of the modem\n"
        "     --modify           Write it all into the profile, or a new one\n"
        "     --mux=N            Use this mux id\n"
        "     --link-layer=MODE  auto, 802.3, raw-ip or qmap\n"
        "     --configure        Set addresses, routes, MTU and DNS here\n"
        "     --wait[=SECONDS]   Wait for the device and its network\n"
        "     --foreground       Stay, and connect again whenever it ends\n"
        "\n"
        "qmictl(1) has the rest, exit codes among it.\n";

static int parse_json(const char *text, JsonMode *ret) {
        if (streq(text, "short"))
                *ret = JSON_SHORT;
        else if (streq(text, "pretty"))
                *ret = JSON_PRETTY;
        else if (streq(text, "off"))
                *ret = JSON_OFF;
        else
                return cli_error(EXIT_USAGE, "--json: '%s' is neither short nor pretty nor off", text);
        return EXIT_OK;
}

int main(int argc, char **argv) {
        enum {
                ARG_JSON = 256,
                ARG_TIMEOUT,
                ARG_NO_LEGEND,
                ARG_NO_ASK_PASSWORD,
                ARG_FORCE,
                ARG_EXPAND,
                ARG_UNMASKED,
                ARG_ALL,
                ARG_VERSION,
        };
        static const struct option long_options[] = {
                { "device", required_argument, NULL, 'd' },
                { "host", required_argument, NULL, 'H' },
                { "machine", required_argument, NULL, 'M' },
                { "json", required_argument, NULL, ARG_JSON },
                { "timeout", required_argument, NULL, ARG_TIMEOUT },
                { "no-legend", no_argument, NULL, ARG_NO_LEGEND },
                { "no-ask-password", no_argument, NULL, ARG_NO_ASK_PASSWORD },
                { "force", no_argument, NULL, ARG_FORCE },
                { "expand", no_argument, NULL, ARG_EXPAND },
                { "unmasked", no_argument, NULL, ARG_UNMASKED },
                { "all", no_argument, NULL, ARG_ALL },
                CONNECT_LONG_OPTIONS,
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                {},
        };
        Options o = { .device = "", .legend = true, .ask_password = true };
        const Verb *verb = NULL;
        size_t n_args;
        int c, r;

        while ((c = getopt_long(argc, argv, "d:H:M:w:r:jh", long_options, NULL)) >= 0) {
                r = EXIT_OK;
                switch (c) {
                case 'd':
                        o.device = optarg;
                        break;
                case 'H':
                        o.host = optarg;
                        break;
                case 'M':
                        o.machine = optarg;
                        break;
                case 'j':
                        o.json = JSON_SHORT;
                        break;
                case ARG_JSON:
                        r = parse_json(optarg, &o.json);
                        break;
                case ARG_TIMEOUT:
                        r = parse_seconds("timeout", optarg, &o.timeout_usec);
                        break;
                case ARG_NO_LEGEND:
                        o.legend = false;
                        break;
                case ARG_NO_ASK_PASSWORD:
                        o.ask_password = false;
                        break;
                case ARG_FORCE:
                        o.force = true;
                        break;
                case 'w':
                        o.write = optarg;
                        break;
                case 'r':
                        o.read = optarg;
                        break;
                case ARG_EXPAND:
                        o.expand = true;
                        break;
                case ARG_UNMASKED:
                        o.unmasked = true;
                        break;
                case ARG_ALL:
                        o.all = true;
                        break;
                case CONNECT_OPTION_FIRST ... CONNECT_OPTION_LAST:
                        r = connect_options_parse(&o.connect, c, optarg);
                        break;
                case 'h':
                        fputs(help, stdout);
                        return EXIT_OK;
                case ARG_VERSION:
                        puts("qmictl " PROJECT_VERSION);
                        return EXIT_OK;
                default:
                        return EXIT_USAGE; /* getopt has said why */
                }
                if (r != EXIT_OK)
                        return r;
        }
        if (o.host && o.machine)
                return cli_error(EXIT_USAGE, "--host and --machine exclude each other");
        if (optind == argc)
                return cli_error(EXIT_USAGE, "no command; 'qmictl --help' lists them");

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(verbs[i].name, argv[optind]))
                        verb = &verbs[i];
        if (!verb)
                return cli_error(EXIT_USAGE, "unknown command '%s'; 'qmictl --help' lists them",
                                 argv[optind]);
        if ((o.read || o.write || o.expand || o.unmasked) && verb->run != verb_trace)
                return cli_error(EXIT_USAGE, "%s: -w, -r, --expand and --unmasked are options of trace",
                                 verb->name);
        if (o.force && verb->run != verb_call && verb->run != verb_raw)
                return cli_error(EXIT_USAGE, "%s: --force is an option of call and raw", verb->name);
        if (o.all && verb->run != verb_disconnect)
                return cli_error(EXIT_USAGE, "%s: --all is an option of disconnect", verb->name);
        if (o.connect.given && verb->run != verb_connect)
                return cli_error(EXIT_USAGE, "%s: an option of connect; 'qmictl --help' lists them",
                                 verb->name);
        n_args = (size_t) (argc - optind - 1);
        if (n_args < verb->min_args || n_args > verb->max_args)
                return cli_error(EXIT_USAGE, "%s: too %s arguments; 'qmictl --help' shows them", verb->name,
                                 n_args < verb->min_args ? "few" : "many");

        r = verb->run(&o, argv + optind + 1, n_args);
        if (r == EXIT_OK && (fflush(stdout) < 0 || ferror(stdout)))
                return cli_error(EXIT_REFUSED, "cannot write the output");
        return r;
}
