/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "bus.h"
#include "bus/value.h"
#include "json.h"
#include "output.h"
#include "registration.h"
#include "reply.h"
#include "services.h"
#include "util/clock.h"

/* A service that is watched. */
typedef struct Watch {
        const SchemaService *service;
        char *path; /* of a client of our own; NULL: the indications come from the device */
} Watch;

typedef struct Monitor {
        Options options;
        sd_bus *bus;
        char *qmid; /* its unique name: nobody else's signals are believed */
        char *device;
        Watch *watches;
        size_t n_watches;
        int result; /* why it ends */
        bool over;
} Monitor;

static void monitor_done(Monitor *m) {
        for (size_t i = 0; i < m->n_watches; i++)
                free(m->watches[i].path);
        free(m->watches);
        free(m->qmid);
        free(m->device);
        sd_bus_flush_close_unref(m->bus);
}

static void monitor_end(Monitor *m, int result) {
        m->result = result;
        m->over = true;
}

/* ---- registering ---- */

static int monitor_register_one(Monitor *m, const SchemaMessage *message, const Value *request, Arena *a) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        const char *title = message_title(message, a);
        int r;

        if (!title)
                return cli_oom();
        r = bus_new_call(m->bus, m->device, schema_string(schema_services[message->service].interface),
                         schema_string(message->member), &call);
        if (r != EXIT_OK)
                return r;
        r = bus_append_dict(call, request);
        if (r < 0)
                return bus_fail_errno(title, r);
        return bus_call(&m->options, m->bus, call, title, BUS_TIMEOUT_USEC, &reply);
}

/* What has no registration can still speak to all: a client of our own hears that. */
static int monitor_open_client(Monitor *m, Watch *w) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        const char *name = schema_string(w->service->name), *path;
        int r;

        r = bus_new_call(m->bus, m->device, QMID_DEVICE_INTERFACE, "OpenClient", &call);
        if (r != EXIT_OK)
                return r;
        r = sd_bus_message_append(call, "sa{sv}", name, 0);
        if (r < 0)
                return bus_fail_errno(name, r);
        r = bus_call(&m->options, m->bus, call, name, BUS_TIMEOUT_USEC, &reply);
        if (r != EXIT_OK)
                return r;
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return bus_fail_errno(name, r);
        free(w->path);
        w->path = strdup(path);
        return w->path ? EXIT_OK : cli_oom();
}

/* Good if one registration of the service was taken; modems do not know all of them. What was refused is
 * said on standard error. */
static int monitor_register_service(Monitor *m, Watch *w) {
        int result = EXIT_OK, r;
        bool tried = false, taken = false;

        for (uint16_t i = 0; i < w->service->n_messages; i++) {
                const SchemaMessage *message = &schema_messages[w->service->first_message + i];
                _cleanup_(arena_done) Arena a;
                Value request;

                arena_init(&a);
                r = registration_request(message, &a, &request);
                if (r < 0)
                        return cli_oom();
                if (r == 0)
                        continue;
                tried = true;
                r = monitor_register_one(m, message, &request, &a);
                if (r == EXIT_OK)
                        taken = true;
                else if (r != EXIT_REFUSED && r != EXIT_DENIED)
                        return r; /* not what was asked, but the service, the modem or qmid */
                else
                        result = r;
                if (r == EXIT_DENIED) /* who gives no password is not asked again and again */
                        m->options.ask_password = false;
        }
        if (!tried)
                return monitor_open_client(m, w);
        return taken ? EXIT_OK : result;
}

/* Good if one service was. */
static int monitor_register(Monitor *m) {
        int result = EXIT_OK, r;
        bool taken = false;

        for (size_t i = 0; i < m->n_watches; i++) {
                r = monitor_register_service(m, &m->watches[i]);
                if (r == EXIT_OK)
                        taken = true;
                else if (result == EXIT_OK)
                        result = r;
        }
        if (!taken)
                return result;

        if (m->options.legend) {
                fputs("Monitoring", stderr);
                for (size_t i = 0; i < m->n_watches; i++)
                        fprintf(stderr, "%s %s", i > 0 ? "," : "",
                                schema_string(m->watches[i].service->name));
                fprintf(stderr, " of %s\n", bus_device_name(m->device));
        }
        return EXIT_OK;
}

/* ---- showing ---- */

static int add_text(Value *dict, Arena *a, const char *key, const char *text) {
        Value *v = value_dict_add(dict, a, key);

        if (!v)
                return -ENOMEM;
        *v = (Value){ .type = VALUE_STRING, .string = text };
        return 0;
}

/* `schema` NULL: one that the schema does not know; `name` is then its number. */
static int monitor_show(Monitor *m, const char *service, const char *name, const SchemaMessage *schema,
                        const Value *fields, Arena *a) {
        Value object = { .type = VALUE_DICT }, *v;
        uint64_t usec = now_usec(CLOCK_REALTIME);
        time_t seconds = (time_t) (usec / USEC_PER_SEC);
        char text[16] = "";
        struct tm tm;

        if (m->options.json != JSON_OFF) {
                v = value_dict_add(&object, a, "time_usec");
                if (!v)
                        return cli_oom();
                *v = (Value){ .type = VALUE_U64, .u64 = usec };
                if (add_text(&object, a, "device", bus_device_name(m->device)) < 0 ||
                    add_text(&object, a, "service", service) < 0 ||
                    add_text(&object, a, "indication", name) < 0)
                        return cli_oom();
                v = value_dict_add(&object, a, "fields");
                if (!v)
                        return cli_oom();
                *v = *fields;
                return json_print(stdout, &object, m->options.json);
        }

        if (localtime_r(&seconds, &tm))
                (void) strftime(text, sizeof(text), "%H:%M:%S", &tm);
        printf("%s.%03u  %s %s\n", text, (unsigned) (usec / USEC_PER_MSEC % 1000), service, name);
        output_dict(stdout, schema, QMI_INDICATION, fields, 2);
        if (fflush(stdout) < 0 || ferror(stdout))
                return cli_error(EXIT_REFUSED, "cannot write the output");
        return EXIT_OK;
}

static Watch *monitor_find_watch(Monitor *m, const SchemaService *s, const char *path) {
        for (size_t i = 0; i < m->n_watches; i++)
                if (m->watches[i].service == s && streq(m->watches[i].path ?: m->device, path))
                        return &m->watches[i];
        return NULL;
}

/* A signal of a service's interface. */
static int monitor_on_indication(Monitor *m, sd_bus_message *signal, const SchemaService *s) {
        const SchemaMessage *schema = schema_indication_by_name(s, sd_bus_message_get_member(signal));
        _cleanup_(arena_done) Arena a;
        Value fields;
        int r;

        arena_init(&a);
        if (!monitor_find_watch(m, s, sd_bus_message_get_path(signal)))
                return EXIT_OK;
        r = reply_read(signal, &a, &fields);
        if (r >= 0 && fields.type != VALUE_DICT)
                r = -EBADMSG;
        if (r < 0)
                return bus_fail_errno(sd_bus_message_get_member(signal), r);
        return monitor_show(m, schema_string(s->name),
                            schema ? schema_string(schema->name) : sd_bus_message_get_member(signal), schema,
                            &fields, &a);
}

/* RawIndication(s service, q message, a(yay) tlvs): one that the schema does not know. */
static int monitor_on_raw(Monitor *m, sd_bus_message *signal) {
        Value fields = { .type = VALUE_DICT }, *tlvs;
        _cleanup_(arena_done) Arena a;
        const SchemaService *s;
        const char *service;
        char number[16];
        uint16_t id;
        int r;

        arena_init(&a);
        r = sd_bus_message_read(signal, "sq", &service, &id);
        if (r < 0)
                return bus_fail_errno("RawIndication", r);
        s = schema_service_by_name(service);
        if (!s || !monitor_find_watch(m, s, sd_bus_message_get_path(signal)))
                return EXIT_OK;
        tlvs = value_dict_add(&fields, &a, "unknown_tlvs");
        if (!tlvs)
                return cli_oom();
        r = bus_read_tlvs(signal, &a, tlvs);
        if (r < 0)
                return bus_fail_errno("RawIndication", r);
        snprintf(number, sizeof(number), "0x%04x", id);
        return monitor_show(m, service, number, NULL, &fields, &a);
}

/* PropertiesChanged of the device. A modem that started anew has forgotten what it was asked for. */
static int monitor_on_properties(Monitor *m, sd_bus_message *signal) {
        const char *interface;
        _cleanup_(arena_done) Arena a;
        const Value *state;
        Value changed;
        int r;

        arena_init(&a);
        r = sd_bus_message_read_basic(signal, 's', &interface);
        if (r < 0 || !streq(interface, QMID_DEVICE_INTERFACE))
                return EXIT_OK;
        r = reply_read(signal, &a, &changed);
        if (r < 0)
                return EXIT_OK;
        state = value_dict_get(&changed, "State");
        if (!state || state->type != VALUE_STRING)
                return EXIT_OK;
        if (m->options.legend)
                fprintf(stderr, "%s is %s\n", bus_device_name(m->device), state->string);
        return streq(state->string, "ready") ? monitor_register(m) : EXIT_OK;
}

static int on_signal(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const char *interface = sd_bus_message_get_interface(signal),
                   *path = sd_bus_message_get_path(signal), *sender = sd_bus_message_get_sender(signal),
                   *gone;
        const SchemaService *s;
        Monitor *m = userdata;
        int r = EXIT_OK;

        if (!sd_bus_message_is_signal(signal, NULL, NULL) || !sender || !streq(sender, m->qmid))
                return 0;
        if (sd_bus_message_is_signal(signal, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved")) {
                if (sd_bus_message_read_basic(signal, 'o', &gone) >= 0 && streq(gone, m->device))
                        r = cli_error(EXIT_MISSING, "%s is gone", bus_device_name(m->device));
        } else if (sd_bus_message_is_signal(signal, "org.freedesktop.DBus.Properties",
                                            "PropertiesChanged")) {
                if (streq(path, m->device))
                        r = monitor_on_properties(m, signal);
        } else if (sd_bus_message_is_signal(signal, NULL, "RawIndication"))
                r = monitor_on_raw(m, signal);
        else if (strncmp(interface, QMID_NAME ".", strlen(QMID_NAME ".")) == 0) {
                s = schema_service_by_name(interface + strlen(QMID_NAME "."));
                if (s)
                        r = monitor_on_indication(m, signal, s);
        }
        if (r != EXIT_OK)
                monitor_end(m, r);
        return 0;
}

static int on_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const char *name, *old_owner, *new_owner;
        Monitor *m = userdata;

        if (sd_bus_message_read(signal, "sss", &name, &old_owner, &new_owner) < 0 || !m->qmid ||
            !streq(old_owner, m->qmid))
                return 0;
        monitor_end(m, cli_error(EXIT_MISSING, "qmid has stopped"));
        return 0;
}

/* ---- */

static void monitor_add_watch(Monitor *m, const SchemaService *s) {
        for (size_t i = 0; i < m->n_watches; i++)
                if (m->watches[i].service == s)
                        return;
        m->watches[m->n_watches++] = (Watch){ .service = s };
}

/* Those that were named. */
static int monitor_choose(Monitor *m, char **args, size_t n_args) {
        int r;

        m->watches = calloc(MAX(n_args, (size_t) schema_n_services), sizeof(Watch));
        if (!m->watches)
                return cli_oom();
        for (size_t i = 0; i < n_args; i++) {
                const SchemaService *s;

                r = service_find(args[i], &s);
                if (r != EXIT_OK)
                        return r;
                if (s->id == QMI_SERVICE_CTL)
                        return cli_error(EXIT_USAGE, "ctl is qmid's own, nobody else hears it");
                monitor_add_watch(m, s);
        }
        return EXIT_OK;
}

/* Whatever the device has that can be registered for. */
static int monitor_choose_all(Monitor *m) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(arena_done) Arena a;
        const Value *services;
        Value properties;
        int r;

        arena_init(&a);
        r = bus_get_properties(&m->options, m->bus, m->device, QMID_DEVICE_INTERFACE, &reply, &a,
                               &properties);
        if (r != EXIT_OK)
                return r;
        services = value_dict_get(&properties, "Services");
        for (uint32_t i = 0; services && i < services->n; i++) {
                const SchemaService *s = schema_service_by_name(services->entries[i].key);

                if (s && s->id != QMI_SERVICE_CTL && service_has_registration(s))
                        monitor_add_watch(m, s);
        }
        if (m->n_watches == 0)
                return cli_error(EXIT_MISSING, "%s has no service to register with",
                                 bus_device_name(m->device));
        return EXIT_OK;
}

static int monitor_start(Monitor *m) {
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
        const char *unique;
        int r;

        r = bus_connect(&m->options, &m->bus);
        if (r != EXIT_OK)
                return r;
        r = sd_bus_match_signal(m->bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                "org.freedesktop.DBus", "NameOwnerChanged", on_owner_changed, m);
        if (r < 0)
                return bus_fail_errno("monitor", r);
        r = bus_find_device(&m->options, m->bus, &m->device);
        if (r != EXIT_OK)
                return r;
        r = sd_bus_get_name_creds(m->bus, QMID_NAME, SD_BUS_CREDS_UNIQUE_NAME, &creds);
        if (r >= 0)
                r = sd_bus_creds_get_unique_name(creds, &unique);
        if (r < 0)
                return cli_error(EXIT_MISSING, "qmid has stopped");
        m->qmid = strdup(unique);
        if (!m->qmid)
                return cli_oom();

        /* Indications are unicast and need no rule; what happens to the device is told to all. */
        r = sd_bus_match_signal(m->bus, NULL, QMID_NAME, QMID_PATH, "org.freedesktop.DBus.ObjectManager",
                                "InterfacesRemoved", NULL, NULL);
        if (r >= 0)
                r = sd_bus_match_signal(m->bus, NULL, QMID_NAME, m->device,
                                        "org.freedesktop.DBus.Properties", "PropertiesChanged", NULL, NULL);
        if (r >= 0)
                r = sd_bus_add_filter(m->bus, NULL, on_signal, m);
        return r < 0 ? bus_fail_errno("monitor", r) : EXIT_OK;
}

int verb_monitor(const Options *o, char **args, size_t n_args) {
        _cleanup_(monitor_done) Monitor m = { .options = *o };
        int r;

        r = monitor_choose(&m, args, n_args);
        if (r != EXIT_OK)
                return r;
        r = monitor_start(&m);
        if (r != EXIT_OK)
                return r;
        if (n_args == 0) {
                m.options.ask_password = false; /* for what nobody named */
                r = monitor_choose_all(&m);
                if (r != EXIT_OK)
                        return r;
        }
        r = monitor_register(&m);
        if (r != EXIT_OK)
                return r;

        while (!m.over) {
                r = sd_bus_process(m.bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(m.bus, UINT64_MAX);
                if (r == -EINTR)
                        continue;
                if (r < 0)
                        return cli_error(EXIT_MISSING, "the connection to the bus is lost: %s",
                                         strerror(-r));
        }
        return m.result;
}
