/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "answers.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

int mistake(char **ret_error, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(ret_error, format, ap);
        va_end(ap);
        if (r < 0)
                *ret_error = NULL;
        return r < 0 ? -ENOMEM : -EINVAL;
}

int number_parse(const char *text, unsigned long max, unsigned long *ret) {
        unsigned long n;
        char *end;

        if (!isdigit((unsigned char) text[0]))
                return -EINVAL;
        errno = 0;
        n = strtoul(text, &end, 0);
        if (errno || *end || n > max)
                return -EINVAL;
        *ret = n;
        return 0;
}

int duration_parse(const char *text, uint64_t *ret_usec) {
        char *end;
        double d;

        if (!isdigit((unsigned char) text[0]))
                return -EINVAL;
        d = strtod(text, &end);
        if (streq(end, "s"))
                d *= USEC_PER_SEC;
        else if (streq(end, "ms"))
                d *= USEC_PER_MSEC;
        else
                return -EINVAL;
        if (!isfinite(d) || d > 1e15)
                return -EINVAL;
        *ret_usec = (uint64_t) d;
        return 0;
}

int qmi_error_parse(const char *text, uint16_t *ret) {
        unsigned long n;
        uint32_t value;

        if (schema_enum_value(schema_error_enum, text, &value) >= 0)
                n = value;
        else if (number_parse(text, UINT16_MAX, &n) < 0)
                return -EINVAL;
        *ret = (uint16_t) n;
        return 0;
}

int message_ref_parse(const char *text, uint16_t vendor, MessageRef *ret, char **ret_error) {
        _cleanup_free_ char *service = NULL, *message = NULL;
        const SchemaService *s;
        MessageRef ref = {};
        unsigned long n;
        const char *p;

        p = strchr(text, '.');
        if (!p || !p[1])
                return mistake(ret_error, "\"%s\" is not SERVICE.MESSAGE", text);
        service = strndup(text, (size_t) (p - text));
        message = strndup(p + 1, strcspn(p + 1, "."));
        if (!service || !message)
                return -ENOMEM;

        if (number_parse(service, UINT8_MAX, &n) >= 0)
                s = schema_service_by_id((uint16_t) n, vendor);
        else {
                s = schema_service_by_name(service);
                if (!s)
                        return mistake(ret_error, "no service \"%s\"", service);
                n = s->id;
        }
        ref.service = (uint16_t) n;

        if (number_parse(message, UINT16_MAX, &n) >= 0) {
                ref.message = (uint16_t) n;
                ref.schema = s ? schema_message_by_id(s, false, ref.message, vendor) : NULL;
        } else {
                ref.schema = s ? schema_message_by_name(s, message) : NULL;
                if (s && !ref.schema) {
                        ref.schema = schema_indication_by_name(s, message);
                        ref.is_indication = true;
                }
                if (!ref.schema)
                        return mistake(ret_error, "service %s has no message \"%s\"", service, message);
                ref.message = ref.schema->id;
        }

        ref.rest = p + 1 + strlen(message);
        if (*ref.rest == '.')
                ref.rest++;
        *ret = ref;
        return 0;
}

static void answer_free(Answer *answer) {
        free(answer->name);
        entries_done(&answer->values);
        entries_done(&answer->failed);
        tlv_writer_done(&answer->raw);
        scalar_done(&answer->like);
        tlv_writer_done(&answer->encoded);
        free(answer);
}

void answers_done(Answers *a) {
        for (size_t i = 0; i < a->n; i++)
                answer_free(a->answers[i]);
        free(a->answers);
        *a = (Answers){};
}

Answer *answers_find(Answers *a, uint16_t service, uint16_t message, bool is_indication) {
        for (size_t i = 0; i < a->n; i++) {
                MessageRef *ref = &a->answers[i]->ref;

                if (ref->service == service && ref->message == message &&
                    ref->is_indication == is_indication)
                        return a->answers[i];
        }
        return NULL;
}

static int answers_make(Answers *a, const MessageRef *ref, const char *key, unsigned line, Answer **ret) {
        Answer *answer, **grown;

        answer = answers_find(a, ref->service, ref->message, ref->is_indication);
        if (!answer) {
                grown = reallocarray(a->answers, a->n + 1, sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                a->answers = grown;
                answer = malloc(sizeof(*answer));
                if (!answer)
                        return -ENOMEM;
                *answer = (Answer){ .ref = *ref, .line = line, .like = { .type = VALUE_DICT } };
                answer->name = strndup(key, (size_t) (ref->rest - key) - (ref->rest[-1] == '.'));
                if (!answer->name) {
                        free(answer);
                        return -ENOMEM;
                }
                answer->ref.rest = "";
                a->answers[a->n++] = answer;
        }
        *ret = answer;
        return 0;
}

/* "raw." and "raw-indication." in front of a key. */
static bool key_strip_raw(const char **key, bool *ret_indication) {
        if (strncmp(*key, "raw.", 4) == 0) {
                *key += 4;
                *ret_indication = false;
                return true;
        }
        if (strncmp(*key, "raw-indication.", 15) == 0) {
                *key += 15;
                *ret_indication = true;
                return true;
        }
        return false;
}

static int answer_set_raw(Answer *answer, const char *id, const char *text, char **ret_error) {
        _cleanup_free_ uint8_t *bytes = NULL;
        unsigned long n;
        size_t n_bytes;
        int r;

        if (number_parse(id, UINT8_MAX, &n) < 0)
                return mistake(ret_error, "\"%s\" is no TLV id", id);
        r = hex_parse(strncmp(text, "hex:", 4) == 0 ? text + 4 : text, &bytes, &n_bytes);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return mistake(ret_error, "\"%s\" is not hex", text);
        r = tlv_put(&answer->raw, (uint8_t) n, bytes, n_bytes);
        return r == -EMSGSIZE ? mistake(ret_error, "too many bytes for a TLV") : r;
}

static int answer_set_option(Answer *answer, uint16_t vendor, const char *option, const Value *value,
                             const char *text, unsigned line, char **ret_error) {
        MessageRef like;

        if (streq(option, "!error"))
                return qmi_error_parse(text, &answer->error) < 0
                               ? mistake(ret_error, "no QMI error \"%s\"", text)
                               : 0;

        if (streq(option, "!latency")) {
                answer->has_latency = true;
                return duration_parse(text, &answer->latency_usec) < 0
                               ? mistake(ret_error, "\"%s\" is no duration (20ms, 1.5s)", text)
                               : 0;
        }

        if (streq(option, "!like")) {
                int r = message_ref_parse(text, vendor, &like, ret_error);

                if (r < 0)
                        return r;
                scalar_done(&answer->like);
                return scalar_copy(value, &answer->like);
        }

        if (strncmp(option, "!failed.", 8) == 0)
                return entries_set(&answer->failed, option + 8, value, line);

        return mistake(ret_error, "no option \"%s\" (!error, !latency, !like, !failed.KEY)", option);
}

int answers_set_value(Answers *a, const char *key, const Value *value, unsigned line, char **ret_error) {
        MessageRef ref;
        Answer *answer;
        int r;

        r = message_ref_parse(key, a->vendor, &ref, ret_error);
        if (r < 0)
                return r;
        r = answers_make(a, &ref, key, line, &answer);
        if (r < 0)
                return r;

        a->generation++;
        if (*ref.rest == '!' && value->type == VALUE_STRING)
                return answer_set_option(answer, a->vendor, ref.rest, value, value->string, line, ret_error);
        if (strncmp(ref.rest, "!failed.", 8) == 0)
                return entries_set(&answer->failed, ref.rest + 8, value, line);
        if (*ref.rest == '!')
                return mistake(ret_error, "\"%s\" takes text", ref.rest);
        if (!ref.schema && *ref.rest)
                return mistake(ret_error, "the schema has no such message: only raw.… can give it TLVs");
        if (*ref.rest)
                return entries_set(&answer->values, ref.rest, value, line);
        if (value->type != VALUE_DICT || value->n > 0)
                return mistake(ret_error, "a message can only be {} itself");
        return 0;
}

int answers_set(Answers *a, const char *key, const char *text, unsigned line, char **ret_error) {
        Value value = { .type = VALUE_DICT };
        bool is_indication;
        int r;

        if (key_strip_raw(&key, &is_indication)) {
                Answer *answer;
                MessageRef ref;

                r = message_ref_parse(key, a->vendor, &ref, ret_error);
                if (r < 0)
                        return r;
                if (is_indication && !ref.is_indication) {
                        const SchemaService *s = schema_service_by_id(ref.service, a->vendor);

                        ref.schema = s ? schema_message_by_id(s, true, ref.message, a->vendor) : NULL;
                        ref.is_indication = true;
                }
                r = answers_make(a, &ref, key, line, &answer);
                if (r < 0)
                        return r;
                a->generation++;
                if (*ref.rest == '!')
                        return answer_set_option(answer, a->vendor, ref.rest,
                                                 &(Value){ .type = VALUE_STRING, .string = text }, text,
                                                 line, ret_error);
                return *ref.rest ? answer_set_raw(answer, ref.rest, text, ret_error) : 0;
        }

        r = scalar_parse(text, &value);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return mistake(ret_error, "%s: \"%s\" is no value", key, text);

        /* Options take text whatever it looks like: 26 is an error's number. */
        if (strstr(key, ".!") && !strstr(key, ".!failed.") && value.type != VALUE_STRING) {
                scalar_done(&value);
                value = (Value){ .type = VALUE_STRING,
                                 .n = (uint32_t) strlen(text),
                                 .string = strdup(text) };
                if (!value.string)
                        return -ENOMEM;
        }

        r = answers_set_value(a, key, &value, line, ret_error);
        scalar_done(&value);
        return r;
}

int answers_unset(Answers *a, const char *key, char **ret_error) {
        bool is_indication = false, raw;
        MessageRef ref;
        Answer *answer;
        int r;

        raw = key_strip_raw(&key, &is_indication);
        r = message_ref_parse(key, a->vendor, &ref, ret_error);
        if (r < 0)
                return r;
        answer = answers_find(a, ref.service, ref.message, ref.is_indication || is_indication);
        if (!answer)
                return mistake(ret_error, "%s: nothing is set there", key);

        a->generation++;
        if (raw)
                tlv_writer_done(&answer->raw);
        else if (!*ref.rest) {
                for (size_t i = 0; i < a->n; i++)
                        if (a->answers[i] == answer)
                                a->answers[i] = a->answers[--a->n];
                answer_free(answer);
        } else if (streq(ref.rest, "!error"))
                answer->error = 0;
        else if (streq(ref.rest, "!latency"))
                answer->has_latency = false;
        else if (streq(ref.rest, "!like"))
                scalar_done(&answer->like);
        else if (strncmp(ref.rest, "!failed.", 8) == 0)
                entries_unset(&answer->failed, ref.rest + 8);
        else
                entries_unset(&answer->values, ref.rest);
        return 0;
}

const Value *answers_get(Answers *a, const char *key) {
        _cleanup_free_ char *error = NULL;
        MessageRef ref;
        Answer *answer;

        if (message_ref_parse(key, a->vendor, &ref, &error) < 0)
                return NULL;
        answer = answers_find(a, ref.service, ref.message, ref.is_indication);
        if (!answer)
                return NULL;
        return strncmp(ref.rest, "!failed.", 8) == 0 ? entries_get(&answer->failed, ref.rest + 8)
                                                     : entries_get(&answer->values, ref.rest);
}

static bool schema_has_key(const SchemaMessage *m, const char *key) {
        size_t n = strcspn(key, ".");

        for (uint16_t i = 0; i < m->response.n; i++) {
                const char *name = schema_string(schema_tlvs[m->response.first + i].field.name);

                if (strlen(name) == n && strncmp(name, key, n) == 0)
                        return true;
        }
        return false;
}

static int answer_collect(Answers *a, Answer *answer, bool failed, const Entries *extra, Entries *ret) {
        int r;

        if (failed)
                return entries_copy(&answer->failed, ret);

        if (answer->like.type == VALUE_STRING && answer->ref.schema) {
                _cleanup_free_ char *error = NULL;
                MessageRef ref;
                Answer *base;

                r = message_ref_parse(answer->like.string, a->vendor, &ref, &error);
                base = r < 0 ? NULL : answers_find(a, ref.service, ref.message, ref.is_indication);
                for (size_t i = 0; base && i < base->values.n; i++) {
                        Entry *e = &base->values.entries[i];

                        if (!schema_has_key(answer->ref.schema, e->key))
                                continue;
                        r = entries_set(ret, e->key, &e->value, e->line);
                        if (r < 0)
                                return r;
                }
        }

        r = entries_copy(&answer->values, ret);
        return r < 0 || !extra ? r : entries_copy(extra, ret);
}

static int entries_encode(const MessageRef *ref, uint16_t vendor, const Entries *e, TlvWriter *w,
                          char **ret_error) {
        CodecError error = {};
        Value dict;
        Arena a;
        int r;

        arena_init(&a);
        r = entries_build(e, &a, &dict);
        if (r >= 0)
                r = message_encode(ref->schema, ref->is_indication ? QMI_INDICATION : QMI_RESPONSE, vendor,
                                   &dict, w, &error);
        arena_done(&a);
        if (r == -EINVAL || r == -EMSGSIZE)
                return mistake(ret_error, "%s", error.text);
        return r;
}

int answer_encode(Answers *a, Answer *answer, bool failed, const Entries *extra, TlvWriter *w,
                  char **ret_error) {
        bool plain = !failed && !extra;
        Entries collected = {};
        TlvWriter encoded = {};
        int r = 0;

        if (plain && answer->generation == a->generation)
                return tlv_append(w, answer->encoded.bytes, answer->encoded.n_bytes);

        if (answer->ref.schema) {
                r = answer_collect(a, answer, failed, extra, &collected);
                if (r >= 0)
                        r = entries_encode(&answer->ref, a->vendor, &collected, &encoded, ret_error);
        }
        if (r >= 0 && !failed)
                r = tlv_append(&encoded, answer->raw.bytes, answer->raw.n_bytes);
        if (r >= 0)
                r = tlv_append(w, encoded.bytes, encoded.n_bytes);

        if (r >= 0 && plain) {
                tlv_writer_done(&answer->encoded);
                answer->encoded = encoded;
                encoded = (TlvWriter){};
                answer->generation = a->generation;
        }
        entries_done(&collected);
        tlv_writer_done(&encoded);
        return r;
}

int answer_encode_values(Answers *a, const Answer *answer, bool failed, const Entries *values, TlvWriter *w,
                         char **ret_error) {
        TlvWriter encoded = {};
        int r;

        r = entries_encode(&answer->ref, a->vendor, values, &encoded, ret_error);
        if (r >= 0 && !failed)
                r = tlv_append(&encoded, answer->raw.bytes, answer->raw.n_bytes);
        if (r >= 0)
                r = tlv_append(w, encoded.bytes, encoded.n_bytes);
        tlv_writer_done(&encoded);
        return r;
}

/* The line of the entry that an error text names: "lte.rsrp: …". */
static unsigned entries_find_line(const Entries *e, const char *text) {
        size_t longest = 0;
        unsigned line = 0;

        for (size_t i = 0; i < e->n; i++) {
                size_t n = 0;

                while (text[n] && text[n] == e->entries[i].key[n])
                        n++;
                if (n > longest) {
                        longest = n;
                        line = e->entries[i].line;
                }
        }
        return line;
}

int answers_check(Answers *a, unsigned *ret_line, char **ret_error) {
        for (size_t i = 0; i < a->n; i++) {
                Answer *answer = a->answers[i];

                for (int failed = 0; failed <= 1; failed++) {
                        _cleanup_free_ char *error = NULL;
                        TlvWriter w = {};
                        int r;

                        r = answer_encode(a, answer, failed, NULL, &w, &error);
                        tlv_writer_done(&w);
                        if (r >= 0)
                                continue;
                        if (!error)
                                return r;
                        *ret_line = entries_find_line(failed ? &answer->failed : &answer->values, error)
                                            ?: answer->line;
                        return mistake(ret_error, "%s.%s%s", answer->name, failed ? "!failed." : "", error);
                }
        }
        return 0;
}
