/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modem/place.h"

#include <ctype.h>
#include <stdio.h>

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
