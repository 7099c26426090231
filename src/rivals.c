/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rivals.h"

#include <stdio.h>

#include "util/util.h"

bool rival_proxy_listens(void) {
        char line[512];
        bool found = false;
        FILE *f;

        /* The kernel lists the sockets of our network namespace, which is where that name is one. Connecting
         * to it would start a conversation, binding it would be in the way of one that starts. */
        f = fopen("/proc/self/net/unix", "re");
        if (!f)
                return false;
        while (!found && fgets(line, sizeof(line), f)) {
                char *name = strrchr(line, ' ');

                found = name && streq(name, " @qmi-proxy\n");
        }
        fclose(f);
        return found;
}
