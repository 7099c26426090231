/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz.h"
#include "mux/mux-internal.h"
#include "util/log.h"

/* What a modem sends, from its socket through port and mux to clients and requests of every kind.
 *
 * The first byte of the input: bits 0 to 4 how many bytes come at once (0: all), bit 5 the modem goes before
 * the mux does, bit 6 it does not answer CTL, bit 7 callbacks free and make clients and requests. The rest
 * is what it sends, after CTL has been answered as long as the mux was starting. */

/* Of mux-nas.toml and mux-dms.toml. */
static const SchemaMessage *row_of(const char *service, const char *message) {
        const SchemaMessage *m = schema_message_by_name(schema_service_by_name(service), message);

        must(m);
        return m;
}

static const SchemaMessage *row(const char *message) {
        return row_of("nas", message);
}

#define N_CLIENTS  5U
#define N_REQUESTS 64U

typedef struct Asked {
        Request *request; /* NULL: it is over */
        Client *client;
} Asked;

typedef struct Fuzz {
        sd_event *event;
        Mux *mux;
        int connection;
        Framer framer;
        bool answers_ctl, wild;
        uint8_t next_id;
        Owner owner, requesters[2];
        Client *clients[N_CLIENTS];
        Asked asked[N_REQUESTS];
        unsigned n_requests;
} Fuzz;

static char directory[] = "/tmp/fuzz-mux-XXXXXX";
static char path[64], uri[80];
static int listener = -1;

static void clean_up(void) {
        (void) unlink(path);
        (void) rmdir(directory);
}

static void listen_once(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (listener >= 0)
                return;
        log_set_max_level(LOG_ERR);
        must(mkdtemp(directory));
        (void) snprintf(path, sizeof(path), "%s/modem", directory);
        (void) snprintf(uri, sizeof(uri), "unix:%s", path);
        memcpy(address.sun_path, path, strlen(path) + 1);
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        must(listener >= 0);
        must(bind(listener, (struct sockaddr *) &address, sizeof(address)) >= 0);
        must(listen(listener, 8) >= 0);
        (void) atexit(clean_up);
}

/* ---- the modem ---- */

static void tell(Fuzz *f, const uint8_t *bytes, size_t n_bytes) {
        if (f->connection >= 0)
                (void) send(f->connection, bytes, n_bytes, MSG_NOSIGNAL);
}

static void answer(Fuzz *f, const QmiMessage *request, const uint8_t *tlvs, size_t n_tlvs) {
        QmiMessage m = *request;
        uint8_t buffer[64];
        ssize_t n;

        m.type = QMI_RESPONSE;
        m.tlvs = tlvs;
        m.n_tlvs = n_tlvs;
        n = frame_build(&m, 0x80, buffer, sizeof(buffer));
        must(n > 0);
        tell(f, buffer, (size_t) n);
}

static void answer_ctl(Fuzz *f, const QmiMessage *m) {
        /* success; CTL 1.5, DMS 1.14, NAS 1.25 */
        static const uint8_t services[] = { 0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x10,
                                            0x00, 0x03, 0x00, 0x01, 0x00, 0x05, 0x00, 0x02, 0x01,
                                            0x00, 0x0E, 0x00, 0x03, 0x01, 0x00, 0x19, 0x00 };
        uint8_t id[] = { 0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x03, 0x00 };

        switch (m->id) {
        case 0x0021:
                answer(f, m, services, sizeof(services));
                break;
        case 0x0022:
                must(m->n_tlvs == 4);
                id[sizeof(id) - 2] = m->tlvs[3];
                id[sizeof(id) - 1] = f->next_id++;
                answer(f, m, id, sizeof(id));
                break;
        case 0x0023:
                answer(f, m, services, 7);
                break;
        default:
                break;
        }
}

/* Reads what the mux sent, which must be sound, whatever it was told. */
static void serve(Fuzz *f) {
        uint8_t buffer[4096];
        const uint8_t *frame;
        size_t n_frame;
        QmiMessage m;
        ssize_t n;

        while (f->connection >= 0 && (n = recv(f->connection, buffer, sizeof(buffer), 0)) > 0) {
                must(framer_push(&f->framer, buffer, (size_t) n) >= 0);
                while (framer_next(&f->framer, &frame, &n_frame) > 0) {
                        int r = frame_parse(frame, n_frame, &m);

                        must(r == 0);
                        must(m.type == QMI_REQUEST && m.transaction != 0);
                        if (f->answers_ctl && m.service == QMI_SERVICE_CTL)
                                answer_ctl(f, &m);
                }
                must(f->framer.n_garbage == 0);
        }
}

/* One turn of the loop, which must have something to do. */
static void turn(Fuzz *f) {
        int r;

        serve(f); /* the modem is no part of the loop */
        r = sd_event_run(f->event, USEC_PER_SEC);
        must(r > 0);
        serve(f);
}

static void settle(Fuzz *f) {
        while (sd_event_run(f->event, 0) > 0)
                serve(f);
}

/* ---- the host ---- */

static void add_request(Fuzz *f, Client *c, const SchemaMessage *schema);

static void on_state(Mux *m, MuxState state, const char *reason, void *userdata) {
        Client *c;

        must(mux_get_state(m) == state);
        if (state == MUX_READY) {
                int r = mux_get_shared_client(m, 0x03, &c);

                must(r == 0 || r == -EOPNOTSUPP);
        }
}

static const MuxOps mux_ops = { .on_state = on_state };

static void release(Fuzz *f, Client *c) {
        if (!c)
                return;
        for (size_t i = 0; i < f->n_requests; i++)
                if (f->asked[i].client == c)
                        f->asked[i].request = NULL; /* its callback will not come */
        for (size_t i = 0; i < N_CLIENTS; i++)
                if (f->clients[i] == c) {
                        f->clients[i] = NULL;
                        must(client_release(c, &f->owner) == 0);
                }
}

static void on_allocated(Client *c, int error, void *userdata) {
        if (error != 0)
                release(userdata, c);
}

static void on_indication(Client *c, const QmiMessage *m, bool broadcast, void *userdata) {
        Fuzz *f = userdata;

        if (f->wild && m->transaction % 4 == 1)
                release(f, f->clients[m->transaction / 4 % N_CLIENTS]);
        else if (f->wild && m->transaction % 4 == 2)
                add_request(f, c, row(m->transaction / 4 % 2 ? "mode" : "scan"));
        else if (f->wild && m->transaction % 4 == 3 && f->n_requests > 0) {
                Asked *a = &f->asked[m->transaction / 4 % f->n_requests];

                a->request = request_cancel(a->request);
        }
}

static void on_ended(Client *c, const char *reason, void *userdata) {
        must(client_get_state(c) == CLIENT_ENDED);
        release(userdata, c);
}

static const ClientOps client_ops = {
        .on_allocated = on_allocated,
        .on_indication = on_indication,
        .on_ended = on_ended,
};

static Fuzz *fuzz; /* the userdata of a request is its place in the table */

static void on_done(const RequestOutcome *outcome, void *userdata) {
        Asked *a = userdata;

        must(a->request); /* once, and not after it was called off */
        a->request = NULL;
        must((outcome->state == REQUEST_ANSWERED) == !!outcome->response);
        if (fuzz->wild && outcome->response && outcome->response->n_tlvs > 0)
                release(fuzz, fuzz->clients[outcome->response->tlvs[0] % N_CLIENTS]);
}

static void add_request(Fuzz *f, Client *c, const SchemaMessage *schema) {
        static const uint8_t tlvs[] = { 0x10, 0x01, 0x00, 0x41, 0x01, 0x01, 0x00, 0x05 };
        Asked *a;
        int r;

        if (!c || f->n_requests == N_REQUESTS)
                return;
        a = &f->asked[f->n_requests];
        a->client = c;
        r = request_new(&a->request, c, client_get_owner(c),
                        &(RequestSpec){
                                .message = schema ? schema->id : 0x4F,
                                .schema = schema,
                                .requester = &f->requesters[f->n_requests % 2],
                                .tlvs = tlvs,
                                .n_tlvs = sizeof(tlvs),
                                .done = on_done,
                                .userdata = a,
                        });
        if (r >= 0)
                f->n_requests++;
        else
                must(r == -ENODEV);
}

static void start(Fuzz *f) {
        Client *shared;
        int r;

        r = sd_event_new(&f->event);
        must(r >= 0);
        r = mux_new(&f->mux, f->event, uri, 0, 0, &mux_ops, f);
        if (r >= 0)
                r = mux_open(f->mux);
        must(r >= 0);
        while ((f->connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) < 0)
                turn(f);
        while (mux_get_state(f->mux) != MUX_READY)
                turn(f);

        /* Client ids 1 to 7, two of which are shared; on them requests that wait, that are in flight, whose
         * answer came too late, whose result is to come, that begin something, that are equal; one of the
         * clients waits for its answer to be released. */
        for (size_t i = 0; i < N_CLIENTS; i++) {
                r = client_new(&f->clients[i], f->mux, 0x03, &f->owner, &client_ops, f);
                must(r == 0);
        }
        r = mux_get_shared_client(f->mux, 0x02, &shared);
        must(r == 0);
        settle(f);
        add_request(f, f->clients[0], NULL);
        transaction_on_deadline(f->asked[0].request->transaction);
        add_request(f, f->clients[0], NULL);
        add_request(f, f->clients[0], row("scan"));
        add_request(f, f->clients[1], row("load"));
        add_request(f, f->clients[1], row("load"));
        add_request(f, f->clients[2], row("mode"));
        add_request(f, f->clients[2], row("mode"));
        for (size_t i = 0; i < 2; i++) {
                add_request(f, f->clients[4], row("start"));
                add_request(f, f->clients[4], row("stop"));
                add_request(f, f->clients[4], row("track"));
        }
        for (size_t i = 0; i < 4; i++)
                add_request(f, shared, row_of("dms", "get"));
        add_request(f, shared, row_of("dms", "set"));
        add_request(f, f->clients[3], row("scan"));
        settle(f);
        f->asked[f->n_requests - 1].request = request_cancel(f->asked[f->n_requests - 1].request);
        release(f, f->clients[3]);
        settle(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_data) {
        Fuzz f = { .connection = -1, .answers_ctl = true, .next_id = 1, .owner.name = "fuzz" };
        size_t n_chunk;

        if (n_data == 0)
                return 0;
        listen_once();
        fuzz = &f;
        start(&f);

        n_chunk = data[0] % 32 == 0 ? n_data : data[0] % 32;
        f.answers_ctl = !(data[0] & 0x40);
        f.wild = data[0] & 0x80;
        f.mux->can_lag = n_data % 2 > 0;
        for (size_t i = 1; i < n_data; i += n_chunk) {
                tell(&f, data + i, MIN(n_chunk, n_data - i));
                settle(&f);
        }

        /* What it was told before does not keep it from working now. */
        must(f.mux->n_in_flight <= 2 * (MUX_WINDOW_DEFAULT + N_REQUESTS));
        if (data[0] & 0x20) {
                close(TAKE_FD(f.connection));
                while (port_get_state(mux_get_port(f.mux)) != PORT_CLOSED)
                        turn(&f);
                for (size_t i = 0; i < f.n_requests; i++)
                        must(!f.asked[i].request); /* nothing waits any more */
                must(f.mux->n_in_flight == 0 && TAILQ_EMPTY(&f.mux->active));
        }
        mux_free(f.mux);
        if (f.connection >= 0)
                close(f.connection);
        /* Whoever connected again meanwhile. */
        while ((f.connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
                close(f.connection);
        framer_done(&f.framer);
        sd_event_unref(f.event);
        return 0;
}
