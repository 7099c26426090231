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

/* "LEFT == RIGHT" taken apart in place: 1 for ==, -1 for !=, 0 for a lone key. */
static int condition_split(char *text, const char **ret_left, const char **ret_right) {
        char *op = strstr(text, " == ");
        int sign = 1;

        if (!op) {
                op = strstr(text, " != ");
                sign = -1;
        }
        *ret_left = text;
        *ret_right = NULL;
        if (!op)
                return 0;
        *op = '\0';
        *ret_right = op + 4;
        return sign;
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
        const Value *l, *r;
        Value literal = { .type = VALUE_DICT };
        const char *left, *right;
        bool equal;
        int sign;

        copy = strdup(text);
        if (!copy)
                return false;
        sign = condition_split(copy, &left, &right);
        l = rule_lookup(left, a, request);
        if (sign == 0)
                return l;
        if (is_key(right))
                r = rule_lookup(right, a, request);
        else if (scalar_parse(right, &literal) >= 0)
                r = &literal;
        else
                return false;
        equal = l && r && scalar_equal(l, r);
        scalar_done(&literal);
        return equal == (sign > 0);
}

bool rule_applies(const Rule *rule, Answers *a, const Value *request) {
        for (size_t i = 0; i < rule->n_conditions; i++)
                if (!condition_holds(rule->conditions[i], a, request))
                        return false;
        return true;
}
