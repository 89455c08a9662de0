/* SPDX-License-Identifier: Apache-2.0 */
#include "common/board/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* How many bytes the character at text has, 0 if it is none; *code gets its number. */
static size_t take_character(const unsigned char *text, uint32_t *code)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t first;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

    for (size_t extra = 0; extra < 4; extra++) {
        if ((text[0] & forms[extra].mask) != forms[extra].lead)
            continue;
        *code = text[0] & (unsigned char)~forms[extra].mask;
        for (size_t i = 1; i <= extra; i++) {
            if ((text[i] & 0xc0) != 0x80)
                return 0;
            *code = *code << 6 | (text[i] & 0x3f);
        }
        bool is_surrogate = *code >= 0xd800 && *code <= 0xdfff;
        return *code < forms[extra].first || *code > 0x10ffff || is_surrogate ? 0 : extra + 1;
    }
    return 0;
}

static bool is_unfit(uint32_t code)
{
    static const struct {
        uint32_t first, last;
    } unfit[] = {
        {0x00, 0x1f},       {0x7f, 0x9f},     /* controls */
        {0x061c, 0x061c},   {0x200e, 0x200f}, /* marks of direction */
        {0x2028, 0x202e},   {0x2066, 0x2069}, /* ends of lines, turns of direction */
        {0xfeff, 0xfeff},   {0xfff9, 0xfffb}, /* byte order mark, interlinear notes */
        {0xe0000, 0xe007f},                   /* tags, which nobody sees */
    };

    for (size_t i = 0; i < sizeof(unfit) / sizeof(unfit[0]) && code >= unfit[i].first; i++)
        if (code <= unfit[i].last)
            return true;
    return false;
}

size_t text_clean_part(const char *text, char *buffer, size_t size)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t used = 0;

    while (*at) {
        uint32_t code = 0;
        size_t length = take_character(at, &code);
        const char *piece = (const char *)at;
        size_t piece_length = length;

        if (length == 0) {
            piece = "\xef\xbf\xbd";
            piece_length = 3;
            length = 1;
        } else if (is_unfit(code)) {
            piece = " ";
            piece_length = 1;
        }
        if (used + piece_length >= size)
            break;
        memcpy(buffer + used, piece, piece_length);
        used += piece_length;
        at += length;
    }
    buffer[used] = '\0';
    return (size_t)(at - (const unsigned char *)text);
}

char *text_clean(const char *text, char *buffer, size_t size)
{
    text_clean_part(text, buffer, size);
    return buffer;
}
