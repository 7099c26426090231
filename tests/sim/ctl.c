/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem.h"

/* What CTL says about services and client ids. */

#define QMI_ERROR_NO_MEMORY            0x0002
#define QMI_ERROR_INTERNAL             0x0003
#define QMI_ERROR_CLIENT_IDS_EXHAUSTED 0x0005
#define QMI_ERROR_INVALID_CLIENT_ID    0x0007
#define QMI_ERROR_MISSING_ARGUMENT     0x0011
#define QMI_ERROR_INVALID_SERVICE_TYPE 0x001F

static int ctl_get_version_info(Modem *m, TlvWriter *w) {
        uint8_t bytes[1 + 5 * 0xFF];
        uint8_t *p = bytes + 1;

        bytes[0] = 0;
        for (unsigned i = 0; i < 0xFF; i++) {
                if (!m->services[i].present)
                        continue;
                p[0] = (uint8_t) i;
                write_le16(p + 1, m->services[i].major);
                write_le16(p + 3, m->services[i].minor);
                p += 5;
                bytes[0]++;
        }
        return tlv_put(w, 0x01, bytes, (size_t) (p - bytes));
}

static int ctl_allocate(Modem *m, const QmiMessage *request, TlvWriter *w) {
        uint8_t client[2];
        Tlv t;
        int r;

        if (tlv_find(request->tlvs, request->n_tlvs, 0x01, &t) == 0 || t.n_bytes < 1)
                return QMI_ERROR_MISSING_ARGUMENT;
        client[0] = t.bytes[0];
        if (m->services_off)
                return QMI_ERROR_INTERNAL;
        if (client[0] == QMI_SERVICE_CTL || !m->services[client[0]].present)
                return QMI_ERROR_INVALID_SERVICE_TYPE;
        r = client_ids_allocate(&m->ids, client[0], &client[1]);
        if (r < 0)
                return r == -EDQUOT ? QMI_ERROR_CLIENT_IDS_EXHAUSTED : QMI_ERROR_NO_MEMORY;
        return tlv_put(w, 0x01, client, sizeof(client));
}

static int ctl_release(Modem *m, const QmiMessage *request, TlvWriter *w) {
        Tlv t;

        if (tlv_find(request->tlvs, request->n_tlvs, 0x01, &t) == 0 || t.n_bytes < 2)
                return QMI_ERROR_MISSING_ARGUMENT;
        if (!client_ids_release(&m->ids, t.bytes[0], t.bytes[1]))
                return QMI_ERROR_INVALID_CLIENT_ID;
        return tlv_put(w, 0x01, t.bytes, 2);
}

int ctl_handle(Modem *m, const QmiMessage *request) {
        Answer *answer = answers_find(&m->answers, QMI_SERVICE_CTL, request->id, false);
        uint64_t latency = modem_get_latency(m, answer);
        TlvWriter w = {};
        int r;

        if (answer && answer->error != 0)
                return 0;
        switch (request->id) {
        case CTL_GET_VERSION_INFO:
                if (m->replay.n > 0 && replay_find(&m->replay, request) >= 0)
                        return 0;
                r = ctl_get_version_info(m, &w);
                break;
        case CTL_ALLOCATE:
                r = ctl_allocate(m, request, &w);
                break;
        case CTL_RELEASE:
                r = ctl_release(m, request, &w);
                break;
        case CTL_SYNC:
                /* Seen on real modems: the indication first, then the response. */
                client_ids_wipe(&m->ids);
                r = modem_send_ctl(m, CTL_SYNC, NULL, 0);
                break;
        default:
                return 0;
        }
        modem_tell_state(m);
        if (r >= 0)
                r = modem_respond(m, request, (uint16_t) r, &w, latency);
        tlv_writer_done(&w);
        return r < 0 ? r : 1;
}
