/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOD_CONTAINER_SERVICE_PAGE_H
#define MOD_CONTAINER_SERVICE_PAGE_H

/*
 * The parts of the page of one service; each writes a section. What stands on the boards costs
 * nothing to show; what the supervisor is asked for comes last, within one time budget for all.
 */

#include <jansson.h>

#include "common/scoreboard.h"
#include "mod_container/page.h"
#include "mod_container/service_query.h"

/* What all questions of one page may take together. */
#define SERVICE_BUDGET_MS   2000
#define SERVICE_DEADLINE_MS 1000

struct service_page {
    struct page page;
    const char *tenant, *service;
    const struct service_query *query;
    struct container_slot slot; /* of its first container */
    uint32_t index;             /* where that is */
    int budget_ms;              /* what is left for questions */
    const char *silence;        /* why the supervisor is asked no more, or NULL */
    const char *refusal;        /* of the last question, or NULL */
};

/*
 * Asks the supervisor for this service; extra (may be NULL) is added to the request and given up.
 * A new reference, or NULL after a sentence in a paragraph that says why there is no answer.
 */
json_t *service_ask(struct service_page *service, const char *verb, json_t *extra);

/* The same without a word: for what the page has another source for. */
json_t *service_ask_quietly(struct service_page *service, const char *verb, json_t *extra);

void service_actions(struct service_page *service);   /* service_actions.c */
void service_use(struct service_page *service);       /* service_use.c */
void service_facts(struct service_page *service);     /* service_use.c */
void service_charts(struct service_page *service);    /* service_charts.c */
void service_requests(struct service_page *service);  /* service_requests.c */
void service_processes(struct service_page *service); /* service_panels.c */
void service_why(struct service_page *service);
void service_mails(struct service_page *service);  /* service_mails.c */
void service_events(struct service_page *service); /* service_history.c */
void service_logs(struct service_page *service);
void service_spec(struct service_page *service);

/* <section class="card">, its heading, and its end. id is our own. */
void service_open(struct service_page *service, const char *id, const char *title);
void service_close(struct service_page *service);

#endif
