/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/spec/string_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int string_list_take(struct string_list *list, char *string)
{
    if (!string)
        return -ENOMEM;
    /* The array grows whenever the count reaches a power of two; one more is for the NULL. */
    if ((list->count & (list->count - 1)) == 0) {
        size_t capacity = list->count ? list->count * 2 : 1;
        char **items = reallocarray(list->items, capacity + 1, sizeof(*items));
        if (!items) {
            free(string);
            return -ENOMEM;
        }
        list->items = items;
    }
    list->items[list->count++] = string;
    list->items[list->count] = NULL;
    return 0;
}

int string_list_add(struct string_list *list, const char *string)
{
    return string_list_take(list, strdup(string));
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void string_list_sort_unique(struct string_list *list)
{
    size_t kept = 0;

    if (list->count == 0)
        return;
    qsort(list->items, list->count, sizeof(*list->items), compare);
    for (size_t i = 0; i < list->count; i++) {
        if (kept > 0 && strcmp(list->items[kept - 1], list->items[i]) == 0)
            free(list->items[i]);
        else
            list->items[kept++] = list->items[i];
    }
    list->items[kept] = NULL;
    list->count = kept;
}

void strings_free(char **strings)
{
    for (size_t i = 0; strings && strings[i]; i++)
        free(strings[i]);
    free(strings);
}

void string_list_free(struct string_list *list)
{
    strings_free(list->items);
    *list = (struct string_list){0};
}
