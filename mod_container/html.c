/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/html.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"
#include "mod_container/text.h"

void html_begin(struct html *html, void (*sink)(void *, const char *, size_t), void *context)
{
    html->sink = sink;
    html->context = context;
    html->used = 0;
}

void html_flush(struct html *html)
{
    if (html->used > 0)
        html->sink(html->context, html->buffer, html->used);
    html->used = 0;
}

void html_bytes(struct html *html, const char *markup, size_t length)
{
    if (length > sizeof(html->buffer) - html->used)
        html_flush(html);
    if (length > sizeof(html->buffer)) {
        html->sink(html->context, markup, length);
        return;
    }
    memcpy(html->buffer + html->used, markup, length);
    html->used += length;
}

void html_raw(struct html *html, const char *markup)
{
    html_bytes(html, markup, strlen(markup));
}

/* Text that is cut would be markup that is cut: better that a sanitizer or a test sees nothing. */
void html_format(struct html *html, const char *format, ...)
{
    char text[HTML_BUFFER_SIZE];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length < sizeof(text))
        html_bytes(html, text, (size_t)length);
}

/* How many characters there are that mean the same in text, in markup and in a quoted value. */
static size_t plain_length(const char *text)
{
    size_t length = 0;

    while (text[length] >= 0x20 && text[length] < 0x7f && !strchr("&<>\"'", text[length]))
        length++;
    return length;
}

static const char *entity_of(const char *piece, size_t length)
{
    static const char *const entities[][2] = {
        {"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}};

    for (size_t i = 0; length == 1 && i < sizeof(entities) / sizeof(entities[0]); i++)
        if (*piece == *entities[i][0])
            return entities[i][1];
    return NULL;
}

void html_text(struct html *html, const char *text)
{
    const char *piece;
    size_t length;

    for (;;) {
        length = plain_length(text);
        html_bytes(html, text, length);
        text += length;
        if (!*text)
            return;
        text += text_next(text, &piece, &length);
        const char *entity = entity_of(piece, length);
        if (entity)
            html_raw(html, entity);
        else
            html_bytes(html, piece, length);
    }
}

/* RFC 3986 section 2.3: what needs no encoding anywhere. */
static int is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void html_url(struct html *html, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        char encoded[3] = {'%', digits[*at >> 4], digits[*at & 15]};
        if (is_unreserved(*at))
            html_bytes(html, (const char *)at, 1);
        else
            html_bytes(html, encoded, sizeof(encoded));
    }
}

/* A page of many containers is mostly numbers: printf() took a quarter of its time. */
void html_count(struct html *html, uint64_t number)
{
    char text[24];
    char *at = text + sizeof(text);

    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    html_bytes(html, at, (size_t)(text + sizeof(text) - at));
}

void html_signed(struct html *html, int64_t number)
{
    if (number < 0)
        html_raw(html, "-");
    html_count(html, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

void html_milli(struct html *html, uint64_t milli, unsigned digits)
{
    static const unsigned units[] = {1000, 100, 10, 1};

    html_count(html, milli / 1000);
    if (digits == 0)
        return;
    unsigned fraction = (unsigned)(milli % 1000) / units[digits];
    char text[4] = ".";
    for (unsigned i = digits; i > 0; i--, fraction /= 10)
        text[i] = (char)('0' + fraction % 10);
    html_bytes(html, text, digits + 1);
}

void html_size(struct html *html, uint64_t bytes)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
    unsigned unit = 0;
    uint64_t unit_bytes = 1;

    while (unit + 1 < sizeof(units) / sizeof(units[0]) && bytes / unit_bytes >= 1000) {
        unit_bytes *= 1024;
        unit++;
    }
    uint64_t whole = bytes / unit_bytes;
    html_count(html, whole);
    if (unit > 0 && whole < 10) {
        char tenth[2] = {'.', (char)('0' + bytes % unit_bytes * 10 / unit_bytes)};
        html_bytes(html, tenth, sizeof(tenth));
    }
    html_raw(html, units[unit]);
}

void html_size_titled(struct html *html, uint64_t bytes, const char *behind)
{
    html_raw(html, "<span title=\"");
    html_count(html, bytes);
    html_raw(html, " bytes");
    html_raw(html, behind);
    html_raw(html, "\">");
    html_size(html, bytes);
    html_raw(html, behind);
    html_raw(html, "</span>");
}

void html_duration(struct html *html, uint64_t usec)
{
    char buffer[32];

    html_raw(html, format_duration(usec, buffer, sizeof(buffer)));
}

void html_latency(struct html *html, uint64_t usec)
{
    if (usec < 1000) {
        html_count(html, usec);
        html_raw(html, " µs");
    } else if (usec < 1000000) {
        html_milli(html, usec, usec < 10000 ? 1 : 0);
        html_raw(html, " ms");
    } else {
        html_milli(html, usec / 1000, usec < 10000000 ? 1 : 0);
        html_raw(html, " s");
    }
}
