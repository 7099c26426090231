/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "input.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"

/* Bytes that may be a secret: overwritten whenever they are given back. */
typedef struct Buffer {
        char *bytes;
        size_t n, n_allocated;
} Buffer;

static void buffer_done(Buffer *b) {
        if (b->bytes)
                explicit_bzero(b->bytes, b->n_allocated);
        free(b->bytes);
}

/* Room for one more read and a NUL. realloc() would leave a copy behind. */
static int buffer_grow(Buffer *b) {
        size_t n_allocated = MAX(2 * b->n_allocated, (size_t) 512);
        char *bytes;

        if (b->n + 1 < b->n_allocated)
                return 0;
        bytes = malloc(n_allocated);
        if (!bytes)
                return -ENOMEM;
        if (b->n > 0)
                memcpy(bytes, b->bytes, b->n);
        buffer_done(&(Buffer){ .bytes = b->bytes, .n_allocated = b->n_allocated });
        b->bytes = bytes;
        b->n_allocated = n_allocated;
        return 0;
}

/* One more read. 1, 0 at the end, or a negative errno. */
static int buffer_read(Buffer *b, int fd) {
        ssize_t n;

        if (buffer_grow(b) < 0)
                return -ENOMEM;
        n = read(fd, b->bytes + b->n, b->n_allocated - b->n - 1);
        if (n < 0)
                return -errno;
        b->n += (size_t) n;
        b->bytes[b->n] = '\0';
        return b->n > INPUT_MAX ? -EFBIG : n > 0;
}

static int buffer_take(Buffer *b, char **ret) {
        if (b->n > 0 && b->bytes[b->n - 1] == '\n')
                b->bytes[--b->n] = '\0';
        if (strlen(b->bytes) != b->n)
                return -EINVAL;
        *ret = TAKE_PTR(b->bytes);
        return 0;
}

/* `name`: what it is called in what is printed. */
static int read_all(int fd, const char *name, char **ret) {
        _cleanup_(buffer_done) Buffer b = {};
        int r;

        do
                r = buffer_read(&b, fd);
        while (r > 0 || r == -EINTR);
        if (r >= 0)
                r = buffer_take(&b, ret);
        if (r == -EINVAL)
                cli_error(EXIT_USAGE, "%s holds a NUL byte, and is no text", name);
        else if (r == -EFBIG)
                cli_error(EXIT_USAGE, "%s has more than %u bytes", name, INPUT_MAX);
        else if (r < 0)
                cli_error(EXIT_REFUSED, "cannot read %s: %s", name, strerror(-r));
        return r;
}

int input_read(char **ret, void *userdata) {
        return read_all(STDIN_FILENO, "standard input", ret);
}

int input_read_file(const char *path, char **ret) {
        int fd, r;

        if (streq(path, "-"))
                return input_read(ret, NULL);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0) {
                r = -errno;
                cli_error(EXIT_USAGE, "cannot read %s: %s", path, strerror(-r));
                return r;
        }
        r = read_all(fd, path, ret);
        (void) close(fd);
        return r;
}

void input_freep(char **text) {
        if (*text)
                explicit_bzero(*text, strlen(*text));
        free(*text);
}

static volatile sig_atomic_t asked_signal;

static void on_signal(int number) {
        asked_signal = number;
}

/* Signals that would end the program while the terminal does not echo: they end the waiting instead, and are
 * raised again when the terminal is as it was. They come only while ppoll() waits, so that none is missed.
 */
static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static int read_line(Buffer *b, int fd, const sigset_t *waiting_mask) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int r;

        do {
                if (ppoll(&p, 1, NULL, waiting_mask) < 0) {
                        if (errno != EINTR || asked_signal)
                                return -errno;
                        continue;
                }
                r = buffer_read(b, fd);
                if (r <= 0)
                        return r;
        } while (b->n == 0 || b->bytes[b->n - 1] != '\n');
        return 0;
}

int input_ask(const char *key, char **ret, void *userdata) {
        struct sigaction old_actions[ELEMENTSOF(signals)], old_stop;
        _cleanup_(buffer_done) Buffer b = {};
        struct termios old_modes, modes;
        sigset_t mask, old_mask;
        int fd, r;

        fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -ENOTTY;
        if (tcgetattr(fd, &old_modes) < 0) {
                (void) close(fd);
                return -ENOTTY;
        }

        asked_signal = 0;
        (void) sigemptyset(&mask);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) sigaddset(&mask, signals[i]);
        (void) sigprocmask(SIG_BLOCK, &mask, &old_mask);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                (void) sigaction(signals[i], &(struct sigaction){ .sa_handler = on_signal },
                                 &old_actions[i]);
                if (old_actions[i].sa_handler == SIG_IGN) /* whoever started us wants it so */
                        (void) sigaction(signals[i], &old_actions[i], NULL);
        }
        (void) sigaction(SIGTSTP, &(struct sigaction){ .sa_handler = SIG_IGN }, &old_stop);
        modes = old_modes;
        modes.c_lflag &= ~(tcflag_t) ECHO;
        modes.c_lflag |= ECHONL;
        r = tcsetattr(fd, TCSAFLUSH, &modes) < 0 ? -errno : 0;

        if (r >= 0) {
                dprintf(fd, "%s: ", key);
                r = read_line(&b, fd, &old_mask);
        }

        (void) tcsetattr(fd, TCSAFLUSH, &old_modes);
        if (asked_signal)
                dprintf(fd, "\n");
        (void) close(fd);
        (void) sigaction(SIGTSTP, &old_stop, NULL);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) sigaction(signals[i], &old_actions[i], NULL);
        if (asked_signal)
                (void) raise(asked_signal);
        (void) sigprocmask(SIG_SETMASK, &old_mask, NULL);

        if (r >= 0 && b.n == 0) {
                r = -ECANCELED;
                cli_error(EXIT_USAGE, "%s: no answer", key);
                return r;
        }
        if (r >= 0)
                r = buffer_take(&b, ret);
        if (r < 0)
                cli_error(EXIT_REFUSED, "cannot read from the terminal: %s", strerror(-r));
        return r;
}
