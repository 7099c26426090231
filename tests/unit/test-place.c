/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "modem/place.h"
#include "unit.h"

static void test_names(void) {
        char name[] = "pci-0000:00:14.0-usb-0:3:1.4_04";
        char *from_uri;

        device_name_escape(name);
        check_str(name, "pci_0000_00_14_0_usb_0_3_1_4_04");
        check_int(device_name_from_uri("unix:/run/modem-1.sock", &from_uri), 0);
        check_str(from_uri, "unix_modem_1_sock");
        free(from_uri);
        check_int(device_name_from_uri("unix", &from_uri), -EINVAL);
        check_int(device_name_from_uri("unix:/run/", &from_uri), -EINVAL);
}

static void test_sync_policy(void) {
        check_int(sync_policy_from_string("auto"), SYNC_AUTO);
        check_int(sync_policy_from_string("never"), SYNC_NEVER);
        check_int(sync_policy_from_string("always"), SYNC_ALWAYS);
        check(sync_policy_from_string("") < 0);
        check(sync_policy_from_string("Auto") < 0);
}

static void check_equal(const DevicePlace *a, const DevicePlace *b) {
        check_str(a->name, b->name);
        check_str(a->uri, b->uri);
        check_str(a->driver, b->driver);
        check_str(a->id_path, b->id_path);
        check_str(a->physical_device, b->physical_device);
        check(strv_equal(a->interfaces, (const char *const *) b->interfaces));
        check_int(a->vendor, b->vendor);
        check_int(a->product, b->product);
        check_int(a->interface_number, b->interface_number);
        check_int(a->has_link_mode, b->has_link_mode);
        check_int(a->link_mode, b->link_mode);
        check_int(a->window, b->window);
        check_int(a->sync, b->sync);
        check_int(a->usb_reset, b->usb_reset);
}

static void test_saved_and_restored(void) {
        DevicePlace place = {
                .name = (char[]){ "usb_1_04" },
                .uri = (char[]){ "cdc-wdm:/dev/cdc-wdm0" },
                .driver = (char[]){ "qmi_wwan" },
                .id_path = (char[]){ "" },
                .physical_device = (char[]){ "/sys/devices/usb1/1-1" },
                .interfaces = (char *[]){ (char[]){ "wwan0" }, (char[]){ "wwan1" }, NULL },
                .vendor = 0x1199,
                .product = 0x9071,
                .interface_number = 8,
                .window = 3,
                .sync = SYNC_NEVER,
                .usb_reset = true,
                .has_link_mode = true,
                .link_mode = LINK_QMAP,
        };
        _cleanup_packer_ Packer p = PACKER_INIT;
        DevicePlace restored;
        Unpacker u;

        device_place_save(&place, &p);
        check_int(p.error, 0);
        unpacker_init(&u, p.data, p.size);
        check_int(device_place_restore(&restored, &u), 0);
        check_int(unpack_end(&u), 0);
        check_equal(&restored, &place);
        device_place_done(&restored);

        for (size_t size = 0; size < p.size; size++) {
                unpacker_init(&u, p.data, size);
                check_int(device_place_restore(&restored, &u), -EBADMSG);
        }

        packer_done(&p);
        place.sync = (SyncPolicy) 7;
        device_place_save(&place, &p);
        unpacker_init(&u, p.data, p.size);
        check_int(device_place_restore(&restored, &u), -EBADMSG);

        packer_done(&p);
        place.sync = SYNC_NEVER;
        place.link_mode = (LinkMode) 7;
        device_place_save(&place, &p);
        unpacker_init(&u, p.data, p.size);
        check_int(device_place_restore(&restored, &u), -EBADMSG);
}

/* In a network namespace of its own it may be down. */
static bool is_up(const char *name) {
        struct ifreq request = {};
        int fd;

        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        check(fd >= 0);
        memcpy(request.ifr_name, name, strlen(name) + 1);
        check(ioctl(fd, SIOCGIFFLAGS, &request) >= 0);
        close(fd);
        return request.ifr_flags & IFF_UP;
}

static void test_interfaces(void) {
        DevicePlace place = { .interfaces = (char *[]){ NULL } };

        check(!device_place_has_interface_up(&place));
        place.interfaces = (char *[]){ (char[]){ "no-such-one" }, NULL };
        check(!device_place_has_interface_up(&place));
        place.interfaces = (char *[]){ (char[]){ "no-such-one" }, (char[]){ "lo" }, NULL };
        check_int(device_place_has_interface_up(&place), is_up("lo"));
}

int main(void) {
        test_names();
        test_sync_policy();
        test_saved_and_restored();
        test_interfaces();
        return 0;
}
