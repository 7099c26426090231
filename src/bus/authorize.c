/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "access/class.h"
#include "bus/internal.h"
#include "bus/value.h"
#include "util/log.h"

/* How long a no about a field or an indication is believed: a rule may look at a clock, and polkit does not
 * tell of that. Who calls anew is asked about anew. */
#define REFUSAL_USEC (10 * USEC_PER_SEC)

void access_target_names(const AccessTarget *t, AccessNames *ret) {
        static const char *const doors[_DOOR_MAX] = {
                [DOOR_FIND_DEVICE] = "FindDevice",
                [DOOR_OPEN_TRACE] = "OpenTrace",
                [DOOR_INHIBIT] = "Inhibit",
                [DOOR_CLAIM] = "Claim",
                [DOOR_RELEASE] = "Release",
                [DOOR_OPEN_SOCKET] = "OpenSocket",
                [DOOR_LIST_CLIENTS] = "ListClients",
                [DOOR_SET_LINK_LAYER] = "SetLinkLayer",
                [DOOR_CONNECT] = "Connect",
                [DOOR_DISCONNECT] = "Disconnect",
                [DOOR_DISCONNECT_ALL] = "DisconnectAll",
        };
        uint16_t vendor = mux_get_vendor(device_get_mux(t->device->device));
        const SchemaService *s =
                t->schema ? &schema_services[t->schema->service] : schema_service_by_id(t->service, vendor);

        if (t->service == QMI_SERVICE_CTL) /* nobody's: the door is one of the device */
                snprintf(ret->service, sizeof(ret->service), "%s", "");
        else if (s)
                snprintf(ret->service, sizeof(ret->service), "%s", schema_string(s->name));
        else
                snprintf(ret->service, sizeof(ret->service), "0x%02x", t->service);
        if (t->type == ACCESS_TO_DOOR)
                snprintf(ret->message, sizeof(ret->message), "%s", doors[t->message]);
        else if (t->schema)
                snprintf(ret->message, sizeof(ret->message), "%s", schema_string(t->schema->name));
        else
                snprintf(ret->message, sizeof(ret->message), "0x%04x", t->message);
}

static AccessKey make_key(const AccessTarget *t, AccessClass access) {
        return (AccessKey){ .device = t->device,
                            .service = t->service,
                            .message = t->message,
                            .type = t->type,
                            .access = (uint8_t) access };
}

static uint64_t now_usec(const Bus *b) {
        uint64_t now = 0;

        (void) sd_event_now(sd_bus_get_event(b->bus), CLOCK_MONOTONIC, &now);
        return now;
}

/* What needs no question; UNKNOWN: one must be asked. */
static Grant known(const Caller *c, const AccessTarget *t, AccessClass access) {
        AccessKey key = make_key(t, access);

        if (access <= ACCESS_NONE || access >= _ACCESS_CLASS_MAX)
                return GRANT_NO;
        if (access == ACCESS_STATUS || c->trusted)
                return GRANT_YES;
        return grants_get(&c->grants, &key, now_usec(c->bus));
}

static void keep(Caller *c, const AccessTarget *t, AccessClass access, bool granted, uint64_t until_usec) {
        AccessKey key = make_key(t, access);

        if (grants_keep(&c->grants, &key, granted, until_usec) < 0)
                log_oom();
}

void bus_forget_grants(Bus *b) {
        Caller *c;

        LIST_FOREACH(c, &b->callers, entries)
                grants_forget(&c->grants);
}

/* ---- a call that waits for polkit ---- */

/* It waits for one class after the other; each answer has the message handled anew, as if it had just come.
 */
struct AccessCheck {
        Caller *caller;
        sd_bus_message *message;
        sd_bus_message_handler_t handler;
        AccessTarget target;
        AccessClass access; /* that polkit is asked for */
        AccessSet granted;  /* those that it was asked for, */
        AccessSet refused;  /* and those that it goes on without */
        bool soft;          /* a no is no error, and nobody is asked for a password */
        bool interactive;
        PolkitQuestion *question; /* NULL: the message is being handled */
        TAILQ_ENTRY(AccessCheck) entry;
};

static AccessCheck *check_free(AccessCheck *c) {
        Charge charge;
        Bus *b;

        if (!c)
                return NULL;
        b = c->caller->bus;
        charge = bus_charge(b, c->caller, c->caller->user, c->target.device);
        peer_polkit_cancel(c->question);
        bus_erase_body(c->message); /* it may be one with secrets */
        TAILQ_REMOVE(&c->caller->checks, c, entry);
        share_give(&charge, SHARE_CALLS, 1);
        sd_bus_message_unref(c->message);
        free(c);
        bus_end_call(b);
        return NULL;
}

static int check_new(Caller *caller, sd_bus_message *m, sd_bus_message_handler_t handler,
                     const AccessTarget *target, AccessCheck **ret, sd_bus_error *error) {
        Charge charge = bus_charge(caller->bus, caller, caller->user, target->device);
        AccessCheck *c;
        int r;

        r = share_take(&charge, SHARE_CALLS, 1, error);
        if (r < 0)
                return r;
        c = malloc(sizeof(*c));
        if (!c) {
                share_give(&charge, SHARE_CALLS, 1);
                return -ENOMEM;
        }
        *c = (AccessCheck){
                .caller = caller, .message = sd_bus_message_ref(m), .handler = handler, .target = *target
        };
        TAILQ_INSERT_TAIL(&caller->checks, c, entry);
        bus_begin_call(caller->bus);
        *ret = c;
        return 0;
}

static AccessCheck *check_find(Caller *caller, sd_bus_message *m) {
        AccessCheck *c;

        TAILQ_FOREACH(c, &caller->checks, entry)
                if (c->message == m)
                        return c;
        return NULL;
}

void bus_erase_handled(Caller *caller, sd_bus_message *m) {
        const AccessCheck *c = check_find(caller, m);

        if (!c || !c->question)
                bus_erase_body(m);
}

static int set_denied(sd_bus_error *error, const AccessTarget *t, AccessClass access, PolkitAnswer answer,
                      bool interactive) {
        static const char *const reasons[_POLKIT_ANSWER_MAX] = {
                [POLKIT_NO] = "polkit denies it to you",
                [POLKIT_CHALLENGE] = "polkit wants a password for it",
                [POLKIT_DISMISSED] = "polkit wants a password for it, and nobody gave one",
                [POLKIT_ABSENT] = "polkit, which would decide, does not run",
                [POLKIT_SILENT] = "polkit, which would decide, does not answer",
                [POLKIT_BROKEN] = "polkit, which would decide, does not make sense",
        };
        const char *name = answer == POLKIT_CHALLENGE ? SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED
                                                      : SD_BUS_ERROR_ACCESS_DENIED,
                   *more = answer != POLKIT_CHALLENGE ? ""
                           : interactive              ? ", and there is no agent to ask for one"
                                                      : ", and the call does not allow asking for one";
        AccessNames names;

        access_target_names(t, &names);
        return sd_bus_error_setf(error, name, "%s%s%s: needs access class %s (%s); %s%s", names.service,
                                 *names.service ? " " : "", names.message, access_class_to_string(access),
                                 access_class_purpose(access), reasons[answer], more);
}

static void check_on_answer(PolkitAnswer answer, bool lasts, void *userdata);

static int check_ask(AccessCheck *c) {
        return peer_polkit_ask(c->caller, &c->target, c->access, c->interactive, check_on_answer, c,
                               &c->question);
}

/* The message gets its error, and the check is gone. */
static void check_fail(AccessCheck *c, int r, const sd_bus_error *error) {
        caller_reply_failure(c->message, r, error);
        check_free(c);
}

static void check_go_on(AccessCheck *c) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = caller_handle(c->caller->bus, c->message, c->handler, &error);
        if (r < 0 || sd_bus_error_is_set(&error))
                check_fail(c, r, &error);
        else if (!c->question) /* it does not ask for more */
                check_free(c);
}

static void check_on_answer(PolkitAnswer answer, bool lasts, void *userdata) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        AccessCheck *c = userdata;
        int r = 0;

        c->question = NULL;
        if (answer == POLKIT_YES) {
                c->granted |= ACCESS_SET(c->access);
                if (lasts)
                        keep(c->caller, &c->target, c->access, true, UINT64_MAX);
                check_go_on(c);
                return;
        }
        if (c->soft) {
                c->refused |= ACCESS_SET(c->access);
                keep(c->caller, &c->target, c->access, false, now_usec(c->caller->bus) + REFUSAL_USEC);
                check_go_on(c);
                return;
        }
        /* First without a person, so that an answer that needed none is known as such. */
        if (answer == POLKIT_CHALLENGE && !c->interactive &&
            sd_bus_message_get_allow_interactive_authorization(c->message) > 0) {
                c->interactive = true;
                r = check_ask(c);
                if (r >= 0)
                        return;
        }
        if (r >= 0)
                r = set_denied(&error, &c->target, c->access, answer, c->interactive);
        check_fail(c, r, &error);
}

static int require(sd_bus_message *m, sd_bus_message_handler_t handler, Caller *caller,
                   const AccessTarget *target, AccessClass access, bool soft, sd_bus_error *error) {
        AccessCheck *c, *made = NULL;
        int r;

        c = check_find(caller, m);
        if (c && c->granted & ACCESS_SET(access))
                return 1;
        if (c && c->refused & ACCESS_SET(access))
                return -EACCES;
        if (!c) {
                r = check_new(caller, m, handler, target, &made, error);
                if (r < 0)
                        return r;
                c = made;
        }
        c->access = access;
        c->soft = soft;
        c->interactive = false;
        r = check_ask(c);
        if (r < 0)
                check_free(made); /* an older one is whoever handles the message's */
        return MIN(r, 0);
}

int bus_require_access(sd_bus_message *m, sd_bus_message_handler_t handler, Caller *caller,
                       const AccessTarget *target, AccessClass access, sd_bus_error *error) {
        if (access <= ACCESS_NONE || access >= _ACCESS_CLASS_MAX)
                return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED,
                                        "the schema says nothing of who may do this");
        if (known(caller, target, access) == GRANT_YES)
                return 1;
        return require(m, handler, caller, target, access, false, error);
}

int bus_ask_access(sd_bus_message *m, sd_bus_message_handler_t handler, Caller *caller,
                   const AccessTarget *target, AccessClass access, sd_bus_error *error) {
        switch (known(caller, target, access)) {
        case GRANT_YES:
                return 1;
        case GRANT_NO:
                return -EACCES;
        case GRANT_UNKNOWN:
                break;
        }
        return require(m, handler, caller, target, access, true, error);
}

void bus_checks_drop(Caller *caller) {
        AccessCheck *c;

        while ((c = TAILQ_LAST(&caller->checks, AccessCheckQueue)))
                check_free(c);
}

void bus_checks_fail(Caller *caller, const BusDevice *d, const sd_bus_error *error) {
        AccessCheck *c, *before;

        for (c = TAILQ_LAST(&caller->checks, AccessCheckQueue); c; c = before) { /* so that none moves up */
                before = TAILQ_PREV(c, AccessCheckQueue, entry);
                if (!d || c->target.device == d)
                        check_fail(c, -EIO, error);
        }
}

bool bus_checks_cancel(const BusDevice *d, Caller *caller, const SchemaMessage *schema,
                       const sd_bus_error *error) {
        AccessCheck *c;

        TAILQ_FOREACH(c, &caller->checks, entry)
                if (c->target.device == d && c->target.type == ACCESS_TO_REQUEST &&
                    c->target.schema == schema) {
                        check_fail(c, -EIO, error);
                        return true;
                }
        return false;
}

/* ---- what goes on without, if it must ---- */

struct Inquiry {
        Caller *caller;
        AccessTarget target;
        AccessSet classes; /* that are left to be found out */
        AccessSet granted;
        AccessClass access; /* that polkit is asked for */
        PolkitQuestion *question;
        InquiryDone done;
        void *userdata;
};

Inquiry *bus_inquiry_cancel(Inquiry *i) {
        if (!i)
                return NULL;
        peer_polkit_cancel(i->question);
        free(i);
        return NULL;
}

static void inquiry_on_answer(PolkitAnswer answer, bool lasts, void *userdata);

/* Whether all is known. */
static bool inquiry_go_on(Inquiry *i) {
        while (i->classes) {
                i->access = (AccessClass) __builtin_ctz(i->classes);
                i->classes &= ~ACCESS_SET(i->access);
                switch (known(i->caller, &i->target, i->access)) {
                case GRANT_YES:
                        i->granted |= ACCESS_SET(i->access);
                        break;
                case GRANT_NO:
                        break;
                case GRANT_UNKNOWN:
                        if (peer_polkit_ask(i->caller, &i->target, i->access, false, inquiry_on_answer, i,
                                            &i->question) >= 0)
                                return false;
                        log_oom();
                        break;
                }
        }
        return true;
}

static void inquiry_on_answer(PolkitAnswer answer, bool lasts, void *userdata) {
        Inquiry *i = userdata;

        i->question = NULL;
        if (answer == POLKIT_YES)
                i->granted |= ACCESS_SET(i->access);
        if (answer != POLKIT_YES || lasts)
                keep(i->caller, &i->target, i->access, answer == POLKIT_YES,
                     answer == POLKIT_YES ? UINT64_MAX : now_usec(i->caller->bus) + REFUSAL_USEC);
        if (inquiry_go_on(i)) {
                InquiryDone done = i->done;
                AccessSet granted = i->granted;
                void *done_userdata = i->userdata;

                free(i);
                done(granted, done_userdata);
        }
}

int bus_inquire(Caller *caller, const AccessTarget *target, AccessSet classes, InquiryDone done,
                void *userdata, AccessSet *ret_granted, Inquiry **ret) {
        Inquiry *i;

        i = malloc(sizeof(*i));
        if (!i)
                return -ENOMEM;
        *i = (Inquiry){
                .caller = caller, .target = *target, .classes = classes, .done = done, .userdata = userdata
        };
        if (inquiry_go_on(i)) {
                *ret_granted = i->granted;
                free(i);
                return 1;
        }
        *ret = i;
        return 0;
}
