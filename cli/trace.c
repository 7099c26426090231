/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus.h"
#include "bus/trace.h"
#include "frame.h"
#include "output.h"
#include "reply.h"

typedef struct Tracer {
        const Options *options;
        FrameFilter filter;
        FILE *written;   /* of -w; NULL: frames are shown */
        size_t width;    /* lines are cut at; 0: not at all */
        uint64_t n_lost; /* before the next frame that is wanted */
        uint64_t n_frames, n_lost_total;
} Tracer;

static void close_file(FILE **f) {
        if (*f && *f != stdin && *f != stdout)
                fclose(*f);
}

static int fail_file(const char *path, int error) {
        return cli_error(EXIT_REFUSED, "%s: %s", path, strerror(error));
}

/* Not what is being read. For its owner only: what is in it may be anybody's. */
static int open_written(const char *path, FILE *read, FILE **ret) {
        struct stat a, b;
        int fd;

        if (streq(path, "-")) {
                if (isatty(STDOUT_FILENO))
                        return cli_error(EXIT_USAGE, "-w -: standard output is a terminal, which can do "
                                                     "nothing with a pcapng file");
                *ret = stdout;
                return EXIT_OK;
        }
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || fstat(fd, &a) < 0) {
                int error = errno;

                if (fd >= 0)
                        close(fd);
                return fail_file(path, error);
        }
        if (read && fstat(fileno(read), &b) >= 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino) {
                close(fd);
                return cli_error(EXIT_USAGE, "%s: cannot be read and written at once", path);
        }
        if ((S_ISREG(a.st_mode) && ftruncate(fd, 0) < 0) || !(*ret = fdopen(fd, "w"))) {
                int error = errno;

                close(fd);
                return fail_file(path, error);
        }
        return EXIT_OK;
}

static int tracer_flush(Tracer *t) {
        if (fflush(t->written) == 0 && !ferror(t->written))
                return EXIT_OK;
        return fail_file(t->options->write, errno);
}

static int tracer_on_frame(Tracer *t, PcapngFrame *frame) {
        t->n_lost += frame->n_lost;
        t->n_lost_total += frame->n_lost;
        if (!frame_filter_matches(&t->filter, frame->bytes, frame->n_bytes))
                return EXIT_OK;
        frame->n_lost = t->n_lost;
        t->n_lost = 0;
        t->n_frames++;
        if (!t->written)
                return frame_print(stdout, frame, t->options, t->width);
        pcapng_write_frame(t->written, frame);
        return tracer_flush(t);
}

static void tracer_say_end(const Tracer *t) {
        if (!t->written || !t->options->legend)
                return;
        fprintf(stderr, "%" PRIu64 " frames written", t->n_frames);
        if (t->n_lost_total > 0)
                fprintf(stderr, ", %" PRIu64 " lost", t->n_lost_total);
        fputc('\n', stderr);
}

/* ---- from a file ---- */

static int trace_file(Tracer *t) {
        _cleanup_(pcapng_reader_done) PcapngReader reader = {};
        const char *path = t->options->read;
        _cleanup_(close_file) FILE *read = NULL, *written = NULL;
        bool has_header = false;
        PcapngFrame frame;
        int k, r;

        read = streq(path, "-") ? stdin : fopen(path, "re");
        if (!read)
                return fail_file(path, errno);
        reader.file = read;
        if (t->options->write) {
                r = open_written(t->options->write, read, &written);
                if (r != EXIT_OK)
                        return r;
                t->written = written;
        }
        while ((k = pcapng_read(&reader, &frame)) > 0) {
                if (written && !has_header)
                        pcapng_write_header(written, path, frame.vendor, frame.product);
                has_header = true;
                r = tracer_on_frame(t, &frame);
                if (r != EXIT_OK)
                        return r;
        }
        if (k == -EBADMSG)
                return cli_error(EXIT_REFUSED, "%s: %s", path, reader.error);
        if (k < 0)
                return fail_file(path, -k);
        if (written && !has_header) {
                pcapng_write_header(written, path, 0, 0);
                r = tracer_flush(t);
                if (r != EXIT_OK)
                        return r;
        }
        tracer_say_end(t);
        return EXIT_OK;
}

/* ---- from qmid ---- */

static volatile sig_atomic_t is_interrupted;

static void on_signal(int signal) {
        is_interrupted = 1;
}

/* They only come while we wait, so that nothing is written by halves. */
static int catch_signals(sigset_t *ret_waiting) {
        static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
        struct sigaction action = { .sa_handler = on_signal };
        sigset_t blocked;

        sigemptyset(&blocked);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                sigaddset(&blocked, signals[i]);
                if (sigaction(signals[i], &action, NULL) < 0)
                        return cli_error(EXIT_REFUSED, "trace: %s", strerror(errno));
        }
        if (sigprocmask(SIG_BLOCK, &blocked, ret_waiting) < 0)
                return cli_error(EXIT_REFUSED, "trace: %s", strerror(errno));
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                sigdelset(ret_waiting, signals[i]);
        return EXIT_OK;
}

static int trace_descriptor(Tracer *t, int fd, uint16_t vendor, const sigset_t *waiting) {
        static uint8_t packet[TRACE_HEADER_SIZE + QMUX_MAX];
        int r;

        for (;;) {
                struct pollfd wait = { .fd = fd, .events = POLLIN };
                TraceHeader header;
                PcapngFrame frame;
                ssize_t n;

                if (ppoll(&wait, 1, NULL, waiting) < 0) {
                        if (errno != EINTR)
                                return cli_error(EXIT_REFUSED, "trace: %s", strerror(errno));
                        /* What has passed already is shown to its end. */
                        if (is_interrupted)
                                (void) shutdown(fd, SHUT_RD);
                        continue;
                }
                n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        continue;
                if (n < 0)
                        return cli_error(EXIT_REFUSED, "trace: %s", strerror(errno));
                if (n == 0 && is_interrupted)
                        return EXIT_OK;
                if (n == 0)
                        return cli_error(EXIT_MISSING, "the trace has ended: the device is gone");
                if ((size_t) n < TRACE_HEADER_SIZE)
                        return cli_error(EXIT_REFUSED, "trace: qmid sent a packet of %zd bytes", n);
                header = trace_header_read(packet);
                frame = (PcapngFrame){
                        .usec = header.usec,
                        .from_modem = header.from_modem,
                        .n_lost = header.n_lost,
                        .vendor = vendor,
                        .bytes = packet + TRACE_HEADER_SIZE,
                        .n_bytes = (size_t) n - TRACE_HEADER_SIZE,
                };
                r = tracer_on_frame(t, &frame);
                explicit_bzero(packet, (size_t) n);
                if (r != EXIT_OK)
                        return r;
        }
}

/* What the device's properties say, as far as they do. */
static void read_properties(const Value *properties, const char **ret_port, uint16_t *ret_vendor,
                            uint16_t *ret_product) {
        const Value *port = value_dict_get(properties, "Port"), *id = value_dict_get(properties, "UsbId");
        uint64_t vendor, product;

        *ret_port = port && port->type == VALUE_STRING ? port->string : "";
        *ret_vendor = *ret_product = 0;
        if (id && id->type == VALUE_ARRAY && id->n == 2 && value_get_u64(&id->elements[0], &vendor) >= 0 &&
            value_get_u64(&id->elements[1], &product) >= 0) {
                *ret_vendor = (uint16_t) vendor;
                *ret_product = (uint16_t) product;
        }
}

/* `ret_reply` holds the descriptor. */
static int open_trace(const Options *o, sd_bus *bus, const char *device, sd_bus_message **ret_reply,
                      int *ret_fd) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = bus_new_call(bus, device, QMID_DEVICE_INTERFACE, "OpenTrace", &call);
        if (r != EXIT_OK)
                return r;
        if (o->unmasked)
                r = sd_bus_message_append(call, "a{sv}", 1, "unmasked", "b", true);
        else
                r = sd_bus_message_append(call, "a{sv}", 0);
        if (r < 0)
                return bus_fail_errno("trace", r);
        r = bus_call(o, bus, call, "trace", BUS_TIMEOUT_USEC, ret_reply);
        if (r != EXIT_OK)
                return r;
        r = sd_bus_message_read(*ret_reply, "h", ret_fd);
        return r < 0 ? bus_fail_errno("trace", r) : EXIT_OK;
}

static int trace_device(Tracer *t) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *properties_reply = NULL, *reply = NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(close_file) FILE *written = NULL;
        _cleanup_free_ char *device = NULL;
        const Options *o = t->options;
        _cleanup_(arena_done) Arena a;
        uint16_t vendor, product;
        sigset_t waiting;
        Value properties;
        const char *port;
        int fd, r;

        arena_init(&a);
        r = bus_connect(o, &bus);
        if (r != EXIT_OK)
                return r;
        r = bus_find_device(o, bus, &device);
        if (r != EXIT_OK)
                return r;
        r = bus_get_properties(o, bus, device, QMID_DEVICE_INTERFACE, &properties_reply, &a, &properties);
        if (r != EXIT_OK)
                return r;
        read_properties(&properties, &port, &vendor, &product);
        r = open_trace(o, bus, device, &reply, &fd);
        if (r != EXIT_OK)
                return r;
        r = catch_signals(&waiting);
        if (r != EXIT_OK)
                return r;
        if (o->write) {
                r = open_written(o->write, NULL, &written);
                if (r != EXIT_OK)
                        return r;
                t->written = written;
                pcapng_write_header(written, port, vendor, product);
                r = tracer_flush(t);
                if (r != EXIT_OK)
                        return r;
        }
        if (o->legend)
                fprintf(stderr, "Tracing %s%s%s\n", bus_device_name(device), o->write ? " to " : "",
                        o->write ?: "");
        r = trace_descriptor(t, fd, vendor, &waiting);
        tracer_say_end(t);
        return r;
}

static int check_options(const Options *o) {
        if (o->write && (o->expand || o->json != JSON_OFF))
                return cli_error(EXIT_USAGE,
                                 "-w writes frames and shows none: --expand and --json do not go with it");
        if (o->expand && o->json != JSON_OFF)
                return cli_error(EXIT_USAGE, "--expand and --json exclude each other");
        if (o->read && (*o->device || o->host || o->machine))
                return cli_error(
                        EXIT_USAGE,
                        "-r reads a file and no device: --device, --host and --machine do not go with it");
        if (o->read && o->unmasked)
                return cli_error(EXIT_USAGE, "--unmasked: what is not in the file cannot be had from it");
        if (o->host)
                return cli_error(EXIT_USAGE, "--host: a trace cannot be passed on by another machine; "
                                             "'ssh HOST qmictl trace -w -' can");
        return EXIT_OK;
}

int verb_trace(const Options *o, char **args, size_t n_args) {
        Tracer t = { .options = o, .width = isatty(STDOUT_FILENO) ? output_width() : 0 };
        int r;

        r = check_options(o);
        if (r != EXIT_OK)
                return r;
        r = frame_filter_parse(&t.filter, args, n_args);
        if (r != EXIT_OK)
                return r;
        return o->read ? trace_file(&t) : trace_device(&t);
}
