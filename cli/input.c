/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "input.h"

#include <fcntl.h>
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

/* Until the end, or the end of the line. 0, or a negative errno; -EINTR tells of a signal. */
static int buffer_fill(Buffer *b, int fd, bool line) {
        for (;;) {
                ssize_t n;

                if (buffer_grow(b) < 0)
                        return -ENOMEM;
                n = read(fd, b->bytes + b->n, b->n_allocated - b->n - 1);
                if (n < 0)
                        return -errno;
                b->n += (size_t) n;
                b->bytes[b->n] = '\0';
                if (b->n > INPUT_MAX)
                        return -EFBIG;
                if (n == 0 || (line && b->bytes[b->n - 1] == '\n'))
                        return 0;
        }
}

static int buffer_take(Buffer *b, char **ret) {
        if (b->n > 0 && b->bytes[b->n - 1] == '\n')
                b->bytes[--b->n] = '\0';
        if (strlen(b->bytes) != b->n)
                return -EINVAL;
        *ret = TAKE_PTR(b->bytes);
        return 0;
}

int input_read(char **ret, void *userdata) {
        _cleanup_(buffer_done) Buffer b = {};
        int r;

        do
                r = buffer_fill(&b, STDIN_FILENO, false);
        while (r == -EINTR);
        if (r >= 0)
                r = buffer_take(&b, ret);
        if (r == -EINVAL)
                cli_error(EXIT_USAGE, "standard input holds a NUL byte, and is no text");
        else if (r == -EFBIG)
                cli_error(EXIT_USAGE, "standard input has more than %u bytes", INPUT_MAX);
        else if (r < 0)
                cli_error(EXIT_REFUSED, "cannot read standard input: %s", strerror(-r));
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

/* Signals that would end the program while the terminal does not echo: they interrupt read() instead, and
 * are raised again when the terminal is as it was. */
static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

int input_ask(const char *key, char **ret, void *userdata) {
        struct sigaction old_actions[ELEMENTSOF(signals)], old_stop;
        _cleanup_(buffer_done) Buffer b = {};
        struct termios old_modes, modes;
        int fd, r;

        fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -ENOTTY;
        if (tcgetattr(fd, &old_modes) < 0) {
                (void) close(fd);
                return -ENOTTY;
        }

        asked_signal = 0;
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) sigaction(signals[i], &(struct sigaction){ .sa_handler = on_signal },
                                 &old_actions[i]);
        (void) sigaction(SIGTSTP, &(struct sigaction){ .sa_handler = SIG_IGN }, &old_stop);
        modes = old_modes;
        modes.c_lflag &= ~(tcflag_t) ECHO;
        modes.c_lflag |= ECHONL;
        r = tcsetattr(fd, TCSAFLUSH, &modes) < 0 ? -errno : 0;

        if (r >= 0) {
                dprintf(fd, "%s: ", key);
                r = buffer_fill(&b, fd, true);
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
