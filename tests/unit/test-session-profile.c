/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-session-modem.h"

/* Which profile a session uses, and what it says beside it. */

#define LIST "wds 1 get-profile-list {profile_type: '3gpp'}"
#define PROFILES                                                                                          \
        "{profiles: [a{sv}: {type: '3gpp', index: y1, name: 'a'}, {type: '3gpp2', index: y9, name: ''}, " \
        "{type: '3gpp', index: y4, name: ''}]}"
#define PROFILE(index) "wds 1 get-profile-settings {profile: {type: '3gpp', index: y" index "}}"
#define MODIFY(index)  "wds 1 modify-profile {profile: {type: '3gpp', index: y" index "}, "

static void begin(Bench *b, const SessionOptions *o) {
        bench_init(b, 0);
        bench_connect(b, o);
}

/* What Start Network says; the rest of the session is of no interest here. */
static void expect_start(Bench *b, SessionFamily f, uint8_t id, const char *start) {
        char text[256];

        bench_to_start(b, f, id);
        (void) snprintf(text, sizeof(text), "wds %u start-network %s", id, start);
        bench_say(b, text, "call_failed", NULL);
        (void) snprintf(text, sizeof(text), "ctl release wds %u", id);
        bench_expect(b, text);
}

static void end(Bench *b) {
        RUN_UNTIL(b, session_get_state(b->session) == SESSION_ENDED);
        bench_done(b);
}

static SessionOptions searching(void) {
        SessionOptions o = only(SESSION_IPV4);

        o.profile = 0;
        return o;
}

/* The caller's, as it is; what he says beside it goes with the start. */
static void test_given(void) {
        SessionOptions o = only(SESSION_IPV4);
        Bench b;

        o.profile = 5;
        o.apn = NULL;
        begin(&b, &o);
        expect_start(&b, SESSION_IPV4, 2, "{profile_index_3gpp: y5}");
        end(&b);

        o.apn = "other";
        o.user = "u";
        o.password = "p";
        begin(&b, &o);
        expect_start(&b, SESSION_IPV4, 2,
                     "{apn: 'other', authentication: [s: 'pap', 'chap'], username: 'u', password: 'p', "
                     "profile_index_3gpp: y5}");
        check_int(session_get_profile(b.session), 5);
        end(&b);
}

/* Without an APN there is nothing to look for: the modem's default. */
static void test_nothing_given(void) {
        SessionOptions o = searching();
        Bench b;

        o.apn = NULL;
        begin(&b, &o);
        expect_start(&b, SESSION_IPV4, 2, "{}");
        check_int(session_get_profile(b.session), 0);
        check_str(session_get_apn(b.session), "");
        end(&b);
}

static void test_found(void) {
        SessionOptions o = searching();
        Bench b;

        begin(&b, &o);
        bench_say(&b, LIST, NULL, PROFILES);
        bench_say(&b, PROFILE("1"), NULL, "{pdp_type: 'ipv4', apn: 'other'}");
        bench_say(&b, PROFILE("4"), NULL, "{pdp_type: 'ipv4', apn: 'INTERNET'}");
        expect_start(&b, SESSION_IPV4, 2, "{profile_index_3gpp: y4}");
        check_int(session_get_profile(b.session), 4);
        end(&b);
}

/* The first that fits ends the search. */
static void test_first_found(void) {
        SessionOptions o = searching();
        Bench b;

        begin(&b, &o);
        bench_say(&b, LIST, NULL, PROFILES);
        bench_say(&b, PROFILE("1"), NULL, "{pdp_type: 'ipv4', apn: 'internet'}");
        expect_start(&b, SESSION_IPV4, 2, "{profile_index_3gpp: y1}");
        end(&b);
}

static void not_found(const SessionOptions *o, const char *settings, const char *start) {
        Bench b;

        begin(&b, o);
        bench_say(&b, LIST, NULL, "{profiles: [a{sv}: {type: '3gpp', index: y1, name: ''}]}");
        bench_say(&b, PROFILE("1"), settings ? NULL : "extended_internal", settings);
        expect_start(&b, SESSION_IPV4, 2, start);
        end(&b);
}

static void test_not_found(void) {
        SessionOptions o = searching();

        not_found(&o, "{pdp_type: 'ipv4', apn: 'internet.example'}", "{apn: 'internet'}");
        not_found(&o, "{pdp_type: 'ipv6', apn: 'internet'}", "{apn: 'internet'}");
        not_found(&o, "{pdp_type: 'ipv4v6', apn: 'internet'}", "{apn: 'internet'}");
        not_found(&o, "{apn: 'internet'}", "{apn: 'internet'}");
        not_found(&o, "{pdp_type: 'ipv4'}", "{apn: 'internet'}");
        not_found(&o, "{pdp_type: 'ipv4', apn: 'internet', authentication: [s: 'pap']}",
                  "{apn: 'internet'}");
        not_found(&o, "{pdp_type: 'ipv4', apn: 'internet', apn_disabled: true}", "{apn: 'internet'}");
        not_found(&o, NULL, "{apn: 'internet'}");
        o.has_authentication = true;
        o.authentication = SESSION_CHAP;
        not_found(&o, "{pdp_type: 'ipv4', apn: 'internet', authentication: [s: 'pap', 'chap']}",
                  "{apn: 'internet', authentication: [s: 'chap']}");
        o.authentication = 0;
        not_found(&o, "{pdp_type: 'ipv4', apn: 'internet', authentication: [s: 'pap']}",
                  "{apn: 'internet', authentication: [s:]}");
        o.has_authentication = false;
        o.user = "u";
        o.password = "p";
        not_found(&o, "{pdp_type: 'ipv4', apn: 'internet'}",
                  "{apn: 'internet', authentication: [s: 'pap', 'chap'], username: 'u', password: 'p'}");
        not_found(&o, "{pdp_type: 'ipv4', apn: 'internet', username: 'other', authentication: [s: 'chap']}",
                  "{apn: 'internet', authentication: [s: 'pap', 'chap'], username: 'u', password: 'p'}");
}

/* The password cannot be compared, so it is said again. */
static void test_found_with_login(void) {
        SessionOptions o = searching();
        Bench b;

        o.user = "u";
        o.password = "p";
        o.has_authentication = true;
        o.authentication = SESSION_CHAP;
        begin(&b, &o);
        bench_say(&b, LIST, NULL, PROFILES);
        bench_say(&b, PROFILE("1"), NULL,
                  "{pdp_type: 'ipv4', apn: 'internet', username: 'u', authentication: [s: 'chap']}");
        expect_start(&b, SESSION_IPV4, 2,
                     "{authentication: [s: 'chap'], username: 'u', password: 'p', profile_index_3gpp: y1}");
        RUN_UNTIL(&b, session_get_state(b.session) == SESSION_ENDED);
        check(!b.session->password && !b.session->user); /* not kept longer than needed */
        bench_done(&b);
}

static void test_no_list(void) {
        SessionOptions o = searching();
        Bench b;

        begin(&b, &o);
        bench_say(&b, LIST, "not_supported", NULL);
        expect_start(&b, SESSION_IPV4, 2, "{apn: 'internet'}");
        end(&b);
}

/* For both families one profile for both, where there is one; else each its own. */
static void test_both(void) {
        SessionOptions o = searching();
        Bench b;

        o.families[SESSION_IPV6] = true;
        begin(&b, &o);
        bench_say(&b, LIST, NULL, PROFILES);
        bench_say(&b, PROFILE("1"), NULL, "{pdp_type: 'ipv4', apn: 'internet'}");
        bench_say(&b, PROFILE("4"), NULL, "{pdp_type: 'ipv4v6', apn: 'internet'}");
        expect_start(&b, SESSION_IPV4, 2, "{profile_index_3gpp: y4}");
        expect_start(&b, SESSION_IPV6, 3, "{profile_index_3gpp: y4}");
        end(&b);

        begin(&b, &o);
        bench_say(&b, LIST, NULL, PROFILES);
        bench_say(&b, PROFILE("1"), NULL, "{pdp_type: 'ipv6', apn: 'internet'}");
        bench_say(&b, PROFILE("4"), NULL, "{pdp_type: 'ipv6', apn: 'internet'}");
        expect_start(&b, SESSION_IPV4, 2, "{apn: 'internet'}");
        expect_start(&b, SESSION_IPV6, 3, "{profile_index_3gpp: y1}");
        check_int(session_get_profile(b.session), 1);
        end(&b);
}

/* No modem has so many; the search ends nevertheless. */
static void test_many(void) {
        SessionOptions o = searching();
        char list[8192], text[96];
        size_t n;
        Bench b;

        begin(&b, &o);
        n = (size_t) snprintf(list, sizeof(list), "{profiles: [a{sv}:");
        for (unsigned i = 1; i <= SESSION_PROFILES_MAX + 1; i++)
                n += (size_t) snprintf(list + n, sizeof(list) - n, "%s {type: '3gpp', index: y%u, name: ''}",
                                       i > 1 ? "," : "", i);
        (void) snprintf(list + n, sizeof(list) - n, "]}");
        bench_say(&b, LIST, NULL, list);
        for (unsigned i = 1; i <= SESSION_PROFILES_MAX; i++) {
                (void) snprintf(text, sizeof(text), PROFILE("%u"), i);
                bench_say(&b, text, NULL, "{apn: 'other'}");
        }
        expect_start(&b, SESSION_IPV4, 2, "{apn: 'internet'}");
        end(&b);
}

/* ---- written, as that was asked for ---- */

static void test_modify_given(void) {
        SessionOptions o = both();
        Bench b;

        o.profile = 3;
        o.modify = true;
        o.user = "u";
        o.password = "p";
        begin(&b, &o);
        bench_say(&b,
                  MODIFY("3") "pdp_type: 'ipv4v6', apn: 'internet', username: 'u', password: 'p', "
                              "authentication: [s: 'pap', 'chap']}",
                  NULL, NULL);
        expect_start(&b, SESSION_IPV4, 2, "{profile_index_3gpp: y3}");
        expect_start(&b, SESSION_IPV6, 3, "{profile_index_3gpp: y3}");
        end(&b);
}

static void test_modify_found(void) {
        SessionOptions o = searching();
        Bench b;

        o.modify = true;
        o.has_authentication = true;
        begin(&b, &o);
        bench_say(&b, LIST, NULL, PROFILES);
        bench_say(&b, PROFILE("1"), NULL, "{pdp_type: 'ipv4', apn: 'internet', authentication: [s: 'pap']}");
        bench_say(&b, MODIFY("1") "pdp_type: 'ipv4', apn: 'internet', authentication: [s:]}", "no_effect",
                  NULL);
        expect_start(&b, SESSION_IPV4, 2, "{profile_index_3gpp: y1}");
        end(&b);
}

static void test_create(void) {
        SessionOptions o = searching();
        Bench b;

        o.modify = true;
        o.families[SESSION_IPV6] = true;
        begin(&b, &o);
        bench_say(&b, LIST, NULL, "{profiles: [a{sv}: {type: '3gpp', index: y1, name: ''}]}");
        bench_say(&b, PROFILE("1"), NULL, "{pdp_type: 'ipv4', apn: 'internet'}"); /* stays as it is */
        bench_say(&b, "wds 1 create-profile {profile_type: '3gpp', pdp_type: 'ipv4v6', apn: 'internet'}",
                  NULL, "{profile: {type: '3gpp', index: y6}}");
        expect_start(&b, SESSION_IPV4, 2, "{profile_index_3gpp: y6}");
        expect_start(&b, SESSION_IPV6, 3, "{profile_index_3gpp: y6}");
        check_int(session_get_profile(b.session), 6);
        end(&b);
}

static void test_not_written(void) {
        SessionOptions o = only(SESSION_IPV6);
        Bench b;

        o.modify = true;
        begin(&b, &o);
        bench_say(&b, MODIFY("1") "pdp_type: 'ipv6', apn: 'internet'}", "extended_internal",
                  "{extended_error: '3gpp_read_only_flag_set'}");
        bench_events(&b, "disconnected\nrefused (81): the profile could not be written: extended_internal, "
                         "3gpp_read_only_flag_set (81)\n");
        bench_expect_silence(&b);
        bench_done(&b);
}

int main(void) {
        test_given();
        test_nothing_given();
        test_found();
        test_first_found();
        test_not_found();
        test_found_with_login();
        test_no_list();
        test_both();
        test_many();
        test_modify_given();
        test_modify_found();
        test_create();
        test_not_written();
        return 0;
}
