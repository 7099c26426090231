/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "fuzz.h"
#include "qmi/text.h"

/* The first byte chooses the coding, the rest is text in it; and then it is taken for text to be encoded. */

static void check_decode(TextCoding coding, const uint8_t *bytes, size_t n) {
        _cleanup_free_ uint8_t *encoded = NULL;
        const char *text, *again;
        bool lossy;
        ssize_t k;
        Arena a;

        arena_init(&a);
        must(text_decode(coding, bytes, n, &a, &text, &lossy) == 0);
        must(utf8_is_valid(text, strlen(text)));
        if (!lossy) {
                k = text_encode(coding, text, NULL, 0);
                must(k >= 0 && (size_t) k <= n);
                encoded = malloc(MAX((size_t) k, (size_t) 1));
                must(encoded);
                must(text_encode(coding, text, encoded, (size_t) k) == k);
                must(text_decode(coding, encoded, (size_t) k, &a, &again, &lossy) == 0);
                must(!lossy && streq(text, again));
        }
        arena_done(&a);
}

static void check_encode(TextCoding coding, const uint8_t *bytes, size_t n) {
        _cleanup_free_ uint8_t *encoded = NULL;
        _cleanup_free_ char *text = malloc(n + 1);
        const char *decoded;
        bool lossy;
        ssize_t k;
        Arena a;

        must(text);
        memcpy(text, bytes, n);
        text[n] = 0;
        k = text_encode(coding, text, NULL, 0);
        if (k < 0)
                return;
        encoded = malloc(MAX((size_t) k, (size_t) 1));
        must(encoded);
        must(text_encode(coding, text, encoded, (size_t) k) == k);
        must(k == 0 || text_encode(coding, text, encoded, (size_t) k - 1) == -ENOBUFS);

        arena_init(&a);
        must(text_decode(coding, encoded, (size_t) k, &a, &decoded, &lossy) == 0);
        must(!lossy || coding == TEXT_UTF8_OR_GSM7);
        /* GSM 7-bit ends with '@' as it ends with fill. */
        must(coding == TEXT_UTF8_OR_GSM7 || strncmp(text, decoded, strlen(decoded)) == 0);
        arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_data) {
        if (n_data < 1)
                return 0;
        check_decode(data[0] % _TEXT_CODING_MAX, data + 1, n_data - 1);
        check_encode(data[0] % _TEXT_CODING_MAX, data + 1, n_data - 1);
        return 0;
}
