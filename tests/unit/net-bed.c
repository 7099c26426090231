/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net-bed.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#define PATIENCE_USEC (20 * USEC_PER_SEC)

static void skip(const char *why) {
        fprintf(stderr, "skipped: %s: %s\n", why, strerror(errno));
        exit(NET_BED_SKIPPED);
}

/* In a user namespace of its own, who enters is root. */
static void become_root(uid_t uid, gid_t gid) {
        FILE *f;

        f = fopen("/proc/self/setgroups", "we");
        if (!f || fputs("deny", f) < 0 || fclose(f) < 0)
                skip("/proc/self/setgroups cannot be written");
        f = fopen("/proc/self/uid_map", "we");
        if (!f || fprintf(f, "0 %u 1", uid) < 0 || fclose(f) < 0)
                skip("/proc/self/uid_map cannot be written");
        f = fopen("/proc/self/gid_map", "we");
        if (!f || fprintf(f, "0 %u 1", gid) < 0 || fclose(f) < 0)
                skip("/proc/self/gid_map cannot be written");
}

void net_bed_enter(void) {
        uid_t uid = getuid();
        gid_t gid = getgid();

        if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) {
                if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0)
                        skip("there is no network namespace to be had");
                become_root(uid, gid);
        }
        if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
                skip("there is no mount namespace to be had");
}

static void on_changed(Net *n, int index, const char *name, void *userdata) {
        NetBed *b = userdata;

        check(n == b->net);
        b->changed = index;
        snprintf(b->name, sizeof(b->name), "%s", name);
        b->n_events++;
}

static void on_overrun(Net *n, void *userdata) {
        check(!"overrun");
}

void net_bed_begin(NetBed *b) {
        static const NetOps ops = { .on_changed = on_changed, .on_overrun = on_overrun };

        *b = (NetBed){};
        check(sd_event_new(&b->event) >= 0);
        check_int(net_new(&b->net, b->event, &ops, b), 0);
}

void net_bed_end(NetBed *b) {
        net_free(b->net);
        sd_event_unref(b->event);
}

void net_bed_wait(NetBed *b, int index) {
        b->changed = 0;
        while (b->changed != index)
                check(sd_event_run(b->event, PATIENCE_USEC) > 0);
}

void net_bed_settle(NetBed *b) {
        while (sd_event_run(b->event, 0) > 0)
                ;
}

int net_bed_add_interface(const char *name, bool ethernet) {
        struct ifreq request = { .ifr_flags = (short) ((ethernet ? IFF_TAP : IFF_TUN) | IFF_NO_PI) };
        int fd;

        fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                skip("/dev/net/tun");
        memcpy(request.ifr_name, name, strlen(name) + 1);
        if (ioctl(fd, TUNSETIFF, &request) < 0)
                skip("TUNSETIFF");
        return fd;
}

/* Lines of the kernel's tables that name the interface: those of routes, the kernel's own, too. */
static size_t read_table(const char *path, const char *name, unsigned skip_column, char *ret, size_t size) {
        char line[512], *save;
        size_t n = 0;
        FILE *f;

        f = fopen(path, "re");
        if (!f)
                return 0; /* there is no IPv6 */
        while (fgets(line, sizeof(line), f)) {
                unsigned column = 0;

                /* Those to its own addresses come when the kernel has seen that nobody else has them. */
                if (!strstr(line, name) || (strlen(line) > 34 && strncmp(line + 32, " 80", 3) == 0))
                        continue;
                for (char *s = strtok_r(line, " \t\n", &save); s; s = strtok_r(NULL, " \t\n", &save))
                        if (column++ < skip_column || streq(s, name))
                                n += (size_t) snprintf(ret + n, size - n, "%s ", s);
                n += (size_t) snprintf(ret + n, size - n, "\n");
                check(n < size);
        }
        fclose(f);
        return n;
}

void net_bed_get_state(NetBed *b, const char *name, char ret[static NET_BED_STATE_MAX]) {
        _cleanup_free_ NetAddress *list = NULL;
        char text[INET6_ADDRSTRLEN];
        size_t n, n_list;
        NetInterface i;

        check_int(net_get_interface(b->net, name, &i), 0);
        check_int(net_list_addresses(b->net, i.index, &list, &n_list), 0);
        n = (size_t) snprintf(ret, NET_BED_STATE_MAX, "up=%d mtu=%u gen-mode=%u\n", i.up, i.mtu, i.gen_mode);
        for (size_t k = 0; k < n_list; k++)
                n += (size_t) snprintf(ret + n, NET_BED_STATE_MAX - n, "%s/%u ours=%d kernel=%d\n",
                                       inet_ntop(list[k].family, list[k].address, text, sizeof(text)),
                                       list[k].prefix, list[k].ours, list[k].kernel);
        check(n < NET_BED_STATE_MAX);
        /* Without the columns that count: interface, destination, gateway, flags. */
        n += read_table("/proc/net/route", name, 4, ret + n, NET_BED_STATE_MAX - n);
        n += read_table("/proc/net/ipv6_route", name, 6, ret + n, NET_BED_STATE_MAX - n);
}
