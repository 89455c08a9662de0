/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_QUERY_H
#define MOD_CONTAINER_QUERY_H

/*
 * What may stand behind the '?' of the status page: auto, format=html|auto|json, refresh=N,
 * notable. Exact: an unknown key or a bad value is an error that names it. Knows no httpd; any
 * thread.
 */

#include <stdbool.h>

#include "common/error.h"

#define QUERY_REFRESH_MAX 3600

enum status_format {
    STATUS_HTML = 0,
    STATUS_AUTO,
    STATUS_JSON,
};

struct status_query {
    enum status_format format;
    unsigned refresh_seconds; /* 0: no refresh */
    bool is_without_table;
};

/* Reads the query string; NULL and "" are the plain page. Returns 0 or -EINVAL. */
int status_query_parse(const char *text, struct status_query *query, struct error *error);

#endif
