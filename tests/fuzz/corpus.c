/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs a fuzzer's function on files, and on all files in directories. */

#include <dirent.h>
#include <stdio.h>

#include "fuzz.h"

static size_t n_run;

static void run_file(const char *path) {
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t n;
        long size;
        FILE *f;

        f = fopen(path, "re");
        if (!f || fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < 0) {
                perror(path);
                exit(1);
        }
        rewind(f);
        bytes = malloc(
                MAX((size_t) size, (size_t) 1)); /* of just that size, so that reading past the end shows */
        must(bytes);
        n = fread(bytes, 1, (size_t) size, f);
        must(n == (size_t) size);
        fclose(f);

        (void) LLVMFuzzerTestOneInput(bytes, n);
        n_run++;
}

static void run(const char *path) {
        struct dirent **entries;
        int n;

        n = scandir(path, &entries, NULL, alphasort);
        if (n < 0) {
                run_file(path);
                return;
        }
        for (int i = 0; i < n; i++) {
                char child[4096];

                if (entries[i]->d_name[0] != '.') {
                        (void) snprintf(child, sizeof(child), "%s/%s", path, entries[i]->d_name);
                        run_file(child);
                }
                free(entries[i]);
        }
        free(entries);
}

int main(int argc, char **argv) {
        for (int i = 1; i < argc; i++)
                run(argv[i]);
        printf("%zu inputs\n", n_run);
        return n_run > 0 ? 0 : 1;
}
