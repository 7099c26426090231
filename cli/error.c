/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>

#include "output.h"

int cli_error(ExitCode code, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0) {
                text = NULL;
                return cli_oom();
        }

        fputs("qmictl: ", stderr);
        output_text(stderr, text);
        fputc('\n', stderr);
        return code;
}

int cli_oom(void) {
        fputs("qmictl: out of memory\n", stderr);
        return EXIT_REFUSED;
}
