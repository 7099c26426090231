/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-session-modem.h"

/* What becomes of a session when another daemon goes on. */

static void ready(Bench *b) {
        RUN_UNTIL(b, mux_get_state(device_get_mux(b->device)) == MUX_READY);
}

/* It goes on where it was, and the modem hears nothing of it. */
static void test_connected(void) {
        SessionOptions o = both();
        uint64_t since_usec;
        SessionIp ip;
        Bench b;

        bench_init(&b, WITH_LINK);
        fake_link_result.mux = 5;
        o.configure = true;
        o.user = "guest";
        o.password = "swordfish";
        bench_connect(&b, &o);
        bench_say(&b,
                  "wds 2 bind-mux-data-port {endpoint: {type: 'hsusb', interface: u4}, mux_id: y5, "
                  "client_type: 'tethered'}",
                  NULL, NULL);
        bench_to_start(&b, SESSION_IPV4, 2);
        bench_say(&b,
                  "wds 2 start-network {apn: 'internet', authentication: [s: 'pap', 'chap'], username: "
                  "'guest', "
                  "password: 'swordfish', profile_index_3gpp: y1}",
                  NULL, "{packet_data_handle: u4}");
        bench_say(&b, SETTINGS("2"), NULL, SETTINGS_IPV4);
        bench_say(&b,
                  "wds 3 bind-mux-data-port {endpoint: {type: 'hsusb', interface: u4}, mux_id: y5, "
                  "client_type: 'tethered'}",
                  NULL, NULL);
        bench_to_start(&b, SESSION_IPV6, 3);
        bench_say(&b,
                  "wds 3 start-network {apn: 'internet', authentication: [s: 'pap', 'chap'], username: "
                  "'guest', "
                  "password: 'swordfish', profile_index_3gpp: y1}",
                  "call_failed", "{verbose_call_end_reason: {type: '3gpp', reason: n26}}");
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_CONNECTED);
        bench_expect(&b, "ctl release wds 3");
        bench_settle(&b);
        ip = *session_get_ip(b.session, SESSION_IPV4);
        since_usec = session_get_since_usec(b.session);
        *fake_events = 0;

        /* The login is in nothing that is kept. */
        bench_save(&b);
        check(!memmem(b.session_state.data, b.session_state.size, "swordfish", 9));
        check(!memmem(b.session_state.data, b.session_state.size, "guest", 5));
        check(!memmem(b.device_state.data, b.device_state.size, "swordfish", 9));

        bench_restart(&b, false);
        ready(&b);
        bench_expect_silence(&b);
        check_str(b.events, "");
        check_str(fake_events, "restore-use:0 restore-configure:192.0.2.42 update[192.0.2.42,] ");
        check_int(session_get_state(b.session), SESSION_CONNECTED);
        check_int(session_get_number(b.session), 7);
        check_str(session_get_owner(b.session)->name, "session 7");
        check_str(session_get_apn(b.session), "internet");
        check_str(session_get_interface(b.session), "wwan0");
        check_int(session_get_mux(b.session), 5);
        check_int(session_get_profile(b.session), 1);
        check(session_get_since_usec(b.session) == since_usec);
        check(session_ip_equal(session_get_ip(b.session, SESSION_IPV4), &ip));
        check(session_get_grant(b.session, SESSION_IPV4)->granted);
        check(session_get_grant(b.session, SESSION_IPV6)->asked);
        check_str(session_get_grant(b.session, SESSION_IPV6)->reason,
                  "refused: insufficient resources: 3gpp 26, call_failed (14)");
        check_int(client_get_id(session_get_client(b.session, SESSION_IPV4)), 2);
        check(!session_get_client(b.session, SESSION_IPV6));
        check(session_is_configured(b.session));

        /* And can be followed and ended. */
        bench_indicate(&b, 2, "extended-ip-config", "{changed: [s: 'ip_address']}");
        bench_say(&b, SETTINGS("2"), NULL, SETTINGS_IPV4);
        session_disconnect(b.session);
        bench_say(&b, STOP_IPV4("2"), NULL, NULL);
        bench_expect(&b, "ctl release wds 2");
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        bench_done(&b);
}

/* After a crash something may not have been noted down: the modem is asked. */
static void test_crash(void) {
        SessionOptions o = both();
        const QmiMessage *first, *second;
        Bench b;

        bench_init(&b, WITH_LINK);
        bench_connected(&b, &o);
        bench_restart(&b, true);
        ready(&b);
        first = bench_expect(&b, STATUS("2"));
        second = bench_expect(&b, STATUS("3"));
        bench_answer(&b, first, NULL, "{status: 'connected'}");
        bench_say(&b, SETTINGS("2"), NULL, SETTINGS_IPV4);
        bench_answer(&b, second, NULL, "{status: 'connected'}");
        bench_say(&b, SETTINGS("3"), NULL, SETTINGS_IPV6);
        bench_expect_silence(&b);
        check_str(b.events, "");
        check_int(session_get_state(b.session), SESSION_CONNECTED);
        bench_done(&b);
}

static void test_crash_and_over(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        bench_init(&b, WITH_LINK);
        bench_connected(&b, &o);
        bench_restart(&b, true);
        ready(&b);
        bench_say(&b, STATUS("2"), NULL, "{status: 'disconnected'}");
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        bench_has(&b, "network (0): it was over when the modem was asked, which gave no reason\n");
        bench_has(&b, "disconnected\n");
        check_str(fake_events, "restore-use:0 unuse ");
        bench_done(&b);

        /* Or it has started anew meanwhile. */
        bench_init(&b, 0);
        bench_connected(&b, &o);
        b.forgets = true;
        bench_restart(&b, true);
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        bench_has(&b, "modem-reset (-19): ");
        bench_done(&b);
}

/* What was connecting ends, and what had begun is undone. */
static void connecting(bool crashed) {
        SessionOptions o = both();
        const QmiMessage *start;
        QmiMessage late;
        char text[64];
        Bench b;

        bench_init(&b, WITH_LINK);
        bench_connect(&b, &o);
        bench_bring_up(&b, SESSION_IPV4, 2);
        bench_to_start(&b, SESSION_IPV6, 3);
        *fake_events = 0;
        start = bench_expect(&b, "wds 3 start-network {apn: 'internet', profile_index_3gpp: y1}");
        late = *start;
        bench_settle(&b);
        bench_save(&b);
        bench_restart(&b, crashed);
        ready(&b);
        bench_events(&b, "disconnected\nrestart (0): qmid was restarted before it was connected\n");
        check_str(fake_events, "restore-use:0 unuse ");
        if (!crashed) { /* the last one called it off */
                (void) snprintf(text, sizeof(text), "wds 3 abort {transaction: q%u}", late.transaction);
                bench_expect(&b, text);
        }
        /* What is up is taken down; what was to come up has no client any more. */
        bench_say(&b, STOP_IPV4("2"), NULL, NULL);
        bench_expect(&b, "ctl release wds 3");
        bench_expect(&b, "ctl release wds 2");
        bench_answer(&b, &late, NULL, "{packet_data_handle: u6}");
        bench_expect_silence(&b);
        bench_done(&b);
}

static void test_connecting(void) {
        connecting(false);
        connecting(true);
}

/* Somebody wanted it to end: it does. */
static void test_disconnecting(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        bench_init(&b, WITH_LINK);
        bench_connected(&b, &o);
        session_disconnect(b.session);
        bench_expect(&b, STOP_IPV4("2"));
        bench_settle(&b);
        bench_restart(&b, false);
        bench_say(&b, STOP_IPV4("2"), NULL, NULL);
        bench_events(&b, "client ipv4 0\ndisconnected\nrequested (0): it was asked for\n");
        bench_expect(&b, "ctl release wds 2");
        check(strstr(fake_events, "unuse "));
        bench_done(&b);

        /* The modem does not answer now either. */
        bench_init(&b, 0);
        bench_connected(&b, &o);
        session_disconnect(b.session);
        bench_expect(&b, STOP_IPV4("2"));
        bench_settle(&b);
        b.deaf = true;
        bench_restart(&b, true);
        session_on_timer(b.session);
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        bench_done(&b);
}

/* A call that was there before is ended by nobody but who asks for it. */
static void test_adopted(void) {
        Bench b;

        bench_adopted(&b, 0);
        bench_restart(&b, false);
        ready(&b);
        check(session_is_adopted(b.session));
        bench_restart(&b, true);
        ready(&b);
        bench_say(&b, STATUS("2"), NULL, "{status: 'connected'}");
        bench_say(&b, SETTINGS("2"), NULL, SETTINGS_IPV4);
        session_disconnect(b.session);
        bench_say(&b, "wds 2 stop-network {packet_data_handle: u4294967295}", NULL, NULL);
        bench_expect(&b, "ctl release wds 2");
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        bench_done(&b);
}

/* Its end had not been told yet. */
static void test_ended(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        bench_init(&b, 0);
        bench_connected(&b, &o);
        bench_indicate(&b, 2, "packet-service-status",
                       "{connection: {status: 'disconnected', reconfiguration_required: false}, "
                       "call_end_reason: 'fade'}");
        RUN_UNTIL(&b, b.session->finished);
        bench_restart(&b, false);
        bench_events(&b, "disconnected\nregistration-lost (0): ended: the signal faded: fade (4)\n");
        bench_done(&b);

        bench_init(&b, 0);
        bench_connected(&b, &o);
        session_disconnect(b.session);
        bench_say(&b, STOP_IPV4("2"), NULL, NULL);
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        bench_restart(&b, false);
        bench_events(&b, "disconnected\nrequested (0): it was asked for\n");
        bench_done(&b);
}

/* The network interface is another's, or is not there any more. */
static void test_interface_gone(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        bench_init(&b, WITH_LINK);
        bench_connected(&b, &o);
        bench_save(&b);
        b.with &= ~WITH_LINK;
        bench_restart(&b, true);
        bench_events(&b, "disconnected\nlink-layer (-19): its network interface is not there any more\n");
        ready(&b);
        bench_say(&b, STOP_IPV4("2"), NULL, NULL);
        bench_done(&b);
}

/* Whatever the bytes are: a session, or an error, and nothing that goes wrong. */
static void test_broken_state(void) {
        SessionOptions o = both();
        Unpacker u;
        Session *s;
        Bench b;
        int r;

        bench_init(&b, WITH_LINK);
        bench_connected(&b, &o);
        bench_save(&b);
        for (size_t i = 0; i < b.session_state.size; i++) {
                _cleanup_free_ uint8_t *bytes = malloc(MAX(i, (size_t) 1));

                check(bytes);
                memcpy(bytes, b.session_state.data, i);
                unpacker_init(&u, bytes, i);
                check_int(session_restore(&s, b.device, &u, true, &session_ops, &b), -EBADMSG);
        }
        for (size_t i = 0; i < b.session_state.size; i++) {
                uint8_t *byte = b.session_state.data + i, old = *byte;

                *byte = 0xEE;
                unpacker_init(&u, b.session_state.data, b.session_state.size);
                r = session_restore(&s, b.device, &u, true, &session_ops, &b);
                check(r == 0 || r == -EBADMSG);
                if (r == 0)
                        session_free(s);
                *byte = old;
        }
        bench_done(&b);
}

int main(void) {
        test_connected();
        test_crash();
        test_crash_and_over();
        test_connecting();
        test_disconnecting();
        test_adopted();
        test_ended();
        test_interface_gone();
        test_broken_state();
        return 0;
}
