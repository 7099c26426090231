/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmi/codec-error.h"

#include <stdarg.h>
#include <stdio.h>

#include "qmi/text.h"

#define WRONG_SHOWN          40U
#define SYMBOLS_LISTED       12U
#define SYMBOLS_LISTED_BYTES 300U /* with what is before them, so that the hint has room */

/* As snprintf(), behind what is there already. */
static void add(char *text, size_t n_text, const char *format, ...) _printf_(3, 4);
static void add(char *text, size_t n_text, const char *format, ...) {
        size_t n = strlen(text);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text + n, n_text - n, format, ap);
        va_end(ap);
}

static void add_path(CodecError *e, const CodecPath *path) {
        if (path->parent) {
                add_path(e, path->parent);
                add(e->text, sizeof(e->text), ".");
        }
        if (path->name)
                add(e->text, sizeof(e->text), "%.60s", path->name);
        else
                add(e->text, sizeof(e->text), "%u", path->index);
}

int codec_fail(CodecError *error, const CodecPath *path, const char *format, ...) {
        size_t n;
        va_list ap;

        error->text[0] = 0;
        if (path) {
                add_path(error, path);
                add(error->text, sizeof(error->text), ": ");
        }
        n = strlen(error->text);
        va_start(ap, format);
        (void) vsnprintf(error->text + n, sizeof(error->text) - n, format, ap);
        va_end(ap);

        /* Something was cut in the middle of a character. */
        n = strlen(error->text);
        if (!utf8_is_valid(error->text, n))
                for (size_t i = 0; i < n; i++)
                        if (error->text[i] & 0x80)
                                error->text[i] = '?';
        return -EINVAL;
}

static const char *value_kind(const Value *v) {
        switch (v->type) {
        case VALUE_BOOL:
                return "a boolean";
        case VALUE_U8:
        case VALUE_I16:
        case VALUE_U16:
        case VALUE_I32:
        case VALUE_U32:
        case VALUE_I64:
        case VALUE_U64:
                return "an integer";
        case VALUE_DOUBLE:
                return "a floating point number";
        case VALUE_STRING:
                return "text";
        case VALUE_BYTES:
                return "bytes";
        case VALUE_ARRAY:
                return "an array";
        case VALUE_DICT:
                return "a dictionary";
        case VALUE_TLVS:
                return "TLVs";
        }
        return "something else";
}

int codec_fail_type(CodecError *error, const CodecPath *path, const Value *v, const char *expected) {
        return codec_fail(error, path, "%s is expected, not %s", expected, value_kind(v));
}

#define NAME_MAX_COMPARED 47U

/* How many letters must be put in, taken out or exchanged. */
static size_t edit_distance(const char *a, const char *b) {
        size_t row[NAME_MAX_COMPARED + 1], n_b = strnlen(b, NAME_MAX_COMPARED);

        for (size_t j = 0; j <= n_b; j++)
                row[j] = j;
        for (size_t i = 0; a[i] && i < NAME_MAX_COMPARED; i++) {
                size_t diagonal = row[0], best;

                row[0] = i + 1;
                for (size_t j = 0; j < n_b; j++) {
                        best = MIN(row[j], row[j + 1]) + 1;
                        best = MIN(best, diagonal + (schema_name_fold(a[i]) != schema_name_fold(b[j])));
                        diagonal = row[j + 1];
                        row[j + 1] = best;
                }
        }
        return row[n_b];
}

static bool begins_with(const char *name, const char *beginning) {
        while (*beginning)
                if (schema_name_fold(*name++) != schema_name_fold(*beginning++))
                        return false;
        return true;
}

void suggestions_add(Suggestions *s, const char *name) {
        size_t distance, i;

        /* One that goes on after what was given is near, however long it is. */
        distance = begins_with(name, s->wrong) ? 1 : edit_distance(s->wrong, name);
        if (distance > strlen(s->wrong) / 2)
                return;

        for (i = 0; i < s->n && s->distances[i] <= distance; i++)
                ;
        if (i == SUGGESTIONS_MAX)
                return;
        for (size_t j = MIN(s->n, SUGGESTIONS_MAX - 1U); j > i; j--) {
                s->names[j] = s->names[j - 1];
                s->distances[j] = s->distances[j - 1];
        }
        s->names[i] = name;
        s->distances[i] = distance;
        s->n = MIN(s->n + 1, (size_t) SUGGESTIONS_MAX);
}

const char *suggestions_text(const Suggestions *s, char *text, size_t n_text) {
        text[0] = 0;
        for (size_t i = 0; i < s->n; i++)
                add(text, n_text, "%s%s%s", i == 0 ? "; did you mean " : ", ", s->names[i],
                    i + 1 == s->n ? "?" : "");
        return text;
}

const char *no_symbol_text(uint16_t enum_row, const char *wrong, char *text, size_t n_text) {
        const SchemaEnum *row = schema_enums + enum_row;
        Suggestions near = { .wrong = wrong };
        char hint[256] = "";
        size_t n_shown;

        text[0] = 0;
        if (wrong) {
                n_shown = strnlen(wrong, WRONG_SHOWN);
                while (n_shown > 0 && (wrong[n_shown] & 0xC0) == 0x80) /* not in the middle of a character */
                        n_shown--;
                add(text, n_text, "'%.*s' is none of ", (int) n_shown, wrong);
        } else
                add(text, n_text, "the value is none of ");

        for (size_t i = 0; i < row->n; i++) {
                const char *symbol = schema_string(schema_enum_values[row->first + i].symbol);

                if (i == SYMBOLS_LISTED || strlen(text) + strlen(symbol) > SYMBOLS_LISTED_BYTES) {
                        add(text, n_text, ", …");
                        break;
                }
                add(text, n_text, "%s%s", i > 0 ? ", " : "", symbol);
        }
        for (size_t i = 0; wrong && i < row->n; i++)
                suggestions_add(&near, schema_string(schema_enum_values[row->first + i].symbol));
        add(text, n_text, "%s", suggestions_text(&near, hint, sizeof(hint)));
        return text;
}
