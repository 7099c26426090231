/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pcapng.h"

#include <inttypes.h>
#include <stdarg.h>

#include "qmi/frame.h"

#define BLOCK_SECTION   0x0A0D0D0AU /* the same in each byte order */
#define BLOCK_INTERFACE 1U
#define BLOCK_PACKET    6U

#define BYTE_ORDER_MAGIC 0x1A2B3C4DU
#define BLOCK_OVERHEAD   12U /* type, length, and the length once more */
/* Of a block that is looked into: a frame with any reasonable options. */
#define BLOCK_MAX (1024U * 1024)

#define SECTION_HEADER_SIZE   16U
#define INTERFACE_HEADER_SIZE 8U
#define PACKET_HEADER_SIZE    20U

enum {
        OPTION_END = 0,
        OPTION_COMMENT = 1,
        OPTION_SECTION_PROGRAM = 4,
        OPTION_INTERFACE_NAME = 2,
        OPTION_INTERFACE_RESOLUTION = 9,
        OPTION_INTERFACE_OFFSET = 14,
        OPTION_INTERFACE_HARDWARE = 15,
        OPTION_PACKET_FLAGS = 2,
        OPTION_PACKET_LOST = 4,
};

#define FLAGS_DIRECTION 3U
#define FLAGS_INBOUND   1U
#define FLAGS_OUTBOUND  2U

/* ---- writing ---- */

#define TEXT_MAX 200U

typedef struct Block {
        size_t n;
        uint8_t bytes[QMUX_MAX + 4 * TEXT_MAX];
} Block;

static void block_put(Block *b, const void *bytes, size_t n) {
        assert(n <= sizeof(b->bytes) - b->n);
        if (n > 0)
                memcpy(b->bytes + b->n, bytes, n);
        b->n += n;
}

/* Everything stands at multiples of four. */
static void block_put_padded(Block *b, const void *bytes, size_t n) {
        static const uint8_t zeros[4];

        block_put(b, bytes, n);
        block_put(b, zeros, -n % 4);
}

static void block_put_number(Block *b, uint64_t v, size_t n_bytes) {
        for (size_t i = 0; i < n_bytes; i++)
                block_put(b, &(uint8_t){ (uint8_t) (v >> 8 * i) }, 1);
}

static void block_put_option(Block *b, unsigned code, const void *bytes, size_t n) {
        block_put_number(b, code, 2);
        block_put_number(b, n, 2);
        block_put_padded(b, bytes, n);
}

static void block_put_text(Block *b, unsigned code, const char *text) {
        block_put_option(b, code, text, MIN(strlen(text), (size_t) TEXT_MAX));
}

static void block_begin(Block *b, uint32_t type) {
        b->n = 0;
        block_put_number(b, type, 4);
        block_put_number(b, 0, 4);
}

/* Ends the options too. */
static void block_write(Block *b, FILE *f) {
        uint32_t n;

        block_put_number(b, OPTION_END, 4);
        n = (uint32_t) b->n + 4;
        block_put_number(b, n, 4);
        memcpy(b->bytes + 4, b->bytes + b->n - 4, 4);
        (void) fwrite(b->bytes, 1, b->n, f);
}

void pcapng_write_header(FILE *f, const char *port, uint16_t vendor, uint16_t product) {
        Block b;

        block_begin(&b, BLOCK_SECTION);
        block_put_number(&b, BYTE_ORDER_MAGIC, 4);
        block_put_number(&b, 1, 2); /* version 1.0 */
        block_put_number(&b, 0, 2);
        block_put_number(&b, UINT64_MAX, 8); /* the section ends with the file */
        block_put_text(&b, OPTION_COMMENT, "QMUX frames of a cellular modem, traced by qmid");
        block_put_text(&b, OPTION_SECTION_PROGRAM, "qmictl " PROJECT_VERSION);
        block_write(&b, f);

        block_begin(&b, BLOCK_INTERFACE);
        block_put_number(&b, PCAPNG_LINK_TYPE, 2);
        block_put_number(&b, 0, 2);
        block_put_number(&b, 0, 4); /* frames are whole */
        block_put_text(&b, OPTION_INTERFACE_NAME, port);
        block_put_option(&b, OPTION_INTERFACE_RESOLUTION, &(uint8_t){ 6 }, 1);
        if (vendor != 0) {
                char hardware[16];

                (void) snprintf(hardware, sizeof(hardware), "%04x:%04x", vendor, product);
                block_put_text(&b, OPTION_INTERFACE_HARDWARE, hardware);
        }
        block_write(&b, f);
}

void pcapng_write_frame(FILE *f, const PcapngFrame *frame) {
        Block b;

        block_begin(&b, BLOCK_PACKET);
        block_put_number(&b, 0, 4); /* the first interface */
        block_put_number(&b, frame->usec >> 32, 4);
        block_put_number(&b, frame->usec, 4);
        block_put_number(&b, frame->n_bytes, 4);
        block_put_number(&b, frame->n_bytes, 4);
        block_put_padded(&b, frame->bytes, frame->n_bytes);
        block_put_number(&b, OPTION_PACKET_FLAGS, 2);
        block_put_number(&b, 4, 2);
        block_put_number(&b, frame->from_modem ? FLAGS_INBOUND : FLAGS_OUTBOUND, 4);
        if (frame->n_lost > 0) {
                block_put_number(&b, OPTION_PACKET_LOST, 2);
                block_put_number(&b, 8, 2);
                block_put_number(&b, frame->n_lost, 8);
        }
        block_write(&b, f);
}

/* ---- reading ---- */

void pcapng_reader_done(PcapngReader *r) {
        free(r->block);
        r->block = NULL;
}

static int fail(PcapngReader *r, const char *format, ...) _printf_(2, 3);
static int fail(PcapngReader *r, const char *format, ...) {
        int n = snprintf(r->error, sizeof(r->error), "at offset %" PRIu64 ": ", r->block_offset);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(r->error + n, sizeof(r->error) - (size_t) n, format, ap);
        va_end(ap);
        return -EBADMSG;
}

/* 1, or 0 where the file ends. */
static int read_bytes(PcapngReader *r, void *buffer, size_t n) {
        size_t n_read = fread(buffer, 1, n, r->file);

        r->offset += n_read;
        if (n_read == n)
                return 1;
        if (ferror(r->file))
                return errno > 0 ? -errno : -EIO;
        return n_read == 0 && r->offset == r->block_offset ? 0 : fail(r, "the file ends within a block");
}

static int skip_bytes(PcapngReader *r, size_t n) {
        uint8_t buffer[4096];
        int k = 1;

        for (; n > 0 && k > 0; n -= MIN(n, sizeof(buffer)))
                k = read_bytes(r, buffer, MIN(n, sizeof(buffer)));
        return k;
}

static uint64_t get_number(const PcapngReader *r, const uint8_t *p, size_t n_bytes) {
        uint64_t v = 0;

        for (size_t i = 0; i < n_bytes; i++)
                v |= (uint64_t) p[r->big_endian ? n_bytes - 1 - i : i] << 8 * i;
        return v;
}

/* The body of the next block; of one that is skipped, NULL. 1, or 0 at the end of the file. */
static int read_block(PcapngReader *r, uint32_t *ret_type, const uint8_t **ret_body, size_t *ret_n_body) {
        uint8_t head[12], tail[4];
        size_t n_head = 8, n_body;
        uint32_t type, n_block;
        bool is_known;
        int k;

        r->block_offset = r->offset;
        k = read_bytes(r, head, 8);
        if (k <= 0)
                return k;
        type = (uint32_t) get_number(r, head, 4);
        if (!r->in_section && type != BLOCK_SECTION)
                return fail(r, "this is no pcapng file");
        if (type == BLOCK_SECTION) {
                k = read_bytes(r, head + 8, 4);
                if (k < 0)
                        return k;
                n_head = 12;
                r->big_endian = false;
                if (get_number(r, head + 8, 4) != BYTE_ORDER_MAGIC) {
                        r->big_endian = true;
                        if (get_number(r, head + 8, 4) != BYTE_ORDER_MAGIC)
                                return fail(r, "a section of neither byte order");
                }
                r->in_section = true;
        }

        n_block = (uint32_t) get_number(r, head + 4, 4);
        if (n_block % 4 != 0 || n_block < n_head + 4)
                return fail(r, "a block cannot have %" PRIu32 " bytes", n_block);
        n_body = n_block - BLOCK_OVERHEAD;
        is_known = type == BLOCK_SECTION || type == BLOCK_INTERFACE || type == BLOCK_PACKET;
        if (!is_known)
                k = skip_bytes(r, n_body);
        else {
                if (n_body > BLOCK_MAX)
                        return fail(r, "a block of %" PRIu32 " bytes is too large", n_block);
                if (n_body > r->n_allocated) {
                        uint8_t *grown = realloc(r->block, n_body);

                        if (!grown)
                                return -ENOMEM;
                        r->block = grown;
                        r->n_allocated = n_body;
                }
                if (n_head > 8)
                        memcpy(r->block, head + 8, n_head - 8);
                k = n_body > n_head - 8 ? read_bytes(r, r->block + n_head - 8, n_body - (n_head - 8)) : 1;
        }
        if (k < 0)
                return k;
        k = read_bytes(r, tail, sizeof(tail));
        if (k < 0)
                return k;
        if (get_number(r, tail, 4) != n_block)
                return fail(r, "a block begins with %" PRIu32 " as its length and ends with another",
                            n_block);

        *ret_type = type;
        *ret_body = is_known ? r->block : NULL;
        *ret_n_body = n_body;
        return 1;
}

typedef struct OptionReader {
        const uint8_t *next;
        size_t left;
} OptionReader;

/* 1, or 0 at the end. */
static int next_option(PcapngReader *r, OptionReader *o, unsigned *ret_code, const uint8_t **ret,
                       size_t *ret_n) {
        size_t n, n_padded;
        unsigned code;

        if (o->left == 0)
                return 0;
        code = (unsigned) get_number(r, o->next, 2); /* what is left is a multiple of four */
        n = (size_t) get_number(r, o->next + 2, 2);
        if (code == OPTION_END)
                return 0;
        n_padded = n + -n % 4;
        if (n_padded > o->left - 4)
                return fail(r, "option %u is longer than its block", code);
        *ret_code = code;
        *ret = o->next + 4;
        *ret_n = n;
        o->next += 4 + n_padded;
        o->left -= 4 + n_padded;
        return 1;
}

static int on_section(PcapngReader *r, const uint8_t *body, size_t n_body) {
        if (n_body < SECTION_HEADER_SIZE)
                return fail(r, "a section header of %zu bytes", n_body);
        if (get_number(r, body + 4, 2) != 1)
                return fail(r, "version %u of pcapng is not known", (unsigned) get_number(r, body + 4, 2));
        r->n_interfaces = 0;
        return 0;
}

static int set_resolution(PcapngReader *r, PcapngInterface *i, uint8_t resolution) {
        unsigned exponent = resolution & 0x7F;

        if (exponent > (resolution & 0x80 ? 63U : 19U))
                return fail(r, "times cannot be counted as finely as 0x%02x says", resolution);
        i->ticks_per_sec = 1;
        for (; exponent > 0; exponent--)
                i->ticks_per_sec *= resolution & 0x80 ? 2 : 10;
        return 0;
}

/* "1199:9071"; anything else is somebody else's. */
static void parse_hardware(const uint8_t *text, size_t n, PcapngInterface *i) {
        unsigned vendor, product;
        char word[10] = {};
        int n_word = 0;

        memcpy(word, text, MIN(n, sizeof(word) - 1));
        if (sscanf(word, "%4x:%4x%n", &vendor, &product, &n_word) != 2 || (size_t) n_word != n)
                return;
        i->vendor = (uint16_t) vendor;
        i->product = (uint16_t) product;
}

static int on_interface(PcapngReader *r, const uint8_t *body, size_t n_body) {
        PcapngInterface i = { .ticks_per_sec = USEC_PER_SEC };
        const uint8_t *value;
        OptionReader options;
        unsigned code;
        size_t n;
        int k;

        if (n_body < INTERFACE_HEADER_SIZE)
                return fail(r, "an interface of %zu bytes", n_body);
        if (r->n_interfaces == PCAPNG_INTERFACES_MAX)
                return fail(r, "more than %u interfaces", PCAPNG_INTERFACES_MAX);
        i.link_type = (uint16_t) get_number(r, body, 2);
        options = (OptionReader){ body + INTERFACE_HEADER_SIZE, n_body - INTERFACE_HEADER_SIZE };
        while ((k = next_option(r, &options, &code, &value, &n)) > 0) {
                if (code == OPTION_INTERFACE_RESOLUTION && n == 1) {
                        k = set_resolution(r, &i, *value);
                        if (k < 0)
                                return k;
                } else if (code == OPTION_INTERFACE_OFFSET && n == 8)
                        i.offset_sec = (int64_t) get_number(r, value, 8);
                else if (code == OPTION_INTERFACE_HARDWARE)
                        parse_hardware(value, n, &i);
        }
        if (k < 0)
                return k;
        r->interfaces[r->n_interfaces++] = i;
        return 0;
}

static uint64_t get_usec(const PcapngInterface *i, uint64_t ticks) {
        __int128 usec = (__int128) ticks * (int64_t) USEC_PER_SEC / (__int128) i->ticks_per_sec +
                        (__int128) i->offset_sec * (int64_t) USEC_PER_SEC;

        return usec < 0 ? 0 : usec > (__int128) UINT64_MAX ? UINT64_MAX : (uint64_t) usec;
}

/* 1, or 0 if it is none of ours. */
static int on_packet(PcapngReader *r, const uint8_t *body, size_t n_body, PcapngFrame *ret) {
        const PcapngInterface *i;
        const uint8_t *value;
        OptionReader options;
        PcapngFrame frame;
        uint64_t flags = 0;
        size_t n_padded, n;
        uint32_t index;
        unsigned code;
        int k;

        if (n_body < PACKET_HEADER_SIZE)
                return fail(r, "a packet block of %zu bytes", n_body);
        index = (uint32_t) get_number(r, body, 4);
        if (index >= r->n_interfaces)
                return fail(r, "a packet of interface %" PRIu32 ", which the file does not describe", index);
        i = &r->interfaces[index];
        if (i->link_type != PCAPNG_LINK_TYPE)
                return 0;
        frame = (PcapngFrame){
                .usec = get_usec(i, get_number(r, body + 4, 4) << 32 | get_number(r, body + 8, 4)),
                .vendor = i->vendor,
                .product = i->product,
                .bytes = body + PACKET_HEADER_SIZE,
                .n_bytes = (size_t) get_number(r, body + 12, 4),
        };
        if (frame.n_bytes > n_body - PACKET_HEADER_SIZE)
                return fail(r, "a packet is longer than its block");
        if (frame.n_bytes > QMUX_MAX)
                return fail(r, "a packet of %zu bytes, more than a QMUX frame can have", frame.n_bytes);

        n_padded = frame.n_bytes + -frame.n_bytes % 4;
        options = (OptionReader){ frame.bytes + n_padded, n_body - PACKET_HEADER_SIZE - n_padded };
        while ((k = next_option(r, &options, &code, &value, &n)) > 0)
                if (code == OPTION_PACKET_FLAGS && n == 4)
                        flags = get_number(r, value, 4);
                else if (code == OPTION_PACKET_LOST && n == 8)
                        frame.n_lost = get_number(r, value, 8);
        if (k < 0)
                return k;
        /* Without a word on it the frame itself says who sent it. */
        frame.from_modem =
                (flags & FLAGS_DIRECTION) == FLAGS_INBOUND ||
                ((flags & FLAGS_DIRECTION) != FLAGS_OUTBOUND && frame.n_bytes > 3 && frame.bytes[3] & 0x80);
        *ret = frame;
        return 1;
}

int pcapng_read(PcapngReader *r, PcapngFrame *ret) {
        const uint8_t *body;
        uint32_t type;
        size_t n_body;
        int k;

        while ((k = read_block(r, &type, &body, &n_body)) > 0) {
                switch (type) {
                case BLOCK_SECTION:
                        k = on_section(r, body, n_body);
                        break;
                case BLOCK_INTERFACE:
                        k = on_interface(r, body, n_body);
                        break;
                case BLOCK_PACKET:
                        k = on_packet(r, body, n_body, ret);
                        break;
                default:
                        k = 0;
                        break;
                }
                if (k != 0)
                        return k;
        }
        return k;
}
