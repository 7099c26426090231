/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "port/port-internal.h"

/* The unix port, with the other end in the same process. */

/* A test that hangs this long has failed. */
#define PATIENCE_USEC (20 * USEC_PER_SEC)

#define RUN_UNTIL(b, condition)                                           \
        do {                                                              \
                while (!(condition)) {                                    \
                        int _r = sd_event_run((b)->event, PATIENCE_USEC); \
                                                                          \
                        assert(_r > 0);                                   \
                }                                                         \
        } while (false)

typedef struct Bench {
        char directory[32], path[64], uri[80];
        sd_event *event;
        Port *port;
        int listener, connection;

        unsigned n_opened, n_closed;
        char reason[256]; /* the last one; "" if there was none */
        unsigned n_frames;
        uint8_t last[64]; /* the last frame, as far as it fits */
        size_t n_last;
        bool free_on_state, free_on_frame;
} Bench;

static void on_state(Port *p, PortState state, const char *reason, void *userdata) {
        Bench *b = userdata;

        assert(p == b->port);
        assert(port_get_state(p) == state);
        assert((state == PORT_OPEN) == !reason);
        (void) snprintf(b->reason, sizeof(b->reason), "%s", reason ?: "");
        if (state == PORT_OPEN)
                b->n_opened++;
        else
                b->n_closed++;
        if (b->free_on_state)
                b->port = port_free(b->port);
}

static void on_frame(Port *p, const uint8_t *frame, size_t n_frame, void *userdata) {
        Bench *b = userdata;

        assert(p == b->port);
        b->n_frames++;
        if (b->free_on_frame)
                b->port = port_free(b->port);
        /* It is still there, although the port may be gone. */
        b->n_last = n_frame;
        memcpy(b->last, frame, MIN(n_frame, sizeof(b->last)));
}

static const PortOps ops = { .on_state = on_state, .on_frame = on_frame };

static void init(Bench *b) {
        int r;

        *b = (Bench){ .listener = -1, .connection = -1, .directory = "/tmp/test-port-XXXXXX" };
        assert(mkdtemp(b->directory));
        (void) snprintf(b->path, sizeof(b->path), "%s/modem", b->directory);
        (void) snprintf(b->uri, sizeof(b->uri), "unix:%s", b->path);
        r = sd_event_new(&b->event);
        assert(r >= 0);
        r = port_new_from_uri(&b->port, b->event, b->uri, &ops, b);
        assert(r >= 0);
        r = port_start(b->port);
        assert(r == 0);
        assert(port_get_state(b->port) == PORT_CLOSED);
}

static void done(Bench *b) {
        b->port = port_free(b->port);
        if (b->connection >= 0)
                close(TAKE_FD(b->connection));
        if (b->listener >= 0)
                close(TAKE_FD(b->listener));
        sd_event_unref(b->event);
        (void) unlink(b->path);
        (void) rmdir(b->directory);
}

static void bind_path(Bench *b) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int r;

        b->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert(b->listener >= 0);
        memcpy(address.sun_path, b->path, strlen(b->path) + 1);
        r = bind(b->listener, (struct sockaddr *) &address, sizeof(address));
        assert(r >= 0);
}

static void listen_path(Bench *b) {
        bind_path(b);
        assert(listen(b->listener, 4) >= 0);
}

static void accept_port(Bench *b) {
        RUN_UNTIL(b, port_get_state(b->port) == PORT_OPEN);
        b->connection = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        assert(b->connection >= 0);
}

static void init_open(Bench *b) {
        init(b);
        listen_path(b);
        accept_port(b);
}

static void tell(Bench *b, const void *bytes, size_t n_bytes) {
        ssize_t n = send(b->connection, bytes, n_bytes, MSG_NOSIGNAL);

        assert(n == (ssize_t) n_bytes);
}

static void settle(Bench *b) {
        int r;

        while ((r = sd_event_run(b->event, 0)) > 0)
                ;
        assert(r == 0);
}

/* CTL Get Version Info as a host sends it */
static const uint8_t request[] = { 0x01, 0x0B, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x21, 0x00, 0x00, 0x00 };
/* and Sync as a modem does */
static const uint8_t sync_frame[] = {
        0x01, 0x0B, 0x00, 0x80, 0x00, 0x00, 0x02, 0x00, 0x27, 0x00, 0x00, 0x00
};

static void test_addresses(void) {
        char longest[128] = "unix:/", too_long[128];
        sd_event *event;
        Port *p = NULL;

        assert(sd_event_new(&event) >= 0);
        assert(port_new_from_uri(&p, event, "", &ops, NULL) == -EINVAL);
        assert(port_new_from_uri(&p, event, "unix", &ops, NULL) == -EINVAL);
        assert(port_new_from_uri(&p, event, "unix:", &ops, NULL) == -EINVAL);
        assert(port_new_from_uri(&p, event, "unix:/", &ops, NULL) == -EINVAL);
        assert(port_new_from_uri(&p, event, "unix:relative", &ops, NULL) == -EINVAL);
        assert(port_new_from_uri(&p, event, "unix:/directory/", &ops, NULL) == -EINVAL);
        assert(port_new_from_uri(&p, event, "/unix:/path", &ops, NULL) == -EINVAL);
        assert(port_new_from_uri(&p, event, "tcp:/path", &ops, NULL) == -EINVAL);

        /* A socket's address holds 107 characters and a NUL. */
        memset(longest + 6, 'x', 106);
        memcpy(too_long, longest, sizeof(longest));
        too_long[112] = 'x';
        assert(port_new_from_uri(&p, event, too_long, &ops, NULL) == -EINVAL);
        assert(!p);
        assert(port_new_from_uri(&p, event, longest, &ops, NULL) == 0);
        assert(streq(port_get_uri(p), longest));
        assert(streq(port_get_transport(p), "unix"));
        assert(!port_free(p));
        assert(!port_free(NULL));
        sd_event_unref(event);
}

static void test_both_ways(void) {
        PortStatistics s;
        uint8_t buffer[64];
        Bench b;

        init(&b);
        assert(port_send(b.port, request, sizeof(request)) == -ENOTCONN);
        listen_path(&b);
        assert(b.n_opened == 0);
        accept_port(&b);
        assert(b.n_opened == 1 && b.n_closed == 0 && streq(b.reason, ""));

        assert(port_send(b.port, request, sizeof(request)) == 0);
        assert(recv(b.connection, buffer, sizeof(buffer), 0) == sizeof(request));
        assert(memcmp(buffer, request, sizeof(request)) == 0);

        tell(&b, sync_frame, sizeof(sync_frame));
        RUN_UNTIL(&b, b.n_frames == 1);
        assert(b.n_last == sizeof(sync_frame) && memcmp(b.last, sync_frame, sizeof(sync_frame)) == 0);

        /* In single bytes, with some before that belong to nothing. */
        tell(&b, "\x00\xFF\x01\x02", 4);
        for (size_t i = 0; i < sizeof(sync_frame); i++) {
                assert(b.n_frames == 1);
                tell(&b, sync_frame + i, 1);
                settle(&b);
        }
        assert(b.n_frames == 2 && memcmp(b.last, sync_frame, sizeof(sync_frame)) == 0);
        port_get_statistics(b.port, &s);
        assert(s.n_frames_sent == 1 && s.n_frames_received == 2 && s.n_garbage == 4);
        done(&b);
}

static void test_appears(void) {
        Bench b;

        init(&b);
        RUN_UNTIL(&b, b.n_closed == 1);
        assert(strstr(b.reason, b.path) && strstr(b.reason, strerror(ENOENT)));
        listen_path(&b);
        accept_port(&b);
        assert(b.n_opened == 1);
        done(&b);
}

static void test_appears_by_name(void) {
        char name[sizeof(((Bench *) 0)->path)];
        Bench b;

        /* Moved into its place. */
        init(&b);
        RUN_UNTIL(&b, b.n_closed == 1);
        memcpy(name, b.path, sizeof(name));
        (void) snprintf(b.path, sizeof(b.path), "%s/other", b.directory);
        listen_path(&b);
        assert(rename(b.path, name) >= 0);
        memcpy(b.path, name, sizeof(name));
        accept_port(&b);
        done(&b);
}

static void test_directory_appears(void) {
        Bench b;

        init(&b);
        assert(rmdir(b.directory) >= 0);
        RUN_UNTIL(&b, b.n_closed == 1);
        assert(mkdir(b.directory, 0700) >= 0);
        listen_path(&b);
        accept_port(&b);
        done(&b);
}

static void test_directory_vanishes(void) {
        Bench b;

        init(&b);
        RUN_UNTIL(&b, b.n_closed == 1);
        assert(rmdir(b.directory) >= 0);
        settle(&b);
        assert(mkdir(b.directory, 0700) >= 0);
        listen_path(&b);
        accept_port(&b);
        done(&b);
}

static void test_stale_socket(void) {
        Bench b;

        /* A socket that nobody listens on: refused, and told once however often it is tried. */
        init(&b);
        bind_path(&b);
        RUN_UNTIL(&b, b.n_closed == 1);
        assert(strstr(b.reason, strerror(ECONNREFUSED)));
        /* Nothing in the directory changes now. */
        assert(listen(b.listener, 4) >= 0);
        accept_port(&b);
        assert(b.n_closed == 1);
        done(&b);
}

static void test_comes_back(void) {
        PortStatistics s;
        Bench b;

        init_open(&b);
        tell(&b, sync_frame, 5); /* the beginning of a frame */
        close(TAKE_FD(b.connection));
        RUN_UNTIL(&b, b.n_closed == 1);
        assert(streq(b.reason, "the other end closed the connection"));
        assert(port_send(b.port, request, sizeof(request)) == -ENOTCONN);

        /* To the one that still listens; what was cut off is forgotten. */
        accept_port(&b);
        tell(&b, sync_frame, sizeof(sync_frame));
        RUN_UNTIL(&b, b.n_frames == 1);
        assert(memcmp(b.last, sync_frame, sizeof(sync_frame)) == 0);
        port_get_statistics(b.port, &s);
        assert(s.n_garbage == 0);

        /* And to another one, later. */
        close(TAKE_FD(b.connection));
        close(TAKE_FD(b.listener));
        assert(unlink(b.path) >= 0);
        RUN_UNTIL(&b, strstr(b.reason, strerror(ENOENT)));
        listen_path(&b);
        accept_port(&b);
        assert(b.n_opened == 3);
        done(&b);
}

static void test_broken_pipe(void) {
        Bench b;

        /* A write that fails is not told from within port_send(). */
        init_open(&b);
        close(TAKE_FD(b.connection));
        assert(port_send(b.port, request, sizeof(request)) == -ENOTCONN);
        assert(port_send(b.port, request, sizeof(request)) == -ENOTCONN);
        assert(b.n_closed == 0);
        RUN_UNTIL(&b, b.n_closed == 1);
        accept_port(&b);
        assert(port_send(b.port, request, sizeof(request)) == 0);
        done(&b);
}

/* A frame of n bytes whose last ones are its number. */
static void number_frame(uint8_t *frame, size_t n, unsigned number) {
        memset(frame, 0xA5, n);
        frame[0] = QMUX_MARKER;
        write_le16(frame + 1, (uint16_t) (n - 1));
        frame[3] = 0x80;
        frame[4] = 0x03;
        write_le16(frame + 11, (uint16_t) (n - 13)); /* TLVs: one */
        write_le16(frame + 14, (uint16_t) (n - 16));
        frame[6] = 0x04;
        write_le16(frame + n - 2, (uint16_t) number);
}

static void test_queue(void) {
        static uint8_t frame[59999], buffer[65536]; /* so large that the socket takes a part of one */
        unsigned n_sent = 0, n_received = 0;
        Framer framer = {};
        PortStatistics s;
        const uint8_t *f;
        size_t n_f;
        ssize_t n;
        Bench b;
        int r;

        init_open(&b);
        for (;;) {
                number_frame(frame, sizeof(frame), n_sent);
                r = port_send(b.port, frame, sizeof(frame));
                if (r < 0)
                        break;
                n_sent++;
        }
        assert(r == -ENOBUFS);
        assert(n_sent > PORT_QUEUE_MAX / sizeof(frame));
        assert(b.port->n_queued <= PORT_QUEUE_MAX && b.port->n_queued > PORT_QUEUE_MAX - sizeof(frame));

        /* All that was taken arrives, whole and in order, although it is written in pieces. */
        while (n_received < n_sent) {
                n = recv(b.connection, buffer, n_received % 2 == 0 ? 777 : sizeof(buffer), 0);
                if (n < 0) {
                        assert(errno == EAGAIN);
                        assert(sd_event_run(b.event, PATIENCE_USEC) > 0);
                        continue;
                }
                assert(framer_push(&framer, buffer, (size_t) n) >= 0);
                while (framer_next(&framer, &f, &n_f) > 0) {
                        assert(n_f == sizeof(frame) && read_le16(f + n_f - 2) == n_received);
                        n_received++;
                }
        }
        settle(&b);
        port_get_statistics(b.port, &s);
        assert(s.n_frames_sent == n_sent);
        assert(b.port->n_queued == 0 && framer.n_garbage == 0);
        assert(port_send(b.port, frame, sizeof(frame)) == 0);

        /* What is still queued when the other end goes, goes too. */
        while (port_send(b.port, frame, sizeof(frame)) == 0)
                ;
        close(TAKE_FD(b.connection));
        RUN_UNTIL(&b, b.n_closed == 1);
        assert(b.port->n_queued == 0);
        framer_done(&framer);
        done(&b);
}

static void test_many_frames(void) {
        static uint8_t burst[200 * sizeof(sync_frame)];
        unsigned n, n_turns = 0;
        Bench b;

        /* Others get their turn while one port has much to say. */
        for (size_t i = 0; i < 200; i++)
                memcpy(burst + i * sizeof(sync_frame), sync_frame, sizeof(sync_frame));
        init_open(&b);
        tell(&b, burst, sizeof(burst));
        while (b.n_frames < 200) {
                n = b.n_frames;
                assert(sd_event_run(b.event, PATIENCE_USEC) > 0);
                assert(b.n_frames - n <= PORT_FRAMES_PER_TURN);
                n_turns++;
        }
        assert(n_turns >= 200 / PORT_FRAMES_PER_TURN);
        settle(&b);
        assert(b.n_frames == 200);

        /* What came before the other end hung up is not lost. */
        tell(&b, burst, sizeof(burst));
        close(TAKE_FD(b.connection));
        RUN_UNTIL(&b, b.n_closed == 1);
        assert(b.n_frames == 400);
        done(&b);
}

static void test_large_frame(void) {
        static uint8_t frame[QMUX_MAX];
        size_t n = 0;
        ssize_t k;
        Bench b;

        init_open(&b);
        number_frame(frame, sizeof(frame), 7);
        while (n < sizeof(frame)) {
                k = send(b.connection, frame + n, sizeof(frame) - n, MSG_NOSIGNAL);
                assert(k > 0 || errno == EAGAIN);
                n += (size_t) MAX(k, 0);
                assert(sd_event_run(b.event, PATIENCE_USEC) > 0);
        }
        RUN_UNTIL(&b, b.n_frames == 1);
        assert(b.n_last == QMUX_MAX);
        tell(&b, sync_frame, sizeof(sync_frame));
        RUN_UNTIL(&b, b.n_frames == 2);
        done(&b);
}

static void test_free_in_callbacks(void) {
        Bench b;

        init(&b);
        b.free_on_state = true;
        RUN_UNTIL(&b, b.n_closed == 1);
        assert(!b.port);
        done(&b);

        init(&b);
        listen_path(&b);
        b.free_on_state = true;
        RUN_UNTIL(&b, b.n_opened == 1);
        assert(!b.port);
        settle(&b);
        done(&b);

        init_open(&b);
        b.free_on_state = true;
        close(TAKE_FD(b.connection));
        RUN_UNTIL(&b, b.n_closed == 1);
        assert(!b.port);
        settle(&b);
        done(&b);

        init_open(&b);
        b.free_on_frame = true;
        tell(&b, sync_frame, sizeof(sync_frame));
        tell(&b, sync_frame, sizeof(sync_frame));
        RUN_UNTIL(&b, b.n_frames == 1);
        assert(!b.port && memcmp(b.last, sync_frame, sizeof(sync_frame)) == 0);
        settle(&b);
        assert(b.n_frames == 1);
        done(&b);
}

static void test_stopped(void) {
        char other[80], path[64];
        uint8_t buffer[16];
        Bench b;
        int kept;

        /* Nothing is told; the other end sees the end, although somebody has a duplicate. */
        init_open(&b);
        kept = dup(port_get_fd(b.port));
        assert(kept >= 0);
        port_stop(b.port);
        assert(port_get_state(b.port) == PORT_CLOSED && port_get_fd(b.port) < 0);
        assert(port_send(b.port, request, sizeof(request)) == -ENOTCONN);
        assert(recv(b.connection, buffer, sizeof(buffer), 0) == 0);
        settle(&b);
        assert(b.n_closed == 0);
        close(kept);
        close(TAKE_FD(b.connection));

        assert(port_start(b.port) == 0);
        accept_port(&b);
        assert(b.n_opened == 2 && port_get_n_opened(b.port) == 2);
        port_stop(b.port);
        port_stop(b.port);

        /* At another address; what it was before is of no interest. */
        close(TAKE_FD(b.connection));
        close(TAKE_FD(b.listener));
        memcpy(path, b.path, sizeof(path));
        (void) snprintf(b.path, sizeof(b.path), "%s/other", b.directory);
        (void) snprintf(other, sizeof(other), "unix:%s", b.path);
        assert(port_move(b.port, "cdc-wdm:/dev/cdc-wdm0") == -EINVAL);
        assert(port_move(b.port, other) == 0);
        assert(streq(port_get_uri(b.port), other));
        listen_path(&b);
        assert(port_start(b.port) == 0);
        accept_port(&b);
        assert(b.n_closed == 0);
        (void) unlink(path);
        done(&b);
}

/* The port's second life, in which it has a duplicate of its descriptor of before. */
static int begin_anew(Bench *b, bool keep) {
        int fd = dup(port_get_fd(b->port)), r;

        assert(fd >= 0);
        if (keep)
                port_keep(b->port);
        b->port = port_free(b->port);
        b->n_opened = b->n_closed = 0;
        r = port_new_from_uri(&b->port, b->event, b->uri, &ops, b);
        assert(r >= 0);
        return fd;
}

static void test_adopted(void) {
        uint8_t buffer[64];
        Bench b;
        int fd;

        init_open(&b);
        fd = begin_anew(&b, true);
        assert(port_adopt(b.port, fd) == 0);
        assert(port_get_fd(b.port) == fd && port_get_state(b.port) == PORT_CLOSED);
        assert(port_start(b.port) == 0);
        assert(port_get_state(b.port) == PORT_OPEN);
        assert(port_send(b.port, request, sizeof(request)) == 0);
        assert(recv(b.connection, buffer, sizeof(buffer), 0) == sizeof(request));
        tell(&b, sync_frame, sizeof(sync_frame));
        RUN_UNTIL(&b, b.n_frames == 1);
        settle(&b);
        assert(b.n_opened == 0 && b.n_closed == 0 && port_get_n_opened(b.port) == 1);

        /* It is lost and found as ever. */
        close(TAKE_FD(b.connection));
        RUN_UNTIL(&b, b.n_closed == 1);
        accept_port(&b);
        assert(b.n_opened == 1);

        /* One that is adopted and never started. */
        fd = begin_anew(&b, true);
        assert(port_adopt(b.port, fd) == 0);
        done(&b);
}

static void test_not_adopted(void) {
        int pair[2], fd;
        Bench b;

        /* Its own end was shut down. */
        init_open(&b);
        fd = begin_anew(&b, false);
        assert(port_adopt(b.port, fd) == -ESTALE);
        close(fd);
        close(TAKE_FD(b.connection));
        assert(port_start(b.port) == 0);
        accept_port(&b);

        /* The other end is gone. */
        fd = begin_anew(&b, true);
        close(TAKE_FD(b.connection));
        assert(port_adopt(b.port, fd) == -ESTALE);
        close(fd);

        /* Something else. */
        assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) >= 0);
        assert(port_adopt(b.port, pair[0]) == -ESTALE);
        close(pair[0]);
        close(pair[1]);
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        assert(port_adopt(b.port, fd) == -ESTALE);
        close(fd);
        assert(port_get_fd(b.port) < 0);
        done(&b);

        /* A device node has to be there, and to be that of the descriptor. */
        init(&b);
        (void) port_free(b.port);
        assert(port_new_from_uri(&b.port, b.event, "cdc-wdm:/dev/null", &ops, &b) == 0);
        fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
        assert(port_adopt(b.port, fd) == -ESTALE);
        close(fd);
        (void) port_free(b.port);
        assert(port_new_from_uri(&b.port, b.event, "cdc-wdm:/dev/no-such-node", &ops, &b) == 0);
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        assert(port_adopt(b.port, fd) == -ESTALE);
        close(fd);
        done(&b);
}

/* Half a frame that was read, and half a frame that was written, are made whole in the next life. */
static void test_cut_in_half(void) {
        static uint8_t frame[59999], buffer[65536];
        _cleanup_packer_ Packer packer = PACKER_INIT;
        unsigned n_sent = 0, n_received = 0;
        Framer framer = {};
        const uint8_t *f;
        Unpacker u;
        size_t n_f;
        ssize_t n;
        Bench b;
        int fd;

        init_open(&b);
        tell(&b, sync_frame, 5);
        settle(&b);
        number_frame(frame, sizeof(frame), 0);
        for (; b.port->n_queued == 0; n_sent++)
                assert(port_send(b.port, frame, sizeof(frame)) == 0);
        assert(port_send(b.port, request, sizeof(request)) == 0); /* waits behind it, and is lost */
        port_save(b.port, &packer);
        fd = begin_anew(&b, true);

        assert(port_adopt(b.port, fd) == 0);
        for (size_t size = 0; size < packer.size; size++) {
                unpacker_init(&u, packer.data, size);
                assert(port_restore(b.port, &u) == -EBADMSG);
        }
        unpacker_init(&u, packer.data, packer.size);
        assert(port_restore(b.port, &u) == 0);
        assert(unpack_end(&u) == 0);
        assert(port_start(b.port) == 0);
        tell(&b, sync_frame + 5, sizeof(sync_frame) - 5);
        RUN_UNTIL(&b, b.n_frames == 1);
        assert(b.n_last == sizeof(sync_frame) && memcmp(b.last, sync_frame, sizeof(sync_frame)) == 0);
        while (n_received < n_sent) {
                n = recv(b.connection, buffer, sizeof(buffer), 0);
                if (n < 0) {
                        assert(errno == EAGAIN);
                        assert(sd_event_run(b.event, PATIENCE_USEC) > 0);
                        continue;
                }
                assert(framer_push(&framer, buffer, (size_t) n) >= 0);
                while (framer_next(&framer, &f, &n_f) > 0) {
                        assert(n_f == sizeof(frame));
                        n_received++;
                }
        }
        assert(framer.n_garbage == 0 && b.port->framer.n_garbage == 0);
        framer_done(&framer);

        /* Of a port that is opened anew they are no part. */
        fd = begin_anew(&b, false);
        close(fd);
        unpacker_init(&u, packer.data, packer.size);
        assert(port_restore(b.port, &u) == 0);
        assert(b.port->framer.n_buffer == 0 && b.port->n_queued == 0);
        done(&b);
}

int main(void) {
        test_addresses();
        test_both_ways();
        test_appears();
        test_appears_by_name();
        test_directory_appears();
        test_directory_vanishes();
        test_stale_socket();
        test_comes_back();
        test_broken_pipe();
        test_queue();
        test_many_frames();
        test_large_frame();
        test_free_in_callbacks();
        test_stopped();
        test_adopted();
        test_not_adopted();
        test_cut_in_half();
        return 0;
}
