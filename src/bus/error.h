/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "modem/session.h"
#include "mux/mux.h"
#include "qmi/value.h"

/* The errors of the D-Bus contract. The body of each is one sentence. */

#define QMID_ERROR_QMI_PREFIX       "org.qmid1.Error.Qmi."
#define QMID_ERROR_INVALID_ARGUMENT "org.qmid1.Error.InvalidArgument"
#define QMID_ERROR_NO_SUCH_DEVICE   "org.qmid1.Error.NoSuchDevice"
#define QMID_ERROR_AMBIGUOUS_DEVICE "org.qmid1.Error.AmbiguousDevice"
#define QMID_ERROR_NO_SUCH_SERVICE  "org.qmid1.Error.NoSuchService"
#define QMID_ERROR_TIMEOUT          "org.qmid1.Error.Timeout"
#define QMID_ERROR_DEVICE_GONE      "org.qmid1.Error.DeviceGone"
#define QMID_ERROR_NOT_READY        "org.qmid1.Error.NotReady"
#define QMID_ERROR_NOT_OWNER        "org.qmid1.Error.NotOwner"
#define QMID_ERROR_LIMITS_EXCEEDED  "org.qmid1.Error.LimitsExceeded"
#define QMID_ERROR_GUARDED          "org.qmid1.Error.Guarded"
#define QMID_ERROR_LINK_LAYER       "org.qmid1.Error.LinkLayer"

#define QMI_ERROR_CLIENT_IDS_EXHAUSTED 5 /* [enum.qmi-error] */

/* Puts "key: " before the text. Returns the error as a negative errno. */
int bus_error_prefix(sd_bus_error *error, const char *key);

/* The modem answered `what` ("nas get-signal-info") with that QMI protocol error. `schema` and `dict` (may
 * be NULL): the TLVs that came with it; numbers and symbols in them (tries left, end reason) go into the
 * sentence, text and bytes never do. */
int bus_error_set_qmi(sd_bus_error *error, const char *what, uint16_t code, const SchemaMessage *schema,
                      const Value *dict);

/* A session could not begin, or ended before it was connected. */
int bus_error_set_session(sd_bus_error *error, const SessionEnd *end);

/* Puts behind the text how many tries there were before a code was sent, where the modem does not say. */
int bus_error_append_tries(sd_bus_error *error, int tries);

/* A request that did not get its answer: REQUEST_TIMEOUT, REQUEST_GONE, REQUEST_REFUSED,
 * REQUEST_NO_CLIENT. */
int bus_error_set_outcome(sd_bus_error *error, const char *what, const RequestOutcome *outcome);

/* The device does not serve anybody now; says why. */
int bus_error_set_not_ready(sd_bus_error *error, Mux *m);

/* What request_new(), client_new() and mux_get_shared_client() return. */
int bus_error_set_mux(sd_bus_error *error, Mux *m, const char *what, int r);
