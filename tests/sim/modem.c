/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem.h"

#include <inttypes.h>
#include <stdio.h>

#include "command.h"

#define QMUX_FLAGS_MODEM 0x80

/* QMI protocol errors: errors.csv of the reference. */
#define QMI_ERROR_MALFORMED_MESSAGE   0x0001
#define QMI_ERROR_INVALID_CLIENT_ID   0x0007
#define QMI_ERROR_MISSING_ARGUMENT    0x0011
#define QMI_ERROR_INVALID_QMI_COMMAND 0x0047

static void modem_log(Modem *m, char direction, const uint8_t *frame, size_t n_frame) {
        _cleanup_free_ char *hex = NULL;

        if (!m->log)
                return;
        hex = hex_format(frame, n_frame);
        fprintf(stderr, "%c %s\n", direction, hex ?: "");
}

static void modem_changed(Modem *m) {
        if (m->on_change)
                m->on_change(m->userdata);
}

static int modem_transmit(Modem *m, const uint8_t *frame, size_t n_frame, uint64_t delay_usec) {
        int r;

        if (m->faults.silent)
                return 0;
        if (m->faults.garbage) {
                r = link_send(m->link, m->faults.garbage, m->faults.n_garbage, delay_usec);
                if (r < 0)
                        return r;
                free(TAKE_PTR(m->faults.garbage));
        }
        modem_log(m, '<', frame, n_frame);
        return link_send(m->link, frame, n_frame, delay_usec);
}

void modem_tell_state(Modem *m) {
        sessions_prune(m);
        if (m->on_state)
                m->on_state(m->userdata);
}

/* Builds the frame of a message into malloc()ed memory. */
static int message_to_frame(const QmiMessage *message, uint8_t **ret, size_t *ret_n) {
        size_t n = QMUX_HEADER_SIZE + 7 + message->n_tlvs;
        _cleanup_free_ uint8_t *frame = malloc(n);
        ssize_t k;

        if (!frame)
                return -ENOMEM;
        k = frame_build(message, QMUX_FLAGS_MODEM, frame, n);
        if (k < 0)
                return (int) k;
        *ret = TAKE_PTR(frame);
        *ret_n = (size_t) k;
        return 0;
}

static int modem_send_response(Modem *m, QmiMessage response, uint64_t delay_usec) {
        _cleanup_free_ uint8_t *frame = NULL;
        uint8_t noise[NOISE_MAX];
        size_t n_frame = 0;
        int r;

        if (response.service != QMI_SERVICE_CTL &&
            fault_strikes(&m->faults, FAULT_LOSE, response.service, response.id))
                return 0;
        if (fault_strikes(&m->faults, FAULT_WRONG_CLIENT, response.service, response.id))
                response.client ^= 0x40;
        if (fault_strikes(&m->faults, FAULT_WRONG_TRANSACTION, response.service, response.id))
                response.transaction ^= response.service == QMI_SERVICE_CTL ? 0x40 : 0x4000;

        r = message_to_frame(&response, &frame, &n_frame);
        if (r < 0)
                return r;
        if (fault_strikes(&m->faults, FAULT_GARBLE, response.service, response.id))
                frame_garble(frame, n_frame);
        if (fault_strikes(&m->faults, FAULT_TRUNCATE, response.service, response.id))
                n_frame = frame_truncate(frame, n_frame);
        if (fault_strikes(&m->faults, FAULT_BAD_LENGTH, response.service, response.id))
                frame_set_bad_length(frame, n_frame, m->faults.faults[FAULT_BAD_LENGTH].n_struck);
        if (fault_strikes(&m->faults, FAULT_LATE, response.service, response.id))
                delay_usec += m->faults.faults[FAULT_LATE].late_usec;
        if (fault_strikes(&m->faults, FAULT_NOISE, response.service, response.id)) {
                r = link_send(m->link, noise, noise_make(m->faults.faults[FAULT_NOISE].n_struck, noise),
                              delay_usec);
                if (r < 0)
                        return r;
        }
        if (fault_strikes(&m->faults, FAULT_DUPLICATE, response.service, response.id)) {
                r = modem_transmit(m, frame, n_frame, delay_usec);
                if (r < 0)
                        return r;
        }
        return modem_transmit(m, frame, n_frame, delay_usec);
}

int modem_respond(Modem *m, const QmiMessage *request, uint16_t error, const TlvWriter *w,
                  uint64_t delay_usec) {
        uint8_t result[4] = { error != 0 };
        QmiMessage response = *request;
        TlvWriter tlvs = {};
        uint64_t now_usec;
        int r;

        write_le16(result + 2, error);
        r = tlv_put(&tlvs, TLV_RESULT, result, sizeof(result));
        if (r >= 0 && w)
                r = tlv_append(&tlvs, w->bytes, w->n_bytes);
        if (r >= 0 && sd_event_now(m->event, CLOCK_MONOTONIC, &now_usec) >= 0)
                r = counters_note_answer(&m->counters, request, now_usec, now_usec + delay_usec);
        response.type = QMI_RESPONSE;
        response.tlvs = tlvs.bytes;
        response.n_tlvs = tlvs.n_bytes;
        if (r >= 0)
                r = modem_send_response(m, response, delay_usec);
        tlv_writer_done(&tlvs);
        return r;
}

uint64_t modem_get_latency(Modem *m, const Answer *answer) {
        return answer && answer->has_latency ? answer->latency_usec : m->latency_usec;
}

/* ---- indications ---- */

static int modem_send_message(Modem *m, Exchange *x, const QmiMessage *message) {
        _cleanup_free_ uint8_t *frame = NULL;
        size_t n_frame = 0;
        int r;

        r = message_to_frame(message, &frame, &n_frame);
        if (r < 0)
                return r;
        if (!x)
                return modem_transmit(m, frame, n_frame, 0);

        void *grown = reallocarray(x->after, x->n_after + 1, sizeof(*x->after));

        if (!grown)
                return -ENOMEM;
        x->after = grown;
        x->after[x->n_after].frame = TAKE_PTR(frame);
        x->after[x->n_after++].n_frame = n_frame;
        return 0;
}

int modem_send_indication(Modem *m, Exchange *x, const MessageRef *ref, ModemTarget target, uint8_t client,
                          const Entries *extra, char **ret_error) {
        Answer *answer = answers_find(&m->answers, ref->service, ref->message, true);
        Answer none = { .ref = *ref, .like = { .type = VALUE_DICT } };
        QmiMessage message = { .service = ref->service, .type = QMI_INDICATION, .id = ref->message };
        TlvWriter w = {};
        int r;

        r = answer_encode(&m->answers, answer ?: &none, false, extra, &w, ret_error);
        tlv_writer_done(&none.encoded);
        if (r < 0) {
                tlv_writer_done(&w);
                return r;
        }

        message.tlvs = w.bytes;
        message.n_tlvs = w.n_bytes;
        message.transaction = ++m->indication_transaction;
        switch (target) {
        case TARGET_ALL:
                message.client = QMI_CLIENT_ALL;
                r = modem_send_message(m, x, &message);
                break;
        case TARGET_CLIENT:
                message.client = client;
                r = modem_send_message(m, x, &message);
                break;
        case TARGET_REGISTERED:
                for (size_t i = 0; r >= 0 && i < m->ids.n; i++)
                        if (m->ids.clients[i].service == ref->service &&
                            sim_client_is_registered(&m->ids.clients[i], ref->message)) {
                                message.client = m->ids.clients[i].id;
                                r = modem_send_message(m, x, &message);
                        }
                break;
        }
        tlv_writer_done(&w);
        return r;
}

int modem_send_ctl(Modem *m, uint16_t id, const uint8_t *tlvs, size_t n_tlvs) {
        QmiMessage message = { .type = QMI_INDICATION, .id = id, .tlvs = tlvs, .n_tlvs = n_tlvs };

        return modem_send_message(m, NULL, &message);
}

int modem_reset(Modem *m) {
        int r;

        client_ids_wipe(&m->ids);
        link_forget_delayed(m->link);
        r = sessions_restart(m);
        modem_tell_state(m);
        modem_changed(m);
        return r < 0 ? r : modem_send_ctl(m, CTL_SYNC, NULL, 0);
}

int modem_restart(Modem *m, uint8_t interface) {
        client_ids_wipe(&m->ids);
        link_forget_delayed(m->link);
        m->format.has_interface = true;
        m->format.interface = interface;
        modem_changed(m);
        return sessions_restart(m);
}

int modem_send_recorded_indications(Modem *m) {
        int n = 0;

        for (size_t i = 0; i < m->replay.n; i++) {
                QmiMessage message = m->replay.frames[i].message;
                int r;

                if (!m->replay.frames[i].from_modem || message.type != QMI_INDICATION ||
                    message.service == QMI_SERVICE_CTL)
                        continue;
                message.client = QMI_CLIENT_ALL;
                r = modem_send_message(m, NULL, &message);
                if (r < 0)
                        return r;
                n++;
        }
        return n;
}

/* ---- requests ---- */

static bool has_mandatory_tlvs(const QmiMessage *request, const SchemaMessage *schema) {
        for (uint16_t i = 0; i < schema->request.n; i++) {
                const SchemaTlv *row = &schema_tlvs[schema->request.first + i];
                Tlv t;

                if ((row->field.flags & SCHEMA_MANDATORY) && row->vendor == 0 &&
                    tlv_find(request->tlvs, request->n_tlvs, row->id, &t) == 0)
                        return false;
        }
        return true;
}

/* What is wrong with a request before anything is done about it: a QMI error, or 0. */
static uint16_t modem_check(Modem *m, const QmiMessage *request, const Answer *answer) {
        TlvReader reader = tlv_reader(request->tlvs, request->n_tlvs);
        Tlv t;
        int r;

        if (request->service != QMI_SERVICE_CTL &&
            !client_ids_find(&m->ids, request->service, request->client))
                return QMI_ERROR_INVALID_CLIENT_ID;
        while ((r = tlv_next(&reader, &t)) > 0)
                ;
        if (r < 0)
                return QMI_ERROR_MALFORMED_MESSAGE;
        if (!answer)
                return QMI_ERROR_INVALID_QMI_COMMAND;
        if (answer->ref.schema && !has_mandatory_tlvs(request, answer->ref.schema))
                return QMI_ERROR_MISSING_ARGUMENT;
        return 0;
}

static int modem_run_rules(Modem *m, Exchange *x, const Answer *answer) {
        Value decoded;
        Arena a;
        int r;

        arena_init(&a);
        r = message_decode(answer->ref.schema, QMI_REQUEST, m->answers.vendor, x->request->tlvs,
                           x->request->n_tlvs, &a, &decoded);
        x->decoded = &decoded;
        for (size_t i = 0; r >= 0 && i < m->rules.n && x->error == 0; i++) {
                Rule *rule = &m->rules.rules[i];

                if (rule->service != x->request->service || rule->message != x->request->id ||
                    !rule_applies(rule, &m->answers, &decoded))
                        continue;
                for (size_t j = 0; j < rule->n_actions && x->error == 0; j++) {
                        _cleanup_free_ char *error = NULL;

                        if (command_run(m, x, rule->actions[j], NULL, &error) < 0)
                                fprintf(stderr, "qmisim: rule in line %u: %s: %s\n", rule->line,
                                        rule->actions[j], error ?: "failed");
                }
        }
        x->decoded = NULL;
        arena_done(&a);
        return r;
}

static int modem_answer(Modem *m, const QmiMessage *request, Answer *answer) {
        uint64_t latency = modem_get_latency(m, answer);
        Exchange x = { .request = request, .answer = answer };
        _cleanup_free_ char *error = NULL;
        TlvWriter w = {};
        int r = 0;

        x.error = answer->error;
        if (x.error == 0)
                r = modem_run_rules(m, &x, answer);
        if (r >= 0 && x.error == 0)
                r = sessions_handle(m, &x, &error);
        if (r >= 0 && x.has_values)
                r = answer_encode_values(&m->answers, answer, x.error != 0, &x.values, &w, &error);
        else if (r >= 0)
                r = answer_encode(&m->answers, answer, x.error != 0, NULL, &w, &error);
        if (error)
                fprintf(stderr, "qmisim: %s: %s\n", answer->name, error);
        modem_tell_state(m);
        if (r >= 0 && !x.is_unanswered)
                r = modem_respond(m, request, x.error, &w, latency);
        for (size_t i = 0; i < x.n_after; i++) {
                if (r >= 0)
                        r = modem_transmit(m, x.after[i].frame, x.after[i].n_frame, latency);
                free(x.after[i].frame);
        }
        free(x.after);
        entries_done(&x.values);
        tlv_writer_done(&w);
        return r;
}

/* Answers from the recording: 1 if it has an answer. */
static int modem_replay(Modem *m, const QmiMessage *request) {
        ssize_t i = replay_find(&m->replay, request);
        QmiMessage response;
        uint8_t recorded;
        int r;

        if (i < 0)
                return 0;
        response = m->replay.frames[i].message;
        recorded = response.client;
        response.client = request->client;
        response.transaction = request->transaction;
        r = modem_send_response(m, response, m->latency_usec);

        while (r >= 0 && (i = replay_next_indication(&m->replay, (size_t) i)) >= 0) {
                QmiMessage indication = m->replay.frames[i].message;

                if (indication.service == request->service && indication.client == recorded)
                        indication.client = request->client;
                r = modem_send_message(m, NULL, &indication);
        }
        return r < 0 ? r : 1;
}

static int modem_handle(Modem *m, const QmiMessage *request) {
        Answer *answer = answers_find(&m->answers, request->service, request->id, false);
        uint16_t error;
        int r;

        if (request->service == QMI_SERVICE_CTL) {
                r = ctl_handle(m, request);
                if (r != 0)
                        return r;
        }
        if (request->service == QMI_SERVICE_CTL ||
            client_ids_find(&m->ids, request->service, request->client)) {
                if (m->services_off && request->service != QMI_SERVICE_CTL)
                        return 0;
                r = modem_replay(m, request);
                if (r != 0)
                        return r;
        }

        error = modem_check(m, request, answer);
        if (error != 0)
                return modem_respond(m, request, error, NULL, modem_get_latency(m, answer));
        return modem_answer(m, request, answer);
}

static void on_frame(const uint8_t *frame, size_t n_frame, void *userdata) {
        Modem *m = userdata;
        QmiMessage request;
        int r;

        modem_log(m, '>', frame, n_frame);
        m->counters.n_frames++;
        if (frame_parse(frame, n_frame, &request) < 0 || request.type != QMI_REQUEST) {
                m->counters.n_malformed++;
                modem_changed(m);
                return;
        }

        r = counters_note(&m->counters, &request);
        if (r >= 0 && !m->faults.silent &&
            !fault_strikes(&m->faults, FAULT_DROP, request.service, request.id))
                r = modem_handle(m, &request);
        if (r < 0)
                fprintf(stderr, "qmisim: %02x.%04x: %s\n", request.service, request.id, strerror(-r));
        modem_changed(m);
}

static void on_connected(void *userdata) {
        Modem *m = userdata;

        m->counters.n_connections++;
        modem_changed(m);
}

/* ---- the modem as a whole ---- */

int modem_parse_service(Modem *m, const char *text, uint16_t *ret, char **ret_error) {
        const SchemaService *s = schema_service_by_name(text);
        unsigned long n;

        if (s)
                n = s->id;
        else if (number_parse(text, UINT8_MAX, &n) < 0)
                return mistake(ret_error, "no service \"%s\"", text);
        *ret = (uint16_t) n;
        return n > UINT8_MAX ? mistake(ret_error, "service \"%s\" is for QRTR", text) : 0;
}

static int modem_set_service(Modem *m, const char *name, const char *text, char **ret_error) {
        unsigned major, minor;
        uint16_t service;
        char excess;
        int r;

        r = modem_parse_service(m, name, &service, ret_error);
        if (r < 0)
                return r;
        if (streq(text, "none")) {
                m->services[service].present = false;
                return 0;
        }
        if (sscanf(text, "%u.%u%c", &major, &minor, &excess) != 2 || major > UINT16_MAX ||
            minor > UINT16_MAX)
                return mistake(ret_error, "\"%s\" is no version (MAJOR.MINOR, or none)", text);
        m->services[service] =
                (ModemService){ .present = true, .major = (uint16_t) major, .minor = (uint16_t) minor };
        return 0;
}

int modem_set(Modem *m, const char *key, const char *text, unsigned line, char **ret_error) {
        _cleanup_free_ char *plain = NULL;
        size_t n = strlen(text);
        unsigned long number;
        uint16_t service;
        int r;

        plain = n >= 2 && text[0] == '"' && text[n - 1] == '"' ? strndup(text + 1, n - 2) : strdup(text);
        if (!plain)
                return -ENOMEM;

        if (strncmp(key, "ctl.services.", 13) == 0)
                return modem_set_service(m, key + 13, plain, ret_error);

        if (streq(key, "ctl.pool") || strncmp(key, "ctl.pool.", 9) == 0) {
                if (number_parse(plain, 254, &number) < 0)
                        return mistake(ret_error, "\"%s\" is no number up to 254", text);
                if (key[8] == '\0') {
                        m->ids.pool = (unsigned) number;
                        return 0;
                }
                r = modem_parse_service(m, key + 9, &service, ret_error);
                if (r < 0)
                        return r;
                m->ids.pool_of_service[service] = (unsigned) number;
                return 0;
        }

        if (streq(key, "ctl.latency"))
                return duration_parse(plain, &m->latency_usec) < 0
                               ? mistake(ret_error, "\"%s\" is no duration (20ms, 1.5s)", text)
                               : 0;

        if (streq(key, "ctl.vendor")) {
                if (number_parse(plain, UINT16_MAX, &number) < 0)
                        return mistake(ret_error, "\"%s\" is no USB vendor id", text);
                m->answers.vendor = (uint16_t) number;
                return 0;
        }

        if (strncmp(key, "data.", 5) == 0)
                return sessions_set(m, key, plain, ret_error);

        return answers_set(&m->answers, key, text, line, ret_error);
}

static void on_timeline(const char *command, unsigned line, void *userdata) {
        _cleanup_free_ char *error = NULL;

        if (command_run(userdata, NULL, command, NULL, &error) < 0)
                fprintf(stderr, "qmisim: time line in line %u: %s: %s\n", line, command, error ?: "failed");
        modem_tell_state(userdata);
}

int modem_init(Modem *m, sd_event *event, const char *path) {
        static const LinkOps link_ops = { .on_connected = on_connected, .on_frame = on_frame };

        *m = (Modem){
                .event = sd_event_ref(event),
                .ids.pool = CLIENT_POOL_DEFAULT,
                .timeline = { .run = on_timeline, .userdata = m },
        };
        data_format_init(&m->format);
        return link_new(&m->link, event, path, &link_ops, m);
}

void modem_done(Modem *m) {
        m->link = link_free(m->link);
        timeline_done(&m->timeline);
        replay_done(&m->replay);
        rules_done(&m->rules);
        answers_done(&m->answers);
        client_ids_done(&m->ids);
        faults_done(&m->faults);
        counters_done(&m->counters);
        sessions_done(&m->sessions);
        data_format_done(&m->format);
        m->event = sd_event_unref(m->event);
}
