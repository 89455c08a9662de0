/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read for limit pages: templates of administrators, queries of signed links, and the
 * headers that say what a client reads. A template that is taken writes itself with the values in
 * it, whatever they are, and no value opens an element; no query is a valid link.
 *
 * libFuzzer: -max_len=4096 -dict=tests/fuzz/limit.dict
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/board/limit_link.h"
#include "common/board/out_memory.h"
#include "common/cleanup.h"
#include "mod_container/accept.h"
#include "mod_container/limit_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

static size_t count(const char *text, size_t length, char wanted)
{
    size_t found = 0;

    for (size_t i = 0; i < length; i++)
        found += text[i] == wanted;
    return found;
}

static void check_template(const uint8_t *data, size_t size, const char *value)
{
    struct limit_template *template = NULL;
    struct error error = ERROR_INIT;
    struct out_memory memory;
    const char *values[LIMIT_PLACE_COUNT];
    size_t length;
    int r = limit_template_parse((const char *)data, size, &template, &error);

    require((r == 0) == (template != NULL));
    if (r < 0) {
        require(error.message[0]);
        return;
    }
    for (size_t i = 0; i < LIMIT_PLACE_COUNT; i++)
        values[i] = value;
    out_memory_begin(&memory);
    limit_template_write(template, values, &memory.out);
    char *text = out_memory_end(&memory, &length);
    require(count(text, length, '<') == count((const char *)data, size, '<'));
    require(count(text, length, '"') == count((const char *)data, size, '"'));
    free(text);
    limit_template_free(template);
}

/* Nobody has this key. */
static void check_link(const char *text)
{
    static const uint8_t key[SEAL_KEY_SIZE] = {7, 7, 7};
    struct limit_link link;
    struct error error = ERROR_INIT;

    if (limit_link_parse(text, &link, &error) < 0) {
        require(error.message[0]);
        return;
    }
    require(name_is_valid(link.tenant) && name_is_valid(link.service));
    require(!limit_link_is_valid(&link, key, 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = strndup((const char *)data, size);

    require(text != NULL);
    check_template(data, size, text);
    check_link(text);
    require(!(accept_wants_json(text, NULL) && !accept_wants_json(text, "XMLHttpRequest")));
    return 0;
}
