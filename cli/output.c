/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "access.h"

#define WIDTH_DEFAULT 80U
#define WIDTH_MIN     40U
#define KEY_WIDTH_MAX 32U

const char *output_number(double number, char buffer[static OUTPUT_NUMBER_MAX]) {
        if (number == trunc(number) && fabs(number) < 1e15) { /* not 3e+01 */
                snprintf(buffer, OUTPUT_NUMBER_MAX, "%.0f", number);
                return buffer;
        }
        for (int digits = 1; digits <= 17; digits++) {
                snprintf(buffer, OUTPUT_NUMBER_MAX, "%.*g", digits, number);
                if (strtod(buffer, NULL) == number)
                        break;
        }
        return buffer;
}

/* C0 and C1 control characters, DEL, and what turns the direction of text around. The bytes it takes, 0:
 * none. */
static size_t control_length(const char *text) {
        const unsigned char *p = (const unsigned char *) text;

        if (p[0] < 0x20 || p[0] == 0x7F)
                return 1;
        if (p[0] == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0)
                return 2;
        if (p[0] == 0xE2 &&
            ((p[1] == 0x80 && ((p[2] >= 0xAA && p[2] <= 0xAE) || p[2] == 0xA8 || p[2] == 0xA9)) ||
             (p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9)))
                return 3;
        return 0;
}

void output_text(FILE *f, const char *text) {
        while (*text) {
                size_t n = control_length(text);

                if (n == 0)
                        putc(*text++, f);
                else if (*text == '\n') {
                        fputs("\\n", f);
                        text++;
                } else
                        for (; n > 0; n--)
                                fprintf(f, "\\x%02x", (unsigned char) *text++);
        }
}

size_t output_text_width(const char *text) {
        size_t width = 0;

        while (*text) {
                size_t n = control_length(text);

                if (n == 0) {
                        width += ((unsigned char) *text & 0xC0) != 0x80;
                        text++;
                } else {
                        width += *text == '\n' ? 2 : 4 * n;
                        text += n;
                }
        }
        return width;
}

size_t output_width(void) {
        struct winsize size;

        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
                return WIDTH_DEFAULT;
        return MAX((size_t) size.ws_col, (size_t) WIDTH_MIN);
}

void output_indent(FILE *f, size_t n_columns) {
        fprintf(f, "%*s", (int) n_columns, "");
}

OutputLine output_line(FILE *f, size_t column) {
        return (OutputLine){ .file = f, .column = column, .indent = column, .empty = true };
}

void output_word(OutputLine *l, const char *word) {
        size_t width = output_text_width(word), columns = output_width(), indent;

        if (!l->empty && l->column + 1 + width > columns) {
                /* What is too long to stand below the beginning goes as far to the left as it must. */
                indent = MIN(l->indent, width < columns ? columns - width : (size_t) 0);
                putc('\n', l->file);
                output_indent(l->file, indent);
                l->column = indent;
        } else if (!l->empty) {
                putc(' ', l->file);
                l->column++;
        }
        output_text(l->file, word);
        l->column += width;
        l->empty = false;
}

void output_words(OutputLine *l, const char *words) {
        _cleanup_free_ char *copy = strdup(words);
        char *rest = copy, *word;

        while ((word = strsep(&rest, " ")))
                output_word(l, word);
}

void output_bytes(OutputLine *l, const uint8_t *bytes, size_t n_bytes) {
        for (size_t i = 0; i < n_bytes; i++) {
                char hex[3];

                snprintf(hex, sizeof(hex), "%02x", bytes[i]);
                output_word(l, hex);
        }
}

/* A value with what belongs to it; `whole`: kept on one line if it fits on any. */
static void put_words(OutputLine *l, bool whole, const char *text, const char *unit, const char *end) {
        _cleanup_free_ char *words = NULL;

        if (asprintf(&words, "%s%s%s%s", text, *unit ? " " : "", unit, end) < 0) {
                words = NULL;
                return;
        }
        if (whole && l->indent + output_text_width(words) <= output_width())
                output_word(l, words);
        else
                output_words(l, words);
}

/* `element`: of a list, which has commas between them. */
static void put_value(OutputLine *l, const SchemaType *t, const Value *v, bool element, const char *end) {
        const char *unit = "";
        char number[OUTPUT_NUMBER_MAX];

        if (t && t->kind != SCHEMA_ARRAY && t->number && schema_numbers[t->number].unit)
                unit = schema_string(schema_numbers[t->number].unit);

        switch (v->type) {
        case VALUE_BOOL:
                put_words(l, element, v->boolean ? "yes" : "no", "", end);
                return;
        case VALUE_U8:
        case VALUE_U16:
        case VALUE_U32:
        case VALUE_U64:
                snprintf(number, sizeof(number), "%" PRIu64, v->u64);
                put_words(l, element, number, unit, end);
                return;
        case VALUE_I16:
        case VALUE_I32:
        case VALUE_I64:
                snprintf(number, sizeof(number), "%" PRIi64, v->i64);
                put_words(l, element, number, unit, end);
                return;
        case VALUE_DOUBLE:
                put_words(l, element, output_number(v->number, number), unit, end);
                return;
        case VALUE_STRING:
                put_words(l, element, *v->string ? v->string : "\"\"", "", end);
                return;
        case VALUE_BYTES:
                if (v->n == 0)
                        put_words(l, element, "no bytes", "", end);
                output_bytes(l, v->bytes, v->n);
                if (v->n > 0 && *end)
                        output_word(l, end);
                return;
        case VALUE_ARRAY:
                if (v->n == 0)
                        put_words(l, element, "none", "", end);
                for (uint32_t i = 0; i < v->n; i++)
                        put_value(l, t && t->kind == SCHEMA_ARRAY ? &schema_types[t->item] : NULL,
                                  &v->elements[i], true, i + 1 < v->n ? "," : end);
                return;
        case VALUE_DICT:
        case VALUE_TLVS:
                break;
        }
        assert(false);
}

void output_value(OutputLine *l, const SchemaType *t, const Value *v) {
        put_value(l, t, v, false, "");
}

/* ---- dictionaries ---- */

/* The rows that a dictionary's keys are looked up in: TLVs of a message, or fields of a struct. */
typedef struct Rows {
        SchemaTlvs tlvs;
        const SchemaType *type; /* NULL: the TLVs */
        AccessSet withheld;     /* classes of what the message lacks */
} Rows;

static size_t rows_n(const Rows *rows) {
        return rows->type ? rows->type->count : rows->tlvs.n;
}

static const SchemaField *rows_field(const Rows *rows, size_t i) {
        return rows->type ? &schema_fields[rows->type->item + i] : &schema_tlvs[rows->tlvs.first + i].field;
}

static Rows rows_of_type(const SchemaType *t) {
        static const SchemaType none = { .kind = SCHEMA_STRUCT };

        return (Rows){ .type = t && (t->kind == SCHEMA_STRUCT || t->kind == SCHEMA_BITS) ? t : &none };
}

/* Could the value have come by this type? Decides among several layouts of one TLV. */
static bool type_fits(const SchemaType *t, const Value *v) {
        const char *signature = schema_string(t->signature);

        if (v->type == VALUE_DICT) {
                Rows rows = rows_of_type(t);

                for (uint32_t i = 0; i < v->n; i++) {
                        bool found = false;

                        for (size_t k = 0; k < rows_n(&rows) && !found; k++)
                                found = streq(schema_string(rows_field(&rows, k)->name), v->entries[i].key);
                        if (!found)
                                return false;
                }
                return t->kind == SCHEMA_STRUCT || t->kind == SCHEMA_BITS;
        }
        if (v->type == VALUE_BYTES)
                return streq(signature, "ay");
        if (v->type == VALUE_ARRAY)
                return signature[0] == 'a' && (v->n == 0 || t->kind != SCHEMA_ARRAY ||
                                               type_fits(&schema_types[t->item], &v->elements[0]));
        return signature[0] == (char) v->type;
}

static const SchemaType *rows_type(const Rows *rows, const char *key, const Value *v) {
        const SchemaType *first = NULL;

        for (size_t i = 0; i < rows_n(rows); i++) {
                const SchemaField *f = rows_field(rows, i);
                const SchemaType *t = &schema_types[f->type];

                if (!streq(schema_string(f->name), key))
                        continue;
                if (type_fits(t, v))
                        return t;
                if (!first)
                        first = t;
        }
        return first;
}

/* On a line of its own, behind the key; everything else below the key. */
static bool is_line(const Value *v) {
        if (v->type == VALUE_DICT || v->type == VALUE_TLVS)
                return v->n == 0;
        return v->type != VALUE_ARRAY || v->n == 0 ||
               (v->elements[0].type != VALUE_DICT && v->elements[0].type != VALUE_ARRAY &&
                v->elements[0].type != VALUE_BYTES);
}

static void put_dict(FILE *f, const Rows *rows, const Value *dict, size_t indent);

/* A key and its column. */
static OutputLine begin_entry(FILE *f, const char *key, size_t key_width, size_t indent) {
        size_t width = output_text_width(key);

        output_indent(f, indent);
        output_text(f, key);
        output_indent(f, (width < key_width ? key_width - width : 0) + 2);
        return output_line(f, indent + MAX(width, key_width) + 2);
}

static void put_withheld(FILE *f, const Rows *rows, const char *key, size_t key_width, const Value *v,
                         size_t indent) {
        OutputLine l = begin_entry(f, key, key_width, indent);

        put_value(&l, NULL, v, false, ";");
        output_words(&l, "to see this");
        access_print_remedy(&l, rows->withheld);
        putc('\n', f);
}

static void put_entry(FILE *f, const SchemaType *t, const char *key, size_t key_width, const Value *v,
                      size_t indent) {
        OutputLine l;

        if (is_line(v)) {
                l = begin_entry(f, key, key_width, indent);
                if (v->type == VALUE_DICT || v->type == VALUE_TLVS)
                        output_word(&l, "empty");
                else
                        output_value(&l, t, v);
                putc('\n', f);
                return;
        }

        output_indent(f, indent);
        output_text(f, key);
        fputs(":\n", f);
        if (v->type == VALUE_DICT)
                put_dict(f, &(Rows){ .type = rows_of_type(t).type }, v, indent + 2);
        else if (v->type == VALUE_TLVS)
                for (uint32_t i = 0; i < v->n; i++) {
                        output_indent(f, indent + 2);
                        fprintf(f, "0x%02x  ", v->tlvs[i].id);
                        l = output_line(f, indent + 8);
                        output_bytes(&l, v->tlvs[i].bytes, v->tlvs[i].n_bytes);
                        putc('\n', f);
                }
        else
                for (uint32_t i = 0; i < v->n; i++) {
                        char number[16];

                        snprintf(number, sizeof(number), "%" PRIu32, i);
                        put_entry(f, t && t->kind == SCHEMA_ARRAY ? &schema_types[t->item] : NULL, number, 0,
                                  &v->elements[i], indent + 2);
                }
}

static void put_dict(FILE *f, const Rows *rows, const Value *dict, size_t indent) {
        size_t key_width = 0;

        for (uint32_t i = 0; i < dict->n; i++)
                if (is_line(&dict->entries[i].value))
                        key_width = MAX(key_width, output_text_width(dict->entries[i].key));
        key_width = MIN(key_width, (size_t) KEY_WIDTH_MAX);

        for (uint32_t i = 0; i < dict->n; i++) {
                const ValueEntry *e = &dict->entries[i];

                if (rows->withheld && streq(e->key, "withheld"))
                        put_withheld(f, rows, e->key, key_width, &e->value, indent);
                else
                        put_entry(f, rows_type(rows, e->key, &e->value), e->key, key_width, &e->value,
                                  indent);
        }
}

void output_dict(FILE *f, const SchemaMessage *m, QmiMessageType type, const Value *dict, size_t indent) {
        const Value *withheld = value_dict_get(dict, "withheld");
        Rows rows = { .tlvs = m ? message_tlvs(m, type) : (SchemaTlvs){} };

        if (withheld && withheld->type == VALUE_ARRAY && streq(withheld->signature, "s"))
                rows.withheld = access_of_withheld(m, type, withheld);
        put_dict(f, &rows, dict, indent);
}
