/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/util.h"

/* What the driver qmi_wwan has below /sys/class/net/NAME/qmi/: the framing of a network interface. Changes
 * there send no event. -ENODEV: there is no such interface; -EOPNOTSUPP: it has no such file, as with
 * another driver or an older kernel; others are the kernel's: -EBUSY (the interface is up), -EINVAL,
 * -EACCES, -EROFS. */

int qmi_sysfs_get_raw_ip(const char *name, bool *ret);
int qmi_sysfs_set_raw_ip(const char *name, bool raw_ip);
int qmi_sysfs_get_pass_through(const char *name, bool *ret);
int qmi_sysfs_set_pass_through(const char *name, bool pass_through);

/* 1 to 254. -EINVAL: it is there already, or is not there. The interface of a new one is there when this
 * returns: qmi_sysfs_list_muxes() has its name. */
int qmi_sysfs_add_mux(const char *name, uint8_t id);
int qmi_sysfs_del_mux(const char *name, uint8_t id);

typedef struct QmiSysfsMux {
        uint8_t id;         /* 0: older kernels do not say it */
        char interface[16]; /* IF_NAMESIZE */
} QmiSysfsMux;

/* Those that are there, by id. Free it. */
int qmi_sysfs_list_muxes(const char *name, QmiSysfsMux **ret, size_t *ret_n);
