/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Query strings of the board and of the page of a service, and the reader of forms below them.
 * libFuzzer: -dict=tests/fuzz/query.dict
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/board/form.h"
#include "common/board/query.h"
#include "common/cleanup.h"
#include "mod_container/service_query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

static void check_board(const char *text)
{
    struct status_query query;
    struct error error = ERROR_INIT;
    int r = status_query_parse(text, &query, &error);

    if (r < 0) {
        require(error.message[0]);
        return;
    }
    require(query.format < STATUS_FORMATS && query.page >= 1);
    require(query.refresh_seconds <= QUERY_REFRESH_MAX && query.limit <= QUERY_LIMIT_MAX);
    require((query.order == ORDER_FIGURE) == (query.sort != NULL));
    require(!query.tenant[0] || name_is_valid(query.tenant));
    require(strnlen(query.text, sizeof(query.text)) < sizeof(query.text));
    require(strnlen(query.flash, sizeof(query.flash)) < sizeof(query.flash));
}

static void check_service(const char *text)
{
    struct service_query query;
    struct error error = ERROR_INIT;

    if (service_query_parse(text, &query, &error) < 0) {
        require(error.message[0]);
        return;
    }
    require(query.range < RANGE_COUNT && query.refresh_seconds <= QUERY_REFRESH_MAX);
    require(strnlen(query.flash, sizeof(query.flash)) < sizeof(query.flash));
}

/* Keys and values lie in the text, end there, and no key comes twice. */
static void check_form(char *text)
{
    struct form_field fields[8];
    const char *end = text + strlen(text);
    int count = form_parse(text, fields, ARRAY_LENGTH(fields), NULL);

    require(count <= (int)ARRAY_LENGTH(fields));
    for (int i = 0; i < count; i++) {
        require(fields[i].key >= text && fields[i].key + strlen(fields[i].key) <= end);
        require(*fields[i].key);
        if (fields[i].value)
            require(fields[i].value > fields[i].key &&
                    fields[i].value + strlen(fields[i].value) <= end);
        for (int j = 0; j < i; j++)
            require(strcmp(fields[i].key, fields[j].key) != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = strndup((const char *)data, size);

    require(text != NULL);
    check_board(text);
    check_service(text);
    check_form(text);
    return 0;
}
