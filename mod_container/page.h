/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_PAGE_H
#define MOD_CONTAINER_PAGE_H

/*
 * What the board and the drill-down pages have in common: one HTML page that is being written, its
 * head and foot, links with a query, states and banners. One request, one thread.
 */

#include <httpd.h>
#include <stdbool.h>

#include "mod_container/html.h"
#include "mod_container/status.h"

struct page {
    struct out out;
    request_rec *r;
    const struct overview *overview;
    const char *base; /* path of the Location, without a slash at its end; "" for "/" */
};

/* Begins a page of the Location that r asks; target is what stands behind the Location's path. */
void page_begin(struct page *page, request_rec *r, const struct overview *overview,
                const char *target);

/* Everything up to and with the heading. Both NULL on the board; names from anywhere. */
void page_head(struct page *page, const char *tenant, const char *service);
/* The end of the page; everything is handed on. */
void page_foot(struct page *page);

/* What is wrong with the supervisor, as an alert; nothing while it is live. */
void page_warning(struct page *page);

/* The banner of a form's result, if the request brings one that this httpd made. */
void page_flash(struct page *page, const char *value);

/* BASE/A/B as the value of href or action; a and b may be NULL. */
void page_address(struct page *page, const char *a, const char *b);

/* BASE?QUERY with what differs from the plain page, as the value of href. */
void page_query(struct page *page, const struct status_query *query);
/* The same as hidden fields of a form, without q, limit and page. */
void page_hidden_query(struct page *page, const struct status_query *query);

/* A letter in the colour of its state: <b class="st good">R</b>. */
void page_letter(struct out *out, uint32_t state);

/* The style class of a state ("good", "busy", "slow", "bad", "off"). */
const char *state_css_class(uint32_t state);

/* The state that is shown: running with requests in flight is working. */
enum container_state page_state(const struct container_slot *slot);

/* now - then, 0 for what lies ahead. */
static inline uint64_t since(uint64_t now, uint64_t then)
{
    return now > then ? now - then : 0;
}

#endif
