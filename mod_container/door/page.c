/* SPDX-License-Identifier: Apache-2.0 */
#include "mod_container/door/page.h"

#include <string.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of the path behind *at, which is moved on; -1 at the end. */
static int next_byte(const char **at)
{
    const char *c = *at;

    if (*c == '\0' || *c == '?' || *c == '#')
        return -1;
    if (c[0] == '%' && hex_value(c[1]) >= 0 && hex_value(c[2]) >= 0) {
        *at = c + 3;
        return hex_value(c[1]) * 16 + hex_value(c[2]);
    }
    *at = c + 1;
    return (unsigned char)*c;
}

/* Takes a last segment of "." or ".." out; end is behind it. Returns the new end. */
static char *drop_dots(char *page, char *end)
{
    char *segment = end;

    while (segment > page && segment[-1] != '/')
        segment--;
    if (end - segment == 1 && segment[0] == '.')
        return segment;
    if (end - segment != 2 || segment[0] != '.' || segment[1] != '.')
        return end;
    if (segment - page <= 1) /* at the root */
        return segment;
    segment--; /* the slash in front of it */
    while (segment > page && segment[-1] != '/')
        segment--;
    return segment;
}

char *page_normalise(const char *path, char *page)
{
    const char *at = path;
    char *end = page;
    int byte;

    while ((byte = next_byte(&at)) >= 0) {
        if (byte == '\0')
            continue;
        if (byte == '/') {
            end = drop_dots(page, end);
            if (end > page && end[-1] == '/')
                continue;
        }
        *end++ = (char)byte;
    }
    end = drop_dots(page, end);
    *end = '\0';
    return page;
}

bool page_matches(const char *page, const char *pattern)
{
    size_t length = strlen(pattern);

    if (pattern[0] == '*') {
        size_t page_length = strlen(page);
        return page_length >= length - 1 &&
               strcmp(page + page_length - (length - 1), pattern + 1) == 0;
    }
    if (length > 1 && pattern[length - 1] == '/')
        return strncmp(page, pattern, length) == 0;
    return strcmp(page, pattern) == 0;
}

/* FNV-1a: pages that collide are counted together, which only harms who asked for them. */
static uint64_t hash_more(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t page_hash(const char *host, unsigned port, const char *page)
{
    uint64_t hash = hash_more(UINT64_C(0xcbf29ce484222325) ^ port, host);

    hash = hash_more((hash ^ 0xff) * UINT64_C(0x100000001b3), page);
    return hash ? hash : 1;
}
