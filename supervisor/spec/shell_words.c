/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/spec/shell_words.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

/* Copies one word to out and moves *text past it. Returns its length or -EINVAL. */
static ssize_t take_word(const char **text, char *out)
{
    const char *at = *text;
    char quote = '\0';
    ssize_t length = 0;

    for (; *at && (quote || !strchr(" \t\r\n", *at)); at++) {
        if (quote ? *at == quote : *at == '\'' || *at == '"') {
            quote = quote ? '\0' : *at;
            continue;
        }
        /* Inside double quotes a backslash quotes only what is special there. */
        if (*at == '\\' && quote != '\'' && !(quote && !strchr("\"\\$`\n", at[1]))) {
            at++;
            if (!*at)
                return -EINVAL;
            if (*at == '\n')
                continue;
        }
        out[length++] = *at;
    }
    *text = at;
    return quote ? -EINVAL : length;
}

int shell_words_split(const char *text, struct string_list *words)
{
    _cleanup_free_ char *buffer = malloc(strlen(text) + 1);

    if (!buffer)
        return -ENOMEM;
    for (text += strspn(text, " \t\r\n"); *text; text += strspn(text, " \t\r\n")) {
        ssize_t length = take_word(&text, buffer);
        if (length < 0)
            return -EINVAL;
        if (string_list_take(words, strndup(buffer, (size_t)length)) < 0)
            return -ENOMEM;
    }
    return 0;
}
