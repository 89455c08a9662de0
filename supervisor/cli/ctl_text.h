/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CTL_TEXT_H
#define CLI_CTL_TEXT_H

/*
 * Text that a tenant chose (log lines, messages, image names), made safe to show. A terminal obeys
 * escape sequences: a log line could retitle the window, hide what follows or type for the user.
 *
 * Shown as \xHH are: C0 controls except tab, DEL, C1 controls (also as UTF-8) and bytes that are
 * not UTF-8; as \uHHHH the characters that turn the direction of text round (Unicode Technical
 * Report 36, "Bidirectional Text Spoofing").
 */

#include <jansson.h>
#include <stdio.h>

/* Writes text with the above replaced. A line feed is replaced as well: the result is one line. */
void text_print_clean(FILE *file, const char *text, size_t length);

/* The same into new memory; NULL without memory. */
char *text_clean_copy(const char *text);

/* A JSON string of text; bytes that are not UTF-8 are replaced as above. New reference. */
json_t *text_to_json(const char *text);

/*
 * Writes JSON with the flags of json_dumpf(3). With JSON_ENSURE_ASCII, for a terminal, DEL is
 * written as an escape, too: it is the one control character that JSON leaves as it is. 0 or -1.
 */
int text_print_json(FILE *file, const json_t *json, size_t flags);

/* Columns of valid text on a terminal, one for each character. */
size_t text_width(const char *text);

#endif
