/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <strings.h>

#include "modem/session-internal.h"
#include "util/log.h"

/* Which of the modem's profiles a session uses: the caller's; one that is as he wants it; none. Nothing is
 * written unless he has asked for that. */

static bool wants_both(const Session *s) {
        return s->options.families[SESSION_IPV4] && s->options.families[SESSION_IPV6];
}

static const char *wanted_pdp_type(const Session *s) {
        if (wants_both(s))
                return "ipv4v6";
        return s->options.families[SESSION_IPV4] ? "ipv4" : "ipv6";
}

static void set_profile(Session *s, uint8_t profile) {
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++)
                s->calls[i].profile = profile;
}

static void search_done(Session *s) {
        if (session_get_profile(s) > 0)
                session_tell_later(s, SESSION_CHANGE_OTHER);
        session_on_profile(s);
}

/* ---- writing ---- */

static void profile_on_written(const Answer *answer, void *userdata) {
        Session *s = userdata;
        const char *more = answer_text(answer->dict, "extended_error");
        SessionEnd end = { .kind = SESSION_END_REFUSED, .error = answer->error };
        uint64_t index = 0;

        if (answer->error == -ENODEV) {
                session_end_lost(s, "the client id is gone");
                return;
        }
        if (answer->error == 0 || answer_error_is(answer->error, "no_effect")) {
                if (answer_number(answer_get(answer->dict, "profile"), "index", &index)) /* of a new one */
                        set_profile(s, (uint8_t) index);
                search_done(s);
                return;
        }
        if (answer->error < 0)
                end.kind = answer->error == -ETIMEDOUT ? SESSION_END_TIMEOUT : SESSION_END_INTERNAL;
        session_end_text(&end, "the profile could not be written: %s%s%s (%d)",
                         answer_error_text(answer->error), more ? ", " : "", more ? more : "",
                         answer->error);
        session_end_now(s, &end);
}

static void profile_write(Session *s) {
        uint8_t index = session_get_profile(s);
        _cleanup_form_ Form f;
        Value *profile;
        int r;

        form_init(&f);
        if (index > 0) {
                profile = form_dict(&f, &f.dict, "profile");
                form_text(&f, profile, "type", "3gpp");
                form_number(&f, profile, "index", index);
        } else
                form_text(&f, &f.dict, "profile_type", "3gpp");
        form_text(&f, &f.dict, "pdp_type", wanted_pdp_type(s));
        session_put_settings(s, &f, true);
        r = ask_shared(&s->search.ask, s->mux, QMI_SERVICE_WDS, &s->owner,
                       index > 0 ? "modify-profile" : "create-profile", &f, SESSION_STEP_USEC,
                       profile_on_written, s);
        if (r < 0)
                profile_on_written(&(Answer){ .error = r }, s);
}

/* ---- searching ---- */

static void search_over(Session *s) {
        ProfileSearch *search = &s->search;

        if (search->dual > 0)
                set_profile(s, search->dual);
        if (s->options.modify)
                profile_write(s);
        else
                search_done(s);
}

static uint8_t read_authentication(const Value *settings) {
        static const char *const symbols[] = { "pap", "chap" };
        const Value *v = answer_get(settings, "authentication");
        uint8_t bits = 0;

        if (!v || v->type != VALUE_ARRAY)
                return 0;
        for (uint32_t i = 0; i < v->n; i++)
                for (size_t j = 0; j < ELEMENTSOF(symbols); j++)
                        if (v->elements[i].type == VALUE_STRING && streq(v->elements[i].string, symbols[j]))
                                bits |= (uint8_t) (1U << j);
        return bits;
}

static bool has_login_of(const Session *s, const Value *settings) {
        const SessionOptions *o = &s->options;
        uint8_t authentication = read_authentication(settings);
        const char *user = answer_text(settings, "username");

        if (o->has_authentication && authentication != o->authentication)
                return false;
        if (!s->user)
                return o->has_authentication || authentication == 0;
        /* The password cannot be compared: it goes with the start. So does the user. */
        return authentication != 0 && (!user || !*user || streq(user, s->user));
}

/* Takes a profile that fits. */
static void consider(Session *s, uint8_t index, const Value *settings) {
        const SessionOptions *o = &s->options;
        const char *apn = answer_text(settings, "apn");
        bool disabled = false;

        (void) answer_bool(settings, "apn_disabled", &disabled);
        /* An APN is a name of DNS, of which the case does not matter: 3GPP TS 23.003, 9.1. */
        if (!apn || strcasecmp(apn, s->apn) != 0 || disabled || (!o->modify && !has_login_of(s, settings)))
                return;
        if (wants_both(s) && answer_is(settings, "pdp_type", "ipv4v6")) {
                s->search.dual = index;
                return;
        }
        if (o->modify && wants_both(s))
                return; /* another type would be written into it */
        for (SessionFamily i = 0; i < _SESSION_FAMILY_MAX; i++)
                if (o->families[i] && s->calls[i].profile == 0 &&
                    answer_is(settings, "pdp_type", session_family_to_string(i)))
                        s->calls[i].profile = index;
}

static bool search_is_over(Session *s) {
        const ProfileSearch *search = &s->search;

        if (search->next == search->n_indices || search->dual > 0)
                return true;
        return !wants_both(s) && session_get_profile(s) > 0;
}

static void search_next(Session *s);

static void search_on_settings(const Answer *answer, void *userdata) {
        Session *s = userdata;

        if (answer->error == -ENODEV) {
                session_end_lost(s, "the client id is gone");
                return;
        }
        if (answer->error == 0) /* else it has gone meanwhile, or may not be read */
                consider(s, s->search.indices[s->search.next - 1], answer->dict);
        search_next(s);
}

static void search_next(Session *s) {
        ProfileSearch *search = &s->search;
        _cleanup_form_ Form f;
        Value *profile;
        int r;

        form_init(&f);
        if (search_is_over(s)) {
                search_over(s);
                return;
        }
        profile = form_dict(&f, &f.dict, "profile");
        form_text(&f, profile, "type", "3gpp");
        form_number(&f, profile, "index", search->indices[search->next++]);
        r = ask_shared(&search->ask, s->mux, QMI_SERVICE_WDS, &s->owner, "get-profile-settings", &f,
                       SESSION_STEP_USEC, search_on_settings, s);
        if (r < 0) {
                log_warning_errno(r, "%s: %s: cannot look for a profile", device_get_name(s->device),
                                  s->owner_name);
                search_over(s);
        }
}

static void search_on_list(const Answer *answer, void *userdata) {
        Session *s = userdata;
        const Value *profiles = answer_get(answer->dict, "profiles");
        ProfileSearch *search = &s->search;
        uint64_t index;

        if (answer->error == -ENODEV) {
                session_end_lost(s, "the client id is gone");
                return;
        }
        for (uint32_t i = 0; profiles && profiles->type == VALUE_ARRAY && i < profiles->n; i++)
                if (search->n_indices < SESSION_PROFILES_MAX &&
                    answer_is(&profiles->elements[i], "type", "3gpp") &&
                    answer_number(&profiles->elements[i], "index", &index))
                        search->indices[search->n_indices++] = (uint8_t) index;
        search_next(s);
}

void profile_search(Session *s) {
        const SessionOptions *o = &s->options;
        _cleanup_form_ Form f;
        int r;

        form_init(&f);
        set_profile(s, o->profile);
        if (o->profile > 0 && o->modify) {
                profile_write(s);
                return;
        }
        if (o->profile > 0 || !s->apn) {
                search_done(s);
                return;
        }
        form_text(&f, &f.dict, "profile_type", "3gpp");
        r = ask_shared(&s->search.ask, s->mux, QMI_SERVICE_WDS, &s->owner, "get-profile-list", &f,
                       SESSION_STEP_USEC, search_on_list, s);
        if (r < 0)
                search_on_list(&(Answer){ .error = r }, s);
}
