/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "supervisor/runtime/config_reader.h"
#include "supervisor/runtime/config_uint64.h"

/* A second value of a key would be read by one program and the first by another. */
#define PARSE_FLAGS JSON_REJECT_DUPLICATES

json_t *config_parse(const char *text, size_t length, const char *name, struct error *error)
{
    json_error_t problem = {.text = "no memory"};
    json_t *json = config_load_json(text, length, PARSE_FLAGS, &problem);

    if (!json)
        error_set(error, EINVAL, "%s: line %d, column %d: %s", name, problem.line, problem.column,
                  problem.text);
    return json;
}
