/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-session-modem.h"

#include <stdarg.h>
#include <unistd.h>

#include "port/port.h"
#include "qmi/codec.h"

/* A test that hangs this long has failed. */
#define PATIENCE_USEC (20 * USEC_PER_SEC)

/* ---- the loop ---- */

void bench_turn(Bench *b) {
        if (sd_event_run(b->event, PATIENCE_USEC) > 0)
                return;
        fprintf(stderr, "nothing happens any more; so far:\n%s", b->events);
        abort();
}

void bench_settle(Bench *b) {
        int r;

        while ((r = sd_event_run(b->event, 0)) > 0)
                ;
        check_int(r, 0);
}

/* ---- the modem ---- */

static void tell_ctl(Bench *b, const QmiMessage *request, const uint8_t *tlvs, size_t n_tlvs) {
        QmiMessage m = *request;

        m.type = QMI_RESPONSE;
        m.tlvs = tlvs;
        m.n_tlvs = n_tlvs;
        modem_side_tell(&b->modem, &m);
}

static void tell_services(Bench *b, const QmiMessage *request) {
        static const uint8_t services[] = { 0x00, QMI_SERVICE_WDS, QMI_SERVICE_UIM, QMI_SERVICE_NAS,
                                            QMI_SERVICE_DMS };
        static const unsigned with[] = { 0, 0, WITH_UIM, WITH_NAS, WITH_DMS };
        uint8_t tlvs[64] = { 0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00 };
        size_t n = 11;

        for (size_t i = 0; i < ELEMENTSOF(services); i++) {
                if ((with[i] & ~b->with) != 0 || (services[i] == QMI_SERVICE_WDS && (b->with & WITHOUT_WDS)))
                        continue;
                memcpy(tlvs + n, (uint8_t[]){ services[i], 0x01, 0x00, 0x10, 0x00 }, 5);
                n += 5;
                tlvs[10]++;
        }
        write_le16(tlvs + 8, (uint16_t) (n - 10));
        tell_ctl(b, request, tlvs, n);
}

static void answer_ctl(Bench *b, const QmiMessage *m) {
        const uint8_t *value = m->n_tlvs > 3 ? m->tlvs + 3 : NULL;
        uint8_t tlvs[] = { 0x02, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00 };

        if (b->deaf)
                return;
        switch (m->id) {
        case 0x0021: /* Get Version Info */
                tell_services(b, m);
                return;
        case 0x0022: /* Get Client Id */
                check(value);
                if (b->no_id_error > 0 && b->n_ids[*value] > 0) {
                        tlvs[3] = 1;
                        write_le16(tlvs + 5, b->no_id_error);
                        tell_ctl(b, m, tlvs, 7);
                        return;
                }
                tlvs[10] = *value;
                tlvs[11] = ++b->n_ids[*value];
                break;
        case 0x0023: /* Release Client Id */
                check(value);
                memcpy(tlvs + 10, value, 2);
                break;
        default:
                break;
        }
        tell_ctl(b, m, tlvs, sizeof(tlvs));
}

/* What any device is asked when it is ready, and any client in a check. */
static bool is_of_no_interest(const QmiMessage *m) {
        return (m->service == QMI_SERVICE_DMS && m->id < 0x0026) || m->id == 0x001E;
}

static void keep(Bench *b, const uint8_t *frame, size_t n_frame) {
        Received *x = &b->received[b->n_received];

        check(b->n_received < RECEIVED_MAX);
        x->frame = malloc(n_frame);
        check(x->frame);
        memcpy(x->frame, frame, n_frame);
        check_int(frame_parse(x->frame, n_frame, &x->message), 0);
        b->n_received++;
}

static void on_frame(const uint8_t *frame, size_t n_frame, const QmiMessage *m, void *userdata) {
        Bench *b = userdata;

        if (m->service == QMI_SERVICE_CTL) {
                answer_ctl(b, m);
                if (m->id == 0x0023) /* that an id is given back matters to tests */
                        keep(b, frame, n_frame);
        } else if (is_of_no_interest(m))
                bench_answer(b, m,
                             b->forgets && m->service == QMI_SERVICE_WDS && m->client > 1
                                     ? "invalid_client_id"
                                     : "not_supported",
                             NULL);
        else
                keep(b, frame, n_frame);
}

void bench_hang_up(Bench *b) {
        modem_side_close(&b->modem); /* the port stays away */
        modem_side_hang_up(&b->modem);
}

void bench_tell_sync(Bench *b) {
        modem_side_tell(&b->modem,
                        &(QmiMessage){ .service = QMI_SERVICE_CTL, .type = QMI_INDICATION, .id = 0x0027 });
}

/* ---- its words ---- */

static const SchemaMessage *row(uint16_t service, const char *message, bool indication) {
        const SchemaService *s = schema_service_by_id(service, 0);
        const SchemaMessage *m =
                indication ? schema_indication_by_name(s, message) : schema_message_by_name(s, message);

        check(m);
        return m;
}

/* "wds 2 start-network {apn: 'internet'}" */
static const char *describe(const QmiMessage *m, Arena *a) {
        const SchemaService *s = schema_service_by_id(m->service, 0);
        const SchemaMessage *message = schema_message_by_id(s, false, m->id, 0);
        Value dict;

        check(message);
        if (m->service == QMI_SERVICE_CTL)
                return arena_printf(a, "ctl release %s %u",
                                    schema_string(schema_service_by_id(m->tlvs[3], 0)->name), m->tlvs[4]);
        check_int(message_decode(message, QMI_REQUEST, 0, m->tlvs, m->n_tlvs, a, &dict), 0);
        return arena_printf(a, "%s %u %s %s", schema_string(s->name), m->client,
                            schema_string(message->name), value_to_text(&dict, a));
}

const QmiMessage *bench_expect(Bench *b, const char *request) {
        const QmiMessage *m;
        Arena a;

        arena_init(&a);
        RUN_UNTIL(b, b->n_taken < b->n_received);
        m = &b->received[b->n_taken++].message;
        check_str(describe(m, &a), request);
        arena_done(&a);
        return m;
}

void bench_expect_silence(Bench *b) {
        Arena a;

        bench_settle(b);
        arena_init(&a);
        if (b->n_taken < b->n_received)
                check_str(describe(&b->received[b->n_taken].message, &a), "nothing");
        arena_done(&a);
}

static void tell_dict(Bench *b, QmiMessage *m, const SchemaMessage *message, const char *error,
                      const char *dict) {
        uint8_t result[] = { 0x00, 0x00, 0x00, 0x00 };
        CodecError codec_error = {};
        TlvWriter w = {};
        uint32_t number;
        Value value;
        Arena a;

        arena_init(&a);
        if (error) {
                check_int(schema_enum_value(schema_error_enum, error, &number), 0);
                result[0] = 1;
                write_le16(result + 2, (uint16_t) number);
        }
        if (m->type == QMI_RESPONSE)
                check(tlv_put(&w, TLV_RESULT, result, sizeof(result)) >= 0);
        if (dict) {
                value = value_from_text(dict, &a);
                if (message_encode(message, m->type, 0, &value, &w, &codec_error) < 0)
                        check_str(codec_error.text, "");
        }
        m->tlvs = w.bytes;
        m->n_tlvs = w.n_bytes;
        modem_side_tell(&b->modem, m);
        tlv_writer_done(&w);
        arena_done(&a);
}

void bench_answer(Bench *b, const QmiMessage *request, const char *error, const char *dict) {
        QmiMessage m = *request;

        m.type = QMI_RESPONSE;
        tell_dict(b, &m, schema_message_by_id(schema_service_by_id(m.service, 0), false, m.id, 0), error,
                  dict);
}

void bench_say(Bench *b, const char *request, const char *error, const char *dict) {
        bench_answer(b, bench_expect(b, request), error, dict);
}

void bench_indicate(Bench *b, uint8_t id, const char *indication, const char *dict) {
        const SchemaMessage *message = row(QMI_SERVICE_WDS, indication, true);
        QmiMessage m = {
                .service = QMI_SERVICE_WDS, .client = id, .type = QMI_INDICATION, .id = message->id
        };

        tell_dict(b, &m, message, NULL, dict);
}

/* ---- the device ---- */

static void on_device_changed(Device *d, unsigned changes, void *userdata) {
}

static void on_device_save(Device *d, void *userdata) {
}

static bool on_device_exhausted(Device *d, uint16_t service, void *userdata) {
        return false;
}

static bool device_has_rival(Device *d, void *userdata) {
        return true; /* so that there is no Sync */
}

static const DeviceOps device_ops = {
        .on_changed = on_device_changed,
        .on_save = on_device_save,
        .on_exhausted = on_device_exhausted,
        .has_rival = device_has_rival,
};

void bench_init(Bench *b, unsigned with) {
        char *interfaces[] = { with & WITH_LINK ? (char[]){ "wwan0" } : NULL, NULL };
        char name[] = "modem", id_path[] = "", physical[] = "", driver[] = "qmi_wwan";

        *b = (Bench){ .with = with };
        check(sd_event_new(&b->event) >= 0);
        fake_reset(b->event);
        modem_side_init(&b->modem, b->event, on_frame, b);
        modem_side_listen(&b->modem);
        check_int(device_new(&b->device, b->event,
                             &(DevicePlace){ .name = name,
                                             .uri = b->modem.uri,
                                             .interfaces = interfaces,
                                             .id_path = id_path,
                                             .physical_device = physical,
                                             .driver = driver },
                             with & WITH_LINK ? fake_net : NULL, &device_ops, b),
                  0);
        check(device_open(b->device) >= 0);
        RUN_UNTIL(b, mux_get_state(device_get_mux(b->device)) == MUX_READY);
}

void bench_done(Bench *b) {
        session_free(b->session);
        device_free(b->device);
        packer_done(&b->device_state);
        packer_done(&b->session_state);
        modem_side_done(&b->modem);
        for (size_t i = 0; i < b->n_received; i++)
                free(b->received[i].frame);
        sd_event_unref(b->event);
}

/* ---- the session ---- */

static void note(Bench *b, const char *format, ...) _printf_(2, 3);

static void note(Bench *b, const char *format, ...) {
        size_t n = strlen(b->events);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(b->events + n, sizeof(b->events) - n, format, ap);
        va_end(ap);
}

static void note_ip(Bench *b, SessionFamily f) {
        const SessionIp *ip = session_get_ip(b->session, f);

        if (!ip->is_set)
                return;
        note(b, "%s %s/%u", session_family_to_string(f), ip->address, ip->prefix);
        if (*ip->gateway)
                note(b, " via %s", ip->gateway);
        for (unsigned i = 0; i < ip->n_dns; i++)
                note(b, " dns %s", ip->dns[i]);
        if (ip->mtu > 0)
                note(b, " mtu %u", ip->mtu);
        note(b, "\n");
}

static void note_family(Bench *b, SessionFamily f) {
        const SessionGrant *g = session_get_grant(b->session, f);

        if (g->asked)
                note(b, "%s %s%s%s\n", session_family_to_string(f), g->granted ? "granted" : "not granted",
                     *g->reason ? ": " : "", g->reason);
}

static void on_changed(Session *s, unsigned changes, void *userdata) {
        const SessionEnd *e = session_get_end(s);
        Bench *b = userdata;

        check(s == b->session);
        if (changes & SESSION_CHANGE_STATE)
                note(b, "%s\n", session_state_to_string(session_get_state(s)));
        if (changes & SESSION_CHANGE_INTERFACE)
                note(b, "interface '%s' mux %u\n", session_get_interface(s), session_get_mux(s));
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX && (changes & SESSION_CHANGE_FAMILIES) != 0; i++)
                note_family(b, i);
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX && (changes & SESSION_CHANGE_IP) != 0; i++)
                note_ip(b, i);
        if (changes & SESSION_CHANGE_OTHER)
                note(b, "adopted %u profile %u configured %u%s%s\n", session_is_adopted(s),
                     session_get_profile(s), session_is_configured(s), *session_get_problem(s) ? ": " : "",
                     session_get_problem(s));
        if (session_get_state(s) != SESSION_ENDED) {
                check_int(e->kind, SESSION_END_NONE);
                return;
        }
        note(b, "%s (%d): %s\n", session_end_kind_to_string(e->kind), e->error, e->text);
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++)
                check(!session_get_client(s, i) && !session_get_ip(s, i)->is_set);
        if (b->free_on_end)
                b->session = session_free(b->session);
}

static void on_save(Session *s, void *userdata) {
        bench_save(userdata);
}

static void on_client(Session *s, SessionFamily f, Client *c, void *userdata) {
        check(s == ((Bench *) userdata)->session);
        check(!c || session_get_client(s, f) == c);
        note(userdata, "client %s %u\n", session_family_to_string(f), c ? client_get_id(c) : 0);
}

static void on_indication(Session *s, SessionFamily f, Client *c, const QmiMessage *m, bool broadcast,
                          void *userdata) {
        check(session_get_client(s, f) == c);
        note(userdata, "indication %s %04x%s\n", session_family_to_string(f), m->id,
             broadcast ? " to all" : "");
}

const SessionOps session_ops = {
        .on_changed = on_changed,
        .on_save = on_save,
        .on_client = on_client,
        .on_indication = on_indication,
};

SessionOptions both(void) {
        return (SessionOptions){ .apn = "internet", .families = { true, true }, .profile = 1 };
}

SessionOptions only(SessionFamily f) {
        SessionOptions o = both();

        o.families[SESSION_IPV4] = f == SESSION_IPV4;
        o.families[SESSION_IPV6] = f == SESSION_IPV6;
        return o;
}

void bench_connect(Bench *b, const SessionOptions *o) {
        check_int(session_new(&b->session, b->device, 7, o, &session_ops, b), 0);
        check_str(b->events, "");
        check_int(session_get_state(b->session), SESSION_CONNECTING);
}

void bench_events(Bench *b, const char *events) {
        RUN_UNTIL(b, strlen(b->events) >= strlen(events));
        check_str(b->events, events);
        *b->events = 0;
}

void bench_has(Bench *b, const char *event) {
        if (!strstr(b->events, event))
                check_str(b->events, event);
}

void bench_to_start(Bench *b, SessionFamily f, uint8_t id) {
        char text[128];

        (void) snprintf(text, sizeof(text), "wds %u set-ip-family {ip_family: '%s'}", id,
                        session_family_to_string(f));
        bench_say(b, text, NULL, NULL);
        (void) snprintf(text, sizeof(text), "wds %u indication-register {extended_ip_config: true}", id);
        bench_say(b, text, NULL, NULL);
}

void bench_bring_up(Bench *b, SessionFamily f, uint8_t id) {
        char text[160];

        bench_to_start(b, f, id);
        (void) snprintf(text, sizeof(text), "wds %u start-network {apn: 'internet', profile_index_3gpp: y1}",
                        id);
        bench_say(b, text, NULL,
                  f == SESSION_IPV4 ? "{packet_data_handle: u4}" : "{packet_data_handle: u6}");
        (void) snprintf(
                text, sizeof(text),
                "wds %u get-current-settings {settings: [s: 'dns_address', 'ip_address', 'gateway', 'mtu', "
                "'ip_family']}",
                id);
        bench_say(b, text, NULL, f == SESSION_IPV4 ? SETTINGS_IPV4 : SETTINGS_IPV6);
}

void bench_connected(Bench *b, const SessionOptions *o) {
        uint8_t id = 2;

        bench_connect(b, o);
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++)
                if (o->families[i])
                        bench_bring_up(b, i, id++);
        RUN_UNTIL(b, session_get_state(b->session) == SESSION_CONNECTED);
        bench_settle(b);
        *b->events = 0;
        *fake_events = 0;
}

void bench_adopted(Bench *b, unsigned with) {
        SessionOptions o = only(SESSION_IPV4);

        bench_init(b, with);
        bench_connect(b, &o);
        bench_to_start(b, SESSION_IPV4, 2);
        bench_say(b, START("2"), "no_effect", NULL);
        bench_say(b, SETTINGS("2"), NULL, SETTINGS_IPV4);
        RUN_UNTIL(b, session_get_state(b->session) == SESSION_CONNECTED);
        bench_settle(b);
        check(session_is_adopted(b->session));
}

/* ---- another daemon ---- */

void bench_save(Bench *b) {
        packer_done(&b->device_state);
        packer_done(&b->session_state);
        device_save(b->device, &b->device_state);
        if (b->session)
                session_save(b->session, &b->session_state);
        check_int(b->device_state.error, 0);
        check_int(b->session_state.error, 0);
}

void bench_restart(Bench *b, bool crashed) {
        int fd = dup(port_get_fd(mux_get_port(device_get_mux(b->device))));
        _cleanup_packer_ Packer port = PACKER_INIT;
        Unpacker device, session, unpacked_port;

        check(fd >= 0);
        if (!crashed)
                bench_save(b);
        device_save_port(b->device, &port);
        if (!crashed) /* else nothing more is said */
                b->session = session_detach(b->session);
        device_detach(b->device);
        b->session = session_detach(b->session);
        b->device = device_free(b->device);

        unpacker_init(&device, b->device_state.data, b->device_state.size);
        unpacker_init(&unpacked_port, port.data, port.size);
        check_int(device_restore(&b->device, b->event, &device, crashed ? NULL : &unpacked_port, fd,
                                 b->with & WITH_LINK ? fake_net : NULL, &device_ops, b),
                  0);
        unpacker_init(&session, b->session_state.data, b->session_state.size);
        check_int(session_restore(&b->session, b->device, &session, crashed, &session_ops, b), 0);
        check_int(unpack_end(&session), 0);
        mux_release_orphans(device_get_mux(b->device));
        check(device_open(b->device) >= 0);
        *b->events = 0;
}
