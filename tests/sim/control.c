/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "command.h"

#define LINE_MAX_BYTES (256U * 1024)

typedef struct Connection Connection;

struct Connection {
        Control *control;
        Connection *next;
        int in, out;
        sd_event_source *source;
        char *buffer;
        size_t n_buffer;
        char *wait_name; /* waits for this counter; what else was sent waits too */
        uint64_t wait_n;
        bool wait_exactly;
        char *told; /* what the data path does, as far as it knows; NULL: it does not want to */
};

struct Control {
        Modem *modem;
        char *path;
        int fd;
        sd_event_source *source;
        Connection *connections;
};

static void connection_free(Connection *n) {
        for (Connection **p = &n->control->connections; *p; p = &(*p)->next)
                if (*p == n) {
                        *p = n->next;
                        break;
                }
        sd_event_source_disable_unref(n->source);
        if (n->in > STDERR_FILENO)
                close(n->in);
        free(n->buffer);
        free(n->wait_name);
        free(n->told);
        free(n);
}

/* Replies are short and their reader waits for them: they are written in one go. */
static void connection_reply(Connection *n, const char *text, size_t n_text) {
        while (n_text > 0) {
                ssize_t k = write(n->out, text, n_text);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return;
                text += k;
                n_text -= (size_t) k;
        }
}

static bool connection_wait_is_over(Connection *n) {
        _cleanup_free_ char *error = NULL;
        uint64_t value;

        if (counter_get(n->control->modem, n->wait_name, &value, &error) < 0)
                return true;
        return n->wait_exactly ? value == n->wait_n : value >= n->wait_n;
}

static int connection_begin_wait(Connection *n, char *args, char **ret_error) {
        char *name = word_next(&args), *number = word_next(&args);
        unsigned long at_least;
        uint64_t value;
        int r;

        if (!name || !number)
                return mistake(ret_error, "wait-count COUNTER [=]N?");
        r = counter_get(n->control->modem, name, &value, ret_error);
        if (r < 0)
                return r;
        n->wait_exactly = number[0] == '=';
        if (number_parse(number + n->wait_exactly, UINT32_MAX, &at_least) < 0)
                return mistake(ret_error, "\"%s\" is no number", number);
        n->wait_n = at_least;
        n->wait_name = strdup(name);
        return n->wait_name ? 0 : -ENOMEM;
}

static char *describe(Modem *m) {
        char *text = NULL;
        size_t n_text;
        FILE *f;

        f = open_memstream(&text, &n_text);
        if (!f)
                return NULL;
        sessions_describe(m, f);
        fputc('\n', f);
        fclose(f);
        return text;
}

static int connection_attach(Connection *n, const char *interface, FILE *reply, char **ret_error) {
        unsigned long number;
        char *text;
        int r;

        if (number_parse(interface, UINT8_MAX, &number) < 0)
                return mistake(ret_error, "attach INTERFACE?");
        r = modem_restart(n->control->modem, (uint8_t) number);
        if (r < 0)
                return r;
        text = describe(n->control->modem);
        if (!text)
                return -ENOMEM;
        free(n->told);
        n->told = text;
        fprintf(reply, "%.*s", (int) strlen(text) - 1, text);
        return 0;
}

static void connection_run(Connection *n, char *line) {
        _cleanup_free_ char *text = NULL, *error = NULL;
        size_t n_text = 0;
        FILE *reply;
        int r;

        if (strncmp(line, "wait-count ", 11) == 0) {
                r = connection_begin_wait(n, line + 11, &error);
                if (r >= 0)
                        return;
        }

        reply = open_memstream(&text, &n_text);
        if (!reply)
                return;
        if (error)
                fprintf(reply, "error %s\n", error);
        else {
                fputs("ok ", reply);
                if (strncmp(line, "attach ", 7) == 0)
                        r = connection_attach(n, line + 7, reply, &error);
                else
                        r = command_run(n->control->modem, NULL, line, reply, &error);
                modem_tell_state(n->control->modem);
                if (r < 0) {
                        rewind(reply);
                        fprintf(reply, "error %s", error ?: strerror(-r));
                }
                fputc('\n', reply);
        }
        fclose(reply);
        connection_reply(n, text, n_text);
}

/* Runs whole lines, until one has to wait. */
static void connection_advance(Connection *n) {
        for (;;) {
                char *end;
                size_t k;

                if (n->wait_name) {
                        if (!connection_wait_is_over(n))
                                return;
                        free(TAKE_PTR(n->wait_name));
                        connection_reply(n, "ok \n", 4);
                }
                end = n->n_buffer > 0 ? memchr(n->buffer, '\n', n->n_buffer) : NULL;
                if (!end)
                        return;
                *end = '\0';
                connection_run(n, n->buffer);
                k = (size_t) (end + 1 - n->buffer);
                memmove(n->buffer, end + 1, n->n_buffer - k);
                n->n_buffer -= k;
        }
}

static int on_input(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        Connection *n = userdata;
        char chunk[4096], *grown;
        ssize_t k;

        k = read(fd, chunk, sizeof(chunk));
        if (k < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (k <= 0 || n->n_buffer + (size_t) k > LINE_MAX_BYTES) {
                connection_free(n);
                return 0;
        }
        grown = realloc(n->buffer, n->n_buffer + (size_t) k);
        if (!grown)
                return -ENOMEM;
        n->buffer = grown;
        memcpy(n->buffer + n->n_buffer, chunk, (size_t) k);
        n->n_buffer += (size_t) k;
        connection_advance(n);
        return 0;
}

static int connection_new(Control *c, int in, int out) {
        Connection *n;
        int r;

        n = malloc(sizeof(*n));
        if (!n)
                return -ENOMEM;
        *n = (Connection){ .control = c, .in = in, .out = out, .next = c->connections };
        c->connections = n;
        r = sd_event_add_io(c->modem->event, &n->source, in, EPOLLIN, on_input, n);
        if (r < 0)
                connection_free(n);
        return r;
}

static int on_accept(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        int k = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

        if (k < 0)
                return errno == EAGAIN || errno == ECONNABORTED ? 0 : -errno;
        return connection_new(userdata, k, k);
}

void control_tell_state(Control *c) {
        for (Connection *n = c->connections; n; n = n->next) {
                _cleanup_free_ char *text = n->told ? describe(c->modem) : NULL;

                if (!text || streq(text, n->told))
                        continue;
                connection_reply(n, text, strlen(text));
                free(n->told);
                n->told = TAKE_PTR(text);
        }
}

void control_check(Control *c) {
        Connection *next;

        for (Connection *n = c->connections; n; n = next) {
                next = n->next;
                if (n->wait_name)
                        connection_advance(n);
        }
}

int control_new(Control **ret, Modem *m, const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_(control_freep) Control *c = NULL;
        int r;

        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (Control){ .modem = m, .fd = -1 };

        if (streq(path, "-"))
                r = connection_new(c, STDIN_FILENO, STDOUT_FILENO);
        else {
                if (strlen(path) >= sizeof(address.sun_path))
                        return -ENAMETOOLONG;
                memcpy(address.sun_path, path, strlen(path));
                c->path = strdup(path);
                if (!c->path)
                        return -ENOMEM;
                c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                if (c->fd < 0)
                        return -errno;
                (void) unlink(path);
                if (bind(c->fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(c->fd, 16) < 0)
                        return -errno;
                r = sd_event_add_io(m->event, &c->source, c->fd, EPOLLIN, on_accept, c);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

Control *control_free(Control *c) {
        if (!c)
                return NULL;
        while (c->connections)
                connection_free(c->connections);
        sd_event_source_disable_unref(c->source);
        if (c->fd >= 0) {
                close(c->fd);
                (void) unlink(c->path);
        }
        free(c->path);
        free(c);
        return NULL;
}
