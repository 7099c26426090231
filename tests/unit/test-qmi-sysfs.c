/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/qmi-sysfs.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net-bed.h"

/* On files in place of the kernel's, which are where the kernel's would be. */

#define NET_CLASS "/sys/class/net"

static void make_folder(const char *name) {
        char path[128];

        snprintf(path, sizeof(path), NET_CLASS "/%s", name);
        check(mkdir(path, 0755) >= 0);
}

static void make_file(const char *name, const char *text) {
        char path[128];
        int fd;

        snprintf(path, sizeof(path), NET_CLASS "/%s", name);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        check(fd >= 0);
        check(write(fd, text, strlen(text)) == (ssize_t) strlen(text));
        close(fd);
}

static void check_file(const char *name, const char *text) {
        char path[128], seen[64];
        ssize_t n;
        int fd;

        snprintf(path, sizeof(path), NET_CLASS "/%s", name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        check(fd >= 0);
        n = read(fd, seen, sizeof(seen) - 1);
        check(n >= 0);
        seen[n] = '\0';
        check_str(seen, text);
        close(fd);
}

/* As the kernel writes it, to each file at once. */
static void begin(void) {
        check(mount("net", NET_CLASS, "tmpfs", 0, NULL) >= 0);
        make_folder("eth0");
        make_folder("wwan0");
        make_folder("wwan0/qmi");
        make_file("wwan0/qmi/raw_ip", "N\n");
        make_file("wwan0/qmi/pass_through", "Y\n");
        make_file("wwan0/qmi/add_mux", "");
        make_file("wwan0/qmi/del_mux", "");
}

static void end(void) {
        check(umount(NET_CLASS) >= 0);
}

static void test_no_such(void) {
        static const char *const names[] = {
                "wwan1", "", ".", "..", "../net/wwan0", "wwan0/", "a-name-of-seventeen",
        };
        QmiSysfsMux *muxes;
        bool value;
        size_t n;

        begin();
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                check_int(qmi_sysfs_get_raw_ip(names[i], &value), -ENODEV);
                check_int(qmi_sysfs_set_pass_through(names[i], true), -ENODEV);
                check_int(qmi_sysfs_add_mux(names[i], 1), -ENODEV);
                check_int(qmi_sysfs_list_muxes(names[i], &muxes, &n), -ENODEV);
        }
        check_int(qmi_sysfs_get_raw_ip("eth0", &value), -EOPNOTSUPP);
        check_int(qmi_sysfs_set_raw_ip("eth0", true), -EOPNOTSUPP);
        check_int(qmi_sysfs_del_mux("eth0", 1), -EOPNOTSUPP);
        check_int(qmi_sysfs_list_muxes("eth0", &muxes, &n), 0);
        check_int(n, 0);
        free(muxes);
        end();
}

static void test_switches(void) {
        bool value;

        begin();
        check_int(qmi_sysfs_get_raw_ip("wwan0", &value), 0);
        check(!value);
        check_int(qmi_sysfs_get_pass_through("wwan0", &value), 0);
        check(value);
        check_int(qmi_sysfs_set_raw_ip("wwan0", true), 0);
        check_file("wwan0/qmi/raw_ip", "Y\n");
        check_int(qmi_sysfs_get_raw_ip("wwan0", &value), 0);
        check(value);
        check_int(qmi_sysfs_set_raw_ip("wwan0", false), 0);
        check_file("wwan0/qmi/raw_ip", "N\n");
        check_int(qmi_sysfs_set_pass_through("wwan0", false), 0);
        check_file("wwan0/qmi/pass_through", "N\n");

        make_file("wwan0/qmi/raw_ip", "perhaps\n");
        check_int(qmi_sysfs_get_raw_ip("wwan0", &value), -EBADMSG);
        make_file("wwan0/qmi/raw_ip", "");
        check_int(qmi_sysfs_get_raw_ip("wwan0", &value), -EBADMSG);
        end();
}

/* What the kernel says is what is returned. */
static void test_refused(void) {
        begin();
        check(unlink(NET_CLASS "/wwan0/qmi/raw_ip") >= 0);
        check(symlink("/dev/full", NET_CLASS "/wwan0/qmi/raw_ip") >= 0);
        check_int(qmi_sysfs_set_raw_ip("wwan0", true), -ENOSPC);
        end();
}

static void make_mux(const char *folder, const char *link, const char *id) {
        char path[128];

        make_folder(folder);
        snprintf(path, sizeof(path), NET_CLASS "/wwan0/%s", link);
        check(symlink("..", path) >= 0);
        if (!id)
                return;
        snprintf(path, sizeof(path), "%s/qmap", folder);
        make_folder(path);
        snprintf(path, sizeof(path), "%s/qmap/mux_id", folder);
        make_file(path, id);
}

static void test_muxes(void) {
        QmiSysfsMux *muxes;
        size_t n;

        begin();
        check_int(qmi_sysfs_add_mux("wwan0", 7), 0);
        check_file("wwan0/qmi/add_mux", "0x07");
        check_int(qmi_sysfs_del_mux("wwan0", 254), 0);
        check_file("wwan0/qmi/del_mux", "0xfe");

        make_mux("qmimux0", "upper_qmimux0", "0xfe\n");
        make_mux("first", "upper_first", "0x02\n"); /* udev gave it another name */
        make_mux("br0", "upper_br0", NULL);
        make_mux("qmimux3", "upper_qmimux3", NULL); /* an older kernel's */
        make_mux("odd", "upper_odd", "0x1ff\n");
        make_mux("none", "upper_none", "no number\n");
        check_int(qmi_sysfs_list_muxes("wwan0", &muxes, &n), 0);
        check_int(n, 3);
        check_int(muxes[0].id, 0);
        check_str(muxes[0].interface, "qmimux3");
        check_int(muxes[1].id, 2);
        check_str(muxes[1].interface, "first");
        check_int(muxes[2].id, 254);
        check_str(muxes[2].interface, "qmimux0");
        free(muxes);
        end();
}

int main(void) {
        net_bed_enter();
        test_no_such();
        test_switches();
        test_refused();
        test_muxes();
        return 0;
}
