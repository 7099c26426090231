/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "util/util.h"

/* What a modem looks like on USB: its interfaces and descriptors. */

#define FUNCTIONS_MAX   4U
#define DESCRIPTORS_MAX 1024U

typedef struct UsbEndpoint {
        uint8_t address, attributes;
        uint16_t packet_size;
        uint8_t interval;
} UsbEndpoint;

/* A QMI function has three endpoints: notifications, data to the host, data from it. */
enum {
        ENDPOINT_NOTIFY,
        ENDPOINT_DATA_IN,
        ENDPOINT_DATA_OUT,
        _ENDPOINT_MAX,
};

typedef struct UsbInterface {
        uint8_t number;
        bool is_qmi;
        uint8_t subclass, protocol; /* the class is 0xff, the vendor's own */
        uint8_t n_endpoints;
        UsbEndpoint endpoints[_ENDPOINT_MAX];
} UsbInterface;

typedef struct Profile {
        const char *name;
        uint16_t vendor, product, release;
        const char *manufacturer, *product_name, *serial;
        unsigned n_functions; /* with QMI, of those that the interfaces allow */
        bool qmi_only;        /* without the serial ports */
        size_t n_interfaces;
        UsbInterface interfaces[8];
} Profile;

/* The profile as that modem has it, to be changed where one likes. False: there is none of that name. */
bool profile_find(const char *name, Profile *ret);
unsigned profile_get_functions_max(const Profile *p);

/* What GET_DESCRIPTOR asks for: the length, 0 if there is no such descriptor. */
size_t profile_get_descriptor(const Profile *p, uint8_t type, uint8_t index,
                              uint8_t ret_bytes[DESCRIPTORS_MAX]);
/* The n-th interface with QMI, n < n_functions. */
const UsbInterface *profile_get_function(const Profile *p, unsigned n);
