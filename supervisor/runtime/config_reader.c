/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/config_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/runtime/config_uint64.h"

/*
 * More than any engine writes; exec(2) takes 128 KiB a string and a quarter of the stack in all,
 * and says so itself.
 */
#define STRINGS_MAX 65536

static const char *dot(const char *path)
{
    return *path ? "." : "";
}

static int wrong_type(const char *path, const char *key, const char *wanted, struct error *error)
{
    return error_set(error, EINVAL, "%s%s%s: must be %s", path, dot(path), key, wanted);
}

static int store_integer(const json_t *value, const char *path, const struct config_key *key,
                         struct error *error)
{
    uint64_t number;

    if (json_is_string(value) && config_read_uint64(value, "", &number, NULL) == 0)
        return error_set(error, ERANGE, "%s%s%s: %llu is more than %lld", path, dot(path),
                         key->name, (unsigned long long)number, (long long)INT64_MAX);
    if (!json_is_integer(value))
        return wrong_type(path, key->name, "an integer", error);
    *(int64_t *)key->target = json_integer_value(value);
    return 0;
}

static int store_unsigned(const json_t *value, const char *path, const struct config_key *key,
                          struct error *error)
{
    char where[160];

    snprintf(where, sizeof(where), "%s%s%s", path, dot(path), key->name);
    return config_read_uint64(value, where, key->target, error);
}

static bool is_string(const json_t *value)
{
    return json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value);
}

static int store(const json_t *value, const char *path, const struct config_key *key,
                 struct error *error)
{
    switch (key->type) {
    case CONFIG_STRING:
        if (!is_string(value))
            return wrong_type(path, key->name, "a string", error);
        *(const char **)key->target = json_string_value(value);
        return 0;
    case CONFIG_INTEGER:
        return store_integer(value, path, key, error);
    case CONFIG_UNSIGNED:
        return store_unsigned(value, path, key, error);
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

bool config_has(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return value && !json_is_null(value);
}

int config_read_object(const json_t *object, const char *path, const struct config_key *keys,
                       struct error *error)
{
    if (!json_is_object(object))
        return error_set(error, EINVAL, "%s: must be an object", *path ? path : "config");
    for (; keys->name; keys++) {
        int r = 0;
        if (config_has(object, keys->name))
            r = store(json_object_get(object, keys->name), path, keys, error);
        else if (keys->is_required)
            r = error_set(error, EINVAL, "%s%s%s: is missing", path, dot(path), keys->name);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool is_known(const struct config_key *keys, const char *name)
{
    for (; keys->name; keys++)
        if (strcmp(keys->name, name) == 0)
            return true;
    return false;
}

int config_read_known(const json_t *object, const char *path, const struct config_key *keys,
                      struct error *error)
{
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)object, name, value)
        if (!is_known(keys, name))
            return error_set(error, EINVAL, "%s%s%.80s: not known", path, dot(path), name);
    return config_read_object(object, path, keys, error);
}

int config_read_strings(const json_t *array, const char *path, char ***list, struct error *error)
{
    size_t count = json_array_size(array);
    int r = config_check_count(array, path, STRINGS_MAX, error);

    if (r < 0)
        return r;
    _cleanup_free_ char **made = calloc(count + 1, sizeof(*made));
    if (!made)
        return error_sys(error, ENOMEM, "%s", path);
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(array, i);
        if (!is_string(entry))
            return error_set(error, EINVAL, "%s[%zu]: must be a string", path, i);
        made[i] = (char *)json_string_value(entry);
    }
    *list = steal_ptr(made);
    return 0;
}

/* Takes "3" or "0-3" off the text. */
static int take_range(const char **text, unsigned *first, unsigned *last)
{
    unsigned *const ends[] = {first, last};

    for (size_t i = 0; i < 2; i++) {
        size_t digits = strspn(*text, "0123456789");
        if (digits == 0)
            return -EINVAL;
        unsigned long number = strtoul(*text, NULL, 10);
        if (digits > 9 || number >= CONFIG_BITS)
            return -ERANGE;
        *ends[i] = (unsigned)number;
        *text += digits;
        if (i == 0 && **text != '-') {
            *last = *first;
            return 0;
        }
        *text += i == 0;
    }
    return *first <= *last ? 0 : -EINVAL;
}

int config_read_bits(const char *text, const char *path, uint64_t bits[CONFIG_BITS / 64],
                     struct error *error)
{
    const char *rest = text;
    unsigned first = 0, last = 0;
    int r;

    memset(bits, 0, CONFIG_BITS / 8);
    do {
        r = take_range(&rest, &first, &last);
        for (unsigned i = first; r == 0 && i <= last; i++)
            bits[i / 64] |= UINT64_C(1) << (i % 64);
    } while (r == 0 && *rest == ',' && *++rest);
    if (r == 0 && (*rest || rest[-1] == ','))
        r = -EINVAL;
    if (r < 0)
        return error_set(error, -r, "%s: \"%.80s\" is not a list of numbers below %d as 0-3,7",
                         path, text, CONFIG_BITS);
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

int config_check_count(const json_t *container, const char *path, size_t max, struct error *error)
{
    size_t count =
        json_is_object(container) ? json_object_size(container) : json_array_size(container);

    if (count <= max)
        return 0;
    return error_set(error, E2BIG, "%s: %zu entries; at most %zu are possible", path, count, max);
}

int config_check_absolute(const char *path, const char *text, struct error *error)
{
    if (text[0] == '/')
        return 0;
    return error_set(error, EINVAL, "%s: \"%.200s\" is not an absolute path", path, text);
}
