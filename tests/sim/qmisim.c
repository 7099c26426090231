/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A simulated modem on a unix stream socket. What it answers is data: scenario.h. */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "control.h"
#include "scenario.h"

static void usage(FILE *f) {
        fputs("qmisim --listen=PATH [OPTION …] [SCENARIO-LINES-FILE]\n"
              "A simulated modem that speaks QMUX on a unix stream socket.\n\n"
              "  --listen=PATH     the socket that stands for the modem's port\n"
              "  --control=PATH|-  a socket (or standard input) for commands\n"
              "  --ready-fd=N      write \"ready\" there when it listens, and close it\n"
              "  --replay=FILE     answer as recorded, before the scenario is asked\n"
              "  --log             print every frame on standard error\n"
              "  --help\n",
              f);
}

static void on_change(void *userdata) {
        Control **control = userdata;

        if (*control)
                control_check(*control);
}

static void on_state(void *userdata) {
        Control **control = userdata;

        if (*control)
                control_tell_state(*control);
}

static int load_replay(Modem *m, const char *path) {
        unsigned line;
        int r;

        r = replay_load(&m->replay, path, &line);
        if (r < 0) {
                fprintf(stderr, "%s:%u: %s\n", path, line,
                        r == -EINVAL || r == -EBADMSG ? "no frame" : strerror(-r));
                return r;
        }
        /* What was recorded, or allocated then, was there. */
        for (size_t i = 0; i < m->replay.n; i++) {
                const QmiMessage *message = &m->replay.frames[i].message;
                uint16_t service = message->service;
                Tlv t;

                if (service == QMI_SERVICE_CTL && message->id == CTL_ALLOCATE &&
                    message->type == QMI_RESPONSE &&
                    tlv_find(message->tlvs, message->n_tlvs, 0x01, &t) > 0 && t.n_bytes > 0)
                        service = t.bytes[0];
                if (!m->services[service].present)
                        m->services[service] = (ModemService){ .present = true, .major = 1 };
        }
        return 0;
}

static int run(Modem *m, Control **control, const char *control_path, const char *scenario,
               const char *replay, int ready_fd) {
        sigset_t signals;
        int r;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return -errno;
        r = sd_event_add_signal(m->event, NULL, SIGTERM, NULL, NULL);
        if (r >= 0)
                r = sd_event_add_signal(m->event, NULL, SIGINT, NULL, NULL);
        if (r < 0)
                return r;
        (void) signal(SIGPIPE, SIG_IGN);

        if (scenario) {
                r = scenario_load(m, scenario);
                if (r < 0)
                        return r;
        }
        if (replay) {
                r = load_replay(m, replay);
                if (r < 0)
                        return r;
        }
        r = scenario_start(m, scenario ?: "");
        if (r < 0)
                return r;

        m->on_change = on_change;
        m->on_state = on_state;
        m->userdata = control;
        if (control_path) {
                r = control_new(control, m, control_path);
                if (r < 0) {
                        fprintf(stderr, "%s: %s\n", control_path, strerror(-r));
                        return r;
                }
        }
        r = link_listen(m->link);
        if (r < 0) {
                fprintf(stderr, "cannot listen: %s\n", strerror(-r));
                return r;
        }
        if (ready_fd >= 0) {
                if (write(ready_fd, "ready\n", 6) != 6)
                        return -EIO;
                close(ready_fd);
        } else {
                puts("ready");
                fflush(stdout);
        }
        return sd_event_loop(m->event);
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "listen", required_argument, NULL, 'l' },
                { "control", required_argument, NULL, 'c' },
                { "ready-fd", required_argument, NULL, 'f' },
                { "replay", required_argument, NULL, 'r' },
                { "log", no_argument, NULL, 'v' },
                { "help", no_argument, NULL, 'h' },
                {},
        };
        const char *listen_path = NULL, *control_path = NULL, *replay = NULL;
        Control *control = NULL;
        unsigned long ready_fd;
        int c, r, fd = -1;
        sd_event *event;
        bool log = false;
        Modem m;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'l':
                        listen_path = optarg;
                        break;
                case 'c':
                        control_path = optarg;
                        break;
                case 'f':
                        if (number_parse(optarg, INT32_MAX, &ready_fd) < 0) {
                                usage(stderr);
                                return 2;
                        }
                        fd = (int) ready_fd;
                        break;
                case 'r':
                        replay = optarg;
                        break;
                case 'v':
                        log = true;
                        break;
                case 'h':
                        usage(stdout);
                        return 0;
                default:
                        usage(stderr);
                        return 2;
                }
        if (!listen_path || argc - optind > 1 || (optind == argc && !replay)) {
                usage(stderr);
                return 2;
        }

        r = sd_event_default(&event);
        if (r < 0) {
                fprintf(stderr, "qmisim: %s\n", strerror(-r));
                return 1;
        }
        r = modem_init(&m, event, listen_path);
        if (r >= 0) {
                m.log = log;
                r = run(&m, &control, control_path, argv[optind], replay, fd);
        }
        control = control_free(control);
        modem_done(&m);
        sd_event_unref(event);
        return r < 0 ? 1 : 0;
}
