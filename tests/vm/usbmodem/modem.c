/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem.h"

#include "util/log.h"

/* How often it is tried whether the brains listen and the port is free. */
#define RETRY_USEC (20 * USEC_PER_MSEC)

/* Types of control requests, as the first two bytes of the setup (type << 8 | request): USB 2.0, table 9-3;
 * CDC 1.1, table 46. */
enum {
        GET_DESCRIPTOR = 0x8006,
        GET_CONFIGURATION = 0x8008,
        SET_CONFIGURATION = 0x0009,
        GET_INTERFACE = 0x810a,
        SEND_ENCAPSULATED_COMMAND = 0x2100,
        GET_ENCAPSULATED_RESPONSE = 0xa101,
        GET_LINE_CODING = 0xa121,
};
#define TYPE_DIRECTION_IN      0x80
#define TYPE_MASK              0x60
#define TYPE_STANDARD          0x00
#define TYPE_CLASS             0x20
#define STANDARD_GET_STATUS    0x00
#define STANDARD_CLEAR_FEATURE 0x01
#define STANDARD_SET_FEATURE   0x03
#define STANDARD_SET_INTERFACE 0x0b

static const char *const counter_names[_COUNTER_MAX] = {
        [FAULT_STALL_ANSWERS] = "stall-answers",
        [FAULT_REFUSE_SENDS] = "refuse-sends",
        [FAULT_LOSE_NOTIFICATIONS] = "lose-notifications",
        [FAULT_SPLIT_ANSWERS] = "split-answers",
        [FAULT_CUT_ANSWERS] = "cut-answers",
        [FAULT_LOSE_PACKETS] = "lose-packets",
        [COUNTER_PLUGS] = "plugs",
        [COUNTER_UNPLUGS] = "unplugs",
        [COUNTER_SENDS] = "sends",
        [COUNTER_ANSWERS] = "answers",
        [COUNTER_NOTIFICATIONS] = "notifications",
        [COUNTER_PACKETS] = "packets",
        [COUNTER_ECHOES] = "echoes",
        [COUNTER_TRANSFERS] = "transfers",
        [COUNTER_WRONG_FRAMING] = "wrong-framing",
        [COUNTER_TOO_LARGE] = "too-large",
        [COUNTER_CLOSED_GATE] = "closed-gate",
        [COUNTER_WRONG_SOURCE] = "wrong-source",
        [COUNTER_OVERFLOWS] = "overflows",
};

Counter counter_from_string(const char *s) {
        for (int c = 0; c < _COUNTER_MAX; c++)
                if (streq(s, counter_names[c]))
                        return (Counter) c;
        return _COUNTER_INVALID;
}

void modem_count(Modem *m, Counter c) {
        m->counters[c]++;
        if (m->on_count)
                m->on_count(m->userdata);
}

bool modem_fault_strikes(Modem *m, Counter fault) {
        if (m->faults[fault] == 0)
                return false;
        m->faults[fault]--;
        modem_count(m, fault);
        return true;
}

static Function *modem_find_function(Modem *m, uint16_t interface) {
        for (unsigned i = 0; i < m->options.profile.n_functions; i++)
                if (m->functions[i].interface->number == interface)
                        return &m->functions[i];
        return NULL;
}

/* ---- what the host wants ---- */

static void on_control(uint32_t transfer, const UsbSetup *setup, const uint8_t *bytes, size_t n_bytes,
                       void *userdata) {
        static const uint8_t status[2], line_coding[7] = { 0x00, 0xc2, 0x01, 0x00, 0, 0, 8 }; /* 115200 */
        uint8_t descriptor[DESCRIPTORS_MAX];
        const void *answer = NULL;
        Modem *m = userdata;
        Function *f = modem_find_function(m, setup->index);
        size_t n_answer = 0;
        bool refused = false;

        switch (setup->type << 8 | setup->request) {
        case SEND_ENCAPSULATED_COMMAND:
                if (f) {
                        function_send(f, transfer, bytes, n_bytes);
                        return;
                }
                refused = true;
                break;
        case GET_ENCAPSULATED_RESPONSE:
                if (f) {
                        function_fetch(f, transfer, setup->length);
                        return;
                }
                refused = true;
                break;
        case GET_DESCRIPTOR:
                answer = descriptor;
                n_answer = profile_get_descriptor(&m->options.profile, (uint8_t) (setup->value >> 8),
                                                  (uint8_t) setup->value, descriptor);
                refused = n_answer == 0;
                break;
        case GET_CONFIGURATION:
                answer = &m->configuration;
                n_answer = 1;
                break;
        case SET_CONFIGURATION:
                m->configuration = (uint8_t) setup->value;
                break;
        case GET_INTERFACE:
                answer = status;
                n_answer = 1;
                break;
        case GET_LINE_CODING:
                answer = line_coding;
                n_answer = sizeof(line_coding);
                break;
        default:
                if ((setup->type & TYPE_MASK) == TYPE_STANDARD && setup->type & TYPE_DIRECTION_IN) {
                        answer = status;
                        n_answer = sizeof(status);
                        refused = setup->request != STANDARD_GET_STATUS;
                } else if ((setup->type & TYPE_MASK) == TYPE_STANDARD)
                        refused = setup->request != STANDARD_CLEAR_FEATURE &&
                                  setup->request != STANDARD_SET_FEATURE &&
                                  setup->request != STANDARD_SET_INTERFACE;
                else /* DTR, line coding, … are fine */
                        refused = (setup->type & TYPE_MASK) != TYPE_CLASS || setup->type & TYPE_DIRECTION_IN;
        }
        (void) vhci_finish(m->vhci, transfer, refused ? -EPIPE : 0, answer, n_answer);
}

static void on_out(uint8_t endpoint, const uint8_t *bytes, size_t n_bytes, void *userdata) {
        Modem *m = userdata;

        for (unsigned i = 0; i < m->options.profile.n_functions; i++)
                if (m->functions[i].interface->endpoints[ENDPOINT_DATA_OUT].address == endpoint)
                        function_packet(&m->functions[i], bytes, n_bytes);
}

static void on_in(uint8_t endpoint, void *userdata) {
        Modem *m = userdata;

        for (unsigned i = 0; i < m->options.profile.n_functions; i++)
                function_pump(&m->functions[i]);
}

static void on_detached(void *userdata) {
        log_info("The host gave the port up.");
        modem_unplug(userdata);
}

/* ---- plugging ---- */

static const VhciOps vhci_ops = {
        .on_control = on_control,
        .on_out = on_out,
        .on_in = on_in,
        .on_detached = on_detached,
};

static void modem_disconnect(Modem *m) {
        for (unsigned i = 0; i < m->options.profile.n_functions; i++)
                function_disconnect(&m->functions[i]);
        if (!m->vhci)
                return;
        m->vhci = vhci_free(m->vhci);
        m->configuration = 0;
        modem_count(m, COUNTER_UNPLUGS);
        log_info("Unplugged.");
}

static int modem_try(Modem *m) {
        int r = 0;

        for (unsigned i = 0; r >= 0 && i < m->options.profile.n_functions; i++) {
                r = function_connect(&m->functions[i]);
                if (r == -ENOENT || r == -ECONNREFUSED)
                        r = -EAGAIN;
        }
        if (r < 0)
                return r;
        r = vhci_new(&m->vhci, m->event, m->port, &vhci_ops, m);
        if (r == -EBUSY)
                return -EAGAIN;
        if (r < 0)
                return log_error_errno(r, "Cannot plug into vhci-hcd (modprobe vhci-hcd?)");
        modem_count(m, COUNTER_PLUGS);
        log_info("Plugged in at port %d.", vhci_get_port(m->vhci));
        return 0;
}

static int on_retry(sd_event_source *s, uint64_t usec, void *userdata) {
        return modem_plug(userdata);
}

int modem_plug(Modem *m) {
        int r;

        m->wanted = true;
        if (m->vhci)
                return 0;
        r = modem_try(m);
        if (r != -EAGAIN)
                return r;

        r = sd_event_source_set_time_relative(m->retry, RETRY_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(m->retry, SD_EVENT_ONESHOT);
}

void modem_unplug(Modem *m) {
        m->wanted = false;
        m->port = m->options.port;
        (void) sd_event_source_set_enabled(m->retry, SD_EVENT_OFF);
        modem_disconnect(m);
}

int modem_replug(Modem *m) {
        int port = m->vhci ? vhci_get_port(m->vhci) : m->port;

        modem_unplug(m);
        m->port = port;
        return modem_plug(m);
}

void modem_brain_gone(Modem *m) {
        log_info("The brain is gone.");
        if (m->wanted)
                (void) modem_replug(m);
        else
                modem_unplug(m);
}

/* ---- faults that last ---- */

void modem_set_halted(Modem *m, bool halted) {
        m->halted = halted;
}

void modem_set_holds_sends(Modem *m, bool holds) {
        m->holds_sends = holds;
        if (holds || !m->vhci)
                return;
        for (unsigned i = 0; i < m->options.profile.n_functions; i++)
                function_release_held(&m->functions[i]);
}

void modem_set_holds_packets(Modem *m, bool holds) {
        m->holds_packets = holds;
        for (unsigned i = 0; i < m->options.profile.n_functions; i++)
                function_pump(&m->functions[i]);
}

/* ---- life ---- */

int modem_init(Modem *m, sd_event *event, const ModemOptions *options) {
        int r;

        *m = (Modem){ .event = sd_event_ref(event), .options = *options, .port = options->port };
        for (unsigned i = 0; i < m->options.profile.n_functions; i++)
                function_init(&m->functions[i], m, profile_get_function(&m->options.profile, i),
                              options->brains[MIN(i, options->n_brains - 1)],
                              options->gates ? options->gates[i] : NULL);
        r = sd_event_add_time_relative(event, &m->retry, CLOCK_MONOTONIC, 0, 1, on_retry, m);
        if (r >= 0)
                r = sd_event_source_set_exit_on_failure(m->retry, true);
        if (r >= 0 && options->unplugged)
                r = sd_event_source_set_enabled(m->retry, SD_EVENT_OFF);
        return r;
}

void modem_done(Modem *m) {
        m->on_count = NULL;
        modem_disconnect(m);
        sd_event_source_disable_unref(m->retry);
        sd_event_unref(m->event);
}
