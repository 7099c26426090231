/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem/place.h"

#include <ctype.h>
#include <net/if.h>
#include <stdio.h>

#include "qmi/text.h"

char **strv_free(char **strv) {
        for (char **s = strv; s && *s; s++)
                free(*s);
        free(strv);
        return NULL;
}
DEFINE_CLEANUP(char **, strv_free)

char **strv_copy(const char *const *strv) {
        _cleanup_(strv_freep) char **copy = NULL;
        size_t n = 0;

        while (strv && strv[n])
                n++;
        copy = calloc(n + 1, sizeof(*copy));
        if (!copy)
                return NULL;
        for (size_t i = 0; i < n; i++) {
                copy[i] = strdup(strv[i]);
                if (!copy[i])
                        return NULL;
        }
        return TAKE_PTR(copy);
}

bool strv_equal(char *const *a, const char *const *b) {
        while (*a && *b && streq(*a, *b)) {
                a++;
                b++;
        }
        return !*a && !*b;
}

bool strv_has(char *const *strv, const char *s) {
        for (; *strv; strv++)
                if (streq(*strv, s))
                        return true;
        return false;
}

void device_place_done(DevicePlace *p) {
        free(p->name);
        free(p->uri);
        free(p->driver);
        free(p->id_path);
        free(p->physical_device);
        strv_free(p->interfaces);
        *p = (DevicePlace){};
}

static char *copy_string(const char *s) {
        return strdup(s ? s : "");
}

int device_place_copy(const DevicePlace *p, DevicePlace *ret) {
        DevicePlace copy = *p;

        copy.name = copy_string(p->name);
        copy.uri = copy_string(p->uri);
        copy.driver = copy_string(p->driver);
        copy.id_path = copy_string(p->id_path);
        copy.physical_device = copy_string(p->physical_device);
        copy.interfaces = strv_copy((const char *const *) p->interfaces);
        if (!copy.name || !copy.uri || !copy.driver || !copy.id_path || !copy.physical_device ||
            !copy.interfaces) {
                device_place_done(&copy);
                return -ENOMEM;
        }
        *ret = copy;
        return 0;
}

#define INTERFACES_MAX 64U
/* What device_name_escape() leaves. */
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

void device_place_save(const DevicePlace *p, Packer *packer) {
        pack_string(packer, p->name);
        pack_string(packer, p->uri);
        pack_string(packer, p->driver);
        pack_string(packer, p->id_path);
        pack_string(packer, p->physical_device);
        for (char **i = p->interfaces; *i; i++)
                pack_string(packer, *i);
        pack_string(packer, "");
        pack_u16(packer, p->vendor);
        pack_u16(packer, p->product);
        pack_u8(packer, p->interface_number);
        pack_u32(packer, p->window);
        pack_u8(packer, (uint8_t) p->sync);
        pack_bool(packer, p->usb_reset);
        pack_bool(packer, p->has_link_mode);
        pack_u8(packer, (uint8_t) p->link_mode);
}

/* The bus takes no other text. */
static char *borrow(Unpacker *u) {
        const char *s = unpack_string(u);

        if (!utf8_is_valid(s, strlen(s)))
                unpack_fail(u);
        return (char *) (uintptr_t) s;
}

int device_place_restore(DevicePlace *ret, Unpacker *u) {
        char *interfaces[INTERFACES_MAX + 1] = {};
        DevicePlace p = { .interfaces = interfaces };
        size_t n = 0;

        /* What is not copied yet lies in what is unpacked. */
        p.name = borrow(u);
        p.uri = borrow(u);
        p.driver = borrow(u);
        p.id_path = borrow(u);
        p.physical_device = borrow(u);
        for (char *s = borrow(u); *s; s = borrow(u)) {
                if (n == INTERFACES_MAX)
                        return -EBADMSG;
                interfaces[n++] = s;
        }
        p.vendor = unpack_u16(u);
        p.product = unpack_u16(u);
        p.interface_number = unpack_u8(u);
        p.window = unpack_u32(u);
        p.sync = (SyncPolicy) unpack_u8(u);
        p.usb_reset = unpack_bool(u);
        p.has_link_mode = unpack_bool(u);
        p.link_mode = (LinkMode) unpack_u8(u);
        if (u->error || !*p.name || p.name[strspn(p.name, NAME_CHARACTERS)] || p.sync >= _SYNC_POLICY_MAX ||
            p.link_mode >= _LINK_MODE_MAX)
                return -EBADMSG;
        return device_place_copy(&p, ret);
}

bool device_place_has_interface_up(const DevicePlace *p) {
        for (char **i = p->interfaces; *i; i++) {
                char path[sizeof("/sys/class/net//flags") + IFNAMSIZ];
                unsigned flags = 0;
                FILE *f;

                (void) snprintf(path, sizeof(path), "/sys/class/net/%s/flags", *i);
                f = fopen(path, "re");
                if (!f)
                        continue; /* it has gone */
                if (fscanf(f, "%x", &flags) != 1)
                        flags = IFF_UP; /* who knows */
                fclose(f);
                if (flags & IFF_UP)
                        return true;
        }
        return false;
}

SyncPolicy sync_policy_from_string(const char *s) {
        static const char *const words[] = {
                [SYNC_AUTO] = "auto",
                [SYNC_NEVER] = "never",
                [SYNC_ALWAYS] = "always",
        };

        for (SyncPolicy i = 0; i < _SYNC_POLICY_MAX; i++)
                if (streq(words[i], s))
                        return i;
        return _SYNC_POLICY_INVALID;
}

void device_name_escape(char *name) {
        for (char *p = name; *p; p++)
                if (!isascii(*p) || !isalnum((unsigned char) *p))
                        *p = '_';
}

int device_name_from_uri(const char *uri, char **ret) {
        const char *colon = strchr(uri, ':');
        const char *base;
        char *name;

        if (!colon)
                return -EINVAL;
        base = strrchr(colon, '/');
        base = base ? base + 1 : colon + 1;
        if (!*base)
                return -EINVAL;
        if (asprintf(&name, "%.*s_%s", (int) (colon - uri), uri, base) < 0)
                return -ENOMEM;
        device_name_escape(name);
        *ret = name;
        return 0;
}
