/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "util/util.h"

#define READY_MSEC 10000
#define END_MSEC   2000

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static struct {
        pid_t pid;
        int pidfd;
        struct termios modes; /* of the terminal, before it */
        struct sigaction old_actions[ELEMENTSOF(signals)];
} agent;

static void block_signals(sigset_t *ret_old) {
        sigset_t mask;

        (void) sigemptyset(&mask);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) sigaddset(&mask, signals[i]);
        (void) sigprocmask(SIG_BLOCK, &mask, ret_old);
}

/* Does only what a signal handler may. */
static void stop(void) {
        struct pollfd wait = { .fd = agent.pidfd, .events = POLLIN };

        (void) kill(agent.pid, SIGTERM);
        (void) kill(agent.pid, SIGCONT); /* one that is stopped does not hear the other */
        if (poll(&wait, 1, END_MSEC) <= 0)
                (void) kill(agent.pid, SIGKILL);
        (void) waitpid(agent.pid, NULL, 0);
        (void) close(agent.pidfd);
        /* It may have been asking; but what is in the background by now leaves the terminal alone. */
        if (tcgetpgrp(STDIN_FILENO) == getpgrp())
                (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &agent.modes);
}

static void on_signal(int number) {
        stop();
        (void) signal(number, SIG_DFL);
        (void) raise(number); /* comes when the handler is done */
}

static void catch_signals(void) {
        struct sigaction action = { .sa_handler = on_signal };

        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) sigaddset(&action.sa_mask, signals[i]);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                (void) sigaction(signals[i], &action, &agent.old_actions[i]);
                if (agent.old_actions[i].sa_handler == SIG_IGN) /* whoever started us wants it so */
                        (void) sigaction(signals[i], &agent.old_actions[i], NULL);
        }
}

_Noreturn static void run(pid_t parent, int notify_fd, const sigset_t *mask) {
        char number[16];

        /* Nobody is left to end it after SIGKILL. */
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
                _exit(EXIT_FAILURE);
        (void) sigprocmask(SIG_SETMASK, mask, NULL);
        (void) fcntl(notify_fd, F_SETFD, 0);
        (void) dup2(STDERR_FILENO, STDOUT_FILENO); /* our output may be for a program */
        snprintf(number, sizeof(number), "%d", notify_fd);
        /* Not --fallback, which is to step back behind another agent: there is none, and who is in no
         * session has none at all then (polkit 122). */
        execlp("pkttyagent", "pkttyagent", "--notify-fd", number, NULL);
        _exit(127);
}

/* It closes the descriptor when it is ready, or because it ends. */
static bool wait_ready(int notify_fd) {
        struct pollfd waits[] = { { .fd = notify_fd, .events = POLLIN },
                                  { .fd = agent.pidfd, .events = POLLIN } };
        int r;

        do
                r = poll(waits, ELEMENTSOF(waits), READY_MSEC);
        while (r < 0 && errno == EINTR);
        return r > 0 && waits[1].revents == 0;
}

bool agent_start(void) {
        pid_t parent = getpid(), pid;
        sigset_t old_mask;
        bool is_ready;
        int fds[2];

        /* Who is in the background would be stopped when he reads. */
        if (!isatty(STDERR_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp() ||
            tcgetattr(STDIN_FILENO, &agent.modes) < 0 || pipe2(fds, O_CLOEXEC) < 0)
                return false;

        block_signals(&old_mask);
        pid = fork();
        if (pid == 0)
                run(parent, fds[1], &old_mask);
        (void) close(fds[1]);
        agent.pid = pid;
        agent.pidfd = pid < 0 ? -1 : pidfd_open(pid, 0);
        if (agent.pidfd < 0) {
                if (pid > 0) {
                        (void) kill(pid, SIGKILL);
                        (void) waitpid(pid, NULL, 0);
                }
                (void) close(fds[0]);
                (void) sigprocmask(SIG_SETMASK, &old_mask, NULL);
                return false;
        }
        catch_signals();
        (void) sigprocmask(SIG_SETMASK, &old_mask, NULL);

        is_ready = wait_ready(fds[0]);
        (void) close(fds[0]);
        if (!is_ready)
                agent_end();
        return is_ready;
}

void agent_end(void) {
        sigset_t old_mask;

        block_signals(&old_mask);
        stop();
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) sigaction(signals[i], &agent.old_actions[i], NULL);
        (void) sigprocmask(SIG_SETMASK, &old_mask, NULL);
}
