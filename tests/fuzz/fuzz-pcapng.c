/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "fuzz.h"
#include "pcapng.h"

/* A file that anybody may have written; what is read from it is written and read once more. */

static FILE *open_bytes(const void *bytes, size_t n) {
        FILE *f = fmemopen((void *) (uintptr_t) bytes, n, "r");

        must(f);
        return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_data) {
        _cleanup_free_ char *text = NULL;
        PcapngReader r = {}, again = {};
        PcapngFrame frame, copy;
        FILE *out;
        size_t n;
        int k;

        if (n_data == 0)
                return 0;
        r.file = open_bytes(data, n_data);
        while ((k = pcapng_read(&r, &frame)) > 0) {
                out = open_memstream(&text, &n);
                must(out);
                pcapng_write_header(out, "port", frame.vendor, frame.product);
                pcapng_write_frame(out, &frame);
                must(fclose(out) == 0);
                again = (PcapngReader){ .file = open_bytes(text, n) };
                must(pcapng_read(&again, &copy) == 1);
                must(copy.usec == frame.usec && copy.from_modem == frame.from_modem);
                must(copy.n_lost == frame.n_lost && copy.vendor == frame.vendor);
                must(copy.n_bytes == frame.n_bytes && memcmp(copy.bytes, frame.bytes, frame.n_bytes) == 0);
                must(pcapng_read(&again, &copy) == 0);
                fclose(again.file);
                pcapng_reader_done(&again);
                free(text);
                text = NULL;
        }
        must(k == 0 || (k == -EBADMSG && *r.error));
        fclose(r.file);
        pcapng_reader_done(&r);
        return 0;
}
