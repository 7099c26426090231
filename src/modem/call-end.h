/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "modem/session.h"
#include "qmi/value.h"

/* Why a data call ended or was refused, as modem and network put it: pure functions. */

/* Takes the reasons out of the answer to Start Network, or of the indication Packet Service Status. */
void call_end_read(SessionEnd *e, const Value *dict);

/* What its reasons, and the QMI protocol error, say by themselves; SESSION_END_NONE: nothing in particular.
 */
SessionEndKind call_end_kind(const SessionEnd *e);

/* The modem or the network let one call in at a time: what the second was to bring, the first may have. */
bool call_end_is_single_call(const SessionEnd *e);

/* The reasons in words and numbers: "unknown or missing APN: 3gpp 27, unspecified (1), call_failed (14)", or
 * that there are none. */
void call_end_describe(const SessionEnd *e, char ret_text[static SESSION_TEXT_MAX]);
