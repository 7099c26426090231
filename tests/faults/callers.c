/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* callers --device=PATH [--callers=N] [--rate=PER-SECOND] [--window=N] [--timeout=S] [--bound=S]
 * [--mix=ACT:WEIGHT,…]
 *
 * Many callers in one program, each with a bus connection of its own. What they ask is numbered, and a modem
 * with the rules of callers.lines gives the number back: an answer that is somebody else's is noticed, and
 * so is an indication. Every request is accounted for: answered, failed with an error, or still pending.
 *
 *   same   Nas.GetSignalInfo, equal bytes from everybody
 *   echo   Uim.ReadTransparent of a path that is the number
 *   own    Uim.SendApdu of the number on the caller's own client id, which is registered for Refresh
 *   open   OpenClient, Uim.ReadTransparent on it, Release: three requests
 *
 * Lines on standard input, each answered by one line: "start"; "stop": until nothing is pending, then as
 * "report"; "report": JSON; "gap": the longest time without an answer since the last "gap". */

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "util/util.h"

#define NUMBER_SIZE     12U
#define BROADCAST       UINT32_MAX /* in the place of a process: for everybody who registered, counted */
#define NOBODY          (UINT32_MAX - 1) /* for whoever hears it */
#define RECONNECT_USEC  (20 * USEC_PER_MSEC)
#define TICK_USEC       (2 * USEC_PER_MSEC)
#define STOP_CHECK_USEC (10 * USEC_PER_MSEC)

typedef enum Act {
        ACT_SAME,
        ACT_ECHO,
        ACT_OWN,
        ACT_OPEN,
        _ACT_MAX,
} Act;

static const char *const act_names[_ACT_MAX] = { "same", "echo", "own", "open" };

typedef enum Step {
        STEP_ASK, /* the message itself */
        STEP_REGISTER,
        STEP_OPEN,
        STEP_ASK_ON_CLIENT,
        STEP_RELEASE,
} Step;

typedef struct Call Call;

typedef struct Caller {
        uint32_t index;
        sd_bus *bus;
        bool registered;
        unsigned n_pending, n_acts;
        uint32_t n_broadcasts;
        LIST_HEAD(, Call) calls;
} Caller;

struct Call {
        LIST_ENTRY(Call) entry;
        Caller *caller;
        Act act;
        Step step;
        uint64_t sent_usec;
        uint8_t number[NUMBER_SIZE];
        char *client; /* that was opened for it */
};

typedef struct ErrorCount {
        char *name;
        uint64_t n;
} ErrorCount;

static struct {
        sd_event *event;
        sd_event_source *reconnect, *stop;
        const char *device;
        Caller *callers;
        unsigned n_callers, window, next;
        unsigned weights[_ACT_MAX], n_weights;
        double rate, timeout;
        uint64_t bound_usec;

        bool running;
        uint64_t started_usec, n_due; /* those that the rate asked for since */
        uint64_t stop_usec;
        uint32_t sequence;

        uint64_t n_requests, n_answered, n_pending, n_late;
        uint64_t n_foreign; /* answers and indications that were somebody else's */
        uint64_t n_corrupt; /* answers that are nobody's */
        uint64_t n_ended, n_replaced, n_indications, n_connections;
        ErrorCount *errors;
        size_t n_errors;
        uint32_t *latencies;
        size_t n_latencies, n_allocated;
        uint64_t answered_usec, gap_usec;
} all = { .n_callers = 50, .window = 4, .rate = 1000, .timeout = 10, .bound_usec = 30 * USEC_PER_SEC };

static void check(int r, const char *what) {
        if (r >= 0)
                return;
        fprintf(stderr, "callers: %s: %s\n", what, strerror(-r));
        exit(EXIT_FAILURE);
}

static uint64_t now_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

/* ---- accounting ---- */

static void count_error(const char *name) {
        for (size_t i = 0; i < all.n_errors; i++)
                if (streq(all.errors[i].name, name)) {
                        all.errors[i].n++;
                        return;
                }
        all.errors = reallocarray(all.errors, all.n_errors + 1, sizeof(*all.errors));
        if (!all.errors)
                check(-ENOMEM, "errors");
        all.errors[all.n_errors++] = (ErrorCount){ .name = strdup(name), .n = 1 };
}

static void count_answer(uint64_t since_usec) {
        uint64_t t = now_usec();

        all.n_answered++;
        if (all.answered_usec > 0)
                all.gap_usec = MAX(all.gap_usec, t - all.answered_usec);
        all.answered_usec = t;
        if (all.n_latencies == all.n_allocated) {
                all.n_allocated = MAX(2 * all.n_allocated, (size_t) 4096);
                all.latencies = reallocarray(all.latencies, all.n_allocated, sizeof(*all.latencies));
                if (!all.latencies)
                        check(-ENOMEM, "latencies");
        }
        all.latencies[all.n_latencies++] = (uint32_t) MIN(t - since_usec, (uint64_t) UINT32_MAX);
}

static int compare(const void *a, const void *b) {
        const uint32_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static double latency(double share) {
        return all.n_latencies == 0 ? 0 : all.latencies[(size_t) (share * (double) (all.n_latencies - 1))];
}

static void report(void) {
        uint32_t least = UINT32_MAX, most = 0, n_registered = 0, n_stuck = 0;

        for (unsigned i = 0; i < all.n_callers; i++) {
                least = MIN(least, all.callers[i].n_broadcasts);
                most = MAX(most, all.callers[i].n_broadcasts);
                n_registered += all.callers[i].registered;
        }
        qsort(all.latencies, all.n_latencies, sizeof(*all.latencies), compare);
        printf("{\"requests\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"pending\":%" PRIu64 ",\"late\":%" PRIu64
               ",\"foreign\":%" PRIu64 ",\"corrupt\":%" PRIu64 ",\"ended\":%" PRIu64 ",\"replaced\":%" PRIu64
               ",\"indications\":%" PRIu64 ",\"connections\":%" PRIu64
               ",\"registered\":%u,\"broadcasts\":[%u,%u],\"p50_usec\":%.0f,"
               "\"p99_usec\":%.0f,\"max_usec\":%.0f,"
               "\"errors\":{",
               all.n_requests, all.n_answered, all.n_pending, all.n_late, all.n_foreign, all.n_corrupt,
               all.n_ended, all.n_replaced, all.n_indications, all.n_connections, n_registered, least, most,
               latency(0.5), latency(0.99), latency(1));
        for (size_t i = 0; i < all.n_errors; i++)
                printf("%s\"%s\":%" PRIu64, i > 0 ? "," : "", all.errors[i].name, all.errors[i].n);
        printf("},\"stuck\":[");
        for (unsigned i = 0; i < all.n_callers; i++) {
                const Call *call;

                LIST_FOREACH(call, &all.callers[i].calls, entry)
                        if (now_usec() - call->sent_usec > all.bound_usec / 3)
                                printf("%s\"%s/%d %s %.1f s\"", n_stuck++ > 0 ? "," : "",
                                       act_names[call->act], call->step, call->client ?: "",
                                       (double) (now_usec() - call->sent_usec) / USEC_PER_SEC);
        }
        printf("]}\n");
        fflush(stdout);
}

/* ---- what is asked ---- */

static void call_free(Call *c) {
        if (!c)
                return;
        LIST_REMOVE(c, entry);
        free(c->client);
        free(c);
}
DEFINE_CLEANUP(Call *, call_free)

static void number_make(const Caller *c, uint8_t number[NUMBER_SIZE]) {
        uint32_t words[3] = { (uint32_t) getpid(), c->index, ++all.sequence };

        memcpy(number, words, NUMBER_SIZE);
}

static int append_bytes(sd_bus_message *m, const char *key, const uint8_t *number) {
        int r;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", key);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "ay");
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'y', number, NUMBER_SIZE);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_session(sd_bus_message *m) {
        return sd_bus_message_append(m, "{sv}", "session", "a{sv}", 2, "type", "s", "card_slot_1", "aid",
                                     "ay", 0);
}

static int append_apdu(sd_bus_message *m, const uint8_t *number) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "slot", "y", 1);
        if (r >= 0)
                r = append_bytes(m, "apdu", number);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_path(sd_bus_message *m, const uint8_t *number) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = append_session(m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "file");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "a{sv}");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "id", "q", 0x2FE2);
        if (r >= 0)
                r = append_bytes(m, "path", number);
        for (unsigned i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "read", "a{sv}", 2, "offset", "q", 0, "length", "q", 0);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error);

static int call_send(Call *c) {
        static const char *const names[_ACT_MAX][2] = {
                [ACT_SAME] = { "nas", "get-signal-info" },
                [ACT_ECHO] = { "uim", "read-transparent" },
                [ACT_OWN] = { "uim", "send-apdu" },
        };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        const char *path = c->client ?: all.device, *interface = "org.qmid1.Device", *member = "Request";
        int r;

        if (c->step == STEP_OPEN)
                member = "OpenClient";
        else if (c->step == STEP_RELEASE) {
                interface = "org.qmid1.Client";
                member = "Release";
        } else if (c->step == STEP_ASK_ON_CLIENT) {
                interface = "org.qmid1.Uim";
                member = "ReadTransparent";
        }
        r = sd_bus_message_new_method_call(c->caller->bus, &m, "org.qmid1", path, interface, member);
        if (r < 0)
                return r;

        switch (c->step) {
        case STEP_OPEN:
                r = sd_bus_message_append(m, "sa{sv}", "uim", 0);
                break;
        case STEP_RELEASE:
                r = sd_bus_message_append(m, "a{sv}", 0);
                break;
        case STEP_ASK_ON_CLIENT:
                r = append_path(m, c->number);
                break;
        case STEP_REGISTER:
                r = sd_bus_message_append(m, "ss", "uim", "refresh-register-all");
                if (r >= 0)
                        r = sd_bus_message_open_container(m, 'a', "{sv}");
                if (r >= 0)
                        r = append_session(m);
                if (r >= 0)
                        r = sd_bus_message_append(m, "{sv}", "register", "b", 1);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
                break;
        case STEP_ASK:
                r = sd_bus_message_append(m, "ss", names[c->act][0], names[c->act][1]);
                if (r >= 0)
                        r = c->act == ACT_OWN    ? append_apdu(m, c->number)
                            : c->act == ACT_ECHO ? append_path(m, c->number)
                                                 : sd_bus_message_append(m, "a{sv}", 0);
                break;
        }
        if (r >= 0 && (c->step == STEP_ASK || c->step == STEP_REGISTER))
                r = sd_bus_message_append(m, "a{sv}", 1, "timeout", "d", all.timeout);
        if (r >= 0)
                r = sd_bus_call_async(c->caller->bus, NULL, m, on_reply, c, UINT64_MAX);
        if (r < 0)
                return r;

        c->sent_usec = now_usec();
        c->caller->n_pending++;
        all.n_pending++;
        all.n_requests++;
        return 0;
}

/* Finds the bytes of a key in a dictionary that is to be read next. */
static int read_bytes(sd_bus_message *m, const char *wanted, const uint8_t **ret, size_t *ret_n) {
        const char *key;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r >= 0 && streq(key, wanted)) {
                        r = sd_bus_message_enter_container(m, 'v', "ay");
                        return r < 0 ? r : sd_bus_message_read_array(m, 'y', (const void **) ret, ret_n);
                }
                if (r >= 0)
                        r = sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : -ENOENT;
}

/* Reads an answer. NULL, or what its failure is called. */
static const char *answer_read(Call *c, sd_bus_message *m) {
        static char qmi[96];
        const uint8_t *bytes = NULL;
        const char *result;
        size_t n = 0;
        int r;

        if (c->step == STEP_RELEASE)
                return NULL;
        if (c->step == STEP_OPEN) {
                const char *path;

                r = sd_bus_message_read(m, "o", &path);
                if (r >= 0)
                        c->client = strdup(path);
                return c->client ? NULL : "corrupt";
        }
        if (c->step != STEP_ASK_ON_CLIENT) {
                if (sd_bus_message_read(m, "s", &result) < 0)
                        return "corrupt";
                if (!streq(result, "success")) {
                        snprintf(qmi, sizeof(qmi), "qmi:%s", result);
                        return qmi;
                }
        }
        if (c->step == STEP_REGISTER) {
                c->caller->registered = true;
                return NULL;
        }
        if (c->act == ACT_SAME)
                return sd_bus_message_is_empty(m) == 0 ? NULL : "corrupt";
        r = read_bytes(m, c->act == ACT_OWN ? "apdu" : "data", &bytes, &n);
        if (r < 0 || n != NUMBER_SIZE)
                return "corrupt";
        return memcmp(bytes, c->number, NUMBER_SIZE) == 0 ? NULL : "foreign";
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        static const Step next[] = { [STEP_OPEN] = STEP_ASK_ON_CLIENT, [STEP_ASK_ON_CLIENT] = STEP_RELEASE };
        _cleanup_(call_freep) Call *c = userdata;
        const char *failure;
        bool on_client = c->step == STEP_OPEN || c->step == STEP_ASK_ON_CLIENT;

        c->caller->n_pending--;
        all.n_pending--;
        if (now_usec() - c->sent_usec > all.bound_usec)
                all.n_late++;

        if (sd_bus_message_is_method_error(m, NULL))
                failure = sd_bus_message_get_error(m)->name;
        else
                failure = answer_read(c, m);
        if (!failure)
                count_answer(c->sent_usec);
        else if (streq(failure, "corrupt"))
                all.n_corrupt++;
        else if (streq(failure, "foreign"))
                all.n_foreign++;
        else
                count_error(failure);

        /* A client that was opened is released, whatever came of it meanwhile. */
        if (on_client && (!failure || c->client)) {
                c->step = next[c->step];
                if (call_send(c) >= 0)
                        TAKE_PTR(c);
        }
        return 0;
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Caller *c = userdata;
        const uint8_t *bytes;
        uint32_t words[3];
        const Call *call;
        size_t n;

        if (sd_bus_message_is_signal(m, "org.qmid1.Client", "Ended")) {
                LIST_FOREACH(call, &c->calls, entry)
                        if (call->client && streq(call->client, sd_bus_message_get_path(m)))
                                return 0; /* it is being released */
                all.n_ended++;
                c->registered = false;
        } else if (sd_bus_message_is_signal(m, "org.qmid1.Client", "Replaced"))
                all.n_replaced++;
        else if (sd_bus_message_is_signal(m, "org.qmid1.Uim", "Refresh")) {
                const char *key;

                /* event → session → aid */
                if (sd_bus_message_enter_container(m, 'a', "{sv}") < 0 ||
                    sd_bus_message_enter_container(m, 'e', "sv") < 0 ||
                    sd_bus_message_read(m, "s", &key) < 0 ||
                    sd_bus_message_enter_container(m, 'v', "a{sv}") < 0 ||
                    sd_bus_message_enter_container(m, 'a', "{sv}") < 0)
                        return 0;
                while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                        if (sd_bus_message_read(m, "s", &key) < 0)
                                return 0;
                        if (!streq(key, "session")) {
                                if (sd_bus_message_skip(m, "v") < 0 || sd_bus_message_exit_container(m) < 0)
                                        return 0;
                                continue;
                        }
                        if (sd_bus_message_enter_container(m, 'v', "a{sv}") < 0 ||
                            read_bytes(m, "aid", &bytes, &n) < 0 || n != NUMBER_SIZE)
                                return 0;
                        memcpy(words, bytes, NUMBER_SIZE);
                        if (words[0] == BROADCAST)
                                c->n_broadcasts++;
                        else if (words[0] != NOBODY &&
                                 (words[0] != (uint32_t) getpid() || words[1] != c->index))
                                all.n_foreign++;
                        else
                                all.n_indications++;
                        return 0;
                }
        }
        return 0;
}

/* ---- when ---- */

/* Each begins somewhere else. */
static Act act_choose(Caller *c) {
        unsigned i = (c->index + c->n_acts++) % all.n_weights;

        for (Act act = 0; act < _ACT_MAX; act++) {
                if (i < all.weights[act])
                        return act;
                i -= all.weights[act];
        }
        return ACT_SAME;
}

static void caller_act(Caller *caller) {
        _cleanup_(call_freep) Call *c = calloc(1, sizeof(*c));

        if (!c)
                check(-ENOMEM, "a call");
        LIST_INSERT_HEAD(&caller->calls, c, entry);
        c->caller = caller;
        c->act = act_choose(caller);
        c->step = c->act == ACT_OPEN                         ? STEP_OPEN
                  : c->act == ACT_OWN && !caller->registered ? STEP_REGISTER
                                                             : STEP_ASK;
        number_make(caller, c->number);
        if (call_send(c) >= 0)
                TAKE_PTR(c);
}

static int on_tick(sd_event_source *s, uint64_t usec, void *userdata) {
        uint64_t due;

        if (all.running) {
                due = (uint64_t) ((double) (now_usec() - all.started_usec) * all.rate / USEC_PER_SEC);
                for (; all.n_due < due; all.n_due++)
                        for (unsigned i = 0; i < all.n_callers; i++) {
                                Caller *c = &all.callers[all.next++ % all.n_callers];

                                if (c->bus && c->n_pending < all.window) {
                                        caller_act(c);
                                        break;
                                }
                        }
        }
        check(sd_event_source_set_time(s, now_usec() + TICK_USEC), "timer");
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

/* ---- connections ---- */

static void reconnect_later(void);

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        reconnect_later();
        return 0;
}

static bool caller_connect(Caller *c) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        const char *name;

        if (sd_bus_open_system(&bus) < 0 || sd_bus_get_unique_name(bus, &name) < 0) {
                sd_bus_close(bus);
                return false;
        }
        check(sd_bus_attach_event(bus, all.event, 0), "event loop");
        check(sd_bus_match_signal(bus, NULL, "org.freedesktop.DBus.Local", NULL,
                                  "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, c),
              "match");
        check(sd_bus_add_filter(bus, NULL, on_signal, c), "filter");
        c->bus = TAKE_PTR(bus);
        c->registered = false;
        all.n_connections++;
        return true;
}

static int on_reconnect(sd_event_source *s, uint64_t usec, void *userdata) {
        for (unsigned i = 0; i < all.n_callers; i++) {
                Caller *c = &all.callers[i];

                if (c->bus && !sd_bus_is_open(c->bus)) {
                        if (c->n_pending > 0) { /* their errors come from the event loop */
                                reconnect_later();
                                continue;
                        }
                        c->bus = sd_bus_flush_close_unref(c->bus);
                }
                if (!c->bus && !caller_connect(c)) {
                        reconnect_later();
                        return 0;
                }
        }
        return 0;
}

static void reconnect_later(void) {
        if (!all.reconnect)
                check(sd_event_add_time(all.event, &all.reconnect, CLOCK_MONOTONIC,
                                        now_usec() + RECONNECT_USEC, 1000, on_reconnect, NULL),
                      "timer");
        check(sd_event_source_set_time(all.reconnect, now_usec() + RECONNECT_USEC), "timer");
        check(sd_event_source_set_enabled(all.reconnect, SD_EVENT_ONESHOT), "timer");
}

/* ---- orders ---- */

static int on_stop_check(sd_event_source *s, uint64_t usec, void *userdata) {
        if (all.n_pending == 0 || now_usec() > all.stop_usec) {
                report();
                return 0;
        }
        check(sd_event_source_set_time(s, now_usec() + STOP_CHECK_USEC), "timer");
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static void order(const char *line) {
        if (streq(line, "start")) {
                all.running = true;
                all.started_usec = now_usec();
                all.n_due = 0;
                printf("started\n");
        } else if (streq(line, "stop")) {
                all.running = false;
                all.stop_usec = now_usec() + all.bound_usec;
                all.answered_usec = 0;
                if (!all.stop)
                        check(sd_event_add_time(all.event, &all.stop, CLOCK_MONOTONIC, 0, 1, on_stop_check,
                                                NULL),
                              "timer");
                check(sd_event_source_set_time(all.stop, now_usec()), "timer");
                check(sd_event_source_set_enabled(all.stop, SD_EVENT_ONESHOT), "timer");
        } else if (streq(line, "report"))
                report();
        else if (streq(line, "gap")) {
                printf("%" PRIu64 "\n", all.gap_usec);
                all.gap_usec = 0;
        } else
                check(-EINVAL, line);
        fflush(stdout);
}

static int on_input(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        static char buffer[256];
        static size_t n;
        ssize_t k;
        char *end;

        k = read(fd, buffer + n, sizeof(buffer) - 1 - n);
        if (k <= 0)
                return sd_event_exit(all.event, 0);
        n += (size_t) k;
        buffer[n] = '\0';
        while ((end = strchr(buffer, '\n'))) {
                *end = '\0';
                order(buffer);
                n -= (size_t) (end + 1 - buffer);
                memmove(buffer, end + 1, n + 1);
        }
        return 0;
}

static void parse_mix(char *text) {
        for (char *word = strtok(text, ","); word; word = strtok(NULL, ",")) {
                char *colon = strchr(word, ':');
                Act act;

                if (colon)
                        *colon = '\0';
                for (act = 0; act < _ACT_MAX; act++)
                        if (streq(act_names[act], word))
                                break;
                if (act == _ACT_MAX)
                        check(-EINVAL, word);
                all.weights[act] = colon ? (unsigned) atoi(colon + 1) : 1;
                all.n_weights += all.weights[act];
        }
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "device", required_argument, NULL, 'd' },  { "callers", required_argument, NULL, 'n' },
                { "rate", required_argument, NULL, 'r' },    { "window", required_argument, NULL, 'w' },
                { "timeout", required_argument, NULL, 't' }, { "bound", required_argument, NULL, 'b' },
                { "mix", required_argument, NULL, 'm' },     {}
        };
        struct rlimit limit;
        char mix[] = "same,echo,own";
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (option) {
                case 'd':
                        all.device = optarg;
                        break;
                case 'n':
                        all.n_callers = (unsigned) atoi(optarg);
                        break;
                case 'r':
                        all.rate = atof(optarg);
                        break;
                case 'w':
                        all.window = (unsigned) atoi(optarg);
                        break;
                case 't':
                        all.timeout = atof(optarg);
                        break;
                case 'b':
                        all.bound_usec = (uint64_t) (atof(optarg) * USEC_PER_SEC);
                        break;
                case 'm':
                        parse_mix(optarg);
                        break;
                default:
                        return EXIT_FAILURE;
                }
        if (!all.device || all.n_callers == 0)
                check(-EINVAL, "--device, --callers");
        if (all.n_weights == 0)
                parse_mix(mix);
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        }

        all.callers = calloc(all.n_callers, sizeof(*all.callers));
        if (!all.callers)
                check(-ENOMEM, "callers");
        check(sd_event_new(&all.event), "event loop");
        for (unsigned i = 0; i < all.n_callers; i++) {
                all.callers[i].index = i;
                if (!caller_connect(&all.callers[i]))
                        check(-ECONNREFUSED, "the bus");
        }
        check(sd_event_add_time(all.event, NULL, CLOCK_MONOTONIC, now_usec(), 100, on_tick, NULL), "timer");
        check(sd_event_add_io(all.event, NULL, STDIN_FILENO, 1 /* EPOLLIN */, on_input, NULL),
              "standard input");
        printf("ready\n");
        fflush(stdout);
        check(sd_event_loop(all.event), "event loop");
        return EXIT_SUCCESS;
}
