/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_SERVICE_QUERY_H
#define MOD_CONTAINER_SERVICE_QUERY_H

/*
 * What may stand behind the '?' of the page of one service. Exact, as query.h. Knows no httpd; any
 * thread.
 */

#include <stdbool.h>

#include "common/error.h"

#define SERVICE_FLASH_MAX 1024

enum service_range { RANGE_HOUR = 0, RANGE_DAY, RANGE_MONTH, RANGE_COUNT };

/* "1h", "24h", "30d" */
const char *service_range_name(enum service_range range);

struct service_query {
    bool is_json;             /* format=json */
    bool is_why;              /* why: look at what keeps it waiting */
    unsigned refresh_seconds; /* refresh=N; 0: none */
    enum service_range range; /* range=... of the charts */
    char flash[SERVICE_FLASH_MAX + 1];
};

/* Reads the query string; NULL and "" are the plain page. Returns 0 or -EINVAL with a sentence. */
int service_query_parse(const char *text, struct service_query *query, struct error *error);

#endif
