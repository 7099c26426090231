/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <search.h>
#include <stdio.h>

#include "bus/internal.h"
#include "bus/value.h"
#include "qmi/text.h"
#include "util/log.h"

#define WAITING_MAX (1024U * 1024) /* bytes of a sender's calls that wait for its credentials */
#define LARGE_MAX   4U             /* calls of more than that, each of a sender of its own */

/* A call that came before its sender's credentials. */
struct WaitingCall {
        sd_bus_message *message;
        sd_bus_message_handler_t handler;
        size_t n_bytes;
        STAILQ_ENTRY(WaitingCall) entry;
};

static int compare(const void *a, const void *b) {
        return strcmp(((const Caller *) a)->name, ((const Caller *) b)->name);
}

static Caller *caller_find(Bus *b, const char *name) {
        Caller **found = tfind(&(Caller){ .name = (char *) (uintptr_t) name }, &b->caller_tree, compare);

        return found ? *found : NULL;
}

static int caller_new(Bus *b, const char *name, Caller **ret) {
        Caller *c;

        c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->name = strdup(name);
        if (!c->name || !tsearch(c, &b->caller_tree, compare)) {
                free(c->name);
                free(c);
                return -ENOMEM;
        }
        c->owner.name = c->name;
        c->bus = b;
        STAILQ_INIT(&c->waiting);
        TAILQ_INIT(&c->calls);
        LIST_INIT(&c->clients);
        LIST_INIT(&c->sessions);
        TAILQ_INIT(&c->session_calls);
        LIST_INIT(&c->traces);
        LIST_INIT(&c->inhibitors);
        TAILQ_INIT(&c->checks);
        LIST_INSERT_HEAD(&b->callers, c, entries);
        *ret = c;
        return 0;
}

const char *caller_get_program(const Caller *c) {
        return c && c->program ? c->program : "";
}

/* ---- calls that wait ---- */

void caller_reply_failure(sd_bus_message *m, int r, const sd_bus_error *error) {
        r = sd_bus_error_is_set(error) ? sd_bus_reply_method_error(m, error)
                                       : sd_bus_reply_method_errno(m, r, NULL);
        if (r < 0)
                log_warning_errno(r, "Cannot reply to %s", sd_bus_message_get_sender(m));
}

/* The next one, which is the caller's of this function then; NULL: none. */
static WaitingCall *caller_take_waiting(Caller *c) {
        WaitingCall *w = STAILQ_FIRST(&c->waiting);

        if (w) {
                STAILQ_REMOVE_HEAD(&c->waiting, entry);
                c->n_waiting--;
                c->n_waiting_bytes -= w->n_bytes;
                c->bus->n_large_waiting -= w->n_bytes >= WAITING_MAX;
        }
        return w;
}

static void waiting_call_done(Bus *b, WaitingCall *w) {
        sd_bus_message_unref(w->message);
        free(w);
        bus_end_call(b);
}

/* Nobody has looked at it yet: it may be as large as the bus lets it. One that no request is as large as
 * waits if it is its sender's only one, and there are not many such. */
static int check_bytes(const Caller *c, size_t n, sd_bus_error *error) {
        if (n >= WAITING_MAX && c->n_waiting == 0 && c->bus->n_large_waiting < LARGE_MAX)
                return 0;
        if (n < WAITING_MAX && c->n_waiting_bytes <= WAITING_MAX - n)
                return 0;
        return sd_bus_error_setf(error, QMID_ERROR_LIMITS_EXCEEDED,
                                 "calls that came before it is known who sends them may have %u bytes",
                                 WAITING_MAX);
}

static int caller_wait(Caller *c, sd_bus_message *m, sd_bus_message_handler_t handler, sd_bus_error *error) {
        size_t n_bytes = bus_message_size(m, WAITING_MAX);
        WaitingCall *w;
        int r;

        r = share_check(SHARE_OF_CALLER, SHARE_CALLS, c->n_waiting, error);
        if (r >= 0)
                r = check_bytes(c, n_bytes, error);
        if (r < 0)
                return r;
        w = malloc(sizeof(*w));
        if (!w)
                return -ENOMEM;
        *w = (WaitingCall){ .message = sd_bus_message_ref(m), .handler = handler, .n_bytes = n_bytes };
        STAILQ_INSERT_TAIL(&c->waiting, w, entry);
        c->n_waiting++;
        c->n_waiting_bytes += n_bytes;
        c->bus->n_large_waiting += n_bytes >= WAITING_MAX;
        bus_begin_call(c->bus);
        return 0;
}

int caller_handle(Bus *b, sd_bus_message *m, sd_bus_message_handler_t handler, sd_bus_error *error) {
        const char *path = sd_bus_message_get_path(m);
        BusObject *o;
        void *userdata = b; /* of the manager's object */
        int r;

        if (!streq(path, QMID_ROOT_PATH)) {
                if (!bus_find_object(b, path, &o))
                        return sd_bus_error_setf(error, QMID_ERROR_NO_SUCH_DEVICE,
                                                 "%s: no such device, client or session", path);
                userdata = o;
        }
        r = sd_bus_message_rewind(m, true);
        return r < 0 ? r : handler(m, userdata, error);
}

static void caller_handle_waiting(Caller *c) {
        WaitingCall *w;

        while ((w = caller_take_waiting(c))) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                int r;

                r = caller_handle(c->bus, w->message, w->handler, &error);
                if (r < 0 || sd_bus_error_is_set(&error))
                        caller_reply_failure(w->message, r, &error);
                waiting_call_done(c->bus, w);
        }
}

void caller_fail_waiting(Caller *c, const sd_bus_error *error) {
        WaitingCall *w;

        while ((w = caller_take_waiting(c))) {
                caller_reply_failure(w->message, -EIO, error);
                bus_erase_body(w->message);
                waiting_call_done(c->bus, w);
        }
}

/* ---- credentials ---- */

/* A program calls itself what it likes, and the kernel cuts long names anywhere: what cannot be shown as it
 * is becomes '?'. */
static void make_printable(char *name) {
        bool is_text = utf8_is_valid(name, strlen(name));

        for (char *p = name; *p; p++)
                if ((uint8_t) *p < ' ' || *p == 0x7F || (!is_text && (uint8_t) *p > 0x7F))
                        *p = '?';
}

static void caller_read_program(Caller *c, uint32_t pid) {
        char path[64], comm[64];
        size_t n;
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%u/comm", pid);
        f = fopen(path, "re");
        if (!f)
                return;
        n = fread(comm, 1, sizeof(comm) - 1, f);
        if (n > 0) {
                comm[n - 1] = '\0'; /* a newline */
                make_printable(comm);
                free(c->program);
                c->program = strdup(comm);
        }
        fclose(f);
}

typedef struct Credentials {
        uint32_t uid, pid;
        bool trusted;
} Credentials;

/* Groups are in the answer where the bus knows them; it says the primary one, too. */
static int read_groups(sd_bus_message *m, const uint32_t **ret, size_t *ret_n) {
        const void *array;
        size_t size;
        int r;

        r = sd_bus_message_enter_container(m, 'v', "au");
        if (r >= 0)
                r = sd_bus_message_read_array(m, 'u', &array, &size);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        *ret = array;
        *ret_n = size / sizeof(uint32_t);
        return 0;
}

static int read_credentials(sd_bus_message *m, gid_t group, Credentials *ret) {
        uint32_t uid = SUBJECT_UID_UNKNOWN, pid = 0;
        const uint32_t *groups = NULL;
        size_t n_groups = 0;
        const char *key;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r < 0)
                        return r;
                if (streq(key, "UnixUserID"))
                        r = sd_bus_message_read(m, "v", "u", &uid);
                else if (streq(key, "ProcessID"))
                        r = sd_bus_message_read(m, "v", "u", &pid);
                else if (streq(key, "UnixGroupIDs"))
                        r = read_groups(m, &groups, &n_groups);
                else
                        r = sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret = (Credentials){
                .uid = uid,
                .pid = pid,
                .trusted = subject_is_trusted(uid, groups, n_groups, group),
        };
        return 0;
}

static int on_credentials(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        Credentials credentials;
        Caller *c = userdata;
        int r;

        c->credentials = sd_bus_slot_unref(c->credentials);
        /* It left before we could notice: while its call waited for us to be started, or while we were not
         * there. */
        if (sd_bus_message_is_method_error(m, SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
                log_debug("%s has left the bus already", c->name);
                caller_free(c);
                return 0;
        }
        if (sd_bus_message_is_method_error(m, NULL))
                r = sd_bus_error_copy(&e, sd_bus_message_get_error(m));
        else
                r = read_credentials(m, c->bus->group, &credentials);
        if (r >= 0)
                r = user_get(c->bus, credentials.uid, &c->user);
        if (r < 0) { /* its next call asks again */
                log_warning_errno(r, "Cannot ask the bus who %s is", c->name);
                sd_bus_error_set_errno(&e, r);
                caller_fail_waiting(c, &e);
                return 0;
        }
        c->trusted = credentials.trusted;
        caller_read_program(c, credentials.pid);
        bus_inhibitors_rename(c);
        caller_handle_waiting(c);
        return 0;
}

static int caller_ask(Caller *c) {
        if (c->user || c->credentials)
                return 0;
        return sd_bus_call_method_async(c->bus->bus, &c->credentials, "org.freedesktop.DBus",
                                        "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                        "GetConnectionCredentials", on_credentials, c, "s", c->name);
}

int caller_require(Bus *b, sd_bus_message *m, sd_bus_message_handler_t handler, Caller **ret,
                   sd_bus_error *error) {
        const char *name = sd_bus_message_get_sender(m);
        Caller *c;
        int r;

        c = caller_find(b, name);
        if (!c) {
                r = caller_new(b, name, &c);
                if (r < 0)
                        return r;
        }
        if (c->user) {
                *ret = c;
                return 1;
        }
        r = caller_ask(c);
        return r < 0 ? r : caller_wait(c, m, handler, error);
}

int caller_restore(Bus *b, const char *name, Caller **ret) {
        Caller *c;
        int r;

        c = caller_find(b, name);
        if (!c) {
                r = caller_new(b, name, &c);
                if (r < 0)
                        return r;
                r = caller_ask(c);
                if (r < 0) {
                        caller_free(c);
                        return r;
                }
        }
        *ret = c;
        return 0;
}

/* ---- the end ---- */

static int on_left(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name;
        Caller *c;

        if (sd_bus_message_read(m, "s", &name) < 0)
                return 0;
        turns_drop(((Bus *) userdata)->turns, name);
        c = caller_find(userdata, name);
        if (c) {
                log_debug("%s has left the bus", name);
                caller_free(c);
        }
        return 0;
}

/* One rule for all: dbus-daemon gives a connection 512 rules, and the bus library ends the connection when
 * one is refused. arg2 is the new owner: none. */
int caller_watch(Bus *b) {
        return sd_bus_add_match(b->bus, NULL,
                                "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                                "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''",
                                on_left, b);
}

static int on_checked(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Caller *c = userdata;
        int is_there;

        c->check = sd_bus_slot_unref(c->check);
        if (!sd_bus_message_is_method_error(m, NULL) && sd_bus_message_read(m, "b", &is_there) >= 0 &&
            !is_there) {
                log_debug("%s has left the bus unnoticed", c->name);
                caller_free(c);
        }
        return 0;
}

void callers_check(Bus *b) {
        Caller *c;
        int r;

        LIST_FOREACH(c, &b->callers, entries) {
                if (c->check || c->credentials)
                        continue;
                r = sd_bus_call_method_async(b->bus, &c->check, "org.freedesktop.DBus",
                                             "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
                                             on_checked, c, "s", c->name);
                if (r < 0)
                        log_warning_errno(r, "Cannot ask the bus whether %s is still there", c->name);
        }
}

Caller *caller_free(Caller *c) {
        BusClient *client, *next;
        WaitingCall *w;

        if (!c)
                return NULL;
        while ((w = caller_take_waiting(c))) {
                bus_erase_body(w->message); /* it may be one with secrets */
                waiting_call_done(c->bus, w);
        }
        bus_checks_drop(c);
        bus_calls_drop(c);
        session_calls_drop(c);
        bus_sessions_disown(c);
        while (!LIST_EMPTY(&c->traces))
                bus_trace_close(LIST_FIRST(&c->traces));
        while (!LIST_EMPTY(&c->inhibitors))
                bus_inhibitor_close(LIST_FIRST(&c->inhibitors));
        for (client = LIST_FIRST(&c->clients); client; client = next) {
                next = LIST_NEXT(client, of_caller);
                if (client->persist && !client->open)
                        bus_client_disown(client);
                else
                        bus_client_remove(client, NULL, NULL);
        }
        grants_forget(&c->grants);
        sd_bus_slot_unref(c->credentials);
        sd_bus_slot_unref(c->check);
        tdelete(c, &c->bus->caller_tree, compare);
        LIST_REMOVE(c, entries);
        user_unref(c->user);
        free(c->program);
        free(c->name);
        free(c);
        return NULL;
}
