/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "answers.h"

/* What a request changes in the modem:
 *
 *   on dms.uim-verify-pin
 *   if request.info.pin-value != "1234"
 *   do add -1 dms.uim-get-pin-status.pin1-status.verify-retries-left
 *   do fail incorrect-pin
 *
 * Every `if` must hold. Left of == and != stands a value of the request ("request.KEY") or of an answer
 * ("SERVICE.MESSAGE.KEY"), right of it another or a literal; "request.KEY" alone asks whether it is there.
 * What is to be done are commands (command.h), in order; after `fail` nothing more is done, also by later
 * rules. */

typedef struct Rule {
        uint16_t service, message;
        char **conditions;
        size_t n_conditions;
        char **actions;
        size_t n_actions;
        unsigned line;
} Rule;

typedef struct Rules {
        Rule *rules;
        size_t n;
} Rules;

void rules_done(Rules *r);
int rules_begin(Rules *r, const char *message, uint16_t vendor, unsigned line, char **ret_error);
int rules_add_condition(Rules *r, const char *text, uint16_t vendor, char **ret_error);
int rules_add_action(Rules *r, const char *text, char **ret_error);

/* Whether all conditions hold; `request` as decoded. */
bool rule_applies(const Rule *r, Answers *a, const Value *request);
/* "request.info.pin-value" or "nas.get-x.key": NULL if nothing is there. */
const Value *rule_lookup(const char *key, Answers *a, const Value *request);
