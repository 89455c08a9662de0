/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_OUT_H
#define MOD_CONTAINER_OUT_H

/*
 * The body of a long answer, written piece by piece: a buffer of 16 KB that goes to a sink whenever
 * it is full. The sink of a request (out_request.c) is httpd's filters: a request never holds more
 * of its answer than the buffer and what httpd keeps for a slow client (64 KB). One thread, the
 * request's; it blocks while the client is slow. The sink of containerctl is its standard output.
 *
 * Text of others is cleaned (text.h) on its way out, in the same go in which it is escaped.
 */

#include <stdbool.h>
#include <string.h>

#include "common/figures.h"

#define OUT_BUFFER_SIZE 16384

struct request_rec;
struct apr_bucket_brigade;
struct out;

struct out_sink {
    /* Gives out->buffer, of OUT_BUFFER_SIZE. */
    void (*take)(struct out *out);
    /* Sends what is in the buffer, which is empty or NULL afterwards. */
    void (*pass)(struct out *out);
};

struct out {
    const struct out_sink *sink;
    struct request_rec *r; /* of the sink of a request */
    struct apr_bucket_brigade *brigade;
    char *buffer; /* NULL: none taken */
    size_t used;
    bool is_broken; /* the client is gone: what follows is dropped; loops may end */
};

/* ---- of a request ---- */

void out_begin(struct out *out, struct request_rec *r);

/* Sends what is there and says to the filters that it should leave now. */
void out_flush(struct out *out);

/* Sends the rest. Returns what the handler is to return. */
int out_end(struct out *out);

/* ---- of any ---- */

void out_bytes(struct out *out, const char *bytes, size_t length);
void out_char(struct out *out, char character);

static inline void out_text(struct out *out, const char *text)
{
    out_bytes(out, text, strlen(text));
}

/* A string constant. */
#define out_literal(out, text) out_bytes(out, text, sizeof(text) - 1)

/* printf, for what is written once an answer; at most 1,000 bytes. */
void out_format(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

void out_count(struct out *out, uint64_t count);

/* A number (not a text, not absent), with shift more decimals: figure_print(). */
void out_figure(struct out *out, const struct figure *figure, unsigned shift);

/* Seconds with three digits of microseconds: "1.234". */
void out_seconds(struct out *out, uint64_t usec);

/* How the bytes of a text look in a language; what is not named there stays. */
struct out_escape {
    const char *bytes[128]; /* NULL: as it is */
};

/* Cleaned; then escaped by table, unless NULL. */
void out_escaped(struct out *out, const char *text, const struct out_escape *escape);

static inline void out_clean(struct out *out, const char *text)
{
    out_escaped(out, text, NULL);
}

/* For HTML's text and attributes; both kinds of quotes too. */
void out_html(struct out *out, const char *text);

/* A JSON string with its quotes; NULL is null. */
void out_json(struct out *out, const char *text);

#endif
