/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-session-modem.h"

/* Sessions that connect, or try to. */

#define CAUSE(n) "{call_end_reason: 'unspecified', verbose_call_end_reason: {type: '3gpp', reason: n" #n "}}"
#define IPV4     "ipv4 192.0.2.42/30 via 192.0.2.41 dns 192.0.2.53 mtu 1420\n"
#define IPV6     "ipv6 2001:db8:42::2a/64 via fe80::1 dns 2001:db8::53 mtu 1420\n"

static void test_both(void) {
        SessionOptions o = both();
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        check(!session_get_client(b.session, SESSION_IPV4));
        bench_bring_up(&b, SESSION_IPV4, 2);
        bench_bring_up(&b, SESSION_IPV6, 3);
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_CONNECTED);
        bench_settle(&b);
        bench_has(&b, "client ipv4 2\n");
        bench_has(&b, "client ipv6 3\n");
        bench_has(&b, "connected\n");
        bench_has(&b, "ipv4 granted\nipv6 granted\n");
        bench_has(&b, IPV4 IPV6);
        bench_expect_silence(&b);

        check_int(session_get_number(b.session), 7);
        check_str(session_get_owner(b.session)->name, "session 7");
        check_str(session_get_apn(b.session), "internet");
        check_str(session_get_interface(b.session), "");
        check_int(session_get_mux(b.session), 0);
        check_int(session_get_profile(b.session), 1);
        check(session_get_device(b.session) == b.device);
        check(session_get_since_usec(b.session) > 0);
        check(!session_is_adopted(b.session) && !session_is_configured(b.session));
        check_int(client_get_id(session_get_client(b.session, SESSION_IPV6)), 3);
        bench_done(&b);
}

static void test_one_family(void) {
        SessionOptions o = only(SESSION_IPV6);
        Bench b;

        bench_init(&b, 0);
        o.apn = NULL;
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV6, 2);
        bench_say(&b, "wds 2 start-network {profile_index_3gpp: y1}", NULL, "{packet_data_handle: u6}");
        bench_say(&b, SETTINGS("2"), NULL, SETTINGS_IPV6);
        bench_events(&b, "adopted 0 profile 1 configured 0\n"
                         "client ipv6 2\n"
                         "connected\nipv6 granted\n" IPV6);
        check(!session_get_grant(b.session, SESSION_IPV4)->asked);
        bench_done(&b);
}

/* Never two starts at once: the second client is not even allocated before the first call is settled. */
static void test_one_start_at_a_time(void) {
        SessionOptions o = both();
        const QmiMessage *start;
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV4, 2);
        start = bench_expect(&b, START("2"));
        bench_expect_silence(&b);
        check_int(b.n_ids[QMI_SERVICE_WDS], 2);
        bench_answer(&b, start, NULL, "{packet_data_handle: u4}");
        bench_say(&b, SETTINGS("2"), NULL, SETTINGS_IPV4);
        bench_bring_up(&b, SESSION_IPV6, 3);
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_CONNECTED);
        bench_done(&b);
}

static void test_link_and_mux(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        bench_init(&b, WITH_LINK);
        fake_link_result.interface = "qmimux0";
        fake_link_result.mux = 3;
        o.link = LINK_QMAP;
        o.mux = 3;
        o.configure = true;
        bench_connect(&b, &o);
        check_str(fake_events, "use:qmap:3 ");
        bench_say(&b,
                  "wds 2 bind-mux-data-port {endpoint: {type: 'hsusb', interface: u4}, mux_id: y3, "
                  "client_type: 'tethered'}",
                  NULL, NULL);
        bench_bring_up(&b, SESSION_IPV4, 2);
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_CONNECTED);
        bench_settle(&b);
        bench_has(&b, "interface 'qmimux0' mux 3\n");
        bench_has(&b, "configured 1\n");
        check_str(fake_events, "use:qmap:3 configure:qmimux0:1500[192.0.2.42,] update[192.0.2.42,] ");
        bench_done(&b);
        check(strstr(fake_events, "unconfigure unuse "));
}

static void test_mux_without_link(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        bench_init(&b, 0);
        o.mux = 2;
        bench_connect(&b, &o);
        bench_say(&b, "wds 2 bind-mux-data-port {mux_id: y2, client_type: 'tethered'}", "no_effect", NULL);
        bench_bring_up(&b, SESSION_IPV4, 2);
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_CONNECTED);
        check_int(session_get_mux(b.session), 2);
        bench_done(&b);
}

static void test_link_fails(void) {
        SessionOptions o = both();
        Bench b;

        bench_init(&b, WITH_LINK);
        fake_link_result =
                (LinkResult){ .error = -EBUSY, .text = "setting the host's format: somebody has wwan0" };
        bench_connect(&b, &o);
        bench_events(&b, "disconnected\nlink-layer (-16): setting the host's format: somebody has wwan0\n");
        check_str(fake_events, "use:auto:0 unuse ");
        bench_expect_silence(&b);
        bench_done(&b);
}

static void test_binding_fails(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        bench_init(&b, 0);
        o.mux = 2;
        bench_connect(&b, &o);
        bench_say(&b, "wds 2 bind-mux-data-port {mux_id: y2, client_type: 'tethered'}",
                  "invalid_qmi_command", NULL);
        bench_expect(&b, "ctl release wds 2");
        bench_events(&b, "adopted 0 profile 1 configured 0\nclient ipv4 2\n"
                         "client ipv4 0\ndisconnected\n"
                         "ipv4 not granted: binding the call to its mux: invalid_qmi_command (71)\n"
                         "link-layer (71): ipv4: binding the call to its mux: invalid_qmi_command (71)\n");
        bench_done(&b);
}

/* What an old modem does not have is done without. */
static void test_old_modem(void) {
        SessionOptions o = only(SESSION_IPV6);
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_say(&b, "wds 2 set-ip-family {ip_family: 'ipv6'}", "invalid_qmi_command", NULL);
        bench_say(&b, "wds 2 indication-register {extended_ip_config: true}", "invalid_qmi_command", NULL);
        bench_say(&b, "wds 2 start-network {apn: 'internet', ip_family: 'ipv6', profile_index_3gpp: y1}",
                  NULL, "{packet_data_handle: u6}");
        bench_say(&b, SETTINGS("2"), NULL, SETTINGS_IPV6);
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_CONNECTED);
        bench_done(&b);
}

static void test_family_fails(void) {
        SessionOptions o = only(SESSION_IPV6);
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_say(&b, "wds 2 set-ip-family {ip_family: 'ipv6'}", "internal", NULL);
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        bench_has(&b, "refused (3): ipv6: setting the IP family: internal (3)\n");
        bench_done(&b);
}

static void test_no_client_id(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        bench_init(&b, 0);
        b.no_id_error = 3;
        bench_connect(&b, &o);
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        check_str(b.events, "adopted 0 profile 1 configured 0\n"
                            "disconnected\nipv4 not granted: allocating a client id: internal (3)\n"
                            "refused (3): ipv4: allocating a client id: internal (3)\n");
        bench_done(&b);
}

/* ---- two families, one of them refused ---- */

/* The second is refused as there is one call for both: the first has its addresses. */
static void single_call(const char *reasons, const char *text) {
        SessionOptions o = both();
        char expected[1024];
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_bring_up(&b, SESSION_IPV4, 2);
        bench_to_start(&b, SESSION_IPV6, 3);
        bench_say(&b, START("3"), "call_failed", reasons);
        bench_expect(&b, "ctl release wds 3");
        bench_say(&b, SETTINGS("2"), NULL,
                  "{ipv4_primary_dns: '192.0.2.53', ipv4_address: '192.0.2.42', ipv4_gateway: '192.0.2.41', "
                  "ipv4_netmask: '255.255.255.252', ipv6_address: {address: '2001:db8:42::2a', "
                  "prefix_length: y64}}");
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_CONNECTED);
        bench_settle(&b);
        (void) snprintf(expected, sizeof(expected),
                        "ipv6 granted: in the call for ipv4, as one of its own was refused: refused: %s\n",
                        text);
        bench_has(&b, expected);
        check_str(session_get_ip(b.session, SESSION_IPV6)->address, "2001:db8:42::2a");
        check(!session_get_client(b.session, SESSION_IPV6));

        /* Both end with it. */
        bench_indicate(&b, 2, "packet-service-status",
                       "{connection: {status: 'disconnected', reconfiguration_required: false}}");
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        bench_done(&b);
}

static void test_single_call(void) {
        single_call(CAUSE(50), "only IPv4 allowed: 3gpp 50, unspecified (1), call_failed (14)");
        single_call(CAUSE(51), "only IPv6 allowed: 3gpp 51, unspecified (1), call_failed (14)");
        single_call(
                CAUSE(52),
                "only one IP family for each bearer allowed: 3gpp 52, unspecified (1), call_failed (14)");
        single_call(
                CAUSE(55),
                "several connections to one APN not allowed: 3gpp 55, unspecified (1), call_failed (14)");
        single_call("{verbose_call_end_reason: {type: 'internal', reason: n231}}",
                    "IP version mismatch: internal 231, call_failed (14)");
}

/* It has not: one family is what there is. */
static void test_second_refused(void) {
        SessionOptions o = both();
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_bring_up(&b, SESSION_IPV4, 2);
        bench_to_start(&b, SESSION_IPV6, 3);
        bench_say(&b, START("3"), "call_failed", CAUSE(50));
        bench_expect(&b, "ctl release wds 3");
        bench_say(&b, SETTINGS("2"), NULL, SETTINGS_IPV4);
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_CONNECTED);
        bench_settle(&b);
        check(strstr(b.events, "ipv4 granted\nipv6 not granted: refused: only IPv4 allowed: 3gpp 50, "
                               "unspecified (1), call_failed (14)\n"));
        bench_done(&b);
}

/* For a reason that has nothing to do with that: the first is not asked. */
static void test_second_refused_otherwise(void) {
        SessionOptions o = both();
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_bring_up(&b, SESSION_IPV4, 2);
        bench_to_start(&b, SESSION_IPV6, 3);
        bench_say(&b, START("3"), "call_failed", CAUSE(26));
        bench_expect(&b, "ctl release wds 3");
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_CONNECTED);
        bench_expect_silence(&b);
        check(!session_get_grant(b.session, SESSION_IPV6)->granted);
        bench_done(&b);
}

static void test_first_refused(void) {
        SessionOptions o = both();
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV4, 2);
        bench_say(&b, START("2"), "call_failed", CAUSE(51));
        bench_expect(&b, "ctl release wds 2");
        bench_bring_up(&b, SESSION_IPV6, 3);
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_CONNECTED);
        bench_settle(&b);
        check(strstr(b.events, "ipv4 not granted: refused: only IPv6 allowed: 3gpp 51, unspecified (1), "
                               "call_failed (14)\nipv6 granted\n"));
        bench_done(&b);
}

/* The first call ends while the second is looked for in it. */
static void test_first_ends_meanwhile(void) {
        SessionOptions o = both();
        const QmiMessage *settings;
        Bench b;

        bench_init(&b, WITH_NAS);
        bench_connect(&b, &o);
        bench_bring_up(&b, SESSION_IPV4, 2);
        bench_to_start(&b, SESSION_IPV6, 3);
        bench_say(&b, START("3"), "call_failed", CAUSE(50));
        bench_expect(&b, "ctl release wds 3");
        settings = bench_expect(&b, SETTINGS("2"));
        bench_indicate(&b, 2, "packet-service-status",
                       "{connection: {status: 'disconnected', reconfiguration_required: false}, "
                       "call_end_reason: 'release_normal'}");
        bench_say(&b, "nas 1 get-serving-system {}", "internal", NULL);
        bench_answer(&b, settings, "out_of_call", NULL);
        bench_say(&b, "wds 2 stop-network {packet_data_handle: u4}", "no_effect", NULL);
        bench_expect(&b, "ctl release wds 2");
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        bench_done(&b);
}

/* ---- why not ---- */

static void refused(const char *error, const char *reasons, bool diagnosed, const char *serving_system,
                    const char *end) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        bench_init(&b, WITH_NAS);
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV4, 2);
        bench_say(&b, START("2"), error, reasons);
        bench_expect(&b, "ctl release wds 2");
        if (diagnosed)
                bench_say(&b, "nas 1 get-serving-system {}", serving_system ? NULL : "internal",
                          serving_system);
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        bench_settle(&b);
        bench_has(&b, end);
        bench_done(&b);
}

#define SERVING(registration, ps)                                                                    \
        "{serving_system: {registration: '" registration "', cs_attach: 'attached', ps_attach: '" ps \
        "', selected_network: '3gpp', radio_interfaces: [s: 'lte']}}"

static void test_refused(void) {
        refused("call_failed", CAUSE(27), false, NULL,
                "\napn (14): ipv4: refused: unknown or missing APN: 3gpp 27, unspecified (1), call_failed "
                "(14)\n");
        refused("call_failed", CAUSE(29), false, NULL,
                "\nauthentication (14): ipv4: refused: user authentication failed: 3gpp 29, unspecified "
                "(1), "
                "call_failed (14)\n");
        refused("authentication_failed", NULL, false, NULL,
                "\nauthentication (34): ipv4: refused: authentication failed: authentication_failed (34)\n");
        refused("call_failed", CAUSE(51), false, NULL,
                "\nip-family (14): ipv4: refused: only IPv6 allowed: ");
        refused("call_failed", "{verbose_call_end_reason: {type: 'internal', reason: n255}}", false, NULL,
                "\nroaming (14): ipv4: refused: calls not allowed while roaming: internal 255, call_failed "
                "(14)\n");
        refused("call_failed", CAUSE(26), true, SERVING("registered", "attached"),
                "\nrefused (14): ipv4: refused: insufficient resources: 3gpp 26, unspecified (1), "
                "call_failed (14)\n");
        refused("call_failed", "{call_end_reason: 'no_service'}", true, SERVING("searching", "detached"),
                "\nnot-registered (14): the modem is not registered in a network (searching); ipv4: "
                "refused: no "
                "service: no_service (3), call_failed (14)\n");
        refused("call_failed", NULL, true, SERVING("registered", "detached"),
                "\nnot-registered (14): the modem is registered, but not attached for data (detached); "
                "ipv4: "
                "refused: call_failed (14)\n");
        refused("call_failed", "{call_end_reason: q9999}", true, NULL,
                "\nrefused (14): ipv4: refused: call end reason (9999), call_failed (14)\n");
        refused("call_failed", "{verbose_call_end_reason: {type: q77, reason: n-5}}", true, NULL,
                "\nrefused (14): ipv4: refused: unknown list -5, call_failed (14)\n");
}

/* Neither APN nor login become better in another family; anything else may. */
static void test_refused_in_both(void) {
        SessionOptions o = both();
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV4, 2);
        bench_say(&b, START("2"), "call_failed", CAUSE(27));
        bench_expect(&b, "ctl release wds 2");
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        check_int(session_get_end(b.session)->kind, SESSION_END_APN);
        check_str(session_get_grant(b.session, SESSION_IPV6)->reason,
                  session_get_grant(b.session, SESSION_IPV4)->reason);
        bench_expect_silence(&b);
        bench_done(&b);

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV4, 2);
        bench_say(&b, START("2"), "call_failed", CAUSE(51));
        bench_expect(&b, "ctl release wds 2");
        bench_to_start(&b, SESSION_IPV6, 3);
        bench_say(&b, START("3"), "call_failed", CAUSE(27));
        bench_expect(&b, "ctl release wds 3");
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        bench_has(&b, "\napn (14): ipv6: refused: unknown or missing APN: ");
        bench_done(&b);
}

static void sim(const char *status, const char *end) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        bench_init(&b, WITH_UIM | WITH_NAS);
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV4, 2);
        bench_say(&b, START("2"), "call_failed", "{call_end_reason: 'no_service'}");
        bench_expect(&b, "ctl release wds 2");
        bench_say(&b, "uim 1 get-card-status {}", NULL, status);
        if (!end)
                bench_say(&b, "nas 1 get-serving-system {}", NULL, SERVING("denied", "detached"));
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        bench_expect_silence(&b);
        end = end
                      ?: "\nnot-registered (14): the modem is not registered in a network (denied); ipv4: "
                         "refused: ";
        bench_has(&b, end);
        bench_done(&b);
}

#define APPLICATION(state)                                                                                \
        "{type: 'usim', state: '" state "', personalization_state: y0, personalization_feature: y0, "     \
        "personalization_retries: y0, personalization_unblock_retries: y0, aid: <>, upin_replaces_pin1: " \
        "false, "                                                                                         \
        "pin1_state: y1, pin1_retries: y3, puk1_retries: y10, pin2_state: y1, pin2_retries: y3, "         \
        "puk2_retries: y10}"
#define CARD(state, applications)                                                              \
        "{state: '" state "', upin_state: y0, upin_retries: y0, upuk_retries: y0, error: y0, " \
        "applications: [a{sv}:" applications "]}"
#define CARDS(primary, cards)                                      \
        "{card_status: {index_gw_primary: q" primary               \
        ", index_1x_primary: q65535, index_gw_secondary: q65535, " \
        "index_1x_secondary: q65535, cards: [a{sv}: " cards "]}}"

static void test_sim(void) {
        sim(CARDS("0", CARD("present", " " APPLICATION("pin1_or_upin_required"))),
            "\npin-required (14): the SIM wants its PIN (pin1_or_upin_required, 3 tries left); ipv4: "
            "refused: no "
            "service: no_service (3), call_failed (14)\n");
        /* The second application of the second card. */
        sim(CARDS("257", CARD("absent", "") ", " CARD("present", " " APPLICATION("ready") ", " APPLICATION(
                                                                         "puk1_or_upin_puk_required"))),
            "\npin-required (14): the SIM wants its PUK (puk1_or_upin_puk_required, 10 tries left); ");
        sim(CARDS("65535", CARD("present", " " APPLICATION("pin1_blocked"))),
            "\npin-required (14): the SIM is blocked for ever (pin1_blocked); ");
        sim(CARDS("65535", CARD("absent", "")), "\nno-sim (14): there is no SIM; ");
        sim(CARDS("0", CARD("present", " " APPLICATION("ready"))), NULL);
        sim(CARDS("65535", CARD("present", "")), NULL);
        sim(NULL, NULL);
}

static void sim_by_dms(const char *pins, const char *state, const char *end) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        bench_init(&b, WITH_DMS);
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV4, 2);
        bench_say(&b, START("2"), "call_failed", NULL);
        bench_expect(&b, "ctl release wds 2");
        bench_say(&b, "dms 1 uim-get-pin-status {}", pins ? NULL : "uim_uninitialized", pins);
        if (state)
                bench_say(&b, "dms 1 uim-get-state {}", NULL, state);
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        bench_has(&b, end);
        bench_done(&b);
}

#define PIN(status) "{pin1: {status: '" status "', verify_retries: y2, unblock_retries: y9}}"

static void test_sim_by_dms(void) {
        sim_by_dms(PIN("enabled_not_verified"), NULL,
                   "\npin-required (14): the SIM wants its PIN (enabled_not_verified, 2 tries left); ");
        sim_by_dms(PIN("blocked"), NULL,
                   "\npin-required (14): the SIM wants its PUK (blocked, 9 tries left); ");
        sim_by_dms(PIN("permanently_blocked"), NULL,
                   "\npin-required (14): the SIM is blocked for ever (permanently_blocked); ");
        sim_by_dms(NULL, "{state: 'not_present'}", "\nno-sim (14): there is no SIM (not_present); ");
        sim_by_dms(PIN("disabled"), "{state: 'initialization_completed'}",
                   "\nrefused (14): ipv4: refused: call_failed (14)\n");
}

/* ---- already up ---- */

static void test_adopted(void) {
        Bench b;

        bench_adopted(&b, 0);
        bench_has(&b, "ipv4 granted\n");

        /* Only who asks for that ends it. */
        b.session = session_free(b.session);
        bench_expect(&b, "ctl release wds 2");
        bench_expect_silence(&b);
        bench_done(&b);

        bench_adopted(&b, 0);
        session_disconnect(b.session);
        bench_say(&b, "wds 2 stop-network {packet_data_handle: u4294967295}", NULL, NULL);
        bench_expect(&b, "ctl release wds 2");
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        check_int(session_get_end(b.session)->kind, SESSION_END_REQUESTED);
        bench_done(&b);
}

/* The modem contradicts itself: nothing is invented. */
static void test_adopted_out_of_call(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV4, 2);
        bench_say(&b, START("2"), "no_effect", NULL);
        bench_say(&b, SETTINGS("2"), "out_of_call", NULL);
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_CONNECTED);
        bench_settle(&b);
        check(strstr(b.events, "ipv4 granted: the modem says that it is up, and gives no addresses: "
                               "out_of_call (15)\n"));
        check(!session_get_ip(b.session, SESSION_IPV4)->is_set);
        bench_done(&b);
}

static void test_settings_fail(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV4, 2);
        bench_say(&b, START("2"), NULL, "{packet_data_handle: u4}");
        bench_say(&b, SETTINGS("2"), "internal", NULL);
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_CONNECTED);
        bench_settle(&b);
        bench_has(&b, "ipv4 granted: its addresses could not be read: internal (3)\n");
        bench_done(&b);

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV4, 2);
        bench_say(&b, START("2"), NULL, "{packet_data_handle: u4}");
        bench_say(&b, SETTINGS("2"), NULL, "{mtu: u1420}");
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_CONNECTED);
        bench_settle(&b);
        bench_has(&b, "ipv4 granted: the modem has named no address\n");
        bench_done(&b);
}

/* Between the start and the addresses. */
static void test_ends_before_settings(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV4, 2);
        /* Of what was there before. */
        bench_indicate(&b, 2, "packet-service-status",
                       "{connection: {status: 'disconnected', reconfiguration_required: false}}");
        bench_say(&b, START("2"), NULL, "{packet_data_handle: u4}");
        bench_expect(&b, SETTINGS("2"));
        bench_indicate(&b, 2, "packet-service-status",
                       "{connection: {status: 'disconnected', reconfiguration_required: false}, "
                       "verbose_call_end_reason: {type: '3gpp', reason: n38}}");
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        bench_has(&b, "ipv4 not granted: ended: network failure: 3gpp 38\n");
        bench_done(&b);
}

/* ---- time ---- */

static void test_start_hangs(void) {
        SessionOptions o = both();
        const QmiMessage *start;
        QmiMessage abort;
        char text[64];
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_bring_up(&b, SESSION_IPV4, 2);
        bench_to_start(&b, SESSION_IPV6, 3);
        start = bench_expect(&b, START("3"));
        b.session->deadline_usec = 0;
        session_on_timer(b.session);
        /* It is aborted, and what comes nevertheless is undone. */
        (void) snprintf(text, sizeof(text), "wds 3 abort {transaction: q%u}", start->transaction);
        abort = *bench_expect(&b, text);
        bench_answer(&b, &abort, "unabortable_transaction", NULL);
        bench_answer(&b, start, NULL, "{packet_data_handle: u6}");
        bench_say(&b, "wds 3 stop-network {packet_data_handle: u6}", NULL, NULL);
        bench_expect(&b, "ctl release wds 3");
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_CONNECTED);
        bench_settle(&b);
        bench_has(&b, "ipv6 not granted: it was not up in time\n");
        bench_done(&b);
}

static void test_nothing_in_time(void) {
        SessionOptions o = both();
        Bench b;

        bench_init(&b, WITH_LINK);
        fake_link_silent = true;
        bench_connect(&b, &o);
        session_on_timer(b.session);
        bench_events(&b, "disconnected\ntimeout (-110): the link was not set up in time\n");
        bench_done(&b);

        bench_init(&b, 0);
        o.profile = 0;
        bench_connect(&b, &o);
        bench_expect(&b, "wds 1 get-profile-list {profile_type: '3gpp'}");
        session_on_timer(b.session);
        bench_events(&b, "disconnected\ntimeout (-110): the profiles were not read in time\n");
        bench_done(&b);

        bench_init(&b, 0);
        o.profile = 1;
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV4, 2);
        bench_expect(&b, START("2"));
        b.session->deadline_usec = 0;
        session_on_timer(b.session);
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        check(strstr(b.events,
                     "ipv4 not granted: it was not up in time\nipv6 not granted: there was no time left to "
                     "try it\n"));
        bench_has(&b, "\ntimeout (-110): ipv4: it was not up in time\n");
        bench_done(&b);
}

static void test_settings_not_in_time(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        bench_init(&b, 0);
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV4, 2);
        bench_say(&b, START("2"), NULL, "{packet_data_handle: u4}");
        bench_expect(&b, SETTINGS("2"));
        b.session->deadline_usec = 0;
        session_on_timer(b.session);
        bench_settle(&b);
        check_int(session_get_state(b.session), SESSION_CONNECTED);
        bench_has(&b, "ipv4 granted: its addresses were not there in time\n");
        bench_done(&b);
}

static void test_diagnosis_hangs(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        bench_init(&b, WITH_NAS);
        bench_connect(&b, &o);
        bench_to_start(&b, SESSION_IPV4, 2);
        bench_say(&b, START("2"), "call_failed", NULL);
        bench_expect(&b, "ctl release wds 2");
        bench_expect(&b, "nas 1 get-serving-system {}");
        session_on_timer(b.session);
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        bench_has(&b, "\nrefused (14): ipv4: refused: call_failed (14)\n");
        bench_done(&b);
}

/* ---- what is not begun ---- */

static void test_not_ready(void) {
        SessionOptions o = both();
        Session *s = NULL;
        Bench b;

        bench_init(&b, WITHOUT_WDS);
        check_int(session_new(&s, b.device, 1, &o, &session_ops, &b), -EOPNOTSUPP);
        o.families[SESSION_IPV4] = o.families[SESSION_IPV6] = false;
        check_int(session_new(&s, b.device, 1, &o, &session_ops, &b), -EINVAL);
        o.families[SESSION_IPV4] = true;
        bench_hang_up(&b);
        RUN_UNTIL(&b, !mux_is_live(device_get_mux(b.device)));
        check_int(session_new(&s, b.device, 1, &o, &session_ops, &b), -ENODEV);
        check(!s);
        bench_done(&b);
}

static void problem(const SessionOptions *o, const char *expected) {
        char text[SESSION_PROBLEM_MAX] = "";

        check_int(session_options_check(o, text), *expected ? -EINVAL : 0);
        check_str(text, expected);
}

static void test_options(void) {
        static const SessionOptions good = { .apn = "internet", .families = { true, true } };
        char longest[SESSION_LOGIN_MAX + 2];
        SessionOptions o = good;

        problem(&o, "");
        memset(longest, 'x', sizeof(longest));
        longest[SESSION_APN_MAX] = 0;
        o.apn = longest;
        problem(&o, "");
        longest[SESSION_APN_MAX] = 'x';
        longest[SESSION_APN_MAX + 1] = 0;
        problem(&o, "apn: it has 101 bytes, 100 are possible");
        o.apn = "inter net";
        problem(&o, "apn: only printable ASCII without spaces is possible");
        o = good;
        longest[SESSION_APN_MAX + 1] = 'x';
        longest[SESSION_LOGIN_MAX] = 0;
        o.user = o.password = longest;
        problem(&o, "");
        longest[SESSION_LOGIN_MAX] = 'x';
        longest[SESSION_LOGIN_MAX + 1] = 0;
        problem(&o, "user: it has 256 bytes, 255 are possible");
        o.user = "a\nb";
        problem(&o, "user: it has a control character");
        o.user = "a";
        problem(&o, "password: it has 256 bytes, 255 are possible");
        o.password = "b";
        o.user = NULL;
        problem(&o, "password: there is no user for it");
        o = good;
        o.has_authentication = true;
        problem(&o, "");
        o.authentication = 4;
        problem(&o, "authentication: only pap and chap are possible");
        o = good;
        o.families[SESSION_IPV4] = o.families[SESSION_IPV6] = false;
        problem(&o, "families: at least one of ipv4 and ipv6 is needed");
        o = good;
        o.mux = 255;
        problem(&o, "mux: 255 is none, 1 to 254 are");
        o.mux = 1;
        o.link = LINK_802_3;
        problem(&o, "mux: 802.3 has none");
        o.link = _LINK_MODE_MAX;
        problem(&o, "link: no such mode");
        o = good;
        o.modify = true;
        problem(&o, "");
        o.apn = NULL;
        problem(&o, "modify: there is neither an APN to write nor a profile");
        o.profile = 1;
        problem(&o, "");
        o.timeout_usec = SESSION_TIMEOUT_MAX_USEC + 1;
        problem(&o, "timeout: an hour is the longest");
}

/* Every state, family and kind of end has a name of its own. */
static void test_names(void) {
        for (SessionEndKind k = 0; k < _SESSION_END_KIND_MAX; k++)
                for (SessionEndKind j = 0; j < k; j++)
                        check(!streq(session_end_kind_to_string(k), session_end_kind_to_string(j)));
        check(!session_end_kind_to_string(_SESSION_END_KIND_MAX) && !session_end_kind_to_string(-1));
        for (SessionState s = 0; s < _SESSION_STATE_MAX; s++)
                check(session_state_to_string(s));
        check(!session_state_to_string(_SESSION_STATE_MAX) && !session_state_to_string(-1));
        check_str(session_family_to_string(SESSION_IPV4), "ipv4");
        check(!session_family_to_string(_SESSION_FAMILY_MAX) && !session_family_to_string(-1));
        check_str(session_call_end_reason_to_string(3), "no_service");
        check(!session_call_end_reason_to_string(9999));
        check_str(session_verbose_type_to_string(6), "3gpp");
        check(!session_verbose_type_to_string(77));
}

int main(void) {
        test_both();
        test_one_family();
        test_one_start_at_a_time();
        test_link_and_mux();
        test_mux_without_link();
        test_link_fails();
        test_binding_fails();
        test_old_modem();
        test_family_fails();
        test_no_client_id();
        test_single_call();
        test_second_refused();
        test_second_refused_otherwise();
        test_first_refused();
        test_first_ends_meanwhile();
        test_refused();
        test_refused_in_both();
        test_sim();
        test_sim_by_dms();
        test_adopted();
        test_adopted_out_of_call();
        test_settings_fail();
        test_ends_before_settings();
        test_start_hangs();
        test_nothing_in_time();
        test_settings_not_in_time();
        test_diagnosis_hangs();
        test_not_ready();
        test_options();
        test_names();
        return 0;
}
