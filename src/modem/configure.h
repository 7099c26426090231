/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "modem/session.h"
#include "net/net.h"

/* What a session with `configure` sets on its network interface: the MTU, addresses, default routes, name
 * servers, and that it is up. What was set is noted, and marked with NET_PROTOCOL where the kernel has a
 * place for that; that is taken back, and nothing else. docs/data.md has it for people.
 *
 * Nothing here fails a session: what could not be set is a problem, told in a sentence, and the rest is set.
 */

typedef struct Configure Configure;

/* Of default routes: this, and below the double of it, so that no two interfaces have the same. What comes
 * by cable or wireless LAN goes first: NetworkManager has 100 and 600, systemd-networkd and the kernel
 * itself 1024. NetworkManager adds 20000 for what does not reach the Internet: that comes after it. */
#define CONFIGURE_METRIC 4096U

/* Takes over what is ours on the interface already. `mtu`: the most that it may have; 0: no such limit.
 * `net` must outlive it. 0, -ENODEV (no such interface), -EBUSY (another session has it),
 * -ENOMEM. */
int configure_new(Configure **ret, Net *net, const char *interface, uint32_t mtu,
                  const SessionIp ip[static _SESSION_FAMILY_MAX]);
/* The network gave something else, or somebody may have changed what was set: sets what is missing, takes
 * back what is not to be there any more, and touches nothing that is right. */
void configure_update(Configure *c, const SessionIp ip[static _SESSION_FAMILY_MAX]);
/* Takes it all back. Takes NULL. */
Configure *configure_free(Configure *c);
DEFINE_CLEANUP(Configure *, configure_free)
/* Before the daemon's end: all stays as it is. */
Configure *configure_detach(Configure *c);

/* To be saved again after configure_new() and configure_update(). Restoring does nothing on the interface:
 * configure_update() does, if something is missing there. 0, -EBADMSG, -ENOMEM. */
void configure_save(const Configure *c, Packer *p);
int configure_restore(Configure **ret, Net *net, Unpacker *u);

/* What could not be set, of name servers too: one sentence; "": nothing. NetOps.on_changed() follows what
 * becomes known of name servers later. Valid until the next call for this interface. */
const char *configure_get_problem(const Configure *c);

/* On a modem's interface and its muxes, once all sessions are restored and the port is ours: takes addresses
 * and routes away that are ours and belong to no session, as a daemon leaves them that was killed and whose
 * state is lost. */
void configure_sweep(Net *net, const char *interface);
