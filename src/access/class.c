/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "access/class.h"

const char *access_class_purpose(AccessClass c) {
        static const char *const purposes[_ACCESS_CLASS_MAX] = {
                [ACCESS_STATUS] = "signal, registration, capabilities",
                [ACCESS_IDENTITY] = "who the subscriber is",
                [ACCESS_LOCATION] = "where the modem is",
                [ACCESS_DATA] = "data connections",
                [ACCESS_SIM_UNLOCK] = "to unlock the SIM",
                [ACCESS_SIM] = "what is on the SIM, and its codes",
                [ACCESS_MESSAGING] = "text messages",
                [ACCESS_VOICE] = "telephone calls",
                [ACCESS_CONTROL] = "operating mode, radio and network selection",
                [ACCESS_CLIENTS] = "what belongs to other callers",
                [ACCESS_CONFIGURATION] = "configuration of the modem",
                [ACCESS_RAW] = "unchecked access to the modem",
        };

        return c >= 0 && c < _ACCESS_CLASS_MAX ? purposes[c] : NULL;
}
