/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/runtime/config_uint64.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

/* Decimal digits of 2^63-1 and of 2^64-1. */
#define DIGITS_INT64  19
#define DIGITS_UINT64 20

/* Whether these digits are a number from 2^63 to 2^64-1, as JSON writes one. */
static bool is_wide(const char *digits, size_t length, uint64_t *number)
{
    uint64_t value = 0;

    if (length < DIGITS_INT64 || length > DIGITS_UINT64 || digits[0] == '0')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isdigit((unsigned char)digits[i]) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(digits[i] - '0'), &value))
            return false;
    *number = value;
    return value > INT64_MAX;
}

/* The length of the string that begins at text[0] = '"', with both quotes. */
static size_t string_length(const char *text, size_t length)
{
    for (size_t i = 1; i < length; i++) {
        if (text[i] == '\\')
            i++;
        else if (text[i] == '"')
            return i + 1;
    }
    return length;
}

static size_t number_length(const char *text, size_t length)
{
    size_t i = 0;

    while (i < length && (isalnum((unsigned char)text[i]) || strchr("+-.", text[i])) && text[i])
        i++;
    return i;
}

/* Copies text to copy with quotes around wide numbers. */
static size_t quote_wide(const char *text, size_t length, char *copy)
{
    size_t size = 0, token;
    uint64_t number;

    for (size_t at = 0; at < length; at += token) {
        bool is_quoted = false;
        if (text[at] == '"') {
            token = string_length(text + at, length - at);
        } else {
            token = number_length(text + at, length - at);
            is_quoted = is_wide(text + at, token, &number);
            token = token ? token : 1;
        }
        if (is_quoted)
            copy[size++] = '"';
        memcpy(copy + size, text + at, token);
        size += token;
        if (is_quoted)
            copy[size++] = '"';
    }
    return size;
}

json_t *config_load_json(const char *text, size_t length, size_t flags, json_error_t *problem)
{
    json_t *json = json_loadb(text, length, flags, problem);

    if (json || json_error_code(problem) != json_error_numeric_overflow)
        return json;
    /* A quoted number has 19 digits at least: 2 bytes more for each 19. */
    _cleanup_free_ char *copy = malloc(length + 2 * (length / DIGITS_INT64) + 1);
    if (!copy)
        return NULL;
    return json_loadb(copy, quote_wide(text, length, copy), flags, problem);
}

int config_read_uint64(const json_t *value, const char *path, uint64_t *number, struct error *error)
{
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *number = (uint64_t)json_integer_value(value);
        return 0;
    }
    if (json_is_string(value) &&
        is_wide(json_string_value(value), json_string_length(value), number))
        return 0;
    if (json_is_integer(value))
        return error_set(error, EINVAL, "%s: %lld must be within 0..%" PRIu64, path,
                         (long long)json_integer_value(value), UINT64_MAX);
    return error_set(error, EINVAL, "%s: must be a whole number within 0..%" PRIu64, path,
                     UINT64_MAX);
}
