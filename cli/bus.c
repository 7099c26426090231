/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"

#include "access.h"
#include "agent.h"
#include "bus/error.h"
#include "reply.h"

int bus_connect(const Options *o, sd_bus **ret) {
        int r;

        if (o->host)
                r = sd_bus_open_system_remote(ret, o->host);
        else if (o->machine)
                r = sd_bus_open_system_machine(ret, o->machine);
        else
                r = sd_bus_open_system(ret);
        if (r < 0)
                return cli_error(EXIT_MISSING, "cannot reach the system bus%s%s: %s",
                                 o->host || o->machine ? " of " : "", o->host ?: o->machine ?: "", strerror(-r));
        return EXIT_OK;
}

static int error_exit_code(const sd_bus_error *error) {
        static const struct {
                const char *name;
                ExitCode code;
        } codes[] = {
                { QMID_ERROR_INVALID_ARGUMENT, EXIT_USAGE },
                { QMID_ERROR_AMBIGUOUS_DEVICE, EXIT_USAGE },
                { QMID_ERROR_NO_SUCH_DEVICE, EXIT_MISSING },
                { QMID_ERROR_NO_SUCH_SERVICE, EXIT_MISSING },
                { QMID_ERROR_DEVICE_GONE, EXIT_MISSING },
                { SD_BUS_ERROR_SERVICE_UNKNOWN, EXIT_MISSING },
                { SD_BUS_ERROR_NAME_HAS_NO_OWNER, EXIT_MISSING },
                { SD_BUS_ERROR_UNKNOWN_OBJECT, EXIT_MISSING },
                { SD_BUS_ERROR_UNKNOWN_INTERFACE, EXIT_MISSING },
                { SD_BUS_ERROR_UNKNOWN_METHOD, EXIT_MISSING },
                { SD_BUS_ERROR_DISCONNECTED, EXIT_MISSING },
                { SD_BUS_ERROR_NO_REPLY,
                  EXIT_MISSING }, /* its connection went away; our own time limit is an errno */
                { QMID_ERROR_TIMEOUT, EXIT_TIMEOUT },
                { SD_BUS_ERROR_TIMEOUT, EXIT_TIMEOUT },
                { SD_BUS_ERROR_ACCESS_DENIED, EXIT_DENIED },
                { SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, EXIT_DENIED },
        };

        for (size_t i = 0; i < ELEMENTSOF(codes); i++)
                if (sd_bus_error_has_name(error, codes[i].name))
                        return codes[i].code;
        if (sd_bus_error_get_errno(error) == ETIMEDOUT)
                return EXIT_TIMEOUT;
        return EXIT_REFUSED;
}

/* qmid's own sentences may begin with the message they are about. */
static const char *skip_title(const char *what, const char *sentence) {
        size_t n = strlen(what);

        return strncmp(sentence, what, n) == 0 && strncmp(sentence + n, ": ", 2) == 0 ? sentence + n + 2
                                                                                      : sentence;
}

static int fail_denied(const char *what, const char *sentence) {
        size_t n;
        const char *class = access_class_in_error(sentence, &n);

        sentence = skip_title(what, sentence);
        if (!class)
                return cli_error(EXIT_DENIED, "%s: access denied: %s", what, sentence);
        return cli_error(EXIT_DENIED, "%s: access denied: %s; " ACCESS_REMEDY " " QMID_NAME ".%.*s", what,
                         sentence, (int) n, class);
}

int bus_fail(const char *what, const sd_bus_error *error) {
        ExitCode code = error_exit_code(error);

        if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
            sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                return cli_error(code, "qmid does not run, and could not be started: %s", error->message);
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY))
                return cli_error(code, "%s: qmid went away before it answered", what);
        if (code == EXIT_DENIED)
                return fail_denied(what, error->message);
        if (code == EXIT_TIMEOUT && !sd_bus_error_has_name(error, QMID_ERROR_TIMEOUT))
                return cli_error(code, "%s: no answer in time", what);
        /* About the device that was meant. */
        if (sd_bus_error_has_name(error, QMID_ERROR_NO_SUCH_DEVICE) ||
            sd_bus_error_has_name(error, QMID_ERROR_AMBIGUOUS_DEVICE))
                return cli_error(code, "%s", error->message);
        return cli_error(code, "%s: %s", what, skip_title(what, error->message));
}

int bus_fail_errno(const char *what, int error) {
        if (error == -ENOMEM)
                return cli_oom();
        return cli_error(EXIT_REFUSED, "%s: %s", what, strerror(-error));
}

int bus_new_call(sd_bus *bus, const char *path, const char *interface, const char *member,
                 sd_bus_message **ret) {
        int r;

        r = sd_bus_message_new_method_call(bus, ret, QMID_NAME, path, interface, member);
        return r < 0 ? bus_fail_errno(member, r) : EXIT_OK;
}

int bus_call(const Options *o, sd_bus *bus, sd_bus_message *m, const char *what, uint64_t timeout_usec,
             sd_bus_message **ret_reply) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        if (o->ask_password)
                timeout_usec += BUS_PASSWORD_USEC;
        timeout_usec = o->timeout_usec ?: timeout_usec;
        r = sd_bus_message_set_allow_interactive_authorization(m, o->ask_password);
        if (r < 0)
                return bus_fail_errno(what, r);
        r = sd_bus_call(bus, m, timeout_usec, &error, ret_reply);
        /* polkit wants a password, and found nobody to ask for it. Nothing has happened yet. */
        if (r < 0 && sd_bus_error_has_name(&error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED) &&
            o->ask_password && !o->host && !o->machine && agent_start()) {
                sd_bus_error_free(&error);
                r = sd_bus_call(bus, m, timeout_usec, &error, ret_reply);
                agent_end();
        }
        if (r < 0 && !sd_bus_error_is_set(&error))
                r = sd_bus_error_set_errno(&error, r);
        return r < 0 ? bus_fail(what, &error) : EXIT_OK;
}

const char *bus_device_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

int bus_find_device(const Options *o, sd_bus *bus, char **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        const char *path;
        int r;

        r = bus_new_call(bus, QMID_PATH, QMID_MANAGER_INTERFACE, "FindDevice", &m);
        if (r != EXIT_OK)
                return r;
        r = sd_bus_message_append(m, "sa{sv}", o->device, 0);
        if (r < 0)
                return bus_fail_errno("FindDevice", r);
        r = bus_call(o, bus, m, "finding the device", BUS_TIMEOUT_USEC, &reply);
        if (r != EXIT_OK)
                return r;
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return bus_fail_errno("FindDevice", r);
        *ret = strdup(path);
        return *ret ? EXIT_OK : cli_oom();
}

int bus_get_properties(const Options *o, sd_bus *bus, const char *path, const char *interface,
                       sd_bus_message **ret_reply, Arena *a, Value *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = bus_new_call(bus, path, "org.freedesktop.DBus.Properties", "GetAll", &m);
        if (r != EXIT_OK)
                return r;
        r = sd_bus_message_append(m, "s", interface);
        if (r < 0)
                return bus_fail_errno(interface, r);
        r = bus_call(o, bus, m, bus_device_name(path), BUS_TIMEOUT_USEC, &reply);
        if (r != EXIT_OK)
                return r;
        r = reply_read(reply, a, ret);
        if (r < 0)
                return bus_fail_errno(interface, r);
        *ret_reply = TAKE_PTR(reply);
        return EXIT_OK;
}
