/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "modem-side.h"
#include "modem/device.h"
#include "net-bed.h"
#include "net/qmi-sysfs.h"
#include "notation.h"
#include "qmi/codec.h"

/* A link between a modem in the same process and a network interface in a namespace of the test's own, with
 * files in place of the driver's. Muxes take the real driver. */

#define NAME          "wwan0"
#define NET_CLASS     "/sys/class/net"
#define SERVICE_WDA   0x1A
#define SET_FORMAT    0x0020
#define GET_SUPPORTED 0x001E
#define CTL_FORMAT    0x0026

typedef struct Bench {
        NetBed net;
        int interface;
        ModemSide side;
        Device *device;
        Link *link;

        /* the modem */
        bool has_wda, knows_endpoints, can_raw_ip, can_qmap, hangs_up, holds;
        const char *refusal; /* of what would set its format; NULL: none */
        const char *protocol, *aggregation;
        uint32_t size;
        unsigned n_asked, n_set;
        uint8_t held[256]; /* that it has not answered yet */
        size_t n_held;

        /* the result that came last */
        unsigned n_results;
        int error;
        LinkStep step;
        char text[LINK_TEXT_MAX], name[IF_NAMESIZE];
        unsigned n_changes;
} Bench;

/* ---- the driver's files */

static void write_file(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        check(fd >= 0);
        check(write(fd, text, strlen(text)) == (ssize_t) strlen(text));
        close(fd);
}

static void make_driver(void) {
        check(mount("net", NET_CLASS, "tmpfs", 0, NULL) >= 0);
        check(mkdir(NET_CLASS "/" NAME, 0755) >= 0);
        check(mkdir(NET_CLASS "/" NAME "/qmi", 0755) >= 0);
        write_file(NET_CLASS "/" NAME "/qmi/raw_ip", "N\n");
        write_file(NET_CLASS "/" NAME "/qmi/pass_through", "N\n");
}

static bool is_raw_ip(void) {
        bool raw_ip;

        check_int(qmi_sysfs_get_raw_ip(NAME, &raw_ip), 0);
        return raw_ip;
}

/* ---- the modem */

static void answer(Bench *b, const QmiMessage *request, const char *error, const Value *dict) {
        const SchemaMessage *schema =
                schema_message_by_id(schema_service_by_id(request->service, 0), false, request->id, 0);
        uint8_t result[4] = {};
        QmiMessage m = *request;
        CodecError codec_error = {};
        TlvWriter w = {};
        uint32_t number;

        if (error) {
                check_int(schema_enum_value(schema_error_enum, error, &number), 0);
                result[0] = 1;
                write_le16(result + 2, (uint16_t) number);
        }
        check(tlv_put(&w, TLV_RESULT, result, sizeof(result)) >= 0);
        if (dict && message_encode(schema, QMI_RESPONSE, 0, dict, &w, &codec_error) < 0)
                check_str(codec_error.text, "");
        m.type = QMI_RESPONSE;
        m.tlvs = w.bytes;
        m.n_tlvs = w.n_bytes;
        modem_side_tell(&b->side, &m);
        tlv_writer_done(&w);
}

static void answer_text(Bench *b, const QmiMessage *request, const char *dict) {
        Arena a;
        Value v;

        arena_init(&a);
        v = value_from_text(dict, &a);
        answer(b, request, NULL, &v);
        arena_done(&a);
}

static const char *symbol_of(const Value *dict, const char *key) {
        const Value *v = value_dict_get(dict, key);

        return v ? v->string : "";
}

/* Of what is asked for, what it can. */
static void modem_set(Bench *b, const Value *dict) {
        const Value *size = value_dict_get(dict, "downlink_max_size");
        bool raw_ip = b->can_raw_ip && streq(symbol_of(dict, "link_layer_protocol"), "raw_ip");

        b->n_set++;
        b->protocol = raw_ip ? "raw_ip" : "802_3";
        b->aggregation = raw_ip && b->can_qmap && streq(symbol_of(dict, "downlink_aggregation"), "qmap")
                                 ? "qmap"
                                 : "disabled";
        b->size = streq(b->aggregation, "qmap") && size ? MIN((uint32_t) size->u64, 8192U) : 0;
}

static void answer_wda(Bench *b, const QmiMessage *m) {
        const SchemaMessage *schema =
                schema_message_by_id(schema_service_by_id(SERVICE_WDA, 0), false, m->id, 0);
        char text[256];
        Value dict;
        Arena a;

        if (m->id == GET_SUPPORTED) { /* whether the client is still known */
                answer(b, m, "not_supported", NULL);
                return;
        }
        b->n_asked++;
        arena_init(&a);
        check_int(message_decode(schema, QMI_REQUEST, 0, m->tlvs, m->n_tlvs, &a, &dict), 0);
        if (!b->knows_endpoints && value_dict_get(&dict, "endpoint"))
                answer(b, m, "malformed_message", NULL);
        else if (m->id == SET_FORMAT && b->refusal)
                answer(b, m, b->refusal, NULL);
        else {
                if (m->id == SET_FORMAT)
                        modem_set(b, &dict);
                snprintf(text, sizeof(text),
                         "{link_layer_protocol: '%s', uplink_aggregation: '%s', downlink_aggregation: "
                         "'%s', downlink_max_size: u%u, downlink_max_datagrams: u0}",
                         b->protocol, b->aggregation, b->aggregation, b->size);
                answer_text(b, m, text);
        }
        arena_done(&a);
}

static void answer_ctl(Bench *b, const QmiMessage *m) {
        Tlv t;

        switch (m->id) {
        case 0x0021:
                answer_text(b, m,
                            b->has_wda ? "{services: [a{sv}: {service: 'ctl', major: q1, minor: q5}, "
                                         "{service: 'wda', major: q1, minor: q16}]}"
                                       : "{services: [a{sv}: {service: 'ctl', major: q1, minor: q5}, "
                                         "{service: 'nas', major: q1, minor: q16}]}");
                break;
        case 0x0022:
                answer_text(b, m, "{client: {service: 'wda', client_id: y1}}");
                break;
        case CTL_FORMAT:
                if (b->refusal) {
                        answer(b, m, b->refusal, NULL);
                        break;
                }
                b->n_set++;
                check_int(tlv_find(m->tlvs, m->n_tlvs, 0x10, &t), 1);
                b->protocol = b->can_raw_ip && t.bytes[0] == 2 ? "raw_ip" : "802_3";
                answer_text(b, m,
                            streq(b->protocol, "raw_ip") ? "{protocol: 'raw_ip'}" : "{protocol: '802_3'}");
                break;
        default:
                answer(b, m, NULL, NULL);
        }
}

static void hang_up(Bench *b) {
        modem_side_close(&b->side);
        modem_side_hang_up(&b->side);
}

static void on_frame(const uint8_t *frame, size_t n_frame, const QmiMessage *m, void *userdata) {
        Bench *b = userdata;

        if (m->service == QMI_SERVICE_CTL)
                answer_ctl(b, m);
        else if (b->hangs_up)
                hang_up(b);
        else if (!b->holds)
                answer_wda(b, m);
        else {
                check(n_frame <= sizeof(b->held));
                memcpy(b->held, frame, n_frame);
                b->n_held = n_frame;
        }
}

/* ---- the device */

static void on_changed(Device *d, unsigned changes, void *userdata) {
        Bench *b = userdata;

        b->n_changes += (changes & DEVICE_CHANGE_LINK) != 0;
}

static void on_save(Device *d, void *userdata) {
}

static bool on_exhausted(Device *d, uint16_t service, void *userdata) {
        return false;
}

static bool has_rival(Device *d, void *userdata) {
        return true; /* so that there is no Sync */
}

static const DeviceOps device_ops = {
        .on_changed = on_changed, .on_save = on_save, .on_exhausted = on_exhausted, .has_rival = has_rival
};

static void bench_init(Bench *b) {
        *b = (Bench){ .has_wda = true,
                      .knows_endpoints = true,
                      .can_raw_ip = true,
                      .can_qmap = true,
                      .protocol = "raw_ip",
                      .aggregation = "disabled" };
        net_bed_begin(&b->net);
        make_driver();
        b->interface = net_bed_add_interface(NAME, true);
        modem_side_init(&b->side, b->net.event, on_frame, b);
        modem_side_listen(&b->side);
}

#define RUN_UNTIL(b, condition)                                                     \
        do {                                                                        \
                while (!(condition))                                                \
                        check(sd_event_run((b)->net.event, 20 * USEC_PER_SEC) > 0); \
        } while (false)

/* Plugged in, and ready; what was asked by itself has been answered. */
static void bench_plug(Bench *b) {
        char name[] = "modem", empty[] = "", driver[] = "qmi_wwan", interface[] = NAME;
        DevicePlace place = { .name = name,
                              .uri = b->side.uri,
                              .interfaces = (char *[]){ interface, NULL },
                              .id_path = empty,
                              .physical_device = empty,
                              .driver = driver,
                              .interface_number = 4 };

        check_int(device_new(&b->device, b->net.event, &place, b->net.net, &device_ops, b), 0);
        b->link = device_get_link(b->device);
        check(b->link);
        check(device_open(b->device) >= 0);
        RUN_UNTIL(b, mux_get_state(device_get_mux(b->device)) == MUX_READY);
        RUN_UNTIL(b, !b->has_wda || b->n_asked > 0);
        net_bed_settle(&b->net);
}

static void bench_begin(Bench *b) {
        bench_init(b);
        bench_plug(b);
}

static void bench_end(Bench *b) {
        device_free(b->device);
        modem_side_done(&b->side);
        close(b->interface);
        check(umount(NET_CLASS) >= 0);
        net_bed_end(&b->net);
}

static LinkStatus status_of(Bench *b) {
        LinkStatus s;

        link_get_status(b->link, &s);
        return s;
}

static NetInterface interface_of(Bench *b) {
        NetInterface i;

        check_int(net_get_interface(b->net.net, NAME, &i), 0);
        return i;
}

static void set_up_interface(Bench *b) {
        check_int(net_set_up(b->net.net, interface_of(b).index, true), 0);
        net_bed_wait(&b->net, interface_of(b).index);
        link_on_interface(b->link, NAME); /* as the manager does then */
        net_bed_settle(&b->net);
}

static void on_done(Link *l, const LinkResult *result, void *userdata) {
        Bench *b = userdata;

        b->n_results++;
        b->error = result->error;
        b->step = result->step;
        snprintf(b->text, sizeof(b->text), "%s", result->text);
        snprintf(b->name, sizeof(b->name), "%s", result->interface ?: "");
        check((result->error < 0) == (*result->text != '\0'));
        check(result->error < 0 || (result->endpoint.type == 2 && result->endpoint.interface == 4));
}

static void wait_result(Bench *b) {
        b->n_results = 0;
        RUN_UNTIL(b, b->n_results > 0);
        net_bed_settle(&b->net);
        check_int(b->n_results, 1);
}

static int set_up(Bench *b, LinkMode mode) {
        LinkUse *u;

        check_int(link_set_up(b->link, mode, on_done, b, &u), 0);
        wait_result(b);
        link_use_free(u);
        net_bed_settle(&b->net);
        return b->error;
}

static int use(Bench *b, LinkMode mode, uint8_t mux, LinkUse **ret) {
        check_int(link_use(b->link, mode, mux, on_done, b, ret), 0);
        wait_result(b);
        return b->error;
}

/* ---- the tests */

static void test_nothing_is_set_at_plug(void) {
        Bench b;

        bench_begin(&b);
        check_int(b.n_asked, 1);
        check_int(b.n_set, 0);
        check(!is_raw_ip());
        check_int(status_of(&b).modem.mode, LINK_RAW_IP);
        check_int(status_of(&b).host.mode, LINK_802_3);
        check_int(status_of(&b).agreed, LINK_OFF);
        check_str(status_of(&b).manager, "nobody");
        check_str(status_of(&b).problem, "");
        check_int(link_get_max_sessions(b.link), 1);

        /* An event of the kernel, and it is a problem. */
        set_up_interface(&b);
        check(status_of(&b).up);
        check(strstr(status_of(&b).problem, "every packet is lost"));
        bench_end(&b);
}

static void test_each_mode(void) {
        Bench b;

        bench_begin(&b);
        check_int(set_up(&b, LINK_AUTO), 0);
        check(is_raw_ip());
        check_int(b.n_set, 0); /* the modem was right */
        check_str(b.name, NAME);
        check_int(status_of(&b).agreed, LINK_RAW_IP);
        check_str(status_of(&b).manager, "qmid");

        check_int(set_up(&b, LINK_802_3), 0);
        check(!is_raw_ip());
        check_str(b.protocol, "802_3");
        check(!link_mac_is_unlucky(interface_of(&b).mac[0]));

        check_int(set_up(&b, LINK_QMAP), 0);
        check(is_raw_ip());
        check_str(b.aggregation, "qmap");
        check_int(b.size, 8192);
        check_int(interface_of(&b).mtu, 8192);
        check(!interface_of(&b).has_ipv6 || interface_of(&b).gen_mode == NET_GEN_MODE_NONE);
        check_int(status_of(&b).agreed, LINK_QMAP);
        check_str(status_of(&b).problem, "");

        check_int(set_up(&b, LINK_RAW_IP), 0);
        check_str(b.aggregation, "disabled");
        check_int(interface_of(&b).mtu, 1500);
        check(!interface_of(&b).has_ipv6 || interface_of(&b).gen_mode != NET_GEN_MODE_NONE);
        check(!interface_of(&b).up);
        bench_end(&b);
}

static void test_what_modem_and_driver_cannot(void) {
        Bench b;

        bench_init(&b);
        b.can_raw_ip = b.can_qmap = false;
        b.protocol = "802_3";
        bench_plug(&b);
        check_int(set_up(&b, LINK_AUTO), 0);
        check_int(status_of(&b).agreed, LINK_802_3);
        check(!is_raw_ip());
        check_int(set_up(&b, LINK_RAW_IP), -EOPNOTSUPP);
        check_int(b.step, LINK_STEP_READ_BACK);
        check(strstr(b.text, "reading back what was set: the modem was told raw-ip, and says 802.3"));
        check_int(set_up(&b, LINK_QMAP), -EOPNOTSUPP);
        check(!is_raw_ip());

        /* Of another driver, without such files. */
        check(unlink(NET_CLASS "/" NAME "/qmi/raw_ip") >= 0);
        check(unlink(NET_CLASS "/" NAME "/qmi/pass_through") >= 0);
        check(rmdir(NET_CLASS "/" NAME "/qmi") >= 0);
        check_int(set_up(&b, LINK_AUTO), 0);
        check_int(set_up(&b, LINK_RAW_IP), -EOPNOTSUPP);
        check_int(b.step, LINK_STEP_CHOOSE);
        bench_end(&b);
}

static void test_a_modem_that_knows_no_endpoints(void) {
        unsigned n;
        Bench b;

        bench_init(&b);
        b.knows_endpoints = false;
        bench_plug(&b);
        check_int(b.n_asked, 2); /* with, and without */
        check_int(status_of(&b).modem.mode, LINK_RAW_IP);
        n = b.n_asked;
        check_int(set_up(&b, LINK_802_3), 0);
        check_int(b.n_asked, n + 3); /* get, set, get: it is not asked with one again */
        check_int(status_of(&b).modem.mode, LINK_802_3);
        bench_end(&b);
}

static void test_a_modem_without_wda(void) {
        Bench b;

        bench_init(&b);
        b.has_wda = false;
        bench_plug(&b);
        check_int(status_of(&b).modem.mode, LINK_OFF);
        check_int(set_up(&b, LINK_QMAP), -EOPNOTSUPP);
        check_int(b.step, LINK_STEP_SET_MODEM);
        check_int(set_up(&b, LINK_AUTO), 0);
        check(is_raw_ip() && b.n_set == 1);
        check_int(status_of(&b).modem.mode, LINK_RAW_IP);
        b.can_raw_ip = false;
        check_int(set_up(&b, LINK_802_3), 0);
        check_int(set_up(&b, LINK_RAW_IP), -EOPNOTSUPP);
        check_int(set_up(&b, LINK_AUTO), 0);
        check(!is_raw_ip());

        /* One that does not know that message of CTL either has nothing but 802.3. */
        b.refusal = "not_supported";
        check_int(set_up(&b, LINK_RAW_IP), -EOPNOTSUPP);
        check_int(b.step, LINK_STEP_SET_MODEM);
        check_int(set_up(&b, LINK_AUTO), 0);
        check_int(status_of(&b).agreed, LINK_802_3);
        bench_end(&b);
}

static void test_an_interface_that_is_up(void) {
        LinkUse *u;
        Bench b;

        bench_begin(&b);
        set_up_interface(&b);
        check_int(set_up(&b, LINK_RAW_IP), 0);
        check(interface_of(&b).up);

        /* What fails leaves it as it was. */
        b.refusal = "invalid_operation";
        check_int(set_up(&b, LINK_802_3), -EOPNOTSUPP);
        check_int(b.step, LINK_STEP_SET_MODEM);
        check(strstr(b.text, "setting the modem's format: the modem refuses: invalid_operation"));
        check(interface_of(&b).up && is_raw_ip());
        check_int(status_of(&b).modem.mode, LINK_RAW_IP); /* it was asked again */
        check_int(status_of(&b).agreed, LINK_RAW_IP);
        check_str(status_of(&b).problem, "");

        /* A session that could not begin is a problem, until one can. */
        check_int(use(&b, LINK_802_3, 0, &u), -EOPNOTSUPP);
        link_use_free(u);
        check(strstr(status_of(&b).problem, "setting the modem's format: "));
        b.refusal = NULL;
        check_int(use(&b, LINK_802_3, 0, &u), 0);
        check_str(status_of(&b).problem, "");
        link_use_free(u);
        bench_end(&b);
}

static void add_address_of_somebody(void) {
        struct ifreq request = { .ifr_name = NAME };
        struct sockaddr_in address = { .sin_family = AF_INET };
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        check(fd >= 0);
        address.sin_addr.s_addr = htonl(0xC6336401); /* 198.51.100.1 */
        memcpy(&request.ifr_addr, &address, sizeof(address));
        check(ioctl(fd, SIOCSIFADDR, &request) >= 0);
        close(fd);
}

static void test_somebodys_address(void) {
        Bench b;

        bench_begin(&b);
        add_address_of_somebody();
        set_up_interface(&b);
        check_str(status_of(&b).manager, "other");
        check_int(set_up(&b, LINK_RAW_IP), -EBUSY);
        check_int(b.step, LINK_STEP_DOWN);
        check(strstr(b.text, "198.51.100.1/"));
        check(interface_of(&b).up && !is_raw_ip() && b.n_set == 0);
        /* On an interface that is down it is in nobody's way. */
        check_int(net_set_up(b.net.net, interface_of(&b).index, false), 0);
        check_int(set_up(&b, LINK_RAW_IP), 0);
        bench_end(&b);
}

static void test_a_forgotten_mux(void) {
        Bench b;
        int fd;

        bench_begin(&b);
        check_int(set_up(&b, LINK_RAW_IP), 0);
        check(mkdir(NET_CLASS "/" NAME "/upper_qmimux0", 0755) >= 0);
        check(mkdir(NET_CLASS "/qmimux0", 0755) >= 0);
        check(mkdir(NET_CLASS "/qmimux0/qmap", 0755) >= 0);
        write_file(NET_CLASS "/qmimux0/qmap/mux_id", "0x03\n");
        fd = net_bed_add_interface("qmimux0", false);
        link_on_interface(b.link, "qmimux0");
        check_int(status_of(&b).n_muxes, 1);
        check_int(status_of(&b).muxes[0].id, 3);
        check_str(status_of(&b).manager, "other");
        check(strstr(status_of(&b).problem, "mux 3 (qmimux0)"));
        net_bed_settle(&b.net);
        check_int(set_up(&b, LINK_802_3), -EBUSY);
        check(strstr(b.text, "echo 3 > /sys/class/net/wwan0/qmi/del_mux"));
        check(is_raw_ip() && b.n_set == 0);

        check(rmdir(NET_CLASS "/" NAME "/upper_qmimux0") >= 0);
        close(fd);
        link_on_interface(b.link, "qmimux0");
        check_int(status_of(&b).n_muxes, 0);
        check_str(status_of(&b).problem, "");
        bench_end(&b);
}

static void test_uses(void) {
        LinkUse *one, *two, *three;
        Bench b;

        bench_begin(&b);
        /* Several at once wait for each other, and without muxes there is room for one. */
        check_int(link_use(b.link, LINK_AUTO, 0, on_done, &b, &one), 0);
        check_int(link_use(b.link, LINK_AUTO, 0, on_done, &b, &two), 0);
        check_str(link_use_get_interface(one), "");
        RUN_UNTIL(&b, b.n_results == 1);
        check_int(b.error, 0);
        RUN_UNTIL(&b, b.n_results == 2);
        check_int(b.error, -ENOBUFS);
        check_int(b.step, LINK_STEP_CHOOSE);
        check_str(link_use_get_interface(one), NAME);
        check_str(link_use_get_interface(two), "");
        check_int(link_use_get_mux(one), 0);

        /* What one is held on is not changed. */
        check_int(use(&b, LINK_802_3, 0, &three), -EBUSY);
        check_int(b.step, LINK_STEP_CHOOSE);
        link_use_free(three);
        check_int(use(&b, LINK_AUTO, 1, &three), -EBUSY);
        link_use_free(three);
        check_int(set_up(&b, LINK_QMAP), -EBUSY);
        check_int(b.n_set, 0);
        check_str(status_of(&b).problem, ""); /* all is well for those that are held */
        check_int(set_up(&b, LINK_802_3), -EBUSY);
        link_use_free(one);
        check_int(set_up(&b, LINK_802_3), 0);
        link_use_free(two);

        check_int(use(&b, LINK_RAW_IP, 7, &three), -EINVAL);
        link_use_free(three);
        check_int(link_use(b.link, LINK_AUTO, 255, on_done, &b, &three), -EINVAL);
        bench_end(&b);
}

static void test_off(void) {
        LinkUse *u;
        Bench b;

        bench_begin(&b);
        check_int(use(&b, LINK_OFF, 0, &u), 0);
        check_str(b.name, NAME);
        check(!is_raw_ip() && b.n_set == 0 && b.n_asked == 1);
        check_int(set_up(&b, LINK_RAW_IP), 0); /* it holds nothing */
        link_use_free(u);
        check_int(use(&b, LINK_OFF, 5, &u), -ENODEV);
        link_use_free(u);
        bench_end(&b);
}

static void test_what_is_called_off(void) {
        LinkUse *one, *two;
        QmiMessage held;
        Bench b;

        bench_begin(&b);
        set_up_interface(&b);
        net_bed_settle(&b.net);
        b.holds = true;
        check_int(link_use(b.link, LINK_802_3, 0, on_done, &b, &one), 0);
        check_int(link_use(b.link, LINK_RAW_IP, 0, on_done, &b, &two), 0);
        RUN_UNTIL(&b, b.n_held > 0);
        b.holds = false;
        link_use_free(one);
        check_int(frame_parse(b.held, b.n_held, &held), 0);
        answer_wda(&b, &held);
        RUN_UNTIL(&b, b.n_results == 1); /* the other's turn has come */
        check_int(b.error, 0);
        check_int(status_of(&b).agreed, LINK_RAW_IP);
        check(interface_of(&b).up);
        link_use_free(two);
        net_bed_settle(&b.net);
        check_int(b.n_results, 1);
        bench_end(&b);
}

static void test_the_port_goes(void) {
        Bench b;

        bench_begin(&b);
        b.hangs_up = true;
        check_int(set_up(&b, LINK_802_3), -ENODEV);
        check_int(b.step, LINK_STEP_READ_MODEM);
        check_int(status_of(&b).modem.mode, LINK_OFF);
        check_int(set_up(&b, LINK_802_3), -ENODEV);
        bench_end(&b);
}

static void test_what_is_wanted(void) {
        Bench b;

        bench_begin(&b);
        check_int(link_get_mode(b.link), LINK_AUTO);
        check_int(link_set_mode(b.link, LINK_QMAP), _LINK_MODE_INVALID);
        check_int(link_get_max_sessions(b.link), LINK_MUX_MAX);
        check_int(set_up(&b, LINK_AUTO), 0);
        check_int(status_of(&b).agreed, LINK_QMAP);
        /* The modem starts anew: what was asked for by name is set again. */
        b.aggregation = "disabled";
        b.size = 0;
        b.n_set = 0;
        modem_side_tell(&b.side,
                        &(QmiMessage){ .service = QMI_SERVICE_CTL, .type = QMI_INDICATION, .id = 0x0027 });
        RUN_UNTIL(&b, b.n_set == 1 && status_of(&b).agreed == LINK_QMAP &&
                              status_of(&b).modem.mode == LINK_QMAP);
        check_int(link_set_mode(b.link, _LINK_MODE_INVALID), LINK_QMAP);
        check_int(link_get_mode(b.link), LINK_AUTO);
        bench_end(&b);
}

static void test_a_restart(void) {
        _cleanup_packer_ Packer p = PACKER_INIT;
        LinkUse *u, *restored;
        Unpacker unpacker;
        Bench b;

        bench_begin(&b);
        check_int(use(&b, LINK_AUTO, 0, &u), 0);
        b.n_asked = 0;
        link_use_save(u, &p);
        check_int(p.error, 0);
        link_use_detach(u);
        check_int(set_up(&b, LINK_RAW_IP), 0); /* nobody holds it */
        b.n_asked = 0;
        for (size_t size = 0; size < p.size; size++) {
                unpacker_init(&unpacker, p.data, size);
                check_int(link_use_restore(b.link, &unpacker, &restored), -EBADMSG);
        }
        unpacker_init(&unpacker, p.data, p.size);
        check_int(link_use_restore(b.link, &unpacker, &restored), 0);
        check_int(unpack_end(&unpacker), 0);
        check_str(link_use_get_interface(restored), NAME);
        net_bed_settle(&b.net);
        check_int(b.n_asked, 0);
        check_int(set_up(&b, LINK_802_3), -EBUSY);
        link_use_free(restored);

        /* What the link knows itself. */
        packer_done(&p);
        link_save(b.link, &p);
        for (size_t size = 0; size < p.size; size++) {
                unpacker_init(&unpacker, p.data, size);
                check_int(link_restore(b.link, &unpacker), -EBADMSG);
        }
        unpacker_init(&unpacker, p.data, p.size);
        check_int(link_restore(b.link, &unpacker), 0);
        check_int(unpack_end(&unpacker), 0);
        check_int(status_of(&b).agreed, LINK_RAW_IP);
        bench_end(&b);
}

static void test_names_that_are_none(void) {
        static const char *const names[] = { "", ".", "..", "a/b", "sixteen-and-more", "qmimux0/../x" };
        LinkUse *u;
        Bench b;

        bench_begin(&b);
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_packer_ Packer p = PACKER_INIT;
                Unpacker unpacker;

                pack_u8(&p, LINK_AUTO);
                pack_u8(&p, 3);
                pack_string(&p, names[i]);
                unpacker_init(&unpacker, p.data, p.size);
                check_int(link_use_restore(b.link, &unpacker, &u), -EBADMSG);
        }
        bench_end(&b);
}

int main(void) {
        net_bed_enter();
        test_nothing_is_set_at_plug();
        test_each_mode();
        test_what_modem_and_driver_cannot();
        test_a_modem_that_knows_no_endpoints();
        test_a_modem_without_wda();
        test_an_interface_that_is_up();
        test_somebodys_address();
        test_a_forgotten_mux();
        test_uses();
        test_off();
        test_what_is_called_off();
        test_the_port_goes();
        test_what_is_wanted();
        test_a_restart();
        test_names_that_are_none();
        return 0;
}
