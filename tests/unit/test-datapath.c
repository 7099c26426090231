/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>

#include "datapath.h"
#include "qmap.h"
#include "unit.h"

/* ---- QMAP ---- */

static void test_qmap_next(void) {
        static const uint8_t transfer[] = {
                0x00, 0x01, 0x00, 0x04, /* no padding, mux 1, 4 bytes */
                'a',  'b',  'c',  'd',  /* */
                0x03, 0x81, 0x00, 0x04, /* 3 bytes of padding, mux 0x81, 4 bytes */
                'e',  0,    0,    0,    /* */
                0x80, 0x02, 0x00, 0x01, /* a command */
                'f',
        };
        size_t position = 0;
        QmapDatagram d;

        check_int(qmap_count(transfer, sizeof(transfer)), 3);
        check_int(qmap_next(transfer, sizeof(transfer), &position, &d), 1);
        check_int(d.mux, 1);
        check(!d.is_command);
        check_bytes(d.payload, d.n_payload, "abcd", 4);
        check_int(qmap_next(transfer, sizeof(transfer), &position, &d), 1);
        check_int(d.mux, 0x81);
        check_bytes(d.payload, d.n_payload, "e", 1);
        check_int(qmap_next(transfer, sizeof(transfer), &position, &d), 1);
        check(d.is_command);
        check_int(qmap_next(transfer, sizeof(transfer), &position, &d), 0);
        check_int(qmap_count(transfer, 0), 0);
}

static void test_qmap_senseless(void) {
        static const struct {
                const char *bytes;
                size_t n;
        } cases[] = {
                { "\0\1\0", 3 },                        /* no whole header */
                { "\0\1\0\0", 4 },                      /* nothing in it */
                { "\0\1\0\2a", 5 },                     /* longer than the transfer */
                { "\4\1\0\4abcd", 8 },                  /* nothing but padding */
                { "\100\1\0\1a", 5 },                   /* a bit that is reserved */
                { "\0\1\0\1ab", 6 },                    /* something behind it */
                { "\105\0\0\24\0\0\0\0\100\1", 10 },    /* IPv4 */
                { "\140\0\0\0\0\10\72\377\376\1", 10 }, /* IPv6 */
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_int(qmap_count((const uint8_t *) cases[i].bytes, cases[i].n), -EBADMSG);
}

static void test_qmap_put(void) {
        uint8_t bytes[16];

        check_int(qmap_put(7, (const uint8_t *) "abcde", 5, bytes, sizeof(bytes)), 12);
        check_bytes(bytes, 12, "\3\7\0\10abcde\0\0\0", 12);
        check_int(qmap_size(5), 12);
        check_int(qmap_size(4), 8);
        check_int(qmap_put(7, (const uint8_t *) "abcde", 5, bytes, 11), -EMSGSIZE);
        check_int(qmap_put(7, (const uint8_t *) "", 0, bytes, sizeof(bytes)), -EMSGSIZE);
        check_int(qmap_put(7, bytes, 0xFFFD, bytes, SIZE_MAX), -EMSGSIZE);
}

/* ---- the whole ---- */

static uint64_t events[_DATAPATH_EVENT_MAX];
static unsigned n_to_lose;
static Datapath path;
static uint8_t transfer[DATAPATH_TRANSFER_MAX];

static void count(DatapathEvent event, void *userdata) {
        events[event]++;
}

static bool lose(void *userdata) {
        return n_to_lose > 0 && n_to_lose-- > 0;
}

static void begin(const char *state) {
        static const DatapathOps ops = { .counts = count, .loses = lose };

        datapath_clear(&path);
        datapath_init(&path, &ops, NULL);
        memset(events, 0, sizeof(events));
        check_int(datapath_set(&path, state), 0);
}

static void end(void) {
        datapath_clear(&path);
}

#define PING_SIZE 29U

/* From 192.0.2.42 + `offset` to 192.0.2.1, with one byte; the checksums are not looked at. */
static size_t make_ping(uint8_t *to, uint8_t offset) {
        static const uint8_t ping[PING_SIZE] = {
                0x45, 0, 0, PING_SIZE, 0, 1, 0, 0, 64, 1, 0, 0, /* 20 bytes of header; ICMP */
                192,  0, 2, 42,                                 /* source */
                192,  0, 2, 1,                                  /* destination */
                8,    0, 0, 0,         0, 9, 0, 1,              /* echo request, id 9, the first */
                'x',
        };

        memcpy(to, ping, sizeof(ping));
        to[15] = (uint8_t) (to[15] + offset);
        return sizeof(ping);
}

#define PING6_SIZE 49U

static size_t make_ping6(uint8_t *to, const char *source, uint8_t type) {
        static const uint8_t header[] = { 0x60, 0, 0, 0, 0, PING6_SIZE - 40, 58, 64 };

        memset(to, 0, PING6_SIZE);
        memcpy(to, header, sizeof(header));
        check(inet_pton(AF_INET6, source, to + 8) > 0);
        check(inet_pton(AF_INET6, "2001:db8::1", to + 24) > 0);
        to[40] = type;
        to[48] = 'x';
        return PING6_SIZE;
}

static size_t make_frame(uint8_t *to, uint16_t type, const uint8_t *payload, size_t n_payload) {
        static const uint8_t addresses[12] = { 2, 0x50, 0xf4, 0, 0, 1, 2, 0, 0, 0, 0, 9 };

        memcpy(to, addresses, sizeof(addresses));
        to[12] = (uint8_t) (type >> 8);
        to[13] = (uint8_t) type;
        memcpy(to + 14, payload, n_payload);
        return 14 + n_payload;
}

/* RFC 1071: over what is right the sum is all ones. */
static uint16_t sum(const uint8_t *p, size_t n, uint32_t s) {
        for (size_t i = 0; i < n; i++)
                s += (uint32_t) (i % 2 == 0 ? p[i] << 8 : p[i]);
        while (s >> 16 != 0)
                s = (s & 0xFFFF) + (s >> 16);
        return (uint16_t) s;
}

static void check_pong(const uint8_t *p, size_t n) {
        check_int(n, PING_SIZE);
        check_bytes(p + 12, 8, "\300\0\2\1\300\0\2\52", 8);
        check_int(p[20], 0);
        check_int(p[28], 'x');
        check_int(sum(p, 20, 0), 0xFFFF);
        check_int(sum(p + 20, n - 20, 0), 0xFFFF);
}

static void check_pong6(const uint8_t *p, size_t n, uint8_t type) {
        check_int(p[40], type);
        check_int(n, 40U + (unsigned) (p[4] << 8 | p[5]));
        check_int(sum(p + 40, n - 40, (uint32_t) sum(p + 8, 32, 0) + (uint32_t) (n - 40) + 58), 0xFFFF);
}

static void check_gate(uint8_t mux, const char *expected) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        FILE *f = open_memstream(&text, &n);

        check(f);
        datapath_describe_gate(&path, mux, f);
        fclose(f);
        check_str(text, expected);
}

static void test_raw_ip(void) {
        uint8_t packet[PING6_SIZE];
        size_t n;

        begin("raw-ip disabled 0 0 disabled 0 0 0 192.0.2.42 0 2001:db8:42::2a");
        datapath_receive(&path, packet, make_ping(packet, 0));
        n = datapath_take(&path, transfer);
        check_pong(transfer, n);
        datapath_receive(&path, packet, make_ping6(packet, "2001:db8:42::2a", 128));
        n = datapath_take(&path, transfer);
        check_pong6(transfer, n, 129);
        check_int(datapath_take(&path, transfer), 0);
        check_gate(0, "in=2 in-bytes=78 out=2 out-bytes=78 ipv4=192.0.2.42 ipv6=2001:db8:42::2a");
        check_gate(1, "in=0 in-bytes=0 out=0 out-bytes=0 ipv4=closed ipv6=closed");
        check_int(events[DATAPATH_PACKET], 2);
        check_int(events[DATAPATH_ANSWER], 2);

        datapath_receive(&path, packet, make_ping(packet, 1));
        datapath_receive(&path, packet, make_ping6(packet, "2001:db8:43::2a", 128));
        check_int(events[DATAPATH_WRONG_SOURCE], 2);
        datapath_receive(&path, packet, make_ping6(packet, "2001:db8:42::1234", 128));
        check_int(events[DATAPATH_PACKET], 3);

        n_to_lose = 1;
        datapath_receive(&path, packet, make_ping(packet, 0));
        check_int(events[DATAPATH_PACKET], 3);
        datapath_receive(&path, packet, make_ping(packet, 0));
        check_int(events[DATAPATH_PACKET], 4);
        end();
}

static void test_closed_gates(void) {
        uint8_t packet[PING6_SIZE];

        begin("raw-ip disabled 0 0 disabled 0 0 0 192.0.2.42");
        datapath_receive(&path, packet, make_ping6(packet, "2001:db8:42::2a", 128));
        check_int(events[DATAPATH_CLOSED_GATE], 1);
        datapath_receive(&path, packet, make_ping(packet, 0));
        check_int(events[DATAPATH_CLOSED_GATE], 1);
        /* What was counted stays. */
        check_int(datapath_set(&path, "raw-ip disabled 0 0 disabled 0 0 0 ipv6"), 0);
        check_gate(0, "in=1 in-bytes=29 out=1 out-bytes=29 ipv4=closed ipv6=open");
        datapath_receive(&path, packet, make_ping(packet, 0));
        check_int(events[DATAPATH_CLOSED_GATE], 2);
        end();
}

static void test_wrong_framing(void) {
        static const char *const states[] = {
                "raw-ip disabled 0 0 disabled 0 0 0 192.0.2.42 0 ipv6",
                "802-3 disabled 0 0 disabled 0 0 0 192.0.2.42 0 ipv6",
                "raw-ip qmap 8 4096 qmap 8 4096 0 192.0.2.42 0 ipv6",
        };
        uint8_t packets[2][PING6_SIZE], frame[100];

        for (size_t i = 0; i < ELEMENTSOF(states); i++)
                for (size_t ip = 0; ip < 2; ip++) {
                        size_t n =
                                ip == 0 ? make_ping(packets[0], 0) : make_ping6(packets[1], "fe80::1", 128);
                        ssize_t k = qmap_put(0, packets[ip], n, frame, sizeof(frame));

                        begin(states[i]);
                        datapath_receive(&path, packets[ip], n);
                        check_int(events[DATAPATH_WRONG_FRAMING], i != 0);
                        datapath_receive(&path, frame, (size_t) k);
                        check_int(events[DATAPATH_WRONG_FRAMING], (i != 0) + (i != 2));
                        n = make_frame(frame, ip == 0 ? 0x0800 : 0x86DD, packets[ip], n);
                        datapath_receive(&path, frame, n);
                        check_int(events[DATAPATH_WRONG_FRAMING], 2);
                        check_int(events[DATAPATH_PACKET], 1);
                        /* A frame cut short, and one that says something else than it is. */
                        datapath_receive(&path, packets[ip], 19);
                        datapath_receive(&path, frame, make_frame(frame, 0x88CC, packets[ip], 20));
                        check_int(events[DATAPATH_WRONG_FRAMING], 4);
                        check_int(events[DATAPATH_PACKET], 1);
                        end();
                }
}

static void test_ethernet(void) {
        static const uint8_t arp[28] = { 0, 1, 8, 0, 6, 4, 0,   1, /* who has */
                                         2, 0, 0, 0, 0, 9, 192, 0, 2, 42, [24] = 192, 0, 2, 1 };
        uint8_t packet[100], frame[100], copy[28];
        size_t n;

        begin("802-3 disabled 0 0 disabled 0 0 0 192.0.2.42 0 2001:db8:42::2a");
        datapath_receive(&path, frame, make_frame(frame, 0x0806, arp, sizeof(arp)));
        check_int(datapath_take(&path, transfer), 14 + sizeof(arp));
        check_bytes(transfer, 12, "\2\0\0\0\0\11\2\120\364\0\0\1", 12);
        check_int(transfer[14 + 7], 2); /* is at */
        check_bytes(transfer + 14 + 8, 10, "\2\120\364\0\0\1\300\0\2\1", 10);
        check_bytes(transfer + 14 + 18, 10, "\2\0\0\0\0\11\300\0\2\52", 10);
        /* Is my address free? */
        memcpy(copy, arp, sizeof(arp));
        memset(copy + 14, 0, 4);
        copy[27] = 42;
        datapath_receive(&path, frame, make_frame(frame, 0x0806, copy, sizeof(copy)));
        check_int(datapath_take(&path, transfer), 0);

        (void) make_ping(packet, 0);
        datapath_receive(&path, frame, make_frame(frame, 0x0800, packet, PING_SIZE));
        n = datapath_take(&path, transfer);
        check_bytes(transfer, 6, "\2\0\0\0\0\11", 6);
        check_pong(transfer + 14, n - 14);
        check_gate(0, "in=1 in-bytes=29 out=1 out-bytes=29 ipv4=192.0.2.42 ipv6=2001:db8:42::2a");

        /* A neighbour is searched for; an option would be behind the target. */
        (void) make_ping6(packet, "2001:db8:42::2a", 135);
        packet[5] = 24;
        check(inet_pton(AF_INET6, "2001:db8:42::1", packet + 48) > 0);
        datapath_receive(&path, frame, make_frame(frame, 0x86DD, packet, 64));
        n = datapath_take(&path, transfer);
        check_pong6(transfer + 14, n - 14, 136);
        check_int(n, 14 + 40 + 32);
        check_bytes(transfer + 14 + 40 + 8, 16, packet + 48, 16);
        check_bytes(transfer + 14 + 40 + 24, 8, "\2\1\2\120\364\0\0\1", 8);
        /* The host's own. */
        packet[63] = 0x2a;
        datapath_receive(&path, frame, make_frame(frame, 0x86DD, packet, 64));
        check_int(datapath_take(&path, transfer), 0);

        /* A router. */
        (void) make_ping6(packet, "fe80::9", 133);
        packet[5] = 8;
        datapath_receive(&path, frame, make_frame(frame, 0x86DD, packet, 48));
        n = datapath_take(&path, transfer);
        check_pong6(transfer + 14, n - 14, 134);
        check_int(n, 14 + 40 + 64);
        check_bytes(transfer + 14 + 40 + 16, 4, "\3\4\100\100", 4); /* a prefix of 64 bits, to be used */
        check_bytes(transfer + 14 + 40 + 32, 8, "\40\1\15\270\0\102\0\0", 8);
        end();
}

static void test_qmap(void) {
        uint8_t packets[100], aggregate[400];
        size_t n = 0, position = 0;
        QmapDatagram d;

        begin("raw-ip qmap 4 400 qmap 2 400 0 ipv4 1 192.0.2.43 2 ipv4");
        for (uint8_t mux = 0; mux <= 3; mux++)
                n += (size_t) qmap_put(mux, packets, make_ping(packets, mux == 1), aggregate + n,
                                       sizeof(aggregate) - n);
        datapath_receive(&path, aggregate, n);
        check_int(events[DATAPATH_PACKET], 3);
        check_int(events[DATAPATH_CLOSED_GATE], 1); /* 3 */

        n = datapath_take(&path, transfer);
        check_int(n, 2 * qmap_size(PING_SIZE));
        check_int(qmap_next(transfer, n, &position, &d), 1);
        check_int(d.mux, 0);
        check_pong(d.payload, d.n_payload);
        check_int(qmap_next(transfer, n, &position, &d), 1);
        check_int(d.mux, 1);
        n = datapath_take(&path, transfer);
        check_int(n, qmap_size(PING_SIZE));
        check_int(transfer[1], 2);
        check_int(datapath_take(&path, transfer), 0);
        check_gate(1, "in=1 in-bytes=29 out=1 out-bytes=29 ipv4=192.0.2.43 ipv6=closed");
        end();
}

static void test_qmap_limits(void) {
        uint8_t packet[PING_SIZE], aggregate[400];
        size_t n, size = qmap_size(PING_SIZE);

        /* Three datagrams of 36 bytes each, too many or too much. */
        for (unsigned i = 0; i < 3; i++) {
                static const char *const states[] = {
                        "raw-ip qmap 2 400 qmap 9 72 0 ipv4",
                        "raw-ip qmap 9 107 qmap 9 72 0 ipv4",
                        "raw-ip qmap 3 108 qmap 9 72 0 ipv4",
                };

                begin(states[i]);
                n = 0;
                for (unsigned k = 0; k < 3; k++)
                        n += (size_t) qmap_put(0, packet, make_ping(packet, 0), aggregate + n,
                                               sizeof(aggregate) - n);
                datapath_receive(&path, aggregate, n);
                check_int(events[DATAPATH_TOO_LARGE], i < 2);
                check_int(events[DATAPATH_PACKET], i < 2 ? 0 : 3);
        }
        check_int(datapath_take(&path, transfer), 2 * size);
        check_int(datapath_take(&path, transfer), size);
        check_int(datapath_take(&path, transfer), 0);
        /* A packet that is too large alone goes alone. */
        check_int(datapath_set(&path, "raw-ip qmap 9 400 qmap 9 20 0 ipv4"), 0);
        datapath_receive(&path, aggregate, n);
        check_int(datapath_take(&path, transfer), size);
        end();
}

static void test_senseless_states(void) {
        static const char *const states[] = {
                "",
                "ip disabled 0 0 disabled 0 0",
                "raw-ip disabled 0 0",
                "raw-ip disabled 0 0 qmapv5 0 0",
                "raw-ip disabled 0 -1 disabled 0 0",
                "raw-ip disabled 0 0 disabled 0 65536",
                "raw-ip disabled 0 0 disabled 0 0 1",
                "raw-ip disabled 0 0 disabled 0 0 256 ipv4",
                "raw-ip disabled 0 0 disabled 0 0 1 192.0.2",
        };

        begin("raw-ip disabled 0 0 disabled 0 0 1 ipv4");
        for (size_t i = 0; i < ELEMENTSOF(states); i++) {
                check_int(datapath_set(&path, states[i]), -EINVAL);
                check_gate(1, "in=0 in-bytes=0 out=0 out-bytes=0 ipv4=open ipv6=closed");
        }
        end();
}

int main(void) {
        test_qmap_next();
        test_qmap_senseless();
        test_qmap_put();
        test_raw_ip();
        test_closed_gates();
        test_wrong_framing();
        test_ethernet();
        test_qmap();
        test_qmap_limits();
        test_senseless_states();
        return 0;
}
