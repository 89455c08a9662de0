/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/config_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

/* Long enough for every program, short enough that exec(2) will take it. */
#define STRINGS_MAX 4096

static const char *dot(const char *path)
{
    return *path ? "." : "";
}

static int wrong_type(const char *path, const char *key, const char *wanted, struct error *error)
{
    return error_set(error, EINVAL, "%s%s%s: must be %s", path, dot(path), key, wanted);
}

static int store(const json_t *value, const char *path, const struct config_key *key,
                 struct error *error)
{
    switch (key->type) {
    case CONFIG_STRING:
        if (!json_is_string(value))
            return wrong_type(path, key->name, "a string", error);
        *(const char **)key->target = json_string_value(value);
        return 0;
    case CONFIG_INTEGER:
        if (!json_is_integer(value))
            return wrong_type(path, key->name, "an integer", error);
        *(int64_t *)key->target = json_integer_value(value);
        return 0;
    case CONFIG_BOOL:
        if (!json_is_boolean(value))
            return wrong_type(path, key->name, "true or false", error);
        *(bool *)key->target = json_is_true(value);
        return 0;
    case CONFIG_OBJECT:
        if (!json_is_object(value))
            return wrong_type(path, key->name, "an object", error);
        *(const json_t **)key->target = value;
        return 0;
    case CONFIG_ARRAY:
        if (!json_is_array(value))
            return wrong_type(path, key->name, "an array", error);
        *(const json_t **)key->target = value;
        return 0;
    case CONFIG_IGNORED:
        return 0;
    }
    return 0;
}

static const struct config_key *find_key(const struct config_key *keys, const char *name)
{
    for (; keys->name; keys++)
        if (strcmp(keys->name, name) == 0)
            return keys;
    return NULL;
}

int config_read_object(const json_t *object, const char *path, const struct config_key *keys,
                       struct error *error)
{
    const char *name;
    json_t *value;

    if (!json_is_object(object))
        return error_set(error, EINVAL, "%s: must be an object", *path ? path : "config");
    json_object_foreach ((json_t *)object, name, value) {
        const struct config_key *key = find_key(keys, name);
        if (!key)
            return error_set(error, EINVAL, "%s%s%.80s: not known to this runtime", path, dot(path),
                             name);
        int r = store(value, path, key, error);
        if (r < 0)
            return r;
    }
    for (; keys->name; keys++)
        if (keys->is_required && !json_object_get(object, keys->name))
            return error_set(error, EINVAL, "%s%s%s: is missing", path, dot(path), keys->name);
    return 0;
}

int config_read_strings(const json_t *array, const char *path, char ***list, struct error *error)
{
    size_t count = json_array_size(array);

    if (count > STRINGS_MAX)
        return error_set(error, E2BIG, "%s: %zu entries; at most %d are possible", path, count,
                         STRINGS_MAX);
    _cleanup_free_ char **made = calloc(count + 1, sizeof(*made));
    if (!made)
        return error_sys(error, ENOMEM, "%s", path);
    for (size_t i = 0; i < count; i++) {
        made[i] = (char *)json_string_value(json_array_get(array, i));
        if (!made[i])
            return error_set(error, EINVAL, "%s[%zu]: must be a string", path, i);
    }
    *list = steal_ptr(made);
    return 0;
}

int config_check_range(const char *path, int64_t value, int64_t min, int64_t max,
                       struct error *error)
{
    if (value >= min && value <= max)
        return 0;
    return error_set(error, ERANGE, "%s: %lld is not within %lld..%lld", path, (long long)value,
                     (long long)min, (long long)max);
}
