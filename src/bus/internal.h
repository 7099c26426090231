/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/queue.h>

#include "access/grants.h"
#include "access/subject.h"
#include "bus/bus.h"
#include "bus/error.h"
#include "bus/peer-resolved.h"
#include "bus/share.h"
#include "modem/session.h"
#include "qmi/codec.h"

/* What the files of src/bus/ share. */

typedef struct User User;
typedef struct Caller Caller;
typedef struct BusDevice BusDevice;
typedef struct BusClient BusClient;
typedef struct BusSession BusSession;
typedef struct BusCall BusCall;
typedef struct SessionCall SessionCall;
typedef struct BusSocket BusSocket;
typedef struct BusTrace BusTrace;
typedef struct BusInhibitor BusInhibitor;
typedef struct BusLinkCall BusLinkCall;
typedef struct ServiceFace ServiceFace;
typedef struct AccessCheck AccessCheck;
typedef struct Inquiry Inquiry;
typedef struct PolkitQuestion PolkitQuestion;
typedef struct HeldIndication HeldIndication;
typedef struct Turns Turns;
typedef TAILQ_HEAD(BusCallQueue, BusCall) BusCallQueue;
typedef TAILQ_HEAD(AccessCheckQueue, AccessCheck) AccessCheckQueue;

/* What stands behind a path below /org/qmid1/device: a device, or a client or a session of it. */
typedef struct BusObject {
        BusDevice *device;
        BusClient *client; /* both NULL: the device itself */
        BusSession *session;
} BusObject;

struct Bus {
        sd_bus *bus;
        const BusOps *ops;
        void *userdata;
        bool modem_manager_runs;
        Resolved *resolved; /* NULL: there are no network interfaces */
        sd_bus_slot *sleep_call;
        int sleep_delay; /* logind's descriptor; -1 */
        uint64_t last_call_usec;
        bool leaving;                 /* the name was given back, not lost */
        bool detached;                /* what is held is the next daemon's */
        char id[SD_ID128_STRING_MAX]; /* of the message bus */
        Turns *turns;
        sd_event_source *room; /* on while indications wait until the bus takes them */
        TAILQ_HEAD(, BusClient) waiting_for_room;
        size_t n_held_bytes;   /* of indications that wait, for whatever */
        ServiceFace *faces;    /* one for each row of schema_services[] */
        uint64_t n_clients;    /* names of client objects: counts up, never used twice */
        uint64_t n_sessions;   /* the same of sessions */
        uint64_t n_inhibitors; /* names of their descriptors */
        Share share;
        unsigned n_calls;         /* that wait for an answer, whatever for */
        unsigned n_large_waiting; /* of those that wait for credentials */
        unsigned n_held;          /* clients, sessions, traces, inhibitors */
        Owner nobody;             /* of persistent clients without an owner */
        gid_t group;              /* whose members pass every class; SUBJECT_NO_GROUP */
        uint64_t n_questions, polkit_generation;
        LIST_HEAD(, BusDevice) devices;
        LIST_HEAD(, Caller) callers;
        /* Of tsearch(3). */
        void *device_tree, *client_tree, *caller_tree, *user_tree;
};

struct BusDevice {
        BusObject object;
        Bus *bus;
        Device *device;
        char *path;
        size_t n_path;
        bool *published; /* for each row of schema_services[]: its interface is told to be there */
        bool data_published;
        uint32_t max_sessions; /* as told */
        Share share;
        LIST_HEAD(, BusClient) clients;   /* the newest first */
        LIST_HEAD(, BusSession) sessions; /* the same */
        BusCallQueue calls;               /* in the order in which they came */
        TAILQ_HEAD(, SessionCall) session_calls;
        LIST_HEAD(, BusTrace) traces;
        LIST_HEAD(, BusInhibitor) inhibitors;
        BusLinkCall *link_call; /* the SetLinkLayer that is under way; NULL: none is */
        LIST_ENTRY(BusDevice) entries;
};

/* ---- bus.c: when the bus takes what is sent */

/* A source that is dispatched then, while it is on. */
int bus_add_room_source(sd_bus *bus, sd_event_source **ret, sd_event_io_handler_t handler, void *userdata);

/* ---- user.c: a uid with its share */

/* What polkit is asked about a user: some, and the others wait their turn. */
typedef struct PolkitLane {
        unsigned n_asked;
        TAILQ_HEAD(, PolkitQuestion) waiting;
} PolkitLane;

struct User {
        uid_t uid;
        Bus *bus;
        unsigned n_refs;
        Share share;
        PolkitLane asked[2]; /* without a person, and with one, who takes his time */
};

int user_get(Bus *b, uid_t uid, User **ret);
User *user_ref(User *u);
User *user_unref(User *u);
DEFINE_CLEANUP(User *, user_unref)
/* Whether one with that uid may do what is `of`'s to do: it is the same, or root. */
bool user_is_allowed(const User *u, const User *of);

/* ---- turns.c: in which order calls are handled ---- */

int turns_new(Bus *b, Turns **ret);
/* What is taken in now is handled now, and what comes later in the order in which it comes. */
void turns_finish(Turns *t);
/* Forgets the calls of one who has left. */
void turns_drop(Turns *t, const char *name);
Turns *turns_free(Turns *t);
DEFINE_CLEANUP(Turns *, turns_free)

/* ---- caller.c: a bus connection that has called, until it leaves the bus */

typedef struct WaitingCall WaitingCall;

struct Caller {
        Owner owner; /* its name is `name` */
        Bus *bus;
        char *name;
        char *program; /* of its process; NULL until known */
        User *user;    /* NULL until known */
        bool trusted;  /* passes every class */
        Grants grants; /* what polkit said of it */
        sd_bus_slot *credentials;
        sd_bus_slot *check; /* the question whether it is still there */
        unsigned n_waiting;
        size_t n_waiting_bytes;
        STAILQ_HEAD(, WaitingCall) waiting;
        Share share;
        BusCallQueue calls; /* in the order in which they came */
        AccessCheckQueue checks;
        LIST_HEAD(, BusClient) clients;
        LIST_HEAD(, BusSession) sessions;
        TAILQ_HEAD(, SessionCall) session_calls;
        LIST_HEAD(, BusTrace) traces;
        LIST_HEAD(, BusInhibitor) inhibitors;
        LIST_ENTRY(Caller) entries;
};

/* Who sent a call, with its credentials. 1; 0: they are being asked for, and `handler` is called with the
 * message then, as if it had just come, with a BusObject; below 0: `error` is set or the value is. */
int caller_require(Bus *b, sd_bus_message *m, sd_bus_message_handler_t handler, Caller **ret,
                   sd_bus_error *error);
/* For what was saved: the one of that name, of whom the bus is asked whether it is there. */
int caller_restore(Bus *b, const char *name, Caller **ret);
int caller_watch(Bus *b);
/* Asks the bus of each whether it is still there. */
void callers_check(Bus *b);
const char *caller_get_program(const Caller *c); /* "" if not known */
/* It has left the bus: what it holds goes, but for persistent clients and sessions. */
Caller *caller_free(Caller *c);
/* Answers what waits for credentials. */
void caller_fail_waiting(Caller *c, const sd_bus_error *error);
/* Handles a message that has waited, as if it had just come: its object is looked for anew. */
int caller_handle(Bus *b, sd_bus_message *m, sd_bus_message_handler_t handler, sd_bus_error *error);
/* The reply of a handler that is not called by sd-bus. */
void caller_reply_failure(sd_bus_message *m, int r, const sd_bus_error *error);

/* ---- authorize.c: whether a caller may */

/* Methods that are no QMI messages. */
typedef enum AccessDoor {
        DOOR_FIND_DEVICE,
        DOOR_OPEN_TRACE,
        DOOR_INHIBIT,
        DOOR_CLAIM,
        DOOR_RELEASE,
        DOOR_OPEN_SOCKET,
        DOOR_LIST_CLIENTS,
        DOOR_SET_LINK_LAYER,
        DOOR_CONNECT,
        DOOR_DISCONNECT,
        DOOR_DISCONNECT_ALL,
        _DOOR_MAX,
} AccessDoor;

/* What is asked for, beside the class. */
typedef struct AccessTarget {
        BusDevice *device;
        AccessType type;
        uint16_t service;            /* QMI_SERVICE_CTL: none */
        uint16_t message;            /* or an AccessDoor */
        const SchemaMessage *schema; /* NULL: one that has only a number */
} AccessTarget;

/* As polkit's rules see it: "nas", "get-signal-info"; "", "OpenTrace". */
typedef struct AccessNames {
        char service[32];
        char message[96];
} AccessNames;

void access_target_names(const AccessTarget *t, AccessNames *ret);

/* Whether a caller may. 1; 0: polkit is being asked, and `handler` is called with the message then, as
 * caller_require() does; it must come to the same question again; below 0: `error` says which class is
 * missing and why. Nothing may have been done for the call before. */
int bus_require_access(sd_bus_message *m, sd_bus_message_handler_t handler, Caller *caller,
                       const AccessTarget *target, AccessClass access, sd_bus_error *error);
/* The same where a no is no error: -EACCES. Nobody is asked for a password. */
int bus_ask_access(sd_bus_message *m, sd_bus_message_handler_t handler, Caller *caller,
                   const AccessTarget *target, AccessClass access, sd_bus_error *error);
/* bus_erase_body(), unless it waits and is to be handled anew. */
void bus_erase_handled(Caller *caller, sd_bus_message *m);
/* The caller has gone. */
void bus_checks_drop(Caller *caller);
/* Answers those that wait for polkit; `d` NULL: of all devices. */
void bus_checks_fail(Caller *caller, const BusDevice *d, const sd_bus_error *error);
/* Answers the oldest call of that message that waits for polkit: whether there was one. */
bool bus_checks_cancel(const BusDevice *d, Caller *caller, const SchemaMessage *schema,
                       const sd_bus_error *error);
void bus_forget_grants(Bus *b);

typedef void (*InquiryDone)(AccessSet granted, void *userdata);
/* Which of these classes a caller has, without asking a person. 1 and the answer; 0: `done` gets it later,
 * and `ret` is gone then. The caller must outlive it. */
int bus_inquire(Caller *caller, const AccessTarget *target, AccessSet classes, InquiryDone done,
                void *userdata, AccessSet *ret_granted, Inquiry **ret);
/* Takes NULL. */
Inquiry *bus_inquiry_cancel(Inquiry *i);

/* ---- client.c: a client id that a caller holds */

struct BusClient {
        BusObject object;
        BusDevice *device;
        uint64_t number; /* in the path */
        char *path;
        BusSession *session; /* that it is part of, whose owner is its own; NULL: none */
        Caller *caller;      /* its owner; NULL: nobody, it persists, or has a session */
        User *user;          /* who made it */
        Client *client;
        const SchemaService *service; /* NULL: the schema does not know it */
        bool implicit;                /* allocated at a request; its signals come from the device's path */
        bool persist;                 /* outlives its owner */
        bool published;               /* the object has been announced */
        sd_bus_message *open;         /* the OpenClient that waits for it */
        Caller *holder;               /* of nobody's: who has calls under way on it, */
        unsigned n_held;              /* and how many */
        unsigned n_calls;             /* under way */
        BusSocket *socket;            /* where indications go, if there is one */
        uint64_t n_lost;              /* indications that nobody was there for, or too slow */
        bool losing;                  /* since the last one that was passed on */
        STAILQ_HEAD(, HeldIndication) held; /* until its owner may see it, and the bus takes it */
        unsigned n_held_indications;
        Inquiry *inquiry; /* about the first of them */
        bool waits_for_room;
        LIST_ENTRY(BusClient) of_device, of_caller;
        TAILQ_ENTRY(BusClient) of_room;
};

/* Creation, and what the mux calls back, is common to new and to restored ones. */
extern const ClientOps bus_client_ops;
int bus_client_new(BusDevice *d, Caller *caller, User *user, uint64_t number, BusClient **ret);
void bus_client_free(BusClient *c);
/* Its id is known: the service with it. */
void bus_client_set(BusClient *c, Client *client);
/* Whose it is for the mux. */
const Owner *bus_client_get_owner(const BusClient *c);
/* The one with that number: NULL. */
BusClient *bus_client_find(Bus *b, uint64_t number);

/* The caller's own client of a service on a device, made at first use. */
int bus_client_get_implicit(BusDevice *d, Caller *caller, uint16_t service, const char *what,
                            BusClient **ret, sd_bus_error *error);
/* A further one, for OpenClient: replies to `open` when the id is there. */
int bus_client_open(BusDevice *d, Caller *caller, sd_bus_message *open, uint16_t service, const char *what,
                    bool persist, sd_bus_error *error);
/* 0; 1: for those who pass class `clients`; or NotOwner. */
int bus_client_check(BusClient *c, Caller *caller, sd_bus_error *error);
/* A call of somebody who may use one that is nobody's makes it his while it is under way. */
int bus_client_hold(BusClient *c, Caller *caller);
void bus_client_unhold(BusClient *c, Caller *caller);
/* It is his from now on, and what the one before him had of it is not any more. */
int bus_client_claim(BusClient *c, Caller *caller, sd_bus_error *error);
/* Gives the id back, unless it is a session's. Calls that are under way on it are answered with `error`
 * (NULL: they are called off, nobody waits for them). `reason`, if not NULL, is told to the owner as Ended.
 */
void bus_client_remove(BusClient *c, const sd_bus_error *error, const char *reason);
/* Its owner has gone, and its calls with it. */
void bus_client_disown(BusClient *c);
/* Its owner, or that of its session; NULL: nobody. */
Caller *bus_client_get_caller(const BusClient *c);
/* Who is told of it: its owner, or who holds it; NULL: nobody. */
Caller *bus_client_get_listener(const BusClient *c);
void bus_client_emit_changed(BusClient *c, const char *property);
/* An indication, for whoever is to hear of it. */
void bus_client_hear(BusClient *c, const QmiMessage *m);
/* The path that the client's signals come from. */
const char *bus_client_signal_path(BusClient *c);
/* An indication that reached nobody, and one that did. */
void bus_client_count_lost(BusClient *c);
void bus_client_count_passed(BusClient *c);

/* ---- client-list.c: who holds what */

/* `all`: without it what belongs to other users is withheld. */
int bus_append_clients(BusDevice *d, sd_bus_message *reply, const User *user, bool all);
/* The modem has no ids of the service left: who holds how many, behind the text. Those of other users have
 * no name, unless `caller` is trusted. */
void bus_error_append_holders(sd_bus_error *error, BusDevice *d, uint16_t service, const Caller *caller);

/* ---- session.c: a data session that a caller has */

struct BusSession {
        BusObject object;
        BusDevice *device;
        uint64_t number; /* in the path */
        char *path;
        Caller *caller; /* its owner; NULL: nobody, it persists */
        User *user;     /* who made it */
        Session *session;
        bool persist;                            /* outlives its owner */
        const SessionEnd *end;                   /* that was put to it, in place of its own; NULL: none */
        BusClient *clients[_SESSION_FAMILY_MAX]; /* the objects of its clients; NULL: none */
        LIST_ENTRY(BusSession) of_device, of_caller;
};

/* Begins to connect; the reply to `connect` comes when that is done. */
int bus_session_connect(BusDevice *d, Caller *caller, sd_bus_message *connect, const SessionOptions *options,
                        bool persist, sd_bus_error *error);
/* Of one that was saved: `clients` are the numbers of the objects of its clients; 0: none. */
typedef struct SavedSession {
        uint64_t number;
        bool persist;
        uint64_t clients[_SESSION_FAMILY_MAX];
} SavedSession;
/* 0, or what session_restore() says; -EBADMSG. */
int bus_session_restore(BusDevice *d, Caller *caller, User *user, const SavedSession *saved, bool crashed,
                        Unpacker *u);
/* It goes, with its object. `end`: why; NULL: the session says. */
void bus_session_end(BusSession *s, const SessionEnd *end);
/* The same as its device goes. */
void bus_session_lose_device(BusSession *s);
/* What becomes of one whose owner has left the bus, unless it persists. */
extern const SessionEnd bus_session_abandoned;
/* Those of a caller that has left the bus. */
void bus_sessions_disown(Caller *caller);
/* The session of a device with that number: NULL. */
BusSession *bus_session_find(const BusDevice *d, uint64_t number);
/* Whether one may use it as its owner does: 0; 1: for those who pass class `clients`; or NotOwner. */
int bus_session_check(const BusSession *s, const Caller *caller, sd_bus_error *error);
/* It is his from now on. */
int bus_session_claim(BusSession *s, Caller *caller, sd_bus_error *error);
SessionState bus_session_get_state(const BusSession *s);
const SessionEnd *bus_session_get_end(const BusSession *s);

/* ---- session-call.c: a call that waits for sessions */

typedef enum SessionCallKind {
        SESSION_CALL_CONNECT,        /* until it is connected, */
        SESSION_CALL_DISCONNECT,     /* or has ended; */
        SESSION_CALL_DISCONNECT_ALL, /* until those of the caller have, but for later ones */
        _SESSION_CALL_KIND_MAX,
} SessionCallKind;

/* `number`: of the session, or of the last one. */
int session_call_new(SessionCallKind kind, sd_bus_message *m, Caller *caller, BusDevice *d, uint64_t number,
                     sd_bus_error *error);
/* The session is connected; or it is in no list any more. */
void session_calls_on_connected(const BusSession *s);
void session_calls_on_ended(const BusSession *s);
/* Answers all of a device; NULL: nobody waits for it. */
void session_calls_fail(BusDevice *d, const sd_bus_error *error);
/* The caller has gone. */
void session_calls_drop(Caller *caller);

/* ---- data.c, session-object.c */

extern const sd_bus_vtable data_vtable[];
extern const sd_bus_vtable session_vtable[];
#define DATA_INTERFACE    QMID_BUS_NAME ".Data"
#define SESSION_INTERFACE QMID_BUS_NAME ".Session"
/* Whether the device has that interface. */
bool data_is_served(const BusDevice *d);
/* Says NotReady or NoSuchService for a device that has not. */
int data_refuse(const BusDevice *d, sd_bus_error *error);
uint32_t data_get_max_sessions(const BusDevice *d);

/* ---- socket.c: a descriptor that carries the messages of a client */

/* `ret_fd` is the other end; its owner is the caller of this function. */
int bus_socket_open(BusClient *c, Caller *caller, int *ret_fd, sd_bus_error *error);
/* One that was kept. */
int bus_socket_adopt(BusClient *c, int fd);
/* Takes NULL. */
void bus_socket_close(BusSocket *s);
/* The caller that is charged for it has gone; it stays. */
void bus_socket_disown(BusSocket *s, Caller *caller);
/* Nothing more is read from it while the bus is being left. `answer`: what is under way is answered with an
 * error. */
void bus_socket_rest(BusSocket *s, bool answer);
void bus_socket_emit_indication(BusSocket *s, const QmiMessage *m);
#define SOCKET_NAME_MAX 40U
const char *bus_socket_name(const BusClient *c, char buffer[static SOCKET_NAME_MAX]);

/* ---- inhibit.c: a descriptor that keeps qmid from a port while it is open */

struct BusInhibitor {
        BusDevice *device;
        Caller *caller;
        User *user;
        uint64_t number;
        char *reason;
        int fd;
        sd_event_source *hang_up;
        LIST_ENTRY(BusInhibitor) of_device, of_caller;
};

#define INHIBIT_REASON_MAX 256U

int bus_inhibitor_open(BusDevice *d, Caller *caller, const char *reason, int *ret_fd, sd_bus_error *error);
/* One that was kept. */
int bus_inhibitor_adopt(BusDevice *d, Caller *caller, User *user, uint64_t number, const char *reason,
                        int fd);
int bus_inhibitor_take_kept(Bus *b, uint64_t number);
void bus_inhibitor_close(BusInhibitor *i);
/* The program of a restored caller is known: it is shown. */
void bus_inhibitors_rename(const Caller *c);

/* ---- link.c: the link layer of a device */

int bus_get_link_layer(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error);
int bus_method_set_link_layer(sd_bus_message *m, void *userdata, sd_bus_error *error);
/* Answers the SetLinkLayer that is under way. `error` NULL: nobody waits for it. */
void bus_link_fail(BusDevice *d, const sd_bus_error *error);

/* ---- trace.c: a descriptor that carries the frames of a device */

struct BusTrace {
        BusDevice *device;
        Caller *caller;
        int fd;
        bool unmasked;
        uint32_t n_lost; /* since the last packet that went out */
        sd_event_source *hang_up;
        LIST_ENTRY(BusTrace) of_device, of_caller;
};

/* `ret_fd` is the reader's end; its owner is the caller of this function. */
int bus_trace_open(BusDevice *d, Caller *caller, bool unmasked, int *ret_fd, sd_bus_error *error);
void bus_trace_close(BusTrace *t);

/* ---- call.c: a method call that waits for the modem */

typedef enum CallStyle {
        CALL_METHOD,  /* a{sv}; a failure is a D-Bus error */
        CALL_REQUEST, /* s, a{sv}: a failure is data */
        CALL_RAW,     /* a(yay); a failure is a D-Bus error */
} CallStyle;

typedef struct CallSpec {
        CallStyle style;
        Caller *caller;
        BusDevice *device;
        BusClient *client; /* that the object is; NULL: the device, the kind of the message decides */
        uint16_t service;
        uint16_t message;
        const SchemaMessage *schema; /* NULL for raw */
        uint64_t timeout_usec;
        bool force; /* as RequestSpec */
        const TlvWriter *tlvs;
} CallSpec;

/* Whether its caller may: as bus_require_access(). */
int bus_call_authorize(sd_bus_message *m, sd_bus_message_handler_t handler, const CallSpec *spec,
                       sd_bus_error *error);
/* Sends the request; the reply to `m` comes later. An error is set where it cannot be sent. After
 * bus_call_authorize(). */
int bus_call_start(sd_bus_message *m, const CallSpec *spec, sd_bus_error *error);
/* Calls every call of a device off that matches: those on `client` (NULL: all). `error` is what they are
 * answered with; NULL: nobody waits for it. */
void bus_calls_fail(BusDevice *d, BusClient *client, const sd_bus_error *error);
/* The same for those of a caller that has gone. */
void bus_calls_drop(Caller *c);
/* Aborts the oldest call of a caller, which is the one that the modem works on: whether there was one. */
bool bus_calls_cancel(BusDevice *d, Caller *caller, const SchemaMessage *schema);

/* Names that a caller gave and that are longer are not shown in errors. */
#define NAME_SHOWN_MAX 256U

/* ---- service.c: every QMI message as a method, every indication as a signal */

struct ServiceFace {
        Bus *bus;
        const SchemaService *service;
        sd_bus_vtable *vtable;
};

int service_faces_add(Bus *b);
ServiceFace *service_faces_free(ServiceFace *faces);
/* "nas get-signal-info" into a buffer, for errors. */
const char *service_message_title(const SchemaMessage *schema, uint16_t service, uint16_t message,
                                  char *buffer, size_t size);
#define MESSAGE_TITLE_MAX 96U
/* Makes TLVs of a dictionary; errors name the field. */
int service_encode(const SchemaMessage *schema, BusDevice *d, const Value *dict, TlvWriter *w,
                   sd_bus_error *error);
/* 0; InvalidArgument: `what` of the schema is for modems of another vendor. */
int service_check_vendor(const BusDevice *d, uint16_t vendor, const char *what, sd_bus_error *error);
/* Whether the device has the interface of that service. */
bool service_is_served(const BusDevice *d, const SchemaService *s);
/* Says InvalidArgument, NotReady or NoSuchService for an interface that the device does not have. */
int service_refuse(BusDevice *d, const SchemaService *s, sd_bus_error *error);

/* ---- indication.c: an indication as a signal */

/* Sends it to the client's owner, without what he may not see, if he may see any of it. */
void bus_indication_emit(BusClient *c, const QmiMessage *m);
/* Those that wait: the client is somebody else's. */
void bus_indications_drop(BusClient *c);
/* Sends those that wait for the bus now, before something else that is for the one of that name; NULL: for
 * everybody. */
void bus_indications_flush(Bus *b, const char *listener);
int bus_indications_start(Bus *b);

/* ---- client-object.c, device.c, manager.c, log-control.c */

extern const sd_bus_vtable client_vtable[];
extern const sd_bus_vtable device_vtable[];
extern const sd_bus_vtable manager_vtable[];
int log_control_add(sd_bus *bus);

/* ---- peer-*.c: what other services of the bus are asked */

typedef enum PolkitAnswer {
        POLKIT_YES,
        POLKIT_NO,
        POLKIT_CHALLENGE, /* not without a password */
        POLKIT_DISMISSED, /* a person was asked for one, and gave none */
        POLKIT_ABSENT,
        POLKIT_SILENT,
        POLKIT_BROKEN,
        _POLKIT_ANSWER_MAX,
} PolkitAnswer;

/* `lasts`: it holds until bus_forget_grants(). The question is gone when it is called, and never is it
 * called by peer_polkit_ask(). */
typedef void (*PolkitHandler)(PolkitAnswer answer, bool lasts, void *userdata);

/* `interactive`: a person may be asked for a password. */
int peer_polkit_ask(Caller *caller, const AccessTarget *target, AccessClass access, bool interactive,
                    PolkitHandler handler, void *userdata, PolkitQuestion **ret);
/* Takes NULL. */
PolkitQuestion *peer_polkit_cancel(PolkitQuestion *q);
int peer_polkit_watch(Bus *b);

int peer_modem_manager_watch(Bus *b);
int peer_logind_watch(Bus *b);
void peer_logind_done(Bus *b);

/* ---- objects.c */

/* The object behind a path below /org/qmid1/device: 1, or 0. */
int bus_find_object(Bus *b, const char *path, BusObject **ret);
/* All that there will ever be below it, but for the services' interfaces. */
int objects_declare(Bus *b);
/* Its path leads to it from here on, until it does not. 0, -ENOMEM. */
int objects_link_device(BusDevice *d);
void objects_unlink_device(BusDevice *d);

/* ---- bus-device.c */

BusDevice *bus_find_device(Bus *b, Device *d);

/* ---- bus.c */

/* A call has come that waits for its answer, or has got it. */
void bus_begin_call(Bus *b);
void bus_end_call(Bus *b);
/* What bus_save() writes has changed. `now`: before somebody is told of it. */
void bus_changed(Bus *b, bool now);
/* A descriptor is to outlive the daemon; -1: no more. */
void bus_keep(Bus *b, const char *name, int fd);
/* The one that was: -ENOENT. */
int bus_take_kept(Bus *b, const char *name);
/* Who is charged for what a caller takes on a device; each may be NULL. */
Charge bus_charge(Bus *b, Caller *caller, User *user, BusDevice *d);

/* ---- options.c: the a{sv} that a method ends with */

/* Reads options (a{sv}). `keys`: those that are known, NULL-terminated; others are refused by name. */
int bus_read_options(sd_bus_message *m, const char *const *keys, Arena *a, Value *ret, sd_bus_error *error);
/* The same where no option is known yet. */
int bus_read_no_options(sd_bus_message *m, sd_bus_error *error);
/* One of those that were read; InvalidArgument where it is none of what it must be. A boolean: false if it
 * is not given. */
int bus_option_flag(const Value *options, const char *key, bool *ret, sd_bus_error *error);
/* Option "timeout", in seconds; 0 if it is not given. */
int bus_option_timeout(const Value *options, uint64_t *ret, sd_bus_error *error);
/* 0 if it is not given. */
int bus_option_number(const Value *options, const char *key, uint32_t min, uint32_t max, uint32_t *ret,
                      sd_bus_error *error);
/* NULL if it is not given. It points into the message. */
int bus_option_text(const Value *options, const char *key, const char **ret, sd_bus_error *error);
