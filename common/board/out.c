/* SPDX-License-Identifier: Apache-2.0 */
#include "common/board/out.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/board/text.h"

/* Text is cleaned in pieces. A piece never cuts a character: text_clean() takes whole ones. */
#define CLEAN_SIZE 1024

/* Room for length bytes, at most PIECE_SIZE, in one piece. */
static char *room(struct out *out, size_t length)
{
    if ((size_t)(out->end - out->at) >= length)
        return out->at;
    if (out->piece)
        out->pass(out);
    out->piece = piece_new();
    out->at = out->piece->bytes;
    out->end = out->at + PIECE_SIZE;
    return out->at;
}

void out_bytes_more(struct out *out, const char *bytes, size_t length)
{
    while (length > 0) {
        char *to = room(out, 1);
        size_t part = (size_t)(out->end - to);
        if (part > length)
            part = length;
        memcpy(to, bytes, part);
        out->at += part;
        bytes += part;
        length -= part;
    }
}

void out_format(struct out *out, const char *format, ...)
{
    char text[1000];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (length > 0)
        out_bytes(out, text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

void out_count(struct out *out, uint64_t count)
{
    out->at += figure_print_count(count, room(out, FIGURE_NUMBER_SIZE));
}

void out_figure(struct out *out, const struct figure *figure, unsigned shift)
{
    out->at += figure_print(figure, shift, room(out, FIGURE_NUMBER_SIZE));
}

void out_seconds(struct out *out, uint64_t usec)
{
    struct figure figure = {.kind = FIGURE_DECIMAL, .decimals = 3, .count = usec / 1000};

    out_figure(out, &figure, 0);
}

/* What a byte of a text needs, or-ed: to be cleaned; to be escaped, 1 << language. */
#define CLEAN 0x80u
#define HTML  (1u << OUT_HTML)
#define JSON  (1u << OUT_JSON)
#define CSV   (1u << OUT_CSV)

/* NUL is to be cleaned: each search ends there. Of the bytes behind ASCII text.c knows more. */
static const unsigned char needs[256] = {
    [0x00 ... 0x1f] = CLEAN,
    [0x7f ... 0xff] = CLEAN,
    ['"'] = HTML | JSON | CSV,
    ['&'] = HTML,
    ['\''] = HTML,
    ['<'] = HTML,
    ['>'] = HTML,
    ['\\'] = JSON,
};

static void put_byte(struct out *out, char byte, enum out_language language)
{
    if (!(needs[(unsigned char)byte] & 1u << language) || language == OUT_PLAIN) {
        out_char(out, byte);
    } else if (language == OUT_JSON) {
        out_char(out, '\\');
        out_char(out, byte);
    } else if (language == OUT_CSV) {
        out_literal(out, "\"\"");
    } else {
        out_text(out, byte == '<'   ? "&lt;"
                      : byte == '>' ? "&gt;"
                      : byte == '&' ? "&amp;"
                      : byte == '"' ? "&quot;"
                                    : "&#39;");
    }
}

void out_escaped(struct out *out, const char *text, enum out_language language)
{
    unsigned char mask = (unsigned char)(CLEAN | (language ? 1u << language : 0));
    char cleaned[CLEAN_SIZE];

    for (;;) {
        const char *start = text;
        while (!(needs[(unsigned char)*text] & mask))
            text++;
        out_bytes(out, start, (size_t)(text - start));
        if (!*text)
            return;
        if (!(needs[(unsigned char)*text] & CLEAN)) {
            put_byte(out, *text++, language);
            continue;
        }
        text += text_clean_part(text, cleaned, sizeof(cleaned));
        for (const char *at = cleaned; *at; at++)
            put_byte(out, *at, language);
    }
}

void out_html(struct out *out, const char *text)
{
    out_escaped(out, text, OUT_HTML);
}

void out_json(struct out *out, const char *text)
{
    if (!text) {
        out_literal(out, "null");
        return;
    }
    out_char(out, '"');
    out_escaped(out, text, OUT_JSON);
    out_char(out, '"');
}
