/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "args.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "qmi/codec-error.h"
#include "scalar.h"

/* A key of the command line, with what stands below it. */
typedef struct Word Word;
struct Word {
        const char *key;  /* with underscores */
        const char *path; /* "profiles.2.name" */
        const char *text; /* its value; NULL if it has none (yet) */
        enum {
                WORD_GIVEN,
                WORD_READ,  /* comes from standard input */
                WORD_ASKED, /* is asked for */
        } source;
        Word *children, *next;
};

typedef struct Args {
        const ArgsInput *input;
        Arena *arena;
        CodecError *error;
        Word root;
        Word *read;    /* what standard input is for */
        bool complete; /* second walk: what was read and asked for is there */
} Args;

static int fail(Args *a, const char *format, ...) _printf_(2, 3);
static int fail(Args *a, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(a->error->text, sizeof(a->error->text), format, ap);
        va_end(ap);
        return -EINVAL;
}

static Word *word_find(const Word *parent, const char *key) {
        for (Word *w = parent->children; w; w = w->next)
                if (streq(w->key, key))
                        return w;
        return NULL;
}

static Word *word_add(Args *a, Word *parent, const char *key) {
        Word *w, **end = &parent->children;

        w = arena_alloc(a->arena, sizeof(Word));
        if (!w)
                return NULL;
        w->key = key;
        w->path = parent == &a->root ? key : arena_printf(a->arena, "%s.%s", parent->path, key);
        if (!w->path)
                return NULL;
        while (*end)
                end = &(*end)->next;
        *end = w;
        return w;
}

static int word_parse(Args *a, const char *text, size_t number) {
        const char *equals = strchr(text, '=');
        Word *w = &a->root;
        char *path, *key;

        if (!equals)
                /* Not shown: it may be a PIN whose key was forgotten. */
                return fail(a, "argument %zu behind the message is not of the form KEY=VALUE", number);
        path = arena_strndup(a->arena, text, (size_t) (equals - text));
        if (!path)
                return -ENOMEM;
        for (char *p = path; *p; p++)
                if (*p == '-')
                        *p = '_';

        while ((key = strsep(&path, "."))) {
                Word *child;

                if (!*key)
                        return fail(a, "argument %zu behind the message has an empty key", number);
                if (w->text || w->source == WORD_READ)
                        return fail(a, "%s: given as a whole and in parts", w->path);
                child = word_find(w, key);
                if (!child)
                        child = word_add(a, w, key);
                if (!child)
                        return -ENOMEM;
                w = child;
        }
        if (w->text || w->source == WORD_READ)
                return fail(a, "%s: given twice", w->path);
        if (w->children)
                return fail(a, "%s: given as a whole and in parts", w->path);

        if (streq(equals + 1, "-")) {
                if (a->read)
                        return fail(a, "%s: standard input is taken by %s already", w->path, a->read->path);
                w->source = WORD_READ;
                a->read = w;
        } else
                w->text = equals + 1;
        return 0;
}

static int parse_value(Args *a, const SchemaType *t, unsigned bits, bool secret, Word *w, Value *ret);

/* May a struct lack it? The encoder has the last word; this is to know what must be asked for. */
static bool field_is_optional(const SchemaField *f) {
        const SchemaType *t = &schema_types[f->type];

        return f->flags & (SCHEMA_HIDDEN | SCHEMA_PADDING | SCHEMA_VALID_BYTE | SCHEMA_VALID_BIT) ||
               (t->number && schema_numbers[t->number].has_sentinel);
}

/* "name_bytes", where text may be given as bytes. */
static const char *field_bytes_name(const SchemaField *f) {
        return f->bytes_name && schema_types[f->type].kind != SCHEMA_ARRAY ? schema_string(f->bytes_name)
                                                                           : NULL;
}

/* A secret that must be there and was not given will be asked for. 1 and its (new) word; 0: nothing to be
 * done. */
static int secret_add(Args *a, const SchemaField *f, bool secret, Word *parent, Word **ret) {
        const SchemaType *t = &schema_types[f->type];
        Word *w;

        if (t->kind == SCHEMA_STRUCT) {
                /* One that is missing as a whole is only worth a question if nothing else in it is missing.
                 */
                for (uint16_t i = 0; i < t->count; i++) {
                        const SchemaField *inner = &schema_fields[t->item + i];

                        if (!field_is_optional(inner) && !secret && !(inner->flags & SCHEMA_SECRET))
                                return 0;
                }
        } else if (!secret || !scalar_is(t))
                return 0;

        w = word_add(a, parent, schema_string(f->name));
        if (!w)
                return -ENOMEM;
        if (t->kind != SCHEMA_STRUCT)
                w->source = WORD_ASKED;
        *ret = w;
        return 1;
}

/* The type that the value of "<key>_bytes" has. */
static const SchemaType type_bytes = { .kind = SCHEMA_BYTES };

/* One key of a dictionary, or its bytes where it is text. `secret`: what it is in is. */
static int parse_field(Args *a, const SchemaField *f, bool optional, bool secret, Word *parent,
                       Value *dict) {
        const char *name = schema_string(f->name), *bytes_name = field_bytes_name(f);
        const SchemaType *t = &schema_types[f->type];
        Word *w = word_find(parent, name), *bytes = bytes_name ? word_find(parent, bytes_name) : NULL;
        Value v, *place;
        int r;

        secret = secret || f->flags & SCHEMA_SECRET;
        if (w && bytes)
                return fail(a, "%s: given both as text and as %s", w->path, bytes_name);
        if (bytes) {
                w = bytes;
                name = bytes_name;
                t = &type_bytes;
        }
        if (!w) {
                if (optional)
                        return 0;
                r = secret_add(a, f, secret, parent, &w);
                if (r < 0)
                        return r;
                if (r == 0)
                        return fail(a, "%s%s%s: missing", parent->path ?: "", parent->path ? "." : "", name);
        }

        r = parse_value(a, t, f->bits, secret, w, &v);
        if (r <= 0)
                return r;
        place = value_dict_add(dict, a->arena, name);
        if (!place)
                return -ENOMEM;
        *place = v;
        return 0;
}

/* Whether a word is the key of a field, or of its bytes. */
static bool field_has_key(const SchemaField *f, const char *key, Suggestions *near) {
        const char *bytes_name = field_bytes_name(f);

        if (f->flags & (SCHEMA_HIDDEN | SCHEMA_PADDING))
                return false;
        if (streq(schema_string(f->name), key) || (bytes_name && streq(bytes_name, key)))
                return true;
        suggestions_add(near, schema_string(f->name));
        return false;
}

static int fail_unknown(Args *a, const Word *w, const Suggestions *near) {
        char text[128];

        return fail(a, "%s: no such field%s", w->path, suggestions_text(near, text, sizeof(text)));
}

static int parse_struct(Args *a, const SchemaType *t, bool secret, Word *w, Value *ret) {
        int r;

        for (Word *child = w->children; child; child = child->next) {
                Suggestions near = { .wrong = child->key };
                bool known = false;

                for (uint16_t i = 0; i < t->count && !known; i++)
                        known = field_has_key(&schema_fields[t->item + i], child->key, &near);
                if (!known)
                        return fail_unknown(a, child, &near);
        }

        *ret = (Value){ .type = VALUE_DICT };
        for (uint16_t i = 0; i < t->count; i++) {
                const SchemaField *f = &schema_fields[t->item + i];

                if (f->flags & (SCHEMA_HIDDEN | SCHEMA_PADDING))
                        continue;
                r = parse_field(a, f, field_is_optional(f), secret, w, ret);
                if (r < 0)
                        return r;
        }
        return 1;
}

/* "a=1,2,3": each element becomes a word of its own, so that errors name it. */
static int split_elements(Args *a, const SchemaType *element, Word *w) {
        const char *p = w->text;

        if (!scalar_is(element) || element->kind == SCHEMA_FLAGS)
                return fail(a, "%s: a list whose elements are given one by one, from %s.0 on", w->path,
                            w->path);
        for (unsigned i = 0; *p; i++) {
                size_t n = strcspn(p, ",");
                const char *key = arena_printf(a->arena, "%u", i);
                Word *child;

                if (!key)
                        return -ENOMEM;
                child = word_add(a, w, key);
                if (!child)
                        return -ENOMEM;
                child->text = arena_strndup(a->arena, p, n);
                if (!child->text)
                        return -ENOMEM;
                child->source = w->source;
                p += n;
                if (*p == ',' && !*++p)
                        return fail(a, "%s: a list ends with a comma", w->path);
        }
        w->text = NULL;
        return 0;
}

static int parse_array(Args *a, const SchemaType *t, bool secret, Word *w, Value *ret) {
        const SchemaType *element = &schema_types[t->item];
        uint32_t n = 0;
        int r;

        if (w->text) {
                r = split_elements(a, element, w);
                if (r < 0)
                        return r;
        }
        for (Word *child = w->children; child; child = child->next)
                n++;
        *ret = (Value){ .type = VALUE_ARRAY, .n = n, .signature = schema_string(element->signature) };
        ret->elements = arena_alloc(a->arena, n * sizeof(Value));
        if (!ret->elements)
                return -ENOMEM;
        for (uint32_t i = 0; i < n; i++) {
                char key[16];
                Word *child;

                snprintf(key, sizeof(key), "%" PRIu32, i);
                child = word_find(w, key);
                if (!child)
                        return fail(a, "%s: has %" PRIu32 " elements, but no %s.%s", w->path, n, w->path,
                                    key);
                r = parse_value(a, element, 0, secret, child, &ret->elements[i]);
                if (r < 0)
                        return r;
        }
        return 1;
}

/* 1 and a value, or 0: it is not there yet. */
static int parse_value(Args *a, const SchemaType *t, unsigned bits, bool secret, Word *w, Value *ret) {
        bool pending = w->source != WORD_GIVEN;
        const char *why = NULL;
        int r;

        if (secret && w->text && !pending)
                return fail(a,
                            "%s: secret, and not taken from the command line, where others can read it. "
                            "Leave it out to be asked for it, or give %s=- and write it to standard input",
                            w->path, w->path);
        if (pending && !a->complete && (scalar_is(t) || t->kind == SCHEMA_ARRAY))
                return 0;

        if (t->kind == SCHEMA_STRUCT || t->kind == SCHEMA_BITS) {
                if (w->text || pending)
                        return fail(a, "%s: a group of fields, which are given one by one as %s.KEY=VALUE",
                                    w->path, w->path);
                return parse_struct(a, t, secret, w, ret);
        }
        if (t->kind == SCHEMA_ARRAY)
                return parse_array(a, t, secret, w, ret);

        if (w->children)
                return fail(a, "%s: no such field", w->children->path);
        r = scalar_parse(t, bits, secret, w->text, a->arena, ret, &why);
        if (r == -EINVAL)
                return fail(a, "%s: %s", w->path, why);
        return r < 0 ? r : 1;
}

/* Everything once. */
static int parse_request(Args *a, const SchemaMessage *m, Value *ret) {
        int r;

        for (Word *w = a->root.children; w; w = w->next) {
                Suggestions near = { .wrong = w->key };
                bool known = false;

                for (uint16_t i = 0; i < m->request.n && !known; i++)
                        known = field_has_key(&schema_tlvs[m->request.first + i].field, w->key, &near);
                if (!known)
                        return fail_unknown(a, w, &near);
        }

        *ret = (Value){ .type = VALUE_DICT };
        for (uint16_t i = 0; i < m->request.n; i++) {
                const SchemaTlv *t = &schema_tlvs[m->request.first + i];

                if (t->alternative > 0) /* the first layout is what is sent */
                        continue;
                r = parse_field(a, &t->field, !(t->field.flags & SCHEMA_MANDATORY), false, &a->root, ret);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void erase_free(char **p) {
        if (*p)
                explicit_bzero(*p, strlen(*p));
        free(*p);
}

/* The text of a word that is read or asked for. It goes into the arena, which its owner erases. */
static int obtain(Args *a, Word *w) {
        _cleanup_(erase_free) char *text = NULL;
        int r;

        if (w->source == WORD_READ)
                r = a->input->read(&text, a->input->userdata);
        else
                r = a->input->ask(w->path, &text, a->input->userdata);
        if (r == -ENOTTY)
                return fail(
                        a,
                        "%s: missing. It is secret, and nobody is there to be asked for it: give %s=- and "
                        "write it to standard input",
                        w->path, w->path);
        if (r < 0)
                return r;
        w->text = arena_strndup(a->arena, text, strlen(text));
        return w->text ? 0 : -ENOMEM;
}

static int obtain_all(Args *a, Word *parent) {
        int r;

        for (Word *w = parent->children; w; w = w->next) {
                r = w->source == WORD_GIVEN ? obtain_all(a, w) : obtain(a, w);
                if (r < 0)
                        return r;
        }
        return 0;
}

int args_parse(const SchemaMessage *m, char **words, size_t n_words, const ArgsInput *input, Arena *arena,
               Value *ret, CodecError *error) {
        Args a = { .input = input, .arena = arena, .error = error };
        Value dict;
        int r;

        for (size_t i = 0; i < n_words; i++) {
                r = word_parse(&a, words[i], i + 1);
                if (r < 0)
                        return r;
        }
        r = parse_request(&a, m, &dict);
        if (r < 0)
                return r;
        r = obtain_all(&a, &a.root);
        if (r < 0)
                return r;
        a.complete = true;
        r = parse_request(&a, m, &dict);
        if (r < 0)
                return r;
        *ret = dict;
        return 0;
}
