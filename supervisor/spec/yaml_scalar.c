/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/spec/yaml.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define CORE_TAG "tag:yaml.org,2002:"

/* YAML 1.2.2, section 10.3.2: the words of the core schema. */
static const struct {
    const char *text;
    json_type type;
} words[] = {
    {"", JSON_NULL},       {"~", JSON_NULL},      {"null", JSON_NULL},   {"Null", JSON_NULL},
    {"NULL", JSON_NULL},   {"true", JSON_TRUE},   {"True", JSON_TRUE},   {"TRUE", JSON_TRUE},
    {"false", JSON_FALSE}, {"False", JSON_FALSE}, {"FALSE", JSON_FALSE},
};

/* Words of numbers that JSON cannot hold. */
static const char *const not_finite[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"};

static bool take_digits(const char **at, int base)
{
    const char *digits = base == 8    ? "01234567"
                         : base == 10 ? "0123456789"
                                      : "0123456789abcdefABCDEF";
    size_t length = strspn(*at, digits);

    *at += length;
    return length > 0;
}

/* The base of an integer of the core schema, or 0. */
static int integer_base(const char *text)
{
    int base = 10;

    if (text[0] == '0' && (text[1] == 'o' || text[1] == 'x')) {
        base = text[1] == 'o' ? 8 : 16;
        text += 2;
    } else if (*text == '-' || *text == '+') {
        text++;
    }
    return take_digits(&text, base) && *text == '\0' ? base : 0;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_float(const char *text)
{
    text += *text == '-' || *text == '+';
    bool has_whole = take_digits(&text, 10);
    if (*text == '.') {
        text++;
        if (!take_digits(&text, 10) && !has_whole)
            return false;
    } else if (!has_whole) {
        return false;
    }
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '-' || *text == '+';
        if (!take_digits(&text, 10))
            return false;
    }
    return *text == '\0';
}

static bool is_not_finite(const char *text)
{
    text += *text == '-' || *text == '+';
    for (size_t i = 0; i < ARRAY_LENGTH(not_finite); i++)
        if (strcmp(text, not_finite[i]) == 0)
            return true;
    return false;
}

static enum yaml_scalar_error resolve_number(const char *text, int base, json_t **value)
{
    if (base) {
        errno = 0;
        long long number = strtoll(base == 10 ? text : text + 2, NULL, base);
        if (errno == ERANGE)
            return YAML_SCALAR_TOO_LARGE;
        *value = json_integer(number);
        return YAML_SCALAR_OK;
    }
    double number = strtod(text, NULL);
    if (!isfinite(number))
        return YAML_SCALAR_TOO_LARGE;
    *value = json_real(number);
    return YAML_SCALAR_OK;
}

static enum yaml_scalar_error resolve_plain(const char *text, json_t **value)
{
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (strcmp(text, words[i].text) != 0)
            continue;
        *value =
            words[i].type == JSON_NULL ? json_null() : json_boolean(words[i].type == JSON_TRUE);
        return YAML_SCALAR_OK;
    }
    int base = integer_base(text);
    if (base || is_float(text))
        return resolve_number(text, base, value);
    if (is_not_finite(text))
        return YAML_SCALAR_TOO_LARGE;
    *value = json_string(text);
    return YAML_SCALAR_OK;
}

/* Whether the resolved value is what the tag's last word says. */
static bool fits_tag(const json_t *value, const char *word)
{
    if (strcmp(word, "null") == 0)
        return json_is_null(value);
    if (strcmp(word, "bool") == 0)
        return json_is_boolean(value);
    if (strcmp(word, "int") == 0)
        return json_is_integer(value);
    return json_is_number(value);
}

enum yaml_scalar_error yaml_scalar_resolve(const char *text, size_t length, int is_plain,
                                           const char *tag, json_t **value)
{
    static const char *const known[] = {"null", "bool", "int", "float"};
    const char *word = NULL;

    *value = NULL;
    if (memchr(text, '\0', length))
        return YAML_SCALAR_NUL;
    json_t *string = json_stringn(text, length);
    if (!string)
        return YAML_SCALAR_NOT_UTF8;
    if (!tag && is_plain) {
        enum yaml_scalar_error r = resolve_plain(text, value);
        json_decref(string);
        return r;
    }
    if (!tag || strcmp(tag, "!") == 0 || strcmp(tag, CORE_TAG "str") == 0) {
        *value = string;
        return YAML_SCALAR_OK;
    }
    json_decref(string);
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
        if (strncmp(tag, CORE_TAG, strlen(CORE_TAG)) == 0 &&
            strcmp(tag + strlen(CORE_TAG), known[i]) == 0)
            word = known[i];
    if (!word)
        return YAML_SCALAR_BAD_TAG;
    enum yaml_scalar_error r = resolve_plain(text, value);
    if (r == YAML_SCALAR_OK && *value && !fits_tag(*value, word)) {
        json_decref(*value);
        *value = NULL;
        return YAML_SCALAR_NOT_TAGGED;
    }
    return r;
}
