/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "modem/usb-reset.h"
#include "unit.h"

#define PATIENCE_USEC (20 * USEC_PER_SEC)

typedef struct Bench {
        char directory[32], file[64];
        sd_event *event;
        UsbReset *reset;
        bool is_done;
        int error;
} Bench;

static void on_done(UsbReset *u, int error, void *userdata) {
        Bench *b = userdata;

        check(u == b->reset);
        b->is_done = true;
        b->error = error;
        b->reset = usb_reset_free(u);
}

static void begin(Bench *b) {
        *b = (Bench){ .directory = "/tmp/test-usb-reset-XXXXXX" };
        check(mkdtemp(b->directory));
        (void) snprintf(b->file, sizeof(b->file), "%s/authorized", b->directory);
        check_int(sd_event_new(&b->event) < 0, 0);
}

static void start_and_wait(Bench *b) {
        check_int(usb_reset_new(&b->reset, b->event, b->directory, on_done, b), 0);
        check(!b->is_done);
        while (!b->is_done)
                check(sd_event_run(b->event, PATIENCE_USEC) > 0);
        check(!b->reset);
}

static void end(Bench *b) {
        sd_event_unref(b->event);
        (void) unlink(b->file);
        check_int(rmdir(b->directory), 0);
}

static void test_off_and_on(void) {
        char seen[4] = "";
        Bench b;
        int fd;

        /* What is written to a pipe can be seen afterwards, in its order. */
        begin(&b);
        check_int(mkfifo(b.file, 0600), 0);
        fd = open(b.file, O_RDWR | O_CLOEXEC | O_NONBLOCK);
        check(fd >= 0);
        start_and_wait(&b);
        check_int(b.error, 0);
        check_int(read(fd, seen, sizeof(seen)), 2);
        check_str(seen, "01");
        close(fd);
        end(&b);
}

static void test_no_such_device(void) {
        Bench b;

        begin(&b);
        start_and_wait(&b);
        check_int(b.error, -ENOENT);
        end(&b);
}

/* It goes on by itself. */
static void test_nobody_waits(void) {
        char c = '\0';
        Bench b;
        int fd;

        begin(&b);
        check_int(mkfifo(b.file, 0600), 0);
        fd = open(b.file, O_RDWR | O_CLOEXEC);
        check(fd >= 0);
        check_int(usb_reset_new(&b.reset, b.event, b.directory, on_done, &b), 0);
        check(!usb_reset_free(b.reset));
        check_int(read(fd, &c, 1), 1);
        check_int(c, '0');
        check_int(read(fd, &c, 1), 1);
        check_int(c, '1');
        close(fd);
        check(!b.is_done);
        end(&b);
}

int main(void) {
        test_off_and_on();
        test_no_such_device();
        test_nobody_waits();
        return 0;
}
