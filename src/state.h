/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/pack.h"

/* What outlives the daemon: descriptors, by name, and one piece of data, in the service manager's descriptor
 * store (FileDescriptorStoreMax= of systemd.service(5)). Without such a store everything here does nothing.
 * Failures to store something are logged: the daemon goes on, its successor will know less. */

typedef struct State State;

/* Takes over what the predecessor left. 0 or a negative errno. */
int state_new(State **ret);
State *state_free(State *s);
DEFINE_CLEANUP(State *, state_free)

/* Whether somebody keeps what is given. */
bool state_has_store(const State *s);
/* What the predecessor wrote last: 1, and `ret` is valid until the first state_write(). 0: there was none,
 * or nothing came of it. -EBADMSG: there was one, but what it left makes no sense, which was logged. */
int state_read(State *s, Unpacker *ret);
/* From then on this is what a successor reads. */
void state_write(State *s, const Packer *p);

/* A descriptor by that name is kept, in place of the one that was. It stays the caller's. */
void state_keep(State *s, const char *name, int fd);
void state_drop(State *s, const char *name);
/* One that the predecessor kept and nobody has taken yet: it is the caller's then, and still kept. -ENOENT.
 */
int state_take(State *s, const char *name);
/* Drops those that nobody has taken. */
void state_drop_rest(State *s);
/* Waits until the service manager has got all that was sent to it. */
void state_flush(State *s, uint64_t timeout_usec);
