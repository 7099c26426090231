/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmi/gsm7.h"

static const uint16_t alphabet[128] = {
        '@',    0x00A3, '$',    0x00A5, 0x00E8, 0x00E9, 0x00F9, 0x00EC, /* @£$¥èéùì */
        0x00F2, 0x00C7, '\n',   0x00D8, 0x00F8, '\r',   0x00C5, 0x00E5, /* òÇ Øø Åå */
        0x0394, '_',    0x03A6, 0x0393, 0x039B, 0x03A9, 0x03A0, 0x03A8, /* Δ_ΦΓΛΩΠΨ */
        0x03A3, 0x0398, 0x039E, 0,      0x00C6, 0x00E6, 0x00DF, 0x00C9, /* ΣΘΞ escape ÆæßÉ */
        ' ',    '!',    '"',    '#',    0x00A4, '%',    '&',    '\'',   /* ¤ */
        '(',    ')',    '*',    '+',    ',',    '-',    '.',    '/',    //
        '0',    '1',    '2',    '3',    '4',    '5',    '6',    '7',    //
        '8',    '9',    ':',    ';',    '<',    '=',    '>',    '?',    //
        0x00A1, 'A',    'B',    'C',    'D',    'E',    'F',    'G',    /* ¡ */
        'H',    'I',    'J',    'K',    'L',    'M',    'N',    'O',    //
        'P',    'Q',    'R',    'S',    'T',    'U',    'V',    'W',    //
        'X',    'Y',    'Z',    0x00C4, 0x00D6, 0x00D1, 0x00DC, 0x00A7, /* ÄÖÑÜ§ */
        0x00BF, 'a',    'b',    'c',    'd',    'e',    'f',    'g',    /* ¿ */
        'h',    'i',    'j',    'k',    'l',    'm',    'n',    'o',    //
        'p',    'q',    'r',    's',    't',    'u',    'v',    'w',    //
        'x',    'y',    'z',    0x00E4, 0x00F6, 0x00F1, 0x00FC, 0x00E0, /* äöñüà */
};

static const struct {
        uint8_t septet;
        uint16_t c;
} extension[] = {
        { 0x0A, '\f' }, { 0x14, '^' }, { 0x28, '{' }, { 0x29, '}' }, { 0x2F, '\\' },
        { 0x3C, '[' },  { 0x3D, '~' }, { 0x3E, ']' }, { 0x40, '|' }, { 0x65, 0x20AC /* € */ },
};

uint32_t gsm7_to_unicode(uint8_t septet, bool extended) {
        if (!extended)
                return septet < ELEMENTSOF(alphabet) ? alphabet[septet] : 0;
        for (size_t i = 0; i < ELEMENTSOF(extension); i++)
                if (extension[i].septet == septet)
                        return extension[i].c;
        return 0;
}

int gsm7_from_unicode(uint32_t c) {
        if (c == 0)
                return -EINVAL;
        for (size_t i = 0; i < ELEMENTSOF(alphabet); i++)
                if (alphabet[i] == c)
                        return (int) i;
        for (size_t i = 0; i < ELEMENTSOF(extension); i++)
                if (extension[i].c == c)
                        return GSM7_ESCAPE << 8 | extension[i].septet;
        return -EINVAL;
}

size_t gsm7_count_septets(size_t n_bytes) {
        return n_bytes * 8 / 7;
}

uint8_t gsm7_get_septet(const uint8_t *bytes, size_t i) {
        size_t bit = i * 7, shift = bit % 8;
        unsigned v = bytes[bit / 8] >> shift;

        if (shift > 1)
                v |= (unsigned) bytes[bit / 8 + 1] << (8 - shift);
        return v & 0x7F;
}
