/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/out.h"

#include <stdarg.h>
#include <stdio.h>

#include <http_protocol.h>

#include "mod_container/text.h"

/* Text is cleaned in pieces. A piece never cuts a character: text_clean() takes whole ones. */
#define CLEAN_SIZE 1024

/* What a request's pool knows an answer by, while it is being kept. */
#define KEEP_KEY "container-answer"

static void drop_answer(struct out *out)
{
    if (out->answer)
        out->answer->is_too_large = true;
    out->answer = NULL;
}

void out_begin(struct out *out, request_rec *r)
{
    void *answer = NULL;

    apr_pool_userdata_get(&answer, KEEP_KEY, r->pool);
    *out = (struct out){.r = r, .answer = answer};
    out->brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);
}

static apr_status_t keep_end(void *data)
{
    answer_free(data);
    return APR_SUCCESS;
}

void out_keep(request_rec *r, struct answer *answer)
{
    apr_pool_userdata_setn(answer, KEEP_KEY, NULL, r->pool);
    apr_pool_cleanup_register(r->pool, answer, keep_end, apr_pool_cleanup_null);
}

struct answer *out_kept(request_rec *r)
{
    void *data = NULL;

    apr_pool_userdata_get(&data, KEEP_KEY, r->pool);
    struct answer *answer = data;
    if (!answer || answer->is_too_large || r->connection->aborted)
        return NULL;
    apr_pool_cleanup_kill(r->pool, answer, keep_end);
    apr_pool_userdata_setn(NULL, KEEP_KEY, NULL, r->pool);
    return answer;
}

static void pass(struct out *out)
{
    if (!out->is_broken && ap_pass_brigade(out->r->output_filters, out->brigade) != APR_SUCCESS)
        out->is_broken = true;
    if (out->r->connection->aborted)
        out->is_broken = true;
    if (out->is_broken)
        drop_answer(out);
    apr_brigade_cleanup(out->brigade);
}

static void free_bytes(void *bytes)
{
    piece_unref(piece_of(bytes));
}

static void append(struct out *out, struct piece *piece)
{
    apr_bucket *bucket = apr_bucket_heap_create(piece->bytes, piece->used, free_bytes,
                                                out->r->connection->bucket_alloc);

    APR_BRIGADE_INSERT_TAIL(out->brigade, bucket);
}

/* Gives the piece away to the brigade. */
static void wrap(struct out *out)
{
    struct piece *piece = out->piece;

    out->piece = NULL;
    if (!piece)
        return;
    piece->used = (size_t)(out->at - piece->bytes);
    out->at = out->end = NULL;
    if (out->answer)
        answer_add(out->answer, piece);
    append(out, piece);
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
    apr_brigade_destroy(out->brigade);
    return OK;
}

/* The body is in memory already, whoever else reads it: there is nothing to gain by pieces. */
int out_send(request_rec *r, const struct answer *answer)
{
    struct out out = {.r = r};

    out.brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    for (size_t i = 0; i < answer->count; i++)
        append(&out, piece_ref(answer->pieces[i]));
    return out_end(&out);
}

/* Room for length bytes, at most PIECE_SIZE, in one piece. */
static char *room(struct out *out, size_t length)
{
    if ((size_t)(out->end - out->at) >= length)
        return out->at;
    if (out->piece) {
        wrap(out);
        /* httpd would wait for 64 KB; but the reader shall see the beginning at once. */
        if (!out->has_begun)
            APR_BRIGADE_INSERT_TAIL(out->brigade,
                                    apr_bucket_flush_create(out->r->connection->bucket_alloc));
        out->has_begun = true;
        pass(out);
    }
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
