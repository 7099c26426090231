/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "entries.h"
#include "qmi/codec.h"

/* What the modem answers to each message, and what its indications carry. Keys as scenarios spell them:
 *
 *   nas.get-signal-info.lte.rsrp = -95       a value of the response (or of an indication)
 *   nas.get-signal-info = {}                 it is answered, without any value
 *   nas.get-signal-info.!error = no-effect   it fails; TLVs of failures come from
 *   nas.get-signal-info.!failed.KEY = …      here
 *   nas.get-signal-info.!latency = 20ms
 *   nas.signal-info.!like = nas.get-signal-info   takes over the values that it has keys for
 *   raw.0x03.0x004f.0x14 = 00ff              a TLV as it is, behind the others; also raw-indication.…
 *
 * Services and messages may be numbers everywhere. */

typedef struct MessageRef {
        uint16_t service, message;
        bool is_indication;
        const SchemaMessage *schema; /* NULL: not in the schema */
        const char *rest;            /* what stands behind the message's name and a dot; "" */
} MessageRef;

typedef struct Answer {
        MessageRef ref;
        char *name; /* "nas.get-signal-info" */
        Entries values, failed;
        TlvWriter raw;
        Value like; /* a string: the name of another answer; or an empty dictionary */
        uint16_t error;
        bool has_latency;
        uint64_t latency_usec;
        unsigned line;

        TlvWriter
                encoded; /* what answer_encode() gives without extras, made anew when `generation` is old */
        uint64_t generation;
} Answer;

typedef struct Answers {
        Answer **answers;
        size_t n;
        uint16_t vendor;
        uint64_t generation; /* counts changes */
} Answers;

void answers_done(Answers *a);
/* Takes "nas.get-signal-info", "0x03.0x004f", with anything behind a further dot left in `rest`. */
int message_ref_parse(const char *text, uint16_t vendor, MessageRef *ret, char **ret_error);
Answer *answers_find(Answers *a, uint16_t service, uint16_t message, bool is_indication);
/* 0; -EINVAL with *ret_error; -ENOMEM. Values are checked when they are encoded. */
int answers_set(Answers *a, const char *key, const char *text, unsigned line, char **ret_error);
int answers_set_value(Answers *a, const char *key, const Value *value, unsigned line, char **ret_error);
int answers_unset(Answers *a, const char *key, char **ret_error);
const Value *answers_get(Answers *a, const char *key);
/* Appends the TLVs. `failed`: those of a failure. `extra` (or NULL): values that go over the answer's own.
 */
int answer_encode(Answers *a, Answer *answer, bool failed, const Entries *extra, TlvWriter *w,
                  char **ret_error);
/* Appends the TLVs of other values than the answer's own; `failed`: without those of raw.… */
int answer_encode_values(Answers *a, const Answer *answer, bool failed, const Entries *values, TlvWriter *w,
                         char **ret_error);
/* Encodes everything there is: the first mistake. *ret_line: where it stands. */
int answers_check(Answers *a, unsigned *ret_line, char **ret_error);

int qmi_error_parse(const char *text, uint16_t *ret);     /* "no-effect", "26", "0x1a" */
int duration_parse(const char *text, uint64_t *ret_usec); /* "2.5s", "20ms" */
int number_parse(const char *text, unsigned long max, unsigned long *ret);
/* Fills in *ret_error and returns -EINVAL. */
int mistake(char **ret_error, const char *format, ...) _printf_(2, 3);
