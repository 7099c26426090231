/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/log.h"

#define LINE_BYTES_MAX 256U

typedef struct Connection Connection;
struct Connection {
        LIST_ENTRY(Connection) entry;
        Commands *commands;
        int fd;
        sd_event_source *source;
        size_t n_buffer;
        char buffer[LINE_BYTES_MAX];
        Counter wait_for; /* _COUNTER_INVALID: for nothing; else what was sent waits too */
        uint64_t wait_n;
};

struct Commands {
        Modem *modem;
        char *path;
        int fd;
        sd_event_source *source, *counted;
        LIST_HEAD(, Connection) connections;
};

static void connection_free(Connection *c) {
        LIST_REMOVE(c, entry);
        sd_event_source_disable_unref(c->source);
        close(c->fd);
        free(c);
}

/* Replies are short and whoever asked waits for them: they fit into the socket. */
static _printf_(2, 3) void connection_reply(Connection *c, const char *format, ...) {
        char line[LINE_BYTES_MAX];
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(line, sizeof(line), format, args);
        va_end(args);
        n = MIN(n, (int) sizeof(line) - 1);
        if (send(c->fd, line, (size_t) n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
                log_debug("A reply is lost.");
}

static bool parse_number(const char *s, uint64_t *ret) {
        unsigned long long n;
        char *end;

        if (!s || s[0] < '0' || s[0] > '9')
                return false;
        errno = 0;
        n = strtoull(s, &end, 10);
        if (errno != 0 || *end)
                return false;
        *ret = n;
        return true;
}

static const char *connection_gate(Connection *c, const char *function, const char *mux,
                                   bool *ret_answered) {
        Modem *m = c->commands->modem;
        char text[LINE_BYTES_MAX] = "";
        uint64_t f, n;
        FILE *stream;

        if (!parse_number(function, &f) || f >= m->options.profile.n_functions || !parse_number(mux, &n) ||
            n >= DATAPATH_GATES)
                return "gate FUNCTION MUX?";
        stream = fmemopen(text, sizeof(text), "w");
        if (!stream)
                return strerror(errno);
        datapath_describe_gate(&m->functions[f].datapath, (uint8_t) n, stream);
        fclose(stream);
        connection_reply(c, "ok %.*s\n", (int) sizeof(text) - 8, text);
        *ret_answered = true;
        return NULL;
}

/* NULL, or what is wrong. *ret_answered: the reply is on its way or comes later. */
static const char *connection_run(Connection *c, const char *name, const char *first, const char *second,
                                  bool *ret_answered) {
        Modem *m = c->commands->modem;
        Counter counter;
        uint64_t n;
        bool on;

        if (streq(name, "count") || streq(name, "wait")) {
                counter = first ? counter_from_string(first) : _COUNTER_INVALID;
                if (counter < 0)
                        return "no such counter";
                *ret_answered = true;
                if (streq(name, "count"))
                        connection_reply(c, "ok %" PRIu64 "\n", m->counters[counter]);
                else if (!parse_number(second, &c->wait_n)) {
                        *ret_answered = false;
                        return "wait COUNTER N?";
                } else
                        c->wait_for = counter;
                return NULL;
        }
        if (streq(name, "gate"))
                return connection_gate(c, first, second, ret_answered);
        if (second)
                return "too many words";

        counter = counter_from_string(name);
        if (counter >= 0 && counter < (Counter) _FAULT_MAX) {
                if (!parse_number(first, &n))
                        return "how often?";
                m->faults[counter] = n;
                return NULL;
        }
        if (streq(name, "halt") || streq(name, "hold-sends") || streq(name, "hold-packets")) {
                on = first && streq(first, "on");
                if (!on && !(first && streq(first, "off")))
                        return "on or off?";
                if (streq(name, "halt"))
                        modem_set_halted(m, on);
                else if (streq(name, "hold-sends"))
                        modem_set_holds_sends(m, on);
                else
                        modem_set_holds_packets(m, on);
                return NULL;
        }
        if (first)
                return "too many words";
        if (streq(name, "unplug"))
                modem_unplug(m);
        else if (streq(name, "plug") || streq(name, "replug")) {
                if ((streq(name, "plug") ? modem_plug(m) : modem_replug(m)) < 0)
                        return "cannot plug it in";
        } else
                return "no such command";
        return NULL;
}

static void connection_line(Connection *c, char *line) {
        char *rest = NULL, *name = strtok_r(line, " ", &rest), *first = strtok_r(NULL, " ", &rest),
             *second = strtok_r(NULL, " ", &rest);
        bool answered = false;
        const char *mistake;

        if (!name)
                mistake = "no command";
        else if (strtok_r(NULL, " ", &rest))
                mistake = "too many words";
        else
                mistake = connection_run(c, name, first, second, &answered);
        if (mistake)
                connection_reply(c, "error %s\n", mistake);
        else if (!answered)
                connection_reply(c, "ok\n");
}

/* Runs whole lines, until one has to wait. */
static void connection_advance(Connection *c) {
        for (;;) {
                char *end;
                size_t n;

                if (c->wait_for >= 0) {
                        uint64_t count = c->commands->modem->counters[c->wait_for];

                        if (count < c->wait_n)
                                return;
                        c->wait_for = _COUNTER_INVALID;
                        connection_reply(c, "ok %" PRIu64 "\n", count);
                }
                end = memchr(c->buffer, '\n', c->n_buffer);
                if (!end)
                        return;
                *end = '\0';
                n = (size_t) (end + 1 - c->buffer);
                connection_line(c, c->buffer);
                c->n_buffer -= n;
                memmove(c->buffer, c->buffer + n, c->n_buffer);
        }
}

static int on_input(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        Connection *c = userdata;
        ssize_t n;

        n = recv(fd, c->buffer + c->n_buffer, sizeof(c->buffer) - c->n_buffer, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0) { /* also when a line is longer than the buffer */
                connection_free(c);
                return 0;
        }
        c->n_buffer += (size_t) n;
        connection_advance(c);
        return 0;
}

/* Counting happens in the middle of things: who waits hears of it when the event loop comes round. */
static int on_counted(sd_event_source *s, void *userdata) {
        Commands *c = userdata;
        Connection *n, *next;

        for (n = LIST_FIRST(&c->connections); n; n = next) {
                next = LIST_NEXT(n, entry);
                if (n->wait_for >= 0)
                        connection_advance(n);
        }
        return 0;
}

static void on_count(void *userdata) {
        Commands *c = userdata;

        (void) sd_event_source_set_enabled(c->counted, SD_EVENT_ONESHOT);
}

static int on_accept(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        Commands *commands = userdata;
        Connection *c;
        int r, k;

        k = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (k < 0)
                return errno == EAGAIN || errno == ECONNABORTED ? 0 : -errno;
        c = malloc(sizeof(*c));
        if (!c) {
                close(k);
                return -ENOMEM;
        }
        *c = (Connection){ .commands = commands, .fd = k, .wait_for = _COUNTER_INVALID };
        LIST_INSERT_HEAD(&commands->connections, c, entry);
        r = sd_event_add_io(commands->modem->event, &c->source, k, EPOLLIN, on_input, c);
        if (r < 0)
                connection_free(c);
        return r;
}

int commands_new(Commands **ret, Modem *m, const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_(commands_freep) Commands *c = NULL;
        int r;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path));

        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (Commands){ .modem = m };
        LIST_INIT(&c->connections);
        c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (c->fd < 0)
                return -errno;
        (void) unlink(path);
        if (bind(c->fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        c->path = strdup(path);
        if (!c->path)
                return -ENOMEM;
        if (listen(c->fd, 16) < 0)
                return -errno;
        r = sd_event_add_io(m->event, &c->source, c->fd, EPOLLIN, on_accept, c);
        if (r >= 0)
                r = sd_event_add_defer(m->event, &c->counted, on_counted, c);
        if (r < 0)
                return r;
        m->on_count = on_count;
        m->userdata = c;
        *ret = TAKE_PTR(c);
        return 0;
}

Commands *commands_free(Commands *c) {
        if (!c)
                return NULL;
        c->modem->on_count = NULL;
        while (!LIST_EMPTY(&c->connections))
                connection_free(LIST_FIRST(&c->connections));
        sd_event_source_disable_unref(c->counted);
        sd_event_source_disable_unref(c->source);
        if (c->fd >= 0)
                close(c->fd);
        if (c->path)
                (void) unlink(c->path);
        free(c->path);
        free(c);
        return NULL;
}
