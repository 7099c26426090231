/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mux/mux.h"
#include "qmi/value.h"

/* The daemon's own questions to the modem, by the names of the schema: a dictionary goes out, and one comes
 * back. */

/* What a question says. */
typedef struct Form {
        Arena arena;
        Value dict;
        bool failed; /* out of memory; ask() returns it */
} Form;

void form_init(Form *f);
void form_done(Form *f); /* overwrites it */
#define _cleanup_form_ _cleanup_(form_done)

/* `dict`: where to put it: &f->dict, or what form_dict() returned, which is to be filled in before anything
 * else is put beside it. Text and keys are not copied. */
Value *form_dict(Form *f, Value *dict, const char *key);
void form_number(Form *f, Value *dict, const char *key, uint64_t n);
void form_bool(Form *f, Value *dict, const char *key, bool b);
void form_text(Form *f, Value *dict, const char *key, const char *text); /* a symbol, too */
void form_symbols(Form *f, Value *dict, const char *key, const char *const *symbols, size_t n);

typedef struct Answer {
        /* 0; above 0 the QMI protocol error. Below 0: -ETIMEDOUT; -ENODEV (nobody can be asked any more: the
         * port is gone, the modem has started anew or has forgotten the client); -ENOBUFS (no client id
         * could be had); -EBADMSG, -ENOMEM. */
        int error;
        const Value *dict; /* the response, also one that says failure; without one it is empty */
} Answer;

typedef void (*AskDone)(const Answer *answer, void *userdata);

/* One question at a time; all zero: none. */
typedef struct Ask {
        Request *request;
        const SchemaMessage *message;
        uint16_t vendor;
        AskDone done;
        void *userdata;
} Ask;

/* `timeout_usec`: as RequestSpec.timeout_usec. `done` comes from the event loop, exactly once unless
 * ask_cancel() comes before it, and may ask anew. 0; -EOPNOTSUPP (no such service or message), -EINVAL (the
 * form does not fit the message, which is logged), -ENOMEM, or the errors of request_new(). */
int ask(Ask *a, Client *c, const Owner *owner, const char *message, const Form *form, uint64_t timeout_usec,
        AskDone done, void *userdata);
/* On the client that all share, in `requester`'s turn. */
int ask_shared(Ask *a, Mux *m, uint16_t service, const Owner *requester, const char *message,
               const Form *form, uint64_t timeout_usec, AskDone done, void *userdata);
/* Nobody waits for the answer any more: as request_cancel(). */
void ask_cancel(Ask *a);

static inline bool ask_is_open(const Ask *a) {
        return a->request;
}

/* Whether it is the QMI protocol error of that symbol. */
bool answer_error_is(int error, const char *symbol);
/* A symbol, or words. */
const char *answer_error_text(int error);

/* Reading an answer. What is not there, or of another type, leaves *ret as it is. */
const Value *answer_get(const Value *dict, const char *key); /* NULL: not there; `dict` may be NULL */
bool answer_number(const Value *dict, const char *key, uint64_t *ret);
bool answer_bool(const Value *dict, const char *key, bool *ret);
/* Text, or a symbol: NULL if it is none. */
const char *answer_text(const Value *dict, const char *key);
bool answer_is(const Value *dict, const char *key, const char *symbol);
