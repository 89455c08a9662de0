/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/spec/json_build.h"

void json_build_append(json_t **array, json_t *item)
{
    if (json_array_append_new(*array, item) == 0)
        return;
    json_decref(*array);
    *array = NULL;
}

json_t *json_build_strings(const char *const *strings)
{
    json_t *array = json_array();

    for (; strings && *strings; strings++)
        json_build_append(&array, json_string(*strings));
    return array;
}
