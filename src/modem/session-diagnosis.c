/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "modem/session-internal.h"

/* What SIM and network are like when a call could not begin, or has ended: modems say "no service" for much.
 * Whatever cannot be found out is left open. */

static void diagnosis_go_on(Session *s);

static void note(Session *s, SessionEndKind kind, const char *format, ...) _printf_(3, 4);

static void note(Session *s, SessionEndKind kind, const char *format, ...) {
        va_list ap;

        s->diagnosis.sim = kind;
        va_start(ap, format);
        (void) vsnprintf(s->diagnosis.text, sizeof(s->diagnosis.text), format, ap);
        va_end(ap);
}

/* ---- the SIM, by UIM ---- */

static void read_application(Session *s, const Value *application) {
        uint64_t tries = 0, unblock_tries = 0;

        (void) answer_number(application, "pin1_retries", &tries);
        (void) answer_number(application, "puk1_retries", &unblock_tries);
        if (answer_is(application, "state", "pin1_or_upin_required"))
                note(s, SESSION_END_PIN_REQUIRED,
                     "the SIM wants its PIN (pin1_or_upin_required, %" PRIu64 " tries left)", tries);
        else if (answer_is(application, "state", "puk1_or_upin_puk_required"))
                note(s, SESSION_END_PIN_REQUIRED,
                     "the SIM wants its PUK (puk1_or_upin_puk_required, %" PRIu64 " tries left)",
                     unblock_tries);
        else if (answer_is(application, "state", "pin1_blocked"))
                note(s, SESSION_END_PIN_REQUIRED, "the SIM is blocked for ever (pin1_blocked)");
}

static const Value *element(const Value *array, uint64_t i) {
        return array && array->type == VALUE_ARRAY && i < array->n ? &array->elements[i] : NULL;
}

static void read_cards(Session *s, const Value *status) {
        const Value *cards = answer_get(status, "cards"), *card;
        uint64_t primary;

        /* The card in its high byte, the application in its low byte. */
        if (answer_number(status, "index_gw_primary", &primary)) {
                card = element(cards, primary >> 8);
                read_application(s, element(answer_get(card, "applications"), primary & 0xFF));
                return;
        }
        for (uint32_t i = 0; cards && cards->type == VALUE_ARRAY && i < cards->n; i++) {
                card = &cards->elements[i];
                if (!answer_is(card, "state", "present"))
                        continue;
                read_application(s, element(answer_get(card, "applications"), 0));
                return;
        }
        if (cards && cards->type == VALUE_ARRAY)
                note(s, SESSION_END_NO_SIM, "there is no SIM");
}

static void on_card_status(const Answer *answer, void *userdata) {
        Session *s = userdata;

        if (answer->error == 0)
                read_cards(s, answer_get(answer->dict, "card_status"));
        diagnosis_go_on(s);
}

/* ---- the SIM, by DMS, of modems without UIM ---- */

static void on_uim_state(const Answer *answer, void *userdata) {
        Session *s = userdata;

        if (answer_is(answer->dict, "state", "not_present"))
                note(s, SESSION_END_NO_SIM, "there is no SIM (not_present)");
        diagnosis_go_on(s);
}

static bool ask_of(Session *s, uint16_t service, const char *message, AskDone done) {
        return mux_has_service(s->mux, service) &&
               ask_shared(&s->diagnosis.ask, s->mux, service, &s->owner, message, NULL, SESSION_STEP_USEC,
                          done, s) >= 0;
}

static void on_pin_status(const Answer *answer, void *userdata) {
        Session *s = userdata;
        const Value *pin = answer_get(answer->dict, "pin1");
        uint64_t tries = 0, unblock_tries = 0;

        (void) answer_number(pin, "verify_retries", &tries);
        (void) answer_number(pin, "unblock_retries", &unblock_tries);
        if (answer_is(pin, "status", "enabled_not_verified"))
                note(s, SESSION_END_PIN_REQUIRED,
                     "the SIM wants its PIN (enabled_not_verified, %" PRIu64 " tries left)", tries);
        else if (answer_is(pin, "status", "blocked"))
                note(s, SESSION_END_PIN_REQUIRED, "the SIM wants its PUK (blocked, %" PRIu64 " tries left)",
                     unblock_tries);
        else if (answer_is(pin, "status", "permanently_blocked"))
                note(s, SESSION_END_PIN_REQUIRED, "the SIM is blocked for ever (permanently_blocked)");
        else if (ask_of(s, QMI_SERVICE_DMS, "uim-get-state", on_uim_state))
                return;
        diagnosis_go_on(s);
}

/* ---- the network ---- */

static void on_serving_system(const Answer *answer, void *userdata) {
        const Value *system = answer_get(answer->dict, "serving_system");
        const char *registration = answer_text(system, "registration");
        Session *s = userdata;
        Diagnosis *d = &s->diagnosis;

        if (registration) {
                d->knows_network = true;
                d->registered = streq(registration, "registered");
                d->attached = !answer_is(system, "ps_attach", "detached");
                d->roaming = answer_is(answer->dict, "roaming", "on");
                if (d->sim == SESSION_END_NONE && !d->registered)
                        (void) snprintf(d->text, sizeof(d->text),
                                        "the modem is not registered in a network (%s)", registration);
                else if (d->sim == SESSION_END_NONE && !d->attached)
                        (void) snprintf(d->text, sizeof(d->text),
                                        "the modem is registered, but not attached for data (detached)");
        }
        diagnosis_go_on(s);
}

static void diagnosis_go_on(Session *s) {
        Diagnosis *d = &s->diagnosis;

        if (d->of_sim) {
                d->of_sim = false;
                if (ask_of(s, QMI_SERVICE_UIM, "get-card-status", on_card_status) ||
                    ask_of(s, QMI_SERVICE_DMS, "uim-get-pin-status", on_pin_status))
                        return;
        }
        if (d->of_network) {
                d->of_network = false;
                if (d->sim == SESSION_END_NONE &&
                    ask_of(s, QMI_SERVICE_NAS, "get-serving-system", on_serving_system))
                        return;
        }
        session_on_diagnosis(s);
}

void diagnose(Session *s, bool of_sim) {
        s->diagnosis = (Diagnosis){ .of_sim = of_sim, .of_network = true };
        diagnosis_go_on(s);
}
