/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>

#include "modem/session-internal.h"

#define MUX_ID_MAX 254U

static int problem(char ret[static SESSION_PROBLEM_MAX], const char *format, ...) _printf_(2, 3);

static int problem(char ret[static SESSION_PROBLEM_MAX], const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(ret, SESSION_PROBLEM_MAX, format, ap);
        va_end(ap);
        return -EINVAL;
}

/* What a network gets to see is printable ASCII: 3GPP TS 23.003, 9.1, and no modem takes more. */
static bool is_printable(const char *s) {
        for (; *s; s++)
                if (*s <= ' ' || *s > '~')
                        return false;
        return true;
}

static bool has_control(const char *s) {
        for (; *s; s++)
                if ((unsigned char) *s < ' ' || *s == 0x7F)
                        return true;
        return false;
}

static int check_login(const char *name, const char *s, char ret_problem[static SESSION_PROBLEM_MAX]) {
        if (!s)
                return 0;
        if (strlen(s) > SESSION_LOGIN_MAX)
                return problem(ret_problem, "%s: it has %zu bytes, %u are possible", name, strlen(s),
                               SESSION_LOGIN_MAX);
        if (has_control(s))
                return problem(ret_problem, "%s: it has a control character", name);
        return 0;
}

int session_options_check(const SessionOptions *o, char ret_problem[static SESSION_PROBLEM_MAX]) {
        int r;

        if (o->apn && strlen(o->apn) > SESSION_APN_MAX)
                return problem(ret_problem, "apn: it has %zu bytes, %u are possible", strlen(o->apn),
                               SESSION_APN_MAX);
        if (o->apn && !is_printable(o->apn))
                return problem(ret_problem, "apn: only printable ASCII without spaces is possible");
        r = check_login("user", o->user, ret_problem);
        if (r >= 0)
                r = check_login("password", o->password, ret_problem);
        if (r < 0)
                return r;
        if (o->password && !o->user)
                return problem(ret_problem, "password: there is no user for it");
        if (o->has_authentication && (o->authentication & ~(SESSION_PAP | SESSION_CHAP)) != 0)
                return problem(ret_problem, "authentication: only pap and chap are possible");
        if (!o->families[SESSION_IPV4] && !o->families[SESSION_IPV6])
                return problem(ret_problem, "families: at least one of ipv4 and ipv6 is needed");
        if (o->mux > MUX_ID_MAX)
                return problem(ret_problem, "mux: %u is none, 1 to %u are", o->mux, MUX_ID_MAX);
        if (o->link < 0 || o->link >= _LINK_MODE_MAX)
                return problem(ret_problem, "link: no such mode");
        if (o->mux > 0 && (o->link == LINK_802_3 || o->link == LINK_RAW_IP))
                return problem(ret_problem, "mux: %s has none", link_mode_to_string(o->link));
        if (o->modify && !o->apn && o->profile == 0)
                return problem(ret_problem, "modify: there is neither an APN to write nor a profile");
        if (o->timeout_usec > SESSION_TIMEOUT_MAX_USEC)
                return problem(ret_problem, "timeout: an hour is the longest");
        return 0;
}

/* A copy, or NULL of NULL. */
static int keep_text(const char *text, char **ret) {
        *ret = text ? strdup(text) : NULL;
        return text && !*ret ? -ENOMEM : 0;
}

int session_keep_options(Session *s, const SessionOptions *o) {
        int r;

        s->options = *o;
        s->options.apn = s->options.user = s->options.password = NULL;
        r = keep_text(o->apn, &s->apn);
        if (r >= 0)
                r = keep_text(o->user, &s->user);
        if (r >= 0)
                r = keep_text(o->password, &s->password);
        return r;
}

static void erase_text(char **p) {
        if (*p)
                explicit_bzero(*p, strlen(*p));
        free(TAKE_PTR(*p));
}

void session_forget_login(Session *s) {
        erase_text(&s->user);
        erase_text(&s->password);
}
