/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "command.h"

#include <inttypes.h>

char *word_next(char **p) {
        bool quoted = false;
        char *word;

        *p += strspn(*p, " \t");
        if (!**p)
                return NULL;
        word = *p;
        for (; **p && (quoted || (**p != ' ' && **p != '\t')); (*p)++) {
                if (quoted && **p == '\\' && (*p)[1])
                        (*p)++;
                else if (**p == '"')
                        quoted = !quoted;
        }
        if (**p)
                *(*p)++ = '\0';
        return word;
}

/* The next word, which must be there. */
static int word_take(char **p, const char *what, char **ret_word, char **ret_error) {
        *ret_word = word_next(p);
        return *ret_word ? 0 : mistake(ret_error, "%s is missing", what);
}

static int number_take(char **p, const char *what, unsigned long max, unsigned long *ret, char **ret_error) {
        char *word;
        int r;

        r = word_take(p, what, &word, ret_error);
        if (r < 0)
                return r;
        return number_parse(word, max, ret) < 0
                       ? mistake(ret_error, "%s: \"%s\" is no number up to %lu", what, word, max)
                       : 0;
}

static int switch_take(char **p, bool *ret, char **ret_error) {
        char *word = word_next(p);

        if (!word || (!streq(word, "on") && !streq(word, "off")))
                return mistake(ret_error, "on or off?");
        *ret = streq(word, "on");
        return 0;
}

/* ---- values ---- */

static int command_set(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        char *equal = strstr(args, " = "), *key, *key_end;

        if (!equal)
                return mistake(ret_error, "KEY = VALUE?");
        *equal = '\0';
        key = word_next(&args);
        key_end = args;
        if (!key || word_next(&key_end))
                return mistake(ret_error, "KEY = VALUE?");
        return modem_set(m, key, equal + 3, 0, ret_error);
}

static int command_unset(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        char *key;
        int r;

        r = word_take(&args, "the key", &key, ret_error);
        return r < 0 ? r : answers_unset(&m->answers, key, ret_error);
}

static int command_add(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        Value number = { .type = VALUE_I64 };
        const Value *old;
        char *word, *key;
        int64_t sum;
        char *end;
        int r;

        r = word_take(&args, "the number", &word, ret_error);
        if (r >= 0)
                r = word_take(&args, "the key", &key, ret_error);
        if (r < 0)
                return r;
        number.i64 = strtoll(word, &end, 0);
        if (*end)
                return mistake(ret_error, "\"%s\" is no number", word);
        old = answers_get(&m->answers, key);
        if (!old || value_get_i64(old, &sum) < 0)
                return mistake(ret_error, "%s is no number", key);
        number.i64 += sum;
        return answers_set_value(&m->answers, key, &number, 0, ret_error);
}

/* Copies a value of the request, or of an answer, if it is there. */
static int command_copy(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        Value scalar = { .type = VALUE_DICT };
        const Value *v;
        char *from, *to;
        int r;

        r = word_take(&args, "what to copy", &from, ret_error);
        if (r >= 0)
                r = word_take(&args, "the key", &to, ret_error);
        if (r < 0)
                return r;
        v = rule_lookup(from, &m->answers, x->decoded);
        if (!v || strncmp(from, "request.", 8) == 0)
                return v ? answers_set_value(&m->answers, to, v, 0, ret_error) : 0;

        /* What it points to moves when another entry is added. */
        r = scalar_copy(v, &scalar);
        if (r >= 0)
                r = answers_set_value(&m->answers, to, &scalar, 0, ret_error);
        scalar_done(&scalar);
        return r;
}

static int command_fail(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        char *word;
        int r;

        r = word_take(&args, "the QMI error", &word, ret_error);
        if (r < 0)
                return r;
        return qmi_error_parse(word, &x->error) < 0 ? mistake(ret_error, "no QMI error \"%s\"", word) : 0;
}

/* ---- indications ---- */

static bool value_is_true(const Value *v) {
        int64_t i;

        if (v->type == VALUE_BOOL)
                return v->boolean;
        return value_get_i64(v, &i) >= 0 ? i != 0 : v->n > 0;
}

/* "register signal-info [request.KEY]": with a key, a false value unregisters and none changes nothing. */
static int command_register(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        SimClient *client = client_ids_find(&m->ids, x->request->service, x->request->client);
        const SchemaService *s = schema_service_by_id(x->request->service, m->answers.vendor);
        const SchemaMessage *indication = NULL;
        char *name, *key;
        bool on = true;
        unsigned long id;
        int r;

        r = word_take(&args, "the indication", &name, ret_error);
        if (r < 0)
                return r;
        key = word_next(&args);
        if (key) {
                const Value *v = rule_lookup(key, &m->answers, x->decoded);

                if (!v)
                        return 0;
                on = value_is_true(v);
        }
        if (!client)
                return 0;
        if (streq(name, "all")) {
                client->all = on;
                return 0;
        }

        if (s)
                indication = schema_indication_by_name(s, name);
        if (indication)
                id = indication->id;
        else if (number_parse(name, UINT16_MAX, &id) < 0)
                return mistake(ret_error, "no indication \"%s\"", name);
        if (on)
                return sim_client_register(client, (uint16_t) id);
        sim_client_unregister(client, (uint16_t) id);
        return 0;
}

/* KEY=VALUE, whose equal sign is there. */
static int entry_take(Entries *e, char *word, char *equal, char **ret_error) {
        Value v = { .type = VALUE_DICT };
        int r;

        *equal = '\0';
        r = scalar_parse(equal + 1, &v);
        if (r == -EINVAL)
                r = mistake(ret_error, "%s: \"%s\" is no value", word, equal + 1);
        if (r >= 0)
                r = entries_set(e, word, &v, 0);
        scalar_done(&v);
        return r;
}

/* "send nas signal-info [registered|all|caller|CID] [key=value …]" */
static int command_send(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        _cleanup_free_ char *name = NULL;
        ModemTarget target = TARGET_REGISTERED;
        char *service, *indication, *word;
        Entries extra = {};
        uint8_t client = 0;
        MessageRef ref;
        int r;

        r = word_take(&args, "the service", &service, ret_error);
        if (r >= 0)
                r = word_take(&args, "the indication", &indication, ret_error);
        if (r < 0)
                return r;
        if (asprintf(&name, "%s.%s", service, indication) < 0)
                return -ENOMEM;
        r = message_ref_parse(name, m->answers.vendor, &ref, ret_error);
        if (r < 0)
                return r;
        if (!ref.is_indication && !(indication[0] >= '0' && indication[0] <= '9'))
                return mistake(ret_error, "%s is no indication", name);
        if (!ref.is_indication) {
                const SchemaService *s = schema_service_by_id(ref.service, m->answers.vendor);

                ref.schema = s ? schema_message_by_id(s, true, ref.message, m->answers.vendor) : NULL;
                ref.is_indication = true;
        }

        while (r >= 0 && (word = word_next(&args))) {
                char *equal = strchr(word, '=');
                unsigned long n;

                if (equal)
                        r = entry_take(&extra, word, equal, ret_error);
                else if (streq(word, "all"))
                        target = TARGET_ALL;
                else if (streq(word, "registered"))
                        target = TARGET_REGISTERED;
                else if (streq(word, "caller") && x) {
                        target = TARGET_CLIENT;
                        client = x->request->client;
                } else if (number_parse(word, 0xFF, &n) >= 0) {
                        target = TARGET_CLIENT;
                        client = (uint8_t) n;
                } else
                        r = mistake(ret_error,
                                    "\"%s\" is neither registered, all, a client id nor KEY=VALUE", word);
        }
        if (r >= 0)
                r = modem_send_indication(m, x, &ref, target, client, extra.n > 0 ? &extra : NULL,
                                          ret_error);
        entries_done(&extra);
        return r;
}

static int command_raw_send(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t n;

        if (hex_parse(args, &bytes, &n) < 0)
                return mistake(ret_error, "not hex");
        return link_send(m->link, bytes, n, 0);
}

static int command_replay_indications(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        int r = modem_send_recorded_indications(m);

        if (r >= 0 && reply)
                fprintf(reply, "%d", r);
        return r;
}

/* ---- what it saw ---- */

int counter_get(Modem *m, const char *name, uint64_t *ret, char **ret_error) {
        const Counter *c;
        uint16_t service;
        MessageRef ref;
        int r;

        if (streq(name, "frames"))
                *ret = m->counters.n_frames;
        else if (streq(name, "malformed"))
                *ret = m->counters.n_malformed;
        else if (streq(name, "garbage"))
                *ret = link_get_n_garbage(m->link);
        else if (streq(name, "connections"))
                *ret = m->counters.n_connections;
        else if (fault_kind_from_string(name) >= 0)
                *ret = m->faults.faults[fault_kind_from_string(name)].n_struck;
        else if (streq(name, "clients"))
                *ret = client_ids_count(&m->ids, -1);
        else if (strncmp(name, "clients.", 8) == 0) {
                r = modem_parse_service(m, name + 8, &service, ret_error);
                if (r < 0)
                        return r;
                *ret = client_ids_count(&m->ids, service);
        } else {
                bool most = strncmp(name, "most.", 5) == 0;

                r = message_ref_parse(most ? name + 5 : name, m->answers.vendor, &ref, ret_error);
                if (r < 0)
                        return r;
                c = counters_find(&m->counters, ref.service, ref.message);
                *ret = !c ? 0 : most ? c->n_most : c->n;
        }
        return 0;
}

static int command_count(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        static const char *const names[] = { "frames", "malformed", "garbage", "connections", "clients" };
        char *name = word_next(&args);
        uint64_t n = 0;
        int r = 0;

        if (name) {
                r = counter_get(m, name, &n, ret_error);
                if (r >= 0 && reply)
                        fprintf(reply, "%" PRIu64, n);
                return r;
        }
        for (size_t i = 0; i < ELEMENTSOF(names) && r >= 0; i++) {
                r = counter_get(m, names[i], &n, ret_error);
                if (r >= 0 && reply)
                        fprintf(reply, "%s%s=%" PRIu64, i > 0 ? " " : "", names[i], n);
        }
        return r;
}

static int command_last(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        _cleanup_free_ char *hex = NULL;
        const Counter *c;
        MessageRef ref;
        char *name;
        int r;

        r = word_take(&args, "SERVICE.MESSAGE", &name, ret_error);
        if (r >= 0)
                r = message_ref_parse(name, m->answers.vendor, &ref, ret_error);
        if (r < 0)
                return r;
        c = counters_find(&m->counters, ref.service, ref.message);
        if (!c)
                return mistake(ret_error, "no %s was seen", name);
        hex = hex_format(c->tlvs, c->n_tlvs);
        if (!hex)
                return -ENOMEM;
        if (reply)
                fprintf(reply, "client=%u transaction=%u tlvs=%s", c->client, c->transaction, hex);
        return 0;
}

static int command_clients(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        for (size_t i = 0; reply && i < m->ids.n; i++) {
                SimClient *c = &m->ids.clients[i];
                const SchemaService *s = schema_service_by_id(c->service, m->answers.vendor);

                if (i > 0)
                        fputc(' ', reply);
                if (s)
                        fprintf(reply, "%s:%u", schema_string(s->name), c->id);
                else
                        fprintf(reply, "0x%02x:%u", c->service, c->id);
        }
        return 0;
}

/* ---- what goes wrong ---- */

/* "drop 100 nas.get-drx every 20", "late 5 by 300": N [MESSAGE] [every N-TH] [by MS] */
static int command_fault(Modem *m, FaultKind kind, char *args, char **ret_error) {
        Fault fault = { .n_struck = m->faults.faults[kind].n_struck };
        unsigned long ms = 0;
        MessageRef ref;
        char *word;
        int r;

        r = number_take(&args, "how often", UINT32_MAX, &fault.left, ret_error);
        if (r < 0)
                return r;
        while ((word = word_next(&args))) {
                if (streq(word, "every"))
                        r = number_take(&args, "which one", UINT32_MAX, &fault.every, ret_error);
                else if (streq(word, "by"))
                        r = number_take(&args, "the time in ms", 1000000, &ms, ret_error);
                else if (fault.filter)
                        r = mistake(ret_error, "\"%s\" is too much", word);
                else {
                        r = message_ref_parse(word, m->answers.vendor, &ref, ret_error);
                        fault.filter = true;
                        fault.service = ref.service;
                        fault.message = ref.message;
                }
                if (r < 0)
                        return r;
        }
        fault.late_usec = ms * USEC_PER_MSEC;
        m->faults.faults[kind] = fault;
        return 0;
}

static int command_silent(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        return switch_take(&args, &m->faults.silent, ret_error);
}

static int command_split(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        bool on;
        int r;

        r = switch_take(&args, &on, ret_error);
        if (r >= 0)
                link_set_split(m->link, on);
        return r;
}

static int command_log(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        return switch_take(&args, &m->log, ret_error);
}

static int command_timeline(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        bool on;
        int r;

        r = switch_take(&args, &on, ret_error);
        if (r < 0)
                return r;
        timeline_stop(&m->timeline);
        m->timeline.disabled = !on;
        return on && !x && m->timeline.started ? timeline_start(&m->timeline, m->event) : 0;
}

static int command_delay(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        _cleanup_free_ char *key = NULL, *text = NULL;
        unsigned long ms;
        char *word;
        int r;

        r = number_take(&args, "the delay in ms", 1000000, &ms, ret_error);
        if (r < 0)
                return r;
        word = word_next(&args);
        if (asprintf(&key, "%s.%s", word ?: "ctl", word ? "!latency" : "latency") < 0)
                return -ENOMEM;
        if (asprintf(&text, "%lums", ms) < 0)
                return -ENOMEM;
        return modem_set(m, key, text, 0, ret_error);
}

static int command_hurry(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        return link_send_delayed(m->link);
}

static int command_garbage(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        uint8_t *bytes;
        size_t n;

        if (hex_parse(args, &bytes, &n) < 0 || n == 0)
                return mistake(ret_error, "not hex");
        free(m->faults.garbage);
        m->faults.garbage = bytes;
        m->faults.n_garbage = n;
        return 0;
}

static int command_reset(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        return modem_reset(m);
}

static int command_sync(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        return modem_send_ctl(m, CTL_SYNC, NULL, 0);
}

static int command_services(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        bool on;
        int r;

        r = switch_take(&args, &on, ret_error);
        if (r >= 0)
                m->services_off = !on;
        return r;
}

static int command_hangup(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        unsigned long ms = 0;
        int r = 0;

        args += strspn(args, " ");
        if (*args)
                r = number_take(&args, "the time in ms", 1000000, &ms, ret_error);
        return r < 0 ? r : link_hangup(m->link, ms * USEC_PER_MSEC);
}

static int command_listen(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        return link_listen(m->link);
}

static int client_take(Modem *m, char *args, uint16_t *ret_service, uint8_t *ret_client, char **ret_error) {
        unsigned long client;
        uint16_t service;
        char *word;
        int r;

        r = word_take(&args, "the service", &word, ret_error);
        if (r >= 0)
                r = modem_parse_service(m, word, &service, ret_error);
        if (r >= 0)
                r = number_take(&args, "the client id", 0xFF, &client, ret_error);
        if (r < 0)
                return r;
        *ret_service = service;
        *ret_client = (uint8_t) client;
        return 0;
}

static int command_forget(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        uint16_t service;
        uint8_t client;
        int r;

        if (args[strspn(args, " ")] == '\0') {
                client_ids_wipe(&m->ids);
                return 0;
        }
        r = client_take(m, args, &service, &client, ret_error);
        if (r >= 0)
                (void) client_ids_release(&m->ids, service, client);
        return r;
}

static int take_client_back(Modem *m, uint16_t id, char *args, char **ret_error) {
        uint16_t service;
        uint8_t client;
        int r;

        r = client_take(m, args, &service, &client, ret_error);
        if (r < 0)
                return r;
        (void) client_ids_release(&m->ids, service, client);
        return modem_send_ctl(m, id, (uint8_t[]){ 0x01, 0x02, 0x00, (uint8_t) service, client }, 5);
}

static int command_revoke(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        return take_client_back(m, CTL_REVOKE, args, ret_error);
}

static int command_invalid(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        return take_client_back(m, CTL_INVALID, args, ret_error);
}

/* Answers, as aborted, what the client asked and still waits for. */
static int command_abort(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        QmiMessage aborted = *x->request;
        uint64_t transaction;
        const Value *v;
        char *key;
        int r;

        r = word_take(&args, "request.KEY", &key, ret_error);
        if (r < 0)
                return r;
        v = rule_lookup(key, &m->answers, x->decoded);
        if (!v || value_get_u64(v, &transaction) < 0 || transaction > UINT16_MAX ||
            !link_take_delayed(m->link, x->request->service, x->request->client, (uint16_t) transaction,
                               &aborted.id))
                return qmi_error_parse("invalid-transaction-id", &x->error);
        sessions_take_back(m, x->request->client, aborted.id);
        aborted.transaction = (uint16_t) transaction;
        return modem_respond(m, &aborted, 0x0004, NULL, 0); /* aborted */
}

/* ---- data calls ---- */

static int gate_take(char **p, uint8_t *ret_mux, uint8_t *ret_family, char **ret_error) {
        unsigned long mux;
        char *family;
        int r;

        r = number_take(p, "the mux id", UINT8_MAX, &mux, ret_error);
        if (r >= 0)
                r = word_take(p, "ipv4 or ipv6", &family, ret_error);
        if (r < 0)
                return r;
        if (!streq(family, "ipv4") && !streq(family, "ipv6"))
                return mistake(ret_error, "\"%s\" is neither ipv4 nor ipv6", family);
        *ret_mux = (uint8_t) mux;
        *ret_family = streq(family, "ipv6") ? 6 : 4;
        return 0;
}

static int command_start_call(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        uint8_t mux, family;
        int r;

        r = gate_take(&args, &mux, &family, ret_error);
        return r < 0 ? r : sessions_start(m, mux, family, ret_error);
}

static int command_end_call(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error) {
        uint8_t mux, family;
        Entries extra = {};
        char *word;
        int r;

        r = gate_take(&args, &mux, &family, ret_error);
        while (r >= 0 && (word = word_next(&args))) {
                char *equal = strchr(word, '=');

                if (equal)
                        r = entry_take(&extra, word, equal, ret_error);
                else
                        r = mistake(ret_error, "\"%s\" is no KEY=VALUE", word);
        }
        if (r >= 0)
                r = sessions_end(m, mux, family, &extra, ret_error);
        entries_done(&extra);
        return r;
}

typedef struct Command {
        const char *name;
        int (*run)(Modem *m, Exchange *x, char *args, FILE *reply, char **ret_error);
        bool in_rules_only;
} Command;

static const Command commands[] = {
        { "set", command_set },                 /* KEY = VALUE */
        { "unset", command_unset },             /* KEY */
        { "add", command_add },                 /* NUMBER KEY */
        { "copy", command_copy, true },         /* request.KEY|KEY KEY */
        { "fail", command_fail, true },         /* QMI-ERROR */
        { "register", command_register, true }, /* INDICATION|all [request.KEY] */
        { "abort", command_abort, true },       /* request.KEY */
        { "send", command_send },               /* SERVICE INDICATION [TARGET] [KEY=VALUE …] */
        { "raw-send", command_raw_send },       /* HEX */
        { "replay-indications", command_replay_indications }, /* all that were recorded, to everybody */
        { "start-call", command_start_call },                 /* MUX ipv4|ipv6: the modem's own */
        { "end-call", command_end_call },                     /* MUX ipv4|ipv6 [KEY=VALUE …] */
        { "count", command_count },                           /* [COUNTER] */
        { "last", command_last },                             /* SERVICE.MESSAGE */
        { "clients", command_clients },
        { "silent", command_silent },   /* on|off */
        { "delay", command_delay },     /* MS [MESSAGE] */
        { "hurry", command_hurry },     /* what is delayed goes out now */
        { "garbage", command_garbage }, /* HEX */
        { "reset", command_reset },
        { "sync", command_sync },         /* says that all ids are gone; they are not */
        { "forget", command_forget },     /* [SERVICE CID]: all ids, or one, without a word */
        { "services", command_services }, /* on|off: only CTL answers, and has no ids to give */
        { "hangup", command_hangup },     /* [MS] */
        { "listen", command_listen },
        { "revoke", command_revoke },     /* SERVICE CID */
        { "invalid", command_invalid },   /* SERVICE CID */
        { "split", command_split },       /* on|off */
        { "timeline", command_timeline }, /* on|off */
        { "log", command_log },           /* on|off: frames on standard error */
        /* and the faults of faults.c: FAULT N [MESSAGE] [every N-TH] [by MS] */
};

static const Command *command_find(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                if (streq(commands[i].name, name))
                        return &commands[i];
        return NULL;
}

bool command_exists(const char *line) {
        _cleanup_free_ char *copy = strdup(line);
        char *p = copy, *name = copy ? word_next(&p) : NULL;

        return name && (command_find(name) || fault_kind_from_string(name) >= 0);
}

int command_run(Modem *m, Exchange *x, const char *line, FILE *reply, char **ret_error) {
        _cleanup_free_ char *copy = NULL;
        const Command *command;
        char *p, *name;
        int r;

        p = copy = strdup(line);
        if (!copy)
                return -ENOMEM;
        name = word_next(&p);
        if (!name)
                return mistake(ret_error, "no command");

        command = command_find(name);
        if (!command && fault_kind_from_string(name) >= 0)
                return command_fault(m, fault_kind_from_string(name), p, ret_error);
        if (!command)
                return mistake(ret_error, "no command \"%s\"", name);
        if (command->in_rules_only && !x)
                return mistake(ret_error, "\"%s\" is for rules", name);
        r = command->run(m, x, p, reply, ret_error);
        if (r < 0 && !*ret_error)
                (void) mistake(ret_error, "%s", strerror(-r));
        return r < 0 ? r : 0;
}
