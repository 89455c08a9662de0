/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "supervisor/spec/compose_reader.h"

/*
 * The format of env_file (Compose specification, "Env_file format"): KEY=VALUE lines, # comments,
 * an `export ` in front is passed over, '...' is taken as it is, "..." knows \n \r \t \" \\ \$.
 * A value ends with its line. There is no interpolation: a bare $ outside '...' is refused.
 */

#define BLANKS " \t\r"

struct env_line {
    const char *file;
    unsigned number;
    struct error *error;
};

static int refuse(const struct env_line *line, const char *message)
{
    return error_set(line->error, EINVAL, "%.200s:%u: %s", line->file, line->number, message);
}

/* What follows a quoted value: blanks or a comment. */
static int expect_rest(const struct env_line *line, const char *at)
{
    at += strspn(at, BLANKS);
    if (*at && *at != '#')
        return refuse(line, "text behind the closing quote; remove it or quote the whole value");
    return 0;
}

static int take_single_quoted(const struct env_line *line, const char *at, char *out)
{
    const char *end = strchr(at, '\'');

    if (!end)
        return refuse(line, "the quote ' has no end in this line");
    memcpy(out, at, (size_t)(end - at));
    out[end - at] = '\0';
    return expect_rest(line, end + 1);
}

static int take_double_quoted(const struct env_line *line, const char *at, char *out)
{
    static const char escapes[] = "nrt\"\\$", meanings[] = "\n\r\t\"\\$";

    for (; *at != '"'; at++) {
        if (*at == '\0')
            return refuse(line, "the quote \" has no end in this line");
        if (*at == '$')
            return refuse(line, "a $ that Compose would interpolate, which is not supported; "
                                "write \\$ or use single quotes");
        const char *escape = *at == '\\' && at[1] ? strchr(escapes, at[1]) : NULL;
        if (escape)
            at++;
        *out++ = escape ? meanings[escape - escapes] : *at;
    }
    *out = '\0';
    return expect_rest(line, at + 1);
}

static int take_bare(const struct env_line *line, const char *at, char *out)
{
    char *start = out;

    for (; *at && !(*at == '#' && (out == start || strchr(BLANKS, at[-1]))); at++) {
        if (*at == '$')
            return refuse(line, "a $ that Compose would interpolate, which is not supported; "
                                "put the value in single quotes");
        *out++ = *at;
    }
    while (out > start && strchr(BLANKS, out[-1]))
        out--;
    *out = '\0';
    return 0;
}

/* Reads one line that is neither empty nor a comment into assignment, which is large enough. */
static int take_assignment(const struct env_line *line, const char *at, char *assignment)
{
    static const char export[] = "export ";

    if (strncmp(at, export, strlen(export)) == 0)
        at += strlen(export) + strspn(at + strlen(export), BLANKS);
    const char *equals = strchr(at, '=');
    if (!equals)
        return refuse(line, "no = in this line; write KEY=VALUE (nothing is inherited)");
    size_t length = (size_t)(equals - at);
    if (length == 0 || strcspn(at, BLANKS "\"'#") < length)
        return refuse(line, "not a KEY in front of the =; write KEY=VALUE");
    memcpy(assignment, at, length + 1);
    at = equals + 1 + strspn(equals + 1, BLANKS);
    char *out = assignment + length + 1;
    if (*at == '\'')
        return take_single_quoted(line, at + 1, out);
    if (*at == '"')
        return take_double_quoted(line, at + 1, out);
    return take_bare(line, at, out);
}

static int read_line(const struct env_line *line, const char *text, struct string_list *list)
{
    text += strspn(text, BLANKS);
    if (*text == '\0' || *text == '#')
        return 0;
    _cleanup_free_ char *assignment = malloc(strlen(text) + 2);
    if (!assignment)
        return error_sys(line->error, ENOMEM, "%.200s", line->file);
    int r = take_assignment(line, text, assignment);
    if (r < 0)
        return r;
    if (list->count >= COMPOSE_ENV_MAX)
        return refuse(line, "more than 1000 variables");
    if (environment_set(list, steal_ptr(assignment)) < 0)
        return error_sys(line->error, ENOMEM, "%.200s", line->file);
    return 0;
}

int env_file_parse(const char *text, const char *name, struct string_list *list,
                   struct error *error)
{
    struct env_line line = {.file = name, .number = 1, .error = error};
    json_t *utf8 = json_string(text);

    if (!utf8)
        return error_set(error, EINVAL, "%.200s: not UTF-8", name);
    json_decref(utf8);
    for (; *text; line.number++) {
        size_t length = strcspn(text, "\n");
        _cleanup_free_ char *copy = strndup(text, length);
        if (!copy)
            return error_sys(error, ENOMEM, "%.200s", name);
        int r = read_line(&line, copy, list);
        if (r < 0)
            return r;
        text += length + (text[length] == '\n');
    }
    return 0;
}
