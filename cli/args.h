/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "qmi/codec.h"
#include "qmi/schema.h"
#include "qmi/value.h"

/* The words "key=value", "a.b=value", "a.0.b=value" of the command line as the dictionary of a request.
 *
 * A key may be spelled with dashes. "key=-" takes the value from standard input. What is `secret` in the
 * schema is not taken from the command line, where every process of the machine can read it. */

/* Where values come from that are not on the command line. Each gives a string from malloc(), which is
 * overwritten and freed after use, or a negative errno. */
typedef struct ArgsInput {
        /* All of standard input. Called once at most. */
        int (*read)(char **ret, void *userdata);
        /* Asks a person for `key` without showing the answer. -ENOTTY when nobody can be asked. */
        int (*ask)(const char *key, char **ret, void *userdata);
        void *userdata;
} ArgsInput;

/* Reads standard input and asks only after everything else has been found good. Numbers are checked against
 * their width here; what else can be wrong with a value, message_encode() finds. 0; -EINVAL and `error`
 * filled in, never with the value of a secret; -ENOMEM; what `read` and `ask` returned. */
int args_parse(const SchemaMessage *m, char **words, size_t n_words, const ArgsInput *input, Arena *a,
               Value *ret, CodecError *error);
