/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Whether some process listens as libqmi's qmi-proxy, which then has, or will have, modems' ports open. */
bool rival_proxy_listens(void);
