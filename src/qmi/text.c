/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmi/text.h"

#include "qmi/gsm7.h"

#define REPLACEMENT 0xFFFDU

/* Nibbles of BCD text; 10 to 14 as 3GPP TS 24.008 (table 10.5.118) has them, 15 fills. */
static const char bcd_digits[] = "0123456789*#abc";

/* Code points that are no characters, surrogates apart: sd-bus takes no message with one in it, so that a
 * modem could have its answers fail. */
static bool is_noncharacter(uint32_t c) {
        return (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFE) == 0xFFFE;
}

/* The length of the well-formed UTF-8 sequence at `s` and its character; 0 if there is none. */
static size_t utf8_next(const uint8_t *s, size_t n, uint32_t *ret) {
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        uint32_t c;
        size_t len;

        if (s[0] < 0x80) {
                *ret = s[0];
                return 1;
        }
        if (s[0] >= 0xF8)
                return 0;
        len = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : s[0] >= 0xC0 ? 2 : 0;
        if (len == 0 || len > n)
                return 0;

        c = s[0] & (0xFFU >> (len + 1));
        for (size_t i = 1; i < len; i++) {
                if ((s[i] & 0xC0) != 0x80)
                        return 0;
                c = c << 6 | (s[i] & 0x3F);
        }
        if (c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) || is_noncharacter(c))
                return 0;
        *ret = c;
        return len;
}

static char *utf8_put(char *p, uint32_t c) {
        if (c < 0x80)
                *p++ = (char) c;
        else if (c < 0x800) {
                *p++ = (char) (0xC0 | c >> 6);
                *p++ = (char) (0x80 | (c & 0x3F));
        } else if (c < 0x10000) {
                *p++ = (char) (0xE0 | c >> 12);
                *p++ = (char) (0x80 | (c >> 6 & 0x3F));
                *p++ = (char) (0x80 | (c & 0x3F));
        } else {
                *p++ = (char) (0xF0 | c >> 18);
                *p++ = (char) (0x80 | (c >> 12 & 0x3F));
                *p++ = (char) (0x80 | (c >> 6 & 0x3F));
                *p++ = (char) (0x80 | (c & 0x3F));
        }
        return p;
}

bool utf8_is_valid(const char *s, size_t n) {
        const uint8_t *p = (const uint8_t *) s;
        uint32_t c;
        size_t len;

        for (; n > 0; p += len, n -= len) {
                len = utf8_next(p, n, &c);
                if (len == 0 || c == 0)
                        return false;
        }
        return true;
}

/* Each decoder writes into memory that is large enough and returns the end; *lossy is set, never cleared. */

static char *put_checked(char *p, uint32_t c, bool *lossy) {
        if (c == 0 || is_noncharacter(c)) {
                c = REPLACEMENT;
                *lossy = true;
        }
        return utf8_put(p, c);
}

static char *decode_utf8(char *p, const uint8_t *b, size_t n, bool *lossy) {
        uint32_t c;

        for (size_t i = 0, len; i < n; i += MAX(len, (size_t) 1)) {
                len = utf8_next(b + i, n - i, &c);
                p = put_checked(p, len > 0 ? c : 0, lossy);
        }
        return p;
}

static char *decode_latin1(char *p, const uint8_t *b, size_t n, bool *lossy) {
        for (size_t i = 0; i < n; i++)
                p = put_checked(p, b[i], lossy);
        return p;
}

/* Septets of packed text without those at the end that are zero: fill, or NULs. (Seven bytes hold seven
 * characters and seven bits of fill as well as eight characters.) */
static size_t count_packed(const uint8_t *b, size_t n) {
        size_t n_septets = gsm7_count_septets(n);

        while (n_septets > 0 && gsm7_get_septet(b, n_septets - 1) == 0)
                n_septets--;
        return n_septets;
}

static char *decode_gsm(char *p, const uint8_t *b, size_t n, bool packed, bool *lossy) {
        size_t n_septets = packed ? count_packed(b, n) : n;
        bool extended = false;
        uint8_t septet;

        for (size_t i = 0; i < n_septets; i++) {
                septet = packed ? gsm7_get_septet(b, i) : b[i];
                if (septet == GSM7_ESCAPE && !extended) {
                        extended = true;
                        continue;
                }
                p = put_checked(p, gsm7_to_unicode(septet, extended), lossy);
                extended = false;
        }
        return extended ? put_checked(p, 0, lossy) : p;
}

static char *decode_utf16(char *p, const uint8_t *b, size_t n, bool big_endian, bool *lossy) {
        uint32_t c, low;

        for (size_t i = 0; i < n; i += 2) {
                if (i + 1 == n)
                        return put_checked(p, 0, lossy);
                c = big_endian ? (uint32_t) b[i] << 8 | b[i + 1] : read_le16(b + i);
                if (c >= 0xD800 && c <= 0xDBFF && i + 3 < n) {
                        low = big_endian ? (uint32_t) b[i + 2] << 8 | b[i + 3] : read_le16(b + i + 2);
                        if (low >= 0xDC00 && low <= 0xDFFF) {
                                c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
                                i += 2;
                        }
                }
                p = put_checked(p, c >= 0xD800 && c <= 0xDFFF ? 0 : c, lossy);
        }
        return p;
}

static char *decode_bcd(char *p, const uint8_t *b, size_t n, bool *lossy) {
        size_t n_digits = 2 * n;
        uint8_t digit;

        while (n_digits > 0 && (b[(n_digits - 1) / 2] >> (n_digits % 2 ? 0 : 4) & 0xF) == 0xF)
                n_digits--;
        for (size_t i = 0; i < n_digits; i++) {
                digit = b[i / 2] >> (i % 2 ? 4 : 0) & 0xF;
                p = put_checked(p, digit < 15 ? (uint32_t) bcd_digits[digit] : 0, lossy);
        }
        return p;
}

static size_t drop_trailing_nuls(TextCoding coding, const uint8_t *b, size_t n) {
        if (coding == TEXT_BCD || coding == TEXT_GSM7) /* there it may be part of the text */
                return n;
        if (coding == TEXT_UCS2LE || coding == TEXT_UCS2BE) {
                while (n >= 2 && n % 2 == 0 && b[n - 1] == 0 && b[n - 2] == 0)
                        n -= 2;
                return n;
        }
        while (n > 0 && b[n - 1] == 0)
                n--;
        return n;
}

static bool is_control(uint32_t c) {
        return c < 0x20 || c == 0x7F;
}

/* Some modems put packed GSM text where their manual says ASCII (NAS 0x0024 with "Iliad" as 49 76 3a 4c 06,
 * "AT&T" as 41 aa 89 0a). It shows in control characters (those at a line's end occur in real ASCII), and in
 * what is no UTF-8. */
static bool is_packed_gsm(const uint8_t *b, size_t n) {
        size_t n_septets = count_packed(b, n), n_fill = n * 8 - gsm7_count_septets(n) * 7;
        size_t n_text = drop_trailing_nuls(TEXT_UTF8, b, n);
        bool is_odd = !utf8_is_valid((const char *) b, n_text);

        for (size_t i = 0; i < n_text; i++)
                if (is_control(b[i]) && b[i] != '\t' && b[i] != '\r' && b[i] != '\n')
                        is_odd = true;
        if (!is_odd || b[n - 1] >> (8 - n_fill) != 0)
                return false;

        for (size_t i = 0; i < n_septets; i++) {
                uint8_t septet = gsm7_get_septet(b, i);
                bool extended = septet == GSM7_ESCAPE && i + 1 < n_septets;

                if (is_control(gsm7_to_unicode(extended ? gsm7_get_septet(b, ++i) : septet, extended)))
                        return false;
        }
        return true;
}

int text_decode(TextCoding coding, const uint8_t *bytes, size_t n_bytes, Arena *a, const char **ret,
                bool *ret_lossy) {
        bool lossy = false;
        char *text, *end;
        size_t n, n_most;

        if (coding == TEXT_UTF8_OR_GSM7) {
                lossy = is_packed_gsm(bytes, n_bytes);
                coding = lossy ? TEXT_GSM7 : TEXT_UTF8;
        }
        n = drop_trailing_nuls(coding, bytes, n_bytes);

        if (coding == TEXT_UTF8 && utf8_is_valid((const char *) bytes, n)) {
                text = arena_strndup(a, (const char *) bytes, n);
                if (!text)
                        return -ENOMEM;
                *ret = text;
                *ret_lossy = false;
                return 0;
        }

        n_most = coding == TEXT_GSM7 ? gsm7_count_septets(n) : coding == TEXT_BCD ? 2 * n : n;
        text = end = arena_alloc(a, n_most * 3 + 1); /* characters above U+FFFF take four bytes of input */
        if (!text)
                return -ENOMEM;

        switch (coding) {
        case TEXT_UTF8:
        case TEXT_UTF8_OR_GSM7:
                end = decode_utf8(text, bytes, n, &lossy);
                break;
        case TEXT_GSM7:
        case TEXT_GSM8:
                end = decode_gsm(text, bytes, n, coding == TEXT_GSM7, &lossy);
                break;
        case TEXT_UCS2LE:
        case TEXT_UCS2BE:
                end = decode_utf16(text, bytes, n, coding == TEXT_UCS2BE, &lossy);
                break;
        case TEXT_LATIN1:
                end = decode_latin1(text, bytes, n, &lossy);
                break;
        case TEXT_BCD:
                end = decode_bcd(text, bytes, n, &lossy);
                break;
        case _TEXT_CODING_MAX:
        case _TEXT_CODING_INVALID:
                return -EINVAL;
        }

        *end = 0;
        *ret = text;
        *ret_lossy = lossy;
        return 0;
}

/* Where encoded bytes go: they are counted even when there is no place for them. */
typedef struct Sink {
        uint8_t *buffer;
        size_t n_buffer, n;
} Sink;

static void sink_put(Sink *s, uint8_t byte) {
        if (s->buffer && s->n < s->n_buffer)
                s->buffer[s->n] = byte;
        s->n++;
}

static void sink_put16(Sink *s, uint32_t unit, bool big_endian) {
        sink_put(s, (uint8_t) (big_endian ? unit >> 8 : unit));
        sink_put(s, (uint8_t) (big_endian ? unit : unit >> 8));
}

/* `bits` holds what has not filled a byte yet. */
static void sink_put_septet(Sink *s, unsigned *bits, unsigned *n_bits, uint8_t septet) {
        *bits |= (unsigned) septet << *n_bits;
        *n_bits += 7;
        if (*n_bits >= 8) {
                sink_put(s, (uint8_t) *bits);
                *bits >>= 8;
                *n_bits -= 8;
        }
}

static void sink_put_utf16(Sink *s, uint32_t c, bool big_endian) {
        if (c >= 0x10000) {
                sink_put16(s, 0xD800 + ((c - 0x10000) >> 10), big_endian);
                c = 0xDC00 + ((c - 0x10000) & 0x3FF);
        }
        sink_put16(s, c, big_endian);
}

ssize_t text_encode(TextCoding coding, const char *text, uint8_t *buffer, size_t n_buffer) {
        Sink s = { .buffer = buffer, .n_buffer = n_buffer };
        const uint8_t *p = (const uint8_t *) text;
        size_t n = strlen(text), len;
        unsigned bits = 0, n_bits = 0;
        const char *digit;
        uint32_t c;
        int r;

        for (; n > 0; p += len, n -= len) {
                len = utf8_next(p, n, &c);
                if (len == 0)
                        return -EINVAL;

                switch (coding) {
                case TEXT_UTF8:
                case TEXT_UTF8_OR_GSM7:
                        for (size_t i = 0; i < len; i++)
                                sink_put(&s, p[i]);
                        break;
                case TEXT_GSM7:
                case TEXT_GSM8:
                        r = gsm7_from_unicode(c);
                        if (r < 0)
                                return r;
                        if (coding == TEXT_GSM8) {
                                if (r > 0xFF)
                                        sink_put(&s, GSM7_ESCAPE);
                                sink_put(&s, (uint8_t) r);
                        } else {
                                if (r > 0xFF)
                                        sink_put_septet(&s, &bits, &n_bits, GSM7_ESCAPE);
                                sink_put_septet(&s, &bits, &n_bits, (uint8_t) r);
                        }
                        break;
                case TEXT_UCS2LE:
                case TEXT_UCS2BE:
                        sink_put_utf16(&s, c, coding == TEXT_UCS2BE);
                        break;
                case TEXT_LATIN1:
                        if (c > 0xFF)
                                return -EINVAL;
                        sink_put(&s, (uint8_t) c);
                        break;
                case TEXT_BCD:
                        digit = c < 0x80 ? strchr(bcd_digits, (int) c) : NULL;
                        if (!digit)
                                return -EINVAL;
                        bits |= (unsigned) (digit - bcd_digits) << n_bits;
                        n_bits += 4;
                        if (n_bits == 8) {
                                sink_put(&s, (uint8_t) bits);
                                bits = n_bits = 0;
                        }
                        break;
                case _TEXT_CODING_MAX:
                case _TEXT_CODING_INVALID:
                        return -EINVAL;
                }
        }

        if (n_bits > 0)
                sink_put(&s, (uint8_t) (coding == TEXT_BCD ? bits | 0xF0 : bits));
        if (buffer && s.n > n_buffer)
                return -ENOBUFS;
        return (ssize_t) s.n;
}

TextCoding text_coding(const SchemaType *t, const uint64_t *words) {
        if (!(t->flags & SCHEMA_CODING_BY_FIELD))
                return t->coding;
        for (const SchemaCoding *c = schema_codings + t->coding;; c++) {
                if (c->value == words[t->coding_field])
                        return c->coding;
                if (c->is_last)
                        return _TEXT_CODING_INVALID;
        }
}
