/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BOARD_TEXT_H
#define COMMON_BOARD_TEXT_H

/*
 * Text that came from elsewhere (a slot's strings, a request), made fit to be shown: one line of
 * valid UTF-8. Knows no httpd; any thread.
 */

#include <stddef.h>

/* Room for the cleaned form of a text of length bytes: a bad byte becomes the 3 bytes of U+FFFD. */
#define TEXT_CLEAN_SIZE(length) (3 * (size_t)(length) + 1)

/*
 * Copies text into buffer. What is not UTF-8 (RFC 3629: no overlong form, no surrogate) becomes
 * U+FFFD; control characters (C0, DEL, C1), line and paragraph separators and the characters that
 * turn the writing direction (Unicode UAX #9) become a space. Stops in front of a character that
 * does not fit. Returns buffer.
 */
char *text_clean(const char *text, char *buffer, size_t size);

/* The same; returns how many bytes of text it took, more than 0 for a buffer of 4 bytes and more.
 */
size_t text_clean_part(const char *text, char *buffer, size_t size);

#endif
