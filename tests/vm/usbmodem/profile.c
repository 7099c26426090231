/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "profile.h"

/* Descriptor types: USB 2.0, table 9-5. */
enum {
        DESCRIPTOR_DEVICE = 1,
        DESCRIPTOR_CONFIGURATION = 2,
        DESCRIPTOR_STRING = 3,
        DESCRIPTOR_INTERFACE = 4,
        DESCRIPTOR_ENDPOINT = 5,
};

enum {
        STRING_LANGUAGES,
        STRING_MANUFACTURER,
        STRING_PRODUCT,
        STRING_SERIAL,
};

#define NOTIFY(address) \
        { address, 0x03, 10, 9 }
#define BULK(address) \
        { address, 0x02, 512, 0 }

#define DIAGNOSTICS(number, in, out)            \
        {                                       \
                number, false, 0xff, 0xff, 2, { \
                        BULK(in), BULK(out)     \
                }                               \
        }
#define SERIAL(number, notify, in, out)                     \
        {                                                   \
                number, false, 0x00, 0x00, 3, {             \
                        NOTIFY(notify), BULK(in), BULK(out) \
                }                                           \
        }
#define QMI(number, notify, in, out)                        \
        {                                                   \
                number, true, 0xff, 0xff, 3, {              \
                        NOTIFY(notify), BULK(in), BULK(out) \
                }                                           \
        }

static const Profile profiles[] = {
        { .name = "ec25",
          .vendor = 0x2c7c,
          .product = 0x0125,
          .release = 0x0318,
          .manufacturer = "Quectel",
          .product_name = "EC25-EU",
          .serial = "0123456789ABCDEF",
          .n_functions = 1,
          .n_interfaces = 8,
          .interfaces = { DIAGNOSTICS(0, 0x81, 0x01), SERIAL(1, 0x83, 0x82, 0x02),
                          SERIAL(2, 0x85, 0x84, 0x03), SERIAL(3, 0x87, 0x86, 0x04), QMI(4, 0x89, 0x88, 0x05),
                          QMI(5, 0x8b, 0x8a, 0x06), QMI(6, 0x8d, 0x8c, 0x07), QMI(7, 0x8f, 0x8e, 0x08) } },
        { .name = "em7455",
          .vendor = 0x1199,
          .product = 0x9071,
          .release = 0x0006,
          .manufacturer = "Sierra Wireless, Incorporated",
          .product_name = "Sierra Wireless EM7455 Qualcomm Snapdragon X7 LTE-A",
          .serial = "0123456789ABCDEF",
          .n_functions = 2,
          .n_interfaces = 5,
          .interfaces = { DIAGNOSTICS(0, 0x81, 0x01), SERIAL(2, 0x83, 0x82, 0x02),
                          SERIAL(3, 0x85, 0x84, 0x03), QMI(8, 0x87, 0x86, 0x04),
                          QMI(10, 0x89, 0x88, 0x05) } },
};

bool profile_find(const char *name, Profile *ret) {
        for (size_t i = 0; i < ELEMENTSOF(profiles); i++)
                if (streq(profiles[i].name, name)) {
                        *ret = profiles[i];
                        return true;
                }
        return false;
}

unsigned profile_get_functions_max(const Profile *p) {
        unsigned n = 0;

        for (size_t i = 0; i < p->n_interfaces; i++)
                n += p->interfaces[i].is_qmi;
        return n;
}

const UsbInterface *profile_get_function(const Profile *p, unsigned n) {
        for (size_t i = 0; i < p->n_interfaces; i++)
                if (p->interfaces[i].is_qmi && n-- == 0)
                        return &p->interfaces[i];
        return NULL;
}

static size_t append(uint8_t *to, size_t at, const uint8_t *bytes, size_t n_bytes) {
        memcpy(to + at, bytes, n_bytes);
        return at + n_bytes;
}

static size_t write_device(const Profile *p, uint8_t *to) {
        const uint8_t bytes[] = { 18,
                                  DESCRIPTOR_DEVICE,
                                  0x00, /* USB 2.0 */
                                  0x02,
                                  0, /* each interface has a class of its own */
                                  0,
                                  0,
                                  64,
                                  (uint8_t) p->vendor,
                                  (uint8_t) (p->vendor >> 8),
                                  (uint8_t) p->product,
                                  (uint8_t) (p->product >> 8),
                                  (uint8_t) p->release,
                                  (uint8_t) (p->release >> 8),
                                  STRING_MANUFACTURER,
                                  STRING_PRODUCT,
                                  p->serial[0] ? STRING_SERIAL : 0,
                                  1 };

        return append(to, 0, bytes, sizeof(bytes));
}

static size_t write_interface(const UsbInterface *i, uint8_t *to, size_t at) {
        /* Header, call management, abstract control management, union: what the serial ports of such modems
         * have and their QMI interfaces do not. */
        static const uint8_t serial_port[] = { 5, 0x24, 0x00, 0x10, 0x01, 5,    0x24, 0x01, 0x00, 0x00,
                                               4, 0x24, 0x02, 0x02, 5,    0x24, 0x06, 0x00, 0x00 };
        const uint8_t header[] = { 9,    DESCRIPTOR_INTERFACE, i->number,   0, i->n_endpoints,
                                   0xff, i->subclass,          i->protocol, 0 };

        at = append(to, at, header, sizeof(header));
        if (!i->is_qmi && i->n_endpoints == 3)
                at = append(to, at, serial_port, sizeof(serial_port));
        for (size_t k = 0; k < i->n_endpoints; k++) {
                const UsbEndpoint *e = &i->endpoints[k];
                const uint8_t endpoint[] = { 7,
                                             DESCRIPTOR_ENDPOINT,
                                             e->address,
                                             e->attributes,
                                             (uint8_t) e->packet_size,
                                             (uint8_t) (e->packet_size >> 8),
                                             e->interval };

                at = append(to, at, endpoint, sizeof(endpoint));
        }
        return at;
}

static size_t write_configuration(const Profile *p, uint8_t *to) {
        uint8_t header[] = { 9, DESCRIPTOR_CONFIGURATION, 0, 0, 0, 1, 0, 0xa0 /* wakes the host */, 250 };
        unsigned n_qmi = 0;
        size_t at = sizeof(header);

        for (size_t i = 0; i < p->n_interfaces; i++) {
                const UsbInterface *f = &p->interfaces[i];

                if (f->is_qmi ? n_qmi++ >= p->n_functions : p->qmi_only)
                        continue;
                at = write_interface(f, to, at);
                header[4]++;
        }
        write_le16(header + 2, (uint16_t) at);
        (void) append(to, 0, header, sizeof(header));
        return at;
}

static size_t write_string(const Profile *p, uint8_t index, uint8_t *to) {
        static const uint8_t english[] = { 4, DESCRIPTOR_STRING, 0x09, 0x04 };
        const char *text;
        size_t n = 2;

        switch (index) {
        case STRING_LANGUAGES:
                return append(to, 0, english, sizeof(english));
        case STRING_MANUFACTURER:
                text = p->manufacturer;
                break;
        case STRING_PRODUCT:
                text = p->product_name;
                break;
        case STRING_SERIAL:
                text = p->serial;
                break;
        default:
                return 0;
        }
        /* UTF-16, of text that is ASCII; the length is one byte. */
        for (; *text && n + 2 <= 254; text++) {
                to[n++] = (uint8_t) *text;
                to[n++] = 0;
        }
        to[0] = (uint8_t) n;
        to[1] = DESCRIPTOR_STRING;
        return n;
}

size_t profile_get_descriptor(const Profile *p, uint8_t type, uint8_t index,
                              uint8_t ret_bytes[DESCRIPTORS_MAX]) {
        switch (type) {
        case DESCRIPTOR_DEVICE:
                return write_device(p, ret_bytes);
        case DESCRIPTOR_CONFIGURATION:
                return write_configuration(p, ret_bytes);
        case DESCRIPTOR_STRING:
                return write_string(p, index, ret_bytes);
        default:
                return 0;
        }
}
