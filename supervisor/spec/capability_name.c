/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/spec/capability_name.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "supervisor/runtime/config.h"
#include "supervisor/spec/suggest.h"

#define PREFIX "CAP_"

/* As many as a 64 bit mask can name. */
#define CAPABILITIES_MAX 64

static const char *without_prefix(const char *text)
{
    return strncasecmp(text, PREFIX, strlen(PREFIX)) == 0 ? text + strlen(PREFIX) : text;
}

const char *capability_full_name(const char *text)
{
    char name[64];
    int length = snprintf(name, sizeof(name), PREFIX "%s", without_prefix(text));

    return length < (int)sizeof(name) ? capability_name(capability_number(name)) : NULL;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *capability_nearest(const char *text)
{
    const char *short_names[CAPABILITIES_MAX] = {NULL};
    char upper[64];
    size_t length = 0, count = 0;

    text = without_prefix(text);
    for (; length < sizeof(upper) - 1 && text[length]; length++)
        upper[length] = (char)toupper((unsigned char)text[length]);
    upper[length] = '\0';
    for (; count < CAPABILITIES_MAX && capability_name((int)count); count++)
        short_names[count] = capability_name((int)count) + strlen(PREFIX);
    qsort(short_names, count, sizeof(*short_names), compare); /* the first of equals is taken */
    return suggest_nearest(upper, short_names, count);
}
