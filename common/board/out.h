/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BOARD_OUT_H
#define COMMON_BOARD_OUT_H

/*
 * The body of a long answer, written piece by piece: a buffer of 16 KB that is passed on whenever
 * it is full. Of a request (out_request.c) it goes down httpd's filters: it never holds more of its
 * answer than that and what httpd keeps for a slow client (64 KB). One thread, the request's; it
 * blocks while the client is slow. containerctl passes its pieces to standard output.
 *
 * Text of others is cleaned (text.h) on its way out, in the same go in which it is escaped.
 */

#include <stdbool.h>
#include <string.h>

#include "common/board/answers.h"
#include "common/figures.h"

struct request_rec;
struct apr_bucket_brigade;

struct out {
    /* Takes what is in the piece, which is given away: piece, at and end are NULL afterwards. */
    void (*pass)(struct out *out);
    struct request_rec *r; /* of a request, else NULL */
    struct apr_bucket_brigade *brigade;
    struct answer *answer; /* keeps what goes out, too; or NULL */
    struct piece *piece;   /* NULL: none taken */
    char *at, *end;        /* the room in it; both NULL without one */
    bool has_begun;        /* the first piece is on its way */
    bool is_broken;        /* the client is gone: what follows is dropped; loops may end */
};

/* ---- of a request ---- */

/* Begins; the request's answer is kept, too, if out_keep() said so. */
void out_begin(struct out *out, struct request_rec *r);

/* Says that what is written for this request is to be kept in answer, until out_kept(). */
void out_keep(struct request_rec *r, struct answer *answer);

/* Takes the answer back, whole; NULL when it was not written to its end. */
struct answer *out_kept(struct request_rec *r);

/* Sends an answer that was kept. */
int out_send(struct request_rec *r, const struct answer *answer);

/* Sends what is there and says to the filters that it should leave now. */
void out_flush(struct out *out);

/* Sends the rest. Returns what the handler is to return. */
int out_end(struct out *out);

/* ---- of any ---- */

/* The slow half of out_bytes(). */
void out_bytes_more(struct out *out, const char *bytes, size_t length);

static inline void out_bytes(struct out *out, const char *bytes, size_t length)
{
    /* Also what just fits, so that nothing is copied to NULL while there is no piece. */
    if (__builtin_expect((size_t)(out->end - out->at) <= length, 0)) {
        out_bytes_more(out, bytes, length);
        return;
    }
    memcpy(out->at, bytes, length);
    out->at += length;
}

static inline void out_char(struct out *out, char character)
{
    if (__builtin_expect(out->at == out->end, 0))
        out_bytes_more(out, &character, 1);
    else
        *out->at++ = character;
}

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

/* The languages that a text of others is escaped for. */
enum out_language {
    OUT_PLAIN = 0, /* one line, cleaned only */
    OUT_HTML,      /* text and attributes */
    OUT_JSON,      /* inside of quotes; OpenMetrics' labels, too */
    OUT_CSV,       /* inside of quotes */
};

/* Cleaned and escaped. */
void out_escaped(struct out *out, const char *text, enum out_language language);

static inline void out_clean(struct out *out, const char *text)
{
    out_escaped(out, text, OUT_PLAIN);
}

/* For HTML's text and attributes; both kinds of quotes too. */
void out_html(struct out *out, const char *text);

/* A JSON string with its quotes; NULL is null. */
void out_json(struct out *out, const char *text);

#endif
