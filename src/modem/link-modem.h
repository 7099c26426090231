/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "modem/link-format.h"
#include "mux/mux.h"

/* The modem's side of a link: what it is asked and told, over WDA, or over CTL where it has no WDA. */

typedef struct LinkModem LinkModem;

/* `error`: 0; above 0 a QMI protocol error; below 0 an errno (-ETIMEDOUT, -ENODEV, -EOPNOTSUPP: it has
 * nothing to be asked with). `format`: LINK_OFF, as long as it has said nothing that is known here. */
typedef void (*LinkModemDone)(LinkModem *m, int error, const LinkFormat *format, void *userdata);

/* Embedded in a Link. One thing at a time. */
struct LinkModem {
        Mux *mux;
        LinkEndpoint endpoint;
        bool no_endpoint; /* it refuses what names one */
        bool sets, named; /* what is under way; `named`: with the endpoint */
        LinkFormat wanted;
        Request *request;
        LinkModemDone done;
        void *userdata;
};

/* Whether it can be asked what its format is, and not only told. */
bool link_modem_is_readable(const LinkModem *m);
/* `done` comes later, unless link_modem_cancel() does. 0, -ENODEV, -ENOBUFS, -ENOMEM, -EOPNOTSUPP. */
int link_modem_read(LinkModem *m, LinkModemDone done, void *userdata);
/* `format` is what the answer says; a modem may well say that it is something else now. */
int link_modem_set(LinkModem *m, const LinkFormat *f, LinkModemDone done, void *userdata);
void link_modem_cancel(LinkModem *m);
