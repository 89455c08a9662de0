/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/cli/ctl_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/cleanup.h"

/*
 * Reads one character of UTF-8 (RFC 3629 section 4) from at most length bytes. Returns its bytes,
 * or 0 for what is not UTF-8: a cut or overlong sequence, a surrogate, a number above U+10FFFF.
 */
static size_t decode_utf8(const char *text, size_t length, uint32_t *character)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)text[0];
    size_t size = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;

    if (size == 0 || size > length || first > 0xF4)
        return 0;
    uint32_t value = size == 1 ? first : first & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        if (((unsigned char)text[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | ((unsigned char)text[i] & 0x3Fu);
    }
    if (value < smallest[size] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *character = value;
    return size;
}

static bool is_control(uint32_t character)
{
    return (character < 0x20 && character != '\t') || (character >= 0x7F && character <= 0x9F);
}

static bool turns_direction(uint32_t character)
{
    return character == 0x061C || character == 0x200E || character == 0x200F ||
           (character >= 0x202A && character <= 0x202E) ||
           (character >= 0x2066 && character <= 0x2069);
}

void text_print_clean(FILE *file, const char *text, size_t length)
{
    while (length > 0) {
        uint32_t character = 0;
        size_t size = decode_utf8(text, length, &character);
        if (size == 0) {
            fprintf(file, "\\x%02x", (unsigned char)*text);
            size = 1;
        } else if (is_control(character)) {
            fprintf(file, "\\x%02x", character);
        } else if (turns_direction(character)) {
            fprintf(file, "\\u%04x", character);
        } else {
            fwrite(text, 1, size, file);
        }
        text += size;
        length -= size;
    }
}

char *text_clean_copy(const char *text)
{
    char *result = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&result, &size);

    if (!file)
        return NULL;
    text_print_clean(file, text, strlen(text));
    if (fclose(file) != 0) {
        free(result);
        return NULL;
    }
    return result;
}

json_t *text_to_json(const char *text)
{
    json_t *json = json_string(text);

    if (json)
        return json;
    _cleanup_free_ char *clean = text_clean_copy(text);
    return clean ? json_string(clean) : NULL;
}

int text_print_json(FILE *file, const json_t *json, size_t flags)
{
    _cleanup_free_ char *text = json_dumps(json, flags);

    if (!text)
        return -1;
    for (const char *at = text; *at; at++)
        if (*at == 0x7f && (flags & JSON_ENSURE_ASCII))
            fputs("\\u007f", file);
        else
            fputc(*at, file);
    return 0;
}

size_t text_width(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}
