/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/accept.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* "q=0", "q=0.000" (RFC 9110 section 12.4.2) behind the type: not wanted. */
static bool is_refused(const char *parameters, size_t length)
{
    const char *end = parameters + length;

    for (const char *at = parameters; at + 2 < end; at++) {
        if ((at[0] != ';' && at[0] != ' ') || (at[1] != 'q' && at[1] != 'Q') || at[2] != '=')
            continue;
        at += 3;
        size_t zeros = 0;
        while (at + zeros < end && (at[zeros] == '0' || at[zeros] == '.'))
            zeros++;
        return zeros > 0 && (at + zeros == end || at[zeros] == ' ' || at[zeros] == ';');
    }
    return false;
}

/* Whether a media type is in the list, by its name and not by a pattern. */
static bool names(const char *accept, const char *type)
{
    size_t wanted = strlen(type);

    while (*accept) {
        accept += strspn(accept, ", \t");
        size_t length = strcspn(accept, ",");
        size_t name = strcspn(accept, ",; \t");
        if (name == wanted && strncasecmp(accept, type, wanted) == 0 &&
            !is_refused(accept + name, length - name))
            return true;
        accept += length;
    }
    return false;
}

bool accept_wants_json(const char *accept, const char *requested_with)
{
    bool is_script = requested_with && strcasecmp(requested_with, "XMLHttpRequest") == 0;

    if (accept && (names(accept, "text/html") || names(accept, "application/xhtml+xml")))
        return false;
    return is_script || (accept && (names(accept, "application/json") ||
                                    names(accept, "application/problem+json")));
}
