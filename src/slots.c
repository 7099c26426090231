/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slots.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOTS_MAGIC UINT64_C(0x3174617473646d71) /* "qmdstat1" */

typedef struct Header {
        uint64_t magic;
        uint32_t format;
        uint32_t size;
        uint64_t sequence;
        uint64_t checksum; /* of all the others and the data */
} Header;

/* Both headers in one page, then the data, for each slot as much as it may ever be: what is not written
 * takes no memory. */
#define DATA_OFFSET 4096
#define FILE_SIZE   (DATA_OFFSET + 2 * (off_t) SLOTS_DATA_MAX)

static off_t header_offset(uint64_t sequence) {
        return (off_t) (sequence % 2 * sizeof(Header));
}

static off_t data_offset(uint64_t sequence) {
        return DATA_OFFSET + (off_t) (sequence % 2 * SLOTS_DATA_MAX);
}

/* Against what was cut off, not against malice. */
static uint64_t mix(uint64_t sum, const void *bytes, size_t size) {
        const uint8_t *p = bytes;

        while (size > 0) {
                size_t n = MIN(size, sizeof(uint64_t));
                uint64_t word = n;

                memcpy(&word, p, n);
                sum = (sum ^ word) * UINT64_C(0x9E3779B97F4A7C15);
                sum ^= sum >> 29;
                p += n;
                size -= n;
        }
        return sum;
}

static uint64_t header_checksum(const Header *h, const uint8_t *data) {
        return mix(mix(1, h, offsetof(Header, checksum)), data, h->size);
}

static int read_all(int fd, void *buffer, size_t size, off_t offset) {
        ssize_t n;

        for (size_t done = 0; done < size; done += (size_t) n) {
                n = pread(fd, (uint8_t *) buffer + done, size - done, offset + (off_t) done);
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EBADMSG;
        }
        return 0;
}

static int write_all(int fd, const void *buffer, size_t size, off_t offset) {
        ssize_t n;

        for (size_t done = 0; done < size; done += (size_t) n) {
                n = pwrite(fd, (const uint8_t *) buffer + done, size - done, offset + (off_t) done);
                if (n < 0)
                        return -errno;
        }
        return 0;
}

static int erase_rest(int fd, uint64_t sequence, size_t size) {
        return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                         data_offset(sequence) + (off_t) size, (off_t) (SLOTS_DATA_MAX - size)) < 0 &&
                               size < SLOTS_DATA_MAX
                       ? -errno
                       : 0;
}

int slots_create(Slots *s) {
        int fd;

        fd = memfd_create("qmid-state", MFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (ftruncate(fd, FILE_SIZE) < 0) {
                int r = -errno;

                close(fd);
                return r;
        }
        *s = (Slots){ .fd = fd };
        return 0;
}

/* The data of one slot: 1, or 0 when there was never anything in it, or the errors of slots_open(). The
 * header also when it is of another format. */
static int slot_read(int fd, uint64_t slot, uint32_t format, Header *ret, uint8_t **ret_data) {
        _cleanup_free_ uint8_t *data = NULL;
        Header h;
        int r;

        r = read_all(fd, &h, sizeof(h), header_offset(slot));
        if (r < 0)
                return r;
        if (h.magic == 0)
                return 0;
        if (h.magic != SLOTS_MAGIC || h.sequence % 2 != slot || h.size > SLOTS_DATA_MAX)
                return -EBADMSG;
        *ret = h;
        if (h.format != format)
                return -EPROTONOSUPPORT;
        data = malloc(MAX(h.size, 1U));
        if (!data)
                return -ENOMEM;
        r = read_all(fd, data, h.size, data_offset(slot));
        if (r < 0)
                return r;
        if (header_checksum(&h, data) != h.checksum) {
                ret->sequence = 0;
                return -EBADMSG;
        }
        *ret_data = TAKE_PTR(data);
        return 1;
}

int slots_open(Slots *s, int fd, uint32_t format, uint8_t **ret_data, size_t *ret_size) {
        uint8_t *data[2] = {};
        Header h[2] = {};
        struct stat st;
        int r[2], newest;

        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size != FILE_SIZE) {
                close(fd);
                return -EINVAL;
        }
        for (uint64_t i = 0; i < 2; i++)
                r[i] = slot_read(fd, i, format, &h[i], &data[i]);
        *s = (Slots){ .fd = fd, .sequence = MAX(h[0].sequence, h[1].sequence) };

        if (r[0] <= 0 && r[1] <= 0)
                return MIN(r[0], r[1]);
        newest = h[1].sequence > h[0].sequence;
        free(data[!newest]);
        if (r[newest] <= 0) /* by a later version than ours: ours is out of date */
                return r[newest];
        *ret_data = data[newest];
        *ret_size = h[newest].size;
        return 1;
}

int slots_write(Slots *s, uint32_t format, const uint8_t *data, size_t size) {
        Header h = {
                .magic = SLOTS_MAGIC,
                .format = format,
                .size = (uint32_t) size,
                .sequence = s->sequence + 1,
        };
        int r;

        if (size > SLOTS_DATA_MAX)
                return -EFBIG;
        h.checksum = header_checksum(&h, data);
        r = write_all(s->fd, data, size, data_offset(h.sequence));
        if (r >= 0)
                r = write_all(s->fd, &h, sizeof(h), header_offset(h.sequence));
        /* What was longer before leaves nothing behind: half a frame may have been in it. */
        if (r >= 0)
                r = erase_rest(s->fd, h.sequence, size);
        if (r < 0)
                return r;
        s->sequence = h.sequence;
        return 0;
}

void slots_done(Slots *s) {
        if (s->fd >= 0)
                close(s->fd);
        *s = SLOTS_INIT;
}
