/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "cli.h"
#include "qmi/value.h"

/* What has gone through the interfaces of a link, as this machine has counted it and, below that, the modem
 * for the sessions on them, unless those belong to somebody who runs. `host`: of Device.LinkLayer. An exit
 * code. */
int link_print_counters(const Options *o, sd_bus *bus, Arena *a, const Value *host);
