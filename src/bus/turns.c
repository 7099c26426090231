/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <search.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "bus/internal.h"
#include "bus/value.h"
#include "util/log.h"

/* A bus hands calls on in the order in which they came, whoever they are from: behind somebody who calls
 * without end, everybody else would wait for all that he has sent. So as soon as one waits behind another,
 * calls are taken off the bus faster than they are handled, each sender's into a line of his own, and the
 * lines are handled in turn. A line is bounded; what is too much for it is refused, which costs us less than
 * it costs the bus to bring it. */

#define INTAKE_MAX 64U /* messages that are taken off the bus between two calls */

/* Answers in the socket are behind each other, too, and the bus reads no more of ours at a time than of
 * anybody's. The bus library would have megabytes there. */
#define SEND_BUFFER (16 * 1024)

/* All lines share these, and each gets as much as the others; but no less than one call. */
#define CALLS_MAX 16384U
#define BYTES_MAX (32U * 1024 * 1024)
/* Of one line, however few there are. */
#define LINE_CALLS_MAX 1024U
#define LINE_BYTES_MAX (1024U * 1024)
/* No request has more. One that does never waits: it is handled at once, as it will be refused, or, behind
 * others of its sender, refused here. */
#define CALL_BYTES_MAX (256U * 1024)

/* When so much comes that something is refused, the bus may have lost what it had to say itself, because no
 * more fit into what it keeps for us: who has left, above all. So long after that it is asked. */
#define CHECK_USEC USEC_PER_SEC

typedef struct QueuedCall {
        sd_bus_message *message;
        size_t n_bytes;
        STAILQ_ENTRY(QueuedCall) entry;
} QueuedCall;

/* The calls of one sender; there is one only as long as there are any. */
typedef struct Line {
        char *name;
        unsigned n_calls;
        size_t n_bytes;
        STAILQ_HEAD(, QueuedCall) calls;
        TAILQ_ENTRY(Line) entry;
} Line;

struct Turns {
        Bus *owner;
        sd_bus *bus;
        sd_event_source *source; /* on while there are lines; it waits until the bus takes our answers */
        sd_event_source *check;  /* on when callers_check() is due */
        sd_bus_message *turn;    /* that is being given to the bus library for the second time */
        bool finished;           /* no calls wait any more */
        unsigned n_lines;
        TAILQ_HEAD(, Line) lines; /* the next one first */
        void *tree;
};

static int compare(const void *a, const void *b) {
        return strcmp(((const Line *) a)->name, ((const Line *) b)->name);
}

static Line *line_find(const Turns *t, const char *name) {
        Line **found = tfind(&(Line){ .name = (char *) (uintptr_t) name }, &t->tree, compare);

        return found ? *found : NULL;
}

static int line_new(Turns *t, const char *name, Line **ret) {
        Line *l;

        l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        l->name = strdup(name);
        if (!l->name || !tsearch(l, &t->tree, compare)) {
                free(l->name);
                free(l);
                return -ENOMEM;
        }
        STAILQ_INIT(&l->calls);
        TAILQ_INSERT_TAIL(&t->lines, l, entry);
        t->n_lines++;
        *ret = l;
        return 0;
}

static void line_free(Turns *t, Line *l) {
        QueuedCall *c;

        while ((c = STAILQ_FIRST(&l->calls))) {
                STAILQ_REMOVE_HEAD(&l->calls, entry);
                bus_erase_body(c->message); /* it may be one with secrets */
                sd_bus_message_unref(c->message);
                free(c);
        }
        TAILQ_REMOVE(&t->lines, l, entry);
        tdelete(l, &t->tree, compare);
        t->n_lines--;
        free(l->name);
        free(l);
}

/* The next call of a line, which is the caller's of this function; the line goes with its last one. */
static sd_bus_message *line_take(Turns *t, Line *l) {
        QueuedCall *c = STAILQ_FIRST(&l->calls);
        sd_bus_message *m = c->message;

        STAILQ_REMOVE_HEAD(&l->calls, entry);
        l->n_calls--;
        l->n_bytes -= c->n_bytes;
        free(c);
        if (l->n_calls == 0) {
                line_free(t, l);
                return m;
        }
        TAILQ_REMOVE(&t->lines, l, entry);
        TAILQ_INSERT_TAIL(&t->lines, l, entry);
        return m;
}

static int line_add(Turns *t, Line *l, sd_bus_message *m, size_t n_bytes) {
        QueuedCall *c;

        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (QueuedCall){ .message = sd_bus_message_ref(m), .n_bytes = n_bytes };
        STAILQ_INSERT_TAIL(&l->calls, c, entry);
        l->n_calls++;
        l->n_bytes += n_bytes;
        return 0;
}

static int line_check(const Turns *t, const Line *l, size_t n_bytes, sd_bus_error *error) {
        unsigned calls = MIN(LINE_CALLS_MAX, CALLS_MAX / t->n_lines);
        size_t bytes = MIN(LINE_BYTES_MAX, BYTES_MAX / t->n_lines);

        if (n_bytes < CALL_BYTES_MAX &&
            (l->n_calls == 0 || (l->n_calls < calls && l->n_bytes + n_bytes <= bytes)))
                return 0;
        return sd_bus_error_setf(error, QMID_ERROR_LIMITS_EXCEEDED,
                                 "%u calls of this connection wait to be looked at; it may have %u, and %zu "
                                 "bytes of them",
                                 l->n_calls, calls, bytes);
}

static bool has_input(const Turns *t) {
        int n;

        return ioctl(sd_bus_get_fd(t->bus), FIONREAD, &n) >= 0 && n > 0;
}

static int on_check(sd_event_source *source, uint64_t usec, void *userdata) {
        callers_check(((Turns *) userdata)->owner);
        return 0;
}

static void turns_check_later(Turns *t) {
        int r, on;

        r = sd_event_source_get_enabled(t->check, &on);
        if (r < 0 || on != SD_EVENT_OFF)
                return;
        r = sd_event_source_set_time_relative(t->check, CHECK_USEC);
        if (r >= 0)
                r = sd_event_source_set_enabled(t->check, SD_EVENT_ONESHOT);
        if (r < 0)
                log_warning_errno(r, "Cannot find out later who has left");
}

/* 1: it is in its line; 0: it is handled at once; or it is refused. */
static int turns_queue(Turns *t, sd_bus_message *m, sd_bus_error *error) {
        size_t n_bytes = bus_message_size(m, CALL_BYTES_MAX);
        const char *name = sd_bus_message_get_sender(m);
        Line *l = line_find(t, name);
        int r;

        if (n_bytes >= CALL_BYTES_MAX)
                turns_check_later(t);
        if (!l && n_bytes >= CALL_BYTES_MAX)
                return 0;
        if (!l) {
                r = line_new(t, name, &l);
                if (r < 0)
                        return r;
        }
        r = line_check(t, l, n_bytes, error);
        if (r >= 0)
                r = line_add(t, l, m, n_bytes);
        if (r < 0) {
                turns_check_later(t);
                bus_erase_body(m);
                if (l->n_calls == 0)
                        line_free(t, l);
                return r;
        }
        r = sd_event_source_set_enabled(t->source, SD_EVENT_ON);
        return r < 0 ? r : 1;
}

/* Sees every message before anything else does. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Turns *t = userdata;

        if (m == t->turn) {
                t->turn = sd_bus_message_unref(t->turn);
                return 0;
        }
        if (sd_bus_message_is_method_call(m, NULL, NULL) <= 0)
                return 0;
        /* One that nobody waits behind, as most do. */
        if (t->finished || (t->n_lines == 0 && !has_input(t)))
                return 0;
        return turns_queue(t, m, error);
}

/* Handles the first call of the first line. */
static int turns_next(Turns *t) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        if (!t->turn) {
                m = line_take(t, TAILQ_FIRST(&t->lines));
                r = sd_bus_enqueue_for_read(t->bus, m);
                if (r < 0)
                        return r;
                t->turn = sd_bus_message_ref(m);
        }
        do
                r = sd_bus_process(t->bus, NULL);
        while (r > 0 && t->turn);
        return r;
}

static int on_turn(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Turns *t = userdata;
        int r = 1;

        for (unsigned i = 0; i < INTAKE_MAX && r > 0 && has_input(t); i++)
                r = sd_bus_process(t->bus, NULL);
        if (r >= 0 && t->n_lines > 0)
                r = turns_next(t);
        if (r < 0) /* if it is for ever, the bus library tells us itself */
                log_debug_errno(r, "Cannot read from the bus");
        if (t->n_lines == 0)
                r = sd_event_source_set_enabled(t->source, SD_EVENT_OFF);
        return r;
}

void turns_finish(Turns *t) {
        t->finished = true;
        while (t->n_lines > 0 && turns_next(t) >= 0)
                ;
}

void turns_drop(Turns *t, const char *name) {
        Line *l = line_find(t, name);

        if (l)
                line_free(t, l);
}

int turns_new(Bus *b, Turns **ret) {
        _cleanup_(turns_freep) Turns *t = NULL;
        sd_event *event = sd_bus_get_event(b->bus);
        int r;

        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        t->owner = b;
        t->bus = b->bus;
        TAILQ_INIT(&t->lines);
        (void) setsockopt(sd_bus_get_fd(t->bus), SOL_SOCKET, SO_SNDBUF, &(int){ SEND_BUFFER }, sizeof(int));
        r = bus_add_room_source(t->bus, &t->source, on_turn, t);
        if (r >= 0)
                r = sd_event_add_time(event, &t->check, CLOCK_MONOTONIC, 0, 0, on_check, t);
        if (r >= 0)
                r = sd_event_source_set_enabled(t->check, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_bus_add_filter(t->bus, NULL, on_message, t);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

Turns *turns_free(Turns *t) {
        if (!t)
                return NULL;
        while (!TAILQ_EMPTY(&t->lines))
                line_free(t, TAILQ_FIRST(&t->lines));
        sd_bus_message_unref(t->turn);
        sd_event_source_disable_unref(t->source);
        sd_event_source_disable_unref(t->check);
        free(t);
        return NULL;
}
