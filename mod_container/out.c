/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/out.h"

#include <stdarg.h>
#include <stdio.h>

#include <http_protocol.h>

#include "mod_container/text.h"

/* What an allocator of buckets gives from its free list is at most 8 KB; larger ones are kept by
   the connection's allocator likewise, and fewer trips through the filters pay. */
#define BUFFER_SIZE 16384

/* Text is cleaned in pieces. A piece never cuts a character: text_clean() takes whole ones. */
#define CLEAN_SIZE 1024

void out_begin(struct out *out, request_rec *r)
{
    *out = (struct out){.r = r};
    out->brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);
}

static void pass(struct out *out)
{
    if (!out->is_broken && ap_pass_brigade(out->r->output_filters, out->brigade) != APR_SUCCESS)
        out->is_broken = true;
    if (out->r->connection->aborted)
        out->is_broken = true;
    apr_brigade_cleanup(out->brigade);
}

/* Gives the buffer away to the brigade. */
static void wrap(struct out *out)
{
    apr_bucket *bucket;

    if (!out->buffer || out->used == 0)
        return;
    bucket = apr_bucket_heap_create(out->buffer, out->used, apr_bucket_free,
                                    out->r->connection->bucket_alloc);
    APR_BRIGADE_INSERT_TAIL(out->brigade, bucket);
    out->buffer = NULL;
    out->used = 0;
}

void out_flush(struct out *out)
{
    wrap(out);
    APR_BRIGADE_INSERT_TAIL(out->brigade,
                            apr_bucket_flush_create(out->r->connection->bucket_alloc));
    pass(out);
}

int out_end(struct out *out)
{
    wrap(out);
    if (!APR_BRIGADE_EMPTY(out->brigade))
        pass(out);
    if (out->buffer)
        apr_bucket_free(out->buffer);
    apr_brigade_destroy(out->brigade);
    return OK;
}

/* Room for length bytes, at most BUFFER_SIZE, in one piece. */
static char *room(struct out *out, size_t length)
{
    if (out->buffer && BUFFER_SIZE - out->used < length) {
        wrap(out);
        pass(out);
    }
    if (!out->buffer)
        out->buffer = apr_bucket_alloc(BUFFER_SIZE, out->r->connection->bucket_alloc);
    return out->buffer + out->used;
}

void out_bytes(struct out *out, const char *bytes, size_t length)
{
    if (__builtin_expect(out->buffer && BUFFER_SIZE - out->used >= length, 1)) {
        memcpy(out->buffer + out->used, bytes, length);
        out->used += length;
        return;
    }
    while (length > 0) {
        char *to = room(out, 1);
        size_t piece = BUFFER_SIZE - out->used;
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
