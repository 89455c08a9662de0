/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_SHELL_WORDS_H
#define SPEC_SHELL_WORDS_H

#include "supervisor/spec/string_list.h"

/*
 * Splits a command line into words as a POSIX shell does before it expands anything (XCU 2.2
 * Quoting, 2.3 Token Recognition): blanks separate, '...' "..." and \ quote. Nothing is expanded,
 * no operator has a meaning: there is no shell. Returns 0, -EINVAL for a quote that does not end,
 * or -ENOMEM.
 */
int shell_words_split(const char *text, struct string_list *words);

#endif
