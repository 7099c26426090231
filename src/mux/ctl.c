/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "mux/mux-internal.h"
#include "util/log.h"

/* What the multiplexer itself asks of the modem, on the control service. Message ids and layouts:
 * messages.csv and tlvs.csv, service CTL. */

#define CTL_GET_VERSION_INFO  0x0021
#define CTL_ALLOCATE          0x0022
#define CTL_RELEASE           0x0023
#define CTL_REVOKE_IND        0x0024
#define CTL_INVALID_CLIENT_ID 0x0025
#define CTL_SET_DATA_FORMAT   0x0026
#define CTL_SYNC              0x0027

#define ERROR_CLIENT_IDS_EXHAUSTED 0x0005 /* errors.csv */

/* Pushes beside the one that is answered for, so that they end where what is waited for is not there yet. */
#define PUSH_ON_MAX  16U
#define PUSH_ON_USEC USEC_PER_SEC

#define CTL_TLV 0x01 /* the one TLV that matters in each of them, besides the result */

static int ctl_request(Request **ret, Mux *m, uint16_t message, const uint8_t *bytes, size_t n_bytes,
                       RequestDone done, void *userdata) {
        uint8_t tlv[TLV_HEADER_SIZE + 2] = { CTL_TLV };

        assert(n_bytes <= 2);
        write_le16(tlv + 1, (uint16_t) n_bytes);
        if (n_bytes > 0)
                memcpy(tlv + TLV_HEADER_SIZE, bytes, n_bytes);

        return request_new(ret, m->ctl, &m->owner,
                           &(RequestSpec){
                                   .message = message,
                                   .tlvs = tlv,
                                   .n_tlvs = n_bytes > 0 ? TLV_HEADER_SIZE + n_bytes : 0,
                                   .timeout_usec = m->ctl_timeout_usec,
                                   .done = done,
                                   .userdata = userdata,
                           });
}

int ctl_new(Mux *m) {
        int r;

        r = client_new_internal(&m->ctl, m, QMI_SERVICE_CTL, &m->owner, NULL, NULL);
        if (r < 0)
                return r;
        m->ctl->window = CTL_WINDOW;
        client_start(m->ctl, 0);
        return 0;
}

/* ---- which services there are ---- */

static int compare_services(const void *a, const void *b) {
        const MuxService *x = a, *y = b;

        return (x->id > y->id) - (x->id < y->id);
}

/* TLV 0x01: count u8, then service u8, major u16, minor u16 each. */
static int read_services(const QmiMessage *message, MuxService **ret, size_t *ret_n) {
        MuxService *services;
        size_t n = 0;
        Tlv t;

        if (tlv_find(message->tlvs, message->n_tlvs, CTL_TLV, &t) == 0 || t.n_bytes < 1 || t.bytes[0] == 0 ||
            t.n_bytes - 1U < t.bytes[0] * 5U)
                return -EBADMSG;
        services = calloc(t.bytes[0], sizeof(*services));
        if (!services)
                return -ENOMEM;

        for (size_t i = 0; i < t.bytes[0]; i++) {
                const uint8_t *p = t.bytes + 1 + 5 * i;
                bool known = false;

                for (size_t j = 0; j < n && !known; j++)
                        known = services[j].id == p[0];
                if (!known)
                        services[n++] = (MuxService){
                                .id = p[0],
                                .major = read_le16(p + 1),
                                .minor = read_le16(p + 3),
                        };
        }
        qsort(services, n, sizeof(*services), compare_services);
        *ret = services;
        *ret_n = n;
        return 0;
}

/* Above 0: they are others than before. 0; below 0 an errno. */
static int take_services(Mux *m, const QmiMessage *message) {
        MuxService *services;
        size_t n;
        int r;

        r = read_services(message, &services, &n);
        if (r < 0)
                return r;
        r = n != m->n_services || memcmp(services, m->services, n * sizeof(*services)) != 0;
        free(m->services);
        m->services = services;
        m->n_services = n;
        mux_save_later(m);
        return r;
}

/* 0 when it was taken; above 0 a QMI protocol error, below 0 an errno. */
static int take_version_info(Mux *m, const QmiMessage *message) {
        int r;

        r = tlv_result(message->tlvs, message->n_tlvs);
        if (r != 0)
                return r;
        r = take_services(m, message);
        if (r < 0)
                return r;
        m->probe = request_cancel(m->probe);
        m->probe_usec = UINT64_MAX;
        mux_disarm_timer_if_idle(m);

        if (m->ids_lost) {
                m->ids_lost = false;
                r = silence_sync(m, "client ids of an earlier run are not known any more");
                if (r >= 0)
                        return 0; /* and then it is asked anew */
                log_warning("%s: client ids of an earlier run may be left at the modem",
                            port_get_uri(m->port));
        }
        check_start(m);
        return 0;
}

static void ctl_probe(Mux *m);

static void ctl_probe_failed(Mux *m, const char *reason) {
        if (++m->n_probes < CTL_TRIES) {
                ctl_probe(m);
                return;
        }
        m->probe_usec = mux_now(m) + m->probe_interval_usec;
        m->probe_interval_usec = MIN(2 * m->probe_interval_usec, CTL_PROBE_MAX_USEC);
        mux_arm_timer(m, m->probe_usec);
        if (m->state != MUX_SILENT)
                silence_begin(m);
        mux_set_state(m, MUX_SILENT, reason);
}

static void on_version_info(const RequestOutcome *outcome, void *userdata) {
        Mux *m = userdata;
        char reason[128];
        int r;

        m->probe = NULL;
        if (outcome->state != REQUEST_ANSWERED) {
                ctl_probe_failed(m, "the modem does not answer");
                return;
        }
        if (mux_is_live(m)) {
                /* A sign of life was asked for. Or for a service that was not there when CTL was. */
                if (take_services(m, outcome->response) > 0)
                        mux_tell_state(m);
                silence_on_ctl(m);
                return;
        }
        r = take_version_info(m, outcome->response);
        if (r > 0) {
                (void) snprintf(reason, sizeof(reason),
                                "the modem refuses to say its services (QMI error %d)", r);
                ctl_probe_failed(m, reason);
        } else if (r < 0)
                ctl_probe_failed(m, "the modem's list of services cannot be read");
}

static void ctl_probe(Mux *m) {
        int r;

        m->probe_usec = UINT64_MAX;
        r = ctl_request(&m->probe, m, CTL_GET_VERSION_INFO, NULL, 0, on_version_info, m);
        if (r < 0) {
                log_warning_errno(r, "%s: cannot ask for the services", port_get_uri(m->port));
                m->probe_usec = mux_now(m) + m->ctl_probe_min_usec;
                mux_arm_timer(m, m->probe_usec);
        }
}

void ctl_start(Mux *m) {
        m->n_probes = 0;
        m->probe_interval_usec = m->ctl_probe_min_usec;
        ctl_probe(m);
}

void ctl_probe_now(Mux *m) {
        if (!m->probe && m->probe_usec == UINT64_MAX)
                ctl_start(m);
}

static Transaction *first_in_flight(Client *c) {
        Transaction *t;

        TAILQ_FOREACH(t, &c->transactions, entry)
                if (t->state == TRANSACTION_IN_FLIGHT)
                        return t;
        return NULL;
}

void ctl_stop(Mux *m) {
        Transaction *t;
        Request *r;

        m->probe = request_cancel(m->probe);
        m->push = request_cancel(m->push);
        m->sync = request_cancel(m->sync);
        m->lags = false;
        m->probe_usec = UINT64_MAX;
        /* Nobody waits for what is left: clients cancel theirs when they end. What is under way will hardly
         * be answered, and must not keep Get Version Info from being sent; but if it is answered, it is
         * known. */
        while ((r = TAILQ_LAST(&m->ctl->lane.requests, RequestQueue)))
                (void) request_cancel(r);
        while ((t = first_in_flight(m->ctl))) {
                (void) request_cancel(t->request);
                transaction_complete(t, REQUEST_TIMEOUT, NULL, NULL);
        }
        mux_disarm_timer_if_idle(m);
}

void ctl_on_timer(Mux *m, uint64_t now_usec) {
        if (m->probe_usec > now_usec)
                return;
        silence_climb(m);
        ctl_probe(m);
}

/* ---- Sync ---- */

/* All client ids are gone. */
static void ctl_restart(Mux *m, const char *reason) {
        if (mux_is_live(m))
                mux_set_state(m, MUX_RESETTING, reason);
        ctl_stop(m);
        ctl_start(m);
}

#define SYNC_DONE "every client id was taken back with Sync"

static void on_synced(const RequestOutcome *outcome, void *userdata) {
        Mux *m = userdata;

        m->sync = NULL;
        if (outcome->state == REQUEST_ANSWERED)
                ctl_restart(m, SYNC_DONE);
        else if (m->state != MUX_SILENT) /* where it is asked anyway */
                ctl_probe_now(m);
}

int ctl_sync(Mux *m) {
        return ctl_request(&m->sync, m, CTL_SYNC, NULL, 0, on_synced, m);
}

/* ---- answers that are stuck ---- */

static void on_pushed(const RequestOutcome *outcome, void *userdata) {
        Mux *m = userdata;

        m->push = NULL;
        if (outcome->state != REQUEST_ANSWERED) {
                if (mux_is_live(m))
                        ctl_probe_now(m);
                return;
        }
        silence_on_ctl(m);
        /* Its answer came although nothing was sent behind it: nothing is stuck. */
        if (m->pushed_at == m->n_sent)
                m->lags = false;
        else
                ctl_push_on(m);
}

bool ctl_is_push(Client *c, uint16_t message) {
        return c == c->mux->ctl && message == CTL_GET_VERSION_INFO;
}

void ctl_push(Mux *m) {
        int r;

        if (m->push || !m->can_lag || port_get_state(m->port) != PORT_OPEN)
                return;
        m->pushed_at = m->n_sent;
        r = ctl_request(&m->push, m, CTL_GET_VERSION_INFO, NULL, 0, on_pushed, m);
        if (r < 0)
                log_warning_errno(r, "%s: cannot push what may be stuck", port_get_uri(m->port));
}

void ctl_push_on(Mux *m) {
        if (!m->lags || (!m->probe && !mux_waits(m)))
                return;
        if (!m->push) {
                ctl_push(m);
                return;
        }
        if (mux_now(m) - m->pushed_on_usec >= PUSH_ON_USEC) {
                m->pushed_on_usec = mux_now(m);
                m->n_pushed_on = 0;
        }
        if (m->n_pushed_on < PUSH_ON_MAX &&
            transaction_new(m->ctl, NULL, CTL_GET_VERSION_INFO, NULL, 0, m->ctl_timeout_usec) >= 0) {
                m->n_pushed_on++;
                m->n_sent++;
        }
}

void ctl_on_stuck(Mux *m) {
        m->lags = m->can_lag;
        ctl_push_on(m);
}

/* ---- client ids ---- */

/* A client id in TLV 0x01: service u8, client id u8. */
static int read_client_id(const QmiMessage *message, uint8_t *ret_service, uint8_t *ret_id) {
        Tlv t;

        if (tlv_find(message->tlvs, message->n_tlvs, CTL_TLV, &t) == 0 || t.n_bytes < 2)
                return -EBADMSG;
        *ret_service = t.bytes[0];
        *ret_id = t.bytes[1];
        return 0;
}

/* The id in the answer to an allocation; it must be one that a client can have. */
static int read_allocated_id(const QmiMessage *message, uint8_t *ret_service, uint8_t *ret_id) {
        int r;

        r = read_client_id(message, ret_service, ret_id);
        if (r < 0)
                return r;
        return *ret_service == QMI_SERVICE_CTL || *ret_id == 0 || *ret_id == QMI_CLIENT_ALL ? -EBADMSG : 0;
}

static int ctl_release_id(Mux *m, uint16_t service, uint8_t id, Request **ret, RequestDone done,
                          void *userdata) {
        const uint8_t bytes[] = { (uint8_t) service, id };

        return ctl_request(ret, m, CTL_RELEASE, bytes, sizeof(bytes), done, userdata);
}

/* The modem gave an id away. If it is one of ours, then the modem forgot that it was. */
static void end_holder(Mux *m, uint8_t service, uint8_t id) {
        Client *c = mux_find_client(m, service, id);

        if (c)
                client_lose(c, "the modem gave the client id to somebody else");
}

static void on_allocated(const RequestOutcome *outcome, void *userdata) {
        uint8_t service = 0, id = 0;
        Client *c = userdata;
        Mux *m = c->mux;
        int error = -ETIMEDOUT;

        c->ctl_request = NULL;
        if (outcome->state == REQUEST_ANSWERED) {
                error = tlv_result(outcome->response->tlvs, outcome->response->n_tlvs);
                if (error == 0)
                        error = read_allocated_id(outcome->response, &service, &id);
                if (error == 0 && service != c->service)
                        error = -EBADMSG;
        }
        if (error == ERROR_CLIENT_IDS_EXHAUSTED && !c->lost && exhaustion_wait(c))
                return;
        if (error != 0) {
                log_debug("%s: no client id of service 0x%02x: %s %d", port_get_uri(m->port), c->service,
                          error > 0 ? "QMI error" : "errno", error);
                if (c->lost)
                        recover_on_refused(c, error);
                else
                        client_end(c, REQUEST_NO_CLIENT, error, NULL);
                mux_flush(m);
                return;
        }

        end_holder(m, service, id);
        client_start(c, id);
        exhaustion_on_id_given(m, service);
        mux_save_now(m);
        if (c->lost) {
                recover_on_allocated(c);
                mux_flush(m);
                return;
        }
        mux_schedule(m);
        if (c->ops && c->ops->on_allocated)
                c->ops->on_allocated(c, 0, c->userdata);
        mux_flush(m);
}

int ctl_allocate(Client *c) {
        const uint8_t service = (uint8_t) c->service;

        return ctl_request(&c->ctl_request, c->mux, CTL_ALLOCATE, &service, 1, on_allocated, c);
}

void ctl_send_release(Mux *m, uint16_t service, uint8_t id) {
        const uint8_t tlv[] = { CTL_TLV, 0x02, 0x00, (uint8_t) service, id };

        if (port_get_state(m->port) == PORT_OPEN)
                (void) transaction_new(m->ctl, NULL, CTL_RELEASE, tlv, sizeof(tlv), m->ctl_timeout_usec);
}

static void tell_release(Mux *m, const RequestOutcome *outcome) {
        int r = outcome->state == REQUEST_ANSWERED
                        ? tlv_result(outcome->response->tlvs, outcome->response->n_tlvs)
                        : -ETIMEDOUT;

        if (r > 0)
                mux_log_oddity(m, MUX_ODDITY_CTL, "release of a client id failed with QMI error %d", r);
        else if (r < 0)
                mux_log_oddity(m, MUX_ODDITY_CTL, "release of a client id: %s", strerror(-r));
}

static void on_released(const RequestOutcome *outcome, void *userdata) {
        Client *c = userdata;

        c->ctl_request = NULL;
        tell_release(c->mux, outcome);
        if (outcome->state == REQUEST_TIMEOUT)
                recover_on_unreleased(c);
        else
                (void) client_free(c);
}

void ctl_release(Client *c) {
        int r;

        r = ctl_release_id(c->mux, c->service, c->id, &c->ctl_request, on_released, c);
        if (r < 0) {
                log_warning_errno(r, "%s: client id %u of service 0x%02x is not given back",
                                  port_get_uri(c->mux->port), c->id, c->service);
                (void) client_free(c);
        }
}

/* Nobody has waited for it. It goes the way of one that somebody has released, so that it is not forgotten
 * if the modem cannot be told now. */
static void release_stray(Mux *m, uint8_t service, uint8_t id) {
        Client *c;
        int r;

        r = client_new_internal(&c, m, service, &m->owner, NULL, NULL);
        if (r < 0) {
                log_warning_errno(r, "%s: client id %u of service 0x%02x is not given back",
                                  port_get_uri(m->port), id, service);
                return;
        }
        client_start(c, id);
        client_linger(c);
}

static bool is_allocation(const QmiMessage *message, uint8_t *ret_service, uint8_t *ret_id) {
        return message->id == CTL_ALLOCATE && tlv_result(message->tlvs, message->n_tlvs) == 0 &&
               read_allocated_id(message, ret_service, ret_id) >= 0;
}

void ctl_on_stray_response(Mux *m, const QmiMessage *message) {
        uint8_t service, id;

        if (is_allocation(message, &service, &id) && !mux_find_client(m, service, id))
                release_stray(m, service, id);
}

void ctl_on_late_response(Mux *m, const QmiMessage *message) {
        uint8_t service, id;

        if (message->id == CTL_GET_VERSION_INFO && !mux_is_live(m))
                /* A modem that takes longer than we wait would else never become ready. */
                (void) take_version_info(m, message);
        else if (message->id == CTL_GET_VERSION_INFO) {
                m->probe = request_cancel(m->probe);
                m->probe_usec = UINT64_MAX;
                silence_on_ctl(m);
        } else if (message->id == CTL_SYNC && tlv_result(message->tlvs, message->n_tlvs) == 0)
                ctl_restart(m, SYNC_DONE);
        else if (is_allocation(message, &service, &id)) {
                end_holder(m, service, id);
                release_stray(m, service, id);
                mux_flush(m);
        }
}

/* ---- the link layer of a modem without WDA ---- */

/* TLV 0x01: no QoS header; TLV 0x10: the protocol, u16. */
int mux_set_data_format(Mux *m, uint16_t protocol, Request **ret, RequestDone done, void *userdata) {
        const uint8_t tlvs[] = {
                CTL_TLV, 1, 0, 0, 0x10, 2, 0, (uint8_t) protocol, (uint8_t) (protocol >> 8)
        };

        if (!mux_is_live(m))
                return -ENODEV;
        return request_new(ret, m->ctl, &m->owner,
                           &(RequestSpec){
                                   .message = CTL_SET_DATA_FORMAT,
                                   .tlvs = tlvs,
                                   .n_tlvs = sizeof(tlvs),
                                   .timeout_usec = m->ctl_timeout_usec,
                                   .done = done,
                                   .userdata = userdata,
                           });
}

/* ---- indications ---- */

static void on_id_gone(Mux *m, const QmiMessage *message) {
        uint8_t service, id;
        Client *c;

        if (read_client_id(message, &service, &id) < 0) {
                mux_log_oddity(m, MUX_ODDITY_CTL, "control indication 0x%04x without a client id",
                               message->id);
                return;
        }
        c = service == QMI_SERVICE_CTL ? NULL : mux_find_client(m, service, id);
        if (!c)
                return;
        client_lose(c, message->id == CTL_REVOKE_IND ? "the modem took the client id back"
                                                     : "the modem does not know the client id");
        mux_flush(m);
}

void ctl_on_indication(Mux *m, const QmiMessage *message) {
        switch (message->id) {
        case CTL_REVOKE_IND:
        case CTL_INVALID_CLIENT_ID:
                on_id_gone(m, message);
                break;
        case CTL_SYNC:
                if (m->sync)
                        log_debug("%s: the echo of our own Sync", port_get_uri(m->port));
                else
                        ctl_restart(m, "the modem started anew");
                break;
        default:
                m->statistics.n_unrouted++;
                mux_log_oddity(m, MUX_ODDITY_UNROUTED, "control indication 0x%04x", message->id);
        }
}
