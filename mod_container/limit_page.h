/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_LIMIT_PAGE_H
#define MOD_CONTAINER_LIMIT_PAGE_H

/*
 * The answer to a visitor whom a service cannot serve: the status that fits (429, 503, 508), a
 * computed Retry-After, a small page for people or JSON for programs, and a reference by which
 * visitor, tenant and operator can speak of the same event. Nothing of the inside is told here; the
 * tenant's and the operator's views are limit_status.h's.
 */

#include <httpd.h>

#include "common/board/limit_cause.h"
#include "mod_container/config.h"
#include "mod_container/limit_template.h"

/* ContainerLimitPage. */
struct limit_setting {
    bool is_off; /* the plain page of old: 503 in the place of 508, no reference */
    struct limit_template *template;
};

/* At httpd's start, in post_config. */
apr_status_t limit_page_start(apr_pool_t *pool);

/*
 * Answers the request of a route, and logs the reason (at most one line in ten seconds for a
 * reason, a route and a child). cause needs no more than its kind; detail is for the log. Returns
 * what the handler is to return: OK, or the status of a document that the administrator chose.
 */
int limit_page_answer(request_rec *r, struct route *route, const struct limit_cause *cause);

/* Hook of mod_proxy (request_status): it got no answer from a service, or none in time. */
int limit_page_proxy_failed(int *status, request_rec *r);

/* The key of references and links; zeros while no supervisor has made one. */
void limit_page_key(uint8_t key[SEAL_KEY_SIZE]);

/* A policy that allows one inline style sheet and nothing else; lives in pool. */
const char *limit_page_policy(apr_pool_t *pool, const char *style);

#endif
