/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/spec/environment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int environment_set(struct string_list *list, char *assignment)
{
    if (!assignment)
        return -ENOMEM;
    size_t length = strcspn(assignment, "=") + 1;
    for (size_t i = 0; i < list->count; i++) {
        if (strncmp(list->items[i], assignment, length) != 0)
            continue;
        free(list->items[i]);
        list->items[i] = assignment;
        return 0;
    }
    return string_list_take(list, assignment);
}
