/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem-side.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit.h"

static int on_connection(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        ModemSide *s = userdata;
        uint8_t buffer[4096];
        const uint8_t *frame;
        size_t n_frame;
        QmiMessage m;
        ssize_t n;

        n = recv(fd, buffer, sizeof(buffer), 0);
        if (n <= 0) {
                modem_side_hang_up(s);
                return 0;
        }
        check(framer_push(&s->framer, buffer, (size_t) n) >= 0);
        while (s->connection >= 0 && framer_next(&s->framer, &frame, &n_frame) > 0) {
                check_int(frame_parse(frame, n_frame, &m), 0);
                check_int(m.type, QMI_REQUEST);
                s->on_frame(frame, n_frame, &m, s->userdata);
        }
        check_int(s->framer.n_garbage, 0);
        return 0;
}

static int on_listener(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        ModemSide *s = userdata;

        check(s->connection < 0);
        s->connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        check(s->connection >= 0);
        framer_reset(&s->framer);
        check(sd_event_add_io(s->event, &s->connection_io, s->connection, EPOLLIN, on_connection, s) >= 0);
        return 0;
}

void modem_side_init(ModemSide *s, sd_event *event,
                     void (*on_frame)(const uint8_t *frame, size_t n_frame, const QmiMessage *m,
                                      void *userdata),
                     void *userdata) {
        *s = (ModemSide){ .directory = "/tmp/test-XXXXXX",
                          .event = event,
                          .listener = -1,
                          .connection = -1,
                          .on_frame = on_frame,
                          .userdata = userdata };
        check(mkdtemp(s->directory));
        (void) snprintf(s->path, sizeof(s->path), "%s/modem", s->directory);
        (void) snprintf(s->uri, sizeof(s->uri), "unix:%s", s->path);
}

void modem_side_done(ModemSide *s) {
        modem_side_hang_up(s);
        modem_side_close(s);
        framer_done(&s->framer);
        (void) unlink(s->path);
        (void) rmdir(s->directory);
}

void modem_side_listen(ModemSide *s) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        check(s->listener >= 0);
        memcpy(address.sun_path, s->path, strlen(s->path) + 1);
        check(bind(s->listener, (struct sockaddr *) &address, sizeof(address)) >= 0);
        check(listen(s->listener, 8) >= 0);
        check(sd_event_add_io(s->event, &s->listener_io, s->listener, EPOLLIN, on_listener, s) >= 0);
}

void modem_side_hang_up(ModemSide *s) {
        s->connection_io = sd_event_source_disable_unref(s->connection_io);
        if (s->connection >= 0)
                close(TAKE_FD(s->connection));
}

void modem_side_close(ModemSide *s) {
        s->listener_io = sd_event_source_disable_unref(s->listener_io);
        if (s->listener >= 0)
                close(TAKE_FD(s->listener));
}

void modem_side_send(ModemSide *s, const uint8_t *bytes, size_t n_bytes) {
        check_int(send(s->connection, bytes, n_bytes, MSG_NOSIGNAL), n_bytes);
}

void modem_side_tell(ModemSide *s, const QmiMessage *m) {
        uint8_t buffer[2048];
        ssize_t n;

        n = frame_build(m, 0x80, buffer, sizeof(buffer));
        check(n > 0);
        modem_side_send(s, buffer, (size_t) n);
}
