/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_UNITS_H
#define COMMON_UNITS_H

/*
 * The one parser for sizes, durations and whole numbers that people write, strict: no sign, no
 * blank, no rest, no overflow. Each returns 0, -EINVAL (not of the form) or -ERANGE (too large).
 */

#include <stddef.h>
#include <stdint.h>

/* A decimal number of at most max. */
int parse_u64(const char *text, uint64_t max, uint64_t *value);

/*
 * Bytes as Compose writes them (Compose specification, "Specifying byte values"): a number and
 * b, k|kb, m|mb, g|gb, in either case, powers of 1024; a bare number is bytes. A fraction is taken
 * ("1.5g").
 */
int parse_size(const char *text, uint64_t *bytes);

/*
 * A duration as Compose writes it (Compose specification, "Specifying durations"): parts of
 * us, ms, s, m, h in any number ("1m30s"); a bare number is seconds.
 */
int parse_duration(const char *text, uint64_t *usec);

/* A decimal fraction such as "0.5" into thousandths; at most max thousandths. */
int parse_milli(const char *text, uint64_t max, uint64_t *milli);

/* "1.5G", "512M", "0": at most 4 digits and a unit, powers of 1024. Returns buffer. */
char *format_size(uint64_t bytes, char *buffer, size_t size);

/* "3d4h", "5m12s", "0s": the two leading parts. Returns buffer. */
char *format_duration(uint64_t usec, char *buffer, size_t size);

#endif
