/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rules.h"

#include <ctype.h>

void rules_done(Rules *r) {
        for (size_t i = 0; i < r->n; i++) {
                for (size_t j = 0; j < r->rules[i].n_conditions; j++)
                        free(r->rules[i].conditions[j]);
                for (size_t j = 0; j < r->rules[i].n_actions; j++)
                        free(r->rules[i].actions[j]);
                free(r->rules[i].conditions);
                free(r->rules[i].actions);
        }
        free(r->rules);
        *r = (Rules){};
}

int rules_begin(Rules *r, const char *message, uint16_t vendor, unsigned line, char **ret_error) {
        MessageRef ref;
        Rule *grown;
        int k;

        k = message_ref_parse(message, vendor, &ref, ret_error);
        if (k < 0)
                return k;
        if (ref.is_indication || *ref.rest)
                return mistake(ret_error, "\"%s\" is no request", message);
        grown = reallocarray(r->rules, r->n + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        r->rules = grown;
        r->rules[r->n++] = (Rule){ .service = ref.service, .message = ref.message, .line = line };
        return 0;
}

static int strings_add(char ***strings, size_t *n, const char *text) {
        char **grown;

        grown = reallocarray(*strings, *n + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        *strings = grown;
        grown[*n] = strdup(text);
        if (!grown[*n])
                return -ENOMEM;
        (*n)++;
        return 0;
}

typedef enum Operator {
        OPERATOR_EXISTS, /* a lone key */
        OPERATOR_EQUAL,
        OPERATOR_UNEQUAL,
        OPERATOR_HAS,
        _OPERATOR_MAX,
} Operator;

/* "LEFT == RIGHT" taken apart in place. */
static Operator condition_split(char *text, const char **ret_left, const char **ret_right) {
        static const char *const names[_OPERATOR_MAX] = {
                [OPERATOR_EQUAL] = " == ",
                [OPERATOR_UNEQUAL] = " != ",
                [OPERATOR_HAS] = " has ",
        };

        *ret_left = text;
        *ret_right = NULL;
        for (Operator o = OPERATOR_EQUAL; o < _OPERATOR_MAX; o++) {
                char *p = strstr(text, names[o]);

                if (p) {
                        *p = '\0';
                        *ret_right = p + strlen(names[o]);
                        return o;
                }
        }
        return OPERATOR_EXISTS;
}

static bool is_key(const char *s) {
        return isalpha((unsigned char) *s) && strchr(s, '.') && strncmp(s, "hex:", 4) != 0;
}

int rules_add_condition(Rules *r, const char *text, uint16_t vendor, char **ret_error) {
        _cleanup_free_ char *copy = NULL;
        const char *left, *right;
        MessageRef ref;
        int k;

        if (r->n == 0)
                return mistake(ret_error, "\"if\" without \"on\"");
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        (void) condition_split(copy, &left, &right);
        if (!is_key(left))
                return mistake(ret_error, "\"%s\" is neither request.KEY nor SERVICE.MESSAGE.KEY", left);
        if (strncmp(left, "request.", 8) != 0) {
                k = message_ref_parse(left, vendor, &ref, ret_error);
                if (k < 0)
                        return k;
        }
        if (right && !is_key(right)) {
                Value v = { .type = VALUE_DICT };

                k = scalar_parse(right, &v);
                scalar_done(&v);
                if (k < 0)
                        return k == -ENOMEM ? k : mistake(ret_error, "\"%s\" is no value", right);
        }
        return strings_add(&r->rules[r->n - 1].conditions, &r->rules[r->n - 1].n_conditions, text);
}

int rules_add_action(Rules *r, const char *text, char **ret_error) {
        if (r->n == 0)
                return mistake(ret_error, "\"do\" without \"on\"");
        return strings_add(&r->rules[r->n - 1].actions, &r->rules[r->n - 1].n_actions, text);
}

const Value *rule_lookup(const char *key, Answers *a, const Value *request) {
        _cleanup_free_ char *copy = NULL;
        const Value *at = request;

        if (strncmp(key, "request.", 8) != 0)
                return answers_get(a, key);

        copy = strdup(key + 8);
        if (!copy)
                return NULL;
        for (char *p = copy; *p; p++)
                if (*p == '-')
                        *p = '_';
        for (char *save = NULL, *name = strtok_r(copy, ".", &save); name && at;
             name = strtok_r(NULL, ".", &save)) {
                unsigned long i;

                if (at->type == VALUE_ARRAY)
                        at = number_parse(name, UINT32_MAX, &i) >= 0 && i < at->n ? &at->elements[i] : NULL;
                else
                        at = value_dict_get(at, name);
        }
        return at;
}

static bool condition_holds(const char *text, Answers *a, const Value *request) {
        _cleanup_free_ char *copy = NULL;
        Value literal = { .type = VALUE_DICT };
        const Value *l, *r = NULL;
        const char *left, *right;
        bool holds = false;
        Operator o;

        copy = strdup(text);
        if (!copy)
                return false;
        o = condition_split(copy, &left, &right);
        l = rule_lookup(left, a, request);
        if (right && is_key(right))
                r = rule_lookup(right, a, request);
        else if (right && scalar_parse(right, &literal) >= 0)
                r = &literal;

        switch (o) {
        case OPERATOR_EXISTS:
                holds = l;
                break;
        case OPERATOR_EQUAL:
                holds = l && r && scalar_equal(l, r);
                break;
        case OPERATOR_UNEQUAL:
                holds = !(l && r && scalar_equal(l, r));
                break;
        case OPERATOR_HAS:
                for (uint32_t i = 0; l && r && l->type == VALUE_ARRAY && i < l->n && !holds; i++)
                        holds = scalar_equal(&l->elements[i], r);
                break;
        case _OPERATOR_MAX:
                break;
        }
        scalar_done(&literal);
        return holds;
}

bool rule_applies(const Rule *rule, Answers *a, const Value *request) {
        for (size_t i = 0; i < rule->n_conditions; i++)
                if (!condition_holds(rule->conditions[i], a, request))
                        return false;
        return true;
}
