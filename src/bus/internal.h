/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/queue.h>

#include "bus/bus.h"
#include "bus/error.h"
#include "qmi/codec.h"

/* What the files of src/bus/ share. */

typedef struct Caller Caller;
typedef struct BusDevice BusDevice;
typedef struct BusClient BusClient;
typedef struct BusCall BusCall;
typedef struct BusTrace BusTrace;
typedef struct ServiceFace ServiceFace;

/* What stands behind a path below /org/qmid1/device: a device, or a client of it. */
typedef struct BusObject {
        BusDevice *device;
        BusClient *client; /* NULL: the device itself */
} BusObject;

/* One caller's share; more is an error to it and nobody else notices. */
#define CALLER_CALLS_MAX   256U /* calls under way on one device */
#define CALLER_CLIENTS_MAX 64U  /* client ids, of all devices */
#define CALLER_TRACES_MAX  4U   /* of all devices */
#define DEVICE_TRACES_MAX  8U   /* of all callers */

struct Bus {
        sd_bus *bus;
        const BusOps *ops;
        void *userdata;
        bool modem_manager_runs;
        uint64_t last_call_usec;
        bool leaving;       /* the name was given back, not lost */
        ServiceFace *faces; /* one for each row of schema_services[] */
        uint64_t n_clients; /* names of client objects: counts up, never used twice */
        LIST_HEAD(, BusDevice) devices;
        LIST_HEAD(, Caller) callers;
};

struct BusDevice {
        BusObject object;
        Bus *bus;
        Device *device;
        char *path;
        bool *published; /* for each row of schema_services[]: its interface is told to be there */
        LIST_HEAD(, BusClient) clients;
        TAILQ_HEAD(, BusCall) calls; /* in the order in which they came */
        LIST_HEAD(, BusTrace) traces;
        LIST_ENTRY(BusDevice) entries;
};

/* ---- caller.c: a bus connection that holds clients or traces; it goes with the last of them, or when it
 * leaves the bus */

struct Caller {
        Owner owner; /* its name is `name` */
        Bus *bus;
        char *name;
        char *program; /* of its process; NULL until known */
        sd_bus_slot *left, *credentials;
        LIST_HEAD(, BusClient) clients;
        LIST_HEAD(, BusTrace) traces;
        LIST_ENTRY(Caller) entries;
};

int caller_get(Bus *b, const char *name, Caller **ret);
/* Frees the caller when it holds nothing. */
void caller_drop_if_unused(Caller *c);
Caller *caller_free(Caller *c);

/* ---- client.c: a client id that a caller holds */

struct BusClient {
        BusObject object;
        BusDevice *device;
        Caller *caller;
        Client *client;
        const SchemaService *service; /* NULL: the schema does not know it */
        char *path;
        bool implicit;        /* allocated at a request; its signals come from the device's path */
        bool published;       /* the object has been announced */
        sd_bus_message *open; /* the OpenClient that waits for it */
        LIST_ENTRY(BusClient) of_device, of_caller;
};

extern const sd_bus_vtable client_vtable[];

/* The caller's own client of a service on a device, made at first use. */
int bus_client_get_implicit(BusDevice *d, const char *sender, uint16_t service, BusClient **ret);
/* A further one, for OpenClient: replies to `open` when the id is there. */
int bus_client_open(BusDevice *d, sd_bus_message *open, uint16_t service);
/* Gives the id back. Calls that are under way on it are answered with `error`. `reason`, if not NULL, is
 * told to the owner as Ended. */
void bus_client_remove(BusClient *c, const sd_bus_error *error, const char *reason);
/* The path that the client's signals come from. */
const char *bus_client_signal_path(BusClient *c);
/* The program name of an owner of a client, "" if not known. */
int bus_append_clients(BusDevice *d, sd_bus_message *reply);

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

/* `ret_fd` is the reader's end; its owner is the caller of this function. 0, -EDQUOT (the caller holds as
 * many as it may), -EUSERS (the device has as many as it may), other errnos. */
int bus_trace_open(BusDevice *d, const char *sender, bool unmasked, int *ret_fd);
void bus_trace_close(BusTrace *t);

/* ---- call.c: a method call that waits for the modem */

typedef enum CallStyle {
        CALL_METHOD,  /* a{sv}; a failure is a D-Bus error */
        CALL_REQUEST, /* s, a{sv}: a failure is data */
        CALL_RAW,     /* a(yay); a failure is a D-Bus error */
} CallStyle;

typedef struct CallSpec {
        CallStyle style;
        BusDevice *device;
        BusClient *client; /* that the object is; NULL: the device, the kind of the message decides */
        uint16_t service;
        uint16_t message;
        const SchemaMessage *schema; /* NULL for raw */
        uint64_t timeout_usec;
        const TlvWriter *tlvs;
} CallSpec;

/* Sends the request; the reply to `m` comes later. An error is set where it cannot be sent. */
int bus_call_start(sd_bus_message *m, const CallSpec *spec, sd_bus_error *error);
/* Answers every call of a device that matches with an error: those on `client` (NULL: all). */
void bus_calls_fail(BusDevice *d, BusClient *client, const sd_bus_error *error);
/* Aborts the oldest call of `sender`, which is the one that the modem works on: whether there was one. */
bool bus_calls_cancel(BusDevice *d, const char *sender, const SchemaMessage *schema);

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
/* Sends an indication to the client's owner. */
void service_emit_indication(BusClient *c, const QmiMessage *m);
/* Says NotReady or NoSuchService for an interface that the device does not have. */
int service_refuse(BusDevice *d, const SchemaService *s, sd_bus_error *error);

/* ---- device.c, manager.c, log-control.c */

extern const sd_bus_vtable device_vtable[];
extern const sd_bus_vtable manager_vtable[];
int log_control_add(sd_bus *bus);

/* ---- peer-*.c: what other services of the bus are asked */

int peer_modem_manager_watch(Bus *b);

/* ---- bus.c */

/* The object behind a path below /org/qmid1/device: 1, or 0. */
int bus_find_object(Bus *b, const char *path, BusObject **ret);
/* Reads options (a{sv}). `keys`: those that are known, NULL-terminated; others are refused by name. */
int bus_read_options(sd_bus_message *m, const char *const *keys, Arena *a, Value *ret, sd_bus_error *error);
/* The same where no option is known yet. */
int bus_read_no_options(sd_bus_message *m, sd_bus_error *error);
