/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What it costs to declare the interfaces of every service of the schema, once: CPU time and heap. */

#include <malloc.h>
#include <stdio.h>
#include <time.h>

#include "bus/internal.h"

static double cpu_usec(void) {
        struct timespec ts;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
        return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}

int main(void) {
        size_t before, n_methods = 0;
        Bus b = {};
        double t;
        int r;

        r = sd_bus_new(&b.bus);
        if (r < 0)
                return EXIT_FAILURE;
        for (uint16_t i = 0; i < schema_n_services; i++)
                n_methods += (size_t) schema_services[i].n_messages + schema_services[i].n_indications;

        before = mallinfo2().uordblks;
        t = cpu_usec();
        r = service_faces_add(&b);
        t = cpu_usec() - t;
        if (r < 0)
                return EXIT_FAILURE;
        printf("interfaces %u\nmembers %zu\ncpu %.0f\nheap %zu\n", schema_n_services - 1U, n_methods, t,
               mallinfo2().uordblks - before);

        sd_bus_unref(b.bus);
        service_faces_free(b.faces);
        return 0;
}
