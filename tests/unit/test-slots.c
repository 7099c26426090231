/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <unistd.h>

#include "slots.h"
#include "unit.h"

#define FORMAT 7U

/* What somebody finds in the file who is handed its descriptor. */
static int read_back(const Slots *s, char *text, size_t n_text) {
        _cleanup_free_ uint8_t *data = NULL;
        Slots other = SLOTS_INIT;
        size_t size = 0;
        int r;

        r = slots_open(&other, dup(s->fd), FORMAT, &data, &size);
        check(size < n_text);
        if (r > 0)
                memcpy(text, data, size);
        text[size] = '\0';
        slots_done(&other);
        return r;
}

static void write_text(Slots *s, const char *text) {
        check_int(slots_write(s, FORMAT, (const uint8_t *) text, strlen(text)), 0);
}

static void test_the_newest(void) {
        Slots s = SLOTS_INIT;
        char text[32];

        check_int(slots_create(&s), 0);
        check_int(read_back(&s, text, sizeof(text)), 0);
        for (unsigned i = 0; i < 5; i++) {
                char next[] = { (char) ('a' + i), 'x', '\0' };

                next[1 + i % 2] = '\0'; /* a longer one is no trouble, a shorter neither */
                write_text(&s, next);
                check_int(read_back(&s, text, sizeof(text)), 1);
                check_str(text, next);
        }
        write_text(&s, "");
        check_int(read_back(&s, text, sizeof(text)), 1);
        check_str(text, "");
        slots_done(&s);
}

/* Whoever goes on with a file begins where the last writer ended. */
static void test_goes_on(void) {
        _cleanup_free_ uint8_t *data = NULL;
        Slots first = SLOTS_INIT, second = SLOTS_INIT;
        char text[32];
        size_t size;

        check_int(slots_create(&first), 0);
        write_text(&first, "one");
        write_text(&first, "two");
        check_int(slots_open(&second, dup(first.fd), FORMAT, &data, &size), 1);
        check_bytes(data, size, "two", 3);
        slots_done(&first);
        write_text(&second, "three");
        check_int(read_back(&second, text, sizeof(text)), 1);
        check_str(text, "three");
        slots_done(&second);
}

/* Wherever the writer was killed, what was there before is still there: the file in which only the first n
 * bytes of what changed were written. */
static void test_killed_while_writing(void) {
        static const size_t n_page = 4096;
        static uint8_t before[4096], after[4096];
        Slots s = SLOTS_INIT;
        char text[32];
        size_t n_changed = 0;

        check_int(slots_create(&s), 0);
        write_text(&s, "one");
        write_text(&s, "two");
        check(pread(s.fd, before, n_page, 0) == (ssize_t) n_page);
        write_text(&s, "three");
        check(pread(s.fd, after, n_page, 0) == (ssize_t) n_page);

        for (size_t i = 0; i < n_page; i++) {
                if (before[i] == after[i])
                        continue;
                n_changed++;
                check(pwrite(s.fd, before, n_page, 0) == (ssize_t) n_page);
                check(i == 0 || pwrite(s.fd, after, i, 0) == (ssize_t) i);
                check_int(read_back(&s, text, sizeof(text)), 1);
                check_str(text, "two");
        }
        check(n_changed > 8);
        slots_done(&s);
}

static void test_senseless(void) {
        _cleanup_free_ uint8_t *page = calloc(1, 4096);
        Slots s = SLOTS_INIT, other = SLOTS_INIT;
        uint8_t *data = NULL;
        char text[32];
        size_t size;
        int fd;

        /* Another format: nothing of it is used, and it can be written anew. */
        check_int(slots_create(&s), 0);
        check_int(slots_write(&s, FORMAT + 1, (const uint8_t *) "x", 1), 0);
        check_int(slots_open(&other, dup(s.fd), FORMAT, &data, &size), -EPROTONOSUPPORT);
        write_text(&other, "mine");
        check_int(read_back(&other, text, sizeof(text)), 1);
        check_str(text, "mine");
        slots_done(&other);

        /* What is older than that is not the newest. */
        s.sequence = 100;
        check_int(slots_write(&s, FORMAT, (const uint8_t *) "old", 3), 0);
        check_int(slots_write(&s, FORMAT + 1, (const uint8_t *) "new", 3), 0);
        check_int(read_back(&s, text, sizeof(text)), -EPROTONOSUPPORT);

        /* Each byte of the data counts. */
        write_text(&s, "some text");
        write_text(&s, "other text");
        check(page);
        memset(page, 0xFF, 4096);
        check(pwrite(s.fd, page, 1, 4096 + (off_t) SLOTS_DATA_MAX) == 1);
        check(pwrite(s.fd, page, 1, 4096) == 1);
        check_int(read_back(&s, text, sizeof(text)), -EBADMSG);
        check(pwrite(s.fd, page, 4096, 0) == 4096);
        check_int(read_back(&s, text, sizeof(text)), -EBADMSG);
        slots_done(&s);

        /* No such file at all. */
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        check_int(slots_open(&other, fd, FORMAT, &data, &size), -EINVAL);
        check_int(other.fd, -1);
        check(!data);
}

static void test_bounded(void) {
        _cleanup_free_ uint8_t *much = calloc(1, SLOTS_DATA_MAX + 1U), *data = NULL;
        Slots s = SLOTS_INIT, other = SLOTS_INIT;
        size_t size;

        check(much);
        check_int(slots_create(&s), 0);
        check_int(slots_write(&s, FORMAT, much, SLOTS_DATA_MAX), 0);
        check_int(slots_write(&s, FORMAT, much, SLOTS_DATA_MAX), 0);
        check_int(slots_write(&s, FORMAT, much, SLOTS_DATA_MAX + 1U), -EFBIG);
        check_int(slots_open(&other, dup(s.fd), FORMAT, &data, &size), 1);
        check_int(size, SLOTS_DATA_MAX);
        slots_done(&other);
        slots_done(&s);
}

int main(void) {
        test_the_newest();
        test_goes_on();
        test_killed_while_writing();
        test_senseless();
        test_bounded();
        return 0;
}
