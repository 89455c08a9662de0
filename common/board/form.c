/* SPDX-License-Identifier: Apache-2.0 */
#include "common/board/form.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    char lower = (char)tolower((unsigned char)digit);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Decodes %XX and '+' in place; -EINVAL for half an escape and for %00. */
static int decode(char *text)
{
    char *out = text;

    for (const char *in = text; *in; in++) {
        if (*in != '%') {
            *out++ = *in == '+' ? ' ' : *in;
            continue;
        }
        int high = hex_value(in[1]);
        int low = high < 0 ? -1 : hex_value(in[2]);
        if (low < 0 || high + low == 0)
            return -EINVAL;
        *out++ = (char)(high * 16 + low);
        in += 2;
    }
    *out = '\0';
    return 0;
}

static int take_field(char *text, struct form_field *field, struct error *error)
{
    char *value = strchr(text, '=');

    if (value)
        *value++ = '\0';
    if (decode(text) < 0 || (value && decode(value) < 0))
        return error_set(error, EINVAL,
                         "a '%%' must be followed by two hexadecimal digits, not 00");
    if (!*text)
        return error_set(error, EINVAL, "a parameter without a name; write KEY=VALUE&KEY=VALUE");
    field->key = text;
    field->value = value;
    return 0;
}

int form_parse(char *text, struct form_field *fields, size_t max, struct error *error)
{
    size_t count = 0;

    for (char *next, *at = text; at && *text; at = next) {
        next = strchr(at, '&');
        if (next)
            *next++ = '\0';
        if (count == max)
            return error_set(error, E2BIG, "more than %zu parameters", max);
        int r = take_field(at, &fields[count], error);
        if (r < 0)
            return r;
        for (size_t i = 0; i < count; i++)
            if (strcmp(fields[i].key, fields[count].key) == 0)
                return error_set(error, EINVAL, "parameter \"%.64s\" is given twice",
                                 fields[count].key);
        count++;
    }
    return (int)count;
}
