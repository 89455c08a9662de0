/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPEC_STRING_LIST_H
#define SPEC_STRING_LIST_H

/* A list of owned strings, always NULL-terminated once it has an item. */

#include <stddef.h>

struct string_list {
    char **items; /* NULL while empty */
    size_t count;
};

/* Takes the string over, also on failure (then it is freed). 0 or -ENOMEM. NULL is -ENOMEM. */
int string_list_take(struct string_list *list, char *string);
/* Appends a copy. */
int string_list_add(struct string_list *list, const char *string);
/* Sorts by strcmp and drops what is there twice. */
void string_list_sort_unique(struct string_list *list);
/* Frees the strings and the list. */
void string_list_free(struct string_list *list);
/* Frees a bare NULL-terminated array of strings; NULL is harmless. */
void strings_free(char **strings);

#define _cleanup_string_list_ __attribute__((cleanup(string_list_free)))

#endif
