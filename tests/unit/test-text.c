/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmi/text.h"
#include "unit.h"

#define decode(coding, bytes, text, lossy) \
        decode_bytes(coding, (const uint8_t *) (bytes), sizeof(bytes) - 1, text, lossy)

static void decode_bytes(TextCoding coding, const uint8_t *bytes, size_t n, const char *text, bool lossy) {
        _cleanup_free_ uint8_t *copy = malloc(MAX(n, (size_t) 1)); /* so that reading past the end shows */
        bool is_lossy;
        const char *s;
        Arena a;

        check(copy);
        memcpy(copy, bytes, n);
        arena_init(&a);
        check_int(text_decode(coding, copy, n, &a, &s, &is_lossy), 0);
        check_str(s, text);
        check_int(is_lossy, lossy);
        check(utf8_is_valid(s, strlen(s)));
        arena_done(&a);
}

/* There and back. */
static void both(TextCoding coding, const char *bytes, size_t n, const char *text) {
        uint8_t buffer[64];

        decode_bytes(coding, (const uint8_t *) bytes, n, text, false);
        check_int(text_encode(coding, text, NULL, 0), n);
        check_int(text_encode(coding, text, buffer, sizeof(buffer)), n);
        check_bytes(buffer, n, bytes, n);
        if (n > 0)
                check_int(text_encode(coding, text, buffer, n - 1), -ENOBUFS);
}

static void test_utf8(void) {
        both(TEXT_UTF8, "", 0, "");
        both(TEXT_UTF8, "MC7455", 6, "MC7455");
        both(TEXT_UTF8, "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x93\xB6", 9, "é€📶");
        decode(TEXT_UTF8, "MC7455\0", "MC7455", false);                 /* Sierra DMS 0x5556 */
        decode(TEXT_UTF8, "$GPGSV,1*6A\r\n", "$GPGSV,1*6A\r\n", false); /* NMEA */
        decode(TEXT_UTF8, " T-Mobile", " T-Mobile", false);
        decode(TEXT_UTF8, "\0\0\0", "", false);
        decode(TEXT_UTF8, "a\0b", "a\uFFFDb", true);
        decode(TEXT_UTF8, "a\xFF", "a\uFFFD", true);
        decode(TEXT_UTF8, "\xC3", "\uFFFD", true);
        decode(TEXT_UTF8, "\xC0\x80", "\uFFFD\uFFFD", true);                     /* overlong */
        decode(TEXT_UTF8, "\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD", true);           /* surrogate */
        decode(TEXT_UTF8, "\xF4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD", true); /* above U+10FFFF */
        check_int(text_encode(TEXT_UTF8, "\xFF", NULL, 0), -EINVAL);

        check(utf8_is_valid("é", 2));
        check(!utf8_is_valid("é", 1));
        check(!utf8_is_valid("a\0b", 3));
}

static void test_gsm7(void) {
        both(TEXT_GSM7, "\x49\x76\x3A\x4C\x06", 5, "Iliad");
        both(TEXT_GSM7, "\xE8\x32\x9B\xFD\x46\x97\xD9\xEC\x37", 9, "hellohello"); /* TS 23.038 packing */
        both(TEXT_GSM7, "\x31\xD9\x8C\x56\xB3\xDD\x00", 7, "1234567");            /* seven bits of fill */
        both(TEXT_GSM7, "\x31\xD9\x8C\x56\xB3\xDD\x70", 7, "12345678");
        both(TEXT_GSM7, "\x9B\x32", 2, "€");
        decode(TEXT_GSM7, "\x49\x76\x3A\x4C\x06\0\0\0", "Iliad", false);
        decode(TEXT_GSM7, "\x1B", "\uFFFD", true);     /* an escape and nothing behind it */
        decode(TEXT_GSM7, "\x9B\x0D", "\uFFFD", true); /* an escape before 0x1B */
        check_int(text_encode(TEXT_GSM7, "ж", NULL, 0), -EINVAL);
}

static void test_gsm8(void) {
        both(TEXT_GSM8, "Iliad", 5, "Iliad");
        both(TEXT_GSM8, "\x1B\x65\x02", 3, "€$");
        both(TEXT_GSM8, "\x00\x01", 2, "@£");
        decode(TEXT_GSM8, "a\0", "a", false);
        decode(TEXT_GSM8, "a\x80", "a\uFFFD", true);
}

static void test_ucs2(void) {
        both(TEXT_UCS2LE, "A\0\xAC\x20", 4, "A€");
        both(TEXT_UCS2BE, "\0A\x20\xAC", 4, "A€");
        both(TEXT_UCS2LE, "\x3D\xD8\xF6\xDC", 4, "📶");
        both(TEXT_UCS2BE, "\xD8\x3D\xDC\xF6", 4, "📶");
        /* The beginning of an operator's message as an EG25-G sent it (VOICE 0x0067). */
        both(TEXT_UCS2LE, "\x32\x04\x56\x04\x34\x04", 6, "від");
        decode(TEXT_UCS2LE, "A\0\0\0", "A", false);
        decode(TEXT_UCS2LE, "A\0B", "A\uFFFD", true);    /* half a unit */
        decode(TEXT_UCS2LE, "\x3D\xD8", "\uFFFD", true); /* half a pair */
        decode(TEXT_UCS2LE,
               "\x3D\xD8"
               "A\0",
               "\uFFFD"
               "A",
               true);                                    /* likewise */
        decode(TEXT_UCS2LE, "\xF6\xDC", "\uFFFD", true); /* the other half */
        /* What the bus takes for no character. */
        decode(TEXT_UCS2LE,
               "\xFF\xFF"
               "A",
               "\uFFFD\uFFFD", true);
        decode(TEXT_UCS2LE, "\xFE\xFF", "\uFFFD", true);
        decode(TEXT_UCS2LE, "\xD0\xFD", "\uFFFD", true);
        decode(TEXT_UTF8, "\xEF\xBF\xBF", "\uFFFD\uFFFD\uFFFD", true);
        decode(TEXT_UCS2BE, "\0A\0\0\0B",
               "A\uFFFD"
               "B",
               true);
}

static void test_latin1(void) {
        both(TEXT_LATIN1,
             "T\xE9l\xE9"
             "com",
             7, "Télécom");
        check_int(text_encode(TEXT_LATIN1, "€", NULL, 0), -EINVAL);
}

static void test_bcd(void) {
        both(TEXT_BCD, "\x21\x43", 2, "1234");
        both(TEXT_BCD, "\x21\xF3", 2, "123");
        both(TEXT_BCD, "\x00\xF0", 2, "000");
        both(TEXT_BCD, "\xBA\xDC\xFE", 3, "*#abc");
        decode(TEXT_BCD, "\x21\xFF\xFF", "12", false);
        decode(TEXT_BCD, "\x2F\xF3",
               "\uFFFD"
               "23",
               true);
        decode(TEXT_BCD, "\xFF\xFF\x1F",
               "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"
               "1",
               true);
        check_int(text_encode(TEXT_BCD, "+49", NULL, 0), -EINVAL);
}

static void test_utf8_or_gsm7(void) {
        /* NAS 0x0024 of a modem on Iliad: packed where others send ASCII. Its bytes cannot be had back. */
        decode(TEXT_UTF8_OR_GSM7, "\x49\x76\x3A\x4C\x06", "Iliad", true);
        decode(TEXT_UTF8_OR_GSM7, "\x41\xAA\x89\x0A", "AT&T", true);
        decode(TEXT_UTF8_OR_GSM7, " T-Mobile", " T-Mobile", false);
        decode(TEXT_UTF8_OR_GSM7, "T-Mobile\r\n\t", "T-Mobile\r\n\t", false);
        decode(TEXT_UTF8_OR_GSM7, "T\xE9l", "T\uFFFDl", true);
        decode(TEXT_UTF8_OR_GSM7, "a\x06\x80", "a\x06\uFFFD", true); /* fill bits that are set: not packed */
        decode(TEXT_UTF8_OR_GSM7, "", "", false);
        check_int(text_encode(TEXT_UTF8_OR_GSM7, "Iliad", NULL, 0), 5);
}

/* Every septet and every pair behind an escape decodes to what encodes to it, or to nothing. */
static void test_gsm_alphabet(void) {
        for (unsigned i = 1; i < 128; i++) { /* a lone 0, which is '@', counts as the end */
                uint8_t plain[] = { (uint8_t) i }, extended[] = { 0x1B, (uint8_t) i }, buffer[4];
                const char *s;
                bool lossy;
                Arena a;

                arena_init(&a);
                check_int(text_decode(TEXT_GSM8, plain, 1, &a, &s, &lossy), 0);
                check_int(lossy, i == 0x1B);
                if (!lossy) {
                        check_int(text_encode(TEXT_GSM8, s, buffer, sizeof(buffer)), 1);
                        check_int(buffer[0], i);
                }
                check_int(text_decode(TEXT_GSM8, extended, 2, &a, &s, &lossy), 0);
                if (!lossy) {
                        check_int(text_encode(TEXT_GSM8, s, buffer, sizeof(buffer)), 2);
                        check_bytes(buffer, 2, extended, 2);
                }
                arena_done(&a);
        }
}

int main(void) {
        test_utf8();
        test_gsm7();
        test_gsm8();
        test_ucs2();
        test_latin1();
        test_bcd();
        test_utf8_or_gsm7();
        test_gsm_alphabet();
        return 0;
}
