/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/qmi-sysfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <unistd.h>

#define NET_CLASS "/sys/class/net"

static int open_folder(const char *name) {
        char path[sizeof(NET_CLASS "/") + IF_NAMESIZE];
        int fd, n;

        n = snprintf(path, sizeof(path), NET_CLASS "/%s", name);
        if (!*name || *name == '.' || strchr(name, '/') || (size_t) n >= sizeof(path))
                return -ENODEV;
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ENODEV : -errno;
        return fd;
}

static int open_file(const char *name, const char *file, int flags) {
        int folder, fd, r;

        folder = open_folder(name);
        if (folder < 0)
                return folder;
        fd = openat(folder, file, flags | O_CLOEXEC | O_NOCTTY);
        r = fd >= 0 ? fd : errno == ENOENT ? -EOPNOTSUPP : -errno;
        close(folder);
        return r;
}

static int read_line(int fd, char *buffer, size_t size) {
        ssize_t n = read(fd, buffer, size - 1);

        if (n < 0)
                return -errno;
        buffer[n] = '\0';
        buffer[strcspn(buffer, "\n")] = '\0';
        return 0;
}

static int read_bool(const char *name, const char *file, bool *ret) {
        char text[8];
        int fd, r;

        fd = open_file(name, file, O_RDONLY);
        if (fd < 0)
                return fd;
        r = read_line(fd, text, sizeof(text));
        close(fd);
        if (r < 0)
                return r;
        if (!streq(text, "Y") && !streq(text, "N"))
                return -EBADMSG;
        *ret = streq(text, "Y");
        return 0;
}

static int write_text(const char *name, const char *file, const char *text) {
        int fd, r = 0;

        fd = open_file(name, file, O_WRONLY);
        if (fd < 0)
                return fd;
        if (write(fd, text, strlen(text)) < 0)
                r = -errno;
        close(fd);
        return r;
}

int qmi_sysfs_get_raw_ip(const char *name, bool *ret) {
        return read_bool(name, "qmi/raw_ip", ret);
}

int qmi_sysfs_set_raw_ip(const char *name, bool raw_ip) {
        return write_text(name, "qmi/raw_ip", raw_ip ? "Y" : "N");
}

int qmi_sysfs_get_pass_through(const char *name, bool *ret) {
        return read_bool(name, "qmi/pass_through", ret);
}

int qmi_sysfs_set_pass_through(const char *name, bool pass_through) {
        return write_text(name, "qmi/pass_through", pass_through ? "Y" : "N");
}

static int write_id(const char *name, const char *file, uint8_t id) {
        char text[8];

        (void) snprintf(text, sizeof(text), "0x%02x", id);
        return write_text(name, file, text);
}

int qmi_sysfs_add_mux(const char *name, uint8_t id) {
        return write_id(name, "qmi/add_mux", id);
}

int qmi_sysfs_del_mux(const char *name, uint8_t id) {
        return write_id(name, "qmi/del_mux", id);
}

/* 0: it has none, as an interface of another kind that lies above this one, such as a bridge. */
static bool read_mux(const char *interface, QmiSysfsMux *ret) {
        unsigned long id = 0;
        char text[16], *end;
        int fd, r;

        fd = open_file(interface, "qmap/mux_id", O_RDONLY);
        if (fd >= 0) {
                r = read_line(fd, text, sizeof(text));
                close(fd);
                if (r < 0)
                        return false;
                id = strtoul(text, &end, 0);
                if (*end || id == 0 || id > UINT8_MAX)
                        return false;
        } else if (strncmp(interface, "qmimux", 6) != 0)
                return false;
        *ret = (QmiSysfsMux){ .id = (uint8_t) id };
        memcpy(ret->interface, interface, strlen(interface) + 1);
        return true;
}

static int compare(const void *a, const void *b) {
        return ((const QmiSysfsMux *) a)->id - ((const QmiSysfsMux *) b)->id;
}

int qmi_sysfs_list_muxes(const char *name, QmiSysfsMux **ret, size_t *ret_n) {
        _cleanup_free_ QmiSysfsMux *muxes = NULL;
        size_t n = 0;
        DIR *folder;
        int fd;

        fd = open_file(name, ".", O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return fd;
        folder = fdopendir(fd);
        if (!folder) {
                close(fd);
                return -ENOMEM;
        }
        for (struct dirent *e = readdir(folder); e; e = readdir(folder)) {
                QmiSysfsMux *more, mux;

                if (strncmp(e->d_name, "upper_", 6) != 0 || strlen(e->d_name + 6) >= sizeof(mux.interface) ||
                    !read_mux(e->d_name + 6, &mux))
                        continue;
                more = reallocarray(muxes, n + 1, sizeof(*muxes));
                if (!more) {
                        closedir(folder);
                        return -ENOMEM;
                }
                muxes = more;
                muxes[n++] = mux;
        }
        closedir(folder);
        if (n > 0)
                qsort(muxes, n, sizeof(*muxes), compare);
        *ret = TAKE_PTR(muxes);
        *ret_n = n;
        return 0;
}
