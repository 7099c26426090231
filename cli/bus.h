/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "cli.h"
#include "qmi/value.h"

/* The way to qmid. What returns int here returns an exit code, and has printed what went wrong. */

#define QMID_NAME              "org.qmid1"
#define QMID_PATH              "/org/qmid1"
#define QMID_DEVICE_INTERFACE  "org.qmid1.Device"
#define QMID_MANAGER_INTERFACE "org.qmid1.Manager"

/* What a call may take besides the work of the modem: starting qmid. */
#define BUS_TIMEOUT_USEC (60 * USEC_PER_SEC)
/* What is added where somebody may have to give a password, as much as qmid gives him. */
#define BUS_PASSWORD_USEC (180 * USEC_PER_SEC)

int bus_connect(const Options *o, sd_bus **ret);

/* The object path of the device that was asked for, from malloc(). */
int bus_find_device(const Options *o, sd_bus *bus, char **ret);
/* The last element of a device's path. */
const char *bus_device_name(const char *path);

/* A method call to qmid; what cannot be made is out of memory. */
int bus_new_call(sd_bus *bus, const char *path, const char *interface, const char *member,
                 sd_bus_message **ret);

/* Sends it and waits. A person may be asked for a password, which takes longer. `what` begins an error
 * message
 * ("nas get-signal-info"). `timeout_usec`: unless --timeout says otherwise. */
int bus_call(const Options *o, sd_bus *bus, sd_bus_message *m, const char *what, uint64_t timeout_usec,
             sd_bus_message **ret_reply);

/* Prints an error and gives its exit code. */
int bus_fail(const char *what, const sd_bus_error *error);
/* Something that cannot be read in an answer, or that libsystemd could not do. */
int bus_fail_errno(const char *what, int error);

/* Every property of an interface of an object. */
int bus_get_properties(const Options *o, sd_bus *bus, const char *path, const char *interface,
                       sd_bus_message **ret_reply, Arena *a, Value *ret);
