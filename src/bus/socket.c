/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/internal.h"
#include "qmi/tlv.h"
#include "util/log.h"

/* A packet is a QMI message as a frame has it, without the frame: flags u8, transaction u16, message u16,
 * length u16, TLVs. org.qmid1(5) tells the rest.
 *
 * Who sends without reading is not read from any more, once so many of his requests have no answer or one
 * that he has not taken. Indications wait for nobody. So a socket holds a bounded amount of memory. */

#define SOCKET_WINDOW 16U
#define PACKET_HEADER 7U
#define PACKETS_MAX   64U /* that one turn of the loop takes in */

/* What a request that the modem did not answer is answered with; [enum.qmi-error]. */
enum {
        ERROR_MALFORMED_MESSAGE = 1,
        ERROR_NO_MEMORY = 2,
        ERROR_INTERNAL = 3,
        ERROR_ABORTED = 4,
        ERROR_MISSING_ARGUMENT = 17,
        ERROR_ARGUMENT_TOO_LONG = 19,
        ERROR_INVALID_TRANSACTION_ID = 22,
        ERROR_DEVICE_NOT_READY = 52,
        ERROR_ACCESS_DENIED = 82,
};

typedef struct SocketRequest {
        BusSocket *socket;
        Request *request; /* NULL: it is answered */
        uint16_t transaction, message;
        uint32_t n_bytes; /* charged */
        uint8_t *packet;  /* the answer, while it waits to be read */
        size_t n_packet;
        TAILQ_ENTRY(SocketRequest) entry;
} SocketRequest;

typedef TAILQ_HEAD(SocketRequestQueue, SocketRequest) SocketRequestQueue;

struct BusSocket {
        BusClient *client;
        Caller *caller; /* charged for it; NULL: it has gone, or was never known */
        int fd;
        sd_event_source *io;
        unsigned n_taken;                   /* requests in both queues */
        uint64_t n_malformed;               /* packets that were dropped */
        SocketRequestQueue asked, answered; /* answered and not yet sent */
};

const char *bus_socket_name(const BusClient *c, char buffer[static SOCKET_NAME_MAX]) {
        snprintf(buffer, SOCKET_NAME_MAX, "socket.%" PRIu64, c->number);
        return buffer;
}

/* All but the caller: he may go while they are under way. */
static Charge request_charge(const BusSocket *s) {
        return bus_charge(s->client->device->bus, NULL, s->client->user, s->client->device);
}

static Charge socket_charge(const BusSocket *s) {
        return bus_charge(s->client->device->bus, s->caller, s->client->user, s->client->device);
}

/* Asks for what can be done now; after each change of the queues. */
static void socket_update(BusSocket *s) {
        uint32_t events = EPOLLRDHUP;

        if (s->n_taken < SOCKET_WINDOW && !s->client->device->bus->leaving)
                events |= EPOLLIN;
        if (!TAILQ_EMPTY(&s->answered))
                events |= EPOLLOUT;
        (void) sd_event_source_set_io_events(s->io, events);
}

/* ---- out ---- */

/* The callers of this may be in the middle of anything: the end comes from the loop. */
static int packet_send(BusSocket *s, const uint8_t *packet, size_t n_packet) {
        if (send(s->fd, packet, n_packet, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                return 0;
        if (errno == EAGAIN || errno == ENOBUFS)
                return -EAGAIN;
        (void) shutdown(s->fd, SHUT_RDWR);
        return -errno;
}

/* A whole frame; the packet is what lies behind its header. */
static int packet_new(const QmiMessage *m, uint8_t **ret_frame, size_t *ret_n_packet) {
        size_t size = QMUX_HEADER_SIZE + PACKET_HEADER + m->n_tlvs;
        _cleanup_free_ uint8_t *frame = NULL;
        ssize_t n;

        frame = malloc(size);
        if (!frame)
                return -ENOMEM;
        n = frame_build(m, 0, frame, size);
        if (n < 0)
                return (int) n;
        memmove(frame, frame + QMUX_HEADER_SIZE, (size_t) n - QMUX_HEADER_SIZE);
        explicit_bzero(frame + n - QMUX_HEADER_SIZE, QMUX_HEADER_SIZE);
        *ret_frame = TAKE_PTR(frame);
        *ret_n_packet = (size_t) n - QMUX_HEADER_SIZE;
        return 0;
}

static void socket_request_free(SocketRequest *r) {
        Charge charge = request_charge(r->socket);
        Bus *b = r->socket->client->device->bus;

        (void) request_cancel(r->request);
        share_give(&charge, SHARE_BYTES, r->n_bytes);
        share_give(&charge, SHARE_CALLS, 1);
        r->socket->n_taken--;
        if (r->packet)
                explicit_bzero(r->packet, r->n_packet);
        free(r->packet);
        free(r);
        bus_end_call(b);
}

/* Those that wait, as far as they are taken. */
static void socket_send_answers(BusSocket *s) {
        SocketRequest *r;

        while ((r = TAILQ_FIRST(&s->answered))) {
                if (packet_send(s, r->packet, r->n_packet) < 0)
                        break;
                TAILQ_REMOVE(&s->answered, r, entry);
                socket_request_free(r);
        }
}

/* The one place where a request gets its answer. Consumes it, now or when the answer has been taken. */
static void socket_answer(SocketRequest *r, const uint8_t *tlvs, size_t n_tlvs) {
        BusSocket *s = r->socket;
        int e;

        TAILQ_REMOVE(&s->asked, r, entry);
        (void) request_cancel(TAKE_PTR(r->request));
        e = packet_new(
                &(QmiMessage){
                        .service = client_get_service(s->client->client),
                        .type = QMI_RESPONSE,
                        .transaction = r->transaction,
                        .id = r->message,
                        .tlvs = tlvs,
                        .n_tlvs = n_tlvs,
                },
                &r->packet, &r->n_packet);
        if (e < 0) {
                log_warning_errno(e, "%s: cannot answer at its socket", s->client->path);
                socket_request_free(r);
        } else {
                TAILQ_INSERT_TAIL(&s->answered, r, entry);
                socket_send_answers(s);
        }
        socket_update(s);
}

static void socket_answer_error(SocketRequest *r, uint16_t error) {
        uint8_t tlv[] = { TLV_RESULT, 4, 0, error > 0, 0, 0, 0 };

        write_le16(tlv + TLV_HEADER_SIZE + 2, error);
        socket_answer(r, tlv, sizeof(tlv));
}

void bus_socket_emit_indication(BusSocket *s, const QmiMessage *m) {
        _cleanup_free_ uint8_t *packet = NULL;
        size_t n_packet;

        /* Answers go first, and they wait. */
        if (TAILQ_EMPTY(&s->answered) && packet_new(m, &packet, &n_packet) >= 0 &&
            packet_send(s, packet, n_packet) >= 0)
                bus_client_count_passed(s->client);
        else
                bus_client_count_lost(s->client);
        if (packet)
                explicit_bzero(packet, n_packet);
}

static void on_done(const RequestOutcome *o, void *userdata) {
        SocketRequest *r = userdata;

        r->request = NULL;
        switch (o->state) {
        case REQUEST_ANSWERED:
                socket_answer(r, o->response->tlvs, o->response->n_tlvs);
                return;
        case REQUEST_TIMEOUT:
                socket_answer_error(r, ERROR_ABORTED);
                return;
        case REQUEST_NO_CLIENT:
                socket_answer_error(r, o->error > 0 ? o->error : ERROR_INTERNAL);
                return;
        case REQUEST_REFUSED:
                socket_answer_error(r, ERROR_ACCESS_DENIED);
                return;
        case REQUEST_GONE:
        case _REQUEST_STATE_MAX:
        case _REQUEST_STATE_INVALID:
                break;
        }
        socket_answer_error(r, ERROR_DEVICE_NOT_READY);
}

/* ---- in ---- */

/* Whether a message is one that aborts another: its first TLV is a transaction, which is the sender's own.
 */
static bool is_abort(const BusClient *c, uint16_t message) {
        const SchemaMessage *row;
        uint16_t vendor = mux_get_vendor(client_get_mux(c->client));

        row = c->service ? schema_message_by_id(c->service, false, message, vendor) : NULL;
        for (uint16_t i = 0; row && i < c->service->n_messages; i++)
                if (schema_messages[c->service->first_message + i].abort == row - schema_messages)
                        return true;
        return false;
}

static void socket_abort(SocketRequest *r, const QmiMessage *m) {
        SocketRequest *other;
        Tlv tlv;

        if (tlv_find(m->tlvs, m->n_tlvs, 0x01, &tlv) == 0 || tlv.n_bytes < 2) {
                socket_answer_error(r, ERROR_MISSING_ARGUMENT);
                return;
        }
        TAILQ_FOREACH(other, &r->socket->asked, entry)
                if (other != r && other->transaction == read_le16(tlv.bytes)) {
                        socket_answer_error(other, ERROR_ABORTED);
                        socket_answer_error(r, 0);
                        return;
                }
        socket_answer_error(r, ERROR_INVALID_TRANSACTION_ID);
}

static void socket_ask(SocketRequest *r, const QmiMessage *m) {
        BusClient *c = r->socket->client;
        int e;

        e = request_new(&r->request, c->client, bus_client_get_owner(c),
                        &(RequestSpec){
                                .message = m->id,
                                .tlvs = m->tlvs,
                                .n_tlvs = m->n_tlvs,
                                .done = on_done,
                                .userdata = r,
                        });
        if (e < 0)
                socket_answer_error(r, e == -ENODEV     ? ERROR_DEVICE_NOT_READY
                                       : e == -EMSGSIZE ? ERROR_ARGUMENT_TOO_LONG
                                                        : ERROR_NO_MEMORY);
}

/* 0, or the error that it is answered with. `frame` has room for a frame's header before the packet. */
static uint16_t packet_parse(BusSocket *s, uint8_t *frame, size_t n_packet, QmiMessage *ret) {
        size_t n_frame = QMUX_HEADER_SIZE + n_packet;
        TlvReader reader;
        Tlv tlv;
        int r;

        frame[0] = QMUX_MARKER;
        write_le16(frame + 1, (uint16_t) (n_frame - 1));
        frame[3] = 0;
        frame[4] = (uint8_t) client_get_service(s->client->client);
        frame[5] = 0;
        if (n_frame > QMUX_MAX || frame_parse(frame, n_frame, ret) < 0 || ret->type != QMI_REQUEST ||
            ret->n_tlvs != n_packet - PACKET_HEADER)
                return ERROR_MALFORMED_MESSAGE;
        reader = tlv_reader(ret->tlvs, ret->n_tlvs);
        while ((r = tlv_next(&reader, &tlv)) > 0)
                ;
        return r < 0 ? ERROR_MALFORMED_MESSAGE : 0;
}

static void socket_on_packet(BusSocket *s, uint8_t *frame, size_t n_packet) {
        const uint8_t *packet = frame + QMUX_HEADER_SIZE;
        Charge charge = request_charge(s);
        SocketRequest *r;
        uint16_t error;
        QmiMessage m;

        if (n_packet < 3) { /* not even a transaction */
                s->n_malformed++;
                return;
        }
        r = malloc(sizeof(*r));
        if (!r) {
                log_oom();
                return;
        }
        *r = (SocketRequest){
                .socket = s,
                .transaction = read_le16(packet + 1),
                .message = n_packet < 5 ? 0 : read_le16(packet + 3),
        };
        TAILQ_INSERT_TAIL(&s->asked, r, entry);
        s->n_taken++;
        bus_begin_call(s->client->device->bus);
        share_add(&charge, SHARE_CALLS, 1); /* bounded by the window */

        error = packet_parse(s, frame, n_packet, &m);
        if (error == 0 && share_take(&charge, SHARE_BYTES, (uint32_t) m.n_tlvs, NULL) < 0)
                error = ERROR_NO_MEMORY;
        if (error > 0) {
                socket_answer_error(r, error);
                return;
        }
        r->n_bytes = (uint32_t) m.n_tlvs;
        if (is_abort(s->client, m.id))
                socket_abort(r, &m);
        else
                socket_ask(r, &m);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        uint8_t frame[QMUX_HEADER_SIZE + QMUX_MAX];
        BusSocket *s = userdata;
        ssize_t n;

        if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) {
                log_debug("%s: its socket was closed", s->client->path);
                bus_socket_close(s);
                return 0;
        }
        socket_send_answers(s);
        for (unsigned i = 0; i < PACKETS_MAX && s->n_taken < SOCKET_WINDOW; i++) {
                n = recv(s->fd, frame + QMUX_HEADER_SIZE, sizeof(frame) - QMUX_HEADER_SIZE,
                         MSG_DONTWAIT | MSG_TRUNC);
                if (n < 0)
                        break; /* nothing is there; if it is the end, an event tells */
                socket_on_packet(s, frame, (size_t) n);
                explicit_bzero(frame, MIN((size_t) n + QMUX_HEADER_SIZE, sizeof(frame)));
        }
        socket_update(s);
        return 0;
}

/* ---- it comes and goes ---- */

static int socket_new(BusClient *c, Caller *caller, int fd) {
        char name[SOCKET_NAME_MAX];
        BusSocket *s;
        int r;

        s = malloc(sizeof(*s));
        if (!s)
                return -ENOMEM;
        *s = (BusSocket){ .client = c, .caller = caller, .fd = fd };
        TAILQ_INIT(&s->asked);
        TAILQ_INIT(&s->answered);
        /* Before calls are looked at, so that one that was closed is not in the way of the next. */
        r = sd_event_add_io(sd_bus_get_event(c->device->bus->bus), &s->io, fd, EPOLLIN | EPOLLRDHUP, on_io,
                            s);
        if (r >= 0)
                r = sd_event_source_set_priority(s->io, SD_EVENT_PRIORITY_NORMAL - 1);
        if (r < 0) {
                sd_event_source_unref(s->io);
                free(s);
                return r;
        }
        c->socket = s;
        bus_keep(c->device->bus, bus_socket_name(c, name), fd);
        bus_changed(c->device->bus, true);
        return 0;
}

int bus_socket_open(BusClient *c, Caller *caller, int *ret_fd, sd_bus_error *error) {
        Charge charge = bus_charge(c->device->bus, c->caller, c->user, c->device);
        int pair[2], r;

        if (c->socket)
                return sd_bus_error_setf(error, QMID_ERROR_LIMITS_EXCEEDED, "%s: its socket is open already",
                                         c->path);
        r = share_take(&charge, SHARE_DESCRIPTORS, 1, error);
        if (r < 0)
                return r;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) {
                r = -errno;
                goto give;
        }
        r = socket_new(c, c->caller, pair[0]);
        if (r < 0) {
                close(pair[0]);
                close(pair[1]);
                goto give;
        }
        log_debug("%s: %s opened its socket", c->path, caller->name);
        *ret_fd = pair[1];
        return 0;
give:
        share_give(&charge, SHARE_DESCRIPTORS, 1);
        return r;
}

int bus_socket_adopt(BusClient *c, int fd) {
        Charge charge = bus_charge(c->device->bus, c->caller, c->user, c->device);
        int r;

        r = socket_new(c, c->caller, fd);
        if (r >= 0)
                share_add(&charge, SHARE_DESCRIPTORS, 1);
        return r;
}

void bus_socket_disown(BusSocket *s, Caller *caller) {
        Charge charge = bus_charge(NULL, caller, NULL, NULL);

        if (s->caller != caller)
                return;
        share_give(&charge, SHARE_DESCRIPTORS, 1);
        s->caller = NULL;
}

void bus_socket_close(BusSocket *s) {
        char name[SOCKET_NAME_MAX];
        SocketRequest *r;
        Charge charge;
        BusClient *c;
        Bus *b;

        if (!s)
                return;
        c = s->client;
        b = c->device->bus;
        charge = socket_charge(s);
        while ((r = TAILQ_FIRST(&s->answered))) {
                TAILQ_REMOVE(&s->answered, r, entry);
                socket_request_free(r);
        }
        while ((r = TAILQ_LAST(&s->asked, SocketRequestQueue))) { /* the last first, so that none moves up */
                TAILQ_REMOVE(&s->asked, r, entry);
                socket_request_free(r);
        }
        if (s->n_malformed > 0)
                log_info("%s: %" PRIu64 " packets at its socket were no messages", c->path, s->n_malformed);
        sd_event_source_disable_unref(s->io);
        /* The peer sees the end now, although a copy is kept for the next daemon; unless that is to go on.
         */
        if (!b->detached)
                (void) shutdown(s->fd, SHUT_RDWR);
        close(s->fd);
        c->socket = NULL;
        bus_keep(b, bus_socket_name(c, name), -1);
        share_give(&charge, SHARE_DESCRIPTORS, 1);
        free(s);
        bus_changed(b, false);
}

void bus_socket_rest(BusSocket *s, bool answer) {
        while (answer && !TAILQ_EMPTY(&s->asked))
                socket_answer_error(TAILQ_FIRST(&s->asked), ERROR_DEVICE_NOT_READY);
        socket_update(s);
}
