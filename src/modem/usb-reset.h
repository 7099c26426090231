/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "util/util.h"

/* Takes a USB device off its drivers and gives it back to them, as if it had been plugged in again: the way
 * out when a modem does not answer any more. The kernel takes its time for each, so another process waits
 * for it. */

typedef struct UsbReset UsbReset;

/* `physical_device`: sysfs path of the USB device. `done`, from the event loop: 0 or a negative errno. */
int usb_reset_new(UsbReset **ret, sd_event *event, const char *physical_device,
                  void (*done)(UsbReset *u, int error, void *userdata), void *userdata);
/* One that is under way goes on, and `done` is not called. */
UsbReset *usb_reset_free(UsbReset *u);
