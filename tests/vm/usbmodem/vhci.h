/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-event.h>

#include "util/util.h"

/* A port of the kernel's vhci-hcd with a device in it: the device's end of USB/IP, over a socket pair, so
 * that neither the usbip tools nor a network are needed. Fact: Documentation/usb/usbip_protocol.rst. */

typedef struct Vhci Vhci;

/* The eight bytes that begin a control transfer (USB 2.0, 9.3). */
typedef struct UsbSetup {
        uint8_t type, request;
        uint16_t value, index, length;
} UsbSetup;

typedef struct VhciOps {
        /* A control transfer, with the bytes that the host sends in it. It lasts until vhci_finish(). */
        void (*on_control)(uint32_t transfer, const UsbSetup *setup, const uint8_t *bytes, size_t n_bytes,
                           void *userdata);
        /* The host wrote to an endpoint. */
        void (*on_out)(uint8_t endpoint, const uint8_t *bytes, size_t n_bytes, void *userdata);
        /* The host waits for data from an endpoint: vhci_send() can give it some. */
        void (*on_in)(uint8_t endpoint, void *userdata);
        /* The host gave the port up. The Vhci may be freed in it, and only in it. */
        void (*on_detached)(void *userdata);
} VhciOps;

#define VHCI_PORT_ANY (-1)

/* Plugs a device of high speed in. `port` (or VHCI_PORT_ANY): of the first controller, counted from 0.
 * -ENOENT: there is no vhci-hcd; -EBUSY: the port, or every port, is taken. */
int vhci_new(Vhci **ret, sd_event *event, int port, const VhciOps *ops, void *userdata);
/* Unplugs it. */
Vhci *vhci_free(Vhci *v);

int vhci_get_port(Vhci *v);

/* Ends a control transfer: status 0 or -EPIPE (a stall). False if the host took it back meanwhile. */
bool vhci_finish(Vhci *v, uint32_t transfer, int status, const void *bytes, size_t n_bytes);
/* How much fits into the transfer that has waited longest at this endpoint (0x8n); 0 if none waits. */
size_t vhci_get_room(Vhci *v, uint8_t endpoint);
/* Gives bytes to that transfer; false if none waits. If they do not fit into it, it fails, and they are
 * lost. */
bool vhci_send(Vhci *v, uint8_t endpoint, const void *bytes, size_t n_bytes);
