/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_ORDER_H
#define MOD_CONTAINER_ORDER_H

/*
 * What an admin call orders: the target from its address, the rest from its body
 * (docs/admin-api.md). Strict: what is not known, double or not of its type is refused, nothing is
 * passed over. Knows no httpd; any thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/names.h"

#define ORDER_WAIT_DEFAULT_SECONDS 10
#define ORDER_WAIT_MAX_SECONDS     30
#define ORDER_QUERY_MAX            512
#define ORDER_TOKEN_MAX            96
#define ORDER_SIGNAL_MAX           16

enum order_back {
    ORDER_BACK_NONE = 0, /* the caller is no form of the page: JSON */
    ORDER_BACK_BOARD,
    ORDER_BACK_SERVICE,
};

struct order {
    char tenant[NAME_MAX_LENGTH + 1];
    char service[NAME_MAX_LENGTH + 1]; /* "": all services of the tenant */
    const char *action;                /* a verb of the control protocol; NULL while not known */
    unsigned wait_seconds;
    char signal[ORDER_SIGNAL_MAX + 1]; /* "": the supervisor's default */
    char token[ORDER_TOKEN_MAX + 1];   /* "": none */
    char query[ORDER_QUERY_MAX + 1];   /* where a form goes back to, without '?' */
    enum order_back back;
};

/* An order without anything, for a target "TENANT" or "TENANT/SERVICE". -EINVAL for another one. */
int order_begin(struct order *order, const char *target, struct error *error);

/* What a Content-Type header says a body is. */
enum order_type { ORDER_TYPE_UNKNOWN = 0, ORDER_TYPE_FORM, ORDER_TYPE_JSON };

/* NULL, another media type, another charset than UTF-8 or any other parameter are unknown. */
enum order_type order_type_of(const char *content_type);

/*
 * Reads a body of length bytes, with a NUL behind it, into order. May write into text. Returns 0,
 * -EINVAL, or -E2BIG for too many parameters; what was read up to there stays in order.
 */
int order_read(struct order *order, enum order_type type, char *text, size_t length,
               struct error *error);

/*
 * Whether a service in this state (a word of the scoreboard) is where the action wants it to be, or
 * at least not on its way there any more.
 */
bool order_is_done(const struct order *order, const char *state);

#endif
