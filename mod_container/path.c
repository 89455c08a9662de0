/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/path.h"

#include <string.h>
#include <strings.h>

#include "common/cleanup.h"

static bool segment_is_dots(const char *segment, size_t length)
{
    return (length == 1 && segment[0] == '.') ||
           (length == 2 && segment[0] == '.' && segment[1] == '.');
}

bool path_is_acceptable(const char *path)
{
    if (path[0] != '/')
        return false;
    for (const unsigned char *at = (const unsigned char *)path; *at; at++)
        if (*at < 0x20 || *at == 0x7f || *at == '?' || strncasecmp((const char *)at, "%2f", 3) == 0)
            return false;
    for (const char *at = path; at; at = strchr(at, '/')) {
        at++;
        if (segment_is_dots(at, strcspn(at, "/")))
            return false;
    }
    return true;
}

size_t path_script_length(const char *path)
{
    static const char extension[] = ".php";
    const size_t length = sizeof(extension) - 1;

    for (const char *at = strstr(path, extension); at; at = strstr(at + 1, extension)) {
        bool is_end = at[length] == '\0' || at[length] == '/';
        bool has_name = at > path && at[-1] != '/';
        if (is_end && has_name)
            return (size_t)(at - path) + length;
    }
    return 0;
}

bool path_is_hidden(const char *path)
{
    static const char well_known[] = "/.well-known";
    const size_t length = sizeof(well_known) - 1;

    if (strncmp(path, well_known, length) == 0 && (path[length] == '/' || path[length] == '\0'))
        path += length;
    return strstr(path, "/.") != NULL;
}

bool path_is_source(const char *path)
{
    static const char *const kinds[] = {"php", "phtml", "phar", "pht"};
    const char *name = strrchr(path, '/');

    for (const char *dot = strchr(name ? name : path, '.'); dot; dot = strchr(dot + 1, '.'))
        for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
            if (strncasecmp(dot + 1, kinds[i], strlen(kinds[i])) == 0)
                return true;
    return false;
}
