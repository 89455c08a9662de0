/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_SUGGEST_H
#define SPEC_SUGGEST_H

/* "Did you mean": the known word that is nearest to one that is not known. */

#include <stddef.h>

/*
 * How many letters must be put in, dropped, replaced or swapped with their neighbour to get from a
 * to b (optimal string alignment distance). Texts over 64 bytes: the difference of lengths.
 */
unsigned suggest_distance(const char *a, const char *b);

/* The nearest of count words, the first of equals; NULL when there are none. */
const char *suggest_nearest(const char *text, const char *const *words, size_t count);

#endif
