/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "datapath.h"
#include "fuzz.h"
#include "qmap.h"

/* A transfer from the host, as QMAP, raw IP and 802.3 by turns; what comes back has to be of the same kind.
 */

static uint64_t n_events[_DATAPATH_EVENT_MAX];

static void count(DatapathEvent event, void *userdata) {
        n_events[event]++;
}

static bool lose(void *userdata) {
        return false;
}

static void check_qmap(const uint8_t *data, size_t n_data) {
        size_t position = 0, before = 0;
        QmapDatagram d;
        int r;

        while ((r = qmap_next(data, n_data, &position, &d)) > 0) {
                must(d.n_payload > 0 && d.payload == data + before + QMAP_HEADER_SIZE);
                must(position > before && position <= n_data && d.payload + d.n_payload <= data + position);
                before = position;
        }
        must(r == 0 ? position == n_data : position == before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_data) {
        static const char *const states[] = {
                "raw-ip qmap 8 4096 qmap 4 2048 0 ipv4 0 ipv6 1 192.0.2.46 1 2001:db8:43::2a",
                "raw-ip disabled 0 0 disabled 0 0 0 ipv4 0 2001:db8:42::2a",
                "802-3 disabled 0 0 disabled 0 0 0 192.0.2.42 0 2001:db8:42::2a",
        };
        static const DatapathOps ops = { .counts = count, .loses = lose };
        static uint8_t transfer[DATAPATH_TRANSFER_MAX];
        static Datapath d;

        check_qmap(data, n_data);
        for (size_t i = 0; i < ELEMENTSOF(states); i++) {
                uint64_t before = n_events[DATAPATH_ANSWER], n_answers = 0;
                size_t n;

                datapath_init(&d, &ops, NULL);
                must(datapath_set(&d, states[i]) == 0);
                datapath_receive(&d, data, n_data);
                while ((n = datapath_take(&d, transfer)) > 0) {
                        ssize_t k = i == 0 ? qmap_count(transfer, n) : 1;

                        must(n <= sizeof(transfer) && k > 0 && k <= 4);
                        must(i == 0 || packet_identify(transfer, n, i == 2) >= 0);
                        n_answers += (uint64_t) k;
                }
                must(n_answers == n_events[DATAPATH_ANSWER] - before);
                datapath_clear(&d);
        }
        return 0;
}
