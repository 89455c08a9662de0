/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_HTML_H
#define MOD_CONTAINER_HTML_H

/*
 * What HTML pages write on top of out.h: addresses, and numbers as people read them.
 */

#include "common/board/out.h"

/* Any text as one segment of a path, or one name or value of a query: percent-encoded. */
void html_url(struct out *out, const char *text);

/* "9.8 MiB", "512 B": IEC units (IEC 80000-13), two or three digits. */
void html_size(struct out *out, uint64_t bytes);

/* The same in an element whose title is the raw number; behind is put behind the unit ("/s"). */
void html_size_titled(struct out *out, uint64_t bytes, const char *behind);

/* "3d4h", "5m12s". */
void html_duration(struct out *out, uint64_t usec);

/* Thousandths with so many digits behind the point, 0 to 3, rounded down. */
void html_milli(struct out *out, uint64_t milli, unsigned digits);

/* Microseconds as people say them: "850 µs", "12 ms", "3.4 s". */
void html_latency(struct out *out, uint64_t usec);

#endif
