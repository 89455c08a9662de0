/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/out.h"

#include <stdarg.h>
#include <stdio.h>

#include "mod_container/text.h"

/* Text is cleaned in pieces. A piece never cuts a character: text_clean() takes whole ones. */
#define CLEAN_SIZE 1024

/* Room for length bytes, at most OUT_BUFFER_SIZE, in one piece. */
static char *room(struct out *out, size_t length)
{
    if (out->buffer && OUT_BUFFER_SIZE - out->used < length)
        out->sink->pass(out);
    if (!out->buffer)
        out->sink->take(out);
    return out->buffer + out->used;
}

void out_bytes(struct out *out, const char *bytes, size_t length)
{
    if (__builtin_expect(out->buffer && OUT_BUFFER_SIZE - out->used >= length, 1)) {
        memcpy(out->buffer + out->used, bytes, length);
        out->used += length;
        return;
    }
    while (length > 0) {
        char *to = room(out, 1);
        size_t piece = OUT_BUFFER_SIZE - out->used;
        if (piece > length)
            piece = length;
        memcpy(to, bytes, piece);
        out->used += piece;
        bytes += piece;
        length -= piece;
    }
}

void out_char(struct out *out, char character)
{
    *room(out, 1) = character;
    out->used++;
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
    out->used += figure_print_count(count, room(out, FIGURE_NUMBER_SIZE));
}

void out_figure(struct out *out, const struct figure *figure, unsigned shift)
{
    out->used += figure_print(figure, shift, room(out, FIGURE_NUMBER_SIZE));
}

void out_seconds(struct out *out, uint64_t usec)
{
    struct figure figure = {.kind = FIGURE_DECIMAL, .decimals = 3, .count = usec / 1000};

    out_figure(out, &figure, 0);
}

/* How many bytes at the start need no look: printable ASCII that the table leaves alone. */
static size_t plain_length(const char *text, const struct out_escape *escape)
{
    size_t length = 0;

    for (;; length++) {
        unsigned char byte = (unsigned char)text[length];
        if (byte < 0x20 || byte >= 0x7f || (escape && escape->bytes[byte]))
            return length;
    }
}

/* Of clean text. */
static void put_escaped(struct out *out, const char *text, const struct out_escape *escape)
{
    while (*text) {
        unsigned char byte = (unsigned char)*text++;
        if (byte < 0x80 && escape && escape->bytes[byte])
            out_text(out, escape->bytes[byte]);
        else
            out_char(out, (char)byte);
    }
}

void out_escaped(struct out *out, const char *text, const struct out_escape *escape)
{
    char cleaned[CLEAN_SIZE];
    size_t plain = plain_length(text, escape);

    out_bytes(out, text, plain);
    text += plain;
    while (*text) {
        /* An escaped byte of ASCII is no reason to clean the rest. */
        unsigned char byte = (unsigned char)*text;
        if (byte >= 0x20 && byte < 0x7f) {
            if (escape && escape->bytes[byte])
                out_text(out, escape->bytes[byte]);
            else
                out_char(out, *text);
            text++;
            continue;
        }
        text += text_clean_part(text, cleaned, sizeof(cleaned));
        put_escaped(out, cleaned, escape);
    }
}

static const struct out_escape html_escape = {
    .bytes = {['<'] = "&lt;", ['>'] = "&gt;", ['&'] = "&amp;", ['"'] = "&quot;", ['\''] = "&#39;"}};
static const struct out_escape json_escape = {.bytes = {['"'] = "\\\"", ['\\'] = "\\\\"}};

void out_html(struct out *out, const char *text)
{
    out_escaped(out, text, &html_escape);
}

void out_json(struct out *out, const char *text)
{
    if (!text) {
        out_literal(out, "null");
        return;
    }
    out_char(out, '"');
    out_escaped(out, text, &json_escape);
    out_char(out, '"');
}
