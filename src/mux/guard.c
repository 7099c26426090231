/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <stdio.h>

#include "mux/mux-internal.h"
#include "qmi/codec.h"

/* A SIM takes only a few wrong PINs. So before a message with such a code is sent, by whomever and through
 * whichever door, the modem is asked which SIM it has and how many tries are left. What this SIM has
 * rejected is not sent there again, and with less than TRIES_MIN tries left nothing is, unless that is
 * forced. Which messages these are, the schema says; the guard itself knows only the questions.
 *
 * A code counts as sent from before it is on the wire until the SIM has said what it thinks of it: neither a
 * caller who leaves nor a crash makes it forgotten. */

#define TRIES_MIN             2
#define QUESTION_TIMEOUT_USEC (5 * USEC_PER_SEC)
#define ICCID_DIGITS          18U /* some answers lack the check digit, or more */
#define QMI_SERVICE_DMS       0x02
#define QMI_SERVICE_UIM       0x0B

/* Where an answer is looked for: keys of dictionaries, "*" for every element of an array, KEY=SYMBOL for a
 * dictionary that says so. */
#define CARDS "card_status.cards.*."
#define APPS  CARDS "applications.*."

typedef struct GuardQuestion {
        uint16_t service;
        const char *message;
        const char *path;
        GuardKind kind;    /* 0: for any */
        const char *which; /* NULL: for any */
        const char *key;   /* of the request, which says what it is about; NULL: it has none */
} GuardQuestion;

static const GuardQuestion iccid_questions[] = {
        { QMI_SERVICE_DMS, "uim-get-iccid", "iccid", 0, NULL, NULL },
        { QMI_SERVICE_UIM, "get-slot-status", "slots.*.state=active.iccid", 0, NULL, NULL },
};

static const GuardQuestion tries_questions[] = {
        { QMI_SERVICE_UIM, "get-card-status", APPS "pin1_retries", GUARD_PIN, "pin1", NULL },
        { QMI_SERVICE_UIM, "get-card-status", APPS "pin2_retries", GUARD_PIN, "pin2", NULL },
        { QMI_SERVICE_UIM, "get-card-status", CARDS "upin_retries", GUARD_PIN, "upin", NULL },
        { QMI_SERVICE_UIM, "get-card-status", APPS "puk1_retries", GUARD_PUK, "pin1", NULL },
        { QMI_SERVICE_UIM, "get-card-status", APPS "puk2_retries", GUARD_PUK, "pin2", NULL },
        { QMI_SERVICE_UIM, "get-card-status", CARDS "upuk_retries", GUARD_PUK, "upin", NULL },
        { QMI_SERVICE_UIM, "get-card-status", APPS "personalization_retries", GUARD_CONTROL_KEY, NULL,
          NULL },
        /* The same message unblocks, with another key. */
        { QMI_SERVICE_UIM, "get-card-status", APPS "personalization_unblock_retries", GUARD_CONTROL_KEY,
          NULL, NULL },
        { QMI_SERVICE_DMS, "uim-get-pin-status", "pin1.verify_retries", GUARD_PIN, "pin1", NULL },
        { QMI_SERVICE_DMS, "uim-get-pin-status", "pin2.verify_retries", GUARD_PIN, "pin2", NULL },
        { QMI_SERVICE_DMS, "uim-get-pin-status", "pin1.unblock_retries", GUARD_PUK, "pin1", NULL },
        { QMI_SERVICE_DMS, "uim-get-pin-status", "pin2.unblock_retries", GUARD_PUK, "pin2", NULL },
        { QMI_SERVICE_DMS, "uim-get-ck-status", "ck.verify_retries", GUARD_CONTROL_KEY, NULL, "facility" },
        { QMI_SERVICE_DMS, "uim-get-ck-status", "ck.unblock_retries", GUARD_UNBLOCK_KEY, NULL, "facility" },
};

struct GuardCheck {
        Request *request;
        GuardKind kind;
        char which[32]; /* the symbol */
        bool untold;    /* the answer would go where it is not seen */
        GuardMark mark;
        const GuardQuestion *questions; /* those that are asked just now: NULL: none is */
        size_t n_questions, next;       /* the own service's first, so each is passed twice */
        const GuardQuestion *asked;
        const SchemaMessage *row; /* of the question */
        Request *question;
        bool has_sim;
        int tries; /* -1: not known */
};

static uint16_t service_of(const GuardCheck *g) {
        return g->request->client->service;
}

/* ---- what a request carries ---- */

/* What follows the digits of a PIN is filling. */
static size_t n_digits(const char *s) {
        size_t n = 0;

        while (isdigit((unsigned char) s[n]))
                n++;
        return n > 0 ? n : strlen(s);
}

/* PINs differ by which one they are; a key that one personalization lock has rejected fits no other. */
static uint64_t hash_code(const PinMemory *p, GuardKind kind, const char *which, const char *code) {
        char text[512];
        uint64_t hash;
        int n;

        n = snprintf(text, sizeof(text), "%u %s %.*s",
                     kind <= GUARD_PUK ? (unsigned) kind : GUARD_CONTROL_KEY, kind <= GUARD_PUK ? which : "",
                     (int) n_digits(code), code);
        hash = pin_memory_hash(p, text, MIN((size_t) n, sizeof(text) - 1));
        explicit_bzero(text, sizeof(text));
        return hash;
}

/* The row of the TLV with the code, and the code's in it. */
static const SchemaTlv *find_code(const SchemaMessage *row, const SchemaField **ret) {
        for (uint16_t i = 0; i < row->request.n; i++) {
                const SchemaTlv *t = &schema_tlvs[row->request.first + i];
                const SchemaType *type = &schema_types[t->field.type];

                for (uint16_t k = 0; type->kind == SCHEMA_STRUCT && k < type->count; k++)
                        if (schema_fields[type->item + k].flags & SCHEMA_GUARDED) {
                                *ret = &schema_fields[type->item + k];
                                return t;
                        }
        }
        return NULL;
}

/* Whether the modem would understand it as we do: it has the TLV once, and it decodes to its end. */
static bool is_plain(const Value *dict, uint8_t id) {
        const Value *unknown = value_dict_get(dict, "unknown_tlvs");

        for (uint32_t i = 0; unknown && i < unknown->n; i++)
                if (unknown->tlvs[i].id == id || unknown->tlvs[i].id == 0)
                        return false;
        return true;
}

static const char *get_text(const Value *dict, const SchemaField *f) {
        const Value *v = value_dict_get(dict, schema_string(f->name));

        return v && v->type == VALUE_STRING ? v->string : NULL;
}

static bool read_code(GuardCheck *g, const Value *dict) {
        const SchemaMessage *row = g->request->row;
        const SchemaField *code, *first;
        const SchemaType *type;
        const PinMemory *p = g->request->client->mux->pins;
        const char *which, *text;
        const SchemaTlv *tlv;
        const Value *v;

        tlv = find_code(row, &code);
        if (!tlv || !is_plain(dict, tlv->id))
                return false;
        v = value_dict_get(dict, schema_string(tlv->field.name));
        if (!v || v->type != VALUE_DICT)
                return false;
        type = &schema_types[tlv->field.type];
        first = &schema_fields[type->item];
        which = get_text(v, first);
        text = get_text(v, code);
        if (!which || strlen(which) >= sizeof(g->which) || !text)
                return false;
        strcpy(g->which, which);
        g->mark.hash.code = hash_code(p, g->kind, which, text);
        /* A new PIN, which is right from then on. */
        for (uint16_t i = 0; i < type->count; i++) {
                const SchemaField *f = &schema_fields[type->item + i];

                if (f == code || !(f->flags & SCHEMA_SECRET))
                        continue;
                text = get_text(v, f);
                if (text)
                        g->mark.new_code = hash_code(p, GUARD_PIN, which, text);
        }
        return true;
}

static bool has_token(const SchemaMessage *row, const Value *dict) {
        for (uint16_t i = 0; i < row->request.n; i++) {
                const SchemaTlv *t = &schema_tlvs[row->request.first + i];

                if (t->field.flags & SCHEMA_GUARDED &&
                    (value_dict_get(dict, schema_string(t->field.name)) || !is_plain(dict, t->id)))
                        return true;
        }
        return false;
}

static bool read_request(GuardCheck *g) {
        const Request *r = g->request;
        bool understood = false;
        Arena arena;
        Value dict;

        arena_init(&arena);
        if (message_decode(r->row, QMI_REQUEST, r->client->mux->vendor, r->tlvs, r->n_tlvs, &arena, &dict) >=
            0) {
                understood = read_code(g, &dict);
                g->untold = has_token(r->row, &dict);
        }
        arena_erase(&arena);
        return understood;
}

/* ---- what the modem says ---- */

/* Calls back for each value that a path leads to. */
static void walk(const Value *v, const char *path, void (*f)(const Value *v, void *userdata),
                 void *userdata) {
        size_t n = strcspn(path, ".");
        const char *rest = path[n] ? path + n + 1 : path + n;
        const char *equals = memchr(path, '=', n);
        char key[64];

        if (!*path) {
                f(v, userdata);
                return;
        }
        if (*path == '*') {
                for (uint32_t i = 0; v->type == VALUE_ARRAY && i < v->n; i++)
                        walk(&v->elements[i], rest, f, userdata);
                return;
        }
        n = equals ? (size_t) (equals - path) : n;
        assert(n < sizeof(key));
        memcpy(key, path, n);
        key[n] = '\0';
        if (!equals) {
                v = value_dict_get(v, key);
                if (v)
                        walk(v, rest, f, userdata);
                return;
        }
        n = strcspn(equals + 1, ".");
        {
                const Value *said = value_dict_get(v, key);

                if (said && said->type == VALUE_STRING && strlen(said->string) == n &&
                    strncmp(said->string, equals + 1, n) == 0)
                        walk(v, rest, f, userdata);
        }
}

static void take_iccid(const Value *v, void *userdata) {
        GuardCheck *g = userdata;
        size_t n;

        if (g->has_sim || v->type != VALUE_STRING || !isdigit((unsigned char) *v->string))
                return;
        n = MIN(strlen(v->string), (size_t) ICCID_DIGITS);
        g->mark.hash.sim = pin_memory_hash(g->request->client->mux->pins, v->string, n);
        g->has_sim = true;
}

/* Of several applications the one with the fewest counts; not those that take no PIN, or no more. */
static void take_tries(const Value *v, void *userdata) {
        GuardCheck *g = userdata;
        uint64_t n;

        if (value_get_u64(v, &n) < 0 || n > INT16_MAX)
                return;
        if (g->tries <= 0 || (n > 0 && (int) n < g->tries))
                g->tries = (int) n;
}

static void read_answer(GuardCheck *g, const QmiMessage *m) {
        Mux *mux = g->request->client->mux;
        Arena arena;
        Value dict;

        if (tlv_result(m->tlvs, m->n_tlvs) > 0)
                return;
        arena_init(&arena);
        if (message_decode(g->row, QMI_RESPONSE, mux->vendor, m->tlvs, m->n_tlvs, &arena, &dict) >= 0)
                walk(&dict, g->asked->path, g->questions == iccid_questions ? take_iccid : take_tries, g);
        arena_erase(&arena);
}

/* ---- one after the other ---- */

static void guard_go_on(GuardCheck *g);

static void on_answer(const RequestOutcome *outcome, void *userdata) {
        GuardCheck *g = userdata;

        g->question = NULL;
        if (outcome->state == REQUEST_ANSWERED)
                read_answer(g, outcome->response);
        guard_go_on(g);
}

static bool question_fits(const GuardCheck *g, const GuardQuestion *q, bool own) {
        return (q->service == service_of(g)) == own && (q->kind == GUARD_NONE || q->kind == g->kind) &&
               (!q->which || streq(q->which, g->which)) &&
               mux_has_service(g->request->client->mux, q->service);
}

static int question_encode(GuardCheck *g, TlvWriter *w) {
        ValueEntry entry = { .key = g->asked->key, .value = { .type = VALUE_STRING, .string = g->which } };
        Value dict = { .type = VALUE_DICT, .n = 1, .entries = &entry };
        CodecError error;

        return g->asked->key ? message_encode(g->row, QMI_REQUEST, 0, &dict, w, &error) : 0;
}

static bool question_send(GuardCheck *g) {
        Mux *m = g->request->client->mux;
        const SchemaService *s = schema_service_by_id(g->asked->service, m->vendor);
        TlvWriter w = {};
        Client *c;
        int r;

        g->row = s ? schema_message_by_name(s, g->asked->message) : NULL;
        if (!g->row || mux_get_shared_client(m, g->asked->service, &c) < 0 || question_encode(g, &w) < 0) {
                tlv_writer_done(&w);
                return false;
        }
        r = request_new(&g->question, c, &m->owner,
                        &(RequestSpec){
                                .message = g->row->id,
                                .schema = g->row,
                                .requester = &m->guard_owner,
                                .tlvs = w.bytes,
                                .n_tlvs = w.n_bytes,
                                .timeout_usec = QUESTION_TIMEOUT_USEC,
                                .done = on_answer,
                                .userdata = g,
                        });
        tlv_writer_done(&w);
        return r >= 0;
}

static void begin_questions(GuardCheck *g, const GuardQuestion *questions, size_t n) {
        g->questions = questions;
        g->n_questions = n;
        g->next = 0;
}

/* True: one was sent. */
static bool ask_next(GuardCheck *g) {
        while (g->next < 2 * g->n_questions) {
                bool own = g->next < g->n_questions;

                g->asked = &g->questions[g->next++ % g->n_questions];
                if (question_fits(g, g->asked, own) && question_send(g))
                        return true;
        }
        return false;
}

static void guard_refuse(GuardCheck *g, const char *why) {
        Request *r = g->request;
        char tries[48];

        if (g->tries >= 0)
                snprintf(tries, sizeof(tries), "%d %s left", g->tries, g->tries == 1 ? "try" : "tries");
        else
                snprintf(tries, sizeof(tries), "how many tries are left is not known");
        snprintf(r->refusal, sizeof(r->refusal), "not sent: %s; %s", why, tries);
        request_fail(r, REQUEST_REFUSED, 0); /* the check goes with it */
        mux_flush_later(r->client->mux);
}

static void guard_decide(GuardCheck *g) {
        Request *r = g->request;
        Client *c = r->client;
        PinMemory *p = c->mux->pins;
        int tries = g->tries < 0 ? -1 : MAX(g->tries - (int) pin_memory_count(p, g->mark.hash.sim), 0);
        Lane *l = r->lane;

        g->mark.before = pin_memory_get(p, &g->mark.hash);
        if (!r->force) {
                if (g->untold) {
                        guard_refuse(g, "the SIM's answer would come where nobody guards it");
                        return;
                }
                if (g->mark.before == PIN_REJECTED) {
                        guard_refuse(g, "this SIM has rejected the same code before");
                        return;
                }
                if (g->mark.before == PIN_SENT) {
                        guard_refuse(g, "this SIM was given the same code, and its answer is not known");
                        return;
                }
                if (tries < TRIES_MIN) {
                        guard_refuse(g, tries < 0 ? "a wrong code may be the last"
                                        : tries < g->tries
                                                ? "codes that are under way may use up the tries"
                                                : "a wrong code would block the SIM, or does already");
                        return;
                }
        }
        g->mark.untold = g->untold;
        g->mark.tries = g->tries;
        r->mark = g->mark;
        r->guarded = false; /* any more */
        r->check = NULL;
        free(g);
        if (l)
                lane_update(l);
        mux_schedule(c->mux);
}

static void guard_go_on(GuardCheck *g) {
        const char *uri = port_get_uri(g->request->client->mux->port);

        if (g->questions == iccid_questions) {
                if (!g->has_sim && ask_next(g))
                        return;
                if (!g->has_sim) /* then it is for whatever SIM is in this modem */
                        g->mark.hash.sim = pin_memory_hash(g->request->client->mux->pins, uri, strlen(uri));
                begin_questions(g, tries_questions, ELEMENTSOF(tries_questions));
        }
        if (g->tries <= 0 && ask_next(g))
                return;
        guard_decide(g);
}

bool guard_holds(Request *r) {
        GuardCheck *g;

        if (!r->guarded)
                return false;
        if (r->check)
                return true;
        g = malloc(sizeof(*g));
        if (!g) {
                request_fail(r, REQUEST_GONE, 0);
                mux_flush_later(r->client->mux);
                return true;
        }
        *g = (GuardCheck){ .request = r, .kind = (GuardKind) r->row->guard, .tries = -1 };
        r->check = g;
        if (!r->client->mux->pins || !read_request(g)) {
                guard_refuse(g, "nobody can say which code it carries");
                return true;
        }
        begin_questions(g, iccid_questions, ELEMENTSOF(iccid_questions));
        guard_go_on(g);
        return true;
}

void guard_drop(Request *r) {
        GuardCheck *g = TAKE_PTR(r->check);

        if (!g)
                return;
        (void) request_cancel(TAKE_PTR(g->question));
        explicit_bzero(g, sizeof(*g));
        free(g);
}

/* ---- on the wire ---- */

void guard_on_send(Transaction *t, const Request *r) {
        Mux *m = t->client->mux;

        if (r->mark.hash.code == 0)
                return;
        t->mark = r->mark;
        t->mark.under_way = true;
        pin_memory_begin(m->pins, t->mark.hash.sim);
        pin_memory_set(m->pins, &t->mark.hash, t->mark.before == PIN_REJECTED ? PIN_REJECTED : PIN_SENT);
        mux_save_now(m);
}

void guard_on_end(Transaction *t) {
        if (t->mark.under_way)
                pin_memory_end(t->client->mux->pins, t->mark.hash.sim);
        t->mark.under_way = false;
}

/* Errors of a modem that has not tried the code: errors.csv. Any other may stand for a try. */
static bool was_not_tried(int error) {
        static const uint16_t untried[] = {
                0x0001, /* malformed message */
                0x0002, /* no memory */
                0x0007, /* invalid client id */
                0x000B, /* invalid PIN id */
                0x0011, /* missing argument */
                0x0013, /* argument too long */
                0x001A, /* no effect: it is verified already, or not asked for */
                0x0030, /* invalid argument */
                0x0034, /* device not ready */
                0x0047, /* invalid command */
                0x005E, /* not supported */
        };

        for (size_t i = 0; i < ELEMENTSOF(untried); i++)
                if (untried[i] == error)
                        return true;
        return false;
}

void guard_on_response(Transaction *t, const QmiMessage *m) {
        int result = tlv_result(m->tlvs, m->n_tlvs);
        PinMemory *p = t->client->mux->pins;
        PinVerdict verdict;

        if (t->mark.hash.code == 0)
                return;
        guard_on_end(t);
        if (t->mark.untold)
                return; /* that is not the SIM's answer */
        verdict = result <= 0 ? PIN_UNKNOWN : was_not_tried(result) ? t->mark.before : PIN_REJECTED;
        pin_memory_set(p, &t->mark.hash, verdict);
        if (result <= 0 && t->mark.new_code != 0)
                pin_memory_set(p, &(PinHash){ t->mark.hash.sim, t->mark.new_code }, PIN_UNKNOWN);
        mux_save_now(t->client->mux);
}

void mux_set_pin_memory(Mux *m, PinMemory *p) {
        m->pins = p;
}
