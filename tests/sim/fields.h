/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "answers.h"
#include "qmi/frame.h"

/* Single fields: of a request by the id of their TLV, of answers by their key. */

bool request_get_u8(const QmiMessage *request, uint8_t id, uint8_t *ret);
bool request_get_u32(const QmiMessage *request, uint8_t id, uint32_t *ret);

int entries_set_text(Entries *e, const char *key, const char *text);
int entries_set_number(Entries *e, const char *key, int64_t n);
int answers_set_text(Answers *a, const char *key, const char *text, char **ret_error);
bool answers_has_text(Answers *a, const char *key, const char *text);
uint64_t answers_get_number(Answers *a, const char *key); /* 0 if there is none */
