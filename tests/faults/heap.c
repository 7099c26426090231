/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded into the daemon: whoever connects to the socket $FAULTS_HEAP is told how many bytes of its heap
 * are in use. GLIBC_TUNABLES=glibc.malloc.tcache_count=0 makes that exact. */

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void *heap_serve(void *userdata) {
        int listener = (int) (intptr_t) userdata;

        for (;;) {
                int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                struct mallinfo2 info;
                char text[32];
                int n;

                if (fd < 0) { /* no descriptor is free: later */
                        usleep(10000);
                        continue;
                }
                info = mallinfo2();
                n = snprintf(text, sizeof(text), "%zu\n", info.uordblks + info.hblkhd);
                (void) !write(fd, text, (size_t) n);
                close(fd);
        }
        return NULL;
}

__attribute__((constructor)) static void heap_watch(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        const char *path = getenv("FAULTS_HEAP");
        sigset_t all, before;
        pthread_t thread;
        int fd;

        /* What starts the daemon has descriptors to move, and none that may be in the way. */
        if (strcmp(program_invocation_short_name, "qmid") != 0)
                return;
        if (!path || strlen(path) >= sizeof(address.sun_path))
                return;
        memcpy(address.sun_path, path, strlen(path));
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        (void) unlink(path);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 8) < 0)
                abort();

        /* Signals are for the program's own thread. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        if (pthread_create(&thread, NULL, heap_serve, (void *) (intptr_t) fd) != 0)
                abort();
        pthread_sigmask(SIG_SETMASK, &before, NULL);
}
