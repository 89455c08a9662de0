/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/spec/path_text.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

int path_text_normalise(char *path)
{
    bool is_absolute = *path == '/';
    char *out = path, *at = path;

    if (strlen(path) >= PATH_MAX)
        return -ENAMETOOLONG;
    for (const char *c = path; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return -EINVAL;
    while (*at) {
        at += strspn(at, "/");
        size_t length = strcspn(at, "/");
        if (length > NAME_MAX)
            return -ENAMETOOLONG;
        if (length == 2 && memcmp(at, "..", 2) == 0)
            return -EINVAL;
        if (length > 0 && !(length == 1 && *at == '.')) {
            if (is_absolute || out > path)
                *out++ = '/';
            memmove(out, at, length);
            out += length;
        }
        at += length;
    }
    if (out == path && is_absolute)
        *out++ = '/';
    *out = '\0';
    return 0;
}

bool path_text_is_below(const char *path, const char *directory)
{
    size_t length = strlen(directory);

    return strncmp(path, directory, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

size_t path_text_depth(const char *path)
{
    size_t depth = 0;

    for (; *path; path++)
        depth += *path == '/' && path[1] != '\0';
    return depth;
}
