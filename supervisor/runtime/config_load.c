/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/units.h"
#include "supervisor/runtime/config_reader.h"

/* A second value of a key would be read by one program and the first by another. */
#define PARSE_FLAGS JSON_REJECT_DUPLICATES

/* The length of the JSON string that text begins with, quotes included. */
static size_t string_length(const char *text, const char *end)
{
    const char *c = text + 1;

    while (c < end && *c != '"')
        c += *c == '\\' && c + 1 < end ? 2 : 1;
    return (size_t)(c < end ? c + 1 - text : end - text);
}

/* The length of the token of a number that text begins with; 0: it begins with something else. */
static size_t number_length(const char *text, const char *end)
{
    const char *c = text;

    while (c < end && *c && strchr("0123456789+-.eE", *c))
        c++;
    return (size_t)(c - text);
}

/* Whether a token is an integer that uint64_t can hold and int64_t cannot. */
static bool is_large(const char *token, size_t length)
{
    char digits[24];
    uint64_t number;

    if (length < 19 || length > 20 || token[0] == '0')
        return false;
    memcpy(digits, token, length);
    digits[length] = '\0';
    return parse_u64(digits, UINT64_MAX, &number) == 0 && number > INT64_MAX;
}

/* A copy of the text with quotes around large integers. The caller frees; NULL: no memory. */
static char *quote_large(const char *text, size_t length, size_t *copy_length)
{
    const char *end = text + length;
    char *copy = malloc(length + 2 * (length / 19) + 1), *out = copy;

    while (copy && text < end) {
        size_t number = number_length(text, end);
        bool is_quoted = is_large(text, number);
        size_t token = *text == '"' ? string_length(text, end) : number ? number : 1;
        if (is_quoted)
            *out++ = '"';
        memcpy(out, text, token);
        out += token;
        text += token;
        if (is_quoted)
            *out++ = '"';
    }
    *copy_length = copy ? (size_t)(out - copy) : 0;
    return copy;
}

/* Says where in the text the parser stopped. copy is what it saw: the text with quotes added. */
static json_t *refuse(const char *name, const char *text, size_t length, const char *copy,
                      const json_error_t *problem, struct error *error)
{
    size_t line = 1, column = 1, at = 0;

    for (int seen = 0; seen < problem->position - 1 && at < length; seen++) {
        if (copy[seen] == '"' && text[at] != '"')
            continue; /* one that we added */
        column = text[at] == '\n' ? 1 : column + 1;
        line += text[at] == '\n';
        at++;
    }
    error_set(error, EINVAL, "%s: line %zu, column %zu: %s", name, line, column, problem->text);
    return NULL;
}

json_t *config_parse(const char *text, size_t length, const char *name, struct error *error)
{
    json_error_t problem;
    json_t *json = json_loadb(text, length, PARSE_FLAGS, &problem);

    if (json)
        return json;
    if (json_error_code(&problem) != json_error_numeric_overflow)
        return refuse(name, text, length, text, &problem, error);
    size_t copy_length;
    _cleanup_free_ char *copy = quote_large(text, length, &copy_length);
    if (!copy) {
        error_sys(error, ENOMEM, "read %s", name);
        return NULL;
    }
    json = json_loadb(copy, copy_length, PARSE_FLAGS, &problem);
    return json ? json : refuse(name, text, length, copy, &problem, error);
}

static int read_whole(int fd, char *buffer, size_t size, size_t *length)
{
    for (*length = 0; *length < size;) {
        ssize_t n = TEMP_FAILURE_RETRY(read(fd, buffer + *length, size - *length));
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        *length += (size_t)n;
    }
    return -EFBIG;
}

json_t *config_load(int directory, const char *name, struct error *error)
{
    struct stat status;
    size_t length = 0;
    /* O_NONBLOCK: a FIFO in its place must not hold us up. */
    _cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 || fstat(fd, &status) < 0) {
        error_sys(error, errno, "open %s", name);
        return NULL;
    }
    if (!S_ISREG(status.st_mode)) {
        error_set(error, EINVAL, "%s: is not a regular file", name);
        return NULL;
    }
    if (status.st_size > CONFIG_FILE_MAX) {
        error_set(error, EFBIG, "%s: has %lld bytes; at most %d are possible", name,
                  (long long)status.st_size, CONFIG_FILE_MAX);
        return NULL;
    }
    size_t size = (size_t)status.st_size + 1;
    _cleanup_free_ char *buffer = malloc(size);
    int r = buffer ? read_whole(fd, buffer, size, &length) : -ENOMEM;
    if (r < 0) {
        error_sys(error, -r, "read %s", name);
        return NULL;
    }
    return config_parse(buffer, length, name, error);
}
