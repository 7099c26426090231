/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <math.h>

#include "cli.h"
#include "description.h"
#include "json.h"
#include "output.h"
#include "qmi/schema-text.h"
#include "services.h"
#include "table.h"

static const char *text_of(const Value *dict, const char *key) {
        const Value *v = value_dict_get(dict, key);

        return v ? v->string : NULL;
}

static bool is_set(const Value *dict, const char *key) {
        return value_dict_get(dict, key);
}

static uint64_t number_of(const Value *dict, const char *key) {
        const Value *v = value_dict_get(dict, key);

        return v ? v->u64 : 0;
}

/* ---- services ---- */

static int list_services(const Options *o, Arena *a) {
        static const char *const headers[] = { "SERVICE", "ID", "MESSAGES", "TITLE" };
        Table t = { .arena = a, .headers = headers, .n_columns = ELEMENTSOF(headers) };
        Value list = { .type = VALUE_ARRAY, .signature = "a{sv}" };
        int r;

        if (o->json != JSON_OFF) {
                list.elements = arena_alloc(a, schema_n_services * sizeof(Value));
                if (!list.elements)
                        return cli_oom();
                for (; list.n < schema_n_services; list.n++) {
                        r = describe_service(&schema_services[list.n], a, &list.elements[list.n]);
                        if (r < 0)
                                return cli_oom();
                }
                return json_print(stdout, &list, o->json);
        }

        for (uint16_t i = 0; i < schema_n_services; i++) {
                const SchemaService *s = &schema_services[i];
                const char **cells = table_add(&t);

                if (!cells)
                        return cli_oom();
                cells[0] = schema_string(s->name);
                cells[1] = arena_printf(a, "0x%02x", s->id);
                cells[2] = arena_printf(a, "%u", s->n_messages);
                cells[3] = schema_service_titles[i];
                if (!cells[1] || !cells[2])
                        return cli_oom();
        }
        table_print(&t, stdout, o->legend);
        return EXIT_OK;
}

/* ---- one service ---- */

static void print_about(const Value *message, size_t indent) {
        OutputLine l;

        output_indent(stdout, indent);
        l = output_line(stdout, indent);
        output_words(&l, text_of(message, "about"));
        putchar('\n');
}

/* "0x0021, client, class control, up to 300 s" */
static void print_properties(const Value *message, OutputLine *l) {
        char text[128];
        int n;

        n = snprintf(text, sizeof(text), "0x%04" PRIx64, number_of(message, "id"));
        if (is_set(message, "kind"))
                n += snprintf(text + n, sizeof(text) - n, ", %s", text_of(message, "kind"));
        if (is_set(message, "access"))
                n += snprintf(text + n, sizeof(text) - n, ", class %s", text_of(message, "access"));
        if (is_set(message, "timeout"))
                n += snprintf(text + n, sizeof(text) - n, ", up to %" PRIu64 " s",
                              number_of(message, "timeout"));
        if (is_set(message, "vendor"))
                n += snprintf(text + n, sizeof(text) - n, ", vendor 0x%04" PRIx64 " only",
                              number_of(message, "vendor"));
        output_words(l, text);
}

static void print_heads(const Value *list, const char *heading, const char *name_key) {
        size_t width = 0;

        if (list->n == 0)
                return;
        for (uint32_t i = 0; i < list->n; i++)
                width = MAX(width, strlen(text_of(&list->elements[i], name_key)));
        printf("\n%s:\n", heading);
        for (uint32_t i = 0; i < list->n; i++) {
                const Value *m = &list->elements[i];
                OutputLine l;

                printf("  %-*s  ", (int) width, text_of(m, name_key));
                l = output_line(stdout, width + 4);
                print_properties(m, &l);
                putchar('\n');
                if (is_set(m, "about"))
                        print_about(m, 6);
        }
}

static int print_service(const Options *o, const SchemaService *s, Arena *a) {
        Value dict;

        if (describe_service(s, a, &dict) < 0)
                return cli_oom();
        if (o->json != JSON_OFF)
                return json_print(stdout, &dict, o->json);
        printf("%s, %s, 0x%02x", text_of(&dict, "service"), text_of(&dict, "title"), s->id);
        if (s->vendor != 0)
                printf(", vendor 0x%04x only", s->vendor);
        putchar('\n');
        print_heads(value_dict_get(&dict, "messages"), "Messages", "message");
        print_heads(value_dict_get(&dict, "indications"), "Indications", "indication");
        print_heads(value_dict_get(&dict, "id_only"), "Known by id only, for 'qmictl raw'", "message");
        return EXIT_OK;
}

/* ---- one message ---- */

static void print_fields(const Value *fields, size_t indent, bool tlvs);

static void print_field(const Value *f, size_t indent, size_t key_width) {
        const Value *symbols = value_dict_get(f, "symbols"), *step = value_dict_get(f, "step"),
                    *fields = value_dict_get(f, "fields");
        const char *unit = text_of(f, "unit");
        char text[64], number[32];
        OutputLine l;

        printf("%-*s  ", (int) key_width, text_of(f, "key"));
        l = output_line(stdout, indent + MAX(key_width, strlen(text_of(f, "key"))) + 2);
        output_words(&l, text_of(f, "type"));
        if (step) {
                output_words(&l, "in steps of");
                snprintf(number, sizeof(number), "%.6g", fabs(step->number));
                output_word(&l, number);
                if (unit)
                        output_word(&l, unit);
        } else if (unit) {
                output_word(&l, "in");
                output_words(&l, unit);
        }
        for (uint32_t i = 0; symbols && i < symbols->n; i++) {
                snprintf(text, sizeof(text), "%s%s", symbols->elements[i].string,
                         i + 1 < symbols->n ? "," : "");
                output_word(&l, text);
        }
        if (is_set(f, "mandatory"))
                output_word(&l, "(mandatory)");
        if (is_set(f, "optional"))
                output_words(&l, "(may be absent)");
        if (is_set(f, "secret"))
                output_word(&l, "(secret)");
        if (is_set(f, "access")) {
                snprintf(text, sizeof(text), "(class %s)", text_of(f, "access"));
                output_words(&l, text);
        }
        if (is_set(f, "max")) {
                snprintf(text, sizeof(text), "(at most %" PRIu64 " bytes)", number_of(f, "max"));
                output_words(&l, text);
        }
        if (is_set(f, "vendor")) {
                snprintf(text, sizeof(text), "(vendor 0x%04" PRIx64 " only)", number_of(f, "vendor"));
                output_words(&l, text);
        }
        putchar('\n');
        if (fields)
                print_fields(fields, indent + 2, false);
}

static void print_fields(const Value *fields, size_t indent, bool tlvs) {
        size_t width = 0;

        for (uint32_t i = 0; i < fields->n; i++)
                width = MAX(width, strlen(text_of(&fields->elements[i], "key")));
        for (uint32_t i = 0; i < fields->n; i++) {
                const Value *f = &fields->elements[i];

                output_indent(stdout, indent);
                if (tlvs && is_set(f, "alternative"))
                        printf("  or  ");
                else if (tlvs)
                        printf("0x%02" PRIx64 "  ", number_of(f, "id"));
                print_field(f, indent + (tlvs ? 6 : 0), width);
        }
}

static void print_tlvs(const Value *dict, const char *key, const char *heading) {
        const Value *tlvs = value_dict_get(dict, key);

        if (!tlvs)
                return;
        printf("\n%s:\n", heading);
        if (tlvs->n == 0)
                printf("  nothing\n");
        print_fields(tlvs, 2, true);
}

/* A sentence about a message with this name; none if there is none. */
static void print_note(const char *begin, const char *name, const char *end) {
        OutputLine l;

        if (!name)
                return;
        output_indent(stdout, 2);
        l = output_line(stdout, 2);
        output_words(&l, begin);
        output_word(&l, name);
        output_words(&l, end);
        putchar('\n');
}

static int print_message(const Options *o, const SchemaMessage *m, Arena *a) {
        Value dict;
        OutputLine l;

        if (describe_message(m, a, &dict) < 0)
                return cli_oom();
        if (o->json != JSON_OFF)
                return json_print(stdout, &dict, o->json);

        printf("%s %s  ", text_of(&dict, "service"), schema_string(m->name));
        l = output_line(stdout, strlen(text_of(&dict, "service")) + strlen(schema_string(m->name)) + 3);
        print_properties(&dict, &l);
        putchar('\n');
        print_about(&dict, 2);
        print_note("The result comes as indication", text_of(&dict, "result"), "and is returned, too.");
        print_note("It is aborted by", text_of(&dict, "abort"), "while it is under way.");
        print_note("It is undone by", text_of(&dict, "undo"), "when its caller leaves the bus.");
        if (is_set(&dict, "replay"))
                puts("  Its last request is sent again after a reset of the modem.");
        print_tlvs(&dict, "request", "Request");
        print_tlvs(&dict, "response", "Response");
        print_tlvs(&dict, "result_fields", "Result");
        print_tlvs(&dict, "fields", "Fields");
        return EXIT_OK;
}

int verb_describe(const Options *o, char **args, size_t n_args) {
        const SchemaService *s;
        const SchemaMessage *m;
        _cleanup_(arena_done) Arena a;
        int r;

        arena_init(&a);
        if (n_args == 0)
                return list_services(o, &a);
        r = service_find(args[0], &s);
        if (r != EXIT_OK)
                return r;
        if (n_args == 1)
                return print_service(o, s, &a);

        m = schema_indication_by_name(s, args[1]);
        if (!m) {
                r = message_find(s, args[1], &m);
                if (r != EXIT_OK)
                        return r;
        }
        return print_message(o, m, &a);
}
