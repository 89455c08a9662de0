/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_HTML_H
#define MOD_CONTAINER_HTML_H

/*
 * Writes HTML and SVG through one small buffer into a sink, so that a page of any length takes the
 * same memory. Only html_raw() and html_format() take markup, and they take it from our own code;
 * what came from elsewhere goes through html_text() or html_url(). Knows no httpd; one thread a
 * writer.
 */

#include <stddef.h>
#include <stdint.h>

#define HTML_BUFFER_SIZE 4096

struct html {
    void (*sink)(void *context, const char *text, size_t length);
    void *context;
    size_t used;
    char buffer[HTML_BUFFER_SIZE];
};

void html_begin(struct html *html, void (*sink)(void *, const char *, size_t), void *context);

/* Hands what is in the buffer to the sink; the last call of a page. */
void html_flush(struct html *html);

/* Markup of our own. */
void html_raw(struct html *html, const char *markup);
void html_bytes(struct html *html, const char *markup, size_t length);

/* Markup with numbers and names of our own in it; at most HTML_BUFFER_SIZE - 1 characters. */
void html_format(struct html *html, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Any text as content, or inside a quoted attribute: cleaned (text.h) and escaped. */
void html_text(struct html *html, const char *text);

/* Any text as one segment of a path, or one name or value of a query: percent-encoded. */
void html_url(struct html *html, const char *text);

/* A decimal number. */
void html_count(struct html *html, uint64_t number);
void html_signed(struct html *html, int64_t number);

/* "9.8 MiB", "512 B": IEC units (IEC 80000-13), two or three digits. */
void html_size(struct html *html, uint64_t bytes);

/* The same in an element whose title is the raw number; behind is put behind the unit ("/s"). */
void html_size_titled(struct html *html, uint64_t bytes, const char *behind);

/* "3d4h", "5m12s". */
void html_duration(struct html *html, uint64_t usec);

/* Thousandths with so many digits behind the point, 0 to 3, rounded down. */
void html_milli(struct html *html, uint64_t milli, unsigned digits);

/* Microseconds as people say them: "850 µs", "12 ms", "3.4 s". */
void html_latency(struct html *html, uint64_t usec);

#endif
