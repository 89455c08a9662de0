/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an admin call may bring: its target, its Content-Type and its body, as a form and as JSON.
 * It is refused with a sentence, or what comes out is within its bounds.
 * libFuzzer: -dict=tests/fuzz/order.dict
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "mod_container/order.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

static void check_text(const char *text, size_t size)
{
    require(strnlen(text, size) < size);
    for (; *text; text++)
        require(*text > ' ' && *text < 0x7f);
}

static void check_order(const struct order *order)
{
    static const char *const actions[] = {"start", "stop", "restart", "pause", "resume", "kill"};
    bool is_known = false;

    for (size_t i = 0; i < ARRAY_LENGTH(actions); i++)
        is_known |= strcmp(order->action, actions[i]) == 0;
    require(is_known);
    require(order->wait_seconds <= ORDER_WAIT_MAX_SECONDS);
    check_text(order->signal, sizeof(order->signal));
    require(!order->signal[0] || strcmp(order->action, "kill") == 0);
    require(strnlen(order->token, sizeof(order->token)) < sizeof(order->token));
    check_text(order->query, sizeof(order->query));
    require(!strchr(order->query, '#'));
    require(order->back <= ORDER_BACK_SERVICE);
}

static void read_body(const uint8_t *data, size_t size, enum order_type type)
{
    _cleanup_free_ char *body = malloc(size + 1);
    struct error error = ERROR_INIT;
    struct order order;

    require(body != NULL);
    memcpy(body, data, size);
    body[size] = '\0';
    require(order_begin(&order, "blog/web", NULL) == 0);
    int r = order_read(&order, type, body, size, &error);
    if (r == 0)
        check_order(&order);
    else
        require((r == -EINVAL || r == -E2BIG) && error.code == -r && error.message[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = strndup((const char *)data, size);
    struct order order;

    require(text != NULL);
    require(order_type_of(text) <= ORDER_TYPE_JSON);
    if (order_begin(&order, text, NULL) == 0) {
        require(name_is_valid(order.tenant));
        require(!order.service[0] || name_is_valid(order.service));
    }
    read_body(data, size, ORDER_TYPE_FORM);
    read_body(data, size, ORDER_TYPE_JSON);
    return 0;
}
