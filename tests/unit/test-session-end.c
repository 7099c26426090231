/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem/call-end.h"
#include "test-session-modem.h"

/* What becomes of a session that is connected, and how it ends. */

#define CONNECTION(s) "{connection: {status: '" s "', reconfiguration_required: false}}"
#define CONNECTION_OF(s, f) \
        "{connection: {status: '" s "', reconfiguration_required: false}, ip_family: '" f "'}"
#define ENDED(more) "{connection: {status: 'disconnected', reconfiguration_required: false}, " more "}"
#define SERVING(registration, roaming)                      \
        "{serving_system: {registration: '" registration    \
        "', cs_attach: 'attached', ps_attach: 'attached', " \
        "selected_network: '3gpp', radio_interfaces: [s: 'lte']}, roaming: '" roaming "'}"

static void indicate(Bench *b, uint8_t id, const char *dict) {
        bench_indicate(b, id, "packet-service-status", dict);
}

static void connected(Bench *b, unsigned with, const SessionOptions *o) {
        bench_init(b, with);
        bench_connected(b, o);
}

static void expect_end(Bench *b, const char *end) {
        RUN_UNTIL(b, session_get_state(b->session) == SESSION_ENDED);
        bench_has(b, end);
}

/* ---- by the owner ---- */

static void test_disconnect(void) {
        const QmiMessage *first, *second;
        SessionOptions o = both();
        Bench b;

        connected(&b, WITH_LINK, &o);
        session_disconnect(b.session);
        session_disconnect(b.session); /* once is enough */
        check_str(b.events, "");
        first = bench_expect(&b, STOP_IPV4("2"));
        second = bench_expect(&b, STOP_IPV6("3"));
        bench_answer(&b, first, NULL, NULL);
        bench_events(&b, "disconnecting\n");
        indicate(&b, 2, CONNECTION("disconnected"));
        bench_settle(&b);
        check_str(fake_events, "");
        check_int(session_get_state(b.session), SESSION_DISCONNECTING);
        bench_answer(&b, second, NULL, NULL);
        bench_expect(&b, "ctl release wds 2");
        bench_expect(&b, "ctl release wds 3");
        expect_end(&b, "client ipv4 0\nclient ipv6 0\ndisconnected\nrequested (0): it was asked for\n");
        check_str(fake_events, "unuse ");
        check(!session_get_grant(b.session, SESSION_IPV4)->granted);
        check_str(session_get_grant(b.session, SESSION_IPV4)->reason, "it was asked for");
        session_disconnect(b.session);
        bench_expect_silence(&b);
        bench_done(&b);
}

/* The receiver frees it in the last call. */
static void test_free_on_end(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        connected(&b, 0, &o);
        b.free_on_end = true;
        session_disconnect(b.session);
        bench_say(&b, STOP_IPV4("2"), NULL, NULL);
        RUN_UNTIL(&b, !b.session);
        bench_expect(&b, "ctl release wds 2");
        bench_expect_silence(&b);
        bench_done(&b);
}

/* The addresses go before the call. */
static void test_unconfigure(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        o.configure = true;
        connected(&b, WITH_LINK, &o);
        check(session_is_configured(b.session));
        session_disconnect(b.session);
        check_str(fake_events, "unconfigure ");
        bench_say(&b, STOP_IPV4("2"), "no_effect", NULL); /* it was down already */
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        bench_has(&b, "requested (0): it was asked for\n");
        check_str(fake_events, "unconfigure unuse ");
        bench_done(&b);
}

static void test_configure_fails(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        bench_init(&b, WITH_LINK);
        fake_link_result.interface = "busy0";
        o.configure = true;
        bench_connected(&b, &o);
        check(!session_is_configured(b.session));
        check_str(session_get_problem(b.session), "busy0: nothing could be set: Device or resource busy");
        bench_done(&b);

        bench_init(&b, 0);
        bench_connected(&b, &o);
        check_str(session_get_problem(b.session),
                  "there is no network interface: nothing could be set: No such device");
        bench_done(&b);
}

static void test_stop_refused(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        connected(&b, 0, &o);
        session_disconnect(b.session);
        bench_say(&b, STOP_IPV4("2"), "internal", NULL);
        expect_end(&b, "requested (3): it was to end, and the modem did not take the call for ipv4 down: "
                       "internal (3)\n");
        /* The mux tries it once more. */
        bench_say(&b, STOP_IPV4("2"), NULL, NULL);
        bench_expect(&b, "ctl release wds 2");
        bench_done(&b);
}

/* Nobody can tell the modem: a call of ours goes with its client, later; another does not. */
static void test_stop_unheard(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        connected(&b, 0, &o);
        mux_inhibit(device_get_mux(b.device), "a test");
        session_disconnect(b.session);
        expect_end(&b, "requested (-19): it was asked for; the modem cannot be told to take the call for "
                       "ipv4 down: No "
                       "such device\n");
        mux_uninhibit(device_get_mux(b.device));
        bench_say(&b, STOP_IPV4("2"), NULL, NULL);
        bench_expect(&b, "ctl release wds 2");
        bench_done(&b);
}

static void test_stop_hangs(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        connected(&b, 0, &o);
        session_disconnect(b.session);
        bench_expect(&b, STOP_IPV4("2"));
        session_on_timer(b.session);
        expect_end(&b, "requested (0): it was asked for; the modem has not answered that it took it down\n");
        bench_done(&b);
}

/* In the middle of connecting: what comes up nevertheless is taken down. */
static void test_disconnect_while_connecting(void) {
        SessionOptions o = both();
        const QmiMessage *start;
        char text[64];
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_bring_up(&b, SESSION_IPV4, 2);
        bench_to_start(&b, SESSION_IPV6, 3);
        start = bench_expect(&b, "wds 3 start-network {apn: 'internet', profile_index_3gpp: y1}");
        session_disconnect(b.session);
        (void) snprintf(text, sizeof(text), "wds 3 abort {transaction: q%u}", start->transaction);
        bench_say(&b, text, NULL, NULL);
        bench_say(&b, STOP_IPV4("2"), NULL, NULL);
        expect_end(&b, "disconnected\n");
        bench_has(&b, "requested (0): it was asked for\n");
        bench_expect(&b, "ctl release wds 2");
        bench_answer(&b, start, NULL, "{packet_data_handle: u6}");
        bench_say(&b, STOP_IPV6("3"), NULL, NULL);
        bench_expect(&b, "ctl release wds 3");
        bench_expect_silence(&b);
        bench_done(&b);
}

static void test_disconnect_before_anything(void) {
        SessionOptions o = both();
        Bench b;

        bench_init(&b, WITH_LINK);
        fake_link_silent = true;
        bench_connect(&b, &o);
        session_disconnect(b.session);
        bench_events(&b, "disconnected\nrequested (0): it was asked for\n");
        check_str(fake_events, "use:auto:0 unuse ");
        bench_done(&b);
}

/* The owner has gone: nobody waits, and all is undone. */
static void test_free(void) {
        SessionOptions o = both();
        Bench b;

        connected(&b, WITH_LINK, &o);
        b.session = session_free(b.session);
        check_str(fake_events, "unuse ");
        bench_say(&b, STOP_IPV4("2"), NULL, NULL);
        bench_say(&b, STOP_IPV6("3"), NULL, NULL);
        bench_expect(&b, "ctl release wds 2");
        bench_expect(&b, "ctl release wds 3");
        bench_expect_silence(&b);
        check_str(b.events, "");
        bench_done(&b);
}

static void test_free_while_connecting(void) {
        SessionOptions o = only(SESSION_IPV4);
        const QmiMessage *start;
        char text[64];
        Bench b;

        bench_init(&b, WITH_LINK);
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV4, 2);
        start = bench_expect(&b, START("2"));
        b.session = session_free(b.session);
        (void) snprintf(text, sizeof(text), "wds 2 abort {transaction: q%u}", start->transaction);
        bench_say(&b, text, NULL, NULL);
        bench_answer(&b, start, NULL, "{packet_data_handle: u4}");
        bench_say(&b, STOP_IPV4("2"), NULL, NULL);
        bench_expect(&b, "ctl release wds 2");
        bench_done(&b);
}

/* ---- by the network ---- */

static void ended(const char *reasons, const char *serving_system, const char *end) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        connected(&b, WITH_NAS | WITH_LINK, &o);
        indicate(&b, 2, reasons);
        bench_say(&b, STOP_IPV4("2"), "invalid_handle", NULL);
        bench_say(&b, "nas 1 get-serving-system {}", serving_system ? NULL : "internal", serving_system);
        bench_expect(&b, "ctl release wds 2");
        expect_end(&b, end);
        bench_has(&b, "disconnecting\n");
        check_str(fake_events, "unuse ");
        bench_done(&b);
}

static void test_ended(void) {
        ended(ENDED("call_end_reason: 'release_normal', verbose_call_end_reason: {type: '3gpp', reason: "
                    "n36}"),
              SERVING("registered", "off"),
              "network (0): ended: regular deactivation: 3gpp 36, release_normal (5)\n");
        ended(CONNECTION("disconnected"), SERVING("registered", "off"),
              "network (0): ended: no reason was given\n");
        ended(ENDED("verbose_call_end_reason: {type: '3gpp', reason: n39}"), SERVING("registered", "on"),
              "roaming (0): ended: reactivation requested: 3gpp 39; the modem is roaming\n");
        ended(ENDED("verbose_call_end_reason: {type: 'internal', reason: n239}"),
              SERVING("registered", "off"),
              "roaming (0): ended: APN not allowed while roaming: internal 239\n");
        ended(CONNECTION("disconnected"), SERVING("searching", "off"),
              "registration-lost (0): ended: no reason was given; the modem is not registered in a network "
              "(searching)\n");
        /* It has found another one since. */
        ended(ENDED("call_end_reason: 'no_service'"), SERVING("registered", "off"),
              "registration-lost (0): ended: no service: no_service (3)\n");
        ended(ENDED("verbose_call_end_reason: {type: 'call_manager', reason: n2000}"),
              SERVING("registered", "off"),
              "requested (0): ended: ended by a client of the modem: call_manager 2000\n");
        ended(CONNECTION("disconnected"), NULL, "network (0): ended: no reason was given\n");
}

/* Of two calls one ends; then the other. */
static void test_one_ends(void) {
        SessionOptions o = both();
        Bench b;

        connected(&b, 0, &o);
        indicate(&b, 2, ENDED("call_end_reason: 'release_normal'"));
        bench_say(&b, STOP_IPV4("2"), NULL, NULL);
        bench_events(&b, "indication ipv4 0022\nclient ipv4 0\n"
                         "ipv4 not granted: ended: regular release: release_normal (5)\n"
                         "ipv6 granted\n"
                         "ipv6 2001:db8:42::2a/64 via fe80::1 dns 2001:db8::53 mtu 1420\n");
        bench_expect(&b, "ctl release wds 2");
        check_int(session_get_state(b.session), SESSION_CONNECTED);
        indicate(&b, 3, ENDED("call_end_reason: 'fade'"));
        bench_say(&b, STOP_IPV6("3"), NULL, NULL);
        expect_end(&b, "registration-lost (0): ended: the signal faded: fade (4)\n");
        bench_done(&b);
}

static void test_disconnect_during_diagnosis(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        connected(&b, WITH_NAS, &o);
        indicate(&b, 2, CONNECTION("disconnected"));
        bench_say(&b, STOP_IPV4("2"), NULL, NULL);
        bench_expect(&b, "nas 1 get-serving-system {}");
        bench_expect(&b, "ctl release wds 2");
        session_disconnect(b.session);
        session_on_timer(b.session);
        expect_end(&b, "network (0): ended: no reason was given\n");
        bench_done(&b);
}

/* ---- while it is up ---- */

static void test_suspended(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        connected(&b, 0, &o);
        indicate(&b, 2, CONNECTION("suspended"));
        indicate(&b, 2, CONNECTION("suspended"));
        bench_events(&b,
                     "indication ipv4 0022\nindication ipv4 0022\nipv4 granted: suspended by the network\n");
        indicate(&b, 2, CONNECTION("authenticating"));
        bench_expect_silence(&b);
        indicate(&b, 2, CONNECTION("connected"));
        bench_say(&b, SETTINGS("2"), NULL, SETTINGS_IPV4);
        bench_events(&b, "indication ipv4 0022\nindication ipv4 0022\nipv4 granted\n");
        bench_expect_silence(&b);
        bench_done(&b);
}

static void test_reconfiguration(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        o.configure = true;
        connected(&b, WITH_LINK, &o);
        indicate(&b, 2, "{connection: {status: 'connected', reconfiguration_required: true}}");
        bench_say(&b, SETTINGS("2"), NULL,
                  "{ipv4_address: '198.51.100.7', ipv4_netmask: '255.255.255.255'}");
        bench_events(&b, "indication ipv4 0022\nipv4 198.51.100.7/32\n");
        check_str(fake_events, "update[198.51.100.7,] ");

        /* The same again is nothing new. */
        bench_indicate(&b, 2, "extended-ip-config", "{changed: [s: 'ip_address']}");
        bench_say(&b, SETTINGS("2"), NULL,
                  "{ipv4_address: '198.51.100.7', ipv4_netmask: '255.255.255.255'}");
        bench_expect_silence(&b);
        check_str(b.events, "indication ipv4 008c\n");
        bench_done(&b);
}

/* No answer is no reason to take addresses away; that there is no call is. */
static void test_reconfiguration_fails(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        connected(&b, 0, &o);
        bench_indicate(&b, 2, "extended-ip-config", "{changed: [s: 'ip_address']}");
        bench_say(&b, SETTINGS("2"), "internal", NULL);
        bench_events(&b,
                     "indication ipv4 008c\nipv4 granted: its addresses could not be read: internal (3)\n");
        check(session_get_ip(b.session, SESSION_IPV4)->is_set);
        bench_indicate(&b, 2, "extended-ip-config", "{changed: [s: 'ip_address']}");
        bench_say(&b, SETTINGS("2"), "out_of_call", NULL);
        bench_events(
                &b,
                "indication ipv4 008c\nipv4 granted: the modem says that it is up, and gives no addresses: "
                "out_of_call (15)\n");
        check(!session_get_ip(b.session, SESSION_IPV4)->is_set);
        bench_done(&b);
}

/* What has become of the network interface. */
static void test_interface(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        o.configure = true;
        connected(&b, WITH_LINK, &o);
        device_on_interface(b.device, "wwan0");
        bench_settle(&b);
        check_str(b.events, "");
        fake_problem = "the name servers were not taken";
        device_on_interface(b.device, "wwan0");
        bench_events(&b, "adopted 0 profile 1 configured 1: the name servers were not taken\n");
        fake_link_result.interface = "wwan5";
        device_on_interface(b.device, "wwan5");
        bench_events(&b, "interface 'wwan5' mux 0\n");
        check_str(fake_events, "interface:wwan0 interface:wwan0 interface:wwan5 ");
        bench_done(&b);
}

/* Two in a row: the answer to the first question may be older than the second. */
static void test_reconfiguration_twice(void) {
        SessionOptions o = only(SESSION_IPV4);
        const QmiMessage *settings;
        Bench b;

        connected(&b, 0, &o);
        bench_indicate(&b, 2, "extended-ip-config", "{changed: [s: 'ip_address']}");
        settings = bench_expect(&b, SETTINGS("2"));
        bench_indicate(&b, 2, "extended-ip-config", "{changed: [s: 'ip_address']}");
        bench_expect_silence(&b);
        bench_answer(&b, settings, NULL, SETTINGS_IPV4);
        bench_say(&b, SETTINGS("2"), NULL, "{ipv4_address: '198.51.100.7'}");
        bench_events(&b, "indication ipv4 008c\nindication ipv4 008c\nipv4 198.51.100.7/32\n");
        bench_done(&b);
}

/* What goes to all clients of the service may be about anybody's call: the modem is asked. */
static void test_broadcast(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        connected(&b, 0, &o);
        indicate(&b, QMI_CLIENT_ALL, CONNECTION("disconnected"));
        indicate(&b, QMI_CLIENT_ALL, CONNECTION("disconnected"));
        bench_say(&b, STATUS("2"), NULL, "{status: 'connected'}");
        bench_say(&b, SETTINGS("2"), NULL, SETTINGS_IPV4);
        bench_expect_silence(&b);
        check_int(session_get_state(b.session), SESSION_CONNECTED);

        indicate(&b, QMI_CLIENT_ALL, CONNECTION("suspended"));
        bench_say(&b, STATUS("2"), NULL, "{status: 'suspended'}");
        RUN_UNTIL(&b, strstr(b.events, "ipv4 granted: suspended by the network\n"));
        indicate(&b, QMI_CLIENT_ALL, CONNECTION("suspended"));
        bench_say(&b, STATUS("2"), "internal", NULL); /* so it stays as it is */
        bench_expect_silence(&b);
        indicate(&b, QMI_CLIENT_ALL, CONNECTION("disconnected"));
        bench_say(&b, STATUS("2"), NULL, "{status: 'disconnected'}");
        bench_say(&b, STOP_IPV4("2"), NULL, NULL);
        expect_end(&b, "network (0): it was over when the modem was asked, which gave no reason\n");
        bench_done(&b);
}

/* Nor is what another family's call is told. */
static void test_other_family(void) {
        SessionOptions o = both();
        Bench b;

        connected(&b, 0, &o);
        indicate(&b, 2, CONNECTION_OF("disconnected", "ipv6"));
        bench_expect_silence(&b);
        check_int(session_get_state(b.session), SESSION_CONNECTED);
        check(session_get_grant(b.session, SESSION_IPV6)->granted);
        indicate(&b, 3, CONNECTION_OF("disconnected", "ipv6"));
        bench_expect(&b, STOP_IPV6("3"));
        bench_settle(&b);
        check(!session_get_grant(b.session, SESSION_IPV6)->granted);
        check(session_get_grant(b.session, SESSION_IPV4)->granted);
        bench_done(&b);
}

/* One call that has both: each may go. */
static void test_carried(void) {
        SessionOptions o = both();
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_bring_up(&b, SESSION_IPV4, 2);
        bench_to_start(&b, SESSION_IPV6, 3);
        bench_say(&b, "wds 3 start-network {apn: 'internet', profile_index_3gpp: y1}", "call_failed",
                  "{verbose_call_end_reason: {type: '3gpp', reason: n52}}");
        bench_expect(&b, "ctl release wds 3");
        bench_say(
                &b, SETTINGS("2"), NULL,
                "{ipv4_address: '192.0.2.42', ipv6_address: {address: '2001:db8::1', prefix_length: y64}}");
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_CONNECTED);
        bench_settle(&b);
        check(session_get_grant(b.session, SESSION_IPV6)->granted);
        indicate(&b, 2, CONNECTION_OF("disconnected", "ipv6"));
        RUN_UNTIL(&b, !session_get_grant(b.session, SESSION_IPV6)->granted);
        check_str(session_get_grant(b.session, SESSION_IPV6)->reason, "ended: no reason was given");
        check(!session_get_ip(b.session, SESSION_IPV6)->is_set);
        check_int(session_get_state(b.session), SESSION_CONNECTED);
        bench_done(&b);
}

/* ---- modem and port ---- */

static void test_modem_reset(void) {
        SessionOptions o = both();
        Bench b;

        connected(&b, WITH_LINK, &o);
        b.forgets = true;
        bench_tell_sync(&b);
        expect_end(&b, "client ipv4 0\nclient ipv6 0\ndisconnected\n");
        bench_has(&b, "modem-reset (-19): the modem has started anew, or has forgotten the session: ");
        check_str(fake_events, "unuse ");
        bench_done(&b);
}

static void test_modem_reset_adopted(void) {
        Bench b;

        bench_adopted(&b, WITH_LINK);
        *fake_events = 0;
        b.forgets = true;
        bench_tell_sync(&b);
        expect_end(&b, "client ipv4 0\ndisconnected\n");
        bench_has(&b, "modem-reset (-19): ");
        check_str(fake_events, "unuse ");
        bench_done(&b);
}

static void test_port_gone(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        connected(&b, WITH_LINK, &o);
        bench_hang_up(&b);
        expect_end(&b, "device-gone (-19): the modem is gone: ");
        check_str(fake_events, "unuse ");
        bench_done(&b);
}

static void test_port_gone_while_connecting(void) {
        SessionOptions o = both();
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV4, 2);
        bench_expect(&b, START("2"));
        bench_hang_up(&b);
        expect_end(&b, "device-gone (-19): the modem is gone: ");
        bench_done(&b);

        bench_init(&b, 0);
        b.deaf = true; /* no client id */
        bench_connect(&b, &o);
        bench_settle(&b);
        bench_hang_up(&b);
        expect_end(&b, "device-gone (-19): the modem is gone: ");
        bench_done(&b);
}

static void test_port_gone_while_disconnecting(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        connected(&b, 0, &o);
        session_disconnect(b.session);
        bench_expect(&b, STOP_IPV4("2"));
        bench_hang_up(&b);
        expect_end(&b, "device-gone (-19): the modem is gone: ");
        bench_done(&b);
}

static void test_modem_reset_while_connecting(void) {
        SessionOptions o = both();
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV4, 2);
        bench_expect(&b, START("2"));
        bench_tell_sync(&b);
        expect_end(&b, "modem-reset (-19): ");
        bench_done(&b);
}

/* The device goes for good, and its sessions before it: nobody is told. */
static void test_lose_device(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        connected(&b, WITH_LINK, &o);
        session_lose_device(b.session);
        check_int(session_get_state(b.session), SESSION_ENDED);
        check_int(session_get_end(b.session)->kind, SESSION_END_DEVICE_GONE);
        check_str(session_get_end(b.session)->text, "the modem is gone");
        check_str(fake_events, "unuse ");
        session_lose_device(b.session);
        bench_settle(&b);
        check_str(b.events, "");
        bench_done(&b);
}

/* Another program had the port for a while: the session is still there if the modem says so. */
static void inhibit(Bench *b) {
        Mux *m = device_get_mux(b->device);

        mux_inhibit(m, "a test");
        RUN_UNTIL(b, b->modem.connection < 0);
        mux_uninhibit(m);
        RUN_UNTIL(b, mux_get_state(m) == MUX_READY);
}

static void test_inhibited(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        connected(&b, 0, &o);
        inhibit(&b);
        bench_say(&b, STATUS("2"), NULL, "{status: 'connected'}");
        bench_say(&b, SETTINGS("2"), NULL, SETTINGS_IPV4);
        bench_expect_silence(&b);
        check_str(b.events, "");
        inhibit(&b);
        bench_say(&b, STATUS("2"), "out_of_call", NULL);
        bench_say(&b, STOP_IPV4("2"), NULL, NULL);
        expect_end(&b, "network (15): it was over when the modem was asked, which gave no reason\n");
        bench_done(&b);

        /* A question that is lost so does not end it. */
        connected(&b, 0, &o);
        bench_indicate(&b, 2, "extended-ip-config", "{changed: [s: 'ip_address']}");
        bench_expect(&b, SETTINGS("2"));
        inhibit(&b);
        bench_say(&b, STATUS("2"), NULL, "{status: 'connected'}");
        bench_say(&b, SETTINGS("2"), NULL, SETTINGS_IPV4);
        check_int(session_get_state(b.session), SESSION_CONNECTED);
        b.forgets = true;
        inhibit(&b);
        expect_end(&b, "modem-reset (-19): ");
        bench_done(&b);
}

static void test_inhibited_while_connecting(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV4, 2);
        bench_expect(&b, START("2"));
        mux_inhibit(device_get_mux(b.device), "a test");
        expect_end(&b, "device-gone (-19): the port was given up: a test\n");
        bench_done(&b);
}

/* ---- addresses ---- */

static void ip(const char *settings, SessionFamily f, const char *expected) {
        char text[256] = "";
        SessionIp got;
        Value dict;
        Arena a;

        arena_init(&a);
        dict = value_from_text(settings, &a);
        session_ip_read(&dict, f, &got);
        if (got.is_set) {
                int n = snprintf(text, sizeof(text), "%s/%u via %s mtu %u", got.address, got.prefix,
                                 got.gateway, got.mtu);

                for (unsigned i = 0; i < got.n_dns; i++)
                        n += snprintf(text + n, sizeof(text) - (size_t) n, " dns %s", got.dns[i]);
        }
        check_str(text, expected);
        arena_done(&a);
}

static void test_ip(void) {
        ip("{}", SESSION_IPV4, "");
        ip("{}", SESSION_IPV6, "");
        ip("{ipv4_address: '0.0.0.0', ipv4_netmask: '255.0.0.0'}", SESSION_IPV4, "");
        ip("{ipv6_address: {address: '::', prefix_length: y64}}", SESSION_IPV6, "");
        ip("{ipv4_address: '192.0.2.1'}", SESSION_IPV4, "192.0.2.1/32 via  mtu 0");
        ip("{ipv4_address: '192.0.2.1', ipv4_netmask: '255.255.255.0'}", SESSION_IPV4,
           "192.0.2.1/24 via  mtu 0");
        ip("{ipv4_address: '192.0.2.1', ipv4_netmask: '255.255.255.255'}", SESSION_IPV4,
           "192.0.2.1/32 via  mtu 0");
        ip("{ipv4_address: '192.0.2.1', ipv4_netmask: '128.0.0.0'}", SESSION_IPV4, "192.0.2.1/1 via  mtu 0");
        ip("{ipv4_address: '192.0.2.1', ipv4_netmask: '0.0.0.0'}", SESSION_IPV4, "192.0.2.1/32 via  mtu 0");
        ip("{ipv4_address: '192.0.2.1', ipv4_netmask: '255.0.255.0'}", SESSION_IPV4,
           "192.0.2.1/32 via  mtu 0");
        ip("{ipv4_address: '192.0.2.1', ipv4_gateway: '0.0.0.0', ipv4_primary_dns: '0.0.0.0', "
           "ipv4_secondary_dns: '192.0.2.9', mtu: u1500}",
           SESSION_IPV4, "192.0.2.1/32 via  mtu 1500 dns 192.0.2.9");
        ip("{ipv4_address: '192.0.2.1', ipv4_primary_dns: '192.0.2.9', ipv4_secondary_dns: '192.0.2.9', "
           "mtu: u4294967295}",
           SESSION_IPV4, "192.0.2.1/32 via  mtu 0 dns 192.0.2.9");
        ip("{ipv4_address: 'nonsense'}", SESSION_IPV4, "");
        ip("{ipv6_address: {address: '2001:DB8:0::1', prefix_length: y0}}", SESSION_IPV6,
           "2001:db8::1/128 via  mtu 0");
        ip("{ipv6_address: {address: '2001:db8::1', prefix_length: y129}, ipv6_gateway: {address: '::', "
           "prefix_length: y0}, ipv6_primary_dns: '::', ipv6_secondary_dns: '2001:db8::2'}",
           SESSION_IPV6, "2001:db8::1/128 via  mtu 0 dns 2001:db8::2");
        ip("{ipv6_address: '2001:db8::1'}", SESSION_IPV6, "");
}

/* ---- reasons ---- */

/* Each kind of end is that of some reason; what is not told apart is none. */
static void test_kinds(void) {
        SessionEnd e = {};

        check_int(call_end_kind(&e), SESSION_END_NONE);
        e.error = 14;
        check_int(call_end_kind(&e), SESSION_END_NONE);
        e.error = 102;
        check_int(call_end_kind(&e), SESSION_END_NO_SIM);
        /* The reasons of the call before that, and the exact one before the vague one. */
        e.has_call_end = true;
        e.call_end_reason = 10;
        check_int(call_end_kind(&e), SESSION_END_AUTHENTICATION);
        e.has_verbose = true;
        e.verbose_type = 6;
        e.verbose_reason = 27;
        check_int(call_end_kind(&e), SESSION_END_APN);
        e.verbose_reason = 26;
        check_int(call_end_kind(&e), SESSION_END_AUTHENTICATION);
        e.verbose_type = 2;
        e.verbose_reason = 212;
        check_int(call_end_kind(&e), SESSION_END_MODEM_RESET);
        e.verbose_type = 7;
        e.verbose_reason = 32;
        check_int(call_end_kind(&e), SESSION_END_AUTHENTICATION);
        check(!call_end_is_single_call(&e));
        e.verbose_reason = 50; /* of another list */
        check(!call_end_is_single_call(&e));
}

int main(void) {
        test_disconnect();
        test_free_on_end();
        test_unconfigure();
        test_configure_fails();
        test_stop_refused();
        test_stop_unheard();
        test_stop_hangs();
        test_disconnect_while_connecting();
        test_disconnect_before_anything();
        test_free();
        test_free_while_connecting();
        test_ended();
        test_one_ends();
        test_disconnect_during_diagnosis();
        test_suspended();
        test_reconfiguration();
        test_reconfiguration_fails();
        test_interface();
        test_reconfiguration_twice();
        test_broadcast();
        test_other_family();
        test_carried();
        test_modem_reset();
        test_modem_reset_adopted();
        test_port_gone();
        test_port_gone_while_connecting();
        test_port_gone_while_disconnecting();
        test_modem_reset_while_connecting();
        test_lose_device();
        test_inhibited();
        test_inhibited_while_connecting();
        test_ip();
        test_kinds();
        return 0;
}
