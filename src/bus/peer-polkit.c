/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "access/class.h"
#include "bus/internal.h"
#include "util/log.h"

/* polkit is asked with what it is about, so that an administrator's rule can tell one message from another.
 */

#define POLKIT           "org.freedesktop.PolicyKit1"
#define POLKIT_PATH      "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

#define ALLOW_INTERACTION 1U /* of CheckAuthorization */

/* It may have to be started first; but nobody waits for one that does not answer. A person takes longer. */
#define ANSWER_USEC      (10 * USEC_PER_SEC)
#define INTERACTION_USEC (180 * USEC_PER_SEC)

/* So many questions about a user are asked at a time. dbus-daemon lets a connection wait for 128 answers in
 * all, and who has an agent that does not answer could use them up. */
#define ASKED_MAX 16U

struct PolkitQuestion {
        Bus *bus;
        User *user; /* NULL: not known yet */
        sd_bus_message *message;
        sd_bus_slot *slot; /* NULL: it waits its turn */
        uint64_t deadline_usec;
        uint64_t number;
        uint64_t generation; /* of polkit's opinions, when it was asked */
        bool interactive;
        PolkitHandler handler;
        void *userdata;
        TAILQ_ENTRY(PolkitQuestion) entry; /* of those that wait */
};

static void question_name(const PolkitQuestion *q, char name[static 32]) {
        snprintf(name, 32, "qmid-%" PRIu64, q->number);
}

/* What it says beside yes and no: whether a password was given for it before, whether a person refused. */
static int read_details(sd_bus_message *m, bool *ret_temporary, bool *ret_dismissed) {
        bool temporary = false, dismissed = false;
        const char *key, *value;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{ss}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "{ss}", &key, &value)) > 0) {
                temporary |= streq(key, "polkit.temporary_authorization_id");
                dismissed |= streq(key, "polkit.dismissed");
        }
        if (r < 0)
                return r;
        *ret_temporary = temporary;
        *ret_dismissed = dismissed;
        return sd_bus_message_exit_container(m);
}

static int read_answer(sd_bus_message *m, const PolkitQuestion *q, PolkitAnswer *ret, bool *ret_lasts) {
        int authorized, challenge, r;
        bool temporary, dismissed;

        r = sd_bus_message_enter_container(m, 'r', "bba{ss}");
        if (r >= 0)
                r = sd_bus_message_read(m, "bb", &authorized, &challenge);
        if (r >= 0)
                r = read_details(m, &temporary, &dismissed);
        if (r < 0)
                return r;
        *ret = authorized  ? POLKIT_YES
               : dismissed ? POLKIT_DISMISSED
               : challenge ? POLKIT_CHALLENGE
                           : POLKIT_NO;
        *ret_lasts =
                authorized && !temporary && !q->interactive && q->generation == q->bus->polkit_generation;
        return 0;
}

static PolkitAnswer read_error(const sd_bus_error *e) {
        static const char *const absent[] = {
                SD_BUS_ERROR_SERVICE_UNKNOWN,
                SD_BUS_ERROR_NAME_HAS_NO_OWNER,
        };
        static const char *const starters[] = {
                "org.freedesktop.DBus.Error.Spawn.",
                "org.freedesktop.systemd1.",
        };

        if (sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY) ||
            sd_bus_error_has_name(e, SD_BUS_ERROR_TIMEOUT) || sd_bus_error_get_errno(e) == ETIMEDOUT)
                return POLKIT_SILENT;
        for (size_t i = 0; i < ELEMENTSOF(absent); i++)
                if (sd_bus_error_has_name(e, absent[i]))
                        return POLKIT_ABSENT;
        /* It could not be started: "….Spawn.ChildExited", "….UnitMasked". */
        for (size_t i = 0; i < ELEMENTSOF(starters); i++)
                if (strncmp(e->name, starters[i], strlen(starters[i])) == 0)
                        return POLKIT_ABSENT;
        return POLKIT_BROKEN;
}

/* Nobody waits for the answer any more: a window that asks for a password goes away. */
static void call_off(const PolkitQuestion *q) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        char name[32];
        int r;

        question_name(q, name);
        r = sd_bus_message_new_method_call(q->bus->bus, &m, POLKIT, POLKIT_PATH, POLKIT_INTERFACE,
                                           "CancelCheckAuthorization");
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                r = sd_bus_message_set_expect_reply(m, false);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        if (r >= 0)
                r = sd_bus_send(q->bus->bus, m, NULL);
        if (r < 0)
                log_debug_errno(r, "Cannot call off a question to polkit");
}

static PolkitLane *lane_of(const PolkitQuestion *q) {
        return q->user ? &q->user->asked[q->interactive] : NULL;
}

static PolkitQuestion *question_free(PolkitQuestion *q) {
        if (!q)
                return NULL;
        sd_bus_slot_unref(q->slot);
        sd_bus_message_unref(q->message);
        user_unref(q->user);
        free(q);
        return NULL;
}
DEFINE_CLEANUP(PolkitQuestion *, question_free)

static uint64_t now_usec(const Bus *b) {
        uint64_t now = 0;

        (void) sd_event_now(sd_bus_get_event(b->bus), CLOCK_MONOTONIC, &now);
        return now;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error);

static int question_send(PolkitQuestion *q) {
        PolkitLane *lane = lane_of(q);
        uint64_t now = now_usec(q->bus);
        int r;

        /* It has waited for its turn already; 0 would be the library's own limit. */
        r = sd_bus_call_async(q->bus->bus, &q->slot, q->message, on_answer, q,
                              q->deadline_usec > now ? q->deadline_usec - now : 1);
        if (r < 0)
                return r;
        q->generation = q->bus->polkit_generation;
        if (lane)
                lane->n_asked++;
        return 0;
}

/* One less is being asked. */
static void lane_go_on(PolkitLane *lane) {
        PolkitQuestion *q;
        int r;

        lane->n_asked--;
        while (lane->n_asked < ASKED_MAX && (q = TAILQ_FIRST(&lane->waiting))) {
                r = question_send(q);
                if (r < 0) {
                        log_warning_errno(r, "Cannot ask polkit"); /* the next answer has it tried again */
                        return;
                }
                TAILQ_REMOVE(&lane->waiting, q, entry);
        }
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(user_unrefp) User *user = NULL;
        PolkitQuestion *q = userdata;
        PolkitHandler handler = q->handler;
        void *handler_userdata = q->userdata;
        PolkitLane *lane = lane_of(q);
        bool lasts = false;
        PolkitAnswer answer;

        if (sd_bus_message_is_method_error(m, NULL)) {
                const sd_bus_error *e = sd_bus_message_get_error(m);

                answer = read_error(e);
                log_debug("polkit: %s: %s", e->name, e->message ?: "");
                if (answer == POLKIT_SILENT)
                        call_off(q);
        } else if (read_answer(m, q, &answer, &lasts) < 0)
                answer = POLKIT_BROKEN;
        user = user_ref(q->user);
        question_free(q);
        handler(answer, lasts, handler_userdata);
        if (lane)
                lane_go_on(lane);
        return 0;
}

static int append_question(sd_bus_message *m, const PolkitQuestion *q, const char *subject,
                           const AccessTarget *target, AccessClass access) {
        char action[64], device[128], cancel[32];
        AccessNames names;
        int r;

        snprintf(action, sizeof(action), ACCESS_ACTION_PREFIX "%s", access_class_to_string(access));
        snprintf(device, sizeof(device), "%s", device_get_name(target->device->device));
        access_target_names(target, &names);
        question_name(q, cancel);
        r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s", subject, action);
        if (r < 0)
                return r;
        return sd_bus_message_append(m, "a{ss}us", 3, "device", device, "service", names.service, "message",
                                     names.message, q->interactive ? ALLOW_INTERACTION : 0U, cancel);
}

int peer_polkit_ask(Caller *caller, const AccessTarget *target, AccessClass access, bool interactive,
                    PolkitHandler handler, void *userdata, PolkitQuestion **ret) {
        _cleanup_(question_freep) PolkitQuestion *q = NULL;
        Bus *b = caller->bus;
        PolkitLane *lane;
        int r;

        q = malloc(sizeof(*q));
        if (!q)
                return -ENOMEM;
        *q = (PolkitQuestion){
                .bus = b,
                .user = user_ref(caller->user),
                .deadline_usec = now_usec(b) + (interactive ? INTERACTION_USEC : ANSWER_USEC),
                .number = ++b->n_questions,
                .interactive = interactive,
                .handler = handler,
                .userdata = userdata,
        };
        r = sd_bus_message_new_method_call(b->bus, &q->message, POLKIT, POLKIT_PATH, POLKIT_INTERFACE,
                                           "CheckAuthorization");
        if (r >= 0)
                r = append_question(q->message, q, caller->name, target, access);
        if (r < 0)
                return r;
        lane = lane_of(q);
        if (lane && lane->n_asked >= ASKED_MAX)
                TAILQ_INSERT_TAIL(&lane->waiting, q, entry);
        else {
                r = question_send(q);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(q);
        return 0;
}

PolkitQuestion *peer_polkit_cancel(PolkitQuestion *q) {
        _cleanup_(user_unrefp) User *user = NULL;
        PolkitLane *lane;

        if (!q)
                return NULL;
        lane = lane_of(q);
        if (!q->slot) {
                TAILQ_REMOVE(&lane->waiting, q, entry);
                return question_free(q);
        }
        if (!q->bus->detached)
                call_off(q);
        user = user_ref(q->user);
        question_free(q);
        if (lane)
                lane_go_on(lane);
        return NULL;
}

/* Rules, sessions, or polkit itself: what it has said does not count any more. */
static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bus *b = userdata;

        b->polkit_generation++;
        bus_forget_grants(b);
        return 0;
}

int peer_polkit_watch(Bus *b) {
        int r;

        r = sd_bus_match_signal(b->bus, NULL, POLKIT, POLKIT_PATH, POLKIT_INTERFACE, "Changed", on_changed,
                                b);
        if (r < 0)
                return r;
        return sd_bus_add_match(b->bus, NULL,
                                "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                                "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                                "arg0='" POLKIT "'",
                                on_changed, b);
}
