/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frame.h"

#include <inttypes.h>
#include <time.h>

#include "json.h"
#include "output.h"
#include "qmi/codec.h"
#include "services.h"

/* ---- which ---- */

static int parse_number(const char *text, uint16_t *ret) {
        unsigned long v;
        char *end;

        if (strncmp(text, "0x", 2) != 0)
                return -EINVAL;
        errno = 0;
        v = strtoul(text, &end, 16);
        if (!text[2] || *end || errno != 0 || v > UINT16_MAX)
                return -EINVAL;
        *ret = (uint16_t) v;
        return 0;
}

int frame_filter_parse(FrameFilter *f, char **args, size_t n_args) {
        const SchemaMessage *request = NULL, *indication = NULL;
        FrameFilter filter = { .message = -1, .indication = -1 };
        const SchemaService *s = NULL;
        uint16_t id;
        int r;

        if (n_args > 0) {
                filter.of_service = true;
                if (parse_number(args[0], &filter.service) < 0) {
                        r = service_find(args[0], &s);
                        if (r != EXIT_OK)
                                return r;
                        filter.service = s->id;
                } else
                        s = schema_service_by_id(filter.service, 0);
        }
        if (n_args > 1) {
                filter.of_message = true;
                if (parse_number(args[1], &id) >= 0)
                        filter.message = filter.indication = id;
                else {
                        if (!s)
                                return cli_error(EXIT_USAGE,
                                                 "service %s: its messages have no names, only ids",
                                                 args[0]);
                        const SchemaIdOnly *id_only = id_only_find(s, args[1]);

                        indication = schema_indication_by_name(s, args[1]);
                        request = schema_message_by_name(s, args[1]);
                        if (!indication && !request && !id_only)
                                return message_find(s, args[1], &request);
                        filter.message = id_only ? id_only->id : request ? request->id : -1;
                        filter.indication = id_only ? id_only->id : indication ? indication->id : -1;
                }
        }
        *f = filter;
        return EXIT_OK;
}

bool frame_filter_matches(const FrameFilter *f, const uint8_t *frame, size_t n_frame) {
        QmiMessage m;

        if (!f->of_service)
                return true;
        if (frame_parse(frame, n_frame, &m) < 0)
                return !f->of_message && n_frame >= QMUX_HEADER_SIZE && frame[4] == f->service;
        if (m.service != f->service)
                return false;
        return !f->of_message || m.id == (m.type == QMI_INDICATION ? f->indication : f->message);
}

/* ---- taken apart ---- */

typedef struct Frame {
        const PcapngFrame *raw;
        bool is_sound;
        QmiMessage message; /* of a sound one, */
        const SchemaMessage *schema;
        const char *service, *name, *result; /* result: NULL if there is none */
        Value fields;
} Frame;

static const char *type_to_string(QmiMessageType t) {
        switch (t) {
        case QMI_REQUEST:
                return "request";
        case QMI_RESPONSE:
                return "response";
        case QMI_INDICATION:
                return "indication";
        case _QMI_MESSAGE_TYPE_INVALID:
                break;
        }
        return NULL;
}

static int frame_take_apart(const PcapngFrame *raw, Arena *a, Frame *ret) {
        Frame f = { .raw = raw };
        QmiMessage *m = &f.message;
        const SchemaIdOnly *id_only;
        const SchemaService *s;
        int code;

        f.is_sound = frame_parse(raw->bytes, raw->n_bytes, m) >= 0;
        if (!f.is_sound) {
                *ret = f;
                return 0;
        }
        s = schema_service_by_id(m->service, raw->vendor);
        f.schema = s ? schema_message_by_id(s, m->type == QMI_INDICATION, m->id, raw->vendor) : NULL;
        f.service = s ? schema_string(s->name) : arena_printf(a, "0x%02x", m->service);
        id_only = s && !f.schema ? id_only_by_id(s, m->id, raw->vendor) : NULL;
        f.name = f.schema  ? schema_string(f.schema->name)
                 : id_only ? id_only->name
                           : arena_printf(a, "0x%04x", m->id);
        if (!f.service || !f.name)
                return -ENOMEM;
        code = m->type == QMI_RESPONSE ? tlv_result(m->tlvs, m->n_tlvs) : -ENODATA;
        if (code >= 0) {
                f.result = code == 0 ? "success" : schema_error_symbol((uint16_t) code);
                if (!f.result)
                        f.result = arena_printf(a, "%d", code);
                if (!f.result)
                        return -ENOMEM;
        }
        *ret = f;
        return message_decode(f.schema, m->type, raw->vendor, m->tlvs, m->n_tlvs, a, &ret->fields);
}

/* ---- on a line ---- */

static void put_hex(FILE *file, const uint8_t *bytes, size_t n_bytes) {
        for (size_t i = 0; i < n_bytes; i++)
                fprintf(file, "%02x", bytes[i]);
        if (n_bytes == 0)
                fputs("\"\"", file);
}

static void put_entries(FILE *file, const Value *dict);

static void put_compact(FILE *file, const Value *v) {
        char number[OUTPUT_NUMBER_MAX];

        switch (v->type) {
        case VALUE_BOOL:
                fputs(v->boolean ? "yes" : "no", file);
                return;
        case VALUE_U8:
        case VALUE_U16:
        case VALUE_U32:
        case VALUE_U64:
                fprintf(file, "%" PRIu64, v->u64);
                return;
        case VALUE_I16:
        case VALUE_I32:
        case VALUE_I64:
                fprintf(file, "%" PRIi64, v->i64);
                return;
        case VALUE_DOUBLE:
                fputs(output_number(v->number, number), file);
                return;
        case VALUE_STRING: {
                bool quoted = !*v->string || strpbrk(v->string, " ={}[]\"");

                fputs(quoted ? "\"" : "", file);
                output_text(file, v->string);
                fputs(quoted ? "\"" : "", file);
                return;
        }
        case VALUE_BYTES:
                put_hex(file, v->bytes, v->n);
                return;
        case VALUE_ARRAY:
                putc('[', file);
                for (uint32_t i = 0; i < v->n; i++) {
                        fputs(i > 0 ? " " : "", file);
                        put_compact(file, &v->elements[i]);
                }
                putc(']', file);
                return;
        case VALUE_DICT:
                putc('{', file);
                put_entries(file, v);
                putc('}', file);
                return;
        case VALUE_TLVS:
                putc('{', file);
                for (uint32_t i = 0; i < v->n; i++) {
                        fprintf(file, "%s0x%02x=", i > 0 ? " " : "", v->tlvs[i].id);
                        put_hex(file, v->tlvs[i].bytes, v->tlvs[i].n_bytes);
                }
                putc('}', file);
                return;
        }
        assert(false);
}

static void put_entries(FILE *file, const Value *dict) {
        for (uint32_t i = 0; i < dict->n; i++) {
                fprintf(file, "%s%s=", i > 0 ? " " : "", dict->entries[i].key);
                put_compact(file, &dict->entries[i].value);
        }
}

static void put_time(FILE *file, uint64_t usec, const char *format) {
        time_t seconds = (time_t) (usec / USEC_PER_SEC);
        char text[64] = "";
        struct tm tm;

        if (localtime_r(&seconds, &tm))
                (void) strftime(text, sizeof(text), format, &tm);
        fprintf(file, "%s.%06u", text, (unsigned) (usec % USEC_PER_SEC));
}

/* All but the fields. */
static void put_head(FILE *file, const Frame *f, const char *time_format) {
        const QmiMessage *m = &f->message;

        put_time(file, f->raw->usec, time_format);
        fputs(f->raw->from_modem ? " <- " : " -> ", file);
        if (!f->is_sound) {
                fputs("malformed", file);
                return;
        }
        fprintf(file, "%s %s %s cid ", f->service, f->name, type_to_string(m->type));
        if (m->client == QMI_CLIENT_ALL)
                fputs("all", file);
        else
                fprintf(file, "%u", m->client);
        fprintf(file, " tid %u", m->transaction);
        if (f->result)
                fprintf(file, " %s", f->result);
}

/* As many columns of a text as there are; it has no control characters any more. */
static size_t cut(const char *text, size_t width) {
        size_t n = 0;

        for (; text[n]; n++) {
                if (((unsigned char) text[n] & 0xC0) == 0x80)
                        continue;
                if (width-- == 0)
                        break;
        }
        return n;
}

static int print_line(FILE *file, const Frame *f, size_t width) {
        _cleanup_free_ char *line = NULL;
        size_t n;
        FILE *s;

        s = open_memstream(&line, &n);
        if (!s)
                return cli_oom();
        put_head(s, f, "%H:%M:%S");
        if (!f->is_sound) {
                putc(' ', s);
                put_hex(s, f->raw->bytes, f->raw->n_bytes);
        } else if (f->fields.n > 0) {
                putc(' ', s);
                put_entries(s, &f->fields);
        }
        if (fclose(s) != 0)
                return cli_oom();
        if (width > 0)
                n = cut(line, width);
        (void) fwrite(line, 1, n, file);
        putc('\n', file);
        explicit_bzero(line, strlen(line));
        return EXIT_OK;
}

static int print_expanded(FILE *file, const Frame *f) {
        put_head(file, f, "%Y-%m-%d %H:%M:%S");
        putc('\n', file);
        if (f->is_sound)
                output_dict(file, f->schema, f->message.type, &f->fields, 2);
        else {
                OutputLine l;

                output_indent(file, 2);
                l = output_line(file, 2);
                output_bytes(&l, f->raw->bytes, f->raw->n_bytes);
                putc('\n', file);
        }
        return EXIT_OK;
}

/* ---- as JSON ---- */

static void add(Value *dict, Arena *a, const char *key, Value v, bool *oom) {
        Value *place = value_dict_add(dict, a, key);

        if (place)
                *place = v;
        else
                *oom = true;
}

static Value text(const char *s) {
        return (Value){ .type = VALUE_STRING, .string = s };
}

static Value number(uint64_t v) {
        return (Value){ .type = VALUE_U64, .u64 = v };
}

static int print_json(FILE *file, const Frame *f, JsonMode mode, Arena *a) {
        Value object = { .type = VALUE_DICT };
        const QmiMessage *m = &f->message;
        bool oom = false;

        add(&object, a, "time_usec", number(f->raw->usec), &oom);
        add(&object, a, "direction", text(f->raw->from_modem ? "from_modem" : "to_modem"), &oom);
        if (f->raw->n_lost > 0)
                add(&object, a, "lost", number(f->raw->n_lost), &oom);
        if (f->is_sound) {
                add(&object, a, "service", text(f->service), &oom);
                add(&object, a, "message", text(f->name), &oom);
                add(&object, a, "type", text(type_to_string(m->type)), &oom);
                add(&object, a, "client_id", number(m->client), &oom);
                add(&object, a, "transaction", number(m->transaction), &oom);
                if (f->result)
                        add(&object, a, "result", text(f->result), &oom);
                add(&object, a, "fields", f->fields, &oom);
        } else
                add(&object, a, "malformed",
                    (Value){ .type = VALUE_BYTES, .n = (uint32_t) f->raw->n_bytes, .bytes = f->raw->bytes },
                    &oom);
        return oom ? cli_oom() : json_print(file, &object, mode);
}

int frame_print(FILE *file, const PcapngFrame *raw, const Options *o, size_t width) {
        _cleanup_(arena_erase) Arena a;
        Frame f;
        int r;

        arena_init(&a);
        r = frame_take_apart(raw, &a, &f);
        if (r < 0)
                return cli_oom();
        if (o->json != JSON_OFF)
                return print_json(file, &f, o->json, &a);

        if (raw->n_lost > 0)
                fprintf(file, "%" PRIu64 " frames lost\n", raw->n_lost);
        r = o->expand ? print_expanded(file, &f) : print_line(file, &f, width);
        if (r != EXIT_OK)
                return r;
        if (fflush(file) < 0 || ferror(file))
                return cli_error(EXIT_REFUSED, "cannot write the output");
        return EXIT_OK;
}
